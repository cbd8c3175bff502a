"""The command line: words in, one call, a table out. No logic of its own; heavy imports wait for their command."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any, NoReturn, cast

import typer

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
from steer.cli.console import app, notes, printable

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
# Of words and numbers on the command line; typer has it under no public name.
_Mistake = cast("type[Exception]", typer.BadParameter.__base__)


def main(args: Sequence[str] | None = None) -> NoReturn:
    """Entry point: a mistake of the user's is one line and exit code 2."""
    from steer_kernels.errors import SteerError

    try:
        code = app(args=None if args is None else list(args), standalone_mode=False)
    except SteerError as error:
        _refuse(str(error))
    except typer.Abort:
        sys.exit(1)
    except _Mistake as error:
        _refuse_words(error)
    if code == _INTERRUPTED:
        notes.print("stopped; the same command takes a sweep up again")
    sys.exit(code if isinstance(code, int) else 0)


def _refuse(line: str) -> NoReturn:
    notes.print(f"error: {printable(line)}", soft_wrap=True)
    sys.exit(2)


def _refuse_words(error: Any) -> NoReturn:
    message = error.format_message()
    if not message:  # no words at all: the help has been shown
        sys.exit(2)
    command = error.ctx.command_path if error.ctx else "steer"
    said = message[0].lower() + message[1:].rstrip(".")
    _refuse(f"got {said}; expected what `{command} --help` lists; do this: correct the command")
