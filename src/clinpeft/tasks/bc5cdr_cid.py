"""bc5cdr-cid: does the abstract say that this chemical induces this disease?"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from typing import Annotated, ClassVar

from pydantic import Field

from clinpeft.sources._sentences import sentences_in
from clinpeft.sources.base import RawFiles
from clinpeft.sources.bc5cdr_pubtator import FILES, RELATION, TYPES, Split, read_abstracts
from clinpeft.sources.pubtator import Mention, PubTatorDocument
from clinpeft.spec import Kind
from clinpeft.tasks.base import BuildLog, Example, Span, Task

ABSTRACTS = 500
"""In each split."""
RELATIONS = {"train": 1038, "validation": 1012, "test": 1066}


@dataclass(frozen=True, slots=True)
class Window:
    """Consecutive sentences (start and end in the abstract) and the mention of each side that is looked at."""

    start: int
    end: int
    chemical: Mention
    disease: Mention


class Bc5CdrCid(Task):
    """A chemical and a disease of an abstract, in the fewest sentences that hold both: `CID` or `none`."""

    kind: ClassVar[Kind] = "relations"
    source: ClassVar[str] = "bc5cdr-pubtator"
    metric: ClassVar[str] = "relation-f1"
    labels: ClassVar[tuple[str, ...] | None] = (RELATION, "none")
    title: ClassVar[str] = "Whether an abstract reports that a chemical induces a disease, for each pair it names"
    citation: ClassVar[str] = (
        "Jiao Li, Yueping Sun, Robin J. Johnson, Daniela Sciaky, Chih-Hsuan Wei, Robert Leaman, Allan Peter Davis, "
        "Carolyn J. Mattingly, Thomas C. Wiegers, Zhiyong Lu. BioCreative V CDR task corpus: a resource for chemical "
        "disease relation extraction. Database 2016, baw068."
    )
    download: ClassVar[str] = (
        "https://github.com/JHnlp/BioCreative-V-CDR-Corpus (CDR_{Training,Development,Test}Set.PubTator.txt); gzipped "
        "in data/cdr of https://github.com/patverga/bran"
    )
    licence: ClassVar[str] = "public domain (US government work; public domain mark in BigBio)"
    is_not: ClassVar[str] = (
        "Not hospital text: titles and abstracts of PubMed. Not the BioCreative V task either: mentions are given, "
        "each pair of concepts is judged from one window of up to three sentences around its two closest mentions, "
        "and related pairs that never come so close are left out (the filters count them), so recall is of the pairs "
        "in reach and scores do not compare with those of whole abstracts. The label is of the whole abstract: a "
        "window of a related pair need not state it. Pairs with a disease that is only a broader term of a related "
        "one count as `none`; many published systems filter these hypernyms first. A mention without MeSH id takes no "
        "part."
    )
    split_by: ClassVar[str] = "document"

    max_sentences: Annotated[int, Field(ge=1)] = 3
    """Longest window, in sentences."""

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """One example for each pair of concepts in reach: abstracts in file order, pairs in the order they are met."""
        for split in FILES:
            abstracts = list(read_abstracts(raw, split))
            log.expect(f"abstracts in {split}", ABSTRACTS, len(abstracts), "V")
            log.expect(f"related pairs in {split}", RELATIONS[split], sum(len(a.relations) for a in abstracts), "A")
            kept, dropped = dict.fromkeys((RELATION, "none"), 0), dict.fromkeys((RELATION, "none"), 0)
            for abstract in abstracts:
                related = {(relation.head, relation.tail) for relation in abstract.relations}
                for pair, window in closest_windows(abstract, self.max_sentences).items():
                    label = RELATION if pair in related else "none"
                    if window is None:
                        dropped[label] += 1
                    else:
                        kept[label] += 1
                        yield _example(split, abstract, pair, window, label)
            for label, count in kept.items():
                log.filtered(f"{split}-{label}-within-{self.max_sentences}-sentences", count, dropped[label])


def closest_windows(abstract: PubTatorDocument, max_sentences: int) -> dict[tuple[str, str], Window | None]:
    """For each (chemical id, disease id) that the abstract mentions: the fewest consecutive sentences that hold a
    mention of both, of equally few those with the closest mentions, of equally close the first; None if too many."""
    bounds = sentences_in(abstract.text, [(mention.start, mention.end) for mention in abstract.mentions])
    starts = [start for start, _ in bounds]
    best: dict[tuple[str, str], tuple[tuple[int, int], Window]] = {}
    sides = [[mention for mention in abstract.mentions if mention.label == side] for side in TYPES]
    for chemical, disease in product(*sides):
        first, last = sorted((chemical, disease), key=lambda mention: mention.start)
        begin, finish = (bisect_right(starts, mention.start) - 1 for mention in (first, last))
        rank = (finish - begin + 1, last.start - first.end)
        window = Window(bounds[begin][0], bounds[finish][1], chemical, disease)
        for pair in product(chemical.concepts, disease.concepts):
            if pair not in best or rank < best[pair][0]:
                best[pair] = (rank, window)
    return {pair: window if rank[0] <= max_sentences else None for pair, (rank, window) in best.items()}


def _example(split: Split, abstract: PubTatorDocument, pair: tuple[str, str], window: Window, label: str) -> Example:
    head, tail = (
        Span(mention.start - window.start, mention.end - window.start, mention.label)
        for mention in (window.chemical, window.disease)
    )
    return Example(
        f"{abstract.id}-{pair[0]}-{pair[1]}",
        abstract.id,
        abstract.id,
        abstract.text[window.start : window.end],
        split=split,
        label=label,
        head=head,
        tail=tail,
    )
