"""The tax and its exact split. Pure arithmetic on paired booleans: knows no answers, judges or models."""

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from steer_evals.changes import change_interval
from steer_evals.errors import JudgeError
from steer_evals.intervals import Interval
from steer_evals.sampling import Clusters, check_level

Flags: TypeAlias = Sequence[bool] | NDArray[np.bool_]


class WithoutRefusals(NamedTuple):
    """The tax had no answer been refused: somewhere from `bounds.low` to `bounds.high`, and no data says where.

    `sampled` adds the sampling error of the items to both ends; `excluding` is the usual figure, over the `answered` items
    that neither side refused, which nothing keeps inside the bounds.
    """

    n: int
    answered: int
    excluding: float
    bounds: Interval
    sampled: Interval


class Tax(NamedTuple):
    """Accuracy lost against the unsteered model, as shares of the items; negative where steering gains.

    `total = refused + invalid + ability`; `low` and `high` bound the total, as `change_interval` does. All nan where n
    is 0.
    """

    n: int
    total: float
    refused: float
    invalid: float
    ability: float
    low: float
    high: float


def split(
    c0: Flags,
    r0: Flags,
    i0: Flags,
    cs: Flags,
    rs: Flags,
    is_: Flags,
    clusters: Clusters = None,
    *,
    level: float = 0.95,
) -> Tax:
    """Splits the accuracy lost on the same items into refusals, invalid answers and ability.

    The parts leave no remainder. With a = answered (neither refused nor invalid):
    `total = mean(c0) - mean(cs)`,
    `refused = mean(c0 rs) - mean(cs r0)`, `invalid = mean(c0 is) - mean(cs i0)`,
    `ability = mean((c0 - cs) a0 as)`.

    Args:
        c0: Unsteered answer correct, bool `[n]`.
        r0: Unsteered answer refused, bool `[n]`.
        i0: Unsteered answer invalid, bool `[n]`.
        cs: Steered answer correct, bool `[n]`, same items in the same order.
        rs: Steered answer refused, bool `[n]`.
        is_: Steered answer invalid, bool `[n]`.
        clusters: Per-item cluster names `[n]` for the interval; None makes every item its own cluster.
        level: Two-sided coverage of the interval.

    Returns:
        The tax; its three parts sum to its total within 1e-12.

    Raises:
        JudgeError: If lengths differ, a flag is not a boolean, or an answer has two states: a refused or
            invalid answer is never correct, and never both.

    Source: DESIGN section 7; interval: see `change_interval`.

    >>> tax = split([1, 1, 1, 0], [0] * 4, [0] * 4, [0, 0, 1, 0], [1, 0, 0, 0], [0] * 4)
    >>> tax.total, tax.refused, tax.invalid, tax.ability
    (0.5, 0.25, 0.0, 0.25)
    """
    before, after = _pair(c0, r0, i0, cs, rs, is_)
    n = len(before.correct)
    if n == 0:
        return Tax(0, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan)
    interval = change_interval(_lost(before, after), clusters, level)
    total, refused, invalid, ability = _parts(before, after)
    return Tax(n, total / n, refused / n, invalid / n, ability / n, interval.low, interval.high)


def manski(
    c0: Flags,
    r0: Flags,
    i0: Flags,
    cs: Flags,
    rs: Flags,
    is_: Flags,
    clusters: Clusters = None,
    *,
    level: float = 0.95,
) -> WithoutRefusals:
    """Bounds of the tax without refusals: the refused items had been answered anything from all wrong to all right.

    Leaving refused items out assumes that they are like the others; nothing shows that. Over all items, the tax is least
    if what the unsteered model refused were wrong and what the steered one refused were right, and greatest the other
    way round. The width is the share of refusals of both sides together. Takes what `split` takes; clusters and level are
    those of the sampled bounds.

    Returns:
        The bounds, without and with sampling error, and the naive figure (nan where every item was refused).

    Raises:
        JudgeError: As `split`.

    Source: Manski 1989, Anatomy of the selection problem, J. Human Resources 24; sampling error of both ends: Horowitz &
        Manski 2000, JASA 95.

    >>> manski([1, 1, 1, 0], [0] * 4, [0] * 4, [0, 1, 0, 0], [1, 0, 0, 0], [0] * 4).bounds
    Interval(low=0.25, high=0.5)
    """
    before, after = _pair(c0, r0, i0, cs, rs, is_)
    n = len(before.correct)
    unknown = Interval(math.nan, math.nan)
    if n == 0:
        return WithoutRefusals(0, 0, math.nan, unknown, unknown)
    lost = _lost(before, after)
    least, most = lost - after.refused, lost + before.refused
    refused = before.refused | after.refused
    answered = n - _count(refused)
    excluding = int(lost[~refused].sum()) / answered if answered else math.nan
    ends = [change_interval(side, clusters, level) for side in (least, most)]
    return WithoutRefusals(
        n,
        answered,
        excluding,
        Interval(int(least.sum()) / n, int(most.sum()) / n),
        Interval(ends[0].low, ends[1].high),
    )


