"""What evaluation harnesses are told, without any of them: names with strengths, refusals, the file for lm-eval's `steered`."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

import steer
from steer.asked import asked, dtype_of, split_name
from steer.dials import Policy
from steer.errors import PlanError
from steer.export.lm_eval import export_steered
from steer.plan import Edit, Gate, Plan, Probe
from steer.policy import Dial, save_policy
from steer_vectors.errors import MismatchError
from steer_vectors.interop.lm_eval import hookpoints, import_lm_eval


@pytest.fixture
def policy(tiny_llama: Any, make_vector: Any, tmp_path: Path) -> Path:
    vector = make_vector(tiny_llama)
    plan = Plan((Edit("add", vector, dial="refusal"), Edit("add", vector, (2,), dial="warmth", scale=-1.0)))
    path = tmp_path / "policy.toml"
    save_policy(plan, path, {"refusal": Dial(0.25, -1, 1, {"mild": 0.5})})
    return path


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("gpt", ("gpt", None)),
        ("org/name@refusal=0.5", ("org/name", "refusal=0.5")),
        ("reference:aligned@mild", ("reference:aligned", "mild")),
        ("/a@b/model@-1", ("/a@b/model", "-1")),
    ],
)
def test_strengths_stand_behind_the_last_at(name: str, expected: tuple[str, str | None]) -> None:
    assert split_name(name) == expected


def test_a_folder_of_that_name_is_a_name(tmp_path: Path) -> None:
    folder = tmp_path / "model@2"
    folder.mkdir()
    assert split_name(str(folder)) == (str(folder), None)
    assert split_name(f"{folder}@0.5") == (str(folder), "0.5")


@pytest.mark.parametrize("name", ["model@", "@0.5", " @ "])
def test_half_a_name_is_refused(name: str) -> None:
    with pytest.raises(PlanError, match="NAME@refusal=0.5"):
        split_name(name)


def test_a_name_is_read_in_the_grammar_of_the_policy(policy: Path) -> None:
    assert asked("m@refusal=-0.5", policy).strengths == {"refusal": -0.5, "warmth": 1.0}
    assert asked("m@mild", policy).strengths == {"refusal": 0.5, "warmth": 1.0}
    assert asked("m", policy).strengths == {"refusal": 0.25, "warmth": 1.0}
    assert asked("m", policy, strength="refusal=1,warmth=0").strengths == {"refusal": 1.0, "warmth": 0.0}
    assert asked("m@refusal=0,warmth=0", policy).plain
    assert not asked("m@refusal=0", policy).plain
    assert asked("m").plain


@pytest.mark.parametrize(
    ("name", "given", "said"),
    [
        ("m@0.5", {}, "of nothing"),
        ("m", {"strength": 0.5}, "of nothing"),
        ("m@refusal=2", {"policy": ...}, "-1 to 1"),
        ("m@strict", {"policy": ...}, "mild"),
        ("m@0.5", {"policy": ...}, "2 dials"),
        ("m@angle=1", {"policy": ...}, "dial 'angle'"),
        ("m@mild", {"policy": ..., "strength": "mild"}, "beside it"),
        ("m", {"policy": ..., "vector": "v.safetensors"}, "both a policy and a vector"),
    ],
)
def test_what_cannot_be_meant_is_refused(policy: Path, name: str, given: dict[str, Any], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        asked(name, **{key: policy if value is ... else value for key, value in given.items()})


def test_each_setting_has_a_hash_of_its_own(policy: Path) -> None:
    one = asked("m@mild", policy).hash
    assert one == asked("m@refusal=0.5", policy).hash
    assert one != asked("m@refusal=0.25", policy).hash
    assert one != asked("m").hash
    plan = Policy.load(policy).plan  # which nothing names
    assert asked("m", plan).hash != asked("m", plan).hash


def test_precision_in_words() -> None:
    assert dtype_of(None) is None
    assert dtype_of("bfloat16") is torch.bfloat16
    with pytest.raises(PlanError, match="float32"):
        dtype_of("auto")


# lm-eval's own model type.


def steered_logits(model: Any, path: Path, ids: torch.Tensor) -> torch.Tensor:
    """What lm-eval's `steered` does with a file, in its own words, read in `lm_eval/models/hf_steered.py`."""
    entries = torch.load(path, weights_only=True)
    modules = dict(model.hf.base_model.named_modules())
    handles = []
    for name, entry in entries.items():
        vector, value = entry["steering_vector"], entry["steering_coefficient"]

        def hook(
            _module: Any,
            _args: Any,
            output: Any,
            vector: Any = vector,
            value: float = value,
            do: str = entry["action"],
        ) -> Any:
            hidden = output[0] if isinstance(output, tuple) else output
            unit = vector / vector.norm()
            place = (hidden * unit).sum(-1, keepdim=True)
            moved = hidden + vector * value if do == "add" else hidden + unit * (value - place)
            return (moved, *output[1:]) if isinstance(output, tuple) else moved

        handles.append(modules[name].register_forward_hook(hook))
    try:
        with torch.no_grad():
            return model.hf(ids).logits
    finally:
        for handle in handles:
            handle.remove()


