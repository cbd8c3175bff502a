"""The report: always whole, always self-contained, never half a pair, and text of models stays text."""

import itertools
import json
import math
import re
import shutil
import subprocess
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest
from PIL import Image

from steer_evals.alignment import Alignment, tax_fields
from steer_evals.calibrate import Budgets, calibrate
from steer_evals.choosing import calibration_fields
from steer_evals.differences import differences
from steer_evals.errors import RunError
from steer_evals.frontier_of_rows import FrontierPoint, Rate, frontier_points
from steer_evals.intervals import wilson
from steer_evals.pair import dose, given_back
from steer_evals.points import pooled, read_points, read_tax
from steer_evals.report import write_report
from steer_evals.report.contents import read_calibration, read_summary
from steer_evals.report.dial import dial
from steer_evals.report.drawing import Picture, apart
from steer_evals.report.frontier_figure import frontier_figure
from steer_evals.report.markup import points, points_range, tables
from steer_evals.report.tax_figure import tax_figure
from steer_evals.report.writing import pick_examples
from steer_evals.rows import Row
from steer_evals.run import fields_of

PNG = b"\x89PNG\r\n\x1a\n"
FILES = ["curve.png", "curve.svg", "frontier.png", "frontier.svg", "report.html", "tax.png", "tax.svg"]
AXES = {
    "harmful": "harmful_refusal", "benign-risky": "over_refusal", "benign": "benign_refusal",
    "capability": "capability", "capability-choice": "capability_likelihood",
}  # fmt: skip
STRENGTHS = (-1.0, 0.0, 1.0, 2.0)
CHROMIUM = shutil.which("chromium")


def point(strength: float, suite: str, axis: str, count: int, n: int = 50, **more: Any) -> dict[str, Any]:
    low, high = wilson(count, n)
    where = {"strength": strength, "suite": suite, "axis": axis}
    band = {"band_low": max(0.0, low - 0.05), "band_high": min(1.0, high + 0.05)}
    return {**where, "n": n, "rate": count / n, "low": low, "high": high, **band, **more}


def curve() -> list[dict[str, Any]]:
    rates = [point(s, suite, axis, int(20 + 9 * s)) for s in STRENGTHS for suite, axis in AXES.items()]
    return rates + [point(s, "harmful", "invalid", 4 if s == 2 else 0) for s in STRENGTHS]


def mean(strength: float, axis: str, rate: float) -> dict[str, Any]:
    own = {"strength": strength, "suite": axis, "axis": axis, "n": 40, "counted": "mean", "missing": 3}
    return {**own, "rate": rate, "low": rate - 0.4, "high": rate + 0.4}


def row(strength: float, suite: str = "benign-risky", item: str = "1", **more: Any) -> dict[str, Any]:
    base = {
        "suite": suite, "axis": AXES.get(suite, "over_refusal"), "category": "", "item": item, "cluster": f"c{item}",
        "sample": 0, "prompt": "Why?", "answer": "Because it is so.", "verdict": "full_compliance", "correct": None,
        "value": 0.0, "tokens": 3, "truncated": False, "ties": 0,
    }  # fmt: skip
    return {**base, "strength": strength, **more}


def rows() -> list[dict[str, Any]]:
    """40 items of three suites; more strength refuses more of both, and costs a little work."""
    found = []
    for s, item in itertools.product(STRENGTHS, range(40)):
        for suite, pace in (("harmful", 12), ("benign-risky", 5)):
            refused = item < 10 + pace * s
            verdict = "full_refusal" if refused else "full_compliance"
            found.append(row(s, suite, str(item), verdict=verdict, value=float(refused)))
        right = item >= 4 * s
        found.append(row(s, "capability", str(item), correct=right, value=float(right), answer="68"))
    return found


def tax(strength: float, **more: Any) -> dict[str, Any]:
    parts = {"refused": 0.08, "invalid": 0.0, "ability": 0.02, "low": 0.05, "high": 0.15}
    return {"strength": strength, "n": 150, "total": 0.1, **parts, **more}


def summary() -> dict[str, Any]:
    run = {"model": "tiny <model>", "vector": "v", "suites": ["harmful"], "strengths": [0.0, 1.0]}
    control = [point(s, "harmful", "harmful_refusal", 21) for s in STRENGTHS]
    return {"run": run, "curve": curve(), "tax": [tax(1.0)], "control": control}


