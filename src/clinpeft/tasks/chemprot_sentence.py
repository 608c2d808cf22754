"""chemprot-sentence: how a chemical and a protein that one sentence names are related."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import ClassVar

from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.sources.chemprot import FILES, Pair, Split, read_pairs
from clinpeft.spec import Kind
from clinpeft.tasks.base import BuildLog, Example, Span, Task

RELATIONS = (
    "ACTIVATOR",
    "AGONIST",
    "AGONIST-ACTIVATOR",
    "AGONIST-INHIBITOR",
    "ANTAGONIST",
    "DOWNREGULATOR",
    "INDIRECT-DOWNREGULATOR",
    "INDIRECT-UPREGULATOR",
    "INHIBITOR",
    "PRODUCT-OF",
    "SUBSTRATE",
    "SUBSTRATE_PRODUCT-OF",
    "UPREGULATOR",
)
PUBLISHED = {"train": 4169, "validation": 2427, "test": 3469}


class ChemProtSentence(Task):
    """Two marked entities of a sentence, one of 13 relation labels; every pair is related."""

    kind: ClassVar[Kind] = "relations"
    source: ClassVar[str] = "chemprot"
    metric: ClassVar[str] = "relation-f1"
    labels: ClassVar[tuple[str, ...] | None] = RELATIONS
    title: ClassVar[str] = "The relation (of 13) between a chemical and a protein marked in a sentence of an abstract"
    citation: ClassVar[str] = (
        "Martin Krallinger et al. Overview of the BioCreative VI chemical-protein interaction Track. Proceedings of "
        "the BioCreative VI Workshop 2017, 141-146. Files: Iz Beltagy, Kyle Lo, Arman Cohan. SciBERT: A Pretrained "
        "Language Model for Scientific Text. EMNLP-IJCNLP 2019, 3615-3620."
    )
    download: ClassVar[str] = "https://github.com/allenai/scibert (folder data/text_classification/chemprot)"
    licence: ClassVar[str] = "files: Apache-2.0; corpus: public domain mark in BigBio"
    is_not: ClassVar[str] = (
        "Not hospital text: sentences of PubMed abstracts. Not the BioCreative VI task either: that one scores five "
        "groups of relations against all unrelated pairs, while here every pair is related, so micro F1 equals "
        "accuracy and says nothing about finding related pairs. The files mark the entities in the order of the text "
        "and do not say which is the chemical, hence the types Entity1 and Entity2. A pair with two relations stands "
        "twice, with the same text and another label, and one of the two is always missed. The files name no "
        "abstract: each sentence counts as one subject, and intervals are narrower than they would be by abstract. "
        "Training sentences that validation or test also hold are left out."
    )
    split_by: ClassVar[str] = "document"

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """The pairs of the official splits in file order."""
        pairs = {split: list(read_pairs(raw, split)) for split in FILES}
        for split, found in pairs.items():
            log.expect(f"pairs in {split}", PUBLISHED[split], len(found), "V")
        held_out = {pair.text for split in ("validation", "test") for pair in pairs[split]}
        kept = [pair for pair in pairs["train"] if pair.text not in held_out]
        log.filtered("train-sentence-not-in-validation-or-test", len(kept), len(pairs["train"]) - len(kept))
        for split, found in {**pairs, "train": kept}.items():
            for pair in found:
                yield _example(split, pair)


def _example(split: Split, pair: Pair) -> Example:
    if pair.label not in RELATIONS:
        raise BadInput(f"{FILES[split]}: line {pair.line}", "key 'label' holds none of the 13 published relations")
    sentence = hashlib.sha1(pair.text.encode(), usedforsecurity=False).hexdigest()
    return Example(
        f"{split}-{pair.line}",
        sentence,
        sentence,
        pair.text,
        split=split,
        label=pair.label,
        head=Span(*pair.head, "Entity1"),
        tail=Span(*pair.tail, "Entity2"),
    )
