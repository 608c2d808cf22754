from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from clinpeft.data.spans import is_iob2, spans_from_tags, tags_from_spans
from clinpeft.tasks.base import Span


def test_the_longest_of_overlapping_spans_wins() -> None:
    # tokens: "left" 0-4, "upper" 5-10, "lobe" 11-15
    tags, kept = tags_from_spans([0, 5, 11], [4, 10, 15], [Span(5, 15, "site"), Span(0, 15, "finding")])

    assert tags == ("B-finding", "I-finding", "I-finding")
    assert kept == (Span(0, 15, "finding"),)


def test_a_span_that_touches_a_token_claims_it_whole() -> None:
    # "aspirin-induced" is one token; the span covers its first seven characters
    assert tags_from_spans([0], [15], [Span(0, 7, "drug")]) == (("B-drug",), (Span(0, 7, "drug"),))


def test_neighbouring_spans_of_one_type_stay_two() -> None:
    tags, kept = tags_from_spans([0, 2], [1, 3], [Span(2, 3, "x"), Span(0, 1, "x")])

    assert tags == ("B-x", "B-x")
    assert kept == (Span(0, 1, "x"), Span(2, 3, "x"))


def test_a_span_between_tokens_is_left_out() -> None:
    assert tags_from_spans([0, 5], [2, 7], [Span(2, 5, "x")]) == (("O", "O"), ())


def test_tags_must_begin_with_b_and_go_on_with_their_own_type() -> None:
    assert is_iob2(["O", "B-x", "I-x", "B-x", "B-y"])
    assert not is_iob2(["I-x"])
    assert not is_iob2(["B-x", "I-y"])
    assert not is_iob2(["B-x", "O", "I-x"])
    assert not is_iob2(["x"])
    assert not is_iob2(["B-"])


@st.composite
def tokens_and_spans(draw: st.DrawFn) -> tuple[list[int], list[int], list[Span]]:
    """Tokens of 1 to 4 characters with gaps of 0 to 2, and spans that cover whole tokens and do not overlap."""
    starts, ends, at = [], [], 0
    for _ in range(draw(st.integers(1, 12))):
        starts.append(at + draw(st.integers(0, 2)))
        ends.append(starts[-1] + draw(st.integers(1, 4)))
        at = ends[-1]
    spans, first = [], 0
    while first < len(starts):
        last = draw(st.integers(first, len(starts) - 1))
        if draw(st.booleans()):
            spans.append(Span(starts[first], ends[last], draw(st.sampled_from(["drug", "B-dose", "x"]))))
        first = last + 1
    return starts, ends, spans


@given(tokens_and_spans())
def test_spans_come_back_from_their_tags(case: tuple[list[int], list[int], list[Span]]) -> None:
    starts, ends, spans = case
    tags, kept = tags_from_spans(starts, ends, spans)

    assert is_iob2(tags)
    assert list(kept) == spans
    assert list(spans_from_tags(starts, ends, tags)) == spans


@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 9), st.sampled_from("xy")), max_size=8))
def test_any_spans_give_valid_tags_with_as_many_entities_as_kept(raw: list[tuple[int, int, str]]) -> None:
    starts, ends = [0, 4, 8, 15, 21], [3, 7, 14, 20, 30]
    tags, kept = tags_from_spans(starts, ends, [Span(start, start + length, label) for start, length, label in raw])

    assert is_iob2(tags)
    assert sum(tag.startswith("B-") for tag in tags) == len(kept)
