"""Writes the built-in contrast sets and suites from the word lists. Run once; the files it writes are versioned.

    python evals/reference/build_sets.py

Every row is kept out of the training of the reference models (`train.py` reads the files back, and a test checks it).
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any

import grammar as g
import words as w

ROOT = Path(__file__).parents[1]
CONTRASTS = ROOT.parent / "vectors/steer_vectors/data"
SUITES = ROOT / "steer_evals/data/suites"
LICENCE = "Apache-2.0"

Row = dict[str, Any]


def _write(folder: Path, name: str, header: dict[str, Any], rows: Iterable[Row]) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    lines = [json.dumps(row, ensure_ascii=False) for row in rows]
    (folder / f"{name}.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    head = {"name": name, "version": 1, "licence": LICENCE, "source": "written for steerdial", **header}
    toml = "\n".join(f"{key} = {json.dumps(value)}" for key, value in head.items())
    (folder / f"{name}.toml").write_text(toml + "\n", encoding="utf-8")
    print(f"{name}: {len(lines)} rows")


def _spread(actions: list[g.Action], n: int, rng: Random) -> list[g.Action]:
    """`n` actions, as many from each category as possible."""
    groups: dict[str, list[g.Action]] = {}
    for action in rng.sample(actions, len(actions)):
        groups.setdefault(action.category, []).append(action)
    turns = (group[i] for i in range(len(actions)) for group in groups.values() if i < len(group))
    return [action for action, _ in zip(turns, range(n), strict=False)]


def _pairs(actions: list[g.Action], rng: Random) -> Iterator[Row]:
    forms, splits, seen = _forms(rng), dict[str, str](), set[str]()
    for i, action in enumerate(actions):
        form = next(forms)
        # Whole pairs go to one split, every fourth action to validation in all its forms; no pair comes twice.
        split = splits.setdefault(action.text, "validation" if i % 4 == 3 else "train")
        if g.request(form, action.text) in seen:
            continue
        seen.add(g.request(form, action.text))
        shared = {"split": split, "pair": i, "category": action.category}
        yield {"id": f"{i}+", "label": "positive", **shared, "text": g.request(form, action.text)}
        yield {"id": f"{i}-", "label": "negative", **shared, "text": g.request(form, action.twin)}


def _forms(rng: Random) -> Iterator[str]:
    """Forms in a random order, each used once before any is used again."""
    while True:
        yield from rng.sample(w.FORMS, len(w.FORMS))


def contrasts() -> None:
    rng = Random(11)
    refusal = _spread(list(g.harmful_actions("contrast")), 240, rng)
    _write(CONTRASTS, "refusal", {
        "positive": "a harmful request, mild and without detail", "negative": "its harmless twin: same form, same object, another verb",
    }, _pairs(refusal, rng))  # fmt: skip
    risky = list(g.risky_actions("contrast"))
    _write(CONTRASTS, "false-refusal", {
        "positive": "a benign request that shares its words with harmful ones", "negative": "its harmless twin: same form, same object, a plain verb",
    }, _pairs(rng.sample(risky, len(risky)) + rng.sample(risky, len(risky)), rng))  # fmt: skip


def _requests(name: str, actions: list[g.Action], rng: Random) -> Iterator[Row]:
    forms, seen = _forms(rng), set[str]()
    for i, action in enumerate(actions):
        prompt = next(p for form in forms if (p := g.request(form, action.text)) not in seen)
        seen.add(prompt)
        yield {"id": f"{name}-{i}", "cluster": action.category, "prompt": prompt}


def _unique(make: Any, n: int, rng: Random, seen: set[str]) -> list[g.Sample]:
    """Up to `n` samples with distinct prompts; small families (twelve months, say) run out earlier."""
    found: list[g.Sample] = []
    for _ in range(40 * n):
        if len(found) == n:
            break
        sample = make(rng, "suite")
        key = json.dumps(sample.turns)
        if key not in seen:
            seen.add(key)
            found.append(sample)
    return found


def _capability(n: int, rng: Random, seen: set[str]) -> list[g.Sample]:
    return [sample for family in g.CAPABILITY for sample in _unique(family, n, rng, seen)]


def suites() -> None:
    rng = Random(23)
    refusal = {"kind": "refusal", "max_new_tokens": 32}
    harmful = list(g.harmful_actions("suite"))
    chosen = _spread(harmful, 160, rng)
    _write(SUITES, "harmful", {"axis": "harmful_refusal", **refusal}, _requests("harmful", chosen, rng))
    unseen = _spread(list(g.unseen_actions()), 40, rng)
    _write(
        SUITES,
        "harmful-unseen",
        {"axis": "harmful_refusal_unseen", **refusal},
        _requests("harmful-unseen", unseen, rng),
    )
    risky = list(g.risky_actions("suite"))
    twice = rng.sample(risky, len(risky)) + rng.sample(risky, len(risky))
    _write(SUITES, "benign-risky", {"axis": "over_refusal", **refusal}, _requests("benign-risky", twice, rng))
    plain = [a._replace(text=a.twin) for a in _spread(chosen, 64, rng)] + list(g.everyday_actions("suite"))
    opened = [
        {"prompt": s.turns[0][1], "cluster": s.family}
        for make in (g.listing, g.story)
        for s in _unique(make, 16, rng, set())
    ]
    rows = [
        *_requests("benign", plain, rng),
        *({"id": f"benign-open-{i}", **row} for i, row in enumerate(opened)),
    ]
    _write(SUITES, "benign", {"axis": "benign_refusal", **refusal}, rows)

    seen: set[str] = set()
    generated = [{"id": f"capability-{i}", "cluster": s.family, "prompt": s.turns[0][1], "answers": s.facts["answers"], "wrong": s.facts["wrong"]}
                 for i, s in enumerate(_capability(12, rng, seen))]  # fmt: skip
    _write(SUITES, "capability", {"axis": "capability", "kind": "answer", "max_new_tokens": 32}, generated)
    # The right choice comes first in the file; likelihood does not know the order. Short lists have few wrong orders.
    scored = [{"id": f"choice-{i}", "cluster": s.family, "prompt": s.turns[0][1], "choices": list(dict.fromkeys([s.base, *s.facts["wrong"]])), "gold": 0}
              for i, s in enumerate(_capability(8, rng, seen))]  # fmt: skip
    _write(SUITES, "capability-likelihood", {"axis": "capability_likelihood", "kind": "choice"}, scored)

    orders = [s for s in _unique(g.order, 400, rng, set()) if s.facts["asks"]][:96]
    texts = {
        "grounding": [s.turns[0][1] for s in orders],
        "grounding-twins": [s.facts["twin"] for s in orders],
    }
    for name, axis in (("grounding", "asks_back"), ("grounding-twins", "asks_back_specified")):
        items = [
            {"id": f"{name}-{i}", "cluster": s.facts["category"], "prompt": t}
            for i, (s, t) in enumerate(zip(orders, texts[name], strict=True))
        ]
        _write(SUITES, name, {"axis": axis, "kind": "asks", "max_new_tokens": 32}, items)

    pushed = _unique(g.pushback, 600, rng, set())
    for name, axis, way, n in (("pushback", "keeps_right_answer", "wrong", 160), ("pushback-neutral", "keeps_right_answer_neutral", "neutral", 60),
                               ("pushback-right", "takes_correction", "right", 60)):  # fmt: skip
        items = [{"id": f"{name}-{i}", "cluster": s.facts["category"], "messages": [{"role": r, "content": t} for r, t in s.turns],
                  "answers": s.facts["answers"], "wrong": s.facts["wrong"]}
                 for i, s in enumerate([s for s in pushed if s.facts["way"] == way][:n])]  # fmt: skip
        _write(SUITES, name, {"axis": axis, "kind": "answer", "max_new_tokens": 32}, items)


def held_out() -> set[str]:
    """Every prompt of the built-in sets: all turns of the conversation, one a line."""
    prompts: set[str] = set()
    for path in sorted([*CONTRASTS.glob("*.jsonl"), *SUITES.glob("*.jsonl")]):
        for line in path.read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            prompts.add(
                "\n".join(m["content"] for m in row["messages"])
                if "messages" in row
                else row.get("prompt") or row["text"]
            )
    return prompts


if __name__ == "__main__":
    contrasts()
    suites()
