"""Capture equals one-by-one forwards, whatever the padding; its sums are exact and its memory bounded."""

from __future__ import annotations

import copy
import logging
import sys
from dataclasses import replace

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import chisquare
from torch import Tensor, nn

from steer_vectors.capture import Tally, activations, batches, capture, drawn, project
from steer_vectors.chat import Answered, prompt_ids
from steer_vectors.errors import ContrastError, ModelError, SiteError
from steer_vectors.hooks import on_layers
from steer_vectors.models import ChatModel, decoder_layers
from steer_vectors.room import free_memory, room, token_bytes

PROMPTS = [
    "Hi",
    "Count the words, then sort them and say which one is last.",
    "What is the capital of Italy?",
    "How do I shoot a portrait in low light?",
    "red, green, blue",
    "Write a short story about a cat and a boat. " * 3,
]
POSITIONS = [-4, -2, -1]
FAMILIES = ("tiny_llama", "tiny_gpt2")


def _one_by_one(model: ChatModel) -> Tensor:
    """`[n, p, l, d]` float64, by transformers' own hidden states; the last layer, normed there, by a hook."""
    rows = []
    for prompt in PROMPTS:
        last: list[Tensor] = []
        handle = decoder_layers(model.hf)[-1].register_forward_hook(
            lambda _m, _i, out, last=last: last.append(out[0] if isinstance(out, tuple) else out)  # type: ignore[misc]
        )
        with torch.no_grad():
            ids = torch.tensor([prompt_ids(model.tokenizer, prompt)])
            states = model.hf(input_ids=ids, output_hidden_states=True).hidden_states
        handle.remove()
        layers = [*states[1:-1], last[0]]
        rows.append(torch.stack([state[0, POSITIONS] for state in layers], 1))
    return torch.stack(rows).double()


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("batch_tokens", [1, 90, 10_000])
def test_capture_equals_one_by_one(family: str, batch_tokens: int, request: pytest.FixtureRequest) -> None:
    model: ChatModel = request.getfixturevalue(family)
    expected = _one_by_one(model)
    moments = capture(model, PROMPTS, POSITIONS, batch_tokens=batch_tokens)
    assert moments.count == len(PROMPTS)
    torch.testing.assert_close(moments.mean, expected.mean(0), rtol=1e-5, atol=1e-5)
    torch.testing.assert_close(moments.var, expected.var(0, correction=0), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("batch_tokens", [1, 90])
def test_covariance_and_norms_equal_numpys(tiny_llama: ChatModel, batch_tokens: int) -> None:
    rows = _one_by_one(tiny_llama)
    found = capture(tiny_llama, PROMPTS, POSITIONS, batch_tokens=batch_tokens, covariance="full")
    assert found.covariance is not None
    for p, layer in ((0, 0), (2, 4)):
        expected = np.cov(rows[:, p, layer].numpy(), rowvar=False, bias=True)
        np.testing.assert_allclose(found.covariance[p, layer], expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.var, found.covariance.diagonal(dim1=-2, dim2=-1))
    torch.testing.assert_close(found.norm, rows.norm(dim=-1).mean(0), rtol=1e-5, atol=1e-5)


def test_a_sample_holds_the_rows_that_were_asked_for(tiny_llama: ChatModel) -> None:
    rows = _one_by_one(tiny_llama)
    found = capture(tiny_llama, PROMPTS, POSITIONS, sample=[4, 0, 2], batch_tokens=60)
    assert found.sample is not None
    torch.testing.assert_close(found.sample.double(), rows[[4, 0, 2]], rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(found.mean, rows.mean(0), rtol=1e-5, atol=1e-5)


@given(most=st.integers(1, 50), of=st.integers(1, 200), seed=st.integers(0, 9))
def test_a_draw(most: int, of: int, seed: int) -> None:
    rows = drawn(most, of, seed)
    assert len(rows) == len(set(rows)) == min(most, of)
    assert set(rows) <= set(range(of))


def test_every_row_is_as_likely_to_be_drawn() -> None:
    counts = np.zeros(20)
    for seed in range(2000):
        counts[drawn(5, 20, seed)] += 1
    assert chisquare(counts).pvalue > 1e-4


def test_winsorising_cuts_massive_activations_only(tiny_llama: ChatModel) -> None:
    def massive(hidden: Tensor) -> None:
        hidden[..., 3] = 1e4

    with on_layers(tiny_llama.hf, {2: massive}):
        plain = capture(tiny_llama, PROMPTS, [-1])
        cut = capture(tiny_llama, PROMPTS, [-1], winsorise=31 / 32)
    width = tiny_llama.width
    others = [column for column in range(width) if column != 3]
    assert width == 32  # so that one coordinate lies beyond the share
    assert float(plain.mean[0, 2, 3]) == pytest.approx(1e4)
    assert float(cut.mean[0, 2, 3]) < 100
    torch.testing.assert_close(cut.mean[0, 2, others], plain.mean[0, 2, others])


@pytest.mark.parametrize("share", [0.0, 1.5])
def test_a_share_that_is_none(tiny_llama: ChatModel, share: float) -> None:
    with pytest.raises(ContrastError, match="winsorise"):
        capture(tiny_llama, PROMPTS, [-1], winsorise=share)


def test_the_first_token_is_never_counted(tiny_llama: ChatModel, monkeypatch: pytest.MonkeyPatch) -> None:
    ids = prompt_ids(tiny_llama.tokenizer, "Hi")
    assert ids[0] == tiny_llama.tokenizer.bos_token_id
    capture(tiny_llama, ["Hi"], [1 - len(ids)])
    with pytest.raises(SiteError, match=f"-{len(ids) - 1} "):
        capture(tiny_llama, ["Hi"], [-len(ids)])
    monkeypatch.setattr(
        sys.modules["steer_vectors.capture"], "prompt_ids", lambda *_: ids[1:]
    )  # a template that writes none
    capture(tiny_llama, ["Hi"], [1 - len(ids)])


def test_batches_shrink_where_memory_is_short(tiny_llama: ChatModel, monkeypatch: pytest.MonkeyPatch) -> None:
    assert room(tiny_llama, 100) == 2048
    monkeypatch.setattr("steer_vectors.room.free_memory", lambda _device: 100 * token_bytes(tiny_llama, 100))
    assert room(tiny_llama, 100) == 50
    monkeypatch.setattr("steer_vectors.room.free_memory", lambda _device: 1)
    assert room(tiny_llama, 100) == 1  # a prompt at a time, whatever it costs
    monkeypatch.setattr("steer_vectors.room.free_memory", lambda _device: None)
    assert room(tiny_llama, 100) == 2048


def test_free_memory_is_some() -> None:
    assert 0 < (free_memory(torch.device("cpu")) or 0) < 1 << 50


@pytest.mark.parametrize("family", FAMILIES)
def test_projections_keep_the_callers_order(family: str, request: pytest.FixtureRequest) -> None:
    model: ChatModel = request.getfixturevalue(family)
    generator = torch.Generator().manual_seed(0)
    shape = (len(POSITIONS), model.layers, model.width)
    directions = nn.functional.normalize(torch.randn(shape, generator=generator, dtype=torch.float64), dim=-1)
    expected = torch.einsum("npld,pld->npl", _one_by_one(model), directions)
    torch.testing.assert_close(
        project(model, PROMPTS, POSITIONS, directions, batch_tokens=90), expected, rtol=1e-4, atol=1e-4
    )


def test_order_of_prompts_does_not_matter(tiny_llama: ChatModel) -> None:
    forth, back = capture(tiny_llama, PROMPTS, [-1]), capture(tiny_llama, PROMPTS[::-1], [-1])
    torch.testing.assert_close(forth.mean, back.mean, rtol=1e-6, atol=1e-6)


def test_positions_are_independent(tiny_llama: ChatModel) -> None:
    both = capture(tiny_llama, PROMPTS, [-3, -1])
    torch.testing.assert_close(both.mean[0], capture(tiny_llama, PROMPTS, [-3]).mean[0])


def test_no_logits_are_computed(tiny_llama: ChatModel) -> None:
    calls: list[str] = []
    handle = tiny_llama.hf.get_output_embeddings().register_forward_hook(lambda *_: calls.append("head"))
    capture(tiny_llama, PROMPTS, [-1])
    handle.remove()
    assert calls == []


def test_bfloat16_is_summed_exactly(make_llama: object) -> None:
    model: ChatModel = make_llama("narrow", seed=4)  # type: ignore[operator]
    model.hf.to(torch.bfloat16)
    rows = torch.cat([states.double() for _, states in activations(model, PROMPTS, [-1])])
    torch.testing.assert_close(capture(model, PROMPTS, [-1]).mean, rows.mean(0), rtol=1e-12, atol=1e-12)


def test_progress_ends_at_the_total(tiny_llama: ChatModel) -> None:
    seen: list[tuple[int, int]] = []
    capture(tiny_llama, PROMPTS, [-1], lambda done, total: seen.append((done, total)), batch_tokens=60)
    assert len(seen) > 1
    assert seen == sorted(seen)
    assert seen[-1] == (len(PROMPTS), len(PROMPTS))


def test_stages_count_on() -> None:
    seen: list[int] = []
    tally = Tally(lambda done, _total: seen.append(done), 5)
    tally.stage()(2, 2)
    later = tally.stage()
    later(1, 3)
    later(3, 3)
    assert seen == [2, 3, 5]


@pytest.mark.parametrize(
    ("positions", "got"), [([1], "position 1"), ([-500], "position -500"), ([], "no positions")]
)
def test_positions_that_no_prompt_has(tiny_llama: ChatModel, positions: list[int], got: str) -> None:
    with pytest.raises(SiteError, match=f"^got {got}; .*count positions back"):
        capture(tiny_llama, PROMPTS, positions)


@pytest.mark.parametrize(
    ("sample", "got"), [([99], "row 99"), ([-1], "row -1"), ([6], "row 6"), ([3, 3], "a row twice")]
)
def test_a_sample_of_rows_that_are_not_there(tiny_llama: ChatModel, sample: list[int], got: str) -> None:
    with pytest.raises(ContrastError, match=f"{got}; expected rows 0 to 5, each"):
        capture(tiny_llama, PROMPTS, [-1], sample=sample)


def test_an_unknown_covariance(tiny_llama: ChatModel) -> None:
    with pytest.raises(ContrastError, match="covariance 'foo'; expected diagonal or full"):
        capture(tiny_llama, PROMPTS, [-1], covariance="foo")  # type: ignore[arg-type]


@pytest.mark.parametrize("one", ["Hi there", Answered("Hi", "Yes")])
def test_one_prompt_is_no_list_of_prompts(tiny_llama: ChatModel, one: str | Answered) -> None:
    with pytest.raises(ContrastError, match="one prompt .*; expected a list of prompts"):
        capture(tiny_llama, one, [-1])  # type: ignore[arg-type]
    with pytest.raises(ContrastError, match="one prompt"):
        project(tiny_llama, one, [-1], torch.ones(1, tiny_llama.layers, tiny_llama.width))  # type: ignore[arg-type]


@pytest.mark.parametrize("family", FAMILIES)
def test_position_0_is_the_mean_over_the_tokens_that_predict_the_answer(
    family: str, request: pytest.FixtureRequest
) -> None:
    model: ChatModel = request.getfixturevalue(family)
    asked = [
        Answered("Hi", "I will not."),
        Answered("Count the words, then sort them.", "Yes"),
        Answered("Go on", "Two, and three"),
    ]
    found = capture(model, asked, [-1, 0], batch_tokens=60)
    rows = []
    for prompt, answer in asked:
        ids = prompt_ids(model.tokenizer, prompt)
        own = model.tokenizer.encode(answer, add_special_tokens=False)
        seen: list[Tensor] = []
        with on_layers(
            model.hf, dict.fromkeys(range(model.layers), lambda h, seen=seen: seen.append(h[0].double()))
        ):
            model.hf(input_ids=torch.tensor([ids + own]))
        layers = torch.stack(seen)
        rows.append(torch.stack([layers[:, len(ids) - 1], layers[:, len(ids) - 1 : -1].mean(1)]))
    torch.testing.assert_close(found.mean, torch.stack(rows).mean(0), atol=1e-5, rtol=1e-5)


def test_an_answer_is_needed_where_it_is_read(tiny_llama: ChatModel) -> None:
    with pytest.raises(SiteError, match="without an answer"):
        capture(tiny_llama, [Answered("Hi", "Yes"), "Hi"], [0])
    torch.testing.assert_close(
        capture(tiny_llama, [Answered("Hi", "Yes")], [-1]).mean, capture(tiny_llama, ["Hi"], [-1]).mean
    )


def test_a_prompt_beyond_the_context(tiny_llama: ChatModel, caplog: pytest.LogCaptureFixture) -> None:
    long = "go " * 2 * tiny_llama.hf.config.max_position_embeddings
    tokenizer = copy.deepcopy(tiny_llama.tokenizer)
    tokenizer.model_max_length = tiny_llama.hf.config.max_position_embeddings
    model = replace(tiny_llama, tokenizer=tokenizer)
    log = logging.getLogger("transformers")
    log.addHandler(caplog.handler)
    try:
        for prompt, position in ((long, -1), (Answered("Hi", long), 0)):
            with pytest.raises(ModelError, match="expected at most"):
                capture(model, [prompt], [position])
    finally:
        log.removeHandler(caplog.handler)
    assert caplog.text == "", "the error is the one line"


def test_no_prompts(tiny_llama: ChatModel) -> None:
    with pytest.raises(ContrastError, match="no prompts"):
        capture(tiny_llama, [], [-1])


@settings(max_examples=100, deadline=None)
@given(
    lengths=st.lists(st.integers(1, 60), min_size=1, max_size=40),
    budget=st.integers(1, 300),
    seed=st.integers(0, 99),
)
def test_batches_hold_every_row_once_within_the_budget(lengths: list[int], budget: int, seed: int) -> None:
    draw = np.random.default_rng(seed)
    tokens = [draw.integers(1, 100, length).tolist() for length in lengths]
    seen = []
    for batch in batches(tokens, torch.device("cpu"), budget):
        assert batch.ids.numel() <= budget or len(batch.rows) == 1
        for row, ids, mask, length in zip(*batch, strict=True):
            seen.append(int(row))
            assert ids[: int(length)].tolist() == tokens[int(row)]
            assert mask.tolist() == [1] * int(length) + [0] * (len(mask) - int(length))
    assert sorted(seen) == list(range(len(tokens)))
