"""What the operator may set, and what keeps one setting's cache apart from another's. vLLM is not needed."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

import steer
from steer.dials import Policy
from steer.errors import PlanError
from steer.plan import Edit, Plan, Probe
from steer.plugins.vllm import requests
from steer.plugins.vllm.settings import check, policy_of, salt, settings_of, unshared
from steer.policy import save_policy
from steer.recipe import lay_out
from steer_vectors.errors import MismatchError
from steer_vectors.identity import folder_identity, identity
from steer_vectors.models import load

CPU = torch.device("cpu")


class Invalid(Exception):
    """As vLLM's, which a server answers with 400."""

    def __init__(self, text: str, *, parameter: str) -> None:
        super().__init__(text)
        self.parameter = parameter


@pytest.fixture
def exceptions(monkeypatch: pytest.MonkeyPatch) -> None:
    fake = ModuleType("vllm.exceptions")
    fake.VLLMValidationError = Invalid  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "vllm", ModuleType("vllm"))
    monkeypatch.setitem(sys.modules, "vllm.exceptions", fake)


@pytest.fixture(scope="module")
def folder_model(tiny_folder):
    return load(str(tiny_folder), dtype=torch.float32)


@pytest.fixture(scope="module")
def vector(folder_model, make_vector):
    return make_vector(folder_model)


def config(folder: Any, policy: Any, **changed: Any) -> Any:
    found = SimpleNamespace(
        additional_config={"steer": {"policy": str(policy)}},
        model_config=SimpleNamespace(
            model=str(folder),
            enable_prompt_embeds=False,
            max_model_len=128,
            runner_type="generate",
            revision=None,
        ),
        use_v2_model_runner=False,
        parallel_config=SimpleNamespace(
            use_ubatching=False,
            use_sequence_parallel_moe=False,
            pipeline_parallel_size=1,
            decode_context_parallel_size=1,
        ),
        scheduler_config=SimpleNamespace(
            max_num_batched_tokens=64,
            enable_chunked_prefill=True,
            long_prefill_token_threshold=0,
            policy="fcfs",
        ),
        speculative_config=None,
    )
    for path, value in changed.items():
        part, _, name = path.partition("__")
        setattr(getattr(found, part) if name else found, name or part, value)
    return found


def plans(vector: Any) -> dict[str, Plan]:
    probe = Probe("risk", vector)
    every = Probe("risk", vector, each_token=True)
    window = Probe("risk", vector, before=((vector, 1.0),))
    late = (Edit("add", vector, layers=(2,), when="risk", scope="-1:"),)
    return {
        "plain": Plan.add(vector),
        "answer": Plan.add(vector, scope="generation"),
        "start": Plan.add(vector, scope="0:4"),
        "gated": Plan(late, (probe,)),
        "every": Plan(late, (every,)),
        "window": Plan(late, (window,)),
        "back": Plan((Edit("add", vector, layers=(2,), when="risk"),), (probe,)),
    }


@pytest.fixture(scope="module")
def files(vector, tmp_path_factory):
    folder = tmp_path_factory.mktemp("policies")
    for name, plan in plans(vector).items():
        save_policy(plan, folder / f"{name}.toml")
    return folder


def test_a_folder_is_told_as_the_model_that_is_loaded_from_it(tiny_folder, folder_model):
    ours, theirs = folder_identity(str(tiny_folder)), identity(folder_model)
    assert (ours.width, ours.layers, ours.template) == (theirs.width, theirs.layers, theirs.template)
    assert ours.fingerprint() == theirs.fingerprint()


def test_a_checked_configuration_is_marked_and_kept(tiny_folder, files):
    engine = config(tiny_folder, files / "plain.toml")
    check(engine, "0.32.0")
    marked = engine.additional_config["steer"]
    assert marked == {
        "policy": str(files / "plain.toml"),
        "sha256": Policy.load(files / "plain.toml").hash,
        "version": steer.__version__,
    }
    assert policy_of(engine).plan.dials == ("strength",)
    check(engine, "0.32.1")  # what is marked may be checked again
    assert engine.additional_config["steer"] == marked


