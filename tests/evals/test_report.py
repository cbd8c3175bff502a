"""The report: always whole, always self-contained, never half a pair, and text of models stays text."""

import base64
import itertools
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from steer_evals.errors import RunError
from steer_evals.figures import curve_png, tax_png
from steer_evals.intervals import wilson
from steer_evals.points import pooled, read_points, read_tax
from steer_evals.report import pick_examples, write_report

PNG = b"\x89PNG\r\n\x1a\n"
AXES = {
    "harmful": "harmful_refusal", "benign-risky": "over_refusal", "benign": "benign_refusal",
    "capability": "capability", "capability-choice": "capability_likelihood",
}  # fmt: skip
STRENGTHS = (-1.0, 0.0, 1.0, 2.0)


def point(strength: float, suite: str, axis: str, count: int, n: int = 50) -> dict[str, Any]:
    low, high = wilson(count, n)
    where = {"strength": strength, "suite": suite, "axis": axis}
    return {**where, "n": n, "rate": count / n, "low": low, "high": high}


def curve() -> list[dict[str, Any]]:
    rates = [point(s, suite, axis, int(20 + 9 * s)) for s in STRENGTHS for suite, axis in AXES.items()]
    return rates + [point(s, "harmful", "invalid", 4 if s == 2 else 0) for s in STRENGTHS]


def row(
    strength: float, answer: str = "Yes", verdict: str | None = "full_compliance", **more: Any
) -> dict[str, Any]:
    base = {
        "suite": "benign-risky",
        "axis": "over_refusal",
        "item": "1",
        "cluster": "c",
        "prompt": "Why?",
        "tokens": 3,
    }
    return {**base, "strength": strength, "answer": answer, "verdict": verdict, "correct": None, **more}


def summary() -> dict[str, Any]:
    parts = {"refused": 0.08, "invalid": 0.0, "ability": 0.02, "low": 0.05, "high": 0.15}
    return {
        "run": {
            "model": "tiny <model>",
            "vector": "v.safetensors",
            "suites": ["harmful"],
            "strengths": [0.0, 1.0],
        },
        "curve": curve(),
        "tax": [{"strength": 1.0, "n": 150, "total": 0.1, **parts}],
        "control": [point(s, "harmful", "harmful_refusal", 21) for s in STRENGTHS],
    }


def page(tmp_path: Path, data: dict[str, Any], rows: list[dict[str, Any]] | None = None) -> str:
    return write_report(data, rows or [], tmp_path / "run").read_text("utf-8")


def words(text: str) -> str:
    return " ".join(re.sub(r"<[^>]+>", "", re.sub(r"(?s)<style>.*?</style>", "", text)).split())


