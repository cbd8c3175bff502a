"""Steering under everything that runs a Hugging Face model: caches, beams, sampling, compilation, offloading, training."""

import time
from dataclasses import replace

import pytest
import torch
from accelerate import cpu_offload, dispatch_model
from accelerate.hooks import remove_hook_from_submodules
from transformers import GenerationConfig

from steer.apply import steered
from steer.continuous import continuous
from steer.errors import PlanError
from steer.plan import Edit, Plan
from steer.recipe import compile_plan
from steer_vectors.hooks import on_layers
from steer_vectors.models import decoder_layers

IDS = torch.tensor([[5, 6, 7, 8, 9, 10], [11, 12, 13, 14, 15, 16], [17, 18, 19, 20, 21, 22]])
GREEDY = {"do_sample": False, "max_new_tokens": 5, "min_new_tokens": 5, "pad_token_id": 0}
STRENGTHS = [0.0, 1.5, -1.0]


def generated(model, ids=IDS, **options):
    """Logits of every new token, `[b, t, v]`."""
    out = model.hf.generate(ids, output_logits=True, return_dict_in_generate=True, **(GREEDY | options))
    return torch.stack(out.logits, 1)


def logits(model, ids=IDS, **options):
    return model.hf(input_ids=ids, **options).logits


@pytest.mark.parametrize("cache", ["dynamic", "static"])
def test_every_family_generates_each_row_at_its_own_strength(family, make_vector, cache):
    vector = make_vector(family, gap=3.0)
    plain = generated(family, cache_implementation=cache)
    with steered(family, vector, STRENGTHS):
        together = generated(family, cache_implementation=cache)
    # Beside steered rows, a row at 0 is the plain model to the bit; where experts gather tokens from all rows, other
    # neighbours come along, and a matrix product over other rows may round differently.
    close = (
        {"rtol": 1e-4, "atol": 1e-4} if family.name in ("mixtral", "qwen3_moe") else {"rtol": 0, "atol": 0}
    )
    torch.testing.assert_close(together[0], plain[0], **close)
    for row, strength in enumerate(STRENGTHS):
        # A hand-written hook as the reference.
        def hook(_module, _inputs, output, dose=strength * 3.0 * vector.directions[1]):
            return (output[0] + dose, *output[1:]) if isinstance(output, tuple) else output + dose

        handle = decoder_layers(family.hf)[1].register_forward_hook(hook)
        alone = generated(family, IDS[row : row + 1], cache_implementation=cache)
        handle.remove()
        torch.testing.assert_close(together[row : row + 1], alone, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(together[1:], plain[1:], atol=1e-2)


def test_beams_share_the_strength_of_their_prompt(tiny_llama, make_vector):
    vector = make_vector(tiny_llama, gap=4.0)
    options = {
        "num_beams": 3,
        "num_return_sequences": 2,
        "do_sample": False,
        "max_new_tokens": 6,
        "pad_token_id": 0,
    }
    with steered(tiny_llama, vector, STRENGTHS):
        together = tiny_llama.hf.generate(IDS, **options).view(3, 2, -1)
    for row, strength in enumerate(STRENGTHS):
        with steered(tiny_llama, vector, strength):
            alone = tiny_llama.hf.generate(IDS[row : row + 1], **options)
        assert torch.equal(together[row], alone)
    with steered(tiny_llama, vector, 0.0):
        assert not torch.equal(tiny_llama.hf.generate(IDS, **options).view(3, 2, -1), together)


def test_sampling_draws_from_the_steered_distribution(tiny_llama, make_vector):
    vector = make_vector(tiny_llama, gap=4.0)
    options = {"do_sample": True, "num_return_sequences": 2, "max_new_tokens": 6, "pad_token_id": 0}

    def drawn():
        torch.manual_seed(0)
        return tiny_llama.hf.generate(IDS, **options)

    with steered(tiny_llama, vector, [1.0] * 3):
        found = drawn()
    handle = decoder_layers(tiny_llama.hf)[1].register_forward_hook(
        lambda _m, _i, o: o + 4.0 * vector.directions[1]
    )
    expected = drawn()
    handle.remove()
    assert torch.equal(found, expected)
    assert not torch.equal(found, drawn())


def test_256_strengths_equal_256_runs(tiny_llama, make_vector):
    vector, ids = (
        make_vector(tiny_llama),
        torch.randint(5, 300, (256, 7), generator=torch.Generator().manual_seed(0)),
    )
    strengths = torch.linspace(-2, 2, 256)
    with steered(
        tiny_llama, Plan((Edit("add", vector), Edit("ablate", vector, scale=0.3))), strengths
    ) as steering:
        together = logits(tiny_llama, ids)
        for row in range(256):
            steering.set(float(strengths[row]))
            torch.testing.assert_close(
                logits(tiny_llama, ids[row : row + 1])[0], together[row], rtol=1e-4, atol=1e-4
            )


def test_a_neighbour_never_changes_an_unsteered_row(tiny_llama, make_vector):
    """At equal batch shape, whatever the others get."""
    vector, plain = make_vector(tiny_llama), logits(tiny_llama)
    for others in (0.5, 1e4, -3.0):
        for plan in (Plan.add(vector), Plan.ablate(vector)):
            with steered(tiny_llama, plan, [others, 0.0, -others]):
                found = logits(tiny_llama)
            assert torch.equal(found[1], plain[1])
            assert not torch.equal(found[0], plain[0])


def test_dials_turn_on_their_own(tiny_llama, make_vector):
    first, second = make_vector(tiny_llama), make_vector(tiny_llama, seed=7)
    plan = Plan((Edit("add", first, dial="a"), Edit("add", second, dial="b", scale=2.0)))
    assert plan.dials == ("a", "b")
    with steered(tiny_llama, plan, {"a": [0.0, 1.0, 1.0], "b": 0.5}):
        found = logits(tiny_llama)
    for row, (a, b) in enumerate([(0.0, 0.5), (1.0, 0.5), (1.0, 0.5)]):
        doses = 2.0 * (a * first.directions[1] + 2 * b * second.directions[1])
        with on_layers(tiny_llama.hf, {1: lambda h, doses=doses: h.add_(doses)}):
            torch.testing.assert_close(found[row], logits(tiny_llama)[row])
    with steered(tiny_llama, plan, {}):
        assert torch.equal(logits(tiny_llama), logits(tiny_llama))


@pytest.mark.parametrize(
    ("strength", "message"),
    [
        (1.0, "for a plan with 2 dials"),
        ({"c": 1.0}, "dial 'c'"),
        ({"a": [1.0, 2.0], "b": [1.0, 2.0, 3.0]}, "2 and 3 strengths"),
        ({"a": float("nan")}, "strength nan"),
        ({"b": 3e38}, "times the scale 2"),
    ],
)
def test_bad_dials_are_refused(tiny_llama, make_vector, strength, message):
    plan = Plan(
        (
            Edit("add", make_vector(tiny_llama), dial="a"),
            Edit("ablate", make_vector(tiny_llama), dial="b", scale=2.0),
        )
    )
    with pytest.raises(PlanError, match=message), steered(tiny_llama, plan, strength):
        pass


# --- the live dial ---------------------------------------------------------------------------------------------------


def test_a_strength_that_is_a_function_of_the_step(tiny_llama, make_vector):
    vector, asked = make_vector(tiny_llama, gap=4.0), []

    def ramp(step):
        asked.append(step)
        return 0.5 * step

    with steered(tiny_llama, vector, ramp):
        found = generated(tiny_llama)
    assert asked == [0, 1, 2, 3, 4]
    step = iter(range(5))
    with on_layers(tiny_llama.hf, {1: lambda h: h.add_(0.5 * next(step) * 4.0 * vector.directions[1])}):
        torch.testing.assert_close(found, generated(tiny_llama))


@pytest.mark.parametrize("cache", ["dynamic", "static"])
def test_a_prompt_in_chunks_is_step_0(tiny_llama, make_vector, cache):
    asked = []
    with steered(tiny_llama, make_vector(tiny_llama), lambda step: asked.append(step) or [0.0, 1.0, 2.0]):
        generated(tiny_llama, prefill_chunk_size=4, cache_implementation=cache, num_beams=2)
    assert asked == [0, 0, 1, 2, 3, 4]


def test_the_dial_turns_between_forwards(tiny_llama, make_vector):
    vector, plain = make_vector(tiny_llama), logits(tiny_llama)
    with steered(tiny_llama, vector, 0.0) as steering:
        assert torch.equal(logits(tiny_llama), plain)
        assert steering.edited == 0
        steering.set(1.0)
        once = logits(tiny_llama)
        assert steering.edited == IDS.numel()
        steering.set([1.0, 0.0, 1.0])
        mixed = logits(tiny_llama)
        assert steering.edited == IDS.numel() + 2 * IDS.shape[1]
        with pytest.raises(PlanError):
            steering.set("much")
        assert torch.equal(logits(tiny_llama), mixed)
    assert torch.equal(mixed[0], once[0])
    assert torch.equal(mixed[1], plain[1])


# --- torch.compile ---------------------------------------------------------------------------------------------------


@pytest.fixture
def fresh_compiler():
    torch.compiler.reset()
    yield
    torch.compiler.reset()


class Frames:
    """A backend that runs what it is given and counts it."""

    def __init__(self):
        self.count = 0

    def __call__(self, graph, _inputs):
        self.count += 1
        return graph


@pytest.mark.parametrize(
    ("scope", "what"), [("all", "module"), ("generation", "module"), ("last", "forward")]
)
def test_compiled_whole_follows_the_dial_without_recompiling(model, make_vector, fresh_compiler, scope, what):
    vector, frames = make_vector(model, gap=3.0), Frames()
    plan = Plan((Edit("add", vector, scope=scope), Edit("clamp", vector, high=0.2, dial="cap")))
    settings = [{"strength": [0.0, 1.0, -2.0], "cap": 1.0}, {"strength": [1.0, 0.0, 0.5], "cap": 0.0},
                {"strength": [0.0] * 3, "cap": 0.0}]  # fmt: skip
    expected = []
    for strength in settings:
        with steered(model, plan, strength):
            expected.append(logits(model))
    with steered(model, plan, settings[0]) as steering:
        target = model.hf if what == "module" else model.hf.forward
        compiled = torch.compile(target, fullgraph=True, backend=frames)
        for strength, eager in zip(settings, expected, strict=True):
            steering.set(strength)
            torch.testing.assert_close(
                compiled(input_ids=IDS, use_cache=False).logits, eager, rtol=1e-4, atol=1e-4
            )
        assert frames.count == 1
        assert steering.edited > 0
    # The code still holds the edits; the dials are at 0.
    torch.testing.assert_close(
        compiled(input_ids=IDS, use_cache=False).logits, logits(model), rtol=1e-5, atol=1e-5
    )


def test_generate_compiled_with_a_static_cache(tiny_llama, make_vector, fresh_compiler):
    vector, frames = make_vector(tiny_llama, gap=3.0), Frames()
    plan, hf = Plan.add(vector, scope="generation"), tiny_llama.hf
    with steered(tiny_llama, plan, STRENGTHS):
        expected = generated(tiny_llama, cache_implementation="static")
    with steered(tiny_llama, plan, [0.0, 0.0, 0.0]) as steering:
        inner = hf.forward
        hf.forward = torch.compile(inner, fullgraph=True, backend=frames)
        try:
            plain = generated(tiny_llama, cache_implementation="static")
            before = frames.count
            steering.set(STRENGTHS)
            found = generated(tiny_llama, cache_implementation="static")
            assert frames.count == before
        finally:
            hf.forward = inner
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(found[1:, 1:], plain[1:, 1:], atol=1e-2)


@pytest.mark.parametrize("what", ["module", "forward", "function", "method", "inner"])
def test_hooks_after_compilation_are_refused(make_llama, make_vector, fresh_compiler, what):
    model = make_llama("compiled")
    hf, vector = model.hf, make_vector(model)
    if what in ("method", "inner"):
        part = hf if what == "method" else hf.model
        part.compile(backend="eager")
        run = hf
    else:
        target = {"module": hf, "forward": hf.forward, "function": lambda ids: hf(ids).logits}[what]
        run = torch.compile(target, backend="eager")
    with steered(model, vector, 0.0):
        pass  # not run yet: the first call will see the hooks
    run(IDS)
    with (
        pytest.raises(PlanError, match=r"LlamaDecoderLayer is compiled already.*torch.compiler.reset"),
        steered(model, vector),
    ):
        pass
    torch.compiler.reset()
    with steered(model, vector, 1.0) as steering:
        steered_now = run(IDS)
        assert steering.edited == IDS.numel()
        assert not torch.equal(getattr(steered_now, "logits", steered_now), torch.zeros(1))


def test_compiled_and_plain_forwards_in_turn(tiny_llama, make_vector, fresh_compiler):
    """What a plain forward remembers of its doses is not what a compiled one reads, nor the other way round."""
    vector = make_vector(tiny_llama, gap=3.0)
    with steered(tiny_llama, Plan.ablate(vector), STRENGTHS) as steering:
        expected = logits(tiny_llama)
        compiled = torch.compile(tiny_llama.hf, fullgraph=True, backend="eager")
        for strengths in (STRENGTHS, [1.0, 1.0, 1.0], [0.0, 0.5, 0.0]):
            steering.set(strengths)
            before = steering.edited
            torch.testing.assert_close(compiled(input_ids=IDS).logits, logits(tiny_llama))
            assert steering.edited - before == 2 * IDS.shape[1] * sum(s != 0 for s in strengths)
        steering.set(STRENGTHS)
        torch.testing.assert_close(logits(tiny_llama), expected)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
def test_inductor_gives_the_same_numbers(tiny_llama, make_vector, fresh_compiler):
    vector = make_vector(tiny_llama, gap=3.0)
    with steered(tiny_llama, Plan.ablate(vector), STRENGTHS) as steering:
        expected = logits(tiny_llama)
        compiled = torch.compile(tiny_llama.hf, fullgraph=True)
        torch.testing.assert_close(compiled(input_ids=IDS).logits, expected, rtol=1e-4, atol=1e-4)
        steering.set([1.0, 1.0, 1.0])
        torch.testing.assert_close(compiled(input_ids=IDS).logits, logits(tiny_llama), rtol=1e-4, atol=1e-4)


# --- where the weights are, and training -----------------------------------------------------------------------------


@pytest.mark.parametrize("where", ["disk", "cpu"])
def test_layers_on_another_device(make_llama, make_vector, tmp_path, where):
    """Offloaded layers have meta weights; their activations are elsewhere, and the edits go where those are."""
    model = make_llama("dispatched")
    plan = Plan((Edit("add", make_vector(model)), Edit("ablate", make_vector(model, seed=3))))
    with steered(model, plan, STRENGTHS):
        expected = logits(model)
    devices = {"model.embed_tokens": "cpu", "model.norm": "cpu", "model.rotary_emb": "cpu", "lm_head": "cpu"}
    devices |= {f"model.layers.{at}": where if at % 2 else "cpu" for at in range(model.layers)}
    dispatch_model(model.hf, devices, main_device="cpu", offload_dir=str(tmp_path), force_hooks=True)
    if where == "disk":
        assert next(decoder_layers(model.hf)[1].parameters()).device.type == "meta"
    again = Plan(plan.edits)  # checked against the weights where they are now
    with steered(model, again, STRENGTHS):
        torch.testing.assert_close(logits(model), expected)
    remove_hook_from_submodules(model.hf)


def test_a_model_that_is_offloaded_whole(make_llama, make_vector):
    model = make_llama("offloaded")
    vector = make_vector(model)
    with steered(model, vector, STRENGTHS):
        expected = logits(model)
    cpu_offload(model.hf, torch.device("cpu"))
    assert next(model.hf.parameters()).is_meta
    with steered(model, Plan.add(vector), STRENGTHS):
        torch.testing.assert_close(logits(model), expected)
    remove_hook_from_submodules(model.hf)


@pytest.mark.parametrize("point", ["attn_out", "mlp_out"])
def test_gradient_checkpointing_gives_the_same_gradients(make_llama, make_vector, point):
    """Inside a layer and by ablation: what is computed anew without the edit would have other gradients."""
    model = make_llama("training")
    hf = model.hf.train().requires_grad_(True)
    vector = make_vector(model)
    plan = Plan.ablate(replace(vector, meta=vector.meta | {"point": point}))

    def gradients(checkpointing, strength=(0.5, 0.0, 1.0)):
        hf.zero_grad()
        (hf.activation_checkpointing_enable if checkpointing else hf.activation_checkpointing_disable)()
        with steered(model, plan, list(strength)):
            hf(input_ids=IDS, labels=IDS, use_cache=False).loss.backward()
        assert hf.is_activation_checkpointing == checkpointing
        return {name: p.grad.clone() for name, p in hf.named_parameters()}

    plain, checkpointed, unsteered = gradients(False), gradients(True), gradients(False, (0, 0, 0))
    for name, grad in plain.items():
        torch.testing.assert_close(checkpointed[name], grad, msg=name)
    weight = "model.layers.0.mlp.down_proj.weight"
    assert not torch.allclose(plain[weight], unsteered[weight], rtol=1e-2), "the edit is in the gradients"


def test_a_recipe_is_made_once_per_model(tiny_llama, make_vector):
    plan = Plan.add(make_vector(tiny_llama))
    assert compile_plan(plan, tiny_llama) is compile_plan(plan, tiny_llama)
    assert compile_plan(Plan.add(make_vector(tiny_llama)), tiny_llama) is not compile_plan(plan, tiny_llama)


# --- continuous batching ---------------------------------------------------------------------------------------------


def test_continuous_batching_gives_each_request_its_strength(make_llama, make_vector):
    """More requests than fit in a batch, of several lengths; each as if it were alone in `generate`."""
    model = make_llama("continuous")
    plan = Plan(
        (
            Edit("add", make_vector(model, gap=3.0), scope="generation"),
            Edit("add", make_vector(model, seed=2), dial="b", scope="last"),
        )
    )
    rows = [list(range(5, 9 + at)) for at in range(6)]
    dials = [
        {"strength": s, "b": b}
        for s, b in zip([0.0, 1.0, -1.0, 2.0, 0.0, 0.5], [0.0, 1.0, 0.0, -1.0, 2.0, 0.0], strict=True)
    ]
    config = GenerationConfig(do_sample=False, max_new_tokens=6, eos_token_id=-1, pad_token_id=0)
    with continuous(
        model, plan, generation_config=config, max_batch_tokens=24, num_blocks=16, block_size=32
    ) as requests:
        names = [requests.add(row, dial) for row, dial in zip(rows, dials, strict=True)]
        default = requests.add(rows[0])
        found = {}
        while len(found) < 7:
            result = requests.manager.get_result(timeout=30)
            assert result is not None
            assert not result.error
            if result.is_finished():
                found[result.request_id] = result.generated_tokens
    for name, row, dial in zip(names, rows, dials, strict=True):
        with steered(model, plan, dial):
            alone = model.hf.generate(
                torch.tensor([row]),
                **(GREEDY | {"max_new_tokens": 6, "min_new_tokens": 6, "eos_token_id": None}),
            )
        assert found[name] == alone[0, len(row) :].tolist()
    assert found[default] == found[names[0]]
    assert len({tuple(tokens) for tokens in found.values()}) > 3


@pytest.mark.parametrize(
    ("scope", "longer"), [("all", True), ("prompt", False), ("generation", False), ("last", False)]
)
def test_prefixes_are_shared_between_equal_strengths_alone(make_llama, make_vector, scope, longer):
    """What is computed is counted; what is answered equals `generate`, whoever computed its beginning."""
    model = make_llama("continuous")
    plan = Plan((Edit("add", make_vector(model, gap=3.0), scope=scope),))
    prompt = [5 + at % 40 for at in range(40)]
    config = GenerationConfig(do_sample=False, max_new_tokens=4, eos_token_id=-1, pad_token_id=0)
    computed = []

    def seen(_module, _args, given):
        computed.append(given["input_ids"].shape[1])

    hook = model.hf.model.register_forward_pre_hook(seen, with_kwargs=True)
    with continuous(
        model, plan, generation_config=config, max_batch_tokens=64, num_blocks=64, page_size=8
    ) as requests:

        def answer(ids, strength):
            """Its tokens, and how many of the prompt were computed: each of the others takes a forward of its own."""
            computed.clear()
            requests.add(ids, strength)
            result = requests.manager.get_result(timeout=30)
            assert result is not None
            assert not result.error
            return result.generated_tokens, computed[0]

        first, whole = answer(prompt, 2.0)
        same, rest = answer(prompt, 2.0)
        other, anew = answer(prompt, -2.0)
        plain, again = answer(prompt, 0.0)
        after, less = answer([*prompt, *first, 7, 7, 7, 7], 2.0)
    hook.remove()
    assert (whole, rest, anew, again) == (40, 8, 40, 40)
    assert less == (
        8 if longer else 48
    )  # where edits hang on the prompt's end, a longer prompt is another one
    assert same == first
    asked = [
        (prompt, 2.0, first),
        (prompt, -2.0, other),
        (prompt, 0.0, plain),
        ([*prompt, *first, 7, 7, 7, 7], 2.0, after),
    ]
    for ids, strength, found in asked:
        with steered(model, plan, strength):
            alone = model.hf.generate(
                torch.tensor([ids]),
                **(GREEDY | {"max_new_tokens": 4, "min_new_tokens": 4, "eos_token_id": None}),
            )
        assert found == alone[0, len(ids) :].tolist()


def test_who_leaves_while_being_scheduled_is_read_at_its_own_strength(make_llama, make_vector):
    """Its blocks may be shared: laid out at another strength, they would be read by whoever asks the same."""
    model = make_llama("continuous")
    plan = Plan((Edit("add", make_vector(model, gap=3.0)),))
    prompt = [5 + at % 40 for at in range(40)]
    found = {}

    def choose(names, logits):
        found.update(zip(names, logits.clone(), strict=True))
        return logits.argmax(-1).tolist()

    with continuous(model, plan, choose=choose, max_batch_tokens=16, num_blocks=64, page_size=8) as requests:

        def first(ids, name):
            requests.add(ids, 2.0, request_id=name, max_new_tokens=1)
            for _ in range(3000):
                if name in found:
                    return found[name]
                time.sleep(0.01)
            raise AssertionError(name)

        first([1, 2, 3], "warm")
        scheduler = requests.manager.batch_processor.scheduler
        schedule, calls = scheduler.schedule_batch, []

        def leaving(*args, **named):
            out = schedule(*args, **named)
            if out[0] and any(own.state.request_id == "gone" for own in out[0]):
                calls.append(len(calls))
                if len(calls) == 2:  # the second part of the prompt is about to be read
                    requests.end("gone")
            return out

        scheduler.schedule_batch = leaving
        requests.add(prompt, 2.0, request_id="gone", max_new_tokens=1)
        while len(calls) < 2 or scheduler.has_pending_requests():
            time.sleep(0.01)
        scheduler.schedule_batch = schedule
        after = first(prompt, "after")
        assert "gone" not in requests._packed._asked
    with steered(model, plan, 2.0):
        alone = model.hf(torch.tensor([prompt])).logits[0, -1]
    torch.testing.assert_close(after, alone, rtol=1e-4, atol=1e-4)


def test_continuous_batching_refuses_what_mixes_strengths(tiny_llama, make_vector, monkeypatch):
    vector = make_vector(tiny_llama)
    with (
        pytest.raises(PlanError, match="use_async_batching=True"),
        continuous(tiny_llama, vector, use_async_batching=True),
    ):
        pass
    monkeypatch.setattr("transformers.__version__", "6.0.0")
    with (
        pytest.raises(PlanError, match="continuous batching of transformers 6.0.0"),
        continuous(tiny_llama, vector),
    ):
        pass
