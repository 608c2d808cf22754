"""What a study will take, before anything is trained: time, memory, disk, energy and money, and what will not fit.

Runs that differ in seed or fold only need the same. One of each such set is probed in a process of its own
(runs/probe.py), or reckoned from sizes and shapes (runs/reckon.py) where its weights are not here, where it would not
fit, or where nobody wants to wait.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from clinpeft.errors import BadInput
from clinpeft.launchers.base import SharingLauncher
from clinpeft.launchers.local import Local
from clinpeft.launchers.pool import Pool
from clinpeft.models.catalogue import ModelCard, ResolvedModel, card_from_config, find_weights, model_card, read_config
from clinpeft.models.catalogue import resolve as resolve_model
from clinpeft.models.weights import weight_files
from clinpeft.prices.rates import JOULES_PER_KWH, SECONDS_PER_HOUR, Price
from clinpeft.record import RunRecord
from clinpeft.runs.budget import breadth_first
from clinpeft.runs.find import find
from clinpeft.runs.forecast import Forecast, Outlook, Role, forecast_of
from clinpeft.runs.grid import Plan, PlannedRun, folds_of, plan
from clinpeft.runs.needs import Needs, Way
from clinpeft.runs.remedies import shortfall
from clinpeft.runs.store import Store
from clinpeft.spec import ModelChoice, RunSpec, Study

Tell = Callable[[str], None]
Found = tuple[Needs, Way, str | None]
"""What a run needs, how that was got, and which memory ran out in its probe, if any did."""
Key = tuple[str, str, str, str]
"""Task, model, method with its options, and the training subset and length: what runs of one forecast share."""

__all__ = ["Forecast", "Outlook", "plan_study"]


@dataclass(frozen=True)
class _Set:
    """Runs that need the same."""

    role: Role
    example: PlannedRun
    runs: tuple[PlannedRun, ...]
    """Those that are planned by id; of a search only the number is known."""
    num_left: int
    num_done: int


def plan_study(
    study: Study,
    base: Path,
    out: Path | None = None,
    *,
    data: tuple[Path, ...] = (),
    price: Price | None = None,
    probes: bool = True,
    launcher: SharingLauncher | None = None,
    tell: Tell = lambda line: None,
) -> Outlook:
    """What `study` will take on this machine, with one worker.

    base: the folder to which the study's paths are relative; out: its folder, whose finished runs are left out of what
    is still to come; probes: whether a few steps of every kind of run are tried out; launcher: over how many processes
    it shares a run out, whereupon all is reckoned; tell: hears what is going on.
    Nothing is written. Raises BadInput for what `run` would refuse too, but for weights that are not here.
    """
    _refuse_without_price(study, price)
    launcher = launcher or Local()
    missing: dict[str, str] = {}

    def model_of(choice: ModelChoice, base: Path, *, data: Sequence[Path], online: bool) -> ResolvedModel:
        card = _card_without_weights(choice, base, data)
        if card is None:
            return resolve_model(choice, base, data=data, online=online)
        missing[choice.name] = card.hub or card.name
        return ResolvedModel(card, (base / Path(choice.path)).resolve() if choice.path else Path(card.name), "missing")

    records = _records(out)
    if out is not None and (built := out / "datasets").is_dir():
        data = (*data, built)
    with tempfile.TemporaryDirectory(prefix="clinpeft-plan-") as folder:
        planned = plan(find(study, base, data, Path(folder) / "out", model_of=model_of))
        sets = _sets(planned, records)
        found: dict[str, Found] = {}
        for number, one in enumerate(sets, 1):
            run = one.example
            if run.run not in found:
                tell(f"[{number}/{len(sets)}] {run.spec.describe()}")
                found[run.run] = _needs(run, planned, launcher, probes=probes and run.spec.model not in missing)
        forecasts = _with_what_is_carried_over(
            [
                forecast_of(one.role, one.example, planned, *found[one.example.run], price, one.num_left, one.num_done)
                for one in sets
            ]
        )
    return Outlook(
        study=study.name,
        forecasts=tuple(forecasts),
        missing=missing,
        price=None if price is None else price.describe(),
        currency=None if price is None else price.currency,
        spent_seconds=sum(_taken(record) for record in records.values()),
        left_out=_left_out(study, sets, forecasts),
    )


CARRIED_BYTES = 80e6
"""That a process keeps of each run that it has made (measured: 60 to 100 MB, kernels and fragments) …"""
MOST_CARRIED_BYTES = 3e9
"""… at most (measured over a hundred runs)."""


def _with_what_is_carried_over(forecasts: Sequence[Forecast]) -> list[Forecast]:
    """A run's peak is that of a run alone; its upper end allows for what earlier runs of the same process left."""
    before, result = 0, []
    for one in forecasts:
        last = max(0, before + one.num_left - 1)
        carried = min(MOST_CARRIED_BYTES, CARRIED_BYTES * last)
        peak = one.peak_host_bytes
        result.append(replace(one, peak_host_bytes=replace(peak, high=max(peak.high, peak.value + carried))))
        before += one.num_left
    return result


