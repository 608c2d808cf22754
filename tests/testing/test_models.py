"""A row of the catalogue, or a family, that says what its weights do not bear out fails the check that names it."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest
import torch

from clinpeft.data.batch import Batch
from clinpeft.errors import UnknownName
from clinpeft.models import catalogue as module
from clinpeft.models import load
from clinpeft.models.catalogue import ModelCard, Package
from clinpeft.models.dropout import configure_dropout
from clinpeft.models.families.base import FAMILIES, Family
from clinpeft.models.families.bert import Bert
from clinpeft.models.families.distilbert import DistilBert
from clinpeft.models.families.llama import Llama
from clinpeft.models.families.megatron_bert import MegatronBert
from clinpeft.models.families.modernbert import ModernBert
from clinpeft.models.families.roberta import Roberta
from clinpeft.models.load import Head
from clinpeft.registry import Registry
from clinpeft.testing import check_family, check_model
from clinpeft.testing._rules import CheckResult

NUM_LAYER = 4 * (32 * 32 + 32) + 2 * 32 * 64 + 64 + 32 + 4 * 32
POOLER = 32 * 32 + 32


def broken(results: list[CheckResult]) -> dict[str, str]:
    return {result.name: result.detail for result in results if not result.passed}


@pytest.fixture
def row(tiny_model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The tiny BERT as a row of the catalogue, with changes."""
    shutil.copytree(tiny_model, tmp_path / "tiny")
    monkeypatch.setenv("CLINPEFT_MODELS", str(tmp_path))

    def make(**changes: Any) -> str:
        card = ModelCard(
            **{
                "name": "tiny-row",
                "title": "A tiny BERT",
                "family": "bert",
                "folder": "tiny",
                "domain": "general",
                "backbone_parameters": embeddings(tiny_model) + 2 * NUM_LAYER + POOLER,
                "hidden_size": 32,
                "num_layers": 2,
                "num_heads": 2,
                "max_positions": 512,
                "config": {"vocab_size": num_pieces(tiny_model), "intermediate_size": 64},
                "licence": "none",
                "citation": "Nobody 2025",
                "note": "Random weights.",
                **changes,
            }
        )
        monkeypatch.setattr(module, "catalogue", lambda: {"tiny-row": card})
        return "tiny-row"

    return make


def embeddings(folder: Path) -> int:
    """Words, 512 positions, two token types, and their norm."""
    return (num_pieces(folder) + 512 + 2 + 2) * 32


def num_pieces(folder: Path) -> int:
    from transformers import AutoTokenizer

    return len(AutoTokenizer.from_pretrained(folder))


def test_a_sound_row_passes_with_its_pooler_counted(row: Any) -> None:
    assert broken(check_model(row())) == {}


def test_a_row_of_a_checkpoint_without_pooler_counts_none(
    row: Any, tiny_model_without_pooler: Path, tmp_path: Path
) -> None:
    name = row(backbone_parameters=embeddings(tiny_model_without_pooler) + 2 * NUM_LAYER, has_pooler=False)
    shutil.copy(tiny_model_without_pooler / "model.safetensors", tmp_path / "tiny")

    assert broken(check_model(name)) == {}


def test_a_row_of_the_first_layer_alone_counts_that(row: Any, tiny_model: Path) -> None:
    assert broken(check_model(row(num_layers=1, backbone_parameters=embeddings(tiny_model) + NUM_LAYER + POOLER))) == {}


@pytest.mark.parametrize(
    ("changes", "check", "detail"),
    [
        ({"licence": "", "note": ""}, "fills its row", "licence, note: not set"),
        ({"folder": None}, "says where its weights are", "names neither a package nor a folder"),
        ({"num_heads": 3}, "has sizes that fit each other", "its hidden size is no multiple of its heads"),
        ({"num_layers": 0}, "has sizes that fit each other", "a size is below 1"),
        ({"backbone_parameters": 0}, "has sizes that fit each other", "a size is below 1"),
        (
            {"pooling": "last"},
            "is read where its family is",
            "decoders are read off their last word piece, and only they",
        ),
        ({"num_heads": 4}, "has the sizes of its checkpoint", "num_heads: not as in its config.json"),
        ({"num_layers": 3}, "has the sizes of its checkpoint", "num_layers: 3, and the checkpoint has 2"),
    ],
)
def test_a_row_with_a_wrong_entry_fails(row: Any, changes: dict[str, Any], check: str, detail: str) -> None:
    assert broken(check_model(row(**changes)))[check] == detail


def test_a_row_with_a_wrong_count_is_told_the_right_one(row: Any, tiny_model: Path) -> None:
    right = embeddings(tiny_model) + 2 * NUM_LAYER + POOLER

    assert broken(check_model(row(backbone_parameters=right - POOLER))) == {
        "counts its parameters": f"{right - POOLER}, and its configuration comes to {right}"
    }
    assert broken(check_model(row(backbone_parameters=right - POOLER, has_pooler=False))) == {
        "counts its parameters": f"{right - POOLER}, and its backbone has {right}"
    }


