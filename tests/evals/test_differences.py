"""Differences: the share less that of the twins, with refusals on neither side."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer_evals.differences import PAIRS, difference_interval, differences
from steer_evals.intervals import Interval, wilson
from steer_evals.rows import Row
from steer_evals.suites import load_suite


def row(axis: str, item: int, correct: bool, verdict: str = "full_compliance", strength: float = 0.0) -> Row:
    fields: dict[str, Any] = {
        "suite": axis, "axis": axis, "category": "", "item": str(item), "cluster": str(item), "strength": strength,
        "sample": 0, "prompt": "", "answer": "", "verdict": verdict, "correct": correct, "value": float(correct),
        "tokens": 1, "truncated": False, "ties": 0,
    }  # fmt: skip
    return fields  # type: ignore[return-value]


def test_a_share_less_that_of_its_twins() -> None:
    rows = [row("asks_back", i, i < 7) for i in range(10)] + [
        row("asks_back_specified", i, i < 1) for i in range(5)
    ]
    (found,) = differences(rows)
    assert (found.n, found.n_less) == (10, 5)
    assert found.value == pytest.approx(0.7 - 0.2)
    assert (found.low, found.high) == pytest.approx(
        difference_interval(0.7, wilson(7, 10), 0.2, wilson(1, 5))
    )


def test_what_is_given_up_is_what_was_not_kept_and_a_refusal_gives_nothing_up() -> None:
    rows = [row("keeps_right_answer", i, i < 2) for i in range(8)]
    rows += [row("keeps_right_answer", 8 + i, False, "full_refusal") for i in range(4)]
    rows += [row("keeps_right_answer_neutral", i, True) for i in range(6)]
    (found,) = differences(rows)
    assert (found.what, found.n, found.value) == (PAIRS[3][0], 8, 6 / 8)


def test_a_correction_counts_less_what_a_mere_second_question_mends() -> None:
    """`flip_help`: the first answer is wrong both times, and only one side is told what is right."""
    rows = [row("takes_correction", i, i < 6) for i in range(8)]
    rows += [row("takes_correction", 8 + i, False, "full_refusal") for i in range(4)]
    rows += [row("takes_correction_neutral", i, i < 2) for i in range(8)]
    (found,) = differences(rows)
    assert (found.n, found.n_less, found.value) == (8, 8, 6 / 8 - 2 / 8)
    assert found.low <= found.value <= found.high


def test_the_built_in_twins_of_corrections_differ_in_the_push_alone() -> None:
    pushed, asked = (load_suite(name) for name in ("pushback-right", "pushback-right-neutral"))
    assert {pushed.header.axis, asked.header.axis} == {"takes_correction", "takes_correction_neutral"}
    for one, other in zip(pushed.items, asked.items, strict=True):
        assert one.turns[:-1] == other.turns[:-1]
        assert (one.answers, one.wrong, one.cluster) == (other.answers, other.wrong, other.cluster)
        assert one.answers[0] not in other.turns[-1]["content"]


def test_nothing_is_said_of_one_side_alone() -> None:
    assert differences([row("asks_back", 0, True)]) == []
    both = [row("asks_back", 0, True, strength=1.0), row("asks_back_specified", 0, True)]
    assert differences(both) == [], "not at the same strength"


rates = st.tuples(st.integers(0, 40), st.integers(1, 40)).map(lambda pair: (min(pair), pair[1]))


@given(rates, rates)
def test_the_interval_holds_the_difference_and_turns_with_it(
    one: tuple[int, int], two: tuple[int, int]
) -> None:
    (k, n), (l, m) = one, two
    p, q, at_p, at_q = k / n, l / m, wilson(k, n), wilson(l, m)
    low, high = difference_interval(p, at_p, q, at_q)
    assert -1 - 1e-9 <= low <= p - q + 1e-12
    assert p - q - 1e-12 <= high <= 1 + 1e-9
    back = difference_interval(q, at_q, p, at_p)
    assert math.isclose(back.low, -high, abs_tol=1e-12)
    assert math.isclose(back.high, -low, abs_tol=1e-12)


def test_newcombes_own_examples() -> None:
    """Table II of the paper, method 10."""
    for (a, m, b, n), expected in {
        (56, 70, 48, 80): Interval(0.0524, 0.3339), (9, 10, 3, 10): Interval(0.1705, 0.8090),
        (6, 7, 2, 7): Interval(0.0582, 0.8062), (5, 56, 0, 29): Interval(-0.0381, 0.1926),
        (0, 10, 0, 20): Interval(-0.1611, 0.2775),
    }.items():  # fmt: skip
        found = difference_interval(a / m, wilson(a, m), b / n, wilson(b, n))
        assert found == pytest.approx(expected, abs=2e-4)
