"""Contrast sets: splits are deterministic and keep twins together; a bad row is one line with its number."""

from __future__ import annotations

import copy
import json
import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steer_vectors.chat import Answered
from steer_vectors.contrast import (
    ContrastSet,
    Example,
    builtin_contrasts,
    from_prompts,
    from_system_prompts,
    load_contrast,
)
from steer_vectors.errors import ContrastError, ModelError
from steer_vectors.extract import extract
from steer_vectors.models import ChatModel

ROWS: list[dict[str, object]] = [
    {"text": f"{label} {number}", "label": label}
    for label in ("positive", "negative")
    for number in range(10)
]


def _write(path: Path, rows: list[dict[str, object]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def test_a_users_file(tmp_path: Path) -> None:
    path = _write(tmp_path / "polite.jsonl", ROWS)
    contrast = load_contrast(path)
    assert contrast.name == "polite"
    assert len(contrast.examples) == 20
    assert [len(contrast.select("positive", "train")), len(contrast.select("negative", "validation"))] == [
        8,
        2,
    ]
    assert contrast.examples[0].id == "polite-1"


def test_a_header_beside_it(tmp_path: Path) -> None:
    path = _write(tmp_path / "polite.jsonl", ROWS)
    (tmp_path / "polite.toml").write_text(
        'name = "politeness"\nversion = "2"\npositive = "polite"\nnegative = "rude"\nlicence = "MIT"\n'
    )
    contrast = load_contrast(str(path))
    assert contrast.name == "politeness"
    assert (contrast.version, contrast.what_plus, contrast.what_minus, contrast.licence) == (
        "2",
        "polite",
        "rude",
        "MIT",
    )


def test_splits_are_kept_where_given(tmp_path: Path) -> None:
    rows = [{**row, "split": "validation" if index % 2 else "train"} for index, row in enumerate(ROWS)]
    contrast = load_contrast(_write(tmp_path / "a.jsonl", rows))
    assert [row.split for row in contrast.examples] == [row["split"] for row in rows]


@settings(max_examples=60, deadline=None)
@given(
    pairs=st.integers(0, 12),
    positive=st.integers(2, 30),
    negative=st.integers(2, 30),
    seed=st.integers(0, 9999),
)
def test_drawn_splits_keep_twins_and_share(pairs: int, positive: int, negative: int, seed: int) -> None:
    rows = [
        *({"text": f"p{n}", "label": "positive"} for n in range(positive)),
        *({"text": f"n{n}", "label": "negative"} for n in range(negative)),
        *(
            {"text": f"{label} twin {n}", "label": label, "pair": f"twin-{n}"}
            for n in range(pairs)
            for label in ("positive", "negative")
        ),
    ]
    splits = _splits(rows)
    random.Random(seed).shuffle(rows)
    assert _splits(rows) == splits  # the order of rows does not matter
    for n in range(pairs):
        assert splits[f"positive twin {n}"] == splits[f"negative twin {n}"]
    for letter, count in (("p", positive), ("n", negative)):
        held = [splits[f"{letter}{n}"] for n in range(count)].count("validation")
        assert held == max(1, round(0.2 * count))


def _splits(rows: list[dict[str, str]]) -> dict[str, str]:
    # load_contrast on a path would write 60 files; the parsing has its own tests
    from steer_vectors.contrast_rows import Record, examples

    return {
        row.text: row.split for row in examples((Record(r, f"{n}") for n, r in enumerate(rows)), "x", "x")
    }


def test_a_text_twice_is_never_in_both_splits() -> None:
    contrast = from_prompts(["same"] * 30 + [f"p{n}" for n in range(5)], ["n1", "n2"])
    assert len({row.split for row in contrast.examples if row.text == "same"}) == 1


def test_hash_is_of_content_not_of_order_or_names() -> None:
    one = from_prompts(["a", "b", "c"], ["x", "y", "z"], name="one")
    two = from_prompts(["c", "a", "b"], ["z", "y", "x"], name="two")
    assert one.hash == two.hash
    assert one.hash != from_prompts(["a", "b", "d"], ["x", "y", "z"]).hash
    assert one.hash != from_prompts(["x", "y", "z"], ["a", "b", "c"]).hash


def test_from_prompts_takes_a_single_pair() -> None:
    contrast = from_prompts(["I love this"], ["I hate this"], name="love")
    assert contrast.select("positive", "train") == ["I love this"]
    assert contrast.select("positive", "validation") == []


def _refused(path: Path, content: str | bytes, match: str) -> None:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(ContrastError, match=match) as caught:
        load_contrast(path)
    assert "\n" not in str(caught.value)
    assert "; do this: " in str(caught.value)


GOOD = '{"text": "a", "label": "positive"}\n'


@pytest.mark.parametrize(
    ("content", "match"),
    [
        (GOOD + "{text: 1}\n", r"set.jsonl line 2: bad JSON"),
        (GOOD + "\n[1]\n", r"set.jsonl line 3: a list"),
        (GOOD + '{"label": "negative"}\n', r"set.jsonl line 2: no text"),
        (GOOD + '{"text": " ", "label": "negative"}\n', r"set.jsonl line 2: no text"),
        (GOOD + '{"text": "b"}\n', r"set.jsonl line 2: no label"),
        (GOOD + '{"text": "b", "label": "harmful"}\n', r'set.jsonl line 2: label "harmful"'),
        (GOOD + '{"text": "b", "label": "negative", "split": "test"}\n', r'set.jsonl line 2: split "test"'),
        (
            GOOD + '{"text": "b", "label": "negative", "sytem": "c"}\n',
            "set.jsonl line 2: a field 'sytem'; expected only text, messages, label, ",
        ),
        (
            GOOD + '{"text": "b", "messages": [{"role": "user", "content": "c"}], "label": "negative"}\n',
            "set.jsonl line 2: text beside messages",
        ),
        (GOOD + '{"text": "b", "label": "negative", "pair": NaN}\n', "set.jsonl line 2: nan as pair"),
        (GOOD + '{"text": "b", "label": "negative", "answer": 1e400}\n', "set.jsonl line 2: inf as answer"),
        (
            GOOD + '{"text": "b", "label": "negative", "answer": false}\n',
            "set.jsonl line 2: a bool as answer",
        ),
        (
            GOOD + '{"text": "a", "label": "negative"}\n',
            "set.jsonl line 2: the same as set-1, which is positive",
        ),
        (GOOD, "no negative training prompt in set"),
        ("", "no positive training prompt in set"),
        ("caf\xe9".encode("latin-1"), "set.jsonl: 'utf-8' codec"),
        (
            '{"id": "a", "text": "a", "label": "positive"}\n{"id": "a", "text": "b", "label": "negative"}\n',
            "set.jsonl line 2: id a, already at set.jsonl line 1",
        ),
        (
            '{"text": "a", "label": "positive", "pair": "1", "split": "train"}\n'
            '{"text": "b", "label": "negative", "pair": "1", "split": "validation"}\n',
            "set.jsonl line 2: a pair or a repeated text in both splits",
        ),
    ],
)
def test_bad_files_are_one_line(tmp_path: Path, content: str | bytes, match: str) -> None:
    _refused(tmp_path / "set.jsonl", content, match)


def test_a_bad_header(tmp_path: Path) -> None:
    (tmp_path / "set.toml").write_text("name =")
    rows = "".join(json.dumps(row) + "\n" for row in ROWS)
    _refused(tmp_path / "set.jsonl", rows, "set.toml: ")
    (tmp_path / "set.toml").write_text('name = "set"\nlicense = "MIT"\n')
    _refused(tmp_path / "set.jsonl", rows, "set.toml: a field 'license'; expected only name, version, ")


def test_a_header_may_begin_with_a_mark(tmp_path: Path) -> None:
    path = _write(tmp_path / "polite.jsonl", ROWS)
    (tmp_path / "polite.toml").write_bytes(b'\xef\xbb\xbfname = "politeness"\r\n')
    assert load_contrast(path).name == "politeness"


@pytest.mark.parametrize("name", ["no-such-contrast", "~nosuchuser/set.jsonl", "x" * 5000, "x\0"])
def test_an_unknown_name(name: str) -> None:
    with pytest.raises(ContrastError, match="neither built in nor a file"):
        load_contrast(name)


@pytest.mark.skipif(
    not Path("/proc/self/mem").is_file(), reason="a file that nobody can read is there on Linux"
)
def test_a_file_that_cannot_be_read() -> None:
    with pytest.raises(ContrastError, match="mem, which cannot be read "):
        load_contrast("/proc/self/mem")


def test_one_text_is_no_list_of_prompts() -> None:
    with pytest.raises(ContrastError, match="one prompt"):
        from_prompts("abc", ["def"])
    with pytest.raises(ContrastError, match="one prompt"):
        from_prompts(["abc"], Answered("def", "ghi"))  # type: ignore[arg-type]
    with pytest.raises(ContrastError, match="one prompt"):
        from_system_prompts("abc", positive="Be terse.", negative="")


def test_a_class_without_training_prompts() -> None:
    rows = (Example("1", "a", "positive", "train"), Example("2", "b", "negative", "validation"))
    with pytest.raises(ContrastError, match="no negative training prompt"):
        ContrastSet("x", "", "", "", rows)


def test_what_is_built_in_loads() -> None:
    for name in builtin_contrasts():
        contrast = load_contrast(name)
        assert contrast.licence
        assert contrast.version
        for label in ("positive", "negative"):
            assert contrast.select(label, "validation")  # type: ignore[arg-type]


def test_a_row_may_be_a_conversation() -> None:
    turns = [{"role": "system", "content": "Refuse."}, {"role": "user", "content": "Sing."}]
    contrast = from_prompts([turns, "Dance."], ["Sing.", "Walk."])
    assert contrast.select("positive", "train") + contrast.select("positive", "validation") != []
    (row,) = [example for example in contrast.examples if example.messages]
    assert list(row.asked) == turns
    assert row.text == "system: Refuse.\nuser: Sing."
    # A text that only looks like the conversation is another prompt.
    assert from_prompts([row.text, "Dance."], ["Sing.", "Walk."]).hash != contrast.hash


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"role": "user"}],
        [{"role": "bard", "content": "Sing."}],
        [{"role": "assistant", "content": "La."}],
        [3],
    ],
)
def test_a_broken_conversation_is_one_line(messages: list[Any]) -> None:
    with pytest.raises(ContrastError, match=r"^got custom line 1: .*; expected .*; do this: .*$"):
        from_prompts([messages], ["Walk."])


