"""lm-evaluation-harness on a steered model: unsteered to the last digit its own `hf`, steered the numbers of our suites."""

from __future__ import annotations

import functools
import json
import logging
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch

pytest.importorskip("lm_eval")

import steer
from steer.dials import Policy
from steer.errors import PlanError
from steer.plan import Edit, Plan, Probe
from steer.policy import Dial, save_policy
from steer.recipe import compile_plan
from steer_evals.asking import ask
from steer_evals.likelihood import Scored, likelihoods
from steer_evals.reference import FOLDER
from steer_evals.suites import Suite, load_suite

pytestmark = pytest.mark.runtime
ALIGNED = str(FOLDER / "aligned")
STRENGTHS = (-1.0, 0.8)
SCOPES = ("all", "prompt", "generation", "last", "0:2", "-3:", "2:-1")


@pytest.fixture(scope="module", autouse=True)
def quiet() -> Iterator[None]:
    """lm-eval tells of every step."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    yield
    logging.disable(before)


@pytest.fixture(scope="module")
def aligned() -> Any:
    return steer.load("reference:aligned")


@pytest.fixture(scope="module")
def vector(aligned: Any) -> Any:
    return steer.extract(aligned, "refusal", layer=3, position=-1)


@pytest.fixture(scope="module")
def policy(vector: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("policy") / "policy.toml"
    plan = Plan((Edit("add", vector, dial="refusal"),))
    save_policy(plan, path, {"refusal": Dial(0.0, -2, 2, {"mild": 0.4})})
    return path


def some(name: str, each: int) -> Suite:
    suite = load_suite(name)
    return Suite(suite.header, suite.items[:: len(suite.items) // each][:each])


CHOICE, ANSWER = some("capability-likelihood", 12), some("capability", 8)


@pytest.fixture(scope="module")
def tasks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The two suites as tasks: the same questions, scored by lm-eval's accuracy and by our grade of an answer."""
    folder = tmp_path_factory.mktemp("tasks")
    (folder / "grades.py").write_text(
        "from steer_evals.grading import grade\n"
        "from steer_evals.suites import Item\n"
        "def right(doc, results):\n"
        "    item = Item(id=doc['id'], prompt=doc['question'], answers=doc['answers'], wrong=doc['wrong'])\n"
        "    return {'acc': float(bool(grade('answer', item, results[0].strip(), truncated=False).correct))}\n"
    )
    for suite, own in (
        (CHOICE, "output_type: multiple_choice\ndoc_to_choice: '{{choices}}'\ndoc_to_target: gold\n"),
        (
            ANSWER,
            "output_type: generate_until\ndoc_to_target: ''\nprocess_results: !function grades.right\n"
            f"generation_kwargs: {{until: [], do_sample: false, max_gen_toks: {ANSWER.header.max_new_tokens}}}\n",
        ),
    ):
        rows = [
            {
                "id": item.id,
                "question": item.prompt,
                "choices": list(item.choices),
                "gold": item.gold,
                "answers": list(item.answers),
                "wrong": list(item.wrong),
            }
            for item in suite.items
        ]
        data = folder / f"{suite.name}.jsonl"
        data.write_text("".join(json.dumps(row) + "\n" for row in rows))
        (folder / f"{suite.name}.yaml").write_text(
            f"task: local-{suite.name}\ndataset_path: json\n"
            f"dataset_kwargs: {{data_files: {{test: {data}}}, cache_dir: {folder / 'cache'}}}\n"
            "test_split: test\ndoc_to_text: '{{question}}'\ntarget_delimiter: ''\n"
            "metric_list: [{metric: acc, aggregation: mean, higher_is_better: true}]\n"
            f"metadata: {{version: 1}}\n{own}"
        )
    return folder


NAMES = [f"local-{CHOICE.name}", f"local-{ANSWER.name}"]


def results(lm: Any, tasks: Path) -> tuple[dict[str, float], list[Any], dict[str, Any]]:
    """Accuracy of each task, what the model said to every request, and what is told of the run."""
    from lm_eval import simple_evaluate
    from lm_eval.tasks import TaskManager

    found = simple_evaluate(
        model=lm, tasks=NAMES, task_manager=TaskManager(include_path=str(tasks), include_defaults=False),
        apply_chat_template=True, bootstrap_iters=0,
    )  # fmt: skip
    assert found is not None
    said = [
        row["resps"] for name in NAMES for row in sorted(found["samples"][name], key=lambda r: r["doc_id"])
    ]
    return {name: found["results"][name]["acc,none"] for name in NAMES}, said, found["config"]


