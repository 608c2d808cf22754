"""The grammar of .con, .ast and .rel files, and how lines and tokens are counted."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.errors import BadInput
from clinpeft.sources._archives import RawText, text_of
from clinpeft.sources._i2b2_2010_annotations import (
    Assertion,
    Concept,
    Relation,
    Stretch,
    lines_of,
    parse_assertions,
    parse_concepts,
    parse_relations,
    places_of,
    token_bounds,
)

SECRET = "ZQX-CANARY-7"
GOOD = b'c="fever" 1:0 1:0||t="problem"\n'


def concepts(content: bytes, num_lines: int = 3) -> list[Concept]:
    return parse_concepts(RawText("a.con", content), num_lines)


def concept(text: str, start: tuple[int, int], end: tuple[int, int]) -> Concept:
    return Concept(1, text, *start, *end, "problem")


def found_text(text: str, start: tuple[int, int], end: tuple[int, int], *lines: str) -> list[str]:
    places, _ = places_of(concept(text, start, end), list(lines))
    return [lines[place.line - 1][place.start : place.end] for place in places]


def test_lines_end_at_lf_only():
    assert lines_of("a\x0cb\x0b\x85\u2028c\r\nd\re\n\nf") == ["a\x0cb\x0b\x85\u2028c", "d\re", "", "f"]
    assert lines_of("a\n") == ["a"]
    assert lines_of("") == []


def test_tokens_are_parted_by_runs_of_blanks_and_a_leading_blank_makes_an_empty_one():
    assert token_bounds("a  b\tc") == [(0, 1), (3, 4), (5, 6)]
    assert token_bounds("  a b") == [(0, 0), (2, 3), (4, 5)]
    assert token_bounds("") == [(0, 0)]


@given(st.text(alphabet=" \tab\u00a0\x0c"))
def test_tokens_are_those_of_a_split_at_runs_of_blanks(line):
    assert [line[start:end] for start, end in token_bounds(line)] == re.split(r"[ \t]+", line)


def test_a_concept_line_is_read_to_its_end():
    (read,) = concepts(b'c="fever" 2:0 2:3||t="problem"\r\n\r\n')
    assert read == Concept(1, "fever", 2, 0, 2, 3, "problem")


def test_quotes_bars_and_numbers_inside_a_concept_are_part_of_its_text():
    text = 'the " no " 1:2 3:4||t="test'
    (read,) = concepts(f'c="{text}" 1:0 1:0||t="treatment"'.encode())
    assert (read.text, read.start_line, read.type) == (text, 1, "treatment")


@pytest.mark.parametrize(
    "line",
    [
        f'c="{SECRET}" 1:0 1:0',
        f'c="{SECRET}" 1:0 1:0||t="drug"',
        f'c="{SECRET}" 1:0||t="problem"',
        f'c="{SECRET}" 1:-1 1:0||t="problem"',
        f'x c="{SECRET}" 1:0 1:0||t="problem"',
        f'c="{SECRET}" 1:0 1:0||t="problem" x',
        f'c="{SECRET}" 1:0 1:0||t="problem"||a="present"',
    ],
)
def test_broken_grammar_is_refused_with_file_and_line_and_without_text(line):
    with pytest.raises(BadInput, match=r"^a.con, line 2: is not c=") as caught:
        concepts(GOOD + line.encode())
    assert SECRET not in str(caught.value)


def test_several_broken_lines_are_told_together():
    with pytest.raises(BadInput, match=r"^a.con, lines 1, 3: is not c="):
        concepts(b"x\n" + GOOD + b"y\n")


@pytest.mark.parametrize("place", ["4:0 4:0", "0:0 1:0", "1:0 9:0", "1:0 99999999999999999999:0"])
def test_a_line_outside_the_text_is_refused(place):
    with pytest.raises(BadInput, match=r"a.con, line 1: names a line outside the 3 of its text"):
        concepts(f'c="x" {place}||t="test"'.encode())


@pytest.mark.parametrize("place", ["2:5 2:3", "3:0 2:0"])
def test_an_end_before_the_start_is_refused(place):
    with pytest.raises(BadInput, match=r"a.con, line 1: ends before it starts"):
        concepts(f'c="x" {place}||t="test"'.encode())


def test_the_text_at_the_tokens_must_be_the_concept_but_for_case_and_blanks():
    assert found_text("chest pain", (1, 1), (1, 2), "Severe Chest \t PAIN .") == ["Chest \t PAIN"]
    assert found_text("chest pain", (1, 0), (1, 1), "Severe Chest PAIN .") == []
    assert found_text("pain", (1, 7), (1, 7), "pain") == []


def test_a_leading_blank_counts_as_a_token():
    assert found_text("fever", (1, 1), (1, 1), " fever") == ["fever"]


def test_a_concept_across_lines_has_a_place_on_each():
    assert found_text("acute renal failure", (1, 1), (3, 0), "an acute", "renal", "failure .") == [
        "acute",
        "renal",
        "failure",
    ]


@pytest.mark.parametrize(("line", "token"), [("a  b pain", 3), ("a\x0cb pain", 2), ("a\u00a0b pain", 2)])
def test_tokens_counted_by_another_rule_are_found_by_the_text(line, token):
    places, is_counted_otherwise = places_of(concept("pain", (1, token), (1, token)), [line])
    assert [line[place.start : place.end] for place in places] == ["pain"]
    assert is_counted_otherwise


def test_an_assertion_and_a_relation_are_read_to_the_end_of_their_line():
    (assertion,) = parse_assertions(RawText("a.ast", b'c="no " fever" 1:0 1:2||t="problem"||a="absent"\r\n'), 3)
    assert assertion == Assertion(1, 'no " fever', 1, 0, 1, 2, "absent")
    (relation,) = parse_relations(RawText("a.rel", b'\nc="a || b" 1:0 1:2||r="TrNAP"||c="" c "" 2:0 3:1'), 3)
    assert relation == Relation(2, "TrNAP", Stretch(2, "a || b", 1, 0, 1, 2), Stretch(2, '" c "', 2, 0, 3, 1))


@pytest.mark.parametrize(
    "line",
    [
        f'c="{SECRET}" 1:0 1:0||t="treatment"||a="present"',
        f'c="{SECRET}" 1:0 1:0||t="problem"||a="unsure"',
        f'c="{SECRET}" 1:0 1:0||t="problem"',
    ],
)
def test_an_assertion_of_another_kind_or_about_no_problem_is_refused(line):
    with pytest.raises(BadInput, match=r'^a.ast, line 1: is not c="…" .* do text and .ast belong together') as caught:
        parse_assertions(RawText("a.ast", line.encode()), 3)
    assert SECRET not in str(caught.value)


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (f'c="{SECRET}" 1:0 1:0||r="TrXP"||c="a" 1:0 1:0', "is not c="),
        (f'c="{SECRET}" 1:0 1:0||r="PIP"', "is not c="),
        (f'c="{SECRET}" 1:0 1:0||r="PIP"||c="a" 4:0 4:0', "names a line outside the 3 of its text"),
        (f'c="{SECRET}" 1:5 1:3||r="PIP"||c="a" 1:0 1:0', "ends before it starts"),
    ],
)
def test_a_relation_that_breaks_a_rule_is_refused(line, rule):
    with pytest.raises(BadInput, match=rf"^a.rel, line 1: {rule}") as caught:
        parse_relations(RawText("a.rel", line.encode()), 3)
    assert SECRET not in str(caught.value)


CONVENTIONS = {
    "leading blank": (b"  no fever\n", 2),
    "double blank": (b"no  fever\n", 1),
    "tab": (b"no\tfever\n", 1),
    "CRLF": (b"no fever\r\n", 1),
    "no line end": (b"no fever", 1),
    "cp1252 quotes": ("patient\u2019s fever".encode("cp1252"), 1),
    "emoji": ("\U0001f600 fever".encode(), 1),
    "combining letters": ("nai\u0308ve fever".encode(), 1),
    "form feed": (b"\x0cno fever\n", 1),
    "byte-order mark": (b"\xef\xbb\xbfno fever\n", 1),
}


@pytest.mark.parametrize(("content", "token"), CONVENTIONS.values(), ids=CONVENTIONS.keys())
def test_the_challenge_counts_tokens_of_a_line_as_blank_separated_words(content, token):
    lines = lines_of(text_of(RawText("a.txt", content))[0])
    places, is_counted_otherwise = places_of(concept("fever", (1, token), (1, token)), lines)
    assert [lines[0][place.start : place.end] for place in places] == ["fever"]
    assert not is_counted_otherwise


WORDS = st.text(st.characters(exclude_categories=["Z", "C"]), min_size=1, max_size=4)
GAPS = st.text(" \t", min_size=1, max_size=3)


@st.composite
def texts_with_a_concept(draw):
    """Lines of words between runs of blanks, and a stretch of these words with its line and token numbers."""
    rows = draw(st.lists(st.lists(WORDS, min_size=1, max_size=5), min_size=1, max_size=3))
    lines, numbered = [], []
    for number, words in enumerate(rows, start=1):
        lead = draw(st.just("") | GAPS)
        line = lead
        for index, word in enumerate(words):
            line += draw(GAPS) if index else ""
            numbered.append((number, index + bool(lead), len(line), word))
            line += word
        lines.append(line + draw(st.sampled_from(["", " ", "\t "])))
    first = draw(st.integers(0, len(numbered) - 1))
    last = draw(st.integers(first, len(numbered) - 1))
    return lines, numbered[first : last + 1]


@given(texts_with_a_concept(), st.sampled_from(["\n", "\r\n"]))
def test_a_concept_is_found_where_its_words_were_written(case, line_end):
    lines, words = case
    text = " ".join(word for *_, word in words).lower()
    (first_line, first_token, start, _), (last_line, last_token, last_start, last_word) = words[0], words[-1]
    written = f'c="{text}" {first_line}:{first_token} {last_line}:{last_token}||t="test"'.encode()
    (read,) = parse_concepts(RawText("a.con", written), len(lines))
    content = line_end.join(lines).encode()
    places, is_counted_otherwise = places_of(read, lines_of(text_of(RawText("a.txt", content))[0]))
    assert not is_counted_otherwise
    assert (places[0].line, places[0].start) == (first_line, start)
    assert (places[-1].line, places[-1].end) == (last_line, last_start + len(last_word))
    assert [place.line for place in places] == list(range(first_line, last_line + 1))


def test_the_text_of_an_annotation_is_not_shown():
    assert SECRET not in repr(concept(SECRET, (1, 0), (1, 0)))
    (relation,) = parse_relations(RawText("a.rel", f'c="{SECRET}" 1:0 1:0||r="PIP"||c="a" 1:0 1:0'.encode()), 1)
    assert SECRET not in repr(relation)
