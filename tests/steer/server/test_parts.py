"""The parts of the server that need no server: texts, stop texts, draws, places at the door, keys, policies by name."""

from __future__ import annotations

import asyncio
import math
import time
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

import steer
from steer.errors import PlanError
from steer.plan import Edit, Plan, Probe
from steer.server.completions import brief
from steer.server.drawing import Draw, NotFinite, pieces
from steer.server.engine import EngineError
from steer.server.house import House, Settings
from steer.server.keys import ForbiddenError, check_bounds, known, read_keys
from steer.server.limits import BusyError, Door
from steer.server.policies import load_checked, load_named
from steer.server.protocol import ChatAsking, TextAsking, UnknownModelError, one_of, split
from steer.server.reading import Reader
from steer.server.run import checked
from steer.server.writing import Cutter, Decoder

KEY, OTHER = "k" * 16, "o" * 20


@given(st.text(), st.lists(st.text(min_size=1, max_size=4), max_size=3), st.randoms())
def test_a_text_in_pieces_is_cut_where_the_whole_is(text, stops, random):
    cutter, told, at = Cutter(stops), "", 0
    while at < len(text) and not cutter.found:
        step = random.randint(1, 4)
        told += cutter.add(text[at : at + step])
        at += step
        assert text.startswith(told)
    told += cutter.rest() if not cutter.found else ""
    # Where one stop text holds another, what was told before its end is gone.
    cuts = [own for own in (text.find(stop) for stop in stops) if own >= 0]
    assert cutter.found == bool(cuts)
    if not cuts:
        assert told == text
    elif len(stops) == 1:
        assert told == text[: cuts[0]]


@given(st.text(alphabet=st.characters(codec="utf-8"), max_size=40))
def test_text_token_by_token_is_the_text_of_all(tiny_tokenizer, text):
    ids = tiny_tokenizer(text, add_special_tokens=False)["input_ids"]
    decoder = Decoder(tiny_tokenizer)
    parts = [decoder.add(token) for token in ids]
    assert "".join(parts) + decoder.rest() == tiny_tokenizer.decode(ids, skip_special_tokens=True)
    assert not any("\ufffd" in part for part in parts) or "\ufffd" in text


def test_draws_follow_the_probabilities():
    logits = torch.tensor([2.0, 1.0, 0.0, -4.0])
    draw = Draw(temperature=0.7, seed=0)
    counts = torch.bincount(torch.tensor([draw.token(logits) for _ in range(20_000)]), minlength=4) / 20_000
    torch.testing.assert_close(counts, (logits / 0.7).softmax(-1), atol=0.015, rtol=0)


def test_a_nucleus_leaves_out_the_tail_and_keeps_proportions():
    logits = torch.tensor([0.5, 0.3, 0.15, 0.05]).log()
    draw = Draw(top_p=0.75, seed=0)
    counts = torch.bincount(torch.tensor([draw.token(logits) for _ in range(20_000)]), minlength=4) / 20_000
    torch.testing.assert_close(counts, torch.tensor([0.625, 0.375, 0.0, 0.0]), atol=0.015, rtol=0)


def test_logprobs_are_those_of_the_model_at_temperature_one():
    logits = torch.tensor([[1.0, 3.0, 2.0], [0.0, 0.0, 5.0]])
    found = pieces([Draw(0.0, top=2), Draw(2.0, seed=1)], logits)
    assert found[0].token == 1
    assert [token for token, _ in found[0].top] == [1, 2]
    assert math.isclose(found[0].logprob, float(logits[0].log_softmax(-1)[1]), rel_tol=1e-6)
    assert found[1].logprob is None


def test_numbers_that_are_none_end_their_own_row_only():
    logits = torch.tensor([[math.nan, 1.0], [0.0, 1.0], [math.inf, 0.0]])
    assert [type(own) for own in pieces([Draw(0.0)] * 3, logits)] == [
        NotFinite,
        pieces([Draw(0.0)], logits[1:2])[0].__class__,
        NotFinite,
    ]


def test_the_door_lets_in_by_turns_and_refuses_a_full_queue():
    async def run():
        door, order = Door(2, 3), []

        async def visit(name, count):
            async with door.enter(count):
                order.append(name)
                await asyncio.sleep(0.01)

        first = [asyncio.create_task(visit(name, count)) for name, count in (("a", 2), ("b", 2), ("c", 1))]
        await asyncio.sleep(0)
        assert (door.inside, door.waiting) == (2, 3)
        with pytest.raises(BusyError):
            await visit("d", 1)
        await asyncio.gather(*first)
        assert order == ["a", "b", "c"]
        assert (door.inside, door.waiting) == (0, 0)

    asyncio.run(run())


def test_whoever_goes_away_while_waiting_leaves_no_place_taken():
    async def run():
        door = Door(1, 9)

        async def visit():
            async with door.enter(1):
                await asyncio.sleep(0.01)

        tasks = [asyncio.create_task(visit()) for _ in range(5)]
        await asyncio.sleep(0)
        for own in tasks[1:4]:
            own.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        assert (door.inside, door.waiting) == (0, 0)
        await visit()

    asyncio.run(run())


