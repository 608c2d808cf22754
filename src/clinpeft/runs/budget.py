"""What a study may take in all: hours, money, energy. Counted from the records, so an interruption forgets nothing."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from clinpeft.errors import BadInput
from clinpeft.prices.rates import JOULES_PER_KWH, SECONDS_PER_HOUR, Price
from clinpeft.record import RunRecord
from clinpeft.runs.grid import PlannedRun
from clinpeft.spec import Budget, CostField


class Purse:
    """Counts what the runs of a study have taken, and says when that is enough. No run is begun after that.

    Hours are those of training and evaluation, added up over workers. The run in which a limit is reached is finished.
    """

    def __init__(self, budget: Budget | None, price: Price | None = None, *, has_energy: bool = True) -> None:
        """price: what an hour of this machine costs, for a limit on money; has_energy: whether energy is measured here.

        Raises BadInput for a limit that could never be reached, as nothing counts towards it.
        """
        self.budget, self.price = budget, price
        self.seconds = self.joules = self.money = 0.0
        if budget is not None:
            _refuse_what_cannot_be_counted(budget, price, has_energy)

    def add(self, records: Iterable[RunRecord]) -> None:
        """Count these runs too."""
        for record in records:
            seconds = sum(_value(record, field) or 0.0 for field in ("train_seconds", "evaluate_seconds"))
            joules = _value(record, "energy_joules")
            self.seconds += seconds
            self.joules += joules or 0.0
            if self.price is not None:
                self.money += self.price.rate.money(seconds, joules)

    def reached(self) -> str | None:
        """The limit that has been reached, in words; None while there is something left of each."""
        if self.budget is None:
            return None
        hours, kwh = self.seconds / SECONDS_PER_HOUR, self.joules / JOULES_PER_KWH
        if self.budget.hours is not None and hours >= self.budget.hours:
            return f"{self.budget.hours:g} hours"
        if self.budget.energy_kwh is not None and kwh >= self.budget.energy_kwh:
            return f"{self.budget.energy_kwh:g} kWh"
        if self.budget.money is not None and self.money >= self.budget.money:
            return f"{self.budget.money:g} {self.budget.currency}"
        return None


def breadth_first(runs: Sequence[PlannedRun]) -> list[PlannedRun]:
    """Every task, model and method once before any has a second seed (or fold), so that an early end has an answer."""
    seeds = list(dict.fromkeys(run.spec.seed for run in runs))
    return sorted(runs, key=lambda run: (run.role != "baseline", seeds.index(run.spec.seed), run.spec.fold or 0))


def _refuse_what_cannot_be_counted(budget: Budget, price: Price | None, has_energy: bool) -> None:
    if budget.money is not None:
        if price is None:
            raise BadInput(
                "budget.money", "needs a price", "name one with --price, for example --price own:workstation"
            )
        if budget.currency != price.currency:
            raise BadInput("budget.currency", f"is not that of {price.name} ({price.currency})", "use one currency")
    if budget.energy_kwh is not None and not has_energy:
        raise BadInput(
            "budget.energy_kwh",
            "the energy of runs cannot be measured on this machine",
            "say its power under load: CLINPEFT_CPU_WATTS=65",
        )


def _value(record: RunRecord, field: CostField) -> float | None:
    return record.cost[field].value if field in record.cost else None
