"""From the operator's words to a server that listens: by default on this machine alone, elsewhere only with a key."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
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
        PlanError: Another address without a key.
    """
    if _loopback(host):
        return settings if settings.keys else replace(settings, hosts=_LOCAL | {host.lower()})
    if not any(not key.admin for key in settings.keys):
        raise PlanError(
            f"--host {host} without a key",
            "a key for whoever comes from elsewhere",
            "add --key-file FILE, set STEER_KEYS, or leave --host out",
        )
    return settings


def policy_of(words: str, settings: Settings, model: ChatModel) -> Loaded:
    """The policy of a file; "demo" is one of refusal that is made on the spot.

    Raises:
        PlanError: As `load_checked`.
        VectorFileError: As there.
    """
    path = Path(words)
    if words != DEMO or path.exists():
        return load_checked(path, settings.bounds, below_plain=settings.below_plain)
    import steer

    vector = steer.extract(model, "refusal")
    dial = Dial(0.0, -1.25, 1.25, {"mild": -0.75, "moderate": 0.0, "strict": 0.75})
    with TemporaryDirectory() as folder:
        path = Path(folder, f"{DEMO}.toml")
        save_policy(Plan((Edit("add", vector, dial="refusal"),)), path, {"refusal": dial})
        return load_checked(path, settings.bounds, below_plain=settings.below_plain)


def serve(
    model: ChatModel,
    policy: str | None,
    settings: Settings,
    *,
    host: str = "127.0.0.1",
    port: int = 8000,
    ready: Callable[[str], None] = print,
) -> None:
    """Serve until told to stop (SIGTERM, SIGINT); then nothing new is taken, and what was begun is written to its end.

    Args:
        model: A loaded model, not steered.
        policy: A policy file, "demo", or None for the plain model.
        settings: Of the operator.
        host: Address to listen on.
        port: Of it; 0 = any that is free.
        ready: Told where it listens.

    Raises:
        PlanError: An address without a key, a port that is taken, what the engine cannot express.
        SteerError: As `House`.
    """
    settings = checked(settings, host)
    listening = _listen(host, port)
    with listening:
        loaded = None if policy is None else policy_of(policy, settings, model)
        house = House(model, settings, loaded)
        server = make_server(house)
        where = f"[{host}]" if ":" in host else host
        what = "the plain model" if loaded is None else f"policy {loaded.name} ({loaded.policy.hash[:12]})"
        ready(
            f"{settings.name}, {what}, engine {settings.engine}, at http://{where}:{listening.getsockname()[1]}"
        )
        server.run(sockets=[listening])


def make_server(house: House) -> uvicorn.Server:
    """Uvicorn around the app; its own log is kept to warnings, for the audit log has the requests."""
    config = uvicorn.Config(
        make_app(house), log_level="warning", access_log=False, server_header=False, lifespan="on",
        timeout_graceful_shutdown=int(house.limits.seconds),
    )  # fmt: skip
    return uvicorn.Server(config)


def _listen(host: str, port: int) -> socket.socket:
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
