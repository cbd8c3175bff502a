"""The tax of alignment between two models' rows: by hand, exact, and nothing of it is safety."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steer_evals.errors import JudgeError, RunError
from steer_evals.pair import dose, given_back, label
from steer_evals.rows import Row

# An answer in one letter: + right or met, - wrong, r refused, p partly refused, i invalid.
STATES = {
    "+": ("full_compliance", True), "-": ("full_compliance", False), "r": ("full_refusal", False),
    "p": ("partial_refusal", False), "i": ("invalid", False),
}  # fmt: skip
WORK = {"capability": "capability", "benign": "benign_refusal", "risky": "over_refusal"}


def rows(suite: str, said: str, strength: float = 0.0, **more: Any) -> list[Row]:
    """A suite, answered; every item a cluster of its own."""
    axis = WORK.get(suite, suite)
    found = []
    for at, letter in enumerate(said):
        verdict, correct = STATES[letter]
        refusal = axis.endswith("refusal")
        own: dict[str, Any] = {
            "suite": suite, "axis": axis, "category": f"c{at % 2}", "item": f"{suite}-{at}", "cluster": f"{at}",
            "strength": strength, "sample": 0, "prompt": "Hi", "answer": "Oh", "verdict": verdict,
            "correct": None if refusal else correct, "value": float(letter in "rp") if refusal else float(correct),
            "tokens": 1, "truncated": False, "ties": 0,
        }  # fmt: skip
        row: Row = {**own, **more}  # type: ignore[typeddict-item]
        found.append(row)
    return found


def test_the_tax_is_what_one_counts_by_hand() -> None:
    base = rows("capability", "++++++++--") + rows("benign", "++++++++++")
    aligned = rows("capability", "+++r-+ii+-") + rows("benign", "++++++rrrp")
    found = dose(base, aligned, "a")
    own = found.suites["capability"]
    # lost: 3 (refused), 4 (wrong), 6 and 7 (invalid); gained: 8
    assert own[:5] == pytest.approx((10, 0.3, 0.1, 0.2, 0.0))
    assert found.suites["benign"][:5] == pytest.approx((10, 0.4, 0.4, 0.0, 0.0))
    assert found.tax[:5] == pytest.approx((20, 0.35, 0.25, 0.1, 0.0))
    assert found.due_to_refusals[0] == pytest.approx(0.25 / 0.35)
    assert found.label == "beyond strict"
    assert {name: tax.n for name, tax in found.categories.items()} == {"c0": 10, "c1": 10}
    refused = [p for p in found.points if p.suite == "benign"]
    assert [(p.axis, p.rate, p.n) for p in refused] == [("benign_refusal", 0.4, 10)]


answers = st.text("+-rpi", min_size=8, max_size=8)


@settings(max_examples=40, deadline=None)
@given(answers, answers, answers, answers, st.floats(0.1, 10), st.floats(0.1, 10))
def test_parts_sum_to_the_total_at_any_weights(a: str, b: str, c: str, d: str, u: float, v: float) -> None:
    base, aligned = (rows("capability", x) + rows("risky", y.replace("-", "+")) for x, y in ((a, b), (c, d)))
    found = dose(base, aligned, "a", {"capability": u, "risky": v})
    for tax in (found.tax, *found.suites.values(), *found.categories.values()):
        assert abs(tax.total - tax.refused - tax.invalid - tax.ability) < 1e-12
    parts = (u * found.suites["capability"].total + v * found.suites["risky"].total) / (u + v)
    assert found.tax.total == pytest.approx(parts, abs=1e-12)
    share = found.due_to_refusals[0]
    assert math.isnan(share) or share == pytest.approx(found.tax.refused / found.tax.total)


def test_refusing_harm_is_no_tax() -> None:
    base, aligned = rows("capability", "++++++++++"), rows("capability", "++++++rr+-")
    before, after = rows("harmful_refusal", "+" * 10), rows("harmful_refusal", "r" * 10)
    found = dose(base + before, aligned + after, "a")
    assert repr(found._replace(points=[])) == repr(dose(base, aligned, "a")._replace(points=[]))
    assert {p.axis for p in found.points} == {"capability", "harmful_refusal"}
    with pytest.raises(RunError, match="no item of work"):
        dose(before, after, "a")


def test_weights_name_every_suite_of_work() -> None:
    base, aligned = rows("capability", "+" * 10), rows("capability", "+" * 9 + "r")
    assert dose(base, aligned, "a", {"capability": 3}).tax == dose(base, aligned, "a").tax
    with pytest.raises(JudgeError, match="no weight for"):
        dose(base + rows("benign", "++"), aligned + rows("benign", "++"), "a", {"capability": 1})


@pytest.mark.parametrize(
    ("tax", "name"),
    [
        (-0.1, "light"), (0.0199, "light"), (0.02, "mild"), (0.0499, "mild"), (0.05, "moderate"), (0.0999, "moderate"),
        (0.1, "strict"), (0.1999, "strict"), (0.2, "beyond strict"), (1.0, "beyond strict"),
    ],
)  # fmt: skip
def test_a_dose_has_the_name_of_its_border(tax: float, name: str) -> None:
    assert label(tax) == name


def test_only_refusals_are_due_to_refusals() -> None:
    base = rows("risky", "+" * 40)
    share, interval = dose(base, rows("risky", "r" * 12 + "p" * 8 + "+" * 20), "a").due_to_refusals
    assert (share, interval) == (1.0, (1.0, 1.0))
    share, interval = dose(base, rows("risky", "i" * 20 + "+" * 20), "a").due_to_refusals
    assert (share, interval) == (0.0, (0.0, 0.0))
    share, interval = dose(base, base, "a").due_to_refusals
    assert all(map(math.isnan, (share, *interval))), "no tax has no share"


def at_strengths(said: Sequence[tuple[float, str]]) -> list[Row]:
    return [row for strength, text in said for row in rows("risky", text, strength)]


def test_what_is_given_back() -> None:
    base, lost, half = "+" * 40, "r" * 20 + "+" * 20, "r" * 10 + "+" * 30
    found = given_back(rows("risky", base), at_strengths([(0, lost), (-1, base), (-0.5, half)]))
    assert [own.strength for own in found] == [-1, -0.5, 0]
    assert [own.share for own in found] == [1.0, 0.5, 0.0]
    assert (found[0].interval, found[2].interval) == ((1.0, 1.0), (0.0, 0.0))
    assert found[1].interval.low < 0.5 < found[1].interval.high
    assert [own.tax.total for own in found] == [0.0, 0.25, 0.5]
    assert [own.points[0].rate for own in found] == [0.0, 0.25, 0.5]


def test_nothing_is_given_back_of_no_tax() -> None:
    same = "+" * 40
    for plain in (same, same[:-1] + "r"):  # none, and one that the interval does not tell from none
        found = given_back(rows("risky", same), at_strengths([(0, plain), (-1, same)]))
        assert all(math.isnan(own.share) and math.isnan(own.interval.low) for own in found)


def test_shares_given_back_have_the_weights_of_the_tax() -> None:
    """All of the refusals come back, none of the ability: what that is worth depends on the traffic."""
    base = rows("risky", "+" * 40) + rows("capability", "+" * 20)
    steered = [
        *rows("risky", "r" * 20 + "+" * 20), *rows("risky", "+" * 40, -1.0),
        *rows("capability", "-" * 10 + "+" * 10), *rows("capability", "-" * 10 + "+" * 10, -1.0),
    ]  # fmt: skip
    for risky in (1.0, 3.0):
        back, plain = given_back(base, steered, {"risky": risky, "capability": 1.0})
        assert (
            back.share
            == pytest.approx(1 - back.tax.total / plain.tax.total)
            == pytest.approx(risky / (risky + 1))
        )


def test_samples_are_answers_of_their_own() -> None:
    base = rows("risky", "+" * 20) + rows("risky", "+" * 20, sample=1)
    plain = rows("risky", "r" * 20) + rows("risky", "+" * 20, sample=1)
    back = rows("risky", "r" * 20, -1.0) + rows("risky", "+" * 20, -1.0, sample=1)
    assert [own.share for own in given_back(base, plain + back)] == [0.0, 0.0]
    assert dose(base, plain, "a").tax.n == 40


def test_given_back_needs_the_aligned_model_itself() -> None:
    with pytest.raises(RunError, match="without strength 0"):
        given_back(rows("risky", "++"), rows("risky", "++", -1.0))


def some_lost(lost: int, gained: int = 0) -> tuple[list[Row], list[Row]]:
    """Of 40 items in ten clusters; what was lost was refused."""
    base = rows("risky", "+" * 40) + rows("capability", "-" * gained + "+" * (40 - gained))
    aligned = rows("risky", "r" * lost + "+" * (40 - lost)) + rows("capability", "+" * 40)
    return tuple([row | {"cluster": str(int(row["cluster"]) % 10)} for row in own] for own in (base, aligned))  # type: ignore[return-value, misc]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 30), st.integers(0, 8))
def test_a_share_of_the_tax_is_undefined_exactly_where_the_interval_shown_holds_0(
    lost: int, gained: int
) -> None:
    base, aligned = some_lost(lost, gained)
    found = dose(base, aligned, "a")
    none = found.tax.low <= 0 <= found.tax.high
    assert math.isnan(found.due_to_refusals[0]) == none
    assert found.reason == ("the interval of the tax holds 0" if none else "")
    for own in given_back(base, [*aligned, *(row | {"strength": -1.0} for row in base)]):
        assert math.isnan(own.share) == math.isnan(own.interval.high) == none
        assert own.reason == found.reason


def test_a_small_tax_that_is_all_refused_has_its_share() -> None:
    found = dose(*some_lost(10), "a")
    assert found.tax.low > 0
    assert found.due_to_refusals == (1.0, (1.0, 1.0))
