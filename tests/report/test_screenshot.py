"""The page in a real browser: it renders at desktop and phone width, its script runs, nothing is refused or logged."""

from __future__ import annotations

import json
import re
import shutil
import struct
import subprocess
import zlib
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from tests.report.conftest import scored

from clinpeft.report.render import plotly, write_report

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
PDFTOTEXT = shutil.which("pdftotext")
FLAGS = (
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--hide-scrollbars",
    "--enable-logging=stderr",
    "--v=0",
)

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="chromium is not installed")


MODELS, METHODS, SEEDS = 10, 10, 10
"""Of the study of 1,000 runs."""


@pytest.fixture
def html(folder: Any) -> Path:
    for seed in (1, 2):
        folder.run("none", "tfidf-logistic", 0, value=0.75, seconds=2)
        folder.run("small", "lora", seed, value=0.8 + seed / 100, seconds=60)
        folder.run("large", "lora", seed, value=0.86, seconds=300, test=0.82)
        folder.failed("large", "full", seed, "out_of_memory", "oom_host", "8 GB were free")
    return write_report([folder.root], folder.root / "report")


@pytest.fixture
def large(folder: Any) -> Path:
    """The report of 1,000 runs."""
    for model, method, seed in product(range(MODELS), range(METHODS), range(SEEDS)):
        value = 0.6 + 0.02 * model + 0.01 * (method * 7 % METHODS) + 0.001 * seed
        seconds = 20.0 * 1.5**model * (1 + method / 5)
        folder.run(f"model-{model}", f"method-{method}", seed, value=value, arm=0.02, seconds=seconds)
    return write_report([folder.root], folder.root / "report")


def browse(html: Path, tmp_path: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [str(CHROMIUM), *FLAGS, f"--user-data-dir={tmp_path / 'profile'}", *flags, html.as_uri()]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)


def pixels(png: bytes) -> tuple[int, int, bytes]:
    """Width, height and the filtered rows of a PNG."""
    width, height = struct.unpack(">II", png[16:24])
    data, place = b"", 8
    while place < len(png):
        (length,) = struct.unpack(">I", png[place : place + 4])
        if png[place + 4 : place + 8] == b"IDAT":
            data += png[place + 8 : place + 8 + length]
        place += length + 12
    return width, height, zlib.decompress(data)


@pytest.mark.parametrize("width", [1280, 500])
def test_the_page_renders_without_a_console_message(html: Path, tmp_path: Path, width: int) -> None:
    picture = tmp_path / "page.png"

    done = browse(html, tmp_path, f"--window-size={width},2400", f"--screenshot={picture}")

    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    shown_width, height, rows = pixels(picture.read_bytes())
    assert (shown_width, height) == (width, 2400)
    # A blank page is one colour: after PNG's filters nearly every byte is zero.
    assert sum(byte != 0 for byte in rows) > 50_000


def test_the_script_makes_table_heads_into_buttons(html: Path, tmp_path: Path) -> None:
    dom = browse(html, tmp_path, "--dump-dom").stdout

    assert re.search(r"<th[^>]*aria-sort[^>]*><button", dom)


def test_a_report_of_1000_runs_draws_its_plots_stays_small_and_breaks_no_policy(large: Path, tmp_path: Path) -> None:
    # The browser's clock runs ahead until nothing is left to do, so that what is drawn when seen has been drawn.
    done = browse(large, tmp_path, "--window-size=1280,2400", "--virtual-time-budget=20000", "--dump-dom")
    shown = done.stdout.replace(plotly(), "")

    assert large.stat().st_size < 8_000_000
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    # A mark for each configuration and the ring; the text of the plot is the browser's, not ours.
    assert len(re.findall(r'<path class="point[ "]', shown)) == MODELS * METHODS + 1
    assert "<option>training time</option>" not in shown, "there is but one cost"
    assert len(re.findall(r'<li data-switch="m[^"]*"><button type="button" aria-pressed="true">', shown)) == 20


@pytest.mark.skipif(PDFTOTEXT is None, reason="pdftotext (poppler-utils) is not installed")
def test_what_is_printed_has_the_plots_though_nobody_scrolled_to_them(html: Path, tmp_path: Path) -> None:
    paper = tmp_path / "page.pdf"
    done = browse(html, tmp_path, "--window-size=500,300", f"--print-to-pdf={paper}")
    words = subprocess.run([str(PDFTOTEXT), str(paper), "-"], capture_output=True, text=True, check=True).stdout

    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    assert "(log scale)" in " ".join(words.split()), "it stands beside the axis of the plot, and nowhere else"


