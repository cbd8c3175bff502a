"""Which layer and position to steer at. Knows no files.

Three ways. "causal": by what the first answer token does (Arditi et al. 2406.11717, section 2.3 and appendix C; filters, and
l < 0.8 L). "cosmic": by where steered activations come to lie (2506.00085). "auc": by how well held-out prompts are told
apart, without running an edit.

The first two are costly, so they try, at every layer, the position that separates held-out prompts best (Cohen's d of their
projections); then, at the layer that does best, every other position; or, if asked to, everything. Separation and AUC are
kept for every position and layer. The choice is repeated on resampled prompts; the share that ends at the same layer is kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from steer_vectors.capture import Progress, Tally, project
from steer_vectors.chat import Asked
from steer_vectors.contrast import ContrastSet
from steer_vectors.errors import ContrastError
from steer_vectors.estimate import Estimate
from steer_vectors.models import ChatModel
from steer_vectors.site import Point, Site
from steer_vectors.trials import Candidate, Causal, Cosmic, Effect, Trial

By = Literal["causal", "cosmic", "auc"]
KL_BOUND = 0.1
LAYER_SHARE = 0.8
MAX_PROMPTS = 32
DRAWS = 500  # resamples of the held-out prompts
_FEW = 8  # with fewer held-out prompts of a class AUC and Cohen's d say little
_LEAST_SPREAD = 1e-6  # of the distance of the means; below it rounding is what spreads


class SelectionScore(NamedTuple):
    """What one candidate does on held-out prompts.

    Args:
        layer: 0-based.
        position: Negative offset from the end of the prompt, or 0 for the tokens that predict the answer.
        separation: Cohen's d of the two classes' projections; 0 where they do not spread.
        auc: Chance that a positive prompt's projection is above a negative one's, 0 to 1.
        added: Mean rise of negative prompts when one class gap is added: of the refusal score (log-odds), or of the cosine
            with the positive class; None where no edit was run.
        ablated: Mean fall of the refusal score of positive prompts, or rise of their cosine with the negative class, when
            their projection is set to the negative mean.
        kl: KL(plain || ablated) of the first answer token on negative prompts, mean, in nats; None where not looked at.
        passed: `added > 0`, `ablated > 0` and `kl <= 0.1`, as far as they were looked at.
    """

    layer: int
    position: int
    separation: float
    auc: float
    added: float | None
    ablated: float | None
    kl: float | None
    passed: bool


class Separation(NamedTuple):
    """Held-out projections of both classes, each `[p, l]` float64: Cohen's d, AUC, and their standard deviations."""

    d: Tensor
    auc: Tensor
    positive_std: Tensor
    negative_std: Tensor


class Selection(NamedTuple):
    """The chosen site and how it was chosen.

    Args:
        best: The chosen candidate.
        scores: All candidates that were tried.
        separation: Of every position and layer.
        tokens: Ids of the first tokens that the refusal score counts; empty where none are.
        repeats: Share of resamples of the held-out prompts in which the choice fell on the same layer.
        warning: One line if no candidate passed, if no first token tells the classes apart, or if fewer than 8 prompts of a
            class are held out; else "".
    """

    best: SelectionScore
    scores: tuple[SelectionScore, ...]
    separation: Separation
    tokens: tuple[int, ...]
    repeats: float
    warning: str

    def record(self) -> dict[str, Any]:
        """As it stands in a vector file, for JSON."""
        return {
            "candidates": [score._asdict() for score in self.scores],
            "tokens": list(self.tokens),
            "separation": {name: column.tolist() for name, column in self.separation._asdict().items()},
            "repeats": self.repeats,
        }


