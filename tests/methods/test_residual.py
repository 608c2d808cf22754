"""PiSSA and OLoRA: nothing changes at the start, and what is saved is an ordinary LoRA for the untouched weights."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from clinpeft.errors import BadInput
from clinpeft.methods.head_only import HeadOnly
from clinpeft.methods.lora import Lora
from clinpeft.methods.olora import OLoRA
from clinpeft.methods.pissa import PiSSA
from clinpeft.models.load import ClinicalModel
from clinpeft.testing.tiny import tiny_batch, tiny_card, tiny_config

METHODS = pytest.mark.parametrize("method", [PiSSA(r=4), OLoRA(r=4)], ids=["pissa", "olora"])
BATCH = tiny_batch("classification")


def moved(model: ClinicalModel) -> ClinicalModel:
    """As after training: both matrices are elsewhere."""
    torch.manual_seed(3)
    with torch.no_grad():
        for value in model.backbone.parameters():
            if value.requires_grad:
                value += 0.1 * torch.randn_like(value)
    return model


@METHODS
def test_at_the_start_the_answers_are_the_pre_trained_models(
    method: Any, tiny_model: Path, applied: Any, logits: Any
) -> None:
    torch.testing.assert_close(
        logits(applied(method, tiny_model), BATCH), logits(applied(HeadOnly(), tiny_model), BATCH), atol=1e-5, rtol=0
    )


def test_pissa_takes_the_largest_singular_values_out_of_the_frozen_weights(tiny_model: Path, applied: Any) -> None:
    name = "encoder.layer.0.attention.self.query"
    whole = applied(HeadOnly(), tiny_model).backbone.get_submodule(name).weight
    rest = applied(PiSSA(r=4), tiny_model).backbone.get_base_model().get_submodule(name).base_layer.weight

    torch.testing.assert_close(torch.linalg.svdvals(rest)[:28], torch.linalg.svdvals(whole)[4:])


@METHODS
def test_peft_reads_the_file_on_the_untouched_weights(
    method: Any, tiny_model: Path, tmp_path: Path, applied: Any
) -> None:
    from peft import PeftModel
    from transformers import AutoModel

    model = moved(applied(method, tiny_model, "entities")).eval()
    method.save(model, tmp_path)
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        theirs = PeftModel.from_pretrained(AutoModel.from_pretrained(tiny_model), str(tmp_path)).eval()
    with torch.inference_mode():
        inputs = {"input_ids": BATCH.input_ids, "attention_mask": BATCH.attention_mask}
        own, found = (each(**inputs).last_hidden_state for each in (model.backbone, theirs))

    is_word = BATCH.attention_mask == 1
    torch.testing.assert_close(found[is_word], own[is_word], atol=2e-5, rtol=0)


@METHODS
def test_a_machine_that_finds_another_start_gives_the_same_answers(
    method: Any, tiny_model: Path, tmp_path: Path, applied: Any, logits: Any
) -> None:
    model = moved(applied(method, tiny_model))
    method.save(model, tmp_path)
    other = applied(method, tiny_model, seed=2)
    with torch.no_grad():
        for layer in other.modules():
            if hasattr(layer, "start_A"):
                # As if another part of the weights had been taken out.
                layer.base_layer.weight += layer.scaling["default"] * layer.start_B @ (layer.start_A * 0.5)
                layer.start_A *= 0.5
    method.load(other, tmp_path)

    torch.testing.assert_close(logits(other, BATCH), logits(model, BATCH), atol=1e-5, rtol=0)


@METHODS
def test_a_plain_loras_file_of_the_same_rank_is_not_taken_for_its_own(
    method: Any, tiny_model: Path, tmp_path: Path, applied: Any
) -> None:
    Lora(r=4).save(applied(Lora(r=4), tiny_model), tmp_path)

    with pytest.raises(BadInput, match="holds other parameters"):
        method.load(applied(method, tiny_model), tmp_path)


def test_more_ranks_than_the_weights_have_dimensions_are_refused() -> None:
    card = tiny_card(tiny_config("bert"))

    assert PiSSA(r=32).refuses(card, "classification") is None
    assert PiSSA(r=33).refuses(card, "classification") == (
        "its rank of 33 is more than the 32 dimensions that it starts from"
    )
