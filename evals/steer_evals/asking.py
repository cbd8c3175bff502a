"""From what a model says to a judged row; and whole suites asked of one live model, steered or not, batch by batch."""

from __future__ import annotations

import math
from collections.abc import Sequence

from steer_evals.grading import grade
from steer_evals.judges import Verdict
from steer_evals.plain import Answer, generate, likelihoods
from steer_evals.rows import Row
from steer_evals.suites import Item, Suite
from steer_vectors.chat import prompt_ids
from steer_vectors.models import ChatModel

BATCH = 64


def batches(model: ChatModel, suite: Suite, size: int = BATCH) -> list[tuple[Item, ...]]:
    """The suite's items in batches of like length: always the same ones, for answers may depend on the batch.

    Raises:
        ModelError: A chat that the template refuses, or that leaves no room for the answer.
    """
    lengths = {item.id: len(prompt_ids(model.tokenizer, item.turns)) for item in suite.items}
    model.require_room(max(lengths.values()) + answer_tokens(suite))
    order = sorted(suite.items, key=lambda item: lengths[item.id])
    return [tuple(order[at : at + size]) for at in range(0, len(order), size)]


def answer_tokens(suite: Suite) -> int:
    """Tokens that an answer may have, as far as the suite says; what is chosen has one at least."""
    return 1 if suite.header.kind == "choice" else suite.header.max_new_tokens


def ask(model: ChatModel, suite: Suite, items: Sequence[Item], strength: float = 0.0) -> list[Row]:
    """One batch of items, answered, judged and written down; `strength` only goes into the rows."""
    if suite.header.kind == "choice":
        pairs = [(item.turns, choice) for item in items for choice in item.choices]
        found: list[float] = []
        for at in range(0, len(pairs), len(items)):  # as many rows at once as there are items
            found += likelihoods(model, *zip(*pairs[at : at + len(items)], strict=True))
        scores = iter(found)
        return [chosen(suite, item, strength, [next(scores) for _ in item.choices]) for item in items]
    answers = generate(model, [item.turns for item in items], max_new_tokens=suite.header.max_new_tokens)
    return [answered(suite, item, strength, answer) for item, answer in zip(items, answers, strict=True)]


def answered(
    suite: Suite, item: Item, strength: float, answer: Answer, *, sample: int = 0, ties: int | None = None
) -> Row:
    """The row of a generated answer, judged."""
    verdict, correct, value = grade(suite.header.kind, item, answer.text, truncated=answer.truncated)
    return Row(
        suite=suite.name, axis=suite.header.axis, category=item.category, item=item.id,
        cluster=item.cluster or item.id, strength=strength, sample=sample, prompt=item.text, answer=answer.text,
        verdict=verdict.value, correct=correct, value=value, tokens=answer.tokens, truncated=answer.truncated,
        ties=ties,
    )  # fmt: skip


def chosen(suite: Suite, item: Item, strength: float, scores: Sequence[float]) -> Row:
    """The row of the likeliest choice."""
    best, sane = scores.index(max(scores)), all(map(math.isfinite, scores))
    correct = sane and best == item.gold
    verdict = Verdict.full_compliance if sane else Verdict.invalid
    return Row(
        suite=suite.name, axis=suite.header.axis, category=item.category, item=item.id,
        cluster=item.cluster or item.id, strength=strength, sample=0, prompt=item.text, answer=item.choices[best],
        verdict=verdict.value, correct=correct, value=float(correct), tokens=0, truncated=False, ties=0,
    )  # fmt: skip
