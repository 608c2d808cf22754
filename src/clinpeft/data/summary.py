"""A card in a few lines, for the terminal after a build."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from clinpeft.data.card import LISTED_ONLY, SPLITS, Card

MOST_LABELS = 10
MOST_STEPS = 6
TOLD_BY = {
    "id": "the examples' ids",
    "length": "their length",
    "order": "their place in the source",
    "date": "their date",
}
COUNTED_ONLY = "counted-only: "
"""Starts the filter steps that drop nothing."""


def summary_lines(card: Card) -> Iterator[str]:
    """Sizes of the splits, the filter steps that dropped most, classes, copies, published counts and anomalies."""
    for split in SPLITS:
        counts, words = card.counts[split], card.words[split]
        lengths = f"; words: half up to {words.p50:,}, 95 % up to {words.p95:,}" if counts.examples else ""
        yield f"{split}: {counts.examples:,} examples of {counts.subjects:,} subjects{lengths}"
    yield from _steps(card)
    yield from _labels(card)
    copies = card.duplicates
    near = "near copies not looked for" if copies.near is None else f"{copies.near:,} near copies"
    yield f"across splits: {copies.exact:,} copies, {near}; {copies.dropped:,} left train"
    if card.expected:
        num = Counter(item.verdict for item in card.expected)
        yield f"published counts: {num['equal']} equal, {num['explained']} explained, {num['differs']} not explained"
    if anomalies := card.num_anomalies():
        kinds = ", ".join(f"{number:,} {code}" for code, number in sorted(anomalies.items(), key=_most_first))
        yield f"anomalies, listed in card.json: {kinds}"


def warning_lines(card: Card) -> Iterator[str]:
    """What a user should know before training on it."""
    if card.has_hindsight():
        yield "the texts were written when the outcome was known, and tell it; for comparison only"
    if card.scores_pieces():
        yield "entities are counted over word pieces: scores depend on the tokenizer, and compare with one study only"
    if shared := card.split.shared_subjects:
        yield f"{shared:,} subjects stand in more than one split; scores will be too good"
    if copies := card.duplicates.exact + (card.duplicates.near or 0) - card.duplicates.dropped:
        yield (
            f"{copies:,} texts have a copy or a near copy in a later split and stay: only train loses such texts, and "
            "none of a published split"
        )
    yield from suspicions(card)
    if unexplained := sum(item.verdict == "differs" for item in card.expected):
        yield (
            f"{unexplained:,} of {len(card.expected):,} counts are not the published ones (as in a part of the "
            "release, or an invented one); `expected` in card.json sets them side by side"
        )


def suspicions(card: Card) -> Iterator[str]:
    """Signs that the label can be told without answering the question, a sentence each; no text is quoted."""
    if card.probes is None:
        return
    if told := [probe for probe in card.probes.told_by if probe.is_flagged]:
        how = " and ".join(f"{TOLD_BY[one.of]} (AUROC {one.auroc:.2f} [{one.low:.2f}, {one.high:.2f}])" for one in told)
        yield (
            f"the label can be told from {how} without reading a word; the classes may have been gathered apart, and a "
            "model may learn that instead of the question"
        )
    for named in card.probes.named:
        yield (
            f"{named.share:.0%} of the texts of '{named.label}' hold these very words, and {named.elsewhere:.0%} of "
            "the others; the answer may stand in the text"
        )


def _steps(card: Card) -> Iterator[str]:
    """Those that dropped most, in the order in which they were taken."""
    apart = (COUNTED_ONLY, LISTED_ONLY)
    steps = [step for step in card.filters if step.dropped and not step.step.startswith(apart)]
    shown = sorted(steps, key=lambda step: -step.dropped)[:MOST_STEPS]
    width = max((len(step.step) for step in shown), default=0)
    for step in steps:
        if step in shown:
            yield f"  {step.step:<{width}}  kept {step.kept:>11,}  dropped {step.dropped:>11,}"
    if hidden := len(steps) - len(shown):
        yield f"  {hidden} more steps dropped fewer"


def _labels(card: Card) -> Iterator[str]:
    if len(card.labels) > MOST_LABELS:
        yield f"labels: {len(card.labels):,}"
        return
    counts = (
        f"{label} {'/'.join(f'{card.counts[split].labels.get(label, 0):,}' for split in SPLITS)}"
        for label in card.labels
    )
    yield f"labels (train/validation/test): {', '.join(counts)}"


def _most_first(item: tuple[str, int]) -> tuple[int, str]:
    return -item[1], item[0]
