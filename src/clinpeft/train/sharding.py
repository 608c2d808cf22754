"""Frozen weights in shards: every process of a run holds a part of each layer, which is whole only while it computes.

FSDP2 (Zhao et al., VLDB 2023; torch's `fully_shard`) over the layers and the word embeddings. What trains stays whole
in every process, and its gradients are added up as ever (train/shares.py). A layer is gathered from all processes, so
all must take every pass together: where one has nothing to compute it goes along (docs/decisions/0031).
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch
from torch import distributed, nn

from clinpeft.data.batch import Batch
from clinpeft.models.load import ClinicalModel
from clinpeft.train.memory import Plan
from clinpeft.train.precision import Precision, computing

Wait = Callable[[distributed.Work], object]
"""Returns when a message between processes has come."""


def shard_frozen(model: ClinicalModel, device: torch.device, digest: str, wait: Wait = distributed.Work.wait) -> None:
    """Put an adapted model onto `device`, of the frozen weights of its layers and word embeddings this process's part.

    The processes must have met (`shares.join`) and hold the same weights. Between GPUs, of which each process must have
    one of its own, NCCL carries the parts; else gloo does, and `wait` is how. digest: of the whole weights.
    """
    from torch.distributed.device_mesh import DeviceMesh
    from torch.distributed.fsdp import fully_shard
    from torch.distributed.tensor import DTensor

    is_on_gpu = device.type == "cuda"
    group = distributed.new_group(backend="nccl") if is_on_gpu else distributed.group.WORLD
    assert group is not None, "this process is not with the others"
    mesh = DeviceMesh.from_group(group, device.type)
    trained = {parameter for parameter in model.parameters() if parameter.requires_grad}
    shards: Any
    for module in _to_shard(model):
        shards = fully_shard(module, mesh=mesh, reshard_after_forward=True, ignored_params=trained)
        if not is_on_gpu:
            shards.set_custom_all_gather(_Gathering(wait))
    # Over all of them, for the order in which they come: the next one is gathered while this one computes. What is left
    # (norms, position tables, a pooler, which computes outside) is small, and stays whole.
    whole = {parameter for parameter in model.backbone.parameters() if not isinstance(parameter, DTensor)}
    fully_shard(model.backbone, mesh=mesh, ignored_params=whole)
    # Of Longformer's output. Nobody changes it in place, and this outermost hook gathers nothing.
    warnings.filterwarnings("ignore", "FSDP2-wrapped module .* returned a view tensor", UserWarning)
    model.to(device)
    model.whole_digest = digest


def is_sharded(model: ClinicalModel) -> bool:
    """Whether this process holds a part of the frozen weights only."""
    return model.whole_digest is not None


def gathered_bytes(model: ClinicalModel) -> int:
    """What gathering takes at most: two layers whole and the message in which one came, or the embeddings and their
    own."""
    if not is_sharded(model):
        return 0
    return max(
        (2 if isinstance(module, nn.Embedding) else 3)
        * sum(part.numel() * part.element_size() for part in module.parameters() if not part.requires_grad)
        for module in _to_shard(model)
    )


def agreed(plan: Plan) -> Plan:
    """The plan of the process with the least memory: all must take the same passes."""
    numbers = torch.tensor([plan.pieces_at_once, -int(plan.recomputes)])
    distributed.all_reduce(numbers, distributed.ReduceOp.MIN)
    pieces, recomputes = numbers.tolist()
    return replace(plan, pieces_at_once=pieces, recomputes=bool(recomputes))


def are_equal(digest: str) -> bool:
    """Whether all processes hold the same frozen weights, by the digest (in hex) of each."""
    own = torch.frombuffer(bytearray.fromhex(digest), dtype=torch.uint8)
    every = [torch.empty_like(own) for _ in range(distributed.get_world_size())]
    distributed.all_gather(every, own)
    return all(torch.equal(own, other) for other in every)


def tell_of_passes(model: ClinicalModel, tell: Callable[[], None]) -> None:
    """Let the leader call `tell` before every pass that scores. Of those that train all know from the batch."""

    def hook(module: nn.Module, inputs: object) -> None:
        if not module.training:
            tell()

    model.backbone.register_forward_pre_hook(hook, prepend=True)


def go_along(model: ClinicalModel, batch: Batch, precision: Precision) -> None:
    """A pass that the leader takes to score: what it reads is gathered here too, whatever the text."""
    device = next(model.head.parameters()).device
    model.eval()
    with torch.no_grad(), computing(precision, device):
        model.features(batch.to(device))
    model.train()


class _Gathering:
    """How the parts of a layer come together by gloo; torch's AllGather. `wait` hears signals and lost processes."""

    def __init__(self, wait: Wait) -> None:
        self.wait = wait

    def allocate(self, size: tuple[int, ...], *, dtype: torch.dtype, device: torch.device) -> torch.Tensor:
        return torch.empty(*size, dtype=dtype, device=device)

    def __call__(
        self,
        output_tensor: torch.Tensor,
        input_tensor: torch.Tensor,
        group: distributed.ProcessGroup,
        async_op: bool = False,
    ) -> None:
        work = distributed.all_gather_single(output_tensor, input_tensor, group=group, async_op=True)
        assert work is not None
        self.wait(work)


def _to_shard(model: ClinicalModel) -> list[nn.Module]:
    """The layers, and the word embeddings unless two modules share them (T5)."""
    family = model.card.architecture()
    holders = [id(weight) for module in model.modules() for weight in module.parameters(recurse=False)]
    found: list[nn.Module] = []
    for name, module in model.backbone.named_modules():
        if isinstance(module, nn.ModuleList) and f".{name}".endswith(f".{family.layers}"):
            found.extend(module)
        elif isinstance(module, nn.Embedding) and f".{name}".endswith(f".{family.embeddings}"):
            found.extend([module] if holders.count(id(module.weight)) == 1 else [])
    return found
