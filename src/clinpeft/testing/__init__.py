"""The registries' contract checks: what every entry promises, in-tree or from a package outside.

    from clinpeft.testing import CHECKS
    broken = [result for result in CHECKS["metric"]("my-metric") if not result.passed]

One file a kind: its rules, and `check_<kind>`, which applies them to a class, or to what has a name and no class.
"""

from __future__ import annotations

from collections.abc import Callable

from clinpeft.errors import UnknownName, did_you_mean
from clinpeft.launchers.base import LAUNCHERS
from clinpeft.methods.base import METHODS
from clinpeft.metrics.base import METRICS
from clinpeft.models.catalogue import catalogue
from clinpeft.models.families.base import FAMILIES
from clinpeft.sources.base import SOURCES
from clinpeft.tasks.base import TASKS
from clinpeft.testing._rules import CheckResult
from clinpeft.testing.families import check_family
from clinpeft.testing.launchers import check_launcher
from clinpeft.testing.methods import check_method
from clinpeft.testing.metrics import check_metric
from clinpeft.testing.models import check_model
from clinpeft.testing.sources import check_source
from clinpeft.testing.tasks import check_task

__all__ = [
    "CHECKS",
    "NAMES",
    "CheckResult",
    "check_family",
    "check_launcher",
    "check_method",
    "check_metric",
    "check_model",
    "check_source",
    "check_task",
]

CHECKS: dict[str, Callable[[str], list[CheckResult]]] = {
    "source": lambda name: check_source(SOURCES.get(name)),
    "task": lambda name: check_task(TASKS.get(name)),
    "family": check_family,
    "model": check_model,
    "method": lambda name: check_method(METHODS.get(name)),
    "metric": lambda name: check_metric(METRICS.get(name)),
    "launcher": lambda name: check_launcher(LAUNCHERS.get(name)),
}
"""By kind, the checks of the entry with a given name. Raises UnknownName."""

NAMES: dict[str, Callable[[], list[str]]] = {
    "source": SOURCES.names,
    "task": TASKS.names,
    "family": FAMILIES.names,
    "model": lambda: list(catalogue()),
    "method": METHODS.names,
    "metric": METRICS.names,
    "launcher": LAUNCHERS.names,
}
"""By kind, the names that can be checked."""


def check_entry(kind: str, name: str) -> list[CheckResult]:
    """The checks of the entry `name` of a kind (source, task, …). Raises UnknownName."""
    if kind not in CHECKS:
        near = did_you_mean(kind, list(CHECKS))
        raise UnknownName(
            f"kind '{kind}'", "cannot be checked", f"{near + ' ' if near else ''}known: {', '.join(CHECKS)}"
        )
    return CHECKS[kind](name)
