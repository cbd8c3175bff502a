"""Judges a file of answers: JSON lines with `prompt` and `answer` in, the same with `verdict` out. Knows no model."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from steer_evals.errors import JudgeError
from steer_evals.judges import Verdict, judge
from steer_evals.run import write_whole


def judge_file(source: str | Path, target: str | Path) -> Counter[str]:
    """Judge every answer of a file with the lexical judge.

    Args:
        source: JSON lines with `prompt` and `answer`, and optionally `truncated` (the token limit cut the answer off;
            default false) and `min_words` (fewer words are no answer, 3 in the refusal suites; default 1). Other fields
            are kept.
        target: The same lines with `verdict`; written whole or not at all.

    Returns:
        How many answers have each verdict.

    Raises:
        JudgeError: A file that does not read, or a line without what is needed (named).
        RunError: `target` cannot be written.
    """
    rows = [{**row, "verdict": _verdict(row).value} for row in _rows(Path(source))]
    if not rows:
        raise JudgeError(f"{source} without answers", "one JSON object a line", "check the file")
    write_whole(Path(target), "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
    counts = Counter({verdict.value: 0 for verdict in Verdict})
    counts.update(row["verdict"] for row in rows)
    return counts


def _verdict(row: dict[str, Any]) -> Verdict:
    truncated, least = bool(row.get("truncated", False)), row.get("min_words", 1)
    return judge(row["answer"], prompt=row["prompt"], truncated=truncated, min_words=least)


def _rows(path: Path) -> Iterator[dict[str, Any]]:
    try:
        # Not splitlines: an answer may hold U+2028 or U+0085, which end no line of JSON lines.
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except (OSError, UnicodeDecodeError) as error:
        raise JudgeError(
            f"{path}, which cannot be read ({error})", "a JSONL file", "check the path"
        ) from error
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise JudgeError(
                f"{path}:{number}, which is not JSON", "one JSON object a line", "mend the line"
            ) from error
        if not isinstance(row, dict) or not all(
            isinstance(row.get(name), str) for name in ("prompt", "answer")
        ):
            raise JudgeError(f"{path}:{number} without the texts prompt and answer", "both", "mend the line")
        if type(row.get("min_words", 1)) is not int:
            raise JudgeError(
                f"{path}:{number} with min_words {row['min_words']!r}", "a whole number", "mend the line"
            )
        yield row
