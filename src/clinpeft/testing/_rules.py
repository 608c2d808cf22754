"""Rules, and what comes of them.

A rule is a function of an entry (its class, a model's card, a family's name) that returns None when it holds, and else
what is wrong; the function's name is the name of the check.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")
E = TypeVar("E")
Rule = Callable[[type[T]], str | None]


@dataclass(frozen=True)
class CheckResult:
    """One check of one entry; `detail` says what is wrong and is empty when it passed."""

    name: str
    passed: bool
    detail: str = ""


def results(entry: E, rules: Sequence[Callable[[E], str | None]]) -> list[CheckResult]:
    """Every rule's result; an entry that raises or warns breaks the rule it was asked for."""
    found = []
    for rule in rules:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("error")
                problem = rule(entry)
        except Exception as error:
            problem = f"{type(error).__name__}: {error}"
        found.append(CheckResult(rule.__name__.strip("_").replace("_", " "), problem is None, problem or ""))
    return found


def empty_attributes(entry: Any, names: Sequence[str]) -> str | None:
    """Which of an entry's attributes are missing or empty, in words; None when all are set."""
    empty = [name for name in names if not getattr(entry, name, None)]
    return f"{', '.join(empty)}: not set" if empty else None
