"""A finished run is trained again from the study's folder alone, and said to be the same, near, or different."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clinpeft import api
from clinpeft.errors import BadInput, GateRefused
from clinpeft.runs import execute
from clinpeft.runs.grid import TRAINING_CODE

if TYPE_CHECKING:
    from tests.conftest import Said, Small


def run_of(study: Small, method: str) -> str:
    return study.records()[method].run


def rewrite(study: Small, method: str, change: Callable[[dict[str, Any]], None]) -> None:
    """As if the record had said so."""
    path = study.run_folder(method) / "record.json"
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))


@pytest.mark.parametrize("method", ["bitfit", "head-only", "majority"])
def test_on_the_same_machine_it_is_the_same_to_the_last_bit(trained: Small, method: str) -> None:
    before = trained.content()
    found = api.reproduce(trained.out, run_of(trained, method))

    assert (found.verdict, found.metric, found.metric_difference, found.score_difference) == ("bitwise", "auroc", 0, 0)
    assert found.elsewhere == ()
    assert trained.content() == before


def test_the_command_line_says_it_and_ends_with_0(clinpeft: Callable[..., Said], trained: Small) -> None:
    run = run_of(trained, "bitfit")
    said = clinpeft("reproduce", trained.out, run[:6])

    assert said.code == 0
    assert said.out.splitlines()[0] == f"{run}  outcome · tiny · bitfit · seed 1"
    assert said.out.splitlines()[-1] == "bitwise"


@pytest.mark.parametrize(("shift", "verdict", "code"), [(0.004, "within tolerance", 0), (0.2, "different", 1)])
def test_a_metric_that_has_moved_is_measured_against_the_tolerance(
    clinpeft: Callable[..., Said], trained: Small, shift: float, verdict: str, code: int
) -> None:
    def moved(plain: dict[str, Any]) -> None:
        plain["scores"]["auroc"]["value"] -= shift

    rewrite(trained, "bitfit", moved)
    said = clinpeft("reproduce", trained.out, run_of(trained, "bitfit"), "--json")

    assert said.code == code
    assert json.loads(said.out)["verdict"] == verdict
    assert json.loads(said.out)["metric_difference"] == pytest.approx(shift)


def test_other_weights_are_not_called_bitwise_and_the_largest_difference_is_told(
    trained: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = execute.set_out

    def nudged(*arguments: Any, **options: Any) -> Any:
        ready = plain(*arguments, **options)
        ready.training.model.head.out.weight.data += 1e-6
        return ready

    monkeypatch.setattr(execute, "set_out", nudged)
    found = api.reproduce(trained.out, run_of(trained, "bitfit"), tolerance=1)

    assert found.verdict == "within tolerance"
    assert 0 < found.score_difference < 1e-3


def test_what_is_another_than_in_the_record_is_named(trained: Small) -> None:
    def elsewhere(plain: dict[str, Any]) -> None:
        plain["environment"]["cpu"] = "another one"
        plain["environment"]["versions"]["torch"] = "1.0"

    rewrite(trained, "bitfit", elsewhere)
    found = api.reproduce(trained.out, run_of(trained, "bitfit"))

    assert [line.split(",")[0] for line in found.elsewhere] == ["cpu another one", "torch 1.0"]


def test_parts_of_a_batch_are_as_large_as_they_were(trained: Small) -> None:
    def smaller(plain: dict[str, Any]) -> None:
        plain["environment"]["versions"]["engine"] = "attention clinpeft_cpu, 0 fused layers, 32 pieces at once"
        plain["environment"]["micro_batch"] = 2

    rewrite(trained, "bitfit", smaller)

    assert not [line for line in api.reproduce(trained.out, run_of(trained, "bitfit")).elsewhere if "micro" in line]


def test_changed_data_are_refused(clinpeft: Callable[..., Said], trained: Small) -> None:
    path = trained.out / "datasets" / "outcome" / "train.parquet"
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    said = clinpeft("reproduce", trained.out, run_of(trained, "bitfit"))

    assert (said.code, said.out, said.err.count("\n")) == (2, "", 1)
    assert "its data have changed" in said.err


def test_another_dataset_is_refused(trained: Small) -> None:
    rewrite(trained, "bitfit", lambda plain: plain["identity"].update(dataset="0" * 64))

    with pytest.raises(BadInput, match="is another dataset than run"):
        api.reproduce(trained.out, run_of(trained, "bitfit"))


def test_other_weights_of_the_model_are_refused(trained: Small) -> None:
    model = trained.folder / "tiny"
    copy = model.resolve()
    model.unlink()
    shutil.copytree(copy, model)
    weights = model / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-1] + b"\x01")

    with pytest.raises(BadInput, match="its weights are not those that run"):
        api.reproduce(trained.out, run_of(trained, "bitfit"))


def test_a_model_elsewhere_is_found_by_the_base_folder(trained: Small, tmp_path: Path) -> None:
    run, moved = run_of(trained, "bitfit"), tmp_path / "elsewhere" / "study"
    moved.parent.mkdir()
    shutil.move(trained.out, moved)

    with pytest.raises(BadInput, match="tiny"):
        api.reproduce(moved, run)
    assert api.reproduce(moved, run, base=trained.folder).verdict == "bitwise"


def test_another_training_code_is_refused(trained: Small) -> None:
    rewrite(trained, "bitfit", lambda plain: plain["identity"].update(code="1"))

    with pytest.raises(BadInput, match=f"by version 1 of the training code, and this is {TRAINING_CODE}"):
        api.reproduce(trained.out, run_of(trained, "bitfit"))


@pytest.mark.parametrize(("run", "rule"), [("", "fits several runs"), ("zz", "is no run of this study")])
def test_a_run_that_is_not_there_is_refused(trained: Small, run: str, rule: str) -> None:
    with pytest.raises(BadInput, match=rule):
        api.reproduce(trained.out, run)


def test_a_run_that_fails_now_is_told(trained: Small, monkeypatch: pytest.MonkeyPatch) -> None:
    run = run_of(trained, "bitfit")
    monkeypatch.setattr(execute, "_train", lambda *_: 1 / 0)

    with pytest.raises(GateRefused, match="trained again it did not succeed"):
        api.reproduce(trained.out, run)


def test_a_record_says_what_decides_how_exactly_it_can_be_repeated(trained: Small) -> None:
    environment = trained.records()["bitfit"].environment
    assert environment is not None

    assert {"torch", "cuda", "cudnn", "deterministic_algorithms", "tf32", "engine"} <= environment.versions.keys()
    assert (environment.threads, environment.versions["deterministic_algorithms"]) == (1, "off")
