"""Examples from a table of one's own: what each column must hold, and which rows break it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from itertools import pairwise
from typing import Any

from clinpeft.data.checks import problem_of
from clinpeft.errors import BadInput
from clinpeft.sources._sentences import words_in
from clinpeft.sources.tabular import Table
from clinpeft.spec import Kind, TaskChoice
from clinpeft.tasks.base import Example, Span

NOT_ANNOTATED = "?"
"""Before a label of a multi-label task: nobody looked whether it holds (`asthma;?diabetes`)."""
FIRST_SHIFTED_YEAR = 2100
"""MIMIC-III and MIMIC-IV begin there."""
MAX_LABEL_CHARACTERS = 200
MAX_CLASSES = 200
MAX_LABELS = 5_000
"""Of a multi-label task, whose labels may be codes."""


@dataclass(frozen=True)
class Rows:
    """Examples of one file with what only the split needs to know of them, equally long."""

    examples: list[Example] = field(repr=False)
    by: list[str]
    """The values that must stay on one side."""
    days: list[date]
    """Empty without a time column."""


def rows_of_table(table: Table, choice: TaskChoice, origin: str) -> Rows:
    """The examples of a table in its order; `origin` begins the ids of rows without an id column.

    Raises BadInput with rows and column for cells that are missing, of a wrong type, or break a rule of the kind.
    """
    ids = table.ids(choice.id, "id") if choice.id else [f"{origin}:{number}" for number in table.numbers]
    subjects = _subjects(table, choice, ids)
    fields = _FIELDS[choice.kind or "classification"](table, choice)
    groups = {name: table.words(name, "groups") for name in choice.groups}
    split = choice.split
    days = _days(table, split.time) if split and split.time else []
    by = subjects
    if split and split.by:
        by = ids if split.by == "none" else table.ids(split.by, "split.by")
    examples = [
        Example(
            example=id_,
            subject=subjects[row],
            document=id_,
            time=days[row] if days else None,
            groups={name: cells[row] for name, cells in groups.items()},
            **fields[row],
        )
        for row, id_ in enumerate(ids)
    ]
    _refuse_repeated_ids(table, examples, choice)
    _refuse_broken(table, examples, choice)
    return Rows(examples, by, days)


def _days(table: Table, column: str) -> list[date]:
    """Refuses dates that were shifted patient by patient, as MIMIC's are, into years that are not yet."""
    days = table.dates(column, "split.time")
    shifted = [number for number, day in zip(table.numbers, days, strict=True) if day.year >= FIRST_SHIFTED_YEAR]
    remedy = "order by true years, such as MIMIC-IV's anchor_year_group, or leave 'time' out"
    rule = f"lies in {FIRST_SHIFTED_YEAR} or later: dates shifted for each patient apart have no order between patients"
    table.refuse(column, shifted, rule, remedy)
    return days


def _subjects(table: Table, choice: TaskChoice, ids: list[str]) -> list[str]:
    if choice.subject is None:
        raise BadInput(table.name, "does not say whose text a row is", "name the patient column, or say subject: none")
    return ids if choice.subject == "none" else table.ids(choice.subject, "subject")


def _classification(table: Table, choice: TaskChoice) -> list[dict[str, Any]]:
    texts = table.texts(choice.text or "text", "text")
    labels = _labels(table, choice)
    return [{"text": text, "label": label} for text, label in zip(texts, labels, strict=True)]


def _pairs(table: Table, choice: TaskChoice) -> list[dict[str, Any]]:
    seconds = table.texts(choice.text_b or "text_b", "text_b")
    return [{**one, "text_b": second} for one, second in zip(_classification(table, choice), seconds, strict=True)]


