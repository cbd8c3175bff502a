"""Where rows come from: the same rows give the same set from JSONL, CSV and datasets; what is wrong is one line."""

from __future__ import annotations

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import datasets
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steer_vectors.contrast import load_contrast
from steer_vectors.contrast_rows import examples
from steer_vectors.contrast_sources import read_csv, read_jsonl
from steer_vectors.errors import ContrastError

ROWS: list[dict[str, Any]] = [
    {"text": f"{label} {number}", "label": label, "category": 'a, "b"\nc'}
    for label in ("positive", "negative")
    for number in range(5)
]
TWINS: list[dict[str, Any]] = [{"positive": f"p {number}", "negative": f"n {number}"} for number in range(5)]


def as_jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def as_csv(rows: list[dict[str, Any]]) -> bytes:
    out = io.StringIO(newline="")
    header = list(dict.fromkeys(key for row in rows for key in row))
    table = csv.DictWriter(out, header, quoting=csv.QUOTE_ALL)
    table.writeheader()
    table.writerows(rows)
    return out.getvalue().encode()


words = st.text(st.characters(codec="utf-8"), min_size=1, max_size=12)
texts = words.filter(str.strip)
extra = {"pair": words, "category": words, "system": words, "split": st.sampled_from(["train", "validation"])}
labelled = st.fixed_dictionaries(
    {"text": texts, "label": st.sampled_from(["positive", "negative"])}, optional={**extra, "answer": words}
)
twins = st.fixed_dictionaries({"positive": texts, "negative": texts}, optional={**extra, "text": texts})


@settings(max_examples=150, deadline=None)
@given(rows=st.lists(labelled | twins, min_size=1, max_size=6))
def test_csv_and_jsonl_say_the_same(rows: list[dict[str, Any]]) -> None:
    """Commas, quotes, line breaks, spaces at the ends: whatever is in a cell comes back."""
    found = []
    for read, content in ((read_jsonl, as_jsonl(rows)), (read_csv, as_csv(rows))):
        try:
            found.append(examples(read(content, "x"), "x", "x"))
        except ContrastError as error:  # twins in both splits, or a system prompt: refused alike
            found.append(error.got.split(": ", 1)[1])
    header = set().union(*rows)
    if {"text", "label"} <= header or {"positive", "negative"} <= header:
        assert str(found[0]) == str(found[1])


def test_the_same_hash_from_every_source(tmp_path: Path) -> None:
    for name, rows in (("labelled", ROWS), ("twins", TWINS)):
        (tmp_path / f"{name}.jsonl").write_bytes(as_jsonl(rows))
        (tmp_path / f"{name}.csv").write_bytes(b"\xef\xbb\xbf" + as_csv(rows))  # as Excel saves it
        table = datasets.Dataset.from_list(rows)
        for kind in ("parquet", "csv", "json"):
            folder = tmp_path / kind / name
            folder.mkdir(parents=True)
            getattr(table, f"to_{kind}")(folder / f"train.{kind}")
        asked = [tmp_path / f"{name}.jsonl", tmp_path / f"{name}.csv"]
        asked += [f"hf:{tmp_path}/{kind}/{name}" for kind in ("parquet", "csv", "json")]  # type: ignore[misc]
        sets = [load_contrast(source) for source in asked]
        assert {found.name for found in sets} == {name}
        assert len({found.hash for found in sets}) == 1
        assert all(found.examples == sets[0].examples for found in sets)


def test_a_header_beside_a_csv(tmp_path: Path) -> None:
    (tmp_path / "polite.csv").write_bytes(as_csv(ROWS))
    (tmp_path / "polite.toml").write_text('name = "politeness"\nversion = "2"\nlicence = "MIT"\n')
    contrast = load_contrast(tmp_path / "polite.csv")
    assert (contrast.name, contrast.version, contrast.licence) == ("politeness", "2", "MIT")


HEAD = "text,label\na,positive\n"


