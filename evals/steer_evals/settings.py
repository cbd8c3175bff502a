"""Everything that the rows of a run depend on, strengths apart: rows of other settings are never mixed. Asks nothing."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import fields
from importlib.metadata import version
from typing import Any

from transformers import PreTrainedConfig

from steer.plan import Edit, Plan, Probe
from steer_evals.answering import Sampling
from steer_evals.baseline import baseline_hash
from steer_evals.control import SEED
from steer_evals.engines import kin_of
from steer_evals.suites import Suite
from steer_vectors.file import Vector
from steer_vectors.fingerprint import template_hash, tokenizer_hash, weight_fingerprint
from steer_vectors.greedy import ends
from steer_vectors.models import ChatModel

# Fields of a configuration on which no answer depends. Where answers end has a setting of its own.
_IDLE = re.compile(
    r"^_|^(architectures|transformers_version|(torch_)?dtype|use_cache|return_dict|id2label|label2id|problem_type|pretraining_tp"
    r"|output_(attentions|hidden_states|router_logits)|initializer_(range|factor)|chunk_size_feed_forward|\w*dropout"
    r"|(bos|eos|pad|unk|sep)_token_id)$"
)


def settings_of(
    model: ChatModel, plan: Plan | None, suites: Sequence[Suite], sampling: Sampling, engine: str = "auto"
) -> dict[str, Any]:
    """The settings of a run; with `baselines`, a hash for each suite of what the plain model's answers to it depend on."""
    kin = kin_of(engine)
    made_by = ("steerdial", "torch", "transformers", *(["vllm"] if kin == "vllm" else []))
    plain: dict[str, Any] = {
        "model": model.name,
        "fingerprint": weight_fingerprint(model.hf),
        "config": config_hash(model.hf.config),
        "ends": ends(model),
        "tokenizer": tokenizer_hash(model.tokenizer),
        "chat_template": template_hash(model.tokenizer),
        "dtype": str(model.hf.dtype).removeprefix("torch."),
        "device": model.device.type,
        "decoding": "greedy" if sampling == Sampling() else sampling._asdict(),
        "engine": kin,
        "versions": {name: version(name) for name in made_by},
    }
    hashes = {suite.name: suite.hash for suite in suites}
    # What the plain model says has nothing to do with the name it was loaded by.
    own = {name: value for name, value in plain.items() if name != "model"}
    return plain | {
        "plan": [] if plan is None else [_edit_settings(edit) for edit in plan.edits],
        **({} if plan is None or not plan.probes else {"probes": [_probe_settings(p) for p in plan.probes]}),
        "suites": hashes,
        "baselines": {name: baseline_hash(own | {"suite": found}) for name, found in hashes.items()},
        "control_seed": SEED,
    }


def config_hash(config: PreTrainedConfig) -> str:
    """SHA-256 of what a model computes besides its weights: rotary bases, epsilons, activations, windows, caps.

    The same for one model from a folder, a hub id or a GGUF file and in every dtype: names, versions, and what only training
    and output formats use are left out, and numbers are compared as float32 holds them.
    """
    return hashlib.sha256(json.dumps(_computed(config.to_dict()), sort_keys=True).encode()).hexdigest()


def _computed(value: Any) -> Any:
    if isinstance(value, dict):
        kept = {str(name): own for name, own in value.items() if not _IDLE.search(str(name))}
        return {name: _computed(own) for name, own in kept.items()}
    if isinstance(value, list | tuple):
        return [_computed(own) for own in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return f"{value:.7g}"
    return value if value is None or isinstance(value, str | bool) else str(value)


def vector_hash(vector: Vector) -> str:
    """SHA-256 of directions, class means and what reads off them; notes on where they come from have no part in it."""
    tensors = [vector.directions, vector.positive, vector.negative]
    tensors += [] if vector.read is None else [vector.read]
    return hashlib.sha256(b"".join(t.numpy().tobytes() for t in tensors)).hexdigest()


def _probe_settings(probe: Probe) -> list[Any]:
    numbers = (probe.slope, probe.offset, probe.threshold, str(probe.sharpness), probe.read, probe.each_token)
    before = [[vector_hash(vector), slope] for vector, slope in probe.before]
    return [probe.name, vector_hash(probe.vector), probe.site.layer, *numbers, *before]


def _edit_settings(edit: Edit) -> dict[str, Any]:
    own = {"kind": edit.kind, "concept": edit.vector.concept, "vector": vector_hash(edit.vector), "point": edit.vector.point,
           "layers": [site.layer for site in edit.sites],
           "position": edit.vector.position, "scope": edit.scope, "scale": edit.scale}  # fmt: skip
    # Ablation takes the direction of the chosen layer everywhere; of the other edits each layer has its own.
    own |= {"chosen": edit.vector.layer} if edit.kind == "ablate" else {}
    more = {name: getattr(edit, name) for name in ("dial", "to", "low", "high", "angle", "keep_norm", "when")}
    more |= {"second": edit.second and vector_hash(edit.second)}
    more |= {
        "gate": edit.gate and [vector_hash(edit.gate.vector), edit.gate.threshold, str(edit.gate.sharpness)]
    }
    plain = {field.name: field.default for field in fields(Edit)}
    return own | {name: value for name, value in more.items() if value != plain[name]}
