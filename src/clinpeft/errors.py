"""Every error that clinpeft raises on purpose.

    ClinpeftError                    exit code
    ├── BadInput                     2   a file, a name or an option breaks a rule
    │   └── UnknownName              2   no such task, model, method, …
    ├── GateRefused                  1   a check that guards a result said no
    └── EnvironmentStop              3   disk full, another process holds the study; resumable

A message is one line: where, which rule, what to do. It never holds a note's text or a table's cell.
"""

from __future__ import annotations


class ClinpeftError(Exception):
    """Base of every error raised on purpose; `exit_code` is what the command line ends with."""

    exit_code = 1


class BadInput(ClinpeftError, ValueError):
    """A file, a name or an option breaks a rule. Nothing has been written when it is raised."""

    exit_code = 2

    def __init__(self, where: str, rule: str, remedy: str = "") -> None:
        self.where, self.rule, self.remedy = where, rule, remedy
        super().__init__(_one_line(f"{where}: {rule}" + (f"; {remedy}" if remedy else "")))

    def __reduce__(self) -> tuple[type[BadInput], tuple[str, str, str]]:
        """It comes whole from one process to another."""
        return type(self), (self.where, self.rule, self.remedy)


class UnknownName(BadInput):
    """A name that no registry, study or table knows."""


class GateRefused(ClinpeftError):
    """A check that guards a result (a sealed test set, a manifest) refused to go on."""


class EnvironmentStop(ClinpeftError):
    """The machine stopped the work (disk full, study held by another process); the same command resumes it."""

    exit_code = 3


def did_you_mean(name: str, known: list[str]) -> str:
    """`Did you mean 'x'?` for the nearest known name, or an empty string.

    >>> did_you_mean("mimic3-mortalty", ["mimic3-mortality", "rqe"])
    "did you mean 'mimic3-mortality'?"
    """
    import difflib

    near = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return f"did you mean '{near[0]}'?" if near else ""


def _one_line(message: str) -> str:
    """`message` with line breaks and other control characters (of a file's or a key's name) spelled out."""
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in message)
