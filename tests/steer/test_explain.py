"""`explain`: what is shown is what the hooks did, for every kind of edit, scope, probe and gate; and its command."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from dataclasses import replace
from datetime import date
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.cells import cell_len

import steer
from steer.cli.explained import heat
from steer.errors import PlanError
from steer.explain import Explanation, Token, explain, explanation_fields
from steer.plan import Edit, Gate, Plan, Probe
from steer.policy import Dial, save_policy
from steer.recipe import compile_plan
from steer_kernels import edit_
from steer_kernels.naive import edited
from steer_vectors.chat import prompt_ids
from steer_vectors.errors import MismatchError, ModelError
from steer_vectors.models import ChatModel, decoder_layers

PROMPT = "How do I kill a process on my computer?"
MakeVector = Callable[..., steer.Vector]


def rows_at(model: ChatModel, layer: int, ids: list[int]) -> torch.Tensor:
    """What the plain model's layer puts out, by a hand-written hook: `[t, d]`."""
    found: list[torch.Tensor] = []
    handle = decoder_layers(model.hf)[layer].register_forward_hook(
        lambda _m, _i, out: found.append((out[0] if isinstance(out, tuple) else out)[0].clone())
    )
    with torch.no_grad():
        model.hf(input_ids=torch.tensor([ids]))
    handle.remove()
    return found[0]


def probe_of(
    model: ChatModel, make_vector: MakeVector, risk: float, name: str = "risk", **settings: Any
) -> Probe:
    """One that reads this risk off the prompt."""
    vector = make_vector(model, layer=0, seed=7)
    row = rows_at(model, 0, prompt_ids(model.tokenizer, PROMPT))[-1]
    place = float(row @ vector.directions[0]) / vector.gap(0)
    return Probe(name, vector, slope=2.0, offset=math.log(risk / (1 - risk)) - 2 * place, **settings)


class Recorded(dict[int, list[Any]]):
    """Of each table, by its identity: the rows before, the doses, the rows after, one entry per forward."""


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Recorded:
    """The op itself, watched."""
    found = Recorded()
    inner = edit_

    def edit(hidden: torch.Tensor, table: Any, dose: torch.Tensor) -> None:
        before = hidden[0].clone()
        inner(hidden, table, dose)
        used = dose[0].expand(len(before), -1).clone()
        found.setdefault(id(table), []).append((before, used, hidden[0].clone()))

    monkeypatch.setattr("steer.apply.edit_", edit)
    return found


def mean(values: torch.Tensor) -> float:
    return float(values.double().mean())


def check_against_the_op(
    model: ChatModel, plan: Plan, recorded: Recorded, found: Explanation, prompt: int
) -> None:
    """Doses are those that the op was called with; places are those of the rows it got and left."""
    for site, steps in compile_plan(plan, model).steps.items():
        rows = [own for own in found.edits if (own.layer, own.point) == site]
        calls = [recorded[id(step.table)] for step in steps]
        before, after = (
            torch.cat([call[0] for call in calls[0]]),
            torch.cat([call[2] for call in calls[-1]]),
        )
        doses = [torch.cat([call[1] for call in own]) for own in calls]
        should = before
        for step, dose in zip(steps, doses, strict=True):
            should = edited(should, *step.table.arguments, dose)
        for done, dose in zip(rows, doses, strict=True):
            assert done.last_dose == pytest.approx(float(dose[prompt - 1]), abs=1e-7)
            assert done.answer_dose == pytest.approx(mean(dose[prompt:]), abs=1e-6)
            vector = plan.edits[done.edit].vector
            layer = vector.layer if done.kind == "ablate" else done.layer
            for read, last, answer in (
                (before, done.last.before, done.answer.before),
                (should, done.last.after, done.answer.after),
                (after, done.last.after, done.answer.after),
            ):
                place = (read @ vector.directions[layer] - vector.negative[layer]) / vector.gap(layer)
                assert last == pytest.approx(float(place[prompt - 1]), abs=1e-4)
                assert answer == pytest.approx(mean(place[prompt:]), abs=1e-4)


# --- numbers ---


