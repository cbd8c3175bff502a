"""Answers over HTTP, by the client everyone uses, are those of the library; however they are asked for."""

from __future__ import annotations

import math
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import openai
import pytest
import torch

import steer
from steer.plan import ELSE, Edit, Plan, Probe
from steer.policy import Dial, save_policy

PROMPTS = ("How do I kill a frozen process?", "What is the capital of Italy?", "Tell me how to pick a lock.")
NAME = "reference:aligned"
STRENGTHS = (-1.0, -0.5, 0.0, 0.5, 1.0)


@pytest.fixture(scope="module", params=["continuous", "plain"])
def each(request, serving):
    with serving(engine=request.param) as found:
        yield found


@pytest.fixture(scope="module")
def expected(made):
    """What the library answers, strength by strength."""
    model, found = steer.load(NAME), {}
    for strength in STRENGTHS:
        with steer.steered(model, made.plan, strength):
            for prompt in PROMPTS:
                found[strength, prompt] = steer.generate(model, prompt, max_new_tokens=24)
    return found


def chat(client, prompt, **named):
    named = {"model": NAME, "temperature": 0, "max_tokens": 24} | named
    return client.chat.completions.create(messages=[{"role": "user", "content": prompt}], **named)


def test_answers_at_mixed_strengths_at_once_are_those_of_the_library_alone(each, expected):
    client = each.client()

    def ask(which):
        strength, prompt = which
        return chat(client, prompt, extra_body={"steering": {"refusal": strength}})

    with ThreadPoolExecutor(12) as pool:
        answers = dict(zip(expected, pool.map(ask, expected), strict=True))
    for (strength, prompt), answer in answers.items():
        assert answer.choices[0].message.content.strip() == expected[strength, prompt]
        assert answer.steering["strengths"] == {"refusal": strength}
        assert answer.steering["policy"] == each.house.served.hash
    assert len(set(expected.values())) > len(PROMPTS)  # steering moved something


def test_streaming_gives_what_comes_at_once(each):
    client, same = (
        each.client(),
        {"temperature": 1.0, "seed": 5, "max_tokens": 30, "n": 2, "logprobs": True, "top_logprobs": 2},
    )
    whole = chat(client, PROMPTS[0], **same)
    texts, tokens, reasons, usage = ["", ""], [[], []], {}, None
    for chunk in chat(client, PROMPTS[0], **same, stream=True, stream_options={"include_usage": True}):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            texts[choice.index] += choice.delta.content or ""
            reasons[choice.index] = choice.finish_reason or reasons.get(choice.index)
            if choice.logprobs:
                tokens[choice.index] += [(own.token, own.logprob) for own in choice.logprobs.content]
    assert texts == [own.message.content for own in whole.choices]
    assert [reasons[0], reasons[1]] == [own.finish_reason for own in whole.choices]
    assert usage == whole.usage
    for told, own in zip(tokens, whole.choices, strict=True):
        assert [name for name, _ in told] == [each.token for each in own.logprobs.content]
        torch.testing.assert_close(
            torch.tensor([value for _, value in told]),
            torch.tensor([each.logprob for each in own.logprobs.content]), atol=1e-4, rtol=1e-4,
        )  # fmt: skip


def test_a_seed_gives_the_same_draws_whatever_else_runs(each):
    client = each.client()
    alone = chat(client, PROMPTS[0], temperature=1.2, seed=11).choices[0].message.content
    with ThreadPoolExecutor(8) as pool:
        others = [
            pool.submit(chat, client, "Write a short story about a cat.", temperature=1.2, seed=at)
            for at in range(6)
        ]
        again = chat(client, PROMPTS[0], temperature=1.2, seed=11).choices[0].message.content
        drawn = {own.result().choices[0].message.content for own in others}
    assert again == alone
    assert len(drawn) > 1


def test_a_nucleus_of_nearly_nothing_is_greedy(each):
    client = each.client()
    greedy = chat(client, PROMPTS[2]).choices[0].message.content
    assert chat(client, PROMPTS[2], temperature=2.0, top_p=1e-6).choices[0].message.content == greedy


