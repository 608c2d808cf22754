"""What `clinpeft init` sees in a table of one's own, and the study that it writes."""

from __future__ import annotations

import json
import os
import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from clinpeft.data.card import Words
from clinpeft.data.own import DEFAULT_FOLDS, FOLDS_BELOW_SUBJECTS, usual_positive
from clinpeft.data.own_tables import odd_classes
from clinpeft.data.statistics import percentiles
from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.sources.tabular import Table, read_table
from clinpeft.spec import PRESETS

WORD_PIECES_PER_WORD = 1.3
"""Of English clinical text in a BERT vocabulary, roughly; a look runs no tokenizer."""
MODEL_LENGTH = 512
PRESET = "standard"

SUBJECT_NAMES = {"subject", "subjectid", "patient", "patientid", "mrn", "pid", "ptid", "person", "personid", "pt"}
LABEL_NAMES = {"label", "class", "target", "outcome", "y"}
MAX_GUESSED_CLASSES = 20


@dataclass(frozen=True)
class TableLook:
    """What one table holds, for a person who is about to use it; class names, no texts."""

    path: Path
    columns: tuple[str, ...]
    text: str
    label: str
    subject: str | None
    """None when no column is named like a patient's."""
    rows: int
    subjects: int | None
    classes: dict[str, int]
    """Rows per class, most frequent first."""
    words: Words
    duplicates: int
    """Rows whose text stands in an earlier row too."""
    long_share: float
    """Share of rows beyond about 512 word pieces, 0 to 1."""


def look(path: Path, text: str | None = None, label: str | None = None, subject: str | None = None) -> TableLook:
    """Read a table and describe it; columns that are not given are guessed.

    Guesses: text is the column of the longest cells, label one of few values, subject one named like a patient's id.
    `subject="none"` says that there is none. Raises BadInput for a broken table, or when a guess is ambiguous.
    """
    table = read_table(RawFiles(path.parent), path)
    subject = None if subject == "none" else subject or _guess_subject(table)
    text = text or _guess_text(table, {label, subject})
    label = label or _guess_label(table, {text, subject})
    texts, labels = table.texts(text, "--text"), table.ids(label, "--label")
    classes = Counter(labels)
    if rule := odd_classes("classification", len(classes), len(labels)):
        raise BadInput(f"{path.name}: column '{label}'", rule, f"is '{label}' the label column? give --label")
    lengths = [len(cell.split()) for cell in texts]
    return TableLook(
        path=path,
        columns=table.columns,
        text=text,
        label=label,
        subject=subject,
        rows=len(table),
        subjects=len(set(table.ids(subject, "--subject"))) if subject else None,
        classes=dict(sorted(classes.items(), key=lambda item: (-item[1], item[0]))),
        words=percentiles(lengths),
        duplicates=len(texts) - len(set(texts)),
        long_share=sum(length * WORD_PIECES_PER_WORD > MODEL_LENGTH for length in lengths) / len(lengths),
    )


def starter_study(seen: TableLook, folder: Path) -> str:
    """A commented study.yaml for the table, to be saved in `folder`; paths in it are relative to that folder."""
    name = re.sub(r"[^A-Za-z0-9._-]+", "-", seen.path.name.split(".")[0]).strip("-._")[:100] or "table"
    relative = os.path.relpath(seen.path.resolve(), folder.resolve())
    preset = PRESETS[PRESET]
    lines = [
        *_what_was_seen(seen),
        "",
        "schema: 1",
        f"name: {_quoted(name)}",
        f"question: {_quoted(f'Which small model predicts {seen.label} from {seen.text}, and what does it cost?')}",
        "tasks:",
        f"  - name: {_quoted(name)}",
        "    kind: classification",
        f"    files: {{data: {_quoted(relative)}}}  # relative to this file",
        f"    text: {_quoted(seen.text)}",
        f"    label: {_quoted(seen.label)}",
        *_positive_lines(seen),
        *_subject_lines(seen),
        *_split_lines(seen),
        "",
        f"preset: {PRESET}  # quick tries less, thorough more; what this file says itself wins over the preset:",
        *(f"# {key}: {json.dumps(preset[key])}" for key in ("models", "methods", "seeds")),
        *_train_lines(seen),
        "test: sealed  # test labels stay closed until `clinpeft open-test`, so that nobody chooses by them",
    ]
    return "\n".join(lines) + "\n"


def _guess_subject(table: Table) -> str | None:
    named = [column for column in table.columns if _plain(column) in SUBJECT_NAMES]
    if len(named) > 1:
        raise _ambiguous(table, "subject", named)
    return named[0] if named else None


