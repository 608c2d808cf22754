"""i2b2/UTHealth 2014, track 1: longitudinal records of patients with everything marked that names or places them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

from clinpeft.errors import BadInput
from clinpeft.sources._archives import RawText, files_below
from clinpeft.sources._release_folders import holds_any, still_packed
from clinpeft.sources._xml_notes import MarkedNote, Shape, read_note
from clinpeft.sources.base import RawFiles, Source

Part = Literal["train", "test"]
PHI_TYPES = (
    *("PATIENT", "DOCTOR", "USERNAME", "PROFESSION"),
    *("HOSPITAL", "ORGANIZATION", "STREET", "CITY", "STATE", "COUNTRY", "ZIP", "LOCATION-OTHER"),
    *("AGE", "DATE", "PHONE", "FAX", "EMAIL", "URL"),
    *("MEDICALRECORD", "HEALTHPLAN", "DEVICE", "BIOID", "IDNUM"),
)
"""The types that occur in the release."""
UNSEEN_TYPES = ("ROOM", "DEPARTMENT", "OTHER", "IPADDR", "SSN", "ACCOUNT", "LICENSE", "VEHICLE")
"""Types that the official evaluator allows and the release does not hold."""
HIPAA_TYPES = (
    *("PATIENT", "ORGANIZATION", "STREET", "CITY", "ZIP", "AGE", "DATE", "PHONE", "FAX", "EMAIL"),
    *("MEDICALRECORD", "HEALTHPLAN", "DEVICE", "BIOID", "IDNUM"),
)
"""Those of the release that the official evaluator counts as named by the HIPAA rule."""
CATEGORIES = ("NAME", "PROFESSION", "LOCATION", "AGE", "DATE", "CONTACT", "ID", "OTHER", "PHI")
SET1, SET2, TEST = "training-PHI-Gold-Set1", "training-PHI-Gold-Set2", "testing-PHI-Gold-fixed"
PACKED = {f"2014_{SET1}": SET1, SET2: SET2, TEST: TEST}
"""The archives without their suffix, and the folders in them."""
ARCHIVES = {name.lower(): folder.lower() for name, folder in PACKED.items()}
SHAPE = Shape(root="deIdi2b2", marks=CATEGORIES, others=(), type_attribute="TYPE", has_bare_ampersands=False)

_NAME = re.compile(r"([0-9]+)-([0-9]+)\.xml", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Document:
    """One record of a patient; `id` is `<patient>-<record>`, as the file is named."""

    id: str
    patient: str
    part: Part
    xml: RawText


class I2b22014(Source):
    """The three de-identification archives of the DBMI portal, packed or unpacked."""

    title: ClassVar[str] = "i2b2 2014: patients' records with names, dates, places and numbers marked"
    release: ClassVar[str | None] = None
    usual_patients: ClassVar[int] = 60
    folders: ClassVar[tuple[str, ...]] = ("i2b2-2014", "i2b2_2014", "i2b2/2014", "n2c2/2014", "2014")

    def is_here(self, folder: Path) -> bool:
        """Whether one of the archives, or the folder of one, lies here."""
        return holds_any(folder, ARCHIVES)

    def synthesize(self, out: Path, *, num_patients: int = 40, seed: int) -> dict[str, float]:
        """Invented patients of 2 to 5 records in which nobody can find identifiers better than `best_f1` says."""
        from clinpeft.sources._i2b2_2014_synthetic import write_release

        return write_release(out, num_patients=num_patients, seed=seed)


def read_documents(raw: RawFiles) -> list[Document]:
    """All records by part, patient and record.

    Folders of the risk-factor track, which hold the same notes without what is wanted here, are passed over. Raises
    BadInput for a file that stands twice, lies in no folder of the release or is named otherwise.
    """
    found: dict[str, Document] = {}
    for file in files_below(raw, (".xml",), still_packed(raw.root, ARCHIVES), _other_tracks(raw.root)):
        name = _NAME.fullmatch(file.path.rpartition("/")[2])
        if name is None:
            raise BadInput(file.path, "is not named <patient>-<record>.xml", "take it out of the folder")
        document = Document(f"{name[1]}-{name[2]}", name[1], _part_of(file.path), file)
        if document.id in found:
            raise BadInput(file.path, f"stands twice, also as {found[document.id].xml.path}", "keep one of them")
        found[document.id] = document
    if not found:
        remedy = f"get {', '.join(f'{name}.tar.gz' for name in PACKED)}"
        raise BadInput("i2b2-2014", "no .xml files were found", remedy)
    order = get_args(Part)
    return sorted(found.values(), key=lambda document: (order.index(document.part), document.id))


def read_identifiers(document: Document) -> MarkedNote:
    """The note and its tags. Raises BadInput with the line for a type that the official evaluator does not know."""
    note = read_note(document.xml, SHAPE)
    for tag in note.tags:
        if tag.type not in PHI_TYPES and tag.type not in UNSEEN_TYPES:
            rule = "a tag's TYPE is none that the official evaluator knows"
            raise BadInput(f"{document.xml.path}, line {tag.row}", rule, "unpack the archive again")
    return note


def _other_tracks(root: Path) -> set[str]:
    names = (path.name.lower() for path in root.rglob("*") if path.is_dir())
    return {name for name in names if "riskfactors" in name}


def _part_of(path: str) -> Part:
    folders = path.lower().split("/")[:-1]
    if any(folder.startswith("testing-phi") for folder in folders):
        return "test"
    if any(folder.removeprefix("2014_").startswith("training-phi") for folder in folders):
        return "train"
    raise BadInput(path, "lies in no folder of the release", "unpack the archives as they are")
