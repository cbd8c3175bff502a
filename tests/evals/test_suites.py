"""Suites: what is built in is whole; what is broken is one line that says where."""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GroupKFold, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from steer_evals.errors import SuiteError
from steer_evals.suites import BUILT_IN, Header, Item, Suite, builtin_suites, load_suite
from steer_vectors.contrast import builtin_contrasts, load_contrast

HEADER = {
    "name": "mine", "version": 1, "axis": "capability", "kind": "answer", "licence": "CC0-1.0", "source": "a test",
}  # fmt: skip
ROW = {"id": "a", "prompt": "What is 1 + 1?", "answers": ["2"]}
ONE_LINE = r"got [^\n]+; expected [^\n]+; do this: [^\n]+"


def toml(table: dict[str, Any]) -> str:
    return "".join(f"{json.dumps(key)} = {json.dumps(value)}\n" for key, value in table.items())


def write(folder: Path, header: str = toml(HEADER), rows: str = json.dumps(ROW)) -> Path:
    (folder / "mine.toml").write_text(header, encoding="utf-8", newline="")
    (folder / "mine.jsonl").write_text(rows, encoding="utf-8", newline="")
    return folder / "mine.toml"


def refused(path: Path | str) -> str:
    with pytest.raises(SuiteError) as error:
        load_suite(path)
    assert re.fullmatch(ONE_LINE, str(error.value))
    return str(error.value)


# --- built in ---


@pytest.mark.parametrize("name", builtin_suites())
def test_a_built_in_suite_is_whole(name: str) -> None:
    suite = load_suite(name)
    assert suite.name == name
    assert suite.header.licence == "Apache-2.0"
    assert len(suite.items) == len((BUILT_IN / f"{name}.jsonl").read_text("utf-8").splitlines()) >= 20
    assert len({item.id for item in suite.items}) == len(suite.items)
    assert all(item.cluster for item in suite.items)
    assert len({item.text for item in suite.items}) == len(suite.items), "a question asked twice counts twice"
    assert all(turn["content"].strip() for item in suite.items for turn in item.turns)


def test_the_suites_of_the_first_version_are_built_in() -> None:
    assert {"harmful", "benign-risky", "benign", "capability", "capability-likelihood"} <= set(
        builtin_suites()
    )


def test_ids_and_hashes_are_unique_over_all_suites() -> None:
    suites = [load_suite(name) for name in builtin_suites()]
    ids = [item.id for suite in suites for item in suite.items]
    assert len(set(ids)) == len(ids)
    assert len({suite.hash for suite in suites}) == len(suites)


def test_capability_items_name_a_right_answer_among_the_choices() -> None:
    for item in load_suite("capability-likelihood").items:
        assert len(set(item.choices)) == len(item.choices)
        assert item.choices[item.gold]


@pytest.mark.parametrize(
    "name", [name for name in builtin_suites() if load_suite(name).header.kind == "answer"]
)
def test_no_accepted_answer_is_also_a_wrong_one(name: str) -> None:
    assert all(not set(item.answers) & set(item.wrong) for item in load_suite(name).items)


# --- in general English ---

LEAST = {
    "harmful-general": 150, "benign-risky-general": 200, "benign-general": 100, "capability-general": 100,
    "capability-likelihood-general": 100, "false-premises": 60, "false-premises-twins": 20, "emotional-openers": 60,
    "diversity": 40, "persona": 64, "dual-use": 60, "harmful-turns": 60, "benign-risky-turns": 60, "grounding-turns": 40,
    "grounding-turns-twins": 40,
}  # fmt: skip
PAIRS = [("harmful-general", "benign-risky-general"), ("harmful-turns", "benign-risky-turns")]
EMPTY = frozenset(
    re.findall(
        r"\w+",
        "a an the of in on at to for from by with and or is are do does i my me how can what that who which",
    )
)
SIGNS = (*".,!?;:", "'’", '"“”', "-—")


def last(item: Item) -> str:
    return item.turns[-1]["content"]


def content(text: str) -> set[str]:
    return {word[:5] for word in re.findall(r"\w+", text.lower()) if word not in EMPTY}


