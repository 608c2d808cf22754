"""A text longer than the model, encoded: in windows, or the sections that tell most; what is cut is counted."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.data import tokenize
from clinpeft.data.card import Card
from clinpeft.data.tokenize import Encoded, Encoder
from clinpeft.spec import Kind
from clinpeft.tasks.base import Example, Span

WINDOWS = ["windows", "windows_max", "windows_attention"]


@pytest.fixture(scope="module")
def tokenizer(tiny_model: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(tiny_model)


def encoder(
    tokenizer: Any,
    kind: Kind,
    *labels: str,
    max_length: int = 10,
    long_text: str = "windows",
    ranked: tuple[str, ...] = (),
    **options: str,
) -> Encoder:
    named = {"name": "made-up", "kind": kind, "labels": labels, "options": options}
    card = Card.model_construct(**named, positive=None, metric="accuracy")
    return Encoder(tokenizer, card, max_length=max_length, long_text=long_text, has_token_types=True, ranked=ranked)


def example(text: str = "", **fields: Any) -> Example:
    return Example(example="e", subject="s", document="d", text=text, **fields)


def rows(tokenizer: Any, encoded: Encoded) -> list[str]:
    return [" ".join(tokenizer.convert_ids_to_tokens(window.input_ids)) for window in encoded.windows]


def one(encoder: Encoder, item: Example) -> Encoded:
    return encoder.encode([item])[0]


@pytest.mark.parametrize("long_text", WINDOWS)
def test_a_long_text_is_read_whole_and_nothing_counts_as_cut(tokenizer: Any, long_text: str) -> None:
    of = encoder(tokenizer, "classification", "no", "yes", long_text=long_text)
    encoded = one(of, example(" ".join("abcdefghijklm"), label="yes"))

    assert rows(tokenizer, encoded) == ["[CLS] a b c d e f g h [SEP]", "[CLS] g h i j k l m [SEP]"]
    assert [window.label for window in encoded.windows] == [1, 1]
    assert (encoded.is_truncated, encoded.labels_lost, encoded.num_pieces) == (False, 0, 19)


@pytest.mark.parametrize("long_text", WINDOWS)
def test_a_text_that_fits_is_encoded_as_without_windows(tokenizer: Any, long_text: str) -> None:
    item = example("a b c d e f g h", label="no")

    assert one(encoder(tokenizer, "classification", "no", long_text=long_text), item) == one(
        encoder(tokenizer, "classification", "no", long_text="truncate"), item
    )


def test_the_labels_of_a_text_stand_at_its_first_window(tokenizer: Any) -> None:
    item = example(" ".join("abcdefghijklm"), labels=("fever",))
    encoded = one(encoder(tokenizer, "multilabel", "pain", "fever"), item)

    assert len(encoded.windows) == 2
    assert encoded.label_vector == [0.0, 1.0]


def test_the_shorter_text_of_a_pair_stands_in_every_window(tokenizer: Any) -> None:
    item = example(" ".join("abcdefghi"), text_b="x y", label="no")
    encoded = one(encoder(tokenizer, "pairs", "no", max_length=10), item)

    assert rows(tokenizer, encoded) == ["[CLS] a b c d e [SEP] x y [SEP]", "[CLS] e f g h i [SEP] x y [SEP]"]
    assert encoded.windows[1].token_type_ids == [0] * 7 + [1] * 3
    assert not encoded.is_truncated


def test_every_word_of_a_long_sentence_is_tagged_in_one_window(tokenizer: Any) -> None:
    words = tuple("abcdefghijkl")
    item = example(tokens=words, tags=("O",) * 6 + ("B-drug", "I-drug") + ("O",) * 4)
    first, second = one(encoder(tokenizer, "entities", "drug"), item).windows

    # Words g and h stand in both windows; g is nearer to the middle of the first, h to that of the second.
    assert first.piece_tags == [-100, 0, 0, 0, 0, 0, 0, 1, -100, -100]
    assert first.word_starts == [1, 2, 3, 4, 5, 6, 7]
    assert second.piece_tags == [-100, -100, 2, 0, 0, 0, 0, -100]
    assert second.word_starts == [2, 3, 4, 5, 6]
    assert (first.is_truncated, first.labels_lost) == (False, 0)


def test_of_a_word_longer_than_a_window_the_start_is_read_and_the_rest_counted(tokenizer: Any) -> None:
    item = example(tokens=("pain", "x" * 20, "fever"), tags=("O", "B-drug", "O"))
    encoded = one(encoder(tokenizer, "entities", "drug"), item)

    assert [len(window.word_starts or []) for window in encoded.windows] == [1, 1, 1]
    assert [tag for window in encoded.windows for tag in window.piece_tags or [] if tag >= 0] == [0, 1, 0]
    assert (encoded.is_truncated, encoded.labels_lost) == (True, 0)


@given(words=st.lists(st.sampled_from(["pain", "xy", "xyzxyz", "\u00ad"]), max_size=40), by_pieces=st.booleans())
def test_windows_hold_the_tags_of_one_long_row(tokenizer: Any, words: list[str], by_pieces: bool) -> None:
    tags = tuple("B-drug" if number % 3 == 0 else "O" for number in range(len(words)))
    item = example(tokens=tuple(words), tags=tags)
    options = {"scoring": "pieces"} if by_pieces else {}
    whole = one(encoder(tokenizer, "entities", "drug", max_length=500, long_text="truncate", **options), item)
    parts = one(encoder(tokenizer, "entities", "drug", max_length=10, **options), item)

    def told(encoded: Encoded) -> list[tuple[int, int]]:
        return [
            (window.input_ids[start], (window.piece_tags or [])[start])
            for window in encoded.windows
            for start in window.word_starts or []
        ]

    assert told(parts) == told(whole)
    assert parts.piece_counts == whole.piece_counts
    assert sum(tag >= 0 for window in parts.windows for tag in window.piece_tags or []) == len(told(whole))
    assert all(len(window.input_ids) <= 10 for window in parts.windows)


def test_a_relation_is_read_around_its_mentions_whatever_is_asked(tokenizer: Any) -> None:
    text = " ".join([*"abcdefgh", "aspirin", "pain", *"stuvwxyz"])
    spans = [Span(text.index(word), text.index(word) + len(word), "thing") for word in ("aspirin", "pain")]
    item = example(text, head=spans[0], tail=spans[1], label="treats")
    found = [
        one(encoder(tokenizer, "relations", "treats", long_text=long_text), item)
        for long_text in ("truncate", "sections", "windows")
    ]

    assert found[0] == found[1] == found[2]
    assert found[0].is_truncated


def test_sections_are_read_by_rank_and_what_is_left_out_counts_as_cut(tokenizer: Any) -> None:
    of = encoder(
        tokenizer, "classification", "no", max_length=8, long_text="sections", ranked=("HISTORY", "TEST", "PLAN")
    )
    long, short = of.encode([example("test: a b c\nhistory: severe pain", label="no"), example("pain", label="no")])

    assert rows(tokenizer, long) == ["[CLS] test : history : severe pain [SEP]"]
    assert rows(tokenizer, short) == ["[CLS] pain [SEP]"]
    assert [item.is_truncated for item in (long, short)] == [True, False]


def test_without_headings_sections_are_the_start_of_the_text(tokenizer: Any) -> None:
    item = example(" ".join("abcdefghijkl"), label="no")

    assert one(encoder(tokenizer, "classification", "no", long_text="sections"), item) == one(
        encoder(tokenizer, "classification", "no", long_text="truncate"), item
    )


def test_pieces_of_sections_are_those_of_the_whole_text(tiny_roberta: Path) -> None:
    from transformers import AutoTokenizer

    byte_level = AutoTokenizer.from_pretrained(tiny_roberta)
    text = "chest pain\nPLAN: heparin\nEXAM: normal"
    whole = one(encoder(byte_level, "classification", max_length=64, long_text="sections"), example(text))
    cut = one(encoder(byte_level, "classification", max_length=12, long_text="sections"), example(text))

    assert set(cut.input_ids) <= set(whole.input_ids)
    assert byte_level.decode(cut.input_ids[1:-1]).startswith("chest pain\nPLAN")


def test_many_texts_are_tokenised_a_few_at_a_time_and_stay_in_order(
    tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    items = [example(" ".join("abcdefghijklm"[: number % 13]), label="no") for number in range(30)]
    of = encoder(tokenizer, "classification", "no")
    at_once = of.encode(items)
    monkeypatch.setattr(tokenize, "TEXTS_AT_ONCE", 7)

    assert of.encode(items) == at_once
