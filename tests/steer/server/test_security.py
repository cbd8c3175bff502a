"""The table of `bench/serve_security.py`: each request gets its status, nothing fails, and the documents show what was found."""

from __future__ import annotations

import asyncio
import importlib
from pathlib import Path

import pytest

from steer.server import front
from steer.server.keys import read_keys
from steer.server.limits import Limits

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def looked(made, serving, tmp_path_factory):
    """The command's module, its requests, and what servers with its settings answer."""
    folder = tmp_path_factory.mktemp("security")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(ROOT / "bench")
        command, attacks = (importlib.import_module(name) for name in ("serve_security", "attacks"))
        command.lay_out(made.plan.edits[0].vector, folder)
        limits, policy = Limits(**attacks.LIMITS), folder / "policy.toml"
        keys = read_keys(folder / "keys", folder / "admin", {})
        patch.setattr(front, "_BODY_SECONDS", 1)
        with (
            serving(policy=policy, limits=limits, keys=keys, policies=folder / "allowed") as guarded,
            serving(policy=policy, limits=limits) as open_,
        ):
            yield command, attacks, asyncio.run(command.look(guarded.url, open_.url, folder, 300))


def test_every_route_is_asked_by_everybody(looked):
    _, attacks, found = looked
    assert len(found.routes) == 12
    for route, statuses in found.routes.items():
        path = "/v1/none" if route.startswith("any") else route.split()[1].strip("`,")
        assert statuses == tuple({status} for status in attacks.expected_of(path)), route


def test_every_request_gets_its_status_and_nothing_fails(looked):
    _, attacks, found = looked
    assert found.rows == {row.what: {row.expected} for row in attacks.rows()}
    assert found.wrong == []


def test_changed_bodies_never_make_the_server_fail(looked):
    _, _, found = looked
    assert found.fuzzed.total() == 300
    assert {200, 400, 403} <= set(found.fuzzed) <= {200, 400, 403, 404, 415}


def test_the_document_shows_the_table(looked):
    command, _, found = looked
    text = (ROOT / "docs/serve.md").read_text(encoding="utf-8")
    shown = text.partition("<!-- security -->\n")[2].partition("<!-- /security -->")[0].strip()
    *lines, fuzzed = command.tables(found).splitlines()
    assert shown.splitlines()[:-1] == lines
    counts, statuses = fuzzed.split("|")[1:3]
    assert "10,000" + counts.removeprefix(" 300") in shown.splitlines()[-1]
    assert "5" not in {part.strip()[0] for part in statuses.split(",")}
