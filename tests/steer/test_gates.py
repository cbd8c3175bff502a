"""Probes: which edits a request gets, decided on the last token of its prompt, by whatever runs the model."""

from dataclasses import replace

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from steer.apply import decide, steered
from steer.continuous import continuous
from steer.errors import PlanError
from steer.gates import Gauge, log_odds, shares
from steer.liveness import check_liveness
from steer.plan import Edit, Plan, Probe
from steer.recipe import compile_plan
from steer_evals.engine import Row, write
from steer_evals.engines import continuously, fits, plain
from steer_vectors.file import Vector
from steer_vectors.models import decoder_layers
from steer_vectors.site import Site

IDS = torch.tensor(
    [[5, 6, 7, 8, 9, 10], [11, 12, 13, 14, 15, 16], [17, 18, 19, 20, 21, 22], [9, 8, 7, 6, 5, 4]]
)
GREEDY = {"do_sample": False, "max_new_tokens": 5, "min_new_tokens": 5, "pad_token_id": 0}


def generated(model, ids=IDS, **options):
    out = model.hf.generate(ids, output_logits=True, return_dict_in_generate=True, **(GREEDY | options))
    return torch.stack(out.logits, 1)


def last_rows(model, ids=IDS, layer=0):
    """What the layer puts out at the last token, by a hand-written hook."""
    found = []
    handle = decoder_layers(model.hf)[layer].register_forward_hook(
        lambda _m, _i, out: found.append((out[0] if isinstance(out, tuple) else out)[:, -1].detach().clone())
    )
    with torch.no_grad():
        model.hf(input_ids=ids)
    handle.remove()
    return found[0]


def probe_of(model, make_vector, name="risk", seed=7, **settings):
    """One that opens for half of `IDS`: the two of the largest projection."""
    vector = make_vector(model, layer=0, seed=seed)
    reads = last_rows(model) @ vector.directions[0]
    middle = float(reads.sort().values[1:3].mean()) / vector.gap(0)
    return Probe(name, vector, slope=4.0, offset=-4.0 * middle, **settings), reads > middle * vector.gap(0)


def two_sided(model, make_vector, probe, scope="all", **edit):
    up, down = make_vector(model, seed=1, gap=3.0), make_vector(model, seed=2, gap=3.0)
    return Plan(
        (
            Edit("add", up, (1,), scope, when=probe.name, **edit),
            Edit("add", down, (1,), scope, scale=-2.0, when="else"),
        ),
        (probe,),
    )


def sides(plan):
    """The plan's two edits, each always open."""
    return [Plan((replace(edit, when=None),)) for edit in plan.edits]


@pytest.mark.parametrize("scope", ["all", "-1:", "generation"])
def test_each_request_gets_the_edits_of_its_side(model, make_vector, scope):
    probe, risky = probe_of(model, make_vector)
    plan = two_sided(model, make_vector, probe, scope)
    assert risky.tolist().count(True) == 2
    with steered(model, plan, 1.0) as steering:
        together = generated(model)
        count = steering.edited
    for side, own in zip(sides(plan), (risky, ~risky), strict=True):
        with steered(model, side, 1.0) as steering:
            alone = generated(model)
        torch.testing.assert_close(together[own], alone[own], rtol=0, atol=0)
        assert steering.edited == count
    with steered(model, plan, 0.0):
        assert torch.equal(generated(model), generated(model))
        off = generated(model)
    assert torch.equal(off, generated(model))


def test_rows_that_no_probe_opens_stay_plain_to_the_bit(model, make_vector):
    probe, risky = probe_of(model, make_vector)
    plan = replace(two_sided(model, make_vector, probe), edits=two_sided(model, make_vector, probe).edits[:1])
    before = generated(model)
    with steered(model, plan, [1.0, -2.0, 3.0, 0.5]):
        after = generated(model)
    assert torch.equal(after[~risky], before[~risky])
    assert not torch.allclose(after[risky], before[risky], atol=1e-3)


def test_a_soft_probe_opens_by_the_risk(tiny_llama, make_vector):
    probe, _ = probe_of(tiny_llama, make_vector, sharpness=1.0)
    plan = two_sided(tiny_llama, make_vector, probe, "-1:")
    vector = probe.vector
    reads = last_rows(tiny_llama) @ vector.directions[0]
    risk = torch.sigmoid(probe.slope * (reads - vector.negative[0]) / vector.gap(0) + probe.offset)
    assert 0.01 < float(risk.min()) < float(risk.max()) < 0.99
    with steered(tiny_llama, plan, 2.0):
        together = generated(tiny_llama)
    by_hand = Plan(tuple(replace(edit, when=None, dial=str(at)) for at, edit in enumerate(plan.edits)))
    with steered(tiny_llama, by_hand, {"0": (2 * risk).tolist(), "1": (2 * (1 - risk)).tolist()}):
        torch.testing.assert_close(together, generated(tiny_llama), rtol=1e-4, atol=1e-4)


