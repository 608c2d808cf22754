"""What a run gave: RunRecord, TestRecord, PredictionRow, and the journal's Event."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from clinpeft.frozen import Frozen
from clinpeft.spec import CostField, Identity, RunSpec

Status = Literal["success", "pruned", "diverged", "out_of_memory", "failed", "interrupted"]
ReasonCode = Literal["oom_host", "oom_device", "disk", "bad_data", "diverged", "killed", "node_lost", "bug"]
How = Literal["measured", "estimated", "attributed", "unavailable"]


class Reason(Frozen):
    """Why a run did not succeed; `message` holds no patient text."""

    code: ReasonCode
    message: str


class Score(Frozen):
    """A metric's value with its 95 % interval (bootstrap over subjects); undefined is null with a reason, never 0."""

    value: float | None
    low: float | None = None
    high: float | None = None
    num_subjects: int
    reason: str | None = None


class Cost(Frozen):
    """A measured quantity in SI units and how it was got."""

    value: float | None
    how: How


class Calibration(Frozen):
    """The temperature that fits the validation scores best; 1 leaves them as they are."""

    temperature: float


class Parameters(Frozen):
    """Parameter counts: `trainable` is adapter plus head for most methods, `total` is the adapted model."""

    adapter: int
    head: int
    trainable: int
    total: int


class Work(Frozen):
    """What training did."""

    steps: int
    examples: int
    tokens: int
    """Word pieces seen in training, padding not counted."""
    best_step: int


class Truncated(Frozen):
    """What lay beyond the model's length in one split."""

    examples: int
    labels: int
    """Entities cut off; 0 for kinds whose label belongs to the whole example."""


class Environment(Frozen):
    """The machine and the versions."""

    hardware_id: str
    cpu: str
    cores: int
    threads: int
    gpu: str | None
    precision_used: Literal["fp32", "bf16", "fp16"]
    micro_batch: int
    group_size: int
    deterministic: bool
    versions: dict[str, str]


class RunRecord(Frozen):
    """record.json: written once, when a run has ended in any way."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    run: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")]
    role: Literal["final", "trial", "baseline"]
    status: Status
    """`pruned`: a trial that successive halving has stopped; no failure, its scores are null, and curve.json has what
    it was stopped for."""
    reason: Reason | None = None
    spec: RunSpec
    identity: Identity
    parameters: Parameters | None = None
    scores: dict[str, Score] = Field(default_factory=dict)
    """On validation."""
    thresholds: dict[str, float] = Field(default_factory=dict)
    """Decision threshold per label, chosen on validation."""
    calibration: Calibration | None = None
    cost: dict[CostField, Cost] = Field(default_factory=dict)
    work: Work | None = None
    truncated: dict[str, Truncated] = Field(default_factory=dict)
    environment: Environment | None = None
    files: dict[str, str] = Field(default_factory=dict)
    """SHA-256 of the run's other files, by path inside its folder."""

    @property
    def has_failed(self) -> bool:
        """A trial that was stopped early has not."""
        return self.status not in {"success", "pruned"}


class Opened(Frozen):
    """One opening of the test labels."""

    when: str
    by: str


class TestRecord(Frozen):
    """test.json: the scores on the test split, written when its labels are opened."""

    __test__ = False
    schema_: Literal[1] = Field(default=1, alias="schema")
    scores: dict[str, Score]
    opened: Annotated[tuple[Opened, ...], Field(min_length=1)]
    files: dict[str, str]
    """SHA-256 of predictions-test.parquet with the labels joined; takes the place of the record's."""


class CurvePoint(Frozen):
    """One judgement of a run under way."""

    step: int
    train_seconds: float
    evaluate_seconds: float
    """Of the judgements before this one."""
    score: float | None
    """Turned so that more is better; null where the metric was undefined."""


class Curve(Frozen):
    """curve.json beside a record: how a run came along, on what its weights were chosen by."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    metric: str
    points: tuple[CurvePoint, ...]


class PredictionRow(Frozen):
    """One row of predictions-{validation,test}.parquet; scores are columns `score_0`, `score_1`, … in label order.

    Groups are columns `group_<name>`. `label`, `labels` and `tags` are the gold and absent while the test is sealed.
    """

    example: str
    subject: str
    """Re-keyed by the study's secret."""
    truncated: bool
    scores: tuple[float, ...] = ()
    """Probabilities per label; empty for entities."""
    label: str | None = None
    labels: tuple[str, ...] | None = None
    missing: tuple[str, ...] | None = None
    """Multi-label: labels nobody annotated for this example."""
    tags: tuple[str, ...] | None = None
    """Gold tag of every word (IOB2)."""
    predicted: tuple[str, ...] | None = None
    """Predicted tag of every word; words beyond the model's length are `O`."""


EventName = Literal[
    "planned",
    "leased",
    "started",
    "checkpointed",
    "finished",
    "failed",
    "test_opened",
    "limits_changed",
    "deleted",
    "noop",
]


class Event(Frozen):
    """One line of journal.jsonl."""

    n: int
    event: EventName
    run: str | None = None
    lease: int | None = None
    worker: str | None = None
    time: str
    """UTC, for display only."""
    crc32: str
    """Over the line's other keys in canonical JSON, 8 hex digits."""
