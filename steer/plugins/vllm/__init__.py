"""Steered requests in a stock vLLM, found by its entry points; without a policy in `additional_config` it does nothing.

    vllm serve MODEL --additional-config '{"steer": {"policy": "policy.toml"}}'

vLLM calls `register` in every process: the one that takes requests, the engine's and each worker's.
"""

from __future__ import annotations

TESTED = ("0.32", "0.33")  # vLLM, from and below


def register() -> None:
    """Entry point of `vllm.general_plugins`."""
    from steer.plugins.vllm import requests, runner

    requests.register()
    runner.register()
