"""Packed tokens of many requests, in any schedule, are edited as each request by itself. vLLM is not needed."""

from __future__ import annotations

import random
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

from steer.errors import LivenessError, PlanError
from steer.gates import shares
from steer.plan import Edit, Gate, Plan, Probe
from steer.plugins.vllm.batch import Asked, Batches
from steer.plugins.vllm.runner import Steered, asked_v2, follow_v2
from steer.plugins.vllm.tensors import Doses, install
from steer.recipe import lay_out
from steer_kernels.naive import edited
from steer_vectors.site import Site

CPU = torch.device("cpu")
LAYERS, WIDTH = 5, 32


class Halves(nn.Module):
    """A layer as most of vLLM's: the stream goes in and comes out in two parts."""

    def __init__(self, weight: torch.Tensor) -> None:
        super().__init__()
        self.weight = nn.Parameter(weight, requires_grad=False)

    def forward(self, positions: Any, hidden_states: Any, residual: Any) -> Any:
        residual = hidden_states if residual is None else hidden_states + residual
        return torch.tanh(residual @ self.weight), residual


class Whole(Halves):
    """One that takes and gives the stream itself, as those of GPT-2."""

    def forward(self, hidden_states: Any) -> Any:  # type: ignore[override]
        return hidden_states + torch.tanh(hidden_states @ self.weight)


class Model(nn.Module):
    """No attention: what a token becomes depends on itself, and on what steering does to it."""

    def __init__(self, kind: type[Halves]) -> None:
        super().__init__()
        draw = torch.Generator().manual_seed(3)
        weights = torch.randn(LAYERS, WIDTH, WIDTH, generator=draw) / WIDTH**0.5
        self.layers = nn.ModuleList(kind(weight) for weight in weights)
        self.kind = kind

    def forward(self, rows: torch.Tensor) -> torch.Tensor:
        if self.kind is Whole:
            for layer in self.layers:
                rows = layer(rows)
            return rows
        hidden, residual = rows, None
        for layer in self.layers:
            hidden, residual = layer(torch.arange(len(rows)), hidden, residual)
        return hidden + residual


def alone(model: Model, recipe: Any, rows: torch.Tensor, strengths: torch.Tensor, end: int) -> torch.Tensor:
    """One request by the formula, token by token: all of it at once, its prompt of `end` tokens and its answer."""
    found = []
    odds = torch.full((len(rows), len(recipe.gauges)), torch.nan)
    plain = rows
    for at, layer in enumerate(model.layers):  # what probes read: the plain model, as far as they go
        plain = plain + torch.tanh(plain @ layer.weight)
        for number, gauge in enumerate(recipe.gauges):
            if gauge.site == Site(at):
                odds[:, number] = gauge.log_odds(plain)
    for position, row in enumerate(rows):
        share = torch.ones(1, len(recipe.gauges) + 1)
        if recipe.gauges:
            until = [
                odds[end - 1 : max(position, end - 1) + 1, number].max()
                if gauge.each_token
                else odds[end - 1, number]
                for number, gauge in enumerate(recipe.gauges)
            ]
            share = shares(recipe.gauges, torch.stack(until)[None])
        doses = []
        for column, scale, span in recipe.doses:
            dial, own = recipe.columns[column]
            inside = span is None or _inside(span, position, end)
            doses.append(
                float(strengths[dial]) * scale * inside * (1.0 if own is None else float(share[0, own]))
            )
        for at, layer in enumerate(model.layers):
            row = row + torch.tanh(row @ layer.weight)
            for table, dose in recipe.steps.get(Site(at), ()):
                row = edited(row[None], *table.arguments, torch.tensor([[doses[dose]]]))[0]
        found.append(row)
    return torch.stack(found)


def _inside(span: Any, position: int, end: int) -> bool:
    low = span.start + end if span.start_from_end else span.start
    high = None if span.stop is None else span.stop + end if span.stop_from_end else span.stop
    return position >= low and (high is None or position < high)


@pytest.fixture(scope="module")
def vectors(tiny_llama, make_vector):
    return [make_vector(tiny_llama, layer=1, gap=2.0, seed=seed) for seed in range(3)]


