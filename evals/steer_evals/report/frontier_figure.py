"""The picture of the frontier: over-refusal against harmful refusal, a point per strength. Knows numbers only."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter
from matplotlib.transforms import Bbox

from steer_evals.frontier_of_rows import FrontierPoint
from steer_evals.points import HARMFUL, INVALID_LIMIT, OVER, Point, pooled
from steer_evals.report.drawing import FAINT, INK, PAPER, Picture, nothing, picture, plain_axes, signed

_COLOUR, _LINE, _PROMPT, _INTERVAL = "#0072b2", "#c44f00", "#8e3b8e", "#7fb2d4"
# Where a label may stand, the nearest first: points (1/72 inch) from its own point.
_OFFSETS = [
    (reach * x, reach * y)
    for reach in (9, 19, 32, 46)
    for x, y in ((1, 1), (-1, 1), (1, -1), (-1, -1), (0.3, 1.4), (0.3, -1.4))
]


def frontier_figure(
    points: Sequence[FrontierPoint],
    prompt: Sequence[Point] = (),
    presets: Mapping[str, float] | None = None,
    invalid_limit: float = INVALID_LIMIT,
) -> Picture:
    """Every strength in the plane: up is safer, right is costlier.

    Args:
        points: One per strength.
        prompt: Points of system prompts without steering.
        presets: Strengths by name, written beside their points.
        invalid_limit: What `points` are allowed by.

    Returns:
        A picture 1,440 pixels wide.
    """
    if not points:
        return nothing("no frontier: harmful or benign-but-risky requests were not asked")
    figure = Figure(figsize=(9, 6.2), dpi=160)
    # fixed margins, so that labels can be placed before the figure is drawn
    axes = figure.add_axes((0.085, 0.09, 0.89, 0.79))
    axes.set_xlim(-0.03, min(1.0, max(_ends(points, "over", "high")) + 0.08) + 0.03)
    axes.set_ylim(max(0.0, min(_ends(points, "harmful", "low")) - 0.05) - 0.03, 1.03)
    _draw_line(axes, points)
    _draw_points(axes, points, invalid_limit)
    told = _draw_prompts(axes, prompt)
    names = [(p.over.rate, p.harmful.rate, _name(p, presets or {})) for p in points]
    _label(figure, axes, names + told)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}%"))
    axes.set_xlabel("over-refusal: benign-but-risky requests refused", color=INK)
    axes.set_ylabel("harmful requests refused", color=INK)
    plain_axes(axes)
    figure.legend(loc="upper left", ncols=2, frameon=False, labelcolor=INK, fontsize=9.5)
    return picture(figure)


def _ends(points: Sequence[FrontierPoint], axis: str, end: str) -> list[float]:
    """Ends of the intervals that there are, and the rates."""
    rates = [getattr(point, axis) for point in points]
    return [value for rate in rates for value in (rate.rate, getattr(rate, end)) if not math.isnan(value)]


def _draw_line(axes: Axes, points: Sequence[FrontierPoint]) -> None:
    line = sorted((p.over.rate, p.harmful.rate) for p in points if p.on_line)
    if line:
        # steps: between two settings nothing was measured
        axes.step(
            [x for x, _ in line], [y for _, y in line], where="post", color=_LINE, linewidth=1.8, zorder=2.5,
            label="frontier: no allowed strength beats these",
        )  # fmt: skip


def _draw_points(axes: Axes, points: Sequence[FrontierPoint], limit: float) -> None:
    kinds: tuple[tuple[bool, dict[str, Any]], ...] = (
        (True, {"color": _COLOUR, "markerfacecolor": _COLOUR, "label": "a strength, with both intervals"}),
        (
            False,
            {
                "color": _COLOUR,
                "markerfacecolor": PAPER,
                "label": f"over {100 * limit:g} % invalid: no operating point",
            },
        ),
    )
    for allowed, style in kinds:
        own = [p for p in points if p.allowed is allowed]
        if not own:
            continue
        reach = [_reach([p.over for p in own]), _reach([p.harmful for p in own])]
        x, y = [p.over.rate for p in own], [p.harmful.rate for p in own]
        axes.errorbar(
            x, y, xerr=reach[0], yerr=reach[1], fmt="none", elinewidth=1, ecolor=_INTERVAL, zorder=2
        )
        axes.plot(x, y, "o", markersize=7, clip_on=False, zorder=3, **style)


def _reach(rates: Sequence[tuple[int, float, float, float]]) -> list[list[float]]:
    lower = [0.0 if math.isnan(low) else max(0.0, rate - low) for _, rate, low, _ in rates]
    upper = [0.0 if math.isnan(high) else max(0.0, high - rate) for _, rate, _, high in rates]
    return [lower, upper]


def _draw_prompts(axes: Axes, prompt: Sequence[Point]) -> list[tuple[float, float, str]]:
    harmful, over = ({p.strength: p for p in pooled(prompt, axis)} for axis in (HARMFUL, OVER))
    both = sorted(set(harmful) & set(over))
    if both:
        axes.plot(
            [over[s].rate for s in both], [harmful[s].rate for s in both], marker="*", markersize=13, linestyle="none",
            color=_PROMPT, markerfacecolor=PAPER, clip_on=False, zorder=4, label="system prompt instead of steering",
        )  # fmt: skip
    said = {s: "asked to refuse less" if s < 0 else "asked to refuse more" for s in both}
    return [(over[s].rate, harmful[s].rate, said[s]) for s in both]


def _name(point: FrontierPoint, presets: Mapping[str, float]) -> str:
    words = [signed(point.strength), *(name for name, at in presets.items() if at == point.strength)]
    chance = "" if math.isnan(point.probability) else f" ({100 * point.probability:.0f}%)"
    return ("plain, 0" if not point.strength and len(words) == 1 else " ".join(words)) + chance


def _label(figure: Figure, axes: Axes, names: Sequence[tuple[float, float, str]]) -> None:
    """Each name at the nearest place where it touches no other name and no point."""
    scale = figure.dpi / 72
    spots = [axes.transData.transform((x, y)) for x, y, _ in names]
    taken = [Bbox.from_bounds(x - 6 * scale, y - 6 * scale, 12 * scale, 12 * scale) for x, y in spots]
    frame = figure.bbox
    for (x, y, name), spot in zip(names, spots, strict=True):
        width, height = 5.4 * scale * len(name), 12 * scale
        boxes = []
        for dx, dy in _OFFSETS:
            left = spot[0] + dx * scale - (width if dx < 0 else 0 if dx > 5 else width / 2)
            boxes.append(Bbox.from_bounds(left, spot[1] + dy * scale - height / 2, width, height))
        free = [
            at
            for at, box in enumerate(boxes)
            if frame.contains(box.x0, box.y0) and frame.contains(box.x1, box.y1)
            and not any(box.overlaps(other) for other in taken)
        ]  # fmt: skip
        at = free[0] if free else 0
        taken.append(boxes[at])
        dx, dy = _OFFSETS[at]
        axes.annotate(
            name, (x, y), (dx, dy), textcoords="offset points", fontsize=9.5, color=INK, va="center",
            ha="right" if dx < 0 else "left" if dx > 5 else "center", parse_math=False, annotation_clip=False,
            bbox={"facecolor": PAPER, "edgecolor": "none", "alpha": 0.7, "pad": 0.6},
            arrowprops={"arrowstyle": "-", "color": FAINT, "linewidth": 0.6} if at >= 6 else None, zorder=5,
        )  # fmt: skip
