"""Activations of every layer at chosen positions, as running sums. Knows no directions, keeps no activations.

One forward per batch of the inner model, without logits or cache. Rows are sorted by length, so little is
padded; padding is on the right and positions count back from the end of each row's own prompt, so padding is never read.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch
from torch import Tensor

from steer_vectors.backends import Backend, Batch, Picks
from steer_vectors.backends.hugging_face import HuggingFace
from steer_vectors.chat import Answered, Asked, Prompt, prompt_ids, require_list
from steer_vectors.errors import ContrastError, SiteError
from steer_vectors.models import ChatModel
from steer_vectors.room import fast, room
from steer_vectors.site import Point

Progress = Callable[[int, int], None]
Covariance = Literal["diagonal", "full"]
ANSWER = 0  # the position that is the mean over the tokens which predict the answer


@dataclass(frozen=True, eq=False)
class Moments:
    """Mean and spread of activations over prompts.

    Args:
        count: Number of prompts.
        mean: `[p, l, d]` float64, on the CPU.
        var: `[p, l, d]` float64, of the population (divided by `count`).
        norm: `[p, l]` float64, mean length of the activations.
        covariance: `[p, l, d, d]` float64, of the population, if it was asked for.
        sample: `[n, p, l, d]`, the rows that were asked for, in that order; the model's dtype.
    """

    count: int
    mean: Tensor
    var: Tensor
    norm: Tensor
    covariance: Tensor | None = None
    sample: Tensor | None = None


def capture(
    model: ChatModel | Backend,
    prompts: Sequence[Asked],
    positions: Sequence[int],
    progress: Progress | None = None,
    *,
    point: Point = "resid_post",
    batch_tokens: int | None = None,
    covariance: Covariance = "diagonal",
    sample: Sequence[int] = (),
    winsorise: float | None = None,
) -> Moments:
    """Mean and variance of one point of every layer at every position, over prompts.

    Sums are float64 and stay on the device; memory does not grow with the prompts.

    Args:
        model: The model, not steered, or a back end that reads it.
        prompts: User messages or conversations, with answers where position 0 is asked for; the chat template renders them.
        positions: Negative offsets from the end of the rendered prompt; -1 is its last token. 0 (`ANSWER`) is the mean
            over the tokens that predict the answer, from the prompt's last on.
        progress: Called as `progress(done, total)` after every batch, in prompts.
        point: As in `Site`.
        batch_tokens: Most tokens of a batch, padding included; default 2048 on CPU and 16384 on GPU, less where memory is short.
        covariance: "full" also sums `x x^T`: `p l d^2` numbers of 8 bytes, and as many again at the end.
        sample: Rows of which the activations themselves are kept, each once; see `drawn`.
        winsorise: Share of the coordinates of an activation whose size is left alone, such as 0.995; those beyond are cut
            to that quantile of their sizes, so that massive activations (2402.17762) do not make the mean. None: as they are.

    Raises:
        ContrastError: No prompts, one text instead of a list, a share outside 0 to 1, an unknown covariance, or a sample of
            rows that are not there or come twice.
        SiteError: No positions, or one that is above 0 or beyond the start of a prompt.
        ModelError: The tokenizer has no chat template, or a prompt is longer than the context.
    """
    if winsorise is not None and not 0 < winsorise <= 1:
        raise ContrastError(f"winsorise {winsorise}", "a share above 0, up to 1", "choose one such as 0.995")
    if covariance not in get_args(Covariance):
        raise ContrastError(f"covariance {covariance!r}", " or ".join(get_args(Covariance)), "choose one")
    require_list(prompts)
    _check_sample(sample, len(prompts))
    live = model if isinstance(model, ChatModel) else model.model
    # Apple's GPUs have no float64: there the sums live on the CPU.
    home = torch.device("cpu") if live.device.type == "mps" else live.device
    shape = (len(positions), live.layers, live.width)
    total = torch.zeros(shape, dtype=torch.float64, device=home)
    squares = torch.zeros(
        (*shape, live.width) if covariance == "full" else shape, dtype=torch.float64, device=home
    )
    norms = torch.zeros(shape[:2], dtype=torch.float64, device=home)
    slots = {row: slot for slot, row in enumerate(sample)}
    kept: Tensor | None = None
    for rows, states in activations(
        model, prompts, positions, progress, point=point, batch_tokens=batch_tokens
    ):
        if winsorise is not None:
            states = _winsorised(states, winsorise)
        exact = states.to(home, torch.float64)
        total += exact.sum(0)
        norms += exact.norm(dim=-1).sum(0)
        if covariance == "full":
            squares += torch.einsum("bpld,bple->plde", exact, exact)
        if slots:
            kept = states.new_empty(len(sample), *shape).cpu() if kept is None else kept
            for here, row in enumerate(rows.tolist()):
                if row in slots:
                    kept[slots[row]] = states[here].cpu()
        if covariance != "full":
            squares += exact.square_().sum(0)
    n = len(prompts)
    mean, spread = total / n, squares.div_(n)
    if covariance == "full":
        spread -= mean[..., :, None] * mean[..., None, :]
        var = spread.diagonal(dim1=-2, dim2=-1)
    else:
        var = spread.sub_(mean.square())
    joint = spread.cpu() if covariance == "full" else None
    return Moments(n, mean.cpu(), var.clamp_min(0.0).cpu(), (norms / n).cpu(), joint, kept)


def drawn(most: int, of: int, seed: int = 0) -> list[int]:
    """Which of `of` prompts to keep the activations of: `most`, each as likely as any other; all if there are fewer.

    What a reservoir would hold in the end, drawn beforehand, since the number of prompts is known.
    """
    if of <= most:
        return list(range(of))
    return sorted(torch.randperm(of, generator=torch.Generator().manual_seed(seed))[:most].tolist())


def project(
    model: ChatModel | Backend,
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
    require_list(prompts)
    out = torch.empty(len(prompts), *directions.shape[:2], dtype=torch.float64)
    for rows, states in activations(
        model, prompts, positions, progress, point=point, batch_tokens=batch_tokens
    ):
        along = directions.to(states.device, torch.float32)
        out[rows.cpu()] = torch.einsum("bpld,pld->bpl", states.float(), along).double().cpu()
    return out


@torch.no_grad()
def activations(
    model: ChatModel | Backend,
    prompts: Sequence[Asked],
    positions: Sequence[int],
    progress: Progress | None = None,
    *,
    point: Point = "resid_post",
    batch_tokens: int | None = None,
) -> Iterator[tuple[Tensor, Tensor]]:
    """Batches of `(rows [b], states [b, p, l, d])`; `states` may be reused, so copy what must stay.

    Raises:
        ContrastError, SiteError, ModelError: As in `capture`.
    """
    require_list(prompts)
    backend = HuggingFace(model) if isinstance(model, ChatModel) else model
    live = backend.model
    # Four bytes a token: the prompts are all that grows with their number.
    asked = [array("i", prompt_ids(live.tokenizer, prompt_of(prompt))) for prompt in prompts]
    _check_positions(asked, positions, live.tokenizer.bos_token_id)
    tokens = asked
    if ANSWER in positions:  # the last token of an answer predicts none of it
        tokens = [ids + own[:-1] for ids, own in zip(asked, _answers(live, prompts), strict=True)]
    longest = max(map(len, tokens))
    live.require_room(longest)
    ends = torch.tensor([len(ids) for ids in asked])
    offsets = torch.tensor(list(positions), device=live.device)
    done = 0
    for batch in batches(tokens, live.device, batch_tokens or room(live, longest)):
        end = ends[batch.rows].to(live.device)[:, None]
        at = end + torch.where(offsets < 0, offsets, -1)  # [b, p]
        picks = Picks(at)
        if ANSWER in positions:
            place = torch.arange(batch.ids.shape[1], device=live.device)
            answer = (place >= end - 1) & (place < batch.lengths[:, None])  # [b, t]
            picks = Picks(at, answer, list(positions).index(ANSWER))
        yield batch.rows, backend.states(batch, picks, point)
        done += len(batch.rows)
        if progress is not None:
            progress(done, len(prompts))


def batches(
    tokens: Sequence[Sequence[int]], device: torch.device, batch_tokens: int | None = None
) -> Iterator[Batch]:
    """Right-padded batches of at most `batch_tokens` tokens, longest prompts first (memory peaks at once).

    A prompt longer than the budget is a batch of its own.
    """
    budget = batch_tokens or fast(device)
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


def _winsorised(states: Tensor, share: float) -> Tensor:
    """`[b, p, l, d]` with the sizes of each activation's coordinates cut to their own quantile."""
    d = states.shape[-1]
    sizes = states.abs().float()
    bound = sizes.kthvalue(min(d, max(1, round(share * d))), dim=-1, keepdim=True).values.to(states.dtype)
    return states.clamp(-bound, bound)


