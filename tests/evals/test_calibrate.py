"""An operating point is chosen by one half of the items only, reported on the other, and "no such point" is an answer."""

from __future__ import annotations

import json
import math
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import steer
from steer.errors import PlanError
from steer.plan import Edit, Plan
from steer.policy import load_dials
from steer_evals.calibrate import Budgets, calibrate, half_of
from steer_evals.choosing import calibrate_run, calibration_fields
from steer_evals.errors import RunError
from steer_evals.frontier_of_rows import frontier_points
from steer_evals.rows import Row, append_rows
from steer_evals.run import Run
from steer_evals.summary import curve, taxes

N = 80  # items of a suite
AXES = {"harmful": "harmful_refusal", "risky": "over_refusal", "sums": "capability"}


def rows_at(
    strength: float, harmful: float, risky: float, sums: float = 0.9, invalid: float = 0.0
) -> list[Row]:
    """Rows in which the first items of each half are refused, so that both halves have the very same rates."""
    found = []
    for suite, share in (("harmful", harmful), ("risky", risky), ("sums", sums)):
        places = {"choosing": 0, "reporting": 0}
        for at in range(N):
            item = f"{suite}-{at}"
            half = half_of(suite, item)
            size = SIZES[suite][half]
            hit = places[half] < round(share * size)
            bad = suite == "sums" and places[half] >= size - round(invalid * size)
            places[half] += 1
            verdict = "invalid" if bad else "full_refusal" if hit and suite != "sums" else "full_compliance"
            row: Row = {
                "suite": suite, "axis": AXES[suite], "category": "", "item": item, "cluster": item, "strength": strength,
                "sample": 0, "prompt": "Hi", "answer": "Oh", "verdict": verdict,
                "correct": (hit and not bad) if suite == "sums" else None, "value": float(hit and not bad), "tokens": 1,
                "truncated": False, "ties": 0,
            }  # fmt: skip
            found.append(row)
    return found


SIZES = {
    suite: {
        half: sum(half_of(suite, f"{suite}-{at}") == half for at in range(N))
        for half in ("choosing", "reporting")
    }
    for suite in AXES
}


def dial(**changes: tuple[float, ...]) -> list[Row]:
    """A run in which turning up refuses more of everything: strength -> harmful, risky, sums, invalid."""
    by_strength: dict[float, tuple[float, ...]] = {
        -1.0: (0.5, 0.0), -0.5: (0.8, 0.02), 0.0: (0.9, 0.1), 0.5: (0.95, 0.2), 1.0: (1.0, 0.5),
    }  # fmt: skip
    by_strength |= {float(name[1:].replace("m", "-").replace("_", ".")): own for name, own in changes.items()}
    return [row for strength, own in sorted(by_strength.items()) for row in rows_at(strength, *own)]


ROWS = dial()
LOOSE = Budgets(over_refusal=1.0, tax=1.0, invalid=1.0)


# --- halves ---


def test_halves_are_disjoint_equal_and_fixed() -> None:
    halves = [half_of("harmful", f"harmful-{at}") for at in range(2000)]
    assert 900 < halves.count("choosing") < 1100
    assert halves == [half_of("harmful", f"harmful-{at}") for at in range(2000)]
    assert [half_of("a", "1"), half_of("a", "2"), half_of("b", "1")] == [
        "choosing",
        "reporting",
        "reporting",
    ], "of SHA-256, not of Python's hash: the same in every run and on every machine"


def test_only_the_choosing_half_chooses_and_only_the_other_is_reported() -> None:
    budgets = Budgets(over_refusal=0.3)
    found = calibrate(ROWS, budgets)

    def flipped(half: str) -> list[Row]:
        """The half answers the other way round, but for the plain model."""
        return [
            row if row["strength"] == 0 or half_of(row["suite"], row["item"]) != half or row["correct"] is not None
            else row | {"value": 1 - (row["value"] or 0)}
            for row in ROWS
        ]  # fmt: skip

    other = calibrate(flipped("reporting"), budgets)
    assert (other.settings, other.presets) == (found.settings, found.presets)
    assert other.reported != found.reported
    own = calibrate(flipped("choosing"), budgets)
    assert own.settings != found.settings
    shared = set(own.reported) & set(found.reported)
    assert 0.0 in shared
    assert all(repr(own.reported[s]) == repr(found.reported[s]) for s in shared)


