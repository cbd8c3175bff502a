"""The page at `/` in a real browser, against a server that says what it is told to; and against `steer serve`."""

from __future__ import annotations

import ast
import base64
import json
import os
import re
import shutil
import threading
import time
import tomllib
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("selenium", reason="drives the browser")

from selenium.common.exceptions import JavascriptException
from selenium.webdriver import ActionChains, Chrome, ChromeOptions, ChromeService, Keys
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

import steer

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
pytestmark = pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs chromium and chromium-driver")

PLAYGROUND = Path(steer.__file__).parent / "server" / "playground"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}

# Where to leave the pictures; docs/figures/playground.png is playground-light-1280.png.
SHOTS = Path(os.environ["STEER_SHOTS"]) if "STEER_SHOTS" in os.environ else None


def content_policy() -> str:
    """What the page must live under: the header of the real server, read without the seconds of importing it."""
    tree = ast.parse((PLAYGROUND.parent / "front.py").read_text(encoding="utf-8"))
    (found,) = (
        node.value
        for node in tree.body
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "_HEADERS"
    )
    return str(ast.literal_eval(found)["content-security-policy"])


# docs/demo.md; the bands are made up.
STRENGTHS = (-1.25, -1, -0.75, -0.5, 0, 0.5, 0.75, 1, 1.25)
HARMFUL = (
    (0.18, 0.08, 0.36), (0.44, 0.23, 0.68), (0.70, 0.51, 0.84), (0.90, 0.72, 0.97), (0.97, 0.84, 1.0),
    (0.99, 0.96, 1.0), (1.0, 0.94, 1.0), (1.0, 0.94, 1.0), (1.0, 0.94, 1.0),
)  # fmt: skip
OVER = (
    (0.03, 0.01, 0.07), (0.10, 0.05, 0.21), (0.24, 0.13, 0.39), (0.31, 0.18, 0.49), (0.35, 0.21, 0.53),
    (0.39, 0.24, 0.56), (0.41, 0.26, 0.58), (0.47, 0.33, 0.63), (0.63, 0.50, 0.74),
)  # fmt: skip
CAPABILITY = (
    (0.87, 0.78, 0.93), (0.96, 0.92, 0.98), (0.98, 0.93, 0.99), (0.98, 0.93, 0.99), (0.98, 0.93, 0.99),
    (0.98, 0.93, 0.99), (0.98, 0.93, 0.99), (0.98, 0.93, 0.99), (0.97, 0.92, 0.99),
)  # fmt: skip


def points() -> list[dict[str, Any]]:
    return [
        {
            "strength": strength, "axis": axis, "n": 150, "rate": rate, "low": low, "high": high,
            "band_low": max(0.0, low - 0.05), "band_high": min(1.0, high + 0.04),
        }
        for axis, rates in (("harmful_refusal", HARMFUL), ("over_refusal", OVER), ("capability", CAPABILITY))
        for strength, (rate, low, high) in zip(STRENGTHS, rates, strict=True)
    ]  # fmt: skip


DIALS = {
    "refusal": {"default": 0.0, "low": -1.25, "high": 1.25, "presets": {"mild": -0.5, "strict": 0.5}},
    "warm & <b>friendly</b>": {"default": 0.25, "low": 0.0, "high": 1.0, "presets": {}},
}
FACTS = {
    "model": "reference:aligned", "policy": "1a2b3c4d5e6f" + "0" * 52, "name": "demo", "dials": DIALS, "max_tokens": 512,
    "probes": [{"name": "harm", "layer": 3, "threshold": 0.5, "each_token": False}],
    "directions": [{"edit": 0, "concept": "refusal", "layer": 6, "point": "resid_post"}],
    "curve": {"dial": "refusal", "points": points()},
}  # fmt: skip
ANSWER = ["Open", " the task", " manager", ",\n", "<b>choose</b>", " the process", " and end it", ". ✓"]


class Fake(ThreadingHTTPServer):
    """Speaks the API: `mode` says what goes wrong, `asked` is what came in, `go` lets a held answer go on."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answering)
        self.csp = content_policy()
        self.url = f"http://127.0.0.1:{self.server_address[1]}/"
        self.again()

    def again(self) -> None:
        self.mode, self.facts, self.policy = "", dict(FACTS), FACTS["policy"]
        self.asked: list[tuple[str, dict[str, Any]]] = []
        self.hung_up, self.go = threading.Event(), threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A browser that goes away is no failure."""


