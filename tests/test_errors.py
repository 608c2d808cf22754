"""What every error promises: one line, where and what to do, and an exit code."""

from __future__ import annotations

import pytest

from clinpeft.errors import (
    BadInput,
    ClinpeftError,
    EnvironmentStop,
    GateRefused,
    UnknownName,
    did_you_mean,
)


def test_bad_input_names_where_the_rule_and_the_remedy() -> None:
    error = BadInput("table.csv: row 7, column 'label'", "is empty", "fill it or drop the row")

    assert str(error) == "table.csv: row 7, column 'label': is empty; fill it or drop the row"
    assert (error.where, error.rule, error.remedy) == (
        "table.csv: row 7, column 'label'",
        "is empty",
        "fill it or drop the row",
    )


def test_bad_input_without_a_remedy_ends_after_the_rule() -> None:
    assert str(BadInput("a.csv", "has no rows")) == "a.csv: has no rows"


def test_a_line_break_in_a_name_does_not_break_the_message() -> None:
    error = BadInput("column 'a\nb\x1b[31m'", "is given twice")

    assert str(error) == r"column 'a\nb\x1b[31m': is given twice"


@pytest.mark.parametrize(
    ("error", "exit_code"),
    [
        (ClinpeftError("x"), 1),
        (GateRefused("x"), 1),
        (BadInput("x", "y"), 2),
        (UnknownName("x", "y"), 2),
        (EnvironmentStop("x"), 3),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else None,
)
def test_every_error_has_the_exit_code_of_the_contract(error: ClinpeftError, exit_code: int) -> None:
    assert error.exit_code == exit_code


def test_bad_input_is_a_value_error_so_that_libraries_can_catch_it() -> None:
    assert isinstance(UnknownName("task 'x'", "no task has this name"), ValueError)


def test_a_near_name_is_suggested_and_a_far_one_is_not() -> None:
    known = ["mimic3-mortality", "ncbi-disease"]

    assert did_you_mean("mimic3-mortalty", known) == "did you mean 'mimic3-mortality'?"
    assert did_you_mean("zzz", known) == ""
    assert did_you_mean("x", []) == ""
