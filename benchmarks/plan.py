"""How well `clinpeft plan` foresees a run: `python benchmarks/plan.py --data DATASETS --out docs/benchmarks/plan.md`.

Twenty different runs, each probed and then carried out, either in a process of its own; what the probe said is compared
with what the run's record says. The processes are forked from one that has imported the libraries and computed nothing.

On a machine that others use as well, `--clock processor` lets both sides count the processor's time instead of the
wall's: with one thread that is the wall's time on a quiet machine.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

CASES = (
    # task, model, method, length, batch, training examples, epochs
    ("mts-dialog-sections", "minilm-l2-v4k", "full", 128, 16, 480, 3),
    ("ncbi-disease", "minilm-l3-v8k", "lora", 64, 16, 600, 3),
    ("rqe", "minilm-l3-v8k", "bitfit", 64, 16, 300, 2),
    ("chemprot-sentence", "minilm-l2-v4k", "ia3", 128, 8, 240, 2),
    ("bc5cdr-cid", "minilm-l6-first3", "head-only", 128, 16, 240, 2),
    ("mtsamples-specialties", "minilm-l2-v4k", "lora", 256, 16, 160, 2),
    ("bc5cdr", "minilm-l2-v4k", "full", 64, 32, 480, 2),
    ("mts-dialog-sections", "minilm-l3-v8k", "prefix-tuning", 256, 8, 160, 2),
    ("rqe", "minilm-l2-v4k", "prompt-tuning", 64, 16, 240, 2),
    ("ncbi-disease", "minilm-l2-v4k", "houlsby-adapter", 64, 16, 320, 2),
    ("chemprot-sentence", "minilm-l3-v8k", "full", 64, 8, 240, 2),
    ("mts-dialog-sections", "minilm-l6-first3", "lora", 128, 8, 160, 2),
    ("bc5cdr-cid", "minilm-l3-v8k", "ia3", 64, 32, 320, 2),
    ("mtsamples-specialties", "minilm-l3-v8k", "head-only", 256, 8, 106, 2),
    ("rqe", "minilm-l6-first3", "full", 64, 32, 320, 2),
    ("ncbi-disease", "minilm-l6-first3", "bitfit", 128, 16, 200, 2),
    ("mts-dialog-sections", "minilm-l2-v4k", "pfeiffer-adapter", 256, 16, 160, 2),
    ("bc5cdr", "minilm-l3-v8k", "dora", 64, 16, 240, 2),
    ("rqe", "minilm-l6", "lora", 64, 16, 200, 2),
    ("chemprot-sentence", "minilm-l6", "ln-tuning", 64, 16, 160, 2),
)


def main() -> None:
    """Probe and carry out every case, and print (and keep) the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path)
    parser.add_argument("--keep", type=Path, help="A file of what was measured; that is not measured again.")
    parser.add_argument("--clock", choices=("wall", "processor"), default="wall")
    parser.add_argument("--only", type=int, nargs="*")
    asked = parser.parse_args()
    _import_all()
    done: dict[str, Any] = json.loads(asked.keep.read_text()) if asked.keep and asked.keep.exists() else {}
    for number, case in enumerate(CASES):
        if (asked.only and number not in asked.only) or len(done.get(str(case), {})) == 2:
            continue
        found = done.setdefault(str(case), {})
        for side, measure in (("foreseen", probed), ("was", carried_out)):
            if side not in found:
                found[side] = alone(partial(measure, case, asked.data, asked.clock))
        print(row(case, done[str(case)]), flush=True)
        if asked.keep:
            asked.keep.write_text(json.dumps(done, indent=1))
    text = table({case: done[str(case)] for case in CASES if len(done.get(str(case), {})) == 2}, asked.clock)
    print(text)
    if asked.out:
        asked.out.write_text(text, encoding="utf-8")


