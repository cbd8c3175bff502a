"""The op against the formula in float64, and its laws."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from steer_kernels import Table, TableError, ablate_table, add_table, affine_table, edit_

DTYPES = {torch.float32: (1e-5, 1e-5), torch.bfloat16: (1.6e-2, 1e-2), torch.float16: (2e-3, 1e-3)}


def _table(k, d, seed=0):
    draw = torch.Generator().manual_seed(seed)
    return Table(*(torch.randn(*shape, generator=draw) for shape in ((k, d), (k, d), (k,), (k,))))


def _formula(hidden, table, strength):
    """Row by row in float64, straight from the equation."""
    out = hidden.double().clone()
    for row, s in zip(out.view(-1, out.shape[-1]), strength.double().reshape(-1, table.k), strict=True):
        c = s * (table.offset.double() + table.gain.double() * (table.read.double() @ row))
        row += table.write.double().T @ c
    return out


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("rows", [1, 3, 257])
@pytest.mark.parametrize("d", [1, 63, 576])
@pytest.mark.parametrize("k", [1, 2, 5])
def test_equals_the_formula(rows, d, k, dtype):
    table, draw = _table(k, d), torch.Generator().manual_seed(1)
    hidden = torch.randn(rows, d, generator=draw).to(dtype)
    strength = torch.randn(rows, k, generator=draw) / d
    expected = _formula(hidden, table, strength)
    rtol, atol = DTYPES[dtype]
    torch.testing.assert_close(edit_(hidden, table, strength).double(), expected, rtol=rtol, atol=atol)


@settings(deadline=None, max_examples=50)
@given(st.integers(1, 6), st.integers(1, 5), st.integers(1, 9), st.integers(1, 3), st.integers(0, 99))
def test_rows_are_independent_and_zero_rows_keep_their_bits(b, t, d, k, seed):
    draw = torch.Generator().manual_seed(seed)
    hidden = torch.randn(b, t, d, generator=draw)
    hidden[0, 0, 0], hidden[-1, -1, -1] = -0.0, float("inf")
    strength = torch.randn(b, 1, k, generator=draw) * (torch.arange(b) % 2).view(b, 1, 1)
    before, table = hidden.clone(), _table(k, d, seed)
    edit_(hidden, table, strength)
    assert torch.equal(hidden[::2].view(torch.int32), before[::2].view(torch.int32))
    for row in range(1, b - 1, 2):
        alone = edit_(before[row].clone(), table, strength[row])
        torch.testing.assert_close(hidden[row], alone)


def test_ablation_leaves_no_projection_and_addition_moves_it_by_a_gap():
    units = torch.linalg.qr(torch.randn(16, 2, generator=torch.Generator().manual_seed(0))).Q.T.contiguous()
    hidden = torch.randn(7, 16, generator=torch.Generator().manual_seed(1))
    cleaned = edit_(hidden.clone(), ablate_table(units), 1.0)
    torch.testing.assert_close(cleaned @ units.T, torch.zeros(7, 2), atol=1e-6, rtol=0)
    moved = edit_(hidden.clone(), add_table(units[0], torch.tensor(2.5)), 2.0)
    torch.testing.assert_close((moved - hidden) @ units[0], torch.full((7,), 5.0))


def test_works_in_place_on_a_slice():
    whole = torch.randn(4, 6, 8)
    before = whole.clone()
    edit_(whole[:, 2:4], add_table(torch.eye(8)[0], torch.tensor(1.0)), 1.0)
    torch.testing.assert_close(whole[:, 2:4, 0], before[:, 2:4, 0] + 1)
    assert torch.equal(whole[:, :2], before[:, :2])
    assert torch.equal(whole[:, 4:], before[:, 4:])


@pytest.mark.parametrize(
    ("hidden", "strength"),
    [(torch.zeros(2, 5), 1.0), (torch.zeros(2, 4), float("nan")), (torch.zeros(2, 4), torch.ones(3, 1))],
)
def test_bad_arguments_are_named(hidden, strength):
    with pytest.raises(TableError, match="got .*; expected .*; do this"):
        edit_(hidden, _table(1, 4), strength)


def test_tables_are_checked():
    with pytest.raises(TableError, match="read"):
        Table(torch.zeros(2, 4), torch.zeros(1, 4), torch.zeros(2), torch.zeros(2))
    with pytest.raises(TableError, match="finite"):
        add_table(torch.full((4,), float("nan")), torch.tensor(1.0))


def test_affine_sets_the_projection_to_the_reference():
    unit = torch.nn.functional.normalize(torch.randn(16, generator=torch.Generator().manual_seed(0)), dim=0)
    hidden = torch.randn(7, 16, generator=torch.Generator().manual_seed(1))
    moved = edit_(hidden.clone(), affine_table(unit, torch.tensor(0.7)), 1.0)
    torch.testing.assert_close(moved @ unit, torch.full((7,), 0.7))
    across = torch.eye(16) - torch.outer(unit, unit)
    torch.testing.assert_close(moved @ across, hidden @ across, atol=1e-5, rtol=1e-5)
