"""The measured curve that a server shows beside its dials, and of which plans it tells. Knows no routes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from steer.errors import PlanError
from steer.plan import Plan
from steer_vectors.models import ChatModel

if TYPE_CHECKING:
    from steer_evals.points import Point


class Curve:
    """What a sweep measured.

    Args:
        settings: Of the run.
        points: Of harmful refusal, over-refusal and capability, as fields for JSON.
        model: The one that is served.
    """

    def __init__(self, settings: Mapping[str, Any], points: list[dict[str, Any]], model: ChatModel) -> None:
        self.points = points
        self._settings, self._model = settings, model
        # Hashing tokenizer and vectors is too slow for every request.
        self._known: WeakKeyDictionary[Plan, str | None] = WeakKeyDictionary()

    def dial(self, plan: Plan) -> str | None:
        """The dial of a plan that the run turned, whatever it was called there; None = the run is of another plan.

        A sweep turns one dial. In a plan of several, its curve holds for the one on which the very same edits hang, opened
        by the very same probes, while the others stand at 0.
        """
        if plan not in self._known:
            same = (name for name in plan.dials if self._is_of(plan, name))
            self._known[plan] = next(same, None)
        return self._known[plan]

    def under_floor(self, low: float, high: float) -> dict[str, Any] | None:
        """Of the strengths that were swept within these bounds, where the model refuses least of the harmful requests.

        None if it is nowhere clearly less than the plain model refuses: its rate is within the interval, or below it.
        """
        points = [
            point for point in self.points if point["axis"] == "harmful_refusal" and point["rate"] is not None
        ]
        plain = [point["rate"] for point in points if point["strength"] == 0]
        worse = [
            point
            for point in points
            if low <= point["strength"] <= high and point["high"] < min(plain, default=0)
        ]
        return min(worse, key=lambda point: point["rate"], default=None)

    def _is_of(self, plan: Plan, dial: str) -> bool:
        from steer_evals.answering import Sampling
        from steer_evals.settings import settings_of

        edits = tuple(edit for edit in plan.edits if edit.dial == dial)
        probes = plan.probes if any(edit.when is not None for edit in edits) else ()
        own = settings_of(self._model, Plan(edits, probes), (), Sampling())
        there = self._settings.get("probes", []) if probes else []
        return (_nameless(own), own.get("probes", [])) == (_nameless(self._settings), there)


def curve_of(folder: Path, model: ChatModel, plan: Plan | None) -> Curve:
    """The measured curve of a sweep of this model under this plan.

    A run of another plan is refused rather than shown with a note: its curve would stand above dials that cost something
    else, and a number that is there is believed.

    Raises:
        RunError: No run.
        PlanError: A run of another model, or of another plan than the policy's.
    """
    from steer_evals.points import CAPABILITY, HARMFUL, OVER
    from steer_evals.run import Run, fields_of
    from steer_evals.settings import config_hash
    from steer_vectors.fingerprint import weight_fingerprint

    run = Run(folder)
    # The same weights under another configuration are another model; runs of older versions do not say.
    own = {"fingerprint": weight_fingerprint(model.hf), "config": config_hash(model.hf.config)}
    if any(run.settings.get(name, found) != found for name, found in own.items()):
        raise PlanError("a --run of another model", "a sweep of the model that is served", "name its folder")
    points = run.curve()
    told = [fields_of(point) for axis in (HARMFUL, OVER, CAPABILITY) for point in _line(points, axis)]
    found = Curve(run.settings, told, model)
    if plan is None or found.dial(plan) is None:
        raise PlanError(
            "a --run of other edits than the policy's",
            "a sweep of the same vectors, at the same layers, in the same way",
            "name its folder, or leave --run out",
        )
    return found


def _line(points: Sequence[Point], axis: str) -> Sequence[Point]:
    """Of one suite as they are, with the band that holds them all; of several, taken together, which leaves no band."""
    from steer_evals.points import pooled

    own = [point for point in points if point.axis == axis]
    return sorted(own) if len({point.suite for point in own}) == 1 else pooled(own, axis)


def _nameless(settings: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The edits of a run without the name of their dial, which says nothing of what they do."""
    return [{key: own for key, own in edit.items() if key != "dial"} for edit in settings["plan"]]
