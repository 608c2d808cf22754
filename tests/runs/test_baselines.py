"""The untuned encoder is a run of every study: planned, carried out, reported, made again and failed like any other."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pyarrow.parquet as pq
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from clinpeft import api
from clinpeft.data.tokenize import tag_names
from clinpeft.runs import baselines, probe_baseline
from clinpeft.runs.find import find
from clinpeft.runs.grid import plan
from clinpeft.spec import Study

if TYPE_CHECKING:
    from tests.conftest import Said, Small

    from clinpeft.runs.grid import PlannedRun

ENCODER = "encoder-logistic"


@pytest.fixture
def encoded(small: Small) -> Small:
    """A study of the untuned encoder and a head, that has run."""
    small.write(baselines=[ENCODER], methods=["head-only"], train={"precision": "fp32"})
    assert small.run().num_failed == 0
    return small


def runs_of(small: Small, **changes: Any) -> list[PlannedRun]:
    small.write(**changes)
    runs = plan(find(Study.read(small.file), small.folder, (), small.out)).runs
    return [run for run in runs if run.spec.method.name == ENCODER]


def test_it_runs_once_for_each_model_and_fold(small: Small) -> None:
    models = [{"name": name, "path": "./tiny"} for name in ("one", "two")]
    folds = {"split": {"folds": 2}}
    found = runs_of(small, models=models, seeds=[5, 6], task=folds, baselines=["majority", ENCODER])

    assert [(run.role, run.spec.model, run.spec.seed, run.spec.fold) for run in found] == [
        ("baseline", model, 5, fold) for fold in (0, 1) for model in ("one", "two")
    ]
    assert len({run.run for run in found}) == 4


def test_it_is_in_every_study_that_does_not_name_its_baselines(small: Small) -> None:
    plain = {"schema": 1, "name": "s", "tasks": ["rqe"], "models": ["minilm-l6"], "methods": ["lora"]}

    assert Study.from_yaml(json.dumps(plain)).baselines == ("majority", "tfidf-logistic", ENCODER)


def test_only_what_it_reads_and_fits_tells_two_of_them_apart(small: Small) -> None:
    def run(**train: Any) -> str:
        [found] = runs_of(small, baselines=[ENCODER], train=train)
        return found.run

    before = run()

    assert run(epochs=9, learning_rate=0.1, batch_size=2, threads=2) == before
    assert len({before, run(max_length=8), run(long_text="head_tail"), run(subset={"total": 9})}) == 4


def test_its_scores_are_those_of_scikit_learn_on_transformers_own_states(encoded: Small) -> None:
    from transformers import AutoModel, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(encoded.folder / "tiny")
    model = AutoModel.from_pretrained(encoded.folder / "tiny").eval()
    dataset = encoded.datasets()["outcome"]

    def states(split: Any) -> Any:
        texts = [example.text for example in dataset.examples(split)]
        pieces = tokenizer(texts, max_length=16, truncation=True, padding=True, return_tensors="pt")
        with torch.no_grad():
            return model(**pieces).pooler_output.numpy()

    train, gold = states("train"), [example.label for example in dataset.examples("train")]
    scaler = StandardScaler().fit(train)
    width = train.shape[1] ** 0.5
    oracles = [
        LogisticRegression(C=C, max_iter=300).fit(scaler.transform(train) / width, gold) for C in (1.0, 10.0, 100.0)
    ]
    expected = [oracle.predict_proba(scaler.transform(states("test")) / width) for oracle in oracles]
    rows = pq.read_table(encoded.run_folder(ENCODER) / "predictions-test.parquet").to_pylist()

    assert [str(label) for label in oracles[0].classes_] == list(dataset.card.labels)
    found = torch.tensor([[row["score_0"], row["score_1"]] for row in rows])
    assert min(float((found - torch.tensor(one)).abs().max()) for one in expected) < 2e-3


def test_its_record_says_what_it_took_and_that_it_is_a_baseline(encoded: Small) -> None:
    record = encoded.records()[ENCODER]
    dataset = encoded.datasets()["outcome"]

    assert (record.role, record.status, record.spec.model, record.spec.method.name) == (
        "baseline",
        "success",
        "tiny",
        ENCODER,
    )
    assert record.identity.weights_sha256 == encoded.records()["head-only"].identity.weights_sha256
    assert record.truncated == encoded.records()["head-only"].truncated
    costs = ("train_seconds", "evaluate_seconds", "peak_host_bytes", "latency_p50_seconds", "examples_per_second")
    assert all((record.cost[field].value or 0) > 0 for field in costs)  # type: ignore[index]
    assert record.environment is not None
    assert record.environment.precision_used == "fp32"
    # Every matrix of the backbone but the pooler once a word piece, the pooler and the head once a text; no gradient.
    flops, head_only = (encoded.records()[name].cost["flops"].value or 0 for name in (ENCODER, "head-only"))
    assert 0.9 * head_only < flops <= head_only
    assert dataset.card.counts["train"].examples == 30


def test_it_tags_word_pieces_where_they_are_what_counts(small: Small, tmp_path: Any) -> None:
    from clinpeft.data.build import build_task
    from clinpeft.sources.base import SOURCES
    from clinpeft.tasks.base import TASKS

    task = "i2b2-2010-concepts"
    SOURCES.get("i2b2-2010")().synthesize(tmp_path / "raw", num_patients=12, seed=1)
    for mode in ("correct", "paper"):
        dataset = build_task(TASKS.get(task)(mode=mode), task, tmp_path / "raw", tmp_path / mode)
        small.write(tasks=[task], data=[str(tmp_path / mode)], baselines=[ENCODER], methods=["head-only"])
        assert small.run().num_failed == 0
        rows = pq.read_table(small.run_folder(ENCODER) / "predictions-validation.parquet").to_pylist()
        assert {tag for row in rows for tag in row["predicted"]} <= set(tag_names(dataset.card))
        assert {tag for row in rows for tag in row["predicted"]} > {"O"}
        assert ("pieces" in rows[0]) == (mode == "paper")
        small = small.moved_to(tmp_path / f"moved-{mode}")


def test_it_is_run_alone_by_name(small: Small, clinpeft: Callable[..., Said]) -> None:
    small.write(baselines=["majority", ENCODER])
    said = clinpeft("run", small.file, "--out", small.out, "--only", f"method={ENCODER}")

    assert said.code == 0
    assert [record.spec.method.name for record in small.store.records()] == [ENCODER]
    assert "outcome · tiny · encoder-logistic · seed 1" in clinpeft("status", small.out).out


def test_made_again_it_is_the_same_to_the_last_bit(encoded: Small) -> None:
    [found] = [api.reproduce(encoded.out, encoded.records()[ENCODER].run)]

    assert found.verdict == "bitwise"


def test_where_memory_runs_out_it_is_a_failed_record(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    def run_out(*arguments: Any, **options: Any) -> None:
        raise torch.OutOfMemoryError("out of memory")

    small.write(baselines=[ENCODER], methods=["head-only"])
    monkeypatch.setattr(baselines, "set_out", run_out)
    outcome = small.run()
    record = small.records()[ENCODER]

    assert (outcome.num_failed, record.status, record.role) == (1, "out_of_memory", "baseline")
    assert record.reason is not None
    assert record.reason.code == "oom_device"
    assert small.records()["head-only"].status == "success"


def test_a_plan_counts_one_pass_over_all_texts(small: Small) -> None:
    small.write(baselines=[ENCODER], methods=["head-only"], train={"epochs": 7})
    outlook = api.plan(small.file, probes=False)[0]
    baseline, head = outlook.forecasts

    assert (baseline.role, baseline.model, baseline.how, baseline.num_left) == ("baseline", "tiny", "analytic", 1)
    assert baseline.seconds.value < head.seconds.value
    assert baseline.checkpoint_bytes == 0
    assert baseline.disk_bytes.value < head.disk_bytes.value


def test_a_probe_of_it_is_tried_on_a_share_and_multiplied(small: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    small.write(baselines=[ENCODER], methods=["head-only"])
    planned = plan(find(Study.read(small.file), small.folder, (), small.out))
    asked: list[int] = []
    plain = baselines.EncoderBaseline.fit
    monkeypatch.setattr(
        baselines.EncoderBaseline,
        "fit",
        lambda self, rows, texts, **options: asked.append(len(rows)) or plain(self, rows, texts, **options),
    )
    monkeypatch.setattr(probe_baseline, "MOST_EXAMPLES", 10)
    needs = probe_baseline.probe_baseline(planned.runs[0].spec, planned.datasets["outcome"], planned.models["tiny"])

    assert asked == [10], "every third of thirty"
    assert needs.first_epoch_seconds > 0
    assert (needs.epoch_seconds, needs.trained_parameters) == (0.0, 0)


def test_an_encoder_that_does_not_fit_is_helped_by_what_leaves_it_as_it_is(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("clinpeft.runs.remedies._free_host_bytes", lambda: 2e9)
    train = {"precision": "bf16", "max_length": 512}
    small.write(models=["Llama-2-7b-hf"], baselines=[ENCODER], methods=["lora"], train=train)
    baseline = next(one for one in api.plan(small.file, probes=False)[0].forecasts if one.method == ENCODER)

    assert baseline.short_of == "host"
    assert len(baseline.remedies) == 1, "the next smaller model; not quantised, and not in shards"
    assert baseline.remedies[0].endswith("GB)")
    assert "method" not in baseline.remedies[0]