def _answers(model: ChatModel, prompts: Sequence[Asked]) -> list[array[int]]:
    """Token ids of the answers, as the model would have to write them."""
    found = []
    for asked in prompts:
        ids = (
            model.tokenizer.encode(asked.answer, add_special_tokens=False, verbose=False)
            if isinstance(asked, Answered)
            else []
        )
        if not ids:
            raise SiteError(
                "position 0 of a prompt without an answer",
                "prompts with answers",
                'add "answer" to every row, or choose a negative position',
            )
        found.append(array("i", ids))
    return found


def prompt_of(asked: Asked) -> Prompt:
    """What comes before the answer."""
    return asked.prompt if isinstance(asked, Answered) else asked


def _check_positions(tokens: Sequence[Sequence[int]], positions: Sequence[int], bos: int | None) -> None:
    if not tokens:
        raise ContrastError("no prompts", "at least one prompt", "give prompts to capture")
    # The first token says nothing of a prompt, and is a massive activation in many models.
    shortest = min(len(row) - (row[0] == bos) for row in tokens)
    outside = [f"position {position}" for position in positions if not -shortest <= position <= ANSWER]
    if outside or not positions:
        raise SiteError(
            outside[0] if outside else "no positions",
            f"-1 (the last token) to -{shortest} (the start of the shortest prompt), or 0 (the answer)",
            "count positions back from the end of the rendered prompt",
        )


def _check_sample(sample: Sequence[int], count: int) -> None:
    wrong = next((row for row in sample if not 0 <= row < count), None)
    if wrong is not None or len(set(sample)) < len(sample):
        raise ContrastError(
            "a sample with a row twice" if wrong is None else f"a sample with row {wrong}",
            f"rows 0 to {count - 1}, each at most once",
            "correct the sample, or draw one with `drawn`",
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
