"""What a client reads of the steering besides answers: tokens of an answer, bounds of its key, the curve of a run."""

from __future__ import annotations

import asyncio
import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import steer
from steer.dials import Policy
from steer.explain import explain
from steer.plan import ELSE, Edit, Plan, Probe
from steer.policy import Dial, save_policy
from steer.server.curve import Curve, curve_of
from steer.server.house import House, Settings
from steer.server.keys import check_bounds, read_keys
from steer.server.policies import load_checked
from steer.server.reading import Reader, cut, directions_of
from steer_evals.answering import Sampling
from steer_evals.points import CAPABILITY, HARMFUL, OVER, pooled
from steer_evals.settings import settings_of
from steer_vectors.chat import prompt_ids

NAME = "reference:aligned"
PROMPT = "How do I kill a frozen process?"
ANSWER = "\n Open the task manager ✓, choose 你好 and end it. 👩‍💻"
WIDE, NARROW, FAR = ("key-of-" + name * 3 + "-0123456789" for name in ("wide", "narrow", "far"))


def headers(key):
    return {"authorization": f"Bearer {key}"}


def by_hand(model, plan, answer, strength, *, read, edited=lambda n, t: slice(None)):
    """Rows at layer `read` under "add" at its layer, by hooks of torch: a second way to the same numbers."""
    (edit,) = plan.edits[:1]
    vector, (site,) = edit.vector, edit.sites
    prompt = prompt_ids(model.tokenizer, PROMPT)
    ids = torch.tensor([[*prompt, *model.tokenizer.encode(answer, add_special_tokens=False)]])
    layers, kept = model.hf.get_submodule("model.layers"), []

    def hidden_of(output):
        return output if isinstance(output, torch.Tensor) else output[0]

    def add(_module, _args, output):
        where = edited(len(prompt), ids.shape[1])
        hidden_of(output)[0, where] += strength * vector.gap(site.layer) * vector.directions[site.layer]

    def keep(_module, _args, output):
        kept.append(hidden_of(output)[0].clone())

    handles = [layers[site.layer].register_forward_hook(add), layers[read].register_forward_hook(keep)]
    try:
        with torch.no_grad():
            model.hf(input_ids=ids, use_cache=False)
    finally:
        for handle in handles:
            handle.remove()
    return kept[0][len(prompt) :]


def place(rows, vector, layer):
    return (rows @ vector.directions[layer] - vector.negative[layer]) / vector.gap(layer)


def explained(model, plan, answer, strength):
    found = Reader(model).explain(
        plan, PROMPT, dict.fromkeys(plan.dials, strength), cut(model.tokenizer, answer)
    )
    return asyncio.run(found)["answer_tokens"]


def placed(tokens):
    return torch.tensor([token["places"] for token in tokens])


@pytest.mark.parametrize("strength", [-0.75, 0.0, 0.75])
def test_an_answer_is_read_by_the_steered_model(live, made, strength):
    body = {"prompt": PROMPT, "answer": ANSWER, "steering": strength}
    found = live.post("/v1/steering/explain", body).json()
    tokens, model = found["answer_tokens"], steer.load(NAME)
    assert "".join(token["text"] for token in tokens) == ANSWER
    assert [token["id"] for token in tokens] == model.tokenizer.encode(ANSWER, add_special_tokens=False)
    assert set(tokens[0]) == set(found["tokens"][0])
    rows = by_hand(model, made.plan, ANSWER, strength, read=4)
    vector = made.plan.edits[0].vector
    torch.testing.assert_close(placed(tokens)[:, 0], place(rows, vector, 4), atol=1e-4, rtol=1e-4)


