"""The routes of `steer serve`, and what they answer when something is wrong. What they do is elsewhere."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import uuid
from collections.abc import AsyncGenerator, AsyncIterator, Coroutine
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from pathlib import Path
from typing import Any, TypeVar

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import FileResponse, JSONResponse, PlainTextResponse, Response, StreamingResponse
from starlette.exceptions import HTTPException
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

import steer
from steer.errors import PlanError
from steer.server.completions import Answers, TooLongError, brief, gate_fields
from steer.server.engine import EngineError
from steer.server.front import Front, error_body
from steer.server.house import House
from steer.server.keys import ForbiddenError, Key
from steer.server.limits import BusyError
from steer.server.offers import facts_of, models_of
from steer.server.protocol import (
    Asking,
    ChatAsking,
    Choosing,
    Explaining,
    TextAsking,
    UnknownModelError,
    split,
)
from steer.server.reading import cut
from steer.server.writing import Part
from steer_kernels import SteerError
from steer_vectors.chat import Message, Prompt, prompt_ids

PAGE = Path(__file__).parent / "playground"
T = TypeVar("T")
_DONE = b"data: [DONE]\n\n"
_FIELD = re.compile(r"(?!(str|int|float|bool|dict|list)$)[A-Za-z_]\w*")
_CODES = {404: "not_found", 405: "method_not_allowed"}
log = logging.getLogger("steer.server")


def make_app(house: House) -> ASGIApp:
    """The server's app; starts the engine when it is started, and drains it when it is stopped."""

    @asynccontextmanager
    async def living(_: FastAPI) -> AsyncIterator[None]:
        await house.open()
        try:
            yield
        finally:
            await house.close()

    app = FastAPI(
        title="steerdial", version=steer.__version__, lifespan=living, docs_url=None, redoc_url=None
    )
    _errors(app, house)
    _models(app, house)
    _answers(app, house)
    _steering(app, house)
    return Front(app, house, _page(app) if house.settings.page else frozenset())


def _page(app: FastAPI) -> frozenset[str]:
    """The playground's own files, each at a route of its own; none of them says anything of the operator."""
    found = {f"/{path.relative_to(PAGE).as_posix()}": path for path in PAGE.rglob("*") if path.is_file()}
    if PAGE / "index.html" in found.values():
        found["/"] = PAGE / "index.html"

    def route(path: str, file: Path) -> Route:
        async def send(_: Request) -> Response:
            return FileResponse(file)

        return Route(path, send, methods=["GET"])

    app.router.routes.extend(route(path, file) for path, file in found.items())
    return frozenset(found)


def _models(app: FastAPI, house: House) -> None:
    def model(name: str) -> dict[str, Any]:
        return {"id": name, "object": "model", "created": 0, "owned_by": "steerdial"}

    @app.get("/health")
    async def health() -> JSONResponse:
        alive = house.served.engine.alive
        return JSONResponse({"status": "ok" if alive else "the engine has stopped"}, 200 if alive else 503)

    @app.get("/metrics")
    async def metrics() -> Response:
        return PlainTextResponse(house.metrics.page(), media_type="text/plain; version=0.0.4")

    @app.get("/v1/models")
    async def models(request: Request) -> dict[str, Any]:
        return {"object": "list", "data": [model(name) for name in models_of(house, _key(request))]}

    @app.get("/v1/models/{name:path}")
    async def one_model(name: str, request: Request) -> dict[str, Any]:
        house.served.strengths(split(name, house.settings.name), _key(request))
        return model(name)


def _answers(app: FastAPI, house: House) -> None:
    @app.post("/v1/chat/completions")
    async def chat(body: ChatAsking, request: Request) -> Response:
        return await _respond(house, body, request)

    @app.post("/v1/completions")
    async def completions(body: TextAsking, request: Request) -> Response:
        return await _respond(house, body, request)


