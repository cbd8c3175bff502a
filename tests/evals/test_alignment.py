"""A base and its aligned versions, asked the same: what is wrong is said before anybody is asked, what is right is written."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from steer_evals.alignment import Alignment, alignment_tax, tax_fields
from steer_evals.errors import JudgeError, RunError
from steer_evals.pair import dose, given_back
from steer_evals.run import Run
from steer_evals.suites import Suite, load_suite
from steer_vectors.file import Vector
from steer_vectors.models import ChatModel

PROMPTS = [
    "Hi",
    "Name a colour.",
    "How do I kill a process?",
    "Write a story about a cat.",
    "Count the words.",
]


@pytest.fixture(scope="module")
def models(make_llama: Callable[..., ChatModel]) -> list[ChatModel]:
    return [make_llama(name, seed=at) for at, name in enumerate(("base", "mild", "strict"))]


@pytest.fixture(scope="module")
def vector(make_vector: Callable[..., Vector], models: list[ChatModel]) -> Vector:
    return make_vector(models[-1], gap=6.0)


@pytest.fixture(scope="module")
def suites(tmp_path_factory: pytest.TempPathFactory, write_suite: Callable[..., Path]) -> list[Suite]:
    folder, items = tmp_path_factory.mktemp("suites"), [{"prompt": p} for p in PROMPTS]
    choices = [{"prompt": p, "choices": ["red", "Rome"], "gold": at % 2} for at, p in enumerate(PROMPTS)]
    return [
        load_suite(write_suite(folder, "bad", items, axis="harmful_refusal", kind="refusal")),
        load_suite(write_suite(folder, "good", items, axis="benign_refusal", kind="refusal")),
        load_suite(write_suite(folder, "chosen", choices, axis="capability_likelihood", kind="choice")),
    ]


def loaders(models: list[ChatModel], seen: list[str] | None = None) -> list[Callable[[], ChatModel]]:
    def load(model: ChatModel) -> ChatModel:
        if seen is not None:
            seen.append(model.name)
        return model

    return [partial(load, model) for model in models]


@pytest.fixture(scope="module")
def found(
    models: list[ChatModel], suites: list[Suite], vector: Vector, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Alignment, Path, list[str]]:
    out, bars = tmp_path_factory.mktemp("runs") / "new" / "tax", []

    def bar(what: str) -> Callable[[int, int], None]:
        bars.append(what)
        return lambda _done, _total: None

    base, *aligned = loaders(models)
    return alignment_tax(base, aligned, suites, out, plan=vector, strengths=[-1.0, 1.0], bar=bar), out, bars


def test_each_model_is_a_run_and_its_rows_make_the_tax(
    found: tuple[Alignment, Path, list[str]], models: list[ChatModel]
) -> None:
    own, out, bars = found
    base, mild, strict = (Run(out / name) for name in ("base", "aligned-1", "aligned-2"))
    assert bars == ["asking base", "asking mild", "asking strict"]
    assert [run.settings["model"] for run in (base, mild, strict)] == [model.name for model in models]
    assert [{row["strength"] for row in run.rows} for run in (base, mild, strict)] == [
        {0.0},
        {0.0},
        {-1.0, 0.0, 1.0},
    ]
    assert own.base == "base"
    plain = [row for row in strict.rows if row["strength"] == 0]
    assert repr(own.doses) == repr([dose(base.rows, mild.rows, "mild"), dose(base.rows, plain, "strict")])
    assert repr(own.back) == repr(given_back(base.rows, strict.rows))
    assert set(own.doses[0].suites) == {"good", "chosen"}


def test_the_file_is_what_was_found(found: tuple[Alignment, Path, list[str]]) -> None:
    own, out, _ = found
    text = (out / "tax.json").read_text()
    assert json.loads(text) == json.loads(json.dumps(tax_fields(own), allow_nan=False))
    read = json.loads(text)
    assert [entry["model"] for entry in read["doses"]] == ["mild", "strict"]
    assert [entry["strength"] for entry in read["given_back"]] == [-1, 0, 1]
    for entry in read["doses"]:
        tax = entry["tax"]
        assert abs(tax["total"] - tax["refused"] - tax["invalid"] - tax["ability"]) < 1e-12


def test_it_is_taken_up_where_it_was_stopped(
    found: tuple[Alignment, Path, list[str]], models: list[ChatModel], suites: list[Suite], vector: Vector
) -> None:
    own, out, _ = found
    before = {path: path.read_bytes() for path in out.rglob("rows.jsonl")}
    base, *aligned = loaders(models)
    assert repr(alignment_tax(base, aligned, suites, out, plan=vector, strengths=[-1.0, 1.0])) == repr(own)
    assert {path: path.read_bytes() for path in out.rglob("rows.jsonl")} == before


def test_what_cannot_be_is_said_before_a_model_is_loaded(
    models: list[ChatModel], suites: list[Suite], tmp_path: Path
) -> None:
    seen: list[str] = []
    base, *aligned = loaders(models, seen)
    cases: list[dict[str, Any]] = [
        {"suites": suites[:1]},
        {"suites": []},
        {"aligned": []},
        {"weights": {"good": 1.0}},
        {"weights": {"good": 1.0, "chosen": 1.0, "bad": 1.0}},
        {"weights": {}},
    ]
    for case in cases:
        given: dict[str, Any] = {"aligned": aligned, "suites": suites, "weights": None, **case}
        with pytest.raises(RunError, match=r"got [^\n]+; expected [^\n]+; do this: [^\n]+"):
            alignment_tax(base, out=tmp_path / "out", **given)
    for weight in (math.nan, math.inf, -1.0):
        with pytest.raises(
            JudgeError, match=rf"got weights [^\n]*chosen = {weight:g}[^\n]*; do this: [^\n]+"
        ):
            alignment_tax(base, aligned, suites, tmp_path / "out", weights={"good": 1.0, "chosen": weight})
    with pytest.raises(JudgeError, match="not all 0"):
        alignment_tax(base, aligned, suites, tmp_path / "out", weights={"good": 0.0, "chosen": 0.0})
    assert seen == []
    assert not (tmp_path / "out").exists()


def test_a_model_twice_is_refused_before_it_is_asked(
    models: list[ChatModel], suites: list[Suite], tmp_path: Path
) -> None:
    base, *_ = loaders(models)
    with pytest.raises(RunError, match="base twice"):
        alignment_tax(base, [base], suites, tmp_path)
    assert not (tmp_path / "aligned-1").exists()


def test_weights_are_of_work_alone(models: list[ChatModel], suites: list[Suite], tmp_path: Path) -> None:
    base, *aligned = loaders(models[:2])
    own = alignment_tax(base, aligned, suites, tmp_path, weights={"good": 3.0, "chosen": 1.0}, limit=4).doses[
        0
    ]
    assert own.tax.n == 8
    assert own.tax.total == pytest.approx((3 * own.suites["good"].total + own.suites["chosen"].total) / 4)
