"""What clients are told that they may ask for: dials, presets and names, within the bounds of their key. Knows no engine."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from steer.dials import Policy
from steer.policy import Dial
from steer.server.keys import ForbiddenError, Key, check_bounds
from steer.server.policies import Bounds
from steer.server.reading import directions_of

if TYPE_CHECKING:
    from steer.server.house import House


def facts_of(house: House, key: Key | None) -> dict[str, Any]:
    """For clients: dials with bounds and presets, as far as a key may ask for them, probes, directions, the measured curve.

    The curve is None without a run, and after a policy was loaded whose edits are not those of the run.
    """
    served, measured = house.served, house.curve
    policy = None if served.loaded is None else _offered(served.loaded.policy, key)
    dials: Mapping[str, Any] = {} if policy is None else policy.dials
    turned = None if measured is None or policy is None else measured.dial(policy.plan)
    return {
        "model": house.settings.name,
        "policy": served.hash,
        "name": None if served.loaded is None else served.loaded.name,
        "engine": served.engine.facts.name,
        "room": served.engine.facts.room,
        "max_tokens": house.limits.tokens,
        "dials": {name: {**dial._asdict(), "presets": dict(dial.presets)} for name, dial in dials.items()},
        "presets": {} if policy is None else {name: policy.preset(name) for name in policy.presets},
        "probes": [
            {"name": p.name, "layer": p.site.layer, "threshold": p.threshold, "each_token": p.each_token}
            for p in (() if policy is None else policy.plan.probes)
        ],
        "directions": [] if policy is None else directions_of(policy.plan),
        "curve": None if measured is None or turned is None else {"dial": turned, "points": measured.points},
    }  # fmt: skip


def models_of(house: House, key: Key | None) -> list[str]:
    """Names a client may ask for: the model, each preset, each dial at one strength as an example; within a key's bounds."""
    name, loaded = house.settings.name, house.served.loaded
    if loaded is None:
        return [name]
    policy = _offered(loaded.policy, key)
    presets = [f"{name}@{preset}" for preset in policy.presets]
    ends = {own: dial.high or dial.low for own, dial in policy.dials.items()}
    dials = [f"{name}@{own}={end:g}" for own, end in ends.items() if _may(key, {**policy.defaults, own: end})]
    return [name, *presets, *dials]


def moved(policy: Policy, key: Key | None) -> Policy:
    """A policy for whoever asks with a key: a default outside the key's bounds moves to the nearest."""
    bounds: Bounds = {} if key is None else key.bounds
    moved = {
        name: dial._replace(default=min(max(dial.default, bounds[name][0]), bounds[name][1]))
        for name, dial in policy.dials.items()
        if name in bounds
    }
    return Policy(policy.plan, {**policy.dials, **moved}, policy.hash)


def _offered(policy: Policy, key: Key | None) -> Policy:
    """A policy as far as a key may turn it; presets outside its bounds are left out."""
    bounds: Bounds = {} if key is None else key.bounds
    policy = moved(policy, key)
    # Whoever asks for a preset by its name leaves the other dials at their defaults.
    presets = {name for name in policy.presets if _may(key, policy.defaults | policy.preset(name))}
    dials = {}
    for name, dial in policy.dials.items():
        low, high = (min(max(end, dial.low), dial.high) for end in bounds.get(name, (dial.low, dial.high)))
        own = {preset: place for preset, place in dial.presets.items() if preset in presets}
        dials[name] = Dial(dial.default, low, high, own)
    return Policy(policy.plan, dials, policy.hash)


def _may(key: Key | None, strengths: Mapping[str, float]) -> bool:
    try:
        check_bounds(key, strengths)
    except ForbiddenError:
        return False
    return True
