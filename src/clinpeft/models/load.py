"""From a ModelCard to a network: a pre-trained backbone with a new head."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import torch
from torch import nn
from torch.nn import functional

from clinpeft.data.batch import Batch
from clinpeft.errors import BadInput
from clinpeft.models.attention import register
from clinpeft.models.catalogue import WEIGHTS, ModelCard, ResolvedModel
from clinpeft.spec import Kind

Pooling = Literal["mean", "first", "words", "markers"]

DROPOUTS = ("attention_probs_dropout_prob", "hidden_dropout_prob", "attention_dropout", "dropout")
"""What the families' configurations call the backbone's dropout."""


class Head(nn.Module):
    """Turns hidden states [B, L, H] into logits: [B, k], or [B, L, k] for entities.

    A text is the mean over its word pieces or its first piece (as the model's card says); a relation is the pair of
    states at its two start markers (Baldini Soares et al., ACL 2019); an entity tag is read off each word piece.
    `pooler` is BERT's dense layer with tanh, made here (and so trained and saved) when the checkpoint lacks one.
    """

    def __init__(self, pooling: Pooling, hidden_size: int, num_outputs: int, *, has_pooler: bool) -> None:
        super().__init__()
        self.pooling: Pooling = pooling
        self.pooler = nn.Linear(hidden_size, hidden_size) if has_pooler else None
        self.dropout = nn.Dropout(0.1)
        self.out = nn.Linear(2 * hidden_size if pooling == "markers" else hidden_size, num_outputs)
        for layer in (self.pooler, self.out):
            if layer is not None:
                nn.init.normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)

    def forward(self, features: torch.Tensor) -> torch.Tensor:
        """Logits from the features of a text, a pair of mentions, or every word piece."""
        if self.pooler is not None:
            features = torch.tanh(self.pooler(features))
        scaled = functional.layer_norm(features, features.shape[-1:])
        logits: torch.Tensor = self.out(self.dropout(scaled))
        return logits.float()

    def pool(self, hidden: torch.Tensor, batch: Batch) -> torch.Tensor:
        """What the head reads of the states: [B, H], [B, 2 H] for relations, all [B, L, H] for entities."""
        if self.pooling == "words":
            return hidden
        if self.pooling == "first":
            return hidden[:, 0]
        if self.pooling == "markers":
            assert batch.markers is not None
            rows = torch.arange(hidden.shape[0], device=hidden.device).unsqueeze(1)
            return hidden[rows, batch.markers].flatten(1)
        mask = batch.attention_mask.unsqueeze(-1).to(hidden.dtype)
        return (hidden * mask).sum(1) / mask.sum(1)


class ClinicalModel(nn.Module):
    """A backbone (which methods adapt) and a head (which every method trains)."""

    def __init__(self, backbone: nn.Module, head: Head, card: ModelCard) -> None:
        super().__init__()
        self.backbone, self.head, self.card = backbone, head, card
        config: Any = backbone.config
        self.attention: str = config._attn_implementation
        """What computes it: our own on a CPU (models.attention), else as transformers calls it."""
        # In a tuple: the pooler is the backbone's module, wherever a method moves it, and must not be counted twice.
        self._pooler = (getattr(backbone, "pooler", None),)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Logits: [B, k], or [B, L, k] for entities, in float32."""
        logits: torch.Tensor = self.head(self.features(batch))
        return logits

    def features(self, batch: Batch) -> torch.Tensor:
        """What the backbone gives the head: [B, H], [B, 2 H] for relations, [B, L, H] for entities."""
        inputs: dict[str, Any] = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        if batch.token_type_ids is not None:
            inputs["token_type_ids"] = batch.token_type_ids
        hidden = self.backbone(**inputs).last_hidden_state
        pooler = self._pooler[0]
        features: torch.Tensor = self.head.pool(hidden, batch) if pooler is None else pooler(hidden)
        return features


@dataclass(frozen=True)
class Sizes:
    """Parameter counts of a model."""

    adapter: int
    head: int
    trainable: int
    total: int


def load(model: ResolvedModel, kind: Kind, num_labels: int, seed: int) -> ClinicalModel:
    """The backbone in float32 with a fresh head; `seed` fixes the head's initial weights.

    The backbone's dropout is off for every method (docs/decisions/0006-dropout.md): on a CPU it costs up to half of the
    time.
    """
    card = model.card
    pooling = pooling_of(kind, card)
    backbone, has_pooler = _load_backbone(model, wants_pooler=pooling == "first")
    torch.manual_seed(seed)
    head = Head(pooling, card.hidden_size, num_labels, has_pooler=pooling == "first" and not has_pooler)
    return ClinicalModel(backbone, head, card)


def pooling_of(kind: Kind, card: ModelCard) -> Pooling:
    """What the head reads, by kind of task."""
    if kind == "entities":
        return "words"
    return "markers" if kind == "relations" else card.pooling


def _load_backbone(model: ResolvedModel, *, wants_pooler: bool) -> tuple[nn.Module, bool]:
    from transformers import AutoConfig, AutoModel
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    card, family = model.card, model.card.architecture()
    config = AutoConfig.from_pretrained(model.folder, local_files_only=True)
    setattr(config, family.num_layers, card.num_layers)
    for name in DROPOUTS:
        if hasattr(config, name):
            setattr(config, name, 0.0)
    keeps_pooler = wants_pooler and family.pooler is not None and _holds(model, f"{family.pooler}.weight")
    try:
        backbone, loading = AutoModel.from_pretrained(
            model.folder,
            config=config,
            dtype=torch.float32,
            attn_implementation="sdpa" if torch.cuda.is_available() or not family.is_bidirectional else register(),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            output_loading_info=True,
            **({"add_pooling_layer": keeps_pooler} if family.pooler else {}),
        )
    except (OSError, RuntimeError, ValueError) as error:
        raise BadInput(f"model '{card.name}'", f"its files cannot be loaded ({type(error).__name__})") from None
    if loading["missing_keys"]:
        # transformers would fill them with random numbers and go on.
        num_missing = len(loading["missing_keys"])
        raise BadInput(
            f"model '{card.name}'", f"its {WEIGHTS} lacks {num_missing} of the tensors its config.json names"
        )
    return backbone, keeps_pooler


def _holds(model: ResolvedModel, tensor: str) -> bool:
    from safetensors import safe_open

    with safe_open(model.folder / WEIGHTS, "pt") as weights:
        return any(name == tensor or name.endswith("." + tensor) for name in weights.keys())  # noqa: SIM118


def count_parameters(model: ClinicalModel) -> Sizes:
    """Parameters of the adapter (what a method trains in or adds to the backbone), the head, and in all."""
    adapter = sum(parameter.numel() for parameter in model.backbone.parameters() if parameter.requires_grad)
    head = sum(parameter.numel() for parameter in model.head.parameters())
    total = sum(parameter.numel() for parameter in model.parameters())
    return Sizes(adapter=adapter, head=head, trainable=adapter + head, total=total)
