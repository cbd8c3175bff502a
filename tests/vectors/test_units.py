"""Units: 1 kl is where the 95th percentile of KL is 1 nat, measured again by hand; conversions are there and back."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn

from steer_vectors.chat import prompt_ids
from steer_vectors.contrast import ContrastSet
from steer_vectors.errors import SiteError, VectorFileError
from steer_vectors.extract import extract
from steer_vectors.file import Vector
from steer_vectors.models import ChatModel, decoder_layers
from steer_vectors.units import PROMPTS, TOKENS, UNITS, Unit, _root, convert


@pytest.fixture(scope="module")
def vector(refusing_llama: ChatModel, refusal_set: ContrastSet) -> Vector:
    return extract(refusing_llama, refusal_set, layer=2, position=-1)


@given(scale=st.floats(0.05, 30), power=st.floats(0.5, 3))
def test_the_root_is_found(scale: float, power: float) -> None:
    found = _root(lambda strength: (strength / scale) ** power)
    assert found == pytest.approx(scale, rel=0.03)


def test_no_root_within_reach() -> None:
    assert _root(lambda _strength: 0.5) is None


def test_one_nat_is_one_nat(refusing_llama: ChatModel, refusal_set: ContrastSet, vector: Vector) -> None:
    """By torch's own hook, one prompt at a time, without padding, the loop written out."""
    strength = vector.units["kl"]["plus"]
    assert strength is not None
    hf = refusing_llama.hf
    move = strength * vector.gap(2) * vector.directions[2]
    found = []
    for text in refusal_set.select("negative", "validation")[:PROMPTS]:
        assert isinstance(text, str)
        ids = prompt_ids(refusing_llama.tokenizer, text)
        start = len(ids)
        with torch.no_grad():
            for _ in range(TOKENS):  # transformers' min_new_tokens keeps the end of sequence out
                logits = hf(input_ids=torch.tensor([ids])).logits[0, -1]
                logits[hf.generation_config.eos_token_id] = -math.inf
                ids.append(int(logits.argmax()))
            plain = hf(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
            handle = decoder_layers(hf)[2].register_forward_hook(
                lambda _m, _i, out: (out[0] + move, *out[1:]) if isinstance(out, tuple) else out + move
            )
            steered = hf(input_ids=torch.tensor([ids])).logits[0].log_softmax(-1)
            handle.remove()
        kl = nn.functional.kl_div(steered, plain, log_target=True, reduction="none").sum(-1)
        found.append(kl[start - 1 : start - 1 + TOKENS])
    assert float(torch.cat(found).quantile(0.95)) == pytest.approx(
        1.0, rel=0.15
    )  # the strength is known to 2 %


@given(strength=st.floats(-3, 3), one=st.sampled_from(UNITS), other=st.sampled_from(UNITS))
def test_there_and_back(vector: Vector, strength: float, one: Unit, other: Unit) -> None:
    if vector.units["kl"]["minus"] is None and strength < 0:
        return
    there = convert(vector, strength, one, other)
    assert convert(vector, there, other, one) == pytest.approx(strength, abs=1e-9)


def test_a_norm_is_the_mean_length(
    refusing_llama: ChatModel, refusal_set: ContrastSet, vector: Vector
) -> None:
    lengths = []
    for label in ("positive", "negative"):
        for text in refusal_set.select(label, "train"):  # type: ignore[arg-type]
            assert isinstance(text, str)
            ids = torch.tensor([prompt_ids(refusing_llama.tokenizer, text)])
            with torch.no_grad():
                state = refusing_llama.hf(input_ids=ids, output_hidden_states=True).hidden_states[3]
            lengths.append(float(state[0, -1].norm()))
    mean = sum(lengths) / len(lengths)
    assert convert(vector, 1.0, "norm", "gap") == pytest.approx(mean / vector.gap(2), rel=1e-4)


def test_what_the_file_does_not_say(vector: Vector) -> None:
    imported = replace(vector, meta={**vector.meta, "units": ""})
    with pytest.raises(VectorFileError, match="1 norm"):
        convert(imported, 1.0, "gap", "norm")
    silent = replace(vector, meta={**vector.meta, "units": json.dumps({"kl": {"plus": None, "minus": 1.0}})})
    with pytest.raises(VectorFileError, match="1 kl"):
        convert(silent, 1.0, "kl", "gap")
    with pytest.raises(VectorFileError, match="at layer 1"):
        convert(vector, 1.0, "kl", "gap", layer=1)


@pytest.mark.parametrize("layer", [-1, 5, 99])
@pytest.mark.parametrize("unit", UNITS)
def test_no_such_layer(vector: Vector, layer: int, unit: Unit) -> None:
    with pytest.raises(SiteError, match=f"layer {layer}; expected 0 to 4"):
        convert(vector, 1.0, "gap", unit, layer=layer)


@pytest.mark.parametrize(
    "said", [{"kl": None}, {"kl": [1.0]}, {"kl": 2}, {"norm": [1.0]}, {"norm": None}, {"norm": "long"}]
)
def test_units_that_are_none(vector: Vector, said: object) -> None:
    """A file may come from anywhere: one line, whatever stands in it."""
    odd = replace(vector, meta={**vector.meta, "units": json.dumps(said)})
    for unit in ("norm", "kl"):
        with pytest.raises(VectorFileError, match="units|does not say") as caught:
            convert(odd, 1.0, "gap", unit)
        assert "\n" not in str(caught.value)
