"""i2b2/VA 2010: folders and archives, pairing, the grammar of .con files, and how tokens are counted."""

import io
import shutil
import tarfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from clinpeft.errors import BadInput
from clinpeft.sources._archives import RawText, text_of
from clinpeft.sources.base import RawFiles
from clinpeft.sources.i2b2_2010 import (
    ARCHIVES,
    Concept,
    I2b22010,
    lines_of,
    parse_concepts,
    places_of,
    read_documents,
    token_bounds,
)

GOLDEN = Path(__file__).resolve().parents[1] / "golden/i2b2-2010-concepts/in"
SECRET = "ZQX-CANARY-7"
GOOD = b'c="fever" 1:0 1:0||t="problem"\n'


def write(folder: Path, **files: bytes) -> RawFiles:
    """Files of the test part by name; `a_con` is the concept file of a."""
    for name, content in files.items():
        stem, _, suffix = name.rpartition("_")
        parent = folder / ("test_data" if suffix == "txt" else "reference_standard_for_test_data/concepts")
        parent.mkdir(parents=True, exist_ok=True)
        (parent / f"{stem}.{suffix}").write_bytes(content)
    return RawFiles(folder)


def pack(folder: Path, out: Path) -> Path:
    """The release as downloaded: one tar.gz an unpacked folder."""
    out.mkdir()
    for archive in ARCHIVES:
        with tarfile.open(out / f"{archive}.tar.gz", "w:gz") as tar:
            tar.add(folder / archive, archive)
    return out


def concepts(content: bytes, num_lines: int = 3) -> list[Concept]:
    return parse_concepts(RawText("a.con", content), num_lines)


def concept(text: str, start: tuple[int, int], end: tuple[int, int]) -> Concept:
    return Concept(1, text, *start, *end, "problem")


def found_text(text: str, start: tuple[int, int], end: tuple[int, int], *lines: str) -> list[str]:
    places, _ = places_of(concept(text, start, end), list(lines))
    return [lines[place.line - 1][place.start : place.end] for place in places]


def test_documents_are_paired_by_name_and_ordered_by_part():
    documents = read_documents(RawFiles(GOLDEN))
    assert [(document.part, document.id) for document in documents] == [
        ("beth", "record-1"),
        ("beth", "record-2"),
        ("partners", "010"),
        ("test", "0001"),
        ("test", "0002"),
    ]
    assert documents[0].annotations["con"].path == f"{ARCHIVES[0]}/beth/concept/record-1.con"


def test_archives_are_read_like_folders(tmp_path):
    unpacked, packed = RawFiles(GOLDEN), RawFiles(pack(GOLDEN, tmp_path / "packed"))
    contents = [
        [(document.id, document.text.content, document.annotations.get("con")) for document in read_documents(raw)]
        for raw in (unpacked, packed)
    ]
    assert [row[:2] for row in contents[0]] == [row[:2] for row in contents[1]]
    assert [row[2] and row[2].content for row in contents[0]] == [row[2] and row[2].content for row in contents[1]]
    assert sorted(packed.used) == sorted(f"{archive}.tar.gz" for archive in ARCHIVES)


def test_an_archive_beside_its_folder_is_not_read_twice(tmp_path):
    out = pack(GOLDEN, tmp_path / "both")
    shutil.copytree(GOLDEN / "test_data", out / "test_data")
    raw = RawFiles(out)
    assert len(read_documents(raw)) == 5
    assert "test_data.tar.gz" not in raw.used


def test_the_listing_names_every_file_read_and_no_other():
    raw = RawFiles(GOLDEN)
    read_documents(raw)
    names = {name.rpartition("/")[2] for name in raw.used}
    assert {"record-1.txt", "record-1.con", "0002.txt"} <= names
    assert not names & {"099.txt", "._0002.txt", "0003.con"}


@pytest.mark.parametrize("name", ["../escape.txt", "/etc/passwd.txt", "test_data/../../escape.txt"])
def test_a_member_that_leads_out_of_the_archive_is_refused(tmp_path, name):
    with tarfile.open(tmp_path / "test_data.tar.gz", "w:gz") as tar:
        tar.addfile(tarfile.TarInfo(name), io.BytesIO())
    with pytest.raises(BadInput, match=r"test_data.tar.gz: holds a member whose path leads out"):
        read_documents(RawFiles(tmp_path))


