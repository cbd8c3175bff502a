"""Where in a model: a layer and a point. Knows no tensors."""

from typing import Literal, NamedTuple, get_args

Point = Literal["resid_post", "resid_pre", "attn_out", "mlp_out"]
POINTS: tuple[Point, ...] = get_args(Point)


class Site(NamedTuple):
    """A place in the residual stream, or where a part of a layer writes to it.

    Args:
        layer: 0-based index of a decoder layer, as in Hugging Face `model.layers[layer]`.
        point: `resid_post`, the output of that layer; `resid_pre`, its input; `attn_out` or `mlp_out`, what its attention
            or its MLP puts out (in models that normalise after them, Gemma 2 or OLMo 2, before that norm).
    """

    layer: int
    point: Point = "resid_post"
