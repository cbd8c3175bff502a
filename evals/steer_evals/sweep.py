"""Asks every suite at every strength and writes the rows; takes up where it was stopped. Knows no statistics.

The order of the work and the rows of every batch are fixed by the settings alone, so a run that was killed and taken
up again holds the same rows, in the same order, as one that was not.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import fields
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

from steer.apply import as_plan, check_liveness, steered, strength_rows
from steer.plan import Edit, Plan
from steer.recipe import Recipe, compile_plan
from steer_evals.asking import BATCH, ask, batches
from steer_evals.control import SEED, random_plan
from steer_evals.errors import RunError
from steer_evals.rows import Key, append_rows, key, resume_rows
from steer_evals.run import CONTROL, ROWS, SETTINGS, Run, write_whole
from steer_evals.suites import Item, Suite, load_suite
from steer_vectors.file import Vector
from steer_vectors.fingerprint import template_hash, tokenizer_hash, weight_fingerprint
from steer_vectors.models import ChatModel

Progress = Callable[[int, int], None]


class _Job(NamedTuple):
    """One batch at one strength, of the plan itself or of its control."""

    rows: Path
    recipe: Recipe
    strength: float
    suite: Suite
    items: tuple[Item, ...]


def sweep(
    model: ChatModel,
    plan: Plan | Vector,
    suites: Sequence[str | Path | Suite],
    strengths: Sequence[float],
    out: str | Path,
    *,
    control: bool = True,
    batch_size: int = BATCH,
    progress: Progress | None = None,
) -> Run:
    """Map strength against every axis of the suites. Strength 0 is always measured too.

    Args:
        model: A live model.
        plan: A plan; a vector stands for adding it.
        suites: Built-in names, paths of TOML headers, or suites.
        strengths: In class gaps for "add".
        out: Folder of the run; a run with the same settings is taken up where it was stopped.
        control: Also measure a random direction of equal norm, at the lowest and the highest strength.
        batch_size: Items asked together.
        progress: Called as `progress(done, total)`, in answers.

    Raises:
        RunError: A strength that is not finite, no suites, a folder that cannot be written, is in use, or holds a run
            with other settings.
        PlanError: A strength that is not finite in float32, as it is or times the scale of an edit.
        SuiteError: An unknown or broken suite.
        MismatchError: A vector of another model.
        LivenessError: The plan does not move the model.
    """
    asked = _unique(suites)
    points = _strengths(strengths)
    plan = as_plan(plan)
    recipe = compile_plan(plan, model)
    strength_rows(points, recipe)  # not first in the middle of the run
    check_liveness(model, recipe)
    folder = Path(out)
    # Laid out before the folder is made: a prompt that the chat template refuses leaves nothing behind.
    jobs = list(_jobs(folder / ROWS, model, recipe, points, asked, batch_size))
    if control:
        ends = [s for s in dict.fromkeys((points[0], points[-1])) if s != 0]
        random = compile_plan(random_plan(plan), model)
        jobs += _jobs(folder / CONTROL / ROWS, model, random, ends, asked, batch_size)
    settings = _settings(model, plan, asked, batch_size)
    _check_settings(folder, settings)  # a folder that is refused is left as it was
    with _folder(folder):
        _settle(folder, settings)
        _work(model, jobs, progress)
        run = Run(folder)
        run.summarise()
    return run


def _jobs(
    path: Path,
    model: ChatModel,
    recipe: Recipe,
    strengths: Sequence[float],
    suites: Sequence[Suite],
    size: int,
) -> Iterator[_Job]:
    groups = [(suite, items) for suite in suites for items in batches(model, suite, size)]
    for strength in strengths:
        for suite, items in groups:
            yield _Job(path, recipe, strength, suite, items)


def _work(model: ChatModel, jobs: Sequence[_Job], progress: Progress | None) -> None:
    done: dict[Path, set[Key]] = {}
    for path in dict.fromkeys(job.rows for job in jobs):
        done[path] = {key(row) for row in resume_rows(path)}
    total, finished = sum(len(job.items) for job in jobs), 0
    for job in jobs:
        wanted = {Key(job.suite.name, item.id, job.strength) for item in job.items}
        # A batch of which some rows were written is asked again as a whole: answers may depend on the batch.
        if not wanted <= done[job.rows]:
            with steered(model, job.recipe, job.strength):
                rows = ask(model, job.suite, job.items, job.strength)
            append_rows(job.rows, [row for row in rows if key(row) not in done[job.rows]])
        finished += len(job.items)
        if progress is not None:
            progress(finished, total)


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


def _settings(model: ChatModel, plan: Plan, suites: Sequence[Suite], batch_size: int) -> dict[str, Any]:
    """Everything that the rows depend on, strengths apart; rows of other settings are never mixed."""
    return {
        "model": model.name,
        "fingerprint": weight_fingerprint(model.hf),
        "tokenizer": tokenizer_hash(model.tokenizer),
        "chat_template": template_hash(model.tokenizer),
        "dtype": str(model.hf.dtype).removeprefix("torch."),
        "device": model.device.type,
        "plan": [_edit_settings(edit) for edit in plan.edits],
        "suites": {suite.name: suite.hash for suite in suites},
        "decoding": "greedy",
        "batch_size": batch_size,
        "control_seed": SEED,
        "versions": {name: version(name) for name in ("steerdial", "torch", "transformers")},
    }


def _edit_settings(edit: Edit) -> dict[str, Any]:
    own = {"kind": edit.kind, "concept": edit.vector.concept, "vector": _digest(edit.vector), "point": edit.vector.point,
           "layers": [site.layer for site in edit.sites],
           "position": edit.vector.position, "scope": edit.scope, "scale": edit.scale}  # fmt: skip
    more = {name: getattr(edit, name) for name in ("dial", "to", "low", "high", "angle", "keep_norm")}
    more |= {"second": edit.second and _digest(edit.second)}
    more |= {"gate": edit.gate and [_digest(edit.gate.vector), edit.gate.threshold, str(edit.gate.sharpness)]}
    plain = {field.name: field.default for field in fields(Edit)}
    return own | {name: value for name, value in more.items() if value != plain[name]}


def _digest(vector: Vector) -> str:
    tensors = (vector.directions, vector.positive, vector.negative)
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in tensors)).hexdigest()


def _check_settings(folder: Path, settings: dict[str, Any]) -> None:
    if os.path.exists(folder / SETTINGS):
        before = Run(folder).settings
        changed = [name for name in settings if before.get(name) != settings[name]]
        if changed:
            raise RunError(
                f"{folder}, a run with other {', '.join(changed)}",
                "the same settings",
                "choose another --out",
            )
    elif os.path.exists(folder / ROWS):
        raise RunError(
            f"{folder}, with rows but no {SETTINGS}", "rows whose settings are known", "choose another --out"
        )


def _settle(folder: Path, settings: dict[str, Any]) -> None:
    _check_settings(folder, settings)  # again: another sweep may have begun before this one had the folder
    if not os.path.exists(folder / SETTINGS):
        write_whole(folder / SETTINGS, json.dumps(settings, indent=1))


@contextmanager
def _folder(folder: Path) -> Iterator[None]:
    """Make the folder, and keep a second sweep out of it."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise RunError(
            f"{folder}, which cannot be written ({error.strerror})",
            "a writable folder",
            "choose another --out",
        ) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError(
                f"{folder}, in which a sweep is at work",
                "a folder of its own",
                "wait, or choose another --out",
            ) from error
        yield
