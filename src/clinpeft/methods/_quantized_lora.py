"""LoRA beside linear maps whose weights are quantised when the method is applied."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar, Literal

from clinpeft.methods._low_rank import _LowRankMethod
from clinpeft.methods._peft import peft_model
from clinpeft.methods._targets import every_linear_map, linear_maps
from clinpeft.methods.base import Context
from clinpeft.spec import Kind

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel

PACKAGE = "bitsandbytes"
LIBRARY = "libbitsandbytes_cpu.so"
"""Its part that quantises on the machine's processor, where a model is adapted before it goes to the device."""


class _QuantizedLoraMethod(_LowRankMethod):
    """The linear maps of attention and feed-forward part lose precision; embeddings, norms and the head do not."""

    bits: ClassVar[Literal[4, 8]]
    grouping: ClassVar[Literal["low_rank", "vector", "tokens"] | None] = None

    def refuses(self, card: ModelCard, kind: Kind) -> str | None:
        found = importlib.util.find_spec(PACKAGE)
        if found is None or found.origin is None:
            return f"it needs the package {PACKAGE}: pip install 'clinpeft[quantized]'"
        if not Path(found.origin).with_name(LIBRARY).is_file():
            return f"the installed {PACKAGE} cannot quantise on this machine: it comes without {LIBRARY}"
        return None

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        from peft import LoraConfig

        from clinpeft.methods._quantized import quantize

        maps = linear_maps(model.backbone, LoraConfig(target_modules=every_linear_map(card)))
        # Without memory for the weights, as when parameters are counted, there is nothing to quantise.
        quantize(model.backbone, [name for name, linear in maps if not linear.weight.is_meta], self.bits)
        return super().apply(model, card, context)

    def merge(self, model: ClinicalModel) -> ClinicalModel | None:
        """Into the weights that it was trained beside, unpacked to float32: they stay as coarse as they were."""
        from clinpeft.methods._quantized import dequantize

        dequantize(peft_model(model))
        return super().merge(model)
