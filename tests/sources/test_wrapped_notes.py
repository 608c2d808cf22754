"""Sentences of notes with lines of a fixed width: where one ends, and that none cuts an entity or loses a letter."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.sources._wrapped_notes import sentences_in_note

FULL = "The patient was admitted to the intensive care unit with"


def sentences(text, whole=()):
    return [text[start:end] for start, end in sentences_in_note(text, whole)]


def test_a_full_line_goes_on_in_the_next_one():
    assert sentences(f"{FULL}\nfever. He improved.") == [f"{FULL}\nfever.", "He improved."]


def test_a_short_line_is_a_sentence_of_its_own():
    assert sentences("Service: MEDICINE\nallergies to penicillin") == ["Service: MEDICINE", "allergies to penicillin"]


def test_a_line_of_49_characters_is_short_and_one_of_50_is_full():
    assert len(sentences("x" * 49 + "\nand so on")) == 2
    assert len(sentences("x" * 50 + "\nand so on")) == 1


@pytest.mark.parametrize(
    "item", ["- chest pain", "2. Aspirin", "(3) Lasix", "4) Senna", "Plan: home", "* none", "Sig:\nOne"]
)
def test_a_list_item_or_a_heading_begins_anew_after_a_full_line(item):
    assert sentences(f"{FULL}\n  {item}")[0] == FULL


@pytest.mark.parametrize("line", ["2.5 mg of it", "10:30 in the morning", "at 10:30 he slept", "pain at rest"])
def test_a_number_or_a_time_at_the_start_of_a_line_is_no_list_item(line):
    assert sentences(f"{FULL}\n{line}") == [f"{FULL}\n{line}"]


def test_a_blank_line_ends_a_sentence_whatever_it_holds():
    assert sentences(f"{FULL}\n \t\nfever") == [FULL, "fever"]
    assert sentences(f"{FULL}\r\n\r\nfever") == [FULL, "fever"]


def test_a_point_before_a_capital_or_a_digit_ends_a_sentence():
    assert sentences('He slept. She ate. "No." (Yes.) 5 left. and more') == [
        *("He slept.", "She ate.", '"No."', "(Yes.)", "5 left. and more"),
    ]


@pytest.mark.parametrize(
    "text", ["Dr. Wu called", "took approx. 5 mg", "J. Doe", "vs. Aspirin", "e.g. Aspirin", " 12. Aspirin"]
)
def test_abbreviations_initials_and_list_numbers_end_none(text):
    assert sentences(text) == [text.strip()]


def test_a_number_that_ends_a_line_of_text_ends_a_sentence():
    assert sentences("He took 12. Aspirin followed") == ["He took 12.", "Aspirin followed"]


def test_what_is_whole_is_never_cut():
    text = "He had chest\n\npain. Given Tylenol. Extra strength"
    assert len(sentences(text)) == 4
    first, second = text.index("chest"), text.index("Tylenol")
    assert sentences(text, [(first, first + 11), (second, second + 14)]) == [
        "He had chest\n\npain.",
        "Given Tylenol. Extra strength",
    ]


def test_blank_text_has_no_sentences():
    assert sentences("") == sentences(" \n\t\n") == []


@given(
    st.text('aA1.! \n\r\t"(:-', max_size=200), st.lists(st.tuples(st.integers(0, 199), st.integers(1, 60)), max_size=5)
)
def test_sentences_hold_every_visible_letter_once_and_in_order(text, raw):
    whole = [(start, min(start + length, len(text))) for start, length in raw if start < len(text)]
    found = sentences_in_note(text, whole)
    assert "".join("".join(text[start:end].split()) for start, end in found) == "".join(text.split())
    assert all(first[1] < second[0] for first, second in pairwise(found))
    assert all(text[start:end].strip() == text[start:end] for start, end in found)
    for start, end in whole:
        if text[start].strip() and text[end - 1].strip():
            assert any(first <= start and end <= last for first, last in found)
