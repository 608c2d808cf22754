"""DeBERTa v2 and v3 (He et al., ICLR 2021 and 2023): an attention of its own with relative positions, no pooler."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from clinpeft.models.families.bert import Bert


class DebertaV2(Bert):
    """DeBERTa v2 and v3 (He et al., ICLR 2021 and 2023): an attention of its own with relative positions, no pooler."""

    query: ClassVar[str] = "attention.self.query_proj"
    key: ClassVar[str] = "attention.self.key_proj"
    value: ClassVar[str] = "attention.self.value_proj"
    pooler: ClassVar[str | None] = None
    calls_attention_interface: ClassVar[bool] = False
    has_token_types: ClassVar[bool] = False
    has_absolute_positions: ClassVar[bool] = False
    usual_config: ClassVar[Mapping[str, Any]] = {
        "relative_attention": True,
        "position_biased_input": False,
        "pos_att_type": ["p2c", "c2p"],
        "share_att_key": True,
        "norm_rel_ebd": "layer_norm",
        "position_buckets": 256,
        "type_vocab_size": 0,
    }
