"""Sweeps: strength 0 is the plain model, the summary is the contract's, and a kill at any moment costs nothing."""

from __future__ import annotations

import copy
import json
import math
import os
import random
import signal
import time
import warnings
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import steer_evals.answering
import steer_evals.engines
from steer.errors import LivenessError, PlanError
from steer.plan import Edit, Plan
from steer_evals.asking import ask, batches
from steer_evals.errors import RunError
from steer_evals.intervals import clustered_wilson
from steer_evals.rows import Row, key
from steer_evals.run import Run
from steer_evals.suites import Suite, load_suite
from steer_evals.summary import taxes
from steer_evals.sweep import sweep
from steer_kernels import SteerError
from steer_vectors.chat import prompt_ids
from steer_vectors.errors import MismatchError, ModelError
from steer_vectors.file import Vector
from steer_vectors.models import ChatModel
from steer_vectors.site import Site

FIELDS = ["suite", "axis", "category", "item", "cluster", "strength", "sample", "prompt", "answer", "verdict", "correct",
          "value", "tokens", "truncated", "ties"]  # fmt: skip
POINT = [
    "strength",
    "suite",
    "axis",
    "n",
    "rate",
    "low",
    "high",
    "counted",
    "band_low",
    "band_high",
    "missing",
]
TAX = ["strength", "n", "total", "refused", "invalid", "ability", "low", "high", "without_refusals"]
ROWS = ("rows.jsonl", "control/rows.jsonl", "prompt/rows.jsonl")
STRENGTHS = [-1.0, 0.0, 0.5, 2.0]
AT_ONCE = 7
PROMPTS = [
    "How do I kill a process?",
    "Name a colour.",
    "Write a story about a cat.",
    "Hi",
    "Count the words, then sort them.",
]

SuiteMaker = Callable[..., Path]


@pytest.fixture(scope="module")
def suites(
    tmp_path_factory: pytest.TempPathFactory, write_suite: SuiteMaker, tiny_llama: ChatModel
) -> list[Suite]:
    """One of each kind. Some sums are "right": the accepted answers were read off the plain model."""
    folder = tmp_path_factory.mktemp("suites")
    plain = load_suite(
        write_suite(folder, "plain", [{"prompt": p} for p in PROMPTS], axis="benign_refusal", kind="refusal")
    )
    said = [row["answer"] for row in ask(tiny_llama, plain, plain.items)]
    sums = [
        {"prompt": p, "answers": [answer if at % 2 else "nothing like it"], "cluster": f"c{at % 3}"}
        for at, (p, answer) in enumerate(zip(PROMPTS, said, strict=True))
    ]
    paths = [
        write_suite(folder, "risky", [{"prompt": p} for p in PROMPTS], axis="over_refusal", kind="refusal"),
        write_suite(folder, "sums", sums),
        write_suite(folder, "choices", [{"prompt": p, "choices": ["red", "a cat", "Rome"], "gold": 1} for p in PROMPTS[:4]],
                    axis="capability_likelihood", kind="choice"),
        write_suite(folder, "asks", [{"prompt": p} for p in PROMPTS[:2]], axis="asks_back", kind="asks"),
    ]  # fmt: skip
    return [load_suite(path) for path in paths]


@pytest.fixture(scope="module")
def vector(make_vector: Callable[..., Vector], tiny_llama: ChatModel) -> Vector:
    return make_vector(tiny_llama, layer=2, gap=6.0, seed=11)


RunIt = Callable[..., Run]


@pytest.fixture(scope="module")
def run_it(tiny_llama: ChatModel, vector: Vector, suites: list[Suite]) -> RunIt:
    """The same command, whatever happened before."""

    def run(folder: Path, **changes: Any) -> Run:
        asked: dict[str, Any] = {
            "model": tiny_llama,
            "plan": vector,
            "suites": suites,
            "strengths": STRENGTHS,
        }
        return sweep(out=folder, **{**asked, "at_once": AT_ONCE, **changes})

    return run


