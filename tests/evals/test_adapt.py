"""Adaptive steering end to end: what was joined from two sides is what the one plan then does, and the page says it."""

import json

import pytest
import torch
from sklearn.metrics import f1_score

import steer
from steer.apply import steered
from steer.cli import main
from steer.gates import log_odds
from steer.plan import Plan
from steer.recipe import compile_plan
from steer_evals.adapt import ADAPTIVE, FOUND, POLICY, Adapted, adapt, point_of, risks
from steer_evals.adapted import COLUMNS, PAGE, gate_rows, lines_of, rows_of, write_page
from steer_evals.calibrate import Budgets, calibrate, half_of
from steer_evals.choosing import calibrate_run
from steer_evals.control import random_plan
from steer_evals.errors import RunError
from steer_evals.families import (
    MOVES,
    RISK,
    Branch,
    _disguised,
    _together,
    adaptive,
    baselines,
    errors_of,
    extracted,
)
from steer_evals.intervals import wilson
from steer_evals.joined import Choice
from steer_evals.rows import append_rows
from steer_evals.run import Run
from steer_evals.suites import load_suite
from steer_vectors.chat import prompt_ids
from steer_vectors.contrast import load_contrast
from steer_vectors.hooks import on_layers
from steer_vectors.probe import Example, examples_of
from steer_vectors.probe import risks as told_by


@pytest.fixture(scope="module")
def model():
    return steer.load("reference:aligned")


@pytest.fixture(scope="module")
def parts(model):
    refusal = steer.extract(model, "refusal", layer=6, position=-1, select_by="auc")
    sets = load_contrast("refusal"), load_contrast("false-refusal")
    return extracted(model, sets[:1], sets[1:], refusal=refusal)


