"""A policy on a plain transformers model, as one of the runtimes that are compared, and as what they are compared with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor

from steer.apply import steered
from steer.dials import Policy
from steer.equivalence import Said
from steer.hosts import answers, by_dial
from steer.recipe import compile_plan
from steer_vectors.greedy import ends, greedy, left_padded
from steer_vectors.models import ChatModel


class Transformers:
    """A loaded model, steered by `steer.steered`.

    Args:
        model: Left as it is.
        policy: Whose plan is applied.

    Raises:
        MismatchError: A vector of another model.
        PlanError: As in `compile_plan`.
    """

    name = "transformers"

    def __init__(self, model: ChatModel, policy: Policy) -> None:
        self.model = model
        self._recipe = compile_plan(policy.plan, model)

    def say(
        self, prompts: Sequence[Sequence[int]], strengths: Sequence[Mapping[str, float]], most: int
    ) -> list[Said]:
        """As in `Runtime`; all in one batch."""
        batch = left_padded(self.model, prompts)
        seen: list[Tensor] = []

        def first(_module: Any, _args: Any, output: Any) -> None:
            if not seen:
                seen.append(output.logits[:, -1].float().log_softmax(-1).cpu())

        handle = self.model.hf.register_forward_hook(first)
        try:
            with steered(self.model, self._recipe, by_dial(strengths)):
                found = greedy(self.model, batch, most)
        finally:
            handle.remove()
        tokens = answers(found[:, batch.ids.shape[1] :], ends(self.model))
        return [Said(*own) for own in zip(seen[0], tokens, strict=True)]

    @torch.no_grad()
    def lead(
        self,
        prompt: Sequence[int],
        strengths: Mapping[str, float],
        answer: Sequence[int],
        one: int | None,
        other: int | None,
    ) -> float:
        """As in `Reference`."""
        hf: Any = self.model.hf
        with steered(self.model, self._recipe, strengths):
            cache = None
            # Token by token, as it was written: a probe may look at each.
            for ids in (list(prompt), *([token] for token in answer)):
                given = torch.tensor([ids], device=self.model.device)
                output = hf(input_ids=given, past_key_values=cache, use_cache=True)
                cache = output.past_key_values
        logits = output.logits[0, -1].float()
        chosen = [ends(self.model) if token is None else [token] for token in (one, other)]
        return float(logits[chosen[0]].max() - logits[chosen[1]].max())
