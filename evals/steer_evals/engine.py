"""Many strengths, one batch: answers to prompts at every strength, as separate runs would give them.

Three things make a curve cheap. Below the first edited site a model cannot know its strength: rows of one prompt that
have said the same so far are one *stream* there, and split into rows at that site. A prompt that no edit touches (scope
"generation") is read once for all strengths. And a row that is done makes room for one that waits. Knows no suites and no
verdicts.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from steer.apply import Strength, decide, strength_rows
from steer.recipe import Recipe
from steer.scope import Places
from steer_evals.slots import SlotCache
from steer_evals.streams import Split, rows_at_once, short_of_memory
from steer_vectors.greedy import ends
from steer_vectors.models import ChatModel

# Below this distance between the two likeliest tokens' logits, another batch may choose the other one.
TIE = {torch.float32: 1e-3, torch.float16: 0.1, torch.bfloat16: 0.5}
_IDLE = 8  # one row in so many may be done before the others are packed, and free before new ones enter


class Row(NamedTuple):
    """A prompt at a strength.

    Args:
        ids: Tokens of the prompt.
        strength: A number, or a mapping from dials to numbers.
        most: Tokens of the answer.
        seed: Of its draws, where answers are sampled. Rows of one seed draw alike, whatever their strength.
    """

    ids: tuple[int, ...]
    strength: Strength
    most: int
    seed: int = 0


class Written(NamedTuple):
    """An answer.

    Args:
        row: Which of the rows that were asked.
        tokens: Of the answer, without the one that ends it.
        ended: Whether the model ended it, and not the limit.
        ties: Tokens of which the runner-up was as likely, within `TIE`; None = not counted.
        first_tie: Place of the first of them; -1 = none.
    """

    row: int
    tokens: list[int]
    ended: bool
    ties: int | None
    first_tie: int = -1


@torch.no_grad()
def write(
    model: ChatModel,
    recipe: Recipe,
    rows: Sequence[Row],
    *,
    at_once: int | None = None,
    temperature: float = 0.0,
) -> Iterator[Written]:
    """Answer every row, in the order in which they are done. Until the last one the model is steered: ask it nothing else.

    Args:
        model: A live model, not steered.
        recipe: Compiled for it.
        rows: Prompts at strengths, in any order; those of one prompt are answered side by side.
        at_once: Most rows in a batch; default by free memory. Halved, and what was lost begun anew, where memory runs out.
        temperature: 0 takes the likeliest token; else tokens are drawn.

    Raises:
        ModelError: A prompt leaves no room for the answer.
        PlanError: A strength as in `steered`; a probe that reads every token of the answer.
    """
    if not rows:
        return
    model.require_room(max(len(row.ids) + row.most for row in rows))
    strengths = torch.cat([strength_rows(row.strength, recipe) for row in rows]).to(model.device)
    recipe, strengths = decide(model, recipe, [row.ids for row in rows], strengths)
    limit = at_once or rows_at_once(model, max(len(row.ids) + row.most for row in rows))
    waiting = deque(_groups(rows, limit))
    with Split(model, recipe, strengths).at_work() as split:
        batch = _Batch(model, split, rows, temperature)
        while waiting or batch.running:
            entering = _next(waiting, limit - batch.running) if batch.may_fill(limit) else []
            try:
                if entering:
                    batch.admit(entering)
                else:
                    batch.step()
            except RuntimeError as error:  # of which torch.OutOfMemoryError is one
                if not short_of_memory(error) or limit == 1:
                    raise
                limit = max(1, limit // 2)
                lost = [*batch.running_rows, *(at for group in (*entering, *waiting) for at in group)]
                lost = list(dict.fromkeys(lost))  # what was entering may be running already
                waiting = deque(_groups(rows, limit, lost))
                batch = _Batch(model, split, rows, temperature)
            yield from batch.leave()


def _groups(rows: Sequence[Row], limit: int, which: Iterable[int] | None = None) -> list[list[int]]:
    """Rows of one prompt together, at most `limit`; prompts of like length beside each other."""
    groups: dict[tuple[int, ...], list[int]] = {}
    for at in range(len(rows)) if which is None else which:
        groups.setdefault(rows[at].ids, []).append(at)
    ordered = sorted(groups.values(), key=lambda group: -len(rows[group[0]].ids))
    return [group[at : at + limit] for group in ordered for at in range(0, len(group), limit)]


def _next(waiting: deque[list[int]], room: int) -> list[list[int]]:
    taken: list[list[int]] = []
    while waiting and sum(map(len, taken)) + len(waiting[0]) <= room:
        taken.append(waiting.popleft())
    return taken


class _Batch:
    """Rows in step, and the streams they belong to."""

    def __init__(self, model: ChatModel, split: Split, rows: Sequence[Row], temperature: float) -> None:
        self._model, self._split, self._rows = model, split, rows
        self._temperature = temperature
        self._ends = set(ends(model))
        self._tie = TIE.get(model.hf.dtype, 0.5)
        self._cache = SlotCache(model.layers)
        self._which: list[int] = []  # of the rows asked, in the order of the layers above the split
        self._stream: list[int] = []  # of each
        self._length: list[int] = []  # of each stream, prompt and answer so far
        self._prompt: list[int] = []  # of each stream, tokens of its prompt
        self._next: list[int] = []  # token of each row that no forward has read
        self._said: dict[int, list[int]] = {}
        self._ties: dict[int, list[int]] = {}  # places
        self._done: set[int] = set()

    @property
    def running(self) -> int:
        """How many rows are not done."""
        return len(self._which) - len(self._done)

    @property
    def running_rows(self) -> list[int]:
        """Which of the rows that were asked are not done."""
        return [at for at in self._which if at not in self._done]

    def may_fill(self, limit: int) -> bool:
        """Whether enough rows are free for a pause to pay."""
        return not self.running or limit - self.running >= max(1, limit // _IDLE)

    def admit(self, groups: list[list[int]]) -> None:
        """Read the prompts of these rows, a group each, and put them beside the others."""
        split, device = self._split, self._model.device
        which = [at for group in groups for at in group]
        stream = [n for n, group in enumerate(groups) for _ in group]
        streams = torch.tensor(stream, device=device)
        cache = SlotCache(self._model.layers)
        prompts = [self._rows[group[0]].ids for group in groups]
        logits, batch = split.read(prompts, cache, streams, split.strengths[which])
        length = [len(ids) for ids in prompts]
        self._pack()
        span = max([batch.ids.shape[1], *self._length])
        if self._which:
            for layer, new in zip(self._cache.slots, cache.slots, strict=True):
                layer.join(new, span)
        else:
            self._cache = cache
        self._stream += [n + len(self._length) for n in stream]
        self._which += which
        self._length += length
        self._prompt += length
        self._said |= {at: [] for at in which}
        self._ties |= {at: [] for at in which}
        self._next += [0] * len(which)
        self._choose(logits[:, -1], range(len(self._which) - len(which), len(self._which)))

    def step(self) -> None:
        """Read every row's last token, and choose the next."""
        if len(self._done) * _IDLE > len(self._which):
            self._pack()
        device = self._model.device
        ids = self._branch()
        end = torch.tensor(self._prompt, device=device)[:, None]
        length = torch.tensor(self._length, device=device)[:, None]
        used = self._cache.slots[0].used
        real = torch.arange(used + 1, device=device) >= used - length
        places = Places(length, end, real)
        streams = torch.tensor(self._stream, device=device)
        logits = self._split.forward(
            torch.tensor(ids, device=device)[:, None],
            self._cache,
            places,
            streams,
            self._split.strengths[self._which],
        )
        self._length = [n + 1 for n in self._length]
        self._choose(logits[:, -1], range(len(self._which)))

    def leave(self) -> Iterator[Written]:
        """What is done since it was last asked."""
        for at in self.running_rows:
            said = self._said[at]
            ended = said[-1] in self._ends
            if ended or len(said) == self._rows[at].most:
                self._done.add(at)
                ties = self._ties.pop(at)
                yield Written(at, said[:-1] if ended else said, ended, len(ties), ties[0] if ties else -1)
                del self._said[at]

    def _choose(self, logits: Tensor, rows: range) -> None:
        for at, row in zip(rows, logits, strict=True) if self._temperature else ():
            row += self._temperature * self._noise(self._which[at], row)
        best = logits.float().topk(2)
        close = (best.values[:, 0] - best.values[:, 1] < self._tie).tolist()
        for at, token, tied in zip(rows, best.indices[:, 0].tolist(), close, strict=True):
            which = self._which[at]
            self._next[at] = token
            if which not in self._done:
                if tied:
                    self._ties[which].append(len(self._said[which]))
                self._said[which].append(token)

    def _noise(self, which: int, like: Tensor) -> Tensor:
        """Gumbel noise that is a function of seed and place alone: rows of other strengths draw the same."""
        place = len(self._said.get(which, ()))
        draw = torch.Generator().manual_seed(self._rows[which].seed * 65_537 + place)
        return -torch.empty(len(like)).exponential_(generator=draw).log().to(like)

    def _branch(self) -> list[int]:
        """Next token of each stream, after those streams have split whose rows go on differently."""
        found: dict[tuple[int, int], int] = {}
        ids: dict[int, int] = {}
        parents: list[int] = []
        # Rows that are done go last, and along with any other: what they would say does not matter.
        order = sorted(range(len(self._which)), key=lambda at: self._which[at] in self._done)
        for at in order:
            stream, token = self._stream[at], self._next[at]
            if self._which[at] in self._done and stream in ids:
                token = ids[stream]
            own = found.get((stream, token))
            if own is None:
                own = stream
                if stream in ids:
                    own = len(self._length) + len(parents)
                    parents.append(stream)
                found[stream, token], ids[own] = own, token
            self._stream[at] = own
        if parents:
            for layer in self._cache.slots[: self._split.layer]:
                layer.copy(parents)
            self._length += [self._length[parent] for parent in parents]
            self._prompt += [self._prompt[parent] for parent in parents]
        return [ids[stream] for stream in range(len(self._length))]

    def _pack(self) -> None:
        """Let go of rows that are done, and of streams without rows."""
        if not self._done:
            return
        kept = [at for at, which in enumerate(self._which) if which not in self._done]
        streams = sorted({self._stream[at] for at in kept})
        device = self._model.device
        for layers, rows in (
            (self._cache.slots[: self._split.layer], streams),
            (self._cache.slots[self._split.layer :], kept),
        ):
            for layer in layers:
                layer.take(torch.tensor(rows, device=device, dtype=torch.int64))
        new = {stream: n for n, stream in enumerate(streams)}
        self._which = [self._which[at] for at in kept]
        self._next = [self._next[at] for at in kept]
        self._stream = [new[self._stream[at]] for at in kept]
        self._length = [self._length[stream] for stream in streams]
        self._prompt = [self._prompt[stream] for stream in streams]
        self._done.clear()
