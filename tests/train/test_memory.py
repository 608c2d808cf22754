"""A run fits the memory there is, in smaller parts or with activations computed again, and its gradients stay as they
were."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import torch
from torch import nn

from clinpeft.methods.base import METHODS, Context
from clinpeft.methods.head_only import HeadOnly
from clinpeft.methods.lora import Lora
from clinpeft.models.families.base import FAMILIES
from clinpeft.models.load import ClinicalModel
from clinpeft.spec import TrainOptions
from clinpeft.testing.tiny import tiny_batch, tiny_model
from clinpeft.train import engine as engine_module
from clinpeft.train import memory
from clinpeft.train.engine import set_up
from clinpeft.train.loss import loss_of
from clinpeft.train.memory import Plan, Sizes, plan_memory, recompute_activations, sizes_of, step_bytes
from clinpeft.train.precision import Precision

if TYPE_CHECKING:
    from tests.conftest import Small

CPU = torch.device("cpu")
MB = 1 << 20
BASE = Sizes(
    num_layers=12,
    hidden=768,
    intermediate=3072,
    num_heads=12,
    number_bytes=2,
    num_trained=300_000,
    trains_backbone=True,
)
"""BERT base with LoRA in bf16."""


def plan(room: float, *, sizes: Sizes = BASE, longest: int = 512, batch_size: int = 32) -> Plan:
    return plan_memory(sizes, int(room), 4096, longest, batch_size)


def test_with_enough_memory_as_many_pieces_pass_as_are_allowed() -> None:
    assert plan(64e9) == Plan(4096, recomputes=False)


def test_with_less_memory_fewer_pass_and_only_when_one_text_does_not_fit_is_anything_computed_again() -> None:
    one_text = step_bytes(BASE, 512, 512, False)

    assert plan(one_text) == Plan(512, recomputes=False)
    assert plan(one_text - 1).recomputes
    # What keeping the activations of one text takes is enough for several when they are not kept.
    assert plan(one_text - 1).pieces_at_once > 512


def test_the_windows_of_a_text_pass_together() -> None:
    six_windows = step_bytes(BASE, 6 * 512, 512, False)

    def of_windows(room: float) -> Plan:
        return plan_memory(BASE, int(room), 4096, 512, 32, num_windows=6)

    assert of_windows(64e9) == Plan(4096, recomputes=False)
    assert of_windows(six_windows) == Plan(6 * 512, recomputes=False)
    assert of_windows(six_windows - 1).recomputes


def test_without_memory_one_text_is_tried_all_the_same() -> None:
    assert plan(0) == Plan(512, recomputes=True)


def test_more_memory_never_means_smaller_parts_or_computing_again() -> None:
    plans = [plan(room * 20 * MB) for room in range(200)]

    for recomputes in (False, True):
        pieces = [each.pieces_at_once for each in plans if each.recomputes == recomputes]
        assert pieces == sorted(pieces)
    assert [each.recomputes for each in plans] == sorted((each.recomputes for each in plans), reverse=True)
    assert {each.pieces_at_once for each in plans} == {512, 1024, 2048, 4096}


def test_a_batch_of_short_texts_is_not_split_for_pieces_that_it_does_not_have() -> None:
    whole = step_bytes(BASE, 32 * 24, 24, False)

    assert plan(whole, longest=20) == Plan(4096, recomputes=False)
    assert plan(whole - 1, longest=20).pieces_at_once < 32 * 24


def test_what_trains_takes_room_and_so_do_virtual_tokens() -> None:
    # 18 bytes a trained parameter.
    full = replace(BASE, num_trained=BASE.num_trained + 100_000_000)
    assert step_bytes(full, 512, 512, False) - step_bytes(BASE, 512, 512, False) == 1_800_000_000
    virtual = replace(BASE, num_virtual=512)
    assert step_bytes(virtual, 512, 512, False) == step_bytes(BASE, 1024, 1024, False)


def test_a_frozen_backbone_keeps_nothing_of_its_layers() -> None:
    frozen = replace(BASE, trains_backbone=False)

    assert step_bytes(frozen, 512, 512, False) < step_bytes(BASE, 512, 512, True) < step_bytes(BASE, 512, 512, False)


EVERYWHERE = [(family, name, "fp32") for family in FAMILIES.names() for name in ("full", "prefix-tuning")]
"""ALBERT calls its one layer twice, T5 hands the bias of its positions on; METHODS' own matrix has the others."""
SHORT_NUMBERS = [
    (family, name, "bf16")
    for family in ("bert", "llama")
    for name in ("full", "lora", "ia3", "prompt-tuning", "prefix-tuning", "p-tuning", "head-only")
]


@pytest.mark.parametrize(("family", "name", "precision"), [*EVERYWHERE, *SHORT_NUMBERS])
def test_gradients_with_activations_computed_again_are_those_without(
    family: str, name: str, precision: Precision
) -> None:
    method = METHODS.get(name)()
    model = tiny_model(family, "classification", 3)
    if method.refuses(model.card, "classification"):
        pytest.skip("the method does not serve the family")
    torch.manual_seed(1)
    model = method.apply(model, model.card, Context(1, "classification", 10, lambda: iter(())))
    live(model)
    engine = set_up(model, TrainOptions(learning_rate=1e-3, precision=precision), CPU)
    model.head.dropout.p = 0.0
    model.train()
    num_calls = count_layer_calls(model)
    plain = gradients(model, precision)
    once = num_calls()

    recompute_activations(model)

    again = gradients(model, precision)
    assert again.keys() == plain.keys()
    for key, value in plain.items():
        torch.testing.assert_close(again[key], value, atol=0, rtol=0, msg=key)
    trains = any(parameter.requires_grad for parameter in model.backbone.parameters())
    assert num_calls() - once == (2 if trains else 1) * once
    assert not engine.recomputes