def alone(work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    """What `work` gives in a forked process."""
    receive, send = os.pipe()
    child = os.fork()
    if not child:
        os.close(receive)
        with os.fdopen(send, "w") as pipe:
            json.dump(work(), pipe)
        os._exit(0)
    os.close(send)
    with os.fdopen(receive) as pipe:
        found: dict[str, Any] = json.loads(pipe.read())
    os.waitpid(child, 0)
    return found


def probed(case: tuple[Any, ...], data: Path, clock: str) -> dict[str, Any]:
    """What a plan says of a case."""
    from clinpeft.runs.needs import Needs, seconds_of
    from clinpeft.runs.probe import ProbeJob, probe

    _use(clock)
    planned, dataset, model, _ = prepared(case, data)
    job = ProbeJob(
        spec=planned.spec,
        dataset=str(dataset.folder),
        card=model.card,
        folder=str(model.folder),
        weights_sha256=model.weights_sha256,
    )
    before = time.process_time()
    found = Needs(**probe(job.model_dump(mode="json", by_alias=True))["needs"])
    return {
        **found.model_dump(),
        "seconds": seconds_of(found, planned.spec.train),
        "bytes": found.peak_host_bytes,
        "took": time.process_time() - before,
    }


def carried_out(case: tuple[Any, ...], data: Path, clock: str) -> dict[str, Any]:
    """What the run's record says."""
    from clinpeft.runs.execute import Job, execute

    _use(clock)
    planned, dataset, model, metric = prepared(case, data)
    before = time.process_time()
    with tempfile.TemporaryDirectory() as folder:
        record = execute(Job(planned, dataset, model, metric, b"", False), Path(folder))
    values = {field: cost.value for field, cost in record.cost.items()}
    return {
        "seconds": (values["train_seconds"] or 0) + (values["evaluate_seconds"] or 0),
        "bytes": values["peak_host_bytes"],
        "train_seconds": values["train_seconds"],
        "evaluate_seconds": values["evaluate_seconds"],
        "flops": values["flops"],
        "took": time.process_time() - before,
    }


def prepared(case: tuple[Any, ...], data: Path) -> tuple[Any, ...]:
    """The planned run of a case, its dataset, model and metric."""
    from clinpeft.data.dataset import TaskDataset
    from clinpeft.methods.base import resolve_method
    from clinpeft.models.catalogue import resolve
    from clinpeft.runs.grid import planned_run
    from clinpeft.spec import MethodChoice, ModelChoice, RunSpec, Subset, TrainOptions

    task, model_name, method_name, length, batch, total, epochs = case
    dataset, model = TaskDataset.open(data / task), resolve(ModelChoice(name=model_name), Path())
    method, method_spec = resolve_method(MethodChoice(name=method_name))
    train = TrainOptions(
        learning_rate=method.rate_for(model.card),
        max_length=length,
        batch_size=batch,
        epochs=epochs,
        early_stopping_patience=None,
        threads=1,
        subset=Subset(total=total, seed=1),
    )
    spec = RunSpec(
        task=task, kind=dataset.card.kind, model=model_name, method=method_spec, train=train, seed=1, fold=None
    )
    return planned_run("final", spec, dataset, model.weights_sha256), dataset, model, dataset.card.metric


def row(case: tuple[Any, ...], found: dict[str, Any]) -> str:
    """A line of the table."""
    task, model, method, length, batch, total, epochs = case
    said, was = found["foreseen"], found["was"]
    return (
        f"| {task} | {model} | {method} | {length} | {batch} | {total} × {epochs} "
        f"| {said['bytes'] / 1e6:,.0f} | {was['bytes'] / 1e6:,.0f} | {error(found, 'bytes'):+.1%} "
        f"| {said['seconds']:.1f} | {was['seconds']:.1f} | {error(found, 'seconds'):+.1%} |"
    )


def error(found: dict[str, Any], what: str) -> float:
    """Of what was foreseen, beside what was; positive where too much was foreseen."""
    return float(found["foreseen"][what] / found["was"][what] - 1)


def table(results: dict[tuple[Any, ...], dict[str, Any]], clock: str) -> str:
    """All runs, and the medians."""
    memory = [error(found, "bytes") for found in results.values()]
    seconds = [error(found, "seconds") for found in results.values()]
    lines = [
        "| task | model | method | length | batch | examples × epochs | memory foreseen, MB | was | error "
        f"| {clock} seconds foreseen | were | error |",
        "|---|---|---|---|---|---|---|---|---|---|---|---|",
        *(row(case, found) for case, found in results.items()),
        "",
        f"{len(results)} runs. Memory: median error {statistics.median(map(abs, memory)):.1%}, most under "
        f"{min(memory):+.1%}, most over {max(memory):+.1%}. Time: median error "
        f"{statistics.median(map(abs, seconds)):.1%}, from {min(seconds):+.1%} to {max(seconds):+.1%}.",
    ]
    return "\n".join(lines) + "\n"


def _import_all() -> None:
    """What the libraries load late, too."""
    import clinpeft.runs.execute
    import clinpeft.runs.probe  # noqa: F401

    with contextlib.suppress(ImportError):
        import peft  # noqa: F401
        from transformers import AutoModel, AutoTokenizer, BertModel  # noqa: F401


def _use(clock: str) -> None:
    if clock == "processor":
        import clinpeft.runs.probe
        import clinpeft.runs.probe_scoring
        import clinpeft.train.meter

        of_processor: Any = SimpleNamespace(monotonic=time.process_time)
        for module in (clinpeft.runs.probe, clinpeft.runs.probe_scoring, clinpeft.train.meter):
            module.time = of_processor


if __name__ == "__main__":
    main()
