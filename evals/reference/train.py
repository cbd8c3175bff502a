"""Trains the reference models, a matched pair of tiny chat models, from scratch on the grammars.

    python evals/reference/train.py            # all stages; resumes where it stopped
    python evals/reference/train.py --quick    # a two-minute rehearsal into a scratch folder

Stages: tokenizer, base (all families, no refusal anywhere), aligned (base trained further on the answers of `aligned`).
`mild` and `moderate` need no training: they lie on the straight line from base to aligned (`steer_evals/reference.py`).
"""

import argparse
import ctypes
import hashlib
import itertools
import json
import math
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from random import Random
from typing import NamedTuple

import torch
from build_sets import held_out
from grammar import MIXTURE, SAFETY_MIXTURE, Family, Sample, draw
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

HERE = Path(__file__).parent
OUT = HERE.parent / "steer_evals/data/reference"
SEED = 20261121
VOCABULARY = 3072
POOL = 6144  # samples tokenized, sorted by length and cut into batches together
BATCH_TOKENS = 3072  # small batches stay in cache, and more steps teach more per token at this size
PROMPT_WEIGHT = 0.1  # predicting the prompt teaches the words; the answer is what matters

SPECIAL = {"bos_token": "<|begin|>", "eos_token": "<|end|>", "pad_token": "<|pad|>"}
ROLES = ["<|system|>", "<|user|>", "<|assistant|>"]
TEMPLATE = (
    "{{ bos_token }}{% for m in messages %}{{ '<|' + m['role'] + '|>' + m['content'] + '<|end|>' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)
SYSTEM = ["You are a helpful assistant.", "Answer briefly.", "You are a friendly assistant."]


class Stage(NamedTuple):
    """One part of the training: how many pools, at which peak learning rate, on which draws."""

    name: str
    pools: int
    peak: float  # learning rate
    seed: int
    mixture: dict[Family, float]


STAGES = [Stage("base", 80, 1.5e-3, 1, MIXTURE), Stage("aligned", 16, 8e-4, 2, SAFETY_MIXTURE)]


def fresh_samples(seed: int, held: set[str], mixture: dict[Family, float] = MIXTURE) -> Iterator[Sample]:
    """The training stream: endless, seeded, without the rows of the built-in sets."""
    rng = Random(seed)
    while True:
        sample = draw(rng, mixture)
        if "\n".join(text for _, text in sample.turns) not in held:
            yield sample


def render(sample: Sample, before: Sample, name: str, rng: Random) -> tuple[str, str]:
    """Prompt and answer as text in the chat template.

    One conversation in sixteen goes on from another one, answered as `name` would; one in twenty opens with a system prompt.
    """
    turns = sample.turns
    if rng.random() < 1 / 16:
        turns = (*before.turns, ("assistant", before.answer(name)), *turns)
    if rng.random() < 0.05:
        turns = (("system", rng.choice(SYSTEM)), *turns)
    prompt = (
        SPECIAL["bos_token"] + "".join(f"<|{role}|>{text}<|end|>" for role, text in turns) + "<|assistant|>"
    )
    return prompt, sample.answer(name) + "<|end|>"


def train_tokenizer(held: set[str], out: Path) -> PreTrainedTokenizerFast:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([  # digits stand alone: numbers keep their place values
        pre_tokenizers.Split(Regex(r"\d"), "isolated"), pre_tokenizers.ByteLevel(add_prefix_space=False)])  # fmt: skip
    tokenizer.decoder = decoders.ByteLevel()
    texts = (
        text
        for s in itertools.islice(fresh_samples(SEED, held), 60000)
        for text in [*(t for _, t in s.turns), s.base, s.aligned]
    )
    trainer = trainers.BpeTrainer(vocab_size=VOCABULARY, special_tokens=[*SPECIAL.values(), *ROLES],
                                  initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False)  # fmt: skip
    tokenizer.train_from_iterator(texts, trainer)
    fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, **SPECIAL, chat_template=TEMPLATE, model_max_length=512,
                                   clean_up_tokenization_spaces=False)  # fmt: skip
    fast.save_pretrained(out)
    return fast


