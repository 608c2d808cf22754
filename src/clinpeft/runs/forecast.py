"""The forecast of a set of runs: every amount with its range, how it was got, and what would make misfits fit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from clinpeft.prices.rates import Price
from clinpeft.runs.grid import Plan, PlannedRun
from clinpeft.runs.needs import Needs, Way, fewest_judgements, seconds_of
from clinpeft.runs.remedies import remedies, shortfall
from clinpeft.spec import RunSpec

Role = Literal["baseline", "final", "trial", "tuned"]
"""A run of the grid, of a search, or one with the values that a search will find."""
SPREAD: dict[Way, float] = {"probe": 1.3, "analytic": 3.0, "record": 1.0}
"""How much longer a run may take than foreseen; and how much less time, beside an early stop."""
MEMORY_SPREAD: dict[Way, float] = {"probe": 1.1, "analytic": 1.4, "record": 1.0}
PREDICTION_BYTES = 90
"""A line of the prediction files, beside 4 bytes a score: keyed ids of example and subject; an estimate."""
OTHER_BYTES = 20_000
"""Record, thresholds and the rest of a run's folder."""
ENDS = ("value", "low", "high")
OPTIMIZER_BYTES = 16
"""That a checkpoint keeps of a trained parameter: weight, two moments, the best epoch's."""
CHECKPOINTS = 3
"""Two are kept while a third is written."""


@dataclass(frozen=True)
class Range:
    """An amount, with what it may come to at least and at most."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Forecast:
    """Of runs that differ in seed and fold only; every amount is that of one run."""

    role: Role
    task: str
    model: str
    method: str
    options: dict[str, Any]
    max_length: int
    subset: dict[str, Any] | None
    how: Way
    num_left: int
    num_done: int
    seconds: Range
    """Training and evaluation."""
    setup_seconds: float
    peak_host_bytes: Range
    """Alone in its process; the upper end allows for what earlier runs of the same process leave behind."""
    peak_device_bytes: Range | None
    disk_bytes: Range
    """Kept; while it runs, `checkpoint_bytes` beside that."""
    checkpoint_bytes: float
    energy_joules: Range | None
    money: Range | None
    weights_bytes: float
    """Of the model as it trains; 0 where nobody counted."""
    load_bytes: float
    """Of the model while it is loaded, in float32."""
    working_bytes: float
    """Reckoned: what training takes beside the weights."""
    short_bytes: float
    """By which it does not fit; 0 where it does."""
    short_of: Literal["host", "device"] | None
    remedies: tuple[str, ...]

    def describe(self) -> str:
        """`rqe · minilm-l6 · lora`."""
        return f"{self.task} · {self.model} · {self.method}"


@dataclass(frozen=True)
class Outlook:
    """A study's forecasts."""

    study: str
    forecasts: tuple[Forecast, ...]
    missing: dict[str, str]
    """Models whose weights are not here, by name, with what to fetch."""
    price: str | None
    currency: str | None
    spent_seconds: float
    """That ended runs took."""
    left_out: tuple[str, ...]
    """Runs that the study's budget will not reach."""

    @property
    def fits(self) -> bool:
        """Whether every run does."""
        return all(forecast.short_of is None for forecast in self.forecasts if forecast.num_left)

    def facts(self) -> dict[str, Any]:
        """As plain data, with the totals of what is left."""
        fields = ("seconds", "disk_bytes", "energy_joules", "money")
        totals = {field: summed(self.forecasts, field) for field in fields}
        peaks = [one.peak_host_bytes for one in self.forecasts if one.num_left]
        return {
            **asdict(self),
            "fits": self.fits,
            "num_left": sum(one.num_left for one in self.forecasts),
            "num_done": sum(one.num_done for one in self.forecasts),
            "total": {
                **{field: None if amount is None else asdict(amount) for field, amount in totals.items()},
                "setup_seconds": sum(one.num_left * one.setup_seconds for one in self.forecasts),
                "peak_host_bytes": asdict(max(peaks, key=lambda peak: peak.value)) if peaks else None,
            },
        }


def summed(forecasts: Sequence[Forecast], field: str) -> Range | None:
    """An amount over all runs that are left; None where one of them has none."""
    amounts = [(one.num_left, getattr(one, field)) for one in forecasts if one.num_left]
    if any(amount is None for _, amount in amounts):
        return None
    return Range(*(sum(number * getattr(amount, end) for number, amount in amounts) for end in ENDS))


def forecast_of(
    role: Role,
    run: PlannedRun,
    planned: Plan,
    needs: Needs,
    way: Way,
    ran_out: str | None,
    price: Price | None,
    num_left: int,
    num_done: int,
) -> Forecast:
    """The forecast of the runs like `run`. ran_out: which memory a probe ran out of, if it did."""
    spec, options = run.spec, run.spec.train
    spread, memory = SPREAD[way], MEMORY_SPREAD[way]
    usual = seconds_of(needs, options)
    earliest = seconds_of(needs, options, fewest_judgements(options))
    seconds = Range(usual, earliest / spread, usual * spread)
    joules = None if needs.watts is None else _times(seconds, needs.watts)
    disk = _disk_bytes(spec, planned, needs, keeps=role in {"final", "tuned"})
    host, device = shortfall(needs)
    short_of: Literal["host", "device"] | None = "device" if device else "host" if host else None
    if ran_out is not None:
        short_of = "device" if ran_out == "device" else "host"
    short = max(host, device)
    return Forecast(
        role=role,
        task=spec.task,
        model=spec.model,
        method=spec.method.name,
        options=dict(spec.method.options),
        max_length=options.max_length,
        subset=None if options.subset is None else options.subset.model_dump(mode="json", exclude_none=True),
        how=way,
        num_left=num_left,
        num_done=num_done,
        seconds=seconds,
        setup_seconds=needs.setup_seconds,
        peak_host_bytes=Range(needs.peak_host_bytes, needs.peak_host_bytes / memory, needs.peak_host_bytes * memory),
        peak_device_bytes=None
        if needs.peak_device_bytes is None
        else Range(needs.peak_device_bytes, needs.peak_device_bytes / memory, needs.peak_device_bytes * memory),
        disk_bytes=Range(disk, disk, disk * 1.2),
        checkpoint_bytes=CHECKPOINTS * OPTIMIZER_BYTES * needs.trained_parameters,
        energy_joules=joules,
        money=None if price is None else _money(price, seconds, joules),
        weights_bytes=needs.weights_bytes,
        load_bytes=needs.load_bytes,
        working_bytes=needs.working_bytes,
        short_bytes=short,
        short_of=short_of,
        remedies=remedies(spec, planned) if short_of else (),
    )


def _times(amount: Range, factor: float) -> Range:
    return Range(amount.value * factor, amount.low * factor, amount.high * factor)


def _money(price: Price, seconds: Range, joules: Range | None) -> Range:
    return Range(
        *(price.rate.money(getattr(seconds, end), None if joules is None else getattr(joules, end)) for end in ENDS)
    )


def _disk_bytes(spec: RunSpec, planned: Plan, needs: Needs, *, keeps: bool) -> float:
    """What stays in a run's folder: predictions, and the adapter where the study keeps it."""
    card, keep = planned.datasets[spec.task].card, planned.study.keep
    num_examples = sum(card.counts[name].examples for name in ("validation", "test"))
    width = 0 if card.kind == "entities" else 4 * len(card.labels)
    kept = keeps and (keep == "all" or (keep == "adapters" and spec.method.name != "full"))
    return OTHER_BYTES + num_examples * (PREDICTION_BYTES + width) + (needs.adapter_bytes if kept else 0.0)
