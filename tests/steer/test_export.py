"""What leaves as a file does what the plan does: constants to the digit, ablation as the formula of the writers says."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import gguf
import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor
from transformers import AutoModelForCausalLM

import steer
from steer.export import export_control_vector, export_gguf_lora, export_lora, export_weights, weights
from steer.export.writers import writers
from steer.plan import Edit, Gate, Plan, Probe
from steer_kernels import SteerError
from steer_vectors.interop import import_gguf
from steer_vectors.models import ChatModel, load
from steer_vectors.site import Site

pytestmark = [  # of peft
    pytest.mark.filterwarnings("ignore:Model (with|has) `tie_word_embeddings=True`:UserWarning"),
    pytest.mark.filterwarnings("ignore:`is_gradient_checkpointing` is deprecated:FutureWarning"),
]
IDS = torch.randint(10, 200, (2, 9), generator=torch.Generator().manual_seed(0))
ON = {"strength": 1.0}


@pytest.fixture(scope="module")
def vector(tiny_llama: ChatModel, make_vector: Callable[..., steer.Vector]) -> steer.Vector:
    return make_vector(tiny_llama, layer=2, gap=1.5)


@pytest.fixture(scope="module")
def other(tiny_llama: ChatModel, make_vector: Callable[..., steer.Vector]) -> steer.Vector:
    return make_vector(tiny_llama, layer=3, gap=0.5, seed=7)


@pytest.fixture
def untied(make_llama: Callable[..., ChatModel]) -> ChatModel:
    """A Llama whose unembedding is its own."""
    made = make_llama("untied", seed=4)
    made.hf.config.tie_word_embeddings = False
    own = torch.nn.Parameter(torch.randn_like(made.hf.lm_head.weight) * 0.2, requires_grad=False)
    made.hf.lm_head.weight = own
    return made


def logits(hf: Any) -> Tensor:
    with torch.no_grad():
        found: Tensor = hf(input_ids=IDS).logits
    return found


def steered(model: ChatModel, plan: Plan, strengths: dict[str, float]) -> Tensor:
    with steer.steered(model, plan, dict(strengths)):
        return logits(model.hf)


def stock(folder: Path) -> Any:
    """As anybody loads it."""
    return AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32)


def edited(model: ChatModel, units: list[Tensor], strength: float, *, embedding: bool = True) -> Any:
    """The formula itself: a copy whose writers have lost a share of each direction; its unembedding is the model's."""
    hf = copy.deepcopy(model.hf)
    hf.lm_head.weight = torch.nn.Parameter(model.hf.lm_head.weight.clone(), requires_grad=False)
    for unit in units:
        keep = torch.eye(len(unit)) - strength * torch.outer(unit, unit)
        for layer in hf.model.layers:
            for matrix in (layer.self_attn.o_proj, layer.mlp.down_proj):
                matrix.weight.data = keep @ matrix.weight.data
        if embedding:
            hf.model.embed_tokens.weight.data = hf.model.embed_tokens.weight.data @ keep.T
    return hf


def close(a: Tensor, b: Tensor) -> None:
    torch.testing.assert_close(a, b, atol=1e-4, rtol=1e-4)


# The control vector.


def test_a_control_vector_is_the_sum_of_what_is_added(
    tiny_llama: ChatModel, vector: steer.Vector, other: steer.Vector, tmp_path: Path
) -> None:
    plan = Plan((
        Edit("add", vector, (1, 2), scale=-2.0), Edit("add", other, (2,), dial="warmth"), Edit("add", other, (4,), dial="off"),
    ))  # fmt: skip
    strengths = {"strength": 0.5, "warmth": 3.0}
    assert export_control_vector(tiny_llama, plan, strengths, tmp_path / "v.gguf") == (1, 2)
    read = {t.name: torch.tensor(t.data) for t in gguf.GGUFReader(tmp_path / "v.gguf").tensors}
    torch.testing.assert_close(read.pop("direction.1"), vector.directions[1] * -1.5)
    torch.testing.assert_close(
        read.pop("direction.2"), vector.directions[2] * -1.5 + other.directions[2] * 1.5
    )
    assert not read