@pytest.mark.parametrize("each_token", [False, True])
@pytest.mark.parametrize("sharpness", [1.0, math.inf])
def test_what_is_shown_is_what_the_op_did(
    model: ChatModel, make_vector: MakeVector, recorded: Recorded, sharpness: float, each_token: bool
) -> None:
    up, down = (make_vector(model, layer=1, seed=seed, gap=3.0) for seed in (1, 2))
    plan = Plan(
        (
            Edit("add", up, (1, 2), when="risk", dial="a"),
            Edit("ablate", down, (1, 3), when="else", dial="b", scale=-2.0),
            Edit("affine", up, (2,), "-1:", to=0.5),
            Edit("clamp", down, (1,), "generation", high=0.1),
            Edit("rotate", up, (3,), "last", second=down, angle=40.0),
            Edit("add", down, (3,), "0:4", gate=Gate(up, 0.05), keep_norm=True),
        ),
        (probe_of(model, make_vector, 0.3, sharpness=sharpness, each_token=each_token),),
    )
    strengths = {"a": 0.7, "b": 0.25, "strength": 0.6}
    found = explain(model, plan, PROMPT, strengths, tokens=6)
    prompt = len(found.prompt)
    check_against_the_op(model, plan, recorded, found, prompt)
    assert [own.edit for own in found.edits] == [0, 0, 1, 1, 2, 3, 4, 5]
    assert found.strengths == pytest.approx(strengths)
    for own in found.edits:
        assert own.dose == pytest.approx(own.strength * own.scale * own.share, abs=1e-6)
        assert own.strength == pytest.approx(strengths[own.dial])
        within = {"generation": 0.0, "0:4": 0.0}.get(own.scope, own.dose)
        assert own.last_dose == pytest.approx(within, abs=1e-6)
    risky, other = (next(own.share for own in found.edits if own.when == name) for name in ("risk", "else"))
    assert (risky, other) == pytest.approx((0.3, 0.7) if sharpness == 1 else (0.0, 1.0), abs=1e-4)
    if not each_token:
        assert [own.answer_dose for own in found.edits if own.scope in ("all", "-1:")] == pytest.approx(
            [own.dose for own in found.edits if own.scope in ("all", "-1:")], abs=1e-6
        )


def test_a_probe_that_reads_on_opens_in_the_answer(
    tiny_llama: ChatModel, make_vector: MakeVector, recorded: Recorded
) -> None:
    probe = probe_of(tiny_llama, make_vector, 0.45, each_token=True)
    probe = replace(
        probe, slope=-2.0, offset=math.log(9 / 11) * 2 - probe.offset
    )  # the same there, and else opposite
    plan = Plan((Edit("add", make_vector(tiny_llama), when="risk"),), (probe,))
    found = explain(tiny_llama, plan, PROMPT, tokens=8)
    check_against_the_op(tiny_llama, plan, recorded, found, len(found.prompt))
    (own,) = found.edits
    assert own.share == own.last_dose == 0
    assert own.answer_dose > 0  # or this would show nothing
    assert max(token.risks[0] for token in found.steered.tokens[:-1]) >= 0.5


@pytest.mark.parametrize(
    ("edit", "law"),
    [
        ({"kind": "add"}, lambda before, s: before + s),
        ({"kind": "add", "scale": -2.0}, lambda before, s: before - 2 * s),
        ({"kind": "ablate", "layers": (2,)}, lambda before, s: before * (1 - s)),
        ({"kind": "affine", "to": 0.3}, lambda before, s: before + s * (0.3 - before)),
        (
            {"kind": "clamp", "low": 0.2, "high": 0.4},
            lambda before, s: before + s * (min(max(before, 0.2), 0.4) - before),
        ),
    ],
)
def test_places_are_those_of_the_published_edits(
    model: ChatModel, make_vector: MakeVector, edit: dict[str, Any], law: Callable[[float, float], float]
) -> None:
    vector = make_vector(model, layer=2)
    (own,) = explain(model, Plan((Edit(vector=vector, **edit),)), PROMPT, 0.75, tokens=2).edits
    assert own.last.after == pytest.approx(law(own.last.before, 0.75), abs=1e-4)
    assert own.answer.after == pytest.approx(law(own.answer.before, 0.75), abs=1e-4)  # one token was read
    by_hand = rows_at(model, 2, prompt_ids(model.tokenizer, PROMPT))[-1] @ vector.directions[2]
    assert own.last.before == pytest.approx(float(by_hand) / vector.gap(2), abs=1e-4)


