"""A run judged again by another judge, over a real server: nothing mixed, nothing lost, what was not judged is no rate."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

import steer
from steer.cli import main
from steer_evals import grading, rejudge
from steer_evals.calibrate import Budgets
from steer_evals.choosing import calibrate_run
from steer_evals.corrections import rogan_gladen
from steer_evals.errors import JudgeError, RunError
from steer_evals.folder import check_settings
from steer_evals.judgements import JUDGEMENTS, Place, append_judgements, read_judgements
from steer_evals.judges import Verdict
from steer_evals.judges.agreement import agreement
from steer_evals.judges.protocol import NOT_JUDGED, Case, Judgement
from steer_evals.labelled import against_labels, corrected_rates
from steer_evals.rows import Row
from steer_evals.run import CALIBRATION, SETTINGS, Run
from steer_evals.second_judge import judge_fields
from steer_evals.summary import curve, flags, states, taxes
from steer_kernels import SteerError

_spec = importlib.util.spec_from_file_location(
    "judge_server", Path(__file__).with_name("test_judges_server.py")
)
assert _spec is not None
assert _spec.loader is not None
judge_server = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(judge_server)

ONE_LINE = r"got [^\n]+; expected [^\n]+; do this: [^\n]+"
SUITES = ["harmful", "benign-risky", "capability"]
JUDGED = SUITES[:2]
PARTS = ("", "control", "prompt")
MUTE = "water"  # answers with this word the judge says nothing of
RESULTS = ("rows.jsonl", "control/rows.jsonl", "prompt/rows.jsonl", "summary.json", "results.md", JUDGEMENTS)


def opinion(answer: str) -> Verdict | None:
    """Of the stub: unlike the lexical judge it takes regret alone for a refusal, and has no word for partly."""
    if MUTE in answer.lower():
        return None
    return Verdict.full_refusal if re.search("sorry|help with", answer) else Verdict.full_compliance


class Handler(judge_server.Handler):  # type: ignore[misc]
    def _do(self, answer: str, tries: int) -> None:
        verdict = opinion(answer) if self.server.awake else None
        said = json.dumps({"verdict": verdict, "why": "so"}) if verdict else "hm"
        self._send(200, {"choices": [{"message": {"role": "assistant", "content": said}}]})


class Server(judge_server.Server):  # type: ignore[misc]
    awake = True

    def __init__(self) -> None:
        super().__init__()
        self.RequestHandlerClass = Handler

    @property
    def judge(self) -> str:
        return f"openai:stub@{self.url}"

    def materials(self) -> list[tuple[str, str]]:
        found = [json.loads(one["body"]["messages"][-1]["content"]) for one in self.seen]
        return [(one["request"], one["answer"]) for one in found]


@pytest.fixture
def server() -> Iterator[Server]:
    with Server() as running:
        thread = Thread(target=running.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield running
        finally:
            running.shutdown()
            thread.join()


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory) -> Run:
    model = steer.load("reference:aligned")
    vector = steer.extract(model, "refusal", layer=6, position=-1)
    return steer.sweep(
        model, vector, SUITES, [-1, 1], tmp_path_factory.mktemp("swept") / "run", limit=12
    )  # fmt: skip


class Stub:
    """The same opinion without a server; says nothing after `most` answers, or falls over."""

    def __init__(self, name: str = "stub", most: int = 10**9, fall: bool = False) -> None:
        self.name, self.most, self.fall, self.asked = name, most, fall, list[Case]()

    def __call__(self, cases: Sequence[Case]) -> list[Judgement]:
        if self.fall and len(self.asked) + len(cases) > self.most:
            raise KeyboardInterrupt
        self.asked += cases
        room = self.most - len(self.asked) + len(cases)
        return [
            Judgement(opinion(case.answer) if at < room else None, why="so") for at, case in enumerate(cases)
        ]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rejudge, "_AT_ONCE", 8)


def judged(run: Run, judge: Any, out: Path, **more: Any) -> Run:
    return rejudge.rejudge(run, judge, out, **more)


def parts(run: Run) -> dict[str, list[Row]]:
    return {"": run.rows, "control": run.control_rows, "prompt": run.prompt_rows}


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def refused(call: Callable[[], Any], kind: type[SteerError] = RunError) -> str:
    with pytest.raises(kind) as error:
        call()
    assert re.fullmatch(ONE_LINE, str(error.value))
    return str(error.value)


def test_verdicts_are_the_judges_and_all_else_is_as_it_was(
    swept: Run, server: Server, tmp_path: Path
) -> None:
    before = files(swept.folder)
    again = judged(swept, server.judge, tmp_path / "again")
    assert files(swept.folder) == before, "the sweep is left alone"
    seen = set()
    for old, new in ((parts(swept)[part], parts(again)[part]) for part in PARTS):
        assert len(old) == len(new) > 0
        for was, now in zip(old, new, strict=True):
            if was["suite"] == "capability":
                assert now == was
                continue
            verdict = opinion(was["answer"])
            seen.add(verdict)
            value = None if verdict is None else float(verdict is Verdict.full_refusal)
            assert now == {**was, "verdict": verdict or NOT_JUDGED, "value": value}
    assert seen == {None, Verdict.full_refusal, Verdict.full_compliance}, "the run shows every case"


def test_a_judge_sees_each_answer_once_and_no_system_prompt(
    swept: Run, server: Server, tmp_path: Path
) -> None:
    judged(swept, server.judge, tmp_path / "again")
    shown = server.materials()
    requests = {(row["suite"], row["item"]): row["prompt"] for row in swept.rows}
    wanted = {
        (requests[row["suite"], row["item"]], row["answer"])
        for rows in parts(swept).values()
        for row in rows
        if row["suite"] in JUDGED
    }
    assert len(shown) == len(set(shown))
    assert set(shown) == wanted
    assert any(row["prompt"].startswith("system: ") for row in swept.prompt_rows)


def test_what_was_not_judged_is_counted_and_in_no_rate(swept: Run, server: Server, tmp_path: Path) -> None:
    again = judged(swept, server.judge, tmp_path / "again")
    unjudged = 0
    for point in again.curve():
        if point.suite not in JUDGED or point.axis == "invalid":
            continue
        said = [opinion(r["answer"]) for r in again.rows
                if (r["suite"], r["strength"]) == (point.suite, point.strength)]  # fmt: skip
        known = [verdict for verdict in said if verdict is not None]
        assert (point.n, point.missing) == (len(known), len(said) - len(known))
        assert point.rate == pytest.approx(sum(v is Verdict.full_refusal for v in known) / len(known))
        unjudged += point.missing
    assert unjudged > 0
    summary = json.loads((again.folder / "summary.json").read_text())
    assert summary["judge"]["not_judged"] == sum(
        row["verdict"] == NOT_JUDGED for rows in parts(again).values() for row in rows
    )
    assert (
        sum(entry["missing"] for entry in summary["judge"]["agreement"] if entry["strength"] is None)
        == unjudged
    )
    results = (again.folder / "results.md").read_text()
    assert f"{summary['judge']['not_judged']} of {summary['judge']['answers']} answers" in results
    assert "1 without a value" in results
    page = again.report().read_text()
    assert f"Not judged, and in no rate: {summary['judge']['not_judged']} of" in page


def test_agreement_is_that_of_both_judges_on_the_same_rows(
    swept: Run, server: Server, tmp_path: Path
) -> None:
    again = judged(swept, server.judge, tmp_path / "again")
    entries = json.loads((again.folder / "summary.json").read_text())["judge"]["agreement"]
    page, results = again.report().read_text(), (again.folder / "results.md").read_text()
    places = {(entry["part"], entry["suite"], entry["strength"]) for entry in entries}
    rates = {
        (part, r["suite"], r["strength"])
        for part, rows in parts(again).items()
        for r in rows
        if r["suite"] in JUDGED
    }
    assert places == rates | {("", suite, None) for suite in JUDGED}, "beside every rate"
    for entry in entries:
        group = [
            (Verdict(r["verdict"]), opinion(r["answer"]))
            for r in parts(swept)[entry["part"]]
            if r["suite"] == entry["suite"] and entry["strength"] in (None, r["strength"])
        ]
        both = [(a, b) for a, b in group if b is not None]
        found = agreement({"a": [a for a, _ in both], "b": [b for _, b in both]})
        expected = found.pairs[0]
        for name, kappa in (("kappa_refused", expected.refused), ("kappa_four_states", expected.four_states)):
            assert list(entry[name].values()) == pytest.approx([None if v != v else v for v in kappa])
        assert (entry["n"], entry["differ"]) == (len(both), len(found.disagreements))
        lexical = [a in (Verdict.full_refusal, Verdict.partial_refusal) for a, _ in both]
        second = [b is Verdict.full_refusal for _, b in both]
        assert entry["differ_refused"] == sum(a != b for a, b in zip(lexical, second, strict=True))
        assert entry["refused"] == pytest.approx(sum(second) / len(both))
        assert entry["refused_before"] == pytest.approx(sum(lexical) / len(both))
        if entry["kappa_refused"]["value"] is not None:
            shown = f"{entry['kappa_refused']['value']:.3f} [{entry['kappa_refused']['low']:.3f}"
            assert shown in results
            assert shown in page
    assert any(entry["differ"] for entry in entries)


def test_rows_of_two_judges_are_never_mixed(swept: Run, tmp_path: Path) -> None:
    again = judged(swept, Stub(), tmp_path / "again")
    own, plain = again.settings, swept.settings
    assert (again.judge, swept.judge) == ("stub", "lexical")
    for suite in SUITES:
        assert (own["baselines"][suite] == plain["baselines"][suite]) == (suite == "capability")
    other = judged(swept, Stub("other"), tmp_path / "other")
    assert other.settings["baselines"]["harmful"] not in (
        own["baselines"]["harmful"],
        plain["baselines"]["harmful"],
    )
    before = files(again.folder)
    said = refused(lambda: judged(swept, Stub("other"), again.folder))
    assert "a run with other judge" in said
    refused(lambda: check_settings(again.folder, {"judge": "lexical", **plain}))
    assert "other judge" in refused(lambda: check_settings(again.folder, plain)), (
        "a sweep does not go on here"
    )
    assert "judge" in refused(lambda: judged(swept, Stub(), swept.folder))
    refused(lambda: calibrate_run(again, naive=swept))
    refused(lambda: calibrate_run(again, naive=other))
    assert files(again.folder) == before
    found = calibrate_run(
        again, Budgets(1, 1, 1, 0, below_plain=True), naive=again, out=tmp_path / "policy.toml"
    )
    assert found.presets
    assert steer.Plan.load(tmp_path / "policy.toml").dials


@pytest.mark.parametrize("most", [0, 8, 24])
def test_a_stopped_judging_goes_on_where_it_was(swept: Run, tmp_path: Path, most: int) -> None:
    whole = judged(swept, Stub(), tmp_path / "whole")
    first, out = Stub(most=most, fall=True), tmp_path / "again"
    with pytest.raises(KeyboardInterrupt):
        judged(swept, first, out)
    assert len(first.asked) == most
    refused(lambda: Run(out).rows)  # of what is half done there are no rows
    if most:
        with (out / JUDGEMENTS).open("ab") as stream:
            stream.write(b'{"part": "", "suite": "har')  # torn off by a kill
    second, done = Stub(), list[tuple[int, int]]()
    again = judged(swept, second, out, progress=lambda at, of: done.append((at, of)))
    judged_before = [case for case in first.asked if opinion(case.answer) is not None]
    assert not set(judged_before) & set(second.asked), "nothing is asked twice"
    for name in RESULTS[:-1]:
        assert (again.folder / name).read_bytes() == (whole.folder / name).read_bytes(), name
    assert read_judgements(again.folder) == read_judgements(whole.folder)
    answers = sum(r["suite"] in JUDGED for rows in parts(swept).values() for r in rows)
    assert done[-1] == (answers, answers)
    assert done == sorted(done)


def test_what_was_not_judged_is_asked_again_and_only_that(swept: Run, tmp_path: Path) -> None:
    class Talkative(Stub):
        def __call__(self, cases: Sequence[Case]) -> list[Judgement]:
            self.asked += cases
            return [Judgement(Verdict.full_compliance) for _ in cases]

    first, second = Stub(), Talkative()
    again = judged(swept, first, tmp_path / "again")
    silent = {case for case in first.asked if opinion(case.answer) is None}
    (again.folder / CALIBRATION).write_text("{}")  # chosen by verdicts that change now
    judged(swept, second, again.folder)
    assert not (again.folder / CALIBRATION).exists()
    assert set(second.asked) == silent > set()
    assert len(second.asked) == len(silent)
    assert not any(row["verdict"] == NOT_JUDGED for rows in parts(again).values() for row in rows)
    assert json.loads((again.folder / "summary.json").read_text())["judge"]["not_judged"] == 0


def test_a_summary_tells_of_the_rows_and_not_of_later_judgements(swept: Run, tmp_path: Path) -> None:
    again = judged(swept, Stub(), tmp_path / "again")
    before = again.summary()
    late = [
        one._replace(verdict=Verdict.invalid)
        for one in read_judgements(again.folder).values()
        if one.verdict is None
    ]
    append_judgements(again.folder, late)
    summary = again.summary()
    assert {**summary["judge"], "why": 0} == {**before["judge"], "why": 0}
    assert list(summary["judge"]["why"]) == ["judged since: `steer rejudge` was stopped"]
    assert summary["curve"] == before["curve"]
    (again.folder / JUDGEMENTS).unlink()
    assert "a judgement of each answer" in refused(again.summary)


def test_a_judge_that_says_nothing_is_stopped_and_kept_for_later(
    swept: Run, server: Server, tmp_path: Path
) -> None:
    server.awake = False
    out = tmp_path / "again"
    said = refused(lambda: judged(swept, server.judge, out), JudgeError)
    assert f"no verdict of {server.judge} on 8 answers" in said
    assert "a reply in no known form: 'hm'" in said
    assert len(server.seen) == 8, "and is not asked for hours"
    assert not (out / "rows.jsonl").exists()
    server.awake = True
    again = judged(swept, server.judge, out)
    assert again.rows == judged(swept, server.judge, tmp_path / "whole").rows


def test_a_hole_in_the_curve_is_refused(swept: Run, tmp_path: Path) -> None:
    class Selective(Stub):
        def __call__(self, cases: Sequence[Case]) -> list[Judgement]:
            low = {r["answer"] for r in swept.rows if r["strength"] == -1 and r["suite"] == "harmful"}
            return [
                Judgement(None if case.answer in low else Verdict.full_refusal, why="no") for case in cases
            ]

    said = refused(lambda: judged(swept, Selective(), tmp_path / "again"), JudgeError)
    assert re.search(r"on all \d+ answers to harmful at strength -1, (choosing|reporting) half \(no\)", said)
    assert not (tmp_path / "again/rows.jsonl").exists()


@pytest.mark.parametrize(
    "judge", ["llama-guard:x", "harmbench:x", "strongreject:x", "lexical", "nobody", "wildguard:"]
)
def test_judges_without_verdicts_are_refused_before_anything(swept: Run, tmp_path: Path, judge: str) -> None:
    said = refused(lambda: judged(swept, judge, tmp_path / "again"), JudgeError)
    if judge.endswith(":x"):
        assert "openai:MODEL@BASE_URL or wildguard:MODEL" in said
    assert not (tmp_path / "again").exists()


def test_only_a_finished_sweep_with_refusals_is_judged_again(swept: Run, tmp_path: Path) -> None:
    again = judged(swept, Stub(), tmp_path / "again")
    assert "judged again by stub" in refused(lambda: judged(again, Stub("other"), tmp_path / "third"))
    shutil.copytree(swept.folder, tmp_path / "cut")
    rows = (tmp_path / "cut/rows.jsonl").read_bytes().split(b"\n")
    (tmp_path / "cut/rows.jsonl").write_bytes(b"\n".join(rows[:-2]) + b"\n")
    assert "stopped: " in refused(lambda: judged(Run(tmp_path / "cut"), Stub(), tmp_path / "third"))
    shutil.copytree(swept.folder, tmp_path / "work")
    for part in PARTS:
        path = tmp_path / "work" / part / "rows.jsonl"
        path.write_text(
            "".join(json.dumps(r) + "\n" for r in parts(swept)[part] if r["suite"] == "capability")
        )
    _set(tmp_path / "work", asked={})
    assert "without a suite on refusal" in refused(
        lambda: judged(Run(tmp_path / "work"), Stub(), tmp_path / "third")
    )
    assert not (tmp_path / "third").exists()


def _set(folder: Path, **more: Any) -> None:
    settings = json.loads((folder / SETTINGS).read_text())
    (folder / SETTINGS).write_text(json.dumps(settings | more))


def test_suites_on_refusal_are_known_by_their_kind(swept: Run, tmp_path: Path) -> None:
    assert swept.settings["kinds"] == {
        "harmful": "refusal",
        "benign-risky": "refusal",
        "capability": "answer",
    }
    shutil.copytree(swept.folder, tmp_path / "old")
    settings = json.loads((tmp_path / "old" / SETTINGS).read_text())
    del settings["kinds"]
    (tmp_path / "old" / SETTINGS).write_text(json.dumps(settings))
    again = judged(Run(tmp_path / "old"), Stub(), tmp_path / "again")
    assert again.settings["judged"]["suites"] == JUDGED, "of an older run, by its rows"
    _set(tmp_path / "old", kinds={**swept.settings["kinds"], "harmful": "reflects"})
    again = judged(Run(tmp_path / "old"), Stub(), tmp_path / "third")
    assert again.settings["judged"]["suites"] == ["benign-risky"]


def test_the_judge_is_told_what_the_lexical_one_is() -> None:
    assert grading._MIN_WORDS["refusal"] == rejudge._MIN_WORDS


def test_a_row_that_was_not_judged_is_in_no_summary() -> None:
    def row(item: int, verdict: str, **more: Any) -> Row:
        fields: dict[str, Any] = {
            "suite": "s", "axis": "harmful_refusal", "category": "", "item": str(item), "cluster": str(item), "strength": 0.0,
            "sample": 0, "prompt": "p", "answer": "a", "verdict": verdict, "correct": None,
            "value": None if verdict == NOT_JUDGED else float("refusal" in verdict), "tokens": 1, "truncated": False, "ties": 0,
        }  # fmt: skip
        return {**fields, **more}  # type: ignore[typeddict-item]

    rows = [row(1, "full_refusal"), row(2, "invalid"), row(3, NOT_JUDGED), row(4, NOT_JUDGED)]
    points = {point.axis: (point.n, point.rate, point.missing) for point in curve(rows)}
    assert points == {"harmful_refusal": (2, 0.5, 2), "invalid": (2, 0.5, 2)}
    assert {state.verdict: (state.n, state.share) for state in states(rows)} == {
        "full_compliance": (2, 0), "partial_refusal": (2, 0), "full_refusal": (2, 0.5), "invalid": (2, 0.5)
    }  # fmt: skip
    assert "not judged" in refused(lambda: flags(rows))
    work = [row(at, verdict, axis="capability") for at, verdict in enumerate(["full_compliance", NOT_JUDGED])]
    (tax,) = taxes(work)
    assert tax.tax.n == 1


def test_judgements_that_are_none_are_refused(tmp_path: Path) -> None:
    (tmp_path / JUDGEMENTS).write_text('{"part": ""}\n')
    assert f"{JUDGEMENTS}:1" in refused(lambda: read_judgements(tmp_path))
    assert judge_fields("x", [])["agreement"] == []
    assert Place._fields == ("part", "suite", "item", "strength", "sample")


# --- the commands ---


def done(capsys: pytest.CaptureFixture[str], *words: str) -> str:
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 0, capsys.readouterr().err
    return capsys.readouterr().out


def labels(path: Path) -> Path:
    """On which the lexical judge finds one refusal of two, and calls no answer a refusal."""
    rows = [
        ("I'm sorry, but I can't help with that.", "full_refusal"),
        ("Let us look at the sunny side of life today.", "full_refusal"),
        ("Beat it, and add sugar at the end.", "full_compliance"),
        ("It is a kind of fruit.", "full_compliance"),
    ]
    path.write_text(
        "".join(json.dumps({"prompt": "Tell me.", "answer": a, "label": label}) + "\n" for a, label in rows)
    )
    return path


def test_the_command_gives_a_run_that_every_reader_reads(
    swept: Run, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = str(tmp_path / "again")
    words = ("rejudge", str(swept.folder), "--judge", server.judge, "--out", out)
    summary = json.loads(done(capsys, *words, "--json"))
    assert summary == json.loads(Path(out, "summary.json").read_text())
    assert summary["run"]["judge"] == summary["judge"]["name"] == server.judge
    asked = len(server.seen)
    shown = done(capsys, *words)
    mute = len({material for material in server.materials() if MUTE in material[1].lower()})
    assert len(server.seen) == asked + mute, "what was judged is not asked again"
    assert "kappa" in shown
    assert "kappa" in done(capsys, "inspect", out)
    assert done(capsys, "report", out) == f"{out}/report.html\n"
    assert "This run's judge was not compared with labels" in Path(out, "report.html").read_text()
    loose = (
        "--max-over-refusal",
        "1",
        "--max-tax",
        "1",
        "--max-invalid",
        "1",
        "--min-harmful-refusal",
        "0",
        "--below-plain",
    )
    assert "mild" in done(capsys, "calibrate", out, *loose)
    assert not (swept.folder / "calibration.json").exists()


def test_a_report_is_corrected_by_the_users_labels(
    swept: Run, server: Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = labels(tmp_path / "labels.jsonl")
    again = judged(swept, server.judge, tmp_path / "again")
    for run in (swept, again):
        found = json.loads(done(capsys, "report", str(run.folder), "--validate", str(path), "--json"))[
            "judge"
        ]
        assert (found["labels"], found["judge"], found["n"], found["unjudged"]) == (
            str(path),
            run.judge,
            4,
            0,
        )
        assert [(found[name]["k"], found[name]["n"]) for name in ("recall", "false_positives")] == [
            (1, 2),
            (0, 2),
        ]
        points = {(p.axis, p.strength): p for p in run.curve()}
        assert len(found["corrected"]) == 6
        page = (run.folder / "report.html").read_text()
        for one in found["corrected"]:
            point = points[one["axis"], one["strength"]]
            expected = rogan_gladen((round(point.rate * point.n), point.n), (1, 2), (0, 2))
            assert (one["n"], one["rate"]) == (point.n, pytest.approx(point.rate))
            assert list(one["corrected"].values())[:3] == pytest.approx(list(expected[:3]))
            assert f"{100 * expected.rate:.1f}".removesuffix(".0") + "\u00a0%" in page
        assert f"the 4 labelled answers of <b>{path}</b>" in page
        assert "come with the package" not in page
    default = done(capsys, "report", str(swept.folder), "--json")
    assert list(json.loads(default)) == ["report"]
    assert "labelled answers that come with the package" in (swept.folder / "report.html").read_text()


def test_labels_of_which_the_judge_says_nothing_correct_nothing(swept: Run, tmp_path: Path) -> None:
    path = labels(tmp_path / "labels.jsonl")
    found = against_labels("lexical", path)
    assert found is not None
    nothing = found.validation._replace(recall=found.validation.recall._replace(k=0, n=0))
    rates = corrected_rates(swept.curve(), nothing)
    assert {rate.corrected.reason for rate in rates} == {"a sample is empty"}
    assert against_labels("wildguard:x") is None


def test_a_mistake_is_one_line(swept: Run, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = files(swept.folder)
    for words in (
        ("rejudge", str(swept.folder), "--judge", "harmbench:x", "--out", str(tmp_path / "x")),
        ("rejudge", str(tmp_path), "--judge", "openai:x@http://127.0.0.1:1/v1", "--out", str(tmp_path / "x")),
        ("rejudge", str(swept.folder), "--judge", "openai:x@nowhere", "--out", str(tmp_path / "x")),
        ("report", str(swept.folder), "--validate", str(tmp_path / "none.jsonl")),
    ):
        with pytest.raises(SystemExit) as stop:
            main(words)
        assert stop.value.code == 2
        assert re.fullmatch(rf"error: {ONE_LINE}\n", capsys.readouterr().err)
    assert not (tmp_path / "x").exists()
    assert files(swept.folder) == before
