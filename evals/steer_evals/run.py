"""A run folder and what can be read from it: rows, curve, tax, report. Knows no model.

DIR/settings.json   what the rows depend on           DIR/rows.jsonl     every answer
DIR/summary.json    curve and tax, for programs       DIR/control/       rows of the random direction
"""

from __future__ import annotations

import json
import math
import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from steer_evals.errors import RunError
from steer_evals.points import Point, TaxPoint
from steer_evals.rows import Row, read_rows
from steer_evals.summary import curve, taxes
from steer_evals.tax import Tax

ROWS, SETTINGS, SUMMARY, CONTROL = "rows.jsonl", "settings.json", "summary.json", "control"
_NEEDED = {"model", "fingerprint", "plan", "suites", "versions"}  # of the settings, by the summary


class Run:
    """The results of a sweep.

    Args:
        folder: The `out` of a sweep, finished or not.

    Raises:
        RunError: Not the folder of a sweep.
    """

    def __init__(self, folder: str | Path) -> None:
        self.folder = Path(folder)
        try:
            self.settings: dict[str, Any] = json.loads((self.folder / SETTINGS).read_text(encoding="utf-8"))
            if not isinstance(self.settings, dict) or not set(self.settings) >= _NEEDED:
                raise ValueError("the settings of something else")
        except (OSError, ValueError) as error:
            raise RunError(
                f"{folder}, which holds no run",
                f"the --out of a sweep, with {SETTINGS}",
                "run `steer sweep` first",
            ) from error

    @property
    def rows(self) -> list[Row]:
        """Every answer, in the order they were given."""
        return read_rows(self.folder / ROWS)

    @property
    def control_rows(self) -> list[Row]:
        """Answers under a random direction of equal norm; empty if it was not measured."""
        path = self.folder / CONTROL / ROWS
        return read_rows(path) if path.exists() else []

    def curve(self) -> list[Point]:
        """One point per strength, suite and axis, with its Wilson interval."""
        return curve(self.rows)

    def control_curve(self) -> list[Point]:
        """The same under a random direction of equal norm; empty if it was not measured."""
        return curve(self.control_rows)

    def tax(self) -> list[TaxPoint]:
        """Loss of capability against strength 0, split into refused, invalid and ability."""
        return taxes(self.rows)

    def report(self) -> Path:
        """Write `report.html`, `curve.png` and `tax.png` into the folder.

        Returns:
            The path of the HTML file.

        Raises:
            RunError: The folder cannot be written.
        """
        from steer_evals.report import write_report  # matplotlib: not before a picture is wanted

        return write_report(self.summary(), self.rows, self.folder)

    def summary(self) -> dict[str, Any]:
        """What `summary.json` holds: the contract with programs."""
        points = self.curve()
        settings = self.settings
        run = {**settings, "vector": ", ".join(f"{e['kind']} {e['concept']}" for e in settings["plan"]),
               "strengths": sorted({p.strength for p in points}), "suites": list(settings["suites"]),
               "version": settings["versions"]["steerdial"]}  # fmt: skip
        return {
            "run": run,
            "curve": [_fields(p) for p in points],
            "tax": [{"strength": p.strength, **_fields(p.tax)} for p in self.tax()],
            "control": [_fields(p) for p in self.control_curve()],
        }

    def summarise(self) -> None:
        """Write `summary.json`."""
        write_whole(self.folder / SUMMARY, json.dumps(self.summary(), indent=1, allow_nan=False))


def _fields(numbers: Point | Tax) -> dict[str, Any]:
    """For JSON, which has no NaN: null where nothing can be said, as the interval of a single cluster."""
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in numbers._asdict().items()
    }


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the whole new one.

    Raises:
        RunError: It cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        # A lone surrogate, which JSON may hold and UTF-8 may not, goes back to the escape it came from.
        draft.write_text(text, encoding="utf-8", errors="backslashreplace")
        draft.replace(path)
    except OSError as error:
        with suppress(OSError):  # where the folder itself is wrong there is nothing to remove
            draft.unlink()
        raise RunError(
            f"{path}, which cannot be written ({error.strerror})", "a writable folder", "choose another --out"
        ) from error