def everything() -> dict[str, Any]:
    """A summary with every part and every kind of axis."""
    more = [mean(s, "density", 40 + 3 * s) for s in STRENGTHS] + [
        mean(s, "diversity", 4 - s) for s in STRENGTHS
    ]
    more += [
        point(s, suite, "asks_back", 25) for s in STRENGTHS for suite in ("grounding", "grounding-twins")
    ]
    more += [point(s, "harmful-turns", "harmful_refusal", int(24 + 8 * s), missing=2) for s in STRENGTHS]
    bounds = {
        "answered": 120,
        "excluding": 0.03,
        "low": -0.02,
        "high": 0.21,
        "sampled_low": -0.06,
        "sampled_high": 0.27,
    }
    shares = {"full_compliance": 0.5, "partial_refusal": 0.1, "full_refusal": 0.38, "invalid": 0.02}
    return {
        **summary(),
        "curve": curve() + more,
        "states": [
            {"strength": s, "suite": "harmful", "axis": "harmful_refusal", "verdict": verdict, "n": 50,
             "share": share, "low": share / 2, "high": min(1.0, share * 1.5)}
            for s in STRENGTHS for verdict, share in shares.items()
        ],
        "categories": {
            name: [point(s, "benign-risky", "over_refusal", 4 + at, 20) for s in STRENGTHS]
            for at, name in enumerate(("chemistry", "locks & keys"))
        },
        "tax": [
            tax(-1.0, total=-0.05, ability=-0.13, low=-0.1, high=0.0),
            tax(0.0, total=0.0, refused=0.0, ability=0.0, low=-0.02, high=0.02),
            tax(1.0, without_refusals=bounds),
        ],
        "alarms": [{"suite": "harmful", "axis": "harmful_refusal", "strength": 1.0, "p": 0.0004}],
        "prompt": [point(s, suite, AXES[suite], int(20 + 5 * s)) for s in (-1.0, 1.0) for suite in ("harmful", "benign-risky")],
    }  # fmt: skip


def chosen(folder: Path, **budgets: Any) -> dict[str, Any]:
    found = calibration_fields(
        calibrate(typed(rows()), Budgets(**{"over_refusal": 0.5, "tax": 0.2, **budgets}))
    )
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "calibration.json").write_text(json.dumps(found))
    return found


def typed(found: list[dict[str, Any]]) -> list[Row]:
    return [Row(**one) for one in found]  # type: ignore[typeddict-item]


def page(tmp_path: Path, data: dict[str, Any], found: list[dict[str, Any]] | None = None) -> str:
    """A report's text, without the time that its pictures take."""
    blank = Picture(PNG, '<svg viewBox="0 0 1 1"></svg>')
    with pytest.MonkeyPatch.context() as patch:
        for name in ("dial", "tax_figure", "frontier_figure"):
            patch.setattr(f"steer_evals.report.writing.{name}", lambda *_: blank)
        return write_report(data, found or [], tmp_path / "run").read_text("utf-8")


def words(text: str) -> str:
    """What is read, figures and style apart; a number and the small print below it are two words."""
    bare = re.sub(r"(?s)<style>.*?</style>|<svg.*?</svg>", "", text)
    return " ".join(re.sub(r"<[^>]+>", "", bare.replace("<small>", " ")).replace("\u00a0", " ").split())


class Tree(HTMLParser):
    """The tags of a page with their attributes, and the text of captions and headings."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.open: list[str] = []
        self.parents: list[tuple[str, list[str]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.parents.append((tag, list(self.open)))
        self.tags.append((tag, dict(attrs)))
        if tag not in {"meta", "br", "img", "input", "hr", "link"}:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag, f"</{tag}> closes something else"

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attrs for name, attrs in self.tags if name == tag]


@pytest.fixture(scope="module")
def full(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with everything."""
    folder = tmp_path_factory.mktemp("full")
    chosen(folder)
    return write_report(everything(), rows(), folder)


# --- files ---


def test_writes_whole_files(tmp_path: Path) -> None:
    target = write_report(summary(), [row(0.0)], tmp_path / "a" / "b")
    assert target == tmp_path / "a" / "b" / "report.html"
    assert sorted(path.name for path in target.parent.iterdir()) == FILES
    for name in ("curve", "tax", "frontier"):
        assert (target.parent / f"{name}.png").read_bytes().startswith(PNG)
        assert ElementTree.parse(target.parent / f"{name}.svg").getroot().tag.endswith("svg")


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write_report(summary(), rows(), tmp_path / name) for name in "ab")
    for name in FILES:
        assert (first.parent / name).read_bytes() == (second.parent / name).read_bytes()


