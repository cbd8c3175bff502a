"""Plans and policy files."""

import pytest
import torch

from steer.errors import PlanError
from steer.plan import Edit, Plan
from steer_kernels import SteerError


def test_defaults_say_where(tiny_llama, make_vector):
    vector = make_vector(tiny_llama, layer=2)
    assert Plan.add(vector).edits[0].sites == (2,)
    assert Plan.ablate(vector).edits[0].sites == tuple(range(tiny_llama.layers))


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
    assert not list(tmp_path.glob("*.new"))


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


def test_a_plan_needs_an_edit():
    with pytest.raises(PlanError, match="without edits"):
        Plan(())


BROKEN = {
    "not toml": "= = =",
    "no version": "[[edits]]\nkind = 'add'\nvector = 'v.safetensors'",
    "no edits": "version = 1",
    "unknown key": "version = 1\n[[edits]]\nkind = 'add'\nvector = 'v.safetensors'\nstrenght = 1",
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
