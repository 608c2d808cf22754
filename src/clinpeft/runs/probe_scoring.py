"""Scoring in a probe: a few batches are tried, and the rest reckoned by their size."""

from __future__ import annotations

import math
import time

import numpy as np

from clinpeft.data.batch import Batch, scoring_batches
from clinpeft.runs.scoring import selection_size
from clinpeft.runs.setup import Ready
from clinpeft.train.features import pieces_without_gradient

NUM_SCORED = 3
"""Scoring batches that are tried: the longest texts, those in the middle, the shortest."""
KERNEL_BYTES = 4e6
"""Of the kernels for one shape of scoring batches (3 to 5 MB in the few runs looked at)."""


class ScoringPlan:
    """Which texts are scored when, and how long that takes."""

    def __init__(self, ready: Ready) -> None:
        self.ready = ready
        self.shapes: set[tuple[int, int]] = set()
        """Of what was tried out."""
        max_pieces = pieces_without_gradient(ready.training.engine.device)
        self.batches = {
            name: [
                (batch.indices, *shape_of(batch))
                for batch in scoring_batches(encoded, max_pieces, ready.prepared.encoder.pad_id)
            ]
            for name, encoded in ready.prepared.encoded.items()
            if name != "train" and encoded
        }

    def try_out(self) -> dict[int, float]:
        """Score a few batches, the longest texts first; seconds a word piece, by the length of the rows."""
        every = [(name, batch) for name, batches in self.batches.items() for batch in batches]
        every.sort(key=lambda item: -item[1][2])
        places = [round(share * (len(every) - 1) / max(1, NUM_SCORED - 1)) for share in range(NUM_SCORED)]
        rates: dict[int, float] = {}
        for place in dict.fromkeys(places if every else ()):
            name, (indices, rows, length) = every[place]
            examples, encoded = self.ready.prepared.splits[name], self.ready.prepared.encoded[name]
            self.shapes.add((rows, length))
            start = time.monotonic()
            self.ready.predict([examples[index] for index in indices], [encoded[index] for index in indices])
            rates[length] = (time.monotonic() - start) / (rows * length)
        return rates

    def unseen_bytes(self) -> float:
        """What the kernels of the scoring batches will take that were not tried out."""
        every = {(rows, length) for batches in self.batches.values() for _, rows, length in batches}
        return KERNEL_BYTES * len(every - self.shapes)

    def epoch_seconds(self, rates: dict[int, float]) -> float:
        """Of one judgement while it trains."""
        number = len(self.ready.prepared.splits["validation"])
        return self._seconds("validation", rates) * selection_size(self.ready.training.options, number) / max(1, number)

    def final_seconds(self, rates: dict[int, float]) -> float:
        """Of validation and test."""
        return self._seconds("validation", rates) + self._seconds("test", rates)

    def _seconds(self, name: str, rates: dict[int, float]) -> float:
        lengths = sorted(rates)
        if not lengths or name not in self.batches:
            return 0.0
        known = [rates[length] for length in lengths]
        return math.fsum(
            rows * length * float(np.interp(length, lengths, known)) for _, rows, length in self.batches[name]
        )


def shape_of(batch: Batch) -> tuple[int, int]:
    """Rows and word pieces of a row, padding included."""
    rows, length = batch.input_ids.shape
    return int(rows), int(length)
