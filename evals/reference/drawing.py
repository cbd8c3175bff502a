"""How the sets draw from the word lists: each in its turn, none twice, of every category so many for validation. No rows of its own."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from random import Random
from typing import Any

import grammar as g
import words as w


def splits() -> Callable[[str, str], str]:
    """The split of a category's cluster: of every category each fourth cluster is for validation."""
    found, met = dict[str, str](), Counter[str]()

    def split(category: str, cluster: str) -> str:
        if cluster not in found:
            met[category] += 1
            found[cluster] = "validation" if met[category] % 4 == 0 else "train"
        return found[cluster]

    return split


def forms(rng: Random) -> Iterator[str]:
    return in_turn(w.FORMS, rng)


def in_turn(items: list[str], rng: Random) -> Iterator[str]:
    """In a random order, each used once before any is used again."""
    while True:
        yield from rng.sample(items, len(items))


def unique(make: Any, n: int, rng: Random, seen: set[str]) -> list[g.Sample]:
    """Up to `n` samples with distinct prompts; small families (twelve months, say) run out earlier."""
    found: list[g.Sample] = []
    for _ in range(40 * n):
        if len(found) == n:
            break
        sample = make(rng, "suite")
        key = json.dumps(sample.turns)
        if key not in seen:
            seen.add(key)
            found.append(sample)
    return found
