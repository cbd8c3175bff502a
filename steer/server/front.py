"""What stands before every route: the request's id, who asks, how large and of what kind the body is, and what is noted of it.

Plain ASGI; knows no body's meaning.
"""

from __future__ import annotations

import asyncio
import json
import re
import time
import uuid
from collections.abc import Mapping
from typing import Any

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from steer.server.house import House
from steer.server.keys import known

_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")
_BODY_SECONDS = 30
_OPEN = {"/health"}  # without a key
_HEADERS = {
    "content-security-policy": "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'",
    "x-content-type-options": "nosniff",
    "referrer-policy": "no-referrer",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}


class Refused(Exception):
    """An answer before any route was asked."""

    def __init__(
        self, status: int, message: str, code: str, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.status, self.code, self.headers = status, code, dict(headers or {})


class Front:
    """Wraps an app.

    Args:
        app: With the routes.
        house: Whose keys, limits, counters and log these are.
        free: Paths that need no key besides `/health`: the page's own files.
    """

    def __init__(self, app: ASGIApp, house: House, free: frozenset[str]) -> None:
        self._app, self._house, self._free = app, house, free | _OPEN

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
        given = headers.get("x-request-id", "")
        name = given if _ID.fullmatch(given) else uuid.uuid4().hex
        notes: dict[str, Any] = {"id": name, "key": None, "method": scope["method"]}
        scope["steer"] = notes
        began, status = time.perf_counter(), 500

        async def sending(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                own = {**_HEADERS, "x-request-id": name}
                message["headers"] = [
                    *message["headers"],
                    *((key.encode(), value.encode()) for key, value in own.items()),
                ]
            await send(message)

        try:
            whole = await self._checked(scope, receive, headers, notes)
            await self._app(scope, _again(whole, receive), sending)
        except Refused as error:
            await _refuse(error, sending)
        finally:
            self._note(scope, notes, status, time.perf_counter() - began)

    async def _checked(
        self, scope: Scope, receive: Receive, headers: Mapping[str, str], notes: dict[str, Any]
    ) -> bytes:
        settings = self._house.settings
        if settings.hosts and _host(headers.get("host", "")) not in settings.hosts:
            raise Refused(
                421, "this name is not the server's; ask it as 127.0.0.1 or localhost", "wrong_host"
            )
        if settings.keys and scope["path"] not in self._free:
            key = known(settings.keys, headers.get("authorization"))
            if key is None:
                raise Refused(
                    401, "no key, or not a key of this server: send `Authorization: Bearer KEY`", "invalid_api_key",
                    {"www-authenticate": "Bearer"},
                )  # fmt: skip
            scope["steer_key"], notes["key"] = key, key.id
        if scope["method"] != "POST":  # no other route reads a body
            return b""
        # A page of another origin can send other kinds without asking first.
        if headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise Refused(415, "a body of another kind than application/json", "unsupported_media_type")
        return await _body(receive, headers, self._house.limits.body)

    def _note(self, scope: Scope, notes: dict[str, Any], status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "other")
        if route == "other" and scope["path"] in self._free:
            route = "page"
        metrics = self._house.metrics
        metrics.requests.labels(route, str(status)).inc()
        metrics.latency.labels(route).observe(seconds)
        if scope["method"] == "POST":
            self._house.audit.note(route=route, status=status, seconds=round(seconds, 4), **notes)


def error_body(message: str, kind: str, code: str | None = None, param: str | None = None) -> dict[str, Any]:
    """As OpenAI writes errors."""
    found = {"message": message, "type": kind, "param": param, "code": code}
    # A lone surrogate, which a client's JSON may hold, is no UTF-8.
    clean = {
        key: value.encode("utf-8", "replace").decode() if value else value for key, value in found.items()
    }
    return {"error": clean}


async def _refuse(error: Refused, send: Send) -> None:
    kind = "rate_limit_error" if error.status == 429 else "invalid_request_error"
    body = json.dumps(error_body(str(error), kind, error.code)).encode()
    headers = {"content-type": "application/json", "content-length": str(len(body)), **error.headers}
    pairs = [(key.encode(), value.encode()) for key, value in headers.items()]
    await send({"type": "http.response.start", "status": error.status, "headers": pairs})
    await send({"type": "http.response.body", "body": body})


async def _body(receive: Receive, headers: Mapping[str, str], most: int) -> bytes:
    """The whole body, within size and time."""
    large = Refused(413, f"a body of more than {most} bytes", "body_too_large", {"connection": "close"})
    length = headers.get("content-length", "0")
    if not length.isdigit() or int(length[:20]) > most:
        raise large
    found = bytearray()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            while True:
                message = await receive()
                if message["type"] == "http.disconnect":
                    raise Refused(400, "a body that was broken off", "broken_body")
                found += message.get("body", b"")
                if len(found) > most:
                    raise large
                if not message.get("more_body", False):
                    return bytes(found)
    except TimeoutError:
        raise Refused(408, "a body that came too slowly", "slow_body", {"connection": "close"}) from None


def _again(whole: bytes, receive: Receive) -> Receive:
    """The body once more, then what comes after it."""
    told = False

    async def again() -> Message:
        nonlocal told
        if told:
            return await receive()
        told = True
        return {"type": "http.request", "body": whole, "more_body": False}

    return again


def _host(header: str) -> str:
    """A name without its port."""
    return re.sub(r":\d+$", "", header.strip().lower())