def test_an_imported_control_vector_steers_as_the_plan_did(
    tiny_llama: ChatModel, vector: steer.Vector, tmp_path: Path
) -> None:
    plan = Plan.add(vector, layers=(1, 2, 4))
    export_control_vector(tiny_llama, plan, {"strength": -0.7}, tmp_path / "v.gguf")
    back = import_gguf(tmp_path / "v.gguf", tiny_llama, layer=2)
    wanted = steered(tiny_llama, plan, {"strength": -0.7})
    close(steered(tiny_llama, Plan.add(back, layers=(1, 2, 4)), ON), wanted)
    assert not torch.allclose(wanted, logits(tiny_llama.hf), atol=0.1)


def beyond(vector: steer.Vector, other: steer.Vector) -> dict[str, tuple[Plan, str]]:
    """What no constant is, and what to do instead."""
    probe = Probe("risk", other, 1)
    return {
        "ablate": (Plan.ablate(vector), "steer export lora.*steer export weights"),
        "clamp": (Plan((Edit("clamp", vector, high=0.5),)), "transformers or vLLM"),
        "scope": (Plan.add(vector, scope="generation"), "transformers or vLLM"),
        "gate": (Plan((Edit("add", vector, gate=Gate(other, 0.1)),)), "transformers or vLLM"),
        "probe": (
            Plan((Edit("add", vector, when="risk"),), (probe,)),
            "transformers or vLLM; nearest to it is 'add'",
        ),
        "clamp behind a probe": (
            Plan((Edit("clamp", vector, high=0.5, when="risk"),), (probe,)),
            "nearest to it is 'add'",
        ),
        "norm": (Plan((Edit("add", vector, keep_norm=True),)), "transformers or vLLM"),
    }


KINDS = ("ablate", "clamp", "scope", "gate", "probe", "norm")


@pytest.mark.parametrize("kind", KINDS)
def test_a_control_vector_refuses_what_is_no_constant(
    kind: str, tiny_llama: ChatModel, vector: steer.Vector, other: steer.Vector, tmp_path: Path
) -> None:
    plan, instead = beyond(vector, other)[kind]
    # One constant among several edits does not save the others.
    mixed = Plan((Edit("add", vector), *plan.edits), plan.probes)
    for refused in (plan, mixed):
        with pytest.raises(SteerError, match=f"llama.cpp control vector cannot express.*{instead}"):
            export_control_vector(tiny_llama, refused, ON, tmp_path / "v.gguf")
    assert not any(tmp_path.iterdir())


def test_layer_0_and_nothing_are_refused(tiny_llama: ChatModel, vector: steer.Vector, tmp_path: Path) -> None:
    with pytest.raises(SteerError, match="layer 0.*steer export weights"):
        export_control_vector(tiny_llama, Plan.add(vector, layers=(0, 1)), ON, tmp_path / "v.gguf")
    with pytest.raises(SteerError, match="strength 0"):
        export_control_vector(tiny_llama, Plan.add(vector), {"strength": 0.0}, tmp_path / "v.gguf")
    for write in (export_weights, export_lora):
        with pytest.raises(SteerError, match="strength 0"):
            write(tiny_llama, Plan.ablate(vector), {}, tmp_path / "w")
    assert not any(tmp_path.iterdir())


# Weights.


@pytest.mark.parametrize("layers", [(0,), (2,), (4,), (0, 1, 4)])
def test_a_bias_is_exact(
    layers: tuple[int, ...], tiny_llama: ChatModel, vector: steer.Vector, tmp_path: Path
) -> None:
    plan, strengths = Plan.add(vector, layers=layers), {"strength": -0.8}
    found = export_weights(tiny_llama, plan, strengths, tmp_path / "w")
    assert found.to_steered < 1e-4 < 0.1 < found.moved == pytest.approx(found.steering, abs=1e-4)
    baked = stock(tmp_path / "w")
    close(logits(baked), steered(tiny_llama, plan, strengths))
    # Only the biases that were wanted are not 0, and nothing else has changed.
    plain = tiny_llama.hf.state_dict()
    for name, tensor in baked.state_dict().items():
        wanted = (
            vector.directions[int(name.split(".")[2])] * -1.2
            if name.endswith("down_proj.bias") and int(name.split(".")[2]) in layers
            else plain.get(name, torch.zeros_like(tensor))
        )
        torch.testing.assert_close(tensor, wanted)


