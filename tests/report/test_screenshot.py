"""The page in a real browser: it renders at desktop and phone width, its script runs, nothing is refused or logged."""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import zlib
from itertools import product
from pathlib import Path
from typing import Any

import pytest

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
