"""The judge as HTML: which one, how good it is against labels, and rates without its errors."""

from __future__ import annotations

from collections.abc import Sequence

from steer_evals.corrections import Corrected, rogan_gladen
from steer_evals.judges.agreement import Kappa
from steer_evals.judges.validation import Share, Validation
from steer_evals.points import HARMFUL, OVER, Point, axis_name, pooled
from steer_evals.report.drawing import signed
from steer_evals.report.markup import cell, number, percent, share_range, small, tables, text

_CORRECTED = (HARMFUL, OVER)


def judge_section(curve: Sequence[Point], judge: Validation | None) -> str:
    """How good the judge is, and both refusals corrected for its errors.

    Args:
        curve: Points of the steered model.
        judge: The judge against labels; None where the run's judge was not compared with any.
    """
    if judge is None:
        return (
            "<p>This run's judge was not compared with labels; <code>steer judge --validate</code> does.</p>"
        )
    return _worth(judge) + _confusion(judge) + _rates(curve, judge)


def _worth(judge: Validation) -> str:
    rows = [
        ("kappa, refused or not", [_kappa(judge.refused, judge.n - judge.unjudged)]),
        ("kappa, four states", [_kappa(judge.four_states, judge.n - judge.unjudged)]),
        ("recall of refused", [_share(judge.recall)]),
        ("false positives", [_share(judge.false_positives)]),
        ("not judged", [f"{judge.unjudged}{small(f'n = {judge.n}')}"]),
    ]
    said = (
        f"<p>Judge: <b>{text(judge.judge)}</b>, against the labelled answers that come with the package. It was made with "
        "these in view, so they flatter it; <code>steer judge --validate FILE</code> compares it with your own.</p>"
    )
    return said + tables("The judge against labels; refused is fully or in part", "measure", ["value"], rows)


def _kappa(kappa: Kappa, n: int) -> str:
    return number(kappa.value) + small(f"[{number(kappa.low)}, {number(kappa.high)}]", f"n = {n}")


def _share(share: Share) -> str:
    return percent(share.rate) + small(share_range(share.low, share.high), f"{share.k} of n = {share.n}")


def _confusion(judge: Validation) -> str:
    verdicts = list(next(iter(judge.confusion.values()), {}))
    names = [name.replace("_", " ") for name in verdicts]
    rows = [
        (label.replace("_", " "), [str(counts[verdict]) for verdict in verdicts])
        for label, counts in judge.confusion.items()
    ]
    return tables("Answers by label (rows) and verdict (columns)", "label", names, rows)


def _rates(curve: Sequence[Point], judge: Validation) -> str:
    by_axis = {axis: {p.strength: p for p in pooled(curve, axis)} for axis in _CORRECTED}
    strengths = sorted({strength for found in by_axis.values() for strength in found})
    if not strengths:
        return ""
    rows = [
        (
            signed(strength),
            [
                told
                for axis in _CORRECTED
                for point in (by_axis[axis].get(strength),)
                for told in (cell(point), _corrected(point, judge))
            ],
        )
        for strength in strengths
    ]
    names = [f"{axis_name(axis)}{small(what)}" for axis in _CORRECTED for what in ("as judged", "corrected")]
    said = (
        "<p>What the rates would be without the judge's errors, if it erred here as on those labels (Rogan and Gladen "
        "1978), items taken as independent. The answers of this run are not like the labelled ones: read the difference as "
        "how much the judge could matter, not as a result. All other numbers of this page are as judged.</p>"
    )
    return said + tables(
        "Rates as judged and corrected, all suites of an axis together", "strength", names, rows
    )


def _corrected(point: Point | None, judge: Validation) -> str:
    if point is None:
        return cell(None)
    recall, false = judge.recall, judge.false_positives
    found: Corrected = rogan_gladen(
        (round(point.rate * point.n), point.n), (recall.k, recall.n), (false.k, false.n)
    )
    if found.reason:
        return f'unknown<small class="why">{text(found.reason)}</small>'
    return percent(found.rate) + small(share_range(found.low, found.high), f"n = {point.n}")
