"""Laws of adding, subtracting and orthogonalising directions; cosines and angles against NumPy and SciPy."""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from steer_vectors.arithmetic import Comparison, add, compare, orthogonalise, principal_angles, subtract
from steer_vectors.contrast import from_prompts
from steer_vectors.errors import MismatchError, SiteError, VectorFileError
from steer_vectors.extract import extract
from steer_vectors.figures import cosine_heatmap
from steer_vectors.file import METADATA_KEYS, Vector, load_vector, save_vector
from steer_vectors.models import ChatModel

LAYERS, WIDTH = 4, 12
META = dict.fromkeys(METADATA_KEYS, "") | {
    "format": "steerdial-vector",
    "format_version": "1",
    "model": "a-model",
    "fingerprint": "f" * 64,
    "chat_template": "none",
    "width": str(WIDTH),
    "layers": str(LAYERS),
    "layer": "1",
    "position": "-2",
    "point": "resid_post",
    "processing": "raw",
    "licence": "CC0-1.0",
}


def made(seed: int, concept: str = "", **meta: str) -> Vector:
    draw = torch.Generator().manual_seed(seed)
    directions = torch.nn.functional.normalize(torch.randn(LAYERS, WIDTH, generator=draw), dim=-1)
    negative = torch.randn(LAYERS, generator=draw)
    gap = 0.5 + 3 * torch.rand(LAYERS, generator=draw)
    about = {"concept": concept or f"c{seed}", "what_plus": f"plus {seed}", "what_minus": f"minus {seed}"}
    return Vector(directions, negative + gap, negative, META | about | meta)


def displacement(vector: Vector) -> Tensor:
    """What strength 1 adds, `[l, d]` float64."""
    return (vector.positive - vector.negative).double()[:, None] * vector.directions.double()


def close(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one.double(), other.double(), rtol=1e-4, atol=1e-5)


def same(one: Vector, other: Vector) -> None:
    for name in ("directions", "positive", "negative"):
        close(getattr(one, name), getattr(other, name))


SEEDS = st.integers(0, 10_000)


@settings(max_examples=50, deadline=None)
@given(a=SEEDS, b=SEEDS, first=st.floats(-4, 4), second=st.floats(0.1, 4))
def test_strength_1_of_a_sum_adds_the_sum(a: int, b: int, first: float, second: float) -> None:
    one, other = made(a), made(b + 20_000)
    summed = add(one, other, weights=(first, second))
    close(displacement(summed), first * displacement(one) + second * displacement(other))
    apart = subtract(one, other, weights=(first, second))
    close(displacement(apart), first * displacement(one) - second * displacement(other))


@settings(max_examples=30, deadline=None)
@given(a=SEEDS, b=SEEDS)
def test_adding_and_taking_away_again_changes_nothing(a: int, b: int) -> None:
    one, other = made(a), made(b + 20_000)
    same(subtract(add(one, other), other), one)
    same(add(subtract(one, other), other), one)
    same(add(one), one)


def test_order_and_brackets_do_not_matter() -> None:
    a, b, c = made(1), made(2), made(3)
    same(add(a, b, c), add(c, a, b))
    same(add(add(a, b), c), add(a, add(b, c)))
    same(add(a, b, weights=(2, 3)), add(add(a, a), add(b, b, b)))
    same(subtract(a, b), add(a, b, weights=(1, -1)))


def test_the_means_are_the_places_of_an_activation_that_is_negative_in_every_operand() -> None:
    """Against the definition: an activation that projects as each negative class does, found by least squares."""
    a, b, c = made(1), made(2), made(3)
    results = (add(a, b, weights=(2, 0.5)), subtract(a, c), orthogonalise(a, [b, c]))
    for result, operands in zip(results, ((a, b), (a, c), (a, b, c)), strict=True):
        for layer in range(LAYERS):
            known = np.stack([v.directions[layer].double().numpy() for v in operands])
            places = np.array([float(v.negative[layer]) for v in operands])
            found = np.linalg.lstsq(known, places, rcond=None)[0]
            unit = result.directions[layer].double().numpy()
            assert float(result.negative[layer]) == pytest.approx(unit @ found, rel=1e-4, abs=1e-5)
            moved = found + displacement(result)[layer].numpy()
            assert float(result.positive[layer]) == pytest.approx(unit @ moved, rel=1e-4, abs=1e-5)