@pytest.mark.parametrize("kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE])
def test_links_and_devices_in_an_archive_are_refused(tmp_path, kind):
    member = tarfile.TarInfo("test_data/a.txt")
    member.type, member.linkname = kind, "/etc/passwd"
    with tarfile.open(tmp_path / "test_data.tar.gz", "w:gz") as tar:
        tar.addfile(member)
    with pytest.raises(BadInput, match=r"holds a link or a device"):
        read_documents(RawFiles(tmp_path))


def test_an_archive_cut_short_is_refused(tmp_path):
    out = pack(GOLDEN, tmp_path / "cut")
    path = out / f"{ARCHIVES[0]}.tar.gz"
    for kept in (0.5, 0.99):
        (tmp_path / "one").mkdir(exist_ok=True)
        (tmp_path / "one" / path.name).write_bytes(path.read_bytes()[: int(path.stat().st_size * kept)])
        with pytest.raises(BadInput, match=f"{path.name}: the compressed file"):
            read_documents(RawFiles(tmp_path / "one"))


def test_an_archive_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "test_data.tar.gz").write_bytes(b"<html>please log in</html>")
    with pytest.raises(BadInput, match=r"test_data.tar.gz: the compressed file is damaged"):
        read_documents(RawFiles(tmp_path))


def test_concepts_without_their_text_are_refused(tmp_path):
    with pytest.raises(BadInput, match=r"concepts/a.con: has no .txt of the same name"):
        read_documents(write(tmp_path, a_con=GOOD))


def test_a_training_text_without_concepts_is_refused(tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "raw")
    (tmp_path / "raw" / ARCHIVES[0] / "beth/concept/record-1.con").unlink()
    with pytest.raises(BadInput, match=r"record-1.txt: has no .con of the same name"):
        read_documents(RawFiles(tmp_path / "raw"))


def test_test_texts_without_any_reference_standard_are_refused(tmp_path):
    with pytest.raises(BadInput, match=r"all test texts are without annotation"):
        read_documents(write(tmp_path, a_txt=b"x\n"))


@pytest.mark.parametrize("other", ["a.con", "A.con"])
def test_two_files_of_one_name_in_two_folders_are_refused(tmp_path, other):
    raw = write(tmp_path, a_txt=b"fever\n", a_con=GOOD)
    (tmp_path / "copy").mkdir()
    (tmp_path / "copy" / other).write_bytes(GOOD)
    with pytest.raises(BadInput, match=r"stands twice"):
        read_documents(raw)


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(BadInput, match=r"no .txt files were found"):
        read_documents(RawFiles(tmp_path))


def test_the_source_is_found_by_its_folders_and_its_archives(tmp_path):
    assert I2b22010().is_here(GOLDEN)
    assert I2b22010().is_here(GOLDEN / ARCHIVES[0])
    assert I2b22010().is_here(pack(GOLDEN, tmp_path / "i2b2-2010"))
    assert I2b22010().find(tmp_path) == tmp_path / "i2b2-2010"
    assert I2b22010().find(GOLDEN.parent / "out") is None


def test_lines_end_at_lf_only():
    assert lines_of("a\x0cb\x0b\x85\u2028c\r\nd\re\n\nf") == ["a\x0cb\x0b\x85\u2028c", "d\re", "", "f"]
    assert lines_of("a\n") == ["a"]
    assert lines_of("") == []


def test_tokens_are_parted_by_runs_of_blanks_and_a_leading_blank_makes_an_empty_one():
    assert token_bounds("a  b\tc") == [(0, 1), (3, 4), (5, 6)]
    assert token_bounds("  a b") == [(0, 0), (2, 3), (4, 5)]
    assert token_bounds("") == [(0, 0)]


@given(st.text(alphabet=" \tab\u00a0\x0c"))
def test_tokens_are_those_of_a_split_at_runs_of_blanks(line):
    import re

    assert [line[start:end] for start, end in token_bounds(line)] == re.split(r"[ \t]+", line)


def test_a_concept_line_is_read_to_its_end():
    (read,) = concepts(b'c="fever" 2:0 2:3||t="problem"\r\n\r\n')
    assert read == Concept(1, "fever", 2, 0, 2, 3, "problem")


