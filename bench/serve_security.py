"""What `steer serve` answers to whoever has no key, the wrong one, or asks for what nobody may have.

    .venv/bin/python bench/serve_security.py [--bodies 10000] [--json FILE]

Starts `steer serve` twice as a process of its own, with keys and without, sends every request over a socket as bytes, and
prints two Markdown tables: each route by who asks, and each kind of request with its status. At last come bodies that are
valid ones changed by chance, of a fixed seed. Ends with 1 if a status is not the one that stands beside the request in
this file, if an answer is a failure of the server (5xx) or names one of its files, or if a greedy answer has changed.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import sys
import tempfile
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import urlsplit

import torch
from attacks import (
    ADMIN,
    BODIES,
    CHAT,
    LIMITS,
    NAME,
    NARROW,
    USER,
    WHO,
    Row,
    changed,
    expected_of,
    routes,
    rows,
    wire,
)
from served import DIALS, device, markdown, serving, versions, write_policy

import steer
from steer.policy import save_policy

_AT_ONCE = 8
_PATIENCE = 90  # seconds; the server itself waits 30 for a body
_GREEDY = wire("POST", CHAT, BODIES[CHAT])
Ask = Callable[[str, bytes], Awaitable[int]]


class Found(NamedTuple):
    """What the servers answered.

    Args:
        routes: By route, statuses without a key, with wrong ones, with a user's and with the administrator's.
        rows: By kind of request, the statuses.
        fuzzed: How many of the changed bodies got which status.
        wrong: What is not as it should be.
    """

    routes: dict[str, tuple[set[int], ...]]
    rows: dict[str, set[int]]
    fuzzed: Counter[int]
    wrong: list[str]


def main() -> None:
    """See above."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--bodies", type=int, default=10_000)
    asked.add_argument("--json", type=Path)
    args = asked.parse_args()
    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        lay_out(steer.extract(steer.load(NAME), "refusal", select_by="auc", layer=4, position=-1), folder)
        limits = [word for key, own in LIMITS.items() for word in (f"--max-{key}", own)]
        policy = ["--policy", folder / "policy.toml", *limits]
        keys = [
            "--key-file", folder / "keys", "--admin-key-file", folder / "admin", "--policies", folder / "allowed",
        ]  # fmt: skip
        with (
            serving(NAME, folder / "keys.log", *policy, *keys) as guarded,
            serving(NAME, folder / "open.log", *policy) as open_,
        ):
            found = asyncio.run(look(guarded.url, open_.url, folder, args.bodies))
        found.wrong.extend(_said(folder / "keys.log") + _said(folder / "open.log"))
    print(tables(found))
    print(f"\n{device()}; {versions()}")
    for words in found.wrong:
        print(words, file=sys.stderr)
    if args.json:
        rows = {what: sorted(own) for what, own in found.rows.items()}
        routes = {route: [sorted(own) for own in cells] for route, cells in found.routes.items()}
        args.json.write_text(json.dumps({"routes": routes, "rows": rows, "fuzzed": found.fuzzed}, indent=1))
    sys.exit(bool(found.wrong))


def lay_out(vector: Any, folder: Path) -> None:
    """Policy, keys, and a folder of policies: one that may be loaded, one under the floor, one broken, one behind a link."""
    allowed = folder / "allowed"
    allowed.mkdir()
    plan = write_policy(vector, folder / "policy.toml")
    save_policy(plan, allowed / "same.toml", DIALS)
    save_policy(plan, allowed / "low.toml", DIALS, {"below_plain": True})
    (allowed / "broken.toml").write_text("version = 1\nedits = 3\n")
    (allowed / "away.toml").symlink_to(folder / "policy.toml")
    (folder / "keys").write_text(f"{USER}\n{NARROW} refusal=-0.2:0.2\n")
    (folder / "admin").write_text(f"{ADMIN}\n")