def test_every_table_is_sorted_by_every_column_and_hidden_lines_stand_last(folder: Any, tmp_path: Path) -> None:
    folder.predictions(folder.run("small", "lora", value=0.85, thresholds={"yes": 0.4}), grouped())
    page = write_report([folder.root], folder.root / "report").read_text(encoding="utf-8")
    click = """<script>
      addEventListener("error", (event) => document.body.append(`ERROR ${event.message}`));
      addEventListener("load", () => {
        for (const button of document.querySelectorAll("th button")) { button.click(); button.click(); }
        const groups = document.querySelector("[aria-label^=Subgroups] tbody");
        document.body.append(`SORTED ${[...groups.rows].map((row) => row.cells[0].textContent)}`);
      });
    </script>"""
    visited = tmp_path / "visited.html"
    visited.write_text(with_visitor(page, click), encoding="utf-8")

    shown = browse(visited, tmp_path, "--virtual-time-budget=5000", "--dump-dom").stdout.rpartition("</script>")[2]

    assert "ERROR" not in shown
    (order,) = re.findall("SORTED (.*)", shown)
    # Group X is too small to be told, and one of the others hidden with it.
    assert order.startswith("sex: F,sex: ")


def with_visitor(page: str, script: str) -> str:
    """The page with a script of the test's own at its end, which its security policy would refuse."""
    before, end, after = page.rpartition("</body>")
    return re.sub("<meta http-equiv[^>]*>", "", before) + script + end + after


def grouped() -> dict[str, list[Any]]:
    """Predictions of 120 subjects, five of them in a group of their own."""
    probability = [(number * 37 % 120) / 120 for number in range(120)]
    return {
        "example": [f"e{number}" for number in range(120)],
        "subject": [f"s{number}" for number in range(120)],
        "group_sex": ["X"] * 5 + ["F", "M"] * 57 + ["F"],
        "truncated": [False] * 120,
        "score_0": [1 - one for one in probability],
        "score_1": probability,
        "label": ["yes" if one > 0.5 else "no" for one in probability],
    }


@pytest.mark.skipif(PDFTOTEXT is None, reason="pdftotext (poppler-utils) is not installed")
def test_no_table_is_wider_than_the_paper_and_each_page_of_one_has_its_head(folder: Any, tmp_path: Path) -> None:
    metrics = [f"metric-{number}" for number in range(9)]
    scores = {metric: scored(0.8) for metric in ("auroc", *metrics)}
    for number in range(24):
        record = folder.run(f"model-{number}", "lora", 1, scores=scores, test=0.8)
        path = folder.root / "runs" / record.run / "test.json"
        path.write_text(json.dumps({**json.loads(path.read_text()), "scores": scores}))
    html = write_report([folder.root], folder.root / "report")
    paper = tmp_path / "page.pdf"
    browse(html, tmp_path, f"--print-to-pdf={paper}")

    text = subprocess.run([str(PDFTOTEXT), "-bbox", str(paper), "-"], capture_output=True, text=True, check=True).stdout
    pages = [sheet.partition(">")[2] for sheet in text.split("<page ")[1:]]
    words = [[(float(end), word) for end, word in re.findall(r'xMax="([\d.]+)"[^>]*>(.*?)</word>', of)] for of in pages]
    assert max(end for of in words for end, _ in of) < 612
    # "metric-8" stands in nothing but the heads of the tables of all scores, which go over several pages.
    with_scores = [of for of in words if sum(word.startswith("[0.750,") for _, word in of) > 100]
    assert len(with_scores) > 1
    assert all(any(word.startswith("metric") for _, word in of) for of in with_scores)


def test_plots_that_were_looked_at_before_fit_on_the_paper(folder: Any, tmp_path: Path) -> None:
    folder.predictions(folder.run("small", "lora", value=0.85, thresholds={"yes": 0.4}), grouped())
    page = write_report([folder.root], folder.root / "report").read_text(encoding="utf-8")
    as_before_printing = """<script>
      addEventListener("load", () => {
        /* The second time, all plots stand there as drawn for the screen. */
        for (const name of ["beforeprint", "afterprint", "beforeprint"]) dispatchEvent(new Event(name));
        const row = document.querySelector(".plots .columns");
        document.body.append(`TOO WIDE BY ${row.scrollWidth - row.clientWidth}.`);
      });
    </script>"""
    visited = tmp_path / "visited.html"
    visited.write_text(with_visitor(page, as_before_printing), encoding="utf-8")

    assert "TOO WIDE BY 0." in browse(visited, tmp_path, "--window-size=1280,2400", "--dump-dom").stdout
