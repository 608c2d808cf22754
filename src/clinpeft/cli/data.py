"""The verbs from raw files to datasets."""

from __future__ import annotations

import itertools
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clinpeft.cli.options import Out, Settings, count, pairs
from clinpeft.errors import BadInput

if TYPE_CHECKING:
    from clinpeft.data.dataset import TaskDataset


def init(
    file: Path,
    text: Annotated[str | None, typer.Option(help="Column of the note.")] = None,
    label: Annotated[str | None, typer.Option(help="Column of what is to be predicted.")] = None,
    subject: Annotated[str | None, typer.Option(help="Column of the patient; `none` when there is none.")] = None,
    out: Annotated[Path, typer.Option("--out", help="The study file to write.")] = Path("study.yaml"),
) -> None:
    """Look at a table of your own and write a commented study.yaml for it."""
    from clinpeft.data.look import look, starter_study
    from clinpeft.files import write_atomic

    if out.exists():
        raise BadInput(str(out), "is there already", "name another file with --out, or remove it")
    study = starter_study(look(file, text, label, subject), out.resolve().parent)
    write_atomic(out, study)
    for line in itertools.takewhile(lambda line: line.startswith("# "), study.splitlines()[1:]):
        print(line.removeprefix("# "))
    print(f"{out}: read it, then `clinpeft run {out} --out STUDY`")


def synth(
    source: str,
    out: Out,
    patients: Annotated[int | None, typer.Option(min=1, help="How many patients (or documents).")] = None,
    seed: Annotated[int, typer.Option(min=0)] = 0,
) -> None:
    """Write invented raw files of exactly a SOURCE's shape, with a known ceiling."""
    from clinpeft.sources.base import SOURCES

    entry = SOURCES.get(source)()
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise BadInput(f"--out {out}", "is not an empty folder", "choose another")
    known = entry.synthesize(out, num_patients=patients or entry.usual_patients, seed=seed)
    for key, value in known.items():
        print(f"{key}: {value:.4g}")
    print(f"{out}: invented; not patients")


def build(
    task: str,
    raw: Annotated[Path, typer.Option("--raw", help="Folder of the raw files.")],
    out: Out,
    compat: Annotated[str | None, typer.Option(help="`paper`: the published pipeline, bug for bug.")] = None,
    settings: Settings = None,
    limit: Annotated[int | None, typer.Option(min=1, help="At most so many examples of each split.")] = None,
) -> None:
    """Build the dataset of a registered TASK from raw files into OUT/TASK."""
    from clinpeft.data.build import build_task
    from clinpeft.data.summary import summary_lines, warning_lines
    from clinpeft.models.catalogue import seen_by
    from clinpeft.tasks.base import TASKS, configure

    entry = configure(TASKS.get(task), task, pairs(settings, "--set"), compat)
    dataset = build_task(entry, task, raw, out, limit=limit, seen_by=seen_by(entry.source))
    for line in summary_lines(dataset.card):
        print(line)
    for line in warning_lines(dataset.card):
        print(f"warning: {line}", file=sys.stderr)
    print(dataset.folder)


def verify(
    folder: Path,
    raw: Annotated[
        Path | None, typer.Option("--raw", help="The raw files of a dataset: read again by a second parser.")
    ] = None,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="With --raw, an option that named a file outside it: key=PATH.")
    ] = None,
) -> None:
    """Compare every file of a dataset or a study with its checksums; with --raw, a dataset with its raw files."""
    from clinpeft.data.dataset import CARD_FILE, TaskDataset
    from clinpeft.errors import GateRefused
    from clinpeft.runs.store import Store

    if raw is None and settings:
        raise BadInput("--set", "goes with --raw", "name the raw files, or leave it out")
    if raw is not None or (folder / CARD_FILE).is_file():
        dataset = TaskDataset.open(folder)
        dataset.verify()
        if raw is not None:
            _verify_with_raw(dataset, raw, pairs(settings, "--set"))
    else:
        store = Store.open(folder)
        store.journal.events()
        broken = [run for run in store.runs() if not store.is_sound(run)]
        if broken:
            number = count(len(broken), "run")
            raise GateRefused(f"{folder}: files of {number} are missing or changed, first runs/{broken[0]}")
        for card in sorted((folder / "datasets").glob(f"*/{CARD_FILE}")):
            TaskDataset.open(card.parent).verify()
    print(f"{folder}: sound")


def _verify_with_raw(dataset: TaskDataset, raw: Path, outside: dict[str, str]) -> None:
    from clinpeft.data.verify import compare_with_raw
    from clinpeft.errors import GateRefused

    comparison = compare_with_raw(dataset, raw, outside)
    for line in comparison.lines():
        print(line)
    if problem := comparison.problem():
        raise GateRefused(f"{dataset.folder}: {problem}")
