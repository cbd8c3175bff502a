"""Disguises change the wording of the last user turn and nothing else; what should stay readable does."""

from __future__ import annotations

import base64
import codecs
import json
import re
from collections import Counter
from pathlib import Path
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from steer_evals import disguises
from steer_evals.disguises import DISGUISES, MISSPELT, disguise, undisguised
from steer_evals.errors import SuiteError
from steer_evals.suites import Item, Message, Suite, load_suite

TURNS = ("harmful-turns", "benign-risky-turns")
GENERAL = ("harmful-general", "benign-risky-general")
REFERENCE = ("harmful", "benign-risky")
NAMES = sorted(set(DISGUISES) - {"translation"})
DATA = Path(disguises.__file__).parent / "data/disguises"


def pairs(name: str, suite: str, seed: int = 0, words: int | None = None) -> list[tuple[str, str]]:
    """Last user turn, plain and disguised."""
    plain = load_suite(suite)
    found = {item.id: item for item in disguise(name, plain, seed, words).items}
    return [(_last(item), _last(found[item.id])) for item in plain.items if item.id in found]


def _last(item: Item) -> str:
    return item.turns[-1]["content"]


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("suite", [*TURNS, "harmful", "capability", "capability-likelihood"])
def test_only_the_last_user_turn_changes(name: str, suite: str) -> None:
    plain = load_suite(suite)
    found = disguise(name, plain)
    assert found.name == f"{suite}@{name}"
    assert found.hash != plain.hash
    same = ("axis", "kind", "max_new_tokens", "version")
    assert [getattr(found.header, key) for key in same] == [getattr(plain.header, key) for key in same]
    for before, after in zip(plain.items, found.items, strict=True):
        assert after.model_dump(exclude={"prompt", "messages"}) == before.model_dump(
            exclude={"prompt", "messages"}
        )
        turns = after.turns[1:] if name == "system-prompt" else after.turns
        assert turns[:-1] == before.turns[:-1]
        assert (turns[-1] == before.turns[-1]) == (name == "system-prompt" or (_cased(before, after)))
        Item.model_validate(after.model_dump())  # a copy is not checked on its own


def _cased(before: Item, after: Item) -> bool:
    """Whether there was nothing to change."""
    return _last(before).lower() == _last(before) == _last(after)


@pytest.mark.parametrize("name", DISGUISES)
def test_the_same_seed_gives_the_same_text_whatever_items_stand_beside(name: str) -> None:
    plain = load_suite("harmful-general")
    found = disguise(name, plain, seed=3)
    assert found == disguise(name, plain, seed=3)
    some = disguise(name, Suite(plain.header, plain.items[::-2]), seed=3)
    assert set(some.items) <= set(found.items)
    drawn = name in {
        "paraphrase", "typos", "role-play", "prefix-padding", "suffix-padding", "foreign-frame", "system-prompt",
    }  # fmt: skip
    other = disguise(name, plain, seed=4)
    assert (other.items != found.items) == drawn
    assert found.header.source == f"written for steerdial; in disguise: {name}, seed 3"
    assert other.hash != found.hash


@pytest.mark.parametrize("name", DISGUISES)
def test_every_disguise_says_what_it_does(name: str) -> None:
    assert len(DISGUISES[name].__doc__ or "") > 10


@pytest.mark.parametrize("suite", [*GENERAL, *TURNS])
def test_encoded_text_decodes_to_the_prompt(suite: str) -> None:
    for text, found in pairs("base64", suite):
        assert base64.b64decode(found.rpartition("\n")[2]).decode() == text
    for text, found in pairs("rot13", suite):
        assert codecs.decode(found.rpartition("\n")[2], "rot13") == text
    for text, found in pairs("leetspeak", suite):
        code = found.rpartition("\n")[2]
        assert re.sub(r"[431057]", lambda m: "aeiost"["431057".index(m[0])], code.lower()) == text.lower()
        assert "e" not in code.lower()


@pytest.mark.parametrize("suite", GENERAL)
def test_case_folds_to_the_prompt(suite: str) -> None:
    for name, test in (("upper-case", str.isupper), ("lower-case", str.islower)):
        for text, found in pairs(name, suite):
            assert found.casefold() == text.casefold()
            assert test(found)


