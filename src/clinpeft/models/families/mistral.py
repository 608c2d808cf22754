"""Mistral (Jiang et al., 2023): Llama's module names, attention in a window."""

from __future__ import annotations

from clinpeft.models.families.llama import Llama


class Mistral(Llama):
    """Mistral (Jiang et al., 2023): Llama's module names, attention in a window."""
