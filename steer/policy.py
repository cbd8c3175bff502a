"""A plan as a file: `policy.toml`. Vectors stand beside it and are named by file and SHA-256."""

from __future__ import annotations

import hashlib
import json
import math
import os
import tempfile
import tomllib
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steer.errors import PlanError
from steer.plan import DIAL, Edit, Gate, Plan
from steer_vectors.file import Vector, load_vector, save_vector

POLICY_VERSION = 1
_Number = Annotated[float, Field(allow_inf_nan=False)]


class _Table(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True)


class _Vector(_Table):
    vector: str
    sha256: str | None = None


class _Gate(_Vector):
    threshold: _Number
    sharpness: float = math.inf


class _Edit(_Vector):
    kind: str
    layers: list[int] = []
    scope: str = "all"
    scale: _Number = 1.0
    dial: str = DIAL
    to: _Number = 0.0
    low: _Number | None = None
    high: _Number | None = None
    angle: _Number | None = None
    keep_norm: bool = False
    second: _Vector | None = None
    gate: _Gate | None = None


class _Policy(_Table):
    version: int
    edits: list[_Edit]


def load_policy(path: Path) -> Plan:
    """Read a policy; see `Plan.load`."""
    try:
        text = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PlanError(
            f"{path}, which does not read ({error})", "a policy in TOML", "check the path and the file"
        ) from error
    if text.get("version") != POLICY_VERSION:
        raise PlanError(
            f"{path} with version {text.get('version')}",
            f"version {POLICY_VERSION}",
            "write it with Plan.save",
        )
    try:
        policy = _Policy.model_validate(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PlanError(
            f"{path} with {where}: {first['msg']}", "keys and values of a policy", f"mend {path}"
        ) from error
    return Plan(tuple(_edit(table, path) for table in policy.edits))


def save_policy(plan: Plan, path: Path) -> None:
    """Write a policy and its vectors; see `Plan.save`."""
    names = [f"{path.stem}-{i}.safetensors" for i in range(sum(len(edit.vectors) for edit in plan.edits))]
    if any(os.path.isdir(path.parent / name) for name in (*names, path.name)):
        raise _unwritable(path, "a folder is in the way")
    try:
        # Beside the target, so that what is written whole needs only to be renamed.
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as stage:
            text = _stage(plan, Path(stage), names)
            Path(stage, path.name).write_text(text, encoding="utf-8")
            for name in (*names, path.name):  # the policy last: it never names a missing file
                os.replace(Path(stage, name), path.parent / name)
    except (OSError, UnicodeEncodeError) as error:
        raise _unwritable(path, getattr(error, "strerror", error)) from error


def _stage(plan: Plan, folder: Path, names: list[str]) -> str:
    """Write the vectors; returns the policy that names them."""
    free = iter(names)

    def stored(vector: Vector) -> dict[str, str]:
        file = folder / next(free)
        save_vector(vector, file)
        return {"vector": file.name, "sha256": _sha256(file)}

    blocks = [f"version = {POLICY_VERSION}\n"]
    for edit in plan.edits:
        fields: dict[str, Any] = {
            "kind": edit.kind,
            **stored(edit.vector),
            "layers": [site.layer for site in edit.sites],
        }
        fields |= {"scope": edit.scope, "scale": edit.scale, "dial": edit.dial}
        fields |= {"to": edit.to or None, "low": edit.low, "high": edit.high, "angle": edit.angle}
        fields |= {"keep_norm": edit.keep_norm or None}
        fields["second"] = edit.second and stored(edit.second)
        fields["gate"] = edit.gate and {
            **stored(edit.gate.vector), "threshold": edit.gate.threshold, "sharpness": edit.gate.sharpness,
        }  # fmt: skip
        lines = [f"{key} = {_toml(value)}\n" for key, value in fields.items() if value is not None]
        blocks.append("[[edits]]\n" + "".join(lines))
    return "\n".join(blocks)


def _edit(table: _Edit, path: Path) -> Edit:
    gate, second = table.gate, table.second
    return Edit(
        table.kind,  # type: ignore[arg-type]  # Edit checks it
        _vector(table, path), tuple(table.layers), table.scope, table.scale, table.dial, table.to, table.low, table.high,
        None if second is None else _vector(second, path), table.angle,
        None if gate is None else Gate(_vector(gate, path), gate.threshold, gate.sharpness), table.keep_norm,
    )  # fmt: skip


def _vector(table: _Vector, path: Path) -> Vector:
    file = path.parent / table.vector
    if file.resolve().parent != path.resolve().parent:
        raise PlanError(f"vector {table.vector}", "a file beside the policy", "copy the vector there")
    vector = load_vector(file)
    if table.sha256 is not None and table.sha256 != _sha256(file):
        raise PlanError(
            f"{file} with another content",
            f"SHA-256 {table.sha256[:12]}…",
            "restore the vector the policy was made with",
        )
    return vector


def _toml(value: object) -> str:
    if isinstance(value, dict):
        return "{ " + ", ".join(f"{key} = {_toml(own)}" for key, own in value.items()) + " }"
    if value == math.inf:
        return "inf"
    # JSON reads as TOML, but for two things: pairs of escapes beyond 16 bits, and a bare DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _unwritable(path: Path, why: object) -> PlanError:
    return PlanError(f"{path}, which cannot be written ({why})", "a writable path", "choose another path")


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
