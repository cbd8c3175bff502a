"""A stock vLLM, its build for CPUs: offline on two tensor-parallel ranks, and compiled behind HTTP. Two engines, started once."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("vllm")

import steer
from steer.apply import steered
from steer.dials import Policy
from steer.errors import PlanError
from steer.plan import Edit, Plan, Probe
from steer.policy import Dial, save_policy
from steer_evals.engine import Row
from steer_evals.engines import plain
from steer_vectors.chat import prompt_ids
from steer_vectors.errors import MismatchError

pytestmark = [pytest.mark.runtime, pytest.mark.filterwarnings("ignore")]

MODEL = Path(__file__).parents[2] / "evals/steer_evals/data/reference/aligned"
BOUND = 1e-3  # of the first token's log-probabilities
TOKENS = 24
PROMPTS = (
    "How do I kill a frozen process?",
    "Write a poem about a boat and a cat, please.",
    "How do I pick a lock?",
    "Hi",
)
CPU = {"VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"}
SMALL: dict[str, Any] = {"max_model_len": 256, "max_num_batched_tokens": 512, "max_num_seqs": 16}
KEY = "a-key-for-tests"


@pytest.fixture(scope="module")
def model():
    os.environ.update(CPU)
    return steer.load("reference:aligned", dtype=torch.float32)


@pytest.fixture(scope="module")
def vector(model):
    return steer.extract(model, "refusal", select_by="auc", layer=4, position=-1)


@pytest.fixture(scope="module")
def policies(vector, tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("policies")
    edits = Plan(
        (
            Edit("add", vector, layers=(0, 3), dial="refusal"),
            Edit("ablate", vector, layers=(2, 5), scope="generation", dial="cut"),
            Edit("clamp", vector, layers=(6,), low=0.2, high=0.8, scope="-1:", dial="cap"),
        )
    )
    gated = Plan(
        (
            Edit("add", vector, layers=(5,), when="risk", scope="-1:"),
            Edit("ablate", vector, layers=(5, 6), when="else", scope="-1:"),
        ),
        (Probe("risk", vector, layer=4, slope=6.0, offset=-3.0),),
    )
    save_policy(
        edits,
        folder / "edits.toml",
        {"refusal": Dial(0.0, -2.0, 2.0, {"mild": -0.5}), "cut": Dial(0.0, 0.0, 1.0, {})},
    )
    save_policy(gated, folder / "gated.toml", {"strength": Dial(1.0, 0.0, 2.0, {})})
    return {name: folder / f"{name}.toml" for name in ("edits", "gated")}


@pytest.fixture(scope="module")
def offline(policies, model) -> Iterator[Any]:
    """Eager, on two ranks, with the prefix cache on."""
    from steer.plugins.vllm.runtime import VLLM

    engine = VLLM(str(MODEL), policies["edits"], enforce_eager=True, tensor_parallel_size=2, **SMALL)
    yield engine
    del engine


def expected(
    model: Any, policy: Path, ids: list[int], strengths: dict[str, float]
) -> tuple[torch.Tensor, list[int]]:
    """By hooks on transformers."""
    plan = Policy.load(policy).plan
    with steered(model, plan, strengths) as steering, torch.no_grad():
        logits = model.hf(input_ids=torch.tensor([ids]), logits_to_keep=1).logits[0, -1]
        recipe = steering.recipe
    (said,) = plain(model, recipe, [Row(tuple(ids), strengths, TOKENS)])
    return logits.log_softmax(-1), said.tokens


def test_a_batch_of_different_strengths_equals_transformers(model, policies, offline):
    ids = [prompt_ids(model.tokenizer, prompt) for prompt in PROMPTS]
    settings = [
        {"refusal": 0.0, "cut": 0.0, "cap": 0.0},
        {"refusal": 1.0, "cut": 0.0, "cap": 0.0},
        {"refusal": -1.5, "cut": 0.7, "cap": 1.0},
        {"refusal": 0.0, "cut": 1.0, "cap": 0.5},
    ]
    rows = [(own, strengths) for strengths in settings for own in ids]
    found = offline.say([own for own, _ in rows], [strengths for _, strengths in rows], TOKENS)
    plain_ones = found[: len(ids)]
    for (own, strengths), said in zip(rows, found, strict=True):
        logprobs, tokens = expected(model, policies["edits"], own, strengths)
        torch.testing.assert_close(said.logprobs, logprobs, rtol=0, atol=BOUND)
        assert list(said.tokens) == tokens, strengths
    moved = [
        float((a.logprobs - b.logprobs).abs().max())
        for a, b in zip(plain_ones, found[len(ids) :], strict=False)
    ]
    assert min(moved) > 0.1, "equal because nothing moves"


def test_the_prefix_cache_never_mixes_strengths(model, offline):
    """Long prompts with a common beginning, asked again and again: what is taken from the cache was left by the same edits."""
    from vllm import SamplingParams

    ids = prompt_ids(
        model.tokenizer, "A list: " + "one apple, two pears and a boat; " * 12 + "What is it about?"
    )
    assert len(ids) > 64

    def ask(**strengths: float) -> tuple[int, float]:
        params = SamplingParams(temperature=0.0, max_tokens=1, logprobs=0, extra_args={"steer": strengths})
        (out,) = offline.llm.generate([{"prompt_token_ids": ids}], [params], use_tqdm=False)
        (first,) = out.outputs[0].logprobs[0].values()
        return out.num_cached_tokens, first.logprob

    for strengths in ({"refusal": 0.0}, {"refusal": 1.0}, {"refusal": 1.0, "cap": 0.0}):
        cold, warm = ask(**strengths), ask(**strengths)
        assert cold[0] == 0, "another setting's keys and values"
        assert warm[0] >= 48, "a cache that is never used"
        assert warm[1] == pytest.approx(cold[1], abs=1e-4)
    assert ask(refusal=0.0)[1] != pytest.approx(ask(refusal=1.0)[1], abs=1e-3)


@pytest.mark.parametrize(
    ("asked", "why"),
    [
        ({"steer": {"refusal": 3.0}}, "-2 to 2"),
        ({"steer": {"warmth": 1.0}}, "dial 'warmth'"),
        ({"steer": 1.0}, "3 dials"),
        ({"steer": "wild"}, "preset 'wild'"),
        ({"steer": {"refusal": float("nan")}}, "a finite number"),
        ({"refusal": 1.0}, "'refusal' in extra_args"),
        ({"steering": {"refusal": 1.0}}, "'steering' in extra_args"),
    ],
)
def test_what_cannot_be_asked_is_refused_and_the_engine_goes_on(model, offline, asked, why):
    from vllm import SamplingParams

    prompt = {"prompt_token_ids": prompt_ids(model.tokenizer, "Hi")}
    with pytest.raises(Exception, match="got ") as refused:
        offline.llm.generate([prompt], [SamplingParams(max_tokens=1, extra_args=asked)], use_tqdm=False)
    assert why in str(refused.value)
    assert (
        offline.llm.generate([prompt], [SamplingParams(max_tokens=1)], use_tqdm=False)[0].outputs[0].token_ids
    )


def test_beams_are_refused(model, offline):
    from vllm.sampling_params import BeamSearchParams

    prompt = {"prompt_token_ids": prompt_ids(model.tokenizer, "Hi")}
    with pytest.raises(Exception, match="beam search of a steered engine"):
        offline.llm.beam_search([prompt], BeamSearchParams(beam_width=2, max_tokens=2))


def test_a_preset_is_asked_for_by_name(model, policies, offline):
    from vllm import SamplingParams

    ids = prompt_ids(model.tokenizer, PROMPTS[2])
    params = SamplingParams(temperature=0.0, max_tokens=TOKENS, extra_args={"steer": "mild"})
    (out,) = offline.llm.generate([{"prompt_token_ids": ids}], [params], use_tqdm=False)
    _, tokens = expected(model, policies["edits"], ids, {"refusal": -0.5, "cut": 0.0, "cap": 1.0})
    assert list(out.outputs[0].token_ids)[: len(tokens)] == tokens


def test_a_policy_of_another_model_is_refused_before_anything_is_loaded(make_llama, make_vector, tmp_path):
    from steer.plugins.vllm.runtime import VLLM

    Plan.add(make_vector(make_llama("other"))).save(tmp_path / "other.toml")
    with pytest.raises(MismatchError, match="width 32 in the vector and 192 in the model"):
        VLLM(str(MODEL), tmp_path / "other.toml", **SMALL)
    with pytest.raises(PlanError, match="which does not read"):
        VLLM(str(MODEL), tmp_path / "missing.toml", **SMALL)


@pytest.fixture(scope="module")
def server(policies, tmp_path_factory) -> Iterator[str]:
    """Compiled, with gates, a key and the plug-in's own routes."""
    port = "8351"
    log = tmp_path_factory.mktemp("server") / "log"
    # As `vllm serve` does, which the build for CPUs cannot: it looks for a package of another name.
    command = [
        sys.executable, "-m", "vllm.entrypoints.openai.api_server", "--model", str(MODEL), "--served-model-name", "aligned",
        "--port", port, "--api-key", KEY, "--dtype", "float32", "--max-model-len", "256", "--max-num-batched-tokens", "512",
        "--max-num-seqs", "16", "--additional-config", json.dumps({"steer": {"policy": str(policies["gated"])}}),
    ]  # fmt: skip
    env = os.environ | CPU | {"VLLM_PLUGINS": "steerdial", "VLLM_NO_USAGE_STATS": "1", "HF_HUB_OFFLINE": "1"}
    with log.open("w") as out, subprocess.Popen(command, env=env, stdout=out, stderr=out) as process:
        try:
            until = time.monotonic() + 420
            while time.monotonic() < until and process.poll() is None:
                try:
                    urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2)
                    break
                except OSError:
                    time.sleep(1)
            else:
                pytest.fail(log.read_text()[-4000:])
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            process.terminate()
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()


