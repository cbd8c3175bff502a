"""From displacements, which is what other tools' files hold, to a vector and back. Knows no format.

A displacement is what such a tool adds at a layer at its strength 1: a direction whose length is the class gap. Those files
do not say on which model, from which prompts or between which class means a direction was found: the model is the one the
user names, the rest stays empty, and the vector's warning says so.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import torch
from torch import Tensor

from steer_vectors.errors import MismatchError, VectorFileError
from steer_vectors.file import (
    FORMAT,
    FORMAT_VERSION,
    METADATA_KEYS,
    Vector,
    library_version,
    model_metadata,
)
from steer_vectors.models import ChatModel
from steer_vectors.site import Point

ABSENT = "absent_layers"  # metadata of an imported vector: JSON list of the layers the file said nothing of
_ANOTHER = "import it for the model it was made on"


class Origin(NamedTuple):
    """What a file, or the user, says about its directions.

    Args:
        format: Name of the format.
        concept: What the directions are of.
        point: Where that format adds them.
        position: Token they were read at, counted back from the prompt's end; None = the file does not say.
        details: What else the file says, for the record.
    """

    format: str
    concept: str
    point: Point
    position: int | None
    details: Mapping[str, str]


def check_fit(model: ChatModel, layer: int, width: int, name: str) -> None:
    """Refuse a direction that this model has no place for.

    Raises:
        MismatchError: Another width, or a layer the model does not have.
    """
    if width != model.width:
        raise MismatchError(
            f"{name} of width {width} for {model.name}", f"width {model.width}, as the model's", _ANOTHER
        )
    if not 0 <= layer < model.layers:
        raise MismatchError(
            f"{name} at layer {layer} for {model.name}", f"a layer from 0 to {model.layers - 1}", _ANOTHER
        )


def to_vector(
    model: ChatModel, displacements: Mapping[int, Tensor], layer: int | None, origin: Origin
) -> Vector:
    """A vector of displacements `[d]` by layer; a displacement of length 0 is none.

    The vector file has a direction at every layer. Where the file had none, the chosen layer's stands with class gap 0
    (adding it adds nothing), and the layer is listed in the metadata `absent_layers`.

    Raises:
        VectorFileError: No direction at the layer asked for, several and none asked for, values that are not finite.
    """
    lengths = {at: move.double().norm() for at, move in displacements.items()}
    # In float32, as the file keeps them: what rounds to 0 there is no direction.
    gaps = torch.zeros(model.layers, dtype=torch.float32)
    for at, length in lengths.items():
        gaps[at] = length
    if not bool(torch.isfinite(gaps).all()):
        raise VectorFileError(
            "values that are not finite, or too large", "finite values", "export the directions again"
        )
    present = [at for at in range(model.layers) if float(gaps[at]) > 0]
    chosen = _chosen(present, layer)
    units = {at: (displacements[at].double() / lengths[at]).float() for at in present}
    directions = torch.stack([units.get(at, units[chosen]) for at in range(model.layers)])
    absent = [at for at in range(model.layers) if at not in units]
    meta = _metadata(model, origin, absent) | {"layer": str(chosen)}
    return Vector(directions, gaps, torch.zeros_like(gaps), meta)


def to_displacements(
    vector: Vector, strength: float, layers: Sequence[int] | None, points: tuple[Point, ...], format_name: str
) -> dict[int, Tensor]:
    """What `strength` adds at each of the layers, `[d]` float64; default: at the layer the vector chose.

    Raises:
        VectorFileError: What the format cannot express: another point, processed activations, strength 0, a layer at which
            there is no direction, a displacement beyond float32.
    """
    if vector.point not in points:
        raise VectorFileError(
            f"a vector of {vector.point}",
            f"{' or '.join(points)}, where {format_name} adds",
            f"extract it with `--point {points[0]}`",
        )
    if vector.meta["processing"] != "raw":
        raise VectorFileError(
            f"a vector of processing {vector.meta['processing']!r}",
            "raw activations",
            "extract it with `steer extract`",
        )
    if not math.isfinite(strength) or strength == 0:
        raise VectorFileError(f"strength {strength}", "a finite number other than 0", "choose one, such as 1")
    wanted = (vector.layer,) if layers is None else tuple(layers)
    return {layer: _displacement(vector, layer, strength) for layer in _existing(vector, wanted)}


@contextmanager
def written_whole(path: str | Path) -> Iterator[Path]:
    """Give a temporary neighbour to make, a file or a folder; it takes the path's place only when everything is written.

    Raises:
        VectorFileError: The path cannot be written.
    """
    target = Path(path)
    part = target.parent / f".{target.name}.{os.getpid()}.part"
    try:
        yield part
        os.replace(part, target)
    except OSError as error:
        raise VectorFileError(
            f"{path}, which cannot be written ({error.strerror or error})",
            "a writable path",
            "choose another path",
        ) from error
    finally:  # mostly there is nothing left to remove: it has become what was wanted
        if part.is_dir():
            shutil.rmtree(part, ignore_errors=True)
        with suppress(OSError):
            part.unlink()


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Put the path in front of what is wrong with the file.

    Raises:
        VectorFileError: One from inside, or what cannot be read.
        MismatchError: One from inside.
    """
    try:
        yield
    except (VectorFileError, MismatchError) as error:
        raise type(error)(f"{path}: {error.got}", error.expected, error.do) from error
    except OSError as error:
        raise VectorFileError(
            f"{path}, which cannot be read ({error.strerror or error})",
            "a file of directions",
            "check the path",
        ) from error


