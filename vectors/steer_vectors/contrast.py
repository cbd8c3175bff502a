"""Contrast sets: prompts in two classes, some in matched pairs. Knows no models.

A set is JSON lines, one prompt a row: `text` (one user turn) or `messages` (a conversation that ends with the user),
`label` ("positive" or "negative"), and optionally `id`, `split` ("train" or "validation"), `pair` and `category`.
With `answer` in every row the direction is found where answers are made. A TOML file of the same name beside it may say
`name`, `version`, `positive` (what + means), `negative` and `licence`.
"""

from __future__ import annotations

import hashlib
import json
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path
from typing import Any, Literal, NamedTuple, cast

from steer_vectors.chat import Answered, Asked, Message
from steer_vectors.errors import ContrastError

Label = Literal["positive", "negative"]
Split = Literal["train", "validation"]

_LABELS = ("positive", "negative")
_SPLITS = ("train", "validation")
_ROLES = ("system", "user", "assistant")
_VALIDATION_SHARE = 0.2


class Example(NamedTuple):
    """One prompt. `pair` joins matched twins ("" = none); `category` is free text; a conversation is also in `messages`."""

    id: str
    text: str
    label: Label
    split: Split
    pair: str = ""
    category: str = ""
    messages: tuple[Message, ...] = ()
    answer: str = ""

    @property
    def asked(self) -> Asked:
        """What the model is given."""
        prompt = self.messages or self.text
        return Answered(prompt, self.answer) if self.answer else prompt


@dataclass(frozen=True)
class ContrastSet:
    """Prompts in two classes; the direction points from negative to positive.

    Args:
        name: Of the concept, as in `refusal`.
        what_plus: What more of the concept means.
        what_minus: What less of it means.
        licence: Of the prompts, as an SPDX name; "" = unknown.
        examples: All rows, both splits.
        version: Of the set; "" = none.

    Raises:
        ContrastError: A class has no training prompt, or only some prompts have answers.
    """

    name: str
    what_plus: str
    what_minus: str
    licence: str
    examples: tuple[Example, ...]
    version: str = ""

    def __post_init__(self) -> None:
        bare = next((row for row in self.examples if bool(row.answer) != self.answered), None)
        if bare is not None:
            raise ContrastError(
                f"{self.name} with answers in some rows and none in others ({bare.id})",
                "an answer in every row, or in none",
                "add or remove answers",
            )
        for label in _LABELS:
            if not self.select(cast(Label, label), "train"):
                raise ContrastError(
                    f"no {label} training prompt in {self.name}",
                    "at least one prompt of each class",
                    f'add rows with "label": "{label}"',
                )

    @property
    def answered(self) -> bool:
        """Whether the prompts come with answers."""
        return bool(self.examples[0].answer)

    def select(self, label: Label, split: Split) -> list[Asked]:
        """The prompts of one class and split, in file order."""
        return [row.asked for row in self.examples if row.label == label and row.split == split]

    @property
    def hash(self) -> str:
        """SHA-256 of what extraction sees: texts, labels and splits, in any order of rows."""
        rows = sorted(
            (
                row.text,
                row.label,
                row.split,
                *(turn["role"] for turn in row.messages),
                *filter(None, [row.answer]),
            )
            for row in self.examples
        )
        return hashlib.sha256(json.dumps(rows).encode()).hexdigest()


def load_contrast(name_or_path: str | Path) -> ContrastSet:
    """Read a built-in contrast set by name, or a user's JSONL file by path.

    Rows without a split are divided 80 to 20 by the hash of their text, pairs kept whole: the same file
    gives the same split everywhere.

    Raises:
        ContrastError: Unknown name, no such file, or a row that is not right (with its line number).
    """
    source, header, name = _locate(str(name_or_path))
    rows = _parse(source.read_bytes(), source.name)
    head = _header(header) if header.is_file() else {}
    return ContrastSet(
        name=head.get("name", name),
        what_plus=head.get("positive", f"more {name}"),
        what_minus=head.get("negative", f"less {name}"),
        licence=head.get("licence", ""),
        examples=_with_splits(rows, source.name),
        version=head.get("version", ""),
    )


