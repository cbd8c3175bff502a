"""What a page shows, read from `summary.json` and `calibration.json` and checked. Knows no HTML."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from steer_evals.calibrate import Budgets, Calibration, Reported, Setting
from steer_evals.differences import Difference
from steer_evals.errors import RunError
from steer_evals.frontier import Ratio, Saving
from steer_evals.frontier_of_rows import FrontierPoint
from steer_evals.intervals import Interval
from steer_evals.labelled import Labelled
from steer_evals.points import (
    Alarmed,
    Point,
    State,
    TaxPoint,
    malformed,
    number_of,
    read_points,
    read_tax,
)
from steer_evals.report.drawing import Picture
from steer_evals.tax import Tax

Fields = Mapping[str, Any]


class Example(NamedTuple):
    """One item's answers at several strengths; a cell is (strength, answer, verdict, right or wrong or None)."""

    suite: str
    item: str
    prompt: str
    cells: tuple[tuple[float, str, str, bool | None], ...]


class Numbers(NamedTuple):
    """A summary, read; parts that it does not have are empty."""

    run: Fields
    curve: list[Point]
    control: list[Point]
    prompt: list[Point]
    states: list[State]
    categories: dict[str, list[Point]]
    alarms: list[Alarmed]
    taxes: list[TaxPoint]
    differences: list[Difference]
    judge: Fields  # of a run that was judged again


class Contents(NamedTuple):
    """Everything a page shows.

    Args:
        numbers: The summary.
        frontier: Strengths in the plane of both refusals.
        chosen: What a calibration found; None: there was none.
        invalid_limit: Greatest share of invalid answers in any suite: of the calibration, else the usual one.
        asked: Items of the choosing half by axis; empty without a calibration.
        judge: The judge against labels; None where it was not compared with any.
        aligned: Contents of `tax.json` that tells of this run's model; None: there is none.
        examples: Answers.
        dial: The pictures.
        tax: As `dial`.
        plane: As `dial`.
    """

    numbers: Numbers
    frontier: Sequence[FrontierPoint]
    chosen: Calibration | None
    invalid_limit: float
    asked: Mapping[str, int]
    judge: Labelled | None
    aligned: Fields | None
    examples: Sequence[Example]
    dial: Picture
    tax: Picture
    plane: Picture


def read_summary(summary: Fields) -> Numbers:
    """The parts of a summary.

    Raises:
        RunError: If an entry lacks a field or holds something else than it should.
    """
    return Numbers(
        summary.get("run") or {},
        read_points(summary.get("curve") or ()),
        read_points(summary.get("control") or ()),
        read_points(summary.get("prompt") or ()),
        [_state(entry) for entry in summary.get("states") or ()],
        {str(name): read_points(found) for name, found in (summary.get("categories") or {}).items()},
        [_alarm(entry) for entry in summary.get("alarms") or ()],
        read_tax(summary.get("tax") or ()),
        [_difference(entry) for entry in summary.get("differences") or ()],
        summary.get("judge") or {},
    )


def read_calibration(found: Fields) -> Calibration:
    """What `calibration.json` holds.

    Raises:
        RunError: As `read_summary`.
    """
    try:
        reported = [_reported(entry) for entry in found["reported"]]
        return Calibration(
            Budgets(**found["budgets"]),
            [_setting(entry) for entry in found["settings"]],
            {str(name): float(at) for name, at in found["presets"].items()},
            {entry.strength: entry for entry in reported},
            found["naive"] and _reported(found["naive"]),
            found["nearest"] and _setting(found["nearest"]),
        )
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(
            f"a calibration {dict(found)!r:.120}",
            "the fields of calibration.json",
            "run `steer calibrate` again",
        ) from error


def key_strengths(points: Sequence[Point]) -> list[float]:
    """The lowest strength, the one nearest to 0, and the highest; fewer where they coincide."""
    strengths = sorted({point.strength for point in points})
    return sorted({strengths[0], min(strengths, key=abs), strengths[-1]}) if strengths else []


def _state(entry: Fields) -> State:
    try:
        suite, axis, verdict = (str(entry[name]) for name in ("suite", "axis", "verdict"))
        share, low, high = (number_of(entry[name]) for name in ("share", "low", "high"))
        return State(float(entry["strength"]), suite, axis, verdict, int(entry["n"]), share, low, high)
    except (KeyError, TypeError, ValueError) as error:
        raise malformed("states", entry) from error


def _difference(entry: Fields) -> Difference:
    try:
        n, n_less = int(entry["n"]), int(entry["n_less"])
        value, low, high = (number_of(entry[name]) for name in ("value", "low", "high"))
        return Difference(float(entry["strength"]), str(entry["what"]), n, n_less, value, low, high)
    except (KeyError, TypeError, ValueError) as error:
        raise malformed("differences", entry) from error


def _alarm(entry: Fields) -> Alarmed:
    try:
        return Alarmed(
            str(entry["suite"]), str(entry["axis"]), number_of(entry["strength"]), float(entry["p"])
        )
    except (KeyError, TypeError, ValueError) as error:
        raise malformed("alarms", entry) from error


def _setting(entry: Fields) -> Setting:
    harmful, over, tax, invalid = (
        number_of(entry[name]) for name in ("harmful_refusal", "over_refusal", "tax", "invalid")
    )
    worse, broken = Interval(*map(number_of, entry["worse"])), tuple(str(name) for name in entry["broken"])
    return Setting(float(entry["strength"]), harmful, over, tax, invalid, worse, broken)


def _reported(entry: Fields) -> Reported:
    tax = entry["tax"]
    lost = None if tax is None else Tax(int(tax["n"]), *(number_of(tax[name]) for name in Tax._fields[1:]))
    exchange = entry["exchange"]
    return Reported(
        float(entry["strength"]),
        read_points(entry["points"]),
        lost,
        Ratio(*_floats(exchange, "value", "low", "high"), str(exchange["reason"])),
        _saving(entry["saved"]),
        _saving(entry["saved_over"]),
        Interval(*map(number_of, entry["harmful_change"])),
        number_of(entry["on_frontier"]),
    )


def _saving(entry: Fields) -> Saving:
    return Saving(*_floats(entry, "value", "low", "high"), number_of(entry["strength"]), str(entry["reason"]))


def _floats(entry: Fields, first: str, second: str, third: str) -> tuple[float, float, float]:
    return number_of(entry[first]), number_of(entry[second]), number_of(entry[third])
