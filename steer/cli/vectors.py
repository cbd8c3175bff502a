"""Commands on directions: find, look at, compare, combine, share. No logic of their own."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

import steer
from steer.cli.console import (
    AsJson,
    Model,
    Precision,
    app,
    bars,
    can_draw,
    can_write,
    draw,
    load_model,
    numbers_of,
    print_json,
    say,
    screen,
    table,
    usage,
    waiting,
)
from steer.cli.runs import show_run

if TYPE_CHECKING:
    from steer_evals.card import Cell
    from steer_vectors.arithmetic import Comparison
    from steer_vectors.selection import By


@app.command()
def extract(
    model: Model,
    out: Annotated[Path, typer.Option("--out", "-o", help="The vector file to write.")],
    contrast: Annotated[
        str, typer.Option(help="A built-in contrast set, a .jsonl or .csv file, or hf:ID of a dataset.")
    ] = "refusal",
    estimator: Annotated[
        str,
        typer.Option(
            help="mean_difference, affine, pca, mass_mean, logistic, leace, surgical, null_space or rdo."
        ),
    ] = "mean_difference",
    parameter: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE, of the estimator; once for each.", show_default=False),
    ] = None,
    spare: Annotated[
        list[str] | None, typer.Option(help="For surgical: a vector to leave alone.", show_default=False)
    ] = None,
    cone: Annotated[
        int,
        typer.Option(min=1, help="For rdo: so many orthonormal directions, written to NAME-1 to NAME-K."),
    ] = 1,
    select: Annotated[
        str, typer.Option(help="How layer and position are chosen: causal, cosmic or auc.")
    ] = "causal",
    exhaustive: Annotated[bool, typer.Option(help="Try every position at every layer.")] = False,
    only_shown: Annotated[
        bool, typer.Option(help="Keep only prompts that the model really refuses, or answers.")
    ] = False,
    winsorise: Annotated[
        float | None, typer.Option(help="Share of coordinates never cut, such as 0.995.", show_default=False)
    ] = None,
    layer: Annotated[int | None, typer.Option(help="0-based; chosen if not given.")] = None,
    position: Annotated[
        int | None, typer.Option(help="Negative offset from the prompt's end; chosen if not given.")
    ] = None,
    point: Annotated[
        str, typer.Option(help="Of every layer: resid_post, resid_pre, attn_out or mlp_out.")
    ] = "resid_post",
    dtype: Precision = None,
    as_json: AsJson = False,
) -> None:
    """Find the direction of a concept and write it to a vector file."""
    from steer_vectors.contrast import load_contrast
    from steer_vectors.estimate import method_of
    from steer_vectors.refining import refined
    from steer_vectors.site import POINTS

    if point not in POINTS:
        raise usage(f"--point {point}", " or ".join(POINTS), "choose one")
    if select not in ("causal", "cosmic", "auc"):
        raise usage(f"--select {select}", "causal, cosmic or auc", "choose one")
    parameters = _parameters(parameter or [])
    method_of(estimator, parameters)
    if cone > 1 and estimator != "rdo":
        raise usage(f"--cone {cone} with --estimator {estimator}", "rdo", "add --estimator rdo")
    files = [out.with_stem(f"{out.stem}-{at + 1}") for at in range(cone)] if cone > 1 else [out]
    for path in files:
        can_write(path)
    chosen = load_contrast(contrast)
    spared = [steer.load_vector(path) for path in spare or []]
    live = load_model(model, dtype)
    with bars() as bar:
        vector = steer.extract(
            live,
            chosen,
            estimator=estimator if cone == 1 else "mean_difference",
            parameters=parameters if cone == 1 else {},
            spare=spared,
            select_by=cast("By", select),
            layer=layer,
            position=position,
            point=point,
            winsorise=winsorise,
            exhaustive=exhaustive,
            only_shown=only_shown,
            progress=bar("extracting the direction"),
        )
        rows = [vector]
        if cone > 1:
            rows = refined(live, chosen, vector, cone, parameters, bar("spreading it out to a cone"))
    for row, path in zip(rows, files, strict=True):
        steer.save_vector(row, path)
    _show_vector(rows[0], as_json)
    say(f"written: {', '.join(map(str, files))}", as_json)


@app.command()
def inspect(
    what: Annotated[
        str,
        typer.Argument(
            help="A vector file, a run folder, a model, or `reference` for the model card.",
            show_default=False,
        ),
    ],
    plot: Annotated[
        Path | None, typer.Option(help="Of a vector: draw how its site was chosen, as .png or .svg.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show what is in a vector, a run or a model; `reference` measures the card of the built-in models.

    Exit code 1 if a rate of the card is OUTSIDE its bound.
    """
    is_vector = what != "reference" and (
        what.endswith(".safetensors") or (os.path.isfile(what) and not what.endswith(".gguf"))
    )
    if plot is not None and not is_vector:
        raise usage(
            f"--plot {plot} with {what}, which is no vector file", "a vector file", "leave --plot out"
        )
    if what == "reference":
        _show_card(as_json)
    elif is_vector:
        vector = steer.load_vector(what)
        if plot is not None:
            from steer_vectors.figures import selection_chart

            can_draw(plot)
            draw(plot, selection_chart(vector, "svg" if plot.suffix == ".svg" else "png"))
        _show_vector(vector, as_json)
        if plot is not None:
            say(f"written: {plot}", as_json)
    elif os.path.isfile(os.path.join(what, "settings.json")):
        show_run(steer.Run(what), as_json)
    else:
        _show_model(what, as_json)


