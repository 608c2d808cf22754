"""BC5CDR in PubTator format: gzipped or not, and of its own types only."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.sources.bc5cdr_pubtator import FILES, Bc5CdrPubtator, read_abstracts

ABSTRACT = """7|t|Cocaine and pain.
7|a|Pain and gout came with it.
7\t0\t7\tCocaine\tChemical\tD003042
7\t12\t16\tpain\tDisease\t-1
7\t18\t31\tPain and gout\tDisease\tD010146|D006073\tPain|gout
7\tCID\tD003042\tD006073
"""


def raw_with(folder: Path, text: str) -> RawFiles:
    (folder / FILES["train"]).write_text(text)
    return RawFiles(folder)


def test_mentions_know_none_one_or_several_concepts(tmp_path: Path) -> None:
    (abstract,) = read_abstracts(raw_with(tmp_path, ABSTRACT), "train")
    assert [mention.concepts for mention in abstract.mentions] == [("D003042",), (), ("D010146", "D006073")]
    assert [abstract.text[mention.start : mention.end] for mention in abstract.mentions] == [
        "Cocaine",
        "pain",
        "Pain and gout",
    ]
    assert [(relation.head, relation.tail) for relation in abstract.relations] == [("D003042", "D006073")]


def test_a_gzipped_file_reads_the_same(tmp_path: Path) -> None:
    plain = list(read_abstracts(raw_with(tmp_path, ABSTRACT), "train"))
    (tmp_path / FILES["train"]).unlink()
    (tmp_path / f"{FILES['train']}.gz").write_bytes(gzip.compress(ABSTRACT.encode()))
    assert list(read_abstracts(RawFiles(tmp_path), "train")) == plain


@pytest.mark.parametrize(
    ("good", "bad", "line"),
    [("Cocaine\tChemical", "Cocaine\tGene", 3), ("\tCID\t", "\tPPI\t", 6), ("\t7\tCocaine", "\t6\tCocaine", 3)],
)
def test_another_type_or_a_wrong_offset_is_refused_by_line(tmp_path: Path, good: str, bad: str, line: int) -> None:
    with pytest.raises(BadInput, match=f"line {line}") as caught:
        list(read_abstracts(raw_with(tmp_path, ABSTRACT.replace(good, bad)), "train"))
    assert "Cocaine" not in str(caught.value)


def test_the_source_needs_all_three_files(tmp_path: Path) -> None:
    for name in FILES.values():
        assert not Bc5CdrPubtator().is_here(tmp_path)
        (tmp_path / f"{name}.gz").touch()
    assert Bc5CdrPubtator().is_here(tmp_path)
