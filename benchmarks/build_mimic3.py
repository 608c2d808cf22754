"""How fast, and in how much memory, `mimic3-mortality` is built from a NOTEEVENTS of the real size.

    python benchmarks/build_mimic3.py compare FOLDER [--rows 200000] [--rounds 5]
    python benchmarks/build_mimic3.py build FOLDER [--rows 2083180] [--packed]

Both write an invented release to FOLDER unless it holds one. `compare` runs, in turns, clinpeft and the pandas route of
the CORe scripts (`read_csv` of the whole file, then the same filters), each in a process of its own, and checks that
they make the same examples. `build` runs `clinpeft build` once, with checksums, Parquet and card. Both print Markdown.
"""

from __future__ import annotations

import argparse
import gzip
import hashlib
import itertools
import json
import os
import random
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from clinpeft.sources.mimic3 import TABLES

REAL_ROWS = 2_083_180
REAL_ADMISSIONS, REAL_PATIENTS = 58_976, 46_520
SUMMARY_WORDS = 1_358
NOTES = {
    "Discharge summary": (59_652, SUMMARY_WORDS),
    "Echo": (45_794, 300),
    "ECG": (209_051, 35),
    "Nursing": (223_556, 255),
    "Physician ": (141_624, 490),
    "Rehab Services": (5_431, 380),
    "Case Management ": (967, 255),
    "Respiratory ": (31_739, 155),
    "Nutrition": (9_418, 310),
    "General": (8_301, 215),
    "Social Work": (2_670, 280),
    "Pharmacy": (103, 255),
    "Consult": (98, 600),
    "Radiology": (522_279, 230),
    "Nursing/other": (822_497, 150),
}
"""Notes of each category in release 1.4, and about how many words they have on average."""
SECTIONS = {
    "Service": 1,
    "Allergies": 6,
    "Attending": 4,
    "Chief Complaint": 5,
    "Major Surgical or Invasive Procedure": 12,
    "History of Present Illness": 220,
    "Past Medical History": 80,
    "Social History": 40,
    "Family History": 25,
    "Physical Exam": 170,
    "Pertinent Results": 300,
    "Brief Hospital Course": 300,
    "Medications on Admission": 60,
    "Discharge Medications": 85,
    "Discharge Disposition": 3,
    "Discharge Instructions": 47,
}
"""Words in a summary of 1,358."""
WORDS = (
    "patient was admitted with chest pain and shortness of breath on exertion denies fever chills nausea vomiting "
    "the she he states that symptoms began two days prior to presentation given aspirin heparin lasix metoprolol "
    "lisinopril in emergency department vital signs stable blood pressure heart rate regular rhythm lungs clear "
    "bilaterally no murmurs abdomen soft nontender extremities without edema alert oriented cranial nerves intact "
    "history of coronary artery disease hypertension hyperlipidemia diabetes mellitus chronic kidney atrial "
    "fibrillation congestive failure underwent catheterization showed left anterior descending stenosis stent "
    "placed transferred to intensive care unit for further management respiratory distress intubated extubated "
    "sputum culture grew started vancomycin zosyn hematocrit creatinine potassium sodium white count platelets "
    "remained afebrile tolerated diet ambulating physical therapy evaluated follow up primary physician "
    "cardiology clinic weeks continue current medications daily tablet mg [**Hospital1 18**] [**Last Name (un) "
    "1234**] [**2151-7-16**] 98.6 120/80 72 18 97% 1.2 4.1 138 s/p c/o"
)


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    commands = parser.add_subparsers(required=True)
    for command, rows in ((compare, 200_000), (build, REAL_ROWS), (measure, REAL_ROWS)):
        options = commands.add_parser(command.__name__)
        options.set_defaults(command=command)
        options.add_argument("folder", type=Path)
        options.add_argument("--rows", type=int, default=rows)
        options.add_argument("--rounds", type=int, default=5)
        options.add_argument("--packed", action="store_true")
        options.add_argument("--route", choices=ROUTES)
    options = parser.parse_args()
    options.command(options)


