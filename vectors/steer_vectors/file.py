"""The vector file: safetensors, written whole or not at all. Format and reasons: `vectors/FORMAT.md`.

Knows no contrast sets and no strengths; compares a vector with a live model, but never runs it.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, NamedTuple, cast

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from steer_vectors.errors import MismatchError, VectorFileError
from steer_vectors.fingerprint import template_hash, tokenizer_hash, weight_fingerprint
from steer_vectors.identity import Identity, identity
from steer_vectors.models import ChatModel
from steer_vectors.site import Point, Site

FORMAT = "steerdial-vector"
FORMAT_VERSION = "1"
METADATA_KEYS = (
    "format",
    "format_version",
    "concept",
    "what_plus",
    "what_minus",
    "model",
    "revision",
    "architecture",
    "width",
    "layers",
    "fingerprint",
    "tokenizer",
    "chat_template",
    "point",
    "layer",
    "position",
    "positions",
    "estimator",
    "estimator_parameters",
    "contrast",
    "counts",
    "processing",
    "library_version",
    "licence",
    "scores",
    "units",
    "warning",
)
_JSON_KEYS = {"positions": list, "estimator_parameters": dict, "counts": dict, "scores": dict, "units": dict}
_TENSORS = ("directions", "positive", "negative")
_READ = "read"  # the one that may be left out
_AGAIN = "write the vector again, with `steer extract`"
_UNIT_TOLERANCE = 1e-4
_LARGEST_HEADER = 100_000_000  # safetensors' own limit


@dataclass(frozen=True, eq=False)
class Vector:
    """A direction at every layer, with the two classes along it.

    Args:
        directions: `[l, d]` float32 unit vectors, from negative to positive.
        positive: `[l]` float32, mean reading of the positive class.
        negative: `[l]` float32, mean reading of the negative class.
        meta: The strings of `METADATA_KEYS`.
        read: `[l, d]` float32, what reads the concept off an activation, where that is not the projection on the direction
            (LEACE, null-space map); else None.

    Raises:
        VectorFileError: Wrong shapes or dtypes, values that are not finite, directions that are not unit.
    """

    directions: Tensor
    positive: Tensor
    negative: Tensor
    meta: Mapping[str, str]
    read: Tensor | None = None

    def __post_init__(self) -> None:
        _check_tensors(self)

    @property
    def concept(self) -> str:
        """Name of the contrast set it came from."""
        return self.meta["concept"]

    @property
    def layers(self) -> int:
        """Number of layers l."""
        return int(self.directions.shape[0])

    @property
    def width(self) -> int:
        """Width d."""
        return int(self.directions.shape[1])

    @property
    def layer(self) -> int:
        """The selected layer."""
        return int(self.meta["layer"])

    @property
    def position(self) -> int:
        """The selected position: a negative offset from the end of the prompt, or 0 for the tokens that predict the answer."""
        return int(self.meta["position"])

    @property
    def point(self) -> Point:
        """Where in each layer the direction was read, as in `Site`."""
        return cast(Point, self.meta["point"])

    @property
    def site(self) -> Site:
        """The selected site."""
        return Site(self.layer, self.point)

    @property
    def absent(self) -> list[int]:
        """Layers of which the file that was imported said nothing; what stands there is no direction of theirs.

        Raises:
            VectorFileError: Metadata that says something else than a list.
        """
        text = self.meta.get("absent_layers") or "[]"
        try:
            listed = json.loads(text)
        except (ValueError, RecursionError):
            listed = None
        if not isinstance(listed, list):
            raise VectorFileError(
                f"metadata absent_layers = {text[:80]!r}", "a list in JSON", "import the file again"
            )
        return listed

    @property
    def scores(self) -> dict[str, Any]:
        """Selection scores: `candidates`, `tokens`, `separation` (empty if nothing was selected)."""
        scores: dict[str, Any] = json.loads(self.meta["scores"] or "{}")
        return scores

    @property
    def units(self) -> dict[str, Any]:
        """What strengths are worth in other units, see `steer_vectors.units` (empty if nobody measured it)."""
        units: dict[str, Any] = json.loads(self.meta["units"] or "{}")
        return units

    def gap(self, layer: int) -> float:
        """Class gap at a layer, in the model's activation units: what strength 1 adds along the direction."""
        return float(self.positive[layer] - self.negative[layer])


def save_vector(vector: Vector, path: str | Path) -> None:
    """Write a vector file; a reader sees the old file or the whole new one. Same vector, same bytes.

    Raises:
        VectorFileError: Metadata is missing or wrong, or the path cannot be written.
    """
    _check_metadata(vector.meta)
    _check_agreement(vector)
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        part.write_bytes(_encode(vector))
        os.replace(part, target)
    except OSError as error:
        with suppress(OSError):  # where the folder itself is wrong there is nothing to remove
            part.unlink()
        raise VectorFileError(
            f"{path}, which cannot be written ({error.strerror})", "a writable path", "choose another path"
        ) from error