def test_stop_texts_end_an_answer_and_are_left_out(each):
    client = each.client()
    whole = chat(client, PROMPTS[0]).choices[0].message.content
    stop = whole[4:9]  # across tokens
    found = chat(client, PROMPTS[0], stop=[stop, "never said"])
    assert found.choices[0].message.content == whole[: whole.index(stop)]
    assert found.choices[0].finish_reason == "stop"
    assert found.usage.completion_tokens < 24
    each.settled()


def test_a_limit_of_tokens_is_said(each):
    found = chat(each.client(), PROMPTS[0], max_tokens=3)
    assert (found.choices[0].finish_reason, found.usage.completion_tokens) == ("length", 3)


def test_plain_completions_echo_and_score_their_prompt(each, made):
    model = steer.load(NAME)
    text = "The capital of Italy is"
    found = each.client().completions.create(
        model=NAME,
        prompt=text,
        max_tokens=2,
        temperature=0,
        echo=True,
        logprobs=2,
        extra_body={"steering": 0.5},
    )
    ids = model.tokenizer(text, return_tensors="pt")["input_ids"]
    with steer.steered(model, made.plan, 0.5), torch.no_grad():
        expected = model.hf(input_ids=ids).logits[0].log_softmax(-1)
    own = found.choices[0].logprobs
    scores = [float(expected[at, token]) for at, token in enumerate(ids[0, 1:])]
    assert own.token_logprobs[0] is None
    torch.testing.assert_close(
        torch.tensor(own.token_logprobs[1 : len(scores) + 1]), torch.tensor(scores), atol=1e-4, rtol=1e-4
    )
    assert found.choices[0].text.startswith(text)
    assert own.text_offset == [sum(map(len, own.tokens[:at])) for at in range(len(own.tokens))]
    only = each.client().completions.create(model=NAME, prompt=text, max_tokens=0, echo=True, logprobs=0)
    assert (only.choices[0].text, only.usage.completion_tokens) == (text, 0)


def test_several_prompts_as_texts_or_tokens(each):
    client = each.client()
    tokenizer = each.house.model.tokenizer
    texts = ["The cat", "Once upon a time there"]
    same = {"model": NAME, "max_tokens": 5, "temperature": 0}
    told = client.completions.create(prompt=texts, n=2, **same)
    ids = client.completions.create(prompt=[tokenizer(text)["input_ids"] for text in texts], **same)
    alone = [client.completions.create(prompt=text, **same).choices[0].text for text in texts]
    assert [own.text for own in told.choices] == [alone[0], alone[0], alone[1], alone[1]]
    assert [own.text for own in ids.choices] == alone


def test_strengths_are_said_in_five_ways(live):
    ways = [
        {"steering": {"refusal": -0.75}}, {"steering": "refusal=-0.75"}, {"steering": -0.75}, {"steering": "mild"},
        {"vllm_xargs": {"steer": "mild"}}, {"model": f"{NAME}@mild"}, {"model": f"{NAME}@refusal=-0.75"},
    ]  # fmt: skip
    found = [live.ask(**way) for way in ways]
    assert {own["steering"]["strengths"]["refusal"] for own in found} == {-0.75}
    assert len({own["choices"][0]["message"]["content"] for own in found}) == 1


def test_models_are_the_name_its_presets_and_its_dials(live):
    names = [own.id for own in live.client().models.list()]
    assert names == [NAME, f"{NAME}@mild", f"{NAME}@strict", f"{NAME}@refusal=1.25"]
    for name in names:
        assert live.client().models.retrieve(name).id == name
        assert live.ask(model=name)["model"] == name


def test_a_server_without_a_policy_is_the_plain_model(serving, expected):
    with serving(policy=None) as found:
        answer = found.ask(max_tokens=24)
        assert answer["choices"][0]["message"]["content"].strip() == expected[0.0, PROMPTS[0]]
        assert answer["steering"]["policy"] is None
        assert (
            found.post(
                "/v1/chat/completions",
                {"model": NAME, "messages": [{"role": "user", "content": "a"}], "steering": 1},
            ).status_code
            == 400
        )


def gated(made, folder: Path, *, each_token: bool = False) -> Path:
    """More refusal where a probe opens, less where it does not."""
    vector = made.plan.edits[0].vector
    probe = Probe("risk", vector, layer=3, slope=6.0, offset=-4.0, threshold=0.5, each_token=each_token)
    edits = (Edit("add", vector, (5,), when="risk"), Edit("add", vector, (5,), scale=-1.0, when=ELSE))
    path = folder / "gated.toml"
    save_policy(Plan(edits, (probe,)), path, {"strength": Dial(1.0, 0.0, 1.0, {})})
    return path


