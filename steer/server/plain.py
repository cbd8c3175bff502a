"""Answers by transformers' own `generate`, for any model and any plan: requests that wait together are answered together.

What enters while a batch runs waits for its end. A row that is done or cancelled is told nothing more, and the batch ends
with its last row.
"""

from __future__ import annotations

import queue
import threading
from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

from steer.apply import Steering, steered
from steer.recipe import Recipe
from steer.server.engine import Engine, EngineError, Facts, Row, choose, tell
from steer_kernels import SteerError
from steer_vectors.greedy import left_padded, own_settings_aside
from steer_vectors.models import ChatModel


class Worker(Engine):
    """One thread that answers batch after batch.

    Args:
        facts: Of the engine.
    """

    def __init__(self, facts: Facts) -> None:
        super().__init__(facts)
        self._waiting: queue.SimpleQueue[Row | None] = queue.SimpleQueue()
        self._thread: threading.Thread | None = None

    @abstractmethod
    def _answer(self, rows: Sequence[Row]) -> None:
        """Write all these answers, by `choose`."""

    @abstractmethod
    def _fits(self, rows: Sequence[Row]) -> bool:
        """Whether these rows can be answered together."""

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread is not None and self._thread.is_alive()

    def _begin(self) -> None:
        self._thread = threading.Thread(target=self._work, name=self.facts.name, daemon=True)
        self._thread.start()

    def _end(self) -> None:
        self._waiting.put(None)
        if self._thread is not None:
            self._thread.join()

    def _enter(self, row: Row) -> None:
        self._waiting.put(row)

    def _leave(self, row: Row) -> None:
        """`gone` says it all."""

    def _work(self) -> None:
        kept: Row | None = None  # was taken, and did not fit the batch before
        while True:
            first = kept or self._waiting.get()
            if first is None:
                return
            rows, kept = [first], None
            while len(rows) < self.facts.rows and not self._waiting.empty():
                row = self._waiting.get()
                if row is None:
                    self._waiting.put(None)
                    break
                if not self._fits([*rows, row]):
                    kept = row
                    break
                rows.append(row)
            rows = [row for row in rows if not row.gone]
            try:
                if rows:
                    self._answer(rows)
            except (SteerError, RuntimeError) as error:  # memory that ran out, above all
                # Whoever has its answer does not listen any more.
                why = EngineError(f"an engine that failed ({_line(error)})", "an answer", "ask again")
                tell(rows, [why] * len(rows))


class Plain(Worker):
    """`generate` on a live model, which is steered while a batch runs.

    Args:
        model: To steer.
        recipe: Compiled for it; probes may read every token.
        room: Most tokens, prompt and answer together.
        rows: Most answers in a batch.
    """

    def __init__(self, model: ChatModel, recipe: Recipe, room: int, rows: int) -> None:
        super().__init__(Facts("plain", room, rows))
        self._model, self._recipe = model, recipe
        self._edited = 0

    @property
    def edited(self) -> int:
        """Tokens edited since it was started."""
        return self._edited

    def _fits(self, rows: Sequence[Row]) -> bool:
        # The shortest prompt is padded to the longest, and written on as long as the longest answer.
        longest = max(len(row.asked.ids) for row in rows) + max(row.asked.most for row in rows)
        return longest <= self.facts.room

    @torch.no_grad()
    def _answer(self, rows: Sequence[Row]) -> None:
        batch = left_padded(self._model, [row.asked.ids for row in rows])
        said = _Said(rows, self._recipe)
        config = GenerationConfig(  # type: ignore[no-untyped-call]
            do_sample=False, max_new_tokens=max(row.asked.most for row in rows), use_cache=True,
            pad_token_id=self._model.tokenizer.pad_token_id, bos_token_id=self._model.tokenizer.bos_token_id,
        )  # fmt: skip
        turned = {dial: [row.asked.strengths[dial] for row in rows] for dial in self._recipe.dials}
        with steered(self._model, self._recipe, turned) as steering, own_settings_aside(self._model.hf) as hf:
            said.steering = steering
            hf.generate(
                input_ids=batch.ids, attention_mask=batch.mask, generation_config=config,
                logits_processor=LogitsProcessorList([said.choose]),
                stopping_criteria=StoppingCriteriaList([said.done]),
            )  # fmt: skip
            self._edited += steering.edited


class _Said:
    """Chooses in the place of `generate`, and says which rows are done: those are not steered any more."""

    def __init__(self, rows: Sequence[Row], recipe: Recipe) -> None:
        self._rows = list(rows)
        self._dials = recipe.dials
        self._said = [0] * len(rows)
        self._done = [False] * len(rows)
        self.steering: Steering

    def choose(self, _ids: Tensor, scores: Tensor) -> Tensor:
        before = list(self._done)
        live = [None if done else row for row, done in zip(self._rows, before, strict=True)]
        tokens = choose(live, scores.float())
        for at, (row, token) in enumerate(zip(self._rows, tokens, strict=True)):
            self._said[at] += 1
            stopped = token in row.asked.stops or self._said[at] >= row.asked.most
            self._done[at] = before[at] or row.gone or stopped
        if self._done != before:
            self.steering.set({dial: self._turned(dial) for dial in self._dials})
        forced = torch.full_like(scores, -torch.inf)
        forced[torch.arange(len(tokens)), tokens] = 0.0
        return forced

    def done(self, _ids: Tensor, _scores: Any, **_: object) -> Tensor:
        return torch.tensor(self._done, device=_ids.device)

    def _turned(self, dial: str) -> list[float]:
        return [
            0.0 if done else row.asked.strengths[dial]
            for row, done in zip(self._rows, self._done, strict=True)
        ]


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160]
