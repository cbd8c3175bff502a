"""How answers are made, by name: one function each, all of one shape. Knows no suites.

"batched" is `steer_evals.engine`; the others are transformers' own `generate`, for architectures that keep more than keys
and values, and its continuous batching.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from importlib.util import find_spec
from typing import Any

import torch
from transformers import GenerationConfig

from steer.apply import decide, steered, strength_rows
from steer.continuous import continuous
from steer.recipe import Recipe
from steer_evals.engine import Row, Written, write
from steer_evals.errors import RunError
from steer_vectors.greedy import ends, greedy, left_padded
from steer_vectors.models import ChatModel

Engine = Callable[..., Iterator[Written]]
_ROWS = 32  # of a batch of plain `generate`
_PAGE = 256  # tokens of a block of continuous batching
_ALIBI = {"bloom", "mpt"}  # tell places by slots, of which rows here have empty ones
_KEYS_AND_VALUES = {"full_attention", "sliding_attention", "chunked_attention"}


def engine(name: str, model: ChatModel, recipe: Recipe) -> Engine:
    """An engine by name; "auto" is "batched" wherever the model's cache and the plan's probes allow it.

    Raises:
        RunError: An unknown name, or "batched" where `fits` says no.
    """
    able = fits(model, recipe)
    if name == "auto":
        return write if able else plain
    if name == "vllm":
        return _vllm()
    if name not in ENGINES or (name == "batched" and not able):
        can = [known for known in (*ENGINES, "vllm") if able or known != "batched"]
        raise RunError(f"engine {name!r} for {model.name}", f"auto, {' or '.join(can)}", "choose one of them")
    return ENGINES[name]


def kin_of(name: str) -> str:
    """What engines have in common whose answers one run may hold: their kernels, batches and caches, and so their rounding.

    "batched" and "plain" run transformers' own forward. In float32 they say the same but at ties; in half precision they
    differ no more than "batched" does from itself in batches of other sizes.
    """
    return name if name in ("continuous", "vllm") else "transformers"


def _vllm() -> Engine:
    if find_spec("vllm") is None:
        raise RunError(
            "engine 'vllm', which is not installed", "vLLM in this environment", "see docs/vllm.md"
        )
    from steer_evals.vllm_engine import VllmEngine

    return VllmEngine()


def plain(
    model: ChatModel,
    recipe: Recipe,
    rows: Sequence[Row],
    *,
    at_once: int | None = None,
    temperature: float = 0.0,
) -> Iterator[Written]:
    """As `engine.write`, by transformers' `generate`: each row at its own strength, in batches of like length."""
    _greedy_only(temperature)
    order = sorted(range(len(rows)), key=lambda at: (rows[at].most, len(rows[at].ids)))
    stops, size = set(ends(model)), at_once or _ROWS
    for start in range(0, len(order), size):
        some = order[start : start + size]
        batch = left_padded(model, [rows[at].ids for at in some])
        strengths = torch.cat([strength_rows(rows[at].strength, recipe) for at in some])
        most = max(rows[at].most for at in some)
        # Not strict: a recipe without edits has no dials, and its rows a strength all the same.
        with steered(model, recipe, dict(zip(recipe.dials, strengths.T, strict=False))):
            out = greedy(model, batch, most)[:, batch.ids.shape[1] :].tolist()
        yield from (_written(at, said[: rows[at].most], stops) for at, said in zip(some, out, strict=True))


def continuously(
    model: ChatModel,
    recipe: Recipe,
    rows: Sequence[Row],
    *,
    at_once: int | None = None,
    temperature: float = 0.0,
) -> Iterator[Written]:
    """As `engine.write`, by transformers' continuous batching; `at_once` is left to it."""
    _greedy_only(temperature)
    if not rows:
        return
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False, max_new_tokens=max(row.most for row in rows), eos_token_id=ends(model),
        pad_token_id=model.tokenizer.pad_token_id,
    )  # fmt: skip
    stops = set(ends(model))
    strengths = torch.cat([strength_rows(row.strength, recipe) for row in rows])
    recipe, strengths = decide(model, recipe, [row.ids for row in rows], strengths)
    with continuous(model, recipe, {}, generation_config=config, **_room(model, rows)) as requests:
        names = {
            requests.add(row.ids, dict(zip(recipe.dials, own, strict=False)), max_new_tokens=row.most): at
            for at, (row, own) in enumerate(zip(rows, strengths.tolist(), strict=True))
        }
        while names:
            found: Any = requests.manager.get_result(timeout=1)
            if found is None and requests.manager.is_running():
                continue
            if found is None or found.error is not None:
                why = "its worker stopped" if found is None else found.error
                raise RunError(f"continuous batching that failed ({why})", "answers", "leave --engine out")
            if found.is_finished() and found.request_id in names:
                yield _written(names.pop(found.request_id), list(found.generated_tokens), stops)


def _room(model: ChatModel, rows: Sequence[Row]) -> dict[str, Any]:
    """On a CPU, a cache for so many rows: left to itself it takes most of the memory, and a minute to lay it out.

    A row does not read what another computed: its answer must not depend, by rounding, on what was asked before.
    """
    alone = {"allow_block_sharing": False}
    if model.device.type != "cpu":
        return alone
    longest = max(len(row.ids) + row.most for row in rows)
    return alone | {
        "num_blocks": _ROWS * math.ceil(longest / _PAGE) + 1,
        "max_batch_tokens": max(_PAGE, longest),
    }


GREEDY: tuple[Engine, ...] = (plain, continuously)
ENGINES: dict[str, Engine] = {"batched": write, "plain": plain, "continuous": continuously}


def fits(model: ChatModel, recipe: Recipe) -> bool:
    """Whether a model keeps keys and values only and tells places by `position_ids`, and probes read prompts only.

    It is what "batched" needs.
    """
    if any(gauge.each_token for gauge in recipe.gauges):
        return False
    config = model.hf.config.get_text_config()
    if getattr(config, "alibi", False) or config.model_type in _ALIBI:
        return False
    kinds = getattr(config, "layer_types", None) or ()
    return set(kinds) <= _KEYS_AND_VALUES and not getattr(model.hf, "_is_stateful", False)


def _written(at: int, said: list[int], stops: set[int]) -> Written:
    stop = next((place for place, token in enumerate(said) if token in stops), None)
    return Written(at, said[:stop], stop is not None, None)


def _greedy_only(temperature: float) -> None:
    if temperature:
        raise RunError(
            f"temperature {temperature:g} with an engine that is greedy",
            "the batched engine",
            "leave --engine out",
        )
