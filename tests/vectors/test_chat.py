"""Rendering prompts: one BOS, the generation prompt at the end, and what follows every instruction."""

from __future__ import annotations

import copy

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import PreTrainedTokenizerFast

from steer_vectors.chat import post_instruction, prompt_ids
from steer_vectors.errors import ModelError


def test_a_string_is_one_user_turn(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    turns = [{"role": "user", "content": "Count the words."}]
    assert prompt_ids(tiny_tokenizer, "Count the words.") == prompt_ids(tiny_tokenizer, turns)  # type: ignore[arg-type]


def test_ids_are_the_rendered_text_with_one_bos(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    ids = prompt_ids(tiny_tokenizer, "Count.")
    assert all(type(token) is int for token in ids)
    assert tiny_tokenizer.decode(ids) == "<|bos|><|user|>\nCount.<|end|>\n<|assistant|>\n"
    assert ids.count(tiny_tokenizer.bos_token_id) == 1


def test_no_template_is_one_line_that_helps(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    bare = copy.deepcopy(tiny_tokenizer)
    bare.chat_template = None
    with pytest.raises(
        ModelError, match="without a chat template; expected a chat model; do this:"
    ) as caught:
        prompt_ids(bare, "Hello")
    assert "\n" not in str(caught.value)


def test_messages_the_template_refuses(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    strict = copy.deepcopy(tiny_tokenizer)
    strict.chat_template = "{{ raise_exception('user first') }}"
    with pytest.raises(ModelError, match="user first"):
        prompt_ids(strict, "Hello")


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(text=st.text(st.characters(codec="utf-8", exclude_characters="<|>"), min_size=1, max_size=30))
def test_every_prompt_ends_in_the_post_instruction_tokens(
    tiny_tokenizer: PreTrainedTokenizerFast, text: str
) -> None:
    count = post_instruction(tiny_tokenizer)
    shared = prompt_ids(tiny_tokenizer, "Name a fruit")[-count:]
    assert tiny_tokenizer.decode(shared) == "<|end|>\n<|assistant|>\n"
    assert prompt_ids(tiny_tokenizer, text)[-count:] == shared


def test_post_instruction_is_at_least_one(tiny_tokenizer: PreTrainedTokenizerFast) -> None:
    bare = copy.deepcopy(tiny_tokenizer)
    bare.chat_template = "{{ messages[0]['content'] }}"
    assert post_instruction(bare) == 1
