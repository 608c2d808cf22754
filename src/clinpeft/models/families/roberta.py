"""RoBERTa (Liu et al., 2019): BERT's module names, positions that start at 2, one token type."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.models.families.bert import Bert


class Roberta(Bert):
    """RoBERTa (Liu et al., 2019): BERT's module names, positions that start at 2, one token type."""

    has_token_types: ClassVar[bool] = False
    reserved_positions: ClassVar[int] = 2
