"""What the report warns of."""

from __future__ import annotations

from typing import Any

import pytest

from clinpeft.report.aggregate import aggregate, load
from clinpeft.runs.journal import Journal
from clinpeft.runs.late_limits import note_limits
from clinpeft.spec import Select

COUNTS = {
    split: {"examples": n, "subjects": n, "documents": n, "labels": {}}
    for split, n in (("train", 900), ("validation", 100), ("test", 100))
}


def warnings_of(*folders: Any) -> str:
    return "\n".join(aggregate(load([folder.root for folder in folders])).warnings)


def test_a_complete_study_of_two_seeds_warns_of_nothing(new_study: Any) -> None:
    folder = new_study(models=["small"], methods=["lora"])
    folder.card()
    for seed in (1, 2):
        folder.run(seed=seed)

    assert warnings_of(folder) == ""


def test_examples_without_patients_are_warned_of_first(folder: Any) -> None:
    folder.card(split={"method": "user", "by": None, "shared_subjects": 0})
    folder.run()

    assert warnings_of(folder).startswith("ward-notes: the examples carry no patient identifier")


def test_subjects_in_two_splits_are_counted(folder: Any) -> None:
    folder.card(split={"method": "user", "by": "subject", "shared_subjects": 4})
    folder.run()

    assert "4 subjects stand in more than one split. Scores are probably too good" in warnings_of(folder)


def test_a_published_split_that_parts_rows_is_warned_of_by_the_subjects_it_shares(folder: Any) -> None:
    folder.card(split={"method": "paper", "by": None, "shared_subjects": 12})
    folder.run()

    found = warnings_of(folder)

    assert found.startswith("ward-notes: 12 subjects stand in more than one split, as in the published pipeline.")
    assert "no patient identifier" not in found


def test_a_published_split_that_happens_to_share_nobody_is_not_said_to_lack_patients(folder: Any) -> None:
    folder.card(split={"method": "paper", "by": None, "shared_subjects": 0})
    folder.run()

    assert "patient identifier" not in warnings_of(folder)


def test_texts_written_after_the_outcome_are_warned_of_first(folder: Any) -> None:
    folder.card(options={"text": "full", "allow_hindsight": True})
    folder.run()

    assert warnings_of(folder).startswith("ward-notes: the texts were written when the outcome was known, and tell it")


def test_entities_that_are_counted_over_word_pieces_are_warned_of(folder: Any) -> None:
    folder.card(kind="entities", labels=["drug"], positive=None, metric="entity-f1", options={"scoring": "pieces"})
    folder.run(kind="entities")

    assert warnings_of(folder).startswith("ward-notes: entities are counted over word pieces")


@pytest.mark.parametrize("options", [{"text": "full"}, {"text": "admission", "allow_hindsight": True}])
def test_texts_of_a_task_that_foretells_nothing_or_reads_admission_notes_are_not(
    folder: Any, options: dict[str, Any]
) -> None:
    folder.card(options=options)
    folder.run()

    assert "outcome" not in warnings_of(folder)


@pytest.mark.parametrize(("number", "is_warned"), [(29, True), (30, False)])
def test_intervals_from_few_subjects_are_warned_of(folder: Any, number: int, is_warned: bool) -> None:
    folder.run(scores={"auroc": {"value": 0.8, "low": 0.7, "high": 0.9, "num_subjects": number}})

    assert ("ward-notes: scored on fewer than 30 subjects." in warnings_of(folder)) == is_warned


def test_with_folds_the_subjects_of_all_of_them_count(folder: Any) -> None:
    folder.card(counts=COUNTS, split={"method": "user", "by": "subject", "shared_subjects": 0, "folds": 5})
    folder.run(fold=0, scores={"auroc": {"value": 0.8, "low": 0.7, "high": 0.9, "num_subjects": 20}})

    assert "fewer than 30 subjects" not in warnings_of(folder)


def test_one_seed_is_warned_of(folder: Any) -> None:
    folder.run()

    assert "One seed only" in warnings_of(folder)


def test_a_baselines_single_seed_is_not(folder: Any) -> None:
    folder.run("none", "majority", 0)

    assert "One seed only" not in warnings_of(folder)


def test_failed_runs_are_counted_by_status(folder: Any) -> None:
    folder.run(seed=1)
    folder.failed("small", "lora", 2, "diverged", "diverged", "the loss became infinite")
    folder.failed("large", "lora", 1, "out_of_memory", "oom_host", "8 GB were free")

    assert "2 of 3 runs did not succeed (1 diverged, 1 out of memory)" in warnings_of(folder)