def our_logits(model: Any, plan: Plan, strengths: dict[str, float], ids: torch.Tensor) -> torch.Tensor:
    with steer.steered(model, plan, strengths), torch.no_grad():
        return model.hf(ids).logits


IDS = torch.tensor([[0, 17, 33, 60, 9, 120]])


def plans(model: Any, make_vector: Any) -> list[tuple[Plan, dict[str, float]]]:
    one, two = make_vector(model, seed=1), make_vector(model, seed=2, layer=2)
    return [
        (Plan.add(one), {"strength": 0.7}),
        (Plan((Edit("add", one, (1, 2)), Edit("add", two, (2, 3), scale=-0.5))), {"strength": 1.5}),
        (Plan.ablate(one), {"strength": 1.0}),
        (Plan((Edit("affine", one, (2,), to=0.5, scale=2.0),)), {"strength": 0.5}),
        (
            Plan((Edit("clamp", one, low=0.25, high=0.25), Edit("add", two, (3,), dial="b"))),
            {"strength": 1.0, "b": -1.0},
        ),
        (
            Plan((Edit("add", one), Edit("rotate", one, second=two, angle=30.0, dial="off"))),
            {"strength": 1.0, "off": 0.0},
        ),
    ]


@pytest.mark.parametrize("case", range(6))
def test_the_file_does_what_the_plan_does(model: Any, make_vector: Any, tmp_path: Path, case: int) -> None:
    plan, strengths = plans(model, make_vector)[case]
    path = tmp_path / "steered.pt"
    layers = export_steered(model, plan, strengths, path)
    names = hookpoints(model)
    assert list(torch.load(path, weights_only=True)) == [names[layer] for layer in layers]
    ours, plain = our_logits(model, plan, strengths, IDS), our_logits(model, plan, {}, IDS)
    assert (ours - plain).abs().max() > 1e-2
    torch.testing.assert_close(steered_logits(model, path, IDS), ours, atol=1e-5, rtol=1e-5)


def test_what_only_adds_comes_back(tiny_llama: Any, make_vector: Any, tmp_path: Path) -> None:
    vector = make_vector(tiny_llama)
    export_steered(tiny_llama, Plan.add(vector), {"strength": 0.5}, tmp_path / "v.pt")
    back = import_lm_eval(tmp_path / "v.pt", tiny_llama)
    torch.testing.assert_close(back.directions[1], vector.directions[1])
    assert back.gap(1) == pytest.approx(0.5 * vector.gap(1))


