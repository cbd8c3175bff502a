"""The whole way from a contrast set to a vector, on tiny models of two families."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from steer_vectors.capture import capture
from steer_vectors.chat import Asked
from steer_vectors.contrast import ContrastSet, Example, from_prompts
from steer_vectors.errors import ContrastError, SiteError
from steer_vectors.estimate import METHODS
from steer_vectors.extract import extract
from steer_vectors.file import METADATA_KEYS, check_model, load_vector, save_vector
from steer_vectors.hooks import on_layers
from steer_vectors.models import ChatModel
from steer_vectors.refining import refined


def test_a_model_that_refuses(refusing_llama: ChatModel, refusal_set: ContrastSet, tmp_path: Path) -> None:
    vector = extract(refusing_llama, refusal_set)
    assert (vector.concept, vector.layers, vector.width) == ("refusal", 5, 32)
    assert set(vector.meta) == set(METADATA_KEYS)
    assert vector.meta["contrast"] == refusal_set.hash
    assert json.loads(vector.meta["counts"])["train"] == {"positive": 48, "negative": 72}
    assert [score["layer"] for score in vector.scores["candidates"]][:4] == [0, 1, 2, 3]
    for scores in (vector.scores["separation"]["d"], vector.scores["separation"]["auc"]):
        assert [len(row) for row in scores] == [5] * len(json.loads(vector.meta["positions"]))
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
    rows = [
        Example(f"{label}-{text}", text, label, "train")
        for label in ("positive", "negative")
        for text in ("one", "two")
    ]
    same = ContrastSet("same", "", "", "", tuple(rows))
    with pytest.raises(ContrastError, match="equal or not finite"):
        extract(make_llama("x"), same, layer=0, position=-1)


def test_answers_show_where_a_refusal_is_made(refusing_llama: ChatModel, refusal_set: ContrastSet) -> None:
    said = {"positive": "I will not.", "negative": "The words are ready."}
    rows = [row._replace(answer=said[row.label]) for row in refusal_set.examples]
    vector = extract(refusing_llama, replace(refusal_set, examples=tuple(rows)))
    assert (vector.position, json.loads(vector.meta["positions"])) == (0, [0])
    assert refusing_llama.tokenizer.decode(vector.scores["tokens"]).split() == ["I"]
    assert max(score["added"] for score in vector.scores["candidates"]) > 2


@pytest.mark.parametrize("name", sorted(set(METHODS) - {"surgical", "rdo"}))
def test_every_estimator_makes_a_file_that_steers(
    refusing_llama: ChatModel, refusal_set: ContrastSet, tmp_path: Path, name: str
) -> None:
    twins = refusal_set.of(row._replace(pair=row.id.split("-")[1]) for row in refusal_set.examples)
    vector = extract(refusing_llama, twins, estimator=name, layer=2, position=-1)
    save_vector(vector, tmp_path / "v.safetensors")
    again = load_vector(tmp_path / "v.safetensors")
    assert torch.equal(again.directions, vector.directions)
    assert (again.read is None) == (name not in ("leace", "null_space"))
    assert again.meta["estimator"] == name
    best = again.scores["candidates"][0]
    assert best["added"] > 0.2  # log-odds of the tokens that begin a refusal
    assert best["auc"] > 0.9
    assert set(again.units) == {"norm", "kl"}


def test_surgical_spares_what_it_is_given(refusing_llama: ChatModel, refusal_set: ContrastSet) -> None:
    true = extract(refusing_llama, refusal_set, layer=2, position=-1)
    found = extract(refusing_llama, refusal_set, estimator="surgical", spare=[true], layer=2, position=-2)
    assert float((found.directions * true.directions).sum(-1).abs().max()) < 1e-6
    with pytest.raises(ContrastError, match="spare"):
        extract(refusing_llama, refusal_set, estimator="surgical", layer=2, position=-1)


def test_a_stand_in_is_not_spared(refusing_llama: ChatModel, refusal_set: ContrastSet) -> None:
    """Where a vector has no direction its chosen one stands: that is of another layer."""
    true = extract(refusing_llama, refusal_set, select_by="auc", layer=2, position=-1)
    partly = replace(true, meta={**true.meta, "absent_layers": "[0, 3]"})
    found = extract(
        refusing_llama, refusal_set, estimator="surgical", spare=[partly], select_by="auc", position=-2
    )
    assert found.absent == [0, 3]
    assert {score["layer"] for score in found.scores["candidates"]} == {1, 2}
    with pytest.raises(ContrastError, match="no direction at layer 3"):
        extract(refusing_llama, refusal_set, estimator="surgical", spare=[partly], layer=3, position=-2)


def test_rdo_changes_the_chosen_layer_only(refusing_llama: ChatModel, refusal_set: ContrastSet) -> None:
    plain = extract(refusing_llama, refusal_set, layer=2, position=-1)
    found = extract(
        refusing_llama, refusal_set, estimator="rdo", parameters={"steps": 3}, layer=2, position=-1
    )
    others = [0, 1, 3, 4]
    assert torch.equal(found.directions[others], plain.directions[others])
    assert 0.5 < float(found.directions[2] @ plain.directions[2]) < 1 - 1e-6
    assert json.loads(found.meta["estimator_parameters"])["steps"] == 3
    project = [
        capture(refusing_llama, refusal_set.select(label, "train"), [-1]).mean[0, 2].float()
        @ found.directions[2]
        for label in ("positive", "negative")
    ]
    assert found.gap(2) == pytest.approx(float(project[0] - project[1]), rel=1e-4)


def test_a_cone_is_orthonormal_and_each_row_of_it_a_vector(
    refusing_llama: ChatModel, refusal_set: ContrastSet
) -> None:
    plain = extract(refusing_llama, refusal_set, layer=2, position=-1)
    rows = refined(refusing_llama, refusal_set, plain, k=2, parameters={"steps": 2, "max_prompts": 8})
    units = torch.stack([row.directions[2] for row in rows])
    torch.testing.assert_close(units @ units.T, torch.eye(2), atol=1e-5, rtol=0)
    assert all(row.gap(2) >= 0 for row in rows)
    for at, row in enumerate(rows):
        made = json.loads(row.meta["estimator_parameters"])
        assert (row.meta["estimator"], made["cone"], made["row"]) == ("rdo", 2, at)


def test_a_refined_vector_speaks_of_the_direction_that_it_has(
    refusing_llama: ChatModel, refusal_set: ContrastSet
) -> None:
    plain = extract(refusing_llama, refusal_set, layer=2, position=-1)
    (row,) = refined(refusing_llama, refusal_set, plain, parameters={"steps": 8, "learning_rate": 1.0})
    (score,) = row.scores["candidates"]
    held = [
        capture(refusing_llama, prompts, [-1], sample=range(len(prompts))).sample
        for prompts in (refusal_set.select(label, "validation") for label in ("positive", "negative"))
    ]
    above, below = (rows[:, 0, 2] @ row.directions[2] for rows in held)
    spread = ((above.var(correction=0) + below.var(correction=0)) / 2).sqrt()
    assert score["separation"] == pytest.approx(float((above.mean() - below.mean()) / spread), rel=1e-3)
    assert row.scores["separation"]["auc"][0][2] == score["auc"]
    assert row.scores["separation"]["auc"][0][1] == plain.scores["separation"]["auc"][0][1]
    assert score["added"] != plain.scores["candidates"][0]["added"]
    assert row.units["norm"] == plain.units["norm"]
    assert row.units["kl"] != plain.units["kl"]


def test_what_reads_otherwise_is_not_refined(refusing_llama: ChatModel, refusal_set: ContrastSet) -> None:
    leace = extract(refusing_llama, refusal_set, estimator="leace", layer=2, position=-1)
    with pytest.raises(ContrastError, match="a vector of leace, which reads another"):
        refined(refusing_llama, refusal_set, leace)


def test_layers_at_which_all_prompts_are_the_same(
    refusing_llama: ChatModel, refusal_set: ContrastSet, tmp_path: Path
) -> None:
    """What the first layer takes in at the last token is the same for every prompt."""
    vector = extract(refusing_llama, refusal_set, point="resid_pre", position=-1)
    assert vector.absent == [0]
    assert vector.gap(0) == 0
    assert vector.layer > 0
    save_vector(vector, tmp_path / "v.safetensors")
    assert load_vector(tmp_path / "v.safetensors").absent == [0]
    with pytest.raises(ContrastError, match="layer 0, where both"):
        extract(refusing_llama, refusal_set, point="resid_pre", layer=0, position=-1)


def test_prompts_on_which_the_model_behaves_otherwise_are_left_out(
    refusing_llama: ChatModel, refusal_set: ContrastSet
) -> None:
    asked: list[str] = []

    def shown(prompts: Sequence[Asked], label: str) -> list[bool]:
        asked.append(label)
        return [at % 3 != 0 for at in range(len(prompts))]

    vector = extract(refusing_llama, refusal_set, layer=2, position=-1, shown=shown)
    counts = json.loads(vector.meta["counts"])
    assert asked == ["positive", "negative"]
    assert sum(counts["shown"]["train"].values()) < sum(counts["train"].values())
    assert vector.meta["contrast"] == refusal_set.hash


@pytest.mark.parametrize("left", [0, 7])
def test_a_behaviour_seen_in_less_than_a_tenth_is_chance(
    refusing_llama: ChatModel, refusal_set: ContrastSet, left: int
) -> None:
    def shown(prompts: Sequence[Asked], label: str) -> list[bool]:
        return [label == "positive" or at < left for at in range(len(prompts))]

    # Of the first 7 of these negative prompts 6 are for training, of 72.
    with pytest.raises(ContrastError, match=f"behaves as negative on {min(left, 6)} of 72 negative train"):
        extract(refusing_llama, refusal_set, shown=shown)


def test_an_unknown_way_to_select(tiny_llama: ChatModel, refusal_set: ContrastSet) -> None:
    with pytest.raises(ContrastError, match="select_by 'foo'; expected causal or cosmic or auc"):
        extract(tiny_llama, refusal_set, select_by="foo")  # type: ignore[arg-type]


def test_a_model_that_is_being_steered_is_not_read(tiny_llama: ChatModel, refusal_set: ContrastSet) -> None:
    with (
        on_layers(tiny_llama.hf, {2: lambda hidden: None}),
        pytest.raises(SiteError, match="a model that is being steered"),
    ):
        extract(tiny_llama, refusal_set, layer=2)
    extract(tiny_llama, refusal_set, layer=2, position=-1)


def test_an_estimator_of_pairs_needs_twins(tiny_llama: ChatModel) -> None:
    lone = from_prompts(["I love this", "I love that"], ["I hate this", "I hate that"])
    with pytest.raises(ContrastError, match="0 pairs"):
        extract(tiny_llama, lone, estimator="pca", layer=1, position=-1)
