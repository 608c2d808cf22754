"""Learned keys and values in every attention module, entered through transformers' attention interface.

peft hands a prefix over as a cache of past keys and values: most encoders take none, it shifts the positions of the
text, and it is lost when activations are computed again (all measured with peft 0.21). Here each attention module holds
its own prefix, and what computes the attention puts it before the keys and values of the text.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard

PROJECTION_WIDTH = 128
"""Of the perceptron that makes a prefix while it trains (Li and Liang: 512)."""


class Prefix(nn.Module):
    """Keys and values [2, heads, P, width of a head] before those of the text, in one attention module."""

    def __init__(self, states: torch.Tensor) -> None:
        super().__init__()
        self.states = nn.Parameter(states.contiguous())
        self.num_tokens = states.shape[2]

    def forward(self) -> torch.Tensor:
        return self.states


class ProjectedPrefix(nn.Module):
    """The same, made by a perceptron whose first half, `trunk`, all modules share (Li and Liang, ACL 2021)."""

    def __init__(self, trunk: nn.Sequential, num_heads: int, head_width: int) -> None:
        super().__init__()
        self.trunk = trunk
        self.out = nn.Linear(PROJECTION_WIDTH, 2 * num_heads * head_width)
        self.shape = (2, num_heads, head_width)
        embedding: Any = trunk[0]
        self.num_tokens: int = embedding.num_embeddings

    def forward(self) -> torch.Tensor:
        embedding, *others = self.trunk
        inner = embedding.weight
        for layer in others:
            inner = layer(inner)
        states: torch.Tensor = self.out(inner).unflatten(-1, self.shape).permute(1, 2, 0, 3)
        return states


def add_prefixes(backbone: Any, card: ModelCard, num_tokens: int, *, is_projected: bool) -> None:
    """Give every attention module of `backbone` a prefix of `num_tokens` that trains, drawn from N(0, 1)."""
    modules = dict(attention_modules(backbone, card))
    shapes = [_head_shape(module, backbone, card) for module in modules.values()]
    if is_projected:
        width = card.hidden_size
        trunk = nn.Sequential(nn.Embedding(num_tokens, width), nn.Linear(width, PROJECTION_WIDTH), nn.Tanh())
        for module, shape in zip(modules.values(), shapes, strict=True):
            module.prefix = ProjectedPrefix(trunk, *shape)
    else:
        # One draw for all, token by token.
        drawn = torch.empty(num_tokens, 2 * sum(heads * width for heads, width in shapes)).normal_()
        parts = torch.split(drawn, [2 * heads * width for heads, width in shapes], dim=1)
        for module, (heads, width), part in zip(modules.values(), shapes, parts, strict=True):
            module.prefix = Prefix(part.view(num_tokens, 2, heads, width).permute(1, 2, 0, 3))
    _enter(backbone, card, modules.values())


def attention_modules(backbone: nn.Module, card: ModelCard) -> Iterator[tuple[str, Any]]:
    """The modules that hold the key projections, by name; one that several layers share comes once."""
    path, _, projection = card.architecture().key.rpartition(".")
    for name, module in backbone.named_modules():
        if f".{name}".endswith(f".{path}") and hasattr(module, projection):
            yield name, module


def prefix_length(backbone: nn.Module) -> int:
    """How many keys a prefix puts before those of a text; 0 without one."""
    prefixes = (module for module in backbone.modules() if isinstance(module, Prefix | ProjectedPrefix))
    return max((prefix.num_tokens for prefix in prefixes), default=0)


def settle(module: Any, states: torch.Tensor) -> None:
    """Replace what makes the prefix of an attention module by what it came to."""
    module.prefix = Prefix(states)


def _head_shape(module: nn.Module, backbone: Any, card: ModelCard) -> tuple[int, int]:
    """How many heads the keys have, and how wide one is."""
    family = card.architecture()
    projection: Any = getattr(module, family.key.rpartition(".")[2])
    heads = getattr(backbone.config, "num_key_value_heads", None) or card.num_heads
    num_maps = 3 if family.key == family.query else 1
    return heads, projection.out_features // (num_maps * heads)


def _enter(backbone: Any, card: ModelCard, modules: Any) -> None:
    """Let what computes the attention of `backbone` look for prefixes."""
    from transformers import AttentionInterface, AttentionMaskInterface
    from transformers.integrations.sdpa_attention import sdpa_attention_forward

    if (forward := OWN_FORWARDS.get(card.family)) is not None:
        for module in modules:
            module.forward = partial(forward, module, partial(_attend, sdpa_attention_forward))
        return
    functions, masks = AttentionInterface(), AttentionMaskInterface()
    # `eager` is another function in every architecture, and comes to the same as `sdpa`.
    base = name if (name := backbone.config._attn_implementation) in functions else "sdpa"
    AttentionInterface.register(f"{base}_prefix", partial(_attend, functions[base]))
    AttentionMaskInterface.register(f"{base}_prefix", partial(_mask, masks[base]))
    backbone.config._attn_implementation = f"{base}_prefix"


def _attend(
    attend: Callable[..., Any],
    module: Any,
    query: torch.Tensor,
    key: torch.Tensor,
    value: torch.Tensor,
    attention_mask: torch.Tensor | None,
    **options: Any,
) -> Any:
    """What `attend` does, with the module's prefix before the text, where every query sees it."""
    keys, values = module.prefix().to(key.dtype).unsqueeze(1).expand(-1, len(key), -1, -1, -1)
    num_tokens = keys.shape[2]
    if attention_mask is not None:
        is_seen: Any = True if attention_mask.dtype == torch.bool else 0.0
        attention_mask = functional.pad(attention_mask, (num_tokens, 0), value=is_seen)
    if options.get("position_bias") is not None:
        options["position_bias"] = functional.pad(options["position_bias"], (num_tokens, 0))
    options["is_causal"] = False
    key, value = torch.cat([keys, key], dim=2), torch.cat([values, value], dim=2)
    return attend(module, query, key, value, attention_mask, **options)


