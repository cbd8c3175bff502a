"""Looks for better settings than one direction at one layer: edit, layers, scope and strength, by Optuna, on the choosing half.

Three things count at once: harmful requests refused, benign-but-risky ones answered, right answers kept. A trial is one
setting on the items that `calibrate` chooses by; what lies on the frontier is then asked the other half, which had no say.
Optuna keeps its journal in the folder: a search that was stopped goes on, and ends where it would have ended. Knows no
statistics.
"""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import optuna
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from steer.errors import LivenessError
from steer.plan import Edit, Plan
from steer_evals.calibrate import Half, half_of
from steer_evals.errors import RunError, unwritable
from steer_evals.points import CAPABILITY, HARMFUL, INVALID_LIMIT, OVER
from steer_evals.points import most_invalid as worst_suite
from steer_evals.rows import Row
from steer_evals.run import Run, write_whole
from steer_evals.settings import config_hash, vector_hash
from steer_evals.suites import Suite
from steer_evals.summary import invalid_points
from steer_evals.sweep import sweep
from steer_vectors.file import Vector
from steer_vectors.greedy import ends
from steer_vectors.models import ChatModel

AXES = (HARMFUL, OVER, CAPABILITY)
KINDS = ("add", "ablate", "affine")
SCOPES = ("all", "prompt", "generation", "last")
JOURNAL, FOUND = "journal.log", "search.json"
_STRENGTHS = {"add": (-2.0, 2.0), "ablate": (0.1, 1.0), "affine": (0.1, 1.0)}


class Found(NamedTuple):
    """A setting on the frontier, with its rates on the choosing and on the reporting half: the three axes, and "invalid".

    "invalid" is that of the suite which has the greatest share.
    """

    trial: int
    setting: dict[str, Any]
    choosing: dict[str, float]
    reporting: dict[str, float]


def search(
    model: ChatModel,
    vector: Vector,
    suites: Sequence[Suite],
    out: str | Path,
    *,
    trials: int = 40,
    seed: int = 0,
    kinds: Sequence[str] = KINDS,
    scopes: Sequence[str] = SCOPES,
    most_invalid: float = INVALID_LIMIT,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Found]:
    """Search for settings of one vector.

    Args:
        model: A live model, not steered.
        vector: Of this model.
        suites: On `harmful_refusal`, `over_refusal` and `capability`, one at least of each.
        out: Folder of the search: Optuna's journal, a run for each trial, `search.json`.
        trials: In all; those that are in the journal count.
        seed: Of the sampler.
        kinds: Edits to try, among `KINDS`.
        scopes: To try.
        most_invalid: Share of invalid answers, in any suite, beyond which a setting is no candidate: gibberish refuses
            nothing.
        limit: The first so many items of each suite only.
        progress: Called as `progress(done, total)`, in trials.

    Returns:
        The settings on the frontier, the one that refuses most harmful requests first; none if every answer broke down.

    Raises:
        RunError: Suites that lack an axis, an unknown edit, no trials, a folder that cannot be written or holds the
            search of something else.
        SuiteError: A suite with no items in one of the halves.
        PlanError: An unknown scope.
    """
    _check(suites, kinds, trials)
    folder = Path(out)
    suites = [replace(suite, items=suite.items[:limit]) for suite in suites]
    halves: dict[Half, list[Suite]] = {
        "choosing": [_part(suite, "choosing") for suite in suites],
        "reporting": [_part(suite, "reporting") for suite in suites],
    }
    identity = {
        "model": model.name, "fingerprint": vector.meta["fingerprint"], "vector": vector_hash(vector),
        "config": config_hash(model.hf.config), "ends": ends(model), "chosen": vector.layer, "kinds": list(kinds),
        "scopes": list(scopes), "seed": seed, "most_invalid": most_invalid,
        "suites": {suite.name: suite.hash for suite in suites},
    }  # fmt: skip
    study = _study(folder, identity)

    def rates(setting: dict[str, Any], half: Half, place: Path) -> dict[str, float]:
        run = sweep(model, _plan(vector, setting), halves[half], [setting["strength"]], place, control=False)
        return _rates([row for row in run.rows if row["strength"] == setting["strength"]])

    def objective(trial: optuna.Trial) -> tuple[float, float, float]:
        setting = _suggest(trial, model.layers, kinds, scopes)
        try:
            found = rates(setting, "choosing", folder / _trial_place(trial.number))
        except LivenessError as error:  # an edit that does nothing there
            raise optuna.TrialPruned from error
        trial.set_user_attr("setting", setting)
        trial.set_user_attr("invalid", found["invalid"])
        if found["invalid"] > most_invalid:
            raise optuna.TrialPruned
        return found[HARMFUL], found[OVER], found[CAPABILITY]

    for n in range(_done(study), trials):
        # A sampler of its own for each trial: one that is taken up draws as one that was not stopped.
        study.sampler = optuna.samplers.TPESampler(seed=seed + n)
        study.optimize(objective, n_trials=1)
        if progress is not None:
            progress(n + 1, trials)
    best = [
        Found(
            trial.number, trial.user_attrs["setting"],
            dict(zip(AXES, trial.values, strict=True)) | {"invalid": trial.user_attrs["invalid"]},
            rates(trial.user_attrs["setting"], "reporting", folder / _report_place(trial.number)),
        )
        for trial in study.best_trials
    ]  # fmt: skip
    best.sort(key=lambda found: -found.choosing[HARMFUL])
    write_whole(folder / FOUND, json.dumps([found._asdict() for found in best], indent=1))
    return best


