"""Plans and policy files."""

from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steer.errors import PlanError
from steer.plan import Edit, Plan
from steer.recipe import compile_plan
from steer_kernels import SteerError
from steer_vectors.site import Site


def test_defaults_say_where(tiny_llama, make_vector):
    vector = make_vector(tiny_llama, layer=2)
    assert Plan.add(vector).edits[0].sites == (Site(2),)
    assert Plan.ablate(vector).edits[0].sites == tuple(map(Site, range(tiny_llama.layers)))


def test_a_policy_comes_back_as_it_was(tiny_llama, make_vector, tmp_path):
    edits = (
        Edit("add", make_vector(tiny_llama), (1, 3), "prompt", -0.5),
        Edit("ablate", make_vector(tiny_llama, seed=4)),
    )
    Plan(edits).save(tmp_path / "policy.toml")
    loaded = Plan.load(tmp_path / "policy.toml")
    for before, after in zip(edits, loaded.edits, strict=True):
        assert (before.kind, before.sites, before.scope, before.scale) == (
            after.kind,
            after.sites,
            after.scope,
            after.scale,
        )
        assert torch.equal(before.vector.directions, after.vector.directions)
    assert sorted(p.name for p in tmp_path.iterdir()) == [
        "policy-0.safetensors",
        "policy-1.safetensors",
        "policy.toml",
    ]


@given(stem=st.text(st.characters(codec="utf-8", exclude_characters="/\0"), min_size=1, max_size=20))
@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_policy_may_have_any_name(tiny_llama, make_vector, tmp_path, stem):
    path = tmp_path / f"x{stem}.toml"
    Plan.add(make_vector(tiny_llama)).save(path)
    assert Plan.load(path).edits[0].sites == (Site(1),)


@pytest.mark.parametrize("name", ["policy.toml", "policy-1.safetensors", "no/policy.toml", "\udcff.toml"])
def test_a_policy_that_cannot_be_written_leaves_nothing(tiny_llama, make_vector, tmp_path, name):
    plan = Plan((Edit("add", make_vector(tiny_llama)), Edit("ablate", make_vector(tiny_llama, seed=4))))
    blocked = name.startswith("policy")
    if blocked:
        (tmp_path / name).mkdir()
    with pytest.raises(PlanError, match="cannot be written"):
        plan.save(tmp_path / ("policy.toml" if blocked else name))
    assert [p.name for p in tmp_path.rglob("*")] == ([name] if blocked else [])


def test_a_disk_that_fills_up_leaves_the_policy_that_was_there(
    tiny_llama, make_vector, tmp_path, monkeypatch
):
    Plan.add(make_vector(tiny_llama)).save(tmp_path / "policy.toml")
    before = {p.name: p.read_bytes() for p in tmp_path.iterdir()}

    def full(*_args, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("pathlib.Path.write_text", full)
    with pytest.raises(PlanError, match="No space left"):
        Plan.ablate(make_vector(tiny_llama, seed=4)).save(tmp_path / "policy.toml")
    assert {p.name: p.read_bytes() for p in tmp_path.iterdir()} == before


BAD = [
    {"kind": "push"},
    {"scope": "sometimes"},
    {"scale": float("nan")},
    {"layers": (99,)},
    {"layers": (-1,)},
]


@pytest.mark.parametrize("bad", BAD)
def test_edits_are_checked(tiny_llama, make_vector, bad):
    with pytest.raises(PlanError):
        Edit(**({"kind": "add", "vector": make_vector(tiny_llama)} | bad))


@pytest.mark.parametrize("key", ["point", "processing"])
@pytest.mark.parametrize("value", ["logits", "transformer_lens", ""])
def test_a_vector_of_another_point_or_processing_is_refused(tiny_llama, make_vector, key, value):
    vector = make_vector(tiny_llama)
    with pytest.raises(PlanError, match=f"a vector of {key} '{value}'; expected {key} (resid_post|raw)"):
        Plan.add(replace(vector, meta={**vector.meta, key: value}))


def test_a_plan_needs_an_edit():
    with pytest.raises(PlanError, match="without edits"):
        Plan(())


BROKEN = {
    "not toml": "= = =",
    "no version": "[[edits]]\nkind = 'add'\nvector = 'v.safetensors'",
    "no edits": "version = 1",
    "unknown key": "version = 1\n[[edits]]\nkind = 'add'\nvector = 'v.safetensors'\nstrenght = 1",
    "unknown key on top": "version = 1\nstrength = 2\n[[edits]]\nkind = 'add'\nvector = 'policy-0.safetensors'",
    "no vector": "version = 1\n[[edits]]\nkind = 'add'",
    "missing vector": "version = 1\n[[edits]]\nkind = 'add'\nvector = 'nowhere.safetensors'",
    "path elsewhere": "version = 1\n[[edits]]\nkind = 'add'\nvector = '../v.safetensors'",
    "another vector": "version = 1\n[[edits]]\nkind = 'add'\nvector = 'policy-0.safetensors'\nsha256 = 'abc'",
    "layers": "version = 1\n[[edits]]\nkind = 'add'\nvector = 'policy-0.safetensors'\nlayers = ['one']",
    "scale": "version = 1\n[[edits]]\nkind = 'add'\nvector = 'policy-0.safetensors'\nscale = 'much'",
}


@pytest.mark.parametrize("text", BROKEN.values(), ids=BROKEN)
def test_broken_policies_are_one_line(tiny_llama, make_vector, tmp_path, text):
    Plan.add(make_vector(tiny_llama)).save(tmp_path / "policy.toml")
    (tmp_path / "policy.toml").write_text(text)
    with pytest.raises(SteerError, match="got .*; expected .*; do this") as error:
        Plan.load(tmp_path / "policy.toml")
    assert "\n" not in str(error.value)


def test_a_missing_policy_is_one_line(tmp_path):
    with pytest.raises(PlanError, match="does not read"):
        Plan.load(tmp_path / "none.toml")


def test_a_layer_that_an_imported_file_said_nothing_of_is_refused(tiny_llama, make_vector):
    whole = make_vector(tiny_llama, layer=2)
    vector = replace(whole, meta=whole.meta | {"absent_layers": "[0, 1]"})
    compile_plan(Plan((Edit("add", vector, (2, 3)), Edit("ablate", vector))), tiny_llama)
    with pytest.raises(PlanError, match="add at layer 1"):
        compile_plan(Plan((Edit("add", vector, (1, 2)),)), tiny_llama)


@pytest.mark.parametrize("layers", [(3, 3), (1.0,), 1, ("1",), "12", None])
def test_layers_are_whole_numbers_each_once(tiny_llama, make_vector, layers):
    with pytest.raises(PlanError, match="got layers"):
        Edit("add", make_vector(tiny_llama), layers)


def test_lists_are_taken_for_tuples(tiny_llama, make_vector):
    vector = make_vector(tiny_llama)
    plan = Plan([Edit("add", vector, [1, 2])])
    assert plan.edits[0].layers == (1, 2)
    assert compile_plan(plan, tiny_llama) is compile_plan(plan, tiny_llama)


@pytest.mark.parametrize("given", [{"vector": "refusal"}, {"gate": 0.3}, {"scale": "2"}, {"second": 1}])
def test_settings_of_another_kind_are_refused(tiny_llama, make_vector, given):
    with pytest.raises(PlanError, match=next(iter(given))):
        Edit(**{"kind": "add", "vector": make_vector(tiny_llama), **given})
