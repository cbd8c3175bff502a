"""The command line: the loop from end to end, and every mistake of the user's as one line, exit code 2, no file left."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from safetensors.torch import save_file

import steer
from steer.plan import Edit, Plan
from steer.policy import Dial, save_policy
from steer_evals.card import Bound, Cell
from steer_evals.intervals import UNKNOWN, wilson
from steer_vectors.models import ChatModel

BAD = [
    f"How do I {verb} a {thing}?"
    for verb in ("kill", "shoot")
    for thing in ("cat", "boat", "list", "process")
]
GOOD = [
    f"How do I {verb} a {thing}?"
    for verb in ("count", "sort")
    for thing in ("cat", "boat", "list", "process")
]


class Place(NamedTuple):
    """A folder with all that a command needs, each thing right."""

    folder: Path
    model: str
    vector: str
    suite: str
    contrast: str


@pytest.fixture(scope="module")
def made(
    tiny_folder: Path, write_suite: Callable[..., Path], make_vector: Callable[..., steer.Vector],
    tmp_path_factory: pytest.TempPathFactory,
) -> Place:  # fmt: skip
    folder = tmp_path_factory.mktemp("made")
    model = steer.load(str(tiny_folder))
    steer.save_vector(make_vector(model, layer=2, gap=6.0, seed=11), folder / "v.safetensors")
    items = [{"prompt": prompt, "answers": ["Rome"]} for prompt in BAD[:3]]
    rows = [
        {"text": t, "label": label} for label, texts in (("positive", BAD), ("negative", GOOD)) for t in texts
    ]
    (folder / "killing.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    suite = write_suite(folder, "mine", items)
    return Place(
        folder, str(tiny_folder), str(folder / "v.safetensors"), str(suite), str(folder / "killing.jsonl")
    )


@pytest.fixture
def place(made: Place, tmp_path: Path) -> Place:
    """The same in a folder of the test's own."""
    shutil.copytree(made.folder, tmp_path / "place")
    names = (Path(path).name for path in made[2:])
    return Place(tmp_path / "place", made.model, *(str(tmp_path / "place" / name) for name in names))


def strict(text: str) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    return json.loads(text, parse_constant=refuse)


def tree(folder: Path) -> dict[str, bytes]:
    return {str(p): p.read_bytes() if p.is_file() else b"" for p in folder.rglob("*")}


# --- the loop ---


def test_extract_inspect_generate_sweep_report_judge(cli: Any, place: Place) -> None:
    vector, out = str(place.folder / "new.safetensors"), str(place.folder / "run")
    shown = cli.done("extract", place.model, "--contrast", place.contrast, "-o", vector)
    assert f"written: {vector}" in shown
    assert "killing" in shown
    chart = place.folder / "choice.png"
    assert "killing" in cli.done("inspect", vector, "--plot", str(chart))
    assert chart.read_bytes().startswith(b"\x89PNG")
    assert "layers" in cli.done("inspect", place.model)
    answer = cli.done("generate", place.model, "Hi", "Name a colour.", "--max-new-tokens", "4")
    plain = steer.generate(steer.load(place.model), ["Hi", "Name a colour."], max_new_tokens=4)
    assert answer == "".join(f"{text}\n" for text in plain)
    sweep = (
        "sweep",
        place.model,
        "--vector",
        vector,
        "--suite",
        place.suite,
        "--strengths",
        "-1,0,1",
        "--out",
        out,
    )
    table = cli.done(*sweep)
    assert "random" in table
    assert f"rows and summary: {out}" in table
    rows = Path(out, "rows.jsonl").read_bytes()
    assert cli.done(*sweep) == table, "taken up, with nothing left to do"
    assert Path(out, "rows.jsonl").read_bytes() == rows
    assert "random" in cli.done("inspect", out)
    assert cli.done("report", out) == f"{out}/report.html\n"
    assert {"report.html", "curve.png", "tax.png", "summary.json", "settings.json"} <= {
        p.name for p in Path(out).iterdir()
    }
    judged = str(place.folder / "judged.jsonl")
    assert "verdicts" in cli.done("judge", "--in", f"{out}/rows.jsonl", "--out", judged)
    before, after = (Path(path).read_text("utf-8").split("\n")[:-1] for path in (f"{out}/rows.jsonl", judged))
    assert [json.loads(line)["answer"] for line in after] == [json.loads(line)["answer"] for line in before]


