"""From a run to a policy: calibrates it, keeps what came of it in the run's folder, and writes the policy file."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path
from typing import Any

from steer.plan import Plan
from steer.policy import Dial, save_policy
from steer_evals.calibrate import Budgets, Calibration, Reported, Setting, calibrate
from steer_evals.errors import RunError, unwritable
from steer_evals.run import CALIBRATION, PLAN, Run, fields_of, or_null, write_whole


def calibrate_run(
    run: Run, budgets: Budgets | None = None, naive: Run | None = None, out: str | Path | None = None
) -> Calibration:
    """Choose an operating point of a run; see `steer_evals.calibrate.calibrate`.

    Args:
        run: A sweep; its report shows the result from now on.
        budgets: As there.
        naive: A sweep of naive steering of the same model on the same suites.
        out: The policy file to write, with the presets. If there is no such point nothing is written, and a policy of an
            earlier calibration that stands there is removed, for it is not what came of this one.

    Raises:
        RunError: As there; a naive run with another baseline; a plan of several dials; an old policy that cannot be removed.
        PlanError: A run without its plan; the policy cannot be written.
    """
    if naive is not None and naive.settings.get("baselines") != run.settings.get("baselines"):
        raise RunError(
            f"{naive.folder}, a run with another baseline than {run.folder}",
            "the same model, template, decoding, versions, suites and judge",
            "sweep both alike",
        )
    found = calibrate(run.rows, budgets, None if naive is None else naive.rows)
    if found.presets and out is not None:
        plan = Plan.load(run.folder / PLAN)
        if len(plan.dials) != 1:
            raise RunError(f"a plan with {len(plan.dials)} dials", "one dial", "calibrate one dial at a time")
        places = found.presets.values()
        dial = Dial(found.presets["moderate"], min(0.0, *places), max(0.0, *places), found.presets)
        save_policy(plan, Path(out), {plan.dials[0]: dial}, _measured(run, found))
    elif out is not None and _calibrated(Path(out)):
        try:
            Path(out).unlink()
        except OSError as error:
            raise unwritable(Path(out), error) from error
    write_whole(run.folder / CALIBRATION, json.dumps(calibration_fields(found), indent=1, allow_nan=False))
    return found


def _calibrated(path: Path) -> bool:
    """Whether it is a policy that a calibration wrote: one by hand has no numbers of a reporting half."""
    try:
        measured = tomllib.loads(path.read_text(encoding="utf-8")).get("measured")
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError):
        return False
    return isinstance(measured, dict) and measured.get("half") == "reporting"


def calibration_fields(found: Calibration) -> dict[str, Any]:
    """What `calibration.json` holds."""
    return {
        "budgets": fields_of(found.budgets),
        "settings": [_setting(own) for own in found.settings],
        "presets": found.presets,
        "reported": [_reported(own) for own in found.reported.values()],
        "naive": found.naive and _reported(found.naive),
        "nearest": found.nearest and _setting(found.nearest),
    }


def _setting(own: Setting) -> dict[str, Any]:
    return fields_of(own) | {"worse": list(fields_of(own.worse).values())}


def _reported(own: Reported) -> dict[str, Any]:
    return {
        "strength": own.strength,
        "points": [fields_of(point) for point in own.points],
        "tax": own.tax and fields_of(own.tax),
        "exchange": fields_of(own.exchange),
        "saved": fields_of(own.saved),
        "saved_over": fields_of(own.saved_over),
        "harmful_change": list(fields_of(own.harmful_change).values()),
        "on_frontier": or_null(own.on_frontier),
    }


def _measured(run: Run, found: Calibration) -> dict[str, Any]:
    """For the policy: where its numbers come from, and those of each preset on the reporting half."""
    presets = []
    for name, strength in found.presets.items():
        own = found.reported[strength]
        rates = {p.suite: [p.rate, p.low, p.high, p.n] for p in own.points if p.axis.endswith("refusal")}
        tax = own.tax and [own.tax.total, own.tax.low, own.tax.high, own.tax.n]
        presets.append({"name": name, "strength": strength, "refusals": rates, "tax": tax})
    return {
        "model": run.settings["model"],
        "fingerprint": run.settings["fingerprint"],
        "judge": run.judge,
        "half": "reporting",
        "floor": "plain" if found.budgets.floor is None else found.budgets.floor,
        "below_plain": found.budgets.below_plain,
        "presets": presets,
    }
