"""What a plan does with one prompt: what its probes decide, what each edit gets and moves, both answers, the risk of every token.

Nothing is worked out a second time: numbers are read in the forwards of a real generation, just before and just after the
hooks of `steered`. Knows no files and no screen.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor

from steer.apply import Steering, Strength, steered, strength_rows
from steer.errors import PlanError
from steer.gates import Gauge, shares
from steer.plan import ELSE, Edit, Gate, Plan, Probe
from steer.recipe import Recipe, Step, compile_plan
from steer_vectors.chat import Prompt, prompt_ids
from steer_vectors.file import Vector
from steer_vectors.greedy import ends, greedy, left_padded
from steer_vectors.hooks import on_layers
from steer_vectors.models import ChatModel
from steer_vectors.site import Site


class Token(NamedTuple):
    """One token of a prompt or an answer.

    Args:
        id: In the vocabulary.
        text: By itself, as the tokenizer writes it; of a special token, its name.
        special: Whether the tokenizer counts it as special.
        risks: 0 to 1, what each probe would say there, in the plan's order; nan = the token was never read, as the last
            one of an answer.
    """

    id: int
    text: str
    special: bool
    risks: tuple[float, ...]


class Answer(NamedTuple):
    """A greedy answer.

    Args:
        text: Without special tokens.
        truncated: Whether the token limit cut it off.
        tokens: All that were generated, the end among them.
    """

    text: str
    truncated: bool
    tokens: tuple[Token, ...]


class Decision(NamedTuple):
    """A probe, and what it says of the prompt's last token.

    Args:
        name: Of the probe.
        layer: Where it reads.
        point: Where it reads.
        read: "place" or "cosine".
        log_odds: Of the risk.
        risk: 0 to 1.
        threshold: Risk at which it opens.
        sharpness: Infinite = open or shut.
        share: How far it opens, after those before it have taken theirs: 0 to 1.
        each_token: Whether it goes on reading while the answer is written; `share` is that at the end of the prompt.
        measured: How often it errs, as the plan has it.
    """

    name: str
    layer: int
    point: str
    read: str
    log_odds: float
    risk: float
    threshold: float
    sharpness: float
    share: float
    each_token: bool
    measured: Mapping[str, Any]


class Moved(NamedTuple):
    """A place along a direction, in class gaps: 0 = mean of the negative class, 1 = of the positive; nan = not known."""

    before: float
    after: float


class TokenGate(NamedTuple):
    """Opens an edit token by token, which doses do not say.

    Args:
        threshold: Cosine above which it opens.
        sharpness: Infinite = open or shut.
        cosine: Of the prompt's last token and the gate's direction, before the edits of the site.
    """

    threshold: float
    sharpness: float
    cosine: float


class Done(NamedTuple):
    """One edit at one site.

    Args:
        edit: Its number in the plan, from 0.
        kind: As in `Edit`.
        layer: Of the site.
        point: Of the site.
        dial: Name of its dial.
        strength: Of the dial.
        scale: Of the edit.
        when: The probe that opens it, or "else"; None = always open.
        share: How far it is open for this prompt, 0 to 1.
        dose: strength * scale * share: what this prompt's tokens get where the edit's scope holds them.
        scope: Which tokens.
        gate: None = every token within the scope.
        last_dose: What the hooks gave the prompt's last token; 0 outside the scope.
        answer_dose: Mean of what they gave the answer's tokens; nan = none was read.
        last: The prompt's last token along the edit's direction, before and after all edits of the site.
        answer: The same, mean over the answer's tokens that were read.
    """

    edit: int
    kind: str
    layer: int
    point: str
    dial: str
    strength: float
    scale: float
    when: str | None
    share: float
    dose: float
    scope: str
    gate: TokenGate | None
    last_dose: float
    answer_dose: float
    last: Moved
    answer: Moved


class Explanation(NamedTuple):
    """What a plan does with one prompt.

    Args:
        strengths: Of the dials.
        probes: In the order in which they are asked.
        otherwise: The share of "else": what no probe opens by; nan without probes.
        edits: In the plan's order, each at all its sites.
        prompt: Its tokens, those of the chat template among them.
        plain: What the model answers by itself.
        steered: What it answers under the plan.
    """

    strengths: Mapping[str, float]
    probes: tuple[Decision, ...]
    otherwise: float
    edits: tuple[Done, ...]
    prompt: tuple[Token, ...]
    plain: Answer
    steered: Answer


def explain(
    model: ChatModel, plan: Plan, prompt: Prompt, strength: Strength = 1.0, *, tokens: int = 32
) -> Explanation:
    """Answer a prompt under a plan and without it, and note what happens.

    Args:
        model: A live model, not steered.
        plan: What it is steered by.
        prompt: A text, or a conversation that ends with the user.
        strength: As in `steered`, for one row.
        tokens: Most tokens of each answer.

    Raises:
        PlanError: As in `steered`; less than one token.
        MismatchError: A vector of another model.
        ModelError: A tokenizer without a chat template, a prompt that leaves no room for the answer.
    """
    if tokens < 1:
        raise PlanError(f"{tokens} tokens of an answer", "at least 1", "ask for 32, say")
    recipe = compile_plan(plan, model)
    strengths = strength_rows(strength, recipe)
    ids = prompt_ids(model.tokenizer, prompt)
    places = _places(plan, recipe)
    along = [(own.site, _place(own.edit.vector, _layer_of(own))) for own in places]
    cosines = [(own.site, _cosine(own.edit.gate, own.site.layer)) for own in places]
    with (
        _noting(model, _risks(recipe)) as odds,
        _noting(model, along) as before,
        _noting(model, cosines) as cosine,
        steered(model, recipe, strength) as steering,
        _noting(model, along) as after,
        _noting(model, [(own.site, _dose(steering, own.step)) for own in places]) as doses,
    ):
        said = _answer(model, ids, tokens)
    with _noting(model, _risks(recipe)) as plain_odds:
        plain = _answer(model, ids, tokens)

    at_end = [torch.cat(own)[len(ids) - 1] for own in odds]
    opened = _opened(plan, recipe, at_end)
    positions = dict(zip(plan.dials, strengths[0].tolist(), strict=True))
    notes = zip(places, before, after, doses, cosine, strict=True)
    return Explanation(
        positions,
        tuple(_decision(*own, opened) for own in zip(plan.probes, at_end, strict=True)),
        opened[ELSE],
        tuple(_done(own, positions, opened, len(ids), *map(torch.cat, found)) for own, *found in notes),
        _tokens(model, ids, odds),
        _said(model, plain, _tokens(model, [*ids, *plain], plain_odds)[len(ids) :]),
        _said(model, said, _tokens(model, [*ids, *said], odds)[len(ids) :]),
    )


def _risks(recipe: Recipe) -> list[tuple[Site, Callable[[Tensor], Tensor]]]:
    """Log-odds of every token as it is read, one forward after the other: some probes read the tokens before it too."""

    def reader(gauge: Gauge) -> Callable[[Tensor], Tensor]:
        before: list[Tensor] = []

        def read(hidden: Tensor) -> Tensor:
            rows = torch.cat([*before, hidden], -2)
            before[:] = [rows[..., max(0, rows.shape[-2] - len(gauge.query) + 1) :, :].clone()]
            found: Tensor = gauge.log_odds(rows)
            return found[..., -hidden.shape[-2] :]

        return read

    return [(gauge.site, reader(gauge)) for gauge in recipe.gauges]


def explanation_fields(found: Explanation) -> dict[str, Any]:
    """For JSON: what is not known, or infinite, is None; so a sharpness of None is a step."""
    fields: dict[str, Any] = _bare(found)
    return fields


_WORDS = (Explanation, Decision, Done, TokenGate, Moved, Answer, Token)


def _bare(value: Any) -> Any:
    if isinstance(value, _WORDS):
        value = value._asdict()
    if isinstance(value, Mapping):
        return {key: _bare(own) for key, own in value.items()}
    if isinstance(value, (list, tuple)):
        return [_bare(own) for own in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    # A policy's `measured` may hold dates.
    return value if value is None or isinstance(value, (str, int, float)) else str(value)


class _Placed(NamedTuple):
    """An edit at one of its sites, and what the recipe does there for it."""

    at: int
    edit: Edit
    site: Site
    step: Step


def _places(plan: Plan, recipe: Recipe) -> list[_Placed]:
    """At each site a recipe's steps stand in the order of the plan's edits."""
    steps = {site: iter(own) for site, own in recipe.steps.items()}
    return [
        _Placed(at, edit, site, next(steps[site]))
        for at, edit in enumerate(plan.edits)
        for site in edit.sites
    ]


_Reading = Callable[[Tensor], Tensor]  # of rows `[t, d]`: `[t]`


@contextmanager
def _noting(model: ChatModel, readings: Sequence[tuple[Site, _Reading]]) -> Iterator[list[list[Tensor]]]:
    """What readings give at their sites, in forwards of one row: for each of them a list, one entry per forward."""
    found: list[list[Tensor]] = [[] for _ in readings]

    def hook(site: Site) -> Callable[[Tensor], None]:
        def note(hidden: Tensor) -> None:
            for own, (place, reading) in zip(found, readings, strict=True):
                if place == site:
                    own.append(reading(hidden[0]).cpu())

        return note

    with on_layers(model.hf, {site: hook(site) for site, _ in readings}):
        yield found


def _layer_of(own: _Placed) -> int:
    """Whose direction it is: ablation takes the chosen layer's everywhere."""
    return own.edit.vector.layer if own.edit.kind == "ablate" else own.site.layer


