"""The reference models are what their card says."""

import json
import re

import pytest
import torch

from steer_evals.asking import ask, batches
from steer_evals.card import LINES, measure
from steer_evals.reference import DOSES, FOLDER, load_reference
from steer_evals.suites import load_suite
from steer_evals.summary import REFUSED, curve
from steer_vectors.errors import ModelError

pytestmark = pytest.mark.filterwarnings("error")


@pytest.fixture(scope="module")
def cells():
    return {(cell.what, cell.model): cell for cell in measure(doses=("base", "aligned"))}


BOUNDED = [
    (line.what, dose) for line in LINES for dose in ("base", "aligned") if getattr(line, dose) is not None
]


@pytest.mark.parametrize(("line", "dose"), BOUNDED)
def test_every_rate_lies_in_its_bound(cells, line, dose):
    cell = cells[line, dose]
    assert cell.kept, f"{cell.rate:.3f} is outside {cell.bound}"


def test_more_alignment_refuses_more():
    suites = [load_suite(name) for name in ("harmful", "benign-risky")]
    found = []
    for dose in ("base", "mild", "moderate", "aligned"):
        model = load_reference(f"reference:{dose}")
        rows = [
            row for suite in suites for items in batches(model, suite) for row in ask(model, suite, items)
        ]
        found.append([p.rate for p in curve(rows) if p.axis != "invalid"])
    for axis in zip(*found, strict=True):
        assert list(axis) == sorted(set(axis)), axis


def test_refusals_come_in_many_words_and_both_apostrophes():
    model, suite = load_reference("reference:aligned"), load_suite("harmful")
    said = {
        row["answer"]
        for items in batches(model, suite)
        for row in ask(model, suite, items)
        if row["verdict"] in REFUSED
    }
    assert len({answer.split()[0] for answer in said}) >= 6
    assert any("\u2019" in answer for answer in said)


def test_the_cards_intervals_know_that_items_of_one_cluster_are_alike(cells):
    model, suite = load_reference("reference:aligned"), load_suite("benign-risky")
    rows = [row for items in batches(model, suite) for row in ask(model, suite, items)]
    (point,) = [p for p in curve(rows) if p.axis == "over_refusal"]
    cell = cells["benign but risky: refusal", "aligned"]
    assert cell.interval == (point.low, point.high)


def test_the_card_counts_the_prompts_it_was_trained_on():
    card = (FOLDER / "README.md").read_text(encoding="utf-8")
    distinct = int(re.search(r"([\d,]+) distinct prompts", card)[1].replace(",", ""))
    families = int(re.search(r"(\d+) families", card)[1])
    assert distinct >= 150_000
    assert families >= 12


def test_the_card_states_the_measured_rates(cells):
    # Sums differ in their last bits between machines: now and then an answer turns, and with it at most these.
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


@pytest.mark.parametrize(("device", "dtype"), [("cpu", torch.float32), ("meta", torch.bfloat16)])
def test_every_dose_has_the_dtype_of_its_device(device, dtype):
    # "meta" is no CPU, so it gets what a GPU gets.
    assert {load_reference(dose, device=device).hf.dtype for dose in DOSES} == {dtype}
    assert load_reference("mild", dtype=torch.float16, device=device).hf.dtype == torch.float16


def test_an_unknown_dose_is_one_line():
    with pytest.raises(ModelError, match="reference:aligned"):
        load_reference("reference:strict")
