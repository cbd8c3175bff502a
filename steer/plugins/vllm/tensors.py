"""A recipe as modules of another model: plain torch over packed tokens, which compiles and replays with it.

A forward holds the tokens of many requests in one row, `[t, d]`. What each token gets stands in buffers that are filled
before the forward; nothing inside branches on them, so any number of different strengths costs what one does. Knows no
vLLM.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Sequence
from typing import Any, cast

import torch
from torch import Tensor, nn

from steer.errors import PlanError
from steer.gates import shares
from steer.recipe import Recipe, Step
from steer_kernels.naive import edited
from steer_vectors.hooks import module_at
from steer_vectors.site import Site

NAME = "steer_edits"  # of the module that a layer gets
_TINY = torch.finfo(torch.float32).tiny


class Doses(nn.Module):
    """What each token of a forward gets of each of the recipe's doses, and what probes have said of each request.

    Args:
        recipe: Its tables may lie anywhere.
        tokens: Most of them in a forward.
        requests: Most of them at once.
        device: Of the model.
    """

    given: Tensor  # [tokens, doses] float32: strength x scale within the scope, as if every probe had opened
    doses: Tensor  # [tokens, doses] float32: the same as far as probes have opened
    slot: Tensor  # [tokens] int64: the row of `parts` of the request that a token belongs to
    back: Tensor  # [tokens] int64: places before the prompt's last token; negative in the answer
    first: Tensor  # [tokens] bool: the first token of its request in this forward
    final: Tensor  # [tokens] bool: the last one
    parts: Tensor  # [requests + 1, queries] float32: what each query of each probe has read; the last row is nobody's
    running: Tensor  # [tokens, queries] float32: of probes that read every token, the highest so far
    opened: Tensor  # [] float32: 1 = as if every probe had opened

    def __init__(self, recipe: Recipe, tokens: int, requests: int, device: torch.device) -> None:
        super().__init__()
        self.gauges = recipe.gauges
        self.share = [recipe.columns[dose.column].share for dose in recipe.doses]
        self.nobody = requests
        widths = [len(gauge.query) for gauge in recipe.gauges]
        self.starts = [sum(widths[:at]) for at in range(len(widths))]
        gated = tokens if recipe.gauges else 0

        def keep(name: str, *shape: int, kind: torch.dtype = torch.float32) -> None:
            self.register_buffer(name, torch.zeros(shape, dtype=kind, device=device), persistent=False)

        keep("given", tokens, len(recipe.doses))
        keep("doses", gated, len(recipe.doses))
        keep("slot", gated, kind=torch.int64)
        keep("back", gated, kind=torch.int64)
        keep("first", gated, kind=torch.bool)
        keep("final", gated, kind=torch.bool)
        keep("parts", requests + 1, sum(widths))
        keep("running", gated, sum(widths))
        keep("opened")
        for at, gauge in enumerate(recipe.gauges):
            self.register_buffer(f"query{at}", gauge.query.float().to(device), persistent=False)

    def now(self, tokens: int, dose: int) -> Tensor:
        """`[tokens, 1]`, of one dose."""
        return (self.doses if self.gauges else self.given)[:tokens, dose : dose + 1]

    def read(self, exact: Tensor, which: Sequence[int]) -> None:
        """Let some of the probes read rows `[t, d]` float32."""
        tokens = exact.shape[0]
        slot, back = self.slot[:tokens], self.back[:tokens]
        for at in which:
            gauge, query = self.gauges[at], cast(Tensor, getattr(self, f"query{at}"))
            rows = exact / exact.norm(dim=-1, keepdim=True).clamp_min(_TINY) if gauge.cosine else exact
            said = rows @ query.T  # [t, w]
            for place in range(query.shape[0]):
                column = self.starts[at] + place
                kept, value = back == place, said[:, place]
                if gauge.each_token:
                    value = self._highest(value, column)
                    self.running[:tokens, column] = value
                    kept = self.final[:tokens] & (back <= 0)
                # What is not meant to be kept goes to the row that nobody reads.
                self.parts[:, column].index_copy_(0, torch.where(kept, slot, self.nobody), value)

    def _highest(self, said: Tensor, column: int) -> Tensor:
        """`[t]`: the highest from the prompt's last token on, for the risk of an answer never falls."""
        tokens = said.shape[0]
        slot, back = self.slot[:tokens], self.back[:tokens]
        goes_on = self.first[:tokens] & (back < 0)
        before = torch.where(goes_on, self.parts[:, column][slot], -math.inf)
        best = torch.where(back <= 0, torch.maximum(said, before), -math.inf)
        reach = 1
        while reach < self.slot.shape[0]:  # each time twice as many tokens have been looked at
            earlier = nn.functional.pad(best, (reach, 0), value=-math.inf)[:tokens]
            same = nn.functional.pad(slot, (reach, 0), value=-1)[:tokens] == slot
            best = torch.maximum(best, torch.where(same, earlier, -math.inf))
            reach *= 2
        return best

    def decide(self, tokens: int, *, read: bool) -> None:
        """Lay out what each token gets: by what was read in this forward, or before any probe by the forwards before."""
        odds = []
        known = self.parts[self.slot[:tokens]]  # [t, queries]
        for gauge, start in zip(self.gauges, self.starts, strict=True):
            own = self.running[:tokens] if gauge.each_token and read else known
            odds.append(own[:, start : start + len(gauge.query)].sum(-1) + gauge.bias)
        found = torch.maximum(shares(self.gauges, torch.stack(odds, -1)), self.opened)  # [t, g + 1]
        given = self.given[:tokens]
        laid = [
            given[:, at] if own is None else given[:, at] * found[:, own] for at, own in enumerate(self.share)
        ]
        self.doses[:tokens] = torch.stack(laid, -1)


