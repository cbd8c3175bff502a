"""llama.cpp gives the logits of transformers, plain and steered, at every layer that it can steer; the rest it refuses."""

from __future__ import annotations

import copy
import ctypes
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch
from torch import Tensor

import steer
from steer.dials import Policy
from steer.equivalence import Runtime, Said
from steer.errors import PlanError
from steer.export import export_control_vector, export_gguf_lora, export_lora, export_weights
from steer.plan import Edit, Gate, Plan, Probe
from steer.policy import Dial
from steer_vectors.chat import prompt_ids
from steer_vectors.errors import MismatchError, ModelError
from steer_vectors.models import ChatModel, load

pytestmark = [
    pytest.mark.runtime,
    pytest.mark.filterwarnings("ignore:Model (with|has) `tie_word_embeddings=True`:UserWarning"),  # of peft
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]
pytest.importorskip("llama_cpp")

PROMPTS = ("How do I kill a process on my computer?", "Name a fruit.")
BOUND = 1e-4  # of a log-probability, in float32
ON = {"strength": 1.0}


@pytest.fixture(scope="module")
def files(to_gguf: Any, tmp_path_factory: pytest.TempPathFactory) -> Callable[[ChatModel], Path]:
    """GGUF files of models, each written once."""
    folder, written = tmp_path_factory.mktemp("gguf"), dict[int, Path]()

    def find(model: ChatModel) -> Path:
        if id(model) not in written:
            written[id(model)] = to_gguf(model, folder / f"{len(written)}.gguf")
        return written[id(model)]

    return find


@pytest.fixture(scope="module")
def reference() -> ChatModel:
    return steer.load("reference:aligned")


@pytest.fixture(scope="module", params=["tiny_llama", "reference"])
def model(request: pytest.FixtureRequest) -> Any:
    """Random weights with grouped queries; trained ones."""
    return request.getfixturevalue(request.param)


@pytest.fixture(scope="module")
def vector(model: ChatModel, make_vector: Callable[..., steer.Vector]) -> steer.Vector:
    return make_vector(model, gap=0.5 * model.width**0.5)


@pytest.fixture
def llama(files: Any) -> Callable[[ChatModel, Plan], Any]:
    def start(model: ChatModel, plan: Plan, **dials: Dial) -> Any:
        from steer.plugins.llama_cpp import LlamaCpp

        return LlamaCpp(files(model), Policy(plan, dials))

    return start


def ids_of(model: ChatModel) -> list[list[int]]:
    return [prompt_ids(model.tokenizer, prompt) for prompt in PROMPTS]


def transformers(model: ChatModel, plan: Plan, strengths: dict[str, float], most: int = 4) -> list[Said]:
    """The judge."""
    found = []
    for ids in ids_of(model):
        with torch.no_grad(), steer.steered(model, plan, dict(strengths)):
            logprobs = model.hf(torch.tensor([ids])).logits[0, -1].log_softmax(-1)
            row = model.hf.generate(torch.tensor([ids]), max_new_tokens=most, do_sample=False)[0]
        said = row[len(ids) :].tolist()
        found.append(Said(logprobs, tuple(t for t in said if t != model.tokenizer.eos_token_id)))
    return found


def gap(first: list[Said], second: list[Said]) -> float:
    return max(float((a.logprobs - b.logprobs).abs().max()) for a, b in zip(first, second, strict=True))


def say(runtime: Runtime, model: ChatModel, strengths: dict[str, float], most: int = 4) -> list[Said]:
    return runtime.say(ids_of(model), [strengths] * len(PROMPTS), most)


def test_plain_and_steered_at_every_layer_and_at_no_neighbour(
    model: ChatModel, vector: steer.Vector, llama: Any
) -> None:
    plain = transformers(model, Plan.add(vector), {"strength": 0.0})
    live = [transformers(model, Plan.add(vector, layers=(layer,)), ON) for layer in range(model.layers)]
    for layer in range(1, model.layers):
        runtime = llama(model, Plan.add(vector, layers=(layer,)))
        found = say(runtime, model, {"strength": 0.0})
        assert gap(found, plain) < BOUND
        assert [own.tokens for own in found] == [own.tokens for own in plain]
        found = say(runtime, model, ON)
        assert gap(found, live[layer]) < BOUND
        assert [own.tokens for own in found] == [own.tokens for own in live[layer]]
        assert gap(found, plain) > 0.05, "it moves"
        for neighbour in {layer - 1, layer + 1} & set(range(model.layers)):
            assert gap(found, live[neighbour]) > 0.05, "numbering off by one would be seen"


def test_each_request_has_its_strengths(model: ChatModel, vector: steer.Vector, llama: Any) -> None:
    last = model.layers - 1
    plan = Plan((Edit("add", vector, (1, 2), scale=-0.5), Edit("add", vector, (2, last), dial="warmth")))
    asked = [
        {"strength": 1.0},
        {"strength": 1.0, "warmth": -0.5},
        {"strength": 0.0, "warmth": 0.0},
        {"warmth": 2.0},
    ]
    runtime = llama(model, plan, warmth=Dial(0.0, -3.0, 3.0, {}))
    found = runtime.say([ids_of(model)[0]] * len(asked), asked, 4)
    for own, strengths in zip(found, asked, strict=True):
        live = transformers(model, plan, {"strength": 1.0, "warmth": 0.0} | strengths)[:1]
        assert gap([own], live) < BOUND
        assert own.tokens == live[0].tokens
    assert gap(found[:-1], found[1:]) > 0.05


