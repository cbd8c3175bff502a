"""Models that the tests of this room run on, and the command line as they call it."""

from __future__ import annotations

import re
from typing import Any

import pytest


@pytest.fixture(params=["tiny_llama", "tiny_gpt2"])
def model(request: pytest.FixtureRequest) -> Any:
    """Layers that return a tensor, and learned positions."""
    return request.getfixturevalue(request.param)


class Cli:
    """`steer` with arguments, in this process."""

    ONE_LINE = r"error: got [^\n]+; expected [^\n]+; do this: [^\n]+\n"

    def __init__(self, capsys: pytest.CaptureFixture[str]) -> None:
        self._capsys = capsys

    def run(self, *args: str) -> tuple[int, str, str]:
        """Exit code, standard output and standard error."""
        from steer.cli import main  # not for tests that call no command

        self._capsys.readouterr()
        with pytest.raises(SystemExit) as end:
            main(args)
        out, err = self._capsys.readouterr()
        return int(end.value.code or 0), out, err

    def done(self, *args: str) -> str:
        """What a command prints that must end well and in silence."""
        code, out, err = self.run(*args)
        assert (code, err) == (0, "")
        return out

    def refused(self, *args: str) -> str:
        """The one line that a command says that must refuse."""
        code, out, err = self.run(*args)
        assert (code, out) == (2, "")
        assert re.fullmatch(self.ONE_LINE, err), err
        return err


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Cli:
    """The command line."""
    return Cli(capsys)
