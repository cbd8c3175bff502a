"""Risk probes: how risky a request is, read off the residual stream at the last token of its prompt. Knows no strengths.

    place = (<u, h> - negative) / (positive - negative)       u: unit direction, and its class means, at the chosen layer
    risk  = 1 / (1 + exp(-(slope * place + offset)))

`u` is the normal of a linear classifier on the plain model's activations: linear discriminant analysis with the covariance of
Ledoit & Wolf (2004), or a logistic regression, its penalty the one with the least log-loss on held-out folds. Both classes weigh
the same, and so do the sources within a class: risk is the probability where half of the requests are risky. Slope and offset
are Platt's (1999, with his smoothed targets) on the readings of held-out folds. Layer and penalty are chosen on the folds that
judge them, so AUC and errors of a logistic probe are a little too good: by .01 to .02 where a probe is weak.

Probes learn the source of their prompts before they learn risk. So twins (a risky request and a benign one of the same form)
share a cluster, a cluster is never in two folds, the layer is chosen on twins, and every figure stands for twins by themselves
and for each source too. Folds by pair say how it does on new requests of the kinds it was fitted on; folds by category, on
kinds that it never saw, which is much less.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
import torch
from numpy.typing import NDArray

from steer_vectors.backends.twin import twin
from steer_vectors.capture import Progress, Tally, activations, project
from steer_vectors.chat import Prompt
from steer_vectors.contrast import ContrastSet, Label
from steer_vectors.errors import ContrastError, SiteError
from steer_vectors.file import FORMAT, FORMAT_VERSION, Vector, library_version, model_metadata
from steer_vectors.models import ChatModel
from steer_vectors.planes import FITS, Fit, Plane, Regression, best_of, held_out_risks, platt, splits_of
from steer_vectors.roc import Area, Bools, Floats, Table, area, of_twins, parts, ranked, variance_of

Classifier = Literal["lda", "logistic"]
MAX_ROWS = 2048  # of a source of a class, drawn by whole pairs: memory does not grow beyond
LEAST = 20  # prompts of a class
_DEEPEST = 0.75  # of the layers: a gate decides before the layers that it opens
_BINS = 10


class Example(NamedTuple):
    """One request.

    Args:
        turns: A text or a conversation that ends with the user.
        risky: Its class.
        source: Where it comes from, as in "advbench"; sources of a class weigh the same.
        cluster: What is never divided between folds; twins share theirs.
        pair: Of matched twins, within the cluster; "" = the cluster is the pair.
        name: For the record.
    """

    turns: Prompt
    risky: bool
    source: str
    cluster: str
    pair: str = ""
    name: str = ""


class Score(NamedTuple):
    """What a request was given by a probe and a calibration that never saw its cluster; risk in 0 to 1."""

    name: str
    risky: bool
    risk: float
    source: str
    cluster: str


@dataclass(frozen=True, eq=False)
class FittedProbe:
    """A calibrated probe, and how well it does on clusters that it did not see.

    Args:
        vector: The normal at every layer, + is risky; `vector.layer` is the chosen one.
        slope: Of the risk, per class gap.
        offset: Of the risk.
        before: The same of the tokens before the last one, nearest first: vectors and slopes, whose readings are added.
        auc: Over all requests, classes and sources weighed as in fitting.
        twins_auc: Over the requests whose pair holds both classes.
        twins_ranked: Share of pairs of twins of which the risky one reads higher; nan without twins.
        sources: For each source of benign requests, its AUC against all risky ones.
        scores: Of every request that was used.
        brier: Mean squared error of these risks; 0.25 is what a constant one half gets.
        calibration_error: Mean distance, over ten bins of equal weight, of mean risk and share of risky requests.
        by_layer: AUC that the layer was chosen by: on twins, or without twins over all.
        note: What to know of the requests, such as a class of one source; "" = nothing.
    """

    vector: Vector
    slope: float
    offset: float
    before: tuple[tuple[Vector, float], ...]
    auc: Area
    twins_auc: Area
    twins_ranked: float
    sources: Mapping[str, Area]
    scores: tuple[Score, ...]
    brier: float
    calibration_error: float
    by_layer: Mapping[int, Area]
    note: str = ""


def fit_probe(
    model: ChatModel,
    examples: Sequence[Example],
    *,
    method: Classifier = "lda",
    layers: Sequence[int] | None = None,
    window: int = 1,
    folds: int = 5,
    seed: int = 0,
    progress: Progress | None = None,
) -> FittedProbe:
    """Fit a probe, choose its layer, calibrate it and judge it, on folds that keep clusters whole.

    The layer is the earliest whose AUC is within one standard error of the best: of the difference, over pairs.

    Args:
        model: The plain model, not steered.
        examples: Requests of both classes, at least `LEAST` of each. Of a source of a class with more than `MAX_ROWS`
            requests that many are drawn.
        method: "lda" or "logistic".
        layers: 0-based, those to choose from; default: the first three quarters.
        window: How many tokens are read, from the last one backwards.
        folds: At least 2.
        seed: Of the draw and of the folds.
        progress: Called as `progress(done, total)`, in prompts run and layers fitted.

    Raises:
        ContrastError: Too few requests or clusters of a class, an unknown method, fewer than 2 folds, activations that
            are not finite or the same everywhere.
        SiteError: A layer that the model does not have, or a model that is being steered.
        ModelError: As in `capture`.
    """
    chosen_from = _layers(model, layers)
    _require_plain(model)
    if window < 1:
        raise ContrastError(f"a window of {window} tokens", "1 or more", "leave it at 1")
    if method not in get_args(Classifier):
        raise ContrastError(f"method {method!r}", " or ".join(get_args(Classifier)), "choose one")
    used = _drawn(examples, seed)
    _check_examples(used, folds)
    table = _table(used)
    pairs = np.unique([one.pair or one.cluster for one in used], return_inverse=True)[1]
    twins = of_twins(table.risky, pairs)
    judged = twins if twins.any() else np.ones_like(twins)
    tally = Tally(progress, len(used) + len(chosen_from) + model.layers)
    rows = _rows(model, used, window, tally.stage())  # [n, l, w * d]
    splits = splits_of(table, folds, seed)
    stage = tally.stage()
    fits: dict[int, Fit] = {}
    read: dict[int, Floats] = {}
    for done, layer in enumerate(chosen_from, 1):
        fits[layer], read[layer] = best_of(FITS[method], rows[:, layer].astype(np.float64), table, splits)
        stage(done, len(chosen_from))
    layer = _earliest(
        {layer: one[judged] for layer, one in read.items()}, table._replace(clusters=pairs).only(judged)
    )
    stage = tally.stage()
    fit, planes = fits[layer], []
    for other in range(model.layers):
        planes.append(fit(rows[:, other].astype(np.float64), table))
        stage(other + 1, model.layers)
    note = _note(used, twins)
    how = {"folds": folds, "seed": seed, "layers": list(chosen_from), "window": window}
    if isinstance(fit, Regression):
        how["penalty"] = fit.penalty
    width = model.width
    shares = [slice(at, at + width) for at in range(0, window * width, width)]
    vectors = [
        _vector(
            model, used, rows[..., share], table, [plane.normal[share] for plane in planes], layer, -1 - back, method,
            how, note,
        )
        for back, share in enumerate(shares)
    ]  # fmt: skip
    at = rows[:, layer].astype(np.float64)
    slopes, offset = _in_places(
        vectors, at, table, planes[layer], *platt(read[layer], table.risky, table.weights)
    )

    def auc(layer: int, keep: Bools) -> Area:
        own = table.only(keep)
        return area(read[layer][keep], own.risky, own.weights, own.clusters)

    risks = held_out_risks(read[layer], table, splits)
    return FittedProbe(
        vector=vectors[0],
        slope=slopes[0],
        offset=offset,
        before=tuple(zip(vectors[1:], slopes[1:], strict=True)),
        auc=auc(layer, np.ones_like(twins)),
        twins_auc=auc(layer, twins),
        twins_ranked=ranked(read[layer], table.risky, pairs),
        sources={name: auc(layer, keep) for name, keep in _against(used).items()},
        scores=tuple(
            Score(one.name or str(number), one.risky, float(risk), one.source, one.cluster)
            for number, (one, risk) in enumerate(zip(used, risks, strict=True))
        ),
        brier=float(np.average((risks - table.risky) ** 2, weights=table.weights)),
        calibration_error=_calibration_error(risks, table),
        by_layer={layer: auc(layer, judged) for layer in read},
        note=note,
    )


def risks(
    model: ChatModel, probe: FittedProbe, prompts: Sequence[Prompt], progress: Progress | None = None
) -> list[float]:
    """Risk of each prompt, 0 to 1, on the plain model.

    Args:
        model: The one that the probe was fitted on, not steered.
        probe: From `fit_probe`.
        prompts: Texts or conversations.
        progress: Called as `progress(done, total)`.

    Raises:
        ContrastError, SiteError, ModelError: As in `capture`; also SiteError for a model that is being steered.
    """
    _require_plain(model)
    readings = [(probe.vector, probe.slope), *probe.before]
    layer, positions = probe.vector.layer, [vector.position for vector, _ in readings]
    directions = torch.stack([vector.directions for vector, _ in readings])
    along = project(model, prompts, positions, directions, progress)[..., layer]  # [n, w]
    odds = torch.full((len(prompts),), probe.offset, dtype=along.dtype)
    for (vector, slope), own in zip(readings, along.T, strict=True):
        odds += slope * (own - float(vector.negative[layer])) / vector.gap(layer)
    found: list[float] = torch.sigmoid(odds).tolist()
    return found


def examples_of(
    contrast: ContrastSet,
    risky: Label | None = "positive",
    *,
    source: str | None = None,
    by: Literal["pair", "category"] = "pair",
) -> list[Example]:
    """Requests of a contrast set, both splits, none twice.

    Args:
        contrast: Such as `refusal`; of rows with answers the prompts are taken, of conversations the whole.
        risky: Which of its classes is risky; None: neither, as in `false-refusal`.
        source: Default: `NAME+` for its positive and `NAME-` for its negative class.
        by: What is a cluster.
    """
    found: dict[str, Example] = {}
    for row in contrast.examples:
        pair = f"{contrast.name}:{row.pair or row.id}"
        found.setdefault(
            json.dumps([row.messages or row.text, row.label == risky]),
            Example(
                turns=row.messages or row.text,
                risky=row.label == risky,
                source=source or f"{contrast.name}{'+' if row.label == 'positive' else '-'}",
                cluster=pair if by == "pair" else f"{contrast.name}:{row.category}",
                pair=pair,
                name=f"{contrast.name}:{row.id}",
            ),
        )
    return list(found.values())


def _earliest(read: Mapping[int, Floats], table: Table) -> int:
    """The first layer whose AUC is no more than a standard error of the difference below the best."""
    found = {layer: parts(readings, table) for layer, readings in read.items()}
    best = max(found, key=lambda layer: (found[layer].value, -layer))

    def beyond(layer: int) -> float:
        error = math.sqrt(variance_of(found[best].shares - found[layer].shares))
        return found[best].value - found[layer].value - error

    return min(layer for layer in found if layer == best or beyond(layer) <= 0)


def _calibration_error(risks: Floats, table: Table) -> float:
    order = np.argsort(risks, kind="stable")
    weights = table.weights[order]
    bins = ((np.cumsum(weights) - weights / 2) / weights.sum() * _BINS).astype(int)
    off = np.bincount(bins, weights * (risks - table.risky)[order], _BINS)
    return float(np.abs(off).sum() / weights.sum())


def _table(examples: Sequence[Example]) -> Table:
    """Half of the weight to each class, and the same to every source of a class."""
    sizes = Counter((one.risky, one.source) for one in examples)
    sources = Counter(risky for risky, _ in sizes)
    weights = [len(examples) / (2 * sources[one.risky] * sizes[one.risky, one.source]) for one in examples]
    return Table(
        np.array([one.risky for one in examples]),
        np.array(weights),
        np.unique([one.cluster for one in examples], return_inverse=True)[1],
    )


def _against(examples: Sequence[Example]) -> dict[str, Bools]:
    """For each source of benign requests, the rows that are its own or risky."""
    names = sorted({one.source for one in examples if not one.risky})
    return {name: np.array([one.risky or one.source == name for one in examples]) for name in names}


def _drawn(examples: Sequence[Example], seed: int) -> list[Example]:
    """At most `MAX_ROWS` of each source of a class, whole pairs at random; in the order given."""
    kinds = [(one.risky, one.source) for one in examples]
    if all(count <= MAX_ROWS for count in Counter(kinds).values()):
        return list(examples)
    members: dict[str, list[int]] = {}
    for row, one in enumerate(examples):
        members.setdefault(one.pair or one.cluster, []).append(row)
    names = list(members)
    taken: Counter[tuple[bool, str]] = Counter()
    kept: list[int] = []
    for at in np.random.default_rng(seed).permutation(len(names)):
        own = members[names[at]]
        size = Counter(kinds[row] for row in own)
        if all(taken[kind] + count <= MAX_ROWS for kind, count in size.items()):
            taken += size
            kept += own
    return [examples[row] for row in sorted(kept)]


def _rows(
    model: ChatModel, examples: Sequence[Example], window: int, progress: Progress
) -> NDArray[np.float32]:
    """`[n, l, w * d]`, the last tokens of every prompt at every layer, the very last first."""
    found = torch.empty(len(examples), model.layers, window * model.width)
    positions = [-1 - back for back in range(window)]
    for at, states in activations(model, [one.turns for one in examples], positions, progress):
        found[at.cpu()] = states.float().transpose(1, 2).flatten(2).cpu()
    if not bool(torch.isfinite(found).all()):
        raise ContrastError(
            "activations with NaN or infinite values", "finite activations", "load the model in float32"
        )
    for layer in range(model.layers):
        if bool((found[:, layer] == found[0, layer]).all()):
            raise ContrastError(
                f"activations that are all equal at layer {layer}",
                "prompts that the model tells apart",
                "check them",
            )
    return found.numpy()


def _vector(
    model: ChatModel,
    examples: Sequence[Example],
    rows: NDArray[np.float32],
    table: Table,
    normals: Sequence[Floats],
    layer: int,
    position: int,
    method: str,
    how: Mapping[str, Any],
    note: str,
) -> Vector:
    """Of one token's share of the normals `[l, d]`; it points to the risky class, so its slope may be below 0."""
    normal = np.stack(normals)
    unit = torch.from_numpy(normal / np.linalg.norm(normal, axis=1)[:, None]).float()
    along = np.einsum("nld,ld->nl", rows, unit.double().numpy(), dtype=np.float64)
    gaps = np.average(along[table.risky], 0, table.weights[table.risky]) - np.average(
        along[~table.risky], 0, table.weights[~table.risky]
    )
    unit[gaps < 0] *= -1
    along[:, gaps < 0] *= -1
    means = [
        torch.from_numpy(np.average(along[side], 0, table.weights[side]))
        for side in (table.risky, ~table.risky)
    ]
    counts = Counter("positive" if one.risky else "negative" for one in examples)
    said = sorted(json.dumps([one.turns, one.risky, one.source, one.cluster]) for one in examples)
    meta = {
        **model_metadata(model),
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "concept": "risk",
        "what_plus": "a risky request",
        "what_minus": "a benign request",
        "contrast": hashlib.sha256(json.dumps(said).encode()).hexdigest(),
        "counts": json.dumps({"train": counts}),
        "library_version": library_version(),
        "licence": "",
        "estimator": method,
        "estimator_parameters": json.dumps(how),
        "point": "resid_post",
        "layer": str(layer),
        "position": str(position),
        "positions": f"[{position}]",
        "scores": "",
        "units": "",
        "warning": note,
    }
    return Vector(unit, means[0].float(), means[1].float(), meta)


