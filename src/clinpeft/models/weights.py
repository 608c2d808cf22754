"""A checkpoint's weights on disk: one safetensors file, or several that an index names. Never a pickle."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

from clinpeft.errors import BadInput
from clinpeft.files import sha256_file
from clinpeft.frozen import fingerprint

WEIGHTS = "model.safetensors"
INDEX = "model.safetensors.index.json"
"""Which of several files holds which tensor."""


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights, sorted; none where one of them is missing."""
    if (folder / WEIGHTS).is_file():
        return [folder / WEIGHTS]
    try:
        names = set(json.loads((folder / INDEX).read_text(encoding="utf-8"))["weight_map"].values())
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return []
    files = sorted(folder / str(name) for name in names if Path(str(name)).name == name)
    return files if len(files) == len(names) and all(file.is_file() for file in files) else []


def weights_digest(folder: Path) -> str:
    """SHA-256 of the one file, or of the names and hashes of several."""
    return digest_of({file.name: _sha256(str(file)) for file in weight_files(folder)})


def digest_of(hashes: dict[str, str]) -> str:
    """The same from the files' hashes by name."""
    return hashes[WEIGHTS] if list(hashes) == [WEIGHTS] else fingerprint(hashes)


def holds(folder: Path, tensor: str) -> bool:
    """Whether the weights have a tensor of that name, whatever stands before it."""
    from safetensors import safe_open

    for file in weight_files(folder):
        with safe_open(file, "np") as weights:
            if any(name == tensor or name.endswith("." + tensor) for name in weights.keys()):  # noqa: SIM118
                return True
    return False


def refuse_damage(folder: Path) -> None:
    """The header of a safetensors file says how long it must be: a broken copy is found before anything is trained."""
    from safetensors import SafetensorError, safe_open

    for file in weight_files(folder):
        try:
            with safe_open(file, "np"):
                pass
        except SafetensorError:
            raise BadInput(str(file), "is no whole safetensors file", "copy it again") from None


@cache
def _sha256(path: str) -> str:
    return sha256_file(Path(path))