def test_off_is_the_plain_model_to_the_bit_and_on_comes_back(
    model: ChatModel, vector: steer.Vector, llama: Any
) -> None:
    runtime = llama(model, Plan.add(vector, layers=(2,)))
    turns = [say(runtime, model, {"strength": strength}) for strength in (0.0, 1.0, 0.0, 1.0)]
    for first, second in ((turns[0], turns[2]), (turns[1], turns[3])):
        for a, b in zip(first, second, strict=True):
            assert torch.equal(a.logprobs, b.logprobs)
            assert a.tokens == b.tokens
    assert gap(turns[0], turns[1]) > 0.05


def test_what_was_computed_at_another_strength_is_not_used(
    model: ChatModel, vector: steer.Vector, llama: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    from llama_cpp import llama_cpp as api

    ids = ids_of(model)[0]
    runtime = llama(model, Plan.add(vector, layers=(1,)))
    (fresh,) = runtime.say([ids], [ON], 1)
    runtime.say([ids], [{"strength": 0.0}], 1)
    (cleared,) = runtime.say([ids], [ON], 1)
    assert torch.equal(cleared.logprobs, fresh.logprobs)
    # Were all but the last token's keys kept from the turn before, the answer would be another.
    runtime.say([ids], [{"strength": 0.0}], 1)
    memory = api.llama_get_memory(runtime._live)

    def keep() -> None:
        api.llama_memory_seq_rm(memory, 0, len(ids) - 1, -1)

    whole = runtime.read
    monkeypatch.setattr(runtime, "forget", keep)
    monkeypatch.setattr(runtime, "read", lambda tokens: whole(tokens[-1:]))
    (stale,) = runtime.say([ids], [ON], 1)
    assert gap([stale], [fresh]) > 100 * BOUND


def test_long_prompts_are_read_in_pieces(
    tiny_llama: ChatModel, make_vector: Any, llama: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    import steer.plugins.llama_cpp as plugin

    monkeypatch.setattr(plugin, "_AT_ONCE", 5)
    plan = Plan.add(make_vector(tiny_llama), layers=(1,))
    found = say(llama(tiny_llama, plan), tiny_llama, ON)
    assert min(map(len, ids_of(tiny_llama))) > 5
    assert gap(found, transformers(tiny_llama, plan, ON)) < BOUND


def test_an_exported_file_says_to_llama_cpp_what_the_plan_says(
    model: ChatModel, vector: steer.Vector, llama: Any, tmp_path: Path
) -> None:
    from llama_cpp import llama_cpp as api

    plan = Plan.add(vector, layers=(1, 3, model.layers - 1))
    export_control_vector(model, plan, {"strength": -1.0}, tmp_path / "v.gguf")
    rows = np.zeros((model.layers - 1, model.width), np.float32)  # as llama.cpp's own loader lays them out
    for tensor in gguf.GGUFReader(tmp_path / "v.gguf").tensors:
        rows[int(tensor.name.removeprefix("direction.")) - 1] = tensor.data
    runtime = llama(model, plan)
    data = rows.ctypes.data_as(ctypes.POINTER(ctypes.c_float))
    runtime.steer = lambda _strengths: api.llama_set_adapter_cvec(
        runtime._live, data, rows.size, model.width, 1, model.layers - 1
    )
    assert gap(say(runtime, model, ON), transformers(model, plan, {"strength": -1.0})) < BOUND


def test_what_llama_cpp_cannot_do_is_refused(tiny_llama: ChatModel, make_vector: Any, llama: Any) -> None:
    vector = make_vector(tiny_llama)
    probed = Plan((Edit("add", vector, when="risk"),), (Probe("risk", vector, 1),))
    for plan, instead in (
        (Plan.ablate(vector), "steer export lora.*steer export weights"),
        (Plan((Edit("affine", vector),)), "transformers or vLLM"),
        (Plan.add(vector, scope="last"), "transformers or vLLM"),
        (Plan((Edit("add", vector, gate=Gate(vector, 0.0)),)), "transformers or vLLM"),
        (probed, "transformers or vLLM"),
        (Plan.add(vector, layers=(0,)), "a later layer, or `steer export weights`"),
    ):
        with pytest.raises(PlanError, match=f"cannot express.*{instead}"):
            llama(tiny_llama, plan)


def test_mistakes_are_one_line(
    tiny_llama: ChatModel, make_llama: Any, make_vector: Any, llama: Any, tmp_path: Path
) -> None:
    from steer.plugins.llama_cpp import LlamaCpp

    plan = Plan.add(make_vector(tiny_llama))
    with pytest.raises(MismatchError, match="5 layers of width 32 .*; expected 3 layers of width 16"):
        llama(make_llama("narrow", layers=3, width=16), plan)
    broken = tmp_path / "broken.gguf"
    broken.write_bytes(b"GGUF, or not")
    for path, said in ((broken, "does not load"), (tmp_path / "none.gguf", "no file")):
        with pytest.raises(ModelError, match=said):
            LlamaCpp(path, Policy(plan, {}))
    runtime = llama(tiny_llama, plan, strength=Dial(0.0, -1.0, 1.0, {}))
    for ids in ([], [400], [-1], [5] * 250):
        with pytest.raises(ModelError, match=r"256 at most together, each from 0 to 399"):
            runtime.say([ids], [ON], 8)
    with pytest.raises(PlanError, match="within the bounds"):
        runtime.say([[5]], [{"strength": 2.0}], 1)
    with pytest.raises(PlanError, match="dial 'warmth'"):
        runtime.say([[5]], [{"warmth": 1.0}], 1)


# Adapters and baked weights.


@pytest.fixture
def untied(make_llama: Callable[..., ChatModel]) -> ChatModel:
    """A Llama whose unembedding is its own."""
    made = make_llama("untied", seed=4)
    made.hf.config.tie_word_embeddings = False
    own = torch.randn(made.hf.lm_head.weight.shape, generator=torch.Generator().manual_seed(1)) * 0.2
    made.hf.lm_head.weight = torch.nn.Parameter(own, requires_grad=False)
    return made


def adapted(model: ChatModel, folder: Path, scale: float) -> list[Tensor]:
    """By PEFT, in transformers."""
    from peft import PeftModel
    from peft.tuners.lora import LoraLayer

    hf: Any = PeftModel.from_pretrained(copy.deepcopy(model.hf), str(folder))
    for module in hf.modules():
        if isinstance(module, LoraLayer):
            module.set_scale("default", scale)
    with torch.no_grad():
        return [hf(torch.tensor([ids])).logits[0, -1].log_softmax(-1) for ids in ids_of(model)]


@pytest.mark.parametrize("embedding", [True, False])
def test_an_adapter_at_a_scale_is_the_same_as_in_peft(
    embedding: bool, untied: ChatModel, reference: ChatModel, make_vector: Any, llama: Any, tmp_path: Path
) -> None:
    from llama_cpp import llama_cpp as api

    model = untied if embedding else reference
    plan = Plan((Edit("ablate", make_vector(model, seed=1)), Edit("ablate", make_vector(model, seed=2))))
    export_lora(model, plan, ON, tmp_path / "l", embedding=embedding)
    export_gguf_lora(model, plan, ON, tmp_path / "l.gguf", embedding=embedding)
    runtime = llama(model, Plan.add(make_vector(model)))
    live = api.llama_adapter_lora_init(api.llama_get_model(runtime._live), str(tmp_path / "l.gguf").encode())
    assert live
    plain = adapted(model, tmp_path / "l", 0.0)
    for scale in (1.0, 0.3, -1.0):  # per request, in one context
        api.llama_set_adapters_lora(
            runtime._live, (api.llama_adapter_lora_p_ctypes * 1)(live), 1, (ctypes.c_float * 1)(scale)
        )
        found = say(runtime, model, {"strength": 0.0}, 1)
        wanted = adapted(model, tmp_path / "l", scale)
        for own, other, unmoved in zip(found, wanted, plain, strict=True):
            torch.testing.assert_close(own.logprobs, other, atol=BOUND, rtol=0)
            assert float((other - unmoved).abs().max()) > 0.01


@pytest.mark.parametrize("kind", ["add", "ablate"])
def test_baked_weights_are_the_same_in_llama_cpp(
    kind: str, tiny_llama: ChatModel, make_vector: Any, llama: Any, tmp_path: Path
) -> None:
    vector = make_vector(tiny_llama)
    plan = Plan.add(vector, layers=(0, 2)) if kind == "add" else Plan.ablate(vector)
    export_weights(tiny_llama, plan, ON, tmp_path / "w")
    baked = load(str(tmp_path / "w"))
    nothing = Plan.add(make_vector(baked))
    found = say(llama(baked, nothing), baked, {"strength": 0.0})
    assert gap(found, transformers(baked, nothing, {"strength": 0.0})) < BOUND
    if kind == "add":
        assert gap(found, transformers(tiny_llama, plan, ON)) < BOUND


def test_the_page_s_python_runs(
    reference: ChatModel,
    files: Any,
    make_vector: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: Any,
) -> None:
    page = Path(__file__).parents[2] / "docs" / "llama-cpp.md"
    blocks = re.findall(r"^```py\n(.*?)^```$", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    vector = make_vector(reference, layer=4, gap=8.0)
    (tmp_path / "model.gguf").symlink_to(files(reference))
    steer.save_vector(vector, tmp_path / "refusal.safetensors")
    export_lora(reference, Plan.ablate(vector), ON, tmp_path / "none")
    monkeypatch.chdir(tmp_path)
    exec("\n".join(blocks), {})
    assert len(blocks) == 2
    assert len(capsys.readouterr().out.splitlines()) >= 2
