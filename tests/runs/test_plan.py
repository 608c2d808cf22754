"""A plan says what the runs of a study will take, and which will not fit, without training or writing anything."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
import torch

from clinpeft import api
from clinpeft.errors import BadInput
from clinpeft.launchers.local import Local
from clinpeft.runs.forecast import Outlook, Range
from clinpeft.runs.needs import Needs, fewest_judgements, seconds_of
from clinpeft.runs.probe import _by_size, _meet_new_shapes, _Size, _unseen_bytes
from clinpeft.runs.scoring import selection_size
from clinpeft.spec import Judging, TrainOptions

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Said, Small

NEEDS = Needs(
    setup_seconds=1.0,
    first_epoch_seconds=10.0,
    epoch_seconds=8.0,
    steps_an_epoch=100,
    epoch_evaluation_seconds=2.0,
    final_evaluation_seconds=5.0,
    peak_host_bytes=1e9,
    peak_device_bytes=None,
    watts=None,
    adapter_bytes=1e6,
    trained_parameters=1_000,
)


def planned(small: Small, **options: Any) -> Outlook:
    """The outlook of the study, reckoned."""
    return api.plan(small.file, probes=False, **options)[0]


def test_a_run_takes_its_epochs_the_evaluation_after_each_and_the_last_one() -> None:
    # 10 + 2 · 8 of training, 3 · 2 + 5 of evaluation.
    assert seconds_of(NEEDS, TrainOptions(epochs=3)) == 37.0


def test_a_limit_on_steps_cuts_training_and_the_evaluations_after_it() -> None:
    # The first epoch and half of the second, two evaluations, and the last one.
    assert seconds_of(NEEDS, TrainOptions(epochs=3, max_steps=150)) == pytest.approx(10 + 4 + 2 * 2 + 5)


def test_a_limit_on_training_time_holds() -> None:
    assert seconds_of(NEEDS, TrainOptions(epochs=2, time_limit_seconds=9.0)) == pytest.approx(9 + 2 + 5)


@pytest.mark.parametrize(
    ("options", "seconds"),
    [
        # 300 steps are 26 s of training and end after seven stretches of 40 and one of 20.
        ({"epochs": 3}, 26 + 8 * 2 + 5),
        # 150 steps are 14 s: three stretches and three quarters of a fourth.
        ({"epochs": 3, "max_steps": 150}, 14 + 4 * 2 + 5),
        # 14 s of training are 150 steps.
        ({"epochs": 3, "time_limit_seconds": 14.0}, 14 + 4 * 2 + 5),
        # The judging is in the limit, but for that after it.
        ({"epochs": 3, "time_limit_seconds": 14.0, "time_limit_counts": "everything"}, 14 + 2 + 5),
        ({"epochs": 3, "time_limit_seconds": 99.0, "time_limit_counts": "everything"}, 26 + 8 * 2 + 5),
    ],
)
def test_a_study_that_judges_every_so_many_steps_is_reckoned_so(options: dict[str, Any], seconds: float) -> None:
    assert seconds_of(NEEDS, TrainOptions(judge=Judging(every_steps=40), **options)) == pytest.approx(seconds)


def test_patience_counts_judgements() -> None:
    options = TrainOptions(epochs=3, judge=Judging(every_steps=40), early_stopping_patience=2)

    # Three stretches of 40 steps: the first epoch, and a fifth of the second.
    assert seconds_of(NEEDS, options, fewest_judgements(options)) == pytest.approx(10 + 0.2 * 8 + 3 * 2 + 5)
    by_epochs = TrainOptions(epochs=9, early_stopping_patience=2)
    assert seconds_of(NEEDS, by_epochs, fewest_judgements(by_epochs)) == 37.0
    assert fewest_judgements(TrainOptions(early_stopping_patience=None)) is None


def test_a_judgement_takes_as_many_validation_examples_as_the_study_says() -> None:
    assert selection_size(TrainOptions(), 700) == 500
    assert selection_size(TrainOptions(), 300) == 300
    assert selection_size(TrainOptions(judge=Judging(examples="all")), 700) == 700
    assert selection_size(TrainOptions(judge=Judging(examples=64)), 700) == 64


def test_seconds_of_a_batch_follow_its_size_and_never_fall_below_the_quickest() -> None:
    seconds = _by_size([(100, 1.0), (200, 2.0), (300, 3.0)])

    assert seconds([150, 400]) == pytest.approx([1.5, 4.0])
    assert seconds([10]) == [1.0]


def test_a_batch_is_new_while_one_of_its_shapes_is() -> None:
    sizes = [
        _Size(0, 8, frozenset({(1, 8)})),
        _Size(1, 8, frozenset({(1, 8)})),
        _Size(2, 24, frozenset({(1, 8), (2, 8)})),
    ]

    assert _meet_new_shapes(sizes) == [True, False, True]


def test_shapes_that_were_not_met_take_half_of_what_the_met_ones_took() -> None:
    met = [_Size(0, 8, frozenset({(1, 8)})), _Size(1, 16, frozenset({(2, 8)})), _Size(2, 24, frozenset({(3, 8)}))]
    every = frozenset({(1, 8), (2, 8), (3, 8), (4, 8)})

    # Two shapes after the first took 20: one more takes half of 10.
    assert _unseen_bytes(every, met, [100, 110, 120]) == 5.0


def test_a_plan_counts_runs_by_seed_and_writes_nothing(small: Small) -> None:
    small.write(seeds=[1, 2, 3])
    before = sorted(small.folder.rglob("*"))
    outlook = planned(small)

    assert {one.method: one.num_left for one in outlook.forecasts} == {"majority": 1, "head-only": 3, "bitfit": 3}
    assert {one.how for one in outlook.forecasts if one.role == "final"} == {"analytic"}
    assert sorted(small.folder.rglob("*")) == before


def test_trials_and_tuned_runs_of_a_search_are_counted(small: Small) -> None:
    small.write(methods=["bitfit"], seeds=[1, 2], baselines=[], tune={"trials": 4})

    assert {one.role: one.num_left for one in planned(small).forecasts} == {"final": 2, "trial": 4, "tuned": 2}


def test_what_is_done_is_left_out_of_what_is_to_come(trained: Small) -> None:
    trained.write(seeds=[1, 2])
    outlook = planned(trained, out=trained.out)

    assert {one.method: (one.num_left, one.num_done) for one in outlook.forecasts} == {
        "majority": (0, 1),
        "head-only": (1, 1),
        "bitfit": (1, 1),
    }
    assert outlook.spent_seconds > 0


def test_money_follows_from_the_price(small: Small) -> None:
    outlook = planned(small, price="own:workstation")

    assert outlook.currency == "EUR"
    assert all(
        one.money is not None and one.money.low <= one.money.value <= one.money.high for one in outlook.forecasts
    )


def test_a_budget_of_money_needs_a_price(small: Small) -> None:
    small.write(budget={"money": 1, "currency": "EUR"})

    with pytest.raises(BadInput, match="needs a price"):
        planned(small)


def test_a_budget_leaves_out_the_later_seeds_first(small: Small) -> None:
    small.write(methods=["bitfit"], baselines=[], seeds=[1, 2], budget={"hours": 1e-9})

    assert planned(small).left_out == ("outcome · tiny · bitfit · seed 2",)


def test_a_model_without_its_weights_is_planned_all_the_same_and_named(small: Small) -> None:
    (small.folder / "tiny").unlink() if (small.folder / "tiny").is_symlink() else None
    small.write(models=["Llama-2-7b-hf"], methods=["lora"], train={"precision": "bf16"})
    outlook = planned(small)
    (forecast,) = (one for one in outlook.forecasts if one.role == "final")

    assert outlook.missing == {"Llama-2-7b-hf": "meta-llama/Llama-2-7b-hf"}
    # The 2024 study saw 24.74 GiB in float32 and 12.37 in bf16; ours keeps embeddings in float32 (0.24 GiB more).
    assert forecast.load_bytes / 2**30 == pytest.approx(24.7, rel=0.02)
    assert forecast.weights_bytes / 2**30 == pytest.approx(12.4 + 0.24, rel=0.02)


def test_a_gpu_holds_its_share_of_the_frozen_weights_and_a_few_layers(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Llama-2-7B: 32 layers of 202 million weights in bf16, embeddings of 131 million in float32."""
    monkeypatch.setattr("clinpeft.runs.reckon.pick_device", lambda: torch.device("cuda"))
    monkeypatch.setattr("clinpeft.runs.reckon.free_bytes", lambda device: 20e9)
    monkeypatch.setattr("clinpeft.runs.reckon.matrix_rate", lambda device, precision: 1e14)
    monkeypatch.setattr("clinpeft.runs.plan.shortfall", lambda needs: (0.0, 0.0))
    monkeypatch.setattr("clinpeft.runs.forecast.shortfall", lambda needs: (0.0, 0.0))
    small.write(models=["Llama-2-7b-hf"], methods=["lora"], baselines=[], train={"precision": "bf16"})
    (whole,) = planned(small, launcher=Local(processes_per_run=2)).forecasts
    (shards,) = planned(small, launcher=Local(processes_per_run=2, shard_weights=True)).forecasts

    layers, embeddings, adapter = 32 * 202.4e6 * 2, 131.1e6 * 4, 4.2e6 * 4
    assert whole.weights_bytes == pytest.approx(layers + embeddings + adapter, rel=0.01)
    gathered = max(3 * 202.4e6 * 2, 2 * embeddings)
    assert shards.weights_bytes == pytest.approx((layers + embeddings) / 2 + gathered + adapter, rel=0.01)
    assert shards.peak_device_bytes is not None
    assert whole.peak_device_bytes is not None
    saved = whole.peak_device_bytes.value - shards.peak_device_bytes.value
    assert saved == pytest.approx(whole.weights_bytes - shards.weights_bytes, rel=0.01)
    assert shards.peak_host_bytes == whole.peak_host_bytes
    assert shards.peak_host_bytes.value == pytest.approx(2 * (whole.load_bytes + 620e6))
    assert (shards.how, shards.seconds.value > whole.seconds.value) == ("analytic", True)