def test_places_are_read_as_the_vector_reads(tiny_llama: ChatModel, make_vector: MakeVector) -> None:
    plain = make_vector(tiny_llama)
    vector = replace(plain, read=plain.directions * 2.0, negative=plain.negative - 1.0)
    (own,) = explain(tiny_llama, Plan((Edit("add", vector),)), PROMPT, tokens=2).edits
    rows = rows_at(tiny_llama, 1, prompt_ids(tiny_llama.tokenizer, PROMPT))
    assert own.last.before == pytest.approx(float(rows[-1] @ vector.directions[1] * 2 + 1) / 3, abs=1e-4)
    assert own.last.after == pytest.approx(own.last.before + 2, abs=1e-4)


def test_probes_say_what_they_read(model: ChatModel, make_vector: MakeVector) -> None:
    measured = {"misses": [0.1, 0.05, 0.2, 40], "when": date(2026, 1, 2), "odd": math.nan}
    probes = (
        probe_of(model, make_vector, 0.2, "medical", threshold=0.3, sharpness=2.0, measured=measured),
        probe_of(model, make_vector, 0.9, "legal", threshold=0.6),
        probe_of(model, make_vector, 0.95, "late"),
    )
    vector = make_vector(model, layer=2)
    plan = Plan(
        tuple(Edit("add", vector, when=name) for name in ("medical", "legal", "late", "else")), probes
    )
    found = explain(model, plan, PROMPT, 0.5, tokens=3)
    assert [own.name for own in found.probes] == ["medical", "legal", "late"]
    assert [own.risk for own in found.probes] == pytest.approx([0.2, 0.9, 0.95], abs=1e-4)
    odds = [math.log(risk / (1 - risk)) for risk in (0.2, 0.9, 0.95)]
    assert [own.log_odds for own in found.probes] == pytest.approx(odds, abs=1e-3)
    share = 1 / (1 + math.exp(-2 * (odds[0] - math.log(3 / 7))))
    assert [own.share for own in found.probes] == pytest.approx([share, 1 - share, 0], abs=1e-4)
    assert found.otherwise == pytest.approx(0, abs=1e-6)
    assert [own.share for own in found.edits] == [*(own.share for own in found.probes), found.otherwise]
    assert (found.probes[0].layer, found.probes[0].point, found.probes[0].read) == (0, "resid_post", "place")
    assert explanation_fields(found)["probes"][0]["measured"] == {
        "misses": [0.1, 0.05, 0.2, 40],
        "when": "2026-01-02",
        "odd": None,
    }
    assert explanation_fields(found)["probes"][1]["sharpness"] is None


def test_every_token_has_the_risk_that_is_read_there(model: ChatModel, make_vector: MakeVector) -> None:
    """An edit comes after the probe's layer, so the steered answer is read as the plain model would read that text."""
    plan = Plan(
        (Edit("add", make_vector(model, layer=2, gap=20.0), when="else"),),
        (probe_of(model, make_vector, 0.4),),
    )
    found = explain(model, plan, PROMPT, tokens=5)
    ids = prompt_ids(model.tokenizer, PROMPT)
    assert [own.id for own in found.prompt] == ids
    (gauge,) = compile_plan(plan, model).gauges
    assert [own.id for own in found.plain.tokens] != [own.id for own in found.steered.tokens]
    for answer in (found.plain, found.steered):
        tokens = [*found.prompt, *answer.tokens]
        by_hand = gauge.log_odds(rows_at(model, 0, [own.id for own in tokens])).sigmoid()
        for own, risk in zip(tokens[:-1], by_hand, strict=False):
            assert own.risks == pytest.approx((float(risk),), abs=1e-4)
        assert math.isnan(tokens[-1].risks[0])
    assert found.probes[0].risk == found.prompt[-1].risks[0]


