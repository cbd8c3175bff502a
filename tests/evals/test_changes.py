"""Intervals of changes agree with Tango's and Fieller's equations, move the right way, and cover what they promise."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import optimize, special, stats

from steer_evals.changes import change_interval, change_ratio
from steer_evals.errors import RunError
from steer_evals.intervals import wilson


def likeliest(lost: int, gained: int, same: int, change: float) -> float:
    """Share of gained items that makes these counts likeliest where lost less gained is `change`."""

    def unlikely(share: float) -> float:
        shares = np.array([share + change, share, 1 - 2 * share - change])
        return -float(special.xlogy([lost, gained, same], shares).sum())

    least, most = max(0.0, -change), (1 - change) / 2
    return float(optimize.minimize_scalar(unlikely, bounds=(least, most), options={"xatol": 1e-12}).x)


@pytest.mark.parametrize(
    ("lost", "gained", "n"), [(12, 2, 100), (5, 5, 40), (1, 0, 60), (30, 12, 60), (0, 7, 50)]
)
def test_changes_of_items_have_tangos_interval(lost: int, gained: int, n: int) -> None:
    """The ends are z standard errors away, the error taken where the likelihood is greatest at that end."""
    for end in change_interval([1] * lost + [-1] * gained + [0] * (n - lost - gained)):
        share = likeliest(lost, gained, n - lost - gained, end)
        error = math.sqrt((2 * share + end * (1 - end)) / n)
        assert abs((lost - gained) / n - end) == pytest.approx(1.959964 * error, rel=2e-4)


CHANGES = st.lists(st.sampled_from([-1, 0, 0, 0, 1]), min_size=6, max_size=60)


@given(CHANGES, st.integers(1, 9))
@settings(deadline=None)
def test_changes_turned_round_turn_the_interval_round(changes: list[int], size: int) -> None:
    clusters = [at // size for at in range(len(changes))]
    there, back = (
        change_interval(changes, clusters),
        change_interval([-change for change in changes], clusters),
    )
    np.testing.assert_allclose(there, (-back.high, -back.low), atol=1e-8)
    if size == 1:
        assert there == change_interval(changes)
    if len(set(clusters)) > 1:
        assert -1 <= there.low <= np.mean(changes) <= there.high <= 1


@pytest.mark.parametrize(
    "clusters", [np.arange(40) % 4, np.arange(190) % 16, np.arange(190), np.arange(95) // 3 % 8]
)
def test_the_first_loss_moves_both_ends_up(clusters: NDArray[np.int64]) -> None:
    none = np.zeros(len(clusters))
    quiet = change_interval(none, clusters)
    sizes = np.bincount(clusters)
    effective = len(clusters) / (1 + ((sizes**2).sum() / len(clusters) - 1) * 0.1)
    z2 = stats.norm.ppf(0.975) ** 2
    np.testing.assert_allclose(quiet, (-z2 / (effective + z2), z2 / (effective + z2)), atol=1e-8)
    for at in range(0, len(clusters), 7):
        first = change_interval(np.where(np.arange(len(clusters)) == at, 1, 0), clusters)
        assert first.high > quiet.high
        assert quiet.low < first.low < 0, "one change of many is not surely one"


def test_copies_of_an_item_add_no_certainty() -> None:
    values = np.random.default_rng(0).choice([-1, 0, 1], p=[0.1, 0.5, 0.4], size=60)
    copied, names = np.repeat(values, 5), np.repeat(np.arange(60), 5)
    clustered, naive, alone = change_interval(copied, names), change_interval(copied), change_interval(values)
    assert naive.high - naive.low < 0.6 * (alone.high - alone.low)
    assert clustered.high - clustered.low == pytest.approx(alone.high - alone.low, rel=0.05)


def test_strata_weigh_as_told() -> None:
    rng = np.random.default_rng(2)
    changes, clusters, names = rng.choice([-1, 0, 0, 1, 1], 120), np.arange(120) // 4, np.arange(120) // 40
    assert change_interval(changes, clusters, strata=["a"] * 120) == change_interval(changes, clusters)
    by_items = change_interval(changes, clusters, strata=names)
    assert by_items == change_interval(changes, clusters, strata=names, weights={0: 2, 1: 2, 2: 2})
    only = change_interval(changes, clusters, strata=names, weights={0: 0, 1: 5, 2: 0})
    np.testing.assert_allclose(only, change_interval(changes[40:80], clusters[40:80]), atol=1e-9)
    one_cluster_each = change_interval(changes, names, strata=names)
    np.testing.assert_allclose(one_cluster_each, change_interval(changes, strata=names))


def test_what_went_unseen_may_lie_in_the_heaviest_stratum() -> None:
    names, changes = ["small"] * 20 + ["large"] * 400, np.zeros(420)
    quiet = change_interval(changes, strata=names, weights={"small": 1, "large": 1})
    assert quiet.high == pytest.approx(0.5 * wilson(0, 20).high)
    changes[20:28] = 1
    moved = change_interval(changes, strata=names, weights={"small": 1, "large": 1})
    assert moved.high > quiet.high
    own = 0.5 * change_interval(changes[20:]).high - 0.01
    assert moved.high - 0.01 == pytest.approx(math.hypot(own, quiet.high), rel=0.02)


def test_a_proportional_ratio_is_a_point() -> None:
    values = np.random.default_rng(1).random(40) / 3
    np.testing.assert_allclose(change_ratio(3 * values, values), [3, 3], rtol=1e-12)
    np.testing.assert_allclose(change_ratio(-3 * values, values, np.arange(40) // 4), [-3, -3], rtol=1e-12)


def test_turning_a_ratio_round_turns_its_interval_round() -> None:
    rng = np.random.default_rng(2)
    bottom = rng.choice([0, 1, -1], p=[0.45, 0.5, 0.05], size=120)
    top, clusters = np.where(rng.random(120) < 0.6, bottom, 0), np.arange(120) // 5
    there, back = change_ratio(top, bottom, clusters), change_ratio(bottom, top, clusters)
    np.testing.assert_allclose([1 / back.high, 1 / back.low], there, rtol=1e-6)
    half = change_ratio(top / 2, bottom, clusters)
    np.testing.assert_allclose(half, np.array(there) / 2, rtol=1e-6)


@given(CHANGES, st.integers(1, 9), st.integers(0, 99))
@settings(deadline=None, max_examples=60)
def test_a_ratio_is_undefined_exactly_where_the_interval_below_holds_0(
    changes: list[int], size: int, seed: int
) -> None:
    clusters = np.arange(len(changes)) // size
    top = np.where(np.random.default_rng(seed).random(len(changes)) < 0.7, changes, 0)
    below = change_interval(changes, clusters)
    ratio = change_ratio(top, changes, clusters)
    assert math.isnan(ratio.low) == math.isnan(ratio.high) == (not (below.low > 0 or below.high < 0))
    if not math.isnan(ratio.low):
        assert ratio.low - 1e-9 <= sum(top) / sum(changes) <= ratio.high + 1e-9


def test_the_ends_of_a_ratio_are_where_nothing_is_left() -> None:
    """Fieller: at an end r the interval of top - r bottom just reaches 0."""
    rng = np.random.default_rng(3)
    bottom = rng.choice([0, 0, 1, -1], p=[0.3, 0.3, 0.35, 0.05], size=150)
    top, clusters = np.where(rng.random(150) < 0.5, bottom, 0), np.arange(150) // 6
    low, high = change_ratio(top, bottom, clusters)
    assert low < top.sum() / bottom.sum() < high
    for r, side in ((low, 0), (high, 1)):
        left = change_interval((top - r * bottom) / 3, clusters)
        assert abs(left[side]) < 1e-3 < left.high - left.low


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lost", "gained", "refused"), [(0.2, 0, 0.7), (0.2, 0.02, 0.9), (0.3, 0.1, 0.5), (0.1, 0.02, 0.3)]
)
def test_change_ratio_covers(lost: float, gained: float, refused: float) -> None:
    """How much of what was lost was refused; "undefined" says anything, so it holds the truth."""
    rng, clusters, found = np.random.default_rng(8), np.arange(190) // 5, []
    for _ in range(400):
        changes = rng.choice([1, -1, 0], p=[lost, gained, 1 - lost - gained], size=190)
        found.append(change_ratio((changes > 0) & (rng.random(190) < refused), changes, clusters))
    truth = lost * refused / (lost - gained)
    held = [math.isnan(low) or low <= truth <= high for low, high in found]
    assert 0.93 <= np.mean(held) <= 0.99, f"covers {np.mean(held):.4f}"


def test_nothing_measured_is_unknown() -> None:
    assert all(math.isnan(end) for end in change_interval([]))
    assert all(math.isnan(end) for end in change_interval([1, 0], ["one", "one"]))


@pytest.mark.parametrize(
    "call",
    [
        lambda: change_interval([1.0], [1, 2]),
        lambda: change_interval([math.nan, 1.0]),
        lambda: change_interval([1.0, 1.5]),
        lambda: change_interval([1.0, 0.0], level=95),
        lambda: change_interval([1], strata=["a"], weights={"a": 0}),
        lambda: change_interval([1, 0], strata=["a"]),
        lambda: change_interval([1, 0], strata=["a", "b"], weights={"a": 1}),
        lambda: change_ratio([1.0], [1.0, 0.5]),
    ],
)
def test_impossible_input_is_one_line(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RunError, match=r"^got .*; expected .*; do this: .*$"):
        call()
