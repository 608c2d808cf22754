"""How fast a run trains on a GPU, beside transformers' Trainer with its best flags: `benchmarks/gpu.sh`.

Arms and rules are those of benchmarks/engine.py: the same module, examples, steps, batch size and seed, each arm in a
process of its own, in turns; whole training runs, the first steps included. Texts are random word pieces of clinical
lengths and weights are random, so that nothing has to be downloaded: speed and memory depend on neither.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from typing import Any

from engine import ARMS, BATCH, Case, fit_clinpeft, fit_trainer, timed

GPU_ARMS = ("trainer-best", "trainer-best-no-attention-dropout", "clinpeft")
MODELS = {
    "minilm-l6": {"hidden_size": 384, "num_hidden_layers": 6, "num_attention_heads": 12, "intermediate_size": 1536},
    "bert-base": {"hidden_size": 768, "num_hidden_layers": 12, "num_attention_heads": 12, "intermediate_size": 3072},
    "1b": {"hidden_size": 1792, "num_hidden_layers": 25, "num_attention_heads": 28, "intermediate_size": 7168},
}
"""BERTs by their sizes; the last has 1.02 billion parameters."""
LENGTHS = {"notes": (300, 512), "sentences": (8, 32)}
"""Shortest and longest text in word pieces."""
STEPS = {"notes": 30, "sentences": 100}


def main() -> None:
    """Run every arm of every case in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="how often the arms take turns")
    parser.add_argument("--scale", type=float, default=1.0, help="length of every run")
    parser.add_argument("--only", default="", help="cases whose name holds this, for example 1b:lora:notes")
    parser.add_argument("--arm", help="(internal) run one arm of one case and print what it took as JSON")
    asked = parser.parse_args()
    device = gpu()
    if asked.arm is not None:
        print(json.dumps(run_arm(asked.arm, Case(*json.loads(asked.only)), device)))
        return
    peaks = matrix_peaks(device)
    print(heading(device, peaks), flush=True)
    for case in cases(asked.scale):
        if asked.only in f"{case.model}:{case.method}:{case.texts}":
            rounds = [{arm: in_own_process(arm, case) for arm in GPU_ARMS} for _ in range(asked.rounds)]
            print(section(case, rounds, peaks), flush=True)


def cases(scale: float) -> list[Case]:
    """The rows of the table; `scale` shortens every run."""
    return [
        Case(model, method, texts, max(2, round(steps * scale)))
        for model in MODELS
        for method in ("lora", "full")
        for texts, steps in STEPS.items()
    ]


def gpu() -> Any:
    """The device. Ends with one line where there is none."""
    from clinpeft.train.machine import pick_device

    device = pick_device()
    if device.type != "cuda":
        sys.exit("benchmarks/gpu.py: no CUDA GPU here that this build of torch can use; nothing was measured")
    return device


def in_own_process(arm: str, case: Case) -> dict[str, Any] | None:
    """What the arm took, measured in a fresh interpreter; None when the GPU's memory did not suffice."""
    case_words = json.dumps([case.model, case.method, case.texts, case.steps])
    command = [sys.executable, __file__, "--arm", arm, "--only", case_words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, Any] | None = json.loads(done.stdout.splitlines()[-1])
    return measured


def run_arm(arm: str, case: Case, device: Any) -> dict[str, Any] | None:
    """Train once; seconds, word pieces, FLOPs and the most memory that was allocated on the GPU."""
    import torch

    from clinpeft.methods.base import Context, resolve_method
    from clinpeft.spec import MethodChoice
    from clinpeft.train.flops import length_around, training_flops
    from clinpeft.train.meter import Meter
    from clinpeft.train.precision import choose_precision

    # Trainer gets the format that clinpeft finds best here.
    os.environ["TRAINER_PRECISION"] = choose_precision("auto", device)
    method = resolve_method(MethodChoice(name=case.method))[0]
    model = random_model(case.model)
    model = method.apply(model, model.card, Context(1, "classification", case.steps, lambda: iter(())))
    train = random_texts(case)
    lengths = [len(item.input_ids) for item in train]
    meter = Meter(device)
    start = time.monotonic()
    try:
        fit_arm = fit_clinpeft if arm == "clinpeft" else fit_trainer
        precision = fit_arm(arm, case, model, method, train, 0, meter)
        torch.cuda.synchronize(device)
    except torch.OutOfMemoryError:
        return None
    seconds = time.monotonic() - start
    flops = training_flops(model, sum(lengths), length_around(lengths), model.card, examples=len(train))
    return {
        "seconds": seconds,
        "tokens": sum(lengths),
        "examples": len(train),
        "flops": flops.value or 0.0,
        "peak_bytes": meter.costs()["peak_device_bytes"].value or 0.0,
        "precision": precision,
    }


