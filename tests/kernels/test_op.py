"""Every edit on every path against its published formula in float64, and the laws of the op."""

import math
import os
import subprocess
import sys

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from steer_kernels import (
    Gate,
    Table,
    TableError,
    ablate_table,
    add_table,
    affine_table,
    clamp_table,
    edit_,
    map_table,
    op,
    rotate_table,
)

PATHS = ["naive", "cpp"]
TOLERANCE = {torch.float32: (1e-5, 1e-5), torch.bfloat16: (1.6e-2, 1e-2), torch.float16: (2e-3, 2e-3)}
LAWS = settings(deadline=None, max_examples=40)


@pytest.fixture(params=PATHS)
def path(request, monkeypatch):
    """One path after the other; the C++ one must be there, for CI has a compiler."""
    if request.param == "cpp":
        assert op.chosen_path().path == "cpp", op.chosen_path().reason
    monkeypatch.setattr(op, "_run", op._plain if request.param == "naive" else torch.ops.steer.edit_.default)
    return request.param


def _on(name, hidden, table, strength):
    """One path by name, for hypothesis, which wants no fixtures."""
    given = torch.as_tensor(strength, dtype=torch.float32).reshape(getattr(strength, "shape", 1))
    if name == "naive":
        op.naive.edit_(hidden, *table.arguments, given)
    else:
        assert op.chosen_path().path == "cpp", op.chosen_path().reason  # and is loaded by being chosen
        torch.ops.steer.edit_(hidden, table.packed, given)
    return hidden


def _draw(seed):
    return torch.Generator().manual_seed(seed)


def _units(k, d, seed=0):
    return torch.linalg.qr(torch.randn(d, k, generator=_draw(seed))).Q.T.contiguous()


def _edits(k, d):
    """Name -> (table, formula): the edit as it is published, on one float64 row `h` with strengths `s` [k]."""
    u, other = _units(k, d), torch.randn(k, d, generator=_draw(3)) / d
    x, y = u.double(), other.double()
    gap = torch.linspace(0.5, 2.0, k)
    found = {
        "add": (add_table(u, gap), lambda h, s: h + (s * gap.double()) @ x),
        "ablate": (ablate_table(u), lambda h, s: h - (s * (x @ h)) @ x),
        "affine": (affine_table(u, gap), lambda h, s: h + (s * (gap.double() - x @ h)) @ x),
        "clamp": (
            clamp_table(u, 0.1, gap / 2),  # narrow, so that few projections lie within
            lambda h, s: h + (s * (torch.minimum(torch.clamp_min(x @ h, 0.1), gap.double() / 2) - x @ h)) @ x,
        ),
        "map": (map_table(other, u), lambda h, s: h + (s * (y @ h)) @ x),
    }
    if k == 2:
        turn = torch.tensor([math.cos(0.7), math.sin(0.7)], dtype=torch.float64)
        found["rotate"] = (rotate_table(u, 0.7), lambda h, s: h + (s * ((x @ h).norm() * turn - x @ h)) @ x)
    return found


EDITS = ["add", "ablate", "affine", "clamp", "map", "rotate"]


def _by_row(formula, hidden, strength):
    rows = hidden.double().reshape(-1, hidden.shape[-1])
    s = strength.double().expand(*hidden.shape[:-1], strength.shape[-1]).reshape(len(rows), -1)
    return torch.stack([formula(h, own) for h, own in zip(rows, s, strict=True)]).view(hidden.shape)


