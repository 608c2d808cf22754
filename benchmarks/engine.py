"""How fast a run trains here, beside transformers' Trainer: `python benchmarks/engine.py`.

Every arm trains the same module on the same examples for the same number of optimiser steps, batch size and seed, in a
process of its own; the arms take turns, so that a machine that slows down slows all of them. Times are of whole
training runs: the first steps count, loading the model and scoring do not.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

BATCH = 32
ARMS = {
    "trainer-study": "(a) Trainer as the 2024 study sets it: fp32, random batches, dropout 0.1",
    "trainer-best": "(b) Trainer, best flags: bf16, grouped by length, best attention",
    "trainer-best-no-attention-dropout": "(c) as (b), attention dropout 0",
    "clinpeft": "clinpeft",
}


@dataclass(frozen=True)
class Case:
    """What is trained: a model, a method, texts, and for how many steps."""

    model: str
    method: str
    texts: str
    steps: int


def cases(scale: float) -> list[Case]:
    """The rows of the table; `scale` shortens every run."""
    steps = {"notes": max(2, round(3 * scale)), "sentences": max(8, round(40 * scale))}
    models = [("minilm-l6", "lora"), ("minilm-l6", "full"), ("minilm-l3-v8k", "lora"), ("minilm-l2-v4k", "lora")]
    return [Case(model, method, texts, steps[texts]) for texts in steps for model, method in models]


def main() -> None:
    """Run every arm of every case in turn and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the open corpora")
    parser.add_argument("--rounds", type=int, default=3, help="how often the arms take turns")
    parser.add_argument("--scale", type=float, default=1.0, help="length of every run")
    parser.add_argument("--only", default="", help="cases whose name holds this, for example minilm-l6:lora:notes")
    parser.add_argument("--arm", help="(internal) run one arm of one case and print what it took as JSON")
    asked = parser.parse_args()
    if asked.arm is not None:
        print(json.dumps(run_arm(asked.arm, Case(*json.loads(asked.only)), asked.data)))
        return
    chosen = [case for case in cases(asked.scale) if asked.only in f"{case.model}:{case.method}:{case.texts}"]
    print(heading(), flush=True)
    for case in chosen:
        results: dict[str, list[dict[str, float]]] = {arm: [] for arm in ARMS}
        for _ in range(asked.rounds):
            for arm in ARMS:
                results[arm].append(in_own_process(arm, case, asked.data))
        print(section(case, results), flush=True)


def in_own_process(arm: str, case: Case, data: Path) -> dict[str, float]:
    """What the arm took, measured in a fresh interpreter."""
    case_words = json.dumps([case.model, case.method, case.texts, case.steps])
    command = [sys.executable, __file__, "--data", str(data), "--arm", arm, "--only", case_words]
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    measured: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return measured


