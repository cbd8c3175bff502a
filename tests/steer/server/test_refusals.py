"""Who may do what: every refusal with its status, in OpenAI's shape; and nothing that is asked stops the server."""

from __future__ import annotations

import json
import socket
import time
from concurrent.futures import ThreadPoolExecutor

import httpx
import openai
import pytest

from steer.policy import Dial, save_policy
from steer.server.keys import read_keys
from steer.server.limits import Limits

NAME = "reference:aligned"
KEY, NARROW, ADMIN = "key-of-sixteen-letters", "narrow-key-of-sixteen", "admin-key-of-sixteen"
CHAT = {"model": NAME, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 2, "temperature": 0}
TEXT = {"model": NAME, "prompt": "Hello", "max_tokens": 2}


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("steering", {"refusal": 1.5}), ("steering", {"warmth": 0.1}), ("steering", "nowhere"), ("steering", True),
        ("steering", {"refusal": "0.5"}), ("steering", [0.5]), ("steering", {"refusal": 1e308}), ("steering", "a=b=c"),
        ("steering", "../../etc/passwd"), ("vllm_xargs", {"steer": 9}), ("vllm_xargs", {"other": 1}),
        ("model", f"{NAME}@9"), ("model", f"{NAME}@refusal=../x"), ("messages", []), ("messages", "Hello"),
        ("messages", [{"role": "tool", "content": "a"}]), ("messages", [{"role": "user"}]),
        ("messages", [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}]),
        ("messages", [{"role": "user", "content": "a", "name": "b"}]),
        ("temperature", -1), ("temperature", 3), ("temperature", "1"), ("top_p", 0), ("top_p", 1.1), ("n", 0), ("n", 9),
        ("seed", 2**70), ("stop", [""]), ("stop", ["a"] * 17), ("max_tokens", 0), ("max_tokens", 129), ("max_tokens", 1.5),
        ("max_completion_tokens", 3), ("top_logprobs", 1), ("logprobs", 2), ("stream_options", {"include_usage": True}),
        ("tools", [{"type": "function"}]), ("tool_choice", "auto"), ("response_format", {"type": "json_object"}),
        ("frequency_penalty", 0.1), ("presence_penalty", -1), ("logit_bias", {"5": 1}), ("top_k", 5), ("min_p", 0.1),
        ("policy", "/etc/passwd"), ("extra_body", {}), ("functions", []), ("store", True),
    ],
)  # fmt: skip
def test_what_cannot_be_done_is_refused_and_never_ignored(live, field, value):
    answer = live.post("/v1/chat/completions", CHAT | {field: value})
    assert answer.status_code == 400, answer.text
    error = answer.json()["error"]
    assert set(error) == {"message", "type", "param", "code"}
    assert error["type"] == "invalid_request_error"
    assert answer.headers["x-request-id"]
    assert live.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("user", "me"), ("frequency_penalty", 0), ("presence_penalty", 0.0), ("logit_bias", {}), ("tools", []),
        ("response_format", {"type": "text"}), ("store", False), ("stop", None), ("n", None), ("seed", -1),
        ("messages", [{"role": "user", "content": [{"type": "text", "text": "Hello"}]}]),
    ],
)  # fmt: skip
def test_values_that_do_nothing_are_taken(live, field, value):
    plain = live.post("/v1/chat/completions", CHAT).json()["choices"]
    answer = live.post("/v1/chat/completions", CHAT | {field: value})
    assert answer.status_code == 200, answer.text
    assert answer.json()["choices"] == plain


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("prompt", ""), ("prompt", []), ("prompt", [[]]), ("prompt", [-1]), ("prompt", [10**9]), ("prompt", ["a"] * 9),
        ("suffix", "a"),
        ("best_of", 2), ("logprobs", 6), ("max_tokens", 0),
        ("max_tokens", 600), ("messages", []), ("prompt", "word " * 600),
    ],
)  # fmt: skip
def test_plain_completions_refuse_too(live, field, value):
    assert live.post("/v1/completions", TEXT | {field: value}).status_code == 400


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"null", b"[]", b"\xff\xfe", b'{"model": NaN}', b'"' + b"[" * 20_000, b"[" * 100_000,
     json.dumps(CHAT | {"max_tokens": 10**400}).encode(), json.dumps(CHAT | {"\ud800": 1}).encode(),
     json.dumps(CHAT | {"model": "\ud800"}).encode(), json.dumps(CHAT | {"steering": {"\ud800": 1.0}}).encode(),
     json.dumps(CHAT | {"temperature": float("inf")}).encode(), json.dumps(CHAT | {"stop": "\ud800"}).encode()],
)  # fmt: skip
def test_malformed_bodies_are_400(live, body):
    answer = live.post("/v1/chat/completions", content=body, headers={"content-type": "application/json"})
    assert answer.status_code == 400, answer.text
    assert "error" in answer.json()


