"""The model card of a recommendation: all 31 source attributes, answered or visibly not, and what the report knows.

As Markdown to read, and as XML after the Applied Model Card of the Coalition for Health AI (schema v0.2, a draft).
What no software can know is answered by the people who propose the model, in a file of their own.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

from clinpeft.errors import BadInput, did_you_mean
from clinpeft.files import write_atomic
from clinpeft.record import Score
from clinpeft.report.counting import dropped
from clinpeft.report.evaluation import Evaluation, Judged
from clinpeft.report.tables import file_name
from clinpeft.report.view import Page, RowView, TaskView
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

NOT_PROVIDED = "not provided"
NAMESPACE = "https://mc.chai.org/v0.2/schema.xsd"
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
            (".xml", _xml(page, task, task.choice, judged.choice, answers)),
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


def _xml(page: Page, task: TaskView, choice: RowView, judged: Judged | None, answers: Mapping[str, str | None]) -> str:
    def said(*keys: str) -> str:
        return " ".join(text for key in keys if (text := answers[key])) or NOT_PROVIDED

    run = task.recommendation.choice
    tree = {
        "BasicInfo": {
            "ModelName": f"{choice.name} for {task.name}",
            "ModelDeveloper": said("developer"),
            "DeveloperContact": said("developer"),
        },
        "ReleaseInfo": {
            "ReleaseStage": "development",
            "ReleaseDate": NOT_PROVIDED,
            "ReleaseVersion": run.run if run else NOT_PROVIDED,
            "GlobalAvailability": NOT_PROVIDED,
        },
        "ModelSummary": {"Summary": task.recommendation.sentence, "Keywords": {}},
        "UsesAndDirections": {
            "IntendedUseAndWorkflow": said("intended_use", "decision_role"),
            "PrimaryIntendedUsers": said("users"),
            "HowToUse": said("decision_role"),
            "TargetedPatientPopulation": said("population"),
            "CautionedOutOfScopeSettings": said("out_of_scope"),
        },
        "Warnings": {
            "KnownRisksAndLimitations": said("known_risks"),
            "KnownBiasesOrEthicalConsiderations": said("bias_management"),
            "ClinicalRiskLevel": NOT_PROVIDED,
        },
        "TrustIngredients": {
            "AISystemFacts": {
                "OutcomesAndOutputs": said("output_value"),
                "ModelType": f"{choice.row.model} fine-tuned by {choice.row.method}",
                "FoundationModels": choice.row.model,
                "InputDataSource": said("inclusion"),
                "OutputAndInputDataTypes": said("output_type", "sensitive_inputs"),
                "DevelopmentDataCharacterization": said("representativeness", "relevance"),
                "BiasMitigationApproaches": said("fairness_approach", "bias_management"),
                "OngoingMaintenance": said("validity_monitoring", "fairness_monitoring", "update_process"),
            },
            "TransparencyInformation": {"FundingSource": said("funding"), "StakeholdersConsulted": NOT_PROVIDED},
        },
        "KeyMetrics": _key_metrics(task, choice, judged, said),
        "Resources": {
            "EvaluationReferences": said("outcome_references"),
            "PeerReviewedPublications": NOT_PROVIDED,
            "PatientConsentOrDisclosure": NOT_PROVIDED,
        },
        "Bibliography": "",
    }
    root = ElementTree.Element("AppliedModelCard", {"xmlns": NAMESPACE})
    _grow(root, tree)
    ElementTree.indent(root)
    text: str = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}\n'


def _key_metrics(task: TaskView, choice: RowView, judged: Judged | None, said: Any) -> dict[str, Any]:
    split = judged.split if judged else "validation"
    data = f"The {split} split: {said('inclusion')}"
    how = "Thresholds and the choice itself come from validation alone; intervals are over patients and seeds."
    row = choice.row
    quality = [(f"{task.metric}, validation", Score(value=row.mean, low=row.low, high=row.high, num_subjects=0))]
    if choice.test is not None:
        test = choice.test
        quality.append((f"{task.metric}, test", Score(value=test.mean, low=test.low, high=test.high, num_subjects=0)))
    fairness = [
        (f"{task.metric}, {group.column} {group.value}", group.score) for group in (judged.subgroups if judged else ())
    ]
    safety = [
        (f"{name}, {found.label}", value)
        for found in (judged.calibration if judged else ())
        for name, value in (("calibration slope", found.slope), ("Brier score", found.brier))
    ]
    safety += [
        (f"{name}, {point.label}", value)
        for point in (judged.points if judged else ())
        for name, value in (("sensitivity", point.sensitivity), ("specificity", point.specificity))
    ]
    goals = {
        "UsefulnessUsabilityEfficacy": ("How well it answers", quality, said("validity_internal")),
        "FairnessEquity": ("Whether it does as well for each group", fairness, said("fairness_internal")),
        "SafetyReliability": ("How far its probabilities and flags can be trusted", safety, said("known_risks")),
    }
    return {
        name: {
            "MetricGoal": goal,
            "Results": _results(results),
            "Interpretation": meaning,
            "TestType": "internal",
            "TestingDataDescription": data,
            "ValidationProcessAndJustification": how,
        }
        for name, (goal, results, meaning) in goals.items()
    }


def _results(results: list[tuple[str, Score]]) -> list[tuple[str, dict[str, str]]]:
    """At least one, as the schema wants it."""
    rows = results or [(NOT_PROVIDED, Score(value=None, num_subjects=0))]
    return [("MetricResult", {"Label": label, "ValueJson": _value(score)}) for label, score in rows]


def _value(score: Score) -> str:
    plain = {"kind": "single", "value": score.value, "unit": "", "low": score.low, "high": score.high}
    return json.dumps(plain if score.reason is None else {**plain, "reason": score.reason})


def _grow(parent: ElementTree.Element, tree: Mapping[str, Any] | list[tuple[str, Any]]) -> None:
    for name, content in tree.items() if isinstance(tree, Mapping) else tree:
        element = ElementTree.SubElement(parent, name)
        if isinstance(content, str):
            element.text = "".join(sign for sign in content if sign >= " " or sign in "\n\t")
        else:
            _grow(element, content)
