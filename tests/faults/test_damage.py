"""Checkpoints that are damaged and inputs that change under a study are noticed; what is untouched is not redone."""

from __future__ import annotations

import os
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


def twin_of(small: Small) -> Small:
    """The same study but for LoRA's learning rate, beside it."""
    shutil.copytree(small.folder, small.folder.with_name("twin"), symlinks=True, ignore=lambda *_: ["out"])
    twin = type(small)(small.folder.with_name("twin"))
    write(twin, learning_rate=1e-3)
    return twin


def write(small: Small, task: dict[str, Any] | None = None, **options: Any) -> None:
    """`tinier` with other options of LoRA, or of the task."""
    small.write(
        methods=[{"name": "lora", **options}, "head-only"], train={"epochs": 2, "batch_size": 8}, task=task or {}
    )


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
    "another run's": lambda path, other: shutil.copy(other / path.name, path),
}


def check(name: str, damage: str, small: Small, whole: dict[str, bytes], launch: Launch) -> None:
    folder = cut_off(small, launch)
    other = cut_off(twin_of(small), launch) / "step-4" if damage == "another run's" else folder / "step-3"
    DAMAGES[damage](folder / "step-4" / name, other)
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


def replace(path: Path, old: bytes, new: bytes) -> None:
    content = path.read_bytes()
    assert old in content
    path.write_bytes(content.replace(old, new))


def change(what: str, small: Small) -> str:
    """Change an input of a study by a byte (at each place where that must be done alike); the code that does it, where
    that is the way."""
    if what == "weights":
        model, copy = small.folder / "tiny", small.folder / "copy"
        shutil.copytree(model.resolve(), copy)
        model.unlink()
        copy.rename(model)
        flip(model / "model.safetensors")
    elif what == "notes":
        replace(small.folder / "notes.csv", b"severe pain", b"severe paim")
    elif what == "labels":
        replace(small.folder / "notes.csv", b",yes", b",yea")
        write(small, {"positive": "yea"})
    elif what == "order":
        first, *rows = (small.folder / "notes.csv").read_text().splitlines(keepends=True)
        (small.folder / "notes.csv").write_text("".join([first, *reversed(rows)]))
    elif what == "setting":
        write(small, learning_rate=1e-3)
    elif what == "label map":
        replace(small.out / "datasets" / "outcome" / "card.json", b'"yes"', b'"yea"')
    return "from clinpeft.runs import grid; grid.TRAINING_CODE = 'another'" if what == "code" else ""


@pytest.mark.slow
@pytest.mark.parametrize("what", ["setting", "labels", "order", "weights", "code"])
def test_a_run_does_not_go_on_from_a_checkpoint_of_other_settings_data_or_weights(
    what: str, tinier: Small, launch: Launch
) -> None:
    folder = cut_off(tinier, launch)
    again = launch(tinier, change(what, tinier))

    assert again.code() == 0, again.said()
    assert folder.name not in tinier.store.runs()
    assert folder.exists(), "it waits for the study to be as it was"
    assert tinier.records()["lora"].work.steps == 6  # type: ignore[union-attr]
    started = [event.run for event in tinier.store.journal.events() if event.event == "started"]
    assert tinier.records()["lora"].run in started, "from step 0"
    assert ("the study was edited since it last ran: " in again.said()) == (what in {"setting", "labels"})


NEW_RUNS = {"setting": 1, "weights": 2, "notes": 3, "labels": 3, "order": 3, "code": 3, "label map": 0, "touch": 0}
"""Of the two that a model is trained in and a baseline. A label map is made anew from the notes at every start."""


@pytest.mark.slow
@pytest.mark.parametrize("what", NEW_RUNS)
def test_a_changed_byte_of_an_input_trains_what_depends_on_it_anew_and_nothing_else(
    what: str, tinier: Small, launch: Launch
) -> None:
    write(tinier, learning_rate=2e-3)
    assert launch(tinier).code() == 0
    before, kept = set(tinier.store.runs()), tinier.content("runs")
    card = (tinier.out / "datasets" / "outcome" / "card.json").read_bytes()
    for path in [tinier.folder / "notes.csv", *tinier.out.rglob("*")] if what == "touch" else []:
        os.utime(path, (0, 0), follow_symlinks=False)
    process = launch(tinier, change(what, tinier))
    ended, after = process.code(), set(tinier.store.runs())

    assert ended == 0, process.said()
    assert kept.items() <= tinier.content("runs").items()
    assert len(after - before) == NEW_RUNS[what]
    assert ((tinier.out / "datasets" / "outcome" / "card.json").read_bytes() == card) == (
        what not in {"notes", "labels", "order"}
    )


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