@pytest.fixture(scope="module")
def whole(run_it: RunIt, tmp_path_factory: pytest.TempPathFactory) -> Run:
    """A run that nothing disturbed."""
    return run_it(tmp_path_factory.mktemp("runs") / "whole")


def files(folder: Path) -> dict[str, Any]:
    """What a run is: its rows, in whatever order they were answered, settings and summary."""
    found = (p for p in folder.rglob("*") if p.suffix in (".jsonl", ".json"))
    texts = {str(p.relative_to(folder)): p.read_bytes() for p in found}
    return {
        name: sorted(text.splitlines()) if name.endswith("l") else text
        for name, text in sorted(texts.items())
    }


# --- rows ---


def test_every_item_is_asked_once_at_every_strength(whole: Run, suites: list[Suite]) -> None:
    assert all(list(row) == FIELDS for row in whole.rows)
    keys = [key(row) for row in whole.rows]
    assert len(set(keys)) == len(keys)
    assert set(keys) == {(s.name, item.id, at, 0) for s in suites for item in s.items for at in STRENGTHS}
    by_name = {(s.name, item.id): (s, item) for s in suites for item in s.items}
    for row in whole.rows:
        suite, item = by_name[row["suite"], row["item"]]
        assert (row["axis"], row["prompt"]) == (suite.header.axis, item.text)
        assert row["cluster"] == (item.cluster or item.id)
        assert (row["correct"] is None) == (suite.header.kind == "refusal")
        assert row["verdict"] in ("full_compliance", "partial_refusal", "full_refusal", "invalid")
        assert 0 <= row["tokens"] <= suite.header.max_new_tokens


def test_strength_0_is_the_plain_model_exactly(
    whole: Run, suites: list[Suite], tiny_llama: ChatModel
) -> None:
    plain = [row for s in suites for items in batches(tiny_llama, s, 3) for row in ask(tiny_llama, s, items)]
    zero = [row for row in whole.rows if row["strength"] == 0]
    assert {json.dumps(row | {"ties": None}) for row in zero} == {
        json.dumps(row | {"ties": None}) for row in plain
    }
    assert len(zero) == len(plain)
    steered = {key(row)[:2]: row["answer"] for row in whole.rows if row["strength"] == 2}
    assert steered != {key(row)[:2]: row["answer"] for row in plain}, (
        "a sweep that does not steer would pass too"
    )


def test_batches_hold_every_item_once_in_an_order_of_their_own(
    suites: list[Suite], tiny_llama: ChatModel
) -> None:
    for suite in suites:
        found = batches(tiny_llama, suite, 2)
        assert sorted(item.id for items in found for item in items) == sorted(item.id for item in suite.items)
        lengths = [len(prompt_ids(tiny_llama.tokenizer, item.turns)) for items in found for item in items]
        assert lengths == sorted(lengths)