class Links(HTMLParser):
    """Everything in a page that a browser would fetch or run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found += [tag] if tag in {"script", "link", "iframe", "object", "embed"} else []
        fetching = ("src", "href", "srcset", "data", "action", "poster")
        self.found += [value or "" for name, value in attrs if name in fetching or name.startswith("on")]


def test_writes_three_whole_files(tmp_path: Path) -> None:
    target = write_report(summary(), [row(0.0)], tmp_path / "a" / "b")
    assert target == tmp_path / "a" / "b" / "report.html"
    assert sorted(path.name for path in target.parent.iterdir()) == ["curve.png", "report.html", "tax.png"]
    assert all((target.parent / name).read_bytes().startswith(PNG) for name in ("curve.png", "tax.png"))


def test_loads_nothing_from_elsewhere(tmp_path: Path) -> None:
    links = Links()
    links.feed(page(tmp_path, summary(), [row(s) for s in STRENGTHS]))
    assert links.found
    assert all(link.startswith("data:image/png;base64,") for link in links.found)
    assert base64.b64decode(links.found[0].split(",")[1]) == (tmp_path / "run" / "curve.png").read_bytes()


def test_text_of_models_stays_text(tmp_path: Path) -> None:
    evil = "<script>alert(1)</script><img src=x onerror=alert(1)> $body {title} &amp;"
    rows = [row(s, answer=evil, prompt=evil, suite=evil, verdict=evil) for s in STRENGTHS]
    data = summary()
    data["run"][evil] = evil
    data["curve"].append(point(0.0, evil, evil, 3))
    text = page(tmp_path, data, rows)
    assert "<script" not in text
    assert "<img src=x" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text
    assert "$body {title} &amp;amp;" in text


def test_harmful_and_over_refusal_are_always_said_together(tmp_path: Path) -> None:
    for present in (["harmful_refusal", "over_refusal"], ["harmful_refusal"], ["over_refusal"]):
        data = {"curve": [p for p in curve() if p["axis"] in present]}
        said = re.findall(r"refuses (.*?)\.(?= |$)", words(page(tmp_path, data)).split("Curve")[0])
        assert len(said) >= 1
        text = words(page(tmp_path, data)).split("Curve")[0]
        assert text.count("of harmful requests") == text.count("of benign but risky ones") == 3
        assert ("unmeasured" in text) == (len(present) == 1)


def test_headline_numbers_carry_intervals(tmp_path: Path) -> None:
    text = words(page(tmp_path, summary()))
    assert "The plain model refuses 40 % [27.6, 53.8] of harmful requests" in text
    assert "10.0 points of accuracy [5.0, 15.0], of which 8.0 refused, 0.0 invalid and 2.0 ability" in text
    assert "A random direction of equal norm moves these refusals by at most 2.0 points" in text
    assert "invalid at +2: no operating point there" in text


def test_every_number_is_in_the_table(tmp_path: Path) -> None:
    text = words(page(tmp_path, summary()))
    for entry in curve():
        low, high = (f"{100 * entry[end]:.1f}".removesuffix(".0") for end in ("low", "high"))
        assert f"[{low}, {high}]n = {entry['n']}" in text


@pytest.mark.parametrize(
    "kept", [keys for r in range(4) for keys in itertools.combinations(["run", "curve", "tax"], r)]
)
def test_any_part_may_be_absent(tmp_path: Path, kept: tuple[str, ...]) -> None:
    text = page(tmp_path, {key: value for key, value in summary().items() if key in kept})
    assert ("<h2>Curve</h2>" in text) == ("curve" in kept)
    assert ("<h2>Tax</h2>" in text) == ("tax" in kept)
    assert (tmp_path / "run" / "tax.png").read_bytes().startswith(PNG)


@pytest.mark.parametrize("axis", [*AXES.values(), "invalid"])
def test_any_axis_may_be_absent(tmp_path: Path, axis: str) -> None:
    data = {**summary(), "curve": [p for p in curve() if p["axis"] != axis]}
    assert page(tmp_path, data).endswith("</html>\n")


def test_unmeasured_rates_are_shown_as_such(tmp_path: Path) -> None:
    hole = {**point(0.0, "harmful", "harmful_refusal", 1), "n": 0, "rate": None, "low": None, "high": None}
    nan = {
        "strength": 1.0,
        "n": 0,
        **dict.fromkeys(("total", "refused", "invalid", "ability", "low", "high")),
    }
    text = page(tmp_path, {"curve": [hole, point(1.0, "benign-risky", "over_refusal", 5)], "tax": [nan]})
    assert "nan" not in words(text).lower()


def test_same_input_gives_the_same_bytes(tmp_path: Path) -> None:
    first, second = (write_report(summary(), [row(0.0)], tmp_path / name) for name in "ab")
    for name in ("report.html", "curve.png", "tax.png"):
        assert (first.parent / name).read_bytes() == (second.parent / name).read_bytes()


def test_pictures_depend_on_bands_control_and_sign() -> None:
    points = read_points(curve())
    narrow = [one._replace(low=one.rate, high=one.rate) for one in points]
    pictures = {curve_png(points), curve_png(narrow), curve_png(points, points), curve_png([])}
    assert len(pictures) == 4
    gain = read_tax([{**summary()["tax"][0], "total": -0.1, "ability": -0.18, "low": -0.2, "high": 0.0}])
    assert len({tax_png(gain), tax_png(read_tax(summary()["tax"])), tax_png([])}) == 3


def test_pooled_rates_weigh_items() -> None:
    points = read_points([point(0.0, "a", "invalid", 1, 10), point(0.0, "b", "invalid", 0, 90)])
    (one,) = pooled(points, "invalid")
    assert (one.n, one.rate, (one.low, one.high)) == (100, 0.01, wilson(1, 100))


def test_examples_are_complete_and_show_changes_first() -> None:
    stable = [row(s, item="same") for s in (-1, 0, 1)]
    moving = [row(s, item="moves", verdict=v) for s, v in zip((-1, 0, 1), ("a", "b", "c"), strict=True)]
    half = [row(s, item="half") for s in (-1, 0)]
    scored = [row(s, item="choice", answer="a fruit", tokens=0, correct=s > 0) for s in (-1, 0, 1)]
    empty = [row(s, item="empty", answer="", tokens=0, verdict="invalid") for s in (-1, 0, 1)]
    picked = pick_examples(iter(stable + half + scored + empty + moving), [-1, 0, 1])
    assert [example.item for example in picked] == ["moves", "same", "empty"]
    assert [strength for strength, *_ in picked[0].cells] == [-1, 0, 1]


def test_examples_say_what_is_right(tmp_path: Path) -> None:
    rows = [row(s, correct=s > 0) for s in (-1, 0, 1)]
    shown = [(strength, right) for strength, _, _, right in pick_examples(rows, [-1, 0, 1])[0].cells]
    assert shown == [(-1, False), (0, False), (1, True)]


def test_what_a_rate_counts_decides_its_panel() -> None:
    def rates(counted: str) -> bytes:
        return curve_png(
            read_points([{**point(s, "mine", "my_axis", 10), "counted": counted} for s in (0.0, 1.0)])
        )

    assert rates("refused") != rates("correct") == rates("")


def test_a_crash_while_writing_leaves_the_old_report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    old = page(tmp_path, summary())

    def fail(source: str, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("steer_evals.report.os.replace", fail)
    with pytest.raises(RunError, match="No space left on device"):
        write_report({}, [], tmp_path / "run")
    assert (tmp_path / "run" / "report.html").read_text("utf-8") == old
    assert len(list((tmp_path / "run").iterdir())) == 3


def test_unwritable_and_malformed_input_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    for data, rows, out in (
        (summary(), [], tmp_path / "file"),
        ({"curve": [{"axis": "over_refusal"}]}, [], tmp_path / "x"),
        ({"tax": [{"strength": "much"}]}, [], tmp_path / "x"),
        (summary(), [{"suite": "harmful"}], tmp_path / "x"),
    ):
        with pytest.raises(RunError, match=r"^got .*; expected .*; do this: .*$"):
            write_report(data, rows, out)
    assert not (tmp_path / "x").exists()
