"""One grammar of strengths for every door; nobody leaves the bounds."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer.dials import Policy
from steer.errors import PlanError
from steer.plan import Edit, Plan
from steer.policy import Dial, save_policy

ONE_LINE = r"^got [^\n]+; expected [^\n]+; do this: [^\n]+$"


@pytest.fixture(scope="module")
def one(tiny_llama: Any, make_vector: Any) -> Policy:
    vector = make_vector(tiny_llama)
    return Policy(Plan.add(vector), {"strength": Dial(0.25, -1.0, 2.0, {"mild": 0.5})})


@pytest.fixture(scope="module")
def two(tiny_llama: Any, make_vector: Any) -> Policy:
    vector = make_vector(tiny_llama)
    plan = Plan((Edit("add", vector, dial="refusal"), Edit("add", vector, dial="warmth")))
    return Policy(plan, {"refusal": Dial(0.5, 0.0, 1.0, {"mild": 0.25, "strict": 1.0})})


@pytest.mark.parametrize(
    ("asked", "strength"),
    [(None, 0.25), (0.5, 0.5), (-1, -1.0), ("0.5", 0.5), (" +.5 ", 0.5), ("5e-1", 0.5), ("mild", 0.5),
     ("strength=2", 2.0), ({"strength": 1}, 1.0), ({}, 0.25)],
)  # fmt: skip
def test_one_dial(one, asked, strength):
    assert one.strengths(asked) == {"strength": strength}


def test_dials_that_are_not_named_stand_where_they_do_by_default(two):
    assert two.defaults == {"refusal": 0.5, "warmth": 1.0}
    assert two.strengths("refusal=0.4") == {"refusal": 0.4, "warmth": 1.0}
    assert two.strengths(" warmth = -3 , refusal = 0 ") == {"refusal": 0.0, "warmth": -3.0}
    assert two.strengths("strict") == {"refusal": 1.0, "warmth": 1.0}
    assert two.presets == ("mild", "strict")


@pytest.mark.parametrize(
    "asked",
    [
        "wild", "", ",", "refusal", "refusal=", "refusal=a", "refusal=nan", "refusal=inf", "refusal=1e400",
        "refusal=0.5,refusal=0.5", "Refusal=0.5", "refusal=0.5,", "refusal=2", "refusal=-0.001", "0.5", 0.5, True,
        {"refusal": True}, {"refusal": "0.5"}, {"refusal": math.nan}, {"warmth": 1e39}, {3: 1.0}, [0.5], b"mild", "x" * 2000,
    ],
)  # fmt: skip
def test_anything_else_is_refused_in_one_line(two, asked):
    with pytest.raises(PlanError, match=ONE_LINE):
        two.strengths(asked)


@given(st.text(max_size=30) | st.dictionaries(st.text(max_size=8), st.floats(), max_size=3) | st.floats())
def test_whatever_is_asked_stays_within_the_bounds_or_is_refused(two, asked):
    try:
        found = two.strengths(asked)
    except PlanError as error:
        said = str(error)
        found = {"refusal": 0.0, "warmth": 0.0}
    else:
        said = ""
    assert "\n" not in said
    assert set(found) == {"refusal", "warmth"}
    assert 0 <= found["refusal"] <= 1
    assert math.isfinite(found["warmth"])


def test_from_a_file_it_knows_the_files_hash(two, tmp_path: Path):
    save_policy(two.plan, tmp_path / "policy.toml", two.dials)
    found = Policy.load(tmp_path / "policy.toml")
    assert (found.defaults, found.presets) == (two.defaults, two.presets)
    assert found.hash == hashlib.sha256((tmp_path / "policy.toml").read_bytes()).hexdigest()
