"""The judge of runtimes, on runtimes made up: what agrees, differs, refuses, is absent; and what proves nothing."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

import steer
from steer.dials import Policy
from steer.equivalence import EXACT, FUSED, Candidate, Said, lacking, verified_fields, verify
from steer.errors import LivenessError, PlanError
from steer.plan import Edit, Plan
from steer.policy import Dial
from steer.runtimes import RUNTIMES, candidates, model_of, prompts, settings
from steer_vectors.errors import MismatchError, ModelError
from steer_vectors.models import ChatModel

PROMPTS = [[1, 2], [3, 4, 5], [6]]
TURNED = [{"a": 0.0}, {"a": 1.0}, {"a": -0.5}]
ANSWER = (4, 5, 6, 7)


class Fake:
    """Four log-probabilities that the strength tilts; the answer's first token changes with its sign."""

    name = "fake"

    def __init__(self, tilt: float = 1.0, lead: float = 5.0) -> None:
        self.tilt, self._lead, self.calls, self.leads = tilt, lead, [], []

    def say(
        self, prompts: Sequence[Sequence[int]], strengths: Sequence[Mapping[str, float]], most: int
    ) -> list[Said]:
        self.calls.append(len(prompts))
        return [
            self.one(list(prompt), own["a"], most) for prompt, own in zip(prompts, strengths, strict=True)
        ]

    def one(self, prompt: list[int], strength: float, most: int) -> Said:
        logits = torch.arange(4.0) * (0.1 * sum(prompt) + self.tilt * strength)
        return Said(logits.log_softmax(-1), ((8 if strength < 0 else 4), *ANSWER[1:])[:most])

    def lead(self, *asked: Any) -> float:
        self.leads.append(asked)
        return self._lead


class Off(Fake):
    """As `Fake`, but for what is changed at a strength."""

    def __init__(self, change: Any, at: float = 1.0) -> None:
        super().__init__()
        self.change, self.at = change, at

    def one(self, prompt: list[int], strength: float, most: int) -> Said:
        said = super().one(prompt, strength, most)
        return self.change(said) if strength == self.at and prompt == PROMPTS[1] else said


def shifted(by: float) -> Any:
    return lambda said: said._replace(logprobs=said.logprobs + torch.tensor([0.0, by, 0.0, 0.0]))


def saying(*tokens: int) -> Any:
    return lambda said: said._replace(tokens=tokens)


def compared(runtime: Fake, reference: Fake | None = None, **more: Any) -> Any:
    candidate = Candidate("fake", lambda: runtime, **more)
    return verify([candidate], reference or Fake(), PROMPTS, TURNED, 4).rows[0]


def test_a_runtime_that_agrees() -> None:
    found = compared(Fake())
    assert found._replace(seconds=None) == (
        "fake", "agrees", EXACT, 0.0, 0.0, 1.0, 1.0, 0, None, "",
    )  # fmt: skip
    assert found.seconds >= 0


@pytest.mark.parametrize(("by", "verdict"), [(0.5e-4, "agrees"), (2e-4, "differs"), (-2e-4, "differs")])
def test_one_log_probability_of_one_row_decides(by: float, verdict: str) -> None:
    found = compared(Off(shifted(by)))
    assert found.verdict == verdict
    assert found.difference == pytest.approx(abs(by), rel=0.01)
    assert found.unsteered == 0.0
    assert compared(Off(shifted(by)), tolerance=FUSED).verdict == "agrees"
    at_rest = compared(Off(shifted(by), at=0.0))
    assert at_rest.unsteered == at_rest.difference == pytest.approx(abs(by), rel=0.01)


@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_no_number_differs(value: float) -> None:
    assert compared(Off(shifted(value))).verdict == "differs"


def test_equal_infinities_are_equal() -> None:
    class Masked(Fake):
        def one(self, prompt: list[int], strength: float, most: int) -> Said:
            return shifted(-math.inf)(super().one(prompt, strength, most))

    assert compared(Masked(), Masked()).difference == 0.0


def test_steering_that_does_nothing_differs() -> None:
    found = compared(Fake(tilt=0.0))
    assert found.verdict == "differs"
    assert found.unsteered == 0.0
    assert "the first token by" in found.line


@pytest.mark.parametrize(
    ("tokens", "asked", "share"),
    [
        ((4, 5, 9, 7), ((4, 5), 6, 9), 34 / 36),
        ((4, 5), ((4, 5), 6, None), 34 / 36),
        ((9, 5, 6, 7), ((), 4, 9), 32 / 36),
    ],
)
def test_where_answers_part_the_reference_says_whether_rounding_decided(
    tokens: tuple[int, ...], asked: Any, share: float
) -> None:
    for lead, verdict, ties in (
        (1.9 * EXACT, "agrees", 1),
        (2.1 * EXACT, "differs", 0),
        (math.nan, "differs", 0),
    ):
        reference = Fake(lead=lead)
        found = compared(Off(saying(*tokens)), reference)
        assert (found.verdict, found.ties) == (verdict, ties)
        assert found.answers == pytest.approx(8 / 9)
        assert found.tokens == pytest.approx(share)
        assert reference.leads == [(tuple(PROMPTS[1]), {"a": 1.0}, *asked)]
        assert ("1 answers part" in found.line) == (verdict == "differs")


