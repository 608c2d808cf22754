"""TinyLoRA: a few numbers a map turn its principal directions."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import query_and_value

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard


class TinyLora(_PeftMethod):
    """A short vector for each query and value projection mixes its leading singular directions (Morris et al., 2026).

    The directions are saved, as another machine may find them with the other sign; the random tensors through which
    the vector acts come from a seed, and are not. The default learning rate is that of a vector that starts at 0.
    """

    title: ClassVar[str] = "TinyLoRA: a short trained vector mixes the weights' leading directions"
    citation: ClassVar[str] = "Morris et al., Learning to Reason in 13 Parameters, arXiv:2602.04118, 2026"
    learning_rate: ClassVar[float] = 5e-3
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {
        "r": (1, 16, "log"),
        "u": (8, 256, "log"),
    }

    r: Annotated[int, Field(ge=1, le=256)] = 8
    """Singular directions of each matrix. The paper's 2 leave small encoders all but where they were (measured)."""
    u: Annotated[int, Field(ge=1, le=4096)] = 64
    """Trained numbers a projection."""
    tying: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Share of the projections that use another's vector; 1 leaves one vector for all."""

    def config(self, card: ModelCard) -> Any:
        from peft import TinyLoraConfig

        return TinyLoraConfig(
            r=self.r, u=self.u, weight_tying=self.tying, save_projection=False, target_modules=query_and_value(card)
        )