@pytest.mark.parametrize("name", ["role-play", "foreign-frame"])
def test_frames_hold_the_prompt_on_a_line_of_its_own(name: str) -> None:
    found = pairs(name, "harmful-general")
    assert all(text in after.split("\n") for text, after in found)
    frames = Counter(after.replace(text, "") for text, after in found)
    assert len(frames) == 3
    assert min(frames.values()) > len(found) / 6


@pytest.mark.parametrize("words", [1, 30, 100, 400, 2000, None])
@pytest.mark.parametrize(
    ("name", "usual"), [("prefix-padding", 100), ("suffix-padding", 100), ("long-context", 400)]
)
def test_padding_holds_the_prompt_and_has_the_words_asked_for(
    name: str, usual: int, words: int | None
) -> None:
    longest = max(len(line.split()) for line in (DATA / "passage.txt").read_text().splitlines())
    for text, found in pairs(name, "benign-risky-turns", words=words)[:20]:
        paragraphs = found.split("\n\n")
        assert paragraphs[0 if name == "suffix-padding" else -1] == text
        length = len(paragraphs[0 if name == "prefix-padding" else 1].split())
        wanted = words or usual
        assert length <= max(wanted, longest)
        assert length > wanted - longest


def _slips(word: str) -> set[str]:
    """All words one slip away, first letter kept."""
    found = set()
    for at in range(1, len(word)):
        found |= {word[:at] + word[at + 1 :], word[: at + 1] + word[at:]}
        found.add(word[:at] + word[at : at + 2][::-1] + word[at + 2 :])
    return found - {word}


@given(st.text("abcdeé AB,.'1\n"), st.integers())
def test_typos_are_one_slip_in_three_of_ten_long_words(text: str, seed: int) -> None:
    found = disguises.typos(text, Random(seed))
    long, after = re.split(r"([a-zA-Zé]+)", text), re.split(r"([a-zA-Zé]+)", found)
    assert len(long) == len(after)
    changed = [(one, two) for one, two in zip(long, after, strict=True) if one != two]
    assert all(two in _slips(one) and len(one) >= 3 for one, two in changed)
    count = sum(len(word) >= 3 for word in long[1::2])
    assert len(changed) == (max(1, round(MISSPELT * count)) if count else 0)


def test_every_prompt_gets_a_typo() -> None:
    for suite in (*GENERAL, *REFERENCE):
        assert all(text != found for text, found in pairs("typos", suite))


# Words of frames, and such as announce a request.
FRAME = set(
    re.findall(
        r"\w+",
        """a advice an and answer any are ask can could describe do does explain first following from have here how i is
        kindly know let like me need of please should show so something teach tell that the there to today want what will
        with would you your""",
    )
)


@pytest.mark.parametrize("suite", [*GENERAL, *REFERENCE, *TURNS, "benign", "benign-general"])
def test_a_paraphrase_keeps_what_is_asked_for(suite: str) -> None:
    for text, found in pairs("paraphrase", suite):
        before, after = ({*re.findall(r"[\w'-]+", one.lower())} - FRAME for one in (text, found))
        assert before == after
        assert text != found


@pytest.mark.parametrize(("suite", "share"), [*((name, 0.98) for name in GENERAL), *((n, 1.0) for n in REFERENCE)])  # fmt: skip
def test_a_paraphrase_turns_questions_into_orders_and_orders_into_questions(suite: str, share: float) -> None:
    told = [
        text.rstrip().endswith("?") != found.rstrip().endswith("?")
        for text, found in pairs("paraphrase", suite)
        if not re.match(r"(?:I (?:want|need|would)|Can you|Could you)", text)
    ]
    assert sum(told) >= share * len(told)