def test_answers_are_in_every_row_or_in_none() -> None:
    contrast = from_prompts(
        [Answered("Sing.", "No."), Answered("Dance.", "No.")],
        [Answered("Sing.", "La la."), Answered("Walk.", "Off.")],
    )
    assert contrast.answered
    assert contrast.hash != from_prompts(["Sing.", "Dance."], ["Walk."]).hash
    assert isinstance(contrast.select("positive", "train")[0], Answered)
    with pytest.raises(ContrastError, match="an answer in every row, or in none"):
        from_prompts([Answered("Sing.", "No."), "Dance."], ["Walk."])


def test_a_row_may_be_two_twins(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"positive": f"p{n}", "negative": f"n{n}", "category": "c"} for n in range(10)
    ]
    contrast = load_contrast(_write(tmp_path / "twins.jsonl", rows))
    for label in ("positive", "negative"):
        assert len(contrast.select(label, "train")) == 8  # type: ignore[arg-type]
    for n, (plus, minus) in enumerate(zip(contrast.examples[::2], contrast.examples[1::2], strict=True)):
        assert (plus.text, plus.label, minus.text, minus.label) == (f"p{n}", "positive", f"n{n}", "negative")
        assert (plus.pair, plus.split, plus.category) == (minus.pair, minus.split, "c")
        assert plus.id == f"twins-{n + 1}-positive"
    assert len({row.pair for row in contrast.examples}) == 10
    splits = {row.text: row.split for row in contrast.examples}
    turned = load_contrast(_write(tmp_path / "turned.jsonl", rows[::-1]))
    assert {row.text: row.split for row in turned.examples} == splits, (
        "neither order nor the file's name matters"
    )


