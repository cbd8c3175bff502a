"""Tables say what the rows and the summary say, whatever text is in them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.csv  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]
import pytest

from steer_evals.errors import RunError
from steer_evals.points import AXES, axis_name
from steer_evals.rows import Row
from steer_evals.run import fields_of
from steer_evals.summary import curve
from steer_evals.tables import results, write_tables

HOSTILE = [
    'a "quoted" comma, and\na second line', "=1+1", "\u2028 \x85 \x00 \x1c", "| a | b |", "", " ", "\u2019 é 你好 🙂", "'", '"',
    "NA", "null", "1", "true", "\\", "\r\n", "a;b\tc",
]  # fmt: skip
ROW_TYPES = {
    "strength": float,
    "value": float,
    "sample": int,
    "tokens": int,
    "ties": int,
    "correct": bool,
    "truncated": bool,
}


def row(at: int, **more: Any) -> Row:
    fields: dict[str, Any] = {
        "suite": "mine", "axis": "capability", "category": "", "item": f"mine-{at}", "cluster": "c", "strength": -0.5,
        "sample": 0, "prompt": "Hi", "answer": "Oh", "verdict": "full_compliance", "correct": True, "value": 1.0,
        "tokens": 3, "truncated": False, "ties": 0,
    }  # fmt: skip
    found: Row = {**fields, **more}  # type: ignore[typeddict-item]
    return found


ROWS = [
    *(row(at, answer=text, prompt=text) for at, text in enumerate(HOSTILE)),
    row(90, correct=None, value=None, verdict="invalid", truncated=True, ties=2, sample=3),
    row(91, axis="density", correct=None, value=12.625),
]


def summary(rows: list[Row], **more: Any) -> dict[str, Any]:
    return {
        "run": {"model": "m", "vector": "add refusal", "version": "0"}, "curve": [fields_of(p) for p in curve(rows)],
        "tax": [], **more,
    }  # fmt: skip


def csv(path: Path, types: dict[str, Any]) -> list[dict[str, Any]]:
    names = {float: "double", int: "int64", bool: "bool", str: "string"}
    options = pyarrow.csv.ConvertOptions(
        column_types={name: names[kind] for name, kind in types.items()}, strings_can_be_null=True,
        quoted_strings_can_be_null=False, null_values=[""],
    )  # fmt: skip
    parse = pyarrow.csv.ParseOptions(newlines_in_values=True)
    found: list[dict[str, Any]] = pyarrow.csv.read_csv(
        path, convert_options=options, parse_options=parse
    ).to_pylist()
    return found


def test_rows_come_back_from_parquet_and_csv(tmp_path: Path) -> None:
    write_tables(tmp_path, ROWS, summary(ROWS))
    assert pyarrow.parquet.read_table(tmp_path / "rows.parquet").to_pylist() == ROWS
    types = {name: ROW_TYPES.get(name, str) for name in Row.__annotations__}
    assert csv(tmp_path / "rows.csv", types) == ROWS
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "curve.csv",
        "results.md",
        "rows.csv",
        "rows.parquet",
    ]


def test_the_curve_comes_back_from_csv(tmp_path: Path) -> None:
    found = summary(ROWS)
    write_tables(tmp_path, ROWS, found)
    kinds = dict.fromkeys(found["curve"][0], float) | {
        "suite": str,
        "axis": str,
        "counted": str,
        "n": int,
        "missing": int,
    }
    assert csv(tmp_path / "curve.csv", kinds) == found["curve"]


def test_half_a_character_is_written_as_its_escape(tmp_path: Path) -> None:
    write_tables(tmp_path, [row(0, answer="a\ud83d")], summary(ROWS))
    assert pyarrow.parquet.read_table(tmp_path / "rows.parquet")["answer"].to_pylist() == ["a\\ud83d"]


def test_a_run_without_rows_has_tables_too(tmp_path: Path) -> None:
    write_tables(tmp_path, [], summary([]))
    assert pyarrow.parquet.read_table(tmp_path / "rows.parquet").column_names == list(Row.__annotations__)


def cells(line: str) -> list[str]:
    """Of a line of a Markdown table; an escaped bar is text."""
    found = line.replace("\\\\", "\0").replace("\\|", "\1").strip("|").split("|")
    return [cell.replace("\1", "|").replace("\0", "\\").strip() for cell in found]


def test_results_have_every_axis_and_its_n() -> None:
    axes = [axis for axis in AXES if axis not in ("invalid", "diversity", "persona")]
    rows = [
        row(at, axis=axis, suite=f"s-{axis}", item=f"{axis}-{at}", strength=s, value=float(at % 2), cluster=str(at))
        for n, axis in enumerate(axes) for at in range(7 + n) for s in (-1.0, 0.0)
    ]  # fmt: skip
    lines = results(summary(rows)).splitlines()
    head, *body = (cells(line) for line in lines if line.startswith("| "))
    assert set(head) >= {"strength", "most invalid", *(f"{axis_name(axis)} (s-{axis})" for axis in axes)}
    assert [line[0] for line in body] == ["-1", "+0"]
    for line in body:
        found = dict(zip(head, line, strict=True))
        for n, axis in enumerate(axes, 7):
            cell = found[f"{axis_name(axis)} (s-{axis})"]
            assert cell.startswith(f"{n // 2 / n:.2f} [")
            assert cell.endswith(f"({n})")


def test_results_have_tax_controls_and_alarms() -> None:
    points = [fields_of(p) for p in curve(ROWS)]
    tax = {
        "strength": 1.0,
        "n": 9,
        "total": 0.1,
        "refused": 0.08,
        "invalid": 0.0,
        "ability": 0.02,
        "low": None,
        "high": None,
    }
    bounds = {"low": -0.01, "high": None}
    found = results(
        summary(
            ROWS, tax=[tax | {"without_refusals": bounds}, tax | {"low": 0.05, "high": 0.15}], control=points, prompt=points,
            alarms=[{"suite": "mine", "axis": "capability", "strength": 0.5, "p": 0.001}],
        )
    )  # fmt: skip
    assert "| +1 | +0.100 | +0.080 | +0.000 | +0.020 | -0.010 to unknown |" in found
    assert "| +1 | +0.100 [+0.050, +0.150] |" in found
    for said in (
        "## A random direction of equal norm",
        "## System prompts instead of steering",
        "Not monotone: mine near +0.5",
    ):
        assert said in found


def test_what_was_stopped_or_left_out_is_said_on_top_or_in_its_place() -> None:
    run = summary(ROWS)["run"]
    whole, part = (
        {"run": run | {"answers": n, "asked": {"answers": 9, "left_out": "a <b>"}}} for n in (9, 4)
    )
    assert "stopped" not in results(summary(ROWS) | whole)
    found = results(summary(ROWS) | part)
    assert found.splitlines()[2] == "**stopped: 4 of 9 answers**"
    assert "No system prompts were asked instead of steering: a \\<b>." in found


def test_missing_values_are_counted_beside() -> None:
    rows = [row(at, value=None if at < 3 else 1.0) for at in range(10)]
    assert "(7, 3 without a value)" in results(summary(rows))


@pytest.mark.parametrize("name", ["a | b", "a\n# b", "<img src=x>", "[a](b)", "`a", "a \\| b", "**a"])
def test_names_are_no_markup(name: str) -> None:
    own = [row(0, suite=name)]
    found = results(summary(own) | {"run": {"model": name, "vector": "", "version": "0"}})
    lines = [line for line in found.splitlines() if line]
    assert sum(line.startswith("#") for line in lines) == 1
    table = [line for line in lines if line.startswith("|")]
    assert len({len(cells(line)) for line in table}) == 1
    for mark in ("<", "[a]", "`", "*"):
        assert f"({mark}" not in found.replace(f"\\{mark}", "")
    assert "not steered" in lines[0]


def test_what_cannot_be_written_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").mkdir()
    with pytest.raises(RunError, match="cannot be written"):
        write_tables(tmp_path, ROWS, summary(ROWS))
    assert not list(tmp_path.glob(".*")), "no draft stays"
