"""Which maps a method adapts: those it means, each once, in every family."""

from __future__ import annotations

import re

import pytest

from clinpeft.methods._targets import attention, common_divisor, every_linear_map, linear_maps, query_and_value, targets
from clinpeft.methods.ia3 import Ia3
from clinpeft.models.catalogue import ModelCard
from clinpeft.models.families.base import FAMILIES
from clinpeft.testing.tiny import tiny_card, tiny_config, tiny_model


def named(family: str, wanted: list[str] | str) -> set[str]:
    """The maps of a tiny model that peft finds under these names."""
    from peft import LoraConfig

    model = tiny_model(family, "classification", 3)
    return {name for name, _ in linear_maps(model.backbone, LoraConfig(target_modules=wanted))}


def test_a_fused_projection_is_named_once() -> None:
    assert query_and_value(tiny_card(tiny_config("modernbert"))) == ["attn.Wqkv"]
    assert attention(tiny_card(tiny_config("gpt-neox"))) == ["attention.query_key_value", "attention.dense"]


def test_the_projections_of_longformers_global_attention_are_adapted_too() -> None:
    ends = {name.rpartition(".")[2] for name in named("longformer", query_and_value(card_of("longformer")))}

    assert ends == {"query", "query_global", "value", "value_global"}


def test_ia3_rescales_their_keys_and_values_too() -> None:
    ends = {name.rpartition(".")[2] for name in named("longformer", Ia3().config(card_of("longformer")).target_modules)}

    assert ends == {"key", "key_global", "value", "value_global", "dense"}


def test_a_name_that_ends_another_maps_name_means_its_own_only() -> None:
    found = named("bert", targets(card_of("bert"), ["output.dense"]))

    assert found == {f"encoder.layer.{layer}.output.dense" for layer in (0, 1)}


def test_names_that_are_all_wanted_stay_a_list() -> None:
    assert every_linear_map(card_of("bert")) == [
        "attention.self.query",
        "attention.self.key",
        "attention.self.value",
        "attention.output.dense",
        "intermediate.dense",
        "output.dense",
    ]


@pytest.mark.parametrize("family", FAMILIES.names())
def test_only_maps_inside_the_layers_are_adapted(family: str) -> None:
    card = card_of(family)
    layers = card.architecture().layers
    whole, part = named(family, every_linear_map(card)), named(family, query_and_value(card))

    assert part < whole
    assert all(re.search(rf"(^|\.){re.escape(layers)}\.\d+\.", name) for name in whole)


def test_the_common_divisor_is_of_all_widths_in_and_out() -> None:
    from torch import nn

    maps = [nn.Linear(48, 32), nn.Linear(64, 80)]

    assert (common_divisor(maps, 256), common_divisor(maps, 15), common_divisor(maps, 1)) == (16, 8, 1)


def card_of(family: str) -> ModelCard:
    """The card of a tiny model."""
    return tiny_card(tiny_config(family))