def builtin_contrasts() -> list[str]:
    """Names of the contrast sets that come with the package, sorted."""
    data = files("steer_vectors") / "data"
    names = [entry.name for entry in data.iterdir()] if data.is_dir() else []
    return sorted(name.removesuffix(".jsonl") for name in names if name.endswith(".jsonl"))


def from_prompts(
    positive: Sequence[Asked],
    negative: Sequence[Asked],
    name: str = "custom",
    *,
    what_plus: str = "",
    what_minus: str = "",
    licence: str = "",
) -> ContrastSet:
    """A contrast set from two lists of prompts, divided 80 to 20 by the hash of their text.

    A prompt is a text, a conversation, or either with its answer (`Answered`).

    Raises:
        ContrastError: A list is empty, or holds an empty prompt.
    """
    pairs = [*((asked, "positive") for asked in positive), *((asked, "negative") for asked in negative)]
    rows = [
        _row({**_fields(asked), "label": label}, name, line) for line, (asked, label) in enumerate(pairs, 1)
    ]
    return ContrastSet(
        name, what_plus or f"more {name}", what_minus or f"less {name}", licence, _with_splits(rows, name)
    )


class _Row(NamedTuple):
    line: int
    example: Example
    has_split: bool

    @property
    def group(self) -> str:
        """What must stay in one split: the pair, else the text (so a text twice is never in both)."""
        return f"pair:{self.example.pair}" if self.example.pair else f"text:{self.example.text}"


def _locate(asked: str) -> tuple[Traversable, Traversable, str]:
    if asked in builtin_contrasts():
        data = files("steer_vectors") / "data"
        return data / f"{asked}.jsonl", data / f"{asked}.toml", asked
    path = Path(asked).expanduser()
    if not path.is_file():
        known = ", ".join(builtin_contrasts()) or "none yet"
        raise ContrastError(
            f"contrast set {asked}, which is neither built in nor a file",
            f"a built-in set ({known}) or a .jsonl file",
            "check the name or the path",
        )
    return path, path.with_suffix(".toml"), path.stem


def _header(path: Traversable) -> Mapping[str, str]:
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContrastError(f"{path.name}: {error}", "valid TOML in UTF-8", "correct the file") from error
    return {key: str(value) for key, value in table.items()}


def _parse(content: bytes, source: str) -> list[_Row]:
    try:
        lines = content.decode("utf-8-sig").split("\n")
    except UnicodeDecodeError as error:
        raise ContrastError(f"{source}: {error}", "text in UTF-8", "save the file as UTF-8") from error
    rows = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            fields = json.loads(line)
            json.dumps(fields, ensure_ascii=False).encode()  # half a character (a lone surrogate) is no text
        except (ValueError, RecursionError) as error:  # the second: nested beyond reason
            raise ContrastError(
                f"{source} line {number}: bad JSON ({error})",
                "one JSON object a line",
                "correct the line",
            ) from error
        rows.append(_row(fields, source, number))
    return rows


