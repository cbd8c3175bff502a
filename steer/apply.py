"""A recipe at work on a live Hugging Face model, only inside a `with`. Knows no words, files or scores."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from steer.errors import LivenessError, PlanError
from steer.plan import Plan
from steer.recipe import Recipe, Step, compile_plan
from steer_kernels import edit_
from steer_vectors.chat import prompt_ids
from steer_vectors.file import Vector
from steer_vectors.hooks import on_layers
from steer_vectors.models import ChatModel

Strength = float | Sequence[float] | Tensor


@contextmanager
def steered(model: ChatModel, plan: Plan | Vector | Recipe, strength: Strength = 1.0) -> Iterator[ChatModel]:
    """Steer a model inside the block; afterwards it is what it was, to the bit.

    Args:
        model: A loaded model.
        plan: A plan; a vector stands for adding it at its chosen layer; a recipe was compiled for this model before.
        strength: In class gaps for "add", a fraction for "ablate". One number, or one per row of the batch `[b]`.
            Rows at 0 are bit-identical to the plain model.

    Yields:
        The same model: call `steer.generate`, or `model.hf` directly.

    Raises:
        PlanError: A strength that is not finite (times an edit's scale too), or not one number per row.
        MismatchError: A vector of another model.
    """
    recipe = plan if isinstance(plan, Recipe) else compile_plan(as_plan(plan), model)
    rows = strength_rows(strength, recipe).to(model.device)
    phase = _Phase()
    edits = {site: _edit(steps, rows, phase) for site, steps in recipe.steps.items()}
    handle = _decoder(model).register_forward_pre_hook(phase.watch, with_kwargs=True)
    try:
        with on_layers(model.hf, edits):
            yield model
    finally:
        handle.remove()


def as_plan(plan: Plan | Vector) -> Plan:
    """A vector alone stands for adding it."""
    return plan if isinstance(plan, Plan) else Plan.add(plan)


def strength_rows(strength: Strength, recipe: Recipe) -> Tensor:
    """Strengths as `[1]` or `[b]` float32, which is what the op computes in.

    Raises:
        PlanError: Not numbers, or not finite in float32: as they are, or times the scale of an edit.
    """
    rows = _rows(strength)
    for scale in {step.scale for steps in recipe.steps.values() for step in steps}:
        if not bool(torch.isfinite(rows * scale).all()):
            raise PlanError(
                f"strength {strength} times the scale {scale:g} of an edit",
                "numbers that are finite in float32",
                "choose a smaller strength or scale",
            )
    return rows


def check_liveness(model: ChatModel, recipe: Recipe, strength: float = 1.0) -> float:
    """Prove on one short prompt that the recipe moves the model; a silent no-op is the field's commonest bug.

    Returns:
        The largest change of a next-token logit.

    Raises:
        LivenessError: No logit moved.
    """
    ids = torch.tensor([prompt_ids(model.tokenizer, "Hello")], device=model.device)

    def logits() -> Tensor:
        # Two steps, so that edits of the generation are seen too.
        with torch.no_grad():
            first = model.hf(input_ids=ids, use_cache=True)
            second = model.hf(input_ids=ids[:, -1:], past_key_values=first.past_key_values, use_cache=True)
        return torch.cat([first.logits[:, -1], second.logits[:, -1]]).float()

    plain = logits()
    with steered(model, recipe, strength):
        moved = float((logits() - plain).abs().max())
    if not moved > 0:
        raise LivenessError(
            "logits that do not move under steering",
            "a change at strength 1",
            "report this model's architecture",
        )
    return moved


class _Phase:
    """Whether the tokens now in the model are prompt or generation: the cache is empty, or it is not."""

    def __init__(self) -> None:
        self.generation = False

    def watch(self, _module: nn.Module, _args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        cache = kwargs.get("past_key_values")
        self.generation = cache is not None and int(cache.get_seq_length()) > 0


def _decoder(model: ChatModel) -> nn.Module:
    decoder: nn.Module = model.hf.base_model
    return decoder


def _edit(steps: tuple[Step, ...], rows: Tensor, phase: _Phase) -> Callable[[Tensor], None]:
    doses = [(table, scope, (rows * scale).view(-1, 1, 1)) for table, scope, scale in steps]

    def edit(hidden: Tensor) -> None:  # [b, t, d]
        if len(rows) not in (1, len(hidden)):
            raise PlanError(
                f"{len(rows)} strengths for a batch of {len(hidden)}",
                "one strength, or one per row",
                "match the batch",
            )
        for table, scope, dose in doses:
            if scope == "all" or (scope == "generation") == phase.generation:
                edit_(hidden, table, dose)

    return edit


def _rows(strength: Strength) -> Tensor:
    try:
        rows = torch.as_tensor(strength, dtype=torch.float32).detach()
    except (TypeError, ValueError, OverflowError) as error:  # words, None, lists of uneven lists
        raise _no_strength(strength) from error
    fits = rows.ndim <= 1 and rows.numel() > 0 and bool(torch.isfinite(rows).all())
    if isinstance(strength, bool) or not fits:
        raise _no_strength(strength)
    return rows.reshape(-1)


def _no_strength(strength: object) -> PlanError:
    return PlanError(
        f"strength {strength!r}",
        "one number that is finite in float32, or one per row",
        "choose a strength such as -1 or 0.5",
    )