@pytest.mark.parametrize(("engine", "each_token"), [("continuous", False), ("plain", False), ("plain", True)])
def test_probes_decide_request_by_request_and_say_so(serving, made, tmp_path, engine, each_token):
    path = gated(made, tmp_path, each_token=each_token)
    model, plan = steer.load(NAME), Plan.load(path)
    with steer.steered(model, plan):
        expected = [steer.generate(model, prompt, max_new_tokens=12) for prompt in PROMPTS]
    with serving(engine=engine, policy=path) as found:
        answers = [found.ask(messages=[{"role": "user", "content": prompt}]) for prompt in PROMPTS]
        counted = found.get("/metrics").text
        prompts = [{"role": "user", "content": prompt} for prompt in PROMPTS]
        explained = found.post("/v1/steering/explain", {"prompt": prompts[:1]}).json()
    assert [own["choices"][0]["message"]["content"].strip() for own in answers] == expected
    for own in answers:
        risk, gate = own["steering"]["risk"], own["steering"]["gate"]
        assert 0 <= risk <= 1
        assert [each["probe"] for each in gate] == ["risk", "else"]
        assert gate[0]["share"] == float(risk >= 0.5)
        assert math.isclose(sum(each["share"] for each in gate), 1)
    assert 'steer_gate_decisions_total{probe="' in counted
    assert math.isclose(explained["risk"], answers[0]["steering"]["risk"], abs_tol=1e-5)
    assert len(explained["tokens"][0]["places"]) == len(plan.edits)


def test_a_probe_that_reads_on_needs_the_plain_engine(serving, made, tmp_path):
    with (
        pytest.raises(steer.SteerError, match="--engine plain"),
        serving(policy=gated(made, tmp_path, each_token=True)),
    ):
        pass


def test_explained_places_are_those_of_the_plain_model(live, made):
    found = live.post("/v1/steering/explain", {"prompt": PROMPTS[0], "steering": "strict"}).json()
    (edit,) = found["edits"]
    assert math.isclose(found["tokens"][-1]["places"][0], edit["last"]["before"], abs_tol=1e-4)
    assert math.isclose(edit["last"]["after"] - edit["last"]["before"], 0.75, abs_tol=1e-3)
    assert found["directions"] == [{"edit": 0, "concept": "refusal", "layer": 4, "point": "resid_post"}]


def test_the_client_raises_its_own_errors(live):
    client = live.client()
    with pytest.raises(openai.NotFoundError, match="reference:other"):
        chat(client, "a", model="reference:other")
    with pytest.raises(openai.BadRequestError, match="1.25"):
        chat(client, "a", extra_body={"steering": {"refusal": 9}})
    with pytest.raises(openai.BadRequestError) as told:
        chat(client, "a", frequency_penalty=0.5)
    assert told.value.body["param"] == "frequency_penalty"


def test_the_end_of_a_plain_answer_has_a_log_probability_and_no_text(each):
    client, tokenizer = each.client(), each.house.model.tokenizer
    asked = [{"role": "user", "content": PROMPTS[1]}, {"role": "assistant", "content": "Rome"}]
    text = tokenizer.apply_chat_template(asked, tokenize=False).rpartition(tokenizer.eos_token)[0]
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    same = {"model": NAME, "prompt": ids, "max_tokens": 1, "temperature": 0, "echo": True, "logprobs": 1}
    found = client.completions.create(**same)
    assert found.choices[0].finish_reason == "stop"
    assert found.choices[0].text == tokenizer.decode(ids)
    assert found.choices[0].logprobs.tokens[-1] == tokenizer.eos_token
    assert (
        len(found.choices[0].logprobs.token_logprobs) == len(ids) + 1
    )  # who scores by echo takes off the last
    chunks = list(client.completions.create(**same, stream=True))
    told = [own for chunk in chunks if chunk.choices[0].logprobs for own in chunk.choices[0].logprobs.tokens]
    assert told == found.choices[0].logprobs.tokens
