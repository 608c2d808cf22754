"""What sets configurations of a task apart: differences on the same subjects and seeds, from the kept predictions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from clinpeft.errors import UnknownName
from clinpeft.report.configurations import Configuration
from clinpeft.report.folds import pooled_predictions
from clinpeft.report.results import Difference, ResultRow

if TYPE_CHECKING:
    from clinpeft.metrics.base import Floats, Predictions
    from clinpeft.metrics.compare import Comparison, Sampled

Runs = tuple[str, ...]
"""The ids of a configuration's runs, by which its row is known."""


@dataclass(frozen=True)
class Contrast:
    """Configurations that were scored on the same subjects, against each other."""

    metric: str
    places: Mapping[Runs, int]
    """Of each configuration among the rows and columns of `comparison`."""
    comparison: Comparison

    def holds(self, *rows: ResultRow) -> bool:
        """Whether all these rows are in it, by the metric that it is about."""
        return all(row.metric == self.metric and row.split == "validation" and row.runs in self.places for row in rows)

    def difference(self, row: ResultRow, other: ResultRow) -> Difference | None:
        """`row` minus `other`, with an interval that holds for all pairs together; None where there is none."""
        mine, its = self.places[row.runs], self.places[other.runs]
        value, low, high = (
            float(matrix[mine, its])
            for matrix in (self.comparison.difference, self.comparison.low, self.comparison.high)
        )
        return Difference(value=value, low=low, high=high) if low == low else None

    def noise(self, rows: Sequence[ResultRow]) -> Floats:
        """[rows, draws]: how far each draw lies off a row's mean, the same draws for all; 0 for a row not held here."""
        import numpy as np

        none = np.zeros(self.comparison.deviations.shape[1])
        places = [self.places.get(row.runs) for row in rows]
        return np.array([none if place is None else self.comparison.deviations[place] for place in places])


def contrasts(configurations: Sequence[Configuration]) -> list[Contrast]:
    """Of validation, by each task's headline metric: one for every study and dataset, as only their subjects match.

    A configuration whose predictions are not kept, or whose metric has no value, is in none; so are tasks with one
    configuration.
    """
    groups: dict[tuple[str, str, str], list[Configuration]] = defaultdict(list)
    for found in configurations:
        identity = found.runs[0].record.identity
        groups[str(found.study.folder), identity.dataset, found.headline].append(found)
    result = [_contrast(metric, members) for (_, _, metric), members in groups.items()]
    return [contrast for contrast in result if contrast is not None]


def paired(found: Sequence[Contrast], row: ResultRow, other: ResultRow) -> Difference | None:
    """The paired difference of two rows; None where their predictions cannot be paired."""
    return next((contrast.difference(row, other) for contrast in found if contrast.holds(row, other)), None)


def _contrast(metric: str, members: Sequence[Configuration]) -> Contrast | None:
    from clinpeft.metrics.compare import compare

    sampled: dict[Runs, Sampled] = {}
    subjects: set[tuple[str, ...]] = set()
    for found in members:
        drawn = _sampled(metric, found, subjects)
        if drawn is not None:
            sampled[tuple(run.record.run for run in found.runs)] = drawn
    if len(sampled) < 2 or len(subjects) > 1:
        return None
    return Contrast(metric, {runs: place for place, runs in enumerate(sampled)}, compare(list(sampled.values())))


def _sampled(metric: str, found: Configuration, subjects: set[tuple[str, ...]]) -> Sampled | None:
    """The metric of each seed that has all its folds; adds to `subjects` whom it was scored on."""
    import numpy as np

    from clinpeft.metrics.base import METRICS
    from clinpeft.metrics.compare import Sampled
    from clinpeft.metrics.intervals import resampled

    card = found.card
    if card is None:
        return None
    try:
        entry = METRICS.get(metric)()
    except UnknownName:  # a plug-in's, in an environment without the plug-in
        return None
    seeds, values, draws = [], [], []
    for seed in found.seeds:
        runs = found.successes(seed)
        predictions = pooled_predictions(runs, card) if runs and len(runs) >= max(1, found.num_folds) else None
        if predictions is None or len(set(predictions.subjects)) < 2:  # One subject has no other to be exchanged for.
            continue
        drawn = resampled(entry, _in_order(predictions))
        if drawn is None:
            continue
        subjects.add(predictions.subjects)
        seeds.append(seed)
        values.append(drawn[0])
        draws.append(drawn[1])
    return Sampled(tuple(seeds), np.array(values), np.array(draws)) if seeds else None


def _in_order(predictions: Predictions) -> Predictions:
    """With subjects named by their place: their keys differ from study to study, and the draws must not."""
    names = {subject: f"{place:09}" for place, subject in enumerate(dict.fromkeys(predictions.subjects))}
    return replace(predictions, subjects=tuple(names[subject] for subject in predictions.subjects))
