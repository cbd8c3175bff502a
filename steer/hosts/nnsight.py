"""A policy on a model that nnsight has wrapped: an edit of nnsight's own, which every later trace of the wrapper replays.

It is done before what a trace asks for itself: `.output` of a steered layer is what it is after the edits, in whatever
order a trace reads, in every invoke and at every token of a generation. Only here, not on NDIF.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import partial
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig

from steer.apply import Steering, Strength, as_plan
from steer.dials import Policy
from steer.equivalence import Said
from steer.errors import PlanError
from steer.hosts import answers, by_dial
from steer.plan import Plan
from steer.recipe import Recipe, compile_plan
from steer_vectors.backends.nnsight import NNsight as Reader
from steer_vectors.file import Vector
from steer_vectors.greedy import ends, left_padded
from steer_vectors.hooks import module_at
from steer_vectors.models import ChatModel, decoder, decoder_layers
from steer_vectors.site import Site

_ORDER = ("resid_pre", "attn_out", "mlp_out", "resid_post")  # in which a layer computes them


@contextmanager
def steered(
    traced: Any, plan: Plan | Vector | Recipe, strength: Strength | Callable[[int], Strength] = 1.0
) -> Iterator[Steering]:
    """Steer the traces and generations of a wrapped model inside the block.

    Args:
        traced: An `nnsight.TransformersModel` or `LanguageModel` of text; traces begin at it, not at a part of it.
        plan: As in `steer.steered`.
        strength: As there. One number per row of the batch is one per prompt of all invokes, in their order.

    Yields:
        The steering, whose strength can be set anew between traces.

    Raises:
        MismatchError: A vector of another model.
        ModelError: Another kind of wrapper.
        PlanError: As in `steer.steered`; inside the block, a forward that is no trace of this wrapper.
    """
    model = Reader.of(traced).model
    recipe = plan if isinstance(plan, Recipe) else compile_plan(as_plan(plan), model)
    with _at_work(traced, Steering(model, recipe, strength)) as steering:
        yield steering


class NNsight:
    """A traced model, as one of the runtimes that are compared.

    Args:
        model: Left as it is: a twin with the same weights is traced.
        policy: Whose plan is applied.

    Raises:
        MismatchError: A vector of another model.
        PlanError: As in `compile_plan`.
    """

    name = "nnsight"

    def __init__(self, model: ChatModel, policy: Policy) -> None:
        self.model = model
        self._recipe = compile_plan(policy.plan, model)
        self._traced: Any = Reader(model).traced
        # The twin's own: greedy is greedy, whatever the model would rather do.
        self._traced.pipeline.model.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]

    @torch.no_grad()
    def say(
        self, prompts: Sequence[Sequence[int]], strengths: Sequence[Mapping[str, float]], most: int
    ) -> list[Said]:
        """As in `Runtime`; all in one trace."""
        import nnsight  # type: ignore[import-untyped]

        self.model.require_room(max(map(len, prompts)) + most)
        batch, stops, pad = (
            left_padded(self.model, prompts),
            ends(self.model),
            self.model.tokenizer.pad_token_id,
        )
        with (
            _at_work(self._traced, Steering(self.model, self._recipe, by_dial(strengths))),
            self._traced.generate(
                input_ids=batch.ids, attention_mask=batch.mask, max_new_tokens=most, do_sample=False,
                eos_token_id=stops or None, pad_token_id=pad,
            ) as tracer,
        ):  # fmt: skip
            first = nnsight.save(self._traced.output.logits[:, -1].float().log_softmax(-1).cpu())
            found = nnsight.save(tracer.result)
        tokens = answers(found[:, batch.ids.shape[1] :], stops)
        return [Said(*own) for own in zip(first, tokens, strict=True)]


@contextmanager
def _at_work(traced: Any, steering: Steering) -> Iterator[Steering]:
    hf = traced.pipeline.model
    forwards = _Forwards(traced, hf, steering)
    with traced.edit(inplace=True) as tracer:
        forwards.follow(tracer.iter[:])
    edit = traced._edits[-1]
    owner = decoder(hf)
    handles = (
        owner.register_forward_pre_hook(forwards.begin),
        owner.register_forward_hook(forwards.require_done),
    )
    try:
        with steering.timeline.following(hf):
            yield steering
    finally:
        for handle in handles:
            handle.remove()
        traced._edits[:] = [own for own in traced._edits if own is not edit]


class _Forwards:
    """What is done in each forward of a trace: first its doses, then the sites in the order in which they are computed."""

    def __init__(self, traced: Any, hf: Any, steering: Steering) -> None:
        names = {id(module): name for name, module in hf.named_modules()}
        layers, owner = decoder_layers(hf), decoder(hf)
        acts: dict[Site, list[Callable[[Tensor], None]]] = {}
        for site, read in steering.probes().items():  # before the edits
            acts.setdefault(site, []).append(read)
        for site, steps in steering.recipe.steps.items():
            acts.setdefault(site, []).append(steering.edit(steps))
        self._owner = traced.get(names[id(owner)])
        # Of the class: nnsight has put a forward of its own on the module.
        self._arguments = list(inspect.signature(type(owner).forward).parameters)[1:]
        self._watch = partial(steering.watch(owner), owner, ())
        self._done = False
        self._sites = [
            (traced.get(names[id(module_at(layers, site))]), site.point == "resid_pre", acts[site])
            for site in sorted(acts, key=lambda site: (site.layer, _ORDER.index(site.point)))
        ]

    def follow(self, forwards: Iterable[int]) -> None:
        """The block of the edit."""
        from nnsight.intervention.interleaver import OutOfOrderError  # type: ignore[import-untyped]

        # The run has ended, or a trace has stopped it; that a forward was steered, `require_done` makes sure.
        with suppress(OutOfOrderError):
            for _ in forwards:
                self._forward()

    def _forward(self) -> None:
        args, named = self._owner.inputs
        self._watch(dict(zip(self._arguments, args, strict=False)) | named)
        for place, before, acts in self._sites:
            value = place.input.clone() if before else place.output
            hidden = value[0] if isinstance(value, (tuple, list)) else value
            for act in acts:
                act(hidden)
            if before:
                place.input = hidden
        self._done = True

    def begin(self, *_hook: Any) -> None:
        """Before every forward."""
        self._done = False

    def require_done(self, *_hook: Any) -> None:
        """After every forward: nnsight replays an edit only in traces of the wrapper that has it."""
        if not self._done:
            raise PlanError(
                "a forward outside a trace of the steered wrapper",
                "traces that begin at it, as `model.trace(...)` and not as `model.model.trace(...)`",
                "begin there, or leave the block",
            )
