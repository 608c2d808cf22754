"""BC5CDR as tagged sentences: chemicals and diseases, a word and its tag a line."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

from clinpeft.sources.base import RawFiles, Source
from clinpeft.sources.conll import Sentence, read_conll
from clinpeft.strict_yaml import read_yaml

Split = Literal["train", "validation", "test"]
FILES: dict[Split, str] = {"train": "train.tsv", "validation": "devel.tsv", "test": "test.tsv"}


class Bc5Cdr(Source):
    """`train.tsv`, `devel.tsv`, `test.tsv` of the folder BC5CDR-IOB."""

    title: ClassVar[str] = "BC5CDR (BioCreative V): chemical and disease mentions in PubMed abstracts, tagged sentences"
    release: ClassVar[str | None] = "MTL-Bioinformatics-2016 df0df02 (2017-08-15)"
    folders: ClassVar[tuple[str, ...]] = ("bc5cdr_ner", "BC5CDR-IOB")

    def is_here(self, folder: Path) -> bool:
        """Whether all three files are there."""
        return all((folder / name).is_file() for name in FILES.values())


def read_sentences(raw: RawFiles, split: Split) -> list[Sentence]:
    """The sentences of one split in file order, `document` being the number of the abstract in the file, from 1.

    The files mark no abstract; the known release's are told apart by how many sentences each has. In a file with
    another number of sentences `document` stays None. Raises BadInput as `read_conll` does.
    """
    sentences = list(read_conll(raw, raw.root / FILES[split]))
    lengths: list[int] = read_yaml(Path(__file__).with_name("bc5cdr_abstracts.yaml"))[split]
    if len(sentences) != sum(lengths):
        return sentences
    numbers = [str(number) for number, length in enumerate(lengths, start=1) for _ in range(length)]
    return [replace(sentence, document=number) for sentence, number in zip(sentences, numbers, strict=True)]
