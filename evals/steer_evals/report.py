"""Writes the report of a run: one HTML file and two pictures. Numbers and words are made elsewhere."""

import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from steer_evals.errors import RunError
from steer_evals.figures import curve_png, tax_png
from steer_evals.page import Contents, Example, key_strengths, render
from steer_evals.points import read_points, read_tax

_EXAMPLES_PER_SUITE = 4


def write_report(summary: Mapping[str, Any], rows: Iterable[Mapping[str, Any]], out: Path) -> Path:
    """Writes `report.html` (self-contained, nothing is loaded), `curve.png` and `tax.png` into a folder.

    Args:
        summary: Contents of `summary.json`: `run`, `curve`, `tax`, `control`; any of them, and any axis, may
            be absent.
        rows: Rows of `rows.jsonl`, for the examples; read once.
        out: Folder; made if missing. Each file appears whole or not at all.

    Returns:
        Path of `report.html`.

    Raises:
        RunError: If the summary or a row lacks a field, or the folder cannot be written.
    """
    curve, control = read_points(summary.get("curve") or ()), read_points(summary.get("control") or ())
    taxes = read_tax(summary.get("tax") or ())
    pictures = curve_png(curve, control), tax_png(taxes)
    examples = pick_examples(rows, key_strengths(curve))
    page = render(Contents(summary.get("run") or {}, curve, control, taxes, examples, *pictures))
    _write(out / "curve.png", pictures[0])
    _write(out / "tax.png", pictures[1])
    _write(out / "report.html", page.encode("utf-8"))
    return out / "report.html"


def pick_examples(rows: Iterable[Mapping[str, Any]], strengths: Sequence[float]) -> list[Example]:
    """A few items per suite with their answers at the given strengths, those whose verdict changes first.

    Items scored by likelihood are left out: nothing was said there.
    """
    answers: dict[tuple[str, str], dict[float, Mapping[str, Any]]] = {}
    for row in rows:
        suite, item, strength = _key(row)
        if strength in strengths and not _is_scored(row):
            answers.setdefault((suite, item), {})[strength] = row
    complete = {key: found for key, found in answers.items() if len(found) == len(strengths)}
    picked = []
    for suite in dict.fromkeys(suite for suite, _ in complete):
        items = [(key, found) for key, found in complete.items() if key[0] == suite]
        # a stable sort: among equals the suite's own order stays
        items.sort(
            key=lambda pair: -len({(row.get("verdict"), row.get("correct")) for row in pair[1].values()})
        )
        picked += [_example(key, found) for key, found in items[:_EXAMPLES_PER_SUITE]]
    return picked


def _is_scored(row: Mapping[str, Any]) -> bool:
    """Whether the answer was chosen by likelihood: a text, and not a token of it generated."""
    return bool(row.get("answer")) and row.get("tokens") == 0


def _key(row: Mapping[str, Any]) -> tuple[str, str, float]:
    try:
        return str(row["suite"]), str(row["item"]), float(row["strength"])
    except (KeyError, TypeError, ValueError) as error:
        raise RunError(
            f"a row {dict(row)!r:.120}", "suite, item and strength", "run the sweep again"
        ) from error


def _example(key: tuple[str, str], found: Mapping[float, Mapping[str, Any]]) -> Example:
    cells = tuple(
        (strength, str(row.get("answer", "")), str(row.get("verdict", "")), row.get("correct"))
        for strength, row in sorted(found.items())
    )
    prompt = next(iter(found.values())).get("prompt", "")
    return Example(*key, prompt if isinstance(prompt, str) else str(prompt), cells)


def _write(path: Path, data: bytes) -> None:
    """Writes beside the target and renames, so that no reader and no crash ever sees half a file."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    except OSError as error:
        raise _unwritable(path, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        os.chmod(name, 0o644)  # mkstemp's files are private; a report is for others too
        os.replace(name, path)
    except OSError as error:
        raise _unwritable(path, error) from error
    finally:
        Path(name).unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> RunError:
    return RunError(
        f"{path}, which cannot be written ({error.strerror})", "a writable folder", "choose another folder"
    )
