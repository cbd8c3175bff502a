"""The commands that compare, combine, push and pull vectors; every mistake is one line, exit code 2, no file left."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import steer
from steer_vectors.arithmetic import add, compare, orthogonalise, principal_angles, subtract
from steer_vectors.models import ChatModel


@pytest.fixture
def folder(
    tiny_llama: ChatModel, make_llama: Callable[..., ChatModel], make_vector: Callable[..., steer.Vector], tmp_path: Path
) -> Path:  # fmt: skip
    """Vectors a, b and c of one model, and one of another."""
    for seed, name in enumerate("abc"):
        steer.save_vector(
            make_vector(tiny_llama, layer=seed + 1, gap=1.0 + seed, seed=seed),
            tmp_path / f"{name}.safetensors",
        )
    steer.save_vector(make_vector(make_llama("other", seed=9)), tmp_path / "other.safetensors")
    return tmp_path


@pytest.fixture
def chosen(folder: Path) -> Path:
    """A vector whose site was chosen, as its file says."""
    vector = steer.load_vector(folder / "a.safetensors")
    at = {
        "layer": vector.layer,
        "position": -1,
        "separation": 2.0,
        "auc": 0.9,
        "added": 1.0,
        "ablated": 1.0,
        "kl": 0.0,
    }
    scores = {"candidates": [at], "separation": {"auc": [[0.9] * vector.layers]}, "repeats": 1.0}
    meta = {**vector.meta, "position": "-1", "positions": "[-1]", "scores": json.dumps(scores)}
    path = folder / "chosen.safetensors"
    steer.save_vector(replace(vector, meta=meta), path)
    return path


def of(folder: Path, *names: str) -> list[str]:
    return [str(folder / f"{name}.safetensors") for name in names]


def loaded(folder: Path, *names: str) -> list[steer.Vector]:
    return [steer.load_vector(path) for path in of(folder, *names)]


def test_compare_shows_what_the_library_says(cli: Any, folder: Path) -> None:
    vectors = loaded(folder, "a", "b", "c")
    found = compare(vectors, "abc")
    said = json.loads(cli.done("compare", *of(folder, "a", "b", "c"), "--json"))
    assert (said["names"], said["layer"], said["angles"]) == (["a", "b", "c"], 1, [])
    assert torch.equal(torch.tensor(said["cosines"], dtype=torch.float64), found.at())
    assert [tuple(pair.values()) for pair in said["over_layers"]] == found.spreads()
    table = cli.done("compare", *of(folder, "a", "b", "c"), "--layer", "3")
    assert "cosine at layer 3" in table
    for value in (*found.at(3).flatten().tolist(), *(pair.median for pair in found.spreads())):
        assert f"{value:+.3f}" in table


def test_compare_two_gives_their_angle(cli: Any, folder: Path) -> None:
    vectors = loaded(folder, "a", "b")
    angles = [float(layer[0]) for layer in principal_angles(vectors[:1], vectors[1:])]
    assert json.loads(cli.done("compare", *of(folder, "a", "b"), "--json"))["angles"] == angles
    shown = cli.done("compare", *of(folder, "a", "b"))
    assert f"principal angle at layer 1: {angles[1]:.1f}°; over all layers {min(angles):.1f}°" in shown
    assert "+1.000" in cli.done("compare", *of(folder, "a", "a")), "a name may come twice"


def test_compare_draws(cli: Any, folder: Path) -> None:
    for name, start in (("heat.png", b"\x89PNG"), ("heat.svg", b"<?xml")):
        assert f"written: {folder}/{name}" in cli.done(
            "compare", *of(folder, "a", "b"), "--out", str(folder / name)
        )
        assert (folder / name).read_bytes().startswith(start)


def test_what_is_unknown_is_null(cli: Any, folder: Path) -> None:
    (vector,) = loaded(folder, "a")
    lacking = steer.Vector(
        vector.directions, vector.positive, vector.negative, {**vector.meta, "absent_layers": "[1]"}
    )
    steer.save_vector(lacking, folder / "lacking.safetensors")

    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    said: Any = json.loads(
        cli.done("compare", *of(folder, "b", "lacking"), "--layer", "1", "--json"), parse_constant=refuse
    )
    assert said["cosines"][0][1] is None
    assert said["angles"][1] is None
    assert "none" in cli.done("compare", *of(folder, "b", "lacking"), "--layer", "1")


@pytest.mark.parametrize(
    ("words", "made"),
    [
        (("add", "a", "b", "c"), lambda a, b, c: add(a, b, c)),
        (("add", "a", "b", "--weights", "1,-0.5"), lambda a, b, c: add(a, b, weights=(1, -0.5))),
        (("subtract", "a", "b"), lambda a, b, c: subtract(a, b)),
        (("subtract", "c", "a", "--weights", "2,0.25"), lambda a, b, c: subtract(c, a, weights=(2, 0.25))),
        (("orthogonalise", "a", "b", "c"), lambda a, b, c: orthogonalise(a, [b, c])),
    ],
)
def test_combine_writes_what_the_library_makes(
    cli: Any, folder: Path, words: tuple[str, ...], made: Callable[..., steer.Vector]
) -> None:
    args = [str(folder / f"{word}.safetensors") if word in ("a", "b", "c") else word for word in words]
    out = folder / "new.safetensors"
    shown = cli.done("combine", *args, "-o", str(out))
    assert f"written: {out}" in shown
    assert "arithmetic" in shown
    steer.save_vector(made(*loaded(folder, "a", "b", "c")), folder / "wanted.safetensors")
    assert out.read_bytes() == (folder / "wanted.safetensors").read_bytes()
    said = json.loads(cli.done("combine", *args, "-o", str(out), "--json"))
    assert (said["estimator"], said["layer"]) == ("arithmetic", steer.load_vector(out).meta["layer"])


def test_push_and_pull_through_a_folder(cli: Any, folder: Path) -> None:
    (source,) = of(folder, "a")
    assert f"pushed: {folder}/there/a.safetensors" in cli.done("push", source, str(folder / "there"))
    assert "README.md" in {path.name for path in (folder / "there").iterdir()}
    out = folder / "back.safetensors"
    assert f"written: {out}" in cli.done("pull", str(folder / "there"), "-o", str(out))
    assert out.read_bytes() == Path(source).read_bytes()
    said = json.loads(cli.done("push", source, str(folder / "there"), "--name", "b.safetensors", "--json"))
    assert said == {"file": "b.safetensors", "place": str(folder / "there" / "b.safetensors")}
    again = ("pull", str(folder / "there"), "--name", "b.safetensors", "-o", str(out), "--json")
    assert json.loads(cli.done(*again))["concept"] == "test"


def test_inspect_says_where_the_picture_is(cli: Any, folder: Path, chosen: Path) -> None:
    chart = folder / "choice.svg"
    assert cli.done("inspect", str(chosen), "--plot", str(chart)).endswith(f"\nwritten: {chart}\n")
    assert chart.read_bytes().startswith(b"<?xml")
    json.loads(cli.done("inspect", str(chosen), "--plot", str(chart), "--json"))


def test_a_setting_has_one_number(cli: Any, folder: Path) -> None:
    twice = ("--estimator", "logistic", "--parameter", "l2=10", "--parameter", "l2=3")
    assert "--parameter l2 twice" in cli.refused("extract", str(folder), *twice, "-o", str(folder / "new"))


def test_a_name_moves_no_cursor(cli: Any, folder: Path, make_vector: Any, tiny_llama: ChatModel) -> None:
    vector = make_vector(tiny_llama)
    said = "red \x1b[31m\x07\x9b2J \u202egone\r two\u00a0words"
    path = str(folder / "odd.safetensors")
    steer.save_vector(replace(vector, meta={**vector.meta, "concept": said}), path)
    shown = cli.done("inspect", path)
    assert "red ?[31m??2J ?gone? two\u00a0words" in shown
    assert all(char.isprintable() or char in "\n\u00a0" for char in shown)


CASES: dict[str, tuple[str, ...]] = {
    "compare one": ("compare", "A"),
    "compare what is none": ("compare", "A", "FOLDER/none.safetensors"),
    "compare two models": ("compare", "A", "OTHER"),
    "compare at no layer": ("compare", "A", "B", "--layer", "5"),
    "compare at no layer, drawn": ("compare", "A", "B", "--layer", "-1", "--out", "FOLDER/x.png"),
    "compare into another format": ("compare", "A", "B", "--out", "FOLDER/x.gif"),
    "compare into no folder": ("compare", "A", "B", "--out", "FOLDER/none/x.png"),
    "combine otherwise": ("combine", "multiply", "A", "B", "-o", "NEW"),
    "combine one": ("combine", "add", "A", "-o", "NEW"),
    "subtract three": ("combine", "subtract", "A", "B", "C", "-o", "NEW"),
    "subtract itself": ("combine", "subtract", "A", "A", "-o", "NEW"),
    "orthogonalise to itself": ("combine", "orthogonalise", "A", "B", "A", "-o", "NEW"),
    "combine two models": ("combine", "add", "A", "OTHER", "-o", "NEW"),
    "too few weights": ("combine", "add", "A", "B", "--weights", "1", "-o", "NEW"),
    "a weight that is none": ("combine", "add", "A", "B", "--weights", "1,x", "-o", "NEW"),
    "a weight left empty": ("combine", "add", "A", "B", "--weights", "1,,0.5", "-o", "NEW"),
    "a comma too many": ("combine", "add", "A", "B", "--weights", "1,0.5,", "-o", "NEW"),
    "a weight without end": ("combine", "add", "A", "B", "--weights", "1,inf", "-o", "NEW"),
    "weights without use": ("combine", "orthogonalise", "A", "B", "--weights", "1,1", "-o", "NEW"),
    "combine into no folder": ("combine", "add", "A", "B", "-o", "FOLDER/none/x.safetensors"),
    "push what is none": ("push", "FOLDER/none.safetensors", "FOLDER/there"),
    "push under no name": ("push", "A", "FOLDER/there", "--name", "../a.safetensors"),
    "push without a network": ("push", "A", "somebody/vectors"),
    "pull without a network": ("pull", "somebody/vectors", "-o", "NEW"),
    "pull from several": ("pull", "FOLDER", "-o", "NEW"),
    "pull what is none": ("pull", "FOLDER", "--name", "none.safetensors", "-o", "NEW"),
    "push to nobody": ("push", "A", "~nosuchuser/vectors"),
    "pull from nobody": ("pull", "~nosuchuser/vectors", "-o", "NEW"),
    "inspect nobody's model": ("inspect", "~nosuchuser/model"),
    "inspect a name too long": ("inspect", "x" * 5000),
    "draw the card": ("inspect", "reference", "--plot", "FOLDER/x.png"),
    "draw a model": ("inspect", "reference:aligned", "--plot", "FOLDER/x.png"),
    "pull into no folder": ("pull", "FOLDER", "--name", "a.safetensors", "-o", "FOLDER/none/x.safetensors"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_mistake_is_one_line(cli: Any, folder: Path, case: str) -> None:
    names = {
        name.upper(): path
        for name, path in zip(("a", "b", "c", "other"), of(folder, "a", "b", "c", "other"), strict=True)
    }
    args = [
        names.get(word, word.replace("FOLDER", str(folder)).replace("NEW", str(folder / "new.safetensors")))
        for word in CASES[case]
    ]
    before = {str(path): path.read_bytes() for path in folder.rglob("*")}
    cli.refused(*args)
    assert {str(path): path.read_bytes() for path in folder.rglob("*")} == before, "something was left behind"
