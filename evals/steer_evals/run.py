"""A run folder and what can be read from it: rows, curve, tax, report. Knows no model.

DIR/settings.json   what the rows depend on, and how many there will be
DIR/rows.jsonl      every answer
DIR/summary.json    curve and tax, for programs       DIR/control/       rows of the random direction
DIR/results.md      the same, for people              DIR/prompt/        rows of system prompts without steering
DIR/rows.parquet, DIR/rows.csv, DIR/curve.csv         rows and curve, for data frames
DIR/judgements.jsonl   of a run that was judged again: what its judge said, and the verdicts before
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any

from steer_evals.differences import differences
from steer_evals.errors import RunError, unwritable
from steer_evals.judgements import said_of
from steer_evals.judges.protocol import Lexical
from steer_evals.points import Point, TaxPoint
from steer_evals.rows import Row, read_rows
from steer_evals.second_judge import judge_fields
from steer_evals.summary import alarms, by_category, curve, states, taxes

if TYPE_CHECKING:
    from steer_evals.labelled import Labelled

ROWS, SETTINGS, SUMMARY = "rows.jsonl", "settings.json", "summary.json"
CONTROL, PROMPT_CONTROL = "control", "prompt"
PLAN, CALIBRATION = "plan.toml", "calibration.json"
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
    def judge(self) -> str:
        """Name of the judge of its suites on refusal; all others are judged by the lexical judge."""
        return str(self.settings.get("judge", Lexical.name))

    @property
    def rows(self) -> list[Row]:
        """Every answer, in the order they were given."""
        return read_rows(self.folder / ROWS)

    @property
    def control_rows(self) -> list[Row]:
        """Answers under a random direction of equal norm; empty if it was not measured."""
        return self._side_rows(CONTROL)

    @property
    def prompt_rows(self) -> list[Row]:
        """Answers of the plain model behind system prompts: at -1 one that asks for less refusal, at 1 for more."""
        return self._side_rows(PROMPT_CONTROL)

    def _side_rows(self, name: str) -> list[Row]:
        path = self.folder / name / ROWS
        return read_rows(path) if path.exists() else []

    def curve(self) -> list[Point]:
        """One point per strength, suite and axis, with its interval and band."""
        return curve(self.rows)

    def control_curve(self) -> list[Point]:
        """The same under a random direction of equal norm; empty if it was not measured."""
        return curve(self.control_rows)

    def tax(self) -> list[TaxPoint]:
        """Loss of capability against strength 0, split into refused, invalid and ability."""
        return taxes(self.rows)

    def report(self, labelled: Labelled | None = None) -> Path:
        """Write `report.html` into the folder, its figures as PNG and SVG, and the summary as `summarise` does.

        Args:
            labelled: What the run's judge is worth against labels (`labelled.against_labels`); None = of the lexical judge
                against the labels that come with the package, and of any other nothing is said.

        Returns:
            The path of the HTML file.

        Raises:
            RunError: The folder cannot be written.
        """
        from steer_evals.report import write_report  # matplotlib: not before a picture is wanted

        return write_report(self.summarise(), self.rows, self.folder, labelled)

    def summary(self) -> dict[str, Any]:
        """What `summary.json` holds: the contract with programs."""
        rows = self.rows
        points = curve(rows)
        settings = self.settings
        run = {**settings, "vector": ", ".join(f"{e['kind']} {e['concept']}" for e in settings["plan"]),
               "strengths": sorted({p.strength for p in points}), "suites": list(settings["suites"]),
               "version": settings["versions"]["steerdial"],
               "answers": len(rows) + len(self.control_rows) + len(self.prompt_rows)}  # fmt: skip
        return {
            "run": run,
            "curve": [fields_of(p) for p in points],
            "states": [fields_of(p) for p in states(rows)],
            "categories": {name: [fields_of(p) for p in found] for name, found in by_category(rows).items()},
            "tax": [_tax_fields(p) for p in taxes(rows)],
            "differences": [fields_of(p) for p in differences(rows)],
            "alarms": [fields_of(p) for p in alarms(rows)],
            "control": [fields_of(p) for p in self.control_curve()],
            "prompt": [fields_of(p) for p in curve(self.prompt_rows)],
            **({} if self.judge == Lexical.name else {"judge": self._second_judge()}),
        }

    def _second_judge(self) -> dict[str, Any]:
        parts = {"": self.rows, CONTROL: self.control_rows, PROMPT_CONTROL: self.prompt_rows}
        return judge_fields(self.judge, said_of(self.folder, self.settings["judged"]["suites"], parts))

    def summarise(self) -> dict[str, Any]:
        """Write `summary.json`, and rows and curve for people and data frames.

        Returns:
            The summary.

        Raises:
            RunError: The folder cannot be written.
        """
        from steer_evals.tables import write_tables  # pyarrow: not before a table is wanted

        summary = self.summary()
        write_whole(self.folder / SUMMARY, json.dumps(summary, indent=1, allow_nan=False))
        write_tables(self.folder, self.rows, summary)
        return summary


def stopped(run: Mapping[str, Any]) -> str:
    """What is said of a sweep that did not come to its end; nothing of one that did, or where nobody knows.

    Args:
        run: `summary["run"]`.
    """
    done, asked = run.get("answers"), run.get("asked", {}).get("answers")
    return "" if done is None or asked is None or done >= asked else f"stopped: {done} of {asked} answers"


def left_out(run: Mapping[str, Any]) -> str:
    """Why no system prompts were asked, where the model took none; as `stopped`."""
    why = run.get("asked", {}).get("left_out")
    return f"no system prompts were asked instead of steering: {why}" if why else ""


def _tax_fields(point: TaxPoint) -> dict[str, Any]:
    found = {"strength": point.strength, **fields_of(point.tax)}
    if point.without is not None:
        bounds, sampled = point.without.bounds, point.without.sampled
        found["without_refusals"] = {
            "answered": point.without.answered, "excluding": or_null(point.without.excluding),
            "low": or_null(bounds.low), "high": or_null(bounds.high),
            "sampled_low": or_null(sampled.low), "sampled_high": or_null(sampled.high),
        }  # fmt: skip
    return found


def or_null(value: float) -> float | None:
    """For JSON, which has no NaN: null where nothing can be said, as the interval of a single cluster."""
    return None if math.isnan(value) else value


def fields_of(numbers: Any) -> dict[str, Any]:
    """The fields of a record for JSON, with `or_null`."""
    return {
        name: or_null(value) if isinstance(value, float) else value
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
        raise unwritable(path, error) from error
