"""Adaptive steering from nothing to a policy: extract, choose on one half of the requests, report on the other.

The choice of edits, layers and scope is Optuna's; that of strengths and threshold is made whole, by joining the answers of
the two sides (`joined`). What is chosen is then run as one plan, beside naive steering and the published baselines.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from typing import Any, NamedTuple

import optuna

from steer.errors import LivenessError
from steer.gates import log_odds
from steer.plan import Plan
from steer.recipe import compile_plan
from steer_evals.calibrate import Budgets, Calibration, Half, Reported, half_of
from steer_evals.choosing import calibrate_run, calibration_fields
from steer_evals.disguises import DISGUISES
from steer_evals.errors import RunError
from steer_evals.families import (
    MOVES,
    STRENGTHS,
    Branch,
    Parts,
    Side,
    adaptive,
    baselines,
    errors_of,
    extracted,
)
from steer_evals.joined import Choice, best
from steer_evals.points import HARMFUL, OVER
from steer_evals.rows import Row
from steer_evals.run import write_whole
from steer_evals.suites import Suite
from steer_evals.sweep import sweep
from steer_vectors.chat import prompt_ids
from steer_vectors.contrast import ContrastSet
from steer_vectors.file import Vector
from steer_vectors.models import ChatModel
from steer_vectors.probe import Classifier

POLICY, FOUND = "policy.toml", "adapt.json"
ADAPTIVE = "adaptive"
SCOPES = ("-1:", "all")
_TURNS = (0.25, 0.5, 0.75, 1.0)  # of the policy's dial
Bar = Callable[[str], Callable[[int, int], None]]


class Adapted(NamedTuple):
    """What came of it.

    Args:
        parts: What was extracted.
        choice: Strengths, threshold and rates on the choosing half.
        sides: What each side does.
        plan: The policy's.
        risk: Of every item of the suites, by suite and id, as the policy's probe reads it.
        families: By name, baselines first: an operating point each, under the same budgets, and its numbers on the
            reporting half.
    """

    parts: Parts
    choice: Choice
    sides: Mapping[Side, Branch]
    plan: Plan
    risk: Mapping[tuple[str, str], float]
    families: Mapping[str, Calibration]


def adapt(
    model: ChatModel,
    contrasts: Sequence[ContrastSet],
    benign: Sequence[ContrastSet],
    suites: Sequence[Suite],
    out: str | Path,
    *,
    budgets: Budgets | None = None,
    refusal: Vector | None = None,
    method: Classifier = "lda",
    window: int = 1,
    disguised: Sequence[str] = (),
    trials: int = 12,
    seed: int = 0,
    limit: int | None = None,
    bar: Bar = lambda _what: lambda _done, _total: None,
) -> Adapted:
    """Make an adaptive policy for a model.

    Args:
        model: A live model, not steered.
        contrasts: Harmful requests against harmless ones; see `families.extracted`.
        benign: Requests of which none is harmful.
        suites: On `harmful_refusal` and `over_refusal` at least.
        out: Folder: runs, `policy.toml`, `adapt.json`; a run that was stopped is taken up.
        budgets: As in `calibrate`.
        refusal: A vector of refusal, instead of extracting one.
        method: Of the probe: "lda" or "logistic".
        window: Tokens that it reads, from the last one of the prompt backwards.
        disguised: Disguises that the probe is fitted on besides; see `families.extracted`.
        trials: Pairs of sides that Optuna tries.
        seed: Of Optuna's sampler.
        limit: The first so many items of each suite.
        bar: Makes a progress callback for each stage.

    Raises:
        RunError: Suites without harmful or benign-but-risky requests; as `sweep` and `calibrate`.
        ContrastError: As `families.extracted`.
    """
    budgets, folder = budgets or Budgets(), Path(out)
    if unknown := [name for name in disguised if name not in DISGUISES]:
        raise RunError(f"disguise {unknown[0]!r}", f"some of {', '.join(DISGUISES)}", "check the name")
    suites = [replace(suite, items=suite.items[:limit]) for suite in suites]
    lacking = {HARMFUL, OVER} - {suite.header.axis for suite in suites}
    if lacking:
        raise RunError(
            f"suites without {' and '.join(sorted(lacking))}",
            f"suites on {HARMFUL} and {OVER}",
            "name harmful and benign-risky, say",
        )
    if trials < 1:
        raise RunError(f"{trials} trials", "1 or more", "leave them out for 12")
    parts = extracted(
        model, contrasts, benign, refusal=refusal, method=method, window=window, disguised=disguised, bar=bar
    )
    for own in baselines(parts).values():
        compile_plan(own, model)  # what cannot be compared is said before the search
    choosing = [_half(suite, "choosing") for suite in suites]
    sides, choice = _search(
        model, parts, choosing, folder / "search", budgets, trials, seed, bar("searching")
    )
    if not choice.low and not choice.high:
        raise RunError(
            "a search in which no edit does better than the plain model under these budgets",
            "one that does",
            "loosen the budgets, add contrast sets, or raise --trials",
        )
    scales = {sides["low"]: choice.low, sides["high"]: choice.high}
    plan = adaptive(parts, scales, choice.threshold)
    runs = {
        name: sweep(
            model, own, suites, _TURNS if name == ADAPTIVE else STRENGTHS[name], folder / name, control=False,
            progress=bar(f"asking: {name}"),
        )
        for name, own in {**baselines(parts), ADAPTIVE: plan}.items()
    }  # fmt: skip
    families = {
        name: calibrate_run(run, budgets, runs["naive"], folder / POLICY if name == ADAPTIVE else None)
        for name, run in runs.items()
    }
    found = Adapted(parts, choice, sides, plan, risks(model, plan, suites), families)
    write_whole(folder / FOUND, json.dumps(adapted_fields(found), indent=1, allow_nan=False))
    return found


def risks(model: ChatModel, plan: Plan, suites: Sequence[Suite]) -> dict[tuple[str, str], float]:
    """Risk of every item by the plan's first probe, 0 to 1, on the plain model."""
    gauges = compile_plan(plan, model).gauges[:1]
    names = [(suite.name, item.id) for suite in suites for item in suite.items]
    prompts = [prompt_ids(model.tokenizer, item.turns) for suite in suites for item in suite.items]
    return dict(zip(names, log_odds(model, gauges, prompts)[:, 0].double().sigmoid().tolist(), strict=True))


