"""i2b2 2012: discharge summaries with clinical events, times and how they follow each other."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, get_args

from clinpeft.errors import BadInput
from clinpeft.sources._archives import ARCHIVE_SUFFIXES, RawText, files_below
from clinpeft.sources._release_folders import holds_any, still_packed
from clinpeft.sources._xml_notes import MarkedNote, Shape, read_note
from clinpeft.sources.base import RawFiles, Source

Part = Literal["train", "test"]
EVENT_TYPES = ("PROBLEM", "TEST", "TREATMENT", "CLINICAL_DEPT", "EVIDENTIAL", "OCCURRENCE")
TRAINING = "2012-07-15.original-annotation.release"
TEST = "2012-08-23.test-data.groundtruth"
SHORT_TEST = "2012-08-08.test-data.event-timex-groundtruth"
ARCHIVES = {TRAINING: TRAINING, TEST: "ground_truth", SHORT_TEST: SHORT_TEST}
"""`TEST` and `SHORT_TEST` hold the same documents; the two versions in `TEST` differ in the links between events."""
SHAPE = Shape(
    root="ClinicalNarrativeTemporalAnnotation",
    marks=("EVENT",),
    others=("TIMEX3", "TLINK", "SECTIME"),
    type_attribute="type",
    has_bare_ampersands=True,
)

_UNMERGED = ("unmerged_xml", "unmerged_i2b2")
_NAME = re.compile(r"([0-9]{1,9})\.(?:xml|(?:xml\.)?(extent))", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Document:
    """One note; `extent` is the same annotation by lines and tokens, where the release brings it."""

    id: str
    part: Part
    xml: RawText
    extent: RawText | None


class I2b22012(Source):
    """The training archive and one of the two test archives of the DBMI portal, packed or unpacked."""

    title: ClassVar[str] = "i2b2 2012: discharge summaries with clinical events and their times"
    release: ClassVar[str | None] = None
    usual_patients: ClassVar[int] = 100
    folders: ClassVar[tuple[str, ...]] = ("i2b2-2012", "i2b2_2012", "i2b2/2012", "n2c2/2012", "2012")

    def is_here(self, folder: Path) -> bool:
        """Whether one of the archives, or the folder of one, lies here."""
        return holds_any(folder, ARCHIVES)

    def synthesize(self, out: Path, *, num_patients: int = 60, seed: int) -> dict[str, float]:
        """Invented documents (one a patient) in which nobody can find events better than `best_f1` says."""
        from clinpeft.sources._i2b2_2012_synthetic import write_release

        return write_release(out, num_documents=num_patients, seed=seed)


def read_documents(raw: RawFiles) -> list[Document]:
    """All documents by part and number; where both test archives lie, the fuller one is read.

    Raises BadInput for a file that stands twice, lies in no folder of the release or is named otherwise, and for an
    annotation by tokens without its XML.
    """
    found: dict[tuple[str, bool], RawText] = {}
    archives, skipped = _wanted(raw.root)
    for file in files_below(raw, (".xml", ".extent"), archives, skipped):
        name = _NAME.fullmatch(file.path.rpartition("/")[2])
        if name is None:
            raise BadInput(file.path, "is not named <number>.xml or <number>.xml.extent", "take it out of the folder")
        key = str(int(name[1])), name[2] is not None
        if key in found:
            raise BadInput(file.path, f"stands twice, also as {found[key].path}", "keep one of them")
        found[key] = file
    for (id_, is_extent), file in found.items():
        if is_extent and (id_, False) not in found:
            raise BadInput(file.path, "has no .xml of the same name", "unpack the archive again")
    if not found:
        raise BadInput("i2b2-2012", "no .xml files were found", f"get {TRAINING}.tar.gz and {TEST}.tar.gz")
    documents = [
        Document(id_, _part_of(file.path), file, found.get((id_, True)))
        for (id_, is_extent), file in found.items()
        if not is_extent
    ]
    order = get_args(Part)
    return sorted(documents, key=lambda document: (order.index(document.part), int(document.id)))


def read_events(document: Document) -> MarkedNote:
    """The note and its EVENT tags. Raises BadInput with the line for a type that is none of the six nor empty."""
    note = read_note(document.xml, SHAPE)
    for tag in note.tags:
        if tag.type and tag.type not in EVENT_TYPES:
            rule = f"an event's type is none of {', '.join(EVENT_TYPES)}"
            raise BadInput(f"{document.xml.path}, line {tag.row}", rule, "unpack the archive again")
    return note


def _wanted(root: Path) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Archives to look into, and folders to pass over."""
    packed = still_packed(root, ARCHIVES)
    names = {path.name.lower() for path in root.rglob("*")}
    if names & {ARCHIVES[TEST], TEST, *(f"{TEST}{suffix}" for suffix in ARCHIVE_SUFFIXES)}:
        return tuple(name for name in packed if name != SHORT_TEST), (*_UNMERGED, SHORT_TEST)
    return packed, _UNMERGED


def _part_of(path: str) -> Part:
    folders = path.lower().split("/")[:-1]
    if any("test-data" in folder or folder == ARCHIVES[TEST] for folder in folders):
        return "test"
    if any("original-annotation" in folder for folder in folders):
        return "train"
    raise BadInput(path, "lies in no folder of the release", f"unpack {TRAINING}.tar.gz and {TEST}.tar.gz as they are")
