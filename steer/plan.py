"""Plans: what is done with which direction, where and when. Frozen words; knows no live model."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from numbers import Real
from operator import index
from pathlib import Path
from typing import Any, Literal, get_args

from steer.errors import PlanError
from steer.scope import span
from steer_vectors.file import Vector
from steer_vectors.site import POINTS, Site

Kind = Literal["add", "ablate", "affine", "clamp", "rotate", "map"]
DIAL = "strength"  # of plans that have one dial and do not name it
ELSE = "else"  # the edits that act where no probe opens
Read = Literal["place", "cosine"]
_APPLIED = {"point": POINTS, "processing": ("raw",)}  # of a vector: what the hooks edit
# What a kind needs besides its vector (of "low|high" one is enough); nothing else may be given.
_NEEDS: dict[str, tuple[str, ...]] = {
    "add": (), "ablate": (), "affine": (), "clamp": ("low|high",), "rotate": ("second", "angle"), "map": ("second",),
}  # fmt: skip
_TAKES = {"affine": ("to",), "clamp": ("low", "high"), "rotate": ("second", "angle"), "map": ("second",)}


@dataclass(frozen=True, eq=False)
class Gate:
    """Opens an edit token by token, where the row points along a direction (CAST, 2409.05907).

    Args:
        vector: The direction that rows are compared with, at every layer of the edit.
        threshold: Cosine between -1 and 1.
        sharpness: Per unit of cosine, above 0: of the sigmoid around the threshold. Infinite = a step.

    Raises:
        PlanError: A threshold or sharpness out of range.
    """

    vector: Vector
    threshold: float
    sharpness: float = math.inf

    def __post_init__(self) -> None:
        if not -1 <= self.threshold <= 1 or not self.sharpness > 0:
            raise PlanError(
                f"a gate with threshold {self.threshold} and sharpness {self.sharpness}",
                "a cosine between -1 and 1, and a sharpness above 0",
                "choose a threshold such as 0.1",
            )


@dataclass(frozen=True, eq=False)
class Probe:
    """Decides request by request which edits act: by a risk that is read off the last token of the prompt.

    A plan asks its probes in order, and the first that opens decides: then the edits act that name it as their `when`, and
    those of "else" where none opens. So probes never add up, and where two of them would open the earlier one wins. A soft
    probe opens by a share of 1 and leaves the rest to those after it; the shares of all, "else" included, sum to 1.

    Args:
        name: What edits call it.
        vector: The direction it reads along.
        layer: 0-based; default the one that the vector chose.
        slope: Of the risk, `sigmoid(slope * x + offset)`, where x is the row's place along the direction in class gaps
            (0 = mean of the negative class, 1 = of the positive), as fitted by `steer_vectors.probe`.
        offset: See `slope`.
        threshold: The risk at which it opens, between 0 and 1.
        sharpness: Above 0. Infinite: it is open or shut. Else it opens by `sigmoid(sharpness * (logit(risk) -
            logit(threshold)))`; at sharpness 1 and threshold 0.5 that is the risk itself.
        read: What x is: "place", or the "cosine" of row and direction, as in CAST (2409.05907, section 3).
        each_token: Read again at every token of the answer; the risk of an answer never falls. Otherwise it is decided
            once, before the first token of the answer. Either way every turn of a conversation is decided anew.
        before: Vectors of the tokens before the last one, the nearest first, each with a slope of its own: what they read is
            added to the log-odds. Not with "cosine" or `each_token`.
        measured: How often it errs, for people and reports: names to numbers, texts, lists and mappings of these.

    Raises:
        PlanError: A name that is empty or "else", a number out of range, a vector that was read off something else than
            a raw site, a layer that it does not have.
    """

    name: str
    vector: Vector
    layer: int | None = None
    slope: float = 1.0
    offset: float = 0.0
    threshold: float = 0.5
    sharpness: float = math.inf
    read: Read = "place"
    each_token: bool = False
    before: tuple[tuple[Vector, float], ...] = ()
    measured: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if not self.name or not isinstance(self.name, str) or self.name == ELSE:
            raise PlanError(
                f"a probe named {self.name!r}", f"a name other than {ELSE!r}", "name it, say risk"
            )
        fits = 0 < self.threshold < 1 and self.sharpness > 0 and math.isfinite(self.offset)
        if not fits or not math.isfinite(self.slope) or self.slope == 0 or self.read not in get_args(Read):
            raise PlanError(
                f"probe {self.name!r} with threshold {self.threshold}, sharpness {self.sharpness}, slope {self.slope}, "
                f"offset {self.offset}, read {self.read!r}",
                "a threshold between 0 and 1, a sharpness above 0, a slope that is not 0, an offset, read place or cosine",
                "mend the number",
            )
        for vector, slope in self.readings:
            _check_vector(vector, self.vector.point, (self.site.layer,))
            if not math.isfinite(slope):
                raise PlanError(
                    f"probe {self.name!r} with slope {slope}", "a finite slope", "mend the number"
                )
        if self.before and (self.read == "cosine" or self.each_token):
            raise PlanError(
                f"probe {self.name!r} of several tokens, with {'cosine' if self.read == 'cosine' else 'each_token'}",
                "one token with either",
                "leave one of the two out",
            )

    @property
    def readings(self) -> tuple[tuple[Vector, float], ...]:
        """Vectors and slopes, of the last token first."""
        return ((self.vector, self.slope), *self.before)

    @property
    def site(self) -> Site:
        """Where it reads."""
        return Site(self.vector.layer if self.layer is None else self.layer, self.vector.point)


@dataclass(frozen=True, eq=False)
class Edit:
    """One thing done with one direction, at the point of each layer where the direction was read.

    Places along the direction are counted in class gaps, as strengths are: 0 is the mean of the negative class, 1 that of
    the positive.

    Args:
        kind: "add" moves along the direction, in class gaps; "ablate" removes the projection on it; "affine" sets the
            projection to that of a class; "clamp" keeps it within bounds; "rotate" turns the row within a plane;
            "map" moves along the direction as far as another one is seen.
        vector: The direction at every layer.
        layers: 0-based layers it is done at. Default: "ablate" at every layer, the others at the layer the vector chose.
        scope: Which tokens: "all", those of the "prompt", those of the "generation", the "last" of the prompt, or a
            window of positions such as "0:4" or "-3:" (see `steer.scope.span`).
        scale: The dial's strength is multiplied by this, so that several edits can hang on one dial.
        dial: Name of the dial that turns it.
        to: For "affine", the place the projection is set to; default 0, as in mean ablation.
        low: For "clamp", the lowest place; None = none.
        high: For "clamp", the highest place.
        second: For "rotate", the direction that spans the plane with the first; for "map", the direction that is read
            (a row whose projection on it is that of its positive class is moved by one class gap), unless the vector has
            a reading of its own, as a null-space map has.
        angle: For "rotate", degrees from the first direction towards the second.
        gate: Opens the edit token by token; None = always open.
        keep_norm: An edited row keeps its length.
        when: Name of the plan's probe that opens it request by request, or "else"; None = always open.

    Raises:
        PlanError: An unknown kind or scope, a layer a vector does not have, a number that is not finite, a setting that
            the kind does not take or lacks, a vector that was read off a point unknown here, off another point than the
            first, or from processed activations.
    """

    kind: Kind
    vector: Vector
    layers: tuple[int, ...] = ()
    scope: str = "all"
    scale: float = 1.0
    dial: str = DIAL
    to: float = 0.0
    low: float | None = None
    high: float | None = None
    second: Vector | None = None
    angle: float | None = None
    gate: Gate | None = None
    keep_norm: bool = False
    when: str | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise PlanError(f"edit {self.kind!r}", " or ".join(get_args(Kind)), "choose a known edit")
        for name, kinds in (
            ("vector", (Vector,)),
            ("second", (Vector, type(None))),
            ("gate", (Gate, type(None))),
        ):
            if not isinstance(given := getattr(self, name), kinds):
                raise PlanError(f"{name} {given!r}", f"a {kinds[0].__name__}", "load or make one first")
        span(self.scope)
        object.__setattr__(self, "layers", _layers(self.layers))
        if not self.dial or not isinstance(self.dial, str):
            raise PlanError(f"dial {self.dial!r}", "a name", "name the dial, or leave it out")
        self._check_settings()
        for vector in self.vectors:
            _check_vector(vector, self.vector.point, self.layers)

    def _check_settings(self) -> None:
        given = {
            "to": self.to or None,
            "low": self.low,
            "high": self.high,
            "second": self.second,
            "angle": self.angle,
        }
        extra = [
            name
            for name, value in given.items()
            if value is not None and name not in _TAKES.get(self.kind, ())
        ]
        if self.kind == "map" and self.vector.read is not None:
            given["second"] = self.second or self.vector
        missing = [need for need in _NEEDS[self.kind] if all(given[name] is None for name in need.split("|"))]
        if extra or missing:
            raise PlanError(
                f"{self.kind!r} {'with' if extra else 'without'} {', '.join(extra or missing)}",
                f"{', '.join(_TAKES.get(self.kind, ())) or 'no other setting'}",
                "see the edits in docs/steering.md",
            )
        numbers = (self.scale, self.to, self.low, self.high, self.angle)
        if any(n is not None and not (isinstance(n, Real) and math.isfinite(n)) for n in numbers):
            raise PlanError(
                f"scale {self.scale!r} and settings {numbers[1:]}",
                "finite numbers",
                "choose a scale such as 1 or -0.5",
            )
        if self.low is not None and self.high is not None and self.low > self.high:
            raise PlanError(f"low {self.low} above high {self.high}", "low <= high", "swap the bounds")

    @property
    def vectors(self) -> tuple[Vector, ...]:
        """Every vector it uses, its own first."""
        gated = () if self.gate is None else (self.gate.vector,)
        return (self.vector, *(() if self.second is None else (self.second,)), *gated)

    @property
    def sites(self) -> tuple[Site, ...]:
        """Where it is done, with the default layers filled in."""
        chosen = tuple(range(self.vector.layers)) if self.kind == "ablate" else (self.vector.layer,)
        return tuple(Site(layer, self.vector.point) for layer in self.layers or chosen)


def _layers(layers: Any) -> tuple[int, ...]:
    """Each layer once: twice would be twice the edit."""
    try:
        found = tuple(index(layer) for layer in layers)
        again = len(set(found)) < len(found)
    except TypeError:
        found, again = (), True
    if again:
        raise PlanError(f"layers {layers!r}", "whole numbers, each once", "write layers=(3, 4)")
    return found


def _check_vector(vector: Vector, point: str, layers: tuple[int, ...]) -> None:
    for key, applied in _APPLIED.items():
        if vector.meta[key] not in applied:
            raise PlanError(
                f"a vector of {key} {vector.meta[key]!r}",
                f"{key} {' or '.join(applied)}",
                "extract it with `steer extract`",
            )
    if vector.point != point:
        raise PlanError(
            f"vectors of {point} and {vector.point} in one edit", "one point", "extract both at it"
        )
    for layer in layers:
        if not 0 <= layer < vector.layers:
            raise PlanError(
                f"layer {layer}", f"0 to {vector.layers - 1}", "choose a layer of the vector's model"
            )


@dataclass(frozen=True)
class Plan:
    """A frozen list of edits and the dials they hang on; at each site they are done in this order.

    Args:
        edits: At least one.
        probes: What opens the edits that have a `when`, in the order in which they are asked.

    Raises:
        PlanError: No edits; two probes of one name; an edit of a probe that is not there.
    """

    edits: tuple[Edit, ...]
    probes: tuple[Probe, ...] = ()

    def __post_init__(self) -> None:
        for name in ("edits", "probes"):
            object.__setattr__(self, name, tuple(getattr(self, name)))
        names = [probe.name for probe in self.probes]
        if len(set(names)) < len(names):
            raise PlanError(f"probes {', '.join(names)}", "each name once", "rename one of them")
        known = [*names, ELSE] if names else []
        if lost := [edit.when for edit in self.edits if edit.when is not None and edit.when not in known]:
            raise PlanError(
                f"an edit when {lost[0]!r}",
                " or ".join(known) or "a plan with probes",
                "name a probe of the plan",
            )
        if not self.edits:
            raise PlanError(
                "a plan without edits", "at least one edit", "use Plan.add(vector) or Plan.ablate(vector)"
            )

    @property
    def dials(self) -> tuple[str, ...]:
        """Names of its dials, in the order of the edits."""
        return tuple(dict.fromkeys(edit.dial for edit in self.edits))

    @classmethod
    def add(cls, vector: Vector, *, layers: tuple[int, ...] = (), scope: str = "all") -> Plan:
        """Add the direction: strength 1 is one class gap, + is more of the concept."""
        return cls((Edit("add", vector, layers, scope),))

    @classmethod
    def ablate(cls, vector: Vector, *, layers: tuple[int, ...] = (), scope: str = "all") -> Plan:
        """Remove the direction: strength 1 removes it whole."""
        return cls((Edit("ablate", vector, layers, scope),))

    @classmethod
    def load(cls, path: str | Path) -> Plan:
        """Read a policy and the vectors it names.

        Raises:
            PlanError: No such file, not TOML, unknown or missing keys, a vector that is not the one measured.
            VectorFileError: A vector that is missing or damaged.
        """
        from steer.policy import load_policy

        return load_policy(Path(path))

    def save(self, path: str | Path) -> None:
        """Write the policy, and its vectors beside it: everything or nothing.

        Raises:
            PlanError: The path cannot be written.
            VectorFileError: A vector without its metadata, or a full disk.
        """
        from steer.policy import save_policy

        save_policy(self, Path(path))
