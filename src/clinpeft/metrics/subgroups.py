"""How a model does for some patients beside the rest: by sex, age band, site, kind of note, …"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from clinpeft.frozen import Frozen
from clinpeft.metrics.base import Floats, Metric, Predictions
from clinpeft.metrics.intervals import summary, weightings
from clinpeft.metrics.outcomes import SMALLEST_CELL, masked, outcomes
from clinpeft.record import Score

Bools = npt.NDArray[np.bool_]
MOST_VALUES = 12
"""A column with more different values is no grouping."""
AGE_BANDS = (18, 45, 65, 80)
"""Where a band begins; ages are never shown year by year."""
NOT_RECORDED = "not recorded"
TOO_SMALL = f"fewer than {SMALLEST_CELL} subjects"
BESIDE_TOO_SMALL = "hidden, or the total would give a smaller group away"


class Subgroup(Frozen):
    """The examples with one value of a column, and how the metric there differs from the rest."""

    column: str
    value: str
    """`not recorded` where the column is empty."""
    num_subjects: int | None
    """Null, with all that follows, in a group of fewer than 11 subjects."""
    num_examples: int | None
    num_positives: int | None
    """Of a yes-or-no task; null also where they, or those without, are fewer than 11."""
    score: Score
    difference: Score
    """Score here minus score of the rest, on the same resamples."""
    p: float | None
    """Two-sided, from the resamples."""
    q: float | None
    """The same, adjusted for all groups of the table (Benjamini and Hochberg 1995)."""


def subgroups(
    metric: Metric,
    predictions: Predictions,
    columns: Mapping[str, Sequence[str | None]],
    *,
    num_resamples: int = 2000,
    seed: int = 0,
) -> list[Subgroup]:
    """The groups of every column, in the order of columns and values; a column with one value, or more than 12, has
    none.

    columns: a value for each example. Numbers in a column whose name says `age` are put into bands. A gap is never one
    number: each difference has its interval and its adjusted p.
    """
    found: list[Subgroup] = []
    for column, given in columns.items():
        values = np.array(grouped(column, given), dtype=str)
        names = _in_order(values)
        if 2 <= len(names) <= MOST_VALUES and metric.undefined(predictions) is None:
            found += _of_column(
                metric, predictions, column, [(name, values == name) for name in names], num_resamples, seed
            )
    return _with_q(found)


def grouped(column: str, values: Sequence[str | None]) -> list[str]:
    """The values as groups: empty ones `not recorded`, ages in bands.

    >>> grouped("age", ["17", "67.5", "90", "", None])
    ['0-17', '65-79', '80+', 'not recorded', 'not recorded']
    """
    plain = [(value or "").strip() or NOT_RECORDED for value in values]
    ages = [_number(value) for value in plain if value != NOT_RECORDED]
    if "age" not in column.lower().replace("-", "_").split("_") or None in ages:
        return plain
    return [value if value == NOT_RECORDED else _band(_number(value) or 0.0) for value in plain]


def taken(predictions: Predictions, is_in: Bools) -> Predictions:
    """Some of the examples."""
    changes: dict[str, Any] = {}
    for field in fields(predictions):
        value = getattr(predictions, field.name)
        if field.name in {"labels", "thresholds"} or value is None:
            continue
        if isinstance(value, np.ndarray):
            changes[field.name] = value[is_in]
        elif isinstance(value, tuple) and len(value) == len(is_in):
            changes[field.name] = tuple(item for item, keep in zip(value, is_in, strict=True) if keep)
    return replace(predictions, **changes)


def _of_column(
    metric: Metric,
    predictions: Predictions,
    column: str,
    members: Sequence[tuple[str, Bools]],
    num_resamples: int,
    seed: int,
) -> list[Subgroup]:
    subjects = np.asarray(predictions.subjects, dtype=str)
    sizes = [len(np.unique(subjects[is_in])) for _, is_in in members]
    shown = masked(sizes)
    positives = _positives(predictions, [is_in for _, is_in in members], shown)
    asked = [is_in for (_, is_in), size in zip(members, shown, strict=True) if size is not None]
    parts = [_Part(metric, predictions, side) for is_in in asked for side in (is_in, ~is_in)]
    for weights in weightings(predictions.subjects, num_resamples, seed):
        for part in parts:
            part.add(weights)
    pairs = iter(zip(parts[::2], parts[1::2], strict=True))
    result = []
    for (name, is_in), size, shown_size, num_positives in zip(members, sizes, shown, positives, strict=True):
        if shown_size is None:
            result.append(_hidden(column, name, TOO_SMALL if size < SMALLEST_CELL else BESIDE_TOO_SMALL))
            continue
        here, rest = next(pairs)
        difference, p = here.minus(rest)
        result.append(
            Subgroup(
                column=column,
                value=name,
                num_subjects=shown_size,
                num_examples=int(is_in.sum()),
                num_positives=num_positives,
                score=here.score(),
                difference=difference,
                p=p,
                q=None,
            )
        )
    return result


def _positives(predictions: Predictions, members: Sequence[Bools], shown: Sequence[int | None]) -> list[int | None]:
    """Examples with the outcome in each group; hidden ones such that no total gives them away."""
    asked = outcomes(predictions)
    if len(asked) != 1:
        return [None] * len(members)
    happened = asked[0].happened
    counts = [int(happened[is_in].sum()) for is_in in members]
    rests = [int((~happened[is_in]).sum()) for is_in in members]
    kept = [
        yes if size is not None and min(yes, no) >= SMALLEST_CELL else None
        for yes, no, size in zip(counts, rests, shown, strict=True)
    ]
    others = sorted((count, place) for place, count in enumerate(kept) if count is not None)
    while others and _gives_away([at for at, count in enumerate(kept) if count is None], counts, rests):
        kept[others.pop(0)[1]] = None
    return kept


def _gives_away(hidden: Sequence[int], counts: Sequence[int], rests: Sequence[int]) -> bool:
    """Whether a total would tell of fewer than 11 with the outcome, or without it, in the hidden groups."""
    return bool(hidden) and min(sum(some[at] for at in hidden) for some in (counts, rests)) < SMALLEST_CELL


class _Part:
    """Some of the examples, and the metric on them under the resamples of all."""

    def __init__(self, metric: Metric, predictions: Predictions, is_in: Bools) -> None:
        self.metric, self.whole, self.is_in = metric, predictions, is_in
        self.predictions = taken(predictions, is_in)
        self.reason = metric.undefined(self.predictions)
        self.value = self._values(np.ones((1, len(predictions))))[0]
        self._drawn: list[Floats] = []

    def add(self, weights: Floats) -> None:
        """Some more resamples: [B, n] over all examples."""
        self._drawn.append(self._values(weights))

    @property
    def draws(self) -> Floats:
        """[B] so far."""
        return np.concatenate([np.zeros(0), *self._drawn])

    def score(self) -> Score:
        """With its interval."""
        return summary(float(self.value), self.draws, self.predictions.subjects, self.reason or "undefined here")

    def minus(self, other: _Part) -> tuple[Score, float | None]:
        """The difference, and its p where it has an interval."""
        why = self.reason or f"the rest has none: {other.reason or 'undefined there'}"
        gaps = self.draws - other.draws
        difference = summary(float(self.value - other.value), gaps, self.whole.subjects, why)
        return difference, _p(gaps) if difference.low is not None else None

    def _values(self, weights: Floats) -> Floats:
        if self.reason is not None:
            return np.full(len(weights), np.nan)
        return self.metric.values(self.predictions, weights[:, self.is_in])


def _p(gaps: Floats) -> float:
    known = gaps[np.isfinite(gaps)]
    least = min((known <= 0).sum(), (known >= 0).sum())
    return float(min(1.0, 2 * (least + 1) / (len(known) + 1)))


def _with_q(found: list[Subgroup]) -> list[Subgroup]:
    known = [place for place, group in enumerate(found) if group.p is not None]
    for place, q in zip(known, adjusted([found[place].p or 0.0 for place in known]), strict=True):
        found[place] = found[place].model_copy(update={"q": q})
    return found


def adjusted(p: Sequence[float]) -> list[float]:
    """p values such that calling those below 5 % different leaves 5 % of what is called so false (Benjamini and
    Hochberg 1995); equal to scipy's `false_discovery_control`.

    >>> adjusted([0.01, 0.04, 0.03])
    [0.03, 0.04, 0.04]
    """
    order = np.argsort(p)[::-1]
    shares = np.asarray(p, dtype=np.float64)[order] * len(p) / np.arange(len(p), 0, -1)
    result = np.empty(len(p))
    result[order] = np.minimum.accumulate(shares)
    return [float(value) for value in result]


def _hidden(column: str, value: str, why: str) -> Subgroup:
    nothing = Score(value=None, num_subjects=0, reason=why)
    return Subgroup(
        column=column,
        value=value,
        num_subjects=None,
        num_examples=None,
        num_positives=None,
        score=nothing,
        difference=nothing,
        p=None,
        q=None,
    )


def _in_order(values: npt.NDArray[np.str_]) -> list[str]:
    """Bands by age, others by name, what is not recorded last."""
    names = sorted({str(value) for value in values})
    if all(name[0].isdigit() and ("-" in name or "+" in name) for name in names if name != NOT_RECORDED):
        names.sort(key=lambda name: (name == NOT_RECORDED, _number(name.rstrip("+").split("-")[0]) or 0.0))
    return [name for name in names if name != NOT_RECORDED] + [name for name in names if name == NOT_RECORDED]


def _number(value: str) -> float | None:
    try:
        return float(value)
    except ValueError:
        return None


def _band(age: float) -> str:
    starts = (0, *AGE_BANDS)
    place = sum(age >= start for start in starts) - 1
    return f"{starts[-1]}+" if place == len(starts) - 1 else f"{starts[max(0, place)]}-{starts[max(0, place) + 1] - 1}"
