"""An explanation on the screen: tables, and the risk of every token as a small map.

The map is coloured on a terminal, and has the same in numbers for whoever sees no colours. No commands.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len, set_cell_size
from rich.text import Text

from steer.cli.console import say, screen, table

if TYPE_CHECKING:
    from steer.explain import Done, Explanation, Moved, Token

# One hue from light to dark (ColorBrewer, Reds), for risks below 20 %, 40 %, 60 %, 80 % and above.
_COLOURS = (
    "black on #fee5d9",
    "black on #fcae91",
    "black on #fb6a4a",
    "white on #de2d26",
    "white on #a50f15",
)
_STEP = 20


def show(found: Explanation) -> None:
    """Tables of probes, edits and answers, then a map for each probe."""
    if found.probes:
        rows = [
            [p.name, f"{p.layer} ({p.point})", f"{p.risk:.3f}", f"{p.threshold:g}", f"{p.share:.3f}",
             "at every token" if p.each_token else "once", "\n".join(_errors(p.measured))]
            for p in found.probes
        ]  # fmt: skip
        columns = ["probe", "reads layer", "risk", "opens at", "opens by", "decides", "measured [95 %]"]
        table(
            "what the probes say of the prompt's last token",
            columns,
            [*rows, ["else", "", "", "", f"{found.otherwise:.3f}", "", ""]],
        )
    table(
        "what the edits do: doses, and places along each direction in class gaps, before → after the site's edits",
        ["edit", "layer", "strength x scale x share = dose", "scope", "last prompt token", "mean of the answer"],
        [
            [f"{own.edit + 1}. {own.kind}" + ("" if own.when is None else f" when {own.when}"),
             f"{own.layer} ({own.point})",
             f"{own.dial} {own.strength:+g} x {own.scale:g} x {own.share:.3f} = {own.dose:+.3f}",
             own.scope + _gated(own), _moved(own.last_dose, own.last), _moved(own.answer_dose, own.answer)]
            for own in found.edits
        ],
    )  # fmt: skip
    answers = [own.text + (" …" if own.truncated else "") for own in (found.plain, found.steered)]
    table("answers", ["plain", "steered"], [answers])
    _show_heat(found)


def _show_heat(found: Explanation) -> None:
    for at, probe in enumerate(found.probes):
        say(f"\nrisk of every token, as probe {probe.name} reads it at layer {probe.layer}", False)
        say("(fitted on the last token of prompts: elsewhere it is a reading and no probability)", False)
        also = " and every token of the steered answer" if probe.each_token else ""
        screen.print(_legend(probe.threshold, f"decides{also}"), soft_wrap=True)
        parts = {
            "prompt": found.prompt,
            "plain answer": found.plain.tokens,
            "steered answer": found.steered.tokens,
        }
        for name, tokens in parts.items():
            say(name, False)
            decider = len(tokens) - 1 if name == "prompt" else None
            for line in heat(tokens, at, probe.threshold, decider, screen.width):
                screen.print(line, soft_wrap=True)


def _moved(dose: float, places: Moved) -> str:
    if dose != dose:
        return "none read"
    return f"dose {dose:+.3f}: {places.before:+.3f} → {places.after:+.3f}"


def _gated(own: Done) -> str:
    if own.gate is None:
        return ""
    how = "step" if own.gate.sharpness == float("inf") else f"sharpness {own.gate.sharpness:g}"
    return f"\neach token by its cosine > {own.gate.threshold:g} ({how}); last prompt token {own.gate.cosine:+.3f}"


def _errors(measured: Mapping[str, Any], before: str = "") -> list[str]:
    """A policy may hold anything there; three or four numbers around the first are a rate with its interval."""
    lines = []
    for name, value in measured.items():
        if isinstance(value, Mapping):
            lines += _errors(value, f"{before}{name} ")
        else:
            lines.append(f"{before}{name} {_error(value)}")
    return lines


def _error(value: Any) -> str:
    numbers = value if isinstance(value, list | tuple) else [value]
    words = [f"{own:.4g}" if isinstance(own, float) else str(own) for own in numbers]
    if len(numbers) in (3, 4) and all(isinstance(own, float | int) for own in numbers):
        rate, low, high = numbers[:3]
        if low <= rate <= high:
            of = f" of {words[3]}" if len(words) == 4 else ""
            return f"{rate:.3f} [{low:.3f}, {high:.3f}]{of}"
    return ", ".join(words)


def _legend(threshold: float, decides: str) -> Text:
    """What colours and signs mean.

    Args:
        threshold: Of the probe.
        decides: Which tokens decide, in words.
    """
    found = Text("risk in %: ")
    for at, colour in enumerate(_COLOURS):
        found.append(f" {at * _STEP}+ ", colour)
    found.append(
        f"   * from the threshold on ({100 * threshold:.3g})   [ ] {decides}   - not read   dim: special token"
    )
    return found


def heat(
    tokens: Sequence[Token], probe: int, threshold: float, decider: int | None, width: int
) -> list[Text]:
    """Lines of tokens, each over the risk that one probe reads there.

    Args:
        tokens: Of a prompt or an answer.
        probe: Its number in the plan.
        threshold: Of the probe.
        decider: Number of the token whose risk is put in brackets.
        width: Columns of the screen.
    """
    above, below = Text(), Text()
    lines = [above, below]
    for at, token in enumerate(tokens):
        risk = token.risks[probe]
        number = "-" if risk != risk else f"{100 * risk:.0f}{'*' if risk >= threshold else ''}"
        number = f"[{number}]" if at == decider else number
        name = _shown(token.text)
        size = min(max(cell_len(name), cell_len(number)), width)
        if above and above.cell_len + 1 + size > width:
            above, below = Text(), Text()
            lines += [above, below]
        for line, text in ((above, name), (below, number)):
            if line:
                line.append(" ")
            line.append(set_cell_size(text, size), _style(risk, dim=token.special and line is above))
    return lines


def _style(risk: float, *, dim: bool) -> str:
    if dim or risk != risk:
        return "dim" if dim else ""
    return _COLOURS[min(int(100 * risk) // _STEP, len(_COLOURS) - 1)]


def _shown(text: str) -> str:
    """White space at its ends is left out, and nothing moves the cursor."""
    bare = text.strip() or text.replace("\n", "↵").replace("\t", "⇥").strip() or "␣"
    return "".join(char if char.isprintable() else "·" for char in bare)
