"""Edits on the output of decoder layers, alive only inside a `with`. Knows no directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from steer_vectors.errors import SiteError
from steer_vectors.models import decoder_layers


@contextmanager
def on_layers(hf: nn.Module, edits: Mapping[int, Callable[[Tensor], None]]) -> Iterator[None]:
    """After decoder layer l has run, call `edits[l](hidden)`; it may read `hidden` or change it in place.

    Args:
        hf: A causal model.
        edits: From a 0-based layer to a function of its output `[b, t, d]`, in the model's dtype.

    Raises:
        SiteError: A layer the model does not have; raised before any hook is set.
    """
    layers = decoder_layers(hf)
    for layer in edits:
        if not 0 <= layer < len(layers):
            raise SiteError(f"layer {layer}", f"0 to {len(layers) - 1}", "choose a layer of this model")
    handles: list[RemovableHandle] = []
    try:
        for layer, edit in edits.items():
            handles.append(layers[layer].register_forward_hook(_after(edit)))
        yield
    finally:
        for handle in handles:
            handle.remove()


def _after(edit: Callable[[Tensor], None]) -> Callable[[nn.Module, Any, Any], None]:
    def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
        # Some families return (hidden, ...), others the tensor itself.
        hidden = output[0] if isinstance(output, tuple | list) else output
        edit(hidden)

    return hook