def test_orthogonalised_writers_are_the_formula(
    tiny_llama: ChatModel, vector: steer.Vector, other: steer.Vector, tmp_path: Path
) -> None:
    units = [vector.directions[2], other.directions[3]]
    plan = Plan((Edit("ablate", vector), Edit("ablate", other)))
    for strength in (1.0, 0.4, -0.5):
        found = export_weights(tiny_llama, plan, {"strength": strength}, tmp_path / f"{strength}")
        close(logits(stock(tmp_path / f"{strength}")), logits(edited(tiny_llama, units, strength)))
        assert found.to_steered > 1e-3, "post-layer ablation is something else, and the figure says so"


def test_after_whole_ablation_nothing_of_it_is_in_the_stream(
    tiny_llama: ChatModel, vector: steer.Vector, tmp_path: Path
) -> None:
    export_weights(tiny_llama, Plan.ablate(vector), ON, tmp_path / "w")
    with torch.no_grad():
        hidden = stock(tmp_path / "w").model(input_ids=IDS, output_hidden_states=True).hidden_states[:-1]
    for rows in hidden:
        assert float((rows @ vector.directions[2]).abs().max()) < 1e-4 < float(rows.abs().max())


# Of each architecture, what can be baked in; what cannot is refused.
BIASED = {"gpt2", "gpt_neox", "llama", "phi"}
ABLATED = {"falcon", "gemma", "gpt2", "gpt_neox", "llama", "mistral", "phi", "phi3", "qwen2", "qwen3"}


@pytest.fixture
def uneven(family: ChatModel) -> ChatModel:
    """One family after the other, with biases, and norms that weigh coordinates unevenly, as trained ones have."""
    hf = copy.deepcopy(family.hf)
    draw = torch.Generator().manual_seed(5)
    for name, weight in hf.named_parameters():
        if "norm" in name or ".ln_" in name or name.endswith("bias"):
            weight.data += 0.3 * torch.randn(weight.shape, generator=draw)
    return ChatModel(hf, family.tokenizer, family.name)


def test_each_family_is_exact_or_refused(
    uneven: ChatModel, make_vector: Callable[..., steer.Vector], tmp_path: Path
) -> None:
    family, own = uneven, make_vector(uneven)
    if family.name in BIASED:
        plan = Plan.add(own, layers=(0, 2))
        export_weights(family, plan, ON, tmp_path / "add")
        close(logits(stock(tmp_path / "add")), steered(family, plan, ON))
    else:
        with pytest.raises(SteerError, match="steer export gguf|transformers or vLLM"):
            export_weights(family, Plan.add(own), ON, tmp_path / "add")
    if family.name in ABLATED:
        export_weights(family, Plan.ablate(own), ON, tmp_path / "ablate")
        baked = ChatModel(stock(tmp_path / "ablate"), family.tokenizer, "baked")
        close(baked.hf.get_output_embeddings().weight, family.hf.get_output_embeddings().weight)
        assert baked.hf.config.tie_word_embeddings is False
        for rows in streams(baked):
            assert float((rows @ own.directions[1]).abs().max()) < 1e-4 * float(rows.abs().max())
    else:
        with pytest.raises(SteerError, match="transformers or vLLM"):
            export_weights(family, Plan.ablate(own), ON, tmp_path / "ablate")
    left = {path.name for path in tmp_path.iterdir()}
    assert left == {"add"} & ({"add"} if family.name in BIASED else set()) | (
        {"ablate"} if family.name in ABLATED else set()
    )


def streams(model: ChatModel) -> list[Tensor]:
    from steer_vectors.hooks import on_layers

    found: list[Tensor] = []
    with on_layers(model.hf, dict.fromkeys(range(model.layers), lambda rows: found.append(rows.clone()))):
        logits(model.hf)
    return found


