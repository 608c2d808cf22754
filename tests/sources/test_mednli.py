"""MedNLI files: archive and folder read alike, JSON lines read strictly, every broken one named without its text."""

import hashlib
import shutil
from pathlib import Path

import pytest

from clinpeft.errors import BadInput
from clinpeft.sources._archives import RawText
from clinpeft.sources._zip_writing import write_zip
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mednli import FILES, FOLDER, MedNli, find_files, premise_key, read_pairs

GOLDEN = Path(__file__).resolve().parents[1] / "golden/mednli/in"
GOOD = '{"pairID": "1", "gold_label": "neutral", "sentence1": "secret", "sentence2": "b"}'


def pairs(content):
    data = content if isinstance(content, bytes) else content.encode("utf-8", "surrogatepass")
    return list(read_pairs(RawText("mli_train_v1.jsonl", data)))


def pack(out):
    out.mkdir()
    files = [(f"{FOLDER}/{name}", (GOLDEN / name).read_bytes()) for name in FILES.values()]
    write_zip(out / f"{FOLDER}.zip", [*files, (f"__MACOSX/{FOLDER}/._{FILES['train']}", b"\0")], (2019, 11, 20))
    return out


def test_the_archive_reads_like_its_folder(tmp_path):
    packed = find_files(RawFiles(pack(tmp_path / "mednli")))
    plain = find_files(RawFiles(GOLDEN))
    assert list(packed) == list(plain) == ["train", "validation", "test"]
    assert [file.content for file in packed.values()] == [file.content for file in plain.values()]
    assert packed["train"].path == f"{FOLDER}.zip/{FOLDER}/mli_train_v1.jsonl"


def release(out, sums):
    """The golden files with a SHA256SUMS.txt, in the archive of the release."""
    lines = "".join(f"{sha} {name}\n" for name, sha in sums.items()).encode()
    contents = {**{name: (GOLDEN / name).read_bytes() for name in FILES.values()}, "SHA256SUMS.txt": lines}
    out.mkdir()
    files = [(f"{FOLDER}/{name}", content) for name, content in contents.items()]
    write_zip(out / f"{FOLDER}.zip", files, (2019, 11, 20))
    return out


@pytest.mark.parametrize("is_packed", [True, False], ids=["packed", "unpacked"])
def test_a_file_must_have_the_checksum_of_the_release_unless_accepted(tmp_path, is_packed):
    right = {name: hashlib.sha256((GOLDEN / name).read_bytes()).hexdigest() for name in FILES.values()}
    wrong = {**right, FILES["test"]: hashlib.sha256(b"other").hexdigest()}
    for number, sums in enumerate((right, wrong)):
        folder = release(tmp_path / str(number), sums)
        if not is_packed:
            shutil.unpack_archive(folder / f"{FOLDER}.zip", folder)
        if sums == right:
            assert len(find_files(RawFiles(folder))) == 3
            continue
        with pytest.raises(BadInput, match=r"mli_test_v1.jsonl: differs from its checksum in SHA256SUMS.txt"):
            find_files(RawFiles(folder))
        assert len(find_files(RawFiles(folder), allow_modified=True)) == 3


def test_names_in_upper_case_read_alike(tmp_path):
    for name in FILES.values():
        shutil.copy(GOLDEN / name, tmp_path / name.upper())
    assert MedNli().find(tmp_path) == tmp_path
    assert len(find_files(RawFiles(tmp_path))) == 3


@pytest.mark.parametrize(
    "place", [".", "mednli", "mednli/1.0.0", f"mednli/{FOLDER}", "physionet.org/files/mednli/1.0.0"]
)
def test_the_release_is_found_where_a_download_puts_it(tmp_path, place):
    (tmp_path / place).mkdir(parents=True, exist_ok=True)
    (tmp_path / place / FILES["train"]).touch()
    assert MedNli().find(tmp_path) == tmp_path / place


