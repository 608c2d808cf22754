"""EVA: the directions are those of the training texts' words, and no text is needed to reload."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from clinpeft.data.batch import Batch
from clinpeft.errors import BadInput
from clinpeft.methods._directions import NUM_BATCHES, Directions, principal_directions, ranks_of
from clinpeft.methods.base import Context
from clinpeft.methods.eva import Eva
from clinpeft.methods.lora import Lora
from clinpeft.testing.tiny import tiny_batch, tiny_model

QUERY = "encoder.layer.0.attention.self.query"
BATCH = tiny_batch("classification")


def directions_of(batches: list[Batch], family: str = "bert", query: str = QUERY, at_most: int = 4) -> Directions:
    model = tiny_model(family, "classification", 3)
    maps = [(query, model.backbone.get_submodule(query))]
    return principal_directions(model, maps, iter(batches), at_most)[query]


def test_they_are_the_right_singular_vectors_of_what_the_map_reads() -> None:
    model = tiny_model("bert", "classification", 3)
    with torch.inference_mode():
        states = model.eval().backbone.embeddings(BATCH.input_ids)[BATCH.attention_mask == 1]
    _, values, rows = np.linalg.svd(states.numpy(), full_matrices=False)
    found = directions_of([BATCH])

    np.testing.assert_allclose(np.abs(found.rows.numpy() @ rows[:4].T), np.eye(4), atol=1e-3)
    np.testing.assert_allclose(found.shares.numpy(), values[:4] ** 2 / (values**2).sum(), rtol=1e-4)


@pytest.mark.parametrize("family", ["bert", "longformer"])
def test_padding_does_not_count(family: str) -> None:
    extra = torch.zeros(8, 8, dtype=torch.int64)
    padded = replace(
        BATCH,
        input_ids=torch.cat([BATCH.input_ids, extra + 7], 1),
        attention_mask=torch.cat([BATCH.attention_mask, extra], 1),
    )
    plain, longer = (directions_of([batch], family) for batch in (BATCH, padded))

    torch.testing.assert_close(longer.shares, plain.shares, atol=1e-4, rtol=1e-3)


def test_the_first_batches_are_enough() -> None:
    read = []
    model = tiny_model("bert", "classification", 3)
    maps = [(QUERY, model.backbone.get_submodule(QUERY))]
    principal_directions(model, maps, (read.append(number) or BATCH for number in range(99)), 4)

    assert len(read) == NUM_BATCHES
    assert not model.backbone.get_submodule(QUERY)._forward_hooks


def test_ranks_go_to_the_directions_that_explain_most() -> None:
    shares = {"a": [0.6, 0.2, 0.1, 0.05], "b": [0.4, 0.3, 0.25, 0.02], "c": [0.9, 0.01, 0.01, 0.01]}
    directions = {name: Directions(torch.empty(4, 1), torch.tensor(values)) for name, values in shares.items()}

    # Two each on average: one each, then b's second, b's third and a's second.
    assert ranks_of(directions, 2) == {"a": 2, "b": 3, "c": 1}
    assert ranks_of(directions, 1) == {"a": 1, "b": 1, "c": 1}


def test_a_map_starts_from_its_directions_at_loras_scale(tiny_model: Path, applied: Any) -> None:
    model = applied(Eva(r=4, alpha=6), tiny_model)
    layers = [module for module in model.modules() if hasattr(module, "lora_A")]
    ranks = [layer.r["default"] for layer in layers]

    assert sum(ranks) == 4 * len(layers) and len(set(ranks)) > 1 and max(ranks) <= 8
    for layer in layers:
        start = layer.lora_A["default"].weight
        torch.testing.assert_close(start @ start.t(), torch.eye(len(start)), atol=1e-4, rtol=0)
        assert layer.scaling["default"] == 1.5


def test_without_a_text_it_is_lora_and_still_reloads(
    tiny_model: Path, tmp_path: Path, applied: Any, logits: Any
) -> None:
    method = Eva(r=4)
    model = applied(method, tiny_model)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B" in name:
                value.normal_()
    method.save(model, tmp_path)
    again = applied(Lora(), tiny_model, seed=2)
    again.backbone = again.backbone.unload()
    again = method.apply(again, again.card, Context(2, "classification", 10, lambda: iter(())))
    ranks = [module.r["default"] for module in again.modules() if hasattr(module, "lora_A")]
    method.load(again, tmp_path)

    assert set(ranks) == {4}
    torch.testing.assert_close(logits(again, BATCH), logits(model, BATCH), atol=1e-6, rtol=0)


def test_a_loras_file_of_another_rank_is_not_taken_for_its_own(tiny_model: Path, tmp_path: Path, applied: Any) -> None:
    Lora(r=4).save(applied(Lora(r=4), tiny_model), tmp_path)

    with pytest.raises(BadInput, match="holds other parameters"):
        Eva(r=8).load(applied(Eva(r=8), tiny_model), tmp_path)