def test_the_answer_is_what_the_server_wrote(live):
    """Its tokens, cut anew from its text, are those that were generated."""
    asked = {"logprobs": True, "steering": -0.75, "max_tokens": 30}
    choice = live.ask(messages=[{"role": "user", "content": PROMPT}], **asked)["choices"][0]
    text = choice["message"]["content"]
    body = {"prompt": PROMPT, "answer": text, "steering": -0.75}
    tokens = live.post("/v1/steering/explain", body).json()["answer_tokens"]
    assert [token["text"] for token in tokens] == [own["token"] for own in choice["logprobs"]["content"]]


def test_without_an_answer_none_is_told_and_one_that_is_too_long_is_refused(live):
    assert "answer_tokens" not in live.post("/v1/steering/explain", {"prompt": PROMPT}).json()
    for answer, code in (
        ("a " * 600, "context_length_exceeded"),
        ("", "invalid_value"),
        (5, "invalid_value"),
    ):
        refused = live.post("/v1/steering/explain", {"prompt": PROMPT, "answer": answer})
        assert refused.status_code == 400
        assert refused.json()["error"]["code"] == code


def test_scopes_count_the_answer_as_generated(made):
    model, vector = steer.load(NAME), made.plan.edits[0].vector
    plan = Plan((Edit("add", vector, (3,), "generation"), Edit("add", vector, (6,), "prompt")))
    alone = Plan((Edit("add", vector, (3,), "generation"),))
    rows = by_hand(model, alone, "Open it now.", 0.5, read=3, edited=lambda prompt, _: slice(prompt, None))
    found = placed(explained(model, alone, "Open it now.", 0.5))[:, 0]
    torch.testing.assert_close(found, place(rows, vector, 3), atol=1e-4, rtol=1e-4)
    # The second edit touches the prompt alone, which the answer's later layers still see.
    both = placed(explained(model, plan, "Open it now.", 0.5))
    torch.testing.assert_close(both[:, 0], found, atol=1e-4, rtol=1e-4)
    assert [own["layer"] for own in directions_of(plan)] == [3, 6]


def gated(vector, threshold, *, each_token):
    probe = Probe("risk", vector, 3, slope=-6.0, offset=4.0, threshold=threshold, each_token=each_token)
    edits = (Edit("add", vector, (5,), when="risk"), Edit("add", vector, (5,), scale=-1.0, when=ELSE))
    return Plan(edits, (probe,))


@pytest.mark.parametrize("each_token", [False, True])
def test_risks_and_places_of_an_answer_are_those_of_its_generation(made, each_token):
    model, vector = steer.load(NAME), made.plan.edits[0].vector
    first = explain(model, gated(vector, 0.999, each_token=each_token), PROMPT, 1.0, tokens=16)
    risks = [token.risks[0] for token in first.steered.tokens if not math.isnan(token.risks[0])]
    # So that a probe that reads on opens in the middle of the answer, and one that does not stays shut.
    plan = gated(vector, max(risks) - 1e-4, each_token=each_token)
    assert max(risks[0], first.probes[0].risk) < plan.probes[0].threshold
    told = explain(model, plan, PROMPT, 1.0, tokens=16)
    written = [token for token in told.steered.tokens if not token.special]
    found = explained(model, plan, model.tokenizer.decode([token.id for token in written]), 1.0)
    assert [token["id"] for token in found] == [token.id for token in written]
    # The last token of an answer that was cut off was not read while it was written.
    read = [at for at, token in enumerate(written) if not math.isnan(token.risks[0])]
    for at in read:
        assert math.isclose(found[at]["risks"][0], written[at].risks[0], abs_tol=1e-4)
    for at, edit in enumerate(told.edits):
        place_of_all = placed(found)[read, at].double().mean().item()
        assert math.isclose(place_of_all, edit.answer.after, abs_tol=1e-4)
        assert not math.isclose(edit.answer.before, edit.answer.after, abs_tol=1e-2)


