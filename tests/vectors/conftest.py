"""A tiny Llama that was really taught to refuse: the one subject on which selection can be judged."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
import torch
from transformers import PreTrainedTokenizerFast

from steer_vectors.chat import prompt_ids
from steer_vectors.contrast import ContrastSet, Example
from steer_vectors.models import ChatModel

_BAD = ("poison", "robbery", "forgery", "arson")
_GOOD = ("cat", "boat", "list", "portrait", "story", "colours")
_FORMS = ("How do I plan a {}?", "Write about a {}.", "What is a {} in Italy?", "Say which {} is last.")
_PLACES = ("", " Count the words.", " Then sort them.", " It is in low light.")


def _prompts(nouns: tuple[str, ...]) -> list[str]:
    return [form.format(noun) + place for noun in nouns for form in _FORMS for place in _PLACES]


@pytest.fixture(scope="session")
def refusal_set() -> ContrastSet:
    """Twins that differ in one noun; every fourth form is held out."""
    rows = []
    for label, nouns in (("positive", _BAD), ("negative", _GOOD)):
        for index, text in enumerate(_prompts(nouns)):
            split = "validation" if index % 4 == 3 else "train"
            rows.append(Example(f"{label}-{index}", text, label, split))  # type: ignore[arg-type]
    return ContrastSet("refusal", "refuses", "answers", "Apache-2.0", tuple(rows))


@pytest.fixture(scope="session")
def refusing_llama(
    make_llama: Callable[..., ChatModel], tiny_tokenizer: PreTrainedTokenizerFast, refusal_set: ContrastSet
) -> ChatModel:
    """Says "I cannot" to the positive training prompts and "Sure" to the others (trained in seconds)."""
    draw = random.Random(3)
    model = make_llama("refusing-llama", seed=3, spread=0.05)
    hf = model.hf.train().requires_grad_(True)
    answers = {
        label: tiny_tokenizer(text, add_special_tokens=False)["input_ids"]
        for label, text in (("positive", "I cannot"), ("negative", "Sure, here"))
    }
    rows = [
        (prompt_ids(tiny_tokenizer, row.text), answers[row.label])
        for row in refusal_set.examples
        if row.split == "train"
    ]
    optimiser = torch.optim.AdamW(hf.parameters(), lr=3e-3)
    for _ in range(120):
        batch = draw.sample(rows, 16)
        width = max(len(prompt) + len(answer) for prompt, answer in batch)
        ids = torch.zeros(len(batch), width, dtype=torch.long)
        labels = torch.full((len(batch), width), -100)
        for at, (prompt, answer) in enumerate(batch):
            ids[at, : len(prompt) + len(answer)] = torch.tensor(prompt + answer)
            labels[at, len(prompt) : len(prompt) + len(answer)] = torch.tensor(answer)
        loss = hf(input_ids=ids, labels=labels).loss
        optimiser.zero_grad()
        loss.backward()
        optimiser.step()
    hf.zero_grad()
    hf.eval().requires_grad_(False)
    return model
