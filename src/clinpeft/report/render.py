"""The report on disk: index.html and its data as JSON and CSV, from records alone; the same records, the same bytes."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from pathlib import Path

from clinpeft.files import write_atomic
from clinpeft.report import wording
from clinpeft.report.aggregate import analyse, load
from clinpeft.report.closer import iqm, spread_of_seeds
from clinpeft.report.configurations import configurations, selected
from clinpeft.report.evaluation import ALERT_RATE, evaluate
from clinpeft.report.results import Results
from clinpeft.report.tables import tables, write_tables
from clinpeft.report.view import Page, page

HERE = Path(__file__).parent


def write_report(
    dirs: list[Path],
    out: Path,
    only: Mapping[str, str] | None = None,
    *,
    alert_rate: float = ALERT_RATE,
    prevalence: float | None = None,
    tables_in: Path | None = None,
) -> Path:
    """Write the report of one or more studies into folder `out`; returns the path of index.html.

    alert_rate: share of examples that may be flagged, for the threshold that is shown beside the chosen one;
    prevalence: how common the label is where the model is to be used, for the share of flags that would be right there;
    tables_in: a folder for every table as CSV and LaTeX.
    Raises BadInput as `load`, `analyse` and `evaluate` do; each file appears whole or not at all.
    """
    loaded = load(dirs)
    analysis = analyse(loaded, only)
    results = analysis.results
    evaluation = evaluate(results.recommendations, configurations(selected(loaded, only or {})), alert_rate, prevalence)
    write_atomic(out / "results.json", results.to_json())
    write_atomic(out / "results.csv", results.to_csv())
    write_atomic(out / "evaluation.json", evaluation.to_json())
    shown = page(loaded, results, only or {}, analysis.contrasts, evaluation)
    write_atomic(out / "index.html", html(shown))
    if tables_in is not None:
        write_tables(tables(shown), tables_in)
    return out / "index.html"


def html(shown: Page) -> str:
    """The page as one HTML text that loads nothing: styles, script and drawings are inside, and its security policy
    lets nothing else run."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined
    from markupsafe import Markup

    style = (HERE / "style.css").read_text(encoding="utf-8")
    script = (HERE / "page.js").read_text(encoding="utf-8")
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.globals.update(wording=wording, iqm=iqm, spread_of_seeds=spread_of_seeds)
    template = environment.get_template("template.html.j2")
    return template.render(
        page=shown,
        style=Markup(style),
        script=Markup(script),
        style_hash=_policy_hash(style),
        script_hash=_policy_hash(script),
    )


def summary_lines(results: Results) -> list[str]:
    """The report in a few plain lines for a terminal: each recommendation, then the warnings."""
    sentences = [recommendation.sentence for recommendation in results.recommendations]
    return [*sentences, *(f"warning: {warning}" for warning in results.warnings)]


def _policy_hash(text: str) -> str:
    return f"'sha256-{b64encode(sha256(text.encode()).digest()).decode()}'"
