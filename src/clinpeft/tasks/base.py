"""The Task interface: what is predicted, from which source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar, Literal, Self

from pydantic import model_validator

from clinpeft.errors import BadInput
from clinpeft.frozen import Frozen, parse_words
from clinpeft.registry import Registry
from clinpeft.sources.base import RawFiles
from clinpeft.spec import Kind


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of text: code-point offsets, end exclusive, and its type."""

    start: int
    end: int
    label: str


@dataclass(frozen=True, slots=True)
class Example:
    """One thing to predict, with ids as the source gives them; `data.build` hashes them.

    Which fields are set depends on the kind:
    classification `label` · pairs `text_b`, `label` · multilabel `labels`, `missing` ·
    entities `tokens`, `starts`, `ends` and `tags` or `spans` (`data.build` derives the other) ·
    relations `head`, `tail`, `label` (`none` is reserved for «no relation»).
    """

    example: str
    subject: str
    """The patient, or what stands for one (a document); never in two splits."""
    document: str
    text: str = field(repr=False)
    split: Literal["train", "validation", "test"] | None = None
    """The official split; None lets `data.build` split by subject."""
    time: date | None = None
    groups: dict[str, str | None] = field(default_factory=dict)
    text_b: str | None = field(default=None, repr=False)
    label: str | None = None
    labels: tuple[str, ...] = ()
    missing: tuple[str, ...] = ()
    tokens: tuple[str, ...] = field(default=(), repr=False)
    starts: tuple[int, ...] = ()
    ends: tuple[int, ...] = ()
    tags: tuple[str, ...] = ()
    spans: tuple[Span, ...] = ()
    head: Span | None = None
    tail: Span | None = None


class BuildLog:
    """What a task notes while it makes examples: filter steps in order, anomalies, published counts to compare."""

    def __init__(self) -> None:
        self.filters: list[tuple[str, int, int]] = []
        self.anomalies: list[tuple[str, int | None, str]] = []
        self.expected: list[tuple[str, float, float, Literal["V", "A", "M"], str | None]] = []
        self.labels: tuple[str, ...] | None = None

    def label_space(self, labels: Iterable[str]) -> None:
        """State the classes in logit order where only the files tell them, also classes that no example has."""
        self.labels = tuple(labels)

    def filtered(self, step: str, kept: int, dropped: int) -> None:
        """Record that `step` kept and dropped so many."""
        self.filters.append((step, kept, dropped))

    def anomaly(self, file: str, line: int | None, code: str) -> None:
        """Record a broken line of a raw file; `code` is a short kebab-case word, never text of the file."""
        self.anomalies.append((file, line, code))

    def expect(
        self, what: str, published: float, got: float, evidence: Literal["V", "A", "M"], why: str | None = None
    ) -> None:
        """Record a published count beside ours; a difference warns and never fails.

        why: what explains a difference, where the filters can tell; no text of the files.
        """
        self.expected.append((what, published, got, evidence, why))


class Task(Frozen):
    """What is predicted, from which source: one file in `clinpeft/tasks/`, found by its name.

    A subclass's fields are its build options (`clinpeft build TASK --set key=value`); class attributes are its card.
    """

    kind: ClassVar[Kind]
    version: ClassVar[int] = 1
    """Raised whenever the examples change."""
    source: ClassVar[str]
    """Name of the source in `clinpeft/sources/`."""
    metric: ClassVar[str]
    """Headline metric, used for selection."""
    labels: ClassVar[tuple[str, ...] | None] = None
    """Classes or entity types in logit order; None takes the sorted ones found in train."""
    positive: ClassVar[str | None] = None
    """The class whose probability AUROC and AUPRC use."""
    title: ClassVar[str]
    """What is predicted, in one line for a reader outside the field."""
    citation: ClassVar[str]
    download: ClassVar[str]
    """Where the raw files come from."""
    licence: ClassVar[str]
    terms: ClassVar[tuple[str, ...]] = ()
    """Data-use terms a dataset built from it inherits."""
    is_not: ClassVar[str]
    """What the task must not be taken for."""
    sections: ClassVar[tuple[str, ...]] = ()
    """Headings of the notes, the most telling first: what `long_text: sections` keeps where not all of a note fits."""
    split_by: ClassVar[str] = "subject"
    """What stays on one side of a split, for the card: subject or document."""
    has_paper_mode: ClassVar[bool] = False
    """Whether `--compat paper` changes anything."""

    mode: Literal["correct", "paper"] = "correct"
    """`paper` reproduces the published pipeline bug for bug."""

    def keeps_together(self) -> str | None:
        """What stays on one side of the split with these options; None where rows are parted one by one."""
        return None if self.split_by == "row" else self.split_by

    def kind_built(self) -> Kind:
        """The dataset's kind with these options: a published pipeline may have left out what the kind needs."""
        return self.kind

    def metric_built(self) -> str:
        """The dataset's headline metric with these options."""
        return self.metric

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """The examples in a fixed order, read from `raw`; filter steps and anomalies go to `log`.

        Raises BadInput with file, line and rule when a file breaks its format; never quotes text.
        """
        raise NotImplementedError


class EntityTask(Task):
    """A task of entities that publications trained and scored by word pieces, which paper mode repeats."""

    kind: ClassVar[Kind] = "entities"
    metric: ClassVar[str] = "entity-f1"
    has_paper_mode: ClassVar[bool] = True

    scoring: Literal["words", "pieces"] = "words"
    """`pieces`, as paper mode has it: every word piece is trained with its word's tag, `B-` again, and entities are
    counted over pieces (a word of three pieces is three), so scores depend on the tokenizer."""

    @model_validator(mode="before")
    @classmethod
    def _paper_mode_scores_pieces(cls, data: Any) -> Any:
        is_paper = isinstance(data, dict) and data.get("mode") == "paper"
        return {"scoring": "pieces", **data} if is_paper else data

    def metric_built(self) -> str:
        """With pieces, what seqeval counts when told nothing."""
        return "entity-f1-conlleval" if self.scoring == "pieces" else self.metric


class OutcomeTask(Task):
    """A task that foretells an outcome: its text must have been known when the prediction is made.

    A discharge summary is written when the outcome is known, so as a whole it is refused; the sections of it that were
    written on admission are not.
    """

    text: Literal["admission", "full"] = "admission"
    """`full` is the whole discharge summary, which tells the outcome; refused without `allow_hindsight`."""
    allow_hindsight: bool = False
    """Accept text written after the outcome, for comparison only: the card and every report say so."""

    @model_validator(mode="after")
    def _text_was_known_before(self) -> Self:
        if self.text == "full" and not self.allow_hindsight:
            raise ValueError(
                "text=full is written after the outcome and tells it: no prediction; allow_hindsight=true builds it "
                "for comparison"
            )
        return self


TASKS: Registry[Task] = Registry("task", "clinpeft.tasks", Task)


def configure(task: type[Task], name: str, settings: dict[str, str], compat: str | None) -> Task:
    """The task with options from a command line. Raises BadInput for an unknown option, value or mode."""
    if compat not in {None, "paper"}:
        raise BadInput("--compat", "is none of: paper")
    if "mode" in settings:
        raise BadInput(f"task '{name}'", "'mode' is set by --compat paper")
    if compat and not task.has_paper_mode:
        raise BadInput(
            f"task '{name}'", "has no paper mode: the published pipeline is followed as it is", "leave --compat out"
        )
    words = {**settings, **({"mode": "paper"} if compat else {})}
    return parse_words(task, words, f"task '{name}'")
