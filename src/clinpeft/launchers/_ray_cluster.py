"""The connection to a Ray cluster, or to one of our own for the time being; and whether it is still there."""

from __future__ import annotations

import contextlib
import os
import secrets
import shutil
import signal
import socket
import tempfile
import time
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

from clinpeft.errors import EnvironmentStop

SECONDS_TO_COME_BACK = 15.0
"""For a head or raylet that takes no connection. Left to itself Ray (2.60) ends this process a minute after the head
has died, and waits for ever when the raylet has."""
TOKEN, MODE = "RAY_AUTH_TOKEN", "RAY_AUTH_MODE"
CLUSTERS = "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"
"""Without clusters Ray listens on the loopback; else on every address, whatever address it is given (2.60)."""


@contextlib.contextmanager
def connected(address: str | None, retries: int) -> Iterator[None]:
    """A connection to a cluster, or a cluster for the time being; one that the caller has already is used as it is."""
    with _environment(is_ours=address is None, retries=retries), _own_handler():
        import ray

        if ray.is_initialized():
            yield
            return
        folder = tempfile.mkdtemp(prefix="ray-")
        ours: dict[str, Any] = {"include_dashboard": False, "_temp_dir": folder}
        options = ours if address is None else {"address": address}
        try:
            try:
                ray.init(log_to_driver=False, logging_level="ERROR", **options)
            except (ray.exceptions.RayError, OSError, RuntimeError) as error:
                raise EnvironmentStop(f"no connection to a Ray cluster ({type(error).__name__})") from None
            yield
        finally:
            ray.shutdown()
            shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def gone_is_a_stop() -> Iterator[None]:
    """An error of Ray's own in the block stops it as the environment does."""
    from ray import exceptions

    try:
        yield
    except (exceptions.RayError, ConnectionError, TimeoutError) as error:
        raise EnvironmentStop(f"the Ray cluster does not answer ({type(error).__name__})") from None


def was_told(*, is_ours: bool) -> bool:
    """Whether Ray, which reads this once, at its import, asks for tokens and (for a cluster of ours) stays here."""
    from ray._private import ray_constants
    from ray._private.authentication.authentication_utils import is_token_auth_enabled

    return bool(is_token_auth_enabled()) and ray_constants.ENABLE_RAY_CLUSTER is not is_ours


def knows_a_token() -> bool:
    """Whether the token of a cluster is in the environment, or in the file where Ray keeps it."""
    if os.environ.get(TOKEN):
        return True
    return Path(os.environ.get("RAY_AUTH_TOKEN_PATH") or Path.home() / ".ray" / "auth_token").is_file()


class Watch:
    """Looks whether the cluster's head, and the raylet through which this process speaks to it, are there."""

    def __init__(self) -> None:
        import ray

        context = ray.get_runtime_context()
        (node,) = [node for node in ray.nodes() if node["NodeID"] == context.get_node_id()]
        self.places = {"head": context.gcs_address, "raylet": f"{node['NodeManagerAddress']}:{node['NodeManagerPort']}"}
        self._there = time.monotonic()

    def look(self) -> None:
        """Raises ClusterGone when one of them has taken no connection for a while."""
        silent = [f"its {name} ({place})" for name, place in self.places.items() if not _takes_connections(place)]
        if not silent:
            self._there = time.monotonic()
        elif time.monotonic() - self._there > SECONDS_TO_COME_BACK:
            raise ClusterGone(
                f"the Ray cluster is gone: {silent[0]} does not answer; the same command goes on with another"
            )


class ClusterGone(EnvironmentStop):
    """Nothing more can be asked of the cluster."""


def _takes_connections(place: str) -> bool:
    host, _, port = place.rpartition(":")
    try:
        with socket.create_connection((host.strip("[]"), int(port)), timeout=SECONDS_TO_COME_BACK):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def _environment(*, is_ours: bool, retries: int) -> Iterator[None]:
    """What Ray reads from the environment while it is connected."""
    wanted = {
        MODE: "token",
        "RAY_USAGE_STATS_ENABLED": "0",
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
        # A task that needs more memory than there is would be begun again for ever.
        "RAY_task_oom_retries": str(retries),
    }
    if is_ours:
        wanted[CLUSTERS] = "0"
        # Ray would let its processes give way to all others, by 15 steps of niceness.
        wanted["RAY_worker_niceness"] = "0"
        if not knows_a_token():
            wanted[TOKEN] = _own_token()
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _own_handler() -> Iterator[None]:
    """Ray sets a handler of its own for SIGTERM; ours stays."""
    before = signal.getsignal(signal.SIGTERM)
    try:
        import ray

        _ = ray.__version__
        _restore(before)
        yield
    finally:
        _restore(before)


def _restore(handler: Any) -> None:
    with contextlib.suppress(ValueError):  # not in the main thread, where Ray sets none either
        signal.signal(signal.SIGTERM, handler)


@cache
def _own_token() -> str:
    """One for the life of this process: Ray reads it once."""
    return secrets.token_hex(32)
