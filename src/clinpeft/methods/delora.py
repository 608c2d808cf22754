"""DeLoRA: low-rank updates of bounded length."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._peft import _PeftMethod
from clinpeft.methods._targets import query_and_value

if TYPE_CHECKING:
    import torch

    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel

SHORTEST = 1e-4
"""peft's lower bound of a length that is divided by."""


class DeLora(_PeftMethod):
    """Low-rank updates of query and value projections, normalised; a trained bound says how far (Bini et al., 2025).

    The default learning rate is LoRA's; above it short runs overshoot (measured, docs/benchmarks/methods.md).
    """

    title: ClassVar[str] = "DeLoRA: low-rank updates with angle and strength apart"
    citation: ClassVar[str] = "Bini et al., DeLoRA, ICLR 2025"
    learning_rate: ClassVar[float] = 3e-3
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {
        "r": (4, 64, "log"),
        "bound": (2, 50, "log"),
    }

    r: Annotated[int, Field(ge=1, le=1024)] = 8
    """Rank."""
    bound: Annotated[float, Field(gt=0)] = 15
    """First value of the trained bound, in units of the weights' norm."""

    def config(self, card: ModelCard) -> Any:
        from peft import DeloraConfig

        return DeloraConfig(r=self.r, delora_lambda=self.bound, bias="none", target_modules=query_and_value(card))

    def wrap(self, model: ClinicalModel, config: Any) -> ClinicalModel:
        """With the lengths divided out of B, not of what B multiplies."""
        from peft.tuners.delora.layer import DeloraLinear

        wrapped = super().wrap(model, config)
        for layer in wrapped.backbone.modules():
            if isinstance(layer, DeloraLinear):
                layer.forward = partial(_forward, layer, layer.forward)
        return wrapped


def _forward(layer: Any, plain: Any, states: torch.Tensor, *inputs: Any, **others: Any) -> torch.Tensor:
    """W x + (B s) (A (w ∘ x)), with s = λ / (r ‖a‖ ‖b‖) for each pair of a row of A and a column of B; peft's own way
    where the adapter is merged or switched off.

    peft 0.21 takes s (A (w ∘ x)) first. While B is still zero s is in the ten thousands, which overflows in fp16: not
    a number, in every step until the end.
    """
    if layer.merged or layer.disable_adapters or len(layer.active_adapters) != 1:
        result: torch.Tensor = plain(states, *inputs, **others)
        return result
    from torch.nn import functional

    name = layer.active_adapters[0]
    down, up = layer.delora_A[name], layer.delora_B[name]
    lengths = down.norm(dim=1).clamp(min=SHORTEST) * up.norm(dim=0).clamp(min=SHORTEST)
    up = up * (layer.delora_lambda[name] / layer.r[name] / lengths)
    result = layer.base_layer(states, *inputs, **others)
    inner = functional.linear(layer.delora_dropout[name](states) * layer.delora_w_norm[name], down)
    return (result + functional.linear(inner, up).to(result.dtype)).to(states.dtype)
