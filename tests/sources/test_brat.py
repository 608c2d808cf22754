from __future__ import annotations

from pathlib import Path

import pytest

from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.sources.brat import BratDocument, BratEntity, BratRelation, read_brat

TEXT = "Zqx took 🙂 aspirin\nfor back and leg pain."
#       012345678901234567 8


def read(folder: Path, **files: str) -> list[BratDocument]:
    for name, content in files.items():
        path = folder / name.replace("__", "/").replace("_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    return list(read_brat(RawFiles(folder), folder))


def test_entities_relations_and_attributes_are_read_with_character_offsets(tmp_path: Path) -> None:
    annotations = (
        "T1\tDrug 11 18\taspirin\n"
        "T2\tReason 32 41\tleg pain.\n"
        "R1\tReason-Drug Arg1:T2 Arg2:T1\t\n"
        "A1\tNegated T2\n#1\tAnnotatorNotes T1\tZqx\n*\tEquiv T1 T2\n"
    )
    (document,) = read(tmp_path, a_txt=TEXT, a_ann=annotations)

    assert document.entities == (
        BratEntity("T1", 11, 18, "Drug", False, 1),
        BratEntity("T2", 32, 41, "Reason", False, 2),
    )
    assert document.relations == (BratRelation("R1", "T2", "T1", "Reason-Drug", 3),)
    assert document.text[11:18] == "aspirin"


def test_a_discontinuous_entity_runs_from_its_first_start_to_its_last_end(tmp_path: Path) -> None:
    (document,) = read(tmp_path, a_txt=TEXT, a_ann="T1\tReason 23 27;36 40\tback pain\n")

    assert document.entities == (BratEntity("T1", 23, 40, "Reason", True, 1),)


def test_an_entity_across_a_line_break_is_kept(tmp_path: Path) -> None:
    (document,) = read(tmp_path, a_txt=TEXT, a_ann="T1\tDrug 11 22\taspirin for\n")

    assert (document.entities[0].start, document.entities[0].end) == (11, 22)


def test_a_text_without_annotations_is_a_document_and_says_so(tmp_path: Path) -> None:
    documents = read(tmp_path, a_txt="No findings.", b_txt="None.", b_ann="")

    assert [(one.id, one.entities, one.has_annotations) for one in documents] == [("a", (), False), ("b", (), True)]


def test_documents_are_named_by_their_path_and_hidden_files_left_alone(tmp_path: Path) -> None:
    (tmp_path / ".a.txt").write_text("hidden")

    assert [one.id for one in read(tmp_path, two__x_txt="b", one__x_txt="a")] == ["one/x", "two/x"]


def test_carriage_returns_count_as_characters(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"No\r\nfever")
    (document,) = read(tmp_path, a_ann="T1\tx 4 9\tfever\n")

    assert document.text[4:9] == "fever"


@pytest.mark.parametrize(
    ("annotations", "rule"),
    [
        ("T1\tDrug 11 18\tZqx aspirin\n", "line 1: its text differs from the .txt file at its offsets"),
        ("T1\tDrug 14 21\taspirin\n", "offsets count characters, not bytes"),
        ("T1\tDrug 18 11\taspirin\n", "line 1: an offset pair starts at or after its end"),
        ("T1\tDrug 11 11\t\n", "line 1: an offset pair starts at or after its end"),
        ("T1\tDrug 11 18;12 14\taspirin\n", "before the pair in front of it"),
        ("T1\tDrug 11 99\taspirin\n", "line 1: ends at 99, beyond the text of 41 characters"),
        ("T1 Drug 11 18 aspirin\n", "line 1: is no entity line"),
        ("T1\tDrug 11.0 18\taspirin\n", "line 1: is no entity line"),
        ("T1\tDrug -1 18\taspirin\n", "line 1: is no entity line"),
        ("T1\tDrug 11 18\taspirin\nT1\tDrug 11 18\taspirin\n", "line 2: repeats an id"),
        ("T1\tDrug 11 18\taspirin\n\nR1\tx Arg1:T1 Arg2:T9\n", "line 3: points to an id that is not there"),
        ("A1\tNegated T3\n", "line 1: points to an id that is not there"),
        ("R1\tx T1 T2\n", "line 1: is no relation line"),
        ("A1\tNegated\n", "line 1: is no attribute line"),
        ("Zqx\n", "line 1: begins with no known mark"),
    ],
)
def test_a_broken_annotation_is_refused_by_line_without_its_text(tmp_path: Path, annotations: str, rule: str) -> None:
    with pytest.raises(BadInput) as caught:
        read(tmp_path, a_txt=TEXT, a_ann=annotations)

    assert str(caught.value).startswith("a.ann: line ")
    assert rule in str(caught.value)
    assert "Zqx" not in str(caught.value) and "aspirin" not in str(caught.value)


def test_annotations_without_a_text_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"b\.ann: has no \.txt file beside it"):
        read(tmp_path, a_txt="x", b_ann="")


def test_names_that_differ_by_case_only_are_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="same name but for case"):
        read(tmp_path, a_txt="x", A_txt="y")


def test_a_folder_without_texts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no \.txt files"):
        read(tmp_path)