def select(
    model: ChatModel,
    contrast: ContrastSet,
    estimate: Estimate,
    positions: Sequence[int],
    *,
    by: By = "causal",
    layer: int | None = None,
    point: Point = "resid_post",
    max_prompts: int = MAX_PROMPTS,
    exhaustive: bool = False,
    progress: Progress | None = None,
    batch_tokens: int | None = None,
) -> Selection:
    """Choose layer and position on validation prompts.

    Args:
        model: The model the estimate came from, not steered.
        contrast: Needs validation prompts in both classes.
        estimate: Directions at `positions` and every layer.
        positions: Of the estimate's first axis.
        by: See the module.
        layer: Consider only this one (which may then be in the last fifth).
        point: Where the estimate was made, and where is edited.
        max_prompts: Most prompts per class and purpose, evenly spaced over the set.
        exhaustive: Try every position at every layer.
        progress: Called as `progress(done, total)`, in prompts run.
        batch_tokens: As in `capture`.

    Raises:
        ContrastError: A class has no validation prompt, or no layer that may be chosen has a direction.
        SiteError, ModelError: As in `capture`.
    """
    positive = _spaced(contrast.select("positive", "validation"), max_prompts)
    negative = _spaced(contrast.select("negative", "validation"), max_prompts)
    work = selection_work(
        model,
        contrast,
        positions,
        by=by,
        layer=layer,
        max_prompts=max_prompts,
        exhaustive=exhaustive,
        estimate=estimate,
    )
    tally = Tally(progress, work)
    seen = estimate.unit if estimate.read is None else estimate.read
    held_out = [
        project(model, prompts, positions, seen, tally.stage(), point=point, batch_tokens=batch_tokens)
        for prompts in (positive, negative)
    ]
    separation = separate(*held_out)
    sites = _sites(estimate, layer)
    few = _few(len(positive), len(negative))
    if by == "auc":
        return _by_auc(held_out, separation, positions, sites, few)
    trial: Trial = (
        Causal(
            model,
            [
                _spaced(contrast.select("positive", "train"), max_prompts),
                _spaced(contrast.select("negative", "train"), max_prompts),
            ],
            (positive, negative),
            tally,
            batch_tokens,
        )
        if by == "causal"
        else Cosmic(model, (positive, negative), positions, point, tally, batch_tokens)
    )
    effects: dict[tuple[int, int], Effect] = {}

    def attempt(p: int, here: int) -> None:
        read = None if estimate.read is None else estimate.read[p, here]
        means = float(estimate.positive[p, here]), float(estimate.negative[p, here])
        effects[p, here] = trial.run(Candidate(Site(here, point), estimate.unit[p, here], *means, read))

    layers = sorted({here for _, here in sites})
    for here in layers:
        there = [p for p, at in sites if at == here]
        for p in there if exhaustive else [max(there, key=lambda p: float(separation.d[p, here]))]:
            attempt(p, here)
    if not exhaustive:
        _, here = list(effects)[choose([_means(effect) for effect in effects.values()])[0]]
        for p, at in sites:
            if at == here and (p, at) not in effects:
                attempt(p, at)
    tried = list(effects)
    means = [_means(effect) for effect in effects.values()]
    index, passed = choose(means)
    scores = [
        SelectionScore(
            here,
            positions[p],
            float(separation.d[p, here]),
            float(separation.auc[p, here]),
            *own,
            passed=_passes(*own),
        )
        for (p, here), own in zip(tried, means, strict=True)
    ]
    warning = "; ".join(filter(None, (few, trial.warning, "" if passed else _none_passed(scores[index]))))
    repeats = _repeats(list(effects.values()), [here for _, here in tried], scores[index].layer)
    return Selection(scores[index], tuple(scores), separation, trial.tokens, repeats, warning)


Means = tuple[float, float, float | None]  # added, ablated, kl


