"""Longformer (Beltagy et al., 2020): attention in windows, and to the first word piece from everywhere."""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

from clinpeft.models.families.roberta import Roberta


class Longformer(Roberta):
    """Longformer (Beltagy et al., 2020): attention in windows, and to the first word piece from everywhere."""

    twins: ClassVar[Mapping[str, str]] = {
        "attention.self.query": "attention.self.query_global",
        "attention.self.key": "attention.self.key_global",
        "attention.self.value": "attention.self.value_global",
    }
    calls_attention_interface: ClassVar[bool] = False
    has_global_attention: ClassVar[bool] = True
