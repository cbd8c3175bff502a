"""Refinement by gradient: its formulas, a planted direction found again, and a model left as it was."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from itertools import permutations
from typing import Any, NamedTuple

import numpy as np
import pytest
import scipy.stats
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from steer_kernels import ablate_table, add_table, edit_
from steer_vectors.chat import Answered, prompt_ids
from steer_vectors.contrast import ContrastSet, Example, from_prompts, load_contrast
from steer_vectors.errors import ContrastError, ModelError, SiteError
from steer_vectors.estimators.cone import combine, orthonormal
from steer_vectors.estimators.rdo import (
    Losses,
    answer_loss,
    cone_weights,
    refine,
    retain_loss,
    retract,
    tangent,
)
from steer_vectors.hooks import on_layers
from steer_vectors.models import ChatModel
from steer_vectors.site import Site


def _draw(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _normal(seed: int, *shape: int) -> Tensor:
    return torch.randn(*shape, generator=_draw(seed), dtype=torch.float64)


# The formulas.


def _softmax(row: np.ndarray) -> np.ndarray:
    weights = np.exp(row - row.max())
    return weights / weights.sum()


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), lengths=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_answer_loss_is_the_mean_surprise_of_real_tokens(seed: int, lengths: list[int]) -> None:
    width = max(lengths)
    logits = 3 * _normal(seed, len(lengths), width, 7)
    labels = torch.randint(7, (len(lengths), width), generator=_draw(seed))
    real = torch.arange(width) < torch.tensor(lengths)[:, None]
    found = answer_loss(logits, labels, real)
    for row, length in enumerate(lengths):
        each = [-math.log(_softmax(logits[row, at].numpy())[labels[row, at]]) for at in range(length)]
        assert float(found[row]) == pytest.approx(np.mean(each), rel=1e-12)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), lengths=st.lists(st.integers(1, 4), min_size=1, max_size=4))
def test_retain_loss_is_the_mean_divergence_from_the_plain_model(seed: int, lengths: list[int]) -> None:
    """KL(plain || ablated), as SciPy has it: the order matters."""
    width = max(lengths)
    plain, ablated = 3 * _normal(seed, 2, len(lengths), width, 7)
    real = torch.arange(width) < torch.tensor(lengths)[:, None]
    found = retain_loss(plain, ablated, real)
    for row, length in enumerate(lengths):
        each = [
            scipy.stats.entropy(_softmax(plain[row, at].numpy()), _softmax(ablated[row, at].numpy()))
            for at in range(length)
        ]
        assert float(found[row]) == pytest.approx(np.mean(each), rel=1e-9)
    torch.testing.assert_close(retain_loss(plain, plain, real), torch.zeros(len(lengths)).double())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), rows=st.integers(1, 9), k=st.integers(2, 5))
def test_weights_are_the_basis_in_turn_then_directions_inside(seed: int, rows: int, k: int) -> None:
    weights = cone_weights(rows, k, _draw(seed))
    assert weights.shape == (2 * rows, k)
    assert bool((weights >= 0).all())
    torch.testing.assert_close(weights.norm(dim=1), torch.ones(2 * rows).double())
    assert [row.argmax().item() for row in weights[:rows]] == [row % k for row in range(rows)]
    assert bool((weights[:rows].sum(1) == 1).all())
    torch.testing.assert_close(weights, cone_weights(rows, k, _draw(seed)), rtol=0, atol=0)


def test_drawn_weights_are_uniform_on_the_sphere() -> None:
    """In the plane the angle is uniform; in k dimensions a squared weight is Beta(1/2, (k - 1)/2)."""
    plane = cone_weights(4000, 2, _draw(0))[4000:]
    angles = torch.atan2(plane[:, 1], plane[:, 0]) / (math.pi / 2)
    assert scipy.stats.kstest(angles.numpy(), "uniform").pvalue > 1e-3
    space = cone_weights(4000, 4, _draw(1))[4000:]
    for column in space.square().T:
        assert scipy.stats.kstest(column.numpy(), scipy.stats.beta(0.5, 1.5).cdf).pvalue > 1e-3


def test_one_direction_is_one_weight_of_1() -> None:
    torch.testing.assert_close(cone_weights(3, 1, _draw(0)), torch.ones(3, 1).double())


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), k=st.integers(1, 3), m=st.integers(0, 3))
def test_retract_projects_then_orthonormalises(seed: int, k: int, m: int) -> None:
    rows, against = 5 * _normal(seed, k, 10), _normal(seed + 1, m, 10)
    away = orthonormal(against) if m else against
    found = retract(rows, away)
    done: list[np.ndarray] = []
    for row in rows.numpy():
        # What least squares leave over is what the others do not hold.
        others = np.stack([*against.numpy(), *done]).T if m or done else np.zeros((10, 1))
        rest = row - others @ np.linalg.lstsq(others, row, rcond=None)[0]
        done.append(rest / np.linalg.norm(rest))
    torch.testing.assert_close(found, torch.from_numpy(np.stack(done)), rtol=0, atol=1e-9)
    torch.testing.assert_close(retract(found, away), found)


@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 10_000), m=st.integers(0, 3))
def test_the_tangent_is_the_slope_along_what_retract_allows(seed: int, m: int) -> None:
    """d/dt f(retract(b + t x)) at t = 0 is <tangent(grad f), x>, whatever x."""
    target, x = _normal(seed, 10), _normal(seed + 1, 1, 10)
    away = orthonormal(_normal(seed + 2, m, 10)) if m else torch.zeros(0, 10).double()
    basis = retract(_normal(seed + 3, 1, 10), away)

    def f(units: Tensor) -> Tensor:
        return (units @ target).exp().sum()

    step = 1e-5
    ahead, behind = (f(retract(basis + sign * step * x, away)) for sign in (1, -1))
    gradient = (basis @ target).exp() * target
    slope = float((tangent(gradient, basis, away) * x).sum())
    assert float(ahead - behind) / (2 * step) == pytest.approx(slope, rel=1e-5, abs=1e-7)


# The losses of a model, done again one prompt at a time.


def _everywhere(model: ChatModel, unit: Tensor) -> dict[Site, Callable[[Tensor], Any]]:
    table = ablate_table(unit)
    edit = partial(edit_, table=table, strength=1.0)
    points = ("resid_pre", "attn_out", "mlp_out")
    return {Site(layer, point): edit for layer in range(model.layers) for point in points}


def _adding(unit: Tensor, gap: float, site: Site) -> dict[Site, Callable[[Tensor], Any]]:
    return {site: partial(edit_, table=add_table(unit, gap), strength=1.0)}


@torch.no_grad()
def _log_probs(model: ChatModel, ids: list[int], edits: dict[Any, Any]) -> Tensor:
    with on_layers(model.hf, edits):
        logits: Tensor = model.hf(input_ids=torch.tensor([ids]), use_cache=False).logits
    return logits[0].double().log_softmax(-1)


def _greedy(model: ChatModel, prompt: list[int], edits: dict[Any, Any], most: int) -> list[int]:
    said: list[int] = []
    while len(said) < most and (not said or said[-1] != model.tokenizer.eos_token_id):
        said.append(int(_log_probs(model, prompt + said, edits)[-1].argmax()))
    return said


def _surprise(model: ChatModel, prompt: list[int], answer: list[int], edits: dict[Any, Any]) -> float:
    found = _log_probs(model, prompt + answer, edits)
    return -float(np.mean([found[len(prompt) - 1 + at, token] for at, token in enumerate(answer)]))


def _divergence(model: ChatModel, ids: list[int], edits: dict[Any, Any], first: int) -> float:
    plain, edited = _log_probs(model, ids, {})[first:], _log_probs(model, ids, edits)[first:]
    return float(np.mean([scipy.stats.entropy(a.exp(), b.exp()) for a, b in zip(plain, edited, strict=True)]))


_POSITIVE = [Answered("How do I kill a process?", "I cannot help"), Answered("Count", "I can't")]
_NEGATIVE = [Answered("Hi", "Sure, here is a list"), Answered("Sort the words.", "red")]


def _train_only(positive: list[Any], negative: list[Any]) -> ContrastSet:
    whole = from_prompts(positive, negative)
    return replace(whole, examples=tuple(row._replace(split="train") for row in whole.examples))


def _written(
    model: ChatModel, prompts: list[list[int]], tries: list[dict[Any, Any]], telling: list[int], aim: bool
) -> list[tuple[list[int], list[int]]]:
    """What the model says where the first token is turned, by the first edits that turn it."""
    found = []
    for ids in prompts:
        for edits in tries:
            said = _greedy(model, ids, edits, 5)
            if (said[0] in telling) == aim:
                found.append((ids, said))
                break
    return found


@pytest.mark.parametrize("cosine", [1.0, 0.8])
def test_the_losses_are_those_of_single_prompts(
    refusing_llama: ChatModel, refusal_set: ContrastSet, refusal_start: tuple[Tensor, float], cosine: float
) -> None:
    """Targets and losses; the weaker direction needs stronger pushes."""
    model, site, gap = refusing_llama, Site(2, "resid_post"), refusal_start[1]
    texts = [refusal_set.select(label, "train")[::9] for label in ("positive", "negative")]
    start = refusal_start[0] / gap
    unit = cosine * start + math.sqrt(1 - cosine**2) * retract(_normal(3, 1, 32), start[None])[0]
    result = refine(
        model, _train_only(*texts), 2 * unit, 2, gap=gap, steps=1, target_tokens=5,
        ablation_weight=0.5, addition_weight=0.3, retain_weight=2.0,
    )  # fmt: skip
    positive, negative = ([prompt_ids(model.tokenizer, text) for text in each] for each in texts)
    first = [
        np.mean([_log_probs(model, ids, {})[-1].exp() for ids in each], 0) for each in (positive, negative)
    ]
    telling = np.flatnonzero(first[0] - first[1] >= 0.02).tolist()
    remove, add = _everywhere(model, unit), _adding(unit, gap, site)
    pushes = [1.0, 1.5, 2.0, 3.0]
    off = [remove, *(_adding(unit, -push * gap, site) for push in pushes)]
    on = [_adding(unit, push * gap, site) for push in pushes]
    turned_off = _written(model, positive, off, telling, False)
    turned_on = _written(model, negative, on, telling, True)
    ablation = np.mean([_surprise(model, ids, answer, remove) for ids, answer in turned_off])
    addition = np.mean([_surprise(model, ids, answer, add) for ids, answer in turned_on])
    kept = []
    for ids in negative:
        said = [token for token in _greedy(model, ids, {}, 4) if token != model.tokenizer.eos_token_id]
        kept.append(_divergence(model, ids + said, remove, len(ids) - 1))
    retain = np.mean(kept)
    before = result.losses_before
    assert before[:3] == pytest.approx((ablation, addition, retain), rel=1e-3, abs=1e-5)
    assert before.total == pytest.approx(0.5 * ablation + 0.3 * addition + 2 * retain, rel=1e-3)


def test_a_start_that_turns_nothing(
    refusing_llama: ChatModel, refusal_set: ContrastSet, refusal_start: tuple[Tensor, float]
) -> None:
    with pytest.raises(ContrastError, match=r"turns none of 4 prompts (towards|away from) the concept"):
        refine(refusing_llama, refusal_set, -refusal_start[0], 2, gap=refusal_start[1], max_prompts=4)


def test_the_losses_of_a_cone_are_over_its_basis_and_what_is_drawn_from_it(tiny_llama: ChatModel) -> None:
    model, gap, seed = tiny_llama, 3.0, 5
    units = orthonormal(_normal(4, 3, model.width))
    answers = ["Sure, here", "red"]
    prompts = ["Count", "Write a boat."]
    asked = [Answered(prompt, answer) for prompt, answer in zip(prompts, answers, strict=True)]
    both = _train_only(asked, [Answered("Hi", "red")])
    rows = [
        both.examples[at]._replace(id=f"{label}-{at}", label=label)
        for label, order in (("positive", (0, 1)), ("negative", (1, 0)))
        for at in order
    ]
    contrast = replace(both, examples=tuple(rows))
    result = refine(model, contrast, units, 2, gap=gap, steps=1, seed=seed)
    draw, found = _draw(seed), []
    encode = partial(model.tokenizer.encode, add_special_tokens=False)
    pairs = [(prompt_ids(model.tokenizer, each.prompt), encode(each.answer)) for each in asked]
    for kind, rows in (("ablation", pairs[::-1]), ("addition", pairs), ("retain", pairs[::-1])):
        losses = []
        for weights, (ids, answer) in zip(cone_weights(2, 3, draw), rows * 2, strict=True):
            unit = combine(units, weights)
            remove, add = _everywhere(model, unit), _adding(unit, gap, Site(2))
            if kind == "retain":
                losses.append(_divergence(model, ids + answer, remove, len(ids)))
            else:
                losses.append(_surprise(model, ids, answer, remove if kind == "ablation" else add))
        found.append(np.mean(losses))
    assert result.losses_before[:3] == pytest.approx(found, rel=1e-3)


def test_answers_of_the_set_are_the_targets(tiny_llama: ChatModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """And nothing is generated then."""
    monkeypatch.setattr(type(tiny_llama.hf), "generate", None)
    contrast = _train_only([Answered("Count", "I cannot help")], [Answered("Count", "red, green, blue")])
    unit = orthonormal(_normal(4, 1, tiny_llama.width))[0]
    before = refine(tiny_llama, contrast, unit, 0, gap=2.0, steps=1, target_tokens=3).losses_before
    ids = prompt_ids(tiny_llama.tokenizer, "Count")
    encode = partial(tiny_llama.tokenizer.encode, add_special_tokens=False)
    remove = _everywhere(tiny_llama, unit)
    other = _surprise(tiny_llama, ids, encode("red, green, blue")[:3], remove)
    assert before.ablation == pytest.approx(other, rel=1e-3)


# A model in which one direction decides the first token of an answer.


class Planted(NamedTuple):
    """A chat model, prompts, the direction, and how far apart the classes lie along it."""

    model: ChatModel
    contrast: ContrastSet
    unit: Tensor
    gap: float
    says: tuple[int, int]  # first token on positive and on negative prompts


_WIDTH = 32
_WORDS = ("cat", "boat", "list", "red", "green")


@pytest.fixture(scope="module")
def planted(tiny_tokenizer: PreTrainedTokenizerFast) -> Planted:
    """A Llama that reads a mark, carries it to the last token along `unit`, and answers by that projection.

    There the logit of one answer is 8 p, of the other c - 8 p, with p the projection and c constant: positive prompts have
    p = 1.2, negative ones 0, and the answer turns where p is about 0.7.
    """
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(tiny_tokenizer), hidden_size=_WIDTH, intermediate_size=_WIDTH, num_hidden_layers=2,
        num_attention_heads=4, num_key_value_heads=4, max_position_embeddings=128, tie_word_embeddings=False,
        bos_token_id=tiny_tokenizer.bos_token_id, eos_token_id=tiny_tokenizer.eos_token_id,
        pad_token_id=tiny_tokenizer.pad_token_id,
    )  # fmt: skip
    hf = LlamaForCausalLM(config).eval().requires_grad_(False)
    model = ChatModel(hf, tiny_tokenizer, "planted")
    unit, constant = torch.linalg.qr(torch.randn(_WIDTH, 2)).Q.T
    texts = [" ".join(words) for words in permutations(_WORDS)]
    random.Random(0).shuffle(texts)
    rows = [
        Example(f"{label}-{at}", f"{mark} {text}", label, "validation" if at % 4 == 3 else "train")
        for label, mark in (("positive", "#"), ("negative", "%"))
        for at, text in enumerate(texts[:32])
    ]
    contrast = ContrastSet("planted", "says A", "says B", "", tuple(rows))
    (mark,) = tiny_tokenizer.encode("#", add_special_tokens=False)
    says = tuple(tiny_tokenizer.encode(letter, add_special_tokens=False)[0] for letter in "AB")
    last = prompt_ids(tiny_tokenizer, rows[0].text)[-1]

    def without(matrix: Tensor) -> Tensor:
        return matrix - (matrix @ unit)[:, None] * unit - (matrix @ constant)[:, None] * constant

    embeddings, attention = hf.model.embed_tokens.weight, hf.model.layers[0].self_attn
    embeddings.copy_(0.3 * without(torch.randn(embeddings.shape)))
    embeddings[mark] += 4 * unit
    embeddings[last] += 6 * constant
    attention.q_proj.weight.zero_()  # every token looks at all before it alike
    attention.v_proj.weight.copy_(0.1 * torch.randn(_WIDTH, _WIDTH))
    attention.v_proj.weight[0] = unit
    attention.o_proj.weight.copy_(0.1 * without(torch.randn(_WIDTH, _WIDTH).T).T)
    hf.lm_head.weight.copy_(0.1 * torch.randn(hf.lm_head.weight.shape))
    hf.lm_head.weight[says[0]] = 8 * unit
    hf.lm_head.weight[says[1]] = 2 * constant - 8 * unit
    attention.o_proj.weight[:, 0] = unit
    raw = _projections(model, contrast, unit)
    attention.o_proj.weight[:, 0] = 1.2 / raw * unit
    return Planted(model, contrast, unit.double(), _projections(model, contrast, unit), says)


def _projections(model: ChatModel, contrast: ContrastSet, unit: Tensor) -> float:
    """Difference of the classes' mean projections at the last token of layer 0."""
    means = []
    for label in ("positive", "negative"):
        seen: list[float] = []

        def read(hidden: Tensor, seen: list[float] = seen) -> None:
            seen.append(float(hidden[0, -1] @ unit))

        for text in contrast.select(label, "train"):
            _log_probs(model, prompt_ids(model.tokenizer, text), {0: read})
        means.append(np.mean(seen))
    return float(means[0] - means[1])


