"""Tiny random models, a small study, and a session that touches neither the network nor the user's own site key."""

from __future__ import annotations

import os
import shutil
import signal
import string
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import settings

if TYPE_CHECKING:
    from clinpeft.data.dataset import TaskDataset
    from clinpeft.record import RunRecord
    from clinpeft.runs.store import Store
    from clinpeft.runs.sweep import Outcome

# A busy machine is no fault of the code.
settings.register_profile("clinpeft", deadline=None)
settings.load_profile("clinpeft")

# A shell's background job ignores Ctrl-C, and so would every process that a test starts and interrupts.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Before anything imports huggingface_hub, which reads it once.
os.environ["HF_HUB_OFFLINE"] = "1"

SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]")
WORDS = """
    the a an of and with for in on to was is has had no not he she patient denies reports presents history year old
    chest pain heart failure fever cough renal liver blood pressure left right acute chronic mild severe disease cancer
    infection diabetes aspirin insulin heparin dose daily mg test scan study normal elevated treated given shows causes
    discharge admission surgery follow up stable alert days
"""
NUM_ROWS = 60
"""Of the small study's table."""


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


@pytest.fixture(scope="session")
def tiny_mobilebert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """MobileBERT, which reads each word piece with its neighbours."""
    return make_model(tmp_path_factory.mktemp("models") / "tiny-mobilebert", "mobilebert")


@pytest.fixture(scope="session")
def tiny_longformer(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Longformer, whose attention has no room for a prefix."""
    return make_model(tmp_path_factory.mktemp("models") / "tiny-longformer", "longformer")


@pytest.fixture
def small(tmp_path: Path, tiny_model: Path) -> Small:
    """A study that nobody has run yet."""
    return _make_study(tmp_path / "small", tiny_model)


@pytest.fixture(scope="session")
def _trained_once(tmp_path_factory: pytest.TempPathFactory, tiny_model: Path) -> Small:
    trained = _make_study(tmp_path_factory.mktemp("studies") / "small", tiny_model)
    trained.run()
    return trained


@pytest.fixture
def trained(_trained_once: Small, tmp_path: Path) -> Small:
    """A copy of a study whose three runs (majority, head-only, bitfit) have succeeded."""
    shutil.copytree(_trained_once.folder, tmp_path / "small", symlinks=True)
    return Small(tmp_path / "small")


@dataclass(frozen=True)
class Said:
    """What a command line ended with and printed."""

    code: int
    out: str
    err: str


@pytest.fixture
def clinpeft(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., Said]]:
    """Runs a command line in this process, as `main` does it."""
    from clinpeft.cli import main

    umask, handler = os.umask(0o077), signal.getsignal(signal.SIGTERM)

    def said(*words: object) -> Said:
        monkeypatch.setattr(sys, "argv", ["clinpeft", *map(str, words)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as stop:
            main()
        printed = capsys.readouterr()
        return Said(int(stop.value.code or 0), printed.out, printed.err)

    yield said
    os.umask(umask)
    signal.signal(signal.SIGTERM, handler)


@dataclass
class Small:
    """`notes.csv`, `study.yaml` and the model `tiny` in one folder; the study is run into `out` there."""

    folder: Path

    @property
    def out(self) -> Path:
        return self.folder / "out"

    @property
    def file(self) -> Path:
        return self.folder / "study.yaml"

    @property
    def store(self) -> Store:
        from clinpeft.runs.store import Store

        return Store.open(self.out)

    def write(self, **changes: Any) -> None:
        """study.yaml with some keys changed; `task` and `train` are merged into what is there."""
        plain: dict[str, Any] = {
            "name": "small",
            "tasks": [
                {
                    "name": "outcome",
                    "kind": "classification",
                    "files": {"data": "notes.csv"},
                    "text": "note",
                    "label": "outcome",
                    "positive": "yes",
                    "subject": "patient",
                    "split": {"folds": 0, "fractions": [0.5, 0.25, 0.25]},
                }
            ],
            "models": ["./tiny"],
            "methods": ["head-only", "bitfit"],
            "baselines": ["majority"],
            "seeds": [1],
            "train": {"epochs": 1, "batch_size": 16, "max_length": 16, "threads": 1},
        }
        plain["tasks"][0] |= changes.pop("task", {})
        plain["train"] |= changes.pop("train", {})
        self.file.write_text(yaml.safe_dump({**plain, **changes}), encoding="utf-8")

    def write_notes(self, num_rows: int = NUM_ROWS) -> None:
        """A patient a row; every third has the outcome, and the word that tells it apart."""
        lines = ["patient,note,outcome"]
        for number in range(num_rows):
            word, outcome = ("severe", "yes") if number % 3 == 0 else ("mild", "no")
            lines.append(f"MRN-{number:05},patient {number} presents with {word} pain and zqxcanary,{outcome}")
        (self.folder / "notes.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")

    def run(self, **options: Any) -> Outcome:
        """Run the study into `out`."""
        from clinpeft import api

        return api.run(self.file, self.out, **options)

    def content(self, below: str = "") -> dict[str, bytes]:
        """Every file of the study's folder, or of a folder in it, by its path there."""
        root = self.out / below
        return {str(path.relative_to(root)): path.read_bytes() for path in sorted(root.rglob("*")) if path.is_file()}

    def run_folder(self, method: str) -> Path:
        """Where the files of the run with that method lie."""
        return self.store.run_folder(self.records()[method].run)

    def moved_to(self, folder: Path) -> Small:
        """The same study in another place; nothing stays here."""
        shutil.move(self.folder, folder)
        return Small(folder)

    def datasets(self) -> dict[str, TaskDataset]:
        """The datasets that the study built."""
        from clinpeft.data.dataset import TaskDataset

        return {path.name: TaskDataset.open(path) for path in (self.out / "datasets").iterdir()}

    def records(self) -> dict[str, RunRecord]:
        """The records by method; with several seeds or folds, the last one's."""
        return {record.spec.method.name: record for record in self.store.records()}


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
    pieces = [*SPECIAL, *characters, *(f"##{one}" for one in characters), *string.punctuation, *WORDS.split()]
    path = folder / "vocab.txt"
    path.write_text("\n".join(dict.fromkeys(pieces)) + "\n##ing\n", encoding="utf-8")
    tokenizer = BertTokenizerFast.from_pretrained(folder, do_lower_case=True, model_max_length=512)
    path.unlink()
    return tokenizer


def _byte_level(folder: Path) -> Any:
    from tokenizers import ByteLevelBPETokenizer
    from transformers import RobertaTokenizerFast

    trained = ByteLevelBPETokenizer()
    special = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
    sentences = [" ".join(WORDS.split()), " ".join(reversed(WORDS.split()))]
    trained.train_from_iterator(sentences, vocab_size=500, min_frequency=1, special_tokens=special, show_progress=False)
    names = trained.save_model(str(folder))
    tokenizer = RobertaTokenizerFast.from_pretrained(folder, model_max_length=512)
    for name in names:
        Path(name).unlink()
    return tokenizer


def _make_study(folder: Path, model: Path) -> Small:
    small = Small(folder)
    folder.mkdir()
    (folder / "tiny").symlink_to(model)
    small.write_notes()
    small.write()
    return small
