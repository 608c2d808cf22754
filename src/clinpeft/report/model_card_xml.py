"""The model card as XML, after the Applied Model Card of the Coalition for Health AI (schema v0.2, a draft)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from xml.etree import ElementTree

from clinpeft.record import Score
from clinpeft.report.evaluation import Judged
from clinpeft.report.task_section import RowView, TaskView
from clinpeft.report.view import Page

NOT_PROVIDED = "not provided"
NAMESPACE = "https://mc.chai.org/v0.2/schema.xsd"


def applied_model_card(
    page: Page, task: TaskView, choice: RowView, judged: Judged | None, answers: Mapping[str, str | None]
) -> str:
    """The XML of one card, from the same answers as the Markdown."""

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
