"""Asks a model the items of a suite and judges what it says. Whether the model is steered is not its business."""

from __future__ import annotations

import math
from collections.abc import Sequence

from steer_evals.engine import generate, likelihoods
from steer_evals.grading import grade
from steer_evals.judges import Verdict
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
    answer = 1 if suite.header.kind == "choice" else suite.header.max_new_tokens
    model.require_room(max(lengths.values()) + answer)
    order = sorted(suite.items, key=lambda item: lengths[item.id])
    return [tuple(order[at : at + size]) for at in range(0, len(order), size)]


def ask(model: ChatModel, suite: Suite, items: Sequence[Item], strength: float = 0.0) -> list[Row]:
    """One batch of items, answered, judged and written down; `strength` only goes into the rows."""
    if suite.header.kind == "choice":
        return _choose(model, suite, items, strength)
    answers = generate(model, [item.turns for item in items], max_new_tokens=suite.header.max_new_tokens)
    rows = []
    for item, answer in zip(items, answers, strict=True):
        verdict, correct = grade(suite.header.kind, item, answer.text, truncated=answer.truncated)
        rows.append(_row(suite, item, strength, answer.text, verdict, correct, answer.tokens))
    return rows


def _choose(model: ChatModel, suite: Suite, items: Sequence[Item], strength: float) -> list[Row]:
    pairs = [(item.turns, choice) for item in items for choice in item.choices]
    found: list[float] = []
    for at in range(
        0, len(pairs), len(items)
    ):  # as many rows at once as there are items, however many the choices
        turns, choices = zip(*pairs[at : at + len(items)], strict=True)
        found += likelihoods(model, turns, choices)
    scores = iter(found)
    rows = []
    for item in items:
        own = [next(scores) for _ in item.choices]
        best, sane = own.index(max(own)), all(map(math.isfinite, own))
        verdict = Verdict.full_compliance if sane else Verdict.invalid
        rows.append(_row(suite, item, strength, item.choices[best], verdict, sane and best == item.gold, 0))
    return rows


def _row(
    suite: Suite,
    item: Item,
    strength: float,
    answer: str,
    verdict: Verdict,
    correct: bool | None,
    tokens: int,
) -> Row:
    return Row(
        suite=suite.name, axis=suite.header.axis, item=item.id, cluster=item.cluster or item.id, strength=strength,
        prompt=item.text, answer=answer, verdict=verdict.value, correct=correct, tokens=tokens,
    )  # fmt: skip
