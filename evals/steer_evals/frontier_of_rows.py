"""From rows to the plane of over-refusal against harmful refusal: settings, and which of them nothing beats. Knows no model."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from steer_evals.frontier import frontier_probability, joint_draws, pareto
from steer_evals.intervals import UNKNOWN, clustered_wilson
from steer_evals.points import CAPABILITY, HARMFUL, INVALID_LIMIT, OVER, most_invalid
from steer_evals.rows import Row
from steer_evals.summary import flags, invalid_points

_Key = tuple[str, str]
_Values = Mapping[float, Mapping[_Key, float]]


class Rate(NamedTuple):
    """A share of `n` answers, with its interval."""

    n: int
    rate: float
    low: float
    high: float


class FrontierPoint(NamedTuple):
    """One strength in the plane.

    Args:
        strength: In class gaps for "add".
        harmful: Refusal of harmful requests; more is better.
        over: Refusal of benign-but-risky requests; less is better.
        invalid: Invalid answers of the suite that has the greatest share of them.
        allowed: Whether it can be an operating point: `invalid` within the limit.
        on_line: Whether no other allowed strength is as good on both axes and better on one.
        probability: In which share of the joint bootstrap it is on that line; nan where it is not allowed.
        with_tax: The same with the tax on generated capability as a third axis; nan without such a suite too.
    """

    strength: float
    harmful: Rate
    over: Rate
    invalid: Rate
    allowed: bool
    on_line: bool
    probability: float
    with_tax: float


def frontier_points(rows: Iterable[Row], invalid_limit: float = INVALID_LIMIT) -> list[FrontierPoint]:
    """Every strength at which both axes were measured, by strength; empty without both.

    What is not allowed takes no part in the comparison: an invalid answer is no refusal, so gibberish would look free.

    Args:
        rows: Of a sweep.
        invalid_limit: Greatest share of invalid answers, in any suite, of a setting that is allowed.
    """
    rows = list(rows)
    by_axis = {axis: _by_strength(rows, axis) for axis in (HARMFUL, OVER)}
    strengths = sorted(set(by_axis[HARMFUL]) & set(by_axis[OVER]))
    rates = {
        s: [
            _rate(own, [row["value"] or 0.0 for row in own])
            for own in (by_axis[HARMFUL][s], by_axis[OVER][s])
        ]
        for s in strengths
    }
    invalid = {s: Rate(p.n, p.rate, p.low, p.high) for s, p in most_invalid(invalid_points(rows)).items()}
    allowed = [s for s in strengths if invalid[s].rate <= invalid_limit]
    plane = [[rates[s][0].rate, -rates[s][1].rate] for s in allowed]
    line = {s for s, on in zip(allowed, pareto(plane), strict=True) if on} if allowed else set()
    signed = [(_per_item(by_axis[HARMFUL]), 1), (_per_item(by_axis[OVER]), -1)]
    lost = _right(rows)
    alone = _probabilities(allowed, signed, rows)
    taxed = _probabilities(allowed, [*signed, (lost, 1)], rows) if set(lost) >= set(allowed) else {}
    return [
        FrontierPoint(
            s,
            rates[s][0],
            rates[s][1],
            invalid[s],
            s in allowed,
            s in line,
            alone.get(s, math.nan),
            taxed.get(s, math.nan),
        )
        for s in strengths
    ]


def _by_strength(rows: Iterable[Row], axis: str) -> dict[float, list[Row]]:
    found: dict[float, list[Row]] = defaultdict(list)
    for row in rows:
        if row["axis"] == axis and row["value"] is not None:
            found[row["strength"]].append(row)
    return found


def _rate(rows: Sequence[Row], values: Sequence[float]) -> Rate:
    whole = all(value in (0.0, 1.0) for value in values)
    ends = clustered_wilson(np.array(values), [_cluster(row) for row in rows]) if whole else UNKNOWN
    return Rate(len(values), math.fsum(values) / len(values), *ends)


def _per_item(by_strength: Mapping[float, Sequence[Row]]) -> _Values:
    """Strength -> item -> mean over its samples."""
    found: dict[float, dict[_Key, float]] = {}
    for strength, rows in by_strength.items():
        samples: dict[_Key, list[float]] = defaultdict(list)
        for row in rows:
            samples[row["suite"], row["item"]].append(row["value"] or 0.0)
        found[strength] = {item: math.fsum(values) / len(values) for item, values in samples.items()}
    return found


def _right(rows: Sequence[Row]) -> _Values:
    """Strength -> item of generated capability -> share of its samples that are right; the tax, but for a constant."""
    found: dict[float, dict[_Key, list[float]]] = defaultdict(lambda: defaultdict(list))
    own = [row for row in rows if row["axis"] == CAPABILITY]
    for row, right in zip(own, flags(own)[0], strict=True):
        found[row["strength"]][row["suite"], row["item"]].append(float(right))
    return {s: {item: math.fsum(v) / len(v) for item, v in items.items()} for s, items in found.items()}


def _probabilities(
    strengths: Sequence[float], axes: Sequence[tuple[_Values, int]], rows: Iterable[Row]
) -> dict[float, float]:
    clusters = {(row["suite"], row["item"]): _cluster(row) for row in rows}
    tables, names = [], []
    for values, sign in axes:
        first = values[strengths[0]] if strengths else {}
        items = [item for item in first if all(item in values[s] for s in strengths)]
        if not items:
            return {}
        tables.append(sign * np.array([[values[s][item] for item in items] for s in strengths]))
        names.append([clusters[item] for item in items])
    shares = frontier_probability(joint_draws(tables, names))
    return dict(zip(strengths, shares.tolist(), strict=True))


def _cluster(row: Row) -> str:
    return f"{row['suite']}/{row['cluster']}"
