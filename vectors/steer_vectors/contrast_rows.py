"""Rows of contrast sets: what a row may say, checked, and the split it falls into. Knows no files and no models."""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from steer_vectors.chat import Answered, Asked, Message
from steer_vectors.errors import ContrastError

Label = Literal["positive", "negative"]
Split = Literal["train", "validation"]

LABELS: tuple[Label, Label] = ("positive", "negative")
# What a row may say; a row of twins has "positive" and "negative" instead of "label".
FIELDS = ("text", "messages", "label", *LABELS, "id", "split", "pair", "category", "answer", "system")
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


class Record(NamedTuple):
    """A row as it was written, unchecked. `at` is its place, as in "line 3"."""

    fields: object
    at: str


def examples(records: Iterable[Record], source: str, name: str) -> tuple[Example, ...]:
    """Check rows and give each a split.

    Rows without a split are divided 80 to 20 by the hash of their text, pairs kept whole.

    Args:
        records: In order; a row without an id is called by its number.
        source: For messages: the file or dataset.
        name: For ids.

    Raises:
        ContrastError: A row that is not right, two rows of one id, one prompt in both classes, or twins in both splits.
    """
    rows = [
        row
        for number, record in enumerate(records, 1)
        for row in _rows(record, f"{source} {record.at}", f"{name}-{number}")
    ]
    _require_unique_ids(rows)
    _require_one_class(rows)
    given = _given_splits(rows)
    splits = {**_drawn_splits(row for row in rows if row.group not in given), **given}
    return tuple(row.example._replace(split=splits[row.group]) for row in rows)


def fields_of(asked: Asked) -> dict[str, Any]:
    """A prompt as the fields of a row."""
    if isinstance(asked, Answered):
        return {**fields_of(asked.prompt), "answer": asked.answer}
    return {"text" if isinstance(asked, str) else "messages": asked}


def pair_name(*parts: object) -> str:
    """A name for twins, of what they say: the same in any order of rows, so that their split is too."""
    return hashlib.sha256(json.dumps(parts, default=str).encode()).hexdigest()[:12]


class _Row(NamedTuple):
    example: Example
    has_split: bool
    at: str

    @property
    def group(self) -> str:
        """What must stay in one split: the pair, else the text (so a text twice is never in both)."""
        return f"pair:{self.example.pair}" if self.example.pair else f"text:{self.example.text}"


def _rows(record: Record, at: str, name: str) -> Iterator[_Row]:
    if not isinstance(record.fields, Mapping):
        raise ContrastError(
            f"{at}: a {type(record.fields).__name__}", "one JSON object a line", "correct the line"
        )
    said = {key: value for key, value in record.fields.items() if value is not None and value != ""}
    unknown = next((key for key in said if key not in FIELDS), None)
    if unknown is not None:
        raise ContrastError(
            f"{at}: a field {unknown!r:.60}", f"only {', '.join(FIELDS)}", "rename it or leave it out"
        )
    fields = {"id": name, **said}  # an empty cell, null and nothing at all are one
    if fields.keys() & set(LABELS):
        yield from (_row(twin, at) for twin in _twins(fields, at))
    else:
        yield _row(fields, at)


def _twins(fields: Mapping[str, Any], at: str) -> Iterator[dict[str, Any]]:
    """Both rows of one that has its classes side by side: as prompts, or as answers to the prompt beside them."""
    prompted = "text" in fields or "messages" in fields
    if "label" in fields or (prompted and "answer" in fields):
        raise ContrastError(
            f"{at}: positive and negative beside {'a label' if 'label' in fields else 'an answer'}",
            "a label, or positive and negative as prompts, or these two as answers to a prompt",
            "drop one or the other",
        )
    shared = {key: value for key, value in fields.items() if key not in LABELS}
    pair = pair_name(*(fields.get(key) for key in ("text", "messages", "system", *LABELS)))
    for label in LABELS:
        said = fields.get(label)
        if not said or (isinstance(said, str) and not said.strip()):
            raise ContrastError(
                f"{at}: no {label}", '"positive" and "negative", neither empty', f'add "{label}" to the row'
            )
        own = "answer" if prompted else "text" if isinstance(said, str) else "messages"
        yield {"pair": pair, **shared, own: said, "label": label, "id": f"{_word(fields, 'id', at)}-{label}"}


