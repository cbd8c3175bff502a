"""Which model a vector belongs to: of a live model, or of a folder whose weights somebody else will run.

Knows no vectors.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import torch
from huggingface_hub import snapshot_download
from safetensors import SafetensorError, safe_open
from torch import Tensor
from transformers import AutoConfig, AutoModelForCausalLM, AutoTokenizer

from steer_vectors.errors import ModelError
from steer_vectors.fingerprint import template_hash, tensors_fingerprint, weight_fingerprint
from steer_vectors.models import ChatModel, decoder_layers, load


class Identity(NamedTuple):
    """What tells models apart.

    Args:
        name: For people.
        width: Of the residual stream.
        layers: Number of decoder layers.
        fingerprint: Asked only where it is wanted, for it reads every tensor.
        template: Hash of the chat template.
    """

    name: str
    width: int
    layers: int
    fingerprint: Callable[[], str]
    template: str


def identity(model: ChatModel) -> Identity:
    """Of a live model."""
    return Identity(
        model.name,
        model.width,
        model.layers,
        lambda: weight_fingerprint(model.hf),
        template_hash(model.tokenizer),
    )


def folder_identity(path: str, revision: str | None = None) -> Identity:
    """Of a model's folder or hub id, without loading its weights: some values of every tensor are read.

    Where transformers stores tensors under other names than the model has, the weights are loaded after all.

    Raises:
        ModelError: No such model, or weights that do not read.
    """
    try:
        folder = (
            Path(path)
            if Path(path).is_dir()
            else Path(snapshot_download(path, revision=revision, allow_patterns=["*.safetensors", "*.json"]))
        )
        config = AutoConfig.from_pretrained(folder, trust_remote_code=False)
        tokenizer = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
        with torch.device("meta"):
            hf = AutoModelForCausalLM.from_config(config, trust_remote_code=False)  # type: ignore[no-untyped-call]
    except (OSError, ValueError, KeyError, ImportError) as error:
        raise ModelError(
            f"{path}, which does not read ({' '.join(str(error).split())[:160]})",
            "a model folder or hub id",
            "check the path",
        ) from error

    def fingerprint() -> str:
        files = {name: file for file in sorted(folder.glob("*.safetensors")) for name in _names(file)}
        names = {name: list(parameter.shape) for name, parameter in hf.named_parameters()}
        if names.keys() - files.keys():
            return weight_fingerprint(load(str(folder), dtype=torch.bfloat16, device="cpu").hf)
        return tensors_fingerprint(_tensors(names, files))

    return Identity(
        path,
        int(config.get_text_config().hidden_size),
        len(decoder_layers(hf)),
        fingerprint,
        template_hash(tokenizer),
    )


def _tensors(names: dict[str, list[int]], files: dict[str, Path]) -> Iterator[tuple[str, Tensor]]:
    for name, shape in sorted(names.items()):
        with safe_open(files[name], framework="pt") as handle:
            found = handle.get_tensor(name)
        if list(found.shape) != shape:
            raise ModelError(f"{name} of shape {list(found.shape)}", f"{shape}", "save the checkpoint again")
        yield name, found


def _names(file: Path) -> list[str]:
    try:
        with safe_open(file, framework="pt") as handle:
            return list(handle.keys())
    except SafetensorError as error:
        raise ModelError(
            f"{file}, which does not read ({error})", "whole safetensors files", "save it again"
        ) from error
