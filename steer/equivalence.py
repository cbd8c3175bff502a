"""Does one policy give the same logits in every runtime? Same prompts, same strengths, compared with transformers.

Knows no runtime: each is a file of its own under `steer/hosts` or `steer/plugins`.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from itertools import takewhile
from time import perf_counter
from typing import Any, Literal, NamedTuple, Protocol

import torch
from torch import Tensor

from steer.errors import LivenessError, PlanError
from steer_vectors.errors import MismatchError, ModelError

EXACT = 1e-4  # nats, in float32, where nothing is quantised or fused
FUSED = 1e-3  # where a runtime has kernels of its own
_CHUNK = 32  # answers that a runtime is asked for at once
_PROOF = 10.0  # times the tolerance: less than that, and the policy might as well not be there

Strengths = Mapping[str, float]
Verdict = Literal["agrees", "differs", "refuses", "absent"]


class Said(NamedTuple):
    """What a runtime answers to one prompt at one setting of the dials.

    Args:
        logprobs: `[v]` float32, log-probabilities of the answer's first token (natural logarithm).
        tokens: The answer's tokens, greedy; without the token that ends it.
    """

    logprobs: Tensor
    tokens: tuple[int, ...]


class Runtime(Protocol):
    """A model with a policy, somewhere."""

    @property
    def name(self) -> str:
        """Short: `transformers`, `transformer_lens`, `nnsight`, `vllm`, `llama_cpp`."""

    def say(self, prompts: Sequence[Sequence[int]], strengths: Sequence[Strengths], most: int) -> list[Said]:
        """Answers of at most `most` tokens to `n` prompts' tokens, each at its own strengths of all dials."""


class Reference(Runtime, Protocol):
    """The runtime that the others are compared with."""

    def lead(
        self,
        prompt: Sequence[int],
        strengths: Strengths,
        answer: Sequence[int],
        one: int | None,
        other: int | None,
    ) -> float:
        """By how much the logit of one token is above that of another, after an answer has begun so; None = it ends."""


class Candidate(NamedTuple):
    """A runtime that may be compared.

    Args:
        name: As in `Runtime`.
        make: Builds it; raises PlanError, ModelError or MismatchError where it cannot express the policy or run the model.
        tolerance: Largest difference of a log-probability, in nats.
        absent: Why it is not here and how to get it, in one line; "" = it is here. See `lacking`.
    """

    name: str
    make: Callable[[], Runtime]
    tolerance: float = EXACT
    absent: str = ""


def lacking(package: str, install: str) -> str:
    """How to install a package, if it is not there."""
    return "" if importlib.util.find_spec(package) is not None else install


class Compared(NamedTuple):
    """One runtime beside the reference. What was not measured is None.

    Args:
        runtime: Its name.
        verdict: "agrees" within the tolerance and in all tokens but for ties, "differs", "refuses" or "absent".
        tolerance: In nats.
        difference: The largest |delta log-probability| of the answer's first token, over the vocabulary and all rows.
        unsteered: The same over rows with all dials at 0.
        answers: Share of answers of which all tokens are equal.
        tokens: Share of the reference's tokens that come before the first difference.
        ties: Answers that part where the reference's own two logits are no further apart than twice the tolerance, so that
            rounding decides.
        seconds: To answer, without loading.
        line: Why: of a refusal, an absence or a difference.
    """

    runtime: str
    verdict: Verdict
    tolerance: float
    difference: float | None = None
    unsteered: float | None = None
    answers: float | None = None
    tokens: float | None = None
    ties: int = 0
    seconds: float | None = None
    line: str = ""


class Verified(NamedTuple):
    """What was compared, and how it came out.

    Args:
        rows: One for each candidate.
        moved: Largest |delta log-probability| of the first token that the policy makes in the reference.
        changed: Share of the reference's steered answers that have other tokens than its plain ones.
        prompts: How many.
        strengths: The settings, each of all dials.
        most: Tokens of an answer, at most.
    """

    rows: tuple[Compared, ...]
    moved: float
    changed: float
    prompts: int
    strengths: tuple[dict[str, float], ...]
    most: int

    @property
    def agrees(self) -> bool:
        """Whether no runtime that was there and took the policy differs."""
        return all(row.verdict != "differs" for row in self.rows)


class _Ask(NamedTuple):
    prompt: tuple[int, ...]
    strengths: Strengths

    @property
    def plain(self) -> bool:
        return not any(self.strengths.values())


