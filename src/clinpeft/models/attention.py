"""Attention for CPUs with its backward written out: at clinical lengths several times faster than the fused kernel.

The scores of a few examples at a time stay in the processor's cache, padding and what a window hides are cut off rather
than masked where that pays, and no weights of the attention are kept for the backward pass of long texts.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import torch
from torch.nn import functional

NAME = "clinpeft_cpu"
"""How a configuration asks for it."""
KEPT_BYTES = 8 << 20
"""Up to so many bytes of scores, a batch is computed at once and its attention weights are kept."""

ROUNDED_TO = 32
BLOCK = 128
"""Queries of a text that are taken together where each sees keys of its own."""


def register() -> str:
    """Make transformers know this attention; its name for `attn_implementation`."""
    from transformers import AttentionInterface, AttentionMaskInterface

    AttentionInterface.register(NAME, _attend)
    AttentionMaskInterface.register(NAME, _mask)
    return NAME


def attention(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, is_seen: torch.Tensor | None, scaling: float
) -> torch.Tensor:
    """softmax(query · keyᵀ · scaling) · value (Vaswani et al., NeurIPS 2017).

    query: [B, H, L, D]; key, value: [B, H, M, D] with M ≥ L, where the last L keys belong to the queries (a learned
    prefix stands before them); is_seen: bool [B, M], the keys that every query sees (False for padding), or
    [B, 1, L, M], those that each one sees; None when all see all. Returns [B, L, H, D].
    What comes out of a padded query is 0 or arbitrary, and nothing flows back from it.
    """
    # A learned prefix, or an adapted query, may come in a wider number format; autocast ends before the backward pass.
    if torch.is_autocast_enabled(query.device.type):
        query = query.to(torch.get_autocast_dtype(query.device.type))
    key, value = key.to(query.dtype), value.to(query.dtype)
    is_own = is_seen is not None and is_seen.ndim == 4
    if is_own and query.dtype == torch.float32 and query.shape[2] <= BLOCK:
        # Where the processor has no use for short numbers, torch's kernel is as fast on short texts.
        plain = functional.scaled_dot_product_attention(query, key, value, attn_mask=is_seen, scale=scaling)
        return plain.transpose(1, 2)
    num_scores = query.shape[0] * query.shape[1] * query.shape[2] * key.shape[2]
    is_small = num_scores * query.element_size() <= KEPT_BYTES
    parts = None if is_small else _parts(is_seen, len(query), query.shape[2], key.shape[2])
    result: torch.Tensor
    if parts is None:
        result = _AtOnce.apply(query, key, value, is_seen, scaling)  # type: ignore[no-untyped-call]
    else:
        result = _InParts.apply(query, key, value, parts, scaling)  # type: ignore[no-untyped-call]
    return result


class _Part(NamedTuple):
    """Queries of one text with the keys that any of them sees."""

    row: int
    queries: slice
    keys: slice
    num_seen: int
    """Of these keys; what comes after them is padding."""
    is_hidden: torch.Tensor | None = None
    """bool [l, m], by query and key; None when all see the same."""


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
    assert kwargs.get("softcap") is None, "no part of this attention"
    if (bias := kwargs.get("position_bias")) is not None:
        return _with_bias(query, key, value, attention_mask, bias, scaling), None
    if (num_queries := query.shape[1] // key.shape[1]) > 1:
        # Grouped heads (Ainslie et al., EMNLP 2023): several queries share a key.
        key, value = (each.repeat_interleave(num_queries, dim=1) for each in (key, value))
    return attention(query, key, value, attention_mask, scaling or query.shape[-1] ** -0.5), None


def _with_bias(
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    is_seen: torch.Tensor | None,
    bias: torch.Tensor,
    scaling: float | None,
) -> torch.Tensor:
    """T5 adds a learned number to each score, by torch's own kernel; bias: [1, H, L, M]."""
    bias = bias.to(query.dtype)
    if is_seen is not None:
        is_seen = is_seen[:, None, None, :] if is_seen.ndim == 2 else is_seen
        bias = bias.masked_fill(~is_seen, torch.finfo(bias.dtype).min)
    return functional.scaled_dot_product_attention(query, key, value, attn_mask=bias, scale=scaling).transpose(1, 2)


def _mask(
    *, attention_mask: torch.Tensor | None = None, mask_function: Callable[..., Any], **kwargs: Any
) -> torch.Tensor | None:
    """bool [B, M], which keys count, where that is for every query the same; None when all do; else [B, 1, L, M]."""
    from transformers.masking_utils import bidirectional_mask_function, sdpa_mask

    if mask_function is bidirectional_mask_function:
        return None if attention_mask is None or bool(attention_mask.all()) else attention_mask
    skips = {"allow_is_causal_skip": False, "allow_is_bidirectional_skip": False}
    mask: torch.Tensor = sdpa_mask(attention_mask=attention_mask, mask_function=mask_function, **{**kwargs, **skips})
    return mask