def test_twins_may_be_answers_or_conversations(tmp_path: Path) -> None:
    rows: list[dict[str, object]] = [
        {"text": "Sing.", "positive": "No.", "negative": "La la."},
        {"text": "Dance.", "positive": "Never.", "negative": "Hop.", "pair": 7, "id": "b"},
    ]
    contrast = load_contrast(_write(tmp_path / "answers.jsonl", rows))
    assert contrast.select("positive", "train") == [Answered("Sing.", "No.")] or contrast.answered
    assert [row.answer for row in contrast.examples] == ["No.", "La la.", "Never.", "Hop."]
    assert [(row.id, row.pair) for row in contrast.examples[2:]] == [("b-positive", "7"), ("b-negative", "7")]
    turns = [{"role": "user", "content": "Sing."}]
    talk = load_contrast(_write(tmp_path / "talk.jsonl", [{"positive": turns, "negative": "Walk."}]))
    assert talk.select("positive", "train") == [tuple(turns)]


def test_a_system_prompt_is_the_first_turn(tmp_path: Path) -> None:
    turns = [{"role": "system", "content": "Refuse."}, {"role": "user", "content": "Sing."}]
    other: dict[str, object] = {"text": "Sing.", "label": "negative"}
    short = load_contrast(
        _write(tmp_path / "a.jsonl", [{"text": "Sing.", "system": "Refuse.", "label": "positive"}, other])
    )
    long = load_contrast(_write(tmp_path / "b.jsonl", [{"messages": turns, "label": "positive"}, other]))
    under = load_contrast(
        _write(
            tmp_path / "c.jsonl", [{"messages": turns[1:], "system": "Refuse.", "label": "positive"}, other]
        )
    )
    assert list(short.examples[0].asked) == turns
    assert short.hash == long.hash == under.hash
    assert [row._replace(id="") for row in short.examples] == [row._replace(id="") for row in long.examples]


