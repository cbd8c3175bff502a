"""The page at `/` in a real browser, against `steer serve`: what the stand-in says is what the server says."""

from __future__ import annotations

import base64
import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium", reason="drives the browser")

from selenium.webdriver import Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

import steer

from .playground import NEEDS_BROWSER, Page

pytestmark = NEEDS_BROWSER

# Where to leave the pictures; docs/figures/playground.png is playground-light-1280.png.
SHOTS = Path(os.environ["STEER_SHOTS"]) if "STEER_SHOTS" in os.environ else None


@pytest.mark.slow
def test_answers_of_the_real_server_are_those_of_generate(chrome: Chrome, serving: Any, made: Any) -> None:
    with serving() as live:
        page = Page(chrome, live.url).ready()
        Select(page.setting("B").find_element(By.TAG_NAME, "select")).select_by_visible_text("mild")
        page.one("#tokens").send_keys(Keys.CONTROL, "a")
        page.one("#tokens").send_keys("24")
        page.ask("How do I kill a frozen process?")
        page.until(lambda: all("tokens." in page.text(tag, ".status") for tag in "AB"), 60)
        model = steer.load("reference:aligned")
        for tag, strength in (("A", 0.0), ("B", -0.75)):
            with steer.steered(model, made.plan, strength):
                answer = steer.generate(model, "How do I kill a frozen process?", max_new_tokens=24)
            assert page.text(tag, ".answer").strip() == answer
        assert "given: refusal −0.75" in page.text("B", ".given")
        page.press("#explain button")
        page.until(lambda: page.all("#reading .tokens .warm"), 60)
        assert "kill a frozen process?" in page.one("#reading .tokens").text
        before = page.text("B", ".answer")
        page.colour("place along “refusal” (edit 0, layer 4)")
        page.until(lambda: all("Coloured" in page.text(tag, ".status") for tag in "AB"), 60)
        assert page.text("B", ".answer") == before
        asked = {"prompt": "How do I kill a frozen process?", "answer": before, "steering": -0.75}
        told = live.post("/v1/steering/explain", asked).json()["answer_tokens"]
        spans = page.setting("B").find_elements(By.CSS_SELECTOR, ".answer span")
        assert [span.get_property("textContent") for span in spans] == [token["text"] for token in told]
        signs = ["cold" if token["places"][0] < 0 else "warm" for token in told]
        assert [span.get_attribute("class") for span in spans] == signs
        assert page.errors() == []


@pytest.fixture(scope="module")
def shown(serving: Any, made: Any, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """The real server with a policy and a small sweep of it: what the picture in the docs shows."""
    suites, strengths = ["harmful", "benign-risky", "capability"], [-1.25, -0.75, -0.5, 0.5, 0.75, 1.25]
    folder = tmp_path_factory.mktemp("shown") / "run"
    steer.sweep(
        steer.load("reference:aligned"), made.plan, suites, strengths, folder, control=False, limit=40
    )
    with pytest.raises(steer.SteerError, match="clearly less than unsteered"), serving(run=folder):
        pass
    with serving(run=folder, below_plain=True) as live:
        yield live


@pytest.mark.slow
def test_the_curve_of_a_real_run_is_drawn(chrome: Chrome, shown: Any) -> None:
    page = Page(chrome, shown.url).ready()
    for axis in ("harmful_refusal", "over_refusal", "capability"):
        assert len(page.all(f"#curve .{axis} :is(circle, rect)")) == 7  # 0 is always measured
    assert "Measured at −0.75" in page.text("B", "caption")
    assert len(page.all("#curve .mark line")) == 2
    facts = shown.get("/v1/steering").json()
    page.press("#curve-numbers summary")
    rows = [row.text for row in page.all("#curve-numbers tbody tr")]
    for at, row in enumerate(rows):
        told = [
            own
            for axis in ("harmful_refusal", "over_refusal", "capability")
            for own in [own for own in facts["curve"]["points"] if own["axis"] == axis][at : at + 1]
        ]
        rates = [f"{rounded(own['rate'])} % [{rounded(own['low'])}, {rounded(own['high'])}]" for own in told]
        assert row.split(" ", 1)[1] == " ".join(rates)
    assert page.errors() == []


def rounded(share: float) -> int:
    """As JavaScript rounds: halves go up."""
    return int(100 * share + 0.5)


@pytest.mark.slow
@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [1280, 380, 320])
def test_looks(shown: Any, chrome: Chrome, tmp_path: Path, scheme: str, width: int) -> None:
    media = {"features": [{"name": "prefers-color-scheme", "value": scheme}]}
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    try:
        page = Page(chrome, shown.url).ready()
        Select(page.setting("B").find_element(By.TAG_NAME, "select")).select_by_visible_text("mild")
        page.press("#third")
        page.ready(3)
        page.colour("place along “refusal” (edit 0, layer 4)")
        page.ask("What do I need to destroy a worn sofa?")
        page.until(lambda: all("Coloured" in page.text(tag, ".status") for tag in "ABC"), 60)
        page.press("#explain button")
        page.until(lambda: page.all("#reading .tokens"), 60)
        # Nothing is wider than the screen.
        assert chrome.execute_script("return document.documentElement.scrollWidth") <= width
        ink, paper = (
            chrome.execute_script(f"return getComputedStyle(document.body).{of}")
            for of in ("color", "backgroundColor")
        )
        assert (ink, paper) == (
            ("rgb(31, 35, 40)", "rgb(255, 255, 255)")
            if scheme == "light"
            else ("rgb(230, 232, 235)", "rgb(20, 23, 27)")
        )
        warm = page.all(".tokens span.warm, .tokens span.cold")
        assert min(contrast(page, token, paper) for token in warm) >= 4.5
        chrome.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
        shot = chrome.execute_cdp_cmd("Page.captureScreenshot", {"captureBeyondViewport": True})
        out = SHOTS or tmp_path
        (out / f"playground-{scheme}-{width}.png").write_bytes(base64.b64decode(shot["data"]))
        assert page.errors() == []
    finally:
        chrome.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


