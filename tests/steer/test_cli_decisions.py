"""The commands that weigh: `steer tax`, `calibrate`, `search`, `power`; mistakes are one line, exit code 2."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import steer
from steer.cli import main
from steer.policy import load_dials


@pytest.fixture(autouse=True)
def wide(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "250")


# --- tax ---


@pytest.fixture(scope="module")
def taxed(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """The command of the docs, once."""
    folder = tmp_path_factory.mktemp("tax")
    weights = folder / "weights.toml"
    weights.write_text("capability = 0.75\nbenign-risky = 0.25\n")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("COLUMNS", "250")
        args = ["tax", "--base", "reference:base", "--aligned", "reference:mild,reference:aligned", "--suite",
                "capability,benign-risky,harmful", "--limit", "20", "--out", str(folder / "run"), "--weights", str(weights),
                "--value", "0.5"]  # fmt: skip
        import contextlib
        import io

        with contextlib.redirect_stdout(io.StringIO()), pytest.raises(SystemExit) as end:
            main([*args, "--json"])
        assert end.value.code == 0
    return " ".join(args[1:]), folder / "run"


def test_tax_prints_doses_by_cause(cli: Any, taxed: tuple[str, Path]) -> None:
    args, out = taxed
    shown = cli.done("tax", *args.split(" "))
    found = json.loads((out / "tax.json").read_text())
    assert [own["model"] for own in found["doses"]] == ["reference:mild", "reference:aligned"]
    for own in found["doses"]:
        assert own["model"] in shown
        assert f"{own['tax']['total']:+.3f} [{own['tax']['low']:+.3f}, {own['tax']['high']:+.3f}]" in shown
        assert f"{own['model']}: {500 * own['tax']['total']:.2f} [" in shown
        assert own["label"] in shown
        weighted = 0.75 * own["suites"]["capability"]["total"] + 0.25 * own["suites"]["benign-risky"]["total"]
        assert own["tax"]["total"] == pytest.approx(weighted)
    mild, aligned = (own["tax"]["total"] for own in found["doses"])
    assert mild < aligned
    assert f"rows and taxes: {out}" in shown
    assert "reference:base" in shown
    assert sorted(path.name for path in out.iterdir()) == ["aligned-1", "aligned-2", "base", "tax.json"]


def test_tax_is_for_programs_too(cli: Any, taxed: tuple[str, Path]) -> None:
    args, out = taxed
    assert json.loads(cli.done("tax", *args.split(" "), "--json")) == json.loads(
        (out / "tax.json").read_text()
    )


def test_tax_shows_what_steering_gives_back(
    cli: Any, tiny_folder: Path, make_llama: Any, make_vector: Any, write_suite: Any, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    models = {name: make_llama(name, seed=at) for at, name in enumerate(("one", "two"))}
    monkeypatch.setattr(steer, "load", lambda name, **_: models[name])
    steer.save_vector(make_vector(models["two"], gap=6.0), tmp_path / "v.safetensors")
    prompts = [{"prompt": p} for p in ("Hi", "Name a colour.", "Count the words.")]
    suite = write_suite(tmp_path, "good", prompts, axis="benign_refusal", kind="refusal")
    args = ("tax", "--base", "one", "--aligned", "two", "--suite", str(suite), "--out", str(tmp_path / "run"))
    shown = cli.done(*args, "--vector", str(tmp_path / "v.safetensors"), "--strengths", "-1,1")
    assert "what steering two gives back" in shown
    assert "undefined" in shown, "three items show no tax"
    assert [own["strength"] for own in json.loads((tmp_path / "run/tax.json").read_text())["given_back"]] == [
        -1,
        0,
        1,
    ]


def test_bad_tax_is_one_line_before_a_model_is_loaded(
    cli: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(steer, "load")
    (tmp_path / "w.toml").write_text("harmful = 1\n")
    (tmp_path / "broken.toml").write_text("capability = [\n")
    (tmp_path / "words.toml").write_text('capability = "much"\n')
    (tmp_path / "table.toml").write_text("[capability]\n")
    (tmp_path / "nan.toml").write_text("capability = nan\n")
    (tmp_path / "below.toml").write_text("capability = -1\n")
    (tmp_path / "file").touch()
    out = ("--out", str(tmp_path / "run"))
    pair = ("--base", "a", "--aligned", "b")
    cases = [
        (*pair, "--out", str(tmp_path / "file")),
        ("--base", "a", "--aligned", "a", *out),
        ("--base", "a", "--aligned", "b,b", *out),
        ("--base", "a", "--aligned", ",", *out),
        (*pair, *out, "--suite", "no-such"),
        (*pair, *out, "--suite", "harmful"),
        (*pair, *out, "--suite", ""),
        (*pair, *out, "--strengths", "one"),
        (*pair, *out, "--vector", "none.safetensors"),
        (*pair, *out, "--vector", "v", "--policy", "p"),
        (*pair, *out, "--suite", "capability", "--weights", str(tmp_path / "none.toml")),
        *((*pair, *out, "--suite", "capability", "--weights", str(tmp_path / f"{n}.toml"))
          for n in ("w", "broken", "words", "table", "nan", "below")),
    ]  # fmt: skip
    for case in cases:
        cli.refused("tax", *case)
    assert not (tmp_path / "run").exists()


# --- calibrate ---


@pytest.fixture(scope="module")
def swept(tmp_path_factory: pytest.TempPathFactory, make_vector: Callable[..., steer.Vector]) -> Path:
    """The reference model under a direction of nobody's: strengths hardly matter, and everything is in its place."""
    out = tmp_path_factory.mktemp("swept") / "run"
    model = steer.load("reference:aligned")
    vector = make_vector(model, layer=3, gap=0.5)
    steer.sweep(model, vector, ["harmful", "benign-risky", "capability"], [0.5], out, control=False, limit=40)
    return out


