"""Which path runs: built once, in one piece, by as many processes as like; and plain torch wherever that fails."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

PROBE = """
import json, warnings
warnings.simplefilter("error")
import torch
from steer_kernels import KernelError, ablate_table, chosen_path, edit_
try:
    hidden = edit_(torch.ones(2, 4), ablate_table(torch.eye(4)[0]), 1.0)
    print(json.dumps([*chosen_path(), hidden[0].tolist()]))
except (KernelError, RuntimeWarning) as error:
    print(json.dumps([type(error).__name__, str(error)]))
"""
SAID = [0.0, 1.0, 1.0, 1.0]


def start(cache: Path, **settings: str) -> "subprocess.Popen[str]":
    """A process of its own, for the path is chosen once in each."""
    roots = os.pathsep.join(entry for entry in sys.path if entry)
    env = {
        **os.environ,
        "PYTHONPATH": roots,
        "XDG_CACHE_HOME": str(cache),
        "OMP_NUM_THREADS": "1",
        **settings,
    }
    return subprocess.Popen(
        [sys.executable, "-c", PROBE], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def said(process: "subprocess.Popen[str]") -> list[object]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert not err, "not a word on the way"
    found: list[object] = json.loads(out)
    return found


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache in which two processes built at the same time."""
    folder = tmp_path_factory.mktemp("cache")
    for process in [start(folder), start(folder)]:
        name, _, hidden = said(process)
        assert (name, hidden) == ("cpp", SAID)
    return folder


def test_two_at_once_leave_one_whole_object(cache: Path) -> None:
    assert [file.suffix for file in (cache / "steerdial/kernels").iterdir()] == [".so"]


def test_what_is_built_is_not_built_again(cache: Path) -> None:
    (built,) = (cache / "steerdial/kernels").iterdir()
    before = built.stat().st_mtime_ns
    assert said(start(cache))[0] == "cpp"
    assert said(start(cache, CXX="no-such-compiler"))[0] == "cpp", "it is built already"
    assert built.stat().st_mtime_ns == before


def test_a_path_may_be_forced(cache: Path) -> None:
    assert said(start(cache, STEER_KERNEL="naive")) == ["naive", "STEER_KERNEL=naive", SAID]
    assert said(start(cache, STEER_KERNEL="cpp")) == ["cpp", "STEER_KERNEL=cpp", SAID]
    name, message = said(start(cache, STEER_KERNEL="gpu"))
    assert name == "KernelError"
    assert "naive or cpp" in str(message)
    name, message = said(start(cache, STEER_CPU_ISA="avx3"))
    assert (name, "got STEER_CPU_ISA=avx3; expected avx2 or base" in str(message)) == ("KernelError", True)


@pytest.mark.parametrize("compiler", ["false", "no-such-compiler"])
def test_without_a_working_compiler_plain_torch_runs_and_says_why(tmp_path: Path, compiler: str) -> None:
    name, reason, hidden = said(start(tmp_path, CXX=compiler))
    assert (name, hidden) == ("naive", SAID)
    assert compiler in str(reason)
    assert not list(tmp_path.rglob("*.so"))
    name, message = said(start(tmp_path, CXX=compiler, STEER_KERNEL="cpp"))
    assert name == "KernelError"
    assert "unset STEER_KERNEL" in str(message)


def test_a_damaged_object_is_not_believed(cache: Path, tmp_path: Path) -> None:
    (built,) = (cache / "steerdial/kernels").iterdir()
    copy = tmp_path / "steerdial/kernels" / built.name
    copy.parent.mkdir(parents=True)
    copy.write_bytes(built.read_bytes()[:2000])
    name, _, hidden = said(start(tmp_path))
    assert (name, hidden) == ("cpp", SAID), "built again"


def test_an_object_that_is_wrong_is_loud(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from steer_kernels import op

    monkeypatch.setattr(op, "self_test_error", lambda device: 0.5)
    op.chosen_path.cache_clear()
    try:
        with pytest.warns(RuntimeWarning, match="5.0e-01 off plain torch"):
            assert op.chosen_path().path == "naive"
    finally:
        op.chosen_path.cache_clear()
