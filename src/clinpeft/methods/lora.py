"""LoRA: low-rank updates of the attention's projections."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar, Literal

from clinpeft.methods._low_rank import _LowRankMethod
from clinpeft.methods._targets import as_published, query_and_value

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard


class Lora(_LowRankMethod):
    """A low-rank matrix beside each query and value projection trains (Hu et al., ICLR 2022).

    The scale is alpha / r = 2; the 2024 study used alpha = r.
    """

    title: ClassVar[str] = "LoRA: low-rank updates of query and value projections"
    citation: ClassVar[str] = "Hu et al., LoRA, ICLR 2022"
    learning_rate: ClassVar[float] = 3e-3

    projections: Literal["query-value", "as-published"] = "query-value"
    """`as-published`: the key too where a model's path holds "mobile", "tiny" or "distilbert", as in the 2024 study."""

    def targets(self, card: ModelCard) -> list[str] | str:
        return as_published(card) if self.projections == "as-published" else query_and_value(card)