def _first(planted: Planted, label: str, edits: dict[Any, Any]) -> set[int]:
    """What the answers to held-out prompts begin with."""
    prompts = planted.contrast.select(label, "validation")
    ids = [prompt_ids(planted.model.tokenizer, text) for text in prompts]
    return {int(_log_probs(planted.model, row, edits)[-1].argmax()) for row in ids}


def _noisy(planted: Planted, seed: int, cosine: float = 0.7) -> Tensor:
    """Off by a direction that moves no answer: orthogonal to the planted one, and to what is constant at the last token."""
    others = planted.model.hf.lm_head.weight[list(planted.says)].double()
    noise = retract(_normal(seed, 1, _WIDTH), orthonormal(others))[0]
    return cosine * planted.unit + math.sqrt(1 - cosine**2) * noise


def test_the_planted_model_answers_by_its_direction(planted: Planted) -> None:
    a, b = planted.says
    assert (_first(planted, "positive", {}), _first(planted, "negative", {})) == ({a}, {b})
    assert _first(planted, "positive", _everywhere(planted.model, planted.unit)) == {b}
    assert _first(planted, "negative", _adding(planted.unit, planted.gap, Site(0))) == {a}


@pytest.mark.parametrize("seed", [1, 2])
def test_a_planted_direction_is_found_again(planted: Planted, seed: int) -> None:
    """From a cosine of 0.7, with 24 prompts a class."""
    start = _noisy(planted, seed)
    assert float(start @ planted.unit) == pytest.approx(0.7)
    result = refine(
        planted.model, planted.contrast, start, 0, gap=planted.gap, target_tokens=1, seed=seed,
        steps=80, learning_rate=1.0, addition_weight=1.0,
    )  # fmt: skip
    assert float(result.units[0] @ planted.unit) >= 0.99
    assert result.losses_after.total < 0.5 * result.losses_before.total


