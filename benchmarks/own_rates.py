"""Is LoRA still special when every method has its own learning rate? `python benchmarks/own_rates.py DIR`.

Prints the tables of docs/findings/own-rates.md from a folder in which the study `own-rates` has run and whose test
labels were opened: each method on test at the one rate of all, and at the best of its own trials; LoRA against the
others, paired by subject and seed, with intervals that hold for all pairs of a task and arm together.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

Arm = Literal["one rate", "own rate"]
ARMS: tuple[Arm, ...] = ("one rate", "own rate")
LORA = "lora"


@dataclass(frozen=True)
class Cell:
    """A method on a task and model, in one of the two arms, on test."""

    task: str
    model: str
    method: str
    arm: Arm
    rate: float
    sampled: Any
    """Its seeds' scores under the same resamples of the subjects (metrics.compare.Sampled)."""

    @property
    def words(self) -> str:
        """Mean over seeds, lowest and highest seed, in points."""
        values = [100 * float(value) for value in self.sampled.values]
        return f"{statistics.fmean(values):.1f} ({min(values):.1f} to {max(values):.1f})"


@dataclass(frozen=True)
class Gap:
    """LoRA minus another method, in points."""

    task: str
    model: str
    method: str
    arm: Arm
    value: float
    low: float
    high: float


def main() -> None:
    """Print the tables."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--model", help="Of one model alone; the intervals then hold for fewer pairs.")
    asked = parser.parse_args()
    found = [cell for cell in cells(asked.folder) if asked.model in (None, cell.model)]
    gaps = [gap for task in dict.fromkeys(cell.task for cell in found) for gap in gaps_of(found, task)]
    print(scores_table(found), gaps_table(gaps), summary_table(gaps), sep="\n\n")


def cells(folder: Path) -> list[Cell]:
    """Every method of every task and model whose final runs are all there, in both arms."""
    import numpy as np

    from clinpeft.metrics.base import METRICS
    from clinpeft.metrics.compare import Sampled
    from clinpeft.metrics.intervals import resampled
    from clinpeft.report.configurations import configurations, selected
    from clinpeft.report.folds import pooled_with_groups
    from clinpeft.report.load import load

    studies = load([folder])
    study = studies[0].study
    found = []
    for configuration in configurations(selected(studies, {})):
        spec = configuration.spec
        is_one_rate = spec.train.learning_rate == study.train.learning_rate
        arms = [arm for arm, is_it in zip(ARMS, (is_one_rate, configuration.is_tuned), strict=True) if is_it]
        runs = configuration.successes()
        if not arms or spec.model == "none" or len(runs) < len(study.seeds) or configuration.card is None:
            continue
        values, draws = [], []
        for run in runs:
            pooled = pooled_with_groups([run], configuration.card, "test")
            assert pooled is not None, "open the test labels first: clinpeft open-test"
            drawn = resampled(METRICS.get(configuration.headline)(), pooled[0])
            assert drawn is not None
            values.append(drawn[0])
            draws.append(drawn[1])
        sampled = Sampled(tuple(configuration.seeds), np.array(values), np.array(draws))
        assert isinstance(spec.train.learning_rate, float)
        for arm in arms:
            found.append(Cell(spec.task, spec.model, spec.method.name, arm, spec.train.learning_rate, sampled))
    return found


def gaps_of(found: Sequence[Cell], task: str) -> list[Gap]:
    """LoRA against every other method of a task; the intervals of one arm hold together."""
    from clinpeft.metrics.compare import compare

    gaps = []
    for arm in ARMS:
        own = [cell for cell in found if (cell.task, cell.arm) == (task, arm)]
        if len(own) < 2:
            continue
        compared = compare([cell.sampled for cell in own])
        for place, cell in enumerate(own):
            lora = next((at for at, other in enumerate(own) if (other.model, other.method) == (cell.model, LORA)), None)
            if lora is None or lora == place:
                continue
            value, low, high = (
                100 * float(matrix[lora, place]) for matrix in (compared.difference, compared.low, compared.high)
            )
            gaps.append(Gap(task, cell.model, cell.method, arm, value, low, high))
    return gaps


def scores_table(found: Sequence[Cell]) -> str:
    """Both arms of every cell, side by side."""
    lines = ["| task | model | method | at 3e-4 | at its own rate | that rate |", "|---|---|---|---|---|---|"]
    by_arm = {(cell.task, cell.model, cell.method, cell.arm): cell for cell in found}
    for task, model, method in dict.fromkeys((cell.task, cell.model, cell.method) for cell in found):
        one, own = (by_arm.get((task, model, method, arm)) for arm in ARMS)
        rate = "" if own is None else f"{own.rate:.1e}"
        lines.append(
            f"| {task} | {model} | {method} | {one.words if one else '–'} | {own.words if own else '–'} | {rate} |"
        )
    return "\n".join(lines)


def gaps_table(gaps: Sequence[Gap]) -> str:
    """LoRA minus each other method, in both arms."""
    lines = ["| task | model | LoRA minus | at 3e-4 | each at its own rate |", "|---|---|---|---|---|"]
    by_arm = {(gap.task, gap.model, gap.method, gap.arm): gap for gap in gaps}
    for task, model, method in dict.fromkeys((gap.task, gap.model, gap.method) for gap in gaps):
        words = []
        for arm in ARMS:
            gap = by_arm.get((task, model, method, arm))
            words.append("–" if gap is None else f"{gap.value:+.1f} [{gap.low:+.1f}, {gap.high:+.1f}]")
        lines.append(f"| {task} | {model} | {method} | {' | '.join(words)} |")
    return "\n".join(lines)


def summary_table(gaps: Sequence[Gap]) -> str:
    """Over tasks and models: the mean gap to each method, and how often the interval is on one side of zero."""
    lines = [
        "| LoRA minus | rate | comparisons | mean gap | ahead | undecided | behind |",
        "|---|---|---|---|---|---|---|",
    ]
    for method in dict.fromkeys(gap.method for gap in gaps):
        for arm in ARMS:
            own = [gap for gap in gaps if (gap.method, gap.arm) == (method, arm)]
            ahead, behind = sum(gap.low > 0 for gap in own), sum(gap.high < 0 for gap in own)
            mean = statistics.fmean(gap.value for gap in own)
            lines.append(
                f"| {method} | {arm} | {len(own)} | {mean:+.1f} | {ahead} | {len(own) - ahead - behind} | {behind} |"
            )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