def test_json_is_for_programs(cli: Any, place: Place) -> None:
    vector, out = str(place.folder / "new.safetensors"), str(place.folder / "run")
    extract = ("extract", place.model, "--contrast", place.contrast, "-o", vector, "--layer", "2", "--json")
    found = strict(cli.done(*extract))
    assert (found["concept"], found["layer"]) == ("killing", "2")
    assert found["gap"] > 0
    assert strict(cli.done("inspect", vector, "--json")) == found
    assert strict(cli.done("inspect", place.model, "--json"))["layers"] == 5
    prompts = ("Hi", "Name a colour.")
    steered = ("--vector", place.vector, "--strength", "-1.5", "--max-new-tokens", "4", "--json")
    answers = strict(cli.done("generate", place.model, *prompts, *steered))
    assert [(row["prompt"], row["strengths"]) for row in answers] == [
        (prompt, {"strength": -1.5}) for prompt in prompts
    ]
    sweep = ("sweep", place.model, "--vector", place.vector, "--suite", place.suite, "--out", out, "--json")
    summary = strict(cli.done(*sweep, "--strengths", "-2,-1,0,1,2"))
    assert summary["run"]["strengths"] == [-2, -1, 0, 1, 2]
    assert (
        summary == strict(Path(out, "summary.json").read_text()) == strict(cli.done("inspect", out, "--json"))
    )
    assert strict(cli.done("report", out, "--json")) == {"report": f"{out}/report.html"}
    judged = str(place.folder / "judged.jsonl")
    assert (
        sum(strict(cli.done("judge", "--in", f"{out}/rows.jsonl", "--out", judged, "--json")).values()) == 15
    )
    assert "torch" in strict(cli.done("doctor", "--json"))


def test_a_policy_steers_as_its_vector_does(cli: Any, place: Place) -> None:
    policy = str(place.folder / "policy.toml")
    steer.Plan.add(steer.load_vector(place.vector)).save(policy)
    ask = ("generate", place.model, "Hi", "--strength", "2", "--max-new-tokens", "6")
    by_policy, by_vector = (
        cli.done(*ask, *plan) for plan in (("--policy", policy), ("--vector", place.vector))
    )
    assert by_policy == by_vector != cli.done("generate", place.model, "Hi", "--max-new-tokens", "6")


def test_dials_are_set_by_name(cli: Any, place: Place) -> None:
    policy, vector = str(place.folder / "dials.toml"), steer.load_vector(place.vector)
    low = place.folder / "low.toml"
    save_policy(Plan.add(vector), low, {"strength": Dial(-0.5, -1.0, 0.0, {})})
    (row,) = strict(
        cli.done("generate", place.model, "Hi", "--max-new-tokens", "2", "--policy", str(low), "--json")
    )
    assert row["strengths"] == {"strength": -0.5}  # where the policy says
    Plan((Edit("add", vector, dial="more"), Edit("ablate", vector, dial="less"))).save(policy)
    ask = ("generate", place.model, "Hi", "--max-new-tokens", "6", "--json")
    row, in_words = (
        strict(cli.done(*ask, "--policy", policy, *turned))
        for turned in (("--dial", "more=2", "--dial", "less=0"), ("--strength", "more=2,less=0"))
    )
    assert row == in_words
    (row,) = row
    assert row["strengths"] == {"more": 2, "less": 0}
    (same,) = strict(cli.done(*ask, "--vector", place.vector, "--strength", "2"))
    assert row["answer"] == same["answer"]


def test_no_dial_is_turned_beyond_the_bounds_of_its_policy(cli: Any, place: Place) -> None:
    policy = place.folder / "narrow.toml"
    dial = Dial(0.0, -1.0, 0.5, {"mild": -0.5})
    save_policy(Plan.add(steer.load_vector(place.vector)), policy, {"strength": dial})
    ask = ("generate", place.model, "Hi", "--max-new-tokens", "2", "--policy", str(policy))
    for beyond in (("--strength", "0.6"), ("--strength", "-1.01"), ("--dial", "strength=2")):
        assert "-1 to 0.5" in cli.refused(*ask, *beyond)
    rows = [
        strict(cli.done(*ask, "--json", *within))
        for within in (("--preset", "mild"), ("--strength", "mild"), ("--strength", "-0.5"))
    ]
    assert rows[0] == rows[1] == rows[2]
    assert rows[0][0]["strengths"] == {"strength": -0.5}


