"""Which tokens an edit touches: spans of positions, and where the tokens now in the model stand.

Positions count the real tokens of a row from 0, padding left out, on through prompt and answer. They come from the
cache: a long forward may be generation, a short one a piece of the prompt. Knows no strengths and no tables.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

from steer.errors import PlanError


class Span(NamedTuple):
    """Positions `start <= p < stop`; each counted from the row's first token, or from the end of its prompt."""

    start: int
    start_from_end: bool
    stop: int | None
    stop_from_end: bool

    def holds(self, places: Places) -> Tensor:
        """`[n, t]` bool: whether a token lies in the span."""
        low = self.start + places.end if self.start_from_end else self.start
        inside = places.position >= low
        if self.stop is not None:
            inside = inside & (
                places.position < (self.stop + places.end if self.stop_from_end else self.stop)
            )
        return inside

    @property
    def settles(self) -> bool:
        """Whether it holds all generated tokens or none."""
        return (self.start_from_end or self.start == 0) and (self.stop is None or self.stop_from_end)


class Places(NamedTuple):
    """The tokens of one forward.

    Args:
        position: `[n, t]` int64, of each token in its row; what padding has is not meant to be read.
        end: `[n, 1]` or `[n, t]` int64, number of prompt tokens of the row, or of the request a token belongs to.
        real: `[n, t]` bool, not padding.
    """

    position: Tensor
    end: Tensor
    real: Tensor


_NAMED: dict[str, Span | None] = {
    "all": None,
    "prompt": Span(0, False, 0, True),
    "generation": Span(0, True, None, False),
    "last": Span(-1, True, 0, True),
}
_WINDOW = re.compile(r"(-?\d{1,9})?:(-?\d{1,9})?")


def span(scope: str) -> Span | None:
    """Read a scope.

    Args:
        scope: "all", "prompt", "generation", "last" (the prompt's last token), or a window "start:stop" of positions.
            Either side may be left out; a negative number counts from the end of the prompt: "0:4" is the first four
            tokens, "-3:" the prompt's last three and all that is generated.

    Returns:
        The span; None is every token.

    Raises:
        PlanError: Another word, or a window that holds nothing.
    """
    if scope in _NAMED:
        return _NAMED[scope]
    found = _WINDOW.fullmatch(scope) if isinstance(scope, str) else None
    if found is None:
        raise PlanError(
            f"scope {scope!r}", f"{', '.join(_NAMED)}, or a window such as 0:4", "choose a known scope"
        )
    start, stop = (int(side) if side else None for side in found.groups())
    if start is not None and stop is not None and (start < 0) == (stop < 0) and start >= stop:
        raise PlanError(f"scope {scope!r}, which holds no token", "start before stop", "swap the two")
    first = start or 0
    return Span(first, first < 0, stop, stop is not None and stop < 0)