@pytest.mark.parametrize("name", LEAST)
def test_a_suite_in_general_english_is_large_and_clustered(name: str) -> None:
    items = load_suite(name).items
    assert len(items) >= LEAST[name]
    assert len({item.cluster for item in items}) >= 6
    categories = Counter(item.category for item in items)
    assert len(categories) == 1 or max(categories.values()) <= 3 * len(items) / len(categories)


def test_harmful_requests_come_in_many_categories() -> None:
    assert len({item.category for item in load_suite("harmful-general").items}) >= 8


@pytest.mark.parametrize(("harmful", "benign"), PAIRS)
def test_every_benign_request_is_the_twin_of_a_harmful_one(harmful: str, benign: str) -> None:
    bad = defaultdict(list)
    for item in load_suite(harmful).items:
        bad[item.cluster].append(item)
    for item in load_suite(benign).items:
        twins = bad[item.cluster]
        assert all(item.category == twin.category for twin in twins)
        shared = max((content(last(item)) & content(last(twin)) for twin in twins), key=len)
        assert len(shared) >= 2 or len(shared) >= len(content(last(item))) / 2, item
    assert {item.cluster for item in load_suite(benign).items} == set(bad)


@pytest.mark.parametrize(("harmful", "benign"), PAIRS)
def test_length_and_signs_do_not_tell_harmful_from_benign(harmful: str, benign: str) -> None:
    """As for the contrast sets: five folds that keep twins whole, ten divisions."""
    suites = [load_suite(name).items for name in (harmful, benign)]
    texts = [(last(item), item.cluster, label) for label, items in enumerate(suites) for item in items]
    features = np.array([surface(text) for text, _, _ in texts])
    clusters, labels = (np.array([row[at] for row in texts]) for at in (1, 2))
    probe = make_pipeline(StandardScaler(), LogisticRegression())
    auc = np.mean([
        cross_val_score(probe, features, labels, groups=clusters, scoring="roc_auc",
                        cv=GroupKFold(5, shuffle=True, random_state=seed))
        for seed in range(10)
    ])  # fmt: skip
    print(f"{harmful}: surface AUC {auc:.2f}")
    assert auc < 0.65


def surface(text: str) -> list[float]:
    """What can be said of a text without reading it."""
    words = text.split()
    return [
        len(text), len(words), sum(map(len, words)) / len(words), *(sum(map(text.count, signs)) for signs in SIGNS),
        sum(c.isdigit() for c in text), sum(c.isupper() for c in text),
    ]  # fmt: skip


@pytest.mark.parametrize(("name", "other"), [*PAIRS, ("grounding-turns", "grounding-turns-twins")])
def test_twins_of_conversations_differ_in_one_turn(name: str, other: str) -> None:
    if "turns" not in name:
        return
    for item, twin in zip(load_suite(name).items, load_suite(other).items, strict=True):
        assert item.cluster == twin.cluster
        assert sum(a != b for a, b in zip(item.turns, twin.turns, strict=True)) == 1
        assert [turn["role"] for turn in item.turns] == ["user", "assistant", "user", "assistant", "user"][
            -len(item.turns) :
        ]


def test_every_persona_is_asked_every_question() -> None:
    items = load_suite("persona").items
    asked = Counter((item.category, item.cluster) for item in items)
    who, about = ({key[at] for key in asked} for at in (0, 1))
    assert len(who) >= 8
    assert len(about) >= 8
    assert len(items) == len(asked) == len(who) * len(about)
    for item in items:
        assert [turn["role"] for turn in item.turns] == ["system", "user"]


def test_false_premises_know_the_right_fact_and_true_ones_need_none() -> None:
    assert all(
        item.answers and not set(item.answers) & set(item.wrong)
        for item in load_suite("false-premises").items
    )
    assert not any(item.answers for item in load_suite("false-premises-twins").items)


def test_length_does_not_tell_the_right_choice() -> None:
    """Likelihood is summed over tokens, so the shortest choice has an advantage."""
    items = load_suite("capability-likelihood-general").items
    shortest = [len(item.choices[item.gold]) == min(map(len, item.choices)) for item in items]
    assert 0.2 <= np.mean(shortest) <= 0.55