def verify(
    candidates: Sequence[Candidate],
    reference: Reference,
    prompts: Sequence[Sequence[int]],
    strengths: Sequence[Strengths],
    most: int = 32,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Verified:
    """Ask every runtime every prompt at every setting, and compare with the reference, asked one row at a time.

    Args:
        candidates: Built one after the other.
        reference: A plain, unbatched one.
        prompts: Token ids.
        strengths: Settings, each of all dials of the policy. Rows with all at 0 are compared too if one of them is that.
        most: Tokens of an answer.
        progress: Called as `progress(done, total)`, in answers.

    Raises:
        LivenessError: A policy that does not move the reference by much more than the tolerances: agreement would prove
            nothing.
        PlanError: No prompt, or no setting with a strength that is not 0.
    """
    asks = [_Ask(tuple(prompt), own) for prompt in prompts for own in strengths]
    if all(ask.plain for ask in asks):
        raise PlanError(
            f"{len(prompts)} prompts at {len(strengths)} settings without a strength",
            "a prompt, and a setting with a strength that is not 0",
            "turn a dial",
        )
    rest = [_Ask(tuple(prompt), dict.fromkeys(strengths[0], 0.0)) for prompt in prompts]
    here = sum(not candidate.absent for candidate in candidates)
    clock = _Clock(progress, len(rest) + len(asks) * (1 + here))
    plain = dict(zip([ask.prompt for ask in rest], clock.ask(reference, rest, most, 1), strict=True))
    truth = clock.ask(reference, asks, most, 1)
    moved, changed = _effect(asks, truth, plain)
    needed = _PROOF * max((own.tolerance for own in candidates), default=EXACT)
    if not (moved > needed or changed > 0):
        raise LivenessError(
            f"a policy that moves the reference by {moved:.1e}",
            f"more than {needed:.0e}, or other answers, for else agreement proves nothing",
            "turn the dials further, or ask other prompts",
        )
    rows = [_compared(candidate, reference, asks, truth, most, clock) for candidate in candidates]
    settings = tuple(dict(own) for own in strengths)
    return Verified(tuple(rows), moved, changed, len(prompts), settings, most)


class _Clock:
    """Asks in chunks and counts."""

    def __init__(self, progress: Callable[[int, int], None] | None, total: int) -> None:
        self._progress, self._total, self._done = progress, total, 0

    def ask(self, runtime: Runtime, asks: Sequence[_Ask], most: int, at_once: int) -> list[Said]:
        said: list[Said] = []
        for at in range(0, len(asks), at_once):
            some = asks[at : at + at_once]
            said += runtime.say([ask.prompt for ask in some], [ask.strengths for ask in some], most)
            self._done += len(some)
            if self._progress is not None:
                self._progress(self._done, self._total)
        return said


def _effect(
    asks: Sequence[_Ask], truth: Sequence[Said], plain: Mapping[tuple[int, ...], Said]
) -> tuple[float, float]:
    pairs = [(said, plain[ask.prompt]) for ask, said in zip(asks, truth, strict=True) if not ask.plain]
    moved = max(_far(one.logprobs, other.logprobs) for one, other in pairs)
    return moved, sum(one.tokens != other.tokens for one, other in pairs) / len(pairs)


def _compared(
    candidate: Candidate,
    reference: Reference,
    asks: Sequence[_Ask],
    truth: Sequence[Said],
    most: int,
    clock: _Clock,
) -> Compared:
    found = Compared(candidate.name, "absent", candidate.tolerance)
    if candidate.absent:
        return found._replace(line=candidate.absent)
    try:
        runtime = candidate.make()
        start = perf_counter()
        said = clock.ask(runtime, asks, most, _CHUNK)
        found = found._replace(seconds=perf_counter() - start)
    except (PlanError, ModelError, MismatchError) as error:
        return found._replace(verdict="refuses", line=str(error))
    except LivenessError as error:
        return found._replace(verdict="differs", line=str(error))
    sizes = {len(own.logprobs) for own in (*said, *truth)}
    if len(said) != len(truth) or len(sizes) > 1:
        line = f"{len(said)} answers to {len(truth)} questions, vocabularies of {sorted(sizes)}"
        return found._replace(verdict="differs", line=line)
    return _judged(found, reference, asks, truth, said, most)


def _judged(
    found: Compared,
    reference: Reference,
    asks: Sequence[_Ask],
    truth: Sequence[Said],
    said: Sequence[Said],
    most: int,
) -> Compared:
    far = [_far(one.logprobs, other.logprobs) for one, other in zip(truth, said, strict=True)]
    at_rest = [own for own, ask in zip(far, asks, strict=True) if ask.plain]
    ties, apart, equal, total = 0, 0, 0, 0
    for ask, one, other in zip(asks, truth, said, strict=True):
        right, here = _whole(one, most), _whole(other, most)
        same = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(right, here, strict=False)))
        equal, total = equal + same, total + len(right)
        if right != here:
            apart += 1
            # Neither is the beginning of the other, but where an answer is longer than was asked for.
            pair = (*right, None)[same], (*here, None)[same]
            lead = reference.lead(ask.prompt, ask.strengths, one.tokens[:same], *pair)
            ties += lead <= 2 * found.tolerance
    difference = max(far, key=lambda own: own if own == own else float("inf"))
    agrees = difference <= found.tolerance and apart == ties
    return found._replace(
        verdict="agrees" if agrees else "differs", difference=difference, unsteered=max(at_rest, default=None),
        answers=1 - apart / len(asks), tokens=equal / total, ties=ties,
        line="" if agrees else _why(difference, found.tolerance, apart - ties),
    )  # fmt: skip


def _why(difference: float, tolerance: float, parted: int) -> str:
    first = (
        "" if difference <= tolerance else f"the first token by {difference:.1e}, more than {tolerance:.0e}"
    )
    later = f"{parted} answers part where the reference is sure" if parted else ""
    return "; ".join(filter(None, (first, later)))


def _whole(said: Said, most: int) -> tuple[int | None, ...]:
    """Tokens, and None where the answer ended by itself."""
    return said.tokens if len(said.tokens) >= most else (*said.tokens, None)


def _far(one: Tensor, other: Tensor) -> float:
    """The largest difference; equal infinities are equal, a NaN is far from everything."""
    one, other = one.double().cpu(), other.double().cpu()
    return float(torch.where(one == other, 0.0, (one - other).abs()).max())


def verified_fields(found: Verified) -> dict[str, Any]:
    """As mappings, for JSON; what is not finite is None."""
    rows = [
        {
            key: None if isinstance(own, float) and not math.isfinite(own) else own
            for key, own in row._asdict().items()
        }
        for row in found.rows
    ]
    return found._asdict() | {"rows": rows, "strengths": list(found.strengths), "agrees": found.agrees}
