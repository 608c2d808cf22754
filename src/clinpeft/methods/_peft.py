"""What the methods that peft carries out have in common."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clinpeft.errors import BadInput
from clinpeft.methods._targets import linear_maps
from clinpeft.methods.base import ADAPTER_FILE, Context, Method, freeze, load_head, save_head, train_in_float32

if TYPE_CHECKING:
    import torch
    from torch import nn

    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel


CONFIG_FILE = "adapter_config.json"


class _PeftMethod(Method):
    """Wraps the backbone with peft; the head stays outside, so peft's rules for heads never apply."""

    def config(self, card: ModelCard) -> Any:
        """peft's configuration for a model."""
        raise NotImplementedError

    def suit(self, config: Any, maps: list[nn.Linear]) -> None:
        """Adapt `config` to the widths of the maps that it names, before they are wrapped."""

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        freeze(model)
        with _quiet():
            config = self.config(card)
        if not config.is_prompt_learning:
            self.suit(config, [module for _, module in linear_maps(model.backbone, config)])
        return self.wrap(model, config)

    def wrap(self, model: ClinicalModel, config: Any) -> ClinicalModel:
        """Let peft put its layers into the backbone."""
        from peft import get_peft_model

        with _quiet():
            model.backbone = get_peft_model(model.backbone, config)
        train_in_float32(model)
        return model

    def save(self, model: ClinicalModel, folder: Path) -> None:
        """peft's own layout beside the head; the configuration names the model by its card, not by a path."""
        folder.mkdir(parents=True, exist_ok=True)
        peft_model(model).save_pretrained(folder)
        (folder / "README.md").unlink(missing_ok=True)
        path = folder / CONFIG_FILE
        config = json.loads(path.read_text(encoding="utf-8"))
        config["base_model_name_or_path"] = model.card.hub or model.card.name
        if isinstance(config.get("target_modules"), list):
            # peft keeps them in a set, whose order changes from process to process.
            config["target_modules"].sort()
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        save_head(model, folder)

    def load(self, model: ClinicalModel, folder: Path) -> None:
        from peft import get_peft_model_state_dict, set_peft_model_state_dict
        from safetensors.torch import load_file

        trained = self.unpack(model, load_file(folder / ADAPTER_FILE))
        own = get_peft_model_state_dict(peft_model(model))
        if {name: value.shape for name, value in trained.items()} != {name: value.shape for name, value in own.items()}:
            raise BadInput(str(folder / ADAPTER_FILE), "holds other parameters than the method trains on this model")
        with _quiet():
            set_peft_model_state_dict(peft_model(model), trained)
        load_head(model, folder)

    def unpack(self, model: ClinicalModel, stored: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """The adapter's parameters from what the file holds."""
        return stored

    def merge(self, model: ClinicalModel) -> ClinicalModel | None:
        merged = peft_model(model)
        if not hasattr(merged, "merge_and_unload"):
            return None
        model.backbone = merged.merge_and_unload()
        return model


def peft_model(model: ClinicalModel) -> Any:
    """The peft wrapper of a model's backbone."""
    return getattr(model.backbone, "wrapped", model.backbone)


@contextmanager
def _quiet() -> Iterator[None]:
    """Without peft's warnings about what is meant."""
    with warnings.catch_warnings():
        # peft 0.21 asks every model for a property that transformers 5.23 has renamed.
        warnings.filterwarnings("ignore", "`is_gradient_checkpointing` is deprecated", FutureWarning)
        # Of VeRA, RandLoRA and TinyLoRA, whose frozen random matrices come from a seed and are not saved.
        warnings.filterwarnings("ignore", "Specified to not (save|load) .* state dictionary", UserWarning)
        yield
