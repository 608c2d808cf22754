"""The model card: every attribute answered or visibly not, the report's own numbers, the schema's own order."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from clinpeft.errors import BadInput
from clinpeft.report.aggregate import aggregate, load
from clinpeft.report.model_card import governance, read_about
from clinpeft.report.model_card_xml import NAMESPACE
from clinpeft.report.render import write_report

# Of the Applied Model Card v0.2 (github.com/coalition-for-health-ai/mc-schema), what it demands, in its order.
PARTS = {
    "": "BasicInfo ReleaseInfo ModelSummary UsesAndDirections Warnings TrustIngredients KeyMetrics Resources "
    "Bibliography",
    "BasicInfo": "ModelName ModelDeveloper DeveloperContact",
    "ReleaseInfo": "ReleaseStage ReleaseDate ReleaseVersion GlobalAvailability",
    "ModelSummary": "Summary Keywords",
    "UsesAndDirections": "IntendedUseAndWorkflow PrimaryIntendedUsers HowToUse TargetedPatientPopulation "
    "CautionedOutOfScopeSettings",
    "Warnings": "KnownRisksAndLimitations KnownBiasesOrEthicalConsiderations ClinicalRiskLevel",
    "TrustIngredients": "AISystemFacts TransparencyInformation",
    "TrustIngredients/AISystemFacts": "OutcomesAndOutputs ModelType FoundationModels InputDataSource "
    "OutputAndInputDataTypes DevelopmentDataCharacterization BiasMitigationApproaches OngoingMaintenance",
    "TrustIngredients/TransparencyInformation": "FundingSource StakeholdersConsulted",
    "KeyMetrics": "UsefulnessUsabilityEfficacy FairnessEquity SafetyReliability",
    "KeyMetrics/FairnessEquity": "MetricGoal Results Interpretation TestType TestingDataDescription "
    "ValidationProcessAndJustification",
    "Resources": "EvaluationReferences PeerReviewedPublications PatientConsentOrDisclosure",
}


def written(folder: Any, **options: Any) -> tuple[str, ElementTree.Element]:
    out = folder.root / "report"
    write_report([folder.root], out, for_board=True, **options)
    return (out / "model-card-ward-notes.md").read_text(), ElementTree.parse(
        out / "model-card-ward-notes.xml"
    ).getroot()


def found_in(root: ElementTree.Element, path: str) -> ElementTree.Element:
    steps = "/".join(f"{{{NAMESPACE}}}{step}" for step in path.split("/") if step)
    element = root.find(steps) if steps else root
    assert element is not None
    return element


def test_all_31_attributes_stand_in_the_card_answered_or_visibly_not(folder: Any) -> None:
    folder.run()
    text, _ = written(folder)
    lines = [line for line in text.split("## Where")[0].splitlines() if line.startswith("| ") and line[2].isdigit()]

    assert [int(line.split("|")[1]) for line in lines] == list(range(1, 32))
    assert len(governance()["attributes"]) == 31
    answered = {number for number, line in enumerate(lines, start=1) if "**not provided**" not in line}
    # Out of scope (9) and fairness (22) have no answer here: the task is one's own, and has no groups.
    assert answered == {3, 4, 10, 11, 12, 13, 14, 21}


def test_what_people_say_stands_beside_what_the_report_knows(folder: Any, tmp_path: Path) -> None:
    folder.run()
    about = tmp_path / "about.yaml"
    about.write_text("intended_use: Sorting letters, not treating.\nknown_risks: Night shifts were not looked at.\n")
    text, root = written(folder, about=about)

    assert "Sorting letters, not treating." in text
    assert "Night shifts were not looked at. One seed only" in text
    said = found_in(root, "UsesAndDirections/IntendedUseAndWorkflow").text
    assert said == "Sorting letters, not treating."


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("intended_used: x\n", "did you mean 'intended_use'"),
        ("intended_use: 5\n", "is no text"),
        ("- a\n", "holds no keys"),
    ],
)
def test_answers_that_cannot_be_meant_are_refused(tmp_path: Path, text: str, rule: str) -> None:
    path = tmp_path / "about.yaml"
    path.write_text(text)

    with pytest.raises(BadInput, match=rule):
        read_about(path)


def test_the_numbers_are_those_of_the_results(folder: Any) -> None:
    folder.run(value=0.8123456789, test=0.7654321)
    text, root = written(folder)
    values = [
        json.loads(str(element.text))
        for element in found_in(root, "KeyMetrics/UsefulnessUsabilityEfficacy/Results").iter(
            f"{{{NAMESPACE}}}ValueJson"
        )
    ]
    rows = aggregate(load([folder.root])).rows

    assert [value["value"] for value in values] == [row.mean for row in rows]
    assert [value["low"] for value in values] == [row.low for row in rows]
    assert "0.812" in text


@pytest.mark.parametrize("part", sorted(PARTS))
def test_the_xml_has_the_elements_of_the_schema_in_its_order(folder: Any, part: str) -> None:
    folder.run()
    _, root = written(folder)

    assert root.tag == f"{{{NAMESPACE}}}AppliedModelCard"
    assert [element.tag.split("}")[1] for element in found_in(root, part)] == PARTS[part].split()


def test_every_item_of_tripod_and_mi_claim_is_listed(folder: Any) -> None:
    folder.run()
    text, _ = written(folder)

    assert len(governance()["tripod_ai"]) == 27
    for item in (*governance()["tripod_ai"], *governance()["mi_claim"]):
        assert f"| {item} |" in text


def test_nothing_recommended_has_no_card(folder: Any) -> None:
    folder.failed("small", "lora", 1, "failed", "bug", "index out of range")
    write_report([folder.root], folder.root / "report", for_board=True)

    assert list((folder.root / "report").glob("model-card*")) == []


def test_hostile_names_are_text(new_study: Any) -> None:
    folder = new_study()
    folder.card(labels=["no", "<script>|x"], positive=None)
    folder.run("a|b<i>")
    text, root = written(folder)

    assert "<script>" not in text.replace("\\<script\\>", "")
    assert found_in(root, "TrustIngredients/AISystemFacts/FoundationModels").text == "a|b<i>"


def test_the_command_line_takes_the_answers(folder: Any, clinpeft: Any, tmp_path: Path) -> None:
    folder.run()
    about = tmp_path / "about.yaml"
    about.write_text("users: Coders of the hospital.\n")

    assert clinpeft("report", folder.root, "--for", "board", "--about", about).code == 0
    assert "Coders of the hospital." in (folder.root / "report" / "model-card-ward-notes.md").read_text()
    assert clinpeft("report", folder.root, "--about", about).code == 2