odds = st.floats(-30, 30, width=32)


@given(
    st.lists(
        st.tuples(odds, odds, st.one_of(st.just(float("inf")), st.floats(0.1, 20))), min_size=1, max_size=4
    )
)
def test_the_first_that_opens_decides(drawn):
    gauges = [
        Gauge(str(n), Site(0), torch.ones(1), 0.0, False, own, sharp, False)
        for n, (_, own, sharp) in enumerate(drawn)
    ]
    found = shares(gauges, torch.tensor([[read for read, _, _ in drawn]]))[0]
    assert float(found.sum()) == pytest.approx(1, abs=1e-5)
    assert bool((found >= 0).all())
    hard = [gauge._replace(sharpness=float("inf")) for gauge in gauges]
    first = next(
        (at for at, (read, own, _) in enumerate(drawn) if torch.tensor(read) >= torch.tensor(own)), len(drawn)
    )
    assert shares(hard, torch.tensor([[read for read, _, _ in drawn]]))[0].tolist() == [
        float(at == first) for at in range(len(drawn) + 1)
    ]


def test_two_domains_never_add_up(tiny_llama, make_vector):
    first, risky = probe_of(tiny_llama, make_vector, "medical", each_token=False)
    second = replace(first, name="legal", threshold=1e-6)  # opens for all
    edits = [
        Edit("add", make_vector(tiny_llama, seed=n), (1,), when=name)
        for n, name in ((1, "medical"), (2, "legal"))
    ]
    with steered(tiny_llama, Plan(tuple(edits), (first, second))):
        together = generated(tiny_llama)
    for edit, own in zip(edits, (risky, ~risky), strict=True):
        with steered(tiny_llama, Plan((replace(edit, when=None),))):
            assert torch.equal(together[own], generated(tiny_llama)[own])


def test_padding_and_neighbours_change_no_decision(model, make_vector):
    probe, risky = probe_of(model, make_vector)
    plan = two_sided(model, make_vector, probe)
    for row, own in enumerate(risky.tolist()):
        padded = torch.cat([torch.zeros(1, 3, dtype=torch.int64), IDS[row : row + 1]], 1)
        mask = torch.tensor([[0, 0, 0, 1, 1, 1, 1, 1, 1]])
        with steered(model, plan):
            mine = generated(model, padded, attention_mask=mask)
        with steered(model, sides(plan)[0 if own else 1]):
            torch.testing.assert_close(mine, generated(model, IDS[row : row + 1]), rtol=1e-4, atol=1e-4)


def test_prompts_in_pieces(tiny_llama, make_vector):
    probe, _ = probe_of(tiny_llama, make_vector)
    plan = two_sided(tiny_llama, make_vector, probe, "-1:")
    with steered(tiny_llama, plan):
        whole = generated(tiny_llama)
        generated(tiny_llama, IDS.flip(0))  # what was decided for other prompts is forgotten
        pieces = generated(tiny_llama, prefill_chunk_size=4)
    torch.testing.assert_close(pieces, whole, rtol=1e-4, atol=1e-4)
    with (
        steered(tiny_llama, two_sided(tiny_llama, make_vector, probe)),
        pytest.raises(PlanError, match="comes in pieces"),
    ):
        generated(tiny_llama, prefill_chunk_size=4)


