"""Every edit a plan can name, on a live model, against its formula in float64; and what a plan refuses."""

from dataclasses import replace

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from steer.apply import steered
from steer.errors import PlanError
from steer.liveness import check_liveness
from steer.plan import Edit, Gate, Plan
from steer.recipe import compile_plan
from steer_kernels import TableError
from steer_vectors.hooks import on_layers

IDS = torch.tensor([[5, 6, 7, 8, 9], [10, 11, 12, 13, 14]])
LAYER = 1
KINDS = ["add", "ablate", "affine", "clamp", "rotate", "map"]


def _vectors(model, make_vector):
    """Two directions with classes that do not lie around 0."""
    first, second = make_vector(model, layer=LAYER, gap=3.0), make_vector(model, layer=LAYER, seed=5, gap=2.0)
    return replace(first, negative=first.negative - 1, positive=first.positive - 1), second


def _edit(kind, first, second, **more):
    own = {
        "affine": {"to": 0.5},
        "clamp": {"low": 0.25, "high": 0.5},
        "rotate": {"second": second, "angle": 40.0},
        "map": {"second": second},
    }
    return Edit(kind, first, (LAYER,), **(own.get(kind, {}) | more))


def _formula(kind, h, s, first, second):
    """DESIGN, section 3, on float64 rows `[..., d]`; the classes of `first` are at -1 and 2 along it."""
    d, e = first.directions[LAYER].double(), second.directions[LAYER].double()
    p = (h @ d)[..., None]
    match kind:
        case "add":
            return h + s * 3.0 * d
        case "ablate":
            return h - s * p * d
        case "affine":  # half way from -1 to 2
            return h + s * (0.5 - p) * d
        case "clamp":
            return h + s * (p.clamp(-0.25, 0.5) - p) * d
        case "map":  # seen whole at 2, the positive mean of `second`
            return h + s * 3.0 * (h @ e)[..., None] / 2.0 * d
        case "rotate":
            across = torch.nn.functional.normalize(e - (e @ d) * d, dim=0)
            q = (h @ across)[..., None]
            rho, angle = torch.hypot(p, q), torch.deg2rad(torch.tensor(40.0, dtype=torch.float64))
            return h + s * ((rho * angle.cos() - p) * d + (rho * angle.sin() - q) * across)


def _before_after(model, plan, strength):
    before, after = [], []
    with (
        on_layers(model.hf, {LAYER: lambda h: before.append(h.clone())}),
        steered(model, plan, strength),
        on_layers(model.hf, {LAYER: lambda h: after.append(h.clone())}),
    ):
        model.hf(input_ids=IDS)
    return before[0].double(), after[0].double()


@pytest.mark.parametrize("kind", KINDS)
def test_an_edit_is_its_formula(model, make_vector, kind):
    first, second = _vectors(model, make_vector)
    strength = torch.tensor([0.7, -1.3])
    before, after = _before_after(model, Plan((_edit(kind, first, second, scale=0.5),)), strength)
    exact = _formula(kind, before, 0.5 * strength.double()[:, None, None], first, second)
    torch.testing.assert_close(after, exact, rtol=1e-5, atol=1e-5)
    assert not torch.allclose(after, before, atol=1e-3)