def plans(vectors) -> dict[str, Plan]:
    one, two, three = vectors
    edits = (
        Edit("add", one, layers=(1, 3), dial="a"),
        Edit("ablate", two, layers=(2,), scope="generation", dial="b"),
        Edit("clamp", three, layers=(4,), low=-0.1, high=0.1, scope="-2:", dial="a"),
        Edit("rotate", one, layers=(2,), second=two, angle=40.0, scope="1:3", dial="b"),
        Edit("add", two, layers=(4,), gate=Gate(three, 0.0, 5.0), keep_norm=True, dial="b"),
    )
    risk = Probe("risk", one, layer=1, slope=1.5, offset=-0.2)
    soft = Probe("soft", two, layer=2, slope=1.0, sharpness=1.0)
    window = Probe("window", one, layer=2, slope=1.0, before=((two, 0.7), (three, -0.5)))
    every = Probe("every", two, layer=2, slope=1.0, offset=-0.5, sharpness=2.0, each_token=True)
    high, low = (
        Edit("add", two, layers=(3,), when="risk", scope="-1:"),
        Edit("ablate", one, layers=(3, 4), when="else", scope="-1:"),
    )
    return {
        "edits": Plan(edits),
        "risk": Plan((high, low, Edit("add", three, layers=(0,), scope="generation")), (risk,)),
        "two": Plan(
            (high, low, Edit("add", three, layers=(4,), when="soft", scope="generation")), (risk, soft)
        ),
        "window": Plan((Edit("add", two, layers=(3,), when="window", scope="-1:"),), (window,)),
        "every": Plan((Edit("add", one, layers=(3,), when="every", scope="-1:"),), (every,)),
    }


class Engine:
    """Packs what is due of several requests into forwards, as a scheduler might."""

    def __init__(self, plan: Plan, kind: type[Halves]) -> None:
        self.plain, self.model = Model(kind), Model(kind)
        self.recipe = lay_out(plan, CPU)
        self.doses = Doses(self.recipe, 64, 8, CPU)
        install(self.model, self.model.layers, self.recipe, self.doses, CPU)
        self.batches = Batches(self.recipe, self.doses)

    def run(
        self, requests: list[tuple[torch.Tensor, torch.Tensor, int]], draw: random.Random
    ) -> list[torch.Tensor]:
        done = [0] * len(requests)
        found: list[list[torch.Tensor]] = [[] for _ in requests]
        while any(own < len(rows) for own, (rows, _, _) in zip(done, requests, strict=True)):
            asked, packed, of = [], [], []
            for at in draw.sample(range(len(requests)), draw.randint(1, len(requests))):
                rows, strengths, end = requests[at]
                start = done[at]
                if start == len(rows):
                    continue
                # A prompt in pieces; an answer token by token, or a few at once as after a preemption.
                most = end - start if start < end else len(rows) - start
                count = draw.randint(1, most)
                asked.append(Asked(str(at), strengths, end, start, count))
                packed.append(rows[start : start + count])
                of.append(at)
                done[at] += count
            if not asked:
                continue
            self.batches.lay(asked)
            out = self.model(torch.cat([*packed, torch.zeros(draw.randint(0, 4), WIDTH)]))  # padding too
            for at, own in zip(
                of, out[: sum(map(len, packed))].split([len(rows) for rows in packed]), strict=True
            ):
                found[at].append(own)
        return [torch.cat(own) for own in found]


@pytest.mark.parametrize("kind", [Halves, Whole])
@pytest.mark.parametrize("name", ["edits", "risk", "two", "window", "every"])
@settings(max_examples=15)
@given(seed=st.integers(0, 2**20))
def test_any_schedule_edits_each_request_as_if_alone(vectors, kind, name, seed):
    draw = random.Random(seed)
    rng = torch.Generator().manual_seed(seed)
    engine = Engine(plans(vectors)[name], kind)
    dials = len(engine.recipe.dials)
    requests = []
    for _ in range(draw.randint(1, 5)):
        end, more = draw.randint(1, 6), draw.randint(0, 5)
        strengths = torch.randn(dials, generator=rng) * draw.choice([0.0, 1.0, 2.0])
        requests.append((torch.randn(end + more, WIDTH, generator=rng), strengths, end))
    found = engine.run(requests, draw)
    for own, (rows, strengths, end) in zip(found, requests, strict=True):
        torch.testing.assert_close(
            own, alone(engine.plain, engine.recipe, rows, strengths, end), rtol=1e-4, atol=1e-4
        )


def test_slots_are_given_back(vectors):
    engine = Engine(plans(vectors)["risk"], Halves)
    for at in range(100):  # there are 8
        engine.batches.lay([Asked(str(at), torch.ones(1), 2, 0, 2)], live={str(at): None})
    assert len(engine.batches._slots) == 1


