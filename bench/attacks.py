"""Requests that a server is to refuse, each as bytes and with the status it is to get; and valid ones changed by chance.

What they aim at: keys, bounds, the operator's files, limits, and the server's reading of HTTP and JSON. Sends nothing.
"""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

NAME = "reference:aligned"
USER, NARROW, ADMIN = "the-key-of-a-user", "the-key-of-another", "the-key-of-the-administrator"
LIMITS = {"rows": 8, "tokens": 32, "prompt": 200}  # the server's
CHAT, TEXT = "/v1/chat/completions", "/v1/completions"
EXPLAIN, POLICY = "/v1/steering/explain", "/v1/steering/policy"
BODIES: dict[str, dict[str, Any]] = {
    CHAT: {"model": NAME, "messages": [{"role": "user", "content": "Hello"}], "max_tokens": 8, "temperature": 0},
    TEXT: {"model": NAME, "prompt": "Hello", "max_tokens": 2},
    EXPLAIN: {"prompt": "Hello", "steering": "mild"},
    POLICY: {"name": "same"},
}  # fmt: skip
# Who asks, and by which words after `Authorization:`.
WHO: dict[str, Sequence[str | None]] = {
    "no key": (None,),
    "wrong key": ("Bearer wrong", "Bearer", "Basic " + USER, USER, f"Bearer {USER}x", f"Bearer {USER[:-1]}", "Bearer \xff"),
    "user's key": (f"Bearer {USER}",),
    "administrator's key": (f"Bearer {ADMIN}",),
}  # fmt: skip
_JSON = "application/json"
_LARGE = 10 << 20
_NASTY: tuple[Any, ...] = (
    None, True, False, -1, 0, 0.5, 1e308, -1e308, float("nan"), float("inf"), 10**400, 2**63, "", " ", "x" * 5000, "\ud800",
    "\x00", "../../etc/passwd", "/etc/passwd", "user", "refusal=0.5", "refusal=nan", [], [[]], {}, [0] * 300, ["a"] * 200,
    {"refusal": 0.5}, {"refusal": 1e400}, {"": 1.0}, {"type": "text", "text": "a"}, {"include_usage": True},
)  # fmt: skip
_FIELDS = (
    "stream", "n", "seed", "stop", "logprobs", "echo", "top_p", "temperature", "max_tokens", "steering", "vllm_xargs",
    "user", "x",
)  # fmt: skip


class Row(NamedTuple):
    """A kind of request: in words, the status it is to get, the requests, and whether the server they go to has keys."""

    what: str
    expected: int
    requests: Sequence[bytes]
    keys: bool = True


def wire(
    method: str,
    path: str,
    body: Any = None,
    *,
    key: str | None = f"Bearer {USER}",
    kind: str | None = _JSON,
    host: str = "127.0.0.1",
    **headers: str,
) -> bytes:
    """A request as it goes over the wire, and the last of its connection.

    Args:
        method: Such as "GET".
        path: As it stands there.
        body: Bytes as they are; other things as JSON; None = none.
        key: After `Authorization:`.
        kind: Of the body.
        host: By which the server is asked.
        **headers: More of them, with `_` for `-`; `content_length=""` leaves that one out.
    """
    content = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    given = {"host": host, "connection": "close", "authorization": key}
    if body is not None:
        given |= {"content-type": kind, "content-length": str(len(content))}
    given |= {name.replace("_", "-"): value for name, value in headers.items()}
    lines = [f"{method} {path} HTTP/1.1", *(f"{name}: {own}" for name, own in given.items() if own)]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + content


def routes(schema: dict[str, Any]) -> Iterator[tuple[str, str, str]]:
    """Every route that the server has, and one that it has not: in words, its method, a path of it."""
    yield from (("`GET /`, the page", "GET", "/"), ("`GET /openapi.json`", "GET", "/openapi.json"))
    for path, methods in schema["paths"].items():
        for method in methods:
            yield (
                f"`{method.upper()} {path.replace(':path', '')}`",
                method.upper(),
                path.replace("{name}", NAME),
            )
    yield "any other path", "GET", "/v1/none"


