"""models.lock: which revision of each model lies in a models folder, and what its files must be."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from clinpeft.errors import BadInput
from clinpeft.files import write_atomic
from clinpeft.frozen import Frozen, parse_json
from clinpeft.models.weights import digest_of, weight_files, weights_digest

LOCK_FILE = "models.lock"
Hex40 = Annotated[str, Field(pattern=r"^[0-9a-f]{40}$")]
Hex64 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class LockedFile(Frozen):
    """One file of a model."""

    path: str
    """Below the model's folder."""
    bytes: int
    sha256: Hex64


class LockedModel(Frozen):
    """What was fetched of a model; its folder's name is its key in the lock."""

    hub: str
    revision: Hex40
    """The commit, never a branch or a tag."""
    files: tuple[LockedFile, ...]

    def hashes(self) -> dict[str, str]:
        """SHA-256 by path."""
        return {file.path: file.sha256 for file in self.files}


class ModelsLock(Frozen):
    """The file `models.lock` beside the models' folders."""

    schema_: Literal[1] = Field(1, alias="schema")
    models: dict[str, LockedModel] = Field(default_factory=dict)


def read_lock(models: Path) -> ModelsLock:
    """The lock of a models folder; an empty one where there is none. Raises BadInput when it breaks its schema."""
    path = models / LOCK_FILE
    return parse_json(ModelsLock, path.read_bytes(), str(path)) if path.is_file() else ModelsLock()


def add_to_lock(models: Path, folder: str, model: LockedModel) -> None:
    """Write the entry of a model's folder, in place of an older one."""
    entries = {**read_lock(models).models, folder: model}
    lock = ModelsLock(models=dict(sorted(entries.items())))
    write_atomic(models / LOCK_FILE, lock.model_dump_json(by_alias=True, indent=1) + "\n")


def locked(folder: Path) -> LockedModel | None:
    """The entry of a model's folder in the lock beside it, once its weights were found to be those that it names.

    None without an entry. Raises BadInput where they differ.
    """
    entry = read_lock(folder.parent).models.get(folder.name)
    if entry is None:
        return None
    hashes = entry.hashes()
    named = {file.name: hashes.get(file.name, "") for file in weight_files(folder)}
    if digest_of(named) != weights_digest(folder):
        raise BadInput(
            str(folder),
            f"its weights are not those that {LOCK_FILE} names",
            f"remove the folder, then `clinpeft fetch {entry.hub} --out {folder.parent}`",
        )
    return entry


def folders_of(hub: str, revision: str, roots: list[Path]) -> Iterator[Path]:
    """Folders below `roots` that a lock says hold that revision of that model."""
    for root in roots:
        for name, entry in read_lock(root).models.items():
            if (entry.hub, entry.revision) == (hub, revision) and weight_files(root / name):
                yield root / name
