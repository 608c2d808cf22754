"""Counts from a configuration are those of the network that is trained."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from clinpeft.errors import BadInput
from clinpeft.methods.base import METHODS, Context
from clinpeft.models.catalogue import resolve
from clinpeft.models.families.base import FAMILIES
from clinpeft.models.load import count_parameters, from_config
from clinpeft.params.count import count, counts_of
from clinpeft.spec import MethodChoice, ModelChoice
from clinpeft.testing.tiny import tiny_batch, tiny_card, tiny_config


@pytest.fixture(scope="module", params=FAMILIES.names())
def folder(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with nothing but a family's configuration, of three layers."""
    family = FAMILIES.get(request.param)
    path = tmp_path_factory.mktemp("models") / request.param
    tiny_config(request.param, **{family.num_layers: 3}).save_pretrained(path)
    return path


def trained(folder: Path, method: str) -> tuple[int, int, int]:
    """What the network with real numbers has: adapter, head, total."""
    entry, config = METHODS.get(method)(), tiny_config(folder.name, **{FAMILIES.get(folder.name).num_layers: 3})
    card = tiny_card(config)
    context = Context(0, "classification", 100, lambda: iter([tiny_batch("classification")]))
    sizes = count_parameters(entry.apply(from_config(config, card, "classification", 2, 0), card, context))
    return sizes.adapter, sizes.head, sizes.total


@pytest.mark.parametrize("method", ["full", "lora", "ia3", "p-tuning", "shira"])
def test_a_familys_counts_are_those_of_its_network(folder: Path, method: str) -> None:
    """SHiRA draws a mask, which takes numbers: it is counted from networks of one and two layers."""
    entry, card = METHODS.get(method)(), tiny_card(tiny_config(folder.name))
    if reason := entry.refuses(card, "classification"):
        with pytest.raises(BadInput, match=f"method '{method}' on model '{folder.name}'"):
            count(str(folder), MethodChoice(name=method))
        assert reason
        return
    found = count(str(folder), MethodChoice(name=method))

    assert (found.adapter, found.head, found.total) == trained(folder, method)
    assert found.trainable == found.adapter + found.head
    assert found.macs_8_tokens is not None
    assert found.macs_8_tokens > 0


@pytest.mark.parametrize("method", METHODS.names())
def test_a_methods_counts_are_those_of_its_network(method: str, tmp_path: Path) -> None:
    folder = tmp_path / "bert"
    tiny_config("bert", num_hidden_layers=3).save_pretrained(folder)
    if METHODS.get(method)().refuses(tiny_card(tiny_config("bert")), "classification"):
        pytest.skip("refused on this machine")
    found = count(str(folder), MethodChoice(name=method))

    assert (found.adapter, found.head, found.total) == trained(folder, method)


def test_the_pooler_stands_where_the_checkpoint_has_it(tiny_model: Path, tiny_model_without_pooler: Path) -> None:
    for folder, head in ((tiny_model, 32 * 2 + 2), (tiny_model_without_pooler, 32 * 2 + 2 + 32 * 32 + 32)):
        found = count(str(folder), MethodChoice(name="head-only"))

        assert (found.head, found.trainable) == (head, head)
        assert resolve(ModelChoice(name="own", path=str(folder)), Path()).card.has_pooler


def test_lora_on_llama_counts_two_projections_in_every_layer() -> None:
    found = count("Llama-2-7b-hf", MethodChoice(name="lora"), 4)

    assert found.adapter == 32 * 2 * 8 * (4096 + 4096)
    assert found.head == 4 * 4096 + 4
    assert found.total == 6607343616 + found.trainable
    # Their tool's figure for the plain model with two classes and no bias, ours with four.
    assert found.macs_8_tokens == 51808108544 - 8 * 8192 + 4 * 4096 + 8 * found.adapter


def test_an_option_counts_and_a_wrong_one_is_named() -> None:
    assert counts_of("bert-tiny", "lora", {"r": "2"}, 2, None).adapter == 2 * 2 * 2 * (128 + 128)
    with pytest.raises(BadInput, match="method 'lora': 'r'"):
        counts_of("bert-tiny", "lora", {"r": "much"}, 2, None)
    with pytest.raises(BadInput, match="--compat blog: is not known; the only mode is `paper`"):
        counts_of("bert-tiny", "lora", {}, 2, "blog")


def test_a_folder_without_a_configuration_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no config\.json"):
        count(str(tmp_path), MethodChoice(name="lora"))


def test_counting_leaves_the_default_device_alone() -> None:
    count("bert-tiny", MethodChoice(name="shira"))

    assert torch.zeros(1).device.type == "cpu"


def test_llama_is_counted_without_its_weights() -> None:
    script = (
        "import json, resource\n"
        "from clinpeft.params.count import counts_of\n"
        "peak_bytes = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024\n"
        "counts_of('bert-tiny', 'lora', {}, 2, 'paper')\n"
        "before = peak_bytes()\n"
        "facts = counts_of('Llama-2-7b-hf', 'lora', {}, 2, 'paper').facts()\n"
        "print(json.dumps([facts['trainable'], peak_bytes() - before]))\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    trainable, more_bytes = json.loads(done.stdout)

    assert trainable == 4202496
    assert more_bytes < 100e6
