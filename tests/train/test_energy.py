"""Energy is read from counters, or estimated, or unavailable, and the cost says which."""

from __future__ import annotations

import ctypes
from pathlib import Path
from typing import Any

import pytest

from clinpeft.errors import BadInput
from clinpeft.record import Cost
from clinpeft.train import energy
from clinpeft.train.energy import EnergyMeter, RatedPower, open_nvml, open_rapl, open_rated

UNAVAILABLE = Cost(value=None, how="unavailable")


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """The time, to be set by the test."""
    now = [100.0]
    monkeypatch.setattr(energy.time, "monotonic", lambda: now[0])
    return now


class Packages:
    """Counters as Linux shows them; each comes round at 100 kJ."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        for name, called in (
            ("intel-rapl:0", "package-0"),
            ("intel-rapl:0:0", "dram"),
            ("intel-rapl:1", "package-1"),
            ("intel-rapl:2", "psys"),
        ):
            (folder / name).mkdir(parents=True)
            (folder / name / "name").write_text(called + "\n")
            (folder / name / "max_energy_range_uj").write_text("100000000000\n")
            self.set(name, 0)

    def set(self, name: str, joules: float) -> None:
        (self.folder / name / "energy_uj").write_text(f"{int(joules * 1e6)}\n")


@pytest.fixture
def packages(tmp_path: Path) -> Packages:
    return Packages(tmp_path / "powercap")


class Source:
    """A source that says what the test wants."""

    def __init__(self, joules: float, how: Any) -> None:
        self.value, self.how = joules, how

    def joules(self) -> float:
        return self.value


def meter_with(monkeypatch: pytest.MonkeyPatch, processor: Source | None, gpu: Source | None, uuid: str | None) -> Cost:
    monkeypatch.setattr(energy, "open_rapl", lambda: processor)
    monkeypatch.setattr(energy, "open_rated", lambda: None)
    monkeypatch.setattr(energy, "open_nvml", lambda uuid: gpu)
    return EnergyMeter(uuid).cost()


def test_packages_are_added_up_and_their_parts_are_not_counted_again(packages: Packages, clock: list[float]) -> None:
    packages.set("intel-rapl:0", 500)
    rapl = open_rapl(packages.folder)
    assert rapl is not None
    for name, joules in (("intel-rapl:0", 530), ("intel-rapl:0:0", 7), ("intel-rapl:1", 12), ("intel-rapl:2", 99)):
        packages.set(name, joules)

    assert rapl.joules() == 42
    assert rapl.how == "measured"


def test_a_counter_that_comes_round_is_followed(packages: Packages, clock: list[float]) -> None:
    packages.set("intel-rapl:0", 99_990)
    rapl = open_rapl(packages.folder)
    assert rapl is not None
    packages.set("intel-rapl:0", 15)

    assert rapl.joules() == 25
    packages.set("intel-rapl:0", 5)
    assert rapl.joules() == 25 + 99_990
    assert rapl.how == "measured"


def test_a_counter_left_unread_for_so_long_that_it_may_have_come_round_twice_is_an_estimate(
    packages: Packages, clock: list[float]
) -> None:
    rapl = open_rapl(packages.folder)
    assert rapl is not None
    # 100 kJ at no more than 500 W.
    clock[0] += 199
    assert rapl.joules() == 0
    assert rapl.how == "measured"
    clock[0] += 201
    assert rapl.joules() == 0
    assert rapl.how == "estimated"


def test_a_counter_is_read_at_least_every_minute_of_training(
    packages: Packages, clock: list[float], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(energy, "open_rapl", lambda: open_rapl(packages.folder))
    meter = EnergyMeter()
    for minute in range(10):
        clock[0] += 61
        packages.set("intel-rapl:0", (minute + 1) * 30_000 % 100_000)
        meter.keep_up()

    assert meter.cost() == Cost(value=300_000, how="measured")


def test_counters_that_only_root_may_read_are_no_counters(packages: Packages, tmp_path: Path) -> None:
    (packages.folder / "intel-rapl:1" / "energy_uj").unlink()

    assert open_rapl(packages.folder) is None
    assert open_rapl(tmp_path / "none") is None


def test_a_counter_that_vanishes_leaves_no_value(packages: Packages, monkeypatch: pytest.MonkeyPatch) -> None:
    rapl = open_rapl(packages.folder)
    monkeypatch.setattr(energy, "open_rapl", lambda: rapl)
    meter = EnergyMeter()
    (packages.folder / "intel-rapl:0" / "energy_uj").unlink()

    assert meter.cost() == UNAVAILABLE


def test_without_counters_the_rated_watts_are_shared_by_processor_time(monkeypatch: pytest.MonkeyPatch) -> None:
    seconds = iter([10.0, 40.0])
    monkeypatch.setattr(energy.time, "process_time", lambda: next(seconds))
    monkeypatch.setattr(energy.os, "cpu_count", lambda: 8)
    monkeypatch.setattr(energy, "open_rapl", lambda: None)
    monkeypatch.setenv("CLINPEFT_CPU_WATTS", "120")

    # 30 core seconds of a processor whose 8 cores take 15 W each.
    assert EnergyMeter().cost() == Cost(value=450, how="estimated")


def test_a_counter_goes_before_rated_watts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINPEFT_CPU_WATTS", "120")
    monkeypatch.setattr(energy, "open_rapl", lambda: Source(7, "measured"))

    assert EnergyMeter().cost() == Cost(value=7, how="measured")


@pytest.mark.parametrize("text", ["many", "0", "-5", "nan", "inf"])
def test_watts_that_are_none_are_refused(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINPEFT_CPU_WATTS", text)

    with pytest.raises(BadInput, match="CLINPEFT_CPU_WATTS: is no positive number; give the watts of the processor"):
        open_rated()


def test_a_study_stops_before_training_when_the_watts_are_none(small: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLINPEFT_CPU_WATTS", "many")

    with pytest.raises(BadInput, match="CLINPEFT_CPU_WATTS"):
        small.run()
    assert not small.out.exists()


def test_no_watts_are_no_estimate(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CLINPEFT_CPU_WATTS", raising=False)
    assert open_rated() is None
    monkeypatch.setenv("CLINPEFT_CPU_WATTS", "95.5")
    assert isinstance(open_rated(), RatedPower)


@pytest.mark.parametrize(
    ("processor", "gpu", "cost"),
    [
        (Source(5, "measured"), Source(50, "measured"), Cost(value=55, how="measured")),
        (Source(5, "estimated"), Source(50, "measured"), Cost(value=55, how="estimated")),
        # A GPU without its host is a lower bound; a host without its GPU is nothing.
        (None, Source(50, "measured"), Cost(value=50, how="estimated")),
        (Source(5, "measured"), None, UNAVAILABLE),
        (None, None, UNAVAILABLE),
    ],
)
def test_a_gpus_energy_is_its_own_and_its_hosts(
    processor: Source | None, gpu: Source | None, cost: Cost, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert meter_with(monkeypatch, processor, gpu, "uuid") == cost


def test_a_machine_without_gpu_or_counter_has_no_value(monkeypatch: pytest.MonkeyPatch) -> None:
    assert meter_with(monkeypatch, None, None, None) == UNAVAILABLE
    assert meter_with(monkeypatch, Source(5, "measured"), None, None) == Cost(value=5, how="measured")


class Library:
    """NVIDIA's management library, for one GPU."""

    def __init__(self, millijoules: list[int], fails: str = "") -> None:
        self.millijoules, self.fails, self.asked = iter(millijoules), fails, b""

    def nvmlInit_v2(self) -> int:  # noqa: N802
        return int(self.fails == "init")

    def nvmlDeviceGetHandleByUUID(self, uuid: bytes, handle: Any) -> int:  # noqa: N802
        self.asked = uuid
        return int(self.fails == "handle")

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: Any, value: Any) -> int:  # noqa: N802
        value._obj.value = next(self.millijoules)
        return int(self.fails == "energy")


def test_a_gpus_counter_is_in_millijoules_and_found_by_its_uuid(monkeypatch: pytest.MonkeyPatch) -> None:
    library = Library([1_000_000, 1_002_500])
    monkeypatch.setattr(ctypes, "CDLL", lambda name: library)
    counter = open_nvml("1234-abcd")

    assert counter is not None
    assert library.asked == b"GPU-1234-abcd"
    assert counter.joules() == 2.5


@pytest.mark.parametrize("fails", ["init", "handle", "energy"])
def test_a_gpu_without_a_counter_is_none(fails: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ctypes, "CDLL", lambda name: Library([0], fails))

    assert open_nvml("1234") is None


def test_a_machine_without_nvidias_library_has_no_gpu_counter(monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise OSError(name)

    monkeypatch.setattr(ctypes, "CDLL", missing)

    assert open_nvml("1234") is None
