"""LoRA's relatives: how many parameters train, at what rate and scale, and from which start."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from clinpeft.methods.adalora import AdaLora
from clinpeft.methods.base import Context, Method
from clinpeft.methods.delora import DeLora
from clinpeft.methods.dora import Dora
from clinpeft.methods.eva import Eva
from clinpeft.methods.full import Full
from clinpeft.methods.gralora import GraLora
from clinpeft.methods.hira import HiRA
from clinpeft.methods.lora import Lora
from clinpeft.methods.lora_all_linear import LoraAllLinear
from clinpeft.methods.lora_fa import LoraFa
from clinpeft.methods.lora_plus import LoraPlus
from clinpeft.methods.olora import OLoRA
from clinpeft.methods.pissa import PiSSA
from clinpeft.methods.qlora import QLora
from clinpeft.methods.randlora import RandLora
from clinpeft.methods.rslora import RsLora
from clinpeft.methods.tinylora import TinyLora
from clinpeft.methods.vb_lora import VbLora
from clinpeft.methods.vera import Vera
from clinpeft.models.load import ClinicalModel, Head, count_parameters
from clinpeft.testing.tiny import tiny_batch, tiny_card, tiny_config

QUERY = "encoder.layer.0.attention.self.query"


@pytest.fixture(scope="module")
def bert_base() -> Any:
    """BERT of the usual base size, without memory for its weights."""
    from transformers import AutoModel

    def make() -> ClinicalModel:
        config = tiny_config(
            "bert", hidden_size=768, num_hidden_layers=12, num_attention_heads=12, intermediate_size=3072
        )
        with torch.device("meta"):
            head = Head("first", 768, 2, has_pooler=False)
            return ClinicalModel(AutoModel.from_config(config), head, tiny_card(config))

    return make


@pytest.mark.parametrize(
    ("method", "trained"),
    [
        # 12 layers; a query or value map is 768 by 768.
        (Lora(), 24 * 8 * (768 + 768)),
        (RsLora(r=4), 24 * 4 * (768 + 768)),
        (LoraAllLinear(), 12 * 8 * (4 * (768 + 768) + 2 * (768 + 3072))),
        (Dora(), 24 * (8 * (768 + 768) + 768)),
        (LoraPlus(), 24 * 8 * (768 + 768)),
        (LoraFa(), 24 * 8 * 768),
        (PiSSA(), 24 * 8 * (768 + 768)),
        (OLoRA(), 24 * 8 * (768 + 768)),
        (Eva(), 24 * 8 * (768 + 768)),
        (AdaLora(), 24 * 12 * (768 + 768 + 1)),
        (Vera(), 24 * (256 + 768)),
        # 90 vectors of 256 numbers; a map takes 3 pieces in and 3 out for each of 4 ranks.
        (VbLora(), 90 * 256 + 24 * 4 * (3 + 3) * 90),
        # 768 / 32 = 24 pairs: a scale for each of 32 ranks, and one for each of 768 channels.
        (RandLora(), 24 * 24 * (32 + 768)),
        (DeLora(), 24 * (8 * (768 + 768) + 1)),
        (HiRA(), 24 * 32 * (768 + 768)),
        (GraLora(), 24 * 32 * (768 + 768)),
        (TinyLora(), 24 * 64),
        (QLora(), 12 * 8 * (4 * (768 + 768) + 2 * (768 + 3072))),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_adapter_has_as_many_parameters_as_its_paper_says(method: Method, trained: int, bert_base: Any) -> None:
    model = bert_base()
    with torch.device("meta"):
        model = method.apply(model, model.card, Context(0, "classification", 10, lambda: iter(())))

    assert count_parameters(model).adapter == trained


def test_rslora_scales_by_the_root_of_the_rank(tiny_model: Path, applied: Any) -> None:
    method = RsLora(r=4, alpha=6)
    model = applied(method, tiny_model)
    before = applied(Full(), tiny_model).backbone.get_parameter(f"{QUERY}.weight")
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_" in name:
                value.fill_(0.5)
    merged = method.merge(model)

    # Four ranks of 0.5 times 0.5, times 6 / 2.
    torch.testing.assert_close(merged.backbone.get_parameter(f"{QUERY}.weight"), before + 3.0)


@pytest.mark.parametrize(
    ("method", "fast", "ratio"), [(LoraPlus(ratio=4), "lora_B", 4), (VbLora(), "vblora_logits", 10)]
)
def test_a_part_of_the_adapter_learns_faster(
    method: Method, fast: str, ratio: float, tiny_model: Path, applied: Any
) -> None:
    model = applied(method, tiny_model)
    groups = method.parameter_groups(model, learning_rate=0.5, head_learning_rate=0.25, weight_decay=0.125)
    rates = {id(value): group["lr"] for group in groups for value in group["params"]}
    names = {name: rates[id(value)] for name, value in model.backbone.named_parameters() if value.requires_grad}

    assert {rate for name, rate in names.items() if fast in name} == {0.5 * ratio}
    assert {rate for name, rate in names.items() if fast not in name} == {0.5}
    assert {rates[id(value)] for value in model.head.parameters()} == {0.25}
    assert all((group["weight_decay"] == 0.125) == (value.ndim > 1) for group in groups for value in group["params"])


def test_lora_fa_saves_the_matrix_that_does_not_train(tiny_model: Path, tmp_path: Path, applied: Any) -> None:
    from safetensors.torch import load_file

    model = applied(LoraFa(), tiny_model)
    LoraFa().save(model, tmp_path)
    stored = load_file(tmp_path / "adapter_model.safetensors")
    frozen = {name for name, value in model.named_parameters() if "lora_" in name and not value.requires_grad}

    assert frozen == {name for name, _ in model.named_parameters() if "lora_A" in name}
    assert sum("lora_A" in name for name in stored) == sum("lora_B" in name for name in stored) == 4


def test_dora_keeps_the_length_of_a_row_apart_from_its_direction(tiny_model: Path, applied: Any) -> None:
    model = applied(Dora(), tiny_model)
    before = applied(Full(), tiny_model).backbone.get_parameter(f"{QUERY}.weight")
    with torch.no_grad():
        for name, value in model.named_parameters():
            if "lora_B" in name:
                value.normal_()
            if "magnitude" in name:
                value *= 2
    after = Dora().merge(model).backbone.get_parameter(f"{QUERY}.weight")

    torch.testing.assert_close(after.norm(dim=1), 2 * before.norm(dim=1))
    assert not torch.allclose(after, 2 * before, atol=1e-2)


def test_delora_computes_what_peft_does(tiny_model: Path, applied: Any) -> None:
    layer = applied(DeLora(), tiny_model).backbone.get_submodule(f"base_model.model.{QUERY}")
    states, peer = torch.randn(2, 3, 32), type(layer).forward
    with torch.no_grad():
        layer.delora_B["default"].normal_(std=0.1)

    assert layer.forward is not peer
    torch.testing.assert_close(layer(states), peer(layer, states))
    assert not torch.allclose(layer(states), layer.base_layer(states), atol=0.1)
    layer.enable_adapters(False)
    assert torch.equal(layer(states), layer.base_layer(states))


def test_delora_stays_in_the_range_of_fp16(tiny_model: Path, applied: Any) -> None:
    layer = applied(DeLora(), tiny_model).backbone.get_submodule(f"base_model.model.{QUERY}")
    states = 100 * torch.randn(2, 3, 32)
    with torch.autocast("cpu", dtype=torch.float16):
        result = layer(states)
        result.sum().backward()

        # The lengths of B, still zero, are divided by: what B multiplies must not grow by it.
        assert torch.equal(result, layer.base_layer(states))
        assert not type(layer).forward(layer, states).isfinite().all()
    assert layer.delora_B["default"].grad.isfinite().all()


@pytest.mark.parametrize(("method", "divisor"), [(VbLora(), 32), (GraLora(blocks=3), 2)])
def test_what_does_not_divide_the_widths_is_made_smaller(
    method: Any, divisor: int, tiny_model: Path, applied: Any
) -> None:
    config = applied(method, tiny_model).backbone.active_peft_config

    assert (config.vector_length if isinstance(method, VbLora) else config.gralora_k) == divisor
    assert config.r == (4 if isinstance(method, VbLora) else 2 * 16)


@pytest.mark.parametrize("method", [Vera(), RandLora(), TinyLora()], ids=lambda value: type(value).__name__)
def test_random_matrices_are_not_saved_and_come_back_from_their_seed(
    method: Method, tiny_model: Path, tmp_path: Path, applied: Any, logits: Any
) -> None:
    from safetensors.torch import load_file

    model = applied(method, tiny_model, seed=1)
    with torch.no_grad():
        for value in model.backbone.parameters():
            if value.requires_grad:
                value.normal_(std=0.1)
    method.save(model, tmp_path)
    stored = load_file(tmp_path / "adapter_model.safetensors")
    again = applied(method, tiny_model, seed=2)
    method.load(again, tmp_path)

    assert not [name for name in stored if any(part in name for part in ("vera_A", "randlora_A", "tinylora_P"))]
    assert torch.equal(logits(model, tiny_batch("classification")), logits(again, tiny_batch("classification")))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
@pytest.mark.parametrize("method", [Lora(), Dora(), PiSSA(), AdaLora(), Vera(), TinyLora(), VbLora()])
def test_what_trains_is_in_float32_on_a_checkpoint_of_half_precision(
    method: Method, dtype: torch.dtype, tiny_model: Path
) -> None:
    from clinpeft.models.catalogue import resolve
    from clinpeft.models.load import load
    from clinpeft.spec import ModelChoice

    resolved = resolve(ModelChoice(name="own", path=str(tiny_model)), Path())
    model = load(resolved, "classification", 3, 1)
    model.backbone.to(dtype)
    model = method.apply(model, resolved.card, Context(1, "classification", 10, lambda: iter(())))
    trained = [value for value in model.parameters() if value.requires_grad]

    assert {value.dtype for value in trained} == {torch.float32}
    assert len(trained) > len(list(model.head.parameters()))
