"""The command line: a function a verb; what it does lives below."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import typer

from clinpeft.cli import answers, data, lookup, runs
from clinpeft.errors import ClinpeftError, EnvironmentStop
from clinpeft.files import FULL, LOST

VERBS: dict[str, Callable[..., None]] = {
    "list": lookup.list_,
    "show": lookup.show,
    "init": data.init,
    "synth": data.synth,
    "build": data.build,
    "verify": data.verify,
    "check": lookup.check,
    "params": lookup.params,
    "fetch": lookup.fetch,
    "plan": runs.plan_,
    "run": runs.run,
    "status": runs.status,
    "reproduce": runs.reproduce,
    "report": answers.report,
    "export-results": answers.export_results_,
    "import-results": answers.import_results_,
    "recommend": answers.recommend_,
    "open-test": answers.open_test_,
}
"""By name, in the order of the help page."""

app = typer.Typer(
    name="clinpeft",
    help="Which small language model should you fine-tune on your clinical text, how, and what will it cost?",
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
for _name, _verb in VERBS.items():
    app.command(_name)(_verb)


def main() -> NoReturn:
    """Run the command line; exits with 0 done, 1 failed runs, 2 bad input, 3 machine, 130/143 interrupted."""
    os.umask(0o077)
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = app(sys.argv[1:] or ["--help"], standalone_mode=False) or 0
        if code == 130:  # what typer makes of Ctrl-C
            raise KeyboardInterrupt
    except ClinpeftError as error:
        print(f"clinpeft: {error}", file=sys.stderr)
        code = error.exit_code
    except KeyboardInterrupt:
        print("clinpeft: interrupted; the same command goes on from here", file=sys.stderr)
        code = 130
    except Exception as error:
        code = _unexpected(error)
    sys.exit(int(code))


def _terminated(*_: Any) -> NoReturn:
    print("clinpeft: stopped; the same command goes on from here", file=sys.stderr)
    sys.exit(143)


def _unexpected(error: Exception) -> int:
    """A mistake in the command line's words, the machine's refusal, or a mistake of ours: one line, and its exit code.

    The message of an error that is none of ours may hold a note's text, so it is shown only when asked for.
    """
    if hasattr(error, "format_message") and hasattr(error, "exit_code"):
        message, context = " ".join(error.format_message().rstrip(".").split()), getattr(error, "ctx", None)
        hint = f" (see `{context.command_path} --help`)" if context else ""
        print(f"clinpeft: {message}{hint}", file=sys.stderr)
        return int(error.exit_code)
    if isinstance(error, OSError) and error.strerror and (error.filename is not None or error.errno in (*FULL, *LOST)):
        print(f"clinpeft: {error.filename or 'a file'}: {error.strerror}", file=sys.stderr)
        return EnvironmentStop.exit_code
    if os.environ.get("CLINPEFT_DEBUG"):
        raise error
    place = error.__traceback__
    while place is not None and place.tb_next is not None:
        place = place.tb_next
    line = f"{Path(place.tb_frame.f_code.co_filename).name}, line {place.tb_lineno}" if place else "unknown place"
    print(
        f"clinpeft: internal error, {type(error).__name__} in {line}; CLINPEFT_DEBUG=1 shows more (it may show text)",
        file=sys.stderr,
    )
    return 70