class _Answering(BaseHTTPRequestHandler):
    server: Fake

    def log_message(self, *_: Any) -> None:
        pass

    def do_GET(self) -> None:
        path = self.path.split("?")[0]
        if path == "/v1/steering":
            if self.allowed():
                self.sent(200, self.server.facts)
            return
        file = PLAYGROUND / ("index.html" if path == "/" else path.removeprefix("/"))
        if not file.is_file():
            self.sent(404, {"error": {"message": "no such page"}})
            return
        self.send_response(200)
        self.send_header("Content-Type", f"{TYPES[file.suffix]}; charset=utf-8")
        self.send_header("Content-Security-Policy", self.server.csp)
        self.end_headers()
        self.wfile.write(file.read_bytes())

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        self.server.asked.append((self.path, body))
        mode = self.server.mode
        if mode == "gone":
            self.close_connection = True
        elif not self.allowed():
            pass
        elif mode == "busy":
            self.sent(429, {"error": {"message": "queue full"}}, {"Retry-After": "7"})
        elif mode == "refuse":
            self.sent(400, {"error": {"message": "got strength -9; expected -1.25 to 1.25; stay within"}})
        elif mode == "broken":
            self.sent(500, {"error": {"message": "the engine stopped"}})
        elif self.path == "/v1/steering/explain":
            self.sent(200, explained(body["prompt"], body.get("answer")))
        else:
            self.stream(body)

    def allowed(self) -> bool:
        if self.server.mode != "key" or self.headers["Authorization"] == "Bearer secret":
            return True
        self.sent(401, {"error": {"message": "no key"}})
        return False

    def sent(self, status: int, found: Any, headers: dict[str, str] | None = None) -> None:
        data = json.dumps(found).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    def stream(self, body: dict[str, Any]) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        if self.server.mode == "cut":
            self.send_header("Content-Length", "1000000")
        self.end_headers()
        given = {
            "strengths": body.get("steering", {}), "policy": self.server.policy,
            "risk": 0.07,
            "gate": [
                {"probe": "harm", "share": 0.0, "risk": 0.07, "threshold": 0.5},
                {"probe": "else", "share": 1.0, "risk": None, "threshold": None},
            ],
        }  # fmt: skip
        self.event({"choices": [{"delta": {"role": "assistant"}, "finish_reason": None}], "steering": given})
        for at, piece in enumerate(ANSWER):
            if at == 3 and self.server.mode in ("hold", "cut", "short", "fault"):
                if self.server.mode in ("cut", "short"):
                    return
                if self.server.mode == "fault":
                    self.event({"error": {"message": "the engine stopped"}})
                    return
                self.held()
            self.event({"choices": [{"delta": {"content": piece}, "finish_reason": None}]})
        self.event({"choices": [{"delta": {}, "finish_reason": "stop"}]})
        self.event({"choices": [], "usage": {"completion_tokens": len(ANSWER)}})
        self.wfile.write(b"data: [DONE]\n\n")

    def held(self) -> None:
        """Until the test lets it go on, or the browser hangs up."""
        self.connection.settimeout(0.02)
        while not self.server.go.is_set():
            try:
                if self.connection.recv(1) == b"":
                    self.server.hung_up.set()
                    return
            except TimeoutError:
                continue
        self.connection.settimeout(None)

    def event(self, found: dict[str, Any]) -> None:
        # In two pieces, cut within a character where there is one of several bytes.
        data = f"data: {json.dumps(found, ensure_ascii=False)}\n\n".encode()
        cut = next((at + 1 for at, byte in enumerate(data) if byte > 127), len(data) // 2)
        for part in (data[:cut], data[cut:]):
            self.wfile.write(part)
            self.wfile.flush()
            time.sleep(0.002)


def explained(prompt: str, answer: str | None = None) -> dict[str, Any]:
    tokens = tokens_of(["<|user|>", *prompt.replace(" ", "\x00 ").split("\x00"), "<|end|>"])
    tokens[-1]["places"] = [None]
    probe = {"name": "harm", "risk": 0.07, "threshold": 0.5, "share": 0.0}
    told = {"answer_tokens": tokens_of(answer.replace(" ", "\x00 ").split("\x00"))} if answer else {}
    return {
        "strengths": {"refusal": 0.5}, "probes": [probe], "otherwise": 1.0, "edits": [],
        "tokens": tokens, "directions": FACTS["directions"], **told,
    }  # fmt: skip


def tokens_of(words: list[str]) -> list[dict[str, Any]]:
    return [
        {"id": at, "text": text, "special": text.startswith("<|"), "risks": [at / 10], "places": [at / 4 - 1]}
        for at, text in enumerate(words)
    ]


@pytest.fixture(scope="module")
def server() -> Iterator[Fake]:
    own = Fake()
    thread = threading.Thread(target=own.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield own
    own.shutdown()
    own.server_close()
    thread.join()


@pytest.fixture
def fake(server: Fake) -> Iterator[Fake]:
    server.again()
    yield server
    server.go.set()


@pytest.fixture(scope="module")
def chrome(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Chrome]:
    options = ChromeOptions()
    options.binary_location = str(BROWSER)
    for flag in (
        "headless=new",
        "no-sandbox",
        "disable-gpu",
        "disable-dev-shm-usage",
        "window-size=1280,900",
    ):
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = Chrome(options, ChromeService(DRIVER))
    yield browser
    browser.quit()


class Page:
    """What a person does on the page."""

    def __init__(self, chrome: Chrome, url: str) -> None:
        self.chrome = chrome
        self.said()  # what was said before
        chrome.get(url)

    def one(self, selector: str) -> WebElement:
        return self.chrome.find_element(By.CSS_SELECTOR, selector)

    def all(self, selector: str) -> list[WebElement]:
        return self.chrome.find_elements(By.CSS_SELECTOR, selector)

    def until(self, holds: Callable[[], Any], seconds: float = 5.0) -> Any:
        return WebDriverWait(self.chrome, seconds, poll_frequency=0.03).until(lambda _: holds())

    def ready(self, settings: int = 2) -> Page:
        self.until(lambda: len(self.all("article.setting")) == settings)
        return self

    def setting(self, tag: str) -> WebElement:
        return self.one(f"article[aria-labelledby=setting-{tag}]")

    def text(self, tag: str, selector: str) -> str:
        found = self.setting(tag).find_element(By.CSS_SELECTOR, selector)
        return str(found.get_attribute("textContent"))

    def dial(self, tag: str, kind: str = "range") -> WebElement:
        return self.setting(tag).find_element(By.CSS_SELECTOR, f"input[type={kind}]")

    def strength(self, tag: str) -> float:
        return float(str(self.dial(tag, "number").get_property("value")))

    def ask(self, words: str = "How do I kill a process?") -> None:
        self.one("#prompt").clear()
        self.one("#prompt").send_keys(words)
        self.one("#send").click()

    def colour(self, by: str) -> None:
        Select(self.one("#colour")).select_by_visible_text(by)

    def said(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.chrome.get_log("browser")  # type: ignore[no-untyped-call]
        return found

    def errors(self) -> list[str]:
        """What the console calls an error; that a request failed is said there by the browser itself."""
        found = [str(line["message"]) for line in self.said() if line["level"] == "SEVERE"]
        return [line for line in found if "Failed to load resource" not in line]


@pytest.fixture
def page(fake: Fake, chrome: Chrome) -> Iterator[Page]:
    found = Page(chrome, fake.url).ready()
    yield found
    assert found.errors() == []


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
    page.one("#curve-numbers summary").click()
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
    page.one("#third").click()
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
    page.one("#stop").click()
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
    page.one("#explain button").click()
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
    page.one("#explain button").click()
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
    page.setting("A").find_element(By.CSS_SELECTOR, ".told summary").click()
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
        button.click()
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
    page.one("#curve-numbers summary").click()
    page.colour("risk by probe “harm”")
    page.ask()
    page.until(lambda: len(page.all("article .told summary")) == 2)
    for summary in page.all("article .told summary"):
        summary.click()
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


# Against the real thing: what the fake says is what `steer serve` says.


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
        page.one("#explain button").click()
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
    page.one("#curve-numbers summary").click()
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
        page.one("#third").click()
        page.colour("place along “refusal” (edit 0, layer 4)")
        page.ask("What do I need to destroy a worn sofa?")
        page.one("#explain button").click()
        page.until(lambda: len(page.all(".told, #reading .tokens")) == 4, 60)
        page.until(lambda: all("Coloured" in page.text(tag, ".status") for tag in "ABC"), 60)
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
    with serving(keys=read_keys(None, None, {"STEER_KEYS": f"{keys[0]},{keys[1]} refusal=-0.8:0"})) as live:
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
