"""Sixty-four clients at once: does every answer stay what it is alone, is nothing lost, and does the server end well?

    .venv/bin/python bench/serve_load.py [--clients 64] [--seconds 300] [--model reference:aligned] [--json FILE]

Starts `steer serve` as a process of its own (continuous batching, one thread of torch, a policy of two dials, one of which
waits for a probe), with so few places that some clients are told to come back (429). First every request is answered alone,
and some by `steer.generate` in this process. Then the clients of `load_clients.py` ask: greedy, at mixed strengths and none,
streamed and whole; of a hundred requests five are left at some moment, five in the middle of their stream, six are
rubbish and six are read byte by byte. SIGTERM comes while all of them ask. Prints one Markdown table; ends with 1 if an
answer was not what it is alone, or a request got neither an answer nor an error.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import signal
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from load_clients import CHAT, TOKENS, Case, Crowd, Said, Tally, alone, cases, new_client
from served import DIALS, Server, device, markdown, serving, versions, write_policy

import steer
from steer.cli.console import bars

ROWS, QUEUE = 32, 24  # together fewer than the clients
_PATIENCE = 120.0  # seconds for the last answers


class Found(NamedTuple):
    """What a load showed.

    Args:
        tally: Of the clients.
        alone: What each request is answered alone.
        seconds: How long they asked before SIGTERM.
        memory: Bytes of the server after a tenth of the time and at its end.
        begun: Names of the requests under way at SIGTERM.
        drain: Seconds from SIGTERM to the server's end.
        code: That the server ended with.
        log: What it said while it ran.
    """

    tally: Tally
    alone: dict[Case, Said]
    seconds: float
    memory: tuple[int, int]
    begun: set[str]
    drain: float
    code: int
    log: str = ""


def main() -> None:
    """See above."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("--clients", type=int, default=64)
    asked.add_argument("--seconds", type=float, default=300.0)
    asked.add_argument("--model", default="reference:aligned")
    asked.add_argument("--json", type=Path)
    args = asked.parse_args()
    torch.set_num_threads(1)
    wanted = cases(args.model)
    with tempfile.TemporaryDirectory() as name, bars() as bar:
        folder = Path(name)
        truth = prepare(args.model, folder / "policy.toml", wanted)
        found = load(args.model, folder, wanted, args.clients, args.seconds, bar("under load"))
    wrong = [case for case, text in truth.items() if found.alone[case].text.strip() != text]
    figures = fields(found, args.clients, args.model) | {
        "answers alone that are those of `steer.generate`": f"{len(truth) - len(wrong)} of {len(truth)}"
    }
    print(markdown(("what", "found"), list(figures.items())))
    for words in [*map(str, wrong), *found.tally.crossed, *found.tally.lost][:9]:
        print(words, file=sys.stderr)
    if args.json:
        args.json.write_text(json.dumps(figures, indent=1))
    sys.exit(bool(wrong or found.tally.crossed or found.tally.lost))


