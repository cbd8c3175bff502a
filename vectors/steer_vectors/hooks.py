"""Edits of a live model's activations, alive only inside a `with`. Knows no directions."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from steer_vectors.errors import SiteError
from steer_vectors.models import decoder_layers
from steer_vectors.site import POINTS, Site

Edit = Callable[[Tensor], None]

_KEY = "_steer_edits"
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
        SiteError: A layer or point the model does not have; raised before anything is wrapped.
    """
    layers = decoder_layers(hf)
    places = [(module_at(layers, site), site.point, edit) for site, edit in _by_site(edits)]
    entered: list[tuple[_Around, list[Edit], Edit]] = []
    try:
        for module, point, edit in places:
            around = _Around.of(module)
            edits_here = around.before if point == "resid_pre" else around.after
            edits_here.append(edit)
            entered.append((around, edits_here, edit))
        yield
    finally:
        for around, edits_here, edit in entered:
            edits_here.remove(edit)
            around.leave_if_empty()


def is_edited(hf: nn.Module) -> bool:
    """Whether somebody steers or reads the model now."""
    return any(_KEY in vars(module) for module in hf.modules())


class _Around:
    """What is done before and after the forward of one module, in this order.

    Around `forward` itself, not by hooks of torch: a module that has one takes a longer way at every call.
    """

    def __init__(self, module: nn.Module) -> None:
        self.module = module
        self.before: list[Edit] = []
        self.after: list[Edit] = []
        self.own = vars(module).get("forward")  # of accelerate, say; mostly there is the class's only
        self.forward = _calling(self.before, self.after, module.forward)

    def __deepcopy__(self, _memo: object) -> _Around:
        raise SiteError(
            "a copy of a model that is being steered or read",
            "a copy made outside the `with`",
            "copy it before or afterwards: what is wrapped around the original would stay on the copy",
        )

    @classmethod
    def of(cls, module: nn.Module) -> _Around:
        """The one of this module; set up if there is none."""
        if _KEY not in vars(module):
            around = cls(module)
            vars(module).update({_KEY: around, "forward": around.forward})
        found: _Around = vars(module)[_KEY]
        return found

    def leave_if_empty(self) -> None:
        """Make the module what it was. If somebody has wrapped it since, theirs stays, and calls what does nothing."""
        if self.before or self.after:
            return
        here = vars(self.module)
        here.pop(_KEY, None)
        if here.get("forward") is self.forward:
            here.pop("forward") if self.own is None else here.update(forward=self.own)


def _calling(before: list[Edit], after: list[Edit], inner: Callable[..., Any]) -> Callable[..., Any]:
    def forward(*args: Any, **named: Any) -> Any:
        if before:
            # A copy: what comes in is the caller's embeddings, or what an earlier layer is recorded to have put out.
            hidden = (args[0] if args else named["hidden_states"]).clone()
            for edit in before:
                edit(hidden)
            args, named = ((hidden, *args[1:]), named) if args else (args, {**named, "hidden_states": hidden})
        output = inner(*args, **named)
        for edit in after:  # some families return (hidden, ...), others the tensor itself
            edit(output[0] if isinstance(output, (tuple, list)) else output)
        return output

    return forward


def _by_site(edits: Mapping[int, Edit] | Mapping[Site, Edit]) -> list[tuple[Site, Edit]]:
    return [(key if isinstance(key, Site) else Site(key), edit) for key, edit in edits.items()]


def module_at(layers: nn.ModuleList, site: Site) -> nn.Module:
    """The module that takes in or puts out what a site names.

    Raises:
        SiteError: A layer or point the model does not have.
    """
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
