"""The errors of this room, all one line for people (see `steer_kernels.errors.SteerError`).

SteerError
├── SuiteError   a suite: unknown name, a file that does not parse, a row without what its axis needs
├── RunError     a sweep, its directory or its numbers: unwritable output, foreign rows, impossible counts
└── JudgeError   a verdict: unknown state, contradicting states of one answer
"""

from steer_kernels.errors import SteerError


class SuiteError(SteerError):
    """A suite is unknown, unreadable or incomplete."""


class RunError(SteerError):
    """A sweep, its directory or its numbers cannot be what was asked for."""


class JudgeError(SteerError):
    """The states given for an answer are unknown or contradict each other."""