def _multilabel(table: Table, choice: TaskChoice) -> list[dict[str, Any]]:
    """An empty cell has no label; `?` before a label says that nobody annotated it."""
    texts = table.texts(choice.text or "text", "text")
    column = choice.label or "label"
    table.require(column, "label")
    if any(isinstance(row.get(column), list) for row in table.rows):
        cells: list[list[Any]] = table.lists(column, "label")
        bad = [no for no, cell in zip(table.numbers, cells, strict=True) if not all(map(_is_word, cell))]
        table.refuse(column, bad, "its list holds something else than text and whole numbers")
        named = [[str(item).strip() for item in cell] for cell in cells]
    else:
        separator = choice.label_separator or ";"
        named = [[item.strip() for item in (cell or "").split(separator)] for cell in table.words(column, "label")]
    _refuse_long_labels(table, column, [max(items, key=len, default="") for items in named])
    return [
        {
            "text": text,
            "labels": tuple(item for item in items if item and not item.startswith(NOT_ANNOTATED)),
            "missing": tuple(item[1:].strip() for item in items if item.startswith(NOT_ANNOTATED)),
        }
        for text, items in zip(texts, named, strict=True)
    ]


def _entities(table: Table, choice: TaskChoice) -> list[dict[str, Any]]:
    """Words and tags (`tokens`, `tags`), or text and spans (`text`, `spans`); `text` and `label` name other columns."""
    column = _label_column(table, choice)
    cells = table.lists(column, "label")
    if any(isinstance(item, str) for cell in cells for item in cell):
        return _tagged(table, table.lists(choice.text or "tokens", "text"), column, cells)
    texts = table.texts(choice.text or "text", "text")
    spans = [_spans(table, column, *each) for each in zip(table.numbers, texts, cells, strict=True)]
    overlapping = [no for no, row in zip(table.numbers, spans, strict=True) if _overlap(row)]
    table.refuse(column, overlapping, "its spans overlap", "a word can belong to one entity only")
    return [
        {"text": text, "spans": row, **tokens_of(text, 0, len(text))} for text, row in zip(texts, spans, strict=True)
    ]


def _tagged(table: Table, words: list[list[Any]], column: str, tags: list[list[Any]]) -> list[dict[str, Any]]:
    both = list(zip(table.numbers, words, tags, strict=True))
    wordless = [no for no, row, _ in both if not row or not all(isinstance(word, str) and word.strip() for word in row)]
    table.refuse("tokens", wordless, "its words are no list of words")
    table.refuse(column, [no for no, _, row in both if not all(isinstance(tag, str) for tag in row)], "holds no tags")
    table.refuse(column, [no for no, row, each in both if len(row) != len(each)], "has not as many tags as words")
    return [{**text_of(row), "tags": tuple(each)} for _, row, each in both]


def _relations(table: Table, choice: TaskChoice) -> list[dict[str, Any]]:
    """Columns text, head and tail ({start, end, label}), and label, `none` for no relation."""
    base = _classification(table, choice)
    ends: dict[str, list[Span]] = {}
    for column in ("head", "tail"):
        table.require(column, column)
        cells = [row.get(column) for row in table.rows]
        each = zip(table.numbers, base, cells, strict=True)
        ends[column] = [_spans(table, column, number, one["text"], [cell])[0] for number, one, cell in each]
    return [{**one, "head": ends["head"][row], "tail": ends["tail"][row]} for row, one in enumerate(base)]


def odd_classes(kind: Kind, num_classes: int, num_examples: int) -> str | None:
    """Why the classes look like those of a wrong column (notes, ids, one class only), or None."""
    is_one_of_many = kind not in {"multilabel", "entities"}
    if num_classes > (MAX_LABELS if kind == "multilabel" else MAX_CLASSES):
        return f"holds {num_classes:,} classes"
    if is_one_of_many and num_classes == 1:
        return "holds one class only, so there is nothing to learn"
    if is_one_of_many and num_classes == num_examples >= 10:
        return "holds another class in every row"
    return None


_FIELDS = {
    "classification": _classification,
    "pairs": _pairs,
    "multilabel": _multilabel,
    "entities": _entities,
    "relations": _relations,
}


