"""Megatron-BERT (Shoeybi et al., 2019; GatorTron): BERT with its normalisation before each part."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.models.families.bert import Bert


class MegatronBert(Bert):
    """Megatron-BERT (Shoeybi et al., 2019; GatorTron): BERT with its normalisation before each part."""

    norms: ClassVar[tuple[str, ...]] = ("ln",)
    calls_attention_interface: ClassVar[bool] = False
