"""How a server is brought down, and how the traces of one that was killed are removed.

Signals are sent to processes that were seen working in the data directory, never to a number read from a
stale file.
"""

from __future__ import annotations

import os
import shutil
import signal
import time
from contextlib import suppress
from pathlib import Path

from erm_alembic.errors import ServerError
from erm_alembic.postgres.embedded.files import Cluster

__all__ = ["clear_leftovers", "shut_down"]

POLL_INTERVAL = 0.02
# Fast shutdown first (it writes a checkpoint), then immediate, then what nobody can ignore: signal, seconds.
STAGES = ((signal.SIGINT, 30.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
# Backends whose postmaster was killed leave by themselves as soon as they look up from their work.
ORPHAN_STAGES = ((None, 1.0), (signal.SIGQUIT, 2.0), (signal.SIGKILL, 5.0))


def shut_down(cluster: Cluster) -> bool:
    """Stop every process of the cluster, with the lock held; say whether a server ran.

    Raises:
        ServerError: a process does not go away, or is not ours to stop.
    """
    running = cluster.running()
    if running is not None:
        for number, patience in STAGES:
            _send(running.pid, number)
            if _gone(cluster, patience):
                return True
    for orphan_number, patience in ORPHAN_STAGES:
        for pid in cluster.processes():
            if orphan_number is not None:
                _send(pid, orphan_number)
        if _gone(cluster, patience):
            return running is not None
    raise ServerError(
        f"The processes {', '.join(map(str, cluster.processes()))} of {cluster.data_dir} do not end.",
        effect="The embedded server is neither running nor stopped.",
        cure="End these processes, then try again.",
    )


def clear_leftovers(cluster: Cluster, socket_dir: Path, port: int) -> None:
    """Remove what a killed server or `initdb` left behind, with the lock held and no process at work.

    PostgreSQL would read the numbers in these files and refuse to start when another process has such a
    number now.
    """
    (cluster.data_dir / "postmaster.pid").unlink(missing_ok=True)
    for name in (f".s.PGSQL.{port}", f".s.PGSQL.{port}.lock"):
        with suppress(PermissionError, NotADirectoryError):
            (socket_dir / name).unlink(missing_ok=True)
    shutil.rmtree(cluster.unfinished, ignore_errors=True)


def _send(pid: int, number: signal.Signals) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        pass
    except PermissionError:
        raise ServerError(
            f"The server's process {pid} belongs to another user.",
            effect="The embedded server was left as it is.",
            cure="Run the command as the user that started the server.",
        ) from None


def _gone(cluster: Cluster, patience: float) -> bool:
    """Wait until no process works in the data directory; say whether that came about in time."""
    deadline = time.monotonic() + patience
    while cluster.processes():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_INTERVAL)
    return True