def run_arm(arm: str, case: Case, data: Path) -> dict[str, float]:
    """Train once; seconds, real word pieces, peak memory and the validation AUROC after the last step."""
    import torch

    from clinpeft.methods.base import Context, resolve_method
    from clinpeft.models.catalogue import resolve
    from clinpeft.models.load import load
    from clinpeft.spec import MethodChoice, ModelChoice
    from clinpeft.train.flops import training_flops
    from clinpeft.train.machine import use_threads
    from clinpeft.train.meter import Meter

    use_threads(None)
    resolved = resolve(ModelChoice(name=case.model), Path())
    train, validation, pad_id = texts_of(case, data, resolved.folder)
    case = replace(case, steps=len(train) // BATCH)
    method = resolve_method(MethodChoice(name=case.method))[0]
    model = load(resolved, "classification", 2, seed=1, dropout="hidden" if arm == "clinpeft" else "none")
    model = method.apply(model, resolved.card, Context(1, "classification", case.steps, lambda: iter(())))
    meter = Meter(torch.device("cpu"))
    start = time.monotonic()
    fit_arm = fit_clinpeft if arm == "clinpeft" else fit_trainer
    precision = fit_arm(arm, case, model, method, train, pad_id, meter)
    seconds = time.monotonic() - start
    tokens = sum(len(item.input_ids) for item in train)
    mean_square = sum(len(item.input_ids) ** 2 for item in train) / tokens
    peak = meter.costs()["peak_host_bytes"].value
    assert peak is not None
    return {
        "seconds": seconds,
        "tokens": tokens,
        "examples": len(train),
        "flops": training_flops(model, tokens, mean_square, resolved.card).value or 0.0,
        "peak_bytes": peak,
        "auroc": auroc(model, validation, pad_id, precision),
    }


def fit_clinpeft(arm: str, case: Case, model: Any, method: Any, train: Any, pad_id: int, meter: Any) -> str:
    """As `clinpeft run` does."""
    from clinpeft.data.batch import training_stream
    from clinpeft.spec import TrainOptions
    from clinpeft.train.engine import set_up
    from clinpeft.train.loop import Training, fit

    options = TrainOptions(epochs=1, batch_size=BATCH, learning_rate=method.learning_rate, max_steps=case.steps)
    engine = set_up(model, options, meter.device)
    stream = training_stream(train, BATCH, pad_id, 1)
    training = Training(model, method, stream, case.steps, "classification", options, 1, engine)
    fit(training, lambda: None, meter)
    return engine.precision


def fit_trainer(arm: str, case: Case, model: Any, method: Any, train: Any, pad_id: int, meter: Any) -> str:
    """The same module under transformers' Trainer."""
    fit_trainer_on(
        arm,
        model,
        method,
        train,
        pad_id,
        kind="classification",
        steps=case.steps,
        batch_size=BATCH,
        seed=1,
        device=meter.device.type,
    )
    return "fp32" if arm == "trainer-study" else os.environ.get("TRAINER_PRECISION", "bf16")


def fit_trainer_on(
    arm: str,
    model: Any,
    method: Any,
    train: Any,
    pad_id: int,
    *,
    kind: Any,
    steps: int,
    batch_size: int,
    seed: int,
    device: str = "cpu",
) -> None:
    """Train by transformers' Trainer, with the dropout that the model's configuration has."""
    import torch
    from transformers import Trainer, TrainingArguments

    from clinpeft.data.batch import collate
    from clinpeft.train.loss import loss_of

    is_best, reduced = arm != "trainer-study", os.environ.get("TRAINER_PRECISION", "bf16")
    restore_dropout(model, on_attention=not arm.endswith("no-attention-dropout"))

    class WithLoss(torch.nn.Module):
        """What Trainer wants of a model."""

        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, batch: Any) -> dict[str, Any]:
            batch = batch.to(device)
            logits = self.model(batch)
            return {"loss": loss_of(logits, batch, kind, None), "logits": logits}

    rows = [{"index": index, "input_ids": item.input_ids} for index, item in enumerate(train)]
    with tempfile.TemporaryDirectory() as folder:
        arguments = TrainingArguments(
            output_dir=folder,
            max_steps=steps,
            per_device_train_batch_size=batch_size,
            learning_rate=method.learning_rate,
            weight_decay=0.01,
            warmup_steps=max(1, round(0.06 * steps)),
            bf16=is_best and reduced == "bf16",
            fp16=is_best and reduced == "fp16",
            train_sampling_strategy="group_by_length" if is_best else "random",
            dataloader_num_workers=int(os.environ.get("TRAINER_WORKERS", "0")) if is_best else 0,
            use_cpu=device == "cpu",
            seed=seed,
            report_to=[],
            save_strategy="no",
            logging_strategy="no",
            disable_tqdm=True,
            remove_unused_columns=False,
        )
        trainer = Trainer(
            WithLoss(),
            arguments,
            train_dataset=rows,
            data_collator=lambda batch: {"batch": collate(train, [row["index"] for row in batch], pad_id)},
            optimizers=(torch.optim.AdamW(method.parameter_groups(model, method.learning_rate, 3e-3, 0.01)), None),
        )
        trainer.train()


def restore_dropout(model: Any, *, on_attention: bool) -> None:
    """Give the backbone back what clinpeft takes: torch's attention, and dropout of 0.1 there, on states and LoRA."""
    import torch

    base = model.backbone.get_base_model() if hasattr(model.backbone, "get_base_model") else model.backbone
    base.config._attn_implementation = os.environ.get("TRAINER_ATTENTION", "sdpa")
    for name, module in list(base.named_modules()):
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.1 if on_attention or not name.endswith("self.dropout") else 0.0
        if name.endswith("lora_dropout"):
            module["default"] = torch.nn.Dropout(0.1)


def auroc(model: Any, validation: Any, pad_id: int, precision: Any) -> float:
    """On held-out texts, after the last step."""
    from sklearn.metrics import roc_auc_score

    from clinpeft.train.evaluate import predict_scores

    scores = predict_scores(model, validation, "classification", pad_id, precision)
    return float(roc_auc_score([item.label for item in validation], scores[:, 1]))


