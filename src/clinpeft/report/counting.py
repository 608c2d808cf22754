"""How the examples of a dataset were counted, as readers see it: filter steps, counts beside, published counts."""

from __future__ import annotations

from collections.abc import Iterator

from clinpeft.data.card import Card, Expected
from clinpeft.data.summary import COUNTED_ONLY
from clinpeft.metrics.outcomes import SMALLEST_CELL
from clinpeft.report.wording import suppressed


def dropped(card: Card) -> list[str]:
    """`with-text: 1,124 kept, 1 dropped.`, a sentence for each filter step that dropped something."""
    return [
        f"{step.step}: {step.kept:,} kept, {step.dropped:,} dropped."
        for step in card.filters
        if step.dropped and not step.step.startswith(COUNTED_ONLY)
    ]


def counted(card: Card) -> Iterator[str]:
    """All steps in order; of those that only count, `survived, mentions 'hospice': <11 of 323.`: fewer than 11 with or
    without something are hidden, since few patients can be recognised."""
    for step in card.filters:
        if not step.step.startswith(COUNTED_ONLY):
            yield f"{step.step}: {step.kept:,} kept, {step.dropped:,} dropped."
            continue
        few, rest = (0 < number < SMALLEST_CELL for number in (step.kept, step.dropped))
        number = f"<{SMALLEST_CELL}" if few else f"all but <{SMALLEST_CELL}" if rest else f"{step.kept:,}"
        yield f"{step.step.removeprefix(COUNTED_ONLY)}: {number} of {step.kept + step.dropped:,}."


def beside_published(card: Card) -> list[tuple[Expected, str]]:
    """The counts that differ from the published ones, each with ours for readers: small ones hidden, and a second one
    where only one would be, as a total beside them would tell it."""
    differing = [item for item in card.expected if item.verdict != "equal"]
    counts = {item.what: int(item.got) for item in differing if item.got.is_integer()}
    shown = suppressed(counts, sum(counts.values()))
    return [(item, shown.get(item.what, f"{item.got:,g}")) for item in differing]
