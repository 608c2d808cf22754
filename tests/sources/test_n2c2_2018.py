"""n2c2 2018 files: archives and folders read alike, annotations placed in the text, and every broken file named."""

import shutil
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.errors import BadInput
from clinpeft.sources._archives import RawText
from clinpeft.sources._n2c2_2018_annotations import ENTITY_TYPES, parse_annotations
from clinpeft.sources._zip_writing import write_zip
from clinpeft.sources.base import RawFiles
from clinpeft.sources.n2c2_2018 import TEST, TRAINING, N2c22018, read_documents

GOLDEN = Path(__file__).resolve().parents[1] / "golden/n2c2-2018-ade/in"
NOTE = "He took Aspirin for\nchest pain daily."


def parsed(*lines, text=NOTE):
    return parse_annotations(text, RawText("training/1.ann", "".join(f"{line}\n" for line in lines).encode()))


def found(*lines, text=NOTE):
    return [(item.id, item.label, item.start, item.end) for item in parsed(*lines, text=text).entities]


def refused(*lines, text=NOTE):
    with pytest.raises(BadInput) as caught:
        parsed(*lines, text=text)
    assert not {"Aspirin", "chest", "secret"} & set(str(caught.value).replace(":", " ").split())
    return str(caught.value)


def pack(out):
    """The golden files as the two archives of the portal."""
    out.mkdir()
    for name in (TRAINING[0], TEST):
        files = sorted(path for path in (GOLDEN / name).rglob("*") if path.is_file())
        write_zip(out / f"{name}.zip", [(f"{name}/{path.name}", path.read_bytes()) for path in files], (2018, 9, 10))
    return out


def test_documents_come_by_part_and_name_with_their_annotations():
    documents = read_documents(RawFiles(GOLDEN))
    assert [(one.id, one.part) for one in documents] == [
        ("100001", "train"),
        ("100002", "train"),
        *((name, "test") for name in ("100003", "100004", "100005")),
    ]
    assert [one.id for one in documents if one.annotations is None] == ["100004"]


def test_archives_read_like_their_folders(tmp_path):
    packed = read_documents(RawFiles(pack(tmp_path / "zip")))
    plain = read_documents(RawFiles(GOLDEN))
    assert [(one.id, one.part, one.text.content) for one in packed] == [
        (one.id, one.part, one.text.content) for one in plain
    ]
    assert packed[0].text.path == f"{TRAINING[0]}.zip/{TRAINING[0]}/100001.txt"


def test_names_in_upper_case_read_alike(tmp_path):
    for path in GOLDEN.rglob("1*.*"):
        target = tmp_path / path.relative_to(GOLDEN).parent.as_posix().upper() / path.name.upper()
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, target)
    assert N2c22018().find(tmp_path) == tmp_path
    assert len(read_documents(RawFiles(tmp_path))) == 5


def test_the_training_set_in_two_archives_is_one(tmp_path):
    for name, number in ((TRAINING[1], 1), (TRAINING[2], 2), (TEST, 3)):
        write_zip(tmp_path / f"{name}.zip", [(f"{number}.txt", b"x"), (f"{number}.ann", b"")], (2018, 9, 10))
    assert [one.part for one in read_documents(RawFiles(tmp_path))] == ["train", "train", "test"]


def test_the_release_is_found_by_its_archives_or_folders(tmp_path):
    assert N2c22018().find(GOLDEN) == GOLDEN
    assert N2c22018().find(tmp_path) is None
    (tmp_path / "n2c2_2018").mkdir()
    (tmp_path / "n2c2_2018" / f"{TEST}.zip").touch()
    assert N2c22018().find(tmp_path) == tmp_path / "n2c2_2018"


def test_annotations_without_their_text_are_refused(tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "raw")
    (tmp_path / "raw" / TRAINING[0] / "100001.txt").unlink()
    with pytest.raises(BadInput, match=r"^training_20180910/100001.ann: has no .txt of the same name"):
        read_documents(RawFiles(tmp_path / "raw"))


def test_a_document_that_stands_twice_is_refused(tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "raw")
    shutil.copytree(GOLDEN / TRAINING[0], tmp_path / "raw" / TRAINING[1])
    with pytest.raises(BadInput, match=r"^training_20180910/100001.ann: stands twice|^track2.*: stands twice"):
        read_documents(RawFiles(tmp_path / "raw"))


def test_annotations_outside_the_two_parts_are_refused(tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "raw")
    (tmp_path / "raw/mine").mkdir()
    for suffix in ("txt", "ann"):
        shutil.copy(GOLDEN / TRAINING[0] / f"100001.{suffix}", tmp_path / f"raw/mine/7.{suffix}")
    with pytest.raises(BadInput, match=r"^mine/7.ann: lies outside the folders of training and test"):
        read_documents(RawFiles(tmp_path / "raw"))


