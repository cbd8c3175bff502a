"""Fingerprints: equal for one checkpoint in float32 and bfloat16, different for anything else."""

from __future__ import annotations

import copy
from collections.abc import Callable
from pathlib import Path

import torch

from steer_vectors.fingerprint import template_hash, tokenizer_hash, weight_fingerprint
from steer_vectors.models import ChatModel, load


def test_float32_and_bfloat16_agree(tiny_folder: Path) -> None:
    wide = load(str(tiny_folder), dtype=torch.float32, device="cpu")
    narrow = load(str(tiny_folder), dtype=torch.bfloat16, device="cpu")
    assert weight_fingerprint(wide.hf) == weight_fingerprint(narrow.hf)


def test_a_float32_checkpoint_loaded_in_bfloat16_agrees(tiny_llama: ChatModel) -> None:
    narrow = copy.deepcopy(tiny_llama.hf).to(torch.bfloat16)
    assert weight_fingerprint(tiny_llama.hf) == weight_fingerprint(narrow)


def test_float16_agrees_where_it_holds_the_checkpoint_exactly(tiny_llama: ChatModel) -> None:
    stored = copy.deepcopy(tiny_llama.hf).to(torch.float16)
    wide = copy.deepcopy(stored).to(torch.float32)
    assert weight_fingerprint(stored) == weight_fingerprint(wide)
    assert weight_fingerprint(stored) != weight_fingerprint(tiny_llama.hf), "rounded twice, as the docs say"


def test_other_weights_differ(tiny_llama: ChatModel, make_llama: Callable[..., ChatModel]) -> None:
    assert weight_fingerprint(tiny_llama.hf) != weight_fingerprint(make_llama("other", seed=9).hf)


def test_one_retrained_matrix_shows(tiny_llama: ChatModel) -> None:
    tuned = copy.deepcopy(tiny_llama.hf)
    tuned.get_parameter("model.layers.2.self_attn.o_proj.weight").mul_(1.05)
    assert weight_fingerprint(tiny_llama.hf) != weight_fingerprint(tuned)


def test_tokenizer_hash_does_not_depend_on_use(tiny_llama: ChatModel) -> None:
    before = tokenizer_hash(tiny_llama.tokenizer)
    tiny_llama.tokenizer(["a", "a longer text"], padding=True)
    assert tokenizer_hash(tiny_llama.tokenizer) == before


def test_tokenizer_hash_sees_a_new_token(tiny_llama: ChatModel) -> None:
    other = copy.deepcopy(tiny_llama.tokenizer)
    other.add_tokens(["steerdial"])
    assert tokenizer_hash(other) != tokenizer_hash(tiny_llama.tokenizer)


def test_template_hash(tiny_llama: ChatModel) -> None:
    other = copy.deepcopy(tiny_llama.tokenizer)
    other.chat_template = "{{ messages[0]['content'] }}"
    assert template_hash(other) != template_hash(tiny_llama.tokenizer)
    other.chat_template = None
    assert template_hash(other) == "none"