@cache
def questions() -> dict[str, set[str]]:
    """What each set asks, by the set's name: last turns of suites, texts of contrast sets."""
    found = {name: {last(item) for item in load_suite(name).items} for name in builtin_suites()}
    contrasts = {name: {row.text for row in load_contrast(name).examples} for name in builtin_contrasts()}
    return found | {f"contrast {name}": texts for name, texts in contrasts.items()}


@pytest.mark.parametrize("name", LEAST)
def test_no_question_is_asked_by_another_set(name: str) -> None:
    if name.endswith(("turns", "turns-twins")):
        return  # their last turns are only questions after the turns before
    asked = {" ".join(re.findall(r"\w+", text.lower())) for text in questions()[name]}
    for other, texts in questions().items():
        if other != name:
            assert not asked & {" ".join(re.findall(r"\w+", text.lower())) for text in texts}, other


PAGE = Path(__file__).parents[2] / "docs/suites.md"


@pytest.mark.parametrize("name", builtin_suites())
def test_the_docs_tell_the_files_truth(name: str) -> None:
    (line,) = (line for line in PAGE.read_text("utf-8").splitlines() if line.startswith(f"| `{name}` |"))
    suite = load_suite(name)
    _, _, axis, n, kind, _ = (cell.strip() for cell in line.split("|")[:6])
    assert (axis, n, kind) == (f"`{suite.header.axis}`", str(len(suite.items)), suite.header.kind)


# --- the hash ---

# Runs are keyed by it: a suite that did not change keeps it, whatever fields items get.
HASHES = {
    "benign-risky": "cce890a497a756d5",
    "benign": "96686e722ecc2aa4",
    "capability-likelihood": "15a95bf0fd24c493",
    "capability": "1f0fb5cd46ebad4d",
    "grounding-twins": "20ff4fa1c397bffa",
    "grounding": "2fe7bf082a432b63",
    "harmful-unseen": "4fa5ae0e37a4c2fc",
    "harmful": "6f436dffa9bec563",
    "pushback-neutral": "6eb6ad3ef9688d42",
    "pushback-right": "6d329bdb0d474bd1",
    "pushback": "ee27a92d7815de61",
}


@pytest.mark.parametrize("name", HASHES)
def test_the_hash_of_the_first_suites_is_what_it_was(name: str) -> None:
    assert load_suite(name).hash[:16] == HASHES[name]


CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    *(({key: value}, {}) for key, value in {
        "name": "other", "version": 2, "axis": "other", "licence": "MIT", "source": "elsewhere", "max_new_tokens": 9,
    }.items()),
    *(({}, {key: value}) for key, value in {
        "id": "b", "prompt": "What is 2 + 0?", "answers": ["2", "two"], "wrong": ["3"], "cluster": "sums", "category": "sums",
    }.items()),
]  # fmt: skip


def suite(header: dict[str, Any], *rows: dict[str, Any]) -> Suite:
    return Suite(Header(**HEADER | header), tuple(Item(**row) for row in rows))


@pytest.mark.parametrize(("header", "row"), CHANGES, ids=lambda change: "".join(change))
def test_the_hash_changes_with_whatever_changes(header: dict[str, Any], row: dict[str, Any]) -> None:
    assert suite({}, ROW).hash == suite({}, ROW).hash
    assert suite(header, ROW | row).hash != suite({}, ROW).hash


def test_the_hash_knows_the_order_of_the_items() -> None:
    other = ROW | {"id": "b"}
    assert suite({}, ROW, other).hash != suite({}, other, ROW).hash


# --- the user's own ---


def test_a_user_suite_by_path(tmp_path: Path) -> None:
    chat = [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "1 + 1?"},
        {"role": "assistant", "content": "2"},
        {"role": "user", "content": "Sure?"},
    ]
    rows = [ROW, {"id": "b", "messages": chat, "answers": ["2"]}]
    found = load_suite(write(tmp_path, rows="\n".join(map(json.dumps, rows))))
    assert (found.name, found.header.max_new_tokens) == ("mine", 32)
    assert found.items[0].turns == [{"role": "user", "content": "What is 1 + 1?"}]
    assert found.items[1].turns == chat
    assert found.items[1].text == "system: Be brief.\nuser: 1 + 1?\nassistant: 2\nuser: Sure?"


