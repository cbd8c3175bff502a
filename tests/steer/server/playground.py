"""What the tests of the page share: a stand-in for the server, the browser, and what a person does on the page.

Knows nothing of `steer serve` but its API and the policy of its headers; needs selenium, so it is imported only
after that was looked for.
"""

from __future__ import annotations

import ast
import json
import shutil
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from selenium.common.exceptions import TimeoutException
from selenium.webdriver import Chrome, ChromeOptions, ChromeService
from selenium.webdriver.common.by import By
from selenium.webdriver.remote.webelement import WebElement
from selenium.webdriver.support.ui import Select, WebDriverWait

import steer

BROWSER = shutil.which("chromium") or shutil.which("google-chrome")
DRIVER = shutil.which("chromedriver")
NEEDS_BROWSER = pytest.mark.skipif(not (BROWSER and DRIVER), reason="needs chromium and chromium-driver")

PLAYGROUND = Path(steer.__file__).parent / "server" / "playground"
TYPES = {".html": "text/html", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml"}


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


def new_chrome() -> Chrome:
    """Without a window; keeps what its console says."""
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
    return Chrome(options, ChromeService(DRIVER))


# Resolves when two frames in a row find it at one place.
STILL = """
const [element, done] = arguments;
element.scrollIntoView({ block: "nearest" });
let before = null;
(function look() {
  const { x, y } = element.getBoundingClientRect(), now = `${x} ${y}`;
  if (now === before) return done();
  before = now;
  requestAnimationFrame(look);
})();
"""
# Where the page says what it does and what went wrong.
SAID = ".status, .error"


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

    def until(self, holds: Callable[[], Any], seconds: float = 20.0) -> Any:
        try:
            return WebDriverWait(self.chrome, seconds, poll_frequency=0.03).until(lambda _: holds())
        except TimeoutException as error:
            said = "\n".join(own.text for own in self.all(SAID) if own.text)
            raise AssertionError(f"after {seconds:g} s the page says:\n{said}\n{self.said()}") from error

    def press(self, found: str | WebElement) -> None:
        """Click, once it stands still: where an answer grows or the curve is drawn again, a click may fall beside it."""
        element = self.one(found) if isinstance(found, str) else found
        self.chrome.execute_async_script(STILL, element)
        element.click()

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
        self.press("#send")

    def colour(self, by: str) -> None:
        Select(self.one("#colour")).select_by_visible_text(by)

    def said(self) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = self.chrome.get_log("browser")  # type: ignore[no-untyped-call]
        return found

    def errors(self) -> list[str]:
        """What the console calls an error; that a request failed is said there by the browser itself."""
        found = [str(line["message"]) for line in self.said() if line["level"] == "SEVERE"]
        return [line for line in found if "Failed to load resource" not in line]
