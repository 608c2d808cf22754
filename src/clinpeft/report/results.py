"""results.json: the report's data, and results.csv, its rows flattened."""

from __future__ import annotations

import csv
import io
import json
from math import sqrt
from typing import Any, Literal, get_args

from pydantic import Field

from clinpeft.errors import BadInput
from clinpeft.frozen import Frozen
from clinpeft.record import How, ReasonCode, Status
from clinpeft.spec import BASELINES, CostField, Kind, Scalar, Subset

COST_FIELDS: tuple[CostField, ...] = get_args(CostField)
HARDWARE_FREE: frozenset[CostField] = frozenset({"flops", "adapter_bytes"})
"""Costs that may be compared between runs on different hardware."""
MORE_IS_BETTER: frozenset[CostField] = frozenset({"examples_per_second"})
"""Costs of which more is better; a limit on one is a floor."""
RANGE_IN_DEVIATIONS = {2: 1.128, 3: 1.693, 4: 2.059, 5: 2.326, 6: 2.534, 8: 2.847, 10: 3.078}
"""Expected range of n values of a normal distribution, in standard deviations."""
Z = 1.959963984540054
"""Half a 95 % interval is Z standard deviations wide."""


class StudyInfo(Frozen):
    """Which study (or merged studies) the results are of."""

    name: str
    """Merged studies: their names with ` + ` between."""
    sha256: str
    """Of the study; of merged studies, over the list of theirs."""
    mode: Literal["fair", "paper"]
    """`paper` as soon as one merged study is."""
    test: Literal["sealed", "open", "opened"]
    """`opened`: the test labels of a sealed study were joined."""
    times_opened: int
    """How often the test labels were opened: the most of any run."""


class CostSummary(Frozen):
    """One cost over the runs of a row: the mean, and the smallest and largest when there are at least two."""

    mean: float | None
    low: float | None = None
    high: float | None = None
    how: How
    """The least certain way in which any of the values was got."""


class ResultRow(Frozen):
    """One metric of one configuration (task, model, method with options) on one split.

    A configuration's first row is its headline metric. Its runs that failed stay in: they count in `num_failed` and
    are null in `per_seed`.
    """

    task: str
    kind: Kind
    model: str
    """`none` for a baseline that reads with none."""
    domain: str
    """What the model was pre-trained on; `unknown` when nobody says, `none` without a model."""
    backbone_parameters: int | None
    method: str
    options: dict[str, Scalar]
    """The method's options and learning rate; and whatever else tells configurations of the same name apart."""
    subset: Subset | None
    tuned: bool
    split: Literal["validation", "test"]
    metric: str
    higher_is_better: bool
    mean: float | None
    """Over the seeds that gave a value; null when none did."""
    low: float | None
    high: float | None
    per_seed: tuple[float | None, ...]
    """In order of the seeds; null where the seed gave no value."""
    num_seeds: int
    """Seeds that gave a value: those in the mean."""
    num_folds: int
    """0 without cross-validation."""
    num_failed: int
    """Seeds that a failed or missing run left without a value."""
    trainable_parameters: int | None
    cost: dict[CostField, CostSummary]
    """Of one run (with folds: of one fold), on the hardware in `hardware_id` only."""
    hardware_id: str | None
    front_probability: float | None
    """Chance of standing on the Pareto front of this metric against the study's cost."""
    runs: tuple[str, ...]
    """Ids of all runs, failed ones too, by seed and fold."""

    @property
    def is_baseline(self) -> bool:
        """Whether nothing of a model was tuned."""
        return self.method in BASELINES

    @property
    def quality(self) -> float | None:
        """The mean, turned so that more is better."""
        return self._turned(self.mean)

    @property
    def worst_quality(self) -> float | None:
        """The poor end of the interval, turned so that more is better."""
        return self._turned(self.low if self.higher_is_better else self.high)

    @property
    def deviation(self) -> float | None:
        """Standard deviation of the mean, from the width of the interval."""
        return None if self.low is None or self.high is None else (self.high - self.low) / (2 * Z)

    def burden(self, field: CostField) -> float | None:
        """The mean cost, turned so that less is better."""
        mean = self.cost[field].mean if field in self.cost else None
        return -mean if mean is not None and field in MORE_IS_BETTER else mean

    def cost_deviation(self, field: CostField) -> float | None:
        """Standard deviation of the mean cost, guessed from the range of its runs (Tippett 1925); None with one run."""
        cost = self.cost.get(field)
        if cost is None or cost.low is None or cost.high is None:
            return None
        num_runs = max(2, self.num_seeds * max(1, self.num_folds))
        return (
            (cost.high - cost.low)
            / RANGE_IN_DEVIATIONS[max(n for n in RANGE_IN_DEVIATIONS if n <= num_runs)]
            / sqrt(num_runs)
        )

    def _turned(self, value: float | None) -> float | None:
        return value if value is None or self.higher_is_better else -value


