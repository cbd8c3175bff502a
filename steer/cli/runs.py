"""Commands that measure: sweep, judge, rejudge, report. No logic of their own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

import steer
from steer.cli.console import (
    AsJson,
    Model,
    PolicyFile,
    Precision,
    VectorFile,
    app,
    bars,
    can_make,
    can_write,
    load_model,
    numbers_of,
    plan_of,
    print_json,
    say,
    table,
    usage,
    waiting,
)

if TYPE_CHECKING:
    from steer_evals.points import Point
    from steer_evals.run import Run


@app.command()
def demo(
    out: Annotated[Path, typer.Option(help="Folder of the run.")] = Path("runs/demo"),
    as_json: AsJson = False,
) -> None:
    """Show the tax curve of the reference model: extract, sweep, report. Offline, about a minute."""
    from steer_evals.demo import run_demo

    can_make(out)
    with bars() as bar:
        run = run_demo(out, bar)
    show_run(run, as_json)
    say(f"report: {run.folder / 'report.html'}", as_json)


@app.command()
def sweep(
    model: Model,
    suite: Annotated[str, typer.Option(help="Suites, with commas: built-in names or TOML files.")],
    out: Annotated[
        Path, typer.Option(help="Folder of the run; the same command takes a stopped run up again.")
    ],
    vector: VectorFile = None,
    policy: PolicyFile = None,
    strengths: Annotated[
        str, typer.Option(help="Numbers with commas; 0 is always measured too.")
    ] = "-2,-1,0,1,2",
    control: Annotated[
        bool, typer.Option(help="Also measure a random direction of equal norm, and system prompts.")
    ] = True,
    refine: Annotated[
        int, typer.Option(min=0, help="So many strengths more, where the curve bends most.")
    ] = 0,
    samples: Annotated[int, typer.Option(min=1, help="Answers to every item.")] = 1,
    temperature: Annotated[float, typer.Option(min=0, help="0 takes the likeliest token each time.")] = 0.0,
    seed: Annotated[int, typer.Option(help="Of the draws.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many items of each suite.")] = None,
    engine: Annotated[str, typer.Option(help="auto, batched, plain, continuous or vllm.")] = "auto",
    at_once: Annotated[
        int | None, typer.Option(min=1, help="Most rows in a batch; by free memory if not given.")
    ] = None,
    dtype: Precision = None,
    as_json: AsJson = False,
) -> None:
    """Map strength against refusal, over-refusal and capability."""
    from steer_evals.suites import load_suite

    can_make(out)
    plan, numbers = plan_of(vector, policy), numbers_of(strengths)
    suites = [load_suite(name.strip()) for name in suite.split(",") if name.strip()]
    live = load_model(model, dtype)
    with bars() as bar:
        run = steer.sweep(
            live, plan, suites, numbers, out, control=control, refine=refine, samples=samples, temperature=temperature,
            seed=seed, limit=limit, engine=engine, at_once=at_once, progress=bar("asking at every strength"),
        )  # fmt: skip
    show_run(run, as_json)
    say(f"rows and summary: {out}", as_json)


@app.command()
def judge(
    source: Annotated[
        Path | None, typer.Option("--in", help="JSON lines with prompt and answer.", show_default=False)
    ] = None,
    target: Annotated[
        Path | None, typer.Option("--out", help="The same lines with verdict.", show_default=False)
    ] = None,
    by: Annotated[
        list[str] | None,
        typer.Option(
            "--judge",
            help="lexical (default), wildguard:MODEL, llama-guard:MODEL, harmbench:MODEL, strongreject:MODEL or "
            "openai:MODEL@BASE_URL; once for each.",
            show_default=False,
        ),
    ] = None,
    labels: Annotated[
        str | None,
        typer.Option(
            "--validate",
            help="How good judges are on JSON lines with label, or on builtin.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Judge answers: full compliance, partial refusal, full refusal, invalid. And judges, against labels."""
    from steer_evals.judge_tables import for_people, for_programs
    from steer_evals.judging import judge_file, validate_file

    if (source is None) != (target is None) or (source is None and labels is None):
        raise usage("judge without its files", "--in and --out, or --validate, or all three", "name them")
    if target is not None:
        can_write(target)
    names = by or ["lexical"]
    with waiting("judging"):
        validated = validate_file(labels, names) if labels is not None else None
        judged = judge_file(source, target, names) if source is not None and target is not None else None
    if as_json:
        print_json(for_programs(judged, validated, labels))
    else:
        for shown in for_people(judged, validated, labels):
            table(*shown)


