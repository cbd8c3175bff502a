"""Inspect (inspect_ai) on a steered model: provider `steer`, for `--model steer/NAME@refusal=0.5 -M policy=policy.toml`.

One answer at a time: what a sample is answered does not depend on what else is asked, or on how many connections Inspect
opens. What is asked of a generation and not known here is refused, never left out. Knows no tasks and no scores.
"""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import anyio.to_thread
import torch
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessageAssistant,
    GenerateConfig,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    modelapi,
)
from inspect_ai.solver import solver
from torch import Tensor
from transformers import GenerationConfig, StoppingCriteriaList

import steer
from steer.apply import steered
from steer.asked import asked, dtype_of
from steer.errors import PlanError
from steer.liveness import check_liveness
from steer.recipe import Recipe, compile_plan
from steer_vectors.chat import Message, prompt_ids
from steer_vectors.greedy import ends, left_padded, own_settings_aside
from steer_vectors.models import ChatModel

# Of Inspect's settings of a generation: what is done, and what concerns Inspect alone.
_DONE = ("max_tokens", "temperature", "top_p", "top_k", "seed", "stop_seqs", "extra_body")
_INSPECTS = (
    "max_retries", "timeout", "attempt_timeout", "stream_idle_timeout", "max_connections", "adaptive_connections",
    "system_message", "max_tool_output", "fail_on_refusal", "cache",
)  # fmt: skip
_OFF: tuple[object, ...] = (None, False, 0, [], {})
_ROLES = ("system", "user", "assistant")
_LONGEST = 2048  # tokens of an answer for which no limit was set, as far as the context goes


class Drawn(NamedTuple):
    """How an answer is made: greedily at temperature 0."""

    most: int | None
    temperature: float
    top_p: float
    top_k: int
    seed: int | None
    stops: tuple[str, ...]


class Said(NamedTuple):
    """An answer: text, tokens of prompt and answer, and whether the limit cut it off."""

    text: str
    read: int
    written: int
    cut: bool


class SteerAPI(ModelAPI):  # type: ignore[misc]  # inspect_ai may be absent
    """A steerdial model as Inspect asks it.

    Args:
        model_name: A name as `steer.load` takes it, with strengths behind it or not.
        base_url: None; there is no server.
        api_key: None.
        config: Of every generation.
        policy: A policy file.
        vector: A vector file; stands for adding it.
        strength: As `Policy.strengths` takes it. Default: the policy's. A sample's own, `extra_body={"strength": ...}` of a
            `generate` call, stands in its place.
        dtype: "float32", "bfloat16" or "float16"; default float32 on CPU, bfloat16 on GPU.
        device: Default: the first CUDA GPU, else the CPU.
        unknown: Other model arguments, which are refused.

    Raises:
        PlanError: What `steer.asked` refuses; another model argument.
        ModelError: The model does not load.
        MismatchError: A vector of another model.
        LivenessError: Steering does not move the model.
    """

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig | None = None,
        policy: str | Path | None = None,
        vector: str | Path | None = None,
        strength: object = None,
        dtype: str | None = None,
        device: str | None = None,
        **unknown: Any,
    ) -> None:
        if unknown or base_url is not None:
            raise PlanError(
                f"model argument {min(unknown, default='base_url')!r}",
                "policy, vector, strength, dtype or device",
                "leave it out",
            )
        if isinstance(strength, list):  # `-M strength=refusal=0.5,warmth=1`: Inspect cuts at commas
            strength = ",".join(map(str, strength))
        self.asked = asked(model_name, policy, vector, strength)
        self.chat: ChatModel = steer.load(self.asked.model, dtype=dtype_of(dtype), device=device)
        self.recipe: Recipe | None = None
        if self.asked.policy is not None:
            self.recipe = compile_plan(self.asked.policy.plan, self.chat)
            check_liveness(self.chat, self.recipe)
        self._alone = threading.Lock()
        super().__init__(model_name, config=config or GenerateConfig())
        # Inspect keeps answers by this, among others, but not by the model's arguments.
        self.base_url = f"steer:{self.asked.hash}"

    def max_connections(self) -> int:
        """How many answers are worked on at once."""
        return 1

    def close(self) -> None:
        """Let go of the model."""
        del self.chat, self.recipe

    async def generate(
        self, input: list[Any], tools: list[Any], tool_choice: Any, config: GenerateConfig
    ) -> ModelOutput:
        """Answer a conversation; see `ModelAPI.generate`.

        Raises:
            PlanError: Tools, content that is no text, a setting that is not known here, strengths that the policy refuses.
            ModelError: A conversation that the chat template refuses, or that leaves no room for the answer.
        """
        if tools:
            raise PlanError(
                f"{len(tools)} tools", "a conversation without tools", "leave them out of the task"
            )
        drawn, strengths = how(config), self._strengths(config)
        began = time.monotonic()
        said = await anyio.to_thread.run_sync(self._answer, turns(input), drawn, strengths)
        message = ChatMessageAssistant(content=said.text, model=self.model_name, source="generate")
        return ModelOutput(
            model=self.model_name,
            choices=[ChatCompletionChoice(message=message, stop_reason="max_tokens" if said.cut else "stop")],
            usage=ModelUsage(
                input_tokens=said.read, output_tokens=said.written, total_tokens=said.read + said.written
            ),
            time=time.monotonic() - began,
            metadata={"strengths": strengths},
        )

    def _strengths(self, config: GenerateConfig) -> dict[str, float]:
        body = dict(config.extra_body or {})
        own = body.pop("strength", None)
        if body:
            raise PlanError(f"extra_body with {min(body)!r}", "strength alone", "leave it out")
        if own is None:
            return dict(self.asked.strengths)
        if self.asked.policy is None:
            raise PlanError(f"strength {own!r} of nothing", "a policy or a vector", "give -M policy=FILE")
        return self.asked.policy.strengths(own)

    def _answer(self, chat: Sequence[Message], drawn: Drawn, strengths: dict[str, float]) -> Said:
        with self._alone:
            if self.recipe is None or not any(strengths.values()):
                return answer(self.chat, chat, drawn)
            with steered(self.chat, self.recipe, strengths):
                return answer(self.chat, chat, drawn)


