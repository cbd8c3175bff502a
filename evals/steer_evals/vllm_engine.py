"""Answers made by vLLM: an engine of its own for every plan, in processes of its own, beside the live model.

It is for many questions or a large model: an engine takes a minute or more to start, and a sweep with a control starts two.
Texts that are scored, not written, are still scored by the live model.
"""

from __future__ import annotations

import gc
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from steer.apply import strength_rows
from steer.plan import Plan
from steer.plugins.vllm.runtime import VLLM
from steer.plugins.vllm.settings import KEY
from steer.recipe import Recipe
from steer_evals.engine import Row, Written
from steer_evals.errors import RunError
from steer_evals.reference import folder_of
from steer_vectors.greedy import ends
from steer_vectors.models import ChatModel

_AT_ONCE = (
    2048  # requests handed over together: answers come back, and are written down, when all of them are done
)


class VllmEngine:
    """As `engine.write`.

    Args:
        settings: Of `vllm.LLM`, such as `tensor_parallel_size`.
    """

    def __init__(self, **settings: Any) -> None:
        self._settings = settings
        self._plan: Plan | None = None
        self._running: VLLM | None = None

    def __call__(
        self,
        model: ChatModel,
        recipe: Recipe,
        rows: Sequence[Row],
        *,
        at_once: int | None = None,
        temperature: float = 0.0,
    ) -> Iterator[Written]:
        """Every row at its own strength; draws go by the rows' seeds."""
        if not rows:
            return
        from vllm import SamplingParams

        llm, stops = self._engine(model, recipe).llm, ends(model)
        size = at_once or _AT_ONCE
        for first in range(0, len(rows), size):
            some = rows[first : first + size]
            params = [
                SamplingParams(
                    temperature=temperature, seed=row.seed if temperature else None, max_tokens=row.most,
                    stop_token_ids=stops, extra_args=self._asked(recipe, row),
                )
                for row in some
            ]  # fmt: skip
            asked = [{"prompt_token_ids": list(row.ids)} for row in some]
            for at, found in enumerate(llm.generate(asked, params, use_tqdm=False), start=first):
                said = list(found.outputs[0].token_ids)
                ended = bool(said) and said[-1] in stops
                yield Written(at, said[:-1] if ended else said, ended, None)

    def _asked(self, recipe: Recipe, row: Row) -> dict[str, Any] | None:
        """Of a plan that another engine was started for: the plain model's, which any engine can be."""
        if self._plan is None:
            return None
        if not recipe.dials:
            return {KEY: dict.fromkeys(self._plan.dials, 0.0)}
        return {KEY: dict(zip(recipe.dials, strength_rows(row.strength, recipe)[0].tolist(), strict=True))}

    def _engine(self, model: ChatModel, recipe: Recipe) -> VLLM:
        if self._running is not None and (recipe.plan is self._plan or not recipe.steps):
            return self._running
        self.close()
        where = folder_of(model.name)
        if where is None:
            raise RunError(
                f"{model.name} for vLLM",
                "a model folder or hub id",
                "save_pretrained the model into a folder",
            )
        kind = str(model.hf.dtype).removeprefix("torch.")
        with tempfile.TemporaryDirectory() as folder:
            path = None
            if recipe.plan is not None:
                path = Path(folder) / "policy.toml"
                recipe.plan.save(path)
            self._running = VLLM(where, path, dtype=kind, **self._settings)
        self._plan = recipe.plan
        return self._running

    def close(self) -> None:
        """Let the engine and its memory go."""
        self._running = self._plan = None
        gc.collect()
