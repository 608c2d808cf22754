"""AdaLoRA: ranks go to the projections that need them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, ClassVar, Literal

from pydantic import Field

from clinpeft.methods._low_rank import _LowRankMethod
from clinpeft.methods._peft import peft_model
from clinpeft.methods.base import Context

if TYPE_CHECKING:
    import torch

    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel

WARM_UP, LAST = 0.1, 0.3
"""Shares of the steps with every rank, and with the ranks that are left at the end."""
ALLOCATIONS = 100
"""Times that ranks are given out anew, at most."""
GATHERED = ("ipt", "exp_avg_ipt", "exp_avg_unc")
"""What peft's allocator keeps of each parameter: its importance, and averages of that and of its uncertainty."""


class AdaLora(_LowRankMethod):
    """Updates in the form B E A with E diagonal; the least important entries of E become 0 (Zhang et al., ICLR 2023).

    Training starts with `start` times as many ranks as stay at its end, on average `r` a projection. Everything is
    saved at its first size, zeros included: before the schedule's end a masked entry may grow again, and peft would
    cut it off. The default learning rate is well above LoRA's: E starts at 0 between two small factors.
    """

    title: ClassVar[str] = "AdaLoRA: low-rank updates whose ranks go where they matter"
    citation: ClassVar[str] = "Zhang et al., AdaLoRA, ICLR 2023"
    learning_rate: ClassVar[float] = 3e-2
    grouping: ClassVar[Literal["low_rank", "vector", "tokens"] | None] = None

    start: Annotated[float, Field(gt=1, le=8)] = 1.5
    """Ranks at the start over ranks at the end."""
    orthogonality: Annotated[float, Field(ge=0)] = 0.5
    """Weight of the penalty that keeps A and B near orthonormal."""

    def config(self, card: ModelCard) -> Any:
        from peft import AdaLoraConfig

        return AdaLoraConfig(
            target_r=self.r,
            init_r=max(self.r + 1, round(self.start * self.r)),
            lora_alpha=self.alpha,
            lora_dropout=self.dropout,
            orth_reg_weight=self.orthogonality,
            bias="none",
            target_modules=self.targets(card),
            total_step=1,
        )

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        model = super().apply(model, card, context)
        config = _config(model)
        config.total_step = max(1, context.num_steps)
        config.tinit, config.tfinal = (int(share * config.total_step) for share in (WARM_UP, LAST))
        config.deltaT = max(1, config.total_step // ALLOCATIONS)
        return model

    def after_step(self, model: ClinicalModel, step: int) -> None:
        config, allocator = _config(model), _allocator(model)
        end = config.total_step - config.tfinal
        if step < end or (step == end and allocator.ipt) or (step > end and config.rank_pattern):
            peft_model(model).base_model.update_and_allocate(step)

    def extra_loss(self, model: ClinicalModel) -> torch.Tensor | None:
        """Mean over all A and B of the Frobenius norm of A Aᵀ - I and Bᵀ B - I, weighted."""
        import torch

        if not self.orthogonality:
            return None
        rows: list[torch.Tensor] = [value for name, value in model.backbone.named_parameters() if "lora_A" in name]
        rows += [value.t() for name, value in model.backbone.named_parameters() if "lora_B" in name]
        norms = [torch.linalg.norm(each @ each.t() - torch.eye(len(each), device=each.device)) for each in rows]
        return self.orthogonality * torch.stack(norms).mean()

    def training_state(self, model: ClinicalModel) -> dict[str, torch.Tensor]:
        import torch

        allocator = _allocator(model)
        state = {f"{kind}/{name}": value for kind in GATHERED for name, value in getattr(allocator, kind).items()}
        pattern = _config(model).rank_pattern or {}
        return state | {f"rank_pattern/{name}": torch.tensor(kept) for name, kept in pattern.items()}

    def load_training_state(self, model: ClinicalModel, state: dict[str, torch.Tensor]) -> None:
        device = next(model.parameters()).device
        allocator, pattern = _allocator(model), {}
        allocator.reset_ipt()
        for key, value in state.items():
            kind, _, name = key.partition("/")
            if kind == "rank_pattern":
                pattern[name] = value.tolist()
            else:
                getattr(allocator, kind)[name] = value.to(device)
        _config(model).rank_pattern = pattern or None

    def save(self, model: ClinicalModel, folder: Path) -> None:
        config = _config(model)
        pattern, config.rank_pattern = config.rank_pattern, None
        try:
            super().save(model, folder)
        finally:
            config.rank_pattern = pattern

    def load(self, model: ClinicalModel, folder: Path) -> None:
        _config(model).rank_pattern = None
        super().load(model, folder)


def _config(model: ClinicalModel) -> Any:
    return peft_model(model).active_peft_config


def _allocator(model: ClinicalModel) -> Any:
    return peft_model(model).base_model.rankallocator