@settings(max_examples=50, deadline=None)
@given(
    a=SEEDS.filter(lambda seed: seed != 9),
    count=st.integers(1, 5),
    near=st.sampled_from([1.0, 1e-2, 1e-4, 0.0]),
)
def test_orthogonal_at_every_layer(a: int, count: int, near: float) -> None:
    """Also to directions that are nearly or exactly parallel to each other."""
    vector, others = made(a), [made(30_000 + seed) for seed in range(count)]
    mixed = others[0].directions + near * made(9).directions
    twin = dataclasses.replace(others[0], directions=torch.nn.functional.normalize(mixed, dim=-1))
    result = orthogonalise(vector, [*others, twin])
    for other in (*others, twin):
        products = (result.directions.double() * other.directions.double()).sum(-1)
        assert float(products.abs().max()) < 3e-6
    # What is left points along the old direction as much as it is long: it is its projection.
    share = (result.directions.double() * vector.directions.double()).sum(-1)
    gap = (vector.positive - vector.negative).double()
    close((result.positive - result.negative).double(), gap * share)


def test_orthogonalising_twice_or_against_what_is_orthogonal_changes_nothing() -> None:
    a, b, c = made(1), made(2), made(3)
    once = orthogonalise(a, [b])
    same(orthogonalise(a, [b, b]), once)
    close(orthogonalise(once, [b]).directions, once.directions)
    close(displacement(orthogonalise(once, [b])), displacement(once))
    same(orthogonalise(a, [b, c]), orthogonalise(a, [c, b]))


def test_orthogonalising_agrees_with_scipy() -> None:
    a, b, c = made(1), made(2), made(3)
    result = orthogonalise(a, [b, c])
    for layer in range(LAYERS):
        basis = scipy.linalg.orth(np.stack([v.directions[layer].double().numpy() for v in (b, c)], axis=1))
        unit = a.directions[layer].double().numpy()
        left = unit - basis @ (basis.T @ unit)
        np.testing.assert_allclose(result.directions[layer].numpy(), left / np.linalg.norm(left), atol=1e-6)
        np.testing.assert_allclose(result.gap(layer), a.gap(layer) * np.linalg.norm(left), rtol=1e-5)


def test_a_result_is_a_vector_that_says_what_it_is(tmp_path: Path) -> None:
    a, b = made(1, "refusal"), made(2, "false-refusal", layer="3", licence="MIT", warning="no site passed")
    result = subtract(a, b)
    save_vector(result, tmp_path / "v.safetensors")
    back = load_vector(tmp_path / "v.safetensors")
    assert torch.equal(back.directions, result.directions)
    assert (back.concept, back.layer, back.position, back.point) == (
        "refusal - false-refusal",
        1,
        -2,
        "resid_post",
    )
    assert (back.meta["what_plus"], back.meta["what_minus"]) == ("plus 1; minus 2", "minus 1; plus 2")
    assert (back.scores, back.meta["licence"], back.absent) == ({}, "CC0-1.0 AND MIT", [])
    assert back.meta["fingerprint"] == a.meta["fingerprint"]
    assert "not validated by causal effect; false-refusal: no site passed" in back.meta["warning"]
    said = json.loads(back.meta["estimator_parameters"])
    assert (back.meta["estimator"], said["operation"]) == ("arithmetic", "subtract")
    for vector, operand in zip((a, b), said["operands"], strict=True):
        save_vector(vector, tmp_path / "operand.safetensors")
        digest = hashlib.sha256((tmp_path / "operand.safetensors").read_bytes()).hexdigest()
        assert (operand["concept"], operand["sha256"]) == (vector.concept, digest)
    assert [operand["weight"] for operand in said["operands"]] == [1, -1]


@pytest.mark.parametrize(
    ("make", "concept"),
    [
        (lambda a, b, c: add(a, b, weights=(0.5, 2)), "0.5 * a + 2 * b"),
        (lambda a, b, c: add(a, b, weights=(-1, 1)), "- a + b"),
        (lambda a, b, c: subtract(a, add(b, c)), "a - (b + c)"),
        (lambda a, b, c: orthogonalise(add(a, b), [c]), "(a + b) without c"),
        (lambda a, b, c: add(orthogonalise(a, [b, c]), b), "(a without b, c) + b"),
    ],
)
def test_names_are_formulas(make: Callable[[Vector, Vector, Vector], Vector], concept: str) -> None:
    assert make(made(1, "a"), made(2, "b"), made(3, "c")).concept == concept


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"fingerprint": "e" * 64}, "weights ffffffffffff and"),
        ({"chat_template": "t" * 64}, "chat template none"),
        ({"point": "mlp_out"}, "point resid_post"),
        ({"processing": "transformer_lens"}, "processing raw"),
        ({"layers": "3"}, "layers 4"),
        ({"width": "5"}, "width 12"),
    ],
)
def test_vectors_of_different_models_are_refused(change: dict[str, str], word: str) -> None:
    a, b = made(1), made(2, **change)
    if "layers" in change or "width" in change:
        shape = (int(b.meta["layers"]), int(b.meta["width"]))
        whole = torch.nn.functional.normalize(torch.ones(shape), dim=-1)
        b = Vector(whole, torch.ones(shape[0]), torch.zeros(shape[0]), b.meta)
    operations: list[Callable[[], object]] = [
        lambda: add(a, b),
        lambda: subtract(a, b),
        lambda: orthogonalise(a, [b]),
        lambda: compare([a, b]),
        lambda: principal_angles([a], [b]),
    ]
    for operation in operations:
        with pytest.raises(MismatchError, match=word) as caught:
            operation()
        assert "\n" not in str(caught.value)


