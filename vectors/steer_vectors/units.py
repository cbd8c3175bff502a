"""How far a strength goes, in three units: class gaps, shares of the residual stream's length, and KL of the next token.

1 gap moves from the mean of the negative class to that of the positive class; 1 norm moves by the mean length of the
activations there; 1 kl is the strength at which the 95th percentile of KL(plain || steered), over the first tokens of
answers to held-out prompts, is 1 nat (iso-KL calibration, as in steering-lite). Strengths are counted in gaps everywhere else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

from steer_kernels import add_table, edit_
from steer_vectors.capture import Progress, prompt_of
from steer_vectors.chat import Asked, prompt_ids
from steer_vectors.contrast import ContrastSet
from steer_vectors.errors import SiteError, VectorFileError
from steer_vectors.evidence import Units, facts
from steer_vectors.file import Vector
from steer_vectors.greedy import greedy, left_padded
from steer_vectors.hooks import on_layers
from steer_vectors.models import ChatModel
from steer_vectors.site import Site

Unit = Literal["gap", "norm", "kl"]
UNITS = ("gap", "norm", "kl")
TOKENS = 20  # of each answer
PROMPTS = 8
QUANTILE = 0.95
LARGEST = 64.0  # gaps; beyond it nothing is looked for
_NATS = 1.0
_CLOSE = 0.02  # of the strength


def convert(vector: Vector, strength: float, given: Unit, wanted: Unit, layer: int | None = None) -> float:
    """The same dose in another unit.

    Args:
        vector: Whose file says what the units are worth.
        strength: In `given`; its sign is kept.
        given: "gap", "norm" or "kl".
        wanted: Likewise. "kl" is not linear in the dose: only 1 kl is exact, other numbers are multiples of that strength.
        layer: For gap and norm; default the vector's. "kl" is known at that one only.

    Raises:
        VectorFileError: The file does not say it: it was imported, or no strength up to 64 gaps reaches 1 nat. Or it
            says something else than units.
        SiteError: No such layer.
    """
    at = vector.layer if layer is None else layer
    if not 0 <= at < vector.layers:
        raise SiteError(f"layer {at}", f"0 to {vector.layers - 1}", "choose a layer of the vector's model")
    return strength * _gaps(vector, given, strength, at) / _gaps(vector, wanted, strength, at)


def _gaps(vector: Vector, unit: Unit, sign: float, layer: int) -> float:
    """How many gaps one unit is."""
    if unit == "gap":
        return 1.0
    known = facts(vector, "units", Units) or Units()
    worth: float | None = None
    if unit == "norm" and known.norm and vector.gap(layer):
        worth = known.norm[layer] / vector.gap(layer)
    elif unit == "kl" and known.kl is not None and layer == vector.layer:
        worth = known.kl.plus if sign >= 0 else known.kl.minus
    if not worth:
        raise VectorFileError(
            f"a vector that does not say what 1 {unit} is at layer {layer}",
            " or ".join(UNITS),
            "use gaps, or extract the vector again at this layer",
        )
    return worth


class KLStrengths(NamedTuple):
    """Strengths in gaps, above 0, at which the KL is 1 nat; None where 64 gaps do not reach it."""

    plus: float | None
    minus: float | None


def kl_strengths(
    model: ChatModel,
    prompts: Sequence[Asked],
    site: Site,
    unit: Tensor,
    gap: float,
    progress: Progress | None = None,
) -> KLStrengths:
    """Find the strengths that change the first tokens of answers by 1 nat, in both senses.

    Args:
        model: Not steered.
        prompts: Ordinary ones, held out; the first 8 count.
        site: Where the direction is added, to every token.
        unit: `[d]`.
        gap: What 1 adds, in activation units.
        progress: Called as `progress(done, 2)`.
    """
    plain = _answers(model, prompts[:PROMPTS])

    def nats(strength: float) -> float:
        return plain.nats({site: _adder(model, unit, gap * strength)})

    found: list[float | None] = []
    for sign in (1.0, -1.0):
        found.append(_root(lambda strength, sign=sign: nats(sign * strength)))  # type: ignore[misc]
        if progress is not None:
            progress(len(found), 2)
    return KLStrengths(*found)


def _root(nats: Callable[[float], float]) -> float | None:
    """Where a function that rises from 0 reaches 1: bounds first, then halves."""
    low, high = 0.0, 1.0
    while nats(high) < _NATS:
        low, high = high, 2 * high
        if high > LARGEST:
            return None
    while high - low > _CLOSE * high:
        middle = (low + high) / 2
        low, high = (middle, high) if nats(middle) < _NATS else (low, middle)
    return round((low + high) / 2, 4)


def with_kl(model: ChatModel, contrast: ContrastSet, vector: Vector) -> Vector:
    """The vector whose file says what 1 nat is along its direction; as it was, if the set holds nothing out."""
    held = contrast.select("negative", "validation")
    if not held:
        return vector
    unit, gap = vector.directions[vector.layer], vector.gap(vector.layer)
    found = kl_strengths(model, held, vector.site, unit, gap)._asdict()
    return replace(vector, meta={**vector.meta, "units": json.dumps({**vector.units, "kl": found})})


class _Answers(NamedTuple):
    """Prompts with the plain model's own answers, padded on the left, and its log-probabilities there."""

    model: ChatModel
    ids: Tensor
    mask: Tensor
    plain: Tensor  # [n, TOKENS, v]

    def nats(self, edits: dict[Site, Callable[[Tensor], None]]) -> float:
        steered = _log_probs(self.model, self.ids, self.mask, edits)
        kl = nn.functional.kl_div(steered, self.plain, log_target=True, reduction="none").sum(-1)
        return float(kl.flatten().nan_to_num(torch.inf).quantile(QUANTILE))


def _answers(model: ChatModel, prompts: Sequence[Asked]) -> _Answers:
    batch = left_padded(model, [prompt_ids(model.tokenizer, prompt_of(prompt)) for prompt in prompts])
    made = greedy(model, batch, TOKENS, least=TOKENS)
    mask = nn.functional.pad(batch.mask, (0, made.shape[1] - batch.mask.shape[1]), value=1)
    return _Answers(model, made, mask, _log_probs(model, made, mask, {}))


@torch.no_grad()
def _log_probs(
    model: ChatModel, ids: Tensor, mask: Tensor, edits: dict[Site, Callable[[Tensor], None]]
) -> Tensor:
    """`[n, TOKENS, v]`, of the tokens of the answer; padding on the left, so they end together."""
    positions = (mask.cumsum(-1) - 1).clamp_min(0)
    with on_layers(model.hf, edits):
        logits = model.hf(
            input_ids=ids, attention_mask=mask, position_ids=positions, use_cache=False, logits_to_keep=TOKENS + 1
        ).logits  # fmt: skip
    found: Tensor = logits[:, -TOKENS - 1 : -1].float().log_softmax(-1)
    return found


def _adder(model: ChatModel, unit: Tensor, length: float) -> Callable[[Tensor], None]:
    table = add_table(unit, length).to(model.device)

    def add(hidden: Tensor) -> None:
        edit_(hidden, table, 1.0)

    return add
