"""How long the statistics of a study take: `python benchmarks/intervals.py > docs/benchmarks/intervals.md`.

Sixty runs with 1,000 predictions each, 2,000 resamples of the subjects: the headline metric of every run with its
interval, all differences between the runs with intervals that hold for all pairs together, and the closer look at one
run. Then every metric of every run, as it is done once at the end of each run.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import numpy as np

from clinpeft.metrics.base import METRICS, Predictions
from clinpeft.metrics.calibration import calibration
from clinpeft.metrics.compare import Sampled, compare
from clinpeft.metrics.intervals import resampled, scores
from clinpeft.metrics.net_benefit import decision_curve
from clinpeft.metrics.operating_point import operating_point
from clinpeft.metrics.outcomes import outcomes
from clinpeft.metrics.precision_recall import precision_recall
from clinpeft.metrics.thresholds import metrics_for

NUM_RUNS, NUM_EXAMPLES, NUM_RESAMPLES = 60, 1_000, 2_000
NOTES_PER_SUBJECT = 3


def main() -> None:
    """Print the page."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    workers = parser.parse_args().workers
    runs = [predictions(seed) for seed in range(NUM_RUNS)]
    with ThreadPoolExecutor(workers) as pool:
        rows = [
            ("AUROC of every run, resampled", lambda: list(pool.map(sampled, runs))),
            ("all 1,770 differences, simultaneous intervals", lambda: compare([sampled_quickly(run) for run in runs])),
            ("the closer look at one run", lambda: closer(runs[0])),
            (f"all {len(metrics_for('classification', 2))} metrics of every run", lambda: list(pool.map(scored, runs))),
        ]
        print(f"# The statistics of {NUM_RUNS} runs\n")
        subjects = len(set(runs[0].subjects))
        print(f"{NUM_EXAMPLES:,} predictions a run, {NUM_RESAMPLES:,} resamples of {subjects} subjects,")
        print(f"{workers} threads, {os.cpu_count()} cores. Written by `benchmarks/intervals.py`.\n")
        print("| what | seconds |\n|---|---|")
        for what, task in rows:
            print(f"| {what} | {seconds(task):.1f} |", flush=True)


def predictions(seed: int) -> Predictions:
    """One run's answers on the same subjects as every other's."""
    truth, noise = np.random.default_rng(0), np.random.default_rng(seed)
    gold = (truth.random(NUM_EXAMPLES) < 0.3).astype(np.int64)
    logit = 1.3 * gold - 1 + noise.normal(size=NUM_EXAMPLES)
    positive = 1 / (1 + np.exp(-logit))
    subjects = tuple(f"s{number // NOTES_PER_SUBJECT:04}" for number in range(NUM_EXAMPLES))
    scores_of = np.stack([1 - positive, positive], axis=1)
    return Predictions("classification", ("no", "yes"), subjects, gold=gold, scores=scores_of, positive=1)


def sampled(run: Predictions) -> Sampled:
    """The headline metric under every resample."""
    found = resampled(METRICS.get("auroc")(), run, num_resamples=NUM_RESAMPLES)
    assert found is not None
    return Sampled((0,), np.array([found[0]]), found[1][None, :])


def sampled_quickly(run: Predictions) -> Sampled:
    """Stand-ins of the same shape, so that the comparison is timed alone."""
    draws = np.random.default_rng(int(run.scores[0, 0] * 1e9)).normal(0.8, 0.01, (1, NUM_RESAMPLES))
    return Sampled((0,), draws.mean(axis=1), draws)


def closer(run: Predictions) -> None:
    """What the report works out for a recommended configuration."""
    (outcome,) = outcomes(run)
    for look in (calibration, precision_recall, decision_curve, operating_point):
        look(outcome)


def scored(run: Predictions) -> None:
    """All metrics that are reported for a task with two classes."""
    scores(metrics_for("classification", 2), run, num_resamples=NUM_RESAMPLES)


def seconds(task: Callable[[], object]) -> float:
    start = time.perf_counter()
    task()
    return time.perf_counter() - start


if __name__ == "__main__":
    main()
