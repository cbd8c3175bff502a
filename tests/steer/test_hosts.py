"""TransformerLens and nnsight apply a plan as a steered transformers model does, and give back what they were given."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from transformers import AutoTokenizer

import steer
from steer.dials import Policy
from steer.equivalence import Said
from steer.errors import PlanError
from steer.hosts import nnsight as in_nnsight
from steer.hosts import transformer_lens as in_lens
from steer.hosts.transformers import Transformers
from steer.plan import Edit, Gate, Plan, Probe
from steer.recipe import compile_plan
from steer_vectors.errors import MismatchError, ModelError
from steer_vectors.models import ChatModel, decoder_layers

PROMPTS = [[5, 6, 7], [40, 41, 42, 43, 44, 45, 46, 47], [100, 101, 102, 103, 104], [9]]
STRENGTHS = [0.0, 1.0, -1.5, 0.6]  # of each prompt
MOST = 5
HOSTS: dict[str, Any] = {"transformer_lens": in_lens.TransformerLens, "nnsight": in_nnsight.NNsight}
MakeVector = Callable[..., Any]


@pytest.fixture(autouse=True)
def _eager(tiny_llama: ChatModel, tiny_gpt2: ChatModel) -> Iterator[None]:
    """TransformerLens's attention is eager: eager is compared with eager."""
    models = (tiny_llama, tiny_gpt2)
    before = [own.hf.config._attn_implementation for own in models]
    for own in models:
        own.hf.set_attn_implementation("eager")
    yield
    for own, attention in zip(models, before, strict=True):
        own.hf.set_attn_implementation(attention)


def plans(model: ChatModel, make_vector: MakeVector) -> dict[str, Plan]:
    first, second = make_vector(model, gap=3.0), make_vector(model, seed=5, gap=2.0)
    first = replace(first, negative=first.negative - 1, positive=first.positive - 1)
    at = {
        point: replace(first, meta=first.meta | {"point": point})
        for point in ("resid_pre", "attn_out", "mlp_out")
    }
    probe = Probe(
        "risk", make_vector(model, layer=1, seed=7), slope=1.5, sharpness=1.0
    )  # before the edit there
    sides = (Edit("add", first, (1,), when="risk"), Edit("add", second, (2,), scale=-2.0, when="else"))
    return {
        "add": Plan.add(first),
        "ablate": Plan.ablate(first),
        "affine": Plan((Edit("affine", first, (1, 2), to=0.5),)),
        "clamp": Plan((Edit("clamp", first, low=0.25, high=0.5),)),
        "rotate": Plan((Edit("rotate", first, second=second, angle=40.0),)),
        "map": Plan((Edit("map", first, second=second),)),
        "keep norm": Plan((Edit("add", first, keep_norm=True),)),
        "step": Plan((Edit("add", first, gate=Gate(second, 0.0)),)),
        "gate": Plan((Edit("add", first, gate=Gate(second, 0.1, 5.0)),)),
        "prompt": Plan.add(first, scope="prompt"),
        "generation": Plan.add(first, scope="generation"),
        "last": Plan.add(first, scope="last"),
        "window": Plan.add(first, scope="1:3"),
        "window from the end": Plan.add(first, scope="-2:"),
        "resid_pre": Plan.add(at["resid_pre"]),
        "attn_out": Plan.add(at["attn_out"]),
        "mlp_out": Plan.add(at["mlp_out"], scope="generation"),
        "several": Plan(
            (Edit("add", first), Edit("ablate", second, scope="last"), Edit("add", at["attn_out"], (1,)))
        ),
        "probe": Plan(sides, (probe,)),
        "window probe": Plan(sides, (replace(probe, before=((make_vector(model, seed=8), -1.0),)),)),
        "each token": Plan(sides, (replace(probe, each_token=True),)),
    }


KINDS = [
    "add", "ablate", "affine", "clamp", "rotate", "map", "keep norm", "step", "gate", "prompt", "generation", "last",
    "window", "window from the end", "resid_pre", "attn_out", "mlp_out", "several", "probe", "window probe", "each token",
]  # fmt: skip
AFTER = ("generation", "mlp_out")  # which leave the first token alone


