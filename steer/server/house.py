"""What a server serves: a model, the policy it is steered by now, and the engine that writes; and what it is allowed to.

Knows no HTTP.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from steer.dials import Policy
from steer.errors import PlanError
from steer.liveness import check_liveness
from steer.plan import Plan
from steer.recipe import Recipe, compile_plan
from steer.server.audit import Audit
from steer.server.batching import Continuous
from steer.server.curve import curve_of
from steer.server.engine import Engine
from steer.server.keys import Key, check_bounds
from steer.server.limits import Door, Limits
from steer.server.metrics import Metrics
from steer.server.offers import moved
from steer.server.plain import Plain
from steer.server.policies import Bounds, Loaded, load_named
from steer.server.reading import Reader, reads_on
from steer_kernels import SteerError
from steer_vectors.greedy import ends
from steer_vectors.models import ChatModel

ENGINES = ("continuous", "plain", "llama_cpp")
_log = logging.getLogger("steer.server")


@dataclass(frozen=True)
class Settings:
    """What the operator has said.

    Args:
        name: What clients call the model.
        engine: One of `ENGINES`.
        limits: See there.
        keys: Who may ask; none = whoever reaches the server.
        policies: Folder of policies that an administrator may load by name.
        bounds: Of dials, within those of the policy.
        below_plain: Take policies that refuse less than the plain model.
        run: Folder of the sweep whose curve is shown.
        gguf: The model for llama.cpp.
        audit: File of the audit log.
        audit_prompts: Whether prompts and answers go there too.
        page: Whether the playground is served.
        hosts: Names by which the server may be asked; empty = any.
    """

    name: str
    engine: str = "continuous"
    limits: Limits = field(default_factory=Limits)
    keys: Sequence[Key] = ()
    policies: Path | None = None
    bounds: Bounds = field(default_factory=dict)
    below_plain: bool = False
    run: Path | None = None
    gguf: Path | None = None
    audit: Path | None = None
    audit_prompts: bool = False
    page: bool = True
    hosts: frozenset[str] = frozenset()


class Served(NamedTuple):
    """A policy and the engine that carries it out; without one, the plain model."""

    loaded: Loaded | None
    engine: Engine

    @property
    def plan(self) -> Plan | None:
        """Of the policy."""
        return None if self.loaded is None else self.loaded.policy.plan

    @property
    def hash(self) -> str | None:
        """Of the policy's file."""
        return None if self.loaded is None else self.loaded.policy.hash

    def strengths(self, asked: object, key: Key | None) -> dict[str, float]:
        """Strengths of all dials.

        Raises:
            PlanError: As `Policy.strengths`; any where there is no policy.
            ForbiddenError: Strengths that the key may not give.
        """
        if self.loaded is not None:
            found = moved(self.loaded.policy, key).strengths(asked)
            check_bounds(key, found)
            return found
        if asked is not None:
            raise PlanError("strengths for a model without a policy", "none", "leave them out")
        return {}


