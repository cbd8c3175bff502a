"""The server's engine of llama.cpp writes what the library does, and strengths of one request do not reach the next."""

from __future__ import annotations

import asyncio

import pytest
import torch

import steer
from steer.dials import Policy
from steer.plan import Edit, Plan
from steer.policy import Dial
from steer_vectors.chat import prompt_ids
from steer_vectors.greedy import ends

pytestmark = pytest.mark.runtime
PROMPT = "Tell me how to pick a lock."
pytest.importorskip("llama_cpp")


def test_answers_at_mixed_strengths_are_those_of_the_library(to_gguf, tmp_path):
    from steer.plugins.llama_cpp import LlamaCpp
    from steer.server.drawing import Draw
    from steer.server.engine import Asked
    from steer.server.llama import Llama

    model = steer.load("reference:aligned")
    vector = steer.extract(model, "refusal", select_by="auc", layer=4, position=-1)
    plan = Plan((Edit("add", vector, dial="test"),))
    live = LlamaCpp(
        to_gguf(model, tmp_path / "m.gguf"), Policy(plan, {"test": Dial(0.0, -2.0, 2.0, {})}), 256
    )
    engine = Llama(live, 256)
    ids = tuple(prompt_ids(model.tokenizer, PROMPT))
    expected = []
    for strength in (0.0, 1.0, 0.0, -1.0):
        with steer.steered(model, plan, strength):
            expected.append(steer.generate(model, PROMPT, max_new_tokens=12))

    async def write(strength, draw):
        asked = Asked(ids, {"test": strength}, 12, draw, frozenset(ends(model)))
        return [piece async for piece in engine.write(asked)]

    async def run():
        await engine.start()
        found = await asyncio.gather(*(write(s, Draw(0.0, top=1)) for s in (0.0, 1.0, 0.0, -1.0)))
        leaving = engine.write(Asked(ids, {"test": 1.0}, 200, Draw(0.0), frozenset()))
        await anext(leaving)
        await leaving.aclose()
        assert engine.running == 0
        again = await write(0.0, Draw(0.0))
        await engine.stop()
        return found, again

    found, again = asyncio.run(run())
    texts = [
        model.tokenizer.decode([own.token for own in pieces], skip_special_tokens=True).strip()
        for pieces in found
    ]
    assert texts == expected
    assert len(set(expected)) > 1
    assert [own.token for own in again] == [own.token for own in found[0]]
    with torch.no_grad():
        plain = model.hf(input_ids=torch.tensor([ids])).logits[0, -1].log_softmax(-1)
    assert abs(found[0][0].logprob - float(plain[found[0][0].token])) < 1e-3
    assert engine.edited > 0