def tokens_of(text: str, start: int, end: int) -> dict[str, tuple[Any, ...]]:
    """Words of `text[start:end]` as an example has them, offsets from `start`."""
    words = words_in(text, start, end)
    return {
        "tokens": tuple(text[first:last] for first, last in words),
        "starts": tuple(first - start for first, _ in words),
        "ends": tuple(last - start for _, last in words),
    }


def text_of(words: Sequence[str]) -> dict[str, Any]:
    """Text, tokens and offsets of words that come without the text they were cut from: one blank between them."""
    starts, at = [], 0
    for word in words:
        starts.append(at)
        at += len(word) + 1
    ends = tuple(start + len(word) for start, word in zip(starts, words, strict=True))
    return {"text": " ".join(words), "tokens": tuple(words), "starts": tuple(starts), "ends": ends}


def _labels(table: Table, choice: TaskChoice) -> list[str]:
    column = choice.label or "label"
    labels = table.words(column, "label")
    blank = [number for number, label in zip(table.numbers, labels, strict=True) if label is None]
    table.refuse(column, blank, "has no label", "fill it, or leave the row out")
    known = [label for label in labels if label is not None]
    _refuse_long_labels(table, column, known)
    return known


def _refuse_long_labels(table: Table, column: str, labels: Sequence[str]) -> None:
    long = [no for no, label in zip(table.numbers, labels, strict=True) if len(label) > MAX_LABEL_CHARACTERS]
    rule = f"holds more than {MAX_LABEL_CHARACTERS} characters"
    table.refuse(column, long, rule, f"is '{column}' the label column?")


def _is_word(item: Any) -> bool:
    return isinstance(item, str | int) and not isinstance(item, bool)


def _spans(table: Table, column: str, number: int, text: str, cell: list[Any]) -> tuple[Span, ...]:
    """Spans of one row. `text` beside the offsets, where given, must be what stands there."""
    spans = []
    for item in cell:
        rule = None
        if not isinstance(item, dict) or not {"start", "end", "label"} <= set(item) <= {
            "start",
            "end",
            "label",
            "text",
        }:
            rule = "is no span {start, end, label}"
        elif not all(type(item[key]) is int for key in ("start", "end")) or not isinstance(item["label"], str):
            rule = "has offsets that are no whole numbers, or a label that is no text"
        elif item.get("text") is not None and text[max(0, item["start"]) : max(0, item["end"])] != item["text"]:
            rule = "has a text that differs from what stands at its offsets"
        if rule:
            table.refuse(column, [number], rule, "offsets count characters, not bytes, from 0; the end is exclusive")
        spans.append(Span(item["start"], item["end"], item["label"]))
    return tuple(spans)


def _overlap(spans: Sequence[Span]) -> bool:
    ordered = sorted(spans, key=lambda span: (span.start, span.end))
    return any(after.start < before.end for before, after in pairwise(ordered))


def _refuse_repeated_ids(table: Table, examples: Sequence[Example], choice: TaskChoice) -> None:
    first: dict[str, Example] = {}
    repeated, differing = [], 0
    for number, example in zip(table.numbers, examples, strict=True):
        before = first.setdefault(example.example, example)
        if before is not example:
            repeated.append(number)
            differing += (before.label, before.labels) != (example.label, example.labels)
    rule = f"repeats an id ({differing} of {len(repeated)} with another label)"
    table.refuse(choice.id or "", repeated, rule, "an id names one row")


def _refuse_broken(table: Table, examples: Sequence[Example], choice: TaskChoice) -> None:
    broken: dict[str, list[int]] = defaultdict(list)
    for number, example in zip(table.numbers, examples, strict=True):
        if rule := problem_of(example, choice.kind or "classification", None):
            broken[rule].append(number)
    for rule, numbers in broken.items():
        table.refuse(_label_column(table, choice), numbers, rule)


def _label_column(table: Table, choice: TaskChoice) -> str:
    if choice.label is not None or choice.kind != "entities":
        return choice.label or "label"
    return "spans" if "spans" in table.columns else "tags"
