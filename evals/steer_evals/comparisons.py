"""Is there a difference, or surely none worth the name? Pure numbers: knows no suites, answers or models."""

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike
from scipy import special  # type: ignore[import-untyped]

from steer_evals.errors import RunError
from steer_evals.intervals import Interval
from steer_evals.sampling import (
    Clusters,
    check_level,
    cluster_count,
    effective_items,
    members,
    numbers,
    robust_mean,
    t_quantile,
)


class McNemar(NamedTuple):
    """Two settings on the same items: `lost` were right before only, `gained` right after only; two-sided p."""

    n: int
    lost: int
    gained: int
    p: float


class Equivalence(NamedTuple):
    """Mean difference, p of "it is at least the bound", the verdict, and the interval that the test inverts.

    All nan and not equivalent where there are fewer than two clusters.
    """

    n: int
    mean: float
    p: float
    equivalent: bool
    interval: Interval


def mcnemar(before: ArrayLike, after: ArrayLike, mid_p: bool = False) -> McNemar:
    """Exact test that two settings have the same rate, on the items where they differ.

    Under "no difference" an item that changed is as likely lost as gained: p is the binomial two-sided one, which never
    exceeds its level but is cautious. `mid_p` counts the observed split half: nearer to the level, and seldom above it.
    The items must be independent; where they come in clusters use `change_interval` or `mean_interval`.

    Args:
        before: Per-item booleans `[n]`.
        after: Per-item booleans `[n]`, same items in the same order.
        mid_p: Whether to take the mid-p value.

    Returns:
        Counts and p; p is 1 where no item changed.

    Raises:
        RunError: If lengths differ or a value is not true or false.

    Source: McNemar 1947; exact and mid-p: Fagerland, Lydersen & Laake 2013, BMC Medical Research Methodology 13.

    >>> mcnemar([1] * 7 + [0] * 14, [0] * 7 + [1] + [0] * 13).p
    0.0703125
    """
    first, second = numbers(before), numbers(after)
    if len(first) != len(second):
        raise RunError(
            f"{len(first)} items before and {len(second)} after", "the same items", "pair them by item"
        )
    if not np.isin(np.concatenate([first, second]), (0, 1)).all():
        raise RunError("values that are not true or false", "booleans", "drop items that were not judged")
    lost, gained = int(np.sum(first > second)), int(np.sum(second > first))
    changed, fewer = lost + gained, min(lost, gained)
    p = min(1.0, 2 * float(special.bdtr(fewer, changed, 0.5)))
    if mid_p:
        observed = math.comb(changed, fewer) * 0.5**changed if lost != gained else 0.0
        p -= observed
    return McNemar(len(first), lost, gained, p)


def tost(differences: ArrayLike, bound: float, clusters: Clusters = None, level: float = 0.95) -> Equivalence:
    """Two one-sided tests that a mean difference lies within +- bound: "no tax worth the name".

    Both tests by the cluster-robust t, each at 1 - level, so that the interval that goes with them has the coverage
    2 level - 1 (90 % at 0.95). The standard error is at least the one that the hypothesis itself implies: a mean
    difference of `bound` needs a share of at least `bound` of the items to differ, so that few changes seen are no
    proof of few changes. That makes the test cautious where nearly every change goes one way.

    Args:
        differences: Per-item differences of flags or of shares `[n]`, each in [-1, 1].
        bound: Least mean difference that matters, in (0, 1).
        clusters: Per-item cluster names `[n]`; None makes every item its own cluster.
        level: Confidence of each one-sided test, in (0.5, 1).

    Returns:
        Mean, p (the greater of both), whether p < 1 - level, and the interval.

    Raises:
        RunError: If a difference is not in [-1, 1], the bound or the level out of range, or lengths differ.

    Source: Schuirmann 1987, J. Pharmacokinetics and Biopharmaceutics 15; error under the hypothesis, as in the score
        test of Nam 1997, Biometrics 53.
    """
    check_level(level)
    values = numbers(differences)
    if np.abs(values).max(initial=0) > 1:
        raise RunError(
            "a difference outside -1 to 1", "differences of flags or shares", "divide by the range"
        )
    if not 0 < bound < 1 or level <= 0.5:
        raise RunError(
            f"bound {bound} at level {level}",
            "a bound between 0 and 1, a level over 0.5",
            "give the loss that would matter, such as 0.01",
        )
    n, member = len(values), members(len(values), clusters)
    if cluster_count(member) < 2:
        return Equivalence(n, math.nan, math.nan, False, Interval(math.nan, math.nan))
    found = robust_mean(values, member)
    mean, error, items = float(found.mean), float(found.error), effective_items(member)
    least = math.sqrt(bound * (1 - bound) / items)
    p = float(special.stdtr(found.freedom, (abs(mean) - bound) / max(error, least)))
    t = t_quantile(2 * level - 1, found.freedom)
    high = max(mean + t * error, _score_end(mean, items, t))
    low = min(mean - t * error, -_score_end(-mean, items, t))
    return Equivalence(n, mean, p, p < 1 - level, Interval(low, high))


def _score_end(mean: float, n: float, t: float) -> float:
    """Greatest bound that `mean` of n items does not rule out by the least error: Wilson's upper end."""
    a = t * t / n
    inside = a * (a + 4 * mean * (1 - mean))
    return (2 * mean + a + math.sqrt(inside)) / (2 * (1 + a)) if inside >= 0 else mean
