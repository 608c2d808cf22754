"""Headings part a note, and the sections that a task ranks first are read first."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.data.card import Card
from clinpeft.data.sections import chosen_pieces, ranked_headings, sections_of
from clinpeft.tasks._admission_notes import SECTIONS, SUMMARY_SECTIONS, render
from clinpeft.tasks.base import TASKS

RANKED = ("CHIEF COMPLAINT", "PRESENT ILLNESS", "ALLERGIES")


def parts(text: str, ranked: tuple[str, ...] = ()) -> list[tuple[str, int]]:
    return [(text[section.start : section.end].strip(" ,\n"), section.rank) for section in sections_of(text, ranked)]


def card(name: str, source: str) -> Card:
    from clinpeft.data.card import SourceUse

    return Card.model_construct(name=name, sources=(SourceUse(name=source, release=None, files=()),))


def test_ranked_headings_part_a_note_and_what_stands_before_them_ranks_last() -> None:
    text = "Ward 7\nAllergies: none\n\nPresent  Illness: fell.\nHEENT: normal\nCHIEF COMPLAINT : pain"

    assert parts(text, RANKED) == [
        ("Ward 7", 3),
        ("Allergies: none", 2),
        ("Present  Illness: fell.\nHEENT: normal", 1),
        ("CHIEF COMPLAINT : pain", 0),
    ]


def test_a_heading_is_known_at_the_start_of_a_line_only() -> None:
    assert parts("CHIEF COMPLAINT: see allergies: none", RANKED) == [("CHIEF COMPLAINT: see allergies: none", 0)]


def test_commas_that_were_line_breaks_begin_a_heading() -> None:
    text = "CHIEF COMPLAINT: , Rash, allergies: pollen.,ALLERGIES:, Penicillin."

    assert parts(text, RANKED) == [("CHIEF COMPLAINT: , Rash, allergies: pollen.", 0), ("ALLERGIES:, Penicillin.", 2)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SUBJECTIVE: pain\nPLAN: rest", ["SUBJECTIVE: pain", "PLAN: rest"]),
        ("SUBJECTIVE:, pain.,PLAN:, rest.", ["SUBJECTIVE:, pain.", "PLAN:, rest."]),
        ("FINDINGS\nclear\nIMPRESSION\nnormal", ["FINDINGS\nclear", "IMPRESSION\nnormal"]),
        ("Reason for visit: pain\nPlan: rest", ["Reason for visit: pain", "Plan: rest"]),
        ("no heading at all, only text", ["no heading at all, only text"]),
        ("", [""]),
    ],
    ids=["capitals", "commas", "lines of capitals", "a few words and a colon", "none", "empty"],
)
def test_without_ranks_headings_are_found_by_their_shape(text: str, expected: list[str]) -> None:
    assert parts(text) == [(part, 0) for part in expected]


def test_the_turns_of_a_conversation_are_no_sections() -> None:
    text = "\n".join(["Doctor: How are you?", "Patient: Well."] * 3)

    assert len(sections_of(text, ())) == 1


@given(st.text(alphabet="AB: \n,a", max_size=60), st.booleans())
def test_the_sections_are_the_whole_text(text: str, is_ranked: bool) -> None:
    found = sections_of(text, ("A", "B A") if is_ranked else ())

    assert "".join(text[section.start : section.end] for section in found) == text


def words_of(text: str) -> list[tuple[int, int]]:
    """Offsets of the words, each as one piece."""
    offsets, place = [], 0
    for word in text.split():
        start = text.index(word, place)
        place = start + len(word)
        offsets.append((start, place))
    return offsets


def read(text: str, room: int, ranked: tuple[str, ...] = RANKED) -> str:
    places = chosen_pieces(sections_of(text, ranked), words_of(text), room)
    return " ".join(text.split()[place] for place in places)


NOTE = "Ward 7\nALLERGIES: none known\nCHIEF COMPLAINT: pain\nPRESENT ILLNESS: one two three four"


def test_whole_sections_are_kept_in_the_order_of_their_rank_and_put_back_into_that_of_the_text() -> None:
    assert read(NOTE, 9) == "CHIEF COMPLAINT: pain PRESENT ILLNESS: one two three four"
    assert read(NOTE, 12) == "ALLERGIES: none known CHIEF COMPLAINT: pain PRESENT ILLNESS: one two three four"


def test_a_section_that_does_not_fit_lends_its_start_to_what_room_is_left() -> None:
    # The complaint takes 3 of 7, the illness (6) does not fit, the allergies (3) do, the ward (2) does not.
    assert read(NOTE, 7) == "ALLERGIES: none known CHIEF COMPLAINT: pain PRESENT"


def test_sections_of_one_rank_are_kept_in_the_order_of_the_text() -> None:
    assert read("PLAN: rest\nEXAM: very long words\nLABS: ok", 4, ()) == "PLAN: rest LABS: ok"


def test_a_text_without_headings_keeps_its_start() -> None:
    assert read("a b c d e", 3) == "a b c"


@given(text=st.text(alphabet="AB: \n,a", max_size=60), room=st.integers(0, 20))
def test_the_room_is_always_used(text: str, room: int) -> None:
    offsets = words_of(text)
    places = chosen_pieces(sections_of(text, ()), offsets, room)

    assert places == sorted(set(places))
    assert len(places) == min(room, len(offsets))


def test_every_section_of_an_admission_note_has_a_rank() -> None:
    note = render(dict.fromkeys(SECTIONS, "something"))
    found = sections_of(note, SUMMARY_SECTIONS)

    assert [note[section.start : section.end].strip().partition(":")[0] for section in found] == list(SECTIONS)
    assert max(section.rank for section in found) < len(SUMMARY_SECTIONS)
    assert min(found, key=lambda section: section.rank).start == 0


@pytest.mark.parametrize("name", ["mimic3-mortality", "mimic3-diagnoses", "mimic4-diagnoses", "mimic3-icd9-top50"])
def test_tasks_on_long_notes_rank_their_sections(name: str) -> None:
    task: Any = TASKS.get(name)

    assert ranked_headings(card(name, task.source)) == task.sections
    assert len(set(task.sections)) == len(task.sections) > 10


def test_a_task_of_ones_own_ranks_nothing_whatever_its_name() -> None:
    assert ranked_headings(card("mimic3-mortality", "tabular")) == ()
    assert ranked_headings(card("our-outcome", "tabular")) == ()
