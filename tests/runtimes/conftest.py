"""Models as the other runtimes read them, made from those that the tests have."""

from __future__ import annotations

import gc
import json
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from torch import Tensor

if TYPE_CHECKING:
    from steer_vectors.models import ChatModel


ToGguf = Callable[["ChatModel", Path], Path]


@pytest.fixture
def swept() -> Iterator[None]:
    """For tests of Inspect, which leaves streams open: they are collected here, and not in the midst of another test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


def _interleaved(weight: Tensor, heads: int) -> Tensor:
    """Rows of a query or key projection, in the order in which llama.cpp turns them: pairs side by side, not half by half."""
    return weight.reshape(heads, 2, -1, *weight.shape[1:]).transpose(1, 2).reshape(weight.shape)


@pytest.fixture(scope="session")
def to_gguf() -> ToGguf:
    """Write a Llama as a GGUF file in float32, with its byte-level BPE, so that its end of answers is known."""
    import gguf

    def write(model: ChatModel, path: Path) -> Path:
        config: Any = model.hf.config
        writer = gguf.GGUFWriter(path, "llama")
        writer.add_context_length(config.max_position_embeddings)
        writer.add_embedding_length(config.hidden_size)
        writer.add_block_count(config.num_hidden_layers)
        writer.add_feed_forward_length(config.intermediate_size)
        writer.add_head_count(config.num_attention_heads)
        writer.add_head_count_kv(config.num_key_value_heads)
        writer.add_layer_norm_rms_eps(config.rms_norm_eps)
        writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
        writer.add_rope_dimension_count(config.head_dim)
        writer.add_vocab_size(config.vocab_size)
        _add_tokenizer(writer, model)
        names = gguf.get_tensor_name_map(gguf.MODEL_ARCH.LLAMA, config.num_hidden_layers)
        heads = {"q_proj": config.num_attention_heads, "k_proj": config.num_key_value_heads}
        for name, tensor in model.hf.state_dict().items():
            if name == "lm_head.weight" and config.tie_word_embeddings:
                continue
            stem, _, end = name.rpartition(".")
            part = stem.rpartition(".")[2]
            tensor = _interleaved(tensor, heads[part]) if part in heads else tensor
            writer.add_tensor(f"{names.get_name(stem)}.{end}", tensor.float().contiguous().numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()
        return path

    return write


def _add_tokenizer(writer: Any, model: ChatModel) -> None:
    import gguf

    tokenizer: Any = model.tokenizer
    bpe = json.loads(tokenizer.backend_tokenizer.to_str())["model"]
    special = set(tokenizer.all_special_ids)
    kinds = [gguf.TokenType.NORMAL, gguf.TokenType.CONTROL]
    size = model.hf.config.vocab_size
    tokens = {index: token for token, index in tokenizer.get_vocab().items()}
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([tokens.get(index, f"[unused{index}]") for index in range(size)])
    writer.add_token_types([kinds[index in special] for index in range(size)])
    writer.add_token_merges([merge if isinstance(merge, str) else " ".join(merge) for merge in bpe["merges"]])
    writer.add_eos_token_id(tokenizer.eos_token_id)
