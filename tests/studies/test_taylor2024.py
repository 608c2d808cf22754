"""The packaged studies of Taylor et al. (2024): they read, they are as large as the paper's tables, and they run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
import yaml

from clinpeft import api
from clinpeft.data.build import build_task
from clinpeft.data.dataset import TaskDataset
from clinpeft.methods.base import resolve_method
from clinpeft.metrics.base import METRICS
from clinpeft.models.catalogue import model_card
from clinpeft.record import RunRecord
from clinpeft.runs.curves import read_curve
from clinpeft.runs.store import Store
from clinpeft.runs.sweep import sweep
from clinpeft.sources.base import SOURCES
from clinpeft.spec import Study
from clinpeft.studies import find_studies, find_study
from clinpeft.tasks.base import TASKS

PAPER = {
    # Eight tasks, four sizes, three methods, three seeds (run set A, and MedNLI, of which nothing was published).
    "main": 8 * 4 * 3 * 3,
    # Seven tasks, four sizes in three domains, two methods, once.
    "domain": 7 * 12 * 2,
    # Seven tasks, three models, six methods, once.
    "prompts": 7 * 3 * 6,
    # Mortality, five models, five ranks, once.
    "rank": 5 * 5,
    # Mortality, four models, two methods, nine sizes, three seeds.
    "few-shot": 4 * 2 * 9 * 3,
    # Mortality, five models, two methods, once.
    "time-budget": 5 * 2,
    # Mortality, once.
    "llama": 1,
}
FAIR = {
    "main-fair": 8 * 4 * 3 * 3,
    "domain-fair": 7 * 12 * 2 * 3,
    "prompts-fair": 7 * 3 * 7 * 3,
    "rank-fair": 5 * 5 * 3,
    "few-shot-fair": 4 * 2 * 6 * 3,
    "time-budget-fair": 5 * 2 * 3,
    "llama-fair": 3,
}
CELLS: dict[str, tuple[str, int]] = {
    "main": ("i2b2-2010-relations", 1),
    "main-fair": ("i2b2-2010-concepts", 1),
    "domain": ("i2b2-2010-concepts", 0),
    "domain-fair": ("i2b2-2010-relations", 0),
    "prompts": ("i2b2-2010-concepts", 3),
    "prompts-fair": ("mimic3-mortality", 4),
    "rank": ("mimic3-mortality", 1),
    "rank-fair": ("mimic3-mortality", 1),
    "few-shot": ("mimic3-mortality", 1),
    "few-shot-fair": ("mimic3-mortality", 1),
    "time-budget": ("mimic3-mortality", 1),
    "time-budget-fair": ("mimic3-mortality", 0),
    "llama": ("mimic3-mortality", 0),
    "llama-fair": ("mimic3-mortality", 0),
}
"""For each study the task and the place of the method whose cell is run."""


def read(name: str) -> Study:
    return Study.read(find_study(f"taylor2024/{name}"))


def num_runs(study: Study) -> int:
    axes = (study.tasks, study.models, study.methods, study.seeds, study.subsets or (None,))
    product = 1
    for axis in axes:
        product *= len(axis)
    return product


@pytest.fixture(scope="module")
def raw(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The invented hospital's MIMIC-III and i2b2 2010."""
    folder = tmp_path_factory.mktemp("hospital")
    SOURCES.get("mimic3")().synthesize(folder / "mimic3", num_patients=60, seed=1)
    SOURCES.get("i2b2-2010")().synthesize(folder / "i2b2-2010", num_patients=12, seed=1)
    return folder


