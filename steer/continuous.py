"""Per-request strengths in transformers' continuous batching. Its inside moves; all that we know of it is in this file.

A forward there is one packed row of tokens of many requests, so strengths go by token. Which tokens are whose is known
for sure in one place only, `ContinuousBatchingIOs.prepare_batch_tensors`.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count
from typing import Any

import torch
import transformers
from packaging.version import Version
from torch import Tensor

from steer.apply import Strength, as_plan, steered, strength_rows
from steer.errors import PlanError
from steer.plan import Plan
from steer.recipe import Recipe, compile_plan
from steer.scope import Places
from steer_vectors.file import Vector
from steer_vectors.models import ChatModel

TESTED = ("5.16", "5.24")  # transformers, from and below


@contextmanager
def continuous(
    model: ChatModel,
    plan: Plan | Vector | Recipe,
    strength: Strength = 0.0,
    *,
    generation_config: transformers.GenerationConfig | None = None,
    **settings: Any,
) -> Iterator[Requests]:
    """Run transformers' continuous batching, each request at its own strength; starts it, and stops it afterwards.

    Args:
        model: A loaded model.
        plan: As in `steered`.
        strength: Of requests that do not say: a number, or a mapping from dials to numbers.
        generation_config: As in `generate`.
        **settings: Of transformers' `ContinuousBatchingConfig`. Blocks are not shared between requests, for equal tokens
            at other strengths have other keys and values; batches are not prepared asynchronously.

    Yields:
        The requests: add some, then read `manager.get_result()`.

    Raises:
        PlanError: A transformers version that this is not known to work with; a setting that would mix up strengths; a
            strength as in `steered`.
    """
    if not Version(TESTED[0]) <= Version(transformers.__version__) < Version(TESTED[1]):
        raise PlanError(
            f"continuous batching of transformers {transformers.__version__}",
            f"{TESTED[0]} to below {TESTED[1]}",
            "install one of them, or steer `generate`",
        )
    fixed = {"allow_block_sharing": False, "use_async_batching": False, "use_cuda_graph": False}
    if clash := [name for name in fixed if settings.get(name)]:
        raise PlanError(f"{clash[0]}={settings[clash[0]]}", f"{clash[0]}=False", "leave it out")
    from transformers import ContinuousBatchingConfig

    recipe = plan if isinstance(plan, Recipe) else compile_plan(as_plan(plan), model)
    if recipe.gauges:
        raise PlanError(
            f"continuous batching of a plan with probe {recipe.gauges[0].name!r}",
            "edits that are always open",
            "steer `generate`, or ask the probes beforehand with `steer.apply.decide`",
        )
    hf: Any = model.hf
    with steered(model, recipe, {}) as steering:
        packed = _Packed(recipe, strength, model.device)
        steering.source = packed.source
        with (
            packed.following(),
            hf.continuous_batching_context_manager(
                generation_config=generation_config,
                continuous_batching_config=ContinuousBatchingConfig(**(fixed | settings)),
                warmup=False,
            ) as manager,
        ):
            yield Requests(manager, packed)


class Requests:
    """Requests to a running manager.

    Args:
        manager: Of transformers: `get_result`, `cancel_request` and the rest are there.
        packed: Where strengths are kept.
    """

    def __init__(self, manager: Any, packed: _Packed) -> None:
        self.manager = manager
        self._packed = packed
        self._names = (f"steered-{n}" for n in count())

    def add(self, ids: Sequence[int], strength: Strength | None = None, **options: Any) -> str:
        """Queue a prompt.

        Args:
            ids: Tokens of the prompt.
            strength: A number, or a mapping from dials to numbers; default as given to `continuous`.
            **options: Of the manager's `add_request`, such as `max_new_tokens`.

        Returns:
            The request's id.

        Raises:
            PlanError: A strength that is no number, or not finite; an unknown dial.
        """
        name: str = options.pop("request_id", None) or next(self._names)
        self._packed.turn(name, strength)
        self.manager.add_request(list(ids), request_id=name, **options)
        return name


class _Packed:
    """Strengths by request, and laid out by token for the forward that runs now."""

    def __init__(self, recipe: Recipe, default: Strength, device: torch.device) -> None:
        self._recipe = recipe
        self._device = device
        self._default = self._one(default)
        self._asked: dict[str, Tensor] = {}
        self._now: tuple[Tensor, Places] | None = None

    def turn(self, request: str, strength: Strength | None) -> None:
        if strength is not None:
            self._asked[request] = self._one(strength)

    def source(self, given: Mapping[str, Any]) -> tuple[Tensor, Places]:
        """Of a packed forward `[1, t]`; its tail may be padding."""
        tokens = given["input_ids"].shape[1]
        if self._now is None or self._now[0].shape[1] > tokens:
            raise PlanError(
                "a forward that continuous batching did not prepare",
                "its own only",
                "use one model for one of them",
            )
        strengths, places = self._now
        tail = tokens - strengths.shape[1]
        pad = torch.nn.functional.pad
        return pad(strengths, (0, 0, 0, tail)), Places(
            pad(places.position, (0, tail)), pad(places.end, (0, tail)), pad(places.real, (0, tail))
        )

    @contextmanager
    def following(self) -> Iterator[None]:
        """While this lasts, every batch that is prepared says whose tokens it holds."""
        from transformers.generation.continuous_batching import input_outputs

        batches: Any = input_outputs.ContinuousBatchingIOs
        inner = batches.prepare_batch_tensors

        def prepare(ios: Any, requests_in_batch: Any, *args: Any, **named: Any) -> None:
            rows, position, end = [], [], []
            for future in requests_in_batch:
                state, tokens = future.state, future.query_length
                start = state.position_offset  # moved on by the call below
                # A request that was evicted comes back with what it generated among its first tokens.
                prompt = state._true_initial_tokens or len(state.initial_tokens)
                rows.append(self._asked.get(state.request_id, self._default).expand(tokens, -1))
                position.append(torch.arange(start, start + tokens))
                end.append(torch.full((tokens,), prompt))
            strengths, places, ends = (
                torch.cat(part)[None].to(self._device) for part in (rows, position, end)
            )
            self._now = strengths, Places(places, ends, torch.ones_like(places, dtype=torch.bool))
            inner(ios, requests_in_batch, *args, **named)

        batches.prepare_batch_tensors = prepare
        try:
            yield
        finally:
            batches.prepare_batch_tensors = inner

    def _one(self, strength: Strength) -> Tensor:
        rows = strength_rows({} if isinstance(strength, float) and strength == 0 else strength, self._recipe)
        if len(rows) != 1:
            raise PlanError(f"{len(rows)} strengths for one request", "one for each dial", "give a number")
        return rows
