"""The encoder of T5 1.1 and Flan-T5 (Chung et al., JMLR 2024): T5 with a gated feed-forward part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from clinpeft.models.families.t5 import T5


class T5Gated(T5):
    """The encoder of T5 1.1 and Flan-T5 (Chung et al., JMLR 2024): T5 with a gated feed-forward part."""

    feed_forward_in: ClassVar[tuple[str, ...]] = ("DenseReluDense.wi_0", "DenseReluDense.wi_1")
    model_type: ClassVar[str | None] = "t5"
    usual_config: ClassVar[Mapping[str, Any]] = {"feed_forward_proj": "gated-gelu"}
