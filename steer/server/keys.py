"""Who may ask: keys from a file or the environment, compared in constant time. Knows no routes.

A key file holds one key a line, with the bounds that hold for it alone, if any: `KEY refusal=-0.2:0.5,warmth=0:1`.
"""

from __future__ import annotations

import hashlib
import hmac
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import NamedTuple

from steer.errors import PlanError
from steer.server.policies import Bounds

KEYS, ADMIN = "STEER_KEYS", "STEER_ADMIN_KEY"  # of the environment; several keys with semicolons
_SHORTEST = 16


class ForbiddenError(PlanError):
    """What this key may not do."""


class Key(NamedTuple):
    """A key as its digest, so that it stands nowhere in plain; `id` names it in the audit log."""

    digest: bytes
    bounds: Bounds = MappingProxyType({})
    admin: bool = False

    @property
    def id(self) -> str:
        """The first letters of its digest."""
        return self.digest.hex()[:12]


def read_keys(
    key_file: Path | None, admin_file: Path | None, environment: Mapping[str, str] = os.environ
) -> tuple[Key, ...]:
    """Keys of files and environment; none = everybody who can reach the server may ask.

    Raises:
        PlanError: A file that does not read, a key that is short or stands there twice, bounds that are none.
    """
    lines = _lines(key_file) + [own for own in environment.get(KEYS, "").split(";") if own.strip()]
    keys = [_key(line, admin=False) for line in lines]
    given = environment.get(ADMIN, "").strip()
    keys += [_key(line, admin=True) for line in _lines(admin_file) + ([given] if given else [])]
    if len({key.digest for key in keys}) < len(keys):
        raise PlanError("a key that is given twice", "each key once", "remove one")
    return tuple(keys)


def known(keys: Sequence[Key], authorization: str | None) -> Key | None:
    """Whose key it is: of `Authorization: Bearer KEY`. Takes as long for every key."""
    scheme, _, given = (authorization or "").partition(" ")
    digest = _digest(given.strip())
    found = None
    for key in keys:
        if hmac.compare_digest(key.digest, digest):
            found = key
    return found if scheme.lower() == "bearer" else None


def bounds_of(text: str) -> dict[str, tuple[float, float]]:
    """Bounds as `refusal=-0.5:0.5,warmth=0:1`.

    Raises:
        PlanError: Something else.
    """
    found = {}
    for part in filter(None, (own.strip() for own in text.split(","))):
        name, _, span = part.partition("=")
        try:
            low, high = (float(side) for side in span.split(":"))
        except ValueError:
            low = high = float("nan")
        if not name or not float("-inf") < low <= high < float("inf") or name in found:
            raise PlanError(f"bounds {part!r}", "DIAL=LOW:HIGH", "write refusal=-0.5:0.5, say")
        found[name] = (low, high)
    return found


def check_bounds(key: Key | None, strengths: Mapping[str, float]) -> None:
    """A key may have narrower bounds than the policy.

    Raises:
        ForbiddenError: A strength outside them.
    """
    for name, (low, high) in (key.bounds if key is not None else {}).items():
        if name in strengths and not low <= strengths[name] <= high:
            raise ForbiddenError(
                f"strength {strengths[name]:g} of dial {name!r}",
                f"{low:g} to {high:g} with this key",
                "stay within the bounds",
            )


def _lines(path: Path | None) -> list[str]:
    if path is None:
        return []
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise PlanError("a key file that does not read", "keys, one a line", "check the path") from error
    found = [line.strip() for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
    if not found:
        raise PlanError("a key file without keys", "one a line", "write one there")
    return found


def _key(line: str, *, admin: bool) -> Key:
    word, _, bounds = line.strip().partition(" ")
    if len(word) < _SHORTEST or not word.isascii():
        raise PlanError(
            f"a key of {len(word)} characters",
            f"{_SHORTEST} or more, of ASCII",
            "make one: python -c 'import secrets; print(secrets.token_urlsafe())'",
        )
    return Key(_digest(word), bounds_of(bounds), admin)


def _digest(word: str) -> bytes:
    return hashlib.sha256(word.encode("utf-8", "replace")).digest()