class Edits(nn.Module):
    """What is read and edited at one site.

    Args:
        steps: In order.
        doses: Shared by all sites.
        probes: Which of the recipe's probes read here.
        decides: Whether the last of them does.
    """

    doses: Doses

    def __init__(
        self, steps: Sequence[Step], doses: Doses, probes: Sequence[int], decides: bool, device: torch.device
    ) -> None:
        super().__init__()
        # Not as a submodule of every layer: it is registered once, on the model.
        object.__setattr__(self, "doses", doses)
        self.probes, self.decides = tuple(probes), decides
        self.at = [step.dose for step in steps]
        self.rest: list[Any] = []
        for number, step in enumerate(steps):
            read, write, terms, query, *rest = step.table.to(device).arguments
            for name, tensor in (("read", read), ("write", write), ("terms", terms), ("query", query)):
                self.register_buffer(f"{name}{number}", tensor, persistent=False)
            self.rest.append(tuple(rest))

    def forward(self, hidden: Tensor, residual: Tensor | None) -> tuple[Tensor, Tensor | None]:
        """`[t, d]` each: a stream, or its two parts, of which the second takes the change."""
        if hidden.ndim != 2:
            raise PlanError(
                f"a stream of shape {list(hidden.shape)}",
                "packed tokens [t, d]",
                "use vLLM's own model (--model-impl vllm)",
            )
        exact = hidden.float() if residual is None else hidden.float() + residual.float()
        tokens = exact.shape[0]
        if self.probes:
            self.doses.read(exact, self.probes)
            if self.decides:
                self.doses.decide(tokens, read=True)
        new = exact
        for number, (dose, rest) in enumerate(zip(self.at, self.rest, strict=True)):
            tensors: list[Any] = [
                getattr(self, f"{name}{number}") for name in ("read", "write", "terms", "query")
            ]
            arguments = (*tensors, *rest, self.doses.now(tokens, dose))
            new = edited(new, *arguments)
        # Elementwise, so that what is not edited keeps its bits.
        if residual is None:
            return torch.where(new == exact, hidden, new.to(hidden.dtype)), None
        return hidden, torch.where(new == exact, residual, (new - hidden.float()).to(residual.dtype))