def test_without_a_policy_nothing_is_done(tiny_folder):
    engine = config(tiny_folder, "")
    engine.additional_config = {"other": 1}
    check(engine, "0.1")
    assert settings_of(engine) is None
    assert policy_of(engine) is None
    assert engine.additional_config == {"other": 1}


@pytest.mark.parametrize(
    "setting",
    ["policy.toml", {}, {"policy": 3}, {"policy": "p.toml", "strength": 1}, {"file": "p.toml"}, None],
)
def test_other_words_are_refused(tiny_folder, setting):
    engine = config(tiny_folder, "")
    engine.additional_config = {"steer": setting}
    with pytest.raises(PlanError, match="policy.toml"):
        check(engine, "0.32.0")


@pytest.mark.parametrize(
    ("name", "changed", "why"),
    [
        ("plain", {"parallel_config__use_ubatching": True}, "micro-batches"),
        ("plain", {"parallel_config__use_sequence_parallel_moe": True}, "sequence parallelism"),
        ("plain", {"parallel_config__decode_context_parallel_size": 2}, "context parallelism"),
        ("plain", {"model_config__enable_prompt_embeds": True}, "prompt embeddings"),
        ("gated", {"parallel_config__pipeline_parallel_size": 2}, "pipeline parallelism with probes"),
        ("every", {"speculative_config": object()}, "speculative"),
        ("back", {}, "prompts that may come in pieces"),
        ("back", {"scheduler_config__enable_chunked_prefill": False}, "prompts that may come in pieces"),
        (
            "back",
            {
                "scheduler_config__enable_chunked_prefill": False,
                "scheduler_config__max_num_batched_tokens": 128,
                "scheduler_config__long_prefill_token_threshold": 8,
            },
            "prompts that may come in pieces",
        ),
        ("plain", {"model_config__runner_type": "pooling"}, "pooling"),
        ("plain", {"use_v2_model_runner": True, "parallel_config__pipeline_parallel_size": 2}, "V2 runner"),
        ("start", {"speculative_config": object()}, "window of positions"),
        ("gated", {"scheduler_config__policy": "priority"}, "priorities with probes"),
        ("missing", {}, "which does not read"),
    ],
)
def test_what_the_plug_in_does_not_follow_is_refused(tiny_folder, files, name, changed, why):
    with pytest.raises(PlanError, match=why):
        check(config(tiny_folder, files / f"{name}.toml", **changed), "0.32.0")


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("plain", {"parallel_config__pipeline_parallel_size": 2}),
        ("gated", {"speculative_config": object()}),
        (
            "back",
            {
                "scheduler_config__enable_chunked_prefill": False,
                "scheduler_config__max_num_batched_tokens": 128,
            },
        ),
    ],
)
def test_what_it_follows_is_not(tiny_folder, files, name, changed):
    check(config(tiny_folder, files / f"{name}.toml", **changed), "0.32.0")


@pytest.mark.parametrize("version", ["0.31.9", "0.33.0", "1.0"])
def test_an_untested_vllm_is_refused(tiny_folder, files, version):
    with pytest.raises(PlanError, match=f"vLLM {version}"):
        check(config(tiny_folder, files / "plain.toml"), version)


def test_another_model_is_refused(make_llama, make_vector, tiny_folder, tmp_path):
    Plan.add(make_vector(make_llama("other", seed=9))).save(tmp_path / "other.toml")
    with pytest.raises(MismatchError, match="weights"):
        check(config(tiny_folder, tmp_path / "other.toml"), "0.32.0")


def test_a_policy_that_changes_under_a_running_engine_is_refused(tiny_folder, vector, tmp_path):
    path = tmp_path / "policy.toml"
    save_policy(Plan.add(vector), path)
    engine = config(tiny_folder, path)
    engine.additional_config["steer"] |= {"sha256": "0" * 64}
    with pytest.raises(PlanError, match="has changed"):
        policy_of(engine)


