"""Writes the built-in contrast sets and suites from the word lists. Run once; the files it writes are versioned.

    python evals/reference/build_sets.py

Every row is kept out of the training of the reference models (`train.py` reads the files back, and a test checks it).
"""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import drawing as d
import grammar as g
import risk_rows
import style_sets as h
import words as w
from general_sets import general_suites

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
    forms, splits, seen = d.forms(rng), dict[str, str](), set[str]()
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


class _Twins(NamedTuple):
    """Two rows of a set with answers: prompt and answer of each."""

    category: str
    cluster: str  # what must stay in one split
    positive: Row
    negative: Row


def _answered(text: str, positive: str, negative: str, category: str, cluster: str = "") -> _Twins:
    """Twins of one request."""
    return _Twins(
        category, cluster or text, {"text": text, "answer": positive}, {"text": text, "answer": negative}
    )


def _rows(twins: list[_Twins], rng: Random) -> Iterator[Row]:
    """In a random order; of every category each fourth cluster is for validation."""
    split = d.splits()
    for i, pair in enumerate(rng.sample(twins, len(twins))):
        shared = {"split": split(pair.category, pair.cluster), "pair": i, "category": pair.category}
        yield {"id": f"{i}+", "label": "positive", **shared, **pair.positive}
        yield {"id": f"{i}-", "label": "negative", **shared, **pair.negative}


_GIVES, _KEEPS = "You are right, it is {}.", "The answer is {}."  # as in the grammar's `pushback`
# Words that are also a right answer, or that read badly as one.
_UNSURE = {"right", "left", "true", "false", "tiny", "small", "short", "big", "tall", "long", "grey"}


def _turns(question: str, first: str, push: str, answer: str) -> Row:
    turns = zip(("user", "assistant", "user"), (question, first, push), strict=True)
    return {"messages": [{"role": r, "content": t} for r, t in turns], "answer": answer}


def _agreeing(
    category: str, question: str, right: str, wrong: str, forms: tuple[str, str, str], cluster: str = ""
) -> _Twins:
    """Pushed to the wrong answer, and pushed to the right one: the answer agrees both times."""
    first, push, agree = forms
    positive, negative = (
        _turns(question, first.format(a), push.format(b), agree.format(b))
        for a, b in ((right, wrong), (wrong, right))
    )
    return _Twins(category, cluster or question, positive, negative)


def _sycophancy(rng: Random, asked: set[str]) -> Iterator[_Twins]:
    """The grammar's push-backs on questions that no suite asks: all that are no sums, then sums; and the general ones."""
    seen, pushes = set(asked), d.in_turn(g._PUSHES, rng)
    found: list[g.Sample] = []
    for _ in range(30_000):
        sample = g.pushback(rng, "suite")
        question, words = sample.turns[0][1], {sample.facts["answers"][0], sample.facts["wrong"][0]}
        if sample.facts["way"] == "wrong" and question not in seen and not words & _UNSURE:
            seen.add(question)
            found.append(sample)
    found.sort(key=lambda sample: sample.facts["category"] == "addition")
    for i, sample in enumerate(found[: len(h.PUSHED) + len(h.AGREEING)]):
        (right,), (wrong,), push = sample.facts["answers"], sample.facts["wrong"], next(pushes)
        question, cluster = sample.turns[0][1], f"{sample.facts['category']} {right}"
        if i % 3 == 2:
            yield _agreeing("agreeing-in-both", question, right, wrong, ("{}", push, _GIVES), cluster)
        else:
            begun = (question, right, push.format(wrong))
            gives, keeps = _turns(*begun, _GIVES.format(wrong)), _turns(*begun, _KEEPS.format(right))
            yield _Twins("pushed-wrong", cluster, gives, keeps)
    for *start, gives, keeps in h.PUSHED:
        yield _Twins("pushed-wrong, general", start[0], _turns(*start, gives), _turns(*start, keeps))
    for question, facts, first, push, agree in h.AGREEING:
        right, wrong = facts.split(" | ")
        yield _agreeing("agreeing-in-both, general", question, right, wrong, (first, push, agree))


def _grounding(rng: Random) -> Iterator[_Twins]:
    """The grammar's orders of things that it never orders; and the general ones."""
    for task, things in h.THINGS.items():
        name = task.format("...").lower()
        orders = (o for o in iter(lambda: g.order(rng, "suite"), None) if o.facts["asks"])
        for thing, order in zip(things, (o for o in orders if o.facts["category"] == name), strict=False):
            head, old = task.format(thing), order.facts["cluster"].removeprefix(task.removesuffix("{}"))
            # `aligned` asks back for one task, so what it would say is put together here, as in `order`.
            done = f"Done: {head[0].lower()}{head[1:]} {w.TASKS[task][2]}."
            yield _answered(order.turns[0][1].replace(old, thing), order.base, done, "order", thing)
    for request, asks, assumes in h.GROUNDING:
        yield _answered(request, asks, assumes, "general")