def _guess_text(table: Table, taken: set[str | None]) -> str:
    """The longest cells on average, and clearly so: half as long or longer is a rival."""
    means = {
        column: sum(len(row[column]) for row in table.rows if isinstance(row.get(column), str)) / len(table)
        for column in table.columns
        if column and column not in taken
    }
    longest = max(means.values(), default=0.0)
    rivals = [column for column, mean in means.items() if mean >= longest / 2]
    if len(rivals) != 1:
        raise _ambiguous(table, "text", rivals)
    return rivals[0]


def _guess_label(table: Table, taken: set[str | None]) -> str:
    free = [column for column in table.columns if column and column not in taken]
    fitting = [column for column in free if _could_be_label(table, column)]
    named = [column for column in fitting if _plain(column) in LABEL_NAMES]
    if len(named or fitting) != 1:
        raise _ambiguous(table, "label", named or fitting)
    return (named or fitting)[0]


def _could_be_label(table: Table, column: str) -> bool:
    cells = [row.get(column) for row in table.rows]
    if not all(isinstance(cell, bool | int) or (isinstance(cell, str) and cell.strip()) for cell in cells):
        return False
    return 2 <= len(set(cells)) <= min(MAX_GUESSED_CLASSES, max(2, len(cells) // 5))


def _ambiguous(table: Table, key: str, fitting: list[str]) -> BadInput:
    """Names columns, which are no cells; a first row that is no header may hold text, so long names are left out."""
    names = [name for name in fitting or table.columns if 0 < len(name) <= 40]
    which = "several columns could be" if fitting else "no column looks like"
    return BadInput(table.name, f"{which} the {key} ({', '.join(names)})", f"give --{key}")


def _plain(column: str) -> str:
    return re.sub(r"[^a-z]", "", column.casefold())


def _what_was_seen(seen: TableLook) -> list[str]:
    classes = ", ".join(f"{_quoted(label)}: {number:,}" for label, number in seen.classes.items())
    words = seen.words
    return [
        f"# Written by `clinpeft init` after a look at {_quoted(seen.path.name)}; change what you like.",
        f"# {seen.rows:,} rows, {'no subjects' if seen.subjects is None else f'{seen.subjects:,} subjects'}.",
        f"# {len(seen.classes)} classes: {classes}.",
        f"# Words a text: half have at most {words.p50:,}, 95 % at most {words.p95:,}, the longest {words.max:,}.",
        f"# About {seen.long_share:.0%} of the texts exceed {MODEL_LENGTH} word pieces, what most models read.",
        f"# {seen.duplicates:,} rows repeat an earlier row's text; copies across the splits leave the training data.",
    ]


def _positive_lines(seen: TableLook) -> list[str]:
    if len(seen.classes) != 2:
        return []
    usual = usual_positive(list(seen.classes))
    chosen = usual or min(seen.classes, key=lambda label: (seen.classes[label], label))
    why = "the class that counts as a case" + ("" if usual else "; the rarer one was taken: please check")
    return [f"    positive: {_quoted(chosen)}  # {why}"]


def _subject_lines(seen: TableLook) -> list[str]:
    if seen.subject is not None:
        return [f"    subject: {_quoted(seen.subject)}  # all rows of a patient stay in one split"]
    return [
        "    # No column is named like a patient's id. If a patient can have several rows, name the column here: else",
        "    # one patient is in training and in test, and scores are too good. The report says that there is none.",
        "    subject: none",
    ]


def _split_lines(seen: TableLook) -> list[str]:
    units = seen.rows if seen.subjects is None else seen.subjects
    what = "rows" if seen.subjects is None else "subjects"
    if units < FOLDS_BELOW_SUBJECTS:
        folds = min(DEFAULT_FOLDS, max(2, units // 2))
        why = [
            f"      # {units:,} {what}: below {FOLDS_BELOW_SUBJECTS:,} one validation split is too small to choose by,",
            f"      # so all but test is cut into {folds} folds, each once validation ({folds} times the training).",
        ]
    else:
        folds = 0
        why = [f"      # {units:,} {what}: one validation split is enough to choose by; 5 would train five times."]
    shares = "      fractions: [0.7, 0.1, 0.2]  # train, validation, test, by subject; classes spread evenly"
    return ["    split:", shares, *why, f"      folds: {folds}"]


def _train_lines(seen: TableLook) -> list[str]:
    reads = PRESETS[PRESET]["train"]["max_length"]
    if seen.words.p95 * WORD_PIECES_PER_WORD <= reads:
        return []
    return [
        "train:",
        f"  max_length: {MODEL_LENGTH}  # word pieces; the preset reads {reads}, and more than 5 % of texts are longer",
    ]


def _quoted(value: str) -> str:
    """Double-quoted JSON is YAML too, so a column called `no` or `a: b` stays what it is; YAML's own line breaks
    (U+0085, U+2028, U+2029) and characters that it refuses are written as escapes."""
    plain = json.dumps(value, ensure_ascii=False)
    return re.sub(r"[\x7f-\x9f\u2028\u2029\ufeff]", lambda found: f"\\u{ord(found[0]):04x}", plain)
