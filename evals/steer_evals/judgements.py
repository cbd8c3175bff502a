"""What a second judge said of a run's answers, beside the verdicts that they had before. Knows no judge and no model.

RUN/judgements.jsonl holds one judgement a line, only ever appended; of two of the same answer the later one counts.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from steer_evals.errors import RunError
from steer_evals.judges import Verdict
from steer_evals.judges.protocol import NOT_JUDGED
from steer_evals.rows import Row, append_text, cut_torn

JUDGEMENTS = "judgements.jsonl"


class Place(NamedTuple):
    """Where an answer stands in a run; `part` is "" for the sweep, "control" or "prompt"."""

    part: str
    suite: str
    item: str
    strength: float
    sample: int


class Said(NamedTuple):
    """One judgement.

    Args:
        place: Of the answer.
        before: The lexical judge's verdict in the run that was judged again.
        verdict: None: not judged.
        scores: As `judges.protocol.Judgement`.
        why: As there.
    """

    place: Place
    before: Verdict
    verdict: Verdict | None
    scores: Mapping[str, float] = {}
    why: str = ""


def read_judgements(folder: Path) -> dict[Place, Said]:
    """The last judgement of every answer; a last line that was torn off by a kill is left out.

    Raises:
        RunError: A file that cannot be read, or a line before the last that is no judgement.
    """
    path = folder / JUDGEMENTS
    try:
        lines = path.read_bytes().split(b"\n") if path.exists() else [b""]
    except OSError as error:
        raise RunError(
            f"{path}, which cannot be read ({error.strerror})", "judgements", "check the folder"
        ) from error
    said = (_said(line, f"{path}:{at}") for at, line in enumerate(lines[:-1], 1))
    return {one.place: one for one in said}


def append_judgements(folder: Path, said: Iterable[Said]) -> None:
    """Append whole lines, after cutting off a torn one, and wait until they are on the disk.

    Raises:
        RunError: The file cannot be written.
    """
    path = folder / JUDGEMENTS
    cut_torn(path)
    append_text(path, "".join(json.dumps(_fields(one)) + "\n" for one in said))


def place_of(part: str, row: Row) -> Place:
    """Where an answer stands."""
    return Place(part, row["suite"], row["item"], row["strength"], row["sample"])


def said_of(folder: Path, suites: Collection[str], parts: Mapping[str, Iterable[Row]]) -> list[Said]:
    """The judgements that the rows of a run were made of.

    A verdict that came after the rows were written, by a command that was stopped then, is none yet.

    Args:
        folder: Of the run.
        suites: Those that were judged again.
        parts: Rows of each part.

    Raises:
        RunError: As `read_judgements`, or a row without a judgement.
    """
    kept, found = read_judgements(folder), []
    for part, rows in parts.items():
        for row in rows:
            if row["suite"] not in suites:
                continue
            if (one := kept.get(place_of(part, row))) is None:
                raise RunError(
                    f"{folder / JUDGEMENTS} without {row['suite']}/{row['item']}",
                    "a judgement of each answer",
                    "give the command of `steer rejudge` again",
                )
            if row["verdict"] == NOT_JUDGED and one.verdict is not None:
                one = one._replace(verdict=None, why="judged since: `steer rejudge` was stopped")
            found.append(one)
    return found


def _fields(said: Said) -> dict[str, Any]:
    return {**said.place._asdict(), **{name: getattr(said, name) for name in Said._fields[1:]}}


def _said(line: bytes, where: str) -> Said:
    try:
        found = json.loads(line)
        place = Place(*(found[name] for name in Place._fields))
        verdict = found["verdict"]
        return Said(
            place, Verdict(found["before"]), verdict and Verdict(verdict), found["scores"], found["why"]
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise RunError(
            f"{where}, which is no judgement", "what `steer rejudge` wrote", "choose another --out"
        ) from error
