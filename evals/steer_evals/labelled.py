"""What the judge of a run is worth against labelled answers, and the run's rates without that judge's errors."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from steer_evals.corrections import Corrected, rogan_gladen
from steer_evals.judges.protocol import Lexical
from steer_evals.judges.validation import Validation
from steer_evals.judging import BUILTIN, plain, validate_file
from steer_evals.points import HARMFUL, OVER, Point, pooled

CORRECTED = (HARMFUL, OVER)


class Labelled(NamedTuple):
    """A judge against labels: a file's, by its path, or those that come with the package ("builtin")."""

    labels: str
    validation: Validation


class CorrectedRate(NamedTuple):
    """The rate of an axis at one strength, all its suites together: as judged of `n`, and without the judge's errors."""

    strength: float
    axis: str
    n: int
    rate: float
    corrected: Corrected


def against_labels(judge: str, labels: str | Path | None = None) -> Labelled | None:
    """Compare the judge of a run with labels.

    Args:
        judge: Its name; its model is loaded, or its server asked.
        labels: JSON lines as `judging.validate_file` takes them, or "builtin"; None = "builtin" of the lexical judge, of
            any other nothing.

    Raises:
        JudgeError: As `judging.validate_file`.
        ModelError: The model of the judge does not load.
    """
    if labels is None:
        return _lexical() if judge == Lexical.name else None
    return Labelled(str(labels), validate_file(labels, [judge]).judges[0])


def corrected_rates(curve: Sequence[Point], judge: Validation) -> list[CorrectedRate]:
    """Refusal of harmful requests and over-refusal at every strength, by Rogan and Gladen (`corrections.rogan_gladen`).

    Args:
        curve: Points of the steered model; answers that were not judged are in no `n` of it.
        judge: Of the judge that made them.
    """
    recall, false = judge.recall, judge.false_positives
    return [
        CorrectedRate(
            point.strength, axis, point.n, point.rate,
            rogan_gladen((round(point.rate * point.n), point.n), (recall.k, recall.n), (false.k, false.n)),
        )
        for axis in CORRECTED
        for point in pooled(curve, axis)
    ]  # fmt: skip


def labelled_fields(curve: Sequence[Point], found: Labelled) -> dict[str, Any]:
    """For programs: which labels, the judge against them, and the corrected rates."""
    rates = corrected_rates(curve, found.validation)
    return {"labels": found.labels, **plain(found.validation), "corrected": plain(rates)}


@cache
def _lexical() -> Labelled:
    return Labelled(BUILTIN, validate_file(BUILTIN).judges[0])
