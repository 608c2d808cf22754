"""NCBI disease corpus: sentences get the PubMed id of the abstract that they are laid along."""

from __future__ import annotations

from pathlib import Path

import pytest

from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.sources.ncbi_disease import FILES, read_abstracts, read_sentences

TAGGED, ORIGINAL = FILES["test"]
ABSTRACTS = """
7|t|A gout case.
7|a|It was gout. He has APC-gout.
7\t2\t6\tgout\tSpecificDisease\tD006073

9|t|No disease.
9|a|All were well.
"""


def raw_with(folder: Path, *sentences: str, abstracts: str = ABSTRACTS) -> RawFiles:
    (folder / ORIGINAL).write_text(abstracts)
    blocks = ["".join(f"{word}\tO\n" for word in sentence.split()) for sentence in sentences]
    (folder / TAGGED).write_text("\n".join(blocks))
    return RawFiles(folder)


def test_sentences_get_the_id_of_their_abstract_in_whatever_order_the_abstracts_stand(tmp_path: Path) -> None:
    raw = raw_with(tmp_path, "No disease .", "All were well .", "A gout case .", "It was gout .", "He has APC - gout .")
    assert [sentence.document for sentence in read_sentences(raw, "test")] == ["9", "9", "7", "7", "7"]


def test_an_abstract_that_stands_twice_is_used_twice(tmp_path: Path) -> None:
    raw = raw_with(tmp_path, "A b .", "C .", "A b .", "C .", abstracts="5|t|A b.\n5|a|C.\n\n5|t|A b.\n5|a|C.\n")
    assert [sentence.document for sentence in read_sentences(raw, "test")] == ["5", "5", "5", "5"]


def test_a_sentence_that_is_in_no_abstract_is_refused_by_its_first_line(tmp_path: Path) -> None:
    raw = raw_with(tmp_path, "No disease .", "All were secret .")
    with pytest.raises(BadInput, match=r"test\.tsv: line 5: its sentence neither goes on nor begins") as caught:
        list(read_sentences(raw, "test"))
    assert "secret" not in str(caught.value)


def test_a_first_sentence_that_begins_no_abstract_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"test\.tsv: line 1"):
        list(read_sentences(raw_with(tmp_path, "Something else ."), "test"))


def test_an_abstract_without_its_title_is_refused_by_line(tmp_path: Path) -> None:
    raw = raw_with(tmp_path, "A", abstracts="5|t|A b.\n5|a|C.\n\n6|a|secret\n")
    with pytest.raises(BadInput, match=r"NCBItestset_corpus\.txt: line 4: is an abstract without its title") as caught:
        read_abstracts(raw, raw.root / ORIGINAL)
    assert "secret" not in str(caught.value)


def test_a_line_without_a_tag_is_refused_by_its_number(tmp_path: Path) -> None:
    raw = raw_with(tmp_path)
    (tmp_path / TAGGED).write_text("No\tO\nsecret\n")
    with pytest.raises(BadInput, match=r"test\.tsv: line 2") as caught:
        list(read_sentences(raw, "test"))
    assert "secret" not in str(caught.value)
