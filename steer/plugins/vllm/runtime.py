"""vLLM as one of the runtimes that `steer verify` compares, and as an engine of sweeps. Imports vLLM when it is made."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from steer.dials import Policy
from steer.equivalence import Said
from steer.errors import PlanError
from steer.plugins.vllm.settings import KEY, reaches_back, recipe_of
from steer_vectors.errors import ModelError


class VLLM:
    """An engine of vLLM in processes of its own, steered by a policy file.

    Args:
        model: Folder or hub id.
        policy: Path of the policy; None = the plain model.
        dtype: Of the weights.
        settings: More of `vllm.LLM`'s arguments.

    Raises:
        PlanError: vLLM is not installed, or cannot express the policy.
        MismatchError: A policy of another model.
        ModelError: The engine does not start.
    """

    name = "vllm"

    def __init__(
        self, model: str, policy: str | Path | None, *, dtype: str = "float32", **settings: Any
    ) -> None:
        if find_spec("vllm") is None:
            raise PlanError("no vLLM", "vLLM in this environment", "see docs/vllm.md")
        os.environ.setdefault("VLLM_NO_USAGE_STATS", "1")
        os.environ.setdefault("VLLM_LOGGING_STREAM", "ext://sys.stderr")  # what is printed is for programs
        if (
            not torch.cuda.is_available()
        ):  # left to itself it takes most of the memory, and one core of its own choice
            os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")  # GiB
            os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
        from vllm import LLM

        if policy is not None:
            settings["additional_config"] = {KEY: {"policy": str(policy)}}
            if reaches_back(recipe_of(Policy.load(policy), torch.device("cpu"))):
                settings.setdefault("enable_chunked_prefill", False)
        try:
            self.llm: Any = LLM(model, dtype=dtype, max_logprobs=-1, **settings)
        except RuntimeError as error:  # what a worker said stands in its log, on standard error
            raise ModelError(
                f"{model}, for which vLLM does not start ({' '.join(str(error).split())[:160]})",
                "an engine that starts",
                "read its log above",
            ) from error

    def say(
        self, prompts: Sequence[Sequence[int]], strengths: Sequence[Mapping[str, float]], most: int
    ) -> list[Said]:
        """As in `Runtime`."""
        from vllm import SamplingParams

        def params(own: Mapping[str, float], **more: Any) -> Any:
            return SamplingParams(temperature=0.0, extra_args={KEY: dict(own)}, **more)

        asked = [{"prompt_token_ids": list(ids)} for ids in prompts]
        # All log-probabilities of the first token only: of every token they would be many.
        first = self.llm.generate(
            asked, [params(own, max_tokens=1, logprobs=-1) for own in strengths], use_tqdm=False
        )
        whole = self.llm.generate(asked, [params(own, max_tokens=most) for own in strengths], use_tqdm=False)
        stops = self._stops()
        found = []
        for one, all_of_it in zip(first, whole, strict=True):
            values = one.outputs[0].logprobs[0]
            logprobs = torch.tensor([values[at].logprob for at in range(len(values))])
            tokens = tuple(token for token in all_of_it.outputs[0].token_ids if token not in stops)
            found.append(Said(logprobs, tokens))
        return found

    def _stops(self) -> set[int]:
        config = self.llm.llm_engine.vllm_config.model_config
        ends = config.try_get_generation_config().get("eos_token_id") or config.hf_config.eos_token_id
        return {ends} if isinstance(ends, int) else set(ends or ())
