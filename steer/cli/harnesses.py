"""Commands for other people's evaluation harnesses: run one on a steered model, write its files. No logic of their own."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from steer.cli.console import (
    AsJson,
    Model,
    PolicyFile,
    Precision,
    Preset,
    VectorFile,
    app,
    can_write,
    load_model,
    print_json,
    say,
    strength_of,
    usage,
)
from steer.cli.exported import export

_INSTALL = "pip install 'lm-eval[hf]'"


@app.command("lm-eval")
def lm_eval(
    arguments: Annotated[
        list[str],
        typer.Argument(
            metavar="-- --model NAME --tasks ...", help="lm-eval's own, after a --.", show_default=False
        ),
    ],
    vector: VectorFile = None,
    policy: PolicyFile = None,
    strength: Annotated[
        str | None,
        typer.Option(
            help="0.5, or refusal=0.5,warmth=1; by default as --model NAME@STRENGTHS says, or as the policy stands.",
            show_default=False,
        ),
    ] = None,
    preset: Preset = None,
    dtype: Precision = None,
) -> None:
    """Run lm-evaluation-harness on a steered model: likelihoods and generation, its tables and its result files.

    --model is a model's name here, with strengths behind it or not: reference:aligned@refusal=0.5.
    """
    if importlib.util.find_spec("lm_eval") is None:
        raise usage("no lm-eval in this Python", "lm-evaluation-harness 0.4.13 or later", f"run {_INSTALL}")
    given = {
        "policy": policy,
        "vector": vector,
        "strength": strength_of(strength, None, preset),
        "dtype": dtype,
    }
    from lm_eval._cli import HarnessCLI
    from lm_eval.utils import setup_logging

    from steer.plugins.lm_eval import adopt

    setup_logging()
    harness: Any = HarnessCLI()
    with _argv("steer lm-eval --", arguments):
        wanted = harness.parse_args()
    if wanted.command == "run":
        adopt(wanted, given)
    harness.execute(wanted)


@export.command("lm-eval")
def export_lm_eval(
    model: Model,
    out: Annotated[Path, typer.Option("--out", "-o", help="The .pt file to write.")],
    vector: VectorFile = None,
    policy: PolicyFile = None,
    strength: Annotated[
        str | None,
        typer.Option(
            help="A number, a preset, or DIAL=NUMBER,...; by default where the policy stands, or 1.",
            show_default=False,
        ),
    ] = None,
    dtype: Precision = None,
    as_json: AsJson = False,
) -> None:
    """A file for lm-eval's own model type `steered`, which knows constants and projections that are set, and no dials."""
    from steer.asked import asked
    from steer.export.lm_eval import export_steered

    can_write(out)
    wanted = asked(model, policy, vector, strength)
    if wanted.policy is None:
        raise usage("neither --vector nor --policy", "one of them", "name what to steer with")
    live = load_model(wanted.model, dtype)
    layers = export_steered(live, wanted.policy.plan, wanted.strengths, out)
    if as_json:
        print_json({"written": str(out), "layers": list(layers), "strengths": dict(wanted.strengths)})
    say(f"written: {out}, at the output of layer {', '.join(map(str, layers))}", as_json)


@contextmanager
def _argv(name: str, arguments: list[str]) -> Iterator[None]:
    """lm-eval's parser reads what stands behind the program's name."""
    before = sys.argv
    sys.argv = [name, *arguments]
    try:
        yield
    finally:
        sys.argv = before
