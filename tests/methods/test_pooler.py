"""BERT's pooler: the checkpoint's own belongs to the backbone, a missing one to the head; neither is left random."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from clinpeft.methods.base import ADAPTER_FILE, HEAD_FILE, METHODS, Method
from clinpeft.methods.bitfit import BitFit
from clinpeft.methods.full import Full
from clinpeft.methods.lora import Lora
from clinpeft.testing.tiny import tiny_batch


def stepped(model: Any) -> None:
    """One step of gradient descent on whatever trains."""
    batch = tiny_batch("classification")
    torch.nn.functional.cross_entropy(model(batch), batch.labels).backward()
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.grad is not None:
                parameter -= parameter.grad


@pytest.mark.parametrize("name", METHODS.names())
def test_a_pooler_that_the_checkpoint_lacks_is_trained_saved_and_reloaded(
    name: str, tiny_model_without_pooler: Path, tmp_path: Path, applied: Any, logits: Any
) -> None:
    method = METHODS.get(name)()
    model = applied(method, tiny_model_without_pooler)
    before = model.head.pooler.weight.detach().clone()
    stepped(model)
    method.save(model, tmp_path)
    again = applied(method, tiny_model_without_pooler, seed=2)
    method.load(again, tmp_path)
    batch = tiny_batch("classification")

    assert not torch.equal(before, model.head.pooler.weight)
    assert {"pooler.weight", "pooler.bias"} < set(load_file(tmp_path / HEAD_FILE))
    torch.testing.assert_close(logits(again, batch), logits(model, batch), atol=1e-6, rtol=0)


@pytest.mark.parametrize(
    ("method", "trained"),
    [(Lora(), set()), (BitFit(), {"bias"}), (Full(), {"bias", "weight"})],
    ids=["lora", "bitfit", "full"],
)
def test_the_checkpoints_pooler_trains_as_the_method_trains_the_backbone(
    method: Method, trained: set[str], tiny_model: Path, tmp_path: Path, applied: Any, logits: Any
) -> None:
    model = applied(method, tiny_model)
    before = {name: value.detach().clone() for name, value in model.named_parameters() if "pooler" in name}
    stepped(model)
    after = {name: value for name, value in model.named_parameters() if "pooler" in name}
    method.save(model, tmp_path)
    again = applied(method, tiny_model, seed=2)
    method.load(again, tmp_path)
    batch = tiny_batch("classification")

    assert len(before) == 2
    assert {name.rpartition(".")[2] for name in before if not torch.equal(before[name], after[name])} == trained
    assert sum("pooler" in name for name in load_file(tmp_path / ADAPTER_FILE)) == len(trained)
    torch.testing.assert_close(logits(again, batch), logits(model, batch), atol=1e-6, rtol=0)