def test_what_cancels_is_refused() -> None:
    a, b = made(1), made(2)
    turned = dataclasses.replace(a, directions=-a.directions)
    for make in (
        lambda: subtract(a, a),
        lambda: add(a, turned),
        lambda: add(a, b, weights=(0, 0)),
        lambda: orthogonalise(a, [a]),
        lambda: orthogonalise(a, [turned, b]),
        lambda: orthogonalise(add(a, b), [a, b]),
    ):
        with pytest.raises(VectorFileError, match="nothing is left at layer 1"):
            make()


def test_what_float32_cannot_hold_is_nothing() -> None:
    """Two vectors so alike that the class means of their difference lie too far out to keep their distance."""
    a = made(1)
    near = torch.nn.functional.normalize(a.directions + 1e-4 * made(2).directions, dim=-1)
    b = dataclasses.replace(a, directions=near, negative=a.negative + 50, positive=a.positive + 50)
    with pytest.raises(VectorFileError, match="nothing is left"):
        subtract(a, b)


def test_layers_where_operands_cancel_are_absent() -> None:
    a, b = made(1), made(2)
    directions = b.directions.clone()
    directions[2] = -a.directions[2]
    positive = b.positive.clone()
    positive[2] = b.negative[2] + (a.positive - a.negative)[2]
    result = add(a, dataclasses.replace(b, directions=directions, positive=positive))
    assert result.absent == [2]
    assert result.gap(2) == 0
    assert torch.equal(result.directions[2], result.directions[1])
    assert math.isnan(float(compare([a, result]).cosines[2, 0, 1]))


def test_layers_that_an_operand_lacks_are_absent() -> None:
    a, b = made(1), made(2, absent_layers="[0, 3]")
    for result in (add(a, b), subtract(b, a), orthogonalise(a, [b])):
        assert result.absent == [0, 3]
    with pytest.raises(VectorFileError, match="nothing is left at layer 1"):
        add(a, made(2, absent_layers="[1]"))
    angles = principal_angles([a], [b])
    assert [bool(layer.isnan().all()) for layer in angles] == [True, False, False, True]


def test_a_vector_with_a_reading_of_its_own_is_compared_but_not_combined() -> None:
    a = made(1)
    reader = dataclasses.replace(made(2), read=torch.randn(LAYERS, WIDTH))
    assert not compare([a, reader]).cosines.isnan().any()
    for make in (lambda: add(a, reader), lambda: subtract(reader, a), lambda: orthogonalise(a, [reader])):
        with pytest.raises(VectorFileError, match="c2, whose class means were read along another direction"):
            make()


@pytest.mark.parametrize("weights", [(1,), (1, 2, 3), (1, math.inf), (math.nan, 1), ()])
def test_weights_that_do_not_fit(weights: tuple[float, ...]) -> None:
    with pytest.raises(VectorFileError, match="weights"):
        add(made(1), made(2), weights=weights)


def test_nothing_to_work_on() -> None:
    for make in (
        lambda: add(),
        lambda: orthogonalise(made(1), []),
        lambda: compare([made(1)]),
        lambda: compare([made(1), made(2)], ["one"]),
        lambda: principal_angles([made(1)], []),
    ):
        with pytest.raises(VectorFileError):
            make()


PAIRS = {"love": (["I love this"], ["I hate this"]), "cats": (["A cat sat"], ["A dog sat"])}


def test_on_extracted_vectors(tiny_llama: ChatModel) -> None:
    """The class gap of an orthogonalised mean difference is what the class means measure along it."""
    love, cats = (
        extract(tiny_llama, from_prompts(*texts, name=name), layer=1, position=-1)
        for name, texts in PAIRS.items()
    )
    result = orthogonalise(love, [cats])
    measured = (displacement(love) * result.directions.double()).sum(-1)  # <mu+ - mu-, d>
    close((result.positive - result.negative).double(), measured)
    assert result.absent == []