def live(model: ClinicalModel) -> None:
    """Nothing that trains at 0, which would hide gradients."""
    for value in model.parameters():
        if value.requires_grad and not value.any():
            nn.init.normal_(value, std=0.1)


def gradients(model: ClinicalModel, precision: Precision) -> dict[str, torch.Tensor]:
    from clinpeft.train.precision import computing

    model.zero_grad()
    batch = tiny_batch("classification")
    if not model.card.architecture().has_token_types:
        batch = replace(batch, token_type_ids=None)
    with computing(precision, CPU):
        logits = model(batch)
    loss_of(logits, batch, "classification", None).backward()  # type: ignore[no-untyped-call]
    return {name: value.grad.clone() for name, value in model.named_parameters() if value.grad is not None}


def count_layer_calls(model: ClinicalModel) -> Callable[[], int]:
    """How often the attention of any layer has been computed since."""
    suffix, calls = model.card.architecture().query, []
    for name, module in model.backbone.named_modules():
        if name.endswith(suffix):
            module.register_forward_hook(lambda *inputs: calls.append(1))
    return lambda: len(calls)


def test_scoring_computes_nothing_again(make_model: Callable[..., ClinicalModel]) -> None:
    model = make_model(Lora()).eval()
    recompute_activations(model)
    num_calls = count_layer_calls(model)

    loss_of(model(tiny_batch("classification")), tiny_batch("classification"), "classification", None).backward()

    assert num_calls() == model.card.num_layers


def test_an_engine_without_memory_says_what_it_did(
    make_model: Callable[..., ClinicalModel], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "free_bytes", lambda device: 0)
    model = make_model(Lora())

    engine = set_up(model, TrainOptions(learning_rate=1e-3, precision="fp32"), CPU, 16)

    assert engine.describe() == "attention clinpeft_cpu, 4 fused layers, 16 pieces at once, activations computed again"
    assert engine.micro_batch(16, 32) == 1


def test_training_without_memory_comes_to_the_same(
    make_model: Callable[..., ClinicalModel], train: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    roomy, tight = make_model(Lora()), make_model(Lora())
    for model in (roomy, tight):
        model.head.dropout.p = 0.0
    train(roomy, Lora())
    monkeypatch.setattr(engine_module, "free_bytes", lambda device: 0)
    train(tight, Lora())

    for (name, one), other in zip(roomy.named_parameters(), tight.parameters(), strict=True):
        torch.testing.assert_close(one, other, atol=1e-5, rtol=1e-4, msg=name)


def test_a_study_without_memory_runs_to_its_end_and_its_records_say_how(
    small: Small, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(engine_module, "free_bytes", lambda device: 1)
    small.write(methods=["lora"], baselines=[])

    assert small.run().num_failed == 0
    environment = small.records()["lora"].environment
    assert environment is not None
    assert environment.micro_batch == 1
    assert environment.versions["engine"].endswith("16 pieces at once, activations computed again")


def test_sizes_are_those_of_the_configuration(make_model: Callable[..., ClinicalModel]) -> None:
    model = make_model(HeadOnly())
    sizes = sizes_of(model, 4)

    assert (sizes.num_layers, sizes.hidden, sizes.intermediate, sizes.num_heads) == (2, 32, 64, 2)
    # The head is one matrix of 32 x 3 and its bias.
    assert (sizes.num_trained, sizes.trains_backbone, sizes.num_virtual) == (99, False, 0)


@pytest.mark.parametrize(
    ("line", "folder", "files"),
    [
        ("0::/job/step", "", ("memory.max", "memory.current", "inactive_file")),
        (
            "4:cpu,memory:/job/step",
            "memory",
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ),
    ],
    ids=["v2", "v1"],
)
def test_the_limits_of_all_control_groups_count(
    line: str, folder: str, files: tuple[str, str, str], tmp_path: Path
) -> None:
    limit, used, droppable = files
    for name, values in {"job": ("1000", "700", "100"), "job/step": ("max", "600", "0")}.items():
        group = tmp_path / folder / name
        group.mkdir(parents=True)
        (group / limit).write_text(values[0] + "\n")
        (group / used).write_text(values[1] + "\n")
        (group / "memory.stat").write_text(f"file 5\n{droppable} {values[2]}\n")
    groups = tmp_path / "cgroup"
    groups.write_text(f"9:name=systemd:/\n{line}\n")

    assert list(memory._group_rooms(groups, tmp_path)) == [400]


def test_a_machine_without_control_groups_has_no_such_limit(tmp_path: Path) -> None:
    assert list(memory._group_rooms(tmp_path / "none", tmp_path)) == []
    (tmp_path / "cgroup").write_text("0::/../elsewhere\n")
    assert list(memory._group_rooms(tmp_path / "cgroup", tmp_path)) == []


def test_half_of_what_the_host_has_may_be_taken_and_most_of_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(memory, "_group_rooms", lambda: iter([3000]))
    assert memory.free_bytes(CPU) == 1500
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000, 5000))
    assert memory.free_bytes(torch.device("cuda")) == 900
