"""What a server asks of whatever writes its answers: tokens in, tokens out, one request beside the others.

An engine knows strengths of a recipe's dials and ids of tokens; texts, keys, presets and bounds are known to others. Every
token of every engine is chosen by `steer.server.drawing`, so that a seed, a temperature or log-probabilities mean the same
in all of them.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import NamedTuple

from torch import Tensor

from steer.server.drawing import Draw, NotFinite, Piece, pieces
from steer_kernels import SteerError


class EngineError(SteerError):
    """An engine that stopped, or an answer that it could not write."""


@dataclass(frozen=True)
class Asked:
    """One answer.

    Args:
        ids: Tokens of the prompt, at least one.
        strengths: Of every dial of the engine's recipe.
        most: Tokens of the answer, at least one; the prompt and these fit the engine's room.
        draw: How its tokens are chosen.
        stops: Tokens that end it; each is written before it ends.
    """

    ids: tuple[int, ...]
    strengths: Mapping[str, float]
    most: int
    draw: Draw
    stops: frozenset[int]


class Facts(NamedTuple):
    """Of an engine, for people and for whoever cuts requests to size.

    Args:
        name: As on the command line.
        room: Most tokens, prompt and answer together.
        rows: Most answers that are worked on at once.
    """

    name: str
    room: int
    rows: int


@dataclass(eq=False)
class Row:
    """An answer at work: written in a thread of the engine, read in the event loop."""

    asked: Asked
    loop: asyncio.AbstractEventLoop
    name: str
    heard: asyncio.Queue[Piece | EngineError] = field(default_factory=asyncio.Queue)
    count: int = 0  # tokens so far
    gone: bool = False  # nobody reads any more

    def ends(self, token: int) -> bool:
        """Whether the answer ends with this token, which is its next."""
        self.count += 1
        return token in self.asked.stops or self.count >= self.asked.most


class Engine(ABC):
    """Writes answers. Subclasses say what happens when a row enters and when it leaves.

    Args:
        facts: See there.
    """

    def __init__(self, facts: Facts) -> None:
        self.facts = facts
        self._rows: dict[str, Row] = {}
        self._names = 0
        self._open = False

    @property
    @abstractmethod
    def edited(self) -> int:
        """Tokens edited since it was started."""

    @property
    @abstractmethod
    def alive(self) -> bool:
        """Whether it can write."""

    @abstractmethod
    def _begin(self) -> None:
        """Make ready; may take long."""

    @abstractmethod
    def _end(self) -> None:
        """Let go of everything; no row is left."""

    @abstractmethod
    def _enter(self, row: Row) -> None:
        """Take up a row."""

    @abstractmethod
    def _leave(self, row: Row) -> None:
        """A row is done or was cancelled: free it."""

    @property
    def running(self) -> int:
        """Answers at work or waiting."""
        return len(self._rows)

    async def start(self) -> None:
        """Make ready.

        Raises:
            SteerError: What the engine cannot do.
        """
        await asyncio.to_thread(self._begin)
        self._open = True

    async def stop(self) -> None:
        """Take nothing new, write what was begun to its end, let go."""
        self._open = False
        while self._rows and self.alive:
            await asyncio.sleep(0.02)
        await asyncio.to_thread(self._end)

    async def write(self, asked: Asked) -> AsyncIterator[Piece]:
        """The answer's tokens as they come. Closing the iterator cancels the answer and frees its row.

        Raises:
            EngineError: The engine has stopped, or the model's numbers are not finite any more.
        """
        if not (self._open and self.alive):
            raise _stopped()
        self._names += 1
        row = Row(asked, asyncio.get_running_loop(), f"row-{id(self)}-{self._names}")
        self._rows[row.name] = row
        try:
            self._enter(row)
            while True:
                found = await self._next(row)
                if isinstance(found, EngineError):
                    raise found
                last = row.ends(found.token)
                yield found
                if last:
                    return
        finally:
            row.gone = True
            del self._rows[row.name]
            self._leave(row)

    async def _next(self, row: Row) -> Piece | EngineError:
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(1):
                    return await row.heard.get()
            if not self.alive:
                return _stopped()


def tell(rows: Sequence[Row], found: Sequence[Piece | EngineError]) -> None:
    """Hand out what was written, from the engine's thread: one call for all rows of a loop."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[Row, Piece | EngineError]]] = {}
    for row, own in zip(rows, found, strict=True):
        if not row.gone:
            loops.setdefault(row.loop, []).append((row, own))
    for loop, told in loops.items():
        with suppress(RuntimeError):  # a loop that was closed has nobody who listens
            loop.call_soon_threadsafe(_put, told)


def _put(told: Iterable[tuple[Row, Piece | EngineError]]) -> None:
    for row, own in told:
        row.heard.put_nowait(own)


def choose(rows: Sequence[Row | None], logits: Tensor) -> list[int]:
    """The next token of each row by its own draw, told to whoever waits for it.

    Args:
        rows: `n` of them; None = nobody waits.
        logits: `[n, v]` float32.

    Returns:
        `n` tokens; of rows that nobody waits for, or that went wrong, any.
    """
    live = [at for at, row in enumerate(rows) if row is not None and not row.gone]
    some: list[Row] = [row for at in live if (row := rows[at]) is not None]
    if not some:
        return [0] * len(rows)
    found = pieces([row.asked.draw for row in some], logits if len(some) == len(rows) else logits[live])
    tokens = [0] * len(rows)
    for at, own in zip(live, found, strict=True):
        tokens[at] = own.token if isinstance(own, Piece) else 0
    tell(some, [_not_finite() if isinstance(own, NotFinite) else own for own in found])
    return tokens


Make = Callable[..., Engine]


def _stopped() -> EngineError:
    return EngineError("an engine that has stopped", "one that runs", "start the server again")


def _not_finite() -> EngineError:
    return EngineError(
        "logits that are not finite", "numbers", "choose a smaller strength, or float32 in place of float16"
    )
