"""Plan + model -> recipe: checked tables per site. Every error of a plan is raised here, before the first token."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

import steer_kernels as kernels
from steer.errors import PlanError
from steer.gates import Gauge, check_order
from steer.plan import ELSE, Edit, Plan, Probe
from steer.scope import Span, span
from steer_kernels import Table
from steer_vectors.file import Vector, check_model
from steer_vectors.identity import Identity
from steer_vectors.models import ChatModel
from steer_vectors.site import Site


class Column(NamedTuple):
    """A dial, and the share of it that a request gets: that of a probe (the last share is "else"), or None = all of it."""

    dial: int
    share: int | None = None


class Dose(NamedTuple):
    """How much and for which tokens: a column of strengths, times a scale, within a span of positions (None = all)."""

    column: int
    scale: float
    span: Span | None

    @property
    def after_prompt(self) -> bool:
        """Whether the prompt is left alone."""
        return self.span is not None and self.span.start_from_end and self.span.start >= 0

    @property
    def from_last(self) -> bool:
        """Whether the prompt is left alone but for its last token."""
        return self.span is not None and self.span.start_from_end and self.span.start >= -1


class Step(NamedTuple):
    """One table, and which of the recipe's doses it takes."""

    table: Table
    dose: int


@dataclass(frozen=True)
class Recipe:
    """A plan laid out for one model.

    Args:
        steps: At each site, in the order of the plan's edits; on the model's device.
        dials: Their names, in the plan's order.
        doses: What the steps point at; equal ones are one, for they are computed once per forward.
        columns: What doses point at: every dial by itself, or as far as a probe opens it.
        gauges: The probes, in the order in which they are asked.
        plan: What it was laid out from, for whoever runs that elsewhere.
    """

    steps: Mapping[Site, tuple[Step, ...]]
    dials: tuple[str, ...] = ()
    doses: tuple[Dose, ...] = ()
    columns: tuple[Column, ...] = ()
    gauges: tuple[Gauge, ...] = ()
    plan: Plan | None = None

    @property
    def decided(self) -> Recipe:
        """The same without probes, for whoever has asked them: each column is a dial of its own."""
        names = [*(gauge.name for gauge in self.gauges), ELSE]
        dials = (
            self.dials[column.dial] + ("" if column.share is None else f" when {names[column.share]}")
            for column in self.columns
        )
        return Recipe(self.steps, tuple(dials), self.doses, tuple(map(Column, range(len(self.columns)))))

    def spread(self, strengths: Tensor, shares: Tensor) -> Tensor:
        """Strengths of the dials `[n or 1, ..., dials]` and shares `[n, g + 1]` to strengths of columns `[n, ..., columns]`."""
        between = strengths.ndim - 2
        opened = shares.reshape(len(shares), *[1] * between, -1)
        return torch.stack(
            [
                strengths[..., column.dial]
                * (torch.ones_like(opened[..., 0]) if column.share is None else opened[..., column.share])
                for column in self.columns
            ],
            -1,
        )

    def setting(self, strengths: Mapping[str, float], end: int) -> str | None:
        """What the keys and values of a token depend on besides the tokens before it; None = nothing, as in the plain model.

        Requests may share what was computed for a common beginning only where this is equal.

        Args:
            strengths: Of all dials.
            end: Tokens of the prompt: where an edit begins or ends there, a longer prompt with the same beginning (the next
                turn of a conversation) is edited elsewhere.
        """
        on = [
            dose
            for dose in self.doses
            if strengths[self.dials[self.columns[dose.column].dial]] * dose.scale != 0
        ]
        if not on:
            return None
        moves = bool(self.gauges) or any(
            dose.span is not None and (dose.span.start_from_end or dose.span.stop_from_end) for dose in on
        )
        return json.dumps([sorted(strengths.items()), end if moves else None])


_CACHE: WeakKeyDictionary[torch.nn.Module, WeakKeyDictionary[Plan, Recipe]] = WeakKeyDictionary()


def compile_plan(plan: Plan, model: ChatModel) -> Recipe:
    """Check a plan against a live model and lay out its tables; the second time, the same recipe.

    Raises:
        MismatchError: A vector that was extracted from another model.
        PlanError: An edit that its vectors cannot carry.
    """
    known = _CACHE.setdefault(model.hf, WeakKeyDictionary())
    if plan not in known:
        with torch.inference_mode(False):  # kept tables must serve training later on
            known[plan] = _compile(plan, model)
    return known[plan]


def check_plan(plan: Plan, model: ChatModel | Identity) -> None:
    """Refuse a plan that is not for this model.

    Raises:
        MismatchError: A vector that was extracted from another model.
        PlanError: An edit at a layer for which its vector has no direction.
    """
    for edit in plan.edits:
        for vector in edit.vectors:
            check_model(vector, model)
            _check_layers(edit, vector)
    for vector in (vector for probe in plan.probes for vector, _ in probe.readings):
        check_model(vector, model)


def _compile(plan: Plan, model: ChatModel) -> Recipe:
    check_plan(plan, model)
    return lay_out(plan, model.device)