@pytest.mark.parametrize(
    ("content", "match"),
    [
        ("", "no positive training prompt in set"),
        (
            "text;label\na;positive\n",
            "set.csv line 1: a header with text;label, of which 'text;label' is wrong",
        ),
        (
            "text,label,catgory\n",
            "set.csv line 1: a header with text, label, catgory, of which 'catgory' is wrong",
        ),
        (",text,label\n0,a,positive\n", "set.csv line 1: a header with , text, label, of which '' is wrong"),
        ("text,label,text\n", "of which 'text' is wrong"),
        (
            "text,answer\n",
            "set.csv line 1: a header with text, answer; expected text and label, or positive and",
        ),
        ("positive,label\n", "set.csv line 1: a header with positive, label; expected"),
        (HEAD + "b, or c,negative\n", "set.csv line 3: 3 cells; expected 2"),
        (HEAD + "b\n", "set.csv line 3: 1 cells"),
        (HEAD + '\n"b\nb",harmful\n', 'set.csv line 4: label "harmful"'),
        (HEAD + '"b\nb",negative\n,negative\n', "set.csv line 5: no text"),
        (HEAD + '"b\nb",negative\n"c,positive\nd,negative\n', "set.csv line 5: bad CSV"),
        (HEAD + '"b"c,negative\n', "set.csv line 3: bad CSV"),
        (
            HEAD + "x" * 200_000 + ",negative\n",
            "(131072)); expected at most 131,072 characters in a cell; do this: shorten the cell, or write",
        ),
        (HEAD.encode() + b"caf\xe9,negative\n", "set.csv: 'utf-8' codec"),
        ("positive,negative\na,\n", "set.csv line 2: no negative"),
    ],
)
def test_a_bad_csv_is_one_line(tmp_path: Path, content: str | bytes, match: str) -> None:
    path = tmp_path / "set.csv"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(str(path), match)


