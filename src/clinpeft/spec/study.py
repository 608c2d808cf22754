"""A Study as its author writes it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from clinpeft.frozen import Frozen, fingerprint, parse
from clinpeft.spec.choices import MethodChoice, ModelChoice, TaskChoice
from clinpeft.spec.examples import Subset
from clinpeft.spec.names import BASELINES, BaselineName, CostField, Mode, Name
from clinpeft.spec.training import TrainOptions
from clinpeft.strict_yaml import parse_yaml, read_yaml


class Halving(Frozen):
    """Successive halving (runs/halving.py): a trial that is behind the earlier ones of its search goes no further."""

    epochs: Annotated[int, Field(gt=0)] = 1
    """After so many trials are compared first, then after `factor` times as many, and so on; judgements, where
    `train: judge` says when they are."""
    factor: Annotated[int, Field(ge=2)] = 2
    """One trial in so many goes on."""


class Tune(Frozen):
    """A search of the learning rate (and of a method's tunable options), with as many trials for every method."""

    trials: Annotated[int, Field(gt=0)]
    learning_rate: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(lt=10)]] | None = None
    """Lowest and highest, the same for every method; null takes the range of runs.tune."""
    options: bool = True
    """Whether the options that a method lists as tunable (a rank, a number of virtual tokens) are searched too."""
    halving: Halving | None = None
    """Null trains every trial to its end."""

    @model_validator(mode="after")
    def _has_a_range(self) -> Self:
        if self.learning_rate is not None and self.learning_rate[0] >= self.learning_rate[1]:
            raise ValueError("'learning_rate' is [low, high], and low must be below high")
        return self


class Select(Frozen):
    """How the recommendation is made; stated before the results are seen."""

    metric: Name | None = None
    rule: Literal["cheapest-within-interval", "best"] = "cheapest-within-interval"
    cost: CostField = "train_seconds"
    limits: dict[CostField, float] = Field(default_factory=dict)

    @model_validator(mode="after")
    def _limits_are_amounts(self) -> Self:
        if any(most < 0 for most in self.limits.values()):
            raise ValueError("'limits' are numbers from 0 on")
        return self


class Budget(Frozen):
    """What the whole study may take; no run is begun once one of these is reached."""

    hours: Annotated[float, Field(gt=0)] | None = None
    money: Annotated[float, Field(gt=0)] | None = None
    currency: str | None = None
    energy_kwh: Annotated[float, Field(gt=0)] | None = None

    @model_validator(mode="after")
    def _money_has_a_currency(self) -> Self:
        if (self.money is None) != (self.currency is None):
            raise ValueError("'money' and 'currency' go together")
        return self


