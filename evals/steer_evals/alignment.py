"""Asks a base checkpoint and its aligned versions the same suites, and writes their tax: one folder, one run each."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from steer.plan import Plan
from steer_evals.errors import RunError
from steer_evals.pair import Dose, GivenBack, dose, given_back, is_work
from steer_evals.run import Run, fields_of, or_null, write_whole
from steer_evals.suites import Suite
from steer_evals.sweep import sweep
from steer_evals.tax import check_weights
from steer_vectors.file import Vector
from steer_vectors.models import ChatModel

Bar = Callable[[str], Callable[[int, int], None]]


class Alignment(NamedTuple):
    """The tax of every aligned model, least aligned first as given; what strengths give back to the last of them."""

    base: str
    doses: list[Dose]
    back: list[GivenBack]


def alignment_tax(
    base: Callable[[], ChatModel],
    aligned: Sequence[Callable[[], ChatModel]],
    suites: Sequence[Suite],
    out: str | Path,
    *,
    plan: Plan | Vector | None = None,
    strengths: Sequence[float] = (),
    weights: Mapping[str, float] | None = None,
    limit: int | None = None,
    bar: Bar = lambda _what: lambda _done, _total: None,
) -> Alignment:
    """Measure the tax of alignment.

    Args:
        base: Loads the base checkpoint.
        aligned: Load its aligned versions, one at a time.
        suites: Of work; suites on `harmful_refusal` are shown beside, and no part of the tax.
        out: Folder: `base/`, one run for each aligned model, and `tax.json`.
        plan: Steers the last aligned model, at `strengths`.
        strengths: In class gaps for "add".
        weights: Of the suites of work, by name; by default each weighs the same.
        limit: The first so many items of each suite.
        bar: Makes a progress callback for each model.

    Raises:
        RunError: No aligned model, or one of a name twice; no suite of work; weights of other suites; and as `sweep`.
        JudgeError: Weights that are no weights.
    """
    folder = Path(out)
    _check(suites, weights, len(aligned))
    names: list[str] = []

    def asked(load: Callable[[], ChatModel], place: str, steered: bool) -> Run:
        model = load()
        if model.name in names:
            raise RunError(f"{model.name} twice", "each model once", "name the base and its aligned versions")
        names.append(model.name)
        return sweep(
            model, plan if steered else None, suites, strengths if steered else [0.0], folder / place, control=False,
            limit=limit, progress=bar(f"asking {model.name}"),
        )  # fmt: skip

    plain = asked(base, "base", steered=False).rows
    runs = [
        asked(load, f"aligned-{n}", steered=plan is not None and n == len(aligned))
        for n, load in enumerate(aligned, 1)
    ]
    doses = [
        dose(plain, [row for row in run.rows if row["strength"] == 0], name, weights)
        for run, name in zip(runs, names[1:], strict=True)
    ]
    back = [] if plan is None else given_back(plain, runs[-1].rows, weights)
    found = Alignment(names[0], doses, back)
    write_whole(folder / "tax.json", json.dumps(tax_fields(found), indent=1, allow_nan=False))
    return found


def tax_fields(found: Alignment) -> dict[str, Any]:
    """What `tax.json` holds."""
    return {
        "base": found.base,
        "doses": [
            {
                "model": own.model, "label": own.label, "tax": fields_of(own.tax),
                "due_to_refusals": {
                    "share": or_null(own.due_to_refusals[0]), **fields_of(own.due_to_refusals[1]), "reason": own.reason,
                },
                "without_refusals": fields_of(own.without.bounds) | {"excluding": or_null(own.without.excluding)},
                "suites": {name: fields_of(tax) for name, tax in own.suites.items()},
                "categories": {name: fields_of(tax) for name, tax in own.categories.items()},
                "points": [fields_of(point) for point in own.points],
            }
            for own in found.doses
        ],
        "given_back": [
            {
                "strength": own.strength, "tax": fields_of(own.tax), "share": or_null(own.share),
                **fields_of(own.interval), "reason": own.reason, "points": [fields_of(point) for point in own.points],
            }
            for own in found.back
        ],
    }  # fmt: skip


def _check(suites: Sequence[Suite], weights: Mapping[str, float] | None, aligned: int) -> None:
    """Before the models are asked, which takes minutes."""
    work = {suite.name for suite in suites if is_work(suite.header.axis)}
    if not work or not aligned:
        raise RunError(
            f"{aligned} aligned models and {len(work)} suites of work", "one at least of each",
            "name suites of benign requests or of capability",
        )  # fmt: skip
    if weights is None:
        return
    if set(weights) != work:
        raise RunError(
            f"weights of {', '.join(sorted(weights)) or 'nothing'}",
            f"one for each of {', '.join(sorted(work))}",
            "mend the weights",
        )
    check_weights(weights)