def policy(plan: Plan) -> Policy:
    return Policy(plan, {})


def one_by_one(model: ChatModel, plan: Plan, asks: list[tuple[list[int], float]]) -> list[Said]:
    """Steered transformers, without padding."""
    host = Transformers(model, policy(plan))
    return [host.say([prompt], [{"strength": strength}], MOST)[0] for prompt, strength in asks]


def far(one: list[Said], other: list[Said]) -> float:
    return max(float((a.logprobs - b.logprobs).abs().max()) for a, b in zip(one, other, strict=True))


def everything(model: ChatModel) -> list[Any]:
    modules = [
        {name: value if callable(value) else repr(value) for name, value in vars(module).items()}
        for module in model.hf.modules()
    ]
    return [
        modules,
        model.hf.config.to_dict(),
        model.tokenizer.padding_side,
        logits_of(model).numpy().tobytes(),
    ]


@torch.no_grad()
def logits_of(model: ChatModel, ids: list[int] = PROMPTS[1]) -> Tensor:
    logits: Tensor = model.hf(input_ids=torch.tensor([ids])).logits
    return logits


@pytest.fixture(scope="module")
def built() -> dict[str, Any]:
    """Hosts by model, because a bridge takes its time."""
    return {}


@pytest.fixture
def hosts(model: ChatModel, make_vector: MakeVector, built: dict[str, Any]) -> list[Any]:
    if model.name not in built:
        first = policy(Plan.add(make_vector(model)))
        built[model.name] = [make(model, first) for make in (Transformers, *HOSTS.values())]
    found: list[Any] = built[model.name]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_hosts_say_what_steered_transformers_says(
    model: ChatModel, make_vector: MakeVector, hosts: list[Any], kind: str
) -> None:
    """Prompts of several lengths at several strengths in one batch, against each alone."""
    plan = plans(model, make_vector)[kind]
    asks = [*zip(PROMPTS, STRENGTHS, strict=True), (PROMPTS[2], 1.0)]
    given = [prompt for prompt, _ in asks], [{"strength": strength} for _, strength in asks]
    plain = hosts[0].say(given[0], [{"strength": 0.0}] * len(asks), MOST)
    expected = one_by_one(model, plan, asks)
    assert far(expected[:1], plain[:1]) < 1e-4
    assert [own.tokens for own in expected] != [own.tokens for own in plain]
    assert kind in AFTER or far(expected, plain) > 0.05
    for host in hosts:
        host._recipe = compile_plan(plan, model)
        found = host.say(*given, MOST)
        assert far(found, expected) < 1e-4
        assert [own.tokens for own in found] == [own.tokens for own in expected]


def test_the_reference_is_what_a_hook_of_torch_does(model: ChatModel, make_vector: MakeVector) -> None:
    vector = make_vector(model, gap=3.0)
    move = 0.7 * 3.0 * vector.directions[1]

    def hook(_module: Any, _args: Any, out: Any) -> Any:
        return (out[0] + move, *out[1:]) if isinstance(out, tuple) else out + move

    handle = decoder_layers(model.hf)[1].register_forward_hook(hook)
    ids, tokens = list(PROMPTS[1]), []
    try:
        first = logits_of(model, ids)[0, -1].log_softmax(-1)
        for _ in range(MOST):
            tokens.append(int(logits_of(model, ids)[0, -1].argmax()))
            ids.append(tokens[-1])
    finally:
        handle.remove()
    (said,) = one_by_one(model, Plan.add(vector), [(PROMPTS[1], 0.7)])
    torch.testing.assert_close(said.logprobs, first, rtol=1e-4, atol=1e-4)
    end = model.tokenizer.eos_token_id
    assert said.tokens == tuple(tokens[: tokens.index(end)] if end in tokens else tokens)


