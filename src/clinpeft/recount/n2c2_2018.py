"""n2c2 2018 read a second time: notes and brat lines by regular expressions, windows and sentences by scanning."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import dropwhile
from pathlib import Path

from clinpeft.recount import Options, Recounted
from clinpeft.recount._release_files import decoded, is_packed_only, release_files

_ARCHIVES = {"training_20180910", "track2-training_data_2", "track2-training_data_3", "gold-standard-test-data"}
_T = re.compile(r"T(?P<id>\d+)\t(?P<label>\w+) (?P<spans>[\d ;]+)\t(?P<text>.*)", re.DOTALL)
_R = re.compile(r"R\d+\t(?P<label>[\w-]+) Arg1:T(?P<one>\d+) Arg2:T(?P<two>\d+)")
_ABBREVIATIONS = {
    *("Dr", "Drs", "Mr", "Mrs", "Ms", "Prof", "St", "No", "Nos", "Fig", "Figs", "vs", "cf", "ca", "approx", "al"),
    *("e.g", "i.e"),
}
_ITEM = re.compile(r"[-*+\u2022]|\(?[0-9]{1,3}[.):]\s|[A-Za-z][^\n:]{0,40}:(?:\s|\Z)")


@dataclass(frozen=True)
class _Mention:
    id: int
    label: str
    start: int
    end: int


@dataclass
class _Note:
    name: str
    text: str = field(repr=False)
    mentions: list[_Mention] = field(default_factory=list)
    pairs: set[tuple[int, int]] = field(default_factory=set)


def recount(task: str, root: Path, options: Options) -> Iterator[Recounted]:
    """Windows with the types in them, or pairs with their relation; texts are made here too."""
    for note in _notes(root):
        if task.endswith("-relations"):
            yield from _pairs(note, int(str(options["max_distance"])))
        else:
            yield from _windows(note, int(str(options["max_words"])))


def _notes(root: Path) -> Iterator[_Note]:
    found = release_files(root, (".txt", ".ann"), lambda path: is_packed_only(path, _ARCHIVES))
    files = {path: data for path, data in found if re.search("train|test", path.parent.as_posix().lower())}
    marks = {path.stem.lower(): data for path, data in files.items() if path.suffix.lower() == ".ann"}
    for path in sorted(files):
        if path.suffix.lower() == ".txt":
            yield _note(path.stem, decoded(files[path]), decoded(marks.get(path.stem.lower(), b"")))


def _note(name: str, text: str, marks: str) -> _Note:
    chunks = re.split(r"(?m)^(?=[TREAMN]\d+\t|#\d*\t|\*\t)", _without_strays(marks))
    found = [match for match in (_T.match(chunk.strip("\r\n")) for chunk in chunks) if match]
    crlf = text.replace("\r\n", "\n").replace("\n", "\r\n")
    other = text.replace("\r\n", "\n") if "\r\n" in text else crlf
    if sum(_stands(other, mark) for mark in found) > sum(_stands(text, mark) for mark in found):
        text = other
    note = _Note(name, text, [_mention(text, mark) for mark in found if _stands(text, mark)])
    labels = {mention.id: mention.label for mention in note.mentions}
    for relation in (match for match in map(_R.match, chunks) if match):
        one, two = int(relation["one"]), int(relation["two"])
        if one in labels and two in labels and relation["label"] == f"{labels[one]}-{labels[two]}":
            note.pairs.add((one, two))
    return note


def _without_strays(marks: str) -> str:
    """Signs that cannot be seen, gone from the beginnings of lines."""
    lines = marks.replace("\r\n", "\n").split("\n")
    return "\n".join("".join(dropwhile(_is_unseen, line)) for line in lines)


def _is_unseen(sign: str) -> bool:
    return sign != "\t" and unicodedata.category(sign)[0] == "C"


def _offsets(mark: re.Match[str]) -> list[int]:
    return [int(number) for number in re.findall(r"\d+", mark["spans"])]


def _stands(text: str, mark: re.Match[str]) -> bool:
    offsets = _offsets(mark)
    there = _letters("".join(text[a:b] for a, b in zip(offsets[::2], offsets[1::2], strict=True)))
    return there != "" and there in (_letters(mark["text"]), _letters(mark["text"].split("\n")[0]))


def _letters(text: str) -> str:
    return "".join(sign for sign in text.casefold() if not (sign.isspace() or _is_unseen(sign)))


def _mention(text: str, mark: re.Match[str]) -> _Mention:
    start, end = _offsets(mark)[0], _offsets(mark)[-1]
    while text[start].isspace():
        start += 1
    while text[end - 1].isspace():
        end -= 1
    return _Mention(int(mark["id"]), mark["label"], start, end)


def _windows(note: _Note, max_words: int) -> Iterator[Recounted]:
    """Cuts between lines, from the first one on: at a blank line before a paragraph that does not fit any more, or at
    any line of a paragraph that does not fit into a window at all."""
    paragraphs: list[list[tuple[int, int]]] = [[]]
    at = 0
    for line in note.text.split("\n"):
        if line.strip():
            paragraphs[-1].append((at + len(line) - len(line.lstrip()), at + len(line.rstrip())))
        else:
            paragraphs.append([])
        at += len(line) + 1
    window: tuple[int, int] | None = None
    for paragraph in filter(None, paragraphs):
        whole = (paragraph[0][0], paragraph[-1][1])
        for start, end in [whole] if _num_words(note.text, *whole) <= max_words else paragraph:
            is_cut = any(mention.start < start < mention.end for mention in note.mentions)
            if window and (is_cut or _num_words(note.text, window[0], end) <= max_words):
                window = (window[0], end)
            else:
                if window:
                    yield _window(note, *window)
                window = (start, end)
    if window:
        yield _window(note, *window)


def _num_words(text: str, start: int, end: int) -> int:
    return len(text[start:end].split())


def _window(note: _Note, start: int, end: int) -> Recounted:
    here = [mention for mention in note.mentions if start <= mention.start < end]
    spans = sorted((mention.start - start, mention.end - start, mention.label) for mention in here)
    labels = tuple(sorted(mention.label for mention in here))
    return Recounted(f"{note.name}:{start}", labels, note.text[start:end], spans=tuple(spans))


def _pairs(note: _Note, max_distance: int) -> Iterator[Recounted]:
    sentences = list(_sentences(note))
    place = {
        mention.id: number
        for number, (start, end) in enumerate(sentences)
        for mention in note.mentions
        if start <= mention.start < end
    }
    for one in note.mentions:
        for two in note.mentions:
            if one.label == "Drug" or two.label != "Drug" or abs(place[one.id] - place[two.id]) > max_distance:
                continue
            first, last = sorted((place[one.id], place[two.id]))
            label = f"{one.label}-Drug" if (one.id, two.id) in note.pairs else "none"
            start, end = sentences[first][0], sentences[last][1]
            spans = tuple((mention.start - start, mention.end - start, mention.label) for mention in (one, two))
            yield Recounted(f"{note.name}:T{one.id}:T{two.id}", (label,), note.text[start:end], spans=spans)


def _sentences(note: _Note) -> Iterator[tuple[int, int]]:
    words = [found.span() for found in re.finditer(r"\S+", note.text)]
    start = None
    for number, (first, last) in enumerate(words):
        start = first if start is None else start
        after = words[number + 1][0] if number + 1 < len(words) else None
        is_held = after is not None and any(m.start < after < m.end for m in note.mentions)
        if after is None or (not is_held and _ends(note.text, last, after)):
            yield start, last
            start = None


def _ends(text: str, end: int, after: int) -> bool:
    """Whether a sentence ends between the word that ends at `end` and the one that begins at `after`."""
    line, gap = text[text.rfind("\n", 0, end) + 1 : end], text[end:after]
    if gap.count("\n") > 1:
        return True
    if "\n" in gap:
        is_indented_by_blanks = not gap.partition("\n")[2].strip(" \t")
        if len(line) < 50 or (is_indented_by_blanks and _ITEM.match(text, after)):
            return True
    ending = line if line[-1] in ".!?" else line[:-1] if line[-1] in "\"')]" else ""
    beginning = text[after + 1 : after + 2] if text[after] in "\"'([" else text[after]
    if not ending.endswith((".", "!", "?")) or not re.match("[A-Z0-9]", beginning):
        return False
    return line[-1] != "." or not (re.fullmatch(r"[ \t]*[0-9]{1,3}\.", line) or _is_short(line[:-1]))


def _is_short(line: str) -> bool:
    """Whether the line ends with an abbreviation or a single capital, its point taken off."""
    parts = re.split(r"\W", re.split(r"[^\w.]", line)[-1])
    return bool(re.fullmatch("[A-Z]", parts[-1])) or not {parts[-1], ".".join(parts[-2:])}.isdisjoint(_ABBREVIATIONS)