@given(
    a=st.sampled_from([0.0, 0.5, 1.0]),
    b=st.sampled_from([0.0, 0.5, 1.0]),
    ends=st.tuples(*[st.integers(1, 3)] * 2),
)
def test_two_requests_share_a_cache_only_where_their_tokens_are_edited_alike(vector, a, b, ends):
    for name, plan in plans(vector).items():
        policy, recipe = Policy(plan, {}, name), lay_out(plan, CPU)
        one, two = (salt(policy, recipe, {"strength": s}, end) for s, end in zip((a, b), ends, strict=True))
        anchored = name not in ("plain", "start")  # begins or ends with the prompt
        alike = a == b and (a == 0 or ends[0] == ends[1] or not anchored)
        assert (one == two) is alike, name
        assert (one is None) is (a == 0)
    assert salt(Policy(plan, {}, "x"), recipe, {"strength": 1.0}, 1) != salt(
        Policy(plan, {}, "y"), recipe, {"strength": 1.0}, 1
    )


def test_what_a_cache_hides_from_a_probe_is_not_read_from_it(vector):
    def found(*, v2: bool) -> set[str]:
        return {name for name, plan in plans(vector).items() if unshared(lay_out(plan, CPU), v2=v2)}

    assert found(v2=False) == {"window", "back", "every"}
    assert found(v2=True) == {"window", "back", "every", "gated"}  # it forgets what it preempts


def asked(extra: dict[str, Any] | None, salted: str | None = None) -> Any:
    params = SimpleNamespace(extra_args=extra, skip_reading_prefix_cache=None)
    return SimpleNamespace(sampling_params=params, prompt_token_ids=[1, 2, 3], cache_salt=salted)


def test_the_door_writes_the_strengths_of_all_dials(vector):
    policy = Policy(plans(vector)["window"], {}, "hash")
    recipe = lay_out(policy.plan, CPU)
    request = asked({"steer": "0.5", "session_id": "s"}, "mine")
    requests.turn(request, policy, recipe)
    assert request.sampling_params.extra_args == {"steer": {"strength": 0.5}, "session_id": "s"}
    other = asked({"steer": "0.5"}, "theirs")
    requests.turn(other, policy, recipe)
    assert request.cache_salt != other.cache_salt
    assert "mine" not in request.cache_salt
    assert request.sampling_params.skip_reading_prefix_cache is True
    plain = asked({"steer": 0})
    requests.turn(plain, policy, recipe)
    assert (plain.cache_salt, plain.sampling_params.skip_reading_prefix_cache) == (None, None)
    default = asked(None)
    requests.turn(default, policy, recipe)
    assert default.sampling_params.extra_args == {"steer": {"strength": 1.0}}


@pytest.mark.parametrize(
    "extra",
    [{"steer": "x"}, {"steer": {"warmth": 1}}, {"strength": 1}, {"steer_strength": 1}, {"Steering": 1}],
)
def test_what_would_be_ignored_is_the_clients_mistake(vector, exceptions, extra):
    policy = Policy(plans(vector)["plain"], {})
    with pytest.raises(Invalid, match="^got ") as found:
        requests.turn(asked(extra), policy, lay_out(policy.plan, CPU))
    assert found.value.parameter == "vllm_xargs"


def test_a_client_cannot_put_words_in_the_cache_of_another_setting(vector, exceptions):
    policy = Policy(plans(vector)["plain"], {})
    with pytest.raises(Invalid, match="cache_salt"):
        requests.turn(asked({"steer": 0}, "steer:0123"), policy, lay_out(policy.plan, CPU))


@pytest.mark.parametrize("key", ["steering", "steerdial", "Steer"])
def test_a_policy_under_another_key_is_refused(tiny_folder, files, key):
    engine = config(tiny_folder, "")
    engine.additional_config = {key: {"policy": str(files / "plain.toml")}}
    with pytest.raises(PlanError, match="additional_config"):
        check(engine, "0.32.0")


def test_strengths_for_an_engine_without_a_policy_too(exceptions):
    with pytest.raises(Invalid, match="without|with a policy"):
        requests._refuse({"steer": 1.0}, ())
    requests._refuse({"session_id": 1, "kv_transfer_params": {}}, ())