def test_reported_numbers_are_those_of_the_reporting_half() -> None:
    found = calibrate(ROWS, Budgets(over_refusal=0.3))
    reporting = [row for row in ROWS if half_of(row["suite"], row["item"]) == "reporting"]
    points, lost = curve(reporting), {point.strength: point.tax for point in taxes(reporting)}
    assert set(found.reported) == {0.0, *found.presets.values()}
    for strength, own in found.reported.items():
        assert own.points == [point for point in points if point.strength == strength]
        assert own.tax == lost[strength]
        assert 0 <= own.on_frontier <= 1


def test_the_chance_to_be_on_the_frontier_is_the_one_of_the_frontiers_table() -> None:
    rows = dial(s0_5=(0.95, 0.05, 0.9, 0.3))  # good at no price, were it not for its invalid answers
    found = calibrate(rows, LOOSE._replace(invalid=0.1))
    reporting = [row for row in rows if half_of(row["suite"], row["item"]) == "reporting"]
    table = {point.strength: point.with_tax for point in frontier_points(reporting, 0.1)}
    assert math.isnan(table[0.5])
    assert found.presets["strict"] == 1.0
    assert {s: own.on_frontier for s, own in found.reported.items()} == {s: table[s] for s in found.reported}
    assert found.reported[0.0].on_frontier > 0.9, "what cannot be used beats nothing"


# --- budgets ---


def kept(rows: list[Row], budgets: Budgets) -> list[float]:
    return [setting.strength for setting in calibrate(rows, budgets).settings if not setting.broken]


def test_every_budget_binds() -> None:
    rows = dial(s0_5=(0.95, 0.2, 0.8), s1=(1.0, 0.5, 0.9, 0.1))
    assert kept(rows, LOOSE) == [0.0, 0.5, 1.0], "less refusal of harm than the plain model's is never free"
    assert kept(rows, LOOSE._replace(over_refusal=0.3)) == [0.0, 0.5]
    assert kept(rows, LOOSE._replace(tax=0.05)) == [0.0, 1.0]
    assert kept(rows, LOOSE._replace(invalid=0.05)) == [0.0, 0.5]
    assert kept(rows, LOOSE._replace(floor=0.93)) == [0.5, 1.0]
    broken = {s.strength: s.broken for s in calibrate(rows, Budgets(0.05, 0.01, 0.02, 1.0)).settings}
    assert broken[0.5] == ("over-refusal", "tax", "harmful refusal"), "the worst first"
    assert broken[1.0] == ("over-refusal", "invalid")


def test_plain_is_a_floor_by_interval_and_margin() -> None:
    """A little less than the plain model is no worse only where the interval shows that it is within the margin."""
    rows = dial(sm0_5=(0.88, 0.02))
    settings = {s.strength: s for s in calibrate(rows, LOOSE).settings}
    worse = settings[-0.5].worse
    assert worse.low < settings[-0.5].harmful_refusal - settings[0.0].harmful_refusal < 0
    assert -0.5 not in kept(rows, LOOSE)
    assert -0.5 in kept(rows, LOOSE._replace(margin=-worse.low))
    assert -0.5 not in kept(rows, LOOSE._replace(margin=-worse.low - 1e-6))
    assert settings[0.0].worse == (0, 0), "the plain model against itself"
    assert calibrate(rows, LOOSE).reported[0.0].harmful_change == (0, 0)
    same = {s.strength: s for s in calibrate(dial(s0_25=(0.9, 0.1)), LOOSE).settings}[0.25]
    assert same.harmful_refusal == settings[0.0].harmful_refusal
    assert same.worse.low < 0 < same.worse.high, "no difference seen is not none"


