"""Planes that must agree: what one plane cannot read they can, and the probe says what the planes say."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.optimize import check_grad
from sklearn.metrics import roc_auc_score

from steer_vectors import planes
from steer_vectors import probe as probes
from steer_vectors.contrast import load_contrast
from steer_vectors.errors import ContrastError
from steer_vectors.models import ChatModel
from steer_vectors.probe import Face, examples_of, fit_probe, risks
from steer_vectors.roc import Table
from steer_vectors.unanimous import _loss, unanimous


def corner(count: int, width: int = 8, seed: int = 0) -> tuple[np.ndarray, Table]:
    """Risky is what is positive on both of the first two axes; the classes weigh the same."""
    draw = np.random.default_rng(seed)
    rows = draw.normal(size=(count, width)) * 3 + 5
    risky = (rows[:, 0] > 5) & (rows[:, 1] > 5)
    weights = np.where(risky, 1 / risky.mean(), 1 / (~risky).mean()) / 2
    return rows, Table(risky, weights, np.arange(count))


def test_a_conjunction_is_read_by_two_planes_and_not_by_one() -> None:
    rows, table = corner(3000)
    new, truth = corner(3000, seed=1)
    alone = roc_auc_score(truth.risky, planes.logistic(rows, table).read(new))
    found = unanimous(rows, table)
    assert roc_auc_score(truth.risky, found.read(new)) > 0.99 > 0.95 > alone
    # Each is one of the two conditions.
    axes = {int(np.abs(own.normal).argmax()) for own in found.planes}
    assert axes == {0, 1}
    assert ((found.read(new) > 0) == truth.risky).mean() > 0.9


def test_one_plane_is_the_logistic_regression() -> None:
    rows, table = corner(500)
    (ours,) = unanimous(rows, table, planes=1).planes
    theirs = planes.regression(0.1)(rows, table)
    np.testing.assert_allclose(ours.normal, theirs.normal, atol=2e-3)
    assert ours.bias == pytest.approx(theirs.bias, abs=2e-2)


def test_the_gradient_is_that_of_the_loss() -> None:
    rows, table = corner(60)
    rows = np.hstack([(rows - 5) / 3, np.ones((60, 1))])
    weights = np.random.default_rng(3).normal(size=2 * 9)

    def value(flat: np.ndarray) -> float:
        return _loss(flat.reshape(2, 9), rows, table)[0]

    def slope(flat: np.ndarray) -> np.ndarray:
        return _loss(flat.reshape(2, 9), rows, table)[1]

    assert check_grad(value, slope, weights) < 1e-3
    value_far, slope_far = _loss(1e3 * weights.reshape(2, 9), rows, table)
    assert np.isfinite(value_far)
    assert np.isfinite(slope_far).all()


def test_the_probe_says_what_the_planes_say(tiny_llama: ChatModel) -> None:
    examples = examples_of(load_contrast("refusal"))[:120]
    found = fit_probe(tiny_llama, examples, method="unanimous", window=2, layers=[1, 2])
    layer, width = found.vector.layer, tiny_llama.width
    rows = probes._rows(tiny_llama, examples, 2, lambda *_: None)[:, layer].astype(np.float64)
    reading = unanimous(rows, probes._table(examples))
    each = []
    for face in (Face(found.vector, found.slope, found.offset, found.before), *found.others):
        odds = np.full(len(rows), face.offset)
        for at, (vector, slope) in enumerate([(face.vector, face.slope), *face.before]):
            own = rows[:, at * width : (at + 1) * width] @ vector.directions[layer].double().numpy()
            odds += slope * (own - float(vector.negative[layer])) / vector.gap(layer)
        each.append(odds)
    assert len(each) == len(reading.planes) == 2
    slope, offset = np.polyfit(reading.read(rows), np.min(each, 0), 1)
    assert slope > 0
    for odds, plane in zip(each, reading.planes, strict=True):  # one scale for both
        assert odds == pytest.approx(slope * plane.read(rows) + offset, abs=1e-3)
    told = risks(tiny_llama, found, [one.turns for one in examples])
    assert told == pytest.approx(1 / (1 + np.exp(-np.min(each, 0))), abs=1e-4)


def test_planes_that_read_upside_down_are_refused(
    tiny_llama: ChatModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The least of several falling risks is not that of the least reading."""
    monkeypatch.setattr(probes, "platt", lambda *_: (-1.0, 0.0))
    examples = examples_of(load_contrast("refusal"))[:120]
    with pytest.raises(ContrastError, match="2 planes that call harmless requests riskier"):
        fit_probe(tiny_llama, examples, method="unanimous", layers=[1])
    assert fit_probe(tiny_llama, examples, layers=[1]).slope < 0
