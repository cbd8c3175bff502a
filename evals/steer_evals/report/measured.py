"""What was measured as HTML tables: curves, differences, states, categories, controls, alarms, tax, frontier; each with its n."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence

from steer_evals.differences import Difference
from steer_evals.frontier_of_rows import FrontierPoint, Rate
from steer_evals.points import Alarmed, Point, State, TaxPoint, axis_name
from steer_evals.report.contents import Numbers
from steer_evals.report.drawing import signed
from steer_evals.report.markup import (
    NONE,
    cell,
    loss,
    number,
    percent,
    points,
    points_range,
    share_range,
    small,
    tables,
    text,
)
from steer_evals.report.panels import in_order, panel_of
from steer_evals.run import left_out

_STATES = ("full_compliance", "partial_refusal", "full_refusal", "invalid")


def numbers_section(numbers: Numbers, shown: Sequence[float]) -> str:
    """Every axis, the states, the categories at the strengths shown, the controls, the alarms."""
    if not numbers.curve:
        return "<p>Nothing was measured.</p>"
    return (
        alarms(numbers.alarms)
        + "<h3>Every axis</h3>"
        + curve_tables(numbers.curve, "every strength")
        + _differences(numbers.differences)
        + _states(numbers.states)
        + _categories(numbers.categories, shown)
        + _controls(numbers)
    )


def curve_tables(curve: Sequence[Point], which: str) -> str:
    """A table for each group of axes: a row per strength, a column per suite; invalid answers by themselves."""
    groups: dict[tuple[int, str], list[Point]] = {}
    for point in curve:
        panel = panel_of(point)
        own = (9, "Invalid answers") if point.axis == "invalid" else (panel.place, panel.title)
        groups.setdefault(own, []).append(point)
    return "".join(_curve(f"{title}, {which}", found) for (_, title), found in sorted(groups.items()))


def _curve(caption: str, found: Sequence[Point]) -> str:
    keys = sorted({(p.axis, p.suite) for p in found}, key=in_order)
    cells = {(p.strength, p.axis, p.suite): p for p in found}
    rows = [
        (signed(strength), [cell(cells.get((strength, *key))) for key in keys])
        for strength in sorted({p.strength for p in found})
    ]
    names = [text(axis_name(axis)) + small(text(suite)) for axis, suite in keys]
    return tables(text(caption), "strength", names, rows)


def _differences(found: Sequence[Difference]) -> str:
    names = list(dict.fromkeys(one.what for one in found))
    if not names:
        return ""
    cells = {(one.strength, one.what): one for one in found}
    rows = [
        (signed(strength), [_less(cells.get((strength, name))) for name in names])
        for strength in sorted({one.strength for one in found})
    ]
    said = (
        "<p>Here only the difference is worth something: whoever always asks back, or denies everything, scores on the "
        "first rate alone. Answers that were refused or invalid are on neither side.</p>"
    )
    table = tables("Differences of two rates, in points", "strength", [text(name) for name in names], rows)
    return f"<h3>Rates less those of their twins</h3>{said}{table}"


def _less(found: Difference | None) -> str:
    if found is None:
        return NONE
    return points(found.value) + small(
        points_range(found.low, found.high), f"n = {found.n} and {found.n_less}"
    )


def _states(states: Sequence[State]) -> str:
    suites = list(dict.fromkeys(state.suite for state in states))
    found = []
    for suite in suites:
        cells = {(s.strength, s.verdict): s for s in states if s.suite == suite}
        strengths = sorted({strength for strength, _ in cells})
        rows = [
            (signed(strength), [_share(cells.get((strength, verdict))) for verdict in _STATES])
            for strength in strengths
        ]
        names = [verdict.replace("_", " ") for verdict in _STATES]
        found.append(tables(f"{text(suite)}: states of its answers", "strength", names, rows))
    return "<h3>Four states</h3>" + "".join(found) if found else ""


def _share(state: State | None) -> str:
    if state is None:
        return NONE
    return percent(state.share) + small(share_range(state.low, state.high), f"n = {state.n}")


def _categories(categories: Mapping[str, Sequence[Point]], shown: Sequence[float]) -> str:
    by_suite: dict[tuple[str, str], dict[str, dict[float, Point]]] = {}
    for name, found in categories.items():
        for point in found:
            own = by_suite.setdefault((point.axis, point.suite), {})
            own.setdefault(name, {})[point.strength] = point
    if not by_suite:
        return ""
    head = [signed(strength) for strength in shown]
    bodies = [
        tables(
            f"{text(axis_name(axis))}, {text(suite)}: by category", "category", head,
            [(text(name), [cell(own.get(strength)) for strength in shown]) for name, own in groups.items()], "",
        )
        for (axis, suite), groups in sorted(by_suite.items(), key=lambda pair: in_order(pair[0]))
    ]  # fmt: skip
    more = "<p>Columns are strengths; <code>summary.json</code> has the others. Many categories are many chances: "
    return f"<h3>By category</h3>{more}the widest difference of them is partly luck.</p>{''.join(bodies)}"


def _controls(numbers: Numbers) -> str:
    found = "<h3>Controls</h3>"
    if numbers.control:
        found += (
            "<p>The same edits with a random direction of equal norm: what any push of that size does.</p>"
            + curve_tables(numbers.control, "random direction")
        )
    else:
        found += "<p>No random direction was measured beside it.</p>"
    if numbers.prompt:
        found += (
            "<p>The plain model behind a system prompt: at \u22121 one that asks for less refusal, at +1 one that asks "
            "for more.</p>" + curve_tables(numbers.prompt, "system prompt instead of steering")
        )
    else:
        why = left_out(numbers.run)
        found += f"<p>{text(why) if why else 'No system prompt was measured beside it'}.</p>"
    return found


def alarms(found: Iterable[Alarmed]) -> str:
    """Where a curve of refusal turns back."""
    items = "".join(
        f"<li>{text(axis_name(a.axis))} ({text(a.suite)}) turns back at strength <b>{signed(a.strength)}</b> "
        f"(p = {_p(a.p)}).</li>"
        for a in found
    )
    if not items:
        return ""
    why = "A curve that turns back is usually the judge or gibberish: read answers there."
    return f'<div class="warning"><h3>Not monotone</h3><p>{why}</p><ul>{items}</ul></div>'


def _p(value: float) -> str:
    return "&lt; 0.001" if value < 0.001 else f"{value:.3f}"


def tax_table(taxes: Sequence[TaxPoint]) -> str:
    """The split at every strength, and what the tax could be without refusals."""
    names = ["total", "refused", "invalid", "ability", "bounds, had nothing been refused"]
    names.append("only items that neither side refused")
    rows = []
    for point in taxes:
        tax, without = point.tax, point.without
        cells = [loss(tax)]
        cells += [points(part) + small(f"n = {tax.n}") for part in (tax.refused, tax.invalid, tax.ability)]
        if without is None:
            cells += [NONE, NONE]
        else:
            sampled = points_range(without.sampled.low, without.sampled.high)
            ends = f"{points(without.bounds.low)} to {points(without.bounds.high)}"
            cells.append(ends + small(f"with sampling error {sampled}", f"n = {tax.n}"))
            cells.append(points(without.excluding) + small(f"n = {without.answered}"))
        rows.append((signed(point.strength), cells))
    return tables("Accuracy lost against strength 0 on the same items, in points", "strength", names, rows)


def frontier_table(found: Sequence[FrontierPoint]) -> str:
    """Every strength in the plane of both refusals."""
    names = ["harmful requests refused", "over-refusal", "most invalid of any suite", "on the frontier",
             "probability", "probability, tax included"]  # fmt: skip
    rows = [
        (
            signed(p.strength),
            [
                _rate(p.harmful), _rate(p.over), _rate(p.invalid),
                "not allowed" if not p.allowed else "yes" if p.on_line else "no",
                number(p.probability), number(p.with_tax),
            ],
        )
        for p in found
    ]  # fmt: skip
    return tables("Strengths in the plane, all suites of an axis together", "strength", names, rows)


def _rate(rate: Rate) -> str:
    return percent(rate.rate) + small(share_range(rate.low, rate.high), f"n = {rate.n}")


def frontier_words(found: Sequence[FrontierPoint]) -> str:
    """Which strengths are on the line, in a sentence."""
    line = [p for p in found if p.on_line]
    if not line:
        return "No strength has few enough invalid answers, so there is no frontier."
    names = ", ".join(
        f"{signed(p.strength)} ({percent(p.harmful.rate)} of harmful and {percent(p.over.rate)} of benign-but-risky "
        f"requests refused{'' if math.isnan(p.probability) else f', on it with probability {number(p.probability)}'})"
        for p in line
    )
    return f"On the frontier: {names}."
