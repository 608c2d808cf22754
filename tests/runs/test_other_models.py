"""A study asked of other models than its own, and of a part of its models where the others are not at hand."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from clinpeft import api
from clinpeft.errors import BadInput
from clinpeft.runs.find import find
from clinpeft.runs.grid import plan
from clinpeft.runs.sweep import open_test_labels
from clinpeft.runs.worker import _read, place_of
from clinpeft.spec import ModelChoice, Study

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Said, Small


@pytest.fixture
def other(small: Small) -> Path:
    """A second model beside `tiny`."""
    shutil.copytree(small.folder / "tiny", small.folder / "other")
    return small.folder / "other"


def rows(small: Small) -> set[tuple[str, str, str]]:
    """Role, model and status of every row of the index."""
    return {(row["role"], row["model"], row["status"]) for row in small.store.index.rows()}


def test_other_models_take_the_place_of_the_studys_and_the_study_that_is_kept_names_them(
    small: Small, other: Path, clinpeft: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    small.write(methods=["bitfit"], baselines=[])
    monkeypatch.chdir(small.folder)
    before = clinpeft("run", small.file, "--out", small.out)
    said = clinpeft("run", small.file, "--out", small.out, "--model", "./other")

    assert (before.code, said.code) == (0, 0)
    assert said.err.startswith("the study was edited since it last ran: models.tiny removed; models.other added\n")
    assert [choice.name for choice in small.store.study.models] == ["other"]
    assert rows(small) == {("final", "other", "success")}
    again = clinpeft("run", small.file, "--out", small.out, "--model", other)
    assert "edited" not in again.err


def test_a_name_that_the_study_has_keeps_what_the_study_says_of_it() -> None:
    study = Study.from_yaml("""
name: s
tasks: [rqe]
models: [{name: tiny-biobert, train: {epochs: 12}}, biobert-v1.1]
methods: [lora]
""")
    asked = study.with_models([ModelChoice(name="tiny-biobert"), ModelChoice(name="minilm-l6")])

    assert asked.models == (ModelChoice(name="tiny-biobert", train={"epochs": 12}), ModelChoice(name="minilm-l6"))
    assert asked.model_copy(update={"models": study.models}) == study
    assert (
        study.with_models([ModelChoice(name="tiny-biobert", train={"epochs": 2})]).train_of("tiny-biobert").epochs == 2
    )


@pytest.mark.parametrize(
    ("models", "message"),
    [
        (["minilm-l7"], "no model has this name; did you mean 'minilm-l6'?"),
        (["minilm-l6", "minilm-l6"], "'models' names the same thing twice"),
        (["./nowhere"], "nowhere: is not there"),
        ([""], "models: "),
    ],
)
def test_models_that_cannot_be_had_are_one_line_and_nothing_is_written(
    small: Small, clinpeft: Callable[..., Said], models: list[str], message: str
) -> None:
    words = [word for model in models for word in ("--model", model)]
    for verb in (["run", small.file, "--out", small.out], ["plan", small.file, "--no-probe"]):
        said = clinpeft(*verb, *words)

        assert said.code == 2
        assert message in said.err and said.err.count("\n") == 1
    assert not small.out.exists()


def test_a_plan_is_of_the_models_that_were_asked_for(small: Small, other: Path) -> None:
    (outlook,) = api.plan(small.file, probes=False, models=[str(other), "tiny-biobert"])

    assert {one.model for one in outlook.forecasts} == {"none", "other", "tiny-biobert"}
    assert outlook.missing == {"tiny-biobert": "nlpie/tiny-biobert"}


def test_a_packaged_study_is_asked_of_the_models_that_one_has(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    (small.folder / "packaged").mkdir()
    small.write(models=["biobert-v1.1"], methods=["bitfit"], task={"files": {"data": "../notes.csv"}})
    small.file.rename(small.folder / "packaged" / "main.yaml")
    monkeypatch.setattr("clinpeft.studies.FOLDER", small.folder)

    outcome = api.run("packaged/main", small.out, models=[str(small.folder / "tiny")])
    assert outcome.num_trained == 2
    assert {row.model for row in api.results(small.out).rows} == {"none", "tiny"}


def test_a_part_of_the_models_needs_the_files_of_no_other(small: Small, clinpeft: Callable[..., Said]) -> None:
    small.write(models=["./tiny", "biobert-v1.1"], methods=["bitfit"], baselines=[])

    said = clinpeft("run", small.file, "--out", small.out, "--only", "model=tiny")
    assert said.code == 0
    assert said.err.startswith("left out, for their files are not here: biobert-v1.1\n")
    assert rows(small) == {("final", "tiny", "success")}
    assert len(small.store.study.models) == 2
    assert "its weights are not on this machine" in clinpeft("run", small.file, "--out", small.out).err


@pytest.mark.parametrize("wanted", [None, {"method": "bitfit"}, {"model": "biobert-v1.1"}])
def test_a_model_that_is_asked_for_must_be_here(small: Small, wanted: dict[str, str] | None) -> None:
    small.write(models=["./tiny", "biobert-v1.1"])

    with pytest.raises(BadInput, match="its weights are not on this machine"):
        small.run(only=wanted)


def test_a_misspelt_model_is_refused_though_another_is_asked_for(small: Small) -> None:
    small.write(models=["./tiny", "minilm-l7"])

    with pytest.raises(BadInput, match="did you mean 'minilm-l6'"):
        small.run(only={"model": "tiny"})


def test_what_a_part_of_a_study_does_not_look_at_stays_in_its_index_and_is_opened(small: Small, other: Path) -> None:
    small.write(models=["./tiny", "./other"], methods=["bitfit"], baselines=[], tune={"trials": 1})
    small.run()
    whole = rows(small)
    shutil.rmtree(other)

    assert small.run(only={"model": "tiny"}).num_trained == 0
    assert rows(small) == whole
    assert {role for role, model, _ in whole if model == "other"} == {"final", "trial"}
    assert open_test_labels(small.out)[0] == 2
    small.write(models=["./tiny", "./other"], methods=["bitfit"], baselines=[], tune={"trials": 1}, seeds=[1, 2])
    small.run(only={"model": "tiny"})
    assert {model for _, model, _ in rows(small)} == {"tiny"}, "of an edited study nobody knows what stays"


def test_another_process_looks_only_for_the_models_that_were_planned(small: Small) -> None:
    small.write(models=["./tiny", "biobert-v1.1"], methods=["bitfit"])
    wanted = {"model": "tiny"}
    small.run(only=wanted)
    study = Study.read(small.file)
    planned = plan(find(study, small.folder, (), small.out, wanted=wanted))

    place = place_of(small.store, planned, small.folder, ())
    assert place.models == ("tiny",)
    assert list(_read(place).models) == ["tiny"]
