"""Invented i2b2/VA 2010: same bytes for the same seed, the real folders, every quirk, and a ceiling that is right."""

import os
import random
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from clinpeft.errors import BadInput
from clinpeft.sources._canary import CANARY
from clinpeft.sources._i2b2_2010_annotations import token_bounds
from clinpeft.sources._i2b2_2010_documents import Invented, Mention, best_relation_f1, blur_assertions, invent
from clinpeft.sources.base import RawFiles
from clinpeft.sources.i2b2_2010 import ARCHIVES, I2b22010
from clinpeft.tasks.base import BuildLog
from clinpeft.tasks.i2b2_2010_concepts import I2b22010Concepts

TRAINING, REFERENCE, TEST = ARCHIVES


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("i2b2")
    return folder, I2b22010().synthesize(folder, num_patients=60, seed=3)


@pytest.fixture(scope="module")
def release(packed, tmp_path_factory):
    """The same with its archives unpacked."""
    folder = tmp_path_factory.mktemp("unpacked")
    for archive in ARCHIVES:
        with tarfile.open(packed[0] / f"{archive}.tar.gz") as tar:
            tar.extractall(folder, filter="data")
    return folder, packed[1]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


def built(folder):
    log = BuildLog()
    return list(I2b22010Concepts().examples(RawFiles(folder), log)), log


def test_the_three_archives_are_written_and_nothing_else(packed):
    assert sorted(contents(packed[0])) == sorted(f"{archive}.tar.gz" for archive in ARCHIVES)


def test_the_same_seed_gives_the_same_bytes_and_another_one_does_not(tmp_path, packed):
    I2b22010().synthesize(tmp_path / "again", num_patients=60, seed=3)
    I2b22010().synthesize(tmp_path / "other", num_patients=60, seed=4)
    assert contents(tmp_path / "again") == contents(packed[0])
    assert contents(tmp_path / "other") != contents(packed[0])


def test_the_bytes_do_not_depend_on_the_hash_seed(tmp_path, packed):
    code = (
        "import sys, pathlib; from clinpeft.sources.i2b2_2010 import I2b22010;"
        "I2b22010().synthesize(pathlib.Path(sys.argv[1]), num_patients=60, seed=3)"
    )
    for seed in ("1", "2"):
        out = tmp_path / seed
        subprocess.run([sys.executable, "-c", code, str(out)], check=True, env={**os.environ, "PYTHONHASHSEED": seed})
        assert contents(out) == contents(packed[0])


def test_the_folders_are_those_of_the_three_archives(release):
    folders = {str(Path(name).parent) for name in contents(release[0])}
    training = {
        f"{TRAINING}/{part}/{kind}" for part in ("beth", "partners") for kind in ("ast", "concept", "rel", "txt")
    }
    reference = {f"{REFERENCE}/{kind}" for kind in ("ast", "concepts", "rel")}
    assert folders == training | reference | {TEST, f"{TRAINING}/partners/unannotated"}
    assert len(list((release[0] / TRAINING).glob("*/txt/*.txt"))) == 36
    assert len(list((release[0] / TEST).iterdir())) == 24


def test_every_text_holds_one_line_with_a_canary_of_its_own(release):
    texts = [content for name, content in contents(release[0]).items() if name.endswith(".txt")]
    marks = [re.findall(rf"{CANARY}-\d{{6}}".encode(), text) for text in texts]
    assert all(len(found) == 1 for found in marks)
    assert len({found[0] for found in marks}) == 61
    examples, _ = built(release[0])
    assert sum(CANARY in example.text for example in examples) == 60


def test_lines_are_short(release):
    examples, _ = built(release[0])
    lengths = [len(example.tokens) for example in examples]
    assert max(lengths) <= 20
    assert 9 <= sum(lengths) / len(lengths) <= 13


def test_the_build_notes_what_was_planted_and_nothing_else(release):
    _, log = built(release[0])
    codes = sorted(code for _, _, code in log.anomalies)
    assert codes == ["duplicate-concept"] * 2 + ["overlapping-concept"] * 2 + ["read-as-cp1252"]


