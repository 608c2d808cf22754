"""Studies that come with clinpeft, by name."""

from __future__ import annotations

from pathlib import Path

from clinpeft.errors import UnknownName, did_you_mean

FOLDER = Path(__file__).parent


def packaged() -> list[str]:
    """Names of the packaged studies; one in a sub-folder is `folder/name`."""
    return sorted(str(path.relative_to(FOLDER).with_suffix("")) for path in FOLDER.rglob("*.yaml"))


def find_studies(name: str) -> list[Path]:
    """The files of a packaged folder of studies, in order of name; or the one file that `find_study` finds."""
    members = [FOLDER / f"{study}.yaml" for study in packaged() if study.startswith(f"{name.rstrip('/')}/")]
    return members or [find_study(name)]


def find_study(name: str) -> Path:
    """The study file that `name` stands for: a path, or a packaged study. Raises UnknownName."""
    if name in packaged():
        return FOLDER / f"{name}.yaml"
    if Path(name).is_file():
        return Path(name)
    known = sorted({study.split("/")[0] for study in packaged()})
    near = did_you_mean(name, [*known, *packaged()])
    raise UnknownName(
        f"study '{name}'",
        "is neither a file nor a packaged study",
        f"{near + ' ' if near else ''}packaged: {', '.join(known)}; `clinpeft init FILE` writes one of your own",
    )
