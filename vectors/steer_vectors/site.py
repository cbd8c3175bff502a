"""Where in a model: a layer and a point. Knows no tensors."""

from typing import NamedTuple


class Site(NamedTuple):
    """A place in the residual stream.

    Args:
        layer: 0-based index of a decoder layer, as in Hugging Face `model.layers[layer]`.
        point: `"resid_post"`, the output of that layer; the only point of this version.
    """

    layer: int
    point: str = "resid_post"
