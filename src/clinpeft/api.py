"""clinpeft as a library: `from clinpeft import Study, run`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import get_args

from clinpeft.errors import BadInput, did_you_mean
from clinpeft.files import for_owner_only
from clinpeft.launchers.base import LAUNCHERS, Launcher
from clinpeft.prices.rates import find_price
from clinpeft.report.render import write_report
from clinpeft.report.results import Recommendation, Results
from clinpeft.runs.find import find
from clinpeft.runs.forecast import Outlook
from clinpeft.runs.grid import may_fit
from clinpeft.runs.sweep import Outcome, sweep
from clinpeft.spec import CostField, Study
from clinpeft.studies import find_studies


def run(
    study: Study | str | Path,
    out: str | Path,
    *,
    data: str | Path | list[str | Path] = (),  # type: ignore[assignment]
    only: Mapping[str, str] | None = None,
    launcher: str | Launcher = "local",
    price: str | None = None,
    retry_failed: bool = False,
) -> Outcome:
    """Train what a study still lacks in the folder `out`, and write its report.

    launcher: a name (`clinpeft list launchers`), or a launcher with options of its own: `Pool(workers=4)`.
    price: what an hour of this machine costs (`own:workstation`, or `FILE:RATE`), for a study with a budget of money.
    study: a Study (its relative paths start at the working directory), a study file, or a packaged study's name. The
    name of a packaged folder runs every study in it, each in a folder of its own below `out`, with one report of all.
    Raises BadInput before anything is trained when something it names is missing or broken.
    """
    launch = LAUNCHERS.get(launcher)() if isinstance(launcher, str) else launcher
    folders = tuple(Path(folder) for folder in ([data] if isinstance(data, str | Path) else data))
    parts = _parts(study, Path(out))
    # Of several studies those without such a run are passed by, and each is looked at before the first one runs.
    parts = [part for part in parts if may_fit(part[0], only or {})] or parts
    for asked, base, place in parts[1:]:
        find(asked, base, folders, place)
    with for_owner_only():
        outcomes = [
            sweep(
                asked,
                base,
                place,
                data=folders,
                wanted=only,
                launcher=launch,
                price=find_price(price) if price else None,
                retry_failed=retry_failed,
            )
            for asked, base, place in parts
        ]
        write_report([outcome.folder for outcome in outcomes], Path(out) / "report", only)
    return Outcome(
        folder=Path(out),
        parts=tuple(outcome.folder for outcome in outcomes),
        num_trained=sum(outcome.num_trained for outcome in outcomes),
        num_kept=sum(outcome.num_kept for outcome in outcomes),
        num_failed=sum(outcome.num_failed for outcome in outcomes),
    )


def plan(
    study: Study | str | Path,
    out: str | Path | None = None,
    *,
    data: str | Path | list[str | Path] = (),  # type: ignore[assignment]
    price: str | None = None,
    probes: bool = True,
    tell: Callable[[str], None] = lambda line: None,
) -> tuple[Outlook, ...]:
    """What a study will take on this machine, run by run and in all, before anything is trained; nothing is written.

    One Outlook, or one for each study of a packaged folder. out: the study's folder if it was begun, whose finished
    runs are left out; price: what an hour of this machine costs (`own:workstation`, or `FILE:RATE`); probes: whether a
    few steps of each kind of run are tried out, else all is reckoned from sizes; tell: hears which is tried.
    Raises BadInput for what `run` would refuse too, but for weights that are not here.
    """
    from clinpeft.runs.plan import plan_study

    folders = tuple(Path(folder) for folder in ([data] if isinstance(data, str | Path) else data))
    rate = find_price(price) if price else None
    with for_owner_only():
        return tuple(
            plan_study(asked, base, place if out else None, data=folders, price=rate, probes=probes, tell=tell)
            for asked, base, place in _parts(study, Path(out or "."))
        )


def _parts(study: Study | str | Path, out: Path) -> list[tuple[Study, Path, Path]]:
    """(study, the folder its paths are relative to, where it runs) of a study, or of every one in a packaged folder."""
    if isinstance(study, Study):
        return [(study, Path.cwd(), out)]
    paths = find_studies(str(study))
    if len(paths) == 1:
        return [(Study.read(paths[0]), paths[0].parent, out)]
    return [(Study.read(path), path.parent, out / path.stem) for path in paths]


def results(*folders: str | Path) -> Results:
    """The results of one study's folder, or of several merged, as in results.json."""
    from clinpeft.report.aggregate import aggregate
    from clinpeft.report.load import load

    return aggregate(load([Path(folder) for folder in folders]))


def recommendations(folder: str | Path, *, limits: Mapping[str, float] | None = None) -> tuple[Recommendation, ...]:
    """One recommendation a task, from validation scores only; `limits` are ceilings on costs beside the study's own.

    Raises BadInput for a limit that is no cost field.
    """
    from clinpeft.report.aggregate import analyse
    from clinpeft.report.load import load
    from clinpeft.report.recommend import recommend

    loaded = load([Path(folder)])
    extra: dict[CostField, float] = {}
    for key, value in (limits or {}).items():
        field = next((known for known in get_args(CostField) if known == key), None)
        if field is None:
            near = did_you_mean(key, list(get_args(CostField)))
            raise BadInput(f"limit '{key}'", "is no cost field", near or f"known: {', '.join(get_args(CostField))}")
        extra[field] = value
    found = analyse(loaded)
    is_prestated = not loaded[0].earlier_selects
    return recommend(found.results, loaded[0].study.select, extra, found.contrasts, prestated=is_prestated)
