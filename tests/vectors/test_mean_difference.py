"""The mean difference finds a planted direction, and its gap is the distance of the means."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from steer_vectors.capture import Moments
from steer_vectors.errors import ContrastError
from steer_vectors.estimators.mean_difference import mean_difference


def _moments(samples: Tensor) -> Moments:
    return Moments(len(samples), samples.mean(0), samples.var(0, correction=0))


def _planted(seed: int, gap: float, count: int = 4000) -> tuple[Tensor, Tensor, Tensor]:
    """Two clouds around a large common offset, `gap` standard deviations apart along a hidden direction."""
    generator = torch.Generator().manual_seed(seed)

    def draw(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    direction = nn.functional.normalize(draw(2, 3, 16), dim=-1)
    offset = 50 * draw(2, 3, 16)
    negative = offset + draw(count, 2, 3, 16)
    positive = offset + draw(count, 2, 3, 16) + gap * direction
    return direction, positive, negative


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 10_000), gap=st.floats(1.0, 20.0))
def test_a_planted_direction_is_found(seed: int, gap: float) -> None:
    direction, positive, negative = _planted(seed, gap)
    estimate = mean_difference(_moments(positive), _moments(negative))
    assert float((estimate.unit * direction).sum(-1).min()) >= 0.99
    torch.testing.assert_close(estimate.unit.norm(dim=-1), torch.ones(2, 3, dtype=torch.float64))
    gaps = estimate.positive - estimate.negative
    torch.testing.assert_close(gaps, torch.full_like(gaps, gap), rtol=0.1, atol=0.2)
    torch.testing.assert_close(estimate.positive_std, torch.ones_like(gaps), rtol=0.1, atol=0.0)


def test_means_along_it_are_those_of_the_projections() -> None:
    _, positive, negative = _planted(1, 3.0, 100)
    estimate = mean_difference(_moments(positive), _moments(negative))
    torch.testing.assert_close(estimate.positive, (positive * estimate.unit).sum(-1).mean(0))
    torch.testing.assert_close(estimate.negative, (negative * estimate.unit).sum(-1).mean(0))


def test_swapping_the_classes_turns_it_round() -> None:
    _, positive, negative = _planted(2, 3.0, 100)
    forth = mean_difference(_moments(positive), _moments(negative))
    back = mean_difference(_moments(negative), _moments(positive))
    torch.testing.assert_close(back.unit, -forth.unit)
    torch.testing.assert_close(back.positive - back.negative, forth.positive - forth.negative)


@pytest.mark.parametrize("value", [0.0, float("nan"), float("inf")])
def test_classes_that_cannot_be_told_apart(value: float) -> None:
    zeros = torch.zeros(3, 1, 2, 4, dtype=torch.float64)
    with pytest.raises(ContrastError, match="equal or not finite"):
        mean_difference(_moments(zeros + value), _moments(zeros))
