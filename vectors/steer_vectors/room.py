"""How many tokens fit into one forward: what is fast, or less where memory is short."""

from __future__ import annotations

import os

import torch

from steer_vectors.models import ChatModel

_SHARE = 0.5  # of the free memory: others use it too


def fast(device: torch.device) -> int:
    """Tokens beyond which nothing is gained: activations leave the caches of a CPU, and a GPU is busy."""
    return 2048 if device.type == "cpu" else 16384


def room(model: ChatModel, longest: int) -> int:
    """Tokens of a batch, padding included.

    Args:
        model: As it will be run: without logits, gradients or cache.
        longest: Tokens of the longest prompt, with which attention weights grow.
    """
    most, free = fast(model.device), free_memory(model.device)
    return most if free is None else max(1, min(most, int(_SHARE * free / token_bytes(model, longest))))


def token_bytes(model: ChatModel, longest: int) -> int:
    """Roughly the memory of a token while one layer runs: its stream, the widest inner tensors, eager attention weights."""
    config = model.hf.config.get_text_config()
    inner = getattr(config, "intermediate_size", None) or 4 * model.width
    heads = getattr(config, "num_attention_heads", None) or 1
    numbers = 8 * model.width + 3 * inner + 2 * heads * longest
    return (
        numbers * model.hf.dtype.itemsize + model.layers * model.width * 8
    )  # float64 copies of what is read


def cache_bytes(model: ChatModel) -> int:
    """Memory of the keys and values of a token."""
    config = model.hf.config.get_text_config()
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or model.width // config.num_attention_heads
    return int(2 * model.layers * heads * size * model.hf.dtype.itemsize)


def free_memory(device: torch.device) -> int | None:
    """Bytes that are free on a device; None where nobody says."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    if device.type != "cpu":
        return None
    try:
        with open("/proc/meminfo") as lines:
            sizes = dict(line.split(":", 1) for line in lines)
        return int(sizes["MemAvailable"].split()[0]) * 1024
    except (OSError, KeyError, ValueError):  # another system than Linux
        pages, size = "SC_AVPHYS_PAGES", "SC_PAGE_SIZE"
        known = os.sysconf_names
        return os.sysconf(pages) * os.sysconf(size) if pages in known and size in known else None
