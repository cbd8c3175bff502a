"""Selection measures causes: judged on a tiny model that was taught to refuse, and as pure arithmetic."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import mannwhitneyu

from steer_vectors.capture import batches, capture
from steer_vectors.chat import post_instruction, prompt_ids
from steer_vectors.contrast import ContrastSet
from steer_vectors.errors import ContrastError
from steer_vectors.estimate import Estimate, estimate
from steer_vectors.first_token import first_token
from steer_vectors.models import ChatModel
from steer_vectors.selection import KL_BOUND, By, _repeats, choose, select, selection_work, separate
from steer_vectors.trials import Effect, refusal_scores, refusal_tokens

FAMILIES = ("tiny_llama", "tiny_gpt2")


def _estimate(model: ChatModel, contrast: ContrastSet) -> tuple[Estimate, list[int]]:
    positions = list(range(-post_instruction(model.tokenizer), 0))
    moments = [
        capture(model, contrast.select(label, "train"), positions) for label in ("positive", "negative")
    ]
    return estimate("mean_difference", *moments), positions


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
    assert float(refusal_scores(log_probs, [0, 1])) == pytest.approx(math.log(mass / (1 - mass)), abs=1e-4)


def test_refusal_score_is_bounded() -> None:
    sure = torch.tensor([[0.0, -math.inf]])
    assert float(refusal_scores(sure, [0])) == pytest.approx(math.log(1e8), rel=1e-3)
    assert float(refusal_scores(sure, [1])) == pytest.approx(-math.log(1e8), rel=1e-3)


def test_separation_is_cohens_d() -> None:
    generator = torch.Generator().manual_seed(0)
    samples = torch.randn(4_000, 1, 2, generator=generator, dtype=torch.float64)
    separation = separate(samples[:2_000] + torch.tensor([1.0, 3.0]), samples[2_000:])
    torch.testing.assert_close(separation.d[0], torch.tensor([1.0, 3.0]).double(), rtol=0.1, atol=0.0)


@pytest.mark.parametrize("noise", [0.0, 1e-15])
def test_no_spread_is_no_separation(noise: float) -> None:
    """One prompt of each class, or projections that differ by rounding alone."""
    rows = torch.tensor([0.0, noise, -noise], dtype=torch.float64)[:, None, None]
    for count in (1, 3):
        found = separate(5 + rows[:count], -5 + rows[:count])
        assert (float(found.d), float(found.auc)) == (0.0, 1.0)


def test_few_held_out_prompts_are_said(refusing_llama: ChatModel, refusal_set: ContrastSet) -> None:
    found, positions = _estimate(refusing_llama, refusal_set)
    for by in ("causal", "auc"):
        few = select(refusing_llama, refusal_set, found, positions, by=by, layer=2, max_prompts=7)
        some = select(refusing_llama, refusal_set, found, positions, by=by, layer=2, max_prompts=8)
        assert "fewer than 8 held-out prompts of a class (7)" in few.warning
        assert "held-out prompts" not in some.warning


def test_no_layer_to_choose_from_is_one_line(refusing_llama: ChatModel, refusal_set: ContrastSet) -> None:
    found, positions = _estimate(refusing_llama, refusal_set)
    found.unit[:, :4] = 0
    with pytest.raises(ContrastError, match="no direction at any layer that may be chosen"):
        select(refusing_llama, refusal_set, found, positions, by="auc")


def test_auc_is_scipys() -> None:
    generator = torch.Generator().manual_seed(0)
    positive = torch.randint(0, 6, (30, 1, 2), generator=generator).double()
    negative = torch.randint(0, 5, (40, 1, 2), generator=generator).double()
    found = separate(positive, negative).auc[0]
    for layer in range(2):
        statistic = mannwhitneyu(positive[:, 0, layer], negative[:, 0, layer]).statistic
        assert float(found[layer]) == pytest.approx(statistic / (30 * 40))


_FINITE = st.floats(-20, 20)
_EFFECTS = st.lists(st.tuples(_FINITE, _FINITE, st.floats(0, 1)), min_size=1, max_size=8)


@given(_EFFECTS)
def test_the_choice(effects: list[tuple[float, float, float]]) -> None:
    best, passed = choose(effects)
    sums = [added + ablated for added, ablated, _ in effects]
    kls = [kl for _, _, kl in effects]
    passing = [n for n, (added, ablated, kl) in enumerate(effects) if added > 0 and ablated > 0 and kl <= KL_BOUND]  # fmt: skip
    assert passed == bool(passing) == (best in passing)
    if passing:
        assert all(sums[best] >= sums[n] for n in passing)
    else:
        # No stronger one is less harmful, and it is of the less harmful half.
        assert sum(kl < kls[best] for kl in kls) < (len(kls) + 1) // 2
        assert all(sums[best] >= sums[n] for n, kl in enumerate(kls) if kl < kls[best])


def test_without_kl_the_strongest_of_all_is_chosen() -> None:
    assert choose([(-1.0, strength, None) for strength in (1.0, 2.0, 5.0, 9.0)]) == (3, False)


@pytest.mark.parametrize("by", ["cosmic", "auc"])
def test_other_ways_find_a_site_that_works(
    refusing_llama: ChatModel, refusal_set: ContrastSet, by: By
) -> None:
    found, positions = _estimate(refusing_llama, refusal_set)
    seen: list[tuple[int, int]] = []
    result = select(
        refusing_llama, refusal_set, found, positions, by=by, progress=lambda *step: seen.append(step)
    )
    work = selection_work(refusing_llama, refusal_set, positions, by=by)
    assert seen[-1] == (work, work)
    causal = select(refusing_llama, refusal_set, found, positions, exhaustive=True)
    (same,) = [s for s in causal.scores if (s.layer, s.position) == (result.best.layer, result.best.position)]
    assert same.added is not None
    assert same.added > 1  # log-odds, though no token was looked at
    assert 0 <= result.repeats <= 1
    assert (result.best.kl, result.tokens) == (None, ())


def test_everything_is_tried_if_asked_for(refusing_llama: ChatModel, refusal_set: ContrastSet) -> None:
    found, positions = _estimate(refusing_llama, refusal_set)
    some = select(refusing_llama, refusal_set, found, positions)
    every = select(refusing_llama, refusal_set, found, positions, exhaustive=True)
    assert len({(s.layer, s.position) for s in every.scores}) == 4 * len(positions)
    assert set(some.scores) <= set(every.scores)
    effects = [(s.added or 0.0) + (s.ablated or 0.0) for s in every.scores if s.passed]
    assert (every.best.added or 0.0) + (every.best.ablated or 0.0) == max(effects)


def test_the_choice_repeats_where_one_layer_is_far_better(
    refusing_llama: ChatModel, refusal_set: ContrastSet
) -> None:
    found, positions = _estimate(refusing_llama, refusal_set)
    assert select(refusing_llama, refusal_set, found, positions, layer=2).repeats == 1.0
    draw = torch.Generator().manual_seed(0)
    noise = Effect(torch.randn(32, generator=draw), torch.randn(32, generator=draw), None)
    strong = Effect(noise.added + 5, noise.ablated + 5, None)
    other = Effect(torch.randn(32, generator=draw), torch.randn(32, generator=draw), None)
    assert _repeats([noise, strong], [0, 1], 1) == 1.0
    assert 0.02 < _repeats([noise, other], [0, 1], 1) < 0.98
