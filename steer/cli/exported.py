"""Commands that take a policy to other programs, and a direction from one. No logic of their own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import steer
from steer.cli.console import (
    AsJson,
    Commands,
    Model,
    PolicyFile,
    Precision,
    Strength,
    VectorFile,
    app,
    can_make,
    can_write,
    load_model,
    print_json,
    say,
    usage,
    waiting,
)

if TYPE_CHECKING:
    from steer.dials import Policy
    from steer.export.compared import Difference

export = Commands(
    no_args_is_help=True, help="Write a policy at one strength, for llama.cpp, PEFT or any program."
)
taken = Commands(no_args_is_help=True, help="Read another program's direction as a vector.")
app.add_typer(export, name="export")
app.add_typer(taken, name="import")

Ablate = Annotated[
    bool, typer.Option("--ablate", help="With --vector: remove it at every layer, instead of adding it.")
]
OutFile = Annotated[Path, typer.Option("--out", "-o", help="The .gguf file to write.")]
NewFolder = Annotated[Path, typer.Option("--out", "-o", help="The folder to make.")]


@export.command("gguf")
def export_gguf(
    model: Model,
    out: OutFile,
    vector: VectorFile = None,
    policy: PolicyFile = None,
    strength: Strength = None,
    dtype: Precision = None,
    as_json: AsJson = False,
) -> None:
    """A control vector for llama.cpp: constants that are added at the output of layers, from layer 1 on."""
    from steer.export import export_control_vector

    if out.suffix != ".gguf":
        raise usage(f"--out {out}", "a file that ends in .gguf", "choose another ending")
    can_write(out)
    wanted = _policy(vector, policy, ablate=False)
    strengths = wanted.strengths(strength)
    live = load_model(model, dtype)
    layers = export_control_vector(live, wanted.plan, strengths, out)
    if as_json:
        print_json({"written": str(out), "layers": list(layers), "strengths": strengths})
    say(f"written: {out}, which adds at the output of layer {', '.join(map(str, layers))}", as_json)


@export.command()
def lora(
    model: Model,
    out: Annotated[
        Path,
        typer.Option("--out", "-o", help="The folder to make (PEFT, vLLM), or a .gguf file (llama.cpp)."),
    ],
    vector: VectorFile = None,
    policy: PolicyFile = None,
    ablate: Ablate = False,
    strength: Strength = None,
    embedding: Annotated[bool, typer.Option(help="Edit the token embedding too.")] = True,
    dtype: Precision = None,
    as_json: AsJson = False,
) -> None:
    """Ablation as a LoRA adapter, whose scale is set per request: close to ablation after each layer, not identical."""
    from steer.export import export_gguf_lora, export_lora

    write = export_gguf_lora if out.suffix == ".gguf" else export_lora
    can_write(out) if out.suffix == ".gguf" else _can_make_anew(out)
    wanted = _policy(vector, policy, ablate)
    strengths = wanted.strengths(strength)
    live = load_model(model, dtype)
    with waiting("writing and comparing"):
        difference = write(live, wanted.plan, strengths, out, embedding=embedding)
    _show(out, strengths, difference, as_json)


@export.command()
def weights(
    model: Model,
    out: NewFolder,
    vector: VectorFile = None,
    policy: PolicyFile = None,
    ablate: Ablate = False,
    strength: Strength = None,
    dtype: Precision = None,
    as_json: AsJson = False,
) -> None:
    """A model's folder with the policy in its weights, at no cost: constants as biases (exact), ablation in all writers (not)."""
    from steer.export import export_weights

    _can_make_anew(out)
    wanted = _policy(vector, policy, ablate)
    strengths = wanted.strengths(strength)
    live = load_model(model, dtype)
    with waiting("writing and comparing"):
        difference = export_weights(live, wanted.plan, strengths, out)
    _show(out, strengths, difference, as_json)


@taken.command("gguf")
def import_gguf(
    model: Model,
    file: Annotated[Path, typer.Argument(help="A GGUF control vector.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The vector file to write.")],
    layer: Annotated[
        int | None,
        typer.Option(help="0-based, to steer at; needed where the file has several.", show_default=False),
    ] = None,
    concept: Annotated[str, typer.Option(help="What the direction is of.")] = "imported",
    dtype: Precision = None,
    as_json: AsJson = False,
) -> None:
    """A control vector of llama.cpp or repeng as a vector file: a direction's length becomes the class gap."""
    from steer_vectors.interop import import_gguf as read_gguf

    can_write(out)
    found = read_gguf(file, load_model(model, dtype), layer=layer, concept=concept)
    steer.save_vector(found, out)
    if as_json:
        print_json(dict(found.meta))
    say(
        f"written: {out}, layer {found.layer}, class gap {found.gap(found.layer):.3g}; {found.meta['warning']}",
        as_json,
    )


def _policy(vector: str | None, policy: str | None, ablate: bool) -> Policy:
    from steer.dials import Policy

    if (vector is None) == (policy is None):
        raise usage(
            "both --vector and --policy" if vector else "neither --vector nor --policy",
            "one of them",
            "name one",
        )
    if policy is not None:
        if ablate:
            raise usage("--ablate with --policy", "--vector with it", 'say it in the policy: kind = "ablate"')
        return Policy.load(policy)
    found = steer.load_vector(vector or "")
    return Policy(steer.Plan.ablate(found) if ablate else steer.Plan.add(found), {})


def _can_make_anew(folder: Path) -> None:
    if os.path.lexists(folder):
        raise usage(f"--out {folder}, where something is already", "a new folder", "choose another path")
    can_make(folder)


def _show(out: Path, strengths: dict[str, float], difference: Difference, as_json: bool) -> None:
    if as_json:
        print_json({"written": str(out), "strengths": strengths, **difference._asdict()})
    say(f"written: {out}", as_json)
    say(
        f"largest difference of a first token's log-probability, over {difference.prompts} prompts: "
        f"{difference.to_steered:.2g} from the steered model, where steering moves it by {difference.steering:.2g}",
        as_json,
    )