@pytest.mark.parametrize(
    ("field", "value"),
    [("stop", ""), ("stop", [""]), ("steering", True), ("steering", {"refusal": "0.3"}), ("messages", []),
     ("vllm_xargs", {"steer": []}), ("foo-bar", 1), ("temperature", "warm")],
)  # fmt: skip
def test_errors_name_the_field_and_nothing_of_the_inside(live, field, value):
    answer = live.post("/v1/chat/completions", CHAT | {field: value})
    error = answer.json()["error"]
    assert answer.status_code == 400
    assert error["param"].split(".")[0] == field
    assert error["message"].startswith(f"{error['param']}: ")
    for inside in ("0x", "function", "Value error", "Annotated", "union"):
        assert inside not in error["message"]


def test_large_bodies_are_refused_unread(live):
    large = b"x" * (10 << 20)
    for headers in ({}, {"content-length": str(10**30)}, {"content-length": "-1"}):
        with httpx.Client() as client:
            try:
                answer = client.post(
                    f"{live.url}/v1/completions",
                    content=large,
                    headers={"content-type": "application/json", **headers},
                )
            except httpx.TransportError:
                continue  # the server has closed before all was sent
            assert answer.status_code in (400, 413)

    def slowly():
        for _ in range(40):
            yield b"x" * 65_536

    answer = live.post("/v1/completions", content=slowly(), headers={"content-type": "application/json"})
    assert answer.status_code == 413
    assert live.get("/health").status_code == 200


def test_other_kinds_other_methods_other_paths_other_hosts(live):
    for kind in ("text/plain", "application/x-www-form-urlencoded", ""):
        answer = live.post("/v1/chat/completions", content=json.dumps(CHAT), headers={"content-type": kind})
        assert answer.status_code == 415
    assert live.get("/v1/chat/completions").status_code == 405
    for path in (
        "/v1/none",
        "/v1/models/other",
        "/..%2f..%2fetc/passwd",
        "/v1/steering/policy.toml",
        "/app.py",
    ):
        assert live.get(path).status_code == 404
    assert live.get("/v1/models", headers={"host": "evil.example"}).status_code == 421
    answer = live.get("/v1/models", headers={"origin": "https://evil.example"})
    assert not [name for name in answer.headers if name.startswith("access-control")]


def test_a_request_keeps_its_id(live):
    assert live.get("/health", headers={"x-request-id": "mine-1"}).headers["x-request-id"] == "mine-1"
    assert live.get("/health", headers={"x-request-id": "a b\tc"}).headers["x-request-id"] != "a b\tc"


@pytest.fixture(scope="module")
def guarded(serving, made, tmp_path_factory):
    folder = tmp_path_factory.mktemp("allowed")
    file = folder / "keys"
    file.write_text(f"{KEY}\n{NARROW} refusal=-0.2:0.2\n")
    save_policy(made.plan, folder / "other.toml", {"refusal": Dial(0.5, 0.0, 0.6, {"firm": 0.6})})
    save_policy(made.plan, folder / "low.toml", {"refusal": Dial(0.0, 0.0, 1.0, {})}, {"below_plain": True})
    (folder / "away.toml").symlink_to(made.path)
    (folder / "broken.toml").write_text("version = 1\nedits = 3\n")
    keys = read_keys(file, None, {"STEER_ADMIN_KEY": ADMIN})
    with serving(keys=keys, policies=folder, audit=folder / "audit.jsonl") as found:
        yield found, folder


ROUTES = [
    ("GET", "/v1/models", None), ("GET", f"/v1/models/{NAME}", None), ("GET", "/metrics", None), ("GET", "/openapi.json", None),
    ("GET", "/v1/steering", None), ("POST", "/v1/chat/completions", CHAT), ("POST", "/v1/completions", TEXT),
    ("POST", "/v1/steering/explain", {"prompt": "Hello"}), ("POST", "/v1/steering/policy", {"name": "other"}),
    ("GET", "/v1/none", None),
]  # fmt: skip


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_every_route_needs_a_key(guarded, method, path, body):
    live, _ = guarded
    words = (None, "Bearer", "Bearer wrong", KEY, f"Bearer {KEY}x")
    for headers in ({"authorization": own} if own else {} for own in words):
        answer = httpx.request(method, live.url + path, json=body, headers=headers)
        assert answer.status_code == 401
        assert answer.json()["error"]["code"] == "invalid_api_key"
    headers = {"authorization": f"Bearer {KEY}"}
    answer = httpx.request(method, live.url + path, json=body, headers=headers, timeout=60)
    assert answer.status_code == {"/v1/steering/policy": 403, "/v1/none": 404}.get(path, 200)


def test_health_needs_no_key_and_the_client_gives_one(guarded):
    live, _ = guarded
    assert live.get("/health").json() == {"status": "ok"}
    with pytest.raises(openai.AuthenticationError):
        live.client("wrong").models.list()
    assert live.client(KEY).models.list().data


