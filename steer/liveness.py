"""Proof that a recipe moves a live model by what its tables say: a silent no-op is the field's commonest bug.

Knows the formula and reads activations; steers only through `steered`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

from steer.apply import steered
from steer.errors import LivenessError, PlanError
from steer.recipe import Recipe
from steer_kernels.naive import edited
from steer_vectors.chat import prompt_ids
from steer_vectors.hooks import on_layers
from steer_vectors.models import ChatModel, decoder
from steer_vectors.site import Site


class Liveness(NamedTuple):
    """Proof that a recipe moves a model.

    Args:
        moved: Largest change of a next-token logit.
        dose_error: Largest difference between what a site moved by and what its table says, as a share of the largest
            activation there.
        edited: Tokens edited.
    """

    moved: float
    dose_error: float
    edited: int


_DOSE_BOUND = {torch.float32: 1e-4, torch.bfloat16: 2e-2, torch.float16: 4e-3}


def check_liveness(model: ChatModel, recipe: Recipe, strength: float = 1.0) -> Liveness:
    """Prove on one short conversation that every site moves by its dose, and the answer with it.

    A silent no-op is the field's commonest bug. Each site is read before and after its edits, and compared with the
    formula (for "add": strength times class gap along the direction); then the logits are compared with the plain model's.
    Edits that wait for a probe are tried as if it had opened.

    Raises:
        LivenessError: A site that moves by something else, or logits that do not move although a site does.
        PlanError: Strength 0, which moves nothing.
    """
    if not strength:
        raise PlanError("strength 0 to prove a change by", "another strength", "leave it out, for 1")
    recipe = recipe.decided if recipe.gauges else recipe
    ids = torch.tensor([prompt_ids(model.tokenizer, "Hello")], device=model.device)
    before: dict[Site, list[Tensor]] = {site: [] for site in recipe.steps}
    after: dict[Site, list[Tensor]] = {site: [] for site in recipe.steps}
    doses: list[tuple[Tensor, ...]] = []

    def logits() -> Tensor:
        # Two steps, so that edits of the generation are seen too.
        with torch.no_grad():
            first = model.hf(input_ids=ids, use_cache=True)
            second = model.hf(input_ids=ids[:, -1:], past_key_values=first.past_key_values, use_cache=True)
        return torch.cat([first.logits[:, -1], second.logits[:, -1]]).float()

    plain = logits()
    turned = dict.fromkeys(recipe.dials, strength)
    # Hooks run in the order they were set: one that reads before the edits, one after.
    with on_layers(model.hf, _copies(before)), steered(model, recipe, turned) as steering:
        handle = decoder(model.hf).register_forward_pre_hook(lambda *_: doses.append(steering.doses))
        try:
            with on_layers(model.hf, _copies(after)):
                moved = float((logits() - plain).abs().max())
        finally:
            handle.remove()
        edited_tokens = steering.edited
    expected, error = 0.0, 0.0
    for site, steps in recipe.steps.items():
        for was, now, given in zip(before[site], after[site], doses, strict=True):
            should = was
            for table, dose in steps:
                should = edited(should, *table.to(was.device).arguments, given[dose].to(was.device))
            scale = float(was.abs().max()) or 1.0
            expected = max(expected, float((should - was).abs().max()))
            error = max(error, float((now.float() - should.float()).abs().max()) / scale)
    if not error < _DOSE_BOUND.get(model.hf.dtype, 2e-2):
        raise LivenessError(
            f"a site that moves by {error:.1e} of its size more or less than its table says",
            "the dose that was asked for",
            "report this model's architecture",
        )
    if not moved > 0 and (expected > 0 or not _may_rest(recipe)):
        raise LivenessError(
            "logits that do not move under steering",
            f"a change at strength {strength:g}",
            "report this model's architecture",
        )
    return Liveness(moved, error, edited_tokens)


def _may_rest(recipe: Recipe) -> bool:
    """Whether one conversation may rightly be left alone: by a window, a gate or bounds."""
    return any(
        dose.scale != 0
        and (dose.span is not None or table.gate is not None or bool(table.terms[:, 2:4].isfinite().any()))
        for steps in recipe.steps.values()
        for table, dose in ((table, recipe.doses[at]) for table, at in steps)
    )


def _copies(found: dict[Site, list[Tensor]]) -> dict[Site, Callable[[Tensor], None]]:
    return {site: lambda hidden, own=own: own.append(hidden.clone()) for site, own in found.items()}  # type: ignore[misc]
