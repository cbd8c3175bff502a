"""Rows and curve as tables: Parquet and CSV for data frames, Markdown for people. Knows no models and no statistics."""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa  # type: ignore[import-untyped]
import pyarrow.csv  # type: ignore[import-untyped]
import pyarrow.parquet  # type: ignore[import-untyped]

from steer_evals.errors import unwritable
from steer_evals.points import Point, axis_name, most_invalid, read_points
from steer_evals.rows import Row
from steer_evals.run import left_out, stopped, write_whole
from steer_evals.second_judge import AGREEMENT_COLUMNS, AGREEMENT_NOTE, agreement_cells, judge_sentence

_ROWS = pa.schema(
    [(name, pa.float64() if name in ("strength", "value") else
      pa.int64() if name in ("sample", "tokens", "ties") else
      pa.bool_() if name in ("correct", "truncated") else pa.string()) for name in Row.__annotations__]
)  # fmt: skip


def write_tables(folder: Path, rows: Sequence[Row], summary: Mapping[str, Any]) -> None:
    """Write `rows.parquet`, `rows.csv`, `curve.csv` and `results.md`, each whole.

    Args:
        folder: Of the run.
        rows: Its rows.
        summary: Contents of its `summary.json`.

    Raises:
        RunError: The folder cannot be written.
    """
    table = pa.Table.from_pylist([_printable(row) for row in rows], schema=_ROWS)
    _written(folder / "rows.parquet", lambda path: pyarrow.parquet.write_table(table, path))
    _written(folder / "rows.csv", lambda path: pyarrow.csv.write_csv(table, path))
    points = pa.Table.from_pylist(list(summary["curve"]))
    _written(folder / "curve.csv", lambda path: pyarrow.csv.write_csv(points, path))
    write_whole(folder / "results.md", results(summary))


def results(summary: Mapping[str, Any]) -> str:
    """The summary in Markdown: settings, every axis against strength, the tax, the controls."""
    run, points = summary["run"], read_points(summary["curve"])
    lines = [
        f"# {_text(run['model'])}, {_text(run['vector']) or 'not steered'}", "",
        *([f"**{said}**", ""] if (said := stopped(run)) else []),
        f"steerdial {run['version']}; rate [95 % interval], n in brackets; strengths in class gaps.", "",
        *_curve_lines(points), "",
    ]  # fmt: skip
    if summary["tax"]:
        lines += [
            "## Tax",
            "",
            "| strength | total | refused | invalid | ability | without refusals |",
            "|---|---|---|---|---|---|",
        ]
        lines += [_tax_line(entry) for entry in summary["tax"]] + [""]
    for key, title in (
        ("control", "A random direction of equal norm"),
        ("prompt", "System prompts instead of steering"),
    ):
        if summary.get(key):
            lines += [f"## {title}", "", *_curve_lines(read_points(summary[key])), ""]
    if said := left_out(run):
        lines += [f"{_text(said).capitalize()}.", ""]
    if summary.get("differences"):
        lines += ["## Differences", "", "| strength | what | difference |", "|---|---|---|"]
        lines += [_difference_line(entry) for entry in summary["differences"]] + [""]
    for alarm in summary.get("alarms", ()):
        lines.append(
            f"Not monotone: {_text(alarm['suite'])} near {alarm['strength']:+g} (p = {alarm['p']:.3f}); read answers there."
        )
    if "judge" in summary:
        lines += ["", *_judge_lines(summary["judge"])]
    return "\n".join(lines).rstrip() + "\n"


def _curve_lines(points: Sequence[Point]) -> list[str]:
    columns = list(dict.fromkeys((p.suite, p.axis) for p in points if p.axis != "invalid"))
    found = {(p.strength, p.suite, p.axis): p for p in points}
    head = [_text(f"{axis_name(axis)} ({suite})") for suite, axis in columns]
    worst = most_invalid(points)
    lines = [f"| strength | {' | '.join(head)} | most invalid |", "|---" * (len(columns) + 2) + "|"]
    for strength in sorted({p.strength for p in points}):
        cells = [_cell(found.get((strength, *column))) for column in columns]
        lines.append(f"| {strength:+g} | {' | '.join(cells)} | {_share(worst.get(strength))} |")
    return lines


def _cell(point: Point | None) -> str:
    if point is None:
        return ""
    missing = f", {point.missing} without a value" if point.missing else ""
    return f"{point.rate:.2f} [{point.low:.2f}, {point.high:.2f}] ({point.n}{missing})"


def _share(point: Point | None) -> str:
    return "" if point is None else f"{point.rate:.2f}"


def _tax_line(entry: Mapping[str, Any]) -> str:
    parts = (f"{entry[name]:+.3f}" for name in ("refused", "invalid", "ability"))
    low, high = (entry[end] for end in ("low", "high"))
    total = f"{entry['total']:+.3f}" + ("" if low is None else f" [{low:+.3f}, {high:+.3f}]")
    without = entry.get("without_refusals")
    bounds = "" if without is None else f"{_signed(without['low'])} to {_signed(without['high'])}"
    return f"| {entry['strength']:+g} | {total} | {' | '.join(parts)} | {bounds} |"


def _text(text: str) -> str:
    """Names are whatever users wrote, and reasons what a server said: none ends a cell or a line, or is markup."""
    return re.sub(r"([\\|<\[`*])", r"\\\1", " ".join(text.split()))


def _difference_line(entry: Mapping[str, Any]) -> str:
    interval = f"[{_signed(entry['low'])}, {_signed(entry['high'])}]"
    counts = f"({entry['n']}, {entry['n_less']})"
    return f"| {entry['strength']:+g} | {entry['what']} | {entry['value']:+.3f} {interval} {counts} |"


def _judge_lines(judge: Mapping[str, Any]) -> list[str]:
    """Of a run that was judged again."""
    cells = [[_text(suite), *more] for suite, *more in map(agreement_cells, judge["agreement"])]
    rows = [AGREEMENT_COLUMNS, ["---"] * len(AGREEMENT_COLUMNS), *cells]
    table = [f"| {' | '.join(row)} |" for row in rows]
    return ["## Judge", "", _text(judge_sentence(judge)), "", AGREEMENT_NOTE, "", *table]


def _signed(value: float | None) -> str:
    return "unknown" if value is None else f"{value:+.3f}"


def _printable(row: Row) -> dict[str, Any]:
    """Half a character (a lone surrogate), which JSON may hold, becomes its escape."""
    return {
        name: value.encode("utf-8", "backslashreplace").decode() if isinstance(value, str) else value
        for name, value in row.items()
    }


def _written(path: Path, write: Any) -> None:
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        write(draft)
        draft.replace(path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        draft.unlink(missing_ok=True)