def test_a_vector_steers_by_one_gap_if_nothing_is_said(cli: Any, place: Place) -> None:
    ask = ("generate", place.model, "Hi", "--max-new-tokens", "6", "--json")
    by_vector = ("--vector", place.vector)
    assert strict(cli.done(*ask))[0]["strengths"] == {}
    alone, whole = (strict(cli.done(*ask, *by_vector, *dose)) for dose in ((), ("--strength", "1")))
    assert alone == whole
    (plain,) = strict(cli.done(*ask, *by_vector, "--strength", "0"))
    assert plain["answer"] == strict(cli.done(*ask))[0]["answer"]
    assert plain["answer"] != alone[0]["answer"]


def test_a_vector_file_may_have_any_ending(cli: Any, place: Place) -> None:
    shutil.copy(place.vector, place.folder / "v.vec")
    assert cli.done("inspect", f"{place.folder}/v.vec") == cli.done("inspect", place.vector)


def test_suites_of_one_axis_are_told_apart(cli: Any, place: Place, write_suite: Callable[..., Path]) -> None:
    other = write_suite(place.folder, "theirs", [{"prompt": "Hi", "answers": ["Rome"]}])
    out = str(place.folder / "run")
    ask = ("sweep", place.model, "--vector", place.vector, "--strengths", "1", "--no-control", "--out", out)
    cli.done(*ask, "--suite", f"{place.suite},{other}")
    table = " ".join(cli.done("inspect", out).replace("┃", " ").split())
    assert "(mine)" in table
    assert "(theirs)" in table


@pytest.mark.parametrize(("right", "code"), [(96, 0), (80, 1)])
def test_the_card_says_how_sure_it_is_and_fails_outside_its_bounds(
    cli: Any, monkeypatch: pytest.MonkeyPatch, right: int, code: int
) -> None:
    cells = [
        Cell("capability", "base", 200, 0.5, wilson(100, 200), None, None),
        Cell("capability", "aligned", 100, right / 100, wilson(right, 100), Bound(0.9), right >= 90),
        Cell("one category", "base", 40, 0.0, UNKNOWN, None, None),
    ]
    monkeypatch.setattr("steer_evals.card.measure", lambda _: cells)
    monkeypatch.setenv("COLUMNS", "120")
    found, out, err = cli.run("inspect", "reference")
    assert (found, err) == (code, "")
    for said in (
        "0.500 [0.431, 0.569]",
        "n 200",
        "n 100",
        "0.000 [one cluster]",
        "OUTSIDE" if code else "within 0.90-1.00",
    ):
        assert said in out
    found, out, _ = cli.run("inspect", "reference", "--json")
    assert found == code
    assert [cell["interval"] for cell in strict(out)[1:]] == [list(wilson(right, 100)), [None, None]]


class Terminal(io.StringIO):
    """What a terminal would have been sent."""

    def isatty(self) -> bool:
        return True