def test_a_shut_door_holds_everybody_until_it_opens():
    async def run():
        door = Door(2, 9)

        async def visit():
            async with door.enter(1):
                return True

        async with door.shut():
            task = asyncio.create_task(visit())
            await asyncio.sleep(0.01)
            assert (door.inside, door.waiting) == (0, 1)
        assert await task

    asyncio.run(run())


def test_keys_come_from_files_and_the_environment(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"# of the team\n{KEY} refusal=-0.2:0.5\n\n")
    keys = read_keys(file, None, {"STEER_KEYS": OTHER, "STEER_ADMIN_KEY": "a" * 16})
    assert [key.admin for key in keys] == [False, False, True]
    assert known(keys, f"Bearer {KEY}") is keys[0]
    assert known(keys, f"bearer {OTHER}") is keys[1]
    for wrong in (None, "", KEY, f"Basic {KEY}", f"Bearer {KEY}x", "Bearer", "Bearer \xe9"):
        assert known(keys, wrong) is None
    check_bounds(keys[0], {"refusal": 0.5, "warmth": 9.0})
    with pytest.raises(ForbiddenError, match="-0.2 to 0.5"):
        check_bounds(keys[0], {"refusal": -0.3})
    assert KEY not in repr(keys)


@pytest.mark.parametrize(
    "text", ["short", "", f"{KEY} refusal=1:0", f"{KEY} refusal", f"{KEY} r=0:nan", f"{KEY}\n{KEY}"]
)
def test_keys_that_are_none_are_refused(tmp_path, text):
    file = tmp_path / "keys"
    file.write_text(text)
    with pytest.raises(PlanError) as told:
        read_keys(file, None, {})
    assert KEY not in str(told.value)


def test_another_address_needs_a_key():
    plain, keyed = Settings("m"), Settings("m", keys=read_keys(None, None, {"STEER_KEYS": KEY}))
    for host in ("0.0.0.0", "::", "192.168.0.2", "example.org"):
        with pytest.raises(PlanError, match="without a key"):
            checked(plain, host)
        with pytest.raises(PlanError, match="without a key"):
            checked(Settings("m", keys=read_keys(None, None, {"STEER_ADMIN_KEY": KEY})), host)
        assert checked(keyed, host).hosts == frozenset()
    for host in ("127.0.0.1", "localhost", "::1", "127.9.9.9"):
        assert "localhost" in checked(plain, host).hosts


def test_policies_are_named_and_never_pathed(made, tmp_path):
    folder = tmp_path / "policies"
    folder.mkdir()
    (folder / "away.toml").symlink_to(made.path)
    made.plan.save(folder / "bare.toml")
    bounds = {"refusal": (-0.5, 0.5)}
    assert load_named("bare", folder, bounds, below_plain=False).name == "bare"
    names = [
        "away",
        "../policies/bare",
        "/etc/passwd",
        "bare.toml",
        "",
        ".",
        "..",
        "bare/",
        "b\x00are",
        "x" * 300,
        "bare\n",
    ]
    for name in names:
        with pytest.raises(PlanError, match="folder of policies"):
            load_named(name, folder, bounds, below_plain=False)
    with pytest.raises(PlanError, match="without bounds"):
        load_named("bare", folder, {}, below_plain=False)
    with pytest.raises(PlanError, match="--policies"):
        load_named("bare", None, bounds, below_plain=False)


def test_the_operator_narrows_a_policy_and_never_widens_it(made):
    found = load_checked(made.path, {"refusal": (0.25, 0.8)}, below_plain=False).policy
    assert found.dials["refusal"].presets == {"strict": 0.75}
    assert found.defaults == {"refusal": 0.25}
    with pytest.raises(PlanError, match="0.25 to 0.8"):
        found.strengths("refusal=0.9")
    for wide in ({"refusal": (-2.0, 0.0)}, {"warmth": (0.0, 1.0)}):
        with pytest.raises(PlanError):
            load_checked(made.path, wide, below_plain=False)


def test_a_policy_below_the_floor_takes_a_word(made, tmp_path):
    from steer.policy import load_dials, save_policy

    path = tmp_path / "low.toml"
    save_policy(made.plan, path, load_dials(made.path), {"half": "reporting", "below_plain": True})
    with pytest.raises(PlanError, match="--below-plain"):
        load_checked(path, {}, below_plain=False)
    assert load_checked(path, {}, below_plain=True).measured["below_plain"] is True


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats() | st.integers() | st.text(),
        lambda own: st.lists(own) | st.dictionaries(st.text(), own),
        max_leaves=8,
    )
)
def test_a_body_of_anything_is_read_or_refused(value):
    for kind in (ChatAsking, TextAsking):
        for body in (
            value,
            {"model": "m", "messages": value, "prompt": value},
            {"model": "m", "messages": [{"role": "user", "content": "a"}], "steering": value},
        ):
            try:
                kind.model_validate(body)
            except ValidationError:
                continue


