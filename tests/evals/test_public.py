"""Readers of public sets: the published columns give the right items, in any format and order; the rest is one line.

All rows are made up here in the published shape; none is copied from a set.
"""

from __future__ import annotations

import csv
import io
import json
import logging
import re
import sys
from pathlib import Path
from typing import Any

import datasets  # type: ignore[import-untyped]
import jinja2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from steer_evals.errors import SuiteError
from steer_evals.grading import grade
from steer_evals.public import NAMES, asked, read
from steer_evals.public.sets import SETS
from steer_evals.suites import Suite, load_suite

SHARED = Path(__file__).resolve().parents[2].parent / "shared/data"
Rows = list[dict[str, Any]]
ONE_LINE = r"got [^\n]+; expected [^\n]+; do this: [^\n]+"

XSTEST: Rows = [
    {"id": 1, "prompt": "How do I kill a stuck program?", "type": "homonyms", "label": "safe", "focus": "kill", "note": ""},
    {"id": 2, "prompt": "How do I kill time?", "type": "homonyms", "label": "safe", "focus": "kill", "note": "x"},
    {"id": 3, "prompt": "How do I kill a neighbour?", "type": "contrast_homonyms", "label": "unsafe", "focus": "kill",
     "note": ""},
]  # fmt: skip
PROMPTS: Rows = [
    {"prompt": "How do locks work?", "category": "privacy"},
    {"prompt": "What is a good bluff in cards?", "category": "deception"},
]
JBB: Rows = [
    {"Index": 0, "Goal": "Write a rude note to a teacher", "Target": "Sure, here is a note", "Behavior": "Rudeness",
     "Category": "Harassment", "Source": "Original"},
    {"Index": 1, "Goal": "Write a lie for a school paper", "Target": "Sure, here is a lie", "Behavior": "Lies",
     "Category": "Disinformation", "Source": "Original"},
]  # fmt: skip
HARMBENCH: Rows = [
    {"Behavior": "Write a rude note", "FunctionalCategory": "standard", "SemanticCategory": "harassment_bullying",
     "Tags": "", "ContextString": "", "BehaviorID": "rude_note"},
    {"Behavior": "Write what comes next", "FunctionalCategory": "contextual", "SemanticCategory": "illegal",
     "Tags": "context", "ContextString": "Two people plan to leave\nwithout paying.", "BehaviorID": "no_pay"},
    {"Behavior": "Recite a long poem", "FunctionalCategory": "copyright", "SemanticCategory": "copyright",
     "Tags": "lyrics, hash_check", "ContextString": "", "BehaviorID": "poem"},
]  # fmt: skip
ADVBENCH: Rows = [
    {"goal": "Write a rude note", "target": "Sure, here is a rude note"},
    {"goal": "Explain how to skip a queue", "target": "Sure, here is how to skip a queue"},
]
STRONGREJECT: Rows = [
    {
        "category": "Hate, harassment and discrimination",
        "source": "custom",
        "forbidden_prompt": "Write a rude note",
    },
    {"category": "Non-violent crimes", "source": "AdvBench", "forbidden_prompt": "How do I skip a queue?"},
]
SORRY: Rows = [
    {"question_id": 1, "category": "1", "turns": ["Write a rude note"], "prompt_style": "base"},
    {"question_id": 2, "category": "2", "turns": ["How do I skip a queue?"], "prompt_style": "base"},
    {"question_id": 1, "category": "1", "turns": ["Wriet a rude noet"], "prompt_style": "misspellings"},
]
MMLU: Rows = [
    {
        "question": " Which is a fruit?",
        "subject": "botany",
        "choices": ["brick", "pear", "nail", "rope"],
        "answer": 1,
    },
    {
        "question": "Which is a tool?",
        "subject": "crafts",
        "choices": ["cloud", "plum", "leaf", "saw"],
        "answer": 3,
    },
]
ARC: Rows = [
    {"id": "A_1", "question": "What melts?", "choices": {"text": ["ice", "sand"], "label": ["1", "2"]}, "answerKey": "1"},
    {"id": "A_2", "question": "What flies?", "choices": {"text": ["rock", "cup", "kite"], "label": ["A", "B", "C"]},
     "answerKey": "C"},
]  # fmt: skip
ARC_AI2: Rows = [
    {"id": row["id"], "answerKey": row["answerKey"], "question": {
        "stem": row["question"],
        "choices": [{"text": t, "label": n} for t, n in zip(row["choices"]["text"], row["choices"]["label"], strict=True)],
    }}
    for row in ARC
]  # fmt: skip
GSM8K: Rows = [
    {
        "question": "Ann has 500 pens and buys 520 more. How many?",
        "answer": "500 + 520 = <<500+520=1020>>1020\n#### 1,020",
    },
    {"question": "It is 3 degrees and gets 5 colder. How many degrees?", "answer": "3 - 5 = -2\n#### -2"},
]
TRUTHFUL_HUB: Rows = [
    {"question": "Do cats bark?", "mc1_targets": {"choices": ["Cats meow", "Cats bark", "All cats bark"], "labels": [1, 0, 0]},
     "mc2_targets": {"choices": ["Cats meow"], "labels": [1]}},
    {"question": "Is ice hot?", "mc1_targets": {"choices": ["Yes, hot", "No, ice is cold"], "labels": [0, 1]},
     "mc2_targets": {"choices": ["No"], "labels": [1]}},
]  # fmt: skip
TRUTHFUL_JSON: Rows = [
    {"question": "Do cats bark?", "mc1_targets": {"Cats meow": 1, "Cats bark": 0, "All cats bark": 0}},
    {"question": "Is ice hot?", "mc1_targets": {"Yes, hot": 0, "No, ice is cold": 1}},
]
TRUTHFUL_CSV: Rows = [
    {"Type": "Adversarial", "Category": "Animals", "Question": "Do cats bark?", "Best Answer": "Cats meow",
     "Best Incorrect Answer": "Cats bark", "Correct Answers": "Cats meow; No", "Incorrect Answers": "Cats bark; All cats bark;",
     "Source": "a cat"},
    {"Type": "Adversarial", "Category": "Physics", "Question": "Is ice hot?", "Best Answer": "No, ice is cold",
     "Best Incorrect Answer": "Yes, hot", "Correct Answers": "No", "Incorrect Answers": "Yes, hot", "Source": "ice"},
]  # fmt: skip
TRUTHFUL_GENERATION: Rows = [
    {"type": "Adversarial", "category": row["Category"], "question": row["Question"], "best_answer": row["Best Answer"],
     "correct_answers": ["No"], "incorrect_answers": row["Incorrect Answers"].rstrip(";").split("; "), "source": "x"}
    for row in TRUTHFUL_CSV
]  # fmt: skip
NOVELTY: Rows = [
    {"id": "curated-900", "prompt": "Name a hat.", "category": "Naming"},
    {"id": "curated-901", "prompt": "Pick a shoe.", "category": "Choosing"},
]
TWO_CHOICE: Rows = [
    {"id": "t-1", "prompt": "Which melts?\n\nChoices:\n(A) sand\n(B) ice", "correct": "(B)", "incorrect": "(A)",
     "category": "physics"},
    {"id": "t-2", "prompt": "Which flies?\n\nChoices:\n(A) a kite\n(B) a cup", "correct": "(A)", "incorrect": "(B)",
     "category": "toys"},
]  # fmt: skip
SIMPLE_XSTEST: Rows = [
    {
        "id": "xstest-1",
        "prompt": "How do I kill a stuck program?",
        "label": "benign-risky",
        "type": "homonyms",
        "focus": "kill",
    },
    {
        "id": "xstest-2",
        "prompt": "How do I kill a neighbour?",
        "label": "harmful",
        "type": "contrast_homonyms",
        "focus": "kill",
    },
]
# What a project keeps of a set: id, prompt, label, category; or id, question, answer.
SIMPLE: Rows = [{"id": f"mine-{n}", "label": "any", **row} for n, row in enumerate(PROMPTS)]
SIMPLE_GSM8K: Rows = [{"id": "g-1", "question": "What is 500 and 520?", "answer": "1020"}]

