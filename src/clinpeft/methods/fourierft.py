"""FourierFT: the update is given by a few frequencies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import query_and_value

if TYPE_CHECKING:
    from torch import nn

    from clinpeft.models.catalogue import ModelCard


class FourierFt(_PeftMethod):
    """Coefficients at random places of the update's discrete Fourier spectrum train (Gao et al., ICML 2024).

    The places are the same for every seed. The paper trains at 5e-2 to 1e-1 in matrices of width 768; the
    upper end suits narrower ones too.
    """

    title: ClassVar[str] = "FourierFT: a few coefficients of the update's spectrum train"
    citation: ClassVar[str] = "Gao et al., Parameter-Efficient Fine-Tuning with Discrete Fourier Transform, ICML 2024"
    learning_rate: ClassVar[float] = 1e-1
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"n_frequency": (100, 10000, "log")}

    n_frequency: Annotated[int, Field(ge=1)] = 1000
    """Coefficients of a projection; no more than its weights."""
    scaling: Annotated[float, Field(gt=0)] = 150
    """Factor of the inverse transform."""

    def config(self, card: ModelCard) -> Any:
        from peft import FourierFTConfig

        return FourierFTConfig(n_frequency=self.n_frequency, scaling=self.scaling, target_modules=query_and_value(card))

    def suit(self, config: Any, maps: list[nn.Linear]) -> None:
        config.n_frequency = min(self.n_frequency, *(layer.weight.numel() for layer in maps))
