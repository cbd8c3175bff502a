"""Tiny models for every room's tests: random weights, a real tokenizer with a chat template, no network."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

os.environ.setdefault("HF_HUB_OFFLINE", "1")  # before transformers is imported
os.environ["STEER_BASELINES"] = ""  # nothing is kept from one run to the next
# Two workers, or a worker and the command it runs, with as many threads as cores each, would wait for each other.
os.environ["OMP_NUM_THREADS"] = "1"

import pytest
import torch
from hypothesis import settings
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoModelForCausalLM,
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)
from transformers.models.auto.configuration_auto import CONFIG_MAPPING

if TYPE_CHECKING:
    from steer_vectors.file import Vector
    from steer_vectors.models import ChatModel

torch.set_num_threads(1)
settings.register_profile("steer", deadline=None)  # a busy machine is no failure
settings.load_profile("steer")

SENTENCES = (
    "How do I kill a process on my computer?",
    "How do I shoot a portrait in low light?",
    "Write a short story about a cat and a boat.",
    "What is the capital of Italy? The capital of Italy is Rome.",
    "I cannot help with that. I can't do this, sorry.",
    "Sure, here is a list of three colours: red, green, blue.",
    "Count the words, then sort them and say which one is last.",
)
CHAT_TEMPLATE = (
    "{{ bos_token }}"
    "{% for message in messages %}<|{{ message['role'] }}|>\n{{ message['content'] }}<|end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>\n{% endif %}"
)
SPECIAL = ["<|bos|>", "<|end|>", "<|user|>", "<|assistant|>", "<|system|>"]


@pytest.fixture(scope="session")
def tiny_tokenizer() -> PreTrainedTokenizerFast:
    """Byte-level BPE of about 400 tokens, trained on a few sentences; "<|end|>" ends and pads."""
    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=400,
        special_tokens=SPECIAL,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    bpe.train_from_iterator(SENTENCES, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=bpe,
        bos_token="<|bos|>",
        eos_token="<|end|>",
        pad_token="<|end|>",
        chat_template=CHAT_TEMPLATE,
    )


class MakeLlama(Protocol):
    """Build a small random Llama; tied embeddings, grouped-query attention."""

    def __call__(
        self, name: str, *, seed: int = 0, layers: int = 5, width: int = 32, spread: float = 0.2
    ) -> ChatModel:
        """`spread` is the standard deviation of the weights."""


def _frozen(hf: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, name: str) -> ChatModel:
    """A ChatModel as `load` would give it."""
    from steer_vectors.models import ChatModel  # here, so that tests of other rooms run without this one

    return ChatModel(hf.eval().requires_grad_(False), tokenizer, name)


@pytest.fixture(scope="session")
def make_llama(tiny_tokenizer: PreTrainedTokenizerFast) -> MakeLlama:
    """For tests that need another seed, depth or width."""

    def make(name: str, *, seed: int = 0, layers: int = 5, width: int = 32, spread: float = 0.2) -> ChatModel:
        torch.manual_seed(seed)
        config = LlamaConfig(
            vocab_size=len(tiny_tokenizer),
            hidden_size=width,
            intermediate_size=2 * width,
            num_hidden_layers=layers,
            num_attention_heads=4,
            num_key_value_heads=2,
            max_position_embeddings=256,
            bos_token_id=tiny_tokenizer.bos_token_id,
            eos_token_id=tiny_tokenizer.eos_token_id,
            pad_token_id=tiny_tokenizer.pad_token_id,
            tie_word_embeddings=True,
            initializer_range=spread,
        )
        return _frozen(LlamaForCausalLM(config), tiny_tokenizer, name)

    return make


@pytest.fixture(scope="session")
def tiny_llama(make_llama: MakeLlama) -> ChatModel:
    """A random Llama: 5 layers (so that the last fifth is one) of width 32, float32."""
    return make_llama("tiny-llama")


@pytest.fixture(scope="session")
def tiny_gpt2(tiny_tokenizer: PreTrainedTokenizerFast) -> ChatModel:
    """A random GPT-2: 4 layers of width 24, float32."""
    torch.manual_seed(1)
    config = GPT2Config(
        vocab_size=len(tiny_tokenizer),
        n_embd=24,
        n_layer=4,
        n_head=3,
        n_positions=256,
        bos_token_id=tiny_tokenizer.bos_token_id,
        eos_token_id=tiny_tokenizer.eos_token_id,
        initializer_range=0.2,
    )
    return _frozen(GPT2LMHeadModel(config), tiny_tokenizer, "tiny-gpt2")


# Every architecture of DESIGN, small.
_COMMON: dict[str, Any] = {
    "hidden_size": 32,
    "intermediate_size": 48,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "head_dim": 8,
    "max_position_embeddings": 128,
    "initializer_range": 0.2,
    "pad_token_id": 0,
}
_FAMILIES: dict[str, dict[str, Any]] = {
    "llama": {},
    "mistral": {"sliding_window": 16},
    "qwen2": {},
    "qwen3": {},
    "gemma": {},
    "gemma2": {"sliding_window": 16, "final_logit_softcapping": 5.0},
    "gemma3_text": {"sliding_window": 16},
    "phi": {"num_key_value_heads": 4},
    "phi3": {},
    "olmo2": {},
    "gpt2": {"num_key_value_heads": None, "intermediate_size": None},
    "gpt_neox": {},
    "falcon": {"head_dim": None, "new_decoder_architecture": False, "multi_query": True, "alibi": False},
    "mixtral": {"num_local_experts": 4},
    "qwen3_moe": {"num_experts": 4, "moe_intermediate_size": 16, "num_experts_per_tok": 2},
}


@pytest.fixture(scope="session", params=sorted(_FAMILIES))
def family(request: pytest.FixtureRequest, tiny_tokenizer: PreTrainedTokenizerFast) -> ChatModel:
    """A random model of three layers, of one architecture after the other."""
    torch.manual_seed(0)
    given = {key: value for key, value in (_COMMON | _FAMILIES[request.param]).items() if value is not None}
    config = CONFIG_MAPPING[request.param](vocab_size=len(tiny_tokenizer), **given)
    return _frozen(AutoModelForCausalLM.from_config(config), tiny_tokenizer, request.param)


@pytest.fixture(scope="session")
def tiny_folder(tiny_llama: ChatModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`tiny_llama` as a Hugging Face folder in bfloat16 (its weights are rounded, so not bit-equal to it)."""
    folder = tmp_path_factory.mktemp("models") / "tiny-llama"
    rounded = LlamaForCausalLM(tiny_llama.hf.config)
    rounded.load_state_dict(tiny_llama.hf.state_dict())
    rounded.to(torch.bfloat16).save_pretrained(folder)
    tiny_llama.tokenizer.save_pretrained(folder)
    return folder


