"""A policy on a TransformerLens bridge: edits stand at the bridge's own hook points, so its caches and hooks see them.

What the bridge offers is then steered: `bridge(...)`, `run_with_cache`, `run_with_hooks`, `generate`, `hf_generate`. Hooks
that are added inside the block see activations after the edits.
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from steer.apply import Steering, Strength, as_plan
from steer.dials import Policy
from steer.equivalence import Said
from steer.errors import PlanError
from steer.hosts import answers, by_dial
from steer.plan import Plan
from steer.recipe import Recipe, compile_plan
from steer_vectors.backends.transformer_lens import HOOKS
from steer_vectors.backends.transformer_lens import TransformerLens as Reader
from steer_vectors.file import Vector
from steer_vectors.greedy import ends, left_padded
from steer_vectors.models import ChatModel, decoder

if TYPE_CHECKING:
    from transformer_lens.model_bridge import TransformerBridge


@contextmanager
def steered(
    bridge: TransformerBridge,
    plan: Plan | Vector | Recipe,
    strength: Strength | Callable[[int], Strength] = 1.0,
    *,
    model: ChatModel | None = None,
) -> Iterator[Steering]:
    """Steer a bridge inside the block; afterwards it is what it was.

    Args:
        bridge: With a tokenizer and unprocessed weights. With RMSNorm, compatibility mode may be on if `model` is given.
        plan: As in `steer.steered`.
        strength: As there: one number, one per row of the batch, a mapping from dials, or a function of the step.
        model: The model that the bridge was made of; default: the bridge's own weights.

    Yields:
        The steering, whose strength can be set anew at any time.

    Raises:
        MismatchError: A vector of another model.
        ModelError: A bridge of another model, or one whose stream has lost its mean.
        PlanError: As in `steer.steered`; a site where the bridge has no hook point; inside the block, a way of running the
            bridge in which prompt and answer, or text and padding, cannot be told apart.
    """
    reader = Reader.of(bridge) if model is None else Reader(model, bridge)
    recipe = plan if isinstance(plan, Recipe) else compile_plan(as_plan(plan), reader.model)
    counts = _counts(recipe) or callable(strength)
    with _at_work(bridge, Steering(reader.model, recipe, strength)) as steering, ExitStack() as stack:
        for name in ("generate", "generate_stream") if counts else ():
            stack.enter_context(_only_cached(bridge, name))
        yield steering


class TransformerLens:
    """A bridge around the model's weights, as one of the runtimes that are compared. Its attention is eager.

    Args:
        model: Left as it is.
        policy: Whose plan is applied.

    Raises:
        MismatchError: A vector of another model.
        ModelError: An architecture that TransformerLens does not know.
        PlanError: As in `compile_plan`.
    """

    name = "transformer_lens"

    def __init__(self, model: ChatModel, policy: Policy) -> None:
        self.model = model
        self._recipe = compile_plan(policy.plan, model)
        self._bridge = Reader(model).bridge

    def say(
        self, prompts: Sequence[Sequence[int]], strengths: Sequence[Mapping[str, float]], most: int
    ) -> list[Said]:
        """As in `Runtime`; all in one batch."""
        self.model.require_room(max(map(len, prompts)) + most)
        batch, stops = left_padded(self.model, prompts), ends(self.model)
        with _at_work(self._bridge, Steering(self.model, self._recipe, by_dial(strengths))):
            found = self._bridge.generate(
                batch.ids, max_new_tokens=most, do_sample=False, attention_mask=batch.mask, eos_token_id=stops or None,
                stop_at_eos=bool(stops), output_logits=True, verbose=False,
            )  # fmt: skip
        first = found.logits[0].float().log_softmax(-1).cpu()
        tokens = answers(found.sequences[:, batch.ids.shape[1] :], stops)
        return [Said(*own) for own in zip(first, tokens, strict=True)]


@contextmanager
def _at_work(bridge: Any, steering: Steering) -> Iterator[Steering]:
    acts = [
        *((site, _reading(read)) for site, read in steering.probes().items()),  # before the edits
        *((site, _editing(steering.edit(steps))) for site, steps in steering.recipe.steps.items()),
    ]
    names = {site: f"blocks.{site.layer}.{HOOKS[site.point]}" for site, _ in acts}
    _require_passed(bridge, list(names.values()))
    owner = decoder(bridge.original_model)
    steering.source = _not_padded_unseen(steering, bridge)
    with ExitStack() as stack:
        stack.callback(steering.stop)
        handle = owner.register_forward_pre_hook(steering.watch(owner), with_kwargs=True)
        stack.callback(handle.remove)
        for site, act in acts:
            stack.callback(_hooked(bridge.get_hook_point(names[site]), act))
        stack.enter_context(steering.timeline.following(bridge.original_model))
        yield steering


def _editing(edit: Callable[[Tensor], None]) -> Callable[..., Tensor]:
    def act(hidden: Tensor, *, hook: object) -> Tensor:
        moved = hidden.clone()  # an earlier hook point may have it in a cache
        edit(moved)
        return moved

    return act


def _reading(read: Callable[[Tensor], None]) -> Callable[..., None]:
    def act(hidden: Tensor, *, hook: object) -> None:
        read(hidden)

    return act


def _hooked(point: Any, act: Callable[..., Any]) -> Callable[[], None]:
    """Add a hook that `reset_hooks()` leaves alone; returns what takes it away."""
    handle = point.add_hook(act, is_permanent=True)

    def remove() -> None:
        handle.hook.remove()
        point.fwd_hooks[:] = [own for own in point.fwd_hooks if own is not handle]

    return remove


@torch.no_grad()
def _require_passed(bridge: Any, names: Sequence[str]) -> None:
    """Run a few tokens: an architecture may have a hook point that nothing goes through."""
    points, passed = {name: bridge.get_hook_point(name) for name in names}, set[str]()
    with ExitStack() as stack:
        for name, point in points.items():
            if point is not None:
                stack.callback(_hooked(point, functools.partial(_mark, passed, name)))
        ids = torch.arange(1, 5, device=next(bridge.parameters()).device)[None]
        bridge.original_model.base_model(input_ids=ids, use_cache=False)
    missing = [name for name in names if name not in passed]
    if missing:
        raise PlanError(
            f"a bridge in which nothing passes {missing[0]}",
            "a hook point at every site of the plan",
            "steer at resid_post, or steer the transformers model",
        )


def _mark(passed: set[str], name: str, hidden: Tensor, *, hook: object) -> None:
    passed.add(name)


def _counts(recipe: Recipe) -> bool:
    """Whether it matters to a plan which tokens are the prompt's."""
    from_end = (dose.span for dose in recipe.doses if dose.span is not None)
    return bool(recipe.gauges) or any(span.start_from_end or span.stop_from_end for span in from_end)