def test_items_of_one_source_are_one_item_of_the_interval() -> None:
    rows = dial()
    alike: list[Row] = [row | {"cluster": f"c{int(row['item'].split('-')[1]) // 30}"} for row in rows]
    wide, narrow = (
        {s.strength: s.worse for s in calibrate(given, LOOSE).settings}[-1.0] for given in (alike, rows)
    )
    assert wide.high - wide.low > 1.5 * (narrow.high - narrow.low)


def test_a_floor_below_plain_must_be_asked_for() -> None:
    with pytest.raises(RunError, match=r"got a floor of 0.7 .*; do this: [^\n]*--below-plain"):
        calibrate(ROWS, LOOSE._replace(floor=0.7))
    assert kept(ROWS, LOOSE._replace(floor=0.7, below_plain=True)) == [-0.5, 0.0, 0.5, 1.0]


def test_no_such_point_names_the_nearest_and_what_binds() -> None:
    found = calibrate(ROWS, Budgets(over_refusal=0.05))
    assert (found.presets, found.naive, set(found.reported)) == ({}, None, {0.0})
    assert found.nearest is not None
    assert found.nearest.strength == 0.0
    assert found.nearest.broken == ("over-refusal",)
    excess = {s.strength: s.miss for s in found.settings}
    assert excess[0.0] == min(excess.values()) == pytest.approx(found.nearest.over_refusal - 0.05)
    near_floor = calibrate(ROWS, Budgets(over_refusal=0.01, floor=0.95))
    assert near_floor.nearest is not None
    assert near_floor.nearest.strength == 0.0, (
        "both budgets count: 0.09 + 0.05 is less than 0.15 and than 0.19"
    )


@pytest.mark.parametrize(
    "budgets", [Budgets(over_refusal=math.nan), Budgets(tax=math.inf), Budgets(floor=math.nan)]
)
def test_a_budget_is_a_number(budgets: Budgets) -> None:
    with pytest.raises(RunError, match="finite budgets"):
        calibrate(ROWS, budgets)


# --- presets ---


rates = st.tuples(*(st.sampled_from([0.0, 0.1, 0.25, 0.5, 0.75, 0.9, 1.0]) for _ in range(2)))


@settings(max_examples=6, deadline=None)
@given(st.lists(rates, min_size=3, max_size=3))
def test_presets_are_in_order(drawn: list[tuple[float, float]]) -> None:
    rows = [row for s, own in zip((0.0, 0.5, 1.0), drawn, strict=True) for row in rows_at(s, *own)]
    found = calibrate(rows, LOOSE)
    own = {s.strength: s for s in found.settings}
    mild, moderate, strict = (own[found.presets[name]] for name in ("mild", "moderate", "strict"))
    assert mild.harmful_refusal <= moderate.harmful_refusal <= strict.harmful_refusal
    assert mild.over_refusal <= moderate.over_refusal <= strict.over_refusal
    assert all(not setting.broken for setting in (mild, moderate, strict))
    assert strict.harmful_refusal == max(s.harmful_refusal for s in found.settings if not s.broken)
    assert mild.over_refusal == min(s.over_refusal for s in found.settings if not s.broken)


def test_three_presets_of_a_smooth_dial() -> None:
    assert calibrate(ROWS, LOOSE).presets == {"mild": 0.0, "moderate": 0.5, "strict": 1.0}


def test_the_moderate_preset_is_not_beaten_by_the_mild_one() -> None:
    """Half-way in over-refusal, but less safe than mild: no compromise."""
    drawn = {0.0: (0.9, 0.1), 0.5: (0.7, 0.3), 1.0: (1.0, 0.5)}
    rows = [row for strength, own in drawn.items() for row in rows_at(strength, *own)]
    found = calibrate(rows, LOOSE._replace(floor=0.0, below_plain=True))
    assert (found.presets["mild"], found.presets["strict"]) == (0.0, 1.0)
    assert found.presets["moderate"] != 0.5


# --- naive beside ---


