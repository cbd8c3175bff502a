"""Times steered generation beside plain generation on a live model: correctness first, then ratios. Judges nothing.

Every round generates with all arrangements at once, on copies of the model that share its weights: a token of the one, the
same token of the next, so that the machine's moods hit them alike. A ratio is the median of those of neighbouring tokens,
over the whole generation and all rounds. Each copy is steered once for a generation, as users do.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from copy import deepcopy
from dataclasses import replace
from itertools import chain
from statistics import median
from typing import Any, NamedTuple

import torch

from steer.apply import Strength, steered
from steer.gates import log_odds
from steer.liveness import check_liveness
from steer.plan import ELSE, Edit, Plan, Probe
from steer.recipe import Recipe, compile_plan
from steer_vectors.file import FORMAT, FORMAT_VERSION, METADATA_KEYS, Vector, model_metadata
from steer_vectors.models import ChatModel

_PROMPT_TOKENS = 32
# One prompt token: for more, torch copies the output layer once per row, 15 GB that have nothing to do with steering.
_MANY, _MANY_PROMPT_TOKENS, _MANY_TOKENS = 256, 1, 8


class Timing(NamedTuple):
    """One arrangement beside its baseline.

    Args:
        what: Name, such as "add at every layer / plain".
        ratio: Median of its time over the baseline's, over rounds (generation: over tokens of all rounds).
        low: Least of a single round.
        high: Greatest.
        seconds: Median time of a round.
        baseline: The baseline's.
    """

    what: str
    ratio: float
    low: float
    high: float
    seconds: float
    baseline: float


def bench_generate(
    model: ChatModel,
    *,
    rows: int = 8,
    tokens: int = 64,
    repeats: int = 15,
    progress: Callable[[int, int], None] | None = None,
) -> list[Timing]:
    """Time greedy generation: steered at every layer over plain, and 256 strengths over one.

    Args:
        model: A loaded model, not steered.
        rows: Batch; of the second comparison it is 256, of one prompt token.
        tokens: New tokens of each row; of the second comparison 8.
        repeats: Rounds after one that warms up.
        progress: Called as `progress(done, total)`, in rounds.

    Returns:
        `add`, `ablate`, and `256 strengths`.

    Raises:
        LivenessError: An edit that does not move the model; nothing that does nothing is timed.
    """
    vector = _random_vector(model)
    layers = tuple(range(model.layers))
    recipes = {kind: compile_plan(Plan((Edit(kind, vector, layers),)), model) for kind in ("add", "ablate")}
    for recipe in recipes.values():
        check_liveness(model, recipe)
    few, many = _ids(model, rows, _PROMPT_TOKENS), _ids(model, _MANY, _MANY_PROMPT_TOKENS)
    strengths = torch.linspace(0.1, 1, _MANY)
    copies = [_sharing_weights(model) for _ in range(2)]
    runs: dict[str, Callable[[], Iterator[float]]] = {
        "plain": lambda: _tokens(model, few, tokens, None, 0.0),
        "add": lambda: _tokens(copies[0], few, tokens, recipes["add"], 1.0),
        "ablate": lambda: _tokens(copies[1], few, tokens, recipes["ablate"], 1.0),
        "one": lambda: _tokens(copies[0], many, _MANY_TOKENS, recipes["add"], 0.5),
        "many": lambda: _tokens(copies[1], many, _MANY_TOKENS, recipes["add"], strengths),
    }
    kept = _rounds(runs, (("plain", "add", "ablate"), ("one", "many")), repeats, progress)
    return [
        _timing("add at every layer / plain", kept["add"], kept["plain"]),
        _timing("ablate at every layer / plain", kept["ablate"], kept["plain"]),
        _timing(f"{_MANY} strengths / one strength", kept["many"], kept["one"]),
    ]


def bench_gate(
    model: ChatModel,
    *,
    rows: int = 8,
    tokens: int = 64,
    repeats: int = 15,
    progress: Callable[[int, int], None] | None = None,
) -> list[Timing]:
    """Time greedy generation under an adaptive policy over plain: a probe, and a clamp at every later layer on either side.

    Args:
        model: As in `bench_generate`, and so are the others.
        rows: Batch; the probe opens for half of it.
        tokens: New tokens of each row.
        repeats: Rounds after one that warms up.
        progress: Called as `progress(done, total)`, in rounds.

    Returns:
        The whole generation, and the prompt by itself, in which the probe reads.

    Raises:
        LivenessError: As there.
    """
    vector, first = _random_vector(model), model.layers // 3
    ids = _ids(model, rows, _PROMPT_TOKENS)
    layers = tuple(range(first, model.layers))
    edits = (
        Edit("clamp", vector, layers, low=0.0, when="risk"), Edit("clamp", vector, layers, high=0.0, when=ELSE),
    )  # fmt: skip
    gauge = compile_plan(Plan(edits, (Probe("risk", vector, first),)), model).gauges
    middle = float(log_odds(model, gauge, ids.tolist()).median())
    plan = Plan(edits, (Probe("risk", vector, first, offset=-middle),))
    recipe, copy = compile_plan(plan, model), _sharing_weights(model)
    check_liveness(model, recipe)
    runs: dict[str, Callable[[], Iterator[float]]] = {
        "plain": lambda: _tokens(model, ids, tokens, None, 0.0),
        "gated": lambda: _tokens(copy, ids, tokens, recipe, 1.0),
    }
    kept = _rounds(runs, (("plain", "gated"),), repeats, progress)
    prompt = {name: [own[:1] for own in times] for name, times in kept.items()}
    return [
        _timing("adaptive / plain", kept["gated"], kept["plain"]),
        _timing("adaptive / plain, the prompt", prompt["gated"], prompt["plain"]),
    ]


def _rounds(
    runs: Mapping[str, Callable[[], Iterator[float]]],
    groups: Sequence[tuple[str, ...]],
    repeats: int,
    progress: Callable[[int, int], None] | None,
) -> dict[str, list[Sequence[float]]]:
    """Seconds of every token of every round, by name: those of a group take turns, a token of one, a token of the next."""
    found: dict[str, list[Sequence[float]]] = {name: [] for name in runs}
    for turn in range(repeats + 1):
        for group in groups:
            shift = turn % len(group)
            order = group[shift:] + group[:shift]
            taken = zip(*(runs[name]() for name in order), strict=True)  # a token of one, a token of the next
            for name, seconds in zip(order, zip(*taken, strict=True), strict=True):
                found[name].append(seconds)
        if progress is not None:
            progress(turn + 1, repeats + 1)
    return {name: times[1:] for name, times in found.items()}  # the first round warms up


def _timing(what: str, ours: list[Sequence[float]], baseline: list[Sequence[float]]) -> Timing:
    rounds = [
        [own / base for own, base in zip(mine, theirs, strict=True)]
        for mine, theirs in zip(ours, baseline, strict=True)
    ]
    ratio, by_round = median(chain(*rounds)), [median(ratios) for ratios in rounds]
    seconds, base = (median(map(sum, times)) for times in (ours, baseline))
    return Timing(what, ratio, min(by_round), max(by_round), seconds, base)


def _sharing_weights(model: ChatModel) -> ChatModel:
    """Another model object with the same tensors, so that it can be steered while the first is not."""
    weights = {id(tensor): tensor for tensor in chain(model.hf.parameters(), model.hf.buffers())}
    return replace(model, hf=deepcopy(model.hf, weights))


def _tokens(
    model: ChatModel, ids: torch.Tensor, tokens: int, recipe: Recipe | None, strength: Strength
) -> Iterator[float]:
    """Seconds of each token of one greedy generation; the first is that of the prompt."""
    hf: Any = model.hf
    cache = None
    with ExitStack() as steering:
        if recipe is not None:
            steering.enter_context(steered(model, recipe, strength))
        for _ in range(tokens):
            begun = time.perf_counter()
            with torch.no_grad():
                out = hf(input_ids=ids, past_key_values=cache, use_cache=True, logits_to_keep=1)
                ids, cache = out.logits[:, -1:].argmax(-1), out.past_key_values
            if model.device.type == "cuda":
                torch.cuda.synchronize()
            yield time.perf_counter() - begun


def _ids(model: ChatModel, rows: int, length: int) -> torch.Tensor:
    """Any tokens do: only their number costs time."""
    draw = torch.Generator().manual_seed(0)
    top = min(1000, len(model.tokenizer))
    return torch.randint(top // 2, top, (rows, length), generator=draw).to(model.device)


def _random_vector(model: ChatModel) -> Vector:
    """A direction at every layer that nobody extracted; a small gap, so that the numbers stay ordinary."""
    draw = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(model.layers, model.width, generator=draw), dim=-1)
    return benchmark_vector(model, directions, torch.full((model.layers,), 0.05), torch.zeros(model.layers))


def benchmark_vector(
    model: ChatModel, directions: torch.Tensor, positive: torch.Tensor, negative: torch.Tensor
) -> Vector:
    """A vector that nobody selected or checked: for timing only. Shapes as in `Vector`."""
    own = {
        "format": FORMAT, "format_version": FORMAT_VERSION, "concept": "benchmark", "point": "resid_post", "layer": "0",
        "position": "-1", "scores": "{}",
    }  # fmt: skip
    meta = dict.fromkeys(METADATA_KEYS, "") | model_metadata(model) | own
    return Vector(directions, positive, negative, meta)
