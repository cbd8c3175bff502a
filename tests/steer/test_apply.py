"""Steering a live model: laws, and a hand-written hook as the reference."""

from dataclasses import replace

import pytest
import torch
from transformers import OPTConfig, OPTForCausalLM

from steer.apply import steered
from steer.errors import LivenessError, PlanError
from steer.liveness import check_liveness
from steer.plan import Edit, Plan
from steer.recipe import Recipe, compile_plan
from steer_evals.plain import generate
from steer_vectors.chat import prompt_ids
from steer_vectors.errors import MismatchError
from steer_vectors.hooks import on_layers
from steer_vectors.models import ChatModel, decoder_layers

PROMPTS = ["How do I kill a process?", "Name a colour", "Write a story about a boat and a cat, please."]


def logits(model, prompts=PROMPTS[:1]):
    rows = [prompt_ids(model.tokenizer, p) for p in prompts]
    width = max(map(len, rows))
    ids = torch.tensor([[0] * (width - len(r)) + r for r in rows])
    mask = torch.tensor([[0] * (width - len(r)) + [1] * len(r) for r in rows])
    places = (mask.cumsum(1) - 1).clamp_min(0)
    return model.hf(input_ids=ids, attention_mask=mask, position_ids=places).logits[:, -1]


def left(model):
    """What of ours is around the model; transformers leaves some hooks of its own behind."""
    modules = list(model.hf.modules())
    hooks = [h for m in modules for h in (*m._forward_hooks.values(), *m._forward_pre_hooks.values())]
    wrapped = [f for m in modules for name in ("forward", "generate") if (f := vars(m).get(name)) is not None]
    return [found for found in (*hooks, *wrapped) if found.__module__.startswith("steer")]


def by_hand(model, layer, change):
    """The plainest possible hook: returns a changed output instead of editing in place."""

    def hook(_module, _inputs, output):
        return (change(output[0]), *output[1:]) if isinstance(output, tuple) else change(output)

    return decoder_layers(model.hf)[layer].register_forward_hook(hook)


def test_adding_equals_a_hand_written_hook(model, make_vector):
    vector = make_vector(model, layer=2, gap=3.0)
    handle = by_hand(model, 2, lambda h: h - 0.5 * 3.0 * vector.directions[2])
    expected = logits(model, PROMPTS)
    handle.remove()
    with steered(model, vector, -0.5):
        torch.testing.assert_close(logits(model, PROMPTS), expected)


def test_ablating_equals_hand_written_hooks_and_leaves_no_projection(model, make_vector):
    vector = make_vector(model)
    unit, seen = vector.directions[vector.layer], []
    handles = [by_hand(model, l, lambda h: h - (h @ unit)[..., None] * unit) for l in range(model.layers)]
    expected = logits(model, PROMPTS)
    for handle in handles:
        handle.remove()
    with steered(model, Plan.ablate(vector), 1.0):
        # Registered later, so it sees what the edit left behind.
        handle = decoder_layers(model.hf)[3].register_forward_hook(
            lambda _m, _i, o: seen.append((o[0] if isinstance(o, tuple) else o).clone())
        )
        torch.testing.assert_close(logits(model, PROMPTS), expected)
        handle.remove()
    torch.testing.assert_close(seen[0] @ unit, torch.zeros(seen[0].shape[:2]), atol=1e-5, rtol=0)


