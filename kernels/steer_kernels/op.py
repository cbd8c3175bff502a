"""The one op, `steer::edit_`: its schema, its checks, and which path runs it. Knows tensors only.

Paths behind one signature: `naive` (plain torch, everywhere) and `cpp` (CPU). Chosen once per process, at first use;
`STEER_KERNEL` forces one. Under `torch.compile`, and where a gradient is wanted, plain operations run: they fuse, and
they differentiate.
"""

import math
import os
import warnings
from functools import cache
from itertools import product
from typing import Any, NamedTuple

import torch
from torch import Tensor

from steer_kernels import naive
from steer_kernels.build import BuildError, cpu_library
from steer_kernels.errors import KernelError, TableError
from steer_kernels.table import Gate, Table, ablate_table, clamp_table, rotate_table

DTYPES = (torch.float32, torch.bfloat16, torch.float16)

_LIBRARY = torch.library.Library("steer", "DEF")  # type: ignore[no-untyped-call]  # kept: the op is gone with its last reference
_LIBRARY.define(  # type: ignore[no-untyped-call]
    "edit_(Tensor(a!) hidden, Tensor read, Tensor write, Tensor terms, Tensor? query, float threshold, "
    "float sharpness, bool rotates, bool keep_norm, Tensor strength) -> ()"
)
_LIBRARY.impl("edit_", naive.edit_, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
torch.library.register_fake("steer::edit_", lambda *_: None, lib=_LIBRARY)


def edit_(hidden: Tensor, table: Table, strength: Tensor | float) -> Tensor:
    """Edit rows of activations in place; rows whose strengths are all 0 are not touched to the bit.

    Args:
        hidden: `[..., d]`, any floating dtype; arithmetic is float32.
        table: k rank-one edits of width d, on the device of `hidden`.
        strength: A number for all rows, or a float32 tensor that broadcasts to `[..., k]` against the rows of `hidden`.

    Returns:
        `hidden`.

    Raises:
        TableError: A width, device or strength shape that does not fit, or a number that is not finite.
        KernelError: `STEER_KERNEL` names a path that is not there.
    """
    if not isinstance(strength, Tensor):
        if not math.isfinite(strength):
            raise TableError(f"strength {strength}", "a finite number", "choose a strength")
        strength = torch.full((1,), float(strength), device=hidden.device)
    run = naive.edit_ if _plain(hidden) else torch.ops.steer.edit_.default
    if torch.is_grad_enabled() and any(
        t.requires_grad for t in (hidden, strength, table.read, table.write, table.terms)
    ):
        run = _with_gradient
    try:
        run(hidden, *table.arguments, strength)
    except RuntimeError:
        _explain(
            hidden, table, strength
        )  # checked where it costs nothing: this runs at every layer and token
        raise
    return hidden


class Choice(NamedTuple):
    """The path of this process on CPUs (`naive` or `cpp`), and why it is that one."""

    path: str
    reason: str


@cache
def cpu_choice() -> Choice:
    """Choose the CPU path: `cpp` if it builds, loads and agrees with `naive`, else `naive`.

    Raises:
        KernelError: `STEER_KERNEL` asks for a path that is unknown, does not build or is wrong.
    """
    asked = os.environ.get("STEER_KERNEL", "")
    if asked not in ("", "naive", "cpp"):
        raise KernelError(f"STEER_KERNEL={asked}", "naive or cpp", "correct the variable, or unset it")
    if asked == "naive":
        return Choice("naive", "STEER_KERNEL=naive")
    try:
        torch.ops.load_library(str(cpu_library()))  # type: ignore[no-untyped-call]
        _self_test()
    except (BuildError, OSError, KernelError) as error:
        if asked == "cpp":
            raise KernelError(
                f"no working C++ path ({error})", "a C++ compiler for STEER_KERNEL=cpp", "unset STEER_KERNEL"
            ) from error
        if isinstance(error, KernelError):  # built and wrong: that must not go unseen
            warnings.warn(str(error), RuntimeWarning, stacklevel=2)
        return Choice("naive", str(error))
    return Choice("cpp", "STEER_KERNEL=cpp" if asked else "built for this machine, and equal to plain torch")


def self_test_error() -> float:
    """Largest difference between the compiled op and `naive`, as a share of the largest value; a few small cases."""
    draw = torch.Generator().manual_seed(0)
    units = torch.linalg.qr(torch.randn(67, 2, generator=draw)).Q.T.contiguous()
    gate = Gate(units[0], 0.05, 4.0)
    tables = [ablate_table(units), ablate_table(units[1]).gated(gate), rotate_table(units, 0.5).keeping_norm(),
              clamp_table(units, -0.5, 0.5)]  # fmt: skip
    worst = 0.0
    for table, dtype in product(tables, DTYPES):
        ours = torch.randn(5, 67, generator=draw).to(dtype)
        theirs, strength = ours.clone(), torch.randn(5, table.k, generator=draw)
        torch.ops.steer.edit_(ours, *table.arguments, strength)
        naive.edit_(theirs, *table.arguments, strength)
        step = (
            torch.finfo(dtype).eps / torch.finfo(torch.float32).eps
        )  # a rounding of the dtype counts as one of float32
        worst = max(
            worst, float((ours.float() - theirs.float()).abs().max() / theirs.float().abs().max() / step)
        )
    return worst


def _self_test() -> None:
    error = self_test_error()
    if not error < 1e-5:
        raise KernelError(
            f"a C++ op that is {error:.1e} off plain torch",
            "at most 1e-5",
            "report this machine; plain torch runs instead",
        )


def _with_gradient(hidden: Tensor, *arguments: Any) -> None:
    source = hidden.clone()  # what the backward pass reads must stay
    hidden.copy_(naive.edited(source, *arguments))


def _explain(hidden: Tensor, table: Table, strength: Tensor) -> None:
    """Raise the user's error, if it is one."""
    if hidden.shape[-1:] != table.read.shape[1:] or hidden.device != table.read.device:
        raise TableError(
            f"activations {list(hidden.shape)} on {hidden.device}",
            f"width {table.read.shape[1]} on {table.read.device}",
            "use a table made for this model, moved with table.to(device)",
        )
    rows = (*hidden.shape[:-1], table.k)
    fits = strength.ndim <= len(rows) and all(
        s in (1, r) for s, r in zip(strength.shape[::-1], rows[::-1], strict=False)
    )
    if not fits or strength.dtype != torch.float32:
        raise TableError(
            f"strength {list(strength.shape)} {strength.dtype}",
            f"float32 that broadcasts to {list(rows)}",
            "give one strength per row",
        )


def _plain(hidden: Tensor) -> bool:
    if torch.compiler.is_compiling() or hidden.stride(-1) != 1 or hidden.dtype not in DTYPES:
        return True
    return hidden.device.type == "cpu" and cpu_choice().path == "naive"
