"""From Examples to word pieces: labels aligned, relations marked, and what was cut counted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from clinpeft.data.card import Card
from clinpeft.tasks.base import Example

MARKERS = (("@", "@"), ("#", "#"))
"""Put around head and tail (Zhou and Chen, 2022: plain punctuation does as well as new tokens)."""
HEAD_SHARE = 0.25
"""Share of the length that `head_tail` keeps from the start (Sun et al., 2019: 128 of 510)."""
LENGTH_STEP = 8
"""Batches are padded to a multiple of so many word pieces: fewer shapes, for each of which a CPU must prepare."""


@dataclass(frozen=True, slots=True)
class Encoded:
    """One example as word pieces; which label field is set depends on the kind of task."""

    input_ids: list[int]
    token_type_ids: list[int] | None
    is_truncated: bool
    labels_lost: int
    """Gold entities of which a word lies beyond the length; 1 for a relation of which a mention does."""
    label: int = -1
    label_vector: list[float] | None = None
    """Multi-label: 1, 0, or NaN where nobody annotated."""
    piece_tags: list[int] | None = None
    """Entities: tag index at the first piece of each word, -100 elsewhere."""
    word_starts: list[int] | None = None
    """Entities: position of each word's first piece; -1 for a word beyond the length."""
    markers: tuple[int, int] | None = None
    """Relations: where head and tail start."""


class Encoder:
    """Encodes the examples of one task for one model."""

    def __init__(self, tokenizer: Any, card: Card, *, max_length: int, long_text: str, has_token_types: bool) -> None:
        self.tokenizer, self.card = tokenizer, card
        self.max_length, self.long_text = max_length, long_text
        self.has_token_types = has_token_types
        self.tags = tag_names(card)
        self._tag_index = {tag: index for index, tag in enumerate(self.tags)}
        self._label_index = {label: index for index, label in enumerate(card.labels)}
        empty = tokenizer("")["input_ids"]
        self._start, self._end = empty[:1], empty[1:]

    @property
    def pad_id(self) -> int:
        """Id of the padding piece."""
        return int(self.tokenizer.pad_token_id or 0)

    def encode(self, examples: Sequence[Example]) -> list[Encoded]:
        """The examples in their order. Words without any piece are read as the unknown word, never dropped."""
        if not examples:
            return []
        encode = {"entities": self._entities, "relations": self._relations, "pairs": self._pairs}
        return encode.get(self.card.kind, self._texts)(examples)

    def _texts(self, examples: Sequence[Example]) -> list[Encoded]:
        pieces = self._pieces([example.text for example in examples])
        return [self._finish(example, *self._cut(ids)) for example, ids in zip(examples, pieces, strict=True)]

    def _pairs(self, examples: Sequence[Example]) -> list[Encoded]:
        firsts = self._pieces([example.text for example in examples])
        seconds = self._pieces([example.text_b or "" for example in examples])
        return [self._pair(*item) for item in zip(examples, firsts, seconds, strict=True)]

    def _pair(self, example: Example, first: list[int], second: list[int]) -> Encoded:
        """`[CLS] first [SEP] second [SEP]`; the longer text gives way until both fit."""
        room = self.max_length - len(self._start) - 2 * len(self._end)
        keep_second = min(len(second), max(room // 2, room - len(first)))
        keep_first = min(len(first), room - keep_second)
        is_cut = keep_first < len(first) or keep_second < len(second)
        left = [*self._start, *first[:keep_first], *self._end]
        right = [*second[:keep_second], *self._end]
        types = [0] * len(left) + [1] * len(right) if self.has_token_types else None
        return Encoded(left + right, types, is_cut, 0, label=self._label_index.get(example.label or "", -1))

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
        room = self.max_length - len(self._start) - len(self._end)
        low, high = min(at), max(at) + 1
        first = max(0, min(low - max(0, room - (high - low)) // 2, len(ids) - room))
        kept = ids[first : first + room]
        head, tail = (place - first + len(self._start) if place < first + room else 0 for place in at[:2])
        return Encoded(
            [*self._start, *kept, *self._end],
            None,
            len(kept) < len(ids),
            int(high > first + room),
            label=self._label_index.get(example.label or "", -1),
            markers=(head, tail),
        )

    def _entities(self, examples: Sequence[Example]) -> list[Encoded]:
        words = [word for example in examples for word in example.tokens]
        known = dict.fromkeys(words)
        # The blank makes byte-level word pieces (RoBERTa's) those of a word inside a text; to others it means nothing.
        pieces = dict(zip(known, self._pieces([f" {word}" for word in known]), strict=True))
        return [self._sentence(example, [pieces[word] for word in example.tokens]) for example in examples]

    def _sentence(self, example: Example, words: list[list[int]]) -> Encoded:
        ids, tags = list(self._start), [-100] * len(self._start)
        starts: list[int] = []
        limit = self.max_length - len(self._end)
        for word, tag in zip(words, example.tags or ["O"] * len(words), strict=True):
            word = word or [self.tokenizer.unk_token_id]
            if len(ids) + len(word) > limit or (starts and starts[-1] < 0):
                starts.append(-1)
                continue
            starts.append(len(ids))
            ids += word
            tags += [self._tag_index.get(tag, -100)] + [-100] * (len(word) - 1)
        ends = zip(starts, example.tags, (*example.tags[1:], "O"), strict=False)
        lost = sum(start < 0 and tag != "O" and not after.startswith("I-") for start, tag, after in ends)
        is_cut = any(start < 0 for start in starts)
        tags += [-100] * len(self._end)
        return Encoded([*ids, *self._end], None, is_cut, lost, piece_tags=tags, word_starts=starts)

    def _finish(self, example: Example, ids: list[int], is_cut: bool) -> Encoded:
        if self.card.kind != "multilabel":
            return Encoded(ids, None, is_cut, 0, label=self._label_index.get(example.label or "", -1))
        has, missing = set(example.labels), set(example.missing)
        vector = [float("nan") if label in missing else float(label in has) for label in self.card.labels]
        return Encoded(ids, None, is_cut, 0, label_vector=vector)

    def _cut(self, ids: list[int]) -> tuple[list[int], bool]:
        room = self.max_length - len(self._start) - len(self._end)
        is_cut = len(ids) > room
        if is_cut and self.long_text == "head_tail":
            head = int(room * HEAD_SHARE)
            ids = ids[:head] + ids[len(ids) - (room - head) :]
        return [*self._start, *ids[:room], *self._end], is_cut

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
