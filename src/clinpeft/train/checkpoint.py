"""Checkpoints: what a run needs to go on exactly where it was cut off, verified before it is believed.

A checkpoint is a folder `step-<n>`: `state.safetensors` holds every tensor, `state.json` everything else and where the
tensors belong, and `MANIFEST.json`, written last, names both with size and SHA-256, the run and the step. The folder
appears whole or not at all. Nothing is pickled: nested dicts, lists and tuples are spelled out in JSON.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import shutil
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO, Literal

import torch

from clinpeft.files import replacing_folder, require_free, sha256_file

MANIFEST, STATE, TENSORS = "MANIFEST.json", "state.json", "state.safetensors"
FORMAT = 1
SECONDS_BETWEEN = 45.0
"""At least, between two checkpoints: what a run that is killed loses."""
SHARE = 0.02
"""Of a run's time that checkpoints may take; large states are written less often."""
BYTES_A_SECOND = 100e6
"""How fast the first one is expected to be written; then it is measured."""
NUM_KEPT = 2

Note = Callable[[Literal["checkpointed", "deleted", "started", "limits_changed"]], None]
Fence = Callable[[], contextlib.AbstractContextManager[object]]
_NAMES = {
    torch.float64: "F64",
    torch.float32: "F32",
    torch.float16: "F16",
    torch.bfloat16: "BF16",
    torch.int64: "I64",
    torch.int32: "I32",
    torch.int16: "I16",
    torch.int8: "I8",
    torch.uint8: "U8",
    torch.bool: "BOOL",
}


class Checkpoints:
    """The checkpoints of one run, in a folder of their own: the newest two, by step."""

    def __init__(
        self, folder: Path, run: str, note: Note = lambda event: None, fence: Fence = contextlib.nullcontext
    ) -> None:
        """note: told when one appears, before some are deleted, and when none is left to go on from; fence: held while
        one appears (files.py)."""
        self.folder, self.run, self.note, self.fence = folder, run, note, fence
        self._written = time.monotonic()
        self._seconds: float | None = None

    def newest(self) -> dict[str, Any] | None:
        """The state in the newest checkpoint that is whole and this run's; None where there is none.

        A damaged one is named on stderr and removed, and the one before it is tried.
        """
        for step in reversed(self.steps()):
            problem = _problem(self.folder / f"step-{step}", self.run, step)
            if problem is None:
                return read_state(self.folder / f"step-{step}")
            self.reject([step], problem)
        return None

    def reject(self, steps: list[int], problem: str) -> None:
        """Name checkpoints that must not be used, and remove them."""
        remaining = [step for step in self.steps() if step < min(steps)]
        goes_on = f"going on from step {remaining[-1]}" if remaining else "starting from step 0"
        for step in steps:
            name = f"checkpoints/{self.run}/step-{step}"
            print(f"clinpeft: {name} is not used: {problem}; {goes_on}", file=sys.stderr, flush=True)
        self._delete(steps)
        if not remaining:
            self.note("started")

    def start_again(self, problem: str, change: str) -> None:
        """Say why the run starts again, and what is different; what was saved of it is removed."""
        print(f"clinpeft: run {self.run}: {problem}; {change}, starting from step 0", file=sys.stderr, flush=True)
        self.note("limits_changed")
        self._delete(self.steps())
        self.note("started")

    def steps(self) -> list[int]:
        """After which steps there is a checkpoint, ascending."""
        names = [path.name for path in self.folder.glob("step-*")]
        return sorted(int(name[5:]) for name in names if name[5:].isdecimal())

    def offer(self, step: int, state: Callable[[], dict[str, Any]]) -> None:
        """Write a checkpoint after `step` if it is time for one."""
        waited = time.monotonic() - self._written
        if waited >= SECONDS_BETWEEN:
            content = state()
            seconds = size_of(content) / BYTES_A_SECOND if self._seconds is None else self._seconds
            if waited >= seconds / SHARE:
                self.write(step, content)

    def write(self, step: int, state: dict[str, Any]) -> None:
        """Write the state after `step`; then the oldest go. Raises EnvironmentStop when the disk is full."""
        start = time.monotonic()
        with self.fence():  # Where it will not be let through, nothing need be written first.
            require_free(self.folder, size_of(state))
        with replacing_folder(self.folder / f"step-{step}", self.fence) as folder:
            write_state(folder, state, self.run, step)
        self.note("checkpointed")
        self._delete(self.steps()[:-NUM_KEPT])
        self._written = time.monotonic()
        self._seconds = self._written - start

    def _delete(self, steps: list[int]) -> None:
        if steps:
            self.note("deleted")
        for step in steps:
            shutil.rmtree(self.folder / f"step-{step}", ignore_errors=True)