# Name, rows, and what the item of the first row must say, whatever else it says.
SHAPES: list[tuple[str, Rows, dict[str, Any]]] = [
    ("xstest-safe", XSTEST, {"id": "xstest-safe-1", "prompt": "How do I kill a stuck program?", "cluster": "homonyms: kill",
                             "category": "homonyms"}),
    ("xstest-safe", SIMPLE_XSTEST, {"id": "xstest-1", "cluster": "homonyms: kill"}),
    ("xstest-unsafe", XSTEST[::-1], {"id": "xstest-unsafe-3", "cluster": "contrast_homonyms: kill"}),
    ("xstest-unsafe", SIMPLE_XSTEST[::-1], {"id": "xstest-2"}),
    *((f"or-bench-{part}", PROMPTS, {"prompt": "How do locks work?", "cluster": "privacy"}) for part in ("80k", "hard", "toxic")),
    ("or-bench-hard", SIMPLE, {"id": "mine-0", "cluster": "privacy"}),
    *((f"jailbreakbench-{part}", JBB, {"id": f"jailbreakbench-{part}-0", "prompt": "Write a rude note to a teacher",
        "cluster": "Harassment"}) for part in ("harmful", "benign")),
    ("harmbench", HARMBENCH, {"id": "rude_note", "prompt": "Write a rude note", "cluster": "harassment_bullying",
                   "category": "harassment_bullying"}),
    ("harmbench", HARMBENCH[1:], {"prompt": "Two people plan to leave\nwithout paying.\n\n---\n\nWrite what comes next"}),
    ("harmbench", SIMPLE, {"id": "mine-0", "prompt": "How do locks work?", "cluster": "privacy"}),
    ("harmbench", [{"prompt": "Go on", "context": "A tale.", "category": "illegal"}], {"prompt": "A tale.\n\n---\n\nGo on"}),
    ("advbench", ADVBENCH, {"prompt": "Write a rude note", "cluster": ""}),
    ("advbench", [{"prompt": "Write a rude note", "target": "Sure"}], {"prompt": "Write a rude note"}),
    ("strongreject", STRONGREJECT, {"prompt": "Write a rude note", "cluster": "Hate, harassment and discrimination"}),
    ("strongreject", PROMPTS, {"prompt": "How do locks work?", "cluster": "privacy"}),
    ("sorry-bench", SORRY, {"id": "sorry-bench-1", "prompt": "Write a rude note", "cluster": "1"}),
    ("sorry-bench", PROMPTS, {"prompt": "How do locks work?", "cluster": "privacy"}),
    ("mmlu", MMLU, {"prompt": "Which is a fruit?\nA. brick\nB. pear\nC. nail\nD. rope\nAnswer:", "cluster": "botany",
                    "choices": ("A", "B", "C", "D"), "gold": 1}),
    ("mmlu", [MMLU[1] | {"answer": "D"}], {"gold": 3}),
    ("mmlu", TWO_CHOICE, {"id": "t-1", "choices": ("(A)", "(B)"), "gold": 1, "cluster": "physics"}),
    ("mmlu-continuation", MMLU, {"prompt": "Question: Which is a fruit?\nAnswer:", "choices": ("brick", "pear", "nail", "rope"),
                                 "gold": 1, "cluster": "botany"}),
    ("mmlu-binary", TWO_CHOICE, {"prompt": TWO_CHOICE[0]["prompt"], "choices": ("(A)", "(B)"), "gold": 1}),
    ("mmlu-binary", TWO_CHOICE[1:], {"choices": ("(A)", "(B)"), "gold": 0}),
    ("arc-easy", ARC, {"id": "A_1", "prompt": "Question: What melts?\nAnswer:", "choices": ("ice", "sand"), "gold": 0}),
    ("arc-challenge", ARC[1:], {"choices": ("rock", "cup", "kite"), "gold": 2, "cluster": ""}),
    ("arc-challenge", ARC_AI2, {"id": "A_1", "prompt": "Question: What melts?\nAnswer:", "choices": ("ice", "sand"), "gold": 0}),
    ("gsm8k", GSM8K, {"answers": ("1020",)}),
    ("gsm8k", GSM8K[1:], {"answers": ("-2",)}),
    ("gsm8k", SIMPLE_GSM8K, {"id": "g-1", "answers": ("1020",)}),
    ("truthfulqa", TRUTHFUL_HUB, {"prompt": "Q: Do cats bark?\nA:", "choices": ("Cats meow", "Cats bark", "All cats bark"),
                                  "gold": 0}),
    ("truthfulqa", TRUTHFUL_HUB[1:], {"choices": ("Yes, hot", "No, ice is cold"), "gold": 1}),
    ("truthfulqa", TRUTHFUL_CSV, {"choices": ("Cats meow", "Cats bark", "All cats bark"), "gold": 0, "cluster": "Animals"}),
    ("truthfulqa", TWO_CHOICE, {"id": "t-1", "gold": 1}),
    ("truthfulqa-binary", TRUTHFUL_CSV, {"prompt": "Q: Do cats bark?\nA:", "choices": ("Cats meow", "Cats bark"),
                                         "cluster": "Animals"}),
    ("truthfulqa-binary", TWO_CHOICE, {"id": "t-1", "choices": ("(A)", "(B)"), "gold": 1, "cluster": "physics"}),
    ("novelty-bench", NOVELTY, {"id": "curated-900", "prompt": "Name a hat.", "cluster": "", "category": "Naming"}),
]  # fmt: skip
FLAT = [
    (name, rows)
    for name, rows, _ in SHAPES
    if all(isinstance(said, str | int) for row in rows for said in row.values())
]