def _card_without_weights(choice: ModelChoice, base: Path, data: Sequence[Path]) -> ModelCard | None:
    """The card of a model whose sizes are known and whose weights are not here; None where all is here, or nothing."""
    if choice.path is not None:
        folder = (base / Path(choice.path).expanduser()).resolve()
        if not (folder / "config.json").is_file() or weight_files(folder):
            return None
        return card_from_config(choice.name, read_config(folder), str(folder), folder)
    if choice.hub is not None:
        return None
    card = model_card(choice.name)
    return card if find_weights(card, data) is None else None


def _records(out: Path | None) -> dict[str, RunRecord]:
    """Of the runs that have ended in a study's folder."""
    if out is None or not (out / "study.yaml").is_file():
        return {}
    return {record.run: record for record in Store.open(out).records() if record.status != "interrupted"}


def _key(run: PlannedRun) -> Key:
    spec, train = run.spec, run.spec.train.model_copy(update={"learning_rate": 1.0})
    return spec.task, spec.model, spec.method.model_dump_json(), train.model_dump_json()


def _sets(planned: Plan, records: Mapping[str, RunRecord]) -> list[_Set]:
    """In the order in which they will run, searches after the grid."""
    grouped: dict[Key, list[PlannedRun]] = defaultdict(list)
    for run in planned.runs:
        grouped[_key(run)].append(run)
    sets = []
    for runs in grouped.values():
        left = [run for run in runs if run.run not in records]
        role: Role = "baseline" if runs[0].role == "baseline" else "final"
        sets.append(_Set(role, runs[0], tuple(left), len(left), len(runs) - len(left)))
    return [*sets, *_of_searches(planned, [one for one in sets if one.role == "final"], records)]


def _of_searches(planned: Plan, finals: Sequence[_Set], records: Mapping[str, RunRecord]) -> Iterator[_Set]:
    """The trials of each search, then its tuned runs; which they are is not known yet, how many is."""
    study, known = planned.study, {run.run for run in planned.runs}
    if study.tune is None:
        return
    for role, number in (("trial", study.tune.trials), ("tuned", len(study.seeds))):
        for one in finals:
            spec = one.example.spec
            num_runs = number * len(folds_of(planned.datasets[spec.task]))
            done = sum(
                (record.spec.task, record.spec.model, record.spec.method.name)
                == (spec.task, spec.model, spec.method.name)
                and record.role == ("trial" if role == "trial" else "final")
                and record.run not in known
                for record in records.values()
            )
            done = min(num_runs, done)
            yield _Set("trial" if role == "trial" else "tuned", one.example, (), num_runs - done, done)


def _is_like(one: RunSpec, other: RunSpec) -> bool:
    return (one.task, one.model, one.method.name) == (other.task, other.model, other.method.name)