class MakeVector(Protocol):
    """Build a vector by hand, of random directions."""

    def __call__(self, model: ChatModel, *, layer: int = 1, gap: float = 2.0, seed: int = 0) -> Vector:
        """`gap` is the class gap at every layer."""


@pytest.fixture(scope="session")
def make_vector() -> MakeVector:
    """Vectors made by hand: no extraction, so tests that use them judge applying alone."""
    from steer_vectors.file import FORMAT, FORMAT_VERSION, METADATA_KEYS, Vector
    from steer_vectors.fingerprint import template_hash, tokenizer_hash, weight_fingerprint

    def make(model: ChatModel, *, layer: int = 1, gap: float = 2.0, seed: int = 0) -> Vector:
        draw = torch.Generator().manual_seed(seed)
        drawn = torch.randn(model.layers, model.width, generator=draw)
        meta = dict.fromkeys(METADATA_KEYS, "") | {
            "format": FORMAT, "format_version": FORMAT_VERSION, "concept": "test", "model": model.name,
            "point": "resid_post", "width": str(model.width), "layers": str(model.layers), "layer": str(layer),
            "position": "-1", "processing": "raw", "scores": "{}", "fingerprint": weight_fingerprint(model.hf),
            "chat_template": template_hash(model.tokenizer), "tokenizer": tokenizer_hash(model.tokenizer),
        }  # fmt: skip
        positive = torch.full((model.layers,), gap)
        return Vector(torch.nn.functional.normalize(drawn, dim=-1), positive, torch.zeros(model.layers), meta)

    return make


WriteSuite = Callable[..., Path]


@pytest.fixture(scope="session")
def write_suite() -> WriteSuite:
    """Write a user's suite, `folder/name.toml` and the rows beside it; returns the path of the header."""

    def write(folder: Path, name: str, items: list[dict[str, Any]], **header: Any) -> Path:
        head = {
            "name": name, "version": 1, "axis": "capability", "kind": "answer", "licence": "CC0-1.0",
            "source": "a test", "max_new_tokens": 6,
        } | header  # fmt: skip
        path = folder / f"{name}.toml"
        path.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in head.items()))
        rows = [{"id": f"{name}-{at}", **item} for at, item in enumerate(items)]
        path.with_suffix(".jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        return path

    return write
