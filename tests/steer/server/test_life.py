"""Rows that are cancelled, readers that are slow, an engine that dies, a server that is told to stop."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress

import httpx
import pytest

import steer
from steer.server.app import make_app
from steer.server.house import House, Settings
from steer.server.limits import Limits
from steer.server.policies import load_checked

NAME = "reference:aligned"
STORY = [{"role": "user", "content": "Write a short story about a cat."}]
LONG = {"model": NAME, "messages": STORY, "max_tokens": 400, "temperature": 2, "stop": ["~~~~"]}
CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module", params=["continuous", "plain"])
def each(request, serving):
    with serving(engine=request.param, limits=Limits(rows=2, tokens=400, queue=4)) as found:
        # Answers that never end by themselves.
        found.house.ends = frozenset()
        yield found


def until(holds, seconds=20):
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end
        time.sleep(0.01)


def _leave(live, stream):
    """Ask, and go away in the middle of the answer."""
    body = LONG | {"stream": stream}
    with (
        suppress(httpx.ReadTimeout),
        httpx.stream("POST", live.url + CHAT, json=body, timeout=0.15) as answer,
    ):
        next(answer.iter_lines())


def test_a_client_that_leaves_frees_its_row(each):
    engine = each.house.served.engine
    for stream in (True, False):
        for _ in range(3):  # more than there are rows
            _leave(each, stream)
        until(lambda: engine.running == 0 and each.house.door.inside == 0)
    if engine.facts.name == "continuous":
        scheduler = engine._requests.manager.batch_processor.scheduler
        until(lambda: not scheduler.has_pending_requests())
        assert len(engine._requests._packed._asked) <= 1  # is forgotten at the next forward
        assert not engine._requests.manager.output_router.result_handlers
        assert (
            engine._requests.manager.output_router.output_queue.qsize() <= 2
        )  # is dropped at the next request
    each.house.ends = frozenset()
    assert each.ask(max_tokens=3)["usage"]["completion_tokens"] == 3


def test_nothing_is_kept_of_answers_that_were_given(each):
    for _ in range(12):
        each.ask(max_tokens=1)
    if each.house.served.engine.facts.name == "continuous":
        requests = each.house.served.engine._requests
        assert requests.manager.output_router.output_queue.qsize() <= 2
        assert len(requests._packed._asked) <= 2
        assert not requests.manager.output_router.result_handlers


@pytest.mark.parametrize("temperature", [1e-3, 1e-300, 1e-320, 5e-324])
def test_next_to_no_temperature_takes_the_likeliest(each, temperature):
    cold, greedy = (each.ask(max_tokens=4, temperature=own) for own in (temperature, 0))
    assert cold["choices"][0]["message"] == greedy["choices"][0]["message"]
    assert each.house.served.engine.alive


def test_a_slow_reader_gets_it_all_and_holds_up_nobody(each):
    with (
        httpx.Client() as client,
        client.stream(
            "POST",
            f"{each.url}/v1/chat/completions",
            json=LONG | {"stream": True, "max_tokens": 60},
            timeout=60,
        ) as slow,
    ):
        lines = slow.iter_lines()
        next(lines)
        assert each.ask(max_tokens=5)["usage"]["completion_tokens"] == 5
        time.sleep(0.3)
        found = [line for line in lines if line.startswith("data: ")]
    assert found[-1] == "data: [DONE]"
    assert json.loads(found[-2][6:])["choices"][0]["finish_reason"] == "length"


@pytest.mark.filterwarnings("ignore::pytest.PytestUnhandledThreadExceptionWarning")
@pytest.mark.parametrize("engine", ["continuous", "plain"])
def test_an_engine_that_dies_is_said_and_nobody_waits_for_ever(serving, engine, monkeypatch):
    with serving(engine=engine) as live:
        live.house.ends = frozenset()
        hf, answers = live.house.model.hf, []
        inner = hf.forward

        def asking():
            answers.append(live.post("/v1/chat/completions", LONG | {"max_tokens": 128}))

        threads = [threading.Thread(target=asking) for _ in range(3)]
        for own in threads:
            own.start()
        until(lambda: live.house.served.engine.running == 3)

        def forward(*_args, **_named):
            raise KeyError("the engine is killed")

        monkeypatch.setattr(hf, "forward", forward)
        for own in threads:
            own.join(30)
        monkeypatch.setattr(hf, "forward", inner)
        assert [own.status_code for own in answers] == [503] * 3
        assert {own.json()["error"]["type"] for own in answers} == {"server_error"}
        until(lambda: live.get("/health").status_code == 503)
        assert live.post(CHAT, LONG | {"max_tokens": 9}).status_code == 503


@pytest.mark.slow
def test_sigterm_writes_what_was_begun_to_its_end(made, tmp_path):
    command = [
        sys.executable,
        "-c",
        "from steer.cli import main; main()",
        "serve",
        NAME,
        "--policy",
        str(made.path),
        "--port",
        "0",
        "--max-tokens",
        "300",
    ]
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env=env) as server:
        line = server.stderr.readline()
        url = line.split(" at ")[1].strip()
        until(lambda: _up(url))
        body = LONG | {"stream": True, "max_tokens": 300, "temperature": 0}
        with (
            httpx.Client() as client,
            client.stream("POST", f"{url}/v1/chat/completions", json=body, timeout=60) as answer,
        ):
            lines = answer.iter_lines()
            next(lines)
            server.send_signal(signal.SIGTERM)
            rest = [own for own in lines if own]
        assert rest[-1] == "data: [DONE]"
        assert server.wait(30) == 0
        assert server.stderr.read() == ""


def test_a_client_that_reads_nothing_keeps_no_place(made):
    """The engine writes on, and lets others in, while a client's buffers are full; it gets the whole answer later."""
    settings = Settings(NAME, limits=Limits(rows=1, tokens=128, queue=4))
    house = House(steer.load(NAME), settings, load_checked(made.path, {}, below_plain=False))
    body = {"model": NAME, "messages": STORY, "stream": True, "max_tokens": 20}
    scope = {
        "type": "http", "method": "POST", "path": CHAT, "raw_path": CHAT.encode(), "query_string": b"", "root_path": "",
        "headers": [(b"content-type", b"application/json")], "http_version": "1.1", "scheme": "http",
    }  # fmt: skip

    async def ask():
        sent, free = [], asyncio.Event()
        told = asyncio.Queue()
        told.put_nowait({"type": "http.request", "body": json.dumps(body).encode(), "more_body": False})

        async def send(message):
            if message["type"] == "http.response.body":
                await free.wait()  # nothing is taken
            sent.append(message)

        await house.open()
        asking = asyncio.create_task(make_app(house)(scope, told.get, send))
        async with asyncio.timeout(30):
            while not house.door.inside:
                await asyncio.sleep(0.01)
            while house.door.inside:
                await asyncio.sleep(0.01)
        assert all(message["type"] == "http.response.start" for message in sent)
        free.set()
        await asking
        await house.close()
        return b"".join(own.get("body", b"") for own in sent)

    whole = asyncio.run(ask())
    assert whole.endswith(b"data: [DONE]\n\n")
    assert whole.count(b"data: ") > 3


