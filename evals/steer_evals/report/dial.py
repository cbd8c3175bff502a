"""The dial plot: every axis against strength, with intervals, bands, controls and presets. Knows numbers only.

Markers differ and lines are named where they end, so that colour alone says nothing.
"""

from __future__ import annotations

import math
import textwrap
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import FuncFormatter

from steer_evals.points import CAPABILITY, HARMFUL, OVER, Point, axis_name, pooled
from steer_evals.report.drawing import (
    DASHES,
    FAINT,
    INK,
    PAPER,
    Picture,
    apart,
    nothing,
    picture,
    plain_axes,
)
from steer_evals.report.panels import Panel, in_order, is_share, panel_of

_STYLE = {
    HARMFUL: ("#c44f00", "o"),
    OVER: ("#0072b2", "s"),
    "benign_refusal": ("#007f5f", "^"),
    CAPABILITY: ("#8e3b8e", "o"),
    "capability_likelihood": ("#8f6200", "D"),
    "invalid": ("#5b6168", "X"),
}
_OTHERS = ("#b3568a", "#9a5b2f", "#2277a8", "#882255", "#117733", "#6b5b95", "#6d6a00", "#c2185b")
_HEIGHT = 3.3  # inches of a panel
_LABEL: dict[str, Any] = {"fontsize": 9.5, "parse_math": False}
_LINE = 0.058  # share of a panel's height that one line of label needs


class _Series(NamedTuple):
    label: str
    colour: str
    marker: str
    points: list[Point]
    control: list[Point]
    prompt: list[Point]


def dial(
    curve: Sequence[Point],
    control: Sequence[Point] = (),
    prompt: Sequence[Point] = (),
    presets: Mapping[str, float] | None = None,
) -> Picture:
    """Every axis against strength: refusals above, work below, behaviour, and each axis that is no share by itself.

    Args:
        curve: Points of the steered model.
        control: Points of a random direction of equal norm: dashed, hollow.
        prompt: Points of system prompts without steering: stars, at -1 and 1.
        presets: Strengths by name, drawn as lines from top to bottom.

    Returns:
        A picture 1,440 pixels wide.
    """
    panels = _panels(curve, control, prompt)
    if not panels:
        return nothing("no curve was measured")
    figure = Figure(figsize=(9, 1.2 + _HEIGHT * len(panels)), dpi=160, layout="constrained")
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)
    for axes, (panel, series) in zip(grid[:, 0], panels, strict=True):
        _draw(axes, panel, series)
    _mark(list(grid[:, 0]), presets or {})
    grid[-1, 0].set_xlabel("strength (class gaps)", color=INK)
    handles = _legend(curve, control, prompt, presets)
    figure.legend(
        handles=handles, loc="outside upper left", ncols=2, frameon=False, labelcolor=INK, fontsize=9.5
    )
    return picture(figure)


def _panels(
    curve: Sequence[Point], control: Sequence[Point], prompt: Sequence[Point]
) -> list[tuple[Panel, list[_Series]]]:
    by_panel: dict[Panel, list[_Series]] = {}
    for one in _series(curve, control, prompt):
        by_panel.setdefault(panel_of(one.points[0]), []).append(one)
    return sorted(by_panel.items(), key=lambda pair: pair[0])


def _series(curve: Sequence[Point], control: Sequence[Point], prompt: Sequence[Point]) -> list[_Series]:
    keys = sorted({(point.axis, point.suite) for point in curve if point.axis != "invalid"}, key=in_order)
    spare = iter(_OTHERS * (1 + len(keys)))
    marks = iter("vP<>dh*" * (1 + len(keys)))
    found, seen = [], set()
    for axis, suite in keys:
        several = sum(other == axis for other, _ in keys) > 1
        label = f"{axis_name(axis)}: {suite}" if several else axis_name(axis)
        known = axis in _STYLE and axis not in seen
        colour, marker = _STYLE[axis] if known else (next(spare), next(marks))
        seen.add(axis)
        lines = (_of(points, axis, suite) for points in (curve, control, prompt))
        found.append(_Series(label, colour, marker, *lines))
    lines = (pooled(points, "invalid") for points in (curve, control, prompt))
    found.append(_Series(axis_name("invalid"), *_STYLE["invalid"], *lines))
    return [one for one in found if one.points]


def _of(points: Sequence[Point], axis: str, suite: str) -> list[Point]:
    return [p for p in points if (p.axis, p.suite) == (axis, suite) and not math.isnan(p.rate)]


def _draw(axes: Axes, panel: Panel, series: Sequence[_Series]) -> None:
    strengths = sorted({point.strength for one in series for point in one.points})
    # intervals of lines that meet stand side by side
    step = 0.007 * (strengths[-1] - strengths[0])
    for at, one in enumerate(series):
        _line(axes, one, step * (at - (len(series) - 1) / 2))
    axes.axvline(0, color=FAINT, linewidth=0.8, zorder=0)
    axes.set_ylabel(panel.label, color=INK)
    plain_axes(axes)
    if is_share(series[0].points[0]):
        axes.set_ylim(-0.02, 1.02)
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}%"))
    _label_ends(axes, series)


