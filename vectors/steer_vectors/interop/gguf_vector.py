"""GGUF control vectors, as llama.cpp, its `cvector-generator` and repeng have them.

`general.architecture` is "controlvector"; `controlvector.model_hint` (string) and `controlvector.layer_count` (number of
directions) are for people; `direction.N`, float32 `[d]`, is added as it is, times the runtime's scale, to every token at the
output of 0-based layer N, that is to `resid_post` (llama.cpp: `build_cvec(cur, il)` just before "l_out", with `direction.N`
at il = N; repeng: `model.layers[N]`, fitted on hidden state N + 1). llama.cpp refuses a file with a `direction.0`; repeng
can write one.

The header is read here and not by the `gguf` package, whose reader believes every count that a file claims: one wrong byte can
make it loop until memory is full.
"""

from __future__ import annotations

import os
import re
import struct
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import numpy as np
import torch
from torch import Tensor
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from steer_vectors.errors import MismatchError, VectorFileError
from steer_vectors.file import Vector
from steer_vectors.interop.foreign import (
    Origin,
    check_fit,
    naming,
    to_displacements,
    to_vector,
    written_whole,
)
from steer_vectors.models import ChatModel

ARCHITECTURE = "controlvector"
_HINT = f"{ARCHITECTURE}.model_hint"
_COUNT = f"{ARCHITECTURE}.layer_count"
_VERSIONS = (2, 3)
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_STRING, _ARRAY, _F32 = 8, 9, 0
_LONGEST_STRING = 1_000_000  # of those that are read; a chat template is some thousands
_MOST_DIMENSIONS = 4
_EXPORT = "export the control vector again"

_Value = str | int | float | bool | None


class _Header(NamedTuple):
    values: dict[str, _Value]
    tensors: dict[str, _Tensor]
    data: int  # offset of the first tensor's bytes


class _Tensor(NamedTuple):
    shape: tuple[int, ...]
    kind: int
    offset: int


def import_gguf(
    path: str | Path, model: ChatModel, *, layer: int | None = None, concept: str = "imported"
) -> Vector:
    """Read a control vector as a vector of this model; a direction's length becomes the class gap.

    Args:
        path: The `.gguf` file.
        model: The model it is for: the file names none, so nothing but width and layers can be checked.
        layer: Layer to steer at; may be left out where the file has one direction only.
        concept: What the direction is of; goes into the vector.

    Raises:
        VectorFileError: Missing, truncated, damaged, not a control vector, no direction at that layer.
        MismatchError: Another width, or more layers than the model has.
    """
    with naming(path), Path(path).open("rb") as stream:
        header = _read_header(stream)
        _check_count(header, model)
        hint = header.values.get(_HINT)
        found = {}
        for name, tensor in header.tensors.items():
            at = _layer_of(name)
            check_fit(model, at, _width_of(name, tensor), name)
            found[at] = _read_direction(stream, header, name)
        details = {"model_hint": hint} if isinstance(hint, str) else {}
        return to_vector(model, found, layer, Origin("gguf", concept, "resid_post", None, details))


def export_gguf(
    vector: Vector, path: str | Path, strength: float = 1.0, *, layers: Sequence[int] | None = None
) -> None:
    """Write a control vector: at scale 1 the runtime moves as far as `strength` class gaps.

    Args:
        vector: Of `resid_post`.
        path: The `.gguf` file to write, whole or not at all.
        strength: In class gaps, not 0.
        layers: 0-based layers to write; default: the one the vector chose. A runtime adds all that are in the file.

    Raises:
        VectorFileError: What the format cannot express (another point, layer 0), or a path that cannot be written.
    """
    moves = to_displacements(vector, strength, layers, ("resid_post",), "a control vector")
    write_control_vector(moves, path, vector.meta["architecture"])


def write_control_vector(moves: Mapping[int, Tensor], path: str | Path, architecture: str) -> None:
    """Write what is added at each layer as a control vector.

    Args:
        moves: `[d]` by 0-based layer, from 1 on.
        path: The `.gguf` file to write, whole or not at all.
        architecture: Class of the model it is for, such as LlamaForCausalLM; goes in as a hint for people.

    Raises:
        VectorFileError: Layer 0, or a path that cannot be written.
    """
    from gguf import GGUFWriter

    if 0 in moves:
        raise VectorFileError(
            "a direction at layer 0", "layers from 1 on, which are those llama.cpp edits", "leave layer 0 out"
        )
    with written_whole(path) as part:
        writer = GGUFWriter(part, ARCHITECTURE)
        try:
            writer.add_string(_HINT, _model_type(architecture))
            writer.add_uint32(_COUNT, len(moves))
            for layer, move in sorted(moves.items()):
                writer.add_tensor(f"direction.{layer}", move.float().numpy())
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        finally:
            writer.close()


def _check_count(header: _Header, model: ChatModel) -> None:
    """Most tools count the directions, some the model's layers: more than those says that it is another model."""
    count = header.values.get(_COUNT)
    if isinstance(count, int) and count > model.layers:
        raise MismatchError(
            f"a control vector of {count} layers for {model.name}",
            f"at most {model.layers}, as the model has",
            "import it for the model it was made on",
        )


