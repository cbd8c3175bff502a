"""The tax of alignment itself as HTML: dose by dose against the base checkpoint, and what steering gives back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from steer_evals.errors import RunError
from steer_evals.points import HARMFUL, OVER, Point, number_of, read_points, read_tax
from steer_evals.report.drawing import signed
from steer_evals.report.markup import (
    NONE,
    cell,
    loss,
    percent,
    points,
    share_range,
    small,
    tables,
    text,
)
from steer_evals.tax import Tax

_BESIDE = (HARMFUL, OVER)


def aligned_section(found: Mapping[str, Any]) -> str:
    """What `tax.json` holds.

    Raises:
        RunError: A field is missing or holds something else than it should.
    """
    try:
        doses = [(text(own["model"]) + small(text(own["label"])), _dose(own)) for own in found["doses"]]
        back = [(signed(float(own["strength"])), _back(own)) for own in found["given_back"]]
        said = f"<p>Work that {text(found['base'])} does and its aligned version does not, of the same items.</p>"
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise RunError(
            f"a tax of alignment {dict(found)!r:.120}", "the fields of tax.json", "run `steer tax` again"
        ) from error
    names = ["total, in points", "refused", "invalid", "ability", "due to refusals"]
    names.append("bounds, had nothing been refused")
    said += tables("Tax of alignment, by model", "model", names, doses, "")
    if back:
        names = ["tax, in points", "share given back", "harmful requests refused", "over-refusal"]
        said += tables("What each strength gives back", "strength", names, back)
    return said


def _dose(own: Mapping[str, Any]) -> list[str]:
    tax, due, without = _tax(own["tax"]), own["due_to_refusals"], own["without_refusals"]
    ends = f"{points(number_of(without['low']))} to {points(number_of(without['high']))}"
    return [
        loss(tax),
        *(points(part) + small(f"n = {tax.n}") for part in (tax.refused, tax.invalid, tax.ability)),
        _share(due["share"], due["low"], due["high"], tax.n, due.get("reason", "")),
        ends + small(f"n = {tax.n}"),
    ]


def _back(own: Mapping[str, Any]) -> list[str]:
    tax, refusals = _tax(own["tax"]), read_points(own["points"])
    return [
        loss(tax),
        _share(own["share"], own["low"], own["high"], tax.n, own.get("reason", "")),
        *(_axis(refusals, axis) for axis in _BESIDE),
    ]


def _axis(found: Sequence[Point], axis: str) -> str:
    own = [point for point in found if point.axis == axis]
    several = len(own) > 1
    return "".join((small(text(point.suite)) if several else "") + cell(point) for point in own) or NONE


def _share(value: float | None, low: float | None, high: float | None, n: int, reason: str) -> str:
    if value is None:
        return "undefined" + small(text(reason or "hardly a tax"))
    return percent(value) + small(share_range(number_of(low), number_of(high)), f"n = {n}")


def _tax(entry: Mapping[str, Any]) -> Tax:
    return read_tax([{"strength": 0.0, **entry}])[0].tax
