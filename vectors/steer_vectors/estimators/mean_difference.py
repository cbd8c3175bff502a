"""Mean difference, the direction of most published refusal work.

    d[p, l] = (mu_positive[p, l] - mu_negative[p, l]) / |mu_positive[p, l] - mu_negative[p, l]|

Source: Arditi et al., "Refusal in language models is mediated by a single direction", 2406.11717, section 2.3
(means over prompts of each class, per layer and post-instruction position); the same as CAA (2312.06681) on
unpaired prompts, and as the mass-mean probe without its covariance (2310.06824).
The means along d differ by exactly |mu_positive - mu_negative|: that is the class gap, the unit of strength.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from steer_vectors.capture import Moments
from steer_vectors.errors import ContrastError


class Estimate(NamedTuple):
    """A direction per position and layer, with the two classes along it.

    Args:
        unit: `[p, l, d]` float64 unit vectors.
        positive: `[p, l]` float64, mean projection of the positive class.
        negative: `[p, l]` float64, mean projection of the negative class.
        positive_std: `[p, l]` float64, standard deviation along `unit` if coordinates were uncorrelated
            (running sums keep no covariance); the exact one is measured on held-out prompts in `selection`.
        negative_std: `[p, l]` float64, likewise.
    """

    unit: Tensor
    positive: Tensor
    negative: Tensor
    positive_std: Tensor
    negative_std: Tensor


def mean_difference(positive: Moments, negative: Moments) -> Estimate:
    """Unit difference of the class means at every position and layer.

    Args:
        positive: Moments of the class that shows the concept.
        negative: Moments of the other class, at the same positions and layers.

    Raises:
        ContrastError: The means are equal somewhere, or not finite (activations overflowed).
    """
    difference = positive.mean - negative.mean
    norm = difference.norm(dim=-1, keepdim=True)  # [p, l, 1]
    if not bool((torch.isfinite(norm) & (norm > 0)).all()):
        raise ContrastError(
            "classes whose mean activations are equal or not finite",
            "two classes the model tells apart, in a dtype that holds its activations",
            "check that the classes differ, or load in float32",
        )
    unit = difference / norm
    return Estimate(
        unit,
        (positive.mean * unit).sum(-1),
        (negative.mean * unit).sum(-1),
        _spread(positive, unit),
        _spread(negative, unit),
    )


def _spread(moments: Moments, unit: Tensor) -> Tensor:
    return (moments.var * unit.square()).sum(-1).sqrt()
