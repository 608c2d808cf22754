"""Checkpoints that are damaged and inputs that change under a study are noticed; what is untouched is not redone."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from tests.faults.conftest import OFTEN, assert_ended_well, events, results
from tests.faults.test_killed import AT_STEP

if TYPE_CHECKING:
    from tests.conftest import Small

Launch = Callable[..., Any]
FILES = ("MANIFEST.json", "state.json", "state.safetensors")


def cut_off(small: Small, launch: Launch, step: int = 4) -> Path:
    """Kill the study after so many steps; the folder of the run's checkpoints."""
    assert launch(small, OFTEN + AT_STEP.format(step=step, signal="SIGKILL")).code() == -signal.SIGKILL
    (folder,) = (small.out / "checkpoints").iterdir()
    return folder


def flip(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 1
    path.write_bytes(data)


DAMAGES: dict[str, Callable[[Path, Path], object]] = {
    "deleted": lambda path, other: path.unlink(),
    "cut in half": lambda path, other: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "emptied": lambda path, other: path.write_bytes(b""),
    "a bit flipped": lambda path, other: flip(path),
    "an earlier one's": lambda path, other: shutil.copy(other / path.name, path),
}


def check(name: str, damage: str, small: Small, whole: dict[str, bytes], launch: Launch) -> None:
    folder = cut_off(small, launch)
    DAMAGES[damage](folder / "step-4" / name, folder / "step-3")
    again = launch(small)

    assert again.code() == 0, again.said()
    assert f"checkpoints/{folder.name}/step-4 is not used: {name} is" in again.said()
    assert "going on from step 3" in again.said()
    assert events(small)["started"] == 3, "no run started again"
    assert_ended_well(small, whole)


def test_a_damaged_file_of_a_checkpoint_is_named_and_the_one_before_is_used(
    tinier: Small, whole: dict[str, bytes], launch: Launch
) -> None:
    check("state.safetensors", "a bit flipped", tinier, whole, launch)


@pytest.mark.slow
@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_every_damage_to_every_file(
    name: str, damage: str, tinier: Small, whole: dict[str, bytes], launch: Launch
) -> None:
    check(name, damage, tinier, whole, launch)


def test_when_no_checkpoint_is_whole_the_run_starts_again_and_status_says_so(
    tinier: Small, whole: dict[str, bytes], launch: Launch, clinpeft: Any
) -> None:
    folder = cut_off(tinier, launch)
    for step in (3, 4):
        flip(folder / f"step-{step}" / "state.safetensors")
    assert launch(tinier, OFTEN + AT_STEP.format(step=1, signal="SIGKILL")).code() == -signal.SIGKILL
    said = clinpeft("status", tinier.out).out
    again = launch(tinier)

    assert "started again from step 0" in said
    assert again.code() == 0, again.said()
    assert events(tinier)["started"] == 4
    assert_ended_well(tinier, whole)


@pytest.mark.slow
def test_a_moved_study_goes_on_from_its_checkpoint(
    tinier: Small, whole: dict[str, bytes], launch: Launch, tmp_path: Path
) -> None:
    cut_off(tinier, launch)
    moved = tinier.moved_to(tmp_path / "elsewhere")
    again = launch(moved)

    assert again.code() == 0, again.said()
    assert events(moved)["started"] == 3
    assert_ended_well(moved, whole)


@pytest.mark.slow
def test_an_edited_run_does_not_go_on_from_the_checkpoint_of_the_old_one(tinier: Small, launch: Launch) -> None:
    folder = cut_off(tinier, launch)
    tinier.write(methods=[{"name": "lora", "learning_rate": 1e-3}, "head-only"], train={"epochs": 2, "batch_size": 8})
    again = launch(tinier)

    assert again.code() == 0, again.said()
    assert folder.name not in tinier.store.runs()
    assert folder.exists(), "it waits for the study to be as it was"
    assert tinier.records()["lora"].work.steps == 6  # type: ignore[union-attr]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["weights", "notes", "label", "code"])
def test_a_changed_input_is_another_run(what: str, tinier: Small, launch: Launch) -> None:
    assert launch(tinier).code() == 0
    before, code = set(tinier.store.runs()), ""
    if what == "weights":
        model = tinier.folder / "tiny"
        shutil.copytree(model.resolve(), tinier.folder / "copy")
        model.unlink()
        (tinier.folder / "copy").rename(model)
        flip(model / "model.safetensors")
    elif what == "code":
        code = "from clinpeft.runs import grid; grid.TRAINING_CODE = 'another'"
    else:
        path = tinier.folder / "notes.csv"
        old, new = (b"severe pain", b"severe paim") if what == "notes" else (b",yes", b",yea")
        path.write_bytes(path.read_bytes().replace(old, new))
        if what == "label":
            tinier.write(methods=["lora", "head-only"], train={"epochs": 2, "batch_size": 8}, task={"positive": "yea"})
    process = launch(tinier, code)
    ended, after = process.code(), set(tinier.store.runs())

    if ended == 2:
        assert after == before, "refused with the reason, and nothing was done"
        assert "clinpeft: " in process.said()
    else:
        assert ended == 0, process.said()
        assert len(after - before) == (2 if what == "weights" else 3)
        assert before <= after
    assert all(tinier.store.is_sound(run) for run in before)


@pytest.mark.slow
def test_no_file_of_a_study_that_was_cut_off_is_a_pickle_or_looks_finished(tinier: Small, launch: Launch) -> None:
    folder = cut_off(tinier, launch)
    files = [path for path in tinier.out.rglob("*") if path.is_file() and "datasets" not in path.parts]

    assert folder.name not in tinier.store.runs()
    assert {path.suffix for path in files} <= {".json", ".jsonl", ".yaml", ".csv", ".parquet", ".safetensors", ""}
    assert [path for path in files if path.name == "adapter_model.safetensors"] == []
    assert [path for path in files if path.read_bytes()[:2] in {b"PK", b"\x80\x02", b"\x80\x04", b"\x80\x05"}] == []
    assert [path for path in files if path.stat().st_mode & 0o077] == []


@pytest.mark.slow
def test_results_do_not_depend_on_how_often_a_run_was_cut_off(
    tinier: Small, whole: dict[str, bytes], launch: Launch
) -> None:
    for _ in range(3):
        assert launch(tinier, OFTEN + AT_STEP.format(step=2, signal="SIGKILL")).code() == -signal.SIGKILL
    assert launch(tinier).code() == 0
    assert results(tinier) == whole
