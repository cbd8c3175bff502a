"""Finds models that are compiled already: their code would not see a hook, and steering would silently do nothing."""

from __future__ import annotations

import sys

from torch import nn

from steer.errors import PlanError
from steer_vectors.models import decoder_layers


def refuse_compiled(hf: nn.Module) -> None:
    """Refuse a model of which torch.compile holds code: it skips guards on hooks (`skip_nnmodule_hook_guards`).

    Raises:
        PlanError: Compiled code that runs decoder layers of this class.
    """
    layer = type(decoder_layers(hf)[0])
    if any(str(id(layer)) in guards for guards in _guards()):
        raise PlanError(
            f"a model whose {layer.__name__} is compiled already; that code would run without the edits",
            "steering first, then torch.compile, in the same `with`",
            "call torch.compiler.reset(), then steer and compile again",
        )


def _guards() -> list[str]:
    """The guards of all code that dynamo holds, in words; they name the classes of the modules that it inlined."""
    # Where dynamo was never imported, nothing is compiled; importing it here would take a second. Private names.
    frames = sys.modules.get("torch._dynamo.convert_frame")
    entries = getattr(sys.modules.get("torch._dynamo.eval_frame"), "_debug_get_cache_entry_list", None)
    if frames is None or entries is None:
        return []
    codes = [code for reference in frames.input_codes.seen if (code := reference()) is not None]
    return [str(entry.guard_manager) for code in codes for entry in entries(code)]
