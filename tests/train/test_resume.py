"""Training that is cut off anywhere and gone on with afresh ends with the same bits as training in one go."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar, get_args

import numpy as np
import pytest
import torch

from clinpeft.data.batch import Batch, training_stream
from clinpeft.methods.base import METHODS, Method
from clinpeft.models.load import ClinicalModel
from clinpeft.spec import Kind
from clinpeft.testing.tiny import tiny_texts
from clinpeft.train import checkpoint, features
from clinpeft.train.checkpoint import Checkpoints
from clinpeft.train.evaluate import predict_scores
from clinpeft.train.meter import Meter
from clinpeft.train.state import Fitted

NAMES = ("full", "head-only", "bitfit", "lora", "ia3", "prefix-tuning", "prompt-tuning", "p-tuning", "adalora")
SCORES = (0.5, 0.9, 0.7)
RUN = "0123456789abcdef"


class Killed(BaseException):
    """Stands for the end of the process: nothing of the run but its files is used afterwards."""


class Trained:
    """A run of three epochs of two steps, with all that it came to."""

    def __init__(self, make: Any, train: Any, folder: Path, method: Method, kind: Kind) -> None:
        self.make, self.train, self.method, self.kind = make, train, method, kind
        self.checkpoints = Checkpoints(folder, RUN)
        self.saved = self.checkpoints.newest()
        self.model: ClinicalModel = make(method, kind)
        self.judged = self.saved["reached"]["epoch"] if self.saved else 0
        self.meter = Meter(torch.device("cpu"))

    def fit(self, stream: Any = None, judge: Callable[[], float] | None = None, **settings: Any) -> Fitted:
        fitted: Fitted = self.train(
            self.model,
            self.method,
            self.kind,
            judge=judge or self.judge,
            stream=stream or training_stream(tiny_texts(self.kind), 4, 0, 0),
            checkpoints=self.checkpoints,
            saved=self.saved,
            meter=self.meter,
            **settings,
        )
        return fitted

    def judge(self) -> float:
        self.judged += 1
        return SCORES[self.judged - 1]

    def result(self) -> tuple[dict[str, bytes], bytes]:
        """The bits of every weight, and those of the scores."""
        weights = {name: value.detach().numpy().tobytes() for name, value in self.model.state_dict().items()}
        if self.kind == "entities":
            return weights, b""
        return weights, predict_scores(self.model, tiny_texts(self.kind), self.kind, 0, "fp32").tobytes()


@pytest.fixture
def begin(make_model: Any, train: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Trained]:
    """A run in a process of its own, as far as it can tell, that writes a checkpoint after every step."""
    monkeypatch.setattr(checkpoint, "SECONDS_BETWEEN", 0.0)
    monkeypatch.setattr(checkpoint, "SHARE", 1e9)

    def start(folder: Path, method: Method, kind: Kind = "classification") -> Trained:
        torch.manual_seed(np.random.default_rng().integers(1 << 30))
        return Trained(make_model, train, folder, method, kind)

    return start


def cut_off_at(step: int, kind: Kind = "classification") -> Callable[[int], Iterator[Batch]]:
    """The run's batches; the process ends where the one after `step` would be trained on."""
    stream, taken = training_stream(tiny_texts(kind), 4, 0, 0), [0]

    def batches(epoch: int) -> Iterator[Batch]:
        for batch in stream(epoch):
            if taken[0] == step:
                raise Killed
            taken[0] += 1
            yield batch

    return batches


@pytest.mark.parametrize("kind", get_args(Kind))
@pytest.mark.parametrize("name", NAMES)
def test_cut_off_within_the_second_epoch_it_ends_with_the_same_bits(
    name: str, kind: Kind, begin: Any, tmp_path: Path
) -> None:
    method = METHODS.get(name)()
    whole = begin(tmp_path / "whole", method, kind)
    fitted = whole.fit()
    with pytest.raises(Killed):
        begin(tmp_path / "cut", method, kind).fit(cut_off_at(3, kind))
    again = begin(tmp_path / "cut", method, kind)

    assert again.saved["reached"]["step"] == 3
    assert again.fit() == fitted
    assert again.result() == whole.result()


@pytest.mark.parametrize("name", ["full", "head-only", "lora"])
@pytest.mark.parametrize("step", [0, 1, 2, 3, 5])
def test_it_does_not_matter_after_which_step(name: str, step: int, begin: Any, tmp_path: Path) -> None:
    method = METHODS.get(name)()
    whole = begin(tmp_path / "whole", method)
    fitted = whole.fit()
    with pytest.raises(Killed):
        begin(tmp_path / "cut", method).fit(cut_off_at(step))
    again = begin(tmp_path / "cut", method)

    assert (again.saved is None) == (step == 0)
    assert again.fit() == fitted
    assert again.result() == whole.result()


@pytest.mark.parametrize("name", ["full", "head-only", "lora"])
@pytest.mark.parametrize("judgement", [1, 2, 3])
def test_cut_off_while_an_epoch_is_judged_it_judges_again(
    name: str, judgement: int, begin: Any, tmp_path: Path
) -> None:
    method = METHODS.get(name)()
    whole = begin(tmp_path / "whole", method)
    fitted = whole.fit()
    cut = begin(tmp_path / "cut", method)

    def judge() -> float:
        score: float = cut.judge()
        if cut.judged == judgement:
            raise Killed
        return score

    with pytest.raises(Killed):
        cut.fit(judge=judge)
    again = begin(tmp_path / "cut", method)

    assert again.fit() == fitted
    assert again.result() == whole.result()


