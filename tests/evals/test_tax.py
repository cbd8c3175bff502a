"""The tax: its parts leave no remainder, turn round with the pair, and contradictory states are refused."""

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steer_evals.errors import JudgeError
from steer_evals.intervals import wilson
from steer_evals.tax import Tax, manski, split, weighted

CORRECT, WRONG, REFUSED, INVALID = range(4)
States = list[tuple[int, int]]
PAIRS = st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), min_size=1, max_size=80)


def flags(states: list[int]) -> tuple[list[bool], list[bool], list[bool]]:
    return tuple([state == kind for state in states] for kind in (CORRECT, REFUSED, INVALID))  # type: ignore[return-value]


def tax(pairs: States, **options: object) -> Tax:
    before, after = zip(*pairs, strict=True)
    return split(*flags(list(before)), *flags(list(after)), resamples=50, **options)  # type: ignore[arg-type]


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
        assert (found.low, found.total, found.high) == (-wilson(0, n).high, 0.0, wilson(0, n).high)


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
    found = manski(*flags(list(before)), *flags(list(after)), resamples=20)
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
    found, plain = weighted(*states, THREE, weights, resamples=20), tax(pairs)
    np.testing.assert_allclose(found[:5], plain[:5], atol=1e-12)
    other = weighted(*states, THREE, {"a": 0, "b": 1, "c": 3}, resamples=20)
    assert abs(other.total - (other.refused + other.invalid + other.ability)) <= 1e-12
    parts = [tax(pairs[1:3]).total, tax(pairs[3:]).total]
    assert other.total == pytest.approx(0.25 * parts[0] + 0.75 * parts[1], abs=1e-12)


def test_a_workload_of_one_category_is_its_tax() -> None:
    pairs = [(CORRECT, state) for state in [CORRECT] * 60 + [REFUSED] * 30 + [WRONG] * 10]
    before, after = zip(*pairs, strict=True)
    found = weighted(*flags(list(before)), *flags(list(after)), ["x"] * 100, {"x": 5})
    plain = split(*flags(list(before)), *flags(list(after)))
    np.testing.assert_allclose(found[:5], plain[:5], atol=1e-12)
    np.testing.assert_allclose(found[5:], plain[5:], atol=0.003)
    quiet = weighted(*flags([CORRECT] * 80), *flags([CORRECT] * 80), ["x"] * 80, {"x": 1})
    np.testing.assert_allclose(quiet[5:], [-wilson(0, 80).high, wilson(0, 80).high])


def test_a_category_that_is_one_cluster_is_drawn_by_items() -> None:
    pairs = [(CORRECT, state) for state in [CORRECT] * 60 + [REFUSED] * 40]
    before, after = zip(*pairs, strict=True)
    states, names = (*flags(list(before)), *flags(list(after))), ["x", "y"] * 50
    weights = {"x": 1, "y": 1}
    assert weighted(*states, names, weights, clusters=names) == weighted(*states, names, weights)
    alone = weighted(*states, ["x"] * 99 + ["y"], weights)
    assert math.isnan(alone.low)
    assert alone.total == pytest.approx(0.5 * 39 / 99 + 0.5)


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
    for run in range(2000):
        wrong = rng.random(130) < lost
        found = weighted(~none, none, none, ~wrong, none, none, names, weights, resamples=300, seed=run)
        held += found.low <= truth <= found.high
    assert 0.93 <= held / 2000 <= 0.97, f"covers {held / 2000:.4f}"