def test_a_missing_file_is_refused_by_name(tmp_path):
    shutil.copy(GOLDEN / FILES["train"], tmp_path)
    with pytest.raises(BadInput, match=r"^mli_dev_v1.jsonl: is neither below"):
        find_files(RawFiles(tmp_path))


def test_a_file_that_lies_there_twice_is_refused(tmp_path):
    shutil.copytree(GOLDEN, tmp_path / "a")
    shutil.copytree(GOLDEN, tmp_path / "b")
    with pytest.raises(BadInput, match=r"^b/mli_dev_v1.jsonl: stands twice, also as a/mli_dev_v1.jsonl"):
        find_files(RawFiles(tmp_path))


def test_a_byte_order_mark_crlf_blank_lines_and_odd_line_separators_are_read_exactly():
    found = pairs(b"\xef\xbb\xbf" + GOOD.replace("secret", "a\u2028b\x85c").encode() + b"\r\n\r\n")
    assert [(pair.line, pair.premise) for pair in found] == [(1, "a\u2028b\x85c")]


def test_words_that_look_like_missing_values_are_text():
    assert pairs(GOOD.replace("secret", "NA").replace('"b"', '"null"'))[0].hypothesis == "null"


def test_a_pair_on_which_nobody_agreed_has_no_label():
    assert pairs(GOOD.replace("neutral", "-"))[0].label is None


@pytest.mark.parametrize(
    ("line", "rule"),
    [
        (GOOD[:-9], "is no JSON"),
        ("# secret", "is no JSON"),
        ('["secret"]', "is no JSON object"),
        (GOOD.replace('"b"', "NaN"), "holds NaN or Infinity"),
        (GOOD.replace('"b"', "1e999"), "holds a number too large"),
        (GOOD.replace('"b"', '"b", "sentence2": "c"'), "gives a key twice"),
        (GOOD.replace("secret", "\\ud800"), "holds half a surrogate pair"),
        (GOOD.replace('"sentence2"', '"sentence3"'), "has no key 'sentence2'"),
        (GOOD.replace('"b"', "7"), "'sentence2' is no text"),
        (GOOD.replace('"b"', "null"), "'sentence2' is no text"),
        (GOOD.replace('"b"', '["secret"]'), "'sentence2' is no text"),
        (GOOD.replace('"b"', '" "'), "'sentence2' is empty"),
        (GOOD.replace('"neutral"', "1"), "'gold_label' is no text"),
        (GOOD.replace("neutral", "secret"), "'gold_label' is none of contradiction, entailment, neutral"),
    ],
)
def test_a_broken_line_is_refused_by_number_without_its_text(line, rule):
    with pytest.raises(BadInput) as caught:
        pairs("\n".join([GOOD.replace('"1"', '"0"'), line, ""]))
    assert str(caught.value).startswith(f"mli_train_v1.jsonl, line 2: {rule}")
    assert "secret" not in str(caught.value)


def test_two_labels_for_one_pair_are_refused_by_both_lines():
    with pytest.raises(BadInput, match=r"^mli_train_v1.jsonl, lines 1, 2: give the same pairID"):
        pairs(f"{GOOD}\n{GOOD.replace('neutral', 'entailment')}\n")


def test_bytes_that_are_no_utf8_and_nul_are_refused_with_their_place():
    with pytest.raises(BadInput, match=r"^mli_train_v1.jsonl, byte 56: is not UTF-8"):
        pairs(GOOD.encode().replace(b"secret", b"s\xe9cret"))
    with pytest.raises(BadInput, match=r"^mli_train_v1.jsonl, byte 55: is a NUL byte"):
        pairs(GOOD.encode().replace(b"secret", b"\0ecret"))


def test_a_premise_is_known_by_its_sha1():
    assert premise_key("No fever") == "8d885b62ad07a84b31d130b3c1bd8c16327639a7"
    assert premise_key("no fever") != premise_key("No fever")


def test_a_pair_does_not_show_its_text():
    assert "secret" not in repr(pairs(GOOD))
