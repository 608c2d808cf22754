"""A default learning rate is a method's own on small models, and a share of it on larger ones."""

from __future__ import annotations

import pytest

from clinpeft.methods.base import METHODS
from clinpeft.models.catalogue import ModelCard, model_card


def sized(parameters: int | None) -> ModelCard:
    return model_card("minilm-l6").model_copy(update={"backbone_parameters": parameters})


@pytest.mark.parametrize(
    ("parameters", "full", "lora"),
    [
        (14_000_000, 3e-4, 3e-3),
        (110_000_000, 5e-5, 5e-4),
        (340_000_000, 3e-5, 3e-4),
        (6_600_000_000, 2e-5, 2e-4),
    ],
)
def test_the_larger_the_model_the_lower_the_rate(parameters: int, full: float, lora: float) -> None:
    assert METHODS.get("full")().rate_for(sized(parameters)) == pytest.approx(full)
    assert METHODS.get("lora")().rate_for(sized(parameters)) == pytest.approx(lora)


def test_a_folder_that_does_not_say_its_size_is_sized_by_its_layers() -> None:
    base = sized(None).model_copy(update={"num_layers": 12, "hidden_size": 768})

    assert METHODS.get("lora")().rate_for(sized(None)) == pytest.approx(3e-3)
    # 12 layers of 12 · 768² are 85 million.
    assert METHODS.get("lora")().rate_for(base) == pytest.approx(5e-4)
