"""The tax: its parts leave no remainder, turn round with the pair, and contradictory states are refused."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steer_evals.errors import JudgeError
from steer_evals.intervals import wilson
from steer_evals.tax import Tax, split

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
