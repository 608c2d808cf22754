"""Who stands in train, validation and test, and in which fold: subjects are never parted."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Sequence
from datetime import date

from clinpeft.errors import BadInput
from clinpeft.tasks._hash_split import split_by_hash
from clinpeft.tasks.base import Example

__all__ = ["Labels", "Splits", "assign_folds", "joined", "newest", "share_out", "split_by_hash"]

Splits = dict[str, list[Example]]
Labels = Sequence[str | Sequence[str]]
"""Per example its class, or its classes (none for an example without)."""


def assign_folds(labels: Labels, subjects: Sequence[str], k: int, seed: int) -> list[int]:
    """The fold (0 to k - 1) of each example: all of a subject in one, classes spread evenly, no fold empty.

    Depends on the set of examples and the seed, not on their order. Raises BadInput below k subjects.
    """
    return share_out(labels, subjects, [1 / k] * k, seed)


def share_out(labels: Labels, groups: Sequence[str], shares: Sequence[float], seed: int) -> list[int]:
    """The part (an index of `shares`, which add up to 1) of each example: groups stay whole, classes are spread.

    Groups with the rarest classes go first, each to the part that it brings nearest to that part's share of every
    class; so a class of a single group goes to the largest part. A part with a share above 0 gets at least one group.
    Raises BadInput when there are fewer groups than such parts.
    """
    counts, totals = _class_counts(labels, groups)
    wanted = [part for part, share in enumerate(shares) if share > 0]
    if len(counts) < len(wanted):
        raise BadInput("split", f"{len(counts)} subjects cannot fill {len(wanted)} parts", "give more, or fewer folds")
    held: list[Counter[str]] = [Counter() for _ in shares]
    part_of: dict[str, int] = {}
    for group in _rarest_first(counts, totals, seed):
        costs = {part: _added_cost(counts[group], held[part], shares[part], totals) for part in wanted}
        part_of[group] = min(wanted, key=lambda part: costs[part])
        held[part_of[group]].update(counts[group])
    _fill_empty(part_of, counts, wanted)
    return [part_of[group] for group in groups]


def newest(days: Sequence[date], groups: Sequence[str], share: float, seed: int) -> set[str]:
    """The groups whose last day is latest, as many as it takes to reach `share` of the examples; at least one.

    Groups of one last day are ordered by a hash. Raises BadInput when all days are one.
    """
    if len(set(days)) < 2:
        raise BadInput("split: time", "the column holds one day only", "leave 'time' out")
    sizes = Counter(groups)
    last: dict[str, date] = {}
    for group, day in zip(groups, days, strict=True):
        last[group] = max(day, last.get(group, day))
    chosen: set[str] = set()
    taken = 0
    for group in sorted(last, key=lambda group: (last[group], _hashed(seed, group)), reverse=True):
        if chosen and taken + sizes[group] / 2 > share * len(groups):
            break
        chosen.add(group)
        taken += sizes[group]
    return chosen


def joined(first: Sequence[str], second: Sequence[str]) -> list[str]:
    """Groups such that examples equal in `first` or in `second`, also by way of others, share one.

    >>> joined(["a", "a", "b", "c"], ["x", "y", "y", "z"])
    ['a', 'a', 'a', 'c']
    """
    parent: dict[tuple[int, str], tuple[int, str]] = {}

    def root(node: tuple[int, str]) -> tuple[int, str]:
        while parent.setdefault(node, node) != node:
            parent[node] = parent[parent[node]]
            node = parent[node]
        return node

    for left, right in zip(first, second, strict=True):
        ends = sorted([root((0, left)), root((1, right))])
        parent[ends[1]] = ends[0]
    return [root((0, left))[1] for left in first]


_ALL = ""  # counts examples whatever their class; no class is named so


def _class_counts(labels: Labels, groups: Sequence[str]) -> tuple[dict[str, Counter[str]], Counter[str]]:
    counts: dict[str, Counter[str]] = {}
    for label, group in zip(labels, groups, strict=True):
        counts.setdefault(group, Counter()).update([_ALL, *([label] if isinstance(label, str) else label)])
    totals: Counter[str] = Counter()
    for count in counts.values():
        totals.update(count)
    return counts, totals


def _rarest_first(counts: dict[str, Counter[str]], totals: Counter[str], seed: int) -> list[str]:
    def order(group: str) -> tuple[int, int, str]:
        return min(totals[label] for label in counts[group]), -counts[group][_ALL], _hashed(seed, group)

    return sorted(counts, key=order)


def _added_cost(group: Counter[str], held: Counter[str], share: float, totals: Counter[str]) -> float:
    """By how much the squared distance to the wanted counts grows, every class weighted alike."""
    return sum(
        (number * number + 2 * number * (held[label] - share * totals[label])) / (share * totals[label] ** 2)
        for label, number in sorted(group.items())
    )


def _fill_empty(part_of: dict[str, int], counts: dict[str, Counter[str]], wanted: Sequence[int]) -> None:
    for part in wanted:
        if part in part_of.values():
            continue
        richest = Counter(part_of.values()).most_common(1)[0][0]
        smallest = min((counts[group][_ALL], group) for group, at in part_of.items() if at == richest)[1]
        part_of[smallest] = part


def _hashed(seed: int, group: str) -> str:
    return hashlib.sha256(f"{seed}|{group}".encode()).hexdigest()
