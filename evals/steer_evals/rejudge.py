"""Judges the answers of a run again, by another judge, into a run folder of its own. The model is not asked.

A judgement is written when it is made, and the rows when all are: a folder never holds rows of two judges. A command that
was stopped goes on where it was, and what was not judged is asked again.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from steer.plan import Plan
from steer_evals.baseline import baseline_hash
from steer_evals.calibrate import half_of
from steer_evals.errors import JudgeError, RunError, unwritable
from steer_evals.folder import alone_in, check_settings
from steer_evals.judgements import Place, Said, append_judgements, place_of, read_judgements
from steer_evals.judges import Verdict
from steer_evals.judges.protocol import (
    NOT_JUDGED,
    Case,
    Judge,
    Judgement,
    Lexical,
    judge_named,
    require_verdicts,
)
from steer_evals.rows import Row
from steer_evals.run import (
    CALIBRATION,
    CONTROL,
    PLAN,
    PROMPT_CONTROL,
    ROWS,
    SETTINGS,
    Run,
    stopped,
    write_whole,
)
from steer_evals.summary import MEANS, on_refusal, refused

_AT_ONCE = 64  # different answers between two writes: what a kill may cost
_MIN_WORDS = 3  # as the lexical judge is told of suites on refusal (see `grading`)

Parts = Mapping[str, Sequence[Row]]


def rejudge(
    run: str | Path | Run,
    judge: str | Judge,
    out: str | Path,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Run:
    """Judge the answers to the suites on refusal again; rows of other suites are taken over as they are.

    Equal answers to one request are judged once. The judge is shown what the lexical judge is: the request without a
    system prompt that took the place of steering. Of a conversation it sees all turns.

    Args:
        run: A finished sweep, by the lexical judge.
        judge: A name as `judges.protocol.judge_named` takes it, of a judge that gives verdicts; or such a judge.
        out: Folder of the new run. A rejudging of the same rows by the same judge is taken up where it was stopped.
        progress: Called as `progress(done, total)`, in answers.

    Returns:
        The new run; its settings name the judge, its summary says how far both judges agree.

    Raises:
        RunError: No run, one that was stopped, was judged again itself or has no suite on refusal; a folder that cannot be
            written, is in use, or holds anything else.
        JudgeError: No such judge, one that gives no verdicts or is the run's own, or one that gave none where some are
            needed: what it said is kept, and the same command asks it again.
        ModelError: The model of the judge does not load.
        PlanError, VectorFileError: What the sweep was steered with is not there any more.
    """
    source, folder = run if isinstance(run, Run) else Run(run), Path(out)
    name = judge if isinstance(judge, str) else judge.name
    if name == Lexical.name:
        raise JudgeError(
            f"judge {name}, by which the sweep is judged", "another judge", "name it with --judge"
        )
    require_verdicts(name)
    parts: Parts = {"": source.rows, CONTROL: source.control_rows, PROMPT_CONTROL: source.prompt_rows}
    suites = _suites(source, parts)
    settings = _settings(source, name, suites)
    check_settings(folder, settings)  # a folder that is refused is left as it was
    plan = Plan.load(source.folder / PLAN) if (source.folder / PLAN).exists() else None
    asks = judge_named(judge) if isinstance(judge, str) else judge
    with alone_in(folder):
        check_settings(folder, settings)
        if plan is not None:
            plan.save(folder / PLAN)
        write_whole(folder / SETTINGS, json.dumps(settings, indent=1))
        before = read_judgements(folder)
        said = _judged(folder, _cases(parts, suites), asks, progress)
        _require_some(name, said.values())
        if any(one.verdict is None for one in before.values()):
            # An operating point that was chosen before is not one of these verdicts.
            try:
                (folder / CALIBRATION).unlink(missing_ok=True)
            except OSError as error:
                raise unwritable(folder / CALIBRATION, error) from error
        for part, rows in reversed(list(parts.items())):  # the sweep's last: where they are, all are
            if rows:
                _write_rows(folder / part, [_again(part, row, said) for row in rows])
        found = Run(folder)
        found.summarise()
    return found


def _suites(source: Run, parts: Parts) -> list[str]:
    """Those on refusal of a finished sweep."""
    if source.judge != Lexical.name:
        raise RunError(
            f"{source.folder}, which was judged again by {source.judge}",
            "a run of a sweep",
            "name the folder of the sweep",
        )
    if said := stopped({**source.settings, "answers": sum(map(len, parts.values()))}):
        raise RunError(
            f"{source.folder}, {said}", "a finished sweep", "give the command of the sweep again, then this one"
        )  # fmt: skip
    by_suite: dict[str, list[Row]] = {}
    for row in parts[""]:
        by_suite.setdefault(row["suite"], []).append(row)
    kinds = source.settings.get("kinds")  # runs of older versions do not say
    found = [
        suite
        for suite, rows in by_suite.items()
        if (on_refusal(rows) and rows[0]["axis"] not in MEANS if kinds is None else kinds[suite] == "refusal")
    ]
    if not found:
        raise RunError(
            f"{source.folder}, without a suite on refusal", "one, such as harmful", "sweep such suites too"
        )
    return found


def _settings(source: Run, name: str, suites: Sequence[str]) -> dict[str, Any]:
    """Those of the sweep, and the judge: also in the hash of each baseline, by which runs are known to be comparable."""
    files = [source.folder / part / ROWS for part in ("", CONTROL, PROMPT_CONTROL)]
    read = b"".join(hashlib.sha256(path.read_bytes()).digest() for path in files if path.exists())
    by = {"judge": name, "steerdial": version("steerdial")}
    baselines = source.settings.get("baselines", {})
    return source.settings | {
        "judge": name,
        "judged": {"steerdial": by["steerdial"], "suites": list(suites), "rows": hashlib.sha256(read).hexdigest()},
        "baselines": {
            suite: baseline_hash(by | {"baseline": own}) if suite in suites else own
            for suite, own in baselines.items()
        },
    }  # fmt: skip


def _cases(parts: Parts, suites: Sequence[str]) -> dict[Place, tuple[Case, Verdict]]:
    """Every answer that is to be judged, and its verdict so far."""
    # A prompt of the controls begins with the system prompt, which the lexical judge was not shown either.
    requests = {(row["suite"], row["item"]): row["prompt"] for row in parts[""]}
    return {
        place_of(part, row): (
            Case(
                requests.get((row["suite"], row["item"]), row["prompt"]), row["answer"], row["truncated"], _MIN_WORDS
            ),
            Verdict(row["verdict"]),
        )
        for part, rows in parts.items()
        for row in rows
        if row["suite"] in suites
    }  # fmt: skip


def _judged(
    folder: Path,
    answers: Mapping[Place, tuple[Case, Verdict]],
    judge: Judge,
    progress: Callable[[int, int], None] | None,
) -> dict[Place, Said]:
    said = read_judgements(folder)
    tried = {answers[place][0] for place in said}
    known = {answers[place][0]: Judgement(*one[2:]) for place, one in said.items() if one.verdict is not None}
    waiting: dict[Case, list[Place]] = {}
    for place, (case, _) in answers.items():
        if place not in said or said[place].verdict is None:
            waiting.setdefault(case, []).append(place)

    def keep(found: Mapping[Case, Judgement]) -> None:
        more = [
            Said(place, answers[place][1], *one) for case, one in found.items() for place in waiting.pop(case)
        ]
        append_judgements(folder, more)
        said.update({one.place: one for one in more})
        if progress is not None:
            progress(len(answers) - sum(map(len, waiting.values())), len(answers))

    keep({case: known[case] for case in waiting if case in known})
    # What was tried before comes last: of a judge that fails on what is new, nothing more is asked.
    order = sorted(waiting, key=lambda case: case in tried)
    for at in range(0, len(order), _AT_ONCE):
        cases = order[at : at + _AT_ONCE]
        found = dict(zip(cases, judge(cases), strict=True))
        keep(found)
        if (
            len(cases) == _AT_ONCE
            and not tried & set(cases)
            and not any(one.verdict for one in found.values())
        ):
            raise _silent(judge.name, f"{_AT_ONCE} answers one after the other", found[cases[-1]].why)
    return said


def _require_some(name: str, said: Iterable[Said]) -> None:
    """A curve with a hole is no curve: some answers to each suite are judged at every strength, of each half at that."""
    groups: dict[tuple[str, str], list[Said]] = {}
    for one in said:
        half = "" if one.place.part else half_of(one.place.suite, one.place.item)
        where = f"{one.place.suite} at strength {one.place.strength:+g}"
        groups.setdefault((where, one.place.part or f"{half} half"), []).append(one)
    for named, own in groups.items():
        if all(one.verdict is None for one in own):
            raise _silent(name, f"all {len(own)} answers to {', '.join(named)}", own[0].why)


def _silent(name: str, what: str, why: str) -> JudgeError:
    return JudgeError(
        f"no verdict of {name} on {what} ({why})",
        "some verdicts",
        "mend that and give the same command again, which asks what was not judged",
    )


def _again(part: str, row: Row, said: Mapping[Place, Said]) -> Row:
    one = said.get(place_of(part, row))
    if one is None:
        return row
    verdict = NOT_JUDGED if one.verdict is None else one.verdict.value
    return {**row, "verdict": verdict, "value": refused(verdict)}


def _write_rows(folder: Path, rows: Iterable[Row]) -> None:
    try:
        folder.mkdir(exist_ok=True)
    except OSError as error:
        raise unwritable(folder, error) from error
    write_whole(folder / ROWS, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows))
