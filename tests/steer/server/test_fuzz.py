"""Bodies drawn from the server's own schema, and from none: whatever comes, no answer is a failure of the server."""

from __future__ import annotations

import json

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

QUIET = settings(deadline=None, max_examples=25, suppress_health_check=list(HealthCheck), database=None)
PATHS = ("/v1/chat/completions", "/v1/completions", "/v1/steering/explain", "/v1/steering/policy")


@pytest.fixture(scope="module")
def schema(live):
    return schemathesis.openapi.from_dict(live.get("/openapi.json").json())


def test_no_body_of_the_schema_makes_the_server_fail(live, schema):
    statuses = set()
    with httpx.Client(timeout=60) as client:
        for found in schema.get_all_operations():
            operation = found.ok()

            @QUIET
            @given(case=operation.as_strategy())
            def ask(case):
                named = case.as_transport_kwargs(base_url=live.url)
                named.pop("cookies", None)
                try:
                    answer = client.request(
                        **{key: value for key, value in named.items() if value is not None}
                    )
                except httpx.InvalidURL:
                    return
                statuses.add(answer.status_code)
                assert answer.status_code < 500, (named, answer.text)

            ask()
    assert {200, 400} <= statuses
    assert live.get("/health").status_code == 200


@pytest.mark.parametrize("path", PATHS)
def test_bytes_of_no_schema_are_refused(live, path):
    with httpx.Client(timeout=60) as client:

        @QUIET
        @given(
            body=st.binary(max_size=200)
            | st.text(max_size=100).map(lambda own: own.encode("utf-8", "surrogatepass"))
        )
        def ask(body):
            answer = client.post(live.url + path, content=body, headers={"content-type": "application/json"})
            assert 400 <= answer.status_code < 500

        ask()


def test_bodies_in_the_server_s_own_words(live):
    """Ten thousand, drawn in another way: bench/serve_security.py."""
    names = "model messages prompt steering n stop stream seed logprobs max_tokens role content name"
    words = st.sampled_from(names.split())
    value = st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=20) | st.just("user"),
        lambda own: st.lists(own, max_size=4) | st.dictionaries(words, own, max_size=6), max_leaves=10,
    )  # fmt: skip
    with httpx.Client(timeout=60) as client:

        @settings(QUIET, max_examples=100)
        @given(path=st.sampled_from(PATHS), body=st.dictionaries(words, value, max_size=8))
        def ask(path, body):
            whole = json.dumps(body | {"model": "reference:aligned", "max_tokens": 2})
            answer = client.post(
                live.url + path, content=whole.encode(), headers={"content-type": "application/json"}
            )
            assert answer.status_code < 500, answer.text

        ask()
    live.settled()
    assert live.get("/health").status_code == 200