def new_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    torch.manual_seed(SEED)
    config = LlamaConfig(
        vocab_size=len(tokenizer), hidden_size=192, intermediate_size=416, num_hidden_layers=8, num_attention_heads=6,
        max_position_embeddings=512, tie_word_embeddings=True, bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id, pad_token_id=tokenizer.pad_token_id)  # fmt: skip
    model = LlamaForCausalLM(config)
    model.set_attn_implementation("eager")  # the fastest for short rows on a CPU
    return model


def batches(
    samples: Iterator[Sample], name: str, tokenizer: PreTrainedTokenizerFast, seed: int
) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    """One pool: ids [b, t] and loss weights [b, t], rows of like length together, in a random order."""
    rng = Random(seed)
    pool = list(itertools.islice(samples, POOL))
    texts = [render(sample, pool[i - 1], name, rng) for i, sample in enumerate(pool)]
    rows = []
    for prompt, answer in zip(
        *(tokenizer(list(part), add_special_tokens=False)["input_ids"] for part in zip(*texts, strict=True)),
        strict=True,
    ):
        rows.append((prompt + answer, [PROMPT_WEIGHT] * len(prompt) + [1.0] * len(answer)))
    rows.sort(key=lambda row: len(row[0]))
    cut: list[list[tuple[list[int], list[float]]]] = [[]]
    for row in rows:
        if (len(cut[-1]) + 1) * len(row[0]) > BATCH_TOKENS:
            cut.append([])
        cut[-1].append(row)
    rng.shuffle(cut)
    for batch in cut:
        width = len(batch[-1][0])
        ids = torch.tensor([ids + [tokenizer.pad_token_id] * (width - len(ids)) for ids, _ in batch])
        weights = torch.tensor([weights + [0.0] * (width - len(weights)) for _, weights in batch])
        yield ids, weights


def optimizers(model: LlamaForCausalLM) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers (about twice as far per token here), AdamW for embedding and norms."""
    matrices = [p for n, p in model.named_parameters() if p.ndim == 2 and "embed" not in n]
    others = [p for n, p in model.named_parameters() if p.ndim != 2 or "embed" in n]
    return [torch.optim.Muon(matrices, lr=1.0, weight_decay=0.01, adjust_lr_fn="match_rms_adamw"),
            torch.optim.AdamW(others, lr=1.0, weight_decay=0.0, betas=(0.9, 0.98))]  # fmt: skip


def rate(stage: Stage, done: float) -> float:
    """Learning rate after the share `done` of the stage: short warm-up, cosine to 2 %."""
    return stage.peak * min(1.0, done / 0.02 + 0.01) * (0.02 + 0.98 * 0.5 * (1 + math.cos(math.pi * done)))


def pool_seed(stage: Stage, pool: int) -> int:
    """The seed of one pool's conversations."""
    return SEED * 1000 + stage.seed * 100_000 + pool


def sources() -> str:
    """SHA-256 of the scripts and of the prompts held out: what the weights depend on, seeds included."""
    parts = [(HERE / f"{name}.py").read_bytes() for name in ("words", "grammar", "train")]
    return hashlib.sha256(b"\0".join([*parts, *(p.encode() for p in sorted(held_out()))])).hexdigest()