def test_the_lead_is_a_difference_of_steered_logits(model: ChatModel, make_vector: MakeVector) -> None:
    host = Transformers(model, policy(Plan.add(make_vector(model), scope="generation")))
    said = host.say([PROMPTS[0]], [{"strength": 1.0}], MOST)[0]
    ids = torch.tensor([PROMPTS[0] + list(said.tokens[:2])])
    with (
        steer.steered(model, Plan.add(make_vector(model), scope=f"{len(PROMPTS[0])}:"), 1.0),
        torch.no_grad(),
    ):
        logits = model.hf(input_ids=ids).logits[0, -1]
    end = model.tokenizer.eos_token_id
    for one, other in ((said.tokens[2], 17), (17, None), (None, 17)):
        lead = host.lead(PROMPTS[0], {"strength": 1.0}, said.tokens[:2], one, other)
        right = logits[end if one is None else one] - logits[end if other is None else other]
        assert lead == pytest.approx(float(right), abs=1e-4)


@pytest.mark.parametrize("host", HOSTS)
def test_the_model_stays_as_it_was(model: ChatModel, make_vector: MakeVector, host: str) -> None:
    before = everything(model)
    HOSTS[host](model, policy(Plan.add(make_vector(model)))).say([[5, 6]], [{"strength": 1.0}], 3)
    assert everything(model) == before


@pytest.mark.parametrize("host", HOSTS)
def test_a_vector_of_another_model(
    model: ChatModel, make_vector: MakeVector, make_llama: Callable[..., ChatModel], host: str
) -> None:
    plan = Plan.add(make_vector(make_llama("other", seed=9)))
    with pytest.raises(MismatchError):
        HOSTS[host](model, policy(plan))


# A bridge of the user's.


@pytest.fixture
def bridge_of(tiny_folder: Path) -> Callable[[ChatModel], Any]:
    """With a tokenizer from a folder, because the library loads it again; around a copy of the weights."""
    from transformer_lens.model_bridge import TransformerBridge

    def make(model: ChatModel) -> Any:
        hf, tokenizer = copy.deepcopy(model.hf), AutoTokenizer.from_pretrained(tiny_folder)
        return TransformerBridge.boot_transformers(model.name, hf_model=hf, tokenizer=tokenizer)

    return make


def hooks_of(bridge: Any) -> list[int]:
    return [len(point.fwd_hooks) + len(point._forward_hooks) for point in bridge.hook_dict.values()]