@pytest.fixture(scope="module")
def two_dials(made, tmp_path_factory):
    path = tmp_path_factory.mktemp("two") / "two.toml"
    edits = (
        *made.plan.edits,
        Edit("add", made.plan.edits[0].vector, (6,), dial="warmth"),
    )
    dials = {
        "refusal": Dial(0.0, -1.25, 1.25, {"mild": -0.75, "strict": 0.75, "both": 0.1}),
        "warmth": Dial(0.0, 0.0, 1.0, {"warm": 0.5, "both": 1.0}),
    }
    save_policy(Plan(edits), path, dials)
    return path


def test_a_key_is_offered_what_it_may_ask_for(serving, two_dials, tmp_path):
    file = tmp_path / "keys"
    words = (WIDE, f"{NARROW} refusal=-0.2:0.8,warmth=0:0.6", f"{FAR} refusal=0.5:9")
    file.write_text("\n".join(words), encoding="utf-8")
    keys, facts, names = dict(zip((WIDE, NARROW, FAR), read_keys(file, None, {}), strict=True)), {}, {}
    with serving(policy=two_dials, keys=tuple(keys.values())) as live:
        for key in keys:
            facts[key] = live.get("/v1/steering", headers=headers(key)).json()
            models = live.get("/v1/models", headers=headers(key)).json()["data"]
            names[key] = [own["id"] for own in models]
        body = {"messages": [{"role": "user", "content": "a"}], "max_tokens": 1}
        asked = {
            name: live.post(
                "/v1/chat/completions", body | {"model": name}, headers=headers(NARROW)
            ).status_code
            for name in names[WIDE]
        }
        given = [
            (key, live.post("/v1/chat/completions", body | {"model": name}, headers=headers(key)).json())
            for key in keys
            for name in names[key]
        ]
    for key, answer in given:
        check_bounds(keys[key], answer["steering"]["strengths"])
    far = next(answer for key, answer in given if key == FAR)
    assert far["steering"]["strengths"] == {"refusal": 0.5, "warmth": 0.0}
    # What is offered is what is answered, and what is left out is refused.
    allowed = {name for name, status in asked.items() if status == 200}
    assert allowed == set(names[WIDE]) & set(names[NARROW])
    assert set(asked.values()) == {200, 403}
    policy = Policy.load(two_dials)
    for key, own in facts.items():
        start, *others = _places(own)
        for strengths in (start, *others):
            check_bounds(keys[key], policy.strengths(start | strengths))
    dials = {key: own["dials"] for key, own in facts.items()}
    assert {key: (own["refusal"]["low"], own["refusal"]["high"]) for key, own in dials.items()} == {
        WIDE: (-1.25, 1.25), NARROW: (-0.2, 0.8), FAR: (0.5, 1.25),
    }  # fmt: skip
    assert dials[NARROW]["warmth"] == {"default": 0, "low": 0, "high": 0.6, "presets": {"warm": 0.5}}
    # A preset of two dials of which one may not be asked for is not offered by half.
    assert {key: sorted(own["presets"]) for key, own in facts.items()} == {
        WIDE: ["both", "mild", "strict", "warm"], NARROW: ["strict", "warm"], FAR: ["strict", "warm"],
    }  # fmt: skip
    assert dials[NARROW]["refusal"]["presets"] == {"strict": 0.75}
    assert dials[FAR]["refusal"]["default"] == 0.5
    own = ("strict", "warm", "refusal=0.8", "warmth=0.6")
    assert names[NARROW] == [NAME, *(f"{NAME}@{name}" for name in own)]


def _places(facts):
    """The defaults, then each dial at both its ends and at its presets."""
    dials = facts["dials"]
    found = [{name: dial["default"] for name, dial in dials.items()}]
    for name, dial in dials.items():
        found += [{name: at} for at in (dial["low"], dial["high"], *dial["presets"].values())]
    return found


