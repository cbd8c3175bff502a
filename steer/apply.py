"""A recipe at work on a live Hugging Face model, only inside a `with`. Knows no files or scores."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from steer.compiled import refuse_compiled
from steer.errors import PlanError
from steer.gates import Gating, log_odds, shares
from steer.plan import Plan
from steer.recipe import Recipe, Step, compile_plan
from steer.scope import Places, Timeline
from steer_kernels import Table, TableError, edit_
from steer_vectors.file import Vector
from steer_vectors.hooks import on_layers
from steer_vectors.models import ChatModel, decoder
from steer_vectors.site import Site

Numbers = float | Sequence[float] | Tensor
Strength = Numbers | Mapping[str, Numbers]


@contextmanager
def steered(
    model: ChatModel, plan: Plan | Vector | Recipe, strength: Strength | Callable[[int], Strength] = 1.0
) -> Iterator[Steering]:
    """Steer a model inside the block; afterwards it is what it was, to the bit.

    Call `steer.generate`, or `model.hf` directly: forward, `generate` with any cache, beams, sampling. To compile the
    model, call `torch.compile` inside the block; strengths may change afterwards without a recompilation.

    Args:
        model: A loaded model.
        plan: A plan; a vector stands for adding it at its chosen layer; a recipe was compiled for this model before.
        strength: In class gaps for "add", a fraction of the whole edit for the others. One number, or one per row of the
            batch `[b]` (in `generate`, per prompt). For plans of several dials, a mapping from dial to either; dials left
            out are at 0. Or a function of the step that returns one of these: 0 is the prompt, n the n-th generated
            token. Rows at 0 are bit-identical to the plain model.

    Yields:
        The steering, whose strength can be set anew at any time.

    Raises:
        PlanError: A strength that is not finite (times an edit's scale too), or not one number per row; an unknown dial;
            a model that is compiled already.
        MismatchError: A vector of another model.
    """
    if not isinstance(model, ChatModel):
        raise PlanError(
            f"a {type(model).__name__} to steer",
            "a ChatModel",
            "take what steer.load gives, or make steer.ChatModel(hf, tokenizer, name)",
        )
    if not isinstance(plan, Recipe):
        recipe = compile_plan(as_plan(plan), model)
    else:
        recipe = plan
        if plan.plan is not None:  # compiled for this model or one like it, or refused
            compile_plan(plan.plan, model)
    refuse_compiled(model.hf)
    steering = Steering(model, recipe, strength)
    owner = decoder(model.hf)
    edits = {site: steering.edit(steps) for site, steps in recipe.steps.items()}
    handle = owner.register_forward_pre_hook(steering.watch(owner), with_kwargs=True)
    try:
        with (
            on_layers(model.hf, steering.probes()),  # before the edits
            on_layers(model.hf, edits),
            steering.timeline.following(model.hf),
        ):
            yield steering
    finally:
        handle.remove()
        steering.stop()


def as_plan(plan: Plan | Vector) -> Plan:
    """A vector alone stands for adding it.

    Raises:
        PlanError: Neither.
    """
    if not isinstance(plan, Plan | Vector):
        raise PlanError(f"{plan!r} to steer by", "a plan or a vector", "load one: steer.load_vector(path)")
    return plan if isinstance(plan, Plan) else Plan.add(plan)


class Steering:
    """A recipe at work: its dials, and what they have done so far.

    Args:
        model: The model that is steered.
        recipe: What is done to it.
        strength: As in `steered`.
    """

    def __init__(
        self, model: ChatModel, recipe: Recipe, strength: Strength | Callable[[int], Strength]
    ) -> None:
        self.model = model
        self.recipe = recipe
        self.timeline = Timeline(model.device)
        # Of the forward that runs now, one `[n or 1, t or 1, 1]` for each of the recipe's doses.
        self.doses: tuple[Tensor, ...] = ()
        self._touched = torch.zeros((), dtype=torch.int64, device=model.device)  # tokens that they change
        self._settles = all(dose.span is None or dose.span.settles for dose in recipe.doses)
        # What the forward before was dosed by, and its shape if all its tokens were generated ones.
        self._last: tuple[Tensor, Places] | None = None
        self._now: tuple[Tensor, Places]
        self._shape: tuple[int, int] | None = None
        self._count = torch.zeros((), dtype=torch.int64, device=model.device)
        self._live: Callable[[int], Strength] | None = None
        reach_back = any(
            recipe.columns[dose.column].share is not None and not dose.from_last for dose in recipe.doses
        )
        self._gating = Gating(recipe.gauges, self._decided, whole=reach_back) if recipe.gauges else None
        # From a forward's arguments to the strengths of its tokens and their places.
        self.source: Callable[[Mapping[str, Any]], tuple[Tensor, Places]] = self._rows_of
        # Changed in place: compiled code holds this very tensor.
        self._strengths = strength_rows({} if callable(strength) else strength, recipe).to(model.device)
        self.set(strength)

    def set(self, strength: Strength | Callable[[int], Strength]) -> None:
        """Turn the dials, from the next forward on; see `steered`.

        Raises:
            PlanError: As there; the dials stay as they were.
        """
        if callable(strength):
            self._live, self._shape = strength, None
            return
        rows = strength_rows(strength, self.recipe).to(self._strengths.device)
        self._live = self._shape = None
        if rows.shape == self._strengths.shape:
            self._strengths.copy_(rows)
        else:
            self._strengths = rows

    @property
    def edited(self) -> int:
        """Tokens edited so far: real ones, within a scope, at a strength that is not 0. Gates are not looked at."""
        return int(self._count)

    def stop(self) -> None:
        """All dials to 0, for good: code that was compiled in the block still holds the edits."""
        self._live = self._shape = None
        self._strengths.zero_()

    def probes(self) -> dict[Site, Callable[[Tensor], None]]:
        """What reads at each site."""
        return {} if self._gating is None else self._gating.hooks()

    def _decided(self) -> None:
        """In the middle of a forward, before any edit that waits for a probe."""
        before = self._touched
        self.dose(*self._now)
        self._count.add_(self._touched - before)

    def edit(self, steps: tuple[Step, ...]) -> Callable[[Tensor], None]:
        """What is done at one site, as a function of its activations `[n, t, d]`."""
        # Layers may lie on several devices; where is looked at only when the usual one fails, for looking costs at every token.
        home = self._count.device
        tables = [(table.to(home), dose) for table, dose in steps]
        away: list[Table] = []

        def edit(hidden: Tensor) -> None:
            if not away:
                try:
                    for table, dose in tables:
                        edit_(hidden, table, self.doses[dose])
                    return
                except TableError:
                    if hidden.device == home:
                        raise
                    away.extend(table.to(hidden.device) for table, _ in tables)
            for table, (_, dose) in zip(away, tables, strict=True):
                edit_(hidden, table, self.doses[dose].to(hidden.device))

        return edit

    def watch(self, owner: nn.Module) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
        """What is done before each forward of the decoder: work out its doses."""
        names = list(inspect.signature(owner.forward).parameters)

        def watch(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            found = self._now = self.source(dict(zip(names, args, strict=False)) | kwargs)
            if torch.compiler.is_compiling():  # its graph works out the doses each time
                self.dose(*found)
                self._last = None
            elif found is not self._last:
                self.dose(*found)
                self._last = found
            self._count.add_(self._touched)

        return watch

    def _rows_of(self, given: Mapping[str, Any]) -> tuple[Tensor, Places]:
        """One strength for all tokens of a row; the very same answer while nothing has changed."""
        shape = self.timeline.generated(given) if self._settles and self._live is None else None
        if shape is not None and shape == self._shape and self._last is not None:
            return self._last
        self._shape = shape
        places = self.timeline.places(given)
        if self._gating is not None:
            generated = self.timeline.generated(given) is not None
            self._gating.begin(
                places, self.timeline.prompts, generated=generated, beams=self.timeline.beams > 1
            )
        if self._live is not None:
            self._turn(self._live, given)
        rows = self._strengths  # [b, dials]
        if len(rows) not in (1, len(places.real)):
            rows = self._expanded(len(places.real))
        return rows[:, None], places

    def dose(self, strengths: Tensor, places: Places) -> None:
        """Lay out what each token gets.

        Args:
            strengths: `[n or 1, t or 1, dials]` float32; probes take their share of them.
            places: Of the tokens of this forward.
        """
        doses, touched = [], None
        if self._gating is not None:
            strengths = self.recipe.spread(strengths, self._gating.shares())
        for column, scale, span in self.recipe.doses:
            dose = strengths[..., column : column + 1] * scale
            if span is not None:
                dose = dose * span.holds(places)[..., None]
            doses.append(dose)
            touched = dose != 0 if touched is None else touched | (dose != 0)
        self.doses = tuple(doses)
        if touched is not None:
            self._touched = (touched.squeeze(-1) & places.real).sum()

    def _turn(self, live: Callable[[int], Strength], given: Mapping[str, Any]) -> None:
        if torch.compiler.is_compiling():
            raise PlanError(
                "a strength that is a function, under torch.compile",
                "numbers there",
                "call `.set(strength)` between steps instead",
            )
        rows = strength_rows(live(self.timeline.step(given)), self.recipe)
        self._strengths = rows.to(self._strengths.device)

    def _expanded(self, n: int) -> Tensor:
        """Inside `generate`, beams and several answers share the strength of their prompt."""
        b = len(self._strengths)
        if not self.timeline.shares(b, n):
            raise PlanError(
                f"{b} strengths for a batch of {n}", "one strength, or one per row", "match the batch"
            )
        return self._strengths.repeat_interleave(n // b, 0)


def strength_rows(strength: Strength, recipe: Recipe) -> Tensor:
    """Strengths as `[1 or b, dials]` float32, which is what the op computes in.

    Raises:
        PlanError: Not numbers, or not finite in float32: as they are, or times the scale of an edit; an unknown dial; one
            number for several dials.
    """
    dials = recipe.dials or ("strength",)
    if not isinstance(strength, Mapping):
        if len(dials) > 1:
            raise PlanError(
                f"strength {strength!r} for a plan with {len(dials)} dials",
                f"one for each of {', '.join(dials)}",
                f"give a mapping such as {{{dials[0]!r}: 0.5}}",
            )
        strength = {dials[0]: strength}
    if unknown := [name for name in strength if name not in dials]:
        raise PlanError(f"dial {unknown[0]!r}", " or ".join(dials), "turn a dial of the plan")
    columns = [_rows(strength.get(name, 0.0)) for name in dials]
    lengths = {len(column) for column in columns} - {1}
    if len(lengths) > 1:
        raise PlanError(
            f"dials with {' and '.join(map(str, sorted(lengths)))} strengths",
            "as many for each",
            "match the batch",
        )
    rows = torch.stack([column.expand(max(map(len, columns))) for column in columns], -1)
    for column, scale, _ in recipe.doses:
        dial = recipe.columns[column].dial
        if not bool(torch.isfinite(rows[:, dial] * scale).all()):
            raise PlanError(
                f"strength {strength[dials[dial]]} times the scale {scale:g} of an edit",
                "numbers that are finite in float32",
                "choose a smaller strength or scale",
            )
    return rows


def decide(
    model: ChatModel, recipe: Recipe, prompts: Sequence[Sequence[int]], strengths: Tensor
) -> tuple[Recipe, Tensor]:
    """Ask a plan's probes beforehand, for whoever runs rows of many prompts by its own means.

    Args:
        model: A live model, not steered.
        recipe: Compiled for it.
        prompts: `n` prompts' tokens; equal ones are asked once.
        strengths: `[n, dials]`.

    Returns:
        A recipe without probes, and the strengths of its dials `[n, columns]`.

    Raises:
        PlanError: A probe that goes on reading while the answer is written.
    """
    if not recipe.gauges:
        return recipe, strengths
    if on := [gauge.name for gauge in recipe.gauges if gauge.each_token]:
        raise PlanError(
            f"probe {on[0]!r}, which reads every token of the answer",
            "probes that decide on the prompt",
            "use --engine plain, or leave out each_token",
        )
    distinct = {tuple(ids): at for at, ids in enumerate(dict.fromkeys(map(tuple, prompts)))}
    odds = log_odds(model, recipe.gauges, list(distinct))[[distinct[tuple(ids)] for ids in prompts]]
    return recipe.decided, recipe.spread(strengths, shares(recipe.gauges, odds).to(strengths.device))


def _rows(strength: object) -> Tensor:
    try:
        rows = torch.as_tensor(strength, dtype=torch.float32).detach()
    except (
        TypeError,
        ValueError,
        OverflowError,
        RuntimeError,
    ) as error:  # words, None, lists of uneven lists
        raise _no_strength(strength) from error
    fits = rows.ndim <= 1 and rows.numel() > 0 and bool(torch.isfinite(rows).all())
    if isinstance(strength, bool) or not fits:
        raise _no_strength(strength)
    return rows.reshape(-1)


def _no_strength(strength: object) -> PlanError:
    return PlanError(
        f"strength {strength!r}",
        "one number that is finite in float32, or one per row",
        "choose a strength such as -1 or 0.5",
    )
