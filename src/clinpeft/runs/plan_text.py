"""A study's forecasts as lines for people: what will not fit first, then run by run, then in all."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

from clinpeft.prices.rates import JOULES_PER_KWH
from clinpeft.runs.forecast import Forecast, Outlook, Range, summed
from clinpeft.runs.progress import clock

HEADINGS = ("task", "model", "method", "runs", "time a run", "memory", "disk", "energy", "money", "how")
MOST_LEFT_OUT = 5
"""Runs beyond a budget that are named; the rest is counted."""


def outlook_lines(outlook: Outlook) -> Iterator[str]:
    """What `clinpeft plan` prints."""
    yield from _misfits(outlook)
    for name, wanted in outlook.missing.items():
        yield f"model '{name}': reckoned from its sizes; its weights are not here (`clinpeft fetch {wanted} --out DIR`)"
    yield from _aligned([HEADINGS, *(_row(one, outlook.currency) for one in outlook.forecasts)])
    yield from _totals(outlook)
    yield from _beyond_budget(outlook)


def _misfits(outlook: Outlook) -> Iterator[str]:
    for one in outlook.forecasts:
        if one.short_of is None or not one.num_left:
            continue
        where = "this machine's memory" if one.short_of == "host" else "the GPU's memory"
        short = f"{_size(one.short_bytes)} too large for" if one.short_bytes else "ran out of"
        yield f"will not fit: {one.describe()} (max_length {one.max_length}): {short} {where}; {_why(one)}"
        yield f"  would fit: {'; '.join(one.remedies)}"


def _why(one: Forecast) -> str:
    peak = one.peak_device_bytes if one.short_of == "device" and one.peak_device_bytes else one.peak_host_bytes
    loaded = f", {_size(one.load_bytes)} in float32 while they are read" if one.load_bytes else ""
    parts = f"weights {_size(one.weights_bytes)} and {_size(one.working_bytes)} to train"
    return f"it needs {_size(peak.value)}: {parts}{loaded}"


def _row(one: Forecast, currency: str | None) -> tuple[str, ...]:
    runs = f"{one.num_left}" + (f" (+{one.num_done} done)" if one.num_done else "")
    runs += f" {one.role}s" if one.role in {"trial"} else " tuned" if one.role == "tuned" else ""
    device = "" if one.peak_device_bytes is None else f" + GPU {_size(one.peak_device_bytes.value)}"
    return (
        one.task,
        one.model,
        one.method,
        runs,
        _range(one.seconds, clock),
        _range(one.peak_host_bytes, _size, only_up=True) + device,
        _size(one.disk_bytes.value),
        "unknown" if one.energy_joules is None else f"{one.energy_joules.value / JOULES_PER_KWH:.3g} kWh",
        "-" if one.money is None else f"{one.money.value:.2f} {currency}",
        "measured probe" if one.how == "probe" else "analytic",
    )


def _totals(outlook: Outlook) -> Iterator[str]:
    left = [one for one in outlook.forecasts if one.num_left]
    num_done = sum(one.num_done for one in outlook.forecasts)
    if num_done:
        yield f"{num_done} runs are done; they took {clock(outlook.spent_seconds)}"
    if not left:
        yield "nothing is left to do"
        return
    parts = [f"{sum(one.num_left for one in left)} runs left with one worker"]
    if (seconds := summed(left, "seconds")) is not None:
        setup = sum(one.num_left * one.setup_seconds for one in left)
        parts.append(f"{_range(seconds, clock)}, and about {clock(setup)} to set them up")
    peak = max((one.peak_host_bytes for one in left), key=lambda peak: peak.value)
    parts.append(f"memory {_range(peak, _size, only_up=True)}")
    if (disk := summed(left, "disk_bytes")) is not None:
        beside = max(one.checkpoint_bytes for one in left)
        parts.append(f"disk {_size(disk.value)}, and up to {_size(beside)} for checkpoints meanwhile")
    if (joules := summed(left, "energy_joules")) is not None:
        parts.append(f"energy {joules.value / JOULES_PER_KWH:.3g} kWh")
    if (money := summed(left, "money")) is not None:
        parts.append(f"{money.value:.2f} {outlook.currency} ({money.low:.2f} to {money.high:.2f}; {outlook.price})")
    yield "in all: " + "; ".join(parts)


def _beyond_budget(outlook: Outlook) -> Iterator[str]:
    if outlook.left_out:
        named = "; ".join(outlook.left_out[:MOST_LEFT_OUT])
        more = f"; and {len(outlook.left_out) - MOST_LEFT_OUT} more" if len(outlook.left_out) > MOST_LEFT_OUT else ""
        yield f"the budget would leave out {len(outlook.left_out)} runs: {named}{more}"


def _range(amount: Range, say: Callable[[float], str], *, only_up: bool = False) -> str:
    """`12 min (8 min to 20 min)`; the lower end says nothing of memory."""
    ends = f"to {say(amount.high)}" if only_up else f"{say(amount.low)} to {say(amount.high)}"
    return f"{say(amount.value)} ({ends})"


def _size(number: float) -> str:
    """Bytes as a person says them."""
    for unit, size in (("TB", 1e12), ("GB", 1e9), ("MB", 1e6)):
        if number >= size:
            return f"{number / size:.1f} {unit}" if size > 1e6 else f"{number / size:.0f} {unit}"
    return f"{number / 1e3:.0f} kB"


def _aligned(rows: Sequence[Sequence[str]]) -> Iterator[str]:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    for row in rows:
        yield "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
