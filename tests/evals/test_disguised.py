"""Requests in disguise, asked with a policy and without: what is asked, what is counted, what is left out."""

import logging
import math
from dataclasses import replace

import pytest

import steer
from steer.cli import main
from steer.plan import ELSE, Edit, Plan, Probe
from steer.policy import Dial, save_policy
from steer_evals.calibrate import half_of
from steer_evals.disguised import _fitting, ask_disguised, disguised_lines
from steer_evals.errors import RunError
from steer_evals.run import Run
from steer_evals.suites import load_suite


@pytest.fixture(scope="module")
def model():
    return steer.load("reference:aligned")


@pytest.fixture(scope="module")
def plan(model):
    """As an adaptive policy's: under a risk the refusal direction is clamped."""
    refusal = steer.extract(model, "refusal", layer=6, position=-1, select_by="auc")
    return Plan((Edit("clamp", refusal, (6, 7), high=0.0, when=ELSE),), (Probe("risk", refusal),))


def test_disguises_are_asked_with_and_without_the_policy(model, plan, tmp_path):
    suites = [load_suite(name) for name in ("harmful", "benign-risky")]
    names = ["typos", "long-context", "translation", "typos"]
    found = ask_disguised(model, plan, suites, 1.0, tmp_path / "run", names=names, limit=4)
    assert {entry.disguise for entry in found.table} == {"", "typos", "long-context"}
    assert set(found.left_out) == {"harmful@translation", "benign-risky@translation"}
    assert all(entry.gate is not None and entry.steered is not None for entry in found.table)
    assert found.table[0].refused.n == 4
    assert {half_of(r["suite"].split("@")[0], r["item"]) for r in Run(tmp_path / "run").rows} == {"reporting"}
    assert set(found.words) == {"harmful@long-context", "benign-risky@long-context"}
    text = (tmp_path / "run" / "robustness.md").read_text()
    assert text == "\n".join(disguised_lines(found)) + "\n"
    assert f"- harmful@long-context: {found.words['harmful@long-context']} words\n" in text
    with pytest.raises(RunError, match="strength 0"):
        ask_disguised(model, plan, suites, 0.0, tmp_path / "other")
    assert math.isfinite(found.table[0].refused.rate)
    # Which of several probes is of the risk nobody knows: no errors are counted.
    two = replace(plan, probes=(replace(plan.probes[0], name="medical"), *plan.probes))
    table = ask_disguised(model, two, suites, 1.0, tmp_path / "two", names=["typos"], limit=2).table
    assert all(entry.gate is None for entry in table)


def test_what_disguises_cannot_be_asked_is_one_line(model, plan, tmp_path):
    suite = load_suite("harmful")
    chosen_by = [item for item in suite.items if half_of(suite.name, item.id) == "choosing"]
    for wrong, what in (
        (load_suite("capability"), "suite capability on capability"),
        (replace(suite, items=tuple(chosen_by)), "without items of the reporting half"),
    ):
        with pytest.raises(RunError, match=what):
            ask_disguised(model, plan, [wrong], 1.0, tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_padding_that_had_no_room_is_not_made_longer(model, monkeypatch):
    """Room for nothing: every number of words is tried once, always fewer; and other disguises once only."""
    tried = []

    def disguise(name, suite, _seed, words):
        tried.append((name, words))
        return suite

    monkeypatch.setattr("steer_evals.disguised.disguise", disguise)
    suite = load_suite("harmful")
    suite = replace(suite, header=suite.header.model_copy(update={"max_new_tokens": 10**6}))
    for name in ("prefix-padding", "long-context", "typos"):
        found, words = _fitting(model, name, suite, 0)
        assert "tokens, prompt and answer together" in found
        assert words is None
    assert tried == [
        ("prefix-padding", 100), ("prefix-padding", 50),
        ("long-context", 400), ("long-context", 200), ("long-context", 100), ("long-context", 50), ("typos", None),
    ]  # fmt: skip


def test_prompts_that_do_not_fit_are_no_warning(model, plan, tmp_path):
    said, log = [], logging.getLogger("transformers")
    model.tokenizer.deprecation_warnings.clear()  # transformers says it once for each tokenizer
    handler = logging.Handler()
    handler.emit = said.append
    log.addHandler(handler)
    try:
        found = ask_disguised(
            model, plan, [load_suite("harmful")], 1.0, tmp_path / "run", names=["long-context"], limit=1
        )
    finally:
        log.removeHandler(handler)
    assert found.words["harmful@long-context"] < 400
    assert said == []


def test_disguise_asks_at_the_operating_point(model, plan, tmp_path, monkeypatch):
    save_policy(plan, tmp_path / "policy.toml", {"strength": Dial(0.75, 0.0, 1.0, {})})
    plan.save(tmp_path / "bare.toml")
    asked = []

    def ask(_model, _plan, _suites, strength, *_args, all_items, **_more):
        asked.append((strength, all_items))
        raise RunError("enough", "no more", "stop")

    monkeypatch.setattr("steer_evals.disguised.ask_disguised", ask)
    monkeypatch.setattr("steer.cli.adaptive.load_model", lambda *_: model)
    for policy, *more in (
        ("policy.toml",), ("bare.toml",), ("policy.toml", "--strength", "0.5"), ("policy.toml", "--all-items"),
    ):  # fmt: skip
        with pytest.raises(SystemExit):
            main(["disguise", "m", "--policy", str(tmp_path / policy), "--out", str(tmp_path / "out"), *more])
    assert asked == [(0.75, False), (1.0, False), (0.5, False), (0.75, True)]
