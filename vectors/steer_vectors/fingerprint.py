"""Short hashes that tell models, tokenizers and chat templates apart. Knows no files."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from contextlib import suppress

import torch
from torch import Tensor, nn
from transformers import PreTrainedTokenizerBase

from steer_vectors.errors import ModelError

_SAMPLES = 64
_PROBE = "The café's 3 cats can't (ever) agree:\n\tx = y_1 + 27; 你好 🙂"


def weight_fingerprint(hf: nn.Module) -> str:
    """SHA-256 of parameter names, shapes and up to 64 evenly strided values of each, rounded to bfloat16.

    Fast at any size (one small read per tensor), and the same for one checkpoint loaded in float32 or
    bfloat16. In float16 it is the same only where float16 holds the checkpoint's values exactly (one stored in
    float16 does): else rounding to float16 and then to bfloat16 is not rounding to bfloat16, and no hash can
    tell the twice rounded weights from others.

    Raises:
        ModelError: Weights are nowhere (on meta, and offloaded by nobody), so they cannot be sampled.
    """
    # Once offloaded, tied weights are no longer one parameter.
    tied = getattr(hf, "all_tied_weights_keys", None) or {}
    own = [(name, p) for name, p in sorted(hf.named_parameters()) if not (p.is_meta and name in tied)]
    return tensors_fingerprint((name, _present(hf, name, parameter)) for name, parameter in own)


def tensors_fingerprint(tensors: Iterable[tuple[str, Tensor]]) -> str:
    """`weight_fingerprint` of tensors in the order of their names, wherever they are.

    Raises:
        ModelError: As there.
    """
    digest = hashlib.sha256()
    for name, tensor in tensors:
        if tensor.is_meta:
            raise ModelError(
                f"{name} on meta, without weights", "weights in memory or offloaded", "load the model whole"
            )
        digest.update(json.dumps([name, list(tensor.shape)]).encode())
        digest.update(_sample(tensor))
    return digest.hexdigest()


def tokenizer_hash(tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 of the vocabulary and of how one fixed text is cut (which shows merges and normalisation)."""
    cut = tokenizer(_PROBE, add_special_tokens=False)["input_ids"]
    return _hash_json([sorted(tokenizer.get_vocab().items()), cut])


def template_hash(tokenizer: PreTrainedTokenizerBase) -> str:
    """SHA-256 of the chat template's source; "none" for a tokenizer without one."""
    template = tokenizer.chat_template
    return _hash_json(template) if template else "none"


def _present(hf: nn.Module, name: str, parameter: Tensor) -> Tensor:
    """The parameter itself, or where accelerate keeps it while its module does not run: on the CPU, or on disk."""
    if not parameter.is_meta:
        return parameter
    names = name.split(".")
    for depth in range(len(names)):  # the hook may be on any module around it
        hook = getattr(hf.get_submodule(".".join(names[:depth])), "_hf_hook", None)
        for own in getattr(hook, "hooks", [hook]):
            kept = getattr(own, "weights_map", None)
            if kept is not None:
                with suppress(KeyError):  # it may not be asked what it holds
                    return torch.as_tensor(kept[".".join(names[depth:])])
    return parameter


def _sample(parameter: Tensor) -> bytes:
    flat = parameter.detach().reshape(-1)
    values = flat[:: max(1, flat.numel() // _SAMPLES)][:_SAMPLES].to(torch.bfloat16)
    return values.view(torch.int16).cpu().numpy().tobytes()


def _hash_json(value: object) -> str:
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
