"""How the next token of an answer is chosen: temperature, nucleus, seed, log-probabilities. Knows no model and no strength.

Each answer has a generator of its own, so what it draws does not depend on what else is in the batch.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import torch
from torch import Tensor


class Piece(NamedTuple):
    """A token of an answer, or of a prompt that is scored.

    Args:
        token: Its id.
        logprob: Natural logarithm of its probability, at temperature 1; None = not asked for.
        top: The likeliest tokens with theirs, the likeliest first.
    """

    token: int
    logprob: float | None = None
    top: tuple[tuple[int, float], ...] = ()


class NotFinite(NamedTuple):
    """In the place of a token: the model's numbers are infinite or none."""


@dataclass(frozen=True, eq=False)
class Draw:
    """How the tokens of one answer are chosen.

    Args:
        temperature: 0 or more; 0 takes the likeliest.
        top_p: Above 0 to 1: the smallest set of tokens that has so much of the probability (Holtzman et al. 1904.09751).
        seed: Of the draws; None = another one each time.
        top: How many of the likeliest tokens are told at each place; None = no log-probabilities.
    """

    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    top: int | None = None
    generator: torch.Generator = field(init=False)

    def __post_init__(self) -> None:
        seed = secrets.randbits(63) if self.seed is None else self.seed
        object.__setattr__(self, "generator", torch.Generator().manual_seed(seed))

    def token(self, logits: Tensor) -> int:
        """Draw from logits `[v]`."""
        scores = logits.double().cpu()
        # From the likeliest down, for at a temperature of next to nothing there are no numbers so large.
        probabilities = ((scores - scores.amax()) / self.temperature).softmax(-1)
        if self.top_p < 1:
            ordered, places = probabilities.sort(descending=True)
            # What comes before a token must not have it all already; the likeliest always stays.
            kept = ordered.cumsum(-1) - ordered < self.top_p
            probabilities = torch.zeros_like(probabilities).scatter_(-1, places, ordered * kept)
        return int(probabilities.multinomial(1, generator=self.generator))


def pieces(draws: Sequence[Draw], logits: Tensor) -> list[Piece | NotFinite]:
    """The next token of each of `n` answers, from logits `[n, v]`."""
    best, sound = logits.argmax(-1).tolist(), logits.amax(-1).isfinite().tolist()
    found: list[Piece | NotFinite] = []
    for draw, row, likeliest, fine in zip(draws, logits, best, sound, strict=True):
        if not fine:
            found.append(NotFinite())
        else:
            token = draw.token(row) if draw.temperature else likeliest
            found.append(Piece(token) if draw.top is None else scored(row, token, draw.top))
    return found


def scored(logits: Tensor, token: int, top: int) -> Piece:
    """A token with its log-probability under logits `[v]`, and the `top` likeliest."""
    logprobs = logits.float().log_softmax(-1)
    best = logprobs.topk(min(top, len(logprobs)))
    likeliest = tuple(zip(best.indices.tolist(), best.values.tolist(), strict=True))
    return Piece(token, float(logprobs[token]), likeliest)
