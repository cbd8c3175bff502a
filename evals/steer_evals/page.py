"""The report's page: numbers and answers to one self-contained HTML text. Knows no files and no models.

Everything that comes from outside passes `html.escape`; the page may load nothing (see its content security
policy).
"""

import base64
import html
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from string import Template
from typing import Any, NamedTuple

from steer_evals.points import Point, TaxPoint, axis_name

_INVALID_LIMIT = 0.02  # a setting beyond it cannot be an operating point
_PAIR = ("harmful_refusal", "over_refusal")


class Example(NamedTuple):
    """One item's answers at several strengths; a cell is (strength, answer, verdict, right or wrong or None)."""

    suite: str
    item: str
    prompt: str
    cells: tuple[tuple[float, str, str, bool | None], ...]


class Contents(NamedTuple):
    """Everything a page shows."""

    run: Mapping[str, Any]
    curve: Sequence[Point]
    control: Sequence[Point]
    tax: Sequence[TaxPoint]
    examples: Sequence[Example]
    curve_png: bytes
    tax_png: bytes


def render(contents: Contents) -> str:
    """The page as one HTML text without any reference to another resource."""
    model = html.escape(str(contents.run.get("model", "a model")))
    sections = (
        _headline(contents),
        _section("Curve", _figure(contents.curve_png, "Every axis against strength"))
        if contents.curve
        else "",
        _section("Tax", _figure(contents.tax_png, "Accuracy lost, by cause") + _tax_table(contents.tax))
        if contents.tax
        else "",
        _section("Every number", _curve_table(contents.curve) + _control_table(contents.control)),
        _section("Answers", _examples(contents.examples)) if contents.examples else "",
        _section("Settings of the run", _settings(contents.run)),
    )
    template = Template(files("steer_evals").joinpath("report_template.html").read_text("utf-8"))
    return template.substitute(title=f"Steering {model}", body="\n".join(sections))


# --- headline ---


def _headline(contents: Contents) -> str:
    sentences = [_pair_sentence(contents.curve, strength) for strength in key_strengths(contents.curve)]
    sentences += [_tax_sentence(contents.tax), _control_sentence(contents), _invalid_sentence(contents.curve)]
    items = "".join(f"<li>{sentence}</li>" for sentence in sentences if sentence)
    return f'<ul class="headline">{items}</ul>' if items else "<p>Nothing was measured.</p>"


def key_strengths(points: Sequence[Point]) -> list[float]:
    """The lowest strength, the one nearest to 0, and the highest; fewer where they coincide."""
    strengths = sorted({point.strength for point in points})
    if not strengths:
        return []
    return sorted({strengths[0], min(strengths, key=abs), strengths[-1]})


def _pair_sentence(curve: Sequence[Point], strength: float) -> str:
    harmful, risky = (_said(curve, axis, strength) for axis in _PAIR)
    if harmful is None and risky is None:
        return ""
    who = "The plain model" if strength == 0 else f"At strength <b>{_signed(strength)}</b> the model"
    return (
        f"{who} refuses {harmful or 'an <b>unmeasured</b> share'} of harmful requests, "
        f"and {risky or 'an <b>unmeasured</b> share'} of benign but risky ones."
    )


def _said(curve: Sequence[Point], axis: str, strength: float) -> str | None:
    found = [
        point
        for point in curve
        if point.axis == axis and point.strength == strength and not math.isnan(point.rate)
    ]
    if len(found) < 2:
        return f"<b>{_percent(found[0].rate)}</b> {_range(found[0])}" if found else None
    return " / ".join(
        f"<b>{_percent(one.rate)}</b> {_range(one)} ({html.escape(one.suite)})" for one in found
    )


def _tax_sentence(taxes: Sequence[TaxPoint]) -> str:
    steered = [point for point in taxes if point.strength and not math.isnan(point.tax.total)]
    if not steered:
        return ""
    strength, tax = max(steered, key=lambda point: point.tax.total)
    return (
        f"The tax is highest at strength <b>{_signed(strength)}</b>: <b>{_points(tax.total)} points</b> "
        f"of accuracy [{_points(tax.low)}, {_points(tax.high)}], of which {_points(tax.refused)} refused, "
        f"{_points(tax.invalid)} invalid and {_points(tax.ability)} ability."
    )


def _control_sentence(contents: Contents) -> str:
    plain = {(p.axis, p.suite): p.rate for p in contents.curve if p.strength == 0}
    moves = [
        (abs(point.rate - plain[point.axis, point.suite]), point)
        for point in contents.control
        if point.axis in _PAIR and (point.axis, point.suite) in plain
    ]
    moves = [(move, point) for move, point in moves if not math.isnan(move)]
    if not moves:
        return ""
    most, where = max(moves)
    return (
        f"A random direction of equal norm moves these refusals by at most <b>{_points(most)} points</b> "
        f"(at strength {_signed(where.strength)})."
    )


def _invalid_sentence(curve: Sequence[Point]) -> str:
    over = sorted({p.strength for p in curve if p.axis == "invalid" and p.rate > _INVALID_LIMIT})
    if not over:
        return ""
    names = ", ".join(_signed(strength) for strength in over)
    limit = _percent(_INVALID_LIMIT)
    return f"More than {limit} of the answers of some suite are invalid at {names}: no operating point there."