def test_calibrate_writes_a_policy_and_says_both_halves(cli: Any, swept: Path, tmp_path: Path) -> None:
    policy = tmp_path / "policy.toml"
    args = (
        "calibrate",
        str(swept),
        "--max-over-refusal",
        "0.9",
        "--max-tax",
        "0.5",
        "--max-invalid",
        "0.5",
        "-o",
        str(policy),
    )
    shown = cli.done(*args)
    for said in (
        "the choosing half",
        "the reporting half",
        "mild",
        "moderate",
        "strict",
        "naive, as measured",
        "saved, naive interpolated",
        f"written: {policy}",
    ):
        assert said in shown
    found = json.loads(cli.done(*args, "--json"))
    assert found == json.loads((swept / "calibration.json").read_text())
    assert load_dials(policy)["strength"].presets == found["presets"]
    assert found["budgets"]["over_refusal"] == 0.9
    assert steer.Plan.load(policy).dials == ("strength",)


def test_no_such_point_is_exit_code_1_and_names_the_nearest(cli: Any, swept: Path, tmp_path: Path) -> None:
    args = ("calibrate", str(swept), "--max-over-refusal", "0", "-o", str(tmp_path / "policy.toml"))
    code, out, err = cli.run(*args)
    assert (code, err) == (1, "")
    assert "no such point; the nearest is +0" in out
    assert "the binding budget is over-refusal" in out
    code, out, err = cli.run(*args, "--json")
    assert (code, err) == (1, "")
    assert json.loads(out)["nearest"]["broken"] == ["over-refusal"]
    assert list(tmp_path.iterdir()) == []