def test_weights_refuse_what_they_cannot_hold(
    tiny_llama: ChatModel, vector: steer.Vector, other: steer.Vector, tmp_path: Path
) -> None:
    for kind in KINDS[1:]:
        with pytest.raises(SteerError, match="model's weights cannot express.*transformers or vLLM"):
            export_weights(tiny_llama, beyond(vector, other)[kind][0], ON, tmp_path / "w")
    with pytest.raises(SteerError, match="'add' and 'ablate' in one plan"):
        export_weights(tiny_llama, Plan((Edit("add", vector), Edit("ablate", vector))), ON, tmp_path / "w")
    with pytest.raises(SteerError, match="2 of 5 layers.*ablate at every layer, then"):
        export_weights(tiny_llama, Plan.ablate(vector, layers=(1, 2)), ON, tmp_path / "w")
    assert not any(tmp_path.iterdir())


def test_a_bias_that_came_out_wrong_is_not_left_behind(
    tiny_llama: ChatModel, vector: steer.Vector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = weights.additions
    monkeypatch.setattr(weights, "additions", lambda *how: {k + 1: move for k, move in whole(*how).items()})
    with pytest.raises(SteerError, match="log-probabilities .* from the steered model's"):
        export_weights(tiny_llama, Plan.add(vector), ON, tmp_path / "w")
    assert not any(tmp_path.iterdir())


# LoRA.


def with_peft(model: ChatModel, folder: Path, scale: float = 1.0) -> Any:
    from peft import PeftModel
    from peft.tuners.lora import LoraLayer

    adapted = PeftModel.from_pretrained(copy.deepcopy(model.hf), str(folder))
    for module in adapted.modules():
        if isinstance(module, LoraLayer):
            module.set_scale("default", scale)
    return adapted


@pytest.mark.parametrize("embedding", [True, False])
def test_an_adapter_at_a_scale_is_the_weight_edit_at_that_scale(
    embedding: bool, tiny_llama: ChatModel, vector: steer.Vector, tmp_path: Path
) -> None:
    found = export_lora(
        tiny_llama, Plan.ablate(vector), {"strength": 0.5}, tmp_path / "l", embedding=embedding
    )
    assert found.to_steered > 1e-3
    for scale in (0.0, 1.0, 2.0, -1.0):
        wanted = edited(tiny_llama, [vector.directions[2]], 0.5 * scale, embedding=embedding)
        close(logits(with_peft(tiny_llama, tmp_path / "l", scale)), logits(wanted))


def test_an_adapter_of_two_directions(
    untied: ChatModel, make_vector: Callable[..., steer.Vector], tmp_path: Path
) -> None:
    first, second = make_vector(untied, seed=1), make_vector(untied, seed=2)
    plan = Plan((Edit("ablate", first), Edit("ablate", second)))
    export_lora(untied, plan, {"strength": 0.7}, tmp_path / "l")
    wanted = edited(untied, [first.directions[1], second.directions[1]], 0.7)
    close(logits(with_peft(untied, tmp_path / "l")), logits(wanted))
    assert json.loads((tmp_path / "l" / "adapter_config.json").read_text())["r"] == 2


def test_a_gguf_adapter_has_the_folder_s_numbers_under_llama_cpp_s_names(
    untied: ChatModel, make_vector: Callable[..., steer.Vector], tmp_path: Path
) -> None:
    plan = Plan.ablate(make_vector(untied))
    export_lora(untied, plan, ON, tmp_path / "l")
    export_gguf_lora(untied, plan, ON, tmp_path / "l.gguf")
    reader = gguf.GGUFReader(tmp_path / "l.gguf")
    assert reader.fields["general.type"].contents() == "adapter"
    assert reader.fields["adapter.lora.alpha"].contents() == 1.0
    folder = load_file(tmp_path / "l" / "adapter_model.safetensors")
    names = {"self_attn.o_proj": "attn_output", "mlp.down_proj": "ffn_down"}
    wanted = {}
    for name, tensor in folder.items():
        match = re.fullmatch(r"base_model\.model\.model\.layers\.(\d+)\.([\w.]+)\.lora_([AB])\.weight", name)
        if match:
            wanted[f"blk.{match[1]}.{names[match[2]]}.weight.lora_{match[3].lower()}"] = tensor
        else:
            end = name[-1].lower()
            wanted[f"token_embd.weight.lora_{end}"] = tensor.T if end == "a" else tensor
    assert {t.name for t in reader.tensors} == set(wanted)
    for tensor in reader.tensors:
        torch.testing.assert_close(torch.tensor(tensor.data), wanted[tensor.name].contiguous())


def test_adapters_refuse_what_they_cannot_hold(
    tiny_llama: ChatModel, tiny_gpt2: ChatModel, vector: steer.Vector, make_vector: Any, tmp_path: Path
) -> None:
    with pytest.raises(
        SteerError, match="'add', which a LoRA adapter.*steer export gguf.*steer export weights"
    ):
        export_lora(tiny_llama, Plan.add(vector), ON, tmp_path / "l")
    with pytest.raises(SteerError, match="with a bias.*steer export weights"):
        export_lora(tiny_gpt2, Plan.ablate(make_vector(tiny_gpt2)), ON, tmp_path / "l")
    export_weights(tiny_llama, Plan.add(vector), ON, tmp_path / "w")
    baked = load(str(tmp_path / "w"))
    with pytest.raises(SteerError, match="down_proj, which is a Linear with a bias.*steer export weights"):
        export_lora(baked, Plan.ablate(make_vector(baked)), ON, tmp_path / "l")
    with pytest.raises(SteerError, match="unembedding too.*--no-embedding"):
        export_gguf_lora(tiny_llama, Plan.ablate(vector), ON, tmp_path / "l.gguf")
    with pytest.raises(SteerError, match="model type 'gpt2'"):
        export_gguf_lora(tiny_gpt2, Plan.ablate(make_vector(tiny_gpt2)), ON, tmp_path / "l.gguf")
    assert [path.name for path in tmp_path.iterdir()] == ["w"]


# All of them.


def test_writers_that_are_missed_are_noticed(
    tiny_llama: ChatModel, vector: steer.Vector, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert [w.name for w in writers(tiny_llama)][:2] == [
        "model.embed_tokens",
        "model.layers.0.self_attn.o_proj",
    ]
    assert len(writers(tiny_llama)) == 11
    monkeypatch.setattr(weights, "writers", lambda model: writers(model)[:-2])
    with pytest.raises(SteerError, match="keeps .* of a direction that no known matrix writes"):
        export_weights(tiny_llama, Plan.ablate(vector), ON, tmp_path / "w")


def test_the_model_is_what_it_was(tiny_llama: ChatModel, vector: steer.Vector, tmp_path: Path) -> None:
    before = {name: tensor.clone() for name, tensor in tiny_llama.hf.state_dict().items()}
    plain = logits(tiny_llama.hf)
    export_weights(tiny_llama, Plan.add(vector), ON, tmp_path / "a")
    export_weights(tiny_llama, Plan.ablate(vector), ON, tmp_path / "b")
    export_lora(tiny_llama, Plan.ablate(vector), ON, tmp_path / "c")
    assert all(torch.equal(before[name], tensor) for name, tensor in tiny_llama.hf.state_dict().items())
    assert torch.equal(logits(tiny_llama.hf), plain)
    assert tiny_llama.hf.config.mlp_bias is False
    assert tiny_llama.hf.config.tie_word_embeddings is True


def test_another_model_s_plan_is_refused(
    tiny_llama: ChatModel, make_llama: Any, make_vector: Any, tmp_path: Path
) -> None:
    foreign = make_vector(make_llama("other", seed=9))
    for write, plan in (
        (export_control_vector, Plan.add(foreign)), (export_lora, Plan.ablate(foreign)), (export_weights, Plan.add(foreign)),
    ):  # fmt: skip
        with pytest.raises(SteerError, match="a vector of other for tiny-llama"):
            write(tiny_llama, plan, ON, tmp_path / "out")
    assert not any(tmp_path.iterdir())


def test_what_is_there_is_kept(tiny_llama: ChatModel, vector: steer.Vector, tmp_path: Path) -> None:
    kept = tmp_path / "w" / "mine.txt"
    kept.parent.mkdir()
    kept.write_text("mine")
    for write, plan in ((export_weights, Plan.add(vector)), (export_lora, Plan.ablate(vector))):
        with pytest.raises(SteerError, match="something is already"):
            write(tiny_llama, plan, ON, tmp_path / "w")
    assert [path.name for path in tmp_path.rglob("*")] == ["w", "mine.txt"]


@pytest.mark.parametrize("write", [export_weights, export_lora, export_gguf_lora])
def test_nothing_is_half_written(
    write: Any, untied: ChatModel, make_vector: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_named: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("steer.export.lora.save_file", full)
    monkeypatch.setattr(type(untied.tokenizer), "save_pretrained", full)
    monkeypatch.setattr(gguf.GGUFWriter, "write_tensors_to_file", full)
    with pytest.raises(SteerError, match="No space left"):
        write(untied, Plan.ablate(make_vector(untied)), ON, tmp_path / "out")
    assert not any(tmp_path.iterdir())


# The command line.


@pytest.fixture
def place(
    tiny_folder: Path, make_vector: Callable[..., steer.Vector], tmp_path: Path
) -> tuple[str, str, Path]:
    """A model's folder, a vector of it, and where to write."""
    model = steer.load(str(tiny_folder))
    steer.save_vector(make_vector(model, layer=2), tmp_path / "v.safetensors")
    return str(tiny_folder), str(tmp_path / "v.safetensors"), tmp_path


def test_the_commands_write(cli: Any, place: tuple[str, str, Path]) -> None:
    model, vector, folder = place
    out = str(folder / "v.gguf")
    said = json.loads(
        cli.done("export", "gguf", model, "--vector", vector, "--strength", "-1", "-o", out, "--json")
    )
    assert said == {"written": out, "layers": [2], "strengths": {"strength": -1.0}}
    assert cli.done("export", "gguf", model, "--vector", vector, "-o", out).startswith(
        f"written: {out}, which adds"
    )
    assert "layer 2, class gap 2" in cli.done(
        "import", "gguf", model, out, "-o", str(folder / "back.safetensors")
    )
    assert steer.load_vector(folder / "back.safetensors").site == Site(2)
    for name in ("lora", "weights"):
        shown = cli.done("export", name, model, "--vector", vector, "--ablate", "-o", str(folder / name))
        assert re.search(r"from the steered model, where steering moves it by \d", shown)
    lora = ("export", "lora", model, "--vector", vector, "--ablate", "-o", str(folder / "l.gguf"))
    assert json.loads(cli.done(*lora, "--no-embedding", "--json"))["to_steered"] > 0
    assert "--no-embedding" in cli.refused(*lora)


def test_a_policy_is_exported_where_it_stands(cli: Any, place: tuple[str, str, Path]) -> None:
    from steer.policy import Dial, save_policy

    model, vector, folder = place
    plan = Plan((Edit("add", steer.load_vector(vector), dial="refusal"),))
    save_policy(plan, folder / "p.toml", {"refusal": Dial(-0.5, -1.0, 1.0, {"strict": 1.0})})
    told = (
        "export",
        "gguf",
        model,
        "--policy",
        str(folder / "p.toml"),
        "-o",
        str(folder / "p.gguf"),
        "--json",
    )
    assert json.loads(cli.done(*told))["strengths"] == {"refusal": -0.5}
    assert json.loads(cli.done(*told, "--strength", "strict"))["strengths"] == {"refusal": 1.0}
    assert "stay within the bounds" in cli.refused(*told[:-1], "--strength", "refusal=2")
    assert "say it in the policy" in cli.refused(
        "export", "weights", model, "--policy", str(folder / "p.toml"), "--ablate", "-o", str(folder / "w")
    )


def test_the_commands_refuse_before_the_model_is_loaded(cli: Any, tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    for name in ("gguf", "lora", "weights"):
        assert "another" in cli.refused("export", name, "no/model", "--vector", "v", "-o", str(there))
    assert "neither" in cli.refused("export", "gguf", "no/model", "-o", str(tmp_path / "v.gguf"))
