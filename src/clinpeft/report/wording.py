"""Numbers and names as people read them; the same words in the report, the sentence and the terminal."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from math import floor, log10

from clinpeft.data.card import Card
from clinpeft.metrics.outcomes import SMALLEST_CELL, masked
from clinpeft.record import Score
from clinpeft.report.results import MORE_IS_BETTER, CostSummary, Recommendation, ResultRow
from clinpeft.spec import CostField, Subset, ValidationChoice

COST_WORDS: dict[CostField, str] = {
    "train_seconds": "training time",
    "evaluate_seconds": "evaluation time",
    "peak_host_bytes": "peak memory",
    "peak_device_bytes": "peak GPU memory",
    "energy_joules": "energy",
    "flops": "computation",
    "adapter_bytes": "size on disk",
    "latency_p50_seconds": "median response time",
    "latency_p99_seconds": "99th-percentile response time",
    "examples_per_second": "examples per second",
}
BASELINE_WORDS = {
    "majority": "most frequent class",
    "tfidf-logistic": "TF-IDF + logistic regression",
    "encoder-logistic": "untuned encoder + logistic regression",
}
SPLIT_WORDS = {
    "official": "The splits are the source's own",
    "core": "The splits are the published CORe patient lists",
    "hash": "The splits are drawn by a keyed hash",
    "paper": "The splits are those of the 2024 study",
    "user": "The splits are the user's",
}
BY_YEARS = "The test split is the patients of the newest years, the others are drawn by a keyed hash"
NONE = "–"


def how_split(card: Card) -> str:
    """How the splits were made, in words."""
    is_by_years = card.options.get("split") == "anchor_year_group"
    return BY_YEARS if is_by_years else SPLIT_WORDS[card.split.method]


def score(value: float | None) -> str:
    """`0.871`; a dash when there is none."""
    return NONE if value is None else f"{round(value, 3) + 0.0:.3f}"


def interval(low: float | None, high: float | None) -> str:
    """`[0.830, 0.912]`; empty when there is none."""
    return "" if low is None or high is None else f"[{score(low)}, {score(high)}]"


def mean_and_interval(row: ResultRow) -> str:
    """`0.871 [0.830, 0.912]`."""
    return f"{score(row.mean)} {interval(row.low, row.high)}".strip()


def share_and_interval(found: Score) -> str:
    """`62 % (52 % to 72 %)`; the reason where there is no value."""
    if found.value is None:
        return found.reason or NONE
    ends = "" if found.low is None or found.high is None else f" ({percent(found.low)} to {percent(found.high)})"
    return f"{percent(found.value)}{ends}"


def score_and_interval(found: Score) -> str:
    """`0.871 [0.830, 0.912]`; the reason where there is no value."""
    if found.value is None:
        return found.reason or NONE
    return f"{score(found.value)} {interval(found.low, found.high)}".strip()


def count(number: int, noun: str) -> str:
    """`1 seed`, `2 seeds`, `3 entities`."""
    plural = noun[:-1] + "ies" if noun.endswith("y") else noun + "s"
    return f"{number:,} {noun if number == 1 else plural}"


def percent(share: float) -> str:
    """`12 %`; what is rounded to 0 or 100 without being it reads `<1 %` or `>99 %`."""
    if 0 < share < 0.005:
        return "<1 %"
    return ">99 %" if 0.995 <= share < 1 else f"{share * 100:.0f} %"


def small_percent(share: float) -> str:
    """`0.34 %`, `0.0034 %`, `12 %`: two digits that count, for shares that are small by design."""
    return percent(share) if share == 0 or share >= 0.095 else f"{share * 100:.{1 - floor(log10(share * 100))}f} %"


def parameters(number: float | None) -> str:
    """`66.4 M`, `12.3 k`."""
    return NONE if number is None else _scaled(number, 1000, ("", " k", " M", " G"))


def cost(field: CostField, value: float | None) -> str:
    """A cost with its unit: `3 min 20 s`, `412 MB`, `1.2 kJ`."""
    if value is None:
        return NONE
    if field.endswith("_bytes"):
        return _scaled(value, 1000, (" B", " kB", " MB", " GB", " TB"))
    if field == "energy_joules":
        return _scaled(value, 1000, (" J", " kJ", " MJ", " GJ"))
    if field == "flops":
        return _scaled(value, 1000, tuple(f" {prefix}FLOP" for prefix in ("", "k", "M", "G", "T", "P", "E")))
    if field == "examples_per_second":
        return f"{value:,.1f}/s"
    return seconds(value)


def seconds(value: float) -> str:
    """`8 ms`, `12.4 s`, `2 min`, `3 min 20 s`, `1 h 5 min`."""
    if value < 1:
        return f"{value * 1000:.3g} ms"
    if value < 60:
        return f"{value:.3g} s"
    minutes, rest = divmod(round(value), 60)
    hours, minutes = divmod(minutes, 60)
    parts = [(hours, "h"), (minutes, "min"), (0 if hours else rest, "s")]
    return " ".join(f"{number} {unit}" for number, unit in parts if number)


def money(value: float) -> str:
    """`1,204.50`, `3.07`; below one two digits that count: `0.042`, `0.00013`."""
    if value == 0 or value >= 1:
        return f"{value:,.2f}"
    return f"{value:.{1 - floor(log10(value))}f}"


def spread(field: CostField, summary: CostSummary | None) -> str:
    """`11 s to 14 s` for two runs or more; empty otherwise."""
    if summary is None or summary.low is None or summary.high is None:
        return ""
    low, high = cost(field, summary.low), cost(field, summary.high)
    return f"{low} to {high}" if low != high else ""


def plus_minus(summary: CostSummary) -> str:
    """Half the range over the mean, `± 2 %`; empty for one run."""
    if not summary.mean or summary.low is None or summary.high is None:
        return ""
    return f"± {percent((summary.high - summary.low) / 2 / abs(summary.mean))}"


def verdict(recommendation: Recommendation) -> str:
    """The verdict in a few words, for the label beside the choice."""
    gap = recommendation.difference_to_best
    if recommendation.verdict == "none_fits" or gap is None:
        return "no recommendation"
    if recommendation.verdict == "clear":
        return "clearly ahead" if gap.value == 0 else "clearly ahead within the limits"
    if gap.value == 0:
        return "ahead, but within noise"
    is_apart = gap.low is not None and gap.high is not None and not gap.low <= 0 <= gap.high
    return "within noise of the best that fits" if is_apart else "within noise of the best"


def limit(field: CostField, value: float) -> str:
    """`training time at most 2 min`."""
    return f"{COST_WORDS[field]} at {'least' if field in MORE_IS_BETTER else 'most'} {cost(field, value)}"


def times(ratio: float) -> str:
    """A ratio of costs in words: `1/3 of`, `80 % of`, `the same as`, `2.5 times`."""
    if ratio <= 0.005:
        return "less than 1/200 of"
    if ratio <= 0.55:
        return f"1/{round(1 / ratio)} of"
    if 0.95 <= ratio <= 1.05:
        return "about the same as"
    return f"{round(ratio * 100)} % of" if ratio < 1 else f"{ratio:.2g} times"


def method_labels(rows: Sequence[ResultRow]) -> list[str]:
    """For each row its method, with the options that tell rows of one task, model, split and metric apart: `lora
    (rank 8)`; baselines by their words."""
    groups: dict[tuple[str, str, str, str, str], list[dict[str, object]]] = defaultdict(list)
    for row in rows:
        groups[_name(row)].append(_traits(row))
    return [_label(row, groups[_name(row)]) for row in rows]


def configuration(model: str, label: str) -> str:
    """`minilm-l6 with lora`, `minilm-l6 as untuned encoder + logistic regression`; without a model the label alone."""
    if model == "none":
        return label
    return f"{model} {'as' if label.startswith(BASELINE_WORDS['encoder-logistic']) else 'with'} {label}"


def listed(items: Iterable[str], most: int = 5) -> str:
    """`a, b and c`; `a, b and 4 more` when there are more than `most`."""
    items = list(items)
    shown = items if len(items) <= most else [*items[:most], f"{len(items) - most} more"]
    return " and ".join(part for part in (", ".join(shown[:-1]), *shown[-1:]) if part)


def subset(chosen: Subset) -> str:
    """`16 examples of each class`, `32 examples`."""
    of_each = chosen.per_class is not None
    return f"{count(chosen.per_class or chosen.total or 0, 'example')}{' of each class' if of_each else ''}"


def validated_on(chosen: ValidationChoice) -> str:
    """`Validated on one half of the test split, parted by chance anew for each seed, and tested on the other half.`"""
    each = " anew for each seed" if chosen.seed == "run" else ""
    number = "" if chosen.per_class is None else f"{count(chosen.per_class, 'example')} of each class of "
    if chosen.of == "half-of-test":
        return f"Validated on {number}one half of the test split, parted by chance{each}, and tested on the other half."
    if chosen.of == "test":
        return f"Validated on {number}the test split, and tested on all of it: no score here is of unseen examples."
    return f"Validated on {number}the validation split{f', drawn by chance{each}' if number else ''}."


def suppressed(counts: Mapping[str, int], total: int, smallest: int = SMALLEST_CELL) -> dict[str, str]:
    """Counts for readers: below `smallest` they read `<11`, since few patients can be recognised. Where the counts add
    up to `total`, which would give them away, more are hidden, as `masked` does it."""
    numbers = list(counts.values())
    shown = masked(numbers, smallest) if sum(numbers) == total else numbers
    return {
        name: f"<{smallest}" if 0 < number < smallest else "hidden" if left is None else f"{number:,}"
        for (name, number), left in zip(counts.items(), shown, strict=True)
    }


def _scaled(value: float, step: int, units: tuple[str, ...]) -> str:
    place = 0
    while abs(value) >= step and place < len(units) - 1:
        value, place = value / step, place + 1
    return f"{value:.0f}{units[0]}" if place == 0 else f"{value:.3g}{units[place]}"


def _name(row: ResultRow) -> tuple[str, str, str, str, str]:
    return row.task, row.model, row.method, row.split, row.metric


def _traits(row: ResultRow) -> dict[str, object]:
    subset = row.subset
    training = {} if subset is None else {"per class": subset.per_class, "examples": subset.total, "draw": subset.seed}
    return {**row.options, **{key: value for key, value in training.items() if value is not None}}


def _label(row: ResultRow, group: list[dict[str, object]]) -> str:
    mine = _traits(row)
    differing = [key for key in mine if any(other.get(key) != mine[key] for other in group)]
    words = [f"{key.removeprefix('train.').replace('_', ' ')} {mine[key]}" for key in differing]
    name = BASELINE_WORDS.get(row.method, row.method)
    return f"{name} ({', '.join(words)})" if words else name