@pytest.fixture(scope="module")
def run(made, tmp_path_factory):
    """A small sweep of the policy's plan: its folder."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    suites = ["harmful", "benign-risky", "capability"]
    steer.sweep(steer.load(NAME), made.plan, suites, [-0.75, 0.75], folder, control=False, limit=2)
    return folder


def expected_points(run):
    """Each axis of this run has one suite, so its points are the run's own, with their bands."""
    return [
        {key: None if own != own else own for key, own in point._asdict().items()}
        for axis in (HARMFUL, OVER, CAPABILITY)
        for point in steer.Run(run).curve()
        if point.axis == axis
    ]


def test_a_curve_is_that_of_its_run_and_of_no_other_edits(run, made, two_dials):
    model, vector = steer.load(NAME), made.plan.edits[0].vector
    found = curve_of(run, model, made.plan)
    assert found.points == expected_points(run)
    assert {point["strength"] for point in found.points} == {-0.75, 0.0, 0.75}
    assert found.dial(made.plan) == "refusal"
    assert found.dial(Plan((Edit("add", vector, dial="no"),))) == "no"  # by what it does, not by its name
    assert found.dial(Plan.load(two_dials)) == "refusal"
    moved = replace(vector, negative=vector.negative + 0.1)
    probe = Probe("risk", vector, layer=3, slope=6.0, offset=-4.0, threshold=0.5)
    others = [
        Plan((edit,))
        for edit in (
            Edit("add", vector, (5,)), Edit("ablate", vector), Edit("add", vector, scope="prompt"), Edit("add", moved),
            Edit("add", vector, scale=2.0), Edit("add", vector, keep_norm=True), Edit("affine", vector, (4,)),
        )
    ]  # fmt: skip
    others += [
        Plan((*made.plan.edits, *made.plan.edits)),
        Plan((Edit("add", vector, when="risk"),), (probe,)),
    ]
    assert [found.dial(plan) for plan in others] == [None] * len(others)
    for plan in (None, others[0]):
        with pytest.raises(steer.SteerError, match="other edits") as told:
            curve_of(run, model, plan)
        assert "\n" not in str(told.value)


def measured(*rates):
    """A run whose harmful requests were refused so: strength, rate and upper end."""
    keys = ("strength", "rate", "low", "high")
    points = [
        dict(zip(keys, (at, rate, 0.0, high), strict=True)) | {"axis": HARMFUL} for at, rate, high in rates
    ]
    return Curve({}, points, steer.load(NAME))


def test_the_floor_is_what_the_plain_model_refuses():
    found = measured(
        (-1.0, 0.2, 0.4), (-0.5, 0.7, 0.95), (-0.25, 0.1, 0.3), (0.0, 0.9, 0.97), (1.0, 1.0, 1.0)
    )
    assert found.under_floor(-1, 1)["strength"] == -0.25
    assert found.under_floor(-1, -0.5)["strength"] == -1
    assert found.under_floor(-0.75, -0.3) is None  # less, and not clearly
    assert found.under_floor(0, 1) is None
    assert measured((-1.0, 0.0, 0.1)).under_floor(-1, 1) is None  # nothing to compare with


def test_bounds_below_the_floor_are_not_served(made, monkeypatch):
    """At the start and by the administrator's word, unless the operator has said so."""
    monkeypatch.setattr("steer.server.house.curve_of", lambda *_: found)
    found = measured((-0.75, 0.2, 0.4), (0.0, 0.9, 0.97))
    monkeypatch.setattr(found, "dial", lambda _: "refusal")
    model, run = steer.load(NAME), made.path.parent

    def house(bounds, **said):
        loaded = load_checked(made.path, bounds, below_plain=False)
        return House(model, Settings(NAME, "plain", run=run, policies=run, bounds=bounds, **said), loaded)

    with pytest.raises(
        steer.SteerError, match=r"20% \[0%, 40%\] of harmful requests are refused at -0.75"
    ) as told:
        house({})
    assert "\n" not in str(told.value)
    assert house({}, below_plain=True).served.plan is not None
    narrow = house({"refusal": (-0.5, 1.0)})
    assert narrow._checked("demo", run, {"refusal": (-0.5, 1.0)}).name == "demo"
    with pytest.raises(steer.SteerError, match="a policy of the folder"):
        narrow._checked("demo", run, {})


