"""Our attention is softmax(q kᵀ) v and its gradient, for whole batches and in parts, whatever each query may see."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from clinpeft.models import attention as module
from clinpeft.models.attention import attention
from clinpeft.models.families.base import FAMILIES
from clinpeft.testing.tiny import tiny_batch, tiny_model

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


@pytest.mark.parametrize("kept_bytes", [1 << 30, 0], ids=["at-once", "in-parts"])
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


def causal(length: int) -> torch.Tensor:
    return torch.ones(length, length, dtype=torch.bool).tril()


def near(length: int, window: int) -> torch.Tensor:
    places = torch.arange(length)
    return (places[:, None] - places[None, :]).abs() <= window


@pytest.mark.parametrize("kept_bytes", [1 << 30, 0], ids=["at-once", "in-blocks"])
@pytest.mark.parametrize("prefix", [0, 3])
@pytest.mark.parametrize("sees", [causal(80), near(80, 5), causal(80) & near(80, 40)], ids=["causal", "near", "both"])
def test_what_a_query_may_not_see_is_hidden_from_it(
    sees: torch.Tensor, prefix: int, kept_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "KEPT_BYTES", kept_bytes)
    monkeypatch.setattr(module, "BLOCK", 16)
    monkeypatch.setattr(module, "ROUNDED_TO", 1)
    inputs = states(2, 2, 80, 80 + prefix, 8)
    # The second text ends after 50 words.
    is_word = torch.arange(80)[None, :] < torch.tensor([[80], [50]])
    is_seen = functional.pad((sees & is_word[:, None, :])[:, None], (prefix, 0), value=True)

    own = attention(*inputs, is_seen, 0.3)
    expected = functional.scaled_dot_product_attention(*inputs, attn_mask=is_seen, scale=0.3)

    for ours, theirs in zip(
        result_and_gradients(own, inputs, is_word),
        result_and_gradients(expected.transpose(1, 2), inputs, is_word),
        strict=True,
    ):
        assert torch.allclose(ours, theirs, atol=1e-12)


def test_in_blocks_only_the_keys_are_read_that_a_query_of_the_block_sees(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 64)
    parts = module._parts(near(256, 10)[None, None], 1, 256, 256)

    # In steps of 32.
    assert parts is not None
    assert [(part.queries.start, part.keys.start, part.keys.stop) for part in parts] == [
        (0, 0, 96),
        (64, 32, 160),
        (128, 96, 224),
        (192, 160, 256),
    ]


def test_padding_that_sees_nothing_makes_no_number_of_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BLOCK", 4)
    is_seen = near(12, 1)[None, None] & (torch.arange(12) < 4)
    for kept_bytes in (1 << 30, 0):
        monkeypatch.setattr(module, "KEPT_BYTES", kept_bytes)
        inputs = states(1, 2, 12, 12, 8)
        result = attention(*inputs, is_seen, 1.0)
        result[:, :4].sum().backward()

        assert bool(result.isfinite().all())
        assert all(bool(each.grad.isfinite().all()) for each in inputs if each.grad is not None)


@pytest.mark.parametrize("kept_bytes", [1 << 30, 0], ids=["at-once", "in-blocks"])
@pytest.mark.parametrize("family", [name for name, entry in FAMILIES if entry.calls_attention_interface])
def test_every_family_that_asks_for_it_computes_what_its_own_attention_does(
    family: str, kept_bytes: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Windows of 8 and texts of 16; a block below the length, so that ours is asked in full precision too.
    monkeypatch.setattr(module, "KEPT_BYTES", kept_bytes)
    monkeypatch.setattr(module, "BLOCK", 4)
    model, batch = tiny_model(family, "entities", 3), tiny_batch("entities")
    assert model.backbone.config._attn_implementation == module.NAME
    found = []
    for implementation in (module.NAME, "eager"):
        model.backbone.config._attn_implementation = implementation
        model.zero_grad()
        output = model.backbone(input_ids=batch.input_ids, attention_mask=batch.attention_mask)
        words = output.last_hidden_state[batch.attention_mask == 1]
        (words * torch.linspace(0, 1, words.numel()).view(words.shape)).sum().backward()
        gradients = [value.grad.flatten() for value in model.backbone.parameters() if value.grad is not None]
        found.append((words.detach(), torch.cat(gradients)))

    for ours, theirs in zip(*found, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-5 * float(theirs.abs().max()), rtol=1e-4)


def test_queries_of_a_group_share_a_key() -> None:
    query = states(2, 4, 6, 6, 8)[0]
    _, key, value = states(2, 2, 6, 6, 8)

    own, _ = module._attend(torch.nn.Module(), query, key, value, None, scaling=0.3)
    expected = functional.scaled_dot_product_attention(query, key, value, scale=0.3, enable_gqa=True)

    assert torch.allclose(own, expected.transpose(1, 2), atol=1e-12)


def test_a_learned_bias_of_positions_hides_what_is_masked() -> None:
    inputs, bias = states(2, 2, 5, 5, 4), torch.randn(1, 2, 5, 5, dtype=torch.float64)
    is_word = padding(2, 5, 5)

    own, _ = module._attend(torch.nn.Module(), *inputs, is_word, scaling=0.3, position_bias=bias)
    mask = bias.masked_fill(~is_word[:, None, None, :], float("-inf"))
    expected = functional.scaled_dot_product_attention(*inputs, attn_mask=mask, scale=0.3)

    assert torch.allclose(own, expected.transpose(1, 2), atol=1e-12)


def test_in_bf16_it_is_as_near_to_the_truth_as_torch_is() -> None:
    inputs = states(2, 4, 64, 64, 32)
    truth = functional.scaled_dot_product_attention(*inputs, scale=0.2).transpose(1, 2)
    short = tuple(each.bfloat16() for each in inputs)

    own = (attention(*short, None, 0.2).double() - truth).abs().max()
    torchs = (functional.scaled_dot_product_attention(*short, scale=0.2).transpose(1, 2).double() - truth).abs().max()

    assert own <= 2 * torchs
