"""A plan as the file that lm-evaluation-harness' own model type `steered` loads: `lm_eval --model steered`.

That type knows two things to do at the output of a decoder layer, for every token and one of them a layer: add a constant, or
set the projection on a direction to a number. The second is "affine", "ablate" and a "clamp" without width, done whole.
lm-eval unpickles the file; what is written here is tensors, numbers and words, which `torch.load(weights_only=True)` reads too.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from steer.errors import PlanError
from steer.plan import Plan
from steer.recipe import Dose, Recipe, Step, compile_plan
from steer_kernels import Table
from steer_vectors.interop.foreign import written_whole
from steer_vectors.interop.lm_eval import hookpoints
from steer_vectors.interop.torch_file import saved
from steer_vectors.models import ChatModel
from steer_vectors.site import Site

_WHERE = "lm-eval's steered model"
_INSTEAD = "use `steer lm-eval`, which runs any plan"


def export_steered(
    model: ChatModel, plan: Plan, strengths: Mapping[str, float], path: str | Path
) -> tuple[int, ...]:
    """Write what a plan does at these strengths for `lm_eval --model steered --model_args pretrained=...,steer_path=PATH`.

    Args:
        model: The model that the plan is for; not changed.
        plan: At `resid_post`, for all tokens, always open: "add"; or "affine", "ablate" or a "clamp" whose bounds are one, at
            strength 1. One of the two at each layer.
        strengths: Of the dials; those left out are at 0, and what is at 0 is left out.
        path: The `.pt` file to write, whole or not at all.

    Returns:
        The layers in the file.

    Raises:
        PlanError: What the format cannot express, with the alternative; nothing to do.
        MismatchError: A plan for another model.
        VectorFileError: A path that cannot be written.
    """
    if Path(path).suffix not in (".pt", ".pth"):
        raise PlanError(str(path), "a file that ends in .pt", "choose another ending")
    names, recipe = hookpoints(model), compile_plan(plan, model)
    found = ((site.layer, _entry(recipe, site, steps, strengths)) for site, steps in recipe.steps.items())
    entries = {layer: entry for layer, entry in found if entry is not None}
    if not entries:
        raise PlanError("a policy at strength 0", "one that does something", "give a strength, such as 1")
    with written_whole(path) as part:
        part.write_bytes(saved({names[layer]: entries[layer] for layer in sorted(entries)}))
    return tuple(sorted(entries))


def _entry(
    recipe: Recipe, site: Site, steps: tuple[Step, ...], strengths: Mapping[str, float]
) -> dict[str, Any] | None:
    moves: list[Tensor] = []
    places: list[tuple[Tensor, float]] = []
    for table, at in steps:
        dose = recipe.doses[at]
        strength = strengths.get(recipe.dials[recipe.columns[dose.column].dial], 0.0) * dose.scale
        if not strength:
            continue
        if what := _conditional(recipe, site, table, dose):
            raise _refused(what)
        if _adds(table):
            moves.append(strength * (table.terms[:, 0].double() @ table.write.double()))
        else:
            places.append((table.read[0].double(), _place(table, strength)))
    if len(places) > 1 or (moves and places):
        raise _refused(f"several things at layer {site.layer}, not all of them constants that are added")
    if places:
        return _written("clamp", *places[0])
    move = torch.stack(moves).sum(0) if moves else torch.zeros(1)
    length = float(move.norm())
    return _written("add", move / length, length) if length else None


def _conditional(recipe: Recipe, site: Site, table: Table, dose: Dose) -> str | None:
    """What in an edit depends on more than the strength, or is done elsewhere."""
    if site.point != "resid_post":
        return f"an edit at {site.point}"
    if dose.span is not None:
        return "an edit of some of the tokens"
    if table.gate is not None or recipe.columns[dose.column].share is not None:
        return "an edit behind a gate or a probe"
    return "an edit that keeps the norm" if table.keep_norm else None


def _adds(table: Table) -> bool:
    """Whether it moves every row alike."""
    _, gain, low, high, radial = table.terms.unbind(-1)
    return not bool(gain.any() or radial.any() or low.isfinite().any() or high.isfinite().any())


def _place(table: Table, strength: float) -> float:
    """What it sets the projection to."""
    offset, gain, low, high, radial = table.terms[0].tolist()
    fits = table.k == 1 and torch.equal(table.read, table.write) and strength == 1 and radial == 0
    if fits and gain == -1 and low == -torch.inf and high == torch.inf:
        return float(offset)
    if fits and gain == 0 and offset == 0 and low == high:
        return float(low)
    raise _refused(f"an edit at strength {strength:g} that neither adds a constant nor sets a projection")


def _written(action: str, direction: Tensor, coefficient: float) -> dict[str, Any]:
    return {
        "steering_vector": direction.float().cpu(),
        "steering_coefficient": coefficient,
        "action": action,
        "bias": None,
        "head_index": None,
    }


def _refused(what: str) -> PlanError:
    return PlanError(
        f"{what}, which {_WHERE} cannot express",
        "at resid_post, for all tokens: add; or affine, ablate or a clamp of one bound at strength 1",
        _INSTEAD,
    )