def refused(asked: str, match: str) -> None:
    with pytest.raises(ContrastError) as caught:
        load_contrast(asked)
    assert match in str(caught.value)
    assert "\n" not in str(caught.value)
    assert "; do this: " in str(caught.value)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A dataset whose columns have names of their own."""
    path: Path = tmp_path_factory.mktemp("data") / "mine"
    path.mkdir()
    table = datasets.Dataset.from_dict(
        {
            "prompt": ["a", "b", "c", "d"],
            "kind": ["unsafe", "safe", "unsafe", "safe"],
            "bad": [1, 0, 1, 0],
            "text": ["not", "to", "be", "read"],
            "chat": [[{"role": "user", "content": f"say {n}"}] for n in range(4)],
            "twin": ["e", "f", "g", "h"],
            "named": [0, 1, 0, 1],
        },
        features=datasets.Features(
            {
                **{key: datasets.Value("string") for key in ("prompt", "kind", "text", "twin")},
                "bad": datasets.Value("int64"),
                "chat": [{"role": datasets.Value("string"), "content": datasets.Value("string")}],
                "named": datasets.ClassLabel(names=["positive", "negative"]),
            }
        ),
    )
    table.to_parquet(path / "train-00000.parquet")
    table.select(range(2)).to_parquet(path / "test-00000.parquet")
    return str(path)


def rows_of(asked: str) -> list[tuple[str, str]]:
    return [(row.text, row.label) for row in load_contrast(asked).examples]


def test_columns_are_named(folder: str) -> None:
    prompts = [("a", "positive"), ("b", "negative"), ("c", "positive"), ("d", "negative")]
    assert rows_of(f"hf:{folder}?text=prompt&label=kind:unsafe:safe") == prompts
    assert rows_of(f"hf:{folder}?text=prompt&label=bad:1:0") == prompts
    assert rows_of(f"hf:{folder}?text=prompt&label=named") == prompts, "a class by its own name"
    assert rows_of(f"hf:{folder}?split=test&text=prompt&label=bad:0:1") == [
        ("a", "negative"),
        ("b", "positive"),
    ]
    twins = load_contrast(f"hf:{folder}?positive=prompt&negative=twin&category=kind")
    assert [(row.text, row.category) for row in twins.examples[:3]] == [
        ("a", "unsafe"),
        ("e", "unsafe"),
        ("b", "safe"),
    ]
    answers = load_contrast(f"hf:{folder}?text=text&positive=prompt&negative=twin")
    assert [(row.text, row.answer) for row in answers.examples[:2]] == [("not", "a"), ("not", "e")]
    chats = load_contrast(f"hf:{folder}?messages=chat&label=named")
    assert chats.examples[3].messages == ({"role": "user", "content": "say 3"},)


def test_a_column_may_have_any_name(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text("a&b=c,x\np,n\nq,m\n")
    assert rows_of(f"hf:{tmp_path}?positive=a%26b=c&negative=x")[0] == ("p", "positive")


@pytest.mark.parametrize(
    ("asked", "match"),
    [
        ("hf:", "names no dataset"),
        ("hf:~nosuchuser/set", "hf:~nosuchuser/set, where no folder is"),
        ("hf:./" + "x" * 5000, "where no folder is"),
        ("hf:/no/such/folder", "hf:/no/such/folder, where no folder is"),
        ("hf:{}?txt=prompt", "with 'txt=prompt'; expected hf:ID?KEY=VALUE"),
        ("hf:{}?text=prompt&text=twin", "with 'text=twin'"),
        ("hf:{}?text", "with 'text'"),
        ("hf:{}?text=prompt&label=kind:unsafe", "with label=kind:unsafe"),
        ("hf:{}", "whose columns are prompt, kind, bad, text, chat, twin, named; expected text (or messages) and label"),
        ("hf:{}?text=prompt&label=kid", "; expected a column kid"),
        ("hf:{}?text=prompt", "; expected text (or messages) and label"),
        ("hf:{}?text=prompt&label=kind", "row 1: label 'unsafe'; expected positive or negative"),
        ("hf:{}?text=prompt&label=kind:unsafe:benign", "row 2: label 'safe'; expected unsafe or benign"),
        ("hf:{}?split=dev&text=prompt&label=named", "without a split dev; expected one of train, test"),
        ("hf:{}?config=other&text=prompt&label=named", "which does not load ("),
        ("hf:{}?text=prompt&label=named&id=kind", "row 3: id unsafe, already at"),
        ("hf:nobody/no-such-dataset-here", "hf:nobody/no-such-dataset-here, which does not load ("),
    ],
)  # fmt: skip
def test_a_bad_dataset_is_one_line(folder: str, asked: str, match: str) -> None:
    refused(asked.replace("{}", folder), match)


def test_a_folder_without_data(tmp_path: Path) -> None:
    refused(f"hf:{tmp_path}", "which does not load (")
    (tmp_path / "set.parquet").write_bytes(b"no parquet")
    refused(f"hf:{tmp_path}", "which does not load (")


def test_no_code_of_a_dataset_runs(tmp_path: Path) -> None:
    """The old kind of dataset is a script of the folder's name."""
    (tmp_path / "trap").mkdir()
    (tmp_path / "trap/trap.py").write_text(f"open({str(tmp_path / 'ran')!r}, 'w')")
    (tmp_path / "trap/rows.csv").write_text("positive,negative\na,b\n")
    refused(f"hf:{tmp_path / 'trap'}", "scripts are no longer supported")
    assert not (tmp_path / "ran").exists()


def test_reading_a_folder_is_quiet_and_leaves_nothing(folder: str, tmp_path: Path) -> None:
    code = (
        "import sys; from steer_vectors.contrast import load_contrast; load_contrast('refusal'); "
        "assert 'datasets' not in sys.modules, 'imported only when used'; "
        f"load_contrast('hf:{folder}?positive=prompt&negative=twin'); assert 'datasets' in sys.modules"
    )
    env = {**os.environ, "HF_HOME": str(tmp_path / "hf"), "TMPDIR": str(tmp_path / "tmp")}
    (tmp_path / "tmp").mkdir()
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, cwd=tmp_path)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [path for path in tmp_path.rglob("*") if path.is_file()] == []
    assert datasets.are_progress_bars_disabled() is False, "given back as it was"
