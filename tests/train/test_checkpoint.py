"""A checkpoint holds what was given, bit for bit, and one that is damaged in any way is named and not used."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from clinpeft.train import checkpoint
from clinpeft.train.checkpoint import MANIFEST, STATE, TENSORS, Checkpoints, read_state, size_of, write_state

RUN, OTHER = "0123456789abcdef", "fedcba9876543210"
FILES = (MANIFEST, STATE, TENSORS)


def state_after(step: int) -> dict[str, Any]:
    return {"step": step, "weight": torch.full((5, 3), float(step))}


@pytest.fixture
def told() -> list[str]:
    return []


@pytest.fixture
def checkpoints(tmp_path: Path, told: list[str]) -> Checkpoints:
    """Checkpoints after steps 10 and 20."""
    made = Checkpoints(tmp_path / RUN, RUN, told.append)
    for step in (10, 20):
        made.write(step, state_after(step))
    told.clear()
    return made


@pytest.mark.parametrize(
    "dtype",
    [torch.float64, torch.float32, torch.float16, torch.bfloat16, torch.int64, torch.int32, torch.uint8, torch.bool],
)
def test_tensors_of_every_kind_come_back_with_their_bits(dtype: torch.dtype, tmp_path: Path) -> None:
    tensors = [torch.arange(7).to(dtype), torch.tensor(1).to(dtype), torch.zeros(0, 3).to(dtype)]
    turned = torch.arange(6).reshape(2, 3).to(dtype).t()
    write_state(tmp_path, {"all": [*tensors, turned]}, RUN, 1)

    back = read_state(tmp_path)["all"]
    assert [value.dtype for value in back] == [dtype] * 4
    assert all(torch.equal(left, right) for left, right in zip(back, [*tensors, turned], strict=True))


def test_nested_values_come_back_as_they_were(tmp_path: Path) -> None:
    state = {
        "optimizer": {"state": {0: {"step": torch.tensor(3.0)}}, "param_groups": [{"betas": (0.9, 0.999), "lr": 1e-3}]},
        "none": None,
        "tensor": {"dict": "no marker"},
        "rate": 0.1 + 0.2,
        "flags": [True, 1, "1"],
    }
    write_state(tmp_path, state, RUN, 1)
    back = read_state(tmp_path)

    assert back["optimizer"]["state"][0]["step"].item() == 3
    assert back["optimizer"]["param_groups"] == state["optimizer"]["param_groups"]
    assert {key: back[key] for key in ("none", "tensor", "rate", "flags")} == {
        key: state[key] for key in ("none", "tensor", "rate", "flags")
    }
    assert isinstance(back["optimizer"]["param_groups"][0]["betas"], tuple)


def test_the_tensors_are_plain_safetensors_and_nothing_else_lies_there(tmp_path: Path) -> None:
    write_state(tmp_path, {"half": torch.ones(3, dtype=torch.float16), "whole": torch.ones(5)}, RUN, 1)

    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(FILES)
    assert sorted(value.sum().item() for value in load_file(tmp_path / TENSORS).values()) == [3, 5]


def test_what_no_checkpoint_can_hold_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match="a checkpoint cannot hold a PosixPath"):
        write_state(tmp_path, {"path": tmp_path}, RUN, 1)


def test_without_a_checkpoint_there_is_nothing_to_go_on_from(tmp_path: Path) -> None:
    assert Checkpoints(tmp_path / "none", RUN).newest() is None


def test_the_newest_by_step_is_gone_on_from_whatever_the_clock_said(checkpoints: Checkpoints) -> None:
    import os

    os.utime(checkpoints.folder / "step-10", (4e9, 4e9))
    os.utime(checkpoints.folder / "step-20", (0, 0))

    assert checkpoints.newest()["step"] == 20  # type: ignore[index]


def test_the_newest_two_by_step_are_kept_and_a_deletion_is_told_of_first(
    checkpoints: Checkpoints, told: list[str]
) -> None:
    seen = []
    checkpoints.note = lambda event: (told.append(event), seen.append((event, checkpoints.steps())))[0]  # type: ignore[assignment,func-returns-value]
    checkpoints.write(100, state_after(100))

    assert checkpoints.steps() == [20, 100]
    assert told == ["checkpointed", "deleted"]
    assert seen[1] == ("deleted", [10, 20, 100])


def test_what_lies_beside_the_checkpoints_is_left_alone(checkpoints: Checkpoints) -> None:
    other = Checkpoints(checkpoints.folder.with_name(OTHER), OTHER)
    other.write(1, state_after(1))
    (checkpoints.folder / "notes.txt").write_text("mine")
    for step in (30, 40, 50):
        checkpoints.write(step, state_after(step))

    assert other.steps() == [1]
    assert (checkpoints.folder / "notes.txt").exists()


def delete(path: Path, other: Path) -> None:
    path.unlink()


def truncate(path: Path, other: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path, other: Path) -> None:
    path.write_bytes(b"")


def flip_a_bit(path: Path, other: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 1
    path.write_bytes(data)


def swap(path: Path, other: Path) -> None:
    shutil.copy(other / path.name, path)


DAMAGES = (delete, truncate, empty, flip_a_bit, swap)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("name", FILES)
def test_a_damaged_file_is_named_and_the_checkpoint_before_is_used(
    name: str, damage: Callable[[Path, Path], None], checkpoints: Checkpoints, capsys: pytest.CaptureFixture[str]
) -> None:
    other = Checkpoints(checkpoints.folder.with_name(OTHER), OTHER)
    other.write(20, {**state_after(20), "weight": torch.zeros(5, 3), "more": 1})
    damage(checkpoints.folder / "step-20" / name, other.folder / "step-20")
    saved = checkpoints.newest()
    said = capsys.readouterr().err

    assert saved is not None
    assert saved["step"] == 10
    assert f"checkpoints/{RUN}/step-20 is not used: {name} is " in said
    assert said.endswith("going on from step 10\n")
    assert checkpoints.steps() == [10]


def test_when_all_are_damaged_the_run_starts_again_and_that_is_told(
    checkpoints: Checkpoints, told: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    for step in (10, 20):
        flip_a_bit(checkpoints.folder / f"step-{step}" / TENSORS, checkpoints.folder)

    assert checkpoints.newest() is None
    assert capsys.readouterr().err.endswith("starting from step 0\n")
    assert told == ["deleted", "deleted", "started"]
    assert checkpoints.steps() == []


def test_a_whole_folder_of_another_run_is_not_used(checkpoints: Checkpoints) -> None:
    other = Checkpoints(checkpoints.folder.with_name(OTHER), OTHER)
    other.write(30, state_after(30))
    shutil.copytree(other.folder / "step-30", checkpoints.folder / "step-30")

    assert checkpoints.newest()["step"] == 20  # type: ignore[index]


def test_a_manifest_that_claims_another_step_is_not_used(checkpoints: Checkpoints) -> None:
    (checkpoints.folder / "step-20").rename(checkpoints.folder / "step-200")

    assert checkpoints.newest()["step"] == 10  # type: ignore[index]


def test_a_half_written_one_is_no_checkpoint(checkpoints: Checkpoints, monkeypatch: pytest.MonkeyPatch) -> None:
    def cut(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(checkpoint, "_write_tensors", cut)
    with pytest.raises(KeyboardInterrupt):
        checkpoints.write(30, state_after(30))

    assert checkpoints.steps() == [10, 20]
    assert [path.name for path in checkpoints.folder.iterdir() if path.name.startswith(".")] == []


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(checkpoint.time, "monotonic", lambda: now[0])
    return now


def test_one_is_written_when_enough_time_has_passed(tmp_path: Path, clock: list[float]) -> None:
    made = Checkpoints(tmp_path, RUN)
    written = []
    for step, now in enumerate((1010.0, 1044.0, 1046.0, 1060.0, 1090.0, 1092.0), start=1):
        clock[0] = now
        made.offer(step, lambda step=step: written.append(step) or state_after(step))  # type: ignore[misc]

    assert written == made.steps() == [3, 6]


def test_large_states_are_written_so_seldom_that_they_take_a_fiftieth_of_the_time(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    made = Checkpoints(tmp_path, RUN)
    write = checkpoint.write_state

    def slow(*arguments: Any) -> None:
        clock[0] += 10.0
        write(*arguments)

    monkeypatch.setattr(checkpoint, "write_state", slow)
    for step in range(1, 4001):
        clock[0] += 1.0
        made.offer(step, lambda step=step: state_after(step))  # type: ignore[misc]

    # 10 s each, 500 s apart.
    assert made.steps()[-1] > 3000
    assert clock[0] - 1000.0 - 4000.0 <= 0.02 * 4000.0 + 10.0


def test_before_anything_was_measured_the_size_says_how_long_one_takes(
    tmp_path: Path, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(checkpoint, "BYTES_A_SECOND", 30.0)  # 60 bytes, so 2 s, so every 100 s
    made = Checkpoints(tmp_path, RUN)
    assert size_of(state_after(1)) == 60
    for step, now in enumerate((1050.0, 1099.0, 1101.0), start=1):
        clock[0] = now
        made.offer(step, lambda step=step: state_after(step))  # type: ignore[misc]

    assert made.steps() == [3]


def test_the_manifest_names_run_step_sizes_and_hashes(checkpoints: Checkpoints) -> None:
    manifest = json.loads((checkpoints.folder / "step-20" / MANIFEST).read_text())

    assert (manifest["run"], manifest["step"], sorted(manifest["files"])) == (RUN, 20, [STATE, TENSORS])
    size = (checkpoints.folder / "step-20" / TENSORS).stat().st_size
    assert manifest["files"][TENSORS]["bytes"] == size
