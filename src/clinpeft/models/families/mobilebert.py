"""MobileBERT (Sun et al., ACL 2020): narrow layers between bottlenecks, four feed-forward parts in each."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from clinpeft.models.families.bert import Bert


class MobileBert(Bert):
    """MobileBERT (Sun et al., ACL 2020): narrow layers between bottlenecks, four feed-forward parts in each."""

    embedding_size: ClassVar[str] = "embedding_size"
    usual_config: ClassVar[Mapping[str, Any]] = {"classifier_activation": False}
    """So in Google's and nlpie's configurations: their pooler is the first piece's state, without parameters."""