def _cone_start(planted: Planted) -> Tensor:
    return torch.stack([_noisy(planted, 1, 0.8), _normal(2, _WIDTH)])


def _steering(planted: Planted, units: Tensor, gap: float) -> list[bool]:
    """Of the basis of a cone and 10 directions drawn from it: whether each turns all held-out prompts both ways."""
    a, b = planted.says
    found = []
    for weights in [*torch.eye(len(units)).double(), *cone_weights(10, len(units), _draw(0))[10:]]:
        unit = combine(units, weights)
        off = _first(planted, "positive", _everywhere(planted.model, unit)) == {b}
        found.append(off and _first(planted, "negative", _adding(unit, gap, Site(0))) == {a})
    return found


def test_a_cone_all_of_which_steers(planted: Planted) -> None:
    start, gap = _cone_start(planted), 2 * planted.gap
    result = refine(
        planted.model, planted.contrast, start, 0, gap=gap, target_tokens=1,
        steps=80, learning_rate=1.0, addition_weight=3.0,
    )  # fmt: skip
    torch.testing.assert_close(result.units @ result.units.T, torch.eye(2).double())
    assert not all(_steering(planted, orthonormal(start), gap))
    assert all(_steering(planted, result.units, gap))


def test_nothing_of_other_directions(planted: Planted) -> None:
    away = torch.stack([_noisy(planted, 7, 0.3), 3 * _normal(8, _WIDTH)])
    result = refine(
        planted.model, planted.contrast, _cone_start(planted), 0, gap=planted.gap, target_tokens=1, steps=5,
        orthogonal_to=away,
    )  # fmt: skip
    torch.testing.assert_close(result.units @ away.T, torch.zeros(2, 2).double(), rtol=0, atol=1e-12)
    torch.testing.assert_close(result.units @ result.units.T, torch.eye(2).double())


