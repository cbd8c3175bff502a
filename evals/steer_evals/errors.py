"""The errors of this room, all one line for people (see `steer_kernels.errors.SteerError`).

SteerError
├── SuiteError   a suite: unknown name, a file that does not parse, a row without what its axis needs
├── RunError     a sweep, its directory or its numbers: unwritable output, foreign rows, impossible counts
└── JudgeError   a verdict: unknown state, contradicting states of one answer
"""

from pathlib import Path

from pydantic import ValidationError

from steer_kernels.errors import SteerError


class SuiteError(SteerError):
    """A suite is unknown, unreadable or incomplete."""


class RunError(SteerError):
    """A sweep, its directory or its numbers cannot be what was asked for."""


class JudgeError(SteerError):
    """The states given for an answer are unknown or contradict each other."""


def unwritable(path: Path, error: OSError) -> RunError:
    """What is said of a file or a folder that cannot be written."""
    return RunError(
        f"{path}, which cannot be written ({error.strerror})", "a writable folder", "choose another --out"
    )


def first_of(error: ValidationError) -> str:
    """The first thing that is wrong, and where."""
    first = error.errors()[0]
    where = ".".join(map(str, first["loc"]))
    return f"{where}: {first['msg']}" if where else str(first["msg"])
