"""Activations of every layer at chosen positions, as running sums. Knows no directions, keeps no activations.

One forward per batch of the inner model, without logits or cache. Rows are sorted by length, so little is
padded; padding is on the right and positions count back from the end of each row's own prompt, so padding is never read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor

from steer_vectors.chat import Answered, Asked, Prompt, prompt_ids
from steer_vectors.errors import ContrastError, SiteError
from steer_vectors.hooks import on_layers
from steer_vectors.models import ChatModel
from steer_vectors.site import Point, Site

Progress = Callable[[int, int], None]
ANSWER = 0  # the position that is the mean over the tokens which predict the answer


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and variance of activations over prompts.

    Args:
        count: Number of prompts.
        mean: `[p, l, d]` float64, on the CPU.
        var: `[p, l, d]` float64, of the population (divided by `count`).
    """

    count: int
    mean: Tensor
    var: Tensor


class Batch(NamedTuple):
    """Prompts of similar length, padded on the right.

    Args:
        rows: `[b]` int64, where each prompt stood in the caller's list.
        ids: `[b, t]` int64 token ids.
        mask: `[b, t]` int64, 1 = real token.
        lengths: `[b]` int64, real tokens of each row.
    """

    rows: Tensor
    ids: Tensor
    mask: Tensor
    lengths: Tensor


def capture(
    model: ChatModel,
    prompts: Sequence[Asked],
    positions: Sequence[int],
    progress: Progress | None = None,
    *,
    point: Point = "resid_post",
    batch_tokens: int | None = None,
) -> Moments:
    """Mean and variance of one point of every layer at every position, over prompts.

    Sums and sums of squares are float64 and stay on the device; memory does not grow with the prompts.

    Args:
        model: The model, not steered.
        prompts: User messages or conversations, with answers where position 0 is asked for; the chat template renders them.
        positions: Negative offsets from the end of the rendered prompt; -1 is its last token. 0 (`ANSWER`) is the mean
            over the tokens that predict the answer, from the prompt's last on.
        progress: Called as `progress(done, total)` after every batch, in prompts.
        point: As in `Site`.
        batch_tokens: Most tokens of a batch, padding included; default 2048 on CPU, 16384 on GPU.

    Raises:
        ContrastError: No prompts.
        SiteError: A position that is not negative, or beyond the start of a prompt.
        ModelError: The tokenizer has no chat template, or a prompt is longer than the context.
    """
    # Apple's GPUs have no float64: there the sums live on the CPU.
    home = torch.device("cpu") if model.device.type == "mps" else model.device
    shape = (len(positions), model.layers, model.width)
    total = torch.zeros(shape, dtype=torch.float64, device=home)
    squares = torch.zeros_like(total)
    for _, states in activations(model, prompts, positions, progress, point=point, batch_tokens=batch_tokens):
        exact = states.to(home, torch.float64)
        total += exact.sum(0)
        squares += exact.square_().sum(0)
    mean = total / len(prompts)
    var = (squares / len(prompts) - mean.square()).clamp_min_(0.0)
    return Moments(len(prompts), mean.cpu(), var.cpu())


def project(
    model: ChatModel,
    prompts: Sequence[Asked],
    positions: Sequence[int],
    directions: Tensor,
    progress: Progress | None = None,
    *,
    point: Point = "resid_post",
    batch_tokens: int | None = None,
) -> Tensor:
    """Projection of each prompt's activations on one direction per position and layer.

    Args:
        model: As in `capture`, and so are `prompts`, `positions`, `progress` and `batch_tokens`.
        prompts: User messages or conversations.
        positions: Of the first axis of `directions`.
        directions: `[p, l, d]`, unit vectors.
        progress: Called as `progress(done, total)`.
        point: As in `Site`.
        batch_tokens: Most tokens of a batch.

    Returns:
        `[n, p, l]` float64 on the CPU, in the order of `prompts`.

    Raises:
        ContrastError, SiteError, ModelError: As in `capture`.
    """
    along = directions.to(model.device, torch.float32)
    out = torch.empty(len(prompts), *along.shape[:2], dtype=torch.float64)
    for rows, states in activations(
        model, prompts, positions, progress, point=point, batch_tokens=batch_tokens
    ):
        out[rows.cpu()] = torch.einsum("bpld,pld->bpl", states.float(), along).double().cpu()
    return out