def test_what_breaks_in_the_middle_of_a_stream_is_said(serving, monkeypatch):
    async def breaks(_answers, _written):
        raise RuntimeError("nobody has thought of this")
        yield

    monkeypatch.setattr("steer.server.app.Answers.parts", breaks)
    with serving() as live, httpx.Client() as client:
        answer = client.post(live.url + CHAT, json=LONG | {"stream": True, "max_tokens": 4})
    assert answer.status_code == 200
    assert (
        json.loads(answer.text.removeprefix("data: "))["error"]["message"] == "the server failed; see its log"
    )


def _up(url):
    try:
        return httpx.get(f"{url}/health").status_code == 200
    except httpx.TransportError:
        return False


def test_the_command_refuses_in_one_line_before_anything_is_loaded(cli, tmp_path):
    assert "without a key" in cli.refused("serve", "no-such-model", "--host", "0.0.0.0")
    assert "--key-file" in cli.refused("serve", "no-such-model", "--host", "0.0.0.0")
    assert "bounds" in cli.refused("serve", "no-such-model", "--bounds", "refusal")
    assert "key file" in cli.refused("serve", "no-such-model", "--key-file", str(tmp_path / "none"))
    assert "engine" in cli.refused("serve", NAME, "--engine", "none", "--port", "0")
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        assert "nobody can listen" in cli.refused("serve", NAME, "--port", port)
