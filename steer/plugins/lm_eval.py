"""lm-evaluation-harness on a steered model: its own `HFLM`, with the forwards that answer requests steered.

Importing this file registers the model type `steer` with lm-eval: `simple_evaluate(model="steer", model_args={"pretrained":
"NAME@refusal=0.5", "policy": "policy.toml"})`. At strength 0 nothing is hooked, so the numbers are those of `hf`.

A likelihood request is one forward over context and continuation: its prompt ends where the context ends, and padding on
the right is no part of it. So scopes mean what they mean in generation, and probes are asked about the context. Knows no
tasks.
"""

from __future__ import annotations

import hashlib
from argparse import Namespace
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import torch
from lm_eval.api.registry import register_model
from lm_eval.config.evaluate_config import EvaluatorConfig
from lm_eval.models.huggingface import HFLM
from torch import Tensor

import steer
from steer.apply import decide, steered, strength_rows
from steer.asked import asked, dtype_of
from steer.dials import Policy
from steer.errors import PlanError
from steer.liveness import check_liveness
from steer.plan import Plan
from steer.recipe import Recipe, compile_plan
from steer.scope import Places
from steer_vectors.file import Vector
from steer_vectors.models import ChatModel

# Of HFLM's arguments, those that mean something for a model that is loaded already.
_TAKEN = (
    "add_bos_token", "chat_template_args", "enable_thinking", "logits_cache", "max_length", "mixed_precision_dtype",
    "prefix_token_id", "softmax_dtype", "think_end_token", "truncation",
)  # fmt: skip

Key = tuple[int, ...]  # a row's tokens without the zeros at its end, which lm-eval pads with
Request = tuple[
    Any, list[int], list[int]
]  # of lm-eval: what was asked, tokens of the context, of the continuation


class Row(NamedTuple):
    """One likelihood request: how many tokens it has and how many of them are prompt, and its place among the strengths."""

    length: int
    end: int
    turned: tuple[float, ...]


