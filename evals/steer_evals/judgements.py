"""What a second judge said of a run's answers, beside the verdicts that they had before. Knows no judge and no model.

RUN/judgements.jsonl holds one judgement a line, only ever appended; of two of the same answer the later one counts.
"""

from __future__ import annotations

import json
import math
import os
import re
from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from steer_evals.errors import RunError, unwritable
from steer_evals.judges import Verdict
from steer_evals.judges.agreement import REFUSED, agreement
from steer_evals.judges.protocol import NOT_JUDGED, Lexical
from steer_evals.rows import Row

JUDGEMENTS = "judgements.jsonl"
AGREEMENT_NOTE = (
    "Beside it the lexical judge on the same n answers: refused is fully or in part; Cohen's kappa with its 95 % interval, "
    "undefined where both say one and the same thing of every answer."
)
AGREEMENT_COLUMNS = (
    "suite", "strength", "refused", "refused, lexical", "n", "not judged", "verdicts differ", "refused or not differs",
    "kappa, refused or not", "kappa, four states",
)  # fmt: skip
_PARTS = {"": "", "control": "random ", "prompt": "system prompt "}
_REASONS = 3  # why answers were not judged: the commonest


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
    text = "".join(json.dumps(_fields(one)) + "\n" for one in said)
    try:
        if path.exists():
            os.truncate(path, path.read_bytes().rfind(b"\n") + 1)
        with path.open("ab") as stream:
            stream.write(text.encode())
            stream.flush()
            os.fsync(stream.fileno())
    except OSError as error:
        raise unwritable(path, error) from error


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


def judge_fields(name: str, said: Sequence[Said]) -> dict[str, Any]:
    """What `summary["judge"]` holds of a run that was judged again: who judged what, and how far both judges agree.

    Args:
        name: Of the judge.
        said: All judgements.

    Returns:
        `agreement` has an entry for every suite at every strength of every part, and before them one for each suite of
        the sweep with strength null, over all strengths. In each: `n` answers that were judged and `missing` that were
        not; of the n the shares `refused`, fully or in part, and `refused_before`; how many verdicts `differ`, and of
        them `differ_refused` in refused or not; Cohen's kappa over the same n (see `judges.agreement`).
    """
    groups: dict[tuple[str, str, float | None], list[Said]] = {}
    for one in said:
        if not one.place.part:
            groups.setdefault(("", one.place.suite, None), []).append(one)
    for one in sorted(said, key=lambda one: (*one.place[:2], one.place.strength)):
        groups.setdefault((one.place.part, one.place.suite, one.place.strength), []).append(one)
    reasons = Counter(one.why for one in said if one.verdict is None)
    return {
        "name": name,
        "before": Lexical.name,
        "suites": list(dict.fromkeys(one.place.suite for one in said)),
        "answers": len(said),
        "not_judged": reasons.total(),
        "why": dict(reasons.most_common(_REASONS)),
        "agreement": [
            {"part": part, "suite": suite, "strength": strength, **_agreed(own)}
            for (part, suite, strength), own in groups.items()
        ],
    }


def judge_sentence(judge: Mapping[str, Any]) -> str:
    """Who judged what, and what was not judged, in words."""
    why = "; ".join(f"{n} x {reason}" for reason, n in judge["why"].items())
    return (
        f"{judge['name']} judged {', '.join(judge['suites'])}; anything else is by the lexical judge. "
        f"Not judged, and in no rate: {judge['not_judged']} of {judge['answers']} answers{f' ({why})' if why else ''}."
    )


def agreement_cells(entry: Mapping[str, Any]) -> list[str]:
    """An entry of `agreement` as text, in the order of `AGREEMENT_COLUMNS`."""
    strength = "all" if entry["strength"] is None else f"{entry['strength']:+g}"
    shares = [
        "none" if entry[name] is None else f"{entry[name]:.3f}" for name in ("refused", "refused_before")
    ]
    counts = [str(entry[name]) for name in ("n", "missing", "differ", "differ_refused")]
    kappas = [_kappa(entry[name]) for name in ("kappa_refused", "kappa_four_states")]
    return [entry["suite"], _PARTS[entry["part"]] + strength, *shares, *counts, *kappas]


def judge_lines(judge: Mapping[str, Any]) -> list[str]:
    """The same for people, in Markdown: `summary["judge"]` as a section of `results.md`."""
    cells = [[_text(suite), *more] for suite, *more in map(agreement_cells, judge["agreement"])]
    table = [
        f"| {' | '.join(row)} |" for row in (AGREEMENT_COLUMNS, ["---"] * len(AGREEMENT_COLUMNS), *cells)
    ]
    return ["## Judge", "", _text(judge_sentence(judge)), "", AGREEMENT_NOTE, "", *table]


def _kappa(found: Mapping[str, float | None]) -> str:
    if found["value"] is None:
        return "undefined"
    return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


def _text(text: str) -> str:
    """What a server said, and names, end no cell or line and are no markup; as in `tables`, which knows runs."""
    return re.sub(r"([\\|<\[`*])", r"\\\1", " ".join(text.split()))


def _agreed(said: Sequence[Said]) -> dict[str, Any]:
    judged = [(one.before, one.verdict) for one in said if one.verdict is not None]
    before, after = [first for first, _ in judged], [second for _, second in judged]
    found = agreement({"before": before, "after": after})
    (pair,) = found.pairs
    was, now = ([verdict in REFUSED for verdict in verdicts] for verdicts in (before, after))
    return {
        "n": len(judged),
        "missing": len(said) - len(judged),
        "refused": sum(now) / len(now) if now else None,
        "refused_before": sum(was) / len(was) if was else None,
        "differ": len(found.disagreements),
        "differ_refused": sum(a != b for a, b in zip(was, now, strict=True)),
        "kappa_refused": _or_null(pair.refused),
        "kappa_four_states": _or_null(pair.four_states),
    }


def _or_null(kappa: Any) -> dict[str, float | None]:
    return {name: None if math.isnan(value) else value for name, value in kappa._asdict().items()}


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
