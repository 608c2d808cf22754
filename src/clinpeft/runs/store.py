"""A study's folder: study.yaml and its versions, the journal, one folder a run, and who may write to it."""

from __future__ import annotations

import contextlib
import csv
import fcntl
import io
import json
import os
import secrets
import shutil
import socket
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import yaml

from clinpeft.data.card import Card
from clinpeft.errors import BadInput, EnvironmentStop
from clinpeft.files import (
    for_owner_only,
    remove_leftovers,
    replacing_folder,
    sha256_file,
    stopping_when_disk_is_full,
    write_atomic,
)
from clinpeft.frozen import parse_json
from clinpeft.models.catalogue import ModelCard
from clinpeft.record import RunRecord
from clinpeft.runs.grid import PlannedRun
from clinpeft.runs.journal import Journal
from clinpeft.spec import Study

STUDY = "study.yaml"
RECORD = "record.json"


class Store:
    """Reads a study's folder; `holding` gives the right to write to it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def open(cls, folder: Path) -> Store:
        """The study in `folder`. Raises BadInput when there is none."""
        if not (folder / STUDY).is_file():
            raise BadInput(
                str(folder), "holds no study (no study.yaml)", "give the folder that `clinpeft run --out` wrote"
            )
        return cls(folder)

    @property
    def study(self) -> Study:
        """The study as last run."""
        return Study.read(self.folder / STUDY)

    @property
    def journal(self) -> Journal:
        """The study's journal."""
        return Journal(self.folder / "journal.jsonl")

    @contextlib.contextmanager
    def holding(self) -> Iterator[None]:
        """Hold the folder alone: a second process stops with EnvironmentStop that names the holder.

        Everything made meanwhile is for the owner only, and what a killed process left half-written is removed. When
        BadInput ends the block before a study was adopted, nothing is left behind.
        """
        with for_owner_only():
            made = [folder for folder in (self.folder, *self.folder.parents) if not folder.exists()]
            with stopping_when_disk_is_full(self.folder):
                self.folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            before = set(self.folder.iterdir())
            try:
                with self._locked():
                    remove_leftovers(self.folder)
                    yield
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
            except OSError:
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
        """Raises BadInput when the folder is another study's, or holds something else."""
        if (self.folder / STUDY).exists() and (held := self.study).name != study.name:
            raise BadInput(str(self.folder), f"holds the study '{held.name}'", "choose another folder with --out")
        if not (self.folder / STUDY).exists() and self._holds_something():
            raise BadInput(str(self.folder), "is not empty and holds no study", "choose another folder with --out")

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
            facts = {
                "name": name,
                "domain": model.domain,
                "backbone_parameters": model.backbone_parameters,
                "hub": model.hub,
                "note": model.note,
            }
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
        return record is not None and all(
            (folder / name).is_file() and sha256_file(folder / name) == digest for name, digest in files.items()
        )

    def files_of(self, record: RunRecord) -> dict[str, str]:
        """The files of a run with their hashes; once the test labels are open, test.json speaks for its file."""
        from clinpeft.runs.test_labels import read_test

        test = read_test(self.run_folder(record.run))
        return record.files if test is None else {**record.files, **test.files}

    def commit(self, run: str, write: Callable[[Path], RunRecord]) -> RunRecord:
        """Let `write` fill a temporary folder and return the record; then the run appears under its id, whole."""
        with replacing_folder(self.run_folder(run)) as folder:
            record = write(folder)
            write_atomic(folder / RECORD, record.model_dump_json(by_alias=True, indent=1) + "\n")
        return record

    def forget(self, run: str) -> None:
        """Remove a run's folder."""
        shutil.rmtree(self.run_folder(run), ignore_errors=True)

    def write_index(self, planned: Sequence[PlannedRun]) -> None:
        """index.csv: readable names for the run ids, with their status."""
        text = io.StringIO()
        writer = csv.writer(text, lineterminator="\n")
        writer.writerow(["run", "role", "task", "model", "method", "seed", "fold", "status"])
        for item in planned:
            record = self.record(item.run)
            spec = item.spec
            fold = "" if spec.fold is None else spec.fold
            status = record.status if record else "planned"
            writer.writerow([item.run, item.role, spec.task, spec.model, spec.method.name, spec.seed, fold, status])
        write_atomic(self.folder / "index.csv", text.getvalue())

    def index(self) -> list[dict[str, str]]:
        """The rows of index.csv; none before the first plan."""
        path = self.folder / "index.csv"
        return list(csv.DictReader(path.read_text(encoding="utf-8").splitlines())) if path.is_file() else []

    def secret(self) -> bytes:
        """The study's own secret, which re-keys the subjects in its prediction files; made on first use."""
        path = self.folder / ".secret"
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
