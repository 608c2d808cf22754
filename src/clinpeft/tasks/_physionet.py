"""What holds for every credentialed release of PhysioNet, for the cards."""

from __future__ import annotations

LICENCE = "PhysioNet Credentialed Health Data License 1.5.0"
TERMS = (
    "PhysioNet Credentialed Health Data Use Agreement 1.5.0: research only, no re-identification, no sharing with "
    "anyone who has no agreement of their own; sending text to an online service is sharing. Also holds for what "
    "is derived from the data.",
)
