"""What four directions of the reference model do, each to its own behaviour and to refusal; prints a table.

    python examples/directions.py

`refusal` by the mean difference; `grounding` (asking back) and `sycophancy` (giving in) refined by gradient, since what
the mean difference finds there is the wording of the answers; `surgical` for false refusal. Rates are of the second half of
each suite's items; how far `grounding` is pushed was chosen on the first half, the rest on some items of both. About three
minutes on two cores.
"""
# test: slow, args --limit 4 --steps 2

import argparse
from contextlib import nullcontext
from dataclasses import replace
from typing import NamedTuple

from rich.console import Console
from rich.table import Table

import steer
from steer.plan import Edit
from steer_evals.asking import ask, batches
from steer_evals.judges import Verdict
from steer_evals.shown import refusal_shown
from steer_evals.suites import load_suite
from steer_evals.summary import REFUSED
from steer_vectors.contrast import ContrastSet, load_contrast

REFUSAL = ("harmful", "benign-risky", "benign")
LEARN = {
    "learning_rate": 0.05,
    "addition_weight": 1.0,
    "ablation_weight": 0.0,
    "retain_weight": 0.0,
}
ASKING, KEEPING = 2.5, 2.0  # gaps that are added while it learns


class Trial(NamedTuple):
    """A plan at a strength, and the suite of its own behaviour."""

    what: str
    plan: steer.Plan | None
    strength: float
    suites: tuple[str, ...]


def rate(model: steer.ChatModel, name: str, limit: int | None) -> str:
    """Of the second half of a suite: its own behaviour (refused; right; asked back), and what is invalid."""
    suite = load_suite(name)
    suite = replace(suite, items=suite.items[1::2][:limit])
    rows = [row for items in batches(model, suite) for row in ask(model, suite, items)]
    if suite.header.kind == "refusal":
        shown = [row["verdict"] in REFUSED for row in rows]
    else:
        shown = [bool(row["correct"]) for row in rows if row["verdict"] not in (*REFUSED, Verdict.invalid)]
    invalid = sum(row["verdict"] == Verdict.invalid for row in rows)
    return f"{sum(shown) / max(1, len(shown)):.2f}" + (f" ({invalid}/{len(rows)} invalid)" if invalid else "")


def held_out(model: steer.ChatModel, limit: int | None) -> str:
    """Of the refusal set's held-out requests, which chose the site and made no direction: how many are refused."""
    contrast, refuses = load_contrast("refusal"), refusal_shown(model)
    harmful, benign = (contrast.select(label, "validation")[:limit] for label in ("positive", "negative"))
    refused = sum(refuses(harmful, "positive")), len(benign) - sum(refuses(benign, "negative"))
    return f"{refused[0]}/{len(harmful)} harmful, {refused[1]}/{len(benign)} benign"


def own_words(name: str) -> ContrastSet:
    """The rows of a built-in set that are in the small language of the reference models."""
    return load_contrast(name).without("general", "agreeing")


def turned(contrast: ContrastSet) -> ContrastSet:
    """The other class is the positive one: what is learnt is to show that."""
    other = {"positive": "negative", "negative": "positive"}
    return contrast.of(row._replace(label=other[row.label]) for row in contrast.examples)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--limit", type=int, help="items of a suite")
    parser.add_argument("--steps", type=int, default=120, help="of the refinement")
    args = parser.parse_args()
    console = Console()
    model = steer.load("reference:aligned")
    learn = LEARN | {"steps": args.steps}
    with console.status("extracting"):
        refusal = steer.extract(model, "refusal")
        false = steer.extract(model, "false-refusal", estimator="surgical", spare=[refusal], only_shown=True)
        asking = own_words("grounding")
        grounding = steer.extract(
            model, asking, layer=2, position=0, estimator="rdo", parameters=learn | {"gaps": ASKING}
        )
        keeping = turned(own_words("sycophancy"))
        sycophancy = steer.extract(
            model, keeping, layer=3, position=0, estimator="rdo", parameters=learn | {"gaps": KEEPING}
        )
        # As far as was added while they learnt: so many gaps of the mean difference that they began with.
        asked = ASKING * steer.extract(model, asking, layer=2, position=0).gap(2) / grounding.gap(2)
        kept = KEEPING * steer.extract(model, keeping, layer=3, position=0).gap(3) / sycophancy.gap(3)
    best = next(
        one
        for one in refusal.scores["candidates"]
        if (one["layer"], one["position"]) == (refusal.layer, refusal.position)
    )
    print(
        f"refusal: layer {refusal.layer}, held-out AUC {best['auc']:.3f}, "
        f"same layer in {refusal.scores['repeats']:.0%} of resamples"
    )
    removed = steer.Plan((Edit("affine", refusal, (5, 6, 7)),))
    trials = [
        Trial("plain", None, 0.0, ("grounding", "grounding-twins", "pushback", "pushback-right")),
        Trial("refusal, add 2", steer.Plan.add(refusal), 2.0, ()),
        Trial("refusal, affine to 0 at layers 5 to 7", removed, 1.0, ()),
        Trial("surgical, ablate", steer.Plan.ablate(false), 1.0, ()),
        Trial("surgical, add -2", steer.Plan.add(false), -2.0, ()),
        Trial("grounding, add", steer.Plan.add(grounding), asked, ("grounding", "grounding-twins")),
        Trial("sycophancy, add", steer.Plan.add(sycophancy), kept, ("pushback", "pushback-right")),
    ]
    for trial in trials[:3]:
        with nullcontext() if trial.plan is None else steer.steered(model, trial.plan, trial.strength):
            print(f"held-out twins refused, {trial.what}: {held_out(model, args.limit)}")
    columns = [*REFUSAL, "grounding", "grounding-twins", "pushback", "pushback-right"]
    table = Table("what", "strength", *columns)
    for trial in trials:
        with (
            console.status(trial.what),
            nullcontext() if trial.plan is None else steer.steered(model, trial.plan, trial.strength),
        ):
            rates = {name: rate(model, name, args.limit) for name in (*REFUSAL, *trial.suites)}
        table.add_row(trial.what, f"{trial.strength:.2f}", *(rates.get(name, "") for name in columns))
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
