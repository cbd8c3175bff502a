"""Selection measures causes: judged on a tiny model that was taught to refuse, and as pure arithmetic."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from steer_vectors.capture import batches, capture
from steer_vectors.chat import post_instruction, prompt_ids
from steer_vectors.contrast import ContrastSet
from steer_vectors.estimators.mean_difference import Estimate, mean_difference
from steer_vectors.models import ChatModel
from steer_vectors.selection import (
    KL_BOUND,
    SelectionScore,
    choose,
    first_token,
    refusal_score,
    refusal_tokens,
    select,
    selection_work,
    separate,
)

FAMILIES = ("tiny_llama", "tiny_gpt2")


def _estimate(model: ChatModel, contrast: ContrastSet) -> tuple[Estimate, list[int]]:
    positions = list(range(-post_instruction(model.tokenizer), 0))
    moments = [
        capture(model, contrast.select(label, "train"), positions) for label in ("positive", "negative")
    ]
    return mean_difference(*moments), positions


def test_on_a_model_that_refuses(refusing_llama: ChatModel, refusal_set: ContrastSet) -> None:
    seen: list[tuple[int, int]] = []
    estimate, positions = _estimate(refusing_llama, refusal_set)
    result = select(
        refusing_llama,
        refusal_set,
        estimate,
        positions,
        progress=lambda *step: seen.append(step),
        batch_tokens=512,
    )
    said = [refusing_llama.tokenizer.decode([token]) for token in result.tokens]
    assert said == ["I"]
    by_layer, by_position = result.scores[:4], result.scores[4:]
    assert [score.layer for score in by_layer] == [0, 1, 2, 3]  # the last fifth of five layers is left out
    (best,) = {score.layer for score in by_position}
    tried = {score.position for score in by_position} | {by_layer[best].position}
    assert tried == set(positions)
    assert result.best == max(result.scores, key=lambda score: score.passed * (score.added + score.ablated))
    assert result.best.added > 2  # log-odds
    assert result.best.ablated > 1
    assert result.best.separation > 2
    work = selection_work(refusing_llama, refusal_set, positions)
    assert seen[-1] == (work, work)


def test_a_direction_turned_round_does_not_pass(refusing_llama: ChatModel, refusal_set: ContrastSet) -> None:
    estimate, positions = _estimate(refusing_llama, refusal_set)
    turned = estimate._replace(unit=-estimate.unit)
    result = select(refusing_llama, refusal_set, turned, positions, layer=3)
    assert result.best.added < 0
    assert not result.best.passed
    assert result.warning


def test_at_most_so_many_prompts(refusing_llama: ChatModel, refusal_set: ContrastSet) -> None:
    estimate, positions = _estimate(refusing_llama, refusal_set)
    seen: list[tuple[int, int]] = []
    select(
        refusing_llama,
        refusal_set,
        estimate,
        positions,
        layer=2,
        max_prompts=4,
        progress=lambda *step: seen.append(step),
    )
    work = 8 + 16 + 12 * len(positions)
    assert seen[-1] == (work, work)


@pytest.mark.parametrize("family", FAMILIES)
def test_first_token_equals_one_by_one(family: str, request: pytest.FixtureRequest) -> None:
    model: ChatModel = request.getfixturevalue(family)
    tokens = [
        prompt_ids(model.tokenizer, text) for text in ("Hi", "Count the words, then sort them.", "red, green")
    ]
    together = first_token(model, tuple(batches(tokens, model.device, 60)), {})
    for row, ids in enumerate(tokens):
        with torch.no_grad():
            alone = model.hf(input_ids=torch.tensor([ids])).logits[0, -1].log_softmax(-1)
        torch.testing.assert_close(together[row], alone, rtol=1e-4, atol=1e-4)


def _hook_count(model: ChatModel) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in model.hf.modules())


def test_first_token_leaves_no_hook(tiny_llama: ChatModel) -> None:
    before = _hook_count(tiny_llama)
    tokens = [prompt_ids(tiny_llama.tokenizer, "Hi")]
    first_token(tiny_llama, tuple(batches(tokens, tiny_llama.device)), {0: lambda hidden: hidden.zero_()})
    assert _hook_count(tiny_llama) == before


def test_tokens_with_a_margin_else_the_top_five() -> None:
    negative = torch.full((4, 10), 0.1)
    positive = negative.clone()
    positive[:, 3], positive[:, 7], positive[:, 0] = 0.15, 0.119, 0.031
    assert refusal_tokens(positive.log(), negative.log()) == ((3,), "")
    fallback = refusal_tokens(negative.log(), negative.log())
    assert len(fallback.ids) == 5
    assert "weak tokens" in fallback.warning


@settings(deadline=None)
@given(mass=st.floats(0.001, 0.999))
def test_refusal_score_is_log_odds(mass: float) -> None:
    log_probs = torch.tensor([[mass / 2, mass / 2, 1 - mass]], dtype=torch.float64).log()
    assert refusal_score(log_probs, [0, 1]) == pytest.approx(math.log(mass / (1 - mass)), abs=1e-4)


def test_refusal_score_is_bounded() -> None:
    sure = torch.tensor([[0.0, -math.inf]])
    assert refusal_score(sure, [0]) == pytest.approx(math.log(1e8), rel=1e-3)
    assert refusal_score(sure, [1]) == pytest.approx(-math.log(1e8), rel=1e-3)


def test_separation_is_cohens_d() -> None:
    generator = torch.Generator().manual_seed(0)
    samples = torch.randn(20_000, 1, 2, generator=generator, dtype=torch.float64)
    separation = separate(samples[:10_000] + torch.tensor([1.0, 3.0]), samples[10_000:])
    torch.testing.assert_close(separation.d[0], torch.tensor([1.0, 3.0]).double(), rtol=0.1, atol=0.0)


_FINITE = st.floats(-20, 20)


@st.composite
def _scores(draw: st.DrawFn) -> list[SelectionScore]:
    rows = draw(st.lists(st.tuples(_FINITE, _FINITE, st.floats(0, 1)), min_size=1, max_size=8))
    return [
        SelectionScore(layer, -1, 1.0, added, ablated, kl, added > 0 and kl <= KL_BOUND)
        for layer, (added, ablated, kl) in enumerate(rows)
    ]


@given(_scores())
def test_the_choice(scores: list[SelectionScore]) -> None:
    best, warning = choose(scores)
    assert best in scores
    passing = [score for score in scores if score.passed]
    assert best.passed == bool(passing)
    assert bool(warning) == (not passing)
    assert "\n" not in warning
    if passing:
        assert all(best.added + best.ablated >= score.added + score.ablated for score in passing)
    else:
        # No stronger one is less harmful, and it is of the less harmful half.
        assert sum(score.kl < best.kl for score in scores) < (len(scores) + 1) // 2
        gentler = [score for score in scores if score.kl < best.kl]
        assert all(best.added + best.ablated >= score.added + score.ablated for score in gentler)