def test_bad_calibrations_are_one_line(cli: Any, swept: Path, tmp_path: Path) -> None:
    policy = str(tmp_path / "policy.toml")
    cases = [
        (str(tmp_path / "none"),),
        (str(swept), "--min-harmful-refusal", "much"),
        (str(swept), "--min-harmful-refusal", "1.5"),
        (str(swept), "--min-harmful-refusal", "nan"),
        (str(swept), "--min-harmful-refusal", "0.01"),
        (str(swept), "--naive", str(tmp_path)),
        (str(swept), "-o", str(tmp_path / "none" / "policy.toml")),
        (str(swept), "-o", str(tmp_path)),
    ]
    for case in cases:
        cli.refused("calibrate", *(case if "-o" in case else (*case, "-o", policy)))
    assert list(tmp_path.iterdir()) == []
    assert "--below-plain" in cli.refused("calibrate", *cases[4])


# --- search ---


def test_search_shows_the_frontier_of_both_halves(
    cli: Any,
    tiny_folder: Path,
    make_vector: Any,
    write_suite: Any,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    items = [{"prompt": f"Count {n} cats."} for n in range(8)]
    suites = [
        write_suite(tmp_path, "bad", items, axis="harmful_refusal", kind="refusal"),
        write_suite(tmp_path, "risky", items, axis="over_refusal", kind="refusal"),
        write_suite(tmp_path, "sums", [item | {"answers": ["x"]} for item in items]),
    ]
    steer.save_vector(make_vector(steer.load(str(tiny_folder)), gap=6.0), tmp_path / "v.safetensors")
    given = (
        "search",
        str(tiny_folder),
        "--vector",
        str(tmp_path / "v.safetensors"),
        "--suite",
        ",".join(map(str, suites)),
    )
    args = (*given, "--trials", "2", "--out", str(tmp_path / "found"))
    from steer_evals import search

    inner = search._rates
    monkeypatch.setattr(search, "_rates", lambda rows: inner(rows) | {"invalid": 0.0})
    shown = cli.done(*args)
    assert "on the choosing half, on the reporting half" in shown
    assert f"settings and trials: {tmp_path / 'found'}" in shown
    found = json.loads(cli.done(*args, "--json"))
    assert found == json.loads((tmp_path / "found/search.json").read_text())
    plain = next(line for line in shown.splitlines() if "plain model" in line)
    own = (tmp_path / "found" / f"{half}-{found[0]['trial']}" for half in ("trial", "report"))
    for axis in ("harmful_refusal", "over_refusal", "capability"):
        halves = [
            [r["value"] for r in steer.Run(run).rows if r["axis"] == axis and not r["strength"]]
            for run in own
        ]
        assert ", ".join(f"{sum(values) / len(values):.3f}" for values in halves) in plain
    assert all(f"{own['setting']['kind']} at layers {own['setting']['first']} to" in shown for own in found)
    assert "other seed" in cli.refused(*args, "--seed", "1")
    cli.refused(*given[:-1], str(suites[0]), "--out", str(tmp_path / "new"))
    monkeypatch.setattr(search, "_rates", lambda rows: inner(rows) | {"invalid": 1.0})
    code, _, err = cli.run(*given, "--trials", "1", "--out", str(tmp_path / "broken"))
    assert (code, err) == (1, "")


# --- power ---


@pytest.mark.parametrize(("effect", "items"), [("0.015", 1735), ("0.03", 428), ("0.05", 149)])
def test_power_is_the_table_of_the_literature(cli: Any, effect: str, items: int) -> None:
    assert f"{items} items" in cli.done("power", "--effect", effect)
    found = json.loads(cli.done("power", "--effect", effect, "--json"))
    assert (found["items"], found["discordant"], found["power"]) == (items, 0.05, 0.8)
    back = json.loads(cli.done("power", "--items", str(items), "--json"))
    assert back["effect"] == pytest.approx(float(effect), rel=2e-3)


def test_bad_power_is_one_line(cli: Any) -> None:
    for case in ((), ("--effect", "0.01", "--items", "9"), ("--effect", "0"), ("--effect", "0.9"), ("--effect", "nan"),
                 ("--effect", "0.03", "--power", "2"), ("--effect", "0.03", "--design-effect", "0")):  # fmt: skip
        cli.refused("power", *case)
