"""A live chat model and its tokenizer, loaded quietly. Knows nothing of prompts or directions."""

from __future__ import annotations

import io
import logging
import os
import struct
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, redirect_stderr
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import transformers
from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError
from torch import nn
from transformers import (
    AutoConfig,
    AutoModelForCausalLM,
    AutoTokenizer,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as hf_logging

from steer_vectors.errors import ModelError, SiteError

# Where the families keep their decoder layers; anything else is found by its length.
_KNOWN_PATHS = (
    "model.layers",  # Llama, Mistral, Qwen, Gemma, Phi, OLMo, most MoE
    "transformer.h",  # GPT-2, GPT-J, Falcon, Bloom
    "gpt_neox.layers",
    "model.decoder.layers",  # OPT
    "transformer.blocks",  # MPT
    "model.language_model.layers",  # the text half of Gemma 3, Qwen-VL, Llava
)
_CAUSAL = "a causal (decoder-only) language model"
# What transformers raises on a broken folder: it reads config and tokenizer files without checking their types,
# and knows the shape of a cut GGUF file only when it unpacks it (struct.error).
_BROKEN = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    AttributeError,
    ArithmeticError,
    AssertionError,
    RuntimeError,
    StrictDataclassError,
    struct.error,
)


@dataclass(frozen=True, eq=False)
class ChatModel:
    """A live model, its tokenizer, and the name it was asked by.

    Args:
        hf: A causal Hugging Face model in evaluation mode.
        tokenizer: Its tokenizer, with a padding token.
        name: The folder, hub id or file that the user named; goes into vector files.
    """

    hf: PreTrainedModel
    tokenizer: PreTrainedTokenizerBase
    name: str

    @property
    def layers(self) -> int:
        """Number of decoder layers."""
        return len(decoder_layers(self.hf))

    @property
    def width(self) -> int:
        """Width d of the residual stream."""
        return int(self.hf.config.get_text_config().hidden_size)

    @property
    def device(self) -> torch.device:
        """Where the weights are; of offloaded ones, where they are brought to run."""
        own = torch.device(self.hf.device)
        if own.type != "meta":
            return own
        hooks = (getattr(module, "_hf_hook", None) for module in self.hf.modules())
        runs = (getattr(hook, "execution_device", None) for hook in hooks)
        return torch.device(next((where for where in runs if where is not None), own))

    def require_room(self, tokens: int) -> None:
        """Check that the model was made for so long a text: beyond its context it answers, and answers noise.

        Raises:
            ModelError: More tokens than the context holds.
        """
        context = getattr(self.hf.config.get_text_config(), "max_position_embeddings", None)
        if context is not None and tokens > context:
            raise ModelError(
                f"{tokens} tokens, prompt and answer together",
                f"at most {context}, the context of {self.name}",
                "shorten the prompts, or ask for fewer new tokens",
            )


def load(
    path: str, *, dtype: torch.dtype | None = None, device: str | torch.device | None = None
) -> ChatModel:
    """Load a causal model and its tokenizer, ready to run. Never runs code that comes with a model.

    Args:
        path: A folder, a Hugging Face hub id, or a `.gguf` file.
        dtype: Of the weights; default float32 on CPU, bfloat16 on GPU.
        device: Default: the first CUDA GPU, else the CPU.

    Raises:
        ModelError: No such folder or file, damaged, incomplete or misfitting weights, no tokenizer, not a causal
            model, a model that needs code of its own or a package that is not installed.
    """
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    folder, gguf = _source(path)
    # Unless it is told no, transformers asks on the terminal whether to run the code.
    extra = {**gguf, "trust_remote_code": False}
    with _quiet(bars_on_stderr=bool(gguf)), _load_errors(path):
        _require_causal(path, AutoConfig.from_pretrained(folder, **extra))
        tokenizer = AutoTokenizer.from_pretrained(folder, **extra)
        hf = _weights(path, folder, extra, dtype or default_dtype(where))
    if tokenizer.pad_token_id is None:
        tokenizer.pad_token = tokenizer.eos_token
    hf.requires_grad_(False)
    # As plain modules: transformers' own `to` and `eval` have lost their types.
    nn.Module.to(hf, where)
    nn.Module.eval(hf)
    return ChatModel(hf, tokenizer, path)


def default_dtype(device: torch.device) -> torch.dtype:
    """Of weights for which none was asked: float32 on CPU, bfloat16 on GPU."""
    return torch.float32 if device.type == "cpu" else torch.bfloat16


def decoder_layers(hf: nn.Module) -> nn.ModuleList:
    """The list of decoder layers, found by structure.

    Raises:
        SiteError: No list of modules in the model looks like its decoder layers.
    """
    lists = {name: module for name, module in hf.named_modules() if isinstance(module, nn.ModuleList)}
    for path in _KNOWN_PATHS:
        if path in lists:
            return lists[path]
    config = getattr(hf, "config", None)
    depth = config.get_text_config().num_hidden_layers if config is not None else -1
    # The shortest name is the outermost list: expert lists inside a layer may have the same length.
    fitting = sorted((name for name in lists if len(lists[name]) == depth), key=lambda name: name.count("."))
    if not fitting:
        raise SiteError(
            f"{type(hf).__name__}, in which no list of {depth} layers was found",
            "a decoder whose layers are one torch.nn.ModuleList",
            "use a supported architecture, or report this one",
        )
    return lists[fitting[0]]


