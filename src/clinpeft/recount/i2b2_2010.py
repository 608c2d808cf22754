"""i2b2/VA 2010, read a second time: a note is one string, and a marked stretch a pair of offsets in it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from clinpeft.recount import Options, Recounted
from clinpeft.recount._release_files import decoded, is_packed_only, release_files

Stretch = tuple[int, int]
"""Start and end (exclusive) in the note."""
HOSPITALS = ("beth", "partners", "test")
KINDS = ("problem", "treatment", "test")
RELATION_ORDER = ("PIP", "TeCP", "TeRP", "TrAP", "TrCP", "TrIP", "TrNAP", "TrWP")
ARCHIVES = ("concept_assertion_relation_training_data", "reference_standard_for_test_data", "test_data")
SUFFIXES = (".txt", ".con", ".ast", ".rel")
SKIPPED = {"unannotated", "sample data"}
_STRETCH = re.compile(r'c="(?P<words>.*)" (?P<l1>\d+):(?P<t1>\d+) (?P<l2>\d+):(?P<t2>\d+)')
_BLANKS = (" \t", None, " \t\n\v\f\r", "")
"""What stands between tokens, rule by rule; None is exactly one blank, "" whatever Unicode calls a blank."""


@dataclass
class Note:
    """The files of one name."""

    hospital: str
    is_text_folder: bool = False
    name: str = ""
    text: str = field(default="", repr=False)
    files: dict[str, str] = field(default_factory=dict, repr=False)

    def line_of(self, offset: int) -> int:
        """The number of the line (from 0) in which the offset lies."""
        return self.text.count("\n", 0, offset)

    def lines(self, first: int, last: int) -> Stretch:
        """Start of line `first` and end of line `last`."""
        lines = self.text.split("\n")
        start = sum(len(line) + 1 for line in lines[:first])
        return start, start + len("\n".join(lines[first : last + 1]))

    def rows(self, suffix: str) -> Iterator[tuple[int, str]]:
        """The lines of an annotation file that hold anything, with their numbers."""
        for number, line in enumerate(self.files.get(suffix, "").split("\n"), start=1):
            if line.strip():
                yield number, line.strip()


def recount(task: str, root: Path, options: Options) -> Iterator[Recounted]:
    """What the raw files say of every example of i2b2-2010-concepts, -assertions or -relations."""
    is_paper = options.get("mode") == "paper"
    for note in _notes(root):
        if task == "i2b2-2010-concepts":
            if not (is_paper and note.hospital == "beth"):
                yield from _concept_lines(note)
        elif task == "i2b2-2010-assertions":
            yield from _assertions(note, f"{options['opening']} ", f" {options['closing']}")
        elif task == "i2b2-2010-relations" and {"con", "rel"} <= note.files.keys():
            yield from _pairs(note, options, is_paper)


def _concept_lines(note: Note) -> Iterator[Recounted]:
    """Every line that holds a word, with the types of the concepts on it; of overlapping ones the longest counts."""
    concepts = list(_concepts(note))
    start = 0
    for number, line in enumerate(note.text.split("\n"), start=1):
        words = [(start + a, start + b) for a, b in _tokens(line, _BLANKS[0]) if line[a:b].strip()]
        here = []
        for (begin, end), kind, _ in concepts:
            if begin < start + len(line) and start < end:
                touched = [index for index, (a, b) in enumerate(words) if a < end and begin < b]
                here.append((-len(touched), touched[:1], KINDS.index(kind), set(touched)))
        spans: list[tuple[int, int, str]] = []
        taken: set[int] = set()
        for _, _, rank, touched_words in sorted(here, key=lambda mark: mark[:3]):
            if touched_words and not taken & touched_words:
                taken |= touched_words
                first, last = words[min(touched_words)], words[max(touched_words)]
                spans.append((first[0] - start, last[1] - start, KINDS[rank]))
        if words:
            kinds = tuple(sorted(kind for *_, kind in spans))
            yield Recounted(f"{note.name}:{number}", kinds, line, spans=tuple(sorted(spans)))
        start += len(line) + 1


def _assertions(note: Note, opening: str, closing: str) -> Iterator[Recounted]:
    seen: set[Stretch] = set()
    for number, row in note.rows("ast"):
        stretch, _, value = row.rpartition('||t="problem"||a=')
        place = _found(stretch, note)
        if place is not None and place not in seen:
            seen.add(place)
            start, end = note.lines(note.line_of(place[0]), note.line_of(place[1]))
            text = (
                f"{note.text[start : place[0]]}{opening}{note.text[slice(*place)]}{closing}{note.text[place[1] : end]}"
            )
            yield Recounted(f"{note.name}.ast:{number}", (value.strip('"'),), text)


def _pairs(note: Note, options: Options, is_paper: bool) -> Iterator[Recounted]:
    concepts = list(_concepts(note, keep_copies=is_paper))
    line_of = [note.line_of(place[0]) for place, _, _ in concepts]
    related = _related(note, concepts, is_paper)
    for second, (place, kind, row) in enumerate(concepts):
        for first, (place_before, kind_before, row_before) in enumerate(concepts[:second]):
            is_untyped = options["pairs"] == "typed" and "problem" not in (kind, kind_before)
            if is_untyped or line_of[first] != line_of[second]:
                continue
            start, end = note.lines(line_of[first], note.line_of(max(place[1], place_before[1])))
            text = note.text[start:end]
            marks = [(a - start, b - start, type_) for (a, b), type_ in ((place_before, kind_before), (place, kind))]
            is_replaced = options["markers"] == "replace"
            if is_replaced:
                text = _with_types(text, marks, is_paper)
            spans = None if is_replaced else tuple(sorted(marks, key=lambda mark: mark[:2]))
            names = related.get((first, second), ["none"])
            names = names[::-1] if is_paper else sorted(names, key=_label_order)[:1]
            for copy, name in enumerate(names, start=1):
                number = f":{copy}" if copy > 1 else ""
                yield Recounted(f"{note.name}.con:{row_before}-{row}{number}", (name,), text, spans=spans)


def _related(note: Note, concepts: list[tuple[Stretch, str, int]], is_paper: bool) -> dict[tuple[int, int], list[str]]:
    """The relations of pairs of concepts (by their positions), in the order of the file."""
    related: dict[tuple[int, int], list[str]] = {}
    for _, row in note.rows("rel"):
        left, name, right = re.split(r'\|\|r="(\w+)"\|\|', row)
        places = [_found(stretch, note) for stretch in (left, right)]
        standing = [[i for i, concept in enumerate(concepts) if concept[0] == place] for place in places]
        here, there = ([found[0]] if is_paper and found else found for found in standing)
        choices = [(one, other) for one in here for other in there if one != other]
        partner = "problem" if name == "PIP" else "test" if name.startswith("Te") else "treatment"
        fitting = [pair for pair in choices if sorted(concepts[i][1] for i in pair) == sorted(["problem", partner])]
        if choices:
            one, other = (fitting or choices)[0]
            related.setdefault((min(one, other), max(one, other)), []).append(name)
    return related


def _with_types(text: str, marks: list[tuple[int, int, str]], is_paper: bool) -> str:
    """The text with `@type$` for both mentions, or one for both where they overlap or touch."""
    (start, end, kind), (next_start, next_end, next_kind) = sorted(marks, key=lambda mark: mark[:2])
    if is_paper:
        kind, next_kind = marks[0][2], marks[1][2]
    if next_start <= end:
        return f"{text[:start]}@{kind}-{next_kind}${text[max(end, next_end) :]}"
    return f"{text[:start]}@{kind}${text[end:next_start]}@{next_kind}${text[next_end:]}"


def _label_order(name: str) -> int:
    return RELATION_ORDER.index(name) if name in RELATION_ORDER else len(RELATION_ORDER)


def _concepts(note: Note, *, keep_copies: bool = False) -> Iterator[tuple[Stretch, str, int]]:
    """Place, type and row of each concept whose words stand where it says."""
    seen = set()
    for number, row in note.rows("con"):
        stretch, _, kind = row.rpartition("||t=")
        key = stretch[stretch.rindex('"') :], kind
        if keep_copies or key not in seen:
            seen.add(key)
            place = _found(stretch, note)
            if place is not None:
                yield place, kind.strip('"'), number


def _found(stretch: str, note: Note) -> Stretch | None:
    """Where the words of `c="…" L:T L:T` stand, by the first rule for tokens under which they do."""
    match = _STRETCH.fullmatch(stretch)
    if match is None:
        return None
    wanted = match["words"].lower().split()
    lines = note.text.split("\n")
    first, last = int(match["l1"]) - 1, int(match["l2"]) - 1
    for blanks in _BLANKS:
        start = len("\n".join([*lines[:first], ""]))
        tokens: list[Stretch] = []
        for number in range(first, last + 1):
            here = [(start + a, start + b) for a, b in _tokens(lines[number], blanks)]
            if number == last:
                here = here[: int(match["t2"]) + 1] if int(match["t2"]) < len(here) else []
            tokens += here[int(match["t1"]) :] if number == first else here
            start += len(lines[number]) + 1
        tokens = [token for token in tokens if token[0] < token[1]]
        if tokens and wanted and note.text[tokens[0][0] : tokens[-1][1]].lower().split() == wanted:
            return tokens[0][0], tokens[-1][1]
    return None


def _tokens(line: str, blanks: str | None) -> Iterator[Stretch]:
    """Start and end of each token; an empty one stands before blanks that begin the line."""
    start = 0
    was_blank = False
    for index, letter in enumerate(line):
        is_blank = letter.isspace() if blanks == "" else letter in (blanks or " ")
        if is_blank and (not was_blank or blanks is None):
            yield start, index
        if is_blank:
            start = index + 1
        was_blank = is_blank
    yield start, len(line)


def _notes(root: Path) -> list[Note]:
    """The notes that count, by hospital and name: those with annotations, and texts in txt/ or test_data/."""
    notes: dict[str, Note] = {}
    for path, content in release_files(root, SUFFIXES, lambda path: is_packed_only(path, ARCHIVES)):
        stem, _, suffix = path.name.rpartition(".")
        folders = [folder.lower() for folder in path.parts[:-1]]
        if not SKIPPED.isdisjoint(folders):
            continue
        hospital = next((folder for folder in HOSPITALS[:2] if folder in folders), HOSPITALS[2])
        note = notes.setdefault(stem.lower(), Note(hospital))
        if suffix.lower() == "txt":
            note.name = stem
            note.text = "\n".join(line.removesuffix("\r") for line in decoded(content).split("\n"))
            note.is_text_folder = bool(folders) and (folders[-1] == "txt" or folders[-1].startswith(ARCHIVES[2]))
        else:
            note.files[suffix.lower()] = decoded(content)
    kept = [note for note in notes.values() if note.name and (note.files or note.is_text_folder)]
    return sorted(kept, key=lambda note: (HOSPITALS.index(note.hospital), note.name))
