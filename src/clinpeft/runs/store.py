"""A study's folder: study.yaml and its versions, the journal, one folder a run, and who may write to it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import shutil
import socket
import time
from collections.abc import Callable, Iterator
from functools import cached_property
from pathlib import Path

import yaml

from clinpeft.data.card import Card
from clinpeft.errors import BadInput, EnvironmentStop
from clinpeft.files import (
    for_owner_only,
    remove_leftovers,
    replacing_folder,
    sha256_file,
    stopping_when_disk_fails,
    write_atomic,
)
from clinpeft.frozen import parse_json
from clinpeft.models.catalogue import ModelCard
from clinpeft.record import EventName, RunRecord
from clinpeft.runs.index import RECORD, Index
from clinpeft.runs.journal import Journal
from clinpeft.runs.leases import LOOK_SECONDS, Lease, Watch, Worker, holder_of
from clinpeft.spec import Study

STUDY = "study.yaml"


class Store:
    """Reads a study's folder; `holding` gives the right to write to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def open(cls, folder: Path) -> Store:
        """The study in `folder`. Raises BadInput when there is none."""
        if not (folder / STUDY).is_file():
            remedy = "give the folder that `clinpeft run --out` wrote"
            raise BadInput(str(folder), "holds no study (no study.yaml)", remedy)
        return cls(folder)

    @property
    def study(self) -> Study:
        """The study as last run."""
        return Study.read(self.folder / STUDY)

    @cached_property
    def journal(self) -> Journal:
        """The study's journal."""
        return Journal(self.folder / "journal.jsonl")

    @cached_property
    def index(self) -> Index:
        """The runs that the study asks for, by readable names."""
        return Index(self.folder, self.record)

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Hold the folder alone: a second process stops with EnvironmentStop that names the holder.

        Everything made meanwhile is for the owner only, and what a killed process left half-written is removed. When
        BadInput ends the block before a study was adopted, nothing is left behind.
        """
        with for_owner_only():
            made = [folder for folder in (self.folder, *self.folder.parents) if not folder.exists()]
            with stopping_when_disk_fails(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            before = set(self.folder.iterdir())
            try:
                with self._locked():
                    remove_leftovers(self.folder)
                    self._settle()
                    yield
                    if not self.holders():  # What lies there may be a living worker's.
                        remove_leftovers(self.folder)
                    self._settle()
            except BadInput:
                if not (self.folder / STUDY).exists():
                    _withdraw({self.folder / ".lock", self.folder / "datasets"} - before, made)
                raise

    @contextlib.contextmanager
    def _locked(self) -> Iterator[None]:
        lock = self.folder / ".lock"
        with lock.open("a+", encoding="utf-8") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                holder = lock.read_text(encoding="utf-8").strip() or "another process"
                raise EnvironmentStop(
                    f"{self.folder}: the study is running ({holder}); wait for it, or stop it"
                ) from None
            try:
                file.truncate(0)
                file.write(f"{socket.gethostname()} process {os.getpid()}\n")
                file.flush()
                yield
            finally:
                file.truncate(0)

    def refuse_another(self, study: Study) -> None:
        """Raises BadInput when the folder is another study's, or holds something else: its author's own study.yaml,
        too, which would be overwritten."""
        remedy = "choose another folder with --out"
        if not (self.folder / STUDY).exists():
            if self._holds_something():
                raise BadInput(str(self.folder), "is not empty and holds no study", remedy)
        elif not any(list(self.folder.glob(name)) for name in (".lock", "journal.jsonl", "study-*.yaml")):
            raise BadInput(str(self.folder), f"holds a {STUDY} that no `clinpeft run` has written", remedy)
        elif (held := self.study).name != study.name:
            raise BadInput(str(self.folder), f"holds the study '{held.name}'", remedy)

    def adopt(self, study: Study) -> None:
        """Make `study` the folder's study, keeping every version. Raises BadInput as `refuse_another` does."""
        self.refuse_another(study)
        plain = json.loads(study.model_dump_json(by_alias=True, exclude_defaults=True))
        text = yaml.safe_dump(plain, sort_keys=False, allow_unicode=True, width=100)
        write_atomic(self.folder / STUDY, text)
        write_atomic(self.folder / f"study-{study.sha256()[:8]}.yaml", text)

    def _holds_something(self) -> bool:
        """Beside what a first run leaves that is stopped before it has written its study."""
        names = [path.name for path in self.folder.iterdir()] if self.folder.is_dir() else []
        return any(name not in {".lock", "datasets"} and not name.startswith(f".{STUDY}.tmp-") for name in names)

    def keep_cards(self, cards: dict[str, Card], models: dict[str, ModelCard]) -> None:
        """Copies of the datasets' cards and the models' rows, so that a report needs neither."""
        for task, card in cards.items():
            write_atomic(self.folder / "cards" / f"{task}.json", card.model_dump_json(by_alias=True, indent=1) + "\n")
        for name, model in models.items():
            facts = {"name": name, **model.model_dump(include={"domain", "backbone_parameters", "hub", "note"})}
            write_atomic(self.folder / "models" / f"{name}.json", json.dumps(facts, indent=1) + "\n")

    def run_folder(self, run: str) -> Path:
        """Where a run's files lie."""
        return self.folder / "runs" / run

    def record(self, run: str) -> RunRecord | None:
        """A run's record, or None when it has not ended yet."""
        path = self.run_folder(run) / RECORD
        return parse_json(RunRecord, path.read_bytes(), str(path)) if path.is_file() else None

    def runs(self) -> list[str]:
        """The ids of all runs that have ended."""
        return sorted(path.name for path in self.folder.glob("runs/*") if not path.name.startswith("."))

    def records(self) -> list[RunRecord]:
        """All records, by run id."""
        return [record for run in self.runs() if (record := self.record(run)) is not None]

    def is_sound(self, run: str) -> bool:
        """Whether a run has a record that can be read, and every file it lists is there and unchanged."""
        folder = self.run_folder(run)
        try:
            record = self.record(run)
            files = self.files_of(record) if record else {}
        except BadInput:
            return False
        # Of a test that a killed process was about to open, the file is still the record's.
        return record is not None and all(
            (folder / name).is_file() and sha256_file(folder / name) in {digest, record.files.get(name)}
            for name, digest in files.items()
        )

    def files_of(self, record: RunRecord) -> dict[str, str]:
        """The files of a run with their hashes; once the test labels are open, test.json speaks for its file."""
        from clinpeft.runs.test_labels import read_test

        test = read_test(self.run_folder(record.run))
        return record.files if test is None else {**record.files, **test.files}

    def has_ended(self, run: str) -> bool:
        """Whether a run has a record, and is not planned anew."""
        if not (self.run_folder(run) / RECORD).is_file():
            return False
        last = self.journal.last_of(run)
        return last is None or last.event != "planned"

    def lease(self, run: str) -> Lease | None:
        """The right to write a run, as soon as no living worker holds it; None when the run has ended.

        A run that is planned anew loses its old record now.
        """
        watch = Watch(self._lease_file(run))
        while True:
            with self.journal.locked():
                if self.has_ended(run):
                    return None
                if not watch.is_held():
                    self.forget(run)
                    return Lease(self.journal, self._lease_file(run), run)
            time.sleep(LOOK_SECONDS)

    def holders(self) -> dict[str, Worker]:
        """The workers that hold a lease, by run; none that is known to have ended."""
        files = sorted(path for path in self.folder.glob("leases/*") if not path.name.startswith("."))
        found = {path.name: holder_of(path) for path in files}
        return {run: worker for run, worker in found.items() if worker is not None}

    def commit(self, run: str, write: Callable[[Path], RunRecord], lease: Lease | None = None) -> RunRecord:
        """Let `write` fill a temporary folder and return the record; then the run appears under its id, whole.

        Raises LeaseLost, and keeps what was there, when the run was given to somebody else meanwhile. Without a lease
        the run is taken from whoever has it: so a launcher records a worker that died.
        """
        if lease is None:
            lease = Lease(self.journal, self._lease_file(run), run)
            try:
                return self.commit(run, write, lease)
            finally:
                lease.release()
        record: RunRecord | None = None

        @contextlib.contextmanager
        def ending() -> Iterator[None]:
            with lease.fence():
                yield
                self._note_end(run, record, lease.number)

        folder = self.run_folder(run)
        with stopping_when_disk_fails(folder), replacing_folder(folder, ending) as temporary:
            record = write(temporary)
            write_atomic(temporary / RECORD, record.model_dump_json(by_alias=True, indent=1) + "\n")
        self.discard_checkpoints(run)
        return record

    def checkpoint_folder(self, run: str) -> Path:
        """Where the checkpoints of a run lie that has not ended."""
        return self.folder / "checkpoints" / run

    def discard_checkpoints(self, run: str) -> None:
        """Remove the checkpoints of a run; the journal says so first."""
        folder = self.checkpoint_folder(run)
        if folder.exists():
            self.journal.append("deleted", run, worker=Worker.this().name)
            shutil.rmtree(folder, ignore_errors=True)

    def _lease_file(self, run: str) -> Path:
        return self.folder / "leases" / run

    def _note_end(self, run: str, record: RunRecord | None, lease: int | None) -> None:
        event: EventName = "failed" if record is None or record.has_failed else "finished"
        self.journal.append(event, run, lease=lease, worker=Worker.this().name)

    def _settle(self) -> None:
        """Do what killed processes left undone after a run's end: its line in the journal, its lease, its checkpoints.
        And clear away leases of workers that ended without a word."""
        with self.journal.locked() if self.journal.path.exists() else contextlib.nullcontext():
            for run in sorted(self.journal.under_way()):
                with contextlib.suppress(BadInput):  # A damaged record is no end: the run is trained again.
                    if (record := self.record(run)) is not None:
                        self._note_end(run, record, self.journal.newest_lease(run))
            for path in [path for path in self.folder.glob("leases/*") if not path.name.startswith(".")]:
                if holder_of(path) is None or self.has_ended(path.name):
                    path.unlink(missing_ok=True)
        for folder in self.folder.glob("checkpoints/*"):
            if self.has_ended(folder.name):
                self.discard_checkpoints(folder.name)
        if not self.holders():  # A worker may be about to write there.
            for name in ("leases", "checkpoints"):
                with contextlib.suppress(OSError):  # There is none, or it holds something.
                    (self.folder / name).rmdir()

    def forget(self, run: str) -> None:
        """Remove a run's folder."""
        shutil.rmtree(self.run_folder(run), ignore_errors=True)

    def secret(self) -> bytes:
        """The study's own secret, which re-keys the subjects in its prediction files; made on first use."""
        path = self.folder / ".secret"
        if not path.exists():
            with self.journal.locked():  # Two workers must not make one each.
                if not path.exists():
                    write_atomic(path, secrets.token_bytes(32))
                    path.chmod(0o600)
        return path.read_bytes()


def _withdraw(new: set[Path], made: list[Path]) -> None:
    """Remove what a refused first run made: the lock, datasets, and the folders that it created."""
    for path in new:
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
    with contextlib.suppress(OSError):  # somebody has put a file there meanwhile
        for folder in made:
            folder.rmdir()
