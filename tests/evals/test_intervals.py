"""Intervals agree with SciPy, cover what they promise, and say "unknown" rather than guess."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from steer_evals.errors import RunError
from steer_evals.intervals import (
    Interval,
    clustered_wilson,
    mean_interval,
    ratio_of_draws,
    simultaneous_band,
    wilson,
)
from steer_evals.sampling import resampled_means

RUNS = 2000


def clustered_hits(rng: np.random.Generator, rate: float, correlation: float, sizes: list[int]) -> np.ndarray:
    """0/1 items in clusters whose rates are beta distributed: the correlation within clusters is as given."""
    spread = (1 - correlation) / correlation
    rates = rng.beta(rate * spread, (1 - rate) * spread, len(sizes))
    return (rng.random(sum(sizes)) < np.repeat(rates, sizes)).astype(float)


def coverage(intervals: list[Interval], truth: float) -> float:
    return float(np.mean([low <= truth <= high for low, high in intervals]))


def assert_covers(share: float) -> None:
    assert 0.93 <= share <= 0.97, f"covers {share:.4f}"


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


@pytest.mark.parametrize(
    ("counts", "published"),
    [((81, 263), (0.2553, 0.3662)), ((15, 148), (0.0624, 0.1605)), ((0, 20), (0, 0.1611)), ((1, 29), (0.0061, 0.1718))],
)  # fmt: skip
def test_wilson_is_newcombes(counts: tuple[int, int], published: tuple[float, float]) -> None:
    """Newcombe 1998, Statistics in Medicine 17, table I, method 3."""
    np.testing.assert_allclose(wilson(*counts), published, atol=5e-5)


def test_nothing_measured_is_unknown() -> None:
    assert all(math.isnan(end) for end in wilson(0, 0))


def test_drawing_many_items_again_stays_within_memory() -> None:
    means = resampled_means(np.tile([0.0, 1.0], 20_000), np.arange(40_000), 250, np.random.default_rng(0))
    assert abs(means.mean() - 0.5) < 0.002
    assert 0.002 < means.std() < 0.003


@pytest.mark.parametrize(
    "call",
    [
        lambda: wilson(3, 2), lambda: wilson(-1, 2), lambda: wilson(1, 2, level=1.0),




        lambda: clustered_wilson([0.5, 1]), lambda: clustered_wilson([0, 1], ["a"]), lambda: clustered_wilson([1], level=0),
        lambda: mean_interval([1.0, 2.0], bounds=(0, 1)), lambda: mean_interval([1.0], bounds=(1, 1)),
        lambda: mean_interval([[1.0]]), lambda: simultaneous_band([1.0, 2.0]),
        lambda: simultaneous_band([[1.0, 2.0]], resamples=0),
    ],
)  # fmt: skip
def test_impossible_input_is_one_line(call) -> None:  # type: ignore[no-untyped-def]
    with pytest.raises(RunError, match=r"^got .*; expected .*; do this: .*$"):
        call()


# Rates of clustered items.


@given(st.lists(st.booleans(), min_size=1, max_size=60), st.floats(0.5, 0.99))
def test_clusters_of_one_give_wilson(hits: list[bool], level: float) -> None:
    expected = wilson(sum(hits), len(hits), level)
    assert clustered_wilson(hits, level=level) == expected
    assert clustered_wilson(hits, [f"c{i}" for i in range(len(hits))], level) == expected


@given(st.lists(st.tuples(st.booleans(), st.integers(0, 6)), min_size=2, max_size=60))
def test_clusters_never_narrow_a_rate(items: list[tuple[bool, int]]) -> None:
    hits, clusters = zip(*items, strict=True)
    low, high = clustered_wilson(hits, clusters)
    if len(set(clusters)) < 2:
        assert math.isnan(low)
        return
    rate, plain = np.mean(hits), wilson(sum(hits), len(hits))
    assert 0 <= low <= rate <= high <= 1
    assert high - low >= (plain.high - plain.low) * (1 - 1e-12)
    mirrored = clustered_wilson([not hit for hit in hits], clusters)
    np.testing.assert_allclose(mirrored, [1 - high, 1 - low], atol=1e-9)


def test_effective_size_is_the_formula() -> None:
    rng = np.random.default_rng(2)
    clusters = rng.integers(0, 12, 90)
    hits = (rng.random(90) < 0.1 + 0.07 * clusters).astype(int)
    rate, names = hits.mean(), np.unique(clusters)
    left_out = np.array([hits[clusters != name].mean() for name in names])
    sizes = np.array([(clusters == name).sum() for name in names])
    variance = (len(names) - 1) / len(names) * ((left_out - rate) ** 2).sum()
    design = variance / (rate * (1 - rate) / 89)
    assert design > 1
    freedom = 90**2 / (sizes**2).sum() - 1
    n = 90 / design * (stats.t.ppf(0.975, 89) / stats.t.ppf(0.975, freedom)) ** 2
    z = stats.norm.ppf(0.975)
    # the ends of a score interval are the rates from which the measured one is z standard errors away
    for end in clustered_wilson(hits, clusters):
        assert abs(rate - end) == pytest.approx(z * math.sqrt(end * (1 - end) / n), rel=1e-9)


def test_copies_of_an_answer_add_no_certainty_to_a_rate() -> None:
    hits = np.array([1] * 12 + [0] * 28)
    copied = clustered_wilson(np.repeat(hits, 5), np.repeat(np.arange(40), 5))
    alone = wilson(12, 40)
    assert copied.high - copied.low == pytest.approx(alone.high - alone.low, rel=0.04)


@pytest.mark.parametrize("hit", [0, 1])
def test_where_all_agree_a_correlation_is_assumed(hit: int) -> None:
    found = clustered_wilson([hit] * 200, np.repeat(np.arange(40), 5))
    z = stats.norm.ppf(0.975)
    width = z**2 / (200 / 1.4 + z**2)
    np.testing.assert_allclose(found, [hit * (1 - width), width + hit * (1 - width)], atol=1e-12)


# Means.


def test_mean_interval_is_scipys() -> None:
    values = np.random.default_rng(1).exponential(size=25)
    expected = stats.t.interval(0.9, 24, values.mean(), stats.sem(values))
    np.testing.assert_allclose(mean_interval(values, level=0.9), expected, rtol=1e-10)


def test_equal_clusters_are_their_means() -> None:
    values = np.random.default_rng(4).normal(size=(12, 5)) + np.arange(12)[:, None]
    means = values.mean(axis=1)
    expected = stats.t.interval(0.95, 11, means.mean(), stats.sem(means))
    np.testing.assert_allclose(
        mean_interval(values.ravel(), np.repeat(np.arange(12), 5)), expected, rtol=1e-10
    )


@given(
    st.lists(st.floats(-1, 1), min_size=3, max_size=40).filter(lambda v: np.ptp(v) > 1e-3),
    st.floats(0.1, 10), st.floats(-5, 5),
)  # fmt: skip
def test_mean_interval_moves_with_the_unit(values: list[float], scale: float, shift: float) -> None:
    data = np.array(values)
    plain, moved = mean_interval(data), mean_interval(data * scale + shift)
    np.testing.assert_allclose(moved, np.array(plain) * scale + shift, atol=1e-8)
    bounded = mean_interval(data, bounds=(-1, 1))
    assert -1 <= bounded.low <= data.mean() <= bounded.high <= 1
    moved = mean_interval(data * scale + shift, bounds=(shift - 1.001 * scale, shift + 1.001 * scale))
    np.testing.assert_allclose(
        moved, np.array(mean_interval(data, bounds=(-1.001, 1.001))) * scale + shift, atol=1e-8
    )


def test_bounded_mean_of_flags_is_jeffreys() -> None:
    flags = [1] * 30 + [0] * 370
    tail = stats.norm.cdf(-stats.t.ppf(0.975, 399))
    k, misses = 30 * 399 / 400, 370 * 399 / 400  # n - 1, as in the standard error
    expected = stats.beta.ppf([tail, 1 - tail], k + 0.5, misses + 0.5)
    np.testing.assert_allclose(mean_interval(flags, bounds=(0, 1)), expected, rtol=1e-9)


def test_values_that_do_not_vary_show_no_spread() -> None:
    assert all(math.isnan(end) for end in mean_interval([0.3] * 50))
    low, high = mean_interval([0.25] * 50, bounds=(0, 1))
    t = stats.t.ppf(0.975, 49)
    unseen = t**2 / (50 + t**2)
    assert (low, high) == pytest.approx((0.25 * (1 - unseen), 0.25 + 0.75 * unseen))
    assert mean_interval([0.0] * 50, bounds=(0, 1)).low == 0


# Curves.


def test_a_band_of_one_strength_is_an_interval() -> None:
    values = np.random.default_rng(6).normal(size=(1, 30))
    band = simultaneous_band(values, resamples=40_000)
    low, high = mean_interval(values[0])
    assert band.centre == pytest.approx(values.mean())
    np.testing.assert_allclose([band.low[0], band.high[0]], [low, high], atol=0.01)
    assert band.high[0] >= high * (1 - 1e-12)


def test_strengths_that_move_as_one_cost_nothing_more() -> None:
    row = np.random.default_rng(7).normal(size=60)
    band = simultaneous_band([row, 2 * row + 1, -row], resamples=40_000)
    assert band.critical == pytest.approx(stats.t.ppf(0.975, 59), abs=0.03)


def test_independent_strengths_cost_as_much_as_maxima_do() -> None:
    values = np.random.default_rng(8).normal(size=(10, 4000))
    band = simultaneous_band(values, resamples=40_000)
    sidak = stats.norm.ppf(0.5 + 0.95**0.1 / 2)
    assert band.critical == pytest.approx(sidak, abs=0.04)


@given(st.lists(st.lists(st.booleans(), min_size=12, max_size=12), min_size=1, max_size=5))
@settings(deadline=None)
def test_a_band_holds_its_curve_and_every_pointwise_interval(rows: list[list[bool]]) -> None:
    values, clusters = np.array(rows, dtype=float), np.repeat(np.arange(6), 2)
    band = simultaneous_band(values, clusters, resamples=100, bounds=(0, 1))
    assert np.all((band.low >= 0) & (band.low <= band.centre) & (band.centre <= band.high) & (band.high <= 1))
    for i, row in enumerate(values):
        if np.ptp(row):
            low, high = mean_interval(row, clusters, bounds=(0, 1))
            assert band.low[i] <= low + 1e-9
            assert band.high[i] >= high - 1e-9


def test_points_without_variance_are_as_wide_as_could_go_unseen() -> None:
    varied = np.random.default_rng(9).random((2, 80)) < 0.5
    values = np.vstack([np.zeros(80), varied, np.ones(80)])
    for bounds in (None, (0, 1)):
        band = simultaneous_band(values, bounds=bounds)
        unseen = band.critical**2 / (80 + band.critical**2)
        np.testing.assert_allclose([band.low[0], band.high[0]], [0, unseen])
        np.testing.assert_allclose([band.low[3], band.high[3]], [1 - unseen, 1])
    same = simultaneous_band(np.zeros((3, 80)), bounds=(-1, 1))
    assert same.critical == pytest.approx(stats.t.ppf(0.5 + 0.95 ** (1 / 3) / 2, 79))
    assert -same.low[0] == same.high[0] > wilson(0, 80).high
    assert np.isnan(simultaneous_band(np.zeros((3, 80))).high).all()


def test_one_cluster_has_no_band() -> None:
    band = simultaneous_band([[0.0, 1.0]], ["a", "a"])
    assert band.centre == pytest.approx([0.5])
    assert np.isnan([*band.low, *band.high, band.critical]).all()


# Ratios.


@given(st.floats(-3, 3), st.floats(2.2, 2.9), st.floats(-0.9, 0.9), st.integers(10, 500))
@settings(deadline=None, max_examples=50)
def test_fieller_where_draws_lie_across_zero(top: float, bottom: float, link: float, clusters: int) -> None:
    """The ends are the ratios r from which top - r bottom is t standard errors away."""
    rng = np.random.default_rng(0)
    noise = rng.multivariate_normal([0, 0], [[1, link], [link, 1]], size=4000)
    draws = noise - noise.mean(axis=0) + [top, bottom]
    assert draws[:, 1].min() < 0
    low, high = ratio_of_draws([top, bottom], draws, clusters)
    t = stats.t.ppf(0.975, clusters - 1) * math.sqrt(clusters / (clusters - 1))
    if bottom <= t * draws[:, 1].std(ddof=1):
        assert math.isnan(low)
        return
    assert low <= top / bottom <= high
    for end in (low, high):
        error = t * (draws[:, 0] - end * draws[:, 1]).std(ddof=1)
        assert abs(top - end * bottom) == pytest.approx(error, rel=1e-6)


# What the intervals promise.


@pytest.mark.slow
@pytest.mark.parametrize(("rate", "n"), [(0.5, 40), (0.3, 60), (0.1, 100), (0.05, 400)])
def test_wilson_covers(rate: float, n: int) -> None:
    counts = np.random.default_rng(1).binomial(n, rate, RUNS)
    assert_covers(coverage([wilson(int(k), n) for k in counts], rate))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("rate", "correlation", "sizes"),
    [
        (0.3, 0.2, [5] * 40), (0.1, 0.1, [5] * 40), (0.5, 0.3, [10] * 20), (0.8, 0.1, [20] * 12),
        (0.3, 0.2, [2, 4, 6, 8] * 10), (0.05, 0.1, [4] * 80), (0.4, 0.05, [10] * 40),
    ],
)  # fmt: skip
def test_clustered_wilson_covers(rate: float, correlation: float, sizes: list[int]) -> None:
    rng, clusters = np.random.default_rng(2), np.repeat(np.arange(len(sizes)), sizes)
    found = [clustered_wilson(clustered_hits(rng, rate, correlation, sizes), clusters) for _ in range(RUNS)]
    assert_covers(coverage(found, rate))


@pytest.mark.slow
@pytest.mark.parametrize("n", [20, 100])
def test_mean_interval_covers(n: int) -> None:
    rng = np.random.default_rng(3)
    normal = rng.normal(2, 3, (RUNS, n))
    assert_covers(coverage([mean_interval(row) for row in normal], 2))
    scores = rng.beta(0.3, 0.9, (RUNS, n))
    assert_covers(coverage([mean_interval(row, bounds=(0, 1)) for row in scores], 0.25))
    clustered = rng.normal(0, 1, (RUNS, n, 1)) + rng.normal(0, 1, (RUNS, n, 3))
    names = np.repeat(np.arange(n), 3)
    assert_covers(coverage([mean_interval(row.ravel(), names) for row in clustered], 0))


@pytest.mark.slow
def test_mean_interval_covers_skewed_values_where_it_says() -> None:
    values = np.random.default_rng(4).exponential(size=(RUNS, 100))
    assert_covers(coverage([mean_interval(row) for row in values], 1))


@pytest.mark.slow
@pytest.mark.parametrize(("n", "per_cluster", "link"), [(150, 1, 0.5), (150, 1, 0.9), (200, 5, 0.5)])
def test_bands_of_rates_cover_all_strengths_at_once(n: int, per_cluster: int, link: float) -> None:
    rng, rates = np.random.default_rng(6), stats.logistic.cdf(np.linspace(-3, 3, 9))
    clusters = np.repeat(np.arange(n // per_cluster), per_cluster)
    held = 0
    for run in range(RUNS):
        shared = 0.4 * rng.normal(size=n // per_cluster)[clusters] if per_cluster > 1 else 0
        own = math.sqrt(0.84 if per_cluster > 1 else 1) * rng.normal(size=n)
        latent = math.sqrt(link) * (shared + own) + math.sqrt(1 - link) * rng.normal(size=(9, n))
        hits = latent < stats.norm.ppf(rates)[:, None]
        band = simultaneous_band(hits, clusters, resamples=400, seed=run, bounds=(0, 1))
        held += bool(np.all((band.low <= rates) & (rates <= band.high)))
    assert_covers(held / RUNS)


@pytest.mark.slow
@pytest.mark.parametrize("k", [15, 60])
def test_bands_of_means_cover_all_strengths_at_once(k: int) -> None:
    rng, names = np.random.default_rng(7), np.repeat(np.arange(k), 3)
    held = 0
    for run in range(RUNS):
        values = np.cumsum(rng.normal(size=(8, k)), axis=0)[:, names] + rng.normal(size=(8, 3 * k))
        band = simultaneous_band(values, names, resamples=400, seed=run)
        held += bool(np.all((band.low <= 0) & (band.high >= 0)))
    assert_covers(held / RUNS)