def random_model(name: str) -> Any:
    """A BERT of the model's sizes with a new head, as models.load makes one."""
    import torch
    from transformers import AutoModel, BertConfig

    from clinpeft.models.catalogue import card_from_config
    from clinpeft.models.dropout import configure_dropout
    from clinpeft.models.load import ClinicalModel, Head

    config = BertConfig(vocab_size=30_522, **MODELS[name])
    configure_dropout(config, "none")
    card = card_from_config(name, config.to_dict(), name)
    torch.manual_seed(1)
    backbone = AutoModel.from_config(config, attn_implementation="sdpa")
    return ClinicalModel(backbone, Head("first", card.hidden_size, 2, has_pooler=False), card)


def random_texts(case: Case) -> list[Any]:
    """As many as the steps take."""
    from clinpeft.data.tokenize import Encoded

    draw = random.Random(0)
    shortest, longest = LENGTHS[case.texts]
    texts = []
    for number in range(BATCH * case.steps):
        ids = [draw.randrange(1000, 30_000) for _ in range(draw.randint(shortest, longest))]
        texts.append(Encoded(ids, [0] * len(ids), False, 0, label=number % 2))
    return texts


def matrix_peaks(device: Any) -> dict[str, float]:
    """FLOP/s of a large matrix product, the best of many, by number format."""
    import torch

    def product(left: Any, right: Any) -> None:
        torch.mm(left, right)
        torch.cuda.synchronize(device)

    peaks = {}
    for name, kind in {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}.items():
        left, right = (torch.randn(4096, 4096, device=device).to(kind) for _ in range(2))
        peaks[name] = 2 * 4096**3 / min(timed(lambda left=left, right=right: product(left, right)) for _ in range(30))
    return peaks


def heading(device: Any, peaks: dict[str, float]) -> str:
    """What the table was measured on."""
    import torch
    import transformers

    measured = ", ".join(f"{name} {rate / 1e12:,.0f}" for name, rate in peaks.items())
    return (
        f"Measured on {torch.cuda.get_device_name(device)}, torch {torch.__version__}, transformers "
        f"{transformers.__version__}. A matrix product of 4096 × 4096 reaches here, in TFLOP/s: {measured}.\n"
    )


def section(case: Case, rounds: list[dict[str, dict[str, Any] | None]], peaks: dict[str, float]) -> str:
    """The table of one case: medians over the rounds, share of the peak, and how many times faster clinpeft is."""
    lines = [
        f"## {case.model}, {case.method}, {case.texts}\n",
        f"{case.steps} steps of {BATCH} examples; median of {len(rounds)} rounds (lowest to highest).\n",
        "| | format | seconds | examples/s | word pieces/s | share of peak | peak memory, GB | clinpeft is faster |",
        "|---|---|---|---|---|---|---|---|",
    ]
    own = [result["seconds"] for each in rounds if (result := each["clinpeft"])]
    for arm in GPU_ARMS:
        results = [result for each in rounds if (result := each[arm])]
        if not results:
            lines.append(f"| {ARMS[arm]} | | the GPU's memory did not suffice | | | | | |")
            continue
        seconds, first = [result["seconds"] for result in results], results[0]
        middle = statistics.median(seconds)
        share = first["flops"] / middle / peaks[str(first["precision"])]
        faster = f"{middle / statistics.median(own):.1f} ×" if own and arm != "clinpeft" else ""
        lines.append(
            f"| {ARMS[arm]} | {first['precision']} | {middle:.1f} ({min(seconds):.1f} to {max(seconds):.1f}) | "
            f"{first['examples'] / middle:.0f} | {first['tokens'] / middle:,.0f} | {share:.0%} | "
            f"{max(result['peak_bytes'] for result in results) / 1e9:.2f} | {faster} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
