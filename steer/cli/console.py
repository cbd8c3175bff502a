"""What all commands share: types of their arguments, checks of paths and numbers, tables, bars. No commands."""

from __future__ import annotations

import json
import os
import sys
import unicodedata
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import typer
from rich.console import Console
from rich.table import Table
from typer.core import TyperCommand

import steer

if TYPE_CHECKING:
    from steer.plan import Plan

_Function = TypeVar("_Function", bound=Callable[..., Any])


class _Once(TyperCommand):
    """A command that refuses an option given twice: else the last counts, and nothing says so."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        order = self.make_parser(ctx).parse_args(args=list(args))[-1]
        for option in order:
            more = getattr(option, "multiple", True) or getattr(option, "is_flag", True)
            if order.count(option) > 1 and not more:
                ctx.fail(f"{option.opts[0]} twice")
        return super().parse_args(ctx, args)


class Commands(typer.Typer):
    """Commands that are what `_Once` is."""

    def command(self, *args: Any, **named: Any) -> Callable[[_Function], _Function]:
        """As typer's."""
        return super().command(*args, **({"cls": _Once} | named))


app = Commands(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
    help="Turn the alignment tax of a local chat model into a dial, and measure what each setting costs.",
)
# Paths, prompts and answers are shown as they are: "[b]" and ":cat:" mean nothing here.
# In a pipe or a file there is no edge to fold at.
screen = Console(markup=False, emoji=False, highlight=False, width=None if sys.stdout.isatty() else 240)
notes = Console(stderr=True, markup=False, emoji=False, highlight=False)

Model = Annotated[
    str, typer.Argument(help="A folder, a hub id, a GGUF file, or reference:aligned.", show_default=False)
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON for programs.")]
VectorFile = Annotated[str | None, typer.Option("--vector", help="A vector file; stands for adding it.")]
PolicyFile = Annotated[str | None, typer.Option("--policy", help="A policy file (TOML).")]
Strength = Annotated[
    str | None,
    typer.Option(
        help="A number (class gaps for add), a preset, or DIAL=NUMBER,...; by default where the policy stands, or 1. 0 is plain.",
        show_default=False,
    ),
]
Preset = Annotated[
    str | None,
    typer.Option("--preset", help="Of the policy: mild, moderate or strict, say.", show_default=False),
]
Dial = Annotated[
    list[str] | None,
    typer.Option(
        help="NAME=NUMBER, once for each dial; the same as --strength NAME=NUMBER,...", show_default=False
    ),
]
Precision = Annotated[
    str | None, typer.Option("--dtype", help="float32, bfloat16 or float16; default by device.")
]


def load_model(model: str, dtype: str | None) -> steer.ChatModel:
    """Load a model, with a spinner; a precision in words."""
    import torch

    kinds = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}
    if dtype is not None and dtype not in kinds:
        raise usage(f"--dtype {dtype}", " or ".join(kinds), "choose one")
    with waiting("loading the model"):
        return steer.load(model, dtype=None if dtype is None else kinds[dtype])


def strength_of(strength: str | None, dial: list[str] | None, preset: str | None) -> str | None:
    """What --strength, --dial or --preset asks of a policy, in the words of `Policy.strengths`."""
    given = {"--strength": strength, "--dial": dial or None, "--preset": preset}
    named = [option for option, value in given.items() if value is not None]
    if len(named) > 1:
        raise usage(f"both {named[0]} and {named[1]}", "one of them", "leave one out")
    if unnamed := [own for own in dial or () if "=" not in own]:
        raise usage(f"--dial {unnamed[0]}", "NAME=NUMBER", "write --dial strength=0.5")
    return ",".join(dial) if dial else strength if preset is None else preset


def plan_of(vector: str | None, policy: str | None) -> Plan:
    """The plan of --vector or --policy; one of them."""
    if (vector is None) == (policy is None):
        raise usage(
            "both --vector and --policy" if vector else "neither --vector nor --policy",
            "one of them",
            "name what to steer with",
        )
    return steer.Plan.load(policy) if policy else steer.Plan.add(steer.load_vector(vector or ""))


