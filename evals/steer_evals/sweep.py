"""Asks every suite at every strength and writes the rows; takes up where it was stopped. Knows no statistics.

A row is written when it is answered, and asked only if it is not there: a run that was killed and taken up again holds the
same rows as one that was not. (In another batch a tie between two tokens may fall otherwise; rows count theirs.)
"""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from steer.apply import as_plan, strength_rows
from steer.liveness import check_liveness
from steer.plan import Plan
from steer.recipe import Recipe, compile_plan
from steer_evals.answering import Part, Progress, Sampling, Worker
from steer_evals.baseline import keep_rows, kept_rows
from steer_evals.control import PROMPTS, prompted, random_plan
from steer_evals.engines import GREEDY, Engine
from steer_evals.engines import engine as engine_named
from steer_evals.errors import RunError
from steer_evals.folder import alone_in, check_settings
from steer_evals.rows import append_rows, key, resume_rows
from steer_evals.run import CONTROL, PLAN, PROMPT_CONTROL, ROWS, SETTINGS, Run, write_whole
from steer_evals.settings import settings_of
from steer_evals.suites import Suite, load_suite
from steer_evals.summary import bend
from steer_vectors.errors import ModelError
from steer_vectors.file import Vector
from steer_vectors.models import ChatModel


def sweep(
    model: ChatModel,
    plan: Plan | Vector | None,
    suites: Sequence[str | Path | Suite],
    strengths: Sequence[float],
    out: str | Path,
    *,
    control: bool = True,
    refine: int = 0,
    samples: int = 1,
    temperature: float = 0.0,
    seed: int = 0,
    limit: int | None = None,
    engine: str = "auto",
    at_once: int | None = None,
    progress: Progress | None = None,
) -> Run:
    """Map strength against every axis of the suites. Strength 0 is always measured too.

    Args:
        model: A live model.
        plan: A plan; a vector stands for adding it; None is the plain model, at strength 0 alone and without controls.
        suites: Built-in names, paths of TOML headers, or suites.
        strengths: In class gaps for "add".
        out: Folder of the run; a run with the same settings is taken up where it was stopped.
        control: Also measure a random direction of equal norm, at the lowest and the highest strength, and two system
            prompts without steering.
        refine: So many strengths more, one after the other, where the curve bends most.
        samples: Answers to every item; more than one need a temperature.
        temperature: 0 = greedy.
        seed: Of the draws.
        limit: The first so many items of each suite only.
        engine: "auto", "batched", "plain", "continuous" or "vllm"; see `steer_evals.engines`.
        at_once: Most rows in a batch; default by free memory.
        progress: Called as `progress(done, total)`, in answers.

    Raises:
        RunError: A strength that is not finite, no suites, a folder that cannot be written, is in use, or holds a run
            with other settings; settings of sampling that do not fit.
        PlanError: A strength that is not finite in float32, as it is or times the scale of an edit.
        SuiteError: An unknown or broken suite.
        MismatchError: A vector of another model.
        ModelError: A prompt that the chat template refuses, or that leaves no room for the answer.
        LivenessError: The plan does not move the model.
    """
    asked = [_first(suite, limit) for suite in _unique(suites)]
    points = _strengths(strengths if plan is not None else [0.0])
    sampling = _sampling(samples, temperature, seed)
    plan = None if plan is None else as_plan(plan)
    recipe = Recipe({}) if plan is None else compile_plan(plan, model)
    write = engine_named(engine, model, recipe)
    _check_work(write, [sampling.of(suite).temperature for suite in asked], refine, points, at_once)
    if plan is not None:
        strength_rows(points, recipe)  # not first in the middle of the run
        check_liveness(model, recipe)
    worker = Worker(model, write, sampling, at_once, progress)
    folder = Path(out)
    # Looked through before the folder is made: a prompt that the chat template refuses leaves nothing behind.
    parts = [worker.part(folder / ROWS, recipe, asked, points)]
    left_out = ""
    if control and plan is not None:
        ends = [s for s in dict.fromkeys((points[0], points[-1])) if s != 0]
        parts.append(
            worker.part(folder / CONTROL / ROWS, compile_plan(random_plan(plan), model), asked, ends)
        )
        try:
            parts += _prompt_parts(worker, folder / PROMPT_CONTROL / ROWS, asked)
        except ModelError as error:  # a template that takes no system prompt: no reason to measure nothing
            left_out = error.got
    settings = settings_of(model, plan, asked, sampling, engine)
    check_settings(folder, settings)  # a folder that is refused is left as it was
    with alone_in(folder):
        _settle(folder, settings, plan, asked)
        _take_baseline(folder / ROWS, settings, asked)
        # What a sweep that was stopped had refined counts, and is finished first.
        known = dict.fromkeys(row["strength"] for row in resume_rows(folder / ROWS)) if refine else {}
        extra = [strength for strength in known if strength not in points][:refine]
        points = sorted({*points, *extra})
        parts[0] = parts[0]._replace(strengths=points)
        _note(folder, _answers(folder, parts, sampling, refine - len(extra)), left_out)
        worker.work(parts, more=refine - len(extra))
        for _ in range(refine - len(extra)):
            points = sorted({*points, bend(Run(folder).curve())})
            worker.work([parts[0]._replace(strengths=points), *parts[1:]], more=0)
        _keep_baseline(folder / ROWS, settings, asked)
        run = Run(folder)
        run.summarise()
    return run


