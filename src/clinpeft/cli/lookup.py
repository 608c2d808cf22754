"""The verbs that tell what there is: names, cards, checks, counts; and bring models."""

from __future__ import annotations

import json
from typing import Annotated

import typer

from clinpeft.cli.options import Json, Out, pairs


def list_(kind: str, as_json: Json = False) -> None:
    """Names of a KIND: sources, tasks, models, methods, metrics, launchers or studies."""
    from clinpeft.catalogues import summaries

    rows = summaries(kind)
    if as_json:
        print(json.dumps([{"name": name, "title": title} for name, title in rows], ensure_ascii=False, indent=1))
        return
    width = max((len(name) for name, _ in rows), default=0)
    for name, title in rows:
        print(f"{name:<{width}}  {title}".rstrip())


def show(kind: str, name: str, as_json: Json = False) -> None:
    """What is known of one entry: a task's card and options, a model's sizes, a method's paper …"""
    from clinpeft.catalogues import describe

    facts = describe(kind, name)
    if as_json:
        print(json.dumps(facts, ensure_ascii=False, indent=1))
        return
    for key, value in facts.items():
        if isinstance(value, dict):
            print(f"{key}:" + ("" if value else " none"))
            for inner, item in value.items():
                print(f"  {inner}: {item}")
        else:
            print(f"{key}: {', '.join(map(str, value)) if isinstance(value, list) else value}")


def check(kind: str, name: str) -> None:
    """The contract checks of one source, task, model, method, metric or launcher."""
    from clinpeft.testing import check_entry

    results = check_entry(kind, name)
    for result in results:
        print(
            f"{'ok    ' if result.passed else 'FAILED'} {result.name}" + (f": {result.detail}" if result.detail else "")
        )
    if not all(result.passed for result in results):
        raise typer.Exit(1)


def params(
    model: str,
    method: str,
    labels: Annotated[int, typer.Option(min=2, help="Classes of the head.")] = 2,
    settings: Annotated[list[str] | None, typer.Option("--set", help="An option of the method: key=value.")] = None,
    compat: Annotated[str | None, typer.Option(help="`paper`: as the 2024 study counts.")] = None,
    as_json: Json = False,
) -> None:
    """Count what METHOD trains on MODEL (a name, or a folder with a config.json): no weights are read."""
    from clinpeft.params.count import counts_of

    facts = counts_of(model, method, pairs(settings, "--set"), labels, compat).facts()
    print(json.dumps(facts) if as_json else "\n".join(f"{key}: {_grouped(value)}" for key, value in facts.items()))


def fetch(names: list[str], out: Out) -> None:
    """Bring models (names, hub ids OWNER/NAME[@REVISION], or a STUDY's) from the hub: the one verb that goes online."""
    from clinpeft.models.fetch import fetch_all

    for fetched in fetch_all(names, out):
        told = "was there" if fetched.was_there else f"{sum(file.bytes for file in fetched.locked.files):,} bytes"
        print(f"{out / fetched.wanted.folder}  {fetched.locked.revision[:12]}  {told}")


def _grouped(value: int | None) -> str:
    return "not counted" if value is None else f"{value:,}"
