"""The verbs from a study to its runs."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from clinpeft.cli.options import Data, Json, Models, Only, Out, count, pairs


def plan_(
    study: str,
    data: Data = None,
    model: Models = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The study's folder, if it was begun: what is done is left out.")
    ] = None,
    price: Annotated[str | None, typer.Option(help="What an hour here costs: own:workstation, FILE:RATE.")] = None,
    no_probe: Annotated[bool, typer.Option("--no-probe", help="Reckon from sizes; try nothing out.")] = False,
    settings: Annotated[
        list[str] | None, typer.Option("--set", help="processes_per_run=N, shard_weights=true: as for `run`.")
    ] = None,
    as_json: Json = False,
) -> None:
    """What the runs of STUDY will take here: time, memory, disk, energy, money; exit code 1 if one will not fit."""
    from clinpeft.api import plan as plan_study
    from clinpeft.frozen import parse_words
    from clinpeft.launchers.local import Local
    from clinpeft.runs.plan_text import outlook_lines

    def tell(line: str) -> None:
        print(line, file=sys.stderr, flush=True)

    local = parse_words(Local, pairs(settings, "--set"), "--set")
    outlooks = plan_study(
        study,
        out,
        data=list(data or []),
        models=model or (),
        price=price,
        probes=not no_probe,
        launcher=local,
        tell=tell,
    )
    if as_json:
        print(json.dumps([outlook.facts() for outlook in outlooks], ensure_ascii=False, indent=1))
    else:
        for outlook in outlooks:
            if len(outlooks) > 1:
                print(f"{outlook.study}:")
            for line in outlook_lines(outlook):
                print(line)
    raise typer.Exit(0 if all(outlook.fits for outlook in outlooks) else 1)


def run(
    study: str,
    out: Out,
    data: Data = None,
    model: Models = None,
    only: Only = None,
    launcher: Annotated[str, typer.Option(help="Where runs happen; `clinpeft list launchers` names them.")] = "local",
    workers: Annotated[int | None, typer.Option(min=1, help="How many runs at once, where the launcher can.")] = None,
    settings: Annotated[list[str] | None, typer.Option("--set", help="An option of the launcher: key=value.")] = None,
    price: Annotated[
        str | None,
        typer.Option(help="What an hour here costs, for a budget of money and the report: own:workstation, FILE:RATE."),
    ] = None,
    retry_failed: Annotated[bool, typer.Option("--retry-failed", help="Train failed runs again.")] = False,
) -> None:
    """Train what STUDY (a file, or a packaged study) still lacks in OUT, and write the report."""
    from clinpeft.api import results
    from clinpeft.api import run as run_study
    from clinpeft.launchers.base import launcher_of
    from clinpeft.report.render import summary_lines

    options = pairs(settings, "--set") | ({} if workers is None else {"workers": str(workers)})
    outcome = run_study(
        study,
        out,
        data=list(data or []),
        models=model or (),
        only=pairs(only, "--only"),
        launcher=launcher_of(launcher, options),
        price=price,
        retry_failed=retry_failed,
    )
    for line in summary_lines(results(*outcome.parts)):
        print(line)
    if outcome.num_failed:
        print(f"{count(outcome.num_failed, 'run')} failed; the report says why", file=sys.stderr)
    print(out / "report" / "index.html")
    raise typer.Exit(1 if outcome.num_failed else 0)


def status(
    folder: Path,
    price: Annotated[str | None, typer.Option(help="For a budget of money: own:workstation, FILE:RATE.")] = None,
    as_json: Json = False,
) -> None:
    """Which runs of a study are done, run, failed and why, and are left; and when it will end."""
    from clinpeft.prices.rates import find_price
    from clinpeft.runs.progress import clock
    from clinpeft.runs.status import standing
    from clinpeft.runs.store import Store

    now = standing(Store.open(folder), find_price(price) if price else None)
    if as_json:
        facts = {"counts": now.counts, "seconds_left": now.seconds_left, "budget_reached": now.limit}
        print(json.dumps({**facts, "runs": now.rows}, indent=1))
        return
    for row in now.rows:
        fold = f" · fold {row['fold']}" if row["fold"] else ""
        what = f"{row['task']} · {row['model']} · {row['method']} · seed {row['seed']}{fold}"
        why = row["reason"] or (f"by {row['worker']}" if row["worker"] else "")
        is_open = row["status"] in {"planned", "running"}
        again = ", started again from step 0" if is_open and int(row["starts"]) > 1 else ""
        print(f"{row['run']}  {row['status']:<13} {what}" + (f"  ({why}{again})" if why or again else ""))
    if now.counts.get("pruned"):
        print(f"{count(now.counts['pruned'], 'trial')} stopped early by successive halving")
    if now.limit and (num_left := now.counts.get("planned", 0)):
        print(f"the budget of {now.limit} is used up: {num_left} left out; raise it, and the same command goes on")
    elif now.seconds_left:
        num_running = now.counts.get("running", 0)
        print(f"about {clock(now.seconds_left)} left with {count(max(1, num_running), 'worker')}")
    print(", ".join(f"{count} {name}" for name, count in sorted(now.counts.items())) or "nothing planned yet")


def reproduce(
    folder: Path,
    run: Annotated[str, typer.Argument(help="Its id, or the start of it.")],
    data: Data = None,
    base: Annotated[Path | None, typer.Option(help="Folder that the study's own paths are relative to.")] = None,
    tolerance: Annotated[
        float, typer.Option(min=0, help="By how much the headline metric may move where bits may differ.")
    ] = 0.01,
    as_json: Json = False,
) -> None:
    """Train a finished run again in a temporary folder: bitwise, within tolerance, or different (exit code 1)."""
    from clinpeft.runs.reproduce import reproduce as reproduce_run

    found = reproduce_run(folder, run, data=list(data or []), base=base, tolerance=tolerance)
    print(json.dumps(found.facts(), indent=1) if as_json else "\n".join(found.lines()))
    raise typer.Exit(1 if found.verdict == "different" else 0)
