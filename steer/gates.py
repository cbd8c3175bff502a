"""Probes at work: which share of each edit a request gets, from what its prompt looks like to the plain model.

A probe reads the last token of the prompt before any edit of that forward, so the decision holds from that very token on.
Knows no plans and no files.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from steer.errors import PlanError
from steer.scope import Places
from steer_vectors.greedy import left_padded
from steer_vectors.hooks import on_layers
from steer_vectors.models import ChatModel, decoder
from steer_vectors.site import Site

_BATCH = 32


class Gauge(NamedTuple):
    """A probe laid out: `log-odds = sum over j of <query_j, h_(t-j)> + bias`, of rows themselves or of rows at length 1.

    Args:
        name: Of the probe.
        site: Where it reads.
        query: `[w, d]` float32: of the token itself, of the one before it, and so on.
        bias: Added; the log-odds are those of the risk.
        cosine: Whether the row's length is taken out first.
        threshold: Log-odds from which it opens.
        sharpness: Of the sigmoid around it; infinite = a step.
        each_token: Whether the answer's tokens are read too; then `w` is 1.
    """

    name: str
    site: Site
    query: Tensor
    bias: float
    cosine: bool
    threshold: float
    sharpness: float
    each_token: bool

    def part(self, hidden: Tensor, back: int) -> Tensor:
        """What rows `[..., d]` add to the log-odds of the token `back` places after them; `[...]` float32."""
        rows = hidden.float()
        read = rows @ self.query[back].to(rows.device)
        return read / rows.norm(dim=-1).clamp_min(torch.finfo(torch.float32).tiny) if self.cosine else read

    def log_odds(self, hidden: Tensor) -> Tensor:
        """`[..., t]` float32, at each of the rows `[..., t, d]`; what stands before the first of them adds nothing."""
        found = self.part(hidden, 0) + self.bias
        for back in range(1, len(self.query)):
            found[..., back:] += self.part(hidden[..., :-back, :], back)
        return found


def shares(gauges: Sequence[Gauge], odds: Tensor) -> Tensor:
    """What each probe opens by, and what is left for "else": the first that opens decides.

    Args:
        gauges: `g` probes in the order in which they are asked.
        odds: `[n, g]` log-odds; nan = not read yet.

    Returns:
        `[n, g + 1]` float32. Rows sum to 1; those with anything not read yet are all 0.
    """
    left = torch.ones_like(odds[:, 0])
    found = []
    for gauge, own in zip(gauges, odds.unbind(1), strict=True):
        above = own - gauge.threshold
        opened = (above >= 0).float() if math.isinf(gauge.sharpness) else (gauge.sharpness * above).sigmoid()
        found.append(left * opened)
        left = left * (1 - opened)
    known = ~odds.isnan().any(1, keepdim=True)
    return torch.where(known, torch.stack([*found, left], 1), 0.0)


class Gating:
    """The probes of one recipe at work on one model; what they have read of the prompts that run now.

    Args:
        gauges: In order.
        decided: Called when the last of them has read: doses may be laid out anew.
        whole: Whether an edit that they open reaches back before the prompt's last token, so that prompts must come whole.
    """

    def __init__(self, gauges: Sequence[Gauge], decided: Callable[[], None], *, whole: bool) -> None:
        self._gauges, self._decided, self._whole = gauges, decided, whole
        # Of each query of each probe, and of the probes; nan = not read yet.
        self._parts = torch.full((1, sum(len(gauge.query) for gauge in gauges)), math.nan)
        self._odds = torch.full((1, len(gauges)), math.nan)
        self._every = any(gauge.each_token for gauge in gauges)
        self._places: Places | None = None  # None: nothing to read in this forward
        self._prompts = -1

    def begin(self, places: Places, prompts: int, *, generated: bool, beams: bool) -> None:
        """A forward begins; `prompts` is another number than before if it reads a new prompt.

        Raises:
            PlanError: An answer goes on of which the prompt was not read; beams, whose rows change places, under a probe that
                remembers what each row said.
        """
        if beams and self._every:
            raise PlanError(
                "beams under a probe that reads every token", "one row an answer", "leave out one of them"
            )
        self._places = places if self._every or not generated else None
        rows, known = len(places.real), len(self._odds)
        if prompts == self._prompts and known < rows and rows % known == 0:
            # One prompt was read for several answers.
            self._odds, self._parts = (
                x.repeat_interleave(rows // known, 0) for x in (self._odds, self._parts)
            )
        elif prompts != self._prompts or known != rows:
            self._odds, self._parts = (
                torch.full((rows, own.shape[1]), math.nan, device=places.position.device)
                for own in (self._odds, self._parts)
            )
            self._prompts = prompts
        if generated and not torch.compiler.is_compiling() and bool(self._odds.isnan().any()):
            raise PlanError(
                "an answer of which the last tokens of the prompt were not read in this `with`",
                "prompts that are read under the plan",
                "read the whole prompt, or do not cache it before",
            )

    def shares(self) -> Tensor:
        """`[n, g + 1]`, of the rows of this forward."""
        return shares(self._gauges, self._odds)

    def hooks(self) -> dict[Site, Callable[[Tensor], None]]:
        """What is read at each site; to be hooked before the edits."""
        sites = dict.fromkeys(
            gauge.site for gauge in sorted(self._gauges, key=lambda gauge: _order(gauge.site))
        )
        last = list(sites)[-1]
        return {site: self._reader(site, last=site == last) for site in sites}

    def _reader(self, site: Site, *, last: bool) -> Callable[[Tensor], None]:
        widths = [len(gauge.query) for gauge in self._gauges]
        own = [(at, gauge, sum(widths[:at])) for at, gauge in enumerate(self._gauges) if gauge.site == site]

        def read(hidden: Tensor) -> None:
            if self._places is None:
                return
            position, end, real = (x.to(hidden.device) for x in self._places)
            parts, odds = self._parts.to(hidden.device, copy=True), self._odds.to(hidden.device, copy=True)
            every = torch.arange(len(hidden), device=hidden.device)
            for at, gauge, first in own:
                for back in range(len(gauge.query)):
                    here = (position == end - 1 - back) & real
                    new = gauge.part(hidden[every, here.int().argmax(1)], back)
                    new = torch.where(here.any(1), new, parts[:, first + back])
                    # What stands before the prompt's first token adds nothing.
                    parts[:, first + back] = torch.where(end[:, 0] > back, new, 0.0)
                ends = ((position == end - 1) & real).any(1)
                decided = parts[:, first : first + len(gauge.query)].sum(1) + gauge.bias
                if gauge.each_token:
                    # What padding and the prompt say before its last token does not count.
                    said = gauge.log_odds(hidden).masked_fill(~((position >= end) & real), -math.inf)
                    so_far = torch.where(ends, decided, torch.fmax(decided, odds[:, at]))
                    decided = torch.maximum(so_far, said.amax(1))
                odds[:, at] = decided
            self._parts, self._odds = (x.to(self._odds.device) for x in (parts, odds))
            if last:
                self._check_whole()
                self._decided()

        return read

    def _check_whole(self) -> None:
        if self._whole and not torch.compiler.is_compiling() and bool(self._odds.isnan().any()):
            raise PlanError(
                "a prompt that comes in pieces, and edits of the whole prompt that wait for its last token",
                "whole prompts, or edits of scope -1:",
                "read the prompt in one piece, or change the scope",
            )


@torch.no_grad()
def log_odds(model: ChatModel, gauges: Sequence[Gauge], prompts: Sequence[Sequence[int]]) -> Tensor:
    """What probes say of prompts, by the plain model up to the last layer that they read.

    Args:
        model: A live model, not steered.
        gauges: `g` of them.
        prompts: `n` prompts' tokens.

    Returns:
        `[n, g]` float32 log-odds, on the CPU.

    Raises:
        ModelError: A prompt that is longer than the context.
    """
    model.require_room(max(map(len, prompts), default=0))
    order = sorted(range(len(prompts)), key=lambda at: len(prompts[at]))
    found = torch.full((len(prompts), len(gauges)), math.nan)
    for at in range(0, len(order), _BATCH):
        which = order[at : at + _BATCH]
        found[which] = _read(model, gauges, [prompts[own] for own in which])
    return found


class _Enough(Exception):
    """All that is wanted has been read."""


def _read(model: ChatModel, gauges: Sequence[Gauge], prompts: Sequence[Sequence[int]]) -> Tensor:
    batch = left_padded(model, prompts)
    found = torch.full((len(prompts), len(gauges)), math.nan)
    sites = sorted({gauge.site for gauge in gauges}, key=_order)

    def reader(site: Site) -> Callable[[Tensor], None]:
        def read(hidden: Tensor) -> None:
            for at, gauge in enumerate(gauges):
                if gauge.site == site:
                    found[:, at] = gauge.bias
                    for back in range(min(len(gauge.query), hidden.shape[1])):
                        read = gauge.part(hidden[:, -1 - back], back) * batch.mask[:, -1 - back].to(
                            hidden.device
                        )
                        found[:, at] += read.cpu()
            if site == sites[-1]:
                raise _Enough

        return read

    places = (batch.mask.cumsum(1) - 1).clamp_min(0)
    try:
        with on_layers(model.hf, {site: reader(site) for site in sites}):
            decoder(model.hf)(
                input_ids=batch.ids, attention_mask=batch.mask, position_ids=places, use_cache=False
            )
    except _Enough:
        pass
    return found


def check_order(gauges: Sequence[Gauge], edited: Iterable[tuple[Site, bool]]) -> None:
    """A probe must see the plain model.

    Args:
        gauges: Of the plan.
        edited: Sites, each with whether nothing is done there before the answer begins.

    Raises:
        PlanError: An edit that comes before a probe in the forward, and may change what that reads.
    """
    for site, waits in edited:
        for gauge in gauges:
            if _order(site) < _order(gauge.site) and not (waits and not gauge.each_token):
                raise PlanError(
                    f"an edit at layer {site.layer} ({site.point}), before probe {gauge.name!r} reads layer "
                    f"{gauge.site.layer} ({gauge.site.point})",
                    "edits from the probe's layer on, or of scope generation",
                    "choose later layers, or an earlier probe",
                )


def _order(site: Site) -> tuple[int, int]:
    return site.layer, ("resid_pre", "attn_out", "mlp_out", "resid_post").index(site.point)