def _assert_close(found, exact, dtype):
    """Relative to the size of the rows: a projection in half precision is only as good as the largest number in it."""
    rtol, atol = TOLERANCE[dtype]
    torch.testing.assert_close(
        found.double(), exact, rtol=rtol, atol=atol * max(1.0, float(exact.abs().max()))
    )


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("rows", [1, 3, 257])
@pytest.mark.parametrize(
    ("d", "k"), [(1, 1), (63, 2), (63, 3), (576, 1), (576, 8), (4096, 1), (4096, 2), (8193, 4)]
)
def test_every_edit_equals_its_published_formula(path, rows, d, k, dtype):
    hidden = torch.randn(rows, d, generator=_draw(1)).to(dtype)
    strength = torch.randn(rows, k, generator=_draw(2))
    for name, (table, formula) in _edits(k, d).items():
        found = edit_(hidden.clone(), table, strength)
        assert rows == 1 or not torch.equal(found, hidden), name
        _assert_close(found, _by_row(formula, hidden, strength), dtype)


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("sharpness", [math.inf, 6.0])
def test_a_gate_looks_at_the_direction_of_each_row(path, dtype, sharpness):
    hidden = torch.randn(64, 33, generator=_draw(1)).to(dtype)
    hidden[0] = 0  # has no direction: its cosine is 0
    query, unit = _units(2, 33, seed=5)
    table = affine_table(unit, 3.0).gated(Gate(query, 0.05, sharpness))
    cosine = torch.nn.functional.cosine_similarity(hidden.double(), query.double(), dim=-1)
    opened = (cosine > 0.05).double() if math.isinf(sharpness) else torch.sigmoid(sharpness * (cosine - 0.05))
    exact = (
        hidden.double() + opened[:, None] * (3.0 - hidden.double() @ unit.double())[:, None] * unit.double()
    )
    found = edit_(hidden.clone(), table, 1.0)
    _assert_close(found, exact, dtype)
    if math.isinf(sharpness):
        assert 5 < opened.sum() < 59
        assert torch.equal(found[opened == 0], hidden[opened == 0])


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("scale", [1.0, 1e-3, 3e3])
def test_keep_norm_keeps_the_length_and_only_that(path, dtype, scale):
    hidden = (scale * torch.randn(9, 65, generator=_draw(1))).to(dtype)
    table = add_table(_units(1, 65), 2.0 * scale)
    found = edit_(hidden.clone(), table.keeping_norm(), 1.0).double()
    moved = edit_(hidden.clone().float(), table, 1.0).double()
    rtol = TOLERANCE[dtype][0]
    torch.testing.assert_close(found.norm(dim=-1), hidden.double().norm(dim=-1), rtol=rtol, atol=0)
    torch.testing.assert_close(
        torch.cosine_similarity(found, moved), torch.ones(9).double(), rtol=0, atol=rtol
    )


@pytest.mark.parametrize("size", [1e-30, 1e30])
def test_lengths_beyond_a_float32_square(path, size):
    hidden = size * torch.randn(5, 40, generator=_draw(1))
    gate = Gate(_units(1, 40, seed=4)[0], 0.0, 3.0)
    table = add_table(_units(1, 40), size).gated(gate).keeping_norm()
    found = edit_(hidden.clone(), table, 1.0)
    torch.testing.assert_close(found.double().norm(dim=-1), hidden.double().norm(dim=-1), rtol=1e-5, atol=0)
    assert (found != hidden).any(-1).all()


@pytest.mark.parametrize("name", PATHS)
@pytest.mark.parametrize("edit", EDITS)
def test_rows_are_independent_and_zero_rows_keep_their_bits(name, edit):
    @LAWS
    @given(
        st.integers(1, 5),
        st.integers(1, 5),
        st.integers(2, 70),
        st.integers(0, 99),
        st.sampled_from(list(TOLERANCE)),
        st.booleans(),
    )
    def law(b, t, d, seed, dtype, gated):
        hidden = torch.randn(b, t, d, generator=_draw(seed)).to(dtype)
        hidden[0, 0, 0], hidden[0, -1, -1] = -0.0, float("nan")  # row 0 is not steered
        strength = torch.randn(b, 1, 2, generator=_draw(seed)) * (torch.arange(b) % 2).view(b, 1, 1)
        table, before = _edits(2, d)[edit][0], hidden.clone()
        if gated:  # of a row that holds a NaN it is NaN
            table = table.gated(Gate(_units(1, d, seed=6)[0], 0.0, 3.0))
        _on(name, hidden, table, strength)
        bits = torch.int32 if dtype == torch.float32 else torch.int16
        assert torch.equal(hidden[::2].view(bits), before[::2].view(bits))
        for row in range(1, b, 2):
            torch.testing.assert_close(hidden[row], _on(name, before[row].clone(), table, strength[row]))

    law()


