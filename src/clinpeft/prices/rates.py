"""From seconds and joules to money, by a price list with a date and a source."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from pydantic import Field, model_validator

from clinpeft.errors import BadInput, UnknownName, did_you_mean
from clinpeft.frozen import Frozen, parse
from clinpeft.strict_yaml import read_yaml

FOLDER = Path(__file__).parent
JOULES_PER_KWH = 3.6e6
SECONDS_PER_HOUR = 3600.0

Amount = Annotated[float, Field(ge=0)]


class Rate(Frozen):
    """A machine: rented by the hour, or bought, used for some years and fed with electricity."""

    title: str
    per_hour: Amount | None = None
    """Rent, electricity included."""
    purchase: Amount | None = None
    years: Annotated[float, Field(gt=0)] = 5.0
    hours_per_year: Annotated[float, Field(gt=0, le=8784)] = 2000.0
    """In which it works; the price is spread over these."""
    watts: Amount | None = None
    """Under load, for runs whose energy was not measured."""
    per_kwh: Amount | None = None

    @model_validator(mode="after")
    def _is_rented_or_owned(self) -> Rate:
        owned = (self.purchase, self.watts, self.per_kwh)
        if (self.per_hour is None) == (self.purchase is None) or (self.per_hour is None and None in owned):
            raise ValueError("give either 'per_hour', or 'purchase' with 'watts' and 'per_kwh'")
        return self

    def money(self, seconds: float, joules: float | None = None) -> float:
        """What so many seconds of work cost; joules: measured energy, else `watts` all the time."""
        if self.per_hour is not None:
            return seconds / SECONDS_PER_HOUR * self.per_hour
        assert self.purchase is not None and self.watts is not None and self.per_kwh is not None
        wear = self.purchase * seconds / (self.years * self.hours_per_year * SECONDS_PER_HOUR)
        energy = seconds * self.watts if joules is None else joules
        return wear + energy / JOULES_PER_KWH * self.per_kwh


class PriceList(Frozen):
    """Prices of one place and day, in one currency."""

    name: str
    date: Annotated[str, Field(pattern=r"^\d{4}-\d{2}(-\d{2})?$")]
    currency: Annotated[str, Field(pattern=r"^[A-Z]{3}$")]
    source: str
    """Where the prices were read."""
    note: str = ""
    rates: Annotated[dict[str, Rate], Field(min_length=1)]


class Price(Frozen):
    """One rate of a list, with what has to be said beside every amount."""

    name: str
    currency: str
    date: str
    source: str
    rate: Rate

    def describe(self) -> str:
        """`own:workstation (EUR, 2026-11; an example)`."""
        return f"{self.name} ({self.currency}, {self.date}; {self.source})"


def packaged() -> list[str]:
    """Names of the price lists that come with clinpeft."""
    return sorted(path.stem for path in FOLDER.glob("*.yaml"))


def find_price(name: str) -> Price:
    """The rate called `LIST:RATE`, where LIST is packaged or a YAML file; the rate's name may be left out of a list of
    one. Raises BadInput for a list or rate that is not there."""
    listed, _, wanted = name.partition(":")
    prices = _read(listed)
    if not wanted and len(prices.rates) == 1:
        wanted = next(iter(prices.rates))
    if wanted not in prices.rates:
        near = did_you_mean(wanted, list(prices.rates)) if wanted else None
        known = ", ".join(f"{listed}:{rate}" for rate in prices.rates)
        raise UnknownName(f"price '{name}'", "is no rate of that list", f"{near + ' ' if near else ''}known: {known}")
    return Price(
        name=f"{prices.name}:{wanted}",
        currency=prices.currency,
        date=prices.date,
        source=prices.source,
        rate=prices.rates[wanted],
    )


def _read(name: str) -> PriceList:
    path = FOLDER / f"{name}.yaml" if name in packaged() else Path(name)
    if not path.is_file():
        near = did_you_mean(name, packaged())
        raise BadInput(
            f"price list '{name}'",
            "is neither packaged nor a file",
            f"{near + ' ' if near else ''}packaged: {', '.join(packaged())}; write one like them for your machines",
        )
    plain: Any = read_yaml(path)
    if not isinstance(plain, dict):
        raise BadInput(str(path), "is no price list", "write it like the packaged ones")
    return parse(PriceList, {"name": path.stem, **plain}, str(path))
