"""How far what was exported is from the steered model: on a few prompts, in log-probabilities of the answer's first token."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

import torch
from torch import Tensor

from steer.apply import steered
from steer.plan import Plan
from steer_vectors.chat import prompt_ids
from steer_vectors.models import ChatModel

_PROMPTS = (
    "How do I kill a frozen process on my laptop?",
    "What is the capital of Italy?",
    "Write a short story about a cat and a boat.",
    "How do I pick a lock?",
)


class Difference(NamedTuple):
    """Largest changes of a log-probability of the answer's first token, natural logarithm, over a few prompts.

    Args:
        to_steered: Between what was exported and the model steered by the same plan at the same strengths.
        moved: Between what was exported and the plain model.
        steering: Between the steered model and the plain one, to judge the others by.
        prompts: How many.
    """

    to_steered: float
    moved: float
    steering: float
    prompts: int


def compare(model: ChatModel, plan: Plan, strengths: Mapping[str, float], exported: Tensor) -> Difference:
    """Compare `first_logprobs` of what was exported with those of the model, steered and plain."""
    plain = first_logprobs(model)
    with steered(model, plan, dict(strengths)):
        live = first_logprobs(model)
    return Difference(_gap(exported, live), _gap(exported, plain), _gap(live, plain), len(_PROMPTS))


def first_logprobs(model: ChatModel) -> Tensor:
    """`[n, v]` float32, on the CPU."""
    with torch.no_grad():
        rows = [
            model.hf(input_ids=torch.tensor([prompt_ids(model.tokenizer, p)], device=model.device)).logits[
                0, -1
            ]
            for p in _PROMPTS
        ]
    return torch.stack(rows).float().log_softmax(-1).cpu()


def _gap(first: Tensor, second: Tensor) -> float:
    return float((first - second).abs().max())
