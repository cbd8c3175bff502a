"""The operating point as HTML: budgets, presets beside naive steering and the plain model, or why there is none."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

from steer_evals.calibrate import Budgets, Calibration, Reported, Setting
from steer_evals.frontier import Ratio, Saving
from steer_evals.points import CAPABILITY, HARMFUL, OVER, Point, axis_name
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


def chosen_section(found: Calibration, asked: Mapping[str, int], strengths: Sequence[float]) -> str:
    """Everything a calibration found.

    Args:
        found: The calibration.
        asked: Items of the choosing half, by axis.
        strengths: Those of the curve, to tell whether the calibration is of the same sweep.
    """
    stale = (
        ""
        if {setting.strength for setting in found.settings} == set(strengths)
        else '<p class="warning">This calibration saw other strengths than the curve: calibrate again.</p>'
    )
    body = _presets(found) if found.presets else f"<p>{_none(found)}</p>"
    return stale + _budgets(found.budgets) + body + _settings(found, asked)


def chosen_sentence(found: Calibration) -> str:
    """The same in one sentence, for the top of the page."""
    if not found.presets:
        return _none(found)
    same: dict[float, list[str]] = {}
    for name, strength in found.presets.items():
        same.setdefault(strength, []).append(text(name))
    said = "; ".join(
        f"<b>{', '.join(names)}</b> at <b>{signed(at)}</b> ({_pair(found.reported.get(at))})"
        for at, names in same.items()
    )
    return f"Presets that keep the budgets, on the half of the items that had no say in the choice: {said}."


def _pair(own: Reported | None) -> str:
    told = []
    for axis, words in ((HARMFUL, "of harmful"), (OVER, "of benign-but-risky requests refused")):
        held = [p for p in own.points if p.axis == axis] if own else []
        rates = [f"{percent(p.rate)} {share_range(p.low, p.high)} (n\u00a0=\u00a0{p.n})" for p in held]
        told.append(f"{' / '.join(rates) or NONE} {words}")
    return " and ".join(told)


def _none(found: Calibration) -> str:
    if found.nearest is None:
        return "No such point: no setting keeps the budgets."
    nearest = found.nearest
    binding = text(nearest.broken[0]) if nearest.broken else "none"
    return (
        f"<b>No such point</b>: no setting keeps the budgets. The nearest is strength <b>{signed(nearest.strength)}</b> "
        f"({percent(nearest.harmful_refusal)} of harmful and {percent(nearest.over_refusal)} of benign-but-risky requests "
        f"refused on the choosing half); the budget that binds is <b>{binding}</b>."
    )


def _budgets(budgets: Budgets) -> str:
    floor = (
        f"no worse than the plain model, by interval, to within {points(budgets.margin)} points"
        if budgets.floor is None
        else f"at least {percent(budgets.floor)}"
    )
    if budgets.below_plain:
        floor += ", which may be below the plain model"
    rows = [
        ("over-refusal", [f"at most {percent(budgets.over_refusal)}"]),
        ("tax", [f"at most {points(budgets.tax)} points"]),
        ("invalid answers", [f"at most {percent(budgets.invalid)} in any suite"]),
        ("harmful refusal", [floor]),
    ]
    return tables("Budgets", "budget", ["asked for"], rows)


def _presets(found: Calibration) -> str:
    plain, naive = found.reported.get(0.0), found.naive
    presets = [(text(name), found.reported.get(at)) for name, at in found.presets.items()]
    columns = [
        ("plain", plain),
        *presets,
        ("naive, as measured" + small("at the first strength asked that refuses as much as strict"), naive),
    ]
    heads = [
        name + small("never" if one is None else f"strength {signed(one.strength)}") for name, one in columns
    ]
    shown = [one for _, one in columns if one is not None]
    keys = sorted({(p.axis == "invalid", p.axis, p.suite) for one in shown for p in one.points}, key=_order)
    rows = [
        (text(axis_name(axis)) + small(text(suite)), [cell(_at(one, axis, suite)) for _, one in columns])
        for _, axis, suite in keys
    ]
    rows += [
        ("tax, in points", [_tax(one) for _, one in columns]),
        (
            "exchange rate" + small("over-refusal per harmful refusal"),
            [NONE, *(_ratio(one) for _, one in presets), NONE],
        ),
        (
            "saving" + small("of the naive tax at equal harmful refusal, between the strengths asked"),
            [NONE, *(_saving(one) for _, one in presets), NONE],
        ),
        ("probability of the frontier", [number(one.on_frontier) if one else NONE for _, one in columns]),
    ]
    return tables(
        "Presets on the reporting half, beside the plain model and naive steering", "axis", heads, rows
    )


def _order(key: tuple[bool, str, str]) -> tuple[bool, bool, bool, str, str]:
    """Harmful refusal and over-refusal first, invalid answers last."""
    invalid, axis, suite = key
    return invalid, axis != HARMFUL, axis != OVER, axis, suite


def _at(own: Reported | None, axis: str, suite: str) -> Point | None:
    return next((p for p in own.points if (p.axis, p.suite) == (axis, suite)), None) if own else None


def _tax(own: Reported | None) -> str:
    if own is None or own.tax is None:
        return NONE
    tax = own.tax
    return loss(tax) + small(
        f"refused {points(tax.refused)}", f"invalid {points(tax.invalid)}", f"ability {points(tax.ability)}"
    )


def _ratio(own: Reported | None) -> str:
    if own is None or not own.strength:
        return NONE
    rate: Ratio = own.exchange
    if math.isnan(rate.value):
        return "undefined" + _why(rate.reason)
    harmful, over = (sum(p.n for p in own.points if p.axis == axis) for axis in (HARMFUL, OVER))
    ends = f"[{number(rate.low)}, {number(rate.high)}]"
    return number(rate.value) + small(ends, f"n = {over} and {harmful}")


def _saving(own: Reported | None) -> str:
    if own is None or not own.strength:
        return NONE
    saved: Saving = own.saved
    if math.isnan(saved.value):
        return "undefined" + _why(saved.reason)
    harmful, work = (sum(p.n for p in own.points if p.axis == axis) for axis in (HARMFUL, CAPABILITY))
    at = f"naive interpolated at {number(saved.strength)}"
    return percent(saved.value) + small(share_range(saved.low, saved.high), at, f"n = {harmful} and {work}")


def _why(reason: str) -> str:
    return f'<small class="why">{text(reason)}</small>' if reason else ""


def _settings(found: Calibration, asked: Mapping[str, int]) -> str:
    names = ["harmful requests refused", "over-refusal", "tax, in points", "most invalid of any suite",
             "harmful refusal, less the plain model's, in points", "budgets broken"]  # fmt: skip
    counts = [f"n = {asked[axis]}" if axis in asked else "" for axis in (HARMFUL, OVER, CAPABILITY)]
    rows = [(signed(s.strength), _setting(s, counts)) for s in found.settings]
    return tables("Every setting on the choosing half; these numbers are optimistic", "strength", names, rows)


def _setting(setting: Setting, counts: Sequence[str]) -> list[str]:
    return [
        percent(setting.harmful_refusal) + small(counts[0]),
        percent(setting.over_refusal) + small(counts[1]),
        points(setting.tax) + small("" if math.isnan(setting.tax) else counts[2]),
        percent(setting.invalid),
        points_range(*setting.worse) + small(counts[0]),
        text(", ".join(setting.broken)) or "none",
    ]