@torch.no_grad()
def activations(
    model: ChatModel,
    prompts: Sequence[Asked],
    positions: Sequence[int],
    progress: Progress | None = None,
    *,
    point: Point = "resid_post",
    batch_tokens: int | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of `(rows [b], states [b, p, l, d])`; `states` is reused, so copy what must stay.

    Raises:
        ContrastError, SiteError, ModelError: As in `capture`.
    """
    asked = [prompt_ids(model.tokenizer, prompt_of(prompt)) for prompt in prompts]
    _check_positions(asked, positions)
    tokens, dtype = asked, model.hf.dtype
    if ANSWER in positions:  # the last token of an answer predicts none of it
        tokens = [ids + own[:-1] for ids, own in zip(asked, _answers(model, prompts), strict=True)]
        dtype = torch.float32  # means, which half precision would round
    model.require_room(max(map(len, tokens)))
    ends = torch.tensor([len(ids) for ids in asked])
    offsets = torch.tensor(list(positions), device=model.device)
    depth, done = model.layers, 0
    for batch in batches(tokens, model.device, batch_tokens):
        states = torch.empty(
            len(batch.rows), len(positions), depth, model.width, dtype=dtype, device=model.device
        )
        end = ends[batch.rows].to(model.device)[:, None]
        at = end + torch.where(offsets < 0, offsets, -1)  # [b, p]
        place = torch.arange(batch.ids.shape[1], device=model.device)
        answer = (
            (place >= end - 1) & (place < batch.lengths[:, None]) if ANSWER in positions else None
        )  # [b, t]
        keep = {
            Site(layer, point): partial(_keep, states[:, :, layer], at, list(positions), answer)
            for layer in range(depth)
        }
        with on_layers(model.hf, keep):
            model.hf.base_model(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False)
        yield batch.rows, states
        done += len(batch.rows)
        if progress is not None:
            progress(done, len(prompts))


def batches(
    tokens: Sequence[Sequence[int]], device: torch.device, batch_tokens: int | None = None
) -> Iterator[Batch]:
    """Right-padded batches of at most `batch_tokens` tokens, longest prompts first (memory peaks at once).

    A prompt longer than the budget is a batch of its own.
    """
    budget = batch_tokens or (2048 if device.type == "cpu" else 16384)
    order = sorted(range(len(tokens)), key=lambda row: len(tokens[row]), reverse=True)
    start = 0
    while start < len(order):
        longest = len(tokens[order[start]])
        rows = order[start : start + max(1, budget // longest)]
        yield _pad(tokens, rows, device)
        start += len(rows)


def _pad(tokens: Sequence[Sequence[int]], rows: Sequence[int], device: torch.device) -> Batch:
    lengths = torch.tensor([len(tokens[row]) for row in rows])
    width = int(lengths.max())
    # What fills the padding is masked out and never read, so token 0 serves every tokenizer.
    ids = torch.tensor([[*tokens[row], *[0] * (width - len(tokens[row]))] for row in rows])
    mask = (torch.arange(width) < lengths[:, None]).long()
    return Batch(torch.tensor(rows), *(part.to(device) for part in (ids, mask, lengths)))


def _keep(into: Tensor, at: Tensor, positions: list[int], answer: Tensor | None, hidden: Tensor) -> None:
    rows = torch.arange(len(at), device=hidden.device)[:, None]
    into.copy_(hidden[rows, at.to(hidden.device)])  # [b, p, d]
    if answer is not None:
        share = (answer / answer.sum(1, keepdim=True)).to(hidden.device)  # [b, t]
        # Padding may hold anything, infinities too, and 0 times that is no 0.
        clean = hidden.float().masked_fill(~answer.to(hidden.device)[..., None], 0.0)
        into[:, positions.index(ANSWER)] = torch.einsum("bt,btd->bd", share, clean).to(into.device)


def _answers(model: ChatModel, prompts: Sequence[Asked]) -> list[list[int]]:
    """Token ids of the answers, as the model would have to write them."""
    found = []
    for asked in prompts:
        ids = (
            model.tokenizer.encode(asked.answer, add_special_tokens=False)
            if isinstance(asked, Answered)
            else []
        )
        if not ids:
            raise SiteError(
                "position 0 of a prompt without an answer",
                "prompts with answers",
                'add "answer" to every row, or choose a negative position',
            )
        found.append(ids)
    return found


def prompt_of(asked: Asked) -> Prompt:
    """What comes before the answer."""
    return asked.prompt if isinstance(asked, Answered) else asked


def _check_positions(tokens: Sequence[Sequence[int]], positions: Sequence[int]) -> None:
    if not tokens:
        raise ContrastError("no prompts", "at least one prompt", "give prompts to capture")
    shortest = min(len(row) for row in tokens)
    for position in positions or [1]:
        if not -shortest <= position <= ANSWER:
            raise SiteError(
                f"position {position}",
                f"-1 (the last token) to -{shortest} (the start of the shortest prompt), or 0 (the answer)",
                "count positions back from the end of the rendered prompt",
            )


@dataclass
class Tally:
    """Several stages of work as one progress from 0 to `total`."""

    progress: Progress | None
    total: int
    done: int = 0

    def stage(self) -> Progress:
        """A callback for the next stage, which counts on from here."""
        before = self.done

        def report(done: int, _total: int) -> None:
            self.done = before + done
            if self.progress is not None:
                self.progress(self.done, self.total)

        return report
