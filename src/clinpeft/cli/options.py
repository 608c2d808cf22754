"""What several verbs share: options, and how key=value is read."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from clinpeft.errors import BadInput

Out = Annotated[Path, typer.Option("--out", help="Folder to write to.")]
Data = Annotated[
    list[Path] | None, typer.Option("--data", help="Folder with datasets or raw releases; may be repeated.")
]
Models = Annotated[
    list[str] | None,
    typer.Option("--model", help="In the place of the study's models: a name, or a folder; may be repeated."),
]
Only = Annotated[
    list[str] | None, typer.Option("--only", help="Only runs that fit: task=…, model=…, method=…, seed=…, fold=….")
]
TrainPrice = Annotated[
    str | None,
    typer.Option("--price", help="What an hour costs, for tables of money: own:workstation, FILE:RATE."),
]
ServePrice = Annotated[
    str | None, typer.Option("--serve-price", help="The same of the machine that answers, where it is another.")
]
Json = Annotated[bool, typer.Option("--json", help="For machines.")]
Settings = Annotated[list[str] | None, typer.Option("--set", help="An option of the task: key=value.")]


def pairs(items: list[str] | None, option: str) -> dict[str, str]:
    """What the words key=value say; raises BadInput for others, and for a key given twice."""
    found: dict[str, str] = {}
    for item in items or []:
        key, equals, value = item.partition("=")
        if not equals or not key or key in found:
            raise BadInput(option, "needs key=value, each key once", f"for example {option} task=rqe")
        found[key] = value
    return found


def count(number: int, noun: str) -> str:
    """`1 run`, `2 runs`."""
    return f"{number} {noun}{'s' * (number != 1)}"