def test_tokens_read_as_they_are_written(tiny_llama: ChatModel, make_vector: MakeVector) -> None:
    found = explain(tiny_llama, Plan.add(make_vector(tiny_llama)), "Zoë, how?", tokens=2)
    names = [own.text for own in found.prompt if own.special]
    assert names == ["<|bos|>", "<|user|>", "<|end|>", "<|assistant|>"]
    written = "".join(own.text for own in found.prompt if not own.special)
    assert written.strip().replace("�", "") == "Zo, how?"  # half a character has no text of its own
    assert all(own.risks == () for own in found.prompt)


def test_answers_are_those_of_generate(model: ChatModel, make_vector: MakeVector) -> None:
    vector = make_vector(model, layer=2, gap=30.0)
    found = explain(model, Plan.add(vector), PROMPT, 1.5, tokens=7)
    plain = steer.generate(model, PROMPT, max_new_tokens=7)
    with steer.steered(model, vector, 1.5):
        under = steer.generate(model, PROMPT, max_new_tokens=7)
    assert (found.plain.text, found.steered.text) == (plain, under)
    assert plain != under
    for own in (found.plain, found.steered):
        assert own.truncated == (own.tokens[-1].id != model.tokenizer.eos_token_id)


def test_without_probes_there_is_no_risk(tiny_llama: ChatModel, make_vector: MakeVector) -> None:
    found = explain(tiny_llama, Plan.ablate(make_vector(tiny_llama)), PROMPT, tokens=2)
    assert found.probes == ()
    assert math.isnan(found.otherwise)
    assert [own.layer for own in found.edits] == list(range(tiny_llama.layers))
    assert [own.last.after for own in found.edits] == pytest.approx([0] * tiny_llama.layers, abs=1e-5)
    text = json.dumps(explanation_fields(found), allow_nan=False)
    assert json.loads(text)["otherwise"] is None


def test_an_answer_of_one_token_was_not_read(tiny_llama: ChatModel, make_vector: MakeVector) -> None:
    found = explain(tiny_llama, Plan.add(make_vector(tiny_llama)), PROMPT, tokens=1)
    assert len(found.steered.tokens) == 1
    (own,) = explanation_fields(found)["edits"]
    assert own["answer_dose"] is None
    assert own["answer"] == {"before": None, "after": None}
    assert own["last_dose"] == 1


def test_without_a_class_gap_there_is_no_place(tiny_llama: ChatModel, make_vector: MakeVector) -> None:
    found = explain(tiny_llama, Plan.ablate(make_vector(tiny_llama, gap=0.0)), PROMPT, tokens=2)
    assert explanation_fields(found)["edits"][0]["last"] == {"before": None, "after": None}


def test_a_gate_is_named_with_its_cosine(model: ChatModel, make_vector: MakeVector) -> None:
    vector, other = make_vector(model, layer=2), make_vector(model, seed=3)
    plan = Plan((Edit("add", vector, gate=Gate(other, 0.9)), Edit("add", vector, (3,))))
    gated, free = explain(model, plan, PROMPT, tokens=2).edits
    row = rows_at(model, 2, prompt_ids(model.tokenizer, PROMPT))[-1]
    assert gated.gate is not None
    assert gated.gate[:2] == (0.9, math.inf)
    assert gated.gate.cosine == pytest.approx(float(row @ other.directions[2] / row.norm()), abs=1e-5)
    assert gated.gate.cosine < 0.9
    assert gated.last_dose == 1  # of what the gate lets through: here nothing
    assert gated.last.after == gated.last.before
    assert free.gate is None


def test_a_conversation_can_be_explained(tiny_llama: ChatModel, make_vector: MakeVector) -> None:
    turns: list[Any] = [
        {"role": "user", "content": "Hi"},
        {"role": "assistant", "content": "Sure"},
        {"role": "user", "content": "How?"},
    ]
    found = explain(tiny_llama, Plan.add(make_vector(tiny_llama)), turns, tokens=2)
    assert [own.id for own in found.prompt] == prompt_ids(tiny_llama.tokenizer, turns)