@pytest.mark.parametrize("kind", KINDS)
def test_a_gate_and_a_kept_norm(model, make_vector, kind):
    first, second = _vectors(model, make_vector)
    gate = Gate(make_vector(model, seed=9), 0.05)
    before, after = _before_after(model, Plan((_edit(kind, first, second, gate=gate, keep_norm=True),)), 1.0)
    query = gate.vector.directions[LAYER].double()
    opened = torch.cosine_similarity(before, query, dim=-1) > 0.05
    assert 0 < opened.sum() < opened.numel()
    exact = _formula(kind, before, 1.0, first, second)
    exact = exact * (before.norm(dim=-1, keepdim=True) / exact.norm(dim=-1, keepdim=True))
    torch.testing.assert_close(after, torch.where(opened[..., None], exact, before), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", ["affine", "clamp", "map"])
def test_a_reading_of_its_own(model, make_vector, kind):
    """What LEACE and null-space maps carry: moved along one direction, as far as another one sees."""
    first, second = _vectors(model, make_vector)
    units = first.directions
    across = second.directions - (second.directions * units).sum(-1, keepdim=True) * units
    read = units + 0.3 * across  # of what is written it reads 1, so what is set is read again
    vector = replace(first, read=read)
    settings = {"affine": {"to": 0.5}, "clamp": {"low": 0.25, "high": 0.5}, "map": {}}[kind]
    before, after = _before_after(model, Plan((Edit(kind, vector, (LAYER,), **settings),)), 0.7)
    p = (before @ read[LAYER].double())[..., None]  # the classes read -1 and 2
    f = {"affine": 0.5 - p, "clamp": p.clamp(-0.25, 0.5) - p, "map": p}[kind]
    torch.testing.assert_close(
        after, before + 0.7 * f * vector.directions[LAYER].double(), rtol=1e-5, atol=1e-5
    )


@pytest.mark.parametrize("kind", ["affine", "clamp"])
def test_a_reading_by_which_nothing_can_be_set_is_refused(tiny_llama, make_vector, kind):
    first, _ = _vectors(tiny_llama, make_vector)
    vector = replace(first, read=2 * first.directions)
    plan = Plan((Edit(kind, vector, (LAYER,), **({"low": 0.0} if kind == "clamp" else {})),))
    with pytest.raises(TableError, match="read @ units.T the identity"):
        compile_plan(plan, tiny_llama)


def test_a_soft_gate_is_a_sigmoid_of_the_cosine(model, make_vector):
    first, second = _vectors(model, make_vector)
    gate = Gate(make_vector(model, seed=9), 0.05, sharpness=6.0)
    before, after = _before_after(model, Plan((_edit("add", first, second, gate=gate),)), 1.0)
    cosine = torch.cosine_similarity(before, gate.vector.directions[LAYER].double(), dim=-1)
    dose = torch.sigmoid(6.0 * (cosine - 0.05))[..., None]
    torch.testing.assert_close(after, _formula("add", before, dose, first, second), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_every_site_takes_its_dose(model, make_vector, kind):
    """The dose test of a live model: delta = s * gap at the site, or what the edit's formula says."""
    first, second = _vectors(model, make_vector)
    edits = (_edit(kind, first, second), _edit("add", first, second, dial="b", scope="generation", scale=0.5))
    found = check_liveness(model, compile_plan(Plan(edits), model), 0.8)
    assert found.moved > 0
    assert found.dose_error < 1e-5
    assert found.edited > 0


def test_a_policy_of_every_edit_comes_back(tiny_llama, make_vector, tmp_path):
    first, second = _vectors(tiny_llama, make_vector)
    gate = Gate(make_vector(tiny_llama, seed=9), 0.05, 6.0)
    edits = tuple(
        _edit(
            kind,
            first,
            second,
            scope="-2:",
            dial=kind,
            keep_norm=at % 2 == 0,
            gate=gate if at % 3 == 0 else None,
        )
        for at, kind in enumerate(KINDS)
    )
    Plan(edits).save(tmp_path / "policy.toml")
    loaded = Plan.load(tmp_path / "policy.toml")
    assert loaded.dials == tuple(KINDS)
    dials = {kind: 0.5 + at / 10 for at, kind in enumerate(KINDS)}
    with steered(tiny_llama, Plan(edits), dials):
        expected = tiny_llama.hf(input_ids=IDS).logits
    with steered(tiny_llama, loaded, dials):
        # Not to the bit: loaded tensors lie elsewhere in memory, and a dot product of torch's may round by alignment.
        torch.testing.assert_close(tiny_llama.hf(input_ids=IDS).logits, expected, rtol=1e-5, atol=1e-5)
    Plan.load(tmp_path / "policy.toml").save(tmp_path / "again.toml")
    text, again = (path.read_text() for path in (tmp_path / "policy.toml", tmp_path / "again.toml"))
    assert again == text.replace("policy-", "again-")


_numbers = st.floats(-3, 3).map(lambda x: round(x, 3))


@given(
    _numbers,
    _numbers,
    _numbers,
    st.sampled_from(["all", "last", "0:3", "-2:"]),
    st.text(min_size=1, max_size=8),
    st.booleans(),
)
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_policy_keeps_every_number_and_name(
    tiny_llama, make_vector, tmp_path, scale, low, high, scope, dial, keep
):
    vector = make_vector(tiny_llama)
    low, high = sorted((low, high))
    edits = (
        Edit("clamp", vector, (0, 2), scope, scale, dial, low=low, high=high, keep_norm=keep),
        Edit("affine", vector, to=high),
    )
    try:
        Plan(edits).save(tmp_path / "policy.toml")
    except PlanError:  # a lone surrogate cannot be a file's text
        assert any(0xD800 <= ord(letter) <= 0xDFFF for letter in dial)
        return
    fields = ("kind", "sites", "scope", "scale", "dial", "to", "low", "high", "keep_norm")
    for was, now in zip(edits, Plan.load(tmp_path / "policy.toml").edits, strict=True):
        assert [getattr(now, name) for name in fields] == [getattr(was, name) for name in fields]


BAD = {
    "clamp without a bound": ("clamp", {}, "'clamp' without low|high"),
    "bounds crossed": ("clamp", {"low": 1.0, "high": 0.0}, "low 1.0 above high 0.0"),
    "an angle alone": ("rotate", {"angle": 3.0}, "'rotate' without second"),
    "a map of nothing": ("map", {}, "'map' without second"),
    "add with bounds": ("add", {"low": 1.0}, "'add' with low; expected no other setting"),
    "add to a place": ("add", {"to": 1.0}, "'add' with to"),
    "not a number": ("affine", {"to": float("nan")}, "finite"),
    "no dial": ("add", {"dial": ""}, "dial ''"),
}


@pytest.mark.parametrize(("kind", "given", "message"), BAD.values(), ids=BAD)
def test_settings_are_checked(tiny_llama, make_vector, kind, given, message):
    with pytest.raises(PlanError, match=message.replace("|", r"\|")):
        Edit(kind, make_vector(tiny_llama), **given)


def test_vectors_of_one_edit_are_of_one_point(tiny_llama, make_vector):
    vector = make_vector(tiny_llama)
    other = replace(vector, meta={**vector.meta, "point": "mlp_out"})
    with pytest.raises(PlanError, match="vectors of resid_post and mlp_out in one edit"):
        Edit("map", vector, second=other)


def test_a_plane_needs_two_directions(tiny_llama, make_vector):
    vector = make_vector(tiny_llama)
    with pytest.raises(PlanError, match="parallel"):
        compile_plan(Plan((Edit("rotate", vector, second=vector, angle=10.0),)), tiny_llama)


@pytest.mark.parametrize("threshold", [2.0, float("nan")])
def test_gates_are_checked(tiny_llama, make_vector, threshold):
    with pytest.raises(PlanError, match="a gate with threshold"):
        Gate(make_vector(tiny_llama), threshold)