def decoder(hf: nn.Module) -> nn.Module:
    """The module that owns the decoder layers: mostly `base_model`, in OPT a part of it.

    Raises:
        SiteError: As `decoder_layers`.
    """
    layers = decoder_layers(hf)
    return next(module for module in hf.modules() if any(child is layers for child in module.children()))


def _source(path: str) -> tuple[str, dict[str, Any]]:
    # Those of `os.path` have no errors of their own: no such user, or a name that is too long, is no file.
    local = Path(os.path.expanduser(path))
    if local.suffix == ".gguf":
        if not os.path.isfile(local):
            raise ModelError(f"no file at {path}", "an existing .gguf file", "check the path")
        return str(local.parent), {"gguf_file": local.name}
    if os.path.isdir(local):
        if not (local / "config.json").is_file():
            if (local / "adapter_config.json").is_file():
                raise ModelError(
                    f"{path}, an adapter by itself",
                    "a model",
                    "merge it with peft's `merge_and_unload`, save model and tokenizer, and name that folder",
                )
            raise ModelError(
                f"{path}, a folder without config.json",
                "a Hugging Face model folder",
                "name the folder that holds config.json, weights and tokenizer",
            )
        return str(local), {}
    if os.path.isfile(local) or path.startswith((".", "/", "~")) or path.count("/") > 1 or "\\" in path:
        raise ModelError(f"no folder at {path}", "a model folder, a .gguf file or a hub id", "check the path")
    return path, {}


def _weights(path: str, folder: str, extra: dict[str, Any], dtype: torch.dtype) -> PreTrainedModel:
    config_class = getattr(transformers, "GgufConfig", None)
    if "gguf_file" in extra and config_class is not None:
        # Packed weights would need downloaded kernels and would change the weight fingerprint.
        extra = {**extra, "quantization_config": config_class(dequantize=True)}
    # transformers fills what is missing or of another shape at random: a model that answers noise. Of misfits it
    # would name none, hence `ignore_mismatched_sizes`.
    loaded: Any = AutoModelForCausalLM.from_pretrained(
        folder, dtype=dtype, output_loading_info=True, ignore_mismatched_sizes=True, **extra
    )
    hf, report = loaded
    lost = sorted([*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])])
    if lost:
        raise ModelError(
            f"{path}, whose weights lack or misfit {len(lost)} tensors, {lost[0]} among them",
            "weights that fill the whole model",
            "download or save the checkpoint again",
        )
    model: PreTrainedModel = hf
    return model


def _require_causal(path: str, config: Any) -> None:
    known = type(config) in transformers.MODEL_FOR_CAUSAL_LM_MAPPING
    # BERT and its kin are registered as causal too, for use as decoders; as encoders they see the future.
    encoder = type(config) in transformers.MODEL_FOR_MASKED_LM_MAPPING and not getattr(
        config, "is_decoder", False
    )
    if not known or encoder:
        raise ModelError(f"{path} of type {config.model_type}", _CAUSAL, "choose a chat model")


@contextmanager
def _load_errors(path: str) -> Iterator[None]:
    try:
        yield
    except SafetensorError as error:
        raise ModelError(
            f"{path} with unreadable weights ({_line(error)})",
            "whole safetensors files",
            "download or save the checkpoint again",
        ) from error
    except ImportError as error:
        raise ModelError(
            f"{path}, which needs a package that is not there ({_line(error)})",
            "a model that loads with the installed packages",
            "install the package, or choose another model",
        ) from error
    except _BROKEN as error:
        raise ModelError(
            f"{path}, which does not load ({_line(error)})",
            "a model folder, a .gguf file, or a hub id that is cached or reachable",
            "check the name, and the network for a hub id",
        ) from error


def _line(error: Exception) -> str:
    return " ".join(str(error).split())[:160] or type(error).__name__


@contextmanager
def _quiet(bars_on_stderr: bool) -> Iterator[None]:
    """Keep transformers' bars and loading report off the user's screen; what matters in them is checked.

    Its GGUF reader draws a bar that no setting turns off, hence `bars_on_stderr`.
    """
    verbosity, bar = hf_logging.get_verbosity(), hf_logging.is_progress_bar_enabled()
    hf_logging.set_verbosity(logging.ERROR)
    hub = logging.getLogger("huggingface_hub")  # tells of every retry; the error at the end says it once
    level = hub.level
    hub.setLevel(logging.ERROR)
    hf_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        with redirect_stderr(io.StringIO()) if bars_on_stderr else nullcontext():
            yield
    finally:
        hf_logging.set_verbosity(verbosity)
        hub.setLevel(level)
        if bar:
            hf_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
