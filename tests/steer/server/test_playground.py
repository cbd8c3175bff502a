"""The page at `/` in a real browser, against a server that says what it is told to."""

from __future__ import annotations

import json
import tomllib
from pathlib import Path

import pytest

pytest.importorskip("selenium", reason="drives the browser")

from selenium.common.exceptions import JavascriptException
from selenium.webdriver import ActionChains, Chrome, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select

from .playground import ANSWER, DIALS, FACTS, NEEDS_BROWSER, STRENGTHS, Fake, Page, points

pytestmark = NEEDS_BROWSER


def test_shows_what_the_server_holds(page: Page) -> None:
    assert page.one("#about").text == "reference:aligned, policy demo (1a2b3c4d5e6f)"
    assert [Select(page.setting(tag).find_element(By.TAG_NAME, "select")).first_selected_option.text for tag in "AB"] == [
        "plain model", "default",
    ]  # fmt: skip
    # A dial's name comes from a file: it is text, whatever it looks like.
    assert "warm & <b>friendly</b>" in page.setting("A").text
    assert page.all("article b") == []
    with pytest.raises(JavascriptException, match="TrustedHTML"):  # nor could it be anything else
        page.chrome.execute_script("document.querySelector('article').innerHTML = '<b>x</b>'")
    page.said()


@pytest.mark.slow
def test_harmful_refusal_and_over_refusal_share_a_panel_and_every_point_is_drawn(page: Page) -> None:
    drawn = {
        name: page.all(f"#curve .{name} :is(circle, rect)")
        for name in ("harmful_refusal", "over_refusal", "capability")
    }
    assert {name: len(found) for name, found in drawn.items()} == dict.fromkeys(drawn, len(STRENGTHS))
    top = {name: found[0].rect["y"] for name, found in drawn.items()}
    one = page.all(
        "#curve .harmful_refusal polyline, #curve .over_refusal polyline, #curve .capability polyline"
    )
    harmful, over, capability = (line.rect for line in one)
    assert harmful["y"] < over["y"] + over["height"] < capability["y"], top
    assert len(page.all("#curve polygon")) == 3
    page.press("#curve-numbers summary")
    rows = [row.text for row in page.all("#curve-numbers tbody tr")]
    assert rows[0] == "−1.25 18 % [8, 36] 3 % [1, 7] 87 % [78, 93]"
    assert len(rows) == len(STRENGTHS)


def test_dragging_a_dial_moves_its_mark_and_tells_the_cost(page: Page) -> None:
    def mark() -> float:
        # A stands at 0 and B is dragged to the left of it.
        return float(page.all("#curve .mark line")[0].get_attribute("x1") or "nan")

    before = mark()
    dial = page.dial("B")
    page.chrome.execute_script("arguments[0].scrollIntoView({block: 'center'})", dial)
    width = dial.size["width"]
    ActionChains(page.chrome).click_and_hold(dial).move_by_offset(-int(0.28 * width), 0).release().perform()
    assert -0.8 < page.strength("B") < -0.5
    assert page.strength("A") == 0
    assert mark() < before
    assert "its neighbours were" in page.text("B", "caption")
    assert "97 % [84, 100]" in page.text("A", ".cost")
    assert (
        Select(page.setting("B").find_element(By.TAG_NAME, "select")).first_selected_option.text == "by hand"
    )


@pytest.mark.slow
def test_presets_and_keys_turn_dials_and_the_cost_is_read_aloud(page: Page) -> None:
    Select(page.setting("B").find_element(By.TAG_NAME, "select")).select_by_visible_text("strict")
    assert page.strength("B") == 0.5
    said = page.dial("B").get_attribute("aria-valuetext")
    assert said is not None
    assert said.startswith("+0.5, 99 % harmful requests refused, 39 % benign")
    page.dial("B").send_keys(Keys.ARROW_RIGHT)
    assert page.strength("B") > 0.5
    page.dial("B").send_keys(Keys.END)
    assert page.strength("B") == 1.25