@pytest.mark.parametrize("name", PATHS)
def test_laws_of_projections(name):
    @LAWS
    @given(st.integers(2, 90), st.integers(1, 2), st.floats(-2, 2), st.integers(0, 99))
    def law(d, k, s, seed):
        u, hidden = _units(k, d, seed), torch.randn(4, d, generator=_draw(seed))
        close = {"atol": 2e-5, "rtol": 1e-4}
        zero = torch.zeros(4, k)
        torch.testing.assert_close(_on(name, hidden.clone(), ablate_table(u), 1.0) @ u.T, zero, **close)
        held = _on(name, hidden.clone(), clamp_table(u, -0.2, 0.1), 1.0) @ u.T
        torch.testing.assert_close(held, (hidden @ u.T).clamp(-0.2, 0.1), **close)
        # Adding and taking away again is the baseline; so is a map there and back.
        added = _on(name, hidden.clone(), add_table(u, 1.5), s)
        torch.testing.assert_close(_on(name, added, add_table(u, 1.5), -s), hidden, **close)
        # What is across the directions never moves.
        across = torch.eye(d) - u.T @ u
        for table in (ablate_table(u), affine_table(u, 0.7), clamp_table(u, 0.0)):
            torch.testing.assert_close(_on(name, hidden.clone(), table, s) @ across, hidden @ across, **close)
        # Edits of orthogonal directions commute, and are one table.
        if k == 2:
            first, second = ablate_table(u[0]), affine_table(u[1], 0.4)
            there = _on(name, _on(name, hidden.clone(), first, s), second, 1.0)
            back = _on(name, _on(name, hidden.clone(), second, 1.0), first, s)
            torch.testing.assert_close(there, back, **close)
            turned = _on(name, hidden.clone(), rotate_table(u, 1.0), 1.0) @ u.T
            torch.testing.assert_close(turned.norm(dim=-1), (hidden @ u.T).norm(dim=-1), **close)

    law()


@pytest.mark.parametrize("name", PATHS)
def test_shapes_strides_and_neighbours_in_memory(name):
    """Any view whose rows lie in one piece; what is not in the view is poisoned and stays as it was."""

    @LAWS
    @given(st.integers(1, 4), st.integers(1, 6), st.integers(1, 40), st.integers(0, 99), st.booleans())
    def law(b, t, d, seed, swap):
        whole = torch.full((b + 1, 2 * t + 1, d + 3), float("nan"))
        view = whole[1:, 1::2, 1 : d + 1]
        view = view.transpose(0, 1) if swap else view
        values = torch.randn(*view.shape, generator=_draw(seed))
        view.copy_(values)
        strength = torch.randn(view.shape[0], 1, 1, generator=_draw(seed))
        table, formula = affine_table(_units(1, d), 0.5), _edits(1, d)["affine"][1]
        _on(name, view, table, strength)
        expected = _by_row(lambda h, s: formula(h, s), values, strength)
        torch.testing.assert_close(view.double(), expected, atol=1e-5, rtol=1e-5)
        assert int(torch.isnan(whole).sum()) == whole.numel() - view.numel()

    law()


def test_columns_that_are_not_in_one_piece_are_edited_too(path):
    whole = torch.randn(6, 5, generator=_draw(0))
    before, table = whole.clone(), ablate_table(_units(1, 6))
    edit_(whole.T, table, 1.0)
    torch.testing.assert_close(whole.T, edit_(before.T.contiguous(), table, 1.0))


@pytest.mark.parametrize("dtype", TOLERANCE)
@pytest.mark.parametrize("edit", EDITS)
def test_rows_beyond_the_caches_equal_those_within(path, edit, dtype):
    """Far rows take another road to memory (the next is fetched meanwhile), never another arithmetic."""
    d = 1027
    rows = (1 << 24) // (d * dtype.itemsize) + 5
    hidden, strength = (
        torch.randn(rows, d, generator=_draw(0)).to(dtype),
        torch.randn(rows, 1, generator=_draw(1)),
    )
    table, found = _edits(2, d)[edit][0], hidden.clone()
    edit_(found, table, strength)
    for part in (slice(0, 100), slice(rows - 100, rows)):
        near = edit_(hidden[part].clone(), table, strength[part])
        assert (
            torch.equal(found[part], near) if path == "cpp" else torch.allclose(found[part], near, 1e-2, 1e-2)
        )


