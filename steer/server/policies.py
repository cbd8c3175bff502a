"""Which policy a server steers by: the one it was started with, and those of a folder that an administrator may load by name.

A client never names a file. A policy without bounds on a dial is refused, for a server keeps every request within them;
and one that was calibrated to refuse less than the plain model is refused unless the operator has said so.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from steer.dials import Policy
from steer.errors import PlanError
from steer.policy import Dial

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}")
Bounds = Mapping[str, tuple[float, float]]


class Loaded(NamedTuple):
    """A policy, the plain name it goes by, and what its file says it was chosen by."""

    name: str
    policy: Policy
    measured: Mapping[str, Any]


def load_checked(path: Path, bounds: Bounds, *, below_plain: bool) -> Loaded:
    """Read a policy for a server.

    Args:
        path: Of the file.
        bounds: The operator's, by dial; within those of the policy where it has any.
        below_plain: Take policies that refuse less than the plain model, or may be turned so far.

    Raises:
        PlanError: As `Policy.load`; a dial without bounds, bounds of no dial; a policy under the floor.
        VectorFileError: As there.
    """
    policy = Policy.load(path)
    measured = tomllib.loads(path.read_text(encoding="utf-8")).get("measured", {})
    if _under_floor(measured) and not below_plain:
        raise PlanError(
            f"policy {path.stem!r}, which was calibrated to refuse less than the plain model",
            "one with a floor of no less than that",
            "calibrate without --below-plain, or serve it with --below-plain",
        )
    return Loaded(path.stem, Policy(policy.plan, _bounded(policy, bounds), policy.hash), measured)


def load_named(name: str, folder: Path | None, bounds: Bounds, *, below_plain: bool) -> Loaded:
    """Read `folder/name.toml`; a name has no separators, and leads nowhere else by a link.

    Raises:
        PlanError: No folder, no such name, or as `load_checked`.
    """
    if folder is None:
        raise PlanError("a policy's name", "a server with --policies", "start it with a folder of policies")
    path = folder / f"{name}.toml"
    inside = _NAME.fullmatch(name) and path.is_file() and path.resolve().parent == folder.resolve()
    if not inside:
        raise PlanError(
            f"policy {name[:64]!r}", "a name in the folder of policies", "ask the operator for one"
        )
    return load_checked(path, bounds, below_plain=below_plain)


def _under_floor(measured: Any) -> bool:
    return isinstance(measured, Mapping) and bool(measured.get("below_plain"))


def _bounded(policy: Policy, bounds: Bounds) -> dict[str, Dial]:
    if unknown := [name for name in bounds if name not in policy.plan.dials]:
        raise PlanError(
            f"bounds of dial {unknown[0]!r}", " or ".join(policy.plan.dials), "name a dial of the policy"
        )
    return {name: _dial(name, policy, bounds) for name in policy.plan.dials}


def _dial(name: str, policy: Policy, bounds: Bounds) -> Dial:
    own = policy.dials.get(name)
    if name not in bounds:
        if own is None:
            raise PlanError(
                f"dial {name!r} without bounds",
                "a table [dials.NAME] in the policy, or the operator's word",
                f"add --bounds {name}=-0.5:0.5, say",
            )
        return own
    low, high = bounds[name]
    if own is not None and not own.low <= low <= high <= own.high:
        raise PlanError(
            f"--bounds {name}={low:g}:{high:g}",
            f"within {own.low:g} to {own.high:g}, the policy's",
            "narrow them",
        )
    default = policy.defaults[name]
    presets = {} if own is None else {k: v for k, v in own.presets.items() if low <= v <= high}
    return Dial(min(max(default, low), high), low, high, presets)
