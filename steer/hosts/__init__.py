"""Where a plan is applied, one file each: plain transformers, TransformerLens and nnsight. The edits are those of `steer.apply`.

A host knows how to reach a site and when a forward begins; what is done there, and to which tokens, a `Steering` knows.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from itertools import takewhile

from torch import Tensor


def by_dial(strengths: Sequence[Mapping[str, float]]) -> dict[str, list[float]]:
    """Strengths of `n` rows as `steered` takes them: from each dial to `n` numbers."""
    return {dial: [own[dial] for own in strengths] for dial in strengths[0]}


def answers(rows: Tensor, ends: Iterable[int]) -> list[tuple[int, ...]]:
    """Answers `[n, t]` up to the token that ends each, which is left out."""
    last = set(ends)
    return [tuple(takewhile(lambda token: token not in last, row)) for row in rows.tolist()]
