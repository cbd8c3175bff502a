"""Activations read through nnsight: one trace per batch, here or on NDIF.

The block of the trace is what travels when it runs elsewhere, as source. So it names plain things only, and what comes
back is what was picked, `[b, p, l, d]`, never whole activations.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib import import_module
from types import SimpleNamespace
from typing import Any, Literal, cast

import torch
from torch import Tensor

from steer_vectors.backends import Batch, Picks, pick
from steer_vectors.backends.twin import twin
from steer_vectors.errors import ModelError
from steer_vectors.hooks import module_at
from steer_vectors.models import ChatModel, decoder_layers
from steer_vectors.site import Point, Site

Remote = bool | Literal["local"] | None

# Classes that count the public attributes of their instances when they are made.
_LATE = {
    "anyio.abc": "SocketAttribute",
    "anyio.streams.file": "FileStreamAttribute",
    "anyio.streams.tls": "TLSAttribute",
}


class NNsight:
    """A traced model, run without its output layer.

    Importing nnsight gives every Python object a method `save` and wraps `Tensor.backward`; that is its way.

    Args:
        model: Whose activations are read. It is left as it is: a twin with the same weights is traced.
        remote: None or False: here. True: on NDIF, under the model's hub id, with the key in `NDIF_API_KEY`. "local":
            here too, but by the way of a remote run, as a rehearsal: what would be sent is packed, and unpacked where
            this package cannot be imported.

    Raises:
        ModelError: No key for NDIF.
        SiteError: The model is being steered or read.
    """

    def __init__(self, model: ChatModel, *, remote: Remote = None) -> None:
        _require_key(remote)
        # nnsight sets the tokenizer's padding side.
        tokenizer = copy.deepcopy(model.tokenizer)
        self.model = model
        self._remote = remote
        self.traced: Any = _library().TransformersModel(
            twin(model.hf), tokenizer=tokenizer, task="text-generation", device=model.device
        )

    @classmethod
    def of(cls, traced: Any, *, remote: Remote = None) -> NNsight:
        """Read a model that nnsight has wrapped already.

        Args:
            traced: An `nnsight.TransformersModel` or `LanguageModel` of text. Its weights are loaded now if they are not
                yet, but for `remote=True`, where they stay on the server. Edits registered on it apply.
            remote: As above.

        Raises:
            ModelError: Another kind of wrapper, no tokenizer, or no key for NDIF.
        """
        _require_key(remote)
        if not isinstance(traced, _library().TransformersModel) or traced.tokenizer is None:
            raise ModelError(
                f"{type(traced).__name__}, which has no tokenizer",
                "an nnsight.TransformersModel or LanguageModel of text",
                "wrap the model together with its tokenizer",
            )
        if remote is not True:
            traced.dispatch()
        hf = traced.pipeline.model
        kind = _Elsewhere if hf.device.type == "meta" else ChatModel
        self = cls.__new__(cls)
        self.model = kind(hf, traced.tokenizer, str(traced.repo_id or type(hf).__name__))
        self._remote = remote
        self.traced = traced
        return self

    @property
    def name(self) -> str:
        """As in `Backend`."""
        return "nnsight-remote" if self._remote else "nnsight"

    @torch.no_grad()
    def states(self, batch: Batch, picks: Picks, point: Point) -> Tensor:
        """As in `Backend`."""
        nnsight = _library()
        nnsight.register("steer_vectors.backends")  # `pick` travels as source
        places, before = self._places(point), point == "resid_pre"
        chosen = cast(Picks, SimpleNamespace(**picks._asdict()))
        with (
            _paths_kept(),
            self.traced.trace(
                input_ids=batch.ids,
                attention_mask=batch.mask,
                use_cache=False,
                fn="base_model",
                remote=self._remote,
            ),
        ):
            found = []
            for place in places:
                value = place.input if before else place.output
                hidden = value[0] if isinstance(value, (tuple, list)) else value
                # To where the client is: on a server the layers may be on several devices.
                found.append(pick(hidden.detach(), chosen).to(chosen.at.device))
            states = nnsight.save(torch.stack(found, 2))
        return cast(Tensor, states)

    def _places(self, point: Point) -> list[Any]:
        """What nnsight calls the modules of one point."""
        hf = self.traced.pipeline.model
        names = {id(module): name for name, module in hf.named_modules()}
        layers = decoder_layers(hf)
        modules = (module_at(layers, Site(layer, point)) for layer in range(len(layers)))
        return [self.traced.get(names[id(module)]) for module in modules]


class _Elsewhere(ChatModel):
    """A model whose weights are on a server: here it has only shapes, and tensors for it are made on the CPU."""

    @property
    def device(self) -> torch.device:
        return torch.device("cpu")


def _library() -> Any:
    """Nnsight, which is heavy; and before it what of anyio loads late, and not at all once every object has a `save`."""
    if "nnsight" not in sys.modules:
        for module, name in _LATE.items():
            with suppress(ImportError, AttributeError):
                getattr(import_module(module), name)
    return import_module("nnsight")


def _require_key(remote: Remote) -> None:
    if remote is True and not _library().CONFIG.API.APIKEY:
        raise ModelError(
            "remote=True without a key for NDIF",
            "a key in the environment variable NDIF_API_KEY",
            'get one from https://ndif.us, or rehearse with remote="local"',
        )


@contextmanager
def _paths_kept() -> Iterator[None]:
    """The rehearsal hides paths of imports for a moment, and puts them back in another order."""
    paths = list(sys.path)
    try:
        yield
    finally:
        sys.path[:] = paths
