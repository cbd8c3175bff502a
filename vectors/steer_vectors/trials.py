"""What a direction does to a model on held-out prompts, prompt by prompt: by the first token it says, or by its activations.

Both try the same two edits at one site: adding one class gap to prompts of the negative class must make the model behave as
on the positive class; setting the projection of positive prompts to the negative mean must undo that. The second is mean
ablation (ACE, 2411.09003), not ablation to 0: 0 is no neutral place in a small model, where it alone cost more than the
bound on KL at every layer.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import partial
from typing import NamedTuple, Protocol

import torch
from torch import Tensor, nn

from steer_kernels import Table, add_table, affine_table, edit_
from steer_kernels.table import terms
from steer_vectors.backends import Batch
from steer_vectors.capture import Progress, Tally, activations, batches, prompt_of
from steer_vectors.chat import Answered, Asked, prompt_ids
from steer_vectors.first_token import first_token
from steer_vectors.hooks import on_layers
from steer_vectors.models import ChatModel
from steer_vectors.room import room
from steer_vectors.site import Point, Site

_TOKEN_MARGIN = 0.02
_FALLBACK_TOKENS = 5
_EPSILON = 1e-8
_FAR = 1e6  # nats, for what has no number
_LOW_SHARE = 0.1  # of the layers that COSMIC looks at


class Candidate(NamedTuple):
    """A direction at a site, as float64 on the CPU.

    Args:
        site: Where it is tried.
        unit: `[d]`.
        positive: Mean reading of the positive class.
        negative: Of the negative class.
        read: `[d]`, what reads it; None = `unit`.
    """

    site: Site
    unit: Tensor
    positive: float
    negative: float
    read: Tensor | None


class Effect(NamedTuple):
    """What a candidate does to each held-out prompt.

    Args:
        added: `[n]`, of negative prompts: how far adding one gap moves them towards the positive class.
        ablated: `[m]`, of positive prompts: how far ablating moves them towards the negative class.
        kl: `[n]`, of negative prompts: KL(plain || ablated) of the first answer token, in nats; None = not looked at.
    """

    added: Tensor
    ablated: Tensor
    kl: Tensor | None


class Trial(Protocol):
    """Held-out prompts, prepared once, on which candidates are tried."""

    @property
    def warning(self) -> str:
        """One line if what is measured hardly says anything; else ""."""

    @property
    def tokens(self) -> tuple[int, ...]:
        """First answer tokens that are counted."""

    def run(self, candidate: Candidate) -> Effect:
        """Try one."""


class RefusalTokens(NamedTuple):
    """The first tokens that the refusal score counts, and a warning if they hardly mean refusal."""

    ids: tuple[int, ...]
    warning: str


def refusal_tokens(positive: Tensor, negative: Tensor) -> RefusalTokens:
    """Ids whose mean first-token probability is higher by 0.02 on positive prompts; else the top 5.

    The top 5 of a model that begins its answers alike in both classes may not be refusals at all,
    so that is said in the warning.

    Args:
        positive: `[n, v]` log-probabilities of the first answer token on positive prompts.
        negative: The same on negative prompts.
    """
    margin = positive.exp().mean(0) - negative.exp().mean(0)
    above = (margin >= _TOKEN_MARGIN).nonzero().flatten()
    if len(above):
        return RefusalTokens(tuple(above.tolist()), "")
    top = margin.topk(min(_FALLBACK_TOKENS, len(margin)))
    warning = (
        f"no first answer token is likelier by {_TOKEN_MARGIN} on positive prompts (most: "
        f"{float(top.values[0]):.3g}), so the selection scores rest on weak tokens"
    )
    return RefusalTokens(tuple(top.indices.tolist()), warning)


def refusal_scores(log_probs: Tensor, tokens: Sequence[int]) -> Tensor:
    """`log(P + 1e-8) - log(1 - P + 1e-8)` of each prompt, P the mass of `tokens`.

    Args:
        log_probs: `[n, v]`, of the first answer token.
        tokens: Ids of the tokens to count.

    Returns:
        `[n]` float64 on the CPU.
    """
    mass = log_probs[:, list(tokens)].double().exp().sum(-1).clamp(0.0, 1.0).cpu()
    return (mass + _EPSILON).log() - (1 - mass + _EPSILON).log()


class Causal:
    """Refusal score of the first answer token (Arditi et al. 2406.11717, section 2.3 and appendix C).

    The tokens that are counted are read off training prompts (or their given answers) instead of being picked by hand.

    Args:
        model: Not steered.
        seen: Training prompts, positive and negative, from which the tokens come.
        held: Held-out prompts, positive and negative.
        tally: Counts prompts.
        batch_tokens: As in `capture`.
    """

    def __init__(
        self,
        model: ChatModel,
        seen: Sequence[Sequence[Asked]],
        held: Sequence[Sequence[Asked]],
        tally: Tally,
        batch_tokens: int | None,
    ) -> None:
        self._model, self._tally = model, tally

        def first(prompts: Sequence[Asked]) -> tuple[tuple[Batch, ...], Tensor]:
            tokens = [prompt_ids(model.tokenizer, prompt_of(prompt)) for prompt in prompts]
            budget = batch_tokens or room(model, max(map(len, tokens)))
            padded = tuple(batches(tokens, model.device, budget))
            return padded, first_token(model, padded, {}, tally.stage())

        begun = [
            _first_answers(model, prompts) if isinstance(prompts[0], Answered) else first(prompts)[1]
            for prompts in seen
        ]
        self.tokens, self.warning = refusal_tokens(*begun)
        (self._positive, on_positive), (self._negative, self._plain) = (first(prompts) for prompts in held)
        self._plain_positive = refusal_scores(on_positive, self.tokens)
        self._plain_negative = refusal_scores(self._plain, self.tokens)

    @staticmethod
    def work(answered: bool, seen: int, positive: int, negative: int, candidates: int) -> int:
        """Prompts that will be run."""
        return (0 if answered else seen) + positive + negative + candidates * (positive + 2 * negative)

    def run(self, candidate: Candidate) -> Effect:
        """As in `Trial`."""
        add, remove = _edits(candidate, self._model)
        added = first_token(self._model, self._negative, add, self._tally.stage())
        ablated = first_token(self._model, self._positive, remove, self._tally.stage())
        harmless = first_token(self._model, self._negative, remove, self._tally.stage())
        kl = nn.functional.kl_div(harmless, self._plain, log_target=True, reduction="none").sum(-1)
        return Effect(
            refusal_scores(added, self.tokens) - self._plain_negative,
            self._plain_positive - refusal_scores(ablated, self.tokens),
            kl.double().nan_to_num(_FAR, posinf=_FAR).cpu(),  # of models that mask logits
        )


class Cosmic:
    """Cosine of steered activations with those of the other class, where the classes differ most: no token is looked at.

    Over the tenth of the layers at which the mean activations of the two classes are least similar: negative prompts with the
    direction added, against the positive mean; positive prompts without it, against the negative mean.

    Source: Siu et al., "COSMIC: Generalized refusal direction identification in LLM activations", 2506.00085, section 3, as we
    read it; the cosine is taken prompt by prompt, so that it can be resampled.

    Args:
        model: Not steered.
        held: Held-out prompts, positive and negative, with answers where position 0 is read.
        positions: That are compared, all together.
        point: As in `Site`.
        tally: Counts prompts.
        batch_tokens: As in `capture`.
    """

    tokens: tuple[int, ...] = ()
    warning = ""

    def __init__(
        self,
        model: ChatModel,
        held: Sequence[Sequence[Asked]],
        positions: Sequence[int],
        point: Point,
        tally: Tally,
        batch_tokens: int | None,
    ) -> None:
        self._model, self._held, self._tally = model, held, tally
        self._read = partial(_read_all, model, positions=positions, point=point, batch_tokens=batch_tokens)
        plain = [self._read(prompts, tally.stage()) for prompts in held]  # [n, p, l, d]
        means = [states.mean(0) for states in plain]
        similar = nn.functional.cosine_similarity(means[0], means[1], dim=-1).mean(0)  # [l]
        self._low = similar.argsort()[: math.ceil(_LOW_SHARE * model.layers)]
        self._targets = [mean[:, self._low].flatten() for mean in means]
        self._before = [
            self._towards(plain[1], self._targets[0]),
            self._towards(plain[0], self._targets[1]),
        ]

    @staticmethod
    def work(positive: int, negative: int, candidates: int) -> int:
        """Prompts that will be run."""
        return (1 + candidates) * (positive + negative)

    def _towards(self, states: Tensor, target: Tensor) -> Tensor:
        """`[n]`, cosine of each prompt's activations at the layers that count with a mean."""
        return nn.functional.cosine_similarity(states[:, :, self._low].flatten(1), target, dim=-1)

    def run(self, candidate: Candidate) -> Effect:
        """As in `Trial`; effects are rises of the cosine."""
        add, remove = _edits(candidate, self._model)
        found = []
        for edits, prompts, target, before in zip(
            (add, remove), reversed(self._held), self._targets, self._before, strict=True
        ):
            with on_layers(self._model.hf, edits):  # set first, so what is read afterwards is edited
                states = self._read(prompts, self._tally.stage())
            found.append(self._towards(states, target) - before)
        return Effect(found[0], found[1], None)


