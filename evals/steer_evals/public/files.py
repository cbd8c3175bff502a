"""Where the rows of public sets are written: CSV, JSON, JSON lines, parquet, Hugging Face datasets. Knows no sets.

CSV, JSON lines and datasets are read as those of contrast sets are (`steer_vectors.contrast_sources`): a path that begins
with `hf:` is a hub id or a folder, then, if needed, `?config=NAME&split=NAME`.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from steer_evals.errors import SuiteError
from steer_vectors.contrast_rows import Record
from steer_vectors.contrast_sources import PREFIX, csv_rows, load_table, parse_dataset, read_jsonl
from steer_vectors.errors import ContrastError


class Row(NamedTuple):
    """A row as it was written; `at` is its place, as in "prompts.csv line 3"."""

    fields: Mapping[str, Any]
    at: str

    def text(self, column: str) -> str:
        """What a column says, character for character.

        Raises:
            SuiteError: It says nothing, or something that is not text.
        """
        said = self.fields.get(column)
        if not isinstance(said, str) or not said.strip():
            raise self.wrong(column, "a text that is not blank")
        return said

    def word(self, column: str) -> str:
        """A name or a number as text, white space at its ends aside; "" if absent.

        Raises:
            SuiteError: It is neither.
        """
        said = self.fields.get(column)
        if said is None:
            return ""
        if not isinstance(said, str | int):
            raise self.wrong(column, "a name or a whole number")
        return str(said).strip()

    def texts(self, column: str, least: int = 1) -> tuple[str, ...]:
        """A list of texts.

        Raises:
            SuiteError: It is none, has fewer than `least`, or one of them is blank.
        """
        return self.checked(self.fields.get(column), column, least)

    def checked(self, said: object, column: str, least: int = 1) -> tuple[str, ...]:
        """The same for a list that stands inside what the column says."""
        found = tuple(said) if isinstance(said, Sequence) and not isinstance(said, str) else ()
        if len(found) < least or not all(isinstance(text, str) and text.strip() for text in found):
            raise self.wrong(column, f"a list of {least} texts or more, none blank")
        return found

    def wrong(self, column: str, expected: str) -> SuiteError:
        """The error for what a column says."""
        said = self.fields.get(column)
        got = f"no {column}" if said is None or said == "" else f"{column} {said!r:.80}"
        return SuiteError(f"{self.at} with {got}", expected, "correct the row")


class Table(NamedTuple):
    """Rows and the columns that they may have; `source` is what messages call it."""

    source: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]


def read_table(path: str) -> Table:
    """All rows of a local file, or of a dataset by `hf:`.

    Raises:
        SuiteError: It does not read, or a row is no object.
    """
    try:
        if path.startswith(PREFIX):
            return _dataset(path)
        file = Path(os.path.expanduser(path))
        return _reader(file)(file)
    except ContrastError as error:
        raise SuiteError(error.got, error.expected, error.do) from error
    except OSError as error:
        raise SuiteError(
            f"{path}, which does not read ({error})", f"a file, or {PREFIX} and a dataset", "check the path"
        ) from error


def _reader(file: Path) -> Callable[[Path], Table]:
    readers = {".csv": _csv, ".jsonl": _jsonl, ".json": _json, ".parquet": _parquet}
    if file.suffix.lower() not in readers:
        raise SuiteError(
            f"{file}", f"a file that ends in {', '.join(readers)}", "check the path, or convert the file"
        )
    return readers[file.suffix.lower()]


def _csv(file: Path) -> Table:
    rows = csv_rows(file.read_bytes(), str(file))
    header = [cell.strip() for cell in next(rows, ("", []))[1]]
    twice = next((name for name in header if name and header.count(name) > 1), None)
    if twice is not None:
        raise SuiteError(f"{file} with two columns {twice!r}", "one of each name", "rename one of them")
    found = tuple(Row(dict(zip(header, cells, strict=True)), f"{file} {at}") for at, cells in rows)
    return Table(str(file), tuple(header), found)


def _jsonl(file: Path) -> Table:
    return _of_records(read_jsonl(file.read_bytes(), str(file)), str(file))


def _json(file: Path) -> Table:
    try:
        said = json.loads(file.read_bytes())
        json.dumps(said, ensure_ascii=False).encode()  # half a character (a lone surrogate) is no text
    except (ValueError, RecursionError) as error:
        raise SuiteError(
            f"{file}, which is not JSON in UTF-8 ({error})",
            "one array of objects",
            "correct the file, or call it .jsonl if it has an object a line",
        ) from error
    if not isinstance(said, list):
        raise SuiteError(
            f"{file}, which is a {type(said).__name__}", "one array of objects", "correct the file"
        )
    return _of_records((Record(row, f"row {number}") for number, row in enumerate(said, 1)), str(file))


def _parquet(file: Path) -> Table:
    import pyarrow  # type: ignore[import-untyped]  # comes with datasets; for those who ask for it
    from pyarrow.parquet import read_table as read  # type: ignore[import-untyped]

    try:
        table = read(file)
        rows = table.to_pylist()
    except (pyarrow.ArrowException, ValueError) as error:
        said = " ".join(str(error).split())[:160]
        raise SuiteError(
            f"{file}, which does not read ({said})", "a parquet file", "check the file"
        ) from error
    return _numbered(rows, table.column_names, str(file))


def _dataset(asked: str) -> Table:
    dataset = parse_dataset(asked)
    if dataset.columns:
        raise SuiteError(
            f"{asked}, which names columns",
            "config=NAME and split=NAME only: columns are known by their published names",
            "drop the other settings",
        )
    table = load_table(dataset)
    return _numbered(table, table.column_names, asked)


def _numbered(rows: Iterable[Mapping[str, Any]], columns: Iterable[str], source: str) -> Table:
    found = tuple(Row(row, f"{source} row {number}") for number, row in enumerate(rows, 1))
    return Table(source, tuple(columns), found)


def _of_records(records: Iterable[Record], source: str) -> Table:
    """Each row says its own columns: all that any of them names."""
    rows = tuple(_rows(records, source))
    columns = dict.fromkeys(key for row in rows for key in row.fields)
    return Table(source, tuple(columns), rows)


def _rows(records: Iterable[Record], source: str) -> Iterator[Row]:
    for fields, at in records:
        if not isinstance(fields, Mapping):
            raise SuiteError(f"{source} {at}: a {type(fields).__name__}", "a JSON object", "correct the row")
        yield Row(fields, f"{source} {at}")
