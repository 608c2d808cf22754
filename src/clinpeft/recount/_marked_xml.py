"""Notes in XML recounted with regular expressions and loops over characters, for i2b2 2012 and 2014."""

from __future__ import annotations

import re
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby

from clinpeft.recount._release_files import decoded

Spans = tuple[tuple[int, int, str], ...]
"""Start, end (exclusive, in the line) and type, in order."""
_TEXT = re.compile(r"<TEXT><!\[CDATA\[(.*?)]]></TEXT>", re.DOTALL)
_TAG = re.compile(r"""<([A-Z0-9]+)((?:\s+\w+\s*=\s*(?:"[^"]*"|'[^']*'))+)\s*/?>""")
_ATTRIBUTE = re.compile(r"""(\w+)\s*=\s*(?:"([^"]*)"|'([^']*)')""")
_REFERENCE = re.compile(r"&(?:(amp|lt|gt|quot|apos)|#([0-9]+)|#x([0-9A-Fa-f]+));")
_NAME = re.compile(r"&(amp|lt|gt|quot|apos);")
_NAMED = {"amp": "&", "lt": "<", "gt": ">", "quot": '"', "apos": "'"}


@dataclass(frozen=True, slots=True)
class Stretch:
    """A typed part of a note; offsets from 0, end exclusive."""

    start: int
    end: int
    type: str


@dataclass(frozen=True, slots=True)
class Character:
    """One character as a reader sees it, and where it stands in the note as written."""

    letter: str = field(repr=False)
    start: int
    end: int


def read_note(content: bytes, names: Sequence[str], type_name: str) -> tuple[str, list[tuple[Stretch, str]]]:
    """The note and its tags, each with the text that it repeats; offsets as the file has them."""
    whole = decoded(content)
    note = _TEXT.search(whole)
    if note is None:
        return "", []
    tags = []
    for tag in _TAG.finditer(whole, note.end()):
        values = {name: _plain(one or two) for name, one, two in _ATTRIBUTE.findall(tag[2])}
        if tag[1] in names:
            stretch = Stretch(int(values["start"]), int(values["end"]), values[type_name].strip())
            tags.append((stretch, " ".join(values["text"].split())))
    return _line_ends(note[1], tags), tags


def settled(text: str, tags: Sequence[tuple[Stretch, str]], reach: int, *, is_checked: bool) -> list[Stretch]:
    """The tags at the nearest place, at most `reach` characters off, where their text stands; others are left out."""
    found = []
    for tag, words in tags:
        if tag.start < tag.end:
            place = _nearest(text, tag, words, reach) if is_checked else Stretch(tag.start, tag.end, tag.type)
            if place is not None and place.start < len(text):
                found.append(place)
    return found


def characters(text: str, *, is_decoded: bool) -> list[Character]:
    """The note's characters; decoded, `&apos;` and its like count as one."""
    if not is_decoded:
        return [Character(letter, at, at + 1) for at, letter in enumerate(text)]
    parts = re.finditer(rf"{_NAME.pattern}|.", text, re.DOTALL)
    return [Character(_NAME.sub(_character, part[0]), *part.span()) for part in parts]


def lines(text: str, stretches: Sequence[Stretch], *, is_decoded: bool) -> Iterator[tuple[int, str, Spans]]:
    """(number from 1, line, its stretches) of lines with a word; of those in conflict the longest stays."""
    seen = characters(text, is_decoded=is_decoded)
    words, row_of = _words(seen)
    letters = [_letters(seen, stretch) for stretch in stretches]
    order = sorted(range(len(stretches)), key=lambda at: (-len(letters[at]), letters[at].start, stretches[at].type))
    owner: dict[int, int] = {}
    for number in order:
        hit = {words[at] for at in letters[number] if words[at]}
        if not hit & owner.keys():
            owner |= dict.fromkeys(hit, number)
    covered: dict[tuple[int, int], list[int]] = {}
    for number, places in enumerate(letters):
        for at in places:
            if words[at] and owner.get(words[at]) == number:
                covered.setdefault((row_of[words[at]], number), []).append(at)
    line_start = 0
    for row, line in enumerate("".join(letter.letter for letter in seen).split("\n"), start=1):
        if row in row_of.values():
            found = [(at, stretches[number].type) for (of, number), at in covered.items() if of == row]
            spans = ((at[0] - line_start, at[-1] + 1 - line_start, kind) for at, kind in found)
            yield row, line.removesuffix("\r"), tuple(sorted(spans))
        line_start += len(line) + 1


