"""Writes the report of a run: one HTML file and three pictures, each as PNG and SVG. Knows files, no models."""

from __future__ import annotations

import json
import os
import tempfile
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from steer_evals.calibrate import Calibration, half_of
from steer_evals.errors import RunError, unwritable
from steer_evals.frontier_of_rows import frontier_points
from steer_evals.judges.protocol import Lexical
from steer_evals.labelled import Labelled, against_labels
from steer_evals.points import INVALID_LIMIT
from steer_evals.report.contents import (
    Contents,
    Example,
    key_strengths,
    read_calibration,
    read_summary,
)
from steer_evals.report.dial import dial
from steer_evals.report.frontier_figure import frontier_figure
from steer_evals.report.page import render
from steer_evals.report.tax_figure import tax_figure
from steer_evals.rows import Row
from steer_evals.run import CALIBRATION

_EXAMPLES_PER_SUITE = 4


def write_report(
    summary: Mapping[str, Any],
    rows: Iterable[Mapping[str, Any]],
    out: Path,
    labelled: Labelled | None = None,
) -> Path:
    """Write `report.html` (self-contained, nothing is loaded) and `curve`, `tax` and `frontier` as `.png` and `.svg`.

    If the folder holds a `calibration.json`, its operating points are shown; if the one above holds a `tax.json` of this
    run's model, the tax of alignment is.

    Args:
        summary: Contents of `summary.json`; any part of it, and any axis, may be absent.
        rows: Rows of `rows.jsonl`, for the frontier and the examples; read once.
        out: Folder; made if missing. Each file appears whole or not at all.
        labelled: The run's judge against labels; None = the lexical judge against those of the package, another's unknown.

    Returns:
        Path of `report.html`.

    Raises:
        RunError: If the summary, the calibration or a row lacks a field, or the folder cannot be written.
    """
    numbers, found = read_summary(summary), [_row(row) for row in rows]
    labelled = labelled or against_labels(numbers.run.get("judge", Lexical.name))
    chosen = _calibration(out / CALIBRATION)
    presets = {} if chosen is None else chosen.presets
    limit = INVALID_LIMIT if chosen is None else chosen.budgets.invalid
    frontier = frontier_points(found, limit)
    shown = sorted({*key_strengths(numbers.curve), *presets.values()})
    contents = Contents(
        numbers, frontier, chosen, limit, {} if chosen is None else _asked(found), labelled,
        _aligned(out.parent / "tax.json", numbers.run.get("model")), pick_examples(found, shown),
        dial(numbers.curve, numbers.control, numbers.prompt, presets), tax_figure(numbers.taxes),
        frontier_figure(frontier, numbers.prompt, presets, limit),
    )  # fmt: skip
    page = render(contents)
    pictures = {"curve": contents.dial, "tax": contents.tax, "frontier": contents.plane}
    for name, picture in pictures.items():
        _write(out / f"{name}.png", picture.png)
        _write(out / f"{name}.svg", _bytes(picture.svg))
    _write(out / "report.html", _bytes(page))
    return out / "report.html"


def pick_examples(rows: Iterable[Row], strengths: Sequence[float]) -> list[Example]:
    """A few items per suite with their answers at the given strengths, those whose verdict changes first.

    Items scored by likelihood are left out: nothing was said there. Of several samples the first is shown.
    """
    answers: dict[tuple[str, str], dict[float, Row]] = {}
    for row in rows:
        if row["strength"] in strengths and not _is_scored(row):
            answers.setdefault((row["suite"], row["item"]), {}).setdefault(row["strength"], row)
    complete = {key: found for key, found in answers.items() if len(found) == len(strengths)}
    picked = []
    for suite in dict.fromkeys(suite for suite, _ in complete):
        items = [(key, found) for key, found in complete.items() if key[0] == suite]
        # a stable sort: among equals the suite's own order stays
        items.sort(key=lambda pair: -len({(row["verdict"], row["correct"]) for row in pair[1].values()}))
        picked += [_example(key, found) for key, found in items[:_EXAMPLES_PER_SUITE]]
    return picked


def _is_scored(row: Row) -> bool:
    """Whether the answer was chosen by likelihood: a text, and not a token of it generated."""
    return bool(row["answer"]) and row["tokens"] == 0


def _example(key: tuple[str, str], found: Mapping[float, Row]) -> Example:
    cells = tuple(
        (strength, str(row["answer"]), str(row["verdict"]), row["correct"])
        for strength, row in sorted(found.items())
    )
    return Example(*key, str(next(iter(found.values()))["prompt"]), cells)


def _row(row: Mapping[str, Any]) -> Row:
    if not row.keys() >= Row.__annotations__.keys():
        raise RunError(
            f"a row {dict(row)!r:.120}", f"the fields {', '.join(Row.__annotations__)}", "run the sweep again"
        )
    return cast(Row, row)


def _calibration(path: Path) -> Calibration | None:
    try:
        found = json.loads(path.read_text("utf-8"))
    except FileNotFoundError:
        return None
    except NotADirectoryError as error:
        raise unwritable(path, error) from error
    except (OSError, ValueError) as error:
        raise RunError(
            f"{path}, which cannot be read ({error})", "what `steer calibrate` wrote", "calibrate again"
        ) from error
    if not isinstance(found, dict):
        raise RunError(f"{path}, which is no object", "what `steer calibrate` wrote", "calibrate again")
    return read_calibration(found)


def _aligned(path: Path, model: object) -> dict[str, Any] | None:
    """The tax of alignment, if the file is one and tells of this model; what else stands beside a run is not its own."""
    try:
        found = json.loads(path.read_text("utf-8"))
        return found if model in [dose["model"] for dose in found["doses"]] else None
    except (OSError, ValueError, TypeError, KeyError):
        return None


def _asked(rows: Iterable[Row]) -> dict[str, int]:
    """Items of the choosing half that have a value, by axis."""
    items: dict[str, set[tuple[str, str]]] = defaultdict(set)
    for row in rows:
        if row["value"] is not None and half_of(row["suite"], row["item"]) == "choosing":
            items[row["axis"]].add((row["suite"], row["item"]))
    return {axis: len(found) for axis, found in items.items()}


def _bytes(whole: str) -> bytes:
    # a lone surrogate, which JSON may hold and UTF-8 may not, goes back to the escape it came from
    return whole.encode("utf-8", "backslashreplace")


def _write(path: Path, data: bytes) -> None:
    """Writes beside the target and renames, so that no reader and no crash ever sees half a file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)  # mkstemp's files are private; a report is for others too
        os.replace(name, path)
    except OSError as error:
        raise unwritable(path, error) from error
    finally:
        Path(name).unlink(missing_ok=True)