def texts_of(case: Case, data: Path, model: Path) -> tuple[list[Any], list[Any], int]:
    """As many training texts as the steps take, or as there are, 200 others, and the tokenizer's padding."""
    import random

    from transformers import AutoTokenizer

    from clinpeft.data.tokenize import Encoded

    tokenizer = AutoTokenizer.from_pretrained(model, local_files_only=True)
    texts, shortest, longest = (notes(data), 300, None) if case.texts == "notes" else (sentences(data), 0, 32)
    encoded = []
    for text, label in texts:
        ids = tokenizer(text, truncation=True, max_length=512)["input_ids"]
        if len(ids) >= shortest and (longest is None or len(ids) <= longest):
            encoded.append(Encoded(ids, [0] * len(ids), False, 0, label=label))
    random.Random(0).shuffle(encoded)
    num_steps = min(case.steps, (len(encoded) - 200) // BATCH)
    return encoded[: BATCH * num_steps], encoded[-200:], int(tokenizer.pad_token_id)


def notes(data: Path) -> Iterator[tuple[str, int]]:
    """Transcribed notes: is it a surgeon's?"""
    with gzip.open(data / "mtsamples" / "mtsamples.jsonl.gz", "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            yield row["text"], int("Surgery" in row["specialties"])


def sentences(data: Path) -> Iterator[tuple[str, int]]:
    """Sentences of case reports: does it tell of an adverse event?"""
    for line in (data / "phee" / "train.json").read_text(encoding="utf-8").splitlines():
        row = json.loads(line)
        yield row["context"], int(row["annotations"][0]["events"][0]["event_type"] == "Adverse_event")


def heading() -> str:
    """What the table was measured on."""
    import torch
    import transformers

    from clinpeft.train.machine import describe_machine, use_threads

    use_threads(None)
    machine = describe_machine(torch.device("cpu"), "fp32", BATCH)
    peaks = ", ".join(f"{name} {matrix_rate(kind):,.0f}" for name, kind in MATRIX_KINDS(torch).items())
    return (
        f"Measured on {machine.cpu}, {machine.cores} cores, torch {torch.__version__}, transformers "
        f"{transformers.__version__}. A matrix product of a layer's size reaches here, in GFLOP/s: {peaks}.\n"
    )


def MATRIX_KINDS(torch: Any) -> dict[str, Any]:  # noqa: N802
    """Number formats whose matrix products are timed."""
    return {"fp32": torch.float32, "bf16": torch.bfloat16}


def matrix_rate(kind: Any) -> float:
    """GFLOP/s of [4096, 384] x [384, 1536], the best of many."""
    import torch

    left, right = torch.randn(4096, 384).to(kind), torch.randn(384, 1536).to(kind)
    product = torch.empty(4096, 1536, dtype=kind)
    seconds = [timed(lambda: torch.mm(left, right, out=product)) for _ in range(200)]
    return 2 * 4096 * 384 * 1536 / min(seconds) / 1e9


def timed(work: Callable[[], Any]) -> float:
    """Seconds."""
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def section(case: Case, results: dict[str, list[dict[str, float]]]) -> str:
    """The table of one case: medians over the rounds, and how many times faster clinpeft is."""
    first, num_rounds = results["clinpeft"][0], len(results["clinpeft"])
    length = first["tokens"] / first["examples"]
    lines = [
        f"## {case.model}, {case.method}, {case.texts}\n",
        f"{first['examples'] / BATCH:.0f} steps of {BATCH} examples, {length:.0f} word pieces on average; median of "
        f"{num_rounds} rounds (lowest to highest).\n",
        "| | seconds | examples/s | word pieces/s | useful GFLOP/s | peak memory, GB | AUROC | clinpeft is faster |",
        "|---|---|---|---|---|---|---|---|",
    ]
    own = statistics.median(item["seconds"] for item in results["clinpeft"])
    for arm, items in results.items():
        times = [item["seconds"] for item in items]
        middle, first = statistics.median(times), items[0]
        memory = statistics.median(item["peak_bytes"] for item in items) / 1e9
        lines.append(
            f"| {ARMS[arm]} | {middle:.1f} ({min(times):.1f} to {max(times):.1f}) | {first['examples'] / middle:.1f} | "
            f"{first['tokens'] / middle:,.0f} | {first['flops'] / middle / 1e9:.0f} | {memory:.2f} | "
            f"{first['auroc']:.3f} | {'' if arm == 'clinpeft' else f'{middle / own:.1f} ×'} |"
        )
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    main()
