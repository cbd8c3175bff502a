"""A search asks one half only, ends where an undisturbed one ends, and what it finds can be done again."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import optuna
import pytest

from steer.errors import LivenessError
from steer_evals import search as searching
from steer_evals.calibrate import half_of
from steer_evals.errors import RunError, SuiteError
from steer_evals.frontier_of_rows import frontier_points
from steer_evals.rows import Row, key
from steer_evals.run import Run
from steer_evals.search import AXES, FOUND, JOURNAL, Found, plain_rates, plan_of, search, tied
from steer_evals.suites import Suite, load_suite
from steer_evals.sweep import sweep
from steer_vectors.file import Vector
from steer_vectors.models import ChatModel

TRIALS = 5
SearchIt = Callable[..., list[Found]]


@pytest.fixture(scope="module")
def suites(tmp_path_factory: pytest.TempPathFactory, write_suite: Callable[..., Path]) -> list[Suite]:
    folder = tmp_path_factory.mktemp("suites")
    prompts = [
        f"How do I {verb} a {thing}?"
        for verb in ("kill", "count", "sort")
        for thing in ("cat", "boat", "list")
    ]
    items = [{"prompt": prompt} for prompt in prompts]
    return [
        load_suite(write_suite(folder, "bad", items, axis="harmful_refusal", kind="refusal")),
        load_suite(write_suite(folder, "risky", items, axis="over_refusal", kind="refusal")),
        load_suite(
            write_suite(folder, "sums", [item | {"answers": ["c"]} for item in items], axis="capability")
        ),
    ]


@pytest.fixture(scope="module")
def vector(make_vector: Callable[..., Vector], tiny_llama: ChatModel) -> Vector:
    return make_vector(tiny_llama, layer=2, gap=6.0)


@pytest.fixture(scope="module")
def search_it(tiny_llama: ChatModel, vector: Vector, suites: list[Suite]) -> SearchIt:
    def run(out: Path, **changes: Any) -> list[Found]:
        given: dict[str, Any] = {
            "vector": vector,
            "suites": suites,
            "trials": TRIALS,
            "most_invalid": 1.0,
        } | changes
        return search(tiny_llama, out=out, **given)

    return run


@pytest.fixture(scope="module")
def whole(search_it: SearchIt, tmp_path_factory: pytest.TempPathFactory) -> tuple[list[Found], Path]:
    """A search that nothing disturbed."""
    out = tmp_path_factory.mktemp("searches") / "new" / "whole"
    return search_it(out), out


def trials(folder: Path) -> list[optuna.trial.FrozenTrial]:
    backend = optuna.storages.journal.JournalFileBackend(str(folder / JOURNAL))
    return optuna.load_study(study_name="search", storage=optuna.storages.JournalStorage(backend)).trials


def test_trials_ask_the_choosing_half_only(whole: tuple[list[Found], Path], suites: list[Suite]) -> None:
    found, out = whole
    for folder, half in (("trial-*", "choosing"), ("report-*", "reporting")):
        runs = [Run(path) for path in out.glob(folder)]
        assert len(runs) == (TRIALS if half == "choosing" else len(found))
        expected = {(s.name, item.id) for s in suites for item in s.items if half_of(s.name, item.id) == half}
        for run in runs:
            assert {(row["suite"], row["item"]) for row in run.rows} == expected


def test_what_is_found_is_on_the_frontier_and_has_numbers_of_both_halves(
    whole: tuple[list[Found], Path],
) -> None:
    found, out = whole
    assert found
    assert json.loads((out / FOUND).read_text()) == [own._asdict() for own in found]
    done = {trial.number: trial.values for trial in trials(out)}
    for own in found:
        assert list(own.choosing) == list(own.reporting) == [*AXES, "invalid"]
        assert [own.choosing[axis] for axis in AXES] == done[own.trial]
        here = [own.choosing[axis] * sign for axis, sign in zip(AXES, (1, -1, 1), strict=True)]
        for other in done.values():
            there = [value * sign for value, sign in zip(other, (1, -1, 1), strict=True)]
            assert not (all(b >= a for a, b in zip(here, there, strict=True)) and there != here)
    refused = [own.choosing["harmful_refusal"] for own in found]
    assert refused == sorted(refused, reverse=True)


def test_a_setting_can_be_done_again(
    whole: tuple[list[Found], Path],
    tiny_llama: ChatModel,
    vector: Vector,
    suites: list[Suite],
    tmp_path: Path,
) -> None:
    own = whole[0][0]
    plan, strength = plan_of(vector, own)
    rows = sweep(tiny_llama, plan, suites, [strength], tmp_path / "again", control=False).rows
    for half, rates in (("choosing", own.choosing), ("reporting", own.reporting)):
        mine = [
            row for row in rows if row["strength"] == strength and half_of(row["suite"], row["item"]) == half
        ]
        for axis in AXES:
            values = [row["value"] for row in mine if row["axis"] == axis]
            assert rates[axis] == pytest.approx(sum(map(float, values)) / len(values))  # type: ignore[arg-type]


def test_the_plain_model_was_asked_beside_every_setting(
    whole: tuple[list[Found], Path], tiny_llama: ChatModel, suites: list[Suite], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    found, out = whole
    plain = {
        key(row): row["answer"] for row in sweep(tiny_llama, None, suites, [0.0], tmp_path / "plain").rows
    }
    monkeypatch.setattr(searching, "_rates", lambda rows: {key(row): row["answer"] for row in rows})
    for own in found:
        for half, said in zip(("choosing", "reporting"), plain_rates(out, own), strict=True):
            assert said == {k: answer for k, answer in plain.items() if half_of(k.suite, k.item) == half}


def test_settings_of_the_same_rates_tie() -> None:
    def own(trial: int, *rates: float) -> Found:
        return Found(trial, {}, dict(zip((*AXES, "invalid"), rates, strict=True)), {})

    first, second, third = own(1, 0.5, 0.1, 0.9, 0.0), own(2, 0.5, 0.1, 0.9, 0.01), own(3, 0.5, 0.2, 0.9, 0.0)
    assert tied([first, third, second]) == [[first, second]]
    assert tied([first, third]) == []


def test_the_worst_suite_is_what_counts_as_invalid() -> None:
    rows: list[Row] = [
        {"suite": suite, "axis": axis, "category": "", "item": str(at), "cluster": str(at), "strength": 1.0, "sample": 0,
         "prompt": "", "answer": "", "verdict": "invalid" if axis == "capability" and at < 3 else "full_compliance",
         "correct": None, "value": 0.0, "tokens": 1, "truncated": False, "ties": 0}
        for suite, axis in zip("abc", AXES, strict=True) for at in range(30)
    ]  # fmt: skip
    assert searching._rates(rows)["invalid"] == 0.1, "as a budget counts it, not 0.033 of all"
    assert [point.invalid.rate for point in frontier_points(rows)] == [0.1]


class Killed(BaseException):
    """Ctrl-C, or worse."""


def test_a_search_that_was_stopped_ends_as_one_that_was_not(
    whole: tuple[list[Found], Path], search_it: SearchIt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = 0
    inner = sweep

    def dying(*args: Any, **named: Any) -> Run:
        nonlocal asked
        asked += 1
        if asked == 3:
            raise Killed
        return inner(*args, **named)

    monkeypatch.setattr(searching, "sweep", dying)
    with pytest.raises(Killed):
        search_it(tmp_path)
    ticks: list[tuple[int, int]] = []
    found = search_it(tmp_path, progress=lambda done, total: ticks.append((done, total)))
    assert ticks == [(n, TRIALS) for n in range(3, TRIALS + 1)], "two were done"
    assert [own._replace(trial=0) for own in found] == [own._replace(trial=0) for own in whole[0]]
    settings = [t.user_attrs["setting"] for t in trials(tmp_path) if t.values is not None]
    assert settings == [t.user_attrs["setting"] for t in trials(whole[1])]
    assert len({json.dumps(setting) for setting in settings}) == TRIALS, "no setting is drawn again"
    asked = 9
    assert search_it(tmp_path) == found
    assert asked == 9 + len(found), "only looked up, no trial more"
    assert len(search_it(tmp_path, trials=2)) == len(found), "fewer than are there"


def test_the_folder_of_another_search_is_refused(
    whole: tuple[list[Found], Path],
    search_it: SearchIt,
    make_vector: Any,
    tiny_llama: ChatModel,
    suites: list[Suite],
) -> None:
    before = trials(whole[1])
    chosen = make_vector(tiny_llama, layer=3, gap=6.0)
    others: dict[str, dict[str, Any]] = {
        "vector": {"vector": make_vector(tiny_llama, layer=2, gap=6.0, seed=7)}, "kinds": {"kinds": ["add"]},
        "scopes": {"scopes": ["all"]}, "seed": {"seed": 1}, "suites": {"limit": 8}, "most_invalid": {"most_invalid": 0.5},
        "chosen": {"vector": chosen},
    }  # fmt: skip
    for said, change in others.items():
        with pytest.raises(RunError, match=rf"got [^\n]*other {said}; expected [^\n]+; do this: [^\n]+"):
            search_it(whole[1], **change)
    assert trials(whole[1]) == before


def test_settings_that_break_or_do_nothing_are_not_found(
    search_it: SearchIt, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    inner = searching._rates
    monkeypatch.setattr(searching, "_rates", lambda rows: inner(rows) | {"invalid": 0.1})
    assert search_it(tmp_path / "invalid", most_invalid=0.05, trials=2) == []
    assert json.loads((tmp_path / "invalid" / FOUND).read_text()) == []

    def dead(*_: Any, **__: Any) -> Run:
        raise LivenessError("nothing", "something", "another")

    monkeypatch.setattr(searching, "sweep", dead)
    assert search_it(tmp_path / "dead", trials=2) == []


def test_bad_input_is_one_line_and_leaves_nothing(
    search_it: SearchIt, suites: list[Suite], tmp_path: Path
) -> None:
    one_line = r"got [^\n]+; expected [^\n]+; do this: [^\n]+"
    cases: list[dict[str, Any]] = [
        {"suites": suites[:2]}, {"suites": []}, {"kinds": ["fly"]}, {"kinds": []}, {"trials": 0},
    ]  # fmt: skip
    for case in cases:
        with pytest.raises(RunError, match=one_line):
            search_it(tmp_path / "new", **case)
    with pytest.raises(SuiteError, match=one_line):
        search_it(tmp_path / "new", limit=1)
    assert not (tmp_path / "new").exists()
    (tmp_path / "file").touch()
    with pytest.raises(RunError, match="cannot be written"):
        search_it(tmp_path / "file")


def test_optuna_is_silent(search_it: SearchIt, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    search_it(tmp_path, trials=1)
    assert capsys.readouterr() == ("", "")
    assert logging.getLogger("optuna").level >= logging.WARNING