def test_quotes_bars_and_numbers_inside_a_concept_are_part_of_its_text():
    text = 'the " no " 1:2 3:4||t="test'
    (read,) = concepts(f'c="{text}" 1:0 1:0||t="treatment"'.encode())
    assert (read.text, read.start_line, read.type) == (text, 1, "treatment")


@pytest.mark.parametrize(
    "line",
    [
        f'c="{SECRET}" 1:0 1:0',
        f'c="{SECRET}" 1:0 1:0||t="drug"',
        f'c="{SECRET}" 1:0||t="problem"',
        f'c="{SECRET}" 1:-1 1:0||t="problem"',
        f'x c="{SECRET}" 1:0 1:0||t="problem"',
        f'c="{SECRET}" 1:0 1:0||t="problem" x',
        f'c="{SECRET}" 1:0 1:0||t="problem"||a="present"',
    ],
)
def test_broken_grammar_is_refused_with_file_and_line_and_without_text(line):
    with pytest.raises(BadInput, match=r"^a.con, line 2: is not c=") as caught:
        concepts(GOOD + line.encode())
    assert SECRET not in str(caught.value)


def test_several_broken_lines_are_told_together():
    with pytest.raises(BadInput, match=r"^a.con, lines 1, 3: is not c="):
        concepts(b"x\n" + GOOD + b"y\n")


@pytest.mark.parametrize("place", ["4:0 4:0", "0:0 1:0", "1:0 9:0", "1:0 99999999999999999999:0"])
def test_a_line_outside_the_text_is_refused(place):
    with pytest.raises(BadInput, match=r"a.con, line 1: names a line outside the 3 of its text"):
        concepts(f'c="x" {place}||t="test"'.encode())


@pytest.mark.parametrize("place", ["2:5 2:3", "3:0 2:0"])
def test_an_end_before_the_start_is_refused(place):
    with pytest.raises(BadInput, match=r"a.con, line 1: ends before it starts"):
        concepts(f'c="x" {place}||t="test"'.encode())


def test_the_text_at_the_tokens_must_be_the_concept_but_for_case_and_blanks():
    assert found_text("chest pain", (1, 1), (1, 2), "Severe Chest \t PAIN .") == ["Chest \t PAIN"]
    assert found_text("chest pain", (1, 0), (1, 1), "Severe Chest PAIN .") == []
    assert found_text("pain", (1, 7), (1, 7), "pain") == []


def test_a_leading_blank_counts_as_a_token():
    assert found_text("fever", (1, 1), (1, 1), " fever") == ["fever"]


def test_a_concept_across_lines_has_a_place_on_each():
    assert found_text("acute renal failure", (1, 1), (3, 0), "an acute", "renal", "failure .") == [
        "acute",
        "renal",
        "failure",
    ]


@pytest.mark.parametrize(("line", "token"), [("a  b pain", 3), ("a\x0cb pain", 2), ("a\u00a0b pain", 2)])
def test_tokens_counted_by_another_rule_are_found_by_the_text(line, token):
    places, is_counted_otherwise = places_of(concept("pain", (1, token), (1, token)), [line])
    assert [line[place.start : place.end] for place in places] == ["pain"]
    assert is_counted_otherwise


def test_text_is_utf8_else_cp1252_else_refused():
    assert text_of(RawText("a.txt", "\ufeffna\u00efve".encode())) == ("na\u00efve", False)
    assert text_of(RawText("a.txt", "the patient\u2019s".encode("cp1252"))) == ("the patient\u2019s", True)
    with pytest.raises(BadInput, match=r"a.txt, byte 2: is neither UTF-8 nor cp1252"):
        text_of(RawText("a.txt", b"ab\x81"))
    with pytest.raises(BadInput, match=r"a.txt, byte 1: is a NUL byte"):
        text_of(RawText("a.txt", b"a\x00"))


def test_the_text_of_a_file_is_not_shown():
    assert SECRET not in repr(read_documents(RawFiles(GOLDEN))) + repr(concept(SECRET, (1, 0), (1, 0)))
    assert "ZQX" not in repr(read_documents(RawFiles(GOLDEN)))
