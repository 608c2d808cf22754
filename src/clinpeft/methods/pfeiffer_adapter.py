"""Pfeiffer's adapters: a bottleneck behind the feed-forward part of every layer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from pydantic import Field

from clinpeft.methods.base import Context, Method, freeze

if TYPE_CHECKING:
    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel


class PfeifferAdapter(Method):
    """A bottleneck with ReLU behind each feed-forward part (Pfeiffer et al., AdapterFusion, EACL 2021).

    It stands before the sum with the residual and the layer's normalisation; the paper's reads what is normalised
    once more. Its default learning rate is that of the Houlsby adapter.
    """

    title: ClassVar[str] = "Pfeiffer adapters: bottlenecks behind the feed-forward part"
    citation: ClassVar[str] = "Pfeiffer et al., AdapterFusion, EACL 2021"
    learning_rate: ClassVar[float] = 3e-3
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {"reduction": (2, 64, "log")}

    reduction: Annotated[int, Field(ge=1, le=1024)] = 16
    """The states' width divided by that of the bottleneck, which is at least 8."""

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        from torch.nn import functional

        from clinpeft.methods._bottleneck import insert
        from clinpeft.methods._targets import targets

        freeze(model)
        maps = targets(card, [card.architecture().feed_forward_out])
        insert(model.backbone, maps, self.reduction, functional.relu)
        return model
