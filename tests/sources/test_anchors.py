"""Offsets on the raw CDATA: checked against the text that each tag repeats, moved where it is near, else left out."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.errors import BadInput
from clinpeft.sources._anchors import Mark, anchored, place, without_entities
from clinpeft.sources._xml_notes import MarkedNote, Tag

ENTITIES = {"&apos;": "'", "&quot;": '"', "&amp;": "&", "&lt;": "<", "&gt;": ">"}
UNITS = st.sampled_from(["a", "b", "1", ".", "\u2019", "\U0001f600", "\u00e9", " ", "  ", "\n", "\r\n", *ENTITIES])


def tag(start: int, end: int, text: str) -> Tag:
    return Tag(1, start, end, text, "X")


def places(text: str, *tags: Tag, reach: int = 5, **kwargs):
    return place(MarkedNote(text, tags, ()), "a.xml", reach, **kwargs)


def bounds(text: str, *tags: Tag, **kwargs) -> list[tuple[int, int]]:
    return [(mark.start, mark.end) for mark in places(text, *tags, **kwargs).marks]


def test_offsets_count_the_line_end_that_the_text_begins_with():
    assert bounds("\nNo fever", tag(4, 9, "fever")) == [(4, 9)]


def test_literal_entities_count_as_written_and_compare_as_meant():
    text = "\nthe patient&apos;s &quot;heavy&quot; leg &amp; arm"
    assert bounds(text, tag(5, 19, "patient's"), tag(20, 37, '"heavy"')) == [(5, 19), (20, 37)]
    assert text[20:37] == "&quot;heavy&quot;"
    assert bounds(text, tag(38, 51, "leg & arm"), tag(38, 51, "leg and arm")) == [(38, 51)] * 2
    assert bounds(text, tag(5, 19, "patient&apos;s")) == [(5, 19)]


def test_blanks_do_not_count_in_the_comparison():
    text = "Oak\nValley  Rehab"
    for repeated in ("Oak Valley Rehab", "OakValleyRehab", "Oak\nValley  Rehab"):
        assert bounds(text, tag(0, 17, repeated)) == [(0, 17)]


def test_offsets_count_code_points_after_an_emoji():
    assert places("\U0001f600 fever", tag(2, 7, "fever")).problems == ()


def test_a_tag_a_few_characters_off_is_moved_to_the_nearest_place_and_told():
    found = places("Ito\u2019s Miller\u2019s Lane, Karsdale", tag(25, 33, "Karsdale"))
    assert [(mark.start, mark.end) for mark in found.marks] == [(21, 29)]
    assert found.problems == ((1, "tag-moved"),)
    assert bounds("ab ab ab", tag(4, 6, "ab")) == [(3, 5)]
    assert bounds("xx ab", tag(1, 3, "ab")) == [(3, 5)]


def test_of_two_places_as_near_the_first_is_taken():
    assert bounds("b.b", tag(1, 2, "b")) == [(0, 1)]


def test_a_tag_whose_text_is_nowhere_near_is_left_out_and_told():
    found = places("no fever at all today", tag(15, 20, "fever"))
    assert (found.marks, found.problems) == ((), ((1, "tag-text-differs"),))
    assert places("no fever", tag(3, 8, "Fever")).problems == ((1, "tag-text-differs"),)
    assert places("no fever", tag(3, 8, " ")).problems == ((1, "tag-text-differs"),)
    assert places("no fever", tag(3, 3, "fever")).problems == ((1, "empty-tag"),)


def test_a_tag_is_not_moved_into_the_middle_of_an_entity_or_of_an_ampersand_read_as_and():
    assert bounds("a & b", tag(0, 1, "nd"), tag(0, 1, "d"), tag(0, 1, "an")) == []
    assert bounds(".&apos;xxxxx", tag(7, 8, "a")) == []


def test_the_reach_is_the_furthest_a_tag_is_moved():
    text = "." * 20 + "fever"
    assert bounds(text, tag(8, 13, "fever"), reach=12) == [(20, 25)]
    assert bounds(text, tag(8, 13, "fever"), reach=11) == []


def test_a_tag_that_ends_beyond_the_text_is_moved_and_one_that_starts_beyond_it_refused():
    assert bounds("no fever", tag(6, 11, "fever"), tag(10, 11, "r")) == [(3, 8), (7, 8)]
    with pytest.raises(BadInput, match=r"^a.xml, line 1: a tag starts beyond the text of 8 characters"):
        places("no fever", tag(14, 19, "fever"))


def test_unchecked_tags_stand_where_they_say():
    assert bounds("no fever", tag(1, 4, "fever"), tag(6, 99, "x"), is_checked=False) == [(1, 4), (6, 8)]


def test_a_carriage_return_before_a_line_feed_does_not_count_as_for_any_xml_parser():
    found = places("\r\nNo\r\nfever\rand", tag(4, 9, "fever"), tag(10, 13, "and"))
    assert found.text == "\nNo\nfever\nand"
    assert [(mark.start, mark.end) for mark in found.marks] == [(4, 9), (10, 13)]
    assert found.problems == ()


def test_carriage_returns_count_where_the_tags_fit_better_so_and_that_is_told():
    found = places("\r\nNo\r\nfever", tag(6, 11, "fever"))
    assert found.text == "\r\nNo\r\nfever"
    assert [(mark.start, mark.end) for mark in found.marks] == [(6, 11)]
    assert found.problems == ((None, "offsets-count-carriage-returns"),)


def test_one_tag_in_two_hundred_does_not_change_how_line_ends_count():
    either = [tag(0, 2, "No")] * 200
    assert places("No\r\nfever", *either, tag(4, 9, "fever")).text == "No\nfever"
    assert places("No\r\nfever", *either[:50], tag(4, 9, "fever")).text == "No\r\nfever"


@given(st.lists(UNITS, min_size=1, max_size=40), st.data())
def test_a_true_tag_stays_where_it_is_whatever_stands_around_it(units, data):
    text = "".join(units).replace("\r\n", "\n")
    starts = [0]
    for unit in units:
        starts.append(starts[-1] + len(unit.replace("\r\n", "\n")))
    first = data.draw(st.integers(0, len(units) - 1))
    last = data.draw(st.integers(first, len(units) - 1))
    start, end = starts[first], starts[last + 1]
    meant = "".join(ENTITIES.get(unit, unit) for unit in units[first : last + 1])
    if meant.strip():
        assert anchored(text, tag(start, end, " ".join(meant.split())), 5) == (start, end)


@given(st.text("ab .\n", min_size=1, max_size=30), st.data(), st.integers(-5, 5))
def test_a_moved_tag_has_its_text_at_most_as_far_off_as_it_was(text, data, shift):
    start = data.draw(st.integers(0, len(text) - 1))
    end = data.draw(st.integers(start + 1, len(text)))
    wanted = text[start:end].strip()
    if not wanted:
        return
    start += len(text[start:end]) - len(text[start:end].lstrip())
    claimed = max(0, start + shift)
    found = anchored(text, tag(claimed, claimed + len(wanted), wanted), 5)
    assert found is not None
    assert "".join(text[slice(*found)].split()) == "".join(wanted.split())
    assert abs(found[0] - claimed) <= abs(start - claimed)


@given(st.lists(UNITS, min_size=1, max_size=30), st.data())
def test_marks_cover_the_same_characters_after_entities_are_read(units, data):
    text = "".join(units)
    first = data.draw(st.integers(0, len(units) - 1))
    last = data.draw(st.integers(first, len(units) - 1))
    start = len("".join(units[:first]))
    end = start + len("".join(units[first : last + 1]))
    plain, (mark,) = without_entities(text, [Mark(start, end, "X", 1)])
    assert plain == "".join(ENTITIES.get(unit, unit) for unit in units)
    assert plain[mark.start : mark.end] == "".join(ENTITIES.get(unit, unit) for unit in units[first : last + 1])


def test_a_mark_that_ends_inside_an_entity_takes_all_of_it():
    assert without_entities("a&apos;b", [Mark(0, 3, "X", 1), Mark(4, 8, "X", 1)])[1] == (
        Mark(0, 2, "X", 1),
        Mark(1, 3, "X", 1),
    )
