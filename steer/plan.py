"""Plans: what is done with which direction, where and when. Frozen words; knows no live model.

As a file a plan is a policy, `policy.toml`. Vectors stand beside it and are named by file and SHA-256.
"""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from steer.errors import PlanError
from steer_vectors.file import Vector, load_vector, save_vector
from steer_vectors.site import POINTS, Site

Kind = Literal["add", "ablate"]
Scope = Literal["all", "prompt", "generation"]
POLICY_VERSION = 1
_APPLIED = {"point": POINTS, "processing": ("raw",)}  # of a vector: what the hooks edit


@dataclass(frozen=True, eq=False)
class Edit:
    """One thing done with one direction, at the point of each layer where the direction was read.

    Args:
        kind: "add" moves along the direction, in class gaps; "ablate" removes the projection on it.
        vector: The direction at every layer.
        layers: 0-based layers it is done at. Default: "add" at the layer the vector chose, "ablate" at every layer.
        scope: Which tokens: "all", those of the "prompt", or those of the "generation".
        scale: The dial's strength is multiplied by this, so that several edits can hang on one dial.

    Raises:
        PlanError: An unknown kind or scope, a layer the vector does not have, a scale that is not finite, a vector
            that was read off a point unknown here or from processed activations.
    """

    kind: Kind
    vector: Vector
    layers: tuple[int, ...] = ()
    scope: Scope = "all"
    scale: float = 1.0

    def __post_init__(self) -> None:
        _one_of("edit", self.kind, get_args(Kind))
        _one_of("scope", self.scope, get_args(Scope))
        if not abs(self.scale) < float("inf"):
            raise PlanError(f"scale {self.scale}", "a finite number", "choose a scale such as 1 or -0.5")
        for key, applied in _APPLIED.items():
            if self.vector.meta[key] not in applied:
                raise PlanError(
                    f"a vector of {key} {self.vector.meta[key]!r}",
                    f"{key} {' or '.join(applied)}",
                    "extract it with `steer extract`",
                )
        for layer in self.layers:
            if not 0 <= layer < self.vector.layers:
                raise PlanError(
                    f"layer {layer}", f"0 to {self.vector.layers - 1}", "choose a layer of the vector's model"
                )

    @property
    def sites(self) -> tuple[Site, ...]:
        """Where it is done, with the default layers filled in."""
        chosen = (self.vector.layer,) if self.kind == "add" else tuple(range(self.vector.layers))
        return tuple(Site(layer, self.vector.point) for layer in self.layers or chosen)


@dataclass(frozen=True)
class Plan:
    """A frozen list of edits on one dial, applied in this order at each site.

    Args:
        edits: At least one.

    Raises:
        PlanError: No edits.
    """

    edits: tuple[Edit, ...]

    def __post_init__(self) -> None:
        if not self.edits:
            raise PlanError(
                "a plan without edits", "at least one edit", "use Plan.add(vector) or Plan.ablate(vector)"
            )

    @classmethod
    def add(cls, vector: Vector, *, layers: tuple[int, ...] = (), scope: Scope = "all") -> Plan:
        """Add the direction: strength 1 is one class gap, + is more of the concept."""
        return cls((Edit("add", vector, layers, scope),))

    @classmethod
    def ablate(cls, vector: Vector, *, layers: tuple[int, ...] = (), scope: Scope = "all") -> Plan:
        """Remove the direction: strength 1 removes it whole."""
        return cls((Edit("ablate", vector, layers, scope),))

    @classmethod
    def load(cls, path: str | Path) -> Plan:
        """Read a policy and the vectors it names.

        Raises:
            PlanError: No such file, not TOML, unknown or missing keys, a vector that is not the one measured.
            VectorFileError: A vector that is missing or damaged.
        """
        path = Path(path)
        tables = _read(path)
        return cls(tuple(_edit(table, path) for table in tables))

    def save(self, path: str | Path) -> None:
        """Write the policy, and its vectors beside it: everything or nothing.

        Raises:
            PlanError: The path cannot be written.
            VectorFileError: A vector without its metadata, or a full disk.
        """
        path = Path(path)
        names = [f"{path.stem}-{i}.safetensors" for i in range(len(self.edits))]
        if any(os.path.isdir(path.parent / name) for name in (*names, path.name)):
            raise _unwritable(path, "a folder is in the way")
        try:
            # Beside the target, so that what is written whole needs only to be renamed.
            with tempfile.TemporaryDirectory(prefix=f".{path.name}.", dir=path.parent) as stage:
                text = self._stage(Path(stage), names)
                Path(stage, path.name).write_text(text, encoding="utf-8")
                for name in (*names, path.name):  # the policy last: it never names a missing file
                    os.replace(Path(stage, name), path.parent / name)
        except (OSError, UnicodeEncodeError) as error:
            raise _unwritable(path, getattr(error, "strerror", error)) from error

    def _stage(self, folder: Path, names: list[str]) -> str:
        """Write the vectors; returns the policy that names them."""
        blocks = [f"version = {POLICY_VERSION}\n"]
        for edit, name in zip(self.edits, names, strict=True):
            file = folder / name
            save_vector(edit.vector, file)
            fields = {"kind": edit.kind, "vector": name, "sha256": _sha256(file), "layers": [site.layer for site in edit.sites],
                      "scope": edit.scope, "scale": edit.scale}  # fmt: skip
            blocks.append(
                "[[edits]]\n" + "".join(f"{key} = {_toml(value)}\n" for key, value in fields.items())
            )
        return "\n".join(blocks)


