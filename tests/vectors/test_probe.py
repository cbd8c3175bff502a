"""Risk probes: what was planted is found and calibrated, twins stay together, and the formula is scikit-learn's."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.calibration import CalibratedClassifierCV
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss, roc_auc_score
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from steer_vectors import planes
from steer_vectors import probe as probes
from steer_vectors.contrast import ContrastSet, load_contrast
from steer_vectors.contrast_rows import Example as Row
from steer_vectors.errors import ContrastError, SiteError
from steer_vectors.file import load_vector, save_vector
from steer_vectors.hooks import on_layers
from steer_vectors.models import ChatModel
from steer_vectors.planes import platt
from steer_vectors.probe import Example, examples_of, fit_probe, risks
from steer_vectors.roc import area

DEPTH, WIDTH = 5, 32  # of the tiny Llama
PLANTED = 2


def _twins(pairs: int) -> list[Example]:
    return [
        Example(f"{'risky' if risky else 'benign'} {pair}", risky, "twins", f"p{pair}")
        for pair in range(pairs)
        for risky in (True, False)
    ]


class _Planted:
    """Activations in which the classes differ by `gap` standard deviations along one direction, from layer 2 on."""

    def __init__(self, examples: list[Example], gap: float, seed: int = 0) -> None:
        draw = np.random.default_rng(seed)
        self.scale = np.exp(draw.normal(size=WIDTH) / 2)
        whitened = draw.normal(size=WIDTH)
        self.whitened = whitened / np.linalg.norm(whitened)
        risky = np.array([one.risky for one in examples])
        noise = draw.normal(size=(len(examples), DEPTH, WIDTH))
        # The form that twins share, at right angles to what divides them.
        shared = {one.cluster: draw.normal(size=WIDTH) for one in examples}
        form = np.stack([shared[one.cluster] for one in examples])
        form -= np.outer(form @ self.whitened, self.whitened)
        seen = (np.arange(DEPTH) >= PLANTED)[:, None] * self.whitened * gap
        rows = noise + form[:, None] + np.where(risky, 0.5, -0.5)[:, None, None] * seen
        self.rows = (7 + rows * self.scale).astype(np.float32)
        self.reading = (rows @ self.whitened)[:, PLANTED]

    @property
    def normal(self) -> np.ndarray:
        """Of the Bayes rule, in the space of the activations."""
        found = self.whitened / self.scale
        return np.asarray(found / np.linalg.norm(found))


@pytest.fixture
def plant(monkeypatch: pytest.MonkeyPatch) -> Any:
    def put(rows: np.ndarray) -> None:
        monkeypatch.setattr(probes, "_rows", lambda model, examples, window, progress: rows[: len(examples)])

    return put


@pytest.mark.parametrize("method", ["lda", "logistic"])
def test_a_planted_direction_is_found_and_calibrated(tiny_llama: ChatModel, plant: Any, method: Any) -> None:
    examples = _twins(2000 if method == "lda" else 1000)
    planted = _Planted(examples, gap=2.0)
    plant(planted.rows)
    found = fit_probe(tiny_llama, examples, method=method, layers=[1, 2])
    assert found.vector.layer == PLANTED
    assert float(found.vector.directions[PLANTED] @ torch.from_numpy(planted.normal).float()) >= 0.99
    risky = np.array([one.risky for one in examples])
    bayes = 1 / (1 + np.exp(-2.0 * planted.reading))
    assert found.brier == pytest.approx(np.mean((bayes - risky) ** 2), abs=0.004)
    assert found.calibration_error < 0.03
    at = np.array([score.risk for score in found.scores])
    assert np.abs(at - bayes).mean() < 0.04
    assert found.auc.low < roc_auc_score(risky, planted.reading) < found.auc.high
    assert found.twins_auc == found.auc == found.sources["twins"]


def test_uniform_weights_give_scikit_learns_lda(tiny_llama: ChatModel) -> None:
    examples = _twins(30)
    rows = _Planted(examples, gap=1.0).rows[:, 3].astype(np.float64)
    table = probes._table(examples)
    plane = planes.lda(rows, table)
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[0.5, 0.5])
    theirs.fit(rows, table.risky)
    np.testing.assert_allclose(plane.normal, theirs.coef_[0], rtol=1e-8, atol=1e-10)
    assert plane.bias == pytest.approx(float(theirs.intercept_[0]), abs=1e-9)


def test_weights_do_what_copies_do() -> None:
    """A small source with a spread of its own: as if each of its rows stood there five times."""
    examples = [one._replace(source="plain") if n % 12 == 1 else one for n, one in enumerate(_twins(900))]
    planted = _Planted(examples, gap=1.0)
    rows = planted.rows[:, 3].astype(np.float64)
    plain = np.array([one.source == "plain" for one in examples])
    along = np.random.default_rng(5).normal(scale=3, size=plain.sum())
    rows[plain] += np.outer(along, planted.whitened * planted.scale)
    ours = planes.lda(rows, probes._table(examples)).normal
    copied = np.repeat(np.arange(len(examples)), np.where(plain, 5, 1))
    risky = np.array([one.risky for one in examples])
    theirs = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[0.5, 0.5])
    expected = theirs.fit(rows[copied], risky[copied]).coef_[0]
    plainly = theirs.fit(rows, risky).coef_[0]
    cosines = [ours @ one / np.linalg.norm(ours) / np.linalg.norm(one) for one in (expected, plainly)]
    assert cosines[0] > 0.99 > 0.98 > cosines[1]


def test_risk_is_scikit_learns(tiny_llama: ChatModel, plant: Any) -> None:
    examples = _twins(60)
    rows = _Planted(examples, gap=1.5).rows
    plant(rows)
    found = fit_probe(tiny_llama, examples, layers=[3])
    table = probes._table(examples)
    theirs = CalibratedClassifierCV(
        LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto", priors=[0.5, 0.5]),
        method="sigmoid",
        cv=planes.splits_of(table, 5, 0),
        ensemble=False,
    ).fit(rows[:, 3].astype(np.float64), table.risky)
    vector = found.vector
    along = torch.from_numpy(rows[:, 3]).double() @ vector.directions[3].double()
    place = (along - vector.negative[3].double()) / vector.gap(3)
    ours = torch.sigmoid(found.slope * place + found.offset).numpy()
    expected = theirs.predict_proba(rows[:, 3].astype(np.float64))[:, 1]
    np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_a_logistic_reading_is_scikit_learns() -> None:
    examples = _twins(60)
    rows = _Planted(examples, gap=1.5).rows[:, 3].astype(np.float64)
    table = probes._table(examples)
    plane = planes.Regression(0.1)(rows, table)
    theirs = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000)).fit(rows, table.risky)
    np.testing.assert_allclose(rows @ plane.normal + plane.bias, theirs.decision_function(rows), atol=1e-6)


def test_the_penalty_is_the_one_with_the_least_loss_on_held_out_folds() -> None:
    draw = np.random.default_rng(0)
    examples = _twins(60)
    table, rows = (
        probes._table(examples),
        draw.normal(size=(120, 30)),
    )  # as many coordinates as a fold has pairs
    rows[:, 0] += 0.7 * table.risky
    splits = planes.splits_of(table, 5, 0)
    fit, readings = planes.best_of(planes.FITS["logistic"], rows, table, splits)
    losses = {}
    for penalty in planes.PENALTIES:
        theirs = make_pipeline(StandardScaler(), LogisticRegression(C=penalty, max_iter=2000))
        odds = cross_val_predict(theirs, rows, table.risky, cv=splits, method="decision_function")
        losses[penalty] = (log_loss(table.risky, 1 / (1 + np.exp(-odds))), odds)
    loss, odds = min(losses.values(), key=lambda own: own[0])
    assert loss < losses[planes.PENALTIES[-1]][0] - 0.1  # too little penalty is much worse here
    np.testing.assert_allclose(readings, odds, atol=1e-5)
    np.testing.assert_array_equal(planes.held_out(fit, rows, table, splits), readings)


def test_platt_finds_the_odds_of_a_gaussian_and_survives_perfect_readings() -> None:
    draw = np.random.default_rng(0)
    risky = np.arange(20_000) % 2 == 0
    slope, offset = platt(draw.normal(size=20_000) + 1.0 * risky, risky, np.ones(20_000))
    assert slope == pytest.approx(1.0, abs=0.06)
    assert offset == pytest.approx(-0.5, abs=0.06)
    slope, _ = platt(risky * 1.0, risky, np.ones(20_000))
    assert np.isfinite(slope)
    assert slope > 5


def test_auc_is_scikit_learns_with_ties_and_weights() -> None:
    draw = np.random.default_rng(1)
    readings, risky = draw.integers(0, 9, 80).astype(float), draw.random(80) < 0.4
    weights = draw.random(80) + 0.1
    assert area(readings, risky).value == pytest.approx(roc_auc_score(risky, readings))
    expected = roc_auc_score(risky, readings, sample_weight=weights)
    assert area(readings, risky, weights).value == pytest.approx(expected)
    names = np.array([f"c{n}" for n in range(80)])
    assert area(readings, risky, weights, names) == area(readings, risky, weights)


@pytest.mark.parametrize("gap", [0.0, 1.0])
def test_the_interval_holds_the_truth_as_often_as_it_says(gap: float) -> None:
    """Clusters of four that share their noise: taken for independent, the interval would be too short."""
    draw = np.random.default_rng(2)
    risky = np.repeat([True, False], 100)
    clusters = np.repeat(np.arange(50), 4)
    truth = 0.5 if gap == 0 else 0.6914624612740131  # Phi(gap / 2), for both noises together have variance 2
    held = {True: 0, False: 0}
    for _ in range(300):
        readings = gap * np.sqrt(0.5) * risky + np.sqrt(0.8) * draw.normal(size=50)[clusters]
        readings = readings + np.sqrt(0.2) * draw.normal(size=200)
        for clustered in held:
            found = area(readings, risky, None, clusters if clustered else None)
            held[clustered] += found.low <= truth <= found.high
    assert 0.92 <= held[True] / 300 <= 0.985
    assert held[False] / 300 < 0.85


def test_a_perfect_auc_has_an_interval_and_one_class_has_none() -> None:
    risky = np.repeat([True, False], 30)
    found = area(risky * 1.0, risky)
    assert found.value == pytest.approx(1)
    assert found.high == 1
    assert 0.85 < found.low < 0.95
    assert np.isnan(area(risky * 1.0, np.ones(60, dtype=bool)).value)


def test_clusters_never_straddle_folds() -> None:
    examples = _twins(40) + [Example(str(n), False, "plain", f"q{n}") for n in range(33)]
    table = probes._table(examples)
    for seed in range(3):
        splits = planes.splits_of(table, 5, seed)
        assert sorted(np.concatenate([test for _, test in splits])) == list(range(len(examples)))
        for train, test in splits:
            assert not set(table.clusters[train]) & set(table.clusters[test])
            assert set(table.risky[train]) == set(table.risky[test]) == {True, False}


def test_shuffled_labels_read_nothing(tiny_llama: ChatModel, plant: Any) -> None:
    draw = np.random.default_rng(3)
    examples = _twins(100)
    rows = _Planted(examples, gap=3.0).rows
    order = np.array(
        [2 * pair + (twin ^ flip) for pair, flip in enumerate(draw.integers(0, 2, 100)) for twin in (0, 1)]
    )
    plant(rows[order])  # in half of the pairs the twins have changed places
    found = fit_probe(tiny_llama, examples, layers=[3])
    assert found.twins_auc.low <= 0.5 <= found.twins_auc.high
    assert found.auc.value == pytest.approx(0.5, abs=0.1)
    assert found.brier == pytest.approx(0.25, abs=0.02)


def test_a_probe_of_sources_is_seen_as_one(tiny_llama: ChatModel, plant: Any) -> None:
    """Activations that know only where a prompt is from: far from the plain prompts, nothing on twins."""
    examples = _twins(60) + [Example(str(n), False, "plain", f"q{n}") for n in range(60)]
    rows = np.random.default_rng(4).normal(size=(180, DEPTH, WIDTH)).astype(np.float32)
    rows[120:, :, 0] += 8
    plant(rows)
    found = fit_probe(tiny_llama, examples, layers=[3])
    assert found.sources["plain"].low > 0.9
    assert found.twins_auc.low < 0.5 < found.twins_auc.high
    assert abs(found.twins_ranked - 0.5) < 0.2


def test_the_earliest_of_equals_is_chosen(tiny_llama: ChatModel, plant: Any) -> None:
    examples = _twins(50)
    rows = _Planted(examples, gap=2.0).rows
    rows[:, 1] = rows[:, 3]
    plant(rows)
    found = fit_probe(tiny_llama, examples, layers=[0, 1, 3])
    assert found.vector.layer == 1
    assert found.by_layer[1] == found.by_layer[3]


def test_a_fitted_probe_is_the_same_each_time_and_its_vector_round_trips(
    tiny_llama: ChatModel, tmp_path: Path
) -> None:
    examples = examples_of(load_contrast("refusal"))[:120]
    first, again = (fit_probe(tiny_llama, examples, seed=1) for _ in range(2))
    assert first.scores == again.scores
    assert (first.slope, first.offset, first.auc) == (again.slope, again.offset, again.auc)
    assert torch.equal(first.vector.directions, again.vector.directions)
    save_vector(first.vector, tmp_path / "risk.safetensors")
    back = load_vector(tmp_path / "risk.safetensors")
    assert torch.equal(back.directions, first.vector.directions)
    assert back.meta == first.vector.meta
    assert (back.concept, back.point, back.position) == ("risk", "resid_post", -1)
    assert bool((back.positive > back.negative).all())


def test_risks_of_prompts_are_the_formula_on_captured_activations(tiny_llama: ChatModel) -> None:
    examples = examples_of(load_contrast("refusal"))[:80]
    found = fit_probe(tiny_llama, examples)
    rows = torch.from_numpy(probes._rows(tiny_llama, examples, 1, lambda *_: None))
    vector, layer = found.vector, found.vector.layer
    along = rows[:, layer].double() @ vector.directions[layer].double()
    place = (along - vector.negative[layer].double()) / vector.gap(layer)
    expected = torch.sigmoid(found.slope * place + found.offset).tolist()
    assert risks(tiny_llama, found, [one.turns for one in examples]) == pytest.approx(expected, abs=1e-4)


@pytest.mark.parametrize("method", ["lda", "logistic"])
def test_several_tokens_are_read_as_one_plane(tiny_llama: ChatModel, method: probes.Classifier) -> None:
    """Vectors, slopes and offset say what the classifier on the joined activations says, whatever their signs."""
    examples = examples_of(load_contrast("refusal"))[:120]
    found = fit_probe(tiny_llama, examples, method=method, window=3)
    assert [vector.position for vector, _ in found.before] == [-2, -3]
    layer, width = found.vector.layer, tiny_llama.width
    rows = probes._rows(tiny_llama, examples, 3, lambda *_: None)[:, layer].astype(np.float64)
    table = probes._table(examples)
    fit, _ = planes.best_of(planes.FITS[method], rows, table, planes.splits_of(table, 5, 0))
    told = json.loads(found.vector.meta["estimator_parameters"])
    assert told.get("penalty") == (fit.penalty if isinstance(fit, planes.Regression) else None)
    plane = fit(rows, table)
    odds = np.full(len(rows), found.offset)
    for at, (vector, slope) in enumerate([(found.vector, found.slope), *found.before]):
        along = rows[:, at * width : (at + 1) * width] @ vector.directions[layer].double().numpy()
        odds += slope * (along - float(vector.negative[layer])) / vector.gap(layer)
        assert vector.gap(layer) > 0
    reading = rows @ plane.normal + plane.bias
    slope, offset = np.polyfit(reading, odds, 1)
    assert odds == pytest.approx(slope * reading + offset, abs=1e-4)
    assert slope > 0
    assert risks(tiny_llama, found, [one.turns for one in examples]) == pytest.approx(
        1 / (1 + np.exp(-odds)), abs=1e-4
    )
    with pytest.raises(ContrastError, match="a window of 0"):
        fit_probe(tiny_llama, examples, window=0)


def test_conversations_and_progress(tiny_llama: ChatModel) -> None:
    talk = [{"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Sure"}]
    examples = [one._replace(turns=[*talk, {"role": "user", "content": one.turns}]) for one in _twins(20)]
    seen: list[tuple[int, int]] = []
    found = fit_probe(tiny_llama, examples, layers=[1], progress=lambda *at: seen.append(at))
    assert seen[-1] == (41 + DEPTH, 41 + DEPTH)
    assert seen == sorted(seen)
    assert found.vector.layer == 1


def test_examples_of_a_contrast_set() -> None:
    refusal = examples_of(load_contrast("refusal"))
    assert {one.source for one in refusal} == {"refusal+", "refusal-"}
    assert all(one.risky == (one.source == "refusal+") for one in refusal)
    assert len({one.cluster for one in refusal}) == len(refusal) / 2
    kinds = examples_of(load_contrast("refusal"), by="category")
    assert len({one.cluster for one in kinds}) == 9
    assert [one.pair for one in kinds] == [one.pair for one in refusal]
    assert not any(one.risky for one in examples_of(load_contrast("false-refusal"), None))
    answered = examples_of(
        load_contrast("caveats"), None, source="plain"
    )  # twins differ in their answers only
    assert len(answered) == len({one.turns for one in answered}) == 157
    assert {one.source for one in answered} == {"plain"}
    rows = [
        Row(str(n), f"text {n}", label, "train", f"{n // 2}")
        for n in range(4)
        for label in ("positive", "negative")
    ]
    small = ContrastSet("mine", "more", "less", "", tuple(rows))
    assert {one.cluster for one in examples_of(small)} == {"mine:0", "mine:1"}


def test_what_is_kept_is_drawn_by_pairs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probes, "MAX_ROWS", 30)
    examples = _twins(100) + [Example(str(n), False, "plain", f"q{n}") for n in range(10)]
    kept = probes._drawn(examples, 0)
    assert [one for one in examples if one in kept] == kept
    assert len(kept) == 30 + 30 + 10
    assert {one.cluster for one in kept if one.risky} == {
        one.cluster for one in kept if not one.risky and one.source == "twins"
    }
    assert probes._drawn(examples, 0) == kept != probes._drawn(examples, 1)


def test_one_source_and_no_twins_are_noted(tiny_llama: ChatModel) -> None:
    examples = [one._replace(cluster=str(n)) for n, one in enumerate(_twins(20))]
    found = fit_probe(tiny_llama, examples, layers=[1])
    assert "no twins" in found.note
    assert "all risky requests are from twins" in found.note
    assert found.vector.meta["warning"] == found.note
    assert np.isnan(found.twins_ranked)
    assert np.isnan(found.twins_auc.value)


def test_what_cannot_be_fitted_is_refused(tiny_llama: ChatModel) -> None:
    few = _twins(19)
    with pytest.raises(ContrastError, match=r"19 risky requests.*at least 20"):
        fit_probe(tiny_llama, few)
    with pytest.raises(ContrastError, match="0 benign"):
        fit_probe(tiny_llama, [one._replace(risky=True) for one in _twins(20)])
    with pytest.raises(ContrastError, match="3 clusters of risky requests for 5 folds"):
        fit_probe(tiny_llama, [one._replace(cluster=str(n % 3)) for n, one in enumerate(_twins(20))])
    with pytest.raises(ContrastError, match="method 'svm'"):
        fit_probe(tiny_llama, _twins(20), method="svm")
    with pytest.raises(ContrastError, match="1 folds"):
        fit_probe(tiny_llama, _twins(20), folds=1)
    for layers in ([9], [-1], []):
        with pytest.raises(SiteError, match="layer"):
            fit_probe(tiny_llama, _twins(20), layers=layers)
    with pytest.raises(ContrastError, match="equal"):
        fit_probe(tiny_llama, [one._replace(turns="Hello") for one in _twins(20)], layers=[1])


def test_a_steered_model_is_refused(tiny_llama: ChatModel) -> None:
    with on_layers(tiny_llama.hf, {1: lambda hidden: None}), pytest.raises(SiteError, match="steered"):
        fit_probe(tiny_llama, _twins(20))
    fit_probe(tiny_llama, _twins(20), layers=[1])
