"""Notes whose telling words stand where a model that keeps their start does not look."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from clinpeft.data.build import build_task
from clinpeft.errors import BadInput
from clinpeft.models.catalogue import resolve
from clinpeft.runs.store import Store
from clinpeft.sources import _mimic3_hospital
from clinpeft.sources import _mimic3_phrases as phrases
from clinpeft.sources._mimic3_phrases import say
from clinpeft.sources.base import SOURCES
from clinpeft.spec import ModelChoice
from clinpeft.tasks.base import TASKS

if TYPE_CHECKING:
    from tests.conftest import Small

    from clinpeft.record import RunRecord

FILLER = (
    *(
        "the",
        "patient",
        "is",
        "old",
        "and",
        "has",
        "no",
        "fever",
        "cough",
        "on",
        "admission",
        "with",
        "stable",
        "blood",
    ),
    *("pressure", "daily", "aspirin", "heparin"),
)


def write_long_notes(small: Small, *, after: int, num_rows: int = 120) -> None:
    """40 words that tell nothing, a dozen that tell the outcome, and `after` more that do not."""
    rng = random.Random(0)
    lines = ["patient,note,outcome"]
    for number in range(num_rows):
        word, outcome = ("severe", "yes") if number % 2 else ("mild", "no")
        words = [*rng.choices(FILLER, k=40), *[word, "pain"] * 6, *rng.choices(FILLER, k=after)]
        lines.append(f"MRN-{number:05},{' '.join(words)},{outcome}")
    (small.folder / "notes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")


def run(small: Small, long_text: str, method: str = "full", **train: object) -> RunRecord:
    small.write(
        task={"metric": "auroc"},
        methods=[{"name": method, "learning_rate": 3e-3}],
        baselines=[],
        keep="all",
        train={
            "epochs": 5,
            "batch_size": 8,
            "max_length": 24,
            # A network this narrow learns too slowly with it to tell ways of reading apart.
            "dropout": "none",
            "early_stopping_patience": None,
            "long_text": long_text,
            **train,
        },
    )
    small.run()
    return next(record for record in small.store.records() if record.spec.train.long_text == long_text)


def auroc(record: RunRecord) -> float:
    value = record.scores["auroc"].value
    assert value is not None
    return value


def test_windows_find_what_stands_in_the_middle_of_a_long_note_and_truncation_does_not(small: Small) -> None:
    write_long_notes(small, after=40)
    start, whole = run(small, "truncate"), run(small, "windows")

    assert auroc(whole) > auroc(start) + 0.3
    assert [start.truncated[name].examples for name in ("train", "validation", "test")] == [60, 30, 30]
    assert all(cut.examples == cut.labels == 0 for cut in whole.truncated.values())
    assert whole.work is not None
    # 92 words in windows of 22 that share 5 are six, the last of 7: what is shared and 2 special pieces come on top.
    assert whole.work.tokens == 5 * 60 * (92 + 5 * 5 + 6 * 2)
    assert start.work is not None
    assert start.work.tokens == 5 * 60 * 24
    assert whole.work.examples == start.work.examples == 5 * 60


@pytest.mark.parametrize(("long_text", "after"), [("windows_max", 40), ("windows_attention", 40), ("head_tail", 4)])
def test_so_do_other_ways_to_read_more_than_the_start(small: Small, long_text: str, after: int) -> None:
    write_long_notes(small, after=after)

    assert auroc(run(small, long_text)) > 0.85


def test_a_frozen_backbone_computes_each_window_once_and_the_record_counts_it_so(small: Small) -> None:
    write_long_notes(small, after=40, num_rows=40)
    start, whole = run(small, "truncate", "head-only"), run(small, "windows", "head-only")
    flops = [record.cost["flops"].value or 0 for record in (start, whole)]

    # 129 word pieces in six windows instead of 24 in one.
    assert flops[1] / flops[0] == pytest.approx(129 / 24, rel=0.1)


def test_learned_weights_are_saved_with_the_head(small: Small) -> None:
    from safetensors.numpy import load_file

    write_long_notes(small, after=40, num_rows=40)
    record = run(small, "windows_attention", epochs=1)
    head = load_file(small.store.run_folder(record.run) / "adapter" / "head.safetensors")

    assert head["windows.attention"].shape == (32,)
    assert head["windows.attention"].any()
    assert record.parameters is not None
    # Two outputs on a width of 32, and the weights.
    assert record.parameters.head == 2 * 32 + 2 + 32


def a_long_complaint(original: Any) -> Any:
    """The synthetic hospital's sections with a chief complaint of some 600 word pieces that tell nothing."""

    def sections(stay: Any, mark: str, rng: random.Random) -> dict[str, str]:
        remarks = (*phrases.EXAMS, *phrases.SOCIAL, *phrases.FAMILY)
        found: dict[str, str] = original(stay, mark, rng)
        found["Chief Complaint"] += ". " + " ".join(say(rng, rng.choice(remarks)) for _ in range(55))
        return found

    return sections


@pytest.fixture
def hospital(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A dataset of whole discharge summaries: whether the patient died is told beyond word piece 512 only."""
    sections = a_long_complaint(_mimic3_hospital.summary_sections)
    monkeypatch.setattr(_mimic3_hospital, "summary_sections", sections)
    SOURCES.get("mimic3")().synthesize(tmp_path / "raw", num_patients=160, seed=1)
    task = TASKS.get("mimic3-mortality")(text="full", allow_hindsight=True)
    build_task(task, "mimic3-mortality", tmp_path / "raw", tmp_path / "data")
    return tmp_path / "data"


@pytest.mark.slow
def test_what_a_real_model_misses_beyond_512_word_pieces_is_found_in_windows_sections_and_the_end(
    hospital: Path, tmp_path: Path
) -> None:
    from clinpeft import api

    try:
        resolve(ModelChoice(name="minilm-l2-v4k"), tmp_path)
    except BadInput:
        pytest.skip("needs the weights of minilm-l2-v4k in CLINPEFT_MODELS")
    scores, cut = {}, {}
    for long_text in ("windows", "truncate", "head_tail", "sections"):
        study = tmp_path / f"{long_text}.yaml"
        plain = {
            "name": "long",
            "tasks": ["mimic3-mortality"],
            "data": [str(hospital)],
            "models": ["minilm-l2-v4k"],
            "methods": ["head-only"],
            "baselines": [],
            "test": "open",
            "train": {
                "epochs": 15,
                "batch_size": 8,
                "max_length": 512,
                "head_learning_rate": 0.01,
                "early_stopping_patience": None,
                "long_text": long_text,
            },
        }
        study.write_text(yaml.safe_dump(plain), encoding="utf-8")
        api.run(study, tmp_path / long_text)
        (record,) = Store.open(tmp_path / long_text).records()
        folder = tmp_path / long_text / "runs" / record.run
        scores[long_text] = json.loads((folder / "test.json").read_text(encoding="utf-8"))["scores"]["auroc"]["value"]
        cut[long_text] = record.truncated["test"].examples

    assert cut["truncate"] == cut["head_tail"] == cut["sections"] > 20
    assert cut["windows"] == 0
    # The dates of admission and discharge stand at the start, so that truncation is better than a guess.
    assert scores["windows"] > scores["truncate"] + 0.2
    assert scores["head_tail"] > scores["truncate"] + 0.2
    assert scores["sections"] > scores["truncate"] + 0.2