@pytest.fixture(scope="module")
def built(raw: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The datasets of all cells, as they are and in paper mode, under the same names."""
    folders = tmp_path_factory.mktemp("fair"), tmp_path_factory.mktemp("paper")
    for folder, options in zip(folders, ({}, {"mode": "paper"}), strict=True):
        for name in sorted({task for task, _ in CELLS.values()}):
            task = TASKS.get(name)(**options)
            build_task(task, name, raw / task.source, folder)
    return folders


def cell(name: str, tiny_model: Path) -> Study:
    """One cell of a packaged study, its model a tiny one of the same name, its training short."""
    plain = yaml.safe_load(find_study(f"taylor2024/{name}").read_text(encoding="utf-8"))
    task, method = CELLS[name]
    plain["tasks"] = [one for one in plain["tasks"] if (one if isinstance(one, str) else one["name"]) == task]
    model = plain["models"][-1]
    own = model if isinstance(model, dict) else {"name": model}
    plain["models"] = [own | {"path": str(tiny_model)}]
    if "epochs" in own.get("train", {}):
        own["train"]["epochs"] = 2
    plain["methods"] = [plain["methods"][method]]
    plain["seeds"] = plain["seeds"][:1]
    plain["subsets"] = plain.get("subsets", [])[:1]
    plain["train"] |= {"epochs": 2, "max_length": 32, "batch_size": 8, "threads": 1, "max_steps": 6}
    if plain["train"].get("judge", {}).get("every_steps"):
        plain["train"]["judge"]["every_steps"] = 2
    if "tune" in plain:
        plain["tune"]["trials"] = 2
    return Study.from_yaml(yaml.safe_dump(plain))


def run_cell(name: str, data: tuple[Path, ...], tiny_model: Path, out: Path) -> tuple[Path, RunRecord]:
    """The folder and record of a cell's (last) final run."""
    outcome = sweep(cell(name, tiny_model), Path.cwd(), out, data=data)
    assert outcome.num_failed == 0
    store = Store.open(out)
    record = [one for one in store.records() if one.role == "final"][-1]
    return store.run_folder(record.run), record


@pytest.mark.parametrize(("name", "expected"), [*PAPER.items(), *FAIR.items()])
def test_a_study_has_as_many_runs_as_the_papers_tables(name: str, expected: int) -> None:
    assert num_runs(read(name)) == expected


def test_every_study_of_the_folder_is_in_one_of_the_two_modes() -> None:
    modes = {path.stem: Study.read(path).mode for path in find_studies("taylor2024")}
    assert modes == dict.fromkeys(PAPER, "paper") | dict.fromkeys(FAIR, "fair")


@pytest.mark.parametrize("name", [*PAPER, *FAIR])
def test_everything_that_a_study_names_is_known(name: str) -> None:
    study = read(name)
    for model in study.models:
        assert model_card(model.name).name == model.name
    for method in study.methods:
        resolve_method(method)
    for task in study.tasks:
        kinds = {TASKS.get(task.name)().kind_built(), TASKS.get(task.name)().kind}
        assert task.metric is None or kinds & set(METRICS.get(task.metric).kinds)


@pytest.mark.parametrize("name", PAPER)
def test_in_paper_mode_rates_are_given_and_nothing_is_searched(name: str) -> None:
    study = read(name)
    assert study.tune is None
    assert study.train.head_learning_rate == "backbone"
    rates = {method.name: method.learning_rate or study.train.learning_rate for method in study.methods}
    usual = {"rank": 1e-3, "llama": 5e-5}.get(name, 3e-4)
    assert rates == {method: 3e-5 if method == "full" else usual for method in rates}


@pytest.mark.parametrize("name", set(FAIR) - {"rank-fair"})
def test_in_fair_mode_every_method_has_the_same_search(name: str) -> None:
    study = read(name)
    assert study.tune is not None and study.tune.trials >= 5
    assert study.train.learning_rate == "method"
    assert all(method.learning_rate is None for method in study.methods)


@pytest.mark.parametrize(
    "name", [*PAPER, "main-fair", *(pytest.param(name, marks=pytest.mark.slow) for name in FAIR if name != "main-fair")]
)
def test_one_cell_of_each_study_runs_on_the_invented_hospital(
    name: str, built: tuple[Path, Path], tiny_model: Path, tmp_path: Path
) -> None:
    folder, record = run_cell(name, built, tiny_model, tmp_path / "out")
    assert record.status == "success"
    task = record.spec.task
    assert record.identity.dataset == TaskDataset.open(built[name in PAPER] / task).card.fingerprint
    curve = read_curve(folder)
    assert curve is not None and curve.points
    if name in PAPER:
        assert record.spec.train.head_learning_rate == record.spec.train.learning_rate
        assert curve.metric == ("entity-f1-conlleval" if record.spec.kind == "entities" else "f1-macro")


def test_relations_are_validated_on_one_half_of_the_test_pairs_and_tested_on_the_other(
    raw: Path, tiny_model: Path, tmp_path: Path
) -> None:
    folder, record = run_cell("main", (raw,), tiny_model, tmp_path / "out")
    halves: list[Any] = [
        {row["example"] for row in pq.read_table(folder / f"predictions-{split}.parquet").to_pylist()}
        for split in ("validation", "test")
    ]
    test = pq.read_table(tmp_path / "out/datasets/i2b2-2010-relations/test.parquet").column("example").to_pylist()
    assert record.spec.validated_on is not None and record.spec.validated_on.seed == record.spec.seed == 12
    assert halves[0] | halves[1] == set(test)
    assert not halves[0] & halves[1]
    assert len(halves[0]) == len(test) // 2


@pytest.mark.slow
def test_a_study_is_planned_where_its_models_are_not_at_hand(built: tuple[Path, Path]) -> None:
    (outlook,) = api.plan("taylor2024/time-budget", data=list(built), probes=False)
    assert sum(forecast.num_left for forecast in outlook.forecasts) == PAPER["time-budget"]
    assert len(outlook.missing) == 5
