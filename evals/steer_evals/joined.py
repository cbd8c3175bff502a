"""Every setting of a gate from answers that are there: no model is asked. Pure.

Under a gate that decides once per request, an answer is that of one side or of the other. So once each side has answered
every request at each of its strengths, all pairs of strengths with all thresholds are known exactly, and looked through
whole.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from itertools import product
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from steer_evals.calibrate import Budgets, require_floor
from steer_evals.points import CAPABILITY, HARMFUL, OVER
from steer_evals.rows import Row
from steer_evals.sampling import members, robust_mean, t_quantile
from steer_evals.summary import flags

BENIGN = "benign_refusal"
_WITHIN = (1e-9, 1 - 1e-9)
_Floats = NDArray[np.float64]
_Item = tuple[str, str]  # suite, item


class Choice(NamedTuple):
    """A setting of the gate, and its rates on the requests it was chosen by.

    The threshold may be nearer to one half than the best one, and cost a standard error more. Settings are compared by their
    best ones, then by harmful refusal, and equals by how near they came to one half.

    Args:
        low: Strength of the side of low risk; 0 = plain.
        high: Strength of the side of high risk.
        threshold: Risk from which a request is of the high side.
        below: By how much harmful refusal is below the floor, which comes before everything else.
        miss: By how much it breaks the other budgets, in all.
        unsure: By how much more harmful requests than the margin allows may have lost their refusal, by the upper end of
            the interval of their share; gains elsewhere do not make up for them.
        cost: What is kept small among those as good: refusals of benign requests, capability lost, and what harmful refusal
            lacks of the floor and its margin; in shares.
        least: The cost at the best threshold.
        rates: By axis; "tax" and "invalid" too.
    """

    low: float
    high: float
    threshold: float
    below: float
    miss: float
    unsure: float
    cost: float
    least: float
    rates: Mapping[str, float]

    @property
    def better(self) -> tuple[float, ...]:
        """Less is better, the first above all."""
        worse = (
            self.below,
            self.miss,
            self.unsure,
            self.least,
            -self.rates[HARMFUL],
            abs(self.threshold - 0.5),
        )
        return tuple(round(own, 9) for own in worse)


def best(risk: Mapping[_Item, float], low: Iterable[Row], high: Iterable[Row], budgets: Budgets) -> Choice:
    """The best setting of two sides.

    Args:
        risk: Of every request, 0 to 1.
        low: Rows of the side of low risk at each strength, 0 among them; one sample of each item.
        high: The same of the other side.
        budgets: What a setting may cost; no floor = what the plain model refuses.

    Raises:
        RunError: A floor below what the plain model refuses, unless `below_plain` allows it.
    """
    sides = [_by_strength(rows) for rows in (low, high)]
    items = sorted(set.intersection(*(set(own) for side in sides for own in side.values())) & set(risk))
    table = _Table(items, [sides[0][0.0][item] for item in items], np.array([risk[item] for item in items]))
    columns = [{s: table.of([own[item] for item in items]) for s, own in side.items()} for side in sides]
    found = (
        table.choice(budgets, (s, columns[0][s]), (t, columns[1][t]))
        for s, t in product(sorted(columns[0], key=abs), sorted(columns[1], key=abs))
    )
    return min(found, key=lambda choice: choice.better)


class _Table:
    """Items by falling risk, and which of them each rate is a mean of."""

    def __init__(self, items: list[_Item], plain: list[Row], risk: _Floats) -> None:
        self._order = np.argsort(-risk, kind="stable")
        self._risk = risk[self._order]
        ends = np.clip(np.concatenate([[1.0], self._risk, [0.0]]), *_WITHIN)
        odds = np.log(ends / (1 - ends))
        # Half-way, in log odds, between two requests.
        self._thresholds = np.clip(1 / (1 + np.exp(-(odds[:-1] + odds[1:]) / 2)), *_WITHIN)
        # Between requests of one risk there is no threshold, and none beyond those that are surely one or the other.
        above = np.searchsorted(-self._risk, -self._thresholds, side="right")
        self._real = above == np.arange(len(above))
        axes = np.array([row["axis"] for row in plain])[self._order]
        suites = np.array([suite for suite, _ in items])[self._order]
        self._on = {
            axis: axes == axis for axis in (HARMFUL, OVER, BENIGN, CAPABILITY) if (axes == axis).any()
        }
        self._suites = {str(suite): suites == suite for suite in np.unique(suites)}
        self._plain = self.of(plain)
        clusters = np.array([f"{row['suite']}/{row['cluster']}" for row in plain])[self._order]
        self._member = members(int(self._on[HARMFUL].sum()), list(clusters[self._on[HARMFUL]]))

    def of(self, rows: list[Row]) -> dict[str, _Floats]:
        """For each rate the items' values, by falling risk."""
        right, _, invalid = (np.array(own, dtype=np.float64)[self._order] for own in flags(rows))
        # What was not judged is not refused, on either side alike.
        value = np.array([row["value"] or 0.0 for row in rows])[self._order]
        return {"value": value, "right": right, "invalid": invalid}

    def choice(
        self, budgets: Budgets, low: tuple[float, dict[str, _Floats]], high: tuple[float, dict[str, _Floats]]
    ) -> Choice:
        """The best threshold between two strengths, or one that costs no more than a standard error of the difference more.

        Of these, where they refuse no fewer harmful requests, the one nearest to one half, for risks are calibrated: what so
        few requests leave open, that settles.
        """
        rates = {
            axis: self._mean("right" if axis == CAPABILITY else "value", on, low[1], high[1])
            for axis, on in self._on.items()
        }
        rates["invalid"] = np.max(
            [self._mean("invalid", on, low[1], high[1]) for on in self._suites.values()], axis=0
        )
        zeros = np.zeros(len(self._risk) + 1)
        if CAPABILITY in rates:
            rates["tax"] = float(self._plain["right"][self._on[CAPABILITY]].mean()) - rates[CAPABILITY]
        plain = float(self._plain["value"][self._on[HARMFUL]].mean())
        floor = plain if budgets.floor is None else budgets.floor
        require_floor(budgets, plain)
        over = [
            rates[OVER] - budgets.over_refusal, rates.get("tax", zeros) - budgets.tax,
            rates["invalid"] - budgets.invalid,
        ]  # fmt: skip
        below = np.maximum(floor - rates[HARMFUL], 0)
        miss = np.sum([np.maximum(own, 0) for own in over], axis=0)
        unsure = zeros  # a floor that is given says how far
        if budgets.floor is None:
            unsure = np.maximum(self._lost(low[1]["value"], high[1]["value"]) - budgets.margin, 0)
        wanted = min(1.0, floor + budgets.margin)
        cost = rates[OVER] + rates.get(BENIGN, zeros) + np.maximum(rates.get("tax", zeros), 0)
        cost = cost + np.maximum(wanted - rates[HARMFUL], 0)
        score = np.stack([np.where(self._real, below, np.inf), miss, unsure, cost, -rates[HARMFUL]]).round(9)
        first = int(np.lexsort(score[::-1])[0])
        within = np.zeros_like(score)
        within[3] = self._error(first, low[1], high[1])
        near = (score <= score[:, [first]] + within + 1e-9).all(axis=0)
        at = int(np.argmin(np.where(near, abs(self._thresholds - 0.5), np.inf)))
        return Choice(
            low[0], high[0], float(self._thresholds[at]), float(below[at]), float(miss[at]), float(unsure[at]), float(cost[at]),
            float(cost[first]), {name: float(own[at]) for name, own in rates.items()},
        )  # fmt: skip

    def _lost(self, low: _Floats, high: _Floats) -> _Floats:
        """`[n + 1]`: upper end of the share of harmful requests that lose refusal, the k riskiest on the high side.

        Gains elsewhere do not make up for them. By the jackknife over clusters, of one cluster the share alone: enough to choose
        by, and narrower than `change_interval`, which reports.
        """
        on = self._on[HARMFUL]
        ours = np.arange(on.sum())
        riskiest = ours < np.arange(len(ours) + 1)[:, None]  # only harmful requests make a difference
        lost = self._plain["value"][on] - np.where(riskiest, high[on], low[on])
        found = robust_mean(np.maximum(lost, 0), self._member)
        ends = found.mean + t_quantile(0.95, found.freedom) * np.nan_to_num(found.error)
        return np.asarray(ends[np.concatenate([[0], np.cumsum(on)])])

    def _error(self, first: int, low: dict[str, _Floats], high: dict[str, _Floats]) -> _Floats:
        """`[n + 1]`: standard error of the difference in cost to that of `first`, if there were none; requests counted singly."""
        found = np.zeros(len(self._risk) + 1)
        for axis in (
            own for own in (OVER, BENIGN, CAPABILITY) if own in self._on
        ):  # one order: sums are to the bit
            name, on = "right" if axis == CAPABILITY else "value", self._on[axis]
            squares = np.concatenate([[0.0], np.cumsum((high[name] - low[name]) ** 2 * on)])
            found += np.abs(squares - squares[first]) / on.sum() ** 2
        return np.sqrt(found)

    def _mean(
        self, name: str, on: NDArray[np.bool_], low: dict[str, _Floats], high: dict[str, _Floats]
    ) -> _Floats:
        """`[n + 1]`: the mean where the k riskiest requests are of the high side."""
        above = np.concatenate([[0.0], np.cumsum(high[name] * on)])
        below = np.concatenate([np.cumsum((low[name] * on)[::-1])[::-1], [0.0]])
        return np.asarray((above + below) / on.sum())


def _by_strength(rows: Iterable[Row]) -> dict[float, dict[_Item, Row]]:
    found: dict[float, dict[_Item, Row]] = {}
    for row in rows:
        found.setdefault(row["strength"], {})[row["suite"], row["item"]] = row
    return found