def compare(options: argparse.Namespace) -> None:
    """clinpeft and pandas in turns on the same tables."""
    megabytes = generate(options.folder, options.rows, is_packed=options.packed) / 1e6
    runs: dict[str, list[dict[str, Any]]] = {"clinpeft": [], "pandas": []}
    for _ in range(options.rounds):
        for route, done in runs.items():
            done.append(in_own_process(route, options.folder))
    assert len({run["digest"] for done in runs.values() for run in done}) == 1, "the routes disagree on the examples"
    print(f"{options.rows:,} notes, {megabytes:,.0f} MB of CSV{' (packed)' * options.packed}, {machine()}\n")
    print_table(runs, options.rows, megabytes)
    seconds = [old["seconds"] / new["seconds"] for new, old in zip(*runs.values(), strict=True)]
    peaks = [new["peak_bytes"] / old["peak_bytes"] for new, old in zip(*runs.values(), strict=True)]
    print(
        f"\nclinpeft is {statistics.median(seconds):.1f} times as fast ({min(seconds):.1f} to {max(seconds):.1f} in "
        f"{options.rounds} rounds), at {statistics.median(peaks):.2f} of the memory ({min(peaks):.2f} to "
        f"{max(peaks):.2f})."
    )


def build(options: argparse.Namespace) -> None:
    """`clinpeft build`, once."""
    megabytes = generate(options.folder, options.rows, is_packed=options.packed) / 1e6
    runs = {"clinpeft build": [in_own_process("build", options.folder)]}
    print(f"{options.rows:,} notes, {megabytes:,.0f} MB of CSV{' (packed)' * options.packed}, {machine()}\n")
    print_table(runs, options.rows, megabytes)


def print_table(runs: dict[str, list[dict[str, Any]]], num_rows: int, megabytes: float) -> None:
    """One line a route: medians over its runs."""
    print("| route | examples | seconds (lowest to highest) | rows/s | MB/s | peak memory, MB |")
    print("|---|---|---|---|---|---|")
    for route, done in runs.items():
        seconds = [run["seconds"] for run in done]
        middle, peak = statistics.median(seconds), statistics.median(run["peak_bytes"] for run in done)
        spread = f"{middle:.2f}" + (f" ({min(seconds):.2f} to {max(seconds):.2f})" if len(done) > 1 else "")
        print(
            f"| {route} | {done[0]['examples']:,} | {spread} | {num_rows / middle:,.0f} | {megabytes / middle:,.0f} "
            f"| {peak / 1e6:,.0f} |"
        )


def machine() -> str:
    """Processor and cores."""
    found = re.search(r"model name\s*: (.*)", Path("/proc/cpuinfo").read_text())
    return f"{found[1] if found else 'unknown processor'}, {len(os.sched_getaffinity(0))} cores"


def in_own_process(route: str, folder: Path) -> dict[str, Any]:
    """What `measure` prints."""
    command = [sys.executable, __file__, "measure", str(folder), "--route", route]
    done = subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True)
    result: dict[str, Any] = json.loads(done.stdout)
    return result


def measure(options: argparse.Namespace) -> None:
    """Run one route in this process; its modules are loaded before the clock starts."""
    run = ROUTES[options.route]()
    start = time.perf_counter()
    examples = run(options.folder)
    seconds = time.perf_counter() - start
    peak = re.search(r"VmHWM:\s*(\d+) kB", Path("/proc/self/status").read_text())
    assert peak is not None
    rows = sorted(examples)
    digest = hashlib.sha256(json.dumps(rows).encode()).hexdigest()
    result = {"seconds": seconds, "peak_bytes": int(peak[1]) * 1024, "examples": len(rows), "digest": digest}
    print(json.dumps(result))


Examples = Iterable[tuple[int, str, str]]


def clinpeft_route() -> Callable[[Path], Examples]:
    """The task's examples in memory, as the pandas route leaves them."""
    import clinpeft.sources._row_blocks  # noqa: F401
    from clinpeft.sources.base import RawFiles
    from clinpeft.tasks.base import BuildLog
    from clinpeft.tasks.mimic3_mortality import Mimic3Mortality

    def run(folder: Path) -> Examples:
        examples = list(Mimic3Mortality().examples(RawFiles(folder), BuildLog()))
        return ((int(example.example), example.text, str(example.label)) for example in examples)

    return run


def build_route() -> Callable[[Path], Examples]:
    """All that `clinpeft build` does."""
    import pyarrow.parquet  # noqa: F401

    from clinpeft.data.build import build_task
    from clinpeft.tasks.mimic3_mortality import Mimic3Mortality

    def run(folder: Path) -> Examples:
        os.environ["CLINPEFT_SITE_KEY"] = str(folder / "site.key")
        built = build_task(Mimic3Mortality(), "mimic3-mortality", folder, folder / "out")
        return [(number, "", "") for counts in built.card.counts.values() for number in range(counts.examples)]

    return run


