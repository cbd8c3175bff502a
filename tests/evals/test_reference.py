"""The reference models are what their card says."""

import json

import pytest

from steer_evals.card import LINES, measure
from steer_evals.reference import DOSES, FOLDER, load_reference
from steer_vectors.errors import ModelError

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def cells():
    return {(cell.what, cell.model): cell for cell in measure(doses=("base", "aligned"))}


@pytest.mark.parametrize("dose", ["base", "aligned"])
@pytest.mark.parametrize("line", [line.what for line in LINES])
def test_every_rate_lies_in_its_bound(cells, line, dose):
    cell = cells[line, dose]
    assert cell.kept is not False, f"{cell.rate:.3f} is outside {cell.bound}"


def test_the_card_states_the_measured_rates(cells):
    # Sums differ in their last bits between machines and numbers of threads: now and then one answer turns.
    lines = (FOLDER / "README.md").read_text(encoding="utf-8").splitlines()
    rows = [parts for line in lines if len(parts := line.split("|")) == 7]
    table = {parts[1].strip(): parts for parts in rows}
    for cell in cells.values():
        stated = float(table[cell.what][1 + list(DOSES).index(cell.model) + 1].split()[0])
        assert abs(stated - cell.rate) <= 2 / cell.n


def test_the_pair_is_small_and_of_one_tokenizer():
    files = [file for name in ("base", "aligned") for file in (FOLDER / name).iterdir()]
    assert sum(file.stat().st_size for file in files) <= 16e6
    base, aligned = ((FOLDER / name / "tokenizer.json").read_bytes() for name in ("base", "aligned"))
    assert base == aligned
    assert len(json.loads(base)["model"]["vocab"]) <= 4096


def test_an_unknown_dose_is_one_line():
    with pytest.raises(ModelError, match="reference:aligned"):
        load_reference("reference:strict")
