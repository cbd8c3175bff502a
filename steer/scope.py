"""Which tokens an edit touches: spans of positions, and where the tokens now in the model stand.

Positions count the real tokens of a row from 0, padding left out, on through prompt and answer. They come from the
cache: a long forward may be generation, a short one a piece of the prompt. Knows no strengths and no tables.
"""

from __future__ import annotations

import functools
import inspect
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
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
_KEY = "_steer_generate"
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
    if found is None or "-0" in (
        found[1],
        found[2],
    ):  # which would be the first token, not the end of the prompt
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
        here = vars(hf)
        if _KEY not in here:
            around = _around_generate(hf, here.get("generate"))
            here.update({_KEY: around, "generate": around.generate})
        found: _AroundGenerate = here[_KEY]
        found.timelines.append(self)
        try:
            yield
        finally:
            found.timelines.remove(self)
            if not found.timelines:  # the last to leave, in whatever order they came
                here.pop(_KEY, None)
                if here.get("generate") is found.generate:
                    here.pop("generate") if found.own is None else here.update(generate=found.own)

    def begin_generation(self, rows: int, slots: int, mask: Tensor | None, beams: int) -> None:
        """A `generate` of a known prompt begins: its whole length is known until `end_generation`."""
        self._begin(rows, slots, mask)
        self.beams, self._pinned = beams, True

    def end_generation(self) -> None:
        """What comes now may be anything again."""
        self._pinned, self.beams = False, 1

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


class _AroundGenerate(NamedTuple):
    """What stands in the place of a model's `generate`, for whom, and what stood there in the instance before."""

    timelines: list[Timeline]
    generate: Callable[..., Any]
    own: Callable[..., Any] | None


def _around_generate(hf: Any, own: Callable[..., Any] | None) -> _AroundGenerate:
    inner, timelines = hf.generate, list[Timeline]()
    signature = inspect.signature(inner)
    rest = next((p.name for p in signature.parameters.values() if p.kind is p.VAR_KEYWORD), "")

    @functools.wraps(inner)
    def generate(*args: Any, **named: Any) -> Any:
        given = dict(signature.bind(*args, **named).arguments)
        given |= given.pop(rest, {})
        settings = (given.get("generation_config"), hf.generation_config)
        prompts = map(given.get, ("inputs", "input_ids", "inputs_embeds"))
        prompt = next((x for x in prompts if isinstance(x, Tensor)), None)
        rows, slots = (1, 1) if prompt is None else prompt.shape[:2]
        mask = given.get("attention_mask")
        if mask is None and prompt is not None and prompt.ndim == 2:
            mask = _inferred(
                prompt, *(_setting(given, settings, f"{kind}_token_id") for kind in ("pad", "eos"))
            )
        beams = _setting(given, settings, "num_beams") or 1
        running = list(timelines)
        for timeline in running:
            timeline.begin_generation(rows, slots if mask is None else mask.shape[1], mask, beams)
        try:
            return inner(*args, **named)
        finally:
            for timeline in running:
                timeline.end_generation()

    return _AroundGenerate(timelines, generate, own)


def _setting(given: Mapping[str, Any], settings: Sequence[Any], name: str) -> Any:
    """As transformers reads it: the argument, the configuration that was given, the model's own."""
    values = (given.get(name), *(getattr(config, name, None) for config in settings))
    return next((value for value in values if value is not None), None)


def _inferred(prompt: Tensor, pad: int | None, eos: int | Sequence[int] | Tensor | None) -> Tensor | None:
    """The mask that transformers makes up where none is given: padding is a token that does not end texts as well."""
    ends = [] if eos is None else torch.as_tensor(eos).reshape(-1).tolist()
    if pad is None or pad in ends or not bool((prompt == pad).any()):
        return None
    return (prompt != pad).long()


def _shape(given: Mapping[str, Any]) -> tuple[int, int]:
    tokens = given.get("input_ids")
    rows, length = (given["inputs_embeds"] if tokens is None else tokens).shape[:2]
    return rows, length


def _seen(given: Mapping[str, Any]) -> Any:
    """Tokens in the cache: a number, or a tensor in a static cache."""
    cache = given.get("past_key_values")
    return 0 if cache is None else cache.get_seq_length()


def _begins(first: Any, tokens: int, mask: Tensor | None) -> bool:
    """Whether the cache is empty.

    A static one knows its length on the device only, so it is not asked at every token; in compiled code, which cannot
    ask it, a mask as long as the tokens tells an empty one.
    """
    if isinstance(first, Tensor):
        if tokens == 1:
            return False
        if torch.compiler.is_compiling():
            return mask is None or mask.shape[1] == tokens
    return bool(first == 0)
