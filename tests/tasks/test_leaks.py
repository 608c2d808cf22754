"""The strict leak filter: what admission sections hold of the end of a stay is taken out, and nothing else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from clinpeft.recount._leaks import stricter
from clinpeft.tasks._admission_notes import SECTIONS
from clinpeft.tasks._judging import Case
from clinpeft.tasks._leaks import LeakFilter, without_leaks
from clinpeft.tasks.base import TASKS, BuildLog

STRICT = TASKS.get("mimic4-mortality")(leak_filter="strict")


@pytest.mark.parametrize(
    ("section", "kept"),
    [
        ("PHYSICAL EXAM: alert. Discharge exam: walking", "PHYSICAL EXAM: alert."),
        ("PHYSICAL EXAM: alert  DISCHARGE: walking", "PHYSICAL EXAM: alert"),
        ("PHYSICAL EXAM: no discharge from the wound", "PHYSICAL EXAM: no discharge from the wound"),
        ("PHYSICAL EXAM: At discharge: walking", "PHYSICAL EXAM: "),
        ("SOCIAL HISTORY: sober at discharge", "SOCIAL HISTORY: sober at discharge"),
        ("PRESENT ILLNESS: fell. Brief hospital course: died", "PRESENT ILLNESS: fell."),
        (
            "PRESENT ILLNESS: Fell. Code status DNR/DNI.  Weak; went to hospice! Pale",
            "PRESENT ILLNESS: Fell. Weak; Pale",
        ),
        ("MEDICAL HISTORY: dnrx", "MEDICAL HISTORY: dnrx"),
        ("FAMILY HISTORY: father deceased, mother passed away", "FAMILY HISTORY: father deceased, mother passed away"),
        ("ALLERGIES: ", "ALLERGIES: "),
        ("ALLERGIES:  two blanks.  And more", "ALLERGIES:  two blanks.  And more"),
    ],
)
def test_sections_lose_what_was_written_later_as_by_hand(section, kept):
    note = f"CHIEF COMPLAINT: pain\n\n{section}"

    assert without_leaks(note) == f"CHIEF COMPLAINT: pain\n\n{kept}"
    assert stricter(note) == without_leaks(note)


PIECES = st.sampled_from(
    [
        *(
            "At discharge",
            "discharge:",
            "DISCHARGE  :",
            "hospital course",
            "brief ",
            "DNR",
            "cmo",
            "passed away",
            "time of death",
        ),
        *(". ", "! ", "; ", "  ", ".", " ", ":", "x", "expired", "é", "deceased,", "discharge exam"),
    ]
)


@given(st.sampled_from(SECTIONS), st.lists(PIECES, max_size=10).map("".join))
def test_the_second_parser_filters_alike(header, body):
    note = f"CHIEF COMPLAINT: pain\n\n{header}: {body}"

    assert stricter(note) == without_leaks(note)


def test_the_card_says_how_many_texts_were_cut():
    leaks, log = LeakFilter(STRICT), BuildLog()
    texts = [leaks.cleaned(Case(f"PRESENT ILLNESS: {body}", ("died",))).text for body in ("cmo", "weak", "dnr. Pale")]
    leaks.report(log)

    assert texts == ["PRESENT ILLNESS: ", "PRESENT ILLNESS: weak", "PRESENT ILLNESS: Pale"]
    assert log.filters == [("counted-only: cut by the strict leak filter", 2, 1)]


def test_a_task_that_follows_the_publication_cuts_nothing():
    leaks, log = LeakFilter(TASKS.get("mimic3-mortality")()), BuildLog()
    case = Case("PRESENT ILLNESS: cmo", ("died",))
    leaks.report(log)

    assert leaks.cleaned(case) is case
    assert log.filters == []


def test_a_whole_summary_is_not_filtered_by_section():
    with pytest.raises(ValidationError, match="leak_filter=strict works on admission sections"):
        TASKS.get("mimic3-mortality")(leak_filter="strict", text="full", allow_hindsight=True)