def test_a_run_saves_nothing_against_itself() -> None:
    rows = dial(s0_5=(0.95, 0.2, 0.6), s1=(1.0, 0.5, 0.4))
    found = calibrate(rows, LOOSE)
    for strength in (0.5, 1.0):
        saved = found.reported[strength].saved
        assert saved.value == pytest.approx(0.0)
        assert saved.strength == strength
    assert found.naive is not None
    assert found.naive.strength == found.presets["strict"] == 1.0
    assert found.naive.points == found.reported[1.0].points
    assert "holds 0" in found.reported[0.0].saved.reason, "of no tax nothing can be saved"
    assert "holds 0" in found.reported[0.0].exchange.reason


def test_a_better_dial_saves_what_the_naive_one_loses() -> None:
    naive = dial(s0_5=(0.95, 0.2, 0.6), s1=(1.0, 0.5, 0.4))
    found = calibrate(dial(s0_5=(0.95, 0.2, 0.75), s1=(1.0, 0.5, 0.65)), LOOSE, naive)
    saved = found.reported[1.0].saved
    reporting = SIZES["sums"]["reporting"]
    lost = [(round(0.9 * reporting) - round(share * reporting)) / reporting for share in (0.65, 0.4)]
    assert saved.value == pytest.approx(1 - lost[0] / lost[1])
    assert saved.low < saved.value < saved.high
    assert found.naive is not None
    assert found.naive.tax is not None
    assert found.naive.tax.total == pytest.approx(lost[1])


def test_a_naive_dial_that_never_refuses_as_much_is_none() -> None:
    weak = [row for s, own in ((0.0, (0.9, 0.1)), (0.5, (0.91, 0.2))) for row in rows_at(s, *own)]
    found = calibrate(ROWS, LOOSE, weak)
    assert found.naive is None
    assert "refuses at most" in found.reported[1.0].saved.reason


def test_without_capability_the_tax_is_unknown_and_not_zero() -> None:
    found = calibrate([row for row in ROWS if row["suite"] != "sums"], LOOSE._replace(tax=-1.0))
    assert found.presets
    assert all(math.isnan(s.tax) for s in found.settings)
    assert all(own.tax is None and "no suite" in own.saved.reason for own in found.reported.values())
    text = json.dumps(calibration_fields(found), allow_nan=False)
    assert json.loads(text)["settings"][0]["tax"] is None


# --- what is no run to calibrate ---


def test_what_cannot_be_calibrated_is_one_line() -> None:
    cases: Mapping[str, list[Row]] = {
        "without harmful": [row for row in ROWS if row["suite"] != "harmful"],
        "benign-but-risky": [row for row in ROWS if row["suite"] != "risky"],
        "at strength 0": [row for row in ROWS if row["strength"] != 0],
        "reporting half": [row for row in ROWS if half_of(row["suite"], row["item"]) == "choosing"],
        "was stopped": ROWS[:-1],
    }
    for said, rows in cases.items():
        with pytest.raises(RunError, match=rf"got [^\n]*{said}[^\n]*; expected [^\n]+; do this: [^\n]+"):
            calibrate(rows)


# --- the policy ---

MakeRun = Callable[..., Run]


@pytest.fixture
def make_run(tmp_path: Path, tiny_llama: Any, make_vector: Any) -> MakeRun:
    def make(
        rows: list[Row], name: str = "run", baseline: str = "same", dials: tuple[str, ...] = ("strength",)
    ) -> Run:
        folder = tmp_path / name
        folder.mkdir()
        settings = {"model": "m", "fingerprint": "f", "plan": [], "suites": {}, "versions": {"steerdial": "0"},
                    "baselines": {"harmful": baseline}}  # fmt: skip
        (folder / "settings.json").write_text(json.dumps(settings))
        Plan(tuple(Edit("add", make_vector(tiny_llama), dial=own) for own in dials)).save(
            folder / "plan.toml"
        )
        append_rows(folder / "rows.jsonl", rows)
        return Run(folder)

    return make