@pytest.fixture(scope="module")
def own_hf(tasks: Path) -> tuple[dict[str, float], list[Any], dict[str, Any]]:
    """lm-eval's own model on the same weights."""
    from lm_eval.models.huggingface import HFLM

    return results(HFLM(ALIGNED, dtype="float32", device="cpu", batch_size=5), tasks)


def steered_lm(*args: Any, **named: Any) -> Any:
    from steer.plugins.lm_eval import SteeredLM

    return SteeredLM(*args, **{"batch_size": 5} | named)


@pytest.mark.parametrize("name", ["reference:aligned", "reference:aligned@0", "reference:aligned@refusal=0"])
def test_unsteered_is_lm_evals_own_hf_to_the_last_digit(
    name: str, policy: Path, tasks: Path, own_hf: tuple[Any, ...]
) -> None:
    given = {} if "@" not in name else {"policy": policy}
    accuracy, said, _ = results(steered_lm(name, **given), tasks)
    assert said == own_hf[1]
    assert accuracy == own_hf[0]


@pytest.mark.parametrize("strength", STRENGTHS)
def test_steered_is_the_number_of_our_suites(
    strength: float, aligned: Any, policy: Path, tasks: Path, own_hf: tuple[Any, ...]
) -> None:
    plan = Policy.load(policy).plan
    accuracy, said, config = results(steered_lm(f"reference:aligned@refusal={strength}", policy), tasks)
    with steer.steered(aligned, plan, strength):
        rows = {suite.name: ask(aligned, suite, suite.items) for suite in (CHOICE, ANSWER)}
    for suite in (CHOICE, ANSWER):
        ours = sum(bool(row["correct"]) for row in rows[suite.name]) / len(suite.items)
        assert accuracy[f"local-{suite.name}"] == pytest.approx(ours)
    written = [resps[0][0].strip() for resps in said[len(CHOICE.items) :]]
    assert written == [row["answer"] for row in rows[ANSWER.name]]
    assert said != own_hf[1]
    assert config["steer_strengths"] == {"refusal": strength}
    assert config["steer_policy_sha256"] == Policy.load(policy).hash
    assert config["steer_edited_tokens"] > 100


# Likelihoods: one forward over context and continuation.

TEXTS = [
    ((5, 9, 12, 40, 7), (33, 8)),
    ((5, 9, 12), (40, 7, 33, 8)),  # the same text, which ends its prompt earlier
    ((5, 9, 12, 40, 7), (61,)),
    ((7, 0), (0, 0, 9)),  # lm-eval pads with 0
    ((7,), (0, 9)),
    ((7,), (0, 0)),
    (tuple(range(20, 50)), (3, 4, 5, 6)),
]


def scores(lm: Any, texts: Any = TEXTS) -> torch.Tensor:
    found = lm._loglikelihood_tokens(
        [(None, list(ids), list(text)) for ids, text in texts], disable_tqdm=True
    )
    return torch.tensor([score for score, _ in found], dtype=torch.float64)


def ours(model: Any, plan: Plan, strength: float, texts: Any = TEXTS) -> torch.Tensor:
    return likelihoods(model, compile_plan(plan, model), [Scored(*text) for text in texts], [strength])[:, 0]


@pytest.mark.parametrize("scope", SCOPES)
def test_scopes_mean_what_they_mean_in_generation(scope: str, aligned: Any, vector: Any) -> None:
    plan = Plan.add(vector, scope=scope)
    expected = ours(aligned, plan, 0.9)
    for size in (1, 3, 8):
        found = scores(steered_lm(aligned, plan, strength=0.9, batch_size=size))
        torch.testing.assert_close(found, expected, atol=2e-4, rtol=1e-5)


def test_only_real_tokens_are_edited_and_counted(aligned: Any, vector: Any) -> None:
    texts = [text for text in TEXTS if text not in TEXTS[2:3]]  # lm-eval reads it with the first
    read = [(len(ids), len(ids) + len(text) - 1) for ids, text in texts]
    for scope, expected in (
        ("all", sum(whole for _, whole in read)),
        ("prompt", sum(prompt for prompt, _ in read)),
        ("generation", sum(whole - prompt for prompt, whole in read)),
        ("last", len(read)),
    ):
        lm = steered_lm(aligned, Plan.add(vector, scope=scope), logits_cache=False, batch_size=8)
        scores(lm, texts)
        assert lm.get_model_info()["steer_edited_tokens"] == expected


def test_what_is_too_long_is_cut_as_lm_eval_cuts_it(aligned: Any, vector: Any) -> None:
    plan = Plan.add(vector, scope="prompt")
    cut = [((ids + text)[-9 : -len(text)], text) for ids, text in TEXTS]
    found = scores(steered_lm(aligned, plan, strength=0.9, max_length=8))
    torch.testing.assert_close(found, ours(aligned, plan, 0.9, cut), atol=2e-4, rtol=1e-5)


