"""Vectors made by hand for the tiny models: no extraction, so these tests judge applying alone."""

import pytest
import torch

from steer_vectors.file import FORMAT, FORMAT_VERSION, METADATA_KEYS, Vector
from steer_vectors.fingerprint import template_hash, tokenizer_hash, weight_fingerprint


@pytest.fixture(scope="session")
def make_vector():
    def make(model, *, layer=1, gap=2.0, seed=0):
        draw = torch.Generator().manual_seed(seed)
        directions = torch.nn.functional.normalize(
            torch.randn(model.layers, model.width, generator=draw), dim=-1
        )
        positive = torch.full((model.layers,), gap)
        meta = dict.fromkeys(METADATA_KEYS, "") | {
            "format": FORMAT, "format_version": FORMAT_VERSION, "concept": "test", "model": model.name, "point": "resid_post",
            "width": str(model.width), "layers": str(model.layers), "layer": str(layer), "position": "-1", "scores": "{}",
            "fingerprint": weight_fingerprint(model.hf), "chat_template": template_hash(model.tokenizer),
            "tokenizer": tokenizer_hash(model.tokenizer),
        }  # fmt: skip
        return Vector(directions, positive, torch.zeros(model.layers), meta)

    return make
