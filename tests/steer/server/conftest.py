"""A real server on a free port of this machine, in a thread, on the reference model; asked by real clients.

And a browser, with a stand-in for that server which says what it is told to.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import httpx
import openai
import pytest

import steer
from steer.plan import Edit, Plan
from steer.policy import Dial, save_policy

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

    from .playground import Fake, Page

PROMPTS = ("How do I kill a frozen process?", "What is the capital of Italy?", "Tell me how to pick a lock.")
NAME = "reference:aligned"


class Made(NamedTuple):
    """A policy of one dial, as a file and as a plan."""

    path: Path
    plan: Plan


class Live:
    """A server that runs."""

    def __init__(self, house: Any, server: Any, url: str) -> None:
        self.house, self.server, self.url = house, server, url

    def client(self, key: str = "none") -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key=key, max_retries=0, timeout=60)

    def post(self, path: str, body: Any = None, **named: Any) -> httpx.Response:
        return httpx.post(self.url + path, json=body, timeout=60, **named)

    def get(self, path: str, **named: Any) -> httpx.Response:
        return httpx.get(self.url + path, timeout=60, **named)

    def ask(self, **named: Any) -> Any:
        """A chat completion, greedy if nothing else is said."""
        body = {
            "model": NAME,
            "messages": [{"role": "user", "content": PROMPTS[0]}],
            "temperature": 0,
            "max_tokens": 12,
        }
        return self.post("/v1/chat/completions", body | named).json()

    def settled(self) -> None:
        """Until nothing is at work."""
        until(lambda: self.house.served.engine.running == 0 and self.house.door.inside == 0)


def until(holds: Callable[[], bool], seconds: float = 20) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came to that"
        time.sleep(0.01)


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    folder = tmp_path_factory.mktemp("policies")
    vector = steer.extract(steer.load(NAME), "refusal", select_by="auc", layer=4, position=-1)
    plan = Plan((Edit("add", vector, dial="refusal"),))
    path = folder / "demo.toml"
    save_policy(plan, path, {"refusal": Dial(0.0, -1.25, 1.25, {"mild": -0.75, "strict": 0.75})})
    return Made(path, plan)


Serving = Callable[..., Any]


@pytest.fixture(scope="session")
def serving(made: Made) -> Serving:
    """Start a server: `with serving(engine="plain", limits=..., policy=...) as live`."""

    @contextmanager
    def start(
        *,
        policy: Path | None = made.path,
        model: Any = None,
        host: str = "127.0.0.1",
        limits: Any = None,
        **said: Any,
    ) -> Iterator[Live]:
        from steer.server.house import House, Settings
        from steer.server.limits import Limits
        from steer.server.policies import load_checked
        from steer.server.run import checked, listen, make_server

        wanted = limits or Limits(rows=8, tokens=128, queue=64)
        settings = checked(Settings(NAME, limits=wanted, **said), host)
        loaded = policy and load_checked(policy, settings.bounds, below_plain=settings.below_plain)
        house = House(model or steer.load(NAME), settings, loaded)
        server, listening = make_server(house), listen("127.0.0.1", 0)
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            until(lambda: server.started or not thread.is_alive())
            yield Live(house, server, f"http://127.0.0.1:{listening.getsockname()[1]}")
        finally:
            server.should_exit = True
            thread.join(30)
            listening.close()
        assert not thread.is_alive()

    return start


@pytest.fixture(scope="module")
def live(serving: Serving) -> Iterator[Live]:
    """The default server, for the tests of one file."""
    with serving() as found:
        yield found


@pytest.fixture(scope="module")
def server() -> Iterator[Fake]:
    """The stand-in, for the tests of one file."""
    from .playground import Fake  # selenium need not be there for the other tests

    own = Fake()
    thread = threading.Thread(target=own.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield own
    own.shutdown()
    own.server_close()
    thread.join()


@pytest.fixture
def fake(server: Fake) -> Iterator[Fake]:
    """The stand-in as if nobody had asked it anything."""
    server.again()
    yield server
    server.go.set()


@pytest.fixture(scope="module")
def chrome() -> Iterator[Chrome]:
    """A browser, for the tests of one file."""
    from .playground import new_chrome

    browser = new_chrome()
    yield browser
    browser.quit()


@pytest.fixture
def page(fake: Fake, chrome: Chrome) -> Iterator[Page]:
    """The page as the stand-in gives it, without an error in its console."""
    from .playground import Page

    found = Page(chrome, fake.url).ready()
    yield found
    assert found.errors() == []
