"""From the operator's words to a server that listens: by default on this machine alone, elsewhere only with a key."""

from __future__ import annotations

import ipaddress
import signal
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

import uvicorn

from steer.errors import PlanError
from steer.plan import Edit, Plan
from steer.policy import Dial, save_policy
from steer.server.app import make_app
from steer.server.house import House, Settings
from steer.server.policies import Loaded, load_checked
from steer_vectors.models import ChatModel

DEMO = "demo"
_LOCAL = frozenset({"localhost", "127.0.0.1", "[::1]"})


def checked(settings: Settings, host: str) -> Settings:
    """Settings for an address: this machine's own needs no key, but is asked by its own names alone.

    Raises:
        PlanError: Another address without a key; settings that would do nothing.
    """
    _agree(settings)
    if _loopback(host):
        return settings if settings.keys else replace(settings, hosts=_LOCAL | {host.lower()})
    if not any(not key.admin for key in settings.keys):
        raise PlanError(
            f"--host {host} without a key",
            "a key for whoever comes from elsewhere",
            "add --key-file FILE, set STEER_KEYS, or leave --host out",
        )
    return settings


def _agree(settings: Settings) -> None:
    folder = settings.policies
    if folder is not None and not folder.is_dir():
        raise PlanError(f"--policies {folder}, which is no folder", "one with policies", "check the path")
    if folder is not None and not any(key.admin for key in settings.keys):
        raise PlanError(
            "--policies without an administrator's key",
            "a key of whoever may load them",
            "add --admin-key-file FILE, set STEER_ADMIN_KEY, or leave --policies out",
        )
    if settings.audit_prompts and settings.audit is None:
        raise PlanError("--audit-prompts without --audit", "a file for them", "add --audit FILE")
    if settings.gguf is not None and settings.engine != "llama_cpp":
        raise PlanError(
            "--gguf without --engine llama_cpp", "both", "add --engine llama_cpp, or leave it out"
        )


def policy_of(
    words: str, settings: Settings, model: ChatModel, progress: Callable[[int, int], None] | None = None
) -> Loaded:
    """The policy of a file; "demo" is one of refusal that is made on the spot.

    Args:
        words: A path, or "demo".
        settings: Of the operator.
        model: Of which a direction is made.
        progress: Called as `progress(done, total)` while it is made.

    Raises:
        PlanError: As `load_checked`.
        VectorFileError: As there.
    """
    path = Path(words)
    if words != DEMO or path.exists():
        return load_checked(path, settings.bounds, below_plain=settings.below_plain)
    import steer

    vector = steer.extract(
        model, "refusal", select_by="auc", progress=progress
    )  # the quicker way to choose a layer
    dial = Dial(0.0, -1.25, 1.25, {"mild": -1.0, "moderate": 0.0, "strict": 0.75})
    with TemporaryDirectory() as folder:
        path = Path(folder, f"{DEMO}.toml")
        save_policy(Plan((Edit("add", vector, dial="refusal"),)), path, {"refusal": dial})
        return load_checked(path, settings.bounds, below_plain=settings.below_plain)


def serve(house: House, listening: socket.socket, ready: Callable[[str], None] = print) -> None:
    """Serve until told to stop (SIGTERM, SIGINT); then nothing new is taken, and what was begun is written to its end.

    Args:
        house: What is served.
        listening: From `listen`.
        ready: Told what is served, and where.
    """
    server, loaded = make_server(house), house.served.loaded
    host, port = listening.getsockname()[:2]
    what = "the plain model" if loaded is None else f"policy {loaded.name} ({loaded.policy.hash[:12]})"
    where = f"[{host}]" if ":" in host else host
    ready(f"{house.settings.name}, {what}, engine {house.settings.engine}, at http://{where}:{port}")
    with _ended_quietly():
        server.run(sockets=[listening])


def make_server(house: House) -> uvicorn.Server:
    """Uvicorn around the app; its own log is kept to warnings, for the audit log has the requests."""
    config = uvicorn.Config(
        make_app(house), log_level="warning", access_log=False, server_header=False, lifespan="on",
        timeout_graceful_shutdown=int(house.limits.seconds),
    )  # fmt: skip
    return uvicorn.Server(config)


@contextmanager
def _ended_quietly() -> Iterator[None]:
    """Uvicorn raises the signal that ended it once more when all is done; a server that was drained has not failed."""
    before = {}
    if threading.current_thread() is threading.main_thread():
        before = {own: signal.signal(own, lambda *_: None) for own in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield
    finally:
        for own, handler in before.items():
            signal.signal(own, handler)


def listen(host: str = "127.0.0.1", port: int = 8000) -> socket.socket:
    """Take an address; 0 = any port that is free. Close it when done.

    Raises:
        PlanError: A port that is taken, an address of another machine.
    """
    try:
        family, kind, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except OSError as error:
        raise _nowhere(host, port, error) from error
    found = socket.socket(family, kind)
    try:
        found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        found.bind(address)
    except OSError as error:
        found.close()
        raise _nowhere(host, port, error) from error
    return found


def _nowhere(host: str, port: int, error: OSError) -> PlanError:
    return PlanError(
        f"--host {host} --port {port}, where nobody can listen ({error.strerror})",
        "an address of this machine and a free port",
        "choose another --port",
    )


def _loopback(host: str) -> bool:
    try:
        return host.lower() == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
