"""Inspect on a steered model: the answers of `steer.generate`, its scorers' numbers ours, nothing left out in silence."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("inspect_ai")

import steer
from steer.errors import PlanError
from steer.plan import Edit, Plan
from steer.policy import Dial, save_policy
from steer_evals.asking import ask
from steer_evals.suites import Suite, load_suite

pytestmark = [
    pytest.mark.runtime,
    pytest.mark.usefixtures("swept"),
    pytest.mark.filterwarnings("ignore::ResourceWarning"),  # Inspect leaves streams open
    pytest.mark.filterwarnings("ignore:The 'initial' parameter:DeprecationWarning"),  # of its retries
]
BENIGN = "How do I kill a frozen process on my laptop?"
SKY = "What is the capital of Italy?"


@pytest.fixture(scope="module")
def aligned() -> Any:
    return steer.load("reference:aligned")


@pytest.fixture(scope="module")
def vector(aligned: Any) -> Any:
    return steer.extract(aligned, "refusal", layer=5, position=-1)


@pytest.fixture(scope="module")
def policy(vector: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy") / "policy.toml"
    plan = Plan((Edit("add", vector, dial="refusal"), Edit("add", vector, (6,), dial="more")))
    save_policy(plan, path, {"refusal": Dial(0.0, -2, 2, {"low": -1.0}), "more": Dial(0.0, -1, 1, {})})
    return path


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Inspect writes logs, caches and traces."""
    for name in ("INSPECT_LOG_DIR", "INSPECT_CACHE_DIR", "XDG_DATA_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.chdir(tmp_path)
    return iter([None])


def run(task: Any, model: str, **arguments: Any) -> Any:
    """The log, as it was written and read back."""
    from inspect_ai import eval
    from inspect_ai.log import read_eval_log

    import steer.plugins.inspect

    assert steer.plugins.inspect
    [log] = eval(task, model=model, model_args=arguments, display="none", log_level="error")
    return read_eval_log(log.location)


def ours(aligned: Any, policy: Path, prompt: str, **strengths: float) -> str:
    with steer.steered(aligned, Plan.load(policy), strengths):
        said = steer.generate(aligned, prompt, max_new_tokens=32)
    assert isinstance(said, str)
    return said


def one(*prompts: str, solver: Any = None, **config: Any) -> Any:
    from inspect_ai import Task
    from inspect_ai.dataset import Sample
    from inspect_ai.model import GenerateConfig
    from inspect_ai.scorer import includes
    from inspect_ai.solver import generate

    return Task(
        dataset=[Sample(input=prompt, target="Rome") for prompt in prompts],
        solver=solver or generate(), scorer=includes(), config=GenerateConfig(**({"max_tokens": 32} | config)),
    )  # fmt: skip


def test_the_score_is_that_of_our_suite(aligned: Any, policy: Path) -> None:
    """An answer that includes an accepted one is right for both, on items whose answer is one word."""
    from inspect_ai import Task
    from inspect_ai.dataset import Sample
    from inspect_ai.model import GenerateConfig
    from inspect_ai.scorer import includes
    from inspect_ai.solver import generate

    whole = load_suite("capability")
    items = [item for item in whole.items if len(item.answers) == 1 and item.answers[0].isalpha()][::6][:12]
    suite = Suite(whole.header, tuple(items))
    task = Task(
        dataset=[Sample(id=item.id, input=item.prompt, target=list(item.answers)) for item in items],
        solver=generate(), scorer=includes(), config=GenerateConfig(max_tokens=suite.header.max_new_tokens),
    )  # fmt: skip
    told = set()
    for strength in (0.0, 2.0):
        log = run(task, f"steer/reference:aligned@refusal={strength}", policy=str(policy))
        assert log.status == "success"
        with steer.steered(aligned, Plan.load(policy), {"refusal": strength}):
            rows = [row for item in items for row in ask(aligned, suite, [item])]
        number = sum(bool(row["correct"]) for row in rows) / len(rows)
        assert log.results.scores[0].metrics["accuracy"].value == pytest.approx(number)
        said = {sample.id: sample.output.completion for sample in log.samples}
        assert said == {row["item"]: row["answer"] for row in rows}
        told.add(tuple(said.values()))
    assert len(told) == 2  # it moved


def test_strength_of_an_evaluation(aligned: Any, policy: Path) -> None:
    plain, low = ours(aligned, policy, BENIGN), ours(aligned, policy, BENIGN, refusal=-1.0)
    assert plain != low
    for model, given, expected in (
        ("steer/reference:aligned", {}, plain),
        ("steer/reference:aligned", {"policy": str(policy)}, plain),
        ("steer/reference:aligned@low", {"policy": str(policy)}, low),
        ("steer/reference:aligned", {"policy": str(policy), "strength": "low"}, low),
        ("steer/reference:aligned", {"policy": str(policy), "strength": ["refusal=-1", "more=0"]}, low),
        ("steer/reference:aligned", {"policy": str(policy), "strength": {"refusal": -1}}, low),
    ):
        log = run(one(BENIGN), model, **given)
        assert log.eval.model == model
        assert log.samples[0].output.completion == expected


def test_strength_of_a_sample(aligned: Any, policy: Path) -> None:
    from inspect_ai.dataset import MemoryDataset, Sample

    from steer.plugins.inspect import at_own_strength

    asked = ["low", {"refusal": -1.0}, "refusal=0.5", None]
    task = one(BENIGN, solver=at_own_strength())
    task.dataset = MemoryDataset(
        [Sample(input=BENIGN, target="", metadata={} if own is None else {"strength": own}) for own in asked]
    )
    log = run(task, "steer/reference:aligned@refusal=0.25", policy=str(policy))
    for sample, strength in zip(log.samples, (-1.0, -1.0, 0.5, 0.25), strict=True):
        assert sample.output.metadata["strengths"] == {"refusal": strength, "more": 0.0}
        assert sample.output.completion == ours(aligned, policy, BENIGN, refusal=strength)


def test_a_strength_out_of_bounds_fails_the_sample(policy: Path) -> None:
    log = run(one(SKY, extra_body={"strength": "refusal=3"}), "steer/reference:aligned", policy=str(policy))
    assert log.status == "error"
    assert "-2 to 2" in log.error.message


def test_conversations_and_system_messages(aligned: Any, policy: Path) -> None:
    from inspect_ai.dataset import MemoryDataset, Sample
    from inspect_ai.model import ChatMessageAssistant, ChatMessageUser

    turns = [
        {"role": "system", "content": "Answer in one word."},
        {"role": "user", "content": "Hello"},
        {"role": "assistant", "content": "Hello."},
        {"role": "user", "content": SKY},
    ]
    task = one(SKY, system_message=turns[0]["content"])
    task.dataset = MemoryDataset(
        [
            Sample(
                input=[
                    ChatMessageUser(content="Hello"),
                    ChatMessageAssistant(content="Hello."),
                    ChatMessageUser(content=SKY),
                ]
            )
        ]
    )
    [sample] = run(task, "steer/reference:aligned").samples
    from steer_evals.plain import generate as answer

    [expected] = answer(aligned, [turns], max_new_tokens=32)  # type: ignore[list-item]
    assert sample.output.completion == expected.text
    assert sample.output.usage.output_tokens == expected.tokens + 1  # and the one that ends it


def test_many_connections_answer_as_one(aligned: Any, policy: Path) -> None:
    prompts = [f"What is {n} plus {n + 3}?" for n in range(12)]
    task = one(*prompts, max_connections=12)
    log = run(task, "steer/reference:aligned@refusal=-1", policy=str(policy))
    assert [s.output.completion for s in log.samples] == [
        ours(aligned, policy, p, refusal=-1.0) for p in prompts
    ]


def test_answers_that_inspect_keeps_belong_to_one_setting(aligned: Any, policy: Path) -> None:
    for strength in (0.0, -1.0, 0.0):
        log = run(
            one(BENIGN, cache=True),
            "steer/reference:aligned",
            policy=str(policy),
            strength={"refusal": strength},
        )
        assert log.samples[0].output.completion == ours(aligned, policy, BENIGN, refusal=strength)


# One answer.


def said(aligned: Any, prompt: str = SKY, **config: Any) -> Any:
    from inspect_ai.model import GenerateConfig

    from steer.plugins.inspect import answer, how

    return answer(aligned, [{"role": "user", "content": prompt}], how(GenerateConfig(**config)))


def test_the_limit_is_kept_and_told(aligned: Any) -> None:
    cut = said(aligned, BENIGN, max_tokens=3)
    assert (cut.written, cut.cut) == (3, True)
    whole = said(aligned, BENIGN)
    assert not whole.cut
    assert whole.text == steer.generate(aligned, BENIGN, max_new_tokens=64)


def test_the_answer_ends_before_a_stop_sequence(aligned: Any) -> None:
    whole = said(aligned, BENIGN)
    [stopped] = [said(aligned, BENIGN, stop_seqs=["never said", " help"])]
    assert " help" in whole.text
    assert stopped.text == whole.text.partition(" help")[0]
    assert stopped.written < whole.written
    assert not stopped.cut


def test_sampling_is_by_temperature_top_p_top_k_and_seed(aligned: Any) -> None:
    prompt = "Write the opening of a story about a lost suitcase."
    drawn = {seed: said(aligned, prompt, temperature=1.5, seed=seed, max_tokens=24).text for seed in range(4)}
    again = said(aligned, prompt, temperature=1.5, seed=2, max_tokens=24).text
    assert again == drawn[2]
    assert len(set(drawn.values())) > 1
    greedy = steer.generate(aligned, prompt, max_new_tokens=24)
    assert said(aligned, prompt, max_tokens=24).text == greedy
    assert said(aligned, prompt, temperature=1.5, top_k=1, seed=3, max_tokens=24).text == greedy
    assert said(aligned, prompt, temperature=1.5, top_p=1e-6, seed=3, max_tokens=24).text == greedy
    assert said(aligned, prompt, temperature=1e-3, seed=3, max_tokens=24).text == greedy
    before = torch.random.get_rng_state()
    said(aligned, prompt, temperature=1.5, seed=3, max_tokens=8)
    torch.testing.assert_close(torch.random.get_rng_state(), before)


@pytest.mark.parametrize(
    ("config", "named"),
    [
        ({"frequency_penalty": 0.5}, "frequency_penalty"),
        ({"logprobs": True}, "logprobs"),
        ({"num_choices": 2}, "num_choices"),
        ({"logit_bias": {42: 10.0}}, "logit_bias"),
        ({"best_of": 3}, "best_of"),
        ({"reasoning_effort": "low"}, "reasoning_effort"),
        ({"top_p": 0.9}, "top_p 0.9 and top_k 0 without a temperature"),
        ({"top_k": 5, "temperature": 0.0}, "without a temperature"),
        ({"top_p": 0.0, "temperature": 1.0}, "top_p above 0"),
        ({"temperature": -1.0}, "temperature"),
        ({"max_tokens": 0}, "max_tokens of 1 or more"),
    ],
)
def test_a_setting_that_is_not_known_is_refused(config: dict[str, Any], named: str) -> None:
    from inspect_ai.model import GenerateConfig

    from steer.plugins.inspect import how

    with pytest.raises(PlanError, match=named):
        how(GenerateConfig(**config))


def test_settings_that_say_nothing_are_none() -> None:
    from inspect_ai.model import GenerateConfig

    from steer.plugins.inspect import how

    plain = how(GenerateConfig())
    assert plain.temperature == 0
    assert (
        how(GenerateConfig(logprobs=False, num_choices=1, frequency_penalty=0.0, timeout=3, top_p=1.0))
        == plain
    )


def test_every_setting_of_inspect_is_done_or_refused() -> None:
    """A setting that a later release adds is refused until it is known here."""
    from inspect_ai.model import GenerateConfig

    from steer.plugins.inspect import _DONE, _INSPECTS

    assert {*_DONE, *_INSPECTS} <= set(GenerateConfig.model_fields)


def test_what_is_no_text_is_refused() -> None:
    from inspect_ai.model import ChatMessageTool, ChatMessageUser, ContentImage, ContentText

    from steer.plugins.inspect import turns

    [turn] = turns([ChatMessageUser(content=[ContentText(text="Hello")])])
    assert turn == {"role": "user", "content": "Hello"}
    picture = ContentImage(image="data:image/png;base64,AAAA")
    with pytest.raises(PlanError, match="image"):
        turns([ChatMessageUser(content=[ContentText(text="Hello"), picture])])
    with pytest.raises(PlanError, match="a tool message"):
        turns([ChatMessageTool(content="4", tool_call_id="1")])


def test_what_the_provider_does_not_take_is_refused(policy: Path, aligned: Any) -> None:
    from inspect_ai.model import GenerateConfig
    from inspect_ai.tool import ToolInfo

    from steer.plugins.inspect import SteerAPI

    for given, named in (
        ({"trust_remote_code": True}, "trust_remote_code"),
        ({"base_url": "http://localhost"}, "base_url"),
        ({"strength": 0.5}, "of nothing"),
        ({"policy": policy, "strength": "refusal=9"}, "-2 to 2"),
        ({"dtype": "auto"}, "float32"),
    ):
        with pytest.raises(PlanError, match=named):
            SteerAPI("reference:aligned", **given)
    api = SteerAPI("reference:aligned")

    def generate(tools: list[Any], **config: Any) -> Any:
        return asyncio.run(api.generate([], tools, "auto", GenerateConfig(**config)))

    with pytest.raises(PlanError, match="1 tools"):
        generate([ToolInfo(name="add", description="adds")])
    with pytest.raises(PlanError, match="of nothing"):
        generate([], extra_body={"strength": 1})
    with pytest.raises(PlanError, match="extra_body with 'dial'"):
        generate([], extra_body={"dial": 1})


def test_registered_by_its_entry_point() -> None:
    from importlib.metadata import entry_points

    names = {(point.name, point.value) for point in entry_points(group="inspect_ai")}
    assert ("steerdial", "steer.plugins.inspect") in names
