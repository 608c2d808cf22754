"""NCBI disease corpus: sentences with tagged diseases, and the abstracts that they come from."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Literal

from clinpeft.errors import BadInput
from clinpeft.sources._strict_text import strict_lines
from clinpeft.sources.base import RawFiles, Source
from clinpeft.sources.conll import Sentence, read_conll

Split = Literal["train", "validation", "test"]
FILES: dict[Split, tuple[str, str]] = {
    "train": ("train.tsv", "NCBItrainset_corpus.txt"),
    "validation": ("devel.tsv", "NCBIdevelopset_corpus.txt"),
    "test": ("test.tsv", "NCBItestset_corpus.txt"),
}
"""Tagged sentences, and the original with the abstracts."""

_TEXT = re.compile(r"([^|\t]+)\|([ta])\|(.*)")


class NcbiDisease(Source):
    """The files of `conll` and of `original-data` of spyysalo/ncbi-disease in one folder."""

    title: ClassVar[str] = "NCBI disease corpus: disease mentions in PubMed abstracts"
    release: ClassVar[str | None] = "spyysalo/ncbi-disease 5a266c6 (2017-05-10)"
    folders: ClassVar[tuple[str, ...]] = ("ncbi_disease", "ncbi-disease")

    def is_here(self, folder: Path) -> bool:
        """Whether all six files are there."""
        return all((folder / name).is_file() for names in FILES.values() for name in names)


def read_sentences(raw: RawFiles, split: Split) -> Iterator[Sentence]:
    """The sentences of one split in file order, `document` being the PubMed id of the abstract.

    The tagged file marks no abstract: its sentences, blanks left out, are laid along the original's abstracts. Raises
    BadInput with the line of the first sentence that goes on no abstract.
    """
    tagged, original = FILES[split]
    waiting = read_abstracts(raw, raw.root / original)
    rest, pmid = "", ""
    for sentence in read_conll(raw, raw.root / tagged):
        letters = "".join(sentence.tokens)
        if not rest:
            found = next((place for place, (_, text) in enumerate(waiting) if text.startswith(letters)), None)
            pmid, rest = ("", "") if found is None else waiting.pop(found)
        if not rest.startswith(letters):
            rule = f"its sentence neither goes on nor begins an abstract of {original}"
            raise BadInput(f"{tagged}: line {sentence.line}", rule, "take both files from one release")
        rest = rest.removeprefix(letters)
        yield replace(sentence, document=pmid)


def read_abstracts(raw: RawFiles, path: Path) -> list[tuple[str, str]]:
    """(PubMed id, title and abstract without any blank) of each abstract of an original file, in file order.

    An id may stand twice (8528200 does, in train). Raises BadInput for an abstract without a title above it.
    """
    abstracts: list[tuple[str, str]] = []
    for number, line in strict_lines(raw, path):
        if (found := _TEXT.fullmatch(line)) is None:
            continue
        pmid, part, text = found.groups()
        letters = "".join(text.split())
        if part == "t":
            abstracts.append((pmid, letters))
        elif abstracts and abstracts[-1][0] == pmid:
            abstracts[-1] = (pmid, abstracts[-1][1] + letters)
        else:
            raise BadInput(f"{path.name}: line {number}", "is an abstract without its title above", "download it again")
    return abstracts
