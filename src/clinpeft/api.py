"""clinpeft as a library: `from clinpeft import Study, run`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import get_args

from clinpeft.errors import BadInput, did_you_mean
from clinpeft.report.render import write_report
from clinpeft.report.results import Recommendation, Results
from clinpeft.runs.sweep import Outcome, sweep
from clinpeft.spec import CostField, Study
from clinpeft.studies import find_study


def run(
    study: Study | str | Path,
    out: str | Path,
    *,
    data: str | Path | list[str | Path] = (),  # type: ignore[assignment]
    only: Mapping[str, str] | None = None,
    launcher: str = "local",
    retry_failed: bool = False,
) -> Outcome:
    """Train what a study still lacks in the folder `out`, and write its report.

    study: a Study (its relative paths start at the working directory), a study file, or a packaged study's name.
    Raises BadInput before anything is trained when something it names is missing or broken.
    """
    if isinstance(study, Study):
        asked, base = study, Path.cwd()
    else:
        path = find_study(str(study))
        asked, base = Study.read(path), path.parent
    folders = [data] if isinstance(data, str | Path) else list(data)
    outcome = sweep(
        asked,
        base,
        Path(out),
        data=tuple(Path(folder) for folder in folders),
        wanted=only,
        launcher=launcher,
        retry_failed=retry_failed,
    )
    write_report([Path(out)], Path(out) / "report", only)
    return outcome


def results(*folders: str | Path) -> Results:
    """The results of one study's folder, or of several merged, as in results.json."""
    from clinpeft.report.aggregate import aggregate
    from clinpeft.report.load import load

    return aggregate(load([Path(folder) for folder in folders]))


def recommendations(folder: str | Path, *, limits: Mapping[str, float] | None = None) -> tuple[Recommendation, ...]:
    """One recommendation a task, from validation scores only; `limits` are ceilings on costs beside the study's own.

    Raises BadInput for a limit that is no cost field.
    """
    from clinpeft.report.aggregate import aggregate
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
    return recommend(aggregate(loaded), loaded[0].study.select, extra, prestated=not loaded[0].earlier_selects)
