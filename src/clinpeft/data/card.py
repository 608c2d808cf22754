"""card.json: what a dataset is, where it came from, and what was dropped on the way."""

from __future__ import annotations

from collections import Counter
from typing import Literal

from pydantic import Field

from clinpeft.frozen import Frozen
from clinpeft.spec import Kind, Scalar

SPLITS: tuple[Literal["train", "validation", "test"], ...] = ("train", "validation", "test")
TELLS = 0.65
"""An AUROC; longer notes of sicker patients alone bring 0.55 to 0.65, and are no fault of the data."""
NAMES = 0.25
"""A difference of shares."""
LISTED_ONLY = "anomalies listed: "
"""Starts the filter step that says how many anomalies of one kind the card lists (kept) and leaves out (dropped)."""


class SourceFile(Frozen):
    """One raw file; `path` is relative to the raw folder."""

    path: str
    bytes: int
    sha256: str


class SourceUse(Frozen):
    """A release and the files of it that were read."""

    name: str
    release: str | None
    files: tuple[SourceFile, ...]


class Split(Frozen):
    """How the splits were made."""

    method: Literal["official", "core", "hash", "paper", "user"]
    by: str | None
    """What stays on one side: `subject`, `document`, a column; null when rows were split one by one."""
    shared_subjects: int
    """Subjects that stand in more than one split; 0 unless `by` is null (a published split that parts rows)."""
    folds: int = 0
    seed: int = 0


class Filter(Frozen):
    """One filter step, in order."""

    step: str
    kept: int
    dropped: int


class SplitCounts(Frozen):
    """Counts of one split."""

    examples: int
    subjects: int
    documents: int
    labels: dict[str, int]
    """Examples per class, or gold entities per type."""


class Words(Frozen):
    """Blank-separated words per example."""

    p50: int
    p95: int
    max: int


class Duplicates(Frozen):
    """Texts of train and validation of which a later split holds an equal or nearly equal one."""

    exact: int
    near: int | None
    """Near copies that are not exact: texts of 50 words or more whose 8-word shingles have a Jaccard similarity of at
    least 0.8. Null when no text of validation or test is that long."""
    dropped: int
    """How many of both left train."""


class Anomaly(Frozen):
    """A line of a raw file that breaks its format; no text."""

    file: str
    line: int | None
    code: str


class Expected(Frozen):
    """A published count beside ours."""

    what: str
    published: float
    got: float
    evidence: Literal["V", "A", "M"]
    """V verified, A by arithmetic, M from memory."""
    verdict: Literal["equal", "explained", "differs"]
    why: str | None = None


class Contamination(Frozen):
    """A model whose pre-training saw this source."""

    model: str
    source: str


class Probe(Frozen):
    """How well the labels are told from one property of the examples, their text unread."""

    of: Literal["id", "length", "order", "date"]
    """Of the example: its id, the length of its text, its place in the source, its date."""
    auroc: float | None
    """Of a small tree, cross-validated over subjects; the mean over the most frequent labels. 0.5 is chance."""
    low: float | None
    high: float | None
    num_subjects: int
    reason: str | None = None
    """Why there is none."""

    @property
    def is_flagged(self) -> bool:
        """Whether the whole interval lies above what lengths of clinical notes tell by themselves."""
        return self.low is not None and self.low > TELLS


class NamedLabel(Frozen):
    """A label whose own examples hold its name, as words, much more often than those of other labels."""

    label: str
    share: float
    """Of its examples."""
    elsewhere: float
    """Share of the others."""
    low: float
    """95 % interval of the difference, over subjects."""
    high: float

    @property
    def is_flagged(self) -> bool:
        """Whether the difference is large whatever the subjects."""
        return self.low > NAMES


class Probes(Frozen):
    """What tells the labels of train without understanding its texts."""

    told_by: tuple[Probe, ...]
    named: tuple[NamedLabel, ...]
    """Only those that are flagged, the clearest first."""


class Card(Frozen):
    """card.json. `labels` stand in logit order; for entities they are the entity types."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    name: str
    version: int
    kind: Kind
    labels: tuple[str, ...]
    positive: str | None
    metric: str
    mode: Literal["correct", "paper"]
    options: dict[str, Scalar | tuple[Scalar, ...]]
    fingerprint: str
    """SHA-256 over name, version, code, options and the raw files' checksums."""
    code: str
    sources: tuple[SourceUse, ...]
    terms: tuple[str, ...]
    """Data-use terms the dataset inherits."""
    split: Split
    filters: tuple[Filter, ...]
    counts: dict[str, SplitCounts]
    words: dict[str, Words]
    duplicates: Duplicates
    anomalies: tuple[Anomaly, ...]
    expected: tuple[Expected, ...]
    contamination: tuple[Contamination, ...]
    probes: Probes | None = None
    """Null for entities, and where the dataset was built before there were any."""
    files: dict[str, str]
    """SHA-256 of the Parquet files, by name."""

    def num_anomalies(self) -> dict[str, int]:
        """How many anomalies of each kind there were, also those that are not listed."""
        num = Counter(anomaly.code for anomaly in self.anomalies)
        for step in self.filters:
            if step.step.startswith(LISTED_ONLY):
                num[step.step.removeprefix(LISTED_ONLY)] += step.dropped
        return dict(num)

    def has_hindsight(self) -> bool:
        """Whether its texts were written after the outcome that they are to foretell."""
        return self.options.get("text") == "full" and self.options.get("allow_hindsight") is True

    def scores_pieces(self) -> bool:
        """Whether entities are trained and counted over word pieces instead of words, as some publications did."""
        return self.kind == "entities" and self.options.get("scoring") == "pieces"