@app.command()
def compare(
    vectors: Annotated[
        list[str], typer.Argument(help="Two vector files or more, of one model.", show_default=False)
    ],
    layer: Annotated[
        int | None, typer.Option(help="0-based; the selected one of the first if not given.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Draw the cosines, as .png or .svg.")] = None,
    as_json: AsJson = False,
) -> None:
    """Show how alike directions are: their cosines at one layer, and over all layers."""
    from steer_vectors.arithmetic import compare as compare_vectors
    from steer_vectors.arithmetic import principal_angles

    if out is not None:
        can_draw(out)
    loaded = [steer.load_vector(path) for path in vectors]
    stems = [Path(path).stem for path in vectors]
    found = compare_vectors(loaded, stems if len(set(stems)) == len(stems) else vectors)
    angles = [] if len(loaded) > 2 else [float(a[0]) for a in principal_angles(loaded[:1], loaded[1:])]
    if out is not None:
        from steer_vectors.figures import cosine_heatmap

        draw(out, cosine_heatmap(found, layer, "svg" if out.suffix == ".svg" else "png"))
    _show_comparison(found, layer, angles, as_json)
    if out is not None:
        say(f"written: {out}", as_json)


@app.command()
def combine(
    operation: Annotated[str, typer.Argument(help="add, subtract or orthogonalise.", show_default=False)],
    vectors: Annotated[list[str], typer.Argument(help="Vector files of one model.", show_default=False)],
    out: Annotated[Path, typer.Option("--out", "-o", help="The vector file to write.")],
    weights: Annotated[
        str | None, typer.Option(help="For add and subtract: a number for each vector, with commas.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Make a vector of others: their sum, the first minus the second, or the first without what it shares with the rest."""
    from steer_vectors.arithmetic import add, orthogonalise, subtract

    operations = ("add", "subtract", "orthogonalise")
    if operation not in operations:
        raise usage(f"combine {operation}", " or ".join(operations), "choose one")
    if weights is not None and operation == "orthogonalise":
        raise usage("--weights with orthogonalise", "add or subtract with it", "leave it out")
    if len(vectors) < 2 or (operation == "subtract" and len(vectors) > 2):
        wanted = "two vectors" if operation == "subtract" else "two vectors or more"
        raise usage(f"{operation} of {len(vectors)}", wanted, "name them before -o")
    can_write(out)
    factors = None if weights is None else numbers_of(weights, "--weights", "1,0.5")
    loaded = [steer.load_vector(path) for path in vectors]
    if operation == "orthogonalise":
        made = orthogonalise(loaded[0], loaded[1:])
    elif operation == "subtract":
        made = subtract(loaded[0], loaded[1], weights=factors)
    else:
        made = add(*loaded, weights=factors)
    steer.save_vector(made, out)
    _show_vector(made, as_json)
    say(f"written: {out}", as_json)


@app.command()
def push(
    vector: Annotated[str, typer.Argument(help="A vector file.", show_default=False)],
    repo: Annotated[
        str, typer.Argument(help="A Hugging Face repository (me/vectors), or a folder.", show_default=False)
    ],
    name: Annotated[str | None, typer.Option(help="File name there; the file's own if not given.")] = None,
    public: Annotated[
        bool, typer.Option("--public", help="Make a new repository public, or accept a public one.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Put a vector file into a Hugging Face repository or a folder, with its section of the README."""
    from steer_vectors.hub import push as push_vector

    with waiting("pushing"):
        done = push_vector(Path(vector), repo, filename=name, private=not public)
    if as_json:
        print_json(done._asdict())
    say(f"pushed: {done.place}", as_json)


@app.command()
def pull(
    repo: Annotated[
        str, typer.Argument(help="A Hugging Face repository (me/vectors), or a folder.", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", "-o", help="The vector file to write.")],
    name: Annotated[str | None, typer.Option(help="File name there; needed where there are several.")] = None,
    revision: Annotated[str | None, typer.Option(help="Branch, tag or commit; main if not given.")] = None,
    as_json: AsJson = False,
) -> None:
    """Get a vector file from a Hugging Face repository or a folder, checked."""
    from steer_vectors.hub import pull as pull_vector

    can_write(out)
    with waiting("pulling"):
        vector = pull_vector(repo, name, revision=revision, out=out)
    _show_vector(vector, as_json)
    say(f"written: {out}", as_json)


def _show_vector(vector: steer.Vector, as_json: bool) -> None:
    meta = dict(vector.meta)
    if as_json:
        print_json({**meta, "scores": vector.scores, "units": vector.units, "gap": vector.gap(vector.layer)})
        return
    from steer_vectors.evidence import evidence

    shown = (
        *("concept", "what_plus", "what_minus", "model", "fingerprint", "layers", "width", "point", "layer", "position"),
        *("estimator", "estimator_parameters", "counts", "contrast", "licence", "library_version", "absent_layers", "warning"),
    )  # fmt: skip
    rows = [[name, meta[name]] for name in shown if meta.get(name)]
    table("vector", ["what", "value"], [*rows, *map(list, evidence(vector))])


def _show_comparison(found: Comparison, layer: int | None, angles: list[float], as_json: bool) -> None:
    chosen = found.layer if layer is None else layer
    here = found.at(layer).tolist()
    pairs = found.spreads()
    if as_json:
        print_json(
            {
                "names": found.names,
                "layer": chosen,
                "cosines": [[_number(value) for value in row] for row in here],
                "over_layers": [
                    {key: _number(value) for key, value in pair._asdict().items()} for pair in pairs
                ],
                "angles": [_number(angle) for angle in angles],
            }
        )
        return
    table(
        f"cosine at layer {chosen}",
        ["", *found.names],
        [[name, *(_cosine(value) for value in row)] for name, row in zip(found.names, here, strict=True)],
    )
    table(
        "cosine over all layers",
        ["pair", "lowest", "median", "highest"],
        [[f"{p.first}, {p.second}", _cosine(p.low), _cosine(p.median), _cosine(p.high)] for p in pairs],
    )
    if angles:
        known = [angle for angle in angles if angle == angle]
        reach = f"; over all layers {min(known):.1f}° to {max(known):.1f}°" if known else ""
        screen.print(f"principal angle at layer {chosen}: {angles[chosen]:.1f}°{reach}", soft_wrap=True)


def _cosine(value: float) -> str:
    return f"{value:+.3f}" if value == value else "none"


def _number(value: Any) -> Any:
    """JSON has no NaN: what is not known is null."""
    return None if value != value else value


def _show_model(name: str, as_json: bool) -> None:
    from steer_evals.doctor import describe

    found = describe(load_model(name, None))
    if as_json:
        print_json(found)
    else:
        table(name, ["what", "value"], [[key, str(value)] for key, value in found.items()])


def _show_card(as_json: bool) -> None:
    from steer_evals.card import measure
    from steer_evals.run import fields_of

    with bars() as bar:
        cells = measure(bar("asking the reference models"))
    if as_json:
        print_json([cell._asdict() | {"interval": list(fields_of(cell.interval).values())} for cell in cells])
    else:
        doses = list(dict.fromkeys(cell.model for cell in cells))
        rows: dict[str, list[str]] = {}
        for cell in cells:
            rows.setdefault(cell.what, [cell.what]).append(_card_cell(cell))
        table("the reference models, unsteered: rate [95 % interval]", ["rate", *doses], list(rows.values()))
    if any(cell.kept is False for cell in cells):
        raise typer.Exit(1)


def _card_cell(cell: Cell) -> str:
    low, high = cell.interval
    lines = [
        f"{cell.rate:.3f} " + ("[one cluster]" if low != low else f"[{low:.3f}, {high:.3f}]"),
        f"n {cell.n}",
    ]
    if cell.bound is not None:
        kept = "within" if cell.kept else "OUTSIDE"
        lines.append(f"{kept} {cell.bound.low:.2f}-{cell.bound.high:.2f}")
    return "\n".join(lines)


def _parameters(settings: list[str]) -> dict[str, float]:
    found: dict[str, float] = {}
    for setting in settings:
        name, _, number = setting.partition("=")
        if name in found:
            raise usage(f"--parameter {name} twice", "one number for each name", "leave one of them out")
        try:
            found[name] = float(number)
        except ValueError:
            raise usage(f"--parameter {setting}", "NAME=NUMBER", "write --parameter l2=10") from None
    return found
