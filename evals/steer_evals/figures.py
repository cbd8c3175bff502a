"""The two pictures of a report, as PNG bytes: the curve and the tax. Knows numbers only.

Colours follow Okabe and Ito, so that people with any common colour blindness tell them apart; markers differ
and lines are named where they end. Figures are made without pyplot, so nothing global is touched.
"""

import io
from collections.abc import Sequence
from typing import NamedTuple

from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter

from steer_evals.points import Point, TaxPoint, axis_name, pooled

_INK, _FAINT = "#1f2328", "#8b929a"
_STYLE = {
    "harmful_refusal": ("#D55E00", "o"),
    "over_refusal": ("#0072B2", "s"),
    "benign_refusal": ("#009E73", "^"),
    "capability": ("#8E3B8E", "o"),
    "capability_likelihood": ("#A87400", "D"),
    "invalid": ("#5b6168", "X"),
}
_OTHERS = ("#CC79A7", "#E69F00", "#56B4E9", "#882255", "#117733")
_REFUSALS = ("harmful_refusal", "over_refusal", "benign_refusal")
_TAX_PARTS = (("refused", "#E69F00"), ("invalid", "#8b929a"), ("ability", "#0072B2"))
_LABEL_GAP = 0.062  # share of the panel's height that one line of label needs


class _Series(NamedTuple):
    label: str
    colour: str
    marker: str
    points: list[Point]
    control: list[Point]


def curve_png(curve: Sequence[Point], control: Sequence[Point] = ()) -> bytes:
    """Every axis against strength, with interval bands: refusals above, usefulness below.

    The control is dashed, with hollow markers.

    Args:
        curve: Points of the steered model.
        control: Points of a random direction of equal norm.

    Returns:
        A PNG, 1,440 pixels wide.
    """
    panels = [(name, series) for name, series in _panels(curve, control) if series]
    if not panels:
        return _nothing("no curve was measured")
    figure = Figure(figsize=(9, 0.8 + 3.3 * len(panels)), dpi=160, layout="constrained")
    grid = figure.subplots(len(panels), 1, sharex=True, squeeze=False)
    for axes, (name, series) in zip(grid[:, 0], panels, strict=True):
        _draw_panel(axes, name, series)
    grid[-1, 0].set_xlabel("strength (class gaps)", color=_INK)
    if control:
        _explain_control(figure)
    return _png(figure)


def tax_png(taxes: Sequence[TaxPoint]) -> bytes:
    """The tax at each strength, stacked by cause, with the interval of the total.

    Args:
        taxes: One point per strength.

    Returns:
        A PNG, 1,440 pixels wide.
    """
    measured = [point for point in taxes if point.tax.n]
    if not measured:
        return _nothing("no tax: no capability items were paired")
    figure = Figure(figsize=(9, 4.4), dpi=160, layout="constrained")
    axes = figure.subplots()
    _draw_tax(axes, measured)
    figure.legend(loc="outside upper left", ncols=4, frameon=False, labelcolor=_INK)
    return _png(figure)


def _panels(curve: Sequence[Point], control: Sequence[Point]) -> list[tuple[str, list[_Series]]]:
    series = _series(curve, control)
    refusals = [one for one in series if _is_refusal(one.points[0])]
    others = [one for one in series if not _is_refusal(one.points[0])]
    return [("refused", refusals), ("correct, or invalid", others)]


def _is_refusal(point: Point) -> bool:
    return point.counted == "refused" or (not point.counted and point.axis in _REFUSALS)


def _series(curve: Sequence[Point], control: Sequence[Point]) -> list[_Series]:
    keys = sorted({(point.axis, point.suite) for point in curve if point.axis != "invalid"}, key=_order)
    spare = iter(_OTHERS * (1 + len(keys)))
    found, seen = [], set()
    for axis, suite in keys:
        colour, marker = _STYLE.get(axis, ("", "v"))
        several = sum(other == axis for other, _ in keys) > 1
        label = f"{axis_name(axis)}: {suite}" if several else axis_name(axis)
        colour = next(spare) if axis in seen or not colour else colour
        seen.add(axis)
        found.append(_Series(label, colour, marker, _of(curve, axis, suite), _of(control, axis, suite)))
    invalid = pooled(curve, "invalid")
    if invalid:
        found.append(_Series(axis_name("invalid"), *_STYLE["invalid"], invalid, pooled(control, "invalid")))
    return [one for one in found if one.points]


def _order(key: tuple[str, str]) -> tuple[int, str, str]:
    known = list(_STYLE)
    return (known.index(key[0]) if key[0] in known else len(known), *key)


def _of(points: Sequence[Point], axis: str, suite: str) -> list[Point]:
    return [
        point for point in points if (point.axis, point.suite) == (axis, suite) and point.rate == point.rate
    ]


