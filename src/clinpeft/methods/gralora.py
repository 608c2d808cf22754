"""GraLoRA: a low-rank update for each block of a matrix."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import common_divisor, query_and_value

if TYPE_CHECKING:
    from torch import nn

    from clinpeft.models.catalogue import ModelCard


class GraLora(_PeftMethod):
    """Each query and value projection is cut into `blocks`² blocks with a low-rank pair each (Jung et al., 2025).

    As many parameters as LoRA of rank `blocks` · `block_rank`. Where the widths cannot be cut into so many blocks, the
    next smaller number is taken. The default learning rate is LoRA's, with the same scale of 2.
    """

    title: ClassVar[str] = "GraLoRA: a low-rank update for each block of a projection"
    citation: ClassVar[str] = "Jung et al., GraLoRA, NeurIPS 2025"
    learning_rate: ClassVar[float] = 3e-3
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"block_rank": (2, 32, "log")}

    blocks: Annotated[int, Field(ge=1, le=64)] = 2
    """Cuts of either side."""
    block_rank: Annotated[int, Field(ge=1, le=512)] = 16
    """Rank of a block's pair."""
    scale: Annotated[float, Field(gt=0)] = 2
    """alpha / r."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout before the pairs."""

    def config(self, card: ModelCard) -> Any:
        from peft import GraloraConfig

        r = self.blocks * self.block_rank
        return GraloraConfig(
            r=r,
            gralora_k=self.blocks,
            alpha=self.scale * r,
            gralora_dropout=self.dropout,
            bias="none",
            target_modules=query_and_value(card),
        )

    def suit(self, config: Any, maps: list[nn.Linear]) -> None:
        config.gralora_k = common_divisor(maps, self.blocks)
        config.r = config.gralora_k * self.block_rank
        config.alpha = self.scale * config.r
