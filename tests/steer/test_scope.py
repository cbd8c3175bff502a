"""Which tokens are edited: spans in words, and positions under padding, chunks, caches and beams."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import GenerationConfig, StaticCache

from steer.apply import steered
from steer.errors import PlanError
from steer.plan import Edit, Plan, Probe
from steer.scope import Places, span
from steer_vectors.hooks import on_layers

ROWS = [[5, 6, 7, 8, 9, 10], [11, 12, 13], [14, 15, 16, 17]]
SCOPES = ["all", "prompt", "generation", "last", "0:2", "1:", "-2:", "-3:-1", ":-2", "2:5"]


def _held(scope, end, length):
    """What a scope means for one row of `end` prompt tokens, written as a list slice."""
    places = list(range(length))
    match scope:
        case "all":
            return places
        case "prompt":
            return places[:end]
        case "generation":
            return places[end:]
        case "last":
            return places[end - 1 : end]
    start, stop = (int(side) if side else None for side in scope.split(":"))
    low = 0 if start is None else start if start >= 0 else max(0, end + start)
    high = length if stop is None else stop if stop >= 0 else max(0, end + stop)
    return places[low:high]


windows = st.tuples(*2 * [st.none() | st.integers(-6, 6)]).map(
    lambda w: ":".join("" if side is None else str(side) for side in w)
)


@given(st.sampled_from(SCOPES) | windows, st.integers(1, 8), st.integers(0, 5))
def test_a_scope_is_a_slice(scope, end, more):
    length = end + more
    try:
        found = span(scope)
    except PlanError:
        assert not _held(scope, end, length)
        return
    if found is None:
        return
    places = Places(
        torch.arange(length)[None], torch.tensor([[end]]), torch.ones(1, length, dtype=torch.bool)
    )
    assert found.holds(places)[0].nonzero()[:, 0].tolist() == _held(scope, end, length)


@pytest.mark.parametrize(
    "scope", ["", "sometimes", "1:2:3", "a:b", "3:3", "-1:-2", "1.5:", "-0:", ":-0", 3, None]
)
def test_scopes_are_checked(tiny_llama, make_vector, scope):
    with pytest.raises(PlanError, match="got scope .*; expected .*; do this"):
        Plan.add(make_vector(tiny_llama), scope=scope)


def _padded(rows, side):
    width = max(map(len, rows))
    pads = [[0] * (width - len(row)) for row in rows]
    ids = [pad + row if side == "left" else row + pad for row, pad in zip(rows, pads, strict=True)]
    ones = [[1] * len(row) for row in rows]
    mask = [pad + one if side == "left" else one + pad for one, pad in zip(ones, pads, strict=True)]
    return torch.tensor(ids), torch.tensor(mask)


class _Seen:
    """Rows of activations before and after the edits of a site."""

    def __init__(self, model, plan, strength=1.0):
        self.model, self.plan, self.strength = model, plan, strength

    def __enter__(self):
        self.before, self.after = [], []
        self._layers = [
            on_layers(self.model.hf, {1: lambda h: self.before.append(h.clone())}),
            steered(self.model, self.plan, self.strength),
            on_layers(self.model.hf, {1: lambda h: self.after.append(h.clone())}),
        ]
        self.steering = [layer.__enter__() for layer in self._layers][1]
        return self

    def __exit__(self, *error):
        for layer in reversed(self._layers):
            layer.__exit__(*error)

    def moved(self):
        """`[n, all tokens]` bool."""
        pairs = zip(self.before, self.after, strict=True)
        return torch.cat([(now != was).any(-1) for was, now in pairs], 1)


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("scope", SCOPES)
def test_padding_does_not_shift_a_scope(tiny_llama, make_vector, scope, side):
    ids, mask = _padded(ROWS, side)
    with _Seen(tiny_llama, Plan.add(make_vector(tiny_llama), scope=scope)) as seen:
        out = tiny_llama.hf(input_ids=ids, attention_mask=mask, use_cache=True)
        more = torch.cat([mask, torch.ones(3, 2, dtype=torch.int64)], 1)
        tiny_llama.hf(input_ids=ids[:, :2], attention_mask=more, past_key_values=out.past_key_values)
    moved, expected = seen.moved(), 0
    for row, (own, tokens) in enumerate(zip(more, ROWS, strict=True)):
        real = moved[row][own == 1].nonzero()[:, 0].tolist()
        held = _held(scope, len(tokens), len(tokens) + 2)
        assert real == held
        expected += len(held)
    assert seen.steering.edited == expected, "padding is never counted"


@pytest.mark.parametrize("cache", ["dynamic", "static"])
@pytest.mark.parametrize("chunk", [None, 1, 2, 4])
@pytest.mark.parametrize("scope", ["prompt", "generation", "last", "1:4", "-2:"])
def test_a_prompt_in_chunks_is_still_the_prompt(tiny_llama, make_vector, scope, chunk, cache):
    ids, mask = _padded(ROWS, "left")
    with _Seen(tiny_llama, Plan.add(make_vector(tiny_llama), scope=scope)) as seen:
        tiny_llama.hf.generate(
            ids, attention_mask=mask, max_new_tokens=4, min_new_tokens=4, do_sample=False, pad_token_id=0,
            prefill_chunk_size=chunk, cache_implementation=cache,
        )  # fmt: skip
    assert chunk is None or len(seen.before) == 3 + -(-ids.shape[1] // chunk)
    whole = torch.cat([mask, torch.ones(3, 3, dtype=torch.int64)], 1)  # the fourth new token is never read
    for row, own in enumerate(whole):
        real = seen.moved()[row][own == 1].nonzero()[:, 0].tolist()
        assert real == _held(scope, len(ROWS[row]), len(ROWS[row]) + 3)


def test_a_generation_without_a_cache_knows_its_prompt(tiny_llama, make_vector):
    with _Seen(tiny_llama, Plan.add(make_vector(tiny_llama), scope="generation")) as seen:
        tiny_llama.hf.generate(torch.tensor(ROWS[:1]), max_new_tokens=3, min_new_tokens=3, do_sample=False,
                               use_cache=False, pad_token_id=0)  # fmt: skip
    lengths = [(now != was).any(-1).sum().item() for was, now in zip(seen.before, seen.after, strict=True)]
    assert lengths == [0, 1, 2]


def test_a_second_turn_is_prompt_again(tiny_llama, make_vector):
    hf, first = tiny_llama.hf, torch.tensor(ROWS[:1])
    options = {"max_new_tokens": 2, "min_new_tokens": 2, "do_sample": False, "pad_token_id": 0}
    with _Seen(tiny_llama, Plan.add(make_vector(tiny_llama), scope="prompt")) as seen:
        out = hf.generate(first, return_dict_in_generate=True, **options)
        turn = torch.cat([out.sequences, torch.tensor([[20, 21]])], 1)
        hf.generate(turn, past_key_values=out.past_key_values, **options)
    lengths = [(now != was).any(-1).sum().item() for was, now in zip(seen.before, seen.after, strict=True)]
    assert lengths == [6, 0, 3, 0], "the last answer token and the new turn"


def test_scopes_and_dials_at_one_site_are_done_in_order(tiny_llama, make_vector):
    """Setting a projection and then adding is not adding and then setting."""
    vector = make_vector(tiny_llama, gap=3.0)
    unit, ids = vector.directions[1], torch.tensor(ROWS[:1])
    steps = (Edit("affine", vector, dial="hold", to=2.0), Edit("add", vector, dial="push", scope="last"))
    for plan, last in ((Plan(steps), 9.0), (Plan(steps[::-1]), 6.0)):
        with _Seen(tiny_llama, plan, {"hold": 1.0, "push": 1.0}) as seen:
            tiny_llama.hf(input_ids=ids)
        found = seen.after[0][0] @ unit
        torch.testing.assert_close(found, torch.tensor([6.0] * 5 + [last]), atol=1e-4, rtol=0)


def _logits(model, ids, **options):
    settings = {"do_sample": False, "max_new_tokens": 4, "min_new_tokens": 4, "eos_token_id": 1}
    out = model.hf.generate(ids, output_logits=True, return_dict_in_generate=True, **(settings | options))
    return torch.stack(out.logits, 1)


@pytest.mark.parametrize("scope", ["all", "prompt", "0:2"])
@pytest.mark.parametrize("configured", [False, True])
def test_padding_that_generate_finds_by_itself_is_padding_here(tiny_llama, make_vector, scope, configured):
    """Without a mask transformers takes the padding token for padding, unless it ends texts too."""
    (ids, mask), plan = _padded(ROWS, "left"), Plan.add(make_vector(tiny_llama), scope=scope)
    pad = {"generation_config": GenerationConfig(pad_token_id=0)} if configured else {"pad_token_id": 0}
    with steered(tiny_llama, plan) as steering:
        expected = _logits(tiny_llama, ids, attention_mask=mask, **pad)
        edited = steering.edited
        torch.testing.assert_close(_logits(tiny_llama, ids, **pad), expected)
        assert steering.edited == 2 * edited
        _logits(tiny_llama, ids, pad_token_id=0, eos_token_id=[1, 0])
        with_pads = edited + int((ids == 0).sum()) * (scope != "0:2")
        assert steering.edited == 2 * edited + with_pads


def test_a_static_cache_by_hand_is_asked_whether_it_is_empty(tiny_llama, make_vector):
    """Its mask is as long as the cache from the start; and a prompt may come in pieces, or a second one after a reset."""
    hf, ids = tiny_llama.hf, torch.tensor([[5, 6, 7, 8, 9, 10]])
    plan = Plan.add(make_vector(tiny_llama), scope="last")
    cache = StaticCache(config=hf.config, max_cache_len=12)

    def read(tokens, at):
        mask = (torch.arange(12) < at + tokens.shape[1])[None].long()
        where = torch.arange(at, at + tokens.shape[1])[None]
        return hf(input_ids=tokens, attention_mask=mask, position_ids=where, past_key_values=cache).logits

    with torch.no_grad(), steered(tiny_llama, plan) as steering:
        for prompt in (ids, ids[:, 2:]):
            alone = hf(input_ids=prompt).logits
            cache.reset()
            before = steering.edited
            torch.testing.assert_close(read(prompt, 0), alone, rtol=1e-4, atol=1e-4)
            read(torch.tensor([[4, 3]]), prompt.shape[1])
            assert steering.edited == before + 1, "what comes after the prompt is generation"


def test_blocks_may_end_in_any_order(tiny_llama, make_vector):
    vector, hf = make_vector(tiny_llama), tiny_llama.hf
    ids, plan = torch.tensor([[5, 6, 7, 8, 9, 10]]), Plan.add(vector, scope="last")
    with steered(tiny_llama, plan):
        expected = _logits(tiny_llama, ids, prefill_chunk_size=4, pad_token_id=0)
    first, second = steered(tiny_llama, vector, 0.0), steered(tiny_llama, plan)
    first.__enter__()
    second.__enter__()
    first.__exit__(None, None, None)
    torch.testing.assert_close(_logits(tiny_llama, ids, prefill_chunk_size=4, pad_token_id=0), expected)
    second.__exit__(None, None, None)
    assert "generate" not in vars(hf)


def test_beams_in_a_configuration_given_by_place_are_seen(tiny_llama, make_vector):
    vector = make_vector(tiny_llama)
    plan = Plan(
        (Edit("add", vector, scope="generation", when="risk"),), (Probe("risk", vector, each_token=True),)
    )
    config = GenerationConfig(num_beams=2, max_new_tokens=2, pad_token_id=0)
    with steered(tiny_llama, plan), pytest.raises(PlanError, match="beams"):
        tiny_llama.hf.generate(torch.tensor([[5, 6, 7]]), config)