def _draw_panel(axes: Axes, name: str, series: Sequence[_Series]) -> None:
    for one in series:
        x = [point.strength for point in one.points]
        low, high = [point.low for point in one.points], [point.high for point in one.points]
        axes.fill_between(x, low, high, color=one.colour, alpha=0.14, linewidth=0)
        rates = [point.rate for point in one.points]
        axes.plot(
            x,
            rates,
            color=one.colour,
            marker=one.marker,
            markersize=5.5,
            linewidth=2,
            clip_on=False,
            zorder=3,
        )
        _draw_control(axes, one)
    axes.axvline(0, color=_FAINT, linewidth=0.8, zorder=0)
    axes.set_ylim(-0.02, 1.02)
    axes.set_ylabel(f"share {name}", color=_INK)
    _plain(axes)
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{100 * value:.0f}%"))
    _label_ends(axes, series)


def _draw_control(axes: Axes, one: _Series) -> None:
    if not one.control:
        return  # an empty line would stretch the layout to the picture's corner
    x, y = [point.strength for point in one.control], [point.rate for point in one.control]
    axes.plot(
        x, y, color=one.colour, marker=one.marker, markersize=5.5, markerfacecolor="white",
        linewidth=1.1, linestyle=(0, (4, 3)), clip_on=False, zorder=2,
    )  # fmt: skip


def _label_ends(axes: Axes, series: Sequence[_Series]) -> None:
    """Names beside the last points, moved apart where they would overlap."""
    wanted = sorted((one.points[-1].rate, place) for place, one in enumerate(series))
    heights = _apart([rate for rate, _ in wanted], _LABEL_GAP)
    for (_, place), height in zip(wanted, heights, strict=True):
        axes.annotate(
            series[place].label, (1.015, (height + 0.02) / 1.04), xycoords="axes fraction",
            color=series[place].colour, va="center", fontsize=9.5, annotation_clip=False,
        )  # fmt: skip


def _apart(heights: Sequence[float], gap: float) -> list[float]:
    """Ascending heights in [0, 1] moved up, then down from the top, until neighbours are a gap apart."""
    moved: list[float] = []
    for height in heights:
        moved.append(max(height, moved[-1] + gap) if moved else height)
    ceiling = 1.0
    for place in reversed(range(len(moved))):
        moved[place] = min(moved[place], ceiling)
        ceiling = moved[place] - gap
    return moved


def _explain_control(figure: Figure) -> None:
    dashed = Line2D(
        [], [], color=_INK, marker="o", markerfacecolor="white", linewidth=1.1, linestyle=(0, (4, 3))
    )
    solid = Line2D([], [], color=_INK, marker="o", linewidth=2)
    names = ["the direction, with its interval", "control: random direction of equal norm"]
    figure.legend([solid, dashed], names, loc="outside upper left", ncols=2, frameon=False, labelcolor=_INK)


def _draw_tax(axes: Axes, taxes: Sequence[TaxPoint]) -> None:
    places = range(len(taxes))
    up, down = [0.0] * len(taxes), [0.0] * len(taxes)
    for part, colour in _TAX_PARTS:
        sizes = [100 * getattr(point.tax, part) for point in taxes]
        bottoms = [up[i] if size >= 0 else down[i] for i, size in enumerate(sizes)]
        axes.bar(
            places,
            sizes,
            bottom=bottoms,
            width=0.62,
            color=colour,
            edgecolor="white",
            linewidth=1,
            label=part,
        )
        up = [top + max(size, 0) for top, size in zip(up, sizes, strict=True)]
        down = [top + min(size, 0) for top, size in zip(down, sizes, strict=True)]
    totals = [100 * point.tax.total for point in taxes]
    reach = [
        [100 * (point.tax.total - point.tax.low) for point in taxes],
        [100 * (point.tax.high - point.tax.total) for point in taxes],
    ]
    axes.errorbar(
        places, totals, yerr=reach, fmt="D", color=_INK, markersize=5, capsize=4, label="total, with interval"
    )
    axes.axhline(0, color=_INK, linewidth=0.9)
    axes.set_xticks(list(places), [_signed(point.strength) for point in taxes])
    axes.set_xlabel("strength (class gaps)", color=_INK)
    axes.set_ylabel("accuracy lost (points)", color=_INK)
    _plain(axes)


def _signed(strength: float) -> str:
    return f"{strength:+g}".replace("-", "\u2212") if strength else "0"


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.spines[["left", "bottom"]].set_color(_FAINT)
    axes.tick_params(colors=_INK, labelsize=9.5)
    axes.grid(axis="y", color="#e6e8eb", linewidth=0.8)
    axes.set_axisbelow(True)


def _nothing(why: str) -> bytes:
    figure = Figure(figsize=(9, 1.2), dpi=160)
    figure.text(0.5, 0.5, why, ha="center", va="center", color=_FAINT)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    FigureCanvasAgg(figure)
    target = io.BytesIO()
    # no software stamp: the same numbers give the same bytes
    figure.savefig(target, format="png", facecolor="white", metadata={"Software": None})
    return target.getvalue()
