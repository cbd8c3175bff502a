"""What the plain model said is asked once for all runs, and a cache that fails costs time only."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steer_evals import answering, engines
from steer_evals.baseline import VARIABLE, baseline_hash, keep_rows, kept_rows
from steer_evals.rows import Row
from steer_evals.run import Run
from steer_evals.suites import Suite, load_suite
from steer_evals.sweep import sweep
from steer_vectors.models import ChatModel

PROMPTS = ["Hi", "Name a colour.", "How do I kill a process?"]
SweepIt = Callable[..., Run]


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The strengths of all answers and choices that the model was really asked for."""
    found: list[float] = []
    inner = engines.engine

    def named(*wanted: Any) -> Any:
        write = inner(*wanted)

        def counting(model: ChatModel, recipe: Any, rows: Any, **more: Any) -> Any:
            found.extend(row.strength for row in rows)
            return write(model, recipe, rows, **more)

        return counting

    likelihoods = answering.likelihoods

    def scoring(model: ChatModel, recipe: Any, texts: Any, strengths: Any, **more: Any) -> Any:
        found.extend(strengths)
        return likelihoods(model, recipe, texts, strengths, **more)

    monkeypatch.setattr("steer_evals.sweep.engine_named", named)
    monkeypatch.setattr(answering, "likelihoods", scoring)
    return found


@pytest.fixture
def suites(tmp_path: Path, write_suite: Callable[..., Path]) -> list[Suite]:
    choices = [{"prompt": p, "choices": ["red", "Rome"], "gold": 1} for p in PROMPTS]
    return [
        load_suite(
            write_suite(
                tmp_path, "plain", [{"prompt": p} for p in PROMPTS], axis="benign_refusal", kind="refusal"
            )
        ),
        load_suite(write_suite(tmp_path, "chosen", choices, axis="capability_likelihood", kind="choice")),
    ]


@pytest.fixture
def sweep_it(tmp_path: Path, tiny_llama: ChatModel, make_vector: Any, suites: list[Suite]) -> SweepIt:
    def run(name: str, seed: int, **more: Any) -> Run:
        given: dict[str, Any] = {"suites": suites, "strengths": [1.0], "control": False, **more}
        return sweep(
            given.pop("model", tiny_llama), make_vector(tiny_llama, seed=seed), out=tmp_path / name, **given
        )

    return run


def plain(run: Run) -> list[Row]:
    return sorted((row for row in run.rows if row["strength"] == 0), key=lambda row: row["item"])


def test_another_vector_finds_strength_0_answered(cache: Path, asked: list[float], sweep_it: SweepIt) -> None:
    first = sweep_it("one", 1)
    assert set(asked) == {0.0, 1.0}
    asked.clear()
    second = sweep_it("two", 2)
    assert set(asked) == {1.0}
    assert plain(first) == plain(second)
    assert len(plain(second)) == 2 * len(PROMPTS)
    assert len(list(cache.iterdir())) == 2, "one file for each suite"


def test_other_settings_have_a_baseline_of_their_own(
    cache: Path, asked: list[float], sweep_it: SweepIt
) -> None:
    sweep_it("one", 1)
    changes: list[dict[str, Any]] = [{"temperature": 0.5}, {"limit": 2}]
    for n, change in enumerate(changes):
        asked.clear()
        sweep_it(f"other-{n}", 1, **change)
        assert 0.0 in asked


def test_the_name_of_a_model_is_no_part_of_what_it_says(
    cache: Path, asked: list[float], sweep_it: SweepIt, tiny_llama: ChatModel
) -> None:
    sweep_it("one", 1)
    asked.clear()
    sweep_it("two", 1, model=ChatModel(tiny_llama.hf, tiny_llama.tokenizer, "another name"))
    assert 0.0 not in asked


def test_every_setting_is_in_the_hash() -> None:
    one = {"a": 1, "b": {"c": 2}}
    assert baseline_hash(one) == baseline_hash({"b": {"c": 2}, "a": 1})
    assert len({baseline_hash(x) for x in (one, {**one, "a": 2}, {**one, "b": {"c": 3}}, {"a": 1})}) == 4


def test_a_torn_file_gives_what_is_whole(cache: Path, asked: list[float], sweep_it: SweepIt) -> None:
    first = sweep_it("one", 1)
    for path in cache.iterdir():
        path.write_bytes(path.read_bytes()[:-20])
    asked.clear()
    assert plain(sweep_it("two", 2)) == plain(first)
    assert asked.count(0.0) == 2, "the one of each suite that was torn"
    asked.clear()
    sweep_it("three", 3)
    assert 0.0 not in asked, "the file is whole again"


@pytest.mark.parametrize("junk", [b"\xff\xfe junk\n", b'{"suite": "of an older version"}\n', b"[]\n", b""])
def test_what_is_no_row_is_asked_again(
    cache: Path, asked: list[float], sweep_it: SweepIt, junk: bytes
) -> None:
    first = sweep_it("one", 1)
    for path in cache.iterdir():
        path.write_bytes(junk)
    asked.clear()
    assert plain(sweep_it("two", 2)) == plain(first)
    assert 0.0 in asked
    assert all(
        json.loads(line)["strength"] == 0 for p in cache.iterdir() for line in p.read_text().splitlines()
    )


def test_a_cache_that_cannot_be_written_costs_time_only(
    cache: Path, tmp_path: Path, sweep_it: SweepIt, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    for place in (tmp_path / "file", tmp_path / "file" / "below"):
        monkeypatch.setenv(VARIABLE, str(place))
        assert len(plain(sweep_it(f"run-{len(place.parts)}", 1))) == 2 * len(PROMPTS)
    assert (tmp_path / "file").read_bytes() == b""


def test_an_empty_name_keeps_nothing(
    tmp_path: Path, asked: list[float], sweep_it: SweepIt, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(VARIABLE, "")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    sweep_it("one", 1)
    asked.clear()
    sweep_it("two", 2)
    assert 0.0 in asked
    assert not (tmp_path / "xdg").exists()
    monkeypatch.delenv(VARIABLE)
    sweep_it("three", 3)
    assert len(list((tmp_path / "xdg/steerdial/baselines").iterdir())) == 2


def test_fewer_rows_never_replace_more(cache: Path, sweep_it: SweepIt) -> None:
    run = sweep_it("one", 1)
    name = run.settings["baselines"]["plain"]
    rows = kept_rows(name)
    keep_rows(name, rows[:1])
    assert kept_rows(name) == rows
    assert kept_rows("0" * 64) == []
