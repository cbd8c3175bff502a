"""Generation is timed beside plain generation, extraction beside plain forwards: only what moves the model or is right."""

import json
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from functools import partial

import pytest
import torch

import steer.apply
import steer_evals.bench_extract as bench_extract_module
from steer.cli import main
from steer.errors import LivenessError
from steer_evals.bench import bench_gate, bench_generate
from steer_evals.bench_extract import bench_extract, mixed_prompts
from steer_evals.bench_memory import fresh_peak
from steer_evals.errors import RunError
from steer_vectors.capture import capture
from steer_vectors.chat import prompt_ids
from steer_vectors.fingerprint import weight_fingerprint


def test_generation_is_timed_beside_plain(tiny_llama):
    seen = []
    found = bench_generate(tiny_llama, rows=2, tokens=1, repeats=1, progress=lambda *at: seen.append(at))
    assert [t.what.split()[0] for t in found] == ["add", "ablate", "256"]
    for timing in found:
        assert timing.low == timing.high == timing.ratio, "one round"
    for timing in found[:2]:
        assert timing.ratio == pytest.approx(timing.seconds / timing.baseline), "one token"
    assert seen == [(1, 2), (2, 2)], "a round to warm up, and one"


def test_a_gate_is_timed_beside_plain(tiny_llama):
    found = bench_gate(tiny_llama, rows=2, tokens=2, repeats=1)
    assert [t.what for t in found] == ["adaptive / plain", "adaptive / plain, the prompt"]
    assert found[1].ratio == pytest.approx(found[1].seconds / found[1].baseline), "one token"
    assert found[1].seconds < found[0].seconds


def test_what_does_nothing_is_not_timed(tiny_llama, monkeypatch):
    monkeypatch.setattr(steer.apply, "edit_", lambda hidden, table, strength: hidden)
    with pytest.raises(LivenessError):
        bench_generate(tiny_llama, rows=1, tokens=1, repeats=1)


small = partial(bench_extract, prompts=20, many=0, repeats=1)


@pytest.mark.parametrize("name", ["tiny_llama", "tiny_gpt2"])
def test_extraction_is_timed_beside_a_padded_forward(name, request):
    model = request.getfixturevalue(name)
    before, forwards = weight_fingerprint(model.hf), [m.forward for m in model.hf.modules()]
    seen = []
    found = bench_extract(model, 20, 0, repeats=2, progress=lambda *at: seen.append(at))
    assert [t.what.split(",")[0].split()[0] for t in found.timings] == [
        *("steerdial", "steerdial", "output_hidden_states", "nnsight"),
    ]
    for timing in found.timings:
        assert timing.low <= timing.ratio <= timing.high
    lengths = [len(prompt_ids(model.tokenizer, text)) for text in mixed_prompts(model, 20)]
    padded = 16 * max(lengths[:16]) + 4 * max(lengths[16:])
    assert found.setup["tokens"] == sum(lengths)
    assert found.padding == pytest.approx(1 - sum(lengths) / padded)
    assert found.memory is None
    assert seen == [(n, 10) for n in range(1, 11)], "five arrangements, two rounds"
    assert weight_fingerprint(model.hf) == before
    assert [m.forward for m in model.hf.modules()] == forwards, "nnsight wraps a twin"


@pytest.mark.parametrize("layer", [0, -1])
def test_means_that_are_wrong_are_not_timed(tiny_llama, monkeypatch, layer):
    def wrong(*args, **kwargs):
        found = capture(*args, **kwargs)
        found.mean[:, layer] *= 1.001
        return found

    timed = []
    monkeypatch.setattr(bench_extract_module, "capture", wrong)
    monkeypatch.setattr(bench_extract_module, "_seconds", lambda *_: timed.append(1) or 1.0)
    with pytest.raises(RunError, match=r"with means that are off by \d.\de-0[34] of their length"):
        small(tiny_llama)
    assert not timed


def test_a_wrong_position_is_not_timed(tiny_llama, monkeypatch):
    def early(model, texts, positions):
        return capture(model, texts, [p - 1 for p in positions])

    monkeypatch.setattr(bench_extract_module, "capture", early)
    with pytest.raises(RunError, match="steerdial, last token with means that are off"):
        small(tiny_llama)


def test_prompts_are_of_mixed_length_and_always_the_same(tiny_llama):
    texts = mixed_prompts(tiny_llama, 200)
    assert texts[:50] == mixed_prompts(tiny_llama, 50)
    lengths = [len(prompt_ids(tiny_llama.tokenizer, text)) for text in texts]
    assert min(lengths) >= 10
    assert max(lengths) <= 200 + 8, "cut pieces may be split otherwise"
    quarters = Counter(min(3, length // 50) for length in lengths)
    assert all(quarters[q] > 30 for q in range(4)), "spread evenly"


def test_peers_stand_in_the_same_table(tiny_llama, tmp_path, capsys, tiny_folder):
    setup = small(tiny_llama).setup
    row = {"what": "repeng 0.4.0", "ratio": 1.5, "low": 1.4, "high": 1.6, "seconds": 3.0, "baseline": 2.0}
    path = tmp_path / "peers.json"
    path.write_text(json.dumps({"setup": setup, "timings": [row]}))
    found = small(tiny_llama, peers=path)
    assert found.timings[-1]._asdict() == row
    args = ["bench", "extract", "--model", str(tiny_folder), "--dtype", "float32", "--prompts", "20"]
    args += ["--many", "0", "--repeats", "1", "--threads", str(torch.get_num_threads()), "--peers", str(path)]
    with pytest.raises(SystemExit) as end:
        main([*args, "--json"])
    assert not end.value.code
    assert json.loads(capsys.readouterr().out)["timings"][-1] == row
    with pytest.raises(SystemExit):
        main(args)
    assert "repeng 0.4.0" in capsys.readouterr().out
    path.write_text(json.dumps({"setup": setup | {"tokens": 1}, "timings": [row]}))
    with pytest.raises(RunError, match="measured on"):
        small(tiny_llama, peers=path)
    path.write_text("[]")
    with pytest.raises(RunError, match="which does not read"):
        small(tiny_llama, peers=path)


_PEAKS = """
import torch
from steer_evals.bench_memory import peak_beyond
cpu = torch.device("cpu")
print(peak_beyond(lambda: torch.ones(16 * 2**20).sum(), cpu), peak_beyond(lambda: None, cpu))
"""


def test_peak_memory_sees_what_is_taken_and_given_back():
    # In a process of its own, as the tool measures: after thousands of tests malloc has 64 MB lying about.
    printed = subprocess.run(
        [sys.executable, "-c", _PEAKS], capture_output=True, text=True, check=True
    ).stdout
    taken, after = (int(count) / 2**20 for count in printed.split())
    assert 60 < taken < 72, "64 of float32"
    assert after < 2, "the peak before is forgotten"


@pytest.mark.slow
def test_memory_of_a_model_without_a_name(tiny_llama):
    with pytest.raises(RunError, match="no memory figure for nowhere/at/all"):
        fresh_peak(replace(tiny_llama, name="nowhere/at/all"), 4)


@pytest.mark.slow
def test_memory_in_processes_of_their_own(tiny_folder):
    found = bench_extract(steer.load(str(tiny_folder)), 64, 512, repeats=1).memory
    assert found.few > 2**20
    assert found.ratio == found.many / found.few
