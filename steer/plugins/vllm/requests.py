"""The door of the engine: what a request asks is checked before it is queued, so that a mistake costs nobody else."""

from __future__ import annotations

import functools
import hashlib
from collections.abc import Mapping
from typing import Any

import torch

from steer.dials import Policy
from steer.errors import PlanError
from steer.plugins.vllm.settings import KEY, check, policy_of, recipe_of, salt, unshared
from steer.recipe import Recipe
from steer_kernels.errors import SteerError

_MEANT = {"strength", "strengths", "dial", "dials", "preset"}


def register() -> None:
    """Check every engine's configuration, and every request to a steered one."""
    import vllm
    from vllm.engine.arg_utils import EngineArgs
    from vllm.entrypoints.generate.beam_search.offline import BeamSearchOfflineMixin
    from vllm.entrypoints.generate.beam_search.online import BeamSearchOnlineMixin
    from vllm.v1.engine.input_processor import InputProcessor

    if getattr(EngineArgs.create_engine_config, "steers", False):
        return
    make, process = EngineArgs.create_engine_config, InputProcessor.process_inputs

    @functools.wraps(make)
    def create_engine_config(self: Any, *args: Any, **named: Any) -> Any:
        config = make(self, *args, **named)
        check(config, vllm.__version__)
        return config

    @functools.wraps(process)
    def process_inputs(self: Any, request_id: str, prompt: Any, params: Any, *args: Any, **named: Any) -> Any:
        request = process(self, request_id, prompt, params, *args, **named)
        policy = policy_of(self.vllm_config)
        if policy is None:
            _refuse(getattr(params, "extra_args", None) or {}, ())
            return request
        if request.sampling_params is None or request.resumable:
            what = "embeddings" if request.sampling_params is None else "a prompt that goes on growing"
            raise _invalid(
                PlanError(f"{what}, of a steered engine", "a whole prompt to answer", "ask another engine")
            )
        turn(request, policy, _recipe(policy), v2=self.vllm_config.use_v2_model_runner)
        return request

    for searches, engine in (
        (BeamSearchOnlineMixin, "engine_client"),
        (BeamSearchOfflineMixin, "llm_engine"),
    ):
        searches.beam_search = _refusing(searches.beam_search, engine)
    create_engine_config.steers = True  # type: ignore[attr-defined]
    EngineArgs.create_engine_config = create_engine_config
    InputProcessor.process_inputs = process_inputs


def _refusing(search: Any, engine: str) -> Any:
    """Beams are searched by asking anew for every token, with all that was said as the prompt, and drops strengths."""

    @functools.wraps(search)
    def beam_search(self: Any, *args: Any, **named: Any) -> Any:
        if policy_of(getattr(self, engine).vllm_config) is not None:
            raise _invalid(
                PlanError("beam search of a steered engine", "sampling, or greedy", "leave beam search out")
            )
        return search(self, *args, **named)

    return beam_search


@functools.cache
def _recipe(policy: Policy) -> Recipe:
    return recipe_of(policy, torch.device("cpu"))


def turn(request: Any, policy: Policy, recipe: Recipe, *, v2: bool = False) -> None:
    """Write a request's strengths of all dials into its own parameters, and keep its cache apart.

    Args:
        request: An `EngineCoreRequest`; its parameters are a copy of the caller's.
        policy: Of the engine.
        recipe: Of the policy.
        v2: Whether the V2 runner answers.

    Raises:
        VLLMValidationError: What `Policy.strengths` refuses; a server answers 400.
    """
    params = request.sampling_params
    asked = dict(params.extra_args or {})
    _refuse({name: value for name, value in asked.items() if name != KEY}, policy.plan.dials)
    try:
        strengths = policy.strengths(asked.get(KEY))
    except SteerError as error:
        raise _invalid(error) from None
    params.extra_args = asked | {KEY: strengths}
    if (request.cache_salt or "").startswith(
        f"{KEY}:"
    ):  # another setting's cache would be filled with this one's
        raise _invalid(
            PlanError("a cache_salt of ours", "one that does not begin with steer:", "choose another")
        )
    own = salt(policy, recipe, strengths, len(request.prompt_token_ids or ()))
    if own is not None:
        both = f"{own}|{request.cache_salt or ''}"
        request.cache_salt = f"{KEY}:{hashlib.sha256(both.encode()).hexdigest()}"
        if unshared(recipe, v2=v2):
            params.skip_reading_prefix_cache = True


def _refuse(asked: Mapping[str, Any], dials: tuple[str, ...]) -> None:
    """A dial beside the one key, or a strength for an engine without a policy, would be ignored in silence."""
    known = {dial.lower() for dial in dials}
    for name in asked:
        if name.lower() in known or name.lower().startswith(KEY) or name.lower() in _MEANT:
            expected = f'"{KEY}": "{dials[0]}=0.5"' if dials else "an engine with a policy"
            raise _invalid(
                PlanError(
                    f"{name!r} in extra_args",
                    expected,
                    "write all strengths under that one key"
                    if dials
                    else "start it with --additional-config",
                )
            )


def _invalid(error: SteerError) -> Exception:
    from vllm.exceptions import VLLMValidationError

    found: Exception = VLLMValidationError(str(error), parameter="vllm_xargs")
    return found
