"""Every engine gives the answers of the batched one, and is refused where it cannot."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from steer.plan import Edit, Plan
from steer.recipe import Recipe, compile_plan
from steer_evals import engines
from steer_evals.engine import Row, Written, write
from steer_evals.engines import ENGINES, continuously, engine, plain
from steer_evals.errors import RunError
from steer_vectors.chat import prompt_ids
from steer_vectors.models import ChatModel

PROMPTS = [
    "Hi",
    "How do I kill a process on my computer?",
    "Name a colour.",
    "Write a short story about a cat and a boat.",
]


@pytest.fixture(params=["tiny_llama", "tiny_gpt2"])
def model(request: pytest.FixtureRequest) -> ChatModel:
    found: ChatModel = request.getfixturevalue(request.param)
    return found


def asked(model: ChatModel, dials: bool = False) -> list[Row]:
    prompts = [tuple(prompt_ids(model.tokenizer, prompt)) for prompt in PROMPTS]
    strengths: list[Any] = [{"a": 1.0, "b": 0.5}, {"b": -1.0}, {}] if dials else [-2.0, 0.0, 0.5, 2.0]
    return [Row(ids, s, 3 + (at + n) % 7) for at, ids in enumerate(prompts) for n, s in enumerate(strengths)]


def by_row(found: Any) -> list[Written]:
    return sorted((own._replace(ties=0) for own in found), key=lambda own: own.row)


def an_end_often_said(model: ChatModel, rows: list[Row], monkeypatch: pytest.MonkeyPatch) -> None:
    """Random models seldom end an answer."""
    said = by_row(write(model, Recipe({}), [row._replace(strength=0.0) for row in rows]))
    monkeypatch.setattr(model.hf.generation_config, "eos_token_id", [said[0].tokens[1], said[-1].tokens[2]])


PLANS: dict[str, Callable[[Any, Any], Plan]] = {
    "everywhere": lambda v, _w: Plan((Edit("add", v, layers=(1,)),)),
    "generation": lambda v, _w: Plan((Edit("add", v, layers=(0, 2), scope="generation"),)),
    "two dials": lambda v, w: Plan((Edit("add", v, dial="a"), Edit("ablate", w, dial="b"))),
}


@pytest.mark.parametrize("name", PLANS)
@pytest.mark.parametrize("at_once", [None, 5])
def test_plain_answers_as_batched(
    model: ChatModel, make_vector: Any, monkeypatch: pytest.MonkeyPatch, name: str, at_once: int | None
) -> None:
    plan = PLANS[name](make_vector(model, gap=3.0), make_vector(model, gap=3.0, seed=5))
    recipe, rows = compile_plan(plan, model), asked(model, dials=name == "two dials")
    an_end_often_said(model, rows, monkeypatch)
    expected = by_row(write(model, recipe, rows))
    assert by_row(plain(model, recipe, rows, at_once=at_once)) == expected
    assert any(own.ended for own in expected)


def test_plain_answers_unsteered_too(model: ChatModel) -> None:
    rows = [row._replace(strength=0.0) for row in asked(model)]
    assert by_row(plain(model, Recipe({}), rows)) == by_row(write(model, Recipe({}), rows))
    assert list(plain(model, Recipe({}), [])) == list(continuously(model, Recipe({}), [])) == []


@pytest.mark.slow
@pytest.mark.parametrize("name", ["everywhere", "generation"])
def test_continuous_answers_as_batched(
    tiny_llama: ChatModel, make_vector: Any, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    vector = make_vector(tiny_llama, gap=3.0)
    recipe, rows = compile_plan(PLANS[name](vector, vector), tiny_llama), asked(tiny_llama)
    an_end_often_said(tiny_llama, rows, monkeypatch)
    expected = by_row(write(tiny_llama, recipe, rows))
    assert by_row(continuously(tiny_llama, recipe, rows)) == expected


class _Manager:
    """Of continuous batching that failed."""

    def __init__(self, found: Any) -> None:
        self.found = found

    def get_result(self, timeout: float) -> Any:
        return self.found

    def is_running(self) -> bool:
        return False


@pytest.mark.parametrize(
    "found", [None, SimpleNamespace(error="out of blocks", generated_tokens=[], is_finished=lambda: True)]
)
def test_continuous_batching_that_fails_is_no_empty_answer(
    tiny_llama: ChatModel, monkeypatch: pytest.MonkeyPatch, found: Any
) -> None:
    class Fake:
        def __init__(self, *_: Any, **__: Any) -> None:
            self.manager = _Manager(found)

        def __enter__(self) -> Fake:
            return self

        def __exit__(self, *_: object) -> None:
            return None

        def add(self, *_: Any, **__: Any) -> str:
            return "one"

    monkeypatch.setattr(engines, "continuous", Fake)
    with pytest.raises(RunError, match=r"got [^\n]+; expected [^\n]+; do this: [^\n]+"):
        list(continuously(tiny_llama, Recipe({}), asked(tiny_llama)[:1]))


def test_auto_is_batched_where_the_cache_is_keys_and_values(
    tiny_llama: ChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert engine("auto", tiny_llama, Recipe({})) is engine("batched", tiny_llama, Recipe({})) is write
    assert {name: engine(name, tiny_llama, Recipe({})) for name in ENGINES} == ENGINES
    kinds = ["linear_attention", "full_attention", "linear_attention"]
    monkeypatch.setattr(tiny_llama.hf.config, "layer_types", kinds, raising=False)
    assert engine("auto", tiny_llama, Recipe({})) is engine("plain", tiny_llama, Recipe({})) is plain
    with pytest.raises(
        RunError,
        match=r"got engine 'batched' for tiny-llama; expected auto, plain or continuous or vllm; do this",
    ):
        engine("batched", tiny_llama, Recipe({}))
    monkeypatch.setattr(tiny_llama.hf.config, "layer_types", ["sliding_attention", "full_attention"])
    assert engine("auto", tiny_llama, Recipe({})) is write
    monkeypatch.setattr(type(tiny_llama.hf), "_is_stateful", True, raising=False)
    assert engine("auto", tiny_llama, Recipe({})) is plain


def test_an_unknown_engine_is_one_line(tiny_llama: ChatModel) -> None:
    with pytest.raises(
        RunError, match=r"got engine 'fast' [^\n]+ batched or plain or continuous or vllm; do this: [^\n]+"
    ):
        engine("fast", tiny_llama, Recipe({}))


@pytest.mark.parametrize("name", ["plain", "continuous"])
def test_greedy_engines_do_not_draw(tiny_llama: ChatModel, name: str) -> None:
    with pytest.raises(RunError, match=r"got temperature 0.5 [^\n]+; do this: leave --engine out"):
        list(ENGINES[name](tiny_llama, Recipe({}), asked(tiny_llama), temperature=0.5))
