"""From Examples to word pieces: labels aligned, relations marked, and what was cut counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from clinpeft.data.card import Card
from clinpeft.data.long_text import WINDOW_POOLING, head_and_tail, paired_windows, windows, word_windows
from clinpeft.data.sections import chosen_pieces, sections_of
from clinpeft.data.spans import tags_by_piece
from clinpeft.tasks.base import Example

MARKERS = (("@", "@"), ("#", "#"))
"""Put around head and tail (Zhou and Chen, 2022: plain punctuation does as well as new tokens)."""
TEXTS_AT_ONCE = 256
"""What a tokeniser makes of a text takes many times the text's own memory until it is taken over."""
LENGTH_STEP = 8
"""Batches are padded to a multiple of so many word pieces: fewer shapes, for each of which a CPU must prepare."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as word pieces; which label field is set depends on the kind of task.

    Where a long text is read in windows, this is the first, with what holds for the example.
    """

    input_ids: list[int]
    token_type_ids: list[int] | None
    is_truncated: bool
    labels_lost: int
    """Gold entities of which a word lies beyond the length; 1 for a relation of which a mention does."""
    label: int = -1
    label_vector: list[float] | None = None
    """Multi-label: 1, 0, or NaN where nobody annotated."""
    piece_tags: list[int] | None = None
    """Entities: tag index at the piece that each word is read off, -100 elsewhere; scored by pieces, at every piece."""
    word_starts: list[int] | None = None
    """Entities: position of that piece of each word; -1 for a word beyond the length. By pieces: of every piece."""
    piece_counts: tuple[int, ...] | None = None
    """Entities scored by pieces: how many pieces each word has, also beyond the length."""
    markers: tuple[int, int] | None = None
    """Relations: where head and tail start."""
    further: tuple[Encoded, ...] = ()
    """The windows after the first; of entities each has the tags and starts of the words that it answers for."""

    @property
    def windows(self) -> tuple[Encoded, ...]:
        """All of them, in the order of the text; most often one."""
        return (self, *self.further)

    @property
    def num_pieces(self) -> int:
        """Word pieces that the model reads, those in two windows twice."""
        return sum(len(window.input_ids) for window in self.windows)


