"""Suites: data, how to ask, how to judge; built in by name, the user's own by path. Knows no model.

A suite is a TOML header and a JSONL file of the same name beside it. Kinds: "refusal" (the verdict is the result),
"answer" (generated, graded against accepted answers), "choice" (scored by likelihood), "asks" (does it ask back?), "corrects"
(does it deny a false premise?), "reflects" (advice or reflection?), "density" (content per word), and over several answers
together "persona" and "diversity".
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from steer_evals.errors import SuiteError, first_of

if TYPE_CHECKING:
    from steer_vectors.chat import Message as Turn

BUILT_IN = Path(__file__).parent / "data/suites"
Kind = Literal[
    "refusal", "answer", "choice", "asks", "corrects", "reflects", "density", "persona", "diversity"
]
# Axes that the summary reads in one way only: what a suite of another kind has there would be shown as something else.
_BEGIN = {
    "harmful_refusal": "refusal",
    "over_refusal": "refusal",
    "benign_refusal": "refusal",
    "asks_back": "asks",
}
_ARE = {"premise_corrected": "corrects", "true_premise_denied": "corrects", "advice_instead_of_reflection": "reflects",
        "density": "density", "diversity": "diversity", "persona": "persona"}  # fmt: skip
# Where what is right or wrong counts; a refusal, which is 1 on the kind "refusal", would be shown as a right answer.
_RIGHT = ("capability", "keeps_right_answer", "takes_correction")
_MADE = ("invalid", "caveat_share")  # by the summary, beside the axes of suites
_GROUPED = ("diversity", "persona")  # kinds of which a single answer has no value: found by their axis


def _said(text: str) -> str:
    # A blank answer is found in every answer.
    if not text.strip():
        raise ValueError("needs a text that is not blank")
    return text


Text = Annotated[str, AfterValidator(_said)]


class Message(BaseModel):
    """One turn."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    role: Literal["system", "user", "assistant"]
    content: Text


class Item(BaseModel):
    """One question.

    Args:
        id: Unique in the suite.
        prompt: One user turn; or `messages` instead.
        messages: A conversation that ends with a user turn.
        cluster: Items of one source, for standard errors. Default: the item is its own.
        category: What rates are shown by; for kind "persona" the persona.
        answers: Accepted answers (kind "answer"), or the facts that set the premise right (kind "corrects").
        wrong: Answers whose mention before an accepted one makes it wrong (kind "answer"), or what the premise says
            (kind "corrects").
        choices: Texts to score (kind "choice"); `gold` is the index of the right one.
        gold: See `choices`.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)
    id: Text
    prompt: str = ""
    messages: tuple[Message, ...] = ()
    cluster: str = ""
    category: str = ""
    answers: tuple[Text, ...] = ()
    wrong: tuple[Text, ...] = ()
    choices: tuple[Text, ...] = ()
    gold: int = Field(default=0, ge=0, strict=True)

    @model_validator(mode="after")
    def _one_question(self) -> Item:
        if bool(self.prompt) == bool(self.messages) or (self.prompt and not self.prompt.strip()):
            raise ValueError("needs either prompt or messages")
        if self.messages and self.messages[-1].role != "user":
            raise ValueError("messages must end with a user turn")
        if self.choices and not (len(self.choices) > 1 and self.gold < len(self.choices)):
            raise ValueError("needs two choices or more, and gold among them")
        return self

    @property
    def turns(self) -> list[Turn]:
        """The conversation as chat messages."""
        if self.prompt:
            return [{"role": "user", "content": self.prompt}]
        return [{"role": message.role, "content": message.content} for message in self.messages]

    @property
    def text(self) -> str:
        """The conversation on one page, for people."""
        return self.prompt or "\n".join(f"{m.role}: {m.content}" for m in self.messages)


class Header(BaseModel):
    """The TOML beside the items."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    name: Text
    version: Annotated[int, Field(strict=True)]
    axis: Text
    kind: Kind
    licence: Text
    source: Text
    max_new_tokens: int = Field(default=32, ge=1, le=4096, strict=True)

    @model_validator(mode="after")
    def _axis_of_its_kind(self) -> Header:
        if self.axis in _MADE:
            raise ValueError(f"axis {self.axis!r}, which every run has of its own")
        wanted = next(
            (kind for name, kind in _BEGIN.items() if self.axis.startswith(name)), _ARE.get(self.axis)
        )
        if wanted not in (None, self.kind):
            raise ValueError(f"kind {self.kind!r} on axis {self.axis!r}, which takes kind {wanted!r}")
        if self.axis.startswith(_RIGHT) and self.kind not in ("answer", "choice"):
            raise ValueError(
                f"kind {self.kind!r} on axis {self.axis!r}, which takes kind 'answer' or 'choice'"
            )
        if self.kind in _GROUPED and self.axis != self.kind:
            raise ValueError(f"kind {self.kind!r} on axis {self.axis!r}, where it takes axis {self.kind!r}")
        return self


