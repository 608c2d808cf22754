"""Frozen weights in shards: every process of a run holds a part of each layer, which is whole only while it computes.

FSDP2 (Zhao et al., VLDB 2023; torch's `fully_shard`) over the layers and the word embeddings. What trains stays whole
in every process, and its gradients are added up as ever (train/shares.py). A layer is gathered from all processes, so
all must take every pass together: where one has nothing to compute it goes along (docs/decisions/0031).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from itertools import pairwise
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

    is_on_gpu = device.type == "cuda"
    group = distributed.new_group(backend="nccl") if is_on_gpu else distributed.group.WORLD
    assert group is not None, "this process is not with the others"
    mesh = DeviceMesh.from_group(group, device.type)
    trained = {parameter for parameter in model.parameters() if parameter.requires_grad}
    layers = _layers(model)
    for module in (*layers, *_embeddings(model)):
        shards: Any = fully_shard(module, mesh=mesh, reshard_after_forward=True, ignored_params=trained)
        if not is_on_gpu:
            shards.set_custom_all_gather(_Gathering(wait))
    before: Any
    after: Any
    for before, after in pairwise(layers):
        # There is no root over them, which torch would learn the order from: a pooler beside it computes, too, and
        # Longformer's output is a view, of which torch warns.
        before.set_modules_to_forward_prefetch([after])
        after.set_modules_to_backward_prefetch([before])
    model.to(device)
    model.whole_digest = digest


def is_sharded(model: ClinicalModel) -> bool:
    """Whether this process holds a part of the frozen weights only."""
    return model.whole_digest is not None


def gathered_bytes(model: ClinicalModel) -> int:
    """What gathering takes at most: two layers whole, and the message in which one of them came."""
    if not is_sharded(model):
        return 0
    modules = (*_layers(model), *_embeddings(model))
    frozen = [[part for part in module.parameters() if not part.requires_grad] for module in modules]
    return 3 * max(sum(part.numel() * part.element_size() for part in parts) for parts in frozen)


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
        work = distributed.all_gather_into_tensor(output_tensor, input_tensor, group=group, async_op=True)
        assert work is not None
        self.wait(work)


def _layers(model: ClinicalModel) -> list[nn.Module]:
    suffix = f".{model.card.architecture().layers}"
    named = model.backbone.named_modules()
    lists = [module for name, module in named if isinstance(module, nn.ModuleList) and f".{name}".endswith(suffix)]
    return [layer for modules in lists for layer in modules]


def _embeddings(model: ClinicalModel) -> list[nn.Module]:
    """The word embeddings, unless two modules share them (T5)."""
    suffix = f".{model.card.architecture().embeddings}"
    holders = [id(weight) for module in model.modules() for weight in module.parameters(recurse=False)]
    return [
        module
        for name, module in model.backbone.named_modules()
        if isinstance(module, nn.Embedding) and f".{name}".endswith(suffix) and holders.count(id(module.weight)) == 1
    ]