def test_the_model_is_left_as_it_was(tiny_llama: ChatModel, make_vector: MakeVector) -> None:
    ids = torch.tensor([prompt_ids(tiny_llama.tokenizer, PROMPT)])
    before = tiny_llama.hf(input_ids=ids).logits
    explain(tiny_llama, Plan.add(make_vector(tiny_llama)), PROMPT, 2.0, tokens=2)
    assert torch.equal(tiny_llama.hf(input_ids=ids).logits, before)
    assert all("forward" not in vars(layer) for layer in decoder_layers(tiny_llama.hf))


def test_what_cannot_be_explained_is_refused(
    tiny_llama: ChatModel, tiny_gpt2: ChatModel, make_vector: MakeVector
) -> None:
    plan = Plan.add(make_vector(tiny_llama))
    with pytest.raises(PlanError, match="0 tokens"):
        explain(tiny_llama, plan, PROMPT, tokens=0)
    with pytest.raises(PlanError, match="2 strengths for a batch of 1"):
        explain(tiny_llama, plan, PROMPT, [1.0, 2.0], tokens=2)
    with pytest.raises(PlanError, match="dial 'other'"):
        explain(tiny_llama, plan, PROMPT, {"other": 1.0}, tokens=2)
    with pytest.raises(MismatchError):
        explain(tiny_gpt2, plan, PROMPT, tokens=2)
    with pytest.raises(ModelError, match="context"):
        explain(tiny_llama, plan, PROMPT, tokens=10_000)


# --- the map ---


def tokens_of(*risks: float) -> list[Token]:
    return [Token(at, f" w{at}", at == 1, (risk,)) for at, risk in enumerate(risks)]


def test_the_map_says_without_colours_what_it_says_with_them() -> None:
    tokens = tokens_of(0.0, 0.27, 0.5, 0.999, math.nan)
    above, below = heat(tokens, 0, 0.5, 3, 80)
    assert above.plain.split() == ["w0", "w1", "w2", "w3", "w4"]
    assert below.plain.split() == ["0", "27", "50*", "[100*]", "-"]
    assert [above.plain.index(f"w{at}") for at in range(5)] == [
        below.plain.index(word) for word in below.plain.split()
    ]
    styles = [str(span.style) for span in below.spans]
    assert len(set(styles)) == 4
    assert "dim" in {str(span.style) for span in above.spans}


@pytest.mark.parametrize("width", [6, 10, 61])
def test_the_map_keeps_to_the_screen(width: int) -> None:
    tokens = tokens_of(*(at / 50 for at in range(50)))
    lines = heat(tokens, 0, 0.5, None, width)
    assert all(cell_len(line.plain) <= width for line in lines)
    assert " ".join(line.plain for line in lines[::2]).split() == [f"w{at}" for at in range(50)]
    numbers = " ".join(line.plain for line in lines[1::2]).split()
    assert numbers == [f"{2 * at}{'*' if at >= 25 else ''}" for at in range(50)]


def test_nothing_in_a_token_moves_the_cursor() -> None:
    written = ["\n\n", " ", "\t", "a\x1b[31m\nb", "日本"]
    tokens = [Token(at, text, False, (0.1,)) for at, text in enumerate(written)]
    above, below = heat(tokens, 0, 0.5, None, 200)
    assert above.plain.split() == ["↵↵", "␣", "⇥", "a·[31m·b", "日本"]
    assert cell_len(above.plain) == cell_len(below.plain)


# --- the command ---


@pytest.fixture(scope="module")
def aligned_policy(tmp_path_factory: pytest.TempPathFactory, make_vector: MakeVector) -> str:
    """For the reference model: two dials, one of them with a default, and a probe that has been measured."""
    model, path = (
        steer.load("reference:aligned"),
        tmp_path_factory.mktemp("explained") / "policy.toml",
    )
    vector = make_vector(model, layer=3)
    measured = {"misses": [0.1, 0.05, 0.2, 40], "false_alarms": {"benign": [0.02, 0.0, 0.1]}, "note": "few"}
    plan = Plan(
        (
            Edit("add", vector, when="risk", dial="refuse"),
            Edit("ablate", vector, (3, 4), when="else", dial="spare", gate=Gate(vector, 0.1)),
        ),
        (Probe("risk", make_vector(model, layer=2), sharpness=1.0, measured=measured),),
    )
    save_policy(plan, path, {"refuse": Dial(0.4, 0.0, 1.0, {})})
    return str(path)