def _read(path: Path) -> list[dict[str, Any]]:
    try:
        text = tomllib.loads(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise PlanError(
            f"{path}, which does not read ({error})", "a policy in TOML", "check the path and the file"
        ) from error
    edits = text.get("edits")
    if (
        text.get("version") != POLICY_VERSION
        or not isinstance(edits, list)
        or not all(isinstance(e, dict) for e in edits)
    ):
        raise PlanError(
            f"{path} with version {text.get('version')}",
            f"version {POLICY_VERSION} and [[edits]]",
            "write it with Plan.save",
        )
    if strange := sorted(set(text) - {"version", "edits"}):
        raise PlanError(f"{path} with {', '.join(strange)}", "version and [[edits]] only", f"mend {path}")
    return list(edits)


def _edit(table: dict[str, Any], path: Path) -> Edit:
    known = {"kind", "vector", "sha256", "layers", "scope", "scale"}
    if set(table) - known or not {"kind", "vector"} <= set(table):
        raise PlanError(
            f"an edit with {', '.join(sorted(table))}",
            f"kind, vector and of {', '.join(sorted(known))}",
            f"mend {path}",
        )
    file = path.parent / str(table["vector"])
    if file.resolve().parent != path.resolve().parent:
        raise PlanError(f"vector {table['vector']}", "a file beside the policy", "copy the vector there")
    vector = load_vector(file)
    if "sha256" in table and table["sha256"] != _sha256(file):
        raise PlanError(
            f"{file} with another content",
            f"SHA-256 {str(table['sha256'])[:12]}…",
            "restore the vector the policy was made with",
        )
    layers, scale = table.get("layers", []), table.get("scale", 1.0)
    if (
        not isinstance(layers, list)
        or not all(type(n) is int for n in layers)
        or type(scale) not in (int, float)
    ):
        raise PlanError(
            f"layers {layers}, scale {scale}", "a list of whole numbers, and a number", f"mend {path}"
        )
    return Edit(table["kind"], vector, tuple(layers), table.get("scope", "all"), float(scale))


def _toml(value: object) -> str:
    """JSON reads as TOML, but for two things: pairs of escapes beyond 16 bits, and a bare DEL."""
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")


def _unwritable(path: Path, why: object) -> PlanError:
    return PlanError(f"{path}, which cannot be written ({why})", "a writable path", "choose another path")


def _one_of(what: str, got: str, known: tuple[str, ...]) -> None:
    if got not in known:
        raise PlanError(f"{what} {got!r}", " or ".join(known), f"choose a known {what}")


def _sha256(file: Path) -> str:
    return hashlib.sha256(file.read_bytes()).hexdigest()