def test_what_cannot_be_counted_shows_that_it_is_at_work(
    cli: Any, place: Place, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TERM", "xterm")
    cli.done(*asked(place, place.vector, "sweep"))
    rows, judged = str(place.folder / "run/rows.jsonl"), str(place.folder / "judged.jsonl")
    commands = {
        "answering": ("generate", place.model, "Hi", "--max-new-tokens", "2"),
        "loading the model": ("inspect", place.model),
        "judging": ("judge", "--in", rows, "--out", judged),
        "writing the report": ("report", str(place.folder / "run")),
    }
    for said, args in commands.items():
        monkeypatch.setattr(sys, "stderr", screen := Terminal())
        out = cli.run(*args)[1]
        assert said in screen.getvalue()
        assert screen.getvalue().endswith("\x1b[2K"), "the line is wiped when the work is done"
        assert said not in out


def test_a_run_that_was_stopped_or_lacks_a_control_says_so(cli: Any, place: Place) -> None:
    shown = cli.done(*asked(place, place.vector, "sweep"))
    assert "stopped:" not in shown
    assert "no system prompts" not in shown
    folder = place.folder / "run"
    settings = json.loads((folder / "settings.json").read_text())
    whole = settings["asked"]["answers"]
    settings["asked"] = {"answers": whole + 3, "left_out": "a template"}
    (folder / "settings.json").write_text(json.dumps(settings))
    shown = cli.done("inspect", str(folder))
    assert shown.startswith(f"stopped: {whole} of {whole + 3} answers\n")
    assert shown.endswith("no system prompts were asked instead of steering: a template\n")


def test_what_looks_like_markup_is_shown_as_it_is(cli: Any, tmp_path: Path) -> None:
    for name in ("[bold]x[/bold].safetensors", ":smile:.safetensors"):
        assert name in cli.run("inspect", str(tmp_path / name))[2]


def test_ctrl_c_says_how_to_go_on(cli: Any, place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(steer, "load", interrupted)
    code, _, err = cli.run("generate", place.model, "Hi")
    assert code == 130
    assert err.strip() == "stopped; the same command takes a sweep up again"


# --- bad input ---


def refused(cli: Any, place: Place, *args: str) -> str:
    before = tree(place.folder)
    err: str = cli.refused(*args)
    assert tree(place.folder) == before, "something was left behind"
    return err


def asked(place: Place, vector: str | Path, command: str, *, model: str = "") -> tuple[str, ...]:
    """A command that uses a vector."""
    live = model or place.model
    return {
        "inspect": ("inspect", str(vector)),
        "generate": ("generate", live, "Hi", "--vector", str(vector), "--strength", "1"),
        "sweep": (
            "sweep",
            live,
            "--vector",
            str(vector),
            "--suite",
            place.suite,
            "--out",
            str(place.folder / "run"),
        ),
    }[command]


@pytest.mark.parametrize("command", ["inspect", "generate", "sweep"])
def test_a_vector_that_is_no_vector(cli: Any, place: Place, command: str) -> None:
    whole = Path(place.vector).read_bytes()
    bad = place.folder / "bad.safetensors"
    assert "none.safetensors" in refused(
        cli, place, *asked(place, place.folder / "none.safetensors", command)
    )
    for content in (
        b"",
        whole[:5],
        whole[:200],
        whole[:-1],
        b"PK\x03\x04 not safetensors",
        b"\x80\x04pickle" * 20,
    ):
        bad.write_bytes(content)
        assert "bad.safetensors" in refused(cli, place, *asked(place, bad, command))
    save_file({"weight": steer.load_vector(place.vector).directions}, bad)
    assert "steerdial-vector" in refused(cli, place, *asked(place, bad, command))


@pytest.mark.parametrize("command", ["generate", "sweep"])
def test_a_vector_of_another_model(
    cli: Any, place: Place, make_llama: Callable[..., ChatModel], make_vector: Callable[..., steer.Vector],
    tmp_path: Path, command: str,
) -> None:  # fmt: skip
    others = {"width 64": {"width": 64}, "layers 3": {"layers": 3}, "weights": {"seed": 9}}
    for said, change in others.items():
        other = place.folder / "other.safetensors"
        steer.save_vector(make_vector(make_llama("other", **change)), other)
        assert said in refused(cli, place, *asked(place, other, command))
    shutil.copytree(place.model, tmp_path / "model")
    template = tmp_path / "model/chat_template.jinja"
    template.write_text(template.read_text() + " ")
    found = refused(cli, place, *asked(place, place.vector, command, model=str(tmp_path / "model")))
    assert "chat template" in found


CASES: dict[str, tuple[str, ...]] = {
    "unknown layer": ("extract", "MODEL", "--contrast", "CONTRAST", "-o", "NEW", "--layer", "5"),
    "negative layer": ("extract", "MODEL", "--contrast", "CONTRAST", "-o", "NEW", "--layer", "-1"),
    "unknown position": ("extract", "MODEL", "--contrast", "CONTRAST", "-o", "NEW", "--position", "-99"),
    "position after the end": ("extract", "MODEL", "--contrast", "CONTRAST", "-o", "NEW", "--position", "0"),
    "unknown contrast": ("extract", "MODEL", "--contrast", "no-such-contrast", "-o", "NEW"),
    "unknown model": ("extract", "FOLDER/none", "--contrast", "CONTRAST", "-o", "NEW"),
    "empty folder": ("inspect", "FOLDER"),
    "unknown reference": ("inspect", "reference:none"),
    "unknown dtype": ("generate", "MODEL", "Hi", "--dtype", "int3"),
    "unknown suite": ("sweep", "MODEL", "--vector", "VECTOR", "--suite", "no-such-suite", "--out", "NEW"),
    "no suite": ("sweep", "MODEL", "--vector", "VECTOR", "--suite", ",", "--out", "NEW"),
    "suite twice": ("sweep", "MODEL", "--vector", "VECTOR", "--suite", "SUITE,SUITE", "--out", "NEW"),
    "nan": (
        "sweep",
        "MODEL",
        "--vector",
        "VECTOR",
        "--suite",
        "SUITE",
        "--strengths",
        "0,nan",
        "--out",
        "NEW",
    ),
    "infinite": (
        "sweep",
        "MODEL",
        "--vector",
        "VECTOR",
        "--suite",
        "SUITE",
        "--strengths",
        "-inf,1",
        "--out",
        "NEW",
    ),
    "overflow": (
        "sweep",
        "MODEL",
        "--vector",
        "VECTOR",
        "--suite",
        "SUITE",
        "--strengths",
        "1e999",
        "--out",
        "NEW",
    ),
    "no number": (
        "sweep",
        "MODEL",
        "--vector",
        "VECTOR",
        "--suite",
        "SUITE",
        "--strengths",
        "1,much",
        "--out",
        "NEW",
    ),
    "no strength": (
        "sweep",
        "MODEL",
        "--vector",
        "VECTOR",
        "--suite",
        "SUITE",
        "--strengths",
        "",
        "--out",
        "NEW",
    ),
    "beyond float32": (
        "sweep",
        "MODEL",
        "--vector",
        "VECTOR",
        "--suite",
        "SUITE",
        "--strengths",
        "0,1e39",
        "--out",
        "NEW",
    ),
    "generate nan": ("generate", "MODEL", "Hi", "--vector", "VECTOR", "--strength", "nan"),
    "generate infinite": ("generate", "MODEL", "Hi", "--vector", "VECTOR", "--strength", "inf"),
    "dial of nothing": ("generate", "MODEL", "Hi", "--dial", "strength=1"),
    "no such dial": ("generate", "MODEL", "Hi", "--vector", "VECTOR", "--dial", "cap=1"),
    "dial without a number": ("generate", "MODEL", "Hi", "--vector", "VECTOR", "--dial", "strength"),
    "dial and strength": (
        "generate",
        "MODEL",
        "Hi",
        "--vector",
        "VECTOR",
        "--dial",
        "strength=1",
        "--strength",
        "1",
    ),
    "bench what": ("bench", "models"),
    "bench on a tpu": ("bench", "op", "--device", "tpu"),
    "strength of nothing": ("generate", "MODEL", "Hi", "--strength", "1"),
    "vector and policy": (
        "generate",
        "MODEL",
        "Hi",
        "--vector",
        "VECTOR",
        "--policy",
        "P",
        "--strength",
        "1",
    ),
    "neither": ("sweep", "MODEL", "--suite", "SUITE", "--out", "NEW"),
    "no policy": ("generate", "MODEL", "Hi", "--policy", "FOLDER/none.toml", "--strength", "1"),
    "extract under a file": ("extract", "MODEL", "--contrast", "CONTRAST", "-o", "SUITE/out"),
    "extract onto a folder": ("extract", "MODEL", "--contrast", "CONTRAST", "-o", "FOLDER"),
    "extract nowhere": ("extract", "MODEL", "--contrast", "CONTRAST", "-o", "FOLDER/none/v.safetensors"),
    "sweep under a file": ("sweep", "MODEL", "--vector", "VECTOR", "--suite", "SUITE", "--out", "SUITE/out"),
    "sweep onto a file": ("sweep", "MODEL", "--vector", "VECTOR", "--suite", "SUITE", "--out", "SUITE"),
    "sweep into something else": (
        "sweep",
        "MODEL",
        "--vector",
        "VECTOR",
        "--suite",
        "SUITE",
        "--out",
        "FOLDER/foreign",
    ),
    "judge nothing": ("judge", "--in", "FOLDER/none.jsonl", "--out", "NEW"),
    "judge rows that are none": ("judge", "--in", "CONTRAST", "--out", "NEW"),
    "judge under a file": ("judge", "--in", "ANSWERS", "--out", "SUITE/out"),
    "judge onto a folder": ("judge", "--in", "ANSWERS", "--out", "FOLDER"),
    "report of nothing": ("report", "FOLDER/none"),
    "report of no run": ("report", "FOLDER"),
}


@pytest.mark.parametrize("name", CASES)
def test_bad_input_is_one_line_and_leaves_nothing(cli: Any, place: Place, name: str) -> None:
    answers = place.folder / "answers.jsonl"
    answers.write_text(json.dumps({"prompt": "Hi", "answer": "Hello."}) + "\n")
    (place.folder / "foreign").mkdir()
    (place.folder / "foreign/settings.json").write_text("{}")
    words = {"MODEL": place.model, "VECTOR": place.vector, "SUITE": place.suite, "CONTRAST": place.contrast,
             "ANSWERS": str(answers), "NEW": str(place.folder / "new"), "FOLDER": str(place.folder)}  # fmt: skip
    args = [re.sub("|".join(words), lambda word: words[word.group()], arg) for arg in CASES[name]]
    refused(cli, place, *args)


@pytest.mark.parametrize("command", ["extract", "sweep", "demo"])
def test_minutes_of_work_do_not_end_at_an_unwritable_path(
    cli: Any, place: Place, monkeypatch: pytest.MonkeyPatch, command: str
) -> None:
    monkeypatch.delattr(steer, "load")
    monkeypatch.delattr("steer_evals.demo.load_reference")
    args = {
        "extract": ("extract", place.model, "--contrast", place.contrast),
        "sweep": ("sweep", place.model, "--vector", place.vector, "--suite", place.suite),
        "demo": ("demo",),
    }[command]
    assert "cannot be written" in refused(cli, place, *args, "--out", f"{place.suite}/out")
    monkeypatch.setattr(os, "access", lambda *_: False)  # root may write everywhere
    assert "cannot be written" in refused(cli, place, *args, "--out", f"{place.folder}/out")


@pytest.mark.parametrize("label", ["positive", "negative"])
def test_an_empty_contrast_class(cli: Any, place: Place, label: str) -> None:
    lines = Path(place.contrast).read_text().splitlines()
    Path(place.contrast).write_text("\n".join(line for line in lines if f'"{label}"' not in line))
    err = refused(
        cli, place, "extract", place.model, "--contrast", place.contrast, "-o", f"{place.folder}/new"
    )
    assert label in err


@pytest.mark.parametrize("command", ["extract", "generate", "sweep"])
def test_a_chat_model_without_template(cli: Any, place: Place, tmp_path: Path, command: str) -> None:
    mute = tmp_path / "mute"
    shutil.copytree(place.model, mute)
    (mute / "chat_template.jinja").unlink()
    extract = ("extract", str(mute), "--contrast", place.contrast, "-o", str(place.folder / "new"))
    plain = ("generate", str(mute), "Hi")
    args = {"extract": extract, "generate": plain}.get(command) or asked(
        place, place.vector, command, model=str(mute)
    )
    assert "template" in refused(cli, place, *args)
    assert "none: cannot chat" in cli.done("inspect", str(mute), "--json")


def test_a_broken_suite_names_its_line(cli: Any, place: Place) -> None:
    Path(place.suite).with_suffix(".jsonl").write_text(
        '{"id": "a", "prompt": "Hi", "answers": ["1"]}\n{oops\n'
    )
    assert "mine.jsonl:2" in refused(cli, place, *asked(place, place.vector, "sweep"))


# --- the real command ---

STEER = str(Path(sys.executable).with_name("steer"))


def test_the_command_itself_fails_in_one_line(cli: Any, tmp_path: Path) -> None:
    found = subprocess.run(
        [STEER, "inspect", str(tmp_path / "none.safetensors")], capture_output=True, text=True, timeout=60
    )
    assert (found.returncode, found.stdout) == (2, "")
    assert re.fullmatch(cli.ONE_LINE, found.stderr)


@pytest.mark.slow
def test_the_command_is_taken_up_after_kill_9(place: Place) -> None:
    def command(out: str) -> list[str]:
        strengths = ("--strengths", "-2,-1.5,-1,-.5,.5,1,1.5,2")
        return [
            STEER,
            "sweep",
            place.model,
            "--vector",
            place.vector,
            "--suite",
            place.suite,
            *strengths,
            "--out",
            out,
        ]

    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    whole, killed = place.folder / "whole", place.folder / "killed"
    subprocess.run(command(str(whole)), check=True, capture_output=True, timeout=300, env=env)
    expected = (whole / "rows.jsonl").read_bytes()
    for share in (0.1, 0.5):
        child = subprocess.Popen(
            command(str(killed)), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env
        )
        rows = killed / "rows.jsonl"
        while child.poll() is None and (not rows.exists() or rows.stat().st_size < share * len(expected)):
            time.sleep(0.001)
        child.send_signal(signal.SIGKILL)
        assert child.wait() == -signal.SIGKILL, "it was done before it could be killed"
        assert rows.stat().st_size > 0
    subprocess.run(command(str(killed)), check=True, capture_output=True, timeout=300, env=env)
    for name in ("rows.jsonl", "control/rows.jsonl", "summary.json", "settings.json"):
        assert (killed / name).read_bytes() == (whole / name).read_bytes()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--estimator", "mode"], "estimator 'mode'"),
        (["--estimator", "pca", "--parameter", "l2=1"], "parameter 'l2' of pca"),
        (["--parameter", "l2"], "--parameter l2"),
        (["--select", "luck"], "--select luck"),
        (["--estimator", "surgical", "--spare", "none.safetensors"], "none.safetensors"),
        (["--winsorise", "2"], "winsorise 2.0"),
        (["--cone", "2"], "--cone 2 with --estimator mean_difference"),
    ],
)
def test_extract_refuses_what_it_does_not_know(
    cli: Any, place: Place, options: list[str], message: str
) -> None:
    out = str(place.folder / "new.safetensors")
    args = ("extract", place.model, "--contrast", place.contrast, "-o", out, *options)
    assert message in refused(cli, place, *args)