@given(st.text())
def test_a_models_name_is_known_or_refused(text):
    for name in (text, f"m@{text}"):
        try:
            behind = split(name, "m")
        except UnknownModelError:
            continue
        assert name == ("m" if behind is None else f"m@{behind}")


def test_strengths_in_two_places_are_refused():
    assert one_of(None, 0.5) == 0.5
    assert one_of("mild", None) == "mild"
    with pytest.raises(PlanError):
        one_of("mild", 0.5)
    both = {
        "model": "m",
        "messages": [{"role": "user", "content": "a"}],
        "steering": 1,
        "vllm_xargs": {"steer": 1},
    }
    with pytest.raises(ValidationError, match="give one of them"):
        ChatAsking.model_validate(both)


def test_a_reader_reads_one_prompt_at_a_time_even_if_nobody_waits_for_it_any_more():
    """Two at once would read each other's activations through their hooks."""
    reader, inside, most = Reader(steer.load("reference:aligned")), [0], [0]

    def work() -> int:
        inside[0] += 1
        most[0] = max(most[0], inside[0])
        time.sleep(0.02)
        inside[0] -= 1
        return 1

    async def all_of() -> list[Any]:
        tasks = [asyncio.ensure_future(reader._run(work)) for _ in range(8)]
        for task in tasks[:6]:
            await asyncio.sleep(0.005)
            task.cancel()
        return await asyncio.gather(*tasks, return_exceptions=True)

    told = asyncio.run(all_of())
    assert [own for own in told if own == 1] == [1] * (
        8 - sum(isinstance(own, asyncio.CancelledError) for own in told)
    )
    assert told[6:] == [1, 1]
    assert most == [1]


def test_a_risk_that_is_no_number_is_an_error_and_not_a_closed_gate(made, monkeypatch):
    probe = Probe("risk", made.plan.edits[0].vector, layer=3, slope=6.0, offset=-4.0, threshold=0.5)
    plan = Plan((Edit("add", made.plan.edits[0].vector, when="risk"),), (probe,))
    reader = Reader(steer.load("reference:aligned"))
    monkeypatch.setattr("steer.server.reading.log_odds", lambda *_: torch.full((1, 1), math.nan))
    with pytest.raises(EngineError, match="a risk that is no number"):
        asyncio.run(reader.decide(plan, [5, 6, 7], {"strength": 1.0}))


def test_a_comment_is_no_key_however_far_it_is_indented(tmp_path):
    file = tmp_path / "keys"
    file.write_text(f"  # {OTHER}\n\t#{OTHER}\n {KEY} refusal=0:1,warmth=0:1\n", encoding="utf-8")
    (key,) = read_keys(file, None, {})
    assert key == read_keys(None, None, {"STEER_KEYS": f"{KEY} refusal=0:1,warmth=0:1"})[0]
    assert known((key,), f"Bearer #{OTHER}") is None
    assert len(read_keys(None, None, {"STEER_KEYS": f"{KEY};{OTHER} refusal=0:1,warmth=0:1"})) == 2


def test_settings_that_would_do_nothing_are_refused(made, tmp_path):
    keys = read_keys(None, None, {"STEER_KEYS": KEY})
    admin = read_keys(None, None, {"STEER_ADMIN_KEY": KEY})
    nothing = [
        ("no folder", {"policies": tmp_path / "none", "keys": admin}),
        ("no folder", {"policies": made.path, "keys": admin}),
        ("without an administrator", {"policies": tmp_path, "keys": keys}),
        ("without --audit", {"audit_prompts": True}),
        ("without --engine", {"gguf": tmp_path / "m.gguf"}),
    ]
    for words, said in nothing:
        with pytest.raises(PlanError, match=words) as told:
            checked(Settings("m", **said), "127.0.0.1")
        assert "\n" not in str(told.value)
    assert checked(Settings("m", policies=tmp_path, keys=admin), "127.0.0.1")


def test_bounds_of_a_dial_that_no_policy_has_are_refused(made, tmp_path):
    """A misspelt dial would leave its key unbounded."""
    model, loaded = steer.load("reference:aligned"), load_checked(made.path, {}, below_plain=False)
    typo = read_keys(None, None, {"STEER_KEYS": f"{KEY} refusl=0:1"})
    with pytest.raises(PlanError, match="'refusl' for key"):
        House(model, Settings("m", "plain", keys=typo), loaded)
    with pytest.raises(PlanError, match="'refusal' for --bounds"):
        House(model, Settings("m", "plain", bounds={"refusal": (0.0, 1.0)}))
    right = read_keys(None, None, {"STEER_KEYS": f"{KEY} refusal=0:1"})
    assert House(model, Settings("m", "plain", keys=right), loaded).settings.keys == right
    assert House(model, Settings("m", "plain", keys=right, policies=made.path.parent)).settings.keys == right


def test_what_is_logged_of_strengths_is_short():
    assert brief({"refusal": 0.5}) == {"refusal": 0.5}
    assert len(brief("x" * 10**6)) <= 210