def test_test_notes_without_any_annotation_are_refused(tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "raw")
    for path in (tmp_path / "raw" / TEST).rglob("*.ann"):
        path.unlink()
    with pytest.raises(BadInput, match=r"100003.txt: and all test notes are without annotation"):
        read_documents(RawFiles(tmp_path / "raw"))


def test_a_folder_without_notes_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"^n2c2-2018: no notes were found"):
        read_documents(RawFiles(tmp_path))


def test_a_discontinuous_entity_runs_from_its_first_piece_to_its_last():
    note = parsed("T1\tReason 20 25;26 30\tchest pain", "T2\tDrug 8 15\tAspirin")
    assert [(item.id, item.start, item.end) for item in note.entities] == [("T2", 8, 15), ("T1", 20, 30)]
    assert note.odd == ((1, "discontinuous-entity-taken-as-one-stretch"),)


def test_an_entity_may_have_three_pieces_and_something_between_them():
    note = parsed("T1\tDrug 0 2;8 11;16 19\tHe Asp for")
    assert [(item.start, item.end) for item in note.entities] == [(0, 19)]


def test_an_entity_across_lines_may_go_on_on_the_next_line_of_the_file():
    assert found("T1\tReason 16 25\tfor", "chest", "T2\tDrug 8 15\tAspirin") == [
        ("T2", "Drug", 8, 15),
        ("T1", "Reason", 16, 25),
    ]


def test_a_stray_line_after_a_complete_entity_does_not_harm_it():
    note = parsed(
        "T1\tDrug 8 15\tAspirin", "\u200b", "what is this", "R1\tADE-Drug Arg1:T2 Arg2:T1", "T2\tADE 20 30\tchest pain"
    )
    assert len(note.entities) == 2
    assert note.odd == ((2, "stray-characters"), (3, "text-continued-on-the-next-line"))


def test_unseen_signs_before_an_annotation_or_in_its_text_do_not_count():
    note = parsed("\x1fT1\tDrug 8 15\tAspi\u200brin")
    assert len(note.entities) == 1
    assert note.odd == ((1, "stray-characters"),)


def test_blanks_at_the_ends_of_an_entity_are_no_part_of_it():
    assert found("T1\tDrug 7 16\t Aspirin ") == [("T1", "Drug", 8, 15)]


def test_offsets_count_code_points_also_behind_an_emoji():
    assert found("T1\tDrug 2 9\taspirin", text="\U0001f600 aspirin \u2026") == [("T1", "Drug", 2, 9)]


def test_line_ends_are_counted_as_most_entities_fit():
    windows = NOTE.replace("\n", "\r\n")
    assert found("T1\tReason 20 30\tchest pain", text=NOTE) == [("T1", "Reason", 20, 30)]
    assert found("T1\tReason 21 31\tchest pain", text=windows) == [("T1", "Reason", 21, 31)]
    assert parsed("T1\tReason 20 30\tchest pain", text=windows).text == NOTE
    converted = parsed("T1\tReason 21 31\tchest pain", text=NOTE)
    assert converted.text == windows
    assert converted.odd == ((None, "line-ends-counted-otherwise"),)


def test_a_file_without_annotations_has_no_entities():
    note = parsed()
    assert (note.text, note.entities, note.relations) == (NOTE, (), ())


def test_notes_of_annotators_and_marks_of_other_kinds_are_passed_over():
    lines = [
        "T1\tDrug 8 15\tAspirin",
        "#1\tAnnotatorNotes T1\tsecret",
        "A1\tNegated T1",
        "E1\tDrug:T1",
        "*\tEquiv T1 T1",
    ]
    assert len(parsed(*lines).entities) == 1
    assert parsed(*lines).odd == ()


def test_an_entity_that_is_not_in_the_text_is_noted_and_left_out_with_its_relations():
    lines = ["T1\tDrug 8 15\tAspirin", "T2\tReason 20 30\tsecret", "T3\tReason 20 30\tChest  pain"]
    note = parsed(*lines, "R1\tReason-Drug Arg1:T2 Arg2:T1", "R2\tReason-Drug Arg1:T3 Arg2:T1")
    assert [item.id for item in note.entities] == ["T1", "T3"]
    assert [item.attribute for item in note.relations] == ["T3"]
    assert note.odd == ((2, "entity-text-differs"), (4, "relation-of-an-entity-left-out"))
    assert note.counts == {"Drug": 1, "Reason": 2, "Reason-Drug": 2}


def test_offsets_in_bytes_are_refused():
    text = "\u00e9\u00e9\u00e9 aspirin lasix"
    rule = refused("T1\tDrug 7 14\taspirin", "T2\tDrug 15 20\tlasix", text=text)
    assert rule.startswith("training/1.ann")
    assert "characters" in rule


