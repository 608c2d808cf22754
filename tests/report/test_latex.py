"""LaTeX that compiles: every sign escaped, no line wider than the page."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

from clinpeft.report.latex import latex, latex_table
from clinpeft.report.render import write_report
from clinpeft.report.tables import Amount, Estimate, Table, write_tables

HOSTILE = r"\input{secret} 50 % of A_1 & {B} $x^2$ #7 ~ | <b> a--b 'q' ± × ≤ √ ² → − αΩ é – "
WIDE = Table(
    "wide",
    "Twelve columns, and a name of its own in each row",
    ("configuration", *(f"a cost with a long name {number}" for number in range(12))),
    tuple((f"[model] with method {row}", *[Estimate(0.5, 0.4, 0.6)] * 12) for row in range(3)),
)
LONG = Table("long", "Runs", ("run", "sha256"), tuple((f"{row:016x}", f"{row:02x}" * 32) for row in range(100)))
PROSE = Table("prose", "Sentences", ("task", "take", "score"), (("a", "For a task take this. " * 12, 0.5),))
SIGNS = Table(f"signs {HOSTILE}", HOSTILE, (HOSTILE, "b"), ((HOSTILE, "*"), ("[0.1]", "x" * 90), ("*", None)))


def columns_of(text: str) -> list[str]:
    """The format of each tabular."""
    return re.findall(r"\\begin\{(?:tabular|longtable)\}\{((?:p\{[^}]*\}|[lr])+)\}", text)


@pytest.mark.parametrize(
    ("plain", "escaped"),
    [
        ("50 % of A_1 & {B} $ #", r"50 \% of A\_1 \& \{B\} \$ \#"),
        ("\\~^|<>", r"\textbackslash{}\textasciitilde{}\textasciicircum{}\textbar{}$<$$>$"),
        ("a---b - c", "a-{}-{}-b - c"),
        ("−±×≤≥√²→", r"$-$$\pm$$\times$$\leq$$\geq$$\surd$$^2$$\rightarrow$"),
        ("β-blocker, Ω", r"$\beta$-blocker, $\Omega$"),
        ("a\n\tb", "a b"),
        ("é – ü", "é – ü"),
    ],
)
def test_signs_that_latex_would_take_for_commands_are_escaped(plain: str, escaped: str) -> None:
    assert latex(plain) == escaped


def test_a_line_that_begins_with_a_bracket_is_no_option_of_the_line_before_it() -> None:
    lines = latex_table("x", "c", ["a", "b"], [["[1]", "[2]"], ["*", "3"]], [True, True]).splitlines()

    assert r"{}[1] & [2] \tabularnewline" in lines
    assert r"{}* & 3 \tabularnewline" in lines


def test_what_is_too_wide_is_cut_into_panels_that_all_name_their_rows() -> None:
    text = WIDE.to_latex()
    formats = columns_of(text)

    # A line holds 76 signs: 22 of the name, and three intervals of 20 with their gaps would be too many.
    assert formats == ["lrr"] * 6
    assert text.count(r"{}[model] with method 0 &") == 6
    assert text.count(r"\caption{") == 1


def test_panels_are_as_wide_as_each_other() -> None:
    cells = ["name", *["0.500 [0.400, 0.600]"] * 4]
    text = latex_table("x", "c", list("abcde"), [cells], [True, *[False] * 4])

    assert columns_of(text) == ["lrr", "lrr"]


def test_a_row_is_named_by_as_many_columns_as_tell_it_from_the_others() -> None:
    rows = [
        [model, method, *["0.500 [0.400, 0.600]"] * 4] for model in ("small", "large") for method in ("full", "lora")
    ]
    text = latex_table("x", "c", list("abcdef"), rows, [True, True, *[False] * 4])

    assert columns_of(text) == ["llrr", "llrr"]
    assert text.count("large & lora &") == 2


def test_a_long_text_is_wrapped_and_a_long_word_may_be_broken() -> None:
    assert re.search(r"\{lp\{0\.\d+\\linewidth\}r\}", PROSE.to_latex())
    assert r"\raggedright For a task take this. For" in PROSE.to_latex()
    assert r"00000000000000\allowbreak{}00" in LONG.to_latex()


def test_a_table_longer_than_a_page_goes_over_several_with_its_head_on_each() -> None:
    text = LONG.to_latex()

    assert text.count(r"\begin{longtable}") == 1
    assert r"\endfirsthead" in text and r"\endhead" in text
    assert r"\begin{table}" not in text
    many = latex_table("x", "c", ["n", *"abcd"], [[str(row), *["x" * 25] * 4] for row in range(60)], [True] * 5)
    assert many.count(r"\begin{longtable}") == many.count(r"\addtocounter{table}{-1}") + 1 == 2


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("pdflatex") is None, reason="needs pdflatex")
def test_every_table_of_a_report_compiles_and_no_line_is_too_wide(folder: Any, tmp_path: Path) -> None:
    for method in ("lora", "full", "ia3"):
        for seed in (1, 2):
            folder.run("small", method, seed, value=0.8 + seed / 100, test=0.75, options={"rank": 8, "label": HOSTILE})
    folder.run("none", "majority", 0, value=0.5, arm=0.0)
    folder.failed("large", "full", 1, "out_of_memory", "oom_host", HOSTILE)
    write_report([folder.root], folder.root / "report", tables_in=tmp_path / "tables")
    amounts = Table("amounts", "Costs", ("a", "b"), (("x", Amount(1.0, "3 min 20 s")), (HOSTILE * 3, None)))
    write_tables([WIDE, LONG, PROSE, SIGNS, amounts], tmp_path / "tables" / "more")
    paths = sorted((tmp_path / "tables").rglob("*.tex"))
    inputs = "\n".join(f"\\input{{{path.relative_to(tmp_path)}}}\\clearpage" for path in paths)
    packages = r"\documentclass{article}\usepackage{booktabs,longtable}"
    (tmp_path / "all.tex").write_text(f"{packages}\\begin{{document}}\n{inputs}\n\\end{{document}}\n", encoding="utf-8")

    words = ["pdflatex", "-interaction=nonstopmode", "-halt-on-error", "all.tex"]
    for _ in range(2):  # A longtable knows its columns the second time.
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, errors="replace", timeout=300)
    assert len(paths) > 15
    assert done.returncode == 0, done.stdout[-2000:]
    assert not re.findall(r"^Overfull \\hbox.*", done.stdout, flags=re.MULTILINE)
