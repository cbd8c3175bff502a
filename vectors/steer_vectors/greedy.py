"""Greedy answers as token ids: the one place that calls `generate`. Knows no texts and no verdicts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor
from transformers import GenerationConfig

from steer_vectors.models import ChatModel


class LeftPadded(NamedTuple):
    """Prompts that end together.

    Args:
        ids: `[b, t]` int64.
        mask: `[b, t]` int64, 1 = real token.
    """

    ids: Tensor
    mask: Tensor


def left_padded(model: ChatModel, rows: Sequence[Sequence[int]]) -> LeftPadded:
    """Token ids of prompts, padded on the left with the tokenizer's padding token."""
    width, pad = max(map(len, rows)), model.tokenizer.pad_token_id
    ids = torch.tensor([[pad] * (width - len(row)) + list(row) for row in rows], device=model.device)
    mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in rows], device=model.device)
    return LeftPadded(ids, mask)


@torch.no_grad()
def greedy(model: ChatModel, batch: LeftPadded, most: int, *, least: int = 0) -> Tensor:
    """The likeliest token each time, under whatever the model is steered by.

    Args:
        model: A live model.
        batch: Of prompts.
        most: Tokens of an answer.
        least: Before so many no answer may end.

    Returns:
        `[b, at most t + most]` int64, prompts and answers; what follows an answer's end is padding.

    Raises:
        ModelError: A prompt leaves no room for the answer.
    """
    model.require_room(batch.ids.shape[1] + most)
    config = GenerationConfig(  # type: ignore[no-untyped-call]
        do_sample=False, max_new_tokens=most, min_new_tokens=least or None, pad_token_id=model.tokenizer.pad_token_id,
        eos_token_id=ends(model) or None, bos_token_id=model.tokenizer.bos_token_id, use_cache=True,
    )  # fmt: skip
    with own_settings_aside(model.hf) as hf:
        found: Tensor = hf.generate(input_ids=batch.ids, attention_mask=batch.mask, generation_config=config)
    return found


def ends(model: ChatModel) -> list[int]:
    """Tokens that end an answer: the model's own, and the tokenizer's."""
    own = model.hf.generation_config.eos_token_id if model.hf.generation_config is not None else None
    found = own if isinstance(own, list) else [own]
    return sorted({token for token in [*found, model.tokenizer.eos_token_id] if token is not None})


@contextmanager
def own_settings_aside(hf: Any) -> Iterator[Any]:
    """Greedy is greedy: transformers fills what is left open from the model's own settings, repetition penalties too."""
    own = hf.generation_config
    hf.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
    try:
        yield hf
    finally:
        hf.generation_config = own
