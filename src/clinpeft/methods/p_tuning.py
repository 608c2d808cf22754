"""P-tuning: virtual tokens made by a small network."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, ClassVar

from pydantic import Field

from clinpeft.methods._prompt import _PromptMethod

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard


class PTuning(_PromptMethod):
    """Virtual tokens before the text come out of a multi-layer perceptron that trains (Liu et al., AI Open 2023)."""

    title: ClassVar[str] = "P-tuning: virtual tokens made by a small network"
    citation: ClassVar[str] = "Liu et al., GPT Understands, Too, AI Open 2023"
    learning_rate: ClassVar[float] = 3e-3

    hidden_size: Annotated[int, Field(ge=1)] = 128
    """Width of the perceptron."""

    def config(self, card: ModelCard) -> Any:
        from peft import PromptEncoderConfig, PromptEncoderReparameterizationType

        return PromptEncoderConfig(
            encoder_reparameterization_type=PromptEncoderReparameterizationType.MLP,
            encoder_hidden_size=self.hidden_size,
            **self.sizes(card),
        )