def lay_out(plan: Plan, device: torch.device) -> Recipe:
    """The tables of a plan, for whoever has checked it against the model.

    Raises:
        PlanError: An edit that its vectors cannot carry.
    """
    gauges = tuple(_gauge(probe, device) for probe in plan.probes)
    # Every dial has a column of its own, in its own place: without probes there are no others.
    columns = [Column(dial) for dial in range(len(plan.dials))]
    names = [*(probe.name for probe in plan.probes), ELSE]
    doses: list[Dose] = []
    steps: dict[Site, list[Step]] = defaultdict(list)
    for edit in plan.edits:
        column = Column(plan.dials.index(edit.dial), None if edit.when is None else names.index(edit.when))
        if column not in columns:
            columns.append(column)
        dose = Dose(columns.index(column), edit.scale, span(edit.scope))
        if dose not in doses:
            doses.append(dose)
        for site in edit.sites:
            steps[site].append(Step(_table(edit, site.layer).to(device), doses.index(dose)))
    check_order(gauges, ((site, doses[at].after_prompt) for site, own in steps.items() for _, at in own))
    fixed = {site: tuple(found) for site, found in steps.items()}
    return Recipe(fixed, plan.dials, tuple(doses), tuple(columns), gauges, plan)


def _gauge(probe: Probe, device: torch.device) -> Gauge:
    """`slope * (u.h - negative) / gap + offset`, as one query and one bias; and the same for the tokens before."""
    layer, bias, queries = probe.site.layer, probe.offset, []
    for vector, slope in probe.readings:
        unit = vector.directions[layer] if vector.read is None else vector.read[layer]
        if probe.read == "place":
            gap = vector.gap(layer)
            if not gap:
                raise PlanError(
                    f"probe {probe.name!r} at layer {layer}, where both classes read the same",
                    "a class gap that is not 0",
                    "choose another layer or vector",
                )
            slope, bias = slope / gap, bias - slope * float(vector.negative[layer]) / gap
        queries.append(unit * slope)
    return Gauge(
        probe.name, probe.site, torch.stack(queries).to(device), bias, probe.read == "cosine",
        math.log(probe.threshold / (1 - probe.threshold)), probe.sharpness, probe.each_token,
    )  # fmt: skip


def _check_layers(edit: Edit, vector: Vector) -> None:
    missing = [site.layer for site in edit.sites if site.layer in vector.absent]
    if missing and edit.kind != "ablate":  # which takes the chosen layer's direction everywhere
        raise PlanError(
            f"{edit.kind} at layer {missing[0]}, at which the file has no direction",
            "layers that have a direction",
            "choose among them",
        )


def _table(edit: Edit, layer: int) -> Table:
    table = _ungated(edit, layer)
    if edit.gate is not None:
        query = edit.gate.vector.directions[layer]
        table = table.gated(kernels.Gate(query, edit.gate.threshold, edit.gate.sharpness))
    return table.keeping_norm() if edit.keep_norm else table


def _ungated(edit: Edit, layer: int) -> Table:
    """Each layer has its own direction and statistics; ablating removes the one chosen direction wherever it is written."""
    vector, gap = edit.vector, edit.vector.gap(layer)
    unit = vector.directions[layer]
    read = None if vector.read is None else vector.read[layer]

    def along(place: float) -> float:
        """Projection at a place on the axis of the classes: 0 is the negative mean, 1 the positive."""
        return float(vector.negative[layer]) + place * gap

    match edit.kind:
        case "add":
            return kernels.add_table(unit, gap)
        case "ablate":
            return kernels.ablate_table(vector.directions[vector.layer])
        case "affine":
            return kernels.affine_table(unit, along(edit.to), read)
        case "clamp":
            bounds = {name: along(place) for name, place in (("low", edit.low), ("high", edit.high))
                      if place is not None}  # fmt: skip
            return kernels.clamp_table(unit, **bounds, read=read)
        case "rotate":
            assert edit.second is not None  # Edit checks
            assert edit.angle is not None
            plane = _plane(unit, edit.second.directions[layer])
            return kernels.rotate_table(plane, torch.pi * edit.angle / 180)
        case "map" if read is not None and edit.second is None:
            return kernels.map_table(read, unit)
        case "map":
            assert edit.second is not None
            seen = float(edit.second.positive[layer])
            if seen == 0:
                raise PlanError(
                    f"a map that reads 0 off its positive class at layer {layer}",
                    "a projection that is not 0",
                    "choose another layer or direction",
                )
            return kernels.map_table(edit.second.directions[layer] * (gap / seen), unit)


def _plane(first: Tensor, second: Tensor) -> Tensor:
    """`[2, d]`, orthonormal: the first direction, and what of the second stands at a right angle to it."""
    across = second - (second @ first) * first
    if not float(across.norm()) > 1e-3:
        raise PlanError(
            "a rotation between two parallel directions", "a plane", "choose another second vector"
        )
    return torch.stack([first, across / across.norm()])
