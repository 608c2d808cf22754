"""A second opinion on the triage and top-50 tasks of MIMIC-III: the main diagnosis that a summary states."""

from __future__ import annotations

import csv
import hashlib
import random
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path

from clinpeft.recount import Options, Recounted
from clinpeft.recount._mimic3_tables import Note, codes_of, known, newest_of_each, rows_of, summaries, titles_of

TRIAGE = {
    "Cardiology": "41401 41071 4241 4240 4280 41011 41041",
    "Obstetrics": "V3001 V3000 V3101",
    "AcuteMedicine": "0389 5849",
    "Respiratory": "51881 486 5070",
    "Neurology": "431 430",
    "Gastroenterology": "5789 5770",
    "Oncology": "1983",
}
ADMINISTRATIVE = r"FINAL REPORT|Admission Date|ID| MD| IV| III|\)| am| pm"
Cut = Callable[[str | None], str | None]


def main_diagnoses(task: str, root: Path, options: Options, admission_note: Cut) -> Iterator[Recounted]:
    """Every example of mimic3-icd9-triage or -top50; `admission_note` cuts a summary down to its admission sections."""
    is_paper = options["mode"] == "paper"
    main = _main_codes(root)
    class_of = _triage(options) if task == "mimic3-icd9-triage" else {}
    hidden = _hidden(root, class_of) if options.get("mask_category") else None
    rows = [row for row in _texts(root, options, hidden, admission_note) if row[0] in main]
    if task == "mimic3-icd9-top50":
        train = _train(rows, options)
        counts = Counter(main[hadm] for hadm, *_ in train)
        frequent = sorted(counts.items(), key=lambda item: (-item[1], item[0]))[: int(str(options["num_codes"]))]
        class_of = {code: code for code, _ in frequent}
    elif is_paper:
        class_of = {code.lstrip("0"): name for code, name in class_of.items()}
    for hadm, _, text in rows:
        code = main[hadm].lstrip("0") if is_paper and task == "mimic3-icd9-triage" else main[hadm]
        if code in class_of:
            yield Recounted(str(hadm), (class_of[code],), text)


def sampled_by_pandas(num: int, fraction: float, seed: int) -> list[int]:
    """The rows that `sample(frac=fraction, random_state=seed)` draws, in its order, from the Mersenne Twister."""
    words = [seed]
    for place in range(1, 624):
        words.append((1_812_433_253 * (words[-1] ^ (words[-1] >> 30)) + place) & 0xFFFFFFFF)
    twister = random.Random()
    twister.setstate((3, (*words, 624), None))
    rows = list(range(num))
    for last in range(num - 1, 0, -1):
        drawn = last + 1
        while drawn > last:
            drawn = twister.getrandbits(32) & ((1 << last.bit_length()) - 1)
        rows[last], rows[drawn] = rows[drawn], rows[last]
    return rows[: round(fraction * num)]


def _main_codes(root: Path) -> dict[int, str]:
    first: list[dict[int, str]] = []
    for table in ("DIAGNOSES_ICD", "PROCEDURES_ICD"):
        first.append({})
        for hadm, rank, code in codes_of(root, table):
            if rank == 1:
                first[-1].setdefault(hadm, code)
    return {hadm: code for hadm, code in first[0].items() if hadm in first[1]}


def _triage(options: Options) -> dict[str, str]:
    if not options.get("triage_map"):
        return {code: name for name, codes in TRIAGE.items() for code in codes.split()}
    with Path(str(options["triage_map"])).open(encoding="utf-8-sig", newline="") as file:
        rows = [{name.strip().lower(): cell.strip() for name, cell in row.items()} for row in csv.DictReader(file)]
    codes = [row["code"].upper().replace(".", "") for row in rows]
    return {"0389" if code == "389" else code: row["class"] for code, row in zip(codes, rows, strict=True)}


def _hidden(root: Path, class_of: dict[str, str]) -> re.Pattern[str]:
    titles = titles_of(root, "D_ICD_DIAGNOSES")
    names = [*class_of.values(), *(titles.get(code, "") for code in class_of)]
    spaced = {" ".join(re.sub(r"([a-z])([A-Z])", r"\1 \2", name).split()) for name in names} - {""}
    ordered = sorted(spaced, key=lambda name: (-len(name), name))
    return re.compile(r"(?i)(?<!\w)(?:" + "|".join(re.escape(n).replace(r"\ ", r"\s*") for n in ordered) + r")(?!\w)")


def _texts(
    root: Path, options: Options, hidden: re.Pattern[str] | None, admission_note: Cut
) -> Iterator[tuple[int, int, str]]:
    """HADM_ID, SUBJECT_ID and text by ascending HADM_ID."""
    is_whole, is_paper = options["text"] == "full", options["mode"] == "paper"
    everyone = [known(row["HADM_ID"]) for row in rows_of(root, "ADMISSIONS")]
    notes = summaries(root, everyone, without_errors=not is_paper)
    if is_whole:
        notes = [replace(note, text=_clean(note.text, options, hidden)) for note in notes]
    notes = _oldest_of_each(notes) if is_paper else newest_of_each(notes)
    groups: defaultdict[int, list[Note]] = defaultdict(list)
    for note in notes:
        groups[note.hadm].append(note)
    for hadm in sorted(groups):
        own = groups[hadm]
        if is_whole:
            yield hadm, own[-1].subject, (" " if is_paper else "\n\n").join(note.text for note in own).strip()
        elif reports := [note for note in own if note.is_report]:
            text = admission_note("\n\n".join(note.text for note in own).strip())
            if text is not None:
                yield hadm, reports[-1].subject, _clean(text, options, hidden)


def _clean(text: str, options: Options, hidden: re.Pattern[str] | None) -> str:
    if hidden is not None:
        text = hidden.sub("", text)
    if options["clean"] == "none":
        return re.sub(r"(?s)\[\*\*.*?\*\*\]", "___", text)
    text = re.sub(r"(?s)\[.*?\]", "", text)
    text = re.sub(ADMINISTRATIVE, "", text).replace("\n", " ").replace("w/", "with")
    return re.sub(r"\s+", " ", re.sub(r"[_#\d]", "", text)).strip()


def _oldest_of_each(notes: Iterable[Note]) -> list[Note]:
    seen: set[str] = set()
    kept = []
    for note in notes:
        if note.text not in seen:
            kept.append(note)
        seen.add(note.text)
    return kept


def _train(rows: list[tuple[int, int, str]], options: Options) -> list[tuple[int, int, str]]:
    if options["split"] == "paper":
        sample = sampled_by_pandas(len(rows), 0.8, 42)
        held_out = {sample[place] for place in sampled_by_pandas(len(sample), 0.25, 42)}
        return [rows[place] for place in sample if place not in held_out]
    return [row for row in rows if _share(row[1]) < 0.7]


def _share(subject: int) -> float:
    return int(hashlib.sha256(f"split-v1|mimic3|{subject}".encode()).hexdigest()[:16], 16) / 2.0**64