class SteeredLM(HFLM):  # type: ignore[misc]  # lm-eval may be absent, and has no types
    """A steerdial model as lm-eval asks it; `lm_eval --model steer`, were it lm-eval's own.

    Args:
        pretrained: A name as `steer.load` takes it, with strengths behind it or not, or a loaded model.
        policy: A policy file, or a policy.
        vector: A vector file, or a vector; stands for adding it.
        strength: As `Policy.strengths` takes it: 0.5, "refusal=0.5,warmth=1", a preset. Default: the policy's.
        dtype: "float32", "bfloat16" or "float16"; default float32 on CPU, bfloat16 on GPU.
        device: Default: the first CUDA GPU, else the CPU, as lm-eval's `hf` has it.
        batch_size: As in lm-eval.
        max_batch_size: As in lm-eval.
        options: Of lm-eval's `hf`, what does not load a model: `max_length`, `add_bos_token`, `enable_thinking`, ...

    Raises:
        PlanError: What `steer.asked` refuses; an option that loads a model; a probe that reads every token, when likelihoods
            are asked; a plan for prompts, when texts without a prompt are (`loglikelihood_rolling`).
        ModelError: The model does not load.
        MismatchError: A vector of another model.
        LivenessError: Steering does not move the model.
    """

    def __init__(
        self,
        pretrained: str | ChatModel,
        policy: str | Path | Policy | Plan | None = None,
        vector: str | Path | Vector | None = None,
        strength: object = None,
        dtype: str | None = None,
        device: str | None = None,
        batch_size: int | str = 1,
        max_batch_size: int = 64,
        **options: Any,
    ) -> None:
        if foreign := sorted(name for name, value in options.items() if name not in _TAKEN and value):
            raise PlanError(f"{foreign[0]}={options[foreign[0]]!r}", ", ".join(_TAKEN), "leave it out")
        if device is not None and device.startswith("cuda") and not torch.cuda.is_available():
            device = None  # lm-eval asks for cuda:0 unless it is told otherwise, and makes do with the CPU
        loaded = pretrained if isinstance(pretrained, ChatModel) else None
        # A loaded model has no strengths in its name.
        self.asked = asked(pretrained if isinstance(pretrained, str) else "loaded", policy, vector, strength)
        self.chat = loaded or steer.load(self.asked.model, dtype=dtype_of(dtype), device=device)
        self.recipe: Recipe | None = None
        if self.asked.policy is not None:
            self.recipe = compile_plan(self.asked.policy.plan, self.chat)
            strength_rows(self.asked.strengths, self.recipe)  # numbers that are too large are refused here
        self._rows: Mapping[Key, Row] | None = None  # of the likelihoods that are worked out now
        self._edited = 0
        if self._at_work is not None and self.chat.tokenizer.chat_template:
            check_liveness(self.chat, self._at_work)
        super().__init__(
            pretrained=self.chat.hf, tokenizer=self.chat.tokenizer, backend="causal", batch_size=batch_size,
            max_batch_size=max_batch_size, **{name: options[name] for name in _TAKEN if name in options},
        )  # fmt: skip
        self.pretrained = self.chat.name  # for lm-eval's record of the run

    @property
    def _at_work(self) -> Recipe | None:
        return None if self.asked.plain else self.recipe

    def loglikelihood_rolling(self, requests: list[Any], disable_tqdm: bool = False) -> list[float]:
        """Likelihoods of whole texts, which have no prompt but a token of lm-eval's before them.

        Raises:
            PlanError: A probe, or an edit of the prompt alone or of a window.
        """
        recipe = self._at_work
        if recipe is not None:
            if recipe.gauges:
                raise PlanError(
                    f"probe {recipe.gauges[0].name!r} for the likelihood of whole texts (loglikelihood_rolling)",
                    "a plan without probes: a text has no prompt that they could read",
                    "choose such a policy, or tasks of loglikelihood or generate_until",
                )
            if any(dose.span is not None and not dose.after_prompt for dose in recipe.doses):
                raise PlanError(
                    "an edit of the prompt for the likelihood of whole texts (loglikelihood_rolling)",
                    "edits of scope all or generation: a text has no prompt",
                    "choose such a policy, or tasks of loglikelihood or generate_until",
                )
        found: list[float] = super().loglikelihood_rolling(requests, disable_tqdm=disable_tqdm)
        return found

    def _loglikelihood_tokens(self, requests: Sequence[Request], **named: Any) -> list[tuple[float, bool]]:
        if self._at_work is None or not requests:
            plain: list[tuple[float, bool]] = super()._loglikelihood_tokens(requests, **named)
            return plain
        found: list[tuple[float, bool]] = [(0.0, False)] * len(requests)
        for rows, which in _apart(self._laid_out(self._at_work, requests)):
            with self._reading(rows):
                answers = super()._loglikelihood_tokens([requests[at] for at in which], **named)
            for at, answer in zip(which, answers, strict=True):
                found[at] = answer
        return found

    def _laid_out(self, recipe: Recipe, requests: Sequence[Request]) -> list[tuple[Key, Row]]:
        """What lm-eval will read for each request: context and continuation but its last token, cut on the left."""
        texts, ends = [], []
        for _, context, continuation in requests:
            whole = [*context, *continuation]
            cut = max(0, len(whole) - self.max_length - 1)
            texts.append(whole[cut:-1])
            ends.append(len(context) - cut)
        prompts = [ids[:end] for ids, end in zip(texts, ends, strict=True)]
        if on := [gauge.name for gauge in recipe.gauges if gauge.each_token]:
            raise PlanError(
                f"probe {on[0]!r}, which reads every token of the answer, for likelihoods",
                "probes that decide on the prompt",
                "leave out each_token, or choose tasks of generate_until",
            )
        strengths = strength_rows(self.asked.strengths, recipe).repeat(len(requests), 1).to(self.chat.device)
        _, turned = decide(self.chat, recipe, prompts, strengths)
        return [
            (_key(ids), Row(len(ids), end, tuple(row)))
            for ids, end, row in zip(texts, ends, turned.tolist(), strict=True)
        ]

    def _model_call(self, inps: Tensor, *args: Any, **named: Any) -> Tensor:
        recipe, rows = self._at_work, self._rows
        if recipe is None or rows is None:
            plain: Tensor = super()._model_call(inps, *args, **named)
            return plain
        own = [rows[_key(ids)] for ids in inps.tolist()]
        length, end = (
            torch.tensor(x, device=inps.device)[:, None]
            for x in zip(*((r.length, r.end) for r in own), strict=True)
        )
        position = torch.arange(inps.shape[1], device=inps.device).expand(inps.shape)
        places = Places(position, end, position < length)
        turned = (
            torch.tensor([row.turned for row in own], device=inps.device)[:, None] * places.real[..., None]
        )
        with steered(self.chat, recipe.decided if recipe.gauges else recipe, {}) as steering:
            steering.source = lambda _given: (turned, places)
            logits: Tensor = super()._model_call(inps, *args, **named)
        self._edited += steering.edited
        return logits

    def _model_generate(self, *args: Any, **named: Any) -> Tensor:
        if self._at_work is None:
            plain: Tensor = super()._model_generate(*args, **named)
            return plain
        with steered(self.chat, self._at_work, self.asked.strengths) as steering:
            found: Tensor = super()._model_generate(*args, **named)
        self._edited += steering.edited
        return found

    def _detect_batch_size(self, *args: Any, **named: Any) -> int:
        with self._reading(None):  # a made-up batch: what it holds is nobody's request
            found: int = super()._detect_batch_size(*args, **named)
        return found

    @contextmanager
    def _reading(self, rows: Mapping[Key, Row] | None) -> Iterator[None]:
        before, self._rows = self._rows, rows
        try:
            yield
        finally:
            self._rows = before

    def get_model_info(self) -> dict[str, Any]:
        """What goes into the result file: lm-eval's own, the policy's hash, the strengths, and how many tokens were edited."""
        policy = self.asked.policy
        return {
            **super().get_model_info(),
            "steer_strengths": dict(self.asked.strengths),
            "steer_policy_sha256": policy.hash if policy is not None else "",
            "steer_edited_tokens": self._edited,
        }