class House:
    """A server's model and all that is shared between requests.

    Args:
        model: Live, not steered; nobody else asks it while this is open.
        settings: Of the operator.
        loaded: The policy to begin with; None = the plain model.

    Raises:
        SteerError: What the engine cannot express, a policy of another model, steering that does not move it, a run of
            another model or of other edits.
    """

    def __init__(self, model: ChatModel, settings: Settings, loaded: Loaded | None = None) -> None:
        self.settings, self.limits = settings, settings.limits
        # Errors that reach clients call it by this name, and not by where it lies.
        self.model = ChatModel(model.hf, model.tokenizer, settings.name)
        self.ends = frozenset(ends(model))
        self.reader = Reader(self.model)
        self.door = Door(self.limits.rows, self.limits.queue)
        self.audit = Audit(settings.audit, prompts=settings.audit_prompts)
        plan = None if loaded is None else loaded.policy.plan
        _check_names(settings, plan)
        self.curve = None if settings.run is None else curve_of(settings.run, self.model, plan)
        self._require_floor(loaded)
        self.served = Served(loaded, self._engine(loaded))
        self.metrics = Metrics(
            lambda: self.door.inside, lambda: self.door.waiting, lambda: self.served.engine.edited
        )

    @property
    def room(self) -> int:
        """Most tokens, prompt and answer together."""
        own = getattr(self.model.hf.config.get_text_config(), "max_position_embeddings", None)
        wanted = self.limits.prompt + self.limits.tokens
        return wanted if own is None else min(own, wanted)

    async def open(self) -> None:
        """Start the engine."""
        await self.served.engine.start()

    async def close(self) -> None:
        """Write what was begun to its end, and let go."""
        await self.served.engine.stop()
        self.audit.close()

    async def load(self, name: str) -> Served:
        """Steer by another policy of the folder, once the answers at work are written; those that wait get the new one.

        Raises:
            PlanError: No such policy, or one that cannot be served; the one before stays.
        """
        where, bounds = self.settings.policies, self.settings.bounds
        async with self.door.shut():
            before = self.served
            loaded = self._checked(name, where, bounds)
            while self.door.inside:
                await asyncio.sleep(0.02)
            await before.engine.stop()
            try:
                self.served = Served(loaded, self._engine(loaded))
            except SteerError as error:
                _log.warning("policy %s: %s", name, error)
                self.served = Served(before.loaded, self._engine(before.loaded))
                raise _unservable(name) from error
            finally:
                await self.served.engine.start()
        return self.served

    def _checked(self, name: str, folder: Path | None, bounds: Bounds) -> Loaded:
        try:
            found = load_named(name, folder, bounds, below_plain=self.settings.below_plain)
            self._require_floor(found)
            return found
        except SteerError as error:
            # What is wrong with a file, and where it lies, is for the operator.
            _log.warning("policy %s: %s", name, error)
            raise _unservable(name) from error

    def _require_floor(self, loaded: Loaded | None) -> None:
        """Where a run says what strengths do, no client may turn a dial to where clearly less harm is refused."""
        dial = None if self.curve is None or loaded is None else self.curve.dial(loaded.policy.plan)
        if self.curve is None or loaded is None or dial is None or self.settings.below_plain:
            return
        own = loaded.policy.dials[dial]
        if found := self.curve.under_floor(own.low, own.high):
            raise PlanError(
                f"bounds {own.low:g} to {own.high:g} of dial {dial!r}, where by the run "
                f"{found['rate']:.0%} [{found['low']:.0%}, {found['high']:.0%}] of harmful requests are refused at "
                f"{found['strength']:g}, clearly less than unsteered",
                "bounds within which no less is refused",
                f"add --bounds {dial}=LOW:HIGH, or --below-plain",
            )

    def _engine(self, loaded: Loaded | None) -> Engine:
        name = self.settings.engine
        if name not in ENGINES:
            raise PlanError(f"engine {name!r}", " or ".join(ENGINES), "choose one")
        recipe = Recipe({})
        if loaded is not None:
            recipe = compile_plan(loaded.policy.plan, self.model)
            check_liveness(self.model, recipe)
            if not reads_on(loaded.policy.plan) and recipe.gauges:
                recipe = recipe.decided
        if name == "llama_cpp":
            return self._llama(None if loaded is None else loaded.policy)
        kind = Continuous if name == "continuous" else Plain
        return kind(self.model, recipe, self.room, self.limits.rows)

    def _llama(self, policy: Policy | None) -> Engine:
        if policy is None or self.settings.gguf is None:
            raise PlanError(
                "--engine llama_cpp without a policy and a model for it",
                "--policy FILE --gguf FILE",
                "name both",
            )
        if find_spec("llama_cpp") is None:
            raise PlanError("llama.cpp, which is not installed", "it", "pip install llama-cpp-python")
        from steer.plugins.llama_cpp import LlamaCpp
        from steer.server.llama import Llama

        return Llama(LlamaCpp(self.settings.gguf, policy, self.room), self.room)


def _check_names(settings: Settings, plan: Plan | None) -> None:
    """Bounds of a dial that no policy has would bound nothing."""
    dials = set(() if plan is None else plan.dials)
    for path in sorted(settings.policies.glob("*.toml")) if settings.policies is not None else ():
        with suppress(SteerError):  # is refused when it is asked for
            dials |= set(Policy.load(path).plan.dials)
    named = {name: "--bounds" for name in settings.bounds if plan is None}
    named |= {name: f"key {key.id}" for key in settings.keys for name in key.bounds}
    for name, where in named.items():
        if name not in dials:
            raise PlanError(
                f"bounds of dial {name!r} for {where}",
                " or ".join(sorted(dials)) or "a server with a policy",
                "name a dial of a policy",
            )


def _unservable(name: str) -> PlanError:
    return PlanError(
        f"policy {name!r}", "a policy of the folder that fits this model", "see the server's log"
    )
