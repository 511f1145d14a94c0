"""The process that `tests/support/forking.py` starts: it imports what a run needs, and forks whenever it is told to."""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

# What is run, and what of others most runs of it import.
IMPORTED = {
    "erm_alembic": ("alembic.command", "sqlalchemy.dialects.postgresql.psycopg2"),
    "alembic": ("alembic.config", "alembic.command", "sqlalchemy.dialects.postgresql.psycopg2"),
}
# Of which the modules are imported, too.
WHOLE = "erm_alembic"
# Characters of the process id that comes first out of the pipe of a child's end; its status follows.
PID_WIDTH = 10
WRITES_BYTECODE = "PYTHONDONTWRITEBYTECODE"


def send(control: socket.socket, content: object, descriptors: Sequence[int] = ()) -> None:
    """Send something that JSON can say, and descriptors with it."""
    data = json.dumps(content).encode()
    socket.send_fds(control, [len(data).to_bytes(4, "big")], descriptors)
    control.sendall(data)


def receive(control: socket.socket) -> tuple[Any, list[int]]:
    """What was sent, and the descriptors that came with it.

    Raises:
        EOFError: the other side has ended.
    """
    size, descriptors, _, _ = socket.recv_fds(control, 4, 4)
    size += _received(control, 4 - len(size))
    return json.loads(_received(control, int.from_bytes(size, "big"))), descriptors


def _received(control: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        piece = control.recv(size - len(data))
        if not piece:
            raise EOFError
        data += piece
    return data


def serve(package: str, descriptor: int) -> None:
    """Import what a package needs, then fork for each request; in the child, run it. Ends with the test process."""
    _import(package)
    gc.freeze()
    control = socket.socket(fileno=descriptor)
    send(control, sorted({name.partition(".")[0] for name in sys.modules}))
    try:
        request = _next_child(control)
    except EOFError:
        return
    _run(package, request)


def _import(package: str) -> None:
    for name in IMPORTED[package]:
        importlib.import_module(name)
    if package == WHOLE:
        for module in pkgutil.walk_packages(importlib.import_module(package).__path__, f"{package}."):
            if not module.name.endswith(".__main__"):
                with contextlib.suppress(ImportError):  # of what is not installed here
                    importlib.import_module(module.name)


def _next_child(control: socket.socket) -> dict[str, Any]:
    """Fork until the test process is gone. Comes back in each child, with what it is to do.

    Raises:
        EOFError: the test process is gone.
    """
    woken, wake = os.pipe()
    for end in (woken, wake):
        os.set_blocking(end, False)
    signal.set_wakeup_fd(wake)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    # Ctrl-C is for the tests; this process ends with them.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    ends: dict[int, int] = {}
    while True:
        ready, _, _ = select.select([control.fileno(), woken], [], [])
        if woken in ready:
            with contextlib.suppress(BlockingIOError):
                os.read(woken, 4096)
            _tell_ends(ends)
        if control.fileno() in ready:
            request, streams = receive(control)
            pid = os.fork()
            if pid == 0:
                signal.set_wakeup_fd(-1)
                signal.signal(signal.SIGCHLD, signal.SIG_DFL)
                signal.signal(signal.SIGINT, signal.default_int_handler)
                for number, stream in enumerate(streams[:3]):
                    os.dup2(stream, number)
                for unused in (control.detach(), woken, wake, *streams, *ends.values()):
                    os.close(unused)
                return cast("dict[str, Any]", request)
            if request["own_group"]:
                os.setpgid(pid, pid)
            for stream in streams[:3]:
                os.close(stream)
            ends[pid] = streams[3]
            os.write(ends[pid], str(pid).ljust(PID_WIDTH).encode())


def _tell_ends(ends: dict[int, int]) -> None:
    """Tell of the children that have ended."""
    for pid in list(ends):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            with contextlib.suppress(BrokenPipeError):
                os.write(ends[pid], str(status).encode())
            os.close(ends.pop(pid))


def _run(package: str, request: dict[str, Any]) -> None:
    """Be what `python -m package` would be."""
    if request["own_group"]:
        os.setpgid(0, 0)
    os.umask(request["umask"])
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["environ"])
    time.tzset()
    sys.dont_write_bytecode = bool(os.environ.get(WRITES_BYTECODE))
    sys.argv = ["-m", *request["words"]]
    sys.path[0] = str(Path.cwd())
    importlib.invalidate_caches()
    runpy.run_module(package, run_name="__main__", alter_sys=True)