def _chosen(present: list[int], layer: int | None) -> int:
    if not present:
        raise VectorFileError(
            "no direction longer than 0", "at least one direction", "export the directions again"
        )
    if layer is None and len(present) > 1:
        raise VectorFileError(
            f"directions at {len(present)} layers ({_short(present)})",
            "one of them as the layer to steer at",
            "import with layer=..., the one that you measured",
        )
    if layer is not None and layer not in present:
        raise VectorFileError(
            f"no direction at layer {layer}",
            f"one of the layers that have one ({_short(present)})",
            "choose another layer",
        )
    return present[0] if layer is None else layer


def _existing(vector: Vector, wanted: tuple[int, ...]) -> tuple[int, ...]:
    outside = [layer for layer in wanted if not 0 <= layer < vector.layers]
    if outside or not wanted:
        raise VectorFileError(
            f"layer {outside[0]}" if outside else "no layers",
            f"layers from 0 to {vector.layers - 1}",
            "choose layers of the vector's model",
        )
    absent = [layer for layer in wanted if layer in vector.absent]
    if absent:
        raise VectorFileError(
            f"layer {absent[0]}, of which the file that was imported said nothing",
            "layers that have a direction",
            "leave it out, or extract the vector on the model",
        )
    return wanted


def _displacement(vector: Vector, layer: int, strength: float) -> Tensor:
    move = vector.directions[layer].double() * (vector.gap(layer) * strength)
    single = move.float()
    if not bool(torch.isfinite(single).all()) or not bool(single.any()):
        raise VectorFileError(
            f"class gap {vector.gap(layer):g} times strength {strength:g} at layer {layer}",
            "a displacement that is neither 0 nor beyond float32",
            "choose another layer or strength",
        )
    return move


def _metadata(model: ChatModel, origin: Origin, absent: list[int]) -> dict[str, str]:
    empty = dict.fromkeys(METADATA_KEYS, "")
    said = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "concept": origin.concept,
        "point": origin.point,
        "position": str(-1 if origin.position is None else origin.position),
        "positions": "" if origin.position is None else json.dumps([origin.position]),
        "estimator": "imported",
        "estimator_parameters": json.dumps({"format": origin.format, **origin.details}),
        "library_version": library_version(),
        "warning": _warning(origin, absent),
    }
    listed = {ABSENT: json.dumps(absent)} if absent else {}
    return {**empty, **model_metadata(model), **said, **listed}


def _warning(origin: Origin, absent: list[int]) -> str:
    unknown = ["the class means (0 stands for the negative one, the length for the positive)"]
    unknown += ["the position (-1 stands for it)"] if origin.position is None else []
    unknown += [f"a direction at {len(absent)} layers ({_short(absent)})"] if absent else []
    return f"imported from {origin.format} and not validated on this model; unknown: {', '.join(unknown)}"


def _short(layers: list[int]) -> str:
    shown = ", ".join(map(str, layers if len(layers) < 8 else layers[:6]))
    return f"{shown}, ... {layers[-1]}" if len(layers) > 7 else shown