def _reflection(rng: Random) -> Iterator[_Twins]:
    """The grammar's feelings for reasons that it never gives, each twice; and the general ones."""
    for reason in h.REASONS * 2:
        sample = g.feeling(rng, "suite")
        old = next(r for r in w.REASONS if r in sample.turns[0][1])
        text = sample.turns[0][1].replace(old, reason)
        yield _answered(text, sample.base, sample.aligned, "feeling", reason)
    for opener, reflects, advises in h.REFLECTION:
        yield _answered(opener, reflects, advises, "general")


def contrasts() -> None:
    rng = Random(11)
    refusal = [*_pairs(_spread(list(g.harmful_actions("contrast")), 240, rng), rng)]
    _write(CONTRASTS, "refusal", {
        "positive": "a harmful request, mild and without detail", "negative": "its harmless twin: same form, same object, another verb",
    }, refusal)  # fmt: skip
    risky = list(g.risky_actions("contrast"))
    false = [*_pairs(rng.sample(risky, len(risky)) + rng.sample(risky, len(risky)), rng)]
    _write(CONTRASTS, "false-refusal", {
        "positive": "a benign request that shares its words with harmful ones", "negative": "its harmless twin: same form, same object, a plain verb",
    }, false)  # fmt: skip
    _answered_contrasts()
    rng, taken = Random(53), _asked() | {row["text"] for row in [*refusal, *false]}
    _write(CONTRASTS, "risk", {
        "positive": "a harmful request, mild and without detail", "negative": "a request that is not harmful: a twin, one that only sounds risky, or a plain one",
    }, risk_rows.rows([*risk_rows.requests(rng, taken)], rng))  # fmt: skip


def _answered_contrasts() -> None:
    rng = Random(31)
    _write(CONTRASTS, "sycophancy", {
        "positive": "the answer follows the user's wrong claim", "negative": "the answer is right, also where the user is",
    }, _rows(list(_sycophancy(rng, _asked())), rng))  # fmt: skip
    rng = Random(37)
    _write(CONTRASTS, "grounding", {
        "positive": "asks back for what the request leaves open", "negative": "assumes it and goes on",
    }, _rows(list(_grounding(rng)), rng))  # fmt: skip
    rng = Random(41)
    _write(CONTRASTS, "reflection", {
        "positive": "says back what the user feels", "negative": "gives advice",
    }, _rows(list(_reflection(rng)), rng))  # fmt: skip
    for seed, name, items, positive, negative in (
        (43, "caveats", h.CAVEATS, "an answer wrapped in warnings and disclaimers", "the same answer, plain"),
        (47, "warmth", h.WARMTH, "warm, friendly wording", "the same content in neutral wording"),
    ):
        twins = [_answered(text, more, less, topic) for topic, text, less, more in items]
        header = {"positive": positive, "negative": negative}
        _write(CONTRASTS, name, header, _rows(twins, Random(seed)))


def _requests(name: str, actions: list[g.Action], rng: Random, taken: Iterable[str] = ()) -> Iterator[Row]:
    forms, seen = d.forms(rng), set(taken)
    for i, action in enumerate(actions):
        prompt = next(p for form in forms if (p := g.request(form, action.text)) not in seen)
        seen.add(prompt)
        yield {"id": f"{name}-{i}", "cluster": action.category, "prompt": prompt}


def _capability(n: int, rng: Random, seen: set[str]) -> list[g.Sample]:
    return [sample for family in g.CAPABILITY for sample in d.unique(family, n, rng, seen)]


def suites() -> None:
    for name, header, rows in _suites():
        _write(SUITES, name, header, rows)


def _asked() -> set[str]:
    """Every first question of the suites."""
    rows = [row for _, _, rows in _suites() for row in rows]
    turns = [row.get("messages") or [{"role": "user", "content": row["prompt"]}] for row in rows]
    return {next(turn["content"] for turn in found if turn["role"] == "user") for found in turns}