@pytest.mark.parametrize("chunk", [None, 4, 5])
def test_a_probe_of_several_tokens_adds_what_each_says(tiny_llama, make_vector, chunk):
    """By hand, off one hook; in one piece or with a border between the tokens that are read."""
    vectors = [make_vector(tiny_llama, layer=0, seed=seed) for seed in (7, 8, 9)]
    rows = []
    handle = decoder_layers(tiny_llama.hf)[0].register_forward_hook(
        lambda _m, _i, out: rows.append((out[0] if isinstance(out, tuple) else out).clone())
    )
    with torch.no_grad():
        tiny_llama.hf(input_ids=IDS)
    handle.remove()
    slopes = (2.0, -1.5, 0.5)
    reads = sum(
        slope * rows[0][:, -1 - back] @ vector.directions[0] / vector.gap(0)
        for back, (vector, slope) in enumerate(zip(vectors, slopes, strict=True))
    )
    middle = float(reads.sort().values[1:3].mean())
    before = tuple(zip(vectors[1:], slopes[1:], strict=True))
    probe = Probe("risk", vectors[0], slope=slopes[0], offset=-middle, before=before)
    plan, risky = two_sided(tiny_llama, make_vector, probe, "-1:"), reads > middle
    recipe = compile_plan(plan, tiny_llama)
    torch.testing.assert_close(
        log_odds(tiny_llama, recipe.gauges, IDS.tolist())[:, 0], reads - middle, rtol=1e-4, atol=1e-4
    )
    with steered(tiny_llama, plan) as steering:
        together = generated(tiny_llama, prefill_chunk_size=chunk)
        torch.testing.assert_close(steering._gating._odds[:, 0], reads - middle, rtol=1e-4, atol=1e-4)
    for side, own in zip(sides(plan), (risky, ~risky), strict=True):
        with steered(tiny_llama, side):
            torch.testing.assert_close(together[own], generated(tiny_llama)[own], rtol=1e-4, atol=1e-4)


def test_one_prompt_read_for_several_answers(tiny_llama, make_vector):
    """The cache of one row, repeated: each answer keeps what its prompt was decided."""
    probe, risky = probe_of(tiny_llama, make_vector)
    plan = two_sided(tiny_llama, make_vector, probe)
    row = int(risky.int().argmax())
    with torch.no_grad():
        logits = []
        for context in (steered(tiny_llama, plan), steered(tiny_llama, sides(plan)[0])):
            with context:
                cache = tiny_llama.hf(input_ids=IDS[row : row + 1], use_cache=True).past_key_values
                cache.batch_repeat_interleave(2)
                logits.append(tiny_llama.hf(input_ids=IDS[:2, :1], past_key_values=cache).logits)
    torch.testing.assert_close(*logits, rtol=0, atol=0)


def test_a_window_longer_than_the_prompt_reads_what_there_is(tiny_llama, make_vector):
    vectors = [make_vector(tiny_llama, layer=0, seed=seed) for seed in range(6)]
    probe = Probe("risk", vectors[0], before=tuple((vector, 1.0) for vector in vectors[1:]))
    plan = two_sided(tiny_llama, make_vector, probe, "-1:")
    gauges = compile_plan(plan, tiny_llama).gauges
    short, long = IDS[0, :3].tolist(), IDS[1].tolist()
    alone, padded = log_odds(tiny_llama, gauges, [short]), log_odds(tiny_llama, gauges, [short, long])
    torch.testing.assert_close(padded[:1], alone, rtol=1e-4, atol=1e-4)
    mask = torch.tensor([[0, 0, 0, 1, 1, 1]])
    with steered(tiny_llama, plan) as steering, torch.no_grad():
        tiny_llama.hf(input_ids=torch.tensor([[0, 0, 0, *short]]), attention_mask=mask)
        torch.testing.assert_close(steering._gating._odds, alone, rtol=1e-4, atol=1e-4)


def test_what_was_not_read_is_refused(tiny_llama, make_vector):
    probe, _ = probe_of(tiny_llama, make_vector)
    plan = two_sided(tiny_llama, make_vector, probe, "-1:")
    with torch.no_grad():
        cache = tiny_llama.hf(input_ids=IDS, use_cache=True).past_key_values  # read outside
    with steered(tiny_llama, plan), pytest.raises(PlanError, match="were not read in this"), torch.no_grad():
        tiny_llama.hf.generate(torch.cat([IDS, IDS[:, :0]], 1), past_key_values=cache, **GREEDY)
    each = replace(plan, probes=(replace(probe, each_token=True),))
    with steered(tiny_llama, each), pytest.raises(PlanError, match="beams under a probe"):
        tiny_llama.hf.generate(IDS, num_beams=2, **GREEDY)


def test_every_turn_is_decided_anew(tiny_llama, make_vector):
    """A second turn over the cache of the first: what counts is its own last token."""
    probe, _ = probe_of(tiny_llama, make_vector)
    plan = two_sided(tiny_llama, make_vector, probe, "-1:")
    with steered(tiny_llama, plan) as steering:
        first = tiny_llama.hf.generate(IDS, return_dict_in_generate=True, **GREEDY)
        before = steering._gating._odds.clone()
        told = first.sequences
        longer = torch.cat([told, IDS.flip(0)], 1)
        tiny_llama.hf.generate(longer, past_key_values=first.past_key_values, **GREEDY)
        after = steering._gating._odds.clone()
    assert after.shape == before.shape
    assert not torch.allclose(after, before, atol=1e-2)
    seen = last_rows(tiny_llama, longer)  # layer 0, which no edit comes before
    torch.testing.assert_close(
        after[:, 0], steering.recipe.gauges[0].log_odds(seen[:, None])[:, 0], rtol=1e-2, atol=1e-2
    )