@pytest.mark.parametrize("edit", EDITS)
@pytest.mark.parametrize("dtype", TOLERANCE)
def test_a_row_beyond_blocks_keeps_its_bits(edit, dtype):
    """The C++ path edits several rows together: to the bit as each alone, whichever of them are left out."""
    for d, draw in ((33, 0), (64, 1), (1031, 2)):
        hidden = torch.randn(23, d, generator=_draw(draw)).to(dtype)
        strength = torch.randn(23, 2, generator=_draw(draw)) * (torch.arange(23) % 5 != 3)[:, None]
        table = _edits(2, d)[edit][0]
        for own in (table, table.gated(Gate(_units(1, d, seed=6)[0], 0.0)), table.keeping_norm()):
            together = _on("cpp", hidden.clone(), own, strength)
            alone = [_on("cpp", row[None].clone(), own, s) for row, s in zip(hidden, strength, strict=True)]
            assert torch.equal(together, torch.cat(alone))


@pytest.mark.parametrize("dtype", TOLERANCE)
def test_no_nan_is_rounded_to_a_number(path, dtype):
    """A NaN may have any bits below: those next to the sign's, which rounding would carry into, and signalling ones."""
    integer, bits = {
        torch.float32: (torch.int32, [0x7FFFFFFF, -1, 0x7F800001]),
        torch.bfloat16: (torch.int16, [0x7FFF, -1, 0x7F81]),
        torch.float16: (torch.int16, [0x7FFF, -1, 0x7C01]),
    }[dtype]
    of_a_row = torch.tensor(bits, dtype=integer).view(dtype)[:, None].expand(3, 70).contiguous()
    assert edit_(of_a_row, add_table(_units(1, 70), 1.0), 1.0).isnan().all()
    strength = torch.tensor([0x7FFFFFFF, -1, 0x7F800001], dtype=torch.int32).view(torch.float32)[:, None]
    for table in (add_table(_units(1, 70), 1.0), add_table(_units(1, 70), 1.0).keeping_norm()):
        assert edit_(torch.ones(3, 70, dtype=dtype), table, strength).isnan().all()


@pytest.mark.slow
@pytest.mark.parametrize("isa", ["avx2", "base"])
def test_older_instruction_sets_pass_the_same_tests(isa):
    """In another process, for the choice is made once; this machine's best is what every other test runs."""
    laws = "(formula or gate or norm or lengths or beyond or projections or independent or nan) and (cpp or blocks)"
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", __file__, "-k", laws]
    done = subprocess.run(command, env=os.environ | {"STEER_CPU_ISA": isa}, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-2000:]


