"""Run one command in a process group of its own: bounded in time, whatever it does with its streams."""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from erm_alembic.hooks.output import Output

__all__ = ["Ended", "run_command"]

# How long a process group has between SIGTERM and SIGKILL, in seconds.
GRACE = 2.0
# A command may close its output, or hand it to a process that it leaves behind: its end is looked for as well.
LOOK_AGAIN = 0.05
CHUNK = 64 * 1024
# What still stands in the pipe when a command has ended, at most.
REMAINDER = 1024 * 1024


@dataclass(frozen=True)
class Ended:
    """How a command ended.

    Args:
        outcome: `done`, `failed`, `timed out`, `interrupted` or `not started`.
        exit_status: what it exited with; negative for the signal that ended it, None when it was not started.
        reason: why it could not be started.
    """

    outcome: str
    exit_status: int | None = None
    reason: str = ""


def run_command(
    words: Sequence[str],
    *,
    cwd: Path,
    environ: Mapping[str, str],
    stdin: bytes,
    timeout: float | None,
    output: Output,
    signalled: Callable[[], bool],
) -> Ended:
    """Run a command to its end.

    Args:
        words: the program and its arguments; no shell reads them.
        cwd: its working directory.
        environ: its environment.
        stdin: what it may read.
        timeout: how long it may take, in seconds; None for as long as it wants.
        output: takes what it writes, to stdout and to stderr.
        signalled: whether it is to be ended.
    """
    try:
        process = subprocess.Popen(
            words,
            cwd=cwd,
            env=dict(environ),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            bufsize=0,
            process_group=0,
        )
    except (OSError, ValueError) as error:
        return Ended("not started", reason=(getattr(error, "strerror", None) or type(error).__name__).lower())
    with process:
        return _Watched(process, stdin, output).until_it_ends(timeout, signalled)


class _Watched:
    """A command under way, and its two pipes."""

    def __init__(self, process: subprocess.Popen[bytes], stdin: bytes, output: Output) -> None:
        self._process, self._output = process, output
        self._unread = memoryview(stdin)
        assert process.stdin is not None and process.stdout is not None
        self._stdin, self._stdout = process.stdin, process.stdout
        self._selector = selectors.DefaultSelector()
        for pipe, event in ((self._stdin, selectors.EVENT_WRITE), (self._stdout, selectors.EVENT_READ)):
            os.set_blocking(pipe.fileno(), False)
            self._selector.register(pipe, event)

    def until_it_ends(self, timeout: float | None, signalled: Callable[[], bool]) -> Ended:
        deadline = None if timeout is None else time.monotonic() + timeout
        outcome = ""
        with self._selector:
            while self._process.poll() is None:
                if signalled():
                    outcome = "interrupted"
                elif deadline is not None and time.monotonic() >= deadline:
                    outcome = "timed out"
                if outcome:
                    self._end_group()
                    break
                self._exchange()
            self._drain()
        self._output.close()
        status = self._process.wait()
        return Ended(outcome or ("done" if status == 0 else "failed"), status)

    def _exchange(self, seconds: float = LOOK_AGAIN) -> None:
        """Read and write what can be read and written now, or a moment later."""
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._stdin:
                self._write()
            else:
                self._read()

    def _write(self) -> None:
        try:
            self._unread = self._unread[os.write(self._stdin.fileno(), self._unread[:CHUNK]) :]
        except BlockingIOError:
            return
        except OSError:  # it does not read, or not to the end
            self._unread = self._unread[:0]
        if not self._unread:
            self._close(self._stdin)

    def _read(self) -> int:
        try:
            data = os.read(self._stdout.fileno(), CHUNK)
        except BlockingIOError:
            return 0
        if data:
            self._output.feed(data)
        else:
            self._close(self._stdout)
        return len(data)

    def _close(self, pipe: Any) -> None:
        self._selector.unregister(pipe)
        with contextlib.suppress(OSError):
            pipe.close()

    def _drain(self) -> None:
        """Take what it left in the pipe; a process that it left behind may hold the other end for ever."""
        taken = 0
        while not self._stdout.closed and taken < REMAINDER:
            size = self._read()
            if size == 0:
                return
            taken += size

    def _end_group(self) -> None:
        """SIGTERM for the command and whatever it started, and SIGKILL for what is left of them."""
        self._signal_group(signal.SIGTERM)
        deadline = time.monotonic() + GRACE
        while self._group_lives() and time.monotonic() < deadline:
            self._exchange(LOOK_AGAIN)
        self._signal_group(signal.SIGKILL)
        self._process.wait()

    def _group_lives(self) -> bool:
        self._process.poll()
        return self._signal_group(0)

    def _signal_group(self, number: int) -> bool:
        try:
            os.killpg(self._process.pid, number)
        except ProcessLookupError:
            return False
        except PermissionError:  # it became another user's: no business of this one any more
            return self._process.returncode is None
        return True