@pytest.mark.parametrize("step", [1, 2, 4])
def test_cut_off_while_a_checkpoint_is_written_it_goes_on_from_the_one_before(
    step: int, begin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    method = METHODS.get("lora")()
    whole = begin(tmp_path / "whole", method)
    fitted = whole.fit()
    with monkeypatch.context() as patch:
        write = checkpoint.write_state

        def cut(folder: Path, state: dict[str, Any], run: str, number: int) -> None:
            write(folder, state, run, number)
            if number == step:
                raise Killed

        patch.setattr(checkpoint, "write_state", cut)
        with pytest.raises(Killed):
            begin(tmp_path / "cut", method).fit()
    again = begin(tmp_path / "cut", method)

    assert (again.saved["reached"]["step"] if again.saved else 0) == step - 1
    assert again.fit() == fitted
    assert again.result() == whole.result()


def test_cut_off_again_and_again_it_ends_with_the_same_bits_and_its_time_adds_up(begin: Any, tmp_path: Path) -> None:
    method = METHODS.get("lora")()
    whole = begin(tmp_path / "whole", method)
    fitted = whole.fit()
    seconds = 0.0
    for _ in range(5):
        cut = begin(tmp_path / "cut", method)
        passed_by = cut.saved["reached"]["batches"] if cut.saved else 0
        with pytest.raises(Killed):
            cut.fit(cut_off_at(passed_by + 1))
        assert cut.meter.watch.train_seconds > seconds
        seconds = cut.meter.watch.train_seconds
    again = begin(tmp_path / "cut", method)

    assert again.saved["reached"]["step"] == 5
    assert again.fit() == fitted
    assert again.result() == whole.result()


def test_a_time_limit_counts_what_was_trained_before_the_cut(begin: Any, tmp_path: Path) -> None:
    method = METHODS.get("head-only")()
    with pytest.raises(Killed):
        begin(tmp_path, method).fit(cut_off_at(3))
    again = begin(tmp_path, method)
    again.saved["spent"]["train_seconds"] = 90_000.0  # More than a day.

    assert again.fit(time_limit_seconds=90_060.0).steps == 6
    late = begin(tmp_path, method)
    late.saved["spent"]["train_seconds"] = 90_000.0
    late.saved["reached"] |= {"step": 3, "epoch": 1, "batches": 1}
    assert late.fit(time_limit_seconds=89_999.0).steps == 3


def test_features_that_do_not_all_fit_are_kept_as_they_were(
    begin: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Room for five of the eight examples: which ones depends on the order in which they came first.
    kept = features.FrozenFeatures.__init__
    monkeypatch.setattr(features.FrozenFeatures, "__init__", lambda self, model: kept(self, model, 5 * 32 * 4))
    method = METHODS.get("head-only")()
    whole = begin(tmp_path / "whole", method)
    fitted = whole.fit()
    with pytest.raises(Killed):
        begin(tmp_path / "cut", method).fit(cut_off_at(5))
    again = begin(tmp_path / "cut", method)

    assert again.fit() == fitted
    assert again.result() == whole.result()


class Gathering(METHODS.get("lora")):  # type: ignore[misc]
    """LoRA whose penalty grows with the steps that it has counted itself."""

    title: ClassVar[str] = "gathering"
    counted: ClassVar[dict[int, int]] = {}

    def after_step(self, model: ClinicalModel, step: int) -> None:
        self.counted[id(model)] = self.counted.get(id(model), 0) + 1

    def extra_loss(self, model: ClinicalModel) -> torch.Tensor:
        return self.counted.get(id(model), 0) * model.head.out.weight.pow(2).sum()

    def training_state(self, model: ClinicalModel) -> dict[str, torch.Tensor]:
        return {"counted": torch.tensor(self.counted.get(id(model), 0))}

    def load_training_state(self, model: ClinicalModel, state: dict[str, torch.Tensor]) -> None:
        self.counted[id(model)] = int(state["counted"])


def test_what_a_method_gathers_is_part_of_a_checkpoint(begin: Any, tmp_path: Path) -> None:
    whole = begin(tmp_path / "whole", Gathering())
    whole.fit()
    with pytest.raises(Killed):
        begin(tmp_path / "cut", Gathering()).fit(cut_off_at(3))
    again = begin(tmp_path / "cut", Gathering())
    again.fit()

    assert again.result() == whole.result()


def test_a_checkpoint_of_another_base_is_named_and_the_run_starts_again(
    begin: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    method = METHODS.get("lora")()
    with pytest.raises(Killed):
        begin(tmp_path / "cut", method).fit(cut_off_at(3))
    other = begin(tmp_path / "cut", method)
    frozen = next(value for value in other.model.parameters() if not value.requires_grad)
    frozen.data[0, 0] += 1.0
    other.judged = 0
    other.fit()

    assert f"checkpoints/{RUN}/step-3 is not used: its frozen weights are not those of this model" in (
        capsys.readouterr().err
    )
    assert begin(tmp_path / "cut", method).saved["reached"]["step"] == 6