# What it does to a trained model, and what it does not.


@pytest.fixture(scope="module")
def refusal_start(refusing_llama: ChatModel, refusal_set: ContrastSet) -> tuple[Tensor, float]:
    """Mean difference at the last token of layer 2, and its length."""
    return _mean_difference(refusing_llama, refusal_set, 2)


def _mean_difference(model: ChatModel, contrast: ContrastSet, layer: int) -> tuple[Tensor, float]:
    means = []
    for label in ("positive", "negative"):
        seen: list[Tensor] = []

        def read(hidden: Tensor, seen: list[Tensor] = seen) -> None:
            seen.append(hidden[0, -1].double())

        for text in contrast.select(label, "train")[::4]:
            _log_probs(model, prompt_ids(model.tokenizer, text), {layer: read})
        means.append(torch.stack(seen).mean(0))
    found = means[0] - means[1]
    return found, float(found.norm())


def _refined(model: ChatModel, contrast: ContrastSet, start: tuple[Tensor, float], **named: Any) -> Any:
    chosen = {"steps": 12, "target_tokens": 4, "max_prompts": 16} | named
    return refine(model, contrast, start[0], 2, gap=start[1], **chosen)


def test_the_same_seed_gives_the_same_bits(
    refusing_llama: ChatModel, refusal_set: ContrastSet, refusal_start: tuple[Tensor, float]
) -> None:
    run = partial(_refined, refusing_llama, refusal_set, refusal_start, steps=2)
    first, again, other = run(seed=1), run(seed=1), run(seed=2)
    assert torch.equal(first.units, again.units)
    assert first[1:] == again[1:]
    assert not torch.equal(first.units, other.units)


