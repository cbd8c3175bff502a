"""Activations read through TransformerLens: a bridge around the same weights, or one of the user's.

Read at the bridge's own hook points, from the raw weights. `enable_compatibility_mode()` folds norms into weights, which
leaves the stream alone, and in models with LayerNorm takes the mean out of everything that writes to the stream: what
it was cannot be found again, so such a bridge is refused.
"""

from __future__ import annotations

import copy
import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from steer_vectors.backends import Batch, Picks, pick
from steer_vectors.backends.hugging_face import HuggingFace
from steer_vectors.backends.twin import twin
from steer_vectors.errors import ModelError, SiteError
from steer_vectors.models import ChatModel
from steer_vectors.site import Point

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge

# The short names `hook_attn_out` and `hook_mlp_out` come after the norms that Gemma 2 and OLMo 2 have there; a site
# comes before them.
HOOKS: dict[Point, str] = {
    "resid_pre": "hook_in",
    "resid_post": "hook_out",
    "attn_out": "attn.hook_out",
    "mlp_out": "mlp.hook_out",
}
_FAR = 0.05  # bfloat16 and another attention stay well below; other weights, or no means, are far above
_BROKEN = (AttributeError, KeyError, NotImplementedError, RuntimeError, TypeError, ValueError)


class TransformerLens:
    """A bridge, run without its output layer.

    Its attention is eager, whatever the model's is: compare eager with eager.

    Args:
        model: Whose activations are read. It is left as it is: the bridge stands around a twin with the same weights.
        bridge: A `TransformerBridge` of yours around the same model, then read instead. Its weights may have been
            processed by `enable_compatibility_mode()` if the norms are RMSNorm.

    Raises:
        ModelError: TransformerLens does not know the architecture; the bridge's stream has lost its mean, or is that of
            another model.
        SiteError: The model is being steered or read.
    """

    name = "transformer_lens"

    def __init__(self, model: ChatModel, bridge: TransformerBridge | None = None) -> None:
        self.model = model
        self.bridge: Any = _around(model) if bridge is None else bridge
        if bridge is not None:
            _require_readable(bridge)
            if bridge.cfg.n_layers != model.layers:
                raise ModelError(
                    f"a bridge of {bridge.cfg.n_layers} blocks",
                    f"one of {model.name}, which has {model.layers}",
                    "give the model that it was made of",
                )
            self._require_same()

    @classmethod
    def of(cls, bridge: TransformerBridge, name: str = "") -> TransformerLens:
        """Read a bridge whose weights nobody has processed; its model is made out of it, without copying weights.

        Args:
            bridge: As `boot_transformers` makes it, with a tokenizer.
            name: As in `ChatModel`; default: what the bridge calls the model.

        Raises:
            ModelError: No tokenizer, or processed weights.
        """
        _require_readable(bridge)
        if _processed(bridge):
            raise ModelError(
                "a bridge whose weights were processed",
                "the model too, for a direction belongs to the weights as they were before",
                "write TransformerLens(steer.load(...), bridge)",
            )
        if bridge.tokenizer is None:
            raise ModelError("a bridge without a tokenizer", "one with it", "boot it with tokenizer=")
        hf = _unbridged(bridge.original_model)
        return cls(ChatModel(hf, bridge.tokenizer, name or str(bridge.cfg.model_name)), bridge)

    @torch.no_grad()
    def states(self, batch: Batch, picks: Picks, point: Point) -> Tensor:
        """As in `Backend`."""
        seen: dict[int, Tensor] = {}
        names = [f"blocks.{layer}.{HOOKS[point]}" for layer in range(self.model.layers)]
        for name in names:
            if self.bridge.get_hook_point(name) is None:
                raise SiteError(
                    f"{point}, for which TransformerLens has no {name}", "a point it has", "use resid_post"
                )
        hooks = [(name, partial(_read, seen, layer, picks)) for layer, name in enumerate(names)]
        with self.bridge.hooks(fwd_hooks=hooks):
            self.bridge.original_model.base_model(
                input_ids=batch.ids, attention_mask=batch.mask, use_cache=False
            )
        return torch.stack([seen[layer] for layer in range(self.model.layers)], 2)

    def _require_same(self) -> None:
        """Read eight tokens through both: flags cannot say everything that may have been done to a bridge."""
        ids = torch.arange(1, 9, device=self.model.device)[None]
        one = torch.ones_like(ids)
        batch = Batch(torch.tensor([0]), ids, one, one.sum(1))
        picks = Picks(torch.arange(8, device=self.model.device)[None])
        plain, found = (
            backend.states(batch, picks, "resid_post").double() for backend in (HuggingFace(self.model), self)
        )
        # Over all tokens together: the embedding of a padding token may be zero, and so its stream.
        far = float(((found - plain).norm(dim=(1, 3)) / plain.norm(dim=(1, 3))).max())
        if not far <= _FAR:
            raise ModelError(
                f"a bridge that reads other activations than {self.model.name} has (relative difference {far:.2g})",
                "the same weights in both",
                "give the model that the bridge was made of, loaded again",
            )