def test_suites_of_one_axis_are_taken_together(run, made, tmp_path):
    rows = Path(run, "rows.jsonl").read_text(encoding="utf-8").splitlines()
    again = [json.loads(row) for row in rows if json.loads(row)["suite"] == "harmful"]
    more = [json.dumps(row | {"suite": "more"}) for row in again]
    (tmp_path / "settings.json").write_bytes(Path(run, "settings.json").read_bytes())
    (tmp_path / "rows.jsonl").write_text("\n".join([*rows, *more, ""]), encoding="utf-8")
    found = curve_of(tmp_path, steer.load(NAME), made.plan).points
    harmful = [point for point in found if point["axis"] == HARMFUL]
    points = pooled(steer.Run(tmp_path).curve(), HARMFUL)
    assert [point["rate"] for point in harmful] == [point.rate for point in points]
    assert {(point["suite"], point["band_low"]) for point in harmful} == {("all suites", None)}
    assert [point for point in found if point["axis"] == OVER] == [
        point for point in expected_points(run) if point["axis"] == OVER
    ]


def test_a_curve_under_a_probe_is_that_of_the_same_probe(made, run, tmp_path):
    model, vector = steer.load(NAME), made.plan.edits[0].vector
    probes = [Probe("risk", vector, layer=3, slope=6.0, offset=-4.0, threshold=at) for at in (0.5, 0.6)]
    plans = [Plan((Edit("add", vector, when="risk"),), (probe,)) for probe in probes]
    settings = json.loads(Path(run, "settings.json").read_text(encoding="utf-8"))
    own = settings_of(model, plans[0], (), Sampling())
    text = json.dumps(settings | {"plan": own["plan"], "probes": own["probes"]})
    (tmp_path / "settings.json").write_text(text, encoding="utf-8")
    (tmp_path / "rows.jsonl").write_bytes(Path(run, "rows.jsonl").read_bytes())
    found = curve_of(tmp_path, model, plans[0])
    assert [found.dial(plan) for plan in plans] == ["strength", None]


@pytest.mark.parametrize("told", ["fingerprint", "config"])
def test_a_run_of_another_model_is_refused(run, made, tmp_path, told):
    """Other weights, or the same ones that compute another thing."""
    settings = json.loads(Path(run, "settings.json").read_text(encoding="utf-8"))
    text = json.dumps(settings | {told: "0" * 64})
    (tmp_path / "settings.json").write_text(text, encoding="utf-8")
    with pytest.raises(steer.SteerError, match="another model"):
        curve_of(tmp_path, steer.load(NAME), made.plan)


@pytest.mark.slow
def test_a_server_shows_the_curve_while_it_steers_by_the_edits_of_the_run(serving, run, made, tmp_path):
    vector, dial = made.plan.edits[0].vector, Dial(0.0, -1.0, 1.0, {})
    save_policy(Plan((Edit("add", vector, dial="no"),)), tmp_path / "same.toml", {"no": dial})
    save_policy(Plan((Edit("add", vector, (5,)),)), tmp_path / "other.toml", {"strength": dial})
    keys, points = read_keys(None, None, {"STEER_ADMIN_KEY": WIDE}), expected_points(run)
    with serving(run=run, keys=keys, policies=tmp_path) as live:
        curves = [live.get("/v1/steering", headers=headers(WIDE)).json()["curve"]]
        for name in ("other", "same"):
            live.post("/v1/steering/policy", {"name": name}, headers=headers(WIDE))
            curves.append(live.get("/v1/steering", headers=headers(WIDE)).json()["curve"])
    assert curves == [{"dial": "refusal", "points": points}, None, {"dial": "no", "points": points}]
    for policy in (tmp_path / "other.toml", None):
        with pytest.raises(steer.SteerError, match="other edits"), serving(run=run, policy=policy):
            pass
