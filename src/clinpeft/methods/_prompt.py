"""What prompt tuning and P-tuning have in common: peft holds and saves the tokens, the forward pass is ours."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod, peft_model
from clinpeft.methods.base import Context

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel


class _PromptMethod(_PeftMethod):
    """Learned embeddings before the text."""

    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"num_virtual_tokens": (5, 50, "log")}

    num_virtual_tokens: Annotated[int, Field(ge=1, le=200)] = 10
    """They take as many positions of the model's length."""

    def extra_positions(self) -> int:
        return self.num_virtual_tokens

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        from clinpeft.methods._virtual_tokens import VirtualTokens

        model = super().apply(model, card, context)
        model.backbone = VirtualTokens(model.backbone, self.num_virtual_tokens)
        return model

    def load(self, model: ClinicalModel, folder: Path) -> None:
        """peft saves the tokens that a re-parametrisation came to; from then on they are read as they are."""
        super().load(model, folder)
        peft_model(model).active_peft_config.inference_mode = True

    def merge(self, model: ClinicalModel) -> ClinicalModel | None:
        return None

    def sizes(self, card: ModelCard) -> dict[str, Any]:
        """What peft's prompt-learning configurations share; peft cannot guess all of it for every family."""
        return {
            "task_type": "FEATURE_EXTRACTION",
            "num_virtual_tokens": self.num_virtual_tokens,
            "token_dim": card.embedding_size or card.hidden_size,
            "num_attention_heads": card.num_heads,
            "num_layers": card.num_layers,
            "num_transformer_submodules": 1,
        }