def choose(effects: Sequence[Means]) -> tuple[int, bool]:
    """Index of the candidate with the largest `added + ablated` among those that pass, and whether any does.

    If none passes, the largest among the half with the least KL: the very least KL is that of a layer that does nothing. Where
    the KL was not looked at, the largest of all.
    """
    passing = [index for index, own in enumerate(effects) if _passes(*own)]
    if not passing:
        order = sorted(range(len(effects)), key=lambda index: effects[index][2] or 0.0)
        passing, passed = order if effects[0][2] is None else order[: (len(order) + 1) // 2], False
    else:
        passed = True
    return max(passing, key=lambda index: effects[index][0] + effects[index][1]), passed


def _passes(added: float, ablated: float, kl: float | None) -> bool:
    return added > 0 and ablated > 0 and (kl is None or kl <= KL_BOUND)


def _means(effect: Effect) -> Means:
    kl = None if effect.kl is None else float(effect.kl.mean())
    return float(effect.added.mean()), float(effect.ablated.mean()), kl


def _none_passed(best: SelectionScore) -> str:
    kl = "" if best.kl is None else f" with KL {best.kl:.3g}"
    return (
        f"no candidate passed (adding must move the negative class, ablating the positive one, KL <= {KL_BOUND}); took layer "
        f"{best.layer}{kl}, where adding moves the score by {best.added:+.3g} and ablating by {best.ablated:+.3g}"
    )


def _few(positive: int, negative: int) -> str:
    least = min(positive, negative)
    said = f"fewer than {_FEW} held-out prompts of a class ({least}): AUC and Cohen's d say little"
    return said if least < _FEW else ""


def _repeats(effects: Sequence[Effect], layers: Sequence[int], chosen: int) -> float:
    """How often the same layer is chosen when the held-out prompts are drawn again, with replacement."""
    draw = torch.Generator().manual_seed(0)

    def resampled(columns: Sequence[Tensor], rows: Tensor) -> list[list[float]]:
        means: list[list[float]] = torch.stack(list(columns))[:, rows].mean(-1).T.tolist()  # [draws, c]
        return means

    n, m = len(effects[0].added), len(effects[0].ablated)
    negatives = torch.randint(n, (DRAWS, n), generator=draw)
    positives = torch.randint(m, (DRAWS, m), generator=draw)
    added = resampled([effect.added for effect in effects], negatives)
    ablated = resampled([effect.ablated for effect in effects], positives)
    kls = [effect.kl for effect in effects if effect.kl is not None]
    kl: Sequence[Sequence[float | None]] = (
        resampled(kls, negatives) if kls else [[None] * len(effects)] * DRAWS
    )
    draws = zip(added, ablated, kl, strict=True)
    return sum(layers[choose(list(zip(*own, strict=True)))[0]] == chosen for own in draws) / DRAWS


def _by_auc(
    held_out: Sequence[Tensor],
    separation: Separation,
    positions: Sequence[int],
    sites: Sequence[tuple[int, int]],
    few: str,
) -> Selection:
    def best_of(found: Separation) -> tuple[int, int]:
        # Several reach 1: among them the widest.
        return max(sites, key=lambda at: (float(found.auc[at]), float(found.d[at])))

    def score(at: tuple[int, int]) -> SelectionScore:
        d, auc = float(separation.d[at]), float(separation.auc[at])
        return SelectionScore(at[1], positions[at[0]], d, auc, None, None, None, auc > 0.5)

    draw, best = torch.Generator().manual_seed(0), best_of(separation)
    same = 0
    for _ in range(DRAWS):
        again = separate(*(rows[torch.randint(len(rows), (len(rows),), generator=draw)] for rows in held_out))
        same += best_of(again)[1] == best[1]
    scores = tuple(score(at) for at in sites)
    warning = "; ".join(filter(None, (few, "the site was chosen by AUC: no edit was tried")))
    return Selection(score(best), scores, separation, (), same / DRAWS, warning)


def separate(positive: Tensor, negative: Tensor) -> Separation:
    """How far apart two classes lie: Cohen's d, `(mean+ - mean-) / sqrt((var+ + var-) / 2)`, and AUC (Mann-Whitney U / nm).

    d is 0 where the projections of neither class spread: one prompt of each says nothing of it.

    Args:
        positive: `[n, p, l]` projections of the positive class.
        negative: `[m, p, l]` projections of the other.
    """
    stds = [projections.std(0, correction=0) for projections in (positive, negative)]
    pooled = ((stds[0].square() + stds[1].square()) / 2).sqrt()
    above = (positive[:, None] > negative[None]).double() + 0.5 * (positive[:, None] == negative[None])
    apart = positive.mean(0) - negative.mean(0)
    d = torch.where(pooled > _LEAST_SPREAD * apart.abs(), apart / pooled, torch.zeros_like(apart))
    return Separation(d, above.mean((0, 1)), stds[0], stds[1])


def selection_work(
    model: ChatModel,
    contrast: ContrastSet,
    positions: Sequence[int],
    *,
    by: By = "causal",
    layer: int | None = None,
    max_prompts: int = MAX_PROMPTS,
    exhaustive: bool = False,
    estimate: Estimate | None = None,
) -> int:
    """How many prompts `select` will run: the total of its progress; at most, where the estimate is not known yet."""
    count = {
        (label, split): min(max_prompts, len(contrast.select(label, split)))
        for label in ("positive", "negative")
        for split in ("train", "validation")
    }
    positive, negative = count["positive", "validation"], count["negative", "validation"]
    if estimate is None:
        sites = [(p, here) for here in _eligible(model.layers, layer) for p in range(len(positions))]
    else:
        sites = _sites(estimate, layer)
    candidates = len(sites) if exhaustive else len({here for _, here in sites}) + len(positions) - 1
    if by == "auc":
        return positive + negative
    if by == "cosmic":
        return positive + negative + Cosmic.work(positive, negative, candidates)
    seen = count["positive", "train"] + count["negative", "train"]
    return positive + negative + Causal.work(contrast.answered, seen, positive, negative, candidates)


def _sites(estimate: Estimate, layer: int | None) -> list[tuple[int, int]]:
    """Positions and layers that may be chosen: those that have a direction."""
    places, depth = estimate.absent.shape
    sites = [
        (p, here) for here in _eligible(depth, layer) for p in range(places) if not estimate.absent[p, here]
    ]
    if not sites:
        raise ContrastError(
            "no direction at any layer that may be chosen",
            f"one at a layer below {LAYER_SHARE:g} of the depth",
            "name a layer that has one, or another position or point",
        )
    return sites


def _eligible(depth: int, layer: int | None) -> list[int]:
    return [layer] if layer is not None else [here for here in range(depth) if here < LAYER_SHARE * depth]


def _spaced(prompts: Sequence[Asked], most: int) -> list[Asked]:
    """At most `most` prompts, evenly spaced, since files are often sorted by category."""
    keep = min(most, len(prompts))
    return [prompts[index * len(prompts) // keep] for index in range(keep)]