@app.command()
def rejudge(
    run: Annotated[Path, typer.Argument(help="Folder of a finished sweep.")],
    by: Annotated[
        str,
        typer.Option(
            "--judge",
            help="A judge that gives verdicts: openai:MODEL@BASE_URL or wildguard:MODEL.",
            show_default=False,
        ),
    ],
    out: Annotated[
        Path, typer.Option(help="Folder of the new run; the same command takes a stopped one up again.")
    ],
    as_json: AsJson = False,
) -> None:
    """Judge the answers of a sweep to its suites on refusal again, by another judge. The model is not asked."""
    from steer_evals.rejudge import rejudge as judge_again

    can_make(out)
    with bars() as bar:
        found = judge_again(run, by, out, progress=bar("judging"))
    show_run(found, as_json)
    say(f"rows and summary: {out}", as_json)


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Folder of a sweep.")],
    labels: Annotated[
        str | None,
        typer.Option(
            "--validate",
            help="JSON lines with label, or builtin: rates are corrected for the errors of the run's judge on them.",
            show_default=False,
        ),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Write the HTML report and the figures of a run."""
    from steer_evals.labelled import against_labels, labelled_fields

    measured = steer.Run(run)
    with waiting("writing the report"):
        labelled = against_labels(measured.judge, labels) if labels is not None else None
        path = measured.report(labelled)
    if as_json:
        told = {} if labelled is None else {"judge": labelled_fields(measured.curve(), labelled)}
        print_json({"report": str(path), **told})
    else:
        print(path)


def show_run(run: Run, as_json: bool) -> None:
    """A run as a table: every axis against strength."""
    summary = run.summary()
    if as_json:
        print_json(summary)
        return
    from steer_evals.points import most_invalid
    from steer_evals.run import left_out, stopped
    from steer_evals.summary import curve

    if said := stopped(summary["run"]):
        say(said, as_json)
    points = run.curve()
    axes = list(dict.fromkeys((p.suite, p.axis) for p in points if p.axis != "invalid"))
    worst = most_invalid(points)
    found = {(p.strength, p.suite, p.axis): p for p in points}
    rows = [
        [f"{s:+g}", *(_rate(found.get((s, *axis))) for axis in axes), f"{worst[s].rate:.2f}"]
        for s in sorted(worst)
    ]
    shared = Counter(axis for _, axis in axes)
    control = {(p.strength, p.suite, p.axis): p for p in run.control_curve()}
    rows += [
        [f"random {s:+g}", *(_rate(control.get((s, *axis))) for axis in axes), ""]
        for s in sorted({p[0] for p in control})
    ]
    prompted = {(p.strength, p.suite, p.axis): p for p in curve(run.prompt_rows)}
    rows += [
        [
            f"system prompt, {'less' if s < 0 else 'more'} refusal",
            *(_rate(prompted.get((s, *axis))) for axis in axes),
            "",
        ]
        for s in sorted({p[0] for p in prompted})
    ]
    table(
        "rate [95 % interval] against strength in class gaps",
        [
            "strength",
            *(axis.replace("_", " ") + (f" ({suite})" if shared[axis] > 1 else "") for suite, axis in axes),
            "most invalid",
        ],
        rows,
    )
    if said := left_out(summary["run"]):
        say(said, as_json)
    if "judge" in summary:
        _show_judge(summary["judge"])


def _show_judge(judge: dict[str, Any]) -> None:
    """Of a run that was judged again: by whom, and how far the lexical judge agrees."""
    from steer_evals.second_judge import AGREEMENT_COLUMNS, agreement_cells, judge_sentence

    say(judge_sentence(judge), False)
    whole = [agreement_cells(entry) for entry in judge["agreement"] if entry["strength"] is None]
    table("beside the lexical judge; results.md has every strength", list(AGREEMENT_COLUMNS), whole)


def _rate(point: Point | None) -> str:
    return "" if point is None else f"{point.rate:.2f} [{point.low:.2f}, {point.high:.2f}]"