def test_a_key_has_bounds_of_its_own(guarded):
    live, _ = guarded
    for strength, status in ((0.2, 200), (-0.2, 200), (0.3, 403)):
        for body in (CHAT | {"steering": strength}, {**CHAT, "model": f"{NAME}@{strength}"}):
            answer = live.post("/v1/chat/completions", body, headers={"authorization": f"Bearer {NARROW}"})
            assert answer.status_code == status, answer.text
    explained = live.post(
        "/v1/steering/explain",
        {"prompt": "a", "steering": 0.3},
        headers={"authorization": f"Bearer {NARROW}"},
    )
    assert explained.status_code == 403


def test_the_administrator_changes_the_policy_within_the_folder(guarded, made):
    live, folder = guarded
    admin = {"authorization": f"Bearer {ADMIN}"}
    before = live.get("/v1/steering", headers=admin).json()
    for name in ("away", "../demo", "/etc/passwd", "none", "low", "broken", "audit.jsonl", "..", "a" * 64):
        answer = live.post("/v1/steering/policy", {"name": name}, headers=admin)
        assert answer.status_code == 400
        assert str(folder) not in answer.text
    assert live.get("/v1/steering", headers=admin).json() == before
    for body in ({"name": ""}, {"path": "x"}, {"name": 5}, {"name": "other", "path": "x"}, {}):
        assert live.post("/v1/steering/policy", body, headers=admin).status_code == 400
    with ThreadPoolExecutor(6) as pool:  # while others ask
        asked = [
            pool.submit(
                live.post, "/v1/chat/completions", CHAT | {"steering": 0.5, "max_tokens": 60}, headers=admin
            )
            for _ in range(6)
        ]
        changed = live.post("/v1/steering/policy", {"name": "other"}, headers=admin)
        answers = [own.result() for own in asked]
    assert changed.json()["name"] == "other"
    assert changed.json()["policy"] != before["policy"]
    assert {own.status_code for own in answers} == {200}
    assert {own.json()["steering"]["policy"] for own in answers} <= {
        before["policy"],
        changed.json()["policy"],
    }
    assert len({own.json()["choices"][0]["message"]["content"] for own in answers}) == 1
    answer = live.post("/v1/chat/completions", CHAT, headers=admin).json()
    assert answer["steering"] == {
        "policy": changed.json()["policy"],
        "strengths": {"refusal": 0.5},
        "risk": None,
        "gate": [],
    }
    assert live.post("/v1/chat/completions", CHAT | {"steering": -0.5}, headers=admin).status_code == 400


def test_the_log_says_who_turned_what_and_no_prompt(guarded):
    live, folder = guarded
    headers = {"authorization": f"Bearer {KEY}", "x-request-id": "logged"}
    live.post("/v1/chat/completions", CHAT | {"steering": {"refusal": 0.1}}, headers=headers)
    by = time.monotonic() + 10
    while '"logged"' not in (text := (folder / "audit.jsonl").read_text()) and time.monotonic() < by:
        time.sleep(0.01)  # written when the answer is out
    (line,) = [own for own in map(json.loads, text.splitlines()) if own["id"] == "logged"]
    assert (line["asked"], line["given"], line["status"]) == ({"refusal": 0.1}, {"refusal": 0.1}, 200)
    assert line["key"] == read_keys(None, None, {"STEER_KEYS": KEY})[0].id
    assert (line["read"] > 0, line["written"]) == (True, 2)
    assert "Hello" not in text
    assert KEY not in text


def test_prompts_are_logged_only_where_it_is_switched_on(serving, tmp_path):
    with serving(audit=tmp_path / "log", audit_prompts=True) as live:
        live.post("/v1/chat/completions", CHAT)
    assert "Hello" in (tmp_path / "log").read_text()


def test_floods_are_told_to_come_back_and_nothing_is_lost(serving):
    with serving(limits=Limits(rows=2, tokens=128, queue=3)) as live:
        body = CHAT | {
            "max_tokens": 100,
            "temperature": 1,
            "messages": [{"role": "user", "content": "Write a story."}],
        }
        with ThreadPoolExecutor(24) as pool:
            answers = list(
                pool.map(lambda at: live.post("/v1/chat/completions", body | {"seed": at}), range(24))
            )
        codes = [own.status_code for own in answers]
        assert set(codes) == {200, 429}
        for own in answers:
            if own.status_code == 429:
                assert own.headers["retry-after"] == "1"
                assert own.json()["error"]["type"] == "rate_limit_error"
        live.settled()
        assert live.post("/v1/chat/completions", CHAT).status_code == 200


def test_what_comes_broken_off_harms_nobody(live):
    host, port = live.url.removeprefix("http://").split(":")
    begun = b"POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
    for raw in (begun + b"Content-Length: 50\r\n\r\n{", b"\x00\xff" * 50, b"GET / HTTP/9\r\n\r\n"):
        with socket.create_connection((host, int(port))) as wire:
            wire.sendall(raw)
    assert live.get("/health").status_code == 200
