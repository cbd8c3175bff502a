"""Answers by transformers' continuous batching: a request enters and leaves at any step, at its own strengths."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import ExitStack
from typing import Any

from torch import Tensor
from transformers import GenerationConfig

from steer.continuous import Requests, continuous
from steer.errors import PlanError
from steer.recipe import Recipe
from steer.server.engine import Engine, EngineError, Facts, Row, choose, tell
from steer_vectors.models import ChatModel
from steer_vectors.room import cache_bytes, free_memory

_PAGE = 32  # tokens of a block on a CPU; requests share whole ones
_READ = 1024  # most tokens of a forward: longer prompts are read in parts
_SHARE = 0.25  # of the free memory for keys and values


class Continuous(Engine):
    """Continuous batching on a live model, which is steered as long as this runs: ask it nothing else.

    Args:
        model: To steer.
        recipe: Compiled for it, with probes that have been asked beforehand (`Recipe.decided`).
        room: Most tokens, prompt and answer together.
        rows: Most answers at once.

    Raises:
        PlanError: A probe that reads every token of the answer.
    """

    def __init__(self, model: ChatModel, recipe: Recipe, room: int, rows: int) -> None:
        self._pages = _pages(model, room, rows)
        super().__init__(Facts("continuous", min(room, _PAGE * self._pages), rows))
        if recipe.gauges:
            raise PlanError(
                f"probe {recipe.gauges[0].name!r}, which reads every token of the answer, with --engine continuous",
                "probes that decide on the prompt",
                "use --engine plain, or leave out each_token",
            )
        self._model, self._recipe = model, recipe
        self._stack = ExitStack()
        self._requests: Requests | None = None

    @property
    def edited(self) -> int:
        """Tokens edited since it was started."""
        return 0 if self._requests is None else self._requests.steering.edited

    @property
    def alive(self) -> bool:
        """Whether the manager's thread runs."""
        return self._requests is not None and bool(self._requests.manager.is_running())

    def _begin(self) -> None:
        config = GenerationConfig(  # type: ignore[no-untyped-call]
            do_sample=False, max_new_tokens=1, eos_token_id=-1, pad_token_id=self._model.tokenizer.pad_token_id
        )  # fmt: skip
        self._requests = self._stack.enter_context(
            continuous(
                self._model, self._recipe, {}, generation_config=config, choose=self._choose, **self._sizes()
            )
        )

    def _end(self) -> None:
        self._stack.close()
        self._requests = None

    def _sizes(self) -> dict[str, int]:
        """Left to itself it takes most of the memory of a CPU, and a minute to lay it out."""
        if self._model.device.type != "cpu":
            return {}
        return {"page_size": _PAGE, "num_blocks": self._pages, "max_batch_tokens": _batch(self.facts.room)}

    def _enter(self, row: Row) -> None:
        assert self._requests is not None  # `write` has looked
        manager = self._requests.manager

        def done(output: Any) -> None:
            if output.error is not None:
                tell(
                    [row], [EngineError(f"an engine that failed ({output.error})", "an answer", "ask again")]
                )

        # Results are of no use but for errors; those of rows that have left pile up elsewhere.
        self._requests.drop()
        manager.register_result_handler(row.name, done)
        self._requests.add(
            row.asked.ids, row.asked.strengths, request_id=row.name, max_new_tokens=row.asked.most,
            eos_token_id=sorted(row.asked.stops),
        )  # fmt: skip

    def _leave(self, row: Row) -> None:
        if self._requests is not None:
            self._requests.end(row.name)

    def _choose(self, names: Sequence[str], logits: Tensor) -> list[int]:
        return choose([self._rows.get(name) for name in names], logits)


def _batch(room: int) -> int:
    return max(_PAGE, min(room, _READ))


def _pages(model: ChatModel, room: int, rows: int) -> int:
    """Blocks for so many rows, or as many as memory allows: a row that finds none waits for those before it."""
    all_rows, free = rows * math.ceil(room / _PAGE) + 1, free_memory(model.device)
    if free is None or model.device.type != "cpu":
        return all_rows
    # Beside the cache, a mask of every token of a forward by every token of the cache.
    token = cache_bytes(model) + _batch(room) * model.hf.dtype.itemsize
    return max(2, min(all_rows, int(_SHARE * free / (token * _PAGE))))
