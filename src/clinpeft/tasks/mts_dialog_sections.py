"""mts-dialog-sections: which section of the note does this conversation belong to?"""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from clinpeft.errors import BadInput
from clinpeft.sources.base import RawFiles
from clinpeft.sources.mts_dialog import FILES, read_dialogues
from clinpeft.spec import Kind
from clinpeft.tasks.base import BuildLog, Example, Task

SECTIONS = (
    "ALLERGY",
    "ASSESSMENT",
    "CC",
    "DIAGNOSIS",
    "DISPOSITION",
    "EDCOURSE",
    "EXAM",
    "FAM/SOCHX",
    "GENHX",
    "GYNHX",
    "IMAGING",
    "IMMUNIZATIONS",
    "LABS",
    "MEDICATIONS",
    "OTHER_HISTORY",
    "PASTMEDICALHX",
    "PASTSURGICAL",
    "PLAN",
    "PROCEDURES",
    "ROS",
)
PUBLISHED = {"train": 1201, "validation": 100, "test": 200}


class MtsDialogSections(Task):
    """One conversation, one of twenty section headers; the header classification of MEDIQA-Chat 2023, task A."""

    kind: ClassVar[Kind] = "classification"
    source: ClassVar[str] = "mts-dialog"
    metric: ClassVar[str] = "f1-macro"
    labels: ClassVar[tuple[str, ...] | None] = SECTIONS
    title: ClassVar[str] = "The note section (of 20) that a short doctor-patient conversation belongs to"
    citation: ClassVar[str] = (
        "Asma Ben Abacha, Wen-wai Yim, Yadan Fan, Thomas Lin. An Empirical Study of Clinical Note Generation from "
        "Doctor-Patient Encounters. EACL 2023, 2291-2302. Splits and task: Asma Ben Abacha, Wen-wai Yim, Griffin "
        "Adams, Neal Snider, Meliha Yetisgen. Overview of the MEDIQA-Chat 2023 Shared Tasks on the Summarization & "
        "Generation of Doctor-Patient Conversations. ClinicalNLP 2023, 503-513."
    )
    download: ClassVar[str] = "https://github.com/abachaa/MTS-Dialog (folder Main-Dataset, the three CSV files)"
    licence: ClassVar[str] = "CC BY 4.0"
    is_not: ClassVar[str] = (
        "Not recorded speech and not hospital text: the conversations were written by people from sample notes. The "
        "shared task scored accuracy; macro F1 is the headline here because seven of the 20 classes have fewer than "
        "ten training examples and most of those one test example, so a class's score rests on very little. Some very "
        "short conversations stand word for word in two splits. Nothing identifies patients: each conversation counts "
        "as one."
    )
    split_by: ClassVar[str] = "document"

    def examples(self, raw: RawFiles, log: BuildLog) -> Iterator[Example]:
        """The conversations of the official train, validation and first test file, in file order."""
        for split in FILES:
            count = 0
            for row in read_dialogues(raw, split):
                if row.section_header not in SECTIONS:
                    where = f"{FILES[split]}: line {row.line}"
                    raise BadInput(where, "column 'section_header' holds none of the 20 published headers")
                key = f"{split}-{row.id}"
                yield Example(key, key, key, row.text, split=split, label=row.section_header)
                count += 1
            log.expect(f"conversations in {split}", PUBLISHED[split], count, "V")