def test_relations_of_other_types_and_repeated_ones_are_noted():
    lines = ["T1\tDrug 8 15\tAspirin", "T2\tReason 20 30\tchest pain"]
    relations = ["ADE-Drug Arg1:T2 Arg2:T1", "Reason-Drug Arg1:T1 Arg2:T2", *["Reason-Drug Arg1:T2 Arg2:T1"] * 2]
    note = parsed(*lines, *(f"R{number}\t{words}" for number, words in enumerate(relations)))
    assert [(item.label, item.attribute, item.drug) for item in note.relations] == [("Reason-Drug", "T2", "T1")]
    assert note.odd == ((3, "relation-of-other-types"), (4, "relation-of-other-types"), (6, "duplicate-relation"))


@pytest.mark.parametrize(
    ("lines", "rule"),
    [
        (["T1 Drug 8 15 Aspirin"], "line 1: is no entity"),
        (["T1\tDrug 8 15"], "line 1: is no entity"),
        (["T1\tDrug 8:15\tAspirin"], "line 1: is no entity"),
        (["T1\tDrug 8.0 15\tAspirin"], "line 1: is no entity"),
        (["T1\tDrug -8 15\tAspirin"], "line 1: is no entity"),
        (["T1\tSecret 8 15\tAspirin"], "line 1: names an unknown type"),
        (["T1\tDrug 15 8\tAspirin"], "line 1: has an offset pair that starts at or after its end"),
        (["T1\tDrug 8 8\tAspirin"], "line 1: has an offset pair that starts at or after its end"),
        (["T1\tDrug 20 25;8 15\tAspirin"], "line 1: has an offset pair that starts"),
        (["T1\tDrug 8 99\tAspirin"], "line 1: ends beyond the text of 37 characters"),
        (["T1\tDrug 8 99999999999999999999\tAspirin"], "line 1: ends beyond the text"),
        (["T1\tDrug 8 15\tAspirin", "T1\tDrug 8 15\tAspirin"], "line 2: repeats an id"),
        (["T1\tDrug 8 15\tAspirin", "R1\tADE-Drug T1 T1"], "line 2: is no relation"),
        (["T1\tDrug 8 15\tAspirin", "R1 ADE-Drug Arg1:T1 Arg2:T1"], "line 2: is no relation"),
        (["T1\tDrug 8 15\tAspirin", "R1\tSecret-Drug Arg1:T1 Arg2:T1"], "line 2: names an unknown type"),
        (["T1\tDrug 8 15\tAspirin", "R1\tADE-Drug Arg1:T9 Arg2:T1"], "line 2: relates an id that is not there"),
        (["T1\tDrug 8 15\tAspirin", "A1\tNegated T2"], "line 2: points to an id that is not there"),
        (["T1\tDrug 8 15\tAspirin", "A1\tNegated"], "line 2: is no attribute"),
        (["T1\tDrug 8 15\tAspirin", "A1 Negated T1"], "line 2: is no attribute"),
        ([f"T{'1' * 5_000}\tDrug 8 15\tAspirin"], "line 1: is no entity"),
        (["secret words", "T1\tDrug 8 15\tAspirin"], "line 1: begins with no known mark"),
    ],
)
def test_broken_lines_are_refused_by_number_without_their_text(lines, rule):
    assert f"training/1.ann, {rule}" in refused(*lines)


def test_of_many_broken_lines_the_first_twenty_are_named():
    message = refused(*(f"T{number}\tSecret 8 15\tAspirin" for number in range(30)))
    assert "lines 1, 2, 3," in message
    assert "20, … (30 in all)" in message


@st.composite
def annotated_notes(draw):
    """A note of words and line ends, and entities over runs of its words, in pieces where they cross a line."""
    words = draw(st.lists(st.text("ab\u00e9\U0001f600.", min_size=1, max_size=4), min_size=1, max_size=12))
    gaps = draw(st.lists(st.sampled_from([" ", "\n", "\r\n", "  "]), min_size=len(words), max_size=len(words)))
    text, places = "", []
    for word, gap in zip(words, gaps, strict=True):
        places.append((len(text), len(text) + len(word)))
        text += word + gap
    lines, expected = [], []
    for number in range(draw(st.integers(0, 6))):
        first = draw(st.integers(0, len(words) - 1))
        last = draw(st.integers(first, len(words) - 1))
        label = draw(st.sampled_from(ENTITY_TYPES))
        pieces = ";".join(f"{start} {end}" for start, end in places[first : last + 1])
        if draw(st.booleans()):
            pieces = f"{places[first][0]} {places[last][1]}"
        lines.append(f"T{number}\t{label} {pieces}\t{' '.join(words[first : last + 1])}")
        expected.append((f"T{number}", label, places[first][0], places[last][1]))
    return text, lines, expected


@given(annotated_notes())
def test_entities_stand_where_they_were_put(note):
    text, lines, expected = note
    assert sorted(found(*lines, text=text)) == sorted(expected)
    assert parsed(*lines, text=text).text == text