def _read(seen: dict[int, Tensor], layer: int, picks: Picks, hidden: Tensor, *, hook: object) -> None:
    seen[layer] = pick(hidden, picks).to(picks.at.device)


def _around(model: ChatModel) -> Any:
    """A bridge around a twin. Not by `boot_transformers`, which changes the tokenizer and asks the hub for another."""
    with _quiet():
        from transformer_lens.factories.architecture_adapter_factory import SUPPORTED_ARCHITECTURES
        from transformer_lens.model_bridge.sources import build_bridge_from_module

        architecture = type(model.hf).__name__
        if architecture not in SUPPORTED_ARCHITECTURES:
            raise ModelError(
                f"{architecture}", "an architecture that TransformerLens knows", "use another back end"
            )
        hf = twin(model.hf)
        hf.set_attn_implementation("eager")  # as `boot_transformers` does
        try:
            return build_bridge_from_module(hf, architecture, hf_config=hf.config, model_name=model.name)
        except _BROKEN as error:
            raise ModelError(
                f"{model.name}, around which TransformerLens builds no bridge ({' '.join(str(error).split())[:160]})",
                "a model it can take apart",
                "use another back end",
            ) from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Its import sets a level of transformers' log and filters of warnings; both are given back."""
    log = logging.getLogger("transformers")
    level = log.level
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        finally:
            log.setLevel(level)


def _processed(bridge: TransformerBridge) -> bool:
    # Compatibility mode may be on with the weights as they were: `no_processing=True`.
    return bool(getattr(bridge, "_weights_processed", bridge.compatibility_mode))


def _require_readable(bridge: TransformerBridge) -> None:
    from transformer_lens.model_bridge import TransformerBridge

    if not isinstance(bridge, TransformerBridge):
        raise ModelError(
            f"{type(bridge).__name__} for a bridge",
            "a TransformerBridge, which holds the weights",
            "make one with TransformerBridge.boot_transformers",
        )
    norm = str(getattr(bridge.cfg, "normalization_type", None))
    if _processed(bridge) and not norm.startswith("RMS"):
        raise ModelError(
            f"a bridge in compatibility mode with norms of type {norm}, which has taken the mean out of the stream",
            "the stream as the model has it",
            "boot the bridge again and read it before enable_compatibility_mode(), or give no_processing=True",
        )


def _unbridged(module: nn.Module) -> Any:
    """The module as transformers made it, in shallow copies: what the bridge has put in stays in the bridge."""
    from transformer_lens.model_bridge.generalized_components.base import GeneralizedComponent

    while isinstance(module, GeneralizedComponent) and module.original_component is not None:
        module = module.original_component
    plain = copy.copy(module)
    own = vars(plain)
    own["_modules"] = {
        name: child if child is None else _unbridged(child) for name, child in module._modules.items()
    }
    if "_hf_hook" not in own:  # accelerate's wrapper moves weights, and stays
        own.pop("forward", None)
    return plain
