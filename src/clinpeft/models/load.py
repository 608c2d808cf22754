"""From a ModelCard to a network: a pre-trained backbone with a new head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import torch
from torch import nn
from torch.nn import functional

from clinpeft.data.batch import Batch
from clinpeft.data.long_text import WindowPooling
from clinpeft.errors import BadInput
from clinpeft.models.attention import register
from clinpeft.models.catalogue import ModelCard, ResolvedModel
from clinpeft.models.dropout import configure_dropout, suit_dropout
from clinpeft.models.weights import WEIGHTS, holds
from clinpeft.models.windows import WindowPool, window_pooling_of
from clinpeft.spec import Dropout, Kind

Pooling = Literal["mean", "first", "last", "words", "markers"]


class Head(nn.Module):
    """Turns hidden states [B, L, H] into logits: [B, k], or [B, L, k] for entities.

    A text is the mean over its word pieces, its first piece or its last (as the model's card says); a relation is the
    pair of states at its two start markers (Baldini Soares et al., ACL 2019), or the last piece where only that has
    seen both mentions; an entity tag is read off each word piece.
    `pooler` is BERT's dense layer with tanh, made here (and so trained and saved) when the checkpoint lacks one.
    """

    def __init__(
        self,
        pooling: Pooling,
        hidden_size: int,
        num_outputs: int,
        *,
        has_pooler: bool,
        windows: WindowPooling = "mean",
    ) -> None:
        super().__init__()
        self.pooling: Pooling = pooling
        self.pooler = nn.Linear(hidden_size, hidden_size) if has_pooler else None
        self.dropout = nn.Dropout(0.1)
        self.out = nn.Linear(2 * hidden_size if pooling == "markers" else hidden_size, num_outputs)
        for layer in (self.pooler, self.out):
            if layer is not None:
                nn.init.normal_(layer.weight, std=0.02)
                nn.init.zeros_(layer.bias)
        self.windows = WindowPool(windows, hidden_size)

    def forward(self, features: torch.Tensor, num_windows: Sequence[int] | None = None) -> torch.Tensor:
        """Logits from the features of a text, a pair of mentions, or every word piece.

        num_windows: rows of each text where long ones stand in several; their logits become one, but for entities.
        """
        if self.pooler is not None:
            features = torch.tanh(self.pooler(features))
        scaled = functional.layer_norm(features, features.shape[-1:])
        logits: torch.Tensor = self.out(self.dropout(scaled)).float()
        if num_windows is None or self.pooling == "words":
            return logits
        pooled: torch.Tensor = self.windows(logits, scaled, num_windows)
        return pooled

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
        if self.pooling == "last":
            # Padding is on the right.
            return hidden[torch.arange(len(hidden), device=hidden.device), batch.attention_mask.sum(1) - 1]
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
        self.whole_digest: str | None = None
        """Of the frozen weights, where this process holds a part of them only (train.sharding)."""
        self._has_global_attention = card.architecture().has_global_attention
        # In a tuple: the pooler is the backbone's module, wherever a method moves it, and must not be counted twice.
        self._pooler = (getattr(backbone, "pooler", None),)

    def forward(self, batch: Batch) -> torch.Tensor:
        """Logits: [B, k], or [B, L, k] for entities, in float32."""
        logits: torch.Tensor = self.head(self.features(batch), batch.num_windows)
        return logits

    def features(self, batch: Batch) -> torch.Tensor:
        """What the backbone gives the head: [B, H], [B, 2 H] for relations, [B, L, H] for entities."""
        inputs: dict[str, Any] = {"input_ids": batch.input_ids, "attention_mask": batch.attention_mask}
        if batch.token_type_ids is not None:
            inputs["token_type_ids"] = batch.token_type_ids
        if self._has_global_attention:
            inputs["global_attention_mask"] = _read_by_all(batch)
        output = self.backbone(**inputs)
        hidden, pooler = output.last_hidden_state, self._pooler[0]
        if pooler is None:
            return self.head.pool(hidden, batch)
        if (pooled := getattr(output, "pooler_output", None)) is not None:
            return cast(torch.Tensor, pooled)
        # ALBERT's pooler is the bare matrix of what is a module elsewhere.
        features: torch.Tensor = torch.tanh(pooler(hidden[:, 0])) if isinstance(pooler, nn.Linear) else pooler(hidden)
        return features


def _read_by_all(batch: Batch) -> torch.Tensor:
    """int64 [B, L]: 1 for the first piece and the markers of a relation, which every piece attends to and which attend
    to every piece."""
    mask = torch.zeros_like(batch.input_ids)
    mask[:, 0] = 1
    return mask if batch.markers is None else mask.scatter(1, batch.markers, 1)


@dataclass(frozen=True)
class Sizes:
    """Parameter counts of a model."""

    adapter: int
    head: int
    trainable: int
    total: int


def load(
    model: ResolvedModel,
    kind: Kind,
    num_labels: int,
    seed: int,
    device: torch.device | None = None,
    long_text: str = "truncate",
    dropout: Dropout = "none",
) -> ClinicalModel:
    """The backbone in float32 with a fresh head; `seed` fixes the head's initial weights, `device` (by default the CPU)
    is where it will compute, and is not moved to; dropout: which of the backbone's own stays on in training.
    """
    pooling = pooling_of(kind, model.card)
    backbone, has_pooler = _load_backbone(model, device, dropout, wants_pooler=pooling == "first")
    windows = window_pooling_of(kind, long_text)
    return _with_head(backbone, model.card, pooling, num_labels, seed, has_pooler=has_pooler, windows=windows)


def from_config(
    config: Any, card: ModelCard, kind: Kind, num_labels: int, seed: int, *, backbone_seed: int = 0
) -> ClinicalModel:
    """The same network with random weights from transformers' configuration; nothing is read.

    Under `torch.device("meta")` it takes no memory: for counting.
    """
    family, pooling = card.architecture(), pooling_of(kind, card)
    _prepare(config, card, None, "none")
    torch.manual_seed(backbone_seed)
    if family.model_class is None:
        from transformers import AutoModel

        options = {"add_pooling_layer": pooling == "first" and card.has_pooler} if family.pooler else {}
        backbone = AutoModel.from_config(config, **options)
    else:
        backbone = _backbone_class(card)(config)
    pooler = getattr(backbone, "pooler", None)
    if pooler is not None and not list(pooler.parameters()):
        backbone.pooler = pooler = None
    return _with_head(backbone, card, pooling, num_labels, seed, has_pooler=pooler is not None)


def pooling_of(kind: Kind, card: ModelCard) -> Pooling:
    """What the head reads, by kind of task."""
    if kind == "entities":
        return "words"
    if kind == "relations":
        return "last" if card.architecture().reads_last else "markers"
    return card.pooling


def _with_head(
    backbone: nn.Module,
    card: ModelCard,
    pooling: Pooling,
    num_labels: int,
    seed: int,
    *,
    has_pooler: bool,
    windows: WindowPooling = "mean",
) -> ClinicalModel:
    torch.manual_seed(seed)
    needs_pooler = pooling == "first" and not has_pooler
    head = Head(pooling, card.hidden_size, num_labels, has_pooler=needs_pooler, windows=windows)
    return ClinicalModel(backbone, head, card)


def _load_backbone(
    model: ResolvedModel, device: torch.device | None, dropout: Dropout, *, wants_pooler: bool
) -> tuple[nn.Module, bool]:
    from transformers import AutoConfig
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    card, family = model.card, model.card.architecture()
    config = AutoConfig.from_pretrained(model.folder, local_files_only=True)
    _prepare(config, card, device, dropout)
    keeps_pooler = wants_pooler and family.pooler is not None and holds(model.folder, f"{family.pooler}.weight")
    try:
        backbone, loading = _backbone_class(card).from_pretrained(
            model.folder,
            config=config,
            dtype=torch.float32,
            attn_implementation=config._attn_implementation,
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
    if getattr(config, "trigram_input", False):
        # MobileBERT reads each piece with its neighbours': the last one's logits would depend on the padding.
        with torch.no_grad():
            backbone.get_input_embeddings().weight[config.pad_token_id] = 0.0
    suit_dropout(backbone, dropout, device)
    return backbone, keeps_pooler


def _backbone_class(card: ModelCard) -> Any:
    import transformers

    return getattr(transformers, card.architecture().model_class or "AutoModel")


def _prepare(config: Any, card: ModelCard, device: torch.device | None, dropout: Dropout) -> None:
    """The card's number of layers, its dropout, no cache of keys and values, and who computes the attention."""
    family = card.architecture()
    setattr(config, family.num_layers, card.num_layers)
    config.use_cache = False
    has_dropout = configure_dropout(config, dropout)
    is_ours = family.calls_attention_interface and not has_dropout and (device is None or device.type == "cpu")
    # What transformers chooses for None: torch's fused attention for all architectures that have it.
    config._attn_implementation = register() if is_ours else None


def count_parameters(model: ClinicalModel) -> Sizes:
    """Parameters of the adapter (what a method trains in or adds to the backbone), the head, and in all."""
    adapter = sum(parameter.numel() for parameter in model.backbone.parameters() if parameter.requires_grad)
    head = sum(parameter.numel() for parameter in model.head.parameters())
    total = sum(parameter.numel() for parameter in model.parameters())
    # Packed weights are no parameters to torch.
    total += sum(getattr(module, "num_quantized", 0) for module in model.modules())
    return Sizes(adapter=adapter, head=head, trainable=adapter + head, total=total)
