"""What lay beyond the models' length: texts that were cut, and entities that no model could find there."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from clinpeft.data.card import SplitCounts
from clinpeft.record import Truncated
from clinpeft.report.configurations import Configuration
from clinpeft.report.wording import listed

Told = list[tuple[str, dict[str, float]]]
"""What was read and by which models, with a share of each split."""


def truncated_shares(configuration: Configuration) -> dict[str, float]:
    """For each split, the share of its examples that are longer than the model reads; empty when not known.

    With folds, the share of all examples outside the test split, under `train`.
    """
    return _shares(configuration, lambda cut: cut.examples, lambda counts: counts.examples)


def what_was_read(configuration: Configuration) -> str:
    """`512 word pieces`, and which of a longer text where that is not its start."""
    train = configuration.spec.train
    return f"{train.max_length} word pieces" + (f" ({train.long_text})" if train.long_text != "truncate" else "")


def texts_cut(found: Sequence[Configuration]) -> Told:
    """The share of texts that are longer than what was read; models of one share together."""
    return _by_models([(each, truncated_shares(each)) for each in found])


def entities_lost(found: Sequence[Configuration]) -> Told:
    """The share of gold entities beyond what was read; empty for other kinds of task, and where nothing was lost."""
    tagged = [each for each in found if each.card is not None and each.card.kind == "entities"]
    shares = [
        (each, _shares(each, lambda cut: cut.labels, lambda counts: sum(counts.labels.values()))) for each in tagged
    ]
    return _by_models([(each, share) for each, share in shares if any(share.values())])


def _by_models(found: Sequence[tuple[Configuration, dict[str, float]]]) -> Told:
    told: dict[tuple[str, tuple[tuple[str, float], ...]], list[str]] = {}
    for each, shares in found:
        if each.spec.model != "none" and shares:
            models = told.setdefault((what_was_read(each), tuple(shares.items())), [])
            models += [each.spec.model] if each.spec.model not in models else []
    return [(f"{what}; {listed(models)}", dict(shares)) for (what, shares), models in told.items()]


def _shares(
    found: Configuration, lost: Callable[[Truncated], int], size: Callable[[SplitCounts], int]
) -> dict[str, float]:
    run, card = next(iter(found.successes()), None), found.card
    if run is None or card is None:
        return {}
    cut = {split: lost(truncated) for split, truncated in run.record.truncated.items()}
    if found.num_folds:
        cut["train"] = cut.get("train", 0) + cut.pop("validation", 0)
    if found.spec.train.subset is not None:
        cut.pop("train", None)
    sizes = {split: size(counts) for split, counts in card.counts.items() if size(counts)}
    return {split: cut[split] / sizes[split] for split in cut if split in sizes}