@pytest.mark.slow
def test_a_number_is_held_within_the_bounds_and_that_is_said(page: Page) -> None:
    box = page.dial("B", "number")
    box.send_keys(Keys.CONTROL, "a")
    box.send_keys("-9")
    assert box.get_attribute("aria-invalid") == "true"
    box.send_keys(Keys.TAB)
    assert page.strength("B") == -1.25
    assert "−9 is outside −1.25 to +1.25" in page.setting("B").text


def test_streams_side_by_side_at_each_strength(page: Page, fake: Fake) -> None:
    fake.mode = "hold"
    Select(page.setting("B").find_element(By.TAG_NAME, "select")).select_by_visible_text("mild")
    page.press("#third")
    page.ask()
    page.until(lambda: all(page.text(tag, ".answer") == "Open the task manager" for tag in "ABC"))
    assert page.text("A", ".status") == "Writing…"
    fake.go.set()
    page.until(lambda: all(page.text(tag, ".status") == "Done, 8 tokens." for tag in "ABC"))
    assert {page.text(tag, ".answer") for tag in "ABC"} == {"".join(ANSWER)}
    asked = sorted(body["steering"]["refusal"] for _, body in fake.asked)
    assert asked == [-0.5, 0, 0.5]
    path, body = fake.asked[0]
    assert path == "/v1/chat/completions"
    assert (body["messages"], body["model"], body["stream"]) == (
        [{"role": "user", "content": "How do I kill a process?"}], "reference:aligned", True,
    )  # fmt: skip
    assert "given: refusal −0.5" in page.text("B", ".given")
    assert "risk by “harm”: 7 %, gate shut" in page.text("B", ".given")
    assert "“else”, gate open 100 %" in page.text("B", ".given")
    page.dial("B").send_keys(Keys.ARROW_LEFT)
    assert page.text("B", ".status") == "A dial has moved since this was asked."


@pytest.mark.slow
def test_stopping_hangs_up_and_says_so(page: Page, fake: Fake) -> None:
    fake.mode = "hold"
    page.ask()
    page.until(lambda: page.text("B", ".answer") == "Open the task manager")
    page.press("#stop")
    page.until(lambda: page.text("B", ".status") == "Stopped: this is not the whole answer.")
    assert fake.hung_up.wait(5)
    page.until(lambda: not page.one("#stop").is_enabled())
    assert page.chrome.switch_to.active_element.get_attribute("id") == "send"
    assert page.text("B", ".error") == ""


@pytest.mark.slow
def test_asking_again_takes_the_place_of_what_is_being_written(page: Page, fake: Fake) -> None:
    fake.mode = "hold"
    page.ask()
    page.until(lambda: page.text("A", ".answer") == "Open the task manager")
    fake.mode = ""
    page.one("#prompt").send_keys(Keys.CONTROL, Keys.ENTER)
    page.until(lambda: all(page.text(tag, ".status") == "Done, 8 tokens." for tag in "AB"))
    assert page.text("A", ".answer") == "".join(ANSWER)
    assert page.one("#stop").get_property("disabled") is True


@pytest.mark.parametrize(
    ("mode", "words"),
    [
        ("busy", "Ask again in 7 s."),
        *(
            pytest.param(mode, words, marks=pytest.mark.slow)
            for mode, words in (
                ("refuse", "The server did not take this request. got strength -9"),
                ("broken", "The server failed (500). the engine stopped."),
                ("gone", "the server or the network is gone"),
                ("cut", "The connection ended before the answer did"),
                ("short", "The connection ended before the answer did"),
                ("fault", "the engine stopped."),
                ("key", "The server wants a key"),
            )
        ),
    ],
)
def test_what_goes_wrong_is_said_beside_it(page: Page, fake: Fake, mode: str, words: str) -> None:
    fake.mode = mode
    page.ask()
    page.until(lambda: all(words in page.text(tag, ".error") for tag in "AB"))
    assert page.setting("A").find_element(By.CSS_SELECTOR, ".error").aria_role == "alert"
    told = "Open the task manager" if mode in ("cut", "short", "fault") else ""
    page.until(lambda: page.text("A", ".answer") == told)
    page.press("#explain button")
    if mode not in ("cut", "short", "fault"):
        page.until(lambda: words in page.one("#explain-error").text)
    fake.mode = ""
    page.ask()
    page.until(lambda: page.text("A", ".status") == "Done, 8 tokens.")
    assert page.text("A", ".error") == ""