def _row(fields: Mapping[str, Any], at: str) -> _Row:
    if "text" in fields and "messages" in fields:
        raise ContrastError(
            f"{at}: text beside messages", "one of the two", "drop the other, or name a dataset's columns"
        )
    messages = _messages(fields["messages"], at) if "messages" in fields else ()
    fields = {**fields, "text": _page(messages)} if messages else fields
    for key in ("text", "label"):
        value = fields.get(key)
        if not isinstance(value, str) or not value.strip():
            raise ContrastError(
                f"{at}: no {key}",
                '"text" (or "messages") and "label" as non-empty strings',
                f'add "{key}" to the row',
            )
    if fields["label"] not in LABELS:
        raise ContrastError(
            f'{at}: label "{fields["label"]}"', '"positive" or "negative"', "rename the label"
        )
    split = fields.get("split")
    if split is not None and split not in _SPLITS:
        raise ContrastError(f'{at}: split "{split}"', '"train" or "validation"', "rename or drop the split")
    if _word(fields, "system", at).strip():
        messages = _under(fields["system"], messages or (Message(role="user", content=fields["text"]),), at)
    example = Example(
        id=_word(fields, "id", at),
        text=_page(messages) or fields["text"],
        label=fields["label"],
        split=split or "train",
        pair=_word(fields, "pair", at),
        category=_word(fields, "category", at),
        messages=messages,
        answer=_word(fields, "answer", at),
    )
    return _Row(example, split is not None, at)


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


def _under(system: str, turns: tuple[Message, ...], at: str) -> tuple[Message, ...]:
    if turns[0]["role"] == "system":
        raise ContrastError(
            f"{at}: a system prompt beside messages that begin with one", "one of the two", "drop the other"
        )
    return (Message(role="system", content=system), *turns)


def _page(messages: Sequence[Message]) -> str:
    return "\n".join(f"{turn['role']}: {turn['content']}" for turn in messages)


def _word(fields: Mapping[str, Any], key: str, at: str) -> str:
    """A field as text, "" if absent; 0 is a name like any other."""
    value = fields.get(key, "")
    finite = isinstance(value, float) and math.isfinite(value)
    if isinstance(value, bool) or not (isinstance(value, str | int) or finite):
        got = str(value) if isinstance(value, float) else f"a {type(value).__name__}"
        raise ContrastError(f"{at}: {got} as {key}", "a text or a number", f"correct {key}")
    return str(value)


def _require_unique_ids(rows: Sequence[_Row]) -> None:
    first: dict[str, str] = {}
    for row in rows:
        if row.example.id in first:
            raise ContrastError(
                f"{row.at}: id {row.example.id}, already at {first[row.example.id]}",
                "an id of its own for every row",
                "rename one",
            )
        first[row.example.id] = row.at


def _require_one_class(rows: Sequence[_Row]) -> None:
    first: dict[tuple[object, ...], _Row] = {}
    for row in rows:
        one = row.example
        roles = tuple(turn["role"] for turn in one.messages)
        other = first.setdefault((one.text, roles, one.answer), row).example
        if other.label != one.label:
            raise ContrastError(
                f"{row.at}: the same as {other.id}, which is {other.label}",
                "prompts (with their answers, if there are any) of one class each",
                "drop one of the two",
            )


def _given_splits(rows: Sequence[_Row]) -> dict[str, Split]:
    given: dict[str, Split] = {}
    for row in rows:
        if row.has_split and given.setdefault(row.group, row.example.split) != row.example.split:
            raise ContrastError(
                f"{row.at}: a pair or a repeated text in both splits",
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
