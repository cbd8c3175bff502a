"""Times a whole curve of answers beside one strength by plain `generate`: the same tokens first, then the ratio.

The baseline is what a script does: transformers' `generate` over the prompts in their order, eight at a time, steered at one
strength. Every round runs it before and after the curve; their mean is the round's unit. The baseline's strengths change
from run to run, and what it says is compared, token for token, with what the curve says there.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from functools import partial
from itertools import chain, islice, takewhile
from statistics import median
from typing import NamedTuple, TypeVar

import torch

from steer.apply import steered
from steer.liveness import check_liveness
from steer.plan import Edit, Plan
from steer.recipe import Recipe, compile_plan
from steer_evals.bench import benchmark_vector
from steer_evals.engine import Row, Written, write
from steer_evals.errors import RunError
from steer_vectors.capture import capture, prompt_of
from steer_vectors.chat import Asked, prompt_ids
from steer_vectors.contrast import load_contrast
from steer_vectors.contrast_rows import LABELS
from steer_vectors.file import Vector
from steer_vectors.greedy import ends, greedy, left_padded
from steer_vectors.models import ChatModel

_Said = TypeVar("_Said")
_BATCH = 8
_TRAIN = 24  # prompts of a class, for the direction


class SweepBench(NamedTuple):
    """What a curve costs.

    Args:
        ratio: Median over rounds of the curve's time over the baseline's.
        low: Least of a round.
        high: Greatest.
        curve_seconds: Median.
        baseline_seconds: Median, of one strength.
        strengths: How many.
        prompts: How many.
        tokens: Most of an answer.
        layer: Of the edit, 0-based; `layers` the model has.
        layers: See there.
        said: Tokens of all answers of the curve.
        distinct: Share of the answers that differ from that of the strength before.
        compared: Answers of the baseline that were compared with the curve's.
        different: Those that differ.
        tied: Those of them that differ from a tie on.
        dtype: Of the weights.
        threads: Of torch.
    """

    ratio: float
    low: float
    high: float
    curve_seconds: float
    baseline_seconds: float
    strengths: int
    prompts: int
    tokens: int
    layer: int
    layers: int
    said: int
    distinct: float
    compared: int
    different: int
    tied: int
    dtype: str
    threads: int


def bench_sweep(
    model: ChatModel,
    *,
    prompts: int = 64,
    strengths: int = 21,
    tokens: int = 48,
    layer: int | None = None,
    repeats: int = 3,
    progress: Callable[[int, int], None] | None = None,
) -> SweepBench:
    """Time `strengths` strengths from -1 to 1 on the same prompts, added to what is generated.

    Args:
        model: A loaded model, not steered.
        prompts: How many, of the built-in contrast set on refusal.
        strengths: How many, 2 or more.
        tokens: Most of an answer.
        layer: Of the edit, 0-based; default the middle one.
        repeats: Rounds.
        progress: Called as `progress(done, total)`, in runs.

    Raises:
        RunError: Answers that differ from the baseline's without a tie: what is wrong is not timed.
        LivenessError: An edit that does not move the model.
    """
    refusal = load_contrast("refusal")
    classes = [refusal.select(label, "train") for label in LABELS]
    at = model.layers // 2 if layer is None else layer
    vector = _vector(model, *(prompts_of[:_TRAIN] for prompts_of in classes))
    recipe = compile_plan(Plan((Edit("add", vector, (at,), "generation"),)), model)
    check_liveness(model, recipe)
    others = chain.from_iterable(zip(*(prompts_of[_TRAIN:] for prompts_of in classes), strict=False))
    asked = [tuple(prompt_ids(model.tokenizer, prompt_of(asked))) for asked in islice(others, prompts)]
    places = torch.linspace(-1, 1, strengths).tolist()
    rows = [Row(ids, place, tokens) for ids in asked for place in places]
    curve, single, ratios = [], [], []
    counts = torch.zeros(3, dtype=torch.int64)
    said: list[Written] = []
    for turn in range(repeats):
        own = [places[0], places[-1]] if turn % 2 else [places[strengths // 2 + 1], places[strengths // 4]]
        first = _timed(model, partial(_plainly, model, recipe, asked, own[0], tokens))
        ours = _timed(model, lambda: sorted(write(model, recipe, rows)))
        second = _timed(model, partial(_plainly, model, recipe, asked, own[1], tokens))
        said = ours[1]
        for place, plain in zip(own, (first[1], second[1]), strict=True):
            counts += _differences(said[places.index(place) :: strengths], plain)
        curve.append(ours[0])
        single.append((first[0] + second[0]) / 2)
        ratios.append(curve[-1] / single[-1])
        if progress is not None:
            progress(turn + 1, repeats)
    compared, different, tied = counts.tolist()
    if different > tied:
        raise RunError(
            f"{different - tied} of {compared} answers that differ from plain generate's without a tie",
            "the same tokens",
            "report it; what is wrong is not timed",
        )
    moved = [a.tokens != b.tokens for a, b in zip(said[1:], said, strict=False) if a.row % strengths]
    return SweepBench(
        median(ratios), min(ratios), max(ratios), median(curve), median(single), strengths, len(asked), tokens, at,
        model.layers, sum(len(w.tokens) for w in said), sum(moved) / len(moved), compared, different, tied,
        str(model.hf.dtype).removeprefix("torch."), torch.get_num_threads(),
    )  # fmt: skip


def _vector(model: ChatModel, positive: Sequence[Asked], negative: Sequence[Asked]) -> Vector:
    """A mean difference that is real, not one that is good: nothing is selected, so it is there in seconds."""
    high, low = (capture(model, prompts, [-1]).mean[0] for prompts in (positive, negative))
    units = torch.nn.functional.normalize(high - low, dim=-1)
    places = ((units * mean).sum(-1).float() for mean in (high, low))
    return benchmark_vector(model, units.float(), *places)


def _plainly(
    model: ChatModel, recipe: Recipe, asked: Sequence[tuple[int, ...]], strength: float, tokens: int
) -> list[list[int]]:
    said: list[list[int]] = []
    stops = set(ends(model))
    with steered(model, recipe, strength):
        for start in range(0, len(asked), _BATCH):
            batch = left_padded(model, asked[start : start + _BATCH])
            said += greedy(model, batch, tokens)[:, batch.ids.shape[1] :].tolist()
    return [list(takewhile(lambda token: token not in stops, row)) for row in said]


def _differences(ours: Sequence[Written], plain: Sequence[list[int]]) -> torch.Tensor:
    """Compared, different, and those of the latter in which the curve met a tie."""
    different = [
        (own, 0 <= own.first_tie <= _parting(own.tokens, other))
        for own, other in zip(ours, plain, strict=True)
        if own.tokens != other
    ]
    return torch.tensor([len(plain), len(different), sum(tied for _, tied in different)])


def _parting(one: Sequence[int], other: Sequence[int]) -> int:
    """The first place at which two answers differ."""
    pairs = zip(one, other, strict=False)
    return next((at for at, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _timed(model: ChatModel, run: Callable[[], list[_Said]]) -> tuple[float, list[_Said]]:
    begun = time.perf_counter()
    found = run()
    if model.device.type == "cuda":
        torch.cuda.synchronize()
    return time.perf_counter() - begun, found