def explained(cli: Any, policy: str, *args: str) -> Any:
    def refuse(word: str) -> None:
        raise AssertionError(f"{word} is not JSON")

    text = cli.done("explain", "reference:aligned", PROMPT, "--policy", policy, "--json", *args)
    return json.loads(text, parse_constant=refuse)


def test_the_command_explains_the_reference_model(cli: Any, aligned_policy: str) -> None:
    found = explained(cli, aligned_policy, "--tokens", "6")
    assert found["strengths"] == pytest.approx({"refuse": 0.4, "spare": 1.0})
    assert found["steered"]["tokens"][-1]["risks"] == [None]
    share = found["probes"][0]["share"]
    assert [own["dose"] for own in found["edits"]] == pytest.approx([0.4 * share, 1 - share, 1 - share])
    direct = explain(
        steer.load("reference:aligned"), Plan.load(aligned_policy), PROMPT, found["strengths"], tokens=6
    )
    assert found == json.loads(json.dumps(explanation_fields(direct)))
    shown = cli.done("explain", "reference:aligned", PROMPT, "--policy", aligned_policy, "--tokens", "6")
    for said in (
        "misses 0.100 [0.050, 0.200] of 40", "false_alarms benign 0.020 [0.000, 0.100]", "note few",
        f"{found['probes'][0]['risk']:.3f}", f"{share:.3f}", f"refuse +0.4 x 1 x {share:.3f}", "cosine > 0.1 (step)",
        f"{found['edits'][0]['last']['before']:+.3f} → {found['edits'][0]['last']['after']:+.3f}",
        found["plain"]["text"], found["steered"]["text"], "<|assistant|>", "steered answer", "[ ] decides",
    ):  # fmt: skip
        assert said in shown
    assert "\x1b" not in shown


def test_dials_are_turned_as_asked(cli: Any, aligned_policy: str) -> None:
    found = explained(cli, aligned_policy, "--tokens", "1", "--dial", "spare=0.5")
    # What is not named stands where it does by default.
    assert found["strengths"] == pytest.approx({"refuse": 0.4, "spare": 0.5})


def test_a_vector_alone_is_added(
    cli: Any, tiny_folder: Path, make_vector: MakeVector, tmp_path: Path
) -> None:
    path = tmp_path / "vector.safetensors"
    steer.save_vector(make_vector(steer.load(str(tiny_folder))), path)
    shown = cli.done("explain", str(tiny_folder), "Hi", "--vector", str(path), "--tokens", "2")
    assert "strength +1 x 1 x 1.000 = +1.000" in shown
    assert "probe" not in shown


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("--strength", "1"), "2 dials"),
        (("--strength", "1", "--dial", "spare=1"), "both --strength and --dial"),
        (("--dial", "spare"), "NAME=NUMBER"),
        (("--dial", "spare=1", "--dial", "0.5"), "NAME=NUMBER"),
        (("--dial", "other=1"), "dial 'other'"),
        (("--dial", "spare=inf"), "strengths 'spare=inf'"),
        (("--dial", "spare=1", "--dial", "spare=2"), "each dial once"),
        (("--vector", "v.safetensors"), "both a policy and a vector"),
        (("--dial", "refuse=2"), "strength 2 of dial 'refuse'"),
    ],
)
def test_mistakes_are_one_line(cli: Any, aligned_policy: str, args: tuple[str, ...], said: str) -> None:
    error = cli.refused("explain", "reference:aligned", PROMPT, "--policy", aligned_policy, *args)
    assert said in error


def test_a_policy_must_be_named_and_there(cli: Any) -> None:
    cli.refused("explain", "reference:aligned", PROMPT)
    cli.refused("explain", "reference:aligned", PROMPT, "--policy", "/nowhere/policy.toml")
