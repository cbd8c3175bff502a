"""The whole way from a contrast set to a vector, on tiny models of two families."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from steer_vectors.capture import capture
from steer_vectors.contrast import ContrastSet, from_prompts
from steer_vectors.errors import ContrastError, SiteError
from steer_vectors.extract import extract
from steer_vectors.file import METADATA_KEYS, check_model, load_vector, save_vector
from steer_vectors.models import ChatModel


def test_a_model_that_refuses(refusing_llama: ChatModel, refusal_set: ContrastSet, tmp_path: Path) -> None:
    vector = extract(refusing_llama, refusal_set)
    assert (vector.concept, vector.layers, vector.width) == ("refusal", 5, 32)
    assert set(vector.meta) == set(METADATA_KEYS)
    assert vector.meta["contrast"] == refusal_set.hash
    assert json.loads(vector.meta["counts"])["train"] == {"positive": 48, "negative": 72}
    assert [score["layer"] for score in vector.scores["candidates"]][:4] == [0, 1, 2, 3]
    assert len(vector.scores["separation"]["d"]) == 5
    moments = [
        capture(refusing_llama, refusal_set.select(label, "train"), [vector.position])
        for label in ("positive", "negative")
    ]
    distances = (moments[0].mean - moments[1].mean)[0].norm(dim=-1)
    torch.testing.assert_close(
        torch.tensor([vector.gap(layer) for layer in range(5)]), distances.float(), rtol=1e-4, atol=1e-4
    )
    save_vector(vector, tmp_path / "v.safetensors")
    check_model(load_vector(tmp_path / "v.safetensors"), refusing_llama)


def test_it_is_deterministic(refusing_llama: ChatModel, refusal_set: ContrastSet) -> None:
    one, two = (extract(refusing_llama, refusal_set, layer=2) for _ in range(2))
    assert torch.equal(one.directions, two.directions)
    assert one.meta == two.meta


def test_given_layer_and_position_are_kept(tiny_gpt2: ChatModel, refusal_set: ContrastSet) -> None:
    vector = extract(tiny_gpt2, refusal_set, layer=3, position=-2)  # a layer of the last fifth, if asked for
    assert (vector.layer, vector.position) == (3, -2)
    assert json.loads(vector.meta["positions"]) == [-2]


def test_progress_is_one_run_to_the_total(tiny_llama: ChatModel, refusal_set: ContrastSet) -> None:
    seen: list[tuple[int, int]] = []
    extract(tiny_llama, refusal_set, progress=lambda *step: seen.append(step))
    assert seen == sorted(seen)
    assert len({total for _, total in seen}) == 1
    assert seen[-1][0] == seen[-1][1]


def test_the_model_is_left_as_it_was(tiny_llama: ChatModel, refusal_set: ContrastSet) -> None:
    ids = torch.arange(3, 15)[None]
    with torch.no_grad():
        before = tiny_llama.hf(input_ids=ids).logits
        extract(tiny_llama, refusal_set, layer=1)
        assert torch.equal(tiny_llama.hf(input_ids=ids).logits, before)


def test_one_pair_needs_a_site(tiny_llama: ChatModel) -> None:
    pair = from_prompts(["I love this"], ["I hate this"], name="love")
    with pytest.raises(ContrastError, match="no positive validation prompt"):
        extract(tiny_llama, pair)
    vector = extract(tiny_llama, pair, layer=1, position=-1)
    assert (vector.layer, vector.position, vector.scores) == (1, -1, {})
    assert "not validated" in vector.meta["warning"]


@pytest.mark.parametrize("layer", [-1, 5])
def test_an_unknown_layer(tiny_llama: ChatModel, refusal_set: ContrastSet, layer: int) -> None:
    with pytest.raises(SiteError, match=f"layer {layer}"):
        extract(tiny_llama, refusal_set, layer=layer)


def test_a_position_that_is_not_there(tiny_llama: ChatModel, refusal_set: ContrastSet) -> None:
    with pytest.raises(SiteError, match="position 0"):
        extract(tiny_llama, refusal_set, position=0)


def test_classes_that_are_the_same(make_llama: Callable[..., ChatModel]) -> None:
    same = from_prompts(["one", "two"], ["one", "two"])
    with pytest.raises(ContrastError, match="equal or not finite"):
        extract(make_llama("x"), same, layer=0, position=-1)


def test_answers_show_where_a_refusal_is_made(refusing_llama: ChatModel, refusal_set: ContrastSet) -> None:
    said = {"positive": "I will not.", "negative": "The words are ready."}
    rows = [row._replace(answer=said[row.label]) for row in refusal_set.examples]
    vector = extract(refusing_llama, replace(refusal_set, examples=tuple(rows)))
    assert (vector.position, json.loads(vector.meta["positions"])) == (0, [0])
    assert refusing_llama.tokenizer.decode(vector.scores["tokens"]).split() == ["I"]
    assert max(score["added"] for score in vector.scores["candidates"]) > 2
