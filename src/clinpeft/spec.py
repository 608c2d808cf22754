"""What is asked for, as plain data: a Study as its author writes it, and the RunSpecs it comes to."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Annotated, Any, Literal, Self, get_args

from pydantic import Field, model_serializer, model_validator

from clinpeft.frozen import Frozen, fingerprint, parse
from clinpeft.strict_yaml import parse_yaml, read_yaml

SCHEMA = 1

Kind = Literal["classification", "multilabel", "entities", "relations", "pairs"]
Mode = Literal["fair", "paper"]
"""Of a study: methods compared on equal terms, or a publication repeated with its mistakes."""
Dropout = Literal["none", "hidden", "model"]
Scalar = bool | int | float | str | None
Name = Annotated[str, Field(min_length=1, max_length=200)]
CostField = Literal[
    "train_seconds",
    "evaluate_seconds",
    "peak_host_bytes",
    "peak_device_bytes",
    "energy_joules",
    "flops",
    "adapter_bytes",
    "latency_p50_seconds",
    "latency_p99_seconds",
    "examples_per_second",
]
BaselineName = Literal["majority", "tfidf-logistic"]
BASELINES: tuple[BaselineName, ...] = get_args(BaselineName)


class Files(Frozen):
    """Where a task of one's own lies: one table for all splits (`data`), or one a split."""

    data: str | None = None
    train: str | None = None
    validation: str | None = None
    test: str | None = None

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.data is None) == (self.train is None):
            raise ValueError(
                "give either 'data' (one table, split by clinpeft) or 'train' with 'validation' and 'test'"
            )
        if self.train is not None and (self.validation is None or self.test is None):
            raise ValueError("'train' needs 'validation' and 'test' beside it")
        if self.data is not None and (self.validation is not None or self.test is not None):
            raise ValueError("'data' stands alone: clinpeft makes the splits")
        return self


class SplitChoice(Frozen):
    """How one table is cut into train, validation and test."""

    by: Name | None = None
    """Column whose values stay on one side; default the subject column; `none` splits by row."""
    time: Name | None = None
    """Column to sort by: the newest subjects become the test split."""
    fractions: tuple[float, float, float] = (0.7, 0.1, 0.2)
    """Shares of train, validation and test."""
    folds: Annotated[int, Field(ge=0, le=50)] | None = None
    """k-fold cross-validation beside a held-out test; 0 for one validation split; default 5 below 1,000 subjects."""
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _sound(self) -> Self:
        if min(self.fractions) < 0 or abs(sum(self.fractions) - 1) > 1e-6 or self.fractions[0] == 0:
            raise ValueError("fractions must be at least 0, with a train share, and add up to 1")
        if self.folds == 1:
            raise ValueError("folds: 1 leaves nothing to train on; use 0 or at least 2")
        return self


class Subset(Frozen):
    """Fewer training examples: so many of each class, or in total."""

    per_class: Annotated[int, Field(gt=0)] | None = None
    total: Annotated[int, Field(gt=0)] | None = None
    seed: Annotated[int, Field(ge=0)] | Literal["run"] = 0
    """Of the draw; `run`: the run's own, so that every seed of a study draws others, and all its methods the same."""

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if (self.per_class is None) == (self.total is None):
            raise ValueError("give either 'per_class' or 'total'")
        return self


class ValidationChoice(Frozen):
    """Other examples to validate on than the dataset's; `test` and `half-of-test` stand for what publications did."""

    of: Literal["validation", "half-of-test", "test"] = "validation"
    """`half-of-test` parts the test split by chance, example by example, and tests on the other half; `test` validates
    and tests on the same examples. Both need `mode: paper`."""
    per_class: Annotated[int, Field(gt=0)] | None = None
    """Of those, so many of each class only."""
    seed: Annotated[int, Field(ge=0)] | Literal["run"] = "run"


class TaskChoice(Frozen):
    """A registered task by name, or a task of one's own by its files and columns."""

    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")]
    kind: Kind | None = None
    files: Files | None = None
    split: SplitChoice | None = None
    id: Name | None = None
    text: Name | None = None
    text_b: Name | None = None
    label: Name | None = None
    label_separator: Annotated[str, Field(min_length=1, max_length=5)] | None = None
    positive: Name | None = None
    subject: Name | None = None
    """Column of the patient; `none` when there is none (the report then says so)."""
    groups: tuple[Name, ...] = ()
    metric: Name | None = None
    validation: ValidationChoice | None = None

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"name": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _own_or_registered(self) -> Self:
        if self.files is None:
            given = self.model_dump(exclude_defaults=True, exclude={"name", "metric", "validation"})
            if given:
                raise ValueError(f"'{min(given)}' belongs to a task by files; add 'files', or leave it out")
        elif self.kind is None:
            raise ValueError("a task by files needs 'kind': classification, multilabel, entities, relations or pairs")
        return self


