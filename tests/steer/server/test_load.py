"""Sixty-four clients at once, as `bench/serve_load.py` has them: a short load by default, five minutes among the slow tests.

The short one loads a server of its own process for six seconds, about twenty with its start and end.
"""

from __future__ import annotations

import asyncio
import ctypes
import importlib
from pathlib import Path

import pytest

from steer.server.limits import Limits

NAME = "reference:aligned"
BENCH = Path(__file__).parents[3] / "bench"


@pytest.fixture(scope="module")
def bench(made, tmp_path_factory):
    """The command's module, those of its clients and of its server, and a policy."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(BENCH)
        modules = [importlib.import_module(name) for name in ("serve_load", "load_clients", "served")]
    path = tmp_path_factory.mktemp("load") / "policy.toml"
    modules[2].write_policy(made.plan.edits[0].vector, path)
    return *modules, path


@pytest.mark.parametrize(
    ("seconds", "every"), [(6.0, 5), pytest.param(300.0, 1, marks=pytest.mark.slow)], ids=["short", "long"]
)
def test_answers_under_load_are_those_alone_and_none_is_lost(bench, seconds, every):
    command, clients, _, path = bench
    wanted = clients.cases(NAME)[::every]
    found = command.load(NAME, path.parent, wanted, 64, seconds)
    tally = found.tally
    assert (tally.crossed, tally.lost) == ([], [])
    assert len({own.text for own in found.alone.values()}) > len(wanted) / 5  # strengths tell
    assert set(tally.errors) == {"429"}
    assert tally.count["answered"] > 64
    assert min(tally.count["rubbish"], tally.count["cancelled"]) > 5
    assert found.memory[1] < 1.1 * found.memory[0]
    assert found.begun
    assert tally.count["away"] == 64  # each of them, after SIGTERM
    assert (found.code, found.log) == (0, "")


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("engine", ["continuous", "plain"])
def test_an_engine_whose_thread_is_killed_under_load_is_said_to_all(bench, serving, engine):
    _, clients, _, path = bench

    async def go(live):
        async with clients.new_client(live.url) as client:
            crowd = clients.Crowd(live.url, await clients.alone(client, clients.cases(NAME)[::19]))
            work, tally = asyncio.create_task(crowd.run(64)), crowd.tally
            await until(lambda: tally.count["answered"] > 5 and live.house.door.waiting > 20)
            kill(live.house.served.engine)
            await until(lambda: tally.errors.get("503", 0) > 60)
            assert (await client.get("/health")).status_code == 503
            crowd.over = True
            await asyncio.wait_for(work, 20)
        assert (tally.crossed, tally.lost) == ([], [])
        assert tally.errors.keys() == {"503", "event"}
        assert live.house.door.inside == live.house.door.waiting == live.house.served.engine.running == 0

    with serving(engine=engine, policy=path, limits=Limits(rows=8, tokens=64, queue=64)) as live:
        asyncio.run(go(live))


def kill(engine):
    """Raise in the thread that writes, wherever it is."""
    thread = engine._thread if engine.facts.name == "plain" else engine._requests.manager._generation_thread
    assert thread.is_alive()
    ident, error = ctypes.c_ulong(thread.ident), ctypes.py_object(SystemExit)
    assert ctypes.pythonapi.PyThreadState_SetAsyncExc(ident, error) == 1


async def until(holds):
    async with asyncio.timeout(30):
        while not holds():
            await asyncio.sleep(0.01)
