"""The closer look at what is recommended: from kept predictions, thresholds of validation, small groups hidden."""

from __future__ import annotations

import json
from collections.abc import Mapping
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from tests.report.conftest import figures

from clinpeft import api
from clinpeft.errors import BadInput
from clinpeft.frozen import parse_json
from clinpeft.record import RunRecord
from clinpeft.report.aggregate import aggregate, load
from clinpeft.report.configurations import configurations, selected
from clinpeft.report.evaluation import Evaluation, Judged, evaluate
from clinpeft.report.render import write_report

NUM = 300


def answers(seed: int, factor: float = 1.0) -> dict[str, list[Any]]:
    """300 patients, a third of them with the outcome, and a model that is too sure of itself by `factor`."""
    generator = np.random.default_rng(seed)
    logit = generator.normal(-0.8, 1.4, NUM)
    happened = generator.random(NUM) < 1 / (1 + np.exp(-logit))
    probability = (1 / (1 + np.exp(-factor * logit))).astype(np.float32).astype(float)
    return {
        "example": [f"e{number:03}" for number in range(NUM)],
        "subject": [f"s{number:03}" for number in range(NUM)],
        "group_sex": generator.choice(["F", "M"], NUM).tolist(),
        "group_site": ["small" if number < 9 else "north" if number < 150 else "south" for number in range(NUM)],
        "truncated": [False] * NUM,
        "score_0": (1 - probability).tolist(),
        "score_1": probability.tolist(),
        "label": ["yes" if one else "no" for one in happened],
    }


def open_test(folder: Any, record: RunRecord, columns: Mapping[str, Any]) -> None:
    pq.write_table(pa.table(dict(columns)), folder.root / "runs" / record.run / "predictions-test.parquet")


@pytest.fixture
def judged(folder: Any) -> Any:
    """A choice whose probabilities are too extreme, and the text baseline, both with kept predictions."""
    choice = folder.run("small", "lora", value=0.85, thresholds={"yes": 0.3})
    folder.predictions(choice, answers(1, factor=2.5))
    baseline = folder.run("none", "tfidf-logistic", 0, value=0.7, arm=0.01, thresholds={"yes": 0.4})
    folder.predictions(baseline, answers(2))
    return folder


def evaluation_of(folder: Any, **options: Any) -> Evaluation:
    loaded = load([folder.root])
    return evaluate(aggregate(loaded), configurations(selected(loaded, {})), **options)


def choice_of(folder: Any, **options: Any) -> Judged:
    (task,) = evaluation_of(folder, **options).tasks
    assert task.choice is not None
    return task.choice


