"""What steering costs the server: tokens a second of 32 streams at mixed strengths, beside the same server unsteered.

    python bench/serve_throughput.py MODEL-FOLDER [--streams 32] [--tokens 48] [--rounds 9] [--json FILE]

Three servers stay up, each a process on one thread of torch, and are asked in turn: `steer serve` with a policy (each stream
at a strength of its own; and again with all at 0), `steer serve` without one, and `transformers serve` with continuous
batching and a cache of the same size. A ratio is the median over the rounds, with its quartiles. Prompts are such that a chat
model writes to the end of its tokens; tokens are counted as each server reports them. Needs a model on this disk, for
`transformers serve` takes no other without the hub; `steer.load` a GGUF file and `save_pretrained` it into a folder.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
from rich.progress import track
from served import Server, device, markdown, serving, versions

import steer
from steer.plan import Edit, Plan
from steer.policy import Dial, save_policy

PROMPT = "Write a long story, with many details and no end in sight, about {} number {}."
THINGS = ("a boat", "a kettle", "a lamp", "a bicycle", "a clock", "a mirror", "a pump", "a kite")
BLOCK = 32  # tokens, as in our engine on a CPU


class Round(NamedTuple):
    """Tokens, and seconds from the first request to the last answer's end."""

    tokens: int
    seconds: float

    @property
    def rate(self) -> float:
        """Tokens a second."""
        return self.tokens / self.seconds


def main() -> None:
    """See above."""
    asked = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    asked.add_argument("model")
    asked.add_argument("--streams", type=int, default=32)
    asked.add_argument("--tokens", type=int, default=48)
    asked.add_argument("--rounds", type=int, default=9)
    asked.add_argument("--json", type=Path)
    args = asked.parse_args()
    with tempfile.TemporaryDirectory() as folder, ExitStack() as stack:
        policy = _policy(args.model, Path(folder))
        own = ("--max-rows", args.streams, "--max-prompt", 256, "--max-tokens", 256)
        log = Path(folder)
        steered = stack.enter_context(serving(args.model, log / "steered.log", "--policy", policy, *own))
        plain = stack.enter_context(serving(args.model, log / "plain.log", *own))
        theirs = stack.enter_context(_transformers(args.model, log / "transformers.log", args.streams))
        mixed = [-0.8 + 1.6 * at / max(1, args.streams - 1) for at in range(args.streams)]
        name = Path(args.model).name
        kinds: dict[str, tuple[Server, str, list[float] | None]] = {
            "steered, each stream at its own strength": (steered, name, mixed),
            "the same, all at 0": (steered, name, [0.0] * args.streams),
            "without a policy": (plain, name, None),
            "transformers serve": (theirs, args.model, None),
        }
        found: dict[str, list[Round]] = {kind: [] for kind in kinds}
        for at in track(range(args.rounds + 1), "rounds", console=_stderr()):
            order = (
                list(kinds)[at % len(kinds) :] + list(kinds)[: at % len(kinds)]
            )  # nobody is always the first
            for kind in order:
                server, model, strengths = kinds[kind]
                own_round = asyncio.run(_round(server.url, model, strengths, args.streams, args.tokens))
                if at:  # the first warms up
                    found[kind].append(own_round)
    _report(found, args)


def _report(found: dict[str, list[Round]], args: argparse.Namespace) -> None:
    first, *others = found
    rows = [[kind, f"{statistics.median(own.rate for own in rounds):.0f}",
             f"{statistics.median(own.tokens for own in rounds):.0f}"] for kind, rounds in found.items()]  # fmt: skip
    ratios: dict[str, dict[str, Any]] = {}
    for other in others:
        own = sorted(a.rate / b.rate for a, b in zip(found[first], found[other], strict=True))
        low, middle, high = statistics.quantiles(own, n=4)
        ratios[other] = {"median": middle, "quartiles": [low, high]}
    print(markdown(["server", "tokens/s", "tokens a round"], rows))
    print()
    print(
        markdown(
            [f"{first}, over", "median", "quartiles"],
            [
                [other, f"{own['median']:.3f}", f"{own['quartiles'][0]:.3f} to {own['quartiles'][1]:.3f}"]
                for other, own in ratios.items()
            ],
        )
    )
    print(f"\n{args.streams} streams of {args.tokens} tokens, {args.rounds} rounds; {device()}; {versions()}")
    if args.json:
        seen = {kind: [own._asdict() for own in rounds] for kind, rounds in found.items()}
        args.json.write_text(
            json.dumps(
                {"rounds": seen, "ratios": ratios, "device": device(), "versions": versions()}, indent=2
            )
        )


async def _round(url: str, model: str, strengths: list[float] | None, streams: int, tokens: int) -> Round:
    async with httpx.AsyncClient(
        base_url=url, timeout=600, limits=httpx.Limits(max_connections=streams)
    ) as client:
        began = time.perf_counter()
        counts = await asyncio.gather(
            *(
                _stream(client, model, None if strengths is None else strengths[at], at, tokens)
                for at in range(streams)
            )
        )
        return Round(sum(counts), time.perf_counter() - began)


async def _stream(client: httpx.AsyncClient, model: str, strength: float | None, at: int, tokens: int) -> int:
    prompt = PROMPT.format(THINGS[at % len(THINGS)], at)
    body: dict[str, Any] = {
        "model": model, "messages": [{"role": "user", "content": prompt}], "max_tokens": tokens, "temperature": 0,
        "stream": True, "stream_options": {"include_usage": True},
    }  # fmt: skip
    if strength is not None:
        body["steering"] = strength
    usage = None
    async with client.stream("POST", "/v1/chat/completions", json=body) as answer:
        if answer.status_code != 200:
            raise SystemExit(f"{answer.status_code}: {(await answer.aread()).decode()}")
        async for line in answer.aiter_lines():
            if line.startswith("data: {"):
                usage = json.loads(line[6:]).get("usage") or usage
    if usage is None:
        raise SystemExit("a stream without usage")
    return int(usage["completion_tokens"])


def _policy(model: str, folder: Path) -> Path:
    import torch

    torch.set_num_threads(1)
    live = steer.load(model)
    vector = steer.extract(live, "refusal", select_by="auc", layer=live.layers // 2, position=-1)
    path = folder / "policy.toml"
    save_policy(Plan((Edit("add", vector, dial="refusal"),)), path, {"refusal": Dial(0.0, -1.0, 1.0, {})})
    return path


@contextmanager
def _transformers(model: str, log: Path, streams: int) -> Iterator[Server]:
    """`transformers serve` on a free port, on one thread of torch."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    command = [
        str(Path(sys.executable).parent / "transformers"), "serve", model, "--continuous-batching", "--port", str(port),
        "--host", "127.0.0.1", "--device", "cpu", "--dtype", "float32", "--cb-block-size", str(BLOCK),
        "--cb-num-blocks", str(streams * 512 // BLOCK + 1), "--cb-max-batch-tokens", str(512),
    ]  # fmt: skip
    own = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    with log.open("wb") as file, subprocess.Popen(command, stdout=file, stderr=file, env=own) as process:
        try:
            url = f"http://127.0.0.1:{port}"
            while process.poll() is None:
                try:
                    if httpx.get(f"{url}/health").status_code == 200:
                        break
                except httpx.TransportError:
                    time.sleep(0.1)
            if process.poll() is not None:
                raise SystemExit(f"transformers serve did not start: {log.read_text()[-2000:]}")
            yield Server(url, process, log)
        finally:
            process.kill()


def _stderr() -> Any:
    from rich.console import Console

    return Console(stderr=True)


if __name__ == "__main__":
    main()
