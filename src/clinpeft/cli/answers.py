"""The verbs from records to answers."""

from __future__ import annotations

import json
import math
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from clinpeft.cli.options import Data, Json, Only, Out, ServePrice, TrainPrice, count, pairs
from clinpeft.errors import BadInput

if TYPE_CHECKING:
    from clinpeft.prices.rates import Price


def report(
    folders: list[Path],
    only: Only = None,
    out: Annotated[Path | None, typer.Option("--out", help="Default: `report` in the first folder.")] = None,
    audience: Annotated[
        str | None, typer.Option("--for", help="`board`: also a PDF of four pages and a model card.")
    ] = None,
    about: Annotated[
        Path | None, typer.Option(help="For the model card, what only people know: YAML, intended_use: …, users: ….")
    ] = None,
    tables: Annotated[Path | None, typer.Option(help="A folder for every table as CSV and LaTeX.")] = None,
    alert_rate: Annotated[float, typer.Option(help="Share of examples that may be flagged.")] = 0.1,
    prevalence: Annotated[
        float | None, typer.Option(help="How common the label is where the model is to be used.")
    ] = None,
    price: TrainPrice = None,
    serve_price: ServePrice = None,
    show_errors: Annotated[
        int | None, typer.Option(min=1, help="So many wrong answers with their texts, in a file beside the dataset.")
    ] = None,
    data: Data = None,
) -> None:
    """Write the report of a study, or of several merged, from their records."""
    from clinpeft.report.render import write_report

    if audience not in (None, "board"):
        raise BadInput("--for", "knows one audience", "write --for board")
    if about is not None and audience is None:
        raise BadInput("--about", "goes with --for board", "add it, or leave --about out")
    training, serving = _prices(price, serve_price)
    private: list[Path] = []
    if show_errors is not None:
        from clinpeft.api import errors

        private = errors(*folders, most=show_errors, data=list(data or []))
    written = write_report(
        folders,
        out or folders[0] / "report",
        pairs(only, "--only"),
        alert_rate=alert_rate,
        prevalence=prevalence,
        tables_in=tables,
        for_board=audience == "board",
        about=about,
        train_price=training,
        serve_price=serving,
    )
    for path in private:
        print(f"patients' text, for your eyes only: {path}", file=sys.stderr)
    print(written)


def export_results_(
    folders: list[Path],
    to: Annotated[str, typer.Option(help="`peft` (method_comparison JSON) or `mlflow` (a file store).")],
    out: Annotated[Path | None, typer.Option("--out", help="Default: below the study's folder.")] = None,
) -> None:
    """Write a study's runs in another program's format."""
    from clinpeft.api import export_results

    print(f"{export_results(*folders, to=to, out=out)} runs written")


def import_results_(
    files: list[Path],
    out: Out,
    task: Annotated[str, typer.Option(help="What the results are of, where the files do not say.")] = "MetaMathQA",
) -> None:
    """Make a folder that `report` reads of result files of peft's method_comparison."""
    from clinpeft.api import import_results

    print(f"{import_results(*files, out=out, task=task)} runs imported")


def recommend_(
    folder: Path,
    limit: Annotated[list[str] | None, typer.Option("--limit", help="A ceiling on a cost: field=value.")] = None,
    as_json: Json = False,
) -> None:
    """What to take for each task of a study, and how sure that is; from validation scores only."""
    from clinpeft.api import recommendations as recommendations_of

    limits = {key: _number(value, f"--limit {key}") for key, value in pairs(limit, "--limit").items()}
    recommendations = recommendations_of(folder, limits=limits)
    if as_json:
        print(json.dumps([item.model_dump(mode="json") for item in recommendations], ensure_ascii=False, indent=1))
        return
    for item in recommendations:
        print(item.sentence)


def open_test_(folder: Path, data: Data = None, price: TrainPrice = None, serve_price: ServePrice = None) -> None:
    """Open the test labels of a sealed study: score its runs on test, note it, and renew the report."""
    from clinpeft.report.render import write_report
    from clinpeft.runs.sweep import open_test_labels

    training, serving = _prices(price, serve_price)
    runs, times = open_test_labels(folder, tuple(data or ()))
    print(f"{count(runs, 'run')} scored on test; the test labels of this study were opened {count(times, 'time')}")
    print(write_report([folder], folder / "report", train_price=training, serve_price=serving))


def _prices(train: str | None, serve: str | None) -> tuple[Price | None, Price | None]:
    """What training and answering cost an hour; who names one machine answers on it as well."""
    from clinpeft.prices.rates import find_price
    from clinpeft.report.view_money import refuse_two_currencies

    training, serving = (None if name is None else find_price(name) for name in (train, serve or train))
    refuse_two_currencies(training, serving)
    return training, serving


def _number(value: str, where: str) -> float:
    try:
        number = float(value)
    except ValueError:
        number = math.nan
    if not math.isfinite(number):
        raise BadInput(where, "is not a number", "for example --limit peak_host_bytes=8e9")
    return number
