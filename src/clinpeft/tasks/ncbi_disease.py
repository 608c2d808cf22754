"""ncbi-disease: the diseases that a sentence of an abstract names."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from clinpeft.sources.base import RawFiles
from clinpeft.sources.ncbi_disease import FILES, read_abstracts, read_sentences
from clinpeft.spec import Kind
from clinpeft.tasks._words import joined
from clinpeft.tasks.base import BuildLog, Example, Task

ABSTRACTS = {"train": 593, "validation": 100, "test": 100}
MENTIONS = 6892


class NcbiDisease(Task):
    """A sentence's words, each tagged as beginning, going on with, or outside a disease mention."""

    kind: ClassVar[Kind] = "entities"
    source: ClassVar[str] = "ncbi-disease"
    metric: ClassVar[str] = "entity-f1"
    labels: ClassVar[tuple[str, ...] | None] = ("Disease",)
    title: ClassVar[str] = "Disease mentions in sentences of PubMed abstracts"
    citation: ClassVar[str] = (
        "Rezarta Islamaj Doğan, Robert Leaman, Zhiyong Lu. NCBI disease corpus: A resource for disease name "
        "recognition and concept normalization. Journal of Biomedical Informatics 47, 2014, 1-10."
    )
    download: ClassVar[str] = (
        "https://github.com/spyysalo/ncbi-disease (conll/*.tsv and the NCBI*set_corpus.txt of original-data, in one "
        "folder)"
    )
    licence: ClassVar[str] = "US government work, public domain"
    is_not: ClassVar[str] = (
        "Not hospital text: titles and abstracts of PubMed, mostly on genetics; a model trained here meets no "
        "abbreviations, negations or headings of notes. Words are as the CoNLL conversion cut them, joined by one "
        "blank, so offsets are not those of the abstracts. The four kinds of mention (specific, class, modifier, "
        "composite) are one type, and concept ids are left out. One training abstract stands twice in the release."
    )
    split_by: ClassVar[str] = "document"

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """The sentences of the official splits in file order; `subject` is the abstract's PubMed id."""
        mentions = 0
        for split, (_, original) in FILES.items():
            log.expect(f"abstracts in {split}", ABSTRACTS[split], len(read_abstracts(raw, raw.root / original)), "A")
            for number, sentence in enumerate(read_sentences(raw, split), start=1):
                pmid = sentence.document or ""
                text, starts, ends = joined(sentence.tokens)
                mentions += sum(tag.startswith("B-") for tag in sentence.tags)
                yield Example(
                    f"{split}-{number}",
                    pmid,
                    pmid,
                    text,
                    split=split,
                    tokens=sentence.tokens,
                    starts=starts,
                    ends=ends,
                    tags=sentence.tags,
                )
        log.expect("disease mentions", MENTIONS, mentions, "V")
