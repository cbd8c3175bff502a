"""What judging found as tables for people and as one object for programs. Knows no judge and no file."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from steer_evals.judges import Verdict
from steer_evals.judges.agreement import Kappa
from steer_evals.judges.protocol import NOT_JUDGED
from steer_evals.judges.validation import Share, Validation
from steer_evals.judging import BUILTIN, Judged, Validated, corrected, plain

_VERDICTS = [*(verdict.value for verdict in Verdict), NOT_JUDGED]


class Table(NamedTuple):
    """A table of text."""

    title: str
    columns: list[str]
    rows: list[list[str]]


def for_people(judged: Judged | None, validated: Validated | None, labels: str | None) -> list[Table]:
    """Tables of verdicts, of agreement, of validation and of rates without the judges' errors, where there are any.

    Args:
        judged: Of a file of answers.
        validated: Against labels.
        labels: What they were called; a correction by labels that come with the package would mean nothing, as the errors
            of a judge depend on the answers.
    """
    found = []
    if judged:
        names = list(judged.counts)
        rows = [[verdict, *(str(judged.counts[name][verdict]) for name in names)] for verdict in _VERDICTS]
        found += [Table("verdicts", ["verdict", *(names if len(names) > 1 else ["answers"])], rows)]
        found += _agreement(judged)
    if validated:
        found += [_validation(validated), *(_confusion(one) for one in validated.judges)]
        if not judged:
            found += _agreement(validated)
    if judged and validated and labels != BUILTIN:
        rows = [
            [name, _rate(rate.rate, rate.low, rate.high) if not rate.reason else rate.reason]
            for name, rate in corrected(judged, validated).items()
        ]
        found.append(Table("refused, corrected (Rogan-Gladen)", ["judge", "share of answers"], rows))
    return found


def for_programs(judged: Judged | None, validated: Validated | None, labels: str | None) -> dict[str, Any]:
    """The same as one object: of one judge without labels just the counts."""
    if judged is None:
        return dict(plain(validated))
    if validated is None:
        return dict(*judged.counts.values()) if len(judged.counts) == 1 else dict(plain(judged))
    found = {**plain(judged), "validation": plain(validated.judges)}
    return found if labels == BUILTIN else {**found, "corrected": plain(corrected(judged, validated))}


def _agreement(found: Judged | Validated) -> list[Table]:
    said = found.agreement
    rows = [
        [f"{pair.first} / {pair.second}", str(pair.n), _kappa(pair.four_states), _kappa(pair.refused)]
        for pair in said.pairs
    ]
    if not rows:
        return []
    # Of several judges each pair has answers of its own; an answer that one of two did not judge tells nothing.
    differ = (
        f"{len(said.disagreements)} of {said.pairs[0].n}"
        if len(rows) == 1
        else f"{len(said.disagreements)} answers"
    )
    title = f"agreement, Cohen's kappa; verdicts differ on {differ}"
    return [Table(title, ["judges", "both judged", "four states", "refused or not"], rows)]


def _validation(validated: Validated) -> Table:
    """A judge a column, so that long names and five numbers fit a narrow screen."""
    judges = validated.judges
    rows = [
        ["judged", *(f"{one.n - one.unjudged} of {one.n}" for one in judges)],
        ["kappa, refused or not", *(_kappa(one.refused) for one in judges)],
        ["kappa, four states", *(_kappa(one.four_states) for one in judges)],
        ["recall of refused", *(_share(one.recall) for one in judges)],
        ["false positives", *(_share(one.false_positives) for one in judges)],
    ]
    return Table(
        "against labels; refused is fully or in part",
        ["95 % intervals", *(one.judge for one in judges)],
        rows,
    )


def _confusion(one: Validation) -> Table:
    rows = [
        [_words(label), *(str(counts[verdict]) for verdict in _VERDICTS)]
        for label, counts in one.confusion.items()
    ]
    return Table(f"{one.judge}: rows are labels", ["label", *map(_words, _VERDICTS)], rows)


def _words(verdict: str) -> str:
    return verdict.replace("_", " ")  # so that a narrow column breaks between words


def _kappa(kappa: Kappa) -> str:
    return _rate(kappa.value, kappa.low, kappa.high)


def _share(share: Share) -> str:
    return f"{_rate(share.rate, share.low, share.high)} ({share.k}/{share.n})"


def _rate(value: float, low: float, high: float) -> str:
    return "unknown" if math.isnan(value) else f"{value:.3f} [{low:.3f}, {high:.3f}]"
