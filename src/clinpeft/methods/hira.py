"""HiRA: the weights times a low-rank matrix, entry by entry."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import query_and_value

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard


class HiRA(_PeftMethod):
    """The update of a query or value projection W is W ⊙ (B A), whose rank may be high (Huang et al., ICLR 2025).

    The default learning rate is three times LoRA's: the product is made smaller by the weights it is multiplied with.
    """

    title: ClassVar[str] = "HiRA: high-rank updates, the weights times a low-rank matrix entry by entry"
    citation: ClassVar[str] = "Huang et al., HiRA, ICLR 2025"
    learning_rate: ClassVar[float] = 1e-2
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"r": (4, 64, "log")}

    r: Annotated[int, Field(ge=1, le=1024)] = 32
    """Rank of the factor."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Dropout before the update."""

    def config(self, card: ModelCard) -> Any:
        from peft import HiraConfig

        return HiraConfig(r=self.r, hira_dropout=self.dropout, target_modules=query_and_value(card))