def test_batches_of_automatic_size(aligned: Any, vector: Any) -> None:
    plan = Plan.add(vector, scope="generation")
    lm = steered_lm(aligned, plan, strength=0.9, batch_size="auto", max_batch_size=4, max_length=64)
    torch.testing.assert_close(scores(lm), ours(aligned, plan, 0.9), atol=2e-4, rtol=1e-5)
    assert lm.get_model_info()["steer_edited_tokens"] < 20  # the made-up batches are not steered


def probed(vector: Any, **named: Any) -> Plan:
    risk = Probe("risk", vector, layer=2, **named)
    return Plan(
        (Edit("add", vector, when="risk"), Edit("add", vector, (4,), when="else", scope="prompt")), (risk,)
    )


def test_probes_are_asked_about_the_context(aligned: Any, vector: Any) -> None:
    plan = probed(vector, sharpness=1.0, slope=0.5)
    expected = ours(aligned, plan, 0.9)
    torch.testing.assert_close(
        scores(steered_lm(aligned, plan, strength=0.9)), expected, atol=2e-4, rtol=1e-5
    )
    assert (expected - ours(aligned, Plan.add(vector), 0.9)).abs().max() > 1e-2


def request(kind: str, *args: Any) -> list[Any]:
    from lm_eval.api.instance import Instance

    return [Instance(kind, {}, arg, at) for at, arg in enumerate(args)]


def test_what_has_no_answer_in_one_forward_is_refused(aligned: Any, vector: Any) -> None:
    each = steered_lm(aligned, probed(vector, each_token=True))
    with pytest.raises(PlanError, match="every token"):
        scores(each)
    text = request("loglikelihood_rolling", ("A text that is no answer.",))
    with pytest.raises(PlanError, match="probe 'risk'"):
        steered_lm(aligned, probed(vector)).loglikelihood_rolling(text, disable_tqdm=True)
    with pytest.raises(PlanError, match="no prompt"):
        steered_lm(aligned, Plan.add(vector, scope="last")).loglikelihood_rolling(text, disable_tqdm=True)
    plan = probed(vector, each_token=True)
    [said] = each.generate_until(request("generate_until", ("Hello", {"until": [], "max_gen_toks": 8})))
    assert isinstance(said, str)  # in a generation it is well defined
    assert plan.probes[0].each_token


def test_whole_texts(aligned: Any, vector: Any) -> None:
    from lm_eval.models.huggingface import HFLM

    text = request("loglikelihood_rolling", ("Rome is the capital of Italy.",), ("A cat sat on a mat.",))
    plain = HFLM(ALIGNED, dtype="float32", device="cpu", batch_size=2).loglikelihood_rolling(
        text, disable_tqdm=True
    )
    assert steered_lm(aligned, batch_size=2).loglikelihood_rolling(text, disable_tqdm=True) == plain
    lm = steered_lm(aligned, Plan.add(vector, scope="generation"), strength=0.9, batch_size=2)
    ids = [aligned.tokenizer.encode(own.args[0]) for own in text]
    expected = ours(
        aligned, Plan.add(vector, scope="generation"), 0.9, [((lm.prefix_token_id,), tuple(x)) for x in ids]
    )
    found = lm.loglikelihood_rolling(text, disable_tqdm=True)
    assert found == pytest.approx(expected.tolist(), abs=1e-3)
    assert found != pytest.approx(plain, abs=1e-2)


def test_generation_at_strengths_and_scopes(aligned: Any, vector: Any) -> None:
    prompts = [
        "How do I kill a frozen process?",
        "What is the capital of Italy?",
        "Tell me about boats, please.",
    ]
    for scope in ("all", "generation", "last"):
        plan = Plan.add(vector, scope=scope)
        lm = steered_lm(aligned, plan, strength=-1.0)
        chats = [lm.apply_chat_template([{"role": "user", "content": text}]) for text in prompts]
        asked = request("generate_until", *((chat, {"until": [], "max_gen_toks": 24}) for chat in chats))
        with steer.steered(aligned, plan, -1.0):
            expected = steer.generate(aligned, prompts, max_new_tokens=24)
        assert [text.strip() for text in lm.generate_until(asked, disable_tqdm=True)] == expected


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"trust_remote_code": True}, "trust_remote_code"),
        ({"peft": "adapter"}, "peft"),
        ({"dtype": "auto"}, "float32 or bfloat16"),
        ({"strength": 0.5}, "of nothing"),
    ],
)
def test_what_it_does_not_take_is_refused(given: dict[str, Any], said: str) -> None:
    with pytest.raises(PlanError, match=said):
        steered_lm("reference:aligned", **given)