def test_many_rows_on_two_threads_equal_one(path):
    hidden, table = torch.randn(700, 1024, generator=_draw(0)), ablate_table(_units(3, 1024))
    threads = torch.get_num_threads()
    try:
        found = []
        for n in (1, 2):
            torch.set_num_threads(n)
            found.append(edit_(hidden.clone(), table, 1.0))
    finally:
        torch.set_num_threads(threads)
    torch.testing.assert_close(found[0], found[1], rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("edit", EDITS)
def test_opcheck(edit):
    op.chosen_path()
    table = _edits(2, 16)[edit][0].gated(Gate(_units(1, 16)[0], 0.0, 2.0))
    arguments = (torch.randn(3, 16), table.packed, torch.ones(3, 2))
    torch.library.opcheck(torch.ops.steer.edit_.default, arguments)


def test_gradients_reach_the_activations_and_the_strength(path):
    u = _units(2, 7)
    table = rotate_table(u, 0.4).gated(Gate(u[0], 0.1, 2.0)).keeping_norm()
    hidden = torch.randn(3, 7, generator=_draw(2), requires_grad=True)
    strength = torch.full((3, 1), 0.6, requires_grad=True)
    edit_(hidden * 1.0, table, strength).square().mul(torch.arange(7)).sum().backward()
    for leaf, at in ((hidden, (1, 2)), (strength, (1, 0))):
        step = torch.zeros_like(leaf)
        step[at] = 1e-2

        def score(move, leaf=leaf):
            h, s = (x.detach() + (move if x is leaf else 0) for x in (hidden, strength))
            return float(edit_(h.clone(), table, s).square().mul(torch.arange(7)).sum())

        slope = (score(step) - score(-step)) / 2e-2
        assert float(leaf.grad[at]) == pytest.approx(slope, rel=2e-2, abs=1e-3)


def test_compiles_whole_and_follows_a_changed_strength(path):
    table = ablate_table(_units(2, 32))
    hidden, strength = torch.randn(4, 32, generator=_draw(0)), torch.ones(4, 1)
    compiled = torch.compile(lambda h, s: edit_(h * 1.0, table, s) + 1, fullgraph=True, backend="aot_eager")
    for value in (1.0, 0.0, -0.5):
        strength.fill_(value)
        torch.testing.assert_close(compiled(hidden, strength), edit_(hidden.clone(), table, strength) + 1)


@pytest.mark.parametrize(
    ("hidden", "strength"),
    [
        (torch.zeros(2, 5), 1.0),
        (torch.zeros(2, 4), float("nan")),
        (torch.zeros(2, 4), torch.ones(3, 1)),
        (torch.zeros(2, 4), torch.ones(2, 2)),
        (torch.zeros(4), torch.ones(2, 1)),
    ],
)
def test_bad_arguments_are_named(path, hidden, strength):
    with pytest.raises(TableError, match="got .*; expected .*; do this"):
        edit_(hidden, ablate_table(_units(1, 4)), strength)


def test_rows_that_share_memory_are_refused(path):
    with pytest.raises(TableError, match="memory"):
        edit_(torch.zeros(1, 4).expand(3, 4), ablate_table(_units(1, 4)), 1.0)


@pytest.mark.parametrize("dtype", [torch.int64, torch.bool, torch.complex64])
def test_what_is_no_floating_dtype_is_refused(path, dtype):
    hidden = torch.ones(2, 4, dtype=dtype)
    with pytest.raises(TableError, match="floating"):
        edit_(hidden, ablate_table(_units(1, 4)), 1.0)
    assert bool((hidden == 1).all())


@pytest.mark.parametrize("strength", [float("nan"), 1e39, [1.0], "much", None, True])
def test_a_strength_that_is_no_number_is_refused(path, strength):
    with pytest.raises(TableError, match="strength"):
        edit_(torch.zeros(2, 4), ablate_table(_units(1, 4)), strength)


@pytest.mark.parametrize(("dtype", "half"), [(torch.bfloat16, 2.0**-8), (torch.float16, 2.0**-11)])
def test_ties_are_rounded_to_even(path, dtype, half):
    """Half way between two numbers: 1 goes down, the number after it up."""
    for at in (0, 5, 64):
        hidden = torch.tensor([[1.0], [1.0 + 2 * half]]).expand(2, 65).to(dtype).contiguous()
        edit_(hidden, add_table(torch.eye(65)[at], half), 1.0)
        assert hidden[:, at].tolist() == [1.0, 1.0 + 4 * half]


def test_a_step_is_closed_at_its_threshold(path):
    axis = torch.eye(8)
    for threshold, row in ((1.0, 2 * axis[0]), (0.0, axis[1]), (0.0, 0 * axis[0])):
        hidden = row.clone()[None]
        edit_(hidden, add_table(axis[2], 1.0).gated(Gate(axis[0], threshold)), 1.0)
        assert torch.equal(hidden[0], row)


def test_what_is_left_of_a_row_by_rounding_is_not_made_long_again(path):
    unit = _units(1, 67)[0]
    hidden = (3 * unit)[None].clone()
    edit_(hidden, ablate_table(unit).keeping_norm(), 1.0)
    assert float(hidden.norm()) < 1e-5


@pytest.mark.filterwarnings("ignore:.torch.jit.script. is deprecated:DeprecationWarning")  # torch's own
def test_forward_mode_gives_the_tangent_of_the_edit(path):
    table, (x, tangent) = ablate_table(_units(2, 9)), torch.randn(2, 3, 9, generator=_draw(4))
    _, found = torch.func.jvp(lambda h: edit_(h.clone(), table, 0.5), (x,), (tangent,))
    torch.testing.assert_close(found, edit_(tangent.clone(), table, 0.5))  # it is linear


def test_a_backward_pass_hears_of_the_change(path):
    weight, hidden = torch.ones(4, requires_grad=True), torch.randn(2, 4)
    loss = (hidden * weight).sum()
    edit_(hidden, ablate_table(_units(1, 4)), 1.0)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_activations_of_inference_mode_are_edited_outside_of_it():
    """They count no versions, and nobody can want a gradient through them. (Plain torch refuses all changes of them.)"""
    assert op.chosen_path().path == "cpp", op.chosen_path().reason
    table = ablate_table(_units(2, 8))
    with torch.inference_mode():
        hidden = torch.randn(3, 8, generator=_draw(6))
        expected = edit_(hidden.clone(), table, 0.5)
    assert torch.equal(edit_(hidden, table, 0.5), expected)


def test_a_table_does_not_change_with_what_it_was_made_from(path):
    unit = _units(1, 8)[0].contiguous()
    hidden, table = torch.randn(3, 8, generator=_draw(5)), ablate_table(unit)
    expected = edit_(hidden.clone(), table, 1.0)
    unit.zero_()
    assert torch.equal(edit_(hidden.clone(), table, 1.0), expected)
    torch.testing.assert_close(edit_(hidden.clone().requires_grad_().clone(), table, 1.0).detach(), expected)


@pytest.mark.parametrize("make", [ablate_table, lambda u: affine_table(u, 0.1), clamp_table])
@pytest.mark.parametrize("rows", [2 * torch.eye(4)[:1], torch.tensor([[1.0, 0.0], [0.6, 0.8]])])
def test_projections_are_set_on_orthonormal_rows_only(make, rows):
    with pytest.raises(TableError, match="orthonormal"):
        make(rows)


def test_tables_are_checked():
    with pytest.raises(TableError, match="read"):
        Table(torch.zeros(2, 4), torch.zeros(1, 4), torch.zeros(2, 5))
    with pytest.raises(TableError, match="read"):
        Table(torch.zeros(0, 4), torch.zeros(0, 4), torch.zeros(0, 5))
    with pytest.raises(TableError, match="finite"):
        add_table(torch.full((4,), float("nan")), 1.0)
    with pytest.raises(TableError, match="bound"):
        clamp_table(torch.eye(4)[0], 1.0, 0.0)
    with pytest.raises(TableError, match="2 numbers of radial"):
        rotate_table(torch.eye(4)[:1], 1.0)
    with pytest.raises(TableError, match="unit"):
        Gate(torch.ones(4), 0.0)
    with pytest.raises(TableError, match="contiguous"):
        Table(torch.zeros(4, 2).T, torch.zeros(2, 4), torch.zeros(2, 5))


def test_autocast_does_not_round_the_arithmetic(path):
    u = _units(1, 64)[0]
    hidden = torch.randn(5, 64, generator=_draw(1))
    exact = hidden.double() - (hidden.double() @ u.double())[:, None] * u.double()
    with torch.autocast("cpu", torch.bfloat16):
        torch.testing.assert_close(
            edit_(hidden.clone(), ablate_table(u), 1.0).double(), exact, rtol=1e-5, atol=1e-5
        )


def test_strengths_elsewhere_are_refused():
    """On meta they would be taken for a dry run, and real activations left as they are."""
    with pytest.raises(TableError, match="on meta"):
        edit_(torch.ones(2, 8), ablate_table(_units(1, 8)), torch.ones(1, device="meta"))


def test_what_adds_does_not_look_at_rows_beyond_the_caches(path):
    """A projection of such rows overflows; it is not wanted."""
    u = torch.full((4096,), 1 / 64)
    hidden = torch.full((2200, 4096), 3e38).bfloat16()
    assert torch.equal(edit_(hidden.clone(), add_table(u, 1.0), 1.0), hidden)


def test_a_gate_that_is_trained_gets_a_gradient():
    u = _units(2, 8)
    query = u[0].clone().requires_grad_()
    table = ablate_table(u[1]).gated(Gate(query, 0.0, 4.0))
    edit_(torch.randn(3, 8, generator=_draw(1)), table, 1.0).square().sum().backward()
    assert query.grad is not None
    assert query.grad.abs().sum() > 0
