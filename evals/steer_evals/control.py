"""The control of every sweep: a random direction of equal norm. What it does too, the direction did not do."""

from __future__ import annotations

from dataclasses import replace

import torch

from steer.plan import Plan
from steer_vectors.file import Vector

SEED = 0


def random_plan(plan: Plan, seed: int = SEED) -> Plan:
    """The same plan with every direction replaced by a random one; sites, gaps and scopes stay."""
    draw = torch.Generator().manual_seed(seed)
    return Plan(tuple(replace(edit, vector=_random(edit.vector, draw)) for edit in plan.edits))


def _random(vector: Vector, draw: torch.Generator) -> Vector:
    directions = torch.nn.functional.normalize(torch.randn(vector.directions.shape, generator=draw), dim=-1)
    return Vector(directions, vector.positive, vector.negative, vector.meta)
