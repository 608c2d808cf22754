"""A record says what it was measured on, so that costs of different machines are never compared."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import torch

from clinpeft.train import machine
from clinpeft.train.machine import describe_machine, num_cores, pick_device, use_threads

CPU = torch.device("cpu")


@pytest.fixture(autouse=True)
def _threads_as_before() -> Iterator[None]:
    before = torch.get_num_threads()
    yield
    torch.set_num_threads(before)


def test_a_run_takes_the_threads_it_is_given_or_all_cores_of_the_process() -> None:
    use_threads(1)
    assert torch.get_num_threads() == 1
    use_threads(None)
    assert torch.get_num_threads() == num_cores() == len(os.sched_getaffinity(0))


@pytest.mark.parametrize(("has_cuda", "device"), [(True, "cuda"), (False, "cpu")])
def test_a_gpu_is_taken_where_there_is_one(has_cuda: bool, device: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: has_cuda)

    assert pick_device().type == device


@pytest.mark.parametrize(
    ("capability", "built_for", "device"),
    [
        ((7, 0), ["sm_50", "sm_60", "sm_70", "sm_75", "sm_80", "sm_86", "sm_90"], "cuda"),
        # Code for 6.0 runs on 6.1, but code for 7.5 does not run on 7.0, nor does that for 8.6 on 8.0.
        ((6, 1), ["sm_50", "sm_60", "sm_70"], "cuda"),
        ((7, 0), ["sm_75", "sm_80"], "cpu"),
        ((8, 0), ["sm_75", "sm_86"], "cpu"),
        ((6, 1), ["sm_75", "sm_80", "sm_90a", "compute_120"], "cpu"),
        # What comes as an intermediate language is compiled for any later GPU.
        ((13, 0), ["sm_75", "compute_120"], "cuda"),
    ],
)
def test_a_gpu_for_which_torch_has_no_kernels_is_left_alone(
    capability: tuple[int, int], built_for: list[str], device: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.version, "cuda", "12.6")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda number: capability)
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: built_for)

    assert pick_device().type == device


def test_the_environment_names_hardware_threads_precision_and_versions() -> None:
    use_threads(1)
    environment = describe_machine(CPU, "bf16", 32)

    assert (environment.threads, environment.precision_used, environment.micro_batch) == (1, "bf16", 32)
    assert (environment.gpu, environment.deterministic) == (None, True)
    assert environment.cpu
    versions = {"python", "clinpeft", "torch", "transformers", "peft", "scikit-learn", "numpy"}
    switches = {"cuda", "cudnn", "deterministic_algorithms", "tf32"}
    assert set(environment.versions) == versions | switches


def test_the_same_hardware_has_the_same_id_and_other_hardware_another(monkeypatch: pytest.MonkeyPatch) -> None:
    first = describe_machine(CPU, "fp32", 8).hardware_id
    use_threads(1)
    again = describe_machine(CPU, "bf16", 32).hardware_id
    monkeypatch.setattr(machine, "num_cores", lambda: 1024)
    other = describe_machine(CPU, "fp32", 8).hardware_id

    assert first == again != other
    assert len(first) == 12


def test_nothing_of_the_machine_but_its_hardware_is_named() -> None:
    text = describe_machine(CPU, "fp32", 8).model_dump_json()

    assert os.uname().nodename not in text
    assert os.getcwd() not in text  # noqa: PTH109 (the text is searched, not opened)
