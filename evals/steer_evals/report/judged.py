"""The judge as HTML: which one, how good it is against labels, and rates without its errors."""

from __future__ import annotations

from collections.abc import Sequence

from steer_evals.corrections import Corrected
from steer_evals.judges.agreement import Kappa
from steer_evals.judges.protocol import Lexical
from steer_evals.judges.validation import Share, Validation
from steer_evals.judging import BUILTIN
from steer_evals.labelled import CORRECTED, Labelled, corrected_rates
from steer_evals.points import Point, axis_name, pooled
from steer_evals.report.contents import Fields
from steer_evals.report.drawing import signed
from steer_evals.report.markup import cell, number, percent, share_range, small, tables, text
from steer_evals.second_judge import AGREEMENT_COLUMNS, AGREEMENT_NOTE, agreement_cells, judge_sentence


def judge_section(curve: Sequence[Point], labelled: Labelled | None, second: Fields | None = None) -> str:
    """Who judged, how good the judge is, and both refusals corrected for its errors.

    Args:
        curve: Points of the steered model.
        labelled: The judge against labels; None where the run's judge was not compared with any.
        second: `summary["judge"]` of a run that was judged again.
    """
    told = _second(second) if second else ""
    if labelled is None:
        return (
            f"{told}<p>This run's judge was not compared with labels; "
            "<code>steer report --validate FILE</code> does.</p>"
        )
    judge = labelled.validation
    return told + _worth(labelled) + _confusion(judge) + _rates(curve, labelled)


def _second(judge: Fields) -> str:
    _, _, *names = AGREEMENT_COLUMNS
    rows = [
        (text(f"{suite}, {strength}"), [*map(text, cells)])
        for suite, strength, *cells in map(agreement_cells, judge["agreement"])
    ]
    return f"<p>{text(judge_sentence(judge))} {text(AGREEMENT_NOTE)}</p>" + tables(
        "The judge beside the lexical one", "suite, strength", [text(name) for name in names], rows
    )


def _worth(labelled: Labelled) -> str:
    judge = labelled.validation
    rows = [
        ("kappa, refused or not", [_kappa(judge.refused, judge.n - judge.unjudged)]),
        ("kappa, four states", [_kappa(judge.four_states, judge.n - judge.unjudged)]),
        ("recall of refused", [_share(judge.recall)]),
        ("false positives", [_share(judge.false_positives)]),
        ("not judged", [f"{judge.unjudged}{small(f'n = {judge.n}')}"]),
    ]
    said = f"<p>Judge: <b>{text(judge.judge)}</b>, against {_named(labelled)}</p>"
    return said + tables("The judge against labels; refused is fully or in part", "measure", ["value"], rows)


def _named(labelled: Labelled) -> str:
    n = labelled.validation.n
    if labelled.labels != BUILTIN:
        return f"the {n} labelled answers of <b>{text(labelled.labels)}</b>."
    known = (
        " It was made with these in view, so they flatter it;"
        if labelled.validation.judge == Lexical.name
        else ""
    )
    return (
        f"the {n} labelled answers that come with the package.{known} <code>steer report --validate FILE</code> compares it "
        "with your own."
    )


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


def _rates(curve: Sequence[Point], labelled: Labelled) -> str:
    by_axis = {axis: {p.strength: p for p in pooled(curve, axis)} for axis in CORRECTED}
    rates = {(rate.axis, rate.strength): rate for rate in corrected_rates(curve, labelled.validation)}
    strengths = sorted({strength for _, strength in rates})
    if not strengths:
        return ""
    rows = [
        (
            signed(strength),
            [
                told
                for axis in CORRECTED
                for rate in (rates.get((axis, strength)),)
                for told in (
                    cell(by_axis[axis].get(strength)),
                    cell(None) if rate is None else _corrected(rate.corrected, rate.n),
                )
            ],
        )
        for strength in strengths
    ]
    names = [f"{axis_name(axis)}{small(what)}" for axis in CORRECTED for what in ("as judged", "corrected")]
    how = (
        "The answers of this run are not like the labelled ones: read the difference as how much the judge could matter, not "
        "as a result."
        if labelled.labels == BUILTIN
        else "That holds if the labelled answers are like those of this run, from the same model and requests, and were not "
        "chosen by the judge."
    )
    said = (
        "<p>What the rates would be without the judge's errors, if it erred here as on those labels (Rogan and Gladen "
        f"1978), items taken as independent. {how} All other numbers of this page are as judged.</p>"
    )
    return said + tables(
        "Rates as judged and corrected, all suites of an axis together", "strength", names, rows
    )


def _corrected(found: Corrected, n: int) -> str:
    if found.reason:
        return f'unknown<small class="why">{text(found.reason)}</small>'
    return percent(found.rate) + small(share_range(found.low, found.high), f"n = {n}")
