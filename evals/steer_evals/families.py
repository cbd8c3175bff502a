"""What adaptive steering is made of, and what it is compared with, each as published. Asks nothing, judges nothing.

naive       one mean-difference direction, added at the selected layer to all tokens (CAA, 2312.06681)
surgical    the direction of false refusal, orthogonal to that of refusal, ablated at every layer (2410.03415, section 3)
cast        the first component of refusal, added where the cosine of the prompt's last token with a condition vector is over
            a threshold; layer, threshold and side by the best F1 on the extraction prompts (2409.05907, section 3)
cast-lower  the same gate, refusal taken away from the prompts that it does not open for; not published, but fair
null-space  a map that reads harmful activations inside the null space of benign ones and writes refusal (2506.07022)

Adaptive steering itself has two sides, of which a probe of the risk opens one for each request.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from random import Random
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from steer.plan import ELSE, Edit, Plan, Probe
from steer_evals.disguises import DISGUISES
from steer_evals.errors import RunError
from steer_evals.intervals import clustered_wilson
from steer_evals.suites import Item, Message
from steer_vectors.capture import Progress, activations
from steer_vectors.contrast import ContrastSet
from steer_vectors.extract import extract
from steer_vectors.file import Vector
from steer_vectors.models import ChatModel
from steer_vectors.probe import Classifier, Example, FittedProbe, Score, examples_of, fit_probe

RISK = "risk"
_PADDING = 30  # words, of disguises that pad: enough for the prompt to look different
Side = Literal["low", "high"]  # of the risk
# How far each baseline is turned; adding and mapping in class gaps, ablating as a share.
STRENGTHS: Mapping[str, tuple[float, ...]] = {
    "naive": (-2.0, -1.5, -1.0, -0.75, -0.5, -0.25, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0),
    "surgical": (0.25, 0.5, 0.75, 1.0),
    "cast": (0.25, 0.5, 1.0, 1.5, 2.0),
    "cast-lower": (0.25, 0.5, 1.0, 1.5),
    "null-space": (0.25, 0.5, 1.0, 1.5, 2.0),
}
# What a side may do, and how far. A clamp leaves those rows alone that refuse no more than the negative class, or as much
# as the positive one.
MOVES: Mapping[Side, Mapping[str, tuple[float, ...]]] = {
    "low": {"clamp": (0.5, 0.75, 0.9, 1.0), "add": (-0.5, -1.0, -1.5), "ablate": (0.5, 1.0)},
    "high": {"clamp": (0.5, 1.0), "add": (0.25, 0.5, 1.0, 1.5)},
}


@dataclass(frozen=True, eq=False)
class Parts:
    """What is extracted before anything is chosen.

    Args:
        refusal: Mean difference of harmful requests and their harmless twins.
        false_refusal: Surgical direction, which spares the first.
        component: First principal component of the paired differences; the mean difference where no set has pairs.
        null_space: A map with a reading of its own.
        condition: CAST's; its prompts are compared with the component.
        probe: Of the risk.
    """

    refusal: Vector
    false_refusal: Vector
    component: Vector
    null_space: Vector
    condition: Probe
    probe: FittedProbe


class Branch(NamedTuple):
    """What one side does, but for how far.

    Args:
        side: Which requests.
        kind: Of `MOVES`.
        layers: At which.
        scope: Of the edit.
    """

    side: Side
    kind: str
    layers: tuple[int, ...]
    scope: str

    def edit(self, parts: Parts, scale: float = 1.0, when: str | None = None) -> Edit:
        """The edit, its strength in the scale: so one dial turns both sides."""
        low = self.side == "low"
        own = Edit("add", parts.refusal, self.layers, self.scope, scale / len(self.layers), when=when)
        match self.kind:
            case "add":  # at several layers, each gets its share
                return own
            case "ablate":
                return Edit("ablate", parts.false_refusal, self.layers, self.scope, scale, when=when)
        return Edit(
            "clamp", parts.refusal, self.layers, self.scope, scale, when=when,
            low=None if low else 1.0, high=0.0 if low else None,
        )  # fmt: skip


def extracted(
    model: ChatModel,
    contrasts: Sequence[ContrastSet],
    benign: Sequence[ContrastSet],
    *,
    refusal: Vector | None = None,
    method: Classifier = "lda",
    window: int = 1,
    disguised: Sequence[str] = (),
    bar: Callable[[str], Progress] = lambda _what: lambda _done, _total: None,
) -> Parts:
    """Extract the parts.

    Args:
        model: A live model, not steered.
        contrasts: Harmful requests (+) against harmless ones; the first gives the direction of refusal, all of them the probe,
            CAST and the null-space map.
        benign: Requests of which none is harmful; the first, risky-sounding (+) against plain, gives the direction of false
            refusal, all of them are harmless ones to the others.
        refusal: To use instead of a mean difference of the first set.
        method: Of the probe: "lda" or "logistic".
        window: Tokens that it reads.
        disguised: Disguises that it is fitted on besides, each a source of its own; see `disguises.DISGUISES`.
        bar: Makes a progress callback for each of them.

    Raises:
        ContrastError: Sets without twins, too few prompts, classes that cannot be told apart.
        MismatchError: A vector of another model.
        RunError: A disguise that none of the requests can wear.
    """
    examples = [one for own in contrasts for one in examples_of(own)]
    examples += [one for own in benign for one in examples_of(own, None)]
    examples += [hidden for name in disguised for hidden in _all_disguised(examples, name)]
    first = contrasts[0]
    refusal = refusal or extract(model, first, progress=bar("refusal"))
    site: dict[str, Any] = {"layer": refusal.layer, "position": refusal.position, "select_by": "auc"}
    together = _together(contrasts, benign)
    component = refusal  # of differences there is none without pairs
    if len(together.twins("train")) > 1:
        component = extract(
            model, together, estimator="pca", **(site | {"position": -1}), progress=bar("first component")
        )
    return Parts(
        refusal,
        extract(
            model, benign[0], estimator="surgical", spare=[refusal], **site, progress=bar("false refusal")
        ),
        component,
        extract(model, together, estimator="null_space", **site, progress=bar("null-space map")),
        _condition(model, together, component, refusal.layer),
        fit_probe(
            model,
            examples,
            method=method,
            window=window,
            layers=range(refusal.layer + 1),
            progress=bar("risk"),
        ),
    )


def baselines(parts: Parts) -> dict[str, Plan]:
    """Their plans, by name, in the order in which they are shown."""
    layers = (parts.refusal.layer,)
    cast = Edit("add", parts.component, layers, when=parts.condition.name)
    lower = Edit("add", parts.component, layers, scale=-1.0, when=ELSE)
    return {
        "naive": Plan.add(parts.refusal),
        "surgical": Plan.ablate(parts.false_refusal),
        "cast": Plan((cast,), (parts.condition,)),
        "cast-lower": Plan((lower,), (parts.condition,)),
        "null-space": Plan((Edit("map", parts.null_space),)),
    }


def adaptive(parts: Parts, sides: Mapping[Branch, float], threshold: float) -> Plan:
    """One plan, one pass: each side's edit at its strength; requests of at least so much risk are of the high side."""
    probe = Probe(
        RISK, parts.probe.vector, slope=parts.probe.slope, offset=parts.probe.offset, threshold=threshold,
        before=parts.probe.before, measured=errors_of(parts.probe, threshold),
    )  # fmt: skip
    edits = [
        branch.edit(parts, strength, RISK if branch.side == "high" else ELSE)
        for branch, strength in sides.items()
        if strength
    ]
    return Plan(tuple(edits), (probe,))