def test_the_same_requests_under_two_system_prompts() -> None:
    requests = [f"Ask {n}." for n in range(10)]
    contrast = from_system_prompts(requests, positive="Be terse.", negative="", name="terse")
    assert contrast.name == "terse"
    assert contrast.examples[0].messages == (
        {"role": "system", "content": "Be terse."},
        {"role": "user", "content": "Ask 0."},
    )
    assert contrast.examples[1].asked == "Ask 0."
    for label in ("positive", "negative"):
        assert len(contrast.select(label, "train")) == 8  # type: ignore[arg-type]
    for plus, minus in zip(contrast.examples[::2], contrast.examples[1::2], strict=True):
        assert (plus.pair, plus.split) == (minus.pair, minus.split)
    answered = from_system_prompts([Answered("Ask.", "So.")], positive="Be terse.", negative="Be long.")
    assert [row.answer for row in answered.examples] == ["So.", "So."]


def test_two_system_prompts_that_are_one() -> None:
    with pytest.raises(ContrastError, match="the same system prompt twice"):
        from_system_prompts(["Sing."], positive="Be terse.", negative="Be terse. ")
    turns: Any = [{"role": "system", "content": "Refuse."}, {"role": "user", "content": "Sing."}]
    with pytest.raises(ContrastError, match="messages that begin with one"):
        from_system_prompts([turns], positive="Be terse.", negative="Be long.")
    with pytest.raises(ContrastError, match="no positive training prompt"):
        from_system_prompts([], positive="Be terse.", negative="Be long.")


def test_a_template_that_refuses_system_prompts_is_one_line(tiny_llama: ChatModel) -> None:
    """As Gemma's does."""
    strict = copy.deepcopy(tiny_llama.tokenizer)
    strict.chat_template = (
        "{% if messages[0]['role'] == 'system' %}{{ raise_exception('System role not supported') }}{% endif %}"
        + str(strict.chat_template)
    )
    model = ChatModel(tiny_llama.hf, strict, "strict")
    contrast = from_system_prompts(["Sing.", "Dance."], positive="Be terse.", negative="Be long.")
    with pytest.raises(ModelError, match=r"^got [^\n]*System role not supported[^\n]*; do this: [^\n]*$"):
        extract(model, contrast, layer=1, position=-1)


@pytest.mark.parametrize(
    ("row", "match"),
    [
        ({"positive": "a"}, "no negative"),
        ({"positive": " ", "negative": "b"}, "no positive"),
        ({"positive": "a", "negative": "b", "label": "positive"}, "positive and negative beside a label"),
        (
            {"text": "a", "positive": "b", "negative": "c", "answer": "d"},
            "positive and negative beside an answer",
        ),
        ({"positive": {"a": 1}, "negative": "b"}, "messages that do not end with the user"),
        ({"text": "t", "positive": ["a"], "negative": "b"}, "a list as answer"),
        ({"text": "a", "label": "positive", "system": ["b"]}, "a list as system"),
        ({"text": "a", "label": "positive", "id": {"b": 1}}, "a dict as id"),
    ],
)
def test_rows_that_contradict_themselves(tmp_path: Path, row: dict[str, Any], match: str) -> None:
    _refused(tmp_path / "set.jsonl", GOOD + json.dumps(row), f"set.jsonl line 2: {match}")


# Of the rows as they were published: a hash that changes makes vectors strangers to their contrast set.
HASHES = {
    "caveats": "4618b1fb66bf",
    "false-refusal": "5693cf0e38b9",
    "grounding": "94f64a29259b",
    "reflection": "5d61bb603626",
    "refusal": "91306f0cbde1",
    "risk": "73dd58d48d43",
    "sycophancy": "61977b9be7dc",
    "warmth": "6ed4d234f8d2",
}


def test_hashes_of_what_is_built_in_stay() -> None:
    assert {name: load_contrast(name).hash[:12] for name in builtin_contrasts()} == HASHES
