"""Examples become word pieces: labels stay aligned, and what the length cuts off is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.data.card import Card
from clinpeft.data.tokenize import Encoded, Encoder, num_outputs, tag_names
from clinpeft.spec import Kind
from clinpeft.tasks.base import Example, Span


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


@pytest.fixture(scope="module")
def byte_level(tiny_roberta: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_roberta)


def encoder(
    tokenizer: Any,
    kind: Kind,
    *labels: str,
    max_length: int = 64,
    long_text: str = "truncate",
    types: bool = True,
    **options: str,
) -> Encoder:
    named = {"name": "made-up", "kind": kind, "labels": labels, "options": options}
    card = Card.model_construct(**named, positive=None, metric="accuracy")
    return Encoder(tokenizer, card, max_length=max_length, long_text=long_text, has_token_types=types)


def example(text: str = "", **fields: Any) -> Example:
    return Example(example="e", subject="s", document="d", text=text, **fields)


def sentence(tokens: str, tags: str) -> Example:
    return example(tokens, tokens=tuple(tokens.split()), tags=tuple(tags.split()))


def relation(text: str, head: str, tail: str, label: str = "treats") -> Example:
    """A relation between the first occurrences of two phrases."""
    spans = [Span(text.index(phrase), text.index(phrase) + len(phrase), "thing") for phrase in (head, tail)]
    return example(text, head=spans[0], tail=spans[1], label=label)


def pieces(tokenizer: Any, encoded: Encoded) -> list[str]:
    return list(tokenizer.convert_ids_to_tokens(encoded.input_ids))


def one(encoder: Encoder, item: Example) -> Encoded:
    return encoder.encode([item])[0]


def test_no_examples_give_nothing(tokenizer: Any) -> None:
    assert encoder(tokenizer, "classification", "no", "yes").encode([]) == []


def test_a_text_stands_between_the_special_pieces_with_its_class(tokenizer: Any) -> None:
    encoded = one(encoder(tokenizer, "classification", "no", "yes"), example("Chest pain", label="yes"))

    assert pieces(tokenizer, encoded) == ["[CLS]", "chest", "pain", "[SEP]"]
    assert (encoded.label, encoded.is_truncated, encoded.labels_lost) == (1, False, 0)


def test_an_empty_text_is_two_special_pieces(tokenizer: Any) -> None:
    encoded = one(encoder(tokenizer, "classification", "no", "yes"), example("", label="no"))

    assert pieces(tokenizer, encoded) == ["[CLS]", "[SEP]"]


def test_a_long_text_keeps_its_start(tokenizer: Any) -> None:
    encoded = one(encoder(tokenizer, "classification", "no", max_length=8), example("a b c d e f g h i", label="no"))

    assert pieces(tokenizer, encoded) == ["[CLS]", *"abcdef", "[SEP]"]
    assert encoded.is_truncated


def test_a_text_that_just_fits_is_not_truncated(tokenizer: Any) -> None:
    encoded = one(encoder(tokenizer, "classification", "no", max_length=8), example("a b c d e f", label="no"))

    assert len(encoded.input_ids) == 8
    assert not encoded.is_truncated


def test_head_tail_keeps_a_quarter_from_the_start_and_the_rest_from_the_end(tokenizer: Any) -> None:
    of = encoder(tokenizer, "classification", "no", max_length=10, long_text="head_tail")
    encoded = one(of, example(" ".join("abcdefghijkl"), label="no"))

    assert pieces(tokenizer, encoded) == ["[CLS]", *"ab", *"ghijkl", "[SEP]"]
    assert encoded.is_truncated


def test_a_label_nobody_annotated_is_neither_zero_nor_one(tokenizer: Any) -> None:
    of = encoder(tokenizer, "multilabel", "pain", "fever", "cough")
    vector = one(of, example("pain", labels=("pain",), missing=("cough",))).label_vector

    assert vector is not None
    assert vector[:2] == [1.0, 0.0]
    assert vector[2] != vector[2]


def test_a_pair_is_two_texts_with_token_types(tokenizer: Any) -> None:
    encoded = one(encoder(tokenizer, "pairs", "no", "yes"), example("chest pain", text_b="fever", label="yes"))

    assert pieces(tokenizer, encoded) == ["[CLS]", "chest", "pain", "[SEP]", "fever", "[SEP]"]
    assert encoded.token_type_ids == [0, 0, 0, 0, 1, 1]


def test_a_model_without_token_types_gets_none(tokenizer: Any) -> None:
    encoded = one(encoder(tokenizer, "pairs", "no", types=False), example("pain", text_b="fever", label="no"))

    assert encoded.token_type_ids is None


@pytest.mark.parametrize(
    ("first", "second", "kept"),
    [
        ("abcdefghijkl", "xyz", "abcdef xyz"),
        ("abc", "opqrstuvwxyz", "abc opqrst"),
        ("abcdefghijkl", "opqrstuvwxyz", "abcde opqr"),
        ("abcdef", "xyz", "abcdef xyz"),
    ],
    ids=["the first is longer", "the second is longer", "both are long", "both fit"],
)
def test_the_longer_text_of_a_pair_gives_way(tokenizer: Any, first: str, second: str, kept: str) -> None:
    of = encoder(tokenizer, "pairs", "no", max_length=12)
    encoded = one(of, example(" ".join(first), text_b=" ".join(second), label="no"))
    kept_first, kept_second = kept.split()

    assert pieces(tokenizer, encoded) == ["[CLS]", *kept_first, "[SEP]", *kept_second, "[SEP]"]
    assert encoded.is_truncated == (len(first) + len(second) > 9)


@given(lengths=st.tuples(st.integers(0, 40), st.integers(0, 40)), max_length=st.integers(8, 40))
def test_a_pair_fills_the_length_and_never_breaks_it(tokenizer: Any, lengths: tuple[int, int], max_length: int) -> None:
    first, second = (" ".join("a" * length) for length in lengths)
    encoded = one(encoder(tokenizer, "pairs", "no", max_length=max_length), example(first, text_b=second, label="no"))

    assert len(encoded.input_ids) == min(max_length, sum(lengths) + 3)
    assert encoded.is_truncated == (sum(lengths) + 3 > max_length)


def test_a_tag_stands_at_the_first_piece_of_its_word(tokenizer: Any) -> None:
    encoded = one(encoder(tokenizer, "entities", "problem"), sentence("no xyz pain", "O B-problem I-problem"))

    assert pieces(tokenizer, encoded) == ["[CLS]", "no", "x", "##y", "##z", "pain", "[SEP]"]
    assert encoded.piece_tags == [-100, 0, 1, -100, -100, 2, -100]
    assert encoded.word_starts == [1, 2, 5]


def test_a_word_without_pieces_is_read_as_unknown(tokenizer: Any) -> None:
    # A soft hyphen alone: the tokeniser drops it, and with it the word would lose its place.
    encoded = one(encoder(tokenizer, "entities", "problem"), sentence("no \u00ad pain", "O B-problem I-problem"))

    assert pieces(tokenizer, encoded) == ["[CLS]", "no", "[UNK]", "pain", "[SEP]"]
    assert encoded.piece_tags == [-100, 0, 1, 2, -100]


@pytest.mark.parametrize(
    ("tags", "lost"),
    [
        ("O O O O O O B-problem O", 1),
        ("O O O O O B-problem I-problem O", 1),
        ("O O O O O B-problem B-problem I-problem", 1),
        ("O O O O O O B-problem B-problem", 2),
        ("B-problem I-problem O O O B-problem O O", 0),
    ],
    ids=["beyond", "cut in the middle", "one whole and one beyond", "two beyond", "all within"],
)
def test_an_entity_of_which_a_word_is_cut_off_is_counted(tokenizer: Any, tags: str, lost: int) -> None:
    encoded = one(encoder(tokenizer, "entities", "problem", max_length=8), sentence("a b c d e f g h", tags))

    assert encoded.is_truncated
    assert encoded.labels_lost == lost
    assert encoded.word_starts == [1, 2, 3, 4, 5, 6, -1, -1]


def test_no_word_is_read_after_one_that_did_not_fit(tokenizer: Any) -> None:
    encoded = one(encoder(tokenizer, "entities", "problem", max_length=8), sentence("pain xyzxyzxyz a b", "O O O O"))

    assert pieces(tokenizer, encoded) == ["[CLS]", "pain", "[SEP]"]
    assert encoded.word_starts == [1, -1, -1, -1]


@pytest.mark.parametrize("long_text", ["truncate", "windows"])
def test_for_a_decoder_a_tag_stands_at_the_last_piece_of_its_word(tokenizer: Any, long_text: str) -> None:
    whole = encoder(tokenizer, "entities", "problem", long_text=long_text)
    whole.reads_last = True
    encoded = one(whole, example("", tokens=["severe", "xyz", "pain"], tags=["O", "B-problem", "I-problem"]))

    # [CLS] severe x ##y ##z pain [SEP]
    assert encoded.word_starts == [1, 4, 5]
    assert encoded.piece_tags == [-100, 0, -100, -100, 1, 2, -100]


def test_where_pieces_are_scored_every_piece_has_its_words_tag_and_counts_as_a_word(tokenizer: Any) -> None:
    of = encoder(tokenizer, "entities", "problem", scoring="pieces")
    encoded = one(of, sentence("no xyz \u00ad pain", "O B-problem I-problem I-problem"))

    assert pieces(tokenizer, encoded) == ["[CLS]", "no", "x", "##y", "##z", "[UNK]", "pain", "[SEP]"]
    assert encoded.piece_tags == [-100, 0, 1, 1, 1, 2, 2, -100]
    assert encoded.word_starts == [1, 2, 3, 4, 5, 6]
    assert encoded.piece_counts == (1, 3, 1, 1)


def test_a_cut_inside_a_scored_word_keeps_its_first_pieces_and_counts_the_others_as_lost(tokenizer: Any) -> None:
    of = encoder(tokenizer, "entities", "problem", max_length=8, scoring="pieces")
    encoded = one(of, sentence("no fever xyzxyz pain", "O O B-problem I-problem"))

    assert pieces(tokenizer, encoded) == ["[CLS]", "no", "fever", "x", "##y", "##z", "##x", "[SEP]"]
    assert encoded.word_starts == [1, 2, 3, 4, 5, 6, -1, -1, -1]
    assert encoded.piece_counts == (1, 1, 6, 1)
    # Of six entities of one piece two are beyond the length, the second with the word that continues it.
    assert (encoded.is_truncated, encoded.labels_lost) == (True, 2)


def test_where_pieces_are_scored_every_piece_is_tagged_in_one_window(tokenizer: Any) -> None:
    of = encoder(tokenizer, "entities", "problem", max_length=8, long_text="windows", scoring="pieces")
    encoded = one(of, sentence("no fever xyzxyz pain", "O O B-problem I-problem"))
    windows = [window.piece_tags or [] for window in encoded.windows]

    assert len(windows) > 1
    assert [tag for tags in windows for tag in tags if tag >= 0] == [0, 0, 1, 1, 1, 1, 1, 1, 2]
    assert encoded.piece_counts == (1, 1, 6, 1)
    assert encoded.labels_lost == 0


def test_where_pieces_are_scored_a_sentence_without_tags_is_read_all_the_same(tokenizer: Any) -> None:
    encoded = one(encoder(tokenizer, "entities", "problem", scoring="pieces"), example("xy", tokens=("xy",)))

    assert encoded.piece_tags == [-100, 0, 0, -100]


def test_a_sentence_without_words_has_nothing_to_tag(tokenizer: Any) -> None:
    encoded = one(encoder(tokenizer, "entities", "problem"), example(""))

    assert (encoded.piece_tags, encoded.word_starts) == ([-100, -100], [])


def test_byte_level_pieces_are_those_of_a_word_inside_a_text(byte_level: Any) -> None:
    encoded = one(encoder(byte_level, "entities", "problem"), sentence("chest pain", "B-problem I-problem"))

    assert pieces(byte_level, encoded) == ["<s>", "Ġchest", "Ġpain", "</s>"]


def test_the_markers_of_a_relation_point_at_its_marker_pieces(tokenizer: Any) -> None:
    of = encoder(tokenizer, "relations", "none", "treats")
    encoded = one(of, relation("aspirin for chest pain", "aspirin", "chest pain"))

    assert pieces(tokenizer, encoded) == ["[CLS]", "@", "aspirin", "@", "for", "#", "chest", "pain", "#", "[SEP]"]
    assert encoded.markers == (1, 5)
    assert encoded.label == 1


def test_a_tail_may_stand_before_its_head(tokenizer: Any) -> None:
    encoded = one(encoder(tokenizer, "relations", "treats"), relation("chest pain on aspirin", "aspirin", "chest pain"))

    assert pieces(tokenizer, encoded) == ["[CLS]", "#", "chest", "pain", "#", "on", "@", "aspirin", "@", "[SEP]"]
    assert encoded.markers == (6, 1)


def test_mentions_may_touch_or_lie_in_each_other(tokenizer: Any) -> None:
    of = encoder(tokenizer, "relations", "treats")
    touching = one(of, relation("pain,fever", "pain", ",fever"))
    nested = one(of, relation("left chest pain", "left chest pain", "chest"))

    assert pieces(tokenizer, touching) == ["[CLS]", "@", "pain", "@", "#", ",", "fever", "#", "[SEP]"]
    assert touching.markers == (1, 4)
    assert pieces(tokenizer, nested) == ["[CLS]", "@", "left", "#", "chest", "#", "pain", "@", "[SEP]"]
    assert nested.markers == (1, 3)


def test_marks_of_the_text_itself_are_not_taken_for_markers(tokenizer: Any) -> None:
    encoded = one(encoder(tokenizer, "relations", "treats"), relation("# @ aspirin # pain", "aspirin", "pain"))

    assert pieces(tokenizer, encoded)[1:-1] == ["#", "@", "@", "aspirin", "@", "#", "#", "pain", "#"]
    assert encoded.markers == (3, 7)


def test_byte_level_markers_point_at_the_marker_and_not_at_the_blank(byte_level: Any) -> None:
    encoded = one(encoder(byte_level, "relations", "treats"), relation("aspirin for pain", "aspirin", "pain"))
    found = pieces(byte_level, encoded)

    assert encoded.markers is not None
    assert [found[place].strip("Ġ") for place in encoded.markers] == ["@", "#"]


@given(before=st.integers(0, 40), between=st.integers(1, 25), after=st.integers(0, 40), max_length=st.integers(8, 64))
def test_a_long_text_is_cut_around_both_mentions(
    tokenizer: Any, before: int, between: int, after: int, max_length: int
) -> None:
    text = " ".join(["a"] * before + ["aspirin"] + ["b"] * between + ["pain"] + ["c"] * after)
    encoded = one(encoder(tokenizer, "relations", "treats", max_length=max_length), relation(text, "aspirin", "pain"))
    found = pieces(tokenizer, encoded)
    # Both words, their four markers and what stands between them.
    needed = between + 6

    assert len(found) == min(max_length, before + needed + after + 2)
    assert encoded.is_truncated == (before + needed + after + 2 > max_length)
    assert encoded.labels_lost == int(needed + 2 > max_length)
    if not encoded.labels_lost:
        assert encoded.markers is not None
        head, tail = encoded.markers
        assert found[head : head + 3] == ["@", "aspirin", "@"]
        assert found[tail : tail + 3] == ["#", "pain", "#"]


def test_the_context_of_a_cut_relation_is_spread_over_both_sides(tokenizer: Any) -> None:
    text = " ".join([*"abcdefgh", "aspirin", "pain", *"stuvwxyz"])
    encoded = one(encoder(tokenizer, "relations", "treats", max_length=12), relation(text, "aspirin", "pain"))

    assert " ".join(pieces(tokenizer, encoded)) == "[CLS] g h @ aspirin @ # pain # s t [SEP]"


def test_mentions_too_far_apart_keep_the_first_and_count_the_other(tokenizer: Any) -> None:
    text = " ".join(["x", "aspirin", *"abcdefgh", "pain"])
    encoded = one(encoder(tokenizer, "relations", "treats", max_length=8), relation(text, "pain", "aspirin"))

    assert " ".join(pieces(tokenizer, encoded)) == "[CLS] # aspirin # a b c [SEP]"
    assert encoded.markers == (0, 1)
    assert encoded.labels_lost == 1


def test_the_head_has_an_output_for_every_class_or_tag(tokenizer: Any) -> None:
    entities = encoder(tokenizer, "entities", "problem", "drug").card
    classes = encoder(tokenizer, "classification", "no", "yes", "maybe").card

    assert tag_names(entities) == ["O", "B-problem", "I-problem", "B-drug", "I-drug"]
    assert (num_outputs(entities), num_outputs(classes), tag_names(classes)) == (5, 3, [])


def test_padding_is_the_tokenizers_own(tokenizer: Any, byte_level: Any) -> None:
    assert encoder(tokenizer, "classification", "no").pad_id == tokenizer.pad_token_id == 0
    assert encoder(byte_level, "classification", "no").pad_id == byte_level.pad_token_id == 1


class Pieces:
    """A tokenizer that knows nothing but letters and the special pieces 101 (first) and 102 (last)."""

    bos_token_id: int | None = None
    eos_token_id, unk_token_id, pad_token_id = 102, None, None

    def __init__(self, before: list[int], after: list[int]) -> None:
        self.before, self.after = before, after

    def __call__(self, text: str | list[str], *, add_special_tokens: bool = True, **options: Any) -> dict[str, Any]:
        if isinstance(text, str):
            ids = [*self.before, *map(ord, text), *self.after]
            return {"input_ids": ids}
        return {"input_ids": [list(map(ord, each)) for each in text]}


@pytest.mark.parametrize(
    ("before", "after", "read"),
    [([101], [102], [101, 97, 98, 102]), ([101], [], [101, 97, 98]), ([], [102], [97, 98, 102])],
    ids=["encoder", "decoder", "T5"],
)
def test_special_pieces_stand_where_the_model_has_them(before: list[int], after: list[int], read: list[int]) -> None:
    made = one(encoder(Pieces(before, after), "classification", "no"), example("ab", label="no"))

    assert made.input_ids == read


def test_a_model_without_special_pieces_reads_its_end_piece_first_so_that_no_text_is_empty() -> None:
    made = encoder(Pieces([], []), "classification", "no", max_length=3)

    assert [one(made, example(text, label="no")).input_ids for text in ("", "abc")] == [[102], [102, 97, 98]]
    assert made.pad_id == 0


def test_a_model_that_ends_no_text_parts_the_two_of_a_pair_by_a_line_break() -> None:
    made = one(encoder(Pieces([101], []), "pairs", "no"), example("ab", text_b="c", label="no"))

    assert made.input_ids == [101, 97, 98, 10, 99]
