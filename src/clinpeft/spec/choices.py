"""What a study compares: tasks, models and methods."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import Field, model_serializer, model_validator

from clinpeft.frozen import Frozen
from clinpeft.spec.examples import SplitChoice, ValidationChoice
from clinpeft.spec.names import Kind, Name, Scalar
from clinpeft.spec.training import SET_BY_MODEL, TrainOptions


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
