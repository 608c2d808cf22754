from __future__ import annotations

from pathlib import Path

import pytest

from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.sources.conll import Sentence, read_conll

CORPUS = Path(__file__).resolve().parents[2].parent / "shared" / "data" / "ncbi_disease"


def read(folder: Path, text: str) -> list[Sentence]:
    (folder / "t.conll").write_bytes(text.encode())
    return list(read_conll(RawFiles(folder), folder / "t.conll"))


def tags(folder: Path, *column: str) -> tuple[str, ...]:
    return read(folder, "".join(f"w\t{tag}\n" for tag in column))[0].tags


def test_a_blank_line_ends_a_sentence_and_the_last_column_is_the_tag(tmp_path: Path) -> None:
    assert read(tmp_path, "No DT O\nfever NN B-problem\n\n\nWell JJ O\r\n") == [
        Sentence(None, 1, ("No", "fever"), ("O", "B-problem")),
        Sentence(None, 5, ("Well",), ("O",)),
    ]


def test_documents_begin_at_docstart_and_at_id_comments(tmp_path: Path) -> None:
    text = "-DOCSTART- -X- O O\n\na\tO\n\n-DOCSTART- (note 7)\n\nb\tO\n\n# doc_id = n9\nc\tO\n# text = c and d\nd\tO\n"

    assert [(one.document, one.tokens) for one in read(tmp_path, text)] == [
        ("#1", ("a",)),
        ("note 7", ("b",)),
        ("n9", ("c", "d")),
    ]


def test_a_hash_sign_may_be_a_word(tmp_path: Path) -> None:
    assert read(tmp_path, "#\tO\n# 4\tO\n")[0].tokens == ("#", "# 4")


def test_iob1_becomes_iob2(tmp_path: Path) -> None:
    assert tags(tmp_path, "I-x", "I-x", "B-x", "I-y", "O", "I-y") == ("B-x", "I-x", "B-x", "B-y", "O", "B-y")


def test_bioes_and_bilou_become_iob2(tmp_path: Path) -> None:
    expected = ("B-x", "I-x", "I-x", "B-y", "O", "B-x", "I-x")

    assert tags(tmp_path, "B-x", "I-x", "E-x", "S-y", "O", "B-x", "E-x") == expected
    assert tags(tmp_path, "B-x", "I-x", "L-x", "U-y", "O", "B-x", "L-x") == expected


def test_iob2_stays_as_it_is(tmp_path: Path) -> None:
    assert tags(tmp_path, "B-x", "B-x", "I-x", "O") == ("B-x", "B-x", "I-x", "O")


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("Zqx O\nZqx\n", "line 2: has one column"),
        ("Zqx O\nZqx NN O\n", "line 2: has 3 columns where the first line has 2"),
        ("Zqx\tO\n\tO\n", "line 2: has an empty word"),
        ("Zqx Zqx\n", "line 1: its last column is no tag"),
        ("Zqx B-\n", "line 1: its last column is no tag"),
        ("Zqx B-x\nZqx O\n\nZqx I-x\n", "line 4: its tag goes on an entity that is not open (IOB2)"),
        ("Zqx B-x\nZqx I-y\n", "line 2: its tag goes on an entity that is not open (IOB2)"),
        ("Zqx B-x\nZqx O\nZqx S-x\n", "line 2: an entity before it is not closed"),
        ("Zqx S-x\nZqx B-x\n", "line 2: an entity before it is not closed"),
        ("Zqx E-x\n", "line 1: its tag goes on an entity that is not open (BIOES)"),
        ("Zqx O\nZqx\0 O\n", "line 2: holds a NUL character"),
        ("", "is empty"),
    ],
)
def test_a_broken_line_is_refused_by_number_without_its_text(tmp_path: Path, text: str, rule: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(tmp_path, text)

    assert rule in str(caught.value)
    assert "Zqx" not in str(caught.value)


@pytest.mark.skipif(not CORPUS.exists(), reason="the NCBI disease corpus is not here")
def test_the_ncbi_disease_corpus_has_its_published_mentions() -> None:
    counts = {}
    for name in ("train", "devel", "test"):
        sentences = list(read_conll(RawFiles(CORPUS), CORPUS / f"{name}.tsv"))
        counts[name] = sum(tag == "B-Disease" for sentence in sentences for tag in sentence.tags)

    assert counts == {"train": 5145, "devel": 787, "test": 960}
