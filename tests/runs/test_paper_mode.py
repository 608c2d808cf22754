"""What the packaged studies need: subsets as an axis, other validation, and the ways of a publication."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
import torch

from clinpeft.data.batch import in_stretches
from clinpeft.data.dataset import TaskDataset
from clinpeft.data.select import examples_of
from clinpeft.errors import BadInput
from clinpeft.report.aggregate import aggregate, load
from clinpeft.runs.curves import read_curve
from clinpeft.spec import Study, Subset, ValidationChoice
from clinpeft.train.loop import _schedule
from clinpeft.train.meter import Meter

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.conftest import Small

PLAIN = {"name": "s", "tasks": ["rqe"], "models": ["minilm-l6"], "methods": ["full"]}


def refusal(**keys: Any) -> str:
    with pytest.raises(BadInput) as told:
        Study.from_yaml(json.dumps({**PLAIN, **keys}))
    return str(told.value)


def dataset_of(small: Small) -> TaskDataset:
    return TaskDataset.open(small.out / "datasets" / "outcome")


def test_every_subset_is_a_row_of_its_own_and_seeds_with_their_own_draws_are_averaged(small: Small) -> None:
    subsets = [{"per_class": 4, "seed": "run"}, {"total": 10, "seed": "run"}]
    small.write(methods=["head-only"], baselines=[], seeds=[1, 2], subsets=subsets)
    assert small.run().num_trained == 4
    rows = [row for row in aggregate(load([small.out])).rows if row.metric == "auroc" and row.split == "validation"]
    assert [(row.subset and (row.subset.per_class, row.subset.total), row.num_seeds) for row in rows] == [
        ((4, None), 2),
        ((None, 10), 2),
    ] or [(row.subset and (row.subset.per_class, row.subset.total), row.num_seeds) for row in rows] == [
        ((None, 10), 2),
        ((4, None), 2),
    ]


def test_methods_with_one_seed_see_the_same_examples_and_another_seed_sees_others(small: Small) -> None:
    small.write(methods=["head-only", "bitfit"], baselines=[], seeds=[1, 2], subsets=[{"total": 10, "seed": "run"}])
    small.run()
    specs = {(run.spec.method.name, run.spec.seed): run.spec for run in small.store.records()}
    drawn = {
        key: tuple(example.example for example in examples_of(dataset_of(small), spec.subset, None)["train"])
        for key, spec in specs.items()
    }
    assert drawn["head-only", 1] == drawn["bitfit", 1]
    assert drawn["head-only", 2] == drawn["bitfit", 2]
    assert drawn["head-only", 1] != drawn["head-only", 2]
    assert all(len(examples) == 10 for examples in drawn.values())


def test_a_model_may_have_training_options_of_its_own(small: Small) -> None:
    models = [{"name": "tiny", "path": "./tiny", "train": {"epochs": 3, "max_length": 12}}]
    small.write(models=models, methods=["head-only"], baselines=[])
    small.run()
    (record,) = small.store.records()
    assert (record.spec.train.epochs, record.spec.train.max_length, record.spec.train.batch_size) == (3, 12, 16)
    assert "train: 'subset' is not set by model" in refusal(models=[{"name": "a", "train": {"subset": 3}}])


def test_the_last_epoch_is_kept_where_a_study_says_so_and_judged_all_the_same(small: Small) -> None:
    small.write(
        methods=["head-only"],
        baselines=[],
        train={"epochs": 4, "early_stopping_patience": None, "judge": {"keep": "last"}, "head_learning_rate": 0.5},
    )
    small.run()
    (record,) = small.store.records()
    curve = read_curve(small.run_folder("head-only"))
    assert record.work is not None and curve is not None
    assert record.work.best_step == record.work.steps
    assert [point.step for point in curve.points] == [2, 4, 6, 8]
    assert [point.score is None for point in curve.points] == [False] * 4
    assert sorted(point.train_seconds for point in curve.points) == [point.train_seconds for point in curve.points]
    assert "'early_stopping_patience' to null" in refusal(train={"judge": {"keep": "last"}})


def test_a_run_is_judged_every_so_many_steps_and_trains_on_the_same_batches(small: Small) -> None:
    small.write(
        methods=["full"],
        baselines=[],
        train={"epochs": 2, "batch_size": 8, "early_stopping_patience": None, "judge": {"every_steps": 3}},
    )
    small.run()
    stretched = small.store.records()[0]
    points = read_curve(small.run_folder("full")).points  # type: ignore[union-attr]
    assert stretched.work is not None
    assert [point.step for point in points] == [3, 6, 8]
    small.write(methods=["full"], baselines=[], train={"epochs": 2, "batch_size": 8, "early_stopping_patience": None})
    small.run()
    usual = next(record for record in small.store.records() if record.spec.train.judge is None)
    assert usual.work is not None
    assert (stretched.work.steps, stretched.work.tokens) == (usual.work.steps, usual.work.tokens)


def test_stretches_hold_the_batches_of_the_epochs_in_order() -> None:
    def stream(epoch: int) -> Iterator[Any]:
        return iter([f"{epoch}{letter}" for letter in "abcde"])

    stretch, number = in_stretches(stream, 5, 2, 3)
    assert number == 4
    assert [list(stretch(at)) for at in range(number)] == [
        ["0a", "0b", "0c"],
        ["0d", "0e", "1a"],
        ["1b", "1c", "1d"],
        ["1e"],
    ]
    assert list(islice(stretch(1), 2, None)) == ["1a"]


def test_with_an_order_of_its_own_a_seed_changes_the_first_weights_only(small: Small) -> None:
    """Full-batch order is drawn by `order_seed`: two seeds then see their examples in one order."""
    from clinpeft.models.catalogue import resolve
    from clinpeft.runs.setup import set_out

    small.write(methods=["head-only"], baselines=[], seeds=[1, 2], train={"order_seed": 42, "batch_size": 4})
    small.run()
    orders, weights = [], []
    model = resolve(small.store.study.models[0], small.folder, data=(), online=False)
    for record in small.store.records():
        training = set_out(record.spec, dataset_of(small), model).training
        orders.append([batch.indices for batch in training.stream(0)])
        weights.append(next(iter(training.model.head.parameters())).detach().clone())
        assert training.seed == 42
    assert orders[0] == orders[1]
    assert not torch.equal(*weights)


def test_a_constant_schedule_stays_where_the_warm_up_ended() -> None:
    assert [_schedule(step, 2, 10, is_constant=True) for step in (0, 1, 2, 9)] == [0.5, 1.0, 1.0, 1.0]
    assert _schedule(6, 2, 10) == 0.5


def test_a_time_limit_may_count_the_judging_too() -> None:
    watch = Meter(torch.device("cpu")).watch
    watch.train_seconds, watch.evaluate_seconds = 4.0, 7.0
    assert not watch.is_over(10.0)
    watch.limit_counts_evaluation = True
    assert watch.is_over(10.0)


def test_what_was_judged_before_a_run_was_cut_off_stays_in_its_curve() -> None:
    before, after = Meter(torch.device("cpu")), Meter(torch.device("cpu"))
    before.watch.stepped(5, 10, 0.1, 7)
    before.judge(0.25)
    after.add(json.loads(json.dumps(before.spent())))
    after.judge(0.5)
    assert [(one.step, one.score) for one in after.judged] == [(5, 0.25), (5, 0.5)]


def test_validation_may_be_so_many_of_each_class_or_the_test_split_itself(trained: Small) -> None:
    dataset = dataset_of(trained)
    few = examples_of(dataset, None, None, ValidationChoice(per_class=2, seed=3))
    assert sorted(example.label or "" for example in few["validation"]) == ["no", "no", "yes", "yes"]
    assert few["test"] == dataset.examples("test")
    same = examples_of(dataset, None, None, ValidationChoice(of="test", seed=3))
    assert same["validation"] == same["test"] == dataset.examples("test")


def test_test_examples_are_validated_on_in_paper_mode_only(small: Small) -> None:
    task = {"name": "rqe", "validation": {"of": "half-of-test"}}
    assert "needs 'mode: paper'" in refusal(tasks=[task])
    small.write(mode="paper", task={"validation": {"of": "half-of-test"}}, methods=["head-only"], test="open")
    small.run()
    folder = small.run_folder("head-only")
    halves = [
        set(pq.read_table(folder / f"predictions-{split}.parquet").column("example").to_pylist())
        for split in ("validation", "test")
    ]
    assert halves[0] | halves[1] == {example.example for example in dataset_of(small).examples("test")}
    assert not halves[0] & halves[1]
    (test,) = {
        row.num_seeds for row in aggregate(load([small.out])).rows if row.split == "test" and row.model == "tiny"
    }
    assert test == 1


def test_a_publication_is_repeated_without_a_search() -> None:
    assert "leave 'tune' out" in refusal(mode="paper", tune={"trials": 3})


def test_subsets_stand_in_one_place() -> None:
    assert "not both" in refusal(subsets=[{"total": 3}], train={"subset": {"total": 4}})
    assert "'subsets' names the same thing twice" in refusal(subsets=[{"total": 3}, {"total": 3}])
    assert Study.from_yaml(json.dumps({**PLAIN, "subsets": [{"total": 3}]})).subsets == (Subset(total=3),)


def test_in_paper_mode_a_dataset_built_otherwise_is_not_taken(small: Small, tmp_path: Path) -> None:
    from clinpeft.data.build import build_task
    from clinpeft.sources.base import SOURCES
    from clinpeft.tasks.base import TASKS

    task = "i2b2-2010-concepts"
    SOURCES.get("i2b2-2010")().synthesize(tmp_path / "raw", num_patients=8, seed=1)
    build_task(TASKS.get(task)(), task, tmp_path / "raw", tmp_path / "data")
    small.write(mode="paper", tasks=[task], data=[str(tmp_path / "data")])
    with pytest.raises(BadInput, match="--compat paper"):
        small.run()
