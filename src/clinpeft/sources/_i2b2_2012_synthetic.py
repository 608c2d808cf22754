"""Invented i2b2 2012 releases: the training archive and the fuller test archive, with what makes the real ones hard."""

from __future__ import annotations

import random
from bisect import bisect_right
from collections.abc import Iterator
from pathlib import Path

from clinpeft.errors import BadInput
from clinpeft.files import stopping_when_disk_is_full
from clinpeft.sources import _i2b2_2012_phrases as phrases
from clinpeft.sources._canary import canary
from clinpeft.sources._i2b2_2010_annotations import token_bounds
from clinpeft.sources._tar_writing import write_tar_gz
from clinpeft.sources._xml_drafts import FLIPPED, Draft, DraftMark, document, element
from clinpeft.sources.i2b2_2012 import ARCHIVES, EVENT_TYPES, SHAPE, TEST, TRAINING

QUIRKS_FROM = 30
"""Documents; smaller sets hold no planted quirks."""
TRAIN_SHARE = 190 / 310
MALFORMED = ((23, 143, 152, 272, 382, 422, 547, 807), (53, 397, 527, 627, 687, 802))
"""Files of train and of test that are no XML, as they do not escape `&` in attributes."""
_LITERALS = (("&", "&amp;"), ("'", "&apos;"), ('"', "&quot;"))
"""CDATA holds these as they are written here, and offsets count them so."""


def write_release(out: Path, *, num_documents: int, seed: int) -> dict[str, float]:
    """Write the two archives to `out`; same arguments give the same bytes.

    Returns `best_f1`, which nobody's strict entity F1 can be expected to exceed, and the numbers of documents and
    events.
    """
    if num_documents < 1:
        raise BadInput("--patients", "must be at least 1")
    rng = random.Random(seed)
    num_train = round(TRAIN_SHARE * num_documents)
    has_quirks = num_documents >= QUIRKS_FROM
    names = _names(rng, num_train, num_documents - num_train, MALFORMED if has_quirks else ((), ()))
    drafts = [_invent(rng, number, name) for number, name in enumerate(names, start=1)]
    train, test = drafts[:num_train], drafts[num_train:]
    if has_quirks:
        _plant(train, MALFORMED[0])
        _plant_shifts(_plant(test, MALFORMED[1]))
    with stopping_when_disk_is_full(out):
        write_tar_gz(out / f"{TRAINING}.tar.gz", _training_files(train))
        write_tar_gz(out / f"{TEST}.tar.gz", _test_files(test))
    return {
        "best_f1": 1 - FLIPPED,
        "documents": num_documents,
        "events": sum(len(draft.marks) for draft in drafts),
    }


def invent(rng: random.Random, number: int) -> Draft:
    """A document of 10 to 12 lines; one line holds its canary."""
    return _invent(rng, number, str(number))


def _names(rng: random.Random, num_train: int, num_test: int, known: tuple[tuple[int, ...], ...]) -> list[str]:
    """Numbers of the training and of the test documents, each in order; the known ones stand in their part."""
    free = [number for number in range(1, max(850, 2 * (num_train + num_test))) if number not in (*known[0], *known[1])]
    drawn = rng.sample(free, num_train + num_test - len(known[0]) - len(known[1]))
    num_drawn = num_train - len(known[0])
    parts = (*known[0], *drawn[:num_drawn]), (*known[1], *drawn[num_drawn:])
    return [str(number) for part in parts for number in sorted(part)]


def _invent(rng: random.Random, number: int, name: str) -> Draft:
    draft = Draft(name, number, rng, EVENT_TYPES)
    draft.add(f"Admission Date :\n{1990 + rng.randrange(20)}-0{rng.randint(1, 9)}-{rng.randint(10, 28)}\n")
    draft.add(f"Record reference {canary(number)} .\n")
    for _ in range(rng.randint(7, 9)):
        if rng.random() < 0.15:
            draft.add(f"{rng.choice(phrases.PLAIN)}\n")
        else:
            draft.fill(rng.choice(phrases.TEMPLATES), lambda slot: (_phrase(rng, slot), phrases.TYPES[slot]))
    return draft


def _phrase(rng: random.Random, slot: str) -> str:
    modifiers, terms = phrases.WORDS[slot]
    return f"{rng.choice(modifiers)} {rng.choice(terms)}".strip()


def _plant(drafts: list[Draft], malformed: tuple[int, ...]) -> Draft:
    """The malformed files of a part, and each quirk into one of its other documents; returns one that has none."""
    for draft in drafts:
        if int(draft.name) in malformed:
            _mark(draft, "He had an ", "R&D test", "TEST", " done .\n")
    others = [draft for draft in drafts if int(draft.name) not in malformed]
    _plant_literals(others[0])
    _plant_conflicts(others[1])
    _plant_blanks(others[2])
    others[2].line_end = "\r\n"
    _mark(others[3], "The patient\u2019s ", "old wound", "PROBLEM", " looked clean .\n")
    others[3].encoding = "cp1252"
    return others[4]


def _plant_literals(draft: Draft) -> None:
    """Quotes, an apostrophe and an ampersand inside and before events, and an emoji before one."""
    _mark(draft, "She told of a ", '"heavy" feeling and the patient\'s nausea', "PROBLEM", " .\n")
    _mark(draft, "\U0001f600 Seen for ", "nausea & vomiting", "PROBLEM", " today .\n")