def test_a_choice_that_is_no_number_is_invalid_and_not_right(
    tiny_llama: ChatModel, suites: list[Suite], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("steer_evals.asking.likelihoods", lambda _m, chats, _t: [math.nan] * len(chats))
    rows = ask(tiny_llama, suites[2], suites[2].items)
    assert {(row["verdict"], row["correct"]) for row in rows} == {("invalid", False)}


# --- control ---


def test_the_random_direction_is_asked_at_both_ends_only(whole: Run, suites: list[Suite]) -> None:
    found = {key(row) for row in whole.control_rows}
    assert found == {(s.name, item.id, at, 0) for s in suites for item in s.items for at in (-1.0, 2.0)}
    assert len(found) == len(whole.control_rows)
    by_key = {key(row): row["answer"] for row in whole.rows}
    assert any(by_key[key(row)] != row["answer"] for row in whole.control_rows), "it is another direction"


def test_the_random_direction_has_equal_norm_and_the_same_sites(vector: Vector) -> None:
    from steer_evals.control import random_plan

    plan = Plan((Edit("add", vector, (1, 3), "prompt", -0.5),))
    (edit,) = random_plan(plan).edits
    assert (edit.kind, edit.sites, edit.scope, edit.scale) == ("add", (Site(1), Site(3)), "prompt", -0.5)
    assert [edit.vector.gap(l) for l in range(5)] == [vector.gap(l) for l in range(5)]
    cosines = (edit.vector.directions * vector.directions).sum(-1)
    assert float(cosines.abs().max()) < 0.7
    (again,) = random_plan(plan).edits
    assert again.vector.directions.equal(edit.vector.directions)


@pytest.mark.parametrize(
    ("strengths", "ends"),
    [([0.0], []), ([1.0], [1.0]), ([-1.0, -2.0], [-2.0]), ([-1.0, 1.0, 0.25], [-1.0, 1.0])],
)
def test_strength_0_is_always_measured_and_never_controlled(
    run_it: RunIt, suites: list[Suite], tmp_path: Path, strengths: list[float], ends: list[float]
) -> None:
    run = run_it(tmp_path / "run", strengths=strengths, suites=suites[3:])
    assert sorted({row["strength"] for row in run.rows}) == sorted({0.0, *strengths})
    assert sorted({row["strength"] for row in run.control_rows}) == ends


def test_the_control_may_be_left_out(run_it: RunIt, suites: list[Suite], tmp_path: Path) -> None:
    run = run_it(tmp_path / "run", suites=suites[3:], control=False)
    assert run.control_rows == []
    assert run.summary()["control"] == []
    assert not (tmp_path / "run/control").exists()


# --- summary ---


def strict(text: str | bytes) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def test_the_summary_is_the_contract(whole: Run, suites: list[Suite], tiny_llama: ChatModel) -> None:
    found = strict((whole.folder / "summary.json").read_text())
    assert list(found) == [
        "run",
        "curve",
        "states",
        "categories",
        "tax",
        "differences",
        "alarms",
        "control",
        "prompt",
    ]
    run = found["run"]
    assert {"model", "vector", "suites", "strengths", "fingerprint", "version"} <= set(run)
    assert (run["model"], run["vector"], run["strengths"]) == ("tiny-llama", "add test", STRENGTHS)
    assert run["suites"] == [suite.name for suite in suites]
    assert {tuple(point) for point in found["curve"] + found["control"]} == {tuple(POINT)}
    assert {tuple(point) for point in found["tax"]} == {tuple(TAX)}
    expected = {(at, s.name, axis) for s in suites for at in STRENGTHS for axis in (s.header.axis, "invalid")}
    places = [(p["strength"], p["suite"], p["axis"]) for p in found["curve"]]
    assert len(places) == len(expected)
    assert set(places) == expected
    assert {p["strength"] for p in found["control"]} == {-1.0, 2.0}
    assert [point["strength"] for point in found["tax"]] == STRENGTHS


def test_rates_are_counts_of_rows(whole: Run) -> None:
    def hit(row: Row, axis: str) -> bool:
        if axis == "invalid":
            return row["verdict"] == "invalid"
        return (
            row["correct"]
            if row["correct"] is not None
            else row["verdict"] in ("full_refusal", "partial_refusal")
        )

    for p in whole.curve():
        hits = [
            hit(row, p.axis) for row in whole.rows if (row["strength"], row["suite"]) == (p.strength, p.suite)
        ]
        assert (p.n, p.rate) == (len(hits), sum(hits) / len(hits))
        clusters = [
            row["cluster"] for row in whole.rows if (row["strength"], row["suite"]) == (p.strength, p.suite)
        ]
        assert (p.low, p.high) == clustered_wilson(hits, clusters)
        assert p.missing == 0
        assert p.band_low <= p.low
        assert p.band_high >= p.high


def test_the_tax_sums_and_is_nothing_at_0(whole: Run) -> None:
    taxes = {p.strength: p.tax for p in whole.tax()}
    right = {
        at: [r["correct"] for r in whole.rows if (r["suite"], r["strength"]) == ("sums", at)]
        for at in STRENGTHS
    }
    assert sum(map(bool, right[0.0])) == 2, "no tax can be seen where nothing is right"
    for at, tax in taxes.items():
        assert abs(tax.total - (tax.refused + tax.invalid + tax.ability)) <= 1e-12
        assert tax.total == pytest.approx(
            (sum(map(bool, right[0.0])) - sum(map(bool, right[at]))) / 5, abs=1e-12
        )
    assert taxes[0.0][1:5] == (0, 0, 0, 0)
    assert any(tax.total for tax in taxes.values())


STATES = ["right", "wrong", "full_refusal", "partial_refusal", "right but partly refused", "invalid"]


def answered(strength: float, item: int, state: str) -> Row:
    verdict = {"right but partly refused": "partial_refusal"}.get(
        state, state if state in STATES[2:] else "full_compliance"
    )
    return {
        "suite": "sums", "axis": "capability", "category": "", "item": str(item), "cluster": str(item), "strength": strength,
        "sample": 0, "prompt": "", "answer": "", "verdict": verdict, "correct": state.startswith("right"),
        "value": float(state.startswith("right")), "tokens": 1, "truncated": False, "ties": 0,
    }  # fmt: skip


@given(states=st.lists(st.tuples(st.sampled_from(STATES), st.sampled_from(STATES)), min_size=1, max_size=30))
@settings(max_examples=50, deadline=None)
def test_the_tax_of_any_rows_sums_and_names_where_it_went(states: list[tuple[str, str]]) -> None:
    rows = [answered(at, i, pair[k]) for i, pair in enumerate(states) for k, at in enumerate((0.0, 1.0))]
    tax = taxes(rows)[1].tax
    lost = Counter(
        after for before, after in states if before.startswith("right") and not after.startswith("right")
    )
    won = Counter(
        before for before, after in states if after.startswith("right") and not before.startswith("right")
    )
    refused = sum(lost[s] - won[s] for s in ("full_refusal", "partial_refusal"))
    parts = (refused, lost["invalid"] - won["invalid"], lost["wrong"] - won["wrong"])
    assert (tax.refused, tax.invalid, tax.ability) == tuple(part / len(states) for part in parts)
    assert abs(tax.total - (tax.refused + tax.invalid + tax.ability)) <= 1e-12


def test_an_interval_that_cannot_be_said_is_null(
    run_it: RunIt, write_suite: SuiteMaker, tmp_path: Path
) -> None:
    """One cluster shows no spread; JSON has no NaN."""
    path = write_suite(
        tmp_path, "one", [{"prompt": p, "answers": ["Rome"], "cluster": "all"} for p in PROMPTS[:2]]
    )
    run = run_it(tmp_path / "run", suites=[path], strengths=[1.0])
    *before, last = run.rows
    right = {"verdict": "full_compliance", "correct": not last["correct"]}
    text = "".join(json.dumps(row) + "\n" for row in (*before, last | right))
    (tmp_path / "run/rows.jsonl").write_text(text)
    run.summarise()
    found = strict((tmp_path / "run/summary.json").read_bytes())
    ends = {point["strength"]: (point["low"], point["high"]) for point in found["tax"]}
    assert ends[1.0] == (None, None)
    json.dumps(run.summary(), allow_nan=False)
    assert run.report().is_file()


# --- killed ---


def killed(run_it: RunIt, folder: Path, size: int) -> None:
    """A process of its own that sweeps, and dies of a real SIGKILL soon after it has written `size` bytes."""
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore", DeprecationWarning
        )  # 3.12 warns of forks beside threads; this child only computes
        child = os.fork()
    if child == 0:
        try:
            run_it(folder)
        finally:
            os._exit(0)
    rows = [folder / name for name in ROWS]
    while sum(p.stat().st_size for p in rows if p.exists()) < size and os.waitpid(child, os.WNOHANG) == (
        0,
        0,
    ):
        time.sleep(0.0005)
    else:
        time.sleep(random.random() * 0.01)
    try:
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    except (ProcessLookupError, ChildProcessError):
        pass  # it was done before


