"""LoRA that starts inside the weights: A and B take a part of W, and W - s B A stays behind, frozen."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from clinpeft.methods._low_rank import _LowRankMethod
from clinpeft.methods._peft import CONFIG_FILE, peft_model
from clinpeft.methods.base import ADAPTER_FILE, Context
from clinpeft.spec import Kind

if TYPE_CHECKING:
    import torch

    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel


class _ResidualMethod(_LowRankMethod):
    """What is saved is an ordinary LoRA of twice the rank, for the weights as the checkpoint has them.

    Its first half is the trained pair, its second takes away the pair's start. So another machine need not find the
    same decomposition again, and peft reads it without one.
    """

    def refuses(self, card: ModelCard, kind: Kind) -> str | None:
        return self.more_ranks_than_dimensions(card)

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        model = super().apply(model, card, context)
        for _, layer in _layers(model):
            for side in ("A", "B"):
                start = _pair(layer)[side].detach().clone()
                layer.register_buffer(f"start_{side}", start, persistent=False)
        return model

    def save(self, model: ClinicalModel, folder: Path) -> None:
        from safetensors.torch import load_file, save_file

        super().save(model, folder)
        state = load_file(folder / ADAPTER_FILE)
        for name, layer in _layers(model):
            for side, start, axis in (("A", layer.start_A, 0), ("B", -layer.start_B, 1)):
                key = f"{name}.lora_{side}.weight"
                state[key] = _joined(state[key], start, axis)
        save_file(state, folder / ADAPTER_FILE)
        path = folder / CONFIG_FILE
        config = json.loads(path.read_text(encoding="utf-8"))
        config |= {"r": 2 * self.r, "lora_alpha": 2 * self.alpha, "init_lora_weights": True}
        path.write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")

    def unpack(self, model: ClinicalModel, stored: dict[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        for name, layer in _layers(model):
            for side, start, axis in (("A", layer.start_A, 0), ("B", layer.start_B, 1)):
                value = stored.get(f"{name}.lora_{side}.weight")
                if value is None or value.shape[axis] != 2 * start.shape[axis]:
                    return {}  # Of another method, though perhaps of the same shape.
        trained = dict(stored)
        for name, layer in _layers(model):
            key_a, key_b = (f"{name}.lora_{side}.weight" for side in ("A", "B"))
            trained[key_a], start_a = stored[key_a].chunk(2, 0)
            trained[key_b], start_b = stored[key_b].chunk(2, 1)
            _start_from(layer, start_a, -start_b)
        return trained


def _layers(model: ClinicalModel) -> Iterator[tuple[str, Any]]:
    for name, module in peft_model(model).named_modules():
        if hasattr(module, "lora_A"):
            yield name, module


def _pair(layer: Any) -> dict[str, torch.Tensor]:
    return {"A": layer.lora_A["default"].weight, "B": layer.lora_B["default"].weight}


def _joined(trained: torch.Tensor, start: torch.Tensor, axis: int) -> torch.Tensor:
    import torch

    return torch.cat([trained, start.to(trained)], axis).contiguous()


def _start_from(layer: Any, start_a: torch.Tensor, start_b: torch.Tensor) -> None:
    """Leave behind what another machine left behind; nothing changes where the start is the same to the last bit."""
    own_a, own_b = layer.start_A, layer.start_B
    start_a, start_b = start_a.to(own_a), start_b.to(own_b)
    if own_a.equal(start_a) and own_b.equal(start_b):
        return
    weight = layer.base_layer.weight
    weight.data += (layer.scaling["default"] * (own_b @ own_a - start_b @ start_a)).to(weight.dtype)
    layer.start_A, layer.start_B = start_a, start_b