@pytest.mark.slow
def test_a_key_is_asked_for_and_kept_nowhere(fake: Fake, chrome: Chrome) -> None:
    fake.mode = "key"
    page = Page(chrome, fake.url)
    page.until(lambda: "The server wants a key" in page.one("#server-error").text)
    assert chrome.switch_to.active_element.get_attribute("id") == "key"
    chrome.switch_to.active_element.send_keys("wrong", Keys.ENTER)
    page.until(lambda: "and not this one" in page.one("#server-error").text)
    page.one("#key").clear()
    page.one("#key").send_keys("secret", Keys.ENTER)
    page.ready().ask()
    page.until(lambda: page.text("A", ".status") == "Done, 8 tokens.")
    kept = chrome.execute_script(
        "return JSON.stringify([{...localStorage}, {...sessionStorage}, document.cookie])"
    )
    assert kept == '[{},{},""]'
    assert "secret" not in chrome.current_url
    assert page.errors() == []


@pytest.mark.slow
def test_a_server_that_is_gone_says_so(fake: Fake, chrome: Chrome) -> None:
    page = Page(chrome, fake.url).ready()
    chrome.execute_cdp_cmd("Network.enable", {})
    offline = {"offline": True, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1}
    chrome.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    try:
        page.ask()
        page.until(lambda: "the server or the network is gone" in page.text("A", ".error"))
    finally:
        chrome.execute_cdp_cmd("Network.emulateNetworkConditions", offline | {"offline": False})


@pytest.mark.slow
def test_tokens_are_coloured_by_risk_and_by_place(page: Page) -> None:
    page.one("#prompt").clear()
    page.one("#prompt").send_keys("How do I kill <i>it</i>?")
    page.press("#explain button")
    page.until(lambda: page.all("#reading .tokens"))
    assert page.one("#explain-status").text == "Read at setting B."
    assert "harm 7 % 50 % shut" in page.one("#reading table").text
    assert (
        page.one("#reading .tokens").get_property("textContent") == "<|user|>How do I kill <i>it</i>?<|end|>"
    )

    def tokens() -> list[WebElement]:
        return page.all("#reading .tokens span")

    heat = [str(token.get_attribute("style")) for token in tokens()]
    assert heat == [f"--heat: {10 * at}%;" for at in range(len(heat))]
    Select(page.one("#reading select")).select_by_visible_text("place along “refusal” (edit 0, layer 6)")
    assert [token.get_attribute("class") for token in tokens()[:2]] == ["special cold", "cold"]
    assert [token.get_attribute("title") for token in tokens()[:5]] == ["−1", "−0.75", "−0.5", "−0.25", "0"]
    # What is not known has no colour.
    assert tokens()[-1].get_attribute("class") == "special"