def write_state(folder: Path, state: dict[str, Any], run: str, step: int) -> None:
    """Write `state` (dicts, lists and tuples of tensors and plain values, nested) and its manifest to `folder`."""
    tensors: dict[str, torch.Tensor] = {}
    text = json.dumps(_spelled_out(state, tensors)).encode()
    (folder / STATE).write_bytes(text)
    digests = {STATE: hashlib.sha256(text).hexdigest(), TENSORS: _write_tensors(folder / TENSORS, tensors)}
    files = {name: {"bytes": (folder / name).stat().st_size, "sha256": digest} for name, digest in digests.items()}
    manifest = {"format": FORMAT, "run": run, "step": step, "files": files}
    (folder / MANIFEST).write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def read_state(folder: Path) -> dict[str, Any]:
    """The state as it was given to `write_state`, its tensors on the CPU; the folder must have been verified."""
    from safetensors import safe_open

    with safe_open(folder / TENSORS, "pt") as file:
        # Copies: what is read would stay mapped to a file that may be deleted.
        tensors = {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    state: dict[str, Any] = _put_together(json.loads((folder / STATE).read_bytes()), tensors)
    return state


def size_of(state: Any) -> int:
    """Bytes of a state's tensors."""
    if isinstance(state, torch.Tensor):
        return state.numel() * state.element_size()
    inner = state.values() if isinstance(state, dict) else state if isinstance(state, list | tuple) else ()
    return sum(map(size_of, inner))


def _problem(folder: Path, run: str, step: int) -> str | None:
    """What is wrong with a checkpoint, naming the file; None when it is whole and this run's."""
    try:
        manifest = json.loads((folder / MANIFEST).read_bytes())
        facts = manifest["format"], manifest["run"], manifest["step"]
        files = {name: manifest["files"][name] for name in (STATE, TENSORS)}
        expected = {name: (int(file["bytes"]), str(file["sha256"])) for name, file in files.items()}
    except OSError:
        return f"{MANIFEST} is missing"
    except (ValueError, KeyError, TypeError):
        return f"{MANIFEST} is damaged"
    if facts != (FORMAT, run, step):
        return f"{MANIFEST} is another run's, or of another step"
    for name, (size, digest) in expected.items():
        path = folder / name
        if not path.is_file():
            return f"{name} is missing"
        if path.stat().st_size != size or sha256_file(path) != digest:
            return f"{name} is not what was written"
    return None


def _spelled_out(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    """`value` as JSON can hold it, its tensors gathered under names of their own."""
    if isinstance(value, torch.Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach()
        return {"tensor": name}
    if isinstance(value, dict):
        return {"dict": [[_spelled_out(key, tensors), _spelled_out(item, tensors)] for key, item in value.items()]}
    if isinstance(value, list | tuple):
        kind = "list" if isinstance(value, list) else "tuple"
        return {kind: [_spelled_out(item, tensors) for item in value]}
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"a checkpoint cannot hold a {type(value).__name__}")


def _put_together(value: Any, tensors: dict[str, torch.Tensor]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == "tensor":
        return tensors[content]
    if kind == "dict":
        return {_put_together(key, tensors): _put_together(item, tensors) for key, item in content}
    items = [_put_together(item, tensors) for item in content]
    return items if kind == "list" else tuple(items)


def _write_tensors(path: Path, tensors: dict[str, torch.Tensor]) -> str:
    """The tensors as safetensors; returns the file's SHA-256.

    One after the other, without the copy of all of them that safetensors' own writer makes: a run's peak memory must
    not grow with its checkpoints.
    """
    # Wide numbers first, so that each lies at a multiple of its width.
    names = sorted(tensors, key=lambda name: -tensors[name].element_size())
    header, end = {}, 0
    for name in names:
        tensor, start = tensors[name], end
        end += tensor.numel() * tensor.element_size()
        header[name] = {"dtype": _NAMES[tensor.dtype], "shape": list(tensor.shape), "data_offsets": [start, end]}
    text = json.dumps(header).encode()
    text += b" " * (-len(text) % 8)
    with path.open("wb") as file:
        digest = hashlib.sha256()
        _write(file, digest, len(text).to_bytes(8, "little"))
        _write(file, digest, text)
        for name in names:
            flat = tensors[name].detach().contiguous().reshape(-1).cpu()
            _write(file, digest, flat.view(torch.uint8).numpy().data if flat.numel() else b"")
    return digest.hexdigest()


def _write(file: BinaryIO, digest: Any, data: bytes | memoryview) -> None:
    digest.update(data)
    file.write(data)