def plain_rates(out: str | Path, found: Found) -> tuple[dict[str, float], dict[str, float]]:
    """Rates of the plain model on both halves, which every setting was asked beside; as those of `found`.

    Args:
        out: Folder of the search.
        found: Any setting that it found.
    """
    runs = [Run(Path(out) / place) for place in (_trial_place(found.trial), _report_place(found.trial))]
    choosing, reporting = (_rates([row for row in run.rows if row["strength"] == 0]) for run in runs)
    return choosing, reporting


def tied(found: Sequence[Found]) -> list[list[Found]]:
    """Settings with the very same rates on all three axes of the choosing half, where there are several."""
    groups: dict[tuple[float, ...], list[Found]] = {}
    for own in found:
        groups.setdefault(tuple(own.choosing[axis] for axis in AXES), []).append(own)
    return [group for group in groups.values() if len(group) > 1]


def _trial_place(trial: int) -> str:
    return f"trial-{trial}"


def _report_place(trial: int) -> str:
    return f"report-{trial}"


def plan_of(vector: Vector, found: Found) -> tuple[Plan, float]:
    """The plan of a setting, and the strength to turn it to."""
    return _plan(vector, found.setting), float(found.setting["strength"])


def _suggest(trial: optuna.Trial, layers: int, kinds: Sequence[str], scopes: Sequence[str]) -> dict[str, Any]:
    kind = trial.suggest_categorical("kind", list(kinds))
    low, high = _STRENGTHS[kind]
    first = trial.suggest_int("first", 0, layers - 1)
    return {
        "kind": kind,
        "first": first,
        "last": min(layers - 1, first + trial.suggest_int("more", 0, layers // 3)),
        "scope": trial.suggest_categorical("scope", list(scopes)),
        # A name of its own for each range: Optuna holds a parameter to one.
        "strength": round(trial.suggest_float(f"strength_{kind}", low, high), 3),
    }


def _plan(vector: Vector, setting: dict[str, Any]) -> Plan:
    layers = tuple(l for l in range(setting["first"], setting["last"] + 1) if l not in vector.absent)
    # Added at several layers, each gets its share: strength stays comparable.
    scale = 1 / max(1, len(layers)) if setting["kind"] == "add" else 1.0
    return Plan((Edit(setting["kind"], vector, layers or (vector.layer,), setting["scope"], scale),))


def _part(suite: Suite, half: Half) -> Suite:
    items = tuple(item for item in suite.items if half_of(suite.name, item.id) == half)
    return replace(suite, items=items)


def _rates(rows: Sequence[Row]) -> dict[str, float]:
    found = {}
    for axis in AXES:
        values = [row["value"] for row in rows if row["axis"] == axis and row["value"] is not None]
        found[axis] = math.fsum(values) / len(values)
    (worst,) = worst_suite(invalid_points(rows)).values()
    return found | {"invalid": worst.rate}


def _check(suites: Sequence[Suite], kinds: Sequence[str], trials: int) -> None:
    lacking = [axis for axis in AXES if all(suite.header.axis != axis for suite in suites)]
    if lacking:
        raise RunError(
            f"a search without {', '.join(lacking)}", f"suites on {', '.join(AXES)}", "name such suites"
        )
    if trials < 1 or not kinds or not set(kinds) <= set(KINDS):
        raise RunError(
            f"{trials} trials of {', '.join(kinds) or 'no edits'}",
            f"1 trial or more of {', '.join(KINDS)}",
            "choose among them",
        )


def _study(folder: Path, identity: dict[str, Any]) -> optuna.Study:
    logging.getLogger("optuna").setLevel(logging.ERROR)
    journal = folder / JOURNAL
    try:
        folder.mkdir(parents=True, exist_ok=True)
        study = optuna.create_study(
            storage=JournalStorage(JournalFileBackend(str(journal))), study_name="search", load_if_exists=True,
            directions=["maximize", "minimize", "maximize"],
        )  # fmt: skip
    except OSError as error:
        raise unwritable(journal, error) from error
    before = study.user_attrs.get("of", identity)
    changed = [name for name in identity if before.get(name) != identity[name]]
    if changed:
        raise RunError(
            f"{folder}, a search with other {', '.join(changed)}", "the same settings", "choose another --out"
        )
    study.set_user_attr("of", identity)
    return study


def _done(study: optuna.Study) -> int:
    """Trials that came to an end; one that was killed is tried again."""
    ended = (TrialState.COMPLETE, TrialState.PRUNED)
    return len(study.get_trials(deepcopy=False, states=ended))
