"""A request for answers, from its body to parts of answers: strengths, room, places at the door, and the shapes OpenAI has.

Knows no routes; `Answers` is what a route streams or collects.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, aclosing
from typing import Any, NamedTuple

from steer.errors import PlanError
from steer.server.drawing import Draw, Piece
from steer.server.engine import Asked
from steer.server.house import House, Served
from steer.server.keys import Key
from steer.server.protocol import Asking, ChatAsking, TextAsking, one_of, split
from steer.server.reading import Decided
from steer.server.writing import Part, chat_logprobs, text_logprobs, word, write
from steer_vectors.chat import Message, prompt_ids

Written = Callable[[], Awaitable[None]]
_TEXT_TOKENS = 16  # of a plain completion that does not say, as OpenAI has it


async def _nothing() -> None:
    """Nobody wants to know."""


class TooLongError(PlanError):
    """More tokens than there is room for."""


class Choice(NamedTuple):
    """One answer to be written: the number of its prompt, and what is asked of the engine; None = nothing is written."""

    prompt: int
    asked: Asked | None


class Answers:
    """The answers to one request.

    Args:
        house: Where it is asked.
        body: What was asked.
        key: Who asks.
        notes: For the audit log; filled in.

    Raises:
        PlanError: Strengths that the policy refuses, a prompt that cannot be read.
        ForbiddenError: Strengths that the key may not give.
        TooLongError: No room.
    """

    def __init__(self, house: House, body: Asking, key: Key | None, notes: dict[str, Any]) -> None:
        self.house, self.body, self.key, self.notes = house, body, key, notes
        self.created = int(time.time())
        self.wanted = one_of(split(body.model, house.settings.name), body.asked)
        notes |= {"model": body.model[:200], "asked": brief(self.wanted)}
        self.prompts = _prompts(house, body)
        self.served, self.strengths = self._strengths()
        self.most = self._most()
        self.decided: list[Decided] = []
        self.choices: list[Choice] = []
        self.scores: list[list[Piece]] = []
        self.written = 0

    @property
    def top(self) -> int | None:
        """How many log-probabilities are asked for at each place; None = none."""
        return self.body.top if isinstance(self.body, ChatAsking) else getattr(self.body, "logprobs", None)

    @property
    def usage(self) -> dict[str, int]:
        """Tokens read and written."""
        read = sum(map(len, self.prompts))
        return {
            "prompt_tokens": read, "completion_tokens": self.written, "total_tokens": read + self.written,
        }  # fmt: skip

    @property
    def steering(self) -> dict[str, Any]:
        """What is told of the steering: of the first prompt, where there are several."""
        return {"policy": self.served.hash, "strengths": self.strengths, **gate_fields(self.decided[0])}

    async def begin(self, stack: AsyncExitStack) -> None:
        """Wait for a place, which `stack` gives back; ask the probes; lay out what is to be written.

        Raises:
            BusyError: The queue is full.
        """
        n = self.body.n or 1
        await stack.enter_async_context(self.house.door.enter(n * len(self.prompts)))
        if self.served is not self.house.served:  # another policy came while it waited
            self.served, self.strengths = self._strengths()
        plan, reader = self.served.plan, self.house.reader
        self.decided = [await reader.decide(plan, ids, self.strengths) for ids in self.prompts]
        risk = [own.risk for own in self.decided if own.risk is not None]
        self.notes |= {"given": self.strengths, "policy": self.served.hash, "risk": max(risk, default=None)}
        for own in self.decided:
            self.house.metrics.given(self.strengths, own)
        self.choices = [self._choice(at, i) for at in range(len(self.prompts)) for i in range(n)]
        if isinstance(self.body, TextAsking) and self.body.echo and self.top is not None:
            self.scores = [await reader.score(plan, ids, self.strengths, self.top) for ids in self.prompts]

    async def parts(self, written: Written = _nothing) -> AsyncGenerator[tuple[int, Part], None]:
        """Parts of all answers as they come, each with the number of its choice.

        Args:
            written: Called when the engine is done, which may be long before a slow client has read all.

        Raises:
            EngineError: As `Engine.write`.
        """
        began = time.perf_counter()
        engine, tokenizer = self.served.engine, self.house.model.tokenizer
        streams = {
            at: write(engine, tokenizer, own.asked, self.body.stops)
            for at, own in enumerate(self.choices)
            if own.asked is not None
        }
        for at in range(len(self.choices)):
            if at not in streams:
                yield at, Part("", (), 0, "length")
        counts: dict[int, int] = {}
        try:
            async with aclosing(merged(streams, written)) as found:
                async for at, part in found:
                    if not counts:
                        self.house.metrics.first.observe(time.perf_counter() - began)
                    counts[at] = part.tokens
                    self.written = sum(counts.values())
                    yield at, part
        finally:
            usage = self.usage
            self.notes |= {"read": usage["prompt_tokens"], "written": usage["completion_tokens"]}
            self.house.metrics.tokens.labels("prompt").inc(usage["prompt_tokens"])
            self.house.metrics.tokens.labels("answer").inc(usage["completion_tokens"])

    def echo(self, at: int) -> str:
        """What stands before the text of a choice."""
        if not (isinstance(self.body, TextAsking) and self.body.echo):
            return ""
        prompt = self.body.prompts[self.choices[at].prompt]
        return prompt if isinstance(prompt, str) else str(self.house.model.tokenizer.decode(prompt))

    def logprobs(self, at: int, pieces: Sequence[Piece], offset: int = 0, *, first: bool = True) -> Any:
        """Of tokens of a choice, in the shape of its kind; None where none were asked for."""
        if self.top is None:
            return None
        tokenizer = self.house.model.tokenizer
        if isinstance(self.body, ChatAsking):
            # Plain completions tell of the end too: who scores by `echo` takes off as many tokens as were asked for.
            told = [own for own in pieces if own.token not in self.house.ends]
            return chat_logprobs(tokenizer, told) if told or first else None
        before = self.scores[self.choices[at].prompt] if self.scores and first else []
        return text_logprobs(tokenizer, [*before, *pieces], offset)

    def words(self, pieces: Sequence[Piece]) -> int:
        """Characters of tokens, as log-probabilities count them."""
        return sum(len(word(self.house.model.tokenizer, own.token)) for own in pieces)

    def _strengths(self) -> tuple[Served, dict[str, float]]:
        served = self.house.served
        strengths = served.strengths(self.wanted, self.key)
        echoed = isinstance(self.body, TextAsking) and self.body.echo and self.top is not None
        if echoed and served.engine.facts.name == "llama_cpp":
            raise PlanError("echo with logprobs in llama.cpp", "one of them", "leave one out")
        return served, strengths

    def _most(self) -> int:
        limits, room = self.house.limits, self.served.engine.facts.room
        longest, n = max(map(len, self.prompts)), self.body.n or 1
        if n * len(self.prompts) > limits.rows:
            raise PlanError(
                f"{n * len(self.prompts)} answers in one request", f"at most {limits.rows}", "ask for fewer"
            )
        if longest > limits.prompt:
            raise TooLongError(f"a prompt of {longest} tokens", f"at most {limits.prompt}", "shorten it")
        if isinstance(self.body, ChatAsking):
            most = self.body.most
            default = limits.tokens
        else:
            most, default = getattr(self.body, "max_tokens", None), _TEXT_TOKENS
        if most is None:
            most = max(1, min(default, room - longest))
        if most > limits.tokens or longest + most > room:
            raise TooLongError(
                f"a prompt of {longest} tokens and an answer of {most}",
                f"at most {limits.tokens} of an answer, and {room} together",
                "ask for fewer, or shorten the prompt",
            )
        return most

    def _choice(self, prompt: int, at: int) -> Choice:
        body = self.body
        if not self.most:
            return Choice(prompt, None)
        draw = Draw(
            1.0 if body.temperature is None else body.temperature,
            1.0 if body.top_p is None else body.top_p,
            None if body.seed is None else _seed(body.seed, at),
            self.top,
        )
        return Choice(
            prompt,
            Asked(self.prompts[prompt], self.decided[prompt].strengths, self.most, draw, self.house.ends),
        )


async def merged(
    streams: dict[int, AsyncIterator[Part]], written: Written
) -> AsyncGenerator[tuple[int, Part], None]:
    """Several answers as one stream of parts; closing it cancels them all. They are written however slowly it is read."""
    found: asyncio.Queue[tuple[int, Part | Exception]] = asyncio.Queue()

    async def pump(at: int, stream: AsyncIterator[Part]) -> None:
        try:
            async with aclosing(stream) as parts:  # type: ignore[type-var]  # of an async generator
                async for part in parts:
                    found.put_nowait((at, part))
        except Exception as error:
            found.put_nowait((at, error))
            raise

    async def all_of() -> None:
        async with asyncio.TaskGroup() as group:
            for at, stream in streams.items():
                group.create_task(pump(at, stream))
        await written()

    writing = asyncio.create_task(all_of())
    try:
        left = len(streams)
        while left:
            at, part = await found.get()
            if isinstance(part, Exception):
                raise part
            left -= part.finish is not None
            yield at, part
    finally:
        writing.cancel()
        await asyncio.gather(writing, return_exceptions=True)


def brief(asked: object) -> object:
    """Strengths for the log, however much was written in their place."""
    return asked if len(repr(asked)) <= 200 else f"{repr(asked)[:200]}..."


def gate_fields(decided: Decided) -> dict[str, Any]:
    """The risk of a prompt and what each probe opens by."""
    return {"risk": decided.risk, "gate": [gate._asdict() for gate in decided.gates]}


def _prompts(house: House, body: Asking) -> list[tuple[int, ...]]:
    tokenizer = house.model.tokenizer
    if isinstance(body, ChatAsking):
        if not tokenizer.chat_template:
            raise PlanError("a model without a chat template", "plain completions", "ask /v1/completions")
        turns = [Message(role=turn.role, content=turn.text) for turn in body.messages]
        return [tuple(prompt_ids(tokenizer, turns))]
    if not isinstance(body, TextAsking):
        raise TypeError(type(body))
    size = house.model.hf.config.get_text_config().vocab_size
    found = []
    for prompt in body.prompts:
        ids: list[int] = tokenizer(prompt)["input_ids"] if isinstance(prompt, str) else prompt
        if not ids or not all(own < size for own in ids):
            raise PlanError(
                "a prompt without tokens, or with one that the model does not have",
                f"some, each below {size}",
                "mend the prompt",
            )
        found.append(tuple(ids))
    return found


def _seed(seed: int, at: int) -> int:
    """Answers to one prompt differ, and each is the same the next time."""
    return int((seed + at) % 2**63)