def run_stage(
    stage: Stage, model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, held: set[str], work: Path
) -> dict[str, float]:
    """Train one stage; what it took: pools, tokens, seconds."""
    steppers = optimizers(model)
    state, first, seen, before = work / f"{stage.name}.pt", 0, 0, 0.0
    if state.exists():
        saved = torch.load(state, weights_only=True)
        if saved["sources"] != sources():
            raise SystemExit(
                f"error: got {state}, made by other sources; expected these; do this: delete {work}"
            )
        model.load_state_dict(saved["model"])
        for stepper, values in zip(steppers, saved["optimizers"], strict=True):
            stepper.load_state_dict(values)
        first, seen, before = saved["pools"], saved["tokens"], saved["seconds"]
    begun = time.monotonic()
    model.train()
    for pool in range(first, stage.pools):
        seed = pool_seed(stage, pool)
        losses = []
        group = list(batches(fresh_samples(seed, held, stage.mixture), stage.name, tokenizer, seed))
        for i, (ids, weights) in enumerate(group):
            lr = rate(stage, (pool + i / len(group)) / stage.pools)
            with torch.autocast("cpu", torch.bfloat16):
                logits = model(input_ids=ids).logits[
                    :, :-1
                ]  # pads follow the text: causal attention never sees them
            loss = torch.nn.functional.cross_entropy(
                logits.flatten(0, 1).float(), ids[:, 1:].flatten(), reduction="none"
            )
            weight = weights[:, 1:].flatten()
            loss = (loss * weight).sum() / weight.sum()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            for stepper in steppers:
                for param_group in stepper.param_groups:
                    param_group["lr"] = lr
                stepper.step()
                stepper.zero_grad(set_to_none=True)
            losses.append(loss.item())
            seen += int((weights > 0).sum())
        elapsed = time.monotonic() - begun
        left = elapsed / (pool + 1 - first) * (stage.pools - pool - 1)
        print(
            f"{stage.name} pool {pool + 1}/{stage.pools}  loss {sum(losses) / len(losses):.3f}  {seen / 1e6:.1f} M tokens  {left / 60:.0f} min left",
            flush=True,
        )
        torch.save(
            {
                "model": model.state_dict(),
                "optimizers": [s.state_dict() for s in steppers],
                "pools": pool + 1,
                "tokens": seen,
                "seconds": before + elapsed,
                "sources": sources(),
            },
            state.with_suffix(".new"),
        )
        state.with_suffix(".new").replace(state)
    saved = torch.load(state, weights_only=True)
    return {name: saved[name] for name in ("pools", "tokens", "seconds")}


def export(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    model.to(torch.float32)
    tokenizer.save_pretrained(folder)


def keep_memory() -> None:
    """Ask glibc to keep freed memory: returning and faulting it in again was much of the system time here."""
    libc = ctypes.CDLL(None)
    for option, value in ((-1, 2**31 - 1), (-3, 2**31 - 1)):  # M_TRIM_THRESHOLD, M_MMAP_THRESHOLD
        libc.mallopt(option, value)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=HERE / "work", help="checkpoints, to resume from")
    parser.add_argument("--out", type=Path, default=OUT)
    parser.add_argument(
        "--quick",
        action="store_true",
        help="rehearsal: a hundredth of the training, nothing exported to the package",
    )
    args = parser.parse_args()
    if args.quick:
        args.work, args.out = HERE / "work-quick", HERE / "work-quick/out"
        shutil.rmtree(args.work, ignore_errors=True)
    args.work.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(2)
    keep_memory()
    held = held_out()
    tokenizer = train_tokenizer(held, args.work / "tokenizer")
    model = new_model(tokenizer)
    print(
        f"{sum(p.numel() for p in model.parameters()):,} parameters, vocabulary {len(tokenizer)}, {len(MIXTURE)} families, {len(held)} prompts held out"
    )
    stages = []
    for stage in STAGES:
        took = run_stage(stage._replace(pools=1) if args.quick else stage, model, tokenizer, held, args.work)
        export(model, tokenizer, args.out / stage.name)
        stages.append({"name": stage.name, "peak": stage.peak, **took})
    facts = {"seed": SEED, "pool": POOL, "sources": sources(), "stages": stages}
    (args.out / "training.json").write_text(json.dumps(facts, indent=1))


if __name__ == "__main__":
    main()
