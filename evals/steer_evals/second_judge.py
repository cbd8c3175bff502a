"""How far the judge of a run that was judged again agrees with the lexical one: for programs, and in words. Reads no files."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from steer_evals.judgements import Said
from steer_evals.judges.agreement import REFUSED, agreement
from steer_evals.judges.protocol import Lexical

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


def _kappa(found: Mapping[str, float | None]) -> str:
    if found["value"] is None:
        return "undefined"
    return f"{found['value']:.3f} [{found['low']:.3f}, {found['high']:.3f}]"


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
