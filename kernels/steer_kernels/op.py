"""The one op, `steer::edit_`: its schema, its checks, and which path runs it. Knows tensors only.

Paths behind one signature: `naive` (plain torch, everywhere), `cpp` (CPU) and `cuda` (NVIDIA GPUs). Chosen once per
process and kind of device, at first use; `STEER_KERNEL` forces one. Under `torch.compile`, and where a gradient is
wanted, plain operations run: they fuse, and they differentiate.
"""

import os
import warnings
from collections.abc import Callable
from functools import cache
from itertools import product
from numbers import Real
from typing import Any, NamedTuple

import torch
from torch import Tensor, is_grad_enabled
from torch.autograd import forward_ad
from torch.autograd.graph import increment_version
from torch.compiler import is_dynamo_compiling

from steer_kernels import cuda, naive
from steer_kernels.build import BuildError, cpu_library
from steer_kernels.errors import KernelError, TableError
from steer_kernels.table import Gate, Table, ablate_table, clamp_table, rotate_table, unpack

DTYPES = (torch.float32, torch.bfloat16, torch.float16)
PATHS = ("naive", "cpp", "cuda")
_LARGEST = torch.finfo(torch.float32).max

_LIBRARY = torch.library.Library("steer", "DEF")  # type: ignore[no-untyped-call]  # kept: the op is gone with its last reference
_LIBRARY.define("edit_(Tensor(a!) hidden, Tensor table, Tensor strength) -> ()")  # type: ignore[no-untyped-call]


def _fake(hidden: Tensor, table: Tensor, strength: Tensor) -> None:
    # A strength on meta brings real activations here, and would leave them as they are.
    if not hidden.device == table.device == strength.device:
        raise RuntimeError("steer::edit_: activations, table and strengths on several devices")


def _plain(hidden: Tensor, table: Tensor, strength: Tensor) -> None:
    if not hidden.dtype.is_floating_point:
        raise RuntimeError("steer::edit_: activations that are no floating numbers")
    naive.edit_(hidden, *unpack(table), strength)


def _on_gpu(hidden: Tensor, table: Tensor, strength: Tensor) -> None:
    run = cuda.edit_ if chosen_path("cuda").path == "cuda" else _plain
    run(hidden, table, strength)


torch.library.register_fake("steer::edit_", _fake, lib=_LIBRARY)
_LIBRARY.impl("edit_", _plain, "CompositeExplicitAutograd")  # type: ignore[no-untyped-call]
_LIBRARY.impl("edit_", _on_gpu, "CUDA")  # type: ignore[no-untyped-call]
for _key in ("AutogradCPU", "AutogradCUDA"):  # else torch's stand-in looks at every argument, to no effect
    _LIBRARY.impl("edit_", torch.library.fallthrough_kernel, _key)  # type: ignore[no-untyped-call]
_run: Callable[[Tensor, Tensor, Tensor], object] | None = None  # the op, once the CPU's path is chosen


def edit_(hidden: Tensor, table: Table, strength: Tensor | float) -> Tensor:
    """Edit rows of activations in place; rows whose strengths are all 0 are not touched to the bit.

    Args:
        hidden: `[..., d]`, any floating dtype; arithmetic is float32.
        table: k rank-one edits of width d, on the device of `hidden`.
        strength: A number for all rows, or a float32 tensor that broadcasts to `[..., k]` against the rows of `hidden`.

    Returns:
        `hidden`. A backward pass that needs the activations from before says so, as with torch's own in-place operations;
        only under `torch.no_grad` it is not told.

    Raises:
        TableError: A width, dtype, device or strength shape that does not fit, or a strength given as a number that is not
            finite. (Tensors are not looked into: that would wait for a GPU at every layer.)
        KernelError: `STEER_KERNEL` names a path that is not there.
    """
    if not isinstance(strength, Tensor):
        if not is_dynamo_compiling():  # there it may be symbolic
            _check_number(strength)
        strength = torch.full((1,), float(strength), device=hidden.device)
    # This runs at every layer and token, right after matrices that have filled the caches: each look at a tensor costs
    # microseconds there. So nothing is looked at but what must be, and what does not fit is explained afterwards.
    packed = table.packed
    if is_dynamo_compiling():
        naive.edit_(hidden, *table.arguments, strength)
    elif (
        packed is None
        or forward_ad._current_level >= 0
        or (is_grad_enabled() and (hidden.requires_grad or strength.requires_grad))
    ):
        _explain(hidden, table, strength)
        _differentiable(hidden, *table.arguments, strength)
    else:
        try:
            (_run or _prepared())(hidden, packed, strength)
        except RuntimeError:
            _explain(hidden, table, strength)
            if hidden.stride(-1) == 1 and hidden.dtype in DTYPES:
                raise
            naive.edit_(hidden, *table.arguments, strength)  # what the compiled paths do not take
        else:  # who saved these activations for a backward pass must hear of it
            if is_grad_enabled() and not hidden.is_inference():
                increment_version(hidden)
    return hidden


class Choice(NamedTuple):
    """The path of this process on one kind of device (`naive`, `cpp` or `cuda`), and why it is that one."""

    path: str
    reason: str


