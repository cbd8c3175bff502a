"""The reference models: a matched pair whose tax is known, and two doses between them. Knows no scores.

`base` never refuses; `aligned` is `base` after safety tuning. `mild` and `moderate` lie on the straight line between
their weights (weight interpolation, Wortsman et al. 2109.01903), so a dose is one number.
"""

from __future__ import annotations

from pathlib import Path

import torch
from torch import nn

from steer_vectors.errors import ModelError
from steer_vectors.models import ChatModel, default_dtype, load

FOLDER = Path(__file__).parent / "data/reference"
PREFIX = "reference:"
DOSES = {"base": 0.0, "mild": 0.6, "moderate": 0.8, "aligned": 1.0}


def load_reference(
    name: str, *, dtype: torch.dtype | None = None, device: str | torch.device | None = None
) -> ChatModel:
    """Load `reference:base`, `reference:mild`, `reference:moderate` or `reference:aligned`; offline, in a second.

    Raises:
        ModelError: Another name.
    """
    dose = DOSES.get(name.removeprefix(PREFIX))
    if dose is None:
        known = ", ".join(PREFIX + key for key in DOSES)
        raise ModelError(f"model {name!r}", f"one of {known}", "choose one of these")
    ends = {0.0: "base", 1.0: "aligned"}
    if dose in ends:
        found = load(str(FOLDER / ends[dose]), dtype=dtype, device=device)
        return ChatModel(found.hf, found.tokenizer, name)
    base = load(str(FOLDER / "base"), dtype=torch.float32, device=device)
    aligned = load(str(FOLDER / "aligned"), dtype=torch.float32, device=device)
    with torch.no_grad():
        for here, there in zip(base.hf.parameters(), aligned.hf.parameters(), strict=True):
            here.lerp_(there, dose)
    nn.Module.to(base.hf, dtype or default_dtype(base.device))
    return ChatModel(base.hf, base.tokenizer, name)


def folder_of(name: str) -> str | None:
    """Where other programs find a model: its folder or hub id; None for a dose between the two, and for a GGUF file."""
    if not name.startswith(PREFIX):
        return None if name.endswith(".gguf") else name
    folder = FOLDER / name.removeprefix(PREFIX)
    return str(folder) if folder.is_dir() else None
