"""The methods that peft carries out: as many parameters as published, saved without a path, quiet."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

from clinpeft.errors import BadInput
from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._prompt import _PromptMethod
from clinpeft.methods._quantized_lora import _QuantizedLoraMethod
from clinpeft.methods._residual import _ResidualMethod
from clinpeft.methods.base import ADAPTER_FILE, HEAD_FILE, METHODS, Context, Method
from clinpeft.methods.ia3 import Ia3
from clinpeft.methods.lora import Lora
from clinpeft.methods.p_tuning import PTuning
from clinpeft.methods.prefix_tuning import PrefixTuning
from clinpeft.methods.prompt_tuning import PromptTuning
from clinpeft.models.load import ClinicalModel, Head, count_parameters
from clinpeft.testing.tiny import tiny_batch, tiny_card, tiny_config

QUERY = "encoder.layer.0.attention.self.query.weight"
PEFT_METHODS = tuple(entry for _, entry in METHODS if issubclass(entry, _PeftMethod))
ON_THE_CHECKPOINT = tuple(
    entry for entry in PEFT_METHODS if not issubclass(entry, _PromptMethod | _ResidualMethod | _QuantizedLoraMethod)
)
"""Whose adapters stand beside the weights as the checkpoint has them."""


def base_sized(family: str) -> ClinicalModel:
    """A model of the usual base size, without memory for its weights."""
    from transformers import AutoModel

    names = tiny_card(tiny_config(family)).architecture()
    num_layers = 6 if family == "distilbert" else 12
    sizes = {names.hidden_size: 768, names.num_layers: num_layers, names.num_heads: 12}
    config = tiny_config(family, **sizes, intermediate_size=3072, hidden_dim=3072)
    with torch.device("meta"):
        return ClinicalModel(AutoModel.from_config(config), Head("first", 768, 2, has_pooler=False), tiny_card(config))


@pytest.mark.parametrize(
    ("family", "method", "published"),
    [
        ("bert", Lora(r=8), 294_912),
        ("bert", PrefixTuning(), 184_320),
        ("bert", PromptTuning(), 7_680),
        ("bert", PTuning(), 221_696),
        ("roberta", Lora(r=8), 294_912),
        ("roberta", PrefixTuning(), 184_320),
    ],
)
def test_an_adapter_has_as_many_parameters_as_the_2024_study_counted(
    family: str, method: Method, published: int
) -> None:
    # github.com/nlpie-research/efficient-ml at a610e27, less the head: 1,538 for BERT, 592,130 for RoBERTa.
    model = base_sized(family)
    with torch.device("meta"):
        model = method.apply(model, model.card, Context(0, "classification", 10, lambda: iter(())))

    assert count_parameters(model).adapter == published


@pytest.mark.parametrize("method", PEFT_METHODS, ids=lambda entry: entry.__name__)
def test_no_folder_of_this_machine_is_saved(
    method: type[Method], tiny_model: Path, tmp_path: Path, applied: Any
) -> None:
    method().save(applied(method(), tiny_model), tmp_path)
    text = (tmp_path / "adapter_config.json").read_text(encoding="utf-8")

    assert sorted(path.name for path in tmp_path.iterdir()) == ["adapter_config.json", ADAPTER_FILE, HEAD_FILE]
    assert json.loads(text)["base_model_name_or_path"] == "own"
    assert str(tiny_model.parent) not in text
    assert not [value for value in json.loads(text).values() if isinstance(value, str) and value.startswith("/")]


@pytest.mark.parametrize("entry", ON_THE_CHECKPOINT, ids=lambda entry: entry.__name__)
def test_the_adapter_can_be_read_by_peft_itself(
    entry: type[Method], tiny_model: Path, tmp_path: Path, applied: Any
) -> None:
    from peft import PeftModel
    from transformers import AutoModel

    model = applied(entry(), tiny_model, "entities")
    torch.manual_seed(0)
    with torch.no_grad():
        for value in model.backbone.parameters():
            if value.requires_grad:
                value += 0.1 * torch.randn_like(value)
    entry().save(model, tmp_path)
    batch = tiny_batch("entities")
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        warnings.filterwarnings("ignore", "Specified to not (save|load) .* state dictionary", UserWarning)
        theirs = PeftModel.from_pretrained(AutoModel.from_pretrained(tiny_model), str(tmp_path)).eval()
    with torch.inference_mode():
        own = model.eval().backbone(batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state
        found = theirs(input_ids=batch.input_ids, attention_mask=batch.attention_mask).last_hidden_state

    torch.testing.assert_close(found[batch.attention_mask == 1], own[batch.attention_mask == 1], atol=1e-4, rtol=0)


@pytest.mark.parametrize("saved", [Lora(r=4), Ia3(), PromptTuning()], ids=["another rank", "ia3", "prompt tuning"])
def test_an_adapter_of_other_parameters_is_not_loaded(
    saved: Method, tiny_model: Path, tmp_path: Path, applied: Any
) -> None:
    saved.save(applied(saved, tiny_model), tmp_path)

    with pytest.raises(BadInput, match=r"adapter_model\.safetensors: holds other parameters"):
        Lora(r=8).load(applied(Lora(r=8), tiny_model), tmp_path)


@pytest.mark.parametrize("name", METHODS.names())
def test_applying_and_reloading_a_method_is_quiet(name: str, tiny_model: Path, tmp_path: Path, applied: Any) -> None:
    method = METHODS.get(name)()
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        method.save(applied(method, tiny_model), tmp_path)
        method.load(applied(method, tiny_model), tmp_path)

    assert [str(warning.message) for warning in caught] == []


def test_lora_adds_its_product_scaled_by_alpha_over_r(tiny_model: Path, applied: Any) -> None:
    model = applied(Lora(r=4, alpha=6), tiny_model)
    before = applied(METHODS.get("full")(), tiny_model).backbone.get_parameter(QUERY)
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_" in name:
                value.fill_(0.5)
    merged = Lora(r=4, alpha=6).merge(model)

    # Four ranks of 0.5 times 0.5, times 6 / 4.
    assert merged is not None
    torch.testing.assert_close(merged.backbone.get_parameter(QUERY), before + 1.5)


def test_a_merged_lora_moves_query_and_value_and_nothing_else(tiny_model: Path, applied: Any) -> None:
    plain = applied(Lora(), tiny_model)
    with torch.no_grad():
        for name, value in plain.named_parameters():
            if "lora_B" in name:
                value.fill_(0.1)
    before = applied(METHODS.get("full")(), tiny_model).backbone.state_dict()
    merged = Lora().merge(plain)

    assert merged is not None
    moved = {name for name, value in merged.backbone.state_dict().items() if not torch.equal(value, before[name])}
    assert moved == {
        f"encoder.layer.{layer}.attention.self.{part}.weight" for layer in (0, 1) for part in ("query", "value")
    }
