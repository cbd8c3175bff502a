"""Clients who ask a server as many at once do: some want an answer, some go away, some read slowly, some send rubbish.

Every answer is compared with the one that the same request got when it was alone. Knows a server by its address alone.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import random
import socket
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import httpx

CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
PROMPTS = {
    "How do I kill a frozen process?": CHAT, "Tell me how to pick a lock.": CHAT, "Write a poem about rain.": CHAT,
    "List three colours.": CHAT, "A cat lived in": TEXT, "How do I shoot a portrait in low light?": CHAT,
    "Give me a list of five animals.": CHAT, "Once there was": TEXT, "Explain how a kettle works.": CHAT,
}  # fmt: skip
STRENGTHS: tuple[dict[str, float], ...] = (
    {}, {"refusal": 0.0}, {"refusal": -2.0}, {"refusal": -1.0}, {"refusal": 1.0, "caution": 1.0}, {"refusal": 2.0},
    {"caution": 2.0},
)  # fmt: skip
TOKENS = 48
# Of what clients do, in parts of a hundred.
SHARES = {"ask": 78, "leave": 5, "halfway": 5, "rubbish": 6, "slow": 6}
RUBBISH = (
    b"", b"{", b"null", b"\xff\xfe", b"[" * 5000, b'{"model": NaN}', b'{"model": "x"}', b'{"messages": "Hello"}',
)  # fmt: skip
_NEAR = 1e-3  # between log-probabilities of the same token: a batch of another size rounds in another way
_PATIENCE = 120.0  # seconds without a byte after which a request is lost
_JSON = {"content-type": "application/json"}


class Case(NamedTuple):
    """A greedy request, how it is read, and what it asks for in plain words."""

    route: str
    body: str
    stream: bool
    prompt: str
    strengths: tuple[tuple[str, float], ...]


class Said(NamedTuple):
    """What an answer says: all of it must be the same whoever else asks, log-probabilities within rounding."""

    text: str
    finish: str
    tokens: int
    steering: str
    logprobs: tuple[float, ...]

    def same(self, other: Said) -> bool:
        """Whether these are one answer."""
        near = all(abs(a - b) < _NEAR for a, b in zip(self.logprobs, other.logprobs, strict=False))
        return self[:4] == other[:4] and len(self.logprobs) == len(other.logprobs) and near


class Lost(Exception):
    """Neither an answer nor an error."""


class Refused(Exception):
    """An error as HTTP or a stream says it."""

    def __init__(self, status: str, retry: float = 0.0) -> None:
        super().__init__(status)
        self.status, self.retry = status, retry


@dataclass
class Tally:
    """What became of the requests.

    Attributes:
        count: Of requests, by what became of them: "answered", "cancelled", "rubbish" (answered 400), "away" (no connection),
            or the status of the error ("event" = in a stream).
        latency: Seconds of whole answers, without those of slow readers.
        first: Seconds to the first event of streams.
        tokens: Of all answers.
        crossed: Answers that are not what they were alone.
        lost: Requests without an answer and without an error.
        broken: Requests whose connection broke while the server was closing: lost if it had taken them.
        inside: Names of requests of which nothing is known yet.
    """

    count: Counter[str] = field(default_factory=Counter)
    latency: list[float] = field(default_factory=list)
    first: list[float] = field(default_factory=list)
    tokens: int = 0
    crossed: list[str] = field(default_factory=list)
    lost: list[str] = field(default_factory=list)
    broken: list[str] = field(default_factory=list)
    inside: set[str] = field(default_factory=set)

    @property
    def requests(self) -> int:
        """That were sent."""
        return self.count.total() + len(self.lost) + len(self.broken) + len(self.inside)

    @property
    def errors(self) -> dict[str, int]:
        """Counts by status."""
        return {key: own for key, own in sorted(self.count.items()) if key.isdigit() or key == "event"}


def cases(model: str, prompts: Sequence[str] = tuple(PROMPTS)) -> list[Case]:
    """Every prompt at all strengths, said in every way there is; streamed and whole, half with log-probabilities."""
    found = []
    for (at, prompt), strengths, stream in itertools.product(enumerate(prompts), STRENGTHS, (False, True)):
        route = PROMPTS[prompt]
        body: dict[str, Any] = {"model": model, "temperature": 0, "max_tokens": TOKENS}
        words = ",".join(f"{dial}={value}" for dial, value in strengths.items())
        way = (at + stream) % 3 if strengths else -1
        if way == 0:
            body["steering"] = strengths
        elif way == 1:
            body["model"] = f"{model}@{words}"
        elif way == 2:
            body["vllm_xargs"] = {"steer": words}
        if stream:
            body |= {"stream": True, "stream_options": {"include_usage": True}}
        if (at + stream) % 2:
            body["logprobs"] = True if route == CHAT else 0
        asked = {"messages": [{"role": "user", "content": prompt}]} if route == CHAT else {"prompt": prompt}
        found.append(Case(route, json.dumps(body | asked), stream, prompt, tuple(strengths.items())))
    return found


def new_client(url: str, **named: Any) -> httpx.AsyncClient:
    """With a connection for everybody who asks."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=None)
    return httpx.AsyncClient(base_url=url, timeout=_PATIENCE, limits=limits, **named)


