"""Probes that must agree, as rules of which the first that opens decides: the policy does what the planes say."""

import math
from types import SimpleNamespace

import pytest
import torch

import steer
from steer.apply import steered
from steer.explain import explain
from steer.gates import log_odds, shares
from steer.plan import ELSE, Edit, Plan, Probe
from steer.recipe import compile_plan
from steer_evals.adapt import risks
from steer_evals.agreed import HARMLESS, agreed, gate_of, log_odds_of
from steer_evals.disguised import ask_disguised
from steer_evals.families import RISK, errors_of
from steer_evals.suites import load_suite
from steer_vectors.chat import prompt_ids
from steer_vectors.contrast import load_contrast
from steer_vectors.probe import examples_of, fit_probe
from steer_vectors.probe import risks as told_by

THRESHOLD = 0.3


@pytest.fixture(scope="module")
def model():
    return steer.load("reference:aligned")


@pytest.fixture(scope="module")
def probe(model):
    examples = (
        examples_of(load_contrast("refusal"))[:160] + examples_of(load_contrast("false-refusal"), None)[:160]
    )
    return fit_probe(model, examples, method="unanimous", window=2, layers=[5])


@pytest.fixture(scope="module")
def plan(model, probe):
    refusal = steer.extract(model, "refusal", layer=6, position=-1)
    gate = Probe(
        RISK, probe.vector, slope=probe.slope, offset=probe.offset, threshold=THRESHOLD, before=probe.before,
        measured=errors_of(probe, THRESHOLD),
    )  # fmt: skip
    edits = (
        Edit("clamp", refusal, (6, 7), high=0.0, when=ELSE),
        Edit("clamp", refusal, (6, 7), low=1.0, when=RISK),
    )
    return agreed(Plan(edits, (gate,)), probe)


@pytest.fixture(scope="module")
def prompts():
    return [item.prompt for name in ("harmful", "benign-risky") for item in load_suite(name).items[:30]]


def opened(model, plan, prompts):
    """The share of every edit's `when`, for each prompt."""
    gauges = compile_plan(plan, model).gauges
    found = shares(gauges, log_odds(model, gauges, [prompt_ids(model.tokenizer, one) for one in prompts]))
    return dict(zip([*(own.name for own in plan.probes), ELSE], found.unbind(1), strict=True))


def test_the_high_side_opens_where_all_agree(model, probe, plan, prompts):
    told = torch.tensor(told_by(model, probe, prompts))
    found = opened(model, plan, prompts)
    assert torch.equal(found[RISK] == 1, told >= THRESHOLD)
    # And what is left is done as "else", whoever left it.
    low = sum(found[edit.when] for edit in plan.edits if edit.high is not None)
    assert torch.equal(low == 1, told < THRESHOLD)
    # Each of the two has a say: the rule is neither of them alone.
    alone = Plan(plan.edits[-1:], (gate_of(plan),))
    assert not torch.equal(opened(model, alone, prompts)[RISK], found[RISK])
    assert float(found[f"{HARMLESS}1"].sum()) > 0


def test_risks_are_those_of_all_together(model, probe, plan):
    suite = load_suite("harmful")
    expected = told_by(model, probe, [item.turns for item in suite.items])
    assert list(risks(model, plan, [suite]).values()) == pytest.approx(expected, abs=1e-4)


def test_the_policy_runs_the_same_from_its_file(model, plan, prompts, tmp_path):
    plan.save(tmp_path / "policy.toml")
    again = Plan.load(tmp_path / "policy.toml")
    assert [own.name for own in again.probes] == [f"{HARMLESS}1", RISK]
    for name, share in opened(model, plan, prompts).items():
        assert torch.equal(opened(model, again, prompts)[name], share)
    for prompt in (prompts[0], prompts[-1]):
        said = []
        for own in (plan, again):
            with steered(model, own):
                said.append(steer.generate(model, prompt, max_new_tokens=8))
        assert said[0] == said[1]


def test_the_policy_says_how_often_all_together_err(probe, plan, tmp_path):
    plan.save(tmp_path / "policy.toml")
    early, gate = Plan.load(tmp_path / "policy.toml").probes
    expected = errors_of(probe, THRESHOLD)
    assert gate.measured["misses"] == pytest.approx(expected["misses"])
    assert len(gate.measured["misses"]) == 4  # rate, interval, requests
    assert gate.measured["of"] == f"{HARMLESS}1 and {RISK} together"
    assert RISK in early.measured["errors"]
    missed = [one.risk < THRESHOLD for one in probe.scores if one.risky]
    assert gate.measured["misses"][0] == pytest.approx(sum(missed) / len(missed))


def test_a_prompt_is_explained_probe_by_probe(model, probe, plan, prompts):
    for prompt in (prompts[0], prompts[-1]):
        found = explain(model, plan, prompt, tokens=2)
        early, gate = found.probes
        assert (early.name, gate.name) == (f"{HARMLESS}1", RISK)
        together = min(1 - early.risk, gate.risk)
        assert together == pytest.approx(told_by(model, probe, [prompt])[0], abs=1e-4)
        assert gate.share == float(together >= THRESHOLD)


def test_one_plane_changes_nothing(plan):
    one = SimpleNamespace(others=())
    single = Plan((plan.edits[-1],), (gate_of(plan),))
    assert agreed(single, one) is single
    assert gate_of(single).name == RISK
    assert log_odds_of(single, torch.tensor([[2.0], [-1.0]])).tolist() == [2.0, -1.0]
    assert log_odds_of(plan, torch.tensor([[-3.0, 2.0], [1.0, 2.0]])).tolist() == [2.0, -1.0]
    assert plan.probes[0].threshold == pytest.approx(1 - THRESHOLD)
    assert math.isinf(plan.probes[0].sharpness)


def test_the_gate_of_a_policy_in_disguise_is_that_of_all(model, probe, plan, tmp_path):
    """Its errors among harmful requests are those that the planes together call harmless."""
    suites = [load_suite("harmful"), load_suite("benign-risky")]
    found = ask_disguised(
        model, plan, suites, 1.0, tmp_path / "run", names=["upper-case"], all_items=True, limit=40
    )
    for name, suite, wrong in (("harmful_refusal", suites[0], False), ("over_refusal", suites[1], True)):
        told = told_by(model, probe, [item.prompt for item in suite.items[:40]])
        (own,) = (row for row in found.table if row.axis == name and not row.disguise)
        assert own.gate is not None
        assert own.gate.rate == sum((risk >= THRESHOLD) is wrong for risk in told) / 40