@pytest.mark.parametrize("point", ["resid_pre", "attn_out", "mlp_out"])
def test_a_plan_edits_the_point_of_its_vector(model, make_vector, point):
    """The dose: at the site the projection moves by strength times the class gap, and by nothing else."""
    vector = make_vector(model, layer=1, gap=3.0)
    vector = replace(vector, meta={**vector.meta, "point": point})
    seen = []
    for strength in (0.0, 0.5):
        with (
            steered(model, vector, strength),
            on_layers(model.hf, {vector.site: lambda h: seen.append(h.clone())}),
        ):
            logits(model, PROMPTS[:1])
    moved = seen[1] - seen[0]
    torch.testing.assert_close(moved, (1.5 * vector.directions[1]).expand_as(moved), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("kind", [Plan.add, Plan.ablate])
def test_strength_zero_and_afterwards_are_the_plain_model_to_the_bit(model, make_vector, kind):
    before, plain = {n: p.clone() for n, p in model.hf.named_parameters()}, logits(model, PROMPTS)
    plan = kind(make_vector(model))
    with steered(model, plan, 0.0):
        assert torch.equal(logits(model, PROMPTS), plain)
    with steered(model, plan, 1.0):
        assert left(model)
        assert not torch.equal(logits(model, PROMPTS), plain)
    assert torch.equal(logits(model, PROMPTS), plain)
    assert all(torch.equal(p, before[n]) for n, p in model.hf.named_parameters())
    assert not left(model)


def test_the_model_is_restored_after_an_error(model, make_vector):
    with pytest.raises(ZeroDivisionError), steered(model, make_vector(model), 1.0):
        raise ZeroDivisionError
    assert not left(model)


def test_each_row_has_its_own_strength(model, make_vector):
    vector, strengths = make_vector(model), [0.0, 1.5, -1.0]
    with steered(model, vector, strengths):
        together = logits(model, PROMPTS)
    for row, strength in enumerate(strengths):
        with steered(model, vector, strength):
            torch.testing.assert_close(together[row], logits(model, PROMPTS)[row])
    assert torch.equal(together[0], logits(model, PROMPTS)[0])


def test_scopes_split_prompt_and_generation(model, make_vector):
    vector = make_vector(model, gap=20.0)
    plain = generate(model, PROMPTS, max_new_tokens=8)

    def answers(scope, strength=1.0):
        with steered(model, Plan.add(vector, scope=scope), strength):
            return generate(model, PROMPTS, max_new_tokens=8)

    def first(scope):
        with steered(model, Plan.add(vector, scope=scope), 1.0):
            return logits(model)

    assert torch.equal(first("generation"), logits(model)), "the prompt is not generation"
    assert torch.equal(first("prompt"), first("all"))
    everything = [answers(scope) for scope in ("prompt", "generation", "all")] + [plain]
    assert len({tuple(a.text for a in found) for found in everything}) == 4
    assert answers("generation", 0.0) == plain


def test_generation_scope_equals_a_hook_after_the_prompt(tiny_llama, make_vector):
    vector = make_vector(tiny_llama, gap=5.0)
    ids = torch.tensor([prompt_ids(tiny_llama.tokenizer, PROMPTS[0])])
    prompt = tiny_llama.hf(input_ids=ids, use_cache=True)
    handle = by_hand(tiny_llama, 1, lambda h: h + 5.0 * vector.directions[1])
    expected = tiny_llama.hf(input_ids=ids[:, :2], past_key_values=prompt.past_key_values).logits
    handle.remove()
    with steered(tiny_llama, Plan.add(vector, scope="generation"), 1.0):
        prompt = tiny_llama.hf(input_ids=ids, use_cache=True)
        # Two tokens at once: told from the prompt by the cache, not by the length.
        found = tiny_llama.hf(input_ids=ids[:, :2], past_key_values=prompt.past_key_values).logits
    torch.testing.assert_close(found, expected)


def test_edits_on_one_dial_add_up_and_v_minus_v_is_the_baseline(model, make_vector):
    vector = make_vector(model)
    both = Plan((Edit("add", vector, scale=1.0), Edit("add", vector, scale=-1.0)))
    plain = logits(model)
    with steered(model, both, 1.0):
        torch.testing.assert_close(logits(model), plain)


@pytest.mark.parametrize(
    "strength",
    [
        float("nan"),
        float("inf"),
        [1.0, float("nan")],
        [],
        [[1.0]],
        True,
        "1",
        ["1"],
        None,
        [None],
        [[1.0], []],
        1e39,
        pytest.param(10**400, id="huge"),
    ],
)
def test_bad_strengths_are_refused_before_any_hook(tiny_llama, make_vector, strength):
    with (
        pytest.raises(PlanError, match="got .*; expected .*; do this"),
        steered(tiny_llama, make_vector(tiny_llama), strength),
    ):
        pass
    assert not left(tiny_llama)


@pytest.mark.parametrize(("strength", "scale"), [(1e20, 1e20), ([0.0, 1e20], -1e20), (0.0, 1e39)])
def test_a_strength_that_overflows_with_its_scale_is_refused(tiny_llama, make_vector, strength, scale):
    plan = Plan((Edit("add", make_vector(tiny_llama), scale=scale),))
    with (
        pytest.raises(PlanError, match="times the scale .* finite in float32"),
        steered(tiny_llama, plan, strength),
    ):
        pass


def test_strengths_must_match_the_batch(tiny_llama, make_vector):
    with (
        steered(tiny_llama, make_vector(tiny_llama), [1.0, 2.0]),
        pytest.raises(PlanError, match="2 strengths for a batch of 3"),
    ):
        logits(tiny_llama, PROMPTS)


def test_a_vector_of_another_model_is_refused(tiny_llama, make_llama, make_vector):
    vector = make_vector(make_llama("other", seed=9))
    with pytest.raises(MismatchError, match="weights"):
        compile_plan(Plan.add(vector), tiny_llama)


def test_liveness_tells_a_silent_no_op(model, make_vector):
    assert check_liveness(model, compile_plan(Plan.add(make_vector(model)), model)).moved > 0
    assert (
        check_liveness(model, compile_plan(Plan.add(make_vector(model), scope="generation"), model)).moved > 0
    )
    with pytest.raises(LivenessError):
        check_liveness(model, Recipe({}))


def test_a_head_that_calls_past_the_base_model(tiny_tokenizer, make_vector):
    """OPT's head calls `model.decoder`, not `base_model`."""
    sizes = {"hidden_size": 32, "ffn_dim": 64, "word_embed_proj_dim": 32, "num_attention_heads": 4}
    hf = OPTForCausalLM(OPTConfig(vocab_size=len(tiny_tokenizer), num_hidden_layers=3, **sizes)).eval()
    model = ChatModel(hf, tiny_tokenizer, "opt")
    for plan in (Plan.add(make_vector(model)), Plan.ablate(make_vector(model))):
        found = check_liveness(model, compile_plan(plan, model))
        assert found.moved > 0
        assert found.dose_error < 1e-6


def test_a_recipe_of_another_model_is_refused(make_llama, make_vector):
    first, second = make_llama("first"), make_llama("second", seed=1)
    recipe = compile_plan(Plan.add(make_vector(first)), first)
    with pytest.raises(MismatchError), steered(second, recipe):
        pass


@pytest.mark.parametrize("what", ["model", "plan"])
def test_what_is_no_model_or_no_plan_is_one_line(tiny_llama, make_vector, what):
    vector = make_vector(tiny_llama)
    given = (tiny_llama.hf, vector) if what == "model" else (tiny_llama, "refusal")
    with pytest.raises(PlanError, match=r"got .* to steer.*; expected a .*; do this"), steered(*given):
        pass


def test_nothing_is_proved_by_strength_0(tiny_llama, make_vector):
    recipe = compile_plan(Plan.add(make_vector(tiny_llama)), tiny_llama)
    with pytest.raises(PlanError, match="strength 0"):
        check_liveness(tiny_llama, recipe, 0.0)
