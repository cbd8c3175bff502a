"""Commands of adaptive steering: make a policy that goes by risk, and try it on requests in disguise. No logic of their own."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

import steer
from steer.cli.console import (
    AsJson,
    Model,
    Precision,
    app,
    bars,
    can_make,
    load_model,
    notes,
    print_json,
    say,
    share_of,
    table,
    usage,
)

if TYPE_CHECKING:
    from steer_evals.adapt import Adapted


@app.command()
def adapt(
    model: Model,
    out: Annotated[
        Path, typer.Option(help="Folder: policy.toml, the runs and the report; taken up if it was stopped.")
    ],
    contrast: Annotated[
        str, typer.Option(help="Contrast sets, with commas: harmful requests (+) against harmless ones.")
    ] = "refusal",
    benign: Annotated[
        str, typer.Option(help="Contrast sets without harm: first one that sounds risky (+) against plain.")
    ] = "false-refusal",
    without: Annotated[
        str, typer.Option(help="Leave out rows of these sets whose category holds one of these words.")
    ] = "",
    suite: Annotated[
        str, typer.Option(help="Suites, with commas.")
    ] = "harmful,benign-risky,benign,capability",
    vector: Annotated[
        str | None, typer.Option(help="A vector of refusal, instead of extracting one.")
    ] = None,
    probe: Annotated[str, typer.Option(help="lda or logistic.")] = "lda",
    window: Annotated[
        int, typer.Option(min=1, help="Tokens that the probe reads, from the last one backwards.")
    ] = 1,
    disguised: Annotated[
        str,
        typer.Option(
            help="Disguises, with commas, that the probe is fitted on besides; see `steer disguise`."
        ),
    ] = "",
    trials: Annotated[int, typer.Option(min=1, help="Pairs of edits to try.")] = 12,
    max_over_refusal: Annotated[float, typer.Option(min=0, max=1, help="As in calibrate.")] = 0.05,
    max_tax: Annotated[float, typer.Option(min=-1, max=1, help="As in calibrate.")] = 0.01,
    max_invalid: Annotated[float, typer.Option(min=0, max=1, help="As in calibrate.")] = 0.02,
    min_harmful_refusal: Annotated[str, typer.Option(help='A share, or "plain", as in calibrate.')] = "plain",
    margin: Annotated[float, typer.Option(min=0, max=1, help="As in calibrate.")] = 0.02,
    below_plain: Annotated[bool, typer.Option("--below-plain", help="As in calibrate.")] = False,
    seed: Annotated[int, typer.Option(help="Of the search.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many items of each suite.")] = None,
    dtype: Precision = None,
    as_json: AsJson = False,
) -> None:
    """Make a policy that is stricter on risky requests and lighter on ordinary ones, and compare it with the rest.

    Extracts, chooses on one half of the items under budgets, reports on the other. Exit code 1 if no setting keeps them.
    """
    from steer_evals.adapt import ADAPTIVE, POLICY, adapted_fields
    from steer_evals.adapt import adapt as make
    from steer_evals.adapted import write_page
    from steer_evals.calibrate import Budgets, half_of
    from steer_evals.suites import load_suite
    from steer_vectors.contrast import load_contrast

    can_make(out)
    floor = None if min_harmful_refusal == "plain" else share_of(min_harmful_refusal)
    budgets = Budgets(max_over_refusal, max_tax, max_invalid, floor, margin, below_plain)
    words = _names(without)
    given = [[load_contrast(name) for name in _names(text)] for text in (contrast, benign)]
    categories = {row.category for group in given for own in group for row in own.examples}
    unused = [word for word in words if not any(word in category for category in categories)]
    contrasts, sets = ([own.without(*words) for own in group] for group in given)
    suites = [load_suite(name) for name in _names(suite)]
    for own in suites:
        if len({half_of(own.name, item.id) for item in own.items[:limit]}) < 2:
            raise usage(
                f"suite {own.name} of {len(own.items[:limit])} items, of which one half is empty",
                "items to choose by and items to report on",
                "raise --limit, or leave it out",
            )
    if not contrasts or not sets:
        raise usage(
            "no --contrast or no --benign", "one set or more of each", "leave them out for the built-in ones"
        )
    if probe not in ("lda", "logistic"):
        raise usage(f"--probe {probe}", "lda or logistic", "choose one")
    refusal = None if vector is None else steer.load_vector(vector)
    for word in unused:
        notes.print(f"--without {word}: no row has it in its category, so none is left out", soft_wrap=True)
    before = (out / POLICY).exists()
    loaded = load_model(model, dtype)
    with bars() as bar:
        found = make(
            loaded, contrasts, sets, suites, out, budgets=budgets, refusal=refusal,
            method="lda" if probe == "lda" else "logistic", window=window,
            disguised=_names(disguised), trials=trials, seed=seed, limit=limit, bar=bar,
        )  # fmt: skip
    write_page(found, out)
    kept = bool(found.families[ADAPTIVE].presets)
    if before and not (out / POLICY).exists():
        notes.print(f"the older {out / POLICY} was removed: nothing keeps these budgets", soft_wrap=True)
    if as_json:
        print_json(adapted_fields(found))
    else:
        _show(found, out)
        say(f"policy: {out / POLICY}" if kept else _missed(found, out), as_json)
        say(f"table and picture: {out}", as_json)
    if not kept:
        raise typer.Exit(1)


@app.command()
def disguise(
    model: Model,
    policy: Annotated[str, typer.Option(help="A policy file (TOML).", show_default=False)],
    out: Annotated[Path, typer.Option(help="Folder of the run, with robustness.md.")],
    suite: Annotated[str, typer.Option(help="Suites on refusal, with commas.")] = "harmful,benign-risky",
    strength: Annotated[
        float | None, typer.Option(help="Of the policy's dial; where it stands by default, or 1.")
    ] = None,
    names: Annotated[str, typer.Option(help='Disguises, with commas; "all" of them by default.')] = "all",
    all_items: Annotated[
        bool, typer.Option("--all-items", help="Ask also the half that adapt and calibrate choose by.")
    ] = False,
    limit: Annotated[
        int | None, typer.Option(min=1, help="The first so many items of each suite, of those asked.")
    ] = None,
    dtype: Precision = None,
    as_json: AsJson = False,
) -> None:
    """Ask a policy the same requests paraphrased, misspelt, encoded, padded, translated: what it refuses, how its gate errs."""
    from steer_evals.disguised import ask_disguised, disguised_lines
    from steer_evals.disguises import DISGUISES
    from steer_evals.suites import load_suite

    can_make(out)
    plan = steer.Plan.load(policy)
    suites = [load_suite(name) for name in _names(suite)]
    strength = _default(policy) if strength is None else strength
    chosen = list(DISGUISES) if names == "all" else _names(names)
    if not chosen:
        raise usage("no --names", f"some of {', '.join(DISGUISES)}", "leave it out for all of them")
    loaded = load_model(model, dtype)
    with bars() as bar:
        found = ask_disguised(
            loaded, plan, suites, strength, out, names=chosen, all_items=all_items, limit=limit,
            progress=bar("asking"),
        )  # fmt: skip
    if as_json:
        for name, why in found.left_out.items():
            notes.print(f"left out: {name} ({why})", soft_wrap=True)
        print_json([_plain(own._asdict()) for own in found.table])
    else:
        say("\n".join(disguised_lines(found)), as_json)
        say(f"written: {out}/robustness.md", as_json)


def _plain(value: object) -> object:
    """Tuples with names as mappings, and no NaN, which JSON does not have."""
    if isinstance(value, dict):
        return {key: _plain(own) for key, own in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return _plain(value._asdict())
    return None if isinstance(value, float) and math.isnan(value) else value


def _names(text: str) -> list[str]:
    found = [name.strip() for name in text.split(",") if name.strip()]
    if twice := [name for at, name in enumerate(found) if name in found[:at]]:
        raise usage(
            f"{twice[0]} twice in {text}", "each name once", "leave one out"
        )  # its rows would count double
    return found


def _default(policy: str) -> float:
    """Where the policy's dials stand by default."""
    from steer.dials import Policy

    places = set(Policy.load(policy).defaults.values())
    if len(places) != 1:
        raise usage(
            f"{policy}, whose dials stand at different places", "one strength for all", "name --strength"
        )
    return places.pop()


