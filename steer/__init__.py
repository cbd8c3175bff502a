"""Steerdial: the alignment tax of a local chat model, as a dial. This file is the door: names only, loaded when used.

import steer

model = steer.load("reference:aligned")
vector = steer.extract(model, "refusal")
with steer.steered(model, vector, strength=-1):
    print(steer.generate(model, "How do I kill a frozen process?"))
"""

from __future__ import annotations

from importlib import import_module as _import
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    import torch

    from steer.apply import steered
    from steer.plan import Plan
    from steer_evals.run import Run
    from steer_evals.suites import Suite
    from steer_kernels import SteerError
    from steer_vectors.backends import Backend
    from steer_vectors.contrast import ContrastSet
    from steer_vectors.file import Vector, load_vector, save_vector
    from steer_vectors.models import ChatModel
    from steer_vectors.selection import By
    from steer_vectors.site import Point

__version__ = "0.1.0"
__all__ = [
    "ChatModel",
    "Plan",
    "Run",
    "SteerError",
    "Vector",
    "__version__",
    "extract",
    "generate",
    "load",
    "load_vector",
    "save_vector",
    "steered",
    "sweep",
]

_HOMES = {
    "ChatModel": "steer_vectors.models",
    "Plan": "steer.plan",
    "Run": "steer_evals.run",
    "SteerError": "steer_kernels.errors",
    "Vector": "steer_vectors.file",
    "load_vector": "steer_vectors.file",
    "save_vector": "steer_vectors.file",
    "steered": "steer.apply",
}


def load(name: str, *, dtype: torch.dtype | None = None, device: str | None = None) -> ChatModel:
    """Load a chat model, ready to steer. Never runs code that comes with a model.

    Args:
        name: A folder, a Hugging Face hub id, a `.gguf` file, or a reference model of this package:
            `reference:base`, `reference:mild`, `reference:moderate`, `reference:aligned`.
        dtype: Of the weights; default float32 on CPU, bfloat16 on GPU.
        device: Default: the first CUDA GPU, else the CPU.

    Raises:
        ModelError: It does not load, or is not a causal language model.
    """
    if name.startswith("reference:"):
        from steer_evals.reference import load_reference

        return load_reference(name, dtype=dtype, device=device)
    from steer_vectors.models import load as load_model

    return load_model(name, dtype=dtype, device=device)


def extract(
    model: ChatModel | Backend,
    contrast: str | Path | ContrastSet,
    *,
    estimator: str = "mean_difference",
    parameters: Mapping[str, float] | None = None,
    spare: Sequence[Vector] = (),
    select_by: By = "causal",
    layer: int | None = None,
    position: int | None = None,
    point: Point = "resid_post",
    winsorise: float | None = None,
    exhaustive: bool = False,
    only_shown: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> Vector:
    """Find the direction of a concept at every layer, and the site to steer at by causal effect.

    Args:
        model: A loaded model, not steered, or a back end that reads one (`steer_vectors.backends`).
        contrast: A built-in contrast set such as "refusal", a JSONL or CSV file, a dataset `hf:...`, or a `ContrastSet`.
        estimator: "mean_difference", "affine", "pca", "mass_mean", "logistic", "leace", "surgical", "null_space" or "rdo".
        parameters: Of the estimator, by name.
        spare: For "surgical": vectors whose directions are left alone.
        select_by: "causal" (what the model then says), "cosmic" (where its activations then lie) or "auc" (separation alone).
        layer: 0-based; chosen on held-out prompts if not given.
        position: Negative offset from the prompt's end, or 0 for the answer's tokens; chosen if not given.
        point: Of every layer: `resid_post` (its output), `resid_pre` (its input), `attn_out` or `mlp_out`.
        winsorise: Share of an activation's coordinates that is never cut, such as 0.995; None cuts none.
        exhaustive: Try every position at every layer, not only the likely ones.
        only_shown: Leave out prompts on which the model does not behave as their class says: positive ones that it does not
            refuse, negative ones that it does. For sets about refusal, without answers.
        progress: Called as `progress(done, total)`.

    Raises:
        ContrastError: Unknown, broken or empty contrast set, or one with answers to be filtered by refusal; an unknown
            estimator; see `steer_vectors.extract`.
        SiteError: A layer or position that the model does not have.
    """
    from steer_vectors.contrast import ContrastSet, load_contrast
    from steer_vectors.errors import ContrastError
    from steer_vectors.extract import extract as extract_vector
    from steer_vectors.models import ChatModel

    chosen = contrast if isinstance(contrast, ContrastSet) else load_contrast(contrast)
    shown = None
    if only_shown:
        if chosen.answered:
            raise ContrastError(
                f"only_shown with {chosen.name}, a set with answers",
                "requests alone, which the model refuses or answers",
                "leave only_shown out",
            )
        from steer_evals.shown import refusal_shown

        shown = refusal_shown(model if isinstance(model, ChatModel) else model.model)
    return extract_vector(
        model, chosen, estimator=estimator, parameters=parameters, spare=spare, select_by=select_by, layer=layer,
        position=position, point=point, winsorise=winsorise, exhaustive=exhaustive, shown=shown, progress=progress,
    )  # fmt: skip


def generate(model: ChatModel, prompt: str | Sequence[str], *, max_new_tokens: int = 64) -> str | list[str]:
    """Greedy answers; steered inside `with steered(...)`, plain outside.

    Args:
        model: A loaded model.
        prompt: One user prompt, or a batch of them.
        max_new_tokens: Most tokens of an answer.

    Returns:
        One answer, or one per prompt.
    """
    from steer_evals.plain import generate as answer

    prompts = [prompt] if isinstance(prompt, str) else list(prompt)
    texts = [found.text for found in answer(model, prompts, max_new_tokens=max_new_tokens)]
    return texts[0] if isinstance(prompt, str) else texts


def sweep(
    model: ChatModel,
    plan: Plan | Vector,
    suites: Sequence[str | Path | Suite],
    strengths: Sequence[float],
    out: str | Path,
    *,
    control: bool = True,
    refine: int = 0,
    samples: int = 1,
    temperature: float = 0.0,
    seed: int = 0,
    limit: int | None = None,
    engine: str = "auto",
    at_once: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Run:
    """Map strength against refusal, over-refusal and capability; takes up a run that was stopped.

    Args:
        model: A loaded model, not steered.
        plan: A plan; a vector stands for adding it.
        suites: Built-in names, paths of TOML headers, or suites.
        strengths: In class gaps for "add"; strength 0 is always measured too.
        out: Folder of the run.
        control: Also measure a random direction of equal norm, at the lowest and the highest strength, and two system
            prompts without steering.
        refine: So many strengths more, where the curve bends most.
        samples: Answers to every item; more than one need a temperature.
        temperature: 0 = greedy.
        seed: Of the draws.
        limit: The first so many items of each suite only.
        engine: "auto", "batched", "plain", "continuous" or "vllm"; see `steer_evals.engines`.
        at_once: Most rows in a batch; default by free memory.
        progress: Called as `progress(done, total)`, in answers.

    Raises:
        SteerError: See `steer_evals.sweep.sweep`.
    """
    from steer_evals.sweep import sweep as run_sweep

    return run_sweep(
        model, plan, suites, strengths, out, control=control, refine=refine, samples=samples, temperature=temperature,
        seed=seed, limit=limit, engine=engine, at_once=at_once, progress=progress,
    )  # fmt: skip


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'steer' has no attribute {name!r}")
    return getattr(_import(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted(set(__all__) | set(globals()))