def load_vector(path: str | Path) -> Vector:
    """Read and check a vector file.

    Raises:
        VectorFileError: Missing, truncated or not safetensors; a key missing or not what it should be;
            another version; wrong shapes; values not finite; directions not unit.
    """
    file = Path(path)
    try:
        meta = _read_metadata(file)
        _check_metadata(meta)
        with safe_open(file, framework="pt") as handle:
            names = (*_TENSORS, *({_READ} & set(handle.keys())))
            vector = Vector(**{name: _tensor(handle, name) for name in names}, meta=meta)
        _check_agreement(vector)
    except SafetensorError as error:
        raise _damaged(file, f"truncated or damaged ({error!s:.200})") from error
    except (OSError, ValueError) as error:  # the second: a path with a null byte
        why = getattr(error, "strerror", None) or error
        raise VectorFileError(
            f"{str(path)!r:.200}, which cannot be read ({why})", "a vector file", "check the path"
        ) from error
    except VectorFileError as error:
        raise VectorFileError(f"{path}: {error.got}", error.expected, error.do) from error
    return vector


def model_metadata(model: ChatModel) -> dict[str, str]:
    """What a vector's metadata says of the model it was made on."""
    return {
        "model": model.name,
        "revision": str(getattr(model.hf.config, "_commit_hash", None) or ""),
        "architecture": type(model.hf).__name__,
        "width": str(model.width),
        "layers": str(model.layers),
        "fingerprint": weight_fingerprint(model.hf),
        "tokenizer": tokenizer_hash(model.tokenizer),
        "chat_template": template_hash(model.tokenizer),
        "processing": "raw",
    }


def library_version() -> str:
    """Version of this library, for the record."""
    try:
        return version("steerdial")
    except PackageNotFoundError:
        return "unknown"


def check_model(vector: Vector, model: ChatModel | Identity) -> None:
    """Refuse a vector that was made on another model than this one.

    Raises:
        MismatchError: Width, layers, weight fingerprint or chat template differ; says which.
    """
    here = model if isinstance(model, Identity) else identity(model)
    differences = [
        f"{pair.what} {pair.vector} in the vector and {pair.model} in the model"
        for pair in _compare(vector, here)
        if pair.vector != pair.model
    ]
    if differences:
        raise MismatchError(
            f"a vector of {vector.meta['model']} for {here.name}: {'; '.join(differences)}",
            "a vector made on exactly this model, and in the same dtype if either is float16",
            f"extract {vector.concept} again on {here.name}, or load {vector.meta['model']}",
        )


class _Pair(NamedTuple):
    what: str
    vector: str
    model: str


def _compare(vector: Vector, here: Identity) -> list[_Pair]:
    shape = [
        _Pair("width", str(vector.width), str(here.width)),
        _Pair("layers", str(vector.layers), str(here.layers)),
    ]
    # Another width or depth means other weights; saying so twice only makes the line longer.
    if any(pair.vector != pair.model for pair in shape):
        return shape
    return [
        _Pair("weights", vector.meta["fingerprint"][:12], here.fingerprint()[:12]),
        _Pair("chat template", vector.meta["chat_template"][:12], here.template[:12]),
    ]


