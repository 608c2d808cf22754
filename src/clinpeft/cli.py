"""The command line: one function a verb; what it does lives below."""

from __future__ import annotations

import itertools
import json
import math
import os
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NoReturn

import typer

from clinpeft.errors import BadInput, ClinpeftError, EnvironmentStop
from clinpeft.files import FULL, LOST

if TYPE_CHECKING:
    from clinpeft.data.dataset import TaskDataset

app = typer.Typer(
    name="clinpeft",
    help="Which small language model should you fine-tune on your clinical text, how, and what will it cost?",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)

Out = Annotated[Path, typer.Option("--out", help="Folder to write to.")]
Data = Annotated[
    list[Path] | None, typer.Option("--data", help="Folder with datasets or raw releases; may be repeated.")
]
Only = Annotated[
    list[str] | None, typer.Option("--only", help="Only runs that fit: task=…, model=…, method=…, seed=…, fold=….")
]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="An option of the task: key=value.")]


def main() -> NoReturn:
    """Run the command line; exits with 0 done, 1 failed runs, 2 bad input, 3 machine, 130/143 interrupted."""
    os.umask(0o077)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False) or 0
        if code == 130:  # what typer makes of Ctrl-C
            raise KeyboardInterrupt
    except ClinpeftError as error:
        print(f"clinpeft: {error}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print("clinpeft: interrupted; the same command goes on from here", file=sys.stderr)
        code = 130
    except Exception as error:
        code = _unexpected(error)
    sys.exit(int(code))


@app.command("list")
def list_(kind: str, as_json: Json = False) -> None:
    """Names of a KIND: sources, tasks, models, methods, metrics, launchers or studies."""
    from clinpeft.catalogues import summaries

    rows = summaries(kind)
    if as_json:
        print(json.dumps([{"name": name, "title": title} for name, title in rows], ensure_ascii=False, indent=1))
        return
    width = max((len(name) for name, _ in rows), default=0)
    for name, title in rows:
        print(f"{name:<{width}}  {title}".rstrip())


@app.command()
def show(kind: str, name: str, as_json: Json = False) -> None:
    """What is known of one entry: a task's card and options, a model's sizes, a method's paper …"""
    from clinpeft.catalogues import describe

    facts = describe(kind, name)
    if as_json:
        print(json.dumps(facts, ensure_ascii=False, indent=1))
        return
    for key, value in facts.items():
        if isinstance(value, dict):
            print(f"{key}:" + ("" if value else " none"))
            for inner, item in value.items():
                print(f"  {inner}: {item}")
        else:
            print(f"{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}")


@app.command()
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


@app.command()
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


@app.command()
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

    entry = configure(TASKS.get(task), task, _pairs(settings, "--set"), compat)
    dataset = build_task(entry, task, raw, out, limit=limit, seen_by=seen_by(entry.source))
    for line in summary_lines(dataset.card):
        print(line)
    for line in warning_lines(dataset.card):
        print(f"warning: {line}", file=sys.stderr)
    print(dataset.folder)


@app.command()
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
            _verify_with_raw(dataset, raw, _pairs(settings, "--set"))
    else:
        store = Store.open(folder)
        store.journal.events()
        broken = [run for run in store.runs() if not store.is_sound(run)]
        if broken:
            number = _count(len(broken), "run")
            raise GateRefused(f"{folder}: files of {number} are missing or changed, first runs/{broken[0]}")
        for card in sorted((folder / "datasets").glob(f"*/{CARD_FILE}")):
            TaskDataset.open(card.parent).verify()
    print(f"{folder}: sound")


@app.command()
def check(kind: str, name: str) -> None:
    """The contract checks of one source, task, model, method, metric or launcher."""
    from clinpeft.testing import check_entry

    results = check_entry(kind, name)
    for result in results:
        print(
            f"{'ok    ' if result.passed else 'FAILED'} {result.name}" + (f": {result.detail}" if result.detail else "")
        )
    if not all(result.passed for result in results):
        raise typer.Exit(1)


@app.command()
def params(
    model: str,
    method: str,
    labels: Annotated[int, typer.Option(min=2, help="Classes of the head.")] = 2,
    settings: Annotated[list[str] | None, typer.Option("--set", help="An option of the method: key=value.")] = None,
    compat: Annotated[str | None, typer.Option(help="`paper`: as the 2024 study counts.")] = None,
    as_json: Json = False,
) -> None:
    """Count what METHOD trains on MODEL (a name, or a folder with a config.json): no weights are read."""
    from clinpeft.params.count import counts_of

    facts = counts_of(model, method, _pairs(settings, "--set"), labels, compat).facts()
    print(json.dumps(facts) if as_json else "\n".join(f"{key}: {_grouped(value)}" for key, value in facts.items()))


@app.command()
def fetch(names: list[str], out: Out) -> None:
    """Bring models (names, hub ids OWNER/NAME[@REVISION], or a STUDY's) from the hub: the one verb that goes online."""
    from clinpeft.models.fetch import fetch_all

    for fetched in fetch_all(names, out):
        told = "was there" if fetched.was_there else f"{sum(file.bytes for file in fetched.locked.files):,} bytes"
        print(f"{out / fetched.wanted.folder}  {fetched.locked.revision[:12]}  {told}")


@app.command("plan")
def plan_(
    study: str,
    data: Data = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The study's folder, if it was begun: what is done is left out.")
    ] = None,
    price: Annotated[str | None, typer.Option(help="What an hour here costs: own:workstation, FILE:RATE.")] = None,
    no_probe: Annotated[bool, typer.Option("--no-probe", help="Reckon from sizes; try nothing out.")] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="processes_per_run=N, shard_weights=true: as for `run`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What the runs of STUDY will take here: time, memory, disk, energy, money; exit code 1 if one will not fit."""
    from clinpeft.api import plan as plan_study
    from clinpeft.frozen import parse_words
    from clinpeft.launchers.local import Local
    from clinpeft.runs.plan_text import outlook_lines

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    local = parse_words(Local, _pairs(settings, "--set"), "--set")
    outlooks = plan_study(
        study, out, data=list(data or []), price=price, probes=not no_probe, launcher=local, tell=tell
    )
    if as_json:
        print(json.dumps([outlook.facts() for outlook in outlooks], ensure_ascii=False, indent=1))
    else:
        for outlook in outlooks:
            if len(outlooks) > 1:
                print(f"{outlook.study}:")
            for line in outlook_lines(outlook):
                print(line)
    raise typer.Exit(0 if all(outlook.fits for outlook in outlooks) else 1)


@app.command()
def run(
    study: str,
    out: Out,
    data: Data = None,
    only: Only = None,
    launcher: Annotated[str, typer.Option(help="Where runs happen; `clinpeft list launchers` names them.")] = "local",
    workers: Annotated[int | None, typer.Option(min=1, help="How many runs at once, where the launcher can.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="An option of the launcher: key=value.")] = None,
    price: Annotated[
        str | None, typer.Option(help="For a budget of money, what an hour here costs: own:workstation, FILE:RATE.")
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Train failed runs again.")] = False,
) -> None:
    """Train what STUDY (a file, or a packaged study) still lacks in OUT, and write the report."""
    from clinpeft.api import results
    from clinpeft.api import run as run_study
    from clinpeft.launchers.base import launcher_of
    from clinpeft.report.render import summary_lines

    options = _pairs(settings, "--set") | ({} if workers is None else {"workers": str(workers)})
    outcome = run_study(
        study,
        out,
        data=list(data or []),
        only=_pairs(only, "--only"),
        launcher=launcher_of(launcher, options),
        price=price,
        retry_failed=retry_failed,
    )
    for line in summary_lines(results(*outcome.parts)):
        print(line)
    if outcome.num_failed:
        print(f"{_count(outcome.num_failed, 'run')} failed; the report says why", file=sys.stderr)
    print(out / "report" / "index.html")
    raise typer.Exit(1 if outcome.num_failed else 0)


@app.command()
def status(
    folder: Path,
    price: Annotated[str | None, typer.Option(help="For a budget of money: own:workstation, FILE:RATE.")] = None,
    as_json: Json = False,
) -> None:
    """Which runs of a study are done, run, failed and why, and are left; and when it will end."""
    from clinpeft.prices.rates import find_price
    from clinpeft.runs.progress import clock
    from clinpeft.runs.status import standing
    from clinpeft.runs.store import Store

    now = standing(Store.open(folder), find_price(price) if price else None)
    if as_json:
        facts = {"counts": now.counts, "seconds_left": now.seconds_left, "budget_reached": now.limit}
        print(json.dumps({**facts, "runs": now.rows}, indent=1))
        return
    for row in now.rows:
        fold = f" · fold {row['fold']}" if row["fold"] else ""
        what = f"{row['task']} · {row['model']} · {row['method']} · seed {row['seed']}{fold}"
        why = row["reason"] or (f"by {row['worker']}" if row["worker"] else "")
        is_open = row["status"] in {"planned", "running"}
        again = ", started again from step 0" if is_open and int(row["starts"]) > 1 else ""
        print(f"{row['run']}  {row['status']:<13} {what}" + (f"  ({why}{again})" if why or again else ""))
    if now.counts.get("pruned"):
        print(f"{_count(now.counts['pruned'], 'trial')} stopped early by successive halving")
    if now.limit and (num_left := now.counts.get("planned", 0)):
        print(f"the budget of {now.limit} is used up: {num_left} left out; raise it, and the same command goes on")
    elif now.seconds_left:
        num_running = now.counts.get("running", 0)
        print(f"about {clock(now.seconds_left)} left with {_count(max(1, num_running), 'worker')}")
    print(", ".join(f"{count} {name}" for name, count in sorted(now.counts.items())) or "nothing planned yet")


@app.command()
def reproduce(
    folder: Path,
    run: Annotated[str, typer.Argument(help="Its id, or the start of it.")],
    data: Data = None,
    base: Annotated[Path | None, typer.Option(help="Folder that the study's own paths are relative to.")] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, help="By how much the headline metric may move where bits may differ.")
    ] = 0.01,
    as_json: Json = False,
) -> None:
    """Train a finished run again in a temporary folder: bitwise, within tolerance, or different (exit code 1)."""
    from clinpeft.runs.reproduce import reproduce as reproduce_run

    found = reproduce_run(folder, run, data=list(data or []), base=base, tolerance=tolerance)
    print(json.dumps(found.facts(), indent=1) if as_json else "\n".join(found.lines()))
    raise typer.Exit(1 if found.verdict == "different" else 0)


@app.command()
def report(
    folders: list[Path],
    only: Only = None,
    out: Annotated[Path | None, typer.Option("--out", help="Default: `report` in the first folder.")] = None,
    audience: Annotated[
        str | None, typer.Option("--for", help="`board`: also a PDF of four pages and a model card.")
    ] = None,
    about: Annotated[
        Path | None, typer.Option(help="For the model card, what only people know: YAML, intended_use: …, users: ….")
    ] = None,
    tables: Annotated[Path | None, typer.Option(help="A folder for every table as CSV and LaTeX.")] = None,
    alert_rate: Annotated[float, typer.Option(help="Share of examples that may be flagged.")] = 0.1,
    prevalence: Annotated[
        float | None, typer.Option(help="How common the label is where the model is to be used.")
    ] = None,
    show_errors: Annotated[
        int | None, typer.Option(min=1, help="So many wrong answers with their texts, in a file beside the dataset.")
    ] = None,
    data: Data = None,
) -> None:
    """Write the report of a study, or of several merged, from their records."""
    from clinpeft.report.render import write_report

    if audience not in (None, "board"):
        raise BadInput("--for", "knows one audience", "write --for board")
    if about is not None and audience is None:
        raise BadInput("--about", "goes with --for board", "add it, or leave --about out")
    written = write_report(
        folders,
        out or folders[0] / "report",
        _pairs(only, "--only"),
        alert_rate=alert_rate,
        prevalence=prevalence,
        tables_in=tables,
        for_board=audience == "board",
        about=about,
    )
    if show_errors is not None:
        from clinpeft.api import errors

        for path in errors(*folders, most=show_errors, data=list(data or [])):
            print(f"patients' text, for your eyes only: {path}", file=sys.stderr)
    print(written)


@app.command("export-results")
def export_results_(
    folders: list[Path],
    to: Annotated[str, typer.Option(help="`peft` (method_comparison JSON) or `mlflow` (a file store).")],
    out: Annotated[Path | None, typer.Option("--out", help="Default: below the study's folder.")] = None,
) -> None:
    """Write a study's runs in another program's format."""
    from clinpeft.api import export_results

    print(f"{export_results(*folders, to=to, out=out)} runs written")


@app.command("import-results")
def import_results_(
    files: list[Path],
    out: Out,
    task: Annotated[str, typer.Option(help="What the results are of, where the files do not say.")] = "MetaMathQA",
) -> None:
    """Make a folder that `report` reads of result files of peft's method_comparison."""
    from clinpeft.api import import_results

    print(f"{import_results(*files, out=out, task=task)} runs imported")


@app.command("recommend")
def recommend_(
    folder: Path,
    limit: Annotated[list[str] | None, typer.Option("--limit", help="A ceiling on a cost: field=value.")] = None,
    as_json: Json = False,
) -> None:
    """What to take for each task of a study, and how sure that is; from validation scores only."""
    from clinpeft.api import recommendations as recommendations_of

    limits = {key: _number(value, f"--limit {key}") for key, value in _pairs(limit, "--limit").items()}
    recommendations = recommendations_of(folder, limits=limits)
    if as_json:
        print(json.dumps([item.model_dump(mode="json") for item in recommendations], ensure_ascii=False, indent=1))
        return
    for item in recommendations:
        print(item.sentence)


@app.command("open-test")
def open_test_(folder: Path, data: Data = None) -> None:
    """Open the test labels of a sealed study: score its runs on test, note it, and renew the report."""
    from clinpeft.report.render import write_report
    from clinpeft.runs.sweep import open_test_labels

    runs, times = open_test_labels(folder, tuple(data or ()))
    print(f"{_count(runs, 'run')} scored on test; the test labels of this study were opened {_count(times, 'time')}")
    print(write_report([folder], folder / "report"))


def _verify_with_raw(dataset: TaskDataset, raw: Path, outside: dict[str, str]) -> None:
    from clinpeft.data.verify import compare_with_raw
    from clinpeft.errors import GateRefused

    comparison = compare_with_raw(dataset, raw, outside)
    for line in comparison.lines():
        print(line)
    if problem := comparison.problem():
        raise GateRefused(f"{dataset.folder}: {problem}")


def _grouped(value: int | None) -> str:
    return "not counted" if value is None else f"{value:,}"


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'s' * (number != 1)}"


def _pairs(items: list[str] | None, option: str) -> dict[str, str]:
    pairs: dict[str, str] = {}
    for item in items or []:
        key, equals, value = item.partition("=")
        if not equals or not key or key in pairs:
            raise BadInput(option, "needs key=value, each key once", f"for example {option} task=rqe")
        pairs[key] = value
    return pairs


def _number(value: str, where: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadInput(where, "is not a number", "for example --limit peak_host_bytes=8e9")
    return number


def _terminated(*_: Any) -> NoReturn:
    print("clinpeft: stopped; the same command goes on from here", file=sys.stderr)
    sys.exit(143)


def _unexpected(error: Exception) -> int:
    """A mistake in the command line's words, the machine's refusal, or a mistake of ours: one line, and its exit code.

    The message of an error that is none of ours may hold a note's text, so it is shown only when asked for.
    """
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        message, context = " ".join(error.format_message().rstrip(".").split()), getattr(error, "ctx", None)
        hint = f" (see `{context.command_path} --help`)" if context else ""
        print(f"clinpeft: {message}{hint}", file=sys.stderr)
        return int(error.exit_code)
    if isinstance(error, OSError) and error.strerror and (error.filename is not None or error.errno in (*FULL, *LOST)):
        print(f"clinpeft: {error.filename or 'a file'}: {error.strerror}", file=sys.stderr)
        return EnvironmentStop.exit_code
    if os.environ.get("CLINPEFT_DEBUG"):
        raise error
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    line = f"{Path(place.tb_frame.f_code.co_filename).name}, line {place.tb_lineno}" if place else "unknown place"
    print(
        f"clinpeft: internal error, {type(error).__name__} in {line}; CLINPEFT_DEBUG=1 shows more (it may show text)",
        file=sys.stderr,
    )
    return 70


if __name__ == "__main__":
    main()