@dataclass(frozen=True)
class Suite:
    """A checked suite.

    Raises:
        SuiteError: No items, two items of one id, or items without what their kind needs.
    """

    header: Header
    items: tuple[Item, ...]

    def __post_init__(self) -> None:
        if not self.items:
            raise SuiteError(f"suite {self.name} without items", "at least one", "add rows to its JSONL file")
        ids = [item.id for item in self.items]
        twice = (
            next((name for name in ids if ids.count(name) > 1), None) if len(set(ids)) < len(ids) else None
        )
        if twice is not None:
            raise SuiteError(
                f"suite {self.name} with two items {twice!r}", "one of each id", "rename one of them"
            )
        needs = {"answer": "answers", "choice": "choices"}.get(self.header.kind)
        for item in self.items:
            if needs and not getattr(item, needs):
                raise SuiteError(
                    f"item {item.id!r} without {needs}",
                    f"{needs} for kind {self.header.kind}",
                    f"mend suite {self.name}",
                )
        blind = self.header.kind == "choice" and next(
            (item.id for item in self.items if "gold" not in item.model_fields_set), None
        )
        if blind:
            raise SuiteError(
                f"item {blind!r} without gold", "the index of the right choice", f"mend suite {self.name}"
            )

    @property
    def name(self) -> str:
        """Name, as in rows and reports."""
        return self.header.name

    @property
    def hash(self) -> str:
        """SHA-256 over header and items, order included."""
        text = self.header.model_dump_json() + "".join(map(_hashed, self.items))
        return hashlib.sha256(text.encode()).hexdigest()


def _hashed(item: Item) -> str:
    """As JSON; fields that came after the first version only where they are set, so that older suites keep their hash."""
    new = item.model_dump_json(include={"category"}, exclude_defaults=True)
    return item.model_dump_json(exclude={"category"}) + (new if item.category else "")


def builtin_suites() -> list[str]:
    """Names of the built-in suites."""
    return sorted(path.stem for path in BUILT_IN.glob("*.toml"))


def load_suite(name: str | Path) -> Suite:
    """A built-in suite by name, the user's own by the path of its TOML header, or a public set (see `public.asked`).

    Raises:
        SuiteError: Unknown name, missing file, or a broken header or row (with its line).
    """
    path = BUILT_IN / f"{name}.toml"
    if str(name) not in builtin_suites():
        path = Path(name)
        if path.suffix != ".toml":
            from steer_evals import public  # knows suites, and loads far more than they need

            if (asked := public.asked(str(name))) is not None:
                return public.read(*asked)
        if path.suffix != ".toml" or not path.is_file():
            raise SuiteError(
                f"suite {str(name)!r}",
                f"one of {', '.join(builtin_suites())}, a .toml file, or a public set (docs/public-sets.md)",
                "check the name",
            )
    header = _header(path)
    return Suite(header, tuple(_items(path.with_suffix(".jsonl"))))


def _header(path: Path) -> Header:
    try:
        return Header.model_validate(tomllib.loads(path.read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise SuiteError(
            f"{path}, which does not read ({error})", "a TOML header", "check the file"
        ) from error
    except ValidationError as error:
        raise SuiteError(
            f"{path} with {first_of(error)}", f"the keys {', '.join(Header.model_fields)}", "mend the header"
        ) from error


def _items(path: Path) -> Iterator[Item]:
    places: dict[str, int] = {}
    try:
        # Not splitlines: a prompt may hold U+2028 or U+0085, which end no line of JSON lines.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise SuiteError(
            f"{path}, which does not read ({error})", "a JSONL file beside the header", "check the file"
        ) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line, object_pairs_hook=_each_once)
            json.dumps(fields, ensure_ascii=False).encode()  # half a character (a lone surrogate) is no text
        except (ValueError, RecursionError) as error:
            raise SuiteError(
                f"{path}:{number}, which does not read as JSON in UTF-8 ({error})",
                "one JSON object a line",
                "mend the line",
            ) from error
        unknown = sorted(set(fields) - set(Item.model_fields)) if isinstance(fields, dict) else []
        if unknown:
            raise SuiteError(
                f"{path}:{number} with the unknown key {unknown[0]!r}",
                f"the keys {', '.join(Item.model_fields)}",
                "rename or drop it",
            )
        try:
            item = Item.model_validate(fields)
        except ValidationError as error:
            raise SuiteError(f"{path}:{number} with {first_of(error)}", "an item", "mend the line") from error
        if (before := places.setdefault(item.id, number)) != number:
            raise SuiteError(
                f"{path}:{number} with the id {item.id!r} of line {before}",
                "one item of each id",
                "rename one",
            )
        yield item


def _each_once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """JSON leaves open which of two values of one key counts; so does nothing here."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        names = [name for name, _ in pairs]
        raise ValueError(f"the key {next(name for name in names if names.count(name) > 1)!r} twice")
    return fields
