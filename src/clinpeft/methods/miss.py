"""MiSS: shards of a projection's weight share one update."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import query_and_value

if TYPE_CHECKING:
    from torch import nn

    from clinpeft.models.catalogue import ModelCard


class MiSs(_PeftMethod):
    """One small matrix is added to every shard of a projection's weight (Kang and Yin, 2024; formerly Bone).

    It acts on all weights at once, so that its learning rate is near that of full fine-tuning.
    """

    title: ClassVar[str] = "MiSS: one small matrix is added to every shard of a weight"
    citation: ClassVar[str] = (
        "Kang and Yin, MiSS: Balancing LoRA Performance and Efficiency with Simple Shard Sharing, arXiv:2409.15371"
    )
    learning_rate: ClassVar[float] = 1e-3
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"r": (8, 128, "log")}

    r: Annotated[int, Field(ge=1)] = 64
    """Columns of a shard; no more than the projection has."""

    def config(self, card: ModelCard) -> Any:
        from peft import MissConfig

        return MissConfig(r=self.r, target_modules=query_and_value(card))

    def suit(self, config: Any, maps: list[nn.Linear]) -> None:
        config.r = min(self.r, *(layer.in_features for layer in maps))
