"""The processes of a server: found, and stopped where they stand."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.support.servers import PrivateServer
from tests.support.waiting import until

__all__ = ["children", "freeze", "frozen", "lives", "postmaster", "stand_still", "stands_still", "thaw"]


@contextmanager
def frozen(server: PrivateServer) -> Iterator[None]:
    """A server none of whose processes runs: its sockets are open, and nothing answers."""
    try:
        freeze(server)
        yield
    finally:
        thaw(server)


def freeze(server: PrivateServer) -> None:
    """Stop all processes of a server where they are, and wait until they stand."""
    first = postmaster(server)
    # First the one that makes others.
    _stand_still(first)
    for pid in children(first):
        _stand_still(pid)


def thaw(server: PrivateServer) -> None:
    """Let the processes of a frozen server go on."""
    first = postmaster(server)
    if first:
        for pid in (*children(first), first):
            _signalled(pid, signal.SIGCONT)


def postmaster(server: PrivateServer) -> int:
    """The number of a server's first process; 0 where it has none."""
    try:
        return int((server.data_dir / "postmaster.pid").read_text().splitlines()[0])
    except (OSError, ValueError, IndexError):
        return 0


def children(parent: int) -> list[int]:
    """The processes that a process has started, and that live."""
    try:
        return [int(pid) for pid in Path(f"/proc/{parent}/task/{parent}/children").read_text().split()]
    except OSError:
        return []


def _stand_still(pid: int) -> None:
    if _signalled(pid, signal.SIGSTOP):
        until(lambda: _state(pid) in "TZ")


def stands_still(server: PrivateServer) -> bool:
    """Whether a server has processes, none of which runs."""
    return stand_still(postmaster(server))


def stand_still(first: int) -> bool:
    """Whether a process is there, and neither it nor what it has started runs."""
    return bool(first) and all(_state(pid) in "TZ" for pid in (first, *children(first)))


def lives(pid: int) -> bool:
    """Whether a process is there, and more than what nobody has buried."""
    return _state(pid) != "Z"


def _signalled(pid: int, number: signal.Signals) -> bool:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return False
    return True


def _state(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (OSError, IndexError):
        return "Z"
