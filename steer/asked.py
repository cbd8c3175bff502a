"""What somebody asks of a program that knows models by name only: a model, what to steer it with, and how far.

`NAME@STRENGTHS` is a model's name with strengths behind it, in the grammar of `Policy.strengths`: `NAME@0.5`,
`NAME@refusal=0.5,warmth=1`, `NAME@mild`. Knows no such program.
"""

from __future__ import annotations

import hashlib
import os
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch

from steer.dials import Policy
from steer.errors import PlanError
from steer.plan import Plan
from steer_vectors.file import Vector, load_vector

_DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


@dataclass(frozen=True)
class Asked:
    """A model and what is to be done with it.

    Args:
        model: Its name, without strengths.
        policy: None = nothing, the plain model.
        strengths: Of all dials of the policy.
        hash: Names policy and strengths: what one setting answered is never taken for another's.
    """

    model: str
    policy: Policy | None
    strengths: Mapping[str, float]
    hash: str

    @property
    def plain(self) -> bool:
        """Whether it is the plain model: no policy, or all dials at 0."""
        return not any(self.strengths.values())


def asked(
    name: str,
    policy: str | Path | Policy | Plan | None = None,
    vector: str | Path | Vector | None = None,
    strength: object = None,
) -> Asked:
    """Read what was asked.

    Args:
        name: Of a model, with strengths behind it or not.
        policy: A file, or what was read from one.
        vector: A file, or what was read from one; stands for adding it.
        strength: As `Policy.strengths` takes it; None = as the name says, else the policy's defaults.

    Raises:
        PlanError: Both a policy and a vector; strengths of neither; strengths in two places; what `Policy.strengths`
            refuses.
        VectorFileError: A file that does not read.
    """
    model, behind = split_name(name)
    if policy is not None and vector is not None:
        raise PlanError("both a policy and a vector", "one of them", "leave one out")
    if behind is not None and strength is not None:
        raise PlanError(
            f"strengths {behind!r} in the model's name and {strength!r} beside it",
            "one of them",
            "leave one out",
        )
    wanted = behind if strength is None else strength
    found = _policy(policy, vector)
    if found is None:
        if wanted is not None:
            raise PlanError(
                f"strength {wanted!r} of nothing", "a policy or a vector", "name what to steer with"
            )
        return Asked(model, None, {}, "plain")
    strengths = found.strengths(wanted)
    turned = ",".join(f"{dial}={value!r}" for dial, value in strengths.items())
    # What was not read from a file has no hash, and is like nothing else.
    told = f"{found.hash or uuid.uuid4().hex} {turned}"
    return Asked(model, found, strengths, hashlib.sha256(told.encode()).hexdigest())


def split_name(name: str) -> tuple[str, str | None]:
    """A model's name and the strengths behind it, None if there are none. A folder or file of that very name is a name.

    Raises:
        PlanError: Nothing on one side of the last "@".
    """
    if "@" not in name or os.path.exists(name):
        return name, None
    model, _, behind = name.rpartition("@")
    if not model.strip() or not behind.strip():
        raise PlanError(f"model {name!r}", "NAME, or NAME@refusal=0.5", "complete it")
    return model, behind


def dtype_of(word: str | None) -> torch.dtype | None:
    """A precision in words; None = by device.

    Raises:
        PlanError: Another word.
    """
    if word is not None and word not in _DTYPES:
        raise PlanError(f"dtype {word!r}", " or ".join(_DTYPES), "choose one")
    return None if word is None else _DTYPES[word]


def _policy(policy: str | Path | Policy | Plan | None, vector: str | Path | Vector | None) -> Policy | None:
    if isinstance(policy, Policy):
        return policy
    if isinstance(policy, Plan):
        return Policy(policy, {})
    if policy is not None:
        return Policy.load(policy)
    if isinstance(vector, Vector):
        return Policy(Plan.add(vector), {})
    if vector is not None:
        read = load_vector(vector)
        return Policy(Plan.add(read), {}, hashlib.sha256(Path(vector).read_bytes()).hexdigest())
    return None