def pandas_route() -> Callable[[Path], Examples]:
    """CORe's filter_notes and task MP, rewritten for today's pandas; notes of one day stand in order of ROW_ID."""
    import pandas as pd

    from clinpeft.tasks._death_in_hospital import ANYWHERE, IN_TWO_SECTIONS
    from clinpeft.tasks._mimic3_notes import SEARCHED

    def run(folder: Path) -> Examples:
        suffix = ".csv.gz" if (folder / "NOTEEVENTS.csv.gz").exists() else ".csv"
        notes = pd.read_csv(folder / f"NOTEEVENTS{suffix}")
        admissions = pd.read_csv(folder / "ADMISSIONS.csv")
        notes = notes[notes.HADM_ID.isin(admissions[admissions.ADMISSION_TYPE != "NEWBORN"].HADM_ID)]
        notes = notes.dropna(subset=["TEXT", "HADM_ID"])
        notes = notes[notes.CATEGORY == "Discharge summary"]
        notes = notes.sort_values(["CHARTDATE", "ROW_ID"]).drop_duplicates("TEXT", keep="last")
        texts = notes.groupby("HADM_ID")["TEXT"].apply("\n\n".join).reset_index()
        reports = notes[notes.DESCRIPTION == "Report"].drop_duplicates("HADM_ID", keep="last")
        notes = texts.merge(reports[["HADM_ID", "ROW_ID", "SUBJECT_ID"]], on="HADM_ID")
        notes["TEXT"] = notes.TEXT.str.strip().str.replace("\n", r"\n", regex=False)
        for header, searched in SEARCHED.items():
            found = notes.TEXT.str.extract(rf"(?i){searched}(.+?)\\n\\n[^(\\|\d|\.)]+?:", expand=False)
            notes[header] = found.str.replace(r"\n", " ", regex=False).str.strip().fillna("")
        main_sections = ("CHIEF COMPLAINT", "PRESENT ILLNESS", "MEDICAL HISTORY")
        notes = notes[(notes[list(main_sections)] != "").any(axis=1)]
        parts = [f"{header}: " + notes[header] for header in SEARCHED]
        notes = notes.assign(TEXT=parts[0].str.cat(parts[1:], sep="\n\n"))
        notes = notes.merge(admissions[["HADM_ID", "HOSPITAL_EXPIRE_FLAG"]], how="left", on="HADM_ID")
        notes = notes.dropna(subset=["HOSPITAL_EXPIRE_FLAG"])
        notes["TEXT"] = notes.TEXT.str.replace(IN_TWO_SECTIONS, r"\1", regex=True)
        notes = notes[~notes.TEXT.str.contains(ANYWHERE)]
        labels = notes.HOSPITAL_EXPIRE_FLAG.map({0: "survived", 1: "died"})
        return zip(notes.HADM_ID.astype(int).tolist(), notes.TEXT.tolist(), labels.tolist(), strict=True)

    return run


ROUTES: dict[str, Callable[[], Callable[[Path], Examples]]] = {
    "clinpeft": clinpeft_route,
    "pandas": pandas_route,
    "build": build_route,
}


def generate(folder: Path, num_rows: int, *, is_packed: bool = False, seed: int = 0) -> int:
    """Write ADMISSIONS and NOTEEVENTS in the proportions of release 1.4 unless they are there; the notes' CSV bytes."""
    size = folder / "size"
    path = folder / ("NOTEEVENTS.csv.gz" if is_packed else "NOTEEVENTS.csv")
    if size.exists():
        assert path.exists() and size.read_text().split()[0] == str(num_rows), "the folder holds other tables"
        return int(size.read_text().split()[1])
    folder.mkdir(parents=True, exist_ok=True)
    rng, num_bytes = random.Random(seed), 0
    admissions = Admissions(rng, num_rows)
    (folder / "ADMISSIONS.csv").write_text("".join(admissions.lines()))
    with gzip.open(path, "wb", compresslevel=6) if is_packed else path.open("wb", 1 << 20) as file:
        for line in note_lines(admissions, num_rows, rng):
            num_bytes += file.write(line.encode())
    size.write_text(f"{num_rows} {num_bytes}")
    return num_bytes