def test_a_crash_while_writing_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = page(tmp_path, summary())

    def fail(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("steer_evals.report.writing.os.replace", fail)
    with pytest.raises(RunError, match="No space left on device"):
        write_report({}, [], tmp_path / "run")
    assert (tmp_path / "run" / "report.html").read_text("utf-8") == old
    assert sorted(path.name for path in (tmp_path / "run").iterdir()) == FILES


def test_unwritable_and_malformed_input_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for data, found, out in (
        (summary(), [], tmp_path / "file"),
        ({"curve": [{"axis": "over_refusal"}]}, [], tmp_path / "x"),
        ({"tax": [{"strength": "much"}]}, [], tmp_path / "x"),
        ({"tax": [tax(1.0, without_refusals={"low": 0})]}, [], tmp_path / "x"),
        ({"states": [{"suite": "harmful"}]}, [], tmp_path / "x"),
        ({"alarms": [{"suite": "harmful"}]}, [], tmp_path / "x"),
        ({"differences": [{"what": "asks back"}]}, [], tmp_path / "x"),
        (summary(), [{"suite": "harmful"}], tmp_path / "x"),
    ):
        with pytest.raises(RunError, match=r"^got .*; expected .*; do this: .*$"):
            write_report(data, found, out)
    assert not (tmp_path / "x").exists()


@pytest.mark.parametrize("text", ["{", "[]", "{}", '{"budgets": {}, "reported": [3]}'])
def test_a_broken_calibration_is_one_line(tmp_path: Path, text: str) -> None:
    (tmp_path / "calibration.json").write_text(text)
    with pytest.raises(RunError, match=r"^got .*calibration.*; expected .*; do this: .*calibrate.*$"):
        write_report(summary(), [], tmp_path)


# --- structure ---


def test_nothing_is_fetched_or_run(full: Path) -> None:
    text = full.read_text("utf-8")
    tree = Tree(text)
    assert not {tag for tag, _ in tree.tags} & {
        "script",
        "link",
        "iframe",
        "object",
        "embed",
        "img",
        "image",
        "base",
    }
    for _, attrs in tree.tags:
        for name, value in attrs.items():
            assert not name.startswith("on")
            if name in {"src", "srcset", "data", "action", "poster", "href", "xlink:href"}:
                assert (value or "").startswith("#")
    assert not re.findall(r"url\((?!#)|@import", text)
    policy = next(one for one in tree.all("meta") if one.get("http-equiv") == "Content-Security-Policy")
    assert policy["content"] == "default-src 'none'; style-src 'unsafe-inline'"
    assert set(re.findall(r"https?://[^\s\"<>]+", text)) <= {
        "http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink",
    }  # fmt: skip


def test_every_id_is_one_and_every_reference_is_met(full: Path) -> None:
    tree = Tree(full.read_text("utf-8"))
    ids = Counter(attrs["id"] for _, attrs in tree.tags if "id" in attrs)
    assert max(ids.values()) == 1
    for _, attrs in tree.tags:
        wanted = [(attrs.get(name) or "")[1:] for name in ("href", "xlink:href") if name in attrs]
        wanted += (attrs.get("aria-labelledby") or "").split()
        wanted += re.findall(r"url\(#([^)]+)\)", " ".join(value or "" for value in attrs.values()))
        assert set(wanted) <= set(ids)


def test_every_figure_says_what_it_shows(full: Path) -> None:
    text = full.read_text("utf-8")
    drawings = re.findall(r"(?s)<svg.*?</svg>", text)
    assert len(drawings) == text.count("<figure>") == text.count("<figcaption>") == 3
    for drawing in drawings:
        root = ElementTree.fromstring(drawing)
        title, desc = root[0], root[1]
        assert (root.get("role"), title.tag[-5:], desc.tag[-4:]) == ("img", "title", "desc")
        assert root.get("aria-labelledby") == f"{title.get('id')} {desc.get('id')}"
        assert len(title.text or "") > 10
        assert len(desc.text or "") > 80
    curve_desc = ElementTree.fromstring(drawings[0])[1].text or ""
    assert "At \u22121: refusal of harmful requests (harmful) 22\u00a0% [12.8, 35.2]" in curve_desc


def test_every_table_is_named_and_can_be_reached(full: Path) -> None:
    text = full.read_text("utf-8")
    found = re.findall(r"(?s)<table>.*?</table>", text)
    assert len(found) > 15
    for one in found:
        assert re.match(r"<table><caption>[^<]", one)
        assert "<th>" not in one
        cells = [len(re.findall(r"<t[hd]\b", line)) for line in re.findall(r"(?s)<tr.*?</tr>", one)]
        assert len(set(cells)) == 1
        assert cells[0] <= 7
    regions = [attrs for attrs in Tree(text).all("div") if attrs.get("role") == "region"]
    assert len(regions) == len(found) + 3
    assert all(attrs["tabindex"] == "0" and attrs["aria-label"] for attrs in regions)


def test_headings_are_in_order_and_links_lead_to_sections(full: Path) -> None:
    tree = Tree(full.read_text("utf-8"))
    levels = [int(tag[1]) for tag, _ in tree.tags if re.fullmatch("h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in itertools.pairwise(levels))
    sections = {attrs.get("id") for attrs in tree.all("section")}
    assert [a["href"][1:] in sections for a in tree.all("a") if a["href"]] == [True] * len(tree.all("a"))
    assert not tree.open


def test_wide_tables_become_several() -> None:
    made = tables("Many", "strength", [f"c{n}" for n in range(14)], [("0", [str(n) for n in range(14)])])
    assert re.findall(r"<caption>(.*?)</caption>", made) == [
        "Many (1 of 3)",
        "Many (2 of 3)",
        "Many (3 of 3)",
    ]
    assert re.findall(r"<td>(\d+)</td>", made) == [str(n) for n in range(14)]


def test_text_of_models_stays_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)> $body$ {title} &amp; #1f2328; \" ' url(http://x)"
    found = [row(s, evil, answer=evil, prompt=evil, verdict=evil) for s in STRENGTHS]
    data = everything()
    data["run"][evil] = {evil: [evil, {evil: evil}]}
    data["curve"] += [point(s, evil, evil, 3) for s in STRENGTHS]
    data["categories"][evil] = [point(0.0, evil, evil, 3)]
    data["alarms"] += [{"suite": evil, "axis": evil, "strength": 0.0, "p": 0.001}]
    data["states"] += [{**data["states"][0], "suite": evil}]
    text = write_report(data, found, tmp_path / "run").read_text("utf-8")
    tree = Tree(text)
    assert not {tag for tag, _ in tree.tags} & {"script", "img"}
    assert not [attrs for _, attrs in tree.tags if any(name.startswith("on") for name in attrs)]
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "$body$ {title} &amp;amp; #1f2328;" in text
    ElementTree.parse(tmp_path / "run" / "curve.svg")


# --- numbers ---


def test_every_number_of_the_summary_is_in_the_tables(full: Path) -> None:
    text, data = words(full.read_text("utf-8")), everything()
    for entry in [
        *data["curve"],
        *data["control"],
        *data["prompt"],
        *itertools.chain(*data["categories"].values()),
    ]:
        share = entry.get("counted") != "mean"
        low, high = (ends(entry[end], share) for end in ("low", "high"))
        band = f" band [{ends(entry['band_low'], share)}, {ends(entry['band_high'], share)}]" if share else ""
        missing = f" {entry['missing']} without a value" if entry.get("missing") else ""
        value = f"{ends(entry['rate'], share)}{' %' if share else ''}"
        assert f"{value} [{low}, {high}]{band} n = {entry['n']}{missing}" in text
    for state in data["states"]:
        low, high = (ends(state[end], True) for end in ("low", "high"))
        assert f"{ends(state['share'], True)} % [{low}, {high}] n = {state['n']}" in text


def ends(value: float, share: bool) -> str:
    return f"{100 * value:.1f}".removesuffix(".0") if share else f"{value:.2f}"


def test_the_tax_table_has_the_split_and_the_bounds(full: Path) -> None:
    text = words(full.read_text("utf-8")).split("Accuracy lost against strength 0")[1]
    assert "+1 10.0 [5.0, 15.0] n = 150 8.0 n = 150 0.0 n = 150 2.0 n = 150".replace(" ", "") in text.replace(
        " ", ""
    )
    assert "\u22122.0 to 21.0 with sampling error [\u22126.0, 27.0] n = 150" in text
    assert "3.0 n = 120" in text


def test_presets_stand_beside_plain_and_naive(tmp_path: Path) -> None:
    found = chosen(tmp_path / "run")
    text = words(page(tmp_path, everything(), rows()))
    told = text.split("Presets on the reporting half")[1].split("Every setting on the choosing half")[0]
    assert "plain strength 0mild strength" in told.replace("0 mild", "0mild")
    assert "naive, as measured at the first strength asked that refuses as much as strict" in told
    assert "saving of the naive tax at equal harmful refusal, between the strengths asked" in told
    strict = next(one for one in found["reported"] if one["strength"] == found["presets"]["strict"])
    for entry in strict["points"]:
        assert (
            f"{ends(entry['rate'], True)} % [{ends(entry['low'], True)}, {ends(entry['high'], True)}]" in told
        )
    rate = strict["exchange"]
    assert (rate["reason"] or f"{rate['value']:.2f} [{rate['low']:.2f}, {rate['high']:.2f}]") in told
    assert strict["saved"]["reason"] in told
    broken = [", ".join(setting["broken"]) for setting in found["settings"]]
    assert all(names in text for names in broken)


def test_the_budget_of_invalid_answers_is_one(tmp_path: Path) -> None:
    # At strength 2 it is 8 % in the curve; these rows hold none.
    assert "More than 2 % of the answers of some suite are invalid at +2:" in words(
        page(tmp_path, summary(), rows())
    )
    chosen(tmp_path / "run", invalid=0.1)
    text = words(page(tmp_path, summary(), rows()))
    assert "of the answers of some suite are invalid at" not in text
    assert "Hollow: more than 10 % of the answers" in text


def test_what_was_stopped_or_left_out_is_said(tmp_path: Path) -> None:
    data = everything()
    assert "stopped:" not in words(page(tmp_path, data, rows()))
    data["run"] |= {"answers": 300, "asked": {"answers": 300, "left_out": "a template <refuses>"}}
    text = page(tmp_path, data | {"prompt": []}, rows())
    assert "stopped:" not in words(text)
    assert "no system prompts were asked instead of steering: a template &lt;refuses&gt;." in text
    data["run"]["answers"] = 120
    text = page(tmp_path, data, rows())
    assert text.index("stopped: 120 of 300 answers") < text.index('class="headline"')


def test_differences_stand_on_the_page_as_in_the_summary(tmp_path: Path) -> None:
    """A suite of twins is worth its difference: the page has what `summary.json` and `results.md` have."""
    asked = [
        row(s, axis, str(item), axis=axis, correct=item < right + 3 * s, value=float(item < right + 3 * s))
        for axis, right in (("asks_back", 30), ("asks_back_specified", 10))
        for s, item in itertools.product(STRENGTHS, range(40))
    ]
    found = [fields_of(own) for own in differences(typed(asked))]
    assert len(found) == len(STRENGTHS)
    odd = {
        "strength": 9.0,
        "what": "tea <less> milk",
        "n": 7,
        "n_less": 5,
        "value": -0.5,
        "low": None,
        "high": None,
    }
    text = page(tmp_path, {**summary(), "differences": [*found, odd]})
    assert "tea &lt;less&gt; milk" in text
    said = words(text)
    assert all(f"n = {own['n']} and {own['n_less']}" in said for own in found)
    for own in found:
        assert f"{points(own['value'])} {points_range(own['low'], own['high'])}" in said
    assert "\u221250.0" in said
    assert "[no interval]" in said
    assert "only the difference is worth something" in said
    assert "only the difference" not in words(page(tmp_path, summary()))


def test_no_such_point_names_the_nearest_and_the_budget(tmp_path: Path) -> None:
    found = chosen(tmp_path / "run", over_refusal=0.0, tax=0.0)
    assert not found["presets"]
    text = words(page(tmp_path, summary(), rows()))
    nearest = f"{found['nearest']['strength']:+g}".replace("-", "\u2212").replace("+0", "0")
    assert text.count(f"No such point: no setting keeps the budgets. The nearest is strength {nearest}") == 2
    assert f"the budget that binds is {found['nearest']['broken'][0]}." in text


def test_a_calibration_of_another_sweep_is_said(tmp_path: Path) -> None:
    chosen(tmp_path / "run")
    assert "calibrate again" not in page(tmp_path, summary(), rows())
    other = {**summary(), "curve": [p for p in curve() if p["strength"] != 2]}
    assert "This calibration saw other strengths than the curve: calibrate again." in page(
        tmp_path, other, rows()
    )


def test_a_calibration_survives_its_file(tmp_path: Path) -> None:
    found = calibrate(typed(rows()), Budgets(over_refusal=0.5, tax=0.2))
    again = read_calibration(json.loads(json.dumps(calibration_fields(found))))
    assert calibration_fields(again)["presets"] == calibration_fields(found)["presets"]
    assert json.dumps(calibration_fields(again)["reported"]) == json.dumps(
        calibration_fields(found)["reported"]
    )
    assert read_summary({"tax": [tax(1.0)]}).taxes[0].without is None
    (bounded,) = read_tax([everything()["tax"][2]])
    assert bounded.without is not None
    assert (bounded.without.answered, bounded.without.bounds, bounded.without.sampled) == (
        120,
        (-0.02, 0.21),
        (-0.06, 0.27),
    )


def test_harmful_and_over_refusal_are_always_said_together(tmp_path: Path) -> None:
    for present in (["harmful_refusal", "over_refusal"], ["harmful_refusal"], ["over_refusal"]):
        data = {"curve": [p for p in curve() if p["axis"] in present]}
        text = words(page(tmp_path, data)).split("Dial")[0]
        assert text.count("of harmful requests") == text.count("of benign but risky ones") == 3
        assert ("unmeasured" in text) == (len(present) == 1)


def test_headline_numbers_carry_intervals_and_n(full: Path) -> None:
    text = words(full.read_text("utf-8"))
    assert "40 % [27.6, 53.8] (n = 50, harmful) / 48 %" in text
    assert (
        "10.0 points of accuracy [5.0, 15.0], n = 150, of which 8.0 refused, 0.0 invalid and 2.0 ability"
        in text
    )
    assert "A random direction of equal norm moves these refusals by at most 2.0 points (at strength" in text
    assert "invalid at +2: no operating point there" in text
    assert "32 answers have no value on their axis" in text
    assert "refusal of harmful requests (harmful) turns back at strength +1 (p = < 0.001)" in text.replace(
        "&lt;", "<"
    )


def test_the_judge_is_measured_and_its_errors_are_taken_out(tmp_path: Path) -> None:
    text = words(page(tmp_path, summary())).split("Judge")[-1]
    assert re.search(r"kappa, refused or not ?0\.\d\d \[0\.\d\d, [01]\.\d\d\] n = \d+", text)
    assert re.search(r"false positives ?[\d.]+ % \[[\d.]+, [\d.]+\] \d+ of n = \d+", text)
    assert "Rogan and Gladen" in text
    other = words(page(tmp_path, {**summary(), "run": {"judge": "wildguard:x"}}))
    assert "This run's judge was not compared with labels" in other
    assert "kappa" not in other


def test_the_tax_of_alignment_of_this_model_is_shown(tmp_path: Path) -> None:
    aligned = [
        row(0.0, item=str(n), verdict="full_refusal" if n < 20 else "full_compliance") for n in range(40)
    ]
    base = [row(0.0, item=str(n)) for n in range(40)]
    steered = aligned + [{**one, "strength": -1.0} for one in base]
    own = dose(typed(base), typed(aligned), "tiny <model>")
    found = tax_fields(Alignment("base", [own], given_back(typed(base), typed(steered))))
    (tmp_path / "tax.json").write_text(json.dumps(found))
    text = words(page(tmp_path, summary()))
    low, high = (f"{100 * end:.1f}" for end in (own.tax.low, own.tax.high))
    assert f"tiny &lt;model&gt; beyond strict50.0 [{low}, {high}] n = 40" in text
    assert "100 % [100, 100] n = 40" in text  # all of it due to refusals, and all given back
    other = page(tmp_path, {**summary(), "run": {"model": "another"}})
    assert "Tax of alignment" not in other
    (tmp_path / "tax.json").write_text("[something else]")
    assert "Tax of alignment" not in page(tmp_path, summary())
    (tmp_path / "tax.json").write_text(json.dumps({**found, "given_back": [{}]}))
    with pytest.raises(RunError, match=r"^got a tax of alignment .*; do this: run `steer tax` again$"):
        page(tmp_path, summary())


@pytest.mark.parametrize(
    "kept", [keys for r in range(4) for keys in itertools.combinations(["run", "curve", "tax"], r)]
)
def test_any_part_may_be_absent(tmp_path: Path, kept: tuple[str, ...]) -> None:
    text = page(tmp_path, {key: value for key, value in summary().items() if key in kept})
    assert (">Dial</h2>" in text) == ("curve" in kept)
    assert (">Tax</h2>" in text) == ("tax" in kept)
    assert not Tree(text).open


@pytest.mark.parametrize("axis", [*AXES.values(), "invalid"])
def test_any_axis_may_be_absent(tmp_path: Path, axis: str) -> None:
    data = {**summary(), "curve": [p for p in curve() if p["axis"] != axis]}
    assert page(tmp_path, data).endswith("</html>\n")


def test_unmeasured_rates_are_shown_as_such(tmp_path: Path) -> None:
    nothing = dict.fromkeys(("rate", "low", "high", "band_low", "band_high"))
    hole = {**point(0.0, "harmful", "harmful_refusal", 1), "n": 0, **nothing, "missing": 7}
    nan = {
        "strength": 1.0,
        "n": 0,
        **dict.fromkeys(("total", "refused", "invalid", "ability", "low", "high")),
    }
    text = page(tmp_path, {"curve": [hole, point(1.0, "benign-risky", "over_refusal", 5)], "tax": [nan]})
    assert not re.search(r"\bnan\b", text.lower())
    assert "\u2013 n = 0 7 without a value" in words(text)


# --- figures ---


def test_pictures_depend_on_what_they_show() -> None:
    points = read_points(p for p in curve() if p["axis"] == "over_refusal")
    narrow = [one._replace(low=one.rate, high=one.rate) for one in points]
    banded = [one._replace(band_low=one.low, band_high=one.high) for one in points]
    made = [dial(points), dial(narrow), dial(banded), dial(points, points), dial(points, (), points)]
    made += [dial(points, presets={"mild": 1.0}), dial([])]
    assert len({one.png for one in made}) == len({one.svg for one in made}) == 7
    first, gain, bound = (
        tax_figure(read_summary({"tax": found}).taxes)
        for found in (
            [tax(1.0)],
            [tax(1.0, total=-0.1, ability=-0.18, low=-0.2, high=0.0)],
            everything()["tax"],
        )
    )
    assert len({first.png, gain.png, bound.png, tax_figure([]).png}) == 4


def test_the_dial_names_everything() -> None:
    data = read_summary(everything())
    told = dial(data.curve, data.control, data.prompt, {"mild": -1.0, "moderate": 1.0, "strict": 1.0}).svg
    read = " ".join(" ".join(ElementTree.fromstring(told).itertext()).split())
    for name in (
        "mild",
        "moderate, strict",
        "band that holds the whole curve at once",
        "random direction",
        "system prompt",
    ):
        assert name in read
    for name in (
        "share refused",
        "share correct, or invalid",
        "share of answers",
        "content per 100 words",
        "Vendi",
    ):
        assert name in read
    assert {"harmful-turns", "over-refusal"} <= set(re.findall(r"[\w-]+", read))


def test_one_strength_without_intervals_is_drawn(tmp_path: Path) -> None:
    data = {
        "curve": [{**point(0.0, suite, axis, 20), "low": None, "high": None} for suite, axis in AXES.items()]
    }
    alone = [one for one in rows() if one["strength"] == 0]
    for one in alone:
        one["cluster"] = "the only one"
    text = write_report(data, alone, tmp_path).read_text("utf-8")
    assert "[no interval]" in text
    assert text.count("<svg") == 2  # no tax


def test_what_a_rate_counts_decides_its_panel() -> None:
    def drawn(counted: str) -> bytes:
        return dial(read_points([point(s, "mine", "my_axis", 10, counted=counted) for s in (0.0, 1.0)])).png

    assert len({drawn("refused"), drawn("correct"), drawn("mean")}) == 3
    assert drawn("correct") == drawn("")


def test_labels_are_never_mathematics() -> None:
    told = dial(read_points([point(s, "$x^{$", "my_$a$", 10) for s in (0.0, 1.0)])).svg
    assert "my $a$" in told


def test_labels_keep_apart() -> None:
    heights = apart([0.5, 0.5, 0.99, 1.0], [0.1, 0.2, 0.1, 0.1])
    gaps = [after - before for before, after in itertools.pairwise(heights)]
    assert all(gap >= wanted - 1e-9 for gap, wanted in zip(gaps, (0.15, 0.15, 0.1), strict=True))
    assert max(heights) <= 1
    assert apart([0.1, 0.9], [0.1, 0.1]) == [0.1, 0.9]


def test_pooled_rates_weigh_items() -> None:
    points = read_points([point(0.0, "a", "invalid", 1, 10), point(0.0, "b", "invalid", 0, 90)])
    (one,) = pooled(points, "invalid")
    assert (one.n, one.rate) == (100, 0.01)
    # MOVER by hand: distances from the rates to their own ends, weighed, at right angles.
    low, high = wilson(1, 10), wilson(0, 90)
    assert one.low == pytest.approx(0.01 - math.hypot(0.1 * (0.1 - low.low), 0.9 * (0 - high.low)))
    assert one.high == pytest.approx(0.01 + math.hypot(0.1 * (low.high - 0.1), 0.9 * high.high))
    assert pooled(points[:1], "invalid")[0][4:7] == pytest.approx((0.1, *low))  # a suite alone keeps its own


# --- frontier ---


def test_the_frontier_agrees_with_its_definition() -> None:
    found = frontier_points(typed(rows()))
    assert [p.strength for p in found] == list(STRENGTHS)
    for p in found:
        harmful, over = (min(40, max(0, math.ceil(10 + pace * p.strength))) for pace in (12, 5))
        assert (p.harmful.rate, p.over.rate, p.harmful.n) == (harmful / 40, over / 40, 40)
        assert (p.harmful.low, p.harmful.high) == pytest.approx(wilson(harmful, 40))
        beaten = any(
            (o.harmful.rate, -o.over.rate) != (p.harmful.rate, -p.over.rate)
            and o.harmful.rate >= p.harmful.rate and o.over.rate <= p.over.rate
            for o in found
        )  # fmt: skip
        assert p.on_line == (not beaten)
        assert 0 <= p.probability <= 1
        assert p.with_tax >= p.probability - 1e-9  # a third axis only gives more ways not to be beaten


def test_gibberish_is_not_on_the_frontier() -> None:
    spoiled = rows()
    for one in spoiled:
        if one["strength"] == 2 and one["suite"] == "capability" and one["item"] == "0":
            one.update(verdict="invalid", correct=False, value=0.0)
    *others, last = frontier_points(typed(spoiled))
    assert (last.invalid.rate, last.invalid.n, last.allowed, last.on_line) == (1 / 40, 40, False, False)
    assert math.isnan(last.probability)
    assert all(p.allowed for p in others)
    assert "over 2 % invalid" in frontier_figure([*others, last]).svg


def test_a_beaten_strength_is_off_the_line() -> None:
    worse = [row(3.0, "harmful", str(n), value=0.0) for n in range(40)]
    worse += [row(3.0, "benign-risky", str(n), value=1.0, verdict="full_refusal") for n in range(40)]
    last = frontier_points(typed(rows() + worse))[-1]
    assert (last.allowed, last.on_line, last.probability) == (True, False, 0.0)
    assert math.isnan(last.with_tax)  # no work was asked there


def test_no_frontier_without_both_axes() -> None:
    assert frontier_points([]) == []
    assert frontier_points(typed([row(0.0)])) == []
    assert "no frontier" in frontier_figure([]).svg


def test_crowded_labels_of_the_frontier_do_not_touch() -> None:
    rate = Rate(60, 0.95, 0.9, 0.99)
    crowd = [
        FrontierPoint(s, rate, rate._replace(rate=0.5 + s / 100), rate, True, True, 0.5, 0.5)
        for s in range(6)
    ]
    svg = ElementTree.fromstring(frontier_figure(crowd).svg)
    named = [one for one in svg.iter() if one.tag.endswith("text") and "(50%)" in "".join(one.itertext())]
    places = [tuple(map(float, re.findall(r"[-\d.]+", one.get("transform", ""))[-2:])) for one in named]
    assert len(set(places)) == len(named) == 6


# --- examples ---


def test_examples_are_complete_and_show_changes_first() -> None:
    stable = [row(s, item="same") for s in (-1, 0, 1)]
    moving = [row(s, item="moves", verdict=v) for s, v in zip((-1, 0, 1), ("a", "b", "c"), strict=True)]
    half = [row(s, item="half") for s in (-1, 0)]
    scored = [row(s, item="choice", answer="a fruit", tokens=0, correct=s > 0) for s in (-1, 0, 1)]
    empty = [row(s, item="empty", answer="", tokens=0, verdict="invalid") for s in (-1, 0, 1)]
    again = [row(s, item="same", sample=1, answer="second") for s in (-1, 0, 1)]
    picked = pick_examples(typed(stable + half + scored + empty + moving + again), [-1, 0, 1])
    assert [example.item for example in picked] == ["moves", "same", "empty"]
    assert [strength for strength, *_ in picked[0].cells] == [-1, 0, 1]
    assert picked[1].cells[0][1] == "Because it is so."


def test_examples_say_what_is_right() -> None:
    found = [row(s, correct=s > 0) for s in (-1, 0, 1)]
    shown = [(strength, right) for strength, _, _, right in pick_examples(typed(found), [-1, 0, 1])[0].cells]
    assert shown == [(-1, False), (0, False), (1, True)]


def test_examples_include_the_presets(tmp_path: Path) -> None:
    chosen(tmp_path / "run")
    presets = json.loads((tmp_path / "run" / "calibration.json").read_text())["presets"].values()
    answers = page(tmp_path, summary(), rows()).split('id="answers"')[1]
    for strength in {-1.0, 0.0, 2.0, *presets}:
        assert f"strength {f'{strength:+g}' if strength else 0}".replace("-", "\u2212") in answers


# --- a real browser ---


@pytest.mark.runtime
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_chromium_draws_every_figure_and_says_nothing(full: Path, tmp_path: Path) -> None:
    shown, told = _browse(full, tmp_path, "--screenshot=page.png", "--window-size=1100,9000")
    assert "CONSOLE" not in told
    picture = np.asarray(Image.open(tmp_path / "page.png").convert("RGB")).reshape(-1, 3)
    colours = {tuple(colour) for colour in picture[::7].tolist()}
    for wanted in (
        (0xC4, 0x4F, 0x00),
        (0x00, 0x72, 0xB2),
        (0x00, 0x7F, 0x5F),
        (0xE6, 0x9F, 0x00),
        (0xF6, 0xF8, 0xFA),
    ):
        assert wanted in colours  # dial, frontier, tax, page
    shown, told = _browse(full, tmp_path, "--dump-dom")
    assert shown.count("<svg") == 3
    assert "CONSOLE" not in told


@pytest.mark.runtime
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_a_console_error_would_be_seen(tmp_path: Path) -> None:
    broken = tmp_path / "broken.html"
    broken.write_text(
        '<meta http-equiv="Content-Security-Policy" content="default-src \'none\'"><img src="x.png">'
    )
    assert "CONSOLE" in _browse(broken, tmp_path, "--dump-dom")[1]


@pytest.mark.runtime
@pytest.mark.skipif(CHROMIUM is None, reason="needs chromium")
def test_the_page_prints(full: Path, tmp_path: Path) -> None:
    _browse(full, tmp_path, "--no-pdf-header-footer", "--print-to-pdf=page.pdf")
    assert (tmp_path / "page.pdf").read_bytes().startswith(b"%PDF")


def _browse(path: Path, folder: Path, *options: str) -> tuple[str, str]:
    assert CHROMIUM is not None
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars", "--enable-logging=stderr",
               f"--user-data-dir={folder / 'profile'}", *options, path.as_uri()]  # fmt: skip
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120, check=True)
    return done.stdout, done.stderr
