"""The `.extent` files of i2b2 2012: the same events by line and token, compared with those of the XML."""

import pytest

from clinpeft.sources._anchors import Mark
from clinpeft.sources._archives import RawText
from clinpeft.sources._i2b2_2012_extents import differs

TEXT = "\n She had\nacute renal\nfailure .\n"
HAD, FAILURE = Mark(6, 9, "OCCURRENCE", 1), Mark(10, 29, "PROBLEM", 2)
HAD_ROW = 'EVENT="had" 1:2 1:2||type="OCCURRENCE"||modality="FACTUAL"||polarity="POS"'
FAILURE_ROW = 'EVENT="acute renal failure" 2:0 3:0||type="PROBLEM"||modality="FACTUAL"||polarity="POS"'


def compared(*rows: str, marks=(HAD, FAILURE), text: str = TEXT, line_end: str = "\n"):
    content = "".join(f"{row}{line_end}" for row in rows)
    return differs(RawText("a.xml.extent", content.encode()), text, marks)


@pytest.mark.parametrize("line_end", ["\n", "\r\n", "\n\n"])
def test_equal_events_agree_whatever_their_order(line_end):
    assert compared(FAILURE_ROW, HAD_ROW, line_end=line_end) is None


def test_the_first_event_that_the_xml_lacks_is_named_by_its_line():
    assert compared(HAD_ROW, FAILURE_ROW, marks=[HAD]) == 2
    assert compared(HAD_ROW, FAILURE_ROW.replace("PROBLEM", "TEST")) == 2
    assert compared(HAD_ROW.replace("1:2 1:2", "1:1 1:2"), FAILURE_ROW) == 1


def test_an_event_that_only_the_xml_has_differs_without_a_line():
    assert compared(HAD_ROW) == 0
    assert compared() == 0


def test_other_lines_and_events_without_a_type_are_left_out():
    timex = 'TIMEX3="today" 1:0 1:0||type="DATE"||val="NA"||mod="NA"||sec_time_rel="ADMISSION"'
    untyped = 'EVENT="she" 1:1 1:1||type=""||modality="FACTUAL"||polarity="POS"'
    assert compared(timex, HAD_ROW, untyped, "", "no event", FAILURE_ROW) is None


def test_quotes_and_bars_inside_an_event_are_part_of_it():
    row = 'EVENT="a "b"||type="" 1:2 1:2||type="OCCURRENCE"||modality="FACTUAL"||polarity="POS"'
    assert compared(row, FAILURE_ROW) is None


def test_an_xml_text_without_the_leading_line_end_is_compared_as_it_is():
    assert compared(HAD_ROW.replace("1:2 1:2", "1:0 1:0"), marks=[Mark(0, 3, "OCCURRENCE", 1)], text="had\n") is None
