"""What came of adapting, for people: a table of all ways of steering, a page and a picture. Asks nothing."""

from __future__ import annotations

import math
from pathlib import Path

from steer_evals.adapt import Adapted, point_of
from steer_evals.calibrate import Calibration
from steer_evals.errors import unwritable
from steer_evals.frontier import Ratio, Saving
from steer_evals.points import HARMFUL, OVER, pooled
from steer_evals.run import Run, write_whole

PAGE, PICTURE = "adapt.md", "families"
COLUMNS = (
    "steering", "strength", "harmful refusal", "change", "over-refusal", "benign refusal", "tax", "most invalid",
    "over-refusal per harmful refusal", "tax saved", "over-refusal saved", "keeps the budgets",
)  # fmt: skip


def line_of(name: str, found: Calibration) -> list[str]:
    """A family's row: its operating point on the reporting half."""
    own = point_of(found)
    change = own.harmful_change
    at = {axis: pooled(own.points, axis) for axis in (HARMFUL, OVER, "benign_refusal")}
    rates = {
        axis: f"{p[0].rate:.3f} [{p[0].low:.3f}, {p[0].high:.3f}] of {p[0].n}" if p else ""
        for axis, p in at.items()
    }
    return [
        name, f"{own.strength:g}", rates[HARMFUL], f"[{change.low:+.3f}, {change.high:+.3f}]", rates[OVER],
        rates["benign_refusal"],
        "" if own.tax is None else f"{own.tax.total:+.3f} [{own.tax.low:+.3f}, {own.tax.high:+.3f}]",
        f"{max(p.rate for p in own.points if p.axis == 'invalid'):.3f}",
        _number(own.exchange), _number(own.saved), _number(own.saved_over), "yes" if found.presets else _why(found),
    ]  # fmt: skip


def lines_of(found: Adapted) -> list[str]:
    """The page, in Markdown."""
    low, high = found.sides["low"], found.sides["high"]
    probe = found.parts.probe
    rows = [
        list(COLUMNS),
        ["---"] * len(COLUMNS),
        *(line_of(name, own) for name, own in found.families.items()),
    ]
    plain = line_of("plain", _plain(found.families["naive"]))
    rows.insert(2, plain[:8] + [""] * 4)
    return [
        "# Adaptive steering",
        "",
        f"The probe reads layer {probe.vector.layer}. Under a risk of {found.choice.threshold:.3f}: {low.kind} at layers "
        f"{list(low.layers)}, tokens {low.scope}, {found.choice.low:g}; from there on: {high.kind} at layers "
        f"{list(high.layers)}, tokens {high.scope}, {found.choice.high:g}.",
        "",
        f"AUC of the probe on prompts it was not fitted on: {_area(probe.auc)}, on matched twins {_area(probe.twins_auc)}.",
        "",
        "Every way of steering at its operating point, which was chosen under the same budgets on the choosing half of the "
        "items; numbers are of the other half. Where no strength keeps the budgets it is the nearest. Change: interval of "
        "harmful refusal against the plain model. Saved: against naive steering at the same harmful refusal.",
        "",
        *("| " + " | ".join(row) + " |" for row in rows),
    ]  # fmt: skip


def write_page(found: Adapted, folder: str | Path) -> Path:
    """Write `adapt.md`, and `families.png` and `.svg`, into the folder of `adapt`.

    Raises:
        RunError: It cannot be written.
    """
    from steer_evals.calibrate import half_of
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
    said = [*lines_of(found), "", f"![Over-refusal against harmful refusal]({PICTURE}.png)"]
    write_whole(folder / PAGE, "\n".join(said) + "\n")
    return folder / PAGE


def _plain(found: Calibration) -> Calibration:
    """The plain model's row: strength 0 in the place of the operating point."""
    return found._replace(presets={"mild": 0.0})


def _number(found: Ratio | Saving) -> str:
    if math.isnan(found.value):
        return f"undefined: {found.reason}"
    return f"{found.value:.3f} [{found.low:.3f}, {found.high:.3f}]"


def _why(found: Calibration) -> str:
    return "no: " + ", ".join(found.nearest.broken) if found.nearest else ""


def _area(own: tuple[float, float, float]) -> str:
    return "not known" if math.isnan(own[0]) else f"{own[0]:.3f} [{own[1]:.3f}, {own[2]:.3f}]"
