"""Invented MedNLI: same bytes for the same seed, the archive of PhysioNet, three classes a premise, a known ceiling."""

import hashlib
import json
import os
import subprocess
import sys
import zipfile
from collections import Counter

import pytest

from clinpeft.errors import BadInput
from clinpeft.sources._canary import CANARY
from clinpeft.sources.mednli import FILES, FOLDER, LABELS, MedNli


@pytest.fixture(scope="module")
def release(tmp_path_factory):
    folder = tmp_path_factory.mktemp("mednli")
    known = MedNli().synthesize(folder, num_patients=200, seed=3)
    with zipfile.ZipFile(folder / f"{FOLDER}.zip") as archive:
        return folder, known, {name: archive.read(name) for name in archive.namelist()}


def rows(release):
    return {
        split: [json.loads(line) for line in release[2][f"{FOLDER}/{name}"].decode().split("\n") if line]
        for split, name in FILES.items()
    }


def test_the_bytes_depend_on_the_seed_and_not_on_the_hash_seed(tmp_path, release):
    code = (
        "import sys, pathlib; from clinpeft.sources.mednli import MedNli;"
        "MedNli().synthesize(pathlib.Path(sys.argv[1]), num_patients=200, seed=3)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True, env={**os.environ, "PYTHONHASHSEED": "7"})
    MedNli().synthesize(tmp_path / "other", num_patients=200, seed=4)
    name = f"{FOLDER}.zip"
    assert (tmp_path / name).read_bytes() == (release[0] / name).read_bytes()
    assert (tmp_path / "other" / name).read_bytes() != (release[0] / name).read_bytes()


def test_the_archive_holds_what_that_of_physionet_holds(release):
    assert set(release[2]) == {f"{FOLDER}/{name}" for name in (*FILES.values(), "LICENSE.txt", "SHA256SUMS.txt")}
    sums = dict(reversed(line.split()) for line in release[2][f"{FOLDER}/SHA256SUMS.txt"].decode().splitlines())
    assert sums == {name: hashlib.sha256(release[2][f"{FOLDER}/{name}"]).hexdigest() for name in FILES.values()}
    keys = {"pairID", "gold_label", *(f"sentence{n}{end}" for n in (1, 2) for end in ("", "_parse", "_binary_parse"))}
    assert all(set(row) == keys for found in rows(release).values() for row in found)


def test_every_premise_has_one_hypothesis_of_each_class_and_stands_in_one_split(release):
    found = rows(release)
    assert {split: len(these) for split, these in found.items()} == {"train": 480, "validation": 60, "test": 60}
    premises = {split: Counter(row["sentence1"] for row in these) for split, these in found.items()}
    assert all(set(counts.values()) == {3} for counts in premises.values())
    assert len({premise for counts in premises.values() for premise in counts}) == 200
    assert Counter(row["gold_label"] for these in found.values() for row in these) == dict.fromkeys(LABELS, 200)


def test_every_premise_holds_a_canary_of_its_own(release):
    assert all(CANARY in row["sentence1"] for these in rows(release).values() for row in these)


def test_the_stated_ceiling_is_that_of_a_reader_who_goes_by_the_wording(release):
    assert 0.90 < release[1]["best_accuracy"] < 0.98


def test_fewer_premises_than_splits_are_refused(tmp_path):
    assert MedNli().synthesize(tmp_path, num_patients=3, seed=0)["pairs"] == 9
    with pytest.raises(BadInput, match="must be at least 3"):
        MedNli().synthesize(tmp_path, num_patients=2, seed=0)
