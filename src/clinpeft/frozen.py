"""Frozen: the base of everything that reaches disk."""

from __future__ import annotations

import hashlib
import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError, model_validator

from clinpeft.errors import BadInput, did_you_mean


class Frozen(BaseModel):
    """Immutable, closed (an unknown field is refused) and silent about values in its errors."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        hide_input_in_errors=True,
        validate_default=True,
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        protected_namespaces=(),
        populate_by_name=True,
    )

    @model_validator(mode="before")
    @classmethod
    def _lists_as_tuples(cls, value: Any) -> Any:
        return _tuples(value) if isinstance(value, dict) else value


F = TypeVar("F", bound=BaseModel)


def parse(kind: type[F], data: Any, where: str) -> F:
    """`data` (plain JSON values) as a `kind`, strictly: `"5"` is no integer, an unknown key is refused.

    Raises BadInput naming `where`, the key and the rule, never the value.
    """
    try:
        text = json.dumps(data, allow_nan=False)
    except (TypeError, ValueError):
        raise BadInput(where, "holds a value that JSON cannot (NaN, infinity, a date)", "write it as text") from None
    return parse_json(kind, text, where)


def parse_json(kind: type[F], text: str | bytes, where: str) -> F:
    """The same from JSON text."""
    try:
        return kind.model_validate_json(text, strict=True)
    except ValidationError as error:
        raise BadInput(where, _explain(kind, error, text)) from None


def parse_words(kind: type[F], words: dict[str, str], where: str) -> F:
    """A `kind` from words of a command line (`key=value`): `5` is read as a number where one is wanted."""
    try:
        return kind.model_validate(words)
    except ValidationError as error:
        raise BadInput(where, _explain(kind, error, json.dumps(words))) from None


def canonical(value: Any) -> bytes:
    """The one JSON spelling of `value` that hashes are taken over: sorted keys, no blanks, UTF-8."""
    if isinstance(value, BaseModel):
        value = value.model_dump(mode="json", by_alias=True)
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False).encode()


def fingerprint(value: Any) -> str:
    """SHA-256 of the canonical JSON of `value`, 64 hex digits."""
    return hashlib.sha256(canonical(value)).hexdigest()


def _tuples(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _tuples(item) for key, item in value.items()}
    return tuple(_tuples(item) for item in value) if isinstance(value, list | tuple) else value


def _explain(kind: type[BaseModel], error: ValidationError, text: str | bytes) -> str:
    data = _loaded(text)
    items = error.errors(include_input=False, include_context=False, include_url=False)
    problems: dict[str, list[str]] = {}
    for item in items:
        path = item["loc"]
        place = ".".join(_place(data, path)) or "the whole file"
        if item["type"] == "too_short":
            if not any(other["loc"][: len(path)] == path and other is not item for other in items):
                problems[f"'{place}' must not be empty"] = []
        elif item["type"] == "extra_forbidden":
            near = did_you_mean(str(path[-1]), _fields_at(kind, [str(part) for part in path[:-1]]))
            problems[f"unknown key '{place}'" + (f" ({near})" if near else "")] = []
        elif item["type"] == "missing":
            problems[f"key '{'.'.join([*_place(data, path[:-1]), str(path[-1])])}' is missing"] = []
        else:
            # A rule of several fields together names them itself.
            rules = problems.setdefault(f"'{place}': " if path else "", [])
            rule = item["msg"].removeprefix("Value error, ")
            rules.append(rule.removeprefix("Input should be ") if rules else rule)
    # Several rules for one place are the branches of a union, any of which would do.
    return "; ".join(start + " or ".join(dict.fromkeys(rules)) for start, rules in problems.items())


def _loaded(text: str | bytes) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


def _place(data: Any, path: tuple[int | str, ...]) -> list[str]:
    """The parts of a path that the author wrote: keys and positions, without pydantic's names of union branches."""
    parts = []
    for part in path:
        if isinstance(data, dict) and part in data:
            data = data[str(part)]
        elif isinstance(data, list) and isinstance(part, int) and part < len(data):
            data = data[part]
        else:
            continue
        parts.append(str(part))
    return parts


def _fields_at(kind: type[BaseModel], path: list[str]) -> list[str]:
    """The field names of the model that `path` leads to, following nested models through lists and unions."""
    models = [kind]
    for part in path:
        fields = [model.model_fields[part].annotation for model in models if part in model.model_fields]
        if fields:
            models = [model for field in fields for model in _models_in(field)]
    return [field.alias or name for model in models for name, field in model.model_fields.items()]


def _models_in(annotation: Any) -> list[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    return [model for argument in getattr(annotation, "__args__", ()) for model in _models_in(argument)]
