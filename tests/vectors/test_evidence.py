"""What `steer inspect` says of a vector is what its file says; a file that says nonsense is refused in one line."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer_vectors.contrast import ContrastSet
from steer_vectors.errors import VectorFileError
from steer_vectors.evidence import Scores, evidence, facts
from steer_vectors.extract import extract
from steer_vectors.figures import selection_chart
from steer_vectors.file import Vector
from steer_vectors.models import ChatModel


@pytest.fixture(scope="module")
def vector(refusing_llama: ChatModel, refusal_set: ContrastSet) -> Vector:
    return extract(refusing_llama, refusal_set)


def _with(vector: Vector, **meta: str) -> Vector:
    return replace(vector, meta={**vector.meta, **meta})


def test_it_says_what_the_file_says(vector: Vector) -> None:
    said = dict(evidence(vector))
    best = max(
        (one for one in vector.scores["candidates"] if one["passed"]),
        key=lambda one: one["added"] + one["ablated"],
    )
    assert said["score, one gap added"] == f"{best['added']:+.3g} on negative prompts"
    assert said["held-out AUC"].startswith(f"{best['auc']:.3f}")
    assert said["same layer when resampled"].startswith(f"{vector.scores['repeats']:.0%}")
    assert said["KL of 1 nat, +"] == f"+{vector.units['kl']['plus']:.3g} gaps"
    share = vector.gap(vector.layer) / vector.units["norm"][vector.layer]
    assert said["1 gap"].startswith(f"{share:.0%}")


def test_it_says_how_many_prompts_stand_behind_the_auc(vector: Vector) -> None:
    def behind(**meta: str) -> str:
        return dict(evidence(_with(vector, **meta)))["held-out AUC"].partition(" (")[0][5:]

    few = json.dumps({"train": {}, "validation": {"positive": 1, "negative": 40}})
    assert (
        behind(counts=few, estimator_parameters='{"max_prompts": 32}')
        == " on 1 positive and 32 negative prompts"
    )
    assert behind(counts=few, estimator_parameters="") == " on 1 positive and 40 negative prompts"
    assert behind(counts="") == behind(counts='{"train": {"positive": 4}}') == ""
    with pytest.raises(VectorFileError, match="metadata counts with validation.positive"):
        behind(counts='{"validation": {"positive": "many", "negative": 2}}')


def test_a_layer_that_was_given_was_not_chosen_again(vector: Vector) -> None:
    candidates = [one for one in vector.scores["candidates"] if one["layer"] == vector.layer]
    given_layer = _with(vector, scores=json.dumps({**vector.scores, "candidates": candidates}))
    said = dict(evidence(given_layer))
    assert "held-out AUC" in said
    assert "same layer when resampled" not in said


def test_an_imported_vector_has_its_gap_only(vector: Vector) -> None:
    assert [name for name, _ in evidence(_with(vector, scores="{}", units=""))] == ["class gap at the layer"]


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["candidates", "auc", "kl", "norm"]), inner),
    max_leaves=6,
)  # fmt: skip


def _refusal(show: Callable[[Vector], object], vector: Vector) -> str:
    try:
        show(vector)
    except VectorFileError as error:
        return str(error)
    return ""


@given(scores=_JSON, units=_JSON)
def test_nonsense_is_one_line(vector: Vector, scores: object, units: object) -> None:
    odd = _with(vector, scores=json.dumps(scores), units=json.dumps(units))
    for show in (evidence, selection_chart):
        assert "\n" not in _refusal(show, odd)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"separation": {"auc": [[1.0]]}}, "row of another length"),
        ({"separation": {"auc": [[2.0]]}}, "auc.0.0"),
        ({"candidates": [{"layer": 10**400}]}, "candidate at layer 1000"),
        ({"candidates": [{"layer": -1}]}, "candidate at layer -1"),
        ({"candidates": [{"added": 1e308}]}, "added"),
    ],
)
def test_scores_of_another_model_are_one_line(vector: Vector, change: dict[str, Any], match: str) -> None:
    scores = {**vector.scores, **change}
    if "candidates" in change:
        scores["candidates"] = [{**vector.scores["candidates"][0], **change["candidates"][0]}]
    odd = _with(vector, scores=json.dumps(scores))
    for show in (evidence, selection_chart):
        said = _refusal(show, odd)
        assert re.search(match, said)
        assert len(said) < 300


@pytest.mark.parametrize(
    "positions", [list(range(-65, 0)), ["$\\frac$", -1], [-1.5, -1], [True, -1], [2, -1]]
)
def test_a_chart_has_positions_and_not_too_many(vector: Vector, positions: list[object]) -> None:
    rows = {"auc": [[1.0] * vector.layers] * len(positions)}
    scores = json.dumps({**vector.scores, "separation": rows})
    odd = _with(vector, positions=json.dumps(positions), scores=scores, position="-1")
    assert "at most 64" in _refusal(selection_chart, odd)


def test_a_chart_of_any_name(vector: Vector) -> None:
    for concept in ("$\\frac$", "a\x1b[2J\nb", "x" * 5000):
        assert selection_chart(_with(vector, concept=concept)).startswith(b"\x89PNG")


def test_a_chart_is_a_picture_and_the_same_each_time(vector: Vector) -> None:
    assert selection_chart(vector).startswith(b"\x89PNG")
    assert selection_chart(vector, "svg") == selection_chart(vector, "svg")
    with pytest.raises(VectorFileError, match="selection scores"):
        selection_chart(_with(vector, scores="{}"))
    assert facts(vector, "scores", Scores) is not None
