"""The command line: words in, one call, a table out. No logic of its own; heavy imports wait for their command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import NoReturn

from steer.cli import (
    adaptive,
    decisions,
    exported,
    harnesses,
    runs,
    serving,
    tools,
    vectors,
    verified,
)  # their commands join the app
from steer.cli.console import app, notes

__all__ = [
    "adaptive",
    "app",
    "decisions",
    "exported",
    "harnesses",
    "main",
    "runs",
    "serving",
    "tools",
    "vectors",
    "verified",
]

_INTERRUPTED = 130  # what typer makes of Ctrl-C


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Entry point: a mistake of the user's is one line and exit code 2."""
    from steer_kernels.errors import SteerError

    try:
        app(args=None if args is None else list(args))
    except SteerError as error:
        notes.print(f"error: {error}", soft_wrap=True)
        sys.exit(2)
    except SystemExit as end:
        if end.code == _INTERRUPTED:
            notes.print("stopped; the same command takes a sweep up again")
        raise
    sys.exit(0)
