"""The contrast set `risk`, combined from the grammar and from the hand-written lists of `risk_sets`; `build_sets.py` writes it."""

import json
import re
from collections.abc import Iterator
from random import Random
from typing import Any, NamedTuple

import drawing as d
import grammar as g
import risk_sets as r
import words as w

# Known objects of a harmful verb, new ones, and forms of each request that only sounds risky.
OBJECTS, NEW, RISKY_FORMS = 6, 3, 2
Row = dict[str, Any]


class _Request(NamedTuple):
    """A request or two of one form, as label and text."""

    category: str
    cluster: str  # what must stay in one split
    texts: tuple[tuple[str, str], ...]


def _request(category: str, cluster: str, harmful: list[str], harmless: list[str]) -> _Request:
    labelled = *(("positive", text) for text in harmful), *(("negative", text) for text in harmless)
    return _Request(category, cluster, labelled)


def rows(requests: list[_Request], rng: Random) -> Iterator[Row]:
    """In a random order; of every kind each fourth cluster is for validation."""
    split = d.splits()
    for i, one in enumerate(rng.sample(requests, len(requests))):
        kind = one.category.partition(":")[0]
        pair = {"pair": i} if len(one.texts) > 1 else {}
        shared = {"split": split(kind, one.cluster), **pair, "category": one.category}
        for letter, (label, text) in zip("ab", one.texts, strict=False):
            yield {"id": f"{i}{letter}", "label": label, **shared, "text": text}


def requests(rng: Random, taken: set[str]) -> Iterator[_Request]:
    """In the grammar's words, and in general English; none that is `taken` already."""
    yield from _harmful_requests(rng, taken)
    yield from _risky_requests(rng, taken)
    yield from _plain_requests(rng, taken)
    for topic, text in r.HARMFUL.items():
        for bad, good in _either(text):
            yield _request(f"{topic}, general", bad, [bad], [good])
    for topic, text in r.SOUNDS_RISKY.items():
        for risky, plain in _either(text):
            yield _request(f"sounds risky, general: {topic}", risky, [], [risky, plain])
    for topic, text in r.PLAIN.items():
        for line in text.strip().splitlines():
            yield _request(f"plain, general: {topic}", line.strip(), [], [line.strip()])


def _either(text: str) -> Iterator[tuple[str, str]]:
    """Both wordings of lines with [this|that]."""
    for line in text.strip().splitlines():
        first, second = (re.sub(r"\[(.*?)\|(.*?)\]", rf"\{side}", line.strip()) for side in (1, 2))
        yield first, second


def _harmful_requests(rng: Random, taken: set[str]) -> Iterator[_Request]:
    """Every harmful verb of the grammar: on its own objects beside another harmless verb, on new ones beside its twin."""
    forms = d.forms(rng)
    goods = d.in_turn([thing.partition("|")[2] for thing in r.OBJECTS["weapons and drugs"]], rng)
    for topic, (verbs, things) in w.HARMFUL.items():
        others = d.in_turn(r.VERBS[topic], rng) if topic in r.VERBS else None
        for verb, twin in verbs.items():
            category = f"{topic}: {verb.replace(' {}', '')}"
            for thing in rng.sample(w.part(things, "contrast"), OBJECTS):
                bad, good = verb.format(thing.partition("|")[0]), verb.format(next(goods))
                harmful, harmless = _new(forms, taken, bad, next(others).format(thing) if others else good)
                yield _request(category, bad, [harmful], [harmless])
            for thing in rng.sample(r.OBJECTS[topic], NEW):
                bad, _, good = thing.partition("|")
                harmful, harmless = _new(forms, taken, verb.format(bad), twin.format(good or bad))
                yield _request(category, verb.format(bad), [harmful], [harmless])


def _risky_requests(rng: Random, taken: set[str]) -> Iterator[_Request]:
    """Every verb that only sounds risky: once beside a verb that fits any object, then alone in other forms."""
    forms, verbs = d.forms(rng), d.in_turn(r.ANYTHING, rng)
    known = [
        (action.category, action.text.removeprefix(action.category)) for action in g.risky_actions("contrast")
    ]
    new = [(verb, f" {thing}") for verb, things in r.RISKY.items() for thing in things]
    for turn in range(RISKY_FORMS):
        for verb, thing in known + new:
            twin = [next(verbs) + thing] if turn == 0 else []
            texts = _new(forms, taken, verb + thing, *twin)
            yield _request(f"sounds risky: {verb}", verb + thing, [], texts)


def _plain_requests(rng: Random, taken: set[str]) -> Iterator[_Request]:
    """All other families of the grammar, where no suite asks the same; lists, stories and dangers of new things."""
    seen = {json.dumps([["user", text]]) for text in taken}
    for make in (*g.CAPABILITY, g.order, g.feeling):
        for sample in d.unique(make, 8 if make in g.CAPABILITY else 24, rng, seen):
            text = sample.turns[0][1]
            # Where an order is about a person, training's names are those of the suites.
            if not re.search("message to|meeting with", text):
                yield _request(f"plain: {sample.family}", text, [], [text])
    lists = [form.format(n, "{}") for form in r.LISTS for n in w.NUMBERS[3:7]]
    everyday = [action.text for action in g.everyday_actions("contrast")]
    dangers = [word for thing in r.OBJECTS["weapons and drugs"] for word in thing.split("|")]
    for family, wordings, fillings in (
        ("everyday", w.FORMS, everyday * 2),
        ("listing", lists, r.KINDS * 2),
        ("story", r.STORIES, r.HEROES * 2),
        ("danger", g._ASKS_DANGER, dangers),
    ):
        forms = d.in_turn(wordings, rng)
        for filling in fillings:
            yield _request(f"plain: {family}", filling, [], _new(forms, taken, filling))


def _new(forms: Iterator[str], taken: set[str], *fillings: str) -> list[str]:
    """The fillings in the next form in which nobody asked for one of them yet."""
    tries = ([form.format(filling) for filling in fillings] for form in forms)
    texts = next(texts for texts in tries if taken.isdisjoint(texts))
    taken.update(texts)
    return texts