def _place(vector: Vector, layer: int) -> _Reading:
    read = (vector.directions if vector.read is None else vector.read)[layer]
    negative, gap = float(vector.negative[layer]), vector.gap(layer)
    # Without a gap nothing can be counted in gaps.
    return lambda rows: (rows.float() @ read.to(rows.device) - negative) / (gap or math.nan)


def _cosine(gate: Gate | None, layer: int) -> _Reading:
    if gate is None:
        return lambda rows: rows.new_full(rows.shape[:1], math.nan)
    query = gate.vector.directions[layer]
    return lambda rows: torch.cosine_similarity(rows.float(), query.to(rows.device)[None])


def _dose(steering: Steering, step: Step) -> _Reading:
    """What the hooks of this forward take; one number may stand for all its tokens."""
    return lambda rows: steering.doses[step.dose][0, :, 0].expand(len(rows))


def _answer(model: ChatModel, ids: list[int], most: int) -> list[int]:
    found: list[int] = greedy(model, left_padded(model, [ids]), most)[0, len(ids) :].tolist()
    return found


def _opened(plan: Plan, recipe: Recipe, odds: Sequence[Tensor]) -> dict[str, float]:
    """The share of each probe and of "else", from their log-odds at the end of a prompt."""
    if not odds:
        return {ELSE: math.nan}
    found = shares(recipe.gauges, torch.stack(list(odds))[None])[0].tolist()
    return dict(zip([*(probe.name for probe in plan.probes), ELSE], found, strict=True))


