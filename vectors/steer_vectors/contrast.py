"""Contrast sets: prompts in two classes, some in matched pairs. Knows no models.

`load_contrast` is the one door: a built-in set by name, a user's file by path, a Hugging Face dataset as `hf:...`.

A row is one prompt: `text` (one user turn) or `messages` (a conversation that ends with the user), `label` ("positive"
or "negative"), and optionally `id`, `split` ("train" or "validation"), `pair`, `category`, `system` (a system prompt,
put before the turns) and `answer`. With `answer` in every row the direction is found where answers are made. Or a row is
two twins: `positive` and `negative`, each a text or messages, and the other fields for both; beside a `text` or
`messages` the two are answers to it.

JSONL: one such object a line. CSV: a header that names the same fields (all but `messages`), one row a prompt or twins.
Beside either, a TOML file of the same name may say `name`, `version`, `positive` (what + means), `negative`,
`licence` and `source`. `hf:OWNER/NAME?...` and `hf:FOLDER?...`: columns of a dataset, see `contrast_sources`.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from steer_vectors.chat import Asked, require_list
from steer_vectors.contrast_rows import LABELS, Record, examples, fields_of, pair_name
from steer_vectors.contrast_rows import Example as Example
from steer_vectors.contrast_rows import Label as Label
from steer_vectors.contrast_rows import Split as Split
from steer_vectors.contrast_sources import PREFIX, parse_dataset, read_csv, read_dataset, read_jsonl
from steer_vectors.errors import ContrastError

_HEADER = ("name", "version", "positive", "negative", "licence", "source")


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
        for label in LABELS:
            if not self.select(label, "train"):
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

    def twins(self, split: Split) -> list[tuple[int, int]]:
        """Pairs of one split, as places in what `select` gives for the positive and for the negative class."""
        places: dict[str, dict[str, int]] = defaultdict(dict)
        for label in LABELS:
            rows = [row for row in self.examples if row.label == label and row.split == split]
            for place, row in enumerate(rows):
                if row.pair:
                    places[row.pair].setdefault(label, place)
        return [(at["positive"], at["negative"]) for at in places.values() if len(at) == 2]

    def of(self, examples: Iterable[Example]) -> ContrastSet:
        """The same set with some of its rows.

        Raises:
            ContrastError: A class is left without a training prompt.
        """
        return replace(self, examples=tuple(examples))

    def without(self, *words: str) -> ContrastSet:
        """The same set without the rows whose category holds one of these words.

        Raises:
            ContrastError: A class is left without a training prompt.
        """
        return self.of(row for row in self.examples if not any(word in row.category for word in words))

    @property
    def hash(self) -> str:
        """SHA-256 of texts, labels, splits and answers, in any order of rows.

        Not of the pairs, which few estimators see: the hashes that stand in vector files came before them.
        """
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
    """Read a built-in contrast set by name, a JSONL or CSV file by path, or a Hugging Face dataset.

    Rows without a split are divided 80 to 20 by the hash of their text, pairs kept whole: the same rows
    give the same split everywhere.

    Args:
        name_or_path: As in `refusal`, `sets/mine.csv`, or `hf:owner/name?text=prompt&label=type:unsafe:safe`.

    Raises:
        ContrastError: Unknown name, no such file or dataset, one that cannot be read, or a row that is not right (with its
            line number).
    """
    asked = str(name_or_path)
    if asked.startswith(PREFIX):
        dataset = parse_dataset(asked)
        head: Mapping[str, str] = {}
        name, rows = dataset.name, examples(read_dataset(dataset), asked, dataset.name)
    else:
        source, header, name = _locate(asked)
        read = read_csv if source.name.lower().endswith(".csv") else read_jsonl
        head = {} if header is None else _header(header)
        rows = examples(read(_content(source), source.name), source.name, name)
    return ContrastSet(
        name=head.get("name", name),
        what_plus=head.get("positive", f"more {name}"),
        what_minus=head.get("negative", f"less {name}"),
        licence=head.get("licence", ""),
        examples=rows,
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
        ContrastError: A list is empty, or holds an empty prompt, or is a text; or a prompt is in both.
    """
    for prompts in (positive, negative):
        require_list(prompts)
    labelled = [*((asked, "positive") for asked in positive), *((asked, "negative") for asked in negative)]
    rows = [{**fields_of(asked), "label": label} for asked, label in labelled]
    return _from_rows(rows, name, what_plus, what_minus, licence)


def from_system_prompts(
    requests: Sequence[Asked],
    *,
    positive: str,
    negative: str,
    name: str = "custom",
    what_plus: str = "",
    what_minus: str = "",
    licence: str = "",
) -> ContrastSet:
    """The same requests under two system prompts, as matched pairs.

    Args:
        requests: Texts or conversations, without a system turn of their own; or either with its answer (`Answered`).
        positive: The system prompt of the positive class.
        negative: Of the negative class; "" = none, as also above.
        name: Of the concept.
        what_plus: What more of it means.
        what_minus: What less of it means.
        licence: Of the requests.

    Raises:
        ContrastError: No requests, a text for a list, one that is empty or has a system turn, or twice the same system prompt.
    """
    require_list(requests)
    if positive.strip() == negative.strip():
        raise ContrastError(
            f"{name} with the same system prompt twice", "two that differ", "change one of them"
        )
    rows = [
        {**fields_of(asked), "system": system, "label": label, "pair": pair_name(fields_of(asked))}
        for asked in requests
        for system, label in ((positive, "positive"), (negative, "negative"))
    ]
    return _from_rows(rows, name, what_plus, what_minus, licence)


def _from_rows(
    rows: Sequence[Mapping[str, object]], name: str, what_plus: str, what_minus: str, licence: str
) -> ContrastSet:
    checked = examples((Record(row, f"line {n}") for n, row in enumerate(rows, 1)), name, name)
    return ContrastSet(name, what_plus or f"more {name}", what_minus or f"less {name}", licence, checked)


def _locate(asked: str) -> tuple[Traversable, Traversable | None, str]:
    """Rows, header if there is one, and name."""
    if asked in builtin_contrasts():
        data = files("steer_vectors") / "data"
        return data / f"{asked}.jsonl", data / f"{asked}.toml", asked
    # Unlike those of Path, these two raise nothing: for a user or a name that no system knows.
    path = Path(os.path.expanduser(asked))
    if not os.path.isfile(path):
        known = ", ".join(builtin_contrasts()) or "none yet"
        raise ContrastError(
            f"contrast set {asked}, which is neither built in nor a file",
            f"a built-in set ({known}), a .jsonl or .csv file, or hf:ID",
            "check the name or the path",
        )
    header = path.with_suffix(".toml")
    return path, header if os.path.isfile(header) else None, path.stem


def _content(path: Traversable) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise ContrastError(
            f"{path.name}, which cannot be read ({error.strerror})", "a file of text", "check the path"
        ) from error


def _header(path: Traversable) -> Mapping[str, str]:
    try:
        table = tomllib.loads(_content(path).decode("utf-8-sig"))
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ContrastError(f"{path.name}: {error}", "valid TOML in UTF-8", "correct the file") from error
    unknown = next((key for key in table if key not in _HEADER), None)
    if unknown is not None:
        raise ContrastError(
            f"{path.name}: a field {unknown!r:.60}", f"only {', '.join(_HEADER)}", "rename it or leave it out"
        )
    return {key: str(value) for key, value in table.items()}