def test_a_bridge_is_steered_and_given_back(
    model: ChatModel, make_vector: MakeVector, bridge_of: Callable[..., Any]
) -> None:
    bridge, vector = bridge_of(model), make_vector(model, gap=3.0)
    ids = torch.tensor([PROMPTS[1], PROMPTS[1]])
    seen: list[Tensor] = []
    with torch.no_grad():
        plain, cache = bridge.run_with_cache(ids)
        before = hooks_of(bridge), vars(bridge).keys(), vars(bridge.original_model).keys()
        with in_lens.steered(bridge, vector, [0.0, 1.0]) as steering:
            bridge.reset_hooks()  # of the user, which are none
            logits, steered_cache = bridge.run_with_cache(ids)
            bridge.run_with_hooks(
                ids, fwd_hooks=[("blocks.1.hook_out", lambda x, hook: seen.append(x.clone()))]
            )
            steering.set(0.0)
            off = bridge(ids)
        assert (hooks_of(bridge), vars(bridge).keys(), vars(bridge.original_model).keys()) == before
        assert torch.equal(bridge(ids), plain)
    assert torch.equal(off, plain)
    assert torch.equal(logits[0], plain[0])
    with steer.steered(model, vector, 1.0):
        torch.testing.assert_close(logits[1], logits_of(model)[0], rtol=1e-4, atol=1e-4)
    # What is read at the steered site is the state after the edit; what was read before it is left alone.
    moved = steered_cache["blocks.1.hook_out"] - cache["blocks.1.hook_out"]
    expected = torch.zeros_like(moved)
    expected[1] = 3.0 * vector.directions[1]
    torch.testing.assert_close(moved, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(seen[0], steered_cache["blocks.1.hook_out"])
    assert steering.edited == 2 * len(PROMPTS[1])


def test_an_edit_before_a_layer_leaves_the_layer_before_it_alone(
    model: ChatModel, make_vector: MakeVector, bridge_of: Callable[..., Any]
) -> None:
    """They are one tensor: a cache holds it already."""
    vector = make_vector(model)
    plan = Plan.add(replace(vector, meta=vector.meta | {"point": "resid_pre"}))
    bridge, ids = bridge_of(model), torch.tensor([PROMPTS[1]])
    with torch.no_grad(), in_lens.steered(bridge, plan, 1.0):
        _, cache = bridge.run_with_cache(ids)
    moved = cache["blocks.1.hook_in"] - cache["blocks.0.hook_out"]
    torch.testing.assert_close(moved[0, 0], 2.0 * vector.directions[1], rtol=1e-4, atol=1e-5)


def test_a_bridge_writes_steered_answers(
    model: ChatModel, make_vector: MakeVector, bridge_of: Callable[..., Any]
) -> None:
    """Its own loop, and that of transformers; a mask says which tokens are padding."""
    bridge, plan = bridge_of(model), Plan.add(make_vector(model, gap=3.0), scope="generation")
    expected = one_by_one(model, plan, [(PROMPTS[0], 1.0), (PROMPTS[1], -1.5)])
    ids = torch.zeros(2, 8, dtype=torch.long)
    mask = torch.zeros_like(ids)
    for row, prompt in enumerate(PROMPTS[:2]):
        ids[row, -len(prompt) :] = torch.tensor(prompt)
        mask[row, -len(prompt) :] = 1
    with in_lens.steered(bridge, plan, [1.0, -1.5]):
        own = bridge.generate(ids, attention_mask=mask, max_new_tokens=MOST, do_sample=False, verbose=False)
        theirs = bridge.hf_generate(ids, attention_mask=mask, max_new_tokens=MOST, do_sample=False)
    for found in (own, theirs):
        for row, said in zip(found[:, 8:].tolist(), expected, strict=True):
            assert tuple(row[: len(said.tokens)]) == said.tokens


def test_where_prompt_and_answer_cannot_be_told_apart(
    tiny_llama: ChatModel, make_vector: MakeVector, bridge_of: Callable[..., Any]
) -> None:
    bridge, vector = bridge_of(tiny_llama), make_vector(tiny_llama)
    ids = torch.tensor([PROMPTS[0]])
    own = {"max_new_tokens": 3, "do_sample": False, "verbose": False}
    with in_lens.steered(bridge, Plan.add(vector, scope="generation"), 1.0):
        for setting, line in (
            ({"use_past_kv_cache": False}, "without a cache"),
            ({"return_cache": True}, "return_cache"),
        ):
            with pytest.raises(PlanError, match=line):
                bridge.generate(ids, **own, **setting)
        with pytest.raises(PlanError, match="without a cache"):
            list(bridge.generate_stream(ids, use_past_kv_cache=False, **own))
    with in_lens.steered(bridge, vector, 1.0):  # every token alike
        cached, slow = (
            bridge.generate(ids, **own, use_past_kv_cache=own_cache) for own_cache in (True, False)
        )
    assert torch.equal(cached, slow)
    assert "generate" not in vars(bridge)


def test_texts_padded_on_the_right(
    tiny_llama: ChatModel, make_vector: MakeVector, bridge_of: Callable[..., Any]
) -> None:
    """The bridge gives no mask for them, so nobody could say which token is the last."""
    bridge, vector = bridge_of(tiny_llama), make_vector(tiny_llama)
    bridge.tokenizer.padding_side = "right"
    texts = ["Count the words.", "Write a short story about a cat and a boat."]
    with torch.no_grad():
        with in_lens.steered(bridge, Plan.add(vector, scope="last"), 1.0):
            with pytest.raises(PlanError, match='padding_side="left"'):
                bridge(texts)
            together = bridge(texts, padding_side="left")
            alone = bridge(texts[0])
        torch.testing.assert_close(together[0, -1], alone[0, -1], rtol=1e-4, atol=1e-4)
        with in_lens.steered(bridge, vector, 1.0):
            bridge(texts)


def test_a_bridge_in_compatibility_mode(
    model: ChatModel, make_vector: MakeVector, bridge_of: Callable[..., Any]
) -> None:
    bridge, vector = bridge_of(model), make_vector(model)
    bridge.enable_compatibility_mode(disable_warnings=True)
    if model.name == "tiny-gpt2":
        with (
            pytest.raises(ModelError, match="taken the mean out"),
            in_lens.steered(bridge, vector, model=model),
        ):
            pass
        return
    with torch.no_grad(), in_lens.steered(bridge, vector, 1.0, model=model):
        found = bridge(torch.tensor([PROMPTS[1]])).log_softmax(-1)
    with steer.steered(model, vector, 1.0):
        torch.testing.assert_close(found, logits_of(model).log_softmax(-1), rtol=1e-3, atol=1e-3)


def test_a_hook_point_that_nothing_passes(
    tiny_llama: ChatModel,
    make_vector: MakeVector,
    bridge_of: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bridge = bridge_of(tiny_llama)
    for name in ("attn.hook_q_input", "attn.hook_nowhere"):
        monkeypatch.setattr(in_lens, "HOOKS", {**in_lens.HOOKS, "resid_post": name})
        with (
            pytest.raises(PlanError, match="nothing passes"),
            in_lens.steered(bridge, make_vector(tiny_llama), model=tiny_llama),
        ):
            pass


# A model that nnsight has wrapped.


@pytest.fixture
def traced(model: ChatModel) -> Any:
    from nnsight import TransformersModel

    hf, tokenizer = copy.deepcopy(model.hf), copy.deepcopy(model.tokenizer)
    return TransformersModel(hf, tokenizer=tokenizer, task="text-generation")


def layer_of(traced: Any, model: ChatModel, at: int) -> Any:
    return traced.transformer.h[at] if model.name == "tiny-gpt2" else traced.model.layers[at]


def first_of(output: Any) -> Tensor:
    found: Tensor = output[0] if isinstance(output, tuple) else output
    return found


def test_invokes_of_one_trace_are_steered_each_at_its_own_strength(
    model: ChatModel, make_vector: MakeVector, traced: Any
) -> None:
    import nnsight

    plan, strengths = Plan.add(make_vector(model, gap=3.0), scope="-2:"), [1.0, 0.0, -1.5]
    texts = ["Count the words.", "Hi", "Write a short story about a cat and a boat."]
    with in_nnsight.steered(traced, plan, strengths) as steering, traced.trace() as tracer:
        found = nnsight.save([])
        for text in texts:
            with tracer.invoke(text):
                found.append(traced.output.logits[:, -1].save())
    for text, strength, logits in zip(texts, strengths, found, strict=True):
        with steer.steered(model, plan, strength):
            alone = logits_of(model, model.tokenizer(text)["input_ids"])[:, -1]
        torch.testing.assert_close(logits, alone, rtol=1e-4, atol=1e-4)
    assert steering.edited == 4


def test_a_trace_reads_what_the_edits_left(model: ChatModel, make_vector: MakeVector, traced: Any) -> None:
    """Also before the site, and beside an edit of the user's own, which stays."""
    vector, ids = make_vector(model, gap=3.0), torch.tensor([PROMPTS[1]])
    with traced.edit(inplace=True):
        first_of(layer_of(traced, model, 2).output)[:] = 0
    with traced.trace(ids):
        plain = first_of(layer_of(traced, model, 1).output).clone().save()
        end = traced.output.logits.save()
    with in_nnsight.steered(traced, vector, 1.0) as steering:
        with traced.trace(ids):
            below = first_of(layer_of(traced, model, 0).output).clone().save()
            moved = first_of(layer_of(traced, model, 1).output).clone().save()
            zero = first_of(layer_of(traced, model, 2).output).clone().save()
        steering.set(-0.5)
        with traced.trace(ids):
            back = first_of(layer_of(traced, model, 1).output).clone().save()
    with traced.trace(ids):
        after = traced.output.logits.save()
    direction = 3.0 * vector.directions[1]
    torch.testing.assert_close(moved - plain, direction.expand_as(plain), rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(back - plain, -0.5 * direction.expand_as(plain), rtol=1e-4, atol=1e-5)
    assert below.shape == plain.shape
    assert not zero.any()
    assert torch.equal(after, end)


def test_generations_of_invokes(model: ChatModel, make_vector: MakeVector, traced: Any) -> None:
    """At every token, beside a loop of the user's own, beams too."""
    plan = Plan.add(make_vector(model, gap=3.0), scope="generation")
    texts, strengths = ["Count the words.", "Write a short story about a cat and a boat."], [1.0, -1.5]
    own = {"max_new_tokens": MOST, "min_new_tokens": MOST, "do_sample": False}
    with (
        in_nnsight.steered(traced, plan, strengths),
        traced.generate(**own) as tracer,
    ):
        with tracer.invoke(texts[0]):
            norms = [].save()
            for _ in tracer.iter[:MOST]:
                norms.append(first_of(layer_of(traced, model, 1).output)[:, -1].norm())
        with tracer.invoke(texts[1]):
            pass
        with tracer.invoke():
            found = tracer.result.save()
    with in_nnsight.steered(traced, plan, strengths), traced.generate(num_beams=2, **own) as tracer:
        with tracer.invoke(texts):
            pass
        with tracer.invoke():
            beams = tracer.result.save()
    for at, (text, strength) in enumerate(zip(texts, strengths, strict=True)):
        ids = torch.tensor([model.tokenizer(text)["input_ids"]])
        own |= {"attention_mask": torch.ones_like(ids), "pad_token_id": 0}
        with steer.steered(model, plan, strength):
            alone, best = (model.hf.generate(ids, num_beams=width, **own) for width in (1, 2))
        assert found[at, -MOST:].tolist() == alone[0, -MOST:].tolist()
        assert beams[at, -MOST:].tolist() == best[0, -MOST:].tolist()
    assert len(norms) == MOST
    assert all(math.isfinite(float(norm)) for norm in norms)


def test_a_block_that_fails_leaves_no_edit(model: ChatModel, make_vector: MakeVector, traced: Any) -> None:
    with (
        pytest.raises(PlanError, match="3 strengths for a batch of 1"),
        in_nnsight.steered(traced, make_vector(model), [1.0, 0.0, 1.0]),
        traced.trace(torch.tensor([[5, 6]])),
    ):
        pass
    ids = torch.tensor([PROMPTS[1]])
    with traced.trace(ids):
        logits = traced.output.logits.save()
    torch.testing.assert_close(logits, logits_of(model))


@pytest.mark.parametrize("stop", [0, 2])  # before the edit, and after it
def test_a_forward_that_the_edit_does_not_see(
    model: ChatModel, make_vector: MakeVector, traced: Any, stop: int
) -> None:
    """A trace of a part of the wrapper, or the module itself: refused, for it would be the plain model's."""
    part, ids = traced.transformer if model.name == "tiny-gpt2" else traced.model, torch.tensor([[5, 6]])
    with in_nnsight.steered(traced, make_vector(model), 1.0):
        with pytest.raises(PlanError, match="outside a trace"), part.trace(ids):
            pass
        with pytest.raises(PlanError, match="outside a trace"):
            traced.pipeline.model(input_ids=ids)
        with traced.trace(ids) as tracer:
            first_of(layer_of(traced, model, stop).output)
            tracer.stop()
        with pytest.raises(PlanError, match="outside a trace"):
            traced.pipeline.model(input_ids=ids)
        with traced.trace(ids):
            pass
    traced.pipeline.model(input_ids=ids)


def test_another_kind_of_wrapper(model: ChatModel, make_vector: MakeVector) -> None:
    import nnsight

    with (
        pytest.raises(ModelError),
        in_nnsight.steered(nnsight.NNsight(copy.deepcopy(model.hf)), make_vector(model)),
    ):
        pass
