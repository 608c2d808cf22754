"""Successive halving: a trial that is behind the earlier trials of its search after so many epochs goes no further.

Optuna's asynchronous successive halving decides (Li et al., 2020, arXiv 1810.05934). The trials of a search come one
after the other, so what a trial is compared with are the records of those before it: every launcher, and a search that
was cut off, comes to the same decisions.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

from clinpeft.record import RunRecord
from clinpeft.runs.grid import PlannedRun
from clinpeft.spec import Halving, Study

if TYPE_CHECKING:
    import optuna

    from clinpeft.train.loop import IsBehind

Curve = tuple[float | None, ...]
"""What a run scored after each epoch, more being better; None where the metric is undefined."""


def curve_of(record: RunRecord, num_epochs: int) -> Curve | None:
    """What later trials are compared with; None where the run failed.

    One that has ended by itself before the last epoch keeps its best to the end.
    """
    if record.work is None or record.status not in {"success", "pruned"}:
        return None
    scores = record.work.epoch_scores
    return scores if record.status == "pruned" else scores + (None,) * (num_epochs - len(scores))


def rule_for(run: PlannedRun, study: Study) -> IsBehind | None:
    """What decides after an epoch whether a run goes on; None where nothing does."""
    halving = study.tune and study.tune.halving
    return partial(is_behind, halving, run.rivals) if halving and run.rivals is not None else None


def is_behind(halving: Halving, rivals: Sequence[Curve], scores: Sequence[float | None]) -> bool:
    """Whether a trial with these scores so far is stopped after its newest epoch.

    It counts with the best of its epochs, as a run keeps that one's weights. While it has no score it goes on.
    """
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=halving.epochs, reduction_factor=halving.factor)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    for rival in rivals:
        _climb(study, rival)
    return _climb(study, scores)


def still_holds(run: PlannedRun, record: RunRecord, study: Study) -> bool:
    """Whether the trial of a pruned record would be stopped just there by the study as it is now."""
    rule = rule_for(run, study)
    scores = record.work.epoch_scores if record.work else ()
    if rule is None or not scores:
        return False
    return rule(scores) and not any(rule(scores[:number]) for number in range(1, len(scores)))


def _climb(study: optuna.Study, scores: Sequence[float | None]) -> bool:
    """Take a trial through its epochs; whether the pruner would stop it after the last one."""
    trial, best, is_stopped = study.ask(), None, False
    for epoch, score in enumerate(scores, 1):
        best = max((known for known in (best, score) if known is not None), default=None)
        if best is not None:
            trial.report(best, epoch)
            is_stopped = trial.should_prune()
    return is_stopped
