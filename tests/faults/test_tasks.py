"""Studies of every kind of task by eight methods, killed wherever a run can be: as if nothing had happened."""

from __future__ import annotations

import json
import signal
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, get_args

import pytest
from tests.faults.conftest import OFTEN, assert_ended_well, events, results

from clinpeft.spec import Kind

if TYPE_CHECKING:
    from tests.conftest import Small

Launch = Callable[..., Any]

METHODS = ("full", "lora", "ia3", "prefix-tuning", "prompt-tuning", "pfeiffer-adapter", "bitfit", "head-only")
POINTS = (
    *("within the first epoch", "while it is saved", "at the end of the first epoch", "while an epoch is judged"),
    *("at the start of the second epoch", "once predictions are written"),
)
KILLS = """
import os, signal
from pathlib import Path
from clinpeft.runs import scoring, work
from clinpeft.train import checkpoint, loop
done, current = Path({done!r}), []
def kill(point):
    if not current or (current[0] + point) % 3:
        return
    mark = f"{{current[0]}} {{point}};"
    if mark in (done.read_text() if done.exists() else ""):
        return
    with done.open("a") as file:
        file.write(mark)
    os.kill(os.getpid(), signal.SIGKILL)
def after(owner, name, point_of):
    plain = getattr(owner, name)
    def faulty(*arguments, **options):
        result = plain(*arguments, **options)
        point = point_of(*arguments)
        if point is not None:
            kill(point)
        return result
    setattr(owner, name, faulty)
execute = work.execute
def noted(job, folder):
    current[:] = [{methods}.index(job.planned.spec.method.name)]
    return execute(job, folder)
work.execute = noted
after(loop, "_save", lambda state, *_: {{2: 0, 3: 2, 4: 4}}.get(state.reached.step))
after(checkpoint, "write_state", lambda folder, state, run, step: 1 if step == 3 else None)
after(scoring, "score", lambda *_: 3)
after(scoring, "write_predictions", lambda *_: 5)
"""
"""Every run is killed at two of the points, the first time that it gets there; which, depends on its method."""


def rows(kind: Kind) -> list[dict[str, Any]]:
    """Forty-eight examples, whose words give the answer away."""
    drug, sign = {"start": 0, "end": 7, "label": "drug"}, {"start": 15, "end": 20, "label": "sign"}
    made: list[dict[str, Any]] = []
    for number in range(48):
        is_so = number % 3 == 0
        words = ["patient", str(number), "has", "severe" if is_so else "no", "pain"]
        made.append(
            {
                "classification": {"text": " ".join(words), "label": "yes" if is_so else "no"},
                "multilabel": {"text": " ".join(words), "label": ["pain", "severe"] if is_so else ["pain"]},
                "entities": {"tokens": words, "tags": ["O", "O", "O", *(["B-sign", "I-sign"] if is_so else ["O"] * 2)]},
                "relations": {
                    "text": f"aspirin {'treats' if is_so else 'causes'} fever {number}",
                    "head": drug,
                    "tail": sign,
                    "label": "treats" if is_so else "none",
                },
                "pairs": {"text": " ".join(words), "text_b": "severe pain", "label": "same" if is_so else "other"},
            }[kind]
        )
    return made


def write(small: Small, kind: Kind) -> None:
    lines = [json.dumps({"patient": f"p{number}", **row}) for number, row in enumerate(rows(kind))]
    (small.folder / "rows.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
    split = {"folds": 0, "fractions": [0.5, 0.25, 0.25]}
    task = {"name": "own", "kind": kind, "files": {"data": "rows.jsonl"}, "subject": "patient", "split": split}
    train = {"epochs": 2, "batch_size": 8, "max_length": 48, "threads": 1, "early_stopping_patience": None}
    small.write(tasks=[task], methods=list(METHODS), baselines=[], keep="all", train=train)


@pytest.mark.slow
@pytest.mark.parametrize("kind", get_args(Kind))
def test_eight_methods_killed_at_six_points_end_with_the_same_bytes(kind: Kind, small: Small, launch: Launch) -> None:
    write(small, kind)
    whole = launch(small)
    assert whole.code() == 0, whole.said()
    expected = results(small)
    small.out.rename(small.folder / "undisturbed")
    done = small.folder / "done"
    code = OFTEN + KILLS.format(done=str(done), methods=METHODS)
    kills = 0
    while (process := launch(small, code)).code() == -signal.SIGKILL:
        kills += 1

    assert "Traceback" not in process.said()
    assert kills == len(METHODS) * len(POINTS) // 3 == len(set(done.read_text().split(";"))) - 1
    assert {record.status for record in small.store.records()} == {"success"}
    assert {record.work.steps for record in small.store.records() if record.work} == {6}
    assert events(small)["started"] == len(METHODS), "no run started again"
    assert_ended_well(small, expected)
