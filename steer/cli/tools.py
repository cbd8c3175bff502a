"""Commands that answer, time and look at this machine. No logic of their own."""

from __future__ import annotations

from contextlib import nullcontext
from pathlib import Path
from typing import Annotated

import typer

import steer
from steer.cli.console import (
    AsJson,
    Dial,
    Model,
    PolicyFile,
    Precision,
    Preset,
    Strength,
    VectorFile,
    app,
    bars,
    load_model,
    print_json,
    screen,
    strength_of,
    table,
    usage,
    waiting,
)


@app.command()
def generate(
    model: Model,
    prompt: Annotated[list[str], typer.Argument(help="One prompt or several.", show_default=False)],
    vector: VectorFile = None,
    policy: PolicyFile = None,
    strength: Strength = None,
    dial: Dial = None,
    preset: Preset = None,
    max_new_tokens: Annotated[int, typer.Option(min=1, help="Most tokens of an answer.")] = 64,
    dtype: Precision = None,
    as_json: AsJson = False,
) -> None:
    """Answer prompts, steered or plain."""
    from steer.asked import asked

    wanted = asked(model, policy, vector, strength_of(strength, dial, preset))
    live, own = load_model(wanted.model, dtype), wanted.policy
    steering = nullcontext() if own is None else steer.steered(live, own.plan, wanted.strengths)
    with steering, waiting("answering"):
        answers = steer.generate(live, prompt, max_new_tokens=max_new_tokens)
    if as_json:
        print_json(
            [
                {"prompt": p, "strengths": wanted.strengths, "answer": a}
                for p, a in zip(prompt, answers, strict=True)
            ]
        )
    else:
        for text in answers:
            print(text)


@app.command()
def explain(
    model: Model,
    prompt: Annotated[str, typer.Argument(help="One prompt.", show_default=False)],
    vector: VectorFile = None,
    policy: PolicyFile = None,
    strength: Strength = None,
    dial: Dial = None,
    preset: Preset = None,
    tokens: Annotated[int, typer.Option(min=1, help="Most tokens of each answer.")] = 32,
    dtype: Precision = None,
    as_json: AsJson = False,
) -> None:
    """Show what a policy does with one prompt: its probes, the dose of every edit and what it moves, both answers."""
    from steer.asked import asked
    from steer.cli.explained import show
    from steer.explain import explain as explain_prompt
    from steer.explain import explanation_fields

    wanted = asked(model, policy, vector, strength_of(strength, dial, preset))
    if wanted.policy is None:
        raise usage("neither --vector nor --policy", "one of them", "name what to steer with")
    live = load_model(wanted.model, dtype)
    with waiting("answering"):
        found = explain_prompt(live, wanted.policy.plan, prompt, wanted.strengths, tokens=tokens)
    if as_json:
        print_json(explanation_fields(found))
    else:
        show(found)


