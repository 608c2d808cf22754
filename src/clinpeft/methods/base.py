"""The Method interface: how a backbone is made trainable, and what of it is kept."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, Literal

from clinpeft.data.tokenize import LENGTH_STEP
from clinpeft.errors import BadInput
from clinpeft.frozen import Frozen, parse
from clinpeft.registry import Registry
from clinpeft.spec import Kind, MethodChoice, MethodSpec

if TYPE_CHECKING:
    import torch

    from clinpeft.data.batch import Batch
    from clinpeft.models.catalogue import ModelCard
    from clinpeft.models.load import ClinicalModel

SIZES = ((40e6, 1.0), (200e6, 1 / 6), (1e9, 1 / 10), (float("inf"), 1 / 15))
"""Parameters of the backbone up to which a share of a method's learning rate is the default.

With full fine-tuning at 3e-4 and LoRA at 3e-3 on small models (measured, docs/benchmarks/methods.md), that is 5e-5 and
5e-4 for a BERT-base (Devlin et al., NAACL 2019: 2e-5 to 5e-5; Hu et al., ICLR 2022: 4e-4 to 5e-4), 3e-5 and 3e-4 for a
BERT-large (the same papers), 2e-5 and 2e-4 for 7 billion (Dettmers et al., NeurIPS 2023, for LoRA).
"""
ADAPTER_FILE = "adapter_model.safetensors"
HEAD_FILE = "head.safetensors"


@dataclass(frozen=True)
class Context:
    """What a method may know of the run it is applied in."""

    seed: int
    kind: Kind
    num_steps: int
    """Optimiser steps that the run will take at most."""
    batches: Callable[[], Iterator[Batch]]
    """Training batches, for methods that initialise from data."""


class Method(Frozen):
    """A way of fine-tuning: one file in `clinpeft/methods/`, found by its name. A subclass's fields are its options.

    A subclass says in `apply` which parameters of the backbone train or are added; the head trains with every method,
    at the study's one `head_learning_rate`.
    """

    title: ClassVar[str]
    citation: ClassVar[str]
    learning_rate: ClassVar[float]
    """Default for adapter or backbone of a small model (`rate_for` scales it); the head has its own."""
    tunable: ClassVar[dict[str, tuple[float, float, Literal["log", "linear"]]]] = {}
    """At most two options besides the learning rate, with the range to search."""
    grouping: ClassVar[Literal["low_rank", "vector", "tokens"] | None] = None
    """What lets several runs of the method train together."""

    def refuses(self, card: ModelCard, kind: Kind) -> str | None:
        """Why this method cannot serve that model and kind of task, or None. Asked before anything is trained."""
        return None

    def rate_for(self, card: ModelCard) -> float:
        """The default learning rate on this model: the larger the backbone, the lower (SIZES)."""
        size = card.backbone_parameters or 12 * card.num_layers * card.hidden_size**2
        return self.learning_rate * next(share for most, share in SIZES if size <= most)

    def extra_positions(self) -> int:
        """Positions of the model's length that virtual tokens take."""
        return 0

    def text_length(self, max_length: int, card: ModelCard) -> int:
        """Word pieces of a text that may be read: what virtual tokens and a batch's padding leave of the length."""
        room = card.max_positions - self.extra_positions()
        return min(max_length - self.extra_positions(), room - room % LENGTH_STEP)

    def apply(self, model: ClinicalModel, card: ModelCard, context: Context) -> ClinicalModel:
        """Make `model` trainable in place and return it. The caller has seeded torch."""
        raise NotImplementedError

    def parameter_groups(
        self, model: ClinicalModel, learning_rate: float, head_learning_rate: float, weight_decay: float
    ) -> list[dict[str, Any]]:
        """Groups for the optimiser: head and rest apart; no weight decay on biases and norms (vectors)."""
        groups = []
        for module, rate in ((model.backbone, learning_rate), (model.head, head_learning_rate)):
            trainable = [parameter for parameter in module.parameters() if parameter.requires_grad]
            for decay, members in (
                (weight_decay, [parameter for parameter in trainable if parameter.ndim > 1]),
                (0.0, [parameter for parameter in trainable if parameter.ndim <= 1]),
            ):
                if members:
                    groups.append({"params": members, "lr": rate, "weight_decay": decay})
        return groups

    def optimizer(self, groups: list[dict[str, Any]]) -> torch.optim.Optimizer:
        """AdamW over the groups; fused, one pass over the parameters instead of a dozen."""
        import torch

        return torch.optim.AdamW(groups, betas=(0.9, 0.999), eps=1e-8, fused=True)

    def after_step(self, model: ClinicalModel, step: int) -> None:
        """Called after every optimiser step, counted from 1, while the gradients are still there."""

    def extra_loss(self, model: ClinicalModel) -> torch.Tensor | None:
        """A penalty added to the training loss only."""
        return None

    def training_state(self, model: ClinicalModel) -> dict[str, torch.Tensor]:
        """What the method has gathered in `after_step`, beside the trainable parameters: part of a checkpoint."""
        return {}

    def load_training_state(self, model: ClinicalModel, state: dict[str, torch.Tensor]) -> None:
        """Go on from what `training_state` gave, in a model that this method has been applied to."""

    def save(self, model: ClinicalModel, folder: Path) -> None:
        """Write the trained part of the backbone and the whole head to `folder`, as safetensors."""
        from safetensors.torch import save_file

        folder.mkdir(parents=True, exist_ok=True)
        trained = {
            name: parameter.detach().clone().contiguous()
            for name, parameter in model.backbone.named_parameters()
            if parameter.requires_grad
        }
        save_file(trained, folder / ADAPTER_FILE)
        save_head(model, folder)

    def load(self, model: ClinicalModel, folder: Path) -> None:
        """Put what `save` wrote into a model that this method has been applied to."""
        from safetensors.torch import load_file

        trained = load_file(folder / ADAPTER_FILE)
        wanted = {name for name, parameter in model.backbone.named_parameters() if parameter.requires_grad}
        if wanted != set(trained):
            raise BadInput(str(folder / ADAPTER_FILE), "holds other parameters than the method trains on this model")
        model.backbone.load_state_dict(trained, strict=False)
        load_head(model, folder)

    def merge(self, model: ClinicalModel) -> ClinicalModel | None:
        """The model as a plain backbone with the same logits, or None where the method cannot be merged."""
        return None


