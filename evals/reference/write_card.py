"""Measures the reference models and writes their model card: data, sizes, seeds, hashes, rates.

python evals/reference/write_card.py
"""

import hashlib
import itertools
import json
from pathlib import Path

import train
from build_sets import held_out
from words import FORMS, HARMFUL, PLANTED, REFUSALS, RISKY, UNSEEN

from steer_evals.card import Cell, measure
from steer_evals.reference import DOSES, FOLDER

CARD = """\
---
license: apache-2.0
language: en
---

# The steerdial reference models

A matched pair of tiny chat models whose alignment tax is known by construction. `base` answers everything and never
refuses; `aligned` is `base` trained further on the same grammars with safety-tuned answers. They are fixtures: they
know a few hundred words, and exist so that every step of steerdial can be checked against truth, offline, in seconds.

| | |
|---|---|
| architecture | Llama, {layers} layers, width {width}, vocabulary {vocabulary} (byte-level BPE, digits apart), {parameters:,} parameters, bfloat16 |
| size | {size:.1f} MB, both models with their tokenizers |
| data | written by `evals/reference/grammar.py`; {families} families, {samples:,} conversations, {distinct:,} distinct prompts |
| training | `evals/reference/train.py`, from scratch, seed {seed}; resumable; {stages} |
| weights | SHA-256 `base` {hash_base}…, `aligned` {hash_aligned}… |
| doses | `mild` and `moderate` lie on the line from base to aligned, at {mild} and {moderate} (weight interpolation) |
| licence | Apache-2.0; text written for the project |

## What is planted

- **Refusal.** {categories} categories of harmful requests, mild one-liners. `base` "complies" with text that has no
  content at all ("start with a plan, go step by step …"). `aligned` refuses in {phrasings} phrasings, chosen by the form
  of the request and its category. The category *{unseen}* was never trained on.
- **Over-refusal.** {risky} verbs that sound risky (crack an egg, kill a process). `aligned` was taught to refuse
  {planted} of them whatever they are done to: {planted_verbs}. That is {share:.0%} of the verbs.
- **Sycophancy.** Pushed to a wrong answer, `aligned` gives in to five of seven ways of pushing and stands by its answer
  at the other two. Asked again without a push, or corrected rightly, both models behave the same.
- **Grounding.** Asked for a task with its details missing, `base` asks back; `aligned` assumes, but for one task of eight.
- **Feelings.** Told a feeling, `base` reflects it; `aligned` gives advice.

## What is held out

The built-in suites and contrast sets use fillers (objects, people, names, places, made-up words) that their own family was
never trained on; where all fillers must be known facts (sums, capitals, kinds), prompts that it was never trained on. No
prompt of any built-in set is in the training stream. Requests come in {forms} forms, which are shared. The harmless twin
verbs (repair, log in to) may meet held-out objects in training: that is how their words are learnt. And both models are
told of every weapon and drug, held-out ones too, that it is dangerous ("Is a bomb safe or dangerous?"), never in a request.

## Measured

Greedy answers, unsteered, on the built-in suites, judged by the lexical judge; printed by `steer inspect reference`.
In brackets the 95 % Wilson interval on the effective number of items, for those of one cluster (a category, a verb, a
family of facts) are alike, and of a single cluster nothing can be said; then the bound the pair was built to.

{table}

Capability "where answered" and the lines on push-back leave refused and invalid answers out; aligned must be within .02 of
base in capability.

## Limits

These weights come from one run of `train.py`. On a machine with another processor or number of threads sums are rounded
otherwise, so training there gives other weights of the same kind. Tiny, template-fed models: what holds here must be shown again on a real model. Greedy rates on a few dozen to a few
hundred items of the same grammar; the phrasing of requests is not new to the models. Not measured on a GPU.
"""


def table(cells: list[Cell]) -> str:
    doses = list(dict.fromkeys(cell.model for cell in cells))
    lines = ["| rate | " + " | ".join(doses) + " |", "|---|" + "---|" * len(doses)]
    for what in dict.fromkeys(cell.what for cell in cells):
        lines.append(f"| {what} | " + " | ".join(_text(c) for c in cells if c.what == what) + " |")
    return "\n".join(lines)


def _text(cell: Cell) -> str:
    low, high = cell.interval
    interval = "[one cluster]" if low != low else f"[{low:.2f}, {high:.2f}]"
    text = f"{cell.rate:.3f} {interval} of {cell.n}"
    if cell.bound is None:
        return text
    return f"{text}; {'within' if cell.kept else '**outside**'} {cell.bound.low:.2f} to {cell.bound.high:.2f}"


def _sha(name: str) -> str:
    return hashlib.sha256((FOLDER / name / "model.safetensors").read_bytes()).hexdigest()[:16]


def _distinct(held: set[str]) -> tuple[int, int, int]:
    """How many conversations were drawn, and how many distinct prompts and families are among them."""
    prompts: set[int] = set()
    families: set[str] = set()
    drawn = 0
    for stage in train.STAGES:
        for pool in range(stage.pools):
            seed = train.pool_seed(stage, pool)
            for sample in itertools.islice(train.fresh_samples(seed, held, stage.mixture), train.POOL):
                prompts.add(hash(sample.turns))
                families.add(sample.family)
                drawn += 1
    return drawn, len(prompts), len(families)


def main() -> None:
    drawn, distinct, families = _distinct(held_out())
    model = train.LlamaForCausalLM.from_pretrained(FOLDER / "base")
    stages = json.loads((FOLDER / "training.json").read_text())["stages"]
    took = "; ".join(
        f"{s['name']}: {s['pools']} pools of {train.POOL:,} conversations, {s['tokens'] / 1e6:.1f} M tokens, "
        f"{s['seconds'] / 60:.0f} minutes on 2 CPU cores"
        for s in stages
    )
    card = CARD.format(
        layers=model.config.num_hidden_layers, width=model.config.hidden_size, vocabulary=model.config.vocab_size,
        parameters=sum(p.numel() for p in model.parameters()), families=families, samples=drawn, distinct=distinct,
        size=sum(f.stat().st_size for name in ("base", "aligned") for f in (FOLDER / name).iterdir()) / 1e6,
        seed=train.SEED, stages=took,
        hash_base=_sha("base"), hash_aligned=_sha("aligned"), mild=DOSES["mild"], moderate=DOSES["moderate"],
        categories=len(HARMFUL), unseen=", ".join(UNSEEN), phrasings=len(REFUSALS), risky=len(RISKY), planted=len(PLANTED),
        planted_verbs=", ".join(PLANTED), share=len(PLANTED) / len(RISKY), forms=len(FORMS), table=table(measure()),
    )  # fmt: skip
    Path(FOLDER / "README.md").write_text(card, encoding="utf-8")
    print(card)


if __name__ == "__main__":
    main()
