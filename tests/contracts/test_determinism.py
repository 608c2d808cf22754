"""The same raw files give the same bytes, whatever the hash seed, locale, order of folders and number of threads."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from clinpeft.data.site import site_key
from clinpeft.sources.base import SOURCES, Source
from clinpeft.tasks.base import TASKS

BUILD_ALL = """
import json, os, sys
from pathlib import Path

if sys.argv[2] == "reversed":
    listdir, scandir = os.listdir, os.scandir

    class Backwards(list):
        def __enter__(self): return iter(self)
        def __exit__(self, *_): return None
        def close(self): return None

    os.listdir = lambda *a: listdir(*a)[::-1]
    os.scandir = lambda *a: Backwards(sorted(scandir(*a), key=lambda entry: entry.name, reverse=True))
if sys.argv[3] == "1":
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
import pyarrow
pyarrow.set_cpu_count(int(sys.argv[3]))
from clinpeft.data.build import build_task
from clinpeft.models.catalogue import seen_by
from clinpeft.tasks.base import TASKS

for name, mode, raw in json.loads(sys.argv[1]):
    task = TASKS.get(name)(mode=mode)
    build_task(task, name, Path(raw), Path(sys.argv[4], mode), seen_by=seen_by(task.source))
"""
"""Arguments: [[task, mode, raw folder], …] as JSON, order, threads, out."""
SETTINGS = {
    "plain": ({"PYTHONHASHSEED": "1", "LC_ALL": "C", "PYTHONUTF8": "0"}, "sorted", "1"),
    "other": ({"PYTHONHASHSEED": "2", "LC_ALL": "C.UTF-8"}, "reversed", "2"),
}

Built = dict[str, Path]


@pytest.fixture(scope="session")
def built(invented_raw: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory) -> Built:
    """The folder of all datasets, by setting."""
    site_key()
    tasks = [(name, task) for name, task in TASKS if SOURCES.get(task.source).synthesize is not Source.synthesize]
    modes = [
        (name, mode, str(invented_raw(name)))
        for name, task in tasks
        for mode in ["correct", *(["paper"] if task.has_paper_mode else [])]
    ]
    outs = {}
    for setting, (environment, order, threads) in SETTINGS.items():
        outs[setting] = tmp_path_factory.mktemp(setting)
        command = [sys.executable, "-c", BUILD_ALL, json.dumps(modes), order, threads, str(outs[setting])]
        done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
    return outs


def test_a_dataset_has_the_same_bytes_in_every_setting(configured: tuple[str, object], built: Built) -> None:
    name, task = configured
    folders = [out / task.mode / name for out in built.values()]  # type: ignore[attr-defined]
    contents = [{path.name: path.read_bytes() for path in sorted(folder.iterdir())} for folder in folders]

    assert set(contents[0]) == {"card.json", "train.parquet", "validation.parquet", "test.parquet"}
    assert contents[0] == contents[1]
