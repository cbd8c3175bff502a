"""Plan + model -> recipe: checked tables per layer. Every error of a plan is raised here, before the first token."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

from steer.plan import Edit, Plan, Scope
from steer_kernels import Table, ablate_table, add_table
from steer_vectors.file import check_model
from steer_vectors.models import ChatModel
from steer_vectors.site import Site


class Step(NamedTuple):
    """One table, when it is applied, and how it hangs on the dial."""

    table: Table
    scope: Scope
    scale: float


@dataclass(frozen=True)
class Recipe:
    """Site -> steps in order, on the model's device."""

    steps: Mapping[Site, tuple[Step, ...]]


def compile_plan(plan: Plan, model: ChatModel) -> Recipe:
    """Check a plan against a live model and lay out its tables.

    Raises:
        MismatchError: A vector that was extracted from another model.
    """
    for edit in plan.edits:
        check_model(edit.vector, model)
    steps: dict[Site, list[Step]] = defaultdict(list)
    for edit in plan.edits:
        for site in edit.sites:
            steps[site].append(Step(_table(edit, site.layer).to(model.device), edit.scope, edit.scale))
    return Recipe({site: tuple(found) for site, found in steps.items()})


def _table(edit: Edit, layer: int) -> Table:
    """Adding uses each layer's own direction and gap; ablating removes the one chosen direction wherever it is written."""
    vector = edit.vector
    if edit.kind == "add":
        return add_table(vector.directions[layer], vector.positive[layer] - vector.negative[layer])
    return ablate_table(vector.directions[vector.layer])
