"""The board's third page: how far the answers of what is recommended can be trusted."""

from __future__ import annotations

from typing import Any

from clinpeft.metrics.operating_point import OperatingPoint
from clinpeft.report import pdf
from clinpeft.report.closer import off_in_words
from clinpeft.report.evaluation import Evaluation, Judged
from clinpeft.report.plots import calibration_plot, net_benefit_plot, precision_recall_plot
from clinpeft.report.task_section import TaskView
from clinpeft.report.wording import (
    NONE,
    count,
    percent,
    score,
    score_and_interval,
    share_and_interval,
)


def trust(evaluation: Evaluation, choice: Judged | None, task: TaskView) -> list[Any]:
    """Page 3: calibration, thresholds, net benefit."""
    content = [pdf.heading("How far its answers can be trusted", 1)]
    if choice is None:
        why = "Nothing is recommended, or its predictions are not kept: there is nothing to look at closely."
        return [*content, pdf.sentence(why, is_grave=True)]
    where = {
        "test": "Measured on the test split, with thresholds that were fixed on validation.",
        "validation": "Measured on validation, where the thresholds were chosen: expect a little less on new patients.",
    }[choice.split]
    content.append(
        pdf.sentence(
            f"{where} {choice.num_examples:,} examples of {count(choice.num_subjects, 'subject')}.", is_soft=True
        )
    )
    if not choice.calibration:
        none = "This kind of task has no probabilities, or too few subjects have a label or lack it."
        return [*content, pdf.sentence(none)]
    first = choice.calibration[0]
    plots = [pdf.figure(calibration_plot(first))]
    plots += [pdf.figure(net_benefit_plot(choice.net_benefit[0]))] if choice.net_benefit else []
    content += [pdf.side_by_side(plots), pdf.sentence(_meaning(choice), is_soft=True)]
    content += [pdf.sentence(text) for text in task.closer.useful]
    content += [
        pdf.sentence(f"These probabilities should not be taken at their word: {text}.", is_grave=True)
        for text in off_in_words(choice)[:3]
    ]
    columns = ["Label", "Slope (1 is right)", "Intercept (0 is right)", "Brier score", "Log loss"]
    content += [
        pdf.heading("Calibration"),
        pdf.table(
            columns,
            [
                [
                    item.label,
                    *(score_and_interval(part) for part in (item.slope, item.intercept, item.brier, item.log_loss)),
                ]
                for item in choice.calibration
            ],
            [1.2, 1.4, 1.4, 1.4, 1.4],
        ),
        pdf.heading("Answers at fixed thresholds"),
        _points(evaluation, choice, task),
    ]
    if choice.precision_recall:
        content.append(pdf.side_by_side([pdf.figure(precision_recall_plot(choice.precision_recall[0]), 240, 150)]))
    return content


def _meaning(choice: Judged) -> str:
    low, high = choice.calibration[0].expected_error_by_chance
    return (
        f"Left, for {choice.calibration[0].label}: of those given 20 %, 20 of 100 should have it (dashed). Right: net "
        "benefit, in true cases per patient, a false alarm counted as the odds of the threshold (dashed: everybody, or "
        "nobody, treated). Pale: 95 of 100 resamples of the patients. Expected calibration error "
        f"{score(choice.calibration[0].expected_error)}; chance alone makes {score(low)} to {score(high)}."
    )


def _points(evaluation: Evaluation, choice: Judged, task: TaskView) -> Any:
    rate = percent(evaluation.alert_rate)
    lines = [("chosen on validation", point) for point in choice.points]
    lines += [(f"at most {rate} flagged", point) for point in choice.points_at_alert_rate]
    elsewhere = {id(line.point): line.ppv_elsewhere for line in task.closer.points}
    columns = ["Threshold", "Flagged", "Cases found", "Others left alone", "Flags right", "All-clears right"]
    if evaluation.prevalence is not None:
        columns.append(f"Flags right at prevalence {percent(evaluation.prevalence)}")
    return pdf.table(columns, [_point(rule, point, elsewhere, evaluation) for rule, point in lines])


def _point(rule: str, point: OperatingPoint, elsewhere: dict[int, float | None], evaluation: Evaluation) -> list[str]:
    threshold = "highest score" if point.threshold is None else score(point.threshold)
    shares = (point.alert_rate, point.sensitivity, point.specificity, point.ppv, point.npv)
    cells = [f"{point.label}: {threshold}, {rule}", *(share_and_interval(share) for share in shares)]
    if evaluation.prevalence is not None:
        there = elsewhere.get(id(point))
        cells.append(NONE if there is None else percent(there))
    return cells
