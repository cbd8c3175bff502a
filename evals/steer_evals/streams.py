"""One model at many strengths in one forward: streams below the first edited site, rows from there on.

Below that site a model cannot know its strength, so rows that have read the same tokens are one stream there. Knows no
answers.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from steer.apply import steered
from steer.recipe import Recipe
from steer.scope import Places
from steer_evals.slots import SlotCache
from steer_vectors.greedy import LeftPadded, left_padded
from steer_vectors.models import ChatModel, decoder_layers
from steer_vectors.room import cache_bytes, free_memory

_FAST = {"cpu": 256, "cuda": 2048}  # rows beyond which nothing is gained
_SHARE = 0.4  # of the free memory, for keys and values


class Split:
    """Streams below the first edited site, rows from there on; and what each row is steered by.

    Args:
        model: A live model.
        recipe: Compiled for it.
        strengths: `[rows, dials]` float32, of all that are asked.
    """

    def __init__(self, model: ChatModel, recipe: Recipe, strengths: Tensor) -> None:
        self.model, self.recipe, self.strengths = model, recipe, strengths
        self.layer = min((site.layer for site in recipe.steps), default=0)
        # An edit of the prompt makes another prompt of it at every strength.
        self.prompt_is_plain = all(dose.after_prompt for dose in recipe.doses)
        self._streams: Tensor | None = None  # of each row; None: they are the same
        self._many = 0  # streams
        self._now: tuple[Tensor, Places]

    @contextmanager
    def at_work(self) -> Iterator[Split]:
        """Steer the model inside the block, by forwards through `forward` only."""
        above = list(decoder_layers(self.model.hf))[self.layer :]
        with steered(self.model, self.recipe, dict.fromkeys(self.recipe.dials, 0.0)) as steering:
            steering.source = lambda _given: self._now
            handles = [
                layer.register_forward_pre_hook(self._spread(first=layer is above[0]), with_kwargs=True)
                for layer in above
            ]
            try:
                yield self
            finally:
                for handle in handles:
                    handle.remove()

    def read(
        self, prompts: Sequence[Sequence[int]], cache: SlotCache, streams: Tensor, strengths: Tensor
    ) -> tuple[Tensor, LeftPadded]:
        """Read prompts: once each where no edit touches them, else once for every row from the split on.

        Args:
            prompts: `u` prompts' tokens; each is a stream.
            cache: Empty. Afterwards it holds streams below the split, and rows from there on.
            streams: `[b]` of each row.
            strengths: `[b, dials]`.

        Returns:
            `[b, 1, v]` logits of what comes next, and the prompts as they were read.
        """
        batch = left_padded(self.model, prompts)
        length = batch.mask.sum(1, keepdim=True)
        places = Places(batch.mask.cumsum(1) - 1, length, batch.mask.bool())
        if not self.prompt_is_plain:
            return self.forward(batch.ids, cache, places, streams, strengths, logits_to_keep=1), batch
        still = strengths.new_zeros(len(prompts), strengths.shape[1])
        logits = self.forward(batch.ids, cache, places, None, still, logits_to_keep=1)
        for layer in cache.slots[self.layer :]:
            layer.take(streams)
        return logits.index_select(0, streams), batch

    def forward(
        self,
        ids: Tensor,
        cache: SlotCache,
        places: Places,
        streams: Tensor | None,
        strengths: Tensor,
        **more: Any,
    ) -> Tensor:
        """One forward.

        Args:
            ids: `[u, t]` next tokens of the streams.
            cache: What came before.
            places: Of the streams' tokens, `real` over all slots: `[u, slots + t]`.
            streams: `[b]` of each row; None if rows are streams.
            strengths: `[b, dials]`.
            more: For the model.

        Returns:
            `[b, kept, v]` logits.
        """
        self._streams, self._many = streams, len(ids)
        real = places.real[:, -ids.shape[1] :]
        of_rows = [x if streams is None else x[streams] for x in (places.position, places.end, real)]
        self._now = strengths[:, None], Places(*of_rows)
        hf: Any = self.model.hf
        # Rows that are done run on until they are packed away, and must not run past the model's last position.
        last = (
            getattr(self.model.hf.config.get_text_config(), "max_position_embeddings", None) or 1 << 30
        ) - 1
        found: Tensor = hf(
            input_ids=ids, attention_mask=places.real.long(), position_ids=places.position.clamp(0, last),
            past_key_values=cache, use_cache=True, **more,
        ).logits  # fmt: skip
        return found

    def _spread(self, *, first: bool) -> Any:
        def hook(_layer: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
            if self._streams is None:
                return None
            # The first layer turns streams into rows; those after it get rows, beside masks and places of streams.
            hidden = {} if first else {key: named[key] for key in ("hidden_states",) if key in named}
            kept = () if first else args[:1]
            return (*kept, *(self._pick(x) for x in args[len(kept) :])), {
                key: self._pick(value) for key, value in named.items()
            } | hidden

        return hook

    def _pick(self, value: Any) -> Any:
        if isinstance(value, tuple):
            return tuple(map(self._pick, value))
        streams = self._streams
        of_streams = isinstance(value, Tensor) and value.ndim > 1 and len(value) == self._many
        return (
            value.index_select(0, streams.to(value.device)) if of_streams and streams is not None else value
        )


def rows_at_once(model: ChatModel, longest: int) -> int:
    """How many rows of so many tokens a batch may have: what is fast, or less where memory is short."""
    most, free = _FAST.get(model.device.type, 64), free_memory(model.device)
    if free is None:
        return most
    # Twice, for packing copies; and logits with what is worked out from them.
    row = 2 * cache_bytes(model) * (longest + 64) + 16 * model.hf.config.get_text_config().vocab_size
    return max(1, min(most, int(_SHARE * free / row)))


def short_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out."""
    return isinstance(error, torch.OutOfMemoryError) or "not enough memory" in str(error)
