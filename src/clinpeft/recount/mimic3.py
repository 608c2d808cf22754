"""A second opinion on MIMIC-III: the published scripts' way, on notes whose line ends are rewritten to another sign."""

from __future__ import annotations

import csv
import pickle
import re
import string
from collections import defaultdict
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

from clinpeft.recount import Options, Recounted
from clinpeft.recount._leaks import stricter
from clinpeft.recount._mimic3_stated import main_diagnoses
from clinpeft.recount._mimic3_tables import (
    Note,
    Row,
    codes_of,
    known,
    newest_of_each,
    rows_of,
    summaries,
    titles_of,
    whole,
)

SECTIONS = (
    *(("CHIEF COMPLAINT", "chief complaint:"), ("PRESENT ILLNESS", "present illness:")),
    *(("MEDICAL HISTORY", "medical history:"), ("MEDICATION ON ADMISSION", "medications on admission:")),
    *(("ALLERGIES", "allergies:"), ("PHYSICAL EXAM", "physical exam:")),
    *(("FAMILY HISTORY", "family history:"), ("SOCIAL HISTORY", "social history:")),
)
DEATH = r"\s+(had\s|has\s)?(expired|died|passed away|deceased)"
TOLD = rf"(patient|pt){DEATH}|he expired|pronounced expired|time of death"
STOP_LIST = """
    i me my myself we our ours ourselves you your yours yourself yourselves he him his himself she her hers herself it
    its itself they them their theirs themselves what which who whom this that these those am is are was were be been
    being have has had having do does did doing a an the and but if or because as until while of at by for with about
    against between into through during before after above below to from up down in out on off over under again
    further then once here there when where why how all any both each few more most other some such no nor not only
    own same so than too very s t can will just don should now d ll m o re ve y ain aren couldn didn doesn hadn hasn
    haven isn ma mightn mustn needn shan shouldn wasn weren won wouldn
"""


def recount(task: str, root: Path, options: Options) -> Iterator[Recounted]:
    """What the tables say of every example of a task of MIMIC-III.

    Of files outside the raw folder it reads those that `options` name (core_split_dir, pmv_labels, triage_map).
    """
    if task in {"mimic3-icd9-triage", "mimic3-icd9-top50"}:
        yield from main_diagnoses(task, root, options, admission_note)
        return
    admissions = {known(row["HADM_ID"]): row for row in rows_of(root, "ADMISSIONS")}
    adults = {hadm for hadm, row in admissions.items() if row["ADMISSION_TYPE"] != "NEWBORN"}
    listed = _core_patients(options)
    labels = _labels(task, root, options, admissions)
    for hadm, notes in _by_admission(newest_of_each(summaries(root, adults))):
        subject = [note.subject for note in notes if note.is_report][-1]
        text: str | None = "\n\n".join(note.text for note in notes).strip()
        if options["text"] == "admission":
            text = admission_note(text)
        if text is not None and task in {"mimic3-mortality", "mimic3-ventilation"}:
            text = _without_death(text) if admissions[hadm]["HOSPITAL_EXPIRE_FLAG"] else None
        if text is not None and options.get("leak_filter") == "strict":
            text = stricter(text)
        if text is not None and labels.get(hadm) and (listed is None or subject in listed):
            yield Recounted(str(hadm), tuple(sorted(labels[hadm])), text)


def admission_note(text: str | None) -> str | None:
    """The eight sections of a whole summary; None without any of the first three."""
    escaped = (text or "").replace("\n", "\0")  # a sign that no text holds
    bodies = []
    for _, searched in SECTIONS:
        found = re.search(rf"(?is){searched}(.+?)\0\0[^(\\|\d.)\0]+?:", escaped)
        bodies.append(found[1].replace("\0", " ").strip() if found else "")
    if not any(bodies[:3]):
        return None
    return "\n\n".join(f"{name}: {body}" for (name, _), body in zip(SECTIONS, bodies, strict=True))


def _by_admission(notes: list[Note]) -> Iterator[tuple[int, list[Note]]]:
    groups: defaultdict[int, list[Note]] = defaultdict(list)
    for note in notes:
        groups[note.hadm].append(note)
    for hadm, group in sorted(groups.items()):
        if any(note.is_report for note in group):
            yield hadm, group


def _without_death(text: str) -> str | None:
    """Cut from left to right: behind each of the two headers the first death on its line, then on from there."""
    kept, rest = "", text
    while cut := re.search(rf"(?i)(PHYSICAL EXAM|MEDICATION ON ADMISSION):[^\n]*?(?P<told>(patient|pt)?{DEATH})", rest):
        kept, rest = kept + rest[: cut.start("told")], rest[cut.end() :]
    text = kept + rest
    return None if re.search(TOLD, text, re.IGNORECASE) else text


