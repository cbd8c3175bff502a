"""The vector file: exact bytes, whole or not at all, and a closed list of errors with one test each."""

from __future__ import annotations

import contextlib
import copy
import dataclasses
import os
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load as load_bytes
from safetensors.torch import save_file
from torch import nn

from steer_vectors.contrast import from_prompts
from steer_vectors.errors import MismatchError, VectorFileError
from steer_vectors.extract import extract
from steer_vectors.file import METADATA_KEYS, Vector, check_model, load_vector, save_vector
from steer_vectors.models import ChatModel

META = dict.fromkeys(METADATA_KEYS, "") | {
    "format": "steerdial-vector",
    "format_version": "1",
    "concept": "refusal",
    "model": "a-model",
    "what_plus": "refuses, even “politely”",
    "width": "8",
    "layers": "3",
    "layer": "1",
    "position": "-2",
    "point": "resid_post",
    "scores": "{}",
}


def _vector(seed: int = 0, **meta: str) -> Vector:
    generator = torch.Generator().manual_seed(seed)
    directions = nn.functional.normalize(torch.randn(3, 8, generator=generator), dim=-1)
    return Vector(
        directions, torch.rand(3, generator=generator) + 1, torch.rand(3, generator=generator), META | meta
    )


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), licence=st.text(st.characters(codec="utf-8"), max_size=20))
def test_save_and_load_are_exact(tmp_path_factory: pytest.TempPathFactory, seed: int, licence: str) -> None:
    folder = tmp_path_factory.mktemp("vectors")
    vector = _vector(seed, licence=licence)
    save_vector(vector, folder / "one.safetensors")
    back = load_vector(folder / "one.safetensors")
    for name in ("directions", "positive", "negative"):
        assert torch.equal(getattr(back, name), getattr(vector, name))
    assert back.meta == vector.meta
    save_vector(back, folder / "two.safetensors")
    assert (folder / "one.safetensors").read_bytes() == (folder / "two.safetensors").read_bytes()


def test_safetensors_itself_reads_it(tmp_path: Path) -> None:
    path = tmp_path / "v.safetensors"
    save_vector(_vector(), path)
    assert torch.equal(load_bytes(path.read_bytes())["directions"], _vector().directions)
    with safe_open(path, framework="pt") as handle:
        assert handle.metadata() == META


def test_properties() -> None:
    vector = _vector()
    assert (vector.layers, vector.width, vector.layer, vector.position, vector.site) == (
        3,
        8,
        1,
        -2,
        (1, "resid_post"),
    )
    assert vector.gap(2) == pytest.approx(float(vector.positive[2] - vector.negative[2]))


def test_nothing_but_the_file_is_left(tmp_path: Path) -> None:
    save_vector(_vector(), tmp_path / "v.safetensors")
    save_vector(_vector(1), tmp_path / "v.safetensors")
    assert os.listdir(tmp_path) == ["v.safetensors"]


