"""The bodies of requests: OpenAI's fields that are honoured, and ours. Anything else is refused, never ignored.

A field that OpenAI has and this server has not may be there only with the value at which it does nothing.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from steer.errors import PlanError


def _whole(text: str) -> str:
    """JSON can hold half a character, which no tokenizer takes; the error is a ValueError."""
    text.encode()
    return text


_Words = Annotated[str, AfterValidator(_whole)]
_Text = Annotated[_Words, Field(min_length=1)]
_Zero = Annotated[float, Field(ge=0, le=0)]
_Seed = Annotated[int, Field(ge=-(2**63), lt=2**63)]
_Ids = Annotated[list[Annotated[int, Field(ge=0)]], Field(min_length=1)]
Steering = (
    str
    | Annotated[float, Field(allow_inf_nan=False)]
    | dict[str, Annotated[float, Field(allow_inf_nan=False)]]
)
KEY = "steer"  # under which `vllm_xargs` says the strengths, as for our plug-in of vLLM


class _Body(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class TextPart(_Body):
    """A part of a message."""

    type: Literal["text"]
    text: _Words


class Turn(_Body):
    """One message of a conversation."""

    role: Literal["system", "user", "assistant"]
    content: _Words | Annotated[list[TextPart], Field(min_length=1)]

    @property
    def text(self) -> str:
        """Its parts as one."""
        return self.content if isinstance(self.content, str) else "".join(part.text for part in self.content)


class StreamOptions(_Body):
    """Of a stream."""

    include_usage: bool = False


class Xargs(_Body):
    """As a request to vLLM says strengths."""

    steer: Steering | None = None


class Asking(_Body):
    """What both kinds of completions share."""

    model: Annotated[str, Field(max_length=1200)]
    steering: Steering | None = None
    vllm_xargs: Xargs | None = None
    temperature: Annotated[float, Field(ge=0, le=2)] | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    n: Annotated[int, Field(ge=1, le=128)] | None = None
    seed: _Seed | None = None
    stop: _Text | Annotated[list[_Text], Field(max_length=16)] | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    user: str | None = None  # of the client's own; not read
    frequency_penalty: _Zero | None = None
    presence_penalty: _Zero | None = None
    logit_bias: Annotated[dict[str, float], Field(max_length=0)] | None = None

    @property
    def asked(self) -> Any:
        """Strengths under either name; None = none there."""
        return self.steering if self.vllm_xargs is None else self.vllm_xargs.steer

    @property
    def stops(self) -> tuple[str, ...]:
        """Texts that end an answer."""
        return (self.stop,) if isinstance(self.stop, str) else tuple(self.stop or ())

    @model_validator(mode="after")
    def _agree(self) -> Asking:
        if self.steering is not None and self.vllm_xargs is not None and self.vllm_xargs.steer is not None:
            raise ValueError("strengths in steering and in vllm_xargs; give one of them")
        if self.stream_options is not None and not self.stream:
            raise ValueError("stream_options without stream; leave them out, or set stream")
        return self


class ResponseFormat(_Body):
    """Text is all there is."""

    type: Literal["text"]


class ChatAsking(Asking):
    """`POST /v1/chat/completions`."""

    messages: Annotated[list[Turn], Field(min_length=1, max_length=1000)]
    max_tokens: Annotated[int, Field(ge=1)] | None = None
    max_completion_tokens: Annotated[int, Field(ge=1)] | None = None
    logprobs: bool | None = None
    top_logprobs: Annotated[int, Field(ge=0, le=20)] | None = None
    response_format: ResponseFormat | None = None
    tools: Annotated[list[Any], Field(max_length=0)] | None = None
    store: Literal[False] | None = None

    @property
    def top(self) -> int | None:
        """How many log-probabilities at each place; None = none."""
        return (self.top_logprobs or 0) if self.logprobs else None

    @property
    def most(self) -> int | None:
        """Most tokens of an answer, if it says."""
        return self.max_completion_tokens if self.max_tokens is None else self.max_tokens

    @model_validator(mode="after")
    def _agree_chat(self) -> ChatAsking:
        if self.max_tokens is not None and self.max_completion_tokens is not None:
            raise ValueError("max_tokens and max_completion_tokens; give one of them")
        if self.top_logprobs is not None and not self.logprobs:
            raise ValueError("top_logprobs without logprobs; set logprobs, or leave it out")
        return self


class TextAsking(Asking):
    """`POST /v1/completions`."""

    prompt: (
        _Words
        | _Ids
        | Annotated[list[_Words], Field(min_length=1, max_length=128)]
        | Annotated[list[_Ids], Field(min_length=1, max_length=128)]
    )
    max_tokens: Annotated[int, Field(ge=0)] | None = None
    logprobs: Annotated[int, Field(ge=0, le=5)] | None = None
    echo: bool | None = None
    best_of: Annotated[int, Field(ge=1, le=1)] | None = None
    suffix: None = None

    @property
    def prompts(self) -> list[str | list[int]]:
        """One or several, each a text or tokens."""
        found: Any = self.prompt
        alone = isinstance(found, str) or isinstance(found[0], int)
        return [found] if alone else list(found)

    @model_validator(mode="after")
    def _agree_text(self) -> TextAsking:
        if self.max_tokens == 0 and not self.echo:
            raise ValueError("max_tokens of 0 without echo; ask for a token")
        return self


class Explaining(_Body):
    """`POST /v1/steering/explain`; with an answer to the prompt, its tokens are read too."""

    prompt: _Text | Annotated[list[Turn], Field(min_length=1, max_length=1000)]
    answer: _Text | None = None
    steering: Steering | None = None


class Choosing(_Body):
    """`POST /v1/steering/policy`."""

    name: Annotated[str, Field(min_length=1, max_length=64)]


def split(model: str, served: str) -> str | None:
    """The strengths behind a model's name, `NAME@refusal=0.5`; None = none.

    Raises:
        UnknownModelError: Another name.
    """
    if model == served:
        return None
    name, mark, behind = model.rpartition("@")
    if not mark or name != served or not behind.strip():
        raise UnknownModelError(
            f"model {model[:100]!r}", f"{served}, or {served}@STRENGTHS", "see GET /v1/models"
        )
    return behind


class UnknownModelError(PlanError):
    """A model that is not served."""


def one_of(behind: str | None, asked: Any) -> Any:
    """Strengths behind the name or in a field.

    Raises:
        PlanError: Both.
    """
    if behind is not None and asked is not None:
        raise PlanError(
            f"strengths {behind[:100]!r} in the model's name and others beside it",
            "one of them",
            "leave one out",
        )
    return asked if behind is None else behind
