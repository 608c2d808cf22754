"""The report on disk: index.html and its data as JSON and CSV, from records alone; the same records, the same bytes."""

from __future__ import annotations

import re
from base64 import b64encode
from collections.abc import Mapping
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

from clinpeft.data.card import TELLS
from clinpeft.errors import BadInput
from clinpeft.files import write_atomic
from clinpeft.prices.rates import Price
from clinpeft.report import wording
from clinpeft.report.aggregate import analyse, load
from clinpeft.report.board import write_board
from clinpeft.report.configurations import configurations, selected
from clinpeft.report.counting import beside_published, counted
from clinpeft.report.evaluation import ALERT_RATE, evaluate
from clinpeft.report.model_card import read_about, write_model_cards
from clinpeft.report.page_tables import tables
from clinpeft.report.pdf import require_reportlab
from clinpeft.report.results import Results
from clinpeft.report.seeds import middle_half, spread_of_seeds
from clinpeft.report.tables import write_tables
from clinpeft.report.view import Page, page
from clinpeft.report.views import views

HERE = Path(__file__).parent


def write_report(
    dirs: list[Path],
    out: Path,
    only: Mapping[str, str] | None = None,
    *,
    alert_rate: float = ALERT_RATE,
    prevalence: float | None = None,
    tables_in: Path | None = None,
    for_board: bool = False,
    about: Path | None = None,
    train_price: Price | None = None,
    serve_price: Price | None = None,
) -> Path:
    """Write the report of one or more studies into folder `out`; returns the path of index.html.

    alert_rate: share of examples that may be flagged, for the threshold that is shown beside the chosen one;
    prevalence: how common the label is where the model is to be used, for the share of flags that would be right there;
    tables_in: a folder for every table as CSV and LaTeX; for_board: also `board-<task>.pdf`
    of four pages and `model-card-<task>.{md,xml}`; about: answers for the card that only people know (YAML);
    prices: of an hour of training and of scoring, for the tables of money.
    Raises BadInput as `load`, `analyse` and `evaluate` do; each file appears whole or not at all.
    """
    if for_board:
        require_reportlab()
    for folder in (out, *([] if tables_in is None else [tables_in])):
        _refuse_file(folder)
    answers = read_about(about) if about is not None else {}
    loaded = load(dirs)
    analysis = analyse(loaded, only)
    results = analysis.results
    found = configurations(selected(loaded, only or {}))
    evaluation = evaluate(results, found, alert_rate, prevalence)
    shown = page(loaded, results, only or {}, analysis.contrasts, evaluation)
    shown = replace(shown, views=views(loaded, results, only, train_price=train_price, serve_price=serve_price))
    write_atomic(out / "results.json", results.to_json())
    write_atomic(out / "results.csv", results.to_csv())
    write_atomic(out / "evaluation.json", evaluation.to_json())
    write_atomic(out / "index.html", html(shown))
    if tables_in is not None:
        write_tables(tables(shown), tables_in)
    if for_board:
        write_board(shown, evaluation, out)
        write_model_cards(shown, evaluation, out, answers)
    return out / "index.html"


def _refuse_file(folder: Path) -> None:
    """Before anything is written: what is to be a folder, or lies above it, is no file."""
    if not next(path for path in (folder, *folder.absolute().parents) if path.exists()).is_dir():
        raise BadInput(str(folder), "is a file, or below one", "choose a folder")


def html(shown: Page) -> str:
    """The page as one HTML text that loads nothing: styles, scripts and plots are inside, and its security policy lets
    nothing else run. Plotly is in it, once, where there is something to draw."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    style = (HERE / "style.css").read_text(encoding="utf-8")
    script = (HERE / "page.js").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(wording=wording, middle_half=middle_half, spread_of_seeds=spread_of_seeds, tells=TELLS)
    environment.globals.update(counted=counted, beside_published=beside_published)
    library = plotly() if shown.has_plots else ""
    scripts = [script, *([(HERE / "plots.js").read_text(encoding="utf-8")] if library else [])]
    template = environment.get_template("template.html.j2")
    return template.render(
        page=shown,
        style=Markup(style),
        scripts=[Markup(text) for text in scripts],
        plotly=Markup(library),
        foreign_styles=_foreign_styles(library),
        style_hashes=[_policy_hash(text) for text in (style, *([""] if library else []))],
        script_hashes=[_policy_hash(text) for text in (*scripts, library) if text],
    )


def plotly() -> str:
    """The script that draws the plots, of the installed plotly package."""
    from importlib.resources import files

    return files("plotly").joinpath("package_data", "plotly.min.js").read_text(encoding="utf-8")


def _foreign_styles(script: str) -> list[str]:
    """Ids under which Plotly's map library looks for its style sheet before it adds one, which the policy would refuse:
    where an element has the id it adds none."""
    return re.findall(r'getElementById\("([0-9a-f]{64})"\)', script)


def summary_lines(results: Results) -> list[str]:
    """The report in a few plain lines for a terminal: each recommendation, then the warnings."""
    sentences = [recommendation.sentence for recommendation in results.recommendations]
    return [*sentences, *(f"warning: {warning}" for warning in results.warnings)]


def _policy_hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
