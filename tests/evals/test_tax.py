"""The tax: its parts leave no remainder, turn round with the pair, and contradictory states are refused."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats

from steer_evals.errors import JudgeError
from steer_evals.intervals import clustered_wilson, wilson
from steer_evals.tax import Tax, manski, split, weighted

CORRECT, WRONG, REFUSED, INVALID = range(4)
States = list[tuple[int, int]]
PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=80)


def flags(states: list[int]) -> tuple[list[bool], list[bool], list[bool]]:
    return tuple([state == kind for state in states] for kind in (CORRECT, REFUSED, INVALID))  # type: ignore[return-value]


def tax(pairs: States, **options: object) -> Tax:
    before, after = zip(*pairs, strict=True)
    return split(*flags(list(before)), *flags(list(after)), **options)  # type: ignore[arg-type]


@given(PAIRS)
@settings(deadline=None)
def test_parts_sum_to_the_total(pairs: States) -> None:
    found = tax(pairs)
    right = [np.mean([state == CORRECT for state in side]) for side in zip(*pairs, strict=True)]
    assert abs(found.total - (right[0] - right[1])) <= 1e-12
    assert abs(found.total - (found.refused + found.invalid + found.ability)) <= 1e-12


@given(PAIRS)
@settings(deadline=None)
def test_the_pair_turned_round_pays_back(pairs: States) -> None:
    there, back = tax(pairs), tax([(after, before) for before, after in pairs])
    np.testing.assert_allclose(there[1:5], [-part for part in back[1:5]], atol=1e-12)


@given(PAIRS)
@settings(deadline=None)
def test_each_part_is_the_mean_over_its_items(pairs: States) -> None:
    found = tax(pairs)
    moves = {(CORRECT, REFUSED): "refused", (CORRECT, INVALID): "invalid", (CORRECT, WRONG): "ability"}
    for (good, bad), part in moves.items():
        lost = sum(pair == (good, bad) for pair in pairs) - sum(pair == (bad, good) for pair in pairs)
        assert getattr(found, part) == pytest.approx(lost / len(pairs), abs=1e-12)


@given(PAIRS)
@settings(deadline=None)
def test_a_model_against_itself_pays_nothing(pairs: States) -> None:
    same = [(before, before) for before, _ in pairs]
    assert tax(same)[1:5] == (0, 0, 0, 0)


def test_where_no_item_changed_the_interval_says_what_could_have_gone_unseen() -> None:
    for n in (20, 200):
        found = tax([(CORRECT, CORRECT)] * n)
        unseen = wilson(0, n).high
        assert (found.low, found.total, found.high) == pytest.approx((-unseen, 0.0, unseen))
        alike = tax([(CORRECT, CORRECT)] * n, clusters=[at % 4 for at in range(n)])
        assert (
            alike.high
            == -alike.low
            == pytest.approx(clustered_wilson([0] * n, [at % 4 for at in range(n)]).high)
        )
        assert alike.high > 1.3 * unseen, "items of one cluster hide more"


def test_interval_holds_the_total_and_widens_with_clusters() -> None:
    pairs = [(CORRECT, state) for state in [CORRECT] * 60 + [REFUSED] * 30 + [WRONG] * 10]
    plain, clustered = tax(pairs), tax(pairs, clusters=[i // 20 for i in range(100)])
    assert plain.low <= plain.total <= plain.high
    assert clustered.high - clustered.low > plain.high - plain.low


def test_no_items_are_no_tax() -> None:
    empty = split([], [], [], [], [], [])
    assert empty.n == 0
    assert all(math.isnan(value) for value in empty[1:])


@pytest.mark.parametrize(
    ("arrays", "said"),
    [
        (([1], [1], [0], [1], [0], [0]), "unsteered item 0 correct and refused"),
        (([1], [0], [0], [1], [0], [1]), "steered item 0 correct and invalid"),
        (([0], [0], [0], [0], [1], [1]), "steered item 0 refused and invalid"),
        (([1, 0], [0], [0], [1], [0], [0]), "unsteered flags of lengths 2, 1, 1"),
        (([1], [0], [0], [1, 0], [0, 0], [0, 0]), "1 unsteered and 2 steered items"),
        (([None], [0], [0], [1], [0], [0]), "unsteered correct flags that are not true or false"),
        (([2], [0], [0], [1], [0], [0]), "unsteered correct flags that are not true or false"),
        (([0.5], [0], [0], [1], [0], [0]), "unsteered correct flags that are not true or false"),
    ],
)
def test_contradictions_are_one_line(arrays: tuple[list[bool], ...], said: str) -> None:
    with pytest.raises(JudgeError) as caught:
        split(*arrays)  # type: ignore[call-arg]
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


# Without refusals.


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=5))
@settings(deadline=None)
def test_manski_bounds_are_all_that_could_have_been_answered(pairs: States) -> None:
    before, after = zip(*pairs, strict=True)
    found = manski(*flags(list(before)), *flags(list(after)))
    options = [
        [(0, 1) if state == REFUSED else (int(state == CORRECT),) for state in side]
        for side in (before, after)
    ]
    taxes = [
        np.mean(first) - np.mean(second)
        for first in itertools.product(*options[0])
        for second in itertools.product(*options[1])
    ]
    np.testing.assert_allclose(found.bounds, [min(taxes), max(taxes)], atol=1e-12)
    refusals = sum(state == REFUSED for state in before + after)
    assert found.bounds.high - found.bounds.low == pytest.approx(refusals / len(pairs))
    kept = [(b == CORRECT) - (a == CORRECT) for b, a in pairs if REFUSED not in (b, a)]
    assert found.answered == len(kept)
    assert found.excluding == pytest.approx(np.mean(kept)) if kept else math.isnan(found.excluding)


def test_without_refusals_the_bounds_are_the_tax() -> None:
    pairs = [(CORRECT, WRONG)] * 7 + [(WRONG, CORRECT)] * 2 + [(CORRECT, CORRECT)] * 31
    before, after = zip(*pairs, strict=True)
    found, total = manski(*flags(list(before)), *flags(list(after))), tax(pairs).total
    assert found.excluding == found.bounds.low == found.bounds.high == total
    assert found.sampled.low < total < found.sampled.high


def test_leaving_refusals_out_can_leave_the_bounds() -> None:
    pairs = [(CORRECT, REFUSED)] * 5 + [(WRONG, CORRECT)] * 3 + [(CORRECT, CORRECT)] * 2
    before, after = zip(*pairs, strict=True)
    found = manski(*flags(list(before)), *flags(list(after)))
    assert found.excluding == pytest.approx(-0.6)
    assert found.bounds == pytest.approx((-0.3, 0.2))
    assert found.sampled.low <= found.bounds.low
    assert found.bounds.high <= found.sampled.high


# The user's workload.

THREE = ["a", "b", "b", "c", "c", "c"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=6, max_size=6), st.floats(0.1, 9))
@settings(deadline=None)
def test_weights_as_in_the_suite_change_nothing(pairs: States, scale: float) -> None:
    before, after = zip(*pairs, strict=True)
    states = (*flags(list(before)), *flags(list(after)))
    weights = {"a": scale, "b": 2 * scale, "c": 3 * scale}
    found, plain = weighted(*states, THREE, weights), tax(pairs)
    np.testing.assert_allclose(found[:5], plain[:5], atol=1e-12)
    other = weighted(*states, THREE, {"a": 0, "b": 1, "c": 3})
    assert abs(other.total - (other.refused + other.invalid + other.ability)) <= 1e-12
    parts = [tax(pairs[1:3]).total, tax(pairs[3:]).total]
    assert other.total == pytest.approx(0.25 * parts[0] + 0.75 * parts[1], abs=1e-12)


def test_a_workload_of_one_category_is_its_tax() -> None:
    pairs = [(CORRECT, state) for state in [CORRECT] * 60 + [REFUSED] * 30 + [WRONG] * 10]
    before, after = zip(*pairs, strict=True)
    found = weighted(*flags(list(before)), *flags(list(after)), ["x"] * 100, {"x": 5})
    plain = split(*flags(list(before)), *flags(list(after)))
    np.testing.assert_allclose(found, plain, atol=1e-9)
    quiet = weighted(*flags([CORRECT] * 80), *flags([CORRECT] * 80), ["x"] * 80, {"x": 1})
    np.testing.assert_allclose(quiet[5:], [-wilson(0, 80).high, wilson(0, 80).high])


def test_a_category_that_is_one_cluster_counts_by_items() -> None:
    pairs = [(CORRECT, state) for state in [CORRECT] * 60 + [REFUSED] * 40]
    before, after = zip(*pairs, strict=True)
    states, names = (*flags(list(before)), *flags(list(after))), ["x", "y"] * 50
    weights = {"x": 1, "y": 1}
    assert weighted(*states, names, weights, clusters=names) == weighted(*states, names, weights)
    alone = weighted(*states, ["x"] * 99 + ["y"], weights)
    assert alone.total == pytest.approx(0.5 * 39 / 99 + 0.5)
    assert alone.high - alone.low > 0.4, "a single item shows next to nothing of its half of the traffic"


@pytest.mark.parametrize(
    ("categories", "weights", "said"),
    [
        (["a", "b"], {"a": 1}, "got no weight for b"),
        (["a", "a"], {"a": 1, "b": 1}, "got no items for b"),
        (["a"], {"a": 1}, "2 items and 1 categories"),
        (["a", "b"], {"a": 0, "b": 0}, "weights a = 0, b = 0"),
        (["a", "b"], {"a": -1, "b": 2}, "weights a = -1, b = 2"),
        (["a", "b"], {"a": math.nan, "b": 2}, "weights a = nan, b = 2"),
    ],
)
def test_weights_that_are_none_are_one_line(
    categories: list[str], weights: dict[str, float], said: str
) -> None:
    with pytest.raises(JudgeError) as caught:
        weighted([1, 1], [0, 0], [0, 0], [1, 0], [0, 0], [0, 0], categories, weights)  # type: ignore[list-item]
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.slow
def test_weighted_tax_covers() -> None:
    rng, held = np.random.default_rng(1), 0
    names = ["a"] * 60 + ["b"] * 30 + ["c"] * 40
    lost = np.repeat([0.05, 0.2, 0.4], [60, 30, 40])
    weights, truth = {"a": 1, "b": 1, "c": 2}, 0.25 * 0.05 + 0.25 * 0.2 + 0.5 * 0.4
    none = np.zeros(130, dtype=bool)
    for _ in range(2000):
        wrong = rng.random(130) < lost
        found = weighted(~none, none, none, ~wrong, none, none, names, weights)
        held += found.low <= truth <= found.high
    assert 0.93 <= held / 2000 <= 0.97, f"covers {held / 2000:.4f}"


def split_of(changes: NDArray[np.int64], clusters: NDArray[np.int64] | None = None) -> Tax:
    """Of 1 = lost, -1 = gained, 0 = right before and after."""
    none = np.zeros(len(changes), dtype=bool)
    return split(changes >= 0, none, none, changes <= 0, none, none, clusters)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("lost", "gained"),
    [(0.02, 0), (0.05, 0), (0.1, 0), (0.2, 0), (0.03, 0.01), (0.05, 0.03), (0.1, 0.1)],
)
def test_split_of_items_alone_covers(lost: float, gained: float) -> None:
    """Exactly, over all that 190 items can show."""
    n, held = 190, 0.0
    for k in range(66):
        for m in range(45 if gained else 1):
            chance = stats.multinomial.pmf([k, m, n - k - m], n, [lost, gained, 1 - lost - gained])
            if chance > 1e-6:
                found = split_of(np.array([1] * k + [-1] * m + [0] * (n - k - m)))
                held += chance * (found.low <= lost - gained <= found.high)
    assert 0.93 <= held <= 0.97, f"covers {held:.4f}"


# Shares of items lost and gained, and how alike the items of a cluster are in each.
CHANGED = [
    (0.02, 0, 0), (0.02, 0, 0.1), (0.05, 0, 0.1), (0.1, 0, 0.05), (0.1, 0, 0.1), (0.2, 0, 0.1), (0.03, 0.01, 0.1),
    (0.1, 0.05, 0.05), (0.1, 0.1, 0.1),
]  # fmt: skip
SIZES = {"16 of 12": [12] * 16, "8 of 4 to 20": [4, 6, 8, 10, 12, 15, 20, 20], "20 of 5": [5] * 20}


@pytest.mark.slow
@pytest.mark.parametrize("sizes", SIZES.values(), ids=SIZES)
def test_split_of_clusters_covers(sizes: list[int]) -> None:
    """Cautious where little changes and where clusters are few; never much too narrow, nor to one side."""
    rng, n = np.random.default_rng(9), sum(sizes)
    clusters = np.repeat(np.arange(len(sizes)), sizes)

    def chances(share: float, alike: float) -> NDArray[np.float64]:
        if not share * alike:
            return np.full(n, share)
        spread = (1 - alike) / alike
        return np.repeat(rng.beta(share * spread, (1 - share) * spread, len(sizes)), sizes)

    for lost, gained, alike in CHANGED:
        found = []
        for _ in range(1000):
            worse = rng.random(n) < chances(lost, alike)
            better = ~worse & (rng.random(n) < chances(gained, alike) / (1 - lost))
            found.append(split_of(worse.astype(np.int64) - better, clusters))
        held = np.mean([own.low <= lost - gained <= own.high for own in found])
        above = np.mean([own.high < lost - gained for own in found])
        assert held >= 0.93, f"{lost}, {gained}, {alike} covers {held:.4f}"
        assert above <= 0.04, f"{lost}, {gained}, {alike} is understated in {above:.4f}"


@pytest.mark.slow
@pytest.mark.parametrize("lost", [(0.01, 0.06, 0.01), (0.0, 0.35, 0.01), (0.1, 0.0, 0.0)])
def test_weighted_tax_covers_where_categories_differ(lost: tuple[float, ...]) -> None:
    """Equal weights; the first category is much smaller than the others, so that its items weigh much."""
    rng, none = np.random.default_rng(2), np.zeros(408, dtype=bool)
    names, clusters = np.repeat(["a", "b", "c"], [20, 198, 190]), np.arange(408) // 6
    found = []
    for _ in range(500):
        wrong = rng.random(408) < np.repeat(lost, [20, 198, 190])
        weights = {"a": 1.0, "b": 1.0, "c": 1.0}
        found.append(weighted(~none, none, none, ~wrong, none, none, names, weights, clusters))
    assert np.mean([own.low <= np.mean(lost) <= own.high for own in found]) >= 0.93