def lines_as_published(text: str, stretches: Sequence[Stretch]) -> Iterator[tuple[int, str, Spans]]:
    """The same by the published scripts: a label for each character, a later tag over an earlier one."""
    types, is_first = [""] * len(text), [False] * len(text)
    for stretch in stretches:
        for at in range(stretch.start, min(stretch.end, len(text))):
            types[at], is_first[at] = stretch.type, at == stretch.start
    line_start = 0
    for number, line in enumerate(text.split("\n"), start=1):
        found: list[tuple[int, int, str]] = []
        before = ""
        at = line_start
        for kind, run in groupby(types[line_start : line_start + len(line)]):
            length = len(list(run))
            words = [word.span() for word in re.finditer(r"\S+", text[at : at + length])]
            firsts = [
                is_first[at],
                *[is_first[min(at + 1, at + length - 1)]] * (len(words) - 2),
                is_first[at + length - 1],
            ]
            for opens, (start, end) in zip(firsts, words, strict=False):
                place = at - line_start
                if kind and (opens or before != kind):
                    found.append((place + start, place + end, kind))
                elif kind:
                    found[-1] = found[-1][0], place + end, kind
                before = kind
            at += length
        if line.strip():
            yield number, line.removesuffix("\r"), tuple(found)
        line_start += len(line) + 1


def _line_ends(text: str, tags: Sequence[tuple[Stretch, str]]) -> str:
    """CR LF counts as one character unless more than 1 % of the tags disagree and fewer do when both count."""
    plain = text.replace("\r\n", "\n").replace("\r", "\n")
    wrong = [sum(_bare(way[tag.start : tag.end]) != _bare(words) for tag, words in tags) for way in (plain, text)]
    return text if wrong[0] * 100 > len(tags) and wrong[1] < wrong[0] else plain


def _nearest(text: str, tag: Stretch, words: str, reach: int) -> Stretch | None:
    wanted = _bare(words)
    if not wanted:
        return None
    if _bare(text[tag.start : tag.end]) == wanted:
        return tag
    furthest = tag.end + reach + 6 * len(wanted)
    ends = [letter.end for letter in characters(text[:furthest], is_decoded=True)]
    starts = {start for start in [0, *ends] if text[start : start + 1].strip()}
    for shift in sorted(range(-reach, reach + 1), key=lambda shift: (abs(shift), shift)):
        start = tag.start + shift
        for end in ends if start in starts else []:
            if end > start and _bare(text[start:end]) == wanted:
                return Stretch(start, end, tag.type)
    return None


def _bare(text: str) -> str:
    """Without blanks, named references read, `&` as «and»."""
    return "".join(_NAME.sub(_character, text).replace("&", "and").split())


def _plain(text: str) -> str:
    return _REFERENCE.sub(_character, text)


def _character(found: re.Match[str]) -> str:
    if found[1]:
        return _NAMED[found[1]]
    return chr(int(found[2]) if found[2] else int(found[3], 16))


def _letters(seen: Sequence[Character], stretch: Stretch) -> range:
    """Positions of the characters that the stretch meets."""
    first = bisect_right(seen, stretch.start, key=lambda letter: letter.end)
    return range(first, max(first, bisect_left(seen, stretch.end, key=lambda letter: letter.start)))


def _words(seen: Sequence[Character]) -> tuple[list[int], dict[int, int]]:
    """The number of each character's word (0: none), and the line of each word.

    Letters stand together, digits stand together, every other sign alone.
    """
    words: list[int] = []
    row_of: dict[int, int] = {}
    row, kind_before = 1, ""
    for letter in seen:
        kind = _kind(letter.letter)
        if kind and (kind != kind_before or kind == "sign"):
            row_of[len(row_of) + 1] = row
        words.append(len(row_of) if kind else 0)
        kind_before = kind
        row += letter.letter == "\n"
    return words, row_of


def _kind(letter: str) -> str:
    if letter.isspace():
        return ""
    if letter.isdecimal():
        return "digit"
    return "letter" if letter.isalnum() else "sign"
