"""A study of ten thousand runs is read in a moment, and a finished one of a thousand is gone through in seconds."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from clinpeft.runs.find import find
from clinpeft.runs.grid import plan
from clinpeft.runs.index import COLUMNS
from clinpeft.runs.store import Store
from clinpeft.runs.sweep import sweep
from clinpeft.spec import Study

if TYPE_CHECKING:
    from tests.conftest import Small

pytestmark = pytest.mark.slow

NUM_RUNS = 10_000
MEASURED = """
import json, re, sys, time
from pathlib import Path
from clinpeft.runs.status import standing
from clinpeft.runs.store import Store
store = Store.open(Path(sys.argv[1]))
start = time.process_time()
came = {what}
seconds = time.process_time() - start
# Not of getrusage, which passes on what the parent had.
peak = int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1]) << 10
print(json.dumps([came, seconds, peak]))
"""


def measured(what: str, folder: Path) -> tuple[object, float, int]:
    """What it gives in a process of its own, the processor seconds it took, and the most memory the process had."""
    words = [sys.executable, "-c", MEASURED.format(what=what), str(folder)]
    came, seconds, peak = json.loads(subprocess.run(words, check=True, capture_output=True, text=True).stdout)
    return came, seconds, peak


@pytest.fixture
def large(trained: Small) -> Path:
    """Nine thousand runs have ended, two thousand of them since the index was written."""
    folder, record = trained.folder / "large", trained.records()["bitfit"]
    (folder / "runs").mkdir(parents=True)
    shutil.copy(trained.out / "study.yaml", folder)
    store, text = Store(folder), record.model_dump_json(by_alias=True, indent=1)
    runs = [f"{number:016x}" for number in range(NUM_RUNS)]
    ended = runs[:9000]
    for run in ended:
        (store.run_folder(run)).mkdir()
        (store.run_folder(run) / "record.json").write_text(text.replace(record.run, run))
    store.journal.append_all("planned", runs)
    for event in ("leased", "started", "checkpointed", "checkpointed", "finished"):
        store.journal.append_all(event, ended)
    rows = [[run, "final", "outcome", "tiny", "bitfit", "1", ""] for run in runs]
    outcomes = [["success", "", "12.0"] if number < 7000 else ["planned", "", ""] for number in range(NUM_RUNS)]
    lines = [",".join([*row, *outcome]) for row, outcome in zip(rows, outcomes, strict=True)]
    (folder / "index.csv").write_text("\n".join([",".join(COLUMNS), *lines]) + "\n")
    return folder


def test_ten_thousand_runs_are_read_in_a_moment(large: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts, status_seconds, status_peak = measured("standing(store).counts", large)
    num_events, replay_seconds, replay_peak = measured("len(store.journal.events())", large)

    assert counts == {"success": 9000, "planned": 1000}
    assert num_events == NUM_RUNS + 5 * 9000
    with capsys.disabled():
        print(f"\n{NUM_RUNS} runs, {num_events} events:")
        print(f"status {status_seconds:.2f} s, {status_peak >> 20} MiB")
        print(f"replay {replay_seconds:.2f} s, {replay_peak >> 20} MiB")
    assert status_seconds < 2
    assert replay_seconds < 5
    assert max(status_peak, replay_peak) < 200e6


def test_a_finished_study_of_a_thousand_runs_is_gone_through_in_seconds(
    trained: Small, capsys: pytest.CaptureFixture[str]
) -> None:
    trained.write(methods=["head-only", "bitfit"], seeds=list(range(1, 501)))
    study, records = Study.read(trained.file), trained.records()
    planned = plan(find(study, trained.folder, (), trained.out)).runs
    for run in planned:
        folder, like = trained.store.run_folder(run.run), records[run.spec.method.name]
        if not folder.exists():
            shutil.copytree(trained.store.run_folder(like.run), folder)
            record = like.model_copy(update={"run": run.run, "spec": run.spec, "role": run.role})
            (folder / "record.json").write_text(record.model_dump_json(by_alias=True, indent=1))
    sweep(study, trained.folder, trained.out)
    before, start = trained.content("runs"), time.process_time()
    outcome = sweep(study, trained.folder, trained.out)
    seconds = time.process_time() - start

    assert (outcome.num_trained, outcome.num_kept) == (0, 1001)
    assert trained.content("runs") == before
    with capsys.disabled():
        print(f"\n1,001 finished runs gone through in {seconds:.1f} s")
    assert seconds < 10
