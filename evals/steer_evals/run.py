"""A run folder and what can be read from it: rows, curve, tax, report. Knows no model.

    DIR/settings.json   what the rows depend on           DIR/rows.jsonl     every answer
    DIR/summary.json    curve and tax, for programs       DIR/control/       rows of the random direction
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from steer_evals.errors import RunError
from steer_evals.points import Point, TaxPoint
from steer_evals.rows import Row, read_rows
from steer_evals.summary import curve, taxes

ROWS, SETTINGS, SUMMARY, CONTROL = "rows.jsonl", "settings.json", "summary.json", "control"


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
        except (OSError, ValueError) as error:
            raise RunError(f"{folder}, which holds no run", f"the --out of a sweep, with {SETTINGS}", "run `steer sweep` first") from error

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
            "curve": [p._asdict() for p in points],
            "tax": [{"strength": p.strength, **p.tax._asdict()} for p in self.tax()],
            "control": [p._asdict() for p in self.control_curve()],
        }

    def summarise(self) -> None:
        """Write `summary.json`."""
        write_whole(self.folder / SUMMARY, json.dumps(self.summary(), indent=1))


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the whole new one.

    Raises:
        RunError: It cannot be written.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}.new")
    try:
        draft.write_text(text, encoding="utf-8")
        draft.replace(path)
    except OSError as error:
        draft.unlink(missing_ok=True)
        raise RunError(f"{path}, which cannot be written ({error.strerror})", "a writable folder", "choose another --out") from error