class ModelChoice(Frozen):
    """A catalogue name, a local folder, or a hub id with its revision (only with `online: true`)."""

    name: Name
    path: str | None = None
    hub: str | None = None
    revision: str | None = None
    pretrain: dict[str, Scalar] | None = None
    train: dict[str, Scalar] | None = None
    """What this model's runs do otherwise than the study's `train:` says (`epochs: 12`)."""

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        if not isinstance(value, str):
            return value
        if value.startswith((".", "~")) or "/" in value:
            return {"name": Path(value).name or value, "path": value}
        return {"name": value}

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if self.path is not None and self.hub is not None:
            raise ValueError("give 'path' or 'hub', not both")
        if self.hub is not None and self.revision is None:
            raise ValueError("'hub' needs 'revision' (a commit), so that the run can be repeated")
        return self

    @model_validator(mode="after")
    def _train_is_of_scalars(self) -> Self:
        if strange := sorted(set(self.train or {}) - SET_BY_MODEL):
            raise ValueError(f"train: '{strange[0]}' is not set by model; use one of {', '.join(sorted(SET_BY_MODEL))}")
        TrainOptions.model_validate(self.train or {})
        return self


class MethodChoice(Frozen):
    """A method by name; every other key is one of its options."""

    name: Name
    learning_rate: Annotated[float, Field(gt=0)] | None = None
    options: dict[str, Scalar] = Field(default_factory=dict)

    @model_validator(mode="before")
    @classmethod
    def _from_flat(cls, value: Any) -> Any:
        if isinstance(value, str):
            return {"name": value}
        if isinstance(value, dict) and "options" not in value:
            own = {key: value[key] for key in ("name", "learning_rate") if key in value}
            return {**own, "options": {key: item for key, item in value.items() if key not in own}}
        return value

    @model_validator(mode="after")
    def _options_beside_fields(self) -> Self:
        for key in ("name", "learning_rate"):
            if key in self.options:
                raise ValueError(f"'{key}' is no option; write it beside 'options'")
        return self

    @model_serializer
    def _flat(self) -> dict[str, Any]:
        rate = {} if self.learning_rate is None else {"learning_rate": self.learning_rate}
        return {"name": self.name, **rate, **self.options}


class Privacy(Frozen):
    """Differentially private training."""

    epsilon: Annotated[float, Field(gt=0)]
    delta: Annotated[float, Field(gt=0, lt=1)]
    unit: Literal["subject", "example"] = "subject"


class Judging(Frozen):
    """How the weights that a run ends with are chosen, where not as docs/decisions/0008 says."""

    metric: Name | None = None
    """Of validation; null, and where it is not defined for a task: the task's headline metric."""
    every_steps: Annotated[int, Field(gt=0)] | None = None
    """Null: after every epoch. Patience counts judgements."""
    examples: Annotated[int, Field(gt=0)] | Literal["all"] = 500
    """Of validation that are looked at, at most."""
    keep: Literal["best", "last"] = "best"


class TrainOptions(Frozen):
    """How a run trains; the same for every run of a study but for the resolved learning rate (and `models: train`)."""

    epochs: Annotated[int, Field(gt=0)] = 5
    max_steps: Annotated[int, Field(gt=0)] | None = None
    batch_size: Annotated[int, Field(gt=0)] = 32
    """Examples in one optimiser step."""
    max_length: Annotated[int, Field(ge=8)] = 512
    """Word pieces of one example, special tokens included."""
    long_text: Literal["truncate", "head_tail", "sections", "windows", "windows_max", "windows_attention"] = "truncate"
    """What of a text that is longer is read: its start, both ends, the telling sections, or all of it in overlapping
    windows (docs/how-to/long-notes.md)."""
    learning_rate: Literal["method"] | Annotated[float, Field(gt=0)] = "method"
    """`method`: each method's own default; a number: that one for all (as the 2024 study did)."""
    head_learning_rate: Literal["backbone"] | Annotated[float, Field(gt=0)] = 3e-3
    """One value for every method of a study, else a bad head rate reads as a bad method; `backbone`: the run's other
    rate (as the 2024 study did)."""
    schedule: Literal["linear", "constant"] = "linear"
    """Of the rates, after the warm-up: down to zero, or as they are."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.01
    warmup_fraction: Annotated[float, Field(ge=0, lt=1)] = 0.06
    early_stopping_patience: Annotated[int, Field(gt=0)] | None = 2
    """Epochs without a better validation score after which training stops; null never stops early."""
    dropout: Dropout = "hidden"
    """Of the pre-trained backbone: that of its hidden states, as large as in its configuration; that of its attention
    as well (`model`, as in the 2024 study); or none."""
    class_weights: Literal["none", "balanced"] = "none"
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "auto"
    threads: Annotated[int, Field(gt=0)] | None = None
    time_limit_seconds: Annotated[float, Field(gt=0)] | None = None
    """Training time after which a run ends with its best weights so far; evaluation is not counted."""
    time_limit_counts: Literal["training", "everything"] = "training"
    """`everything`: judging counts too (as in the 2024 study)."""
    judge: Judging | None = None
    order_seed: Annotated[int, Field(ge=0)] | None = None
    """One order of examples and one dropout for all seeds of a study, which then differ in their first weights only
    (as in the 2024 study); null: the run's own."""
    subset: Subset | None = None
    group: Literal["auto", "off"] | Annotated[int, Field(gt=0)] = "auto"
    privacy: Privacy | None = None

    @model_validator(mode="after")
    def _last_weights_need_all_epochs(self) -> Self:
        if self.judge and self.judge.keep == "last" and self.early_stopping_patience is not None:
            raise ValueError("judge: {keep: last} trains to the end; set 'early_stopping_patience' to null")
        return self

    def planned_steps(self, num_examples: int) -> int:
        """Optimiser steps when nothing stops the run early."""
        steps = self.epochs * math.ceil(num_examples / self.batch_size)
        return steps if self.max_steps is None else min(steps, self.max_steps)