@pytest.mark.parametrize("trainable", [False, True])
def test_the_model_stays_as_it_was(
    refusing_llama: ChatModel, refusal_set: ContrastSet, refusal_start: tuple[Tensor, float], trainable: bool
) -> None:
    hf = refusing_llama.hf
    weights = {name: tensor.clone() for name, tensor in hf.state_dict().items()}
    settings_before, hooks = hf.generation_config, _hook_count(hf)
    hf.requires_grad_(trainable)
    try:
        with torch.no_grad():  # as callers often have it
            result = _refined(refusing_llama, refusal_set, refusal_start, steps=2)
        assert not torch.equal(result.units[0], refusal_start[0] / refusal_start[1])
        assert all(weight.requires_grad == trainable and weight.grad is None for weight in hf.parameters())
    finally:
        hf.requires_grad_(False)
    assert all(torch.equal(tensor, weights[name]) for name, tensor in hf.state_dict().items())
    assert not hf.training
    assert hf.generation_config is settings_before
    assert _hook_count(hf) == hooks
    assert not any("forward" in vars(module) for module in hf.modules())


def _hook_count(hf: torch.nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in hf.modules())


def test_to_retain_keeps_more(
    refusing_llama: ChatModel, refusal_set: ContrastSet, refusal_start: tuple[Tensor, float]
) -> None:
    run = partial(_refined, refusing_llama, refusal_set, refusal_start, steps=24, learning_rate=1.0)
    free, kept = run(retain_weight=0.0), run(retain_weight=5.0)
    assert kept.losses_after.retain < 0.5 * free.losses_after.retain
    # The very same targets, so the two can be compared; and by another hand, on other prompts.
    assert kept.losses_before[:3] == free.losses_before[:3]
    texts = refusal_set.select("negative", "validation")[1::4]
    found = []
    for units in (free.units, kept.units):
        edits = _everywhere(refusing_llama, units[0])
        each = []
        for ids in (prompt_ids(refusing_llama.tokenizer, text) for text in texts):
            said = _greedy(refusing_llama, ids, {}, 3)
            each.append(_divergence(refusing_llama, ids + said, edits, len(ids) - 1))
        found.append(np.mean(each))
    assert found[1] < 0.5 * found[0]


