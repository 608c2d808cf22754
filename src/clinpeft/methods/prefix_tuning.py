"""Prefix tuning: learned keys and values in every layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from clinpeft.methods._peft import _VirtualTokenMethod
from clinpeft.spec import Kind

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard


class PrefixTuning(_VirtualTokenMethod):
    """Keys and values of virtual tokens train in every layer (Li and Liang, ACL 2021; P-Tuning v2, Liu et al., 2022).

    The text keeps its own positions, so no length is lost.
    """

    title: ClassVar[str] = "prefix tuning: learned keys and values in every layer"
    citation: ClassVar[str] = "Li and Liang, Prefix-Tuning, ACL 2021"
    learning_rate: ClassVar[float] = 3e-2
    grouping: ClassVar[Literal["low_rank", "vector", "tokens"] | None] = "tokens"
    is_prefix: ClassVar[bool] = True

    def refuses(self, card: ModelCard, kind: Kind) -> str | None:
        if card.architecture().takes_prefix:
            return None
        return f"family '{card.family}' takes no past keys and values in transformers; use lora or p-tuning"

    def config(self, card: ModelCard) -> Any:
        from peft import PrefixTuningConfig

        return PrefixTuningConfig(**self.sizes(card))