def _read_all(
    model: ChatModel,
    prompts: Sequence[Asked],
    progress: Progress,
    *,
    positions: Sequence[int],
    point: Point,
    batch_tokens: int | None,
) -> Tensor:
    """`[n, p, l, d]` float64 on the CPU; for few prompts."""
    out = torch.empty(len(prompts), len(positions), model.layers, model.width, dtype=torch.float64)
    for rows, states in activations(
        model, prompts, positions, progress, point=point, batch_tokens=batch_tokens
    ):
        out[rows.cpu()] = states.double().cpu()
    return out


def _edits(candidate: Candidate, model: ChatModel) -> tuple[dict[Site, Callable[[Tensor], None]], ...]:
    """One gap added, and the reading set to the negative mean."""
    unit, read = candidate.unit, candidate.read
    add = add_table(unit, candidate.positive - candidate.negative)
    if read is None:
        remove = affine_table(unit, candidate.negative)
    else:  # also of a null-space map, whose reading is not that of what it writes: its move is taken back
        undo = terms(1, offset=candidate.negative, gain=-1.0)
        remove = Table(read.float()[None].contiguous(), unit.float()[None].contiguous(), undo)
    return tuple({candidate.site: partial(_edit, table.to(model.device))} for table in (add, remove))


def _edit(table: Table, hidden: Tensor) -> None:
    edit_(hidden, table, 1.0)


def _first_answers(model: ChatModel, prompts: Sequence[Asked]) -> Tensor:
    """Log-probabilities of the first token as the given answers have it, `[n, v]`: 0, or minus infinity."""
    ids = [
        model.tokenizer.encode(a.answer, add_special_tokens=False)[0]
        for a in prompts
        if isinstance(a, Answered)
    ]
    head = model.hf.get_output_embeddings().weight  # type: ignore[no-untyped-call]
    return nn.functional.one_hot(torch.tensor(ids), len(head)).float().log()
