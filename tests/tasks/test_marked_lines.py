"""Marked notes as lines: a tokeniser that does not see the marks, and the cuts of the published scripts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.data.spans import is_iob2, spans_from_tags
from clinpeft.sources._anchors import Mark
from clinpeft.tasks._hash_split import tenth_by_hash
from clinpeft.tasks._marked_lines import lines_cut_at_marks, tagged_lines

TEXTS = st.text(st.sampled_from("aB1-\u2019\u00e9\U0001f600_ \t\n\r"), min_size=1, max_size=40)


@st.composite
def marked_texts(draw):
    text = draw(TEXTS)
    starts = st.integers(0, len(text) - 1)
    marks = []
    for row in range(draw(st.integers(0, 5))):
        start = draw(starts)
        marks.append(Mark(start, draw(st.integers(start + 1, len(text))), draw(st.sampled_from("XY")), row))
    return text, marks


def words(line) -> list[str]:
    return [line.text[start:end] for start, end in line.bounds]


def tagged(text: str, *marks: Mark) -> list[tuple[str, str]]:
    lines, _, _ = tagged_lines(text, marks)
    return [pair for line in lines for pair in zip(words(line), line.tags, strict=True)]


def cut(text: str, *marks: Mark) -> list[tuple[str, str]]:
    lines, _ = lines_cut_at_marks(text, marks)
    return [pair for line in lines for pair in zip(words(line), line.tags, strict=True)]


def test_words_are_letters_digits_and_single_signs():
    (line,), _, _ = tagged_lines("T2-weighted_na\u00efve 10/12/2080, 5%\u00a0\U0001f600\U0001f600 \u00bd", [])
    assert words(line) == [
        *("T", "2", "-", "weighted", "_", "na\u00efve", "10", "/", "12", "/", "2080", ","),
        *("5", "%", "\U0001f600", "\U0001f600", "\u00bd"),
    ]


def test_lines_count_from_one_and_blank_ones_are_left_out():
    lines, _, _ = tagged_lines("\n a\n \t\nb\r\n", [])
    assert [(line.number, line.text) for line in lines] == [(2, " a"), (4, "b")]


def test_a_word_that_a_mark_touches_belongs_to_it_and_the_span_keeps_its_true_edges():
    lines, kept, problems = tagged_lines("from Portuguese", [Mark(5, 11, "X", 3)])
    assert lines[0].tags == ("O", "B-X")
    assert [(span.start, span.end) for span in lines[0].spans] == [(5, 11)]
    assert (len(kept), problems) == (1, [(3, "span-off-token-edges")])


def test_a_mark_across_lines_begins_anew_on_each_and_counts_once():
    lines, kept, problems = tagged_lines("to Oak \n\n Valley Rehab now", [Mark(3, 22, "X", 1)])
    assert [line.tags for line in lines] == [("O", "B-X"), ("B-X", "I-X", "O")]
    assert [(span.start, span.end) for line in lines for span in line.spans] == [(3, 6), (1, 13)]
    assert (len(kept), problems) == (1, [])


def test_marks_that_follow_each_other_stay_two():
    assert tagged("a b c", Mark(0, 1, "X", 1), Mark(2, 5, "X", 2)) == [("a", "B-X"), ("b", "B-X"), ("c", "I-X")]


def test_of_marks_that_share_a_word_the_longest_stays_then_the_first_then_the_label_in_order():
    long, inside = Mark(0, 5, "X", 1), Mark(4, 5, "Y", 2)
    lines, kept, problems = tagged_lines("a b c", [inside, long])
    assert (kept, problems) == ([long], [(2, "span-shares-word")])
    assert lines[0].tags == ("B-X", "I-X", "I-X")
    assert tagged("a b c", Mark(2, 5, "X", 1), Mark(0, 3, "Y", 2))[0] == ("a", "B-Y")
    assert tagged("a", Mark(0, 1, "Y", 1), Mark(0, 1, "X", 2)) == [("a", "B-X")]


def test_a_mark_of_blanks_is_told():
    assert tagged_lines("a  b", [Mark(1, 3, "X", 7)])[1:] == ([], [(7, "span-without-word")])


@given(marked_texts(), st.randoms())
def test_words_do_not_depend_on_the_marks_nor_tags_on_their_order(marked, rng):
    text, marks = marked
    lines, kept, _ = tagged_lines(text, marks)
    assert [line.bounds for line in lines] == [line.bounds for line in tagged_lines(text, [])[0]]
    assert "".join(word for line in lines for word in words(line)) == "".join(text.split())
    shuffled = sorted(marks, key=lambda _: rng.random())
    assert tagged_lines(text, shuffled)[:2] == (lines, kept)


@given(marked_texts())
def test_the_spans_of_all_lines_together_are_the_kept_marks(marked):
    text, marks = marked
    lines, kept, problems = tagged_lines(text, marks)
    starts = [0]
    for line in text.split("\n"):
        starts.append(starts[-1] + len(line) + 1)
    pieces = [
        (starts[line.number - 1] + span.start, starts[line.number - 1] + span.end, span.label)
        for line in lines
        for span in line.spans
    ]
    for mark in kept:
        own = [piece for piece in pieces if mark.start <= piece[0] < mark.end]
        assert all(piece[1] <= mark.end and piece[2] == mark.label for piece in own)
        covered = "".join("".join(text[start:end].split()) for start, end, _ in own)
        assert covered == "".join(text[mark.start : mark.end].split())
    assert len(kept) + sum(code != "span-off-token-edges" for _, code in problems) == len(marks)
    assert all(is_iob2(line.tags) for line in lines)


@given(marked_texts())
def test_tags_and_spans_of_a_line_name_the_same_entities(marked):
    for line in tagged_lines(*marked)[0]:
        starts, ends = [start for start, _ in line.bounds], [end for _, end in line.bounds]
        by_tags = spans_from_tags(starts, ends, line.tags)
        assert [span.label for span in by_tags] == [span.label for span in line.spans]
        for outer, span in zip(by_tags, line.spans, strict=True):
            assert outer.start <= span.start < span.end <= outer.end


def test_published_words_end_where_marks_end_and_only_there():
    text = "On 10/12/2080, not 10/13/2080, he"
    assert cut(text, Mark(3, 13, "DATE", 1)) == [
        *(("On", "O"), ("10/12/2080", "B-DATE"), (",", "O"), ("not", "O"), ("10/13/2080,", "O"), ("he", "O")),
    ]


def test_published_marks_of_one_type_that_touch_become_one_and_of_two_types_do_not():
    assert cut("10/1210/13", Mark(0, 5, "DATE", 1), Mark(5, 10, "DATE", 2)) == [("10/1210/13", "B-DATE")]
    assert cut("10/12MGH", Mark(0, 5, "DATE", 1), Mark(5, 8, "X", 2)) == [("10/12", "B-DATE"), ("MGH", "B-X")]
    assert lines_cut_at_marks("10/1210/13", [Mark(0, 5, "D", 1), Mark(5, 10, "D", 2)])[1] == ["D"]


def test_a_published_mark_across_lines_opens_once_and_here_begins_anew():
    lines, openings = lines_cut_at_marks("to Oak\nValley Rehab", [Mark(3, 19, "X", 1)])
    assert [line.tags for line in lines] == [("O", "B-X"), ("B-X", "I-X")]
    assert openings == ["X"]


def test_a_later_published_mark_overwrites_an_earlier_one():
    assert cut("left knee pain", Mark(0, 14, "X", 1), Mark(5, 9, "Y", 2)) == [
        *(("left", "B-X"), ("knee", "B-Y"), ("pain", "B-X")),
    ]
    assert cut("left knee pain", Mark(5, 9, "Y", 1), Mark(0, 14, "X", 2)) == [
        *(("left", "B-X"), ("knee", "I-X"), ("pain", "I-X")),
    ]


def test_published_lines_keep_literal_entities_and_drop_blank_lines():
    assert cut("\n it&apos;s\n \n", Mark(2, 4, "X", 1)) == [("it", "B-X"), ("&apos;s", "O")]
    assert [line.number for line in lines_cut_at_marks("\n a\n \nb", [])[0]] == [2, 4]


@given(marked_texts())
def test_published_lines_hold_every_sign_once_in_valid_tags(marked):
    text, marks = marked
    lines, _ = lines_cut_at_marks(text, marks)
    assert "".join(word for line in lines for word in words(line)) == "".join(text.split())
    assert all(is_iob2(line.tags) for line in lines)


def test_published_words_are_labelled_by_the_first_second_and_last_character_of_their_piece():
    marks = [Mark(0, 1, "X", 1), Mark(1, 2, "X", 2), Mark(2, 8, "X", 3)]
    assert cut("ab c d e", *marks) == [("ab", "B-X"), ("c", "B-X"), ("d", "B-X"), ("e", "I-X")]
    assert lines_cut_at_marks("ab c d e", marks)[1] == ["X", "X", "X"]


def test_a_tenth_rounded_up_is_chosen_by_hash_alone():
    ids = [str(number) for number in range(190)]
    chosen = tenth_by_hash("i2b2-2012", ids)
    assert len(chosen) == 19
    assert tenth_by_hash("i2b2-2012", [*ids[::-1], *ids]) == chosen
    assert tenth_by_hash("i2b2-2014", ids) != chosen


@pytest.mark.parametrize(("num", "chosen"), [(0, 0), (1, 0), (2, 1), (10, 1), (11, 2)])
def test_a_single_one_is_never_chosen(num, chosen):
    assert len(tenth_by_hash("x", map(str, range(num)))) == chosen
