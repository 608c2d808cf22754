"""Virtual tokens leave the text alone: its positions, its token types, its padding and what the head reads of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from clinpeft.data.batch import Batch
from clinpeft.methods.base import Method
from clinpeft.methods.head_only import HeadOnly
from clinpeft.methods.p_tuning import PTuning
from clinpeft.methods.prefix_tuning import PrefixTuning
from clinpeft.methods.prompt_tuning import PromptTuning
from clinpeft.models.load import ClinicalModel
from clinpeft.testing.tiny import tiny_batch, tiny_card, tiny_config

EMBEDDED = (PromptTuning(num_virtual_tokens=3), PTuning(num_virtual_tokens=3))


def rows_read(model: ClinicalModel, table: str, batch: Batch) -> torch.Tensor:
    """Which rows of an embedding table a forward pass looks up for the first example."""
    seen: list[torch.Tensor] = []
    module = next(module for name, module in model.backbone.named_modules() if name.endswith(table))
    handle = module.register_forward_hook(lambda module, inputs, output: seen.append(inputs[0]))
    with torch.inference_mode():
        model.eval()(batch)
    handle.remove()
    return seen[0][0]


@pytest.mark.parametrize(("fixture", "first"), [("tiny_model", 0), ("tiny_roberta", 2), ("tiny_electra", 0)])
def test_a_prefix_leaves_the_text_at_its_own_positions(
    fixture: str, first: int, request: pytest.FixtureRequest, applied: Any
) -> None:
    folder, batch = request.getfixturevalue(fixture), tiny_batch("classification")
    length = int(batch.attention_mask[0].sum())
    plain, prefixed = (
        rows_read(applied(method, folder), "position_embeddings", batch)[:length]
        for method in (HeadOnly(), PrefixTuning())
    )

    assert plain.tolist() == list(range(first, first + length))
    assert prefixed.tolist() == plain.tolist()


@pytest.mark.parametrize("method", EMBEDDED, ids=lambda method: type(method).__name__)
def test_embedded_tokens_stand_before_the_text_and_move_it_on(method: Method, tiny_model: Path, applied: Any) -> None:
    positions = rows_read(applied(method, tiny_model), "position_embeddings", tiny_batch("classification"))

    assert positions.tolist() == list(range(16 + 3))


@pytest.mark.parametrize("method", EMBEDDED, ids=lambda method: type(method).__name__)
def test_the_token_types_of_a_pair_reach_the_model_behind_the_virtual_tokens(
    method: Method, tiny_model: Path, applied: Any
) -> None:
    batch = tiny_batch("pairs")
    types = rows_read(applied(method, tiny_model, "pairs"), "token_type_embeddings", batch)

    assert batch.token_type_ids is not None
    assert types.tolist() == [0, 0, 0, *batch.token_type_ids[0].tolist()]


@pytest.mark.parametrize("method", [*EMBEDDED, PrefixTuning()], ids=lambda method: type(method).__name__)
def test_token_types_change_the_answer(method: Method, tiny_model: Path, applied: Any, logits: Any) -> None:
    batch = tiny_batch("pairs")
    assert batch.token_type_ids is not None
    model = applied(method, tiny_model, "pairs")
    swapped = replace(batch, token_type_ids=1 - batch.token_type_ids)

    assert not torch.allclose(logits(model, batch), logits(model, swapped), atol=1e-3)


@pytest.mark.parametrize("method", EMBEDDED, ids=lambda method: type(method).__name__)
def test_the_head_reads_the_texts_first_piece_and_not_the_first_virtual_token(
    method: Method, tiny_model: Path, applied: Any
) -> None:
    batch = tiny_batch("classification")
    model = applied(method, tiny_model).eval()
    with torch.inference_mode():
        states = model.backbone(batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
        inner = model.backbone.wrapped.get_base_model()
        whole: list[torch.Tensor] = []
        inner.encoder.register_forward_hook(lambda module, inputs, output: whole.append(output.last_hidden_state))
        model(batch)

    assert states.shape[1] == batch.input_ids.shape[1]
    assert torch.equal(states, whole[0][:, 3:])


def test_a_prefix_is_seen_by_every_layer(tiny_model: Path, applied: Any, logits: Any) -> None:
    batch = tiny_batch("classification")
    answers = []
    for layer in (None, 0, 1):
        model = applied(PrefixTuning(num_virtual_tokens=2), tiny_model)
        weight = next(value for name, value in model.named_parameters() if "prompt_encoder" in name)
        with torch.no_grad():
            # Keys and values of one layer after the other: 2 tokens by layers · 2 · width.
            parts = weight.view(2, 2, 2, 32)
            parts.zero_()
            if layer is not None:
                parts[:, layer] = 1.0
        answers.append(logits(model, batch))

    assert not torch.allclose(answers[0], answers[1], atol=1e-3)
    assert not torch.allclose(answers[0], answers[2], atol=1e-3)
    assert not torch.allclose(answers[1], answers[2], atol=1e-3)


def test_a_family_without_past_keys_and_values_takes_no_prefix() -> None:
    reasons = {
        family: PrefixTuning().refuses(tiny_card(tiny_config(family)), "classification")
        for family in ("bert", "distilbert")
    }

    assert reasons["bert"] is None
    assert reasons["distilbert"] == (
        "family 'distilbert' takes no past keys and values in transformers; use lora or p-tuning"
    )


def test_only_the_tokens_that_p_tuning_came_to_are_kept(
    tiny_model: Path, tmp_path: Path, applied: Any, logits: Any
) -> None:
    from safetensors.torch import load_file

    method, batch = PTuning(num_virtual_tokens=4), tiny_batch("classification")
    model, again = applied(method, tiny_model), applied(method, tiny_model, seed=2)
    method.save(model, tmp_path)
    method.load(again, tmp_path)

    assert {name: tuple(value.shape) for name, value in load_file(tmp_path / "adapter_model.safetensors").items()} == {
        "prompt_embeddings": (4, 32)
    }
    torch.testing.assert_close(logits(again, batch), logits(model, batch), atol=1e-6, rtol=0)
