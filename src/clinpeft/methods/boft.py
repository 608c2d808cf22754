"""BOFT: the input of a projection is rotated by a product of sparse matrices."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import query_and_value
from clinpeft.methods._widths import largest_divisor

if TYPE_CHECKING:
    from torch import nn

    from clinpeft.methods.base import Context
    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel


class Boft(_PeftMethod):
    """Butterfly factors, orthogonal and block-diagonal after a permutation, and a scale train (Liu et al., ICLR 2024).

    Every machine takes the same number of factors (docs/decisions/0016-methods-in-place.md). Its learning rate is
    that of OFT.
    """

    title: ClassVar[str] = "BOFT: rotations of the projections' inputs in butterfly factors"
    citation: ClassVar[str] = "Liu et al., Orthogonal Finetuning via Butterfly Factorization, ICLR 2024"
    learning_rate: ClassVar[float] = 3e-3
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"block_size": (2, 32, "log")}

    block_size: Annotated[int, Field(ge=2)] = 8
    """Width of a rotated block; the largest even one that the projections' widths allow is taken."""
    num_factors: Annotated[int, Field(ge=1, le=8)] = 2
    """Factors of the rotation, each mixing more distant channels, as far as the projections' widths can be halved."""

    def config(self, card: ModelCard) -> Any:
        from peft import BOFTConfig

        return BOFTConfig(
            boft_block_size=self.block_size,
            boft_n_butterfly_factor=self.num_factors,
            target_modules=query_and_value(card),
        )

    def suit(self, config: Any, maps: list[nn.Linear]) -> None:
        """Every further factor needs twice as many blocks; a block has an even width."""
        widths = [layer.in_features for layer in maps]
        config.boft_n_butterfly_factor = factors = min(self.num_factors, *(_twos(width) for width in widths))
        blocks = [width // 2**factors for width in widths]
        config.boft_block_size = 2 * largest_divisor(blocks, self.block_size // 2)

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        from peft.tuners.boft import layer

        from clinpeft.methods._block_diagonal import BlockDiagonal

        layer._FBD_CUDA = BlockDiagonal()
        return super().apply(model, card, context)


def _twos(number: int) -> int:
    """How often 2 divides a width, at least once for all that there are."""
    return (number & -number).bit_length() - 1
