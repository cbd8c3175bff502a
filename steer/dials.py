"""What a request may ask of a policy: strengths by dial, in words, within the bounds that the policy sets.

One grammar for every door: the command line, a model's name in lm-eval and in a server, `extra_args` of vLLM.
"""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from steer.errors import PlanError
from steer.plan import Plan
from steer.policy import Dial, load_dials, load_policy

_NUMBER = re.compile(r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?")
_LONGEST = 1000  # characters of what is asked


@dataclass(frozen=True, eq=False)
class Policy:
    """A plan and how far its dials may be turned.

    Args:
        plan: What is done.
        dials: Bounds, default and presets of those that have any; the others stand at 1 and take any number.
        hash: SHA-256 of the file, which names its vectors by theirs; "" without a file.
    """

    plan: Plan
    dials: Mapping[str, Dial]
    hash: str = ""

    @classmethod
    def load(cls, path: str | Path) -> Policy:
        """Read a policy file.

        Raises:
            PlanError: As `Plan.load`.
            VectorFileError: As there.
        """
        file = Path(path)
        plan, dials = load_policy(file), load_dials(file)
        return cls(plan, dials, hashlib.sha256(file.read_bytes()).hexdigest())

    @property
    def defaults(self) -> dict[str, float]:
        """Where its dials stand if nobody turns them."""
        return {name: self.dials[name].default if name in self.dials else 1.0 for name in self.plan.dials}

    @property
    def presets(self) -> tuple[str, ...]:
        """Names of its presets."""
        return tuple(sorted({name for dial in self.dials.values() for name in dial.presets}))

    def preset(self, name: str) -> dict[str, float]:
        """The strengths of a preset, of those dials that have it.

        Raises:
            PlanError: No dial has it.
        """
        found = {key: dial.presets[name] for key, dial in self.dials.items() if name in dial.presets}
        if not found:
            known = (*self.presets, "a number", "DIAL=NUMBER,...")
            raise PlanError(f"preset {name!r}", " or ".join(known), "choose one of them")
        return found

    def strengths(self, asked: object = None) -> dict[str, float]:
        """Strengths of all dials, from what somebody asks for.

        Args:
            asked: None; a number, for a policy of one dial; a mapping from dials to numbers; or words: a number, a preset,
                or "refusal=-0.4,warmth=1". Dials that are not named stand where they do by default.

        Raises:
            PlanError: An unknown dial or preset, a strength that is no finite number, or that is out of bounds.
        """
        turned = self.defaults | self._asked(asked)
        for name, strength in turned.items():
            dial = self.dials.get(name)
            if dial is not None and not dial.low <= strength <= dial.high:
                raise PlanError(
                    f"strength {strength:g} of dial {name!r}",
                    f"{dial.low:g} to {dial.high:g}",
                    "stay within the bounds",
                )
        return turned

    def _asked(self, asked: object) -> dict[str, float]:
        if asked is None:
            return {}
        if isinstance(asked, str):
            return self._words(asked.strip())
        if isinstance(asked, Mapping):
            return {self._dial(name): _number(value) for name, value in asked.items()}
        return {self._only(asked): _number(asked)}

    def _words(self, words: str) -> dict[str, float]:
        if len(words) > _LONGEST:
            raise PlanError(
                f"{len(words)} characters of strengths", f"{_LONGEST} at most", "name fewer dials"
            )
        if _NUMBER.fullmatch(words):
            return {self._only(words): _number(float(words))}
        if "=" not in words:
            return self.preset(words)
        found: dict[str, float] = {}
        for part in words.split(","):
            name, _, number = (side.strip() for side in part.partition("="))
            if not _NUMBER.fullmatch(number) or name in found:
                raise PlanError(f"strengths {words!r}", "refusal=-0.4,warmth=1, each dial once", "mend them")
            found[self._dial(name)] = _number(float(number))
        return found

    def _only(self, asked: object) -> str:
        if len(self.plan.dials) > 1:
            first = self.plan.dials[0]
            raise PlanError(
                f"strength {asked!r} for {len(self.plan.dials)} dials",
                f"some of {', '.join(self.plan.dials)}",
                f"name the dial: {first}={asked}",
            )
        return self.plan.dials[0]

    def _dial(self, name: object) -> str:
        if name not in self.plan.dials:
            raise PlanError(f"dial {name!r}", " or ".join(self.plan.dials), "turn a dial of the policy")
        return str(name)


def _number(value: object) -> float:
    # What is computed in is float32: 1e300 is no number there.
    if (
        isinstance(value, bool)
        or not isinstance(value, (int, float))
        or not math.isfinite(value)
        or abs(value) > 1e30
    ):
        raise PlanError(f"strength {value!r}", "a finite number", "choose a strength such as -1 or 0.5")
    return float(value)
