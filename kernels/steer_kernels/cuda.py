"""The CUDA path: compiles `steer_cuda.cu` once per process and launches it, one block a row. Knows tensors only.

Through NVRTC, which torch carries; where torch does not offer it, through nvcc.
"""

from __future__ import annotations

import ctypes
import subprocess
import tempfile
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from steer_kernels import naive
from steer_kernels.build import BuildError
from steer_kernels.table import HEAD, unpack

_SOURCE = Path(__file__).parent / "csrc" / "steer_cuda.cu"
_NAMES = {torch.float32: "float32", torch.bfloat16: "bfloat16", torch.float16: "float16"}
_MOST = 64  # directions of one table, as in the source
_THREADS = 256
_STANDARD = "-std=c++17"


def edit_(hidden: Tensor, table: Tensor, strength: Tensor) -> None:
    """The op on a GPU, its table packed; rows that do not lie at one distance from each other are left to `naive`."""
    k, d = len(table) // 2, hidden.shape[-1]
    lead = hidden.shape[:-1]
    if not hidden.device == table.device == strength.device or table.shape[1] != HEAD + d:
        raise RuntimeError("steer::edit_: another width than the table's, or several devices")
    try:
        rows = hidden.view(-1, d)
    except RuntimeError:
        rows = None
    known = hidden.dtype in _NAMES and k <= _MOST
    if rows is None or not known or rows.stride(-1) != 1 or rows.stride(0) >= 2**31:
        naive.edit_(hidden, *unpack(table), strength)
        return
    if not rows.numel():
        return
    strengths = strength.expand(*lead, k).reshape(-1, k)
    width = 16 // hidden.element_size()
    aligned = d % width == 0 and rows.stride(0) % width == 0 and rows.data_ptr() % 16 == 0
    kernel = _kernels(hidden.device.index)[_NAMES[hidden.dtype] + ("_packed" if aligned else "")]
    with torch.cuda.device(hidden.device):
        kernel(
            grid=(min(len(rows), 1 << 20), 1, 1),
            block=(_THREADS, 1, 1),
            args=[rows, rows.stride(0), len(rows), table, len(table), strengths, *strengths.stride(), d],
        )


@cache
def _kernels(device: int) -> dict[str, Callable[..., None]]:
    """Every kernel of the source, compiled for this GPU.

    Raises:
        BuildError: Neither NVRTC nor nvcc.
    """
    source = _SOURCE.read_text(encoding="utf-8")
    names = [f"steer_{dtype}{kind}" for dtype in _NAMES.values() for kind in ("", "_packed")]
    with torch.cuda.device(device):
        try:
            from torch.cuda._utils import _cuda_load_module

            found: Any = _cuda_load_module(_image(source, device), names)
        except (ImportError, RuntimeError, OSError) as error:
            raise BuildError(f"CUDA: {str(error).splitlines()[0] if str(error) else error!r}") from error
    return {name.removeprefix("steer_"): found[name] for name in names}


def _image(source: str, device: int) -> bytes:
    major, minor = torch.cuda.get_device_capability(device)
    try:
        from torch.cuda._utils import _get_gpu_rtc_library

        return nvrtc_image(_get_gpu_rtc_library(), source, f"sm_{major}{minor}")
    except (ImportError, RuntimeError, OSError):
        with tempfile.TemporaryDirectory() as folder:
            out = Path(folder, "out.cubin")
            command = ["nvcc", "-cubin", f"-arch=sm_{major}{minor}", _STANDARD, str(_SOURCE), "-o", str(out)]
            try:
                subprocess.run(command, check=True, capture_output=True)
            except (OSError, subprocess.CalledProcessError) as error:
                raise BuildError("neither NVRTC nor nvcc compiles for this GPU") from error
            return out.read_bytes()


def nvrtc_image(library: ctypes.CDLL, source: str, architecture: str) -> bytes:
    """Machine code of a CUDA source that needs no headers.

    Not by torch's `_nvrtc_compile`, which wants the include folder of a CUDA toolkit; from PyPI torch comes without one.

    Args:
        library: NVRTC.
        source: Its kernels are `extern "C"`.
        architecture: Such as "sm_90".

    Raises:
        RuntimeError: What the compiler says.
    """
    program, options = ctypes.c_void_p(), [f"--gpu-architecture={architecture}", _STANDARD]
    given = (ctypes.c_char_p * len(options))(*map(str.encode, options))
    if library.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"steer.cu", 0, None, None):
        raise RuntimeError("NVRTC takes no program")
    try:
        failed = library.nvrtcCompileProgram(program, len(options), given)
        what = "ProgramLog" if failed else "CUBIN"
        size = ctypes.c_size_t()
        getattr(library, f"nvrtcGet{what}Size")(program, ctypes.byref(size))
        found = ctypes.create_string_buffer(size.value)
        getattr(library, f"nvrtcGet{what}")(program, found)
    finally:
        library.nvrtcDestroyProgram(ctypes.byref(program))
    if failed:
        raise RuntimeError(f"NVRTC: {found.value.decode(errors='replace').strip()}")
    return found.raw
