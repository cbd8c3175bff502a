"""The command that compares runtimes. No logic of its own."""

from __future__ import annotations

from typing import Annotated

import typer

from steer.cli.console import AsJson, app, bars, load_model, print_json, say, table


@app.command()
def verify(
    policy: Annotated[str, typer.Argument(help="A policy file (TOML).", show_default=False)],
    model: Annotated[
        str | None,
        typer.Option(help="A folder, hub id or reference model; default: what the policy was made on."),
    ] = None,
    runtimes: Annotated[
        str, typer.Option(help="With commas.")
    ] = "transformers,transformer_lens,nnsight,vllm,llama_cpp",
    gguf: Annotated[
        str | None, typer.Option(help="The model in float32 as a GGUF file, for llama_cpp.")
    ] = None,
    strengths: Annotated[
        str | None,
        typer.Option(
            help='"-1,0.5,1", or "refusal=-0.4,warmth=1; strict" for several dials; default by the dials\' bounds.',
            show_default=False,
        ),
    ] = None,
    prompts: Annotated[int, typer.Option(min=1, help="How many.")] = 8,
    tokens: Annotated[int, typer.Option(min=1, help="Most tokens of an answer.")] = 32,
    as_json: AsJson = False,
) -> None:
    """Compare log-probabilities and answers under one policy in every runtime with those of transformers, in float32.

    Exit code 1 if a runtime that is there differs.
    """
    from steer.dials import Policy
    from steer.equivalence import verified_fields
    from steer.equivalence import verify as compare
    from steer.hosts.transformers import Transformers
    from steer.runtimes import candidates, model_of, settings
    from steer.runtimes import prompts as sample

    found = Policy.load(policy)
    asked = settings(found, strengths)
    name = model or model_of(found)
    live = load_model(name, "float32")
    live.hf.set_attn_implementation("eager")
    names = [own.strip() for own in runtimes.split(",") if own.strip()]
    there = candidates(names, live, found, policy, folder=_folder(name), gguf=gguf)
    with bars() as bar:
        seen = compare(
            there,
            Transformers(live, found),
            sample(live, prompts),
            asked,
            tokens,
            progress=bar("asking every runtime"),
        )
    if as_json:
        print_json(verified_fields(seen))
    else:
        columns = ["runtime", "verdict", "max |Δ logprob|", "unsteered", "tolerance", "equal answers", "equal tokens",
                   "ties", "s"]  # fmt: skip
        rows = [
            [own.runtime, own.verdict, _small(own.difference), _small(own.unsteered), f"{own.tolerance:.0e}",
             _share(own.answers), _share(own.tokens), "" if own.answers is None else str(own.ties),
             "" if own.seconds is None else f"{own.seconds:.1f}"]
            for own in seen.rows
        ]  # fmt: skip
        table(
            f"{policy} on {name}: {seen.prompts} prompts, {len(asked)} settings, {tokens} tokens",
            columns,
            rows,
        )
        say(
            f"transformers itself: moved by {seen.moved:.2g}, {seen.changed:.0%} of steered answers are others",
            as_json,
        )
        for own in seen.rows:
            if own.line:
                say(f"{own.runtime} {own.verdict}: {own.line}", as_json)
    if not seen.agrees:
        raise typer.Exit(1)


def _folder(name: str) -> str | None:
    """What vLLM can load."""
    from steer_evals.reference import FOLDER, PREFIX

    if not name.startswith(PREFIX):
        return None if name.endswith(".gguf") else name
    folder = FOLDER / name.removeprefix(PREFIX)
    return str(folder) if folder.is_dir() else None


def _small(number: float | None) -> str:
    return "" if number is None else f"{number:.1e}"


def _share(number: float | None) -> str:
    return "" if number is None else f"{number:.1%}"
