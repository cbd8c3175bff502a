"""Area under the ROC curve of readings whose weights and clusters are known. Pure numbers: knows no prompts and no models."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Bools = NDArray[np.bool_]
Numbers = NDArray[np.int64]


class Area(NamedTuple):
    """Area under the ROC curve, and its 95 % interval over clusters; nan where a class is missing."""

    value: float
    low: float
    high: float


class Table(NamedTuple):
    """What is known of the rows: `[n]` each; weights have mean 1 over all rows of a fit, clusters are numbers."""

    risky: Bools
    weights: Floats
    clusters: Numbers

    def only(self, rows: Bools | Numbers) -> Table:
        """Some of the rows."""
        return Table(self.risky[rows], self.weights[rows], self.clusters[rows])


def area(
    readings: Floats, risky: Bools, weights: Floats | None = None, clusters: NDArray[Any] | None = None
) -> Area:
    """AUC with the interval of DeLong et al. (1988) for clusters (Obuchowski 1997), in Wilson's form.

    The variance is that of the sum of what each cluster adds. It gives the number of independent requests that would be as
    uncertain, at most thrice the rarer class (no reading has more), and Wilson's interval for that number: so an AUC of 1
    has an interval too.

    Args:
        readings: `[n]`, higher is riskier.
        risky: `[n]`.
        weights: `[n]`; default: all the same.
        clusters: `[n]`, names or numbers; default: every request by itself.
    """
    from scipy.special import stdtrit  # type: ignore[import-untyped]  # heavy, so only here

    if risky.all() or not risky.any():
        return Area(math.nan, math.nan, math.nan)
    table = Table(
        risky,
        np.ones(len(risky)) if weights is None else weights,
        np.arange(len(risky)) if clusters is None else np.unique(clusters, return_inverse=True)[1],
    )
    value, shares = parts(readings, table)
    variance, z2 = variance_of(shares), float(stdtrit(max(1, len(shares) - 1), 0.975)) ** 2
    rarer = min(int(risky.sum()), int((~risky).sum()))
    if variance < 1e-12:  # no cluster differs from another
        n = float(min(len(np.unique(table.clusters[side])) for side in (risky, ~risky)))
    else:
        n = max(1.0, min(value * (1 - value) / variance, 3 * rarer))
    middle = (value + z2 / (2 * n)) / (1 + z2 / n)
    reach = math.sqrt(z2 * (value * (1 - value) / n + z2 / (4 * n * n))) / (1 + z2 / n)
    return Area(value, max(0.0, middle - reach), min(1.0, middle + reach))


def ranked(readings: Floats, risky: Bools, pairs: NDArray[Any]) -> float:
    """Over pairs, mean share of their couples in which the risky request reads higher; ties count half."""
    shares = []
    for pair in np.unique(pairs[of_twins(risky, pairs)]):
        high, low = (readings[(pairs == pair) & (risky == side)] for side in (True, False))
        shares.append(float((np.sign(high[:, None] - low) / 2 + 0.5).mean()))
    return float(np.mean(shares)) if shares else math.nan


def of_twins(risky: Bools, pairs: NDArray[Any]) -> Bools:
    """`[n]`, whether a request has a twin: one of the other class in its pair."""
    return np.isin(pairs, np.intersect1d(pairs[risky], pairs[~risky]))


class Parts(NamedTuple):
    """An AUC, and what each cluster adds to it beyond its due: `[clusters]`, sum 0."""

    value: float
    shares: Floats


def parts(readings: Floats, table: Table) -> Parts:
    """The weighted AUC, taken apart by cluster."""
    risky, share = table.risky, table.weights
    share = np.where(risky, share / share[risky].sum(), share / share[~risky].sum())
    # What a request adds is the share of the other class that it is on the right side of.
    own = np.where(risky, _below(readings, ~risky, share), 1 - _below(readings, risky, share))
    value = float(share[risky] @ own[risky])
    shares = np.bincount(table.clusters, share * (own - value)).astype(np.float64)
    # Numbers that no row has are no clusters.
    return Parts(min(1.0, value), shares[np.unique(table.clusters)])


def variance_of(shares: Floats) -> float:
    """Of a sum of clusters."""
    return float(shares @ shares) * len(shares) / max(1, len(shares) - 1)


def _below(readings: Floats, among: Bools, share: Floats) -> Floats:
    """`[n]`, weight of those `among` that read lower; ties count half."""
    order = np.argsort(readings[among])
    values = readings[among][order]
    total = np.concatenate([[0.0], np.cumsum(share[among][order])])
    found: Floats = (
        total[np.searchsorted(values, readings)] + total[np.searchsorted(values, readings, "right")]
    ) / 2
    return found
