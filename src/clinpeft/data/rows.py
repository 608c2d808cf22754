"""DatasetRow: one row of a dataset's Parquet files as a closed schema, for readers that are not Python's pyarrow."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any, Self

from pydantic import (
    BeforeValidator,
    ConfigDict,
    Field,
    SerializerFunctionWrapHandler,
    model_serializer,
    model_validator,
)

from clinpeft.data.parquet import KIND_COLUMNS
from clinpeft.frozen import Frozen
from clinpeft.spec import Kind


def _iso_date(value: Any) -> Any:
    try:
        return date.fromisoformat(value) if isinstance(value, str) else value
    except ValueError:
        raise ValueError("must be a date (YYYY-MM-DD)") from None


Offset = Annotated[int, Field(ge=0)]
Date = Annotated[date, BeforeValidator(_iso_date)]


def _groups_as_columns(schema: dict[str, Any]) -> None:
    """In JSON the groups lie flat beside the other columns."""
    del schema["properties"]["groups"]
    schema["patternProperties"] = {"^group_.": {"anyOf": [{"type": "string"}, {"type": "null"}]}}


class SpanRow(Frozen):
    """A stretch of `text`: code-point offsets, end exclusive, and its type."""

    start: Offset
    end: Offset
    label: str


class DatasetRow(Frozen):
    """One row of `{train,validation,test}.parquet`; ids are keyed hashes. Which columns are set depends on the kind:
    classification `label` · pairs `text_b`, `label` · multilabel `labels`, `missing` ·
    entities `tokens`, `starts`, `ends`, `tags`, `spans` · relations `head`, `tail`, `label`.
    """

    model_config = ConfigDict(json_schema_extra=_groups_as_columns)

    example: str
    subject: str
    document: str
    time: Date | None = None
    groups: dict[str, str | None] = Field(default_factory=dict)
    """Columns `group_<name>`, by name."""
    text: str = Field(repr=False)
    text_b: str | None = Field(default=None, repr=False)
    label: str | None = None
    labels: tuple[str, ...] | None = None
    missing: tuple[str, ...] | None = None
    """Labels nobody annotated for this example."""
    tokens: tuple[str, ...] | None = Field(default=None, repr=False)
    starts: tuple[Offset, ...] | None = None
    ends: tuple[Offset, ...] | None = None
    tags: tuple[str, ...] | None = None
    """IOB2, one a token."""
    spans: tuple[SpanRow, ...] | None = None
    head: SpanRow | None = None
    tail: SpanRow | None = None

    @model_validator(mode="before")
    @classmethod
    def _gathered_groups(cls, value: Any) -> Any:
        if not isinstance(value, dict) or "groups" in value:
            return value
        groups = {key.removeprefix("group_"): item for key, item in value.items() if key.startswith("group_")}
        rest = {key: item for key, item in value.items() if not key.startswith("group_")}
        return {**rest, "groups": groups}

    @model_validator(mode="after")
    def _offsets_fit(self) -> Self:
        if len({len(column or ()) for column in (self.tokens, self.starts, self.ends, self.tags)}) > 1:
            raise ValueError("tokens, starts, ends and tags differ in length")
        words = zip(self.starts or (), self.ends or (), strict=True)
        spans = [(span.start, span.end) for span in (*(self.spans or ()), self.head, self.tail) if span is not None]
        if any(start >= end or end > len(self.text) for start, end in (*words, *spans)):
            raise ValueError("a span ends before it starts or beyond the text")
        return self

    @model_validator(mode="after")
    def _columns_of_one_kind(self) -> Self:
        if self._kind() is None:
            raise ValueError(f"the columns are those of no kind ({', '.join(KIND_COLUMNS)})")
        return self

    @model_serializer(mode="wrap")
    def _flat(self, handler: SerializerFunctionWrapHandler) -> dict[str, Any]:
        plain: dict[str, Any] = handler(self)
        groups = {f"group_{name}": value for name, value in plain.pop("groups").items()}
        return {**plain, **groups}

    @property
    def kind(self) -> Kind:
        """The kind whose columns are exactly those set."""
        kind = self._kind()
        assert kind is not None  # refused by _columns_of_one_kind
        return kind

    def _kind(self) -> Kind | None:
        given = {name for columns in KIND_COLUMNS.values() for name in columns if getattr(self, name) is not None}
        return next((kind for kind, columns in KIND_COLUMNS.items() if given == set(columns)), None)