def test_layers_elsewhere_are_left_out(vectors):
    class PPMissingLayer(nn.Module):
        pass

    model = Model(Halves)
    model.layers[1] = PPMissingLayer()
    recipe = lay_out(plans(vectors)["edits"], CPU)
    sites = install(model, model.layers, recipe, Doses(recipe, 8, 2, CPU), CPU)
    assert {site.layer for site in sites} == {2, 3, 4}


def test_outputs_that_are_not_known_are_refused(vectors):
    class Odd(Halves):
        def forward(self, hidden_states: Any) -> Any:  # type: ignore[override]
            return {"hidden": hidden_states}

    model = Model(Odd)
    recipe = lay_out(Plan.add(vectors[0]), CPU)
    install(model, model.layers, recipe, Doses(recipe, 8, 2, CPU), CPU)
    with pytest.raises(PlanError, match="Odd, which puts out dict"):
        model.layers[1](torch.zeros(2, WIDTH))


def test_a_stream_that_is_not_packed_is_refused(vectors):
    engine = Engine(plans(vectors)["edits"], Whole)
    with pytest.raises(PlanError, match="packed tokens"):
        engine.model(torch.zeros(1, 4, WIDTH))


def _steered(plan: Plan, monkeypatch: pytest.MonkeyPatch) -> tuple[Steered, Model]:
    from steer.dials import Policy

    model = Model(Halves)
    monkeypatch.setattr("steer.plugins.vllm.runner.decoder_layers", lambda _: model.layers)
    config = SimpleNamespace(scheduler_config=SimpleNamespace(max_num_batched_tokens=32, max_num_seqs=8))
    return Steered(Policy(plan, {}), config, model, CPU), model


@pytest.mark.parametrize("name", ["edits", "risk", "two", "window", "every"])
def test_the_self_test_passes_and_leaves_nothing(vectors, name, monkeypatch):
    steered, model = _steered(plans(vectors)[name], monkeypatch)
    rows = torch.randn(64, WIDTH, generator=torch.Generator().manual_seed(1))
    assert "move the model" in steered.self_test(lambda tokens: model(rows[:tokens]))
    assert torch.equal(model(rows[:20]), Model(Halves)(rows[:20]))


def test_the_self_test_sees_a_model_that_does_not_listen(vectors, monkeypatch):
    steered, _ = _steered(plans(vectors)["risk"], monkeypatch)
    plain = Model(Halves)
    rows = torch.randn(64, WIDTH)
    with pytest.raises(LivenessError, match="does not move the model"):
        steered.self_test(lambda tokens: plain(rows[:tokens]))
    steered.doses.given.zero_()
    with pytest.raises(LivenessError, match="without steering that moves"):
        steered.self_test(lambda tokens: torch.randn(tokens, WIDTH))


class State:
    """As much of V2's `ModelState` as is met."""

    def __init__(self) -> None:
        self.prepared = 0

    def add_request(self, req_index: int, new_req_data: Any) -> None:
        pass

    def prepare_inputs(self, input_batch: Any, req_states: Any) -> dict[str, Any]:
        self.prepared += 1
        return {}


def test_v2_fills_the_doses_before_every_forward_and_empties_them_for_a_dummy(vectors, monkeypatch):
    steered, _ = _steered(plans(vectors)["edits"], monkeypatch)
    state = State()
    follow_v2(state, steered)
    for index, strength in ((5, 0.0), (2, -1.0)):
        params = SimpleNamespace(extra_args={"steer": {"a": strength, "b": 0.5}})
        state.add_request(index, SimpleNamespace(req_id=f"r{index}", sampling_params=params))
    live = SimpleNamespace(
        req_id_to_index={"r5": 5, "r2": 2}, prompt_len=SimpleNamespace(np=np.array([0, 0, 3, 0, 0, 1]))
    )
    batch = SimpleNamespace(
        num_reqs=2, req_ids=["r2", "r5"], idx_mapping_np=np.array([2, 5]), num_computed_tokens_np=np.array([1, 4]),
        num_scheduled_tokens=np.array([2, 1]),
    )  # fmt: skip
    assert [(a.name, a.end, a.start, a.tokens) for a in asked_v2(state, steered, batch, live)] == [
        ("r2", 3, 1, 2),
        ("r5", 1, 4, 1),
    ]
    assert state.prepare_inputs(batch, live) == {}
    added = steered.doses.given[:4, 0]  # `add` on dial a, every token
    assert added.tolist() == [-1.0, -1.0, 0.0, 0.0]
    dummy = SimpleNamespace(num_reqs=1, req_ids=["req_0_x"], idx_mapping_np=np.array([0]))
    state.prepare_inputs(dummy, live)
    assert not steered.doses.given.any()
    assert state.prepared == 2
