"""What `list` and `show` say: names, one-line titles and facts of every kind. Needs no torch."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from clinpeft.errors import UnknownName, did_you_mean

KINDS = ("sources", "tasks", "models", "methods", "metrics", "launchers", "studies")


def summaries(kind: str) -> list[tuple[str, str]]:
    """(name, title) of every entry of a kind. Raises UnknownName for another kind."""
    plural = _plural(kind)
    if plural == "models":
        from clinpeft.models.catalogue import catalogue

        return [(name, card.title) for name, card in sorted(catalogue().items())]
    if plural == "studies":
        from clinpeft.spec import Study
        from clinpeft.studies import find_study, packaged

        return [(name, Study.read(find_study(name)).question or "") for name in packaged()]
    return [(name, str(entry.title)) for name, entry in _registry(plural)()]


def describe(kind: str, name: str) -> dict[str, Any]:
    """Facts of one entry as plain data. Raises UnknownName."""
    plural = _plural(kind)
    if plural == "models":
        from clinpeft.models.catalogue import model_card

        return model_card(name).model_dump(mode="json")
    if plural == "studies":
        from clinpeft.spec import Study
        from clinpeft.studies import find_study

        return dict(Study.read(find_study(name)).model_dump(mode="json", by_alias=True, exclude_defaults=True))
    entry = _registry(plural)().get(name)
    facts = {key: _plain(getattr(entry, key)) for key in _facts(entry)}
    options = {
        key: f"{_default(field)}" + (f" ({field.description})" if field.description else "")
        for key, field in entry.model_fields.items()
    }
    return {"name": name, "what": inspect.cleandoc(entry.__doc__ or ""), **facts, "options": options}


def _registry(plural: str) -> Callable[[], Any]:
    import importlib

    module, attribute = {
        "sources": ("clinpeft.sources.base", "SOURCES"),
        "tasks": ("clinpeft.tasks.base", "TASKS"),
        "methods": ("clinpeft.methods.base", "METHODS"),
        "metrics": ("clinpeft.metrics.base", "METRICS"),
        "launchers": ("clinpeft.launchers.base", "LAUNCHERS"),
    }[plural]
    return lambda: getattr(importlib.import_module(module), attribute)


def _plural(kind: str) -> str:
    plural = {"study": "studies"}.get(kind, kind if kind.endswith("s") else f"{kind}s")
    if plural not in KINDS:
        near = did_you_mean(plural, list(KINDS))
        raise UnknownName(f"kind '{kind}'", "is none", f"{near + ' ' if near else ''}known: {', '.join(KINDS)}")
    return plural


def _facts(entry: Any) -> list[str]:
    """The class attributes that say what an entry is, base class first."""
    names = [name for base in reversed(entry.__mro__) for name in vars(base).get("__annotations__", {})]
    return [
        name
        for name in dict.fromkeys(names)
        if not name.startswith(("_", "model_")) and name not in entry.model_fields and hasattr(entry, name)
    ]


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _default(field: Any) -> str:
    return "required" if field.is_required() else str(field.default)
