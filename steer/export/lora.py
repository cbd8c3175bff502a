"""Ablation as a LoRA adapter: `W <- W - s d d^T W` of everything that writes to the stream, with the scale set per request.

An edit of rank k of the stream, `h + B R h`, becomes for a matrix W `[d, in]` the pair `lora_B = B` `[d, k]` and
`lora_A = R W` `[k, in]`. It covers the last matrix of every attention and every MLP, and the token embedding; not the
unembedding, biases, or what is added elsewhere. That is not identical to ablation after each layer: there, a layer's MLP still
sees what its own attention wrote, and the first layer what the embedding did; and at a scale between 0 and 1 each writer is
scaled once here, while there the stream is scaled anew after every layer.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor, nn

from steer.errors import PlanError
from steer.export.compared import Difference, compare, first_logprobs
from steer.export.expressible import ablation
from steer.export.writers import Writer, check_all_found, writers, written_anew
from steer.plan import Plan
from steer.recipe import compile_plan
from steer_vectors.interop.foreign import written_whole
from steer_vectors.models import ChatModel

# Of `config.model_type`, what llama.cpp calls an architecture whose writers are plain matrices.
_ARCHITECTURES = {
    "llama": "llama",
    "mistral": "llama",
    "qwen2": "qwen2",
    "qwen3": "qwen3",
    "phi3": "phi3",
    "smollm3": "smollm3",
}
_Factors = list[tuple[Writer, Tensor, Tensor]]  # lora_A [k, in] and lora_B [d, k]


def export_lora(
    model: ChatModel,
    plan: Plan,
    strengths: Mapping[str, float],
    folder: str | Path,
    *,
    embedding: bool = True,
) -> Difference:
    """Write an adapter folder that PEFT and vLLM load; at scale 1 it does what the plan does at these strengths, but see above.

    Args:
        model: The model that the plan is for; not changed.
        plan: "ablate" edits at every layer.
        strengths: Of the dials; those left out are at 0. Of several edits that are not at right angles, other scales than 0
            and 1 lie on the straight line between.
        folder: To make; nothing may be there.
        embedding: Also edit the token embedding. Without, what it writes stays in the stream.

    Returns:
        How far it is from the steered model, measured.

    Raises:
        PlanError: What an adapter cannot express, with the alternatives; a model whose writers were not all found, have biases
            or are no plain matrices; nothing to do; a path where something is.
        MismatchError: A plan for another model.
        VectorFileError: A path that cannot be written.
    """
    if os.path.lexists(folder):
        raise PlanError(f"{folder}, where something is already", "a new folder", "choose another path")
    factors, difference = _factors(model, plan, strengths, embedding)
    with written_whole(folder) as part:
        part.mkdir()
        _config(model, factors).save_pretrained(str(part))
        tensors = {}
        for writer, down, up in factors:
            kinds = (
                ("lora_embedding_A", "lora_embedding_B")
                if writer.embeds
                else ("lora_A.weight", "lora_B.weight")
            )
            for kind, factor in zip(kinds, (down, up), strict=True):
                tensors[f"base_model.model.{writer.name}.{kind}"] = factor.contiguous()
        save_file(tensors, part / "adapter_model.safetensors", {"format": "pt"})
    return difference


def export_gguf_lora(
    model: ChatModel,
    plan: Plan,
    strengths: Mapping[str, float],
    path: str | Path,
    *,
    embedding: bool = True,
) -> Difference:
    """Write the same adapter as a `.gguf` file, for llama.cpp: `--lora`, and per request `"lora": [{"id": 0, "scale": 0.5}]`.

    Args:
        model: As in `export_lora`.
        plan: As there.
        strengths: As there.
        path: The file to write, whole or not at all.
        embedding: As there. llama.cpp cannot load such an edit where the embedding is the unembedding too.

    Returns:
        As there.

    Raises:
        PlanError: As there; an architecture that is not known here under llama.cpp's names; a tied embedding.
        MismatchError: As there.
        VectorFileError: A path that cannot be written.
    """
    import gguf

    kind = str(model.hf.config.get_text_config().model_type)
    if kind not in _ARCHITECTURES:
        raise PlanError(
            f"a GGUF adapter for model type {kind!r}",
            " or ".join(_ARCHITECTURES),
            "export a folder, and convert it with llama.cpp's convert_lora_to_gguf.py",
        )
    # llama.cpp finds the pair by the tensor's name, and would multiply the unembedding by it the wrong way round: it aborts.
    if embedding and model.hf.config.get_text_config().tie_word_embeddings:
        raise PlanError(
            f"an edited embedding of {model.name}, which is its unembedding too",
            "an embedding of its own, to be edited in llama.cpp",
            "leave it out with --no-embedding (what it writes stays in the stream), or `steer export weights`",
        )
    factors, difference = _factors(model, plan, strengths, embedding)
    architecture = next(a for a, name in gguf.MODEL_ARCH_NAMES.items() if name == _ARCHITECTURES[kind])
    names = gguf.get_tensor_name_map(architecture, model.layers)
    with written_whole(path) as part:
        writer = gguf.GGUFWriter(part, _ARCHITECTURES[kind])
        try:
            writer.add_type(gguf.GGUFType.ADAPTER)
            writer.add_string(gguf.Keys.Adapter.TYPE, "lora")
            writer.add_float32(
                gguf.Keys.Adapter.LORA_ALPHA, float(len(factors[0][1]))
            )  # alpha = rank: factor 1
            for own, down, up in factors:
                name = f"{names.get_name(own.name)}.weight"
                writer.add_tensor(f"{name}.lora_a", (down.T if own.embeds else down).contiguous().numpy())
                writer.add_tensor(f"{name}.lora_b", up.contiguous().numpy())
            writer.write_header_to_file()
            writer.write_kv_data_to_file()
            writer.write_tensors_to_file()
        finally:
            writer.close()
    return difference


def _factors(
    model: ChatModel, plan: Plan, strengths: Mapping[str, float], embedding: bool
) -> tuple[_Factors, Difference]:
    compile_plan(plan, model)
    write, read = ablation(plan, strengths, "a LoRA adapter")
    found = writers(model)
    check_all_found(model, found, read)
    edited = [writer for writer in found if embedding or not writer.embeds]
    for writer in edited:
        if (
            type(writer.module) not in (nn.Linear, nn.Embedding)
            or getattr(writer.module, "bias", None) is not None
        ):
            raise PlanError(
                f"{writer.name}, which is a {type(writer.module).__name__} with a bias or a scale of its own",
                "plain matrices and embeddings, which are what an adapter edits",
                "`steer export weights`",
            )
    with written_anew(edited, write, read):
        exported = first_logprobs(model)
    factors = [
        (writer, (read.float().to(writer.weight.device) @ writer.weight.float()).cpu(), write.float())
        for writer in edited
    ]
    return factors, compare(model, plan, strengths, exported)


def _config(model: ChatModel, factors: _Factors) -> Any:
    from peft import LoraConfig

    rank = len(factors[0][1])
    edited = {writer.name for writer, _, _ in factors}
    short = sorted({name.rpartition(".")[2] for name in edited})
    named = {name for name, _ in model.hf.named_modules() if name.rpartition(".")[2] in short}
    return LoraConfig(
        r=rank,
        lora_alpha=rank,  # so that the factor is 1
        target_modules=short if named == edited else sorted(edited),
        task_type="CAUSAL_LM",
        inference_mode=True,
        base_model_name_or_path=model.hf.name_or_path or model.name,  # where PEFT finds it
    )
