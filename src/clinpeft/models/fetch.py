"""Models from the hub into a models folder: the one thing that may go online.

Only safetensors, JSON and text files are taken, each checked against the hash that the hub states for it, and
models.lock names the commit and the SHA-256 of every file. What was cut off goes on where it stopped.
"""

from __future__ import annotations

import hashlib
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from clinpeft.errors import BadInput, EnvironmentStop
from clinpeft.files import sha256_file, stopping_when_disk_is_full
from clinpeft.models.catalogue import ModelCard, catalogue, model_card
from clinpeft.models.lock import LOCK_FILE, LockedFile, LockedModel, add_to_lock, read_lock
from clinpeft.models.weights import INDEX, WEIGHTS, weight_files
from clinpeft.spec import ModelChoice, Study
from clinpeft.studies import find_studies, packaged

SUFFIXES = (".safetensors", ".json", ".txt")
BELOW = ("1_Pooling/config.json",)
"""Files in folders that are taken too; what else lies in folders are other formats of the same weights."""
PIECE_BYTES = 1 << 20


@dataclass(frozen=True)
class Wanted:
    """A model to fetch, and the name that its folder gets."""

    hub: str
    folder: str
    revision: str | None = None
    """A commit, a branch or a tag; None is what the lock names, or else the newest."""
    is_gated: bool = False


@dataclass(frozen=True)
class Fetched:
    """What became of a wanted model."""

    wanted: Wanted
    locked: LockedModel
    was_there: bool


def fetch_all(names: Sequence[str], models: Path) -> Iterator[Fetched]:
    """Fetch models into the folder `models`, one after another, by name, hub id (`OWNER/NAME[@REVISION]`) or study.

    Raises BadInput before anything is fetched where a name says nothing.
    """
    wanted = dict.fromkeys(one for name in names for one in wanted_by(name))
    models.mkdir(parents=True, exist_ok=True)
    return (fetch(one, models) for one in wanted)


def wanted_by(name: str) -> list[Wanted]:
    """What a row of the catalogue, a study (a file, or a packaged one) or a hub id asks for.

    Models that a package or a folder of the site's own brings are left out of a study's.
    """
    if name in catalogue():
        wanted = _of_row(catalogue()[name])
        if wanted is None:
            raise BadInput(f"model '{name}'", "is not on a hub", "its row of the catalogue says where its files are")
        return [wanted]
    if Path(name).is_file() or any(study == name or study.startswith(f"{name}/") for study in packaged()):
        choices = (choice for study in find_studies(name) for choice in Study.read(study).models)
        return [one for choice in choices if (one := _of_choice(choice)) is not None]
    hub, _, revision = name.partition("@")
    owner, _, own_name = hub.partition("/")
    if not (owner and own_name) or "/" in own_name or {owner, own_name} & {".", ".."}:
        model_card(name)
        raise BadInput(f"model '{name}'", "is no hub id", "name it OWNER/NAME or OWNER/NAME@REVISION")
    return [Wanted(hub, own_name, revision or None)]


def _of_choice(choice: ModelChoice) -> Wanted | None:
    if choice.hub is not None:
        return Wanted(choice.hub, choice.hub.rpartition("/")[2], choice.revision)
    return None if choice.path is not None else _of_row(model_card(choice.name))


def _of_row(card: ModelCard) -> Wanted | None:
    """None where a package or a site's own folder brings the weights, not a hub."""
    if card.hub is None or card.folder is None:
        return None
    return Wanted(card.hub, card.folder, card.revision, card.gated)


def fetch(wanted: Wanted, models: Path) -> Fetched:
    """Bring a model into the folder `models`, unless it is there already, and write models.lock.

    Raises BadInput where the model is not there, is gated, has no safetensors, or its folder holds something else;
    EnvironmentStop where the network or the hub fails: the same command goes on.
    """
    target, entry = models / wanted.folder, read_lock(models).models.get(wanted.folder)
    if entry is not None and entry.hub != wanted.hub:
        raise BadInput(str(target), f"holds {entry.hub}", "fetch into another folder")
    if entry is None and target.exists():
        raise BadInput(str(target), f"is there, and {LOCK_FILE} does not name it", "fetch into another folder")
    is_same = entry is not None and wanted.revision in {None, entry.revision}
    if entry is not None and is_same and _is_whole(target, entry):
        return Fetched(wanted, entry, was_there=True)
    with _online() as hub, stopping_when_disk_is_full(target):
        locked = _download(hub, wanted, entry.revision if entry and is_same else wanted.revision, models)
    add_to_lock(models, wanted.folder, locked)
    return Fetched(wanted, locked, was_there=False)


def _is_whole(folder: Path, entry: LockedModel) -> bool:
    return all(
        (folder / file.path).is_file() and sha256_file(folder / file.path) == file.sha256 for file in entry.files
    )


@contextmanager
def _online() -> Iterator[Any]:
    """A client of the hub that $HF_ENDPOINT names, which is told nothing of this machine and asked for nothing but the
    model; the process goes offline again afterwards."""
    from huggingface_hub import HfApi, constants
    from huggingface_hub.utils.tqdm import disable_progress_bars

    before = constants.HF_HUB_OFFLINE, constants.HF_HUB_DISABLE_TELEMETRY
    constants.HF_HUB_OFFLINE, constants.HF_HUB_DISABLE_TELEMETRY = False, True
    disable_progress_bars()
    try:
        yield HfApi(endpoint=os.environ.get("HF_ENDPOINT"))
    finally:
        constants.HF_HUB_OFFLINE, constants.HF_HUB_DISABLE_TELEMETRY = before