def test_answers_are_coloured_when_they_are_whole_and_their_text_stays(page: Page, fake: Fake) -> None:
    fake.mode = "hold"
    page.ask("How?")
    page.until(lambda: page.text("A", ".answer") == "Open the task manager")
    page.colour("risk by probe “harm”")
    assert page.all("article .warm, article details") == []  # not before it is whole
    fake.mode = ""
    fake.go.set()
    page.until(lambda: all(page.setting(tag).find_elements(By.CSS_SELECTOR, ".answer .warm") for tag in "AB"))
    assert {page.text(tag, ".answer") for tag in "AB"} == {"".join(ANSWER)}
    assert page.all("article b") == []
    read = [body for path, body in fake.asked if path == "/v1/steering/explain"]
    assert {(body["prompt"], body["answer"]) for body in read} == {("How?", "".join(ANSWER))}
    assert sorted(body["steering"]["warm & <b>friendly</b>"] for body in read) == [0, 0.25]
    assert "Coloured; the table has the numbers." in page.text("A", ".status")
    page.press(page.setting("A").find_element(By.CSS_SELECTOR, ".told summary"))
    assert page.setting("A").find_element(By.CSS_SELECTOR, ".told tbody tr").text == "Open 0 %"
    # Another colour asks the server nothing; a dial that moves afterwards changes nothing of what was read.
    page.dial("A").send_keys(Keys.ARROW_LEFT)
    page.colour("place along “refusal” (edit 0, layer 6)")
    page.until(lambda: page.setting("A").find_elements(By.CSS_SELECTOR, ".answer .cold"))
    assert "In class gaps" in page.one("#colour-note").text
    assert len([path for path, _ in fake.asked if path == "/v1/steering/explain"]) == 2
    page.colour("nothing")
    page.until(lambda: not page.all("article .warm, article .told > *"))
    assert {page.text(tag, ".answer") for tag in "AB"} == {"".join(ANSWER)}


@pytest.mark.slow
def test_an_answer_that_cannot_be_read_stays_as_it_is(page: Page, fake: Fake) -> None:
    page.ask()
    page.until(lambda: all(page.text(tag, ".status") == "Done, 8 tokens." for tag in "AB"))
    fake.mode = "busy"
    page.colour("risk by probe “harm”")
    page.until(lambda: all("The answer was not read." in page.text(tag, ".error") for tag in "AB"))
    assert page.text("A", ".answer") == "".join(ANSWER)
    fake.mode = ""
    page.colour("place along “refusal” (edit 0, layer 6)")
    page.until(lambda: page.setting("A").find_elements(By.CSS_SELECTOR, ".answer .cold"))
    assert page.text("A", ".error") == ""


@pytest.mark.slow
def test_an_answer_under_another_policy_than_the_page_shows_is_called_that(page: Page, fake: Fake) -> None:
    fake.policy = "f" * 64
    page.colour("risk by probe “harm”")
    page.ask()
    page.until(lambda: all("another policy" in page.text(tag, ".error") for tag in "AB"))
    assert not [path for path, _ in fake.asked if path == "/v1/steering/explain"]


@pytest.mark.slow
def test_a_screen_reader_hears_the_end_of_answers_and_no_tokens(page: Page) -> None:
    page.chrome.execute_script(
        """
        window.heard = [];
        const regions = "[role=status], [role=alert], [aria-live]";
        const live = (node) => (node.closest ? node : node.parentElement)?.closest(regions);
        new MutationObserver((found) => found.forEach(({ target }) => {
          const region = live(target);
          if (region?.textContent) window.heard.push(region.textContent);
        })).observe(document.body, { subtree: true, childList: true, characterData: true });
        """
    )
    page.ask()
    page.until(lambda: all(page.text(tag, ".status") == "Done, 8 tokens." for tag in "AB"))
    heard = page.chrome.execute_script("return window.heard")
    assert sorted(set(heard)) == ["Done, 8 tokens.", "Waiting for the first token…", "Writing…"]
    assert len(heard) == 6
    assert page.all("#settings [aria-live], .answer[role=log]") == []


@pytest.mark.slow
def test_nothing_moves_for_whoever_asked_for_that(page: Page, fake: Fake) -> None:
    def moving() -> str:
        script = "return getComputedStyle(document.querySelector('.answer'), '::after').animationName"
        return str(page.chrome.execute_script(script))

    fake.mode = "hold"
    page.ask()
    page.until(lambda: moving() == "beat")
    media = {"features": [{"name": "prefers-reduced-motion", "value": "reduce"}]}
    page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", media)
    try:
        assert moving() == "none"
        styles = "[...document.querySelectorAll('*')].map((one) => getComputedStyle(one))"
        still = (
            f"return {styles}.every((own) => own.animationName === 'none' && own.transitionDuration === '0s')"
        )
        assert page.chrome.execute_script(still)
    finally:
        page.chrome.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})


