"""A vector whose direction at the chosen layer is refined by gradient, or spread out to a cone. Knows no files."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor

from steer_vectors.capture import Progress, capture
from steer_vectors.contrast import ContrastSet
from steer_vectors.errors import ContrastError
from steer_vectors.estimate import METHODS, Estimate
from steer_vectors.estimators.rdo import STEPS, refine
from steer_vectors.file import Vector
from steer_vectors.models import ChatModel
from steer_vectors.selection import select
from steer_vectors.units import with_kl

_WHOLE = ("steps", "max_prompts", "target_tokens", "seed")  # parameters that count something
_STEP_WORK = 200  # prompts that could be read in the time of a step


def refined(
    model: ChatModel,
    contrast: ContrastSet,
    vector: Vector,
    k: int = 1,
    parameters: Mapping[str, float] | None = None,
    progress: Progress | None = None,
) -> list[Vector]:
    """Vectors whose directions at the vector's layer are orthonormal and span a cone in which every direction steers.

    Ablate them together, or add any combination with weights of at least 0. Other layers keep the directions they had. What
    each says of itself (scores at its site, strength at 1 nat) is measured anew.

    Args:
        model: The vector's, not steered.
        contrast: The set it came from.
        vector: Where the refinement starts.
        k: How many directions; 1 is RDO.
        parameters: Of `steer_vectors.estimators.rdo.refine`, by name; and `gaps`, how many class gaps are added while it learns
            (1): where one gap does not reach the other behaviour there is nothing to learn from.
        progress: Called as `progress(done, total)`, in prompts' worth of time.

    Raises:
        ContrastError: A vector that another direction reads, such as LEACE's; or as in `refine`.
        SiteError, ModelError: As in `refine`.
    """
    if vector.read is not None:
        raise ContrastError(
            f"a vector of {vector.meta['estimator']}, which reads another direction than it writes",
            "one to start from that is read along itself",
            "start from a mean difference",
        )
    layer, given = vector.layer, dict(parameters or {})
    start = vector.directions[layer][None].double()
    if k > 1:  # whatever is orthogonal will do: the first steps turn it
        draw = torch.Generator().manual_seed(0)
        start = torch.cat([start, torch.randn(k - 1, vector.width, generator=draw, dtype=torch.float64)])
    gap = given.get("gaps", 1.0) * vector.gap(layer)
    settings = {
        name: int(value) if name in _WHOLE else value for name, value in given.items() if name != "gaps"
    }

    def report(done: int, total: int) -> None:
        if progress is not None:
            progress(done * _STEP_WORK, total * _STEP_WORK)

    found = refine(
        model, contrast, start, layer, point=vector.point, gap=gap, progress=report, **settings  # type: ignore[arg-type]
    )  # fmt: skip
    means = [
        capture(model, contrast.select(label, "train"), [vector.position], point=vector.point).mean[0, layer]
        for label in ("positive", "negative")
    ]
    rows = [_with(vector, unit, means, layer) for unit in found.units]
    return [
        with_kl(model, contrast, _tried(model, contrast, _named(row, given, at, k)))
        for at, row in enumerate(rows)
    ]


def refining_work(parameters: Mapping[str, float]) -> int:
    """The total of the progress of `refined`."""
    return int(parameters.get("steps", STEPS)) * _STEP_WORK


def _with(vector: Vector, unit: Tensor, means: list[Tensor], layer: int) -> Vector:
    directions, positive, negative = (
        column.clone() for column in (vector.directions, vector.positive, vector.negative)
    )
    # + is the positive class, here too.
    turned = unit if float(unit @ (means[0] - means[1])) >= 0 else -unit
    directions[layer] = turned.float()
    positive[layer], negative[layer] = (float(turned @ mean) for mean in means)
    return replace(vector, directions=directions, positive=positive, negative=negative)


def _named(vector: Vector, parameters: Mapping[str, float], at: int, k: int) -> Vector:
    """With how it was made."""
    kept = json.loads(vector.meta["estimator_parameters"] or "{}")
    made = {**METHODS["rdo"].parameters, **parameters} | ({"cone": k, "row": at} if k > 1 else {})
    return replace(
        vector,
        meta={**vector.meta, "estimator": "rdo", "estimator_parameters": json.dumps({**kept, **made})},
    )


def _tried(model: ChatModel, contrast: ContrastSet, vector: Vector) -> Vector:
    """With the scores of the direction that it has now, where it had those of the one before."""
    scores = vector.scores
    if not scores:
        return vector
    there = Estimate(
        vector.directions[None].double(), vector.positive[None].double(), vector.negative[None].double()
    )
    by = json.loads(vector.meta["estimator_parameters"]).get("select_by", "causal")
    found = select(model, contrast, there, [vector.position], by=by, layer=vector.layer, point=vector.point)
    before = [
        own
        for own in scores["candidates"]
        if (own["layer"], own["position"]) != (vector.layer, vector.position)
    ]
    scores["candidates"] = [*before, found.best._asdict()]
    at = json.loads(vector.meta["positions"]).index(vector.position)
    for name, column in found.separation._asdict().items():
        scores["separation"][name][at][vector.layer] = float(column[0, vector.layer])
    return replace(vector, meta={**vector.meta, "scores": json.dumps(scores), "warning": found.warning})
