"""Builds the C++ path once per source, torch and machine, into the user's cache. Knows compilers, not tensors."""

import hashlib
import os
import platform
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import torch

_SOURCES = Path(__file__).parent / "csrc"
_FLAGS = ["-std=c++20", "-fPIC", "-O3", "-ffp-contract=off", "-Wno-psabi"]
# One object per instruction set; which is run is decided on the machine that runs it.
_SETS: dict[str, list[str]] = {"base": []}
if platform.machine() == "x86_64":
    _SETS |= {"avx2": ["-march=x86-64-v3"], "avx512": ["-march=x86-64-v4"]}


class BuildError(Exception):
    """The C++ path could not be built; the message is one line for people."""


def cpu_library() -> Path:
    """The shared object of the C++ path, built if it is not in the cache yet (a few seconds).

    Two processes may build at once: each builds in a folder of its own and moves the result into place in one step.

    Raises:
        BuildError: No compiler, or one that fails.
    """
    compiler = os.environ.get("CXX") or next(filter(shutil.which, ("g++", "c++", "clang++")), None)
    name = f"steer_cpu-{_key()}"
    for found in _cache().glob(f"{name}-*.so"):
        if (
            found.stem == f"{name}-{_hash(found.read_bytes())}"
        ):  # a cut file would end the process when it is loaded
            return found
    if compiler is None or shutil.which(compiler) is None:
        raise BuildError(f"no C++ compiler{f' {compiler}' if compiler else ''}: install g++, or set CXX")
    if sys.stderr.isatty():
        print("building the C++ op, once for this machine: a few seconds", file=sys.stderr)
    try:
        _cache().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=_cache()) as folder:
            built = _compile(compiler, Path(folder))
            return built.replace(_cache() / f"{name}-{_hash(built.read_bytes())}.so")
    except OSError as error:
        raise BuildError(f"{_cache()}: {error.strerror or error}") from error


def _cache() -> Path:
    root = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(root) / "steerdial" / "kernels"


def _key() -> str:
    # Not of the compiler: what one has built is good after it is gone.
    parts = [source.read_bytes() for source in sorted(_SOURCES.iterdir())]
    facts = repr((torch.__version__, platform.machine(), _FLAGS, _SETS))
    return _hash(b"\0".join([*parts, facts.encode()]))


def _hash(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]


def _compile(compiler: str, folder: Path) -> Path:
    """Each instruction set at the same time, then the operator, linked against the torch that is loaded."""
    objects = {name: folder / f"{name}.o" for name in _SETS}
    commands = [
        [compiler, *_FLAGS, *_SETS[name], f"-DISA={name}", "-c", str(_SOURCES / "rows.cpp"), "-o", str(out)]
        for name, out in objects.items()
    ]
    _run_all(commands)
    root, out = Path(torch.__file__).parent, folder / "steer_cpu.so"
    includes = [f"-I{root / 'include'}", f"-I{root / 'include/torch/csrc/api/include'}"]
    link = [*map(str, objects.values()), f"-L{root / 'lib'}", "-ltorch_cpu", "-shared", "-o", str(out)]
    _run_all([[compiler, *_FLAGS, *includes, str(_SOURCES / "steer_cpu.cpp"), *link]])
    return out


def _run_all(commands: list[list[str]]) -> None:
    running = [
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        for command in commands
    ]
    said = [process.communicate()[0] for process in running]  # all of them, before one is complained of
    for command, process, lines in zip(commands, running, map(str.splitlines, said), strict=True):
        if process.returncode:
            first = next((line for line in lines if "error" in line), *lines[:1] or ["no message"])
            raise BuildError(f"{command[0]} failed: {first.strip()}")