def test_a_row_of_another_family_fails(row: Any) -> None:
    assert broken(check_model(row(family="gru"))) != {}
    assert broken(check_model(row(family="gru")))["is of a known family"] == "no family is named 'gru'"


def test_a_package_with_another_file_fails(row: Any, tiny_model: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = Package(name="tiny", version="1", folder="tiny", sha256="0" * 64)
    monkeypatch.setattr(module, "_package_folder", lambda card: tiny_model)

    found = broken(check_model(row(package=package)))
    assert "is not the file the catalogue names" in found["has the weights it names"]


def test_a_row_whose_weights_are_elsewhere_is_checked_as_far_as_it_goes(
    row: Any, tiny_model: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("CLINPEFT_MODELS")
    right = embeddings(tiny_model) + 2 * NUM_LAYER + POOLER

    assert broken(check_model(row())) == {}
    assert broken(check_model(row(backbone_parameters=10**6))) == {
        "counts its parameters": f"1000000, and its configuration comes to {right}"
    }
    assert "fills its row" in broken(check_model(row(title="")))


@pytest.mark.parametrize("check", [check_model, check_family])
def test_an_unknown_name_is_an_error_and_no_failed_check(check: Any) -> None:
    with pytest.raises(UnknownName):
        check("bret")


class Misnamed(Bert):
    query: ClassVar[str] = "attention.self.q_lin"
    ia3_feed_forward: ClassVar[tuple[str, ...]] = ("output.dens",)


class Missized(DistilBert):
    embedding_size: ClassVar[str] = "hidden_dim"


class Overlong(Roberta):
    reserved_positions: ClassVar[int] = 0


class Doubled(Bert):
    query: ClassVar[str] = "attention.self"


class Unnormed(Llama):
    norms: ClassVar[tuple[str, ...]] = ("input_layernorm", "norm")


class Overnormed(ModernBert):
    norms: ClassVar[tuple[str, ...]] = (*ModernBert.norms, "mlp")


class Prescient(Llama):
    is_bidirectional: ClassVar[bool] = True


class Endless(Bert):
    has_absolute_positions: ClassVar[bool] = False


class Polite(MegatronBert):
    calls_attention_interface: ClassVar[bool] = True


class Untyped(DistilBert):
    has_token_types: ClassVar[bool] = True


@pytest.mark.parametrize(
    ("name", "entry", "check", "detail"),
    [
        (
            "bert",
            Misnamed,
            "names modules that exist",
            "no module is named attention.self.q_lin, output.dens",
        ),
        ("bert", Doubled, "names modules that exist", "no module is named attention.self"),
        ("llama", Unnormed, "names every normalisation and nothing else", "layers.0.post_attention_layernorm: is not"),
        ("modernbert", Overnormed, "names every normalisation and nothing else", "layers.0.mlp: is no normalisation"),
        ("llama", Prescient, "sees what comes after if it says so", "the first piece misses the last"),
        ("bert", Endless, "reads as many positions as it says", "takes no more than 32 word pieces"),
        ("megatron-bert", Polite, "calls the attention interface if it says so", "RuntimeError"),
        ("distilbert", Missized, "finds its sizes in the configuration", "hidden size, embedding size, layers: "),
        ("roberta", Overlong, "reads as many positions as it says", "RuntimeError"),
        ("distilbert", Untyped, "tells two texts apart if it says so", "token types change nothing"),
    ],
)
def test_a_family_that_names_what_its_models_lack_fails(
    name: str, entry: type[Family], check: str, detail: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = Registry.get
    monkeypatch.setattr(
        Registry, "get", lambda self, asked: entry if self is FAMILIES and asked == name else real(self, asked)
    )

    assert broken(check_family(name))[check].startswith(detail)


def test_positions_that_no_model_could_miss_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    class Shy(Bert):
        reserved_positions: ClassVar[int] = 3

    real = Registry.get
    monkeypatch.setattr(Registry, "get", lambda self, name: Shy if self is FAMILIES else real(self, name))

    assert broken(check_family("bert")) == {
        "reads as many positions as it says": "takes more than 29 word pieces of 32 positions"
    }


def test_padding_that_is_seen_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    real = Head.pool

    def blind(self: Head, hidden: Any, batch: Batch) -> Any:
        return real(self, hidden, replace(batch, attention_mask=torch.ones_like(batch.attention_mask)))

    monkeypatch.setattr(Head, "pool", blind)

    found = broken(check_family("llama"))
    assert found["gives the same logits whatever the padding"].startswith("classification: logits alone and in a batch")


def test_dropout_that_is_left_on_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(load, "configure_dropout", lambda config, dropout: configure_dropout(config, "hidden"))

    assert broken(check_family("bert"))["draws nothing at random"].startswith("dropout: embeddings.dropout, ")
