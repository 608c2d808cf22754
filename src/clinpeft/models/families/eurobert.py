"""EuroBERT (Boizard et al., 2025): Llama's module names, attention both ways, read off the first word piece."""

from __future__ import annotations

from typing import ClassVar

from clinpeft.models.families.llama import Llama


class EuroBert(Llama):
    """EuroBERT (Boizard et al., 2025): Llama's module names, attention both ways, read off the first word piece."""

    is_bidirectional: ClassVar[bool] = True
    reads_last: ClassVar[bool] = False