def _row(fields: object, source: str, line: int) -> _Row:
    at = f"{source} line {line}"
    if not isinstance(fields, dict):
        raise ContrastError(f"{at}: a {type(fields).__name__}", "one JSON object a line", "correct the line")
    messages = _messages(fields["messages"], at) if "messages" in fields else ()
    if messages:
        fields = {**fields, "text": "\n".join(f"{turn['role']}: {turn['content']}" for turn in messages)}
    for key in ("text", "label"):
        value = fields.get(key)
        if not isinstance(value, str) or not value.strip():
            raise ContrastError(
                f"{at}: no {key}",
                '"text" (or "messages") and "label" as non-empty strings',
                f'add "{key}" to the row',
            )
    if fields["label"] not in _LABELS:
        raise ContrastError(
            f'{at}: label "{fields["label"]}"', '"positive" or "negative"', "rename the label"
        )
    split = fields.get("split")
    if split is not None and split not in _SPLITS:
        raise ContrastError(f'{at}: split "{split}"', '"train" or "validation"', "rename or drop the split")
    example = Example(
        id=_name(fields.get("id")) or f"{Path(source).stem}-{line}",
        text=fields["text"],
        label=fields["label"],
        split=split or "train",
        pair=_name(fields.get("pair")),
        category=_name(fields.get("category")),
        messages=messages,
        answer=_name(fields.get("answer")),
    )
    return _Row(line, example, split is not None)


def _fields(asked: Asked) -> dict[str, Any]:
    if isinstance(asked, Answered):
        return {**_fields(asked.prompt), "answer": asked.answer}
    return {"text" if isinstance(asked, str) else "messages": asked}


def _messages(turns: object, at: str) -> tuple[Message, ...]:
    found = []
    for turn in turns if isinstance(turns, Sequence) else ():
        role, content = (turn.get(key) if isinstance(turn, Mapping) else None for key in ("role", "content"))
        if role not in _ROLES or not isinstance(content, str) or not content.strip():
            raise ContrastError(
                f"{at}: a turn {turn!r:.80}",
                f'"role" ({", ".join(_ROLES)}) and "content"',
                "correct the turn",
            )
        found.append(Message(role=str(role), content=content))
    if not found or found[-1]["role"] != "user":
        raise ContrastError(
            f"{at}: messages that do not end with the user", "a last turn of the user", "add it"
        )
    return tuple(found)


def _name(value: object) -> str:
    """A field as text; 0 is a name like any other."""
    return "" if value is None else str(value)


def _with_splits(rows: Sequence[_Row], source: str) -> tuple[Example, ...]:
    _require_unique_ids(rows, source)
    given = _given_splits(rows, source)
    drawn = _drawn_splits(row for row in rows if row.group not in given)
    splits = {**drawn, **given}
    return tuple(row.example._replace(split=splits[row.group]) for row in rows)


def _require_unique_ids(rows: Sequence[_Row], source: str) -> None:
    first: dict[str, int] = {}
    for row in rows:
        if row.example.id in first:
            raise ContrastError(
                f"{source} line {row.line}: id {row.example.id}, already on line {first[row.example.id]}",
                "an id of its own for every row",
                "rename one",
            )
        first[row.example.id] = row.line


def _given_splits(rows: Sequence[_Row], source: str) -> dict[str, Split]:
    given: dict[str, Split] = {}
    for row in rows:
        if row.has_split and given.setdefault(row.group, row.example.split) != row.example.split:
            raise ContrastError(
                f"{source} line {row.line}: a pair or a repeated text in both splits",
                "twins in one split (else validation has seen its answers)",
                "give them the same split",
            )
    return given


def _drawn_splits(rows: Iterable[_Row]) -> dict[str, Split]:
    """Per kind of group (pairs, lone positives, lone negatives) the fifth with the least hash is held out.

    Ranks, not a threshold on the hash: even a small class then has a validation prompt, given two.
    """
    labels: defaultdict[str, set[str]] = defaultdict(set)
    for row in rows:
        labels[row.group].add(row.example.label)
    strata: defaultdict[frozenset[str], list[str]] = defaultdict(list)
    for group in sorted(labels, key=lambda group: hashlib.sha256(group.encode()).hexdigest()):
        strata[frozenset(labels[group])].append(group)
    splits: dict[str, Split] = {}
    for groups in strata.values():
        held = max(1, round(_VALIDATION_SHARE * len(groups))) if len(groups) > 1 else 0
        splits.update({group: "validation" if rank < held else "train" for rank, group in enumerate(groups)})
    return splits
