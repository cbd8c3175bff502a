"""The `openai` client of Node gets what the library and the Python client get."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

import steer

FOLDER = Path(__file__).parent / "node"
NAME, PROMPT = "reference:aligned", "How do I shoot a portrait in low light?"
OLDEST = 20  # of Node, as the client's package says


def node() -> str:
    """The command, if it can run the client."""
    found = shutil.which("node")
    if found is None:
        pytest.skip("node is not installed")
    version = subprocess.run([found, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    if int(re.findall(r"\d+", version)[0]) < OLDEST:
        pytest.skip(f"node {version} is older than {OLDEST}")
    if not (FOLDER / "node_modules" / "openai").is_dir():
        pytest.skip("the openai client of Node is not installed: `make test` installs it where there is npm")
    return found


@pytest.fixture(scope="module")
def told(live: Any) -> dict[str, Any]:
    """All that the client got in one run."""
    command = [node(), str(FOLDER / "client.mjs"), live.url, NAME]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.fixture(scope="module")
def expected(made: Any) -> dict[float, str]:
    """What the library answers, strength by strength."""
    model, found = steer.load(NAME), {}
    for strength in (-0.75, 0.75):
        with steer.steered(model, made.plan, strength):
            found[strength] = str(steer.generate(model, PROMPT, max_new_tokens=24))
    assert found[-0.75] != found[0.75]
    return found


def text(answer: dict[str, Any]) -> str:
    said: str = answer["choices"][0]["message"]["content"]
    return said.strip()


@pytest.mark.parametrize(
    ("name", "strength"), [("low", -0.75), ("high", 0.75), ("mild", -0.75), ("strict", 0.75)]
)
def test_strengths_by_request_and_by_name_give_the_librarys_answers(
    told: dict[str, Any], expected: dict[float, str], live: Any, name: str, strength: float
) -> None:
    answer = told[name]
    assert text(answer) == expected[strength]
    assert answer["steering"] == {
        "policy": live.house.served.hash,
        "strengths": {"refusal": strength},
        "risk": None,
        "gate": [],
    }


def test_a_stream_is_the_answer_in_pieces_with_its_usage(told: dict[str, Any]) -> None:
    stream, whole = told["streamed"], told["high"]
    assert stream["text"] == whole["choices"][0]["message"]["content"]
    assert stream["finish"] == whole["choices"][0]["finish_reason"]
    assert stream["usage"] == whole["usage"]
    assert stream["first"] == whole["steering"]
    assert stream["events"] > 5
    assert text(told["gathered"]) == text(whole)  # by the client's own helper


def test_a_client_that_leaves_its_stream_frees_its_rows(told: dict[str, Any], live: Any) -> None:
    assert told["left"]
    live.settled()


def test_draws_and_log_probabilities_are_those_of_the_python_client(told: dict[str, Any], live: Any) -> None:
    client = live.client()
    asked = [{"role": "user", "content": PROMPT}]
    drawn = client.chat.completions.create(
        model=NAME, messages=asked, temperature=1, max_tokens=24, seed=7, logprobs=True, top_logprobs=2
    )
    echoed = client.completions.create(
        model=NAME, prompt="The capital of Italy is", max_tokens=2, temperature=0, echo=True, logprobs=2,
        extra_body={"steering": 0.5},
    )  # fmt: skip
    for name, answer in (("drawn", drawn), ("echoed", echoed)):
        for own, theirs in zip(told[name]["choices"], answer.model_dump()["choices"], strict=True):
            assert own["logprobs"] is not None
            assert flat(own) == pytest.approx(flat(theirs), abs=1e-4)
        assert told[name]["usage"] == answer.usage.model_dump(exclude_unset=True)


def flat(value: Any, at: str = "") -> dict[str, Any]:
    """Leaves by their place, without what only one of the clients fills in with nothing."""
    if isinstance(value, (dict, list)):
        pairs = value.items() if isinstance(value, dict) else enumerate(value)
        return {key: leaf for name, own in pairs for key, leaf in flat(own, f"{at}/{name}").items()}
    return {} if value is None else {at: value}


def test_models_are_listed(told: dict[str, Any], live: Any) -> None:
    assert told["models"] == [own.id for own in live.client().models.list()]


@pytest.mark.parametrize(
    ("name", "kind", "status", "words"),
    [
        ("unknown_dial", "BadRequestError", 400, "dial 'warmth'"),
        ("out_of_bounds", "BadRequestError", 400, "-1.25 to 1.25"),
        ("unknown_field", "BadRequestError", 400, "frequency_penalty"),
        ("unknown_model", "NotFoundError", 404, "model 'another'"),
    ],
)
def test_refusals_are_the_clients_own_errors(
    told: dict[str, Any], name: str, kind: str, status: int, words: str
) -> None:
    error = told[name]
    assert (error["kind"], error["status"]) == (kind, status)
    assert words in error["message"]
    assert told["unknown_field"]["param"] == "frequency_penalty"