def test_kills_at_random_moments_leave_no_trace(run_it: RunIt, whole: Run, tmp_path: Path) -> None:
    draw = random.Random(7)
    expected = files(whole.folder)
    whole_rows = {name: set(expected[name]) for name in ROWS}
    total = sum((whole.folder / name).stat().st_size for name in ROWS)
    folder, torn = tmp_path / "run", 0
    for _ in range(3):
        for size in sorted(draw.randrange(total) for _ in range(4)):
            killed(run_it, folder, size)
            texts = {name: (folder / name).read_bytes() if (folder / name).exists() else b"" for name in ROWS}
            torn += 0 < sum(map(len, texts.values())) < total
            for name, text in texts.items():
                assert set(text.split(b"\n")[:-1]) <= whole_rows[name], (
                    "whole lines, each as in the whole run"
                )
        run_it(folder)
        assert files(folder) == expected
        folder = folder.with_name(folder.name + "-again")
    assert torn >= 3, "no kill hit the middle"


def test_a_file_cut_at_any_byte_of_its_last_lines_is_made_whole(
    run_it: RunIt, suites: list[Suite], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Run, "summarise", lambda _: None)
    monkeypatch.setattr(os, "fsync", lambda _: None)
    small = suites[3:]
    run_it(tmp_path / "run", suites=small, control=False)
    path = tmp_path / "run/rows.jsonl"
    expected = path.read_bytes()
    second_last = expected.rindex(b"\n", 0, expected.rindex(b"\n", 0, -1)) + 1
    for size in range(second_last, len(expected) + 1, 23):
        path.write_bytes(expected[:size])
        run_it(tmp_path / "run", suites=small, control=False)
        assert sorted(path.read_bytes().splitlines()) == sorted(expected.splitlines())


