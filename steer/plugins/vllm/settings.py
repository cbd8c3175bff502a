"""What the operator sets: the policy of an engine, checked before any weight is loaded."""

from __future__ import annotations

import functools
import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

import steer
from steer.dials import Policy
from steer.errors import PlanError
from steer.plugins.vllm import TESTED
from steer.recipe import Recipe, check_plan, lay_out
from steer_vectors.identity import folder_identity

KEY = "steer"  # in `additional_config`, and in a request's `extra_args`
_KEYS = {"policy", "sha256", "version"}


def settings_of(config: Any) -> dict[str, str] | None:
    """What stands under "steer" in a vLLM configuration; None = not steered.

    Raises:
        PlanError: Something else than a policy's path.
    """
    extra = config.additional_config
    if not isinstance(extra, Mapping):
        return None
    near = [name for name in extra if name != KEY and str(name).lower().startswith(KEY)]
    if near:
        raise PlanError(f"{near[0]!r} in additional_config", f"{KEY!r}", "write the policy under that key")
    if KEY not in extra:
        return None
    found = extra[KEY]
    if not isinstance(found, Mapping) or not isinstance(found.get("policy"), str) or found.keys() - _KEYS:
        raise PlanError(
            f"additional_config {json.dumps(dict(extra))[:200]}",
            '{"steer": {"policy": "policy.toml"}}',
            "name a policy file and nothing else",
        )
    return dict(found)


@functools.cache
def policy_at(path: str, sha256: str) -> Policy:
    """A policy, read once in each process.

    Raises:
        PlanError: Not the file that the engine was started with.
    """
    policy = Policy.load(path)
    if policy.hash != sha256:
        raise PlanError(
            f"{path}, which has changed since the engine was started",
            f"SHA-256 {sha256[:12]}",
            "start the engine again",
        )
    return policy


def policy_of(config: Any) -> Policy | None:
    """The policy of a configuration that `check` has passed."""
    found = settings_of(config)
    return None if found is None else policy_at(found["policy"], found["sha256"])


def recipe_of(policy: Policy, device: Any) -> Recipe:
    """Its tables, on a device."""
    return lay_out(policy.plan, device)


def check(config: Any, version: str) -> None:
    """Refuse what cannot be steered, and mark the configuration, so that nothing compiled for another policy is taken.

    Args:
        config: Of vLLM; changed in place.
        version: Of vLLM.

    Raises:
        PlanError: A policy that is not for this model, an untested vLLM, or a way of running that splits or shares the
            stream of tokens in a way that the plug-in does not follow.
    """
    found = settings_of(config)
    if found is None:
        return
    if not TESTED[0] <= ".".join(version.split(".")[:2]) < TESTED[1]:
        raise PlanError(f"vLLM {version}", f"{TESTED[0]} to below {TESTED[1]}", "install a tested version")
    path = str(Path(os.path.expanduser(found["policy"])).resolve())
    policy = Policy.load(path)
    policy_at(path, policy.hash)  # kept for the requests to come, whatever becomes of the file
    plan, sha256 = policy.plan, policy.hash
    identity = folder_identity(config.model_config.model, getattr(config.model_config, "revision", None))
    check_plan(plan, identity)
    recipe = lay_out(plan, torch.device("cpu"))
    parallel, scheduler = config.parallel_config, config.scheduler_config
    refused = {
        "micro-batches (--enable-dbo, --ubatch-size)": parallel.use_ubatching,
        "sequence parallelism of experts": parallel.use_sequence_parallel_moe,
        "prompt embeddings": bool(config.model_config.enable_prompt_embeds),
        "context parallelism": max(
            getattr(parallel, name, 1)
            for name in ("prefill_context_parallel_size", "decode_context_parallel_size")
        )
        > 1,
    }
    refused["pooling (--runner pooling)"] = config.model_config.runner_type == "pooling"
    refused["pipeline parallelism in the V2 runner (VLLM_USE_V2_MODEL_RUNNER=0 chooses V1)"] = (
        config.use_v2_model_runner and parallel.pipeline_parallel_size > 1
    )
    # Positions are then upper bounds: right for what begins or ends with the prompt, not within the answer.
    refused["speculative decoding with a window of positions"] = (
        config.speculative_config is not None
        and not all(dose.span is None or dose.span.settles for dose in recipe.doses)
    )
    if recipe.gauges:
        refused["pipeline parallelism with probes"] = parallel.pipeline_parallel_size > 1
        refused["priorities with probes (--scheduling-policy priority)"] = scheduler.policy == "priority"
        if any(gauge.each_token for gauge in recipe.gauges):
            refused["speculative decoding with a probe that reads every token"] = (
                config.speculative_config is not None
            )
        whole = (
            scheduler.max_num_batched_tokens >= config.model_config.max_model_len
            and not scheduler.enable_chunked_prefill
            and not scheduler.long_prefill_token_threshold
        )
        if reaches_back(recipe) and not whole:
            raise PlanError(
                "prompts that may come in pieces, and edits of the whole prompt that wait for its last token",
                "whole prompts, or edits of scope -1:",
                "add --no-enable-chunked-prefill and a --max-num-batched-tokens of at least --max-model-len, no "
                "--long-prefill-token-threshold, or change the scope",
            )
    if on := [what for what, is_on in refused.items() if is_on]:
        raise PlanError(f"a policy under {on[0]}", "an engine without it", "leave one of the two out")
    config.additional_config[KEY] = {"policy": path, "sha256": sha256, "version": steer.__version__}


def reaches_back(recipe: Recipe) -> bool:
    """Whether an edit that a probe opens touches tokens before the prompt's last one."""
    return any(recipe.columns[dose.column].share is not None and not dose.from_last for dose in recipe.doses)


def unshared(recipe: Recipe, *, v2: bool) -> bool:
    """Whether what a token leaves in the cache depends on tokens after it, or a probe needs tokens that a cache hides.

    The V2 runner forgets a request that it preempts: there every probe has to be asked again.
    """
    return reaches_back(recipe) or any(
        v2 or gauge.each_token or len(gauge.query) > 1 for gauge in recipe.gauges
    )


def salt(policy: Policy, recipe: Recipe, strengths: Mapping[str, float], end: int) -> str | None:
    """What keeps the keys and values of one setting apart from those of others; None for the plain model's.

    Args:
        policy: Whose hash goes in.
        recipe: Of it.
        strengths: Of all dials.
        end: Tokens of the prompt; see `Recipe.setting`.
    """
    own = recipe.setting(strengths, end)
    if own is None:
        return None
    return f"steer:{hashlib.sha256(f'{policy.hash} {own}'.encode()).hexdigest()[:32]}"