def expected_of(path: str) -> tuple[int, int, int, int]:
    """Of a route, by who asks."""
    if path in ("/", "/health"):
        return 200, 200, 200, 200
    return 401, 401, {POLICY: 403, "/v1/none": 404}.get(path, 200), 404 if path == "/v1/none" else 200


def rows() -> list[Row]:
    """What else is asked, kind by kind."""
    admin = f"Bearer {ADMIN}"
    names = (
        "../policy",
        "../allowed/same",
        "/etc/passwd",
        "..",
        "same.toml",
        "same\x00",
        "..\\policy",
        "%2e%2e%2fpolicy",
    )
    return [
        Row("a strength beyond the bounds of the policy", 400,
            _chats("steering", {"refusal": 2.6}, {"caution": -0.1}, "refusal=9")),
        Row("a strength beyond the bounds of the key", 403, [
            wire("POST", path, BODIES[path] | {"steering": {"refusal": 0.3}}, key=f"Bearer {NARROW}")
            for path in (CHAT, TEXT, EXPLAIN)
        ]),
        Row("the same in the model's name", 400, _chats("model", f"{NAME}@9", f"{NAME}@refusal=2.6")),
        Row("a dial or preset that is not there", 400, _chats("steering", {"warmth": 0.1}, "warmth=0.1", "nowhere")),
        Row("a strength of NaN or infinity", 400, [
            *_chats("steering", float("nan"), {"refusal": float("inf")}, "refusal=nan", "refusal=-inf", {"refusal": 10**400}),
            *_chats("model", f"{NAME}@refusal=nan"), *_chats("vllm_xargs", {"steer": float("inf")}),
            wire("POST", CHAT, json.dumps(BODIES[CHAT]).encode()[:-1] + b', "steering": 1e999}'),
        ]),
        Row("a strength that is no number", 400, _chats("steering", True, {"refusal": "0.5"}, [0.5], "a=b=c", {"refusal": None})),
        Row("strengths in two places", 400, [wire("POST", CHAT, BODIES[CHAT] | {"steering": 0.1, "model": f"{NAME}@mild"}),
            wire("POST", CHAT, BODIES[CHAT] | {"steering": 0.1, "vllm_xargs": {"steer": 0.1}})]),
        Row("a field that nobody knows, or that cannot be honoured", 400, [
            *_chats("policy", "/etc/passwd"), *_chats("top_k", 5), *_chats("tools", [{"type": "function"}]),
            *_chats("store", True), *_chats("response_format", {"type": "json_object"}),
            wire("POST", EXPLAIN, {"prompt": "a", "file": "/etc/passwd"}),
        ]),
        Row("a path as the model's name", 404, _chats("model", "/etc/passwd", "../policy", f"{NAME}/../x", "reference:base")),
        Row("a path as strengths or preset", 400, [
            *_chats("steering", "../../etc/passwd"), *_chats("model", f"{NAME}@/etc/passwd"),
            *_chats("vllm_xargs", {"steer": "../policy.toml"})]),
        Row("a path as a picture", 400, _chats("messages", [{"role": "user", "content": [
            {"type": "image_url", "image_url": {"url": "file:///etc/passwd"}}]}])),
        Row("a policy by its path, from the administrator", 400, [
            wire("POST", POLICY, {"name": own}, key=admin) for own in names]),
        Row("a policy behind a link out of the folder", 400, [wire("POST", POLICY, {"name": "away"}, key=admin)]),
        Row("a policy that is not there, is broken, or is under the floor", 400, [
            wire("POST", POLICY, {"name": own}, key=admin) for own in ("none", "broken", "low")]),
        Row("a file outside the page", 404, [wire("GET", own) for own in (
            "/../app.py", "/..%2f..%2fetc/passwd", "/%2e%2e/keys.py", "/v1/models/../../etc/passwd", "//etc/passwd", "/app.py")]),
        Row("more tokens, choices or prompts than allowed", 400, [*_chats("max_tokens", 33, 10**9), *_chats("n", 9, 129),
            *_texts("prompt", "word " * 300, ["a"] * 9), *_texts("max_tokens", 10**400)]),
        Row("a body of 10 MB", 413, [wire("POST", CHAT, b"x" * _LARGE)]),
        Row("the same in pieces, without its length", 413, [wire("POST", CHAT, b"%x\r\n%b\r\n0\r\n\r\n" % (
            _LARGE, b"x" * _LARGE), content_length="", transfer_encoding="chunked")]),
        Row("a body that does not come", 408, [wire("POST", CHAT, b"{", content_length="50")]),
        Row("a body that is no JSON, or is none of an object", 400, [wire("POST", path, own) for path in BODIES for own in (
            b"", b"{", b"null", b"[]", b"\xff\xfe", b"[" * 100_000, b'{"a": ' * 20_000)]),
        Row("a body of another kind", 415, [wire("POST", CHAT, BODIES[CHAT], kind=own) for own in (
            "text/plain", "application/x-www-form-urlencoded", "multipart/form-data", None)]),
        Row("a question of a page elsewhere, whether it may ask", 405, [wire("OPTIONS", CHAT, origin="https://elsewhere.example")]),
        Row("another method", 405, [wire("GET", CHAT), wire("PUT", CHAT, {}), wire("DELETE", "/v1/models", {})]),
        Row("another name of the host, where there are no keys", 421, [
            wire(method, path, BODIES.get(path), host=own, key=None)
            for own in ("elsewhere.example", "elsewhere.example:8000", "127.0.0.1.elsewhere.example", "localhost@elsewhere")
            for method, path in (("GET", "/v1/models"), ("GET", "/"), ("GET", "/health"), ("POST", CHAT))
        ], keys=False),
        Row("what is no HTTP", 400, [b"\x00\xff" * 50 + b"\r\n\r\n", b"GET / HTTP/9\r\n\r\n", wire("GET", "/", x="y" * 200_000),
            wire("GET", "/", host=""),
            wire("POST", CHAT, {}, content_length="x"), wire("POST", CHAT, {}, content_length="-1")]),
    ]  # fmt: skip