def _download(hub: Any, wanted: Wanted, revision: str | None, models: Path) -> LockedModel:
    with _told(wanted):
        info = hub.model_info(wanted.hub, revision=revision, files_metadata=True)
    chosen = [file for file in info.siblings or [] if _is_taken(file.rfilename)]
    _refuse_other_weights(wanted, {file.rfilename for file in info.siblings or []})
    staged = models / f".{wanted.folder}.fetching"
    for_this = staged / str(info.sha)
    for older in staged.iterdir() if staged.is_dir() else ():
        if older != for_this:
            shutil.rmtree(older)
    for_this.mkdir(parents=True, exist_ok=True, mode=0o700)
    files = tuple(sorted((_file(hub, wanted, info.sha, file, for_this) for file in chosen), key=lambda file: file.path))
    if not weight_files(for_this):
        raise BadInput(f"model '{wanted.hub}'", f"lacks files that its {INDEX} names")
    shutil.rmtree(for_this / ".cache", ignore_errors=True)
    target = models / wanted.folder
    shutil.rmtree(target, ignore_errors=True)
    for_this.replace(target)
    staged.rmdir()
    return LockedModel(hub=wanted.hub, revision=str(info.sha), files=files)


def _is_taken(path: str) -> bool:
    return path in BELOW or ("/" not in path and path.endswith(SUFFIXES))


def _refuse_other_weights(wanted: Wanted, names: set[str]) -> None:
    if WEIGHTS in names or INDEX in names:
        return
    pickled = any(name.endswith((".bin", ".pt", ".pth", ".ckpt")) for name in names)
    raise BadInput(
        f"model '{wanted.hub}'",
        "has its weights only as a pickle, which can run code" if pickled else f"has no {WEIGHTS}",
        "convert them where that is allowed (transformers' save_pretrained), and name the folder" if pickled else "",
    )


def _file(hub: Any, wanted: Wanted, revision: str, stated: Any, folder: Path) -> LockedFile:
    """One file, whose bytes are those that the hub states: SHA-256 for large files, git's own hash for small ones."""
    path = folder / stated.rfilename
    if not path.is_file() or not _agrees(path, stated):
        path.unlink(missing_ok=True)
        with _told(wanted):
            hub.hf_hub_download(wanted.hub, stated.rfilename, revision=revision, local_dir=folder)
        if not _agrees(path, stated):
            path.unlink()
            raise EnvironmentStop(
                f"model '{wanted.hub}': {stated.rfilename} came with another hash than the hub states; fetch again"
            )
    return LockedFile(path=stated.rfilename, bytes=path.stat().st_size, sha256=sha256_file(path))


def _agrees(path: Path, stated: Any) -> bool:
    if stated.lfs is not None:
        return sha256_file(path) == str(stated.lfs.sha256)
    return stated.blob_id is None or _git_hash(path) == str(stated.blob_id)


def _git_hash(path: Path) -> str:
    """What git calls a file of these bytes."""
    digest = hashlib.sha1(f"blob {path.stat().st_size}\0".encode(), usedforsecurity=False)
    with path.open("rb") as file:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
    return digest.hexdigest()


@contextmanager
def _told(wanted: Wanted) -> Iterator[None]:
    """The hub's refusals in one line; none of them names a token."""
    from huggingface_hub import errors

    where = f"model '{wanted.hub}'"
    try:
        yield
    except errors.GatedRepoError:
        raise _gated(wanted) from None
    except errors.RevisionNotFoundError:
        raise BadInput(where, f"has no revision '{wanted.revision}'") from None
    except errors.RepositoryNotFoundError:
        if wanted.is_gated:
            raise _gated(wanted) from None
        # The hub says 401 also for what does not exist, to whoever is not known.
        raise BadInput(
            where, "is not on the hub, or not for you", "check its id; set HF_TOKEN if it is private"
        ) from None
    except (errors.EntryNotFoundError, errors.LocalEntryNotFoundError):
        raise EnvironmentStop(f"{where}: a file that the hub lists cannot be had from it; fetch again later") from None
    except errors.HfHubHTTPError as error:
        status = error.response.status_code if error.response is not None else None
        if status in {401, 403}:
            raise _gated(wanted) from None
        raise EnvironmentStop(f"{where}: the hub answers {status}; fetch again later") from None
    except OSError as error:
        if error.filename is not None:
            raise
        raise _unreachable(where, error) from None
    except Exception as error:
        # The client hands its own library's errors on, whose names change with its versions.
        if type(error).__module__.partition(".")[0] not in {"httpx", "httpx2", "httpcore", "requests", "urllib3"}:
            raise
        raise _unreachable(where, error) from None


def _gated(wanted: Wanted) -> BadInput:
    return BadInput(
        f"model '{wanted.hub}'",
        "is given only to those who have accepted its terms",
        f"ask for access on https://huggingface.co/{wanted.hub}, then set HF_TOKEN to a token of yours",
    )


def _unreachable(where: str, error: Exception) -> EnvironmentStop:
    return EnvironmentStop(f"{where}: the hub cannot be reached ({type(error).__name__}); fetch again")