def _in_places(
    vectors: Sequence[Vector], rows: Floats, table: Table, plane: Plane, slope: float, offset: float
) -> tuple[list[float], float]:
    """Slopes and offset per class gap, of what was fitted per unit of the plane's reading."""
    layer, width = vectors[0].layer, vectors[0].width
    middle = np.average(rows, 0, table.weights)
    slopes, bias = [], plane.bias
    for at, vector in enumerate(vectors):
        own = slice(at * width, (at + 1) * width)
        unit = vector.directions[layer].double().numpy()
        along = math.copysign(float(np.linalg.norm(plane.normal[own])), float(plane.normal[own] @ unit))
        # The file's direction is rounded to float32; what that moves the mean reading by goes into the bias.
        bias += float(middle[own] @ plane.normal[own]) - along * float(middle[own] @ unit)
        bias += along * float(vector.negative[layer])
        slopes.append(slope * along * vector.gap(layer))
    return slopes, slope * bias + offset


def _note(examples: Sequence[Example], twins: Bools) -> str:
    said = []
    if not twins.any():
        said.append("no twins: what is read may be where the prompts come from")
    for risky, name in ((True, "risky"), (False, "benign")):
        sources = {one.source for one in examples if one.risky == risky}
        if len(sources) == 1:
            said.append(f"all {name} requests are from {sources.pop()}")
    return "; ".join(said)


