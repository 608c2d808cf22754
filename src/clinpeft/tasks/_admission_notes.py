"""The admission note of van Aken et al. 2021: what of a discharge summary was known when the patient came."""

from __future__ import annotations

from collections.abc import Mapping

from clinpeft.tasks.base import BuildLog

SECTIONS = (
    *("CHIEF COMPLAINT", "PRESENT ILLNESS", "MEDICAL HISTORY", "MEDICATION ON ADMISSION"),
    *("ALLERGIES", "PHYSICAL EXAM", "FAMILY HISTORY", "SOCIAL HISTORY"),
)
"""Headers of the admission note, in order."""
MAIN_SECTIONS = ("CHIEF COMPLAINT", "PRESENT ILLNESS", "MEDICAL HISTORY")

TELLING_SECTIONS = (
    *("CHIEF COMPLAINT", "PRESENT ILLNESS", "HISTORY OF PRESENT ILLNESS", "MEDICAL HISTORY", "PAST MEDICAL HISTORY"),
    *("PHYSICAL EXAM", "MEDICATION ON ADMISSION", "MEDICATIONS ON ADMISSION"),
    *("FAMILY HISTORY", "SOCIAL HISTORY", "ALLERGIES"),
)
"""Headings of the same sections in notes and summaries, those first by which an outcome is foretold."""
OTHER_SECTIONS = (
    *("BRIEF HOSPITAL COURSE", "HOSPITAL COURSE", "MAJOR SURGICAL OR INVASIVE PROCEDURE", "PERTINENT RESULTS"),
    *("DISCHARGE MEDICATIONS", "DISCHARGE CONDITION", "DISCHARGE DISPOSITION", "DISCHARGE INSTRUCTIONS"),
    *("FOLLOWUP INSTRUCTIONS", "SERVICE"),
)
DIAGNOSES = ("DISCHARGE DIAGNOSIS", "DISCHARGE DIAGNOSES", "FINAL DIAGNOSIS", "FINAL DIAGNOSES")
SUMMARY_SECTIONS = (*TELLING_SECTIONS, *OTHER_SECTIONS, *DIAGNOSES)
"""All that part a whole discharge summary; an outcome is foretold by those of the admission first."""
STATED_SECTIONS = (*DIAGNOSES, *TELLING_SECTIONS[:3], *OTHER_SECTIONS[:3], *TELLING_SECTIONS[3:], *OTHER_SECTIONS[3:])
"""The same, those first that state the main diagnosis."""


def render(sections: Mapping[str, str]) -> str:
    """The admission note: all eight headers in order, also of empty sections, an empty line between."""
    return "\n\n".join(f"{header}: {sections[header]}" for header in SECTIONS)


class AdmissionNotes:
    """Admission notes one after the other, and how many of them have which section."""

    def __init__(self) -> None:
        self._num_kept = self._num_dropped = 0
        self._num_with = dict.fromkeys(SECTIONS, 0)

    def made_of(self, sections: Mapping[str, str]) -> str | None:
        """The note; None, and counted as left out, without any main section."""
        if not any(sections[header] for header in MAIN_SECTIONS):
            self._num_dropped += 1
            return None
        self._num_kept += 1
        for header in SECTIONS:
            self._num_with[header] += bool(sections[header])
        return render(sections)

    def report(self, log: BuildLog) -> None:
        """Note how many have a main section, and how many of those each section."""
        log.filtered("with-main-section", self._num_kept, self._num_dropped)
        for header, num_with in self._num_with.items():
            log.filtered(f"counted-only: has {header}", num_with, self._num_kept - num_with)
