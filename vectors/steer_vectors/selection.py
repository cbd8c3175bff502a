"""Which layer and position to steer at, chosen by what the direction does. Knows no files.

A candidate is tried on held-out prompts, and the first answer token is read: adding one class gap must raise the
refusal score of negative prompts, ablating the direction must lower that of positive prompts, and must hardly move what
the model says to negative ones. Tried are, at every layer, the position that separates held-out prompts best (Cohen's d
of their projections); then, at the layer that does best, every other position.

Source: Arditi et al. 2406.11717, section 2.3 and appendix C (score, filters, l < 0.8 L), with two changes. The tokens
of the score are read off the model instead of being picked by hand. And ablating sets the projection to the negative
class's mean (ACE, 2411.09003), not to 0: 0 is no neutral place in a small model, where it alone cost more than the
bound at every layer.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor, nn

from steer_kernels import Table, add_table, affine_table, edit_
from steer_vectors.capture import Batch, Progress, Tally, batches, project, prompt_of
from steer_vectors.chat import Answered, Asked, prompt_ids
from steer_vectors.contrast import ContrastSet
from steer_vectors.estimators.mean_difference import Estimate
from steer_vectors.hooks import on_layers
from steer_vectors.models import ChatModel
from steer_vectors.site import Point, Site

KL_BOUND = 0.1
LAYER_SHARE = 0.8
MAX_PROMPTS = 32
_TOKEN_MARGIN = 0.02
_FALLBACK_TOKENS = 5
_EPSILON = 1e-8

Edits = Mapping[Site, Callable[[Tensor], None]]


class SelectionScore(NamedTuple):
    """What one candidate does on held-out prompts.

    Args:
        layer: 0-based.
        position: Negative offset from the end of the prompt.
        separation: Cohen's d of the two classes' projections.
        added: Rise of the mean refusal score (log-odds) of negative prompts when one class gap is added.
        ablated: Fall of the mean refusal score of positive prompts when their projection is set to the negative mean.
        kl: KL(plain || ablated) of the first answer token on negative prompts, mean, in nats.
        passed: `added > 0`, `ablated > 0` and `kl <= 0.1`.
    """

    layer: int
    position: int
    separation: float
    added: float
    ablated: float
    kl: float
    passed: bool


class Separation(NamedTuple):
    """Held-out projections of both classes: `d`, and their standard deviations, each `[p, l]` float64."""

    d: Tensor
    positive_std: Tensor
    negative_std: Tensor


class Selection(NamedTuple):
    """The chosen site and how it was chosen.

    Args:
        best: The chosen candidate.
        scores: All candidates: one a layer, then the other positions at the best of them.
        separation: Of every position and layer.
        tokens: Ids of the first tokens that the refusal score counts.
        warning: One line if no candidate passed, or if no first token tells the classes apart; else "".
    """

    best: SelectionScore
    scores: tuple[SelectionScore, ...]
    separation: Separation
    tokens: tuple[int, ...]
    warning: str


def select(
    model: ChatModel,
    contrast: ContrastSet,
    estimate: Estimate,
    positions: Sequence[int],
    *,
    layer: int | None = None,
    point: Point = "resid_post",
    max_prompts: int = MAX_PROMPTS,
    progress: Progress | None = None,
    batch_tokens: int | None = None,
) -> Selection:
    """Choose layer and position by causal effect on validation prompts.

    Args:
        model: The model the estimate came from, not steered.
        contrast: Needs validation prompts in both classes.
        estimate: Directions at `positions` and every layer.
        positions: Of the estimate's first axis.
        layer: Consider only this one (which may then be in the last fifth).
        point: Where the estimate was made, and where is edited.
        max_prompts: Most prompts per class and purpose, evenly spaced over the set.
        progress: Called as `progress(done, total)`, in prompts run.
        batch_tokens: As in `capture`.

    Raises:
        ContrastError: A class has no validation prompt.
        SiteError, ModelError: As in `capture`.
    """
    positive = _spaced(contrast.select("positive", "validation"), max_prompts)
    negative = _spaced(contrast.select("negative", "validation"), max_prompts)
    tally = Tally(progress, selection_work(model, contrast, positions, layer=layer, max_prompts=max_prompts))
    held_out = [
        project(
            model, prompts, positions, estimate.unit, tally.stage(), point=point, batch_tokens=batch_tokens
        )
        for prompts in (positive, negative)
    ]
    separation = separate(held_out[0], held_out[1])
    trial = _Trial.start(model, contrast, positive, negative, max_prompts, tally, batch_tokens)

    def score(p: int, here: int) -> SelectionScore:
        effect = trial.run(
            estimate.unit[p, here], estimate.positive[p, here], estimate.negative[p, here], Site(here, point)
        )
        passed = effect.added > 0 and effect.ablated > 0 and effect.kl <= KL_BOUND
        return SelectionScore(here, positions[p], float(separation.d[p, here]), *effect, passed)

    scores = [score(int(separation.d[:, here].argmax()), here) for here in _eligible(model.layers, layer)]
    best, _ = choose(scores)
    scores += [score(p, best.layer) for p, position in enumerate(positions) if position != best.position]
    best, none_passed = choose(scores)
    warning = "; ".join(filter(None, (trial.tokens.warning, none_passed)))
    return Selection(best, tuple(scores), separation, trial.tokens.ids, warning)


def choose(scores: Sequence[SelectionScore]) -> tuple[SelectionScore, str]:
    """The candidate with the largest `added + ablated` among those that pass, and a warning if none does.

    If none passes, the largest among the half with the least KL: the very least KL is that of a layer that does nothing.
    """
    passing = [score for score in scores if score.passed]
    if passing:
        return max(passing, key=_effect), ""
    half = sorted(scores, key=lambda score: score.kl)[: (len(scores) + 1) // 2]
    best = max(half, key=_effect)
    return best, (
        f"no candidate passed (adding must raise the refusal score, ablating lower it, KL <= {KL_BOUND}); took layer "
        f"{best.layer} with KL {best.kl:.3g}, where adding moves the score by {best.added:+.3g} and ablating by "
        f"{-best.ablated:+.3g}"
    )


def _effect(score: SelectionScore) -> float:
    return score.added + score.ablated


def separate(positive: Tensor, negative: Tensor) -> Separation:
    """How far apart two classes lie: Cohen's d, `(mean+ - mean-) / sqrt((var+ + var-) / 2)`.

    Args:
        positive: `[n, p, l]` projections of the positive class.
        negative: `[m, p, l]` projections of the other.
    """
    stds = [projections.std(0, correction=0) for projections in (positive, negative)]
    pooled = ((stds[0].square() + stds[1].square()) / 2).sqrt().clamp_min(1e-12)
    return Separation((positive.mean(0) - negative.mean(0)) / pooled, stds[0], stds[1])


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


def refusal_score(log_probs: Tensor, tokens: Sequence[int]) -> float:
    """Mean over prompts of `log(P + 1e-8) - log(1 - P + 1e-8)`, P the mass of `tokens`.

    Args:
        log_probs: `[n, v]`, of the first answer token.
        tokens: Ids of the tokens to count.
    """
    mass = log_probs[:, list(tokens)].double().exp().sum(-1).clamp(0.0, 1.0)
    return float(((mass + _EPSILON).log() - (1 - mass + _EPSILON).log()).mean())


def selection_work(
    model: ChatModel,
    contrast: ContrastSet,
    positions: Sequence[int],
    *,
    layer: int | None = None,
    max_prompts: int = MAX_PROMPTS,
) -> int:
    """How many prompts `select` will run: the total of its progress."""
    count = {
        (label, split): min(max_prompts, len(contrast.select(label, split)))
        for label in ("positive", "negative")
        for split in ("train", "validation")
    }
    train = 0 if contrast.answered else count["positive", "train"] + count["negative", "train"]
    positive, negative = count["positive", "validation"], count["negative", "validation"]
    candidates = len(_eligible(model.layers, layer)) + len(positions) - 1
    return train + 2 * (positive + negative) + candidates * (positive + 2 * negative)


class _Effect(NamedTuple):
    added: float
    ablated: float
    kl: float


class _Trial(NamedTuple):
    """Held-out prompts, cut and padded once, and what the plain model says to them."""

    model: ChatModel
    positive: tuple[Batch, ...]
    negative: tuple[Batch, ...]
    plain_positive: float
    plain_negative: float
    plain: Tensor  # [n, v] log-probabilities on negative prompts
    tokens: RefusalTokens
    tally: Tally

    @classmethod
    def start(
        cls,
        model: ChatModel,
        contrast: ContrastSet,
        positive: Sequence[Asked],
        negative: Sequence[Asked],
        max_prompts: int,
        tally: Tally,
        batch_tokens: int | None,
    ) -> _Trial:
        def first(prompts: Sequence[Asked]) -> tuple[tuple[Batch, ...], Tensor]:
            tokens = [prompt_ids(model.tokenizer, prompt_of(prompt)) for prompt in prompts]
            padded = tuple(batches(tokens, model.device, batch_tokens))
            return padded, first_token(model, padded, {}, tally.stage())

        # The tokens come from training prompts, the scores from others.
        seen = [_spaced(contrast.select(label, "train"), max_prompts) for label in ("positive", "negative")]
        begun = [
            _first_answers(model, prompts) if contrast.answered else first(prompts)[1] for prompts in seen
        ]
        tokens = refusal_tokens(*begun)
        held_positive, on_positive = first(positive)
        held_negative, on_negative = first(negative)
        return cls(
            model,
            held_positive,
            held_negative,
            refusal_score(on_positive, tokens.ids),
            refusal_score(on_negative, tokens.ids),
            on_negative,
            tokens,
            tally,
        )

    def run(self, unit: Tensor, positive: Tensor, negative: Tensor, site: Site) -> _Effect:
        """Effect of one direction at a site: one gap added, and the projection set to the negative mean."""
        device = self.model.device
        add = {site: _editor(add_table(unit, positive - negative).to(device))}
        remove = {site: _editor(affine_table(unit, negative).to(device))}
        added = first_token(self.model, self.negative, add, self.tally.stage())
        ablated = first_token(self.model, self.positive, remove, self.tally.stage())
        harmless = first_token(self.model, self.negative, remove, self.tally.stage())
        kl = nn.functional.kl_div(harmless, self.plain, log_target=True, reduction="batchmean")
        return _Effect(
            refusal_score(added, self.tokens.ids) - self.plain_negative,
            self.plain_positive - refusal_score(ablated, self.tokens.ids),
            float(kl),
        )


def _first_answers(model: ChatModel, prompts: Sequence[Asked]) -> Tensor:
    """Log-probabilities of the first token as the given answers have it, `[n, v]`: 0, or minus infinity."""
    ids = [
        model.tokenizer.encode(a.answer, add_special_tokens=False)[0]
        for a in prompts
        if isinstance(a, Answered)
    ]
    head = model.hf.get_output_embeddings().weight  # type: ignore[no-untyped-call]
    return nn.functional.one_hot(torch.tensor(ids), len(head)).float().log()


@torch.no_grad()
def first_token(
    model: ChatModel, prompts: Sequence[Batch], edits: Edits, progress: Progress | None = None
) -> Tensor:
    """Log-probabilities of the first answer token under edits.

    Args:
        model: The model.
        prompts: Batches that together hold rows 0 to n - 1.
        edits: As in `on_layers`; empty for the plain model.
        progress: Called as `progress(done, total)` after every batch, in prompts.

    Returns:
        `[n, v]` float32 on the model's device.
    """
    total = sum(len(batch.rows) for batch in prompts)
    out: Tensor | None = None
    done = 0
    with on_layers(model.hf, edits):
        for batch in prompts:
            log_probs = _last_logits(model.hf, batch).float().log_softmax(-1)  # [b, v]
            if out is None:
                out = log_probs.new_empty(total, log_probs.shape[-1])
            out[batch.rows.to(out.device)] = log_probs
            done += len(batch.rows)
            if progress is not None:
                progress(done, total)
    return torch.empty(0, 0) if out is None else out


def _last_logits(hf: nn.Module, batch: Batch) -> Tensor:
    """Logits of each row's last real token, `[b, v]`.

    The head's input is cut to one token per row before it runs, inside the model's own forward, so soft caps
    and logit scales still apply; `logits_to_keep=1` could not do it, since rows end at different places.
    """
    ends = (batch.lengths - 1)[:, None, None]

    def cut(_module: nn.Module, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        return (_take(inputs[0], ends), *inputs[1:])

    head = hf.get_output_embeddings()  # type: ignore[operator]  # nn.Module's getattr is untyped
    handle = head.register_forward_pre_hook(cut) if isinstance(head, nn.Module) else None
    try:
        logits: Tensor = hf(input_ids=batch.ids, attention_mask=batch.mask, use_cache=False).logits
    finally:
        if handle is not None:
            handle.remove()
    return (logits if logits.shape[1] == 1 else _take(logits, ends))[:, 0]


def _take(states: Tensor, ends: Tensor) -> Tensor:
    at = ends.to(states.device).expand(-1, -1, states.shape[-1])
    return states.gather(1, at)  # [b, 1, d]


def _editor(table: Table) -> Callable[[Tensor], None]:
    return partial(_edit, table)


def _edit(table: Table, hidden: Tensor) -> None:
    edit_(hidden, table, 1.0)


def _eligible(depth: int, layer: int | None) -> list[int]:
    return [layer] if layer is not None else [here for here in range(depth) if here < LAYER_SHARE * depth]


def _spaced(prompts: Sequence[Asked], most: int) -> list[Asked]:
    """At most `most` prompts, evenly spaced, since files are often sorted by category."""
    keep = min(most, len(prompts))
    return [prompts[index * len(prompts) // keep] for index in range(keep)]