def _layers(model: ChatModel, layers: Sequence[int] | None) -> list[int]:
    found = range(max(1, int(_DEEPEST * model.layers))) if layers is None else sorted(set(layers))
    for layer in found or [-1]:
        if not 0 <= layer < model.layers:
            raise SiteError(
                f"layer {layer}" if layers else "no layers",
                f"0 to {model.layers - 1}",
                "choose layers of this model",
            )
    return list(found)


def _require_plain(model: ChatModel) -> None:
    try:
        twin(model.hf)  # what is wrapped around a model refuses to be copied
    except SiteError as error:
        raise SiteError(
            "a model that is being steered or read",
            "the plain model",
            "use the probe outside the `with`",
        ) from error


def _check_examples(examples: Sequence[Example], folds: int) -> None:
    if folds < 2:
        raise ContrastError(f"{folds} folds", "at least 2", "leave it at 5")
    for risky, name in ((True, "risky"), (False, "benign")):
        own = [one for one in examples if one.risky == risky]
        if len(own) < LEAST:
            raise ContrastError(f"{len(own)} {name} requests", f"at least {LEAST}", "add examples")
        clusters = len({one.cluster for one in own})
        if clusters < folds:
            raise ContrastError(
                f"{clusters} clusters of {name} requests for {folds} folds",
                f"at least {folds}",
                "name clusters by what really belongs together, or take fewer folds",
            )
