"""What a card says of each split: counts, lengths, and texts that stand in more than one."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence

from clinpeft.data.card import SplitCounts, Words
from clinpeft.data.checks import labels_of
from clinpeft.spec import Kind
from clinpeft.tasks.base import Example


def counts_of(examples: Sequence[Example], labels: Sequence[str], kind: Kind) -> SplitCounts:
    """Examples, subjects and documents, and examples per class (for entities: gold entities per type)."""
    found = count_labels(examples, kind)
    return SplitCounts(
        examples=len(examples),
        subjects=len({example.subject for example in examples}),
        documents=len({example.document for example in examples}),
        labels={label: found[label] for label in labels},
    )


def count_labels(examples: Sequence[Example], kind: Kind) -> Counter[str]:
    """Examples per class, or gold entities per type."""
    return Counter(label for example in examples for label in labels_of(example, kind))


def words_of(examples: Sequence[Example]) -> Words:
    """Blank-separated words of text and second text; zeros for an empty split."""
    return percentiles([len(example.text.split()) + len((example.text_b or "").split()) for example in examples])


def percentiles(lengths: Sequence[int]) -> Words:
    """Nearest-rank median and 95th percentile, and the maximum; zeros for none."""
    ordered = sorted(lengths) or [0]
    p50, p95 = (ordered[max(0, -(-percent * len(ordered) // 100) - 1)] for percent in (50, 95))
    return Words(p50=p50, p95=p95, max=ordered[-1])


def text_key(example: Example) -> bytes:
    """Equal for examples that a model cannot tell apart: same text, second text, and places of head and tail."""
    spans = [(span.start, span.end) for span in (example.head, example.tail) if span is not None]
    return hashlib.sha256(json.dumps([example.text, example.text_b, spans]).encode()).digest()
