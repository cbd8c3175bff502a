"""A plan as a file: `policy.toml`. Vectors stand beside it and are named by file and SHA-256."""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import tempfile
import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from steer.errors import PlanError
from steer.plan import DIAL, Edit, Gate, Plan, Probe
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
    when: str | None = None


class _Before(_Vector):
    slope: _Number


class _Probe(_Vector):
    name: str
    layer: int
    slope: _Number
    offset: _Number
    threshold: _Number
    sharpness: float = math.inf
    read: str = "place"
    each_token: bool = False
    before: list[_Before] = []
    measured: dict[str, Any] = {}


class _Dial(_Table):
    default: _Number
    low: _Number
    high: _Number
    presets: dict[str, _Number] = {}


class _Policy(_Table):
    version: int
    edits: list[_Edit]
    probes: list[_Probe] = []
    dials: dict[str, _Dial] = {}
    measured: dict[str, Any] = {}  # of the run it was chosen from: for people and reports


class Dial(NamedTuple):
    """How far a dial may be turned, and where it stands by default; presets are strengths by name, within the bounds."""

    default: float
    low: float
    high: float
    presets: Mapping[str, float]


def load_policy(path: Path) -> Plan:
    """Read a policy; see `Plan.load`."""
    policy = _read(path)
    plan = _plan(policy, path)
    _dials(policy, plan, path)
    return plan


def load_dials(path: Path) -> dict[str, Dial]:
    """The bounds and presets of a policy, by dial; dials without a table are left out.

    Raises:
        PlanError: As `Plan.load`.
        VectorFileError: As there.
    """
    policy = _read(path)
    return _dials(policy, _plan(policy, path), path)


def _dials(policy: _Policy, plan: Plan, path: Path) -> dict[str, Dial]:
    found = {name: Dial(**dial.model_dump()) for name, dial in policy.dials.items()}
    _check_dials(found, plan, path)
    return found


def _check_dials(dials: Mapping[str, Dial], plan: Plan, path: Path) -> None:
    for name, dial in dials.items():
        if name not in plan.dials:
            raise PlanError(
                f"{path} with dial {name!r}, on which is no edit", " or ".join(plan.dials), "name one of them"
            )
        places = {"default": dial.default, **dial.presets}
        outside = [key for key, place in places.items() if not dial.low <= place <= dial.high]
        if outside:
            raise PlanError(
                f"{path} with {outside[0]!r} of dial {name!r} outside its bounds",
                f"{dial.low:g} to {dial.high:g}",
                "mend the dial",
            )


def _read(path: Path) -> _Policy:
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
        return _Policy.model_validate(text)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PlanError(
            f"{path} with {where}: {first['msg']}", "keys and values of a policy", f"mend {path}"
        ) from error


def save_policy(
    plan: Plan,
    path: Path,
    dials: Mapping[str, Dial] | None = None,
    measured: Mapping[str, Any] | None = None,
) -> None:
    """Write a policy and its vectors; see `Plan.save`.

    Args:
        plan: To write.
        path: Of the policy; its vectors are written beside it.
        dials: Bounds and presets.
        measured: What it was chosen by: names to texts, numbers, lists and mappings of these; None is left out.

    Raises:
        PlanError: As `Plan.save`; a dial without an edit, or with a place outside its bounds.
    """
    _check_dials(dials or {}, plan, path)
    vectors = sum(len(edit.vectors) for edit in plan.edits) + sum(
        len(probe.readings) for probe in plan.probes
    )
    names = [f"{path.stem}-{i}.safetensors" for i in range(vectors)]
    if any(os.path.isdir(path.parent / name) for name in (*names, path.name)):
        raise _unwritable(path, "a folder is in the way")
    try:
        # Beside the target, so that what is written whole needs only to be renamed.
        with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as stage:
            text = _stage(plan, Path(stage), names) + _tables(dials or {}, measured or {})
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
        fields["when"] = edit.when
        blocks.append(_block("edits", fields))
    for probe in plan.probes:
        fields = {"name": probe.name, **stored(probe.vector), "layer": probe.site.layer}
        own = ("slope", "offset", "threshold", "sharpness", "read", "each_token")
        fields |= {name: getattr(probe, name) for name in own}
        fields["before"] = [{**stored(vector), "slope": slope} for vector, slope in probe.before] or None
        fields["measured"] = probe.measured or None
        blocks.append(_block("probes", fields))
    return "\n".join(blocks)


def _block(name: str, fields: Mapping[str, Any]) -> str:
    lines = [f"{key} = {_toml(value)}\n" for key, value in fields.items() if value is not None]
    return f"[[{name}]]\n" + "".join(lines)


def _tables(dials: Mapping[str, Dial], measured: Mapping[str, Any]) -> str:
    blocks = {f"dials.{_key(name)}": dial._asdict() for name, dial in dials.items()}
    if measured:
        blocks["measured"] = dict(measured)
    return "".join(
        f"\n[{name}]\n"
        + "".join(f"{_key(key)} = {_toml(value)}\n" for key, value in block.items() if value is not None)
        for name, block in blocks.items()
    )


def _plan(policy: _Policy, path: Path) -> Plan:
    return Plan(
        tuple(_edit(table, path) for table in policy.edits),
        tuple(
            Probe(
                vector=_vector(table, path),
                before=tuple((_vector(own, path), own.slope) for own in table.before),
                **table.model_dump(exclude={"vector", "sha256", "before"}),
            )
            for table in policy.probes
        ),
    )


def _edit(table: _Edit, path: Path) -> Edit:
    gate, second = table.gate, table.second
    return Edit(
        table.kind,  # type: ignore[arg-type]  # Edit checks it
        _vector(table, path), tuple(table.layers), table.scope, table.scale, table.dial, table.to, table.low, table.high,
        None if second is None else _vector(second, path), table.angle,
        None if gate is None else Gate(_vector(gate, path), gate.threshold, gate.sharpness), table.keep_norm,
        table.when,
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


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _toml(name)


def _toml(value: object) -> str:
    if isinstance(value, Mapping):
        pairs = (f"{_key(str(key))} = {_toml(own)}" for key, own in value.items() if own is not None)
        return "{ " + ", ".join(pairs) + " }"
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(_toml(own) for own in value if own is not None) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)  # inf, -inf, nan
    # JSON reads as TOML, but for two things: pairs of escapes beyond 16 bits, and a bare DEL.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _unwritable(path: Path, why: object) -> PlanError:
    return PlanError(f"{path}, which cannot be written ({why})", "a writable path", "choose another path")


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