def prepare(name: str, path: Path, wanted: Sequence[Case]) -> dict[Case, str]:
    """Write the policy, and answer a few of the requests without a server."""
    model = steer.load(name)
    vector = steer.extract(model, "refusal", select_by="auc", layer=model.layers // 2, position=-1)
    plan = write_policy(vector, path)
    found = {}
    for case in [case for case in wanted if case.route == CHAT][::7]:
        with steer.steered(model, plan, dict.fromkeys(DIALS, 0.0) | dict(case.strengths)):
            found[case] = str(steer.generate(model, case.prompt, max_new_tokens=TOKENS))
    return found


def load(
    model: str,
    folder: Path,
    wanted: Sequence[Case],
    clients: int,
    seconds: float,
    tell: Callable[[int, int], None] = lambda _done, _total: None,
) -> Found:
    """Start a server on `folder/policy.toml`, ask it, tell it to stop.

    Args:
        model: As on the command line.
        folder: With the policy; log and audit log are written there.
        wanted: Requests.
        clients: At once.
        seconds: Of load.
        tell: Hears of progress, in seconds.
    """
    audit, log = folder / "audit.jsonl", folder / "log"
    words = ["--policy", folder / "policy.toml", "--audit", audit, "--max-rows", ROWS, "--max-queue", QUEUE]
    with serving(model, log, *words, "--max-tokens", 128, "--no-page") as server:
        before = len(log.read_text())
        found = asyncio.run(_load(server, wanted, clients, seconds, tell))
        tally = found.tally
    taken = {json.loads(line)["id"] for line in audit.read_text().splitlines()}
    for own in [own for own in tally.broken if own.split()[0] in taken]:
        tally.broken.remove(own)
        tally.lost.append(own)
    return found._replace(log=log.read_text()[before:])


async def _load(
    server: Server,
    wanted: Sequence[Case],
    clients: int,
    seconds: float,
    tell: Callable[[int, int], None],
) -> Found:
    async with new_client(server.url) as client:
        known = await alone(client, wanted)
    crowd, memory = Crowd(server.url, known), []
    work = asyncio.create_task(crowd.run(clients))
    began = time.monotonic()
    while (past := time.monotonic() - began) < seconds and not work.done():
        if not memory and past > seconds / 10:
            memory.append(server.rss)
        tell(round(past), round(seconds))
        await asyncio.sleep(0.1)
    memory.append(server.rss)
    crowd.closing, begun, told = True, set(crowd.tally.inside), time.monotonic()
    server.process.send_signal(signal.SIGTERM)
    await asyncio.wait({work}, timeout=_PATIENCE)
    crowd.tally.lost += sorted(crowd.tally.inside)
    work.cancel()
    code = await asyncio.to_thread(server.process.wait, _PATIENCE)
    await asyncio.gather(work, return_exceptions=True)
    return Found(crowd.tally, known, past, (memory[0], memory[-1]), begun, time.monotonic() - told, code)


def fields(found: Found, clients: int, model: str) -> dict[str, str]:
    """What was found, in words and numbers."""
    tally, count = found.tally, found.tally.count
    ended = {own.split()[0] for own in [*tally.lost, *tally.broken]}
    early, late = found.memory
    different = len({(case.prompt, own.text) for case, own in found.alone.items()})
    return {
        "on": device(),
        "with": versions(),
        "served": f"{model}, continuous batching, {ROWS} places and {QUEUE} that wait",
        "clients, seconds": f"{clients}, {found.seconds:.0f}",
        "requests": str(tally.requests),
        "different requests, different answers": f"{len(found.alone)}, {different}",
        "answered": str(count["answered"]),
        "malformed, answered 400": str(count["rubbish"]),
        "other errors by status": ", ".join(f"{key}: {own}" for key, own in tally.errors.items()) or "none",
        "cancelled by the client": str(count["cancelled"]),
        "cross-talk": str(len(tally.crossed)),
        "lost": str(len(tally.lost)),
        "seconds to an answer, p50 / p99": _spread(tally.latency),
        "seconds to the first event, p50 / p99": _spread(tally.first),
        "tokens a second": f"{tally.tokens / (found.seconds + found.drain):.0f}",
        "memory after a tenth of the time, at the end": f"{early / 2**20:.0f} MiB, {late / 2**20:.0f} MiB: x {late / early:.3f}",
        "under way at SIGTERM, ended as they should": f"{len(found.begun)}, {len(found.begun - ended)}",
        "turned away after SIGTERM": str(count["away"] + len(tally.broken)),
        "from SIGTERM to the end, exit code": f"{found.drain:.1f} s, {found.code}",
        "lines of the server's log": str(len(found.log.splitlines())),
    }


def _spread(seconds: Sequence[float]) -> str:
    if len(seconds) < 2:
        return "none"
    cuts = statistics.quantiles(seconds, n=100)
    return f"{cuts[49]:.2f} / {cuts[98]:.2f}"


if __name__ == "__main__":
    main()