def numbers_of(text: str, option: str = "--strengths", such: str = "-2,-1,0,1,2") -> list[float]:
    """Numbers with commas."""
    try:
        return [float(part) for part in text.split(",")]
    except ValueError:
        raise usage(f"{option} {text!r}", "numbers with commas", f'write them as "{such}"') from None


def share_of(text: str) -> float:
    """A share of the harmful requests."""
    try:
        share = float(text)
    except ValueError:
        share = -1.0
    if not 0 <= share <= 1:
        raise usage(f"--min-harmful-refusal {text}", 'a share, or "plain"', "write 0.95, say")
    return share


def can_write(path: Path) -> None:
    """Minutes of work must not end at a path where no file can be written."""
    if (os.path.exists(path) and not os.path.isfile(path)) or not _writable(path.parent):
        raise usage(f"{path}, which cannot be written", "a file in an existing folder", "choose another path")


def can_draw(path: Path) -> None:
    """As `can_write`, for a picture."""
    if path.suffix not in (".png", ".svg"):
        raise usage(str(path), "a file that ends in .png or .svg", "choose another ending")
    can_write(path)


def draw(path: Path, picture: bytes) -> None:
    """Write a picture, whole or not at all."""
    from steer_vectors.interop.foreign import written_whole

    with written_whole(path) as part:
        part.write_bytes(picture)


def can_make(folder: Path) -> None:
    """The same for a folder that is there or will be made."""
    nearest = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
    if not _writable(nearest):
        raise usage(
            f"--out {folder}, which cannot be written",
            "a folder that is there or can be made",
            "choose another path",
        )


def _writable(folder: Path) -> bool:
    return os.path.isdir(folder) and os.access(folder, os.W_OK | os.X_OK)


def usage(got: str, expected: str, do: str) -> Exception:
    """A mistake on the command line."""
    from steer.errors import PlanError

    return PlanError(got, expected, do)


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """A spinner on stderr while something works that cannot be counted; as the bars, gone when done."""
    # A console that keeps its stream: while a GGUF file loads, `sys.stderr` leads nowhere.
    console = Console(file=sys.stderr)
    with console.status(what) if console.is_terminal else nullcontext():
        yield


@contextmanager
def bars() -> Iterator[Callable[[str], Callable[[int, int], None]]]:
    """Progress with time left, on stderr so that results can be piped."""
    from rich.progress import (
        BarColumn,
        MofNCompleteColumn,
        Progress,
        TextColumn,
        TimeElapsedColumn,
        TimeRemainingColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    # Gone when done, and only where there is a terminal: an error stays one line.
    with Progress(*columns, console=notes, transient=True, disable=not notes.is_terminal) as progress:

        def bar(what: str) -> Callable[[int, int], None]:
            task = progress.add_task(what, total=None)
            return lambda done, total: progress.update(task, completed=done, total=total)

        yield bar


def table(title: str, columns: list[str], rows: list[list[str]]) -> None:
    """A table on the screen; what files and models say in it moves no cursor."""
    shown = Table(title=printable(title), title_justify="left")
    for column in columns:
        shown.add_column(printable(column), overflow="fold")
    for row in rows:
        shown.add_row(*map(printable, row))
    screen.print(shown)


def printable(text: str) -> str:
    """With "?" for every character that is none to look at, such as those that begin a terminal's commands."""
    return "".join(char if char.isprintable() or _is_layout(char) else "?" for char in text)


def _is_layout(char: str) -> bool:
    """Line breaks, tabs, every space, and the joiners that some scripts need."""
    return char in "\n\t\u200c\u200d" or unicodedata.category(char) == "Zs"


def print_json(value: Any) -> None:
    """For programs."""
    print(json.dumps(value, indent=1, ensure_ascii=False, allow_nan=False))


def say(text: str, as_json: bool) -> None:
    """A line for people."""
    if not as_json:
        screen.print(printable(text), soft_wrap=True)