def _steering(app: FastAPI, house: House) -> None:
    @app.get("/v1/steering")
    async def steering(request: Request) -> dict[str, Any]:
        return facts_of(house, _key(request))

    @app.post("/v1/steering/explain")
    async def explain(body: Explaining, request: Request) -> dict[str, Any]:
        served = house.served
        strengths = served.strengths(body.steering, _key(request))
        prompt: Prompt = (
            body.prompt
            if isinstance(body.prompt, str)
            else [Message(role=turn.role, content=turn.text) for turn in body.prompt]
        )
        ids = prompt_ids(house.model.tokenizer, prompt)
        if len(ids) > (most := min(house.limits.prompt, house.room - 1)):
            raise TooLongError(f"a prompt of {len(ids)} tokens", f"at most {most}", "shorten it")
        if body.answer is not None and served.plan is None:
            raise PlanError("an answer to read, and no policy", "directions to read it along", "leave it out")
        answer = [] if body.answer is None else cut(house.model.tokenizer, body.answer)
        if len(ids) + len(answer) > house.room:
            raise TooLongError(
                f"a prompt and an answer of {len(ids) + len(answer)} tokens",
                f"at most {house.room}",
                "shorten them",
            )
        request.scope["steer"] |= {"asked": brief(body.steering), "given": strengths, "policy": served.hash}
        async with house.door.enter(1):
            decided = await house.reader.decide(served.plan, ids, strengths)
            found: dict[str, Any] = {}
            if served.plan is not None:
                found = await house.reader.explain(served.plan, prompt, strengths, answer)
        request.scope["steer"]["risk"] = decided.risk
        return {"policy": served.hash, "strengths": strengths, **gate_fields(decided), **found}

    @app.post("/v1/steering/policy")
    async def choose(body: Choosing, request: Request) -> dict[str, Any]:
        key = _key(request)
        if key is None or not key.admin:
            raise ForbiddenError(
                "a request to load a policy", "the administrator's key", "start the server with one"
            )
        request.scope["steer"]["asked"] = body.name
        # Half a change would leave no engine: it goes on even if whoever asked has gone.
        await asyncio.shield(asyncio.ensure_future(house.load(body.name)))
        return facts_of(house, key)


async def _respond(house: House, body: Asking, request: Request) -> Response:
    stack = AsyncExitStack()
    notes = request.scope["steer"]
    if house.audit.prompts:
        notes["prompt"] = body.model_dump(include={"messages", "prompt"})
    try:
        async with asyncio.timeout(house.limits.seconds):
            answers = Answers(house, body, _key(request), notes)
            await _watched(request, answers.begin(stack))
            if body.stream:
                held = stack.pop_all()
                return _Stream(_events(answers, held), held)
            return JSONResponse(await _watched(request, _whole(answers)))
    except TimeoutError:
        raise BusyError(
            "a request that took too long", f"{house.limits.seconds:g} seconds", "ask for less"
        ) from None
    finally:
        await stack.aclose()


async def _watched(request: Request, work: Coroutine[Any, Any, T]) -> T:
    """Do the work as long as the client is there; once it has gone, cancel it."""
    task = asyncio.ensure_future(work)
    gone = asyncio.ensure_future(_gone(request))
    try:
        await asyncio.wait({task, gone}, return_when=asyncio.FIRST_COMPLETED)
        if not task.done():
            raise HTTPException(499, "the client has gone")
        return task.result()
    finally:
        for own in (task, gone):
            own.cancel()
        await asyncio.gather(task, gone, return_exceptions=True)


async def _gone(request: Request) -> None:
    while (await request.receive())["type"] != "http.disconnect":
        pass


async def _whole(answers: Answers) -> dict[str, Any]:
    """The response that comes at once."""
    chat = isinstance(answers.body, ChatAsking)
    found: list[list[Part]] = [[] for _ in answers.choices]
    async with aclosing(answers.parts()) as parts:
        async for at, part in parts:
            found[at].append(part)
    choices = []
    for at, own in enumerate(found):
        text = answers.echo(at) + "".join(part.text for part in own)
        logprobs = answers.logprobs(at, [piece for part in own for piece in part.pieces])
        content = (
            {"message": {"role": "assistant", "content": text, "refusal": None}} if chat else {"text": text}
        )
        choices.append(
            {
                "index": at,
                **content,
                "logprobs": logprobs,
                "finish_reason": own[-1].finish,
                **_gate_of(answers, at),
            }
        )
    if answers.house.audit.prompts:
        answers.notes["answers"] = [
            own.get("text") or own.get("message", {}).get("content") for own in choices
        ]
    kind = "chat.completion" if chat else "text_completion"
    return {**_head(answers, kind), "choices": choices, "usage": answers.usage, "steering": answers.steering}


async def _events(answers: Answers, stack: AsyncExitStack) -> AsyncGenerator[bytes, None]:
    """The same, part by part, as server-sent events."""
    chat = isinstance(answers.body, ChatAsking)
    head = _head(answers, "chat.completion.chunk" if chat else "text_completion")
    options = answers.body.stream_options
    with_usage = options is not None and options.include_usage
    if with_usage:
        head["usage"] = None
    begun: dict[int, int] = {}  # of each choice, characters of its log-probabilities
    try:
        async with (
            asyncio.timeout(answers.house.limits.seconds),
            aclosing(answers.parts(stack.aclose)) as parts,
        ):
            async for at, part in parts:
                first = at not in begun
                choice = _delta(answers, at, part, begun)
                if first or part.text or part.finish or choice["logprobs"]:
                    told = {"steering": answers.steering} if len(begun) == 1 and first else {}
                    yield _event({**head, "choices": [{**choice, **_gate_of(answers, at)}], **told})
        if with_usage:
            yield _event({**head, "choices": [], "usage": answers.usage, "steering": answers.steering})
        yield _DONE
    except (SteerError, TimeoutError) as error:
        # The status has been sent: an event is all that can be said.
        answers.notes["error"] = type(error).__name__
        yield _event(error_body(str(error) or "the request took too long", "server_error"))
    except Exception:
        log.exception("an answer that broke off")
        yield _event(error_body("the server failed; see its log", "server_error"))
    finally:
        await stack.aclose()


