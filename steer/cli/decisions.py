"""Commands that weigh: the tax of alignment, an operating point, how many items a question needs. No logic of their own."""

from __future__ import annotations

import tomllib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

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
    screen,
    share_of,
    table,
    usage,
)

if TYPE_CHECKING:
    from steer_evals.alignment import Alignment
    from steer_evals.calibrate import Calibration, Reported
    from steer_evals.intervals import Interval
    from steer_evals.search import Found
    from steer_evals.tax import Tax

_SUITES = "capability,benign,benign-risky,harmful"


@app.command()
def tax(
    base: Annotated[str, typer.Option(help="The checkpoint before alignment.")],
    aligned: Annotated[str, typer.Option(help="Its aligned version; several with commas, mildest first.")],
    out: Annotated[Path, typer.Option(help="Folder: a run for each model, and tax.json.")],
    suite: Annotated[str, typer.Option(help="Suites, with commas.")] = _SUITES,
    vector: VectorFile = None,
    policy: PolicyFile = None,
    strengths: Annotated[
        str, typer.Option(help="With --vector or --policy: what the last model is steered by.")
    ] = "-1,-0.5,0.5",
    weights: Annotated[
        Path | None, typer.Option(help="TOML: the weight of every suite of work in your traffic.")
    ] = None,
    value: Annotated[
        float | None, typer.Option(help="What an answered request is worth, for a line on cost.")
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many items of each suite.")] = None,
    dtype: Precision = None,
    as_json: AsJson = False,
) -> None:
    """Measure what alignment costs: the work that the base does and its aligned version does not, and why."""
    from steer_evals.alignment import alignment_tax, tax_fields
    from steer_evals.suites import load_suite

    can_make(out)
    plan = plan_of(vector, policy) if vector or policy else None
    suites = [load_suite(name.strip()) for name in suite.split(",") if name.strip()]
    names = [name.strip() for name in aligned.split(",") if name.strip()]
    if not names or len({base, *names}) < len(names) + 1:
        raise usage(f"--base {base} --aligned {aligned}", "models that differ", "name each once")
    loads = [partial(load_model, name, dtype) for name in (base, *names)]
    with bars() as bar:
        found = alignment_tax(
            loads[0], loads[1:], suites, out, plan=plan, strengths=numbers_of(strengths),
            weights=_weights(weights), limit=limit, bar=bar,
        )  # fmt: skip
    if as_json:
        print_json(tax_fields(found))
        return
    _show_tax(found, value)
    say(f"rows and taxes: {out}", as_json)


@app.command()
def calibrate(
    run: Annotated[Path, typer.Argument(help="Folder of a sweep.")],
    out: Annotated[Path | None, typer.Option("--out", "-o", help="The policy file to write.")] = None,
    max_over_refusal: Annotated[
        float, typer.Option(min=0, max=1, help="Most refusals of benign-but-risky requests, as a share.")
    ] = 0.05,
    max_tax: Annotated[float, typer.Option(min=-1, max=1, help="Most capability lost, as a share.")] = 0.01,
    max_invalid: Annotated[
        float, typer.Option(min=0, max=1, help="Most invalid answers in any suite.")
    ] = 0.02,
    min_harmful_refusal: Annotated[
        str, typer.Option(help='A share, or "plain": no worse than the plain model, by interval.')
    ] = "plain",
    margin: Annotated[
        float,
        typer.Option(min=0, max=1, help='By how much "plain" may be missed, at the end of the interval.'),
    ] = 0.02,
    below_plain: Annotated[
        bool,
        typer.Option("--below-plain", help="Allow less refusal of harmful requests than the plain model's."),
    ] = False,
    naive: Annotated[
        Path | None, typer.Option(help="A sweep of naive steering to compare with; default: this one.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Choose strengths under budgets on one half of the items, and report them on the other.

    Exit code 1 if there is no such point.
    """
    from steer_evals.calibrate import Budgets
    from steer_evals.choosing import calibrate_run, calibration_fields

    floor = None if min_harmful_refusal == "plain" else share_of(min_harmful_refusal)
    if out is not None:
        can_write(out)
    budgets = Budgets(max_over_refusal, max_tax, max_invalid, floor, margin, below_plain)
    found = calibrate_run(steer.Run(run), budgets, None if naive is None else steer.Run(naive), out)
    if as_json:
        print_json(calibration_fields(found))
    else:
        _show_calibration(found)
        if out is not None and found.presets:
            say(f"written: {out}", as_json)
    if not found.presets:
        raise typer.Exit(1)


@app.command()
def search(
    model: Model,
    vector: Annotated[str, typer.Option(help="A vector file.", show_default=False)],
    out: Annotated[
        Path, typer.Option(help="Folder of the search; the same command takes a stopped one up again.")
    ],
    suite: Annotated[
        str,
        typer.Option(help="Suites, with commas, on harmful and benign-but-risky requests and on capability."),
    ] = "harmful,benign-risky,capability",
    trials: Annotated[int, typer.Option(min=1, help="Settings to try, in all.")] = 40,
    seed: Annotated[int, typer.Option(help="Of what is tried.")] = 0,
    limit: Annotated[int | None, typer.Option(min=1, help="The first so many items of each suite.")] = None,
    dtype: Precision = None,
    as_json: AsJson = False,
) -> None:
    """Look for settings of a vector that nothing beats: edit, layers, scope and strength, on one half of the items.

    What is found is then asked the other half. Exit code 1 if every setting breaks the answers.
    """
    from steer_evals.search import search as search_settings
    from steer_evals.suites import load_suite

    can_make(out)
    loaded = steer.load_vector(vector)
    suites = [load_suite(name.strip()) for name in suite.split(",") if name.strip()]
    live = load_model(model, dtype)
    with bars() as bar:
        found = search_settings(
            live, loaded, suites, out, trials=trials, seed=seed, limit=limit, progress=bar("trying settings")
        )
    if as_json:
        print_json([own._asdict() for own in found])
    else:
        _show_search(found, out)
        say(f"settings and trials: {out}", as_json)
    if not found:
        raise typer.Exit(1)


@app.command()
def power(
    effect: Annotated[float | None, typer.Option(help="Difference of two rates, such as 0.03.")] = None,
    items: Annotated[int | None, typer.Option(min=1, help="Instead: how many items there are.")] = None,
    discordant: Annotated[float, typer.Option(help="Share of the items whose outcome changes.")] = 0.05,
    wanted: Annotated[float, typer.Option("--power", help="Chance to find the difference.")] = 0.8,
    design_effect: Annotated[float, typer.Option(help="Clustered items worth one independent item.")] = 1.0,
    as_json: AsJson = False,
) -> None:
    """How many items show a difference of two settings on the same items; or what difference so many items show."""
    from steer_evals.power import detectable, items_needed

    if effect is not None and items is None:
        items = items_needed(effect, discordant, wanted, design_effect=design_effect)
    elif items is not None and effect is None:
        effect = detectable(items, discordant, wanted, design_effect=design_effect)
    else:
        raise usage("both or neither of --effect and --items", "one of them", "write --effect 0.03")
    found = {
        "discordant": discordant,
        "power": wanted,
        "design_effect": design_effect,
        "effect": effect,
        "items": items,
    }
    if as_json:
        print_json(found)
    else:
        screen.print(
            f"{items} items show a difference of {100 * effect:.2f} points with "
            f"{100 * wanted:g} % power, if {100 * discordant:g} % of the items change",
            soft_wrap=True,
        )


def _weights(path: Path | None) -> dict[str, float] | None:
    if path is None:
        return None
    try:
        found = tomllib.loads(path.read_text(encoding="utf-8"))
        return {name: float(weight) for name, weight in found.items()}
    except (OSError, ValueError, TypeError) as error:
        raise usage(
            f"--weights {path} ({error})", "TOML such as capability = 0.7", "mend the file"
        ) from error


def _show_tax(found: Alignment, value: float | None) -> None:
    names = list(dict.fromkeys(name for own in found.doses for name in own.suites))
    rows = []
    for own in found.doses:
        share, interval = own.due_to_refusals
        due = _share_cell(share, interval, own.reason)
        refused = [p for p in own.points if p.axis.endswith("refusal")]
        rows.append(
            [own.model, own.label, _tax_cell(own.tax), due, *(_tax_cell(own.suites[n]) for n in names),
             "\n".join(f"{p.suite} {p.rate:.2f} [{p.low:.2f}, {p.high:.2f}]" for p in refused)]
        )  # fmt: skip
    table(
        f"work that {found.base} does and its aligned version does not: share of items [95 %]",
        ["model", "dose", "tax", "due to refusals", *names, "refusals"],
        rows,
    )
    for own in found.doses:
        categories = {name: tax for name, tax in own.categories.items() if tax.total > 0}
        if len(own.categories) > len(own.suites) and categories:
            worst = sorted(categories.items(), key=lambda pair: -pair[1].total)[:8]
            say(f"{own.model}, most by category: " + "; ".join(f"{n} {t.total:.2f}" for n, t in worst), False)
        if value is not None:
            low, high = (1000 * value * end for end in (own.tax.low, own.tax.high))
            say(
                f"{own.model}: {1000 * value * own.tax.total:.2f} [{low:.2f}, {high:.2f}] per 1,000 requests",
                False,
            )
    if found.back:
        table(
            f"what steering {found.doses[-1].model} gives back",
            ["strength", "tax", "given back", "refusals"],
            [
                [f"{own.strength:+g}", _tax_cell(own.tax),
                 _share_cell(own.share, own.interval, own.reason),
                 "\n".join(f"{p.suite} {p.rate:.2f} [{p.low:.2f}, {p.high:.2f}]" for p in own.points)]
                for own in found.back
            ],
        )  # fmt: skip


def _share_cell(share: float, interval: Interval, reason: str) -> str:
    return f"undefined: {reason}" if reason else f"{share:.2f} [{interval.low:.2f}, {interval.high:.2f}]"


def _tax_cell(found: Tax) -> str:
    parts = f"{found.refused:+.3f} refused, {found.invalid:+.3f} invalid, {found.ability:+.3f} ability"
    return f"{found.total:+.3f} [{found.low:+.3f}, {found.high:+.3f}]\n{parts}"


def _show_search(found: list[Found], out: Path) -> None:
    from steer_evals.search import plain_rates, tied

    rows = [
        [
            str(own.trial),
            f"{own.setting['kind']} at layers {own.setting['first']} to {own.setting['last']}, "
            f"scope {own.setting['scope']}, strength {own.setting['strength']:+g}",
            *_both(own.choosing, own.reporting),
        ]
        for own in found
    ]
    if found:
        rows.insert(0, ["", "plain model", *_both(*plain_rates(out, found[0]))])
    table(
        "settings that no other beats: share on the choosing half, on the reporting half",
        ["trial", "setting", "harmful refusal", "over-refusal", "capability", "most invalid"],
        rows,
    )
    for group in tied(found):
        trials = ", ".join(str(own.trial) for own in group)
        say(f"trials {trials} tie: on the choosing half nothing tells them apart", False)


def _both(choosing: dict[str, float], reporting: dict[str, float]) -> list[str]:
    return [f"{choosing[axis]:.3f}, {reporting[axis]:.3f}" for axis in choosing]


def _show_calibration(found: Calibration) -> None:
    table(
        "the choosing half: every strength and the budgets that it breaks",
        ["strength", "harmful refusal", "over-refusal", "tax", "most invalid", "breaks"],
        [
            [f"{s.strength:+g}", f"{s.harmful_refusal:.3f}", f"{s.over_refusal:.3f}",
             "not measured" if s.tax != s.tax else f"{s.tax:+.3f}", f"{s.invalid:.3f}", ", ".join(s.broken)]
            for s in found.settings
        ],
    )  # fmt: skip
    if found.nearest is not None:  # no setting keeps the budgets
        say(
            f"no such point; the nearest is {found.nearest.strength:+g}, and the binding budget is "
            f"{found.nearest.broken[0]}",
            False,
        )
        return
    rows = [
        [name, *_reported(found.reported[strength])]
        for name, strength in [("plain", 0.0), *found.presets.items()]
    ]
    if found.naive is not None:
        rows.append(["naive, as measured", *_reported(found.naive)])
    table(
        "the reporting half: rate [95 % interval]",
        [
            "preset",
            "strength",
            "refusals",
            "tax",
            "over-refusal per harmful refusal",
            "saved, naive interpolated",
            "on the frontier",
        ],
        rows,
    )


def _reported(own: Reported) -> list[str]:
    refused = [p for p in own.points if p.axis.endswith("refusal")]
    rate, saved = own.exchange, own.saved
    return [
        f"{own.strength:+g}",
        "\n".join(f"{p.suite} {p.rate:.2f} [{p.low:.2f}, {p.high:.2f}]" for p in refused),
        "" if own.tax is None else _tax_cell(own.tax),
        rate.reason or f"{rate.value:.2f} [{rate.low:.2f}, {rate.high:.2f}]",
        saved.reason
        or f"{saved.value:.2f} [{saved.low:.2f}, {saved.high:.2f}], naive at {saved.strength:+.2f}",
        "" if own.on_frontier != own.on_frontier else f"p = {own.on_frontier:.2f}",
    ]