def adopt(wanted: Namespace, given: Mapping[str, str | None]) -> None:
    """Make of lm-eval's parsed command line one that runs the model type `steer`.

    Args:
        wanted: Of `lm_eval run`, with the model's name in place of a model type; changed in place.
        given: `policy`, `vector`, `strength` and `dtype` of `SteeredLM`; None = not given.

    Raises:
        PlanError: No model, a model in a configuration file, an argument in two places, or what `steer.asked` refuses.
        VectorFileError: As there.
    """
    file = EvaluatorConfig.load_yaml_config(wanted.config) if wanted.config else {}
    arguments = dict(wanted.model_args or {})
    own = {name: value for name, value in given.items() if value is not None}
    twice = own.keys() & arguments.keys()
    if not wanted.model or "pretrained" in arguments or file.keys() & {"model", "model_args"}:
        raise PlanError(
            "a command without --model, or with a model in --model_args or --config",
            "its name as --model",
            "write --model NAME, or NAME@refusal=0.5, behind the --",
        )
    if twice:
        raise PlanError(f"{min(twice)} before the -- and in --model_args", "one of them", "leave one out")
    arguments |= own
    found = asked(wanted.model, *(arguments.get(name) for name in ("policy", "vector", "strength")))
    if "strength" in own:  # into the name, by which lm-eval calls its result files
        wanted.model = f"{found.model}@{arguments.pop('strength')}"
    if kept := wanted.use_cache or file.get("use_cache"):
        # lm-eval looks up what it keeps by the request alone: each setting needs a file of its own.
        model = hashlib.sha256(f"{found.model} {arguments.get('dtype')}".encode()).hexdigest()
        wanted.use_cache = f"{kept}_{model[:8]}_{found.hash[:12]}"
    wanted.model, wanted.model_args = "steer", {"pretrained": wanted.model, **arguments}


def _key(ids: Sequence[int]) -> Key:
    end = len(ids)
    while end and ids[end - 1] == 0:
        end -= 1
    return tuple(ids[:end])


def _apart(rows: Sequence[tuple[Key, Row]]) -> list[tuple[dict[Key, Row], list[int]]]:
    """Requests in as few groups as keep apart those that lm-eval sends as the same tokens, and that end elsewhere."""
    groups: list[tuple[dict[Key, Row], list[int]]] = []
    for at, (key, row) in enumerate(rows):
        for known, which in groups:
            if known.setdefault(key, row) == row:
                which.append(at)
                break
        else:
            groups.append(({key: row}, [at]))
    return groups


register_model("steer")(SteeredLM)