def test_over_http_each_request_is_decided_and_dosed_by_itself(model, policies, server):
    import openai

    client = openai.OpenAI(base_url=server, api_key=KEY)
    moved = 0
    for prompt in PROMPTS:
        ids = prompt_ids(model.tokenizer, prompt)
        for strength in (0.0, 1.0, 2.0):
            found: Any = client.chat.completions.create(
                model="aligned", messages=[{"role": "user", "content": prompt}], temperature=0, max_tokens=TOKENS,
                logprobs=True, top_logprobs=5, extra_body={"vllm_xargs": {"steer": f"strength={strength}"}},
            )  # fmt: skip
            logprobs, tokens = expected(model, policies["gated"], ids, {"strength": strength})
            text = model.tokenizer.decode(tokens, skip_special_tokens=True)
            assert found.choices[0].message.content.strip() == text.strip(), (prompt, strength)
            first = [own.logprob for own in found.choices[0].logprobs.content[0].top_logprobs]
            torch.testing.assert_close(torch.tensor(first), logprobs.topk(5).values, rtol=0, atol=BOUND)
            moved += strength != 0 and tokens != expected(model, policies["gated"], ids, {"strength": 0.0})[1]
    assert moved, "equal because nothing moves"


def test_over_http_a_mistake_is_400_and_the_next_request_is_served(server):
    import openai

    client = openai.OpenAI(base_url=server, api_key=KEY)
    asked: dict[str, Any] = {"model": "aligned", "prompt": "Hi", "max_tokens": 2}
    for steering in ("strength=5", "refusal=1", "wild", {"nested": 1}):
        with pytest.raises(openai.BadRequestError):
            client.completions.create(**asked, extra_body={"vllm_xargs": {"steer": steering}})
    with pytest.raises(openai.BadRequestError, match="beam search"):
        client.completions.create(**asked, n=2, extra_body={"use_beam_search": True})
    with pytest.raises(openai.BadRequestError, match="0 to 2"):
        client.completions.create(**asked, extra_body={"vllm_xargs": {"steer": 5}})
    assert client.completions.create(**asked).choices[0].finish_reason


