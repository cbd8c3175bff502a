"""Answers suites at strengths, where rows are not there yet, and writes every row when it is done. Knows no statistics."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from steer.apply import steered
from steer.recipe import Recipe
from steer_evals import engine as many
from steer_evals import plain
from steer_evals.asking import answer_tokens, answered, chosen
from steer_evals.engines import Engine, fits
from steer_evals.likelihood import Scored, likelihoods
from steer_evals.plain import Answer
from steer_evals.rows import Key, Row, append_rows, key, resume_rows
from steer_evals.suites import Item, Suite
from steer_vectors.chat import prompt_ids
from steer_vectors.models import ChatModel

Progress = Callable[[int, int], None]

_DRAWN = 8  # answers to an item of a suite on diversity, of which one says nothing
_AT_ONCE, _SECONDS = 64, 2.0  # rows, and time, that a kill may cost
_CHOICE_ITEMS = 32  # scored together


class Part(NamedTuple):
    """Suites at strengths of one recipe, and the file their rows go to."""

    rows: Path
    recipe: Recipe
    suites: Sequence[Suite]
    strengths: Sequence[float]
    ids: Mapping[tuple[str, str], tuple[int, ...]]  # of the prompts, by suite and item


class Sampling(NamedTuple):
    """How answers are drawn: greedily, or `samples` answers to every item at a temperature."""

    samples: int = 1
    temperature: float = 0.0
    seed: int = 0

    def of(self, suite: Suite) -> Sampling:
        """For one suite: one answer says nothing about diversity, and what is chosen is not drawn."""
        match suite.header.kind:
            case "choice":
                return Sampling()
            case "diversity":
                return Sampling(max(self.samples, _DRAWN), self.temperature or 1.0, self.seed)
        return self


class Worker:
    """Answers what is missing, and writes it down.

    Args:
        model: A live model, not steered.
        write: How answers are made.
        sampling: How they are drawn.
        at_once: Most rows in a batch; None = by free memory.
        progress: Called as `progress(done, total)`, in answers.
    """

    def __init__(
        self,
        model: ChatModel,
        write: Engine,
        sampling: Sampling,
        at_once: int | None,
        progress: Progress | None,
    ) -> None:
        self.model, self._write, self._sampling = model, write, sampling
        self._at_once, self._progress = at_once, progress
        self._total = self._done = 0

    def part(self, rows: Path, recipe: Recipe, suites: Sequence[Suite], strengths: Sequence[float]) -> Part:
        """A part whose prompts are known to fit.

        Raises:
            ModelError: One does not.
        """
        ids: dict[tuple[str, str], tuple[int, ...]] = {}
        for suite in suites:
            for item in suite.items:
                ids[suite.name, item.id] = tuple(prompt_ids(self.model.tokenizer, item.turns))
                self.model.require_room(len(ids[suite.name, item.id]) + answer_tokens(suite))
        return Part(rows, recipe, suites, strengths, ids)

    def work(self, parts: Sequence[Part], *, more: int) -> None:
        """Answer all that is missing; `more` strengths will follow."""
        done = {path: {key(row) for row in resume_rows(path)} for path in {part.rows for part in parts}}
        wanted = [list(self._wanted(part)) for part in parts]
        later = more * len(wanted[0]) // max(1, len(parts[0].strengths))
        self._total = sum(map(len, wanted)) + later
        self._done = 0
        missing = [
            [k for k in keys if k not in done[part.rows]] for part, keys in zip(parts, wanted, strict=True)
        ]
        self._report(sum(map(len, wanted)) - sum(map(len, missing)))
        for part, keys in zip(parts, missing, strict=True):
            self._save(part.rows, self._generated(part, keys))
            self._save(part.rows, self._chosen(part, keys))

    def _wanted(self, part: Part) -> Iterator[Key]:
        for suite in part.suites:
            for item in suite.items:
                for strength in part.strengths:
                    for sample in range(self._sampling.of(suite).samples):
                        yield Key(suite.name, item.id, strength, sample)

    def _generated(self, part: Part, missing: Sequence[Key]) -> Iterator[Row]:
        suites = {suite.name: suite for suite in part.suites}
        items = {(suite.name, item.id): item for suite in part.suites for item in suite.items}
        temperatures: dict[float, list[Key]] = {}
        for wanted in missing:
            suite = suites[wanted.suite]
            if suite.header.kind != "choice":
                temperatures.setdefault(self._sampling.of(suite).temperature, []).append(wanted)
        for temperature, keys in temperatures.items():
            rows = [
                many.Row(
                    part.ids[k.suite, k.item], k.strength, suites[k.suite].header.max_new_tokens,
                    _seed(self._sampling.seed, k),
                )
                for k in keys
            ]  # fmt: skip
            for said in self._write(
                self.model, part.recipe, rows, at_once=self._at_once, temperature=temperature
            ):
                k = keys[said.row]
                text = str(self.model.tokenizer.decode(said.tokens, skip_special_tokens=True)).strip()
                answer = Answer(text, len(said.tokens), not said.ended)
                yield answered(
                    suites[k.suite],
                    items[k.suite, k.item],
                    k.strength,
                    answer,
                    sample=k.sample,
                    ties=said.ties,
                )

    def _chosen(self, part: Part, missing: Sequence[Key]) -> Iterator[Row]:
        for suite in part.suites:
            own = [k for k in missing if k.suite == suite.name]
            if suite.header.kind != "choice" or not own:
                continue
            lacking: dict[str, list[float]] = {}
            for k in own:
                lacking.setdefault(k.item, []).append(k.strength)
            for strengths in dict.fromkeys(map(tuple, lacking.values())):
                items = [item for item in suite.items if tuple(lacking.get(item.id, ())) == strengths]
                for at in range(0, len(items), _CHOICE_ITEMS):
                    yield from self._scored(part, suite, items[at : at + _CHOICE_ITEMS], strengths)

    def _scored(
        self, part: Part, suite: Suite, items: Sequence[Item], strengths: Sequence[float]
    ) -> Iterator[Row]:
        encode = self.model.tokenizer.encode
        texts = [
            Scored(part.ids[suite.name, item.id], tuple(encode(choice, add_special_tokens=False)))
            for item in items
            for choice in item.choices
        ]
        if fits(self.model, part.recipe):
            found = likelihoods(self.model, part.recipe, texts, strengths, at_once=self._at_once).tolist()
        else:
            found = self._one_by_one(part, items, strengths)
        at = 0
        for item in items:
            own = found[at : at + len(item.choices)]
            at += len(item.choices)
            for strength, scores in zip(strengths, zip(*own, strict=True), strict=True):
                yield chosen(suite, item, strength, scores)

    def _one_by_one(self, part: Part, items: Sequence[Item], strengths: Sequence[float]) -> list[list[float]]:
        """As `likelihoods`, a strength at a time, for caches that hold more than keys and values."""
        chats = [item.turns for item in items for _ in item.choices]
        texts = [choice for item in items for choice in item.choices]
        columns = []
        for strength in strengths:
            with steered(self.model, part.recipe, dict.fromkeys(part.recipe.dials, strength)):
                columns.append(plain.likelihoods(self.model, chats, texts))
        return [list(row) for row in zip(*columns, strict=True)]

    def _save(self, path: Path, rows: Iterable[Row]) -> None:
        held: list[Row] = []
        last = time.monotonic()
        for row in rows:
            held.append(row)
            if len(held) >= _AT_ONCE or time.monotonic() - last > _SECONDS:
                self._append(path, held)
                held, last = [], time.monotonic()
        self._append(path, held)

    def _append(self, path: Path, rows: list[Row]) -> None:
        if rows:
            append_rows(path, rows)
            self._report(len(rows))

    def _report(self, more: int) -> None:
        self._done += more
        if self._progress is not None:
            self._progress(self._done, self._total)


def _seed(seed: int, wanted: Key) -> int:
    """Of an item's sample: the same at every strength, so that strengths are compared on the same draws."""
    name = f"{seed}/{wanted.suite}/{wanted.item}/{wanted.sample}"
    return int.from_bytes(hashlib.sha256(name.encode()).digest()[:4])
