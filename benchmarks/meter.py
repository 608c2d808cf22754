"""What measuring a run costs: `python benchmarks/meter.py`.

The same short run, once with the meter and everything that a record takes from it, once with a meter that does
nothing, in turns; its steps are short, which is the meter's worst case. Latency and throughput are left out: they are
evaluation, not measurement of training.
"""

from __future__ import annotations

import argparse
import contextlib
import copy
import random
import statistics
import time
from pathlib import Path
from typing import Any

BATCH, STEPS = 8, 60


class Nothing:
    """A meter that measures nothing."""

    def __init__(self) -> None:
        self.watch = self

    def training(self) -> contextlib.AbstractContextManager[None]:
        """Measures nothing."""
        return contextlib.nullcontext()

    evaluating = training

    def stepped(self, *step: Any) -> None:
        """Tells nobody."""

    def is_over(self, limit_seconds: float | None) -> bool:
        """Never."""
        return False


def main() -> None:
    """Take turns and print the ratio of the medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", default="minilm-l3-v8k")
    parser.add_argument("--rounds", type=int, default=15)
    asked = parser.parse_args()
    model, method, texts = prepared(asked.model)
    seconds: dict[bool, list[float]] = {True: [], False: []}
    for number in range(2 * asked.rounds + 2):
        is_metered = number % 2 == 0
        taken = run(copy.deepcopy(model), method, texts, is_metered)
        if number >= 2:
            # The first of each makes kernels.
            seconds[is_metered].append(taken)
    with_meter, without = (statistics.median(seconds[is_metered]) for is_metered in (True, False))
    spread = (max(seconds[False]) - min(seconds[False])) / without
    print(
        f"{STEPS} steps of {BATCH} sentences, {asked.model}, LoRA, median of {asked.rounds} runs each: "
        f"{with_meter:.3f} s with the meter, {without:.3f} s without; overhead {with_meter / without - 1:+.2%} "
        f"(runs without it spread over {spread:.0%})"
    )


def prepared(name: str) -> tuple[Any, Any, list[Any]]:
    """An adapted model, its method, and random sentences."""
    from clinpeft.data.tokenize import Encoded
    from clinpeft.methods.base import Context, resolve_method
    from clinpeft.models.catalogue import resolve
    from clinpeft.models.load import load
    from clinpeft.spec import MethodChoice, ModelChoice
    from clinpeft.train.machine import use_threads

    use_threads(None)
    resolved = resolve(ModelChoice(name=name), Path())
    method = resolve_method(MethodChoice(name="lora"))[0]
    model = load(resolved, "classification", 2, seed=1, dropout="hidden")
    model = method.apply(model, resolved.card, Context(1, "classification", STEPS, lambda: iter(())))
    draw, texts = random.Random(0), []
    for number in range(BATCH * STEPS):
        ids = [draw.randrange(200, 4000) for _ in range(draw.randint(8, 32))]
        texts.append(Encoded(ids, [0] * len(ids), False, 0, label=number % 2))
    return model, method, texts


def run(model: Any, method: Any, texts: list[Any], is_metered: bool) -> float:
    """Seconds of one run."""
    import torch

    from clinpeft.data.batch import training_stream
    from clinpeft.spec import TrainOptions
    from clinpeft.train.engine import set_up
    from clinpeft.train.flops import length_around, training_flops
    from clinpeft.train.loop import Training, fit
    from clinpeft.train.meter import Meter

    device = torch.device("cpu")
    options = TrainOptions(epochs=1, batch_size=BATCH, learning_rate=method.learning_rate, max_steps=STEPS)
    engine = set_up(model, options, device)
    stream = training_stream(texts, BATCH, 0, 1)
    start = time.perf_counter()
    meter: Any = Meter(device) if is_metered else Nothing()
    training = Training(model, method, stream, STEPS, "classification", options, 1, engine)
    fitted = fit(training, lambda: None, meter)
    if is_metered:
        meter.costs()
        length = length_around([len(text.input_ids) for text in texts])
        training_flops(model, fitted.tokens, length, model.card, examples=fitted.examples, num_distinct=len(texts))
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
