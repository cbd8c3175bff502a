"""Who may write into the folder of a run: one command at a time, and only with the settings that its rows have."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from steer_evals.errors import RunError, unwritable
from steer_evals.judgements import JUDGEMENTS
from steer_evals.judges.protocol import Lexical
from steer_evals.run import ROWS, SETTINGS, Run


def check_settings(folder: Path, settings: Mapping[str, Any]) -> None:
    """Refuse a folder whose rows depend on something else; one that holds no run yet is well.

    Raises:
        RunError: A run with other settings, which are named, judged by another judge, or answers without settings.
    """
    if os.path.exists(folder / SETTINGS):
        wanted, before = ({"judge": Lexical.name, **own} for own in (settings, Run(folder).settings))
        changed = [name for name in wanted if before.get(name) != wanted[name]]
        if changed:
            raise RunError(
                f"{folder}, a run with other {', '.join(changed)}",
                "the same settings",
                "choose another --out",
            )
    elif any(os.path.exists(folder / name) for name in (ROWS, JUDGEMENTS)):
        raise RunError(
            f"{folder}, with answers but no {SETTINGS}",
            "answers whose settings are known",
            "choose another --out",
        )


@contextmanager
def alone_in(folder: Path) -> Iterator[None]:
    """Make the folder, and keep a second command out of it.

    Raises:
        RunError: It cannot be made or written, or is in use.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / ".lock").open("w")
    except OSError as error:
        raise unwritable(folder, error) from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            raise RunError(
                f"{folder}, in which a sweep is at work",
                "a folder of its own",
                "wait, or choose another --out",
            ) from error
        yield
