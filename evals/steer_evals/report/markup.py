"""Words, numbers and tables as HTML. Everything that comes from outside passes `text`."""

from __future__ import annotations

import html
import math
from collections.abc import Iterable, Sequence

from steer_evals.points import Point
from steer_evals.report.drawing import Picture, inline
from steer_evals.report.panels import is_share
from steer_evals.tax import Tax

NONE = "\u2013"
_WIDEST = 6  # columns that a sheet of paper and a small screen can hold


def text(value: object) -> str:
    """Anything as text of a page."""
    return html.escape(str(value))


def percent(share: float) -> str:
    """A share in percent, to a tenth."""
    return NONE if math.isnan(share) else f"{_short(share)}\u00a0%"


def points(share: float) -> str:
    """A difference of shares in points, to a tenth."""
    return NONE if math.isnan(share) else f"{100 * share:.1f}".replace("-0.0", "0.0").replace("-", "\u2212")


def share_range(low: float, high: float) -> str:
    """An interval of shares, in percent without the sign."""
    return "[no interval]" if math.isnan(low) or math.isnan(high) else f"[{_short(low)}, {_short(high)}]"


def points_range(low: float, high: float) -> str:
    """An interval of differences, in points."""
    return "[no interval]" if math.isnan(low) or math.isnan(high) else f"[{points(low)}, {points(high)}]"


def number(value: float, digits: int = 2) -> str:
    """A plain number with a true minus."""
    return NONE if math.isnan(value) else f"{value:.{digits}f}".replace("-", "\u2212")


def value_of(point: Point) -> str:
    """A point's value: in percent if it is a share."""
    return percent(point.rate) if is_share(point) else number(point.rate)


def range_of(point: Point, low: float, high: float) -> str:
    """Two ends in the units of a point."""
    if is_share(point):
        return share_range(low, high)
    return "[no interval]" if math.isnan(low) else f"[{number(low)}, {number(high)}]"


def small(*lines: str) -> str:
    """Lines below a number."""
    return "".join(f"<small>{line}</small>" for line in lines if line)


def cell(point: Point | None) -> str:
    """A point in full: value, interval, band, items, and what has no value."""
    if point is None or (math.isnan(point.rate) and not point.missing):
        return NONE
    held = not math.isnan(point.band_low)
    return value_of(point) + small(
        "" if math.isnan(point.rate) else range_of(point, point.low, point.high),
        f"band {range_of(point, point.band_low, point.band_high)}" if held else "",
        f"n = {point.n}",
        f"{point.missing} without a value" if point.missing else "",
    )


def loss(tax: Tax) -> str:
    """The total of a tax in points, with its interval and items."""
    return points(tax.total) + small(points_range(tax.low, tax.high), f"n = {tax.n}")


def tables(
    caption: str,
    corner: str,
    columns: Sequence[str],
    rows: Iterable[tuple[str, Sequence[str]]],
    plain: str = "0",
) -> str:
    """A table; of many columns several, one below the other.

    Args:
        caption: What it shows; HTML, as all that follows.
        corner: Name of the first column.
        columns: Names of the others.
        rows: Name and cells of each row.
        plain: Name of the row to set off.
    """
    rows = list(rows)
    parts = range(0, len(columns), _WIDEST) if columns else [0]
    found = []
    for part, at in enumerate(parts, 1):
        named = caption if len(parts) == 1 else f"{caption} ({part} of {len(parts)})"
        cut = [(name, cells[at : at + _WIDEST]) for name, cells in rows]
        found.append(_table(named, corner, columns[at : at + _WIDEST], cut, plain))
    return "".join(found)


def _table(
    caption: str, corner: str, columns: Sequence[str], rows: Sequence[tuple[str, Sequence[str]]], plain: str
) -> str:
    head = "".join(f'<th scope="col">{name}</th>' for name in (corner, *columns))
    body = "".join(
        f'<tr{" class=plain" if name == plain else ""}><th scope="row">{name}</th>'
        + "".join(f"<td>{one}</td>" for one in cells)
        + "</tr>"
        for name, cells in rows
    )
    return _reachable(
        f"<table><caption>{caption}</caption><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>",
        "scroll",
        f"{caption}, table",
    )


def figure(picture: Picture, name: str, title: str, desc: str, caption: str) -> str:
    """A drawing with its name, its description and what is to be known to read it; all HTML."""
    drawing = inline(picture.svg, name, title, desc)
    return f"<figure>{_reachable(drawing, 'drawing', f'{title}, figure')}<figcaption>{caption}</figcaption></figure>"


def _reachable(body: str, kind: str, name: str) -> str:
    """What may be wider than the screen can be reached and moved with the keyboard."""
    return f'<div class="{kind}" role="region" aria-label="{name}" tabindex="0">{body}</div>'


def section(name: str, key: str, body: str) -> str:
    """A part of the page with its heading; `key` is its place in links."""
    return f'<section id="{key}" aria-labelledby="{key}-name"><h2 id="{key}-name">{name}</h2>{body}</section>'


def _short(share: float) -> str:
    return f"{100 * share:.1f}".removesuffix(".0").replace("-", "\u2212")
