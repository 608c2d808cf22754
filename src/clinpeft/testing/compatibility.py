"""Which methods serve which families, from what the methods themselves refuse; nothing is trained."""

from __future__ import annotations

from dataclasses import dataclass

from clinpeft.methods.base import METHODS
from clinpeft.models.families.base import FAMILIES
from clinpeft.spec import Kind
from clinpeft.testing.cells import MAIN_KINDS
from clinpeft.testing.tiny import tiny_card, tiny_config


@dataclass(frozen=True)
class Compatibility:
    """The matrix of methods, families and the kinds of task that are tried on every family."""

    methods: tuple[str, ...]
    families: tuple[str, ...]
    refused: dict[tuple[str, str, Kind], str]
    """The reason, by method, family and kind."""

    def share_served(self) -> float:
        """Of all cells."""
        return 1 - len(self.refused) / (len(self.methods) * len(self.families) * len(MAIN_KINDS))


def compatibility() -> Compatibility:
    """What is served, and what is refused why, on models of the usual shape of each family.

    A reason that a method gives everywhere is this machine's (a package that is not installed), and does not count.
    """
    methods, families = tuple(METHODS.names()), tuple(FAMILIES.names())
    cards = {family: tiny_card(tiny_config(family)) for family in families}
    refused: dict[tuple[str, str, Kind], str] = {}
    for name in methods:
        method = METHODS.get(name)()
        cells = [(family, kind) for family in families for kind in MAIN_KINDS]
        reasons = {cell: method.refuses(cards[cell[0]], cell[1]) for cell in cells}
        if len(set(reasons.values())) > 1:
            refused.update({(name, *cell): reason for cell, reason in reasons.items() if reason is not None})
    return Compatibility(methods, families, refused)
