"""Methods that change weights or vectors in place: how many parameters they train, and blocks that fit the widths."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from clinpeft.methods._block_diagonal import BlockDiagonal
from clinpeft.methods._widths import largest_divisor
from clinpeft.methods.base import METHODS, Context
from clinpeft.methods.bitfit import BitFit
from clinpeft.methods.boft import Boft
from clinpeft.methods.head_only import HeadOnly
from clinpeft.methods.ln_tuning import LnTuning
from clinpeft.models.load import ClinicalModel
from clinpeft.testing.tiny import tiny_batch, tiny_card, tiny_config, tiny_model

# Width and heads of BERT base, MiniLM and TinyBioBERT.
WIDTHS = {768: 12, 384: 12, 312: 12}


def applied(name: str, family: str = "bert", **changes: Any) -> ClinicalModel:
    """A method with these options on a tiny network."""
    options = changes.pop("options", {})
    model = tiny_model(family, "classification", 3, **changes)
    context = Context(1, "classification", 1, lambda: iter([]))
    return METHODS.get(name).model_validate(options).apply(model, model.card, context)


def num_trained(model: ClinicalModel) -> int:
    """Parameters of the adapter."""
    return sum(value.numel() for value in model.backbone.parameters() if value.requires_grad)


@pytest.mark.parametrize(
    ("name", "counts"),
    [
        # Query and value of one layer; 2 · (r + r) · (in + out) for LoHa, r = 8.
        ("loha", (49152, 24576, 19968)),
        # Factors 24 × 32 of 768, 16 × 24 of 384, 13 × 24 of 312, the larger pair in rank 8.
        ("lokr", (2176, 1280, 1106)),
        # Blocks of 32, at 312 of 26: in / b · b (b − 1) / 2.
        ("oft", (23808, 11904, 7800)),
        # Eight vectors.
        ("hra", (12288, 6144, 4992)),
        ("fourierft", (2000, 2000, 2000)),
        ("waveft", (5184, 5184, 5184)),
        ("miss", (98304, 49152, 39936)),
        # An angle and a factor a pair of channels.
        ("road", (1536, 768, 624)),
        # in · out / b for blocks of 128, at 312 of 104.
        ("c3a", (9216, 2304, 1872)),
        ("shira", (98304, 49152, 39936)),
        ("ia3", (5376, 2688, 2184)),
    ],
)
def test_a_method_trains_as_many_parameters_as_its_paper_says(name: str, counts: tuple[int, ...]) -> None:
    sizes = [
        {"hidden_size": width, "num_attention_heads": heads, "num_hidden_layers": 1, "intermediate_size": 4 * width}
        for width, heads in WIDTHS.items()
    ]

    assert tuple(num_trained(applied(name, **each)) for each in sizes) == counts


def test_a_block_is_as_wide_as_every_width_allows() -> None:
    assert largest_divisor([768, 768], 128) == 128
    assert largest_divisor([312], 128) == 104
    assert largest_divisor([2048, 512], 32) == 32
    assert largest_divisor([640, 1024, 256], 256) == 128
    assert largest_divisor([7, 5], 100) == 1


@pytest.mark.parametrize(("name", "option"), [("fourierft", "n_frequency"), ("waveft", "n_frequency"), ("shira", "r")])
def test_no_more_of_a_matrix_trains_than_there_is(name: str, option: str) -> None:
    whole = 2 * 2 * 32 * 32

    assert num_trained(applied(name, options={option: 5000})) == whole


def test_blocks_are_laid_out_along_the_diagonal_and_so_are_their_gradients() -> None:
    blocks = torch.arange(16.0).reshape(2, 2, 2, 2)
    (whole,) = BlockDiagonal().forward(blocks)
    expected = torch.tensor([[0.0, 1, 0, 0], [2, 3, 0, 0], [0, 0, 4, 5], [0, 0, 6, 7]])

    assert torch.equal(whole[0], expected)
    (gradient,) = BlockDiagonal().backward(whole, blocks)
    assert torch.equal(gradient, blocks)


@pytest.mark.parametrize("num_factors", [1, 2, 3])
def test_boft_turns_a_projection_by_as_many_factors_as_asked_for(num_factors: int) -> None:
    model = applied("boft", options={"num_factors": num_factors, "block_size": 4})
    name = "encoder.layer.0.attention.self.query"
    before = tiny_model("bert", "classification", 3).backbone.get_parameter(f"{name}.weight")
    with torch.no_grad():
        for parameter, value in model.backbone.named_parameters():
            if "boft_R" in parameter:
                assert value.shape == (num_factors, 8, 4, 4)
                value.copy_(torch.randn(value.shape, generator=torch.Generator().manual_seed(0)))
    merged = Boft().merge(model)
    assert merged is not None
    turned = merged.backbone.get_parameter(f"{name}.weight").detach()
    rotation = torch.linalg.lstsq(before.detach(), turned).solution

    torch.testing.assert_close(rotation @ rotation.T, torch.eye(32), atol=1e-3, rtol=0)
    # One factor mixes 4 channels, every further one twice as many.
    assert int((rotation.abs() > 1e-4).sum(0).max()) == 4 * 2 ** (num_factors - 1)


def test_ln_tuning_trains_the_normalisations_and_nothing_else() -> None:
    model = applied("ln-tuning", "modernbert")
    trained = {name for name, value in model.backbone.named_parameters() if value.requires_grad}

    # The first layer has no normalisation before its attention.
    assert trained == {
        *("embeddings.norm.weight", "layers.0.mlp_norm.weight", "layers.1.attn_norm.weight"),
        *("layers.1.mlp_norm.weight", "final_norm.weight"),
    }
    assert num_trained(applied("ln-tuning", "bert")) == 2 * 32 * (1 + 2 * 2)


def test_bitfit_refuses_a_family_without_biases_since_only_the_head_would_train() -> None:
    reasons = {family: BitFit().refuses(tiny_card(tiny_config(family)), "pairs") for family in ("bert", "llama")}

    assert reasons["bert"] is None
    assert reasons["llama"] == "its family has no biases, and only the head would train; use ln-tuning or head-only"
    assert num_trained(applied("bitfit", "llama")) == 0


@pytest.mark.parametrize("name", METHODS.names())
def test_a_method_that_is_no_probe_trains_something_of_the_backbone(name: str) -> None:
    model = tiny_model("bert", "classification", 3)
    context = Context(1, "classification", 8, lambda: iter([tiny_batch("classification")]))
    adapted = METHODS.get(name)().apply(model, model.card, context)

    assert (num_trained(adapted) > 0) == (METHODS.get(name) is not HeadOnly)


def test_a_merged_normalisation_is_the_trained_one() -> None:
    model = applied("ln-tuning")
    weight = model.backbone.get_parameter("encoder.layer.0.output.LayerNorm.weight")
    with torch.no_grad():
        weight.fill_(3.0)

    assert LnTuning().merge(model) is model
    assert torch.equal(model.backbone.get_parameter("encoder.layer.0.output.LayerNorm.weight"), torch.full((32,), 3.0))
