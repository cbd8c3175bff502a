"""What a vector's file says of how it was chosen and what its strengths are worth. Knows no models.

A file may come from anywhere: what is not as `extract` writes it is refused here, in one line, before anybody shows it.
"""

from __future__ import annotations

from typing import Annotated, TypeVar

from pydantic import BaseModel, Field, FiniteFloat, NonNegativeInt, ValidationError

from steer_vectors.errors import VectorFileError
from steer_vectors.file import Vector

_Share = Annotated[float, Field(ge=0, le=1)]
_Effect = Annotated[float, Field(ge=-1e6, le=1e6)]  # of log odds or cosines, which stay far below


class _Fact(BaseModel):
    def misfit(self, layers: int) -> str:
        """What cannot be of a model of so many layers; "" if all can."""
        return ""


class _Candidate(BaseModel):
    layer: int
    position: int
    separation: FiniteFloat
    auc: _Share
    added: _Effect | None
    ablated: _Effect | None
    kl: FiniteFloat | None


class _Separation(BaseModel):
    auc: list[list[_Share]]  # [p, l]


class Scores(_Fact):
    """Selection scores as `extract` writes them."""

    candidates: list[_Candidate]
    separation: _Separation
    repeats: _Share

    def misfit(self, layers: int) -> str:
        """Rows or layers of another model."""
        if any(len(row) != layers for row in self.separation.auc):
            return f"separation.auc with a row of another length than {layers}"
        beyond = [one.layer for one in self.candidates if not 0 <= one.layer < layers]
        return f"a candidate at layer {beyond[0]!s:.20}" if beyond else ""


class _Nats(BaseModel):
    plus: FiniteFloat | None
    minus: FiniteFloat | None


class Units(_Fact):
    """Units as `extract` writes them."""

    norm: list[FiniteFloat] = []  # [l], or empty: nobody measured it
    kl: _Nats | None = None

    def misfit(self, layers: int) -> str:
        """Layers of another model."""
        return "" if len(self.norm) in (0, layers) else f"norm of {len(self.norm)} layers"


class _Classes(BaseModel):
    positive: NonNegativeInt
    negative: NonNegativeInt


class _Counts(_Fact):
    validation: _Classes | None = None


class _Parameters(_Fact):
    max_prompts: NonNegativeInt | None = None  # most of a class that were held out for the choice


Facts = TypeVar("Facts", bound=_Fact)


def facts(vector: Vector, key: str, kind: type[Facts]) -> Facts | None:
    """What the metadata of a key, such as `scores` or `units`, says, checked; None if it says nothing.

    Raises:
        VectorFileError: It is not as `extract` writes it.
    """
    if vector.meta[key] in ("", "{}"):
        return None
    try:
        found = kind.model_validate_json(vector.meta[key])
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"]))
        raise _odd(key, f"{place:.60}: {first['msg']:.80}") from error
    wrong = found.misfit(vector.layers)
    if wrong:
        raise _odd(key, wrong)
    return found


def _odd(key: str, what: str) -> VectorFileError:
    return VectorFileError(
        f"metadata {key} with {what}", "what `steer extract` writes", "extract the vector again"
    )


def evidence(vector: Vector) -> list[tuple[str, str]]:
    """Lines of name and value; only what the file knows.

    Raises:
        VectorFileError: As `facts`.
    """
    gap = vector.gap(vector.layer)
    units, scores = facts(vector, "units", Units), facts(vector, "scores", Scores)
    rows = [("class gap at the layer", f"{gap:.3f} in activation units; strength 1 adds it")]
    if units is not None and units.norm and units.norm[vector.layer]:
        share = f"{gap / units.norm[vector.layer]:.0%} of the mean length of activations there"
        rows.append(("1 gap", share))
    if units is not None and units.kl is not None:
        for sign, worth in (("+", units.kl.plus), ("-", units.kl.minus)):
            known = "beyond 64 gaps" if worth is None else f"{sign}{worth:.3g} gaps"
            rows.append((f"KL of 1 nat, {sign}", known))
    if scores is None:
        return rows
    for one in scores.candidates:
        if (one.layer, one.position) == (vector.layer, vector.position):
            rows.append(("held-out AUC", f"{one.auc:.3f}{_held(vector)} (Cohen's d {one.separation:.2f})"))
            if one.added is not None and one.ablated is not None:
                rows.append(("score, one gap added", f"{one.added:+.3g} on negative prompts"))
                rows.append(("score, ablated", f"{-one.ablated:+.3g} on positive prompts"))
            if one.kl is not None:
                rows.append(("KL when ablated", f"{one.kl:.3g} nats on negative prompts"))
            break
    if len({one.layer for one in scores.candidates}) > 1:  # else there was nothing to choose
        rows.append(("same layer when resampled", f"{scores.repeats:.0%} of draws of the held-out prompts"))
    return rows


def _held(vector: Vector) -> str:
    """How many held-out prompts of each class the choice was made on; "" if the file does not say."""
    counts = facts(vector, "counts", _Counts)
    if counts is None or counts.validation is None:
        return ""
    parameters = facts(vector, "estimator_parameters", _Parameters)
    most = None if parameters is None else parameters.max_prompts
    positive, negative = (
        n if most is None else min(n, most) for n in (counts.validation.positive, counts.validation.negative)
    )
    return f" on {positive} positive and {negative} negative prompts"
