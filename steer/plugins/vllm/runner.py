"""The workers' side: a recipe hung on the model before it is compiled, and filled in before each forward.

All that is known of the inside of vLLM's model runners is in this file: V1 (`GPUModelRunner`, `CPUModelRunner`) and V2
(`ModelState`).
"""

from __future__ import annotations

import functools
from typing import Any

import torch
from torch import Tensor

from steer.dials import Policy
from steer.errors import LivenessError, PlanError
from steer.plugins.vllm.batch import Asked, Batches
from steer.plugins.vllm.settings import KEY, policy_of, recipe_of
from steer.plugins.vllm.tensors import Doses, install
from steer.recipe import Recipe
from steer_vectors.models import decoder_layers

_SPARE = 4  # slots for requests that wait with an answer begun, per running one
_ROOM = 64  # tokens of the self-test, and of padding


class Steered:
    """A recipe at work in one worker.

    Args:
        policy: Of the engine.
        config: Of vLLM.
        model: Loaded, not compiled yet.
        device: Of it.
    """

    def __init__(self, policy: Policy, config: Any, model: Any, device: torch.device) -> None:
        self.policy = policy
        self.recipe: Recipe = recipe_of(policy, device)
        scheduler = config.scheduler_config
        tokens = max(scheduler.max_num_batched_tokens, scheduler.max_num_seqs) + _ROOM  # padding too
        self.doses = Doses(self.recipe, tokens, _SPARE * scheduler.max_num_seqs, device)
        self.requests = int(scheduler.max_num_seqs)
        self.sites = install(model, decoder_layers(model), self.recipe, self.doses, device)
        self.batches = Batches(self.recipe, self.doses)
        self.tested = ""
        self._rows: dict[str, tuple[Any, Tensor]] = {}

    def strengths(self, name: str, params: Any) -> Tensor:
        """`[dials]` of a request, as the door has written them."""
        known = self._rows.get(name)
        if known is not None and known[0] is params:  # a name may come again, with other parameters
            return known[1]
        asked = (getattr(params, "extra_args", None) or {}).get(KEY)
        if not isinstance(asked, dict):
            raise PlanError(
                f"request {name} that did not come through the door",
                "strengths of all dials",
                "report this version",
            )
        row = torch.tensor([asked[dial] for dial in self.recipe.dials])
        self._rows[name] = params, row
        return row

    def forget(self, live: Any) -> None:
        """Requests that are over."""
        for name in [name for name in self._rows if name not in live]:
            del self._rows[name]

    def self_test(self, run: Any) -> str:
        """Prove that each dose moves what comes out, and only of its own tokens: as it will run, compiled and replayed.

        Args:
            run: From a number of tokens to what the model puts out `[t, ...]`.

        Returns:
            What was found, in words.

        Raises:
            LivenessError: A dose that moves nothing, or moves other tokens.
        """
        here = {step.dose for site in self.sites for step in self.recipe.steps.get(site, ())}
        tokens = min(_ROOM, self.requests)
        self.batches.clear()
        self.doses.opened.fill_(1.0)
        plain = run(tokens).clone()
        moved = []
        try:
            for at in sorted(here):
                self.doses.given[:tokens:2, at] = 1.0 if self.recipe.doses[at].scale > 0 else -1.0
                found = run(tokens)
                self.doses.given.zero_()
                if not torch.equal(found[1:tokens:2], plain[1:tokens:2]):
                    raise LivenessError(
                        "a token without steering that moves",
                        "the plain model's values to the bit",
                        "report this version",
                    )
                moved.append(float((found[:tokens:2].float() - plain[:tokens:2].float()).abs().max()))
                if not moved[-1] > 0 and not _may_rest(self.recipe, at):
                    raise LivenessError(
                        f"dose {at} of the policy, which does not move the model",
                        "a change",
                        "report this version",
                    )
            if not torch.equal(run(tokens), plain):
                raise LivenessError(
                    "a model that is not itself again at strength 0", "the same bits", "report this version"
                )
        finally:
            self.doses.opened.zero_()
            self.batches.clear()
        self.tested = (
            f"{len(here)} doses move the model by {min(moved, default=0):.2g} to {max(moved, default=0):.2g}"
        )
        return self.tested