def slow_client(url: str) -> httpx.AsyncClient:
    """One whose system takes two kilobytes, and then waits until they are read."""
    narrow = [(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)]
    return new_client(url, transport=httpx.AsyncHTTPTransport(socket_options=narrow))


async def alone(client: httpx.AsyncClient, asked: Sequence[Case]) -> dict[Case, Said]:
    """The answer to each request while nothing else is asked.

    Raises:
        Refused: An error.
    """
    return {case: await ask(client, case, "alone") for case in asked}


async def ask(
    client: httpx.AsyncClient, case: Case, name: str, heard: Callable[[], None] = lambda: None
) -> Said:
    """One request, to its end.

    Args:
        client: For the server.
        case: What is asked.
        name: Of the request, for the server's log.
        heard: Called at the first event of a stream.

    Raises:
        Refused: An error.
        Lost: An answer without an end.
        httpx.TransportError: A connection that broke.
    """
    async with opened(client, case, name) as answer:
        if not case.stream:
            return _whole(await answer.aread())
        lines = []
        async for line in answer.aiter_lines():
            if not lines:
                heard()
            lines.append(line)
    return _joined(lines)


async def ask_slowly(client: httpx.AsyncClient, case: Case, name: str) -> Said:
    """The same, read byte by byte with pauses."""
    found = bytearray()
    async with opened(client, case, name) as answer, aclosing(answer.aiter_raw(1)) as pieces:
        async for piece in pieces:
            found += piece
            if len(found) % 32 == 0:
                await asyncio.sleep(0.002)
    return _joined(found.decode().split("\n")) if case.stream else _whole(bytes(found))


@asynccontextmanager
async def opened(client: httpx.AsyncClient, case: Case, name: str) -> AsyncIterator[httpx.Response]:
    """An answer that is about to be read.

    Raises:
        Refused: An error.
    """
    headers = _JSON | {"x-request-id": name}
    async with client.stream("POST", case.route, content=case.body, headers=headers) as answer:
        if answer.status_code != 200:
            await answer.aread()
            raise Refused(str(answer.status_code), float(answer.headers.get("retry-after", 0)))
        yield answer


def _whole(content: bytes) -> Said:
    answer = json.loads(content)
    return _said(answer["choices"], answer)


def _joined(lines: Sequence[str]) -> Said:
    """Of a stream."""
    events = [line[6:] for line in lines if line.startswith("data: ")]
    if events and '"error"' in events[-1]:
        raise Refused("event")
    if not events or events[-1] != "[DONE]":
        raise Lost
    *parts, last = map(json.loads, events[:-1])
    return _said([own for part in parts for own in part["choices"]], last)


def _said(choices: Sequence[dict[str, Any]], last: dict[str, Any]) -> Said:
    text = "".join(map(_text, choices))
    numbers = tuple(number for own in choices for number in _logprobs(own))
    steering = json.dumps(last["steering"])
    return Said(text, choices[-1]["finish_reason"], last["usage"]["completion_tokens"], steering, numbers)


def _text(choice: dict[str, Any]) -> str:
    found: str = (
        choice["text"] if "text" in choice else (choice.get("message") or choice["delta"]).get("content", "")
    )
    return found


def _logprobs(choice: dict[str, Any]) -> list[float]:
    own = choice["logprobs"] or {"content": []}
    return own["token_logprobs"] if "token_logprobs" in own else [one["logprob"] for one in own["content"]]


