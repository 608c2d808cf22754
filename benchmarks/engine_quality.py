"""Does speed cost quality? `python benchmarks/engine_quality.py`.

The same model, examples, steps, rates and seeds by clinpeft's loop and by transformers' Trainer with its best flags
(benchmarks/engine.py says which), scored alike on validation; a paired difference for every task and seed.
"""

from __future__ import annotations

import argparse
import math
import statistics
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parent))
from engine import fit_trainer_on, heading

TASKS = ("ncbi-disease", "chemprot-sentence", "bc5cdr")
"""Those of the open corpora whose validation split is large enough for half a point to show."""
NUM_TRAIN, EPOCHS, BATCH, LENGTH = 2048, 5, 16, 128


@dataclass(frozen=True)
class Pair:
    """Validation scores of one task and seed."""

    task: str
    seed: int
    clinpeft: float
    trainer: float


def main() -> None:
    """Train every pair and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default=Path("../shared/data"), help="the open corpora")
    parser.add_argument("--model", default="minilm-l6")
    parser.add_argument("--method", default="lora")
    parser.add_argument("--seeds", type=int, default=5)
    asked = parser.parse_args()
    pairs = []
    with tempfile.TemporaryDirectory() as folder:
        for task in TASKS:
            prepared = prepare(task, asked.data, Path(folder), asked.model)
            for seed in range(1, asked.seeds + 1):
                scores = [score_of(arm, prepared, asked.method, seed) for arm in ("clinpeft", "trainer-best")]
                pairs.append(Pair(task, seed, *scores))
                print(pairs[-1], file=sys.stderr, flush=True)
    print(heading())
    print(table(pairs, asked.model, asked.method))


@dataclass(frozen=True)
class Prepared:
    """A task's examples, ready for one model."""

    card: Any
    resolved: Any
    encoder: Any
    splits: dict[str, Any]
    encoded: dict[str, Any]


def prepare(task: str, data: Path, folder: Path, model: str) -> Prepared:
    """Build the dataset, draw the training examples, encode them."""
    from transformers import AutoTokenizer

    from clinpeft.data.build import build_task
    from clinpeft.data.select import examples_of
    from clinpeft.data.tokenize import Encoder
    from clinpeft.models.catalogue import resolve
    from clinpeft.spec import ModelChoice, Subset
    from clinpeft.tasks.base import TASKS as REGISTERED
    from clinpeft.train.machine import use_threads

    use_threads(None)
    dataset = build_task(REGISTERED.get(task)(), task, data, folder)
    resolved = resolve(ModelChoice(name=model), Path())
    tokenizer = AutoTokenizer.from_pretrained(resolved.folder, local_files_only=True)
    encoder = Encoder(tokenizer, dataset.card, max_length=LENGTH, long_text="truncate", has_token_types=True)
    splits = examples_of(dataset, Subset(total=NUM_TRAIN, seed=1), None)
    encoded = {name: encoder.encode(splits[name]) for name in ("train", "validation")}
    return Prepared(dataset.card, resolved, encoder, splits, encoded)


def score_of(arm: str, prepared: Prepared, method_name: str, seed: int) -> float:
    """The task's headline metric on validation after the last step, in points (0 to 100)."""
    import torch

    from clinpeft.data.batch import training_stream
    from clinpeft.data.tokenize import num_outputs
    from clinpeft.methods.base import Context, resolve_method
    from clinpeft.metrics.base import METRICS
    from clinpeft.metrics.intervals import score
    from clinpeft.models.load import load
    from clinpeft.runs.scoring import predictor
    from clinpeft.spec import MethodChoice, TrainOptions
    from clinpeft.train.engine import set_up
    from clinpeft.train.loop import Training, fit
    from clinpeft.train.meter import Meter

    card, train = prepared.card, prepared.encoded["train"]
    method = resolve_method(MethodChoice(name=method_name))[0]
    options = TrainOptions(
        epochs=EPOCHS,
        batch_size=BATCH,
        learning_rate=method.learning_rate,
        max_length=LENGTH,
        early_stopping_patience=None,
    )
    steps = options.planned_steps(len(train))
    dropout: Any = "hidden" if arm == "clinpeft" else "none"
    model = load(prepared.resolved, card.kind, num_outputs(card), seed, dropout=dropout)
    model = method.apply(model, prepared.resolved.card, Context(seed, card.kind, steps, lambda: iter(())))
    pad_id = prepared.encoder.pad_id
    if arm == "clinpeft":
        engine = set_up(model, options, torch.device("cpu"))
        stream, meter = training_stream(train, BATCH, pad_id, seed), Meter(torch.device("cpu"))
        training = Training(model, method, stream, steps, card.kind, options, seed, engine)
        fitted = fit(training, lambda: None, meter)
        assert fitted.steps == steps, "both train as long"
    else:
        fit_trainer_on(arm, model, method, train, pad_id, kind=card.kind, steps=steps, batch_size=BATCH, seed=seed)
    predict = predictor(model, card, prepared.encoder, "bf16")
    predictions = predict(prepared.splits["validation"], prepared.encoded["validation"])
    value = score(METRICS.get(card.metric)(), predictions, num_resamples=0).value
    assert value is not None
    return 100 * value


def table(pairs: list[Pair], model: str, method: str) -> str:
    """Means by task and the paired difference with its interval."""
    differences = [pair.clinpeft - pair.trainer for pair in pairs]
    middle, low, high = interval(differences)
    lines = [
        f"{model}, {method}, {NUM_TRAIN} training examples, {EPOCHS} epochs of batches of {BATCH}, {LENGTH} word "
        f"pieces, {len({pair.seed for pair in pairs})} seeds. Validation scores after the last step, in points.\n",
        "| task | clinpeft | Trainer, best flags | difference [95 %] |",
        "|---|---|---|---|",
    ]
    for task in dict.fromkeys(pair.task for pair in pairs):
        own = [pair for pair in pairs if pair.task == task]
        by_task = interval([pair.clinpeft - pair.trainer for pair in own])
        means = [statistics.mean(getattr(pair, name) for pair in own) for name in ("clinpeft", "trainer")]
        lines.append(
            f"| {task} | {means[0]:.1f} | {means[1]:.1f} | {by_task[0]:+.2f} [{by_task[1]:+.2f}, {by_task[2]:+.2f}] |"
        )
    lines.append(f"| all {len(pairs)} pairs | | | {middle:+.2f} [{low:+.2f}, {high:+.2f}] |")
    return "\n".join(lines)


def interval(differences: list[float]) -> tuple[float, float, float]:
    """Mean with Student's 95 % interval, of two differences or more."""
    from scipy.stats import t

    middle = statistics.mean(differences)
    half = float(t.ppf(0.975, len(differences) - 1)) * statistics.stdev(differences) / math.sqrt(len(differences))
    return middle, middle - half, middle + half


if __name__ == "__main__":
    main()
