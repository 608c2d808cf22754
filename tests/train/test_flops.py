"""FLOPs of training, against counts worked out by hand."""

from __future__ import annotations

from typing import Any

from clinpeft.methods.bitfit import BitFit
from clinpeft.methods.full import Full
from clinpeft.methods.head_only import HeadOnly
from clinpeft.methods.lora import Lora
from clinpeft.methods.p_tuning import PTuning
from clinpeft.methods.prefix_tuning import PrefixTuning
from clinpeft.methods.prompt_tuning import PromptTuning
from clinpeft.train.flops import length_around, training_flops


def flops(make_model: Any, method: Any, kind: str = "entities", **seen: Any) -> float:
    """Of ten texts of ten pieces, where a test says nothing else."""
    model = make_model(method, kind)
    cost = training_flops(model, **{"tokens": 100, "mean_length": 10, "card": model.card, "examples": 10, **seen})
    assert cost.how == "estimated"
    assert cost.value is not None
    return cost.value


# The tiny BERT: two layers of four matrices of 32 x 32 and two of 32 x 64; heads of 32 x 3.
PROJECTION, LAYER, HEAD = 32 * 32, 4 * 32 * 32 + 2 * 32 * 64, 32 * 3
ATTENTION = 4 * 10 * 32
"""A word piece's attention to ten others in one layer."""


def test_a_frozen_backbone_is_passed_forward_only(make_model: Any) -> None:
    # The head reads every word piece, and has no gradient to pass on.
    assert flops(make_model, HeadOnly()) == 100 * (2 * (2 * LAYER) + 2 * ATTENTION + 4 * HEAD)


def test_a_frozen_backbone_sees_each_example_once(make_model: Any) -> None:
    # Three epochs of ten texts.
    seen = flops(make_model, HeadOnly(), tokens=300, examples=30, num_distinct=10)

    assert seen == 100 * (2 * (2 * LAYER) + 2 * ATTENTION) + 300 * 4 * HEAD
    assert flops(make_model, Lora(), tokens=300, examples=30, num_distinct=10) == 3 * flops(make_model, Lora())


def test_everything_that_trains_costs_three_passes(make_model: Any) -> None:
    assert flops(make_model, Full()) == 3 * 100 * (2 * (2 * LAYER) + 2 * ATTENTION + 2 * HEAD)


def test_a_frozen_matrix_costs_two_passes_where_a_gradient_flows_through_it(make_model: Any) -> None:
    # Biases are no matrices, and the lowest ones stand before the layers; attention's backward costs twice its forward.
    assert flops(make_model, BitFit()) == 100 * (2 * 2 * (2 * LAYER) + 3 * 2 * ATTENTION + 6 * HEAD)


def test_below_the_lowest_adapter_no_gradient_is_computed(make_model: Any) -> None:
    # Rank 4 beside query and value of both layers; nothing asks for the gradient of the first layer's input.
    down, up = 32 * 4, 4 * 32
    layers = 2 * 2 * (2 * LAYER) - 2 * 3 * PROJECTION
    adapters = 2 * (2 * (2 + 3) * down + 2 * (3 + 3) * up)

    assert flops(make_model, Lora(r=4)) == 100 * (layers + adapters + 3 * 2 * ATTENTION + 6 * HEAD)


def test_what_stands_for_a_whole_text_is_computed_once_a_text(make_model: Any) -> None:
    pooler = 32 * 32
    layers = 100 * 3 * (2 * (2 * LAYER) + 2 * ATTENTION)

    assert flops(make_model, Full(), "classification") == layers + 10 * 3 * 2 * (pooler + HEAD)


def test_virtual_tokens_are_positions_like_a_texts_own(make_model: Any) -> None:
    # Five of them before ten pieces; the pairs of 15 positions.
    layers = 150 * 2 * 2 * (2 * LAYER) + 3 * 2 * 4 * 32 * 10 * 15 * 15

    assert flops(make_model, PromptTuning(num_virtual_tokens=5)) == layers + 100 * 6 * HEAD


def test_a_perceptron_that_makes_virtual_tokens_is_computed_for_those_alone(make_model: Any) -> None:
    plain = flops(make_model, PromptTuning(num_virtual_tokens=5))
    perceptron = 32 * 16 + 16 * 16 + 16 * 32

    assert flops(make_model, PTuning(num_virtual_tokens=5, hidden_size=16)) == plain + 50 * 3 * 2 * perceptron


def test_a_prefix_adds_keys_but_no_positions(make_model: Any) -> None:
    # It enters the first layer beside its input, which needs no gradient.
    layers = 100 * (2 * 2 * (2 * LAYER) - 2 * 3 * PROJECTION) + 3 * 2 * 4 * 32 * 10 * 10 * 15

    assert flops(make_model, PrefixTuning(num_virtual_tokens=5)) == layers + 100 * 6 * HEAD


def test_attention_grows_with_the_length_around_a_word_piece(make_model: Any) -> None:
    short, long = (flops(make_model, Full(), mean_length=length) for length in (8, 16))

    # Forward and twice that backward: 4 times 8 more pieces times the width times the layers.
    assert long - short == 100 * 3 * 4 * 8 * 32 * 2
    # One text of 30 and one of 10: three quarters of the pieces have 30 around them.
    assert length_around([30, 10]) == 25
    assert length_around([]) == 0