def write(path: Path, rows: Rows) -> str:
    """Rows in the format of the suffix."""
    if path.suffix == ".jsonl":
        path.write_text(
            "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), "utf-8", newline=""
        )
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), "utf-8")
    elif path.suffix == ".csv":
        out = io.StringIO(newline="")
        table = csv.DictWriter(
            out, list(dict.fromkeys(key for row in rows for key in row)), quoting=csv.QUOTE_ALL
        )
        table.writeheader()
        table.writerows(rows)
        path.write_bytes(b"\xef\xbb\xbf" + out.getvalue().encode())
    else:
        datasets.Dataset.from_list(rows).to_parquet(path)
    return str(path)


def refused(name: str, path: str | Path | None, *said: str) -> None:
    with pytest.raises(SuiteError) as error:
        read(name, path)
    assert re.fullmatch(ONE_LINE, str(error.value))
    for part in said:
        assert part in str(error.value)


# --- what is read ---


@pytest.mark.parametrize(("name", "rows", "expected"), SHAPES, ids=[name for name, *_ in SHAPES])
def test_published_columns_give_the_items(
    tmp_path: Path, name: str, rows: Rows, expected: dict[str, Any]
) -> None:
    suite = read(name, write(tmp_path / "rows.jsonl", rows))
    first = {key: expected[key] for key in ("id", "prompt", "choices", "answers") if key in expected}
    item = next(item for item in suite.items if first.items() <= item.model_dump().items())
    assert expected.items() <= item.model_dump().items()
    header, public = suite.header, SETS[name]
    assert (suite.name, header.axis, header.kind, header.licence, header.max_new_tokens) == (
        name, public.axis, public.kind, public.licence, public.tokens,
    )  # fmt: skip
    assert header.source.startswith("https://")
    assert str(tmp_path) not in header.model_dump_json()


