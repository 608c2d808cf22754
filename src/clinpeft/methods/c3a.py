"""C3A: the update is made of circular convolutions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import common_divisor, query_and_value

if TYPE_CHECKING:
    from torch import nn

    from clinpeft.models.catalogue import ModelCard


class C3A(_PeftMethod):
    """Blocks of the update are circulant matrices, one kernel each (Chen et al., ACL 2025).

    The update is divided by the projection's width, hence a high learning rate: the paper's 1e-1 to 2e-1 is too low for
    short runs (docs/benchmarks/methods.md).
    """

    title: ClassVar[str] = "C3A: updates made of circular convolutions"
    citation: ClassVar[str] = "Chen et al., Parameter-Efficient Fine-Tuning via Circular Convolution, arXiv:2407.19342"
    learning_rate: ClassVar[float] = 5e-1
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"block_size": (16, 512, "log")}

    block_size: Annotated[int, Field(ge=1)] = 128
    """Width of a block; the largest divisor of the projections' widths up to it is taken."""

    def config(self, card: ModelCard) -> Any:
        from peft import C3AConfig

        return C3AConfig(block_size=self.block_size, target_modules=query_and_value(card))

    def suit(self, config: Any, maps: list[nn.Linear]) -> None:
        config.block_size = common_divisor(maps, self.block_size)
