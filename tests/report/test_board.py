"""The board's PDF: four pages whatever there is to say, the report's own numbers, hostile words as text."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from clinpeft.report.render import write_report

PDFTOTEXT = shutil.which("pdftotext")


def columns(num: int = 120) -> dict[str, list[Any]]:
    generator = np.random.default_rng(0)
    probability = generator.random(num)
    return {
        "example": [f"e{number}" for number in range(num)],
        "subject": [f"s{number}" for number in range(num)],
        "group_sex": ["F", "M"] * (num // 2),
        "truncated": [False] * num,
        "score_0": (1 - probability).tolist(),
        "score_1": probability.tolist(),
        "label": ["yes" if one else "no" for one in generator.random(num) < probability],
    }


@pytest.fixture
def ready(folder: Any) -> Any:
    folder.predictions(folder.run("small", "lora", value=0.85, thresholds={"yes": 0.4}), columns())
    folder.run("none", "tfidf-logistic", 0, value=0.7, arm=0.01)
    return folder


def board(folder: Any, **options: Any) -> bytes:
    out = folder.root / "report"
    write_report([folder.root], out, for_board=True, **options)
    (path,) = out.glob("board-*.pdf")
    return path.read_bytes()


def num_pages(pdf: bytes) -> int:
    return pdf.count(b"/Type /Page\n") or pdf.count(b"/Type /Page ")


def words(pdf: bytes, tmp_path: Path) -> str:
    path = tmp_path / "board.pdf"
    path.write_bytes(pdf)
    on_paper = ["-x", "0", "-y", "0", "-W", "595", "-H", "800"]
    command = [str(PDFTOTEXT), "-raw", *on_paper, str(path), "-"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    return " ".join(text.split())


def test_there_are_four_pages(ready: Any) -> None:
    assert num_pages(board(ready)) == 4


@pytest.mark.skipif(PDFTOTEXT is None, reason="pdftotext is not installed")
def test_there_are_four_pages_however_much_there_is_to_say(new_study: Any, tmp_path: Path) -> None:
    labels = [f"diagnosis number {number}" for number in range(40)]
    long = "A long warning that goes on. " * 100
    folder = new_study(question=long)
    counts = {
        split: {"examples": 4000, "subjects": 4000, "documents": 4000, "labels": dict.fromkeys(labels, 100)}
        for split in ("train", "validation", "test")
    }
    folder.card(labels=labels, positive=None, counts=counts, terms=[long] * 3)
    for number in range(30):
        folder.run(f"model-with-a-rather-long-name-{number}", value=0.7 + number / 200)
    pdf = board(folder)

    assert num_pages(pdf) == 4
    # The ends of the pages, which would lie below the paper were nothing shrunk.
    assert "differences are judged with that in mind" in words(pdf, tmp_path)
    assert "What was left out or may distort • Equal texts across splits: 3" in words(pdf, tmp_path)


@pytest.mark.parametrize("is_failed", [True, False])
def test_there_are_four_pages_when_there_is_little(new_study: Any, is_failed: bool) -> None:
    folder = new_study()
    if is_failed:
        folder.failed("small", "lora", 1, "failed", "bug", "index out of range")
    else:
        folder.run()

    assert num_pages(board(folder)) == 4


def test_the_same_records_give_the_same_bytes(ready: Any) -> None:
    assert board(ready) == board(ready)


@pytest.mark.skipif(PDFTOTEXT is None, reason="pdftotext is not installed")
def test_it_tells_choice_data_calibration_threshold_subgroups_and_limits(ready: Any, tmp_path: Path) -> None:
    text = words(board(ready, alert_rate=0.2, prevalence=0.03), tmp_path)

    for told in (
        "For ward-notes take small with lora: auroc 0.850 [0.800, 0.900]",
        "small with lora (recommended)",
        "TF-IDF + logistic regression (runner-up)",
        "each subject stays on one side",
        "at most 20 % flagged",
        "prevalence 3 %",
        "Slope (1 is right)",
        "sex: F",
        "One seed only",
        "TF-IDF + logistic",
    ):
        assert told in text


@pytest.mark.skipif(PDFTOTEXT is None, reason="pdftotext is not installed")
def test_hostile_words_are_shown_as_text(new_study: Any, tmp_path: Path) -> None:
    folder = new_study(question='<b>bold</b> & <font size="90">large</font> \u4e2d')
    folder.card(terms=["<a href='x'>terms</a>"])
    folder.run()

    text = words(board(folder), tmp_path)

    assert '<b>bold</b> & <font size="90">large</font> ?' in text
    assert "<a href='x'>terms</a>" in text


@pytest.mark.skipif(PDFTOTEXT is None, reason="pdftotext is not installed")
def test_warnings_of_another_task_are_left_to_its_own_paper(new_study: Any, tmp_path: Path) -> None:
    folder = new_study(tasks=["ward-notes", "rqe"], seeds=[1])
    folder.card("rqe", mode="paper", contamination=[{"model": "small", "source": "mimic3"}])
    folder.card()
    folder.run(task="rqe")
    folder.run()
    write_report([folder.root], folder.root / "report", for_board=True)
    told = {
        name: words((folder.root / "report" / f"board-{name}.pdf").read_bytes(), tmp_path)
        for name in ("rqe", "ward-notes")
    }

    assert "rqe: small was pre-trained on text of mimic3" in told["rqe"]
    assert "rqe: small" not in told["ward-notes"]
    assert "One seed only" in told["ward-notes"]


def test_without_reportlab_it_is_refused_with_the_remedy_and_nothing_is_written(
    ready: Any, clinpeft: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "reportlab", None)

    said = clinpeft("report", ready.root, "--for", "board")

    assert (said.code, "pip install 'clinpeft[board]'" in said.err) == (2, True)
    assert not (ready.root / "report").exists()


def test_an_audience_that_nobody_knows_is_refused(ready: Any, clinpeft: Any) -> None:
    assert clinpeft("report", ready.root, "--for", "everybody").code == 2


@pytest.mark.skipif(PDFTOTEXT is None, reason="pdftotext is not installed")
def test_only_what_dropped_something_and_models_of_the_study_are_told_of_the_data(ready: Any, tmp_path: Path) -> None:
    ready.card(
        filters=[
            {"step": "with-text", "kept": 464, "dropped": 0},
            {"step": "adults", "kept": 450, "dropped": 14},
            {"step": "counted-only: died, mentions 'hospice'", "kept": 2, "dropped": 136},
        ],
        contamination=[{"model": "small", "source": "mimic3"}, {"model": "elsewhere", "source": "mimic3"}],
    )
    text = words(board(ready), tmp_path)

    assert "adults: 450 kept, 14 dropped." in text
    assert "small was pre-trained on text of mimic3." in text
    assert not any(word in text for word in ("hospice", "with-text", "elsewhere"))


@pytest.mark.skipif(PDFTOTEXT is None, reason="pdftotext is not installed")
def test_a_baselines_calibration_is_not_held_against_the_choice(folder: Any, tmp_path: Path) -> None:
    extreme = columns()
    odds = [(one / (1 - one)) ** 4 for one in extreme["score_1"]]
    extreme["score_1"] = [one / (1 + one) for one in odds]
    extreme["score_0"] = [1 - one for one in extreme["score_1"]]
    folder.predictions(folder.run("small", "lora", value=0.9, arm=0.01, thresholds={"yes": 0.4}), columns())
    folder.predictions(folder.run("none", "tfidf-logistic", 0, value=0.7, arm=0.01, thresholds={"yes": 0.4}), extreme)

    assert "taken at their word" not in words(board(folder), tmp_path)
