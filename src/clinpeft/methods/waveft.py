"""WaveFT: the update is given by a few wavelets."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import query_and_value

if TYPE_CHECKING:
    from torch import nn

    from clinpeft.models.catalogue import ModelCard


class WaveFt(_PeftMethod):
    """Coefficients at random places of the update's wavelet transform train (Bilican et al., 2025).

    The places are the same for every seed. A coefficient reaches four weights, 25 times as fast as the learning rate
    says: it is a third of LoRA's.
    """

    title: ClassVar[str] = "WaveFT: a few coefficients of the update's wavelet transform train"
    citation: ClassVar[str] = (
        "Bilican et al., Exploring Sparsity for Parameter Efficient Fine Tuning Using Wavelets, arXiv:2505.12532"
    )
    learning_rate: ClassVar[float] = 1e-3
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"n_frequency": (100, 10000, "log")}

    n_frequency: Annotated[int, Field(ge=1)] = 2592
    """Coefficients of a projection; no more than its weights."""
    scaling: Annotated[float, Field(gt=0)] = 25
    """Factor of the inverse transform."""

    def config(self, card: ModelCard) -> Any:
        from peft import WaveFTConfig

        return WaveFTConfig(n_frequency=self.n_frequency, scaling=self.scaling, target_modules=query_and_value(card))

    def suit(self, config: Any, maps: list[nn.Linear]) -> None:
        config.n_frequency = min(self.n_frequency, *(layer.weight.numel() for layer in maps))
