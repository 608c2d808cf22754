"""SmolLM3 (Bakouch et al., 2025): Llama's module names, every fourth layer without positions."""

from __future__ import annotations

from clinpeft.models.families.llama import Llama


class SmolLm3(Llama):
    """SmolLM3 (Bakouch et al., 2025): Llama's module names, every fourth layer without positions."""
