"""The rows of a run: one JSON object a line, only ever appended. Survives `kill -9` at any byte. Knows no model."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, NamedTuple, TypedDict, get_type_hints

from pydantic import ConfigDict, ValidationError, create_model

from steer_evals.errors import RunError, first_of, unwritable


class Row(TypedDict):
    """One answer, judged.

    `sample` counts the answers to one item; `correct` is None where there is nothing to be right about; `value` is what
    the axis averages: 1 or 0 for a rate, a share or a density for others, None where the answer says nothing about it;
    `tokens` counts the answer's; `ties` those of them that another batch might have chosen otherwise (see `engine.TIE`),
    None where the engine does not count them.
    """

    suite: str
    axis: str
    category: str
    item: str
    cluster: str
    strength: float
    sample: int
    prompt: str
    answer: str
    verdict: str
    correct: bool | None
    value: float | None
    tokens: int
    truncated: bool
    ties: int | None


_FIELDS: dict[str, Any] = {name: (kind, ...) for name, kind in get_type_hints(Row).items()}
_CHECK = create_model(
    "_Row", __config__=ConfigDict(strict=True, extra="forbid", allow_inf_nan=False), **_FIELDS
)


class Key(NamedTuple):
    """What a run holds one row of."""

    suite: str
    item: str
    strength: float
    sample: int = 0


def key(row: Row) -> Key:
    """The key of a row."""
    return Key(row["suite"], row["item"], row["strength"], row["sample"])


def read_rows(path: Path) -> list[Row]:
    """Every row of a file; a last line that was torn off by a kill is left out.

    Raises:
        RunError: No such file, or a line before the last that is not a row.
    """
    try:
        lines = path.read_bytes().split(b"\n")
    except OSError as error:
        raise RunError(
            f"{path}, which cannot be read ({error.strerror})", "the rows of a run", "check the folder"
        ) from error
    return [_row(path, number, line) for number, line in enumerate(lines[:-1], 1) if line.strip()]


def resume_rows(path: Path) -> list[Row]:
    """The rows so far; cuts a torn last line off the file, so that the next append starts on a line of its own.

    Raises:
        RunError: A file that cannot be read or cut, or that holds something else.
    """
    if not path.exists():
        return []
    rows = read_rows(path)
    cut_torn(path)
    return rows


def append_rows(path: Path, rows: Iterable[Row]) -> None:
    """Append whole lines and wait until they are on the disk.

    Raises:
        RunError: The file cannot be written.
    """
    append_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))


def cut_torn(path: Path) -> None:
    """Cut off a last line that was not written whole; a file that is not there is well.

    Raises:
        RunError: The file cannot be read or written.
    """
    try:
        if not path.exists():
            return
        whole = path.read_bytes().rfind(b"\n") + 1
        if whole < path.stat().st_size:
            os.truncate(path, whole)
    except OSError as error:
        raise unwritable(path, error) from error


def append_text(path: Path, text: str) -> None:
    """Append whole lines and wait until they are on the disk; the folder is made if it is missing.

    Raises:
        RunError: The file cannot be written.
    """
    try:
        path.parent.mkdir(exist_ok=True)
        with path.open("ab") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise unwritable(path, error) from error


def _row(path: Path, number: int, line: bytes) -> Row:
    try:
        row: Row = json.loads(line)
        _CHECK.model_validate(row)
    except (ValueError, RecursionError) as error:
        why = first_of(error) if isinstance(error, ValidationError) else error
        raise RunError(
            f"{path}:{number}, which is no row ({why})", "rows of a sweep", "choose another folder"
        ) from error
    return row
