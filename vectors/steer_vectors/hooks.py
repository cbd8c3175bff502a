"""Edits of a live model's activations, alive only inside a `with`. Knows no directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn
from torch.utils.hooks import RemovableHandle

from steer_vectors.errors import SiteError
from steer_vectors.models import decoder_layers
from steer_vectors.site import POINTS, Site

Edit = Callable[[Tensor], None]

# What the families call the two parts of a layer.
_PARTS = {
    "attn_out": ("self_attn", "attn", "attention", "self_attention"),
    "mlp_out": ("mlp", "feed_forward", "block_sparse_moe", "ffn"),
}


@contextmanager
def on_layers(hf: nn.Module, edits: Mapping[int, Edit] | Mapping[Site, Edit]) -> Iterator[None]:
    """Whenever a site is computed, call its edit; it may read the activations or change them in place.

    Args:
        hf: A causal model.
        edits: From a site, or a layer (its output), to a function of the activations `[b, t, d]`, in the model's dtype.

    Raises:
        SiteError: A layer or point the model does not have; raised before any hook is set.
    """
    layers = decoder_layers(hf)
    places = [(_module(layers, site), site.point, edit) for site, edit in _by_site(edits)]
    handles: list[RemovableHandle] = []
    try:
        for module, point, edit in places:
            handles.append(
                module.register_forward_pre_hook(_before(edit), with_kwargs=True)
                if point == "resid_pre"
                else module.register_forward_hook(_after(edit))
            )
        yield
    finally:
        for handle in handles:
            handle.remove()


def _by_site(edits: Mapping[int, Edit] | Mapping[Site, Edit]) -> list[tuple[Site, Edit]]:
    return [(key if isinstance(key, Site) else Site(key), edit) for key, edit in edits.items()]


def _module(layers: nn.ModuleList, site: Site) -> nn.Module:
    if not 0 <= site.layer < len(layers):
        raise SiteError(f"layer {site.layer}", f"0 to {len(layers) - 1}", "choose a layer of this model")
    if site.point not in POINTS:
        raise SiteError(f"point {site.point!r}", " or ".join(POINTS), "choose one of them")
    layer = layers[site.layer]
    if site.point not in _PARTS:
        return layer
    found = [part for name in _PARTS[site.point] if isinstance(part := getattr(layer, name, None), nn.Module)]
    if not found:
        raise SiteError(
            f"{type(layer).__name__}, in which no {site.point} was found",
            f"a part named {' or '.join(_PARTS[site.point])}",
            "use resid_post, or report this architecture",
        )
    return found[0]


def _after(edit: Edit) -> Callable[[nn.Module, Any, Any], None]:
    def hook(_module: nn.Module, _inputs: Any, output: Any) -> None:
        # Some families return (hidden, ...), others the tensor itself.
        edit(output[0] if isinstance(output, tuple | list) else output)

    return hook


def _before(edit: Edit) -> Callable[[nn.Module, Any, Any], None]:
    def hook(_module: nn.Module, inputs: Any, named: Any) -> None:
        edit(inputs[0] if inputs else named["hidden_states"])

    return hook
