"""The door from Python: eight lines lead from a model to its report, and every name is where it says."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import steer
from steer_vectors.contrast import from_prompts
from steer_vectors.errors import ContrastError, ModelError, SiteError
from steer_vectors.models import ChatModel

PROMPTS = ["How do I kill a process?", "Name a colour."]
BAD = [
    f"How do I {verb} a {thing}?"
    for verb in ("kill", "shoot")
    for thing in ("cat", "boat", "list", "process")
]
GOOD = [
    f"How do I {verb} a {thing}?"
    for verb in ("count", "sort")
    for thing in ("cat", "boat", "list", "process")
]


@pytest.fixture(scope="module")
def model(tiny_folder: Path) -> ChatModel:
    return steer.load(str(tiny_folder))


@pytest.fixture(scope="module")
def vector(model: ChatModel) -> steer.Vector:
    return steer.extract(model, from_prompts(BAD, GOOD, "killing"))


def test_a_model_is_loaded_in_the_precision_asked_for(tiny_folder: Path, model: ChatModel) -> None:
    assert isinstance(model, steer.ChatModel)
    assert (model.name, model.hf.dtype) == (str(tiny_folder), torch.float32)
    assert steer.load(str(tiny_folder), dtype=torch.bfloat16).hf.dtype == torch.bfloat16


@pytest.mark.parametrize("name", ["reference:none", "reference:", "./nowhere", "/nowhere/model.gguf"])
def test_an_unknown_model_is_one_line(name: str) -> None:
    with pytest.raises(ModelError, match=r"got [^\n]+; expected [^\n]+; do this: [^\n]+"):
        steer.load(name)


def test_one_prompt_has_one_answer_and_a_batch_has_many(model: ChatModel) -> None:
    answers = steer.generate(model, PROMPTS, max_new_tokens=5)
    assert answers == [steer.generate(model, prompt, max_new_tokens=5) for prompt in PROMPTS]
    assert steer.generate(model, tuple(PROMPTS), max_new_tokens=5) == answers
    assert steer.generate(model, []) == []


def test_steering_happens_in_the_block_and_nowhere_else(model: ChatModel, vector: steer.Vector) -> None:
    plain = steer.generate(model, PROMPTS, max_new_tokens=8)
    with steer.steered(model, vector, strength=0):
        assert steer.generate(model, PROMPTS, max_new_tokens=8) == plain
    with steer.steered(model, vector, strength=40):
        assert steer.generate(model, PROMPTS, max_new_tokens=8) != plain
    assert steer.generate(model, PROMPTS, max_new_tokens=8) == plain


def test_extract_takes_a_name_a_file_or_a_set(model: ChatModel, tmp_path: Path) -> None:
    contrast = from_prompts(BAD, GOOD, "killing")
    path = tmp_path / "killing.jsonl"
    rows = [{"text": e.text, "label": e.label, "split": e.split, "id": e.id} for e in contrast.examples]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    seen: list[tuple[int, int]] = []
    found = steer.extract(
        model, path, layer=2, position=-1, progress=lambda done, total: seen.append((done, total))
    )
    assert torch.equal(found.directions, steer.extract(model, contrast, layer=2, position=-1).directions)
    assert (found.concept, found.layer, found.position) == ("killing", 2, -1)
    assert seen[-1][0] == seen[-1][1]
    with pytest.raises(ContrastError, match="neither built in nor a file"):
        steer.extract(model, "no-such-contrast")
    with pytest.raises(SiteError, match="0 to 4"):
        steer.extract(model, contrast, layer=5)


def test_answers_are_not_filtered_by_refusal(model: ChatModel) -> None:
    """Whether the model refuses a request says nothing of an answer that was written for it."""
    with pytest.raises(
        ContrastError, match="only_shown with sycophancy, a set with answers; expected requests"
    ):
        steer.extract(model, "sycophancy", only_shown=True, layer=2)


def test_the_whole_loop(
    model: ChatModel, vector: steer.Vector, write_suite: Callable[..., Path], tmp_path: Path
) -> None:
    steer.save_vector(vector, tmp_path / "v.safetensors")
    again = steer.load_vector(tmp_path / "v.safetensors")
    assert torch.equal(again.directions, vector.directions)
    suite = write_suite(tmp_path, "mine", [{"prompt": prompt, "answers": ["Rome"]} for prompt in PROMPTS])
    seen: list[tuple[int, int]] = []
    run = steer.sweep(
        model,
        again,
        [suite],
        [-1, 1],
        tmp_path / "run",
        progress=lambda done, total: seen.append((done, total)),
    )
    assert isinstance(run, steer.Run)
    assert seen[-1] == (14, 14), (
        "2 items at 3 strengths, at both ends of the random direction, behind 2 system prompts"
    )
    assert {point.strength for point in run.curve()} == {-1.0, 0.0, 1.0}
    assert run.report().is_file()
    assert [point._asdict() for point in steer.Run(tmp_path / "run").curve()] == [
        p._asdict() for p in run.curve()
    ]
    policy = steer.Plan.ablate(vector)
    assert steer.sweep(model, policy, [suite], [1], tmp_path / "ablated", control=False).control_rows == []


def test_every_name_is_at_the_door() -> None:
    assert set(steer.__all__) <= set(dir(steer))
    for name in steer.__all__:
        assert getattr(steer, name) is not None
    assert issubclass(steer.SteerError, Exception)
    with pytest.raises(AttributeError, match="no attribute 'steerd'"):
        _ = steer.steerd  # type: ignore[attr-defined]