def _may_rest(recipe: Recipe, dose: int) -> bool:
    """Whether it may rightly leave a dummy's tokens alone, by a gate or bounds."""
    tables = [step.table for steps in recipe.steps.values() for step in steps if step.dose == dose]
    return recipe.doses[dose].scale == 0 or all(
        table.gate is not None or bool(table.terms[:, 2:4].isfinite().any()) for table in tables
    )


def register() -> None:
    """Wrap what every model runner has; each does nothing without a policy."""
    from vllm.v1.worker import cpu_model_runner, gpu_model_runner

    if getattr(gpu_model_runner.GPUModelRunner._prepare_inputs, "steers", False):
        return
    _wrap_v1(gpu_model_runner.GPUModelRunner)
    _wrap_load(cpu_model_runner.CPUModelRunner)  # which has a `load_model` of its own
    _wrap_v2()
    for worker in _workers():
        _wrap_worker(worker)


def _wrap_load(runner: Any) -> None:
    load = runner.load_model

    @functools.wraps(load)
    def load_model(self: Any, *args: Any, **named: Any) -> None:
        load(self, *args, **named)
        policy = policy_of(self.vllm_config)
        if policy is not None:
            self.steered = Steered(policy, self.vllm_config, self.get_model(), self.device)

    runner.load_model = load_model


def _wrap_v1(runner: Any) -> None:
    _wrap_load(runner)
    prepare, dummy = runner._prepare_inputs, runner._dummy_run

    @functools.wraps(prepare)
    def _prepare_inputs(
        self: Any, scheduler_output: Any, num_scheduled_tokens: Any, *args: Any, **named: Any
    ) -> Any:
        steered = getattr(self, "steered", None)
        if steered is not None:
            steered.batches.lay(asked_v1(self, steered, num_scheduled_tokens), live=self.requests)
            steered.forget(self.requests)
        return prepare(self, scheduler_output, num_scheduled_tokens, *args, **named)

    @functools.wraps(dummy)
    def _dummy_run(self: Any, *args: Any, **named: Any) -> Any:
        steered = getattr(self, "steered", None)
        if steered is not None and not getattr(self, "steer_testing", False):
            steered.batches.clear()
        return dummy(self, *args, **named)

    _prepare_inputs.steers = True  # type: ignore[attr-defined]
    runner._prepare_inputs, runner._dummy_run = _prepare_inputs, _dummy_run


def asked_v1(runner: Any, steered: Steered, counts: Any) -> list[Asked]:
    """The requests of the next forward, in the order of their tokens."""
    batch = runner.input_batch
    found = []
    for at, name in enumerate(batch.req_ids[: batch.num_reqs]):
        state = runner.requests[name]
        start = int(batch.num_computed_tokens_cpu[at])
        row = steered.strengths(name, state.sampling_params)
        found.append(Asked(name, row, int(state.num_prompt_tokens), start, int(counts[at])))
    return found


def _wrap_v2() -> None:
    try:
        from vllm.v1.worker.gpu import model_runner
    except ImportError:  # needs Triton, without which vLLM runs V1
        return
    make = model_runner.init_model_state

    @functools.wraps(make)
    def init_model_state(vllm_config: Any, model: Any, *args: Any, **named: Any) -> Any:
        policy = policy_of(vllm_config)
        # Hung before the state is made: that may look at the model's modules.
        device = named["device"] if "device" in named else args[-1]
        steered = None if policy is None else Steered(policy, vllm_config, model, device)
        state = make(vllm_config, model, *args, **named)
        if steered is not None:
            follow_v2(state, steered)
        return state

    model_runner.init_model_state = init_model_state


