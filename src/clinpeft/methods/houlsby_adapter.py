"""Houlsby's adapters: a bottleneck behind the attention and the feed-forward part of every layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from clinpeft.methods.base import Context, Method, freeze

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel


class HoulsbyAdapter(Method):
    """A bottleneck with GELU behind each sub-layer, before its sum with the residual (Houlsby et al., ICML 2019).

    The normalisation layers stay frozen, as in AdapterHub; the paper trained them too. Its default learning rate is
    the highest of the paper's, and LoRA's here, which starts in the same way.
    """

    title: ClassVar[str] = "Houlsby adapters: bottlenecks behind attention and feed-forward part"
    citation: ClassVar[str] = "Houlsby et al., Parameter-Efficient Transfer Learning for NLP, ICML 2019"
    learning_rate: ClassVar[float] = 3e-3
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"reduction": (2, 64, "log")}

    reduction: Annotated[int, Field(ge=1, le=1024)] = 16
    """The states' width divided by that of the bottleneck, which is at least 8."""

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        from torch.nn import functional

        from clinpeft.methods._bottleneck import insert
        from clinpeft.methods._targets import targets

        freeze(model)
        family = card.architecture()
        maps = targets(card, [family.attention_output, family.feed_forward_out])
        insert(model.backbone, maps, self.reduction, functional.gelu)
        return model
