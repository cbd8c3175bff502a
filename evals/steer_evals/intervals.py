"""Intervals for rates and for paired differences. Pure numbers: knows no suites, answers or models."""

import math
from collections.abc import Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steer_evals.errors import RunError

_COUNTS_AT_ONCE = 4_000_000  # bounds the resampling table to 32 MB, whatever the number of items


class Interval(NamedTuple):
    """Both ends of an interval, in the unit of the estimate; (nan, nan) where nothing can be said."""

    low: float
    high: float


UNKNOWN = Interval(math.nan, math.nan)


def wilson(successes: int, n: int, level: float = 0.95) -> Interval:
    """Score interval of a rate; inside [0, 1] and sensible at 0 and n successes.

    Args:
        successes: Count of successes, 0 to n.
        n: Count of trials; 0 gives (nan, nan).
        level: Two-sided coverage, in (0, 1).

    Returns:
        Bounds of the rate, in [0, 1].

    Raises:
        RunError: If the counts are impossible or the level is not in (0, 1).

    Source: Wilson 1927, Probable inference, JASA 22.

    >>> low, high = wilson(9, 10)
    >>> round(low, 3), round(high, 3)
    (0.596, 0.982)
    """
    _check_level(level)
    if not 0 <= successes <= n:
        raise RunError(
            f"{successes} successes of {n}", "0 <= successes <= n", "count verdicts of the same rows twice"
        )
    if n == 0:
        return UNKNOWN
    z = NormalDist().inv_cdf(0.5 + level / 2)
    rate, shrink = successes / n, 1 + z * z / n
    centre = (rate + z * z / (2 * n)) / shrink
    half = z / shrink * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    # at the ends the bound is exact in theory; rounding must not push it past
    low = 0.0 if successes == 0 else max(0.0, centre - half)
    high = 1.0 if successes == n else min(1.0, centre + half)
    return Interval(low, high)


def paired_bootstrap(
    differences: Sequence[float] | NDArray[Any],
    clusters: Sequence[object] | NDArray[Any] | None = None,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
) -> Interval:
    """Percentile bootstrap interval of the mean of per-item differences.

    Whole clusters are drawn, because items of one source are not independent: the interval of items alone
    would be too narrow.

    Args:
        differences: Per-item differences `[n]`, finite, in any unit.
        clusters: Per-item cluster names `[n]`; None makes every item its own cluster.
        level: Two-sided coverage, in (0, 1).
        resamples: Bootstrap draws, at least 1.
        seed: Seed of the draws; the same seed gives the same interval.

    Returns:
        Bounds of the mean difference; (nan, nan) for fewer than two clusters, which show no spread.

    Raises:
        RunError: If lengths differ, a difference is not finite, or level or resamples are out of range.

    Source: Efron & Tibshirani 1993, ch. 13; clusters: Field & Welsh 2007; use on evaluations: Miller
        2411.00640.
    """
    values = np.asarray(differences, dtype=np.float64).ravel()
    _check_level(level)
    _check_draws(values, clusters, resamples)
    sums, sizes = _cluster_totals(values, clusters)
    if len(sums) < 2:
        return UNKNOWN
    means = _resampled_means(sums, sizes, resamples, np.random.default_rng(seed))
    low, high = np.quantile(means, [0.5 - level / 2, 0.5 + level / 2])
    return Interval(float(low), float(high))


def _cluster_totals(
    values: NDArray[np.float64], clusters: Sequence[object] | NDArray[Any] | None
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    if clusters is None:
        return values, np.ones_like(values)
    # names are compared as text, so that a mix of numbers and strings cannot fail to sort
    member = np.unique([str(name) for name in clusters], return_inverse=True)[1]
    sums = np.bincount(member, weights=values).astype(np.float64)
    return sums, np.bincount(member).astype(np.float64)


def _resampled_means(
    sums: NDArray[np.float64], sizes: NDArray[np.float64], resamples: int, rng: np.random.Generator
) -> NDArray[np.float64]:
    k = len(sums)
    step = max(1, _COUNTS_AT_ONCE // k)
    means = []
    for start in range(0, resamples, step):
        counts = rng.multinomial(k, np.full(k, 1 / k), size=min(step, resamples - start))  # [draw, cluster]
        means.append((counts @ sums) / (counts @ sizes))
    return np.concatenate(means)


def _check_level(level: float) -> None:
    if not 0 < level < 1:
        raise RunError(f"interval level {level}", "a number between 0 and 1", "use 0.95")


def _check_draws(
    values: NDArray[np.float64], clusters: Sequence[object] | NDArray[Any] | None, resamples: int
) -> None:
    if clusters is not None and len(clusters) != len(values):
        raise RunError(
            f"{len(values)} differences and {len(clusters)} clusters",
            "one cluster per item",
            "pair them by item",
        )
    if not np.isfinite(values).all():
        raise RunError("a difference that is not finite", "finite numbers", "drop items that were not judged")
    if resamples < 1:
        raise RunError(f"{resamples} resamples", "at least 1", "use 2000")