def test_each_side_does_what_it_is_for(model, parts):
    ids = torch.tensor([model.tokenizer("How do I kill a process?").input_ids])

    def places(plan):
        """Along the refusal direction, after the edits, in class gaps."""
        found = {}
        with steered(model, plan), on_layers(model.hf, {6: lambda hidden: found.update(at=hidden.clone())}):
            model.hf(input_ids=ids)
        vector = parts.refusal
        along = found["at"][0] @ vector.directions[6] - vector.negative[6]
        return along / vector.gap(6)

    with torch.no_grad():
        low = places(Plan((Branch("low", "clamp", (6,), "all").edit(parts),)))
        high = places(Plan((Branch("high", "clamp", (6,), "all").edit(parts),)))
        plain = places(Plan((Branch("low", "add", (6,), "all").edit(parts, 0.0),)))
        half = places(Plan((Branch("low", "add", (6, 7), "all").edit(parts, -1.0),)))
    torch.testing.assert_close(low, plain.clamp_max(0.0), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(high, plain.clamp_min(1.0), atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(half, plain - 0.5, atol=1e-4, rtol=1e-4)  # each layer its share


def test_the_baselines_are_plans_of_this_model(model, parts):
    plans = baselines(parts)
    assert list(plans) == ["naive", "surgical", "cast", "cast-lower", "null-space"]
    for plan in plans.values():
        compile_plan(plan, model)
    spared = parts.false_refusal.directions @ parts.refusal.directions[6]
    assert abs(float(spared[6])) < 1e-4


def test_the_condition_is_the_best_of_its_grid(model, parts):
    """F1 of the gate as it runs, against one layer less well chosen."""
    rows = [row for row in load_contrast("refusal").examples if row.split == "train"]
    ids = [prompt_ids(model.tokenizer, row.text) for row in rows]
    truth = [row.label == "positive" for row in rows]
    gauges = compile_plan(baselines(parts)["cast"], model).gauges
    assert gauges[0].cosine
    opened = (log_odds(model, gauges, ids)[:, 0] >= gauges[0].threshold).tolist()
    assert f1_score(truth, opened) > 0.9


def test_the_baselines_see_what_the_probe_sees():
    own, other = load_contrast("refusal"), load_contrast("false-refusal")
    found = _together([own, load_contrast("risk")], [other])
    expected = [*examples_of(own), *examples_of(load_contrast("risk")), *examples_of(other, None)]
    told = {(row.text, row.label == "positive") for row in found.examples}
    assert told == {(one.turns, one.risky) for one in expected}
    assert len({row.id for row in found.examples}) == len(found.examples)
    # Twins of two sets with the same number are none.
    assert len(found.twins("train")) == len(own.twins("train")) + len(load_contrast("risk").twins("train"))


def test_errors_of_a_probe_are_counted_out_of_fold(parts):
    probe = parts.probe
    told = errors_of(probe, 0.5)
    risky = [one for one in probe.scores if one.risky]
    assert told["misses"][0] == pytest.approx(sum(one.risk < 0.5 for one in risky) / len(risky))
    assert told["misses"][3] == len(risky)
    assert set(told["false_alarms"]) == {one.source for one in probe.scores if not one.risky}
    for rate, low, high, _ in (told["misses"], *told["false_alarms"].values()):
        assert 0 <= low <= rate <= high <= 1
    assert errors_of(probe, 1.0)["misses"][0] == 1


@pytest.mark.slow
def test_what_was_joined_is_what_runs(model, parts, tmp_path):
    """In float32, answer for answer: the policy on the choosing half has the rates that it was chosen by."""
    suites = [load_suite(name) for name in ("harmful", "benign-risky", "benign", "capability")]
    sets = [load_contrast("refusal")], [load_contrast("false-refusal"), load_contrast("warmth")]
    budgets = Budgets(over_refusal=0.3, tax=0.05, floor=0.8, below_plain=True)
    found = adapt(
        model, *sets, suites, tmp_path, budgets=budgets, refusal=parts.refusal, trials=2, limit=50,
    )  # fmt: skip
    run = Run(tmp_path / ADAPTIVE)
    rows = [r for r in run.rows if r["strength"] == 1 and half_of(r["suite"], r["item"]) == "choosing"]
    for suite in ("harmful", "benign-risky", "benign"):
        own = [r["value"] for r in rows if r["suite"] == suite]
        assert sum(own) / len(own) == pytest.approx(found.choice.rates[axis_of(rows, suite)])
    again = Plan.load(tmp_path / POLICY)
    assert again.probes[0].name == RISK
    assert again.probes[0].threshold == pytest.approx(found.choice.threshold)
    assert again.probes[0].measured["misses"][3] > 0
    told = json.loads((tmp_path / FOUND).read_text())
    assert set(told["families"]) == {*baselines(parts), ADAPTIVE}
    page = write_page(found, tmp_path)
    assert page.name == PAGE
    assert all(name in page.read_text() for name in told["families"])
    assert (tmp_path / "families.png").read_bytes()[:4] == b"\x89PNG"
    own = point_of(found.families[ADAPTIVE])
    assert any(
        f"{p.rate:.3f} [" in line for p in own.points if p.suite == "harmful"
        for line in lines_of(found, run.rows)
    )  # fmt: skip
    # What is taken up again asks nothing twice.
    before = (tmp_path / ADAPTIVE / "rows.jsonl").read_bytes()
    more = adapt(model, *sets, suites, tmp_path, budgets=budgets, refusal=parts.refusal, trials=2, limit=50)
    assert (tmp_path / ADAPTIVE / "rows.jsonl").read_bytes() == before
    assert more.choice == found.choice


def axis_of(rows, suite):
    return next(r["axis"] for r in rows if r["suite"] == suite)


def test_disguised_examples_stay_in_their_cluster():
    plain = Example("How do I cut a cake?", False, "plain", "cut", pair="7", name="a")
    hidden = _disguised(plain, "upper-case")
    assert hidden == plain._replace(
        turns="HOW DO I CUT A CAKE?", source="plain@upper-case", pair="7@upper-case", name="a@upper-case"
    )
    talk = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Hi"},
        {"role": "user", "content": "cut"},
    ]
    assert _disguised(plain._replace(turns=talk), "upper-case").turns == [
        *talk[:2],
        {"role": "user", "content": "CUT"},
    ]
    assert _disguised(plain, "translation") is None


def test_a_disguise_that_no_request_can_wear_is_refused(model):
    with pytest.raises(RunError, match="'translation', of which these contrast sets have no request"):
        extracted(
            model,
            [load_contrast("refusal")],
            [load_contrast("false-refusal")],
            disguised=["typos", "translation"],
        )


def test_risks_are_those_that_the_gate_sees(model, parts):
    probe = parts.probe
    plan = adaptive(parts, {Branch("low", "clamp", (6,), "all"): 1.0}, 0.5)
    suite = load_suite("harmful")
    found = risks(model, plan, [suite])
    expected = told_by(model, probe, [item.turns for item in suite.items])
    assert list(found.values()) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("side", list(MOVES))
def test_every_move_has_an_edit(parts, side):
    for kind in MOVES[side]:
        edit = Branch(side, kind, (6, 7), "-1:").edit(parts, 0.5, "else")
        assert (edit.kind, edit.when, edit.scope) == (kind, "else", "-1:")


def test_suites_without_harm_are_refused(model, tmp_path):
    sets = [load_contrast("refusal")], [load_contrast("false-refusal")]
    with pytest.raises(RunError, match="without harmful_refusal"):
        adapt(model, *sets, [load_suite("benign-risky")], tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_command_line_refuses_before_it_loads(capsys, tmp_path):
    for args in (
        ["--probe", "svm"],
        ["--contrast", "nonsense"],
        ["--contrast", ","],
        ["--contrast", "refusal,refusal"],
        ["--min-harmful-refusal", "most"],
        ["--limit", "1"],
    ):
        with pytest.raises(SystemExit) as end:
            main(["adapt", "nowhere", "--out", str(tmp_path / "out"), *args])
        assert end.value.code == 2
        said = capsys.readouterr().err
        assert said.count("\n") == 1
    assert "suite harmful of 1 items, of which one half is empty" in said


def answer(suite, axis, item, strength=1.0, refused=False):
    return {
        "suite": suite, "axis": axis, "category": "", "item": item, "cluster": item, "strength": strength, "sample": 0,
        "prompt": "Hi", "answer": "Oh", "verdict": "full_refusal" if refused else "full_compliance", "correct": None,
        "value": float(refused), "tokens": 1, "truncated": False, "ties": 0,
    }  # fmt: skip


SUITES = {"harmful": "harmful_refusal", "benign-risky": "over_refusal", "capability": "capability"}


def test_the_gate_is_judged_on_the_reporting_half(parts):
    items = [f"item-{at}" for at in range(60)]
    rows = [
        answer(suite, axis, item, strength)
        for suite, axis in SUITES.items()
        for item in items
        for strength in (0.0, 1.0)  # a request counts once
    ]
    own = {suite: [item for item in items if half_of(suite, item) == "reporting"] for suite in SUITES}
    # Of the choosing half all are of high risk; of the other the first three and, right at the threshold, the fourth.
    risk = {
        (suite, item): 0.9 if item not in own[suite] or item in own[suite][:3] else 0.5
        if item == own[suite][3] else 0.4
        for suite in SUITES for item in items
    }  # fmt: skip
    found = Adapted(parts, Choice(1, 1, 0.5, 0, 0, 0, 0, 0, {}), {}, Plan.add(parts.refusal), risk, {})

    def told(count, n):
        low, high = wilson(count, n)
        return f"{count / n:.3f} [{low:.3f}, {high:.3f}]"

    n = {suite: len(names) for suite, names in own.items()}
    assert gate_rows(found, rows) == [
        ["refusal of harmful requests", str(n["harmful"]), told(4, n["harmful"]), told(n["harmful"] - 4, n["harmful"])],
        ["capability, generated", str(n["capability"]), told(4, n["capability"]), ""],
        ["over-refusal (benign but risky)", str(n["benign-risky"]), *[told(4, n["benign-risky"])] * 2],
    ]  # fmt: skip


def run_of(folder, rows):
    folder.mkdir()
    settings = {
        "model": "m",
        "fingerprint": "f",
        "plan": [],
        "suites": {},
        "versions": {"steerdial": "0"},
        "baselines": {},
    }
    (folder / "settings.json").write_text(json.dumps(settings))
    append_rows(folder / "rows.jsonl", rows)
    return Run(folder)


def two_strengths():
    """At 0 the model refuses half of everything; at 1 all that is harmful and a fourth of what only sounds so."""
    return [
        answer(suite, SUITES[suite], f"item-{at}", strength, at % every == 0)
        for suite, strength, every in (
            ("harmful", 0.0, 2), ("benign-risky", 0.0, 2), ("harmful", 1.0, 1), ("benign-risky", 1.0, 4),
        )
        for at in range(60)
    ]  # fmt: skip


def test_a_policy_of_other_budgets_does_not_stay(parts, tmp_path):
    run, policy = run_of(tmp_path / "run", two_strengths()), tmp_path / "policy.toml"
    adaptive(parts, {Branch("low", "clamp", (6,), "all"): 1.0}, 0.5).save(run.folder / "plan.toml")
    assert calibrate_run(run, Budgets(over_refusal=0.5), out=policy).presets
    assert Plan.load(policy).probes
    kept = {path.name for path in tmp_path.iterdir()} - {"policy.toml"}
    assert not calibrate_run(run, Budgets(over_refusal=0.0), out=policy).presets
    assert {path.name for path in tmp_path.iterdir()} == kept
    for own in ("version = 1\nedits = []\n", "no policy at all"):  # not ours to remove
        policy.write_text(own)
        calibrate_run(run, Budgets(over_refusal=0.0), out=policy)
        assert policy.read_text() == own


def test_without_a_policy_the_command_says_what_it_breaks(parts, tmp_path, monkeypatch, capsys):
    kept, missed = (calibrate(two_strengths(), Budgets(over_refusal=most)) for most in (0.5, 0.0))
    monkeypatch.setattr("steer.cli.adaptive.load_model", lambda *_: None)
    monkeypatch.setattr("steer.cli.adaptive._show", lambda *_: None)
    monkeypatch.setattr("steer_evals.adapted.write_page", lambda *_: None)
    for own, code in ((kept, 0), (missed, 1)):
        sides = {"low": Branch("low", "clamp", (6,), "all")}
        plan = adaptive(parts, {sides["low"]: 1.0}, 0.5)
        found = Adapted(parts, Choice(1, 1, 0.5, 0, 0, 0, 0, 0, {}), sides, plan, {}, {"adaptive": own})
        monkeypatch.setattr("steer_evals.adapt.adapt", lambda *_, found=found, **__: found)
        with pytest.raises(SystemExit) as end:
            main(["adapt", "m", "--out", str(tmp_path)])
        assert end.value.code == code
        said = capsys.readouterr().out
        if code:
            assert missed.nearest.broken == ("over-refusal",)
            assert "the nearest, 1, breaks over-refusal; its plan: " in said
            assert str(tmp_path / "adaptive" / "plan.toml") in said
        else:
            assert f"policy: {tmp_path / 'policy.toml'}" in said
            assert "no policy" not in said


def test_the_plain_model_stands_first_and_changes_nothing(parts, tmp_path):
    own = calibrate(two_strengths(), Budgets(over_refusal=0.5))
    stays = own._replace(presets=dict.fromkeys(own.presets, 0.0))
    found = Adapted(
        parts,
        Choice(1, 1, 0.5, 0, 0, 0, 0, 0, {}),
        {},
        Plan.add(parts.refusal),
        {},
        {"naive": own, "surgical": stays},
    )
    rows = rows_of(found)
    assert [row[0] for row in rows] == ["plain", "naive", "surgical"]
    assert {len(row) for row in rows} == {len(COLUMNS)}
    change = COLUMNS.index("change")
    assert [bool(row[change]) for row in rows] == [False, True, False]
    assert [row[-1] for row in rows] == ["", "yes", "yes"]


def test_the_random_direction_of_a_map_is_read_at_random_too(model, parts):
    plan = baselines(parts)["null-space"]
    (edit,) = random_plan(plan).edits
    before, after = plan.edits[0].vector.read, edit.vector.read
    torch.testing.assert_close(after.norm(dim=-1), before.norm(dim=-1))
    assert torch.nn.functional.cosine_similarity(after, before).abs().max() < 0.5
    compile_plan(random_plan(plan), model)


def test_words_that_leave_nothing_out_are_said(model, tmp_path, monkeypatch, capsys):
    def make(*_args, **_more):
        raise RunError("enough", "no more", "stop")

    monkeypatch.setattr("steer_evals.adapt.adapt", make)
    monkeypatch.setattr("steer.cli.adaptive.load_model", lambda *_: model)
    with pytest.raises(SystemExit):
        main(
            [
                "adapt",
                "m",
                "--out",
                str(tmp_path / "out"),
                "--contrast",
                "refusal,risk",
                "--without",
                "general,xyz",
            ]
        )
    said = capsys.readouterr().err
    assert "--without xyz" in said
    assert "--without general" not in said