def _decision(probe: Probe, odds: Tensor, opened: Mapping[str, float]) -> Decision:
    return Decision(
        probe.name, *probe.site, probe.read, float(odds), float(odds.sigmoid()), probe.threshold, probe.sharpness,
        opened[probe.name], probe.each_token, probe.measured,
    )  # fmt: skip


def _done(
    own: _Placed, strengths: Mapping[str, float], opened: Mapping[str, float], prompt: int,
    before: Tensor, after: Tensor, dose: Tensor, cosine: Tensor,
) -> Done:  # fmt: skip
    edit, gate = own.edit, own.edit.gate
    strength = strengths[edit.dial]
    share = 1.0 if edit.when is None else opened[edit.when]

    def at_end(notes: Tensor) -> float:
        return float(notes[prompt - 1])

    def in_answer(notes: Tensor) -> float:
        return float(notes[prompt:].double().mean())

    return Done(
        own.at, edit.kind, *own.site, edit.dial, strength, edit.scale, edit.when, share, strength * edit.scale * share,
        edit.scope, None if gate is None else TokenGate(gate.threshold, gate.sharpness, at_end(cosine)),
        at_end(dose), in_answer(dose),
        Moved(at_end(before), at_end(after)), Moved(in_answer(before), in_answer(after)),
    )  # fmt: skip


def _tokens(model: ChatModel, ids: Sequence[int], odds: Sequence[Sequence[Tensor]]) -> tuple[Token, ...]:
    """With what was noted of them from the first on; an answer's last token was not read."""
    tokenizer: Any = model.tokenizer
    special = {at for at, token in tokenizer.added_tokens_decoder.items() if token.special}
    special.update(tokenizer.all_special_ids)
    risks = [[*torch.cat(list(own)).sigmoid().tolist(), math.nan] for own in odds]
    return tuple(
        Token(
            own,
            str(tokenizer.decode([own], clean_up_tokenization_spaces=False)),
            own in special,
            tuple(each[at] for each in risks),
        )
        for at, own in enumerate(ids)
    )


def _said(model: ChatModel, ids: list[int], tokens: tuple[Token, ...]) -> Answer:
    stops = ends(model)
    text = model.tokenizer.decode([own for own in ids if own not in stops], skip_special_tokens=True)
    return Answer(str(text).strip(), ids[-1] not in stops, tokens)
