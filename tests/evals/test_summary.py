"""From rows to numbers: what is 0 by definition, and what cannot lie outside its bounds."""

from __future__ import annotations

from typing import Any

import pytest

from steer_evals.points import Point
from steer_evals.rows import Row
from steer_evals.summary import curve, taxes


def row(at: int, strength: float, **more: Any) -> Row:
    own: dict[str, Any] = {
        "suite": "s", "axis": "capability", "category": "", "item": f"{at}", "cluster": f"{at % 4}", "strength": strength,
        "sample": 0, "prompt": "Hi", "answer": "Oh", "verdict": "full_compliance", "correct": True, "value": 1.0,
        "tokens": 1, "truncated": False, "ties": 0,
    }  # fmt: skip
    return {**own, **more}  # type: ignore[typeddict-item]


def test_strength_0_against_itself_is_0_by_definition() -> None:
    refused = {"verdict": "full_refusal", "correct": False, "value": 0.0}
    rows = [row(at, strength, **(refused if at < 6 else {})) for strength in (0.0, 0.5) for at in range(40)]
    zero, half = taxes(rows)
    assert zero.tax == (40, 0, 0, 0, 0, 0, 0)
    assert zero.without is not None
    assert (zero.without.bounds, zero.without.sampled) == ((0, 0), (0, 0)), (
        "the same answers, had they been given"
    )
    assert half.tax.total == 0
    assert half.tax.low < -0.1 < 0.1 < half.tax.high, "no difference seen is not none"


@pytest.mark.parametrize(
    ("axis", "values", "most"),
    [
        ("density", [0.0, 0.0, 1.5, 0.0, 60.0, 2.0, 0.0, 0.0, 33.0, 0.5], 100),
        ("density", [0.0, 300.0], 300),  # "a 5 % 6 % 7 %"
        ("advice_instead_of_reflection", [0.0, 1.0, 0.1, 0.0, 0.9, 0.0], 1),
        ("diversity", [], 3),
    ],
)  # fmt: skip
def test_means_stay_where_their_values_can_lie(axis: str, values: list[float], most: float) -> None:
    texts = ["Wash it well and let it dry in the sun. " * 20] * 2
    texts += ["Seven grey cats sat near an old mill while rain fell. " * 20]
    rows = [
        row(at, strength, axis=axis, correct=None, value=value)
        for strength in (0.0, 0.5) for at, value in enumerate(values)
    ] or [
        row(at, strength, axis=axis, correct=None, value=None, sample=sample, answer=texts[sample])
        for strength in (0.0, 0.5) for at in range(2) for sample in range(3)
    ]  # fmt: skip
    least = 1 if axis == "diversity" else 0
    found = [point for point in curve(rows) if point.axis == axis]
    assert len(found) == 2
    for point in found:
        assert isinstance(point, Point)
        assert least <= point.low <= point.rate <= point.high <= most
        assert not point.band_low < least
        assert not point.band_high > most
