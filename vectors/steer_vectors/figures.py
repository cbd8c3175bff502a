"""Pictures of vectors, as PNG or SVG bytes. Knows numbers only.

Figures are made without pyplot, so nothing global is touched; the same numbers give the same bytes.
"""

from __future__ import annotations

import io
import json
from typing import Any, Literal

import matplotlib
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from steer_vectors.arithmetic import Comparison
from steer_vectors.errors import VectorFileError
from steer_vectors.evidence import Scores, facts
from steer_vectors.file import Vector

Kind = Literal["png", "svg"]

_INK, _FAINT, _UNKNOWN = "#1f2328", "#8b929a", "#e6e8eb"
_DARK = 0.6  # absolute cosine from which on a cell is dark enough for white letters
_LONGEST = 40  # letters of a name that are shown
_MOST_POSITIONS = 64  # the picture grows with them; chat templates end in ten or so


def cosine_heatmap(comparison: Comparison, layer: int | None = None, kind: Kind = "png") -> bytes:
    """The cosines between vectors at one layer, each written into its cell.

    Colours run from orange (opposite) over white (at a right angle) to purple (the same), which people with any common
    colour blindness tell apart. A cell is grey where a vector has no direction at that layer.

    Args:
        comparison: Of n vectors.
        layer: 0-based; default: the selected one of the first vector.
        kind: png or svg.

    Returns:
        The bytes of the picture.

    Raises:
        SiteError: No such layer.
    """
    cosines = comparison.at(layer)
    chosen = comparison.layer if layer is None else layer
    count = len(comparison.names)
    names = [_shown(name) for name in comparison.names]
    figure = Figure(figsize=(3.2 + 0.8 * count, 2.2 + 0.8 * count), dpi=160, layout="constrained")
    axes = figure.subplots()
    colours = matplotlib.colormaps["PuOr"].with_extremes(bad=_UNKNOWN)
    image = axes.imshow(cosines.numpy(), cmap=colours, vmin=-1, vmax=1)
    for row, column in ((i, j) for i in range(count) for j in range(count)):
        value = float(cosines[row, column])
        colour = "white" if abs(value) > _DARK else _INK
        axes.text(column, row, _written(value), ha="center", va="center", color=colour, fontsize=9.5)
    axes.set_xticks(range(count), names, rotation=35, ha="right", rotation_mode="anchor", parse_math=False)
    axes.set_yticks(range(count), names, parse_math=False)
    axes.tick_params(colors=_INK, labelsize=9.5, length=0)
    axes.spines[:].set_color(_FAINT)
    axes.set_title(f"cosine at layer {chosen}", color=_INK, fontsize=11, loc="left")
    bar = figure.colorbar(image, ax=axes, ticks=[-1, -0.5, 0, 0.5, 1], shrink=0.8)
    bar.ax.tick_params(colors=_INK, labelsize=9.5)
    bar.outline.set_visible(False)
    return _bytes(figure, kind)


def selection_chart(vector: Vector, kind: Kind = "png") -> bytes:
    """How the site was chosen: AUC at every position and layer; below it what each layer's best position does.

    Args:
        vector: With selection scores.
        kind: png or svg.

    Returns:
        The bytes of the picture.

    Raises:
        VectorFileError: A vector of which nothing was selected, or whose positions are more than 64 or no numbers.
    """
    scores = facts(vector, "scores", Scores)
    positions = json.loads(vector.meta["positions"] or "[]")
    if len(positions) > _MOST_POSITIONS or not all(type(p) is int and p <= 0 for p in positions):
        raise VectorFileError(
            f"metadata positions = {vector.meta['positions']!r:.80}",
            f"at most {_MOST_POSITIONS} whole numbers, none above 0",
            "extract the vector again",
        )
    if scores is None or vector.position not in positions or len(scores.separation.auc) != len(positions):
        raise VectorFileError(
            "a vector without selection scores",
            "one whose layer or position was chosen",
            "extract it without --layer or --position",
        )
    effects = [
        (one.layer, one.added, one.ablated)
        for one in scores.candidates
        if one.added is not None and one.ablated is not None
    ]
    figure = Figure(
        figsize=(8.4, 2.2 + 0.26 * len(positions) + (2.6 if effects else 0)), dpi=160, layout="constrained"
    )
    heights = [0.9 + 0.26 * len(positions), *([2.6] if effects else [])]
    panels = figure.subplots(len(heights), 1, sharex=True, height_ratios=heights, squeeze=False)[:, 0]
    image = panels[0].imshow(
        scores.separation.auc, cmap="viridis", vmin=0.5, vmax=1, aspect="auto", interpolation="nearest"
    )
    panels[0].set_yticks(
        range(len(positions)), ["answer" if p == 0 else str(p).replace("-", "\u2212") for p in positions]
    )
    panels[0].set_ylabel("position", color=_INK)
    panels[0].plot(
        vector.layer, positions.index(vector.position), "o", markerfacecolor="none", markeredgecolor="#d1495b",
        markersize=11, markeredgewidth=2,
    )  # fmt: skip
    panels[0].set_title(
        f"{_shown(vector.concept)}: AUC of held-out prompts; the ring is the chosen site",
        color=_INK,
        fontsize=11,
        loc="left",
        parse_math=False,
    )
    bar = figure.colorbar(image, ax=panels[0], ticks=[0.5, 0.75, 1])
    bar.outline.set_visible(False)
    if effects:
        best: dict[int, tuple[float, float]] = {}  # of each layer, at the position that does most
        for layer, *own in effects:
            best[layer] = max(best.get(layer, (own[0], own[1])), (own[0], own[1]), key=sum)
        layers = sorted(best)
        panels[1].axhline(0, color=_FAINT, linewidth=0.8)
        for column, (colour, word) in enumerate((("#3d6cb9", "one gap added"), ("#d1495b", "ablated"))):
            heights_here = [best[layer][column] for layer in layers]
            panels[1].plot(layers, heights_here, "o-", color=colour, markersize=3.5, label=word)
        panels[1].axvline(vector.layer, color=_INK, linewidth=0.8, linestyle=":")
        panels[1].set_ylabel("effect on the score", color=_INK)
        panels[1].legend(frameon=False, fontsize=9)
        panels[1].spines[["top", "right"]].set_visible(False)
    panels[-1].set_xlabel("layer", color=_INK)
    for panel in panels:
        panel.tick_params(colors=_INK, labelsize=9)
    return _bytes(figure, kind)


def _shown(name: str) -> str:
    bare = "".join(char if char.isprintable() else "?" for char in name)
    return bare if len(bare) <= _LONGEST else f"{bare[: _LONGEST - 1]}…"


def _written(value: float) -> str:
    if value != value:
        return "none"
    # Rounded first: what rounds to 0 has no sign.
    return f"{round(value, 2) + 0.0:.2f}".replace("-", "\u2212")


def _bytes(figure: Figure, kind: Kind) -> bytes:
    FigureCanvasAgg(figure)
    target = io.BytesIO()
    # No software stamp and no date, and SVG ids by content.
    stamp: dict[str, Any] = {"png": {"Software": None}, "svg": {"Date": None, "Creator": None}}[kind]
    with matplotlib.rc_context({"svg.hashsalt": "steerdial"}):
        figure.savefig(target, format=kind, facecolor="white", metadata=stamp)
    return target.getvalue()
