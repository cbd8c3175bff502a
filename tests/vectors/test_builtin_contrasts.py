"""The built-in contrast sets: twins, large enough, told apart by what they say and not by how long they are."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import steer_vectors.contrast
from steer_vectors.contrast import Example, builtin_contrasts, load_contrast

SIGNS = (*".,!?;:", "'’", '"“”', "-—", "\n")
BOUND = 0.65
TWINS = [name for name in builtin_contrasts() if name != "risk"]  # sets of nothing but twins of both classes
README = Path(steer_vectors.contrast.__file__).parent / "data" / "README.md"


def surface(text: str) -> list[float]:
    """What can be said of a text without reading it."""
    words = text.split()
    return [
        len(text),
        len(words),
        sum(map(len, words)) / len(words),
        *(sum(text.count(sign) for sign in signs) for signs in SIGNS),
        sum(c.isdigit() for c in text),
        sum(c.isupper() for c in text),
    ]


@cache
def auc_of(name: str) -> float:
    return surface_auc(list(load_contrast(name).examples))


def surface_auc(rows: list[Example]) -> float:
    """Mean over ten divisions into five folds that keep pairs whole."""
    features = np.array([surface("\n".join(filter(None, [row.text, row.answer]))) for row in rows])
    labels = np.array([row.label == "positive" for row in rows])
    pairs = np.array([row.pair or row.id for row in rows])
    probe = make_pipeline(StandardScaler(), LogisticRegression())
    found = [
        cross_val_score(probe, features, labels, groups=pairs, scoring="roc_auc",
                        cv=GroupKFold(5, shuffle=True, random_state=seed)).mean()
        for seed in range(10)
    ]  # fmt: skip
    return float(np.mean(found))


@pytest.mark.parametrize("name", TWINS)
def test_classes_are_large_and_made_of_twins(name: str) -> None:
    rows = load_contrast(name).examples
    pairs: dict[str, list[Example]] = defaultdict(list)
    for row in rows:
        pairs[row.pair].append(row)
    for pair in pairs.values():
        assert sorted(row.label for row in pair) == ["negative", "positive"]
        assert len({row.split for row in pair}) == len({row.category for row in pair}) == 1
    for label in ("positive", "negative"):
        by_split = [
            sum((row.label, row.split) == (label, split) for row in rows) for split in ("train", "validation")
        ]
        assert by_split[0] >= 120, "to train on"
        assert by_split[1] >= 30, "to validate on"


@pytest.mark.parametrize("name", builtin_contrasts())
def test_length_and_signs_do_not_tell_the_classes_apart(name: str) -> None:
    auc = auc_of(name)
    print(f"{name}: surface AUC {auc:.3f}")  # pytest -rP shows it; docs in data/README.md
    assert auc < BOUND


def test_the_measure_sees_a_class_that_is_longer() -> None:
    rows = list(load_contrast("warmth").examples)
    longer = [
        row._replace(answer=row.answer + " And so on and on.") if row.label == "positive" else row
        for row in rows
    ]
    assert surface_auc(longer) > BOUND


@pytest.mark.parametrize("name", TWINS)
def test_the_readme_tells_the_files_truth(name: str) -> None:
    contrast = load_contrast(name)
    pairs = {
        split: len({row.pair for row in contrast.examples if row.split == split})
        for split in ("train", "validation")
    }
    page = README.read_text(encoding="utf-8")
    (line,) = (line for line in page.splitlines() if line.startswith(f"| `{name}` |"))
    counts = f"{sum(pairs.values())} ({pairs['train']}, {pairs['validation']})"
    auc = f"{auc_of(name):.2f}".removeprefix("0")
    assert line.endswith(f"| {counts} | {auc} |")
    assert f"All are version {contrast.version}, licence {contrast.licence}." in page


@pytest.mark.parametrize("name", builtin_contrasts())
def test_no_prompt_is_in_both_splits(name: str) -> None:
    splits: dict[str, set[str]] = defaultdict(set)
    for row in load_contrast(name).examples:
        splits[row.text].add(row.split)
    assert all(len(found) == 1 for found in splits.values())


# --- risk: twins, and harmless rows of many kinds besides ---


@cache
def risk() -> tuple[Example, ...]:
    return load_contrast("risk").examples


def kind(row: Example) -> str:
    """Twins, "sounds risky" or "plain", and whether it is general English."""
    name = row.category.split(":")[0].removesuffix(", general")
    found = name if name in ("sounds risky", "plain") else "twins"
    return f"{found}, general" if "general" in row.category else f"{found}, grammar"


def test_risk_has_harmful_requests_among_twins_only() -> None:
    pairs: dict[str, list[Example]] = defaultdict(list)
    for row in risk():
        if row.pair:
            pairs[row.pair].append(row)
    for row in risk():
        twins = pairs.get(row.pair, [row])
        harmful = kind(row).startswith("twins")
        assert sorted(twin.label for twin in twins) == (
            ["negative", "positive"] if harmful else ["negative"] * len(twins)
        )
        assert len({(twin.split, twin.category) for twin in twins}) == 1


def test_risk_has_every_kind_in_both_splits() -> None:
    found = Counter((kind(row), row.split) for row in risk())
    kinds = {name for name, _ in found}
    assert len(kinds) == 6
    for name in kinds:
        share = found[name, "validation"] / (found[name, "validation"] + found[name, "train"])
        assert 0.15 <= share <= 0.35, name
    general = sum(kind(row) == "twins, general" and row.label == "positive" for row in risk())
    assert general >= 150
    assert found["sounds risky, general", "train"] + found["sounds risky, general", "validation"] >= 100
    assert found["plain, general", "train"] + found["plain, general", "validation"] >= 100


def test_risk_asks_nothing_twice() -> None:
    texts = Counter(" ".join(re.findall(r"\w+", row.text.lower())) for row in risk())
    assert max(texts.values()) == 1
    others = {row.text for name in ("refusal", "false-refusal") for row in load_contrast(name).examples}
    assert not others & {row.text for row in risk()}


def test_risk_twins_differ_in_few_words_and_in_no_sign() -> None:
    by_pair: dict[str, list[str]] = defaultdict(list)
    for row in risk():
        if row.pair:
            by_pair[row.pair].append(row.text)
    for one, other in by_pair.values():
        assert one != other
        assert one[-1] == other[-1]
        assert abs(len(one.split()) - len(other.split())) <= 5, (one, other)


def test_the_readme_counts_risk() -> None:
    page = README.read_text(encoding="utf-8").partition("For risk probes")[2]
    counts = Counter((kind(row), row.label, bool(row.pair)) for row in risk())
    for name in {kind(row) for row in risk()}:
        words = "only sounds risky" if name.startswith("sounds") else name.split(",")[0]
        (line,) = (
            line for line in page.splitlines() if line.startswith(f"| {words}, {name.split(', ')[1]} |")
        )
        numbers = [int(number) for number in re.findall(r"\d+", line.partition("`")[0])]
        assert sum(numbers) == sum(count for (which, _, _), count in counts.items() if which == name), name
    splits = Counter(row.split for row in risk())
    assert f"{len(risk()):,} requests" in page
    assert f"{splits['train']:,} to train on and {splits['validation']} for validation" in page
    assert f"Surface AUC of the whole: {auc_of('risk'):.2f}".replace("0.", ".") in page
