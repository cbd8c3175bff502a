"""Per-request strengths in transformers' continuous batching. Its inside moves; all that we know of it is in this file.

A forward there is one packed row of tokens of many requests, so strengths go by token. Which tokens are whose is known
for sure in one place only, `ContinuousBatchingIOs.prepare_batch_tensors`; where the next tokens are chosen in one other,
`ModelRunner._sample`, which knows one way of sampling for all requests. Blocks of keys and values are shared between
requests by a hash of their tokens; here the strengths go into the hash of the first block, and so into all after it.
"""

from __future__ import annotations

import functools
import hashlib
import queue
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from importlib.util import find_spec
from itertools import count
from typing import Any

import torch
import transformers
from packaging.version import Version
from torch import Tensor

from steer.apply import Steering, Strength, as_plan, steered, strength_rows
from steer.errors import PlanError
from steer.plan import Plan
from steer.recipe import Recipe, compile_plan
from steer.scope import Places
from steer_vectors.file import Vector
from steer_vectors.models import ChatModel

TESTED = ("5.16", "5.24")  # transformers, from and below
Choose = Callable[[Sequence[str], Tensor], Sequence[int]]


@contextmanager
def continuous(
    model: ChatModel,
    plan: Plan | Vector | Recipe,
    strength: Strength = 0.0,
    *,
    generation_config: transformers.GenerationConfig | None = None,
    choose: Choose | None = None,
    **settings: Any,
) -> Iterator[Requests]:
    """Run transformers' continuous batching, each request at its own strength; starts it, and stops it afterwards.

    Args:
        model: A loaded model.
        plan: As in `steered`.
        strength: Of requests that do not say: a number, or a mapping from dials to numbers.
        generation_config: As in `generate`.
        choose: From the ids of `n` requests and their logits `[n, v]` float32 to their next tokens; called in the manager's
            thread, where an error ends all requests. Default: as the generation configuration says, alike for all.
        **settings: Of transformers' `ContinuousBatchingConfig`. Requests share blocks of a common beginning where their
            strengths are equal (`allow_block_sharing=False` for never); batches are not prepared asynchronously.

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
    fixed = {"use_async_batching": False, "use_cuda_graph": False}
    if not _shares():
        fixed["allow_block_sharing"] = False
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
        packed = _Packed(recipe, strength, model.device, choose)
        steering.source = packed.source
        with (
            _followed(packed),
            hf.continuous_batching_context_manager(
                generation_config=generation_config,
                continuous_batching_config=ContinuousBatchingConfig(**(fixed | settings)),
                warmup=False,
            ) as manager,
        ):
            packed.manager = manager
            yield Requests(manager, packed, steering)


class Requests:
    """Requests to a running manager.

    Args:
        manager: Of transformers: `get_result`, `cancel_request` and the rest are there.
        packed: Where strengths are kept.
        steering: What is at work.
    """

    def __init__(self, manager: Any, packed: _Packed, steering: Steering) -> None:
        self.manager = manager
        self.steering = steering
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
        self._packed.turn(name, strength, len(ids))
        self.manager.add_request(list(ids), request_id=name, **options)
        return name

    def drop(self) -> None:
        """Throw away results, for whoever hears of tokens by `choose`."""
        with suppress(queue.Empty):
            while True:
                self.manager.output_router.output_queue.get_nowait()

    def end(self, name: str) -> None:
        """Cancel a request if it still runs, and forget it: whoever asks for months needs no list of all names."""
        self.manager.cancel_request(name)
        self._packed.end(name)
        router = self.manager.output_router
        with router._lock:
            router.result_handlers.pop(name, None)


def _shares() -> bool:
    """Whether this transformers hashes blocks as we know it; if not, they are not shared."""
    return find_spec("transformers.generation.continuous_batching.cache_allocators") is not None


_FOLLOWED: list[_Packed] = []  # those that are at work
_ALONE = threading.Lock()
_SALT: ContextVar[int | None] = ContextVar("_SALT", default=None)  # of the request whose blocks are looked at


def _seams() -> list[tuple[Any, str, Callable[[Any], Any]]]:
    """What of transformers is wrapped while somebody is followed."""
    from transformers.generation.continuous_batching import cache, input_outputs, model_runner

    found: list[tuple[Any, str, Callable[[Any], Any]]] = [
        (input_outputs.ContinuousBatchingIOs, "prepare_batch_tensors", _preparing),
        (model_runner.ModelRunner, "_sample", _sampling),
    ]
    if _shares():
        from transformers.generation.continuous_batching.cache_allocators import cache_allocator

        found += [
            (cache.PagedAttentionCache, "search_prefix_match", _salting),
            (cache.PagedAttentionCache, "mark_complete_blocks", _salting),
            (cache_allocator, "compute_block_hash", _hashing),
        ]
    return found


@contextmanager
def _followed(packed: _Packed) -> Iterator[None]:
    """While this lasts, `packed` hears of every batch that its manager prepares, and may choose what comes next."""
    seams = _seams()
    with _ALONE:
        if not _FOLLOWED:
            for owner, name, wrap in seams:
                setattr(owner, name, wrap(getattr(owner, name)))
        _FOLLOWED.append(packed)
    try:
        yield
    finally:
        with _ALONE:
            _FOLLOWED.remove(packed)
            if not _FOLLOWED:
                for owner, name, _ in seams:
                    setattr(owner, name, getattr(owner, name).__wrapped__)


def _owner(part: str, own: Any) -> _Packed | None:
    """Whose manager a batch or a runner belongs to; None: of somebody who does not steer."""
    for packed in list(_FOLLOWED):
        processor = getattr(packed.manager, "batch_processor", None)
        if processor is not None and getattr(processor, part) is own:
            return packed
    return None


def _preparing(inner: Any) -> Any:
    @functools.wraps(inner)
    def prepare_batch_tensors(ios: Any, requests_in_batch: Any, *args: Any, **named: Any) -> Any:
        packed = _owner("inputs_and_outputs", ios)
        if packed is not None:
            packed.prepare(requests_in_batch)  # before positions are moved on
        return inner(ios, requests_in_batch, *args, **named)

    return prepare_batch_tensors


def _sampling(inner: Any) -> Any:
    @functools.wraps(inner)
    def _sample(runner: Any, scores: Tensor, output_ids: Tensor) -> None:
        packed = _owner("model_runner", runner)
        if packed is None or packed.choose is None:
            inner(runner, scores, output_ids)
            return
        tokens = packed.choose(packed.next, scores[0, : len(packed.next)])
        output_ids[0, : len(tokens)] = torch.tensor(tokens, dtype=output_ids.dtype)

    return _sample


def _salting(inner: Any) -> Any:
    @functools.wraps(inner)
    def of_request(cache: Any, request: Any, *args: Any) -> Any:
        packed = _owner("cache", cache)
        if packed is None:
            return inner(cache, request, *args)
        before = _SALT.set(packed.salt(request if isinstance(request, str) else request.request_id))
        try:
            return inner(cache, request, *args)
        finally:
            _SALT.reset(before)

    return of_request


def _hashing(inner: Any) -> Any:
    @functools.wraps(inner)
    def compute_block_hash(parent_hash: int | None, tokens: Any) -> Any:
        return inner(_SALT.get() if parent_hash is None else parent_hash, tokens)

    return compute_block_hash


class _Packed:
    """Strengths by request, and laid out by token for the forward that runs now."""

    def __init__(
        self, recipe: Recipe, default: Strength, device: torch.device, choose: Choose | None = None
    ) -> None:
        self.manager: Any = None
        self.choose = choose
        self.next: list[str] = []  # requests of this forward that get a token, in the order of its logits
        self._recipe = recipe
        self._device = device
        self._default = self._one(default)
        self._asked: dict[str, Tensor] = {}
        self._settings: dict[str, str] = {}
        self._ended: set[str] = set()
        self._key = secrets.token_bytes(16)  # so that nobody finds two beginnings that hash alike
        self._now: tuple[Tensor, Places] | None = None

    def turn(self, request: str, strength: Strength | None, end: int) -> None:
        row = self._default if strength is None else self._one(strength)
        self._ended.discard(request)  # a name may come again
        self._asked[request] = row
        # Not strict: a recipe without edits has no dials, and its row a strength all the same.
        strengths = dict(zip(self._recipe.dials, row[0].tolist(), strict=False))
        self._settings[request] = f"setting {self._recipe.setting(strengths, end)}"

    def salt(self, request: str) -> int:
        """By which its blocks are told from those of requests at other strengths; of one that we do not know, its own."""
        setting = self._settings.get(request, f"request {request}")
        found = hashlib.blake2b(setting.encode(), digest_size=8, key=self._key)
        return int.from_bytes(found.digest(), "little")

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

    def end(self, request: str) -> None:
        """To be forgotten as soon as no forward holds it."""
        self._ended.add(request)

    def prepare(self, requests_in_batch: Any) -> None:
        """Lay out whose tokens the next forward holds."""
        self._forget({future.state.request_id for future in requests_in_batch})
        asked: list[Tensor] = []
        counts: list[int] = []
        position: list[int] = []
        end: list[int] = []
        for future in requests_in_batch:  # lists, for a tensor of each request would cost more than the edit
            state, tokens = future.state, future.query_length
            start = state.position_offset
            # A request that was evicted comes back with what it generated among its first tokens.
            prompt = state._true_initial_tokens or len(state.initial_tokens)
            asked.append(self._asked.get(state.request_id, self._default))
            counts.append(tokens)
            position.extend(range(start, start + tokens))
            end.extend([prompt] * tokens)
        rows = torch.cat(asked).repeat_interleave(torch.tensor(counts), 0, output_size=len(position))
        strengths = rows[None].to(self._device)
        places, ends = torch.tensor([position, end], device=self._device)[:, None]
        self.next = [future.state.request_id for future in requests_in_batch if future.has_new_token]
        self._now = strengths, Places(places, ends, torch.ones_like(places, dtype=torch.bool))

    def _forget(self, held: set[str]) -> None:
        # One that ended while it was being scheduled is read once more: at its own strength, for its blocks may be shared.
        for name in [own for own in tuple(self._ended) if own not in held]:
            self._ended.discard(name)
            self._asked.pop(name, None)
            self._settings.pop(name, None)

    def _one(self, strength: Strength) -> Tensor:
        rows = strength_rows({} if isinstance(strength, float) and strength == 0 else strength, self._recipe)
        if len(rows) != 1:
            raise PlanError(f"{len(rows)} strengths for one request", "one for each dial", "give a number")
        return rows