def _mask(mask: Callable[..., Any], **options: Any) -> Any:
    """A mask that hides what comes later is written out, since the prefix comes before it."""
    return mask(**{**options, "allow_is_causal_skip": False})


def _of_megatron_bert(
    module: Any, attend: Callable[..., Any], hidden_states: torch.Tensor, attention_mask: Any = None, **others: Any
) -> tuple[torch.Tensor, None]:
    """MegatronBertSelfAttention's forward pass, which in transformers 5.23 asks for no attention function."""
    shape = (*hidden_states.shape[:-1], -1, module.attention_head_size)
    maps = (module.query, module.key, module.value)
    states = (project(hidden_states).view(shape).transpose(1, 2) for project in maps)
    return attend(module, *states, attention_mask)[0].flatten(2), None


def _of_deberta_v2(
    module: Any,
    attend: Callable[..., Any],
    hidden_states: torch.Tensor,
    attention_mask: torch.Tensor,
    output_attentions: bool = False,
    query_states: torch.Tensor | None = None,
    relative_pos: torch.Tensor | None = None,
    rel_embeddings: torch.Tensor | None = None,
) -> tuple[torch.Tensor, None]:
    """DisentangledSelfAttention's forward pass; what positions add to the scores goes along as their bias, of which a
    prefix has none: it stands nowhere."""
    heads = module.num_attention_heads
    inputs = (hidden_states if query_states is None else query_states, hidden_states, hidden_states)
    maps = (module.query_proj, module.key_proj, module.value_proj)
    flat = [module.transpose_for_scores(project(states), heads) for project, states in zip(maps, inputs, strict=True)]
    num_terms = 1 + sum(term in module.pos_att_type for term in ("c2p", "p2c"))
    bias = None
    if module.relative_attention and num_terms > 1:
        relative = module.pos_dropout(rel_embeddings)
        bias = module.disentangled_attention_bias(flat[0], flat[1], relative_pos, relative, num_terms)
        bias = bias.unflatten(0, (-1, heads))
    states = (each.unflatten(0, (-1, heads)) for each in flat)
    scaling = (flat[0].shape[-1] * num_terms) ** -0.5
    result = attend(module, *states, attention_mask.bool(), scaling=scaling, position_bias=bias)
    return result[0].flatten(2), None


OWN_FORWARDS: dict[str, Callable[..., Any]] = {"megatron-bert": _of_megatron_bert, "deberta-v2": _of_deberta_v2}
"""Families whose attention asks for no attention function, with a forward pass that does."""