def _delta(answers: Answers, at: int, part: Part, begun: dict[int, int]) -> dict[str, Any]:
    chat, first = isinstance(answers.body, ChatAsking), at not in begun
    offset = begun.setdefault(at, 0)
    text = (answers.echo(at) if first else "") + part.text
    scores = bool(answers.scores) and first
    logprobs = answers.logprobs(at, part.pieces, offset, first=first) if part.pieces or scores else None
    if answers.top is not None and not chat:
        before = answers.scores[answers.choices[at].prompt] if scores else []
        begun[at] += answers.words([*before, *part.pieces])
    role = {"role": "assistant"} if first else {}
    content: dict[str, Any] = {"delta": {**role, "content": text}} if chat else {"text": text}
    if chat and part.finish and not text and not first:
        content = {"delta": {}}
    return {"index": at, **content, "logprobs": logprobs, "finish_reason": part.finish}


def _gate_of(answers: Answers, at: int) -> dict[str, Any]:
    """Where a request has several prompts, each choice says what the probes said of its own."""
    if len(answers.prompts) < 2 or not answers.decided[0].gates:
        return {}
    return {"steering": gate_fields(answers.decided[answers.choices[at].prompt])}


def _head(answers: Answers, kind: str) -> dict[str, Any]:
    prefix = "chatcmpl" if isinstance(answers.body, ChatAsking) else "cmpl"
    name = answers.notes.get("completion") or f"{prefix}-{uuid.uuid4().hex}"
    answers.notes["completion"] = name
    return {"id": name, "object": kind, "created": answers.created, "model": answers.body.model}


def _event(found: dict[str, Any]) -> bytes:
    return f"data: {json.dumps(found, ensure_ascii=False, allow_nan=False)}\n\n".encode("utf-8", "replace")


class _Stream(StreamingResponse):
    """Server-sent events; gives back what it holds even if it never began."""

    def __init__(self, events: AsyncGenerator[bytes, None], held: AsyncExitStack) -> None:
        super().__init__(events, media_type="text/event-stream")
        self._events, self._held = events, held

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """As ASGI has it."""
        try:
            await super().__call__(scope, receive, send)
        finally:
            await self._events.aclose()
            await self._held.aclose()


def _key(request: Request) -> Key | None:
    found: Key | None = request.scope.get("steer_key")
    return found


def _errors(app: FastAPI, house: House) -> None:
    kinds: dict[type[SteerError], tuple[int, str, str | None]] = {
        UnknownModelError: (404, "invalid_request_error", "model_not_found"),
        ForbiddenError: (403, "permission_error", "forbidden"),
        TooLongError: (400, "invalid_request_error", "context_length_exceeded"),
        BusyError: (429, "rate_limit_error", "busy"),
        EngineError: (503, "server_error", "engine"),
        SteerError: (400, "invalid_request_error", None),
    }

    @app.exception_handler(SteerError)
    async def refused(_: Request, error: SteerError) -> JSONResponse:
        status, kind, code = next(own for known, own in kinds.items() if isinstance(error, known))
        headers = {"retry-after": str(house.limits.retry)} if status in (429, 503) else None
        return JSONResponse(error_body(str(error), kind, code), status, headers)

    @app.exception_handler(RequestValidationError)
    async def invalid(_: Request, error: RequestValidationError) -> JSONResponse:
        first = error.errors()[0]
        # Of a union, pydantic also names the kind that it tried: nothing for a client.
        extra = first["type"] == "extra_forbidden"
        parts = [
            str(part) for part in first["loc"][1:] if extra or isinstance(part, int) or _FIELD.fullmatch(part)
        ]
        where = ".".join(parts)[:200]
        what = first["msg"].removeprefix("Value error, ")
        if parts[:1] == ["steering"] or parts[:2] == ["vllm_xargs", "steer"]:
            what = "expected a number, a preset, DIAL=NUMBER,..., or a map from dials to numbers"
        said = f"{where}: this server does not know the field" if extra else f"{where or 'the body'}: {what}"
        code = "unsupported_parameter" if extra else "invalid_value"
        return JSONResponse(error_body(said[:500], "invalid_request_error", code, where or None), 400)

    @app.exception_handler(HTTPException)
    async def http(_: Request, error: HTTPException) -> JSONResponse:
        return JSONResponse(
            error_body(str(error.detail), "invalid_request_error", _CODES.get(error.status_code)),
            error.status_code,
            error.headers,
        )

    @app.exception_handler(Exception)
    async def broken(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse(error_body("the server failed; see its log", "server_error"), 500)