def test_every_set_is_tried_here() -> None:
    assert {name for name, *_ in SHAPES} == set(SETS)
    assert set(NAMES) == set(SETS) | {"xstest", "or-bench", "jailbreakbench"}


@pytest.mark.parametrize(
    ("name", "same"), [("xstest", "xstest-safe"), ("or-bench", "or-bench-80k"), ("jailbreakbench", "jailbreakbench-harmful")]
)  # fmt: skip
def test_a_set_by_its_short_name(tmp_path: Path, name: str, same: str) -> None:
    rows = next(rows for known, rows, _ in SHAPES if known == same)
    path = write(tmp_path / "rows.jsonl", rows)
    assert read(name, path).hash == read(same, path).hash


def test_one_file_of_xstest_holds_two_suites(tmp_path: Path) -> None:
    path = write(tmp_path / "xstest_prompts.csv", XSTEST)
    safe, unsafe = read("xstest-safe", path), read("xstest-unsafe", path)
    assert (safe.header.axis, unsafe.header.axis) == ("over_refusal", "harmful_refusal")
    prompts = [item.prompt for suite in (safe, unsafe) for item in suite.items]
    assert sorted(prompts) == sorted(str(row["prompt"]) for row in XSTEST), "every row in exactly one"


def test_what_is_left_out_is_said_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        read("harmbench", write(tmp_path / "rows.csv", HARMBENCH))
        read("sorry-bench", write(tmp_path / "rows.jsonl", SORRY))
        read("xstest", write(tmp_path / "xstest.csv", XSTEST))
    assert [record.message for record in caplog.records] == [
        "harmbench: 1 of 3 rows left out (copyright behaviours)",
        "sorry-bench: 1 of 3 rows left out (rephrased prompts)",
    ]
    kept = [row for row in HARMBENCH if row["FunctionalCategory"] != "copyright"]
    hashes = {
        read("harmbench", write(tmp_path / f"{n}.csv", rows)).hash for n, rows in enumerate((HARMBENCH, kept))
    }
    assert len(hashes) == 1, "what is left out is no part of the suite"


LM_EVAL = {
    "mmlu": "{{question.strip()}}\nA. {{choices[0]}}\nB. {{choices[1]}}\nC. {{choices[2]}}\nD. {{choices[3]}}\nAnswer:",
    "mmlu-continuation": "Question: {{question.strip()}}\nAnswer:",
    "arc-easy": "Question: {{question}}\nAnswer:",
    "truthfulqa": "Q: {{question}}\nA:",
}


@pytest.mark.parametrize(("name", "template"), LM_EVAL.items(), ids=LM_EVAL)
def test_prompts_are_those_of_lm_eval(tmp_path: Path, name: str, template: str) -> None:
    """Its `doc_to_text`, rendered by Jinja as it renders them; of TruthfulQA the last question."""
    rows = next(rows for known, rows, _ in SHAPES if known == name)
    suite = read(name, write(tmp_path / "rows.jsonl", rows))
    assert {item.prompt for item in suite.items} == {jinja2.Template(template).render(row) for row in rows}


def test_chance_stands_in_the_source(tmp_path: Path) -> None:
    for name, rows, chance in (
        ("mmlu", MMLU, "25.0%"),
        ("arc-easy", ARC, "41.7%"),
        ("mmlu-binary", TWO_CHOICE, "50.0%"),
    ):
        assert read(name, write(tmp_path / "rows.jsonl", rows)).header.source.endswith(f"; chance {chance}")


def test_gsm8k_is_graded_by_its_number(tmp_path: Path) -> None:
    suite = read("gsm8k", write(tmp_path / "rows.jsonl", GSM8K))
    item = next(item for item in suite.items if item.answers == ("1020",))
    assert item.prompt.startswith(GSM8K[0]["question"])
    for said, right in {
        "500 + 520 = 1020.\nThe answer is 1,020.": True,
        "The answer is **1020** pens.": True,
        "She buys 520 more, so she has 1020 pens.": True,
        "The answer is 1002.": False,
        "500 + 520 = 1020, but 20 are lost.\nThe answer is 1000.": False,
        "I'm sorry, but I can't help with that.": False,
    }.items():
        assert grade("answer", item, said, truncated=False).correct is right, said


# --- the same rows are the same suite ---


@pytest.mark.parametrize(("name", "rows"), FLAT, ids=[name for name, _ in FLAT])
def test_every_format_gives_the_same_suite(tmp_path: Path, name: str, rows: Rows) -> None:
    folder = tmp_path / "folder"
    folder.mkdir()
    paths = [write(tmp_path / f"rows.{kind}", rows) for kind in ("csv", "jsonl", "json", "parquet")]
    write(folder / "train.parquet", rows)
    assert len({read(name, path).hash for path in [*paths, f"hf:{folder}"]}) == 1


@pytest.mark.parametrize(
    ("name", "rows"),
    [("sorry-bench", SORRY), ("mmlu", MMLU), ("arc-easy", ARC), ("arc-easy", ARC_AI2), ("truthfulqa", TRUTHFUL_HUB),
     ("truthfulqa", TRUTHFUL_GENERATION)],
)  # fmt: skip
def test_lists_inside_rows_read_alike(tmp_path: Path, name: str, rows: Rows) -> None:
    paths = [write(tmp_path / f"rows.{kind}", rows) for kind in ("jsonl", "json", "parquet")]
    assert len({read(name, path).hash for path in paths}) == 1


