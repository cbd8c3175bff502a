"""Intervals agree with SciPy, cover what they promise, and say "unknown" rather than guess."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from steer_evals.errors import RunError
from steer_evals.intervals import paired_bootstrap, wilson


@given(
    st.integers(1, 3000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))), st.floats(0.5, 0.999)
)
def test_wilson_is_scipys(counts: tuple[int, int], level: float) -> None:
    successes, n = counts
    expected = stats.binomtest(successes, n).proportion_ci(level, method="wilson")
    np.testing.assert_allclose(wilson(successes, n, level), [expected.low, expected.high], atol=1e-12)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_rate_and_mirrors(counts: tuple[int, int]) -> None:
    successes, n = counts
    low, high = wilson(successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    mirrored = wilson(n - successes, n)
    np.testing.assert_allclose(mirrored, [1 - high, 1 - low], atol=1e-12)


def test_nothing_measured_is_unknown() -> None:
    assert all(math.isnan(end) for end in (*wilson(0, 0), *paired_bootstrap([])))
    assert all(math.isnan(end) for end in paired_bootstrap([1.0, 0.0], ["one", "one"]))


def test_bootstrap_is_near_scipys() -> None:
    values = np.random.default_rng(3).choice([-1, 0, 1], size=200, p=[0.1, 0.6, 0.3])
    expected = stats.bootstrap((values,), np.mean, n_resamples=4000, method="percentile", rng=1)
    found = paired_bootstrap(values, resamples=4000)
    np.testing.assert_allclose(found, expected.confidence_interval, atol=0.012)


def test_bootstrap_of_equal_differences_is_a_point() -> None:
    assert paired_bootstrap([0.25] * 9) == (0.25, 0.25)


def test_clusters_of_one_are_no_clusters() -> None:
    values = np.arange(30.0)
    assert paired_bootstrap(values, [f"{i:02d}" for i in range(30)]) == paired_bootstrap(values)


def test_copies_of_an_item_add_no_certainty() -> None:
    values = np.random.default_rng(0).normal(size=40)
    copied, names = np.repeat(values, 5), np.repeat(np.arange(40), 5)
    clustered, naive = paired_bootstrap(copied, names), paired_bootstrap(copied)
    alone = paired_bootstrap(values)
    assert naive.high - naive.low < 0.6 * (alone.high - alone.low)
    assert clustered.high - clustered.low == pytest.approx(alone.high - alone.low, rel=0.05)


def test_unequal_clusters_weigh_by_items() -> None:
    low, high = paired_bootstrap([1.0] * 98 + [0.0] * 2, ["a"] * 49 + ["b"] * 49 + ["c", "d"])
    assert low <= 0.98 <= high


def test_seed_decides() -> None:
    values = np.random.default_rng(5).normal(size=50)
    assert paired_bootstrap(values, seed=1) == paired_bootstrap(values, seed=1)
    assert paired_bootstrap(values, seed=1) != paired_bootstrap(values, seed=2)


def test_bootstrap_covers() -> None:
    rng = np.random.default_rng(11)
    samples = rng.normal(0.3, 1, size=(200, 60))
    hits = [low <= 0.3 <= high for low, high in (paired_bootstrap(s, resamples=300) for s in samples)]
    assert 0.88 <= np.mean(hits) <= 0.99


def test_many_items_stay_within_memory() -> None:
    low, high = paired_bootstrap(np.tile([0.0, 1.0], 20_000), resamples=250)
    assert low < 0.5 < high
    assert high - low < 0.02


@pytest.mark.parametrize(
    "call",
    [
        lambda: wilson(3, 2), lambda: wilson(-1, 2), lambda: wilson(1, 2, level=1.0),
        lambda: paired_bootstrap([1.0], [1, 2]), lambda: paired_bootstrap([math.nan, 1.0]),
        lambda: paired_bootstrap([1.0, 2.0], resamples=0), lambda: paired_bootstrap([1.0, 2.0], level=95),
    ],
)  # fmt: skip
def test_impossible_input_is_one_line(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RunError, match=r"^got .*; expected .*; do this: .*$"):
        call()
