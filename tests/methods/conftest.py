"""Methods applied to models as a run applies them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from clinpeft.data.batch import Batch
from clinpeft.methods.base import Context, Method
from clinpeft.models.catalogue import resolve
from clinpeft.models.load import ClinicalModel, load
from clinpeft.spec import Kind, ModelChoice
from clinpeft.testing.tiny import tiny_batch

Apply = Callable[..., ClinicalModel]


@pytest.fixture
def applied() -> Apply:
    """A method applied to the model in a folder."""

    def apply(method: Method, folder: Path, kind: Kind = "classification", *, seed: int = 1) -> ClinicalModel:
        resolved = resolve(ModelChoice(name="own", path=str(folder)), Path())
        model = load(resolved, kind, 3, seed)
        return method.apply(model, resolved.card, Context(seed, kind, 10, lambda: iter([tiny_batch(kind)])))

    return apply


@pytest.fixture
def logits() -> Callable[[ClinicalModel, Batch], torch.Tensor]:
    """A model's answers, with dropout off."""

    def answer(model: ClinicalModel, batch: Batch) -> torch.Tensor:
        with torch.inference_mode():
            found: torch.Tensor = model.eval()(batch)
        return found

    return answer
