"""A build that is killed while it writes leaves nothing under the final name, and the next one clears up after it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from clinpeft.data.build import WatchedFiles, write_dataset
from clinpeft.data.dataset import TaskDataset
from clinpeft.data.description import Description
from clinpeft.data.site import site_key
from clinpeft.tasks.base import BuildLog, Example

DESCRIPTION = Description("demo", "classification", "auroc", "tabular", positive="yes")
WRITE_UNTIL_KILLED = """
import sys, time
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from clinpeft.data import build

spec = spec_from_file_location("test_killed_build", sys.argv[1])
module = module_from_spec(spec)
spec.loader.exec_module(module)
write = build.write_examples

def write_and_wait(path, *rest):
    write(path, *rest)
    if path.name == sys.argv[3]:
        print("written", flush=True)
        time.sleep(60)

build.write_examples = write_and_wait
module.build_demo(Path(sys.argv[2]))
"""


def build_demo(folder: Path) -> TaskDataset:
    """Six examples in `<folder>/out/demo/`."""
    (folder / "raw").mkdir(exist_ok=True)
    examples = [
        Example(f"e{row}", f"s{row}", f"d{row}", f"text {row}", split=split, label="yes" if row % 2 else "no")
        for row, split in enumerate(["train", "train", "validation", "validation", "test", "test"])
    ]
    return write_dataset(examples, DESCRIPTION, WatchedFiles(folder / "raw"), BuildLog(), folder / "out")


def kill_while_writing(folder: Path, file: str) -> None:
    command = [sys.executable, "-c", WRITE_UNTIL_KILLED, __file__, str(folder), file]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=os.environ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "written\n"
        process.send_signal(signal.SIGKILL)
    assert process.returncode == -signal.SIGKILL


@pytest.mark.parametrize("is_rebuilt", [False, True], ids=["the first build", "a rebuild"])
def test_a_killed_build_leaves_what_was_there_and_the_next_one_clears_up(tmp_path: Path, is_rebuilt: bool) -> None:
    site_key()
    (tmp_path / "undisturbed").mkdir()
    wanted = {path.name: path.read_bytes() for path in build_demo(tmp_path / "undisturbed").folder.iterdir()}
    if is_rebuilt:
        build_demo(tmp_path)
    kill_while_writing(tmp_path, "validation.parquet")
    left = {path.name for path in (tmp_path / "out").iterdir()}

    assert ("demo" in left) == is_rebuilt
    assert len([name for name in left if name.startswith(".demo.tmp-")]) == 1

    again = build_demo(tmp_path)
    assert {path.name for path in (tmp_path / "out").iterdir()} == {"demo"}
    assert {path.name: path.read_bytes() for path in again.folder.iterdir()} == wanted
