"""Which texts count as near copies of each other."""

from __future__ import annotations

import random

import pytest

from clinpeft.data.near_copies import LEAST_WORDS, NearCopies, shingles, similarity

WORDS = [f"{first}{second}" for first in ("ab", "ka", "mo", "ri", "tu", "ze") for second in "bcdfghjklmnpqrstvwxz"]


def text_of(num_words: int, seed: int) -> list[str]:
    return random.Random(seed).choices(WORDS, k=num_words)


def changed(words: list[str], *positions: int) -> list[str]:
    return [f"{word}x" if position in positions else word for position, word in enumerate(words)]


def jaccard(one: list[str], other: list[str]) -> float:
    """By the definition, on the words themselves."""
    first, second = ({tuple(words[start : start + 8]) for start in range(len(words) - 7)} for words in (one, other))
    return len(first & second) / len(first | second)


def are_near(one: list[str], other: list[str]) -> bool:
    index = NearCopies()
    index.add(" ".join(one))
    return index.holds_near_copy_of(" ".join(other))


def test_a_word_changed_in_the_middle_alters_eight_shingles_of_each_text() -> None:
    # 100 words have 93 shingles; 85 stay, so 85 of 93 + 8 are shared
    one, other = text_of(100, 1), changed(text_of(100, 1), 50)
    first, second = shingles(" ".join(one)), shingles(" ".join(other))

    assert first is not None
    assert second is not None
    assert similarity(first, second) == 85 / 101
    assert are_near(one, other)


def test_pairs_are_told_apart_exactly_at_the_threshold() -> None:
    # 79 words have 72 shingles: one word changed leaves 64 of 80, which is 0.8; with 78 words 63 of 79
    assert jaccard(text_of(79, 2), changed(text_of(79, 2), 40)) == 0.8
    assert are_near(text_of(79, 2), changed(text_of(79, 2), 40))
    assert not are_near(text_of(78, 2), changed(text_of(78, 2), 40))


@pytest.mark.parametrize("seed", range(20))
def test_the_similarity_is_that_of_the_words_themselves(seed: int) -> None:
    one = text_of(60 + seed, seed)
    other = changed(one, *random.Random(seed).sample(range(60), seed % 5))
    first, second = shingles(" ".join(one)), shingles(" ".join(other))

    assert first is not None
    assert second is not None
    assert similarity(first, second) == pytest.approx(jaccard(one, other), abs=1e-12)


def test_blanks_and_case_do_not_count() -> None:
    words = text_of(60, 3)
    index = NearCopies()
    index.add(" ".join(words))

    assert index.holds_near_copy_of("\n\n".join(words).upper())


def test_the_same_words_in_another_order_are_no_copy() -> None:
    words = text_of(200, 4)

    assert not are_near(words, words[::-1])


def test_texts_of_one_template_are_no_copies() -> None:
    """Half of the words stand in every text, in runs of ten."""
    template = text_of(100, 5)

    def filled(seed: int) -> list[str]:
        own = text_of(100, seed)
        return [word for start in range(0, 100, 10) for word in template[start : start + 10] + own[start : start + 10]]

    assert not are_near(filled(6), filled(7))


@pytest.mark.parametrize("seed", range(50))
def test_a_long_text_with_a_quarter_added_is_found_at_the_threshold(seed: int) -> None:
    # 1,007 words have 1,000 shingles; 250 words more make it 1,250
    one, more = text_of(1_007, seed), text_of(250, 500 + seed)

    assert jaccard(one, one + more) == 0.8
    assert are_near(one, one + more)
    assert are_near(one + more, one)
    assert not are_near(one, [*one, *more, "end"])


def test_short_texts_are_not_looked_at() -> None:
    words = text_of(LEAST_WORDS, 8)

    assert are_near(words, words)
    assert not are_near(words[1:], words[1:])


def test_an_index_of_short_texts_is_empty() -> None:
    index = NearCopies()
    index.add("no fever")
    assert index.is_empty

    index.add(" ".join(text_of(50, 9)))
    assert not index.is_empty


def test_a_text_may_be_added_twice_and_an_answer_changes_with_what_is_kept() -> None:
    words = text_of(100, 10)
    index = NearCopies()
    index.add(" ".join(text_of(100, 11)))
    assert not index.holds_near_copy_of(" ".join(words))

    for _ in range(2):
        index.add(" ".join(changed(words, 50)))
    assert index.holds_near_copy_of(" ".join(words))


def test_every_planted_near_copy_is_found_among_many_texts() -> None:
    """One word in a hundred is changed (similarity about 0.85); nothing else resembles anything."""
    texts = [text_of(100, seed) for seed in range(300)]
    index = NearCopies()
    for words in texts:
        index.add(" ".join(words))

    assert all(index.holds_near_copy_of(" ".join(changed(words, 50))) for words in texts)
    assert not any(index.holds_near_copy_of(" ".join(text_of(100, seed))) for seed in range(1_000, 1_300))
