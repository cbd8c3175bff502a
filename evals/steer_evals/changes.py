"""Intervals for changes on the same items, lost less gained, and for the ratio of two. Pure numbers.

Few items change, often none: so what counts is what could have gone unseen, and how alike the items of a cluster are.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from steer_evals.errors import RunError
from steer_evals.intervals import UNKNOWN, Interval, score
from steer_evals.sampling import (
    Clusters,
    Floats,
    check_level,
    cluster_count,
    effective_items,
    members,
    normal_quantile,
    numbers,
    robust_mean,
    t_quantile,
)

_ASSUMED_CHANGES = 2  # changes that weigh as much as what is assumed of clusters
_NO_END = 1e9  # a ratio beyond has no end
_ROUNDING = 1e-12


def change_interval(
    changes: ArrayLike,
    clusters: Clusters = None,
    level: float = 0.95,
    strata: Sequence[object] | NDArray[Any] | None = None,
    weights: Mapping[Any, float] | None = None,
) -> Interval:
    """Score interval of the mean of paired changes, each from -1 to 1: lost less gained, over the same items.

    Tango's interval on an effective number of items, `(lost + gained - mean^2) / variance`. The variance is cluster-robust,
    at least that of independent items, with t for few clusters. Few changes show little of how alike the items of a
    cluster are: of c changes the measured variance counts c / (c + 2), and the rest is what `effective_items` assumes. So
    0 changes give Wilson's bound on what could have gone unseen, either way, and the first loss moves both ends up.
    With `strata` lost, gained and variance are the weighted sums of those of the strata. Strata in which nothing changed
    count once, by the one that could hide most (MOVER): what went unseen in one leaves less for the others. A stratum that
    is one cluster counts by items.

    Simulated: see the limits in docs/statistics.md.

    Args:
        changes: Per-item changes `[n]`, in [-1, 1]; 1 is all lost, -1 all gained.
        clusters: Per-item cluster names `[n]`; None makes every item its own cluster.
        level: Two-sided coverage, in (0, 1).
        strata: Per-item names `[n]` of what is fixed and not drawn, such as the categories of a workload.
        weights: Of each stratum, at least 0, not all 0; None: as many as it has items.

    Returns:
        Bounds of the mean, in [-1, 1]; (nan, nan) where all of several items are one cluster, and for no items.

    Raises:
        RunError: If a change is not in [-1, 1], lengths differ, a stratum has no weight or the level is not in (0, 1).

    Source: Tango 1998, Statistics in Medicine 17; effective items: Korn & Graubard 1998, Survey Methodology 24; strata: Zou
        & Donner 2008, Statistics in Medicine 27. The count c / (c + 2) and the one of unchanged strata are ours, by
        simulation.

    >>> low, high = change_interval([1] * 12 + [-1] * 2 + [0] * 86)
    >>> round(low, 3), round(high, 3)
    (0.031, 0.182)
    """
    check_level(level)
    values = numbers(changes)
    if len(values) and np.abs(values).max() > 1:
        raise RunError(
            f"a change of {values[np.argmax(np.abs(values))]:.4g}", "from -1 to 1", "give shares of an item"
        )
    parts = _strata(len(values), clusters, strata, weights)
    if not parts:
        return UNKNOWN
    mean = _mean(values, parts)
    low, high = (mean + side * _reach(values, parts, level, side) for side in (-1, 1))
    return Interval(max(-1.0, low), min(1.0, high))


def change_ratio(
    tops: ArrayLike,
    bottoms: ArrayLike,
    clusters: Clusters = None,
    level: float = 0.95,
    strata: Sequence[object] | NDArray[Any] | None = None,
    weights: Mapping[Any, float] | None = None,
) -> Interval:
    """Interval of the ratio of two means of paired changes of the same items: Fieller's, by `change_interval`.

    It holds the ratios r at which the interval of `top - r bottom` holds 0. So it is undefined exactly where the interval
    of the denominator holds 0, as `change_interval` gives it. Changes that are all in proportion show no spread: a point.

    Args:
        tops: Per-item changes of the numerator `[n]`, in [-1, 1].
        bottoms: Those of the denominator `[n]`, same items.
        clusters: As `change_interval`.
        level: As `change_interval`.
        strata: As `change_interval`.
        weights: As `change_interval`.

    Returns:
        Bounds of the ratio, or (nan, nan).

    Raises:
        RunError: As `change_interval`.

    Source: Fieller 1954, J. Royal Statistical Society B 16.
    """
    top, bottom = numbers(tops), numbers(bottoms)
    if len(top) != len(bottom):
        raise RunError(
            f"{len(top)} numerators and {len(bottom)} denominators", "the same items", "pair them by item"
        )
    below = change_interval(bottom, clusters, level, strata, weights)
    if not (below.low > 0 or below.high < 0):
        return UNKNOWN
    parts = _strata(len(top), clusters, strata, weights)
    weighs = np.concatenate([part.items for part in parts])
    ratio = _mean(top, parts) / _mean(bottom, parts)

    def inside(other: float) -> bool:
        values = top - other * bottom
        values /= np.abs(values[weighs]).max()  # or the bounds of what went unseen would go by the unit
        mean = _mean(values, parts)
        return abs(mean) <= _reach(values, parts, level, -1 if mean > 0 else 1)

    if np.abs((top - ratio * bottom)[weighs]).max() <= _ROUNDING * max(1.0, abs(ratio)):
        return Interval(ratio, ratio)
    return Interval(*(_edge(inside, ratio, _outside(inside, ratio, side)) for side in (-1, 1)))


class _Stratum(NamedTuple):
    """Items that are drawn from by themselves, and how they hang together."""

    share: float
    items: NDArray[np.intp]
    member: NDArray[np.intp]


def _strata(
    n: int,
    clusters: Clusters,
    strata: Sequence[object] | NDArray[Any] | None,
    weights: Mapping[Any, float] | None,
) -> list[_Stratum]:
    """The strata that weigh; none where nothing shows their spread."""
    member = members(n, clusters)
    if strata is None:
        known = n > 0 and (n == 1 or cluster_count(member) > 1)
        return [_Stratum(1.0, np.arange(n), member)] if known else []
    of = members(n, strata)
    names = [str(strata[at]) for at in np.unique(of, return_index=True)[1]]
    sizes = dict(zip(names, np.bincount(of).tolist(), strict=True))
    given = sizes if weights is None else {str(name): float(weight) for name, weight in weights.items()}
    if missing := [name for name in names if name not in given]:
        raise RunError(
            f"no weight for {', '.join(missing)}", "one for every stratum", "add it, if it is 0 too"
        )
    whole, found = math.fsum(given[name] for name in names), []
    if not whole > 0:
        raise RunError("weights that are all 0", "one that is not", "give a weight to what counts")
    for at, name in enumerate(names):
        items = np.flatnonzero(of == at)
        inside = np.unique(member[items], return_inverse=True)[1]
        units = inside if cluster_count(inside) > 1 else np.arange(len(items))
        found += [_Stratum(given[name] / whole, items, units)] if given[name] else []
    return found


def _mean(values: Floats, parts: Sequence[_Stratum]) -> float:
    return math.fsum(part.share * float(values[part.items].mean()) for part in parts)


def _reach(values: Floats, parts: Sequence[_Stratum], level: float, side: int) -> float:
    """How far the end on one side (-1 low, 1 high) lies from the mean."""
    z, unseen, lost, gained, variance, fewest = normal_quantile(level), 0.0, 0.0, 0.0, 0.0, 0.0
    for part in parts:
        own, items = values[part.items], effective_items(part.member)
        if own.any():
            lost += part.share * float(np.maximum(own, 0).mean())
            gained += part.share * float(np.maximum(-own, 0).mean())
            variance += part.share**2 * _variance(own, part.member, level)
            fewest += part.share**2 / items
        else:  # what went unseen in one stratum leaves less for the others
            unseen = max(unseen, part.share * score(0, items, z).high)
    if not variance:
        return unseen
    mean = lost - gained
    most = lost + gained - mean**2
    n = most / variance if most > _ROUNDING else 1 / fewest

    def inside(change: float) -> bool:
        return abs(mean - change) <= z * math.sqrt(_tango(lost, gained, change) / n)

    return math.hypot(_edge(inside, mean, float(side)) - mean, unseen)


def _variance(own: Floats, member: NDArray[np.intp], level: float) -> float:
    """Of the mean of changes, some of which are not 0: measured, and assumed as far as they are few."""
    n, size = len(own), np.abs(own)
    least = float(size.mean()) ** 2 * n / (n + 1) ** 2  # where all change alike: as if one more did not
    spread = max(float(np.mean(own**2)) - float(own.mean()) ** 2, least)
    measured = spread / n
    if cluster_count(member) < n:
        found = robust_mean(own, member)
        few = (t_quantile(level, found.freedom) / t_quantile(level, n - 1)) ** 2
        measured = few * max(measured, float(found.error) ** 2 * (n - 1) / n)
    changed = float(size.sum()) ** 2 / float(own @ own)  # as many whole ones
    known = changed / (changed + _ASSUMED_CHANGES)
    return known * measured + (1 - known) * spread / effective_items(member)


def _tango(lost: float, gained: float, change: float) -> float:
    """Variance of one item's change, were the mean `change`: by the likeliest shares of lost and gained."""
    b = (2 - lost + gained) * change - lost - gained
    likeliest = (math.sqrt(max(0.0, b * b + 8 * gained * change * (1 - change))) - b) / 4
    return max(0.0, 2 * likeliest + change * (1 - change))


def _edge(inside: Callable[[float], bool], near: float, far: float) -> float:
    """The last place from `near` to `far` that is inside, by halving."""
    if inside(far):
        return far
    while abs(far - near) > 1e-10 * max(1.0, abs(near)):
        middle = (near + far) / 2
        near, far = (middle, far) if inside(middle) else (near, middle)
    return near


def _outside(inside: Callable[[float], bool], start: float, side: int) -> float:
    step = 0.01
    while step < _NO_END and inside(start + side * step):
        step *= 2
    return start + side * step
