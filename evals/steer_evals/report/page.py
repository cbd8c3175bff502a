"""The report's page: numbers and answers to one self-contained HTML text. Knows no files and no models.

Everything that comes from outside is escaped; the page may load nothing (see its content security policy).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from importlib.resources import files
from string import Template
from typing import Any

from steer_evals.points import HARMFUL, OVER, Point, TaxPoint, axis_name, most_invalid
from steer_evals.report.aligned import aligned_section
from steer_evals.report.chosen import chosen_section, chosen_sentence
from steer_evals.report.contents import Contents, Example, Numbers, key_strengths
from steer_evals.report.drawing import signed
from steer_evals.report.judged import judge_section
from steer_evals.report.markup import (
    figure,
    percent,
    points,
    points_range,
    range_of,
    section,
    share_range,
    text,
    value_of,
)
from steer_evals.report.measured import frontier_table, frontier_words, numbers_section, tax_table
from steer_evals.report.panels import in_order
from steer_evals.run import stopped
from steer_evals.second_judge import judge_sentence

_PAIR = (HARMFUL, OVER)
_STATES = frozenset({"full_compliance", "partial_refusal", "full_refusal", "invalid"})


def render(contents: Contents) -> str:
    """The page as one HTML text without any reference to another resource."""
    numbers = contents.numbers
    parts = [part for part in _parts(contents) if part[2]]
    links = "".join(f'<li><a href="#{key}">{name}</a></li>' for name, key, _ in parts)
    body = (
        _headline(contents)
        + f'<nav aria-label="Parts of the page"><ul>{links}</ul></nav>'
        + "\n".join(section(*part) for part in parts)
    )
    model = text(numbers.run.get("model", "a model"))
    template = Template(files("steer_evals.report").joinpath("template.html").read_text("utf-8"))
    return template.substitute(title=f"Steering {model}", body=body)


def _parts(contents: Contents) -> list[tuple[str, str, str]]:
    """Name, key and body of every section; an empty body is left out."""
    numbers, chosen = contents.numbers, contents.chosen
    strengths = sorted({point.strength for point in numbers.curve})
    presets = {} if chosen is None else chosen.presets
    shown = sorted({*key_strengths(numbers.curve), *presets.values()})
    return [
        ("Dial", "dial", _dial(contents) if numbers.curve else ""),
        ("Operating point", "operating-point", chosen_section(chosen, contents.asked, strengths) if chosen else ""),
        ("Frontier", "frontier", _frontier(contents) if contents.frontier else ""),
        ("Tax", "tax", _tax(contents) if numbers.taxes else ""),
        ("Tax of alignment", "alignment", aligned_section(contents.aligned) if contents.aligned else ""),
        ("Every number", "numbers", numbers_section(numbers, shown)),
        ("Judge", "judge", judge_section(numbers.curve, contents.judge, numbers.judge)),
        ("Answers", "answers", _examples(contents.examples)),
        ("Settings of the run", "settings", _settings(numbers.run)),
    ]  # fmt: skip


# --- headline ---


def _headline(contents: Contents) -> str:
    numbers = contents.numbers
    curve = numbers.curve
    sentences = [_pair_sentence(curve, strength) for strength in key_strengths(curve)]
    sentences.append(chosen_sentence(contents.chosen) if contents.chosen else "")
    sentences += [
        _tax_sentence(numbers.taxes),
        _control_sentence(numbers),
        _invalid_sentence(curve, contents.invalid_limit),
    ]
    sentences += [_missing_sentence(curve), _alarm_sentence(numbers)]
    sentences.append(text(judge_sentence(numbers.judge)) if numbers.judge else "")
    items = "".join(f"<li>{sentence}</li>" for sentence in sentences if sentence)
    ended = f'<p class="warning">{text(said)}</p>' if (said := stopped(numbers.run)) else ""
    return ended + (f'<ul class="headline">{items}</ul>' if items else "<p>Nothing was measured.</p>")


def _pair_sentence(curve: Sequence[Point], strength: float) -> str:
    harmful, risky = (_said(curve, axis, strength) for axis in _PAIR)
    if harmful is None and risky is None:
        return ""
    who = "The plain model" if strength == 0 else f"At strength <b>{signed(strength)}</b> the model"
    return (
        f"{who} refuses {harmful or 'an <b>unmeasured</b> share'} of harmful requests, "
        f"and {risky or 'an <b>unmeasured</b> share'} of benign but risky ones."
    )


def _said(curve: Sequence[Point], axis: str, strength: float) -> str | None:
    found = [p for p in curve if p.axis == axis and p.strength == strength and not math.isnan(p.rate)]
    several = len(found) > 1
    told = [
        f"<b>{percent(p.rate)}</b> {share_range(p.low, p.high)} (n\u00a0=\u00a0{p.n}{f', {text(p.suite)}' if several else ''})"
        for p in found
    ]
    return " / ".join(told) or None


def _tax_sentence(taxes: Sequence[TaxPoint]) -> str:
    steered = [point for point in taxes if point.strength and not math.isnan(point.tax.total)]
    if not steered:
        return ""
    at, tax, _ = max(steered, key=lambda point: point.tax.total)
    return (
        f"The tax is highest at strength <b>{signed(at)}</b>: <b>{points(tax.total)} points</b> of accuracy "
        f"{points_range(tax.low, tax.high)}, n\u00a0=\u00a0{tax.n}, of which {points(tax.refused)} refused, "
        f"{points(tax.invalid)} invalid and {points(tax.ability)} ability."
    )


def _control_sentence(numbers: Numbers) -> str:
    plain = {(p.axis, p.suite): p.rate for p in numbers.curve if p.strength == 0}
    moves = [
        (abs(point.rate - plain[point.axis, point.suite]), point)
        for point in numbers.control
        if point.axis in _PAIR and (point.axis, point.suite) in plain
    ]
    moves = [(move, point) for move, point in moves if not math.isnan(move)]
    if not moves:
        return ""
    most, where = max(moves)
    return (
        f"A random direction of equal norm moves these refusals by at most <b>{points(most)} points</b> "
        f"(at strength {signed(where.strength)}, n\u00a0=\u00a0{where.n})."
    )


def _invalid_sentence(curve: Sequence[Point], limit: float) -> str:
    over = sorted(strength for strength, point in most_invalid(curve).items() if point.rate > limit)
    if not over:
        return ""
    names = ", ".join(signed(strength) for strength in over)
    return f"More than {percent(limit)} of the answers of some suite are invalid at {names}: no operating point there."


def _missing_sentence(curve: Sequence[Point]) -> str:
    missing = sum(p.missing for p in curve if p.axis != "invalid")
    return f"<b>{missing}</b> answers have no value on their axis; the tables say where." if missing else ""


def _alarm_sentence(numbers: Numbers) -> str:
    names = ", ".join(f"{text(axis_name(a.axis))} ({text(a.suite)})" for a in numbers.alarms)
    return f'<a href="#numbers">Not monotone in strength</a>: {names}.' if names else ""


# --- figures ---


def _dial(contents: Contents) -> str:
    curve = contents.numbers.curve
    desc = f"Lines of every axis against strength. {_ends(curve)} All numbers stand in the tables below."
    caption = (
        "Each point has its own 95&nbsp;% interval; the shaded band holds a whole curve at once. Strength 1 is the distance "
        "between the means of the two classes."
    )
    return figure(contents.dial, "curve", "Every axis against strength", desc, caption)


def _ends(curve: Sequence[Point]) -> str:
    """Every axis at the lowest strength, near 0 and at the highest, in words."""
    told = []
    for strength in key_strengths(curve):
        own = [p for p in curve if p.strength == strength and p.axis != "invalid" and not math.isnan(p.rate)]
        said = ", ".join(
            f"{text(axis_name(p.axis))} ({text(p.suite)}) {value_of(p)} {range_of(p, p.low, p.high)}"
            for p in sorted(own, key=lambda p: in_order((p.axis, p.suite)))
        )
        told.append(f"At {signed(strength)}: {said}.")
    return " ".join(told)


def _frontier(contents: Contents) -> str:
    words = frontier_words(contents.frontier)
    desc = f"Over-refusal from left to right, refusal of harmful requests from below to above. {words}"
    caption = (
        "Up is safer, right is costlier. Beside each strength, the probability that it is on the line, from the joint "
        f"bootstrap of both axes. Hollow: more than {percent(contents.invalid_limit)} of the answers of some suite are "
        "invalid, so it cannot be an operating point and takes no part in the line."
    )
    drawn = figure(contents.plane, "frontier-drawing", "Over-refusal against harmful refusal", desc, caption)
    return drawn + frontier_table(contents.frontier)


def _tax(contents: Contents) -> str:
    taxes = contents.numbers.taxes
    said = " ".join(
        f"At {signed(p.strength)}: {points(p.tax.total)} points {points_range(p.tax.low, p.tax.high)}, of which "
        f"{points(p.tax.refused)} refused, {points(p.tax.invalid)} invalid, {points(p.tax.ability)} ability."
        for p in taxes
    )
    caption = (
        "Bars stack what became of right answers; below zero are gains. The diamond is the total. The bracket beside a bar "
        "holds what the tax could be had nothing been refused (Manski 1989): no data says where in it."
    )
    desc = f"Accuracy lost at each strength, stacked by cause. {said}"
    return figure(contents.tax, "tax-drawing", "Accuracy lost, by cause", desc, caption) + tax_table(taxes)


# --- the rest ---


def _examples(examples: Sequence[Example]) -> str:
    parts, suite = [], None
    for example in examples:
        if example.suite != suite:
            suite = example.suite
            parts.append(f"<h3>{text(suite)}</h3>")
        cells = "".join(_answer(*one) for one in example.cells)
        parts.append(
            f'<article><p class="prompt">{text(example.prompt)}</p><div class="answers">{cells}</div></article>'
        )
    said = "<p>Of each suite the items whose verdict changes most, so they are no fair sample.</p>"
    return said + "".join(parts) if parts else ""


def _answer(strength: float, answer: str, verdict: str, correct: bool | None) -> str:
    state = verdict if verdict in _STATES else "other"
    graded = "" if correct is None else ", right" if correct else ", wrong"
    shown = text(answer) if answer.strip() else "<i>(empty)</i>"
    return (
        f'<div class="answer {state}"><p class="tag"><span>strength {signed(strength)}</span>'
        f'<b>{text(verdict.replace("_", " "))}{graded}</b></p><p class="said">{shown}</p></div>'
    )


def _settings(run: Mapping[str, Any]) -> str:
    rows = "".join(f"<dt>{text(key)}</dt><dd>{_setting(value)}</dd>" for key, value in run.items())
    return f"<dl>{rows}</dl>" if rows else "<p>None recorded.</p>"


def _setting(value: object) -> str:
    if isinstance(value, Mapping):
        return "<br>".join(f"{text(key)}: {_setting(one)}" for key, one in value.items())
    if isinstance(value, list | tuple):
        flat = not any(isinstance(one, Mapping | list | tuple) for one in value)
        return (
            text(", ".join(str(one) for one in value))
            if flat
            else "<br>".join(_setting(one) for one in value)
        )
    return text(value if isinstance(value, str) else json.dumps(value, default=str))
