"""What every method takes from its base: rates, decay, names, saving."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from clinpeft.errors import BadInput, UnknownName
from clinpeft.methods.base import ADAPTER_FILE, METHODS, Method, method_of, resolve_method
from clinpeft.methods.bitfit import BitFit
from clinpeft.methods.full import Full
from clinpeft.methods.head_only import HeadOnly
from clinpeft.methods.lora import Lora
from clinpeft.spec import MethodChoice
from clinpeft.testing.tiny import tiny_card, tiny_config


@pytest.mark.parametrize("name", METHODS.names())
def test_head_and_adapter_have_rates_of_their_own_and_every_parameter_one(
    name: str, tiny_model: Path, applied: Any
) -> None:
    method = METHODS.get(name)()
    model = applied(method, tiny_model)
    groups = method.parameter_groups(model, learning_rate=0.5, head_learning_rate=0.25, weight_decay=0.125)
    rate_of = {id(value): group["lr"] for group in groups for value in group["params"]}

    assert sum(len(group["params"]) for group in groups) == len(rate_of)
    assert {id(value) for value in model.parameters() if value.requires_grad} == set(rate_of)
    assert {rate_of[id(value)] for value in model.head.parameters()} == {0.25}
    own = {rate_of[id(value)] for value in model.backbone.parameters() if value.requires_grad}
    # Parts of two methods' adapters learn faster (test_low_rank).
    assert own <= {0.5} or (name in {"lora-plus", "vb-lora"} and min(own) == 0.5)


def test_vectors_are_not_decayed(tiny_model: Path, applied: Any) -> None:
    method = Full()
    groups = method.parameter_groups(applied(method, tiny_model), 0.5, 0.25, 0.125)

    assert all((group["weight_decay"] == 0.125) == (value.ndim > 1) for group in groups for value in group["params"])
    assert {(group["lr"], group["weight_decay"]) for group in groups} == {
        (0.5, 0.125),
        (0.5, 0),
        (0.25, 0.125),
        (0.25, 0),
    }


def test_head_only_trains_the_head_and_bitfit_the_biases_beside_it(tiny_model: Path, applied: Any) -> None:
    def trained(method: Method) -> set[str]:
        model = applied(method, tiny_model)
        return {name for name, value in model.backbone.named_parameters() if value.requires_grad}

    assert trained(HeadOnly()) == set()
    assert trained(BitFit()) == {
        name for name, _ in applied(Full(), tiny_model).backbone.named_parameters() if name.endswith(".bias")
    }


def test_options_are_checked_and_every_default_is_written_out() -> None:
    method, spec = resolve_method(MethodChoice.model_validate({"name": "lora", "r": 4}))

    assert method == Lora(r=4)
    assert spec.options == {"r": 4, "alpha": 16.0, "dropout": 0.0, "projections": "query-value"}
    assert method_of(spec) == method


@pytest.mark.parametrize(
    ("choice", "message"),
    [
        ({"name": "lora", "rank": 4}, "method 'lora': unknown key 'rank'"),
        ({"name": "lora", "r": 0}, "method 'lora': 'r': .* greater than or equal to 1"),
        ({"name": "lora", "dropout": 1.0}, "method 'lora': 'dropout': .* less than 1"),
        ({"name": "prompt-tuning", "num_virtual_tokens": 0}, "'num_virtual_tokens'"),
    ],
)
def test_a_wrong_option_is_named(choice: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        resolve_method(MethodChoice.model_validate(choice))


def test_a_misspelt_method_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"did you mean 'lora'\?.*put a file in clinpeft/methods/"):
        resolve_method(MethodChoice(name="loraa"))


def test_weights_of_another_method_are_not_loaded(tiny_model: Path, tmp_path: Path, applied: Any) -> None:
    BitFit().save(applied(BitFit(), tiny_model), tmp_path)

    with pytest.raises(BadInput, match="holds other parameters than the method trains on this model"):
        Full().load(applied(Full(), tiny_model), tmp_path)


def test_what_is_saved_is_what_was_trained(tiny_model: Path, tmp_path: Path, applied: Any) -> None:
    from safetensors.torch import load_file

    for method in (HeadOnly(), BitFit()):
        model = applied(method, tiny_model)
        method.save(model, tmp_path)
        saved = load_file(tmp_path / ADAPTER_FILE)

        assert set(saved) == {name for name, value in model.backbone.named_parameters() if value.requires_grad}


@pytest.mark.parametrize(
    ("method", "max_length", "positions", "left"),
    [
        ("lora", 512, 512, 512),
        ("lora", 100, 512, 100),
        ("prefix-tuning", 512, 512, 512),
        ("prompt-tuning", 128, 512, 118),
        # 502 would be padded to 504, and 10 virtual tokens on top are more than there are positions.
        ("prompt-tuning", 512, 512, 496),
        ("p-tuning", 512, 512, 496),
        ("lora", 100, 100, 96),
    ],
)
def test_the_text_gets_what_virtual_tokens_and_padding_leave(
    method: str, max_length: int, positions: int, left: int
) -> None:
    card = tiny_card(tiny_config("bert", max_position_embeddings=positions))

    assert METHODS.get(method)().text_length(max_length, card) == left


def test_the_seed_fixes_the_adapters_first_weights(tiny_model: Path, applied: Any) -> None:
    first, again, other = (applied(Lora(), tiny_model, seed=seed).state_dict() for seed in (1, 1, 2))

    assert all(torch.equal(value, again[name]) for name, value in first.items())
    assert [name for name, value in first.items() if "lora_A" in name and torch.equal(value, other[name])] == []
