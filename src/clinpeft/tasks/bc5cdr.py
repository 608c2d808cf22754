"""bc5cdr: the chemicals and diseases that a sentence of an abstract names."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import ClassVar

from clinpeft.sources.base import RawFiles
from clinpeft.sources.bc5cdr import FILES, read_sentences
from clinpeft.spec import Kind
from clinpeft.tasks._words import joined
from clinpeft.tasks.base import BuildLog, Example, Task

ABSTRACTS = 1500
MENTIONS = {"Chemical": 15935, "Disease": 12850}


class Bc5Cdr(Task):
    """A sentence's words, each tagged as beginning, going on with, or outside a chemical or disease mention."""

    kind: ClassVar[Kind] = "entities"
    source: ClassVar[str] = "bc5cdr"
    metric: ClassVar[str] = "entity-f1"
    labels: ClassVar[tuple[str, ...] | None] = tuple(MENTIONS)
    title: ClassVar[str] = "Chemical and disease mentions in sentences of PubMed abstracts"
    citation: ClassVar[str] = (
        "Jiao Li, Yueping Sun, Robin J. Johnson, Daniela Sciaky, Chih-Hsuan Wei, Robert Leaman, Allan Peter Davis, "
        "Carolyn J. Mattingly, Thomas C. Wiegers, Zhiyong Lu. BioCreative V CDR task corpus: a resource for chemical "
        "disease relation extraction. Database 2016, baw068. Files: Gamal Crichton, Sampo Pyysalo, Billy Chiu, Anna "
        "Korhonen. A neural network multi-task learning approach to biomedical named entity recognition. BMC "
        "Bioinformatics 18, 2017, 368."
    )
    download: ClassVar[str] = "https://github.com/cambridgeltl/MTL-Bioinformatics-2016 (folder data/BC5CDR-IOB)"
    licence: ClassVar[str] = "files: CC BY 4.0; corpus: public domain mark in BigBio"
    is_not: ClassVar[str] = (
        "Not hospital text: titles and abstracts of PubMed, many of them on side effects of drugs. Words are as the "
        "CoNLL conversion cut them (words with hyphens in pieces), joined by one blank, so offsets are not those of "
        "the abstracts. Concept ids are left out; the chemical-disease relations are the task bc5cdr-cid. The "
        "conversion has two disease mentions more in validation than the original (12,852 in all, not 12,850)."
    )
    split_by: ClassVar[str] = "document"

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """The sentences of the official splits in file order; `subject` is the abstract.

        In files that are not the known release each sentence counts as an abstract, and the log says so.
        """
        documents: set[str] = set()
        mentions: Counter[str] = Counter()
        for split, name in FILES.items():
            sentences = read_sentences(raw, split)
            if any(sentence.document is None for sentence in sentences):
                log.anomaly(name, None, "abstracts-unknown")
            for number, sentence in enumerate(sentences, start=1):
                key = f"{split}-{number}"
                document = key if sentence.document is None else f"{split}-abstract-{sentence.document}"
                documents.add(document)
                mentions.update(tag[2:] for tag in sentence.tags if tag.startswith("B-"))
                text, starts, ends = joined(sentence.tokens)
                yield Example(
                    key,
                    document,
                    document,
                    text,
                    split=split,
                    tokens=sentence.tokens,
                    starts=starts,
                    ends=ends,
                    tags=sentence.tags,
                )
        log.expect("abstracts", ABSTRACTS, len(documents), "V")
        for label, published in MENTIONS.items():
            log.expect(f"{label} mentions", published, mentions[label], "A")
