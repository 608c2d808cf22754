from __future__ import annotations

from pathlib import Path

import pytest

from clinpeft.data.look import TableLook, look, starter_study
from clinpeft.data.own import import_task
from clinpeft.errors import BadInput
from clinpeft.spec import Study


def write(folder: Path, rows: int = 60, columns: str = "mrn,ward,note,died", **change: str) -> Path:
    """A table of two visits a patient; notes of 6 words, the first of 600, the last two equal."""
    lines = [columns]
    for row in range(rows):
        note = "word " * 600 if row == 0 else f"a note of number {row - (row == rows - 1)} only"
        lines.append(f"m{row // 2},w{row},{note.strip()},{'no' if row % 3 else 'yes'}")
    path = folder / change.get("name", "visits.csv")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n")
    return path


def test_a_look_counts_rows_subjects_classes_lengths_copies_and_long_texts(tmp_path: Path) -> None:
    seen = look(write(tmp_path))

    assert (seen.text, seen.label, seen.subject) == ("note", "died", "mrn")
    assert (seen.rows, seen.subjects) == (60, 30)
    assert seen.classes == {"no": 40, "yes": 20}
    assert (seen.words.p50, seen.words.p95, seen.words.max) == (6, 6, 600)
    assert seen.duplicates == 1
    assert seen.long_share == pytest.approx(1 / 60)


def test_given_columns_win_over_guesses(tmp_path: Path) -> None:
    seen = look(write(tmp_path), text="note", label="died", subject="ward")

    assert seen.subjects == 60
    assert look(write(tmp_path), subject="none").subject is None


def test_two_long_columns_are_ambiguous_and_both_are_named(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b,label\n" + "Zqx long note,Zqx other note,1\nZqx long note,Zqx other,0\n" * 9)

    with pytest.raises(BadInput, match=r"several columns could be the text \(a, b\); give --text") as caught:
        look(tmp_path / "t.csv")
    assert "Zqx" not in str(caught.value)


def test_two_columns_of_few_values_are_ambiguous_unless_one_is_called_label(tmp_path: Path) -> None:
    rows = [f"p{row},note number {row},{row % 2},{row % 3}" for row in range(30)]
    (tmp_path / "t.csv").write_text("patient_id,note,sex,died\n" + "\n".join(rows) + "\n")
    with pytest.raises(BadInput, match=r"several columns could be the label \(sex, died\)"):
        look(tmp_path / "t.csv")

    (tmp_path / "t.csv").write_text("patient_id,note,sex,Label\n" + "\n".join(rows) + "\n")
    assert look(tmp_path / "t.csv").label == "Label"


def test_two_columns_called_like_a_patient_are_ambiguous(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"several columns could be the subject \(mrn, patient_id\)"):
        look(write(tmp_path, columns="mrn,patient_id,note,died"))


def test_a_column_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"column 'Note' \(--text\): is not in the table; did you mean 'note'"):
        look(write(tmp_path), text="Note")


def test_a_text_column_given_as_label_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match="column 'ward': holds another class in every row"):
        look(write(tmp_path), label="ward")


def test_the_starter_study_is_a_study_that_imports(tmp_path: Path) -> None:
    path = write(tmp_path, name="data/visits.csv")
    (tmp_path / "studies").mkdir()
    text = starter_study(look(path), tmp_path / "studies")
    study = Study.from_yaml(text)

    task = study.tasks[0]
    assert task.files is not None and task.files.data == "../data/visits.csv"
    assert (task.text, task.label, task.subject, task.positive) == ("note", "died", "mrn", "yes")
    assert study.preset == "standard" and study.test == "sealed"
    assert "# 30 subjects: below 1,000" in text
    dataset = import_task(task, tmp_path / "studies", tmp_path / "out")
    assert dataset.card.split.folds == 5


def test_without_a_patient_column_the_study_says_none_and_warns(tmp_path: Path) -> None:
    text = starter_study(look(write(tmp_path), subject="none"), tmp_path)

    assert "subject: none" in text
    assert "same patient" in text or "one patient is in training and in test" in text
    assert Study.from_yaml(text).tasks[0].subject == "none"


def test_long_texts_raise_the_preset_length(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(
        "mrn,note,label\n" + "".join(f"m{row},{'word ' * 300}{row},{row % 2}\n" for row in range(30))
    )

    assert Study.from_yaml(starter_study(look(tmp_path / "t.csv"), tmp_path)).train.max_length == 512
    assert Study.from_yaml(starter_study(look(write(tmp_path)), tmp_path)).train.max_length == 256


def test_the_rarer_class_is_taken_for_positive_and_said_so(tmp_path: Path) -> None:
    rows = "".join(f"m{row},a note of words {row},{'home' if row % 4 else 'ward'}\n" for row in range(30))
    (tmp_path / "t.csv").write_text("mrn,note,to\n" + rows)
    text = starter_study(look(tmp_path / "t.csv"), tmp_path)

    assert 'positive: "ward"  # the class that counts as a case; the rarer one was taken: please check' in text


def test_a_thousand_subjects_need_no_folds(tmp_path: Path) -> None:
    text = starter_study(look(write(tmp_path, rows=2_000)), tmp_path)

    split = Study.from_yaml(text).tasks[0].split
    assert split is not None and split.folds == 0
    assert "# 1,000 subjects: one validation split is enough" in text


@pytest.mark.parametrize(
    "column", ["no", "a: b", "#x", 'say "hi"', "line\nbreak", "\u2028", "Größe", "🙂", "\x7f", "null"]
)
def test_any_column_name_survives_the_yaml(tmp_path: Path, column: str) -> None:
    seen = look(write(tmp_path))
    odd = TableLook(**{**seen.__dict__, "text": column, "classes": {column: 20, "x": 40}})

    task = Study.from_yaml(starter_study(odd, tmp_path)).tasks[0]
    assert task.text == column
    assert task.positive == column