class Admissions:
    """Invented admissions: some of newborns, one in ten ending with death."""

    def __init__(self, rng: random.Random, num_rows: int) -> None:
        num = max(10, round(REAL_ADMISSIONS * num_rows / REAL_ROWS))
        self.hadms = range(100_001, 100_001 + num)
        self.subjects = [2 + place * REAL_PATIENTS // REAL_ADMISSIONS for place in range(num)]
        self.types = rng.choices(("EMERGENCY", "NEWBORN", "ELECTIVE", "URGENT"), (714, 133, 131, 22), k=num)
        self.died = [rng.random() < 0.1 for _ in range(num)]
        self.grown = [place for place, kind in enumerate(self.types) if kind != "NEWBORN"]

    def lines(self) -> Iterator[str]:
        """ADMISSIONS, of which most columns are NULL here."""
        columns = TABLES["ADMISSIONS"]
        yield ",".join(f'"{column}"' for column in columns) + "\n"
        for place, hadm in enumerate(self.hadms):
            cells = dict.fromkeys(columns, "") | {
                "ROW_ID": str(place + 1),
                "SUBJECT_ID": str(self.subjects[place]),
                "HADM_ID": str(hadm),
                "ADMISSION_TYPE": f'"{self.types[place]}"',
                "HOSPITAL_EXPIRE_FLAG": str(int(self.died[place])),
            }
            yield ",".join(cells.values()) + "\n"


def note_lines(admissions: Admissions, num_rows: int, rng: random.Random) -> Iterator[str]:
    """NOTEEVENTS, category by category as in the release."""
    yield ",".join(f'"{column}"' for column in TABLES["NOTEEVENTS"]) + "\n"
    prose, row_id = Prose(rng), 0
    for category, (real_number, num_words) in NOTES.items():
        is_summary = category == "Discharge summary"
        for number in range(round(real_number * num_rows / REAL_ROWS)):
            row_id += 1
            cells = summary_cells if is_summary else other_cells
            body = prose.summary(num_words, number) if is_summary else prose.some(num_words)
            text = body.replace('"', '""')
            yield f'{row_id},{cells(admissions, number, rng, category)},"{text}"\n'


def summary_cells(admissions: Admissions, number: int, rng: random.Random, category: str) -> str:
    """A report for every admission that is no newborn's, then addenda."""
    later, place = divmod(number, len(admissions.grown))
    place = admissions.grown[place]
    day = date(2101, 1, 1) + timedelta(days=place % 30_000 + later)
    description = "Addendum" if later else "Report"
    return f'{admissions.subjects[place]},{admissions.hadms[place]},{day},,,"{category}","{description}",,'


def other_cells(admissions: Admissions, number: int, rng: random.Random, category: str) -> str:
    """One in nine belongs to no admission."""
    place = rng.randrange(len(admissions.hadms))
    hadm = "" if rng.random() < 0.11 else str(admissions.hadms[place])
    day = date(2101, 1, 1) + timedelta(days=place % 30_000)
    time_ = f"{day} {number % 24:02}:30:00"
    return f'{admissions.subjects[place]},{hadm},{day},{time_},{time_},"{category}","Report",{14_000 + number % 7000},'


class Prose:
    """Stretches of one long invented text in lines of a dozen words."""

    def __init__(self, rng: random.Random, num_words: int = 300_000) -> None:
        words = rng.choices(WORDS.split(), k=num_words)
        words[::500] = [f'"{word}"' for word in words[::500]]
        words = [word + ("\n" if place % 12 == 11 else " ") for place, word in enumerate(words)]
        self._rng, self._text, self._last = rng, "".join(words), ""
        self._starts = [0, *itertools.accumulate(len(word) for word in words)]

    def some(self, mean_words: float) -> str:
        """A stretch of a random length."""
        num = max(1, min(20_000, int(mean_words * self._rng.lognormvariate(-0.125, 0.5))))
        start = self._rng.randrange(len(self._starts) - num)
        return self._text[self._starts[start] : self._starts[start + num]]

    def summary(self, mean_words: float, number: int) -> str:
        """A discharge summary; now and then one that tells of a death, and one in 300 is a copy."""
        if number % 300 == 299:
            return self._last
        parts = [f"Admission Date:  [**2151-7-{number % 28 + 1}**]"]
        for section, num_words in SECTIONS.items():
            parts.append(f"{section}:\n{self.some(mean_words * num_words / SUMMARY_WORDS).rstrip()}")
        parts[SECTION_PLACES["Family History"]] += "\nFather died of MI at 60." if number % 4 == 0 else ""
        parts[SECTION_PLACES["Physical Exam"]] += "\nPatient expired." if number % 50 == 0 else ""
        self._last = "\n\n".join(parts) + "\n"
        return self._last


SECTION_PLACES = {section: place for place, section in enumerate(SECTIONS, start=1)}


if __name__ == "__main__":
    main()
