"""Invented n2c2 2018: same bytes for the same seed, the real archives, every quirk, and a ceiling that is right."""

import os
import re
import subprocess
import sys
import zipfile
from collections import Counter

import pytest

from clinpeft.errors import BadInput
from clinpeft.sources._canary import CANARY
from clinpeft.sources._n2c2_2018_annotations import ENTITY_TYPES, RELATIONS
from clinpeft.sources.base import RawFiles
from clinpeft.sources.n2c2_2018 import TEST, TRAINING, N2c22018
from clinpeft.tasks.base import BuildLog
from clinpeft.tasks.n2c2_2018_ade import N2c22018Ade
from clinpeft.tasks.n2c2_2018_ade_relations import N2c22018AdeRelations


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("n2c2")
    return folder, N2c22018().synthesize(folder, num_patients=40, seed=3)


def members(folder):
    found = {}
    for path in sorted(folder.iterdir()):
        with zipfile.ZipFile(path) as archive:
            found |= {f"{path.name}/{name}": archive.read(name) for name in archive.namelist()}
    return found


def built(task, folder):
    log = BuildLog()
    return list(task.examples(RawFiles(folder), log)), log


def test_the_bytes_depend_on_the_seed_and_not_on_the_hash_seed(tmp_path, release):
    code = (
        "import sys, pathlib; from clinpeft.sources.n2c2_2018 import N2c22018;"
        "N2c22018().synthesize(pathlib.Path(sys.argv[1]), num_patients=40, seed=3)"
    )
    subprocess.run(
        [sys.executable, "-c", code, str(tmp_path / "again")], check=True, env={**os.environ, "PYTHONHASHSEED": "7"}
    )
    N2c22018().synthesize(tmp_path / "other", num_patients=40, seed=4)
    for name in (f"{TRAINING[0]}.zip", f"{TEST}.zip"):
        assert (tmp_path / "again" / name).read_bytes() == (release[0] / name).read_bytes()
        assert (tmp_path / "other" / name).read_bytes() != (release[0] / name).read_bytes()


def test_the_archives_hold_what_those_of_the_portal_hold(release):
    names = list(members(release[0]))
    assert {path.name for path in release[0].iterdir()} == {f"{TRAINING[0]}.zip", f"{TEST}.zip"}
    assert sum(bool(re.fullmatch(rf"{TRAINING[0]}.zip/{TRAINING[0]}/1\d{{5}}\.txt", name)) for name in names) == 24
    assert sum(bool(re.fullmatch(rf"{TEST}.zip/test/1\d{{5}}\.ann", name)) for name in names) == 16
    assert any("/__MACOSX/" in name for name in names)


def test_every_note_holds_a_canary_of_its_own(release):
    texts = [content.decode() for name, content in members(release[0]).items() if re.search(r"/1\d+\.txt", name)]
    marks = [re.findall(rf"{CANARY}-\d{{6}}", text) for text in texts]
    assert all(len(found) == 1 for found in marks)
    assert len({found[0] for found in marks}) == 40


def test_planted_quirks_are_there(release):
    marks = b"\n".join(content for name, content in members(release[0]).items() if name.endswith(".ann")).decode()
    assert re.search(r"\t\w+ \d+ \d+;\d+ \d+;\d+ \d+\t", marks)
    assert re.search(r"\d+ \d+;\d+ \d+\t", marks)
    assert "Calcium\nCarbonate" in marks
    assert "\n\x1c\n" in marks
    assert re.search(r"#1\tAnnotatorNotes", marks)


def test_the_build_notes_what_was_planted_and_nothing_else(release):
    _, log = built(N2c22018Ade(), release[0])
    codes = Counter(code for _, _, code in log.anomalies)
    assert codes["stray-characters"] == 2
    assert codes["overlapping-entity"] == 4
    assert set(codes) == {
        *("stray-characters", "overlapping-entity", "text-continued-on-the-next-line"),
        "discontinuous-entity-taken-as-one-stretch",
    }


def test_every_type_and_relation_stands_in_both_parts(release):
    windows, _ = built(N2c22018Ade(), release[0])
    for part in ("train", "test"):
        labels = {span.label for one in windows if (one.split == "test") == (part == "test") for span in one.spans}
        assert labels == set(ENTITY_TYPES)
    pairs, _ = built(N2c22018AdeRelations(), release[0])
    assert {pair.label for pair in pairs if pair.split == "test"} == {*RELATIONS, "none"}
    assert sum(len(one.spans) for one in windows) == release[1]["entities"]


def test_a_planted_relation_of_each_part_is_out_of_reach_and_few_others_are(release):
    _, log = built(N2c22018AdeRelations(), release[0])
    assert [1 <= dropped <= kept / 20 for step, kept, dropped in log.filters if "related-pairs" in step] == [True, True]


def test_the_stated_ceilings_are_those_of_a_reader_who_goes_by_the_wording(release):
    assert 0.93 < release[1]["best_f1"] < 0.98
    assert 0.92 < release[1]["best_relation_f1"] < 0.97


def test_few_documents_hold_no_quirks_and_none_is_refused(tmp_path):
    assert N2c22018().synthesize(tmp_path, num_patients=4, seed=0)["documents"] == 4
    codes = {code for _, _, code in built(N2c22018Ade(), tmp_path)[1].anomalies}
    assert codes <= {"discontinuous-entity-taken-as-one-stretch"}
    with pytest.raises(BadInput, match="must be at least 1"):
        N2c22018().synthesize(tmp_path, num_patients=0, seed=0)
