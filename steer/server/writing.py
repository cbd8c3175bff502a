"""From an engine's tokens to what a client reads: text as it becomes certain, stop texts, log-probabilities, usage.

A streamed answer and one that comes whole are made of the same parts, so they are equal. Knows no policy and no route.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, NamedTuple

from transformers import PreTrainedTokenizerBase

from steer.server.drawing import Piece
from steer.server.engine import Asked, Engine

_HALF = "\ufffd"  # what a tokenizer writes for a character of which bytes are missing


class Part(NamedTuple):
    """What came with one step.

    Args:
        text: New text, perhaps none yet.
        pieces: Tokens of the answer that are told; the last part has the one that ends it, which is no text.
        tokens: How many were generated in all so far, the end included.
        finish: "stop" or "length" in the last part, else None.
    """

    text: str
    pieces: tuple[Piece, ...]
    tokens: int
    finish: str | None = None


class Decoder:
    """Text of tokens that come one by one: a character is told when it is whole.

    Args:
        tokenizer: Of the model.
    """

    def __init__(self, tokenizer: PreTrainedTokenizerBase) -> None:
        self._tokenizer = tokenizer
        self._ids: list[int] = []
        self._from, self._read = 0, 0  # of the tokens: where decoding begins, and how many are told

    def add(self, token: int) -> str:
        """What is certain now and was not before."""
        self._ids.append(token)
        # What comes before may change how a token is written; so some of it is decoded again and taken off.
        old, new = self._text(self._read), self._text(len(self._ids))
        if new.endswith(_HALF) or len(new) <= len(old):
            return ""
        self._from, self._read = self._read, len(self._ids)
        return new[len(old) :]

    def rest(self) -> str:
        """What will not become whole any more."""
        return self._text(len(self._ids))[len(self._text(self._read)) :]

    def _text(self, end: int) -> str:
        return str(self._tokenizer.decode(self._ids[self._from : end], skip_special_tokens=True))


class Cutter:
    """Ends a text before the first stop text; keeps back what may be the beginning of one.

    Args:
        stops: Texts, none of them empty.
    """

    def __init__(self, stops: Sequence[str]) -> None:
        self._stops = tuple(stops)
        self._held = ""
        self.found = False

    def add(self, text: str) -> str:
        """What may be told."""
        whole = self._held + text
        cuts = [at for at in map(whole.find, self._stops) if at >= 0]
        if cuts:
            self.found, self._held = True, ""
            return whole[: min(cuts)]
        keep = max((_begun(whole, stop) for stop in self._stops), default=0)
        self._held = whole[len(whole) - keep :]
        return whole[: len(whole) - keep]

    def rest(self) -> str:
        """What was kept back, and stopped nothing."""
        return self._held


def _begun(text: str, stop: str) -> int:
    """How many of the last characters may be the beginning of a stop text."""
    return next((n for n in range(min(len(stop) - 1, len(text)), 0, -1) if text.endswith(stop[:n])), 0)


async def write(
    engine: Engine, tokenizer: PreTrainedTokenizerBase, asked: Asked, stops: Sequence[str]
) -> AsyncIterator[Part]:
    """An answer, part by part; the last one says why it ends. Closing the iterator cancels it.

    Raises:
        EngineError: As `Engine.write`.
    """
    decoder, cutter = Decoder(tokenizer), Cutter(stops)
    count = 0
    async with aclosing(engine.write(asked)) as tokens:  # type: ignore[type-var]  # of an async generator
        async for piece in tokens:
            count += 1
            if piece.token in asked.stops:
                break
            text = cutter.add(decoder.add(piece.token))
            if cutter.found:
                yield Part(text, (piece,), count, "stop")
                return
            yield Part(text, (piece,), count)
    end = (piece,) if count and piece.token in asked.stops else ()
    last = cutter.add(decoder.rest())
    finish = "stop" if end or count < asked.most or cutter.found else "length"
    yield Part(last + cutter.rest(), end, count, finish)


def chat_logprobs(tokenizer: PreTrainedTokenizerBase, pieces: Sequence[Piece]) -> dict[str, Any]:
    """As chat completions have them."""

    def told(token: int, logprob: float) -> dict[str, Any]:
        text = word(tokenizer, token)
        return {
            "token": text, "logprob": logprob, "bytes": None if _HALF in text else list(text.encode("utf-8", "replace")),
        }  # fmt: skip

    return {
        "content": [
            {**told(own.token, own.logprob or 0.0), "top_logprobs": [told(*each) for each in own.top]}
            for own in pieces
        ],
        "refusal": None,
    }


def text_logprobs(
    tokenizer: PreTrainedTokenizerBase, pieces: Sequence[Piece], offset: int = 0
) -> dict[str, Any]:
    """As plain completions have them; places are counted from `offset` characters on."""
    words = [word(tokenizer, own.token) for own in pieces]
    offsets = [offset + sum(map(len, words[:at])) for at in range(len(words))]
    return {
        "tokens": words,
        "token_logprobs": [own.logprob for own in pieces],
        "top_logprobs": [
            None if own.logprob is None else {word(tokenizer, token): value for token, value in own.top}
            for own in pieces
        ],
        "text_offset": offsets,
    }


def word(tokenizer: PreTrainedTokenizerBase, token: int) -> str:
    """A token by itself."""
    return str(tokenizer.decode([token]))
