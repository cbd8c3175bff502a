"""What `steer verify` compares: the runtimes there are for a policy, and what they are asked if nobody says."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from steer.dials import Policy
from steer.equivalence import EXACT, FUSED, Candidate, Runtime, lacking
from steer.errors import PlanError
from steer_vectors.chat import Answered, prompt_ids
from steer_vectors.contrast import load_contrast
from steer_vectors.models import ChatModel

RUNTIMES = ("transformers", "transformer_lens", "nnsight", "vllm", "llama_cpp")
_FREE = (-1.0, 1.0)  # how far a dial without bounds is turned
# Why a runtime is not there, or how to get it.
_VLLM = "not installed: pip install vllm==0.32.*, see docs/vllm.md"
_LLAMA = "not installed: pip install llama-cpp-python==0.3.36, see docs/llama-cpp.md"
_GGUF = "no GGUF file of the model: make one in float32 with llama.cpp's convert_hf_to_gguf.py and pass --gguf FILE"


def candidates(
    names: Sequence[str],
    model: ChatModel,
    policy: Policy,
    path: str,
    *,
    folder: str | None = None,
    gguf: str | None = None,
) -> list[Candidate]:
    """Runtimes by name, built only when their turn comes.

    Args:
        names: Of `RUNTIMES`.
        model: In float32 with eager attention, which is TransformerLens's.
        policy: To apply.
        path: Of the policy's file, for runtimes that read it themselves.
        folder: Of the model, for vLLM; None = there is none.
        gguf: The model as a GGUF file, for llama.cpp.

    Raises:
        PlanError: An unknown name, or no name.
    """
    if not names or (unknown := [name for name in names if name not in RUNTIMES]):
        raise PlanError(
            f"runtimes {', '.join(unknown) if names else '(none)'}",
            " or ".join(RUNTIMES),
            "name some of them",
        )

    def transformers() -> Runtime:
        from steer.hosts.transformers import Transformers

        return Transformers(model, policy)

    def transformer_lens() -> Runtime:
        from steer.hosts.transformer_lens import TransformerLens

        return TransformerLens(model, policy)

    def nnsight() -> Runtime:
        from steer.hosts.nnsight import NNsight

        return NNsight(model, policy)

    def vllm() -> Runtime:
        from steer.plugins.vllm.runtime import VLLM

        if folder is None:
            raise PlanError(f"{model.name}, which is no folder", "a model folder", "name one with --model")
        return VLLM(folder, path)

    def llama_cpp() -> Runtime:
        from steer.plugins.llama_cpp import LlamaCpp

        return LlamaCpp(str(gguf), policy)

    makers: dict[str, Callable[[], Runtime]] = {
        own.__name__: own for own in (transformers, transformer_lens, nnsight, vllm, llama_cpp)
    }
    absent = {
        "vllm": lacking("vllm", _VLLM),
        "llama_cpp": lacking("llama_cpp", _LLAMA) or ("" if gguf else _GGUF),
    }
    return [
        Candidate(name, makers[name], FUSED if name in absent else EXACT, absent.get(name, ""))
        for name in names
    ]


def settings(policy: Policy, words: str | None = None) -> list[dict[str, float]]:
    """Strengths to compare at, each of all dials; with all dials at 0 where the bounds allow it.

    Args:
        policy: Whose dials are turned.
        words: Numbers or presets with commas, for a policy of one dial: "-1,0.5,mild"; for several, settings as in
            `Policy.strengths`, with semicolons: "refusal=-0.4,warmth=1; strict". Default: where the policy stands, half of
            that, and each dial at its bounds, or at -1 and 1.

    Raises:
        PlanError: As in `Policy.strengths`.
    """
    if words is not None:
        parts = words.split(";" if ";" in words or "=" in words else ",")
        chosen = [policy.strengths(part) for part in parts if part.strip()]
    else:
        turned = [policy.defaults, {name: 0.5 * place for name, place in policy.defaults.items()}]
        for name in policy.plan.dials:
            dial = policy.dials.get(name)
            for place in _FREE if dial is None else (dial.low, dial.high):
                turned.append(policy.defaults | {name: place})
        chosen = [own for own in turned if _allowed(policy, own)]
    rest = dict.fromkeys(policy.plan.dials, 0.0)
    asked = [*([rest] if _allowed(policy, rest) else []), *chosen]
    return [dict(own) for own in dict.fromkeys(tuple(own.items()) for own in asked)]


def _allowed(policy: Policy, strengths: dict[str, float]) -> bool:
    try:
        policy.strengths(strengths)
    except PlanError:
        return False
    return True


def prompts(model: ChatModel, most: int) -> list[list[int]]:
    """Token ids of so many prompts of different lengths, all harmless, every second of which sounds risky."""
    rows = load_contrast("false-refusal")
    pairs = zip(rows.select("positive", "validation"), rows.select("negative", "validation"), strict=False)
    asked = [own.prompt if isinstance(own, Answered) else own for pair in pairs for own in pair]
    return [prompt_ids(model.tokenizer, own) for own in asked[:most]]


def model_of(policy: Policy) -> str:
    """Where the model was that the policy's vectors were read off."""
    return policy.plan.edits[0].vector.meta["model"]
