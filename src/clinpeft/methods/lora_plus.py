"""LoRA+: a higher learning rate for B than for A."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._low_rank import _LowRankMethod
from clinpeft.methods.base import split_groups

if TYPE_CHECKING:
    from clinpeft.models.load import ClinicalModel


class LoraPlus(_LowRankMethod):
    """LoRA in which B, the pair's second matrix, learns `ratio` times as fast as A (Hayou et al., ICML 2024).

    The learning rate is A's; its default is a quarter of LoRA's, so that the mean of both rates (on the log scale) is
    LoRA's. The head has the study's rate, where peft's optimiser would give it A's.
    """

    title: ClassVar[str] = "LoRA+: a higher learning rate for the second low-rank matrix"
    citation: ClassVar[str] = "Hayou et al., LoRA+, ICML 2024"
    learning_rate: ClassVar[float] = 7.5e-4
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {
        "r": (4, 64, "log"),
        "ratio": (2, 32, "log"),
    }

    ratio: Annotated[float, Field(ge=1)] = 16
    """B's learning rate over A's."""

    def parameter_groups(
        self, model: ClinicalModel, learning_rate: float, head_learning_rate: float, weight_decay: float
    ) -> list[dict[str, Any]]:
        groups = super().parameter_groups(model, learning_rate, head_learning_rate, weight_decay)
        second = {id(value) for name, value in model.backbone.named_parameters() if "lora_B" in name}
        return split_groups(groups, second, self.ratio)
