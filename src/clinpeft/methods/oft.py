"""OFT: the input of a projection is rotated in blocks."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import query_and_value
from clinpeft.methods._widths import largest_divisor

if TYPE_CHECKING:
    from torch import nn

    from clinpeft.models.catalogue import ModelCard


class Oft(_PeftMethod):
    """A block-diagonal orthogonal matrix before each projection trains (Qiu et al., NeurIPS 2023).

    The rotations are Cayley transforms, taken exactly and not as peft's truncated series. An angle moves as fast as
    LoRA's entries.
    """

    title: ClassVar[str] = "OFT: block-wise rotations of the projections' inputs"
    citation: ClassVar[str] = "Qiu et al., Controlling Text-to-Image Diffusion by Orthogonal Finetuning, NeurIPS 2023"
    learning_rate: ClassVar[float] = 3e-3
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"block_size": (4, 128, "log")}

    block_size: Annotated[int, Field(ge=2)] = 32
    """Width of a rotated block; the largest divisor of the projections' widths up to it is taken."""

    def config(self, card: ModelCard) -> Any:
        from peft import OFTConfig

        return OFTConfig(oft_block_size=self.block_size, use_cayley_neumann=False, target_modules=query_and_value(card))

    def suit(self, config: Any, maps: list[nn.Linear]) -> None:
        config.oft_block_size = largest_divisor([layer.in_features for layer in maps], self.block_size)
