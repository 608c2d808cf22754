"""Attention for CPUs with its backward written out: at clinical lengths several times faster than the fused kernel.

The scores of a few examples at a time stay in the processor's cache, padding is cut off rather than masked where that
pays, and no weights of the attention are kept for the backward pass of long texts.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import torch

NAME = "clinpeft_cpu"
"""How a configuration asks for it."""
KEPT_BYTES = 8 << 20
"""Up to so many bytes of scores, a batch is computed at once and its attention weights are kept."""

ROUNDED_TO = 32


def register() -> str:
    """Make transformers know this attention; its name for `attn_implementation`."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, _attend)
    AttentionMaskInterface.register(NAME, _key_mask)
    return NAME


def attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, is_word: torch.Tensor | None, scaling: float
) -> torch.Tensor:
    """softmax(query · keyᵀ · scaling) · value, bidirectional (Vaswani et al., NeurIPS 2017).

    query: [B, H, L, D]; key, value: [B, H, M, D] with M ≥ L, where the last L keys belong to the queries (a learned
    prefix stands before them); is_word: bool [B, M], False for padding; None when nothing is padded.
    Returns [B, L, H, D].
    What comes out of a padded query is 0 or arbitrary, and nothing flows back from it.
    """
    # A learned prefix may come in a wider number format.
    key, value = key.to(query.dtype), value.to(query.dtype)
    lengths = None if is_word is None else _lengths(is_word)
    num_scores = query.shape[0] * query.shape[1] * query.shape[2] * key.shape[2]
    if num_scores * query.element_size() <= KEPT_BYTES or (is_word is not None and lengths is None):
        result: torch.Tensor = _AtOnce.apply(query, key, value, is_word, scaling)  # type: ignore[no-untyped-call]
    else:
        lengths = lengths or [key.shape[2]] * len(key)
        result = _OneByOne.apply(query, key, value, lengths, scaling)  # type: ignore[no-untyped-call]
    return result


def _attend(
    module: torch.nn.Module,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    dropout: float = 0.0,
    scaling: float | None = None,
    **kwargs: Any,
) -> tuple[torch.Tensor, None]:
    """What transformers calls."""
    assert dropout == 0.0, "the backbone's dropout is off"
    return attention(query, key, value, attention_mask, scaling or query.shape[-1] ** -0.5), None


def _key_mask(
    *, attention_mask: torch.Tensor | None = None, mask_function: Callable[..., Any], **kwargs: Any
) -> torch.Tensor | None:
    """bool [B, M] instead of [B, 1, L, M]: which keys count, for every query the same; None when all do."""
    from transformers.masking_utils import bidirectional_mask_function

    assert mask_function is bidirectional_mask_function, "only encoders attend both ways"
    return None if attention_mask is None or bool(attention_mask.all()) else attention_mask


def _lengths(is_word: torch.Tensor) -> list[int] | None:
    """How many keys of each example count; None unless they come first."""
    if bool((is_word[:, 1:] > is_word[:, :-1]).any()):
        return None
    lengths: list[int] = is_word.sum(1).tolist()
    return lengths


class _AtOnce(torch.autograd.Function):
    """All examples in one product; padding is masked, and the attention's weights are kept for the backward pass."""

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, is_word: Any, scaling: float) -> torch.Tensor:
        (batch, heads, length, width), num_keys = query.shape, key.shape[2]
        query = query.reshape(-1, length, width)
        key, value = key.reshape(-1, num_keys, width), value.reshape(-1, num_keys, width)
        scores = _product(query, key.transpose(1, 2), scaling)
        if is_word is not None:
            scores.view(batch, heads, length, num_keys).masked_fill_(~is_word[:, None, None, :], -math.inf)
        weights = torch.softmax(scores, -1)
        ctx.save_for_backward(query, key, value, weights)
        ctx.shape, ctx.scaling = (batch, heads), scaling
        result = torch.bmm(weights, value).view(batch, heads, length, width)
        return result.transpose(1, 2).contiguous()

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[Any, ...]:
        query, key, value, weights = ctx.saved_tensors
        gradient = gradient.transpose(1, 2).reshape(query.shape)
        gradients = _gradients(query, key, value, weights, gradient, ctx.scaling)
        return (*(each.view(*ctx.shape, *each.shape[1:]) for each in gradients), None, None)


class _OneByOne(torch.autograd.Function):
    """Example by example, with little padding; the attention's weights are computed again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, lengths: list[int], scaling: float) -> torch.Tensor:
        batch, heads, length, width = query.shape
        query, key, value = query.contiguous(), key.contiguous(), value.contiguous()
        result: torch.Tensor = query.new_zeros(batch, length, heads, width)
        prefix = key.shape[2] - length
        for row, num_real in enumerate(lengths):
            keys = _rounded(num_real, key.shape[2])
            words = keys - prefix
            weights = _weights(query[row, :, :words], key[row, :, :keys], num_real, scaling)
            result[row, :words] = torch.bmm(weights, value[row, :, :keys]).transpose(0, 1)
        ctx.save_for_backward(query, key, value)
        ctx.lengths, ctx.scaling = lengths, scaling
        return result

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[Any, ...]:
        query, key, value = ctx.saved_tensors
        of_query, of_key, of_value = (torch.zeros_like(each) for each in (query, key, value))
        prefix = key.shape[2] - query.shape[2]
        for row, num_real in enumerate(ctx.lengths):
            keys = _rounded(num_real, key.shape[2])
            words = keys - prefix
            q, k, v = query[row, :, :words], key[row, :, :keys], value[row, :, :keys]
            weights = _weights(q, k, num_real, ctx.scaling)
            of_result = gradient[row, :words].transpose(0, 1).contiguous()
            of_query[row, :, :words], of_key[row, :, :keys], of_value[row, :, :keys] = _gradients(
                q, k, v, weights, of_result, ctx.scaling
            )
        return of_query, of_key, of_value, None, None


def _rounded(length: int, longest: int) -> int:
    """Few different lengths: for each, the processor's kernels are made anew and kept."""
    return min(longest, -(-length // ROUNDED_TO) * ROUNDED_TO)


def _weights(query: torch.Tensor, key: torch.Tensor, num_real: int, scaling: float) -> torch.Tensor:
    """Of one example [H, L, M]; keys from `num_real` on are padding."""
    scores = _product(query, key.transpose(1, 2), scaling)
    scores[:, :, num_real:].fill_(-math.inf)
    return torch.softmax(scores, -1)


def _product(left: torch.Tensor, right: torch.Tensor, scaling: float) -> torch.Tensor:
    """left · right · scaling, scaled before it is rounded."""
    empty = left.new_empty(left.shape[0], left.shape[1], right.shape[2])
    return torch.baddbmm(empty, left, right, beta=0, alpha=scaling)


def _gradients(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    weights: torch.Tensor,
    gradient: torch.Tensor,
    scaling: float,
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Of query, key and value, from the gradient of the result; all [rows, length, width]."""
    of_value = torch.bmm(weights.transpose(1, 2), gradient)
    of_weights = torch.bmm(gradient, value.transpose(1, 2))
    of_scores = torch._softmax_backward_data(of_weights, weights, -1, weights.dtype)
    return _product(of_scores, key, scaling), _product(of_scores.transpose(1, 2), query, scaling), of_value
