"""A constant plan as a GGUF control vector, for llama.cpp and what is built on it.

At scale 1 llama.cpp adds `direction.N` to every token at the output of 0-based layer N, prompt and answer alike, which is
`resid_post` here; class gap, the edit's scale and the strength are folded in. It has no place for layer 0.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from steer.errors import PlanError
from steer.export.expressible import additions, nothing_to_do
from steer.plan import Plan
from steer.recipe import compile_plan
from steer_vectors.interop.gguf_vector import write_control_vector
from steer_vectors.models import ChatModel

_WHERE = "a llama.cpp control vector"


def export_control_vector(
    model: ChatModel, plan: Plan, strengths: Mapping[str, float], path: str | Path
) -> tuple[int, ...]:
    """Write what a plan adds as a control vector: at scale 1 the runtime does what the plan does at these strengths.

    Args:
        model: The model that the plan is for; not changed.
        plan: Constant "add" edits at `resid_post`, for all tokens.
        strengths: Of the dials; those left out are at 0.
        path: The `.gguf` file to write, whole or not at all.

    Returns:
        The layers in the file.

    Raises:
        PlanError: What a control vector cannot express, with the alternatives; layer 0; nothing to do.
        MismatchError: A plan for another model.
        VectorFileError: A path that cannot be written.
    """
    compile_plan(plan, model)
    moves = control(plan, strengths)
    if not moves:
        raise nothing_to_do()
    write_control_vector(moves, path, type(model.hf).__name__)
    return tuple(sorted(moves))


def control(plan: Plan, strengths: Mapping[str, float]) -> dict[int, Tensor]:
    """What llama.cpp is to add, `[d]` float64 by layer.

    Raises:
        PlanError: What it cannot express, with the alternatives.
    """
    if any(site.layer == 0 for edit in plan.edits for site in edit.sites if edit.kind == "add"):
        raise PlanError(
            f"'add' at layer 0, which {_WHERE} cannot express",
            "layers from 1 on",
            "use a later layer, or `steer export weights`, which adds it as a bias",
        )
    return additions(plan, strengths, _WHERE)
