"""Asks a policy the same requests in every disguise, and sets the answers side by side. Knows no statistics."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from steer.plan import Plan
from steer_evals.adapt import risks
from steer_evals.asking import answer_tokens
from steer_evals.disguises import DISGUISES, disguise
from steer_evals.errors import RunError, SuiteError
from steer_evals.robustness import Robustness, robustness, robustness_lines
from steer_evals.run import write_whole
from steer_evals.suites import Suite
from steer_evals.sweep import sweep
from steer_vectors.chat import prompt_ids
from steer_vectors.errors import ModelError
from steer_vectors.models import ChatModel

TABLE = "robustness.md"
_WORDS = (None, 200, 100, 50)  # of padding and context, until the model has room


class Disguised(NamedTuple):
    """The table, and which disguises of which suites are not in it, and why."""

    table: list[Robustness]
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
    progress: Callable[[int, int], None] | None = None,
) -> Disguised:
    """Ask suites plain and in disguise, with the plan and without.

    Args:
        model: A live model, not steered.
        plan: Whose first probe, if it has one, is the gate that is judged.
        suites: On refusal.
        strength: Of the plan's dial.
        out: Folder of the run; `robustness.md` is written there.
        names: Disguises, among `DISGUISES`.
        seed: Of what they draw.
        progress: Called as `progress(done, total)`, in answers.

    Raises:
        SuiteError: An unknown disguise.
        RunError: As `sweep`.
    """
    if strength == 0:
        raise RunError("strength 0, at which nothing is steered", "another", "turn the dial up")
    asked, left_out = list(suites), {}
    for name in names:
        for suite in suites:
            found = _fitting(model, name, suite, seed)
            if isinstance(found, str):
                left_out[f"{suite.name}@{name}"] = found
            else:
                asked.append(found)
    run = sweep(model, plan, asked, [strength], out, control=False, progress=progress)
    steered = [row for row in run.rows if row["strength"] == strength]
    plain = [row for row in run.rows if row["strength"] == 0]
    gated = plan.probes[:1]
    table = robustness(
        steered, risks(model, plan, asked) if gated else None, gated[0].threshold if gated else 0.5, plain
    )
    lines = [*robustness_lines(table), *(f"- left out: {name} ({why})" for name, why in left_out.items())]
    write_whole(run.folder / TABLE, "\n".join(lines) + "\n")
    return Disguised(table, left_out)


def _fitting(model: ChatModel, name: str, suite: Suite, seed: int) -> Suite | str:
    """The disguised suite with as many words as there is room for, or why there is none."""
    why = ""
    for words in _WORDS:
        try:
            found = disguise(name, suite, seed, words)
            longest = max(len(prompt_ids(model.tokenizer, item.turns)) for item in found.items)
            model.require_room(longest + answer_tokens(found))
            return found
        except ModelError as error:  # no room, or a template that takes no system prompt
            why = str(error)
        except SuiteError as error:
            if name not in DISGUISES:
                raise
            return str(error)  # nothing is translated
    return why