def _prompt_parts(worker: Worker, path: Path, suites: Sequence[Suite]) -> list[Part]:
    """System prompts in the place of steering: what a line of text does too needs no dial."""
    nothing = Recipe({})
    return [
        worker.part(path, nothing, [prompted(suite, strength) for suite in suites], [strength])
        for strength in PROMPTS
    ]


def _answers(folder: Path, parts: Sequence[Part], sampling: Sampling, more: int) -> int:
    """How many the folder will hold: all items at every strength asked for now, or begun by a sweep before."""
    held = {folder / name / ROWS for name in ("", CONTROL, PROMPT_CONTROL)}
    strengths = {(path, row["strength"]) for path in held for row in resume_rows(path)}
    strengths |= {(part.rows, strength) for part in parts for strength in part.strengths}
    each = sum(len(suite.items) * sampling.of(suite).samples for suite in parts[0].suites)
    return each * (len(strengths) + more)


def _note(folder: Path, answers: int, left_out: str) -> None:
    """Beside the settings: what tells a run that was stopped, and a control that could not be asked, from a whole one."""
    settings = Run(folder).settings
    asked = {**settings.get("asked", {}), "answers": answers} | ({"left_out": left_out} if left_out else {})
    if settings.get("asked") != asked:
        write_whole(folder / SETTINGS, json.dumps(settings | {"asked": asked}, indent=1))


def _take_baseline(path: Path, settings: Mapping[str, Any], suites: Sequence[Suite]) -> None:
    have = {key(row) for row in resume_rows(path)}
    for suite in suites:
        wanted = {(suite.name, item.id, 0.0) for item in suite.items}
        kept = [row for row in kept_rows(settings["baselines"][suite.name]) if key(row)[:3] in wanted]
        append_rows(path, [row for row in kept if key(row) not in have])


def _keep_baseline(path: Path, settings: Mapping[str, Any], suites: Sequence[Suite]) -> None:
    plain = [row for row in resume_rows(path) if row["strength"] == 0]
    for suite in suites:
        keep_rows(settings["baselines"][suite.name], [row for row in plain if row["suite"] == suite.name])


def _check_work(
    write: Engine, temperatures: Sequence[float], refine: int, points: Sequence[float], at_once: int | None
) -> None:
    if any(temperatures) and write in GREEDY:
        raise RunError(
            "answers that are drawn, as for diversity, from an engine that is greedy", "the batched engine",
            "leave out --engine, or these suites",
        )  # fmt: skip
    if refine and len(points) < 2:
        raise RunError("one strength to refine between", "two strengths or more", "add to --strengths")
    if at_once is not None and at_once < 1:
        raise RunError(f"batches of {at_once}", "1 row or more", "leave it out, to go by free memory")


def _first(suite: Suite, limit: int | None) -> Suite:
    if limit is None:
        return suite
    if limit < 1:
        raise RunError(f"a limit of {limit} items", "1 or more", "leave --limit out for all")
    return replace(suite, items=suite.items[:limit])


def _sampling(samples: int, temperature: float, seed: int) -> Sampling:
    if samples < 1 or not temperature >= 0 or not math.isfinite(temperature):
        raise RunError(
            f"{samples} samples at temperature {temperature:g}",
            "1 or more, at 0 or more",
            "leave both out to be greedy",
        )
    if samples > 1 and temperature == 0:
        raise RunError(f"{samples} samples at temperature 0", "a temperature above 0", "add --temperature 1")
    return Sampling(samples, temperature, seed)


def _unique(suites: Sequence[str | Path | Suite]) -> list[Suite]:
    found = [suite if isinstance(suite, Suite) else load_suite(suite) for suite in suites]
    names = [suite.name for suite in found]
    if not found or len(set(names)) < len(names):
        raise RunError(
            f"suites {', '.join(names) or 'none'}", "at least one suite, each once", "name the suites to ask"
        )
    return found


def _strengths(strengths: Sequence[float]) -> list[float]:
    if not strengths or not all(math.isfinite(s) for s in strengths):
        raise RunError(f"strengths {list(strengths)}", "finite numbers", 'write them as "-2,-1,0,1,2"')
    return sorted({0.0, *(float(s) + 0.0 for s in strengths)})  # + 0.0 turns -0.0 into 0.0


def _settle(folder: Path, settings: dict[str, Any], plan: Plan | None, suites: Sequence[Suite]) -> None:
    check_settings(folder, settings)  # again: another sweep may have begun before this one had the folder
    if not os.path.exists(folder / SETTINGS):
        if plan is not None:
            plan.save(folder / PLAN)
        # No setting, for the suites have their hashes: what a judge of refusals asks later.
        kinds = {suite.name: suite.header.kind for suite in suites}
        write_whole(folder / SETTINGS, json.dumps(settings | {"kinds": kinds}, indent=1))
