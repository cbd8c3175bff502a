"""Models that the tests of this room run on."""

import pytest


@pytest.fixture(params=["tiny_llama", "tiny_gpt2"])
def model(request):
    """Layers that return a tensor, and learned positions."""
    return request.getfixturevalue(request.param)
