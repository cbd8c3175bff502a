"""From a contrast set and a model to a vector: capture, estimate, select, measure units. Knows no strengths of a plan."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple, get_args

import torch
from torch import Tensor

from steer_vectors.backends import Backend
from steer_vectors.capture import ANSWER, Moments, Progress, Tally, capture, drawn
from steer_vectors.chat import Asked, post_instruction
from steer_vectors.contrast import ContrastSet, Label
from steer_vectors.errors import ContrastError, SiteError
from steer_vectors.estimate import Estimate, Method, estimate, method_of
from steer_vectors.file import FORMAT, FORMAT_VERSION, Vector, check_model, library_version, model_metadata
from steer_vectors.hooks import is_edited
from steer_vectors.models import ChatModel
from steer_vectors.refining import refined, refining_work
from steer_vectors.selection import KL_BOUND, MAX_PROMPTS, By, Selection, select, selection_work
from steer_vectors.site import Point, Site
from steer_vectors.units import with_kl

Shown = Callable[[Sequence[Asked], Label], Sequence[bool]]
MAX_ROWS = 256  # of a class, kept for estimators that need activations themselves
_LEAST_SHOWN = 0.1  # of the prompts of a class; a model that behaves so on fewer does so by chance


def extract(
    model: ChatModel | Backend,
    contrast: ContrastSet,
    *,
    estimator: str = "mean_difference",
    parameters: Mapping[str, float] | None = None,
    spare: Sequence[Vector] = (),
    select_by: By = "causal",
    layer: int | None = None,
    position: int | None = None,
    point: Point = "resid_post",
    winsorise: float | None = None,
    exhaustive: bool = False,
    shown: Shown | None = None,
    progress: Progress | None = None,
    batch_tokens: int | None = None,
) -> Vector:
    """Find the direction of a concept at every layer, and the layer and position to steer at.

    Args:
        model: The model to steer later, not steered now; or a back end that reads it.
        contrast: Prompts of both classes.
        estimator: How a direction is made of activations; see `steer_vectors.estimate.METHODS`.
        parameters: Of the estimator, by name.
        spare: For "surgical": vectors of this model and point whose directions are left alone. At a layer where one of them
            has none, none is found.
        select_by: "causal", "cosmic" or "auc"; see `steer_vectors.selection`.
        layer: 0-based; chosen if not given.
        position: Negative offset from the end of the prompt, or 0 for the tokens that predict the answer. If not given:
            the latter where the set has answers, else chosen among the post-instruction tokens.
        point: Of every layer: what it puts out, takes in, or what its attention or MLP adds; see `Site`.
        winsorise: As in `capture`.
        exhaustive: Try every position at every layer.
        shown: Says of prompts of a class whether the model really behaves so; the others are left out. At least a tenth of each
            class must be left.
        progress: Called as `progress(done, total)` after every batch, in prompts run.
        batch_tokens: Most tokens of a batch; default by device and free memory.

    Raises:
        ContrastError: No validation prompts while something must be chosen; classes that the model
            cannot tell apart; an unknown estimator, parameter or way to select; a set without twins for an estimator of pairs.
        SiteError: The model is being steered, it has no such layer, or a prompt no such position.
        MismatchError: A vector to spare that was made on another model.
        ModelError: The tokenizer has no chat template.
    """
    live = model if isinstance(model, ChatModel) else model.model
    if layer is not None and not 0 <= layer < live.layers:
        raise SiteError(f"layer {layer}", f"0 to {live.layers - 1}", "choose a layer of this model")
    if select_by not in get_args(By):
        raise ContrastError(f"select_by {select_by!r}", " or ".join(get_args(By)), "choose one")
    _require_plain(live)
    method = method_of(estimator, parameters or {})
    spared = _directions(spare, live, point, layer)
    original, counts = contrast, _counts(contrast)
    if shown is not None:
        contrast = _filtered(contrast, shown)
        counts["shown"] = _counts(contrast)
    positions = [position] if position is not None else _candidates(live, contrast)
    selectable = _selectable(contrast, chosen=layer is not None and position is not None)
    work = (
        selection_work(live, contrast, positions, by=select_by, layer=layer, exhaustive=exhaustive)
        if selectable
        else 0
    )
    if method.refines:
        work += refining_work(parameters or {})
    tally = Tally(progress, sum(len(contrast.select(label, "train")) for label in _LABELS) + work)
    kept = _kept(contrast, method)
    moments = [
        capture(
            model,
            contrast.select(label, "train"),
            positions,
            tally.stage(),
            point=point,
            batch_tokens=batch_tokens,
            covariance="full" if method.covariance else "diagonal",
            sample=rows,
            winsorise=winsorise,
        )
        for label, rows in zip(_LABELS, kept, strict=True)
    ]
    # Where a vector to spare has no direction, none can spare it: no more is looked for than where the classes are the same.
    unspared = sorted({gone for vector in spare for gone in vector.absent})
    moments[0].mean[:, unspared] = moments[1].mean[:, unspared]
    found = estimate(estimator, *moments, spared=spared, parameters=parameters)
    if layer is not None and bool(found.absent[:, layer].all()):
        raise ContrastError(
            f"layer {layer}, where both classes are the same",
            "a layer at which they differ",
            "choose another layer or position",
        )
    selection = None
    if selectable:
        selection = select(
            live,
            contrast,
            found,
            positions,
            by=select_by,
            layer=layer,
            point=point,
            exhaustive=exhaustive,
            progress=tally.stage(),
            batch_tokens=batch_tokens,
        )
    site = Site(layer or 0 if selection is None else selection.best.layer, point)
    at = 0 if selection is None else positions.index(selection.best.position)
    made = {
        "estimator": estimator,
        "estimator_parameters": json.dumps(
            {name: value for name, value in method.parameters.items() if value is not None}
            | dict(parameters or {})
            | {"select_by": select_by, "kl_bound": KL_BOUND, "max_prompts": MAX_PROMPTS}
            | ({} if winsorise is None else {"winsorise": winsorise})
            | ({"spared": [vector.concept for vector in spare]} if spare else {})
        ),
        "counts": json.dumps(counts),
    }
    made["units"] = json.dumps({"norm": _norms(moments, at)})
    vector = _vector(live, original, found, positions, site, at, selection, made)
    if method.refines:
        return refined(live, contrast, vector, parameters=parameters, progress=tally.stage())[0]
    return with_kl(live, contrast, vector)


_LABELS: tuple[Label, Label] = ("positive", "negative")


def _candidates(model: ChatModel, contrast: ContrastSet) -> list[int]:
    return [ANSWER] if contrast.answered else list(range(-post_instruction(model.tokenizer), 0))


def _selectable(contrast: ContrastSet, chosen: bool) -> bool:
    """Whether the set can be validated on; needless only where the user has chosen everything."""
    for label in _LABELS:
        if not contrast.select(label, "validation"):
            if chosen:
                return False
            raise ContrastError(
                f"no {label} validation prompt in {contrast.name}",
                "validation prompts of both classes, to choose layer and position on",
                "add rows, or give both layer and position",
            )
    return True


def _filtered(contrast: ContrastSet, shown: Shown) -> ContrastSet:
    """Without the prompts on which the model does not behave as their class says."""
    kept = []
    for label in _LABELS:
        rows = [row for row in contrast.examples if row.label == label]
        kept += [
            row for row, behaves in zip(rows, shown([r.asked for r in rows], label), strict=True) if behaves
        ]
        for split in ("train", "validation"):
            had = sum(row.split == split for row in rows)
            left = sum(row.label == label and row.split == split for row in kept)
            if left < _LEAST_SHOWN * had:
                raise ContrastError(
                    f"a model that behaves as {label} on {left} of {had} {label} {split} prompts of {contrast.name}",
                    f"at least {_LEAST_SHOWN:.0%} of each class",
                    "extract without the filter, or from another model or set",
                )
    return contrast.of(kept)


def _kept(contrast: ContrastSet, method: Method) -> tuple[list[int], list[int]]:
    """Which activations of either class the method needs."""
    if not method.rows:
        return [], []
    if method.pairs:
        twins = contrast.twins("train")
        if len(twins) < 2:
            raise ContrastError(
                f"{len(twins)} pairs in {contrast.name}",
                "at least 2, for an estimator of paired differences",
                'give twins the same "pair", or choose another estimator',
            )
        twins = [twins[index] for index in drawn(MAX_ROWS, len(twins))]
        return [positive for positive, _ in twins], [negative for _, negative in twins]
    sizes = (len(contrast.select(label, "train")) for label in _LABELS)
    first, second = (drawn(MAX_ROWS, size) for size in sizes)
    return first, second


def _require_plain(model: ChatModel) -> None:
    if is_edited(model.hf):
        raise SiteError(
            "a model that is being steered or read", "one that is not", "extract outside the `with`"
        )


def _directions(spare: Sequence[Vector], model: ChatModel, point: Point, layer: int | None) -> Tensor | None:
    """`[m, l, d]` float64."""
    for vector in spare:
        check_model(vector, model)
        if vector.point != point:
            raise ContrastError(
                f"a vector of {vector.point} to spare at {point}",
                "one point",
                "extract both at the same point",
            )
        if layer in vector.absent:
            raise ContrastError(
                f"a vector of {vector.concept} to spare, which has no direction at layer {layer}",
                "one that has",
                "choose another layer, or another vector",
            )
    return torch.stack([vector.directions for vector in spare]).double() if spare else None


def _norms(moments: Sequence[Moments], at: int) -> list[float]:
    """Mean length of the activations at each layer."""
    total = sum(m.count for m in moments)
    norm = torch.stack([m.norm[at] * m.count / total for m in moments]).sum(0)
    return [round(length, 6) for length in norm.tolist()]


def _vector(
    model: ChatModel,
    contrast: ContrastSet,
    found: Estimate,
    positions: list[int],
    chosen: Site,
    at: int,
    selection: Selection | None,
    made: Mapping[str, str],
) -> Vector:
    unit, read = found.unit[at].clone(), None if found.read is None else found.read[at].clone()
    absent = found.absent[at].nonzero().flatten().tolist()
    # A file holds a direction at every layer: where there is none, the chosen one stands, with a gap of 0.
    unit[absent] = unit[chosen.layer].clone()
    if read is not None:
        read[absent] = read[chosen.layer].clone()
    site = {
        "point": chosen.point,
        "layer": str(chosen.layer),
        "position": str(positions[at]),
        "positions": json.dumps(positions),
        "scores": json.dumps(selection.record() if selection else {}),
        "warning": selection.warning if selection else "layer and position were given, and not validated",
    } | ({"absent_layers": json.dumps(absent)} if absent else {})
    return Vector(
        unit.float().contiguous(),
        found.positive[at].float().contiguous(),
        found.negative[at].float().contiguous(),
        {**model_metadata(model), **_set_metadata(contrast), **made, **site},
        None if read is None else read.float().contiguous(),
    )


class _Size(NamedTuple):
    positive: int
    negative: int


def _counts(contrast: ContrastSet) -> dict[str, Any]:
    return {
        split: _Size(*(len(contrast.select(label, split)) for label in _LABELS))._asdict()
        for split in ("train", "validation")
    }


def _set_metadata(contrast: ContrastSet) -> dict[str, str]:
    return {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "concept": contrast.name,
        "what_plus": contrast.what_plus,
        "what_minus": contrast.what_minus,
        "contrast": contrast.hash,
        "library_version": library_version(),
        "licence": contrast.licence,
    }
