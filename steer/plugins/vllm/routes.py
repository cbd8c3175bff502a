"""`/v1/steer` of a steered server: its policy and its self-test, under its key. On if `VLLM_PLUGINS` names steerdial."""

from __future__ import annotations

from typing import Any

from steer.plugins.vllm.settings import policy_of


class Routes:
    """Entry point of `vllm.endpoint_plugins`."""

    name = "steerdial"
    required_tasks = ("generate",)

    def attach_router(self, app: Any) -> None:
        """As vLLM's `EndpointPlugin` has it."""
        from fastapi import APIRouter, HTTPException, Request

        router = APIRouter()

        def engine(request: Request) -> Any:
            found = getattr(request.app.state, "steer_engine", None)
            if found is None or policy_of(found.vllm_config) is None:
                raise HTTPException(404, "this engine was started without a policy")
            return found

        # Annotations are looked up in this module's globals, where FastAPI's names are not.
        async def policy(request: Any) -> dict[str, Any]:
            """What a request may ask for."""
            own = policy_of(engine(request).vllm_config)
            assert own is not None  # engine() has looked
            dials = {
                name: {
                    "default": own.defaults[name],
                    **({"low": dial.low, "high": dial.high, "presets": dict(dial.presets)} if dial else {}),
                }
                for name, dial in ((name, own.dials.get(name)) for name in own.plan.dials)
            }
            probes = [
                {
                    "name": probe.name,
                    "layer": probe.site.layer,
                    "threshold": probe.threshold,
                    "each_token": probe.each_token,
                }
                for probe in own.plan.probes
            ]
            return {"policy": own.hash, "dials": dials, "presets": own.presets, "probes": probes}

        async def self_test(request: Any) -> dict[str, Any]:
            """Prove again, on the running engine, that every dose moves the model."""
            workers = await engine(request).collective_rpc("steer_self_test", timeout=60)
            return {"workers": workers}

        policy.__annotations__["request"] = self_test.__annotations__["request"] = Request
        router.add_api_route("/v1/steer", policy, methods=["GET"])
        router.add_api_route("/v1/steer/self-test", self_test, methods=["POST"])
        app.include_router(router)

    async def init_state(self, engine_client: Any, state: Any, args: Any) -> None:
        """As vLLM's `EndpointPlugin` has it."""
        state.steer_engine = engine_client
