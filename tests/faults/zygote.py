"""A process that has imported everything and forks on demand: a `clinpeft` command line starts in milliseconds.

Reads orders from stdin, a JSON object a line: `{"words": […], "code": "…", "log": PATH}` starts a command line in a
session of its own, after `code` has prepared its faults, and answers with its process id; `{"wait": PID, "seconds": S}`
answers with its exit code (negative: the signal's number), or null when it still runs after so long.
"""

from __future__ import annotations

import json
import os
import select
import signal
import sys
import time
import traceback
from typing import Any, NoReturn


def import_everything() -> None:
    import peft
    import pyarrow.parquet
    import safetensors.torch
    import scipy.optimize
    import sklearn.linear_model
    from transformers import AutoModel, BertModel, BertTokenizerFast

    import clinpeft.api
    import clinpeft.cli
    import clinpeft.launchers.local
    import clinpeft.runs.work
    from clinpeft.methods.base import METHODS
    from clinpeft.metrics.base import METRICS

    METHODS.names(), METRICS.names()
    assert all((peft, pyarrow.parquet, safetensors.torch, scipy.optimize, sklearn.linear_model, clinpeft))
    assert all((AutoModel, BertModel, BertTokenizerFast))


def start(order: dict[str, Any]) -> int:
    child = os.fork()
    if child == 0:
        os.setsid()
        log = os.open(order["log"], os.O_CREAT | os.O_WRONLY | os.O_APPEND, 0o600)
        for descriptor in (1, 2):
            os.dup2(log, descriptor)
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        signal.signal(signal.SIGINT, signal.default_int_handler)
        run(order)
    return child


def run(order: dict[str, Any]) -> NoReturn:
    code = 99
    try:
        sys.argv = ["clinpeft", *order["words"]]
        exec(compile(order["code"], "faults", "exec"), {"__name__": "faults"})
        from clinpeft.cli import main

        main()
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def wait(process: int, seconds: float) -> int | None:
    end = time.monotonic() + seconds
    while True:
        ended, status = os.waitpid(process, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
        if time.monotonic() > end:
            return None
        select.select([], [], [], 0.01)  # Under libfaketime a sleep fails when the clock steps.


def main() -> None:
    import_everything()
    print("ready", flush=True)
    for line in sys.stdin:
        order = json.loads(line)
        answer = wait(order["wait"], order["seconds"]) if "wait" in order else start(order)
        print(json.dumps(answer), flush=True)


if __name__ == "__main__":
    main()
