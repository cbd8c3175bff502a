"""Controls: a random plan is the same plan with no direction of it left."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace

import pytest
import torch
from torch import Tensor

from steer.plan import Edit, Gate, Plan
from steer_evals.control import random_plan
from steer_vectors.file import Vector
from steer_vectors.models import ChatModel

MakeVector = Callable[..., Vector]


@pytest.fixture
def vectors(tiny_llama: ChatModel, make_vector: MakeVector) -> tuple[Vector, Vector]:
    first, second = (make_vector(tiny_llama, gap=3.0, seed=seed) for seed in (1, 2))
    return replace(first, read=2 * second.directions), second


def plans(first: Vector, second: Vector) -> dict[str, Plan]:
    plain = replace(first, read=None)
    return {
        "add": Plan((Edit("add", plain, (1,), gate=Gate(second, 0.5)),)),
        "ablate": Plan.ablate(plain),
        "rotate": Plan((Edit("rotate", plain, (1,), second=second, angle=90.0),)),
        "map by a second": Plan((Edit("map", plain, (1,), second=second),)),
        "map by what reads": Plan((Edit("map", first, (1,)),)),
    }


def moved(edit: Edit) -> list[Tensor]:
    """All that an edit reads and writes along."""
    held = [edit.vector.directions, edit.vector.read, edit.second and edit.second.directions]
    return [tensor for tensor in held if tensor is not None]


@pytest.mark.parametrize("name", ["add", "ablate", "rotate", "map by a second", "map by what reads"])
def test_no_direction_of_a_plan_is_left_and_all_else_is(vectors: tuple[Vector, Vector], name: str) -> None:
    plan = plans(*vectors)[name]
    ((edit,), (found,)) = plan.edits, random_plan(plan).edits
    for before, after in zip(moved(edit), moved(found), strict=True):
        assert (torch.nn.functional.cosine_similarity(before, after, dim=-1).abs() < 0.7).all()
        torch.testing.assert_close(after.norm(dim=-1), before.norm(dim=-1))
    for old, new in zip(edit.vectors, found.vectors, strict=True):
        assert torch.equal(old.positive, new.positive)
        assert old.meta == new.meta
    kept = [field.name for field in fields(Edit) if field.name not in ("vector", "second")]
    assert [getattr(found, name) for name in kept] == [getattr(edit, name) for name in kept]


def test_the_two_vectors_of_an_edit_are_drawn_apart_and_the_same_each_time(
    vectors: tuple[Vector, Vector],
) -> None:
    plan = plans(*vectors)["rotate"]
    (found,), (again,) = random_plan(plan).edits, random_plan(plan).edits
    assert found.second is not None
    assert again.second is not None
    assert not torch.equal(found.vector.directions, found.second.directions)
    assert torch.equal(found.second.directions, again.second.directions)
    (other,) = random_plan(plan, seed=1).edits
    assert not torch.equal(found.vector.directions, other.vector.directions)
