"""Settings: whatever an answer depends on tells runs apart, and nothing else does."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import LlamaConfig

from steer.plan import Plan
from steer_evals import settings
from steer_evals.answering import Sampling
from steer_evals.engines import ENGINES
from steer_evals.errors import RunError
from steer_evals.settings import config_hash, settings_of
from steer_evals.suites import Suite, load_suite
from steer_evals.sweep import sweep
from steer_vectors.file import Vector
from steer_vectors.models import ChatModel, load


@pytest.fixture
def suite(tmp_path: Path, write_suite: Callable[..., Path]) -> Suite:
    prompts = [{"prompt": text} for text in ("Hi", "Name a colour.")]
    return load_suite(write_suite(tmp_path, "plain", prompts, axis="benign_refusal", kind="refusal"))


def rewrite(folder: Path, name: str, **fields: Any) -> None:
    found = json.loads((folder / name).read_text())
    (folder / name).write_text(json.dumps(found | fields))


# What two checkpoints of the same weights may differ in, and the setting that says so.
OTHERS: dict[str, tuple[str, dict[str, Any], str]] = {
    "rotary base": (
        "config.json",
        {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}},
        "config",
    ),
    "epsilon of norms": ("config.json", {"rms_norm_eps": 1e-2}, "config"),
    "activation": ("config.json", {"hidden_act": "gelu"}, "config"),
    "longest text": ("config.json", {"max_position_embeddings": 128}, "config"),
    "end of answers": ("generation_config.json", {"eos_token_id": [5, 6]}, "ends"),
}


@pytest.mark.parametrize(("file", "fields", "told"), OTHERS.values(), ids=OTHERS)
def test_another_model_of_the_same_weights_is_refused_and_has_a_baseline_of_its_own(
    tiny_folder: Path, tmp_path: Path, suite: Suite, file: str, fields: dict[str, Any], told: str
) -> None:
    model = tmp_path / "model"
    shutil.copytree(tiny_folder, model)
    before = sweep(load(str(model)), None, [suite], [0.0], tmp_path / "run")
    rewrite(model, file, **fields)
    other = load(str(model))
    with pytest.raises(RunError, match=f"a run with other {told}, baselines;"):
        sweep(other, None, [suite], [0.0], tmp_path / "run")
    after = sweep(other, None, [suite], [0.0], tmp_path / "another")
    assert after.settings["fingerprint"] == before.settings["fingerprint"]
    assert after.settings["baselines"]["plain"] != before.settings["baselines"]["plain"]


def test_the_name_the_folder_and_the_dtype_of_a_model_do_not_change_what_it_computes(
    family: ChatModel, tmp_path: Path
) -> None:
    family.hf.save_pretrained(tmp_path / "model")
    family.tokenizer.save_pretrained(tmp_path / "model")
    for dtype in (torch.float32, torch.bfloat16):
        found = load(str(tmp_path / "model"), dtype=dtype)
        assert config_hash(found.hf.config) == config_hash(family.hf.config)
    assert json.loads((tmp_path / "model/config.json").read_text())["dtype"] == "float32"


def test_a_gguf_file_holds_numbers_in_single_precision_and_has_names_of_its_own() -> None:
    plain = {"rms_norm_eps": 1e-5, "rope_parameters": {"rope_type": "default", "rope_theta": 10_000}}
    file = {
        "rms_norm_eps": 9.999999747378752e-06,
        "rope_parameters": {"rope_type": "default", "rope_theta": 10_000.0},
    }
    other = {"_model_name_or_path": "Tiny", "unk_token_id": 0, "initializer_range": 0.04, "dtype": "bfloat16"}
    assert config_hash(LlamaConfig(**plain)) == config_hash(LlamaConfig(**file, **other))
    assert config_hash(LlamaConfig(**plain)) != config_hash(LlamaConfig(**plain | {"rms_norm_eps": 1e-6}))


def test_ablation_is_told_apart_by_the_chosen_layer_whose_direction_it_takes(
    tiny_llama: ChatModel, make_vector: Callable[..., Vector], suite: Suite, tmp_path: Path
) -> None:
    vector = make_vector(tiny_llama, layer=1, gap=3.0)
    other = replace(vector, meta=vector.meta | {"layer": "3"})
    assert torch.equal(vector.directions, other.directions)
    found = sweep(tiny_llama, Plan.ablate(vector), [suite], [1.0], tmp_path / "run", control=False)
    with pytest.raises(RunError, match="a run with other plan;"):
        sweep(tiny_llama, Plan.ablate(other), [suite], [0.5, 1.0], tmp_path / "run", control=False)
    sweep(tiny_llama, Plan.ablate(vector), [suite], [0.5], tmp_path / "run", control=False)
    assert {row["strength"] for row in found.rows} == {0.0, 0.5, 1.0}, "the same one goes on"


def test_answers_of_other_engines_are_other_settings(
    tiny_llama: ChatModel, suite: Suite, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(settings, "version", lambda name: "1" if name == "vllm" else metadata.version(name))
    found = {
        name: settings_of(tiny_llama, None, [suite], Sampling(), name) for name in ("auto", *ENGINES, "vllm")
    }
    assert (
        found["auto"]
        == found["batched"]
        == found["plain"]
        == settings_of(tiny_llama, None, [suite], Sampling())
    )
    assert len({own["engine"] for own in found.values()}) == 3
    assert len({own["baselines"]["plain"] for own in found.values()}) == 3
    assert "vllm" in found["vllm"]["versions"]
    assert "vllm" not in found["auto"]["versions"]
