"""Tiny random models on disk, and a session that touches neither the network nor the user's own site key."""

from __future__ import annotations

import os
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

# Before anything imports huggingface_hub, which reads it once.
os.environ["HF_HUB_OFFLINE"] = "1"

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = """
    the a an of and with for in on to was is has had no not he she patient denies reports presents history year old
    chest pain heart failure fever cough renal liver blood pressure left right acute chronic mild severe disease cancer
    infection diabetes aspirin insulin heparin dose daily mg test scan study normal elevated treated given shows causes
    discharge admission surgery follow up stable alert days
""".split()


@pytest.fixture(scope="session", autouse=True)
def _own_site_key(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """One site key for the whole session, in a folder of its own."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("CLINPEFT_SITE_KEY", str(tmp_path_factory.mktemp("site") / "site.key"))
        yield


@pytest.fixture
def site_key_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The path of a site key of the test's own; the file is made on first use."""
    path = tmp_path / "site" / "site.key"
    monkeypatch.setenv("CLINPEFT_SITE_KEY", str(path))
    return path


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A BERT of 2 layers and width 32 whose checkpoint has a pooler; 512 positions; reads lower-case words."""
    return make_model(tmp_path_factory.mktemp("models") / "tiny-bert", "bert")


@pytest.fixture(scope="session")
def tiny_model_without_pooler(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same BERT, saved without a pooler (as masked language models are)."""
    return make_model(tmp_path_factory.mktemp("models") / "tiny-bert-no-pooler", "bert", has_pooler=False)


@pytest.fixture(scope="session")
def tiny_roberta(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """RoBERTa with byte-level word pieces (a blank belongs to the word after it) and positions that start at 2."""
    return make_model(tmp_path_factory.mktemp("models") / "tiny-roberta", "roberta", max_position_embeddings=514)


@pytest.fixture(scope="session")
def tiny_electra(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """ELECTRA with embeddings half as wide as its layers."""
    return make_model(tmp_path_factory.mktemp("models") / "tiny-electra", "electra", embedding_size=16)


@pytest.fixture(scope="session")
def tiny_distilbert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """DistilBERT: other names, no token types, no pooler."""
    return make_model(tmp_path_factory.mktemp("models") / "tiny-distilbert", "distilbert")


def make_model(folder: Path, family: str, *, has_pooler: bool = True, **sizes: int) -> Path:
    """A folder with config, random weights (always the same) and tokenizer, as transformers' save_pretrained writes."""
    import torch
    from transformers import AutoModel
    from transformers.utils import logging

    from clinpeft.testing.tiny import tiny_config

    logging.disable_progress_bar()
    folder.mkdir()
    tokenizer = _byte_level(folder) if family == "roberta" else _word_pieces(folder)
    tokenizer.save_pretrained(folder)
    config = tiny_config(family, vocab_size=len(tokenizer), **sizes)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        options = {"add_pooling_layer": has_pooler} if family in {"bert", "roberta"} else {}
        AutoModel.from_config(config, **options).save_pretrained(folder)
    return folder


def _word_pieces(folder: Path) -> Any:
    from transformers import BertTokenizerFast

    characters = string.ascii_lowercase + string.digits
    pieces = [*SPECIAL, *characters, *(f"##{one}" for one in characters), *string.punctuation, *WORDS, "##s", "##ing"]
    path = folder / "vocab.txt"
    path.write_text("\n".join(dict.fromkeys(pieces)) + "\n", encoding="utf-8")
    tokenizer = BertTokenizerFast.from_pretrained(folder, do_lower_case=True, model_max_length=512)
    path.unlink()
    return tokenizer


def _byte_level(folder: Path) -> Any:
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaTokenizerFast

    trained = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    sentences = [" ".join(WORDS), " ".join(reversed(WORDS))]
    trained.train_from_iterator(
        sentences, vocab_size=500, min_frequency=1, special_tokens=special, show_progress=False
    )
    names = trained.save_model(str(folder))
    tokenizer = RobertaTokenizerFast.from_pretrained(folder, model_max_length=512)
    for name in names:
        Path(name).unlink()
    return tokenizer