def weighted(
    c0: Flags,
    r0: Flags,
    i0: Flags,
    cs: Flags,
    rs: Flags,
    is_: Flags,
    categories: Sequence[str],
    weights: Mapping[str, float],
    clusters: Clusters = None,
    *,
    level: float = 0.95,
) -> Tax:
    """The tax of a workload: every category weighs what it has in the user's traffic, not in the suite.

    `total = sum_c w_c total_c`, its parts likewise, with the weights normalised to sum 1. For the interval the categories
    are strata, because the workload fixes them; a category that is a single cluster counts by items. Clusters are taken to
    lie within categories: where they span them, the interval is too narrow. Takes what `split` takes, and `categories`, the
    category of each item `[n]`, and `weights`, the weight of every category: at least 0, not all 0, for those of the items
    and no others.

    Returns:
        The tax; its three parts sum to its total within 1e-12.

    Raises:
        JudgeError: As `split`, if a category has no weight, a weight no items, or the weights are no weights.

    Source: DESIGN section 7; post-stratification as in Holt & Smith 1979, J. Royal Statistical Society A 142; interval:
        see `change_interval`.
    """
    check_level(level)
    before, after = _pair(c0, r0, i0, cs, rs, is_)
    n, names = len(before.correct), np.array([str(name) for name in categories])
    shares = _shares(n, names, weights)
    if n == 0:
        return Tax(0, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan)
    parts = np.zeros(4)
    for name, share in shares.items():
        inside = np.flatnonzero(names == name)
        sides = [_States(*(flags[inside] for flags in side)) for side in (before, after)]
        parts += share * np.array(_parts(*sides)) / len(inside)
    interval = change_interval(_lost(before, after), clusters, level, names, shares)
    total, refused, invalid, ability = parts.tolist()
    return Tax(n, total, refused, invalid, ability, interval.low, interval.high)


def check_weights(weights: Mapping[str, float]) -> None:
    """Refuse what are no weights.

    Raises:
        JudgeError: One is below 0 or not finite, or all are 0.
    """
    values = weights.values()
    if not (all(0 <= value < math.inf for value in values) and 0 < math.fsum(values) < math.inf):
        raise JudgeError(
            f"weights {', '.join(f'{name} = {value:g}' for name, value in weights.items())}",
            "numbers of at least 0, not all 0",
            "give shares of the traffic",
        )


def _shares(n: int, names: NDArray[np.str_], weights: Mapping[str, float]) -> dict[str, float]:
    """Weights that sum to 1, by name."""
    if len(names) != n:
        raise JudgeError(
            f"{n} items and {len(names)} categories", "one category per item", "pair them by item"
        )
    found, given = set(names.tolist()), {str(name) for name in weights}
    if n and found - given:
        missing = ", ".join(sorted(found - given))
        raise JudgeError(f"no weight for {missing}", "a weight for every category", "add it, if it is 0 too")
    if n and given - found:
        missing = ", ".join(sorted(given - found))
        raise JudgeError(f"no items for {missing}", "items of every category", "add items or drop the weight")
    if not n:
        return {}
    check_weights(weights)
    values = {str(name): float(weight) for name, weight in weights.items()}
    whole = math.fsum(values.values())
    return {name: value / whole for name, value in values.items()}


class _States(NamedTuple):
    correct: NDArray[np.bool_]
    refused: NDArray[np.bool_]
    invalid: NDArray[np.bool_]


def _pair(c0: Flags, r0: Flags, i0: Flags, cs: Flags, rs: Flags, is_: Flags) -> tuple[_States, _States]:
    before = _states("unsteered", c0, r0, i0)
    after = _states("steered", cs, rs, is_)
    if len(before.correct) != len(after.correct):
        raise JudgeError(
            f"{len(before.correct)} unsteered and {len(after.correct)} steered items",
            "the same items",
            "pair rows by item",
        )
    return before, after


def _lost(before: _States, after: _States) -> NDArray[np.int64]:
    return before.correct.astype(np.int64) - after.correct.astype(np.int64)


def _parts(before: _States, after: _States) -> tuple[int, int, int, int]:
    """Items lost less items gained: in all, by refusals, by invalid answers, by ability."""
    lost = _lost(before, after)
    answered = ~(before.refused | before.invalid | after.refused | after.invalid)
    refused = _count(before.correct & after.refused) - _count(after.correct & before.refused)
    invalid = _count(before.correct & after.invalid) - _count(after.correct & before.invalid)
    return int(lost.sum()), refused, invalid, int(lost[answered].sum())


def _states(which: str, correct: Flags, refused: Flags, invalid: Flags) -> _States:
    states = _States(
        _flags(f"{which} correct", correct),
        _flags(f"{which} refused", refused),
        _flags(f"{which} invalid", invalid),
    )
    if len({len(flags) for flags in states}) > 1:
        sizes = ", ".join(str(len(flags)) for flags in states)
        raise JudgeError(
            f"{which} flags of lengths {sizes}", "equal lengths", "give one flag of each kind per item"
        )
    twice = np.flatnonzero(np.sum(states, axis=0) > 1)
    if len(twice):
        names = " and ".join(
            name for name, flags in zip(_States._fields, states, strict=True) if flags[twice[0]]
        )
        raise JudgeError(
            f"{which} item {twice[0]} {names} at once",
            "one state per answer",
            "count a refusal as not correct",
        )
    return states


def _count(flags: NDArray[np.bool_]) -> int:
    return int(np.count_nonzero(flags))


def _flags(name: str, values: Flags) -> NDArray[np.bool_]:
    flags = np.asarray(values).ravel()
    # None (not judged) turns into False silently if cast, which would count as a wrong answer
    if len(flags) and (flags.dtype.kind not in "bui" or np.any((flags != 0) & (flags != 1))):
        raise JudgeError(
            f"{name} flags that are not true or false", "booleans", "drop items that were not judged"
        )
    return flags.astype(np.bool_)
