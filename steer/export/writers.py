"""What writes to a model's residual stream: the embeddings, and the last matrix of every attention and every MLP.

They are found by the names that the families give them. Whether that is all is not believed but tried (`check_all_found`):
with a direction taken out of what they write, nothing of it may be left in the stream.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

from steer.errors import PlanError
from steer.export.compared import first_logprobs
from steer_vectors.hooks import module_at, on_layers
from steer_vectors.models import ChatModel, decoder, decoder_layers
from steer_vectors.site import Site

_NAMES = {
    "attn_out": ("o_proj", "out_proj", "dense", "c_proj"),
    "mlp_out": ("down_proj", "fc2", "dense_4h_to_h", "c_proj"),
}
_LEFT = {torch.float32: 1e-3}  # of what was there; rounding in half precision leaves more
_LEFT_IN_HALF = 0.1


class Writer(NamedTuple):
    """A module whose output is added to the stream, or begins it.

    Args:
        name: Its dotted name in the model.
        module: An embedding, or a matrix with or without a bias.
    """

    name: str
    module: nn.Module

    @property
    def weight(self) -> Tensor:
        """As `[d, in]`, whatever way round it is stored; of an embedding, in = tokens."""
        return self.stored(self.module.get_parameter("weight").detach())

    def stored(self, weight: Tensor) -> Tensor:
        """From `[d, in]` to the way round it is stored, and back."""
        return weight if isinstance(self.module, nn.Linear) else weight.T

    @property
    def embeds(self) -> bool:
        """Whether it is an embedding."""
        return isinstance(self.module, nn.Embedding)


def writers(model: ChatModel) -> list[Writer]:
    """All of them, embeddings first, then by layer.

    Raises:
        PlanError: A layer in which no such matrix was found, or one that is no plain matrix.
        SiteError: A layer without attention or MLP.
    """
    names = {module: name for name, module in model.hf.named_modules()}
    embeddings = [
        module
        for module in decoder(model.hf).children()
        if isinstance(module, nn.Embedding) and module.embedding_dim == model.width
    ]
    layers = decoder_layers(model.hf)
    found = [*embeddings, *(_last(layers, at, part) for at in range(len(layers)) for part in _NAMES)]
    return [Writer(names[module], module) for module in found]


def last_of(model: ChatModel, layer: int) -> Writer:
    """The matrix whose output ends a layer.

    Raises:
        PlanError: As `writers`.
        SiteError: As there.
    """
    module = _last(decoder_layers(model.hf), layer, "mlp_out")
    return Writer(next(name for name, known in model.hf.named_modules() if known is module), module)


def _last(layers: nn.ModuleList, layer: int, part: Any) -> nn.Module:
    owner = module_at(layers, Site(layer, part))
    for name in _NAMES[part]:
        module = getattr(owner, name, None)
        if isinstance(module, (nn.Linear, Conv1D)) and module.weight.is_floating_point():
            return module
    raise PlanError(
        f"{type(owner).__name__}, in which no matrix {' or '.join(_NAMES[part])} was found",
        "a dense model that is not quantised, whose attention and MLP each end in one matrix",
        "steer it with transformers or vLLM",
    )


@contextmanager
def written_anew(found: list[Writer], write: Tensor, read: Tensor) -> Iterator[None]:
    """Inside, each writer puts out `y + write @ (read @ y)` instead of y: what edited weights would, biases included."""
    handles = []

    def edit(_module: nn.Module, _args: object, output: Tensor) -> Tensor:
        w, r = (factor.to(output.device, output.dtype) for factor in (write, read))
        return output + output @ r.T @ w.T

    try:
        for writer in found:
            handles.append(writer.module.register_forward_hook(edit))
        yield
    finally:
        for handle in handles:
            handle.remove()


def check_all_found(model: ChatModel, found: list[Writer], read: Tensor) -> None:
    """Take directions out of what the writers write, and look whether the stream is rid of them.

    Args:
        model: Not changed.
        found: Its writers.
        read: `[k, d]`, of the directions.

    Raises:
        PlanError: Something else writes to the stream, or rescales what was written.
    """
    plane = torch.linalg.qr(read.T.double())[0].T  # [k, d], orthonormal
    with torch.no_grad():
        before = _share_in_stream(model, plane)
        with written_anew(found, -plane.T, plane):
            left = _share_in_stream(model, plane)
    if not left <= _LEFT.get(model.hf.dtype, _LEFT_IN_HALF) * before:
        raise PlanError(
            f"{type(model.hf).__name__}, whose stream keeps {left / before:.0%} of a direction that no known matrix writes",
            "a model in which attention, MLP and embeddings write straight to the stream",
            "steer it with transformers or vLLM",
        )


def _share_in_stream(model: ChatModel, plane: Tensor) -> float:
    """Largest part of a row that lies in the plane, as a share of its length, over all layers and a few prompts."""
    worst = torch.zeros((), dtype=torch.float64)

    def look(hidden: Tensor) -> None:
        rows = hidden.double()
        lengths = rows.norm(dim=-1).clamp_min(torch.finfo(rows.dtype).tiny)  # a row may be all zeros
        share = (rows @ plane.T.to(rows.device)).norm(dim=-1) / lengths
        torch.maximum(worst, share.max().cpu(), out=worst)

    with on_layers(model.hf, dict.fromkeys(range(model.layers), look)):
        first_logprobs(model)
    return float(worst)
