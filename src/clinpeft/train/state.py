"""Where the training of a run stands: everything that the next step depends on, to be saved and gone on from."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

import torch

from clinpeft.methods.base import Method
from clinpeft.models.load import ClinicalModel
from clinpeft.train.engine import Engine
from clinpeft.train.meter import Meter
from clinpeft.train.precision import LossScaling


@dataclass
class Reached:
    """How far training has come."""

    epoch: int = 0
    batches: int = 0
    """Of this epoch."""
    step: int = 0
    examples: int = 0
    tokens: int = 0
    best_step: int = 0
    best_score: float | None = None
    epochs_since_best: int = 0


@dataclass(frozen=True)
class Fitted:
    """What training came to; the model holds the weights of its best epoch."""

    steps: int
    examples: int
    tokens: int
    best_step: int
    best_score: float | None
    is_pruned: bool = False
    """Whether it was stopped for being behind others."""

    def work(self) -> dict[str, int]:
        """What a record says of it."""
        return {"steps": self.steps, "examples": self.examples, "tokens": self.tokens, "best_step": self.best_step}


@dataclass
class TrainingState:
    """A run under way."""

    model: ClinicalModel
    method: Method
    optimizer: torch.optim.Optimizer
    scheduler: torch.optim.lr_scheduler.LambdaLR
    scaling: LossScaling
    engine: Engine
    meter: Meter
    reached: Reached = field(default_factory=Reached)
    best: list[torch.Tensor] | None = None
    """The trainable parameters of the best epoch."""

    def __post_init__(self) -> None:
        self.trainable = {name: value for name, value in self.model.named_parameters() if value.requires_grad}
        self._frozen = digest_of_frozen(self.model)

    def saved(self) -> dict[str, Any]:
        """What a checkpoint holds: the tensors are the run's own, not copies."""
        return {
            "reached": asdict(self.reached),
            "engine": self.engine.pinned(),
            "frozen": self._frozen,
            "model": dict(self.trainable),
            "best": self.best,
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.scheduler.state_dict(),
            "scaling": self.scaling.state(),
            "method": self.method.training_state(self.model),
            "random": torch.get_rng_state(),
            "random_device": torch.cuda.get_rng_state(self.engine.device) if self._is_on_gpu else None,
            "spent": self.meter.spent(),
        }

    def refuses(self, saved: Mapping[str, Any]) -> str | None:
        """Why this run cannot go on from what `saved` gave, or None."""
        shapes = {name: value.shape for name, value in self.trainable.items()}
        if {name: value.shape for name, value in saved["model"].items()} != shapes:
            return "it holds other parameters than this run trains"
        return None if saved["frozen"] == self._frozen else "its frozen weights are not those of this model"

    def load(self, saved: Mapping[str, Any]) -> None:
        """Go on from what `saved` gave; `random` is left to `load_random`."""
        self.reached = Reached(**saved["reached"])
        with torch.no_grad():
            for name, parameter in self.trainable.items():
                parameter.copy_(saved["model"][name])
        self.best = saved["best"] and [value.to(self.engine.device) for value in saved["best"]]
        self.method.load_training_state(self.model, saved["method"])
        self.optimizer.load_state_dict(saved["optimizer"])
        self.scheduler.load_state_dict(saved["scheduler"])
        self.scaling.load(saved["scaling"])
        self.meter.add(saved["spent"])

    def load_random(self, saved: Mapping[str, Any]) -> None:
        """Draw the numbers that would have come next: after all that may draw some while the run is set up again."""
        torch.set_rng_state(saved["random"])
        if self._is_on_gpu and saved["random_device"] is not None:
            torch.cuda.set_rng_state(saved["random_device"], self.engine.device)

    def keep_as_best(self, score: float) -> None:
        """The weights as they are now are the best so far."""
        self.reached.best_score, self.reached.best_step, self.reached.epochs_since_best = score, self.reached.step, 0
        self.best = [parameter.detach().clone() for parameter in self.trainable.values()]

    def restore_best(self) -> None:
        """Put the best epoch's weights into the model; without one they stay as they are."""
        if self.best is not None:
            with torch.no_grad():
                for parameter, value in zip(self.trainable.values(), self.best, strict=True):
                    parameter.copy_(value)

    @property
    def _is_on_gpu(self) -> bool:
        return self.engine.device.type == "cuda"


def digest_of_frozen(model: ClinicalModel) -> str:
    """Of the weights that do not train, as they are before the first step; a quarter of a second a gigabyte.

    Of weights in shards it was taken before.
    """
    if model.whole_digest is not None:
        return model.whole_digest
    digest = hashlib.sha256()
    for name, tensor in [*model.named_parameters(), *model.named_buffers()]:
        if not tensor.requires_grad and tensor.numel():
            flat = tensor.detach().contiguous().reshape(-1).view(torch.uint8)
            if len(flat) % 4 == 0:
                flat = flat.view(torch.int32)
            sums = flat.sum(dtype=torch.int64).item(), flat[::2].sum(dtype=torch.int64).item()
            digest.update(f"{name} {tuple(tensor.shape)} {sums}\n".encode())
    return digest.hexdigest()