class Timeline:
    """Follows a model through prompts and generations; says where the tokens of each forward stand.

    A forward with an empty cache begins a prompt. Inside `generate` the whole prompt is known beforehand, so that it may
    come in chunks, or behind an older conversation. State is tensors of fixed shape: compiled code reads it anew.
    """

    def __init__(self, device: torch.device) -> None:
        self.prompts = 0  # begun so far, where that is known without compiled code
        self.beams = 1  # of the `generate` that runs
        self._pinned = False
        self._slots = torch.zeros((), dtype=torch.int64, device=device)  # of the prompt, padding included
        self._left = torch.zeros(1, dtype=torch.int64, device=device)  # padding before each row
        self._end = torch.zeros(1, dtype=torch.int64, device=device)  # real tokens of each prompt
        self._known: int | None = None  # `_slots`, where it is known without asking a tensor

    def places(self, given: Mapping[str, Any]) -> Places:
        """Of the tokens that a decoder is about to read.

        Args:
            given: Arguments of its forward, by name.

        Raises:
            PlanError: Inside `generate`, a batch that is no multiple of the prompts.
        """
        rows, tokens = _shape(given)
        first = _seen(given)
        mask = given.get("attention_mask")
        mask = mask if isinstance(mask, Tensor) and mask.ndim == 2 else None
        if not self._pinned and _begins(first, tokens, mask):
            self._begin(rows, tokens, mask)
        left, end = self._of(rows)
        slot = first + torch.arange(tokens, device=left.device)
        generated = slot >= self._slots
        position = torch.where(generated, end + slot - self._slots, slot - left)
        return Places(position, end, generated | ((position >= 0) & (position < end)))

    def generated(self, given: Mapping[str, Any]) -> tuple[int, int] | None:
        """Rows and tokens of a forward that reads only what was generated; None if it does not, or that costs a look."""
        if torch.compiler.is_compiling() or self._known is None:
            return None
        first = _seen(given)
        return None if isinstance(first, Tensor) or first < self._known else _shape(given)

    def step(self, given: Mapping[str, Any]) -> int:
        """0 while the prompt is read; n when the n-th generated token is."""
        _, tokens = _shape(given)
        first = int(_seen(given))
        if first == 0 and not self._pinned:
            return 0
        return max(0, first + tokens - int(self._slots))

    def shares(self, prompts: int, rows: int) -> bool:
        """Whether so many rows are answers to so many prompts: inside `generate` a prompt may have several."""
        return self._pinned and prompts == len(self._left) and rows % prompts == 0

    @contextmanager
    def following(self, hf: nn.Module) -> Iterator[None]:
        """While this lasts, `hf.generate` says how long its prompts are."""
        own: Any = hf
        inner, before = own.generate, vars(hf).get("generate")

        @functools.wraps(inner)
        def generate(*args: Any, **named: Any) -> Any:
            prompt = next(
                (x for x in (*args[:1], *map(named.get, ("inputs", "input_ids", "inputs_embeds")))
                 if isinstance(x, Tensor)), None)  # fmt: skip
            rows, slots = (1, 1) if prompt is None else prompt.shape[:2]
            mask = named.get("attention_mask")
            self._begin(rows, slots if mask is None else mask.shape[1], mask)
            given = named.get("num_beams") or getattr(named.get("generation_config"), "num_beams", None)
            self.beams = given or getattr(own.generation_config, "num_beams", None) or 1
            self._pinned = True
            try:
                return inner(*args, **named)
            finally:
                self._pinned, self.beams = False, 1

        own.generate = generate
        try:
            yield
        finally:
            if before is None:
                del own.generate
            else:
                own.generate = before

    def _begin(self, rows: int, slots: int, mask: Tensor | None) -> None:
        device = self._slots.device
        if not torch.compiler.is_compiling():  # which would compile anew for every prompt
            self.prompts += 1
        self._slots = torch.full_like(self._slots, slots)
        self._known = None if torch.compiler.is_compiling() or not slots else slots
        if mask is None:
            self._left = torch.zeros(rows, dtype=torch.int64, device=device)
            self._end = self._left + slots
        else:
            real = mask.to(device) != 0
            self._left = (real.cumsum(1) == 0).sum(1)
            self._end = real.sum(1)

    def _of(self, rows: int) -> tuple[Tensor, Tensor]:
        """`[rows, 1]` each; beams and several answers to one prompt lie side by side."""
        known = len(self._left)
        if rows % known:
            raise PlanError(
                f"a batch of {rows} in a generation of {known} prompts",
                "as many rows, or a multiple",
                "run one generation at a time in a `with`",
            )
        left, end = self._left, self._end
        if rows > known:
            left, end = (x.repeat_interleave(rows // known) for x in (left, end))
        return left[:, None], end[:, None]


def _shape(given: Mapping[str, Any]) -> tuple[int, int]:
    tokens = given.get("input_ids")
    rows, length = (given["inputs_embeds"] if tokens is None else tokens).shape[:2]
    return rows, length


def _seen(given: Mapping[str, Any]) -> Any:
    """Tokens in the cache: a number, or a tensor in a static cache."""
    cache = given.get("past_key_values")
    return 0 if cache is None else cache.get_seq_length()


def _begins(first: Any, tokens: int, mask: Tensor | None) -> bool:
    """A static cache knows its length on the device only: there, a mask as long as the tokens tells an empty one."""
    if isinstance(first, Tensor):
        return tokens > 1 and (mask is None or mask.shape[1] == tokens)
    return bool(first == 0)