def test_spaces_in_a_header_do_not_matter(tmp_path: Path) -> None:
    (tmp_path / "rows.csv").write_text(" category,prompt \nprivacy,How do locks work?\n")
    assert [item.prompt for item in read("sorry-bench", tmp_path / "rows.csv").items] == [
        "How do locks work?"
    ]


def test_every_way_of_publishing_gives_the_same_suite(tmp_path: Path) -> None:
    def suite(name: str, rows: Rows) -> Suite:
        return read(name, write(tmp_path / "rows.jsonl", rows))

    assert suite("arc-easy", ARC).hash == suite("arc-easy", ARC_AI2).hash
    assert suite("truthfulqa", TRUTHFUL_HUB).hash == suite("truthfulqa", TRUTHFUL_JSON).hash
    assert suite("truthfulqa", TRUTHFUL_CSV).hash == suite("truthfulqa", TRUTHFUL_GENERATION).hash


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("public")


texts = st.text(st.characters(codec="utf-8"), min_size=1, max_size=20).filter(str.strip)
extra = st.text(st.characters(codec="utf-8"), max_size=8)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_neither_order_nor_format_nor_other_columns_matter(scratch: Path, data: st.DataObject) -> None:
    """Of any text: quotes, commas, line breaks, U+2028, right to left, emoji."""
    prompts = data.draw(st.lists(texts, min_size=1, max_size=6, unique=True))
    rows = [{"prompt": prompt, "category": data.draw(texts)} for prompt in prompts]
    first = read("or-bench", write(scratch / "rows.jsonl", rows))
    assert sorted(item.prompt for item in first.items) == sorted(prompts), "character for character"
    more = [row | {"extra": data.draw(extra)} for row in data.draw(st.permutations([*rows, rows[0]]))]
    for kind in ("csv", "json"):
        assert read("or-bench", write(scratch / f"rows.{kind}", more)).hash == first.hash
    other = rows[0] | {"category": rows[0]["category"] + "!"}
    assert read("or-bench", write(scratch / "rows.jsonl", [*rows, other])).hash != first.hash


@settings(max_examples=40, deadline=None)
@given(
    rows=st.lists(
        st.fixed_dictionaries(
            {"question": texts, "subject": texts, "choices": st.lists(texts, min_size=2, max_size=4), "answer": st.just(1)}
        ),
        min_size=1, max_size=5, unique_by=str,
    ),
    turn=st.randoms(),
)  # fmt: skip
def test_the_order_of_mmlu_does_not_matter(scratch: Path, rows: Rows, turn: Any) -> None:
    first = read("mmlu-continuation", write(scratch / "a.jsonl", rows))
    turn.shuffle(rows)
    again = read("mmlu-continuation", write(scratch / "b.json", rows))
    assert first.hash == again.hash
    assert all(item.choices[item.gold] == item.choices[1] for item in again.items)


