"""Four pages for a governance board, one PDF a task: what is proposed, on which data, how far to trust it, for whom.

Every number stands in the report too; nothing here is measured anew.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from clinpeft.data.card import SPLITS
from clinpeft.files import write_atomic
from clinpeft.report import pdf
from clinpeft.report.board_trust import trust
from clinpeft.report.counting import dropped
from clinpeft.report.evaluation import Evaluation, Judged
from clinpeft.report.tables import file_name
from clinpeft.report.task_section import RowView, TaskView
from clinpeft.report.view import Page
from clinpeft.report.wording import (
    COST_WORDS,
    NONE,
    cost,
    count,
    how_split,
    listed,
    mean_and_interval,
    parameters,
    percent,
    score,
    score_and_interval,
    verdict,
)

MOST_ROWS = 10
"""Configurations of the table on the first page."""
MOST_LABELS = 14
MOST_GROUPS = 24


def write_board(page: Page, evaluation: Evaluation, out: Path) -> list[Path]:
    """`board-<task>.pdf` of each task in folder `out`; the paths. Raises BadInput where reportlab is not installed."""
    pdf.require_reportlab()
    paths: list[Path] = []
    taken: set[str] = set()
    for task, judged in zip(page.tasks, evaluation.tasks, strict=True):
        path = out / f"{file_name(f'board-{task.name}', taken)}.pdf"
        pages = [
            _proposal(page, task),
            _data(page, task),
            trust(evaluation, judged.choice, task),
            _limits(page, task, judged.choice),
        ]
        study = page.results.study
        footer = f"{study.name} · {task.name} · study {study.sha256[:16]} · every number is in the report of this study"
        write_atomic(path, pdf.document(f"{study.name}: {task.name}", "For a governance board", pages, footer))
        paths.append(path)
    return paths


def _proposal(page: Page, task: TaskView) -> list[Any]:
    """Page 1: use, choice and runner-up with intervals, what they cost, and against what they were held."""
    rec, results = task.recommendation, page.results
    content = [
        pdf.heading(f"{task.name}: what is proposed", 1),
        pdf.sentence(" ".join(part for part in (task.title and f"{task.title}.", page.question) if part), is_soft=True),
        pdf.sentence(rec.sentence, is_large=True),
        pdf.sentence(f"Verdict: {verdict(rec)}. {_rule(page, task)}"),
        *[pdf.sentence(text, is_grave=True) for text in page.grave if text.startswith(task.name)],
    ]
    if task.is_not:
        content += [pdf.heading("Not meant for"), pdf.sentence(task.is_not)]
    field = page.select.cost
    named = [view for view in task.rows if _role(task, view)]
    others = [view for view in task.rows if not _role(task, view)]
    rows = [_configuration(task, view, field) for view in [*named, *others][:MOST_ROWS]]
    columns = ["Configuration", f"{task.metric}, validation", f"{task.metric}, test", "Seeds", COST_WORDS[field]]
    content += [
        pdf.heading("Choice, runner-up, baselines and others"),
        pdf.table([*columns, "Trained parameters"], rows, [2.6, 1.7, 1.7, 0.7, 1.2, 1.0]),
    ]
    if len(task.rows) > MOST_ROWS:
        content.append(
            pdf.sentence(f"{len(task.rows) - MOST_ROWS} more configurations stand in the report.", is_soft=True)
        )
    opened = {"sealed": "The test split is still sealed: no choice was made on it.", "open": "The test split is open."}
    times = f"The labels of the test split were opened {count(results.study.times_opened, 'time')}."
    content += [
        pdf.heading("How to read this"),
        pdf.sentence(
            f"{task.metric}: {task.metric_title or 'as defined in the report'}; "
            f"{'higher' if task.higher_is_better else 'lower'} is better. In brackets 95 % intervals over patients "
            f"and seeds. {opened.get(results.study.test, times)} {len(task.rows)} configurations were tried; of many "
            "the best looks better than it is, and differences are judged with that in mind."
        ),
    ]
    return content


def _rule(page: Page, task: TaskView) -> str:
    rec = task.recommendation
    rule = "the highest mean" if rec.rule == "best" else "the cheapest that lies within the interval of the best"
    when = "stated before the results" if rec.limits_prestated else "changed after the study began"
    return f"Rule: {rule}, on validation only, {when}."


def _role(task: TaskView, view: RowView) -> str:
    """Why a configuration stands at the top of the table; empty for the others."""
    rec = task.recommendation
    if view.is_choice:
        return "recommended"
    if rec.runner_up is not None and rec.runner_up.run in view.row.runs:
        return "runner-up"
    return "baseline" if view.row.is_baseline else ""


def _configuration(task: TaskView, view: RowView, field: Any) -> list[str]:
    row, role = view.row, _role(task, view)
    spent = row.cost.get(field)
    return [
        f"{view.name}{f' ({role})' if role else ''}",
        mean_and_interval(row),
        mean_and_interval(view.test) if view.test else "not opened",
        f"{row.num_seeds}{f', {row.num_failed} failed' if row.num_failed else ''}",
        cost(field, spent.mean if spent else None),
        parameters(row.trainable_parameters),
    ]


def _data(page: Page, task: TaskView) -> list[Any]:
    """Page 2: where the data come from, who is in which split, what was left out."""
    card = task.card
    content = [pdf.heading("Data and splits", 1)]
    if card is None:
        return [*content, pdf.sentence("The study keeps no card of this dataset.", is_grave=True)]
    sources = listed(f"{source.name}{f' {source.release}' if source.release else ''}" for source in card.sources)
    by = f"each {card.split.by} stays on one side" if card.split.by else "rows were split without regard to patients"
    folds = f" {card.split.folds}-fold cross-validation inside the training split." if card.split.folds else ""
    splits = [split for split in SPLITS if split in card.counts]
    content += [
        pdf.sentence(f"{card.kind.capitalize()} from {sources}. {how_split(card)}; {by}.{folds}"),
        *[pdf.sentence(f"Terms of use: {'; '.join(card.terms)}") for _ in card.terms[:1]],
        pdf.table(
            ["Split", "Examples", "Subjects", "Words, median", "Words, 95 of 100 below"],
            [
                [
                    split,
                    f"{card.counts[split].examples:,}",
                    f"{card.counts[split].subjects:,}",
                    *(
                        [str(card.words[split].p50), str(card.words[split].p95)]
                        if split in card.words
                        else [NONE, NONE]
                    ),
                ]
                for split in splits
            ],
        ),
        pdf.heading("Labels"),
        pdf.table(
            ["Label", *splits],
            [
                [f"{label}{' (positive)' if label == card.positive else ''}", *(counts[split] for split in splits)]
                for label, counts in list(task.labels.items())[:MOST_LABELS]
            ],
        ),
    ]
    if len(task.labels) > MOST_LABELS:
        content.append(pdf.sentence(f"{len(task.labels) - MOST_LABELS} more labels stand in the report.", is_soft=True))
    near = "not looked for" if card.duplicates.near is None else f"{card.duplicates.near:,}"
    facts = [
        f"Equal texts across splits: {card.duplicates.exact:,}; nearly equal: {near}; dropped: "
        f"{card.duplicates.dropped:,}.",
        *dropped(card),
        *(
            f"Longer than the model reads ({what}): "
            f"{listed(f'{percent(share)} of {split}' for split, share in cut.items())}."
            for what, cut in task.truncated
        ),
        *(
            f"Entities beyond that, which count as missed ({what}): "
            f"{listed(f'{percent(share)} of {split}' for split, share in lost.items())}."
            for what, lost in task.entities_lost
        ),
        *(
            f"{seen.model} was pre-trained on text of {seen.source}."
            for seen in card.contamination
            if any(seen.model == view.row.model for view in task.rows)
        ),
    ]
    return [*content, pdf.heading("What was left out or may distort"), *pdf.bullets(facts)]


def _limits(page: Page, task: TaskView, choice: Judged | None) -> list[Any]:
    """Page 4: subgroups, limits, and what has to be decided on site."""
    groups = choice.subgroups if choice else ()
    content = [pdf.heading("For whom, and within which limits", 1), pdf.heading("Subgroups")]
    if groups:
        rows = [
            [
                f"{group.column.replace('_', ' ')}: {group.value}",
                NONE if group.num_subjects is None else f"{group.num_subjects:,}",
                score_and_interval(group.score),
                NONE if group.num_subjects is None else score_and_interval(group.difference),
                NONE if group.q is None else score(group.q),
            ]
            for group in groups[:MOST_GROUPS]
        ]
        columns = ["Group", "Subjects", task.metric, "Difference to the rest", "q"]
        content.append(pdf.table(columns, rows, [1.8, 0.8, 2.0, 2.0, 0.6]))
        content.append(
            pdf.sentence(
                "Groups of fewer than 11 subjects are hidden. q is the p value adjusted for the number of groups. "
                "A wide interval is no evidence that the groups are alike.",
                is_soft=True,
            )
        )
    else:
        content.append(
            pdf.sentence(
                "No subgroup was looked at: the dataset has no column of groups (`groups:` in the study), or the "
                "predictions are not kept. Nothing is known of how it does for different patients.",
                is_grave=True,
            )
        )
    content += [
        pdf.heading("Limits and warnings"),
        *pdf.bullets(page.concerning(task.name) or ["None was raised."]),
        *pdf.bullets(
            [
                "The scores speak of patients like those in the data; another site, time or way of writing needs its "
                "own test.",
                "Failed runs are counted: "
                f"{len(page.failures)} of {count(len(page.runs), 'run')} in the study gave no result.",
            ]
        ),
        pdf.heading("To be decided on site"),
        *pdf.bullets(
            [
                "Who acts on a flag, and what happens to those who are not flagged.",
                "How performance, calibration and subgroups are watched after the start, and who stops it.",
                "When the model is trained again, and who checks it then.",
            ]
        ),
    ]
    return content