class Encoder:
    """Encodes the examples of one task for one model.

    ranked: the headings of the notes' sections, the most telling first, for `long_text="sections"`.
    reads_last: a word's tag is read off its last piece, of which alone a decoder has seen all, and not off its first.
    """

    def __init__(
        self,
        tokenizer: Any,
        card: Card,
        *,
        max_length: int,
        long_text: str,
        has_token_types: bool,
        ranked: Sequence[str] = (),
        reads_last: bool = False,
    ) -> None:
        self.tokenizer, self.card, self.reads_last = tokenizer, card, reads_last
        self.max_length, self.long_text, self.ranked = max_length, long_text, ranked
        self.reads_all = long_text in WINDOW_POOLING
        self.has_token_types = has_token_types
        self.tags = tag_names(card)
        self._tag_index = {tag: index for index, tag in enumerate(self.tags)}
        self._label_index = {label: index for index, label in enumerate(card.labels)}
        self._start, self._end = _around(tokenizer)
        self._between = self._end or self._pieces(["\n"])[0]
        self.room = max_length - len(self._start) - len(self._end)

    @property
    def pad_id(self) -> int:
        """Id of the padding piece."""
        return int(self.tokenizer.pad_token_id or 0)

    def encode(self, examples: Sequence[Example]) -> list[Encoded]:
        """The examples in their order. Words without any piece are read as the unknown word, never dropped."""
        encoders = {"entities": self._entities, "relations": self._relations, "pairs": self._pairs}
        encode = encoders.get(self.card.kind, self._texts)
        starts = range(0, len(examples), TEXTS_AT_ONCE)
        return [item for start in starts for item in encode(examples[start : start + TEXTS_AT_ONCE])]

    def _texts(self, examples: Sequence[Example]) -> list[Encoded]:
        if self.long_text == "sections":
            return self._sections(examples)
        pieces = self._pieces([example.text for example in examples])
        cut = self._windows if self.reads_all else self._cut
        return [self._finish(example, *cut(ids)) for example, ids in zip(examples, pieces, strict=True)]

    def _sections(self, examples: Sequence[Example]) -> list[Encoded]:
        texts = [example.text for example in examples]
        batch = self.tokenizer(texts, add_special_tokens=False, return_offsets_mapping=True, verbose=False)
        result = []
        for example, ids, offsets in zip(examples, batch["input_ids"], batch["offset_mapping"], strict=True):
            kept = ids
            if len(ids) > self.room:
                places = chosen_pieces(sections_of(example.text, self.ranked), offsets, self.room)
                kept = [ids[place] for place in places]
            result.append(self._finish(example, [[*self._start, *kept, *self._end]], len(kept) < len(ids)))
        return result

    def _pairs(self, examples: Sequence[Example]) -> list[Encoded]:
        firsts = self._pieces([example.text for example in examples])
        seconds = self._pieces([example.text_b or "" for example in examples])
        return [self._pair(*item) for item in zip(examples, firsts, seconds, strict=True)]

    def _pair(self, example: Example, first: list[int], second: list[int]) -> Encoded:
        """`[CLS] first [SEP] second [SEP]`; the longer text gives way until both fit, or is read in windows."""
        along = paired_windows(len(first), len(second), self.room - len(self._between))
        label = self._label_index.get(example.label or "", -1)
        is_cut = not self.reads_all and len(along) > 1
        rows = []
        for of_first, of_second in along if self.reads_all else along[:1]:
            left = [*self._start, *first[of_first.start : of_first.stop], *self._between]
            right = [*second[of_second.start : of_second.stop], *self._end]
            types = [0] * len(left) + [1] * len(right) if self.has_token_types else None
            rows.append(Encoded(left + right, types, is_cut, 0, label=label))
        return _in_windows(rows)

    def _relations(self, examples: Sequence[Example]) -> list[Encoded]:
        marked = [_mark(example) for example in examples]
        batch = self.tokenizer([text for text, _ in marked], add_special_tokens=False, return_offsets_mapping=True)
        rows = zip(examples, marked, batch["input_ids"], batch["offset_mapping"], strict=True)
        return [self._relation(example, ids, offsets, places) for example, (_, places), ids, offsets in rows]

    def _relation(
        self, example: Example, ids: list[int], offsets: list[tuple[int, int]], places: tuple[int, ...]
    ) -> Encoded:
        """Keeps the stretch around the two mentions, markers included, when the text is too long."""
        at = [next(index for index, (_, end) in enumerate(offsets) if end > place) for place in places]
        low, high = min(at), max(at) + 1
        first = max(0, min(low - max(0, self.room - (high - low)) // 2, len(ids) - self.room))
        kept = ids[first : first + self.room]
        head, tail = (place - first + len(self._start) if place < first + self.room else 0 for place in at[:2])
        return Encoded(
            [*self._start, *kept, *self._end],
            None,
            len(kept) < len(ids),
            int(high > first + self.room),
            label=self._label_index.get(example.label or "", -1),
            markers=(head, tail),
        )

    def _entities(self, examples: Sequence[Example]) -> list[Encoded]:
        words = [word for example in examples for word in example.tokens]
        known = dict.fromkeys(words)
        # The blank makes byte-level word pieces (RoBERTa's) those of a word inside a text; to others it means nothing.
        pieces = dict(zip(known, self._pieces([f" {word}" for word in known]), strict=True))
        encode = self._word_pieces if self.card.scores_pieces() else self._sentence
        return [encode(example, [pieces[word] for word in example.tokens]) for example in examples]

    def _word_pieces(self, example: Example, words: list[list[int]]) -> Encoded:
        """Every piece as a word of its own with the tag of its word, as published pipelines train and score."""
        counts = tuple(max(1, len(word)) for word in words)
        pieces = [[piece] for word in words for piece in word or [self.tokenizer.unk_token_id]]
        tags = tags_by_piece(example.tags or ["O"] * len(words), counts)
        return replace(self._sentence(replace(example, tags=tags), pieces), piece_counts=counts)

    def _sentence(self, example: Example, words: list[list[int]]) -> Encoded:
        if self.reads_all:
            return self._sentence_windows(example.tags or ("O",) * len(words), words)
        ids, tags = list(self._start), [-100] * len(self._start)
        starts: list[int] = []
        limit = self.max_length - len(self._end)
        for word, tag in zip(words, example.tags or ["O"] * len(words), strict=True):
            word = word or [self.tokenizer.unk_token_id]
            if len(ids) + len(word) > limit or (starts and starts[-1] < 0):
                starts.append(-1)
                continue
            at = len(word) - 1 if self.reads_last else 0
            starts.append(len(ids) + at)
            ids += word
            tags += _tagged(len(word), at, self._tag_index.get(tag, -100))
        ends = zip(starts, example.tags, (*example.tags[1:], "O"), strict=False)
        lost = sum(start < 0 and tag != "O" and not after.startswith("I-") for start, tag, after in ends)
        is_cut = any(start < 0 for start in starts)
        tags += [-100] * len(self._end)
        return Encoded([*ids, *self._end], None, is_cut, lost, piece_tags=tags, word_starts=starts)

    def _sentence_windows(self, tags: Sequence[str], words: list[list[int]]) -> Encoded:
        """Every word is tagged in one window only; of a word longer than a window its start is read."""
        read = [(word or [self.tokenizer.unk_token_id])[: self.room] for word in words]
        is_cut = any(len(word) > self.room for word in words)
        rows = []
        for span, own in word_windows([len(word) for word in read], self.room):
            ids, piece_tags = list(self._start), [-100] * len(self._start)
            starts = []
            for place in span:
                at = len(read[place]) - 1 if self.reads_last else 0
                starts += [len(ids) + at] if place in own else []
                tag = self._tag_index.get(tags[place], -100) if place in own else -100
                ids += read[place]
                piece_tags += _tagged(len(read[place]), at, tag)
            piece_tags += [-100] * len(self._end)
            rows.append(Encoded([*ids, *self._end], None, is_cut, 0, piece_tags=piece_tags, word_starts=starts))
        return _in_windows(rows)

    def _finish(self, example: Example, rows: list[list[int]], is_cut: bool) -> Encoded:
        if self.card.kind != "multilabel":
            label = self._label_index.get(example.label or "", -1)
            return _in_windows([Encoded(ids, None, is_cut, 0, label=label) for ids in rows])
        has, missing = set(example.labels), set(example.missing)
        vector = [float("nan") if label in missing else float(label in has) for label in self.card.labels]
        return _in_windows([Encoded(ids, None, is_cut, 0, label_vector=vector) for ids in rows])

    def _cut(self, ids: list[int]) -> tuple[list[list[int]], bool]:
        is_cut = len(ids) > self.room
        if is_cut and self.long_text == "head_tail":
            ids = head_and_tail(ids, self.room)
        return [[*self._start, *ids[: self.room], *self._end]], is_cut

    def _windows(self, ids: list[int]) -> tuple[list[list[int]], bool]:
        spans = windows(len(ids), self.room)
        return [[*self._start, *ids[span.start : span.stop], *self._end] for span in spans], False

    def _pieces(self, texts: list[str]) -> list[list[int]]:
        if not texts:
            return []
        ids: list[list[int]] = self.tokenizer(texts, add_special_tokens=False, verbose=False)["input_ids"]
        return ids


def tag_names(card: Card) -> list[str]:
    """IOB2 tags in logit order for an entity task: O, then B- and I- of each type; empty for other kinds."""
    if card.kind != "entities":
        return []
    return ["O", *(f"{prefix}-{label}" for label in card.labels for prefix in "BI")]


def num_outputs(card: Card) -> int:
    """Width of the head."""
    return len(tag_names(card)) or len(card.labels)


def _tagged(num_pieces: int, at: int, tag: int) -> list[int]:
    return [tag if place == at else -100 for place in range(num_pieces)]


def _around(tokenizer: Any) -> tuple[list[int], list[int]]:
    """The pieces before and after every text. T5 has one after it; a decoder that has none gets one before it, so that
    an empty text can be read."""
    pieces: list[int] = tokenizer("")["input_ids"]
    first, last = tokenizer.bos_token_id, tokenizer.eos_token_id
    if not pieces:
        return [next((piece for piece in (first, last, tokenizer.unk_token_id) if piece is not None), 0)], []
    num_before = 0 if pieces == [last] and first != last else 1
    return pieces[:num_before], pieces[num_before:]


def _in_windows(rows: Sequence[Encoded]) -> Encoded:
    return replace(rows[0], further=tuple(rows[1:])) if len(rows) > 1 else rows[0]


def _mark(example: Example) -> tuple[str, tuple[int, ...]]:
    """The text with markers around head and tail, and where in it the start markers stand and the mentions end."""
    assert example.head is not None and example.tail is not None
    inserts = []
    for index, ((opening, closing), span) in enumerate(zip(MARKERS, (example.head, example.tail), strict=True)):
        inserts += [(span.start, True, opening, index), (span.end, False, closing, index + 2)]
    text, done, places = "", 0, [0] * len(inserts)
    for offset, is_opening, marker, index in sorted(inserts, key=lambda item: item[:2]):
        text += example.text[done:offset]
        text += "" if is_opening and (not text or text.endswith(" ")) else " "
        places[index] = len(text)
        text += f"{marker} " if is_opening else marker
        done = offset
    return text + example.text[done:], tuple(places)