def how(config: GenerateConfig) -> Drawn:
    """What a configuration asks for; without a temperature, greedily.

    Raises:
        PlanError: A setting that is not known here, or out of range; one of sampling at temperature 0.
    """
    given = {name: value for name, value in config.model_dump().items() if value not in _OFF}
    if given.get("num_choices") == 1:
        del given["num_choices"]
    if extra := sorted(given.keys() - {*_DONE, *_INSPECTS}):
        raise PlanError(
            f"{extra[0]}={given[extra[0]]!r}", ", ".join(_DONE), "leave it out, or ask another provider"
        )
    temperature = float(config.temperature or 0.0)
    top_p = 1.0 if config.top_p is None else float(config.top_p)
    top_k = 0 if config.top_k is None else int(config.top_k)
    fits = 0 <= temperature < math.inf and 0 < top_p <= 1 and top_k >= 0
    if not fits or (config.max_tokens is not None and config.max_tokens < 1):
        raise PlanError(
            f"temperature {temperature:g}, top_p {top_p:g}, top_k {top_k}, max_tokens {config.max_tokens}",
            "temperature and top_k of 0 or more, top_p above 0 to 1, max_tokens of 1 or more",
            "mend the number",
        )
    if not temperature and (top_p < 1 or top_k > 0):
        raise PlanError(
            f"top_p {top_p:g} and top_k {top_k} without a temperature",
            "a temperature with them",
            "set temperature=1, or leave them out",
        )
    stops = tuple(text for text in config.stop_seqs or () if text)
    return Drawn(config.max_tokens, temperature, top_p, top_k, config.seed, stops)


def turns(messages: Sequence[Any]) -> list[Message]:
    """A conversation of texts.

    Raises:
        PlanError: A message of another role, or content that is no text.
    """
    found = []
    for message in messages:
        parts = [] if isinstance(message.content, str) else [part.type for part in message.content]
        if message.role not in _ROLES or set(parts) - {"text"}:
            what = next((part for part in parts if part != "text"), message.role)
            raise PlanError(
                f"a {message.role} message with {what}",
                f"texts of {', '.join(_ROLES)}",
                "leave it out of the task",
            )
        found.append(Message(role=message.role, content=message.text))
    return found


@torch.no_grad()
def answer(model: ChatModel, chat: Sequence[Message], drawn: Drawn) -> Said:
    """One answer, under whatever the model is steered by; at temperature 0 it is that of `steer.generate`.

    Raises:
        ModelError: A conversation that the template refuses, or that leaves no room for the answer.
    """
    batch = left_padded(model, [prompt_ids(model.tokenizer, chat)])
    read = batch.ids.shape[1]
    context = getattr(model.hf.config.get_text_config(), "max_position_embeddings", None) or _LONGEST + read
    most = drawn.most or max(1, min(_LONGEST, context - read))
    model.require_room(read + most)
    chosen: dict[str, Any] = {"do_sample": False}
    if drawn.temperature:
        chosen = {
            "do_sample": True, "temperature": drawn.temperature, "top_p": drawn.top_p, "top_k": drawn.top_k,
        }  # fmt: skip
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        max_new_tokens=most, pad_token_id=model.tokenizer.pad_token_id, eos_token_id=ends(model) or None,
        bos_token_id=model.tokenizer.bos_token_id, use_cache=True, **chosen,
    )  # fmt: skip
    decode = model.tokenizer.decode

    def stopped(ids: Tensor, _scores: object, **_: object) -> Tensor:
        text = str(decode(ids[0, read:]))  # with special tokens: somebody may stop at one
        return torch.tensor([any(stop in text for stop in drawn.stops)], device=ids.device)

    devices = [model.device] if model.device.type == "cuda" else []
    with own_settings_aside(model.hf) as hf, torch.random.fork_rng(devices, enabled=drawn.seed is not None):
        if drawn.seed is not None:
            torch.manual_seed(drawn.seed)
        out = hf.generate(
            input_ids=batch.ids, attention_mask=batch.mask, generation_config=config,
            stopping_criteria=StoppingCriteriaList([stopped] if drawn.stops else []),
        )  # fmt: skip
    row = out[0, read:].tolist()
    ended = any(token in ends(model) for token in row[-1:])
    text = str(decode(row, skip_special_tokens=True))
    cuts = [at for at in map(text.find, drawn.stops) if at >= 0]
    return Said(
        text[: min(cuts, default=len(text))].strip(),
        read,
        len(row),
        len(row) == most and not ended and not cuts,
    )


@solver  # type: ignore[misc,untyped-decorator,unused-ignore]
def at_own_strength(key: str = "strength") -> Any:
    """A solver: generate at the strength that a sample's metadata holds under `key`; without one, at the evaluation's."""

    async def solve(state: Any, generate: Any) -> Any:
        own = state.metadata.get(key)
        return await (generate(state) if own is None else generate(state, extra_body={"strength": own}))

    return solve


modelapi(name="steer")(SteerAPI)