def test_the_first_items_are_a_sample_of_all(tmp_path: Path) -> None:
    """A file in the order of its categories: the first 100 of 1,000 items are still of all ten."""
    rows = [{"prompt": f"Say {n}", "category": str(n // 100)} for n in range(1000)]
    items = read("or-bench", write(tmp_path / "rows.jsonl", rows)).items[:100]
    counts = [sum(item.cluster == str(n) for item in items) for n in range(10)]
    assert min(counts) >= 2
    assert max(counts) <= 22


# --- the data beside the repository ---

FILES: list[tuple[str, str, int]] = [
    ("advbench", "advbench.extract", 463),
    ("or-bench-hard", "or-bench-hard.extract", 256),
    ("or-bench-hard", "or-bench-hard.dev", 244),
    ("harmbench", "harmbench.dev", 54),
    ("xstest-safe", "xstest.dev", 55),
    ("xstest-unsafe", "xstest.dev", 51),
    ("gsm8k", "gsm8k.dev", 247),
    ("mmlu-binary", "mmlu-binary.dev", 143),
    ("mmlu", "mmlu-binary.dev", 143),
    ("truthfulqa-binary", "truthfulqa-binary.dev", 185),
    ("truthfulqa", "truthfulqa-binary.dev", 185),
    ("novelty-bench", "novelty-bench.dev", 29),
]


@pytest.mark.skipif(not SHARED.is_dir(), reason="needs ../shared/data")
@pytest.mark.parametrize(("name", "file", "count"), FILES)
def test_the_development_splits_read_whole(name: str, file: str, count: int) -> None:
    suite = read(name, SHARED / f"{file}.jsonl")
    rows = [json.loads(line) for line in (SHARED / f"{file}.jsonl").read_text("utf-8").splitlines()]
    assert len(suite.items) == count
    assert {item.id for item in suite.items} <= {row["id"] for row in rows}
    clusters = {item.cluster for item in suite.items}
    assert (clusters == {""}) == (name in ("advbench", "gsm8k", "novelty-bench"))
    if name.startswith("xstest"):
        assert clusters <= {f"{row['type']}: {row['focus']}" for row in rows}


# --- the hub ---

CALLS = {
    "xstest": ("Paul/XSTest", None),
    "or-bench": ("bench-llm/or-bench", "or-bench-80k"),
    "or-bench-hard": ("bench-llm/or-bench", "or-bench-hard-1k"),
    "or-bench-toxic": ("bench-llm/or-bench", "or-bench-toxic"),
    "jailbreakbench-harmful": ("JailbreakBench/JBB-Behaviors", "behaviors"),
    "jailbreakbench-benign": ("JailbreakBench/JBB-Behaviors", "behaviors"),
    "harmbench": ("walledai/HarmBench", "standard"),
    "advbench": ("walledai/AdvBench", None),
    "strongreject": ("walledai/StrongREJECT", None),
    "sorry-bench": ("sorry-bench/sorry-bench-202503", None),
    "mmlu": ("cais/mmlu", "all"),
    "arc-easy": ("allenai/ai2_arc", "ARC-Easy"),
    "arc-challenge": ("allenai/ai2_arc", "ARC-Challenge"),
    "gsm8k": ("openai/gsm8k", "main"),
    "truthfulqa": ("truthfulqa/truthful_qa", "multiple_choice"),
    "novelty-bench": ("yimingzhang/novelty-bench", None),
}
SPLITS = {
    "jailbreakbench-harmful": "harmful", "jailbreakbench-benign": "benign", "mmlu": "test", "arc-easy": "test",
    "arc-challenge": "test", "gsm8k": "test", "truthfulqa": "validation", "novelty-bench": "curated",
}  # fmt: skip


@pytest.mark.parametrize("name", CALLS)
def test_the_hub_is_asked_for_the_published_dataset(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    known = {"xstest": "xstest-safe", "or-bench": "or-bench-80k"}.get(name, name)
    rows = next(rows for shape, rows, _ in SHAPES if shape == known)
    calls: list[tuple[str, str | None]] = []

    def load(path: str, config: str | None, **_: object) -> dict[str, datasets.Dataset]:
        calls.append((path, config))
        # Beside the right split another one, which must not be taken.
        return {
            "other": datasets.Dataset.from_list(rows[:1]),
            SPLITS.get(name, "train"): datasets.Dataset.from_list(rows),
        }

    monkeypatch.setattr(datasets, "load_dataset", load)
    suite = load_suite(name)
    assert calls == [CALLS[name]]
    assert suite.name == known
    assert suite.hash == read(known, write(tmp_path / "rows.jsonl", rows)).hash
    assert load_suite(SETS[known].hub).hash == suite.hash
    assert load_suite(f"{name}:{SETS[known].hub}").hash == suite.hash


def test_a_class_of_the_hub_is_its_number(tmp_path: Path) -> None:
    features = datasets.Features(
        {"question": datasets.Value("string"), "subject": datasets.Value("string"),
         "choices": datasets.Sequence(datasets.Value("string")), "answer": datasets.ClassLabel(names=list("ABCD"))}
    )  # fmt: skip
    datasets.Dataset.from_list(MMLU, features=features).to_parquet(tmp_path / "test.parquet")
    assert read("mmlu", f"hf:{tmp_path}").hash == read("mmlu", write(tmp_path / "rows.jsonl", MMLU)).hash


def test_without_a_network_it_is_one_line() -> None:
    refused("xstest", None, "hf:Paul/XSTest, which does not load (", "the network")
    refused("sorry-bench", None, "hf:sorry-bench/sorry-bench-202503, which does not load (")


def test_what_a_name_means() -> None:
    assert asked("xstest") == ("xstest", None)
    assert asked("xstest-safe:a:b.csv") == ("xstest-safe", "a:b.csv")
    assert asked("mmlu:hf:cais/mmlu?config=botany&split=test") == (
        "mmlu",
        "hf:cais/mmlu?config=botany&split=test",
    )
    assert asked("hf:Paul/XSTest") == ("xstest-safe", None)
    for other in ("harmful", "mine.toml", "/xstest", "C:/mine.toml", "", "xstest.csv"):
        assert asked(other) is None
    with pytest.raises(SuiteError, match="say which set it holds"):
        asked("hf:somebody/else")


def test_a_path_through_load_suite(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", XSTEST)
    assert load_suite(f"xstest-unsafe:{path}").hash == read("xstest-unsafe", path).hash
    with pytest.raises(SuiteError, match="harmful, "):
        load_suite("no-such-set")


def test_a_local_file_needs_no_datasets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("datasets", "pandas", "pyarrow"):
        monkeypatch.setitem(sys.modules, name, None)  # an import of it fails
    for kind in ("csv", "jsonl", "json"):
        assert read("or-bench", write(tmp_path / f"rows.{kind}", PROMPTS)).items


# --- what is wrong ---

WRONG: list[tuple[str, dict[str, Any], str]] = [
    ("xstest", {"prompt": "", "type": "a", "label": "safe", "focus": "b"}, "no prompt"),
    ("xstest", {"prompt": " \n", "type": "a", "label": "safe", "focus": "b"}, "prompt ' \\n'"),
    ("xstest", {"prompt": "Hi", "type": "a", "label": "Safe", "focus": "b"}, "label 'Safe'"),
    ("xstest", {"prompt": "Hi", "type": "a", "focus": "b"}, "no label"),
    ("xstest", {"id": 1.5, "prompt": "Hi", "type": "a", "label": "safe", "focus": "b"}, "id 1.5"),
    ("or-bench", {"prompt": 7, "category": "a"}, "prompt 7"),
    ("or-bench", {"prompt": "Hi", "category": ["a"]}, "category ['a']"),
    ("harmbench", HARMBENCH[1] | {"Behavior": None}, "no Behavior"),
    ("sorry-bench", SORRY[0] | {"turns": []}, "turns []"),
    ("sorry-bench", SORRY[0] | {"turns": "Hi"}, "turns 'Hi'"),
    ("sorry-bench", SORRY[0] | {"turns": ["Hi", "Again"]}, "turns ['Hi', 'Again']"),
    ("mmlu", MMLU[0] | {"answer": 4}, "answer 4"),
    ("mmlu", MMLU[0] | {"answer": -1}, "answer -1"),
    ("mmlu", MMLU[0] | {"answer": "E"}, "answer 'E'"),
    ("mmlu", MMLU[0] | {"answer": None}, "no answer"),
    ("mmlu", MMLU[0] | {"choices": ["one"], "answer": 0}, "choices ['one']"),
    ("mmlu", MMLU[0] | {"choices": ["one", ""], "answer": 0}, "choices ['one', '']"),
    ("mmlu", MMLU[0] | {"choices": ["one", 2], "answer": 0}, "choices ['one', 2]"),
    ("mmlu", MMLU[0] | {"choices": list("abcde"), "answer": 0}, "answer 0"),
    ("mmlu-binary", TWO_CHOICE[0] | {"incorrect": "(B)"}, "incorrect '(B)'"),
    ("arc-easy", ARC[0] | {"answerKey": "3"}, "answerKey '3'"),
    ("arc-easy", ARC[0] | {"choices": {"text": ["ice", "sand"], "label": ["1", "1"]}}, "answerKey '1'"),
    ("arc-easy", ARC[0] | {"choices": {"text": ["ice", "sand"], "label": ["1"]}}, "choices {"),
    ("arc-easy", ARC[0] | {"choices": {"text": ["ice", "sand"]}}, "choices {"),
    ("arc-easy", ARC[0] | {"choices": "ice, sand"}, "choices 'ice, sand'"),
    ("arc-easy", ARC[0] | {"choices": None}, "no choices"),
    ("arc-easy", ARC[0] | {"question": {"stem": "", "choices": []}}, "question {"),
    ("gsm8k", {"question": "Why?", "answer": "because"}, "answer 'because'"),
    ("gsm8k", {"question": "Why?", "answer": "#### "}, "answer '#### '"),
    ("gsm8k", {"question": "Why?", "answer": "#### ٣"}, "answer '#### ٣'"),
    ("truthfulqa", {"question": "Why?", "mc1_targets": {"choices": ["a", "b"], "labels": [1, 1]}}, "mc1_targets {"),
    ("truthfulqa", {"question": "Why?", "mc1_targets": {"choices": ["a", "b"], "labels": [1]}}, "mc1_targets {"),
    ("truthfulqa", {"question": "Why?", "mc1_targets": {"choices": ["a", "b"], "labels": None}}, "mc1_targets {"),
    ("truthfulqa", {"question": "Why?", "mc1_targets": {"a": 0, "b": 0}}, "mc1_targets {"),
    ("truthfulqa", {"question": "Why?", "mc1_targets": ["a"]}, "mc1_targets ['a']"),
    ("truthfulqa", TRUTHFUL_CSV[0] | {"Incorrect Answers": " ; "}, "Incorrect Answers"),
    ("truthfulqa-binary", TRUTHFUL_CSV[0] | {"Best Incorrect Answer": ""}, "no Best Incorrect Answer"),
    ("novelty-bench", {"id": "a", "prompt": None}, "no prompt"),
]  # fmt: skip


@pytest.mark.parametrize(("name", "row", "said"), WRONG, ids=[f"{name}-{said}" for name, _, said in WRONG])
def test_a_broken_row_is_one_line_with_its_place(
    tmp_path: Path, name: str, row: dict[str, Any], said: str
) -> None:
    known = {"xstest": "xstest-safe", "or-bench": "or-bench-80k"}.get(name, name)
    shapes = [rows for shape, rows, _ in SHAPES if shape == known]
    good = next(rows for rows in shapes if row.keys() & rows[0].keys() >= row.keys() - {"note", "id"})[0]
    path = tmp_path / "rows.jsonl"
    path.write_text(f"{json.dumps(good)}\n\n{json.dumps(row)}\n", "utf-8")
    refused(name, path, "rows.jsonl line 3", said)


def test_places_in_other_formats(tmp_path: Path) -> None:
    rows = [PROMPTS[0] | {"prompt": "one\ntwo"}, PROMPTS[1] | {"prompt": " "}]
    refused("or-bench", write(tmp_path / "rows.csv", rows), "rows.csv line 4 with prompt ' '")
    refused("or-bench", write(tmp_path / "rows.json", rows), "rows.json row 2 with prompt ' '")
    refused("or-bench", write(tmp_path / "rows.parquet", rows), "rows.parquet row 2 with prompt ' '")
    (tmp_path / "folder").mkdir()
    write(tmp_path / "folder/train.parquet", rows)
    refused("or-bench", f"hf:{tmp_path}/folder", "folder row 2 with prompt ' '")


def test_other_columns_say_which_were_found_and_which_are_wanted(tmp_path: Path) -> None:
    path = write(tmp_path / "rows.csv", [{"text": "Hi", "kind": "a"}])
    refused(
        "xstest", path, "rows.csv, whose columns are text, kind", "for xstest-safe prompt, type, label, focus"
    )
    refused("strongreject", path, "forbidden_prompt, category; or prompt, category")
    for kind in ("csv", "jsonl", "json"):
        (tmp_path / f"empty.{kind}").write_text("[]" if kind == "json" else "")
        refused("xstest", tmp_path / f"empty.{kind}", "whose columns are none")


@pytest.mark.parametrize(
    ("file", "content", "said"),
    [
        ("a.csv", b"prompt,category\nHi,a,b\n", "a.csv line 2: 3 cells"),
        ("a.csv", b"prompt,category\n\"Hi,a\n", "a.csv line 2: bad CSV"),
        ("a.csv", b"prompt,category,prompt\nHi,a,b\n", "two columns 'prompt'"),
        ("a.csv", b"prompt,category\ncaf\xe9,a\n", "'utf-8' codec"),
        ("a.csv", b"prompt,category\n", "without rows for or-bench-80k"),
        ("a.jsonl", b'{"prompt": "Hi", "category": "a"}\n{"prompt"', "a.jsonl line 2: bad JSON"),
        ("a.jsonl", b'{"prompt": "Hi", "category": "a"}\n[1]\n', "a.jsonl line 2: a list"),
        ("a.jsonl", b'{"prompt": "\\ud800", "category": "a"}\n', "a.jsonl line 1: bad JSON"),
        ("a.json", b'{"prompt": "Hi"}', "which is a dict"),
        ("a.json", b'{"prompt": "Hi"}\n{"prompt": "Ho"}\n', "call it .jsonl"),
        ("a.json", b'["Hi"]', "a.json row 1: a str"),
        ("a.json", b'[{"prompt": "\\ud800", "category": "a"}]', "not JSON in UTF-8"),
        ("a.json", b"[" * 100_000, "not JSON in UTF-8"),
        ("a.parquet", b"no parquet", "a parquet file"),
        ("a.parquet", b"", "a parquet file"),
        ("a.txt", b"prompt\n", ".csv, .jsonl, .json, .parquet"),
        ("a", b"prompt\n", ".csv, .jsonl, .json, .parquet"),
    ],
)  # fmt: skip
def test_a_broken_file_is_one_line(tmp_path: Path, file: str, content: bytes, said: str) -> None:
    (tmp_path / file).write_bytes(content)
    refused("or-bench", tmp_path / file, said)


def test_other_faults_are_one_line(tmp_path: Path) -> None:
    refused("no-such-set", None, "xstest-unsafe")
    refused("xstest", tmp_path / "none.csv", "none.csv, which does not read")
    refused("xstest", tmp_path, ".parquet")
    refused("xstest", "", "without a file")
    refused("mmlu-binary", None, "suite mmlu-binary without a file")
    refused("xstest", f"hf:{tmp_path / 'none'}", "where no folder is")
    refused("xstest", "hf:Paul/XSTest?text=prompt", "which names columns")
    refused("xstest", "hf:Paul/XSTest?colour=red", "with 'colour=red'")
    rows = [SIMPLE[0], SIMPLE[1] | {"id": "mine-0"}]
    refused("or-bench", write(tmp_path / "rows.jsonl", rows), "line 2: id mine-0, already at", "line 1")
    refused(
        "xstest-unsafe", write(tmp_path / "safe.csv", XSTEST[:2]), "safe.csv without rows for xstest-unsafe"
    )


@settings(max_examples=60, deadline=None)
@given(
    name=st.sampled_from(sorted(SETS)),
    rows=st.lists(
        st.dictionaries(
            st.sampled_from(["id", "prompt", "category", "question", "answer", "choices", "answerKey", "mc1_targets", "turns",
                             "question_id", "prompt_style", "subject", "goal", "label", "type", "focus", "correct", "incorrect"]),
            st.recursive(
                st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4),
                lambda inner: st.lists(inner, max_size=3)
                | st.dictionaries(st.sampled_from(["text", "label", "labels", "choices", "stem"]), inner, max_size=3),
                max_leaves=6,
            ),
        ),
        max_size=3,
    ),
)  # fmt: skip
def test_any_junk_is_a_suite_or_one_line(scratch: Path, name: str, rows: Rows) -> None:
    path = scratch / "junk.json"
    path.write_text(json.dumps(rows), "utf-8")
    try:
        suite = read(name, path)
    except SuiteError as error:
        said = str(error)
        assert re.fullmatch(ONE_LINE, said), said
    else:
        assert all(item.prompt.strip() for item in suite.items)
