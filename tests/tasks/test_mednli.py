"""mednli: both sentences, official splits, premises kept on one side, and the published loss of the second sentence."""

import json
import shutil
from pathlib import Path

import pytest

from clinpeft.data.build import build_task
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mednli import LABELS, MedNli
from clinpeft.tasks import mednli
from clinpeft.tasks.base import TASKS, BuildLog, configure

GOLDEN = Path(__file__).resolve().parents[1] / "golden/mednli"


@pytest.fixture(autouse=True)
def _own_key(tmp_path, monkeypatch):
    monkeypatch.setenv("CLINPEFT_SITE_KEY", str(tmp_path / "site.key"))


def examples_of(folder, **options):
    log = BuildLog()
    return list(mednli.MedNli(**options).examples(RawFiles(folder), log)), log


def with_a_crossing_premise(tmp_path):
    """An invented release, unpacked, of which a test premise stands in train too."""
    MedNli().synthesize(tmp_path / "zip", num_patients=40, seed=1)
    shutil.unpack_archive(next((tmp_path / "zip").iterdir()), tmp_path / "raw")
    (folder,) = (tmp_path / "raw").iterdir()
    row = json.loads((folder / "mli_test_v1.jsonl").read_text(encoding="utf-8").split("\n")[0])
    with (folder / "mli_train_v1.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps({**row, "pairID": "copy"}) + "\n")
    (folder / "SHA256SUMS.txt").unlink()
    return folder


def test_the_golden_raw_files_give_the_examples_worked_out_by_hand():
    examples, _ = examples_of(GOLDEN / "in")
    keys = ("example", "subject", "split", "text", "text_b", "label")
    rows = [{key: getattr(example, key) for key in keys} for example in examples]
    lines = (GOLDEN / "out/examples.jsonl").read_text(encoding="utf-8").split("\n")
    assert rows == [json.loads(line) for line in lines if line]
    assert all(example.document == example.subject for example in examples)


def test_pairs_without_agreement_and_premises_of_a_later_split_are_counted():
    _, log = examples_of(GOLDEN / "in")
    assert log.filters == [
        ("train-gold-label-agreed-on", 4, 1),
        ("validation-gold-label-agreed-on", 2, 0),
        ("test-gold-label-agreed-on", 1, 0),
        ("train-premise-in-no-later-split", 3, 1),
        ("validation-premise-in-no-later-split", 2, 0),
        ("test-premise-in-no-later-split", 1, 0),
    ]
    assert log.anomalies == [("mli_train_v1.jsonl", 5, "premise-in-a-later-split")]


def test_pairs_are_counted_beside_the_published_numbers():
    _, log = examples_of(GOLDEN / "in")
    assert log.expected == [
        ("pairs in train", 11_232, 5, "V", None),
        ("pairs in validation", 1_395, 2, "V", None),
        ("pairs in test", 1_422, 1, "V", None),
    ]


def test_paper_mode_leaves_the_second_sentence_out_and_every_pair_in():
    examples, log = examples_of(GOLDEN / "in", mode="paper")
    assert [example.example for example in examples] == ["a1", "a2", "a3", "a4", "b1", "b2", "c1"]
    assert all(example.text_b is None for example in examples)
    assert log.anomalies == [("mli_train_v1.jsonl", 5, "premise-in-a-later-split")]


def test_a_dataset_built_from_the_invented_archive_holds_both_sentences(tmp_path):
    best = MedNli().synthesize(tmp_path / "mednli", num_patients=60, seed=2)["best_accuracy"]
    dataset = build_task(mednli.MedNli(), "mednli", tmp_path, tmp_path / "out")
    card = dataset.card
    assert (card.kind, card.labels, card.split.method, card.split.shared_subjects) == ("pairs", LABELS, "official", 0)
    assert [card.counts[split].examples for split in ("train", "validation", "test")] == [144, 18, 18]
    assert card.counts["train"].labels == dict.fromkeys(LABELS, 48)
    assert card.anomalies == ()
    assert "ZQX" not in card.model_dump_json()
    assert all(example.text_b for example in dataset.examples("test"))
    assert 0.85 < best < 1


def test_a_premise_in_two_splits_stays_in_the_later_one(tmp_path):
    raw = with_a_crossing_premise(tmp_path)
    card = build_task(mednli.MedNli(), "mednli", raw, tmp_path / "out").card
    assert card.split.shared_subjects == 0
    assert [(one.line, one.code) for one in card.anomalies] == [(97, "premise-in-a-later-split")]
    assert card.counts["train"].examples == 96


def test_the_published_files_may_share_premises_and_the_card_says_how_many(tmp_path):
    raw = with_a_crossing_premise(tmp_path)
    card = build_task(configure(mednli.MedNli, "mednli", {}, "paper"), "mednli", raw, tmp_path / "out").card
    assert (card.kind, card.mode) == ("classification", "paper")
    assert (card.split.by, card.split.shared_subjects) == (None, 1)
    assert card.counts["train"].examples == 97


def test_the_task_is_registered_under_its_name():
    assert TASKS.get("mednli") is mednli.MedNli
