"""What is read off a prompt besides an answer: risks, places along directions, log-probabilities of its own tokens.

It runs on a twin, which has the model's weights and none of its hooks, so it may run while an engine writes.
"""

from __future__ import annotations

import asyncio
import copy
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from steer.apply import steered
from steer.explain import explain, explanation_fields
from steer.gates import log_odds, shares
from steer.plan import ELSE, Edit, Plan
from steer.recipe import Recipe, compile_plan
from steer.server.drawing import Piece, scored
from steer_vectors.chat import Prompt, prompt_ids
from steer_vectors.hooks import on_layers
from steer_vectors.models import ChatModel
from steer_vectors.site import Site

T = TypeVar("T")


class Gate(NamedTuple):
    """What a probe said of a prompt: its risk, and by how much it opens; "else" has no risk of its own."""

    probe: str
    share: float
    risk: float | None = None
    threshold: float | None = None


class Decided(NamedTuple):
    """Strengths for an engine's dials, and how they came about.

    Args:
        strengths: Of the dials of the engine's recipe.
        gates: In the order in which the probes are asked, "else" last; empty without probes.
    """

    strengths: Mapping[str, float]
    gates: tuple[Gate, ...] = ()

    @property
    def risk(self) -> float | None:
        """The highest of the risks."""
        return max((gate.risk for gate in self.gates if gate.risk is not None), default=None)


class Reader:
    """Reads prompts on a twin of a model, one after the other.

    Args:
        model: A live model, not steered.
    """

    def __init__(self, model: ChatModel) -> None:
        shared = {id(own): own for own in (*model.hf.parameters(), *model.hf.buffers())}
        self.model = ChatModel(copy.deepcopy(model.hf, shared), model.tokenizer, model.name)
        self._alone = asyncio.Lock()

    async def decide(self, plan: Plan | None, ids: Sequence[int], strengths: Mapping[str, float]) -> Decided:
        """Ask the probes of a plan. Those that read on while the answer is written get their strengths as they are."""
        if plan is None or not plan.probes:
            return Decided(strengths)
        return await self._run(lambda: self._decide(plan, ids, strengths))

    async def score(
        self, plan: Plan | None, ids: Sequence[int], strengths: Mapping[str, float], top: int
    ) -> list[Piece]:
        """Log-probabilities of a prompt's own tokens, as the steered model reads it; the first token has none."""
        return await self._run(lambda: self._score(plan, ids, strengths, top))

    async def explain(self, plan: Plan, prompt: Prompt, strengths: Mapping[str, float]) -> dict[str, Any]:
        """What a plan does with a prompt, token by token; see `docs/serve.md`."""
        return await self._run(lambda: self._explain(plan, prompt, strengths))

    async def _run(self, work: Callable[[], T]) -> T:
        async with self._alone:
            # A thread cannot be cancelled: whoever waits next must wait for its end.
            return await asyncio.shield(asyncio.ensure_future(asyncio.to_thread(work)))

    def _decide(self, plan: Plan, ids: Sequence[int], strengths: Mapping[str, float]) -> Decided:
        recipe = compile_plan(plan, self.model)
        odds = log_odds(self.model, recipe.gauges, [ids])
        share = shares(recipe.gauges, odds)
        told = [
            Gate(probe.name, own, risk, probe.threshold)
            for probe, own, risk in zip(
                plan.probes, share[0].tolist(), odds[0].sigmoid().tolist(), strict=False
            )
        ]
        gates = (*told, Gate(ELSE, float(share[0, -1])))
        if reads_on(plan):
            return Decided(strengths, gates)
        turned = torch.tensor([[strengths[dial] for dial in recipe.dials]])
        spread = recipe.spread(turned, share)[0].tolist()
        return Decided(dict(zip(recipe.decided.dials, spread, strict=True)), gates)

    @torch.no_grad()
    def _score(
        self, plan: Plan | None, ids: Sequence[int], strengths: Mapping[str, float], top: int
    ) -> list[Piece]:
        self.model.require_room(len(ids))
        recipe = Recipe({}) if plan is None else compile_plan(plan, self.model)
        rows = torch.tensor([list(ids)], device=self.model.device)
        with steered(self.model, recipe, dict(strengths)):
            logits = self.model.hf(input_ids=rows, use_cache=False).logits[0]
        later = (scored(row, token, top) for row, token in zip(logits[:-1], ids[1:], strict=True))
        return [Piece(ids[0]), *later]

    def _explain(self, plan: Plan, prompt: Prompt, strengths: Mapping[str, float]) -> dict[str, Any]:
        found = explanation_fields(explain(self.model, plan, prompt, dict(strengths), tokens=1))
        ids = prompt_ids(self.model.tokenizer, prompt)
        along = self._places(plan, ids)
        for at, token in enumerate(found["prompt"]):
            token["places"] = [or_none(float(own[at])) for own in along]
        return {
            "strengths": found["strengths"], "probes": found["probes"], "otherwise": found["otherwise"],
            "edits": found["edits"], "tokens": found["prompt"],
            "directions": [
                {"edit": at, "concept": edit.vector.meta["concept"], "layer": site.layer, "point": site.point}
                for at, (edit, site) in enumerate(_first(plan))
            ],
        }  # fmt: skip

    @torch.no_grad()
    def _places(self, plan: Plan, ids: Sequence[int]) -> list[Tensor]:
        """Where the plain model puts each token along the direction of each edit, in class gaps."""
        found: dict[int, Tensor] = {}

        def reader(site: Site) -> Callable[[Tensor], None]:
            def read(hidden: Tensor) -> None:
                for at, (edit, own) in enumerate(_first(plan)):
                    if own == site:
                        direction, layer = edit.vector.directions[site.layer], site.layer
                        away = hidden[0].float().cpu() @ direction - float(edit.vector.negative[layer])
                        found[at] = away / (edit.vector.gap(layer) or math.nan)

            return read

        rows = torch.tensor([list(ids)], device=self.model.device)
        with on_layers(self.model.hf, {site: reader(site) for _, site in _first(plan)}):
            self.model.hf(input_ids=rows, use_cache=False)
        return [found[at] for at in range(len(plan.edits))]


def reads_on(plan: Plan | None) -> bool:
    """Whether a probe reads every token of the answer."""
    return plan is not None and any(probe.each_token for probe in plan.probes)


def or_none(value: float) -> float | None:
    """For JSON, which has no infinity."""
    return value if math.isfinite(value) else None


def _first(plan: Plan) -> list[tuple[Edit, Site]]:
    """Each edit at the layer that its vector chose, if it acts there, else at its first."""
    return [
        (edit, next((s for s in edit.sites if s.layer == edit.vector.layer), edit.sites[0]))
        for edit in plan.edits
    ]
