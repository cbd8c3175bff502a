"""A GGUF model in llama.cpp, steered by a policy of constants: its control vector is set anew for each request.

llama.cpp has one control vector per context, for all tokens. What was computed under another one stays in the key-value
cache, so the cache is cleared whenever a request begins. Token ids go in and come out: the file's tokenizer is not used. Keys and
values are kept in float32, so that what differs from transformers is the weights' precision alone.

Needs `pip install llama-cpp-python`; imported only by whoever asks for it. Knows no other runtime.
"""

from __future__ import annotations

import ctypes
import weakref
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from llama_cpp import llama_cpp as api
from torch import Tensor

from steer.dials import Policy
from steer.equivalence import Said
from steer.errors import PlanError
from steer.export.gguf import control
from steer_vectors.errors import MismatchError, ModelError

_AT_ONCE = 512  # tokens of a prompt in one batch
_CONTEXT = 4096
_F32 = 0  # GGML_TYPE_F32


class LlamaCpp:
    """A model in llama.cpp with a policy; a `steer.equivalence.Runtime`.

    Args:
        path: A `.gguf` file of the model that the policy is for. It does not say which one it was made of: width and
            layers are checked, weights are not.
        policy: Constant "add" edits at `resid_post`, at layers from 1 on, for all tokens.
        context: Most tokens, prompt and answer together; at most what the model was made for.

    Raises:
        PlanError: A policy that llama.cpp cannot express; the nearest that it can is named.
        ModelError: A file that llama.cpp does not load.
        MismatchError: A model of another width or depth.
    """

    name = "llama_cpp"

    def __init__(self, path: str | Path, policy: Policy, context: int = _CONTEXT) -> None:
        control(policy.plan, dict.fromkeys(policy.plan.dials, 1.0))  # refuses before anything is loaded
        self.policy = policy
        model = _load(path)
        weakref.finalize(self, api.llama_model_free, model)
        self._width, self._layers = api.llama_model_n_embd(model), api.llama_model_n_layer(model)
        for vector in (edit.vector for edit in policy.plan.edits):
            if (vector.width, vector.layers) != (self._width, self._layers):
                raise MismatchError(
                    f"a vector of {vector.layers} layers of width {vector.width} for {path}",
                    f"{self._layers} layers of width {self._width}",
                    "name a GGUF file of the model that the policy was made on",
                )
        self._vocabulary = api.llama_model_get_vocab(model)
        self._size = api.llama_vocab_n_tokens(self._vocabulary)
        self._context = min(context, api.llama_model_n_ctx_train(model))
        self._live = _start(model, self._context)
        weakref.finalize(self, api.llama_free, self._live)  # the last one that was registered runs first

    def say(
        self, prompts: Sequence[Sequence[int]], strengths: Sequence[Mapping[str, float]], most: int
    ) -> list[Said]:
        """Answers of at most `most` tokens to `n` prompts' tokens, each at its own strengths of all dials, one after the other.

        Raises:
            PlanError: An unknown dial, a strength out of bounds.
            ModelError: An empty prompt, more tokens than the context, a token that the model does not have.
        """
        asked = [self.policy.strengths(dict(own)) for own in strengths]
        return [self._answer(list(ids), own, most) for ids, own in zip(prompts, asked, strict=True)]

    def _answer(self, ids: list[int], strengths: Mapping[str, float], most: int) -> Said:
        if not ids or len(ids) + most > self._context or not all(0 <= token < self._size for token in ids):
            raise ModelError(
                f"{len(ids)} prompt tokens and an answer of {most}",
                f"some, {self._context} at most together, each from 0 to {self._size - 1}",
                "shorten the prompt, or encode it with the model's own tokenizer",
            )
        self.steer(strengths)
        self.forget()
        first, *others = self._greedy(ids, most)
        said = [int(row.argmax()) for row in (first, *others)][:most]
        if said and api.llama_vocab_is_eog(self._vocabulary, said[-1]):
            said.pop()
        return Said(first.log_softmax(-1), tuple(said))

    def _greedy(self, ids: list[int], most: int) -> Iterator[Tensor]:
        """Logits `[v]` of each token of the answer, the one that ends it included; one at least."""
        for count in range(max(1, most)):
            logits = self.read(ids)
            yield logits
            ids = [int(logits.argmax())]
            if api.llama_vocab_is_eog(self._vocabulary, ids[0]) or count + 1 >= most:
                return

    def read(self, ids: list[int]) -> Tensor:
        """Put tokens behind those in the cache; logits `[v]` after the last of them."""
        for start in range(0, len(ids), _AT_ONCE):
            piece = ids[start : start + _AT_ONCE]
            tokens = (api.llama_token * len(piece))(*piece)
            code = api.llama_decode(self._live, api.llama_batch_get_one(tokens, len(piece)))
            if code:
                raise ModelError(
                    f"llama.cpp, which stops with code {code}", "an answer", "check the file and the tokens"
                )
        logits = np.ctypeslib.as_array(api.llama_get_logits_ith(self._live, -1), (self._size,))
        return torch.from_numpy(logits.copy())  # llama.cpp writes the next ones to the same place

    def steer(self, strengths: Mapping[str, float]) -> None:
        """Set the control vector; none at all where nothing is added, which is the plain model to the bit."""
        moves = control(self.policy.plan, strengths)
        if not moves:
            code = api.llama_set_adapter_cvec(self._live, None, 0, self._width, -1, -1)
        else:
            rows = torch.zeros(self._layers - 1, self._width)  # begins at layer 1
            for layer, move in moves.items():
                rows[layer - 1] = move
            data = ctypes.cast(rows.data_ptr(), ctypes.POINTER(ctypes.c_float))
            code = api.llama_set_adapter_cvec(
                self._live, data, rows.numel(), self._width, 1, self._layers - 1
            )
        if code:
            raise PlanError(
                "a control vector that llama.cpp refuses", "one of the model's shape", "report this"
            )

    def forget(self) -> None:
        """Clear keys and values: those of other strengths would be stale."""
        api.llama_memory_clear(api.llama_get_memory(self._live), True)


def _say_nothing(_level: int, _text: bytes, _data: Any) -> None:
    """llama.cpp tells of every tensor it loads."""


_QUIET: Any = api.llama_log_callback(_say_nothing)  # kept: llama.cpp goes on calling it


def _load(path: str | Path) -> Any:
    if not Path(path).is_file():
        raise ModelError(f"no file at {path}", "a .gguf file", "check the path")
    api.llama_log_set(_QUIET, None)
    api.llama_backend_init()
    params = api.llama_model_default_params()
    params.n_gpu_layers = 0
    params.use_extra_bufts = False  # weights packed anew for AMX have made it crash
    model = api.llama_model_load_from_file(str(path).encode(), params)
    if model is None:
        raise ModelError(f"{path}, which llama.cpp does not load", "a GGUF model", "convert it again")
    return model


def _start(model: Any, context: int) -> Any:
    params = api.llama_context_default_params()
    params.n_ctx, params.n_batch, params.n_ubatch = context, _AT_ONCE, _AT_ONCE
    params.n_threads = params.n_threads_batch = torch.get_num_threads()
    params.type_k = params.type_v = _F32
    params.flash_attn_type = api.LLAMA_FLASH_ATTN_TYPE_DISABLED
    live = api.llama_init_from_model(model, params)
    if live is None:
        raise ModelError(
            f"a context of {context} tokens, which llama.cpp refuses",
            "one that fits the memory",
            "shorten it",
        )
    return live