def test_the_routes_list_the_policy_and_prove_it_under_the_servers_key(policies, server):
    def call(path: str, *, method: str = "GET", key: str = KEY) -> Any:
        request = urllib.request.Request(
            server + path, method=method, headers={"Authorization": f"Bearer {key}"}
        )
        return json.loads(urllib.request.urlopen(request, timeout=60).read())

    found = call("/steer")
    assert found["policy"] == Policy.load(policies["gated"]).hash
    assert found["dials"] == {"strength": {"default": 1.0, "low": 0.0, "high": 2.0, "presets": {}}}
    assert [probe["name"] for probe in found["probes"]] == ["risk"]
    assert "doses move the model" in call("/steer/self-test", method="POST")["workers"][0]
    with pytest.raises(urllib.error.HTTPError, match="401"):
        call("/steer", key="another")


def test_it_answers_for_a_sweep_as_transformers_does(model, vector):
    """Rows of a plan, of another plan, and of no plan, as a sweep with controls asks them."""
    from steer.recipe import Recipe, compile_plan
    from steer_evals.engines import engine
    from steer_evals.vllm_engine import VllmEngine

    plan = Plan.add(vector, scope="generation")
    recipe = compile_plan(plan, model)
    assert isinstance(engine("vllm", model, recipe), VllmEngine)
    ids = [tuple(prompt_ids(model.tokenizer, prompt)) for prompt in PROMPTS]
    rows = [Row(own, strength, 12, seed=3) for own in ids for strength in (0.0, -1.0, 1.0)]
    ours = VllmEngine(enforce_eager=True, **SMALL)
    for asked in (recipe, Recipe({})):
        found = {said.row: (said.tokens, said.ended) for said in ours(model, asked, rows)}
        assert found == {said.row: (said.tokens, said.ended) for said in plain(model, asked, rows)}
    drawn = [[said.tokens for said in ours(model, recipe, rows, temperature=1.0)] for _ in range(2)]
    assert drawn[0] == drawn[1], "draws go by the rows' seeds"
    ours.close()


@pytest.mark.slow
def test_two_pipeline_stages_each_edit_their_own_layers(model, policies):
    from steer.plugins.vllm.runtime import VLLM

    engine = VLLM(str(MODEL), policies["edits"], enforce_eager=True, pipeline_parallel_size=2, **SMALL)
    ids = prompt_ids(model.tokenizer, PROMPTS[0])
    for strengths in ({"refusal": 0.0, "cut": 0.0, "cap": 0.0}, {"refusal": -1.5, "cut": 0.7, "cap": 1.0}):
        (said,) = engine.say([ids], [strengths], TOKENS)
        logprobs, tokens = expected(model, policies["edits"], ids, strengths)
        torch.testing.assert_close(said.logprobs, logprobs, rtol=0, atol=BOUND)
        assert list(said.tokens) == tokens
