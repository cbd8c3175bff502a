"""What steering costs vLLM: 64 requests at 64 strengths beside 64 at one strength, and beside an engine without the plug-in.

    .venv-runtimes/bin/python bench/serving.py MODEL-FOLDER --threads 2 --json serving.json

Both engines stay up, and are asked in turn; a ratio is the median over the rounds. First it is checked that requests at
strength 0 in a mixed batch give the tokens of the engine without the plug-in, and that the others do not. To measure SmolLM2:
`steer.load` its GGUF file and `save_pretrained` model and tokenizer into a folder.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import random
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

PROMPT = "Explain in a few sentences how a {} works, and what it is used for."
THINGS = ("boat", "kettle", "lamp", "bicycle", "clock", "mirror", "pump", "kite")
STRENGTHS = [-0.8 + 0.025 * at for at in range(64)]


def main() -> None:
    """See above."""
    asked = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    asked.add_argument("model")
    asked.add_argument("--tokens", type=int, default=48)
    asked.add_argument("--rounds", type=int, default=9)
    asked.add_argument("--threads", type=int, default=1)
    asked.add_argument("--dtype", default="float32")
    asked.add_argument("--all-layers", action="store_true", help="edit every layer, not one")
    asked.add_argument("--eager", action="store_true")
    asked.add_argument("--json", type=Path)
    args = asked.parse_args()
    os.environ.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")
    os.environ.setdefault("VLLM_CPU_OMP_THREADS_BIND", "nobind")
    os.environ["OMP_NUM_THREADS"] = str(args.threads)

    import torch

    import steer
    from steer.plan import Edit, Plan
    from steer.plugins.vllm.runtime import VLLM
    from steer_vectors.chat import prompt_ids

    torch.set_num_threads(args.threads)
    model = steer.load(args.model, dtype=getattr(torch, args.dtype))
    layer = model.layers // 2
    vector = steer.extract(model, "refusal", select_by="auc", layer=layer, position=-1)
    layers = tuple(range(model.layers)) if args.all_layers else (layer,)
    scale = 1.0 / len(layers)
    prompts = [prompt_ids(model.tokenizer, PROMPT.format(thing)) for thing in THINGS for _ in range(8)]
    settings = {
        "max_model_len": 512, "max_num_batched_tokens": 4096, "max_num_seqs": 64, "enable_prefix_caching": False,
        "enforce_eager": args.eager,
    }  # fmt: skip
    with tempfile.TemporaryDirectory() as folder:
        policy = Path(folder) / "policy.toml"
        Plan((Edit("add", vector, layers=layers, scale=scale),)).save(policy)
        steered = VLLM(args.model, policy, dtype=args.dtype, **settings)
    plain = VLLM(args.model, None, dtype=args.dtype, **settings)

    def run(engine: VLLM, strengths: list[float] | None) -> tuple[float, list[list[int]]]:
        from vllm import SamplingParams

        params: list[Any] = [
            SamplingParams(
                temperature=0.0, max_tokens=args.tokens, ignore_eos=True,
                extra_args=None if strengths is None else {"steer": strengths[at]},
            )
            for at in range(64)
        ]  # fmt: skip
        begun = time.perf_counter()
        found = engine.llm.generate([{"prompt_token_ids": ids} for ids in prompts], params, use_tqdm=False)
        return time.perf_counter() - begun, [list(one.outputs[0].token_ids) for one in found]

    mixed = [0.0 if at % 2 else strength for at, strength in enumerate(STRENGTHS)]
    _, without = run(plain, None)
    _, some = run(steered, mixed)
    same = [ours == theirs for ours, theirs in zip(some, without, strict=True)]
    if not all(same[1::2]) or all(same[::2]):
        raise SystemExit(
            f"unsteered rows that differ: {same[1::2].count(False)} of 32; steered that move: {same[::2].count(False)}"
        )
    ways = {"64 strengths": (steered, STRENGTHS), "one strength": (steered, [0.5] * 64),
            "strength 0": (steered, [0.0] * 64), "no plug-in": (plain, None)}  # fmt: skip
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for at in range(args.rounds + 1):
        for name in random.Random(at).sample(sorted(ways), len(ways)):  # in another order every time
            taken, _ = run(*ways[name])
            if at:  # the first round warms up
                seconds[name].append(taken)
    rounds = {
        name: [a / b for a, b in zip(seconds["64 strengths"], seconds[name], strict=True)] for name in ways
    }
    found = {
        "model": args.model, "dtype": args.dtype, "layers": len(layers), "tokens": args.tokens, "eager": args.eager,
        "threads": args.threads, "cpu": platform.processor() or platform.machine(),
        "unsteered rows equal": same[1::2].count(True), "steered rows moved": same[::2].count(False),
        "seconds": {name: statistics.median(own) for name, own in seconds.items()},
        "64 strengths over": {
            name: {"median": statistics.median(own), "low": min(own), "high": max(own)}
            for name, own in rounds.items()
            if name != "64 strengths"
        },
    }  # fmt: skip
    print(json.dumps(found, indent=1))
    if args.json:
        args.json.write_text(json.dumps(found, indent=1))


if __name__ == "__main__":
    main()