@pytest.mark.slow
def test_a_setting_is_saved_as_dials_of_a_policy_and_as_a_field(page: Page, tmp_path: Path) -> None:
    page.chrome.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    Select(page.setting("B").find_element(By.TAG_NAME, "select")).select_by_visible_text("mild")
    for button in page.setting("B").find_elements(By.CSS_SELECTOR, ".export button"):
        page.press(button)
    files = tmp_path / "setting-b.toml", tmp_path / "setting-b.json"
    page.until(lambda: all(file.exists() and file.stat().st_size for file in files))
    found = tomllib.loads(files[0].read_text(encoding="utf-8"))
    assert found == {"dials": {**DIALS, "refusal": {**DIALS["refusal"], "default": -0.5}}}
    assert json.loads(files[1].read_text(encoding="utf-8")) == {
        "model": FACTS["model"], "policy": FACTS["policy"],
        "steering": {"refusal": -0.5, "warm & <b>friendly</b>": 0.25},
    }  # fmt: skip


@pytest.mark.slow
def test_without_a_run_the_page_says_that_nothing_is_known(fake: Fake, chrome: Chrome) -> None:
    fake.facts["curve"] = None
    page = Page(chrome, fake.url).ready()
    assert "No run of this policy was loaded" in page.one("#cost-note").text
    assert page.all("#curve svg") == []
    assert "What this costs was not measured." in page.setting("A").text
    assert page.errors() == []


@pytest.mark.slow
def test_without_a_policy_the_plain_model_answers(fake: Fake, chrome: Chrome) -> None:
    fake.facts |= {
        "policy": None, "name": None, "dials": {}, "curve": None, "probes": [], "directions": [],
    }  # fmt: skip
    page = Page(chrome, fake.url).ready(1)
    assert "no policy" in page.one("#about").text
    assert not page.one("#explain button").is_enabled()
    page.ask()
    page.until(lambda: page.text("A", ".status") == "Done, 8 tokens.")
    assert all("steering" not in body for _, body in fake.asked)


@pytest.mark.slow
def test_half_a_picture_is_called_that(fake: Fake, chrome: Chrome) -> None:
    fake.facts["curve"] = {
        "dial": "refusal",
        "points": [own for own in points() if own["axis"] != "over_refusal"],
    }
    page = Page(chrome, fake.url).ready()
    assert "Not measured: over refusal" in page.one("#cost-note").text


@pytest.mark.slow
def test_everything_has_a_name_and_can_be_reached_by_keys(page: Page) -> None:
    page.press("#curve-numbers summary")
    page.colour("risk by probe “harm”")
    page.ask()
    page.until(lambda: len(page.all("article .told summary")) == 2)
    for summary in page.all("article .told summary"):
        page.press(summary)
    controls = page.all("button, input, select, textarea, summary, [tabindex='0']")
    assert [one.get_attribute("outerHTML") for one in controls if not one.accessible_name] == []
    wanted = {one.id for one in controls if one.is_displayed() and one.is_enabled()}
    page.chrome.execute_script("document.activeElement.blur(); window.scrollTo(0, 0)")
    reached = []
    for _ in range(len(wanted) + 6):
        ActionChains(page.chrome).send_keys(Keys.TAB).perform()
        reached.append(page.chrome.switch_to.active_element)
        outline = "const own = getComputedStyle(document.activeElement); return [own.outlineStyle, parseFloat(own.outlineWidth)]"
        style, thick = page.chrome.execute_script(outline)
        assert reached[-1].tag_name == "body" or (style != "none" and thick >= 2), reached[-1].accessible_name
    assert wanted <= {one.id for one in reached}