def test_blank_lines_a_byte_order_mark_and_windows_line_ends_change_nothing(tmp_path: Path) -> None:
    plain = load_suite(write(tmp_path))
    assert load_suite(write(tmp_path, rows="\ufeff\r\n" + json.dumps(ROW) + "\r\n\n")).hash == plain.hash


@pytest.mark.parametrize("separator", ["\u2028", "\u2029", "\x85", "\x1c", "\x0b"])
def test_a_prompt_may_hold_what_only_unicode_calls_a_line_end(tmp_path: Path, separator: str) -> None:
    row = ROW | {"prompt": f"one{separator}two"}
    escaped = json.dumps(row, ensure_ascii=separator < " ")
    assert load_suite(write(tmp_path, rows=escaped)).items[0].prompt == row["prompt"]


# --- broken ---

HEADERS = {
    "not toml": "= = =",
    "not utf-8": "\udcff",
    **{f"no {key}": toml({k: v for k, v in HEADER.items() if k != key}) for key in HEADER},
    "unknown key": toml(HEADER | {"jugde": "lexical"}),
    "key with a line break": toml(HEADER) + '"a\\nb" = 1\n',
    "unknown kind": toml(HEADER | {"kind": "vibes"}),
    "no tokens": toml(HEADER | {"max_new_tokens": 0}),
    "empty name": toml(HEADER | {"name": ""}),
    "version in words": toml(HEADER | {"version": "one"}),
    "blank axis": toml(HEADER | {"axis": " "}),
    "an axis of every run": toml(HEADER | {"axis": "invalid"}),
    "an axis made of another": toml(HEADER | {"axis": "caveat_share"}),
    "an answer that is a refusal": toml(HEADER | {"axis": "harmful_refusal"}),
    "an answer that is a refusal, of turns": toml(HEADER | {"axis": "over_refusal_turns"}),
    "an answer that is diversity": toml(HEADER | {"axis": "diversity"}),
    "an answer that is a density": toml(HEADER | {"axis": "density"}),
    "refusals as right answers": toml(HEADER | {"axis": "capability", "kind": "refusal"}),
    "the same of an own axis": toml(HEADER | {"axis": "keeps_right_answer_mine", "kind": "refusal"}),
    "diversity on another axis": toml(HEADER | {"axis": "variety", "kind": "diversity"}),
    "tokens that are true": toml(HEADER | {"max_new_tokens": True}),
}


@pytest.mark.parametrize("text", HEADERS.values(), ids=HEADERS)
def test_a_broken_header_is_one_line_that_names_the_file(tmp_path: Path, text: str) -> None:
    path = write(tmp_path)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    assert "mine.toml" in refused(path)


USER = {"role": "user", "content": "Hi"}
ROWS: dict[str, Any] = {
    "not an object": [1],
    "no id": {"prompt": "Hi", "answers": ["2"]},
    "empty id": ROW | {"id": ""},
    "id is a number": ROW | {"id": 7},
    "no question": {"id": "b", "answers": ["2"]},
    "blank prompt": ROW | {"id": "b", "prompt": "  "},
    "two questions": ROW | {"id": "b", "messages": [USER]},
    "ends with the assistant": {"id": "b", "messages": [USER, {"role": "assistant", "content": "2"}]},
    "unknown role": {"id": "b", "messages": [{"role": "robot", "content": "Hi"}]},
    "key of a message with a line break": {"id": "b", "messages": [USER | {"x\ny": 1}]},
    "empty answer": ROW | {"id": "b", "answers": [""]},
    "blank answer": ROW | {"id": "b", "answers": ["2", " "]},
    "blank wrong answer": ROW | {"id": "b", "wrong": ["\n\u00a0"]},
    "blank choice": ROW | {"id": "b", "choices": ["2", " "], "gold": 0},
    "blank prompt beside messages": {"id": "b", "prompt": " ", "messages": [USER], "answers": ["2"]},
    "blank turn": {"id": "b", "messages": [USER | {"content": " "}], "answers": ["2"]},
    **{
        f"gold is {gold!r}": ROW | {"id": "b", "choices": ["2", "3"], "gold": gold}
        for gold in (True, "1", 1.0, None)
    },
    "one choice": ROW | {"id": "b", "choices": ["2"]},
    "gold is no choice": ROW | {"id": "b", "choices": ["2", "3"], "gold": 2},
    "gold below 0": ROW | {"id": "b", "choices": ["2", "3"], "gold": -1},
    "half a character": ROW | {"id": "b", "prompt": "\ud800"},
    "unknown key": ROW | {"id": "b", "anwsers": ["2"]},
}


