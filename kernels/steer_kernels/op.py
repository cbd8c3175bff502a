"""The one op: checks its arguments, then runs the path that was chosen. So far there is one path, `naive`."""

import math

import torch
from torch import Tensor

from steer_kernels import naive
from steer_kernels.errors import TableError
from steer_kernels.table import Table


def edit_(hidden: Tensor, table: Table, strength: Tensor | float) -> Tensor:
    """Edit rows of activations in place; rows whose strengths are all 0 are not touched to the bit.

    Args:
        hidden: `[..., d]`, any floating dtype; arithmetic is float32.
        table: k rank-one edits of width d.
        strength: A number for all rows, or a tensor that broadcasts to `[..., k]` against the rows of `hidden`.

    Returns:
        `hidden`.

    Raises:
        TableError: A width or strength shape that does not fit, or a number that is not finite.
    """
    if hidden.shape[-1] != table.read.shape[1]:
        raise TableError(
            f"activations of width {hidden.shape[-1]}",
            f"width {table.read.shape[1]}",
            "use a table made for this model",
        )
    if not isinstance(strength, Tensor):
        if not math.isfinite(strength):
            raise TableError(f"strength {strength}", "a finite number", "choose a strength")
        strength = torch.full((table.k,), float(strength), device=hidden.device)
    rows = (*hidden.shape[:-1], table.k)
    fits = strength.ndim <= len(rows) and all(
        s in (1, r) for s, r in zip(strength.shape[::-1], rows[::-1], strict=False)
    )
    if not fits:
        raise TableError(
            f"strength {list(strength.shape)}",
            f"a shape that broadcasts to {list(rows)}",
            "give one strength per row",
        )
    return naive.edit_(hidden, table, strength.to(hidden.device, torch.float32))