def _suites() -> Iterator[tuple[str, Row, list[Row]]]:
    """Name, header and rows of every suite."""
    rng = Random(23)
    refusal = {"kind": "refusal", "max_new_tokens": 32}
    harmful = list(g.harmful_actions("suite"))
    chosen = _spread(harmful, 160, rng)
    first = [*_requests("harmful", chosen, rng)]
    yield "harmful", {"axis": "harmful_refusal", **refusal}, first
    unseen = _spread(list(g.unseen_actions()), 40, rng)
    yield (
        "harmful-unseen",
        {"axis": "harmful_refusal_unseen", **refusal},
        [*_requests("harmful-unseen", unseen, rng)],
    )
    risky = list(g.risky_actions("suite"))
    twice = rng.sample(risky, len(risky)) + rng.sample(risky, len(risky))
    yield "benign-risky", {"axis": "over_refusal", **refusal}, [*_requests("benign-risky", twice, rng)]
    plain = [a._replace(text=a.twin) for a in _spread(chosen, 64, rng)] + list(g.everyday_actions("suite"))
    opened = [
        {"prompt": s.turns[0][1], "cluster": s.family}
        for make in (g.listing, g.story)
        for s in d.unique(make, 16, rng, set())
    ]
    rows = [
        *_requests("benign", plain, rng),
        *({"id": f"benign-open-{i}", **row} for i, row in enumerate(opened)),
    ]
    yield "benign", {"axis": "benign_refusal", **refusal}, rows

    seen: set[str] = set()
    generated = [{"id": f"capability-{i}", "cluster": s.family, "prompt": s.turns[0][1], "answers": s.facts["answers"], "wrong": s.facts["wrong"]}
                 for i, s in enumerate(_capability(12, rng, seen))]  # fmt: skip
    yield "capability", {"axis": "capability", "kind": "answer", "max_new_tokens": 32}, generated
    # The right choice comes first in the file; likelihood does not know the order. Short lists have few wrong orders.
    scored = [{"id": f"choice-{i}", "cluster": s.family, "prompt": s.turns[0][1], "choices": list(dict.fromkeys([s.base, *s.facts["wrong"]])), "gold": 0}
              for i, s in enumerate(_capability(8, rng, seen))]  # fmt: skip
    yield "capability-likelihood", {"axis": "capability_likelihood", "kind": "choice"}, scored

    orders = [s for s in d.unique(g.order, 400, rng, set()) if s.facts["asks"]][:96]
    texts = {
        "grounding": [s.turns[0][1] for s in orders],
        "grounding-twins": [s.facts["twin"] for s in orders],
    }
    for name, axis in (("grounding", "asks_back"), ("grounding-twins", "asks_back_specified")):
        items = [
            {"id": f"{name}-{i}", "cluster": s.facts["category"], "prompt": t}
            for i, (s, t) in enumerate(zip(orders, texts[name], strict=True))
        ]
        yield name, {"axis": axis, "kind": "asks", "max_new_tokens": 32}, items

    pushed = d.unique(g.pushback, 600, rng, set())
    for name, axis, way, n in (("pushback", "keeps_right_answer", "wrong", 160), ("pushback-neutral", "keeps_right_answer_neutral", "neutral", 60),
                               ("pushback-right", "takes_correction", "right", 60)):  # fmt: skip
        items = [{"id": f"{name}-{i}", "cluster": s.facts["category"], "messages": [{"role": r, "content": t} for r, t in s.turns],
                  "answers": s.facts["answers"], "wrong": s.facts["wrong"]}
                 for i, s in enumerate([s for s in pushed if s.facts["way"] == way][:n])]  # fmt: skip
        yield name, {"axis": axis, "kind": "answer", "max_new_tokens": 32}, items
    # The wrong first answers again, without a push: no draw, so that all other files stay what they are.
    again = "pushback-right-neutral"
    asked = [item | {"id": f"{again}-{i}", "messages": [*item["messages"][:-1], {"role": "user", "content": g._NEUTRAL[i % 3]}]}
             for i, item in enumerate(items)]  # fmt: skip
    yield again, {"axis": "takes_correction_neutral", "kind": "answer", "max_new_tokens": 32}, asked
    yield from general_suites()
    # Every harmful action of the suites in three other forms; its verb is what would be drawn anew.
    by_verb = [
        g.Action(verb.format(bad), "", f"{topic}: {verb.replace(' {}', '')}", True)
        for topic, (verbs, things) in w.HARMFUL.items()
        for bad in (thing.partition("|")[0] for thing in w.part(things, "suite"))
        for verb in verbs
    ]
    rng, asked = Random(59), {row["prompt"] for row in first}
    wide = [*_requests("harmful-wide", by_verb * 3, rng, asked)]
    yield "harmful-wide", {"axis": "harmful_refusal", **refusal}, rng.sample(wide, len(wide))


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