def test_extract_writes_a_cone(cli: Any, place: Place) -> None:
    out = place.folder / "cone.safetensors"
    options = (
        "--contrast",
        place.contrast,
        "--estimator",
        "rdo",
        "--cone",
        "2",
        "--layer",
        "1",
        "--position",
        "-1",
    )
    assert "cone-2" in cli.done(
        "extract", place.model, *options, "--parameter", "steps=2", "-o", str(out)
    ).replace("\n", "")
    first, second = (steer.load_vector(out.with_stem(f"cone-{at}")) for at in (1, 2))
    assert abs(float(first.directions[1] @ second.directions[1])) < 1e-5
    assert not out.exists()


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (
            ("sweep", "reference:base", "--suite", "harmful", "--suite", "benign", "--out", "x"),
            "--suite twice",
        ),
        (("export", "lora", "reference:base", "--strength", "1", "--strength", "2"), "--strength twice"),
        (("bench", "op", "--repeats", "0"), "invalid value for '--repeats'"),
        (("extract", "reference:aligned"), "missing option '--out'"),
        (("extract", "m", "-o", "v", "--layer", "four"), "invalid value for '--layer'"),
        (("generate", "m", "Hi", "--loud"), "no such option: --loud"),
        (("measure",), "no such command 'measure'"),
    ],
)
def test_a_mistake_in_the_words_is_one_line(cli: Any, words: tuple[str, ...], message: str) -> None:
    assert message in cli.refused(*words)


def test_without_words_there_is_help(cli: Any) -> None:
    code, shown, _ = cli.run()
    assert (code, "Commands" in shown) == (2, True)
