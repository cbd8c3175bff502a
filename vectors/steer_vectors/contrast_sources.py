"""Where the rows of contrast sets are written: JSON lines, CSV, Hugging Face datasets. Knows no classes.

A dataset is `hf:` and a hub id or a local folder, then, if needed, `?` and settings with `&` between them:
`config=NAME`, `split=NAME` (of the dataset; default `train`, or the only one), and for any field of a row the column
that holds it, as in `text=prompt`. Once a column is named, only named columns are read; else all that are called as
a field. `label=COLUMN:PLUS:MINUS` also says which two values mean positive and negative. `%26` in a name is `&`.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, NamedTuple
from urllib.parse import unquote

from steer_vectors.contrast_rows import FIELDS, LABELS, Record
from steer_vectors.errors import ContrastError

PREFIX = "hf:"
_CSV_FIELDS = tuple(field for field in FIELDS if field != "messages")
_COLUMN_FIELDS = tuple(field for field in FIELDS if field != "split")


class Dataset(NamedTuple):
    """Which rows and columns of a Hugging Face dataset.

    Args:
        asked: As the user wrote it.
        path: Hub id or folder.
        config: "" = the only one.
        split: Of the dataset; "" = `train`, or the only one.
        columns: Field of a row to column; none = columns that are called as fields.
        values: What `label` holds for positive and negative.
    """

    asked: str
    path: str
    config: str
    split: str
    columns: Mapping[str, str]
    values: tuple[str, str]

    @property
    def name(self) -> str:
        """Of the contrast set: the last part of the id or the folder."""
        return Path(os.path.expanduser(self.path)).resolve().name  # which, unlike Path's, never raises


def read_jsonl(content: bytes, source: str) -> Iterator[Record]:
    """One JSON object a line; empty lines are skipped.

    Raises:
        ContrastError: Not UTF-8, or a line that is no JSON.
    """
    # Not splitlines: a prompt may hold U+2028 or U+0085, which end no line of JSON lines.
    for number, line in enumerate(_text(content, source).split("\n"), 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
            json.dumps(fields, ensure_ascii=False).encode()  # half a character (a lone surrogate) is no text
        except (ValueError, RecursionError) as error:  # the second: nested beyond reason
            raise ContrastError(
                f"{source} line {number}: bad JSON ({error})",
                "one JSON object a line",
                "correct the line",
            ) from error
        yield Record(fields, f"line {number}")


def read_csv(content: bytes, source: str) -> Iterator[Record]:
    """Comma-separated, with a header; an empty cell says nothing, empty rows are skipped.

    Raises:
        ContrastError: Not UTF-8, not CSV, a header with other columns, or a row of another length than the header.
    """
    header: list[str] = []
    for at, cells in csv_rows(content, source):
        if not header:
            header = _checked_header(cells, f"{source} {at}")
            continue
        yield Record({key: cell for key, cell in zip(header, cells, strict=True) if cell}, at)


def csv_rows(content: bytes, source: str) -> Iterator[tuple[str, list[str]]]:
    """Place and cells of each row that is not empty: the header first, then rows of its length.

    Raises:
        ContrastError: Not UTF-8, not CSV, or a row of another length than the first.
    """
    table = csv.reader(io.StringIO(_text(content, source), newline=""), strict=True)
    width = 0
    begun = 1  # a quoted cell may hold line breaks: a row is where it begins
    while True:
        try:
            cells = next(table, None)
        except csv.Error as error:
            long = "field limit" in str(error)
            raise ContrastError(
                f"{source} line {begun}: bad CSV ({error})",
                f"at most {csv.field_size_limit():,} characters in a cell"
                if long
                else 'cells with commas between them, in double quotes where they hold a comma, a line break or a "',
                "shorten the cell, or write the rows as JSONL" if long else "correct the line",
            ) from error
        if cells is None:
            break
        at, begun = f"line {begun}", table.line_num + 1
        if not any(cells):
            continue
        width = width or len(cells)
        if len(cells) != width:
            raise ContrastError(
                f"{source} {at}: {len(cells)} cells",
                f"{width}, as in the header",
                "correct the line, and quote cells that hold commas",
            )
        yield at, cells


def parse_dataset(asked: str) -> Dataset:
    """Read what the user wrote after `hf:`.

    Raises:
        ContrastError: No id, an unknown setting, or one twice.
    """
    path, _, query = asked.removeprefix(PREFIX).partition("?")
    settings: dict[str, str] = {}
    for part in filter(None, query.split("&")):
        key, _, value = part.partition("=")
        if key not in ("config", "split", *_COLUMN_FIELDS) or key in settings or not value:
            raise ContrastError(
                f"{asked} with {part!r}",
                f"{PREFIX}ID?KEY=VALUE&..., each key once, of config, split, {', '.join(_COLUMN_FIELDS)}",
                "correct the setting",
            )
        settings[key] = unquote(value)
    columns = {key: settings[key] for key in _COLUMN_FIELDS if key in settings}
    label, *values = columns.get("label", "").split(":")
    if not path or len(values) not in (0, len(LABELS)):
        raise ContrastError(
            f"{asked}, which names no dataset" if not path else f"{asked} with label={columns['label']}",
            f"{PREFIX}OWNER/NAME or {PREFIX}FOLDER, and label=COLUMN or label=COLUMN:PLUS:MINUS",
            "correct the name",
        )
    if label:
        columns["label"] = label
    plus, minus = values or LABELS
    return Dataset(asked, path, settings.get("config", ""), settings.get("split", ""), columns, (plus, minus))


def read_dataset(dataset: Dataset) -> Iterator[Record]:
    """Rows of a dataset, through Hugging Face's `datasets`; code that comes with a dataset is never run.

    A hub dataset stays in the user's Hugging Face cache; a folder is read anew each time and leaves nothing there.

    Raises:
        ContrastError: It does not load, or has no such split or column.
    """
    table = load_table(dataset)
    columns = dict(dataset.columns) or {key: key for key in FIELDS if key in table.column_names}
    _require_columns(columns, table.column_names, dataset)
    names = getattr(table.features[columns["label"]], "names", None) if "label" in columns else None
    for number, row in enumerate(table.select_columns(sorted(set(columns.values()))), 1):
        fields = {key: row[column] for key, column in columns.items()}
        if "label" in fields:
            fields["label"] = _label(fields["label"], names, dataset, number)
        yield Record(fields, f"row {number}")


def load_table(dataset: Dataset) -> Any:
    """One split of a dataset with all its columns, as `datasets` gives it; see `read_dataset`.

    Raises:
        ContrastError: It does not load, or has no such split.
    """
    return _chosen_split(_load(dataset), dataset)


def _text(content: bytes, source: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ContrastError(f"{source}: {error}", "text in UTF-8", "save the file as UTF-8") from error


def _checked_header(cells: list[str], at: str) -> list[str]:
    header = [cell.strip() for cell in cells]
    wrong = next((name for name in header if name not in _CSV_FIELDS or header.count(name) > 1), None)
    whole = {"text", "label"} <= set(header) or set(LABELS) <= set(header)
    if wrong is not None or not whole:
        raise ContrastError(
            f"{at}: a header with {', '.join(header)}" + (f", of which {wrong!r} is wrong" if wrong is not None else ""),
            f"text and label, or positive and negative; then any of {', '.join(_CSV_FIELDS[4:])}, each once",
            "correct the first line",
        )  # fmt: skip
    return header


def _load(dataset: Dataset) -> Any:
    """All splits: a dictionary of tables."""
    folder = Path(os.path.expanduser(dataset.path))
    local = os.path.isdir(folder)  # False, where Path's raises, for a name that no system takes
    if not local and (dataset.path.startswith((".", "/", "~")) or dataset.path.count("/") > 1):
        raise ContrastError(
            f"{dataset.asked}, where no folder is",
            f"{PREFIX} and a folder of parquet, CSV or JSONL files, or a hub id",
            "check the path",
        )
    import datasets  # type: ignore[import-untyped]  # a second of imports, for those who ask for it
    from datasets.exceptions import DatasetsError  # type: ignore[import-untyped]

    broken = (DatasetsError, OSError, ValueError, TypeError, LookupError, RuntimeError, AttributeError)
    with TemporaryDirectory() as scratch, _quiet():
        try:
            return datasets.load_dataset(
                str(folder.resolve()) if local else dataset.path,
                dataset.config or None,
                cache_dir=scratch if local else None,
                keep_in_memory=local,
            )
        except broken as error:
            said = " ".join(str(error.__cause__ or error).split())[:160] or type(error).__name__
            raise ContrastError(
                f"{dataset.asked}, which does not load ({said})",
                "a folder of parquet, CSV or JSONL files, or a hub id that is cached or reachable",
                "check the name and config, and the network for a hub id",
            ) from error


def _chosen_split(tables: Any, dataset: Dataset) -> Any:
    wanted = dataset.split or ("train" if "train" in tables or len(tables) > 1 else next(iter(tables)))
    if wanted not in tables:
        raise ContrastError(
            f"{dataset.asked} without a split {wanted}", f"one of {', '.join(tables)}", "name it: ?split=NAME"
        )
    return tables[wanted]


def _require_columns(columns: Mapping[str, str], present: list[str], dataset: Dataset) -> None:
    lost = sorted(set(columns.values()) - set(present))
    whole = ("label" in columns and {"text", "messages"} & set(columns)) or set(LABELS) <= set(columns)
    if lost or not whole:
        raise ContrastError(
            f"{dataset.asked}, whose columns are {', '.join(present)}",
            f"a column {lost[0]}" if lost else "text (or messages) and label, or positive and negative",
            "name the columns: ?text=COLUMN&label=COLUMN, or ?positive=COLUMN&negative=COLUMN",
        )


def _label(value: object, names: list[str] | None, dataset: Dataset, number: int) -> str:
    """A class's own name, where the dataset stores its number."""
    said = str(value)
    if names is not None and isinstance(value, int) and 0 <= value < len(names):
        said = names[value]
    if said not in dataset.values:
        raise ContrastError(
            f"{dataset.asked} row {number}: label {said!r}",
            f"{' or '.join(dataset.values)}",
            "say which values mean positive and negative: label=COLUMN:PLUS:MINUS",
        )
    return LABELS[dataset.values.index(said)]


@contextmanager
def _quiet() -> Iterator[None]:
    """No bars and no warnings of the two libraries that load a dataset; what matters is raised."""
    import datasets
    from huggingface_hub.utils.tqdm import (
        are_progress_bars_disabled,
        disable_progress_bars,
        enable_progress_bars,
    )

    bars = (
        (datasets.are_progress_bars_disabled, datasets.disable_progress_bars, datasets.enable_progress_bars),
        (are_progress_bars_disabled, disable_progress_bars, enable_progress_bars),
    )
    given_back = [enable for disabled, _, enable in bars if not disabled()]
    loggers = [logging.getLogger(name) for name in ("datasets", "huggingface_hub")]
    levels = [logger.level for logger in loggers]
    for _, disable, _ in bars:
        disable()
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
        for enable in given_back:
            enable()