def _not_padded_unseen(steering: Steering, bridge: Any) -> Callable[[Mapping[str, Any]], Any]:
    """Texts that the bridge pads on the right come without a mask: nobody could say where they end."""
    inner, pad = steering.source, getattr(bridge.tokenizer, "pad_token_id", None)

    def source(given: Mapping[str, Any]) -> Any:
        ids = given.get("input_ids")
        if ids is not None and given.get("attention_mask") is None and ids.shape[1] > 1 and pad is not None:
            padded = ids[:, -1] == pad
            if bool(padded.any()) and not bool(padded.all()):
                raise PlanError(
                    "a batch padded on the right without a mask, under a plan that counts from the prompt's end",
                    "padding on the left, or an attention_mask",
                    'pass padding_side="left"',
                )
        return inner(given)

    return source if _counts(steering.recipe) else inner


@contextmanager
def _only_cached(bridge: Any, name: str) -> Iterator[None]:
    """Without a cache, and when a cache of activations is read off the whole answer, answers pass for prompts."""
    inner, before = getattr(bridge, name), vars(bridge).get(name)

    @functools.wraps(inner)
    def run(*args: Any, **named: Any) -> Any:
        given = inspect.signature(inner).bind(*args, **named).arguments
        cached = given.get("use_past_kv_cache", True) and getattr(bridge.adapter, "supports_kv_cache", True)
        if not cached or given.get("return_cache"):
            raise PlanError(
                f"{name} {'with return_cache=True' if cached else 'without a cache'}, under a plan that tells prompt from answer",
                "answers that are read token by token",
                "leave that setting out, or use edits of scope all",
            )
        return inner(*args, **named)

    setattr(bridge, name, run)
    try:
        yield
    finally:
        vars(bridge).pop(name, None)
        if before is not None:
            setattr(bridge, name, before)