class Failure(Frozen):
    """A run that did not succeed."""

    run: str
    status: Status
    code: ReasonCode | None


class Choice(Frozen):
    """A configuration and the run of it that is to be handed over."""

    model: str
    method: str
    run: str
    """The run of the first seed that succeeded; never the best seed."""


class Difference(Frozen):
    """A difference of two means with its 95 % interval."""

    value: float
    low: float | None
    high: float | None


class Recommendation(Frozen):
    """What to take for one task, by a rule stated before the results; made from validation scores only."""

    task: str
    metric: str
    rule: Literal["cheapest-within-interval", "best"]
    limits: dict[CostField, float]
    limits_prestated: bool
    """Whether the limits and the rule stood in the study from the start."""
    choice: Choice | None
    runner_up: Choice | None
    difference_to_best: Difference | None
    """The choice's mean minus the best mean of all, in the metric's own direction; zero when the choice is the best."""
    cost_ratio: float | None
    """Cost of the choice over that of the best, or of the runner-up when the choice is the best; null when they ran
    on different hardware."""
    verdict: Literal["clear", "within_noise", "none_fits"]
    """`clear`: the interval of the difference to the runner-up excludes zero."""
    sentence: str


class Results(Frozen):
    """results.json."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    study: StudyInfo
    rows: tuple[ResultRow, ...]
    failures: tuple[Failure, ...]
    recommendations: tuple[Recommendation, ...]
    warnings: tuple[str, ...]

    def to_json(self) -> str:
        """The file's text: keys in schema order, indented, a line feed at the end; the same results, the same bytes."""
        plain = self.model_dump(mode="json", by_alias=True)
        return json.dumps(plain, indent=1, ensure_ascii=False, allow_nan=False) + "\n"

    def to_pandas(self) -> Any:
        """`rows` as a pandas DataFrame, columns as in the CSV; values keep their types (options are dicts, subsets
        objects, seeds' scores tuples). Raises BadInput when pandas is not installed."""
        try:
            import pandas
        except ImportError:
            raise BadInput(
                "to_pandas", "needs pandas, which is not installed", "pip install 'clinpeft[pandas]'"
            ) from None
        plain = [name for name in ResultRow.model_fields if name != "cost"]
        return pandas.DataFrame(
            [
                {
                    **{name: getattr(row, name) for name in plain},
                    **{
                        f"{field}_{part}": getattr(row.cost[field], part) if field in row.cost else None
                        for field in COST_FIELDS
                        for part in CostSummary.model_fields
                    },
                }
                for row in self.rows
            ]
        )

    def to_csv(self) -> str:
        """`rows` as a table: a cost field becomes four columns, a list is joined by `;`, options are JSON, null is
        empty. Text that a spreadsheet would run as a formula is quoted with a leading apostrophe."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        plain = [name for name in ResultRow.model_fields if name != "cost"]
        parts = list(CostSummary.model_fields)
        writer.writerow(plain + [f"{field}_{part}" for field in COST_FIELDS for part in parts])
        for row in self.rows:
            costs = [row.cost.get(field) for field in COST_FIELDS]
            cells = [getattr(row, name) for name in plain]
            cells += [getattr(cost, part) if cost else None for cost in costs for part in parts]
            writer.writerow([csv_cell(cell) for cell in cells])
        return text.getvalue()


def csv_cell(value: object) -> object:
    """A value as a cell: null is empty, a list is joined by `;`, options are JSON, formulas are quoted."""
    if isinstance(value, Subset):
        value = value.model_dump(exclude_none=True)
    if isinstance(value, dict):
        return json.dumps(value, sort_keys=True, ensure_ascii=False)
    if isinstance(value, tuple):
        return ";".join("" if item is None else str(item) for item in value)
    if isinstance(value, str) and value.startswith(("=", "+", "-", "@", "\t", "\r")):
        return f"'{value}"
    return value