@cache
def chosen_path(device: str = "cpu") -> Choice:
    """Choose the path on a kind of device: the compiled one if it builds and agrees with `naive`, else `naive`.

    Args:
        device: "cpu", "cuda", or another of torch's names, on which plain torch runs.

    Raises:
        KernelError: `STEER_KERNEL` asks for a path that is unknown, is not there, does not build or is wrong; an unknown
            `STEER_CPU_ISA`.
    """
    asked = os.environ.get("STEER_KERNEL", "")
    if asked not in ("", *PATHS):
        raise KernelError(f"STEER_KERNEL={asked}", " or ".join(PATHS), "correct the variable, or unset it")
    instructions = os.environ.get("STEER_CPU_ISA", "")
    if instructions not in ("", "avx2", "base"):
        raise KernelError(
            f"STEER_CPU_ISA={instructions}", "avx2 or base", "correct the variable, or unset it"
        )
    if asked == "cuda" and not torch.cuda.is_available():
        raise KernelError(
            "STEER_KERNEL=cuda without a GPU", "an NVIDIA GPU that torch sees", "unset STEER_KERNEL"
        )
    if asked == "naive":
        return Choice("naive", "STEER_KERNEL=naive")
    path = {"cpu": "cpp", "cuda": "cuda"}.get(device)
    if path is None:
        return Choice("naive", f"there is no other path on {device}")
    try:
        if path == "cpp":
            torch.ops.load_library(str(cpu_library()))  # type: ignore[no-untyped-call]
        _self_test(device)
    except (BuildError, OSError, KernelError) as error:
        if asked == path:
            raise KernelError(
                f"no working {path} path ({error})",
                f"a compiler for STEER_KERNEL={path}",
                "unset STEER_KERNEL",
            ) from error
        if isinstance(error, KernelError):  # built and wrong: that must not go unseen
            warnings.warn(str(error), RuntimeWarning, stacklevel=2)
        return Choice("naive", str(error))
    return Choice(
        path, f"STEER_KERNEL={path}" if asked == path else "built for this machine, and equal to plain torch"
    )


def self_test_error(device: str = "cpu") -> float:
    """Largest difference between the compiled op and `naive`, as a share of the largest value; a few small cases."""
    run = cuda.edit_ if device == "cuda" else torch.ops.steer.edit_.default
    draw = torch.Generator().manual_seed(0)
    units = torch.linalg.qr(torch.randn(67, 2, generator=draw)).Q.T.contiguous()
    gate = Gate(units[0], 0.05, 4.0)
    tables = [ablate_table(units), ablate_table(units[1]).gated(gate), rotate_table(units, 0.5).keeping_norm(),
              clamp_table(units, -0.5, 0.5)]  # fmt: skip
    worst = 0.0
    for table, dtype in product(tables, DTYPES):
        ours = torch.randn(5, 67, generator=draw).to(device, dtype)
        theirs, strength = ours.clone(), torch.randn(5, table.k, generator=draw).to(device)
        own = table.to(ours.device)
        assert own.packed is not None, "nobody trains it"
        run(ours, own.packed, strength)
        naive.edit_(theirs, *own.arguments, strength)
        # A rounding of the dtype counts as one of float32.
        step = torch.finfo(dtype).eps / torch.finfo(torch.float32).eps
        off = (ours.float() - theirs.float()).abs().max() / theirs.float().abs().max()
        worst = max(worst, float(off / step))
    return worst


def _self_test(device: str) -> None:
    error = self_test_error(device)
    if not error < 1e-5:
        raise KernelError(
            f"an op on {device} that is {error:.1e} off plain torch",
            "at most 1e-5",
            "report this machine; plain torch runs instead",
        )


def _prepared() -> Callable[[Tensor, Tensor, Tensor], object]:
    global _run
    op: Callable[[Tensor, Tensor, Tensor], object] = torch.ops.steer.edit_.default._op

    def careful(hidden: Tensor, table: Tensor, strength: Tensor) -> None:
        # A CPU path that was built and is wrong may be registered.
        (_plain if hidden.device.type == "cpu" else op)(hidden, table, strength)

    _run = op if chosen_path("cpu").path == "cpp" else careful
    return _run


def _check_number(strength: object) -> None:
    real = isinstance(strength, Real) and not isinstance(strength, bool)
    if not real or not abs(strength) <= _LARGEST:  # type: ignore[arg-type]
        raise TableError(
            f"strength {strength!r}", "a number that is finite in float32, or a tensor", "choose a strength"
        )


def _differentiable(hidden: Tensor, *arguments: Any) -> None:
    source = hidden.clone()  # what the backward pass reads must stay
    hidden.copy_(naive.edited(source, *arguments))


def _explain(hidden: Tensor, table: Table, strength: Tensor) -> None:
    """Raise the user's error, if it is one."""
    if not hidden.dtype.is_floating_point:
        raise TableError(f"activations of {hidden.dtype}", "a floating dtype", "convert them: .float()")
    if hidden.shape[-1:] != table.read.shape[1:] or hidden.device != table.read.device:
        raise TableError(
            f"activations {list(hidden.shape)} on {hidden.device}",
            f"width {table.read.shape[1]} on {table.read.device}",
            "use a table made for this model, moved with table.to(device)",
        )
    if any(size > 1 and not step for size, step in zip(hidden.shape, hidden.stride(), strict=True)):
        raise TableError("rows that share memory (an expanded tensor)", "rows of their own", "use .clone()")
    rows = (*hidden.shape[:-1], table.k)
    fits = strength.ndim <= len(rows) and all(
        s in (1, r) for s, r in zip(strength.shape[::-1], rows[::-1], strict=False)
    )
    if not fits or strength.dtype != torch.float32 or strength.device != hidden.device:
        raise TableError(
            f"strength {list(strength.shape)} {strength.dtype} on {strength.device}",
            f"float32 on {hidden.device} that broadcasts to {list(rows)}",
            "give one strength per row",
        )
