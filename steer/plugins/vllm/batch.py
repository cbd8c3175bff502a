"""From requests to what each token of the next forward gets. On the CPU, once per step; knows no vLLM."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from steer.plugins.vllm.tensors import Doses
from steer.recipe import Recipe
from steer.scope import Places


class Asked(NamedTuple):
    """One request in the next forward.

    Args:
        name: The same in all forwards of the request.
        strengths: `[dials]` float32.
        end: Tokens of its prompt.
        start: Position of its first token in this forward.
        tokens: How many it has there.
    """

    name: str
    strengths: Tensor
    end: int
    start: int
    tokens: int


class Batches:
    """Fills the buffers of the doses before each forward.

    Args:
        recipe: The same as of the doses.
        doses: Of the model on this device.
    """

    def __init__(self, recipe: Recipe, doses: Doses) -> None:
        self._recipe, self._doses = recipe, doses
        pinned = doses.given.device.type == "cuda"
        self._staged = torch.zeros(doses.given.shape, dtype=torch.float32, pin_memory=pinned)
        # A step may be laid out while the copy of the one before still runs.
        self._copied = torch.cuda.Event() if pinned else None  # type: ignore[no-untyped-call]
        self._filled = 0
        # Names of the forward before, if it read one token of each answer: the next such one is laid out already.
        self._steady: list[str] | None = None
        self._settles = all(dose.span is None or dose.span.settles for dose in recipe.doses)
        self._slots: dict[str, int] = {}
        self._free = list(range(doses.nobody))

    def lay(self, asked: Sequence[Asked], *, live: Mapping[str, object] | None = None) -> None:
        """Lay out the next forward.

        Args:
            asked: In the order of their tokens.
            live: Names of requests that may come again; others are forgotten. None = all.
        """
        names = None
        if self._settles and all(own.tokens == 1 and own.start >= own.end for own in asked):
            names = [own.name for own in asked]
            if names == self._steady:
                return
        self._steady = names
        if self._copied is not None:
            self._copied.synchronize()
        counts = torch.tensor([own.tokens for own in asked])
        tokens = int(counts.sum())
        of = torch.repeat_interleave(torch.arange(len(asked)), counts)
        begins = counts.cumsum(0) - counts
        start = torch.tensor([own.start for own in asked])
        end = torch.tensor([own.end for own in asked])[of]
        position = torch.arange(tokens) - begins[of] + start[of]
        places = Places(position[:, None], end[:, None], torch.ones(tokens, 1, dtype=torch.bool))
        strengths = torch.stack([own.strengths for own in asked])  # [r, dials]
        staged = self._staged
        for at, (column, scale, span) in enumerate(self._recipe.doses):
            own = (strengths[:, self._recipe.columns[column].dial] * scale)[of]
            staged[:tokens, at] = own if span is None else own * span.holds(places)[:, 0]
        staged[tokens : self._filled] = 0  # what is left of the forward before, padding of this one
        upto = max(tokens, self._filled)
        self._doses.given[:upto].copy_(staged[:upto], non_blocking=True)
        if self._copied is not None:
            self._copied.record()
        self._filled = tokens
        if self._recipe.gauges:
            slots = torch.tensor(self._known(asked, live))
            final = begins + counts - 1
            self._place(slots[of], end - 1 - position, begins, final, upto)

    def clear(self) -> None:
        """Nobody's tokens come next: a dummy forward."""
        self._steady = None
        if self._copied is not None:
            self._copied.synchronize()
        self._doses.given.zero_()
        self._staged.zero_()
        self._filled = 0
        if self._recipe.gauges:
            self._doses.slot.fill_(self._doses.nobody)

    def _known(self, asked: Sequence[Asked], live: Mapping[str, object] | None) -> list[int]:
        if live is not None:
            for name in [name for name in self._slots if name not in live]:
                self._free.append(self._slots.pop(name))
        for own in asked:
            if own.name not in self._slots:
                self._slots[own.name] = self._free.pop()
                self._doses.parts[self._slots[own.name]] = (
                    0  # what stands before the first token adds nothing
                )
        return [self._slots[own.name] for own in asked]

    def _place(self, slot: Tensor, back: Tensor, begins: Tensor, final: Tensor, upto: int) -> None:
        doses, tokens = self._doses, len(slot)
        first, last = (
            torch.zeros(tokens, dtype=torch.bool).index_fill_(0, at, True) for at in (begins, final)
        )
        doses.slot[tokens:upto] = doses.nobody
        for buffer, own in (
            (doses.slot, slot),
            (doses.back, back),
            (doses.first, first),
            (doses.final, last),
        ):
            buffer[:tokens].copy_(own, non_blocking=True)