def _needs(run: PlannedRun, planned: Plan, launcher: SharingLauncher, *, probes: bool) -> Found:
    from clinpeft.runs.probe_baseline import probe_baseline, reckon_baseline
    from clinpeft.runs.reckon import reckon, text_lengths

    dataset = planned.datasets[run.spec.task]
    if run.spec.model == "none":
        return probe_baseline(run.spec, dataset, None), "probe", None
    model = planned.models[run.spec.model]
    if run.role == "baseline":
        reckoned = reckon_baseline(run.spec, dataset, model)
    else:
        reckoned = reckon(run.spec, dataset, model, text_lengths(run.spec, dataset, model), launcher)
    if not probes or launcher.processes_per_run > 1 or any(shortfall(reckoned)):
        return reckoned, "analytic", None
    needs, ran_out = _probe(run, planned)
    if needs is None:
        return reckoned, "analytic", ran_out
    sizes = {
        "load_bytes": reckoned.load_bytes,
        "weights_bytes": reckoned.weights_bytes,
        "working_bytes": reckoned.working_bytes,
    }
    return needs.model_copy(update=sizes), "probe", None


def _probe(run: PlannedRun, planned: Plan) -> tuple[Needs | None, str | None]:
    """What a probe found in a fresh process; else which memory ran out (None: it ended for another reason)."""
    from clinpeft.frozen import parse
    from clinpeft.runs.probe import ProbeJob, probe

    dataset, model = planned.datasets[run.spec.task], planned.models[run.spec.model]
    job = ProbeJob(
        spec=run.spec,
        dataset=str(dataset.folder.resolve()),
        card=model.card,
        folder=str(model.folder.resolve()),
        weights_sha256=model.weights_sha256,
    )
    ended = next(iter(Pool(workers=1, retries=0).map(probe, [job.model_dump(mode="json", by_alias=True)])))
    if ended.lost is not None:
        return None, "host" if ended.lost.code == "oom_host" else None
    if (ran_out := ended.value.get("ran_out")) is not None:
        return None, str(ran_out)
    return (parse(Needs, ended.value["needs"], "a probe's answer") if "needs" in ended.value else None), None


def _taken(record: RunRecord) -> float:
    fields = ("train_seconds", "evaluate_seconds")
    return sum(record.cost[field].value or 0.0 for field in fields if field in record.cost)


def _left_out(study: Study, sets: Sequence[_Set], forecasts: Sequence[Forecast]) -> tuple[str, ...]:
    """The runs that the study's budget will not reach, in its order: breadth first, a search's after the grid."""
    if study.budget is None:
        return ()
    of_run = {run.run: forecast for one, forecast in zip(sets, forecasts, strict=True) for run in one.runs}
    queue = [(run.spec.describe(), of_run[run.run]) for run in breadth_first([run for one in sets for run in one.runs])]
    for forecast in forecasts:
        if forecast.role in {"trial", "tuned"}:
            queue += [(f"{forecast.describe()} · {forecast.role}", forecast)] * forecast.num_left
    seconds = joules = money = 0.0
    left_out = []
    for name, forecast in queue:
        limits = (
            (study.budget.hours, seconds / SECONDS_PER_HOUR),
            (study.budget.energy_kwh, joules / JOULES_PER_KWH),
            (study.budget.money, money),
        )
        if any(limit is not None and spent >= limit for limit, spent in limits):
            left_out.append(name)
            continue
        seconds += forecast.seconds.value
        joules += forecast.energy_joules.value if forecast.energy_joules else 0.0
        money += forecast.money.value if forecast.money else 0.0
    return tuple(left_out)


def _refuse_without_price(study: Study, price: Price | None) -> None:
    if study.budget is not None and study.budget.money is not None and price is None:
        raise BadInput("budget.money", "needs a price", "name one with --price, for example --price own:workstation")
