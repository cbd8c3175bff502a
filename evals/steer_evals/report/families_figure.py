"""The picture of several ways of steering: over-refusal against harmful refusal, a line for each. Knows numbers only."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from steer_evals.points import HARMFUL, OVER, Point, pooled
from steer_evals.report.drawing import INK, PAPER, Picture, picture, plain_axes

_STYLES = (
    ("#8b6b00", "s"), ("#0072b2", "^"), ("#8e3b8e", "D"), ("#00745a", "v"), ("#c44f00", "o"), ("#57606a", "P"),
)  # fmt: skip


def families_figure(curves: Mapping[str, Sequence[Point]], chosen: Mapping[str, float]) -> Picture:
    """Every way of steering in one plane: up is safer, right is costlier.

    Args:
        curves: By name, the points of a sweep: `harmful_refusal` and `over_refusal` at every strength, 0 among them.
        chosen: By name, the strength of the operating point, drawn large with both intervals.

    Returns:
        A picture 1,440 pixels wide.
    """
    figure = Figure(figsize=(9, 6.2), dpi=160)
    axes = figure.add_axes((0.085, 0.09, 0.89, 0.79))
    for (name, points), (colour, marker) in zip(curves.items(), _STYLES, strict=False):
        harmful, over = ({p.strength: p for p in pooled(points, axis)} for axis in (HARMFUL, OVER))
        strengths = sorted(set(harmful) & set(over))
        axes.plot(
            [over[s].rate for s in strengths], [harmful[s].rate for s in strengths], marker=marker, color=colour,
            markersize=4.5, linewidth=1.1, alpha=0.75, clip_on=False, zorder=2,
        )  # fmt: skip
        if (at := chosen.get(name)) is None or at not in strengths:
            continue
        x, y = over[at], harmful[at]
        axes.errorbar(
            [x.rate], [y.rate], xerr=[[x.rate - x.low], [x.high - x.rate]], yerr=[[y.rate - y.low], [y.high - y.rate]],
            fmt=marker, color=colour, markersize=11, elinewidth=1.2, markeredgecolor=PAPER, clip_on=False, zorder=3,
            label=f"{name}, at {at:g}",
        )  # fmt: skip
    axes.set_xlim(-0.02, 1.02)
    axes.set_ylim(-0.02, 1.02)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}%"))
    axes.set_xlabel("over-refusal: benign-but-risky requests refused", color=INK)
    axes.set_ylabel("harmful requests refused", color=INK)
    plain_axes(axes)
    figure.legend(loc="upper left", ncols=3, frameon=False, labelcolor=INK, fontsize=9.5)
    return picture(figure)