def errors_of(probe: FittedProbe, threshold: float) -> dict[str, Any]:
    """How often a probe errs at a threshold, on requests whose cluster it did not see: what a policy says of itself.

    Rates are `[rate, low, high, requests]`, the interval clustered: `misses` of risky requests, `false_alarms` of benign ones
    by source. `auc` and `auc_of_twins` are `[value, low, high]`.
    """

    def rate(scores: Sequence[Score], *, over: bool) -> list[float]:
        hits = [(one.risk >= threshold) == over for one in scores]
        ends = clustered_wilson(hits, [one.cluster for one in scores])
        return [sum(hits) / len(hits), *ends, len(hits)]

    safe = sorted({one.source for one in probe.scores if not one.risky})
    twins = {} if math.isnan(probe.twins_auc.value) else {"auc_of_twins": list(probe.twins_auc)}
    return {
        "misses": rate([one for one in probe.scores if one.risky], over=False),
        "false_alarms": {
            name: rate([one for one in probe.scores if one.source == name and not one.risky], over=True)
            for name in safe
        },
        "auc": list(probe.auc),
        **twins,
        "brier": probe.brier,
    }


def _together(contrasts: Sequence[ContrastSet], benign: Sequence[ContrastSet]) -> ContrastSet:
    """The probe's requests as one set, for the baselines: what is harmful against all that is not."""
    rows = [
        row._replace(id=f"{own.name}:{row.id}", pair=row.pair and f"{own.name}:{row.pair}", answer="")
        for own in contrasts
        for row in own.examples
    ]
    rows += [
        row._replace(id=f"{own.name}:{row.id}", label="negative", pair="", answer="")
        for own in benign
        for row in own.examples
    ]
    return replace(contrasts[0], examples=tuple(rows))