def _plant_conflicts(draft: Draft) -> None:
    """An event without a type, one inside another, one that stands twice, and two that touch."""
    _mark(draft, "Later ", "seen", "OCCURRENCE", " again .\n").type = ""
    outer = _mark(draft, "Known ", "severe left knee pain", "PROBLEM", " today .\n")
    draft.marks.append(DraftMark(outer.end - 9, outer.end, "knee pain", "PROBLEM", "PROBLEM"))
    draft.marks.append(outer)
    draft.mark("aspirin", "TREATMENT", is_flipped=False)
    draft.mark("/heparin", "TREATMENT", is_flipped=False)
    draft.add(" given .\n")


def _plant_blanks(draft: Draft) -> None:
    """A leading blank, double blanks, a tab, a blank line, and an event across lines."""
    _mark(draft, " He  had\t", "chest  pain", "PROBLEM", " .\n\n")
    _mark(draft, "Known ", "acute renal\nfailure", "PROBLEM", " .\n")


def _plant_shifts(draft: Draft) -> None:
    """A tag that is a few characters off, and one that is nowhere near its text."""
    _mark(draft, "Then ", "an urgent biopsy", "TEST", " was planned .\n").shift = 3
    _mark(draft, "Then ", "a sleep study", "TEST", " was planned for the week after .\n").shift = -30


def _mark(draft: Draft, before: str, words: str, kind: str, after: str) -> DraftMark:
    draft.add(_literal(before))
    mark = draft.mark(_literal(words), kind, repeated=words, is_flipped=False)
    draft.add(_literal(after))
    return mark


def _literal(text: str) -> str:
    for letter, written in _LITERALS:
        text = text.replace(letter, written)
    return text


def _training_files(drafts: list[Draft]) -> Iterator[tuple[str, bytes]]:
    for draft in drafts:
        for suffix, content in _annotations(draft):
            yield f"{TRAINING}/{draft.name}{suffix}", content
        yield f"{TRAINING}/{draft.name}.xml", _xml(draft)


def _test_files(drafts: list[Draft]) -> Iterator[tuple[str, bytes]]:
    """What is merged and what is not differ in the links between events only."""
    for folder in ("merged", "unmerged"):
        for draft in drafts:
            yield f"{ARCHIVES[TEST]}/{folder}_xml/{draft.name}.xml", _xml(draft)
            for suffix, content in _annotations(draft):
                yield f"{ARCHIVES[TEST]}/{folder}_i2b2/{draft.name}{suffix}", content


def _xml(draft: Draft) -> bytes:
    is_malformed = int(draft.name) in (*MALFORMED[0], *MALFORMED[1])
    elements = [
        element(
            "EVENT",
            {
                "id": f"E{number}",
                "start": mark.start + mark.shift,
                "end": mark.end + mark.shift,
                "text": mark.words,
                "modality": "FACTUAL",
                "polarity": "POS",
                "type": mark.type,
            },
            has_bare_ampersands=is_malformed,
        )
        for number, mark in enumerate(draft.marks)
    ]
    date = draft.text.index("\n", 1) + 1
    words = draft.text[date : date + 10]
    place = {"start": date, "end": date + 10, "text": words}
    elements.append(element("TIMEX3", {"id": "T0", **place, "type": "DATE", "val": words, "mod": "NA"}))
    links = {"id": "TL0", "fromID": "E0", "fromText": "", "toID": "T0", "toText": words, "type": "OVERLAP"}
    elements.append(element("TLINK", links))
    elements.append(element("SECTIME", {"id": "S0", **place, "type": "ADMISSION", "dvalue": words}))
    return draft.written(document(SHAPE.root, draft.text, elements))


def _annotations(draft: Draft) -> Iterator[tuple[str, bytes]]:
    """The companions of an XML file: the text without its leading line end, and the tags by line and token."""
    date = draft.text[draft.text.index("\n", 1) + 1 :][:10]
    timex = f'TIMEX3="{date}" 2:0 2:0'
    events = [f'EVENT="{" ".join(mark.words.split())}" {_tokens(draft.text[1:], mark)}' for mark in draft.marks]
    rows = [
        f'{event}||type="{mark.type}"||modality="FACTUAL"||polarity="POS"'
        for event, mark in zip(events, draft.marks, strict=True)
    ]
    rows.append(f'{timex}||type="DATE"||val="{date}"||mod="NA"')
    yield ".xml.txt", draft.written(draft.text[1:])
    yield ".xml.extent", draft.written("".join(f"{row}\n" for row in rows))
    links = [f'{event}||{timex}||type="OVERLAP"\n' for event in events[:1]]
    yield ".xml.tlink", draft.written("".join(links))


def _tokens(text: str, mark: DraftMark) -> str:
    """`L:T L:T` of a mark, whose offsets count one line end more than the text has."""
    lines = text.split("\n")
    starts = [0]
    for line in lines:
        starts.append(starts[-1] + len(line) + 1)
    places = []
    for at in (mark.start - 1, mark.end - 2):
        number = bisect_right(starts, at)
        tokens = token_bounds(lines[number - 1])
        token = max(index for index, (start, _) in enumerate(tokens) if start <= at - starts[number - 1])
        places.append(f"{number}:{token}")
    return " ".join(places)