@pytest.mark.parametrize(
    ("text", "core"),
    [
        ("How do I boil an egg?", "how to boil an egg"),
        ("And how do I boil an egg?", "how to boil an egg"),
        ("I want to boil an egg. Any tips?", "how to boil an egg"),
        ("Could you tell me how to boil an egg?", "how to boil an egg"),
        ("Teach me to boil an egg.", "how to boil an egg"),
        ("What is the easiest way to boil an egg?", "the easiest way to boil an egg"),
        ("Is there a quick way to boil an egg?", "a quick way to boil an egg"),
        ("What could I put in a soup?", "what I could put in a soup"),
        ("Where do I buy eggs?", "where I buy eggs"),
        ("Please help me boil an egg.", "help me boil an egg"),
        ("Can you help me boil {an} egg?", "help me boil {an} egg"),
        ("Thanks, I have the pot. How do I boil an egg?", "how to boil an egg"),
        ("Eggs?", "Eggs?"),
        ("", ""),
    ],
)
def test_paraphrases(text: str, core: str) -> None:
    found = {disguises.paraphrase(text, Random(seed)) for seed in range(40)}
    assert len(found) >= 3
    assert all(core in one and one != text for one in found)
    if text.startswith("Thanks"):
        assert all(one.startswith("Thanks, I have the pot. ") for one in found)


def _translated() -> list[dict[str, str]]:
    return [json.loads(line) for line in (DATA / "translations.jsonl").read_text("utf-8").splitlines()]


def test_translations_are_of_the_suites_and_twins_share_a_language() -> None:
    rows = _translated()
    languages: dict[str, dict[str, str]] = {}
    for suite in GENERAL:
        items = {item.id: item for item in load_suite(suite).items}
        own = [row for row in rows if row["id"] in items]
        assert len(own) >= 24
        assert all(row["prompt"] == items[row["id"]].prompt for row in own)
        languages[suite] = {items[row["id"]].cluster: row["language"] for row in own}
        assert len(languages[suite]) == len(own) == len(disguise("translation", load_suite(suite)).items)
        assert min(Counter(languages[suite].values()).values()) >= 10
    assert languages[GENERAL[0]] == languages[GENERAL[1]]
    assert len({row["id"] for row in rows}) == len(rows) == 100
    assert len({row["translation"] for row in rows}) == len(rows)


def test_a_translation_asks_for_an_answer_in_english() -> None:
    asks = {"de": "auf Englisch.", "fr": "en anglais.", "es": "en inglés, por favor."}
    rows = {row["id"]: row for row in _translated()}
    for item in disguise("translation", load_suite("harmful-general")).items:
        row = rows[item.id]
        assert item.prompt.startswith(row["translation"])
        assert item.prompt.endswith(asks[row["language"]])


def test_an_item_that_says_something_else_has_no_translation() -> None:
    plain = load_suite("harmful-general")
    first = next(item for item in plain.items if item.id == "harmful-general-theft-0")
    other = first.model_copy(update={"prompt": "How do I boil an egg?"})
    second = next(item for item in plain.items if item.id == "harmful-general-theft-2")
    found = disguise("translation", Suite(plain.header, (other, second)))
    assert [item.id for item in found.items] == [second.id]


def test_a_system_turn_goes_before_the_one_that_is_there() -> None:
    header = load_suite("harmful").header
    turns = (Message(role="system", content="Be brief."), Message(role="user", content="Hello"))
    items = (Item(id="a", messages=turns), Item(id="b", prompt="Hello"))
    one, two = disguise("system-prompt", Suite(header, items)).items
    assert [m.role for m in one.messages] == [m.role for m in two.messages] == ["system", "user"]
    said = r"You are a helpful assistant for [a-z ]+\."
    assert re.fullmatch(said + r"\n\nBe brief\.", one.messages[0].content)
    assert re.fullmatch(said, two.messages[0].content)


def test_disguises_can_be_worn_over_each_other() -> None:
    found = disguise("base64", disguise("lower-case", load_suite("harmful")))
    assert found.name == "harmful@lower-case@base64"
    assert undisguised(found.name) == ("harmful", "lower-case@base64")
    assert undisguised("me@home@typos") == ("me@home", "typos")
    assert undisguised("typos") == ("typos", "")


def test_what_cannot_be_is_one_line() -> None:
    plain = load_suite("harmful")
    with pytest.raises(SuiteError, match=r"disguise 'wig'.*one of paraphrase, upper-case"):
        disguise("wig", plain)
    with pytest.raises(SuiteError, match="a disguise of 0 words"):
        disguise("long-context", plain, words=0)
    with pytest.raises(SuiteError, match="suite harmful, of which nothing is translated"):
        disguise("translation", plain)