def test_a_failed_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "v.safetensors"
    save_vector(_vector(), path)
    old = path.read_bytes()

    def fail(_source: object, _target: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(VectorFileError, match="No space left"):
        save_vector(_vector(1), path)
    assert path.read_bytes() == old
    assert os.listdir(tmp_path) == ["v.safetensors"]


def test_an_unwritable_path(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(VectorFileError, match="cannot be written"):
        save_vector(_vector(), tmp_path / "file" / "v.safetensors")


def _refused(path: Path, match: str) -> None:
    with pytest.raises(VectorFileError, match=match) as caught:
        load_vector(path)
    assert "\n" not in str(caught.value)
    assert path.name in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    _refused(tmp_path / "v.safetensors", "cannot be read")


def test_a_folder(tmp_path: Path) -> None:
    _refused(tmp_path, "cannot be read")


@pytest.mark.parametrize("keep", [0, 5, 100, -1])
def test_truncated_file(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "v.safetensors"
    save_vector(_vector(), path)
    path.write_bytes(path.read_bytes()[:keep])
    _refused(path, "truncated")


@pytest.mark.parametrize(
    "content",
    [b"just some text, long enough", b'{"json": "but no safetensors"}', b"\x09" + bytes(7) + b"{not json"],
    ids=["text", "json", "header"],
)
def test_not_safetensors(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "v.safetensors").write_bytes(content)
    _refused(tmp_path / "v.safetensors", "not a safetensors file")


def test_metadata_that_is_no_table(tmp_path: Path) -> None:
    for header in (b'{"__metadata__": "x"}', b'{"__metadata__": {"format": 1}}'):
        (tmp_path / "v.safetensors").write_bytes(len(header).to_bytes(8, "little") + header)
        _refused(tmp_path / "v.safetensors", "bad metadata")


@settings(max_examples=200, deadline=None)
@given(at=st.integers(0, 10_000), byte=st.integers(0, 255), keep=st.integers(0, 10_000))
def test_a_damaged_file_is_one_of_these_errors(
    tmp_path_factory: pytest.TempPathFactory, at: int, byte: int, keep: int
) -> None:
    path = tmp_path_factory.getbasetemp() / "damaged.safetensors"
    save_vector(_vector(), path)
    content = bytearray(path.read_bytes())
    content[at % len(content)] = byte
    path.write_bytes(content[: keep if keep < 200 else None])
    with contextlib.suppress(VectorFileError):
        load_vector(path)


JSON_KEYS = ["positions", "estimator_parameters", "counts", "scores"]


def test_json_that_is_unknown_is_empty(tmp_path: Path) -> None:
    save_vector(_vector(**dict.fromkeys(JSON_KEYS, "")), tmp_path / "v.safetensors")
    assert load_vector(tmp_path / "v.safetensors").scores == {}


@pytest.mark.parametrize("key", JSON_KEYS)
@pytest.mark.parametrize("text", ["{", "3", "null", "[" * 100_000], ids=["cut", "number", "null", "deep"])
def test_json_that_is_none(tmp_path: Path, key: str, text: str) -> None:
    save_file(_tensors(), tmp_path / "v.safetensors", META | {key: text})
    _refused(tmp_path / "v.safetensors", f"metadata {key} = .* in JSON")


@pytest.mark.parametrize("value", ["NaN", "-Infinity", "1e400", "[[1.0, NaN]]", '"\\ud800"'])
def test_json_that_could_not_be_shown_as_json(tmp_path: Path, value: str) -> None:
    for key in ("scores", "units", "counts", "estimator_parameters"):
        save_file(_tensors(), tmp_path / "v.safetensors", META | {key: f'{{"x": {value}}}'})
        _refused(tmp_path / "v.safetensors", f"metadata {key} = .* in JSON")
        with pytest.raises(VectorFileError, match="finite"):
            save_vector(_vector(**{key: f'{{"x": {value}}}'}), tmp_path / "w.safetensors")


def _tensors() -> dict[str, torch.Tensor]:
    vector = _vector()
    return {"directions": vector.directions, "positive": vector.positive, "negative": vector.negative}


def test_another_safetensors_file(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "v.safetensors", {"format": "pt"})
    _refused(tmp_path / "v.safetensors", "format is pt")


def test_a_safetensors_file_without_metadata(tmp_path: Path) -> None:
    save_file({"weight": torch.zeros(2)}, tmp_path / "v.safetensors")
    _refused(tmp_path / "v.safetensors", "format is not given")


def test_missing_tensor(tmp_path: Path) -> None:
    tensors = _tensors()
    del tensors["negative"]
    save_file(tensors, tmp_path / "v.safetensors", META)
    _refused(tmp_path / "v.safetensors", "no tensor negative")


@pytest.mark.parametrize("key", sorted(set(METADATA_KEYS) - {"format", "format_version"}))
def test_missing_metadata(tmp_path: Path, key: str) -> None:
    save_file(_tensors(), tmp_path / "v.safetensors", {name: META[name] for name in META if name != key})
    _refused(tmp_path / "v.safetensors", f"no metadata {key}")


def test_wrong_version(tmp_path: Path) -> None:
    save_file(_tensors(), tmp_path / "v.safetensors", META | {"format_version": "2"})
    _refused(tmp_path / "v.safetensors", "format version 2")


@pytest.mark.parametrize(
    ("name", "tensor", "match"),
    [
        ("directions", torch.ones(8), "directions \\[8\\]"),
        ("positive", torch.ones(2), "positive \\[2\\]"),
        ("directions", torch.full((3, 4), 0.5), "as its metadata says"),
        ("negative", torch.ones(3, dtype=torch.float16), "torch.float16"),
        ("positive", torch.tensor([1.0, float("nan"), 1.0]), "positive with NaN"),
        ("directions", torch.full((3, 8), float("inf")), "directions with NaN or infinite"),
        ("directions", torch.ones(3, 8), "off 1 by"),
    ],
)
def test_wrong_shapes_and_values(tmp_path: Path, name: str, tensor: torch.Tensor, match: str) -> None:
    save_file(_tensors() | {name: tensor}, tmp_path / "v.safetensors", META)
    _refused(tmp_path / "v.safetensors", match)


@pytest.mark.parametrize("wrong", [{"layer": "3"}, {"position": "1"}, {"layer": "two"}, {"width": "9"}])
def test_wrong_metadata(tmp_path: Path, wrong: dict[str, str]) -> None:
    save_file(_tensors(), tmp_path / "v.safetensors", META | wrong)
    _refused(tmp_path / "v.safetensors", "layer|position|shape")
    with pytest.raises(VectorFileError):
        save_vector(_vector(**wrong), tmp_path / "w.safetensors")
    assert not (tmp_path / "w.safetensors").exists()


PAIR = from_prompts(["I love this"], ["I hate this"], name="love")


def test_the_same_model_fits(tiny_llama: ChatModel) -> None:
    check_model(extract(tiny_llama, PAIR, layer=1, position=-1), tiny_llama)


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"width": 16}, "width 32 in the vector and 16 in the model"),
        ({"layers": 3}, "layers 5 in the vector and 3 in the model"),
        ({"seed": 7}, "weights [0-9a-f]{12} in the vector and"),
    ],
)
def test_another_model_is_refused(
    tiny_llama: ChatModel, make_llama: Callable[..., ChatModel], change: dict[str, int], match: str
) -> None:
    vector = extract(tiny_llama, PAIR, layer=1, position=-1)
    with pytest.raises(MismatchError, match=match) as caught:
        check_model(vector, make_llama("another", **change))
    assert "extract love again on another, or load tiny-llama" in str(caught.value)


def test_a_float16_copy_is_refused_and_says_why(tiny_llama: ChatModel) -> None:
    vector = extract(tiny_llama, PAIR, layer=1, position=-1)
    rounded = dataclasses.replace(tiny_llama, hf=copy.deepcopy(tiny_llama.hf).to(torch.float16))
    with pytest.raises(MismatchError, match="weights .* the same dtype if either is float16"):
        check_model(vector, rounded)


def test_another_template_is_refused(tiny_llama: ChatModel) -> None:
    vector = extract(tiny_llama, PAIR, layer=1, position=-1)
    other = dataclasses.replace(vector, meta={**vector.meta, "chat_template": "none"})
    with pytest.raises(MismatchError, match="chat template none in the vector"):
        check_model(other, tiny_llama)