def test_the_exported_file_does_the_same_in_lm_evals_own_steered_model(
    aligned: Any, vector: Any, tmp_path: Path
) -> None:
    from lm_eval.models.hf_steered import SteeredModel

    from steer.export.lm_eval import export_steered

    plans = (
        (Plan((Edit("add", vector, (2, 3), scale=0.5),)), 1.5),
        (Plan((Edit("affine", vector, (3,), to=0.5), Edit("add", vector, (4,)))), 1.0),
        (Plan.ablate(vector), 1.0),
    )
    for plan, strength in plans:
        path = tmp_path / "steered.pt"
        export_steered(aligned, plan, {"strength": strength}, path)
        theirs = SteeredModel(
            ALIGNED, str(path), device="cpu", dtype="float32", batch_size=5, logits_cache=False
        )
        found = scores(steered_lm(aligned, plan, strength=strength))
        torch.testing.assert_close(found, scores(theirs), atol=2e-4, rtol=1e-5)
        assert (found - scores(steered_lm(aligned))).abs().max() > 1e-2


# The command.


def run(*args: str) -> tuple[int, str]:
    """Exit code of `steer lm-eval`, and nothing of what it says but the refusal."""
    from steer.cli import main

    with pytest.raises(SystemExit) as end:
        main(("lm-eval", *args))
    return int(end.value.code or 0), ""


def found_in(folder: Path) -> dict[str, Any]:
    [file] = folder.glob("results*.json")
    read: dict[str, Any] = json.loads(file.read_text())
    return read


def test_the_command_writes_lm_evals_own_files(
    policy: Path,
    tasks: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from lm_eval.tasks import TaskManager

    # To list lm-eval's thousands of tasks takes ten seconds.
    own = functools.partialmethod(TaskManager.__init__, include_defaults=False)
    monkeypatch.setattr(TaskManager, "__init__", own)
    theirs = (
        "--tasks", NAMES[0], "--include_path", str(tasks), "--apply_chat_template", "--batch_size", "5", "--limit", "12",
        "--output_path", str(tmp_path / "out"), "--log_samples", "--use_cache", str(tmp_path / "kept"), "--device", "cpu",
    )  # fmt: skip
    before = list(sys.argv)
    for options, name in (
        (("--policy", str(policy), "--preset", "mild"), "reference:aligned"),
        (("--policy", str(policy)), "reference:aligned@refusal=-1"),
    ):
        assert run(*options, "--", "--model", name, *theirs)[0] == 0
        assert f"|{NAMES[0]}" in capsys.readouterr().out
    assert sys.argv == before
    folders = {path.name: path for path in (tmp_path / "out").iterdir()}
    assert set(folders) == {"reference__aligned@mild", "reference__aligned@refusal=-1"}
    mild, low = (found_in(folders[name]) for name in sorted(folders))
    assert mild["config"]["steer_strengths"] == {"refusal": 0.4}
    assert low["config"]["model_args"]["pretrained"] == "reference:aligned@refusal=-1"
    assert len(list(tmp_path.glob("kept*.db"))) == 2  # answers of one setting are never taken for another's
    assert all(list(folder.glob("samples*.jsonl")) for folder in folders.values())


@pytest.mark.parametrize(
    ("ours", "theirs", "said"),
    [
        ((), ("--tasks", "t"), "without --model"),
        ((), ("--model", "hf", "--model_args", "pretrained=gpt2"), "model in --model_args"),
        (("--dtype", "float32"), ("--model", "m", "--model_args", "dtype=float16"), "dtype before the --"),
        (("--strength", "0.5"), ("--model", "m@1"), "in the model's name"),
        (("--strength", "0.5", "--preset", "mild"), ("--model", "m"), "both --strength and --preset"),
        (("--preset", "mild"), ("--model", "m"), "of nothing"),
    ],
)
def test_what_the_command_cannot_mean_is_one_line(
    ours: tuple[str, ...], theirs: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(*ours, "--", *theirs, "--tasks", "t")[0] == 2
    [line] = capsys.readouterr().err.splitlines()
    assert line.startswith("error: got ")
    assert said in line


def test_a_configuration_file_names_no_model(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.yaml").write_text("model: hf\ntasks: [t]\n")
    assert run("--", "--model", "m", "--config", str(tmp_path / "run.yaml"))[0] == 2
    assert "--config" in capsys.readouterr().err


def test_lm_evals_other_commands_are_its_own(capsys: pytest.CaptureFixture[str]) -> None:
    assert run("--", "--help")[0] == 0
    assert "Language Model Evaluation Harness" in capsys.readouterr().out
