"""The tax and its exact split. Pure arithmetic on paired booleans: knows no answers, judges or models."""

import math
from collections.abc import Sequence
from typing import Any, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from steer_evals.errors import JudgeError
from steer_evals.intervals import Interval, paired_bootstrap, wilson

Flags: TypeAlias = Sequence[bool] | NDArray[np.bool_]


class Tax(NamedTuple):
    """Accuracy lost against the unsteered model, as shares of the items; negative where steering gains.

    `total = refused + invalid + ability`; `low` and `high` bound the total (where no item changed: Wilson's bound on what
    could have gone unseen). All nan where n is 0.
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
    clusters: Sequence[object] | NDArray[Any] | None = None,
    *,
    level: float = 0.95,
    resamples: int = 2000,
    seed: int = 0,
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
        resamples: Bootstrap draws.
        seed: Seed of the draws.

    Returns:
        The tax; its three parts sum to its total within 1e-12.

    Raises:
        JudgeError: If lengths differ, a flag is not a boolean, or an answer has two states: a refused or
            invalid answer is never correct, and never both.

    Source: DESIGN section 7; interval after Miller 2411.00640.

    >>> tax = split([1, 1, 1, 0], [0] * 4, [0] * 4, [0, 0, 1, 0], [1, 0, 0, 0], [0] * 4)
    >>> tax.total, tax.refused, tax.invalid, tax.ability
    (0.5, 0.25, 0.0, 0.25)
    """
    before = _states("unsteered", c0, r0, i0)
    after = _states("steered", cs, rs, is_)
    n = len(before.correct)
    if n != len(after.correct):
        raise JudgeError(
            f"{n} unsteered and {len(after.correct)} steered items", "the same items", "pair rows by item"
        )
    if n == 0:
        return Tax(0, math.nan, math.nan, math.nan, math.nan, math.nan, math.nan)
    lost = before.correct.astype(np.int64) - after.correct.astype(np.int64)
    answered = ~(before.refused | before.invalid | after.refused | after.invalid)
    refused = _count(before.correct & after.refused) - _count(after.correct & before.refused)
    invalid = _count(before.correct & after.invalid) - _count(after.correct & before.invalid)
    interval = paired_bootstrap(lost, clusters, level=level, resamples=resamples, seed=seed)
    if not lost.any():  # drawing from nothing shows nothing: as much as could have gone unseen, either way
        unseen = wilson(0, n, level).high
        interval = Interval(-unseen, unseen)
    total, ability = int(lost.sum()), int(lost[answered].sum())
    return Tax(n, total / n, refused / n, invalid / n, ability / n, interval.low, interval.high)


class _States(NamedTuple):
    correct: NDArray[np.bool_]
    refused: NDArray[np.bool_]
    invalid: NDArray[np.bool_]


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
