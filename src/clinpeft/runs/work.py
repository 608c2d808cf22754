"""Carrying out one planned run inside a study's folder."""

from __future__ import annotations

import contextlib
import gc
from typing import Literal

from clinpeft.files import for_owner_only
from clinpeft.record import RunRecord
from clinpeft.runs.execute import Job, execute
from clinpeft.runs.grid import Plan, PlannedRun
from clinpeft.runs.halving import rule_for
from clinpeft.runs.leases import Lease, LeaseLost
from clinpeft.runs.store import Store
from clinpeft.train.checkpoint import Checkpoints


def carry_out(item: tuple[Store, PlannedRun, Plan]) -> RunRecord:
    """Lease a run, execute it or go on from its last checkpoint, commit its folder whole, and return its record.

    In any process, on any machine that sees the folder: a run that another living worker has is waited for, and one
    that has ended meanwhile is not trained again.
    """
    store, run, plan = item
    record = None
    with for_owner_only():
        while record is None:
            lease = store.lease(run.run)
            if lease is None:
                return _of_another(store, run)
            with contextlib.suppress(LeaseLost):
                record = _train(store, run, plan, lease)
    gc.collect()
    # What is left (libraries, the plan) lives on; passing it by from now on saves a quarter of a second a run.
    gc.freeze()
    return record


def _train(store: Store, run: PlannedRun, plan: Plan, lease: Lease) -> RunRecord:
    try:
        job = _job(run, plan, store, lease)
        if job.checkpoints is None or not job.checkpoints.steps():
            store.journal.append("started", run.run, lease=lease.number, worker=lease.worker.name)
        return store.commit(run.run, lambda folder: execute(job, folder), lease)
    finally:
        lease.release()


def _of_another(store: Store, run: PlannedRun) -> RunRecord:
    record = store.record(run.run)
    assert record is not None
    return record


def _job(run: PlannedRun, plan: Plan, store: Store, lease: Lease) -> Job:
    keep = plan.study.keep
    return Job(
        planned=run,
        dataset=plan.datasets[run.spec.task],
        model=None if run.spec.model == "none" else plan.models[run.spec.model],
        metric=plan.metrics[run.spec.task],
        secret=store.secret(),
        # An adapter is small; a fully tuned model is as large as the base and kept only when all is to be kept.
        keeps_weights=run.role != "trial"
        and (keep == "all" or (keep == "adapters" and run.spec.method.name != "full")),
        checkpoints=None if run.role == "baseline" else _checkpoints(store, run.run, lease),
        is_behind=rule_for(run, plan.study),
    )


def _checkpoints(store: Store, run: str, lease: Lease) -> Checkpoints:
    def note(event: Literal["checkpointed", "deleted", "started", "limits_changed"]) -> None:
        store.journal.append(event, run, lease=lease.number, worker=lease.worker.name)

    return Checkpoints(store.checkpoint_folder(run), run, note, lease.fence)
