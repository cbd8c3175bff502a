"""Answers by llama.cpp, one after the other: its control vector is one for all tokens of a context.

Imported only by whoever asks for it; what a control vector cannot express was refused when the model was loaded.
"""

from __future__ import annotations

from collections.abc import Sequence

from steer.plugins.llama_cpp import LlamaCpp
from steer.server.engine import Facts, Row, choose
from steer.server.plain import Worker


class Llama(Worker):
    """A model in llama.cpp.

    Args:
        live: With its policy.
        room: Most tokens, prompt and answer together.
    """

    def __init__(self, live: LlamaCpp, room: int) -> None:
        super().__init__(Facts("llama_cpp", room, 1))
        self._live = live
        self._edited = 0

    @property
    def edited(self) -> int:
        """Tokens edited since it was started."""
        return self._edited

    def _fits(self, rows: Sequence[Row]) -> bool:
        return len(rows) == 1

    def _answer(self, rows: Sequence[Row]) -> None:
        (row,) = rows
        live, ids, said = self._live, list(row.asked.ids), 0
        live.steer(row.asked.strengths)
        live.forget()
        while not row.gone:
            logits = live.read(ids)
            self._edited += len(ids) if any(row.asked.strengths.values()) else 0
            ids = choose([row], logits[None].float())
            said += 1
            if ids[0] in row.asked.stops or said >= row.asked.most:
                return
