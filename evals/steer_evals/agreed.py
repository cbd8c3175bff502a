"""Probes that must agree before a request counts as risky, as rules of which the first that opens decides.

"Risky if all say so" is "harmless-1, then as else; ...; then risk": a probe that is asked before the last one reads the other
way round, and opens where it takes the request for harmless. So no runtime has to know of it. Asks nothing, fits nothing.
"""

from __future__ import annotations

from dataclasses import replace
from itertools import takewhile

from torch import Tensor

from steer.plan import ELSE, Plan, Probe
from steer_vectors.probe import FittedProbe

HARMLESS = "harmless-"


def agreed(plan: Plan, probe: FittedProbe) -> Plan:
    """The same plan, whose one probe opens only where the other planes of the fitted one agree.

    Args:
        plan: With that one probe, which has the threshold and the error rates of all of them together.
        probe: What it was made of; one plane = nothing changes.
    """
    (last,) = plan.probes
    before = tuple(
        Probe(
            f"{HARMLESS}{number}", face.vector, slope=-face.slope, offset=-face.offset, threshold=1 - last.threshold,
            before=tuple((vector, -slope) for vector, slope in face.before),
            measured={"errors": f"those of {last.name}, which are of all together"},
        )
        for number, face in enumerate(probe.others, 1)
    )  # fmt: skip
    if not before:
        return plan
    measured = {"of": f"{', '.join(own.name for own in before)} and {last.name} together", **last.measured}
    edits = [
        own
        for edit in plan.edits
        for own in (
            *(replace(edit, when=early.name) for early in before if edit.when == ELSE), edit,
        )
    ]  # fmt: skip
    return Plan(tuple(edits), (*before, replace(last, measured=measured)))


def gate_of(plan: Plan) -> Probe:
    """The probe that opens where those before it agree: of a plan with one probe, that one."""
    return plan.probes[_early(plan)]


def log_odds_of(plan: Plan, odds: Tensor) -> Tensor:
    """What the gate says: the least of what its probes do.

    Args:
        plan: Whose gate it is.
        odds: `[n, g]` log-odds, of every probe of the plan, or of the first of them as far as the gate.

    Returns:
        `[n]` log-odds of the risk; the gate opens from the log-odds of its threshold on.
    """
    early = _early(plan)
    least: Tensor = odds[:, early]
    for own in odds[:, :early].unbind(1):
        least = least.minimum(-own)
    return least


def _early(plan: Plan) -> int:
    found = len(list(takewhile(lambda own: own.name.startswith(HARMLESS), plan.probes)))
    return min(found, len(plan.probes) - 1)