class Words(HTMLParser):
    def __init__(self, text: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.feed(text)

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_the_choice_and_the_text_baseline_are_looked_at(judged: Any) -> None:
    (task,) = evaluation_of(judged).tasks

    assert [(item.role, item.model) for item in task.judged] == [("choice", "small"), ("runner_up", "none")]
    assert (task.choice.split, task.choice.num_subjects) == ("validation", NUM)


def test_overconfident_probabilities_are_told(judged: Any) -> None:
    (found,) = choice_of(judged).calibration

    assert found.slope.high < 0.7
    page = write_report([judged.root], judged.root / "report").read_text()
    assert "should not be taken at their word: small with lora, yes: slope 0." in page


def test_answers_are_those_at_the_threshold_of_the_record(judged: Any) -> None:
    (point,) = choice_of(judged).points
    columns = answers(1, factor=2.5)

    assert point.threshold == 0.3
    assert point.alert_rate.value == pytest.approx(np.mean(np.array(columns["score_1"]) >= 0.3))


def test_on_test_the_thresholds_are_still_those_of_validation(judged: Any) -> None:
    record = judged.run("small", "lora", value=0.85, thresholds={"yes": 0.3}, test=0.8)
    columns = answers(3, factor=2.5)
    open_test(judged, record, columns)

    choice = choice_of(judged, alert_rate=0.2)
    (chosen,), (rated,) = choice.points, choice.points_at_alert_rate

    assert choice.split == "test"
    assert chosen.threshold == 0.3
    on_test, on_validation = (np.array(item["score_1"]) for item in (columns, answers(1, factor=2.5)))
    assert np.mean(on_validation >= rated.threshold) <= 0.2 < np.mean(on_validation >= rated.threshold - 0.02)
    assert rated.alert_rate.value == pytest.approx(np.mean(on_test >= rated.threshold))


def test_a_sealed_test_split_is_not_looked_at(judged: Any) -> None:
    record = judged.run("small", "lora", value=0.85, thresholds={"yes": 0.3})
    open_test(judged, record, {name: item for name, item in answers(3).items() if name != "label"})

    assert choice_of(judged).split == "validation"


def test_a_group_of_nine_patients_is_hidden_everywhere(judged: Any) -> None:
    groups = {(group.column, group.value): group for group in choice_of(judged).subgroups}

    assert set(groups) == {("sex", "F"), ("sex", "M"), ("site", "north"), ("site", "small"), ("site", "south")}
    assert groups["site", "small"].num_subjects is None
    # North has 141 of the others' 291: hidden with it, or the total would give the nine away.
    assert groups["site", "north"].num_subjects is None
    assert groups["sex", "F"].difference.low < 0 < groups["sex", "F"].difference.high


def test_the_page_shows_plots_thresholds_subgroups_and_net_benefit(judged: Any) -> None:
    page = write_report([judged.root], judged.root / "report", prevalence=0.02).read_text()
    text = " ".join(" ".join(Words(page).words).split())

    calibration, recall, benefit = figures(page)[1:]
    assert [name["text"] for name in calibration["layout"]["annotations"]] == ["ideal"]
    assert [name["text"] for name in recall["layout"]["annotations"]] == ["guessing"]
    assert [name["text"] for name in benefit["layout"]["annotations"]] == ["treat everybody", "treat nobody"]
    assert "Measured on validation , where the thresholds were chosen" in text.replace("validation,", "validation ,")
    assert "at most 10 % flagged" in text
    assert "at prevalence 2 %" in text
    assert "site: small fewer than 11 subjects" in text
    assert "acting on the model is better than treating everybody or nobody at thresholds from" in text


def test_who_beats_whom_and_every_seed_stand_in_the_page(judged: Any) -> None:
    text = " ".join(Words(write_report([judged.root], judged.root / "report").read_text()).words)

    assert "Who beats whom" in text
    assert "Every seed" in text


def curve(folder: Any, record: RunRecord, *scores: float | None) -> None:
    points = [
        {"step": 10 * (place + 1), "train_seconds": 1.0 + place, "evaluate_seconds": 0.5, "score": score}
        for place, score in enumerate(scores)
    ]
    path = folder.root / "runs" / record.run / "curve.json"
    path.write_text(json.dumps({"schema": 1, "metric": "auroc", "points": points}))


def test_learning_curves_are_drawn_for_runs_that_keep_one(folder: Any) -> None:
    curve(folder, folder.run("small", "lora", value=0.85), 0.6, None, 0.8)
    curve(folder, folder.run("large", "lora", value=0.8), 0.7)
    folder.run("large", "full", value=0.7)
    page = write_report([folder.root], folder.root / "report").read_text()

    assert "<summary>Learning curves</summary>" in page
    # One line: a single point, or no curve at all, is not drawn. From step 10 to step 30, and nothing at 20.
    (line,) = figures(page)[-1]["data"]
    assert (line["x"], line["y"]) == ([10, 30], [0.6, 0.8])
    assert "small with lora" in page.split('class="plot wide"')[1].split(">")[0]


def test_the_file_is_read_back_as_it_was_written(judged: Any) -> None:
    write_report([judged.root], judged.root / "report", alert_rate=0.05)
    text = (judged.root / "report" / "evaluation.json").read_text()

    read = parse_json(Evaluation, text, "evaluation.json")
    assert read.alert_rate == 0.05
    assert json.loads(text)["schema"] == 1
    assert read == evaluation_of(judged, alert_rate=0.05)


def test_python_gives_what_the_file_holds(judged: Any) -> None:
    assert api.evaluation(judged.root, alert_rate=0.2) == evaluation_of(judged, alert_rate=0.2)


def test_without_kept_predictions_nothing_is_judged_and_the_page_stands(folder: Any) -> None:
    folder.run()

    (task,) = evaluation_of(folder).tasks
    assert (task.judged, task.choice) == ((), None)
    assert "A closer look at what" not in write_report([folder.root], folder.root / "report").read_text()


def test_entities_have_no_calibration_but_subgroups(folder: Any) -> None:
    folder.card(kind="entities", labels=["drug"], positive=None, metric="entity-f1")
    scores = {"entity-f1": {"value": 0.9, "low": 0.8, "high": 0.95, "num_subjects": 40}}
    record = folder.run(scores=scores, kind="entities")
    columns = {
        "example": [f"e{number}" for number in range(40)],
        "subject": [f"s{number}" for number in range(40)],
        "group_ward": ["a", "b"] * 20,
        "truncated": [False] * 40,
        "tags": [["B-drug", "O"]] * 40,
        "predicted": [["B-drug", "O"], ["O", "O"]] * 20,
    }
    folder.predictions(record, columns)
    choice = choice_of(folder)

    assert (choice.calibration, choice.points, choice.net_benefit) == ((), (), ())
    assert [(group.value, group.score.value) for group in choice.subgroups] == [("a", 1.0), ("b", 0.0)]


def test_folds_are_judged_end_to_end(folder: Any) -> None:
    folder.card(split={"method": "user", "by": "subject", "shared_subjects": 0, "folds": 2})
    for fold in (0, 1):
        record = folder.run(seed=1, fold=fold, thresholds={"yes": 0.3 + 0.2 * fold})
        columns = answers(fold)
        columns["subject"] = [f"{fold}-{name}" for name in columns["subject"]]
        folder.predictions(record, columns)
    choice = choice_of(folder)

    assert (choice.num_subjects, len(choice.runs)) == (2 * NUM, 2)
    assert choice.points[0].threshold == 0.4


def test_of_many_labels_the_most_frequent_are_looked_at(folder: Any) -> None:
    labels = [f"c{number}" for number in range(8)]
    folder.card(labels=labels, positive=None)
    generator = np.random.default_rng(0)
    gold = generator.choice(labels, NUM, p=[0.3, 0.2, 0.15, 0.12, 0.1, 0.06, 0.05, 0.02])
    scores = generator.dirichlet(np.ones(8), NUM)
    columns = {name: item for name, item in answers(1).items() if not name.startswith("score")}
    columns |= {"label": gold.tolist()} | {f"score_{place}": scores[:, place].tolist() for place in range(8)}
    folder.predictions(folder.run(), columns)
    choice = choice_of(folder)

    assert {found.label for found in choice.calibration} == {"c0", "c1", "c2", "c3", "c4"}
    assert choice.left_out == ("c5", "c6", "c7")
    assert [point.threshold for point in choice.points] == [None] * 5
    assert choice.points_at_alert_rate == ()


@pytest.mark.parametrize("options", [{"alert_rate": 10}, {"alert_rate": 0}, {"prevalence": 2}])
def test_a_rate_outside_zero_to_one_is_refused(judged: Any, options: dict[str, float]) -> None:
    with pytest.raises(BadInput, match="does not lie between 0 and 1"):
        write_report([judged.root], judged.root / "report", **options)
    assert not (judged.root / "report").exists()


def test_no_identifier_of_an_example_or_subject_reaches_the_report(judged: Any) -> None:
    write_report([judged.root], judged.root / "report")

    for path in Path(judged.root / "report").iterdir():
        assert '"s0' not in path.read_text()
        assert "e001" not in path.read_text()
