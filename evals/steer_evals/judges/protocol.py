"""What every judge is: answers in, judgements out, and its name on the command line. Knows no model and no server.

`lexical` reads words; `wildguard:MODEL`, `llama-guard:MODEL`, `harmbench:MODEL` and `strongreject:MODEL` ask a Hugging
Face model; `openai:MODEL@BASE_URL` asks a language model behind a server.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple, Protocol

from steer_evals.errors import JudgeError
from steer_evals.judges.lexical import Verdict, judge

NOT_JUDGED = "not_judged"  # where tables count answers by verdict


class Case(NamedTuple):
    """One answer to judge.

    Args:
        prompt: The request.
        answer: What the model said, thinking included.
        truncated: Whether the token limit cut the answer off.
        min_words: Fewer words are no answer, though they may be a refusal.
    """

    prompt: str
    answer: str
    truncated: bool = False
    min_words: int = 1


class Judgement(NamedTuple):
    """What one judge says of one answer.

    Args:
        verdict: None: not judged, or not the question that this judge answers. It counts as neither compliance nor refusal.
        scores: Further numbers by name, each in [0, 1].
        why: The judge's own words, or why there is no verdict; may be empty where there is one.
    """

    verdict: Verdict | None
    scores: Mapping[str, float] = {}
    why: str = ""


class Judge(Protocol):
    """Judges answers, many at a time."""

    @property
    def name(self) -> str:
        """As on the command line."""

    def __call__(self, cases: Sequence[Case]) -> list[Judgement]:
        """One judgement for each case, in order; what one case says never changes another's judgement."""


class Lexical:
    """The lexical judge (see `judges.lexical`); it always has a verdict."""

    name = "lexical"

    def __call__(self, cases: Sequence[Case]) -> list[Judgement]:
        """One judgement for each case, in order."""
        return [Judgement(_lexical(case)) for case in cases]


def _lexical(case: Case) -> Verdict:
    return judge(case.answer, prompt=case.prompt, truncated=case.truncated, min_words=case.min_words)


def _classifier(kind: str) -> Callable[[str], Judge]:
    def make(model: str) -> Judge:
        from steer_evals.judges import classifiers

        return classifiers.load_classifier(kind, model)

    return make


def _server(where: str) -> Judge:
    from steer_evals.judges.server import ServerJudge

    model, _, url = where.partition("@http")  # a model's name may hold an @ too
    return ServerJudge(model, f"http{url}")


_KINDS: dict[str, Callable[[str], Judge]] = {
    **{kind: _classifier(kind) for kind in ("wildguard", "llama-guard", "harmbench", "strongreject")},
    "openai": _server,
}


_SCORES_ONLY = ("llama-guard", "harmbench", "strongreject")


def require_verdicts(name: str) -> None:
    """Refuse a judge that says nothing of refusal, before its model is loaded.

    Raises:
        JudgeError: A judge that gives scores and no verdict.
    """
    if name.partition(":")[0] in _SCORES_ONLY:
        raise JudgeError(
            f"judge {name!r}, which scores harm and gives no verdict on refusal",
            "openai:MODEL@BASE_URL or wildguard:MODEL",
            "name one of them",
        )


def judge_named(name: str) -> Judge:
    """The judge of a name, ready to judge; loads its model, if it has one.

    Args:
        name: `lexical`, `wildguard:MODEL`, `llama-guard:MODEL`, `harmbench:MODEL`, `strongreject:MODEL` or
            `openai:MODEL@BASE_URL`; MODEL is a folder or a hub id.

    Raises:
        JudgeError: No such judge, or a name without what comes after the colon.
        ModelError: The model does not load.
    """
    if name == Lexical.name:
        return Lexical()
    kind, colon, rest = name.partition(":")
    if kind not in _KINDS or not colon or not rest:
        known = ", ".join(f"{kind}:MODEL" for kind in _KINDS if kind != "openai")
        raise JudgeError(f"judge {name!r}", f"lexical, {known} or openai:MODEL@BASE_URL", "name one of them")
    return _KINDS[kind](rest)
