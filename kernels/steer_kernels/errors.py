"""The root of every error that is meant for people. Knows nothing else."""


class SteerError(Exception):
    """One line: what came, what was expected, what to do about it.

    Args:
        got: What was found, with the name of the thing.
        expected: What would have been right.
        do: The next step, as an imperative.
    """

    def __init__(self, got: str, expected: str, do: str) -> None:
        # What was found may hold line breaks (a path, a key of a file); the message is one line all the same.
        super().__init__(" ".join(f"got {got}; expected {expected}; do this: {do}".splitlines()))
        self.got, self.expected, self.do = got, expected, do


class TableError(SteerError):
    """A table of the op, or a strength given to it, has the wrong shape or values."""


class KernelError(SteerError):
    """A path of the op was asked for by name and is not there."""