async def look(guarded: str, open_: str, folder: Path, bodies: int) -> Found:
    """Ask both servers everything.

    Args:
        guarded: Address of the one with keys.
        open_: Of the one without.
        folder: As laid out: no answer may name it.
        bodies: How many changed ones.
    """
    found = Found({}, {}, Counter(), [])

    async def ask(url: str, request: bytes) -> int:
        status, body = await send(url, request)
        for secret in (str(folder), "Traceback", USER, NARROW, ADMIN):
            if secret.encode() in body:
                found.wrong.append(f"an answer that says {secret!r}: {request[:200]!r}")
        return status

    async def check(row: Row) -> None:
        url = guarded if row.keys else open_
        statuses = {await ask(url, request) for request in row.requests}
        found.rows[row.what] = statuses
        if statuses != {row.expected}:
            found.wrong.append(f"{row.what}: {sorted(statuses)}, expected {row.expected}")

    before = await _greedy(guarded)
    await _routes(found, ask, guarded)
    wanted = rows()
    found.rows.update({row.what: set() for row in wanted})  # in this order
    waiting = [asyncio.ensure_future(check(row)) for row in wanted if row.expected == 408]  # half a minute
    for row in wanted:
        if row.expected != 408:
            await check(row)
    await _fuzz(found, ask, guarded, bodies)
    await asyncio.gather(*waiting)
    healthy = {await ask(url, wire("GET", "/health")) for url in (guarded, open_)}
    if healthy != {200} or await _greedy(guarded) != before:
        found.wrong.append("a server that does not answer as it did")
    return found


async def send(url: str, request: bytes) -> tuple[int, bytes]:
    """The status and the rest of the answer; 0 = the connection was closed without one."""
    split = urlsplit(url)
    found = bytearray()
    reader, writer = await asyncio.open_connection(split.hostname, split.port)

    async def write() -> None:
        writer.write(request)
        await writer.drain()

    # A server may answer before it has read everything, and then close.
    writing = asyncio.ensure_future(write())
    try:
        async with asyncio.timeout(_PATIENCE):
            while part := await reader.read(65_536):
                found += part
    except ConnectionError:
        pass  # closed with something unread
    finally:
        writer.close()
        await asyncio.gather(writing, return_exceptions=True)
    status = bytes(found[9:12]).decode() if found.startswith(b"HTTP/1.1 ") else ""
    return int(status) if status.isdigit() else 0, bytes(found)


async def _greedy(url: str) -> str:
    _, answer = await send(url, _GREEDY)
    return str(json.loads(answer.partition(b"\r\n\r\n")[2])["choices"])


async def _routes(found: Found, ask: Ask, url: str) -> None:
    _, answer = await send(url, wire("GET", "/openapi.json"))
    for words, method, path in routes(json.loads(answer.partition(b"\r\n\r\n")[2])):
        cells = []
        for keys, expected in zip(WHO.values(), expected_of(path), strict=True):
            statuses = {await ask(url, wire(method, path, BODIES.get(path), key=key)) for key in keys}
            cells.append(statuses)
            if statuses != {expected}:
                found.wrong.append(f"{words}: {sorted(statuses)}, expected {expected}")
        found.routes[words] = tuple(cells)


async def _fuzz(found: Found, ask: Ask, url: str, bodies: int) -> None:
    draw, done = random.Random(0), iter(range(bodies))

    async def some() -> None:
        for _ in done:
            request = changed(draw)
            status = await ask(url, request)
            found.fuzzed[status] += 1
            if not 200 <= status < 500:
                found.wrong.append(f"{status} to {request[-300:]!r}")

    await asyncio.gather(*(some() for _ in range(_AT_ONCE)))


def tables(found: Found) -> str:
    """As Markdown; the last row alone has counts."""
    routes_ = [(words, *map(_words, cells)) for words, cells in found.routes.items()]
    rows_ = [(what, _words(statuses)) for what, statuses in found.rows.items()]
    counts = ", ".join(f"{status}: {count}" for status, count in sorted(found.fuzzed.items()))
    fuzzed = (f"{found.fuzzed.total():,} bodies changed by chance", counts)
    return "\n\n".join(
        (markdown(("route", *WHO), routes_), markdown(("request", "answer"), [*rows_, fuzzed]))
    )


def _words(statuses: set[int]) -> str:
    return ", ".join(map(str, sorted(statuses)))


def _said(log: Path) -> list[str]:
    """Lines of a server's log that tell of a failure."""
    return [line for line in log.read_text().splitlines() if "Traceback" in line or "Error" in line]


if __name__ == "__main__":
    main()