def contrast(page: Page, token: WebElement, paper: str) -> float:
    """Of a token's text and its colour upon the paper: (L1 + 0.05) / (L2 + 0.05), as WCAG 2 has it."""
    script = "const own = getComputedStyle(arguments[0]); return [own.color, own.backgroundColor]"
    ink, heat = (parsed(own) for own in page.chrome.execute_script(script, token))
    under = parsed(paper)
    seen = [heat[3] * one + (1 - heat[3]) * other for one, other in zip(heat[:3], under[:3], strict=True)]
    light = sorted((luminance(ink[:3]), luminance(seen)), reverse=True)
    return (light[0] + 0.05) / (light[1] + 0.05)


def parsed(colour: str) -> list[float]:
    """Red, green, blue and opacity, 0 to 1, of `rgb(...)` or `color(srgb ...)`."""
    numbers = [float(own) for own in re.findall(r"[\d.]+(?:e-\d+)?", colour)]
    scale = 1 if colour.startswith("color(") else 255
    return [*(own / scale for own in numbers[:3]), *(numbers[3:] or [1.0])]


def luminance(colour: list[float]) -> float:
    linear = [own / 12.92 if own <= 0.04045 else ((own + 0.055) / 1.055) ** 2.4 for own in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


@pytest.mark.slow
def test_a_key_is_offered_no_more_than_it_may_ask_for(chrome: Chrome, serving: Any) -> None:
    from steer.server.keys import read_keys

    keys = ("a-key-without-bounds-0123456789", "a-key-of-narrow-bounds-0123456789")
    with serving(keys=read_keys(None, None, {"STEER_KEYS": f"{keys[0]};{keys[1]} refusal=-0.8:0"})) as live:
        for key, bounds, names in (
            (keys[0], "−1.25 to +1.25", ["plain model", "default", "mild", "strict", "by hand"]),
            (keys[1], "−0.8 to 0", ["plain model", "default", "mild", "by hand"]),
        ):
            page = Page(chrome, live.url)
            page.one("#key").send_keys(key, Keys.ENTER)
            page.ready()
            choice = Select(page.setting("B").find_element(By.TAG_NAME, "select"))
            assert [own.text for own in choice.options] == names
            assert bounds in page.setting("B").text
        page.dial("B").send_keys(Keys.HOME)
        page.ask()
        page.until(lambda: all("tokens." in page.text(tag, ".status") for tag in "AB"), 60)
        assert page.strength("B") == -0.8
        assert page.errors() == []


@pytest.mark.slow
def test_the_real_server_gives_the_page_to_whoever_has_no_key(chrome: Chrome, serving: Any) -> None:
    from steer.server.keys import read_keys

    key = "a-long-key-of-the-operator-0123456789"
    with serving(keys=read_keys(None, None, {"STEER_KEYS": key})) as live:
        page = Page(chrome, live.url)
        page.until(lambda: "The server wants a key" in page.one("#server-error").text)
        page.one("#key").send_keys(key, Keys.ENTER)
        page.ready()
        assert page.errors() == []
