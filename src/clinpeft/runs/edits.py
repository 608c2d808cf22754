"""What was edited in a study since it last ran, in words."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from typing import Any

from clinpeft.spec import Study


def edits(before: Study, now: Study) -> list[str]:
    """One phrase an edit, such as `train.epochs: 5 → 3` or `methods.ia3 added`; none for another order or wording."""
    return list(_edits(_plain(before), _plain(now), ""))


def _plain(study: Study) -> Any:
    """Lists are told by their items' names, where they have names of their own."""
    return _named(study.model_dump(mode="json", by_alias=True, exclude={"question"}))


def _named(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _named(item) for key, item in value.items()}
    if not isinstance(value, list):
        return value
    if not all(isinstance(item, dict) for item in value):
        return {str(item): item for item in value}
    counts = Counter(item.get("name") for item in value)
    return {item["name"] if counts[item["name"]] == 1 else _flat(item): _named(item) for item in value}


def _flat(item: dict[str, Any]) -> str:
    return " ".join(str(value) if key == "name" else f"{key}={value}" for key, value in item.items())


def _edits(before: Any, now: Any, where: str) -> Iterator[str]:
    if not (isinstance(before, dict) and isinstance(now, dict)):
        yield f"{where}: {_said(before)} → {_said(now)}"
        return
    for key in {**before, **now}:
        place = f"{where}.{key}" if where else key
        if key not in before:
            yield f"{place} added"
        elif key not in now:
            yield f"{place} removed"
        elif before[key] != now[key]:
            yield from _edits(before[key], now[key], place)


def _said(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)
