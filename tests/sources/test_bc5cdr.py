"""BC5CDR's tagged sentences: abstracts are told apart in the known release only."""

from __future__ import annotations

from itertools import groupby
from pathlib import Path

import pytest

from clinpeft.sources.base import RawFiles
from clinpeft.sources.bc5cdr import FILES, Split, read_sentences
from clinpeft.sources.bc5cdr_pubtator import read_abstracts

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"


def test_sentences_of_another_file_have_no_abstract(tmp_path: Path) -> None:
    (tmp_path / FILES["train"]).write_text("Aspirin\tB-Chemical\nhelps\tO\n\nPain\tB-Disease\n")
    sentences = read_sentences(RawFiles(tmp_path), "train")
    assert [(sentence.document, sentence.tokens, sentence.tags) for sentence in sentences] == [
        (None, ("Aspirin", "helps"), ("B-Chemical", "O")),
        (None, ("Pain",), ("B-Disease",)),
    ]


@pytest.mark.skipif(not DATA.is_dir(), reason="the open corpora are not beside this checkout")
@pytest.mark.parametrize("split", list(FILES))
def test_every_abstract_of_the_release_is_one_abstract_of_the_pubtator_release(split: Split) -> None:
    sentences = read_sentences(RawFiles(DATA / "bc5cdr_ner"), split)
    ours = [
        "".join(word for sentence in group for word in sentence.tokens)
        for _, group in groupby(sentences, lambda sentence: sentence.document)
    ]
    originals = ["".join(abstract.text.split()) for abstract in read_abstracts(RawFiles(DATA / "bc5cdr_cid_re"), split)]
    assert len(ours) == 500
    assert sorted(ours) == sorted(originals)