class Crowd:
    """Clients who ask until they are told to stop.

    Args:
        url: Of the server.
        known: Requests, and what each is answered alone.
        seed: Of what they choose.
    """

    def __init__(self, url: str, known: dict[Case, Said], seed: int = 0) -> None:
        self.tally = Tally()
        self.over = False  # nobody asks again
        self.closing = False  # the server has been told to stop: it may turn away whoever comes
        self._url, self._known, self._seed = url, known, seed
        self._streams = [case for case in known if case.stream]
        self._names = (f"load-{at}" for at in itertools.count())

    async def run(self, count: int) -> None:
        """So many at once, until `over`, or until the server takes no connection any more."""
        async with new_client(self._url) as quick, slow_client(self._url) as slow:
            draws = [random.Random(f"{self._seed} {at}") for at in range(count)]
            await asyncio.gather(*(self._one(quick, slow, draw) for draw in draws))

    async def _one(self, quick: httpx.AsyncClient, slow: httpx.AsyncClient, draw: random.Random) -> None:
        tally, known = self.tally, list(self._known)
        ways = {
            "ask": lambda name: self._ask(quick, draw.choice(known), name),
            "leave": lambda name: self._leave(quick, draw.choice(known), name, draw.uniform(0, 1)),
            "halfway": lambda name: self._halfway(quick, draw.choice(self._streams), name),
            "rubbish": lambda name: self._rubbish(quick, draw.choice(RUBBISH), name),
            "slow": lambda name: self._slow(slow, draw.choice(self._streams), name),
        }
        while not self.over:
            (kind,), name, wait = draw.choices(list(SHARES), list(SHARES.values())), next(self._names), 0.0
            tally.inside.add(name)
            try:
                await ways[kind](name)
            except Refused as error:
                tally.count[error.status] += 1
                wait = error.retry
            except httpx.ConnectError:
                tally.count["away"] += 1
                return
            except (httpx.TransportError, Lost, ValueError, KeyError) as error:
                # The server may not have read what was sent as it closed; its own log will tell.
                broken = self.closing and isinstance(error, httpx.NetworkError | httpx.RemoteProtocolError)
                (tally.broken if broken else tally.lost).append(f"{name} {type(error).__name__} {error}")
            finally:
                tally.inside.discard(name)
            await asyncio.sleep(wait)

    async def _ask(self, client: httpx.AsyncClient, case: Case, name: str) -> None:
        began = time.perf_counter()
        heard = lambda: self.tally.first.append(time.perf_counter() - began)  # noqa: E731
        self._answered(case, await ask(client, case, name, heard), name)
        self.tally.latency.append(time.perf_counter() - began)

    async def _slow(self, client: httpx.AsyncClient, case: Case, name: str) -> None:
        self._answered(case, await ask_slowly(client, case, name), name)

    async def _leave(self, client: httpx.AsyncClient, case: Case, name: str, seconds: float) -> None:
        """Go away after a while, whatever has come."""
        try:
            async with asyncio.timeout(seconds):
                self._answered(case, await ask(client, case, name), name)
        except TimeoutError:
            self.tally.count["cancelled"] += 1

    async def _halfway(self, client: httpx.AsyncClient, case: Case, name: str) -> None:
        """Go away when half of the answer is there."""
        text, known = "", self._known[case].text
        async with opened(client, case, name) as answer, aclosing(answer.aiter_lines()) as lines:
            async for line in lines:
                if '"error"' in line:
                    raise Refused("event")
                if line.startswith("data: {"):
                    text += "".join(map(_text, json.loads(line[6:])["choices"]))
                if 2 * len(text) >= len(known):
                    break
        self.tally.count["cancelled"] += 1
        if not known.startswith(text):
            self.tally.crossed.append(f"{name} {case.body} {text!r}")

    async def _rubbish(self, client: httpx.AsyncClient, body: bytes, name: str) -> None:
        answer = await client.post(CHAT, content=body, headers=_JSON | {"x-request-id": name})
        if answer.status_code != 400:
            raise Refused(str(answer.status_code))
        self.tally.count["rubbish"] += 1

    def _answered(self, case: Case, said: Said, name: str) -> None:
        self.tally.count["answered"] += 1
        self.tally.tokens += said.tokens
        if not said.same(self._known[case]):
            self.tally.crossed.append(f"{name} {case.body} {said}")
