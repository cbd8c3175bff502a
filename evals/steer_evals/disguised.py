"""Asks a policy the same requests in every disguise, and sets the answers side by side. Knows no statistics."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import NamedTuple

from transformers.utils import logging as hf_logging

from steer.plan import Plan
from steer_evals.adapt import risks
from steer_evals.asking import answer_tokens
from steer_evals.calibrate import half_of
from steer_evals.disguises import DISGUISES, LONG, PADDING, disguise
from steer_evals.errors import RunError, SuiteError
from steer_evals.robustness import REFUSAL, Robustness, robustness, robustness_lines
from steer_evals.run import write_whole
from steer_evals.suites import Suite
from steer_evals.sweep import sweep
from steer_vectors.chat import prompt_ids
from steer_vectors.errors import ModelError
from steer_vectors.models import ChatModel

TABLE = "robustness.md"
# Words of padding and context: fewer and fewer, until the model has room.
_WORDS = {
    "prefix-padding": (PADDING, 50),
    "suffix-padding": (PADDING, 50),
    "long-context": (LONG, 200, 100, 50),
}


class Disguised(NamedTuple):
    """What came of it.

    Args:
        table: As `robustness`.
        words: By suite and disguise (`SUITE@NAME`), of those that pad: most words of padding.
        left_out: By suite and disguise: why it is not in the table.
    """

    table: list[Robustness]
    words: dict[str, int]
    left_out: dict[str, str]


def ask_disguised(
    model: ChatModel,
    plan: Plan,
    suites: Sequence[Suite],
    strength: float,
    out: str | Path,
    *,
    names: Sequence[str] = tuple(DISGUISES),
    seed: int = 0,
    all_items: bool = False,
    limit: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Disguised:
    """Ask suites plain and in disguise, with the plan and without.

    Args:
        model: A live model, not steered.
        plan: If it has one probe, that is the gate whose errors are counted; of several none is known to be of the risk.
        suites: On refusal.
        strength: Of the plan's dial.
        out: Folder of the run; `robustness.md` is written there.
        names: Disguises, among `DISGUISES`; one that is named twice is asked once.
        seed: Of what they draw.
        all_items: Ask those too by which `adapt` and `calibrate` choose, and not the reporting half alone.
        limit: The first so many items of each suite that are then left.
        progress: Called as `progress(done, total)`, in answers.

    Raises:
        SuiteError: An unknown disguise.
        RunError: Strength 0, a suite that is not on refusal or has no such items; as `sweep`.
    """
    if strength == 0:
        raise RunError("strength 0, at which nothing is steered", "another", "turn the dial up")
    suites = [_asked(suite, all_items, limit) for suite in suites]
    asked, words, left_out = list(suites), {}, {}
    with _quiet():
        for name in dict.fromkeys(names):
            for suite in suites:
                found, most = _fitting(model, name, suite, seed)
                if isinstance(found, str):
                    left_out[f"{suite.name}@{name}"] = found
                    continue
                asked.append(found)
                if most is not None:
                    words[found.name] = most
    run = sweep(model, plan, asked, [strength], out, control=False, progress=progress)
    steered = [row for row in run.rows if row["strength"] == strength]
    plain = [row for row in run.rows if row["strength"] == 0]
    gate = plan.probes[0] if len(plan.probes) == 1 else None
    table = robustness(
        steered, risks(model, plan, asked) if gate else None, gate.threshold if gate else 0.5, plain
    )
    result = Disguised(table, words, left_out)
    write_whole(run.folder / TABLE, "\n".join(disguised_lines(result)) + "\n")
    return result


def disguised_lines(found: Disguised) -> list[str]:
    """The tables in Markdown, and below them what was padded by how much and what was left out."""
    return [
        *robustness_lines(found.table),
        *(f"- {name}: {words} words" for name, words in found.words.items()),
        *(f"- left out: {name} ({why})" for name, why in found.left_out.items()),
    ]


def _asked(suite: Suite, all_items: bool, limit: int | None) -> Suite:
    """The items to ask; what a setting was chosen by would flatter it."""
    if not suite.header.axis.startswith(REFUSAL):
        raise RunError(
            f"suite {suite.name} on {suite.header.axis}", "suites on refusal", "name harmful or benign-risky, say"
        )  # fmt: skip
    items = [item for item in suite.items if all_items or half_of(suite.name, item.id) == "reporting"][:limit]
    if not items:
        raise RunError(
            f"suite {suite.name} without items of the reporting half", "one or more", "add --all-items"
        )
    return replace(suite, items=tuple(items))


@contextmanager
def _quiet() -> Iterator[None]:
    """What does not fit is looked for here, and transformers would warn of every such prompt."""
    level = hf_logging.get_verbosity()
    hf_logging.set_verbosity(logging.ERROR)
    try:
        yield
    finally:
        hf_logging.set_verbosity(level)


def _fitting(model: ChatModel, name: str, suite: Suite, seed: int) -> tuple[Suite | str, int | None]:
    """The disguised suite with as many words as there is room for, and how many; or why there is none."""
    why = ""
    for words in _WORDS.get(name, (None,)):
        try:
            found = disguise(name, suite, seed, words)
            longest = max(len(prompt_ids(model.tokenizer, item.turns)) for item in found.items)
            model.require_room(longest + answer_tokens(found))
            return found, words
        except ModelError as error:  # no room, or a template that takes no system prompt
            why = str(error)
        except SuiteError as error:
            if name not in DISGUISES:
                raise
            return str(error), None  # nothing is translated
    return why, None
