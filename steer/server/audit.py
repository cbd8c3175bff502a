"""One line of JSON for every request: who turned which dial how far, and what was given. Of prompts nothing, unless asked to."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path
from typing import Any, TextIO

from steer.errors import PlanError


class Audit:
    """Appends to a file.

    Args:
        path: Of the file; None keeps nothing.
        prompts: Whether prompts and answers are written too.

    Raises:
        PlanError: The file cannot be written.
    """

    def __init__(self, path: Path | None, *, prompts: bool = False) -> None:
        self.prompts = prompts and path is not None
        self._alone = threading.Lock()
        self._file: TextIO | None = None
        try:
            if path is not None:
                self._file = path.open("a", encoding="utf-8", errors="backslashreplace", buffering=1)
        except OSError as error:
            raise PlanError(
                f"--audit {path}, which cannot be written", "a file", "choose another path"
            ) from error

    def note(self, **found: Any) -> None:
        """Write a line; its time is that of the end of the request."""
        if self._file is not None:
            line = json.dumps({"time": round(time.time(), 3), **found}, ensure_ascii=False, default=str)
            with self._alone:
                self._file.write(line + "\n")

    def close(self) -> None:
        """No more lines."""
        if self._file is not None:
            self._file.close()
