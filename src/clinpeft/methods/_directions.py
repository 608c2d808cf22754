"""The principal directions of what linear maps read while training texts pass through the backbone."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice
from typing import Any

import torch
from torch import nn

from clinpeft.data.batch import Batch
from clinpeft.models.load import ClinicalModel

NUM_BATCHES = 10
"""Some thousands of word pieces: the first directions no longer move."""


@dataclass(frozen=True)
class Directions:
    """Of one map: orthonormal rows [k, in], and the share of the input's square sum that lies along each."""

    rows: torch.Tensor
    shares: torch.Tensor


@torch.no_grad()
def principal_directions(
    model: ClinicalModel, maps: list[tuple[str, nn.Linear]], batches: Iterator[Batch], at_most: int
) -> dict[str, Directions]:
    """By the map's name, the `at_most` strongest; without the maps that no text has passed.

    Padding does not count; nor do DeBERTa's tables of relative positions, which pass its query and key maps too.
    """
    sums: dict[str, torch.Tensor] = {}
    mask: list[torch.Tensor] = []
    handles = [module.register_forward_hook(partial(_add, sums, mask, name)) for name, module in maps]
    was_training = model.training
    model.eval()
    for batch in islice(batches, NUM_BATCHES):
        mask[:] = [batch.attention_mask.bool()]
        model.features(batch)
    model.train(was_training)
    for handle in handles:
        handle.remove()
    return {name: _decompose(total, at_most) for name, total in sums.items()}


def ranks_of(directions: dict[str, Directions], mean: int) -> dict[str, int]:
    """So many ranks a map that on average there are `mean`: one each, the others to the largest shares."""
    ranks = dict.fromkeys(directions, 1)
    rest = [
        (-float(share), place, name)
        for name, found in directions.items()
        for place, share in enumerate(found.shares[1:])
    ]
    for _, _, name in sorted(rest)[: (mean - 1) * len(directions)]:
        ranks[name] += 1
    return ranks


def _add(
    sums: dict[str, torch.Tensor], mask: list[torch.Tensor], name: str, module: Any, inputs: Any, output: Any
) -> None:
    states = _of_words(inputs[0], mask[0])
    if states is not None:
        product = states.float().t() @ states.float()
        sums[name] = sums[name] + product if name in sums else product


def _of_words(states: torch.Tensor, mask: torch.Tensor) -> torch.Tensor | None:
    """[N, in] of the batch's words; None for states that are none of the batch's.

    Longformer puts the length first and pads it; its global projections read a few chosen word pieces only.
    """
    rows, length = mask.shape
    if states.ndim != 3:
        return None
    if states.shape[0] == rows and states.shape[1] >= length:
        return states[:, :length][mask]
    if states.shape[1] == rows:
        return states[:length].transpose(0, 1)[mask] if len(states) >= length else states.flatten(0, 1)
    return None


def _decompose(total: torch.Tensor, at_most: int) -> Directions:
    values, columns = torch.linalg.eigh(total.double())
    values, rows = values.flip(0)[:at_most].clamp(min=0), columns.t().flip(0)[:at_most]
    return Directions(rows.float().contiguous(), (values / total.double().trace()).float())