def test_several_gpus_are_named_as_a_way_to_make_a_model_fit(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("clinpeft.runs.reckon.pick_device", lambda: torch.device("cuda"))
    monkeypatch.setattr("clinpeft.runs.reckon.free_bytes", lambda device: 11e9)
    monkeypatch.setattr("clinpeft.runs.reckon.matrix_rate", lambda device, precision: 1e14)
    monkeypatch.setattr("torch.cuda.device_count", lambda: 4)
    for place in ("plan", "forecast", "remedies"):
        monkeypatch.setattr(
            f"clinpeft.runs.{place}.shortfall", lambda needs: (0.0, max(0.0, needs.peak_device_bytes - 11e9))
        )
    small.write(models=["Llama-2-7b-hf"], methods=["lora", "full"], baselines=[], train={"precision": "bf16"})
    found = {forecast.method: forecast for forecast in planned(small).forecasts}

    told = [remedy for remedy in found["lora"].remedies if "shard_weights" in remedy]
    assert len(told) == 1
    assert told[0].startswith("--set processes_per_run=4 --set shard_weights=true (")
    assert not any("shard_weights" in remedy for remedy in found["full"].remedies)


def test_a_run_that_will_not_fit_is_named_with_by_how_much_and_what_would(
    small: Small, clinpeft: Callable[..., Said], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clinpeft.runs.remedies._free_host_bytes", lambda: 1e9)
    small.write(models=["Llama-2-7b-hf"], methods=["lora"], baselines=[], train={"precision": "bf16"})
    said = clinpeft("plan", small.file, "--no-probe")

    assert said.code == 1
    assert said.out.startswith("will not fit: outcome · Llama-2-7b-hf · lora")
    assert "GB too large for this machine's memory" in said.out
    assert "would fit: " in said.out


def test_json_holds_the_totals(small: Small, clinpeft: Callable[..., Said]) -> None:
    said = clinpeft("plan", small.file, "--no-probe", "--json")
    (facts,) = json.loads(said.out)

    assert said.code == 0
    assert facts["num_left"] == 3
    assert facts["total"]["seconds"]["value"] == pytest.approx(
        sum(one["num_left"] * one["seconds"]["value"] for one in facts["forecasts"])
    )


@pytest.mark.slow
def test_a_probe_measures_the_run_in_a_process_of_its_own(small: Small, tmp_path: Path) -> None:
    small.write(methods=["bitfit"], baselines=[])
    outlook = api.plan(small.file)[0]
    small.run()
    (record,) = (record for record in small.store.records())
    (forecast,) = outlook.forecasts

    assert forecast.how == "probe"
    assert forecast.peak_device_bytes is None or isinstance(forecast.peak_device_bytes, Range)
    assert forecast.setup_seconds > 0
    kept = record.cost["adapter_bytes"].value
    assert kept is not None
    assert forecast.disk_bytes.value > kept
