"""The verbs about models: what they take to train, and how they come onto this machine."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Said

Cli = Callable[..., "Said"]


def test_params_counts_for_machines_and_for_people(clinpeft: Cli) -> None:
    facts = json.loads(clinpeft("params", "bert-tiny", "lora", "--set", "r=4", "--labels", "3", "--json").out)

    # 2 layers, queries and values of 128 to 128; three classes on a pooler that the checkpoint has; 8 tokens.
    assert facts == {
        "adapter": 2 * 2 * 4 * 256,
        "head": 3 * 128 + 3,
        "trainable": 2 * 2 * 4 * 256 + 3 * 128 + 3,
        "total": 4385920 + 2 * 2 * 4 * 256 + 3 * 128 + 3,
        "macs_8_tokens": 2 * (4 * 128**2 + 2 * 128 * 512) * 8
        + 5 * 8 * 128 * 4
        + 128**2
        + 3 * 128
        + 8 * 2 * 2 * 4 * 256,
    }
    said = clinpeft("params", "bert-tiny", "lora", "--set", "r=4", "--labels", "3")
    assert said.out.splitlines()[:2] == ["adapter: 4,096", "head: 387"]


def test_params_counts_as_the_study_does(clinpeft: Cli) -> None:
    said = clinpeft("params", "distilbert-base-uncased", "lora", "--compat", "paper", "--json")

    assert json.loads(said.out) == {
        "adapter": 811776,
        "head": 1538,
        "trainable": 813314,
        "total": 66955010,
        "macs_8_tokens": None,
    }


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("no-such-model", "lora"), "model 'no-such-model': no model has this name"),
        (("bert-tiny", "lorra"), "did you mean 'lora'?"),
        (("bert-tiny", "lora", "--set", "rank=3"), "method 'lora'"),
        (("bert-tiny", "adalora", "--compat", "paper"), "is none of the 2024 study's"),
        (("ModernBERT-base", "bitfit"), "method 'bitfit' on model 'ModernBERT-base'"),
    ],
)
def test_params_names_what_it_cannot_count(clinpeft: Cli, words: tuple[str, ...], told: str) -> None:
    said = clinpeft("params", *words)

    assert (said.code, said.out) == (2, "")
    assert told in said.err
    assert said.err.count("\n") == 1


def test_fetch_says_that_a_model_is_there_or_what_keeps_it_away(
    clinpeft: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    away, unknown = clinpeft("fetch", "bert-tiny", "--out", tmp_path), clinpeft("fetch", "berd-tiny", "--out", tmp_path)

    assert (away.code, away.out) == (3, "")
    assert "the hub cannot be reached" in away.err
    assert (unknown.code, unknown.out) == (2, "")
    assert "did you mean 'bert-tiny'?" in unknown.err
