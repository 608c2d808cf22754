"""IA3: learned rescaling of keys, values and feed-forward activations."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, ClassVar, Literal

from clinpeft.methods._peft import _PeftMethod

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard


class Ia3(_PeftMethod):
    """One vector rescales each key, value and feed-forward activation (Liu et al., NeurIPS 2022).

    Its default learning rate is 30 times the 2024 study's 3e-4: one factor a channel starts at 1 and has far to go.
    """

    title: ClassVar[str] = "IA3: learned rescaling of keys, values and feed-forward activations"
    citation: ClassVar[str] = "Liu et al., Few-Shot Parameter-Efficient Fine-Tuning, NeurIPS 2022"
    learning_rate: ClassVar[float] = 1e-2
    grouping: ClassVar[Literal["low_rank", "vector", "tokens"] | None] = "vector"

    def config(self, card: ModelCard) -> Any:
        from peft import IA3Config

        family = card.architecture()
        return IA3Config(
            target_modules=[*family.with_twins((family.key, family.value)), *family.ia3_feed_forward],
            feedforward_modules=list(family.ia3_feed_forward),
        )