def inexpressible(vector: Any) -> list[tuple[Plan, float, str]]:
    probe = Probe("risk", vector, layer=1)
    return [
        (Plan.add(vector, scope="prompt"), 1.0, "some of the tokens"),
        (Plan((Edit("add", vector, gate=Gate(vector, 0.1)),)), 1.0, "a gate or a probe"),
        (Plan((Edit("add", vector, (2,), when="risk"),), (probe,)), 1.0, "a gate or a probe"),
        (Plan((Edit("add", vector, keep_norm=True),)), 1.0, "keeps the norm"),
        (Plan.ablate(vector), 0.5, "strength 0.5 that neither adds"),
        (Plan((Edit("clamp", vector, low=0.0, high=1.0),)), 1.0, "neither adds"),
        (Plan((Edit("clamp", vector, low=0.0),)), 1.0, "neither adds"),
        (Plan((Edit("map", vector, second=vector),)), 1.0, "neither adds"),
        (Plan((Edit("affine", vector, (1,)), Edit("add", vector, (1,)))), 1.0, "several things at layer 1"),
        (Plan((Edit("affine", vector, (1,)), Edit("affine", vector, (1,), to=1.0))), 1.0, "several things"),
    ]


@pytest.mark.parametrize("case", range(10))
def test_what_the_file_cannot_say_is_refused(
    tiny_llama: Any, make_vector: Any, tmp_path: Path, case: int
) -> None:
    plan, strength, said = inexpressible(make_vector(tiny_llama))[case]
    with pytest.raises(PlanError, match=f"{said}.*use `steer lm-eval`"):
        export_steered(tiny_llama, plan, {"strength": strength}, tmp_path / "v.pt")
    assert list(tmp_path.iterdir()) == []


def test_another_point_nothing_to_do_and_another_model_are_refused(
    tiny_llama: Any, make_llama: Any, make_vector: Any, tmp_path: Path
) -> None:
    vector = make_vector(tiny_llama)
    inside = replace(vector, meta={**vector.meta, "point": "mlp_out"})
    with pytest.raises(PlanError, match="mlp_out"):
        export_steered(tiny_llama, Plan.add(inside), {"strength": 1.0}, tmp_path / "v.pt")
    with pytest.raises(PlanError, match="strength 0"):
        export_steered(tiny_llama, Plan.add(vector), {}, tmp_path / "v.pt")
    with pytest.raises(PlanError, match=r"\.pt"):
        export_steered(tiny_llama, Plan.add(vector), {"strength": 1.0}, tmp_path / "v.bin")
    with pytest.raises(MismatchError):
        export_steered(make_llama("other", seed=5), Plan.add(vector), {"strength": 1.0}, tmp_path / "v.pt")


# The commands.


def absent(monkeypatch: pytest.MonkeyPatch) -> None:
    import importlib.util

    found = importlib.util.find_spec
    monkeypatch.setattr(
        importlib.util, "find_spec", lambda name, *rest: None if name == "lm_eval" else found(name, *rest)
    )


def test_without_lm_eval_one_line_says_how_to_install_it(cli: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    absent(monkeypatch)
    assert "pip install 'lm-eval[hf]'" in cli.refused("lm-eval", "--", "--model", "m", "--tasks", "t")


def test_nothing_of_a_harness_is_imported_with_steer() -> None:
    import subprocess
    import sys

    code = "import sys, steer, steer.cli; sys.exit(bool({'lm_eval', 'inspect_ai'} & set(sys.modules)))"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_export_from_the_command_line(cli: Any, tiny_folder: Path, tmp_path: Path, make_vector: Any) -> None:
    model = steer.load(str(tiny_folder))
    steer.save_vector(make_vector(model), tmp_path / "v.safetensors")
    args = ("export", "lm-eval", f"{tiny_folder}@0.5", "--vector", str(tmp_path / "v.safetensors"), "-o")
    assert "layer 1" in cli.done(*args, str(tmp_path / "v.pt"))
    [entry] = torch.load(tmp_path / "v.pt", weights_only=True).values()
    assert entry["steering_coefficient"] == pytest.approx(1.0)  # half of a gap of 2
    assert math.isclose(float(entry["steering_vector"].norm()), 1.0, abs_tol=1e-6)
    assert "neither" in cli.refused("export", "lm-eval", str(tiny_folder), "-o", str(tmp_path / "w.pt"))