def _missed(found: Adapted, out: Path) -> str:
    from steer_evals.adapt import ADAPTIVE
    from steer_evals.run import PLAN

    nearest = found.families[ADAPTIVE].nearest
    assert nearest is not None  # there are no presets
    return (
        f"no policy: no strength keeps the budgets; the nearest, {nearest.strength:g}, breaks "
        f"{', '.join(nearest.broken)}; its plan: {out / ADAPTIVE / PLAN}"
    )


def _show(found: Adapted, out: Path) -> None:
    from steer_evals.adapt import ADAPTIVE
    from steer_evals.adapted import COLUMNS, GATE_COLUMNS, gate_rows, rows_of

    low, high = found.sides["low"], found.sides["high"]
    table(
        "What each side does", ["risk", "edit", "layers", "tokens", "at dial 1"],
        [
            [f"under {found.choice.threshold:.3f}", low.kind, _span(low.layers), low.scope, f"{found.choice.low:g}"],
            ["from there on", high.kind, _span(high.layers), high.scope, f"{found.choice.high:g}"],
        ],
    )  # fmt: skip
    table("On the reporting half", list(COLUMNS), rows_of(found))
    table("The gate there", list(GATE_COLUMNS), gate_rows(found, steer.Run(out / ADAPTIVE).rows))


def _span(layers: tuple[int, ...]) -> str:
    return f"{layers[0]} to {layers[-1]}" if len(layers) > 1 else str(layers[0])