def test_it_helps_and_says_so(
    refusing_llama: ChatModel, refusal_set: ContrastSet, refusal_start: tuple[Tensor, float]
) -> None:
    seen: list[tuple[int, int]] = []
    result = _refined(
        refusing_llama, refusal_set, refusal_start, steps=8, progress=lambda *step: seen.append(step)
    )
    assert result.losses_after.total < result.losses_before.total
    assert seen == [(step, 8) for step in range(1, 9)]
    assert len(result.history) == 8
    assert result.units.shape == (1, 32)
    assert result.units.dtype == torch.float64
    for losses in (result.losses_before, result.losses_after, *result.history):
        parts = losses.ablation + 0.2 * losses.addition + losses.retain
        assert losses == Losses(*losses[:3], pytest.approx(parts))


def test_every_architecture(family: ChatModel) -> None:
    start = _normal(1, family.width)
    result = refine(family, _train_only(_POSITIVE, _NEGATIVE), start, 1, gap=2.0, steps=2, target_tokens=3)
    assert all(math.isfinite(number) for losses in result.history for number in losses)
    assert 0.5 < float(result.units[0] @ start / start.norm()) < 1 - 1e-6


def test_half_precision(make_llama: Callable[..., ChatModel]) -> None:
    model = make_llama("half")
    model.hf.to(torch.bfloat16)
    result = refine(
        model, _train_only(_POSITIVE, _NEGATIVE), _normal(1, 32).bfloat16(), 1, gap=2.0, steps=2, target_tokens=3
    )  # fmt: skip
    torch.testing.assert_close(result.units.norm(), torch.ones(()).double())
    assert math.isfinite(result.losses_after.total)


_BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({"gap": 0.0}, ContrastError, "a gap of 0"),
    ({"gap": math.nan}, ContrastError, "a gap of nan"),
    ({"start": torch.ones(31)}, ContrastError, r"start of shape \[1, 31\]"),
    ({"start": torch.zeros(32)}, ContrastError, "depend on each other"),
    ({"start": torch.ones(2, 32)}, ContrastError, "depend on each other"),
    ({"start": torch.full((32,), math.inf)}, ContrastError, "NaN or infinite"),
    ({"orthogonal_to": torch.ones(32)}, ContrastError, "depend on each other"),
    ({"orthogonal_to": torch.ones(1, 5)}, ContrastError, "orthogonal_to of shape"),
    ({"steps": 0}, ContrastError, "at least 1"),
    ({"max_prompts": 0}, ContrastError, "at least 1"),
    ({"target_tokens": 0}, ContrastError, "at least 1"),
    ({"learning_rate": 0.0}, ContrastError, "learning rate"),
    ({"retain_weight": -1.0}, ContrastError, "at least 0"),
    ({"ablation_weight": 0, "addition_weight": 0, "retain_weight": 0}, ContrastError, "not all 0"),
    ({"layer": 5}, SiteError, "layer 5"),
    ({"point": "resid_mid"}, SiteError, "resid_mid"),
    ({"target_tokens": 300}, ModelError, "at most 256"),
]


@pytest.mark.parametrize(("named", "error", "words"), _BAD)
def test_input_that_does_not_fit(
    tiny_llama: ChatModel, named: dict[str, Any], error: type[Exception], words: str
) -> None:
    chosen = {"start": torch.ones(32), "layer": 1, "gap": 1.0, "steps": 1, "target_tokens": 2} | named
    contrast = _train_only(_POSITIVE, _NEGATIVE)
    with pytest.raises(error, match=words):
        refine(tiny_llama, contrast, chosen.pop("start"), chosen.pop("layer"), **chosen)


@pytest.mark.slow
def test_on_the_reference_model() -> None:
    """Against the mean difference, on requests of the suites, none of which either direction has seen."""
    from steer_evals.asking import ask, batches  # here, so that the other tests run without that room
    from steer_evals.reference import load_reference
    from steer_evals.suites import load_suite
    from steer_evals.summary import REFUSED

    model, contrast, layer = load_reference("reference:aligned"), load_contrast("refusal"), 4
    start, gap = _mean_difference(model, contrast, layer)
    result = refine(model, contrast, start, layer, gap=gap)
    harmful, benign = load_suite("harmful"), load_suite("benign")
    plain = [prompt_ids(model.tokenizer, item.turns) for item in benign.items]
    found = {}
    for name, unit in (("mean difference", start / gap), ("refined", result.units[0])):
        edits = _everywhere(model, unit)
        with on_layers(model.hf, edits):
            rows = [row for items in batches(model, harmful) for row in ask(model, harmful, items)]
        refused = float(np.mean([row["verdict"] in REFUSED for row in rows]))
        kl = float(np.mean([_divergence(model, ids, edits, len(ids) - 1) for ids in plain]))
        found[name] = (refused, kl)
    print(found, result.losses_before, result.losses_after)
    assert found["refined"][0] <= found["mean difference"][0]
    assert found["refined"][1] < 0.1 * found["mean difference"][1]
    assert result.losses_after.total < result.losses_before.total
