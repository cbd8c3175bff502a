"""A policy at one strength, baked into a model's weights: a Hugging Face folder that stock transformers loads, at no cost.

A constant `add` at the output of a layer becomes a bias of the matrix that ends the layer, which is exact. It needs an
architecture with such a bias: GPT-2, GPT-NeoX and Phi have it; Llama and its kin have it once `mlp_bias` is on in the config
(the other biases that come with it are zeros). Ablation at every layer becomes `W <- W - s d d^T W` of everything that
writes to the stream, biases and embeddings included; the unembedding stays, so a tied one is written out on its own.
That is not identical to ablation after each layer, see `steer.export.lora`; the difference is measured and returned.
"""

from __future__ import annotations

import copy
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from transformers.utils import logging as hf_logging

from steer.errors import LivenessError, PlanError
from steer.export.compared import Difference, compare, first_logprobs
from steer.export.expressible import ablation, additions, nothing_to_do
from steer.export.writers import check_all_found, last_of, writers
from steer.plan import Plan
from steer.recipe import compile_plan
from steer_vectors.interop.foreign import written_whole
from steer_vectors.models import ChatModel, load

_BOUND = {torch.float32: 1e-3}  # of an exact export, in log-probabilities
_BOUND_IN_HALF = 0.5  # weights and biases are rounded
_SWITCH = "mlp_bias"


def export_weights(
    model: ChatModel, plan: Plan, strengths: Mapping[str, float], folder: str | Path
) -> Difference:
    """Write a model's folder that does by itself what the plan does at these strengths; then load it and compare.

    Args:
        model: The model that the plan is for; not changed. The folder is in its precision.
        plan: Constant "add" edits at `resid_post`, or "ablate" edits at every layer; not both.
        strengths: Of the dials; those left out are at 0.
        folder: To make; nothing may be there. While it is compared, both models are in memory.

    Returns:
        How far it is from the steered model, measured on what was loaded again.

    Raises:
        PlanError: What weights cannot express, with the alternatives; an architecture without the bias; writers that were
            not all found; nothing to do; a path where something is.
        LivenessError: A constant that did not come out as the plan's; nothing is left at the path.
        MismatchError: A plan for another model.
        VectorFileError: A path that cannot be written.
    """
    if os.path.lexists(folder):
        raise PlanError(f"{folder}, where something is already", "a new folder", "choose another path")
    compile_plan(plan, model)
    kinds = {edit.kind for edit in plan.edits}
    if kinds == {"add", "ablate"}:
        raise PlanError(
            "'add' and 'ablate' in one plan, which weights cannot express",
            "one of the two: biases come after the matrices, so nothing takes them out again",
            "export one of them, or steer it with transformers or vLLM",
        )
    exact = kinds != {"ablate"}
    with torch.no_grad():
        config, state = _biased(model, plan, strengths) if exact else _orthogonalised(model, plan, strengths)
    with written_whole(folder) as part:
        _save(model, config, state, part)
        exported = first_logprobs(load(str(part), dtype=model.hf.dtype, device=model.device))
        difference = compare(model, plan, strengths, exported)
        bound = _BOUND.get(model.hf.dtype, _BOUND_IN_HALF)
        if exact and not difference.to_steered <= bound:
            raise LivenessError(
                f"a bias that leaves log-probabilities {difference.to_steered:.2g} from the steered model's",
                f"at most {bound:g}",
                "steer it with transformers or vLLM: this architecture does more with the end of a layer than add it",
            )
    return difference


def _biased(model: ChatModel, plan: Plan, strengths: Mapping[str, float]) -> tuple[Any, dict[str, Tensor]]:
    moves = additions(plan, strengths, "a model's weights")
    if not moves:
        raise nothing_to_do()
    config, state = copy.deepcopy(model.hf.config), dict(model.hf.state_dict())
    text = config.get_text_config()
    if any(last_of(model, layer).module._parameters.get("bias") is None for layer in moves):
        if getattr(text, _SWITCH, None) is not False:
            raise PlanError(
                f"{type(model.hf).__name__}, which has no bias at the end of a layer",
                "an architecture that has one, as GPT-2, or can, as Llama",
                "`steer export gguf` (a control vector), or steer it with transformers or vLLM",
            )
        setattr(text, _SWITCH, True)
        for name, tensor in _empty(model, config).state_dict().items():
            if name not in state:
                state[name] = torch.zeros(tensor.shape, dtype=model.hf.dtype)
    for layer, move in moves.items():
        name = f"{last_of(model, layer).name}.bias"
        state[name] = (state[name].double().cpu() + move).to(model.hf.dtype)
    return config, state


def _orthogonalised(
    model: ChatModel, plan: Plan, strengths: Mapping[str, float]
) -> tuple[Any, dict[str, Tensor]]:
    write, read = ablation(plan, strengths, "a model's weights")
    found = writers(model)
    check_all_found(model, found, read)
    write, read = (factor.float().to(model.device) for factor in (write, read))
    config, state = copy.deepcopy(model.hf.config), dict(model.hf.state_dict())
    if config.tie_word_embeddings:
        config.tie_word_embeddings = config.get_text_config().tie_word_embeddings = False
    for writer in found:
        weight = writer.weight.float()
        weight = weight + write @ (read @ weight)
        state[f"{writer.name}.weight"] = writer.stored(weight).to(writer.weight.dtype).contiguous()
        bias = writer.module._parameters.get("bias")
        if bias is not None:
            state[f"{writer.name}.bias"] = (bias.float() + write @ (read @ bias.float())).to(bias.dtype)
    return config, state


def _empty(model: ChatModel, config: Any) -> Any:
    """The model's class without weights."""
    with torch.device("meta"):
        return type(model.hf)(config)


def _save(model: ChatModel, config: Any, state: Mapping[str, Tensor], folder: Path) -> None:
    made = _empty(model, config)
    made.load_state_dict(state, assign=True)
    made.generation_config = model.hf.generation_config
    shown = hf_logging.is_progress_bar_enabled()
    hf_logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        made.save_pretrained(folder)
    finally:
        if shown:
            hf_logging.enable_progress_bar()  # type: ignore[no-untyped-call]
    model.tokenizer.save_pretrained(folder)
