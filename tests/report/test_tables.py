"""Every table of the report for a spreadsheet and for a paper."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import pytest

from clinpeft.report.render import write_report
from clinpeft.report.tables import Amount, Estimate, Table, write_tables


def read(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text())))


@pytest.fixture
def written(folder: Any, tmp_path: Path) -> Path:
    for seed in (1, 2):
        folder.run("small", "lora", seed, value=0.8 + seed / 100, test=0.75, options={"rank": 8})
    folder.run("none", "majority", 0, value=0.5, arm=0.0)
    folder.failed("large", "full", 1, "out_of_memory", "oom_host", "8 GB were free")
    write_report([folder.root], folder.root / "report", tables_in=tmp_path / "tables")
    return tmp_path / "tables"


def test_each_table_is_there_as_csv_and_as_latex(written: Path) -> None:
    names = {path.stem for path in written.glob("*.csv")}

    assert names == {path.stem for path in written.glob("*.tex")}
    assert {
        f"ward-notes-{name}" for name in ("configurations", "scores", "costs", "seeds", "options", "labels")
    } <= names
    assert {"recommendations", "failures", "runs"} <= names


def test_csv_holds_full_precision_and_intervals_in_columns_of_their_own(written: Path) -> None:
    rows = {row["configuration"]: row for row in read(written / "ward-notes-configurations.csv")}

    assert float(rows["small with lora"]["auroc validation"]) == pytest.approx(0.815, abs=1e-15)
    assert float(rows["small with lora"]["auroc validation low"]) < 0.815
    assert rows["large with full"]["auroc validation"] == ""
    assert read(written / "failures.csv")[0]["reason"] == "oom_host"


def test_latex_reads_as_the_report_does() -> None:
    cells = ("a_b & 5 %", Estimate(0.8714, 0.83, 0.912), Amount(412e6, "412 MB"), None, 1234, 0.5)
    table = Table("x", "A table", tuple("abcdef"), (cells,))

    assert r"a\_b \& 5 \% & 0.871 [0.830, 0.912] & 412 MB & – & 1,234 & 0.500 \tabularnewline" in table.to_latex()
    assert "{lrrrrr}" in table.to_latex()
    assert table.to_csv().splitlines()[1] == "a_b & 5 %,0.8714,0.83,0.912,412000000.0,,1234,0.5"


def test_hostile_names_are_neither_a_formula_nor_a_command_nor_a_path(tmp_path: Path) -> None:
    table = Table("../../etc/x", "c", ("name",), (("=cmd()",), (r"\input{secret}",)))

    paths = write_tables([table, table], tmp_path)

    assert [path.name for path in paths] == ["etc-x.csv", "etc-x.tex", "etc-x-2.csv", "etc-x-2.tex"]
    assert "'=cmd()" in paths[0].read_text()
    assert r"\textbackslash{}input\{secret\}" in paths[1].read_text()


def test_the_command_line_writes_them(folder: Any, tmp_path: Path, clinpeft: Any) -> None:
    folder.run()

    said = clinpeft("report", folder.root, "--tables", tmp_path / "t", "--alert-rate", "0.2", "--prevalence", "0.05")

    assert said.code == 0
    assert (tmp_path / "t" / "ward-notes-configurations.tex").is_file()
    assert clinpeft("report", folder.root, "--alert-rate", "5").code == 2
