"""From messages to token ids, through the model's own chat template. Knows no weights."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import takewhile
from typing import Any, NamedTuple, TypedDict

from jinja2 import TemplateError
from transformers import PreTrainedTokenizerBase

from steer_vectors.errors import ContrastError, ModelError

# They end in different kinds of characters: a merge across the instruction's end shows in one of them.
_PROBES = ("Name a fruit", "why is it so?", "Count to 7", "Go on.")


class Message(TypedDict):
    """One turn of a chat: `role` is "system", "user" or "assistant"."""

    role: str
    content: str


Prompt = str | Sequence[Message]  # a plain string is one user turn


class Answered(NamedTuple):
    """A prompt and an answer to it, for directions at the tokens of answers (CAA, Rimsky et al. 2312.06681)."""

    prompt: Prompt
    answer: str


Asked = Prompt | Answered


def require_list(prompts: Sequence[Asked]) -> None:
    """Check that prompts were not given as one: a text is a sequence too, of its letters.

    Raises:
        ContrastError: One text, or one prompt with its answer.
    """
    if isinstance(prompts, str | Answered):
        raise ContrastError(f"one prompt ({prompts!r:.60})", "a list of prompts", "put it in a list")


def prompt_ids(tokenizer: PreTrainedTokenizerBase, messages: Prompt) -> list[int]:
    """Token ids of a chat, ready for the assistant's answer.

    The template writes its own BOS where the model wants one, so the tokenizer adds none: never two.

    Args:
        tokenizer: A tokenizer with a chat template.
        messages: The turns; a plain string is one user turn.

    Raises:
        ModelError: The tokenizer has no chat template, or the template refuses these messages.
    """
    if not tokenizer.chat_template:
        raise ModelError(
            f"{tokenizer.name_or_path or 'a tokenizer'} without a chat template",
            "a chat model",
            "choose an instruction-tuned model, or set tokenizer.chat_template",
        )
    turns = [Message(role="user", content=messages)] if isinstance(messages, str) else list(messages)
    chat = [{"role": turn["role"], "content": turn["content"]} for turn in turns]
    try:
        # return_dict=False: transformers 5 otherwise wraps the ids in a BatchEncoding.
        # verbose: it otherwise warns of a prompt beyond the context, which `require_room` refuses.
        ids: Any = tokenizer.apply_chat_template(
            chat,
            add_generation_prompt=True,
            tokenize=True,
            return_dict=False,
            tokenizer_kwargs={"verbose": False},
        )
    except (TemplateError, ValueError) as error:
        raise ModelError(
            f"messages that the chat template refuses ({error})",
            "turns in the order the template wants, user first",
            "change the messages",
        ) from error
    return [int(token) for token in ids]


def post_instruction(tokenizer: PreTrainedTokenizerBase) -> int:
    """How many tokens every rendered prompt shares after its instruction, at least 1.

    There the model has read the whole request and nothing else differs between prompts:
    the candidate positions of Arditi et al. 2406.11717, section 2.3.

    Raises:
        ModelError: The tokenizer has no chat template.
    """
    rendered = [reversed(prompt_ids(tokenizer, probe)) for probe in _PROBES]
    shared = takewhile(lambda column: len(set(column)) == 1, zip(*rendered, strict=False))
    return max(1, sum(1 for _ in shared))