def follow_v2(state: Any, steered: Steered) -> None:
    """Let a V2 model state fill in the doses: its `prepare_inputs` runs before every forward, replayed ones too."""
    kind = type(state)

    class SteeredState(kind):  # type: ignore[misc,valid-type]
        def add_request(self, req_index: int, new_req_data: Any) -> Any:
            self.steer_rows[req_index] = (new_req_data.req_id, new_req_data.sampling_params)
            return super().add_request(req_index, new_req_data)

        def prepare_inputs(self, input_batch: Any, req_states: Any) -> Any:
            live = req_states.req_id_to_index
            if all(name in live for name in input_batch.req_ids[: input_batch.num_reqs]):
                steered.batches.lay(asked_v2(self, steered, input_batch, req_states), live=live)
                steered.forget(live)
            elif not getattr(self, "steer_testing", False):  # a dummy's requests are nobody's
                steered.batches.clear()
            return super().prepare_inputs(input_batch, req_states)

    state.steered, state.steer_rows = steered, {}
    state.__class__ = SteeredState


def asked_v2(state: Any, steered: Steered, batch: Any, req_states: Any) -> list[Asked]:
    """As `asked_v1`."""
    found = []
    for at in range(batch.num_reqs):
        index = int(batch.idx_mapping_np[at])
        name, params = state.steer_rows[index]
        end, start = int(req_states.prompt_len.np[index]), int(batch.num_computed_tokens_np[at])
        found.append(
            Asked(name, steered.strengths(name, params), end, start, int(batch.num_scheduled_tokens[at]))
        )
    return found


def _workers() -> list[Any]:
    from vllm.v1.worker.cpu_worker import CPUWorker

    found = [CPUWorker]
    try:
        from vllm.v1.worker.gpu_worker import Worker
    except ImportError:
        return found
    return [Worker, *found] if "compile_or_warm_up_model" in vars(CPUWorker) else [Worker]


def _wrap_worker(worker: Any) -> None:
    warm = worker.compile_or_warm_up_model

    @functools.wraps(warm)
    def compile_or_warm_up_model(self: Any, *args: Any, **named: Any) -> Any:
        found = warm(self, *args, **named)
        test(self.model_runner)
        return found

    worker.compile_or_warm_up_model = compile_or_warm_up_model
    worker.steer_status = lambda self: status(self.model_runner)
    worker.steer_self_test = lambda self: test(self.model_runner)


def steered_of(runner: Any) -> Steered | None:
    """What is at work in a model runner of either kind."""
    found: Steered | None = getattr(getattr(runner, "model_state", runner), "steered", None)
    return found


@torch.inference_mode()
def test(runner: Any) -> str:
    """Run the self-test in a worker; says what it found, or nothing without a policy."""
    steered = steered_of(runner)
    if steered is None:
        return ""
    flag = getattr(runner, "model_state", runner)
    # With attention, without which V1 leaves memory as it was found; one token a request, so that they are strangers.
    attention = {} if hasattr(runner, "model_state") else {"force_attention": True}
    # Later stages of a pipeline take in nothing from a dummy, and nothing can be taken out of that; the first one makes the room.
    runner._dummy_run(1, **attention)
    earlier = getattr(runner, "intermediate_tensors", None)
    taken_in = [] if earlier is None else list(earlier.tensors.values())
    for at, tensor in enumerate(taken_in):
        drawn = torch.randn(tensor.shape, generator=torch.Generator().manual_seed(at))
        tensor.copy_(drawn)
    flag.steer_testing = True
    try:
        return steered.self_test(lambda tokens: _stream(runner._dummy_run(tokens, **attention)[0]))
    finally:
        flag.steer_testing = False
        for tensor in taken_in:
            tensor.zero_()


def _stream(found: Any) -> Tensor:
    """What a forward puts out; under pipeline parallelism, what goes on to the next stage."""
    if isinstance(found, Tensor):
        return found
    parts: list[Tensor] = list(found.tensors.values())
    return torch.stack(parts).sum(0)


def status(runner: Any) -> dict[str, Any]:
    """For the endpoint: what is at work in a worker."""
    steered = steered_of(runner)
    if steered is None:
        return {}
    return {"sites": [f"{site.layer} {site.point}" for site in steered.sites], "self_test": steered.tested}
