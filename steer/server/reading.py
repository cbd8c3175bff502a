"""What is read off a prompt, or off an answer that is known: risks, places along directions, log-probabilities of its tokens.

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
from transformers import PreTrainedTokenizerBase

from steer.apply import steered
from steer.errors import PlanError
from steer.explain import explain, explanation_fields
from steer.gates import log_odds, shares
from steer.plan import ELSE, Edit, Plan
from steer.recipe import Recipe, compile_plan
from steer.server.drawing import Piece, scored
from steer.server.engine import EngineError
from steer_vectors.chat import Prompt, prompt_ids
from steer_vectors.hooks import on_layers
from steer_vectors.models import ChatModel, decoder
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


class Cut(NamedTuple):
    """A token of a text, and what it adds to it: put together these are the text, to the character.

    A character that takes several tokens stands in the first of them; the others add nothing.
    """

    token: int
    text: str


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

    async def explain(
        self, plan: Plan, prompt: Prompt, strengths: Mapping[str, float], answer: Sequence[Cut] = ()
    ) -> dict[str, Any]:
        """What a plan does with a prompt, token by token, and with an answer if there is one; see `docs/serve.md`."""
        return await self._run(lambda: self._explain(plan, prompt, strengths, answer))

    async def _run(self, work: Callable[[], T]) -> T:
        """Do it in a thread. A thread cannot be cancelled: where whoever waits goes away, the next waits for its end."""
        await self._alone.acquire()
        task = asyncio.ensure_future(asyncio.to_thread(work))
        task.add_done_callback(lambda _: self._alone.release())
        return await asyncio.shield(task)

    def _decide(self, plan: Plan, ids: Sequence[int], strengths: Mapping[str, float]) -> Decided:
        recipe = compile_plan(plan, self.model)
        odds = log_odds(self.model, recipe.gauges, [ids])
        if bool(
            odds.isnan().any()
        ):  # no gate would open, not even "else": the answer would be the plain model's
            raise EngineError("a risk that is no number", "a number", "ask again")
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

    def _explain(
        self, plan: Plan, prompt: Prompt, strengths: Mapping[str, float], answer: Sequence[Cut]
    ) -> dict[str, Any]:
        found = explanation_fields(explain(self.model, plan, prompt, dict(strengths), tokens=1))
        ids = prompt_ids(self.model.tokenizer, prompt)
        along = self._places(plan, ids)
        for at, token in enumerate(found["prompt"]):
            token["places"] = [or_none(own[at]) for own in along]
        read = {"answer_tokens": self._follow(plan, ids, answer, strengths)} if answer else {}
        return {
            "strengths": found["strengths"], "probes": found["probes"], "otherwise": found["otherwise"],
            "edits": found["edits"], "tokens": found["prompt"], **read, "directions": directions_of(plan),
        }  # fmt: skip

    @torch.no_grad()
    def _places(self, plan: Plan, ids: Sequence[int]) -> list[list[float]]:
        """Where the plain model puts each token along the direction of each edit, in class gaps."""
        kept: dict[Site, list[Tensor]] = {site: [] for _, site in _first(plan)}
        rows = torch.tensor([list(ids)], device=self.model.device)
        with on_layers(self.model.hf, _keeping(kept)):
            decoder(self.model.hf)(input_ids=rows, use_cache=False)
        return _along(plan, kept)

    @torch.no_grad()
    def _follow(
        self, plan: Plan, ids: Sequence[int], answer: Sequence[Cut], strengths: Mapping[str, float]
    ) -> list[dict[str, Any]]:
        """Tokens of an answer that is put into the steered model's mouth.

        Risks are read where the probes read, before the edits of their site; places after them, as the layers above do.
        """
        recipe = compile_plan(plan, self.model)
        before: dict[Site, list[Tensor]] = {gauge.site: [] for gauge in recipe.gauges}
        after: dict[Site, list[Tensor]] = {site: [] for _, site in _first(plan)}
        said = [own.token for own in answer]
        # A probe that reads on decides between two tokens; without one, all are read at once.
        steps = [[token] for token in said] if reads_on(plan) else [said]
        with (
            on_layers(self.model.hf, _keeping(before)),
            steered(self.model, recipe, dict(strengths)),
            on_layers(self.model.hf, _keeping(after)),
        ):
            cache = None
            for step in ([*ids], *steps):  # the prompt by itself: scopes and probes go by its end
                rows = torch.tensor([step], device=self.model.device)
                cache = decoder(self.model.hf)(
                    input_ids=rows, past_key_values=cache, use_cache=True
                ).past_key_values
        risks = [
            gauge.log_odds(torch.cat(before[gauge.site])).sigmoid()[len(ids) :].tolist()
            for gauge in recipe.gauges
        ]
        along = [own[len(ids) :] for own in _along(plan, after)]
        special = _special(self.model)
        return [
            {
                "id": own.token, "text": own.text, "special": own.token in special,
                "risks": [each[at] for each in risks], "places": [or_none(each[at]) for each in along],
            }
            for at, own in enumerate(answer)
        ]  # fmt: skip


def cut(tokenizer: PreTrainedTokenizerBase, text: str) -> list[Cut]:
    """A text as tokens.

    Raises:
        PlanError: A tokenizer that does not tell where its tokens lie, or that makes none of this text.
    """
    try:
        found: Any = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)
    except NotImplementedError as error:
        raise PlanError(
            "an answer for a tokenizer that does not tell where tokens lie", "none", "leave it out"
        ) from error
    ends = [end for _, end in found["offset_mapping"]]
    if not ends:
        raise PlanError("an answer without tokens", "at least one", "leave it out")
    ends[-1] = len(text)
    begins = [0, *ends]
    return [
        Cut(token, text[begin:end])
        for token, begin, end in zip(found["input_ids"], begins, ends, strict=False)
    ]


def directions_of(plan: Plan) -> list[dict[str, Any]]:
    """Along what, and where, places are read: one for each edit."""
    return [
        {"edit": at, "concept": edit.vector.meta["concept"], "layer": site.layer, "point": site.point}
        for at, (edit, site) in enumerate(_first(plan))
    ]


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


def _keeping(kept: Mapping[Site, list[Tensor]]) -> dict[Site, Callable[[Tensor], None]]:
    """What keeps the rows of each forward: copies, for edits change them in place."""

    def keeper(own: list[Tensor]) -> Callable[[Tensor], None]:
        return lambda hidden: own.append(hidden[0].to("cpu", torch.float32, copy=True))

    return {site: keeper(own) for site, own in kept.items()}


def _along(plan: Plan, kept: Mapping[Site, Sequence[Tensor]]) -> list[list[float]]:
    """Of each edit, the places of the rows kept at its site, in class gaps; not finite where there is no gap."""
    found = []
    for edit, site in _first(plan):
        vector, layer = edit.vector, site.layer
        away = torch.cat(list(kept[site])) @ vector.directions[layer] - float(vector.negative[layer])
        found.append((away / (vector.gap(layer) or math.nan)).tolist())
    return found


def _special(model: ChatModel) -> set[int]:
    tokenizer: Any = model.tokenizer
    added = {at for at, token in tokenizer.added_tokens_decoder.items() if token.special}
    return added | set(tokenizer.all_special_ids)