def _line(axes: Axes, one: _Series, shift: float) -> None:
    x = [point.strength for point in one.points]
    held = [not math.isnan(point.band_low) for point in one.points]
    if any(held):
        low, high = [p.band_low for p in one.points], [p.band_high for p in one.points]
        axes.fill_between(x, low, high, where=held, color=one.colour, alpha=0.13, linewidth=0)
    rates = [point.rate for point in one.points]
    axes.plot(
        x, rates, color=one.colour, marker=one.marker, markersize=5.5, linewidth=2, clip_on=False, zorder=3
    )
    _intervals(axes, one.points, shift, one.colour)
    hollow: dict[str, Any] = {
        "marker": one.marker,
        "markersize": 5.5,
        "markerfacecolor": PAPER,
        "color": one.colour,
    }
    if one.control:  # an empty line would stretch the layout to the picture's corner
        axes.plot(
            [p.strength for p in one.control], [p.rate for p in one.control], linewidth=1.1, linestyle=DASHES,
            clip_on=False, zorder=2, **hollow,
        )  # fmt: skip
    if one.prompt:
        star = {**hollow, "marker": "*", "markersize": 11}
        axes.plot(
            [p.strength + shift for p in one.prompt], [p.rate for p in one.prompt], linestyle="none", clip_on=False,
            zorder=4, **star,
        )  # fmt: skip
        _intervals(axes, one.prompt, shift, one.colour)


def _intervals(axes: Axes, points: Sequence[Point], shift: float, colour: str) -> None:
    known = [point for point in points if not math.isnan(point.low)]
    axes.vlines(
        [point.strength + shift for point in known], [point.low for point in known], [point.high for point in known],
        color=colour, linewidth=1.1, clip_on=False, zorder=2,
    )  # fmt: skip


def _label_ends(axes: Axes, series: Sequence[_Series]) -> None:
    """Names beside the last points, moved apart where they would overlap."""
    bottom, top = axes.get_ylim()
    names = [textwrap.wrap(one.label, 25) for one in series]
    ends = sorted(((one.points[-1].rate - bottom) / (top - bottom), at) for at, one in enumerate(series))
    places = apart([end for end, _ in ends], [_LINE * (len(names[at]) + 0.2) for _, at in ends])
    for (_, at), height in zip(ends, places, strict=True):
        axes.annotate(
            "\n".join(names[at]), (1.02, height), xycoords="axes fraction", color=series[at].colour, va="center",
            annotation_clip=False, **_LABEL,
        )  # fmt: skip


def _mark(panels: Sequence[Axes], presets: Mapping[str, float]) -> None:
    """Presets as lines through all panels, named above the first; names that would touch stand one above the other."""
    names: dict[float, list[str]] = {}
    for name, strength in presets.items():
        names.setdefault(strength, []).append(name)
    for axes in panels:
        for strength in names:
            axes.axvline(strength, color=INK, linewidth=1.2, linestyle=(0, (1, 1.6)), zorder=1)
    low, high = panels[0].get_xlim()
    ends: list[float] = []  # of the last name in each row
    for strength in sorted(names):
        name = ", ".join(names[strength])
        half = 0.008 * len(name) * (high - low)
        row = next((at for at, end in enumerate(ends) if end <= strength - half), len(ends))
        ends[row : row + 1] = [strength + half]
        panels[0].annotate(
            name, (strength, 1.02 + 0.065 * row), xycoords=("data", "axes fraction"), ha="center", color=INK,
            annotation_clip=False, **_LABEL,
        )  # fmt: skip


def _legend(
    curve: Sequence[Point],
    control: Sequence[Point],
    prompt: Sequence[Point],
    presets: Mapping[str, float] | None,
) -> list[Artist]:
    hollow: dict[str, Any] = {"color": INK, "markerfacecolor": PAPER}
    found: list[Artist] = [
        Line2D(
            [], [], color=INK, marker="o", linewidth=2, label="the direction, with the interval of each point"
        )
    ]
    if any(not math.isnan(point.band_low) for point in curve):
        found.append(
            Patch(color=INK, alpha=0.15, linewidth=0, label="band that holds the whole curve at once")
        )
    if control:
        name = "random direction of equal norm"
        found.append(Line2D([], [], marker="o", linewidth=1.1, linestyle=DASHES, label=name, **hollow))
    if prompt:
        name = "system prompt instead: \u22121 less, +1 more refusal"
        found.append(Line2D([], [], marker="*", markersize=11, linestyle="none", label=name, **hollow))
    if presets:
        found.append(Line2D([], [], color=INK, linewidth=1.2, linestyle=(0, (1, 1.6)), label="presets"))
    return found