def test_runs_that_the_study_asks_for_and_nobody_made_are_named(folder: Any) -> None:
    folder.run("small", "lora", 1)

    found = warnings_of(folder)

    # 2 models × 2 methods × 2 seeds, one of them made.
    assert "7 of the 8 runs that demo asks for have no record" in found
    assert "ward-notes · large · full" in found


def test_test_labels_opened_twice_are_warned_of(folder: Any) -> None:
    folder.run(test=0.7, opened=2)

    assert "The test labels of demo were opened 2 times." in warnings_of(folder)


def test_an_opening_that_only_the_journal_knows_counts(folder: Any) -> None:
    folder.run(test=0.7, opened=1)
    journal = Journal(folder.root / "journal.jsonl")
    for _ in range(3):
        journal.append("test_opened", worker="someone")

    assert "The test labels of demo were opened 3 times." in warnings_of(folder)
    assert aggregate(load([folder.root])).study.times_opened == 3


def test_limits_given_afterwards_are_warned_of(folder: Any) -> None:
    folder.run()
    note_limits(folder.root, Select(), {"train_seconds": 60, "peak_host_bytes": 8e9})
    note_limits(folder.root, Select(), {"train_seconds": 60})

    assert "limits that the study does not state: peak memory at most 8 GB and training time at most 1 min." in (
        warnings_of(folder)
    )


def test_test_labels_opened_once_are_not(folder: Any) -> None:
    folder.run(test=0.7)

    assert "opened" not in warnings_of(folder)


def test_a_changed_selection_rule_is_warned_of(folder: Any) -> None:
    folder.write_study("study-00000000.yaml", select={"limits": {"train_seconds": 5}})

    assert "The selection rule of demo is not the one it started with." in warnings_of(folder)


def test_merged_studies_with_different_rules_are_warned_of(new_study: Any) -> None:
    first, second = new_study("a"), new_study("b", select={"rule": "best"})

    assert "different selection rules; the one of demo is used" in warnings_of(first, second)


def test_paper_mode_is_warned_of(folder: Any) -> None:
    folder.card(mode="paper")
    folder.run()

    assert "ward-notes: made in paper mode" in warnings_of(folder)


def test_cross_validation_for_want_of_subjects_is_told(folder: Any) -> None:
    folder.card(counts=COUNTS, split={"method": "user", "by": "subject", "shared_subjects": 0, "folds": 5})
    folder.run(fold=0)

    assert "only 900 subjects to train on, so the validation scores come from 5-fold cross-validation" in (
        warnings_of(folder)
    )


@pytest.mark.parametrize(("cut", "is_warned"), [(5, False), (6, True)])
def test_more_than_one_text_in_twenty_cut_off_is_warned_of(folder: Any, cut: int, is_warned: bool) -> None:
    folder.card(counts=COUNTS)
    folder.run(truncated={"train": {"examples": 9, "labels": 0}, "validation": {"examples": cut, "labels": 0}})

    assert ("up to 6 % of a split's texts are longer than the 512 word pieces" in warnings_of(folder)) == is_warned


def test_the_warning_says_what_was_read_where_that_is_not_the_start(folder: Any) -> None:
    folder.card(counts=COUNTS)
    folder.run(truncated={"validation": {"examples": 50, "labels": 0}}, train={"long_text": "sections"})

    assert "longer than the 512 word pieces (sections) that" in warnings_of(folder)


def test_with_folds_the_cut_off_share_is_of_all_training_examples(folder: Any) -> None:
    folder.card(counts=COUNTS, split={"method": "user", "by": "subject", "shared_subjects": 0, "folds": 5})
    truncated = {"train": {"examples": 60, "labels": 0}, "validation": {"examples": 30, "labels": 0}}
    folder.run(fold=0, truncated=truncated)

    assert "up to 10 % of a split's texts" in warnings_of(folder)


def test_a_model_that_saw_the_source_is_named(folder: Any) -> None:
    folder.card(contamination=[{"model": "large", "source": "mimic3"}, {"model": "elsewhere", "source": "x"}])
    folder.run("large")

    found = warnings_of(folder)

    assert "ward-notes: large was pre-trained on text of mimic3" in found
    assert "elsewhere" not in found


def test_a_metric_of_a_missing_plugin_is_named(folder: Any) -> None:
    folder.run(scores={"triage-score": {"value": 0.7, "num_subjects": 9}})

    assert "No metric here is called triage-score" in warnings_of(folder)
