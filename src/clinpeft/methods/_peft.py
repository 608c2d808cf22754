"""What the methods that peft carries out have in common."""

from __future__ import annotations

import json
import warnings
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.errors import BadInput
from clinpeft.methods.base import ADAPTER_FILE, Context, Method, freeze, load_head, save_head

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel


class _PeftMethod(Method):
    """Wraps the backbone with peft; the head stays outside, so peft's rules for heads never apply."""

    def config(self, card: ModelCard) -> Any:
        """peft's configuration for a model."""
        raise NotImplementedError

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        from peft import get_peft_model

        freeze(model)
        with warnings.catch_warnings():
            # peft 0.21 asks every model for a property that transformers 5.23 has renamed.
            warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
            model.backbone = get_peft_model(model.backbone, self.config(card))
        return model

    def save(self, model: ClinicalModel, folder: Path) -> None:
        """peft's own layout beside the head; the configuration names the model by its card, not by a path."""
        folder.mkdir(parents=True, exist_ok=True)
        peft_model(model).save_pretrained(folder)
        (folder / "README.md").unlink(missing_ok=True)
        path = folder / "adapter_config.json"
        config = json.loads(path.read_text(encoding="utf-8"))
        config["base_model_name_or_path"] = model.card.hub or model.card.name
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        save_head(model, folder)

    def load(self, model: ClinicalModel, folder: Path) -> None:
        from peft import get_peft_model_state_dict, set_peft_model_state_dict
        from safetensors.torch import load_file

        trained, own = load_file(folder / ADAPTER_FILE), get_peft_model_state_dict(peft_model(model))
        if {name: value.shape for name, value in trained.items()} != {name: value.shape for name, value in own.items()}:
            raise BadInput(str(folder / ADAPTER_FILE), "holds other parameters than the method trains on this model")
        set_peft_model_state_dict(peft_model(model), trained)
        load_head(model, folder)

    def merge(self, model: ClinicalModel) -> ClinicalModel | None:
        merged = peft_model(model)
        if not hasattr(merged, "merge_and_unload"):
            return None
        model.backbone = merged.merge_and_unload()
        return model


class _VirtualTokenMethod(_PeftMethod):
    """Learned virtual tokens: as embeddings before the text, or (prefix) as keys and values in every layer."""

    is_prefix: ClassVar[bool] = False
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"num_virtual_tokens": (5, 50, "log")}

    num_virtual_tokens: Annotated[int, Field(ge=1, le=200)] = 10
    """Unless they are a prefix, they take as many positions of the model's length."""

    def extra_positions(self) -> int:
        return 0 if self.is_prefix else self.num_virtual_tokens

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        from clinpeft.methods._virtual_tokens import VirtualTokens

        model = super().apply(model, card, context)
        model.backbone = VirtualTokens(
            model.backbone,
            self.num_virtual_tokens,
            is_prefix=self.is_prefix,
            first_position=card.architecture().reserved_positions,
        )
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
            "token_dim": card.hidden_size if self.is_prefix else card.embedding_size or card.hidden_size,
            "num_attention_heads": card.num_heads,
            "num_layers": card.num_layers,
            "num_transformer_submodules": 1,
        }


def peft_model(model: ClinicalModel) -> Any:
    """The peft wrapper of a model's backbone."""
    return getattr(model.backbone, "wrapped", model.backbone)