@app.command()
def bench(
    what: Annotated[str, typer.Argument(help="What to time: op, generate, gate, extract or sweep.")] = "op",
    model: Annotated[
        str, typer.Option(help="For all but op: a folder, hub id, .gguf file or reference model.")
    ] = "reference:base",
    dtype: Precision = None,
    threads: Annotated[int, typer.Option(min=1, help="Threads of torch.")] = 1,
    repeats: Annotated[
        int | None, typer.Option(min=1, help="Rounds, of which the median counts; 25, for sweep 3.")
    ] = None,
    device: Annotated[str, typer.Option(help="For op: cpu or cuda.")] = "cpu",
    rows: Annotated[int, typer.Option(min=1, help="For generate and gate: batch.")] = 8,
    tokens: Annotated[int, typer.Option(min=1, help="For generate and gate: new tokens of each row.")] = 64,
    prompts: Annotated[int, typer.Option(min=1, help="For extract: prompts of mixed length.")] = 512,
    many: Annotated[
        int, typer.Option(min=0, help="For extract: memory is measured for this number too; 0 = no memory.")
    ] = 4096,
    strengths: Annotated[int, typer.Option(min=2, help="For sweep: how many.")] = 21,
    layer: Annotated[
        int | None, typer.Option(help="For sweep: of the edit; the middle one if not given.")
    ] = None,
    peers: Annotated[
        Path | None, typer.Option(help="For extract: JSON of bench/peers/extract.py, for the same table.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Time the op beside one pass over the same memory and plain torch, or generation, a gate, extraction beside plain runs.

    What gives wrong results, or moves nothing, is never timed.
    """
    if what not in ("op", "generate", "gate", "extract", "sweep"):
        raise usage(f"bench {what}", "op, generate, gate, extract or sweep", "choose one")
    import torch

    if device not in ("cpu", "cuda") or (device == "cuda" and not torch.cuda.is_available()):
        raise usage(f"--device {device}", "cpu, or cuda where torch sees a GPU", "choose one")

    torch.set_num_threads(threads)
    repeats = repeats or (3 if what == "sweep" else 25)
    if what == "op":
        _bench_op(threads, repeats, device, as_json)
        return
    if what == "extract":
        _bench_extract(load_model(model, dtype), prompts, many, repeats, peers, as_json)
        return
    if what == "sweep":
        _bench_sweep(load_model(model, dtype), strengths, layer, repeats, as_json)
        return
    from steer_evals.bench import bench_gate, bench_generate

    live, timed = load_model(model, dtype), bench_gate if what == "gate" else bench_generate
    with bars() as bar:
        found = timed(live, rows=rows, tokens=tokens, repeats=repeats, progress=bar("timing"))
    if as_json:
        print_json([timing._asdict() for timing in found])
        return
    lines = [
        [t.what, f"{t.ratio:.3f}", f"{t.low:.3f} to {t.high:.3f}", f"{t.seconds:.2f}", f"{t.baseline:.2f}"]
        for t in found
    ]
    table(
        f"{model}, {live.hf.dtype}, {threads} thread(s)",
        ["what", "ratio", "rounds", "s", "baseline, s"],
        lines,
    )


def _bench_extract(
    live: steer.ChatModel, prompts: int, many: int, repeats: int, peers: Path | None, as_json: bool
) -> None:
    from steer_evals.bench_extract import bench_extract

    with bars() as bar:
        found = bench_extract(live, prompts, many, repeats=repeats, peers=peers, progress=bar("timing"))
    memory = found.memory
    if as_json:
        parts = {"timings": [t._asdict() for t in found.timings], "memory": memory and memory._asdict()}
        print_json(found._asdict() | parts)
        return
    rows = [
        [t.what, f"{t.ratio:.3f}", f"{t.low:.3f} to {t.high:.3f}", f"{t.seconds:.2f}", f"{t.baseline:.2f}"]
        for t in found.timings
    ]
    table(
        f"{live.name}, {found.setup['dtype']}, {found.setup['threads']} thread(s), {prompts} prompts of "
        f"{found.setup['tokens']} tokens; the baseline's batches are {100 * found.padding:.0f} % padding",
        ["what", "over a plain padded forward", "rounds", "s", "baseline, s"],
        rows,
    )
    if memory is not None:
        screen.print(
            f"peak memory beyond the model: {memory.few / 2**20:.0f} MiB for {prompts} prompts, "
            f"{memory.many / 2**20:.0f} MiB for {memory.many_prompts}: ratio {memory.ratio:.2f}",
            soft_wrap=True,
        )


def _bench_sweep(
    live: steer.ChatModel, strengths: int, layer: int | None, repeats: int, as_json: bool
) -> None:
    from steer_evals.bench_sweep import bench_sweep

    with bars() as bar:
        found = bench_sweep(live, strengths=strengths, layer=layer, repeats=repeats, progress=bar("timing"))
    if as_json:
        print_json(found._asdict())
        return
    rows = [[name.replace("_", " "), f"{value:.3f}" if isinstance(value, float) else str(value)]
            for name, value in found._asdict().items()]  # fmt: skip
    table(
        f"{live.name}: a curve of {strengths} strengths over one strength by plain generate",
        ["what", "found"],
        rows,
    )


def _bench_op(threads: int, repeats: int, device: str, as_json: bool) -> None:
    from steer_kernels.bench import bench_op

    with bars() as bar:
        found = bench_op(repeats, device=device, progress=bar("timing"))
    if as_json:
        print_json([timing._asdict() for timing in found])
        return
    rows = [
        [t.edit, t.dtype, f"{t.rows} x {t.width}", f"{t.ours:.0f}", f"{t.over_pass:.2f}", f"{t.faster:.1f}"]
        for t in found
    ]
    columns = ["edit", "dtype", "rows x width", "\u00b5s", "over one pass", "times faster than torch"]
    table(f"the op ({found[0].path}), {threads} thread(s)", columns, rows)


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Say what this machine can do: versions, device, the path of the op and why."""
    from steer_evals.doctor import examine

    found = examine()
    if as_json:
        print_json(found)
    else:
        table("steer doctor", ["what", "found"], [[name, str(value)] for name, value in found.items()])


@app.command()
def backends(model: Model, as_json: AsJson = False) -> None:
    """Check that transformers, TransformerLens and nnsight read the same activations of a model, in float32.

    Exit code 1 if one of them differs.
    """
    from steer_vectors.backends.agreement import BOUND, agreement
    from steer_vectors.contrast import load_contrast
    from steer_vectors.site import POINTS

    refusal = load_contrast("refusal")
    classes = [refusal.select("positive", "train")[:10], refusal.select("negative", "train")[:10]]
    live = load_model(model, "float32")
    with bars() as bar:
        found = agreement(live, classes, points=POINTS, progress=bar("reading through every back end"))
    if as_json:
        print_json([row._asdict() for row in found])
    else:
        names = list(dict.fromkeys(row.backend for row in found))
        by_name = {name: [row for row in found if row.backend == name] for name in names}
        lines = [
            [name, *(f"{row.difference:.1e}" for row in rows), f"{sum(row.seconds for row in rows):.2f}"]
            for name, rows in by_name.items()
        ]
        table(f"{model}: relative difference of class means", ["back end", *POINTS, "s"], lines)
    if not all(row.difference <= BOUND for row in found):
        raise typer.Exit(1)