def test_beams_share_what_was_decided(tiny_llama, make_vector):
    probe, risky = probe_of(tiny_llama, make_vector)
    plan = two_sided(tiny_llama, make_vector, probe)
    options = {"num_beams": 3, "do_sample": False, "max_new_tokens": 4, "pad_token_id": 0}
    with steered(tiny_llama, plan):
        together = tiny_llama.hf.generate(IDS, **options)
    for row, own in enumerate(risky.tolist()):
        with steered(tiny_llama, sides(plan)[0 if own else 1]):
            alone = tiny_llama.hf.generate(IDS[row : row + 1], **options)[0]
        assert together[row][: len(alone)].tolist() == alone.tolist()


def test_compiled_decoding_keeps_what_was_decided(tiny_llama, make_vector):
    probe, _ = probe_of(tiny_llama, make_vector)
    plan = two_sided(tiny_llama, make_vector, probe)
    hf = tiny_llama.hf
    with steered(tiny_llama, plan):
        eager = generated(tiny_llama, cache_implementation="static")
        inner = hf.forward
        compiled = torch.compile(inner, backend="eager")
        hf.forward = lambda *args, **named: (compiled if named["input_ids"].shape[1] == 1 else inner)(
            *args, **named
        )
        try:
            fast = generated(tiny_llama, cache_implementation="static", disable_compile=True)
        finally:
            del hf.forward
            torch._dynamo.reset()
    torch.testing.assert_close(fast, eager, rtol=1e-4, atol=1e-4)


def test_risk_is_read_again_at_every_token_and_never_falls(tiny_llama, make_vector):
    """By hand: the answer's tokens, one forward each, and the largest log-odds so far."""
    probe, _ = probe_of(tiny_llama, make_vector, sharpness=1.0, each_token=True)
    plan = two_sided(tiny_llama, make_vector, probe, "-1:")
    ids, recipe = IDS[:1], compile_plan(plan, tiny_llama)
    gauge, worst, text = recipe.gauges[0], -float("inf"), ids[0].tolist()
    with torch.no_grad(), steered(tiny_llama, plan) as steering:
        found = tiny_llama.hf.generate(ids, **GREEDY)[0].tolist()
        seen = steering._gating._odds.clone()
    risks = []
    for length in range(len(text), len(found)):  # the last token is never read
        worst = max(worst, float(gauge.log_odds(last_rows(tiny_llama, torch.tensor([found[:length]])))))
        risks.append(worst)
    assert risks == sorted(risks)
    assert float(seen) == pytest.approx(risks[-1], abs=1e-3)
    assert risks[-1] > risks[0]  # or this would show nothing


def test_every_engine_decides_alike(tiny_llama, make_vector):
    probe, _ = probe_of(tiny_llama, make_vector)
    rows = [
        Row(tuple(ids.tolist())[cut:], strength, 6)
        for ids in IDS for cut in (0, 1, 2) for strength in (0.0, 1.0, -1.5)
    ]  # fmt: skip
    for scope in ("all", "generation"):
        recipe = compile_plan(two_sided(tiny_llama, make_vector, probe, scope), tiny_llama)
        assert fits(tiny_llama, recipe)
        by_plain = {said.row: said.tokens for said in plain(tiny_llama, recipe, rows)}
        assert {said.row: said.tokens for said in write(tiny_llama, recipe, rows, at_once=7)} == by_plain
        assert {said.row: said.tokens for said in continuously(tiny_llama, recipe, rows)} == by_plain
    assert len({tuple(said) for said in by_plain.values()}) > len(IDS) * 3  # strengths told


def test_probes_asked_beforehand_say_what_they_say_in_the_forward(model, make_vector):
    probe, risky = probe_of(model, make_vector)
    recipe = compile_plan(two_sided(model, make_vector, probe), model)
    found = log_odds(model, recipe.gauges, IDS.tolist())
    assert (found[:, 0] >= recipe.gauges[0].threshold).tolist() == risky.tolist()
    decided, strengths = decide(model, recipe, IDS.tolist(), torch.full((4, 1), 2.0))
    assert decided.dials == ("strength", "strength when risk", "strength when else")
    assert strengths.tolist() == [[2.0, 2.0 * own, 2.0 * (not own)] for own in risky.tolist()]
    assert check_liveness(model, recipe).moved > 0


