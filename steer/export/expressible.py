"""What of a plan is a constant, and what is an ablation that weights can hold; everything else is refused here.

Two shapes can leave this library: constants that are added at the output of layers, and a direction that is taken out of
whatever writes to the stream. Knows no files and no live model.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import torch
from torch import Tensor

from steer.errors import PlanError
from steer.plan import Edit, Plan
from steer.scope import span
from steer_vectors.interop.foreign import to_displacements

_ALIVE = "steer it with transformers or vLLM"


def additions(plan: Plan, strengths: Mapping[str, float], where: str) -> dict[int, Tensor]:
    """What a plan adds to every token at the output of each layer; `[d]` float64 by 0-based layer.

    Args:
        plan: Constant "add" edits only.
        strengths: Of the dials; those left out are at 0, and what is at 0 is left out.
        where: What is to hold the constants, for the errors.

    Raises:
        PlanError: An edit that is more than a constant; the alternatives are named.
        VectorFileError: A layer at which the vector has no direction, a sum beyond float32.
    """
    for edit in plan.edits:
        if found := _more_than_constant(edit):
            raise PlanError(
                f"{found}, which {where} cannot express",
                "add at resid_post, for all tokens, always open",
                _instead(edit),
            )
    sums: dict[int, Tensor] = defaultdict(lambda: torch.zeros((), dtype=torch.float64))
    for edit in plan.edits:
        strength = strengths.get(edit.dial, 0.0) * edit.scale
        layers = [site.layer for site in edit.sites]
        if strength:
            moves = to_displacements(edit.vector, strength, layers, ("resid_post",), where)
            for layer, move in moves.items():
                sums[layer] = sums[layer] + move
    return {layer: move for layer, move in sums.items() if bool(move.any())}


def ablation(plan: Plan, strengths: Mapping[str, float], where: str) -> tuple[Tensor, Tensor]:
    """What a plan of ablations makes of a row: `h + write @ (read @ h)`, `write` `[d, k]` and `read` `[k, d]`, float64.

    Args:
        plan: "ablate" edits at every layer only. Several are done one after the other, as in the plan.
        strengths: Of the dials; those left out are at 0, and what is at 0 is left out.
        where: What is to hold the edit, for the errors.

    Raises:
        PlanError: An edit that is something else; the alternatives are named. Nothing to do.
    """
    for edit in plan.edits:
        if found := _more_than_ablation(edit):
            raise PlanError(
                f"{found}, which {where} cannot express",
                "ablate at every layer, at resid_post, for all tokens, always open",
                _instead(edit),
            )
    width = plan.edits[0].vector.width
    whole = torch.eye(width, dtype=torch.float64)
    writes, reads = [], []
    for edit in plan.edits:
        strength = strengths.get(edit.dial, 0.0) * edit.scale
        if strength:
            unit = edit.vector.directions[edit.vector.layer].double()  # the one direction, at every layer
            writes.append(-strength * unit)
            reads.append(unit @ whole)
            whole = whole + torch.outer(writes[-1], reads[-1])
    if not writes:
        raise nothing_to_do()
    return torch.stack(writes, 1), torch.stack(reads)


def nothing_to_do() -> PlanError:
    """Every edit is at strength 0."""
    return PlanError("a policy at strength 0", "one that does something", "give a strength, such as 1")


def _more_than_constant(edit: Edit) -> str | None:
    return _conditional(edit) or (f"{edit.kind!r}" if edit.kind != "add" else None)


def _more_than_ablation(edit: Edit) -> str | None:
    if edit.kind == "ablate" and len(set(edit.sites)) < edit.vector.layers:
        return f"'ablate' at {len(set(edit.sites))} of {edit.vector.layers} layers"
    return _conditional(edit) or (f"{edit.kind!r}" if edit.kind != "ablate" else None)


def _conditional(edit: Edit) -> str | None:
    """What in it depends on more than the strength."""
    if edit.vector.point != "resid_post":
        return f"{edit.kind!r} at {edit.vector.point}"
    if span(edit.scope) is not None:
        return f"{edit.kind!r} for the tokens {edit.scope!r}"
    if edit.gate is not None or edit.when is not None:
        return f"{edit.kind!r} behind a {'gate' if edit.gate is not None else 'probe'}"
    return f"{edit.kind!r} that keeps the norm" if edit.keep_norm else None


def _instead(edit: Edit) -> str:
    if _conditional(edit) is None and edit.kind == "add":
        return "`steer export gguf` (a control vector) or `steer export weights` (a bias)"
    if _conditional(edit) is None and edit.kind == "ablate":
        every = "" if len(set(edit.sites)) == edit.vector.layers else "ablate at every layer, then "
        return f"{every}`steer export lora` or `steer export weights`; or {_ALIVE}"
    nearest = "ablate" if edit.kind == "ablate" else "add"
    return f"{_ALIVE}; nearest to it is {nearest!r} of that vector, for all tokens of every request"