def _encode(vector: Vector) -> bytes:
    """Safetensors by hand: the library orders metadata at random, so its bytes change from call to call."""
    header: dict[str, Any] = {"__metadata__": {key: vector.meta[key] for key in sorted(vector.meta)}}
    chunks, end = [], 0
    for name, tensor in _tensors(vector).items():
        chunks.append(tensor.detach().cpu().contiguous().numpy().astype("<f4", copy=False).tobytes())
        start, end = end, end + len(chunks[-1])
        header[name] = {"dtype": "F32", "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)  # the format aligns its data to 8 bytes
    return len(text).to_bytes(8, "little") + text + b"".join(chunks)


def _tensor(handle: Any, name: str) -> Tensor:
    """One tensor of an open file."""
    try:
        found: Tensor = handle.get_tensor(name)
    except (TypeError, RuntimeError) as error:
        # Where no number is stored, safetensors takes sizes that torch does not.
        raise VectorFileError(f"truncated or damaged ({name})", "a whole vector file", _AGAIN) from error
    return found


def _read_metadata(file: Path) -> dict[str, str]:
    """The header alone: a whole model named by mistake is refused without being read."""
    with file.open("rb") as stream:
        start = stream.read(9)
        size = int.from_bytes(start[:8], "little")
        if len(start) < 9:
            raise VectorFileError("truncated (no header)", "a whole vector file", _AGAIN)
        if start[8:] != b"{" or size > _LARGEST_HEADER:
            raise VectorFileError("not a safetensors file", "a vector file", "check the path")
        there = os.fstat(stream.fileno()).st_size - 8
        # Never more than there is: memory for what the header claims would be taken before a byte is read.
        text = start[8:] + stream.read(max(0, min(size, there) - 1))
    if len(text) < size:
        raise VectorFileError("truncated inside its header", "a whole vector file", _AGAIN)
    try:
        header = json.loads(text)
    except (ValueError, RecursionError) as error:  # bad JSON or bad UTF-8, or nested beyond reason
        raise VectorFileError(
            "not a safetensors file (bad header)", "a vector file", "check the path"
        ) from error
    meta = header.get("__metadata__", {})
    if not isinstance(meta, dict) or not all(isinstance(value, str) for value in meta.values()):
        raise VectorFileError("not a safetensors file (bad metadata)", "a vector file", "check the path")
    missing = [name for name in _TENSORS if name not in header]
    if meta.get("format") == FORMAT and missing:
        raise VectorFileError(f"no tensor {missing[0]}", f"tensors {', '.join(_TENSORS)}", _AGAIN)
    return meta


def _check_metadata(meta: Mapping[str, str]) -> None:
    if meta.get("format") != FORMAT:
        raise VectorFileError(
            f"safetensors whose format is {meta.get('format', 'not given'):.80}", FORMAT, "name a vector file"
        )
    if meta.get("format_version") != FORMAT_VERSION:
        raise VectorFileError(
            f"format version {meta.get('format_version', 'not given'):.80}",
            f"version {FORMAT_VERSION}",
            "upgrade steerdial, or extract again",
        )
    missing = [key for key in METADATA_KEYS if key not in meta]
    if missing:
        raise VectorFileError(f"no metadata {missing[0]}", "every key of vectors/FORMAT.md", _AGAIN)
    for key in ("width", "layers", "layer", "position"):
        if not re.fullmatch(r"-?[0-9]{1,9}", meta[key]):
            raise VectorFileError(f"metadata {key} = {meta[key]!r:.80}", "a whole number", _AGAIN)
    for key, text in meta.items():
        try:
            text.encode()
        except UnicodeEncodeError as error:
            raise VectorFileError(
                f"metadata {key} with half a character", "text that UTF-8 can hold", _AGAIN
            ) from error
    for key, kind in _JSON_KEYS.items():
        if meta[key] and not _is_json(meta[key], kind):  # "" is unknown
            word = "list" if kind is list else "table"
            raise VectorFileError(
                f"metadata {key} = {meta[key]!r:.80}",
                f"a {word} in JSON, its numbers finite, or nothing",
                _AGAIN,
            )


def _is_json(text: str, kind: type) -> bool:
    try:
        found = json.loads(text)
        # Python reads NaN, 1e400 and half a character; nobody could be shown them as JSON.
        json.dumps(found, allow_nan=False, ensure_ascii=False).encode()
    except (ValueError, RecursionError):
        return False
    return isinstance(found, kind)


def _check_agreement(vector: Vector) -> None:
    stated = (int(vector.meta["layers"]), int(vector.meta["width"]))
    if tuple(vector.directions.shape) != stated:
        raise VectorFileError(
            f"directions of shape {list(vector.directions.shape)}",
            f"{list(stated)} as its metadata says",
            _AGAIN,
        )
    if not 0 <= vector.layer < vector.layers or vector.position > 0:
        raise VectorFileError(
            f"layer {vector.layer}, position {vector.position}",
            f"a layer from 0 to {vector.layers - 1} and a position below 1",
            _AGAIN,
        )


def _check_tensors(vector: Vector) -> None:
    tensors = _tensors(vector)
    shapes = {name: list(tensor.shape) for name, tensor in tensors.items()}
    layers = shapes["directions"][:1]
    fits = len(shapes["directions"]) == 2 and shapes["positive"] == layers and shapes["negative"] == layers
    fits = fits and shapes.get(_READ, shapes["directions"]) == shapes["directions"]
    if not fits or 0 in shapes["directions"]:
        raise VectorFileError(
            ", ".join(f"{name} {shape if len(shape) < 9 else '[...]'}" for name, shape in shapes.items()),
            "directions [l, d], positive [l], negative [l]; read, if there is one, [l, d]",
            _AGAIN,
        )
    for name, tensor in tensors.items():
        if tensor.dtype != torch.float32:
            raise VectorFileError(f"{name} in {tensor.dtype}", "torch.float32", _AGAIN)
        if not bool(torch.isfinite(tensor).all()):
            raise VectorFileError(f"{name} with NaN or infinite values", "finite values", _AGAIN)
    if not bool(torch.isfinite(vector.positive - vector.negative).all()):
        raise VectorFileError("a class gap that float32 cannot hold", "a finite gap", _AGAIN)
    off = float((vector.directions.norm(dim=-1) - 1).abs().max())
    if off > _UNIT_TOLERANCE:
        raise VectorFileError(f"directions whose length is off 1 by {off:.2g}", "unit vectors", _AGAIN)


def _tensors(vector: Vector) -> dict[str, Tensor]:
    """By name, in the order of the file."""
    names = _TENSORS if vector.read is None else (*_TENSORS, _READ)
    return {name: getattr(vector, name) for name in names}


def _damaged(file: Path, how: str) -> VectorFileError:
    return VectorFileError(f"{file}: {how}", "a whole vector file", _AGAIN)
