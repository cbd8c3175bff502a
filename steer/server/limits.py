"""How much may be asked at once: size of a body, tokens, answers at work, requests that wait. Knows no requests."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from steer_kernels import SteerError


class BusyError(SteerError):
    """More than the server takes on."""


@dataclass(frozen=True)
class Limits:
    """Of one server.

    Args:
        body: Most bytes of a request.
        prompt: Most tokens of a prompt; the engine's room if that is less.
        tokens: Most tokens of an answer.
        rows: Most answers that are worked on at once.
        queue: Most answers that wait.
        seconds: Most time for one request, waiting included.
        retry: Seconds after which a refused client is told to come back.
    """

    body: int = 1 << 20
    prompt: int = 8192
    tokens: int = 1024
    rows: int = 32
    queue: int = 64
    seconds: float = 600.0
    retry: int = 1


class Door:
    """Lets in so many answers at once, in the order in which they came.

    Args:
        rows: At work at once.
        queue: Waiting.
    """

    def __init__(self, rows: int, queue: int) -> None:
        self._rows, self._queue = rows, queue
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()
        self.inside = 0
        self._shut = False

    @property
    def waiting(self) -> int:
        """Answers that wait."""
        return sum(own for own, _ in self._waiting)

    @asynccontextmanager
    async def enter(self, count: int) -> AsyncIterator[None]:
        """Take places for `count` answers, at most as many as there are.

        Raises:
            BusyError: The queue is full.
        """
        if self._waiting or self._shut or self.inside + count > self._rows:
            if self.waiting + count > self._queue:
                raise BusyError(
                    f"{self.inside} answers at work and {self.waiting} that wait",
                    f"at most {self._rows} and {self._queue}",
                    "ask again later",
                )
            await self._wait(count)
        else:
            self.inside += count
        try:
            yield
        finally:
            self.inside -= count
            self._admit()

    @asynccontextmanager
    async def shut(self) -> AsyncIterator[None]:
        """Nobody enters until this ends; who is inside goes on."""
        self._shut = True
        try:
            yield
        finally:
            self._shut = False
            self._admit()

    async def _wait(self, count: int) -> None:
        turn = asyncio.get_running_loop().create_future()
        mine = (count, turn)
        self._waiting.append(mine)
        try:
            await turn
        except asyncio.CancelledError:
            if mine in self._waiting:
                self._waiting.remove(mine)
            elif not turn.cancelled():  # was let in and went away at once
                self.inside -= count
            self._admit()
            raise

    def _admit(self) -> None:
        while self._waiting and not self._shut and self.inside + self._waiting[0][0] <= self._rows:
            count, turn = self._waiting.popleft()
            if not turn.cancelled():
                self.inside += count
                turn.set_result(None)
