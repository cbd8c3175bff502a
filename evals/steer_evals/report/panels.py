"""Which axes stand together: in the dial plot, and in the tables. Harmful refusal is never shown without over-refusal."""

from __future__ import annotations

from typing import NamedTuple

from steer_evals.points import AXES, CAPABILITY, HARMFUL, OVER, Point, axis_name

_REFUSALS = (HARMFUL, OVER, "benign_refusal")
_WORK = (CAPABILITY, "capability_likelihood", "invalid")
_NO_SHARES = ("density", "diversity")
_ORDER = (*_REFUSALS, *_WORK)


class Panel(NamedTuple):
    """A group of axes, in the order of the page; `label` names what is on its axis."""

    place: int
    title: str
    label: str


_REFUSED = Panel(0, "Refusals", "share refused")
_DONE = Panel(1, "Work", "share correct, or invalid")
_BEHAVIOUR = Panel(2, "Behaviour", "share of answers")


def panel_of(point: Point) -> Panel:
    """Where an axis belongs; one that is no share is a panel of its own."""
    if not is_share(point):
        name = axis_name(point.axis)
        return Panel(3, name, name)
    if point.axis in AXES:
        return _REFUSED if point.axis in _REFUSALS else _DONE if point.axis in _WORK else _BEHAVIOUR
    return _REFUSED if point.counted == "refused" else _DONE


def in_order(key: tuple[str, str]) -> tuple[int, str, str]:
    """Sorts pairs of axis and suite: harmful refusal, then over-refusal beside it, then the others."""
    return (_ORDER.index(key[0]) if key[0] in _ORDER else len(_ORDER), *key)


def is_share(point: Point) -> bool:
    """Whether the value is a share of answers: in [0, 1], written in percent."""
    return point.axis not in _NO_SHARES and (point.axis in AXES or point.counted != "mean")
