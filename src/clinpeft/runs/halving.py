"""Successive halving: a trial that is behind the earlier trials of its search after so many epochs goes no further.

Optuna's asynchronous successive halving decides (Li et al., 2020, arXiv 1810.05934). The trials of a search come one
after the other, so what a trial is compared with are the records of those before it: every launcher, and a search that
was cut off, comes to the same decisions.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from typing import TYPE_CHECKING

from clinpeft.record import RunRecord
from clinpeft.runs.curves import read_curve
from clinpeft.runs.grid import PlannedRun, Rival
from clinpeft.runs.store import Store
from clinpeft.spec import Halving, Study

if TYPE_CHECKING:
    import optuna

Scores = Sequence[float | None]
"""Of a run's judgements, one an epoch unless the study says otherwise; more is better, None undefined."""


def rule_for(run: PlannedRun, study: Study) -> Callable[[Scores], bool]:
    """What decides after a judgement whether a run is stopped there."""
    halving = study.tune.halving if study.tune else None
    return never if halving is None or run.rivals is None else partial(is_behind, halving, run.rivals)


def never(scores: Scores) -> bool:
    """The rule for a run that is compared with none."""
    return False


def is_behind(halving: Halving, rivals: tuple[Rival, ...], scores: Scores) -> bool:
    """Whether a trial with these scores so far is stopped after the newest.

    It counts with its best, as a run keeps the weights of that. While it has no score it goes on.
    """
    return _stops(halving, rivals, tuple(scores))[-1]


def rival_of(record: RunRecord, store: Store, metric: str) -> Rival | None:
    """What later trials are compared with; None where the run failed, or was judged by another metric."""
    if record.status not in {"success", "pruned"} or not is_judged_by(metric, record):
        return None
    return Rival(scores=_scores(record, store), is_whole=record.status == "success")


def reached(records: Sequence[RunRecord], store: Store) -> dict[int, float]:
    """After how many judgements a trial was stopped early, and its best until then; empty for one that was not."""
    for record in records:
        if record.status == "pruned":
            scores = _scores(record, store)
            return {len(scores): max(score for score in scores if score is not None)}
    return {}


def still_holds(run: PlannedRun, store: Store, study: Study, metric: str) -> bool:
    """Whether a trial that was stopped early would be stopped just there by the study as it is now."""
    halving, record = study.tune.halving if study.tune else None, store.record(run.run)
    if halving is None or run.rivals is None or record is None or not is_judged_by(metric, record):
        return False
    *before, last = _stops(halving, run.rivals, _scores(record, store))
    return last and not any(before)


def is_judged_by(metric: str, record: RunRecord) -> bool:
    """Whether this is the headline metric that the run was made with."""
    return next(iter(record.scores), None) == metric


def _scores(record: RunRecord, store: Store) -> tuple[float | None, ...]:
    curve = read_curve(store.run_folder(record.run))
    return tuple(point.score for point in curve.points) if curve else ()


@cache
def _stops(halving: Halving, rivals: tuple[Rival, ...], scores: tuple[float | None, ...]) -> tuple[bool, ...]:
    """After each of its judgements, whether a trial would be stopped there."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    pruner = optuna.pruners.SuccessiveHalvingPruner(min_resource=halving.epochs, reduction_factor=halving.factor)
    study = optuna.create_study(direction="maximize", pruner=pruner)
    for rival in rivals:
        still = (None,) * (len(scores) - len(rival.scores)) if rival.is_whole else ()
        list(_climb(study, (*rival.scores, *still)))
    return tuple(_climb(study, scores))


def _climb(study: optuna.Study, scores: Scores) -> Iterator[bool]:
    trial, best = study.ask(), None
    for number, score in enumerate(scores, 1):
        best = max((known for known in (best, score) if known is not None), default=None)
        if best is None:
            yield False
        else:
            trial.report(best, number)
            yield trial.should_prune()