def test_cosine_reads_rows_at_length_one(tiny_llama, make_vector):
    vector = make_vector(tiny_llama, layer=0)
    recipe = compile_plan(
        two_sided(tiny_llama, make_vector, Probe("risk", vector, slope=5.0, read="cosine")), tiny_llama
    )
    rows = last_rows(tiny_llama)
    expected = 5 * torch.nn.functional.cosine_similarity(rows, vector.directions[0][None])
    torch.testing.assert_close(
        log_odds(tiny_llama, recipe.gauges, IDS.tolist())[:, 0], expected, rtol=1e-4, atol=1e-5
    )


def test_a_policy_carries_its_probes(tiny_llama, make_vector, tmp_path):
    probe, _ = probe_of(tiny_llama, make_vector, sharpness=3.0, measured={"misses": [0.1, 0.0, 0.2], "n": 40})
    probe = replace(probe, before=((make_vector(tiny_llama, layer=0, seed=9), -0.25),))
    plan = two_sided(tiny_llama, make_vector, probe)
    plan.save(tmp_path / "policy.toml")
    again = Plan.load(tmp_path / "policy.toml")
    assert [edit.when for edit in again.edits] == ["risk", "else"]
    own = again.probes[0]
    for name in (
        "name",
        "slope",
        "offset",
        "threshold",
        "sharpness",
        "read",
        "each_token",
        "measured",
        "site",
    ):
        assert getattr(own, name) == getattr(probe, name)
    assert own.before[0][1] == -0.25
    with steered(tiny_llama, plan):
        before = generated(tiny_llama)
    with steered(tiny_llama, again):
        assert torch.equal(generated(tiny_llama), before)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"name": "else"}, "a name other than"),
        ({"threshold": 1.0}, "a threshold between 0 and 1"),
        ({"sharpness": 0.0}, "a sharpness above 0"),
        ({"slope": 0.0}, "a slope that is not 0"),
        ({"slope": float("nan")}, "a slope that is not 0"),
        ({"read": "angle"}, "place or cosine"),
        ({"layer": 99}, "layer 99"),
        ({"before": "one", "read": "cosine"}, "one token with either"),
        ({"before": "one", "each_token": True}, "one token with either"),
    ],
)
def test_bad_probes_are_refused(tiny_llama, make_vector, settings, message):
    if "before" in settings:
        settings = settings | {"before": ((make_vector(tiny_llama), 1.0),)}
    with pytest.raises(PlanError, match=message):
        Probe(**({"name": "risk", "vector": make_vector(tiny_llama)} | settings))


def test_plans_that_cannot_be(tiny_llama, make_vector):
    vector: Vector = make_vector(tiny_llama)
    probe = Probe("risk", vector)
    with pytest.raises(PlanError, match="an edit when 'danger'; expected risk or else"):
        Plan((Edit("add", vector, when="danger"),), (probe,))
    with pytest.raises(PlanError, match="a plan with probes"):
        Plan((Edit("add", vector, when="else"),))
    with pytest.raises(PlanError, match="each name once"):
        Plan((Edit("add", vector),), (probe, probe))
    early = Plan((Edit("add", vector, (0,)),), (probe,))
    with pytest.raises(PlanError, match="an edit at layer 0 .resid_post., before probe 'risk' reads layer 1"):
        compile_plan(early, tiny_llama)
    compile_plan(Plan((Edit("add", vector, (0,), "generation"),), (probe,)), tiny_llama)
    flat = Probe("risk", make_vector(tiny_llama, gap=0.0))
    with pytest.raises(PlanError, match="both classes read the same"):
        compile_plan(Plan((Edit("add", vector, when="risk"),), (flat,)), tiny_llama)
    with pytest.raises(PlanError, match="before probe"):
        compile_plan(Plan(early.edits, (replace(probe, each_token=True),)), tiny_llama)
    gated = compile_plan(Plan((Edit("add", vector, when="risk"),), (probe,)), tiny_llama)
    with (
        pytest.raises(PlanError, match="continuous batching of a plan with probe"),
        continuous(tiny_llama, gated),
    ):
        pass
    on = compile_plan(
        Plan((Edit("add", vector, when="risk"),), (replace(probe, each_token=True),)), tiny_llama
    )
    assert not fits(tiny_llama, on)
    with pytest.raises(PlanError, match="--engine plain"):
        decide(tiny_llama, on, [[1, 2]], torch.ones(1, 1))
