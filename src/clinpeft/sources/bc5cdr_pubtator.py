"""BC5CDR in PubTator format: abstracts with chemical and disease mentions, MeSH ids, and the pairs that are related."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar, Literal

from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles, Source
from clinpeft.sources.pubtator import PubTatorDocument, read_pubtator

Split = Literal["train", "validation", "test"]
FILES: dict[Split, str] = {
    "train": "CDR_TrainingSet.PubTator.txt",
    "validation": "CDR_DevelopmentSet.PubTator.txt",
    "test": "CDR_TestSet.PubTator.txt",
}
TYPES = ("Chemical", "Disease")
RELATION = "CID"
"""Chemical-induced disease; the head is the chemical."""


class Bc5CdrPubtator(Source):
    """The three `CDR_*Set.PubTator.txt` files, gzipped or not."""

    title: ClassVar[str] = "BC5CDR (BioCreative V): chemical-disease relations in PubTator format"
    release: ClassVar[str | None] = "as in bran 32378da (2019-01-25)"
    folders: ClassVar[tuple[str, ...]] = ("bc5cdr_cid_re", "CDR.Corpus.v010516", "cdr")

    def is_here(self, folder: Path) -> bool:
        """Whether all three files are there."""
        return all(_file(folder, name).is_file() for name in FILES.values())


def read_abstracts(raw: RawFiles, split: Split) -> Iterator[PubTatorDocument]:
    """The abstracts of one split in file order.

    Raises BadInput with the line for a mention or relation of a type that the corpus does not have, and as
    `read_pubtator` does.
    """
    path = _file(raw.root, FILES[split])
    for document in read_pubtator(raw, path):
        labels = [(mention.line, mention.label in TYPES) for mention in document.mentions]
        labels += [(relation.line, relation.label == RELATION) for relation in document.relations]
        for line, is_known in labels:
            if not is_known:
                raise BadInput(f"{path.name}: line {line}", "is neither a Chemical, a Disease nor a CID relation")
        yield document


def _file(folder: Path, name: str) -> Path:
    packed = folder / f"{name}.gz"
    return packed if packed.is_file() else folder / name
