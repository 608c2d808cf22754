"""The model card of a recommendation: all 31 source attributes, answered or visibly not, and what the report knows.

As Markdown to read, and as XML after the Applied Model Card of the Coalition for Health AI (schema v0.2, a draft).
What no software can know is answered by the people who propose the model, in a file of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from pathlib import Path

from clinpeft.errors import BadInput, did_you_mean
from clinpeft.files import write_atomic
from clinpeft.report.counting import dropped
from clinpeft.report.evaluation import Evaluation, Judged
from clinpeft.report.model_card_xml import NOT_PROVIDED, applied_model_card
from clinpeft.report.tables import file_name
from clinpeft.report.task_section import RowView, TaskView
from clinpeft.report.view import Page
from clinpeft.report.wording import (
    count,
    how_split,
    listed,
    mean_and_interval,
    parameters,
    score_and_interval,
    share_and_interval,
)
from clinpeft.strict_yaml import read_yaml

Items = dict[str, dict[str, dict[str, str | None]]]


def read_about(path: Path) -> dict[str, str]:
    """What people say of the model: a YAML file with any of the 31 attributes as keys, each a sentence or more.

    Raises BadInput for an unknown key or an answer that is no text.
    """
    given = read_yaml(path)
    known = list(governance()["attributes"])
    if not isinstance(given, dict):
        raise BadInput(str(path), "holds no keys", f"for example `intended_use: …`; known are {', '.join(known)}")
    for key, value in given.items():
        if key not in known:
            raise BadInput(
                str(path), f"unknown key '{key}'", did_you_mean(str(key), known) or f"known: {', '.join(known)}"
            )
        if not isinstance(value, str) or not value.strip():
            raise BadInput(str(path), f"'{key}' is no text", "write a sentence, or leave the key out")
    return {key: str(given[key]).strip() for key in known if key in given}


@cache
def governance() -> Items:
    """The items that a card answers, by list."""
    items: Items = read_yaml(Path(__file__).with_name("governance.yaml"))
    return items


def write_model_cards(page: Page, evaluation: Evaluation, out: Path, about: Mapping[str, str]) -> list[Path]:
    """`model-card-<task>.md` and `.xml` in folder `out` for each task in which something is recommended; the paths."""
    paths: list[Path] = []
    taken: set[str] = set()
    for task, judged in zip(page.tasks, evaluation.tasks, strict=True):
        if task.choice is None:
            continue
        name = file_name(f"model-card-{task.name}", taken)
        answers = attributes(page, task, task.choice, judged.choice, about)
        for ending, text in (
            (".md", _markdown(page, task, task.choice, answers)),
            (".xml", applied_model_card(page, task, task.choice, judged.choice, answers)),
        ):
            paths.append(out / f"{name}{ending}")
            write_atomic(paths[-1], text)
    return paths


def attributes(
    page: Page, task: TaskView, choice: RowView, judged: Judged | None, about: Mapping[str, str]
) -> dict[str, str | None]:
    """The 31 answers in order: what people say first, then what the report knows; None where neither says anything."""
    known = _known(page, task, choice, judged)
    return {
        key: " ".join(part for part in (about.get(key), known.get(key)) if part) or None
        for key in governance()["attributes"]
    }


def _known(page: Page, task: TaskView, choice: RowView, judged: Judged | None) -> dict[str, str]:
    card, found = task.card, {}
    kinds = {
        "classification": "one class and a probability of each",
        "multilabel": "a probability of each label, and the labels above their thresholds",
        "pairs": "one class of a pair of texts and a probability of each",
        "relations": "the relation between two marked passages and a probability of each",
        "entities": "passages of the text with their types",
    }
    labels = listed(card.labels, 12) if card else NOT_PROVIDED
    found["output_value"] = f"{task.title + '. ' if task.title else ''}Labels: {labels}."
    found["output_type"] = f"Prediction from text: {kinds[choice.row.kind]}."
    if task.is_not:
        found["out_of_scope"] = task.is_not
    found["known_risks"] = " ".join(page.concerning(task.name)) or "The report raises no warning."
    if card is not None:
        sources = listed(f"{source.name}{f' {source.release}' if source.release else ''}" for source in card.sources)
        steps = " ".join(dropped(card))
        found["inclusion"] = f"From {sources}. {how_split(card)}. {steps}".strip()
        train = card.counts.get("train")
        if train is not None:
            found["representativeness"] = (
                f"{train.examples:,} training examples of {count(train.subjects, 'subject')} from {sources}; "
                f"{_groups_looked_at(judged)}."
            )
        found["relevance"] = f"Trained on {sources}; whether that is like the place of use has to be judged there."
    found["sensitive_inputs"] = (
        "None is an input of its own. The model reads free text, which may mention any of them, and may use it."
    )
    found["validity_internal"] = _validity(task, choice, judged)
    if judged is not None and judged.subgroups:
        found["fairness_internal"] = f"{task.metric} on {judged.split}, by group: " + "; ".join(
            f"{group.column} {group.value} {score_and_interval(group.score)}" for group in judged.subgroups
        )
    return found


def _groups_looked_at(judged: Judged | None) -> str:
    columns = dict.fromkeys(group.column for group in judged.subgroups) if judged else {}
    return f"looked at by {listed(columns)}" if columns else "not looked at by group"


def _validity(task: TaskView, choice: RowView, judged: Judged | None) -> str:
    parts = [f"{task.metric} {mean_and_interval(choice.row)} on validation ({count(choice.row.num_seeds, 'seed')})"]
    if choice.test is not None:
        parts.append(f"{mean_and_interval(choice.test)} on test")
    if judged is not None:
        parts += [
            f"{found.label}: calibration slope {score_and_interval(found.slope)} on {judged.split}"
            for found in judged.calibration
        ]
        parts += [
            f"{point.label}: sensitivity {share_and_interval(point.sensitivity)}, "
            f"specificity {share_and_interval(point.specificity)}"
            for point in judged.points
        ]
    return "; ".join(parts) + "."


def _markdown(page: Page, task: TaskView, choice: RowView, answers: Mapping[str, str | None]) -> str:
    row, run = choice.row, task.recommendation.choice
    lines = [
        f"# Model card: {_line(choice.name)} for {_line(task.name)}",
        "",
        _line(task.recommendation.sentence),
        "",
        f"- run `{run.run if run else NOT_PROVIDED}` of study `{page.results.study.sha256}`",
        f"- {parameters(row.backbone_parameters)} parameters, {parameters(row.trainable_parameters)} of them trained; "
        f"pre-trained on {_line(row.domain)} text",
        "",
        "## Source attributes",
        "",
        "The 31 attributes of 45 CFR 170.315(b)(11)(iv)(B), numbered as there. To list them claims no conformity.",
    ]
    group = None
    for number, (key, item) in enumerate(governance()["attributes"].items(), start=1):
        if item["group"] != group:
            group = item["group"]
            lines += ["", f"### {group}", "", "| | attribute | answer |", "|---|---|---|"]
        lines.append(f"| {number} | {item['title']} | {_cell(answers[key])} |")
    for name, title in (("tripod_ai", "TRIPOD+AI"), ("mi_claim", "MI-CLAIM")):
        lines += ["", f"## Where the report answers {title}", "", "| item | where |", "|---|---|"]
        lines += [f"| {item} | {_cell(found['where'])} |" for item, found in governance()[name].items()]
    return "\n".join(lines) + "\n"


def _cell(text: str | None) -> str:
    return f"**{NOT_PROVIDED}**" if text is None else _line(text).replace("|", "\\|")


def _line(text: str) -> str:
    """One line in which nothing is taken for markup."""
    plain = " ".join(text.split())
    return "".join(f"\\{sign}" if sign in "\\`*_[]<>#" else sign for sign in plain)