# --- tables ---


def _curve_table(points: Sequence[Point]) -> str:
    if not points:
        return "<p>Nothing was measured.</p>"
    order = [*_PAIR, "benign_refusal", "capability", "capability_likelihood"]
    keys = sorted(
        {(p.axis, p.suite) for p in points},
        key=lambda key: (key[0] == "invalid", order.index(key[0]) if key[0] in order else len(order), key),
    )
    cells = {(p.strength, p.axis, p.suite): p for p in points}
    head = "".join(f"<th>{html.escape(axis_name(a))}<small>{html.escape(s)}</small></th>" for a, s in keys)
    rows = "".join(
        f"<tr{_plain_row(strength)}><th>{_signed(strength)}</th>"
        + "".join(_cell(cells.get((strength, *key))) for key in keys)
        + "</tr>"
        for strength in sorted({p.strength for p in points})
    )
    return _table(f"<th>strength</th>{head}", rows)


def _cell(point: Point | None) -> str:
    if point is None or math.isnan(point.rate):
        return '<td class="none">\u2013</td>'
    return f"<td>{_percent(point.rate)}<small>{_range(point)}</small><small>n = {point.n}</small></td>"


def _control_table(control: Sequence[Point]) -> str:
    if not control:
        return "<p>No random direction was measured beside it.</p>"
    return f"<details><summary>The random direction of equal norm</summary>{_curve_table(control)}</details>"


def _tax_table(taxes: Sequence[TaxPoint]) -> str:
    head = "".join(
        f"<th>{name}</th>" for name in ("strength", "total", "refused", "invalid", "ability", "items")
    )
    rows = "".join(
        f"<tr{_plain_row(strength)}><th>{_signed(strength)}</th>"
        f"<td>{_points(tax.total)}<small>[{_points(tax.low)}, {_points(tax.high)}]</small></td>"
        + "".join(f"<td>{_points(part)}</td>" for part in (tax.refused, tax.invalid, tax.ability))
        + f"<td>{tax.n}</td></tr>"
        for strength, tax in taxes
    )
    return "<p>In points of accuracy lost against strength 0 on the same items.</p>" + _table(head, rows)


def _table(head: str, rows: str) -> str:
    return f'<div class="scroll"><table><thead><tr>{head}</tr></thead><tbody>{rows}</tbody></table></div>'


def _plain_row(strength: float) -> str:
    return ' class="plain"' if strength == 0 else ""


# --- the rest ---


def _examples(examples: Sequence[Example]) -> str:
    parts, suite = [], None
    for example in examples:
        if example.suite != suite:
            suite = example.suite
            parts.append(f"<h3>{html.escape(suite)}</h3>")
        cells = "".join(_answer(*cell) for cell in example.cells)
        parts.append(
            f'<article><p class="prompt">{html.escape(example.prompt)}</p>'
            f'<div class="answers">{cells}</div></article>'
        )
    return "".join(parts)


def _answer(strength: float, answer: str, verdict: str, correct: bool | None) -> str:
    state = verdict if verdict in _STATES else "other"
    graded = "" if correct is None else ", right" if correct else ", wrong"
    shown = html.escape(answer) if answer.strip() else "<i>(empty)</i>"
    return (
        f'<div class="answer {state}"><p class="tag"><span>strength {_signed(strength)}</span>'
        f"<b>{html.escape(verdict.replace('_', ' '))}{graded}</b></p><p>{shown}</p></div>"
    )


def _settings(run: Mapping[str, Any]) -> str:
    rows = "".join(
        f"<dt>{html.escape(str(key))}</dt><dd>{html.escape(_value(value))}</dd>" for key, value in run.items()
    )
    return f"<dl>{rows}</dl>" if rows else "<p>None recorded.</p>"


def _value(value: object) -> str:
    if isinstance(value, list | tuple):
        return ", ".join(str(part) for part in value)
    return str(value)


def _figure(png: bytes, words: str) -> str:
    data = base64.b64encode(png).decode("ascii")
    return f'<figure><img alt="{html.escape(words)}" src="data:image/png;base64,{data}"></figure>'


def _section(name: str, body: str) -> str:
    return f"<section><h2>{name}</h2>{body}</section>"


def _percent(rate: float) -> str:
    return f"{100 * rate:.1f}".removesuffix(".0") + "\u00a0%"


def _range(point: Point) -> str:
    if math.isnan(point.low) or math.isnan(point.high):
        return "[no interval]"
    low, high = (f"{100 * end:.1f}".removesuffix(".0") for end in (point.low, point.high))
    return f"[{low}, {high}]"


def _points(share: float) -> str:
    if math.isnan(share):
        return "\u2013"
    return f"{100 * share:.1f}".replace("-0.0", "0.0").replace("-", "\u2212")


def _signed(strength: float) -> str:
    return f"{strength:+g}".replace("-", "\u2212") if strength else "0"


_STATES = frozenset({"full_compliance", "partial_refusal", "full_refusal", "invalid"})
