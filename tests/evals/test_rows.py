"""Rows: exactly the contract's fields, one a line, and whole again after a kill at any byte."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from steer_evals.errors import RunError
from steer_evals.rows import Row, append_rows, key, read_rows, resume_rows
from steer_kernels import SteerError

FIELDS = ("suite", "axis", "category", "item", "cluster", "strength", "sample", "prompt", "answer", "verdict", "correct",
          "value", "tokens", "truncated", "ties")  # fmt: skip


def row(item: int = 0, **more: Any) -> Row:
    fields: dict[str, Any] = {
        "suite": "mine", "axis": "capability", "category": "", "item": f"mine-{item}", "cluster": "c", "strength": -0.5,
        "sample": 0, "prompt": "Hi", "answer": "Oh", "verdict": "full_compliance", "correct": True, "value": 1.0,
        "tokens": 3, "truncated": False, "ties": 0,
    }  # fmt: skip
    found: Row = {**fields, **more}  # type: ignore[typeddict-item]
    return found


ROWS = [
    row(0), row(1, answer="two\nlines"), row(2, answer="\u2028 \x85 \x1c \x00"), row(3, correct=None, answer="\u2019 é 你好 🙂"),
    row(4, correct=False, answer="", value=0.0), row(4, sample=1, value=None, truncated=True, ties=2),
]  # fmt: skip


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("rows")


def refused(path: Path) -> str:
    with pytest.raises(RunError, match=r"got [^\n]+; expected [^\n]+; do this: [^\n]+") as error:
        resume_rows(path)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_a_row_has_the_fields_of_the_contract() -> None:
    assert tuple(Row.__annotations__) == FIELDS


def test_rows_come_back_as_they_were_one_a_line(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    append_rows(path, ROWS[:2])
    append_rows(path, ROWS[2:])
    assert read_rows(path) == resume_rows(path) == ROWS
    lines = path.read_bytes().split(b"\n")
    assert [json.loads(line) for line in lines[:-1]] == ROWS
    assert lines[-1] == b""
    assert [tuple(found) for found in read_rows(path)] == [FIELDS] * len(ROWS)


@given(answers=st.lists(st.text(st.characters(exclude_categories=["Cs"])), max_size=4))
def test_any_answer_survives(folder: Path, answers: list[str]) -> None:
    path = folder / "any.jsonl"
    path.unlink(missing_ok=True)
    rows = [row(at, answer=answer) for at, answer in enumerate(answers)]
    append_rows(path, rows)
    assert read_rows(path) == rows


def test_a_kill_at_any_byte_loses_at_most_the_line_it_tore(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "fsync", lambda _: None)  # the disk is not what is tested, and it is slow
    path = tmp_path / "rows.jsonl"
    append_rows(path, ROWS)
    whole = path.read_bytes()
    for size in range(len(whole) + 1):
        path.write_bytes(whole[:size])
        kept = resume_rows(path)
        assert kept == ROWS[: whole[:size].count(b"\n")]
        append_rows(path, ROWS[len(kept) :])
        assert path.read_bytes() == whole


def test_nothing_yet_is_no_rows(tmp_path: Path) -> None:
    assert resume_rows(tmp_path / "rows.jsonl") == []
    with pytest.raises(RunError, match="cannot be read"):
        read_rows(tmp_path / "rows.jsonl")


JSON = st.recursive(
    st.none() | st.integers() | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner)
)


@given(
    line=st.binary(min_size=1).filter(lambda line: b"\n" not in line and line.strip())
    | JSON.map(json.dumps).map(str.encode)
)
@example(json.dumps(list(FIELDS)).encode())
@example(b"[" * 100_000)
@example(b"9" * 5000)
@example(json.dumps(dict.fromkeys(FIELDS[1:], 0)).encode())
@example(json.dumps(row() | {"more": 1}).encode())
@example(json.dumps({name: value for name, value in row().items() if name != "sample"}).encode())
def test_a_whole_line_that_is_no_row_is_one_line_with_its_number(folder: Path, line: bytes) -> None:
    path = folder / "junk.jsonl"
    path.write_bytes(json.dumps(row()).encode() + b"\n" + line + b"\n" + json.dumps(row(1)).encode() + b"\n")
    before = path.read_bytes()
    assert "junk.jsonl:2" in refused(path)
    assert path.read_bytes() == before, "what is not ours is not touched"


WRONG: list[dict[str, Any]] = [
    {"suite": 1}, {"strength": "0.5"}, {"strength": True}, {"strength": None}, {"strength": float("inf")}, {"sample": 0.5},
    {"answer": None}, {"verdict": ["invalid"]}, {"correct": 1}, {"correct": "yes"}, {"value": "1"}, {"value": float("nan")},
    {"tokens": "3"}, {"truncated": 0}, {"ties": 1.5},
]  # fmt: skip


@pytest.mark.parametrize("wrong", WRONG, ids=str)
def test_a_field_of_another_type_is_named_with_file_and_line(tmp_path: Path, wrong: dict[str, Any]) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps(row())}\n{json.dumps(row(1) | wrong)}\n")
    said = refused(path)
    assert f"rows.jsonl:2, which is no row ({next(iter(wrong))}: " in said


def test_a_whole_number_is_a_number_too(tmp_path: Path) -> None:
    append_rows(path := tmp_path / "rows.jsonl", [row(strength=1, value=0)])
    assert read_rows(path) == [row(strength=1.0, value=0.0)]


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(SteerError, match="cannot be written"):
        append_rows(tmp_path / "file" / "rows.jsonl", ROWS)
    (tmp_path / "folder").mkdir()
    with pytest.raises(SteerError, match="cannot be written"):
        append_rows(tmp_path / "folder", ROWS)
    assert "folder" in refused(tmp_path / "folder")


def test_a_key_tells_rows_apart() -> None:
    keys = {
        key(row(1)),
        key(row(2)),
        key(row(1, strength=0.5)),
        key(row(1, suite="other")),
        key(row(1, sample=1)),
    }
    assert len(keys) == 5
    assert key(row(1, sample=2)) == ("mine", "mine-1", -0.5, 2)
    assert key(row(1)) == key(row(1, answer="another"))