def test_an_answer_that_ends_by_itself() -> None:
    """Its end is a token like another: the reference's counts too."""

    class Short(Fake):
        def one(self, prompt: list[int], strength: float, most: int) -> Said:
            return super().one(prompt, strength, 2)

    assert compared(Short(), Short()).tokens == 1.0
    reference = Short()
    found = compared(Fake(), reference)
    assert (found.verdict, found.answers, found.tokens) == ("differs", 0.0, pytest.approx(2 / 3))
    assert {lead[3:] for lead in reference.leads} == {(None, 6)}


def test_a_runtime_that_refuses_or_is_absent() -> None:
    def refuse() -> Any:
        raise PlanError("an ablation", "add", "bake it")

    def unknown() -> Any:
        raise ModelError("this model", "another", "choose")

    def other() -> Any:
        raise MismatchError("another width", "this one", "choose")

    def broken() -> Any:
        raise LivenessError("no move", "a move", "report it")

    makes = {"refuse": refuse, "unknown": unknown, "other": other, "broken": broken, "good": Fake}
    there = [Candidate(name, make) for name, make in makes.items()]
    found = verify([*there, Candidate("gone", broken, absent="pip install gone")], Fake(), PROMPTS, TURNED, 4)
    rows = {row.runtime: row for row in found.rows}
    assert [row.verdict for row in found.rows] == [
        "refuses",
        "refuses",
        "refuses",
        "differs",
        "agrees",
        "absent",
    ]
    assert rows["refuse"].line == "got an ablation; expected add; do this: bake it"
    assert rows["gone"].line == "pip install gone"
    assert rows["gone"].difference is None
    assert not found.agrees
    assert verify(there[:3], Fake(), PROMPTS, TURNED, 4).agrees


def test_another_error_is_not_swallowed() -> None:
    def fails() -> Any:
        raise ValueError("a fault")

    with pytest.raises(ValueError, match="a fault"):
        verify([Candidate("fake", fails)], Fake(), PROMPTS, TURNED, 4)


def test_answers_that_are_missing_or_of_another_vocabulary() -> None:
    class Fewer(Fake):
        def say(self, *asked: Any) -> list[Said]:
            return super().say(*asked)[1:]

    assert "8 answers to 9 questions" in compared(Fewer()).line
    wide = compared(Off(lambda said: said._replace(logprobs=torch.zeros(5))))
    assert (wide.verdict, wide.difference) == ("differs", None)
    assert "[4, 5]" in wide.line


def test_a_policy_that_moves_nothing_proves_nothing() -> None:
    class Still(Fake):
        def one(self, prompt: list[int], strength: float, most: int) -> Said:
            return super().one(prompt, abs(strength), most)

    with pytest.raises(LivenessError, match="agreement proves nothing"):
        verify([Candidate("fake", Fake)], Still(tilt=1e-5), PROMPTS, TURNED, 4)
    # Other answers are a move too: edits may begin after the first token.
    found = verify([Candidate("fake", lambda: Fake(tilt=0.0))], Fake(tilt=0.0), PROMPTS, TURNED, 4)
    assert (found.moved, found.changed) == (0.0, 0.5)
    for turned in (TURNED[:1], []):
        with pytest.raises(PlanError, match="without a strength"):
            verify([Candidate("fake", Fake)], Fake(), PROMPTS, turned, 4)


def test_what_moved_is_said_in_nats() -> None:
    found = verify([], Fake(), [[1]], TURNED[:2], 4)
    expected = Fake().one([1], 1.0, 4).logprobs - Fake().one([1], 0.0, 4).logprobs
    assert found.moved == pytest.approx(float(expected.abs().max()))
    assert found.rows == ()


def test_the_reference_is_asked_row_by_row_and_progress_counts_answers() -> None:
    reference, runtime, seen = Fake(), Fake(), []
    many = [[at] for at in range(20)]
    gone = Candidate("gone", Fake, absent="it is not")
    verify(
        [Candidate("fake", lambda: runtime), gone], reference, many, TURNED, 4,
        progress=lambda done, total: seen.append((done, total)),
    )  # fmt: skip
    assert set(reference.calls) == {1}
    assert runtime.calls == [32, 28]
    assert seen[-1] == (140, 140)
    assert [done for done, _ in seen] == sorted(done for done, _ in seen)


def test_fields_are_json() -> None:
    found = verify([Candidate("fake", lambda: Off(shifted(math.nan)))], Fake(), PROMPTS, TURNED, 4)
    fields = json.loads(json.dumps(verified_fields(found), allow_nan=False))
    assert fields["agrees"] is False
    assert fields["rows"][0]["difference"] is None
    assert fields["strengths"] == TURNED
    assert fields["prompts"] == 3


