"""The tasks on open corpora, on a few lines written by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from clinpeft.errors import BadInput
from clinpeft.sources import chemprot, mts_dialog, mtsamples, rqe
from clinpeft.sources.base import RawFiles
from clinpeft.tasks._words import joined
from clinpeft.tasks.base import BuildLog, Span
from clinpeft.tasks.bc5cdr import Bc5Cdr
from clinpeft.tasks.chemprot_sentence import ChemProtSentence
from clinpeft.tasks.mts_dialog_sections import MtsDialogSections
from clinpeft.tasks.mtsamples_specialties import MtSamplesSpecialties, same_words
from clinpeft.tasks.rqe import Rqe, question_key


def test_words_are_joined_by_one_blank_and_found_at_their_offsets() -> None:
    assert joined(["µg", "of", "β"]) == ("µg of β", (0, 3, 6), (2, 5, 7))
    assert joined([]) == ("", (), ())


def test_bc5cdr_sentences_of_an_unknown_release_count_each_for_itself_and_the_log_says_so(tmp_path: Path) -> None:
    for name in ("train.tsv", "devel.tsv", "test.tsv"):
        (tmp_path / name).write_text("Aspirin\tB-Chemical\n.\tO\n\nPain\tB-Disease\n")
    log = BuildLog()
    first, second, *_ = Bc5Cdr().examples(RawFiles(tmp_path), log)
    assert (first.text, first.starts, first.ends, first.tags) == ("Aspirin .", (0, 8), (7, 9), ("B-Chemical", "O"))
    assert (first.subject, second.subject) == ("train-1", "train-2")
    assert [code for _, _, code in log.anomalies] == ["abstracts-unknown"] * 3


def write_dialogues(folder: Path, header: str) -> RawFiles:
    for name in mts_dialog.FILES.values():
        (folder / name).write_text(f"ID,section_header,section_text,dialogue\n0,{header},note,Doctor: Pain?\n")
    return RawFiles(folder)


def test_conversations_of_the_three_files_are_three_subjects_though_their_ids_are_equal(tmp_path: Path) -> None:
    examples = list(MtsDialogSections().examples(write_dialogues(tmp_path, "CC"), BuildLog()))
    assert [(example.subject, example.split, example.label) for example in examples] == [
        ("train-0", "train", "CC"),
        ("validation-0", "validation", "CC"),
        ("test-0", "test", "CC"),
    ]


def test_an_unknown_section_header_is_refused_without_naming_it(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="line 2: column 'section_header' holds none of the 20") as caught:
        list(MtsDialogSections().examples(write_dialogues(tmp_path, "SECRET"), BuildLog()))
    assert "SECRET" not in str(caught.value)


def test_specialties_with_few_notes_go_and_notes_left_without_any_go_with_them(tmp_path: Path) -> None:
    knee, ear, foot = ("The knee is swollen since May.", "The ear is red and painful.", "The foot is cold and pale.")
    rows = [(knee, "Surgery"), (knee, "Orthopedic"), (ear, "ENT"), (foot, "Surgery")]
    table = "".join(f"{number},d,{specialty},n,{text},k\n" for number, (text, specialty) in enumerate(rows))
    (tmp_path / mtsamples.TABLE).write_text(
        f",description,medical_specialty,sample_name,transcription,keywords\n{table}"
    )
    log = BuildLog()
    examples = list(MtSamplesSpecialties(min_notes=2).examples(RawFiles(tmp_path), log))
    assert [(example.document, example.labels, example.split) for example in examples] == [
        ("1", ("Surgery",), None),
        ("4", ("Surgery",), None),
    ]
    assert log.filters == [("specialty-with-2-notes", 2, 1)]


def test_notes_with_the_same_words_are_one_subject() -> None:
    assert same_words("PLAN: , Rest.") == same_words("plan:  rest") != same_words("Plan: test.")


def test_a_training_sentence_that_test_holds_leaves_train(tmp_path: Path) -> None:
    def line(text: str, label: str = "AGONIST") -> str:
        return json.dumps({"text": text, "label": label}) + "\n"

    (tmp_path / chemprot.FILES["train"]).write_text(line("<< a >> hits [[ b ]].") + line("<< c >> hits [[ d ]]."))
    (tmp_path / chemprot.FILES["validation"]).write_text(line("[[ e ]] hits << f >>."))
    (tmp_path / chemprot.FILES["test"]).write_text(line("a << hits >> [[ b ]]."))
    log = BuildLog()
    examples = list(ChemProtSentence().examples(RawFiles(tmp_path), log))
    assert [(example.example, example.text) for example in examples] == [
        ("train-2", "c hits d."),
        ("validation-1", "e hits f."),
        ("test-1", "a hits b."),
    ]
    assert (examples[1].head, examples[1].tail) == (Span(7, 8, "Entity1"), Span(0, 1, "Entity2"))
    assert log.filters == [("train-sentence-not-in-validation-or-test", 1, 1)]


def test_an_unknown_relation_is_refused_without_naming_it(tmp_path: Path) -> None:
    for split, name in chemprot.FILES.items():
        (tmp_path / name).write_text(json.dumps({"text": f"<< {split} >> [[ b ]]", "label": "SECRET"}) + "\n")
    with pytest.raises(BadInput, match=r"train\.jsonl: line 1: key 'label' holds none of the 13") as caught:
        list(ChemProtSentence().examples(RawFiles(tmp_path), BuildLog()))
    assert "SECRET" not in str(caught.value)


def test_all_pairs_of_a_question_fall_into_one_split_and_incomplete_pairs_are_noted(tmp_path: Path) -> None:
    def pair(number: int, chq: str, faq: str, value: str) -> str:
        return f'<pair pid="{number}" value="{value}"><chq>{chq}</chq><faq>{faq}</faq></pair>\n'

    train = "".join(pair(2 * n, f"Is {n} high?", f"{n}?", "true") for n in range(50))
    train += "".join(pair(2 * n + 1, f"is  {n} HIGH?", "Other?", "false") for n in range(50))
    train += pair(100, "Why?", " ", "true") + pair(101, "How?", "how?", "false")
    (tmp_path / rqe.TRAIN).write_text(f"<a>{train}</a>")
    (tmp_path / rqe.TEST).write_text(f"<a>{pair(0, 'May I?', 'Can I?', 'true')}</a>")
    log = BuildLog()
    examples = list(Rqe().examples(RawFiles(tmp_path), log))
    splits: dict[str, set[str | None]] = {}
    for example in examples:
        splits.setdefault(example.subject, set()).add(example.split)
    assert all(len(found) == 1 for found in splits.values())
    assert {split for found in splits.values() for split in found} == {"train", "validation", "test"}
    assert splits[question_key("May I?")] == {"test"}
    assert [code for _, _, code in log.anomalies] == ["empty-question", "equal-questions-not-entailed"]
    assert log.filters == [("both-questions-in-train", 101, 1), ("both-questions-in-test", 1, 0)]
    assert [(example.text_b, example.label) for example in examples[-2:]] == [
        ("how?", "not-entailed"),
        ("Can I?", "entailed"),
    ]
