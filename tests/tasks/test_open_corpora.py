"""The tasks on open corpora, on the corpora themselves: exact counts, true spans, subjects on one side."""

from __future__ import annotations

import json
from collections import Counter
from functools import cache
from pathlib import Path

import pytest

from clinpeft.data.checks import labels_of, problem_of
from clinpeft.data.spans import spans_from_tags
from clinpeft.data.split import split_by_hash
from clinpeft.metrics.base import METRICS
from clinpeft.sources.base import SOURCES, RawFiles
from clinpeft.sources.bc5cdr_pubtator import FILES, read_abstracts
from clinpeft.spec import Kind
from clinpeft.tasks.base import TASKS, BuildLog, Example

DATA = Path(__file__).resolve().parents[2].parent / "shared" / "data"
pytestmark = pytest.mark.skipif(not DATA.is_dir(), reason="the open corpora are not beside this checkout")

EXAMPLES = {
    "mts-dialog-sections": (1201, 100, 200),
    "mtsamples-specialties": (1613, 216, 489),
    "ncbi-disease": (5432, 923, 940),
    "bc5cdr": (4560, 4581, 4797),
    "bc5cdr-cid": (4339, 4343, 4365),
    "chemprot-sentence": (4165, 2427, 3469),
    "rqe": (7759, 828, 302),
}
SUBJECTS = {
    "mts-dialog-sections": (1201, 100, 200),
    "mtsamples-specialties": (1612, 216, 489),
    "ncbi-disease": (592, 100, 100),
    "bc5cdr": (500, 500, 500),
    "bc5cdr-cid": (500, 499, 498),
    "chemprot-sentence": (1652, 910, 1397),
    "rqe": (4188, 450, 118),
}
LABELS = {
    "mts-dialog-sections": {
        "ALLERGY": (60, 4, 12),
        "ASSESSMENT": (34, 4, 11),
        "CC": (77, 4, 11),
        "DIAGNOSIS": (19, 1, 1),
        "DISPOSITION": (15, 2, 1),
        "EDCOURSE": (8, 3, 4),
        "EXAM": (23, 1, 5),
        "FAM/SOCHX": (351, 22, 45),
        "GENHX": (282, 20, 53),
        "GYNHX": (5, 1, 1),
        "IMAGING": (6, 1, 1),
        "IMMUNIZATIONS": (8, 1, 1),
        "LABS": (2, 1, 1),
        "MEDICATIONS": (54, 7, 10),
        "OTHER_HISTORY": (2, 1, 3),
        "PASTMEDICALHX": (118, 4, 14),
        "PASTSURGICAL": (63, 8, 7),
        "PLAN": (11, 3, 1),
        "PROCEDURES": (3, 1, 1),
        "ROS": (60, 11, 17),
    },
    "mtsamples-specialties": {
        "Cardiovascular / Pulmonary": (260, 26, 84),
        "Consult - History and Phy.": (344, 61, 110),
        "Discharge Summary": (74, 14, 20),
        "ENT - Otolaryngology": (71, 10, 15),
        "Emergency Room Reports": (44, 12, 19),
        "Gastroenterology": (168, 12, 43),
        "General Medicine": (173, 33, 52),
        "Hematology - Oncology": (56, 12, 22),
        "Nephrology": (56, 7, 18),
        "Neurology": (156, 19, 48),
        "Neurosurgery": (72, 7, 15),
        "Obstetrics / Gynecology": (97, 20, 38),
        "Ophthalmology": (58, 5, 20),
        "Orthopedic": (240, 40, 72),
        "Pain Management": (36, 5, 17),
        "Pediatrics - Neonatal": (49, 11, 10),
        "Psychiatry / Psychology": (37, 4, 12),
        "Radiology": (192, 16, 64),
        "SOAP / Chart / Progress Notes": (108, 19, 38),
        "Surgery": (790, 90, 207),
        "Urology": (112, 16, 27),
    },
    "ncbi-disease": {"Disease": (5145, 787, 960)},
    "bc5cdr": {"Chemical": (5203, 5347, 5385), "Disease": (4182, 4246, 4424)},
    "bc5cdr-cid": {"CID": (986, 950, 1000), "none": (3353, 3393, 3365)},
    "chemprot-sentence": {
        "ACTIVATOR": (323, 257, 292),
        "AGONIST": (156, 111, 182),
        "AGONIST-ACTIVATOR": (10, 5, 4),
        "AGONIST-INHIBITOR": (4, 0, 12),
        "ANTAGONIST": (235, 199, 293),
        "DOWNREGULATOR": (131, 21, 72),
        "INDIRECT-DOWNREGULATOR": (484, 270, 340),
        "INDIRECT-UPREGULATOR": (386, 278, 334),
        "INHIBITOR": (1642, 812, 1255),
        "PRODUCT-OF": (233, 130, 191),
        "SUBSTRATE": (480, 322, 453),
        "SUBSTRATE_PRODUCT-OF": (14, 5, 0),
        "UPREGULATOR": (67, 17, 41),
    },
    "rqe": {"not-entailed": (3556, 377, 173), "entailed": (4203, 451, 129)},
}
TASK_NAMES = list(EXAMPLES)


@cache
def built(name: str) -> tuple[dict[str, list[Example]], BuildLog]:
    """The examples of a task by split, as the hash puts them where there is no official one."""
    task = TASKS.get(name)()
    root = SOURCES.get(task.source)().find(DATA)
    assert root is not None and root.parent == DATA
    log, splits = BuildLog(), {"train": [], "validation": [], "test": []}
    for example in task.examples(RawFiles(root), log):
        splits[example.split or split_by_hash(task.source, example.subject)].append(example)
    return splits, log


