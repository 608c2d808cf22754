"""The admission sections and the death filter are found by shortcuts; the patterns they stand for agree."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.tasks._death_in_hospital import ANYWHERE, IN_TWO_SECTIONS, without_death_phrases
from clinpeft.tasks._mimic3_notes import NEXT_HEADER, SEARCHED, admission_sections

words = st.sampled_from(
    [*("Allergies:", "ALLERGIEſ:", "physical exam:", "Physical Exam:", "Sex: M", "a", "\u0130", "\u212a", "é", "1"),
     *("\n", "\n\n", ".", ":", " ", "patient", "pt", " expired", " had Died", "deceaſed", "time of death", "he ")]
)  # fmt: skip
texts = st.lists(words, max_size=12).map("".join)


@given(texts)
def test_sections_are_those_of_one_pattern_over_the_note(text):
    for header, searched in SEARCHED.items():
        found = re.search(re.escape(searched) + "(.+?)" + NEXT_HEADER, text, re.IGNORECASE | re.DOTALL)
        assert admission_sections(text)[header] == (found[1].replace("\n", " ").strip() if found else "")


def test_a_letter_that_only_looks_other_than_ascii_counts_as_in_the_pattern():
    assert admission_sections("ALLERGIEſ: none\n\nSex: M")["ALLERGIES"] == "none"


@pytest.mark.parametrize("section", ["", "PHYSICAL EXAM: ", "Medication on Admission:", "FAMILY HISTORY: "])
@given(text=texts)
def test_the_death_filter_is_that_of_its_two_patterns(section, text):
    note = section + text
    cut = IN_TWO_SECTIONS.sub(r"\1", note)
    assert without_death_phrases(note) == (None if ANYWHERE.search(cut) else cut)
