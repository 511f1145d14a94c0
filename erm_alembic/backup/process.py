"""Run one of PostgreSQL's programs to its end: what it says line by line, and its output as a stream.

It has a process group of its own, so that a signal to erm ends it in order, and files of its own are private.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import IO

from erm_alembic.config.redaction import first_line
from erm_alembic.errors import BackupError

__all__ = ["NOT_STOPPED", "Orders", "run_program", "streaming"]

# How long a process group has between SIGTERM and SIGKILL, in seconds.
GRACE = 3.0
LOOK_AGAIN = 0.1
KEPT_LINES = 40
FULL = ("No space left on device", "Disk quota exceeded", "File too large", "could not write to output file")


def never() -> bool:
    """Nobody stops it."""
    return False


def nothing(_line: str) -> None:
    """Nobody listens."""


NOT_STOPPED: Callable[[], bool] = never


@dataclass(frozen=True)
class Orders:
    """How a program is run.

    Args:
        environ: its environment.
        told: told each line that it writes to stderr.
        stopped: asked again and again whether it is to be ended.
        timeout: how long it may take, in seconds; None for as long as it wants.
        held: file descriptors that it inherits, so that what they lock is locked as long as it lives.
        what: what it is doing, for the message of its failure.
    """

    environ: Mapping[str, str]
    told: Callable[[str], None] = nothing
    stopped: Callable[[], bool] = NOT_STOPPED
    timeout: float | None = None
    held: tuple[int, ...] = ()
    what: str = ""
    said: list[str] = field(default_factory=list)


def run_program(
    argv: Sequence[str | bytes | Path],
    orders: Orders,
    *,
    cwd: Path | None = None,
    given: IO[bytes] | None = None,
    answer: IO[bytes] | None = None,
) -> None:
    """Run a program that writes its result into files.

    Args:
        argv: the program and its arguments; no shell reads them.
        orders: how.
        cwd: its working directory.
        given: what it may read from stdin; None for nothing.
        answer: takes what it writes to stdout; None lets that go.

    Raises:
        BackupError: it cannot be started, fails, takes too long, or was stopped.
    """
    process = _start(argv, orders, answer or subprocess.DEVNULL, subprocess.PIPE, cwd, given)
    deadline = None if orders.timeout is None else time.monotonic() + orders.timeout
    lines: SimpleQueue[bytes] = SimpleQueue()
    reader = Thread(target=_read_lines, args=(process.stderr, lines), daemon=True)
    reader.start()
    try:
        while True:
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(LOOK_AGAIN)
            _tell(lines, orders)
            if process.returncode is not None:
                break
            _refuse_to_go_on(orders, deadline, argv)
    except BaseException:
        _end(process)
        raise
    finally:
        reader.join(GRACE)
        _tell(lines, orders)
    if process.returncode != 0:
        raise failed(argv, process.returncode, orders)


@contextlib.contextmanager
def streaming(argv: Sequence[str | bytes | Path], orders: Orders) -> Iterator[IO[bytes]]:
    """Run a program, and read what it writes to stdout.

    Args:
        argv: the program and its arguments; no shell reads them.
        orders: how; whoever reads asks by themselves whether it is to be ended.

    Raises:
        BackupError: it cannot be started, or fails.
    """
    with tempfile.TemporaryFile() as said:
        process = _start(argv, orders, subprocess.PIPE, said)
        assert process.stdout is not None
        try:
            yield process.stdout
            process.stdout.close()
            status = process.wait()
        except BaseException:
            _end(process)
            process.wait()
            raise
        said.seek(0)
        orders.said.extend(said.read().decode("utf-8", "replace").splitlines()[-KEPT_LINES:])
        if status != 0:
            raise failed(argv, status, orders)


def failed(argv: Sequence[str | bytes | Path], status: int, orders: Orders) -> BackupError:
    """The error of a program that failed, in its own words.

    Args:
        argv: the program and its arguments, of which only its name is told.
        status: what it exited with; negative for the signal that ended it.
        orders: what it was run with, and has said.
    """
    name = Path(os.fsdecode(argv[0])).name
    words = next((line for line in orders.said if "error:" in line or "FATAL" in line), None)
    words = words or next((line for line in reversed(orders.said) if line.strip()), None)
    if words is None:
        words = f"ended by signal {-status}" if status < 0 else f"exit status {status}"
    text = first_line(words).removeprefix(f"{name}: ").removeprefix("error: ")
    cure = "Look at what it says, and try again."
    if any(hint in line for hint in FULL for line in orders.said):
        cure = "Free space on that disk, or name another folder: `backup.directory` in erm.yaml."
    elif "aborting because of server version mismatch" in " ".join(orders.said):
        cure = "Install the client programs of the server's version, or set ERM_PG_BIN to the folder that has them."
    elif "lock timeout" in text:
        cure = "Somebody holds a table locked: `SELECT * FROM pg_stat_activity` shows who; try again."
    elif "permission denied" in text:
        cure = "Let the role read every table (GRANT pg_read_all_data), or set `migrations.role` to one that may."
    elif "row-level security" in text or "row security" in text:
        cure = "Take backups as a role that row-level security does not hold for (BYPASSRLS)."
    return BackupError(f"{name} failed{orders.what and f' while {orders.what}'}: {text}", cure=cure)


def _start(
    argv: Sequence[str | bytes | Path],
    orders: Orders,
    out: int | IO[bytes],
    err: int | IO[bytes],
    cwd: Path | None = None,
    given: IO[bytes] | None = None,
) -> subprocess.Popen[bytes]:
    try:
        return subprocess.Popen(
            argv,
            stdin=given or subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            env=dict(orders.environ),
            cwd=cwd,
            process_group=0,
            pass_fds=orders.held,
            umask=0o077,
        )
    except (OSError, ValueError) as error:
        name = Path(os.fsdecode(argv[0])).name
        reason = getattr(error, "strerror", None) or type(error).__name__
        raise BackupError(f"{name} cannot be started: {reason}.", cure="Look at the installation of it.") from None


def _read_lines(pipe: IO[bytes], lines: SimpleQueue[bytes]) -> None:
    with pipe:
        for line in pipe:
            lines.put(line)


def _tell(lines: SimpleQueue[bytes], orders: Orders) -> None:
    while not lines.empty():
        text = lines.get().decode("utf-8", "replace").rstrip("\r\n")
        orders.said.append(text)
        if len(orders.said) > 2 * KEPT_LINES:
            # What went wrong first says more than what came of it.
            errors = [each for each in orders.said[:-KEPT_LINES] if "error:" in each][:1]
            orders.said[:] = errors + orders.said[-KEPT_LINES:]
        orders.told(text)


def _refuse_to_go_on(orders: Orders, deadline: float | None, argv: Sequence[str | bytes | Path]) -> None:
    name = Path(os.fsdecode(argv[0])).name
    if orders.stopped():
        raise BackupError(f"{name} was stopped by a signal.", cure="Run the command again.")
    if deadline is not None and time.monotonic() >= deadline:
        raise BackupError(
            f"{name} took longer than backup.timeout and was ended.", cure="Raise `backup.timeout` in erm.yaml."
        )


def _end(process: subprocess.Popen[bytes]) -> None:
    """SIGTERM for the program and whatever it started, and SIGKILL for what is left of them."""
    for number, patience in ((signal.SIGTERM, GRACE), (signal.SIGKILL, GRACE)):
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(patience)
            return
