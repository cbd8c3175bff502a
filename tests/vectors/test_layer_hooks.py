"""Hooks edit the stream inside the `with`, and leave the model bit-identical after it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steer_vectors.errors import SiteError
from steer_vectors.hooks import on_layers
from steer_vectors.models import ChatModel, decoder_layers

FAMILIES = ("tiny_llama", "tiny_gpt2")


def _logits(model: ChatModel) -> Tensor:
    with torch.no_grad():
        return model.hf(input_ids=torch.arange(3, 15)[None]).logits


def _hook_count(hf: nn.Module) -> int:
    return sum(len(module._forward_hooks) + len(module._forward_pre_hooks) for module in hf.modules())


@pytest.mark.parametrize("family", FAMILIES)
def test_afterwards_the_model_is_bit_identical(family: str, request: pytest.FixtureRequest) -> None:
    model: ChatModel = request.getfixturevalue(family)
    before, hooks = _logits(model), _hook_count(model.hf)
    with on_layers(model.hf, {layer: lambda hidden: hidden.mul_(2) for layer in range(model.layers)}):
        assert not torch.equal(_logits(model), before)
    assert torch.equal(_logits(model), before)
    assert _hook_count(model.hf) == hooks


def test_hooks_go_when_the_body_or_an_edit_raises(tiny_llama: ChatModel) -> None:
    def fail(_hidden: Tensor) -> None:
        raise RuntimeError("edit")

    hooks = _hook_count(tiny_llama.hf)
    with pytest.raises(RuntimeError, match="edit"), on_layers(tiny_llama.hf, {0: fail}):
        _logits(tiny_llama)
    assert _hook_count(tiny_llama.hf) == hooks


@pytest.mark.parametrize("family", FAMILIES)
def test_reading_sees_the_hidden_states_of_transformers(family: str, request: pytest.FixtureRequest) -> None:
    model: ChatModel = request.getfixturevalue(family)
    seen: dict[int, Tensor] = {}
    edits: dict[int, Callable[[Tensor], None]] = {
        layer: lambda hidden, layer=layer: seen.update({layer: hidden.clone()})  # type: ignore[misc]
        for layer in range(model.layers)
    }
    with on_layers(model.hf, edits), torch.no_grad():
        states = model.hf(input_ids=torch.arange(3, 15)[None], output_hidden_states=True).hidden_states
    for layer in range(model.layers - 1):  # the last entry of hidden_states is after the final norm
        assert torch.equal(seen[layer], states[layer + 1])


@pytest.mark.parametrize("layer", [-1, 5])
def test_an_unknown_layer_is_refused_before_any_hook(tiny_llama: ChatModel, layer: int) -> None:
    hooks = _hook_count(tiny_llama.hf)
    with (
        pytest.raises(SiteError, match="expected 0 to 4"),
        on_layers(tiny_llama.hf, {0: print, layer: print}),
    ):
        pass
    assert _hook_count(tiny_llama.hf) == hooks


class _TupleLayer(nn.Module):
    def forward(self, hidden: Tensor) -> tuple[Tensor, str]:
        return hidden + 1, "cache"


class _TupleModel(nn.Module):
    """A family whose layers return tuples, under a path nobody has listed."""

    def __init__(self) -> None:
        super().__init__()
        self.config: Any = type(
            "Config", (), {"get_text_config": lambda self: self, "num_hidden_layers": 2}
        )()
        self.odd = nn.ModuleList([_TupleLayer(), _TupleLayer()])

    def forward(self, hidden: Tensor) -> Tensor:
        for layer in self.odd:
            hidden, _ = layer(hidden)
        return hidden


def test_layers_that_return_tuples() -> None:
    model = _TupleModel()
    assert decoder_layers(model) is model.odd
    with on_layers(model, {0: lambda hidden: hidden.zero_()}):
        torch.testing.assert_close(model(torch.full((1, 1, 2), 7.0)), torch.ones(1, 1, 2))


def test_a_model_without_decoder_layers() -> None:
    with pytest.raises(SiteError, match="Linear"):
        decoder_layers(nn.Linear(2, 2))