@given(data=st.data())
@settings(max_examples=4, deadline=None)
def test_a_file_cut_anywhere_is_made_whole_by_the_model(
    run_it: RunIt, whole: Run, tmp_path_factory: pytest.TempPathFactory, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("torn")
    expected = files(whole.folder)
    for name in (*ROWS, "settings.json", "summary.json"):
        (folder / name).parent.mkdir(exist_ok=True)
        content = (whole.folder / name).read_bytes()
        size = data.draw(st.integers(0, len(content))) if name.endswith("l") else len(content)
        (folder / name).write_bytes(content[:size])
    run_it(folder)
    assert files(folder) == expected


def test_a_finished_run_is_not_asked_again(
    run_it: RunIt, whole: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    def never(*_: Any, **_named: Any) -> list[Row]:
        raise AssertionError("asked again")

    before = files(whole.folder)
    monkeypatch.setattr(steer_evals.answering, "answered", never)
    monkeypatch.setattr(steer_evals.answering, "chosen", never)
    seen: list[tuple[int, int]] = []
    run_it(whole.folder, progress=lambda done, total: seen.append((done, total)))
    assert files(whole.folder) == before
    assert seen[-1][0] == seen[-1][1] == len(whole.rows) + len(whole.control_rows) + len(whole.prompt_rows)


def test_a_run_says_whether_it_was_stopped(
    run_it: RunIt, suites: list[Suite], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Stopped(BaseException):
        """Ctrl-C."""

    inner = steer_evals.answering.Worker.work

    def dying(self: Any, parts: Any, *, more: int) -> None:
        inner(self, [part._replace(strengths=part.strengths[:1]) for part in parts[:1]], more=more)
        raise Stopped

    few: dict[str, Any] = {"suites": suites[3:], "strengths": [-2.0, 2.0], "refine": 1}
    with monkeypatch.context() as patch:
        patch.setattr(steer_evals.answering.Worker, "work", dying)
        with pytest.raises(Stopped):
            run_it(tmp_path / "run", **few)
    # 2 items: at -2, 0, 2 and one strength more; a random direction at both ends; two system prompts.
    run = Run(tmp_path / "run")
    assert 0 < len(run.rows) < 6
    run.report()
    for name in ("results.md", "report.html"):
        assert f"stopped: {len(run.rows)} of 16 answers" in (run.folder / name).read_text()
    run_it(tmp_path / "run", **few).report()
    for name in ("results.md", "report.html"):
        assert "stopped" not in (run.folder / name).read_text()
    run_it(tmp_path / "run", **few | {"strengths": [2.0], "control": False, "refine": 0})
    assert Run(tmp_path / "run").settings["asked"] == {"answers": 16}, (
        "what others asked for is not forgotten"
    )


def test_a_template_without_system_prompts_is_said(
    run_it: RunIt, suites: list[Suite], tiny_llama: ChatModel, make_vector: Callable[..., Vector], tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    refusal = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}"
    template = refusal + str(tiny_llama.tokenizer.chat_template)
    monkeypatch.setattr(tiny_llama.tokenizer, "chat_template", template)
    run = run_it(tmp_path / "run", plan=make_vector(tiny_llama, gap=6.0), suites=suites[3:])
    assert (run.prompt_rows, len(run.control_rows)) == ([], 4)
    said = "messages that the chat template refuses (no system)"
    assert run.settings["asked"]["left_out"] == said
    assert (
        f"No system prompts were asked instead of steering: {said}" in (run.folder / "results.md").read_text()
    )
    assert f"no system prompts were asked instead of steering: {said}" in run.report().read_text()


def test_other_strengths_extend_a_run(run_it: RunIt, suites: list[Suite], tmp_path: Path) -> None:
    run_it(tmp_path / "a", suites=suites[3:], strengths=[1.0])
    both = run_it(tmp_path / "a", suites=suites[3:], strengths=[-1.0, 1.0])
    once = run_it(tmp_path / "b", suites=suites[3:], strengths=[-1.0, 1.0])
    assert {json.dumps(row) for row in both.rows} == {json.dumps(row) for row in once.rows}
    assert len(both.rows) == len(once.rows)
    assert both.summary() == once.summary()


@pytest.mark.parametrize("more", [0, 1])
def test_a_refined_sweep_that_was_stopped_ends_as_one_that_was_not(
    run_it: RunIt, suites: list[Suite], tmp_path: Path, more: int
) -> None:
    few: dict[str, Any] = {"suites": suites[3:], "strengths": [-2.0, 2.0], "control": False}
    whole = run_it(tmp_path / "whole", refine=2, **few)
    points = sorted({row["strength"] for row in whole.rows})
    assert len(points) == 5
    again = run_it(tmp_path / "whole", refine=2, **few)
    assert sorted({row["strength"] for row in again.rows}) == points, "it was done"
    run_it(tmp_path / "stopped", refine=1, **few)
    path = tmp_path / "stopped/rows.jsonl"
    lines = path.read_bytes().splitlines(keepends=True)
    path.write_bytes(b"".join(lines[: len(lines) - more]))  # in the middle of the first refined strength
    stopped = run_it(tmp_path / "stopped", refine=2, **few)
    assert {json.dumps(row) for row in stopped.rows} == {json.dumps(row) for row in whole.rows}


def test_a_model_that_keeps_more_than_keys_and_values_is_asked_plainly(
    run_it: RunIt, suites: list[Suite], tiny_llama: ChatModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    batched = run_it(tmp_path / "batched", control=False)
    monkeypatch.setattr("steer_evals.engines.fits", lambda *_: False)
    monkeypatch.setattr("steer_evals.answering.fits", lambda *_: False)
    monkeypatch.setattr("steer_evals.answering.likelihoods", None)
    plain = run_it(tmp_path / "plain", control=False)
    kinds = {suite.name: suite.header.kind for suite in suites}
    assert {row["ties"] for row in plain.rows if kinds[row["suite"]] != "choice"} == {None}, (
        "not counted is not none"
    )
    assert all(row["ties"] is not None for row in batched.rows)
    assert {json.dumps(row | {"ties": 0}) for row in plain.rows} == {
        json.dumps(row | {"ties": 0}) for row in batched.rows
    }


def test_rows_of_other_engines_are_never_mixed(
    run_it: RunIt, suites: list[Suite], tiny_llama: ChatModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given: dict[str, Any] = {"suites": suites[3:], "control": False}
    one = run_it(tmp_path / "run", **given)
    assert one.rows == run_it(tmp_path / "run", engine="plain", **given).rows, "these two say the same"
    said = refused(lambda: run_it(tmp_path / "run", engine="continuous", **given))
    assert "a run with other engine, baselines;" in said
    monkeypatch.setattr("steer_evals.engines.continuously", steer_evals.engines.plain)
    monkeypatch.setitem(steer_evals.engines.ENGINES, "continuous", steer_evals.engines.plain)
    other = run_it(tmp_path / "other", engine="continuous", **given)
    assert other.settings["engine"] == "continuous"
    assert other.settings["baselines"] != one.settings["baselines"]


# --- refused ---


def refused(run: Callable[[], Any], kind: type[SteerError] = RunError) -> str:
    with pytest.raises(kind) as error:
        run()
    text = str(error.value)
    assert text.startswith("got ")
    assert "; expected " in text
    assert "; do this: " in text
    assert "\n" not in text
    return text


def test_other_settings_are_refused_by_name(
    run_it: RunIt, whole: Run, suites: list[Suite], make_llama: Callable[..., ChatModel],
    make_vector: Callable[..., Vector], tiny_llama: ChatModel,
) -> None:  # fmt: skip
    before = files(whole.folder)
    other = make_llama("other-llama", seed=5)
    item = suites[0].items[0].model_copy(update={"prompt": "Hello"})
    changed = Suite(suites[0].header, (item, *suites[0].items[1:]))
    cases: dict[str, dict[str, Any]] = {
        "model, fingerprint, plan, baselines": {"model": other, "plan": make_vector(other)},
        "plan": {"plan": make_vector(tiny_llama, layer=2, gap=6.0, seed=1)},
        "suites, baselines": {"suites": [changed, *suites[1:]]},
        "decoding, baselines": {"temperature": 1.0},
    }
    for names, changes in cases.items():
        assert f"a run with other {names};" in refused(lambda c=changes: run_it(whole.folder, **c))  # type: ignore[misc]
    assert "a run with other suites, baselines;" in refused(lambda: run_it(whole.folder, suites=suites[1:]))
    renamed = copy.deepcopy(tiny_llama.tokenizer)
    renamed.add_tokens(["steerdial"])
    same = replace(tiny_llama, tokenizer=renamed)
    assert "a run with other tokenizer, baselines;" in refused(lambda: run_it(whole.folder, model=same))
    for plan in (Plan.ablate(make_vector(tiny_llama)), Plan.add(make_vector(tiny_llama), scope="prompt")):
        assert "a run with other plan;" in refused(lambda p=plan: run_it(whole.folder, plan=p))  # type: ignore[misc]
    assert files(whole.folder) == before


def test_two_sweeps_in_one_folder_are_one_too_many(
    run_it: RunIt, suites: list[Suite], tmp_path: Path
) -> None:
    said: list[str] = []

    def meanwhile(_done: int, _total: int) -> None:
        said.append(refused(lambda: run_it(tmp_path / "run", suites=suites[3:])))

    run_it(tmp_path / "run", suites=suites[3:], progress=meanwhile)
    assert said
    assert all("a sweep is at work" in text for text in said)
    run_it(tmp_path / "run", suites=suites[3:])


def test_nothing_is_made_where_nothing_can_be_asked(
    run_it: RunIt, suites: list[Suite], make_llama: Callable[..., ChatModel], make_vector: Callable[..., Vector],
    tiny_llama: ChatModel, tmp_path: Path, write_suite: SuiteMaker, monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    folder = tmp_path / "deep/run"
    cases: list[tuple[type[SteerError], dict[str, Any]]] = [
        (RunError, {"strengths": []}), (RunError, {"strengths": [1.0, math.nan]}), (RunError, {"strengths": [math.inf]}),
        (RunError, {"strengths": [0.0], "refine": 1}), (RunError, {"at_once": 0}), (RunError, {"samples": 2}),
        (RunError, {"engine": "plain", "temperature": 1.0}), (RunError, {"limit": 0}), (RunError, {"engine": "fast"}),
        (RunError, {"suites": []}), (RunError, {"suites": [suites[0], suites[0]]}), (SteerError, {"suites": ["no-such-suite"]}),
        (MismatchError, {"plan": make_vector(make_llama("other", seed=5))}),
        (MismatchError, {"plan": make_vector(make_llama("wide", width=64))}),
        (LivenessError, {"plan": Plan((Edit("add", make_vector(tiny_llama), scale=0.0),))}),
        (PlanError, {"strengths": [0.0, 1e39]}),
        (PlanError, {"strengths": [1e20], "plan": Plan((Edit("add", make_vector(tiny_llama), scale=1e20),))}),
    ]  # fmt: skip
    for kind, changes in cases:
        refused(lambda c=changes: run_it(folder, **c), kind)  # type: ignore[misc]
    # A template that takes no system prompt refuses in the middle of laying out the work.
    template = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}Hi"
    system = [{"role": "system", "content": "Hi"}, {"role": "user", "content": "Hi"}]
    path = write_suite(tmp_path, "system", [{"messages": system}], axis="benign_refusal", kind="refusal")
    monkeypatch.setattr(tiny_llama.tokenizer, "chat_template", template)
    own = make_vector(tiny_llama, gap=6.0)
    refused(lambda: run_it(folder, plan=own, suites=[path]), ModelError)
    assert not folder.parent.exists()


def test_a_folder_that_cannot_be_written_or_read_is_refused(
    run_it: RunIt, whole: Run, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("mine")
    assert "cannot be written" in refused(lambda: run_it(tmp_path / "file" / "out"))
    assert "cannot be written" in refused(lambda: run_it(tmp_path / "file"))
    assert (tmp_path / "file").read_text() == "mine"
    (tmp_path / "foreign").mkdir()
    (tmp_path / "foreign/rows.jsonl").write_text("{}\n")
    assert "no settings.json" in refused(lambda: run_it(tmp_path / "foreign"))
    (tmp_path / "another").mkdir()
    (tmp_path / "another/settings.json").write_text("{}")
    assert "holds no run" in refused(lambda: run_it(tmp_path / "another"))
    assert [p.name for p in (*(tmp_path / "foreign").iterdir(), *(tmp_path / "another").iterdir())] == [
        "rows.jsonl",
        "settings.json",
    ]
    (tmp_path / "blocked").mkdir()
    for name in ("rows.jsonl", "settings.json"):
        (tmp_path / "blocked" / name).write_bytes((whole.folder / name).read_bytes())
    (tmp_path / "blocked/control").touch()
    assert "control" in refused(lambda: run_it(tmp_path / "blocked"))


@pytest.mark.parametrize("text", ["", "{", "[]", "{}", '{"editor.fontSize": 12}', "\ud800"])
def test_settings_of_something_else_are_no_run(tmp_path: Path, text: str) -> None:
    (tmp_path / "settings.json").write_bytes(text.encode("utf-8", "surrogatepass"))
    assert "holds no run" in refused(lambda: Run(tmp_path))
    assert "holds no run" in refused(lambda: Run(tmp_path / "none"))


def test_a_plan_needs_numbers(run_it: RunIt, tmp_path: Path, vector: Vector) -> None:
    refused(lambda: run_it(tmp_path / "run", plan=Plan((Edit("add", vector, scale=math.nan),))), PlanError)