# --- comparing ---


def test_cosines_agree_with_numpy() -> None:
    vectors = [made(seed) for seed in range(4)]
    found = compare(vectors)
    assert (found.names, found.layer) == (("c0", "c1", "c2", "c3"), 1)
    stacked = np.stack([v.directions.double().numpy() for v in vectors])
    for layer in range(LAYERS):
        reference = stacked[:, layer] @ stacked[:, layer].T
        np.testing.assert_allclose(found.at(layer).numpy(), reference, atol=1e-6)
    torch.testing.assert_close(
        found.cosines.diagonal(dim1=1, dim2=2), torch.ones(LAYERS, 4, dtype=torch.float64)
    )
    assert torch.equal(found.at(), found.at(1))
    for pair in found.spreads():
        i, j = found.names.index(pair.first), found.names.index(pair.second)
        values = found.cosines[:, i, j].numpy()
        assert (pair.low, pair.median, pair.high) == pytest.approx(
            (values.min(), np.median(values), values.max())
        )
    assert len(found.spreads()) == 6
    for layer in (-1, LAYERS):
        with pytest.raises(SiteError, match=f"layer {layer}"):
            found.at(layer)


@settings(max_examples=50, deadline=None)
@given(
    first=st.lists(SEEDS, min_size=1, max_size=4, unique=True),
    second=st.lists(SEEDS, min_size=1, max_size=4, unique=True),
    near=st.sampled_from([1.0, 1e-3, 1e-5]),
)
def test_principal_angles_agree_with_scipy(first: list[int], second: list[int], near: float) -> None:
    ours = [made(seed) for seed in first]
    mixed = [torch.nn.functional.normalize(made(at).directions + near * made(s + 50_000).directions, dim=-1)
             for at, s in zip(first, second, strict=False)]  # fmt: skip
    theirs = [dataclasses.replace(made(s), directions=d) for s, d in zip(second, mixed, strict=False)]
    for layer, angles in enumerate(principal_angles(ours, theirs)):
        columns = [
            np.stack([v.directions[layer].double().numpy() for v in side], 1) for side in (ours, theirs)
        ]
        reference = np.rad2deg(np.sort(scipy.linalg.subspace_angles(*columns)))
        np.testing.assert_allclose(angles.numpy(), reference, atol=1e-6)


def test_principal_angles_of_simple_spaces() -> None:
    a, b = made(1), orthogonalise(made(2), [made(1)])
    turned = dataclasses.replace(a, directions=-a.directions)
    for layer in range(LAYERS):
        assert principal_angles([a], [b])[layer].tolist() == pytest.approx([90], abs=1e-3)
        assert principal_angles([a], [turned])[layer].tolist() == pytest.approx([0], abs=1e-6)
        assert principal_angles([a, b], [b, a, a])[layer].tolist() == pytest.approx([0, 0], abs=1e-3)


# --- the picture ---


def test_the_heat_map_is_a_picture_and_always_the_same() -> None:
    found = compare([made(1), made(2), made(3, absent_layers="[0]")], ["a $name", "[b]", "x" * 200])
    png = cosine_heatmap(found)
    assert png.startswith(b"\x89PNG\r\n")
    assert png == cosine_heatmap(found)
    assert png != cosine_heatmap(found, layer=2)
    svg = cosine_heatmap(found, layer=0, kind="svg")
    assert b"<svg" in svg
    assert svg == cosine_heatmap(found, layer=0, kind="svg")
    with pytest.raises(SiteError):
        cosine_heatmap(found, layer=LAYERS)


def test_the_heat_map_writes_each_cosine_into_its_cell(monkeypatch: pytest.MonkeyPatch) -> None:
    written: list[str] = []
    from matplotlib.axes import Axes

    original = Axes.text
    monkeypatch.setattr(
        Axes, "text", lambda self, x, y, s, **more: (written.append(s), original(self, x, y, s, **more))[1]
    )
    cosines = torch.tensor(
        [[[1, -0.25, 0.004], [-0.25, 1, math.nan], [-0.004, math.nan, 1]]], dtype=torch.float64
    )
    cosine_heatmap(Comparison(("a", "b", "c"), 0, cosines))
    assert written == ["1.00", "−0.25", "0.00", "−0.25", "1.00", "none", "0.00", "none", "1.00"]