def _all_disguised(examples: Sequence[Example], name: str) -> list[Example]:
    found = [hidden for one in examples if (hidden := _disguised(one, name))]
    if not found:  # the probe would be that of plain prompts
        raise RunError(
            f"disguise {name!r}, of which these contrast sets have no request",
            "one that any request can wear",
            "leave it out; `steer disguise` asks it of the built-in suites",
        )
    return found


def _disguised(one: Example, name: str) -> Example | None:
    """The same request in disguise, in the cluster of the plain one; None where there is no such."""
    prompt = one.turns if isinstance(one.turns, str) else ""
    messages = () if prompt else tuple(Message.model_validate(turn) for turn in one.turns)
    item = DISGUISES[name](Item(id=one.name, prompt=prompt, messages=messages), Random(one.name), _PADDING)
    if item is None:
        return None
    return one._replace(
        turns=item.prompt or item.turns, source=f"{one.source}@{name}", pair=f"{one.pair or one.cluster}@{name}",
        name=f"{one.name}@{name}",
    )  # fmt: skip


def _condition(model: ChatModel, contrast: ContrastSet, component: Vector, deepest: int) -> Probe:
    """CAST's grid up to the layer that it opens: layer, threshold and side of the best F1 on the extraction prompts."""
    rows = [row for row in contrast.examples if row.split == "train"]
    risky = np.array([row.label == "positive" for row in rows])
    unit = component.directions.to(model.device)
    cosines = np.zeros((len(rows), model.layers))
    for which, states in activations(model, [row.asked for row in rows], [-1]):
        own = states[:, 0].float()  # [b, l, d]
        cosines[which] = ((own * unit).sum(-1) / own.norm(dim=-1)).cpu().double().numpy()
    best = max(
        (_f1(side * cosines[:, layer], risky, side * threshold), -layer, side, threshold)
        for layer in range(deepest + 1) if layer not in component.absent
        for threshold in np.quantile(cosines[:, layer], np.linspace(0.02, 0.98, 49))
        for side in (1.0, -1.0)
    )  # fmt: skip
    _, layer, side, threshold = best
    return Probe(
        "condition", component, int(-layer), slope=side, offset=float(-side * threshold), read="cosine"
    )


def _f1(reading: NDArray[np.float64], risky: NDArray[np.bool_], threshold: float) -> float:
    from sklearn.metrics import f1_score  # type: ignore[import-untyped]  # heavy, so only here

    return float(f1_score(risky, reading >= threshold))
