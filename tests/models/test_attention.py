"""Our attention is softmax(q kᵀ) v and its gradient, for whole batches and example by example."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from clinpeft.models import attention as module
from clinpeft.models.attention import attention

SHAPES = [(3, 2, 5, 5, 4), (2, 3, 8, 8, 16), (2, 2, 6, 9, 8)]
"""Batch, heads, queries, keys, width; three keys more than queries are a learned prefix."""


def states(batch: int, heads: int, queries: int, keys: int, width: int) -> tuple[torch.Tensor, ...]:
    torch.manual_seed(0)
    shapes = [(batch, heads, length, width) for length in (queries, keys, keys)]
    return tuple(torch.randn(shape, dtype=torch.float64, requires_grad=True) for shape in shapes)


def padding(batch: int, queries: int, keys: int) -> torch.Tensor:
    """The first example is whole, every further one two words shorter."""
    kept = [keys - 2 * min(row, (queries - 1) // 2) for row in range(batch)]
    return torch.arange(keys)[None, :] < torch.tensor(kept)[:, None]


def result_and_gradients(
    result: torch.Tensor, inputs: tuple[torch.Tensor, ...], is_query: torch.Tensor
) -> list[torch.Tensor]:
    """Of the words only: what comes out of padding is nobody's."""
    weights = torch.linspace(0, 1, result.numel(), dtype=result.dtype).view(result.shape) * is_query[..., None, None]
    gradients = torch.autograd.grad((result * weights).sum(), inputs)
    return [result * is_query[..., None, None], *gradients]


@pytest.mark.parametrize("kept_bytes", [1 << 30, 0], ids=["at-once", "one-by-one"])
@pytest.mark.parametrize("is_padded", [False, True], ids=["whole", "padded"])
@pytest.mark.parametrize("shape", SHAPES)
def test_it_equals_torch_with_its_gradients(
    shape: tuple[int, ...], is_padded: bool, kept_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", kept_bytes)
    batch, _, queries, keys, _ = shape
    inputs = states(*shape)
    is_word = padding(batch, queries, keys) if is_padded else torch.ones(batch, keys, dtype=torch.bool)
    is_query = is_word[:, keys - queries :]

    own = attention(*inputs, is_word if is_padded else None, 0.3)
    expected = functional.scaled_dot_product_attention(*inputs, attn_mask=is_word[:, None, None, :], scale=0.3)

    for ours, theirs in zip(
        result_and_gradients(own, inputs, is_query),
        result_and_gradients(expected.transpose(1, 2), inputs, is_query),
        strict=True,
    ):
        assert torch.allclose(ours, theirs, atol=1e-12)


def test_a_mask_with_gaps_is_honoured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", 0)
    inputs = states(1, 2, 4, 4, 8)
    is_word = torch.tensor([[True, False, True, True]])

    own = attention(*inputs, is_word, 1.0)
    expected = functional.scaled_dot_product_attention(*inputs, attn_mask=is_word[:, None, None, :], scale=1.0)

    assert torch.allclose(own, expected.transpose(1, 2), atol=1e-12)


def test_in_bf16_it_is_as_near_to_the_truth_as_torch_is() -> None:
    inputs = states(2, 4, 64, 64, 32)
    truth = functional.scaled_dot_product_attention(*inputs, scale=0.2).transpose(1, 2)
    short = tuple(each.bfloat16() for each in inputs)

    own = (attention(*short, None, 0.2).double() - truth).abs().max()
    torchs = (functional.scaled_dot_product_attention(*short, scale=0.2).transpose(1, 2).double() - truth).abs().max()

    assert own <= 2 * torchs
