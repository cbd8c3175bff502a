"""What came of adapting, for people: a table of all ways of steering, a page and a picture. Asks nothing."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path

from steer_evals.adapt import ADAPTIVE, Adapted, point_of
from steer_evals.calibrate import Calibration, Reported, half_of
from steer_evals.errors import unwritable
from steer_evals.frontier import Ratio, Saving
from steer_evals.intervals import clustered_wilson
from steer_evals.points import HARMFUL, OVER, axis_name, pooled
from steer_evals.robustness import REFUSAL
from steer_evals.rows import Row
from steer_evals.run import Run, write_whole

PAGE, PICTURE = "adapt.md", "families"
COLUMNS = (
    "steering", "strength", "harmful refusal", "change", "over-refusal", "benign refusal", "tax", "most invalid",
    "over-refusal per harmful refusal", "tax saved", "over-refusal saved", "kept the budgets on the other half",
)  # fmt: skip
GATE_COLUMNS = ("requests", "n", "on the high side", "errors of the gate")


def rows_of(found: Adapted) -> list[list[str]]:
    """The table of all ways of steering, the plain model first: operating points on the reporting half."""
    plain = _line_of("plain", found.families["naive"].reported[0.0])[:8]
    families = [
        [*_line_of(name, point_of(own)), "yes" if own.presets else _why(own)]
        for name, own in found.families.items()
    ]
    return [plain + [""] * (len(COLUMNS) - len(plain)), *families]


def gate_rows(found: Adapted, answers: Iterable[Row]) -> list[list[str]]:
    """The table of the gate on the reporting half: requests on the high side, and how many of them are on the wrong one.

    Args:
        found: Whose risks and threshold it is.
        answers: Of the adaptive run; a request counts once, however often it was answered.
    """
    asked = {
        (row["suite"], row["item"]): row
        for row in answers
        if half_of(row["suite"], row["item"]) == "reporting"
    }
    by_axis: dict[str, list[tuple[bool, str]]] = defaultdict(list)
    for item, row in asked.items():
        high = found.risk[item] >= found.choice.threshold
        by_axis[row["axis"]].append((high, f"{row['suite']}/{row['cluster']}"))
    lines = []
    for axis, own in sorted(by_axis.items(), key=lambda entry: (not entry[0].startswith(HARMFUL), entry[0])):
        highs, clusters = [high for high, _ in own], [cluster for _, cluster in own]
        wrong = [high != axis.startswith(HARMFUL) for high in highs]
        errors = _rate(wrong, clusters) if axis.startswith(REFUSAL) else ""
        lines.append([axis_name(axis), str(len(own)), _rate(highs, clusters), errors])
    return lines


def _line_of(name: str, own: Reported) -> list[str]:
    change = own.harmful_change
    at = {axis: pooled(own.points, axis) for axis in (HARMFUL, OVER, "benign_refusal")}
    rates = {
        axis: f"{p[0].rate:.3f} {_ends(p[0].low, p[0].high)} of {p[0].n}" if p else ""
        for axis, p in at.items()
    }
    return [
        name, f"{own.strength:g}", rates[HARMFUL],
        _ends(change.low, change.high, "+") if own.strength else "", rates[OVER], rates["benign_refusal"],
        "" if own.tax is None else f"{own.tax.total:+.3f} {_ends(own.tax.low, own.tax.high, '+')}",
        f"{max(p.rate for p in own.points if p.axis == 'invalid'):.3f}",
        _number(own.exchange), _number(own.saved), _number(own.saved_over),
    ]  # fmt: skip


def lines_of(found: Adapted, answers: Iterable[Row]) -> list[str]:
    """The page, in Markdown; `answers` as in `gate_rows`."""
    low, high = found.sides["low"], found.sides["high"]
    probe = found.parts.probe
    return [
        "# Adaptive steering",
        "",
        f"The probe reads layer {probe.vector.layer}. Under a risk of {found.choice.threshold:.3f}: {low.kind} at layers "
        f"{list(low.layers)}, tokens {low.scope}, {found.choice.low:g}; from there on: {high.kind} at layers "
        f"{list(high.layers)}, tokens {high.scope}, {found.choice.high:g}. That is at strength 1 of the policy's dial.",
        "",
        f"AUC of the probe on prompts it was not fitted on: {_area(probe.auc)}, on matched twins {_area(probe.twins_auc)}.",
        "",
        "Every way of steering at its operating point, the moderate preset, which was chosen under the same budgets on the "
        "choosing half of the items; numbers are of the other half. Where no strength keeps the budgets it is the nearest. "
        "Change: interval of harmful refusal against the plain model. Saved: against naive steering at the same harmful "
        "refusal.",
        "",
        *_markdown(COLUMNS, rows_of(found)),
        "",
        "The gate on the reporting half. High: at or over the threshold. Errors: harmful requests under it, benign ones not.",
        "",
        *_markdown(GATE_COLUMNS, gate_rows(found, answers)),
    ]  # fmt: skip


def write_page(found: Adapted, folder: str | Path) -> Path:
    """Write `adapt.md`, and `families.png` and `.svg`, into the folder of `adapt`.

    Raises:
        RunError: It cannot be written.
    """
    from steer_evals.report.families_figure import (
        families_figure,
    )  # matplotlib: not before a picture is wanted
    from steer_evals.summary import curve

    folder = Path(folder)
    curves = {
        name: curve(
            row for row in Run(folder / name).rows if half_of(row["suite"], row["item"]) == "reporting"
        )
        for name in found.families
    }
    chosen = {name: point_of(own).strength for name, own in found.families.items()}
    drawn = families_figure(curves, chosen)
    try:
        (folder / f"{PICTURE}.png").write_bytes(drawn.png)
    except OSError as error:
        raise unwritable(folder / f"{PICTURE}.png", error) from error
    write_whole(folder / f"{PICTURE}.svg", drawn.svg)
    said = [
        *lines_of(found, Run(folder / ADAPTIVE).rows),
        "",
        f"![Over-refusal against harmful refusal]({PICTURE}.png)",
    ]
    write_whole(folder / PAGE, "\n".join(said) + "\n")
    return folder / PAGE


def _markdown(columns: Sequence[str], rows: Iterable[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(row)} |" for row in (columns, ["---"] * len(columns), *rows)]


def _rate(hits: Sequence[bool], clusters: Sequence[str]) -> str:
    low, high = clustered_wilson(hits, clusters)
    return f"{sum(hits) / len(hits):.3f} {_ends(low, high)}"


def _ends(low: float, high: float, sign: str = "") -> str:
    """Of an interval; one cluster has none."""
    return "[not known]" if math.isnan(low) else f"[{low:{sign}.3f}, {high:{sign}.3f}]"


def _number(found: Ratio | Saving) -> str:
    if math.isnan(found.value):
        return f"undefined: {found.reason}"
    return f"{found.value:.3f} {_ends(found.low, found.high)}"


def _why(found: Calibration) -> str:
    return "no: " + ", ".join(found.nearest.broken) if found.nearest else ""


def _area(own: tuple[float, float, float]) -> str:
    return "not known" if math.isnan(own[0]) else f"{own[0]:.3f} [{own[1]:.3f}, {own[2]:.3f}]"
