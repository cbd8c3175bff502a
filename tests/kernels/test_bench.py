"""The benchmark times right results only, and its ratios are those of its times."""

import pytest

from steer_kernels import KernelError, bench


def test_every_edit_is_timed_and_the_ratios_follow() -> None:
    found = bench.bench_op(repeats=1, sizes=((4, 32),))
    assert {timing.edit for timing in found} == set(bench.edits(32))
    for timing in found:
        best = min(timing.plain, timing.usual or timing.plain)
        assert timing.over_pass == pytest.approx(timing.ours / timing.one_pass)
        assert timing.faster == pytest.approx(best / timing.ours)


def test_a_wrong_result_is_not_timed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bench, "edit_", lambda hidden, table, strength: hidden.zero_())
    with pytest.raises(KernelError, match="do not time wrong results"):
        bench.bench_op(repeats=1, sizes=((4, 32),))
