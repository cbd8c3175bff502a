"""A policy to serve, and `steer serve` as a process of its own: what the benches of the server have in common.

The server is started by its real command line and asked over a real socket. Knows nothing of what is asked of it.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.metadata import version
from pathlib import Path
from typing import Any, NamedTuple

import httpx

from steer.plan import Edit, Plan, Probe
from steer.policy import Dial, save_policy

PACKAGES = ("steerdial", "torch", "transformers", "fastapi", "uvicorn", "httpx")
DIALS = {
    "refusal": Dial(0.0, -2.5, 2.5, {"mild": -1.0, "strict": 1.0}),
    "caution": Dial(0.0, 0.0, 2.5, {"mild": 0.0, "strict": 1.0}),
}


class Server(NamedTuple):
    """A server that runs: where it listens, its process, and the file that its log goes to."""

    url: str
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def rss(self) -> int:
        """Bytes of memory it holds now; 0 = it has ended."""
        try:
            words = Path(f"/proc/{self.process.pid}/statm").read_text().split()
        except OSError:
            return 0
        return int(words[1]) * os.sysconf("SC_PAGE_SIZE")


def write_policy(vector: Any, path: Path) -> Plan:
    """A policy of two dials: "refusal", always open, and "caution", which a probe opens on risky prompts."""
    layer = vector.layer
    probe = Probe("risk", vector, layer=max(0, layer - 1), slope=8.0, offset=-3.3)
    edits = (Edit("add", vector, dial="refusal"), Edit("add", vector, dial="caution", when="risk"))
    plan = Plan(edits, (probe,))
    save_policy(plan, path, DIALS)
    return plan


@contextmanager
def serving(model: str, log: Path, *words: object, **environment: str) -> Iterator[Server]:
    """`steer serve MODEL ...` on a free port of this machine, on one thread of torch, until this ends.

    Raises:
        SystemExit: It did not start; with what it said.
    """
    command = [sys.executable, "-c", "from steer.cli import main; main()", "serve", model, "--port", "0"]
    own = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **environment}
    with (
        log.open("wb") as file,
        subprocess.Popen([*command, *map(str, words)], stdout=file, stderr=file, env=own) as process,
    ):
        try:
            yield Server(_address(process, log), process, log)
        finally:
            process.kill()


def _address(process: subprocess.Popen[bytes], log: Path) -> str:
    while process.poll() is None:
        said = log.read_text()
        if " at http://" in said and said.endswith("\n"):
            url = said.split(" at ")[-1].strip()
            try:
                if httpx.get(f"{url}/health").status_code == 200:
                    return url
            except httpx.TransportError:
                pass  # it has the port, and does not listen yet
        time.sleep(0.05)
    raise SystemExit(f"the server did not start: {log.read_text()}")


def device() -> str:
    """What this runs on, in words."""
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    name = next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), "a CPU")
    return f"{name}, {os.cpu_count()} cores, Linux"


def versions() -> str:
    """Of Python and of what serves."""
    python = ".".join(map(str, sys.version_info[:3]))
    return ", ".join([f"Python {python}", *(f"{name} {version(name)}" for name in PACKAGES)])


def markdown(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)