def test_lacking() -> None:
    assert lacking("torch", "pip install torch") == ""
    assert lacking("no_such_package", "pip install it") == "pip install it"


# What is asked of whom.


def two_dials(model: ChatModel, make_vector: Any) -> Policy:
    vector = make_vector(model)
    plan = Plan((Edit("add", vector, dial="a"), Edit("ablate", vector, dial="b")))
    return Policy(plan, {"a": Dial(0.5, -1.0, 2.0, {"strict": 1.5})})


def test_settings(tiny_llama: ChatModel, make_vector: Any) -> None:
    found = settings(two_dials(tiny_llama, make_vector))
    assert found == [
        {"a": 0.0, "b": 0.0}, {"a": 0.5, "b": 1.0}, {"a": 0.25, "b": 0.5}, {"a": -1.0, "b": 1.0}, {"a": 2.0, "b": 1.0},
        {"a": 0.5, "b": -1.0},
    ]  # fmt: skip
    words = settings(two_dials(tiny_llama, make_vector), "a=-0.5,b=0; strict")
    assert words == [{"a": 0.0, "b": 0.0}, {"a": -0.5, "b": 0.0}, {"a": 1.5, "b": 1.0}]
    one = Policy(Plan.add(make_vector(tiny_llama)), {"strength": Dial(0.5, 0.2, 1.0, {})})
    assert settings(one) == [{"strength": 0.5}, {"strength": 0.25}, {"strength": 0.2}, {"strength": 1.0}]
    assert settings(one, "0.3,0.4") == [{"strength": 0.3}, {"strength": 0.4}]
    with pytest.raises(PlanError, match="0.2 to 1"):
        settings(one, "0")


def test_candidates(tiny_llama: ChatModel, make_vector: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    policy = Policy(Plan.add(make_vector(tiny_llama)), {})
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    found = candidates(RUNTIMES, tiny_llama, policy, "policy.toml")
    assert [own.name for own in found] == list(RUNTIMES)
    assert [own.tolerance for own in found] == [EXACT, EXACT, EXACT, FUSED, FUSED]
    assert [bool(own.absent) for own in found] == [False, False, False, True, True]
    for own in found[:3]:
        assert own.make().name == own.name
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object())
    assert "--gguf" in candidates(["llama_cpp"], tiny_llama, policy, "policy.toml")[0].absent
    assert candidates(["llama_cpp"], tiny_llama, policy, "policy.toml", gguf="m.gguf")[0].absent == ""
    for names in (["ollama", "vllm"], []):
        with pytest.raises(PlanError, match="transformers or transformer_lens"):
            candidates(names, tiny_llama, policy, "policy.toml")


def test_the_model_and_the_prompts(tiny_llama: ChatModel, make_vector: Any) -> None:
    assert model_of(Policy(Plan.add(make_vector(tiny_llama)), {})) == "tiny-llama"
    found = prompts(tiny_llama, 7)
    assert len(found) == 7
    assert len(set(map(len, found))) > 1


# The command.


@pytest.fixture
def saved(tiny_folder: Path, make_vector: Any, tmp_path: Path) -> str:
    model = steer.load(str(tiny_folder), dtype=torch.float32)
    Plan.add(make_vector(model, gap=3.0)).save(tmp_path / "policy.toml")
    return str(tmp_path / "policy.toml")


HERE = (
    "--runtimes",
    "transformers,transformer_lens,nnsight",
    "--prompts",
    "2",
    "--tokens",
    "3",
    "--strengths",
    "-1",
)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_the_command(cli: Any, saved: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The policy says which model; what is there agrees, what is not is named."""
    shown = cli.done("verify", saved, *HERE[2:])
    assert shown.count("agrees") == 3
    assert "vllm absent: not installed: pip install" in shown
    assert "llama_cpp absent: not installed: pip install" in shown
    found = json.loads(cli.done("verify", saved, *HERE, "--json"))
    assert [row["verdict"] for row in found["rows"]] == ["agrees"] * 3
    assert max(row["difference"] for row in found["rows"]) < EXACT
    assert found["strengths"] == [{"strength": 0.0}, {"strength": -1.0}]
    assert found["moved"] > 0.01

    from steer.hosts.nnsight import NNsight

    say = NNsight.say
    monkeypatch.setattr(NNsight, "say", lambda self, prompts, strengths, most: say(
        self, prompts, [dict.fromkeys(own, 0.0) for own in strengths], most))  # fmt: skip
    code, shown, _ = cli.run("verify", saved, *HERE)
    assert code == 1
    assert "nnsight differs: the first token by" in shown


def test_the_command_refuses(cli: Any, saved: str) -> None:
    assert "runtimes ollama" in cli.refused("verify", saved, "--runtimes", "ollama")
    assert "without a strength" in cli.refused("verify", saved, *HERE[:-1], "0")
    assert "no folder" in cli.refused("verify", saved, "--model", "./nowhere")
