"""Block-diagonal matrices in plain PyTorch, in the place of the CUDA extension that peft would compile for BOFT."""

from __future__ import annotations

import torch


class BlockDiagonal:
    """What peft 0.21 asks of its extension. Without one it silently takes a single factor, which is no butterfly."""

    def forward(self, blocks: torch.Tensor) -> tuple[torch.Tensor]:
        """[N, Z, b, b] → [N, Z b, Z b]."""
        return (torch.stack([torch.block_diag(*each) for each in blocks]),)  # type: ignore[no-untyped-call]

    def backward(self, gradient: torch.Tensor, blocks: torch.Tensor) -> tuple[torch.Tensor]:
        """The gradient's blocks: [N, Z b, Z b] → [N, Z, b, b]."""
        factors, num_blocks, size, _ = blocks.shape
        grid = gradient.reshape(factors, num_blocks, size, num_blocks, size)
        return (grid.diagonal(dim1=1, dim2=3).permute(0, 3, 1, 2).contiguous(),)