def test_planted_texts_are_there(release):
    texts = [content for name, content in contents(release[0]).items() if name.endswith(".txt")]
    for planted in (
        b"\n He was given",
        b"He  had   severe",
        b"\t",
        b"\x0c",
        "Na\u00efve".encode(),
        b"\r\n",
        b'" heavy "',
    ):
        assert any(planted in text for text in texts), planted
    assert sum(not text.endswith(b"\n") for text in texts) == 1


def test_planted_annotations_are_there(release):
    concepts = [content.decode() for name, content in contents(release[0]).items() if name.endswith(".con")]
    assert any('c="a " heavy " feeling" ' in content for content in concepts)
    starts = [[int(line.split()[-2].split(":")[0]) for line in content.splitlines()] for content in concepts]
    assert any(lines != sorted(lines) for lines in starts)
    relations = {name: content.decode() for name, content in contents(release[0]).items() if name.endswith(".rel")}
    assert "" in relations.values()
    pairs = [re.sub(r'\|\|r="\w+"', "", line) for content in relations.values() for line in content.splitlines()]
    assert len(set(pairs)) < len(pairs)
    known = {line.rpartition("||")[0] for content in concepts for line in content.splitlines()}
    heads = [line.partition("||r=")[0] for content in relations.values() for line in content.splitlines()]
    assert sum(head not in known for head in heads) == 1


def test_assertions_and_relations_keep_to_the_published_names(release):
    files = contents(release[0])
    assertions = set(re.findall(rb'\|\|a="(\w+)"', b"".join(files[name] for name in files if name.endswith(".ast"))))
    relations = set(re.findall(rb'\|\|r="(\w+)"', b"".join(files[name] for name in files if name.endswith(".rel"))))
    assert {name.decode() for name in assertions} == {
        *("present", "absent", "possible", "conditional", "hypothetical", "associated_with_someone_else"),
    }
    assert {name.decode() for name in relations} == {"TrIP", "TrWP", "TrCP", "TrAP", "TrNAP", "TeRP", "TeCP", "PIP"}


def test_few_documents_hold_no_quirks_and_none_is_refused(tmp_path):
    assert I2b22010().synthesize(tmp_path, num_patients=4, seed=0)["documents"] == 4
    assert built(tmp_path)[1].anomalies == []
    with pytest.raises(BadInput, match="must be at least 1"):
        I2b22010().synthesize(tmp_path, num_patients=0, seed=0)


def test_the_stated_ceiling_is_what_a_reader_who_goes_by_the_wording_reaches(release):
    rng = random.Random(8)
    gold, worded = [], []
    for number in range(400):
        document = invent(rng, number)
        for tags, kind in ((gold, "type"), (worded, "worded_type")):
            lines = [["O"] * len(token_bounds(line)) for line in document.lines]
            for item in document.mentions:
                label = getattr(item, kind)
                width = item.last - item.first
                lines[item.line - 1][item.first : item.last + 1] = [f"B-{label}"] + [f"I-{label}"] * width
            tags.extend(lines)
    reached = f1_score(gold, worded, mode="strict", scheme=IOB2)
    assert reached == pytest.approx(release[1]["best_f1"], abs=0.01)


def test_the_stated_ceiling_of_assertions_is_the_share_that_the_wording_tells(release):
    rng = random.Random(8)
    documents = [invent(rng, number) for number in range(400)]
    worded = [item.assertion for document in documents for item in document.mentions]
    for document in documents:
        blur_assertions(document, rng)
    gold = [item.assertion for document in documents for item in document.mentions]
    right = sum(one == other for one, other in zip(worded, gold, strict=True)) / len(gold)
    assert right == pytest.approx(release[1]["best_assertion_accuracy"], abs=0.01)


def test_the_stated_ceiling_of_relations_counts_pairs_whose_types_the_wording_belies():
    fever, cough = (Mention(1, n, n, "problem", "problem", "present") for n in range(2))
    lasix = Mention(1, 2, 2, "problem", "treatment", "present")
    document = Invented(1, relations=[(fever, "PIP", cough)])
    document.worded_relations = [(fever, "PIP", cough), (lasix, "TrAP", fever)]
    assert best_relation_f1([document]) == pytest.approx(2 * 1 / (1 + 2))


def test_the_relations_ceiling_of_a_release_lies_below_one(release):
    assert 0.85 < release[1]["best_relation_f1"] < 1