def changed(draw: random.Random) -> bytes:
    """A valid request for an answer, an explanation or a policy, of which something is changed."""
    path = draw.choice(list(BODIES))
    body = copy.deepcopy(BODIES[path])
    for _ in range(draw.randint(1, 2)):
        _change(draw, body)
    text = bytearray(json.dumps(body).encode())
    if draw.random() < 0.3:
        _damage(draw, text)
    return wire("POST", path, bytes(text))


def _chats(field: str, *values: Any) -> list[bytes]:
    return [wire("POST", CHAT, BODIES[CHAT] | {field: value}) for value in values]


def _texts(field: str, *values: Any) -> list[bytes]:
    return [wire("POST", TEXT, BODIES[TEXT] | {field: value}) for value in values]


def _change(draw: random.Random, body: dict[str, Any]) -> None:
    """One field: another value, one that is new, a list of it, another text, a change inside, or none."""
    field, way = draw.choice([*body, "messages"]), draw.randrange(8)
    value = body.pop(field, None)
    if way == 0:
        body[field] = draw.choice(_NASTY)
    elif way == 1:
        body |= {field: value, draw.choice(_FIELDS): draw.choice(_NASTY)}
    elif way == 2:
        body[field] = [value] * draw.randint(1, 3)
    elif way == 3:
        body |= {
            field: value,
            "steering": draw.choice([0, 2.5, -2.5, "strict", {"refusal": -1}, draw.uniform(-3, 3)]),
        }
    elif isinstance(value, str):
        body[field] = "".join(
            chr(draw.randrange(draw.choice([128, 1 << 16, 0x110000]))) for _ in range(draw.randrange(40))
        )
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        _change(draw, value[0])
        body[field] = value


def _damage(draw: random.Random, text: bytearray) -> None:
    """Some bytes: others, none, or twice."""
    for _ in range(draw.randint(1, 4)):
        at = draw.randrange(len(text) + 1)
        part = bytes(text[at : at + draw.randint(1, 9)])
        text[at : at + len(part)] = draw.choice(
            [bytes(draw.randrange(256) for _ in part), b"", part * 2, b"\\ud800", b"[[{"]
        )