def _model_type(architecture: str) -> str:
    """What repeng writes as a hint, `config.model_type`. Several types may share a class: llama's is the shortest."""
    types: list[str] = [
        name for name, made in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES.items() if made == architecture
    ]
    return min(types, key=len, default=architecture or "unknown")


def _layer_of(name: str) -> int:
    match = re.fullmatch(r"direction\.(0|[1-9][0-9]{0,8})", name, re.ASCII)
    if match is None:
        raise VectorFileError(f"a tensor {name[:80]!r}", "tensors direction.N only", _EXPORT)
    return int(match[1])


def _width_of(name: str, tensor: _Tensor) -> int:
    if tensor.kind != _F32 or not tensor.shape or set(tensor.shape[1:]) - {1}:
        raise VectorFileError(
            f"{name} of shape {list(tensor.shape)} and type {tensor.kind}", "float32 [d] (type 0)", _EXPORT
        )
    return tensor.shape[0]


def _read_direction(stream: BinaryIO, header: _Header, name: str) -> Tensor:
    tensor = header.tensors[name]
    reader = _Reader(stream)
    reader.go(header.data + tensor.offset)
    content = reader.take(4 * tensor.shape[0])
    return torch.from_numpy(np.frombuffer(content, dtype="<f4").astype(np.float32))


def _read_header(stream: BinaryIO) -> _Header:
    reader = _Reader(stream)
    if reader.take(4) != b"GGUF":
        raise VectorFileError("not a GGUF file", "a GGUF control vector", "check the path")
    version, tensors, pairs = reader.number("I"), reader.number("Q"), reader.number("Q")
    if version not in _VERSIONS:
        raise VectorFileError(f"GGUF version {version}", "little-endian version 2 or 3", _EXPORT)
    values: dict[str, _Value] = {}
    for _ in range(pairs):  # ends at the file's end at the latest, as every pair takes bytes
        key = reader.text()
        value = reader.value(reader.number("I"))
        if key in values:
            raise _damaged(f"{key[:80]!r} twice")
        # Of the first pairs always: a whole model named by mistake is refused without being read.
        if key == "general.architecture" and value != ARCHITECTURE:
            raise VectorFileError(
                f"a GGUF file of architecture {value!r:.80}", ARCHITECTURE, "name a control vector"
            )
        values[key] = value
    if "general.architecture" not in values:
        raise VectorFileError("a GGUF file without an architecture", ARCHITECTURE, "name a control vector")
    infos: dict[str, _Tensor] = {}
    for _ in range(tensors):
        name = reader.text()
        if name in infos:
            raise _damaged(f"{name[:80]!r} twice")
        infos[name] = reader.tensor()
    return _Header(values, infos, _aligned(reader.at, values.get("general.alignment", 32)))


def _aligned(at: int, alignment: _Value) -> int:
    if not isinstance(alignment, int) or alignment < 1 or alignment & (alignment - 1):
        raise _damaged(f"alignment {alignment!r:.80}")
    return at + -at % alignment


class _Reader:
    """Reads forward, never beyond the file's end, whatever lengths the file claims."""

    def __init__(self, stream: BinaryIO) -> None:
        self.stream = stream
        self.at = stream.tell()
        self.size = os.fstat(stream.fileno()).st_size

    def go(self, at: int) -> None:
        if at > self.size:
            raise VectorFileError("truncated", "a whole control vector", _EXPORT)
        self.stream.seek(at)
        self.at = at

    def take(self, count: int) -> bytes:
        content = self.stream.read(count) if count <= self.size - self.at else b""
        if len(content) < count:
            raise VectorFileError("truncated", "a whole control vector", _EXPORT)
        self.at += count
        return content

    def number(self, code: str) -> int:
        number: int = struct.unpack(f"<{code}", self.take(struct.calcsize(f"<{code}")))[0]
        return number

    def text(self) -> str:
        length = self.number("Q")
        if length > _LONGEST_STRING:
            raise _damaged(f"a string of {length} bytes")
        try:
            return self.take(length).decode()
        except UnicodeDecodeError as error:
            raise _damaged("a string that is not UTF-8") from error

    def value(self, kind: int) -> _Value:
        """A value; arrays are passed over, and are None."""
        if kind in _SCALARS:
            return self.number(_SCALARS[kind])
        if kind == _STRING:
            return self.text()
        if kind != _ARRAY:
            raise _damaged(f"a value of type {kind}")
        kind, count = self.number("I"), self.number("Q")
        if kind in _SCALARS:
            self.go(self.at + count * struct.calcsize(f"<{_SCALARS[kind]}"))
        elif kind == _STRING:
            for _ in range(count):
                length = self.number("Q")
                self.go(self.at + length)
        else:
            raise _damaged(f"an array of type {kind}")
        return None

    def tensor(self) -> _Tensor:
        dimensions = self.number("I")
        if dimensions > _MOST_DIMENSIONS:
            raise _damaged(f"a tensor of {dimensions} dimensions")
        shape = tuple(self.number("Q") for _ in range(dimensions))
        return _Tensor(shape, self.number("I"), self.number("Q"))


def _damaged(how: str) -> VectorFileError:
    return VectorFileError(f"damaged ({how})", "a whole control vector", _EXPORT)