def _search(
    model: ChatModel,
    parts: Parts,
    suites: Sequence[Suite],
    folder: Path,
    budgets: Budgets,
    trials: int,
    seed: int,
    progress: Callable[[int, int], None],
) -> tuple[dict[Side, Branch], Choice]:
    logging.getLogger("optuna").setLevel(logging.ERROR)
    first = parts.probe.vector.layer
    spans = {
        "one": (parts.refusal.layer,),
        "after": tuple(range(parts.refusal.layer, model.layers)),
        "all": tuple(range(first, model.layers)),
    }
    risk = risks(model, adaptive(parts, {Branch("low", "add", spans["one"], "all"): 1.0}, 0.5), suites)
    answered: dict[Branch, list[Row]] = {}

    def rows(branch: Branch) -> list[Row]:
        if branch not in answered:
            plan = Plan((branch.edit(parts),))
            place = folder / "-".join(
                (branch.side, branch.kind, f"{branch.layers[0]}-{branch.layers[-1]}", _word(branch.scope))
            )
            strengths = MOVES[branch.side][branch.kind]
            answered[branch] = sweep(model, plan, suites, strengths, place, control=False).rows
        return answered[branch]

    def objective(trial: optuna.Trial) -> float:
        scope = trial.suggest_categorical("scope", SCOPES)
        sides = {
            side: Branch(
                side, trial.suggest_categorical(f"{side} kind", tuple(kinds)),
                spans[trial.suggest_categorical(f"{side} layers", tuple(spans))], scope,
            )
            for side, kinds in MOVES.items()
        }  # fmt: skip
        try:
            choice = best(risk, rows(sides["low"]), rows(sides["high"]), budgets)
        except LivenessError as error:
            raise optuna.TrialPruned from error
        finally:
            progress(trial.number + 1, trials)
        return 1000 * choice.below + 100 * choice.miss + 10 * choice.unsure + choice.least

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=seed))
    # What works on most models is tried first.
    for kind, layers in (("clamp", "after"), ("add", "one"), ("clamp", "all")):
        likely = {
            f"{side} {what}": own for side in MOVES for what, own in (("kind", kind), ("layers", layers))
        }
        study.enqueue_trial({"scope": "all", **likely})
    study.optimize(objective, n_trials=trials)
    # What has answered once goes with any other for nothing.
    lows, highs = ([branch for branch in answered if branch.side == side] for side in MOVES)
    if not lows or not highs:
        raise RunError("edits that move nothing", "some that do", "raise --trials, or check the vector")
    found = [
        (best(risk, answered[low], answered[high], budgets), low, high) for low, high in product(lows, highs)
    ]
    choice, low, high = min(found, key=lambda own: own[0].better)
    return {"low": low, "high": high}, choice


def adapted_fields(found: Adapted) -> dict[str, Any]:
    """What `adapt.json` holds."""
    return {
        "probe": {
            "layer": found.parts.probe.vector.layer, "threshold": found.choice.threshold,
            **errors_of(found.parts.probe, found.choice.threshold),
        },
        "sides": {
            side: {"kind": own.kind, "layers": list(own.layers), "scope": own.scope,
                   "strength": found.choice.low if side == "low" else found.choice.high}
            for side, own in found.sides.items()
        },
        "chosen": {**found.choice._asdict(), "rates": dict(found.choice.rates)},
        "families": {name: calibration_fields(own) for name, own in found.families.items()},
    }  # fmt: skip


def point_of(found: Calibration) -> Reported:
    """A family's operating point: where the policy's dial stands if the budgets are kept, or else the nearest."""
    strength = found.presets.get("moderate") if found.presets else found.nearest and found.nearest.strength
    return found.reported[strength or 0.0]


def _half(suite: Suite, half: Half) -> Suite:
    return replace(suite, items=tuple(item for item in suite.items if half_of(suite.name, item.id) == half))


def _word(scope: str) -> str:
    """A scope as part of a folder's name."""
    return scope.replace(":", "on") if ":" in scope else scope
