"""clinpeft as a library: `from clinpeft import Study, run`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import inf
from pathlib import Path
from typing import get_args

from clinpeft.errors import BadInput, did_you_mean
from clinpeft.files import for_owner_only
from clinpeft.frozen import parse
from clinpeft.launchers.base import LAUNCHERS, Launcher, SharingLauncher
from clinpeft.prices.rates import find_price
from clinpeft.report.evaluation import Evaluation
from clinpeft.report.render import write_report
from clinpeft.report.results import Recommendation, Results
from clinpeft.report.view_base import View
from clinpeft.runs.find import find
from clinpeft.runs.forecast import Outlook
from clinpeft.runs.grid import may_fit
from clinpeft.runs.reproduce import TOLERANCE, Reproduction
from clinpeft.runs.sweep import Outcome, sweep
from clinpeft.spec import CostField, ModelChoice, Study
from clinpeft.studies import find_studies


def run(
    study: Study | str | Path,
    out: str | Path,
    *,
    data: str | Path | list[str | Path] = (),  # type: ignore[assignment]
    models: Sequence[str | ModelChoice] = (),
    only: Mapping[str, str] | None = None,
    launcher: str | Launcher = "local",
    price: str | None = None,
    retry_failed: bool = False,
) -> Outcome:
    """Train what a study still lacks in the folder `out`, and write its report.

    models: names or folders of models to take in the place of the study's, which then is an edited one; a name that
    the study has keeps what it says of it. only: `{"model": "minilm-l6"}`, for a part; other models need not be here.
    launcher: a name (`clinpeft list launchers`), or a launcher with options of its own: `Pool(workers=4)`.
    price: what an hour of this machine costs (`own:workstation`, or `FILE:RATE`), for a budget of money and the report.
    study: a Study (its relative paths start at the working directory), a study file, or a packaged study's name. The
    name of a packaged folder runs every study in it, each in a folder of its own below `out`, with one report of all.
    Raises BadInput before anything is trained when something it names is missing or broken.
    """
    launch = LAUNCHERS.get(launcher)() if isinstance(launcher, str) else launcher
    folders = tuple(Path(folder) for folder in ([data] if isinstance(data, str | Path) else data))
    parts = _parts(study, Path(out), models)
    # Of several studies those without such a run are passed by, and each is looked at before the first one runs.
    parts = [part for part in parts if may_fit(part[0], only or {})] or parts
    for asked, base, place in parts[1:]:
        find(asked, base, folders, place, wanted=only)
    rate = find_price(price) if price else None
    with for_owner_only():
        outcomes = [
            sweep(
                asked,
                base,
                place,
                data=folders,
                wanted=only,
                launcher=launch,
                price=rate,
                retry_failed=retry_failed,
            )
            for asked, base, place in parts
        ]
        folders_run = [outcome.folder for outcome in outcomes]
        write_report(folders_run, Path(out) / "report", only, train_price=rate, serve_price=rate)
    return Outcome(
        folder=Path(out),
        parts=tuple(outcome.folder for outcome in outcomes),
        num_trained=sum(outcome.num_trained for outcome in outcomes),
        num_kept=sum(outcome.num_kept for outcome in outcomes),
        num_failed=sum(outcome.num_failed for outcome in outcomes),
    )


def plan(
    study: Study | str | Path,
    out: str | Path | None = None,
    *,
    data: str | Path | list[str | Path] = (),  # type: ignore[assignment]
    models: Sequence[str | ModelChoice] = (),
    price: str | None = None,
    probes: bool = True,
    launcher: SharingLauncher | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> tuple[Outlook, ...]:
    """What a study will take on this machine, run by run and in all, before anything is trained; nothing is written.

    One Outlook, or one for each study of a packaged folder. out: the study's folder if it was begun, whose finished
    runs are left out; models: as in `run`; price: what an hour of this machine costs (`own:workstation`, or
    `FILE:RATE`); probes: whether a few steps of each kind of run are tried out, else all is reckoned from sizes, as it
    is for runs that `launcher` shares out over several processes; tell: hears which is tried.
    Raises BadInput for what `run` would refuse too, but for weights that are not here.
    """
    from clinpeft.runs.plan import plan_study

    folders = tuple(Path(folder) for folder in ([data] if isinstance(data, str | Path) else data))
    rate = find_price(price) if price else None
    with for_owner_only():
        return tuple(
            plan_study(
                asked,
                base,
                place if out else None,
                data=folders,
                price=rate,
                probes=probes,
                launcher=launcher,
                tell=tell,
            )
            for asked, base, place in _parts(study, Path(out or "."), models)
        )


def reproduce(
    folder: str | Path,
    run: str,
    *,
    data: str | Path | list[str | Path] = (),  # type: ignore[assignment]
    base: str | Path | None = None,
    tolerance: float = TOLERANCE,
) -> Reproduction:
    """Train a finished run of a study's folder again, in a private temporary folder, and say how near it comes.

    `verdict` is `bitwise` (weights and predictions are the same to the last bit), `within tolerance` (the headline
    metric on validation moves by at most `tolerance`) or `different`. run: an id, or the start of one; data: folders
    in which its dataset and model may lie beside the study's own; base: the folder that the study's paths are relative
    to. Raises BadInput where data, model or training code are not those of the record.
    """
    from clinpeft.runs.reproduce import reproduce as reproduce_run

    folders = [Path(path) for path in ([data] if isinstance(data, str | Path) else data)]
    return reproduce_run(
        Path(folder), run, data=folders, base=None if base is None else Path(base), tolerance=tolerance
    )


def _parts(study: Study | str | Path, out: Path, models: Sequence[str | ModelChoice]) -> list[tuple[Study, Path, Path]]:
    """(study, the folder its paths are relative to, where it runs) of a study, or of every one in a packaged folder."""
    if isinstance(study, Study):
        found = [(study, Path.cwd(), out)]
    elif len(paths := find_studies(str(study))) == 1:
        found = [(Study.read(paths[0]), paths[0].parent, out)]
    else:
        found = [(Study.read(path), path.parent, out / path.stem) for path in paths]
    chosen = [_model(model) for model in models]
    return [(asked.with_models(chosen), base, place) for asked, base, place in found] if chosen else found


def _model(asked: str | ModelChoice) -> ModelChoice:
    """A model as it is asked for here and now: a path of its own is relative to the working directory."""
    choice = parse(ModelChoice, asked, "models") if isinstance(asked, str) else asked
    if choice.path is None:
        return choice
    return choice.model_copy(update={"path": str(Path(choice.path).expanduser().resolve())})


def results(*folders: str | Path, cost: str | None = None) -> Results:
    """The results of one study's folder, or of several merged, as in results.json.

    cost: what each row's `front_probability` is against, in the place of the study's own: `latency_p50_seconds`. Raises
    BadInput for one that is no cost field.
    """
    from clinpeft.report.aggregate import analyse
    from clinpeft.report.load import load

    field = None if cost is None else _cost_field(cost, "cost")
    return analyse(load([Path(folder) for folder in folders]), cost=field).results


def views(*folders: str | Path, train_price: str | None = None, serve_price: str | None = None) -> tuple[View, ...]:
    """The study's own analyses of one store, or of several merged, as tables (`View.tables`, each with `to_csv` and
    `to_latex`): size, domain, rank, learning curves, time to quality, cost, parameters, the 2024 study's efficiency
    score and its published numbers; those whose axis the studies have.

    Prices (`taylor2024:train`, `FILE:RATE`) are of an hour of training and of scoring, for money in the cost table.
    """
    from clinpeft.report.aggregate import aggregate
    from clinpeft.report.load import load
    from clinpeft.report.views import views as views_of

    loaded = load([Path(folder) for folder in folders])
    prices = [find_price(name) if name else None for name in (train_price, serve_price)]
    return views_of(loaded, aggregate(loaded), train_price=prices[0], serve_price=prices[1])


def evaluation(*folders: str | Path, alert_rate: float = 0.1, prevalence: float | None = None) -> Evaluation:
    """A closer look at what is recommended, as in evaluation.json: calibration, thresholds, net benefit, subgroups.

    alert_rate: share of examples that may be flagged; prevalence: how common the label is where the model is used.
    """
    from clinpeft.report.aggregate import analyse
    from clinpeft.report.configurations import configurations, selected
    from clinpeft.report.evaluation import evaluate
    from clinpeft.report.load import load

    loaded = load([Path(folder) for folder in folders])
    return evaluate(analyse(loaded).results, configurations(selected(loaded, {})), alert_rate, prevalence)


def export_results(*folders: str | Path, to: str, out: str | Path | None = None) -> int:
    """The runs of one study, or of several, in another program's format; how many were written.

    to: `peft` (JSON as peft's method_comparison has it, one file a run, into the folder `out`) or `mlflow` (a file
    store `out`; default `mlruns` in each study's folder; runs that it holds already are left alone). For pandas there
    is `results(...).to_pandas()`. Raises BadInput for another format, and when MLflow is not installed.
    """
    from clinpeft.exchange.mlflow_store import export_to_mlflow
    from clinpeft.exchange.peft_comparison import write_peft_results
    from clinpeft.report.load import load

    loaded = load([Path(folder) for folder in folders])
    with for_owner_only():
        if to == "mlflow":
            return export_to_mlflow(loaded, None if out is None else Path(out))
        if to == "peft":
            return len(write_peft_results(loaded, Path(out) if out else loaded[0].folder / "peft-results"))
    raise BadInput(f"--to {to}", "is no format", "use peft or mlflow")


def import_results(*files: str | Path, out: str | Path, task: str = "MetaMathQA") -> int:
    """Make the folder `out` of result files of peft's method_comparison (or folders of them), which `report` reads like
    a study's, alone or beside others; how many runs. task: what foreign files, which do not say it, are results of."""
    from clinpeft.exchange.peft_comparison import import_peft_results

    with for_owner_only():
        return import_peft_results([Path(file) for file in files], Path(out), task)


def errors(*folders: str | Path, most: int = 20, data: Sequence[str | Path] = ()) -> list[Path]:
    """Write the recommended runs' surest wrong answers with their texts beside the datasets; the files.

    data: more folders with datasets. Raises BadInput when a dataset is not found, or is another than a run's.
    """
    from clinpeft.report.aggregate import analyse
    from clinpeft.report.configurations import configurations, selected
    from clinpeft.report.errors import write_errors
    from clinpeft.report.load import load

    loaded = load([Path(folder) for folder in folders])
    recommended = analyse(loaded).results.recommendations
    found = configurations(selected(loaded, {}))
    return write_errors(recommended, found, most, [Path(folder) for folder in data])


def recommendations(folder: str | Path, *, limits: Mapping[str, float] | None = None) -> tuple[Recommendation, ...]:
    """One recommendation a task, from validation scores only; `limits` are ceilings on costs beside the study's own.

    A limit that the study does not state is noted in its journal, and the report says so. Raises BadInput for a limit
    that is no cost field, or no number from 0 on; EnvironmentStop where the journal cannot be written.
    """
    from clinpeft.report.aggregate import analyse
    from clinpeft.report.load import load
    from clinpeft.report.recommend import recommend
    from clinpeft.runs.late_limits import note_limits

    loaded = load([Path(folder)])
    extra: dict[CostField, float] = {}
    for key, value in (limits or {}).items():
        field = _cost_field(key, "limit")
        if not 0 <= value < inf:
            raise BadInput(f"limit '{key}'", "is no number from 0 on", f"for example {field}=60")
        extra[field] = value
    found = analyse(loaded)
    note_limits(Path(folder), loaded[0].study.select, extra)
    is_prestated = not loaded[0].rule_changed
    return recommend(found.results, loaded[0].study.select, extra, found.contrasts, prestated=is_prestated)


def _cost_field(name: str, what: str) -> CostField:
    field: CostField | None = next((known for known in get_args(CostField) if known == name), None)
    if field is None:
        near = did_you_mean(name, list(get_args(CostField)))
        raise BadInput(f"{what} '{name}'", "is no cost field", near or f"known: {', '.join(get_args(CostField))}")
    return field
