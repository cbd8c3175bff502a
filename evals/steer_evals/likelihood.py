"""Log-likelihoods of texts at many strengths: two forwards for all strengths of a block. Knows no suites."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from steer.apply import Strength, decide, strength_rows
from steer.recipe import Recipe
from steer.scope import Places
from steer_evals.slots import SlotCache
from steer_evals.streams import Split, rows_at_once, short_of_memory
from steer_vectors.models import ChatModel


class Scored(NamedTuple):
    """A text to score as the answer to a prompt: the tokens of both, at least one each."""

    ids: tuple[int, ...]
    text: tuple[int, ...]


_LOGITS = 1 << 28  # bytes of logits at once


@torch.no_grad()
def likelihoods(
    model: ChatModel,
    recipe: Recipe,
    texts: Sequence[Scored],
    strengths: Sequence[Strength],
    *,
    at_once: int | None = None,
    progress: Callable[[int], None] | None = None,
) -> Tensor:
    """Log-likelihood of each text at each strength, as lm-eval's `acc` sums it: two forwards for all strengths of a block.

    Args:
        model: A live model, not steered.
        recipe: Compiled for it.
        texts: `n` prompts with an answer each; those of one prompt best beside each other.
        strengths: `s` numbers, or mappings from dials to numbers.
        at_once: Most rows in a forward, as in `write`.
        progress: Called with the number of texts that are done.

    Returns:
        `[n, s]` float64, in nats.

    Raises:
        ModelError: Prompt and text are longer than the context.
        PlanError: As there.
    """
    rows = torch.cat([strength_rows(strength, recipe) for strength in strengths]).to(model.device)
    prompts = [ids for ids, _ in texts for _ in strengths]
    recipe, rows = decide(model, recipe, prompts, rows.repeat(len(texts), 1))
    turned = rows.reshape(len(texts), len(strengths), -1)
    longest = max(len(ids) + len(text) for ids, text in texts)
    model.require_room(longest)
    wide = max(len(text) for _, text in texts) * model.hf.config.get_text_config().vocab_size * 4
    limit = at_once or max(1, min(rows_at_once(model, longest), _LOGITS // wide))
    found = torch.zeros(len(texts), len(strengths), dtype=torch.float64)
    done = 0
    with Split(model, recipe, rows).at_work() as split:
        while done < len(texts):
            block = slice(done, done + max(1, limit // len(strengths)))
            try:
                for first in range(0, len(strengths), max(1, limit)):
                    some = slice(first, first + max(1, limit))
                    found[block, some] = _score(model, split, texts[block], turned[block, some])
            except RuntimeError as error:
                if not short_of_memory(error) or limit == 1:
                    raise
                limit //= 2
                continue
            done = min(len(texts), block.stop)
            if progress is not None:
                progress(done)
    return found


def _score(model: ChatModel, split: Split, texts: Sequence[Scored], turned: Tensor) -> Tensor:
    """`[n, s]` for one block: its prompts first, then its texts over their cache, so that scopes mean what they mean.

    `turned` is `[n, s, dials]`; texts of one prompt are turned alike.
    """
    device, s = model.device, turned.shape[1]
    prompts = list(dict.fromkeys(ids for ids, _ in texts))
    of_prompt = [prompts.index(ids) for ids, _ in texts]
    own = torch.tensor(of_prompt, device=device)  # prompt of each text
    first = [of_prompt.index(at) for at in range(len(prompts))]  # text of each prompt
    cache = SlotCache(model.layers)
    streams = torch.arange(len(prompts), device=device).repeat_interleave(s)
    said_first, batch = split.read(prompts, cache, streams, turned[first].flatten(0, 1))
    above = (own[:, None] * s + torch.arange(s, device=device)).flatten()
    logits = said_first.index_select(0, above)  # [n * s, 1, v]
    width = max(len(text) for _, text in texts)
    ids = torch.tensor([[*text, *[0] * (width - len(text))] for _, text in texts], device=device)
    said = torch.tensor([[1] * len(text) + [0] * (width - len(text)) for _, text in texts], device=device)
    if width > 1:
        for at, layer in enumerate(cache.slots):
            layer.take(own if at < split.layer else above)
        length = batch.mask.sum(1, keepdim=True)[own]
        real = torch.cat([batch.mask[own], said], 1).bool()
        after = Places(length + torch.arange(width, device=device), length, real)
        each = torch.arange(len(texts), device=device).repeat_interleave(s)
        rest = split.forward(ids, cache, after, each, turned.flatten(0, 1))
        logits = torch.cat([logits, rest[:, :-1]], 1)
    ids, said = ids.repeat_interleave(s, 0), said.repeat_interleave(s, 0)
    sums = [
        # Row by row: all of them in float32 once more are gigabytes where the vocabulary is large.
        (row.float().log_softmax(-1).gather(-1, own_ids[:, None])[:, 0] * mask).double().sum()
        for row, own_ids, mask in zip(logits, ids, said, strict=True)
    ]
    return torch.stack(sums).reshape(len(texts), s).cpu()