SET_BY_MODEL = frozenset(TrainOptions.model_fields) - {"subset", "judge", "privacy", "threads", "group"}
"""The training options that a model of a study may have for itself."""


class Halving(Frozen):
    """Successive halving (runs/halving.py): a trial that is behind the earlier ones of its search goes no further."""

    epochs: Annotated[int, Field(gt=0)] = 1
    """After so many trials are compared first, then after `factor` times as many, and so on; judgements, where
    `train: judge` says when they are."""
    factor: Annotated[int, Field(ge=2)] = 2
    """One trial in so many goes on."""


class Tune(Frozen):
    """A search of the learning rate, with as many trials for every method."""

    trials: Annotated[int, Field(gt=0)]
    learning_rate: tuple[Annotated[float, Field(gt=0)], Annotated[float, Field(lt=10)]] | None = None
    """Lowest and highest, the same for every method; null takes the range of runs.tune."""
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


class MethodSpec(Frozen):
    """A method with every option written out."""

    name: Name
    options: dict[str, Scalar] = Field(default_factory=dict)


class RunSpec(Frozen):
    """One run, resolved: every default is written out and `train.learning_rate` is a number."""

    task: Name
    kind: Kind
    model: Name
    """Catalogue or study name of the model; `none` for a baseline."""
    method: MethodSpec
    train: TrainOptions
    seed: int
    fold: int | None = None
    validation: ValidationChoice | None = None

    @property
    def subset(self) -> Subset | None:
        """The draw of training examples, its seed a number."""
        subset = self.train.subset
        return subset.model_copy(update={"seed": self.seed}) if subset and subset.seed == "run" else subset

    @property
    def validated_on(self) -> ValidationChoice | None:
        """Where not on the dataset's validation split; its seed a number."""
        chosen = self.validation
        return chosen.model_copy(update={"seed": self.seed}) if chosen and chosen.seed == "run" else chosen

    def describe(self) -> str:
        """A line for people: `ncbi-disease · minilm-l6 · lora · seed 1`."""
        fold = "" if self.fold is None else f" · fold {self.fold}"
        subset = self.train.subset
        drawn = "" if subset is None else f" · {subset.total or subset.per_class}{'' if subset.total else ' a class'}"
        return f"{self.task} · {self.model} · {self.method.name}{drawn} · seed {self.seed}{fold}"


class Identity(Frozen):
    """What a run's result depends on beside its spec."""

    dataset: str
    """The dataset's fingerprint."""
    weights_sha256: str | None
    """Of the base model's weights; null for a baseline."""
    code: str
    """Version of the training code."""


LATER: dict[str | None, dict[str, Scalar]] = {
    None: {"validation": None},
    "train": {
        "schedule": "linear",
        "time_limit_counts": "training",
        "judge": None,
        "order_seed": None,
        "dropout": "none",
    },
}
"""Keys of a spec, and of its training options, that run ids hold only where they differ from this."""
LATER_OPTIONS: dict[str, Scalar] = {"projections": "query-value"}
"""The same, of method options."""


def run_id(spec: RunSpec, identity: Identity) -> str:
    """First 16 hex digits of the SHA-256 over the resolved spec and its identity.

    Threads and grouping stay outside: they change how fast a run is, not what it is. So does what clinpeft learned to
    vary later, where it is as it always was: the ids of older runs hold.
    """
    plain = spec.model_dump(mode="json")
    for outside in ("threads", "group"):
        plain["train"].pop(outside)
    for part, later in LATER.items():
        inner = plain if part is None else plain[part]
        for key, usual in later.items():
            if key in inner and inner[key] == usual:
                inner.pop(key)
    for key, usual in LATER_OPTIONS.items():
        if plain["method"]["options"].get(key) == usual:
            plain["method"]["options"].pop(key)
    return fingerprint({"spec": plain, "identity": identity.model_dump(mode="json")})[:16]
