"""Near copies: texts of which one is the other with a few words changed, as when a note is carried forward.

Two texts are near copies when the sets of their 8-word shingles have a Jaccard similarity of at least 0.8. The words
are what blanks part, case aside, so two texts that differ in blanks and case only are near copies too. A text below 50
words has too few shingles to say anything (a changed word alters 8 of them) and is not looked at.

MinHash (Broder 1997) proposes pairs, and their shingles decide: no pair is reported by chance. What chance can do is
miss one. Of a long text only the 128 shingles with the lowest hashes are minhashed (0.3 ms in all for a note of 1,000
words, 2 ms with all of them); they resemble each other as the whole texts do, or by 2/3 where one text holds the other
and a quarter more, and 40 bands of 4 find a pair at 2/3 with probability 0.9998. Permutations are seeded, so that the
same texts give the same answer everywhere.
"""

from __future__ import annotations

import hashlib
from functools import lru_cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

SHINGLE_WORDS = 8
LEAST_WORDS = 50
THRESHOLD = 0.8
NUM_MINHASHED = 128
BANDS, ROWS = 40, 4
LEAST_ESTIMATE = 0.45
"""Pairs whose MinHashes agree less are not compared: 4 standard errors below 2/3."""
SEED, SCHEME = 1, "affine32"
NUM_REMEMBERED = 4_096
_SPREAD = 0x9E3779B97F4A7C15
"""Odd, so that multiplying by it is one-to-one modulo 2**64."""


class NearCopies:
    """An index of texts that can be asked whether it holds a near copy of another.

    Equal texts (of several pairs in one sentence) are looked at once.
    """

    def __init__(self) -> None:
        self._texts: set[str] = set()
        self._kept: list[str] = []
        self._answers: dict[str, bool] = {}
        self._rows: list[NDArray[np.uint32]] = []
        self._matrix: NDArray[np.uint32] | None = None
        self._shingles: dict[int, NDArray[np.uint64]] = {}
        self._index: Any = None

    @property
    def is_empty(self) -> bool:
        """Whether no text was long enough to be kept."""
        return not self._kept

    def add(self, text: str) -> None:
        """Keep `text`, unless it is below 50 words."""
        if text in self._texts or (values := shingles(text)) is None:
            return
        from datasketch import MinHashLSH

        if self._index is None:
            self._index = MinHashLSH(num_perm=BANDS * ROWS, params=(BANDS, ROWS))
        minhash = _minhash(values)
        self._index.insert(len(self._kept), minhash, check_duplication=False)
        self._texts.add(text)
        self._kept.append(text)
        self._rows.append(minhash.hashvalues)
        self._matrix = None
        self._answers.clear()

    def holds_near_copy_of(self, text: str) -> bool:
        """Whether a text was kept that is a near copy of `text`; False below 50 words."""
        if self.is_empty:
            return False
        if text not in self._answers:
            self._answers[text] = self._is_near(text)
        return self._answers[text]

    def _is_near(self, text: str) -> bool:
        values = shingles(text)
        if values is None:
            return False
        candidates = self._promising(_minhash(values))
        return any(similarity(values, self._shingles_of(kept)) >= THRESHOLD for kept in candidates)

    def _promising(self, minhash: Any) -> list[int]:
        """The kept texts that may be near copies, the likeliest first."""
        import numpy as np

        found = np.array(sorted(self._index.query(minhash)), np.int64)
        if not len(found):
            return []
        if self._matrix is None:
            self._matrix = np.stack(self._rows)
        estimates = (self._matrix[found] == minhash.hashvalues).mean(axis=1)
        order = np.argsort(-estimates, kind="stable")
        return [int(kept) for kept in found[order][estimates[order] >= LEAST_ESTIMATE]]

    def _shingles_of(self, kept: int) -> NDArray[np.uint64]:
        """Those of a kept text, made again when they are wanted: of all texts they would fill the memory."""
        if kept not in self._shingles:
            if len(self._shingles) == NUM_REMEMBERED:
                self._shingles.clear()
            values = shingles(self._kept[kept])
            assert values is not None  # only such texts are kept
            self._shingles[kept] = values
        return self._shingles[kept]


def shingles(text: str) -> NDArray[np.uint64] | None:
    """The set of a text's 8-word shingles, as 64-bit hashes in ascending order; None below 50 words."""
    import numpy as np

    words = text.casefold().split()
    if len(words) < LEAST_WORDS:
        return None
    numbers = np.fromiter(map(_number, words), np.uint64, len(words))
    values = np.zeros(len(words) - SHINGLE_WORDS + 1, np.uint64)
    for position in range(SHINGLE_WORDS):
        values *= np.uint64(_SPREAD)
        values += numbers[position : position + len(values)]
    values.sort()
    is_first: NDArray[np.bool_] = np.append(True, values[1:] != values[:-1])
    return values[is_first]


def similarity(one: NDArray[np.uint64], other: NDArray[np.uint64]) -> float:
    """The Jaccard similarity of two sets of shingles, 0 to 1."""
    import numpy as np

    num_shared = len(np.intersect1d(one, other, assume_unique=True))
    return num_shared / (len(one) + len(other) - num_shared)


@lru_cache(maxsize=1 << 18)
def _number(word: str) -> int:
    """A word's number, the same in every process."""
    return int.from_bytes(hashlib.blake2b(word.encode(), digest_size=8).digest(), "big")


def _minhash(values: NDArray[np.uint64]) -> Any:
    """datasketch takes numbers of 32 bits: the lower halves, as the upper ones are all small in what is taken."""
    import numpy as np
    from datasketch import MinHash

    minhash = MinHash(num_perm=BANDS * ROWS, hashfunc=int, permutations=_permutations(), scheme=SCHEME)
    minhash.update_batch(values[:NUM_MINHASHED].astype(np.uint32).tolist())
    return minhash


@lru_cache(maxsize=1)
def _permutations() -> Any:
    from datasketch import MinHash

    return MinHash(num_perm=BANDS * ROWS, seed=SEED, scheme=SCHEME).permutations
