"""Prompt tuning: learned embeddings before the text."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from clinpeft.methods._prompt import _PromptMethod

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard


class PromptTuning(_PromptMethod):
    """Embeddings of virtual tokens before the text train (Lester et al., EMNLP 2021)."""

    title: ClassVar[str] = "prompt tuning: learned embeddings before the text"
    citation: ClassVar[str] = "Lester et al., The Power of Scale for Parameter-Efficient Prompt Tuning, EMNLP 2021"
    learning_rate: ClassVar[float] = 1e-1
    grouping: ClassVar[Literal["low_rank", "vector", "tokens"] | None] = "tokens"

    def config(self, card: ModelCard) -> Any:
        from peft import PromptTuningConfig

        return PromptTuningConfig(**self.sizes(card))