def install(
    model: nn.Module, layers: nn.ModuleList, recipe: Recipe, doses: Doses, device: torch.device
) -> list[Site]:
    """Hang a recipe on a model's layers for good, before it is compiled.

    Args:
        model: Owns the layers; gets the doses.
        layers: Those on other machines are modules without parameters of class `PPMissingLayer`.
        recipe: Checked against the model.
        doses: Of it.
        device: Of the layers.

    Returns:
        The sites that are here.

    Raises:
        PlanError: A layer whose inputs or outputs are not known.
    """
    model.add_module(NAME, doses)
    probed = {gauge.site for gauge in recipe.gauges}
    last = max(probed, key=_order, default=None)
    sites = [
        site for site in {*recipe.steps, *probed} if type(layers[site.layer]).__name__ != "PPMissingLayer"
    ]
    for site in sorted(sites, key=_order):
        module = module_at(layers, site)
        probes = [at for at, gauge in enumerate(recipe.gauges) if gauge.site == site]
        own = Edits(recipe.steps.get(site, ()), doses, probes, site == last, device)
        module.add_module(f"{NAME}_{site.point}", own)
        _hang(module, site, own)
    if recipe.gauges:
        layers[0].register_forward_pre_hook(_begin(layers[0], doses), with_kwargs=True)
    return sites


def _order(site: Site) -> tuple[int, int]:
    return site.layer, ("resid_pre", "attn_out", "mlp_out", "resid_post").index(site.point)


def _begin(layer: nn.Module, doses: Doses) -> Any:
    """Edits before the last probe go by what was decided in forwards before."""
    names = list(inspect.signature(layer.forward).parameters)

    def begin(_module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> None:
        at = names.index("hidden_states")
        hidden = named["hidden_states"] if "hidden_states" in named else args[at]
        doses.decide(hidden.shape[0], read=False)

    return begin


def _hang(module: nn.Module, site: Site, own: Edits) -> None:
    names = list(inspect.signature(module.forward).parameters)
    split = "residual" in names  # then a layer takes and gives the stream in two parts
    if site.point in ("attn_out", "mlp_out"):
        module.register_forward_hook(_whole(own))
    elif site.point == "resid_post":
        module.register_forward_hook(_halves(own) if split else _whole(own))
    elif "hidden_states" not in names:
        raise PlanError(
            f"{type(module).__name__}, whose input is not known",
            "layers that take hidden_states",
            "edit resid_post",
        )
    else:
        module.register_forward_pre_hook(_before(own, names), with_kwargs=True)


def _whole(own: Edits) -> Any:
    def hook(module: nn.Module, _args: Any, output: Any) -> Any:
        if isinstance(output, Tensor):
            return own(output, None)[0]
        raise PlanError(
            f"{type(module).__name__}, which puts out {type(output).__name__}",
            "a tensor, or a layer with `residual`",
            "report this architecture",
        )

    return hook


def _halves(own: Edits) -> Any:
    def hook(module: nn.Module, args: Any, output: Any) -> Any:
        if not isinstance(output, tuple) or len(output) != 2:
            return _whole(own)(module, args, output)
        return own(*output)

    return hook


def _before(own: Edits, names: list[str]) -> Any:
    def hook(_module: nn.Module, args: tuple[Any, ...], named: dict[str, Any]) -> Any:
        given = dict(zip(names, args, strict=False)) | named
        hidden, residual = own(given["hidden_states"], given.get("residual"))
        changed = {"hidden_states": hidden} | ({"residual": residual} if "residual" in given else {})
        args = tuple(changed.get(name, value) for name, value in zip(names, args, strict=False))
        return args, {name: changed.get(name, value) for name, value in named.items()}

    return hook