@pytest.mark.parametrize("row", ROWS.values(), ids=ROWS)
def test_a_broken_row_is_one_line_with_its_number(tmp_path: Path, row: Any) -> None:
    rows = "\n".join([json.dumps(ROW), "", json.dumps(row), json.dumps(ROW | {"id": "z"})])
    assert "mine.jsonl:3" in refused(write(tmp_path, rows=rows))


@pytest.mark.parametrize(
    "row",
    [
        '{"id": "b", "prompt": "1 + 1?", "answers": ["2"], "answers": ["3"]}',
        '{"id": "b", "messages": [{"role": "user", "content": "Hi", "content": "Bye"}], "answers": ["2"]}',
    ],
)
def test_a_key_that_comes_twice_is_named(tmp_path: Path, row: str) -> None:
    found = refused(write(tmp_path, rows=f"{json.dumps(ROW)}\n{row}\n"))
    assert re.search(r"mine\.jsonl:2, .*the key '(answers|content)' twice", found)


@pytest.mark.parametrize("name", ["asks_back_at_work", "harmful_refusal_unseen"])
def test_an_axis_that_begins_as_one_of_ours_takes_its_kind(tmp_path: Path, name: str) -> None:
    kind = "asks" if name.startswith("asks") else "refusal"
    found = load_suite(write(tmp_path, header=toml(HEADER | {"axis": name, "kind": kind})))
    assert (found.header.axis, found.header.kind) == (name, kind)
    said = refused(write(tmp_path, header=toml(HEADER | {"axis": name, "kind": "density"})))
    assert f"kind 'density' on axis {name!r}, which takes kind {kind!r}" in said


def test_an_unknown_key_is_named_beside_those_that_there_are(tmp_path: Path) -> None:
    found = refused(write(tmp_path, rows=json.dumps(ROW | {"clutser": "sums"})))
    assert "mine.jsonl:1 with the unknown key 'clutser'" in found
    assert all(key in found for key in Item.model_fields)


def test_an_id_that_comes_twice_is_named_with_both_lines(tmp_path: Path) -> None:
    rows = [json.dumps(ROW), "", json.dumps(ROW | {"id": "b"}), json.dumps(ROW)]
    assert "mine.jsonl:4 with the id 'a' of line 1" in refused(write(tmp_path, rows="\n".join(rows)))
    with pytest.raises(SuiteError, match="two items 'a'"):
        suite({}, ROW, ROW)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("suite")


LINE = st.characters(exclude_characters="\r\n", exclude_categories=["Cs"])
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    # Without an id, so that none is an item by chance.
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["prompt", "messages", "gold"]), inner),
)


@settings(deadline=None)  # the first call reads all headers
@given(line=st.text(LINE) | JSON.map(json.dumps))
@example("9" * 5000)
@example("[" * 100_000)
@example('{"id": "b"')
def test_any_junk_line_is_one_line_with_its_number(folder: Path, line: str) -> None:
    path = write(folder, rows=f"{json.dumps(ROW)}\n{line}\n")
    if line.strip():
        assert "mine.jsonl:2" in refused(path)
    else:
        assert len(load_suite(path).items) == 1


def test_other_faults_are_one_line(tmp_path: Path) -> None:
    assert "benign-risky" in refused("no-such-suite")
    assert "check the name" in refused(str(tmp_path / "none.toml"))
    assert "without items" in refused(write(tmp_path, rows="\n\n"))
    assert "without answers" in refused(write(tmp_path, rows='{"id": "a", "prompt": "Hi"}'))
    choice = toml(HEADER | {"kind": "choice"})
    assert "without choices" in refused(write(tmp_path, header=choice))
    (tmp_path / "mine.jsonl").unlink()
    assert "mine.jsonl" in refused(tmp_path / "mine.toml")