METHODS: Registry[Method] = Registry("method", "clinpeft.methods", Method)


def save_head(model: ClinicalModel, folder: Path) -> None:
    """The head's parameters as safetensors."""
    from safetensors.torch import save_file

    state = {name: value.detach().clone().contiguous() for name, value in model.head.state_dict().items()}
    save_file(state, folder / HEAD_FILE)


def load_head(model: ClinicalModel, folder: Path) -> None:
    """The whole head from what `save_head` wrote."""
    from safetensors.torch import load_file

    model.head.load_state_dict(load_file(folder / HEAD_FILE))


def resolve_method(choice: MethodChoice) -> tuple[Method, MethodSpec]:
    """The method with its options, and the same as plain data with every default written out.

    Raises BadInput for an unknown method or option.
    """
    method = parse(METHODS.get(choice.name), choice.options, f"method '{choice.name}'")
    return method, MethodSpec(name=choice.name, options=method.model_dump(mode="json"))


def method_of(spec: MethodSpec) -> Method:
    """The method that a MethodSpec describes."""
    return parse(METHODS.get(spec.name), spec.options, f"method '{spec.name}'")


def split_groups(groups: list[dict[str, Any]], faster: set[int], ratio: float) -> list[dict[str, Any]]:
    """The optimiser's groups with `ratio` times the rate for the parameters whose `id` is in `faster`."""
    split = []
    for group in groups:
        for factor, is_in in ((1.0, False), (ratio, True)):
            members = [parameter for parameter in group["params"] if (id(parameter) in faster) == is_in]
            if members:
                split.append({**group, "params": members, "lr": factor * group["lr"]})
    return split


def train_in_float32(model: ClinicalModel) -> None:
    """What trains is kept in float32 whatever the checkpoint's number format: small updates would be rounded away."""
    for parameter in model.parameters():
        if parameter.requires_grad:
            parameter.data = parameter.data.float()


def freeze(model: ClinicalModel) -> None:
    """Leave only the head trainable."""
    for parameter in model.backbone.parameters():
        parameter.requires_grad_(False)
    for parameter in model.head.parameters():
        parameter.requires_grad_(True)
