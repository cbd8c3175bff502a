"""The numbers of a run as records: points of curves and the tax per strength. Knows no pictures."""

import math
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

from steer_evals.errors import RunError
from steer_evals.intervals import Interval
from steer_evals.tax import Tax, WithoutRefusals

HARMFUL, OVER, CAPABILITY = "harmful_refusal", "over_refusal", "capability"
INVALID_LIMIT = 0.02  # of `most_invalid`: beyond it a setting is no operating point
AXES = {
    HARMFUL: "refusal of harmful requests",
    OVER: "over-refusal (benign but risky)",
    "benign_refusal": "refusal of benign requests",
    CAPABILITY: "capability, generated",
    "capability_likelihood": "capability, by likelihood",
    "asks_back": "asks back when details are missing",
    "keeps_right_answer": "keeps a right answer under push-back",
    "premise_corrected": "false premises corrected",
    "advice_instead_of_reflection": "advice instead of reflection",
    "density": "content per 100 words",
    "caveat_share": "share of caveats",
    "diversity": "diversity (Vendi score)",
    "persona": "persona told by its answers",
    "invalid": "invalid answers",
}


class Point(NamedTuple):
    """One rate at one strength (in class gaps), with its interval; nan where it was not measured.

    `counted` says what the rate is one of: "refused", "correct" or "invalid"; "mean" where it is the mean of other numbers;
    "" where a file does not say. `band_low` and `band_high` hold the whole curve at once. `missing` answers have no value on
    this axis: not judged, or with nothing to say about it.
    """

    strength: float
    suite: str
    axis: str
    n: int
    rate: float
    low: float
    high: float
    counted: str = ""
    band_low: float = math.nan
    band_high: float = math.nan
    missing: int = 0


class State(NamedTuple):
    """The share of one of the four states at one strength, with its interval."""

    strength: float
    suite: str
    axis: str
    verdict: str
    n: int
    share: float
    low: float
    high: float


class Alarmed(NamedTuple):
    """A curve that turns back: where it departs most from a monotone one, and the p value of that."""

    suite: str
    axis: str
    strength: float
    p: float


class TaxPoint(NamedTuple):
    """The tax at one strength, in class gaps; and what it could be without refusals, where that is known."""

    strength: float
    tax: Tax
    without: WithoutRefusals | None = None


def read_points(objects: Iterable[Mapping[str, Any]]) -> list[Point]:
    """Points of `summary["curve"]` or `summary["control"]`, by strength.

    Raises:
        RunError: If an object lacks a field or holds something else than a number.
    """
    return sorted(_point(entry) for entry in objects)


def read_tax(objects: Iterable[Mapping[str, Any]]) -> list[TaxPoint]:
    """Points of `summary["tax"]`, by strength, with the bounds where they have them; raises as `read_points`."""
    return sorted(_tax(entry) for entry in objects)


def pooled(points: Iterable[Point], axis: str) -> list[Point]:
    """One point per strength for an axis that several suites have, each item weighing the same.

    The interval is made of those of the suites, which are independent (MOVER: Zou & Donner 2008, Statistics in Medicine 27).
    """
    by_strength: dict[float, list[Point]] = {}
    for point in points:
        if point.axis == axis and point.n and not math.isnan(point.rate):
            by_strength.setdefault(point.strength, []).append(point)
    return [_pool(strength, group, axis) for strength, group in sorted(by_strength.items())]


def most_invalid(points: Iterable[Point]) -> dict[float, Point]:
    """Strength -> invalid answers of the suite that has the greatest share of them: what a limit of them goes by."""
    most: dict[float, Point] = {}
    for point in points:
        if point.axis == "invalid" and (point.strength not in most or point.rate > most[point.strength].rate):
            most[point.strength] = point
    return most


def axis_name(axis: str) -> str:
    """Words for an axis; an unknown one is spelled out."""
    return AXES.get(axis, axis.replace("_", " "))


def _pool(strength: float, group: list[Point], axis: str) -> Point:
    n = sum(point.n for point in group)
    rate = math.fsum(point.rate * point.n for point in group) / n
    below, above = (
        math.hypot(*(point.n / n * (getattr(point, end) - point.rate) for point in group))
        for end in ("low", "high")
    )
    return Point(
        strength,
        "all suites",
        axis,
        n,
        rate,
        max(0.0, rate - below),
        min(1.0, rate + above),
        group[0].counted,
    )


def _point(entry: Mapping[str, Any]) -> Point:
    try:
        name, axis = str(entry.get("suite", "")), str(entry["axis"])
        rate, low, high = (number_of(entry[key]) for key in ("rate", "low", "high"))
        counted = str(entry.get("counted", ""))
        band_low, band_high = (number_of(entry.get(end)) for end in ("band_low", "band_high"))
        strength, n, missing = float(entry["strength"]), int(entry["n"]), int(entry.get("missing", 0))
        return Point(strength, name, axis, n, rate, low, high, counted, band_low, band_high, missing)
    except (KeyError, TypeError, ValueError) as error:
        raise malformed("curve", entry) from error


def _tax(entry: Mapping[str, Any]) -> TaxPoint:
    try:
        parts = [number_of(entry[key]) for key in Tax._fields[1:]]
        tax, found = Tax(int(entry["n"]), *parts), entry.get("without_refusals")
        return TaxPoint(float(entry["strength"]), tax, None if found is None else _without(tax.n, found))
    except (KeyError, TypeError, ValueError) as error:
        raise malformed("tax", entry) from error


def _without(n: int, found: Mapping[str, Any]) -> WithoutRefusals:
    bounds = [Interval(*(number_of(found[of + end]) for end in ("low", "high"))) for of in ("", "sampled_")]
    return WithoutRefusals(n, int(found["answered"]), number_of(found["excluding"]), *bounds)


def number_of(value: float | None) -> float:
    """A number of a file, where null stands for what is not known."""
    return math.nan if value is None else float(value)


def malformed(part: str, entry: Mapping[str, Any]) -> RunError:
    """What is said of a part of `summary.json` that lacks a field or holds something else."""
    return RunError(
        f"a {part} entry {dict(entry)!r:.120}", "the fields of summary.json", "run the sweep again"
    )
