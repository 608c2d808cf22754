"""Studies that are run by processes of their own, in which faults happen; and what such a study must come to."""

from __future__ import annotations

import itertools
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from clinpeft.runs.curves import CURVE, read_curve

if TYPE_CHECKING:
    from tests.conftest import Small

STEADY = """
import secrets
secrets.token_bytes = lambda size: b"s" * size
import torch
torch.set_num_threads(1)
"""
"""In every process, so that prediction files can be compared byte by byte: the study's secret."""
OFTEN = """
from clinpeft.train import checkpoint
checkpoint.SECONDS_BETWEEN, checkpoint.SHARE = 0.0, 1e9
"""
"""A checkpoint after every step."""


class Zygote:
    """Starts command lines (zygote.py)."""

    def __init__(self, **environment: str) -> None:
        self.number = itertools.count()
        self.process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("zygote.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1", **environment},
        )
        self._answer()

    def ask(self, order: dict[str, Any]) -> Any:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()
        return json.loads(self._answer())

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()

    def _answer(self) -> str:
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the zygote has ended"
        return line


class Running:
    """A command line on its way."""

    def __init__(self, zygote: Zygote, words: Sequence[object], code: str, log: Path) -> None:
        self.zygote, self.log = zygote, log
        order = {"words": [str(word) for word in words], "code": STEADY + code, "log": str(log)}
        self.pid: int = zygote.ask(order)

    def code(self, seconds: float = 600.0) -> int:
        """What it ends with."""
        code = self.zygote.ask({"wait": self.pid, "seconds": seconds})
        if code is None:
            self.send(signal.SIGKILL)
        assert code is not None, f"still running; it said: {self.said()}"
        return int(code)

    def ends_within(self, seconds: float) -> bool:
        """Whether it ends by itself; then `code` cannot be asked any more."""
        return self.zygote.ask({"wait": self.pid, "seconds": seconds}) is not None

    def send(self, number: int) -> None:
        """A signal to it and all its children."""
        os.killpg(self.pid, number)

    def said(self) -> str:
        return self.log.read_text(encoding="utf-8") if self.log.exists() else ""

    def wait_for(self, is_so: Callable[[], bool], seconds: float = 300.0) -> None:
        end = time.monotonic() + seconds
        while not is_so():
            assert time.monotonic() < end, f"waited in vain; it said: {self.said()}"
            time.sleep(0.005)


@pytest.fixture(scope="session")
def zygote() -> Iterator[Zygote]:
    started = Zygote()
    yield started
    started.close()


FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketimeMT.so.1")


@pytest.fixture(scope="session")
def _stepping(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Zygote, Path]]:
    if not FAKETIME.exists():
        pytest.skip("libfaketime is not installed (apt-get install faketime)")
    clock = tmp_path_factory.mktemp("clock") / "clock"
    clock.write_text("+0d")
    started = Zygote(
        LD_PRELOAD=str(FAKETIME),
        FAKETIME_TIMESTAMP_FILE=str(clock),
        FAKETIME_NO_CACHE="1",
        FAKETIME_DONT_FAKE_MONOTONIC="1",
    )
    yield started, clock
    started.close()


@pytest.fixture
def stepping(_stepping: tuple[Zygote, Path]) -> Zygote:
    """Its processes read the difference between their clock and the true one from the file FAKETIME_TIMESTAMP_FILE."""
    zygote, clock = _stepping
    clock.write_text("+0d")
    return zygote


@pytest.fixture
def launch(zygote: Zygote, tmp_path: Path) -> Callable[..., Running]:
    """Starts `clinpeft run` on a study, after `code`."""

    def start(small: Small, code: str = "", *words: object, by: Zygote | None = None) -> Running:
        log = tmp_path / f"log-{next(zygote.number)}"
        return Running(by or zygote, ["run", small.file, "--out", small.out, *words], code, log)

    return start


@pytest.fixture
def tinier(small: Small) -> Small:
    """Two runs of two epochs of three steps, and a baseline."""
    small.write_notes(48)
    small.write(methods=["lora", "head-only"], train={"epochs": 2, "batch_size": 8})
    return small


def results(small: Small) -> dict[str, bytes]:
    """Weights, predictions and scores of every run: all that must not depend on how often it was cut off."""
    files = small.content("runs").items()
    found = {name: data for name, data in files if not name.startswith(".") and not name.endswith(".json")}
    for record in small.store.records():
        told = record.model_dump(mode="json", include={"status", "scores", "thresholds", "work", "parameters", "files"})
        told["files"].pop(CURVE, None)  # It holds times.
        curve = read_curve(small.store.run_folder(record.run))
        told["curve"] = [(point.step, point.score) for point in curve.points] if curve else None
        found[f"{record.run}/told"] = json.dumps(told).encode()
    return found


@pytest.fixture(scope="session")
def expected() -> dict[str, dict[str, bytes]]:
    """Results of studies that nothing befell, by the name of their fixture."""
    return {}


@pytest.fixture
def whole(tinier: Small, launch: Callable[..., Running], expected: dict[str, dict[str, bytes]]) -> dict[str, bytes]:
    """The results of `tinier` when nothing befalls it."""
    if "tinier" not in expected:
        twin = type(tinier)(tinier.folder)
        process = launch(twin)
        assert process.code() == 0, process.said()
        expected["tinier"] = results(twin)
        shutil.rmtree(twin.out)
    return expected["tinier"]


def is_stopped(process: Running) -> bool:
    """Whether a process has got SIGSTOP."""
    return Path(f"/proc/{process.pid}/stat").read_text().rpartition(")")[2].split()[0] == "T"


def events(small: Small) -> Counter[str]:
    return Counter(event.event for event in small.store.journal.events())


def leftovers(small: Small) -> list[str]:
    """What must not be there once a study has ended."""
    inside = [str(path.relative_to(small.out)) for path in small.out.rglob("*")]
    names = ("checkpoints", "leases")
    return [name for name in inside if ".tmp-" in name or ".old-" in name or name.partition("/")[0] in names]


def assert_ended_well(small: Small, whole: dict[str, bytes]) -> None:
    """Every run is there once, with the results of one that nothing befell, and nothing else is left."""
    assert results(small) == whole
    assert leftovers(small) == []
    assert all(small.store.is_sound(run) for run in small.store.runs())
    finished = Counter(event.run for event in small.store.journal.events() if event.event == "finished")
    assert finished == dict.fromkeys(small.store.runs(), 1)
