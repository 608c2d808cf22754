"""JSON Lines: one object a line, read strictly."""

from __future__ import annotations

import json
from math import isfinite
from pathlib import Path
from typing import Any

from clinpeft.errors import BadInput
from clinpeft.sources._strict_text import strict_lines
from clinpeft.sources.base import RawFiles


class _Refused(Exception):
    """Why a line is refused; carries no value."""


def read_json_lines(raw: RawFiles, path: Path) -> tuple[list[str], list[int], list[dict[str, Any]]]:
    """(columns in order of first appearance, line numbers, objects); blank lines are passed over.

    Raises BadInput with the line for anything that is no JSON object, a key given twice, NaN or infinity, half a
    surrogate pair; and when there are no objects.
    """
    columns: dict[str, None] = {}
    numbers, rows = [], []
    for number, line in strict_lines(raw, path):
        if not line.strip():
            continue
        row = json_object(f"{path.name}: line {number}", line)
        columns.update(dict.fromkeys(row))
        numbers.append(number)
        rows.append(row)
    return list(columns), numbers, rows


def json_object(where: str, line: str) -> dict[str, Any]:
    """One line's object. Raises BadInput, naming `where`, for what `read_json_lines` refuses."""
    try:
        value = json.loads(line, object_pairs_hook=_pairs, parse_constant=_constant, parse_float=_float)
    except _Refused as refused:
        raise BadInput(where, str(refused)) from None
    except (ValueError, RecursionError):
        raise BadInput(where, "is no JSON", "one object a line; comments are not allowed") from None
    if not isinstance(value, dict):
        raise BadInput(where, "is no JSON object", 'one object a line: {"column": value, …}')
    if "\\u" in line and _has_half_pair(value):
        raise BadInput(where, "holds half a surrogate pair (\\ud800 to \\udfff)", "remove it")
    return value


def _pairs(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) < len(pairs):
        raise _Refused("gives a key twice")
    return result


def _constant(_: str) -> Any:
    raise _Refused("holds NaN or Infinity, which are no JSON")


def _float(digits: str) -> float:
    value = float(digits)
    if not isfinite(value):
        raise _Refused("holds a number too large")
    return value


def _has_half_pair(value: dict[str, Any]) -> bool:
    try:
        json.dumps(value, ensure_ascii=False).encode()
    except UnicodeEncodeError:
        return True
    return False