def labels_in(example: Example, kind: Kind) -> tuple[str, ...]:
    if kind == "entities":
        return tuple(span.label for span in spans_from_tags(example.starts, example.ends, example.tags))
    return labels_of(example, kind)


@pytest.mark.parametrize("name", TASK_NAMES)
def test_every_split_has_its_number_of_examples_and_subjects(name: str) -> None:
    splits, _ = built(name)
    assert tuple(len(found) for found in splits.values()) == EXAMPLES[name]
    assert tuple(len({example.subject for example in found}) for found in splits.values()) == SUBJECTS[name]


@pytest.mark.parametrize("name", TASK_NAMES)
def test_every_label_has_its_number_in_every_split(name: str) -> None:
    splits, _ = built(name)
    kind = TASKS.get(name).kind
    counts = [Counter(label for example in found for label in labels_in(example, kind)) for found in splits.values()]
    assert {label: tuple(count[label] for count in counts) for label in LABELS[name]} == LABELS[name]
    assert {label for count in counts for label in count} == set(LABELS[name])


@pytest.mark.parametrize("name", TASK_NAMES)
def test_no_subject_stands_in_two_splits(name: str) -> None:
    splits, _ = built(name)
    subjects = [{example.subject for example in found} for found in splits.values()]
    assert len(set().union(*subjects)) == sum(map(len, subjects))


@pytest.mark.parametrize("name", TASK_NAMES)
def test_every_example_keeps_the_rules_of_its_kind(name: str) -> None:
    splits, _ = built(name)
    task = TASKS.get(name)
    examples = [example for found in splits.values() for example in found]
    assert {problem_of(example, task.kind, task.labels) for example in examples} == {None}
    assert len({example.example for example in examples}) == len(examples)
    assert all(example.text == example.text.strip() != "" for example in examples)


@pytest.mark.parametrize("name", ["ncbi-disease", "bc5cdr"])
def test_every_word_stands_at_its_offsets(name: str) -> None:
    splits, _ = built(name)
    for example in (example for found in splits.values() for example in found):
        places = zip(example.starts, example.ends, strict=True)
        assert tuple(example.text[start:end] for start, end in places) == example.tokens


def test_every_marked_place_of_chemprot_is_what_the_file_marks() -> None:
    splits, _ = built("chemprot-sentence")
    for file, split in (("train", "train"), ("dev", "validation"), ("test", "test")):
        lines = (DATA / f"chemprot_sentence/{file}.jsonl").read_text(encoding="utf-8").split("\n")
        for example in splits[split]:
            head, tail = example.head, example.tail
            assert head is not None and tail is not None
            marked = json.loads(lines[int(example.example.rpartition("-")[2]) - 1])["text"]
            assert f"<< {example.text[head.start : head.end]} >>" in marked
            assert f"[[ {example.text[tail.start : tail.end]} ]]" in marked


def test_every_marked_place_of_bc5cdr_cid_is_a_mention_of_its_concept() -> None:
    splits, _ = built("bc5cdr-cid")
    for split in FILES:
        mentions = {
            (abstract.id, mention.label, concept, abstract.text[mention.start : mention.end])
            for abstract in read_abstracts(RawFiles(DATA / "bc5cdr_cid_re"), split)
            for mention in abstract.mentions
            for concept in mention.concepts
        }
        for example in splits[split]:
            pmid, chemical, disease = example.example.split("-")
            for span, concept in ((example.head, chemical), (example.tail, disease)):
                assert span is not None
                assert (pmid, span.label, concept, example.text[span.start : span.end]) in mentions


@pytest.mark.parametrize("name", TASK_NAMES)
def test_published_counts_are_met_or_known_to_differ(name: str) -> None:
    _, log = built(name)
    assert log.expected
    differing = {what: got - published for what, published, got, _, _ in log.expected if got != published}
    assert differing == ({"Disease mentions": 2} if name == "bc5cdr" else {})


def test_what_is_left_out_is_counted() -> None:
    assert built("mtsamples-specialties")[1].filters == [("specialty-with-50-notes", 2318, 32)]
    assert built("chemprot-sentence")[1].filters == [("train-sentence-not-in-validation-or-test", 4165, 4)]
    assert built("rqe")[1].filters == [("both-questions-in-train", 8587, 1), ("both-questions-in-test", 302, 0)]
    assert built("bc5cdr-cid")[1].filters == [
        ("train-CID-within-3-sentences", 986, 52),
        ("train-none-within-3-sentences", 3353, 1041),
        ("validation-CID-within-3-sentences", 950, 62),
        ("validation-none-within-3-sentences", 3393, 856),
        ("test-CID-within-3-sentences", 1000, 66),
        ("test-none-within-3-sentences", 3365, 974),
    ]


def test_oddities_of_the_files_are_noted_by_line() -> None:
    assert {name: built(name)[1].anomalies for name in TASK_NAMES if built(name)[1].anomalies} == {
        "rqe": [
            ("RQE_Train_8588_AMIA2016.xml", 755, "equal-questions-not-entailed"),
            ("RQE_Train_8588_AMIA2016.xml", 46875, "empty-question"),
        ]
    }


@pytest.mark.parametrize("name", TASK_NAMES)
def test_the_headline_metric_is_one_for_the_kind(name: str) -> None:
    task = TASKS.get(name)
    assert task.kind in METRICS.get(task.metric).kinds