def _parts(is_seen: torch.Tensor | None, batch: int, length: int, num_keys: int) -> list[_Part] | None:
    """What to compute of a batch; None where keys that count come after keys that do not."""
    if is_seen is None:
        return [_Part(row, slice(0, length), slice(0, num_keys), num_keys) for row in range(batch)]
    is_word = is_seen if is_seen.ndim == 2 else is_seen[:, 0].any(1)
    if bool((is_word[:, 1:] > is_word[:, :-1]).any()):
        return None
    parts = []
    for row, num_real in enumerate(is_word.sum(1).tolist()):
        keys = _rounded(num_real, num_keys)
        num_queries = keys - (num_keys - length)
        if is_seen.ndim == 2:
            parts.append(_Part(row, slice(0, num_queries), slice(0, keys), num_real))
        else:
            blocks = range(0, num_queries, BLOCK)
            parts += [_block(row, slice(at, min(at + BLOCK, num_queries)), is_seen[row, 0], keys) for at in blocks]
    return parts


def _block(row: int, queries: slice, is_seen: torch.Tensor, num_keys: int) -> _Part:
    """The queries with the keys between the first and the last that one of them sees."""
    seen = is_seen[queries, :num_keys].any(0).nonzero()
    first, last = (int(seen[0]), int(seen[-1])) if len(seen) else (0, 0)
    keys = slice(first - first % ROUNDED_TO, _rounded(last + 1, num_keys))
    return _Part(row, queries, keys, keys.stop - keys.start, ~is_seen[queries, keys])


def _rounded(length: int, longest: int) -> int:
    """Few different lengths: for each, the processor's kernels are made anew and kept."""
    return min(longest, -(-length // ROUNDED_TO) * ROUNDED_TO)


class _AtOnce(torch.autograd.Function):
    """All examples in one product; what is not seen is masked, and the attention's weights are kept for the backward
    pass."""

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, is_seen: Any, scaling: float) -> torch.Tensor:
        (batch, heads, length, width), num_keys = query.shape, key.shape[2]
        query = query.reshape(-1, length, width)
        key, value = key.reshape(-1, num_keys, width), value.reshape(-1, num_keys, width)
        scores = _product(query, key.transpose(1, 2), scaling)
        if is_seen is not None:
            is_hidden = ~(is_seen[:, None, None, :] if is_seen.ndim == 2 else is_seen)
            scores.view(batch, heads, length, num_keys).masked_fill_(is_hidden, torch.finfo(scores.dtype).min)
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


class _InParts(torch.autograd.Function):
    """Example by example, with little padding; the attention's weights are computed again in the backward pass."""

    @staticmethod
    def forward(ctx: Any, query: Any, key: Any, value: Any, parts: list[_Part], scaling: float) -> torch.Tensor:
        batch, heads, length, width = query.shape
        query, key, value = query.contiguous(), key.contiguous(), value.contiguous()
        result: torch.Tensor = query.new_zeros(batch, length, heads, width)
        for part in parts:
            row, queries, keys = part[:3]
            weights = _weights(query[row, :, queries], key[row, :, keys], part, scaling)
            result[row, queries] = torch.bmm(weights, value[row, :, keys]).transpose(0, 1)
        ctx.save_for_backward(query, key, value)
        ctx.parts, ctx.scaling = parts, scaling
        return result

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[Any, ...]:
        query, key, value = ctx.saved_tensors
        # Where several parts add up on a key, they do so in full precision.
        sums = query.dtype if len(ctx.parts) <= len(query) else torch.promote_types(query.dtype, torch.float32)
        of_query = torch.zeros_like(query)
        of_key, of_value = torch.zeros_like(key, dtype=sums), torch.zeros_like(value, dtype=sums)
        for part in ctx.parts:
            row, queries, keys = part[:3]
            q, k, v = query[row, :, queries], key[row, :, keys], value[row, :, keys]
            weights = _weights(q, k, part, ctx.scaling)
            of_result = gradient[row, queries].transpose(0, 1).contiguous()
            of_q, of_k, of_v = _gradients(q, k, v, weights, of_result, ctx.scaling)
            of_query[row, :, queries] = of_q
            of_key[row, :, keys] += of_k
            of_value[row, :, keys] += of_v
        return of_query, of_key.to(key.dtype), of_value.to(key.dtype), None, None


def _weights(query: torch.Tensor, key: torch.Tensor, part: _Part, scaling: float) -> torch.Tensor:
    """Of a part's queries [H, l, D] for its keys [H, m, D].

    A query that sees nothing (padding behind a window) weighs all keys alike, where -∞ would make numbers of none.
    """
    scores = _product(query, key.transpose(1, 2), scaling)
    lowest = torch.finfo(scores.dtype).min
    scores[:, :, part.num_seen :].fill_(lowest)
    if part.is_hidden is not None:
        scores.masked_fill_(part.is_hidden, lowest)
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
