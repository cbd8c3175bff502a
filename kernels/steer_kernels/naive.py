"""The equation in plain torch: slow to nobody, and the judge of every faster path. Knows tensors only."""

import math
from typing import Any

import torch
from torch import Tensor

LEAST_LEFT = 1e-6  # of a row's length


def edit_(hidden: Tensor, *arguments: Any) -> None:
    """`edited`, in place."""
    hidden.copy_(edited(hidden, *arguments))


def edited(
    hidden: Tensor,
    read: Tensor,
    write: Tensor,
    terms: Tensor,
    query: Tensor | None,
    threshold: float,
    sharpness: float,
    rotates: bool,
    keep_norm: bool,
    strength: Tensor,
) -> Tensor:
    """`h' = h + W^T (s * g(h) * f(R h))`; a row whose `s * g` are all 0 keeps its bits.

    Arithmetic is float32 whatever the activations are. The arguments are those of a `Table`, checked by `op.edit_`.
    """
    if hidden.device.type != "meta" and torch.is_autocast_enabled(hidden.device.type):
        with torch.autocast(hidden.device.type, enabled=False):
            return edited(
                hidden, read, write, terms, query, threshold, sharpness, rotates, keep_norm, strength
            )
    exact = hidden.float()  # [..., d]
    gate = None if query is None else _gate(exact, query, threshold, sharpness)  # [..., 1]
    scale = strength if gate is None else strength * gate  # [..., k]
    p = exact @ read.T  # [..., k]
    offset, gain, low, high, radial = terms.unbind(-1)
    change = offset + gain * p + (torch.clamp(p, low, high) - p)
    if rotates:
        change = change + radial * _pair_lengths(p)
    moved = exact + (scale * change) @ write
    if keep_norm:
        before, after = _length(exact), _length(moved)
        # Of a row that lies in what was removed only rounding is left, and that is not made long again.
        moved = moved * torch.where(after > LEAST_LEFT * before, before / after, 1.0)
    # Adding 0 is not the identity to the bit: -0.0 + 0.0 is 0.0, and 0 times an infinite activation is NaN.
    touched = (strength != 0).any(-1, keepdim=True)
    if gate is not None:
        touched = touched & (gate != 0)
    return torch.where(touched, moved.to(hidden.dtype), hidden)


def _gate(rows: Tensor, query: Tensor, threshold: float, sharpness: float) -> Tensor:
    cosine = rows @ query / _length(rows).squeeze(-1)
    opened = cosine > threshold if math.isinf(sharpness) else torch.sigmoid(sharpness * (cosine - threshold))
    return opened.to(rows.dtype).unsqueeze(-1)


def _length(rows: Tensor) -> Tensor:
    """`[..., 1]`, above 0; the peak is taken out first, for a square leaves float32 long before its root does."""
    peak = rows.abs().amax(-1, keepdim=True).clamp_min(torch.finfo(torch.float32).tiny)
    unit: Tensor = torch.linalg.vector_norm(rows / peak, dim=-1, keepdim=True)
    return peak * unit.clamp_min(1.0)


def _pair_lengths(p: Tensor) -> Tensor:
    pairs = p.view(*p.shape[:-1], -1, 2)
    return torch.hypot(pairs[..., :1], pairs[..., 1:]).expand_as(pairs).flatten(-2)