class Study(Frozen):
    """What the user asks for: study.yaml."""

    schema_: Literal[1] = Field(default=1, alias="schema")
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._/-]{0,99}$")]
    question: str | None = None
    mode: Mode = "fair"
    test: Literal["sealed", "open"] = "sealed"
    online: bool = False
    data: tuple[str, ...] = ()
    """Folders in which datasets lie; relative to the study's file."""
    tasks: Annotated[tuple[TaskChoice, ...], Field(min_length=1)]
    models: Annotated[tuple[ModelChoice, ...], Field(min_length=1)]
    methods: Annotated[tuple[MethodChoice, ...], Field(min_length=1)]
    baselines: tuple[BaselineName, ...] = BASELINES
    seeds: Annotated[tuple[Annotated[int, Field(ge=0, lt=2**32)], ...], Field(min_length=1)] = (0,)
    preset: Literal["quick", "standard", "thorough"] | None = None
    train: TrainOptions = TrainOptions()
    subsets: tuple[Subset, ...] = ()
    """Every run once for each, in the place of `train.subset`: a learning curve."""
    tune: Tune | None = None
    select: Select = Select()
    budget: Budget | None = None
    keep: Literal["none", "adapters", "selected", "all"] = "adapters"

    @model_validator(mode="before")
    @classmethod
    def _with_preset(cls, value: Any) -> Any:
        """A preset fills what the study leaves out; what the study says itself wins."""
        if not isinstance(value, dict) or value.get("preset") not in list(PRESETS):
            return value
        preset = PRESETS[value["preset"]]
        train = {**preset["train"], **(value.get("train") or {})} if isinstance(value.get("train", {}), dict) else None
        return {**preset, **value, "train": train if train is not None else value["train"]}

    @model_validator(mode="after")
    def _no_repeats(self) -> Self:
        for key, items in (
            ("tasks", [task.name for task in self.tasks]),
            ("models", [model.name for model in self.models]),
            ("methods", [fingerprint(method) for method in self.methods]),
            ("baselines", list(self.baselines)),
            ("seeds", list(self.seeds)),
            ("subsets", [fingerprint(subset) for subset in self.subsets]),
        ):
            if len(set(items)) < len(items):
                raise ValueError(f"'{key}' names the same thing twice")
        return self

    @model_validator(mode="after")
    def _one_mode(self) -> Self:
        """What only repeats a publication is named so, and what a publication did not do is no part of repeating it."""
        if self.mode == "paper" and self.tune is not None:
            raise ValueError("'mode: paper' repeats what was done, without a search; leave 'tune' out")
        for task in self.tasks:
            if self.mode == "fair" and task.validation is not None and task.validation.of != "validation":
                raise ValueError(f"task '{task.name}' is validated on test examples; that needs 'mode: paper'")
        if self.subsets and self.train.subset is not None:
            raise ValueError("give 'subsets' or 'train.subset', not both")
        return self

    def train_of(self, model: str) -> TrainOptions:
        """The training options of a model's runs."""
        own = next((choice.train for choice in self.models if choice.name == model), None)
        return TrainOptions.model_validate({**self.train.model_dump(), **own}) if own else self.train

    @model_validator(mode="after")
    def _halves_before_the_end(self) -> Self:
        halving = self.tune and self.tune.halving
        by_epochs = self.train.judge is None or self.train.judge.every_steps is None
        if halving and by_epochs and halving.epochs >= self.train.epochs:
            raise ValueError(
                f"'tune.halving' first compares trials after epoch {halving.epochs}, and 'train.epochs' is "
                f"{self.train.epochs}: no trial would be stopped early"
            )
        return self

    @classmethod
    def read(cls, path: Path) -> Study:
        """The study in a YAML file. Raises BadInput with file, key and rule."""
        return parse(cls, read_yaml(path), str(path))

    @classmethod
    def from_yaml(cls, text: str, where: str = "study") -> Study:
        """The study in YAML text."""
        return parse(cls, parse_yaml(text, where), where)

    def with_models(self, models: Sequence[ModelChoice]) -> Study:
        """The same study asked of other models; one of its own, named as it is, keeps what the study says of it.

        Raises BadInput when two have one name.
        """
        own = {choice.name: choice for choice in self.models}
        chosen = [
            own.get(choice.name, choice) if choice == ModelChoice(name=choice.name) else choice for choice in models
        ]
        plain = self.model_dump(mode="json", by_alias=True)
        return parse(Study, {**plain, "models": [choice.model_dump(mode="json") for choice in chosen]}, "models")

    def sha256(self) -> str:
        """SHA-256 over the canonical JSON of the study, defaults included."""
        return fingerprint(self.model_dump(mode="json", by_alias=True))


PRESETS: dict[str, dict[str, Any]] = {
    "quick": {
        "models": ["minilm-l6-first3"],
        "methods": ["head-only", "lora"],
        "seeds": [1],
        "train": {"epochs": 3, "max_length": 128},
    },
    "standard": {
        "models": ["minilm-l6-first3", "minilm-l6"],
        "methods": ["full", "head-only", "bitfit", "lora", "ia3"],
        "seeds": [1, 2, 3],
        "train": {"epochs": 5, "max_length": 256},
    },
    "thorough": {
        "models": ["minilm-l6-first3", "minilm-l6"],
        "methods": ["full", "head-only", "bitfit", "lora", "ia3", "prefix-tuning", "prompt-tuning", "p-tuning"],
        "seeds": [1, 2, 3, 4, 5],
        "train": {"epochs": 10, "max_length": 512},
    },
}
"""What `preset:` stands for, key by key."""