def test_a_policy_holds_presets_and_what_they_were_reported_at(make_run: MakeRun, tmp_path: Path) -> None:
    run, out = make_run(ROWS), tmp_path / "policy.toml"
    found = calibrate_run(run, LOOSE, out=out)
    assert [edit.kind for edit in Plan.load(out).edits] == ["add"]
    own = load_dials(out)["strength"]
    assert own.presets == found.presets
    assert own.default == found.presets["moderate"]
    assert (own.low, own.high) == (0.0, 1.0)
    measured = tomllib.loads(out.read_text())["measured"]
    assert (measured["half"], measured["floor"], measured["below_plain"]) == ("reporting", "plain", False)
    for preset in measured["presets"]:
        reported = found.reported[found.presets[preset["name"]]]
        assert reported.tax is not None
        assert preset["tax"] == [reported.tax.total, reported.tax.low, reported.tax.high, reported.tax.n]
        points = {
            p.suite: [p.rate, p.low, p.high, p.n] for p in reported.points if p.axis.endswith("refusal")
        }
        assert preset["refusals"] == points
    kept = json.loads((run.folder / "calibration.json").read_text())
    assert kept == json.loads(json.dumps(calibration_fields(found)))


def test_below_plain_is_said_in_the_policy(make_run: MakeRun, tmp_path: Path) -> None:
    calibrate_run(make_run(ROWS), LOOSE._replace(floor=0.7, below_plain=True), out=tmp_path / "p.toml")
    measured = tomllib.loads((tmp_path / "p.toml").read_text())["measured"]
    assert (measured["floor"], measured["below_plain"]) == (0.7, True)
    assert load_dials(tmp_path / "p.toml")["strength"].low == -0.5


def test_no_such_point_writes_no_policy(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run(ROWS)
    calibrate_run(run, Budgets(), out=tmp_path / "policy.toml")
    assert sorted(p.name for p in tmp_path.iterdir()) == ["run"]
    kept = json.loads((run.folder / "calibration.json").read_text())
    assert kept["presets"] == {}
    assert kept["nearest"]["broken"] == ["over-refusal"]


def test_one_cluster_has_no_intervals_and_still_a_policy(make_run: MakeRun, tmp_path: Path) -> None:
    alike: list[Row] = [row | {"cluster": "one"} for row in ROWS]
    calibrate_run(make_run(alike), LOOSE, out=tmp_path / "policy.toml")
    assert Plan.load(tmp_path / "policy.toml").dials == ("strength",)


def test_naive_of_another_baseline_is_refused(make_run: MakeRun, tmp_path: Path) -> None:
    run, other = make_run(ROWS), make_run(ROWS, "other", "another")
    with pytest.raises(RunError, match=r"got [^\n]*another baseline[^\n]*; expected [^\n]+; do this: [^\n]+"):
        calibrate_run(run, LOOSE, other, tmp_path / "policy.toml")
    assert not (tmp_path / "policy.toml").exists()
    assert calibrate_run(run, LOOSE, make_run(ROWS, "naive")).naive is not None


def test_a_plan_without_one_dial_is_refused(make_run: MakeRun, tmp_path: Path) -> None:
    with pytest.raises(RunError, match="2 dials"):
        calibrate_run(make_run(ROWS, dials=("a", "b")), LOOSE, out=tmp_path / "policy.toml")
    run = make_run(ROWS, "bare")
    (run.folder / "plan.toml").unlink()
    with pytest.raises(PlanError, match=r"plan\.toml"):
        calibrate_run(run, LOOSE, out=tmp_path / "policy.toml")
    assert not (tmp_path / "policy.toml").exists()
    assert issubclass(RunError, steer.SteerError)


def test_a_floor_of_plain_goes_by_the_items_that_were_judged_at_both_strengths() -> None:
    """Of the refused half the steered setting loses a third; the other half of its answers was not judged."""
    rows = dial(s0=(0.5, 0.1), sm1=(0.35, 0.0))
    for row in rows:
        if row["axis"] == "harmful_refusal" and row["strength"] == -1.0:
            plain = next(r for r in rows if (r["item"], r["strength"]) == (row["item"], 0.0))
            if plain["verdict"] == "full_compliance":
                row.update(verdict="not_judged", value=None)
    (found,) = (own for own in calibrate(rows, Budgets()).settings if own.strength == -1.0)
    assert found.harmful_refusal > 0.5
    assert "harmful refusal" in found.broken