def _labels(task: str, root: Path, options: Options, admissions: dict[int, Row]) -> dict[int, set[str]]:
    is_paper = options["mode"] == "paper"
    if task == "mimic3-mortality":
        possible = {hadm: row for hadm, row in admissions.items() if is_paper or not _ends_early(row)}
        died = {hadm: whole(row["HOSPITAL_EXPIRE_FLAG"]) for hadm, row in possible.items()}
        return {hadm: {("survived", "died")[flag]} for hadm, flag in died.items() if flag is not None}
    if task == "mimic3-length-of-stay":
        days = {hadm: _days(row, is_paper) for hadm, row in admissions.items()}
        return {hadm: {name} for hadm, name in days.items() if name}
    if task == "mimic3-ventilation":
        return _ventilated(root, options, admissions)
    kind = "DIAGNOSES" if "diagnoses" in task else "PROCEDURES"
    if task.endswith("-plus"):
        return _plus(root, kind, is_paper)
    labels: defaultdict[int, set[str]] = defaultdict(set)
    for hadm, _, code in codes_of(root, f"{kind}_ICD"):
        is_number = kind == "PROCEDURES" and is_paper
        labels[hadm].add(str(int(code))[:3] if is_number else _short(code))
    return labels


def _days(row: Row, keeps_negative: bool) -> str | None:
    """In seconds: days rounded to one decimal, half to even, are at most 3.0 up to 3.05 days, and so on."""
    if whole(row["HOSPITAL_EXPIRE_FLAG"]) != 0 or not row["ADMITTIME"] or not row["DISCHTIME"]:
        return None
    start, end = (datetime.fromisoformat(row[name][:19].strip()) for name in ("ADMITTIME", "DISCHTIME"))
    seconds = (end - start).total_seconds()
    if seconds < 0 and not keeps_negative:
        return None
    for last, name in ((263_520, "up to 3 days"), (609_120, "over 3 to 7 days"), (1_213_920, "over 7 to 14 days")):
        if seconds <= last:
            return name
    return "over 14 days"


def _ends_early(row: Row) -> bool:
    """Times of one length compare as text."""
    return any(row["ADMITTIME"][:19] > row[name][:19] for name in ("DISCHTIME", "DEATHTIME") if row[name])


def _short(code: str) -> str:
    return code[: 4 if code.startswith(("E", "V")) else 3]


def _plus(root: Path, kind: str, is_paper: bool) -> dict[int, set[str]]:
    titles = titles_of(root, f"D_ICD_{kind}")
    rows = list(codes_of(root, f"{kind}_ICD"))
    shorts = {_short(code) for _, _, code in rows}
    stop_words = {*STOP_LIST.split()}
    of_code: dict[str, set[str]] = {}
    for code in {code for _, _, code in rows}:
        title = "".join(sign for sign in titles.get(code, "").lower() if sign not in string.punctuation)
        words = {*(title.split(" ") if is_paper else title.split())} - stop_words
        of_code[code] = {_short(code)}
        for other in words | {code[: len(_short(code)) + 1]}:
            is_short = other == _short(code) or (is_paper and other in shorts)
            of_code[code].add(other if is_short else f"+{other}")
    labels: defaultdict[int, set[str]] = defaultdict(set)
    for hadm, _, code in rows:
        labels[hadm] |= of_code[code]
    return labels


def _ventilated(root: Path, options: Options, admissions: dict[int, Row]) -> dict[int, set[str]]:
    beside = (path for path in root.iterdir() if path.name.lower() in ("pmv_labels.pkl", "pmv_labels.csv"))
    path = Path(str(options["pmv_labels"])) if options.get("pmv_labels") else next(beside)
    rows = _pickled(path) if path.suffix.lower() in (".pkl", ".pickle") else _listed(path)
    rows = {hadm: row for hadm, row in rows.items() if hadm in admissions}
    if options["split"] == "official" and options["mode"] != "paper":
        rank = {"train": 0, "val": 1, "validation": 1, "test": 2}
        best: defaultdict[int, int] = defaultdict(int)
        for hadm, (_, split) in rows.items():
            subject = known(admissions[hadm]["SUBJECT_ID"])
            best[subject] = max(best[subject], rank[split])
        rows = {
            hadm: (label, split)
            for hadm, (label, split) in rows.items()
            if rank[split] == best[known(admissions[hadm]["SUBJECT_ID"])]
        }
    return {hadm: {"over 7 days" if label else "up to 7 days"} for hadm, (label, _) in rows.items()}


def _pickled(path: Path) -> dict[int, tuple[int, str]]:
    with path.open("rb") as file:
        rows = _NoNames(file).load()
    return {int(float(hadm)): (int(float(row[0])), _plain(row[-1])) for hadm, row in rows.items()}


def _listed(path: Path) -> dict[int, tuple[int, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        rows = [{name.strip().lower(): cell for name, cell in row.items()} for row in csv.DictReader(file)]
    return {known(row["hadm_id"]): (known(row["label"]), _plain(row.get("split", ""))) for row in rows}


def _plain(split: object) -> str:
    return str(split).strip().lower()


class _NoNames(pickle.Unpickler):
    """Plain values only."""

    def find_class(self, module_name: str, global_name: str) -> None:
        raise pickle.UnpicklingError("no names")


def _core_patients(options: Options) -> set[int] | None:
    if options.get("split") != "core":
        return None
    lists = [Path(str(options["core_split_dir"])).rglob(f"mimic_{name}.csv") for name in ("train", "val", "test")]
    lines = [line.strip().strip('"') for paths in lists for path in paths for line in path.read_text().splitlines()[1:]]
    return {int(line) for line in lines}
